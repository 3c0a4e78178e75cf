/*
 * Two processes and a link between them, for tests: what the owner of a link does, with one thread for the socket.
 * Each side is a party. CHECK is for the parent's main thread only: a child tells by its exit status.
 */
#ifndef LAT_FASTPATH_LINK_HARNESS_H
#define LAT_FASTPATH_LINK_HARNESS_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/link.h"
#include "fastpath/link_calls.h"
#include "os/clock.h"
#include "os/fdpass.h"
#include "os/memfd.h"
#include "os/poke.h"

enum party_word { WORD_OPEN = 1, WORD_ACCEPT, WORD_REFUSE, WORD_EXTENT, WORD_CLOSE, WORD_GONE, WORD_REPLIES };

struct party_msg {
	uint32_t word, chan;
	int32_t why;
	uint64_t received;
	struct lat_link_extent extent;
};

struct party_end {
	struct party *party;
	uint32_t chan;
	struct lat_link_out *out;
	struct lat_link_in *in;
	bool accepted, gone;
	int why;
	uint64_t received;
};

struct party {
	struct lat_link *link;
	struct lat_inbox *inbox; /* where the peer's channels lead */
	int sock, stop[2];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct party_end out[LAT_LINK_CHANS_MAX], in[LAT_LINK_CHANS_MAX];
	_Atomic(uint32_t) ins_gone;
	_Atomic(int) last_why; /* of the last in that was gone */
	int dead, broken, refused;
};

struct meeting {
	int sock[2], bell[2];
};

static inline void meeting_open(struct meeting *m)
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, m->sock), 0);
	CHECK_EQ(lat_poke_pair(m->bell), 0);
}

static inline int party_say(struct party *p, const struct party_msg *m, int fd)
{
	return lat_fdpass_send(p->sock, m, sizeof(*m), &fd, fd >= 0 ? 1 : 0);
}

static inline int party_extend(void *user, const struct lat_link_extent *x, int fd)
{
	struct party_msg m = { .word = WORD_EXTENT, .chan = x->chan, .extent = *x };

	return party_say(user, &m, fd);
}

static inline int party_replies(void *user, uint32_t chan, uint64_t bytes, int fd)
{
	struct party_msg m = { .word = WORD_REPLIES, .chan = chan, .received = bytes };

	return party_say(user, &m, fd);
}

