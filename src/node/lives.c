#include "node/lives.h"

#include <errno.h>
#include <stdlib.h>

#include "os/memfd.h"

enum { BYTES = LAT_CAPTABLE_MAX * (int)sizeof(uint32_t) };

struct lat_lives {
	const _Atomic(uint32_t) *words;
	_Atomic(uint32_t) *own; /* NULL: another's */
	int fd;                 /* own's */
	_Atomic(uint32_t) refs;
};

static int lives_new(struct lat_lives **out)
{
	struct lat_lives *l = calloc(1, sizeof(*l));

	*out = l;
	if (l == NULL)
		return -ENOMEM;
	l->fd = -1;
	atomic_init(&l->refs, 1);
	return 0;
}

int lat_lives_make(struct lat_lives **out)
{
	struct lat_lives *l;
	void *map;
	int rc = lives_new(&l);

	*out = NULL;
	if (rc < 0)
		return rc;
	rc = lat_memfd_create(&l->fd, &map, BYTES, "lattice-lives");
	if (rc < 0) {
		free(l);
		return rc;
	}
	lat_memfd_hide(map, BYTES);
	l->words = l->own = map;
	*out = l;
	return 0;
}

int lat_lives_join(struct lat_lives **out, int fd)
{
	struct lat_lives *l;
	const void *map;
	int rc = lives_new(&l);

	*out = NULL;
	if (rc < 0)
		return rc;
	rc = lat_memfd_map_peer(fd, BYTES, &map);
	if (rc < 0) {
		free(l);
		return rc;
	}
	l->words = map;
	*out = l;
	return 0;
}

struct lat_lives *lat_lives_get(struct lat_lives *l)
{
	(void)atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void lat_lives_put(struct lat_lives *l)
{
	if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	lat_memfd_unmap((const void *)(uintptr_t)l->words, BYTES);
	lat_memfd_close(l->fd);
	free(l);
}

_Atomic(uint32_t) *lat_lives_words(struct lat_lives *l)
{
	return l->own;
}

int lat_lives_fd(const struct lat_lives *l)
{
	return l->fd;
}

struct lat_life lat_lives_of(const struct lat_lives *l, struct lat_cap_ref ref)
{
	/* One that cannot be: it has ended. */
	static const _Atomic(uint32_t) none;

	if (ref.gen == 0)
		return (struct lat_life){ 0 };
	if (l == NULL || ref.slot >= LAT_CAPTABLE_MAX)
		return (struct lat_life){ .word = &none, .gen = ref.gen };
	return (struct lat_life){ .word = &l->words[ref.slot], .gen = ref.gen };
}
