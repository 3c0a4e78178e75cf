/* The program is run with --json, one round at a time; its lines name the subjects. */
#include "lib/peer.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/place.h"

extern char **environ;

static struct bench_result *result_of(struct bench_run *run, const char *name)
{
	for (size_t i = 0; i < run->count; i++)
		if (strcmp(run->results[i].subject->name, name) == 0)
			return &run->results[i];
	return NULL;
}

static bool wanted(const struct bench_peer *peer, struct bench_run *run, char *only, size_t room)
{
	size_t at = 0;

	for (size_t i = 0; i < peer->count; i++) {
		const struct bench_result *r = result_of(run, peer->subjects[i].name);

		if (r != NULL && r->rc == 0 && at < room)
			at += (size_t)snprintf(only + at, room - at, "%s%s", at > 0 ? "," : "",
					       peer->subjects[i].name);
	}
	return at > 0 && at < room;
}

/* DIR/program, where DIR is this program's. */
static bool beside(const char *program, char *out, size_t room)
{
	ssize_t length = readlink("/proc/self/exe", out, room - 1);
	char *slash;

	if (length <= 0)
		return false;
	out[length] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL || (size_t)(slash + 1 - out) + strlen(program) >= room)
		return false;
	memcpy(slash + 1, program, strlen(program) + 1);
	return access(out, X_OK) == 0;
}

static double number(const char *line, const char *field)
{
	char key[48];
	const char *at;
	char *end;
	double is;

	(void)snprintf(key, sizeof(key), "\"%s\":", field);
	at = strstr(line, key);
	if (at == NULL)
		return NAN;
	at += strlen(key);
	is = strtod(at, &end);
	return end == at ? NAN : is;
}

static void take(struct bench_run *run, const char *line)
{
	char name[64];
	struct bench_result *r;
	double value = number(line, "value");

	if (sscanf(line, "{\"name\":\"%63[^\"]\"", name) != 1 || isnan(value))
		return;
	r = result_of(run, name);
	if (r == NULL || r->rc < 0 || r->rounds >= run->cfg.rounds)
		return;
	r->p50[r->rounds] = value;
	r->p99[r->rounds] = number(line, "p99");
	r->p999[r->rounds] = number(line, "p999");
	r->rounds++;
}

static void give_up(const struct bench_peer *peer, struct bench_run *run, int rc, const char *why)
{
	for (size_t i = 0; i < peer->count; i++) {
		struct bench_result *r = result_of(run, peer->subjects[i].name);

		if (r != NULL && r->rc == 0) {
			r->rc = rc;
			(void)snprintf(r->why, sizeof(r->why), "%s", why);
		}
	}
}

static int start(const char *path, const char *const *argv, pid_t *child)
{
	posix_spawn_file_actions_t actions;
	int ends[2], rc;

	if (pipe(ends) < 0)
		return -errno;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		rc = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
		if (rc == 0)
			rc = posix_spawn_file_actions_addclose(&actions, ends[0]);
		if (rc == 0)
			rc = posix_spawn(child, path, &actions, NULL, (char *const *)(uintptr_t)argv,
					 environ);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)close(ends[1]);
	if (rc == 0)
		return ends[0];
	(void)close(ends[0]);
	return -rc;
}

void bench_peer_measure(const struct bench_peer *peer, struct bench_run *run)
{
	char path[PATH_MAX], slice[24], warm_up[24], cores[32], only[512], *line = NULL;
	const char *const argv[] = { path,
				     "--json",
				     "--rounds",
				     "1",
				     "--slice",
				     slice,
				     "--warm-up",
				     warm_up,
				     "--only",
				     only,
				     bench_place_count() > 1 ? "--cores" : NULL,
				     cores,
				     NULL };
	pid_t child = 0;
	size_t room = 0;
	int status = 0, from;
	FILE *lines;

	if (!wanted(peer, run, only, sizeof(only)))
		return;
	if (!beside(peer->program, path, sizeof(path))) {
		give_up(peer, run, -ENOENT, peer->what);
		return;
	}
	(void)snprintf(slice, sizeof(slice), "%" PRIu64, run->cfg.slice_ns / 1000000);
	(void)snprintf(warm_up, sizeof(warm_up), "%" PRIu64, run->cfg.warm_up_ns / 1000000);
	(void)snprintf(cores, sizeof(cores), "%d,%d", bench_place_core(false), bench_place_core(true));
	bench_place_move(BENCH_FREE, false); /* the program inherits it */
	from = start(path, argv, &child);
	if (from < 0) {
		give_up(peer, run, from, strerror(-from));
		return;
	}
	lines = fdopen(from, "r");
	while (lines != NULL && getline(&line, &room, lines) > 0)
		take(run, line);
	free(line);
	if (lines != NULL)
		(void)fclose(lines);
	else
		(void)close(from);
	if (waitpid(child, &status, 0) < 0 || status != 0)
		give_up(peer, run, -EIO, "its program failed");
}
