/* One DATA packet: what opens, and that nothing else does. The bytes themselves: handshake_kat_test.c. */
#include "session/keys.h"

#include <errno.h>

#include "base/test.h"
#include "wire/packet.h"

static const uint8_t sess[LAT_HASH] = "a session secret of 32 bytes....";
static const uint8_t bind_a[32] = "bound to one capability, 32 byte";
static const uint8_t bind_b[32] = "bound to another one, 32 bytes..";

static const struct lat_chan_key_input base = {
	.dir = 0, .chan = 7, .src_pid = 5, .dst_pid = 10, .bind = bind_a
};

TEST(every_input_makes_another_key)
{
	static const struct {
		const char *why;
		struct lat_chan_key_input in;
	} rows[] = {
		{ "other direction", { 1, 7, 5, 10, bind_a } },
		{ "other channel", { 0, 8, 5, 10, bind_a } },
		{ "channel's other byte", { 0, 0x0700, 5, 10, bind_a } },
		{ "pids swapped", { 0, 7, 10, 5, bind_a } },
		{ "other sender", { 0, 7, 6, 10, bind_a } },
		{ "other receiver", { 0, 7, 5, 11, bind_a } },
		{ "negative pid", { 0, 7, -5, 10, bind_a } },
		{ "other capability", { 0, 7, 5, 10, bind_b } },
	};
	uint8_t first[48], other[48], again[48];
	struct lat_chan_key key;

	CHECK_EQ(lat_crypto_init(), 0);
	lat_chan_key_derive(&key, sess, &base, first);
	lat_chan_key_derive(&key, sess, &base, again);
	CHECK_MEM(again, first, sizeof(first));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		lat_chan_key_derive(&key, sess, &rows[i].in, other);
		CHECK_ROW(rows[i].why, memcmp(first, other, 32) != 0);
		CHECK_ROW(rows[i].why, memcmp(first + 32, other + 32, 16) != 0);
	}
}

static size_t sealed(const struct lat_chan_key *key, uint8_t *packet, size_t plain)
{
	for (size_t i = 0; i < plain; i++)
		packet[LAT_DATA_HDR + i] = (uint8_t)(i * 7 + 1);
	return lat_data_seal(key, packet, 7, 0xa1b2c3d4u, 3, plain);
}

TEST(sizes)
{
	static const struct {
		const char *why;
		size_t plain;
	} rows[] = {
		{ "keepalive", LAT_DATA_NODE_LEN },
		{ "one byte more", 5 },
		{ "a block", 64 },
		{ "one over a block", 65 },
		{ "base datagram", LAT_UDP_BASE - LAT_DATA_OVERHEAD },
		{ "largest", LAT_TCP_MAX_PKT - LAT_DATA_OVERHEAD },
	};
	static uint8_t packet[LAT_TCP_MAX_PKT], copy[LAT_TCP_MAX_PKT];
	struct lat_chan_key key, other;
	struct lat_data_hdr hdr;

	CHECK_EQ(lat_crypto_init(), 0);
	lat_chan_key_derive(&key, sess, &base, NULL);
	lat_chan_key_derive(&other, sess, &(struct lat_chan_key_input){ 1, 7, 5, 10, bind_a }, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = sealed(&key, packet, rows[i].plain);

		CHECK_EQ_ROW(rows[i].why, len, rows[i].plain + LAT_DATA_OVERHEAD);
		CHECK_EQ_ROW(rows[i].why, lat_data_hdr_decode(&hdr, packet, len), 0);
		CHECK_EQ_ROW(rows[i].why, hdr.chan, 7);
		CHECK_EQ_ROW(rows[i].why, hdr.idx, 0xa1b2c3d4u);
		CHECK_EQ_ROW(rows[i].why, hdr.counter, 3);

		memcpy(copy, packet, len);
		CHECK_EQ_ROW("another direction's key", lat_data_open(&other, copy, len, 3), -EBADMSG);
		memcpy(copy, packet, len);
		CHECK_EQ_ROW("another counter as nonce", lat_data_open(&key, copy, len, 4), -EBADMSG);
		memcpy(copy, packet, len);
		CHECK_EQ_ROW("cut by a byte", lat_data_open(&key, copy, len - 1, 3), -EBADMSG);
		CHECK_EQ_ROW("shorter than any", lat_data_open(&key, packet, LAT_DATA_MIN_LEN - 1, 3),
			     -EBADMSG);
		CHECK_EQ_ROW(rows[i].why, lat_data_open(&key, packet, len, 3), (int64_t)rows[i].plain);
		for (size_t b = 0; b < rows[i].plain; b++)
			CHECK_EQ_ROW(rows[i].why, packet[LAT_DATA_HDR + b], (uint8_t)(b * 7 + 1));
	}
}

/* The header is authentic too: every bit of it, of the ciphertext and of the tag. */
TEST(every_bit_counts)
{
	uint8_t packet[300], copy[300];
	struct lat_chan_key key;
	size_t len;

	CHECK_EQ(lat_crypto_init(), 0);
	lat_chan_key_derive(&key, sess, &base, NULL);
	len = sealed(&key, packet, sizeof(packet) - LAT_DATA_OVERHEAD);
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct lat_data_hdr hdr;

		memcpy(copy, packet, len);
		copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (lat_data_hdr_decode(&hdr, copy, len) != 0)
			continue; /* the form already says no */
		CHECK_EQ(lat_data_open(&key, copy, len, hdr.counter), -EBADMSG);
	}
	CHECK_EQ(lat_data_open(&key, packet, len, 3), (int64_t)(len - LAT_DATA_OVERHEAD));
}

TEST_MAIN
