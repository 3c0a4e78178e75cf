/* What the soak's files share. */
#ifndef LAT_SOAK_H
#define LAT_SOAK_H

#include <stdint.h>

/* Something that must hold does not: said on standard error, and the soak fails. Any thread. */
void soak_fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A number below @below; *state is the generator, one for each thread. */
uint32_t soak_random(uint64_t *state, uint32_t below);

#endif
