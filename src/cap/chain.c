/* Descriptors and caveats as bytes, the key chain over them, and what a channel derives from its key. */
#include "cap/chain.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "crypto/hash.h"

/*
 * Descriptor. Integers little-endian.
 *    0     1      2          4        8            12           16       20      24
 *   +-----+------+----------+--------+------------+------------+--------+-------+------------+
 *   | ver | zero | rights16 | node32 | dst_pid i32| src_pid i32| slot32 | gen32 | cap_id u64 |
 *   +-----+------+----------+--------+------------+------------+--------+-------+------------+
 *    32              40            44         48
 *   +---------------+-------------+----------+------------+
 *   | not_after u64 | max_msg u32 | rate u32 | holder[16] |
 *   +---------------+-------------+----------+------------+
 */
enum {
	DESC_VER = 0,
	DESC_ZERO = 1,
	DESC_RIGHTS = 2,
	DESC_NODE = 4,
	DESC_DST_PID = 8,
	DESC_SRC_PID = 12,
	DESC_SLOT = 16,
	DESC_GEN = 20,
	DESC_CAP_ID = 24,
	DESC_NOT_AFTER = 32,
	DESC_MAX_MSG = 40,
	DESC_RATE = 44,
	DESC_HOLDER = 48,
	DESC_VERSION = 1,
};
static_assert(DESC_HOLDER + LAT_CAP_HOLDER == LAT_CAP_DESC, "the holder ends the descriptor");

void lat_cap_desc_encode(uint8_t out[LAT_CAP_DESC], const struct lat_cap_desc *d)
{
	out[DESC_VER] = DESC_VERSION;
	out[DESC_ZERO] = 0;
	lat_put_le16(out + DESC_RIGHTS, d->rights);
	lat_put_le32(out + DESC_NODE, d->node);
	lat_put_le32(out + DESC_DST_PID, (uint32_t)d->dst_pid);
	lat_put_le32(out + DESC_SRC_PID, (uint32_t)d->src_pid);
	lat_put_le32(out + DESC_SLOT, d->slot);
	lat_put_le32(out + DESC_GEN, d->gen);
	lat_put_le64(out + DESC_CAP_ID, d->cap_id);
	lat_put_le64(out + DESC_NOT_AFTER, d->not_after);
	lat_put_le32(out + DESC_MAX_MSG, d->max_msg);
	lat_put_le32(out + DESC_RATE, d->rate);
	memcpy(out + DESC_HOLDER, d->holder, LAT_CAP_HOLDER);
}

int lat_cap_desc_decode(struct lat_cap_desc *d, const uint8_t in[LAT_CAP_DESC])
{
	if (in[DESC_VER] != DESC_VERSION || in[DESC_ZERO] != 0)
		return -EPROTO;
	d->rights = lat_get_le16(in + DESC_RIGHTS);
	d->node = lat_get_le32(in + DESC_NODE);
	d->dst_pid = (int32_t)lat_get_le32(in + DESC_DST_PID);
	d->src_pid = (int32_t)lat_get_le32(in + DESC_SRC_PID);
	d->slot = lat_get_le32(in + DESC_SLOT);
	d->gen = lat_get_le32(in + DESC_GEN);
	d->cap_id = lat_get_le64(in + DESC_CAP_ID);
	d->not_after = lat_get_le64(in + DESC_NOT_AFTER);
	d->max_msg = lat_get_le32(in + DESC_MAX_MSG);
	d->rate = lat_get_le32(in + DESC_RATE);
	memcpy(d->holder, in + DESC_HOLDER, LAT_CAP_HOLDER);
	return 0;
}

/*
 * Caveat.
 *    0      1      2          4
 *   +------+------+----------+----------------------------+
 *   | type | size | zero u16 | value[20], zeros past size |
 *   +------+------+----------+----------------------------+
 */
