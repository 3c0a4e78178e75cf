/*
 * A file that is changed in place, each change on the disk before the call that made it returns. Whole files are replaced by
 * lat_file_write() (file.h); this is for what grows. One writer at a time: the caller sees to it. Everything blocks on the disk.
 */
#ifndef LAT_OS_DATAFILE_H
#define LAT_OS_DATAFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/*
 * Opens a file that is there, to read and write; a symbolic link is not followed. 0, or -EINVAL (it is not a regular file), -ENOENT,
 * -EACCES, -EROFS, -ELOOP, -EMFILE ... of open(2).
 */
LAT_MUST_CHECK int lat_datafile_open(int *fd, const char *path);
/* Whether @path is that file's name. */
bool lat_datafile_has_name(int fd, const char *path);
/* -1 is fine. */
void lat_datafile_close(int fd);
/* Up to @max bytes from @at on: how many there were (less only at the end), or -EIO ... of pread(2). */
LAT_MUST_CHECK int64_t lat_datafile_read(int fd, uint64_t at, void *buf, size_t max);
/*
 * Writes @bytes at @at, and waits until they are on the disk. 0, or -ENOSPC, -EDQUOT, -EFBIG, -EIO ... of the system calls: what lies
 * there then may be the old, the new, or some of each.
 */
LAT_MUST_CHECK int lat_datafile_write(int fd, uint64_t at, const void *data, size_t bytes);

#endif
