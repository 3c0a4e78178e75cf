/*
 * The tests' issuer of capabilities: a table and a root key at each node of the world, which outlive a crash of it, as a node's state
 * directory does. For test files only; they include engine_harness.h.
 */
#ifndef LAT_SESSION_ISSUER_HARNESS_H
#define LAT_SESSION_ISSUER_HARNESS_H

#include "base/bytes.h"
#include "cap/right.h"
#include "cap/table.h"
#include "session/net_harness.h"

enum { WORLD_LIVES = 256, WORLD_UNIX_S = 1800000000 };

struct world_issuer {
	uint8_t root[LAT_CAP_KEY];
	struct lat_captable *table;
	bool strangers_nothing;      /* who has no capability may nothing */
	struct lat_cap_ref identity; /* what everybody has by being who it is; {0, 0}: for ever */
	uint64_t told;               /* revoked_told() */
	struct lat_open_ask asked;   /* last; its pointers are void */
};

static inline void world_issuer_open(struct world_issuer *i, int index)
{
	static const struct lat_captable_ops nothing = { 0 };

	memset(i->root, 0x61 + index, sizeof(i->root));
	CHECK_EQ(lat_captable_open(&i->table, (uint32_t)index + 1, WORLD_LIVES, NULL, i->root, &nothing,
				   NULL),
		 0);
}

static inline bool world_descends(struct world_issuer *i, struct lat_cap_ref of, struct lat_cap_ref from)
{
	struct lat_cap_entry e;

	while (of.gen != 0 && lat_captable_get(i->table, of, &e) == 0) {
		if (e.parent.slot == from.slot && e.parent.gen == from.gen)
			return true;
		of = e.parent;
	}
	return false;
}

/* PROTOCOL 6.1 and 6.2, as the node's issuer does it. */
static inline int world_issuer_admit(struct world_issuer *i, const struct lat_open_ask *ask, uint64_t wall,
				     struct lat_open_grant *out)
{
	static const uint8_t bearer[LAT_CAP_HOLDER];
	struct lat_caveat caveats[LAT_CAP_CAVEATS_MAX];
	struct lat_cap_desc d;
	struct lat_cap_ref life;
	struct lat_cap_entry e;
	bool live = true;

	if (lat_cap_desc_decode(&d, ask->desc) < 0)
		return -EACCES;
	life = (struct lat_cap_ref){ d.slot, d.gen };
	live = lat_captable_live(i->table, life);
	for (size_t k = 0; k < ask->caveat_count; k++) {
		struct lat_cap_ref next;

		if (lat_caveat_decode(&caveats[k], ask->caveats + k * LAT_CAP_CAVEAT) < 0)
			return -EACCES;
		if (caveats[k].type != LAT_CAVEAT_SLOT)
			continue;
		next = (struct lat_cap_ref){ lat_get_le32(caveats[k].value),
					     lat_get_le32(caveats[k].value + 4) };
		live = live && lat_captable_live(i->table, next);
		if (live && !world_descends(i, next, life))
			return -EACCES;
		life = next;
	}
	if (lat_cap_narrow(&d, caveats, ask->caveat_count) < 0)
		return -EACCES;
	if (!live || lat_captable_get(i->table, life, &e) < 0)
		return -EKEYREVOKED;
	if (d.not_after != 0 && wall > d.not_after)
		return -EKEYEXPIRED;
	if (d.dst_pid != ask->dst_pid || (d.src_pid != LAT_CAP_ANY_PID && d.src_pid != ask->src_pid) ||
	    (memcmp(d.holder, bearer, sizeof(bearer)) != 0 &&
	     memcmp(d.holder, ask->id, sizeof(d.holder)) != 0))
		return -EACCES;
	*out = (struct lat_open_grant){ .life = life,
					.rights = d.rights,
					.badge = e.badge,
					.max_msg = d.max_msg,
					.rate = d.rate,
					.not_after = d.not_after };
	return 0;
}

/* ---- what the engine asks ---- */

static inline uint64_t world_op_wall_s(void *ctx)
{
	const struct world_node *n = ctx;

	return WORLD_UNIX_S + n->world->now / SEC;
}

static inline int world_op_cap_key(void *ctx, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats,
				   size_t count, uint8_t k[LAT_CAP_KEY])
{
	struct world_node *n = ctx;

	return lat_cap_key_chain(k, n->issuer->root, desc, caveats, count);
}

static inline int world_op_cap_admit(void *ctx, const struct lat_open_ask *ask, struct lat_open_grant *out)
{
	struct world_node *n = ctx;

	n->issuer->asked = *ask;
	if (ask->desc != NULL)
		return world_issuer_admit(n->issuer, ask, world_op_wall_s(n), out);
	if (n->issuer->strangers_nothing)
		return -EACCES;
	*out = (struct lat_open_grant){ .life = n->issuer->identity,
					.rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND | LAT_RIGHT_BULK };
	return 0;
}

static inline bool world_op_cap_live(void *ctx, struct lat_cap_ref life)
{
	struct world_node *n = ctx;

	return lat_captable_live(n->issuer->table, life);
}

/* An application that has received what it has taken. */
static inline uint64_t world_op_inbound_cut(void *ctx, void *user, uint64_t taken)
{
	(void)ctx;
	(void)user;
	return taken;
}

static inline void world_op_revoked_told(void *ctx, uint32_t node, struct lat_cap_ref life)
{
	struct world_node *n = ctx;

	(void)node;
	(void)life;
	n->issuer->told++;
}

/* ---- what tests do ---- */

/* What node @at gives: to send to pid 7, as whoever, by anybody. */
static inline struct lat_cap_desc world_want(void)
{
	return (struct lat_cap_desc){ .rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND,
				      .dst_pid = 7,
				      .src_pid = LAT_CAP_ANY_PID,
				      .max_msg = 1 << 20 };
}

static inline struct lat_cap_right world_grant(struct world *w, int at, const struct lat_cap_desc *want)
{
	struct world_issuer *i = w->node[at].issuer;
	struct lat_cap_right right;
	struct lat_cap_desc d;

	CHECK_EQ(lat_captable_mint(i->table, NULL, want, 42, LAT_CAP_UNLIMITED, &d), 0);
	lat_cap_right_issue(&right, i->root, &d);
	return right;
}

static inline struct lat_cap_ref world_life(const struct lat_cap_right *right)
{
	struct lat_cap_desc d;

	CHECK_EQ(lat_cap_desc_decode(&d, right->desc), 0);
	return (struct lat_cap_ref){ d.slot, d.gen };
}

#endif
