/*
 * soak SECONDS [SEED]: a hundred nodes in one process and 64 threads that send, add peers, remove them, move them, ping, open and close
 * nodes and channels, while every TCP connection between the nodes that stay runs through a relay that resets it, often in the
 * middle of a frame.
 *
 * What must hold is counted, not timed. Every message names its channel, the thread that sent it (its lane) and its number
 * in that lane. A receiver sees each lane of a channel grow by one, never more, never less. On channels that stay open every
 * message that was accepted is there in the end; on the others every message that was acknowledged.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "relay.h"
#include "soak.h"

enum {
	HUB = 0,
	SPOKES = 60, /* 1 .. SPOKES stay, as the hub does */
	GUESTS = 38, /* these come and go */
	STAY = 1 + SPOKES,
	DEFAULT = STAY + GUESTS, /* the process's default node: opened, reset and shut down */
	NODES = DEFAULT + 1,
	DEFAULT_PEERS = 8,

	RELAYS = 4,
	RECEIVERS = 16,
	CHURNERS = 13, /* two or three guests each */
	MEDDLERS = 7,
	SENDERS = 23,
	THREADS = RELAYS + RECEIVERS + CHURNERS + MEDDLERS + SENDERS + 1,

	CHANNELS = 3 * SPOKES, /* hub to spoke, spoke to hub, spoke to the next one */
	VISITS_MAX = 1 << 20,  /* channels of guests in one run */
	PID_IN = 7,            /* every node that stays receives as this */
	PID_GUEST = 9,
	MSG_MAX = 6000,
	HEAD = 16,
};
_Static_assert(THREADS == 64 && NODES == 100, "as the soak is described");

#define MS          INT64_C(1000000)
#define PATIENCE_NS (300 * 1000 * MS) /* for what must come; longer means never */

struct member {
	char dir[128];
	struct lattice_identity id;
	struct lattice_node *node;
	struct lattice_endpoint *in; /* of those that stay */
	bool tcp;
	uint16_t port; /* where others reach it: its own or its relay's */
};

/* A channel between two that stay. */
struct steady {
	struct lattice_channel *ch;
	size_t from, to;
	uint64_t sent[SENDERS];          /* each lane's by its thread */
	_Atomic(uint64_t) seen[SENDERS]; /* by the one thread that receives there */
	uint64_t seq;                    /* the same thread's: the last message's number */
};

/* A channel from a guest to one that stays. */
struct visit {
	uint64_t sent, acknowledged;
	_Atomic(uint64_t) seen;
};

struct thread {
	pthread_t id;
	size_t index;
	uint64_t random;
};

static struct member members[NODES];
static struct steady steady[CHANNELS];
static struct visit *visits;
static atomic_uint visit_count;
static atomic_bool stop, finished;
static atomic_uint faults;
static uint64_t default_seen[STAY]; /* the newest; each by the one thread that receives there */
static _Atomic(uint64_t) received, opened, adds, removes, pings, guests_in, defaults;
static char root[64];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress; /* a message came after the stop */

void soak_fault(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed) > 20)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "soak: FAULT: %s\n", text);
}

static void fault_rc(const void *handle, int rc, const char *what, size_t a, size_t b)
{
	char why[512];

	(void)lattice_explain(handle, rc, why, sizeof(why));
	soak_fault("%s, %zu and %zu: %s", what, a, b, why);
}

uint32_t soak_random(uint64_t *state, uint32_t below)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

static bool stopped(void)
{
	return atomic_load_explicit(&stop, memory_order_relaxed);
}

/* ---- messages ---- */

#define FROM_DEFAULT UINT32_MAX /* the lane is the number of the node that it goes to */

struct body {
	uint32_t channel, lane; /* below CHANNELS: of steady; from there on of visits; FROM_DEFAULT */
	uint64_t number;
};

static unsigned char fill(uint64_t number, size_t at)
{
	return (unsigned char)(number * 31 + at * 7 + 1);
}

