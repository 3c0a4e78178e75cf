/* lattice: dispatch and help from one table. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/options.h"

static int run_version(const struct cli_options *opt, int argc, char **argv);
static int run_help(const struct cli_options *opt, int argc, char **argv);

static const int json_and_help[] = { OPT_JSON, OPT_HELP, 0 };

static const struct cli_command cli_version = {
	.name = "version",
	.args = "",
	.summary = "print the library's version",
	.text = "Prints the version of the library that the command runs with.",
	.options = json_and_help,
	.run = run_version,
};

static const struct cli_command cli_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "explain a command",
	.text = "Explains a command, or lists all. With --json each command is an object with its options.",
	.options = json_and_help,
	.args_max = 2,
	.run = run_help,
};

const struct cli_command *const cli_commands[] = {
	&cli_keygen,     &cli_id,           &cli_peers_add,   &cli_peers_list,
	&cli_peers_show, &cli_peers_remove, &cli_cap_grant,   &cli_cap_attenuate,
	&cli_cap_show,   &cli_cap_list,     &cli_cap_revoke,  &cli_send,
	&cli_recv,       &cli_ping,         &cli_stats,       &cli_why,
	&cli_graph,      &cli_node_run,     &cli_node_status, &cli_node_reload,
	&cli_node_audit, &cli_bench_local,  &cli_bench_net,   &cli_bench_calls,
	&cli_completion, &cli_version,      &cli_help,        NULL,
};

const struct cli_command *cli_current;

int64_t cli_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void say(const char *fmt, va_list ap)
{
	fprintf(stderr, "lattice%s%s: ", cli_current != NULL ? " " : "",
		cli_current != NULL ? cli_current->name : "");
	vfprintf(stderr, fmt, ap);
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	if (cli_current == NULL)
		fprintf(stderr, "\nTry 'lattice help'.\n");
	else
		fprintf(stderr, "\nusage: lattice %s%s%s, see 'lattice help %s'\n", cli_current->name,
			*cli_current->args != '\0' ? " " : "", cli_current->args, cli_current->name);
	return CLI_USAGE;
}

int cli_complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CLI_FAILED;
}

void cli_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static int flush_err; /* the first errno of it */

int cli_flush(void)
{
	if (fflush(stdout) != 0 && flush_err == 0)
		flush_err = errno;
	return ferror(stdout) != 0 ? -1 : 0;
}

static int exit_of(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EOWNERDEAD:
		return CLI_UNREACHABLE;
	default:
		return CLI_FAILED;
	}
}

int cli_fail(const void *handle, int rc, const char *fmt, ...)
{
	char why[1024];
	va_list ap;

	(void)lattice_explain(handle, rc, why, sizeof(why));
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", why);
	return exit_of(rc);
}

static int run_version(const struct cli_options *opt, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (opt != NULL && opt->json)
		printf("{\"version\": \"%s\"}\n", lattice_version());
	else
		printf("lattice %s\n", lattice_version());
	return CLI_OK;
}

