/*
 * Two hash tables over the same entries. The keyed hash is BLAKE2b: off every message path, so its price does
 * not matter.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "graph/channels.h"
#include "base/table.h"
#include "os/random.h"

enum { KEY_BYTES = 12, SECRET_BYTES = 16 };

struct entry {
	uint64_t handle;
	struct lat_channels_key key;
	uint8_t packed[KEY_BYTES];
	void *channel;
	UT_hash_handle by_handle, by_key;
};

struct lat_channels {
	struct entry *handles, *keys;
	uint64_t last_handle;
	uint32_t max;
	uint8_t secret[SECRET_BYTES];
};

static void pack(uint8_t out[KEY_BYTES], const struct lat_channels_key *key)
{
	lat_put_le32(out, (uint32_t)key->src);
	lat_put_le32(out + 4, (uint32_t)key->dst);
	lat_put_le32(out + 8, key->node);
}

static unsigned hash(const struct lat_channels *t, const uint8_t packed[KEY_BYTES])
{
	struct lat_bytes part = { packed, KEY_BYTES };
	uint8_t out[4];

	lat_blake2b(out, sizeof(out), t->secret, sizeof(t->secret), &part, 1);
	return lat_get_le32(out);
}

static struct entry *find_handle(const struct lat_channels *t, uint64_t handle)
{
	struct entry *e;

	HASH_FIND(by_handle, t->handles, &handle, sizeof(handle), e);
	return e;
}

static struct entry *find_key(const struct lat_channels *t, const struct lat_channels_key *key)
{
	uint8_t packed[KEY_BYTES];
	struct entry *e;

	pack(packed, key);
	HASH_FIND_BYHASHVALUE(by_key, t->keys, packed, KEY_BYTES, hash(t, packed), e);
	return e;
}

int lat_channels_open(struct lat_channels **out, uint32_t max)
{
	struct lat_channels *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	t->max = max == 0 ? LAT_CHANNELS_DEFAULT : max;
	lat_random(t->secret, sizeof(t->secret));
	*out = t;
	return 0;
}

void lat_channels_close(struct lat_channels *t)
{
	struct entry *e;

	if (t == NULL)
		return;
	e = t->handles;
	HASH_CLEAR(by_handle, t->handles); /* the entries stay, and stay in a row */
	HASH_CLEAR(by_key, t->keys);
	while (e != NULL) {
		struct entry *next = e->by_handle.next;

		free(e);
		e = next;
	}
	lat_wipe(t->secret, sizeof(t->secret));
	free(t);
}

int lat_channels_insert(struct lat_channels *t, const struct lat_channels_key *key, void *channel,
			uint64_t *handle)
{
	struct entry *e;

	if (find_key(t, key) != NULL)
		return -EEXIST;
	if (lat_channels_count(t) == t->max)
		return -ENOBUFS;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->key = *key;
	e->channel = channel;
	e->handle = t->last_handle + 1;
	pack(e->packed, key);
	HASH_ADD(by_handle, t->handles, handle, sizeof(e->handle), e);
	if (e->by_handle.tbl == NULL) {
		free(e);
		return -ENOMEM;
	}
	HASH_ADD_KEYPTR_BYHASHVALUE(by_key, t->keys, e->packed, KEY_BYTES, hash(t, e->packed), e);
	if (e->by_key.tbl == NULL) {
		HASH_DELETE(by_handle, t->handles, e);
		free(e);
		return -ENOMEM;
	}
	*handle = ++t->last_handle;
	return 0;
}

void *lat_channels_find(const struct lat_channels *t, uint64_t handle)
{
	const struct entry *e = find_handle(t, handle);

	return e == NULL ? NULL : e->channel;
}

void *lat_channels_find_key(const struct lat_channels *t, const struct lat_channels_key *key)
{
	const struct entry *e = find_key(t, key);

	return e == NULL ? NULL : e->channel;
}

void *lat_channels_remove(struct lat_channels *t, uint64_t handle)
{
	struct entry *e = find_handle(t, handle);
	void *channel;

	if (e == NULL)
		return NULL;
	channel = e->channel;
	HASH_DELETE(by_handle, t->handles, e);
	HASH_DELETE(by_key, t->keys, e);
	free(e);
	return channel;
}

int lat_channels_each(struct lat_channels *t,
		      int (*fn)(void *ctx, uint64_t handle, const struct lat_channels_key *key,
				void *channel),
		      void *ctx)
{
	struct entry *e, *next;

	HASH_ITER(by_handle, t->handles, e, next) {
		int rc = fn(ctx, e->handle, &e->key, e->channel);

		if (rc != 0)
			return rc;
	}
	return 0;
}

uint32_t lat_channels_count(const struct lat_channels *t)
{
	return HASH_CNT(by_handle, t->handles);
}
