/*
 * A small world for tests of the protocol machine: up to four engines and what lies between them (net_harness.h), all in
 * virtual time, everything drawn from one seed; and applications that know what every message has to be. For test files
 * only.
 */
#ifndef LAT_SESSION_ENGINE_HARNESS_H
#define LAT_SESSION_ENGINE_HARNESS_H

#include "base/bytes.h"
#include "crypto/aead.h"
#include "session/issuer_harness.h"
#include "session/net_harness.h"
#include "wire/control.h"
#include "wire/packet.h"
#include "wire/stream.h"

static inline uint32_t world_node_number(int index)
{
	return (uint32_t)index + 1;
}

static inline struct lat_path world_path(int index, uint8_t proto)
{
	return (struct lat_path){ .proto = proto,
				  .family = 4,
				  .port = WORLD_PORT,
				  .addr = { 10, 0, 0, (uint8_t)(index + 1) },
				  .node = world_node_number(index) };
}

/* What the node's own clock says. */
static inline uint64_t world_time(const struct world_node *n)
{
	return n->world->now + n->skew;
}

/* ---- operations ---- */

static inline void world_op_random(void *ctx, void *buf, size_t bytes)
{
	struct world_node *n = ctx;
	uint8_t *p = buf;

	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)world_random(n->world);
}

static inline void *world_op_secret_get(void *ctx)
{
	struct world_node *n = ctx;

	n->secrets++;
	return calloc(1, LAT_SECRET_SLOT);
}

static inline void world_op_secret_put(void *ctx, void *slot)
{
	struct world_node *n = ctx;

	n->secrets--;
	free(slot);
}

static inline int world_op_transmit(void *ctx, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	struct world_node *n = ctx;
	struct world *w = n->world;
	int index = w->carrier != NULL ? (int)to->node - 1 : to->addr[3] - 1, rc;

	n->sent_packets++;
	if (w->unreachable)
		return -ECONNREFUSED;
	if (w->carrier != NULL && to->node == 0)
		return w->carrier->transmit(n, to, packet, bytes);
	if (index < 0 || index >= w->nodes)
		return 0; /* nobody there */
	if (w->filter != NULL && w->filter(w, n->index, index, packet, bytes))
		return 0;
	rc = w->carrier != NULL           ? w->carrier->transmit(n, to, packet, bytes)
	     : to->proto == LAT_PROTO_TCP ? world_send_tcp(n, index, to->conn, packet, bytes)
					  : world_send_udp(n, index, packet, bytes);
	if (rc == 0 && packet[0] < ARRAY_LEN(w->packets_of_type))
		w->packets_of_type[packet[0]]++;
	return rc;
}

static inline void world_op_path_proven(void *ctx, const struct lat_path *from, uint32_t node)
{
	struct world_node *n = ctx;
	int other = (int)node - 1, lo = n->index < other ? n->index : other,
	    hi = n->index < other ? other : n->index;

	if (n->world->carrier != NULL) {
		n->world->carrier->proven(n, from, node);
		return;
	}
	if (from->proto == LAT_PROTO_TCP && n->world->stream[lo][hi].conn == from->conn)
		n->world->stream[lo][hi].known[n->index == hi] = true;
}

static inline void world_op_path_silent(void *ctx, uint32_t node)
{
	struct world_node *n = ctx;

	n->silences[node - 1]++;
	if (n->world->carrier != NULL)
		n->world->carrier->silent(n, node);
}

static inline void world_op_peer_state(void *ctx, uint32_t node, enum lat_peer_state state, int err)
{
	struct world_node *n = ctx;

	n->state[node - 1] = state;
	n->state_err[node - 1] = err;
	n->ups[node - 1] += state == LAT_PEER_UP;
	n->downs[node - 1] += state == LAT_PEER_DOWN;
}

