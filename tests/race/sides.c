/* The keeper, the sender and the receivers of races. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/util.h"
#include "os/clock.h"
#include "race.h"

enum { DERIVED_MAX = 4, GOAL_MAX = 40, SPINS_MAX = 2000 };
static const int64_t patience_ns =
	120 * LAT_NS_PER_S; /* for what must come; reached only when something is broken */

/* ---- the keeper ---- */

static void grant(const struct race_thread *t, uint64_t *random)
{
	struct race_flow *f = t->flow;
	struct lattice_cap_terms terms = { .dst = f->dst,
					   .rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN |
						     LATTICE_RIGHT_CALL | LATTICE_RIGHT_BULK,
					   .badge = 1 + (uint32_t)(f - race_board->flow),
					   .bearer = true };
	struct lattice_cap_info info;
	struct lattice_cap *cap;

	f->derives = t->place->local && race_random(random) % 4 == 0;
	if (f->derives)
		terms.rights |= LATTICE_RIGHT_GRANT;
	race_must(lattice_cap_grant(&cap, t->node, &terms), t->node, "granting");
	race_must(lattice_cap_info(cap, &info), NULL, "its life");
	race_must(lattice_cap_text(cap, f->cap, sizeof(f->cap)), NULL, "its text");
	lattice_cap_free(cap);
	f->slot = info.slot;
	f->gen = info.gen;
}

/* Some end while the channel is opened, some when so many have been received. */
static void wait_for_goal(struct race_flow *f, uint64_t *random)
{
	if (atomic_load_explicit(&f->goal, memory_order_relaxed) > 0)
		(void)race_wait(f, RACE_GIVEN);
	for (uint64_t n = race_random(random) % SPINS_MAX; n > 0; n--)
		lat_cpu_relax();
}

void *race_keep(void *arg)
{
	const struct race_thread *t = arg;
	struct race_flow *f = t->flow;
	uint64_t random = race_board->seed + (uint64_t)(f - race_board->flow);

	while (atomic_fetch_sub_explicit(&race_board->left, 1, memory_order_relaxed) > 0) {
		uint32_t name = atomic_load_explicit(&f->name, memory_order_relaxed) + 1;
		uint64_t r = race_random(&random), now;
		struct race_past *past;

		f->dst = RACE_PID + (int32_t)(r % RACE_RECEIVERS);
		atomic_store_explicit(&f->goal, r % 5 == 0 ? 0 : 1 + (uint32_t)(r / 5 % GOAL_MAX),
				      memory_order_relaxed);
		grant(t, &random);
		past = &f->past[name % RACE_PAST];
		atomic_store_explicit(&past->ended, 0, memory_order_relaxed);
		atomic_store_explicit(&past->began, 0, memory_order_relaxed);
		atomic_store_explicit(&past->got, 0, memory_order_relaxed);
		atomic_store_explicit(&f->name, name, memory_order_release);
		race_turn(f, RACE_GIVEN);
		wait_for_goal(f, &random);
		race_must(lattice_cap_revoke(t->node, f->slot, f->gen, NULL, 0), t->node, "revoking");
		now = atomic_fetch_add_explicit(&race_board->clock, 1, memory_order_acq_rel) + 1;
		atomic_store_explicit(&past->ended, now, memory_order_release);
		race_turn(f, RACE_ENDED);
		(void)race_wait(f, RACE_ENDED);
		(void)atomic_fetch_add_explicit(&race_board->races, 1, memory_order_relaxed);
	}
	race_turn(f, RACE_STOPPED);
	return NULL;
}

/* ---- the receivers ---- */

static struct race_flow *flow_of(const struct race_body *body)
{
	struct race_flow *f = &race_board->flow[body->flow];
	uint32_t name;

	if (body->flow >= race_board->flows)
		race_fail("a message of flow %u", body->flow);
	name = atomic_load_explicit(&f->name, memory_order_acquire);
	if (name - body->name >= RACE_PAST)
		race_fail("flow %u: a message of race %u, in race %u", body->flow, body->name, name);
	return f;
}

static void check_body(const struct lattice_msg *msg, const struct race_body *body)
{
	if (msg->badge != body->flow + 1)
		race_fail("flow %u: the badge is %u", body->flow, msg->badge);
	for (size_t i = sizeof(*body); i < msg->len; i++)
		if (((const unsigned char *)msg->data)[i] != (unsigned char)body->number)
			race_fail("flow %u: message %llu is not what was sent", body->flow,
				  (unsigned long long)body->number);
}

