/* Channel numbers, see channum.h. */
#include "session/channum.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "wire/limits.h"

enum { NUMBERS = 65536, REST_MIN = 16 };

void lat_channum_fini(struct lat_channum *n)
{
	free(n->taken);
	free(n->rest);
	*n = (struct lat_channum){ 0 };
}

static void set(struct lat_channum *n, uint16_t num, bool taken)
{
	uint64_t bit = UINT64_C(1) << (num % 64);

	if (taken)
		n->taken[num / 64] |= bit;
	else
		n->taken[num / 64] &= ~bit;
}

static void wake(struct lat_channum *n, uint64_t now)
{
	while (n->rest_count > 0 && n->rest[n->rest_head].until_ns <= now) {
		set(n, n->rest[n->rest_head].num, false);
		n->rest_head = (n->rest_head + 1) % n->rest_cap;
		n->rest_count--;
	}
}

int lat_channum_get(struct lat_channum *n, uint64_t now)
{
	if (n->taken == NULL) {
		n->taken = calloc(NUMBERS / 64, sizeof(*n->taken));
		if (n->taken == NULL)
			return -ENOMEM;
		set(n, 0, true);
	}
	wake(n, now);
	for (uint32_t i = 0; i < NUMBERS; i++) {
		uint16_t num = ++n->last;

		if ((n->taken[num / 64] >> (num % 64) & 1) == 0) {
			set(n, num, true);
			return num;
		}
	}
	return -ENOBUFS;
}

static int grow(struct lat_channum *n)
{
	size_t cap = n->rest_cap == 0 ? REST_MIN : n->rest_cap * 2;
	struct lat_channum_rest *rest = calloc(cap, sizeof(*rest));

	if (rest == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n->rest_count; i++)
		rest[i] = n->rest[(n->rest_head + i) % n->rest_cap];
	free(n->rest);
	n->rest = rest;
	n->rest_cap = cap;
	n->rest_head = 0;
	return 0;
}

void lat_channum_put(struct lat_channum *n, uint64_t now, uint16_t num)
{
	wake(n, now);
	if (n->rest_count == n->rest_cap && grow(n) < 0)
		return;
	n->rest[(n->rest_head + n->rest_count++) % n->rest_cap] =
		(struct lat_channum_rest){ .until_ns = now + (uint64_t)LAT_CHAN_REUSE_NS, .num = num };
}
