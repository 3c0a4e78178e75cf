/* One holder at a time of a state directory (LOCAL 15): flock(2) on a file that names who holds it. */
#ifndef LAT_OS_LOCKFILE_H
#define LAT_OS_LOCKFILE_H

#include <sys/types.h>

#include "base/util.h"

/*
 * Takes the lock without waiting, creating the file (0600) where there is none, and writes our pid into it. The kernel
 * gives the lock back when the last copy of the fd is closed: at lat_lockfile_close, or however the process dies. A
 * child forked meanwhile holds a copy until it execs or exits.
 *
 * 0, or with *fd untouched:
 *   -EBUSY   somebody holds it; *holder is their pid as they see it, or 0 when the file does not say (it was taken this
 *            very moment). @holder is written in this case only, and may be NULL
 *   -EEXIST  the file is somebody else's: it holds more than a pid, or is not a regular one
 *   -ENOENT, -EACCES, -EROFS, -ELOOP (the file is a symbolic link), -EMFILE, -ENOSPC ... of opening or writing it
 */
LAT_MUST_CHECK int lat_lockfile_open(int *fd, const char *path, pid_t *holder);

/* Gives the lock back; the file stays, empty. -1 is fine. */
void lat_lockfile_close(int fd);

#endif
