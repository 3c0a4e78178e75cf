/*
 * An endpoint: the receiving side of a pid. One inbox for all channels that lead to it, from this node and from others,
 * and one pollable file descriptor.
 */
#ifndef LATTICE_ENDPOINT_H
#define LATTICE_ENDPOINT_H

#include <stdbool.h>

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lattice_cap;
struct lattice_node;
struct lattice_endpoint;

/**
 * Starts to receive as @pid. Peers of this node (other nodes whose keys it knows) and the node's own processes may open
 * channels to it from now on. Waits for who hosts the node, 5 s at most.
 *
 * @param pid  1 or more
 * @return 0, -EINVAL, -EADDRINUSE (this pid has an endpoint on this node, maybe in another process: lattice_explain() says
 *   which), -EACCES (this user may not), -ENOBUFS (too many), -ENOMEM, -EMFILE, -ENFILE, -ETIMEDOUT (who hosts does not answer),
 *   -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_open(struct lattice_endpoint **out,
						       struct lattice_node *node, int32_t pid);

/**
 * Starts to receive as the service @name: others find its pid by that name (lattice_node_resolve()), on this node and on others that
 * may send to it. The name is the endpoint's until that is closed or its process ends, also from one process that hosts to the
 * next. Otherwise as lattice_endpoint_open().
 *
 * @param name  1 to LATTICE_SERVICE_MAX of a-z A-Z 0-9 - _ . and not digits only
 * @param pid   the one to receive as; 0: that of lattice_service_pid(), or, if something else receives as that, one near it
 * @return as lattice_endpoint_open(), and -EEXIST (something is this service on this node already, maybe in another process)
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_open_name(struct lattice_endpoint **out,
							    struct lattice_node *node, const char *name,
							    int32_t pid);

/* What it receives as; 0 for NULL. */
LATTICE_API int32_t lattice_endpoint_pid(const struct lattice_endpoint *ep);

/*
 * The pid that a service of this name receives as unless it asks for another: the same on every node, at all times, so it can be
 * named before there is the service. 0: that is no name.
 */
LATTICE_API int32_t lattice_service_pid(const char *name);

/*
 * Ends it: senders are told, blocked receivers return -ESHUTDOWN, what was not received is lost. (A sender of this node is told
 * from which message on; one of another node, which did not arrive.) NULL is fine.
 *
 * Threads: any, also while others receive; but no call on it may begin any more.
 */
LATTICE_API void lattice_endpoint_close(struct lattice_endpoint *ep);

/**
 * Receives one message: the oldest of some channel, channels in turn.
 *
 * @param msg         filled in; msg->data is @buf, msg->len the message's length
 * @param buf         @bytes of the caller's, where the message is copied to
 * @param timeout_ns  longest wait; 0 does not wait, LATTICE_FOREVER does not give up
 *
 * Threads: any number may receive on one endpoint; each message goes to one. A node opened with no_threads receives from
 * other nodes only while it waits here or in another call.
 * @return 0, or
 *   -ENOMSG     nothing there and timeout_ns was 0; the fd of lattice_endpoint_fd() is not readable until there is
 *   -ETIMEDOUT  still nothing after timeout_ns
 *   -EMSGSIZE   the next message is longer than @bytes: msg->len says how long; it stays and is next again
 *   -ESHUTDOWN  the endpoint or its node was closed; or, after another process took over as host, somebody who had the pid before
 *               this one has it again
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_recv(struct lattice_endpoint *ep, struct lattice_msg *msg,
						       void *buf, size_t bytes, int64_t timeout_ns);

/**
 * The same, with the capability that came with the message (lattice_channel_send_cap()): the caller's, to be freed by lattice_cap_free(). It may be of
 * any node and for any holder: lattice_cap_info() says. By any other call that receives, the message comes without it.
 *
 * @param cap  filled in; NULL: none came with it. A process that ended while it sent one leaves the message without it
 * @return as lattice_endpoint_recv()
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_recv_cap(struct lattice_endpoint *ep,
							   struct lattice_msg *msg, void *buf, size_t bytes,
							   struct lattice_cap **cap, int64_t timeout_ns);

/**
 * Answers a call: a message that was received from this endpoint, and whose @call is not 0. Once; in any order; by any task or thread of
 * the process. Does not wait.
 *
 * @param msg    as it was received
 * @param reply  type, data, len are read; the bytes are copied before return
 * @return 0 (the caller has it, or on another node will, unless it gives up or is out of reach too long; if its buffer was too short, it was told so), or
 *   -EALREADY  it was answered before, or the caller has given up, or its process is gone, or its right has ended: the reply was dropped, and
 *              counted
 *   -EAGAIN    a caller on another node: no room for the bytes now. The call stays open: reply again
 *   -EMSGSIZE  a caller on another node: it takes no message so long. The call stays open
 *   -ESHUTDOWN  the node was closed
 *   -ENOMEM    a caller in another process: there was no memory for it, and the caller was told so
 *   -EINVAL    no call of this endpoint
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_reply(struct lattice_endpoint *ep,
							const struct lattice_msg *msg,
							const struct lattice_msg *reply);

enum lattice_take_flags {
	LATTICE_TAKE_SHARED =
		1 /* in place from other processes too: the sender may change the bytes while they are read */
};