static inline struct world_chan *world_chan_new(struct world_node *n)
{
	for (int i = 0; i < WORLD_CHANS; i++) {
		if (n->chan[i].used)
			continue;
		free(n->chan[i].seen);
		n->chan[i] = (struct world_chan){ .used = true, .next_seq = 1, .room = UINT64_MAX };
		return &n->chan[i];
	}
	return NULL;
}

static inline int world_op_inbound_open(void *ctx, uint32_t handle, const struct lat_open_ask *ask,
					const struct lat_open_grant *grant, uint16_t cflags, void **user)
{
	struct world_node *n = ctx;
	struct world_chan *c;

	if (n->refuse)
		return LAT_CODE_ECONNREFUSED;
	c = world_chan_new(n);
	if (c == NULL)
		return LAT_CODE_ENOBUFS;
	c->handle = handle;
	c->open = true;
	c->src = ask->src_pid;
	c->dst = ask->dst_pid;
	c->life = grant->life;
	c->badge = grant->badge;
	c->lossy = (cflags & LAT_CFLAG_RELIABLE) == 0;
	c->room = n->room;
	c->tag = (uint64_t)ask->node << 32 | (uint32_t)ask->src_pid;
	*user = c;
	return LAT_CODE_OK;
}

/* The @i-th eight bytes of message @seq of the channel: content follows from the tag. */
static inline uint64_t world_word(uint64_t tag, uint64_t seq, size_t i)
{
	return (tag * UINT64_C(0x9e3779b97f4a7c15) ^ seq * UINT64_C(0xd6e8feb86659fd93)) +
	       i * UINT64_C(0xc2b2ae3d27d4eb4f);
}

static inline void world_fill(uint8_t *out, size_t bytes, uint64_t tag, uint64_t seq)
{
	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t word = world_word(tag, seq, i / sizeof(word));

		memcpy(out + i, &word, bytes - i < sizeof(word) ? bytes - i : sizeof(word));
	}
}

static inline bool world_filled(const uint8_t *data, size_t bytes, uint64_t tag, uint64_t seq)
{
	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t word = world_word(tag, seq, i / sizeof(word));

		if (memcmp(data + i, &word, bytes - i < sizeof(word) ? bytes - i : sizeof(word)) != 0)
			return false;
	}
	return true;
}

/* A lossy channel's messages come in any order, but each at most once. False: it had this one. */
static inline bool world_first_sight(struct world_chan *c, uint64_t seq)
{
	size_t at = (size_t)(seq / 8);

	if (at > WORLD_SEEN_MAX) /* a liar's number */
		return true;
	if (at >= c->seen_bytes) {
		size_t bytes = 2 * at + 64;

		c->seen = realloc(c->seen, bytes);
		CHECK(c->seen != NULL);
		memset(c->seen + c->seen_bytes, 0, bytes - c->seen_bytes);
		c->seen_bytes = bytes;
	}
	if ((c->seen[at] >> (seq % 8) & 1) != 0)
		return false;
	c->seen[at] |= (uint8_t)(1U << (seq % 8));
	return true;
}

static inline int world_op_deliver(void *ctx, void *user, const struct lat_delivery *msg)
{
	struct world_node *n = ctx;
	struct world_chan *c = user;

	if (c->room == 0) {
		c->wants_room = true;
		return -EAGAIN;
	}
	if (msg->call != 0 && c->calls == WORLD_CALLS && n->world->called == NULL) {
		c->wants_room = true;
		return -EAGAIN;
	}
	if (c->room != UINT64_MAX)
		c->room--;
	if (msg->call != 0) {
		n->bad += msg->call <= c->asked;
		c->asked = msg->call;
		if (n->world->called != NULL)
			n->world->called(n->world->called_ctx, c, msg);
		else
			c->call[c->calls++] = msg->call;
	}
	if ((c->lossy ? !world_first_sight(c, msg->seq) : msg->seq < c->next_seq) || c->ended || !c->open ||
	    msg->src_pid != c->src || msg->dst_pid != c->dst || msg->type != (int32_t)msg->seq)
		n->bad++;
	if (c->life.gen != 0 && !lat_captable_live(n->issuer->table, c->life))
		n->bad++;
	if (msg->seq >= c->next_seq) {
		c->skipped += msg->seq - c->next_seq;
		c->next_seq = msg->seq + 1;
	} else {
		c->skipped--; /* it was only late */
	}
	if (msg->lost < c->lost || (msg->lost != 0 && !c->lossy))
		n->bad++;
	c->lost = msg->lost;
	c->got++;
	c->bytes += msg->bytes;
	if (msg->right != NULL) {
		c->rights++;
		c->right = *msg->right;
	}
	if (!world_filled(msg->data, msg->bytes, c->tag, msg->seq))
		n->bad++;
	return 0;
}

