/* The engine's front: its tables, and what the node asks of it. What happens to it is in engine_event.c. */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"

static_assert(sizeof(struct lat_engine_secret) <= LAT_SECRET_SLOT, "one slot");
static_assert(sizeof(struct lat_session_secret) <= LAT_SECRET_SLOT, "one slot");
static_assert(sizeof(struct lat_chan_secret) <= LAT_SECRET_SLOT, "one slot");
static_assert(sizeof(struct lat_hs_initiator) <= LAT_SECRET_SLOT, "one slot");
static_assert(sizeof(struct lat_hs_responder) <= LAT_SECRET_SLOT, "one slot");
static_assert(sizeof(struct lat_hs_result) <= LAT_SECRET_SLOT, "one slot");

static const char *const counter_texts[LAT_COUNT_MAX] = {
#define COUNTER_TEXT(id, name, text) [LAT_COUNT_##id] = (text),
	LAT_ENGINE_COUNTERS(COUNTER_TEXT)
#undef COUNTER_TEXT
};

static const char *const counter_names[LAT_COUNT_MAX] = {
#define COUNTER_NAME(id, name, text) [LAT_COUNT_##id] = name,
	LAT_ENGINE_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

uint64_t lat_engine_counter(const struct lat_engine *e, enum lat_engine_counter c)
{
	return (unsigned)c < LAT_COUNT_MAX ? e->counters[c] : 0;
}

const char *lat_engine_counter_text(enum lat_engine_counter c)
{
	return (unsigned)c < LAT_COUNT_MAX ? counter_texts[c] : "";
}

const char *lat_engine_counter_name(enum lat_engine_counter c)
{
	return (unsigned)c < LAT_COUNT_MAX ? counter_names[c] : "";
}

/* ---- what the other files use ---- */

void lat_peer_touch(struct lat_peer *p)
{
	if (p->touched)
		return;
	p->touched = true;
	p->touched_next = p->engine->touched;
	p->engine->touched = p;
}

uint32_t lat_engine_idx(struct lat_engine *e, struct lat_owner *owner)
{
	uint32_t idx;

	do
		e->ops->random(e->ctx, &idx, sizeof(idx));
	while (idx == 0 || lat_idmap_get(&e->index, idx) != NULL);
	return lat_idmap_put(&e->index, idx, owner) < 0 ? 0 : idx;
}

uint32_t lat_engine_handle(struct lat_engine *e, struct lat_chan *c)
{
	if (e->next_handle == UINT32_MAX || lat_idmap_put(&e->handles, e->next_handle + 1, c) < 0)
		return 0;
	return ++e->next_handle;
}

struct lat_peer *lat_peer_find(const struct lat_engine *e, uint32_t node)
{
	return lat_idmap_get(&e->peers, node);
}

struct lat_peer *lat_engine_peer_by_id(struct lat_engine *e, const uint8_t id[LAT_ID])
{
	struct lat_peer *p, *found = NULL;

	/* All of them, each in constant time: who calls is told to nobody else. */
	DL_FOREACH(e->peer_list, p)
		if (lat_equal_ct(p->pub.fp, id, LAT_ID))
			found = p;
	return found;
}

uint64_t lat_engine_jitter(struct lat_engine *e, uint64_t ns)
{
	uint64_t random, spread = ns * LAT_TIMER_JITTER_PERCENT / 100;

	e->ops->random(e->ctx, &random, sizeof(random));
	return ns - spread + random % (2 * spread + 1);
}

bool lat_bucket_take(struct lat_bucket *b, uint64_t now, uint32_t per_s, uint32_t burst)
{
	uint64_t full = (uint64_t)burst * 1000, add;

	if (b->at_ns == 0) {
		b->milli = (uint32_t)full;
	} else {
		/* A burst's worth of time is all that can count; more would overflow. */
		uint64_t idle = now - b->at_ns, enough = (uint64_t)LAT_NS_PER_S * burst;

		idle = idle > enough ? enough : idle;
		add = idle / 1000 * per_s / 1000;
		if (add == 0 && b->milli < 1000)
			return false; /* keep at_ns, or quick callers would never earn anything */
		add += b->milli;
		b->milli = (uint32_t)(add > full ? full : add);
	}
	b->at_ns = now == 0 ? 1 : now;
	if (b->milli < 1000)
		return false;
	b->milli -= 1000;
	return true;
}

int lat_engine_reply(struct lat_engine *e, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	return e->ops->transmit(e->ctx, to, packet, bytes);
}

/* ---- open, close ---- */

int lat_engine_open(struct lat_engine **out, const struct lat_engine_config *cfg,
		    const struct lat_engine_ops *ops, void *ctx, uint64_t now)
{
	struct lat_engine *e;
	uint64_t random[3];
	uint32_t max_msg = cfg->max_msg == 0 ? LAT_MAX_MSG_DEFAULT : cfg->max_msg;

	*out = NULL;
	if (cfg->node == LAT_NODE_NONE || cfg->node == LAT_NODE_RESERVED || cfg->key == NULL ||
	    max_msg > LAT_MAX_MSG_HARD || max_msg < LAT_PIDS_LEN + 4)
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->ops = ops;
	e->ctx = ctx;
	e->now = now;
	e->node = cfg->node;
	e->boot_id = cfg->boot_id;
	e->key = cfg->key;
	e->max_msg = max_msg;
	e->udp_max = cfg->udp_max == 0 ? LAT_UDP_SEARCH_MAX : cfg->udp_max;
	e->cc = cfg->cc == NULL ? &lat_cc_cubic : cfg->cc;
	e->sendq_max = cfg->sendq_max == 0 ? (size_t)max_msg * 2 : cfg->sendq_max;
	e->secret = ops->secret_get(ctx);
	if (e->secret == NULL) {
		free(e);
		return -ENOMEM;
	}
	memcpy(e->secret->mesh_key, cfg->mesh_key, sizeof(e->secret->mesh_key));
	ops->random(ctx, e->secret->source_key, sizeof(e->secret->source_key));
	lat_hs_public_init(&e->me, cfg->pk, cfg->mesh_key);
	ops->random(ctx, random, sizeof(random));
	lat_idmap_init(&e->index, random[0]);
	lat_idmap_init(&e->peers, random[1]);
	lat_idmap_init(&e->handles, random[2]);
	e->budget.max = LAT_REASM_ALL_BYTES;
	if (e->budget.max / 2 < max_msg)
		e->budget.max = (size_t)max_msg * 2;
	*out = e;
	return 0;
}

/* Out of every table by which it is found. */
static void leave(struct lat_peer *p)
{
	struct lat_engine *e = p->engine;

	lat_idmap_del(&e->peers, p->node);
	DL_DELETE(e->peer_list, p);
	DL_APPEND(e->leaving, p);
	p->leaving = true;
}

void lat_engine_peer_free(struct lat_peer *p)
{
	struct lat_engine *e = p->engine;
	struct lat_peer **at = &e->touched;

	DL_DELETE(e->leaving, p);
	lat_dues_remove(&e->dues, &p->due);
	p->touched = true; /* nothing may put it back on the list */
	while (*at != NULL && *at != p)
		at = &(*at)->touched_next;
	if (*at == p)
		*at = p->touched_next;
	lat_peer_free(p);
}

void lat_engine_close(struct lat_engine *e)
{
	struct lat_peer *p, *tmp;

	if (e == NULL)
		return;
	DL_FOREACH_SAFE(e->peer_list, p, tmp)
		leave(p);
	DL_FOREACH_SAFE(e->leaving, p, tmp)
		lat_engine_peer_free(p);
	lat_idmap_fini(&e->index);
	lat_idmap_fini(&e->peers);
	lat_idmap_fini(&e->handles);
	lat_dues_fini(&e->dues);
	if (e->secret != NULL)
		e->ops->secret_put(e->ctx, e->secret);
	lat_wipe(e, sizeof(*e));
	free(e);
}

/* ---- peers ---- */

int lat_engine_peer_add(struct lat_engine *e, const struct lat_peer_config *cfg)
{
	struct lat_peer *p, *other;
	int rc;

	if (cfg->node == LAT_NODE_NONE || cfg->node == LAT_NODE_RESERVED || cfg->node == e->node ||
	    memcmp(cfg->pk, e->me.pk, LAT_KEM_PK) == 0)
		return -EINVAL;
	if (lat_peer_find(e, cfg->node) != NULL)
		return -EEXIST;
	rc = lat_peer_new(&p, e, cfg);
	if (rc < 0)
		return rc;
	other = lat_engine_peer_by_id(e, p->pub.fp);
	if (other != NULL)
		rc = -EKEYREJECTED;
	else if (lat_idmap_put(&e->peers, cfg->node, p) < 0 || lat_dues_add(&e->dues, &p->due, p) < 0)
		rc = -ENOBUFS;
	if (rc < 0) {
		if (other == NULL)
			lat_idmap_del(&e->peers, cfg->node);
		lat_peer_free(p);
		return rc;
	}
	DL_APPEND(e->peer_list, p);
	return 0;
}

/* Whether calling one is calling the other; lat_path_equal() asks less of TCP. */
static bool same_place(const struct lat_path *a, const struct lat_path *b)
{
	return a->proto == b->proto && a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

int lat_engine_peer_path(struct lat_engine *e, uint32_t node, const struct lat_path *path)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return -ENOKEY;
	if (same_place(&p->call, path)) {
		p->call.transient = path->transient;
		if (same_place(&p->path, path))
			p->path.transient = path->transient;
		return 0;
	}
	p->call = *path;
	p->call.node = node;
	lat_attempt_drop(p); /* it called the old place */
	p->attempt_after_ns = 0;
	if (p->slot[LAT_SLOT_CURRENT] != NULL)
		p->want_rekey = true; /* the new session goes the new way */
	else if (path->proto != 0)
		p->path = p->call;
	lat_peer_touch(p);
	return 0;
}

int lat_engine_peer_remove(struct lat_engine *e, uint64_t now, uint32_t node)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return -ENOKEY;
	e->now = now;
	lat_peer_chans_end(p, -ENOKEY, true, true);
	lat_peer_close_start(p, now, LAT_CODE_ESHUTDOWN);
	lat_peer_sessions_end(p);
	e->ops->secret_put(e->ctx, p->psk);
	p->psk = NULL;
	leave(p);
	lat_dues_set(&e->dues, &p->due, UINT64_MAX);
	lat_peer_touch(p); /* freed in its turn, when nothing of it is left */
	return 0;
}

