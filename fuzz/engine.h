/*
 * One engine, node 1, for targets that knock at the protocol machine. Its peers are 2, who is hostile, and 3, who is not.
 * Sessions are put in place without a handshake, their keys known to the target. Random bytes come from a counter, so an
 * input does the same each time.
 */
#ifndef LAT_FUZZ_ENGINE_H
#define LAT_FUZZ_ENGINE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "crypto/aead.h"
#include "fuzz.h"
#include "session/machine.h"
#include "wire/frame.h"

enum { ME = 1, HOSTILE = 2, HONEST = 3, FUZZ_CHANS = 64 };

#define FUZZ_MS ((uint64_t)LAT_NS_PER_MS)

/* What the application here saw of one channel. */
struct fuzz_chan {
	bool used, inbound, ended;
	uint32_t node, handle;
	uint64_t got, next_seq;
	bool lossy, full_tokens;
	struct lat_cap_ref life;
	uint32_t max_msg;
};

struct fuzz_engine {
	struct lat_engine *e;
	uint64_t now, random;
	int secrets;
	int secrets_left;            /* so many more; less than 0: as many as are wanted */
	int transmit_rc;             /* what the hostile peer's path does */
	uint64_t sent, sent_strange; /* packets; those to nobody known */
	uint8_t last[LAT_DATA_HDR + LAT_TCP_MAX_PKT];
	size_t last_bytes;
	bool full;        /* the receivers have no room */
	uint32_t revoked; /* lives up to this generation */
	uint64_t delivered[HONEST + 1];
	struct fuzz_chan chan[FUZZ_CHANS];
};

static inline void fuzz_op_random(void *ctx, void *buf, size_t bytes)
{
	struct fuzz_engine *f = ctx;
	uint8_t *p = buf;

	for (size_t i = 0; i < bytes; i++) {
		f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		p[i] = (uint8_t)(f->random >> 33);
	}
}

static inline void *fuzz_op_secret_get(void *ctx)
{
	struct fuzz_engine *f = ctx;

	if (f->secrets_left == 0)
		return NULL;
	f->secrets_left -= f->secrets_left > 0;
	f->secrets++;
	return calloc(1, LAT_SECRET_SLOT);
}

static inline void fuzz_op_secret_put(void *ctx, void *slot)
{
	((struct fuzz_engine *)ctx)->secrets--;
	free(slot);
}

/* What this node sends is always well-formed. */
static inline void fuzz_check_sent(struct fuzz_engine *f, const uint8_t *packet, size_t bytes)
{
	static uint8_t copy[LAT_DATA_HDR + LAT_TCP_MAX_PKT];
	struct lat_data_hdr hdr;
	struct lat_peer *p;

	FUZZ_REQUIRE(lat_packet_type(packet, bytes) > 0);
	if (packet[0] != LAT_PKT_DATA)
		return;
	FUZZ_REQUIRE(lat_data_hdr_decode(&hdr, packet, bytes) == 0);
	for (p = f->e->peer_list; p != NULL; p = p->next)
		for (int i = 0; i < LAT_SLOT_COUNT; i++) {
			const struct lat_session *s = p->slot[i];
			const struct lat_tx_lane *lane;
			struct lat_frame_cursor c;
			struct lat_frame frame;
			uint32_t node;
			int rc;

			if (s == NULL || s->idx_remote != hdr.idx)
				continue;
			for (lane = s->tx_lanes; lane != NULL && lane->num != hdr.chan; lane = lane->next)
				;
			if (lane == NULL)
				continue;
			memcpy(copy, packet, bytes);
			if (lat_data_open(lane->key, copy, bytes, hdr.counter) < 0)
				continue;
			FUZZ_REQUIRE(lat_frame_cursor_init(&c, &node, copy + LAT_DATA_HDR,
							   bytes - LAT_DATA_OVERHEAD) == 0);
			FUZZ_REQUIRE(node == ME);
			while ((rc = lat_frame_next(&c, &frame)) == 1)
				FUZZ_REQUIRE(lat_frame_check(&frame, hdr.chan) == 1);
			FUZZ_REQUIRE(rc == 0);
		}
}

