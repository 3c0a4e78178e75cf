/*
 * Waking, over a socket, somebody whom one does not trust. An eventfd would do but for this: who shares one can
 * fill it and clear O_NONBLOCK, and then our write never returns. A socket's two ends are nobody's but their holder's.
 */
#ifndef LAT_OS_POKE_H
#define LAT_OS_POKE_H

#include "base/util.h"

/* The two ends: AF_UNIX, SOCK_STREAM, close-on-exec. 0, -EMFILE, -ENFILE, -ENOMEM. */
LAT_MUST_CHECK int lat_poke_pair(int fds[2]);
/* -1 is fine. */
void lat_poke_close(int fd);

/* Of an fd that somebody passed to us: 0, or -EINVAL, it is no end of such a pair. */
LAT_MUST_CHECK int lat_poke_check(int fd);

/* Makes the other end readable, until it is cleared. Neither blocks nor fails: nobody may be there any more. */
void lat_poke(int fd);

/*
 * Makes our end unreadable again (a peer that pokes without pause may be quicker). 0, or -EPIPE: the other end
 * was closed or shut, so that ours stays readable.
 */
LAT_MUST_CHECK int lat_poke_clear(int fd);

#endif
