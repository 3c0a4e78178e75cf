/* The table, its file, and the root key, which lies in the arena. */
#include "node/issuer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/error.h>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "node/capfile.h"
#include "os/arena.h"
#include "os/clock.h"
#include "os/random.h"

enum { SLACK_DEFAULT = 4096 };

struct lat_issuer {
	pthread_mutex_t lock;
	struct lat_captable *table;
	struct lat_capfile *file; /* NULL: nothing is kept */
	struct lat_arena *arena;
	uint8_t *root; /* in the arena; NULL: shut down */
	uint32_t node, slack;
	void (*ended)(void *ctx, struct lat_cap_ref life);
	void *ctx;
	/* Those that a call has ended, for when it has let go of the lock. */
	struct lat_cap_ref *gone;
	size_t gone_count, gone_room;
};

/* ---- the table's journal: the lock is held ---- */

static int keep(void *ctx, const uint8_t record[LAT_CAPTABLE_RECORD])
{
	struct lat_issuer *iss = ctx;

	return lat_capfile_keep(iss->file, record, iss->root);
}

static int keep_next(void *ctx, const uint8_t *record)
{
	struct lat_issuer *iss = ctx;

	return record != NULL ? lat_capfile_next_add(iss->file, record)
			      : lat_capfile_next_put(iss->file, iss->root);
}

static int replay(void *ctx, const uint8_t record[LAT_CAPTABLE_RECORD])
{
	struct lat_issuer *iss = ctx;

	return lat_captable_replay(iss->table, record);
}

/* Before a change: the old journal goes on when this fails, if it can. */
static void compact(struct lat_issuer *iss)
{
	int rc;

	if (iss->file == NULL ||
	    (!lat_capfile_lost(iss->file) &&
	     lat_capfile_count(iss->file) <= iss->slack + 2 * (uint64_t)lat_captable_count(iss->table)))
		return;
	rc = lat_captable_snapshot(iss->table, keep_next, iss);
	lat_capfile_next_drop(iss->file);
	if (rc < 0)
		lat_log(LAT_LOG_WARN, "the journal of capabilities cannot be written anew: %s",
			lattice_error_name(rc));
}

/* A life that cannot be remembered has ended all the same, but only its word says so: channels find out when they look. */
static void on_ended(void *ctx, const struct lat_cap_entry *entry)
{
	struct lat_issuer *iss = ctx;

	if (iss->ended == NULL)
		return;
	if (iss->gone_count == iss->gone_room) {
		size_t room = iss->gone_room * 2 + 16;
		struct lat_cap_ref *more = realloc(iss->gone, room * sizeof(*more));

		if (more == NULL)
			return;
		iss->gone = more;
		iss->gone_room = room;
	}
	iss->gone[iss->gone_count++] = (struct lat_cap_ref){ entry->desc.slot, entry->desc.gen };
}

/* Lets go of the lock, and tells of what has ended. */
static void unlock_and_tell(struct lat_issuer *iss)
{
	struct lat_cap_ref *gone = iss->gone;
	size_t count = iss->gone_count;

	iss->gone = NULL;
	iss->gone_count = iss->gone_room = 0;
	pthread_mutex_unlock(&iss->lock);
	for (size_t i = 0; i < count; i++)
		iss->ended(iss->ctx, gone[i]);
	free(gone);
}

/* ---- life ---- */

/* The table's own key: the root does not lie where the table does. */
static void journal_key(uint8_t out[LAT_CAP_KEY], const uint8_t root[LAT_CAP_KEY])
{
	static const char label[] = "lattice journal";
	const struct lat_bytes part = { label, sizeof(label) };

	lat_hmac(out, root, &part, 1);
}

static int open_table(struct lat_issuer *iss, const struct lat_issuer_config *cfg)
{
	const struct lat_captable_ops ops = { .keep = cfg->path != NULL ? keep : NULL, .ended = on_ended };
	struct lat_capfile_owner owner = { .node = cfg->node };
	uint8_t key[LAT_CAP_KEY];
	int rc = 0;

	if (cfg->id != NULL)
		memcpy(owner.id, cfg->id, sizeof(owner.id));
	lat_random(iss->root, LAT_CAP_KEY);
	if (cfg->path != NULL)
		rc = lat_capfile_open(&iss->file, cfg->path, &owner, iss->root);
	if (rc < 0)
		return rc;
	journal_key(key, iss->root);
	rc = lat_captable_open(&iss->table, cfg->node, cfg->count != 0 ? cfg->count : LAT_CAPTABLE_MAX,
			       cfg->lives, key, &ops, iss);
	lat_wipe(key, sizeof(key));
	if (rc == 0 && iss->file != NULL)
		rc = lat_capfile_replay(iss->file, replay, iss);
	return rc;
}

