/* What is written means nothing; every call says for itself that it does not block. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/poke.h"

int lat_poke_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

void lat_poke_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t bytes = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) < 0 ? -1 : value;
}

int lat_poke_check(int fd)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof(peer);

	if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM)
		return -EINVAL;
	return getpeername(fd, (struct sockaddr *)&peer, &bytes) < 0 ? -EINVAL : 0;
}

void lat_poke(int fd)
{
	ssize_t n;

	/* No room means that enough is there to be read already. */
	do
		n = send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
}

int lat_poke_clear(int fd)
{
	char bytes[4096]; /* more than pile up, unless somebody means harm */
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EWOULDBLOCK))
		return -EPIPE;
	return 0;
}