/* How long a message is follows from its number, so that a short one is noticed. */
static size_t length_of(const struct body *b)
{
	uint64_t z = (b->number + 1) * UINT64_C(0x9e3779b97f4a7c15) + b->channel;

	if (b->channel == FROM_DEFAULT)
		return sizeof(((struct lattice_message *)NULL)->m_payload);
	return HEAD + (size_t)(z >> 40) % (z >> 63 ? MSG_MAX - HEAD : 64);
}

static size_t write_body(unsigned char buf[MSG_MAX], const struct body *b)
{
	size_t len = length_of(b);

	memcpy(buf, b, HEAD);
	for (size_t i = HEAD; i < len; i++)
		buf[i] = fill(b->number, i);
	return len;
}

static bool read_body(struct body *b, const unsigned char *buf, size_t len)
{
	if (len < HEAD)
		return false;
	memcpy(b, buf, HEAD);
	if (len != length_of(b))
		return false;
	for (size_t i = HEAD; i < len; i++)
		if (buf[i] != fill(b->number, i))
			return false;
	return true;
}

static int send_body(struct lattice_channel *ch, const struct body *b, int64_t timeout_ns)
{
	unsigned char buf[MSG_MAX];
	const struct lattice_msg msg = { .type = (int32_t)b->lane, .data = buf, .len = write_body(buf, b) };

	return lattice_channel_send(ch, &msg, timeout_ns);
}

static void take_steady(size_t at, const struct body *b, const struct lattice_msg *msg)
{
	struct steady *s = &steady[b->channel];
	uint64_t last;

	if (b->lane >= SENDERS || s->to != at || msg->node != members[s->from].id.node) {
		soak_fault("channel %u: a message of lane %u came to %zu from node %u", b->channel, b->lane,
			   at, msg->node);
		return;
	}
	if (msg->seq != s->seq + 1)
		soak_fault("channel %u: message %" PRIu64 " after %" PRIu64, b->channel, msg->seq, s->seq);
	s->seq = msg->seq;
	last = atomic_load_explicit(&s->seen[b->lane], memory_order_relaxed);
	if (b->number != last + 1)
		soak_fault("channel %u, lane %u: %" PRIu64 " after %" PRIu64, b->channel, b->lane, b->number,
			   last);
	atomic_store_explicit(&s->seen[b->lane], b->number, memory_order_relaxed);
}

static void take_visit(const struct body *b, const struct lattice_msg *msg)
{
	uint32_t at = b->channel - CHANNELS;
	uint64_t last;

	if (at >= VISITS_MAX) {
		soak_fault("a message of channel %u, which there is not", b->channel);
		return;
	}
	last = atomic_load_explicit(&visits[at].seen, memory_order_relaxed);
	if (b->number != last + 1 || msg->seq != b->number)
		soak_fault("visit %u: %" PRIu64 " (message %" PRIu64 ") after %" PRIu64, at, b->number,
			   msg->seq, last);
	atomic_store_explicit(&visits[at].seen, b->number, memory_order_relaxed);
}

/*
 * A reset, or a removal, ends the channel and the next send opens another: what was under way may be lost. What comes is in order,
 * from one channel to the next.
 */
static void take_default(size_t at, const struct body *b, const struct lattice_msg *msg)
{
	uint64_t last = default_seen[at];

	if (b->number <= last)
		soak_fault("the default node's message %" PRIu64 " came to %zu after %" PRIu64, b->number, at,
			   last);
	default_seen[at] = b->number;
	if (b->lane != at || msg->node != members[DEFAULT].id.node)
		soak_fault("the default node's message %" PRIu64 " to %u came to %zu", b->number, b->lane,
			   at);
}

/* Everything that waits at one endpoint. */
static void drain(size_t at)
{
	unsigned char buf[MSG_MAX];
	struct lattice_msg msg;
	struct body b;
	int rc;

	while ((rc = lattice_endpoint_recv(members[at].in, &msg, buf, sizeof(buf), 0)) == 0) {
		if (!read_body(&b, buf, msg.len))
			soak_fault("node %zu: a message of %zu bytes from node %u is damaged", at, msg.len,
				   msg.node);
		else if (b.channel == FROM_DEFAULT)
			take_default(at, &b, &msg);
		else if (b.channel < CHANNELS)
			take_steady(at, &b, &msg);
		else
			take_visit(&b, &msg);
		atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
	}
	if (rc != -ENOMSG)
		fault_rc(members[at].in, rc, "receive", at, 0);
}

