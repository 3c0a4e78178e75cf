#include "sync/waitrings.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct {
	pthread_mutex_t lock;
	struct lat_waitring kept[LAT_WAITRINGS_KEPT]; /* the one refused last first */
	size_t count;
} rings = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* By pids: a thread without one is another each time that it is made. */
static bool same(const struct lat_wait_path *a, const struct lat_wait_path *b)
{
	if (a->count != b->count || a->total != b->total)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->at[i].pid != b->at[i].pid)
			return false;
	return true;
}

void lat_waitrings_put(const struct lat_wait_path *path)
{
	struct lat_waitring ring = { .path = *path };
	size_t at = 0;

	pthread_mutex_lock(&rings.lock);
	while (at < rings.count && !same(&rings.kept[at].path, path))
		at++;
	if (at < rings.count)
		ring.times = rings.kept[at].times;
	else if (rings.count < LAT_WAITRINGS_KEPT)
		rings.count++;
	else
		at--;
	ring.times++;
	memmove(&rings.kept[1], &rings.kept[0], at * sizeof(rings.kept[0]));
	rings.kept[0] = ring;
	pthread_mutex_unlock(&rings.lock);
}

size_t lat_waitrings_list(struct lat_waitring *out, size_t max)
{
	size_t count;

	pthread_mutex_lock(&rings.lock);
	count = rings.count < max ? rings.count : max;
	memcpy(out, rings.kept, count * sizeof(*out));
	pthread_mutex_unlock(&rings.lock);
	return count;
}
