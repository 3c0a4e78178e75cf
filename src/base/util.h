/* Small things every room needs: array length, must-check, internal invariants, wiping. */
#ifndef LAT_BASE_UTIL_H
#define LAT_BASE_UTIL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * An invariant of our own code. Never for input, a caller's argument or a peer's bytes: those get an error, in every
 * build. Gone in a release build, so the condition may not have effects.
 */
#define LAT_ASSERT(cond) assert(cond)
#define LAT_MUST_CHECK   __attribute__((warn_unused_result))
#define LAT_CACHELINE    64
#define LAT_LIKELY(x)    __builtin_expect(!!(x), 1)
#define LAT_UNLIKELY(x)  __builtin_expect(!!(x), 0)
/* Where a call would cost more than what it does. */
#define LAT_FAST_INLINE static inline __attribute__((always_inline))

#define LAT_NS_PER_US INT64_C(1000)
#define LAT_NS_PER_MS INT64_C(1000000)
#define LAT_NS_PER_S  INT64_C(1000000000)

/* Overwrites @bytes at @p with zeros in a way that the compiler keeps. NULL with 0 is fine. */
void lat_wipe(void *p, size_t bytes);

/*
 * Equality in constant time for secrets of a public length: the time depends on @bytes alone. Zero bytes are equal,
 * and then the pointers may be NULL.
 */
bool lat_equal_ct(const void *a, const void *b, size_t bytes);

#endif