static inline void world_ended(struct world_node *n, struct world_chan *c, int err, uint64_t last_seq)
{
	n->bad += c->ended;
	c->ended = true;
	c->open = false;
	c->err = err;
	c->last_seq = last_seq;
}

static inline void world_op_inbound_ended(void *ctx, void *user, int err)
{
	world_ended(ctx, user, err, 0);
}

static inline void world_op_outbound_opened(void *ctx, void *user)
{
	struct world_node *n = ctx;
	struct world_chan *c = user;

	n->bad += c->open || c->ended;
	c->open = true;
}

static inline void world_op_outbound_ended(void *ctx, void *user, int err, uint64_t last_seq)
{
	world_ended(ctx, user, err, last_seq);
}

static inline void world_op_outbound_room(void *ctx, void *user)
{
	struct world_chan *c = user;

	(void)ctx;
	c->wants_room = false;
}

/* A call at the node that made it: the harness' own, or a test's that sets the rest. */
static inline void world_op_call_over(void *ctx, void *user, int err, const struct lat_delivery *reply)
{
	struct world_node *n = ctx;
	struct world_call *c = user;

	n->bad += c->over;
	c->over = true;
	c->err = err;
	n->bad += (err == 0) != (reply != NULL);
	if (reply == NULL)
		return;
	c->type = reply->type;
	c->bytes = reply->bytes;
	n->bad += !world_filled(reply->data, reply->bytes, c->tag, c->id) || reply->type != (int32_t)c->id;
}

static inline void world_op_net_frame(void *ctx, uint32_t node, const uint8_t *data, size_t bytes)
{
	struct world_node *n = ctx;

	n->nets++;
	n->net_bytes += bytes;
	for (size_t i = 0; i < bytes; i++)
		n->net_bad += data[i] != (uint8_t)(node + i);
}

static inline void world_op_pong(void *ctx, uint32_t node, uint64_t token, const struct lat_round_trip *trip)
{
	struct world_node *n = ctx;

	(void)node;
	n->pongs++;
	n->last_pong = token;
	n->last_rtt = trip->rtt_ns;
	n->last_trip = *trip;
}

/* Each node has one service, and one that it will have, and one that others may not know. */
static inline int world_op_resolve(void *ctx, uint32_t node, const char *name, int32_t *pid)
{
	struct world_node *n = ctx;

	n->asked++;
	if (strcmp(name, "soon") == 0)
		return -EBUSY;
	if (strcmp(name, "secret") == 0)
		return -EACCES;
	if (strcmp(name, "store") != 0)
		return -ENOENT;
	*pid = 700 + (int32_t)node;
	return 0;
}

static inline void world_op_resolved(void *ctx, uint32_t node, uint32_t req, int err, int32_t pid)
{
	struct world_node *n = ctx;

	n->resolved++;
	n->resolved_req[req % WORLD_REQS] = true;
	n->last_resolved = (struct world_resolved){ .node = node, .req = req, .err = err, .pid = pid };
}

static inline uint64_t world_op_clock(void *ctx)
{
	return world_time(ctx);
}