int lat_issuer_open(struct lat_issuer **out, const struct lat_issuer_config *cfg)
{
	struct lat_issuer *iss = calloc(1, sizeof(*iss));
	int rc;

	*out = NULL;
	if (iss == NULL)
		return -ENOMEM;
	pthread_mutex_init(&iss->lock, NULL);
	iss->node = cfg->node;
	iss->slack = cfg->slack != 0 ? cfg->slack : SLACK_DEFAULT;
	rc = lat_arena_open(&iss->arena, 1, true);
	iss->root = rc == 0 ? lat_arena_get(iss->arena) : NULL;
	if (rc == 0)
		rc = iss->root != NULL ? open_table(iss, cfg) : -ENOMEM;
	if (rc < 0) {
		lat_issuer_close(iss);
		return rc;
	}
	iss->ended = cfg->ended; /* what the journal ended long ago is not told */
	iss->ctx = cfg->ctx;
	*out = iss;
	return 0;
}

void lat_issuer_shutdown(struct lat_issuer *iss)
{
	pthread_mutex_lock(&iss->lock);
	lat_capfile_close(iss->file);
	iss->file = NULL;
	lat_arena_close(iss->arena);
	iss->arena = NULL;
	iss->root = NULL;
	pthread_mutex_unlock(&iss->lock);
}

void lat_issuer_close(struct lat_issuer *iss)
{
	if (iss == NULL)
		return;
	lat_captable_close(iss->table);
	lat_capfile_close(iss->file);
	lat_arena_close(iss->arena);
	free(iss->gone);
	pthread_mutex_destroy(&iss->lock);
	free(iss);
}

/* ---- what is shown ---- */

int lat_issuer_key(struct lat_issuer *iss, const uint8_t desc[LAT_CAP_DESC], const uint8_t *caveats,
		   size_t count, uint8_t k[LAT_CAP_KEY])
{
	struct lat_cap_desc d;
	int rc;

	if (lat_cap_desc_decode(&d, desc) < 0 || d.node != iss->node)
		return -EACCES;
	pthread_mutex_lock(&iss->lock);
	rc = iss->root != NULL ? lat_cap_key_chain(k, iss->root, desc, caveats, count) : -EACCES;
	pthread_mutex_unlock(&iss->lock);
	return rc;
}

static bool is_any(const uint8_t holder[LAT_CAP_HOLDER])
{
	static const uint8_t any[LAT_CAP_HOLDER];

	return memcmp(holder, any, sizeof(any)) == 0;
}

/* What is shown: what it allows by itself, and the lives that it names, its own first. */
struct shown {
	struct lat_cap_desc allows;
	struct lat_cap_ref lives[1 + LAT_CAP_CAVEATS_MAX];
	size_t count;
};

static int read_shown(const struct lat_issuer *iss, struct shown *s, const uint8_t desc[LAT_CAP_DESC],
		      const uint8_t *caveats, size_t count)
{
	struct lat_caveat decoded[LAT_CAP_CAVEATS_MAX];

	if (count > LAT_CAP_CAVEATS_MAX || lat_cap_desc_decode(&s->allows, desc) < 0 ||
	    s->allows.node != iss->node)
		return -EACCES;
	s->lives[0] = (struct lat_cap_ref){ s->allows.slot, s->allows.gen };
	s->count = 1;
	for (size_t i = 0; i < count; i++) {
		if (lat_caveat_decode(&decoded[i], caveats + i * LAT_CAP_CAVEAT) < 0)
			return -EACCES;
		if (decoded[i].type == LAT_CAVEAT_SLOT)
			s->lives[s->count++] = (struct lat_cap_ref){ lat_get_le32(decoded[i].value),
								     lat_get_le32(decoded[i].value + 4) };
	}
	return lat_cap_narrow(&s->allows, decoded, count);
}

/*
 * All live, and each was made of the one before: then the last one decides for all of them. *last: what the table has of it. 0, -EKEYREVOKED,
 * -EACCES. The lock is held.
 */
