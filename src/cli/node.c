/* lattice node: a node that only runs, and a look at the one that does. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/target.h"

static void say_running(struct lattice_node *node)
{
	struct lattice_node_host host;
	int rc = lattice_node_host(node, &host);

	if (rc == 0)
		cli_note("node %" PRIu32 " runs, port %u; this machine's processes meet at %s",
			 lattice_node_number(node), (unsigned)lattice_node_port(node), host.socket);
	else
		cli_note(
			"node %" PRIu32
			" runs, port %u; this machine's processes cannot attach to it, because another one hosts "
			"('lattice node status' says which, -v why)",
			lattice_node_number(node), (unsigned)lattice_node_port(node));
}

/* Waits for it. false: it cannot be waited for. */
static bool next_signal(int signals, struct signalfd_siginfo *got)
{
	ssize_t n;

	do
		n = read(signals, got, sizeof(*got));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*got);
}

static void reload(struct lattice_node *node, const struct cli_options *opt)
{
	int rc = lattice_node_reload(node);

	if (rc < 0)
		(void)cli_fail(node, rc, "what was allowed stays allowed");
	else
		cli_note("%s was %s", opt->policy != NULL ? opt->policy : opt->audit,
			 opt->policy != NULL ? "read again" : "opened anew");
}

static int run_run(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_node *node = NULL;
	struct signalfd_siginfo got;
	int status, signals;
	sigset_t ends;

	(void)argc;
	(void)argv;
	if (opt->audit_format != NULL &&
	    ((strcmp(opt->audit_format, "text") != 0 && strcmp(opt->audit_format, "json") != 0) ||
	     opt->audit == NULL))
		return cli_usage("--audit-format is text or json, and goes with --audit");
	/* Before the node: its threads inherit the mask, so the signals come by the fd alone. */
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (signals < 0)
		return cli_complain("signals cannot be waited for: %s", strerror(errno));
	status = cli_node_open(&node, opt, LATTICE_PORT_DEFAULT);
	if (status == CLI_OK) {
		say_running(node);
		while (next_signal(signals, &got) && got.ssi_signo == SIGHUP &&
		       (opt->policy != NULL || opt->audit != NULL))
			reload(node, opt);
		cli_stats_print(opt, node);
	}
	lattice_node_close(node);
	close(signals);
	return status;
}

const struct cli_command cli_node_run = {
	.name = "node run",
	.args = "",
	.summary = "run a node, and nothing else",
	.text = "Runs the node of the state directory, with the network, until SIGINT or SIGTERM. The processes of this machine that\n"
		"open a node without saying which are part of it, and reach other nodes through it. The port is 15000 unless --port says which.\n\n"
		"Without -c only processes of this user may do that, and every peer may send to every pid. With it the lines of FILE decide\n"
		"who else may; lattice(1) has its form. SIGHUP has it read again: what is still allowed goes on, what is not ends.\n\n"
		"With --audit each refusal is a line in a file that only its owner may read: when, who, what, by which capability, why.\n"
		"SIGHUP opens the file anew, for who moves it away.",
	.options = (const int[]){ OPT_POLICY, OPT_AUDIT, OPT_AUDIT_FORMAT, OPT_DIR, OPT_PORT, OPT_BIND,
				  OPT_STATS, OPT_JSON, OPT_UNLOCKED, OPT_VERBOSE, OPT_HELP, 0 },
	.run = run_run,
};

static void show_receiver(const struct cli_options *opt, const struct lattice_receiver *one)
{
	if (!opt->json) {
		printf("pid %" PRId32 ": process %" PRId32 "%s%s\n", one->pid, one->process,
		       one->name[0] != '\0' ? ", service " : "", one->name);
		return;
	}
	printf("{\"pid\": %" PRId32 ", \"process\": %" PRId32 ", \"service\": ", one->pid, one->process);
	cli_json_text(stdout, one->name);
	printf("}\n");
}

static int run_status(const struct cli_options *opt, int argc, char **argv)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	struct lattice_receiver one = { 0 };
	struct lattice_node_host host;
	struct lattice_node *node;
	int rc = lattice_node_open(&node, &cfg);

	(void)argc;
	(void)argv;
	if (rc < 0)
		return cli_fail(NULL, rc, "no node");
	rc = lattice_node_host(node, &host);
	if (rc == 0 && opt->json) {
		printf("{\"node\": %" PRIu32 ", \"process\": %" PRId32 ", \"socket\": ",
		       lattice_node_number(node), host.process);
		cli_json_text(stdout, host.socket);
		printf("}\n");
	} else if (rc == 0) {
		printf("node %" PRIu32 ", hosted by process %" PRId32 " at %s\n", lattice_node_number(node),
		       host.process, host.socket);
	}
	while (rc == 0 && (rc = lattice_node_receiver(node, one.pid, &one)) == 0)
		show_receiver(opt, &one);
	if (rc < 0 && rc != -ENOENT)
		rc = cli_fail(node, rc, "it does not say who receives");
	else
		rc = CLI_OK;
	lattice_node_close(node);
	return rc;
}

const struct cli_command cli_node_status = {
	.name = "node status",
	.args = "",
	.summary = "show the node that this machine's processes share",
	.text = "Says which node that is, which process hosts it, where they meet, and which process receives as which pid,\n"
		"and as which service. Status 3 when there is none.",
	.options = (const int[]){ OPT_JSON, OPT_VERBOSE, OPT_HELP, 0 },
	.run = run_status,
};
