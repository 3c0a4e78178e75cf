/*
 * A storm and its oracle: engines of src/session in virtual time, channels between them, and what is known of every
 * message. All of a run follows from its seed.
 */
#ifndef LAT_TESTS_SIM_H
#define LAT_TESTS_SIM_H

#include "session/engine_harness.h"

enum { SIM_FLOWS = 6, SIM_CALLS = 2048 };

/* One channel that the oracle watches. */
struct sim_flow {
	struct world_chan *out;
	int from, to;
	bool closing; /* we asked for its end */
	/* The right that it was opened by, and the life below that which decides; {0, 0}: as who the sender is. */
	struct lat_cap_ref right, life;
	bool calls; /* the right allows them; who the sender is does not */
	bool revoked;
	bool receiver_lost; /* what it took is not known any more */
};

/* A call that was made on one of them. */
struct sim_call {
	struct world_call call; /* how it is known to its node */
	int from, to;
	uint64_t seq;          /* of its request */
	uint64_t cancel_seq;   /* of the message that it was given up by; 0: none */
	uint64_t due;          /* it is given up then */
	bool forbidden;        /* it must not be received */
	struct world_chan *in; /* where it was received; NULL: not yet */
	bool answered;
	size_t answer_bytes;
	bool done; /* it is over, and that was right; or nobody waits for it any more */
};

struct sim {
	struct world *w;
	struct world_options o;
	uint64_t seed;
	struct sim_flow flow[SIM_FLOWS];
	struct sim_call *calls; /* all that were made */
	uint32_t call_count;
	bool down[WORLD_NODES]; /* crashed and not started again */
	int32_t next_pid;
	const char *act;
	int acts;
};

/* ---- sim.c: channels and the oracle ---- */
void sim_open(struct sim *s, uint64_t seed);
void sim_close(struct sim *s);
/* Prints what is wrong and how to see it again, and fails the test. */
void sim_fail(const struct sim *s, const char *what, int flow);
/* What must hold at any time. Opens new channels where one is over. */
void sim_check(struct sim *s);
/* What must hold when the weather has been calm for long enough. */
void sim_check_end(struct sim *s);
/* Sends some messages on each channel, as long as there is room. */
void sim_send(struct sim *s);
/* Every receiver takes @room messages more; UINT64_MAX: all. */
void sim_room(struct sim *s, uint64_t room);
void sim_crash(struct sim *s, int node);
/* Ends the right of some channel, or what that was made of; or at first only the issuer knows. */
void sim_revoke(struct sim *s);
/* Starts it, and waits until the others know: theirs must have ended. */
void sim_boot(struct sim *s, int node);

/* ---- calls.c ---- */
void sim_calls_open(struct sim *s);
void sim_calls_close(struct sim *s);
/* Makes some calls on each channel. */
void sim_call(struct sim *s);
/* Answers some that were received, also twice, and such as were not; gives some up that were made. */
void sim_answer(struct sim *s);
/* How many messages of @out, up to number @upto, its receiver's application never gets: forbidden calls, and that calls were given up. */
uint64_t sim_unheard(const struct sim *s, const struct world_chan *out, uint64_t upto);
/* Who called there waits no more. */
void sim_calls_crash(struct sim *s, int node);
/* What must hold at any time; before what is over is opened again. */
void sim_calls_check(struct sim *s);
/* The weather is calm: all are answered, and all are over. */
void sim_calls_end(struct sim *s);

/* ---- weather.c ---- */
/* Does one thing to the world, drawn from its seed. */
void sim_act(struct sim *s);
void sim_calm(struct sim *s);

#endif