static int check_lives(const struct lat_issuer *iss, const struct shown *s, struct lat_cap_entry *last)
{
	struct lat_cap_entry at;
	size_t left = s->count - 1;

	for (size_t i = 0; i < s->count; i++)
		if (!lat_captable_live(iss->table, s->lives[i]))
			return -EKEYREVOKED;
	if (lat_captable_get(iss->table, s->lives[left], last) < 0)
		return -EKEYREVOKED;
	for (at = *last;;) { /* from the last one up, past each of the others */
		while (left > 0 && at.desc.slot == s->lives[left - 1].slot)
			left--;
		if (left == 0)
			return 0;
		if (at.parent.gen == 0 || lat_captable_get(iss->table, at.parent, &at) < 0)
			return -EACCES;
	}
}

/* Now, to this holder. What the table's entry says counts too: a slot may allow less than what names it. */
static int check_shown(const struct lat_issuer *iss, struct shown *s, const uint8_t holder[LAT_CAP_HOLDER],
		       uint64_t now, struct lat_cap_entry *last)
{
	struct lat_cap_desc *d = &s->allows;
	const struct lat_cap_desc *e = &last->desc;
	int rc = check_lives(iss, s, last);

	if (rc < 0)
		return rc;
	d->rights &= e->rights;
	if (e->not_after != 0 && (d->not_after == 0 || e->not_after < d->not_after))
		d->not_after = e->not_after;
	if (e->max_msg < d->max_msg)
		d->max_msg = e->max_msg;
	if (e->rate != 0 && (d->rate == 0 || e->rate < d->rate))
		d->rate = e->rate;
	if (d->not_after != 0 && now > d->not_after)
		return -EKEYEXPIRED;
	if ((!is_any(d->holder) && memcmp(d->holder, holder, LAT_CAP_HOLDER) != 0) ||
	    (!is_any(e->holder) && memcmp(e->holder, holder, LAT_CAP_HOLDER) != 0))
		return -EACCES;
	if (d->src_pid == LAT_CAP_ANY_PID)
		d->src_pid = e->src_pid;
	if (e->dst_pid != d->dst_pid || (e->src_pid != LAT_CAP_ANY_PID && d->src_pid != e->src_pid))
		return -EACCES;
	return 0;
}

static int admit_locked(struct lat_issuer *iss, const struct lat_issuer_ask *ask, struct lat_admission *out)
{
	struct lat_cap_entry last;
	struct shown s;
	int rc = read_shown(iss, &s, ask->desc, ask->caveats, ask->count);

	if (rc == 0)
		rc = check_shown(iss, &s, ask->holder, ask->now_unix, &last);
	if (rc < 0)
		return rc;
	if ((s.allows.src_pid != LAT_CAP_ANY_PID && s.allows.src_pid != ask->src) ||
	    s.allows.dst_pid != ask->dst || (s.allows.rights & LAT_RIGHT_OPEN) == 0 || iss->root == NULL)
		return -EACCES;
	compact(iss);
	rc = lat_captable_use(iss->table, s.lives[s.count - 1]);
	if (rc < 0)
		return rc;
	*out = (struct lat_admission){
		.life = s.lives[s.count - 1],
		.rights = s.allows.rights,
		.badge = last.badge,
		.src_pid = s.allows.src_pid,
		.max_msg = s.allows.max_msg,
		.rate = s.allows.rate,
		.not_after = s.allows.not_after,
	};
	return 0;
}

int lat_issuer_admit(struct lat_issuer *iss, const struct lat_issuer_ask *ask, struct lat_admission *out)
{
	int rc;

	pthread_mutex_lock(&iss->lock);
	rc = admit_locked(iss, ask, out);
	pthread_mutex_unlock(&iss->lock);
	return rc;
}

/* Whether it was made by us, and its key is right. */
static int check_key(struct lat_issuer *iss, const struct lat_cap_right *right)
{
	uint8_t k[LAT_CAP_KEY];
	int rc = lat_issuer_key(iss, right->desc, right->caveats[0], right->caveat_count, k);

	if (rc == 0 && !lat_equal_ct(k, right->key, sizeof(k)))
		rc = -EACCES;
	lat_wipe(k, sizeof(k));
	return rc;
}

int lat_issuer_present(struct lat_issuer *iss, const struct lat_cap_right *right,
		       const uint8_t holder[LAT_CAP_HOLDER], int32_t src, int32_t dst, uint64_t now_unix,
		       struct lat_admission *out)
{
	struct lat_issuer_ask ask = { .desc = right->desc,
				      .caveats = right->caveats[0],
				      .count = right->caveat_count,
				      .src = src,
				      .dst = dst,
				      .now_unix = now_unix };
	int rc = check_key(iss, right);

