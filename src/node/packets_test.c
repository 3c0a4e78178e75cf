/* The queues of received packets: what is dropped, whose turn it is, and what a callback may do. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/test.h"
#include "node/packets.h"
#include "node/stats.h"
#include "os/clock.h"

static struct lat_packets *open_queues(uint32_t max_queue, enum lattice_overflow overflow)
{
	struct lat_packets *p;

	CHECK_EQ(lat_packets_open(&p, &(struct lat_packets_config){ .max_queue = max_queue,
								    .overflow = overflow }),
		 0);
	return p;
}

static void close_queues(struct lat_packets *p)
{
	lat_packets_shutdown(p);
	lat_packets_join(p, lat_clock_deadline(lat_clock_monotonic_ns(), LATTICE_FOREVER));
	lat_packets_close(p);
}

static uint64_t counted(struct lat_packets *p, const char *name)
{
	struct lattice_stat stats[32];
	struct lat_stats s = { .out = stats, .max = ARRAY_LEN(stats) };

	lat_packets_stats(p, &s);
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	return UINT64_MAX;
}

/*
 * Packets of one byte: "a1" is one of node 'a' that says 1. What is received is told in the same way.
 */
TEST(what_is_dropped_and_whose_turn_it_is)
{
	static const struct {
		const char *why;
		uint32_t max;
		enum lattice_overflow overflow;
		const char *come, *received;
		uint32_t oldest, newest;
	} rows[] = {
		{ "nothing", 2, LATTICE_DROP_OLDEST, "", "", 0, 0 },
		{ "in order", 3, LATTICE_DROP_OLDEST, "a1a2a3", "a1a2a3", 0, 0 },
		{ "the oldest give way", 3, LATTICE_DROP_OLDEST, "a1a2a3a4a5", "a3a4a5", 2, 0 },
		{ "the newest are not let in", 3, LATTICE_DROP_NEWEST, "a1a2a3a4a5", "a1a2a3", 0, 2 },
		{ "a queue of one, oldest", 1, LATTICE_DROP_OLDEST, "a1a2a3", "a3", 2, 0 },
		{ "a queue of one, newest", 1, LATTICE_DROP_NEWEST, "a1a2a3", "a1", 0, 2 },
		{ "peers in turn", 9, LATTICE_DROP_OLDEST, "a1a2a3b1b2c1", "a1b1c1a2b2a3", 0, 0 },
		{ "a noisy one evicts only its own", 2, LATTICE_DROP_OLDEST, "b1a1a2a3a4a5a6b2", "b1a5b2a6",
		  4, 0 },
		{ "also where the newest go", 2, LATTICE_DROP_NEWEST, "b1a1a2a3a4a5a6b2", "b1a1b2a2", 0, 4 },
		{ "and keeps its place in line", 2, LATTICE_DROP_OLDEST, "a1a2b1a3", "a2b1a3", 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_packets *p = open_queues(rows[i].max, rows[i].overflow);
		struct lattice_packet packet;
		char received[64] = "", byte;
		size_t count = 0;

		for (const char *s = rows[i].come; *s != '\0'; s += 2)
			lat_packets_put(p, (lattice_node_id)s[0], s + 1, 1);
		while (lat_packets_recv(p, &packet, &byte, 1, 0) == 0) {
			CHECK_EQ_ROW(rows[i].why, packet.len, 1);
			CHECK_ROW(rows[i].why, packet.data == &byte);
			received[count++] = (char)packet.node;
			received[count++] = byte;
		}
		received[count] = '\0';
		CHECK_STR_ROW(rows[i].why, received, rows[i].received);
		CHECK_EQ_ROW(rows[i].why, counted(p, "packets.received"), strlen(rows[i].come) / 2);
		CHECK_EQ_ROW(rows[i].why, counted(p, "packets.taken"), count / 2);
		CHECK_EQ_ROW(rows[i].why, counted(p, "packets.dropped_oldest"), rows[i].oldest);
		CHECK_EQ_ROW(rows[i].why, counted(p, "packets.dropped_newest"), rows[i].newest);
		close_queues(p);
	}
}

TEST(sizes_and_ends)
{
	struct lat_packets *p = open_queues(4, LATTICE_DROP_OLDEST);
	struct lattice_packet packet = { 0 };
	char buf[8];

	CHECK_EQ(lat_packets_recv(p, &packet, buf, sizeof(buf), 0), -ENOMSG);
	CHECK_EQ(lat_packets_recv(p, &packet, buf, sizeof(buf), 1), -ETIMEDOUT);
	lat_packets_put(p, 7, "12345678", 8);
	CHECK_EQ(lat_packets_recv(p, &packet, buf, 7, 0), -EMSGSIZE);
	CHECK_EQ(packet.len, 8); /* and it stays */
	CHECK_EQ(lat_packets_recv(p, &packet, buf, 8, 0), 0);
	CHECK_MEM(buf, "12345678", 8);
	CHECK_EQ(packet.node, 7);
	lat_packets_put(p, 7, NULL, 0);
	CHECK_EQ(lat_packets_recv(p, &packet, NULL, 0, 0), 0);
	CHECK_EQ(packet.len, 0);

	lat_packets_put(p, 7, "x", 1);
	lat_packets_put(p, 8, "x", 1);
	lat_packets_clear(p);
	CHECK_EQ(counted(p, "packets.dropped_reset"), 2);
	CHECK_EQ(lat_packets_recv(p, &packet, buf, 8, 0), -ENOMSG);
	lat_packets_put(p, 7, "x", 1);
	lat_packets_shutdown(p);
	lat_packets_put(p, 7, "x", 1);
	CHECK_EQ(counted(p, "packets.dropped_closed"), 2);
	CHECK_EQ(lat_packets_recv(p, &packet, buf, 8, 0), -ESHUTDOWN);
	CHECK_EQ(lat_packets_callback(p, NULL, NULL), -ESHUTDOWN);
	close_queues(p);
	lat_packets_close(NULL);
}

/* ---- callbacks ---- */

struct seen { /* by a callback */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lat_packets *p;
	uint32_t count;
	char bytes[64];
	bool hold, inside; /* the test wants it to stay; it is there */
	int rc;
};

static struct seen new_seen(struct lat_packets *p)
{
	return (struct seen){ .lock = PTHREAD_MUTEX_INITIALIZER,
			      .changed = PTHREAD_COND_INITIALIZER,
			      .p = p };
}

static void see(void *ctx, const struct lattice_packet *packet)
{
	struct seen *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->bytes[s->count++ % sizeof(s->bytes)] = *(const char *)packet->data;
	s->inside = true;
	pthread_cond_broadcast(&s->changed);
	while (s->hold)
		pthread_cond_wait(&s->changed, &s->lock);
	s->inside = false;
	pthread_mutex_unlock(&s->lock);
}

static void wait_count(struct seen *s, uint32_t count)
{
	pthread_mutex_lock(&s->lock);
	while (s->count < count)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void let_go(struct seen *s)
{
	pthread_mutex_lock(&s->lock);
	s->hold = false;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

TEST(a_callback_gets_each_once)
{
	struct lat_packets *p = open_queues(64, LATTICE_DROP_OLDEST);
	struct seen s = new_seen(p);
	struct lattice_packet packet;
	char byte;

	lat_packets_put(p, 1, "a", 1);
	lat_packets_put(p, 1, "b", 1);
	CHECK_EQ(lat_packets_callback(p, see, &s), 0);
	wait_count(&s, 2); /* what was queued already comes first */
	lat_packets_put(p, 1, "c", 1);
	wait_count(&s, 3);
	CHECK_EQ(lat_packets_recv(p, &packet, &byte, 1, 0), -EBUSY);
	CHECK_EQ(lat_packets_callback(p, NULL, NULL), 0);
	lat_packets_put(p, 1, "d", 1);
	CHECK_EQ(lat_packets_recv(p, &packet, &byte, 1, 0), 0);
	CHECK_EQ(byte, 'd');
	CHECK_EQ(s.count, 3);
	CHECK_MEM(s.bytes, "abc", 3);
	CHECK_EQ(counted(p, "packets.taken"), 4);
	close_queues(p);
}

TEST(one_that_blocks_lets_packets_queue)
{
	struct lat_packets *p = open_queues(2, LATTICE_DROP_OLDEST);
	struct seen s = new_seen(p);

	s.hold = true;
	CHECK_EQ(lat_packets_callback(p, see, &s), 0);
	lat_packets_put(p, 1, "a", 1);
	wait_count(&s, 1);
	for (const char *more = "bcdef"; *more != '\0'; more++)
		lat_packets_put(p, 1, more, 1);
	CHECK_EQ(counted(p, "packets.dropped_oldest"), 3);
	let_go(&s);
	wait_count(&s, 3);
	close_queues(p);
	CHECK_EQ(s.count, 3);
	CHECK_MEM(s.bytes, "aef", 3);
}

static void *take_callback_away(void *arg)
{
	struct seen *s = arg;
	int rc = lat_packets_callback(s->p, NULL, NULL);

	pthread_mutex_lock(&s->lock);
	s->rc = s->inside ? 1 : rc; /* 1: it returned too early */
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

TEST(taking_it_away_waits_for_it)
{
	struct lat_packets *p = open_queues(64, LATTICE_DROP_OLDEST);

	for (uint32_t round = 0; round < 200; round++) {
		struct seen s = new_seen(p);
		pthread_t thread;

		s.hold = round % 2 == 0;
		CHECK_EQ(lat_packets_callback(p, see, &s), 0);
		lat_packets_put(p, 1, "a", 1);
		wait_count(&s, 1);
		CHECK_EQ(pthread_create(&thread, NULL, take_callback_away, &s), 0);
		let_go(&s);
		pthread_join(thread, NULL);
		CHECK_EQ(s.rc, 0);
	}
	close_queues(p);
}

static void change_self(void *ctx, const struct lattice_packet *packet)
{
	struct seen *s = ctx;
	struct lattice_packet other;
	char byte;

	(void)packet;
	s->rc = lat_packets_recv(s->p, &other, &byte, 1, 0);
	if (s->rc == -EBUSY)
		s->rc = lat_packets_callback(s->p, see, s); /* which does not wait for itself */
}

TEST(it_may_call_back)
{
	struct lat_packets *p = open_queues(64, LATTICE_DROP_OLDEST);
	struct seen s = new_seen(p);

	CHECK(lat_packets_calling() == NULL);
	CHECK_EQ(lat_packets_callback(p, change_self, &s), 0);
	lat_packets_put(p, 1, "a", 1);
	lat_packets_put(p, 1, "b", 1);
	wait_count(&s, 1);
	close_queues(p);
	CHECK_EQ(s.rc, 0);
	CHECK_MEM(s.bytes, "b", 1);
}

struct waiting {
	struct lat_packets *p;
	int rc;
};

static void *receive(void *arg)
{
	struct waiting *w = arg;
	struct lattice_packet packet;
	char byte;

	w->rc = lat_packets_recv(w->p, &packet, &byte, 1, UINT64_MAX);
	return NULL;
}

TEST(receivers_that_wait_are_woken)
{
	enum { THREADS = 4 };

	for (uint32_t round = 0; round < 100; round++) {
		struct lat_packets *p = open_queues(64, LATTICE_DROP_OLDEST);
		struct waiting w[THREADS];
		pthread_t thread[THREADS];
		struct seen s = new_seen(p);
		uint32_t got = 0;

		for (int i = 0; i < THREADS; i++) {
			w[i] = (struct waiting){ .p = p, .rc = 1 };
			CHECK_EQ(pthread_create(&thread[i], NULL, receive, &w[i]), 0);
		}
		if (round % 2 == 0) {
			for (int i = 0; i < THREADS; i++)
				lat_packets_put(p, 1, "a", 1);
		} else if (round % 4 == 1) {
			CHECK_EQ(lat_packets_callback(p, see, &s), 0);
		} else {
			lat_packets_shutdown(p);
		}
		for (int i = 0; i < THREADS; i++) {
			pthread_join(thread[i], NULL);
			got += w[i].rc == (round % 2 == 0 ? 0 : round % 4 == 1 ? -EBUSY : -ESHUTDOWN);
		}
		CHECK_EQ(got, THREADS);
		close_queues(p);
	}
}

/* ---- a callback that does not come back, or is closed by its own call ---- */

struct keeper {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t refs;
	bool leave;
	struct lat_packets *p;
};

static void keep(void *ctx)
{
	struct keeper *k = ctx;

	pthread_mutex_lock(&k->lock);
	k->refs++;
	pthread_mutex_unlock(&k->lock);
}

static void unkeep(void *ctx)
{
	struct keeper *k = ctx;

	if (k->leave)
		lat_packets_leave(k->p);
	pthread_mutex_lock(&k->lock);
	k->refs--;
	pthread_cond_signal(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

static void wait_refs(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	while (k->refs > 0)
		pthread_cond_wait(&k->changed, &k->lock);
	pthread_mutex_unlock(&k->lock);
}

static struct lat_packets *open_kept(struct keeper *k)
{
	struct lat_packets_config cfg = { .max_queue = 4, .start = keep, .ended = unkeep, .ctx = k };

	*k = (struct keeper){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	CHECK_EQ(lat_packets_open(&k->p, &cfg), 0);
	return k->p;
}

TEST(one_that_does_not_return_is_left)
{
	struct keeper k;
	struct lat_packets *p = open_kept(&k);
	struct seen s = new_seen(p);

	s.hold = true;
	CHECK_EQ(lat_packets_callback(p, see, &s), 0);
	lat_packets_put(p, 1, "a", 1);
	wait_count(&s, 1);
	lat_packets_shutdown(p);
	lat_packets_join(p, 1); /* long past */
	let_go(&s);
	wait_refs(&k); /* it has said that it ends */
	lat_packets_close(p);
}

static void shut_down(void *ctx, const struct lattice_packet *packet)
{
	struct keeper *k = ctx;

	(void)packet;
	k->leave = true;
	lat_packets_shutdown(k->p);
}

TEST(its_thread_may_be_the_last_one)
{
	struct keeper k;
	struct lat_packets *p = open_kept(&k);

	CHECK_EQ(lat_packets_callback(p, shut_down, &k), 0);
	lat_packets_put(p, 1, "a", 1);
	pthread_mutex_lock(&k.lock);
	while (k.refs > 0)
		pthread_cond_wait(&k.changed, &k.lock);
	pthread_mutex_unlock(&k.lock);
	lat_packets_close(p);
}

TEST_MAIN