static void judge(const struct lattice_msg *msg, uint64_t began, const struct race_thread *t)
{
	struct race_body body;
	struct race_past *past;
	struct race_flow *f;
	uint64_t got, ended;
	uint32_t given = RACE_GIVEN;

	if (msg->len < sizeof(body))
		race_fail("a message of %zu bytes", msg->len);
	memcpy(&body, msg->data, sizeof(body));
	f = flow_of(&body);
	past = &f->past[body.name % RACE_PAST];
	ended = atomic_load_explicit(&past->ended, memory_order_acquire);
	if (ended != 0 && began >= ended)
		race_fail(
			"flow %u, race %u: a message was received, and revoking had returned (%llu) before the receive began (%llu)",
			body.flow, body.name, (unsigned long long)ended, (unsigned long long)began);
	if (!race_board->blind && (t->place->counts >> t->how & 1) != 0 &&
	    body.name != atomic_load_explicit(&f->name, memory_order_acquire))
		race_fail("flow %u, race %u: a message was received whose sender had heard of fewer",
			  body.flow, body.name);
	check_body(msg, &body);
	got = atomic_load_explicit(&past->got, memory_order_relaxed) + 1;
	if (body.number != got)
		race_fail("flow %u: message %llu came as number %llu", body.flow,
			  (unsigned long long)body.number, (unsigned long long)got);
	atomic_store_explicit(&past->began, began, memory_order_relaxed);
	atomic_store_explicit(&past->got, got, memory_order_release);
	if (got == atomic_load_explicit(&f->goal, memory_order_relaxed) &&
	    atomic_compare_exchange_strong_explicit(&f->stage, &given, RACE_GOAL, memory_order_acq_rel,
						    memory_order_relaxed))
		race_turn(f, RACE_GOAL);
}

/* Three of them: one that waits as usual, one that polls and is alone, and one that leaves messages where they lie. */
void race_start_receiver(struct race_thread *t, struct lattice_node *node, int how)
{
	const struct lattice_tuning alone = { .single = true };

	t->node = node;
	t->how = how;
	race_must(lattice_endpoint_open(&t->ep, node, RACE_PID + how), NULL, "receiving");
	if (how == 1)
		race_must(lattice_endpoint_tune(t->ep, &alone), t->ep, "tuning");
	race_start(t, race_receive);
}

void *race_receive(void *arg)
{
	const struct race_thread *t = arg;
	unsigned char *buf = malloc(RACE_BODY_MAX);
	struct lattice_msg msg;

	if (buf == NULL)
		race_fail("no memory");
	while (!atomic_load_explicit(&race_board->quiet, memory_order_relaxed)) {
		uint64_t began = atomic_load_explicit(&race_board->clock, memory_order_acquire);
		struct lattice_hold hold = { 0 };
		int rc;

		if (t->how == 2)
			rc = lattice_endpoint_take(t->ep, &msg, &hold, LATTICE_TAKE_SHARED,
						   10 * LAT_NS_PER_MS);
		else
			rc = lattice_endpoint_recv(t->ep, &msg, buf, RACE_BODY_MAX,
						   t->how == 1 ? 0 : 10 * LAT_NS_PER_MS);
		if (rc == -ENOMSG)
			sched_yield();
		if (rc == -ENOMSG || rc == -ETIMEDOUT)
			continue;
		race_must(rc, t->ep, "receiving");
		judge(&msg, began, t);
		(void)atomic_fetch_add_explicit(&race_board->messages, 1, memory_order_relaxed);
		if (msg.call != 0)
			(void)!lattice_endpoint_reply(t->ep, &msg, &(struct lattice_msg){ .type = 1 });
		lattice_endpoint_release(t->ep, &hold);
	}
	free(buf);
	lattice_endpoint_close(t->ep);
	return NULL;
}

/* ---- the sender ---- */

struct sending {
	const struct race_thread *t;
	struct race_flow *f;
	struct lattice_cap *cap, *own; /* as given; as used */
	struct lattice_cap *derived[DERIVED_MAX];
	size_t derived_count;
	struct lattice_channel *ch;
	struct lattice_block block; /* a loan that was not published */
	uint64_t number, random;
	enum { POLLS, WAITS, LENDS, CALLS } how;
	uint32_t name;
};

