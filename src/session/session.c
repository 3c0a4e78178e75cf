/*
 * One session (PROTOCOL sections 4 and 5): its keys, its lanes, and the way of a DATA packet in: index, channel,
 * counter, tag, and only then anything that changes.
 */
#include "session/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/util.h"

static const uint8_t no_bind[32];

static void derive(struct lat_chan_key *out, const struct lat_session *s, bool outgoing, uint16_t num,
		   const struct lat_chan *c)
{
	/* dir 0: sent by the session's initiator. */
	const struct lat_chan_key_input in = {
		.dir = s->initiator == outgoing ? 0 : 1,
		.chan = num,
		.src_pid = c == NULL ? 0 : c->src_pid,
		.dst_pid = c == NULL ? 0 : c->dst_pid,
		.bind = c == NULL ? no_bind : c->secret->bind,
	};

	lat_chan_key_derive(out, s->secret->sess, &in, NULL);
	if (s->peer->engine->ops->keylog != NULL)
		s->peer->engine->ops->keylog(s->peer->engine->ctx, outgoing ? s->idx_remote : s->idx_local,
					     num, out->aead.subkey);
}

static uint8_t take_place(struct lat_peer *p)
{
	uint8_t place = 0;

	while (p->places >> place & 1)
		place++;
	p->places |= (uint8_t)(1U << place);
	return place;
}

int lat_session_new(struct lat_session **out, struct lat_peer *p, uint64_t now, const struct lat_hs_result *r,
		    bool initiator, uint32_t idx_local, uint32_t idx_remote)
{
	struct lat_engine *e = p->engine;
	struct lat_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->secret = e->ops->secret_get(e->ctx);
	if (s->secret == NULL) {
		lat_count(e, LAT_COUNT_SECRETS);
		free(s);
		return -ENOBUFS;
	}
	s->owner.kind = LAT_OWNER_SESSION;
	if (lat_idmap_put(&e->index, idx_local, &s->owner) < 0) {
		e->ops->secret_put(e->ctx, s->secret);
		free(s);
		return -ENOMEM;
	}
	s->peer = p;
	s->idx_local = idx_local;
	s->idx_remote = idx_remote;
	s->initiator = initiator;
	s->serial = ++e->next_serial;
	s->born_ns = now;
	s->ack_due_ns = UINT64_MAX;
	s->confirm_at_ns = UINT64_MAX;
	s->boot_id = r->peer.boot_id;
	s->udp_max = r->peer.udp_max;
	s->max_msg = r->peer.max_msg;
	memcpy(s->secret->sess, r->sess, sizeof(s->secret->sess));
	memcpy(s->secret->sid, r->sid, sizeof(s->secret->sid));
	derive(&s->secret->tx, s, true, 0, NULL);
	derive(&s->secret->rx, s, false, 0, NULL);
	s->tx = (struct lat_tx_lane){ .session = s, .key = &s->secret->tx };
	lat_sent_init(&s->tx.sent);
	DL_APPEND(s->tx_lanes, &s->tx);
	s->rx = (struct lat_rx_lane){ .session = s, .key = &s->secret->rx };
	lat_replay_init(&s->rx.replay);
	lat_ranges_init(&s->rx.ranges);
	DL_APPEND(s->rx_lanes, &s->rx);
	s->place = take_place(p);
	*out = s;
	return 0;
}

void lat_session_requeue(struct lat_session *s)
{
	struct lat_tx_lane *lane;

	DL_FOREACH(s->tx_lanes, lane)
		lat_sent_lose(&lane->sent, UINT64_MAX, UINT64_MAX, lat_loss_record, lane);
}