	memcpy(ask.holder, holder, sizeof(ask.holder));
	return rc < 0 ? rc : lat_issuer_admit(iss, &ask, out);
}

const _Atomic(uint32_t) *lat_issuer_lives(const struct lat_issuer *iss)
{
	return lat_captable_lives(iss->table);
}

int lat_issuer_present_sender(struct lat_issuer *iss, const struct lat_cap_right *right,
			      const uint8_t holder[LAT_CAP_HOLDER], int32_t src, int32_t dst,
			      uint64_t now_unix, struct lat_admission *out)
{
	struct lat_admission may;
	int rc = lat_issuer_present(iss, right, holder, src, dst, now_unix, &may);

	if (rc < 0)
		return rc;
	if ((may.rights & (LAT_RIGHT_SEND | LAT_RIGHT_CALL)) == 0)
		return -EACCES;
	may.max_msg = lat_cap_msg_max((uint16_t)may.rights, may.max_msg);
	*out = may;
	return 0;
}

bool lat_issuer_live(const struct lat_issuer *iss, struct lat_cap_ref life)
{
	return lat_captable_live(iss->table, life);
}

/* ---- making ---- */

/* Room by ending what has expired: nobody can use that any more. Whether there was any. The lock is held. */
static bool sweep(struct lat_issuer *iss, uint64_t now)
{
	struct lat_cap_entry e;
	bool any = false;

	for (int64_t at = -1; lat_captable_next(iss->table, at, &e); at = e.desc.slot)
		if (e.desc.not_after != 0 && now > e.desc.not_after) {
			const struct lat_cap_ref life = { e.desc.slot, e.desc.gen };

			any = true;
			if (lat_captable_revoke(iss->table, life, NULL) < 0)
				break;
		}
	return any;
}

static int mint_locked(struct lat_issuer *iss, const struct lat_cap_ref *parent,
		       const struct lat_cap_desc *want, uint32_t badge, uint64_t uses,
		       struct lat_cap_right *out)
{
	struct lat_cap_desc made;
	int rc;

	if (iss->root == NULL)
		return -ESHUTDOWN;
	compact(iss);
	rc = lat_captable_mint(iss->table, parent, want, badge, uses, &made);
	if (rc == -ENOBUFS && sweep(iss, lat_clock_wall_s()))
		rc = lat_captable_mint(iss->table, parent, want, badge, uses, &made);
	if (rc == 0)
		lat_cap_right_issue(out, iss->root, &made);
	return rc;
}

int lat_issuer_mint(struct lat_issuer *iss, const struct lat_cap_desc *want, uint32_t badge, uint64_t uses,
		    struct lat_cap_right *out)
{
	int rc;

	pthread_mutex_lock(&iss->lock);
	rc = mint_locked(iss, NULL, want, badge, uses, out);
	unlock_and_tell(iss);
	return rc;
}

static int derive_locked(struct lat_issuer *iss, const struct lat_cap_right *parent,
			 const uint8_t holder[LAT_CAP_HOLDER], const struct lat_cap_desc *wanted,
			 uint32_t badge, uint64_t uses, uint64_t now, struct lat_cap_right *out)
{
	struct lat_cap_desc want = *wanted;
	struct lat_cap_entry last = { 0 };
	struct shown s;
	int rc = read_shown(iss, &s, parent->desc, parent->caveats[0], parent->caveat_count);

	if (rc == 0)
		rc = check_shown(iss, &s, holder, now, &last);
	if (rc < 0)
		return rc;
	if (want.dst_pid == 0)
		want.dst_pid = s.allows.dst_pid;
	if (want.src_pid == LAT_CAP_ANY_PID)
		want.src_pid = s.allows.src_pid;
	if (want.not_after == 0)
		want.not_after = s.allows.not_after;
	if (want.max_msg == 0)
		want.max_msg = s.allows.max_msg;
	if (want.rate == 0)
		want.rate = s.allows.rate;
	if (badge == 0)
		badge = last.badge;
	if (!lat_cap_is_within(&s.allows, &want))
		return -EACCES;
	return mint_locked(iss, &s.lives[s.count - 1], &want, badge, uses, out);
}

