/*
 * Publishing, and waiting for room.
 *
 * A sender that waits takes the value of `wake`, changes room_wanted, and tries once more; the receiving end gives slots
 * back, counts what it received, and then looks at room_wanted:
 *   [W] room_wanted store; lat_membarrier(); [v] received load, and the slots'
 *   [V] received store, release; [w] room_wanted load : either [w] sees the wish, or [v] what was received
 * Where there is no such barrier, all four are seq_cst instead. lat_sender_room() counts `wake` up, so that who took its value
 * before does not sleep any more:
 *   [K] wake add, release -> [k] wake load, acquire : what woke is seen
 * A task, and who watches the descriptor, is woken by that instead. It is not cleared while somebody sleeps on it who may not
 * have seen the last signal yet.
 */
#include "fastpath/sender_fast.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "base/cpu.h"
#include "fastpath/wait.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/eventfd.h"
#include "os/futex.h"
#include "os/membarrier.h"

enum { LOOKS_PER_CLOCK = 16 }; /* spinning, between two looks at the clock */

struct outgoing {
	int32_t type;
	const void *data;
	uint32_t len;
	struct lat_sender_loan *loan; /* to fill in, or to publish */
	bool publish;
	struct lat_sender_mark *mark; /* NULL: nobody is told of its number */
	bool (*over)(void *ctx);      /* not NULL: there is nothing to send, but this to wait for */
	void *ctx;
};

void lat_sender_init(struct lat_sender *s, const struct lat_sender_config *cfg)
{
	s->ops = cfg->ops;
	s->peer = cfg->peer;
	s->words = cfg->words;
	s->bell = cfg->bell;
	s->len_max = cfg->len_max;
	s->near_max = cfg->len_max < s->tx.ring_len[LAT_TIER_L1] ? cfg->len_max : s->tx.ring_len[LAT_TIER_L1];
	s->short_max = s->near_max < LAT_RING_TWO_DATA ? s->near_max : LAT_RING_TWO_DATA;
	s->barriers = cfg->barriers;
	s->life = lat_life_or_none(cfg->life);
	atomic_init(&s->room_fd, -1);
	atomic_init(&s->refs, 1);
	lat_qlock_init(&s->control, false);
	lat_turn_set_single(&s->turn, cfg->single);
}

void lat_sender_fini(struct lat_sender *s)
{
	lat_eventfd_close(atomic_load_explicit(&s->room_fd, memory_order_relaxed));
}

static void put(struct lat_sender *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		s->ops->freed(s);
}

static void wake_all(struct lat_sender *s)
{
	int fd;

	atomic_fetch_add_explicit(&s->wake, 1, memory_order_release); /* [K] */
	(void)lat_futex_wake(&s->wake, INT_MAX, false);
	fd = atomic_load_explicit(&s->room_fd, memory_order_acquire);
	if (fd >= 0)
		lat_eventfd_signal(fd);
}

void lat_sender_room(struct lat_sender *s)
{
	atomic_fetch_add_explicit(&s->wakes, 1, memory_order_relaxed);
	wake_all(s);
}

void lat_sender_end(struct lat_sender *s, int why)
{
	int alive = 0;

	(void)atomic_compare_exchange_strong_explicit(&s->dead, &alive, why, memory_order_release,
						      memory_order_relaxed);
	wake_all(s);
}

/* Where it runs is of use to a receiver that sleeps, or did. */
void lat_sender_announce_locked(struct lat_sender *s)
{
	uint32_t cpu = lat_cpu_now();

	if (cpu != s->cpu) {
		s->cpu = cpu;
		atomic_store_explicit(&s->words->cpu, cpu, memory_order_relaxed);
	}
	s->ops->announce(s);
}

/* 0, or why nothing more is sent. Who waits for what was sent, waits on until the receiving end has said what became of it. */
static int ended_locked(const struct lat_sender *s)
{
	int dead = atomic_load_explicit(&s->dead, memory_order_acquire);

	return dead == 0 && lat_life_ended(&s->life) ? -EKEYREVOKED : dead;
}