enum { CAVEAT_TYPE = 0, CAVEAT_SIZE = 1, CAVEAT_ZERO = 2, CAVEAT_VALUE = 4 };
static_assert(CAVEAT_VALUE + LAT_CAP_CAVEAT_VALUE_MAX == LAT_CAP_CAVEAT, "the value ends the caveat");

static const uint8_t caveat_size[] = {
	/* 0: no such type */
	[LAT_CAVEAT_RIGHTS] = 2, [LAT_CAVEAT_NOT_AFTER] = 8, [LAT_CAVEAT_MAX_MSG] = 4,
	[LAT_CAVEAT_RATE] = 4,   [LAT_CAVEAT_SRC_PID] = 4,   [LAT_CAVEAT_HOLDER] = LAT_CAP_HOLDER,
	[LAT_CAVEAT_SLOT] = 8,
};

static bool caveat_known(uint8_t type, uint8_t size)
{
	return type < ARRAY_LEN(caveat_size) && size != 0 && size == caveat_size[type];
}

void lat_caveat_encode(uint8_t out[LAT_CAP_CAVEAT], const struct lat_caveat *c)
{
	LAT_ASSERT(c->size <= LAT_CAP_CAVEAT_VALUE_MAX);
	memset(out, 0, LAT_CAP_CAVEAT);
	out[CAVEAT_TYPE] = c->type;
	out[CAVEAT_SIZE] = c->size;
	memcpy(out + CAVEAT_VALUE, c->value, c->size);
}

int lat_caveat_decode(struct lat_caveat *c, const uint8_t in[LAT_CAP_CAVEAT])
{
	uint8_t type = in[CAVEAT_TYPE], size = in[CAVEAT_SIZE];
	uint8_t padding = 0;

	if (!caveat_known(type, size) || lat_get_le16(in + CAVEAT_ZERO) != 0)
		return -EACCES;
	for (size_t i = (size_t)CAVEAT_VALUE + size; i < LAT_CAP_CAVEAT; i++)
		padding |= in[i];
	if (padding != 0)
		return -EACCES;
	c->type = type;
	c->size = size;
	memcpy(c->value, in + CAVEAT_VALUE, LAT_CAP_CAVEAT_VALUE_MAX);
	return 0;
}

void lat_cap_key_root(uint8_t k[LAT_CAP_KEY], const uint8_t root[LAT_CAP_KEY],
		      const uint8_t desc[LAT_CAP_DESC])
{
	static const char label[] = "lwp1 cap";
	const struct lat_bytes parts[] = { { label, sizeof(label) - 1 }, { desc, LAT_CAP_DESC } };

	lat_hmac(k, root, parts, ARRAY_LEN(parts));
}

void lat_cap_key_next(uint8_t out[LAT_CAP_KEY], const uint8_t in[LAT_CAP_KEY],
		      const uint8_t caveat[LAT_CAP_CAVEAT])
{
	static const char label[] = "lwp1 cav";
	const struct lat_bytes parts[] = { { label, sizeof(label) - 1 }, { caveat, LAT_CAP_CAVEAT } };

	lat_hmac(out, in, parts, ARRAY_LEN(parts));
}

int lat_cap_key_chain(uint8_t k[LAT_CAP_KEY], const uint8_t root[LAT_CAP_KEY],
		      const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats, size_t count)
{
	uint8_t key[LAT_CAP_KEY];

	if (count > LAT_CAP_CAVEATS_MAX)
		return -EACCES;
	lat_cap_key_root(key, root, desc);
	for (size_t i = 0; i < count; i++)
		lat_cap_key_next(key, key, caveats + i * LAT_CAP_CAVEAT);
	memcpy(k, key, sizeof(key));
	lat_wipe(key, sizeof(key));
	return 0;
}

/* In the two limits where 0 says "none", the lesser of them that are limits at all. */
static uint64_t least_limit(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a | b;
	return a < b ? a : b;
}

