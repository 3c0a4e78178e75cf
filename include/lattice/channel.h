/*
 * A channel: ordered messages from a pid of this node to a pid on this or another node. One direction.
 */
#ifndef LATTICE_CHANNEL_H
#define LATTICE_CHANNEL_H

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lattice_cap;
struct lattice_node;
struct lattice_channel;

enum lattice_channel_flags {
	LATTICE_CHANNEL_LOSSY =
		1, /* messages may be lost (counted) or overtake each other, never doubled; to other nodes only */
	LATTICE_CHANNEL_TOKEN_FULL =
		2, /* each message's token covers its bytes once more (PROTOCOL 6.3); to other nodes only */
	LATTICE_CHANNEL_SINGLE =
		4 /* one thread at a time sends and flushes, by agreement of the program: no lock on this machine */
};

/**
 * Opens a channel from @src to @dst on @node_id.
 *
 * To this node: the endpoint must exist, in this process or another; if it is in another, waits for that one and for who hosts the
 * node, 5 s at most. To another node: returns at once, the session and the channel are made in the
 * background, and lattice_channel_send() waits for them. A process that is attached to one with a network goes through that one, and
 * waits for it as for the process of an endpoint.
 *
 * @param src      the sender's pid, 1 or more: what the receiver sees as source
 * @param dst      the receiver's pid, 1 or more
 * @param node_id  0 or this node's number: this node
 * @param flags    of enum lattice_channel_flags
 * @return 0, or
 *   -ECONNREFUSED  this node has no endpoint @dst
 *   -EACCES        another process receives as @src; or this user may not send to @dst
 *   -ETIMEDOUT     the process of the endpoint, or that which hosts, does not answer
 *   -EEXIST        a channel from @src to @dst on that node is open on this node already
 *   -ENOKEY        no key known for @node_id (lattice_state_peer_add)
 *   -EDESTADDRREQ  the key is known, but no address
 *   -EINVAL        a pid below 1, unknown flags, flags that are for other nodes only
 *   -EOPNOTSUPP    another node, but neither this process nor the one that it is attached to has a network
 *   -ENOBUFS       too many: of this node, to that endpoint, or to that node
 *   -ESHUTDOWN     the node was closed
 *   -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_open(struct lattice_channel **out, struct lattice_node *node,
						      int32_t src, int32_t dst, lattice_node_id node_id,
						      uint32_t flags);

/**
 * The same by a capability (<lattice/cap.h>) of the node that is sent to: for as long as that lives, and with its badge and limits. Needed by who may
 * not by himself; and whoever holds one can be told apart, and ended, without the others.
 *
 * @param cap  read; the caller keeps it. A copy is kept while the channel is open, to be shown again when another process hosts
 * @return 0, or as lattice_channel_open(), and
 *   -EACCES       also: it is another node's, another holder's, or for other pids (of another node's, what that node says of it is told
 *                 by lattice_channel_send(), with the next two). Its holder may be this node: then any of its processes may use it
 *   -EKEYREVOKED  it was revoked, or one that it was made of
 *   -EKEYEXPIRED  its time, or its uses, are over
 *   -EINVAL       no capability
 *   -EPERM        a forked child has not got it
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_open_cap(struct lattice_channel **out,
							  struct lattice_node *node, int32_t src, int32_t dst,
							  lattice_node_id node_id, uint32_t flags,
							  const struct lattice_cap *cap);

/**
 * Sends one message.
 *
 * @param msg         type, data, len are read; the bytes are copied before return
 * @param timeout_ns  longest wait for the channel to open and for room; 0 does not wait, LATTICE_FOREVER does not give up
 *
 * Success means accepted: it will be received, or the channel's close says up to which number messages were. Messages of one
 * channel arrive in order, at most once.
 *
 * Threads: any number may send on one channel. Not for signal handlers.
 * @return 0, or
 *   -EAGAIN        not open yet or no room, and timeout_ns was 0
 *   -ETIMEDOUT     still so after timeout_ns
 *   -EMSGSIZE      over the channel's limit; nothing was sent. Over that of the right by which it was opened, which the other node alone
 *                  knows: then it is over
 *   -EHOSTUNREACH  the peer does not answer. The channel stays: later it may
 *   -ENETUNREACH   this machine has no way to it. The channel stays
 *  and, the channel being over for good,
 *   -ECONNREFUSED  nobody receives as that pid there; or (TCP) nobody listens at that address, then the channel stays
 *   -EACCES        the other node does not allow it; or the right by which it was opened is for calls only, then it goes on
 *   -EKEYREVOKED   the right by which it was opened was revoked. lattice_channel_flush() waits for the receiver's last word, and then
 *                  lattice_channel_sent() says what was received before
 *   -EKEYEXPIRED   the right by which it was opened has expired; likewise
 *   -ENOBUFS       the other node has no room for more channels from this one
 *   -EBUSY         the other node was asked for too many channels at once; one opened later may succeed
 *   -ENOKEY        the peer was removed here (lattice_node_remove_peer); lattice_channel_sent() says what arrived
 *   -ECONNRESET    the peer restarted, or was out of reach too long; lattice_channel_sent() says what arrived. To another
 *                  process: neither has had a host for 5 s, or it did not read
 *   -EOWNERDEAD    the receiving endpoint, or its node, was closed, or its process is gone; or that which ran the network
 *   -EPROTO        the peer broke a rule, or says that this node did
 *   -ESHUTDOWN     the node was closed here
 *   -ENOMEM        no memory for the message, and none is going to be given back by waiting
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_send(struct lattice_channel *ch,
						      const struct lattice_msg *msg, int64_t timeout_ns);

/**
 * Sends one message with a capability, which its receiver gets by lattice_endpoint_recv_cap(); who receives it otherwise gets the message
 * alone. The caller keeps @cap. A message has one at most, and the next waits until the one before was received.
 *
 * What the receiver may do with it is what it says: one that names its holder can be used by that holder only. (To name another, make one
 * of it: lattice_cap_attenuate() of a bearer's, lattice_cap_derive() at its issuer.) A bearer's can be used by whoever gets it, so it is sent only if it
 * has LATTICE_RIGHT_GRANT. Of whichever node it is does not matter. On this machine it goes over sockets, never by shared memory; to
 * another node inside the sealed message.
 *
 * @param cap  of this or any other node
 *
 * Threads: any. To another node: only on a channel that was opened with LATTICE_CHANNEL_TOKEN_FULL and not LATTICE_CHANNEL_LOSSY, and the
 * message is up to 290 bytes longer there.
 * @return 0, or as lattice_channel_send(), and
 *   -EACCES  also: it is a bearer's without LATTICE_RIGHT_GRANT; nothing was sent, and the channel goes on
 *   -EINVAL  no capability; or another node's channel, opened otherwise
 *   -EPERM   a forked child has not got it
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_send_cap(struct lattice_channel *ch,
							  const struct lattice_msg *msg,
							  const struct lattice_cap *cap, int64_t timeout_ns);

/* Memory to write a message into, on loan from a channel. */
struct lattice_block {
	void *data;   /* aligned to 64; its bytes are what was written there before, or zeros */
	size_t bytes; /* as many as were asked for */
	uint64_t id;  /* the library's */
};

