/*
 * lattice ping: round trips to another node, and the handshake before them. A thread pings; the main one waits for it and for
 * signals, so that an interrupt prints what is known at once, whatever the pings wait for.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/target.h"

#define TIMEOUT_DEFAULT_NS  (INT64_C(5) * 1000000000)
#define INTERVAL_DEFAULT_NS INT64_C(100000000)
#define COUNT_DEFAULT       10

struct pings {
	const struct cli_options *opt;
	const struct cli_target *target;
	struct lattice_node *node;
	size_t count;
	int64_t timeout_ns, interval_ns;
	int stop, done; /* eventfds: the main thread's, the pinging one's */

	pthread_mutex_t lock; /* of what follows */
	struct lattice_peer_stats peer;
	bool connected, interrupted;
	bool waiting; /* for the peer, in a call that only its time-out ends */
	size_t came, sent;
	struct lattice_round_trip *trips; /* those that came back */
	int status;
};

static int compare(const void *a, const void *b)
{
	const struct lattice_round_trip *x = a, *y = b;

	return (x->rtt_ns > y->rtt_ns) - (x->rtt_ns < y->rtt_ns);
}

/* "45.1 us" */
static const char *time_text(char out[32], uint64_t ns)
{
	if (ns < 1000000)
		(void)snprintf(out, 32, "%.1f us", (double)ns / 1e3);
	else
		(void)snprintf(out, 32, "%.2f ms", (double)ns / 1e6);
	return out;
}

static void print_parts(const struct lattice_round_trip *trip)
{
	char text[3][32];

	printf("queue %s, crypto %s, wire %s", time_text(text[0], trip->queue_ns),
	       time_text(text[1], trip->crypto_ns), time_text(text[2], trip->wire_ns));
}

/* ---- the pinging thread ---- */

/* Before a call that waits for the peer. false: not to be made any more. */
static bool begin_wait(struct pings *p)
{
	bool go;

	pthread_mutex_lock(&p->lock);
	go = !p->interrupted;
	p->waiting = go;
	pthread_mutex_unlock(&p->lock);
	return go;
}

static void end_wait(struct pings *p)
{
	pthread_mutex_lock(&p->lock);
	p->waiting = false;
	pthread_mutex_unlock(&p->lock);
}

/* Says what is wrong unless it was interrupted: then the main thread speaks. */
static void give_up(struct pings *p, int rc)
{
	pthread_mutex_lock(&p->lock);
	if (!p->interrupted)
		p->status = p->sent > 0 ? cli_fail(p->node, rc, "%s, ping %zu", p->target->label, p->sent)
					: cli_fail(p->node, rc, "%s", p->target->label);
	pthread_mutex_unlock(&p->lock);
}

static bool connect_first(struct pings *p)
{
	struct lattice_peer_stats peer = { 0 };
	char text[32];
	int rc;

	if (!begin_wait(p))
		return false;
	rc = lattice_node_connect(p->node, p->target->node, p->timeout_ns);
	end_wait(p);
	if (rc == 0)
		rc = lattice_node_peer(p->node, p->target->node, &peer);
	if (rc < 0) {
		give_up(p, rc);
		return false;
	}
	pthread_mutex_lock(&p->lock);
	p->peer = peer;
	p->connected = true;
	if (!p->opt->json && !p->interrupted)
		printf("%s over %s: handshake %s\n", p->target->label,
		       peer.proto == LATTICE_TCP ? "tcp" : "udp", time_text(text, peer.handshake_ns));
	(void)fflush(stdout);
	pthread_mutex_unlock(&p->lock);
	return true;
}

/* Until @when, or until the main thread says stop: then true. */
static bool stopped_before(const struct pings *p, int64_t when)
{
	struct pollfd stop = { .fd = p->stop, .events = POLLIN };
	int64_t ns = when - cli_now_ns();
	struct timespec left = { 0 };

	if (ns > 0)
		left = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	return ppoll(&stop, 1, &left, NULL) > 0;
}