/* Somewhere to call it, or it is calling us and has only to confirm. */
static bool reachable(const struct lat_peer *p)
{
	return p->call.proto != 0 || p->slot[LAT_SLOT_NEXT] != NULL;
}

int lat_engine_peer_connect(struct lat_engine *e, uint64_t now, uint32_t node)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return -ENOKEY;
	e->now = now;
	if (p->slot[LAT_SLOT_CURRENT] != NULL && !p->closing)
		return 0;
	if (!reachable(p))
		return -EDESTADDRREQ;
	p->want_connect = true;
	if (p->attempt == NULL && p->state == LAT_PEER_DOWN && p->err != -EPROTO) {
		/* Somebody asks for it: no need to sit the back-off out. */
		p->attempt_after_ns = 0;
		lat_peer_state_set(p, LAT_PEER_CONNECTING, 0);
	}
	lat_peer_touch(p);
	return 0;
}

int lat_engine_peer_close(struct lat_engine *e, uint64_t now, uint32_t node, enum lat_code code)
{
	struct lat_peer *p = lat_peer_find(e, node);

	if (p == NULL)
		return -ENOKEY;
	e->now = now;
	lat_peer_close_start(p, now, (uint16_t)code);
	return 0;
}

bool lat_engine_smaller_id(const struct lat_engine *e, uint32_t node)
{
	const struct lat_peer *p = lat_peer_find(e, node);

	return p != NULL && memcmp(e->me.fp, p->pub.fp, LAT_ID) < 0;
}

