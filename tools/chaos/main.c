/* lattice-chaos: waits for packets, for their time to arrive, and for what changes with time. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"
#include "os/clock.h"

static volatile sig_atomic_t ending, striking;

void chaos_say(const char *fmt, ...)
{
	va_list ap;

	fputs("lattice-chaos: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- what is watched ---- */

int chaos_watch(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, s->fd, &e) == 0)
		return 0;
	chaos_say("a descriptor cannot be watched: %s", strerror(errno));
	return -1;
}

void chaos_rewatch(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	(void)epoll_ctl(c->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

void chaos_ignore(struct chaos *c, struct chaos_source *s)
{
	(void)epoll_ctl(c->epoll, EPOLL_CTL_DEL, s->fd, NULL);
}

void chaos_unwatch(struct chaos *c, struct chaos_source *s)
{
	if (s->fd < 0)
		return;
	chaos_ignore(c, s);
	close(s->fd);
	s->fd = -1;
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What must happen now does, and when the next thing must. */
static uint64_t pass(struct chaos *c)
{
	uint64_t next = chaos_schedule(c);

	if (c->now >= c->weather_at) {
		lat_weather_change(&c->faults, &c->rng);
		c->changes++;
		c->weather_at = c->now + c->o.weather_every;
	}
	if (c->now >= c->strike_at || striking) {
		striking = 0;
		if (c->relay->strike != NULL)
			c->relay->strike(c);
		if (c->strike_at != UINT64_MAX)
			c->strike_at = c->now + c->o.strike_every;
	}
	while (lat_air_at(&c->air) <= c->now)
		c->relay->deliver(c, (struct chaos_packet *)lat_air_next(&c->air));
	return earlier(next, earlier(lat_air_at(&c->air), earlier(c->weather_at, c->strike_at)));
}

static void turn(struct chaos *c, const sigset_t *open)
{
	struct epoll_event event;
	struct pollfd fd = { .fd = c->epoll, .events = POLLIN };
	struct timespec wait;
	uint64_t next;

	c->now = lat_clock_monotonic_ns();
	next = pass(c);
	if (next != UINT64_MAX) {
		uint64_t ns = next > c->now ? next - c->now : 0;

		wait = (struct timespec){ .tv_sec = (time_t)(ns / (uint64_t)LAT_NS_PER_S),
					  .tv_nsec = (long)(ns % (uint64_t)LAT_NS_PER_S) };
	}
	if (ppoll(&fd, 1, next == UINT64_MAX ? NULL : &wait, open) <= 0)
		return;
	c->now = lat_clock_monotonic_ns();
	/* One at a time: it may end what another event is about. */
	if (epoll_wait(c->epoll, &event, 1, 0) == 1) {
		struct chaos_source *s = event.data.ptr;

		s->ready(c, s, event.events);
	}
}

static void on_signal(int signal)
{
	if (signal == SIGUSR1)
		striking = 1;
	else
		ending = 1;
}

/* They are let in only while it waits: none is missed between looking and waiting. */
static void catch_signals(sigset_t *before)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGUSR1 };
	struct sigaction catch = { .sa_handler = on_signal };
	sigset_t held;

	(void)sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		(void)sigaction(signals[i], &catch, NULL);
		(void)sigaddset(&held, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &held, before);
	(void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	static struct chaos c;
	sigset_t open;
	int rc = chaos_options_parse(&c.o, argc, argv);

	if (rc != 0)
		return rc - 1;
	c.relay = c.o.relay;
	c.faults = c.o.faults;
	c.rng = c.o.seed;
	c.weather_at = c.strike_at = UINT64_MAX;
	for (int way = 0; way < CHAOS_WAYS; way++)
		c.pipe[way] = (struct lat_pipe){ .rate = c.o.rate, .queue_max = c.o.queue };
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c.epoll < 0) {
		chaos_say("no epoll: %s", strerror(errno));
		return 1;
	}
	catch_signals(&open);
	c.now = lat_clock_monotonic_ns();
	rc = c.relay->open(&c);
	while (rc == 0 && !ending)
		turn(&c, &open);
	c.relay->close(&c);
	lat_air_fini(&c.air);
	close(c.epoll);
	if (rc == 0)
		chaos_report(&c, stdout);
	return rc == 0 ? 0 : 1;
}