static inline int fuzz_op_transmit(void *ctx, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	struct fuzz_engine *f = ctx;

	if (to->node == HOSTILE && f->transmit_rc != 0)
		return f->transmit_rc;
	fuzz_check_sent(f, packet, bytes);
	f->sent++;
	f->sent_strange += to->node == 0;
	memcpy(f->last, packet, bytes);
	f->last_bytes = bytes;
	return 0;
}

static inline void fuzz_op_path_proven(void *ctx, const struct lat_path *from, uint32_t node)
{
	(void)ctx;
	(void)from;
	(void)node;
}

static inline void fuzz_op_peer_state(void *ctx, uint32_t node, enum lat_peer_state state, int err)
{
	(void)ctx;
	(void)node;
	(void)state;
	(void)err;
}

static inline struct fuzz_chan *fuzz_chan_new(struct fuzz_engine *f)
{
	for (int i = 0; i < FUZZ_CHANS; i++)
		if (!f->chan[i].used) {
			f->chan[i] = (struct fuzz_chan){ .used = true, .next_seq = 1 };
			return &f->chan[i];
		}
	return NULL;
}

/* A capability's key is the beginning of its descriptor, and its first byte of rights says what it allows. */
static inline int fuzz_op_cap_key(void *ctx, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats,
				  size_t count, uint8_t k[LAT_CAP_KEY])
{
	(void)ctx;
	(void)caveats;
	FUZZ_REQUIRE(count <= LAT_CAP_CAVEATS_MAX);
	memcpy(k, desc, LAT_CAP_KEY);
	return desc[0] == 1 ? 0 : -EACCES;
}

static inline int fuzz_op_cap_admit(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out)
{
	struct fuzz_engine *f = ctx;
	struct lat_cap_desc d;

	*out = (struct lat_open_grant){ .rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND | LAT_RIGHT_BULK };
	if (ask->desc == NULL)
		return 0;
	if (lat_cap_desc_decode(&d, ask->desc) < 0)
		return -EACCES;
	*out = (struct lat_open_grant){ .life = { d.slot, d.gen },
					.rights = d.rights,
					.max_msg = d.max_msg,
					.rate = d.rate,
					.not_after = d.not_after };
	return d.gen <= f->revoked ? -EKEYREVOKED : 0;
}

static inline bool fuzz_op_cap_live(void *ctx, struct lat_cap_ref life)
{
	const struct fuzz_engine *f = ctx;

	return life.gen > f->revoked;
}

static inline uint64_t fuzz_op_wall_s(void *ctx)
{
	return ((struct fuzz_engine *)ctx)->now / (uint64_t)LAT_NS_PER_S;
}

static inline uint64_t fuzz_op_inbound_cut(void *ctx, void *user, uint64_t taken)
{
	const struct fuzz_chan *c = user;

	(void)ctx;
	FUZZ_REQUIRE(c->used && c->inbound && !c->ended && c->life.gen != 0);
	return taken;
}

static inline void fuzz_op_revoked_told(void *ctx, uint32_t node, struct lat_cap_ref life)
{
	(void)ctx;
	FUZZ_REQUIRE(node == HOSTILE && life.gen != 0);
}

static inline int fuzz_op_inbound_open(void *ctx, uint32_t handle, const struct lat_open_ask *ask,
				       const struct lat_open_grant *grant, uint16_t cflags, void **user)
{
	struct fuzz_chan *c;

	if (ask->dst_pid == 9)
		return LAT_CODE_ECONNREFUSED;
	c = fuzz_chan_new(ctx);
	if (c == NULL)
		return LAT_CODE_ENOBUFS;
	c->inbound = true;
	c->node = ask->node;
	c->handle = handle;
	c->life = grant->life;
	c->max_msg = grant->max_msg;
	c->lossy = (cflags & LAT_CFLAG_RELIABLE) == 0;
	c->full_tokens = (cflags & LAT_CFLAG_TOKEN_FULL) != 0;
	*user = c;
	return LAT_CODE_OK;
}

