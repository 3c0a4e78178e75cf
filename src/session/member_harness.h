/*
 * For tests: a member that breaks rules. It has every key and a session, and writes into its packets what it likes. Needs
 * engine_harness.h and machine.h.
 */
#ifndef LAT_SESSION_MEMBER_HARNESS_H
#define LAT_SESSION_MEMBER_HARNESS_H

#include "session/engine_harness.h"
#include "session/machine.h"

static inline struct lat_peer *peer_of(struct world *w, int i, int j)
{
	return lat_idmap_get(&w->node[i].engine->peers, world_node_number(j));
}

/* What node 0 writes into a packet of chan 0, or of its channel. */
typedef void (*write_fn)(struct lat_writer *w, struct lat_chan_out *co);

static inline void raw(struct lat_writer *w, uint8_t type, const void *body, size_t bytes)
{
	CHECK_EQ(lat_frame_encode(w, type, 0, body, bytes), 0);
}

/* A message that the channel's own token covers, with the given pids and length. */
static inline void message(struct lat_writer *w, struct lat_chan_out *co, int32_t src, uint32_t len,
			   uint64_t seq, bool forge)
{
	const struct lat_token_key key = { .tk = co->c.secret->tk,
					   .cflags = co->c.cflags,
					   .rights = co->rights };
	uint8_t body[256] = { 0 }, token[LAT_WIRE_TOKEN];
	const struct lat_frame_msg m = {
		.seq = seq, .msg_len = len, .len = len, .token = token, .data = body
	};

	lat_msg_pids_encode(body, src, co->c.dst_pid);
	lat_token_of_msg(token, &key, seq, body, len);
	token[0] ^= forge;
	CHECK_EQ(lat_frame_msg_encode(w, &m), 0);
}

/* Node 0 sends one packet with what @write puts into it, on its channel or on control. */
static inline void say(struct world *w, struct world_chan *c, bool on_channel, write_fn write)
{
	struct lat_session *s = peer_of(w, 0, 1)->slot[LAT_SLOT_CURRENT];
	struct lat_chan_out *co = lat_idmap_get(&w->node[0].engine->handles, c->handle);
	struct lat_out o;

	CHECK_EQ(lat_out_begin(&o, s, on_channel ? lat_session_tx_lane(s, co) : &s->tx), 0);
	write(&o.w, co);
	o.eliciting = true;
	CHECK_EQ(lat_out_finish(&o, w->now), 0);
}

#endif
