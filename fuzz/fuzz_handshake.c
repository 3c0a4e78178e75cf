/*
 * Packets before authentication. A node has a live session, a half-open handshake of the peer 2, and calls peer 3, whose M2 it
 * waits for, or has. Input = stage u8 (1: it has; 2: what the others say of themselves in M2 and M3 is wrong; 4: many hellos at the
 * end; 16 times one more than the key slots that are left, if not 0), then packets: raw bytes, or one of the real ones (M1, M3, DATA, COOKIE, STALE, the M2 or M4 that is
 * waited for, another M1, and one with a right mac1 alone) with some bytes changed, from an address of a peer's or of nobody's; and time.
 *
 * (1) No crash, no undefined behaviour, nothing left when all is taken down.
 * (2) A hello whose mac1 is wrong gets no reply. No packet gets more than one, nor one that is not shorter, but for the
 *     packets of the handshake that we began.
 * (3) The live session is untouched: the same one is current, and its peer's next message arrives.
 * (4) Whatever is changed in a real packet, mac2 apart, it is not accepted: neither handshake moves, no session is made.
 * (5) M2 and M4 are taken, from wherever they come, each in its state; but not where they say what is not so.
 * (6) Without room for keys nothing is taken, and nothing breaks.
 */
#include "engine.h"

enum { PACKETS_MAX = 100, REAL_COUNT = 8 };

static struct fuzz_engine f;

static struct {
	uint8_t data[LAT_M1_LEN];
	size_t bytes;
} real[REAL_COUNT];

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

/* As many hellos of one source, which is where the peer was last, as there is room for, and more. Of them, four are kept. */
static void hello_again_and_again(void)
{
	const struct lat_hs_initiator_random same = { { 9 }, { 10 } };
	const struct lat_path from = fuzz_path(HOSTILE, LAT_PROTO_TCP);
	struct lat_hs_params p = { .ver_max = 1, .ver_min = 1, .node = HOSTILE };
	uint8_t packet[LAT_M1_LEN], e_m[LAT_WIRE_EM], none[32] = { 0 };
	struct lat_peer *peer = fuzz_peer(&f, HOSTILE);
	uint32_t before = peer->half_count;
	struct lat_hs_public me, them;
	struct lat_hs_initiator hs;

	peer->good = from;
	lat_hs_public_init(&me, fuzz_pk(ME), none);
	lat_hs_public_init(&them, fuzz_pk(HOSTILE), none);
	for (uint32_t i = 0; i < 6; i++) {
		if (i == 5) /* the oldest makes room once it is a second old */
			f.now += 1100 * FUZZ_MS;
		FUZZ_REQUIRE(lat_hs_m1_make(&hs, packet, e_m, &them, &me, none, &p, 100 + i, &same) == 0);
		(void)!hand_in(&from, packet, LAT_M1_LEN);
		FUZZ_REQUIRE(peer->half_count <= before + LAT_HALF_MAX_SOURCE);
	}
}

/* A call to peer 3 for which there is no room for keys; and one while another is under way. */
static void call_without_keys(void)
{
	struct lat_peer *p = fuzz_peer(&f, HONEST);

	FUZZ_REQUIRE(p->attempt == NULL || lat_attempt_start(p, f.now) == -EBUSY);
	lat_attempt_drop(p);
	f.secrets_left = 0;
	FUZZ_REQUIRE(lat_attempt_start(p, f.now) == -ENOBUFS && p->attempt == NULL);
}

/* What node @who says of itself. */
static struct lat_hs_params params(uint32_t who)
{
	return (struct lat_hs_params){ .ver_max = 1,
				       .ver_min = 1,
				       .node = who,
				       .boot_id = 1,
				       .udp_max = LAT_UDP_BASE,
				       .max_msg = LAT_MAX_MSG_DEFAULT };
}

static const uint8_t zeros[32];
static bool wrong; /* M2 and M3 name another node */

/* A hello of peer 2, which makes the half-open entry, and its M3. */
static void prepare_theirs(void)
{
	const struct lat_hs_params p = params(HOSTILE), p3 = params(wrong ? HONEST : HOSTILE);
	struct lat_hs_initiator_random rnd = { { 3 }, { 4 } };
	struct lat_path from = fuzz_path(HOSTILE, LAT_PROTO_UDP);
	struct lat_hs_public me, them;
	struct lat_hs_initiator hs;
	uint8_t packet[LAT_M1_LEN], e_m[LAT_WIRE_EM];

	from.node = 0;
	lat_hs_public_init(&me, fuzz_pk(ME), zeros);
	lat_hs_public_init(&them, fuzz_pk(HOSTILE), zeros);
	FUZZ_REQUIRE(lat_hs_m1_make(&hs, packet, e_m, &them, &me, zeros, &p, 77, &rnd) == 0);
	keep(0, packet, LAT_M1_LEN);
	FUZZ_REQUIRE(hand_in(&from, packet, LAT_M1_LEN) == 0 && f.e->half_count == 1);
	FUZZ_REQUIRE(f.last_bytes == LAT_M2_LEN);
	FUZZ_REQUIRE(lat_hs_m2_open_m3_make(&hs, f.last, packet, e_m, fuzz_kem_key(HOSTILE), zeros, &p3) ==
		     0);
	keep(1, packet, LAT_M3_LEN);
	rnd.e_seed[1] = 8;
	FUZZ_REQUIRE(lat_hs_m1_make(&hs, packet, e_m, &them, &me, zeros, &p, 78, &rnd) == 0);
	keep(6, packet, LAT_M1_LEN);
}