int lat_issuer_derive(struct lat_issuer *iss, const struct lat_cap_right *parent,
		      const uint8_t holder[LAT_CAP_HOLDER], const struct lat_cap_desc *want, uint32_t badge,
		      uint64_t uses, uint64_t now_unix, struct lat_cap_right *out)
{
	int rc = check_key(iss, parent);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&iss->lock);
	rc = derive_locked(iss, parent, holder, want, badge, uses, now_unix, out);
	unlock_and_tell(iss);
	return rc;
}

int lat_issuer_grant_identity(struct lat_issuer *iss, const struct lat_cap_desc *want, uint32_t badge,
			      struct lat_cap_ref *life)
{
	struct lat_cap_desc made;
	int rc;

	pthread_mutex_lock(&iss->lock);
	rc = iss->root == NULL ? -ESHUTDOWN : lat_captable_mint_transient(iss->table, want, badge, &made);
	if (rc == -ENOBUFS && sweep(iss, lat_clock_wall_s()))
		rc = lat_captable_mint_transient(iss->table, want, badge, &made);
	pthread_mutex_unlock(
		&iss->lock); /* the caller may hold locks: the next call that makes or ends one tells what ended */
	if (rc == 0)
		*life = (struct lat_cap_ref){ made.slot, made.gen };
	return rc;
}

/* ---- ending ---- */

static int revoke_locked(struct lat_issuer *iss, struct lat_cap_ref life, uint32_t *count)
{
	int rc;

	if (iss->root == NULL)
		return -ESHUTDOWN;
	compact(iss);
	rc = lat_captable_revoke(iss->table, life, count);
	if (rc < 0 && rc != -EKEYREVOKED)
		lat_log(LAT_LOG_ERROR,
			"a capability was revoked, which could not be written to the disk: %s. If this node ends before the "
			"next one is made or revoked, it lives again",
			lattice_error_name(rc));
	return rc;
}

int lat_issuer_revoke(struct lat_issuer *iss, struct lat_cap_ref life, uint32_t *count)
{
	int rc;

	pthread_mutex_lock(&iss->lock);
	rc = revoke_locked(iss, life, count);
	unlock_and_tell(iss);
	return rc;
}

int lat_issuer_revoke_shown(struct lat_issuer *iss, const struct lat_cap_right *right, uint32_t *count)
{
	struct lat_cap_entry last;
	struct shown s;
	int rc = check_key(iss, right);

	if (rc == 0)
		rc = read_shown(iss, &s, right->desc, right->caveats[0], right->caveat_count);
	if (rc != 0)
		return -EBADMSG;
	pthread_mutex_lock(&iss->lock);
	rc = iss->root != NULL ? check_lives(iss, &s, &last) : -ESHUTDOWN;
	if (rc == 0)
		rc = revoke_locked(iss, s.lives[s.count - 1], count);
	else if (rc == -EACCES) /* a life that is none of those that were made of it */
		rc = -EBADMSG;
	unlock_and_tell(iss);
	return rc;
}

int lat_issuer_revoke_holder(struct lat_issuer *iss, const uint8_t holder[LAT_CAP_HOLDER], uint32_t *count)
{
	struct lat_cap_entry e;
	uint32_t all = 0, ended;
	int rc = 0, failed;

	pthread_mutex_lock(&iss->lock);
	for (int64_t at = -1; lat_captable_next(iss->table, at, &e); at = e.desc.slot) {
		const struct lat_cap_ref life = { e.desc.slot, e.desc.gen };

		if (memcmp(e.desc.holder, holder, LAT_CAP_HOLDER) != 0)
			continue;
		ended = 0;
		failed = revoke_locked(iss, life, &ended);
		all += ended;
		if (rc == 0)
			rc = failed;
	}
	unlock_and_tell(iss);
	if (count != NULL)
		*count = all;
	return rc;
}

int lat_issuer_get(struct lat_issuer *iss, struct lat_cap_ref life, struct lat_cap_entry *out)
{
	int rc;

	pthread_mutex_lock(&iss->lock);
	rc = lat_captable_get(iss->table, life, out);
	pthread_mutex_unlock(&iss->lock);
	return rc;
}

bool lat_issuer_next(struct lat_issuer *iss, int64_t after, struct lat_cap_entry *out)
{
	bool found;

	pthread_mutex_lock(&iss->lock);
	found = lat_captable_next(iss->table, after, out);
	pthread_mutex_unlock(&iss->lock);
	return found;
}

uint32_t lat_issuer_count(struct lat_issuer *iss)
{
	uint32_t count;

	pthread_mutex_lock(&iss->lock);
	count = lat_captable_count(iss->table);
	pthread_mutex_unlock(&iss->lock);
	return count;
}
