/*
 * Commands go through a page that both sides map. Each word of it has one writer, counts upwards, and is slept on: between
 * two slices the far side takes no time from anybody.
 *   [G] go store, release   -> [g] its load, acquire : the command
 *   [D] done store, release -> [d] its load, acquire : what became of it
 *   [M] met store, release  -> [m] its load, acquire : what a side did before it met the other
 */
#include "lib/pair.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

enum { ENTER = 1, SLICE, LEAVE };

#define PATIENCE_NS UINT64_C(60000000000)

struct bench_ctl {
	alignas(64) _Atomic(uint32_t) go; /* the near side's, with what follows */
	uint32_t command, times;
	uint64_t count;
	alignas(64) _Atomic(uint32_t) begun; /* the far side's */
	_Atomic(uint32_t) done;
	int rc;
	uint64_t stamps[BENCH_TIMES_MAX];
	alignas(64) _Atomic(uint32_t) met[2];
	_Atomic(uint32_t) failed;
};

static void word_set(_Atomic(uint32_t) *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Sleeps until the word is @value or has gone past it, however long that takes. */
static void word_await(_Atomic(uint32_t) *word, uint32_t value)
{
	uint32_t now;

	while ((int32_t)((now = atomic_load_explicit(word, memory_order_acquire)) - value) < 0)
		(void)syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

/* The same for some time. 0, -ETIMEDOUT, -ECANCELED (@failed, unless NULL, was set). */
static int word_wait(_Atomic(uint32_t) *word, uint32_t value, const _Atomic(uint32_t) *failed)
{
	const struct timespec look = { .tv_nsec = 100000000 };
	uint64_t until = bench_now_ns() + PATIENCE_NS;

	for (;;) {
		uint32_t now = atomic_load_explicit(word, memory_order_acquire);

		if ((int32_t)(now - value) >= 0)
			return 0;
		if (failed != NULL && atomic_load_explicit(failed, memory_order_acquire) != 0)
			return -ECANCELED;
		if (bench_now_ns() > until)
			return -ETIMEDOUT;
		(void)syscall(SYS_futex, word, FUTEX_WAIT, now, &look, NULL, 0);
	}
}

int bench_meet(struct bench_side *side)
{
	struct bench_ctl *ctl = side->ctl;
	uint32_t turn = atomic_load_explicit(&ctl->met[side->far], memory_order_relaxed) + 1;

	word_set(&ctl->met[side->far], turn);                        /* [M] */
	return word_wait(&ctl->met[!side->far], turn, &ctl->failed); /* [m] */
}

static int enter(struct bench_side *side)
{
	int rc = side->subject->enter != NULL ? side->subject->enter(side) : 0;

	if (rc < 0)
		word_set(&side->ctl->failed, 1);
	return rc;
}

static void leave(struct bench_side *side)
{
	if (side->subject->leave != NULL)
		side->subject->leave(side);
}

/* The far side's life. */
static void serve(struct bench_side *side)
{
	struct bench_ctl *ctl = side->ctl;
	uint32_t turn = 0;

	for (;;) {
		int rc = 0;

		word_await(&ctl->go, ++turn); /* [g] */
		bench_place_move(side->subject->place, true);
		word_set(&ctl->begun, turn);
		if (ctl->command == LEAVE)
			break;
		if (ctl->command == ENTER)
			rc = enter(side);
		for (uint32_t i = 0; ctl->command == SLICE && i < ctl->times && rc == 0; i++) {
			rc = side->subject->far(side, ctl->count);
			ctl->stamps[i] = bench_ticks();
		}
		if (ctl->command == SLICE && rc == 0 && side->subject->settle != NULL)
			rc = side->subject->settle(side);
		ctl->rc = rc;
		word_set(&ctl->done, turn); /* [D] */
	}
	leave(side);
}

static void *serve_thread(void *arg)
{
	serve(arg);
	return NULL;
}

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* 0 in the child, which ends with its parent. */
static pid_t fork_child(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return child;
}

int bench_pair_make(struct bench_pair *p, const struct bench_subject *subject)
{
	int rc;

	*p = (struct bench_pair){ .near = { .subject = subject } };
	p->near.ctl = map(sizeof(*p->near.ctl));
	if (subject->shared_bytes > 0)
		p->near.shared = map(subject->shared_bytes);
	if (p->near.ctl == NULL || (subject->shared_bytes > 0 && p->near.shared == NULL))
		return -ENOMEM;
	rc = subject->make != NULL ? subject->make(&p->near) : 0;
	if (rc < 0)
		return rc;
	p->far = p->near;
	p->far.far = true;
	if (subject->with != BENCH_PROCESS)
		return 0;
	p->process = fork_child();
	if (p->process < 0)
		return -errno;
	if (p->process == 0) {
		serve(&p->far);
		_exit(0);
	}
	return 0;
}

static void command(struct bench_pair *p, uint32_t what, uint64_t n, uint32_t times)
{
	struct bench_ctl *ctl = p->near.ctl;

	ctl->command = what;
	ctl->count = n;
	ctl->times = times;
	word_set(&ctl->go, atomic_load_explicit(&ctl->go, memory_order_relaxed) + 1); /* [G] */
}

static uint32_t turn_of(const struct bench_pair *p)
{
	return atomic_load_explicit(&p->near.ctl->go, memory_order_relaxed);
}

int bench_pair_begin(struct bench_pair *p, uint64_t n, uint32_t times)
{
	if (p->near.subject->with == BENCH_ALONE)
		return 0;
	command(p, SLICE, n, times);
	return word_wait(&p->near.ctl->begun, turn_of(p), NULL);
}

int bench_pair_end(struct bench_pair *p)
{
	int rc;

	if (p->near.subject->with == BENCH_ALONE)
		return 0;
	rc = word_wait(&p->near.ctl->done, turn_of(p), NULL); /* [d] */
	return rc == 0 ? p->near.ctl->rc : rc;
}

const uint64_t *bench_pair_stamps(const struct bench_pair *p)
{
	return p->near.ctl->stamps;
}

int bench_pair_enter(struct bench_pair *p)
{
	int rc = 0, far = 0;

	p->entered = true;
	bench_place_move(p->near.subject->place, false);
	if (p->near.subject->with == BENCH_THREAD) {
		rc = -pthread_create(&p->thread, NULL, serve_thread, &p->far);
		if (rc < 0) {
			p->thread = 0;
			return rc;
		}
	}
	if (p->near.subject->with != BENCH_ALONE)
		command(p, ENTER, 0, 0);
	rc = enter(&p->near);
	far = bench_pair_end(p);
	/* -ECANCELED is only what the other one's failure looks like from here. */
	return rc < 0 && (rc != -ECANCELED || far == 0) ? rc : far;
}

void bench_pair_close(struct bench_pair *p, bool broken)
{
	const struct bench_subject *subject = p->near.subject;

	if (p->near.ctl == NULL)
		return;
	if (broken && p->process > 0)
		(void)kill(p->process, SIGKILL);
	else if (p->process > 0 || p->thread != 0)
		command(p, LEAVE, 0, 0);
	if (broken && p->thread != 0)
		return;
	if (p->entered)
		leave(&p->near);
	if (p->process > 0)
		(void)waitpid(p->process, NULL, 0);
	if (p->thread != 0)
		(void)pthread_join(p->thread, NULL);
	if (p->near.shared != NULL)
		(void)munmap(p->near.shared, subject->shared_bytes);
	(void)munmap(p->near.ctl, sizeof(*p->near.ctl));
	*p = (struct bench_pair){ 0 };
}

void bench_pair_abandon(struct bench_pair *p)
{
	if (p->process > 0) {
		(void)kill(p->process, SIGKILL);
		(void)waitpid(p->process, NULL, 0);
	}
	*p = (struct bench_pair){ 0 };
}

/* ---- the process that streams ---- */

enum { STREAM_BYTES = 64 << 20 };

static struct {
	pid_t process;
	_Atomic(uint32_t) *on; /* odd: stream */
} stream;

static void stream_through(_Atomic(uint32_t) *on)
{
	unsigned char *memory = map(STREAM_BYTES);

	if (memory == NULL)
		_exit(1);
	for (;;) {
		uint32_t now = atomic_load_explicit(on, memory_order_acquire);

		if (now % 2 == 0)
			word_await(on, now + 1);
		else
			memset(memory, (int)(memory[0] + 1), STREAM_BYTES);
	}
}

int bench_stream_make(void)
{
	stream.on = map(sizeof(*stream.on));
	if (stream.on == NULL)
		return -ENOMEM;
	stream.process = fork_child();
	if (stream.process < 0)
		return -errno;
	if (stream.process == 0)
		stream_through(stream.on);
	return 0;
}

void bench_stream(bool on)
{
	if (stream.on != NULL && (atomic_load_explicit(stream.on, memory_order_relaxed) % 2 == 1) != on)
		word_set(stream.on, atomic_load_explicit(stream.on, memory_order_relaxed) + 1);
}

void bench_stream_close(void)
{
	if (stream.process <= 0)
		return;
	(void)kill(stream.process, SIGKILL);
	(void)waitpid(stream.process, NULL, 0);
	stream.process = 0;
}