/* ---- the threads ---- */

/* Receives for the nodes that stay whose number leaves its own. */
static void *receive(void *arg)
{
	const struct thread *self = arg;
	struct pollfd fds[(STAY + RECEIVERS - 1) / RECEIVERS];
	size_t at[sizeof(fds) / sizeof(fds[0])], count = 0;

	for (size_t i = self->index; i < STAY; i += RECEIVERS) {
		fds[count] = (struct pollfd){ .fd = lattice_endpoint_fd(members[i].in), .events = POLLIN };
		at[count++] = i;
	}
	while (!atomic_load_explicit(&finished, memory_order_acquire)) {
		if (poll(fds, (nfds_t)count, 100) <= 0)
			continue;
		for (size_t i = 0; i < count; i++)
			if (fds[i].revents != 0)
				drain(at[i]);
		if (stopped()) {
			pthread_mutex_lock(&lock);
			pthread_cond_signal(&progress);
			pthread_mutex_unlock(&lock);
		}
	}
	return NULL;
}

static void *send_steadily(void *arg)
{
	static const int64_t waits[] = { 0, 1 * MS, 50 * MS };
	struct thread *self = arg;

	while (!stopped()) {
		uint32_t index = soak_random(&self->random, CHANNELS),
			 burst = soak_random(&self->random, 16) + 1;
		struct steady *s = &steady[index];

		for (uint32_t i = 0; i < burst; i++) {
			struct body b = { .channel = index,
					  .lane = (uint32_t)self->index,
					  .number = s->sent[self->index] + 1 };
			int rc = send_body(s->ch, &b, waits[soak_random(&self->random, 3)]);

			if (rc == 0) {
				s->sent[self->index]++;
			} else {
				/* A peer that is slow to answer under this load does not end the channel. */
				if (rc != -EAGAIN && rc != -ETIMEDOUT && rc != -EHOSTUNREACH)
					fault_rc(s->ch, rc, "a channel that was to stay", s->from, s->to);
				break;
			}
		}
	}
	return NULL;
}

static void describe(struct lattice_peer *p, size_t index, uint16_t port)
{
	const struct member *m = &members[index];

	*p = (struct lattice_peer){ .node = m->id.node,
				    .proto = !m->tcp          ? LATTICE_UDP
					     : index % 3 == 0 ? LATTICE_TCP_TRANSIENT
							      : LATTICE_TCP };
	memcpy(p->key, m->id.key, sizeof(p->key));
	if (port != 0)
		(void)snprintf(p->endpoint, sizeof(p->endpoint), "127.0.0.1:%u", port);
}

/* @who gets to know @whom. */
static int introduce(size_t who, size_t whom, uint16_t port)
{
	struct lattice_peer p;
	int rc;

	describe(&p, whom, port);
	rc = lattice_node_add_peer(members[who].node, &p);
	atomic_fetch_add_explicit(&adds, 1, memory_order_relaxed);
	if (rc < 0)
		fault_rc(members[who].node, rc, "add peer", who, whom);
	return rc;
}

/* @who forgets @whom, who may be no peer of his (any more). True: he was. */
static bool forget(size_t who, size_t whom)
{
	int rc = lattice_node_remove_peer(members[who].node, members[whom].id.node);

	if (rc == 0)
		atomic_fetch_add_explicit(&removes, 1, memory_order_relaxed);
	else if (rc != -ENOKEY)
		fault_rc(members[who].node, rc, "remove peer", who, whom);
	return rc == 0;
}

