/*
 * The capability chain: input = count u8 || root key[32] || descriptor[64] || caveats[24] each || flip u16.
 *
 * (1) A descriptor or caveat that decodes encodes to the same bytes; one that is refused leaves the output alone.
 * (2) Caveats never widen: rights and limits only lose, a pid or holder that was set stays, what they do not speak of stays.
 * (3) All at once or one after the other: the same. Refused, nothing changes.
 * (4) The key is that of exactly these bytes: a step at a time gives it, one caveat less or one bit more does not.
 * (5) A proof or a token of another key, or of anything else that goes into it, does not pass for this one.
 */
#include "fuzz.h"

#include <errno.h>

#include "cap/chain.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

enum { COUNT_MAX = LAT_CAP_CAVEATS_MAX + 2 };

struct chain {
	uint8_t root[LAT_CAP_KEY], desc[LAT_CAP_DESC], caveats[COUNT_MAX][LAT_CAP_CAVEAT];
	size_t count;
};

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, LAT_CAP_KEY) == 0;
}

/* 0 is no limit. */
static bool limit_kept(uint64_t before, uint64_t after)
{
	return before == 0 || (after != 0 && after <= before);
}

static void check_narrower(const struct lat_cap_desc *was, const struct lat_cap_desc *is)
{
	static const uint8_t bearer[LAT_CAP_HOLDER];

	FUZZ_REQUIRE((is->rights & ~was->rights) == 0);
	FUZZ_REQUIRE(limit_kept(was->not_after, is->not_after) && limit_kept(was->rate, is->rate));
	FUZZ_REQUIRE(is->max_msg <= was->max_msg);
	FUZZ_REQUIRE(was->src_pid == LAT_CAP_ANY_PID || is->src_pid == was->src_pid);
	FUZZ_REQUIRE(memcmp(was->holder, bearer, sizeof(bearer)) == 0 ||
		     memcmp(was->holder, is->holder, sizeof(bearer)) == 0);
	FUZZ_REQUIRE(is->node == was->node && is->dst_pid == was->dst_pid && is->slot == was->slot &&
		     is->gen == was->gen && is->cap_id == was->cap_id);
}

/* As bytes, so that the padding between the fields says nothing. */
static bool equal(const struct lat_cap_desc *a, const struct lat_cap_desc *b)
{
	uint8_t x[LAT_CAP_DESC], y[LAT_CAP_DESC];

	lat_cap_desc_encode(x, a);
	lat_cap_desc_encode(y, b);
	return memcmp(x, y, sizeof(x)) == 0;
}

static bool decode(const struct chain *in, struct lat_cap_desc *d)
{
	uint8_t again[LAT_CAP_DESC];

	memset(d, 0x5a, sizeof(*d));
	if (lat_cap_desc_decode(d, in->desc) < 0) {
		FUZZ_REQUIRE(fuzz_all(d, 0x5a, sizeof(*d)));
		return false;
	}
	lat_cap_desc_encode(again, d);
	FUZZ_REQUIRE(memcmp(again, in->desc, sizeof(again)) == 0);
	return true;
}

/* How many, from the first on, decode. */
static size_t decode_caveats(const struct chain *in, struct lat_caveat *out)
{
	for (size_t i = 0; i < in->count; i++) {
		uint8_t again[LAT_CAP_CAVEAT];

		memset(&out[i], 0x5a, sizeof(out[i]));
		if (lat_caveat_decode(&out[i], in->caveats[i]) < 0) {
			FUZZ_REQUIRE(fuzz_all(&out[i], 0x5a, sizeof(out[i])));
			return i;
		}
		lat_caveat_encode(again, &out[i]);
		FUZZ_REQUIRE(memcmp(again, in->caveats[i], sizeof(again)) == 0);
	}
	return in->count;
}

static void check_narrow(const struct lat_cap_desc *d, struct lat_caveat *caveats, size_t count)
{
	struct lat_cap_desc all = *d, one = *d;
	int rc = lat_cap_narrow(&all, caveats, count), step = 0;

	for (size_t i = 0; i < count && step == 0; i++) {
		struct lat_cap_desc before = one;

		step = lat_cap_narrow(&one, &caveats[i], 1);
		if (step == 0)
			check_narrower(&before, &one);
		else
			FUZZ_REQUIRE(equal(&before, &one));
	}
	FUZZ_REQUIRE(rc == (count > LAT_CAP_CAVEATS_MAX ? -EACCES : step));
	FUZZ_REQUIRE(equal(&all, rc == 0 ? &one : d));
	if (count > 0) { /* a size that is not its type's is refused there, too */
		caveats[0].size++;
		FUZZ_REQUIRE(lat_cap_narrow(&all, caveats, 1) == -EACCES);
	}
}

