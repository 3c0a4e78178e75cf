/*
 * Chunks of locked pages between guard pages. What is free is kept in bitmaps outside the chunks, so a free slot holds
 * nothing but zeros and an overrun finds no pointer to bend.
 */
#include "os/arena.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	CHUNK_BYTES = 65536, /* whole pages on every machine that Linux runs on */
	CHUNK_SLOTS = CHUNK_BYTES / LAT_ARENA_SLOT,
	MAP_WORDS = CHUNK_SLOTS / 64,
};

struct chunk {
	unsigned char *slots; /* CHUNK_BYTES; a guard page on either side */
	size_t used_count;
	uint64_t used[MAP_WORDS];
};

struct lat_arena {
	pthread_mutex_t lock;
	struct chunk *chunks; /* room for chunks_max; under lock, as is all below */
	size_t chunk_count, chunks_max;
	size_t slots_used, slots_max, guard;
	bool allow_unlocked, locked;
};

static void chunk_unmap(const struct lat_arena *a, struct chunk *c)
{
	lat_wipe(c->slots, CHUNK_BYTES);
	munmap(c->slots - a->guard, CHUNK_BYTES + 2 * a->guard);
}

static int chunk_add_locked(struct lat_arena *a)
{
	size_t whole = CHUNK_BYTES + 2 * a->guard;
	unsigned char *base = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *slots;
	bool locked;
	int rc;

	if (base == MAP_FAILED)
		return -ENOMEM;
	slots = base + a->guard;
	rc = -ENOMEM;
	if (mprotect(slots, CHUNK_BYTES, PROT_READ | PROT_WRITE) < 0)
		goto fail;
	rc = -ENOSYS;
	if (madvise(slots, CHUNK_BYTES, MADV_DONTDUMP) < 0 ||
	    madvise(slots, CHUNK_BYTES, MADV_WIPEONFORK) < 0)
		goto fail;
	rc = -EPERM;
	locked = mlock2(slots, CHUNK_BYTES, 0) == 0; /* mlock itself does nothing under the sanitizers */
	if (!locked && !a->allow_unlocked)
		goto fail;
	a->locked = a->locked && locked;
	a->chunks[a->chunk_count++] = (struct chunk){ .slots = slots };
	return 0;
fail:
	munmap(base, whole);
	return rc;
}

int lat_arena_open(struct lat_arena **out, size_t slots_max, bool allow_unlocked)
{
	struct lat_arena *a;
	int rc = -ENOMEM;

	*out = NULL;
	if (slots_max == 0)
		return -EINVAL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	a->chunks_max = slots_max / CHUNK_SLOTS + (slots_max % CHUNK_SLOTS != 0);
	a->slots_max = slots_max;
	a->guard = (size_t)sysconf(_SC_PAGESIZE);
	a->allow_unlocked = allow_unlocked;
	a->locked = true;
	a->chunks = calloc(a->chunks_max, sizeof(*a->chunks));
	if (a->chunks == NULL)
		goto fail;
	rc = chunk_add_locked(a); /* now, so that a refused lock is an error of open */
	if (rc < 0)
		goto fail;
	*out = a;
	return 0;
fail:
	lat_arena_close(a);
	return rc;
}

void lat_arena_close(struct lat_arena *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; a->chunks != NULL && i < a->chunk_count; i++)
		chunk_unmap(a, &a->chunks[i]);
	free(a->chunks);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* The first of @count free slots that follow each other; CHUNK_SLOTS: there are none. */
static size_t chunk_find(const struct chunk *c, size_t count)
{
	size_t run = 0;

	for (size_t n = 0; n < CHUNK_SLOTS; n++) {
		if (c->used[n / 64] == UINT64_MAX) {
			n += 63 - n % 64;
			run = 0;
			continue;
		}
		run = (c->used[n / 64] >> n % 64 & 1) != 0 ? 0 : run + 1;
		if (run == count)
			return n + 1 - count;
	}
	return CHUNK_SLOTS;
}

static void *chunk_get(struct chunk *c, size_t first, size_t count)
{
	for (size_t n = first; n < first + count; n++)
		c->used[n / 64] |= UINT64_C(1) << n % 64;
	c->used_count += count;
	return c->slots + first * LAT_ARENA_SLOT;
}

static void *get_locked(struct lat_arena *a, size_t count)
{
	size_t first = CHUNK_SLOTS, i;

	if (count > a->slots_max - a->slots_used || count > CHUNK_SLOTS)
		return NULL;
	for (i = 0; i < a->chunk_count; i++)
		if (a->chunks[i].used_count + count <= CHUNK_SLOTS &&
		    (first = chunk_find(&a->chunks[i], count)) != CHUNK_SLOTS)
			break;
	if (i == a->chunk_count) {
		if (a->chunk_count == a->chunks_max || chunk_add_locked(a) < 0)
			return NULL;
		first = 0;
	}
	a->slots_used += count;
	return chunk_get(&a->chunks[i], first, count);
}

void *lat_arena_get(struct lat_arena *a)
{
	return lat_arena_get_long(a, LAT_ARENA_SLOT);
}

void *lat_arena_get_long(struct lat_arena *a, size_t bytes)
{
	void *slots;

	pthread_mutex_lock(&a->lock);
	slots = get_locked(a, (bytes + LAT_ARENA_SLOT - 1) / LAT_ARENA_SLOT);
	pthread_mutex_unlock(&a->lock);
	return slots;
}

void lat_arena_put(struct lat_arena *a, void *slot)
{
	uintptr_t at = (uintptr_t)slot;

	if (slot == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->chunk_count; i++) {
		struct chunk *c = &a->chunks[i];
		size_t offset = at - (uintptr_t)c->slots, n = offset / LAT_ARENA_SLOT;
		uint64_t bit = UINT64_C(1) << n % 64;

		if (offset >= CHUNK_BYTES)
			continue;
		LAT_ASSERT(offset % LAT_ARENA_SLOT == 0 && (c->used[n / 64] & bit) != 0);
		if ((c->used[n / 64] & bit) == 0)
			break;
		lat_wipe(c->slots + n * LAT_ARENA_SLOT, LAT_ARENA_SLOT);
		c->used[n / 64] &= ~bit;
		c->used_count--;
		a->slots_used--;
		break;
	}
	pthread_mutex_unlock(&a->lock);
}

void lat_arena_put_long(struct lat_arena *a, void *slots, size_t bytes)
{
	unsigned char *slot = slots;

	for (size_t at = 0; slot != NULL && at < bytes; at += LAT_ARENA_SLOT)
		lat_arena_put(a, slot + at);
}

void lat_arena_stats(struct lat_arena *a, struct lat_arena_stats *out)
{
	pthread_mutex_lock(&a->lock);
	*out = (struct lat_arena_stats){ .slots_used = a->slots_used,
					 .slots_max = a->slots_max,
					 .locked = a->locked };
	pthread_mutex_unlock(&a->lock);
}