static int open_member(size_t index)
{
	struct member *m = &members[index];
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_SELF,
						 .port = LATTICE_PORT_ANY,
						 .state_dir = m->dir,
						 .bind_host = "127.0.0.1",
						 .max_msg_bytes = 8192,
						 .allow_unlocked_keys = true };
	int rc = lattice_node_open(&m->node, &cfg);

	if (rc < 0)
		fault_rc(NULL, rc, "open", index, 0);
	else
		m->port = lattice_node_port(m->node);
	return rc;
}

/* What may end a channel of one that comes and goes: the others' absence, never a broken rule. */
static bool visit_may_end_so(int rc)
{
	return rc == -EAGAIN || rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -ECONNRESET ||
	       rc == -ECONNREFUSED || rc == -EOWNERDEAD;
}

/*
 * A guest's messages to @host, whom it may forget meanwhile: then its channel is over at once, but what was acknowledged is still
 * received.
 */
static void visit(struct thread *self, size_t guest, size_t host)
{
	uint32_t index = atomic_fetch_add_explicit(&visit_count, 1, memory_order_relaxed);
	struct member *m = &members[guest];
	struct lattice_channel *ch;
	uint32_t count = soak_random(&self->random, 40) + 1;
	bool forgotten = false;
	struct visit *v;
	int rc;

	if (index >= VISITS_MAX)
		return;
	v = &visits[index];
	rc = lattice_channel_open(&ch, m->node, PID_GUEST, PID_IN, members[host].id.node, 0);
	if (rc < 0) {
		fault_rc(m->node, rc, "a guest's channel", guest, host);
		return;
	}
	atomic_fetch_add_explicit(&opened, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < count && !stopped(); i++) {
		struct body b = { .channel = CHANNELS + index, .number = v->sent + 1 };

		if (soak_random(&self->random, 100) == 0)
			forgotten = forget(guest, host) || forgotten;
		rc = send_body(ch, &b, i == 0 ? 2000 * MS : 50 * MS);
		if (rc == 0)
			v->sent++;
		if (forgotten ? rc != -ENOKEY : rc != 0 && !visit_may_end_so(rc))
			fault_rc(ch, rc, "a guest's message", guest, host);
		if (rc != 0)
			break;
	}
	if (soak_random(&self->random, 2) == 0) {
		rc = lattice_channel_flush(ch, 500 * MS);
		if (rc < 0 && (forgotten ? rc != -ENOKEY : !visit_may_end_so(rc)))
			fault_rc(ch, rc, "a guest's flush", guest, host);
	}
	(void)lattice_channel_sent(ch, &v->acknowledged);
	lattice_channel_close(ch);
}

/* Somebody who stays writes to a guest, who may be gone before it arrives, or whom it may be made to forget. */
static void answer(struct thread *self, size_t guest, size_t host)
{
	struct lattice_endpoint *in;
	struct lattice_channel *ch;
	struct lattice_msg msg;
	unsigned char buf[MSG_MAX];
	struct body b = { .channel = UINT32_MAX };
	uint64_t last = 0;
	uint32_t count = soak_random(&self->random, 8) + 1;
	int rc = lattice_endpoint_open(&in, members[guest].node, PID_GUEST);

	if (rc < 0) {
		fault_rc(members[guest].node, rc, "a guest's endpoint", guest, host);
		return;
	}
	/* The way there: the guest has just called, or the address that add_peer brought. */
	rc = lattice_channel_open(&ch, members[host].node, PID_IN, PID_GUEST, members[guest].id.node, 0);
	if (rc < 0) {
		if (rc != -ENOKEY)
			fault_rc(members[host].node, rc, "a channel to a guest", guest, host);
		lattice_endpoint_close(in);
		return;
	}
	for (uint32_t i = 0; i < count && !stopped(); i++) {
		b.number = i + 1;
		rc = send_body(ch, &b, 1000 * MS);
		if (rc < 0)
			break;
	}
	if (rc < 0 && rc != -ENOKEY && !visit_may_end_so(rc))
		fault_rc(ch, rc, "a message to a guest", guest, host);
	/* The answers of an earlier visit cannot come: that channel belonged to the node that was closed. */
	while (!stopped() && lattice_endpoint_recv(in, &msg, buf, sizeof(buf), rc < 0 ? 0 : 200 * MS) == 0) {
		if (!read_body(&b, buf, msg.len) || b.number != last + 1)
			soak_fault("guest %zu: message %" PRIu64 " after %" PRIu64, guest, b.number, last);
		if (++last == count)
			break;
	}
	lattice_channel_close(ch);
	lattice_endpoint_close(in);
}

