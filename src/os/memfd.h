/* Anonymous shared memory: made, sealed, mapped, checked (LOCAL 4, 5). Nothing has a name in /dev/shm. */
#ifndef LAT_OS_MEMFD_H
#define LAT_OS_MEMFD_H

#include <stddef.h>
#include <stdint.h>

/*
 * Creates a memfd of @bytes (rounded up to pages), maps it read-write, then seals it
 * SHRINK|GROW|FUTURE_WRITE|SEAL: this mapping stays writable, nobody can make another writable one.
 * 0, and *fd and *map are the caller's; -ENOMEM, -EMFILE, -ENFILE, -EINVAL (0 bytes).
 */
int lat_memfd_create(int *fd, void **map, size_t bytes, const char *name);

/*
 * Maps a memfd received from somebody else read-only. Checks seals (SHRINK, GROW, FUTURE_WRITE or WRITE) and
 * that its size is exactly @bytes. 0, -EPERM a seal is missing, -EPROTO wrong size, -ENOMEM.
 */
int lat_memfd_map_peer(int fd, size_t bytes, const void **map);

void lat_memfd_unmap(const void *map, size_t bytes);

#endif
