/* A thread for each question: it may wait for the other node, and few are asked at once. */
#include "node/probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "node/attach.h"
#include "node/network.h"
#include "node/node.h"
#include "os/clock.h"
#include "os/thread.h"

enum { UP = 1 << 8, INITIATOR = 1 << 9, PROTO = 0xff }; /* of PROBED's tier */

struct probe {
	struct lat_probes *ps;
	uint64_t member;
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
		.handshake_ns = n->counts[0],
		.session_age_ns = n->counts[1],
		.rtt_ns = n->counts[2],
		.handshakes = n->counts[3],
		.packets_in = n->counts[4],
		.packets_out = n->counts[5],
		.bytes_in = n->counts[6],
		.bytes_out = n->counts[7],
	};
}

int lat_probe(struct lat_attach *a, lattice_node_id peer, enum lat_note_probe what, uint64_t *rtt_ns,
	      struct lattice_peer_stats *out, uint64_t deadline_ns)
{
	struct lat_note n;
	uint64_t now, wait;
	int rc;

	do {
		now = lat_clock_monotonic_ns();
		wait = now < deadline_ns ? deadline_ns - now : 0;
		if (wait > (uint64_t)LAT_PROBE_WAIT_NS)
			wait = (uint64_t)LAT_PROBE_WAIT_NS;
		n = (struct lat_note){
			.kind = LAT_NOTE_PROBE, .node = peer, .flags = (uint32_t)what, .number = wait
		};
		/* The answer comes after its wait: that the host is silent shows later. */
		rc = lat_attach_ask(a, &n,
				    lat_clock_deadline(now, (int64_t)wait + (int64_t)LAT_ATTACH_PATIENCE_NS));
		if (rc == 0)
			rc = n.rc;
	} while (rc == -ETIMEDOUT && lat_clock_monotonic_ns() < deadline_ns);
	if (rc < 0)
		return rc;
	if (rtt_ns != NULL)
		*rtt_ns = n.number;
	if (out != NULL)
		read_stats(out, peer, &n);
	return 0;
}

/* ---- answering ---- */

static void write_stats(struct lat_note *n, const struct lattice_peer_stats *st)
{
	const uint64_t counts[LAT_NOTE_COUNTS] = {
		st->handshake_ns, st->session_age_ns, st->rtt_ns,   st->handshakes,
		st->packets_in,   st->packets_out,    st->bytes_in, st->bytes_out,
	};

	n->tier = (uint32_t)st->proto | (st->up ? UP : 0) | (st->initiator ? INITIATOR : 0);
	for (size_t i = 0; i < LAT_NOTE_COUNTS; i++)
		n->counts[i] = counts[i];
}

static void run(void *arg)
{
	struct probe *p = arg;
	struct lat_probes *ps = p->ps;
	struct lat_network *net = ps->node->network;
	struct lat_note out = { .kind = LAT_NOTE_PROBED, .token = p->note.token };
	struct lattice_peer_stats st;
	int64_t wait = p->note.number < (uint64_t)LAT_PROBE_WAIT_NS ? (int64_t)p->note.number
								    : (int64_t)LAT_PROBE_WAIT_NS;

	if (p->note.flags == LAT_PROBE_PING)
		out.rc = lat_network_ping(net, p->note.node, &out.number, wait);
	else if (p->note.flags == LAT_PROBE_CONNECT)
		out.rc = lat_network_connect(net, p->note.node, wait);
	if (out.rc == 0)
		out.rc = lat_network_peer(net, p->note.node, &st);
	if (out.rc == 0)
		write_stats(&out, &st);
	else
		out.number = 0;
	lat_attach_tell(lat_node_attach(ps->node), p->member, &out);
	pthread_mutex_lock(&ps->lock);
	p->done = true;
	pthread_mutex_unlock(&ps->lock);
}

/* Those that are done are freed; how many there are, and of @member. The lock is held. */
static uint32_t reap_locked(struct lat_probes *ps, uint64_t member, uint32_t *its)
{
	struct probe **at = &ps->all;
	uint32_t all = 0;

	*its = 0;
	while (*at != NULL) {
		struct probe *p = *at;

		if (p->done) {
			*at = p->next;
			lat_thread_join(&p->thread);
			free(p);
			continue;
		}
		all++;
		*its += p->member == member;
		at = &p->next;
	}
	return all;
}

int lat_probes_begin(struct lat_probes *ps, uint64_t member, const struct lat_note *n)
{
	struct probe *p;
	uint32_t its;
	int rc = 0;

	if (ps == NULL)
		return -EOPNOTSUPP;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	*p = (struct probe){ .ps = ps, .member = member, .note = *n };
	pthread_mutex_lock(&ps->lock);
	if (reap_locked(ps, member, &its) >= LAT_PROBES_MAX || its >= LAT_PROBES_MEMBER_MAX)
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