static const struct lat_engine_ops world_ops = {
	.random = world_op_random,
	.secret_get = world_op_secret_get,
	.secret_put = world_op_secret_put,
	.transmit = world_op_transmit,
	.path_proven = world_op_path_proven,
	.path_silent = world_op_path_silent,
	.peer_state = world_op_peer_state,
	.cap_key = world_op_cap_key,
	.cap_admit = world_op_cap_admit,
	.cap_live = world_op_cap_live,
	.inbound_cut = world_op_inbound_cut,
	.wall_s = world_op_wall_s,
	.revoked_told = world_op_revoked_told,
	.inbound_open = world_op_inbound_open,
	.deliver = world_op_deliver,
	.inbound_ended = world_op_inbound_ended,
	.outbound_opened = world_op_outbound_opened,
	.outbound_ended = world_op_outbound_ended,
	.outbound_room = world_op_outbound_room,
	.call_over = world_op_call_over,
	.net_frame = world_op_net_frame,
	.pong = world_op_pong,
	.resolve = world_op_resolve,
	.resolved = world_op_resolved,
	.clock = world_op_clock,
};

/* ---- the world ---- */

struct world_options {
	uint8_t proto;
	uint32_t max_msg;
	uint32_t sendq_max;
	const struct lat_cc_ops *cc;
	uint8_t mesh_key[WORLD_NODES]; /* first byte */
	bool passive;                  /* only node 0 has the others' paths */
	bool transient;                /* those paths are */
	const struct world_carrier *carrier;
};

static inline void world_node_open(struct world *w, int i, const struct world_options *o)
{
	struct world_node *n = &w->node[i];
	struct lat_engine_config cfg = { .node = world_node_number(i),
					 .boot_id = ++n->boot_id + (uint64_t)i * 1000,
					 .key = &n->key,
					 .max_msg = o->max_msg,
					 .sendq_max = o->sendq_max,
					 .cc = o->cc };

	cfg.mesh_key[0] = o->mesh_key[i];
	memcpy(cfg.pk, n->pk, sizeof(cfg.pk));
	CHECK_EQ(lat_engine_open(&n->engine, &cfg, &world_ops, n, world_time(n)), 0);
	n->tick_at = w->now;
}

/* Node @i knows node @j. */
static inline void world_know(struct world *w, int i, int j, const struct world_options *o)
{
	struct lat_peer_config cfg = { .node = world_node_number(j) };

	memcpy(cfg.pk, w->node[j].pk, sizeof(cfg.pk));
	if (!o->passive || i == 0)
		cfg.path = w->carrier != NULL ? w->carrier->path(w, j, o->proto) : world_path(j, o->proto);
	cfg.path.transient = o->transient;
	CHECK_EQ(lat_engine_peer_add(w->node[i].engine, &cfg), 0);
}

static inline struct world *world_open(int nodes, uint64_t seed, const struct world_options *o)
{
	struct world *w = calloc(1, sizeof(*w));

	CHECK_EQ(lat_crypto_init(), 0);
	w->now = 1000 * SEC;
	w->rng = seed;
	w->nodes = nodes;
	w->faults = (struct lat_faults){ .delay = MS, .mtu = WORLD_MTU };
	w->carrier = o->carrier;
	if (w->carrier != NULL)
		w->carrier->open(w);
	for (int i = 0; i < nodes; i++) {
		struct world_node *n = &w->node[i];

		n->world = w;
		n->index = i;
		n->room = UINT64_MAX;
		memset(n->key.seed, 0x41 + i, sizeof(n->key.seed));
		CHECK_EQ(lat_kem_key_init(&n->key, n->key.seed), 0);
		CHECK_EQ(lat_kem_keypair(n->pk, n->key.seed), 0);
		n->issuer = calloc(1, sizeof(*n->issuer));
		CHECK(n->issuer != NULL);
		world_issuer_open(n->issuer, i);
		world_node_open(w, i, o);
	}
	for (int i = 0; i < nodes; i++)
		for (int j = 0; j < nodes; j++)
			if (i != j)
				world_know(w, i, j, o);
	return w;
}