static inline int fuzz_op_deliver(void *ctx, void *user, const struct lat_delivery *msg)
{
	struct fuzz_engine *f = ctx;
	struct fuzz_chan *c = user;
	uint8_t sum = 0;

	FUZZ_REQUIRE(c->used && c->inbound && !c->ended && msg->node == c->node);
	FUZZ_REQUIRE(c->life.gen == 0 || c->life.gen > f->revoked);
	FUZZ_REQUIRE(c->max_msg == 0 || msg->bytes + LAT_PIDS_LEN + 4 <= c->max_msg);
	if (msg->right != NULL) {
		struct lat_cap_desc allows;

		FUZZ_REQUIRE(c->full_tokens && lat_cap_right_allows(msg->right, &allows) == 0);
	}
	if (f->full && msg->node == HOSTILE)
		return -EAGAIN;
	FUZZ_REQUIRE(c->lossy || msg->seq == c->next_seq);
	c->next_seq = msg->seq + 1;
	for (size_t i = 0; i < msg->bytes; i++) /* all of it may be read */
		sum ^= msg->data[i];
	*(volatile uint8_t *)&sum = sum;
	c->got++;
	f->delivered[msg->node]++;
	return 0;
}

static inline void fuzz_chan_ended(struct fuzz_chan *c)
{
	FUZZ_REQUIRE(c->used && !c->ended);
	*c = (struct fuzz_chan){ 0 };
}

static inline void fuzz_op_inbound_ended(void *ctx, void *user, int err)
{
	(void)ctx;
	(void)err;
	fuzz_chan_ended(user);
}

static inline void fuzz_op_outbound_opened(void *ctx, void *user)
{
	(void)ctx;
	FUZZ_REQUIRE(((struct fuzz_chan *)user)->used);
}

static inline void fuzz_op_outbound_ended(void *ctx, void *user, int err, uint64_t last_seq)
{
	(void)ctx;
	(void)err;
	(void)last_seq;
	fuzz_chan_ended(user);
}

static inline void fuzz_op_outbound_room(void *ctx, void *user)
{
	(void)ctx;
	FUZZ_REQUIRE(((struct fuzz_chan *)user)->used);
}

static inline void fuzz_op_net_frame(void *ctx, uint32_t node, const uint8_t *data, size_t bytes)
{
	(void)ctx;
	(void)node;
	(void)data;
	(void)bytes;
}

static inline void fuzz_op_pong(void *ctx, uint32_t node, uint64_t token, const struct lat_round_trip *trip)
{
	(void)ctx;
	(void)node;
	(void)token;
	(void)trip;
}

static inline int fuzz_op_resolve(void *ctx, uint32_t node, const char *name, int32_t *pid)
{
	(void)ctx;
	FUZZ_REQUIRE(lat_name_valid(name, LAT_SERVICE_MAX));
	*pid = (int32_t)node;
	return name[0] == 's' ? 0 : name[0] == 'b' ? -EBUSY : -ENOENT;
}

static inline void fuzz_op_resolved(void *ctx, uint32_t node, uint32_t req, int err, int32_t pid)
{
	(void)ctx;
	(void)node;
	(void)req;
	FUZZ_REQUIRE(err == 0 ? pid >= 1 : pid == 0);
}

static inline uint64_t fuzz_op_clock(void *ctx)
{
	const struct fuzz_engine *f = ctx;

	return f->now;
}

static inline void fuzz_op_path_silent(void *ctx, uint32_t node)
{
	(void)ctx;
	(void)node;
}

