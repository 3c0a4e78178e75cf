/*
 * An endpoint in an event loop: one epoll waits for lines on standard input, for a timer and for messages. Each line is sent
 * to pid 7 of this process, each tick of the timer too. Ends when the input has ended and all of it has come back.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <lattice/lattice.h>

enum { LINE = 1, TICK = 2 }; /* types of messages */

static int failed(const void *handle, int rc, const char *what)
{
	char why[512];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "epoll: %s: %s\n", what, why);
	return rc;
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	perror(fd == 0 ? "epoll: standard input (a terminal or a pipe, not a file)" : "epoll");
	return -1;
}

static int send_to_pid_7(struct lattice_channel *channel, int type, const char *text, size_t bytes)
{
	const struct lattice_msg msg = { .type = type, .data = text, .len = bytes };
	int rc = lattice_channel_send(channel, &msg,
				      0); /* an event loop does not wait: it could try again later */

	return rc < 0 ? failed(channel, rc, "send") : 0;
}

/* Everything that waits: the fd is level-triggered, so one message a turn would do as well. */
static int receive(struct lattice_endpoint *inbox, unsigned long *lines)
{
	struct lattice_msg msg;
	char buf[4096];
	int rc;

	while ((rc = lattice_endpoint_recv(inbox, &msg, buf, sizeof(buf), 0)) == 0) {
		*lines += msg.type == LINE;
		printf("pid %d says: %.*s\n", msg.source, (int)msg.len, buf);
	}
	(void)fflush(stdout);
	return rc == -ENOMSG ? 0 : failed(inbox, rc, "receive");
}

/* 1: there is more to come, 0: the input has ended, or a negative errno. Sends what it read, line ends included. */
static int read_input(struct lattice_channel *channel, unsigned long *sent)
{
	char text[4000];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));
	int rc;

	if (n <= 0)
		return 0;
	if (text[n - 1] == '\n')
		n--;
	rc = send_to_pid_7(channel, LINE, text, (size_t)n);
	++*sent;
	return rc < 0 ? rc : 1;
}

static int loop(struct lattice_channel *channel, struct lattice_endpoint *inbox, int epoll, int timer)
{
	unsigned long sent = 0, came = 0;
	int more = 1, rc = 0;

	while (rc >= 0 && (more > 0 || came < sent)) {
		struct epoll_event events[4];
		int n = epoll_wait(epoll, events, 4, -1);

		for (int i = 0; i < n && rc >= 0; i++) {
			unsigned long long ticks;

			if (events[i].data.fd == lattice_endpoint_fd(inbox)) {
				rc = receive(inbox, &came);
			} else if (events[i].data.fd == STDIN_FILENO) {
				rc = more = read_input(channel, &sent);
				if (more <= 0)
					epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
			} else if (read(timer, &ticks, sizeof(ticks)) > 0) {
				rc = send_to_pid_7(channel, TICK, "tick", 4);
			}
		}
	}
	return rc;
}

int main(void)
{
	const struct itimerspec every_second = { .it_interval = { .tv_sec = 1 },
						 .it_value = { .tv_nsec = 1000000 } };
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), rc;
	struct lattice_node *node = NULL;
	struct lattice_endpoint *inbox = NULL;
	struct lattice_channel *channel = NULL;

	rc = lattice_node_open(&node, NULL);
	if (rc == 0)
		rc = lattice_endpoint_open(&inbox, node, 7);
	if (rc == 0)
		rc = lattice_channel_open(&channel, node, 1, 7, 0, 0);
	if (rc < 0)
		failed(node, rc, "set-up");
	else if (timerfd_settime(timer, 0, &every_second, NULL) < 0 || watch(epoll, STDIN_FILENO) < 0 ||
		 watch(epoll, timer) < 0 || watch(epoll, lattice_endpoint_fd(inbox)) < 0)
		rc = -1;
	else
		rc = loop(channel, inbox, epoll, timer);
	lattice_channel_close(channel);
	lattice_endpoint_close(inbox);
	lattice_node_close(node);
	close(timer);
	close(epoll);
	return rc < 0;
}