/* 0, -EAGAIN, or why it will never be. */
static int send_locked(struct lat_sender *s, const struct outgoing *m)
{
	uint64_t seq = atomic_load_explicit(&s->sent, memory_order_relaxed) + 1;
	int rc = ended_locked(s);
	uint32_t hot;

	if (rc < 0)
		return rc;
	if (m->mark != NULL)
		rc = m->mark->put(m->mark, seq);
	if (rc < 0)
		return rc;
	if (m->loan == NULL)
		rc = lat_tiers_publish(&s->tx, m->type, (uint32_t)seq, m->data, m->len);
	else if (!lat_tiers_loaned(&s->tx, m->loan->block, m->loan->data))
		rc = -EINVAL;
	else
		rc = lat_tiers_publish_loan(&s->tx, m->type, (uint32_t)seq, m->loan->block, m->len);
	if (rc < 0) {
		if (m->mark != NULL)
			m->mark->undo(m->mark);
		return rc;
	}
	hot = lat_sender_sent_locked(s, seq, m->len);
	if ((hot & 1) == 0)
		lat_sender_announce_locked(s);
	return 0;
}

uint64_t lat_sender_sent(const struct lat_sender *s, uint64_t *received)
{
	uint32_t got = atomic_load_explicit(&s->peer->received, memory_order_seq_cst); /* [v] */
	uint64_t sent = atomic_load_explicit(&s->sent, memory_order_relaxed);

	/* Its high half follows from ours: it is not above what was sent, and not far below. */
	if (received != NULL)
		*received = (uint32_t)sent - got <= sent ? sent - ((uint32_t)sent - got) : 0;
	return sent;
}

static int drained_locked(struct lat_sender *s, uint64_t upto)
{
	int dead = atomic_load_explicit(&s->dead, memory_order_acquire);
	uint64_t received;

	(void)lat_sender_sent(s, &received);
	if (received >= upto)
		return 0;
	return dead < 0 ? dead : -EAGAIN;
}

static int loan_locked(struct lat_sender *s, const struct outgoing *m)
{
	int rc = ended_locked(s);

	if (rc < 0)
		return rc;
	rc = lat_tiers_loan(&s->tx, m->len, &m->loan->data);
	if (rc < 0)
		return rc;
	m->loan->block = (uint32_t)rc;
	m->loan->bytes = m->len;
	return 0;
}

static int over_locked(struct lat_sender *s, const struct outgoing *m)
{
	int dead = ended_locked(s);

	if (m->over(m->ctx)) /* perhaps just before the end */
		return 0;
	return dead < 0 ? dead : -EAGAIN;
}

/* Sends @m, or loans a block for it, or, when it is NULL, tells whether everything up to @upto was received. */
static int try_locked(struct lat_sender *s, const struct outgoing *m, uint64_t upto)
{
	if (m == NULL)
		return drained_locked(s, upto);
	if (m->over != NULL)
		return over_locked(s, m);
	return m->loan != NULL && !m->publish ? loan_locked(s, m) : send_locked(s, m);
}

static int control_lock(struct lat_sender *s, struct lat_qlock_hold *hold)
{
	return lat_qlock_lock(&s->control, lat_qlock_thread(), hold);
}

/* A release that is wrong is refused and counted by the lock itself. */
static void control_unlock(struct lat_sender *s, struct lat_qlock_hold *hold)
{
	int rc = lat_qlock_unlock(&s->control, lat_qlock_thread(), hold);

	(void)rc;
}

/* The descriptor, made if need be. */
static int room_fd(struct lat_sender *s)
{
	struct lat_qlock_hold hold;
	int rc = control_lock(s, &hold), fd;

	if (rc < 0)
		return rc;
	fd = atomic_load_explicit(&s->room_fd, memory_order_relaxed);
	if (fd < 0) {
		rc = lat_eventfd_open(&fd);
		if (rc == 0)
			atomic_store_explicit(&s->room_fd, fd, memory_order_release);
	}
	control_unlock(s, &hold);
	return rc < 0 ? rc : fd;
}

/* Makes the descriptor tell of what comes from now on. */
static void clear_locked(struct lat_sender *s)
{
	uint32_t wake = atomic_load_explicit(&s->wake, memory_order_acquire);

	if (s->fd_sleepers > 0 && wake != s->cleared)
		return;
	lat_eventfd_clear(atomic_load_explicit(&s->room_fd, memory_order_relaxed));
	s->cleared = wake;
}

