/*
 * Quaternions over the integers modulo p = 2^31 - 1. Exact, so a product with its inverse is the identity and
 * not nearly so; not commutative, so a product remembers the order of its factors. Those of norm 1 are a group of
 * p (p^2 - 1), about 2^93, elements. Pure functions.
 */
#ifndef LAT_SYNC_QUAT_H
#define LAT_SYNC_QUAT_H

#include <stdbool.h>
#include <stdint.h>

enum { LAT_QUAT_TICKETS = 256 };
#define LAT_QUAT_P UINT32_C(0x7fffffff)

struct lat_quat { /* each below LAT_QUAT_P */
	uint32_t w, x, y, z;
};

#define LAT_QUAT_IDENTITY ((struct lat_quat){ 1, 0, 0, 0 })

struct lat_quat lat_quat_mul(struct lat_quat a, struct lat_quat b);
/* The inverse, of those of norm 1. */
struct lat_quat lat_quat_conjugate(struct lat_quat q);
uint32_t lat_quat_norm(struct lat_quat q);
bool lat_quat_equal(struct lat_quat a, struct lat_quat b);

/* Fixed, distinct, of norm 1, none the identity, and no two commute. */
extern const struct lat_quat lat_quat_tickets[LAT_QUAT_TICKETS];

#endif