static size_t fill(const struct sending *s, unsigned char *at, size_t len)
{
	const struct race_body body = { (uint32_t)(s->f - race_board->flow), s->name, s->number + 1 };

	memset(at, (int)(body.number & 0xff), len);
	memcpy(at, &body, sizeof(body));
	return len;
}

/* What is made of it before it is revoked dies with it, too. Whoever makes one while it is revoked has one that is dead, or none. */
static int derive(struct sending *s)
{
	const struct lattice_cap_terms terms = {
		.rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN | LATTICE_RIGHT_CALL, .bearer = true
	};
	struct lattice_cap *made;
	int rc;

	if (s->derived_count == DERIVED_MAX)
		return 0;
	rc = lattice_cap_derive(&made, s->t->node, s->cap, &terms);
	if (rc == -EKEYREVOKED)
		return rc;
	race_must(rc, s->t->node, "deriving");
	s->derived[s->derived_count++] = made;
	(void)atomic_fetch_add_explicit(&race_board->derived, 1, memory_order_relaxed);
	return 0;
}

static int open_by(struct lattice_channel **ch, const struct sending *s, const struct lattice_cap *cap)
{
	return lattice_channel_open_cap(ch, s->t->node, RACE_PID_SENDER + (int32_t)(s->f - race_board->flow),
					s->f->dst, s->t->to, 0, cap);
}

static int begin(struct sending *s)
{
	const struct lattice_cap_terms less = { .rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN |
							  LATTICE_RIGHT_CALL };
	int rc;

	race_must(lattice_cap_parse(&s->cap, s->f->cap, strlen(s->f->cap)), NULL, "reading the capability");
	s->own = s->cap;
	if (s->f->derives) {
		rc = derive(s);
		if (rc < 0)
			return rc;
		s->own = s->derived[0];
	} else if (race_random(&s->random) % 4 == 0) {
		race_must(lattice_cap_attenuate(&s->own, s->cap, &less), NULL, "narrowing");
	}
	return open_by(&s->ch, s, s->own);
}

static int lend(struct sending *s, size_t len)
{
	int rc = 0;

	if (s->block.data == NULL)
		rc = lattice_channel_loan(s->ch, len, &s->block, patience_ns);
	if (rc < 0)
		return rc;
	if (len > s->block.bytes)
		len = s->block.bytes;
	return lattice_channel_publish(s->ch, &s->block, 1, fill(s, s->block.data, len), patience_ns);
}

static int send_one(struct sending *s)
{
	unsigned char data[RACE_BODY_MAX], reply_data[8];
	uint64_t r = race_random(&s->random);
	/* Most are short; some take two slots, some a block. */
	size_t len = sizeof(struct race_body) + (r % 64 == 0 ? r / 64 % 4000 : r / 64 % 90);
	struct lattice_msg msg = { .type = 1, .data = data }, reply;

	if (s->how == LENDS)
		return lend(s, len);
	msg.len = fill(s, data, len);
	if (s->how == CALLS)
		return lattice_channel_call(s->ch, &msg, &reply, reply_data, sizeof(reply_data), patience_ns);
	return lattice_channel_send(s->ch, &msg, s->how == WAITS ? patience_ns : 0);
}

/* Until it is told. */
static void send_all(struct sending *s)
{
	const uint64_t deadline = lat_clock_until(patience_ns);

	for (;;) {
		bool after = atomic_load_explicit(&s->f->stage, memory_order_acquire) == RACE_ENDED;
		int rc = send_one(s);

		if (rc == -EKEYREVOKED)
			return;
		if (rc == -EAGAIN && lat_clock_monotonic_ns() < deadline) {
			sched_yield();
			continue;
		}
		race_must(rc, s->ch, "sending");
		if (after && s->t->place->local && !race_board->blind)
			race_fail("a send that began after revoking had returned was accepted");
		if (lat_clock_monotonic_ns() >= deadline)
			race_fail("the sender was not told");
		/* The keeper's turn comes sooner. */
		if (++s->number > atomic_load_explicit(&s->f->goal, memory_order_relaxed))
			sched_yield();
		if (s->f->derives && s->number % 8 == 0)
			(void)!derive(s); /* what it says the next send says, too */
	}
}