/* From now on the receiving end tells of room. */
static void want_room_locked(struct lat_sender *s)
{
	uint32_t wanted = atomic_load_explicit(&s->words->room_wanted, memory_order_relaxed);

	atomic_store_explicit(&s->words->room_wanted, wanted + 1, memory_order_seq_cst); /* [W] */
	if (s->barriers)
		lat_membarrier(s->bell != NULL ? LAT_MEMBARRIER_MACHINE : LAT_MEMBARRIER_PROCESS);
}

/* No lock is held. */
static int sleep_on(struct lat_sender *s, uint32_t wake, uint32_t rung, int fd, uint64_t deadline_ns)
{
	struct lat_futex_word words[2] = { { &s->wake, wake, false } };
	size_t words_count = 1;
	int rc;

	if (fd >= 0)
		return lat_wait_readable(fd, s->bell != NULL ? s->bell->ops->fd(s->bell) : -1, deadline_ns);
	if (s->bell != NULL)
		words[words_count++] = (struct lat_futex_word){ s->bell->ops->word(s->bell), rung, true };
	do
		rc = lat_futex_wait_any(words, words_count, deadline_ns);
	while (rc == -EINTR);
	return rc;
}

/*
 * It is the caller's turn before and after, not while it sleeps. @fd: to sleep on, -1: a futex. As try_locked(); -EAGAIN: it was woken, or
 * deadline_ns is 0; -ETIMEDOUT and the like.
 */
static int wait_locked(struct lat_sender *s, const struct outgoing *m, uint64_t upto, int fd,
		       uint64_t deadline_ns)
{
	enum lat_bell_sleep how = fd >= 0 ? LAT_BELL_FD : LAT_BELL_FUTEX;
	uint32_t wake = atomic_load_explicit(&s->wake, memory_order_acquire); /* [k] */
	uint32_t rung = 0;
	int rc, waited;

	if (fd >= 0)
		clear_locked(s);
	if (s->bell != NULL)
		s->bell->ops->arm(s->bell, how);
	want_room_locked(s);
	if (s->bell != NULL) {
		rung = atomic_load_explicit(s->bell->ops->word(s->bell), memory_order_seq_cst);
		(void)s->bell->ops->drain(s->bell);
	}
	rc = try_locked(s, m, upto);
	if (rc == -EAGAIN && deadline_ns != 0) {
		lat_sender_count(&s->waits, 1);
		s->fd_sleepers += fd >= 0;
		lat_turn_end(&s->turn);
		waited = sleep_on(s, wake, rung, fd, deadline_ns);
		if (s->bell != NULL)
			(void)s->bell->ops->drain(s->bell);
		lat_turn_begin(&s->turn);
		s->fd_sleepers -= fd >= 0;
		rc = try_locked(s, m, upto);
		if (rc == -EAGAIN && waited < 0)
			rc = waited;
	}
	if (s->bell != NULL)
		s->bell->ops->disarm(s->bell, how);
	return rc;
}

/* Tries again and again, where that pays. */
static int spin_locked(struct lat_sender *s, const struct outgoing *m, uint64_t upto, uint64_t deadline_ns)
{
	uint64_t until = lat_clock_monotonic_ns() + LAT_SPIN_NS;
	int rc = -EAGAIN;

	if (lat_wait_hooked() || !lat_spin_pays(&s->spin, LAT_CPU_UNKNOWN))
		return -EAGAIN;
	if (deadline_ns < until)
		until = deadline_ns;
	for (uint32_t looks = 1; rc == -EAGAIN; looks++) {
		lat_cpu_relax();
		rc = try_locked(s, m, upto);
		if (lat_turn_wanted(&s->turn) ||
		    (looks % LOOKS_PER_CLOCK == 0 && lat_clock_monotonic_ns() >= until))
			break;
	}
	lat_spin_ended(&s->spin, rc == -EAGAIN);
	return rc;
}

