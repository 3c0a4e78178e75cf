/* lattice ping: round trips to another node, and the handshake before them. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/target.h"

#define TIMEOUT_DEFAULT_NS  (INT64_C(5) * 1000000000)
#define INTERVAL_DEFAULT_NS INT64_C(100000000)
#define COUNT_DEFAULT       10

struct pings {
	uint64_t *rtt_ns; /* of those that came back */
	size_t came, sent;
	bool interrupted;
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
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

/* Waits until @when unless SIGINT or SIGTERM comes, which are blocked. true: one came. */
static bool wait_until(int64_t when)
{
	int64_t ns = when - cli_now_ns();
	struct timespec left = { 0 };
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	if (ns > 0)
		left = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	return sigtimedwait(&ends, NULL, &left) > 0;
}

static int ping_all(struct pings *p, struct lattice_node *node, const struct cli_options *opt,
		    const struct cli_target *target, int64_t timeout_ns)
{
	size_t count = opt->count != 0 ? opt->count : COUNT_DEFAULT;
	int64_t interval = opt->interval_set ? opt->interval_ns : INTERVAL_DEFAULT_NS;
	int64_t next = cli_now_ns();

	p->rtt_ns = calloc(count, sizeof(*p->rtt_ns));
	if (p->rtt_ns == NULL)
		return cli_complain("out of memory");
	while (p->sent < count) {
		uint64_t rtt = 0;
		char text[32];
		int rc;

		if (wait_until(p->sent == 0 ? 0 : next)) {
			p->interrupted = true;
			break;
		}
		next = cli_now_ns() + interval;
		rc = lattice_node_ping(node, target->node, &rtt, timeout_ns);
		p->sent++;
		if (rc == -ETIMEDOUT) {
			if (opt->verbose)
				cli_note("ping %zu: no answer in time", p->sent);
			continue;
		}
		if (rc < 0)
			return cli_fail(node, rc, "%s, ping %zu", target->label, p->sent);
		p->rtt_ns[p->came++] = rtt;
		if (opt->verbose && !opt->json)
			printf("ping %zu: %s\n", p->sent, time_text(text, rtt));
	}
	return CLI_OK;
}

static void print_result(struct pings *p, const struct cli_options *opt, const struct cli_target *target,
			 const struct lattice_peer_stats *peer)
{
	const char *proto = peer->proto == LATTICE_TCP ? "tcp" : "udp";
	size_t lost = p->sent - p->came;
	uint64_t min = 0, median = 0, p99 = 0, max = 0;
	char text[4][32];

	if (p->came > 0) {
		qsort(p->rtt_ns, p->came, sizeof(*p->rtt_ns), compare);
		min = p->rtt_ns[0];
		median = p->rtt_ns[(p->came - 1) / 2];
		p99 = p->rtt_ns[(p->came * 99 + 99) / 100 - 1]; /* the smallest that 99 % do not exceed */
		max = p->rtt_ns[p->came - 1];
	}
	if (opt->json) {
		printf("{\"node\": %" PRIu32 ", \"transport\": \"%s\", \"handshake_ns\": %" PRIu64
		       ", \"sent\": %zu, \"lost\": %zu, \"min_ns\": %" PRIu64 ", \"median_ns\": %" PRIu64
		       ", \"p99_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 "}\n",
		       target->node, proto, peer->handshake_ns, p->sent, lost, min, median, p99, max);
		return;
	}
	printf("%zu pings over %s, %zu lost (%.1f %%)", p->sent, proto, lost,
	       p->sent > 0 ? 100.0 * (double)lost / (double)p->sent : 0.0);
	if (p->came > 0)
		printf(": min %s, median %s, p99 %s, max %s", time_text(text[0], min),
		       time_text(text[1], median), time_text(text[2], p99), time_text(text[3], max));
	putchar('\n');
}

static int run_ping(const struct cli_options *opt, int argc, char **argv)
{
	int64_t timeout_ns = opt->timeout_ns == CLI_TIMEOUT_UNSET ? TIMEOUT_DEFAULT_NS : opt->timeout_ns;
	struct lattice_peer_stats peer = { 0 };
	struct lattice_node *node = NULL;
	struct pings pings = { 0 };
	struct cli_target target;
	char text[32];
	sigset_t ends;
	int status, rc;

	(void)argc;
	status = cli_target_parse(&target, opt, argv[0], true);
	if (status != CLI_OK)
		return status;
	if (target.node == 0)
		return cli_usage("'%s' names no other node", argv[0]);
	status = cli_node_open(&node, opt, LATTICE_PORT_ANY);
	if (status != CLI_OK)
		return status;
	if (target.node == lattice_node_number(node)) {
		lattice_node_close(node);
		return cli_usage("node %" PRIu32 " is this one", target.node);
	}
	status = cli_node_reach(node, opt, &target);
	if (status != CLI_OK)
		goto out;
	rc = lattice_node_connect(node, target.node, timeout_ns);
	if (rc == 0)
		rc = lattice_node_peer(node, target.node, &peer);
	if (rc < 0) {
		status = cli_fail(node, rc, "%s", target.label);
		goto out;
	}
	if (!opt->json)
		printf("%s over %s: handshake %s\n", target.label, peer.proto == LATTICE_TCP ? "tcp" : "udp",
		       time_text(text, peer.handshake_ns));
	(void)fflush(stdout);
	/* From here on an interrupt ends the pings and still prints what they said. */
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
	status = ping_all(&pings, node, opt, &target, timeout_ns);
	if (pings.sent > 0)
		print_result(&pings, opt, &target, &peer);
	if (status == CLI_OK && pings.came == 0 && pings.sent > 0) {
		(void)cli_complain("%s: no ping came back within %g s", target.label,
				   (double)timeout_ns / 1e9);
		status = CLI_UNREACHABLE;
	}
out:
	free(pings.rtt_ns);
	lattice_node_close(node);
	return status;
}

const struct cli_command cli_ping = {
	.name = "ping",
	.args = "NODE",
	.summary = "time the handshake and round trips",
	.text = "Makes a session with NODE (its number or name; PID@NODE does as well), says how long the handshake took,\n"
		"then sends authenticated pings, one after the other, and says how long they took: the smallest time,\n"
		"the median, what 99 % stay under, and the largest. -v shows each. A ping waits up to 5 s, or --timeout.",
	.options = (const int[]){ OPT_COUNT_PINGS, OPT_INTERVAL, OPT_TIMEOUT, OPT_JSON, OPT_DIR, OPT_AT,
				  OPT_UDP, OPT_TCP, OPT_PORT, OPT_BIND, OPT_UNLOCKED, OPT_VERBOSE, OPT_HELP,
				  0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_ping,
};
