/* File descriptors arrive as announced, or none stays open. */
#include "os/fdpass.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"

static void pair(int sock[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sock), 0);
}

static size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Sends any number of copies of one fd: what a peer may do and we never would. */
static void send_many(int sock, const char *data, size_t bytes, int fd, size_t count)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	CHECK(count <= 64);
	if (count > 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	CHECK_EQ(sendmsg(sock, &msg, 0), bytes);
}

TEST(what_is_sent_arrives)
{
	for (size_t count = 0; count <= LAT_FDPASS_MAX; count++) {
		int sock[2], pipes[LAT_FDPASS_MAX][2], sent[LAT_FDPASS_MAX], got[LAT_FDPASS_MAX];
		size_t came = LAT_FDPASS_MAX, before;
		char buf[16];

		pair(sock);
		for (size_t i = 0; i < LAT_FDPASS_MAX; i++) {
			CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
			sent[i] = pipes[i][1];
		}
		before = open_fds();
		CHECK_EQ(lat_fdpass_send(sock[0], "hello", 5, sent, count), 0);
		CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), got, &came), 5);
		CHECK_MEM(buf, "hello", 5);
		CHECK_EQ(came, count);
		CHECK_EQ(open_fds(), before + count);
		for (size_t i = 0; i < count; i++) { /* each is what was sent in its place */
			unsigned char byte = (unsigned char)i, back = 0xff;

			CHECK_EQ(fcntl(got[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
			CHECK_EQ(write(got[i], &byte, 1), 1);
			CHECK_EQ(read(pipes[i][0], &back, 1), 1);
			CHECK_EQ(back, byte);
			close(got[i]);
		}
		for (size_t i = 0; i < LAT_FDPASS_MAX; i++) {
			close(pipes[i][0]);
			close(pipes[i][1]);
		}
		close(sock[0]);
		close(sock[1]);
	}
}

TEST(surplus_is_closed)
{
	static const struct {
		const char *why;
		size_t sent, asked, sent_bytes;
		ssize_t want;
	} rows[] = {
		{ "as asked", 2, 2, 4, 4 },
		{ "fewer than asked", 1, 2, 4, 4 },
		{ "none of those asked", 0, 2, 4, 4 },
		{ "one too many", 3, 2, 4, -EPROTO },
		{ "one where none was asked", 1, 0, 4, -EPROTO },
		{ "as many as we ever take", 8, 8, 4, 4 },
		{ "one more than that", 9, 8, 4, -EPROTO },
		{ "far too many", 64, 8, 4, -EPROTO },
		{ "far too many where none was asked", 64, 0, 4, -EPROTO },
		{ "data just fits", 1, 1, 8, 8 },
		{ "data cut", 1, 1, 9, -EPROTO },
		{ "data cut, no fd", 0, 0, 9, -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int sock[2], got[LAT_FDPASS_MAX] = { -7, -7, -7, -7, -7, -7, -7, -7 };
		size_t count = rows[i].asked, before;
		char buf[8];

		pair(sock);
		before = open_fds();
		send_many(sock[0], "123456789", rows[i].sent_bytes, sock[0], rows[i].sent);
		CHECK_EQ_ROW(rows[i].why, lat_fdpass_recv(sock[1], buf, sizeof(buf), got, &count),
			     rows[i].want);
		CHECK_EQ_ROW(rows[i].why, count, rows[i].want < 0 ? rows[i].asked : rows[i].sent);
		for (size_t fd = 0; fd < LAT_FDPASS_MAX; fd++) {
			CHECK_EQ_ROW(rows[i].why, got[fd] >= 0, rows[i].want >= 0 && fd < count);
			if (got[fd] >= 0)
				close(got[fd]);
		}
		CHECK_EQ_ROW(rows[i].why, open_fds(), before);
		close(sock[0]);
		close(sock[1]);
	}
}

TEST(credentials_beside_fds_do_no_harm)
{
	int sock[2], got[1], on = 1;
	size_t count = 1;
	char buf[8];

	pair(sock);
	CHECK_EQ(setsockopt(sock[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	CHECK_EQ(lat_fdpass_send(sock[0], "x", 1, sock, 1), 0);
	CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), got, &count), 1);
	CHECK_EQ(count, 1);
	close(got[0]);
	close(sock[0]);
	close(sock[1]);
}

TEST(the_end_and_emptiness)
{
	int sock[2], got[1];
	size_t count = 0;
	char buf[8];

	pair(sock);
	CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), NULL, &count), -EAGAIN);
	CHECK_EQ(lat_fdpass_send(sock[1], "unread", 6, NULL, 0), 0);
	CHECK_EQ(lat_fdpass_send(sock[0], "last", 4, NULL, 0), 0);
	close(sock[0]); /* with our words unread */
	CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), NULL, &count), 4);
	CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), NULL, &count), 0);
	CHECK_EQ(lat_fdpass_send(sock[1], "x", 1, NULL, 0), -EPIPE);
	close(sock[1]);

	pair(sock); /* an empty packet with an fd in it */
	got[0] = -7;
	count = 1;
	size_t before = open_fds();
	send_many(sock[0], "", 0, sock[0], 1);
	CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), got, &count), -EPROTO);
	CHECK_EQ(open_fds(), before);
	CHECK_EQ(got[0], -7);
	close(sock[0]);
	close(sock[1]);
}

TEST(sending_refusals)
{
	int sock[2], fds[LAT_FDPASS_MAX + 1];
	static char big[1 << 22];
	size_t count = LAT_FDPASS_MAX + 1;
	int rc;

	pair(sock);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = sock[0];
	CHECK_EQ(lat_fdpass_send(sock[0], "x", 1, fds, LAT_FDPASS_MAX + 1), -EINVAL);
	CHECK_EQ(lat_fdpass_send(sock[0], "", 0, fds, 1), -EINVAL);
	CHECK_EQ(lat_fdpass_recv(sock[1], big, 1, fds, &count), -EINVAL);
	count = 0;
	CHECK_EQ(lat_fdpass_recv(sock[1], big, 0, NULL, &count), -EINVAL);
	fds[1] = 1 << 20;
	CHECK_EQ(lat_fdpass_send(sock[0], "x", 1, fds, 2), -EBADF);
	CHECK_EQ(lat_fdpass_send(sock[0], big, sizeof(big), NULL, 0), -EMSGSIZE);
	do
		rc = lat_fdpass_send(sock[0], big, 1000, NULL, 0);
	while (rc == 0);
	CHECK_EQ(rc, -EAGAIN);
	close(sock[0]);
	close(sock[1]);
}

TEST(no_number_is_left)
{
	struct rlimit was, none;
	int sock[2], got[2], next;
	size_t count = 2;
	char buf[8] = "";

	pair(sock);
	send_many(sock[0], "mail", 4, sock[0], 2);
	next = dup(sock[0]);
	close(next);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ (rlim_t)next + 1, was.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	CHECK_EQ(lat_fdpass_recv(sock[1], buf, sizeof(buf), got, &count), -EMFILE);
	CHECK_STR(buf, "mail");
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &was), 0);
	CHECK_EQ(dup(sock[0]), next); /* the one that came was closed */
	close(next);
	close(sock[0]);
	close(sock[1]);
}

TEST_MAIN
