/* A thread for each question: it may wait for the other node, and few are asked at once. */
#include "node/probe.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/attach.h"
#include "node/names.h"
#include "node/network.h"
#include "node/node.h"
#include "os/clock.h"
#include "os/thread.h"

enum { UP = 1 << 8, INITIATOR = 1 << 9, PROTO = 0xff, STATE_SHIFT = 16 }; /* of PROBED's tier */

#define FIELD(name) offsetof(struct lattice_peer_stats, name)

/* Of PROBED's counts: these fields, */
static const size_t counted[] = {
	FIELD(handshake_ns), FIELD(session_age_ns), FIELD(rtt_ns),           FIELD(handshakes),
	FIELD(packets_in),   FIELD(packets_out),    FIELD(bytes_in),         FIELD(bytes_out),
	FIELD(rtt_min_ns),   FIELD(window_bytes),   FIELD(flight_bytes),     FIELD(rekeys),
	FIELD(messages_in),  FIELD(messages_out),   FIELD(message_bytes_in), FIELD(message_bytes_out),
	FIELD(lost),         FIELD(late),           FIELD(resent),           FIELD(probes),
};

/* and then these. */
enum {
	ERR = ARRAY_LEN(counted),
	PACKET,
	QUEUE,
	CRYPTO,
	DROPS,
	ADDRESS = DROPS + LATTICE_DROP_COUNT,
	COUNTS = ADDRESS + LATTICE_ADDRESS_MAX / 8,
};
static_assert((int)COUNTS == LAT_NOTE_COUNTS, "a note holds them");

struct probe {
	struct lat_probes *ps;
	uint64_t member;
	uint32_t uid;
	struct lat_note note;
	struct lat_thread thread;
	bool done; /* the lock's: its thread is at its end */
	struct probe *next;
};

struct lat_probes {
	pthread_mutex_t lock;
	struct lattice_node *node;
	struct probe *all;
	bool closed;
};

/* ---- asking ---- */

static void read_stats(struct lattice_peer_stats *out, lattice_node_id peer, const struct lat_note *n)
{
	*out = (struct lattice_peer_stats){
		.node = peer,
		.up = (n->tier & UP) != 0,
		.initiator = (n->tier & INITIATOR) != 0,
		.proto = (enum lattice_proto)(n->tier & PROTO),
		.state = (enum lattice_peer_state)(n->tier >> STATE_SHIFT),
		.err = -(int)(n->counts[ERR] & INT_MAX),
	};
	for (size_t i = 0; i < ARRAY_LEN(counted); i++)
		memcpy((char *)out + counted[i], &n->counts[i], sizeof(uint64_t));
	for (size_t i = 0; i < LATTICE_DROP_COUNT; i++)
		out->dropped[i] = n->counts[DROPS + i];
	out->packet_max = (uint32_t)n->counts[PACKET];
	memcpy(out->address, &n->counts[ADDRESS], sizeof(out->address) - 1);
}

/* Asks, again and again where the other node does not answer. *n: the question, then the answer. */
static int ask(struct lat_attach *a, struct lat_note *n, uint64_t deadline_ns)
{
	const struct lat_note question = *n;
	uint64_t now, wait;
	int rc;

	do {
		now = lat_clock_monotonic_ns();
		wait = now < deadline_ns ? deadline_ns - now : 0;
		if (wait > (uint64_t)LAT_PROBE_WAIT_NS)
			wait = (uint64_t)LAT_PROBE_WAIT_NS;
		*n = question;
		n->number = wait;
		/* The answer comes after its wait: that the host is silent shows later. */
		rc = lat_attach_ask(a, n,
				    lat_clock_deadline(now, (int64_t)wait + (int64_t)LAT_ATTACH_PATIENCE_NS));
		if (rc == 0)
			rc = n->rc;
	} while (rc == -ETIMEDOUT && lat_clock_monotonic_ns() < deadline_ns);
	return rc;
}

int lat_probe(struct lat_attach *a, lattice_node_id peer, enum lat_note_probe what,
	      struct lattice_round_trip *trip, struct lattice_peer_stats *out, uint64_t deadline_ns)
{
	struct lat_note n = { .kind = LAT_NOTE_PROBE, .node = peer, .flags = (uint32_t)what };
	int rc = ask(a, &n, deadline_ns);

	if (rc < 0)
		return rc;
	if (trip != NULL)
		*trip = (struct lattice_round_trip){
			.rtt_ns = n.number,
			.queue_ns = n.counts[QUEUE],
			.crypto_ns = n.counts[CRYPTO],
			.wire_ns = n.number - n.counts[QUEUE] - n.counts[CRYPTO],
		};
	if (out != NULL)
		read_stats(out, peer, &n);
	return 0;
}

int lat_probe_resolve(struct lat_attach *a, lattice_node_id peer, const char *name, int32_t *pid,
		      uint64_t deadline_ns)
{
	struct lat_note n = { .kind = LAT_NOTE_PROBE, .node = peer, .flags = LAT_PROBE_RESOLVE };
	int rc;

	(void)snprintf(n.name, sizeof(n.name), "%s", name);
	rc = ask(a, &n, deadline_ns);
	if (rc == 0)
		*pid = (int32_t)n.number;
	return rc;
}

/* ---- answering ---- */

