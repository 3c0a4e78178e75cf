/* One message being put together, see reasm_msg.h. */
#include "session/reasm_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS_COST = 32 }; /* what the allocator takes for a message's two blocks, roughly, in bytes */

static uint32_t units_of(uint32_t bytes)
{
	return (bytes + LAT_UNIT - 1) / LAT_UNIT;
}

static size_t map_words(uint32_t msg_len)
{
	return (units_of(msg_len) + 63u) / 64u;
}

static uint64_t *map_of(struct lat_reasm_msg *m)
{
	return m->bitmap != NULL ? m->bitmap : &m->small;
}

static bool unit_held(struct lat_reasm_msg *m, uint32_t unit)
{
	return m->units_missing == 0 || (map_of(m)[unit / 64] >> (unit % 64) & 1) != 0;
}

bool lat_reasm_frag_whole(const struct lat_reasm_frag *f)
{
	return f->off == 0 && f->len == f->msg_len;
}

bool lat_reasm_msg_news(struct lat_reasm_msg *m, const struct lat_reasm_frag *f)
{
	if (m->units_missing == 0)
		return false;
	if (lat_reasm_frag_whole(f))
		return true;
	for (uint32_t i = f->off / LAT_UNIT; i < units_of(f->off + f->len); i++) {
		if (!unit_held(m, i))
			return true;
	}
	return false;
}

void lat_reasm_msg_free(struct lat_reasm *r, struct lat_reasm_msg *m)
{
	lat_budget_release(r->budgets, m->charged);
	free(m->bitmap);
	if ((m->flags & LAT_MSG_CAPS) != 0 && m->body != NULL)
		lat_wipe(m->body, m->cap);
	free(m->body);
	free(m);
}

size_t lat_reasm_msg_overhead(uint32_t msg_len, bool whole)
{
	return sizeof(struct lat_reasm_msg) + BLOCKS_COST +
	       (whole || map_words(msg_len) == 1 ? 0 : map_words(msg_len) * 8);
}

struct lat_reasm_msg *lat_reasm_msg_new(const struct lat_reasm_frag *f, uint64_t now)
{
	struct lat_reasm_msg *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->seq = f->seq;
	m->msg_len = f->msg_len;
	m->units_missing = units_of(f->msg_len);
	m->since_ns = now;
	m->flags = f->flags;
	if (!lat_reasm_frag_whole(f) && map_words(f->msg_len) > 1) {
		m->bitmap = calloc(map_words(f->msg_len), sizeof(uint64_t));
		if (m->bitmap == NULL) {
			free(m);
			return NULL;
		}
	}
	return m;
}

int lat_reasm_msg_extend(struct lat_reasm_msg *m, uint32_t bytes)
{
	bool secret = (m->flags & LAT_MSG_CAPS) != 0;
	uint8_t *body = secret ? malloc(bytes) : realloc(m->body, bytes);

	if (body == NULL)
		return -ENOMEM;
	if (secret && m->body != NULL) {
		memcpy(body, m->body, m->cap);
		lat_wipe(m->body, m->cap);
		free(m->body);
	}
	m->body = body;
	m->cap = bytes;
	return 0;
}

void lat_reasm_msg_fill(struct lat_reasm_msg *m, const struct lat_reasm_frag *f)
{
	if (lat_reasm_frag_whole(f)) {
		memcpy(m->body, f->data, f->len);
		m->units_missing = 0;
		m->flags = f->flags;
	}
	for (uint32_t i = f->off / LAT_UNIT; m->units_missing > 0 && i < units_of(f->off + f->len); i++) {
		uint32_t at = i * LAT_UNIT, end = at + LAT_UNIT;

		if (unit_held(m, i))
			continue;
		if (end > f->msg_len)
			end = f->msg_len;
		memcpy(m->body + at, f->data + (at - f->off), end - at);
		map_of(m)[i / 64] |= UINT64_C(1) << (i % 64);
		m->units_missing--;
	}
	if (f->off + f->len > m->extent)
		m->extent = f->off + f->len;
	if (f->off == 0 && (!m->has_token || lat_reasm_frag_whole(f))) {
		m->has_token = f->token != NULL;
		m->verified = f->verified;
		if (f->token != NULL)
			memcpy(m->token, f->token, LAT_WIRE_TOKEN);
	}
	if (m->units_missing == 0) {
		free(m->bitmap);
		m->bitmap = NULL;
	}
}
