/*
 * Datagrams, as a router with address translation would carry them: each client has a source port of its own towards where
 * it wants, until a rebinding gives it another.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "chaos.h"
#include "sock.h"

enum {
	CLIENTS_MAX = 1024, /* then whoever was quiet the longest is forgotten */
	READS_PER_TURN = 64,
};

struct client {
	struct chaos_source up; /* towards where it wants */
	struct chaos_place place;
	uint64_t heard;
};

struct udp {
	struct chaos_source listener;
	struct client *client[CLIENTS_MAX];
	size_t clients;
};

static void from_above(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = recv(s->fd, c->buf, sizeof(c->buf), 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n >= 0)
			chaos_send(c, 1, s, (size_t)n);
		else
			c->counts[0].refused++; /* nobody listens there */
	}
}

static int bind_up(struct chaos *c, struct client *k)
{
	k->up = (struct chaos_source){ .ready = from_above, .fd = chaos_sock_udp(&c->o.to, false) };
	if (k->up.fd < 0)
		return -1;
	return chaos_watch(c, &k->up, EPOLLIN);
}

static void forget(struct chaos *c, struct client *k)
{
	chaos_unwatch(c, &k->up);
	chaos_drop(c, &k->up);
	free(k);
}

static struct client *client_of(struct chaos *c, const struct chaos_place *from)
{
	struct udp *u = c->state;
	struct client *k;
	size_t quiet = 0, at = u->clients;

	for (size_t i = 0; i < u->clients; i++) {
		k = u->client[i];
		if (k->place.bytes == from->bytes && memcmp(&k->place.addr, &from->addr, from->bytes) == 0)
			return k;
		if (k->heard < u->client[quiet]->heard)
			quiet = i;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->place = *from;
	if (bind_up(c, k) < 0) {
		chaos_unwatch(c, &k->up);
		free(k);
		return NULL;
	}
	if (at == CLIENTS_MAX) {
		at = quiet;
		forget(c, u->client[at]);
	} else {
		u->clients++;
	}
	u->client[at] = k;
	c->clients++;
	return k;
}

static void from_below(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		struct chaos_place from = { .bytes = sizeof(from.addr) };
		ssize_t n = recvfrom(s->fd, c->buf, sizeof(c->buf), 0, (struct sockaddr *)&from.addr,
				     &from.bytes);
		struct client *k;

		if (n < 0)
			return;
		k = client_of(c, &from);
		if (k == NULL)
			continue;
		k->heard = c->now;
		chaos_send(c, 0, &k->up, (size_t)n);
	}
}

static int udp_open(struct chaos *c)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (u == NULL) {
		chaos_say("out of memory");
		return -1;
	}
	c->state = u;
	u->listener = (struct chaos_source){ .ready = from_below, .fd = chaos_sock_udp(&c->o.listen, true) };
	if (u->listener.fd < 0)
		return -1;
	chaos_sock_ready(u->listener.fd);
	return chaos_watch(c, &u->listener, EPOLLIN);
}

static void udp_deliver(struct chaos *c, struct chaos_packet *p)
{
	struct udp *u = c->state;
	struct client *k = p->whose; /* its first member */
	ssize_t n;

	if (p->way == 0)
		n = send(k->up.fd, p->data, p->bytes, 0);
	else
		n = sendto(u->listener.fd, p->data, p->bytes, 0, (struct sockaddr *)&k->place.addr,
			   k->place.bytes);
	if (n >= 0) {
		c->counts[p->way].delivered++;
		c->counts[p->way].delivered_bytes += p->bytes;
	} else {
		c->counts[p->way].refused++;
	}
	chaos_free(c, p);
}

/* What is sent to the old port from now on finds nobody. */
static void udp_rebind(struct chaos *c)
{
	struct udp *u = c->state;

	c->strikes++;
	for (size_t i = 0; i < u->clients; i++) {
		struct chaos_source old =
			u->client[i]->up; /* closed after, or the same port might be had again */

		if (bind_up(c, u->client[i]) < 0)
			u->client[i]->up = old;
		else
			chaos_unwatch(c, &old);
	}
}

static void udp_close(struct chaos *c)
{
	struct udp *u = c->state;

	if (u == NULL)
		return;
	for (size_t i = 0; i < u->clients; i++)
		forget(c, u->client[i]);
	chaos_unwatch(c, &u->listener);
	free(u);
	c->state = NULL;
}

const struct chaos_relay chaos_udp = {
	.name = "udp",
	.open = udp_open,
	.deliver = udp_deliver,
	.strike = udp_rebind,
	.close = udp_close,
};