/* try_locked() has said -EAGAIN. Until it says something else, or @deadline_ns. Ends the turn. */
static int wait_end(struct lat_sender *s, const struct outgoing *m, uint64_t upto, uint64_t deadline_ns)
{
	int fd = -1, rc = -EAGAIN;

	if (m != NULL && m->over == NULL)
		lat_sender_count(&s->full, 1);
	if (deadline_ns == 0 && !s->watched) {
		lat_turn_end(&s->turn);
		return -EAGAIN;
	}
	/* It was not closed in this turn, so it is not freed yet. */
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	if (deadline_ns != 0)
		rc = spin_locked(s, m, upto, deadline_ns);
	if (rc == -EAGAIN && (lat_wait_hooked() || s->watched)) {
		lat_turn_end(&s->turn); /* the control lock comes first */
		fd = room_fd(s);
		lat_turn_begin(&s->turn);
		if (fd < 0)
			rc = fd;
	}
	while (rc == -EAGAIN) {
		rc = wait_locked(s, m, upto, fd, deadline_ns);
		if (deadline_ns == 0)
			break;
		if (rc == -EAGAIN && lat_clock_monotonic_ns() >= deadline_ns)
			rc = -ETIMEDOUT; /* woken again and again, for nothing */
	}
	if (s->watched && rc != -EAGAIN) /* what was cleared may have been meant for who watches */
		lat_eventfd_signal(atomic_load_explicit(&s->room_fd, memory_order_relaxed));
	lat_turn_end(&s->turn);
	put(s);
	return rc;
}

static int one_turn(struct lat_sender *s, const struct outgoing *m, uint64_t deadline_ns)
{
	int rc;

	lat_turn_begin(&s->turn);
	rc = try_locked(s, m, 0);
	if (rc == -EAGAIN)
		return wait_end(s, m, 0, deadline_ns);
	lat_turn_end(&s->turn);
	return rc;
}

int lat_sender_send(struct lat_sender *s, int32_t type, const void *data, size_t len, uint64_t deadline_ns)
{
	struct outgoing m = { .type = type, .data = data, .len = (uint32_t)len };

	return len > s->len_max ? -EMSGSIZE : one_turn(s, &m, deadline_ns);
}

int lat_sender_send_near(struct lat_sender *s, int32_t type, const void *data, size_t len)
{
	bool single = lat_turn_is_single(&s->turn), sent;
	uint32_t hot = 1;

	if (len > s->near_max)
		return 1;
	lat_turn_begin_as(&s->turn, single);
	sent = lat_sender_publish_near(s, type, data, (uint32_t)len, len > LAT_RING_TWO_DATA, &hot);
	if ((hot & 1) == 0)
		lat_sender_announce_locked(s);
	lat_turn_end_as(&s->turn, single);
	return !sent;
}

int lat_sender_announce_end(struct lat_sender *s)
{
	lat_sender_announce_locked(s);
	lat_turn_end_as(&s->turn, true);
	return 0;
}

int lat_sender_loan(struct lat_sender *s, size_t bytes, struct lat_sender_loan *loan, uint64_t deadline_ns)
{
	const struct outgoing m = { .len = (uint32_t)bytes, .loan = loan };

	return bytes > s->len_max ? -EMSGSIZE : one_turn(s, &m, deadline_ns);
}

int lat_sender_publish(struct lat_sender *s, int32_t type, struct lat_sender_loan *loan, size_t len,
		       uint64_t deadline_ns)
{
	const struct outgoing m = { .type = type, .len = (uint32_t)len, .loan = loan, .publish = true };

	return len > loan->bytes ? -EMSGSIZE : one_turn(s, &m, deadline_ns);
}

void lat_sender_discard(struct lat_sender *s, const struct lat_sender_loan *loan)
{
	lat_turn_begin(&s->turn);
	if (lat_tiers_loaned(&s->tx, loan->block, loan->data))
		lat_tiers_discard(&s->tx, loan->block);
	lat_turn_end(&s->turn);
}

void lat_sender_tidy(struct lat_sender *s, struct lat_tiers_rx *rx)
{
	if (atomic_load_explicit(&s->turn.single, memory_order_relaxed) || !lat_mutex_trylock(&s->turn.lock))
		return;
	(void)lat_tiers_tidy(&s->tx, rx);
	lat_mutex_unlock(&s->turn.lock);
}

int lat_sender_await(struct lat_sender *s, bool (*over)(void *ctx), void *ctx, uint64_t deadline_ns)
{
	return one_turn(s, &(struct outgoing){ .over = over, .ctx = ctx }, deadline_ns);
}

int lat_sender_call(struct lat_sender *s, int32_t type, const void *data, size_t len,
		    struct lat_sender_mark *mark, uint64_t deadline_ns)
{
	struct outgoing m = { .type = type, .data = data, .len = (uint32_t)len, .mark = mark };

	return len > s->len_max ? -EMSGSIZE : one_turn(s, &m, deadline_ns);
}

struct carrying {
	struct lat_sender_mark mark; /* first */
	struct lat_sender *sender;
	struct lat_sender_mark *brings;
	uint64_t before;
};