static inline void world_node_close(struct world_node *n)
{
	lat_engine_close(n->engine);
	n->engine = NULL;
	n->tick_at = UINT64_MAX;
	CHECK_EQ(n->secrets, 0);
	for (int i = 0; i < WORLD_CHANS; i++)
		free(n->chan[i].seen);
	memset(n->chan, 0, sizeof(n->chan));
}

static inline void world_close(struct world *w)
{
	if (w->carrier != NULL)
		w->carrier->close(w);
	for (int i = 0; i < w->nodes; i++) {
		world_node_close(&w->node[i]);
		lat_captable_close(w->node[i].issuer->table);
		free(w->node[i].issuer);
	}
	lat_air_fini(&w->air);
	free(w);
}

static inline void world_tick(struct world *w, int i)
{
	struct world_node *n = &w->node[i];
	uint64_t at;

	if (n->engine == NULL)
		return;
	at = lat_engine_tick(n->engine, world_time(n));
	n->tick_at = at == UINT64_MAX ? at : at - n->skew;
	if (w->carrier != NULL)
		w->carrier->wake(n);
}

static inline bool world_on_stream(const struct world_packet *p, void *ctx)
{
	const uint32_t *conn = ctx;

	return p->proto == LAT_PROTO_TCP && p->conn == *conn;
}

static inline bool world_gone_with_stream(struct lat_airborne *p, void *ctx)
{
	if (!world_on_stream((const struct world_packet *)p, ctx))
		return false;
	free(p);
	return true;
}

/* Cuts the connection: what is on the way is lost, both sides that know of each other are told. */
static inline void world_cut(struct world *w, int a, int b)
{
	int lo = a < b ? a : b, hi = a < b ? b : a;

	if (!w->stream[lo][hi].up)
		return;
	lat_air_remove(&w->air, world_gone_with_stream, &w->stream[lo][hi].conn);
	w->stream[lo][hi].up = false;
	w->stream[lo][hi].up_at = 0;
	w->stream[lo][hi].queued[0] = w->stream[lo][hi].queued[1] = 0;
	for (int side = 0; side < 2; side++) {
		struct world_node *n = &w->node[side == 0 ? lo : hi];

		if (w->stream[lo][hi].known[side] && n->engine != NULL)
			lat_engine_conn_down(n->engine, world_time(n), world_node_number(side == 0 ? hi : lo),
					     -ECONNRESET);
		w->stream[lo][hi].known[side] = false;
		world_tick(w, n->index);
	}
	/* Who called calls again: here always the lower. */
	w->stream[lo][hi].known[0] = true;
	w->stream[lo][hi].up_at = w->now + 2 * w->faults.delay + 1;
}

/*
 * Node @a ends the connection to @b, if nothing is due: what is on the way still arrives. Whether it did. Nobody calls again by
 * himself.
 */
static inline bool world_rest(struct world *w, int a, int b)
{
	int lo = a < b ? a : b, hi = a < b ? b : a;

	if (!w->stream[lo][hi].up || !lat_engine_peer_rest(w->node[a].engine, world_node_number(b)))
		return false;
	w->stream[lo][hi].up = false;
	w->stream[lo][hi].up_at = 0;
	lat_engine_conn_down(w->node[b].engine, w->now, world_node_number(a), -ECONNRESET);
	world_tick(w, b);
	return true;
}

/* Somebody calls a node that is not there. */
static inline void world_stream_refused(struct world *w, int lo, int hi)
{
	w->stream[lo][hi].up_at = 0;
	for (int side = 0; side < 2; side++) {
		struct world_node *n = &w->node[side == 0 ? lo : hi];

		if (n->engine == NULL || !w->stream[lo][hi].known[side])
			continue;
		lat_engine_conn_down(n->engine, world_time(n), world_node_number(side == 0 ? hi : lo),
				     -ECONNREFUSED);
		world_tick(w, n->index);
	}
	w->stream[lo][hi].known[0] = w->stream[lo][hi].known[1] = false;
}

