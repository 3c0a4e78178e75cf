/* lattice graph: what there is on a node, once or again and again. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/graph.h"
#include "cli/options.h"
#include "cli/target.h"

#define TIMEOUT_DEFAULT_NS  (INT64_C(10) * 1000000000)
#define INTERVAL_DEFAULT_NS (INT64_C(1000000000))

/* Gives @g to graphviz, whose picture goes to standard output. */
static int draw(const struct lattice_graph *g)
{
	static char name[] = "dot", format[] = "-Tsvg";
	char *const argv[] = { name, format, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], rc, status = 0;
	pid_t child;
	FILE *to;

	if (pipe(ends) < 0)
		return cli_complain("a pipe cannot be made: %s", strerror(errno));
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		(void)posix_spawn_file_actions_addclose(&actions, ends[1]);
		(void)posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
		rc = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[0]);
	to = rc == 0 ? fdopen(ends[1], "w") : NULL;
	if (to == NULL) {
		close(ends[1]);
		if (rc == ENOENT)
			return cli_complain(
				"graphviz is not installed, which draws the picture: install it, or see what it "
				"would be given by --dot");
		return cli_complain("graphviz does not start: %s", strerror(rc != 0 ? rc : errno));
	}
	cli_graph_dot(to, g);
	(void)fclose(to); /* if it did not read all, its status says so */
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return cli_complain("graphviz does not start");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CLI_OK : cli_complain("graphviz failed");
}

static int show(const struct cli_options *opt, const struct lattice_graph *g)
{
	bool screen = isatty(STDOUT_FILENO) == 1;

	if (opt->svg)
		return draw(g);
	if (opt->json) {
		cli_graph_json(stdout, g);
	} else if (opt->dot) {
		cli_graph_dot(stdout, g);
	} else {
		if (opt->live && screen)
			fputs("\033[H\033[J", stdout); /* from the top of an empty screen */
		cli_graph_text(stdout, g, screen);
		if (opt->live && !screen)
			fputc('\n', stdout);
	}
	return CLI_OK;
}

static int show_once(const struct cli_options *opt, struct lattice_node *node)
{
	int64_t timeout_ns = opt->timeout_ns != CLI_UNSET ? opt->timeout_ns : TIMEOUT_DEFAULT_NS;
	struct lattice_graph *g;
	int status, rc = lattice_graph_read(&g, node, timeout_ns);

	if (rc < 0)
		return cli_fail(node, rc, "the graph cannot be read");
	status = show(opt, g);
	lattice_graph_free(g);
	return status;
}

/* Until it is interrupted. */
static int show_always(const struct cli_options *opt, struct lattice_node *node, int signals)
{
	int64_t interval_ns = opt->interval_ns != CLI_UNSET ? opt->interval_ns : INTERVAL_DEFAULT_NS;
	struct pollfd end = { .fd = signals, .events = POLLIN };
	int status;

	do {
		status = show_once(opt, node);
		if (status == CLI_OK && cli_flush() < 0)
			status = CLI_FAILED;
	} while (status == CLI_OK && poll(&end, 1, (int)(interval_ns / 1000000)) == 0);
	return status;
}

static int run_graph(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_node *node = NULL;
	int status, signals = -1;
	sigset_t ends;

	(void)argc;
	(void)argv;
	if (opt->dot + opt->svg + opt->json > 1)
		return cli_usage("only one of --dot, --svg and --json");
	if (opt->live && (opt->dot || opt->svg))
		return cli_usage("--live goes with text and --json, not with pictures");
	if (opt->interval_ns != CLI_UNSET && (!opt->live || opt->interval_ns / 1000000 > INT32_MAX))
		return cli_usage("--interval goes with --live, and is at most 2147483 seconds");
	if (opt->live) { /* before the node: its threads inherit the mask */
		(void)sigemptyset(&ends);
		(void)sigaddset(&ends, SIGINT);
		(void)sigaddset(&ends, SIGTERM);
		(void)sigprocmask(SIG_BLOCK, &ends, NULL);
		signals = signalfd(-1, &ends, SFD_CLOEXEC);
		if (signals < 0)
			return cli_complain("signals cannot be waited for: %s", strerror(errno));
	}
	status = cli_node_look(&node, opt);
	if (status == CLI_OK)
		status = opt->live ? show_always(opt, node, signals) : show_once(opt, node);
	lattice_node_close(node);
	if (signals >= 0)
		close(signals);
	return status;
}

const struct cli_command cli_graph = {
	.name = "graph",
	.args = "",
	.summary = "show who sends to whom on this machine's node, and who waits for whom",
	.text = "Shows the processes of the node that runs here, who receives in each and to whom they send; which calls wait,\n"
		"which were refused because they would have closed a ring (in red), and whose work comes before whose. Without an\n"
		"option as a tree; --dot is for graphviz, --svg has it draw the picture, --live shows it again and again until it\n"
		"is interrupted. Only the user of the process that hosts the node, and root, are told. A process that does not\n"
		"answer within half a second is shown as such.",
	.options = (const int[]){ OPT_DOT, OPT_SVG, OPT_JSON, OPT_LIVE, OPT_INTERVAL_LOOKS, OPT_TIMEOUT,
				  OPT_DIR, OPT_VERBOSE, OPT_HELP, 0 },
	.run = run_graph,
};
