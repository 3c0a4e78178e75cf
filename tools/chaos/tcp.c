/*
 * Streams: every connection that is made to us is made on to where it wants. The bytes arrive late, in pieces, at a rate, and
 * until the connection is cut, which is a reset to both sides and loses what is on its way.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "chaos.h"
#include "sock.h"

enum {
	PIECE = 16384,
	HELD_MAX = 256 << 10, /* bytes of one way of a connection; then it is not read from */
};

/* One end of a connection. What begins here goes out by the other end. */
struct end {
	struct chaos_source source;
	struct pair *pair;
	int side; /* 0: who called us */
	bool connecting;
	bool ended; /* it will say no more */
	bool told;  /* that the other end will say no more */
	bool quiet; /* both: epoll has nothing to say of it any more, and would say so without end */
	struct chaos_packet *first, *last; /* arrived for it, and not taken yet by the kernel */
	size_t taken;                      /* of the first */
	size_t held;                       /* bytes that began here and have not gone out */
	uint64_t last_at;                  /* a stream is in order */
};

struct pair {
	struct end end[CHAOS_WAYS];
	struct pair *prev, *next;
};

struct tcp {
	struct chaos_source listener;
	struct pair *pairs;
};

static struct end *other(const struct end *e)
{
	return &e->pair->end[!e->side];
}

static void rewatch(struct chaos *c, struct end *e)
{
	uint32_t in = e->ended || e->connecting || e->held >= HELD_MAX || c->black ? 0 : EPOLLIN;
	uint32_t out = e->connecting || e->first != NULL ? EPOLLOUT : 0;

	if (!e->quiet)
		chaos_rewatch(c, &e->source, in | out);
}

static void pair_close(struct chaos *c, struct pair *p, bool reset)
{
	struct tcp *t = c->state;

	for (int side = 0; side < CHAOS_WAYS; side++) {
		struct end *e = &p->end[side];

		chaos_drop(c, e);
		for (struct chaos_packet *next; e->first != NULL; e->first = next) {
			next = e->first->next;
			chaos_free(c, e->first);
		}
		if (reset)
			chaos_sock_reset(e->source.fd);
		chaos_unwatch(c, &e->source);
	}
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		t->pairs = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	free(p);
}

/* When what @e has said now arrives: in order, at the rate, and not while it is black. */
static uint64_t arrival(struct chaos *c, struct end *e, size_t bytes)
{
	uint64_t at = lat_pipe_squeeze(&c->pipe[e->side], c->now, bytes) + c->faults.delay;

	if (c->faults.jitter != 0)
		at += lat_faults_random(&c->rng) % c->faults.jitter;
	if (at < e->last_at)
		at = e->last_at;
	e->last_at = at;
	return at;
}

/* false: no memory. */
static bool say(struct chaos *c, struct end *e, const uint8_t *data, size_t bytes)
{
	size_t split = c->o.split, piece;

	for (size_t at = 0; at < bytes; at += piece) {
		piece = split == 0 ? bytes : 1 + lat_faults_random(&c->rng) % split;
		if (piece > bytes - at)
			piece = bytes - at;
		if (!chaos_send_at(c, e->side, e, data + at, piece, arrival(c, e, piece)))
			return false;
		e->held += piece;
		c->counts[e->side].packets++;
		c->counts[e->side].bytes += piece;
	}
	return true;
}

