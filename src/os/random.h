/*
 * Random bytes of the kernel: getrandom(2) without flags, which waits for the pool once after boot and cannot fail
 * later. Threads: any.
 */
#ifndef LAT_OS_RANDOM_H
#define LAT_OS_RANDOM_H

#include <stddef.h>

#include "base/util.h"

/*
 * Asked once when a node opens. 0, or -EPERM or -ENOSYS: a sandbox forbids getrandom(2), and the node may not open.
 */
LAT_MUST_CHECK int lat_random_check(void);

/*
 * Always fills @buf. If a sandbox takes getrandom(2) away after lat_random_check, the process dies here: every
 * other way on makes keys that can be guessed.
 */
void lat_random(void *buf, size_t bytes);

#endif
