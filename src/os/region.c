/* Anonymous mappings: neither a name nor a file descriptor. */
#include <errno.h>
#include <sys/mman.h>

#include "os/region.h"

int lat_region_map(void **out, size_t bytes)
{
	void *map;

	if (bytes == 0)
		return -EINVAL;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* A kernel without huge pages refuses, and has nothing to turn off. */
	(void)madvise(map, bytes, MADV_NOHUGEPAGE);
	*out = map;
	return 0;
}

void lat_region_unmap(void *map, size_t bytes)
{
	if (map != NULL)
		munmap(map, bytes);
}
