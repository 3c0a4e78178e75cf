/*
 * The issuer (PROTOCOL 6.1): makes the capabilities of a node, says whether one that is shown is good, and ends them. What it has given out
 * and what it has ended outlives it when it has a file; else the next issuer has another key, which voids them all.
 *
 * Threads: any, under a mutex of its own, which is held while the disk is written to; nothing else is taken under it. It may be called under
 * any other lock but in ended(), which is called with none, by the thread that ended the life.
 */
#ifndef LAT_NODE_ISSUER_H
#define LAT_NODE_ISSUER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/right.h"
#include "cap/table.h"

struct lat_issuer;

struct lat_issuer_config {
	uint32_t node;
	const uint8_t *id;        /* LAT_CAP_HOLDER bytes of its key; NULL: it has none */
	const char *path;         /* of the file (capfile.h); NULL: nothing outlives it */
	_Atomic(uint32_t) *lives; /* @count words, zeroed, for lat_captable_open(); NULL: its own */
	uint32_t count;           /* 0: LAT_CAPTABLE_MAX */
	uint32_t
		slack; /* the journal is written anew when it has so many records more than twice what its table needs; 0: 4096 */
	/* Lives that have ended, each once, children after their parents. NULL is fine. */
	void (*ended)(void *ctx, struct lat_cap_ref life);
	void *ctx;
};

/* 0, or with a sentence as lat_capfile_open(), -ENOMEM, -EINVAL, -ENOSYS. */
LAT_MUST_CHECK int lat_issuer_open(struct lat_issuer **out, const struct lat_issuer_config *cfg);
/* Wipes the key and closes the file: what lives stays so, nothing that is shown is good any more, and nothing can be made or ended (-ESHUTDOWN). */
void lat_issuer_shutdown(struct lat_issuer *iss);
/* Ends no life. Wipes. NULL is fine. */
void lat_issuer_close(struct lat_issuer *iss);

/* ---- what is shown ---- */

/* k_n of what is said to be one of ours, to compare a proof with. 0, -EACCES (it cannot be one). */
LAT_MUST_CHECK int lat_issuer_key(struct lat_issuer *iss, const uint8_t desc[LAT_CAP_DESC],
				  const uint8_t *caveats, size_t count, uint8_t k[LAT_CAP_KEY]);

/* Who asks for a channel, with what. */
struct lat_issuer_ask {
	const uint8_t *desc;    /* LAT_CAP_DESC bytes */
	const uint8_t *caveats; /* @count of LAT_CAP_CAVEAT bytes each */
	size_t count;
	uint8_t holder[LAT_CAP_HOLDER]; /* who it is */
	int32_t src, dst;
	uint64_t now_unix; /* seconds */
};
/* What it may: for as long as @life lives. */
struct lat_admission {
	struct lat_cap_ref life; /* {0, 0}: for ever */
	uint32_t rights;         /* of enum lat_right */
	uint32_t badge;
	int32_t src_pid; /* LAT_CAP_ANY_PID: none was named */
	uint32_t max_msg;
	uint32_t rate;      /* a second; 0: any */
	uint64_t not_after; /* unix seconds; 0: never */
};
/*
 * One whose holder has proved its key. Of a capability that counts its uses this is one. 0, or
 *   -EKEYREVOKED  it, or what it was made of, does not live
 *   -EKEYEXPIRED  its time is over, or its uses
 *   -EACCES       it is another holder's, or for other pids, or not to open channels; or no capability at all
 *   or why a use could not be kept (-ENOSPC, ...)
 */
LAT_MUST_CHECK int lat_issuer_admit(struct lat_issuer *iss, const struct lat_issuer_ask *ask,
				    struct lat_admission *out);
/* The same for one that is shown with its key, by a process of this machine. -EACCES also: the key is not right. */
LAT_MUST_CHECK int lat_issuer_present(struct lat_issuer *iss, const struct lat_cap_right *right,
				      const uint8_t holder[LAT_CAP_HOLDER], int32_t src, int32_t dst,
				      uint64_t now_unix, struct lat_admission *out);

