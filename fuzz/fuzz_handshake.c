/*
 * Packets before authentication. A node has a live session, a half-open handshake of the peer 2, and calls peer 3. The
 * input is a list of packets: raw bytes, or one of the real ones with some bytes changed, from an address of a peer's or
 * of nobody's, and time.
 *
 * (1) No crash, no undefined behaviour, nothing left when all is taken down.
 * (2) A hello whose mac1 is wrong gets no reply. No packet gets more than one, nor one that is not shorter.
 * (3) The live session is untouched: the same one is current, and its peer's next message arrives.
 * (4) Whatever is changed in a real packet, mac2 apart, it is not accepted.
 */
#include "engine.h"

enum { PACKETS_MAX = 100, REAL_COUNT = 5 };

static struct fuzz_engine f;

static struct {
	uint8_t data[LAT_M1_LEN];
	size_t bytes;
} real[REAL_COUNT];

static uint32_t take(const uint8_t **at, const uint8_t *end, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = 0; i < bytes && *at < end; i++)
		v |= (uint32_t) * (*at)++ << 8 * i;
	return v;
}

static void keep(int i, const uint8_t *data, size_t bytes)
{
	memcpy(real[i].data, data, bytes);
	real[i].bytes = bytes;
}

static int hand_in(const struct lat_path *from, const uint8_t *data, size_t bytes)
{
	uint8_t *exact = malloc(bytes == 0 ? 1 : bytes); /* so that a byte too many is seen */
	int rc;

	FUZZ_REQUIRE(exact != NULL);
	if (bytes > 0)
		memcpy(exact, data, bytes);
	rc = lat_engine_packet(f.e, f.now, from, exact, bytes);
	free(exact);
	return rc;
}

static void seal_live(const struct lat_session *s, uint64_t counter, uint8_t *packet, size_t *bytes)
{
	struct lat_chan_key key;
	struct lat_writer w;

	FUZZ_REQUIRE(lat_writer_init(&w, packet + LAT_DATA_HDR, 100, HOSTILE) == 0);
	FUZZ_REQUIRE(lat_frame_ping_encode(&w, counter) == 0);
	fuzz_key(&key, s, NULL);
	*bytes = lat_data_seal(&key, packet, 0, s->idx_local, counter, w.len);
}

/* A hello of peer 2, which makes the half-open entry, and its M3; our own call to peer 3, with a cookie for it. */
static void prepare(const struct lat_session *live)
{
	const uint8_t zeros[32] = { 0 }, cookie[16] = { 1 }, nonce[24] = { 2 };
	const struct lat_hs_params p = { .ver_max = 1,
					 .ver_min = 1,
					 .node = HOSTILE,
					 .boot_id = 1,
					 .udp_max = LAT_UDP_BASE,
					 .max_msg = LAT_MAX_MSG_DEFAULT };
	struct lat_hs_initiator_random rnd = { { 3 }, { 4 } };
	struct lat_path from = fuzz_path(HOSTILE, LAT_PROTO_UDP);
	struct lat_hs_public me, them;
	struct lat_hs_initiator hs;
	uint8_t seed[32], packet[LAT_M1_LEN], e_m[LAT_WIRE_EM];
	size_t bytes;

	from.node = 0;
	lat_hs_public_init(&me, fuzz_pk(ME, seed), zeros);
	lat_hs_public_init(&them, fuzz_pk(HOSTILE, seed), zeros);
	FUZZ_REQUIRE(lat_hs_m1_make(&hs, packet, e_m, &them, &me, zeros, &p, 77, &rnd) == 0);
	keep(0, packet, LAT_M1_LEN);
	FUZZ_REQUIRE(hand_in(&from, packet, LAT_M1_LEN) == 0 && f.e->half_count == 1);
	FUZZ_REQUIRE(f.last_bytes == LAT_M2_LEN);
	FUZZ_REQUIRE(lat_hs_m2_open_m3_make(&hs, f.last, packet, e_m, seed, zeros, &p) == 0);
	keep(1, packet, LAT_M3_LEN);
	seal_live(live, 1000, packet, &bytes);
	keep(2, packet, bytes);
	FUZZ_REQUIRE(lat_engine_peer_connect(f.e, f.now, HONEST) == 0);
	fuzz_tick(&f);
	FUZZ_REQUIRE(f.last_bytes == LAT_M1_LEN && fuzz_peer(&f, HONEST)->attempt != NULL);
	lat_hs_public_init(&them, fuzz_pk(HONEST, seed), zeros);
	lat_hs_cookie_make(packet, &them, f.last, nonce, cookie);
	keep(3, packet, LAT_COOKIE_LEN);
	lat_stale_encode(packet, &(struct lat_stale){ .idx = live->idx_remote, .token = { 5 } });
	keep(4, packet, LAT_STALE_LEN);
}

