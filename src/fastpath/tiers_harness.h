/* Both ends of the tiers of one channel in one process, for the tests of them. */
#ifndef LAT_FASTPATH_TIERS_HARNESS_H
#define LAT_FASTPATH_TIERS_HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/test.h"
#include "fastpath/tiers.h"
#include "os/region.h"

enum { L2 = 256, L3 = 1024, SPILL = 4 << 20, LONGEST = 100000 };

static const struct lat_tiers_sizes pair_sizes = { .slots = { 0, L2, L3 }, .spill_bytes = SPILL };

struct pair {
	struct lat_tiers_mem mem;
	struct lat_tiers_tx tx;
	struct lat_tiers_rx rx;
	int made[LAT_TIERS], retired[LAT_TIERS];
	bool refuse; /* extend fails */
	bool keep;   /* what is made is not offered; see late */
	void *late[LAT_TIERS];
};

static inline int pair_extend(void *user, enum lat_tier tier, uint32_t number, size_t bytes, void **mem)
{
	struct pair *p = user;
	int rc = p->refuse ? -ENOMEM : lat_region_map(mem, bytes);

	if (rc < 0)
		return rc;
	p->made[tier]++;
	if (p->keep)
		p->late[tier] = *mem;
	else
		rc = lat_tiers_rx_offer(&p->rx, tier, number, *mem, bytes);
	return rc;
}

static inline void pair_retire(void *user, enum lat_tier tier, void *mem, size_t bytes)
{
	struct pair *p = user;

	p->retired[tier]++;
	lat_region_unmap(mem, bytes);
}

static const struct lat_tiers_ops pair_ops = { .extend = pair_extend, .retire = pair_retire };

static inline void pair_open(struct pair *p, const struct lat_tiers_sizes *s, bool lossy)
{
	*p = (struct pair){ .mem = { .front = calloc(1, sizeof(*p->mem.front)),
				     .l1 = aligned_alloc(LAT_CACHELINE, LAT_TIERS_L1_SLOTS * LAT_RING_SLOT),
				     .back = aligned_alloc(LAT_CACHELINE, sizeof(*p->mem.back)) } };
	CHECK(p->mem.front != NULL && p->mem.l1 != NULL && p->mem.back != NULL);
	memset(p->mem.l1, 0, LAT_TIERS_L1_SLOTS * LAT_RING_SLOT);
	memset(p->mem.back, 0, sizeof(*p->mem.back));
	lat_tiers_rx_init(&p->rx, &p->mem, &(struct lat_tiers_rx_config){ .lossy = lossy });
	CHECK_EQ(lat_tiers_tx_init(&p->tx, &p->mem, s, &pair_ops, p), 0);
}

static inline void pair_close(struct pair *p)
{
	lat_tiers_tx_fini(&p->tx);
	for (int t = 0; t < LAT_TIERS; t++)
		CHECK_EQ(p->made[t], p->retired[t]);
	free(p->mem.front);
	free(p->mem.l1);
	free(p->mem.back);
}

static inline void pair_fill(unsigned char *buf, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(n * 31 + i * 7 + (i >> 8));
}

static inline int pair_publish(struct pair *p, uint32_t seq, uint32_t len)
{
	static unsigned char buf[SPILL];

	pair_fill(buf, len, seq);
	return lat_tiers_publish(&p->tx, (int32_t)~seq, seq, buf, len);
}

/* 0: the next message is number @seq, of @len bytes, whole; what consume returned; 1: it is another one. */
static inline int pair_consume(struct pair *p, uint32_t seq, uint32_t len)
{
	static unsigned char got[SPILL], want[SPILL];
	struct lat_ring_msg m;
	int rc = lat_tiers_consume(&p->rx, got, sizeof(got), &m);

	if (rc < 0)
		return rc;
	pair_fill(want, len, seq);
	return m.seq != seq || m.len != len || m.type != (int32_t)~seq || memcmp(got, want, len) != 0;
}

static inline uint64_t test_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccd;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53;
	return x ^ x >> 33;
}

/* Mostly short, some for each tier. */
static inline uint32_t test_len(uint32_t n)
{
	uint64_t r = test_mix(n);

	switch (r % 256) {
	case 0:
		return (uint32_t)(r >> 32) % LONGEST;
	case 1:
	case 2:
	case 3:
		return (uint32_t)(r >> 32) % 8000;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		return (uint32_t)(r >> 32) % 2000;
	default:
		return (uint32_t)(r >> 32) % 300;
	}
}

#endif
