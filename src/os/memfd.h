/* Anonymous shared memory: made, sealed, mapped, checked (LOCAL 4, 5). Nothing has a name in /dev/shm. */
#ifndef LAT_OS_MEMFD_H
#define LAT_OS_MEMFD_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/*
 * Creates a memfd of @bytes (rounded up to pages), maps it read-write, then seals it
 * SHRINK|GROW|FUTURE_WRITE|SEAL: this mapping stays writable, nobody can make another writable one.
 * Pages are committed when first touched, and read as zeros. Close-on-exec, and not executable where the kernel can
 * say so. @name is what /proc/self/maps shows; it names nothing. 0, and *fd and *map are the caller's, or:
 *   -EINVAL           0 bytes, or a name of more than 249
 *   -ENOMEM           memory, address space or the process's limit of mappings
 *   -EMFILE, -ENFILE  the process's or the system's limit of fds
 */
LAT_MUST_CHECK int lat_memfd_create(int *fd, void **map, size_t bytes, const char *name);

/*
 * Maps a memfd received from somebody else read-only. Checks seals (SHRINK, GROW, FUTURE_WRITE or WRITE) and
 * that its size is exactly @bytes, rounded up to pages. The fd stays the caller's, to close: the mapping does not need
 * it. With these seals no access to the mapping can fault. 0, or:
 *   -EINVAL  0 bytes
 *   -EPERM   a seal is missing, or it is not a memfd of ordinary pages
 *   -EPROTO  wrong size
 *   -ENOMEM  address space or the process's limit of mappings
 */
LAT_MUST_CHECK int lat_memfd_map_peer(int fd, size_t bytes, const void **map);

/*
 * Maps @bytes of a memfd of this process's from @offset on read-write, and seals it SHRINK, so that no access can fault for its length. The
 * fd stays the caller's, to close. 0, or:
 *   -EINVAL  no whole pages, none, or past its end
 *   -EPERM   not a memfd, or it cannot be sealed
 *   -EACCES  it is not open for reading and writing
 *   -EBADF   no descriptor
 *   -ENOMEM  address space or the process's limit of mappings
 */
LAT_MUST_CHECK int lat_memfd_map_own(int fd, uint64_t offset, uint64_t bytes, void **map);

/*
 * Commits the pages that hold [@at, @at + @bytes) of a mapping of our own, so that no later access can fail for want of
 * memory. They read as zeros, unless written. 0, -ENOMEM.
 */
LAT_MUST_CHECK int lat_memfd_commit(void *at, size_t bytes);

/* The same for reading, in a mapping of a peer's: holes in it are filled with zeros, at our expense. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_memfd_populate(const void *at, size_t bytes);

/* A forked child shall not have this mapping, as far as the kernel does that. */
void lat_memfd_hide(void *map, size_t bytes);

/* -1 is fine. */
void lat_memfd_close(int fd);

/* @bytes as given when it was mapped. NULL is fine. */
void lat_memfd_unmap(const void *map, size_t bytes);

#endif