/* Its right has ended, and that has been said. Nothing goes on by it. */
static void check_over(struct sending *s)
{
	struct lattice_block block = { 0 };
	struct lattice_channel *again;

	if (s->ch != NULL && race_board->blind) {
		lattice_channel_discard(s->ch, &s->block);
	} else if (s->ch != NULL) {
		if (send_one(s) != -EKEYREVOKED)
			race_fail("a channel goes on after its sender was told");
		if (s->t->place->local && lattice_channel_loan(s->ch, 100, &block, 0) != -EKEYREVOKED)
			race_fail("a channel lends after its sender was told");
		lattice_channel_discard(s->ch, &s->block);
	}
	if (s->t->to != 0) /* another node says so once it is asked, to the next channel's first send */
		return;
	if (s->ch == NULL && open_by(&again, s, s->own) != -EKEYREVOKED)
		race_fail("a channel was opened by a right that had been revoked");
	if (s->f->derives && s->derived_count < DERIVED_MAX && derive(s) != -EKEYREVOKED)
		race_fail("a right was made of one that had been revoked");
	for (size_t i = 0; i < s->derived_count && s->ch == NULL; i++)
		if (open_by(&again, s, s->derived[i]) != -EKEYREVOKED)
			race_fail(
				"a channel was opened by a right that was made of one that had been revoked");
}

/* What the sender is told beside what receivers took. */
static void check_told(struct sending *s)
{
	const uint64_t deadline = lat_clock_until(patience_ns);
	const bool counts = !race_board->blind && (s->t->place->counts >> (s->f->dst - RACE_PID) & 1) != 0;
	struct race_past *past = &s->f->past[s->name % RACE_PAST];
	uint64_t received, sent, got;
	int rc = lattice_channel_flush(s->ch, patience_ns);

	sent = lattice_channel_sent(s->ch, &received);
	/* 0: all were received */
	if (rc != -EKEYREVOKED && !(rc == 0 && received == sent) && !race_board->blind)
		race_fail("a flush after revoking says %s, %llu of %llu", lattice_error_name(rc),
			  (unsigned long long)received, (unsigned long long)sent);
	do /* the library counts before its caller does */
		got = atomic_load_explicit(&past->got, memory_order_acquire);
	while (counts && got < received && lat_clock_monotonic_ns() < deadline && sched_yield() == 0);
	if ((got > received && !race_board->blind) || (counts && got != received) || received > sent)
		race_fail(
			"flow %td, race %u: %llu were sent, its sender hears of %llu, and %llu were received",
			s->f - race_board->flow, s->name, (unsigned long long)sent,
			(unsigned long long)received, (unsigned long long)got);
	if (got > 0 && atomic_load_explicit(&past->began, memory_order_relaxed) >=
			       atomic_load_explicit(&past->ended, memory_order_acquire))
		race_fail(
			"flow %td, race %u: a receive that began after revoking had returned had a message of it",
			s->f - race_board->flow, s->name);
	(void)atomic_fetch_add_explicit(&race_board->cut, received < sent, memory_order_relaxed);
}

static void race(struct sending *s)
{
	int rc = begin(s);

	if (rc == 0) {
		s->how = (__typeof__(s->how))(race_random(&s->random) % (s->t->place->local ? 4 : 3));
		send_all(s);
	} else if (rc == -EKEYREVOKED) {
		(void)atomic_fetch_add_explicit(&race_board->refused, 1, memory_order_relaxed);
	} else {
		race_must(rc, NULL, "opening");
	}
	for (uint32_t stage = RACE_GIVEN; stage != RACE_ENDED;)
		stage = race_wait(s->f, stage);
	check_over(s);
	if (s->ch != NULL)
		check_told(s);
	lattice_channel_close(s->ch);
	if (s->ch != NULL) {
		s->ch = NULL;
		check_over(s);
	}
}

void *race_send(void *arg)
{
	const struct race_thread *t = arg;
	uint64_t random = ~race_board->seed - (uint64_t)(t->flow - race_board->flow);
	uint32_t stage;

	for (;;) {
		struct sending s = { .t = t, .f = t->flow };

		stage = race_wait(s.f, RACE_FREE);
		if (stage == RACE_STOPPED)
			return NULL;
		s.random = race_random(&random);
		s.name = atomic_load_explicit(&s.f->name, memory_order_acquire);
		race(&s);
		if (s.own != s.cap && !s.f->derives)
			lattice_cap_free(s.own);
		lattice_cap_free(s.cap);
		while (s.derived_count > 0)
			lattice_cap_free(s.derived[--s.derived_count]);
		race_turn(s.f, RACE_FREE);
	}
}