int lat_engine_peer_info(const struct lat_engine *e, uint64_t now, uint32_t node, struct lat_peer_info *out)
{
	const struct lat_peer *p = lat_peer_find(e, node);
	const struct lat_session *s;

	if (p == NULL)
		return -ENOKEY;
	s = p->slot[LAT_SLOT_CURRENT];
	*out = (struct lat_peer_info){
		.state = p->state,
		.err = p->err,
		.path = p->path,
		.handshake_ns = p->handshake_ns,
		.session_age_ns = s == NULL ? 0 : now - s->born_ns,
		.srtt_ns = p->rec.srtt_ns,
		.min_rtt_ns = p->rec.min_rtt_ns,
		.handshakes = p->handshakes,
		.rekeys = p->rekeys,
		.packets_in = p->packets_in,
		.packets_out = p->packets_out,
		.bytes_in = p->bytes_in,
		.bytes_out = p->bytes_out,
		.messages_in = p->messages_in,
		.messages_out = p->messages_out,
		.message_bytes_in = p->message_bytes_in,
		.message_bytes_out = p->message_bytes_out,
		.packet_max = s == NULL ? 0 : (uint32_t)lat_out_packet_max(s),
		.window_bytes = lat_out_window(p),
		.flight_bytes = p->rec.flight_bytes,
		.initiator = s != NULL && s->initiator,
		.closing = p->closing,
	};
	if (s != NULL)
		memcpy(out->sid, s->secret->sid, sizeof(out->sid));
	memcpy(out->counters, p->counters, sizeof(out->counters));
	return 0;
}

/* ---- ping, driver frames ---- */

