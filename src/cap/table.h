/*
 * The issuer's table of capabilities: which slot means what, from which other it was derived, and which generation of it lives
 * (PROTOCOL 6.1). A right that was revoked stays dead, and all that was made of it: slots are used again, generations never,
 * and one that has come to the last is given out no more.
 *
 * What changes is first said to a journal (lat_captable_ops), so that what a call returned outlives the process. Everything is
 * bounded. No recursion; a revocation walks the tree below it.
 *
 * Threads: the caller lets one call in at a time, but for lat_captable_live(), which any thread may call at any time.
 */
#ifndef LAT_CAP_TABLE_H
#define LAT_CAP_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/chain.h"

enum {
	LAT_CAPTABLE_DEFAULT = 4096,
	LAT_CAPTABLE_MAX = 65536,
	LAT_CAPTABLE_BELOW_MAX = 4096, /* live ones that were made of one, and of those, and so on */
	LAT_CAPTABLE_RECORD = 128,     /* bytes of a change in the journal */
};

/* A life of a slot. The generation 0 is no life; {0, 0} is nothing. */
struct lat_cap_ref {
	uint32_t slot, gen;
};

/* What the issuer knows beyond what the holder carries. */
struct lat_cap_entry {
	struct lat_cap_desc desc; /* its slot and gen are its own */
	struct lat_cap_ref parent;
	uint32_t badge; /* what receivers are told; never the holder's choice */
	uint64_t uses;  /* left; LAT_CAP_UNLIMITED */
	bool transient; /* not kept: it ends with the table, and nothing is made of it */
};
#define LAT_CAP_UNLIMITED UINT64_MAX

struct lat_captable_ops {
	/*
	 * Keeps a change: 0 when it will be there after a crash, or a negative errno: it is not in the journal, and what comes next
	 * may be. NULL: nothing is kept.
	 */
	int (*keep)(void *ctx, const uint8_t record[LAT_CAPTABLE_RECORD]);
	/* This life has ended: close what was opened by it. Called once for each, children after their parents. NULL is fine. */
	void (*ended)(void *ctx, const struct lat_cap_entry *entry);
};

struct lat_captable;

/*
 * @slots_max: 0 for LAT_CAPTABLE_DEFAULT. @lives: slots_max words that lat_captable_live() reads, zeroed (shared memory that
 * others may read, say); NULL: the table has its own. @key protects the records (root, of the issuer). 0, -EINVAL (over
 * LAT_CAPTABLE_MAX), -ENOMEM.
 */
LAT_MUST_CHECK int lat_captable_open(struct lat_captable **out, uint32_t node, uint32_t slots_max,
				     _Atomic(uint32_t) *lives, const uint8_t key[LAT_CAP_KEY],
				     const struct lat_captable_ops *ops, void *ctx);
/* Ends no life. NULL is fine. */
void lat_captable_close(struct lat_captable *t);

/*
 * A record that keep() was given, in the order in which it was; before anything else is done with the table. Nothing is kept
 * again. 0, or -EBADMSG (not one of this key and node, changed, or out of order): the table is to be closed, and the rights
 * that it gave are to be voided by another key.
 */
LAT_MUST_CHECK int lat_captable_replay(struct lat_captable *t, const uint8_t record[LAT_CAPTABLE_RECORD]);
/*
 * The whole table as the fewest records, for a journal that has grown long: @keep is called for each, and at last with NULL, to put
 * the new journal into the old one's place. When it has, what comes next follows these. 0, or what it said; then the old
 * journal goes on.
 */
LAT_MUST_CHECK int lat_captable_snapshot(struct lat_captable *t,
					 int (*keep)(void *ctx, const uint8_t *record), void *ctx);

/*
 * A new capability. @want: rights, pids, limits, holder (its node, slot, gen and cap_id are ours to choose); *out gets all of
 * it. @parent: NULL, for one of the issuer's own making; else the life that it is made of, which must have the right GRANT and
 * allow all that @want allows.
 * 0, or with *out untouched
 *   -EINVAL      no rights, or one that there is not; no max_msg; no uses
 *   -EACCES      more than the parent allows
 *   -EKEYREVOKED the parent does not live
 *   -ENOBUFS     no slot is free, or LAT_CAPTABLE_BELOW_MAX of them were made of the parent, or of one that it was made of
 *   or what keep() said; nothing was made then
 */
LAT_MUST_CHECK int lat_captable_mint(struct lat_captable *t, const struct lat_cap_ref *parent,
				     const struct lat_cap_desc *want, uint32_t badge, uint64_t uses,
				     struct lat_cap_desc *out);

/*
 * One that no journal hears of: for as long as the table is open. As lat_captable_mint() without a parent; -EINVAL also: with the right
 * GRANT.
 */
LAT_MUST_CHECK int lat_captable_mint_transient(struct lat_captable *t, const struct lat_cap_desc *want,
					       uint32_t badge, struct lat_cap_desc *out);

/* The words that lat_captable_live() reads, by slot: a life lives while its slot's is its generation. As long as the table. */
const _Atomic(uint32_t) *lat_captable_lives(const struct lat_captable *t);
/* Whether this life has not ended. */
bool lat_captable_live(const struct lat_captable *t, struct lat_cap_ref ref);
/* 0, -EKEYREVOKED. */
LAT_MUST_CHECK int lat_captable_get(const struct lat_captable *t, struct lat_cap_ref ref,
				    struct lat_cap_entry *out);
/*
 * One use, of it and of all that it was made of: 0, or -EKEYREVOKED, -EKEYEXPIRED (none is left; nothing was used), or what keep() said.
 * Uses are kept some at a time, before they are used: a crash may cost some, and never gives one back.
 */
LAT_MUST_CHECK int lat_captable_use(struct lat_captable *t, struct lat_cap_ref ref);

/*
 * Ends this life and all that were made of it. They have ended when it returns, whatever it returns: 0; -EKEYREVOKED (it did
 * not live); or what keep() said: after a crash they would live again, which the caller must say loudly. The next change keeps that
 * one, too. *count, if not NULL: how
 * many ended.
 */
LAT_MUST_CHECK int lat_captable_revoke(struct lat_captable *t, struct lat_cap_ref ref, uint32_t *count);

/* The first life in a slot above @after (-1: the first of all). false: there is none. */
bool lat_captable_next(const struct lat_captable *t, int64_t after, struct lat_cap_entry *out);
uint32_t lat_captable_count(const struct lat_captable *t);

#endif
