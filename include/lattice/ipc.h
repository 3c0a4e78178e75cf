/*
 * The specification's calls: fixed messages of 64 bytes between pids, on the process's default node (see <lattice/net.h>).
 * After lattice_net_shutdown() every call returns -ESHUTDOWN until lattice_net_init().
 *
 * Errors: negative errno, and lattice_explain(NULL, rc, ...) has the sentence that belongs to the thread's last one.
 *
 * Threads: any number may use any call. Not for signal handlers, nor in a child after fork while the parent has a
 * default node (-EPERM).
 */
#ifndef LATTICE_IPC_H
#define LATTICE_IPC_H

#include <lattice/channel.h>
#include <lattice/net.h>
#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LATTICE_ANY_NODE ((lattice_node_id)-1)

enum {
	LATTICE_NONBLOCK = 1 /* flags: return at once */
};

#define LATTICE_RECV_WAIT_NS INT64_C(100000000) /* how long a blocking receive waits */
#define LATTICE_SEND_WAIT_NS \
	INT64_C(5000000000) /* how long a blocking send waits: for the session, the channel, room */

/**
 * Joins pid @src of this node and pid @dst of @node, both ways: @src receives here from now on (as after lattice_listen()) and
 * may send to @dst. With node 0 (this one) both pids receive, and either may send to the other. On another node the way
 * back is made when the program there connects, or answers a message from here.
 *
 * @param node  0 or our own number: this node. LATTICE_ANY_NODE: whichever node the last message from a pid @dst came from
 * @return 0 (also when they are joined already), or
 *   -EINVAL       a pid below 1
 *   -ENOKEY       no key is known for @node
 *   -EDESTADDRREQ no address is known for @node, and it has not called; LATTICE_ANY_NODE: no message from a pid @dst has come
 *   -EEXIST       @src is joined to @dst on another node
 *   -EOPNOTSUPP   another node, and neither lattice_net_init() nor a network of the process that hosts
 *   -ETIMEDOUT    that process does not answer
 *   -ENOBUFS, -ENOMEM, -EMFILE, -ENFILE, -EPERM, -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_connect(int32_t src, int32_t dst, lattice_node_id node);

/**
 * Receives as @pid from now on: a send to it goes straight to whoever waits in lattice_recv().
 * @return 0 (also when it does already), -EINVAL (a pid below 1), -ENOBUFS, -ENOMEM, -EMFILE, -ENFILE, -EPERM, -ESHUTDOWN
 */
LATTICE_API LATTICE_MUST_USE int lattice_listen(int32_t pid);

/**
 * Sends m_type and m_payload from @src to @dst. Without lattice_connect() it answers: to the node from which @src last received a
 * message of @dst. (The last 1024 pairs of pids, and node, are remembered. A message does not say which node it is to: where several
 * nodes write from one pid, answer before the next receive, or use <lattice/channel.h>.)
 *
 * A channel that has ended, because the peer restarted or was reset, is opened again by the next send. But if messages were accepted
 * before and were not received, that send sends nothing and says so, by the reason; the one after it goes through.
 *
 * @param flags  0: waits for the peer and for room, at most LATTICE_SEND_WAIT_NS. LATTICE_NONBLOCK: does not
 * @return 0, -ENOTCONN (@src is not joined to @dst and has received nothing from it; or nobody has listened or connected yet),
 *   -EINVAL (a pid, a flag, no message), -ENOKEY, -EDESTADDRREQ (a peer that is not known any more, or has no address), or as
 *   lattice_channel_send()
 */
LATTICE_API LATTICE_MUST_USE int lattice_send(int32_t src, int32_t dst, const struct lattice_message *msg,
					      int flags);

/**
 * Receives one message as @pid: the oldest of some channel, channels in turn. One that is shorter than 56 bytes ends in zeros.
 * Packets of the network are worked on while it waits. Any number of threads may receive as one pid; each message goes to one.
 *
 * @param flags  0: waits up to LATTICE_RECV_WAIT_NS. LATTICE_NONBLOCK: does not wait
 * @return 0, or
 *   -ENOMSG      nothing there (LATTICE_NONBLOCK)
 *   -ETIMEDOUT   nothing came in that time
 *   -EMSGSIZE    a message was longer than 56 bytes, which these calls cannot carry: it was dropped
 *   -ENOTCONN    @pid neither listens nor is connected
 *   -EINVAL      a flag, no message
 *   -ENOMEM, -EMFILE, -ENFILE, -EPERM
 *   -ESHUTDOWN   lattice_net_shutdown()
 */
LATTICE_API LATTICE_MUST_USE int lattice_recv(int32_t pid, struct lattice_message *msg, int flags);

/**
 * Moves what has arrived from the network to its receivers. The library's own thread does that too, so this only has to be called where a
 * program follows the specification to the letter; it costs next to nothing.
 * @return 0, -ESHUTDOWN, -EPERM
 */
LATTICE_API int lattice_poll_network(void);

/**
 * The channel from @src to @dst, for lattice_channel_add_dep() and lattice_channel_submit(). It stays the library's: not to be closed, valid
 * until lattice_net_shutdown(). NULL when they are not joined.
 */
LATTICE_API struct lattice_channel *lattice_channel_between(int32_t src, int32_t dst);

#ifdef __cplusplus
}
#endif

#endif