static inline void world_stream_up(struct world *w, int lo, int hi)
{
	if (w->node[lo].engine == NULL || w->node[hi].engine == NULL) {
		world_stream_refused(w, lo, hi);
		return;
	}
	w->stream[lo][hi].up = true;
	w->stream[lo][hi].up_at = 0;
	w->stream[lo][hi].conn = ++w->next_conn;
	w->stream[lo][hi].strange = 0;
	w->streams_opened++;
	for (int side = 0; side < 2; side++) {
		int i = side == 0 ? lo : hi;

		w->stream[lo][hi].blocked[side] = false;
		if (w->stream[lo][hi].known[side])
			lat_engine_conn_up(w->node[i].engine, world_time(&w->node[i]),
					   world_node_number(side == 0 ? hi : lo));
		world_tick(w, i);
	}
}

static inline void world_deliver(struct world *w, struct world_packet *p)
{
	struct lat_path from = world_path(p->from, p->proto);
	int lo = p->from < p->to ? p->from : p->to, hi = p->from < p->to ? p->to : p->from,
	    to_side = p->to == hi;
	int rc;

	from.node = 0;
	if (p->proto == LAT_PROTO_TCP) {
		from.conn = p->conn;
		if (w->stream[lo][hi].known[to_side])
			from.node = world_node_number(p->from);
		w->stream[lo][hi].queued[!to_side] -= p->bytes;
		if (!w->stream[lo][hi].known[to_side])
			w->stream[lo][hi].strange += p->bytes + LAT_STREAM_PREFIX;
		if (w->stream[lo][hi].strange > LAT_TCP_UNAUTH_BYTES) {
			w->streams_refused++;
			world_cut(w, p->from, p->to);
			return;
		}
	}
	if (w->node[p->to].engine == NULL)
		return;
	rc = lat_engine_packet(w->node[p->to].engine, world_time(&w->node[p->to]), &from, p->data, p->bytes);
	world_tick(w, p->to);
	if (p->proto != LAT_PROTO_TCP)
		return;
	if (rc == -EPROTO)
		world_cut(w, p->from, p->to);
	else if (w->stream[lo][hi].blocked[!to_side] &&
		 w->stream[lo][hi].queued[!to_side] < WORLD_STREAM_ROOM / 2) {
		w->stream[lo][hi].blocked[!to_side] = false;
		lat_engine_writable(w->node[p->from].engine, world_time(&w->node[p->from]),
				    world_node_number(p->to));
		world_tick(w, p->from);
	}
	/* The one that was called knows its caller now: the driver tells the engine that the way is there. */
	(void)to_side;
}

/* Runs everything up to and including @until. */
static inline void world_run_until(struct world *w, uint64_t until)
{
	if (w->carrier != NULL) {
		w->carrier->run(w, until);
		return;
	}
	for (;;) {
		uint64_t next = UINT64_MAX;

		for (int i = 0; i < w->nodes; i++) {
			if (w->node[i].tick_at < next)
				next = w->node[i].tick_at;
			for (int j = i + 1; j < w->nodes; j++)
				if (w->stream[i][j].up_at != 0 && w->stream[i][j].up_at < next)
					next = w->stream[i][j].up_at;
		}
		if (lat_air_at(&w->air) < next)
			next = lat_air_at(&w->air);
		if (next > until)
			break;
		if (next > w->now)
			w->now = next;
		for (int i = 0; i < w->nodes; i++)
			for (int j = i + 1; j < w->nodes; j++)
				if (w->stream[i][j].up_at != 0 && w->stream[i][j].up_at <= w->now)
					world_stream_up(w, i, j);
		if (lat_air_at(&w->air) <= w->now) {
			struct world_packet *p = (struct world_packet *)lat_air_next(&w->air);

			world_deliver(w, p);
			free(p);
			continue;
		}
		for (int i = 0; i < w->nodes; i++)
			if (w->node[i].tick_at <= w->now)
				world_tick(w, i);
	}
	w->now = until;
}

