/* SO_PEERCRED, pidfds, and the start time in /proc. */
#include "os/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif

enum { FIELD_STARTED = 22, STAT_ROOM = 1024 };

/* proc(5): the second field is a name in parentheses, which may contain anything. */
static uint64_t started(pid_t pid)
{
	char path[64], text[STAT_ROOM];
	const char *at;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < FIELD_STARTED; field++) {
		at = strchr(at, ' ');
		if (at != NULL)
			at++;
	}
	return at != NULL ? strtoull(at, NULL, 10) : 0;
}

int lat_process_of_peer(int sock, struct lat_process *out)
{
	struct ucred cred;
	socklen_t bytes = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) < 0)
		return -errno;
	if (bytes != sizeof(cred))
		return -EINVAL;
	*out = (struct lat_process){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid };
	out->started = cred.pid > 0 ? started(cred.pid) : 0;
	return 0;
}

int lat_process_groups_of_peer(int sock, uint32_t **out, size_t *count)
{
	uint32_t *groups = NULL;
	socklen_t bytes = 0;

	static_assert(sizeof(gid_t) == sizeof(*groups), "a group is 32 bits");
	while (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0) {
		uint32_t *more;

		if (errno != ERANGE || bytes == 0) { /* it says how many bytes there are */
			free(groups);
			return -errno;
		}
		more = realloc(groups, bytes);
		if (more == NULL) {
			free(groups);
			return -ENOMEM;
		}
		groups = more;
	}
	*count = bytes / sizeof(*groups);
	if (*count == 0) {
		free(groups);
		groups = NULL;
	}
	*out = groups;
	return 0;
}

void lat_process_self(struct lat_process *out)
{
	*out = (struct lat_process){ .pid = getpid(), .uid = geteuid(), .gid = getegid() };
	out->started = started(out->pid);
}

/* The pid was right at connect(2): if the socket has not hung up since, the pidfd is of that process. */
static int open_by_number(int *pidfd, int sock)
{
	struct pollfd gone = { .fd = sock, .events = POLLRDHUP };
	struct ucred cred;
	socklen_t bytes = sizeof(cred);
	long fd;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) < 0)
		return -errno;
	if (cred.pid <= 0)
		return -ESRCH;
	fd = syscall(SYS_pidfd_open, cred.pid, 0);
	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	if (poll(&gone, 1, 0) != 0) {
		close((int)fd);
		return -ESRCH;
	}
	*pidfd = (int)fd;
	return 0;
}

int lat_process_watch_peer(int *pidfd, int sock)
{
	socklen_t bytes = sizeof(*pidfd);
	int fd;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &bytes) == 0) {
		*pidfd = fd;
		return 0;
	}
	if (errno == ESRCH || errno == ENODATA || errno == EINVAL)
		return -ESRCH;
	return errno == ENOPROTOOPT ? open_by_number(pidfd, sock) : -errno;
}

void lat_process_forget(int pidfd)
{
	if (pidfd >= 0)
		close(pidfd);
}
