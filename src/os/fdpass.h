/*
 * Passing file descriptors over a Unix SEQPACKET socket (LOCAL 5). Both calls block if the socket does, go on
 * after a signal, and keep no state: any number of threads.
 */
#ifndef LAT_OS_FDPASS_H
#define LAT_OS_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/util.h"

enum { LAT_FDPASS_MAX = 8 };

/*
 * One packet. The caller keeps its fds. Never SIGPIPE. 0, or with nothing sent:
 *   -EAGAIN       no room now
 *   -EPIPE        the peer is gone
 *   -EINVAL       no bytes (an empty packet reads like the end of the stream), or count over LAT_FDPASS_MAX
 *   -EMSGSIZE     more bytes than the socket's buffer can ever hold
 *   -EBADF        one of @fds is not open
 *   -ETOOMANYREFS more fds of this user are in flight than RLIMIT_NOFILE
 */
LAT_MUST_CHECK int lat_fdpass_send(int sock, const void *data, size_t bytes, const int *fds, size_t count);

/*
 * Receives one packet of at most @bytes and at most *count fds (close-on-exec); *count becomes the number got.
 * @fds may be NULL when *count is 0. Length of the packet, 0 when the peer is gone, or, with *fds and *count
 * untouched (@data may hold anything):
 *   -EAGAIN  nothing there
 *   -EINVAL  bytes is 0, or *count over LAT_FDPASS_MAX
 *   -EMFILE  this process may not open as many as came: the packet is lost, but for @data, and nobody broke a rule
 *   -EPROTO  more fds than asked for, or a packet longer than @bytes: every fd that came is closed, and the peer is
 *            to be dropped
 */
LAT_MUST_CHECK ssize_t lat_fdpass_recv(int sock, void *data, size_t bytes, int *fds, size_t *count);

/* Copies of descriptors, close-on-exec. 0, -EMFILE, -EBADF; then *out holds none. */
LAT_MUST_CHECK int lat_fdpass_copy(int *out, const int *fds, size_t count);
/* Closes descriptors that came, or were copied. */
void lat_fdpass_close(const int *fds, size_t count);

#endif
