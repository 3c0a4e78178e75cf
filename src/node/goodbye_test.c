/*
 * The receiver takes all and is gone at once, and what it said last is lost on the way: its sender is told all the same that
 * everything arrived.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "node/network.h"
#include "node/node.h"
#include "node/pair_harness.h"

enum { LISTENER, SENDER, RECEIVER, ORDERS, FDS };

/* The way between two nodes. What the receiver says is lost while it is deaf. */
struct way {
	int fd[FDS]; /* of UDP, LISTENER has what the sender sends, and SENDER is the same one */
	int orders;  /* the other end of ORDERS */
	struct sockaddr_in sender, receiver;
	bool udp;
	atomic_bool deaf;
	pthread_t thread;
};

static int dial(const struct way *w)
{
	int fd = socket(AF_INET, (w->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&w->receiver, sizeof(w->receiver)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void cut(struct way *w)
{
	close(w->fd[RECEIVER]);
	close(w->fd[SENDER]);
	w->fd[SENDER] = w->fd[RECEIVER] = -1;
}

static void from_receiver(struct way *w, uint8_t *buf, size_t room)
{
	ssize_t n = recv(w->fd[RECEIVER], buf, room, MSG_DONTWAIT);

	if (n <= 0 && !w->udp)
		cut(w);
	if (n <= 0 || atomic_load_explicit(&w->deaf, memory_order_acquire))
		return;
	if (w->udp)
		(void)sendto(w->fd[LISTENER], buf, (size_t)n, 0, (const struct sockaddr *)&w->sender,
			     sizeof(w->sender));
	else
		(void)send(w->fd[SENDER], buf, (size_t)n, MSG_NOSIGNAL);
}

static void from_sender(struct way *w, uint8_t *buf, size_t room)
{
	socklen_t len = sizeof(w->sender);
	ssize_t n = w->udp ? recvfrom(w->fd[LISTENER], buf, room, 0, (struct sockaddr *)&w->sender, &len)
			   : recv(w->fd[SENDER], buf, room, 0);

	if (n > 0)
		(void)send(w->fd[RECEIVER], buf, (size_t)n, MSG_NOSIGNAL);
	else if (!w->udp)
		cut(w);
}

static void *carry(void *arg)
{
	static uint8_t buf[65536];
	struct way *w = arg;

	for (;;) {
		struct pollfd fds[FDS];

		for (int i = 0; i < FDS; i++)
			fds[i] = (struct pollfd){ .fd = w->fd[i], .events = POLLIN };
		(void)poll(fds, FDS, -1);
		if (fds[ORDERS].revents != 0) {
			char order = '\0';

			if (read(w->fd[ORDERS], &order, 1) != 1)
				return NULL;
			/* What is on the way is lost, and a connection with it. */
			while (w->udp && recv(w->fd[RECEIVER], buf, sizeof(buf), MSG_DONTWAIT) >= 0)
				continue;
			if (!w->udp)
				cut(w);
			atomic_store_explicit(&w->deaf, false, memory_order_release);
			(void)!write(w->fd[ORDERS], &order, 1);
			continue;
		}
		if (fds[LISTENER].revents != 0 && !w->udp && w->fd[SENDER] < 0) {
			w->fd[SENDER] = accept(w->fd[LISTENER], NULL, NULL);
			w->fd[RECEIVER] = dial(w);
			if (w->fd[RECEIVER] < 0)
				cut(w);
			continue;
		}
		if (fds[w->udp ? LISTENER : SENDER].revents != 0)
			from_sender(w, buf, sizeof(buf));
		if (fds[RECEIVER].revents != 0 && w->fd[RECEIVER] >= 0)
			from_receiver(w, buf, sizeof(buf));
	}
}

static void way_open(struct way *w, const struct pair *p, bool udp)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	char at[64];
	int ends[2];

	*w = (struct way){ .fd = { -1, -1, -1, -1 }, .receiver = any, .udp = udp };
	w->receiver.sin_port = htons(lattice_node_port(p->b.node));
	w->fd[LISTENER] = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(w->fd[LISTENER], (struct sockaddr *)&any, sizeof(any)), 0);
	CHECK_EQ(getsockname(w->fd[LISTENER], (struct sockaddr *)&any, &len), 0);
	if (udp)
		w->fd[RECEIVER] = dial(w);
	else
		CHECK_EQ(listen(w->fd[LISTENER], 8), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	w->orders = ends[0];
	w->fd[ORDERS] = ends[1];
	CHECK_EQ(pthread_create(&w->thread, NULL, carry, w), 0);
	(void)snprintf(at, sizeof(at), "127.0.0.1:%u", ntohs(any.sin_port));
	CHECK_EQ(lattice_node_set_remote(p->a.node, 2, at, udp ? LATTICE_UDP : LATTICE_TCP), 0);
}

static void way_hears_again(struct way *w)
{
	char order = 'h';

	CHECK_EQ(write(w->orders, &order, 1), 1);
	CHECK_EQ(read(w->orders, &order, 1), 1);
}

static void way_close(struct way *w)
{
	close(w->orders);
	CHECK_EQ(pthread_join(w->thread, NULL), 0);
	for (int i = 0; i < FDS; i++)
		if (w->fd[i] >= 0)
			close(w->fd[i]);
}

static void *leave(void *node)
{
	lattice_node_close(node);
	return NULL;
}

TEST(what_was_received_is_said_before_the_receiver_goes)
{
	static const struct {
		const char *why;
		bool udp, node_only;
	} rows[] = {
		{ "UDP: the endpoint closes, then the node", true, false },
		{ "UDP: the node closes", true, true },
		{ "TCP, cut: the endpoint closes, then the node", false, false },
		{ "TCP, cut: the node closes", false, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lattice_msg msg = { .type = 1 }, got;
		struct lattice_endpoint *ep;
		struct lattice_channel *ch;
		uint64_t received = 0;
		pthread_t leaver;
		struct pair p;
		struct way w;
		char buf[8];

		make_pair(&p);
		introduce(&p.a, &p.b);
		introduce(&p.b, &p.a);
		open_pair(&p);
		way_open(&w, &p, rows[i].udp);
		p.b.node->network->drain_ns = SECONDS(60); /* on a busy machine, too */
		CHECK_EQ(lattice_endpoint_open(&ep, p.b.node, 20), 0);
		CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, 20, 2, 0), 0);
		CHECK_EQ_ROW(rows[i].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		CHECK_EQ_ROW(rows[i].why, lattice_channel_flush(ch, SECONDS(20)), 0);

		atomic_store_explicit(&w.deaf, true, memory_order_release);
		CHECK_EQ_ROW(rows[i].why, lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		for (int n = 0; n < 2; n++)
			CHECK_EQ_ROW(rows[i].why,
				     lattice_endpoint_recv(ep, &got, buf, sizeof(buf), SECONDS(20)), 0);
		if (!rows[i].node_only)
			lattice_endpoint_close(ep);
		way_hears_again(&w);
		CHECK_EQ(pthread_create(&leaver, NULL, leave, p.b.node), 0);
		CHECK_EQ_ROW(rows[i].why, lattice_channel_flush(ch, SECONDS(60)), 0);
		CHECK_EQ_ROW(rows[i].why, lattice_channel_sent(ch, &received), 2);
		CHECK_EQ_ROW(rows[i].why, received, 2);

		CHECK_EQ(pthread_join(leaver, NULL), 0);
		p.b.node = NULL;
		lattice_channel_close(ch);
		if (rows[i].node_only)
			lattice_endpoint_close(ep);
		way_close(&w);
		close_pair(&p);
	}
}

TEST_MAIN