static inline void fuzz_op_call_over(void *ctx, void *user, int err, const struct lat_delivery *reply)
{
	(void)ctx;
	(void)user;
	FUZZ_REQUIRE((err == 0) == (reply != NULL));
}

static const struct lat_engine_ops fuzz_ops = {
	.random = fuzz_op_random,
	.secret_get = fuzz_op_secret_get,
	.secret_put = fuzz_op_secret_put,
	.transmit = fuzz_op_transmit,
	.path_proven = fuzz_op_path_proven,
	.peer_state = fuzz_op_peer_state,
	.cap_key = fuzz_op_cap_key,
	.cap_admit = fuzz_op_cap_admit,
	.cap_live = fuzz_op_cap_live,
	.inbound_cut = fuzz_op_inbound_cut,
	.wall_s = fuzz_op_wall_s,
	.revoked_told = fuzz_op_revoked_told,
	.inbound_open = fuzz_op_inbound_open,
	.deliver = fuzz_op_deliver,
	.inbound_ended = fuzz_op_inbound_ended,
	.outbound_opened = fuzz_op_outbound_opened,
	.outbound_ended = fuzz_op_outbound_ended,
	.call_over = fuzz_op_call_over,
	.outbound_room = fuzz_op_outbound_room,
	.net_frame = fuzz_op_net_frame,
	.pong = fuzz_op_pong,
	.resolve = fuzz_op_resolve,
	.resolved = fuzz_op_resolved,
	.clock = fuzz_op_clock,
	.path_silent = fuzz_op_path_silent,
};

static inline struct lat_path fuzz_path(uint32_t node, uint8_t proto)
{
	return (struct lat_path){
		.proto = proto, .family = 4, .port = 15000, .addr = { 10, 0, 0, (uint8_t)node }, .node = node
	};
}

static inline struct lat_peer *fuzz_peer(struct fuzz_engine *f, uint32_t node)
{
	return lat_idmap_get(&f->e->peers, node);
}

/* The keys of node @who: the same for every input, and made once. */
static inline const struct lat_kem_key *fuzz_kem_key(uint32_t who)
{
	static struct lat_kem_key key[HONEST + 1];
	static bool made[HONEST + 1];

	memset(key[who].seed, (int)(0x40 + who), sizeof(key[who].seed));
	if (!made[who])
		FUZZ_REQUIRE(lat_kem_key_init(&key[who], key[who].seed) == 0);
	made[who] = true;
	return &key[who];
}

static inline const uint8_t *fuzz_pk(uint32_t who)
{
	static uint8_t pk[HONEST + 1][LAT_KEM_PK];
	static bool made[HONEST + 1];

	if (!made[who])
		FUZZ_REQUIRE(lat_kem_keypair(pk[who], fuzz_kem_key(who)->seed) == 0);
	made[who] = true;
	return pk[who];
}

static inline void fuzz_open(struct fuzz_engine *f, uint8_t proto, uint32_t max_msg)
{
	struct lat_engine_config cfg = { .node = ME, .boot_id = 1, .max_msg = max_msg };

	FUZZ_REQUIRE(lat_crypto_init() == 0);
	*f = (struct fuzz_engine){ .now = UINT64_C(1000) * LAT_NS_PER_S, .random = 1, .secrets_left = -1 };
	memcpy(cfg.pk, fuzz_pk(ME), sizeof(cfg.pk));
	cfg.key = fuzz_kem_key(ME);
	FUZZ_REQUIRE(lat_engine_open(&f->e, &cfg, &fuzz_ops, f, f->now) == 0);
	for (uint32_t node = HOSTILE; node <= HONEST; node++) {
		struct lat_peer_config peer = { .node = node, .path = fuzz_path(node, proto) };

		memcpy(peer.pk, fuzz_pk(node), sizeof(peer.pk));
		FUZZ_REQUIRE(lat_engine_peer_add(f->e, &peer) == 0);
	}
}