static void *churn(void *arg)
{
	struct thread *self = arg;

	while (!stopped()) {
		uint32_t own = (uint32_t)((GUESTS - self->index + CHURNERS - 1) / CHURNERS);
		size_t guest = STAY + self->index + CHURNERS * soak_random(&self->random, own);
		size_t host = soak_random(&self->random, STAY);

		if (open_member(guest) < 0)
			return NULL;
		atomic_fetch_add_explicit(&guests_in, 1, memory_order_relaxed);
		if (introduce(guest, host, members[host].port) == 0 &&
		    introduce(host, guest, members[guest].port) == 0) {
			visit(self, guest, host);
			if (soak_random(&self->random, 2) == 0)
				answer(self, guest, host);
		}
		lattice_node_close(members[guest].node);
		members[guest].node = NULL;
	}
	return NULL;
}

/* By the short calls: some messages to one that stays, then perhaps a packet, then perhaps a reset, or that one is forgotten. */
static void drive_once(struct thread *self, uint64_t sent[DEFAULT_PEERS])
{
	uint32_t host = soak_random(&self->random, DEFAULT_PEERS), count = soak_random(&self->random, 10);
	const struct member *m = &members[host];
	struct lattice_message msg = { .m_type = 1 };
	unsigned char buf[MSG_MAX] = { 0 };
	struct lattice_packet packet;
	int32_t pid = 100 + (int32_t)host;
	int rc;

	rc = lattice_net_add_remote(m->id.node, "127.0.0.1", m->port, m->tcp ? LATTICE_TCP : LATTICE_UDP);
	if (rc == 0)
		rc = lattice_connect(pid, PID_IN, m->id.node);
	if (rc < 0)
		fault_rc(NULL, rc, "the default node", host, 0);
	for (uint32_t i = 0; rc == 0 && i < count && !stopped(); i++) {
		struct body b = { .channel = FROM_DEFAULT, .lane = host, .number = sent[host] + 1 };

		(void)write_body(buf, &b);
		memcpy(msg.m_payload, buf, sizeof(msg.m_payload));
		rc = lattice_send(pid, PID_IN, &msg, i == 0 ? 0 : LATTICE_NONBLOCK);
		if (rc == 0)
			sent[host]++;
		else if (!visit_may_end_so(rc))
			fault_rc(NULL, rc, "the default node's message", host, 0);
	}
	if (soak_random(&self->random, 2) == 0) {
		rc = lattice_net_send(m->id.node, buf, soak_random(&self->random, LATTICE_PACKET_MAX + 1));
		if (rc < 0 && !visit_may_end_so(rc))
			fault_rc(NULL, rc, "the default node's packet", host, 0);
	}
	rc = lattice_net_recv(&packet, buf, sizeof(buf), 0);
	if (rc != -ENOMSG)
		fault_rc(NULL, rc, "a packet from nobody", host, 0);
	switch (soak_random(&self->random, 6)) {
	case 0:
	case 1:
		rc = lattice_net_reset();
		if (rc < 0)
			fault_rc(NULL, rc, "reset", host, 0);
		break;
	case 2:
		rc = lattice_net_remove_remote(m->id.node);
		if (rc < 0)
			fault_rc(NULL, rc, "remove", host, 0);
		atomic_fetch_add_explicit(&removes, 1, memory_order_relaxed);
		rc = lattice_send(pid, PID_IN, &msg, 0);
		if (rc != -ENOKEY && !visit_may_end_so(rc)) /* what an end before it had lost is told first */
			fault_rc(NULL, rc, "a message to nobody", host, 0);
		break;
	default:
		break;
	}
}

