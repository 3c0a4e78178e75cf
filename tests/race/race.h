/*
 * Races of revoking with everything else, on real threads, processes and sockets, and the oracle that judges them. It knows of the library
 * what its headers promise, and nothing more.
 *
 * A flow is a line of races, one after the other. In each of them the *keeper*, at the issuer's node, grants a right and ends it, in the middle
 * of what the *sender* does by it. All that both and the receivers know lies on a board, which their processes share, and carries the time by
 * a clock of its own, that each return of lattice_cap_revoke() moves on:
 *   - a receive that began after that return never yields a message of that right;
 *   - what the sender hears to have been received is what was received, and nothing comes once he has heard it;
 *   - no send that begins after that return is accepted (on this machine; another node's sender hears of it some time later), nor a loan
 *     published, nothing derived, no channel opened; who waits in a send or a call returns.
 */
#ifndef LAT_RACE_H
#define LAT_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lattice/lattice.h>

enum {
	RACE_FLOWS_MAX = 64,
	RACE_PAST = 64, /* races of a flow that are remembered */
	RACE_RECEIVERS = 3,
	RACE_PID = 7,          /* the first receiver's */
	RACE_PID_SENDER = 100, /* the first flow's */
	RACE_BODY_MAX = 5000,
};

/* Whose turn it is in a flow. */
enum race_stage {
	RACE_FREE,   /* the keeper grants */
	RACE_GIVEN,  /* the sender opens and sends */
	RACE_GOAL,   /* so many have arrived that the keeper ends it */
	RACE_ENDED,  /* lattice_cap_revoke() has returned */
	RACE_STOPPED /* there are no more */
};

struct race_flow {
	_Atomic(uint32_t) stage; /* a futex */
	_Atomic(uint32_t) name;  /* which race of the flow it is, from 1 */
	/* The keeper's, before RACE_GIVEN. */
	char cap[LATTICE_CAP_TEXT_MAX];
	uint32_t slot, gen;
	_Atomic(uint32_t) goal; /* who still reads a message of the race before looks, too */
	int32_t dst;
	bool derives; /* the sender has another made of it, and uses that */
	struct race_past {
		_Atomic(uint64_t) got;   /* messages received */
		_Atomic(uint64_t) began; /* the clock when the receive began that yielded the last one */
		_Atomic(uint64_t) ended; /* when the revocation returned; 0: not yet */
	} past[RACE_PAST];
};

struct race_board {
	_Atomic(uint64_t) clock;
	_Atomic(int64_t) left; /* races that have not begun */
	_Atomic(bool) quiet;   /* the receivers may go */
	uint64_t seed;
	bool blind; /* what senders see is not judged: a fault of receivers' is to show in what these receive */
	uint32_t flows;
	_Atomic(uint32_t) port; /* the issuer's */
	_Atomic(uint32_t) up;   /* processes that are; and one when the senders have done */
	/* What happened. */
	_Atomic(uint64_t) races, refused, cut, messages, derived, cuts;
	struct race_flow flow[RACE_FLOWS_MAX];
};

extern struct race_board *race_board;

/* What holds where the races take place. */
struct race_place {
	bool local; /* a send that begins after the return fails; receivers can be called; of a right others can be made */
	uint32_t
		counts; /* bits: receivers of whose channels the sender hears exactly what they took. Else it may be more */
};

/* A message. What follows is its number's last byte. */
struct race_body {
	uint32_t flow, name;
	uint64_t number;
};

/* Says what went wrong, and ends the process. */
_Noreturn void race_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* @rc of a call on @handle, if it is negative. */
void race_must(int rc, const void *handle, const char *what);

uint64_t race_random(uint64_t *state);

/* Sleeps while the flow is in that stage, and fails when that is too long. What it is in then. */
uint32_t race_wait(struct race_flow *f, uint32_t stage);
void race_turn(struct race_flow *f, enum race_stage stage);

struct race_thread {
	pthread_t id;
	struct lattice_node *node;
	struct race_flow *flow;      /* a keeper's, a sender's */
	struct lattice_endpoint *ep; /* a receiver's */
	const struct race_place *place;
	lattice_node_id to; /* a sender's: the issuer's node, 0: its own */
	int how;            /* a receiver's: which of them it is */
};

/* The threads; arg is a struct race_thread. They return when the races are over. */
void *race_keep(void *arg);
void *race_send(void *arg);
void *race_receive(void *arg);

/* Starts them with what is in *t. */
void race_start(struct race_thread *t, void *(*run)(void *));
void race_start_receiver(struct race_thread *t, struct lattice_node *node, int how);

#endif