/* What has arrived for @e, as far as the kernel takes it. false: it is broken. */
static bool flush(struct chaos *c, struct end *e)
{
	while (e->first != NULL) {
		struct chaos_packet *p = e->first;
		ssize_t n = 0;

		e->told = p->bytes == 0;
		if (e->told)
			(void)shutdown(e->source.fd, SHUT_WR);
		else
			n = send(e->source.fd, p->data + e->taken, p->bytes - e->taken, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN;
		other(e)->held -= (size_t)n;
		e->taken += (size_t)n;
		if (e->taken < p->bytes)
			continue;
		c->counts[p->way].delivered++;
		c->counts[p->way].delivered_bytes += p->bytes;
		e->taken = 0;
		e->first = p->next;
		chaos_free(c, p);
	}
	return true;
}

static void tcp_deliver(struct chaos *c, struct chaos_packet *p)
{
	struct end *from = p->whose, *e = other(from);

	if (c->black) {
		p->fly.at = c->black_until;
		if (from->last_at < p->fly.at)
			from->last_at = p->fly.at;
		if (!lat_air_add(&c->air, &p->fly)) {
			chaos_free(c, p);
			pair_close(c, e->pair, true);
		}
		return;
	}
	p->next = NULL;
	if (e->first == NULL)
		e->first = p;
	else
		e->last->next = p;
	e->last = p;
	if (!e->connecting && !flush(c, e)) {
		pair_close(c, e->pair, true);
		return;
	}
	if (e->told && from->told) {
		pair_close(c, e->pair, false);
		return;
	}
	rewatch(c, e);
	rewatch(c, from);
}

static void end_ready(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	struct end *e = (struct end *)s;
	bool fine = true;

	if (e->connecting) {
		int err = 0;
		socklen_t bytes = sizeof(err);

		fine = getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &bytes) == 0 && err == 0;
		e->connecting = false;
	}
	if (fine && (events & EPOLLOUT) != 0)
		fine = flush(c, e);
	if (fine && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !e->ended) {
		ssize_t n = recv(s->fd, c->buf, PIECE, 0);

		if (n > 0)
			fine = say(c, e, c->buf, (size_t)n);
		else if (n == 0)
			fine = e->ended = chaos_send_at(c, e->side, e, NULL, 0, arrival(c, e, 0));
		else
			fine = errno == EAGAIN;
	} else if (e->ended && (events & EPOLLERR) != 0) {
		fine = false;
	} else if (e->ended && (events & EPOLLHUP) != 0) {
		chaos_ignore(c, &e->source);
		e->quiet = true;
	}
	if (!fine) {
		pair_close(c, e->pair, true);
		return;
	}
	if (e->told && other(e)->told) {
		pair_close(c, e->pair, false);
		return;
	}
	rewatch(c, e);
	rewatch(c, other(e));
}

static void caller(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	struct tcp *t = c->state;
	struct pair *p;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	chaos_begin(c);
	chaos_sock_eager(fd);
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		close(fd);
		return;
	}
	for (int side = 0; side < CHAOS_WAYS; side++)
		p->end[side] =
			(struct end){ .source = { .ready = end_ready, .fd = -1 }, .pair = p, .side = side };
	p->next = t->pairs;
	if (t->pairs != NULL)
		t->pairs->prev = p;
	t->pairs = p;
	c->clients++;
	p->end[0].source.fd = fd;
	p->end[1].source.fd = chaos_sock_connect(&c->o.to);
	p->end[1].connecting = true;
	if (p->end[1].source.fd < 0 || chaos_watch(c, &p->end[0].source, EPOLLIN) < 0 ||
	    chaos_watch(c, &p->end[1].source, EPOLLOUT) < 0)
		pair_close(c, p, true);
}

static int tcp_open(struct chaos *c)
{
	struct tcp *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		chaos_say("out of memory");
		return -1;
	}
	c->state = t;
	for (int way = 0; way < CHAOS_WAYS; way++)
		c->pipe[way].queue_max = SIZE_MAX; /* what waits is bounded by HELD_MAX, and never dropped */
	t->listener = (struct chaos_source){ .ready = caller, .fd = chaos_sock_listen(&c->o.listen) };
	if (t->listener.fd < 0)
		return -1;
	chaos_sock_ready(t->listener.fd);
	return chaos_watch(c, &t->listener, EPOLLIN);
}

static void tcp_darken(struct chaos *c)
{
	struct tcp *t = c->state;

	chaos_rewatch(c, &t->listener, c->black ? 0 : EPOLLIN);
	for (struct pair *p = t->pairs; p != NULL; p = p->next)
		for (int side = 0; side < CHAOS_WAYS; side++)
			rewatch(c, &p->end[side]);
}

static void tcp_cut(struct chaos *c)
{
	struct tcp *t = c->state;

	while (t->pairs != NULL) {
		pair_close(c, t->pairs, true);
		c->strikes++;
	}
}

static void tcp_close(struct chaos *c)
{
	struct tcp *t = c->state;

	if (t == NULL)
		return;
	while (t->pairs != NULL)
		pair_close(c, t->pairs, false);
	chaos_unwatch(c, &t->listener);
	free(t);
	c->state = NULL;
}

const struct chaos_relay chaos_tcp = {
	.name = "tcp",
	.stream = true,
	.open = tcp_open,
	.deliver = tcp_deliver,
	.darken = tcp_darken,
	.strike = tcp_cut,
	.close = tcp_close,
};