static void *drive(void *arg)
{
	const struct lattice_net_config cfg = { .port = LATTICE_PORT_ANY,
						.state_dir = members[DEFAULT].dir,
						.bind_host = "127.0.0.1",
						.allow_unlocked_keys = true };
	static uint64_t sent[DEFAULT_PEERS];
	struct thread *self = arg;

	while (!stopped()) {
		uint32_t rounds = soak_random(&self->random, 8) + 1;
		int rc = lattice_net_init(&cfg);

		if (rc < 0) {
			fault_rc(NULL, rc, "the default node", 0, 0);
			return NULL;
		}
		for (uint32_t i = 0; i < rounds && !stopped(); i++)
			drive_once(self, sent);
		lattice_net_shutdown();
		atomic_fetch_add_explicit(&defaults, 1, memory_order_relaxed);
	}
	return NULL;
}

/* A spoke's number with the next spoke's key is refused, whatever else goes on. */
static void add_wrongly(size_t who, size_t whom)
{
	struct lattice_peer p;
	int rc;

	describe(&p, whom % SPOKES + 1, 0);
	p.node = members[whom].id.node;
	rc = lattice_node_add_peer(members[who].node, &p);
	if (rc != -EKEYREJECTED && rc != -EEXIST)
		fault_rc(members[who].node, rc, "a wrong key was not refused", who, whom);
}

static void *meddle(void *arg)
{
	struct thread *self = arg;

	while (!stopped()) {
		size_t spoke = 1 + soak_random(&self->random, SPOKES);
		struct lattice_node *hub = members[HUB].node;
		lattice_node_id node = members[spoke].id.node;
		struct lattice_peer_stats peer;
		struct lattice_stat stats[256];
		struct lattice_endpoint *ep;
		uint64_t rtt;
		int rc = 0;

		switch (soak_random(&self->random, 7)) {
		case 0:
			rc = lattice_node_ping(hub, node, &rtt, 1000 * MS);
			if (rc == 0)
				atomic_fetch_add_explicit(&pings, 1, memory_order_relaxed);
			if (rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -EAGAIN || rc == -ECONNRESET)
				rc = 0;
			break;
		case 1:
			rc = lattice_node_peer(hub, node, &peer);
			break;
		case 2:
			if (lattice_node_stats(members[spoke].node, stats, 256) == 0)
				soak_fault("no counters");
			break;
		case 3:
			rc = introduce(HUB, spoke, members[spoke].port);
			break;
		case 4:
			add_wrongly(HUB, spoke);
			break;
		case 5: /* a guest, who may be about to talk with it, or the default node, whom it knows again at once */
			(void)forget(soak_random(&self->random, STAY),
				     STAY + soak_random(&self->random, GUESTS));
			if (soak_random(&self->random, 50) == 0) {
				size_t host = soak_random(&self->random, DEFAULT_PEERS);

				(void)forget(host, DEFAULT);
				rc = introduce(host, DEFAULT, 0);
			}
			break;
		default:
			rc = lattice_endpoint_open(&ep, members[spoke].node,
						   1000 + (int32_t)soak_random(&self->random, 4));
			if (rc == 0)
				lattice_endpoint_close(ep);
			else if (rc == -EADDRINUSE) /* another thread's */
				rc = 0;
			break;
		}
		if (rc < 0)
			fault_rc(hub, rc, "meddling", spoke, 0);
	}
	return NULL;
}

/* ---- set-up and verdict ---- */

static bool make_members(struct soak_relay *relays[RELAYS], uint64_t seed)
{
	for (size_t i = 0; i < RELAYS; i++)
		if (soak_relay_open(&relays[i], seed + 1000 + i) < 0)
			return false;
	for (size_t i = 0; i < NODES; i++) {
		struct member *m = &members[i];
		int rc;

		(void)snprintf(m->dir, sizeof(m->dir), "%s/%zu", root, i);
		m->tcp = i < STAY ? i % 4 != 3 : i % 2 == 0;
		rc = lattice_state_keygen(m->dir, (lattice_node_id)i + 1, &m->id);
		if (rc < 0) {
			fault_rc(NULL, rc, "keygen", i, 0);
			return false;
		}
		if (i >= STAY)
			continue;
		if (open_member(i) < 0)
			return false;
		rc = lattice_endpoint_open(&m->in, m->node, PID_IN);
		if (rc == 0 && m->tcp)
			rc = soak_relay_add(relays[i % RELAYS], m->port, &m->port);
		if (rc < 0) {
			fault_rc(m->node, rc, "set-up", i, 0);
			return false;
		}
	}
	return true;
}