static void check_keys(struct chain *in, uint16_t flip, uint8_t key[LAT_CAP_KEY])
{
	uint8_t step[LAT_CAP_KEY], other[LAT_CAP_KEY];
	size_t bytes = LAT_CAP_KEY + LAT_CAP_DESC + in->count * LAT_CAP_CAVEAT, at = flip / 8 % bytes;
	uint8_t *part = at < LAT_CAP_KEY ? &in->root[at]
			: at < LAT_CAP_KEY + LAT_CAP_DESC
				? &in->desc[at - LAT_CAP_KEY]
				: &in->caveats[(at - LAT_CAP_KEY - LAT_CAP_DESC) / LAT_CAP_CAVEAT]
					      [(at - LAT_CAP_KEY - LAT_CAP_DESC) % LAT_CAP_CAVEAT];

	memset(key, 0x5a, LAT_CAP_KEY);
	if (lat_cap_key_chain(key, in->root, in->desc, in->caveats[0], in->count) < 0) {
		FUZZ_REQUIRE(in->count > LAT_CAP_CAVEATS_MAX && fuzz_all(key, 0x5a, LAT_CAP_KEY));
		return;
	}
	FUZZ_REQUIRE(in->count <= LAT_CAP_CAVEATS_MAX);
	lat_cap_key_root(step, in->root, in->desc);
	for (size_t i = 0; i < in->count; i++) {
		FUZZ_REQUIRE(!same(step, key));
		lat_cap_key_next(step, step, in->caveats[i]);
	}
	FUZZ_REQUIRE(same(step, key));
	*part ^= (uint8_t)(1 << flip % 8);
	FUZZ_REQUIRE(lat_cap_key_chain(other, in->root, in->desc, in->caveats[0], in->count) == 0);
	*part ^= (uint8_t)(1 << flip % 8);
	FUZZ_REQUIRE(!same(other, key));
}

/* What is made from the key: one thing changed, and it is another. */
static void check_derived(const struct lat_cap_desc *d, const uint8_t key[LAT_CAP_KEY], uint16_t flip)
{
	struct lat_chan_ctx ctx = { .src_pid = d->src_pid, .dst_pid = d->dst_pid };
	uint8_t proof[32], tk[32], bind[32], token[LAT_TOKEN], again[32], no[32] = { 0 };

	lat_cap_proof(proof, key, ctx.nonce_s, d->slot, d->src_pid, d->dst_pid, ctx.nonce_r);
	lat_cap_proof(again, key, ctx.nonce_s, d->slot + 1, d->src_pid, d->dst_pid, ctx.nonce_r);
	FUZZ_REQUIRE(!same(proof, again));
	lat_cap_proof(again, key, ctx.nonce_s, d->slot, (int32_t)((uint32_t)d->src_pid ^ 1), d->dst_pid,
		      ctx.nonce_r);
	FUZZ_REQUIRE(!same(proof, again));
	lat_cap_channel_keys(tk, bind, key, &ctx);
	FUZZ_REQUIRE(!same(tk, bind) && !same(tk, key) && !same(bind, key));
	ctx.nonce_r[flip % sizeof(ctx.nonce_r)] ^= 1;
	lat_cap_channel_keys(again, no, key, &ctx);
	FUZZ_REQUIRE(!same(tk, again) && !same(bind, no));
	lat_token_msg(token, tk, 1, d->rights, d->cap_id, d->max_msg, no);
	lat_token_msg(again, tk, 1, d->rights, d->cap_id + 1, d->max_msg, no);
	FUZZ_REQUIRE(memcmp(token, again, sizeof(token)) != 0);
	lat_token_run(again, tk, 1, d->rights, d->cap_id, 2, d->max_msg, no);
	FUZZ_REQUIRE(memcmp(token, again, sizeof(token)) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	struct lat_caveat caveats[COUNT_MAX];
	struct chain chain = { 0 };
	uint8_t key[LAT_CAP_KEY];
	struct lat_cap_desc d;
	uint16_t flip;

	FUZZ_REQUIRE(lat_crypto_init() == 0);
	chain.count = fuzz_take(&in, 1) % (COUNT_MAX + 1);
	(void)fuzz_take_bytes(&in, chain.root, sizeof(chain.root));
	(void)fuzz_take_bytes(&in, chain.desc, sizeof(chain.desc));
	(void)fuzz_take_bytes(&in, chain.caveats, chain.count * LAT_CAP_CAVEAT);
	flip = (uint16_t)fuzz_take(&in, 2);
	check_keys(&chain, flip, key);
	if (!decode(&chain, &d))
		return 0;
	check_narrow(&d, caveats, decode_caveats(&chain, caveats));
	if (chain.count <= LAT_CAP_CAVEATS_MAX)
		check_derived(&d, key, flip);
	return 0;
}