/* The command whose name is argv[0], or argv[0] and argv[1]: *words of them. NULL: none. */
static const struct cli_command *find(int argc, char **argv, int *words)
{
	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const char *name = cli_commands[i]->name, *space = strchr(name, ' ');
		size_t first = space != NULL ? (size_t)(space - name) : strlen(name);

		if (strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
			continue;
		if (space != NULL && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*words = space != NULL ? 2 : 1;
		return cli_commands[i];
	}
	return NULL;
}

/* What is wrong with @word (and @next, which may be NULL): no command, or half of one, whose other halves are named. */
static int no_command(const char *word, const char *next)
{
	char halves[256] = "";
	size_t length = strlen(word), at = 0;

	for (size_t i = 0; cli_commands[i] != NULL; i++) {
		const char *name = cli_commands[i]->name;

		if (strncmp(name, word, length) == 0 && name[length] == ' ' && at < sizeof(halves))
			at += (size_t)snprintf(halves + at, sizeof(halves) - at, "%s'%s'", at > 0 ? ", " : "",
					       name);
	}
	if (at > 0 && next != NULL)
		return cli_usage("there is no command '%s %s', but %s", word, next, halves);
	if (at > 0)
		return cli_usage("'%s' is half a command: %s", word, halves);
	return cli_usage("there is no command '%s'", word);
}

static void print_overview(FILE *to)
{
	fprintf(to, "lattice - messages between tasks, processes and machines\n\n");
	for (size_t i = 0; cli_commands[i] != NULL; i++)
		fprintf(to, "  lattice %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	fprintf(to,
		"\n'lattice help COMMAND' explains one.\n\n"
		"Exit status: %d done, %d failed, %d wrong usage (nothing was tried), %d the other side does not\n"
		"answer, refuses the connection, or the time is over.\n\n"
		"A node lives in a state directory: -d DIR, else $LATTICE_STATE_DIR, else /var/lib/lattice for\n"
		"root, else $XDG_STATE_HOME/lattice, else ~/.local/state/lattice. One process at a time runs a\n"
		"node on it.\n",
		CLI_OK, CLI_FAILED, CLI_USAGE, CLI_UNREACHABLE);
}

static void print_help(const struct cli_command *cmd)
{
	printf("lattice %s%s%s - %s\n\n%s\n\n", cmd->name, *cmd->args != '\0' ? " " : "", cmd->args,
	       cmd->summary, cmd->text);
	cli_options_print(cmd);
}

/* What a program needs to call the command, or to test that it refuses what is wrong. */
static void print_json(const struct cli_command *cmd)
{
	printf("{\"command\": \"%s\", \"args\": \"%s\", \"args_min\": %d, \"args_max\": %d, \"summary\": ",
	       cmd->name, cmd->args, cmd->args_min, cmd->args_max);
	cli_json_text(stdout, cmd->summary);
	printf(", \"options\": [");
	for (const int *o = cmd->options; *o != 0; o++) {
		const struct cli_row *row = cli_row(*o);

		printf("%s{\"name\": \"%s\", \"letter\": \"%s\", \"kind\": \"%s\", \"arg\": \"%s\"",
		       o == cmd->options ? "" : ", ", row->name, (const char[]){ (char)cli_letter(*o), '\0' },
		       cli_kind_name(row->kind), row->arg != NULL ? row->arg : "");
		if (row->kind == KIND_NUMBER)
			printf(", \"min\": %" PRIu64 ", \"max\": %" PRIu64, row->min, row->max);
		printf("}");
	}
	printf("]}\n");
}

static int run_help(const struct cli_options *opt, int argc, char **argv)
{
	const struct cli_command *cmd;
	int words;

	if (argc == 0) {
		for (size_t i = 0; opt->json && cli_commands[i] != NULL; i++)
			print_json(cli_commands[i]);
		if (!opt->json)
			print_overview(stdout);
		return CLI_OK;
	}
	cmd = find(argc, argv, &words);
	if (cmd == NULL)
		return no_command(argv[0], argc > 1 ? argv[1] : NULL);
	if (argc > words)
		return cli_usage("'%s' is too much", argv[words]);
	if (opt->json)
		print_json(cmd);
	else
		print_help(cmd);
	return CLI_OK;
}

static void print_log(void *ctx, int level, const char *text)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };

	(void)ctx;
	fprintf(stderr, "lattice: %s: %s\n", levels[level & 3], text);
}

/*
 * A stream that is closed must not be the next thing that is opened: a socket, or a file of the state directory, would be
 * read or printed to. In its place stands something that fails, the other way round.
 */
static bool hold_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct cli_options opt;
	int first, words = 0, rc;

	if (!hold_streams())
		return CLI_FAILED;
	/* A reader that went away is an error of write(2), told in a sentence. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_overview(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		print_overview(stdout);
		return CLI_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		return run_version(NULL, 0, NULL);
	cli_current = find(argc - 1, argv + 1, &words);
	if (cli_current == NULL)
		return no_command(argv[1], argc > 2 ? argv[2] : NULL);
	argc -= words;
	argv += words;
	first = cli_options_parse(&opt, cli_current, argc, argv);
	if (first < 0)
		return CLI_USAGE;
	if (opt.help) {
		print_help(cli_current);
		return CLI_OK;
	}
	argc -= first;
	argv += first;
	if (argc < cli_current->args_min)
		return cli_usage("something is missing");
	if (argc > cli_current->args_max)
		return cli_usage("'%s' is too much", argv[cli_current->args_max]);
	if (opt.verbose)
		lattice_log_set(print_log, NULL);
	rc = cli_current->run(&opt, argc, argv);
	if (cli_flush() < 0) {
		(void)cli_complain("standard output cannot be written%s%s", flush_err != 0 ? ": " : "",
				   flush_err != 0 ? strerror(flush_err) : "");
		rc = rc == CLI_OK ? CLI_FAILED : rc;
	}
	return rc;
}
