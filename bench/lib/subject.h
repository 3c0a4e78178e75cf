/*
 * A subject: something that can be done again and again, and timed. It has one side, or two: the near one, which is timed,
 * and the far one, which answers or receives, in a thread or a process of its own.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/place.h"

enum bench_kind {
	BENCH_TRIP,   /* near: @n times there and back; nanoseconds each */
	BENCH_RATE,   /* near: @n sent, far: @n received; millions a second */
	BENCH_FIGURE, /* near takes about @n nanoseconds and leaves one figure, in the subject's unit */
};

enum bench_with { BENCH_ALONE, BENCH_THREAD, BENCH_PROCESS };

struct bench_side {
	const struct bench_subject *subject;
	bool far;
	void *shared; /* subject->shared_bytes that both sides see, zeroed, by cache lines */
	void *own;    /* what this side likes */
	struct bench_ctl *ctl;
	double figure; /* BENCH_FIGURE: what near found */
};

struct bench_subject {
	const char *name;  /* a word, the same in every run: --only, --json */
	const char *what;  /* for people */
	const char *limit; /* the subject to compare with, of the same kind; NULL: none */
	enum bench_kind kind;
	enum bench_with with;
	enum bench_place place;
	bool streamed;    /* beside a process that streams through memory */
	bool once;        /* in the first round only: it cannot change */
	const char *unit; /* BENCH_FIGURE */
	size_t bytes; /* BENCH_RATE: of each, and the rate is megabytes a second; 0: it is millions of them */
	uint32_t group;      /* BENCH_TRIP: trips between two looks at the clock; 0: 1, for what is long */
	size_t shared_bytes; /* for both sides */
	size_t arg;          /* what tells it from others that have the same functions */
	const struct bench_subject
		*rides; /* it has no sides of its own, but uses those of this one, which comes before it */

	/* All return 0 or a negative errno; each but near and, of trips and rates with two sides, far may be NULL. */
	int (*make)(struct bench_side *near);  /* before the far side is there */
	int (*enter)(struct bench_side *side); /* on each side, at once: bench_meet() */
	int (*near)(struct bench_side *side, uint64_t n);
	int (*far)(struct bench_side *side, uint64_t n);
	int (*settle)(
		struct bench_side *side); /* on each side after a slice, at once, not timed; NULL: nothing */
	void (*leave)(struct bench_side *side); /* on each side, also after an enter that failed */
	/* BENCH_ALONE with two sides (tasks): runs slice(arg), and far(@n) so that near can be answered. */
	int (*inside)(struct bench_side *side, uint64_t n, void (*slice)(void *arg), void *arg);
};

/* In enter: returns when the other side is as far. 0, or -ECANCELED: it failed; -ETIMEDOUT. */
int bench_meet(struct bench_side *side);

#endif
