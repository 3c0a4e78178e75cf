/* Stacks for tasks: memory that is committed as it is touched, above a guard page. */
#ifndef LAT_OS_STACK_H
#define LAT_OS_STACK_H

#include <stddef.h>

#include "base/util.h"

struct lat_stack {
	void *base;   /* lowest usable byte; the page below it faults */
	size_t bytes; /* usable */
};

/*
 * At least @bytes, rounded up to pages. 0, -ENOMEM (memory, or the process's limit of mappings), -EINVAL (0
 * or absurd).
 */
LAT_MUST_CHECK int lat_stack_map(struct lat_stack *out, size_t bytes);
/* Afterwards all zero; a stack that is all zero is fine. */
void lat_stack_unmap(struct lat_stack *stack);

#endif