/* The default node's peers are in its state directory, as its calls want it. */
static bool make_default(void)
{
	for (size_t i = 0; i < DEFAULT_PEERS; i++) {
		struct lattice_peer p;
		int rc;

		describe(&p, i, 0);
		rc = lattice_state_peer_add(members[DEFAULT].dir, &p);
		if (rc < 0) {
			fault_rc(NULL, rc, "the default node's peer", i, 0);
			return false;
		}
		if (introduce(i, DEFAULT, 0) < 0)
			return false;
	}
	return true;
}

static bool join(struct steady *s, size_t from, size_t to)
{
	int rc;

	s->from = from;
	s->to = to;
	rc = lattice_channel_open(&s->ch, members[from].node, PID_IN, PID_IN, members[to].id.node, 0);
	if (rc < 0)
		fault_rc(members[from].node, rc, "join", from, to);
	return rc == 0;
}

/* The hub and every spoke, every spoke and its next: both may call, so handshakes and connections cross. */
static bool make_channels(void)
{
	for (size_t i = 1; i <= SPOKES; i++) {
		size_t next = i % SPOKES + 1;

		if (introduce(HUB, i, members[i].port) < 0 || introduce(i, HUB, members[HUB].port) < 0 ||
		    introduce(i, next, members[next].port) < 0 || introduce(next, i, members[i].port) < 0)
			return false;
	}
	for (size_t i = 1; i <= SPOKES; i++)
		if (!join(&steady[3 * (i - 1)], HUB, i) || !join(&steady[3 * (i - 1) + 1], i, HUB) ||
		    !join(&steady[3 * (i - 1) + 2], i, i % SPOKES + 1))
			return false;
	return true;
}

static void start(struct thread *threads, size_t count, void *(*fn)(void *), uint64_t *seed)
{
	for (size_t i = 0; i < count; i++) {
		threads[i] = (struct thread){ .index = i, .random = *seed };
		*seed += 7919;
		if (pthread_create(&threads[i].id, NULL, fn, &threads[i]) != 0) {
			fprintf(stderr, "soak: no thread to be had\n");
			_Exit(2);
		}
	}
}

static void finish(struct thread *threads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)pthread_join(threads[i].id, NULL);
}

/* How many messages that must come have not. */
static uint64_t missing(void)
{
	uint32_t count = atomic_load_explicit(&visit_count, memory_order_relaxed);
	uint64_t sum = 0;

	for (size_t i = 0; i < CHANNELS; i++)
		for (size_t lane = 0; lane < SENDERS; lane++)
			sum += steady[i].sent[lane] -
			       atomic_load_explicit(&steady[i].seen[lane], memory_order_relaxed);
	for (size_t i = 0; i < count && i < VISITS_MAX; i++) {
		uint64_t seen = atomic_load_explicit(&visits[i].seen, memory_order_relaxed);

		if (seen < visits[i].acknowledged)
			sum += visits[i].acknowledged - seen;
		if (seen > visits[i].sent)
			soak_fault("visit %zu: %" PRIu64 " came of %" PRIu64, i, seen, visits[i].sent);
	}
	return sum;
}

