/* One thread, one epoll, a buffer for each direction of each pair. */
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "soak.h"

enum {
	BUFFER = 16384,
	RESET_ONE_IN = 300, /* pieces that are read */
};

/* What an epoll event is about. */
struct source {
	enum { LISTENER, PAIR, STOP } kind;
};

struct listener {
	struct source source;
	struct listener *next;
	int fd;
	uint16_t to;
};

struct way { /* read from one fd, to be written to the other */
	unsigned char data[BUFFER];
	size_t from, to;
};

struct pair {
	struct source source;
	struct pair *next;
	int fd[2];
	struct way way[2]; /* way[i]: read from fd[i] */
	bool dead;
};

struct soak_relay {
	pthread_t thread;
	pthread_mutex_t lock; /* of listeners */
	struct listener *listeners;
	struct pair *pairs; /* the thread's */
	struct source stop;
	int epoll, stop_fd;
	uint64_t random;
	atomic_bool calm;
	_Atomic(uint64_t) resets;
};

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static void end_pair(struct pair *p, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (p->dead)
		return;
	p->dead = true;
	for (int i = 0; i < 2; i++) {
		if (reset)
			(void)setsockopt(p->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(p->fd[i]);
	}
}

static void accept_one(struct soak_relay *r, const struct listener *l)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	struct sockaddr_in to = loopback(l->to);
	struct pair *p = calloc(1, sizeof(*p));
	const int yes = 1;

	if (p == NULL)
		return;
	p->source.kind = PAIR;
	p->fd[0] = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	p->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ev.data.ptr = p;
	for (int i = 0; i < 2 && p->fd[i] >= 0; i++)
		(void)setsockopt(p->fd[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (p->fd[0] < 0 || p->fd[1] < 0 ||
	    (connect(p->fd[1], (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(r->epoll, EPOLL_CTL_ADD, p->fd[0], &ev) < 0 ||
	    epoll_ctl(r->epoll, EPOLL_CTL_ADD, p->fd[1], &ev) < 0) {
		for (int i = 0; i < 2; i++)
			if (p->fd[i] >= 0)
				close(p->fd[i]);
		free(p);
		return;
	}
	p->next = r->pairs;
	r->pairs = p;
}

static bool would_wait(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
}

/* Whether it is this connection's turn; then a part of what it holds goes out first. */
static bool break_off(struct soak_relay *r, struct pair *p, int i)
{
	struct way *w = &p->way[i];

	if (atomic_load_explicit(&r->calm, memory_order_relaxed) ||
	    soak_random(&r->random, RESET_ONE_IN) != 0)
		return false;
	(void)!send(p->fd[!i], w->data + w->from, soak_random(&r->random, (uint32_t)(w->to - w->from)),
		    MSG_NOSIGNAL);
	atomic_fetch_add_explicit(&r->resets, 1, memory_order_relaxed);
	end_pair(p, true);
	return true;
}

/* Forwards from fd[i] until one of both has no more, or no room. false: the pair is over. */
static bool forward(struct soak_relay *r, struct pair *p, int i)
{
	struct way *w = &p->way[i];
	ssize_t n;

	for (;;) {
		if (w->from == w->to) {
			n = recv(p->fd[i], w->data, sizeof(w->data), 0);
			if (n < 0 && would_wait())
				return true;
			if (n <= 0) {
				end_pair(p, n < 0);
				return false;
			}
			w->from = 0;
			w->to = (size_t)n;
			if (break_off(r, p, i))
				return false;
		}
		n = send(p->fd[!i], w->data + w->from, w->to - w->from, MSG_NOSIGNAL);
		if (n < 0 && would_wait())
			return true;
		if (n < 0) {
			end_pair(p, true);
			return false;
		}
		w->from += (size_t)n;
	}
}

static void bury(struct soak_relay *r)
{
	for (struct pair **at = &r->pairs; *at != NULL;) {
		struct pair *p = *at;

		if (!p->dead) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
}

static void *work(void *arg)
{
	struct soak_relay *r = arg;
	struct epoll_event events[64];

	for (;;) {
		int n = epoll_wait(r->epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;

			if (s->kind == STOP)
				return NULL;
			if (s->kind == LISTENER) {
				accept_one(r, (struct listener *)(void *)s);
			} else {
				struct pair *p = (struct pair *)(void *)s;

				if (!p->dead && forward(r, p, 0))
					(void)forward(r, p, 1);
			}
		}
		bury(r); /* not before all events of this turn: they may name a pair twice */
	}
}

int soak_relay_open(struct soak_relay **out, uint64_t seed)
{
	struct soak_relay *r = calloc(1, sizeof(*r));
	struct epoll_event ev = { .events = EPOLLIN };
	int rc = 0;

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->random = seed;
	r->stop.kind = STOP;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->stop_fd = eventfd(0, EFD_CLOEXEC);
	ev.data.ptr = &r->stop;
	if (r->epoll < 0 || r->stop_fd < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->stop_fd, &ev) < 0)
		rc = -errno;
	if (rc == 0)
		rc = -pthread_create(&r->thread, NULL, work, r);
	if (rc == 0) {
		*out = r;
		return 0;
	}
	if (r->epoll >= 0)
		close(r->epoll);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return rc;
}

int soak_relay_add(struct soak_relay *r, uint16_t port, uint16_t *at)
{
	struct listener *l = calloc(1, sizeof(*l));
	struct sockaddr_in own = loopback(0);
	socklen_t bytes = sizeof(own);
	struct epoll_event ev = { .events = EPOLLIN };
	int rc = 0;

	if (l == NULL)
		return -ENOMEM;
	l->source.kind = LISTENER;
	l->to = port;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ev.data.ptr = l;
	if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&own, bytes) < 0 || listen(l->fd, 64) < 0 ||
	    getsockname(l->fd, (struct sockaddr *)&own, &bytes) < 0)
		rc = -errno;
	pthread_mutex_lock(&r->lock);
	if (rc == 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, l->fd, &ev) < 0)
		rc = -errno;
	if (rc == 0) {
		l->next = r->listeners;
		r->listeners = l;
		*at = ntohs(own.sin_port);
	}
	pthread_mutex_unlock(&r->lock);
	if (rc < 0) {
		if (l->fd >= 0)
			close(l->fd);
		free(l);
	}
	return rc;
}

void soak_relay_calm(struct soak_relay *r)
{
	atomic_store_explicit(&r->calm, true, memory_order_relaxed);
}

uint64_t soak_relay_resets(const struct soak_relay *r)
{
	return r != NULL ? atomic_load_explicit(&r->resets, memory_order_relaxed) : 0;
}

void soak_relay_close(struct soak_relay *r)
{
	const uint64_t one = 1;

	if (r == NULL)
		return;
	(void)!write(r->stop_fd, &one, sizeof(one));
	(void)pthread_join(r->thread, NULL);
	for (struct pair *p = r->pairs; p != NULL; p = p->next)
		end_pair(p, false);
	bury(r);
	for (struct listener *l = r->listeners, *next; l != NULL; l = next) {
		next = l->next;
		close(l->fd);
		free(l);
	}
	close(r->epoll);
	close(r->stop_fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