/* A message that was taken and not released. The library's own. */
struct lattice_hold {
	const void *data;
	void *source;
	uint32_t block;
};

/**
 * Receives one message without copying it, when it lies in memory of its own: when it was lent and published, or too long for the
 * channel's rings. Any other is copied once, to memory that is made for it: so a program may take everything.
 *
 * @param msg         filled in; msg->data stays readable until the release. The library does not write to it any more
 * @param hold        filled in, for lattice_endpoint_release()
 * @param flags       of enum lattice_take_flags. Without LATTICE_TAKE_SHARED a message from another process is copied, because its
 *                    sender could change it between a check and its use
 * @param timeout_ns  longest wait; 0 does not wait, LATTICE_FOREVER does not give up
 *
 * What is held takes room in its channel. Threads: as lattice_endpoint_recv().
 * @return 0, -EINVAL, -ENOMEM (no memory for a copy; the message stays and is next again), or as lattice_endpoint_recv() but for
 *   -EMSGSIZE
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_take(struct lattice_endpoint *ep, struct lattice_msg *msg,
						       struct lattice_hold *hold, uint32_t flags,
						       int64_t timeout_ns);

/*
 * Gives the memory of a message back, and clears *hold. Before the endpoint that it was taken from is closed. One that is cleared is fine.
 *
 * Threads: any, not only the one that took it (but see lattice_tuning.single).
 */
LATTICE_API void lattice_endpoint_release(struct lattice_endpoint *ep, struct lattice_hold *hold);

/*
 * A level-triggered fd for poll and epoll: readable while a message may be there. Owned by the endpoint, and goes with it; do not
 * read or close it. It is made by the first call: before, an endpoint has none. The descriptor, or -EMFILE, -ENFILE, -ENOMEM, -EPERM.
 */
LATTICE_API int lattice_endpoint_fd(const struct lattice_endpoint *ep);

/* How lattice_endpoint_recv() waits. A task waits as its scheduler does, whatever is said here. */
enum lattice_wait {
	LATTICE_WAIT_AUTO =
		0, /* looks again for some 30 us where the sender runs on another processor and has been quick, then sleeps */
	LATTICE_WAIT_SPIN, /* does not sleep: a processor is its own. Nor do threads that wait for replies of it (lattice_channel_call()), those of another process for a millisecond */
	LATTICE_WAIT_PARK, /* sleeps at once: costs the least processor time */
	LATTICE_WAIT_HANDOFF /* sleeps at once, and binds the receiving thread to the sender's processor, for good: there, waking is one switch */
};

struct lattice_tuning {
	enum lattice_wait wait;
	/*
	 * lattice_endpoint_recv() is only called by one thread at a time, by agreement of the program: it takes no lock. So are
	 * lattice_endpoint_take(), and lattice_endpoint_release() by threads that receive; others may release at any time. The
	 * endpoint may not be closed while another thread is in a receive with a time-out of 0.
	 */
	bool single;
};

/**
 * Says how an endpoint is used. All zero is what it is without. While nobody receives.
 * @return 0, -EINVAL, -ESHUTDOWN (the node was closed), -EPERM
 */
LATTICE_API LATTICE_MUST_USE int lattice_endpoint_tune(struct lattice_endpoint *ep,
						       const struct lattice_tuning *tuning);

#ifdef __cplusplus
}
#endif

#endif