static inline void world_run(struct world *w, uint64_t ns)
{
	world_run_until(w, w->now + ns);
}

/* ---- applications ---- */

static inline void world_connect(struct world *w, int from, int to)
{
	CHECK_EQ(lat_engine_peer_connect(w->node[from].engine, world_time(&w->node[from]),
					 world_node_number(to)),
		 0);
	world_tick(w, from);
}

static inline struct world_chan *world_chan_open_by(struct world *w, int from, int to, int32_t src,
						    uint16_t cflags, const struct lat_cap_right *right)
{
	const struct lat_open_want want = { .src_pid = src, .dst_pid = 7, .cflags = cflags, .right = right };
	struct world_node *n = &w->node[from];
	struct world_chan *c = world_chan_new(n);

	CHECK(c != NULL);
	c->outbound = true;
	c->lossy = (cflags & LAT_CFLAG_RELIABLE) == 0;
	c->src = src;
	c->dst = 7;
	c->tag = (uint64_t)world_node_number(from) << 32 | (uint32_t)src;
	CHECK_EQ(lat_engine_chan_open(n->engine, world_time(n), world_node_number(to), &want, c, &c->handle),
		 0);
	world_tick(w, from);
	return c;
}

static inline struct world_chan *world_chan_open(struct world *w, int from, int to, int32_t src,
						 uint16_t cflags)
{
	return world_chan_open_by(w, from, to, src, cflags, NULL);
}

/* Node @at ends a right, as its application does: all of it is over when this returns. */
static inline uint32_t world_revoke(struct world *w, int at, struct lat_cap_ref life)
{
	uint32_t count;

	CHECK_EQ(lat_captable_revoke(w->node[at].issuer->table, life, NULL), 0);
	if (w->node[at].engine == NULL)
		return 0;
	count = lat_engine_revoke(w->node[at].engine, world_time(&w->node[at]));
	world_tick(w, at);
	return count;
}

/* Sends the next message, @bytes long. */
static inline int world_chan_send(struct world *w, int from, struct world_chan *c, size_t bytes)
{
	static uint8_t data[2 << 20];
	uint64_t seq = 0;
	int rc;

	world_fill(data, bytes, c->tag, c->sent + 1);
	rc = lat_engine_chan_send(w->node[from].engine, world_time(&w->node[from]), c->handle,
				  (int32_t)(c->sent + 1), data, bytes, &seq);
	if (rc == 0) {
		c->sent++;
		CHECK_EQ(seq, c->sent);
	}
	world_tick(w, from);
	return rc;
}

/* Makes a call with a request of @bytes. */
static inline int world_call(struct world *w, int from, struct world_chan *c, size_t bytes,
			     uint32_t deadline_us, struct world_call *call)
{
	static uint8_t data[2 << 20];
	const struct lat_engine_msg request = { (int32_t)(c->sent + 1), data, bytes };
	int rc;

	world_fill(data, bytes, c->tag, c->sent + 1);
	*call = (struct world_call){ .tag = c->tag };
	rc = lat_engine_call(w->node[from].engine, world_time(&w->node[from]), c->handle, &request,
			     deadline_us, call, &call->id);
	c->sent += rc == 0;
	world_tick(w, from);
	return rc;
}

static inline void world_cancel(struct world *w, int from, struct world_chan *c,
				const struct world_call *call)
{
	c->sent++; /* it has a number, too */
	lat_engine_call_cancel(w->node[from].engine, world_time(&w->node[from]), c->handle, call->id);
	world_tick(w, from);
}

/* Answers call @id with @bytes. */
static inline int world_reply(struct world *w, int at, struct world_chan *in, uint64_t id, size_t bytes)
{
	static uint8_t data[2 << 20];
	const struct lat_engine_msg reply = { (int32_t)id, data, bytes };
	int rc;

	world_fill(data, bytes, in->tag, id);
	rc = lat_engine_call_reply(w->node[at].engine, world_time(&w->node[at]), in->handle, id, &reply);
	for (uint32_t i = 0; rc != -EAGAIN && i < in->calls; i++)
		if (in->call[i] == id) {
			memmove(&in->call[i], &in->call[i + 1], (--in->calls - i) * sizeof(id));
			break;
		}
	world_tick(w, at);
	return rc;
}

