/* Counters: of a node that runs elsewhere (lattice stats), and of the command's own (--stats). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/fastpath.h>
#include <lattice/node.h>

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/options.h"

enum { STATS_MAX = 256 };

void cli_stats_print(const struct cli_options *opt, struct lattice_node *node)
{
	struct lattice_stat stats[STATS_MAX];
	size_t count;

	if (!opt->stats || node == NULL)
		return;
	count = lattice_node_stats(node, stats, STATS_MAX);
	for (size_t i = 0; i < count && i < STATS_MAX; i++) {
		if (opt->json)
			fprintf(stderr, "{\"counter\":\"%s\",\"value\":%" PRIu64 ",\"text\":\"%s\"}\n",
				stats[i].name, stats[i].value, stats[i].text);
		else if (stats[i].value != 0 || opt->verbose)
			fprintf(stderr, "%-24s %12" PRIu64 "  %s\n", stats[i].name, stats[i].value,
				stats[i].text);
	}
}

/* "" when the line has no such field. */
static const char *field(const char *line, const char *name, char buf[static 512])
{
	if (!cli_json_field(line, name, buf, 512))
		buf[0] = '\0';
	return buf;
}

static double micro(const char *line, const char *name)
{
	char number[512];

	return strtod(field(line, name, number), NULL) / 1e3;
}

/* "12 lost" for ("lost", "lost"), where it is not 0. */
static void print_some(const char *line, const char *name, const char *text, const char **before)
{
	char number[512];

	if (strcmp(field(line, name, number), "0") == 0 || number[0] == '\0')
		return;
	printf("%s%s %s", *before, number, text);
	*before = ", ";
}

static void print_trouble(const char *line)
{
	const char *before = "     ";
	char name[64];

	print_some(line, "lost", "packets lost", &before);
	print_some(line, "late", "of them only late", &before);
	print_some(line, "resent", "pieces sent again", &before);
	print_some(line, "probes", "acknowledgements asked for", &before);
	for (int i = 0; i < LATTICE_DROP_COUNT; i++) {
		const char *cause = lattice_drop_name((enum lattice_drop)i);

		(void)snprintf(name, sizeof(name), "dropped_%s", cause);
		print_some(line, name, cause, &before);
	}
	if (before[0] == ',')
		putchar('\n');
}

static void print_peer(const char *line)
{
	char a[512], b[512], c[512], d[512];

	(void)field(line, "name", b);
	(void)field(line, "address", c);
	if (c[0] == '\0')
		(void)field(line, "endpoint", c);
	printf("peer %s%s%s%s%s%s over %s: ", field(line, "peer", a), b[0] != '\0' ? " (" : "", b,
	       b[0] != '\0' ? ")" : "", c[0] != '\0' ? " at " : "", c, field(line, "transport", d));
	if (strcmp(field(line, "key", a), "true") != 0) {
		printf("its key is missing\n");
		return;
	}
	(void)field(line, "error", b);
	(void)field(line, "state", a);
	printf("%s%s%s", strcmp(a, "idle") == 0 ? "no session" : a, b[0] != '\0' ? ", " : "", b);
	if (micro(line, "rtt_ns") > 0)
		printf(", round trip %.1f us, least %.1f us", micro(line, "rtt_ns"),
		       micro(line, "rtt_min_ns"));
	printf("\n    %s handshakes, %s of them to renew", field(line, "handshakes", a),
	       field(line, "rekeys", b));
	if (strcmp(field(line, "up", a), "true") == 0)
		printf(", packets of at most %s bytes, window %s bytes, %s in flight",
		       field(line, "packet_max", a), field(line, "window_bytes", b),
		       field(line, "flight_bytes", c));
	putchar('\n');
	printf("    in:  %s messages of %s bytes, %s packets of %s bytes\n", field(line, "messages_in", a),
	       field(line, "message_bytes_in", b), field(line, "packets_in", c), field(line, "bytes_in", d));
	printf("    out: %s messages of %s bytes, %s packets of %s bytes\n", field(line, "messages_out", a),
	       field(line, "message_bytes_out", b), field(line, "packets_out", c),
	       field(line, "bytes_out", d));
	print_trouble(line);
}

static void print_line(const char *line, bool all)
{
	char a[512], b[512], c[512], d[512];

	if (cli_json_field(line, "counter", a, sizeof(a))) {
		if (all || strcmp(field(line, "value", b), "0") != 0)
			printf("%-24s %12s  %s\n", a, field(line, "value", b), field(line, "text", c));
	} else if (cli_json_field(line, "peer", a, sizeof(a))) {
		print_peer(line);
	} else if (cli_json_field(line, "node", a, sizeof(a))) {
		printf("node %s, port %s, process %s, version %s\n", a, field(line, "port", b),
		       field(line, "process", c), field(line, "version", d));
	}
}

static void stats_line(void *ctx, const struct cli_options *opt, const char *line)
{
	(void)ctx;
	if (opt->json)
		fputs(line, stdout);
	else
		print_line(line, opt->verbose);
}

static int run_stats(const struct cli_options *opt, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cli_ask(opt, "stats.sock", NULL, false, stats_line, NULL);
}

/* --- why ---------------------------------------------------------------------------------------- */

struct why {
	const char *channel;
	bool found;
};

static void why_line(void *ctx, const struct cli_options *opt, const char *line)
{
	char text[512], name[8];
	struct why *w = ctx;

	if (!cli_json_field(line, "channel", text, sizeof(text)) || strcmp(text, w->channel) != 0)
		return;
	w->found = true;
	if (opt->json) {
		fputs(line, stdout);
		return;
	}
	printf("%12s  handed off\n", field(line, "handed", text));
	for (int i = 0; i < LATTICE_CONDITIONS; i++) {
		(void)snprintf(name, sizeof(name), "p%d", i + 1);
		if (strcmp(field(line, name, text), "0") != 0 || opt->verbose)
			printf("%12s  not, because %s (P%d)\n", text, lattice_condition_text(i), i + 1);
	}
}

static int run_why(const struct cli_options *opt, int argc, char **argv)
{
	struct why w = { .channel = argv[0] };
	int rc;

	(void)argc;
	rc = cli_ask(opt, "stats.sock", NULL, false, why_line, &w);
	if (rc == CLI_OK && !w.found)
		return cli_complain("that node's process has no channel %s to itself", w.channel);
	return rc;
}

const struct cli_command cli_why = {
	.name = "why",
	.args = "SRC->DST",
	.args_min = 1,
	.args_max = 1,
	.summary = "say why messages on a channel were not handed off",
	.text = "Asks the node that runs on the state directory how many messages and calls on its channel from pid SRC to pid\n"
		"DST were handed off to a task that waited for them, and why the others were not: those reasons that never\n"
		"held only with -v. The channel is one within that node's process; quote the arrow for the shell.",
	.options = (const int[]){ OPT_TIMEOUT, OPT_JSON, OPT_DIR, OPT_VERBOSE, OPT_HELP, 0 },
	.run = run_why,
};

const struct cli_command cli_stats = {
	.name = "stats",
	.args = "",
	.summary = "show the peers and counters of a node that runs",
	.text = "Asks the node that runs on the state directory, of whatever program, and prints its number and port, its\n"
		"peers, and its counters; those that are 0 only with -v. It can be read only by the directory's owner. Waits up\n"
		"to 10 s, or --timeout, for a node that does not answer.",
	.options = (const int[]){ OPT_TIMEOUT, OPT_JSON, OPT_DIR, OPT_VERBOSE, OPT_HELP, 0 },
	.run = run_stats,
};