static inline void party_changed(struct party *p)
{
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static inline void party_broken(void *user, int why)
{
	struct party *p = user;

	p->broken = why;
	(void)!write(p->stop[1], "b", 1);
}

static inline uint32_t party_ins_gone(const struct party *p)
{
	return atomic_load_explicit(&p->ins_gone, memory_order_acquire);
}

static inline int party_last_why(const struct party *p)
{
	return atomic_load_explicit(&p->last_why, memory_order_relaxed);
}

static inline void party_gone(void *user, int why)
{
	struct party_end *end = user;
	struct party *p = end->party;
	struct party_msg m = { .word = WORD_GONE, .chan = end->chan, .why = why };

	pthread_mutex_lock(&p->lock);
	m.received = lat_link_in_received(end->in);
	(void)lat_link_in_close(end->in);
	end->in = NULL;
	atomic_store_explicit(&p->last_why, why, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->ins_gone, 1, memory_order_release);
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	(void)!party_say(p, &m, -1);
}

static inline void party_hear(struct party *p, const struct party_msg *m, const int *fds, size_t count)
{
	const struct lat_link_in_config cfg = { .user = &p->in[m->chan % LAT_LINK_CHANS_MAX],
						.gone = party_gone };
	struct party_msg answer = { .chan = m->chan };
	struct party_end *end;

	if (m->word == WORD_EXTENT) {
		if (lat_link_extend(p->link, &m->extent, fds, count) < 0)
			p->refused++;
		return;
	}
	if (m->word == WORD_REPLIES) {
		if (lat_link_replies(p->link, m->chan, m->received, fds, count) < 0)
			p->refused++;
		return;
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	if (m->chan >= LAT_LINK_CHANS_MAX)
		return;
	switch (m->word) {
	case WORD_OPEN:
		end = &p->in[m->chan];
		*end = (struct party_end){ .party = p, .chan = m->chan };
		answer.word = lat_link_in_open(&end->in, p->link, m->chan, p->inbox, &cfg) < 0 ? WORD_REFUSE
											       : WORD_ACCEPT;
		(void)!party_say(p, &answer, -1);
		return;
	case WORD_ACCEPT:
		pthread_mutex_lock(&p->lock);
		if (p->out[m->chan].out != NULL && !p->out[m->chan].accepted) {
			lat_link_out_accept(p->out[m->chan].out);
			p->out[m->chan].accepted = true;
		}
		pthread_mutex_unlock(&p->lock);
		break;
	case WORD_CLOSE: /* gone may come of it, on this thread */
		pthread_mutex_lock(&p->lock);
		if (p->in[m->chan].in != NULL)
			lat_link_in_end(p->in[m->chan].in);
		pthread_mutex_unlock(&p->lock);
		break;
	case WORD_GONE:
	case WORD_REFUSE:
		end = &p->out[m->chan];
		pthread_mutex_lock(&p->lock);
		if (end->out != NULL && m->why < 0)
			lat_link_out_end(end->out, m->why);
		end->gone = true;
		end->why = m->why;
		end->received = m->received;
		pthread_mutex_unlock(&p->lock);
		break;
	default:
		break;
	}
	party_changed(p);
}

static inline void party_end(struct party *p, int why)
{
	lat_link_dead(p->link, why);
	pthread_mutex_lock(&p->lock);
	p->dead = why;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static inline void *party_run(void *arg)
{
	struct party *p = arg;

	for (;;) {
		struct pollfd fds[2] = { { .fd = p->sock, .events = POLLIN },
					 { .fd = p->stop[0], .events = POLLIN } };
		int got[LAT_FDPASS_MAX];
		size_t count = LAT_FDPASS_MAX;
		struct party_msg m = { 0 };
		ssize_t n;

		(void)!poll(fds, 2, -1);
		if (fds[1].revents != 0) {
			char c;

			if (read(p->stop[0], &c, 1) == 1 && c == 'b')
				party_end(p, p->broken);
			else
				return NULL;
		}
		if (fds[0].revents == 0)
			continue;
		n = lat_fdpass_recv(p->sock, &m, sizeof(m), got, &count);
		if (n == (ssize_t)sizeof(m)) {
			party_hear(p, &m, got, count);
		} else {
			party_end(p, n == 0 ? -EOWNERDEAD : -EPROTO);
			return NULL;
		}
	}
}

/* One side of @m, with a thread for the socket. */
static inline int party_meet(struct party *p, const struct meeting *m, int side, struct lat_inbox *inbox)
{
	static const struct lat_link_ops ops = { .extend = party_extend,
						 .replies = party_replies,
						 .broken = party_broken };
	struct lat_link_config cfg = { &ops, p, m->bell[side] };
	int fd = -1, got[2], rc;
	pthread_mutexattr_t recursive;
	size_t count = 2;
	char c;

	p->sock = m->sock[side];
	p->inbox = inbox;
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&p->lock, &recursive);
	pthread_cond_init(&p->changed, NULL);
	rc = lat_link_open(&p->link, &cfg, &fd);
	if (rc == 0)
		rc = lat_fdpass_send(p->sock, "h", 1, &fd, 1);
	lat_memfd_close(fd);
	if (rc == 0)
		rc = lat_fdpass_recv(p->sock, &c, 1, got, &count) == 1 ? 0 : -EPIPE;
	if (rc == 0)
		rc = lat_link_join(p->link, got, count);
	if (rc == 0 && pipe(p->stop) < 0)
		rc = -errno;
	if (rc == 0 && pthread_create(&p->thread, NULL, party_run, p) != 0)
		rc = -EAGAIN;
	return rc;
}

static inline int party_fork_close(const struct meeting *m, int side)
{
	close(m->sock[1 - side]);
	close(m->bell[1 - side]);
	return 0;
}

/* Shuts the inbox down, which is closed after that. */
static inline void party_leave(struct party *p)
{
	lat_inbox_shutdown(p->inbox);
	(void)!write(p->stop[1], "s", 1);
	pthread_join(p->thread, NULL); /* it opens channels into the inbox */
	lat_link_close(p->link);
	close(p->sock);
	close(p->stop[0]);
	close(p->stop[1]);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
}

/* Asks the peer for a channel. 0, or an error. */
static inline int party_ask(struct party *p, struct lat_link_out **out, uint32_t len_max)
{
	const struct lat_link_out_config cfg = { .len_max = len_max };
	struct party_msg m = { .word = WORD_OPEN };
	int rc = lat_link_out_open(out, p->link, &cfg);

	if (rc < 0)
		return rc;
	m.chan = lat_link_out_chan(*out);
	pthread_mutex_lock(&p->lock);
	p->out[m.chan] = (struct party_end){ .party = p, .chan = m.chan, .out = *out };
	pthread_mutex_unlock(&p->lock);
	return party_say(p, &m, -1);
}

/* It was accepted: 0, or -ECONNREFUSED, or what the link is dead of. */
static inline int party_accepted(struct party *p, struct lat_link_out *out)
{
	struct party_end *end = &p->out[lat_link_out_chan(out)];
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	while (!end->accepted && !end->gone && p->dead == 0)
		pthread_cond_wait(&p->changed, &p->lock);
	if (!end->accepted)
		rc = p->dead < 0 ? p->dead : -ECONNREFUSED;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* A channel to the peer, accepted; or an error, and there is none. */
static inline int party_open(struct party *p, struct lat_link_out **out, uint32_t len_max)
{
	int rc = party_ask(p, out, len_max);

	if (rc == 0)
		rc = party_accepted(p, *out);
	if (rc < 0 && *out != NULL)
		lat_link_out_close(*out);
	return rc;
}

static inline void party_end_out(struct party *p, struct lat_link_out *out)
{
	struct party_msg m = { .word = WORD_CLOSE, .chan = lat_link_out_chan(out) };

	lat_link_out_end(out, 0);
	(void)!party_say(p, &m, -1);
}

/* Waits until the peer has taken everything, and frees the end; *received is its word for it. */
static inline void party_gone_out(struct party *p, struct lat_link_out *out, uint64_t *received)
{
	struct party_end *end = &p->out[lat_link_out_chan(out)];

	pthread_mutex_lock(&p->lock);
	while (!end->gone && p->dead == 0)
		pthread_cond_wait(&p->changed, &p->lock);
	end->out = NULL;
	if (received != NULL)
		*received = end->received;
	pthread_mutex_unlock(&p->lock);
	lat_link_out_close(out);
}

static inline void party_close(struct party *p, struct lat_link_out *out, uint64_t *received)
{
	party_end_out(p, out);
	party_gone_out(p, out, received);
}

static inline void party_wait_gone(struct party *p, uint32_t ins)
{
	pthread_mutex_lock(&p->lock);
	while (party_ins_gone(p) < ins)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

#endif
