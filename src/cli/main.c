/* lattice: dispatch and help from one table. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/options.h"

static int run_version(const struct cli_options *opt, int argc, char **argv);
static int run_help(const struct cli_options *opt, int argc, char **argv);

static const int only_help[] = { OPT_HELP, 0 };

static const struct cli_command cli_version = {
	.name = "version",
	.args = "",
	.summary = "print the library's version",
	.text = "Prints the version of the library that the command runs with.",
	.options = only_help,
	.run = run_version,
};

static const struct cli_command cli_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "explain a command",
	.text = "Explains a command, or lists all.",
	.options = only_help,
	.args_max = 2,
	.run = run_help,
};

static const struct cli_command *const commands[] = {
	&cli_keygen, &cli_peers_add, &cli_peers_list, &cli_send,
	&cli_recv,   &cli_ping,      &cli_version,    &cli_help,
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
	(void)opt;
	(void)argc;
	(void)argv;
	printf("lattice %s\n", lattice_version());
	return CLI_OK;
}

/* The command whose name is argv[0], or argv[0] and argv[1]: *words of them. NULL: none. */
static const struct cli_command *find(int argc, char **argv, int *words)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const char *name = commands[i]->name, *space = strchr(name, ' ');
		size_t first = space != NULL ? (size_t)(space - name) : strlen(name);

		if (strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
			continue;
		if (space != NULL && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*words = space != NULL ? 2 : 1;
		return commands[i];
	}
	return NULL;
}

static void print_overview(FILE *to)
{
	fprintf(to, "lattice - messages between tasks, processes and machines\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  lattice %-11s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(to,
		"\n'lattice help COMMAND' explains one.\n\n"
		"Exit status: %d done, %d failed, %d wrong usage (nothing was tried), %d the other side does not\n"
		"answer, refuses the connection, or the time is over.\n\n"
		"A node lives in a state directory: -d DIR, else $LATTICE_STATE_DIR, else /var/lib/lattice for\n"
		"root, else $XDG_STATE_HOME/lattice, else ~/.local/state/lattice. One process at a time uses it.\n",
		CLI_OK, CLI_FAILED, CLI_USAGE, CLI_UNREACHABLE);
}

static void print_help(const struct cli_command *cmd)
{
	printf("lattice %s%s%s - %s\n\n%s\n\n", cmd->name, *cmd->args != '\0' ? " " : "", cmd->args,
	       cmd->summary, cmd->text);
	cli_options_print(cmd);
}

static int run_help(const struct cli_options *opt, int argc, char **argv)
{
	const struct cli_command *cmd;
	int words;

	(void)opt;
	if (argc == 0) {
		print_overview(stdout);
		return CLI_OK;
	}
	cmd = find(argc, argv, &words);
	if (cmd == NULL && strcmp(argv[0], "peers") == 0)
		return cli_usage("peers add or peers list?");
	if (cmd == NULL)
		return cli_usage("there is no command '%s%s%s'", argv[0], argc > 1 ? " " : "",
				 argc > 1 ? argv[1] : "");
	print_help(cmd);
	return CLI_OK;
}

static void print_log(void *ctx, int level, const char *text)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };

	(void)ctx;
	fprintf(stderr, "lattice: %s: %s\n", levels[level & 3], text);
}

int main(int argc, char **argv)
{
	struct cli_options opt;
	int first, words = 0, rc;

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
	if (cli_current == NULL) {
		if (strcmp(argv[1], "peers") == 0)
			return cli_usage("peers add or peers list?");
		return cli_usage("there is no command '%s'", argv[1]);
	}
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
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)cli_complain("standard output cannot be written: %s", strerror(errno));
		rc = rc == CLI_OK ? CLI_FAILED : rc;
	}
	return rc;
}
