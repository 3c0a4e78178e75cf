/*
 * The door: the place where the processes of one machine meet, and who has it (LOCAL 15). A directory with the socket, a lock
 * beside it that says who hosts, and the key of the tickets. Names are reached by the directory's descriptor, so what is
 * mounted or moved over its path later does not matter.
 *
 * $LATTICE_SOCKET says where; else $XDG_RUNTIME_DIR/lattice/node.sock; else, for root, /run/lattice/node.sock; else, or when
 * these cannot be made, /tmp/lattice-UID/node.sock.
 */
#ifndef LAT_NODE_DOOR_H
#define LAT_NODE_DOOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/util.h"
#include "node/claims.h"
#include "os/unixsock.h"

struct lat_door {
	int dir;             /* -1: not found */
	char path[PATH_MAX]; /* of the socket, for people */
	char name[LAT_UNIXSOCK_NAME], lock_name[LAT_UNIXSOCK_NAME], key_name[LAT_UNIXSOCK_NAME];
};

/*
 * Finds the place, and makes its directory if need be. 0, or with a sentence
 *   -EPERM, -ELOOP  a stranger could put something else there (lat_dir_meet())
 *   -EINVAL         $LATTICE_SOCKET is no path of a file, or its name is too long
 *   -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC, -ENAMETOOLONG, -EMFILE, -ENFILE, -ENOMEM
 */
LAT_MUST_CHECK int lat_door_find(struct lat_door *d);
/*
 * The same place, by its path: the directory that was found has been removed, or another one is in its place. Without a sentence; on
 * failure it is the one that was.
 */
LAT_MUST_CHECK int lat_door_find_again(struct lat_door *d);
/* One that was not found is fine. */
void lat_door_leave(struct lat_door *d);

/* A door that is ours: the lock, and the socket. */
struct lat_door_held {
	int lock;
	bool after; /* another had it: those who were with it will come */
	struct lat_unixsock sock;
	uint8_t key[LAT_CLAIMS_KEY];
};

/*
 * Takes the door, if nobody has it: the lock, then the key (the one that is there, or a new one), then the socket, whatever a dead one
 * left of it. Without a sentence: 0, -EBUSY (somebody has it; *holder is their pid or 0), -EEXIST (one of the three names is that
 * of a file that is none of these; it is left as it is), or why it cannot be had: -EACCES, -EROFS, -ENOSPC, -ELOOP, -EMFILE, ...
 */
LAT_MUST_CHECK int lat_door_take(const struct lat_door *d, struct lat_door_held *held, pid_t *holder);
/* Gives it back, to whoever comes. @awaited: who comes shall know (lat_door_held.after). */
void lat_door_give(struct lat_door_held *held, bool awaited);

/*
 * Connects to who has it: a socket, non-blocking. 0, -ENOENT and -ECONNREFUSED (nobody, or not yet), -EAGAIN (too many want to),
 * -EPERM (it belongs to a stranger, neither this user nor root), -EACCES, -EMFILE, -ENFILE, -ENOMEM.
 */
LAT_MUST_CHECK int lat_door_knock(const struct lat_door *d, int *fd, struct lat_process *host);

#endif
