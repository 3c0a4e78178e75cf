/*
 * Errors are negative errno values: 0 or a count is success. LATTICE_E* name the ones that the library uses, for
 * systems that lack some of them.
 *
 * Each call names its errors. Besides those,
 *   -EINVAL  any call: NULL for a handle, or a pointer that must be there
 *   -EPERM   any call on the handle of a node that was opened before this process was forked. A child of fork(2) has
 *            the handles, but neither the node's threads nor its keys: there, calls that return no error return 0 and
 *            do nothing, closing too. It may open a node of its own (with another state directory while the parent's
 *            node runs), and should exec or end: until then it holds the parent's sockets open
 *   -EMFILE, -ENFILE, -ENOMEM  any call that waits: there is no file descriptor, or no memory, to wait with
 *   -ESHUTDOWN  any call that waits, in a task whose scheduler was stopped
 */
#ifndef LATTICE_ERROR_H
#define LATTICE_ERROR_H

#include <errno.h>

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lattice_error {
	LATTICE_ENOMSG = ENOMSG,             /* nothing there, and the call was not to wait */
	LATTICE_ETIMEDOUT = ETIMEDOUT,       /* the time-out passed */
	LATTICE_EAGAIN = EAGAIN,             /* no room, and the call was not to wait */
	LATTICE_EMSGSIZE = EMSGSIZE,         /* over the limit, or the buffer is too small */
	LATTICE_EACCES = EACCES,             /* no right */
	LATTICE_EPERM = EPERM,               /* wrong token, or misuse */
	LATTICE_EKEYREVOKED = EKEYREVOKED,   /* the capability was revoked */
	LATTICE_EKEYREJECTED = EKEYREJECTED, /* the peer's key is not the one we know */
	LATTICE_ENOKEY = ENOKEY,             /* no key known for that node */
	LATTICE_EBADMSG = EBADMSG,           /* not authentic, or a damaged file */
	LATTICE_EDEADLK = EDEADLK,           /* waiting would close a cycle */
	LATTICE_ELOOP = ELOOP,               /* the dependency would close a cycle */
	LATTICE_EOWNERDEAD = EOWNERDEAD,     /* the peer died */
	LATTICE_EPROTO = EPROTO,             /* the peer broke a rule */
	LATTICE_EBUSY = EBUSY,               /* in use by somebody else */
	LATTICE_ENOBUFS = ENOBUFS,           /* a limit is reached */
	LATTICE_EHOSTUNREACH = EHOSTUNREACH, /* the peer does not answer */
	LATTICE_ECONNREFUSED = ECONNREFUSED, /* nobody listens there */
	LATTICE_ECONNRESET = ECONNRESET,     /* the peer lost the channel's state */
	LATTICE_ESHUTDOWN = ESHUTDOWN        /* closed */
};

/* A short name for an error ("ETIMEDOUT"), for logs; "0" for success, "E?" for a number the library never returns. */
LATTICE_API const char *lattice_error_name(int rc);

/*
 * A sentence about the last error that this thread got from a call on @handle (a node, endpoint or channel; NULL
 * for a call that failed to make one, and for those of <lattice/net.h> and <lattice/ipc.h>): what failed, on which channel or peer, why, and what to do. When @rc is not
 * that error, a general sentence for @rc. Always ends with a NUL; @bytes 0 writes nothing.
 *
 * Threads: any; what it says is of the calling thread. Does not block.
 * @return the length the sentence has, as snprintf does
 */
LATTICE_API int lattice_explain(const void *handle, int rc, char *buf, size_t bytes);

/*
 * Where the library's log lines go, one at a time without newline. NULL (the default): nowhere; the library never
 * prints. The callback may run on any thread, also on the library's own, and under the library's
 * locks: it must not call the library, nor wait for a thread that does.
 */
enum lattice_log_level { LATTICE_LOG_ERROR, LATTICE_LOG_WARN, LATTICE_LOG_INFO, LATTICE_LOG_DEBUG };
typedef void (*lattice_log_fn)(void *ctx, int level, const char *text);
LATTICE_API void lattice_log_set(lattice_log_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