/* Our own call to peer 3, a cookie for it, and what it answers: M2, or, if that @has been taken, M4. */
static void prepare_ours(bool has)
{
	const uint8_t cookie[16] = { 1 }, nonce[24] = { 2 }, salt[8] = { 6 },
		      enc_seed[LAT_KEM_ENC_SEED] = { 7 };
	const struct lat_hs_params p = params(wrong && !has ? HOSTILE : HONEST);
	struct lat_path from = fuzz_path(HONEST, LAT_PROTO_UDP);
	struct lat_hs_public me, them;
	struct lat_hs_responder hs;
	struct lat_hs_result result;
	struct lat_hs_params p1;
	uint8_t packet[LAT_M1_LEN], id[LAT_ID];

	from.node = 0;
	FUZZ_REQUIRE(lat_engine_peer_connect(f.e, f.now, HONEST) == 0);
	fuzz_tick(&f);
	FUZZ_REQUIRE(f.last_bytes == LAT_M1_LEN && fuzz_peer(&f, HONEST)->attempt != NULL);
	lat_hs_public_init(&me, fuzz_pk(ME), zeros);
	lat_hs_public_init(&them, fuzz_pk(HONEST), zeros);
	lat_hs_cookie_make(packet, &them, f.last, nonce, cookie);
	keep(3, packet, LAT_COOKIE_LEN);
	FUZZ_REQUIRE(lat_hs_m1_open(&hs, f.last, &them, fuzz_kem_key(HONEST), zeros, id, &p1) == 0 &&
		     p1.node == ME);
	FUZZ_REQUIRE(lat_hs_m2_make(&hs, packet, &me, zeros, &p, 88, salt, enc_seed) == 0);
	keep(5, packet, LAT_M2_LEN);
	if (!has)
		return;
	FUZZ_REQUIRE(hand_in(&from, packet, LAT_M2_LEN) == 0 && f.last_bytes == LAT_M3_LEN);
	FUZZ_REQUIRE(lat_hs_m3_open_m4_make(&hs, f.last, packet, cookie, enc_seed, &result) == 0);
	keep(5, packet, LAT_M4_LEN);
}

/* A hello whose mac1 is right, and nothing else: whoever knows our public key can make one. */
static void prepare_forged(void)
{
	struct lat_hs_public me;
	uint8_t *packet = real[7].data;

	lat_hs_public_init(&me, fuzz_pk(ME), zeros);
	keep(7, real[0].data, LAT_M1_LEN);
	packet[LAT_M1_MAC1 - 1] ^= 1;
	lat_blake2b(packet + LAT_M1_MAC1, LAT_M1_MAC2 - LAT_M1_MAC1, me.km, sizeof(me.km),
		    &(struct lat_bytes){ packet, LAT_M1_MAC1 }, 1);
}

static void prepare(const struct lat_session *live, bool has_m2)
{
	uint8_t packet[LAT_M1_LEN];
	size_t bytes;

	prepare_theirs();
	seal_live(live, 1000, packet, &bytes);
	keep(2, packet, bytes);
	lat_stale_encode(packet, &(struct lat_stale){ .idx = live->idx_remote, .token = { 5 } });
	keep(4, packet, LAT_STALE_LEN);
	prepare_ours(has_m2);
	prepare_forged();
}

/* A real packet with bytes changed; *changed: outside of mac2. Which it is. */
static uint32_t change(struct fuzz_input *in, uint8_t *packet, size_t *bytes, bool *changed)
{
	uint32_t which = (uint32_t)fuzz_take(in, 1) % REAL_COUNT, edits = (uint32_t)fuzz_take(in, 1) % 8;

	*bytes = real[which].bytes;
	memcpy(packet, real[which].data, *bytes);
	for (uint32_t i = 0; i < edits; i++) {
		size_t off = fuzz_take(in, 2) % *bytes;

		packet[off] ^= (uint8_t)fuzz_take(in, 1);
	}
	*changed = memcmp(packet, real[which].data,
			  which == 0 || which == 6 ? (size_t)LAT_M1_MAC2 : *bytes) != 0;
	return which;
}

