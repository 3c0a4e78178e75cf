/* A sorted array: numbers rise, so a new one comes last, and few are open at a time. */
#include "session/opencalls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_FIRST = 8 };

void lat_opencalls_fini(struct lat_opencalls *t)
{
	free(t->at);
	*t = (struct lat_opencalls){ .last = t->last };
}

int lat_opencalls_reserve(struct lat_opencalls *t)
{
	uint32_t cap = t->cap == 0 ? CAP_FIRST : t->cap * 2;
	struct lat_opencall *at;

	if (t->count < t->cap)
		return 0;
	if (t->count >= LAT_OPENCALLS_MAX)
		return -ENOBUFS;
	at = realloc(t->at, cap * sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	t->at = at;
	t->cap = cap;
	return 0;
}

uint64_t lat_opencalls_add(struct lat_opencalls *t, uint64_t deadline_ns, void *user)
{
	t->at[t->count++] =
		(struct lat_opencall){ .id = ++t->last, .deadline_ns = deadline_ns, .user = user };
	return t->last;
}

struct lat_opencall *lat_opencalls_find(const struct lat_opencalls *t, uint64_t id)
{
	uint32_t from = 0, to = t->count;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (t->at[mid].id == id)
			return &t->at[mid];
		if (t->at[mid].id < id)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

void lat_opencalls_remove(struct lat_opencalls *t, struct lat_opencall *call)
{
	uint32_t index = (uint32_t)(call - t->at);

	memmove(call, call + 1, (t->count - index - 1) * sizeof(*call));
	t->count--;
}
