#include "lib/main.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/report.h"

enum { ROUNDS_DEFAULT = 9, SLICE_DEFAULT_MS = 20, WARM_UP_DEFAULT_MS = 4 };

struct words {
	bool json, list, help;
	const char *plot;
};

static const char usage[] =
	"  --rounds N      how often each subject has its turn (9)\n"
	"  --slice MS      how long a turn is (20)\n"
	"  --warm-up MS    what comes before it, not counted (4)\n"
	"  --cores A,B     the two cores to use (the first two that are not threads of one)\n"
	"  --only A,B,...  these subjects, or what these goals need\n"
	"  --json          an object a line\n"
	"  --plot FILE     the goals as a picture (SVG)\n"
	"  --list          what there is, measuring nothing\n";

static bool number(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		return false;
	*out = n;
	return true;
}

static bool parse(struct bench_config *cfg, struct words *words, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "rounds", required_argument, NULL, 'r' },  { "slice", required_argument, NULL, 's' },
		{ "warm-up", required_argument, NULL, 'w' }, { "cores", required_argument, NULL, 'c' },
		{ "only", required_argument, NULL, 'o' },    { "json", no_argument, NULL, 'j' },
		{ "plot", required_argument, NULL, 'p' },    { "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
	};
	unsigned long n = 0;
	int id;

	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		bool fine = true;

		switch (id) {
		case 'r':
			fine = number(optarg, 1, BENCH_ROUNDS_MAX, &n);
			cfg->rounds = (uint32_t)n;
			break;
		case 's':
			fine = number(optarg, 1, 10000, &n);
			cfg->slice_ns = n * 1000000;
			break;
		case 'w':
			fine = number(optarg, 0, 10000, &n);
			cfg->warm_up_ns = n * 1000000;
			break;
		case 'c':
			cfg->cores = optarg;
			break;
		case 'o':
			cfg->only = optarg;
			break;
		case 'j':
			words->json = true;
			break;
		case 'p':
			words->plot = optarg;
			break;
		case 'l':
			words->list = true;
			break;
		case 'h':
			words->help = true;
			break;
		default:
			return false;
		}
		if (!fine) {
			fprintf(stderr, "%s: '%s' is not a number that can be here\n", argv[0], optarg);
			return false;
		}
	}
	if (optind < argc)
		fprintf(stderr, "%s: '%s' is too much\n", argv[0], argv[optind]);
	return optind == argc;
}

static void list(const struct bench_plan *plan)
{
	for (size_t i = 0; plan->subjects[i] != NULL; i++)
		printf("%-16s %s\n", plan->subjects[i]->name, plan->subjects[i]->what);
	for (const struct bench_peer *p = plan->peers; p != NULL && p->program != NULL; p++)
		for (size_t i = 0; i < p->count; i++)
			printf("%-16s %s\n", p->subjects[i].name, p->subjects[i].what);
	for (const struct bench_goal *g = plan->goals; g != NULL && g->name != NULL; g++)
		printf("%-16s %s\n", g->name, g->what);
}

static int plot(const struct bench_run *run, const char *path)
{
	FILE *to = fopen(path, "w");
	int rc = 0;

	if (to == NULL)
		return -errno;
	bench_plot(to, run);
	if (fflush(to) != 0 || ferror(to))
		rc = -EIO;
	(void)fclose(to);
	return rc;
}

int bench_main(const struct bench_plan *plan, int argc, char **argv)
{
	struct bench_run run = { .plan = plan,
				 .cfg = { .rounds = ROUNDS_DEFAULT,
					  .slice_ns = UINT64_C(1000000) * SLICE_DEFAULT_MS,
					  .warm_up_ns = UINT64_C(1000000) * WARM_UP_DEFAULT_MS } };
	struct words words = { 0 };
	int rc;

	if (!parse(&run.cfg, &words, argc, argv)) {
		fprintf(stderr, "%s", usage);
		return 2;
	}
	if (words.help) {
		printf("%s\n\n%s", plan->title, usage);
		return 0;
	}
	if (words.list) {
		list(plan);
		return 0;
	}
	rc = bench_run(&run);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", argv[0],
			rc == -ENOENT   ? "--only names nothing that there is: see --list"
			: rc == -EINVAL ? "--cores is two numbers, A,B, of cores that may be used"
					: strerror(-rc));
		bench_run_free(&run);
		return rc == -ENOENT || rc == -EINVAL ? 2 : 1;
	}
	if (words.json)
		bench_report_json(stdout, &run);
	else
		bench_report_table(stdout, &run);
	if (words.plot != NULL)
		rc = plot(&run, words.plot);
	if (rc < 0)
		fprintf(stderr, "%s: %s: %s\n", argv[0], words.plot, strerror(-rc));
	bench_run_free(&run);
	return rc < 0 || fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}