/*
 * The other end of a channel: the one at @to with the same origin. A request that was given up may have left more, which
 * never got anything.
 */
static inline struct world_chan *world_chan_at(struct world *w, int to, const struct world_chan *c)
{
	struct world_chan *found = NULL;

	for (int i = 0; i < WORLD_CHANS; i++) {
		struct world_chan *in = &w->node[to].chan[i];

		if (in->used && !in->outbound && in->tag == c->tag &&
		    (found == NULL || in->got > found->got || (in->got == found->got && !in->ended)))
			found = in;
	}
	return found;
}

static inline struct lat_peer_info world_info(struct world *w, int i, int j)
{
	struct lat_peer_info info;

	CHECK_EQ(lat_engine_peer_info(w->node[i].engine, world_time(&w->node[i]), world_node_number(j),
				      &info),
		 0);
	return info;
}

static inline uint64_t world_count(struct world *w, int i, enum lat_engine_counter c)
{
	return lat_engine_counter(w->node[i].engine, c);
}

/* Sends @count messages of up to @bytes_max on each channel from its side, as room comes, for at most @limit. */
static inline bool world_pump(struct world *w, struct world_chan *const *chans, const int *from, int n,
			      uint64_t count, size_t bytes_max, uint64_t limit)
{
	uint64_t until = w->now + limit;

	while (w->now < until) {
		bool done = true;

		for (int i = 0; i < n; i++) {
			for (int burst = 0; burst < 8 && chans[i]->sent < count; burst++)
				if (world_chan_send(w, from[i], chans[i],
						    world_random(w) % (bytes_max + 1)) != 0)
					break;
			done = done && chans[i]->sent >= count &&
			       lat_engine_chan_unacked(w->node[from[i]].engine, chans[i]->handle) == 0;
		}
		if (done)
			return true;
		world_run(w, MS);
	}
	return false;
}

/* Stops a node as kill -9 does. What it knew of its channels is forgotten. */
static inline void world_crash(struct world *w, int i)
{
	if (w->carrier != NULL)
		w->carrier->crash(&w->node[i]);
	world_node_close(&w->node[i]);
	for (int j = 0; j < w->nodes; j++)
		if (j != i && w->carrier == NULL)
			world_cut(w, i, j);
}

/* Starts it again: a new boot_id, no memory. */
static inline void world_boot(struct world *w, int i, const struct world_options *o)
{
	world_node_open(w, i, o);
	if (w->carrier != NULL)
		w->carrier->boot(&w->node[i]);
	for (int j = 0; j < w->nodes; j++)
		if (j != i)
			world_know(w, i, j, o);
}

static inline void world_restart(struct world *w, int i, const struct world_options *o)
{
	world_crash(w, i);
	world_boot(w, i, o);
}

/* For a failing test's author. */
static inline void world_dump(struct world *w)
{
	for (int i = 0; i < w->nodes; i++) {
		if (w->node[i].engine == NULL)
			continue;
		fprintf(stderr, "node %d: sent %llu, bad %llu, nets %llu;", i + 1,
			(unsigned long long)w->node[i].sent_packets, (unsigned long long)w->node[i].bad,
			(unsigned long long)w->node[i].nets);
		for (int k = 0; k < LAT_COUNT_MAX; k++)
			if (world_count(w, i, (enum lat_engine_counter)k) != 0)
				fprintf(stderr, " %s %llu",
					lat_engine_counter_name((enum lat_engine_counter)k),
					(unsigned long long)world_count(w, i, (enum lat_engine_counter)k));
		fprintf(stderr, "\n");
	}
}

#endif
