/*
 * race-revoke (threads | processes | udp | tcp) RACES [SEED [blind]]: so many rights are revoked in the middle of what is done by them; race.h says what
 * must hold. Prints what took place, and fails at the first thing that should not.
 */
#include "race.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../soak/soak.h"
#include "base/util.h"
#include "os/clock.h"
#include "os/futex.h"
#include "places.h"

enum { PATIENCE_S = 120 };

struct race_board *race_board;

void race_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, " (seed %llu)\n", (unsigned long long)race_board->seed);
	_exit(1);
}

void race_must(int rc, const void *handle, const char *what)
{
	char why[256];

	if (rc >= 0)
		return;
	(void)lattice_explain(handle, rc, why, sizeof(why));
	race_fail("%s: %s: %s", what, lattice_error_name(rc), why);
}

uint64_t race_random(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* For the soak's relay. */
uint32_t soak_random(uint64_t *state, uint32_t below)
{
	return (uint32_t)(race_random(state) >> 32) % below;
}

uint32_t race_wait(struct race_flow *f, uint32_t stage)
{
	const uint64_t deadline = lat_clock_until(PATIENCE_S * LAT_NS_PER_S);
	uint32_t now;

	while ((now = atomic_load_explicit(&f->stage, memory_order_acquire)) == stage)
		if (lat_futex_wait(&f->stage, stage, deadline, true) == -ETIMEDOUT)
			race_fail("flow %td, race %u: nothing has happened for %d s in stage %u",
				  f - race_board->flow, atomic_load_explicit(&f->name, memory_order_relaxed),
				  PATIENCE_S, stage);
	return now;
}

void race_turn(struct race_flow *f, enum race_stage stage)
{
	atomic_store_explicit(&f->stage, stage, memory_order_release);
	(void)lat_futex_wake(&f->stage, INT_MAX, true);
}

void race_start(struct race_thread *t, void *(*run)(void *))
{
	if (pthread_create(&t->id, NULL, run, t) != 0)
		race_fail("no thread");
}

static const struct {
	const char *name;
	void (*run)(void);
} places[] = {
	{ "threads", race_between_threads },
	{ "processes", race_between_processes },
	{ "udp", race_over_udp },
	{ "tcp", race_over_tcp },
};

static unsigned long long count(const _Atomic(uint64_t) *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

int main(int argc, char **argv)
{
	long races = argc >= 3 ? strtol(argv[2], NULL, 10) : 0;
	double began = (double)lat_clock_monotonic_ns();
	size_t i = 0;

	while (i < ARRAY_LEN(places) && (races <= 0 || strcmp(argv[1], places[i].name) != 0))
		i++;
	if (i == ARRAY_LEN(places)) {
		(void)fprintf(stderr, "usage: %s (threads | processes | udp | tcp) RACES [SEED [blind]]\n",
			      argv[0]);
		return 2;
	}
	race_board = mmap(NULL, sizeof(*race_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			  0);
	if (race_board == MAP_FAILED)
		return 1;
	race_board->seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)began;
	race_board->blind = argc > 4 && strcmp(argv[4], "blind") == 0;
	atomic_store_explicit(&race_board->left, races, memory_order_relaxed);
	places[i].run();
	printf("%s: %llu races in %.0f s, every sender told; %llu were refused at once, %llu cut before all was received; %llu messages "
	       "received, %llu rights derived, none after\n",
	       argv[1], count(&race_board->races),
	       ((double)lat_clock_monotonic_ns() - began) / (double)LAT_NS_PER_S, count(&race_board->refused),
	       count(&race_board->cut), count(&race_board->messages), count(&race_board->derived));
	/* It would prove nothing, were revoking always too early or too late. */
	if (count(&race_board->races) != (unsigned long long)races || count(&race_board->cut) == 0) {
		(void)fprintf(stderr, "too few races\n");
		return 1;
	}
	return 0;
}
