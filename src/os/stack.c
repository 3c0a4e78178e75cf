/* One mapping; its lowest page is the guard. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/stack.h"

static size_t page_bytes(void)
{
	long page = sysconf(_SC_PAGESIZE);

	return page > 0 ? (size_t)page : 4096;
}

int lat_stack_map(struct lat_stack *out, size_t bytes)
{
	size_t page = page_bytes();
	unsigned char *map;
	int rc;

	if (bytes == 0 || bytes > SIZE_MAX / 2)
		return -EINVAL;
	bytes = (bytes + page - 1) / page * page;
	/* PROT_NONE first: the guard page is one from the start, and never counted as memory. */
	map = mmap(NULL, page + bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
		   0);
	if (map == MAP_FAILED)
		return -errno;
	if (mprotect(map + page, bytes, PROT_READ | PROT_WRITE) < 0) {
		rc = -errno;
		munmap(map, page + bytes);
		return rc;
	}
	*out = (struct lat_stack){ .base = map + page, .bytes = bytes };
	return 0;
}

void lat_stack_unmap(struct lat_stack *stack)
{
	size_t page = page_bytes();

	if (stack->base != NULL)
		munmap((unsigned char *)stack->base - page, page + stack->bytes);
	*stack = (struct lat_stack){ 0 };
}
