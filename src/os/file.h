/* Small files, whole: state, keys, configuration. All of it blocks on the disk. */
#ifndef LAT_OS_FILE_H
#define LAT_OS_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/util.h"

/*
 * Replaces @path by @bytes of @data with exactly @mode, whatever the umask. Atomic: a reader, or whoever looks after a
 * crash, finds the old file or the new one. Durable: after 0 the new one is on the disk, and so is its name. A symbolic
 * link at @path is replaced, not followed. The new file is ".NAME.new" until it is complete; one that a crash left is
 * overwritten by the next write. One writer of a path at a time: the state directory's lock sees to it.
 *
 * 0, or -ENOENT, -EACCES, -EROFS, -ENOSPC, -EDQUOT, -EIO, -EMFILE, -ENAMETOOLONG, -EISDIR ... of the system calls,
 * with the old file in place; -EINVAL: @path ends in '/' or is empty. Only if syncing the directory fails may the new
 * file be in place already.
 */
LAT_MUST_CHECK int lat_file_write(const char *path, const void *data, size_t bytes, mode_t mode);

/*
 * Reads the whole of a regular file. Its size in bytes, or, with @buf wiped:
 *   -EFBIG   it has more than @max
 *   -EINVAL  it is not a regular file
 *   -ENOENT, -EACCES, -EIO, -ELOOP, -EMFILE ... of the system calls
 */
LAT_MUST_CHECK ssize_t lat_file_read(const char *path, void *buf, size_t max);

/*
 * The same of a file that is root's or @owner's, and that neither its group nor others may write; else -EPERM. What is asked about is what
 * is read, whatever becomes of the name meanwhile.
 */
LAT_MUST_CHECK ssize_t lat_file_read_of(const char *path, void *buf, size_t max, uid_t owner);

/*
 * Removes a file, durably: after 0 it does not come back. 0, or -ENOENT, -EACCES, -EROFS, -EIO, -EISDIR ... of the system
 * calls; -EINVAL: @path ends in '/' or is empty.
 */
LAT_MUST_CHECK int lat_file_remove(const char *path);

/*
 * Makes the directory and those above it that are missing, with mode 0700. What is there already is left as it is. 0,
 * also when there was nothing to do; -ENOTDIR: something else has the name; -EINVAL: empty; -ENOENT, -EACCES, -EROFS,
 * -ENOSPC, -ENAMETOOLONG ... of mkdir(2).
 */
LAT_MUST_CHECK int lat_file_make_dirs(const char *path);

#endif