void lat_session_erase(struct lat_session *s)
{
	struct lat_peer *p = s->peer;
	struct lat_engine *e = p->engine;
	struct lat_tx_lane *tx, *tx_tmp;
	struct lat_rx_lane *rx, *rx_tmp;

	for (int i = 0; i < LAT_SLOT_COUNT; i++)
		if (p->slot[i] == s)
			p->slot[i] = NULL;
	lat_session_requeue(s);
	DL_FOREACH_SAFE(s->tx_lanes, tx, tx_tmp) {
		lat_sent_fini(&tx->sent);
		if (tx->chan != NULL) {
			tx->chan->lane[s->place] = NULL;
			lat_wipe(&tx->chan->c.secret->key[s->place], sizeof(struct lat_chan_key));
			free(tx);
		}
	}
	DL_FOREACH_SAFE(s->rx_lanes, rx, rx_tmp) {
		if (rx->chan != NULL) {
			rx->chan->lane[s->place] = NULL;
			lat_wipe(&rx->chan->c.secret->key[s->place], sizeof(struct lat_chan_key));
			free(rx);
		}
	}
	lat_idmap_del(&e->index, s->idx_local);
	if (s->half != NULL) {
		s->half->session = NULL;
		s->half->idx = 0;
		lat_half_drop(s->half);
	}
	p->places &= (uint8_t) ~(1U << s->place);
	e->ops->secret_put(e->ctx, s->secret);
	lat_wipe(s, sizeof(*s));
	free(s);
	lat_peer_touch(p);
}

bool lat_session_may_send(const struct lat_session *s)
{
	/* R must not send before a DATA packet has opened (section 3, Confirmation). */
	return s->initiator || s->opened;
}

struct lat_tx_lane *lat_session_tx_lane(struct lat_session *s, struct lat_chan_out *co)
{
	struct lat_tx_lane *lane = co->lane[s->place];

	if (lane != NULL)
		return lane;
	lane = calloc(1, sizeof(*lane));
	if (lane == NULL)
		return NULL;
	lane->session = s;
	lane->chan = co;
	lane->num = co->c.num;
	lane->key = &co->c.secret->key[s->place];
	derive(&co->c.secret->key[s->place], s, true, co->c.num, &co->c);
	lat_sent_init(&lane->sent);
	DL_APPEND(s->tx_lanes, lane);
	co->lane[s->place] = lane;
	return lane;
}

/* Opens the first packet of a channel in this session; only if its tag is right is anything kept. */
static int open_first(struct lat_session *s, struct lat_chan_in *ci, uint64_t counter, uint8_t *packet,
		      size_t bytes, int64_t *plain_bytes)
{
	struct lat_chan_key key;
	struct lat_rx_lane *lane;
	int64_t n;

	derive(&key, s, false, ci->c.num, &ci->c);
	n = lat_data_open(&key, packet, bytes, counter);
	if (n < 0) {
		lat_wipe(&key, sizeof(key));
		return (int)n;
	}
	lane = calloc(1, sizeof(*lane));
	if (lane == NULL) {
		lat_wipe(&key, sizeof(key));
		return -ENOMEM;
	}
	lane->session = s;
	lane->chan = ci;
	lane->num = ci->c.num;
	memcpy(&ci->c.secret->key[s->place], &key, sizeof(key));
	lane->key = &ci->c.secret->key[s->place];
	lat_wipe(&key, sizeof(key));
	lat_replay_init(&lane->replay);
	lat_ranges_init(&lane->ranges);
	DL_APPEND(s->rx_lanes, lane);
	ci->lane[s->place] = lane;
	*plain_bytes = n;
	return 0;
}

static int refuse(struct lat_peer *p, const struct lat_path *from)
{
	/* Over TCP, a connection on which nothing has opened yet is closed (section 7). */
	return from->proto == LAT_PROTO_TCP && (from->conn == 0 || from->conn != p->proven_conn) ? -EPROTO
												 : 0;
}

static int failed_open(struct lat_session *s, const struct lat_path *from)
{
	struct lat_peer *p = s->peer;
	int rc = refuse(p, from);

	lat_peer_count(p, LAT_COUNT_DATA_OPEN);
	s->open_fails++;
	if (s->open_fails >= LAT_AEAD_FAIL_KILL) {
		lat_session_erase(s);
	} else if (s->open_fails >= LAT_AEAD_FAIL_REKEY && p->slot[LAT_SLOT_CURRENT] == s) {
		p->want_rekey = true;
		lat_peer_touch(p);
	}
	return rc;
}

