/* lattice node: a node that only runs, and a look at the one that does. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/ask.h"
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

/* "" when the line has no such field. */
static const char *field(const char *line, const char *name, char buf[static 512])
{
	if (!cli_json_field(line, name, buf, 512))
		buf[0] = '\0';
	return buf;
}

static void print_policy(const char *line)
{
	char a[512], b[512], c[512];
	time_t at;
	struct tm tm;

	if (strcmp(field(line, "policy", a), "null") == 0) {
		printf("policy: none: this user may everything, others nothing, peers may send to every pid\n");
		return;
	}
	at = (time_t)strtoll(field(line, "policy_read", b), NULL, 10);
	if (gmtime_r(&at, &tm) == NULL || strftime(b, sizeof(b), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		b[0] = '\0';
	printf("policy: %s, read %s, ", a, b);
	printf("%s rules, %s services\n", field(line, "rules", a), field(line, "services", c));
}

/* What the owner of the state directory is told of the node. */
static void show_more(void *ctx, const struct cli_options *opt, const char *line)
{
	const int32_t *host = ctx; /* the process that was told of already; 0: none */
	char a[512], b[512], c[512], d[512];

	if (opt->json) {
		fputs(line, stdout);
		return;
	}
	if (strtol(field(line, "process", a), NULL, 10) != *host)
		printf("node %s, process %s, port %s\n", field(line, "node", a), field(line, "process", b),
		       field(line, "port", c));
	print_policy(line);
	printf("here: %s processes, %s pids, %s channels; refused %s\n", field(line, "processes", a),
	       field(line, "pids", b), field(line, "channels", c), field(line, "refused", d));
	printf("audit: %s records, %s suppressed, %s not written\n", field(line, "audit_records", a),
	       field(line, "audit_suppressed", b), field(line, "audit_unwritten", c));
	printf("capabilities: %s live, %s made, %s revoked\n", field(line, "capabilities", a),
	       field(line, "capabilities_made", b), field(line, "capabilities_ended", c));
	printf("peers: %s known, %s with a session\n", field(line, "peers", a), field(line, "peers_up", b));
}

static int show_node(const struct cli_options *opt, struct lattice_node *node, int32_t *process)
{
	struct lattice_receiver one = { 0 };
	struct lattice_node_host host;
	int rc = lattice_node_host(node, &host);

	if (rc == 0 && opt->json) {
		printf("{\"node\": %" PRIu32 ", \"process\": %" PRId32 ", \"socket\": ",
		       lattice_node_number(node), host.process);
		cli_json_text(stdout, host.socket);
		printf("}\n");
	} else if (rc == 0) {
		printf("node %" PRIu32 ", hosted by process %" PRId32 " at %s\n", lattice_node_number(node),
		       host.process, host.socket);
	}
	*process = rc == 0 ? host.process : 0;
	while (rc == 0 && (rc = lattice_node_receiver(node, one.pid, &one)) == 0)
		show_receiver(opt, &one);
	return rc < 0 && rc != -ENOENT ? cli_fail(node, rc, "it does not say who receives") : CLI_OK;
}

static int run_status(const struct cli_options *opt, int argc, char **argv)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	struct lattice_node *node = NULL;
	int rc = lattice_node_open(&node, &cfg), status = CLI_OK, more;
	int32_t process = 0;

	(void)argc;
	(void)argv;
	if (rc == 0)
		status = show_node(opt, node, &process);
	more = cli_ask(opt, "control.sock", "status\n", true, show_more, &process);
	if (rc < 0 && more != CLI_OK)
		status = cli_fail(NULL, rc, "no node");
	lattice_node_close(node);
	return status;
}

const struct cli_command cli_node_status = {
	.name = "node status",
	.args = "",
	.summary = "show the node that this machine's processes share",
	.text = "Says which node that is, which process hosts it, where they meet, and which process receives as which pid,\n"
		"and as which service. To the owner of the state directory on which a node runs also the policy in force, and how many\n"
		"processes, pids, channels, refusals, records of them, capabilities and peers there are. Status 3 when there is none.",
	.options = (const int[]){ OPT_DIR, OPT_TIMEOUT, OPT_JSON, OPT_VERBOSE, OPT_HELP, 0 },
	.run = run_status,
};

/* ---- reload ---- */

static void show_reload(void *ctx, const struct cli_options *opt, const char *line)
{
	char a[512], b[512], c[512], d[512];
	int *status = ctx;

	*status = strcmp(field(line, "ok", a), "true") == 0 ? CLI_OK : CLI_FAILED;
	if (opt->json)
		fputs(line, stdout);
	else if (*status != CLI_OK)
		(void)cli_complain("%s; what was allowed stays allowed", field(line, "why", b));
	else if (strcmp(field(line, "policy", a), "null") == 0)
		printf("there is no policy; the file for refusals was opened anew\n");
	else
		printf("%s was read again; cut: %s processes, %s pids, %s grants with their channels\n", a,
		       field(line, "processes", b), field(line, "pids", c), field(line, "grants", d));
}

static int run_reload(const struct cli_options *opt, int argc, char **argv)
{
	int done = CLI_UNREACHABLE, status;

	(void)argc;
	(void)argv;
	status = cli_ask(opt, "control.sock", "reload\n", false, show_reload, &done);
	if (status == CLI_OK && done == CLI_UNREACHABLE)
		(void)cli_complain("the node ended, or did not answer");
	return status != CLI_OK ? status : done;
}

const struct cli_command cli_node_reload = {
	.name = "node reload",
	.args = "",
	.summary = "have a node read its policy again",
	.text = "Asks the node that runs on the state directory to read its policy (node run -c) again, and says what that has cut: what\n"
		"is still allowed goes on. With a mistake in the file nothing changes, the line is named, and the status is 1. The file\n"
		"for refusals (node run --audit) is opened anew.",
	.options = (const int[]){ OPT_DIR, OPT_TIMEOUT, OPT_JSON, OPT_HELP, 0 },
	.run = run_reload,
};

/* ---- audit ---- */

static void show_record(void *ctx, const struct cli_options *opt, const char *line)
{
	uint64_t *last = ctx;
	char *rest;

	(void)opt;
	*last = strtoull(line, &rest, 10);
	if (*rest == ' ')
		fputs(rest + 1, stdout);
}

static int run_audit(const struct cli_options *opt, int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t last = 0;
	char request[64];
	int status;

	(void)argc;
	(void)argv;
	do {
		(void)snprintf(request, sizeof(request), "audit %" PRIu64 " %s\n", last,
			       opt->json ? "json" : "text");
		status = cli_ask(opt, "control.sock", request, false, show_record, &last);
		if (opt->follow && status == CLI_OK && cli_flush() < 0)
			return CLI_FAILED;
		if (opt->follow && status == CLI_OK)
			(void)nanosleep(&pause, NULL);
	} while (opt->follow && status == CLI_OK);
	return status;
}

const struct cli_command cli_node_audit = {
	.name = "node audit",
	.args = "",
	.summary = "show what a node refused, to whom, and why",
	.text = "Asks the node that runs on the state directory for what it refused lately: the last 256 records, a line each. 'lattice node\n"
		"run --audit FILE' keeps them all.",
	.options = (const int[]){ OPT_FOLLOW, OPT_DIR, OPT_TIMEOUT, OPT_JSON, OPT_HELP, 0 },
	.run = run_audit,
};
