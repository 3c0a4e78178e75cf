/* Random bytes of the kernel. Never fails: getrandom(2) without flags waits for the pool once at boot. */
#ifndef LAT_OS_RANDOM_H
#define LAT_OS_RANDOM_H

#include <stddef.h>

void lat_random(void *buf, size_t bytes);

#endif