/* As lat_captable_lives(). */
const _Atomic(uint32_t) *lat_issuer_lives(const struct lat_issuer *iss);
/* The same for who is to send or call on it: -EACCES also with neither right; without LAT_RIGHT_BULK nothing over LAT_CAP_SHORT_MAX. */
LAT_MUST_CHECK int lat_issuer_present_sender(struct lat_issuer *iss, const struct lat_cap_right *right,
					     const uint8_t holder[LAT_CAP_HOLDER], int32_t src, int32_t dst,
					     uint64_t now_unix, struct lat_admission *out);

bool lat_issuer_live(const struct lat_issuer *iss, struct lat_cap_ref life);

/* ---- making and ending ---- */

/*
 * A new one. @want: rights, pids, limits, holder; the rest is chosen here. The caller wipes *out. 0, or as lat_captable_mint(), or as
 * lat_capfile_keep().
 */
LAT_MUST_CHECK int lat_issuer_mint(struct lat_issuer *iss, const struct lat_cap_desc *want, uint32_t badge,
				   uint64_t uses, struct lat_cap_right *out);
/*
 * One made of another, for whoever shows that: the parent's holder or, if it is a bearer's, anybody. A limit that is 0 in @want is the
 * parent's, and so are a badge of 0 and a src_pid of LAT_CAP_ANY_PID. 0, or as lat_issuer_present() and lat_issuer_mint(); -EACCES also: more than the
 * parent allows, or the parent has not the right GRANT.
 */
LAT_MUST_CHECK int lat_issuer_derive(struct lat_issuer *iss, const struct lat_cap_right *parent,
				     const uint8_t holder[LAT_CAP_HOLDER], const struct lat_cap_desc *want,
				     uint32_t badge, uint64_t uses, uint64_t now_unix,
				     struct lat_cap_right *out);
/*
 * A life for what is granted to somebody for who it is: a rule, not a capability. Not kept. ended() is not called by it, whatever has expired
 * and made room: by the next call that makes or ends a capability. @want: as of lat_issuer_mint(); its holder is
 * who. 0, or as lat_captable_mint_transient().
 */
LAT_MUST_CHECK int lat_issuer_grant_identity(struct lat_issuer *iss, const struct lat_cap_desc *want,
					     uint32_t badge, struct lat_cap_ref *life);

/*
 * Ends it and all that was made of it: on the disk when it returns 0. 0, -EKEYREVOKED (it did not live), or why that was not kept: then
 * they have ended, but would live again after a crash before the next change; it is logged as an error, too. *count: how many; NULL is fine.
 */
LAT_MUST_CHECK int lat_issuer_revoke(struct lat_issuer *iss, struct lat_cap_ref life, uint32_t *count);
/*
 * The same by the capability itself: of the lives that its chain names the last, by which it lives. Whose it is, and whether its time is over, does
 * not matter. -EBADMSG also: it was not made here, or was changed (then nothing has ended).
 */
LAT_MUST_CHECK int lat_issuer_revoke_shown(struct lat_issuer *iss, const struct lat_cap_right *right,
					   uint32_t *count);
/* All that name this holder, grants by identity too. 0 also when there were none; or the first error of those. */
LAT_MUST_CHECK int lat_issuer_revoke_holder(struct lat_issuer *iss, const uint8_t holder[LAT_CAP_HOLDER],
					    uint32_t *count);

/* 0, -EKEYREVOKED. */
LAT_MUST_CHECK int lat_issuer_get(struct lat_issuer *iss, struct lat_cap_ref life, struct lat_cap_entry *out);
/* How many live. */
uint32_t lat_issuer_count(struct lat_issuer *iss);
/* As lat_captable_next(). */
bool lat_issuer_next(struct lat_issuer *iss, int64_t after, struct lat_cap_entry *out);

#endif