/* Takes everything down, and nothing may be left. */
static inline void fuzz_close(struct fuzz_engine *f)
{
	f->now += FUZZ_MS;
	(void)!lat_engine_peer_remove(f->e, f->now, HOSTILE);
	(void)!lat_engine_peer_remove(f->e, f->now, HONEST);
	f->full = false; /* what was acknowledged is still handed up */
	for (int i = 0; i < FUZZ_CHANS; i++)
		if (f->chan[i].used)
			lat_engine_drain(f->e, f->now, f->chan[i].handle);
	(void)lat_engine_tick(f->e, f->now);
	FUZZ_REQUIRE(f->e->budget.used == 0 && f->secrets == 1);
	FUZZ_REQUIRE(f->e->half_count == 0 && f->e->index.count == 0 && f->e->handles.count == 0);
	for (int i = 0; i < FUZZ_CHANS; i++)
		FUZZ_REQUIRE(!f->chan[i].used);
	lat_engine_close(f->e);
	FUZZ_REQUIRE(f->secrets == 0);
}

/* A session with @node, as if a handshake had just finished. */
static inline struct lat_session *fuzz_session(struct fuzz_engine *f, uint32_t node, bool initiator,
					       uint64_t boot_id)
{
	struct lat_peer *p = fuzz_peer(f, node);
	struct lat_hs_result r = { .peer = { .ver_max = 1,
					     .ver_min = 1,
					     .node = node,
					     .boot_id = boot_id,
					     .udp_max = LAT_UDP_BASE,
					     .max_msg = LAT_MAX_MSG_DEFAULT } };
	struct lat_session *s;
	uint32_t idx;

	fuzz_op_random(f, r.sess, sizeof(r.sess));
	fuzz_op_random(f, r.sid, sizeof(r.sid));
	do
		fuzz_op_random(f, &idx, sizeof(idx));
	while (idx == 0 || lat_idmap_get(&f->e->index, idx) != NULL);
	f->e->now = f->now;
	FUZZ_REQUIRE(lat_session_new(&s, p, f->now, &r, initiator, idx, ~idx == 0 ? 1 : ~idx) == 0);
	s->m1_ns = f->now;
	s->path = fuzz_path(node, p->call.proto);
	if (initiator)
		lat_peer_session_made(p, f->now, s);
	else
		lat_peer_session_next(p, s);
	return s;
}

/* The key under which the peer of @s sends on a channel of ours; NULL: on control. */
static inline void fuzz_key(struct lat_chan_key *key, const struct lat_session *s, const struct lat_chan *c)
{
	static const uint8_t no_bind[32];
	const struct lat_chan_key_input in = {
		.dir = s->initiator ? 1 : 0,
		.chan = c == NULL ? 0 : c->num,
		.src_pid = c == NULL ? 0 : c->src_pid,
		.dst_pid = c == NULL ? 0 : c->dst_pid,
		.bind = c == NULL ? no_bind : c->secret->bind,
	};

	lat_chan_key_derive(key, s->secret->sess, &in, NULL);
}

/* Seals @bytes of plaintext at @packet + LAT_DATA_HDR as @s's peer would, and hands it in. */
static inline int fuzz_deliver(struct fuzz_engine *f, const struct lat_session *s, const struct lat_chan *c,
			       uint64_t counter, uint8_t *packet, size_t bytes)
{
	struct lat_path from = fuzz_path(s->peer->node, s->peer->call.proto);
	struct lat_chan_key key;
	size_t n;

	if (from.proto == LAT_PROTO_TCP)
		from.conn = s->peer->node;
	else
		from.node = 0;
	fuzz_key(&key, s, c);
	n = lat_data_seal(&key, packet, c == NULL ? 0 : c->num, s->idx_local, counter, bytes);
	return lat_engine_packet(f->e, f->now, &from, packet, n);
}

static inline void fuzz_tick(struct fuzz_engine *f)
{
	uint64_t due = lat_engine_tick(f->e, f->now);

	FUZZ_REQUIRE(due > f->now);
}

#endif
