/* Asking the node that runs on a state directory, by a socket in it. */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <lattice/state.h>

#define TIMEOUT_DEFAULT_NS (INT64_C(10) * 1000000000)

/*
 * An fd of the node's socket @name, or a negative errno. By the directory's fd, because its path may be a long one. A node that
 * is stopped takes connections all the same, so nothing is waited for longer than @timeout_ns.
 */
static int call(const char *dir, const char *name, int64_t timeout_ns)
{
	const struct timeval patience = { .tv_sec = timeout_ns / 1000000000,
					  .tv_usec = timeout_ns < 1000 ? 1 : timeout_ns % 1000000000 / 1000 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, rc;

	if (folder < 0)
		return -errno;
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", folder, name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
			     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
			     connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0
		     ? -errno
		     : 0;
	close(folder);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int silent(const char *dir)
{
	(void)cli_complain("the node on %s does not answer: is it stopped?", dir);
	return CLI_UNREACHABLE;
}

int cli_ask(const struct cli_options *opt, const char *name, const char *request, bool quiet,
	    void (*fn)(void *ctx, const struct cli_options *opt, const char *line), void *ctx)
{
	char where[4096], *line = NULL;
	const char *dir = opt->dir;
	size_t room = 0, lines = 0;
	FILE *from;
	int rc = 0, fd;

	if (dir == NULL) {
		rc = lattice_state_dir(where, sizeof(where));
		dir = where;
	}
	if (rc < 0)
		return cli_fail(NULL, rc, "no state directory");
	fd = call(dir, name, opt->timeout_ns != CLI_UNSET ? opt->timeout_ns : TIMEOUT_DEFAULT_NS);
	if (quiet && fd < 0)
		return CLI_UNREACHABLE;
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		(void)cli_complain(
			"no node runs on %s that has a network: 'lattice node run' runs one, -d names another directory",
			dir);
		return CLI_UNREACHABLE;
	}
	if (fd == -EAGAIN)
		return silent(dir);
	if (fd < 0)
		return cli_complain("%s/%s: %s", dir, name, strerror(-fd));
	if (request != NULL && send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request)) {
		rc = errno;
		close(fd);
		return rc == EAGAIN ? silent(dir) : cli_complain("%s/%s: %s", dir, name, strerror(rc));
	}
	from = fdopen(fd, "r");
	if (from == NULL) {
		close(fd);
		return cli_complain("out of memory");
	}
	for (; (errno = 0, getline(&line, &room, from)) > 0; lines++)
		fn(ctx, opt, line);
	rc = ferror(from) ? errno : 0;
	free(line);
	(void)fclose(from);
	if (rc == EAGAIN)
		return silent(dir);
	if (rc != 0)
		return cli_complain("%s/%s: %s", dir, name, strerror(rc));
	if (lines == 0 && request == NULL) {
		(void)cli_complain("the node on %s ended", dir);
		return CLI_UNREACHABLE;
	}
	return CLI_OK;
}
