/* Passing file descriptors over a Unix SEQPACKET socket (LOCAL 5). */
#ifndef LAT_OS_FDPASS_H
#define LAT_OS_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

enum { LAT_FDPASS_MAX = 8 };

/* 0, -EAGAIN, -EPIPE, -EINVAL (count over LAT_FDPASS_MAX); never SIGPIPE. The caller keeps its fds. */
int lat_fdpass_send(int sock, const void *data, size_t bytes, const int *fds, size_t count);

/*
 * Receives one packet of at most @bytes and at most *count fds (close-on-exec); *count becomes the number got.
 * More fds than asked for, or a cut message: all are closed and -EPROTO. Length of the packet, 0 at the end of
 * the stream, -EAGAIN, -EPROTO.
 */
ssize_t lat_fdpass_recv(int sock, void *data, size_t bytes, int *fds, size_t *count);

#endif
