/* A binary heap of deadlines, see due.h. */
#include "session/due.h"

#include <errno.h>
#include <stdlib.h>

enum { DUES_MIN = 16 };

static void place(struct lat_dues *d, size_t pos, struct lat_due *entry)
{
	d->heap[pos] = entry;
	entry->pos = pos;
}

static void sift(struct lat_dues *d, struct lat_due *entry)
{
	size_t pos = entry->pos;

	while (pos > 1 && d->heap[pos / 2]->at_ns > entry->at_ns) {
		place(d, pos, d->heap[pos / 2]);
		pos /= 2;
	}
	for (;;) {
		size_t child = pos * 2;

		if (child > d->count)
			break;
		if (child < d->count && d->heap[child + 1]->at_ns < d->heap[child]->at_ns)
			child++;
		if (d->heap[child]->at_ns >= entry->at_ns)
			break;
		place(d, pos, d->heap[child]);
		pos = child;
	}
	place(d, pos, entry);
}

void lat_dues_fini(struct lat_dues *d)
{
	free(d->heap);
	*d = (struct lat_dues){ 0 };
}

int lat_dues_add(struct lat_dues *d, struct lat_due *entry, void *what)
{
	if (d->count + 1 >= d->cap) {
		size_t cap = d->cap == 0 ? DUES_MIN : d->cap * 2;
		struct lat_due **heap = realloc(d->heap, cap * sizeof(struct lat_due *));

		if (heap == NULL)
			return -ENOMEM;
		d->heap = heap;
		d->cap = cap;
	}
	*entry = (struct lat_due){ .at_ns = UINT64_MAX, .what = what };
	place(d, ++d->count, entry);
	return 0;
}

void lat_dues_remove(struct lat_dues *d, struct lat_due *entry)
{
	struct lat_due *last;

	if (entry->pos == 0)
		return;
	last = d->heap[d->count--];
	if (last != entry) {
		place(d, entry->pos, last);
		sift(d, last);
	}
	entry->pos = 0;
}

void lat_dues_set(struct lat_dues *d, struct lat_due *entry, uint64_t at_ns)
{
	if (entry->at_ns == at_ns)
		return;
	entry->at_ns = at_ns;
	sift(d, entry);
}

struct lat_due *lat_dues_first(const struct lat_dues *d)
{
	return d->count == 0 ? NULL : d->heap[1];
}