/* The handshake that we began: what of it may move. */
struct ours {
	const struct lat_attempt *attempt;
	int state;
	bool cookie;
	const struct lat_session *current;
};

static struct ours ours(void)
{
	const struct lat_peer *p = fuzz_peer(&f, HONEST);
	const struct lat_attempt *a = p->attempt;

	return (struct ours){ .attempt = a,
			      .state = a == NULL ? 0 : (int)a->state,
			      .cookie = a != NULL && a->cookie_taken,
			      .current = p->slot[LAT_SLOT_CURRENT] };
}

static void one_packet(struct fuzz_input *in)
{
	static uint8_t packet[LAT_DATA_HDR + LAT_TCP_MAX_PKT];
	const struct lat_peer *p = fuzz_peer(&f, HOSTILE);
	uint32_t how = (uint32_t)fuzz_take(in, 1), which = REAL_COUNT;
	struct lat_path from = fuzz_path((how & 2) != 0   ? HOSTILE
					 : (how & 4) != 0 ? HONEST
							  : 99,
					 (how & 8) != 0 ? LAT_PROTO_TCP : LAT_PROTO_UDP);
	uint64_t sent = f.sent, heard = p->packets_in;
	const struct lat_session *next = p->slot[LAT_SLOT_NEXT], *current = p->slot[LAT_SLOT_CURRENT];
	struct ours before = ours(), after;
	bool changed = true, right;
	size_t bytes;

	from.node = 0;
	from.conn = (how & 8) != 0 ? how : 0;
	if ((how & 1) != 0)
		which = change(in, packet, &bytes, &changed);
	else
		bytes = fuzz_take_bytes(in, packet, fuzz_take(in, 2) % 2000);
	right = bytes == LAT_M1_LEN && packet[0] == LAT_PKT_M1 && lat_hs_mac1_check(&f.e->me, packet) == 0;
	(void)!hand_in(&from, packet, bytes);
	after = ours();
	if (changed || which != 5) {
		FUZZ_REQUIRE(f.sent - sent <= 1);
		FUZZ_REQUIRE(f.sent == sent || f.last_bytes < bytes);
	} else if (before.attempt != NULL) { /* M2, or M4: taken if it was waited for */
		bool m2 = packet[0] == LAT_PKT_M2, waited = m2 == (before.state == LAT_ATTEMPT_SENT1);
		bool taken = m2 ? after.state == LAT_ATTEMPT_SENT3
				: after.attempt == NULL && after.current != NULL;

		if (wrong && m2 && waited)
			FUZZ_REQUIRE(after.attempt == NULL && after.current == NULL);
		else
			FUZZ_REQUIRE(!waited || taken || f.secrets_left >= 0);
	}
	if (bytes > 0 && packet[0] == LAT_PKT_M1 && !right)
		FUZZ_REQUIRE(f.sent == sent);
	if (changed) {
		FUZZ_REQUIRE(p->packets_in == heard && p->slot[LAT_SLOT_NEXT] == next);
		FUZZ_REQUIRE(before.attempt == after.attempt && before.state == after.state &&
			     before.cookie == after.cookie && before.current == after.current);
	}
	FUZZ_REQUIRE(p->slot[LAT_SLOT_CURRENT] == current);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	struct lat_path from = fuzz_path(HOSTILE, LAT_PROTO_UDP);
	uint32_t stage = (uint32_t)fuzz_take(&in, 1);
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
	wrong = (stage & 2) != 0;
	prepare(live, (stage & 1) != 0);
	f.secrets_left = stage >> 4 != 0 ? (int)(stage >> 4) - 1 : -1;
	for (int i = 0; i < PACKETS_MAX && fuzz_more(&in); i++) {
		if ((*in.at & 0x30) == 0x30)
			f.now += fuzz_take(&in, 2) * FUZZ_MS;
		else
			one_packet(&in);
		fuzz_tick(&f);
		if (f.now > UINT64_C(1010) * LAT_NS_PER_S) /* the session's own age is not the matter here */
			break;
	}
	if (f.secrets_left == 0)
		call_without_keys();
	f.secrets_left = -1;
	if ((stage & 4) != 0)
		hello_again_and_again();
	live = fuzz_peer(&f, HOSTILE)->slot[LAT_SLOT_CURRENT];
	FUZZ_REQUIRE(live != NULL && live->serial == serial);
	heard = live->peer->packets_in;
	seal_live(live, 2000, packet, &bytes);
	FUZZ_REQUIRE(hand_in(&from, packet, bytes) == 0 && live->peer->packets_in == heard + 1);
	fuzz_close(&f);
	return 0;
}
