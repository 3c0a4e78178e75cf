/* Numbers to pointers, see idmap.h. */
#include "session/idmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { IDMAP_MIN = 16, PAGE_SLOTS = 256 };

static uint32_t slot_of(const struct lat_idmap *m, uint32_t key)
{
	return (uint32_t)((key * m->mul) >> 32) & (m->cap - 1);
}

void lat_idmap_init(struct lat_idmap *m, uint64_t random)
{
	*m = (struct lat_idmap){ .mul = random | 1 };
}

void lat_idmap_fini(struct lat_idmap *m)
{
	free(m->key);
	free(m->value);
	*m = (struct lat_idmap){ .mul = m->mul };
}

/* The key's slot, or the free one where it would go. The table is never full. */
static uint32_t find(const struct lat_idmap *m, uint32_t key)
{
	uint32_t i = slot_of(m, key);

	while (m->key[i] != 0 && m->key[i] != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

void *lat_idmap_get(const struct lat_idmap *m, uint32_t key)
{
	uint32_t i;

	if (m->cap == 0 || key == 0)
		return NULL;
	i = find(m, key);
	return m->key[i] == key ? m->value[i] : NULL;
}

static int grow(struct lat_idmap *m)
{
	struct lat_idmap bigger = { .mul = m->mul, .cap = m->cap == 0 ? IDMAP_MIN : m->cap * 2 }, old;

	bigger.key = calloc(bigger.cap, sizeof(*bigger.key));
	bigger.value = calloc(bigger.cap, sizeof(*bigger.value));
	if (bigger.key == NULL || bigger.value == NULL)
		goto fail;
	for (uint32_t i = 0; i < m->cap; i++) {
		uint32_t to;

		if (m->key[i] == 0)
			continue;
		to = find(&bigger, m->key[i]);
		bigger.key[to] = m->key[i];
		bigger.value[to] = m->value[i];
	}
	bigger.count = m->count;
	old = *m;
	*m = bigger;
	lat_idmap_fini(&old);
	return 0;
fail:
	lat_idmap_fini(&bigger);
	return -ENOMEM;
}

int lat_idmap_put(struct lat_idmap *m, uint32_t key, void *value)
{
	uint32_t i;

	if (m->cap == 0 || (m->count + 1) * 2 > m->cap) {
		int rc = grow(m);

		if (rc < 0)
			return rc;
	}
	i = find(m, key);
	m->count += m->key[i] == 0;
	m->key[i] = key;
	m->value[i] = value;
	return 0;
}

void lat_idmap_del(struct lat_idmap *m, uint32_t key)
{
	uint32_t hole, mask = m->cap - 1;

	if (m->cap == 0 || key == 0)
		return;
	hole = find(m, key);
	if (m->key[hole] != key)
		return;
	/* Close the gap: an entry may move back to the hole unless its own slot lies behind the hole. */
	for (uint32_t i = (hole + 1) & mask; m->key[i] != 0; i = (i + 1) & mask) {
		uint32_t home = slot_of(m, m->key[i]);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		m->key[hole] = m->key[i];
		m->value[hole] = m->value[i];
		hole = i;
	}
	m->key[hole] = 0;
	m->value[hole] = NULL;
	m->count--;
}

void lat_numtab_fini(struct lat_numtab *t)
{
	for (size_t i = 0; i < ARRAY_LEN(t->page); i++)
		free(t->page[i]);
	memset(t, 0, sizeof(*t));
}

void *lat_numtab_get(const struct lat_numtab *t, uint16_t num)
{
	void **page = t->page[num >> 8];

	return page == NULL ? NULL : page[num & 0xff];
}

int lat_numtab_put(struct lat_numtab *t, uint16_t num, void *value)
{
	void ***page = &t->page[num >> 8];

	if (*page == NULL) {
		*page = calloc(PAGE_SLOTS, sizeof(**page));
		if (*page == NULL)
			return -ENOMEM;
	}
	t->count += (*page)[num & 0xff] == NULL;
	(*page)[num & 0xff] = value;
	return 0;
}

void lat_numtab_del(struct lat_numtab *t, uint16_t num)
{
	void **page = t->page[num >> 8];

	if (page == NULL || page[num & 0xff] == NULL)
		return;
	page[num & 0xff] = NULL;
	t->count--;
}