int lat_peer_want_session(struct lat_peer *p)
{
	if (p->closing)
		return -EAGAIN;
	if (p->slot[LAT_SLOT_CURRENT] != NULL)
		return 0;
	if (!reachable(p))
		return -EDESTADDRREQ;
	p->want_connect = true;
	lat_peer_touch(p);
	return -EAGAIN;
}

int lat_engine_ping(struct lat_engine *e, uint64_t now, uint32_t node, uint64_t token)
{
	struct lat_peer *p = lat_peer_find(e, node);
	int rc;

	if (p == NULL)
		return -ENOKEY;
	e->now = now;
	rc = lat_peer_want_session(p);
	if (rc < 0)
		return rc;
	lat_out_ping(p, token, false);
	return 0;
}

int lat_engine_net_send(struct lat_engine *e, uint64_t now, uint32_t node, const void *data, size_t bytes)
{
	struct lat_peer *p = lat_peer_find(e, node);
	int rc;

	if (p == NULL)
		return -ENOKEY;
	e->now = now;
	rc = lat_peer_want_session(p);
	if (rc < 0)
		return rc == -EDESTADDRREQ ? -EAGAIN : rc;
	lat_peer_touch(p);
	return lat_out_net(p, now, data, bytes);
}

/* ---- channels ---- */

int lat_engine_chan_open(struct lat_engine *e, uint64_t now, uint32_t node, const struct lat_open_want *want,
			 void *user, uint32_t *handle)
{
	struct lat_peer *p = lat_peer_find(e, node);
	struct lat_chan_out *co;
	int rc;

	if (p == NULL)
		return -ENOKEY;
	if ((want->cflags & (uint16_t) ~(LAT_CFLAG_RELIABLE | LAT_CFLAG_TOKEN_FULL | LAT_CFLAG_TCP_ONLY |
					 LAT_CFLAG_REVERSE)) != 0)
		return -EINVAL;
	e->now = now;
	if (p->down_since_ns != 0 && (p->chans == NULL || p->held_out)) {
		p->down_since_ns = now; /* a new wish is held as long as an old one */
		p->held_out = false;
	}
	rc = lat_chan_out_new(&co, p, want, user);
	if (rc == 0)
		*handle = co->c.handle;
	return rc;
}

static struct lat_chan_out *find_out(const struct lat_engine *e, uint32_t handle)
{
	struct lat_chan *c = lat_chan_find(e, handle);

	return c != NULL && !c->inbound ? (struct lat_chan_out *)c : NULL;
}

static int chan_send(struct lat_engine *e, struct lat_chan_out *co, const struct lat_sendq_head *head,
		     int32_t type, const void *data, size_t bytes, uint64_t *seq)
{
	size_t msg_len = bytes + head->before.bytes + LAT_PIDS_LEN + 4;
	uint64_t number;
	int rc;

	if (bytes > e->max_msg || msg_len > co->max_msg ||
	    msg_len > (co->c.peer->max_msg != 0 ? co->c.peer->max_msg : e->max_msg))
		return -EMSGSIZE;
	if (co->state == LAT_OUT_OPENING) {
		co->starved = true;
		return -EAGAIN;
	}
	rc = lat_sendq_push_head(&co->q, head, type, data, bytes, &number);
	/* A lossy channel does not wait: the oldest makes room. */
	while (rc == -EAGAIN && !co->q.reliable && lat_sendq_drop_oldest(&co->q)) {
		lat_peer_count(co->c.peer, LAT_COUNT_LOSSY_DROP);
		rc = lat_sendq_push_head(&co->q, head, type, data, bytes, &number);
	}
	if (rc == -EAGAIN || rc == -ENOMEM) {
		co->starved = true;
		return -EAGAIN;
	}
	if (rc < 0)
		return rc;
	co->c.peer->messages_out++;
	co->c.peer->message_bytes_out += bytes;
	lat_chan_out_update(co);
	lat_peer_touch(co->c.peer);
	if (seq != NULL)
		*seq = number;
	return 0;
}

/* The one that may be sent on, or NULL. */
static struct lat_chan_out *find_sending(struct lat_engine *e, uint32_t handle)
{
	struct lat_chan_out *co = find_out(e, handle);

	return co == NULL || co->state == LAT_OUT_CLOSING || co->state == LAT_OUT_RESET ? NULL : co;
}

int lat_engine_chan_send(struct lat_engine *e, uint64_t now, uint32_t handle, int32_t type, const void *data,
			 size_t bytes, uint64_t *seq)
{
	struct lat_chan_out *co = find_sending(e, handle);

	if (co == NULL)
		return -ENOENT;
	e->now = now;
	return chan_send(e, co, &(struct lat_sendq_head){ 0 }, type, data, bytes, seq);
}

