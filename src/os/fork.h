/* Telling a forked child from the process it was forked from. */
#ifndef LAT_OS_FORK_H
#define LAT_OS_FORK_H

#include <stdint.h>

#include "base/util.h"

/* From now on children made by fork(2) are told apart. Any thread, any number of times. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_fork_watch(void);

/* A number that is the same for the life of a process and another in each child. No system call. Any thread. */
uint32_t lat_fork_generation(void);

#endif