/**
 * Loans memory of @bytes, where a message can be written and sent without being copied (to another node it is copied once, when it is
 * published). It is the caller's until it is published or discarded, or the channel is closed.
 *
 * A channel of this node has 64 MiB, one to another process 16 MiB, for messages that are lent, or sent and too long for its
 * rings, in at most 256 blocks at a time. A block is free again when its message was received, or, if that was by lattice_endpoint_take(), released.
 *
 * @param block       filled in
 * @param timeout_ns  longest wait for room; 0 does not wait, LATTICE_FOREVER does not give up
 *
 * Threads: any. Several loans may be out, and be published in any order.
 * @return 0, -EINVAL, or as lattice_channel_send(); -EMSGSIZE: @bytes are over the channel's limit; -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_loan(struct lattice_channel *ch, size_t bytes,
						      struct lattice_block *block, int64_t timeout_ns);

/**
 * Sends the first @len bytes of a loan as a message of type @type. With success *block is cleared, and its memory is not to be touched any
 * more; with an error it stays the caller's.
 *
 * @param timeout_ns  as of lattice_channel_send()
 *
 * Threads: any.
 * @return 0, or
 *   -EINVAL  @block is no loan of this channel, or was published or discarded
 *   or as lattice_channel_send(); -EMSGSIZE: @len is more than was lent
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_publish(struct lattice_channel *ch,
							 struct lattice_block *block, int32_t type,
							 size_t len, int64_t timeout_ns);

/* Gives a loan back unsent, and clears *block. One that is cleared, or NULL, is fine. Threads: any. */
LATTICE_API void lattice_channel_discard(struct lattice_channel *ch, struct lattice_block *block);