static void write_stats(struct lat_note *n, const struct lattice_peer_stats *st)
{
	n->tier = (uint32_t)st->proto | (st->up ? UP : 0) | (st->initiator ? INITIATOR : 0) |
		  (uint32_t)st->state << STATE_SHIFT;
	for (size_t i = 0; i < ARRAY_LEN(counted); i++)
		memcpy(&n->counts[i], (const char *)st + counted[i], sizeof(uint64_t));
	for (size_t i = 0; i < LATTICE_DROP_COUNT; i++)
		n->counts[DROPS + i] = st->dropped[i];
	n->counts[ERR] = (uint64_t)-st->err;
	n->counts[PACKET] = st->packet_max;
	memcpy(&n->counts[ADDRESS], st->address, sizeof(st->address));
}

static void answer_stats(struct lat_network *net, const struct probe *p, int64_t wait, struct lat_note *out)
{
	struct lattice_round_trip trip = { 0 };
	struct lattice_peer_stats st = { 0 };

	if (p->note.flags == LAT_PROBE_PING)
		out->rc = lat_network_ping(net, p->note.node, &trip, wait);
	else if (p->note.flags == LAT_PROBE_CONNECT)
		out->rc = lat_network_connect(net, p->note.node, wait);
	if (out->rc == 0)
		out->rc = lat_network_peer(net, p->note.node, &st);
	if (out->rc < 0)
		return;
	write_stats(out, &st);
	out->number = trip.rtt_ns;
	out->counts[QUEUE] = trip.queue_ns;
	out->counts[CRYPTO] = trip.crypto_ns;
}

static void run(void *arg)
{
	struct probe *p = arg;
	struct lat_probes *ps = p->ps;
	struct lat_network *net = ps->node->network;
	struct lat_note out = { .kind = LAT_NOTE_PROBED, .token = p->note.token };
	int64_t wait = p->note.number < (uint64_t)LAT_PROBE_WAIT_NS ? (int64_t)p->note.number
								    : (int64_t)LAT_PROBE_WAIT_NS;
	int32_t pid;

	if (p->note.flags != LAT_PROBE_RESOLVE) {
		answer_stats(net, p, wait, &out);
	} else {
		out.rc = lat_network_resolve(net, p->note.node, p->note.name, &pid, wait);
		if (out.rc == 0)
			out.number = (uint64_t)pid;
	}
	lat_attach_tell(lat_node_attach(ps->node), p->member, &out);
	pthread_mutex_lock(&ps->lock);
	p->done = true;
	pthread_mutex_unlock(&ps->lock);
}

/* Those that are done are freed. The lock is held. */
static void reap_locked(struct lat_probes *ps)
{
	struct probe **at = &ps->all;

	while (*at != NULL) {
		struct probe *p = *at;

		if (!p->done) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		lat_thread_join(&p->thread);
		free(p);
	}
}

/* One user must not keep the others from asking. The lock is held. */
static bool has_room_locked(const struct lat_probes *ps, uint64_t member, uint32_t uid)
{
	const uint32_t owner = (uint32_t)geteuid();
	uint32_t all = 0, others = 0, users = 0, members = 0;

	for (const struct probe *p = ps->all; p != NULL; p = p->next) {
		all++;
		others += p->uid != owner;
		users += p->uid == uid;
		members += p->member == member;
	}
	return all < LAT_PROBES_MAX && members < LAT_PROBES_MEMBER_MAX &&
	       (uid == owner || (users < LAT_PROBES_USER_MAX && others < LAT_PROBES_MAX / 2));
}

int lat_probes_begin(struct lat_probes *ps, uint64_t member, uint32_t uid, const struct lat_note *n)
{
	struct probe *p;
	int rc = 0;

	if (ps == NULL)
		return -EOPNOTSUPP;
	if ((n->flags == LAT_PROBE_RESOLVE) != (n->name[0] != '\0'))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	*p = (struct probe){ .ps = ps, .member = member, .uid = uid, .note = *n };
	pthread_mutex_lock(&ps->lock);
	reap_locked(ps);
	if (!has_room_locked(ps, member, uid))
		rc = -ENOBUFS;
	if (ps->closed)
		rc = -ESHUTDOWN;
	if (rc == 0)
		rc = lat_thread_start(&p->thread, "lattice-probe", run, p);
	if (rc == 0) {
		p->next = ps->all;
		ps->all = p;
	}
	pthread_mutex_unlock(&ps->lock);
	if (rc < 0)
		free(p);
	return rc;
}

int lat_probes_open(struct lat_probes **out, struct lattice_node *node)
{
	struct lat_probes *ps = calloc(1, sizeof(*ps));

	*out = ps;
	if (ps == NULL)
		return -ENOMEM;
	pthread_mutex_init(&ps->lock, NULL);
	ps->node = node;
	return 0;
}

void lat_probes_shutdown(struct lat_probes *ps)
{
	struct probe *p;

	if (ps == NULL)
		return;
	pthread_mutex_lock(&ps->lock);
	ps->closed = true;
	p = ps->all;
	ps->all = NULL;
	pthread_mutex_unlock(&ps->lock);
	while (p != NULL) {
		struct probe *next = p->next;

		lat_thread_join(&p->thread);
		free(p);
		p = next;
	}
}

void lat_probes_close(struct lat_probes *ps)
{
	if (ps == NULL)
		return;
	pthread_mutex_destroy(&ps->lock);
	free(ps);
}