static int narrow_one(struct lat_cap_desc *d, const struct lat_caveat *c)
{
	static const uint8_t bearer[LAT_CAP_HOLDER];
	int32_t pid;
	uint32_t max;

	if (!caveat_known(c->type, c->size))
		return -EACCES;
	switch (c->type) {
	case LAT_CAVEAT_RIGHTS:
		d->rights &= lat_get_le16(c->value);
		return 0;
	case LAT_CAVEAT_NOT_AFTER:
		d->not_after = least_limit(d->not_after, lat_get_le64(c->value));
		return 0;
	case LAT_CAVEAT_MAX_MSG:
		max = lat_get_le32(c->value);
		d->max_msg = max < d->max_msg ? max : d->max_msg;
		return 0;
	case LAT_CAVEAT_RATE:
		d->rate = (uint32_t)least_limit(d->rate, lat_get_le32(c->value));
		return 0;
	case LAT_CAVEAT_SRC_PID:
		pid = (int32_t)lat_get_le32(c->value);
		if (pid == LAT_CAP_ANY_PID || (d->src_pid != LAT_CAP_ANY_PID && d->src_pid != pid))
			return -EACCES;
		d->src_pid = pid;
		return 0;
	case LAT_CAVEAT_HOLDER:
		if (memcmp(c->value, bearer, LAT_CAP_HOLDER) == 0)
			return -EACCES;
		if (memcmp(d->holder, bearer, LAT_CAP_HOLDER) != 0 &&
		    memcmp(d->holder, c->value, LAT_CAP_HOLDER) != 0)
			return -EACCES;
		memcpy(d->holder, c->value, LAT_CAP_HOLDER);
		return 0;
	case LAT_CAVEAT_SLOT: /* liveness, the issuer's question */
		return 0;
	}
	return -EACCES;
}

int lat_cap_narrow(struct lat_cap_desc *d, const struct lat_caveat *caveats, size_t count)
{
	struct lat_cap_desc next = *d;

	if (count > LAT_CAP_CAVEATS_MAX)
		return -EACCES;
	for (size_t i = 0; i < count; i++) {
		int rc = narrow_one(&next, &caveats[i]);

		if (rc < 0)
			return rc;
	}
	*d = next;
	return 0;
}

bool lat_cap_is_within(const struct lat_cap_desc *p, const struct lat_cap_desc *want)
{
	return (p->rights & LAT_RIGHT_GRANT) != 0 && (want->rights & ~p->rights) == 0 &&
	       want->dst_pid == p->dst_pid &&
	       (p->src_pid == LAT_CAP_ANY_PID || want->src_pid == p->src_pid) &&
	       (p->not_after == 0 || (want->not_after != 0 && want->not_after <= p->not_after)) &&
	       want->max_msg <= p->max_msg && (p->rate == 0 || (want->rate != 0 && want->rate <= p->rate));
}

uint32_t lat_cap_msg_max(uint16_t rights, uint32_t max_msg)
{
	uint32_t max = max_msg == 0 ? UINT32_MAX : max_msg;

	return (rights & LAT_RIGHT_BULK) == 0 && max > LAT_CAP_SHORT_MAX ? LAT_CAP_SHORT_MAX : max;
}

void lat_cap_proof(uint8_t out[32], const uint8_t k[LAT_CAP_KEY], const uint8_t sid[16], uint32_t req,
		   int32_t src_pid, int32_t dst_pid, const uint8_t nonce_s[16])
{
	static const char label[] = "lwp1 open";
	uint8_t numbers[12];
	const struct lat_bytes parts[] = {
		{ label, sizeof(label) - 1 }, { sid, 16 }, { numbers, sizeof(numbers) }, { nonce_s, 16 }
	};

	lat_put_le32(numbers, req);
	lat_put_le32(numbers + 4, (uint32_t)src_pid);
	lat_put_le32(numbers + 8, (uint32_t)dst_pid);
	lat_hmac(out, k, parts, ARRAY_LEN(parts));
}

