/*
 * What is asked of an issuer, and its answer, as structs and as notes (ISSUE, ISSUED). Both may hold a capability's key: they are wiped by
 * whoever has them.
 *
 *   ISSUE   flags what; tier badge; number uses, or the revocation, or the slot after that; of the parent, or of what is
 *           shown to be revoked: chan its caveats, ticket its key; counts, as bytes: the wanted descriptor (its life or holder are what is to be
 *           revoked), the parent's, its caveats
 *   ISSUED  of the new one: chan 0, ticket its key; counts: its descriptor, or that of the entry; tier badge; number uses, or the revocation;
 *           in counts from word 33: ended, channels, told, nodes, ns; the parent's slot, gen
 */
#ifndef LAT_NODE_ISSUE_H
#define LAT_NODE_ISSUE_H

#include <stdint.h>

#include <lattice/cap.h>

#include "base/util.h"
#include "cap/right.h"
#include "cap/table.h"
#include "node/grants.h"
#include "node/note.h"

struct lat_issue_request {
	enum lat_note_issue what;
	struct lat_cap_desc want;
	uint32_t badge;
	uint64_t uses;
	uint64_t number;             /* a revocation; or the slot after which to look, and one */
	struct lat_cap_right parent; /* or what is shown to be revoked */
};

struct lat_issue_answer {
	struct lat_cap_right right;
	struct lat_cap_entry entry;
	uint64_t revocation;
	struct lattice_cap_told told;
};

/* The answer's right, entry or what was told is there as what was asked says. As <lattice/cap.h>; -ENOENT: no such revocation, none next. */
LAT_MUST_CHECK int lat_grants_do(struct lat_grants *g, const struct lat_grants_asker *who,
				 const struct lat_issue_request *q, struct lat_issue_answer *out);
/*
 * Waits until all senders on other nodes were told, or @deadline_ns. 0 (also when it came), or as lat_waitq_wait(). *out: what is known
 * then; untouched if the revocation is forgotten.
 */
LAT_MUST_CHECK int lat_grants_wait_told(struct lat_grants *g, uint64_t revocation, uint64_t deadline_ns,
					struct lattice_cap_told *out);

void lat_issue_put_request(struct lat_note *n, const struct lat_issue_request *q);
/* 0, -EINVAL (a member says anything). */
LAT_MUST_CHECK int lat_issue_get_request(struct lat_issue_request *q, const struct lat_note *n);
void lat_issue_put_answer(struct lat_note *n, const struct lat_issue_answer *a, int rc);
/* What the host says is believed in form, and checked all the same. 0, -EPROTO. n->rc is for the caller. */
LAT_MUST_CHECK int lat_issue_get_answer(struct lat_issue_answer *a, const struct lat_note *n);

#endif
