/*
 * Two engines and every packet that either has sent, for the search of interleave_test.c. A packet that was sent stays in the
 * pool: it may be delivered at any later step, again, or never. So loss, duplicates, delay and reordering are all the same move.
 */
#ifndef LAT_TESTS_INTERLEAVE_H
#define LAT_TESTS_INTERLEAVE_H

#include "session/engine_harness.h"
#include "session/machine.h"

enum {
	POOL_MAX = 64,
	POOL_BYTES = 1472,
	STARTS_MAX = 2, /* handshakes that one side begins of itself */
	SIDS_MAX = 16,
	DRAW_KINDS = 5,
	GOOD_S = 80,     /* in which what was given up is begun again */
	RENEWED_S = 300, /* in which a session is renewed */
};

enum scene {
	SCENE_BOTH,   /* either may call */
	SCENE_ONE,    /* only the first knows where the other is */
	SCENE_COOKIE, /* the second demands cookies */
	SCENES
};
extern const char *const scene_names[SCENES];

enum move_kind {
	MOVE_START,   /* a side wants a session, or a new one */
	MOVE_RETRY,   /* the time comes at which a side sends its handshake packet again */
	MOVE_GIVE_UP, /* nothing arrives for so long that attempts and half-open entries are over */
	MOVE_DELIVER,
};
struct move {
	enum move_kind kind;
	int which; /* side, or place in the pool */
};

struct pool_packet {
	int from, to;
	size_t bytes;
	uint64_t name;
	uint8_t data[POOL_BYTES];
};

struct pair {
	struct world *w;
	struct world_options o;
	enum scene scene;
	struct pool_packet pool[POOL_MAX];
	size_t pooled, left_out;
	int starts[2];
	uint32_t draws[2][DRAW_KINDS];
	/* Sessions that their initiator had: only these may be a responder's current one. */
	uint8_t made[SIDS_MAX][LAT_SID];
	size_t made_count;
	const char *wrong; /* NULL, or what must not be */
};

/* @p is what it is until the process ends: nobody closes it. */
void pair_open(struct pair *p, enum scene scene);
/* Every move that is possible now. Returns how many. */
size_t pair_moves(const struct pair *p, struct move *out, size_t max);
/* Does it, and looks at what must hold after every move; p->wrong says what did not. */
void pair_move(struct pair *p, const struct move *m);
/* A name for what the two ends and the pool are: equal names, equal futures (interleave.c says up to what). */
uint64_t pair_name(const struct pair *p);
/* The same for the two ends alone, and for one of them. */
uint64_t pair_ends_name(const struct pair *p);
uint64_t pair_side_name(const struct pair *p, int side);
/*
 * From here on the network is good: NULL when a message gets through each way, and both ends come to one session. *late: that is
 * only when it is next renewed; until then each sends in a session that the other opens.
 */
const char *pair_recovers(struct pair *p, bool *late);
void pair_print_move(const struct pair *p, const struct move *m);

#endif