void lat_cap_channel_keys(uint8_t tk[32], uint8_t bind[32], const uint8_t k[LAT_CAP_KEY],
			  const struct lat_chan_ctx *ctx)
{
	static const char tk_label[] = "lwp1 tok", bind_label[] = "lwp1 bind";
	uint8_t pids[8];
	struct lat_bytes parts[] = {
		{ tk_label, sizeof(tk_label) - 1 },
		{ ctx->nonce_s, 16 },
		{ ctx->nonce_r, 16 },
		{ pids, sizeof(pids) },
		{ ctx->id_sender, 16 },
		{ ctx->id_receiver, 16 },
	};

	lat_put_le32(pids, (uint32_t)ctx->src_pid);
	lat_put_le32(pids + 4, (uint32_t)ctx->dst_pid);
	lat_hmac(tk, k, parts, ARRAY_LEN(parts));
	parts[0] = (struct lat_bytes){ bind_label, sizeof(bind_label) - 1 };
	lat_hmac(bind, k, parts, ARRAY_LEN(parts));
}

/* Half of HMAC's output is the token (PROTOCOL 6.3). */
static void token(uint8_t out[LAT_TOKEN], const uint8_t tk[32], const uint8_t *input, size_t bytes)
{
	uint8_t whole[LAT_HASH];

	lat_hmac(whole, tk, &(struct lat_bytes){ input, bytes }, 1);
	memcpy(out, whole, LAT_TOKEN);
	lat_wipe(whole, sizeof(whole));
}

/*
 * A token's input.
 *    0        4        5      6        8       16              20
 *   +--------+--------+------+--------+-------+---------------+------------+
 *   | "LTK1" | cflags | zero | rights | seq64 | msg_len u32   | digest[32] |
 *   +--------+--------+------+--------+-------+-----+---------+------------+
 *   | "LTK2" |   the same             | first | cnt | total   | digest[32] |
 *   +--------+------------------------+-------+-----+---------+------------+
 *                                     8       16    18        22
 */
enum { TOKEN_CFLAGS = 4, TOKEN_RIGHTS = 6, TOKEN_SEQ = 8, TOKEN_TAIL = 16, TOKEN_DIGEST = 32 };

void lat_token_msg(uint8_t out[LAT_TOKEN], const uint8_t tk[32], uint8_t cflags, uint16_t rights,
		   uint64_t seq, uint32_t msg_len, const uint8_t digest[32])
{
	uint8_t in[TOKEN_TAIL + 4 + TOKEN_DIGEST] = { 'L', 'T', 'K', '1' };

	in[TOKEN_CFLAGS] = cflags;
	lat_put_le16(in + TOKEN_RIGHTS, rights);
	lat_put_le64(in + TOKEN_SEQ, seq);
	lat_put_le32(in + TOKEN_TAIL, msg_len);
	memcpy(in + TOKEN_TAIL + 4, digest, TOKEN_DIGEST);
	token(out, tk, in, sizeof(in));
}

void lat_token_run(uint8_t out[LAT_TOKEN], const uint8_t tk[32], uint8_t cflags, uint16_t rights,
		   uint64_t first_seq, uint16_t count, uint32_t total, const uint8_t digest[32])
{
	uint8_t in[TOKEN_TAIL + 6 + TOKEN_DIGEST] = { 'L', 'T', 'K', '2' };

	in[TOKEN_CFLAGS] = cflags;
	lat_put_le16(in + TOKEN_RIGHTS, rights);
	lat_put_le64(in + TOKEN_SEQ, first_seq);
	lat_put_le16(in + TOKEN_TAIL, count);
	lat_put_le32(in + TOKEN_TAIL + 2, total);
	memcpy(in + TOKEN_TAIL + 6, digest, TOKEN_DIGEST);
	token(out, tk, in, sizeof(in));
}