int lat_engine_chan_send_cap(struct lat_engine *e, uint64_t now, uint32_t handle,
			     const struct lat_cap_right *right, int32_t type, const void *data, size_t bytes,
			     uint64_t *seq)
{
	const struct lat_msg_cap cap = { .desc = right->desc,
					 .caveats = right->caveats[0],
					 .key = right->key,
					 .caveat_count = right->caveat_count };
	struct lat_chan_out *co = find_sending(e, handle);
	uint8_t buf[LAT_MSG_CAP_LEN];
	struct lat_sendq_head head = { .flags = LAT_MSG_CAPS };
	struct lat_cap_desc allows;
	int rc = lat_cap_right_allows(right, &allows);

	if (rc < 0)
		return rc;
	if (co == NULL)
		return -ENOENT;
	if ((co->c.cflags & LAT_CFLAG_TOKEN_FULL) == 0)
		return -EINVAL;
	e->now = now;
	head.before = (struct lat_bytes){ buf, lat_msg_cap_encode(buf, &cap) };
	rc = chan_send(e, co, &head, type, data, bytes, seq);
	lat_wipe(buf, sizeof(buf));
	return rc;
}

int lat_engine_chan_close(struct lat_engine *e, uint64_t now, uint32_t handle)
{
	struct lat_chan_out *co = find_out(e, handle);

	if (co == NULL || co->state == LAT_OUT_RESET)
		return -ENOENT;
	e->now = now;
	if (co->state == LAT_OUT_OPENING) {
		/* Nothing was accepted. Should it be granted yet, the answer is CHAN_CLOSE. */
		lat_chan_out_end(co, 0, 0);
	} else if (co->state == LAT_OUT_OPEN) {
		co->state = LAT_OUT_CLOSING;
		lat_chan_out_update(co);
		lat_peer_touch(co->c.peer);
	}
	return 0;
}

uint64_t lat_engine_chan_unacked(const struct lat_engine *e, uint32_t handle)
{
	const struct lat_chan_out *co = find_out(e, handle);

	return co == NULL || !co->q_init || co->state == LAT_OUT_RESET
		       ? 0
		       : lat_sendq_unacked(&co->q) - co->q.cancels;
}

uint64_t lat_engine_chan_accepted(const struct lat_engine *e, uint32_t handle)
{
	const struct lat_chan_out *co = find_out(e, handle);

	return co == NULL || !co->q_init ? 0 : co->q.next_seq - 1;
}

static struct lat_chan_in *find_in(const struct lat_engine *e, uint32_t handle)
{
	struct lat_chan *c = lat_chan_find(e, handle);

	return c != NULL && c->inbound ? (struct lat_chan_in *)c : NULL;
}

void *lat_engine_inbound_user(const struct lat_engine *e, uint32_t handle, uint64_t *last)
{
	const struct lat_chan_in *ci = find_in(e, handle);

	if (ci == NULL || ci->told)
		return NULL;
	if (last != NULL)
		*last = ci->calls.last;
	return ci->c.user;
}

void lat_engine_drain(struct lat_engine *e, uint64_t now, uint32_t handle)
{
	struct lat_chan_in *ci = find_in(e, handle);

	if (ci == NULL || ci->told)
		return;
	e->now = now;
	if (lat_chan_in_offer(ci) == -EPROTO) {
		lat_peer_count(ci->c.peer, LAT_COUNT_PROTO);
		lat_peer_close_start(ci->c.peer, now, LAT_CODE_EPROTO);
	}
	lat_peer_touch(ci->c.peer);
}

void lat_engine_inbound_reset(struct lat_engine *e, uint64_t now, uint32_t handle, enum lat_code code)
{
	struct lat_chan_in *ci = find_in(e, handle);

	if (ci == NULL)
		return;
	e->now = now;
	/* Whoever notices first says why: the receiver may, before lat_engine_revoke() comes. */
	lat_chan_in_reset(ci, (uint16_t)(lat_chan_in_dead(ci) ? LAT_CODE_EREVOKED : code));
}

bool lat_engine_any_reset_unacked(const struct lat_engine *e)
{
	const struct lat_peer *p;
	const struct lat_chan *c;

	DL_FOREACH(e->peer_list, p) {
		if (p->slot[LAT_SLOT_CURRENT] == NULL || p->closing)
			continue;
		DL_FOREACH(p->chans, c)
			if (c->inbound && ((const struct lat_chan_in *)c)->state == LAT_IN_RESET)
				return true;
	}
	return false;
}