static bool ping_once(struct pings *p)
{
	struct lattice_round_trip trip = { 0 };
	char text[32];
	int rc;

	if (!begin_wait(p))
		return false;
	rc = lattice_node_round_trip(p->node, p->target->node, &trip, p->timeout_ns);
	end_wait(p);
	pthread_mutex_lock(&p->lock);
	p->sent += !p->interrupted; /* what an interrupt cut off is not lost, but not known */
	pthread_mutex_unlock(&p->lock);
	if (rc < 0 && rc != -ETIMEDOUT) { /* it will not come back: more pings would say the same */
		give_up(p, rc);
		return false;
	}
	pthread_mutex_lock(&p->lock);
	if (rc == 0 && !p->interrupted)
		p->trips[p->came++] = trip;
	if (p->opt->verbose && !p->opt->json && !p->interrupted) {
		printf("ping %zu: %s", p->sent, rc == 0 ? time_text(text, trip.rtt_ns) : "no answer in time");
		if (rc == 0) {
			printf(": ");
			print_parts(&trip);
		}
		putchar('\n');
		(void)fflush(stdout);
	}
	pthread_mutex_unlock(&p->lock);
	return true;
}

static void *ping_all(void *arg)
{
	struct pings *p = arg;
	const uint64_t one = 1;
	int64_t next = 0;

	if (connect_first(p))
		for (size_t i = 0; i < p->count && !stopped_before(p, next); i++) {
			next = cli_now_ns() + p->interval_ns;
			if (!ping_once(p))
				break;
		}
	(void)!write(p->done, &one, sizeof(one));
	return NULL;
}

/* ---- the main thread ---- */

static void print_result(struct pings *p)
{
	const char *proto = p->peer.proto == LATTICE_TCP ? "tcp" : "udp";
	size_t lost = p->sent - p->came;
	struct lattice_round_trip median = { 0 };
	uint64_t min = 0, p99 = 0, max = 0;
	char text[4][32];

	if (p->came > 0) {
		qsort(p->trips, p->came, sizeof(*p->trips), compare);
		min = p->trips[0].rtt_ns;
		median = p->trips[(p->came - 1) / 2];
		p99 = p->trips[(p->came * 99 + 99) / 100 - 1]
			      .rtt_ns; /* the smallest that 99 % do not exceed */
		max = p->trips[p->came - 1].rtt_ns;
	}
	if (p->opt->json) {
		printf("{\"node\": %" PRIu32 ", \"transport\": \"%s\", \"handshake_ns\": %" PRIu64
		       ", \"sent\": %zu, \"lost\": %zu, \"min_ns\": %" PRIu64 ", \"median_ns\": %" PRIu64
		       ", \"p99_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 ", \"queue_ns\": %" PRIu64
		       ", \"crypto_ns\": %" PRIu64 ", \"wire_ns\": %" PRIu64 "}\n",
		       p->target->node, proto, p->peer.handshake_ns, p->sent, lost, min, median.rtt_ns, p99,
		       max, median.queue_ns, median.crypto_ns, median.wire_ns);
		return;
	}
	printf("%zu ping%s over %s, %zu lost (%.1f %%)", p->sent, p->sent == 1 ? "" : "s", proto, lost,
	       100.0 * (double)lost / (double)p->sent);
	if (p->came > 0)
		printf(": min %s, median %s, p99 %s, max %s", time_text(text[0], min),
		       time_text(text[1], median.rtt_ns), time_text(text[2], p99), time_text(text[3], max));
	putchar('\n');
	if (p->came > 0) {
		printf("of the median: ");
		print_parts(&median);
		putchar('\n');
	}
}

/* Waits for the pings' end or a signal, and says what came of it. */
static int conclude(struct pings *p, int signals)
{
	struct pollfd fds[2] = { { .fd = signals, .events = POLLIN }, { .fd = p->done, .events = POLLIN } };
	const uint64_t one = 1;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&p->lock);
	if (fds[1].revents == 0) {
		p->interrupted = true;
		(void)!write(p->stop, &one, sizeof(one));
	}
	if (p->sent > 0)
		print_result(p);
	(void)fflush(stdout);
	if (p->interrupted && !p->connected) {
		p->status = cli_complain("%s: interrupted before it had answered", p->target->label);
	} else if (p->status == CLI_OK && p->came == 0 && p->sent > 0) {
		(void)cli_complain("%s: no ping came back within %g s", p->target->label,
				   (double)p->timeout_ns / 1e9);
		p->status = CLI_UNREACHABLE;
	}
	pthread_mutex_unlock(&p->lock);
	cli_stats_print(p->opt, p->node);
	return p->status;
}

