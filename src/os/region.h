/* Zeroed private memory straight from the kernel, committed page by page as it is touched. */
#ifndef LAT_OS_REGION_H
#define LAT_OS_REGION_H

#include <stddef.h>

#include "base/util.h"

/* Page-aligned, no huge pages (they would commit far more than is touched). 0, -ENOMEM, -EINVAL (0 bytes). */
LAT_MUST_CHECK int lat_region_map(void **out, size_t bytes);
/* NULL is fine. */
void lat_region_unmap(void *map, size_t bytes);

#endif
