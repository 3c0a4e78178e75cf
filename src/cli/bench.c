/*
 * lattice bench local, net, calls: each hands over to a program of its own, lattice-bench-local for one, because that measures more than
 * Lattice and links what the command does not need.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/options.h"

enum { ARGS_MAX = 20, NUMBER_MAX = 24 };

struct args {
	const char *v[ARGS_MAX];
	char numbers[3][NUMBER_MAX];
	size_t count, numbers_count;
};

/* Where the program may be, from where this one is: installed, beside it, in a build tree. */
static const char *const places[] = { CLI_LIBEXEC, ".", "../bench" };

static void add(struct args *a, const char *name, const char *value)
{
	if (value == NULL)
		return;
	a->v[a->count++] = name;
	a->v[a->count++] = value;
}

static void add_number(struct args *a, const char *name, int64_t value)
{
	char *text = a->numbers[a->numbers_count];

	if (value == CLI_UNSET)
		return;
	a->numbers_count++;
	(void)snprintf(text, NUMBER_MAX, "%" PRId64, value);
	add(a, name, text);
}

/* False: it is in none of the places. */
static bool find(const char *program, char *out, size_t room)
{
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (length <= 0)
		return false;
	own[length] = '\0';
	slash = strrchr(own, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		bool absolute = places[i][0] == '/';
		int wrote = snprintf(out, room, "%s%s%s/%s", absolute ? "" : own, absolute ? "" : "/",
				     places[i], program);

		if (wrote > 0 && (size_t)wrote < room && access(out, X_OK) == 0)
			return true;
	}
	return false;
}

static int run_bench(const char *program, const struct cli_options *opt)
{
	struct args a = { .v = { program }, .count = 1 };
	char path[PATH_MAX];

	add_number(&a, "--rounds", opt->rounds);
	add_number(&a, "--slice", opt->slice_ms);
	add_number(&a, "--warm-up", opt->warm_up_ms);
	add(&a, "--cores", opt->cores);
	add(&a, "--only", opt->only);
	add(&a, "--plot", opt->plot);
	if (opt->json)
		a.v[a.count++] = "--json";
	if (opt->list)
		a.v[a.count++] = "--list";
	if (!find(program, path, sizeof(path)))
		return cli_complain("%s is not installed", program);
	/* execv() changes none of what it is given, though its prototype does not say so. */
	(void)execv(path, (char *const *)(uintptr_t)a.v);
	return cli_complain("%s: %s", path, strerror(errno));
}

static int run_local(const struct cli_options *opt, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run_bench("lattice-bench-local", opt);
}

static int run_net(const struct cli_options *opt, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run_bench("lattice-bench-net", opt);
}

static int run_calls(const struct cli_options *opt, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run_bench("lattice-bench-calls", opt);
}

static const int bench_options[] = { OPT_ROUNDS, OPT_SLICE, OPT_WARM_UP, OPT_CORES, OPT_ONLY,
				     OPT_PLOT,   OPT_JSON,  OPT_LIST,    OPT_HELP,  0 };

const struct cli_command cli_bench_local = {
	.name = "bench local",
	.args = "",
	.summary = "what this machine can do, and Lattice beside it",
	.text = "Measures the limits of the machine (switches, cache lines between cores, sleeping and waking, copying) and Lattice\n"
		"in one run, and says which of the project's goals hold, as ratios: what is measured varies with the machine and\n"
		"with what else runs on it, the ratios less. It takes some seconds and two cores.",
	.options = bench_options,
	.run = run_local,
};

const struct cli_command cli_bench_net = {
	.name = "bench net",
	.args = "",
	.summary = "two nodes on this machine, beside what UDP and TCP can do",
	.text = "Measures UDP over the loopback, bare and sealed, the cryptography alone, and Lattice between two nodes over UDP and\n"
		"TCP in one run, beside other libraries where they are installed, and says which of the project's goals hold, as\n"
		"ratios. It takes some seconds and two cores, and sends nothing to another machine.",
	.options = bench_options,
	.run = run_net,
};

const struct cli_command cli_bench_calls = {
	.name = "bench calls",
	.args = "",
	.summary = "calls between tasks, threads, processes and nodes, beside what others do",
	.text = "Measures a call and its reply between two tasks of a thread, two threads, two processes, and two nodes over UDP and TCP in\n"
		"one run, beside what the machine can do, a call by hand over a Unix socket, and ZeroMQ where it is installed. It takes\n"
		"some seconds and two cores, and sends nothing to another machine.",
	.options = bench_options,
	.run = run_calls,
};