/**
 * Sends a request and waits for its reply: exactly one, or an error.
 *
 * Between two tasks of one thread, when the receiver waits in lattice_endpoint_recv() with a buffer that is long enough, a request of at most 48
 * bytes is put into its hands and it runs at once. Otherwise the request goes the way of other messages, after those that were sent
 * before it. Several calls may be under way on one channel; the receiver answers them in the order that it likes. A receiver in another
 * process is called alike; replies of more than 48 bytes lie in memory of that channel's, 16 MiB for those that have not been read. Who
 * waits for whom is not known there: a ring of calls between processes ends by its time-outs only. A receiver on another node is called
 * alike, if its process has the network itself and the channel is not lossy; it is told when the caller gives up, and by a caller that has no
 * network itself when that calls again on the channel. In lattice_channel_sent() a call counts as a message.
 *
 * @param request     type, data, len are read
 * @param reply       filled in: source is the receiver's pid; type, data (= @buf) and len are the reply's
 * @param buf         @bytes of the caller's, where the reply is copied to
 * @param timeout_ns  longest wait for room and for the reply, more than 0; LATTICE_FOREVER does not give up. A reply that comes later
 *                    is dropped, and counted
 *
 * Threads: any number may call and send on one channel.
 * @return 0, or
 *   -ETIMEDOUT    no reply; the receiver may have the request, and is told when it answers
 *   -EDEADLK      the receiver waits, through however many others, for the caller: all would wait for ever. Nothing was sent;
 *                 lattice_explain() names the ring. (What waits is known where tasks and threads call each other, and in
 *                 lattice_sched_block_on(); of a pid that several tasks or threads receive for, or for which nobody has received yet, only once one of them has the
 *                 request. A time-out does not make a ring legal)
 *   -EMSGSIZE     the request is over the channel's limit: nothing was sent; or the reply has more than @bytes: reply->len says how
 *                 many, and it is lost
 *   -EOWNERDEAD   the receiving endpoint was closed, or its process is gone
 *   -EACCES, -EKEYREVOKED, -EKEYEXPIRED, -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -ENOKEY, -EBUSY  to another node: as
 *                 lattice_channel_send(); -EACCES also: the right that the channel was opened by allows no calls. Then it stays
 *   -EOPNOTSUPP   the receiver is on another node, and its process there has not the network itself, or the channel is lossy;
 *                 or the calling thread has a hook (lattice_sched_hook_set())
 *                 without a wake function
 *   -ENOBUFS      65536 calls are under way to that pid; or, to another process, the one that was made 64 calls before this one on the
 *                 channel; or 1024 on the channel to another node, or one of the two has no room
 *   -EINVAL, -EPROTO, -ESHUTDOWN  as lattice_channel_send(); timeout_ns is 0
 *   -ENOMEM       also: the other process had none for the reply, which is lost
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_call(struct lattice_channel *ch,
						      const struct lattice_msg *request,
						      struct lattice_msg *reply, void *buf, size_t bytes,
						      int64_t timeout_ns);

/**
 * Waits until everything accepted so far is acknowledged by the other node (to this node: until it was taken out of the
 * channel).
 * @return 0, -EAGAIN (it is not, and timeout_ns was 0), -ETIMEDOUT, or what lattice_channel_send() says of a peer that is out
 *   of reach and of a channel that is over
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_flush(struct lattice_channel *ch, int64_t timeout_ns);

/*
 * How many messages were accepted. *received, unless NULL: the number of the last one known to be received (on a channel to
 * another node: to have arrived there, for an endpoint that was open; in an attached process as far as it was told, and asks now).
 */
LATTICE_API uint64_t lattice_channel_sent(const struct lattice_channel *ch, uint64_t *received);

/*
 * Closes and frees. What was accepted is still delivered in the background while the node is open (lattice_channel_flush() to be
 * sure). Nobody may be in a call on it. NULL is fine.
 */