/* A real packet with bytes changed; *changed: outside of mac2. */
static size_t change(const uint8_t **at, const uint8_t *end, uint8_t *packet, bool *changed)
{
	uint32_t which = take(at, end, 1), edits = take(at, end, 1) % 8;
	size_t bytes = real[which % REAL_COUNT].bytes;

	memcpy(packet, real[which % REAL_COUNT].data, bytes);
	for (uint32_t i = 0; i < edits; i++) {
		uint32_t off = take(at, end, 2) % (uint32_t)bytes;

		packet[off] ^= (uint8_t)take(at, end, 1);
	}
	*changed = memcmp(packet, real[which % REAL_COUNT].data,
			  which % REAL_COUNT == 0 ? (size_t)LAT_M1_MAC2 : bytes) != 0;
	return bytes;
}

static void one_packet(const uint8_t **at, const uint8_t *end)
{
	static uint8_t packet[LAT_DATA_HDR + LAT_TCP_MAX_PKT];
	const struct lat_peer *p = fuzz_peer(&f, HOSTILE), *other = fuzz_peer(&f, HONEST);
	uint32_t how = take(at, end, 1);
	struct lat_path from = fuzz_path((how & 2) != 0   ? HOSTILE
					 : (how & 4) != 0 ? HONEST
							  : 99,
					 (how & 8) != 0 ? LAT_PROTO_TCP : LAT_PROTO_UDP);
	uint64_t sent = f.sent, heard = p->packets_in;
	const struct lat_session *next = p->slot[LAT_SLOT_NEXT], *current = p->slot[LAT_SLOT_CURRENT];
	bool changed = true, cookie = other->attempt != NULL && other->attempt->cookie_taken, right;
	size_t bytes;

	from.node = 0;
	from.conn = (how & 8) != 0 ? how : 0;
	if ((how & 1) != 0) {
		bytes = change(at, end, packet, &changed);
	} else {
		bytes = take(at, end, 2) % 2000;
		if (bytes > (size_t)(end - *at))
			bytes = (size_t)(end - *at);
		memcpy(packet, *at, bytes);
		*at += bytes;
	}
	right = bytes == LAT_M1_LEN && packet[0] == LAT_PKT_M1 && lat_hs_mac1_check(&f.e->me, packet) == 0;
	(void)!hand_in(&from, packet, bytes);
	FUZZ_REQUIRE(f.sent - sent <= 1);
	FUZZ_REQUIRE(f.sent == sent || f.last_bytes < bytes);
	if (bytes > 0 && packet[0] == LAT_PKT_M1 && !right)
		FUZZ_REQUIRE(f.sent == sent);
	if (changed) {
		FUZZ_REQUIRE(p->packets_in == heard && p->slot[LAT_SLOT_NEXT] == next);
		FUZZ_REQUIRE(other->slot[LAT_SLOT_CURRENT] == NULL);
		FUZZ_REQUIRE(other->attempt == NULL || other->attempt->cookie_taken == cookie);
	}
	FUZZ_REQUIRE(p->slot[LAT_SLOT_CURRENT] == current);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	struct lat_path from = fuzz_path(HOSTILE, LAT_PROTO_UDP);
	struct lat_session *live;
	uint8_t packet[200];
	uint64_t heard, serial;
	size_t bytes;

	fuzz_open(&f, LAT_PROTO_UDP, 0);
	live = fuzz_session(&f, HOSTILE, true, 1);
	serial = live->serial;
	seal_live(live, 0, packet, &bytes);
	FUZZ_REQUIRE(hand_in(&from, packet, bytes) == 0);
	fuzz_tick(&f);
	prepare(live);
	for (int i = 0; i < PACKETS_MAX && at < end; i++) {
		if ((*at & 0x30) == 0x30)
			f.now += take(&at, end, 2) * FUZZ_MS;
		else
			one_packet(&at, end);
		fuzz_tick(&f);
		if (f.now > UINT64_C(1010) * LAT_NS_PER_S) /* the session's own age is not the matter here */
			break;
	}
	live = fuzz_peer(&f, HOSTILE)->slot[LAT_SLOT_CURRENT];
	FUZZ_REQUIRE(live != NULL && live->serial == serial);
	heard = live->peer->packets_in;
	seal_live(live, 2000, packet, &bytes);
	FUZZ_REQUIRE(hand_in(&from, packet, bytes) == 0 && live->peer->packets_in == heard + 1);
	fuzz_close(&f);
	return 0;
}