/* A packet has opened: it is the peer's. */
static void heard(struct lat_session *s, uint64_t now, const struct lat_path *from, size_t bytes)
{
	struct lat_peer *p = s->peer;

	p->packets_in++;
	p->bytes_in += bytes;
	p->heard_ns = now;
	lat_recovery_heard(&p->rec, now);
	/* Over TCP nothing else would notice that what is still on its way is not getting there (section 8.1). */
	p->await_since_ns = from->proto == LAT_PROTO_TCP && p->rec.flight_bytes > 0 ? now : 0;
	p->closes_in_a_row = 0;
	if (from->proto == LAT_PROTO_TCP && from->conn != p->proven_conn) {
		p->proven_conn = from->conn;
		p->engine->ops->path_proven(p->engine->ctx, from, p->node);
	}
	if (!s->opened) {
		s->opened = true;
		s->first_open_ns = now;
		s->want_confirm = false;
		s->confirm_at_ns = UINT64_MAX;
		lat_peer_session_opened(p, now, s);
	}
	if (p->state == LAT_PEER_DOWN && p->slot[LAT_SLOT_CURRENT] != NULL && !p->closing) {
		p->down_since_ns = 0;
		p->held_out = false;
		lat_peer_state_set(p, LAT_PEER_UP, 0);
	}
	lat_peer_touch(p);
}

int lat_session_data(struct lat_session *s, uint64_t now, const struct lat_path *from,
		     const struct lat_data_hdr *hdr, uint8_t *packet, size_t bytes)
{
	struct lat_peer *p = s->peer;
	struct lat_engine *e = p->engine;
	struct lat_rx_lane *lane = &s->rx;
	struct lat_chan_in *ci = NULL;
	bool eliciting = false;
	int64_t n = 0;
	int rc;

	if (now - s->born_ns >= (uint64_t)LAT_REJECT_AFTER_TIME_NS) {
		lat_peer_count(p, LAT_COUNT_IDX);
		return refuse(p, from);
	}
	if (hdr->chan != 0) {
		ci = lat_numtab_get(&p->nums_in, hdr->chan);
		if (ci == NULL) {
			lat_peer_count(p, LAT_COUNT_CHAN);
			return refuse(p, from);
		}
		lane = ci->lane[s->place];
	}
	if (lane != NULL && lat_replay_check(&lane->replay, hdr->counter) < 0) {
		lat_peer_count(p, LAT_COUNT_REPLAY);
		return refuse(p, from);
	}
	if (hdr->counter >= LAT_REJECT_AFTER_PACKETS) {
		lat_peer_count(p, LAT_COUNT_REPLAY);
		return refuse(p, from);
	}
	if (ci == NULL)
		e->open_ns = lat_engine_clock(e);
	if (lane != NULL) {
		n = lat_data_open(lane->key, packet, bytes, hdr->counter);
		rc = n < 0 ? (int)n : 0;
	} else {
		rc = open_first(s, ci, hdr->counter, packet, bytes, &n);
		if (rc == 0)
			lane = ci->lane[s->place];
	}
	if (rc < 0)
		return rc == -ENOMEM ? 0 : failed_open(s, from);

	if (ci == NULL)
		e->open_ns = lat_engine_clock(e) - e->open_ns;
	lat_replay_mark(&lane->replay, hdr->counter);
	heard(s, now, from, bytes);
	if (p->closing) /* only a CLOSE is still of interest: it ends ours */
		lat_peer_closing_packet(p, now);
	rc = lat_frames_process(lane, now, packet + LAT_DATA_HDR, (size_t)n, &eliciting);
	if (rc == -EPROTO) {
		lat_peer_count(p, LAT_COUNT_PROTO);
		lat_peer_close_start(p, now, LAT_CODE_EPROTO);
		return 0;
	}
	/* How much of a channel that is reset was taken, only the reset says: it may get lost. */
	if (rc == LAT_FRAMES_OK && (ci == NULL || ci->state != LAT_IN_RESET))
		lat_ack_note(lane, now, hdr->counter, bytes, eliciting);
	return 0;
}
