/*
 * A Unix socket that has a name in a directory: of streams, for the owner of the directory to look in, or of packets, for
 * processes to meet. The directory is held open, so neither a long path nor a later chdir(2) matters.
 */
#ifndef LAT_OS_UNIXSOCK_H
#define LAT_OS_UNIXSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum { LAT_UNIXSOCK_NAME = 32 }; /* its final zero included */

struct lat_unixsock {
	int fd, dir; /* -1: closed */
	char name[LAT_UNIXSOCK_NAME];
};

#define LAT_UNIXSOCK_CLOSED ((struct lat_unixsock){ .fd = -1, .dir = -1 })

/*
 * Whether somebody may listen as @dir/@name: nothing has that name, or a socket. 0, -EEXIST (a file of another kind), -ENOENT,
 * -ENOTDIR, -EACCES, -EMFILE ... of the system calls.
 */
LAT_MUST_CHECK int lat_unixsock_vacant(const char *dir, const char *name);
/*
 * Listens as @dir/@name, for this user only (0600), whatever the umask; close-on-exec, non-blocking. A socket of that name is
 * replaced: the caller's lock says that nobody lives there. 0, -ENAMETOOLONG, -EEXIST (the name is that of another kind of file),
 * -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC, -EMFILE ... of the system calls, with *s closed.
 */
LAT_MUST_CHECK int lat_unixsock_listen(struct lat_unixsock *s, const char *dir, const char *name);
/* The same, for SOCK_SEQPACKET (os/fdpass.h). */
LAT_MUST_CHECK int lat_unixsock_listen_packets(struct lat_unixsock *s, const char *dir, const char *name);
/*
 * Lets every user connect to it: its mode becomes 0666, and its directory, if that is this user's, may be passed through. Who connects
 * is to be looked at (os/process.h). 0, or why one of the two cannot be: -EPERM, -EACCES, -EROFS, -ENOENT (the name is gone).
 */
LAT_MUST_CHECK int lat_unixsock_let_in(const struct lat_unixsock *s);
/* Removes the name and closes. A closed one is fine. */
void lat_unixsock_close(struct lat_unixsock *s);

/*
 * The next who connects, as an fd of the caller's (lat_unixsock_hang_up()), close-on-exec and non-blocking. -EAGAIN: nobody
 * now. Other negative errno of accept(2): wait a little.
 */
LAT_MUST_CHECK int lat_unixsock_accept(const struct lat_unixsock *s);
/*
 * Connects to @dir/@name, which listens for packets: close-on-exec, non-blocking. 0, -ENOENT and -ECONNREFUSED (nobody
 * listens), -EAGAIN (too many wait to be accepted), -EACCES, -EPROTOTYPE, -ENAMETOOLONG, -EMFILE, -ENFILE, -ENOMEM.
 */
LAT_MUST_CHECK int lat_unixsock_connect_packets(int *fd, const char *dir, const char *name);
/* Two ends of a connection, close-on-exec, non-blocking; of packets, or of a stream. 0, -EMFILE, -ENFILE, -ENOMEM. */
LAT_MUST_CHECK int lat_unixsock_pair(int fds[2], bool packets);
/* Closes a connection. -1 is fine. */
void lat_unixsock_hang_up(int fd);

/*
 * Sends all of it, waiting for room until @deadline_ns of CLOCK_MONOTONIC, or until @stop is readable. Never SIGPIPE. 0,
 * -ETIMEDOUT, -ECANCELED (@stop), -EPIPE, -ECONNRESET.
 */
LAT_MUST_CHECK int lat_unixsock_send(int fd, const void *data, size_t bytes, int stop, uint64_t deadline_ns);

#endif