LATTICE_API void lattice_channel_close(struct lattice_channel *ch);

/**
 * Says that @child depends on @parent: the order in which submitted work runs. What is running, or about to, is not held back.
 * @return 0 (also when it was said before), -ELOOP (would close a cycle; lattice_explain() tells the path), -EINVAL (no channel, different nodes, or the same channel),
 *   -ENOBUFS, -ENOMEM, -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_add_dep(struct lattice_channel *parent,
							 struct lattice_channel *child);

/**
 * Takes that back. What was pending on @parent alone may run now, on this thread and in this call; what has failed because of it stays
 * failed until it is submitted again.
 * Threads: any; not while either channel is being closed.
 * @return 0, -ENOENT (@child does not depend on @parent), -EINVAL (no channel, different nodes), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_remove_dep(struct lattice_channel *parent,
							    struct lattice_channel *child);

/*
 * What a channel's submission runs. Returns 0, or a negative errno: then the work of all that depends on it fails with that, without
 * being run. It runs under no lock and may call the library; @ch may not be closed by it.
 */
typedef int (*lattice_work_fn)(void *ctx, struct lattice_channel *ch);

/**
 * Gives @ch work, to be run by lattice_channel_submit(); NULL: it has none. A channel without work has nothing to wait for but its
 * parents: whoever depends on it depends on them.
 * @param ctx  handed to @fn; must stay until @fn has run
 * @return 0, -EALREADY (its work is submitted and has not come to an end), -EINVAL (no channel), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_set_work(struct lattice_channel *ch, lattice_work_fn fn,
							  void *ctx);

/**
 * Submits the channel's work. It runs once per submission, when the work of every parent (lattice_channel_add_dep()) was submitted and
 * has come to an end: at once, in this call, if that is so; else later, on the thread that ends the last of them, inside its
 * lattice_channel_submit(). Within work, what becomes ready runs after the function that is running has returned.
 *
 * After it has come to an end it may be submitted again: then who depends on it and is submitted later waits for that.
 * A parent that is closed before its work came to an end fails what is pending on it (-ESHUTDOWN).
 *
 * Threads: any.
 * @return 0 (it ran, or it is pending), -EALREADY (it is submitted and has not come to an end), -EINVAL (no channel), -ESHUTDOWN, or
 *   the failure: what its work returned, or, when it was not run because what it depends on had failed, what that returned
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_submit(struct lattice_channel *ch);

#define LATTICE_WORK_PRIORITY_MAX     7
#define LATTICE_WORK_PRIORITY_DEFAULT 3

/**
 * How soon the channel's work runs among what is ready on the same thread: that of the highest priority first, and of one priority
 * the longest ready. Dependencies come before priorities.
 * @param priority  0 to LATTICE_WORK_PRIORITY_MAX; at first LATTICE_WORK_PRIORITY_DEFAULT
 * Threads: any. Does not block.
 * @return 0, -EINVAL (no channel, out of range), -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_set_priority(struct lattice_channel *ch, int priority);

/**
 * Waits until the channel's work has come to an end, whichever thread runs it: the submission that is under way; if there is none, the
 * last one, which has ended; if there was none so far, the first. A channel without work waits for what it depends on.
 *
 * Work may wait for other work, but not for what cannot end before it: that is refused, whatever the time-out, as long as all who
 * wait are in work of the same node. What becomes ready in the meantime on the thread of the caller is not run by this call.
 *
 * @param timeout_ns  longest wait; 0 does not wait, LATTICE_FOREVER does not give up
 * Threads: any, while the channel is not being closed. In a task, others run meanwhile.
 * @return 0, or
 *   -EAGAIN     it has not, and timeout_ns was 0
 *   -ETIMEDOUT  it has not, after timeout_ns
 *   -EDEADLK    called by work which must come to an end first
 *   -EINVAL     no channel
 *   -ESHUTDOWN  the node, or a parent, was closed; or the task's scheduler was stopped
 *   -EMFILE, -ENFILE, -ENOMEM  it cannot wait
 *   or the failure: what its work returned, or what that returned which it depends on
 */
LATTICE_API LATTICE_MUST_USE int lattice_channel_wait_work(struct lattice_channel *ch, int64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
