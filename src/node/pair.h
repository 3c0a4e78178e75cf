/*
 * What links.c, lanes.c and intakes.c share: a pair of members, which is us and one other, with the link between them and the
 * socket over which the two speak of it.
 *
 * One lock for all pairs of a node. The attach thread makes and ends pairs and hears what the other says; any thread sends, and lets go of
 * what it has. Of fastpath/link.h only what reads counters is called under the lock, because the rest may call gone, which takes it.
 */
#ifndef LAT_NODE_PAIR_H
#define LAT_NODE_PAIR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "fastpath/link.h"
#include "node/attach.h"
#include "node/audit.h"
#include "node/links.h"
#include "node/post.h"
#include "node/waitq.h"

struct lat_grant;
struct lat_intake;
struct lat_lives;
struct lat_parked;
struct lat_relay_out;

struct lat_links {
	pthread_mutex_t lock;
	struct lat_attach *attach;
	struct lattice_node *node;
	struct lat_pair *pairs, *dead; /* dead: until the turn is over, an event of theirs may follow */
	struct lat_grant *grants, **grants_end;
	uint32_t grant_count, pair_count;
	_Atomic(uint64_t) alive; /* pairs that have memory and descriptors */
	_Atomic(uint64_t) made, died, broke, lanes, intakes;
};

enum lat_pair_state {
	LAT_PAIR_JOINING, /* its segment has not come */
	LAT_PAIR_JOINED,
	LAT_PAIR_DEAD,
};

struct lat_pair {
	struct lat_links *ls;
	struct lat_pair *next, **at;
	uint64_t member;
	struct lat_audit_who who; /* as the host says */
	int pidfd;                /* -1: none */
	struct lat_post post;
	struct lat_link *link;
	struct lat_attach_tag notes_tag, process_tag;
	_Atomic(int) broken; /* why the attach thread is to end it */
	_Atomic(uint32_t) refs;

	/* The lock's. */
	enum lat_pair_state state;
	struct lat_waitq changed;
	struct lat_lane *lanes;     /* by number, of those the other has heard of */
	struct lat_intake *intakes; /* by number */
	struct lat_parked *parked;
	uint32_t parked_count;
	uint64_t relayed;   /* bytes that its channels to other nodes may hold; the relays' lock */
	uint64_t hosted_ns; /* when it last said that it has a new host */
};

/* ---- links.c ---- */

void lat_pair_put(struct lat_pair *p);
struct lat_pair *lat_pair_get(struct lat_pair *p);
/* Tells the other. If it does not read, the pair is ended soon. Whatever locks are held. */
void lat_pair_tell(struct lat_pair *p, struct lat_note *n);
/* The pair with @member, in whatever state, with a reference, or NULL. */
struct lat_pair *lat_pair_find(struct lat_links *ls, uint64_t member);
/* A pair with @member, with a reference, made if there is none. Waits. 0, -EAGAIN (it went), -ETIMEDOUT, -ECONNREFUSED, ... */
LAT_MUST_CHECK int lat_pair_with(struct lat_pair **out, struct lat_links *ls, uint64_t member,
				 uint64_t deadline_ns);
/* The grant for this CHAN_OPEN is used: *granted. 0, -ENOENT (there is none), -EPROTO (it was given for another channel). */
LAT_MUST_CHECK int lat_grant_use(struct lat_pair *p, const struct lat_note *n, struct lat_note *granted);

/* ---- lanes.c: the attach thread. What breaks a rule is -EPROTO ---- */

int lat_lane_accepted(struct lat_pair *p, const struct lat_note *n);
int lat_lane_refused(struct lat_pair *p, const struct lat_note *n);
int lat_lane_gone(struct lat_pair *p, const struct lat_note *n);
/* The pair is dead. */
void lat_lanes_end(struct lat_pair *p);
/* A life has ended: who waits in a lane of it looks again. The lock is held. */
void lat_lanes_revoked_locked(struct lat_pair *p, struct lat_cap_ref life);
/* RENEWED: the lane that it is about, if it is one of ours, has a life of @lives from now on. The lock is held. */
void lat_lane_renewed_locked(struct lat_pair *p, const struct lat_note *n, struct lat_lives *lives);

/* ---- intakes.c: the attach thread ---- */

/* CHAN_OPEN, whose grant was used: what that said. */
int lat_intake_open(struct lat_pair *p, const struct lat_note *n, const struct lat_note *granted);
int lat_intake_close(struct lat_pair *p, const struct lat_note *n);
bool lat_intake_exists(struct lat_pair *p, uint32_t chan);
/* CARRY. */
int lat_intake_carry(struct lat_pair *p, const struct lat_note *n);
/* CHAN_ASK. */
int lat_intake_ask(struct lat_pair *p, const struct lat_note *n);
/* Tells the other of the channel that leads into @relay. false: it is over, or not entered yet. Any thread. */
bool lat_intake_tell(struct lat_pair *p, uint32_t chan, const struct lat_relay_out *relay,
		     struct lat_note *n);

/*
 * Of this pair, those that are to be ended because their right is, put before @list, for lat_intakes_end() without the lock: all of a life
 * that ended; one whose renewal was refused (else it has another life); all whose life is not of the page @lives. The lock is held.
 */
struct lat_intake *lat_intakes_of_life_locked(struct lat_pair *p, struct lat_cap_ref life,
					      struct lat_intake *list);
struct lat_intake *lat_intake_renewed_locked(struct lat_pair *p, const struct lat_note *n,
					     struct lat_lives *lives, struct lat_intake *list);
struct lat_intake *lat_intakes_unrenewed_locked(struct lat_pair *p, const struct lat_lives *lives,
						struct lat_intake *list);
void lat_intakes_end(struct lat_intake *list);

/* ---- far.c: the attach thread ---- */

/* CHAN_FAR. */
int lat_far_heard(struct lat_pair *p, const struct lat_note *n);

#endif