static int ping_and_wait(struct pings *p, int signals)
{
	pthread_t thread;
	int status;

	p->trips = calloc(p->count, sizeof(*p->trips));
	if (p->trips == NULL || pthread_create(&thread, NULL, ping_all, p) != 0)
		return cli_complain("out of memory");
	status = conclude(p, signals);
	pthread_mutex_lock(&p->lock);
	/* Who interrupts will not sit out a time-out, and a peer that is silent needs no goodbye. */
	if (p->interrupted && p->waiting)
		_exit(ferror(stdout) ? CLI_FAILED : status);
	pthread_mutex_unlock(&p->lock);
	(void)pthread_join(thread, NULL);
	return status;
}

static int run_ping(const struct cli_options *opt, int argc, char **argv)
{
	struct cli_target target;
	struct pings p = { .opt = opt,
			   .target = &target,
			   .count = opt->count != CLI_UNSET ? (size_t)opt->count : COUNT_DEFAULT,
			   .timeout_ns = opt->timeout_ns != CLI_UNSET ? opt->timeout_ns : TIMEOUT_DEFAULT_NS,
			   .interval_ns = opt->interval_ns != CLI_UNSET ? opt->interval_ns
									: INTERVAL_DEFAULT_NS,
			   .stop = eventfd(0, EFD_CLOEXEC),
			   .done = eventfd(0, EFD_CLOEXEC),
			   .lock = PTHREAD_MUTEX_INITIALIZER };
	int status, signals = -1;
	sigset_t ends;

	(void)argc;
	/* Before the node: its threads inherit the mask, so the signals come by the fd alone. */
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	status = cli_target_parse(&target, opt, argv[0], true);
	if (status == CLI_OK && target.node == 0)
		status = cli_usage("'%s' names no other node", argv[0]);
	if (status != CLI_OK)
		goto out;
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (signals < 0 || p.stop < 0 || p.done < 0) {
		status = cli_complain("signals cannot be waited for: %s", strerror(errno));
		goto out;
	}
	status = cli_node_send(&p.node, opt);
	if (status == CLI_OK && target.node == lattice_node_number(p.node))
		status = cli_usage("node %" PRIu32 " is this one", target.node);
	if (status == CLI_OK)
		status = cli_node_reach(p.node, opt, &target);
	if (status == CLI_OK)
		status = ping_and_wait(&p, signals);
out:
	lattice_node_close(p.node);
	free(p.trips);
	if (signals >= 0)
		close(signals);
	if (p.stop >= 0)
		close(p.stop);
	if (p.done >= 0)
		close(p.done);
	return status;
}

const struct cli_command cli_ping = {
	.name = "ping",
	.args = "TARGET",
	.summary = "time the handshake and round trips",
	.text = "Makes a session with the node that TARGET names (a number, a name, HOST:PORT, or one of them after PID@),\n"
		"says how long the handshake took, then sends authenticated pings, one after the other, and says how long\n"
		"they took: the smallest time, the median, what 99 % stay under, the largest; and how many were lost. Of the\n"
		"median it says where the time went: queue (waiting for locks and threads, here and there), crypto (sealing and\n"
		"opening), wire (the rest: both kernels and the network). Ends early when nobody is there any more; an interrupt\n"
		"says what there is. -v shows each. A ping waits up to 5 s, or --timeout.",
	.options = (const int[]){ OPT_COUNT_PINGS, OPT_INTERVAL, OPT_TIMEOUT, OPT_JSON, OPT_STATS, OPT_DIR,
				  OPT_AT, OPT_UDP, OPT_TCP, OPT_KEY_FILE, OPT_PORT, OPT_BIND, OPT_UNLOCKED,
				  OPT_VERBOSE, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_ping,
};
