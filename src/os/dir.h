/* Directories of small files: which are there, who may read them, and one writer at a time. */
#ifndef LAT_OS_DIR_H
#define LAT_OS_DIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/util.h"

/*
 * The entries of @dir whose names are numbers in [1, UINT32_MAX] as printf would write them; others are passed over. Sorted.
 * *out is the caller's to free; NULL when there are none. 0, or a negative errno of opendir(3): -ENOENT, -EACCES,
 * -ENOTDIR, -ENOMEM, ...
 */
LAT_MUST_CHECK int lat_dir_numbers(const char *dir, uint32_t **out, size_t *count);

/* The permission bits of @path, or a negative errno of stat(2). */
LAT_MUST_CHECK int lat_path_mode(const char *path);

/*
 * Locks @path, a file that is made when needed (0600) and stays, against everybody else who calls this, waiting until
 * @deadline_ns of CLOCK_MONOTONIC: flock(2) has no time-out, so it is tried again each millisecond. For changes that take
 * milliseconds. Closing *fd unlocks, so does death. 0, -EBUSY, or a negative errno of open(2).
 */
LAT_MUST_CHECK int lat_dir_lock(int *fd, const char *path, uint64_t deadline_ns);
/* -1 is fine. */
void lat_dir_unlock(int fd);

/*
 * Opens a directory that processes meet in (O_PATH, close-on-exec), making the last name of @path if it is missing (0700, or
 * less by the umask). A symbolic link on the way is followed only if this user or root made it. 0, or
 *   -EPERM   it, or what is on the way to it, belongs to a stranger, or everybody may replace what is in it (writable for
 *            others, and not sticky)
 *   -ELOOP   a symbolic link on the way belongs to a stranger, or there are too many
 *   -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC, -ENAMETOOLONG, -EMFILE ... of the system calls
 */
LAT_MUST_CHECK int lat_dir_meet(int *fd, const char *path);
/* -1 is fine. */
void lat_dir_leave(int fd);

#endif
