/* Named sockets: who may reach them, what stands in the way, a reader that does not read. */
#include "os/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/test.h"
#include "os/clock.h"
#include "os/eventfd.h"

static char *fresh(char dir[64])
{
	(void)snprintf(dir, 64, "/tmp/lattice-test-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	return dir;
}

static int call(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	rc = connect(fd, (const struct sockaddr *)&at, sizeof(at));
	if (rc == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

TEST(it_is_there_until_it_is_closed)
{
	struct lat_unixsock s;
	char dir[64], path[80], buf[8] = "";
	struct stat st;
	int caller, fd;
	mode_t mask = umask(0);

	(void)snprintf(path, sizeof(path), "%s/x.sock", fresh(dir));
	CHECK_EQ(lat_unixsock_listen(&s, dir, "x.sock"), 0);
	(void)umask(mask);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0600);
	CHECK_EQ(lat_unixsock_accept(&s), -EAGAIN);
	caller = call(path);
	CHECK(caller >= 0);
	fd = lat_unixsock_accept(&s);
	CHECK(fd >= 0);
	CHECK_EQ(lat_unixsock_send(fd, "hello", 5, -1, UINT64_MAX), 0);
	lat_unixsock_hang_up(fd);
	CHECK_EQ(read(caller, buf, sizeof(buf)), 5);
	CHECK_STR(buf, "hello");
	CHECK_EQ(read(caller, buf, sizeof(buf)), 0);
	close(caller);
	lat_unixsock_close(&s);
	lat_unixsock_close(&s);
	CHECK_EQ(call(path), -ENOENT);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(what_a_dead_one_left_is_replaced)
{
	struct lat_unixsock dead, s;
	char dir[64], path[80];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/x.sock", fresh(dir));
	CHECK_EQ(lat_unixsock_listen(&dead, dir, "x.sock"), 0);
	close(dead.fd);
	CHECK_EQ(call(path), -ECONNREFUSED);
	CHECK_EQ(lat_unixsock_listen(&s, dir, "x.sock"), 0);
	fd = call(path);
	CHECK(fd >= 0);
	close(fd);
	lat_unixsock_close(&s);
	close(dead.dir);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(places_that_do_not_do)
{
	static const char longer[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct lat_unixsock s;
	char dir[64], deep[256], path[300];
	int fd;

	CHECK_EQ(lat_unixsock_listen(&s, "/does/not/exist", "x"), -ENOENT);
	CHECK_EQ(s.fd, -1);
	lat_unixsock_close(&s);
	CHECK_EQ(lat_unixsock_listen(&s, fresh(dir), longer), -ENAMETOOLONG);
	(void)snprintf(path, sizeof(path), "%s/x", dir);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(lat_unixsock_listen(&s, dir, "x"), -EEXIST);
	CHECK_EQ(rmdir(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(lat_unixsock_listen(&s, dir, "x"), -EEXIST);
	CHECK_EQ(access(path, F_OK), 0); /* what is no socket stays */
	close(fd);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(symlink("y", path), 0);
	CHECK_EQ(lat_unixsock_listen(&s, dir, "x"), -EEXIST);
	CHECK_EQ(unlink(path), 0);
	/* A path that no sockaddr_un has room for. */
	(void)snprintf(deep, sizeof(deep), "%s/%s%s", dir, longer, longer);
	CHECK_EQ(mkdir(deep, 0700), 0);
	CHECK_EQ(lat_unixsock_listen(&s, deep, "x"), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/x", s.dir);
	fd = call(path);
	CHECK(fd >= 0);
	close(fd);
	lat_unixsock_close(&s);
	CHECK_EQ(rmdir(deep), 0);
	CHECK_EQ(rmdir(dir), 0);
}

TEST(a_caller_who_does_not_read)
{
	static unsigned char much[1 << 22];
	int pair[2], stop;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	CHECK_EQ(lat_eventfd_open(&stop), 0);
	CHECK_EQ(lat_unixsock_send(pair[0], much, sizeof(much), stop,
				   lat_clock_monotonic_ns() + LAT_NS_PER_MS),
		 -ETIMEDOUT);
	lat_eventfd_signal(stop);
	CHECK_EQ(lat_unixsock_send(pair[0], much, sizeof(much), stop, UINT64_MAX), -ECANCELED);
	close(pair[1]);
	CHECK_EQ(lat_unixsock_send(pair[0], much, sizeof(much), stop, UINT64_MAX), -EPIPE);
	lat_unixsock_hang_up(pair[0]);
	lat_unixsock_hang_up(-1);
	lat_eventfd_close(stop);
}

TEST(whom_it_lets_in)
{
	struct lat_unixsock s;
	char dir[64], path[80];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/x.sock", fresh(dir));
	CHECK_EQ(lat_unixsock_listen_packets(&s, dir, "x.sock"), 0);
	CHECK_EQ(lat_unixsock_let_in(&s), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0666);
	CHECK_EQ(stat(dir, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0711); /* to be passed through, not to be read */
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(lat_unixsock_let_in(&s), -ENOENT);
	lat_unixsock_close(&s);
	CHECK_EQ(rmdir(dir), 0);
}

TEST_MAIN