/* Whoever sent has ended: what was accepted is acknowledged, then received. */
static void settle(void)
{
	struct timespec end;
	uint64_t left;

	for (size_t i = 0; i < CHANNELS; i++) {
		int rc;

		do /* one that did not answer under load is called again */
			rc = lattice_channel_flush(steady[i].ch, PATIENCE_NS);
		while (rc == -EHOSTUNREACH);
		if (rc < 0)
			fault_rc(steady[i].ch, rc, "flush", steady[i].from, steady[i].to);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE_NS / 1000 / MS;
	pthread_mutex_lock(&lock);
	while ((left = missing()) > 0)
		if (pthread_cond_timedwait(&progress, &lock, &end) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&lock);
	if (left > 0)
		soak_fault("%" PRIu64 " messages that were accepted are lost", left);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	for (size_t i = 0; i < CHANNELS; i++)
		lattice_channel_close(steady[i].ch);
	for (size_t i = 0; i < STAY; i++)
		lattice_endpoint_close(members[i].in);
	for (size_t i = 0; i < STAY; i++)
		lattice_node_close(members[i].node);
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void run(unsigned seconds, uint64_t seed, struct soak_relay *relays[RELAYS])
{
	static struct thread receivers[RECEIVERS], senders[SENDERS], churners[CHURNERS], meddlers[MEDDLERS],
		driver;
	struct timespec left = { .tv_sec = seconds };

	start(receivers, RECEIVERS, receive, &seed);
	start(senders, SENDERS, send_steadily, &seed);
	start(churners, CHURNERS, churn, &seed);
	start(meddlers, MEDDLERS, meddle, &seed);
	start(&driver, 1, drive, &seed);
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	finish(senders, SENDERS);
	finish(churners, CHURNERS);
	finish(meddlers, MEDDLERS);
	finish(&driver, 1);
	for (size_t i = 0; i < RELAYS; i++)
		soak_relay_calm(relays[i]);
	settle();
	atomic_store_explicit(&finished, true, memory_order_release);
	finish(receivers, RECEIVERS);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL), resets = 0;
	const char *tmp = getenv("TMPDIR");
	struct soak_relay *relays[RELAYS] = { NULL };
	struct rlimit files;
	pthread_condattr_t attr;
	char door[sizeof(root) + 32];

	if (seconds == 0) {
		fprintf(stderr, "usage: soak SECONDS [SEED]\n");
		return 2;
	}
	printf("soak: %d nodes, %d threads, %u s, seed %" PRIu64 "\n", NODES, THREADS, seconds, seed);
	(void)fflush(stdout);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&progress, &attr);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)snprintf(root, sizeof(root), "%.40s/lattice-soak-XXXXXX",
		       tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	visits = calloc(VISITS_MAX, sizeof(*visits));
	if (visits == NULL || mkdtemp(root) == NULL) {
		fprintf(stderr, "soak: no memory, or no folder for the state directories\n");
		return 2;
	}
	(void)snprintf(door, sizeof(door), "%s/place/node.sock",
		       root); /* a place of its own for the machine's processes */
	(void)setenv("LATTICE_SOCKET", door, 1);
	if (make_members(relays, seed) && make_default() && make_channels())
		run(seconds, seed, relays);
	else
		soak_fault("set-up failed");
	tear_down();
	for (size_t i = 0; i < RELAYS; i++) {
		resets += soak_relay_resets(relays[i]);
		soak_relay_close(relays[i]);
	}
	free(visits);
	printf("soak: %" PRIu64 " messages received, %" PRIu64 " connections reset, %" PRIu64
	       " guests, %" PRIu64 " channels of theirs, %" PRIu64 " peers added, %" PRIu64
	       " removed, %" PRIu64 " pings, %" PRIu64 " default nodes\n",
	       atomic_load_explicit(&received, memory_order_relaxed), resets,
	       atomic_load_explicit(&guests_in, memory_order_relaxed),
	       atomic_load_explicit(&opened, memory_order_relaxed),
	       atomic_load_explicit(&adds, memory_order_relaxed),
	       atomic_load_explicit(&removes, memory_order_relaxed),
	       atomic_load_explicit(&pings, memory_order_relaxed),
	       atomic_load_explicit(&defaults, memory_order_relaxed));
	if (atomic_load_explicit(&faults, memory_order_relaxed) > 0) {
		printf("soak: FAILED, %u faults (seed %" PRIu64 ")\n",
		       atomic_load_explicit(&faults, memory_order_relaxed), seed);
		return 1;
	}
	printf("soak: nothing lost, nothing doubled\n");
	return 0;
}