static int carry_put(struct lat_sender_mark *mark, uint64_t seq)
{
	struct carrying *c = (struct carrying *)mark;
	_Atomic(uint64_t) *carries = &c->sender->words->carries;
	uint64_t received;
	int rc;

	(void)lat_sender_sent(c->sender, &received);
	c->before = atomic_load_explicit(carries, memory_order_relaxed);
	if (c->before > received)
		return -EAGAIN;
	rc = c->brings->put(c->brings, seq);
	if (rc == 0)
		atomic_store_explicit(carries, seq, memory_order_relaxed);
	return rc;
}

static void carry_undo(struct lat_sender_mark *mark)
{
	const struct carrying *c = (const struct carrying *)mark;

	atomic_store_explicit(&c->sender->words->carries, c->before, memory_order_relaxed);
	c->brings->undo(c->brings);
}

int lat_sender_send_carry(struct lat_sender *s, int32_t type, const void *data, size_t len,
			  struct lat_sender_mark *mark, uint64_t deadline_ns)
{
	struct carrying c = { .mark = { carry_put, carry_undo }, .sender = s, .brings = mark };

	return lat_sender_call(s, type, data, len, &c.mark, deadline_ns);
}

void lat_sender_handed_locked(struct lat_sender *s, size_t len)
{
	lat_sender_count(&s->sent, 1);
	lat_sender_count(&s->sent_bytes, len);
	lat_sender_count(&s->handed, 1);
}

int lat_sender_flush(struct lat_sender *s, uint64_t deadline_ns)
{
	uint64_t upto;
	int rc;

	lat_turn_begin(&s->turn);
	upto = lat_sender_sent(s, NULL);
	rc = drained_locked(s, upto);
	if (rc == -EAGAIN)
		return wait_end(s, NULL, upto, deadline_ns);
	lat_turn_end(&s->turn);
	return rc;
}

bool lat_sender_set_life(struct lat_sender *s, struct lat_life life)
{
	bool lives;

	lat_turn_take(&s->turn);
	lives = !lat_life_ended(&s->life);
	if (lives)
		s->life = lat_life_or_none(life);
	lat_turn_give(&s->turn);
	return lives;
}

int lat_sender_room_fd(struct lat_sender *s)
{
	int fd = room_fd(s);

	if (fd < 0)
		return fd;
	lat_turn_take(&s->turn);
	if (!s->watched) {
		/* Whether there is room is not known to who watches: the first -EAGAIN makes it true. */
		s->watched = true;
		lat_eventfd_signal(fd);
	}
	lat_turn_give(&s->turn);
	return fd;
}

void lat_sender_stats(const struct lat_sender *s, struct lat_sender_stats *out)
{
	struct lat_qlock_state lock;

	lat_qlock_state(&s->control, &lock);
	*out = (struct lat_sender_stats){
		.sent = atomic_load_explicit(&s->sent, memory_order_relaxed),
		.sent_bytes = atomic_load_explicit(&s->sent_bytes, memory_order_relaxed),
		.full = atomic_load_explicit(&s->full, memory_order_relaxed),
		.waits = atomic_load_explicit(&s->waits, memory_order_relaxed),
		.wakes = atomic_load_explicit(&s->wakes, memory_order_relaxed),
		.lock_wrong = lock.wrong,
	};
}

void lat_sender_tiers(struct lat_sender *s, struct lat_tier_stats out[LAT_TIERS])
{
	if (!atomic_load_explicit(&s->turn.single, memory_order_relaxed) &&
	    lat_mutex_trylock(&s->turn.lock)) {
		lat_tiers_collect(&s->tx); /* else what was released counts until the next look at it */
		lat_mutex_unlock(&s->turn.lock);
	}
	lat_tiers_stats(&s->tx,
			atomic_load_explicit(&s->sent, memory_order_relaxed) -
				atomic_load_explicit(&s->handed, memory_order_relaxed),
			out);
}

void lat_sender_close(struct lat_sender *s)
{
	struct lat_qlock_hold hold;
	int rc = control_lock(s, &hold);

	lat_sender_end(s, -ESHUTDOWN);
	lat_turn_take(&s->turn); /* who had one before may have published; who has one after sees the end */
	lat_turn_give(&s->turn);
	if (rc == 0)
		control_unlock(s, &hold);
	put(s);
}
