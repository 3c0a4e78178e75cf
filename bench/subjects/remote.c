/*
 * Two nodes, each a process with a state directory of its own, that know each other's key and talk over the loopback. Polled: the
 * caller runs the network (no_threads, lattice_node_poll()) and never sleeps; else each node has its threads, and receivers sleep.
 */
#include "subjects/remote.h"

#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "lib/clock.h"

enum { TRIP_BYTES = 64, MOST = 64 << 10, HANDSHAKES = 4 };

/* A subject's arg: over what, who runs the network, the bytes of a message that goes one way. */
#define HOW(proto, polled, bytes) ((size_t)(proto) << 24 | (size_t)(polled) << 28 | (size_t)(bytes))

static const int64_t handshake_ns = INT64_C(5000000000);

struct talk {
	char dir[2][64]; /* near, far */
	struct lattice_peer peer[2];
	uint16_t port[2];
	pid_t process[2];
	_Atomic(uint32_t) settled[2]; /* after how many slices */
};

struct party {
	struct lattice_node *node;
	struct lattice_endpoint *inbox;
	struct lattice_channel *channel; /* to the other */
	uint32_t slices;                 /* this side, after how many slices */
};

static enum lattice_proto proto_of(const struct bench_side *side)
{
	return (enum lattice_proto)(side->subject->arg >> 24 & 0xf);
}

static bool polled(const struct bench_side *side)
{
	return (side->subject->arg >> 28 & 1) != 0;
}

static size_t bytes_of(const struct bench_side *side)
{
	return side->subject->arg & 0xffffff;
}

/* ---- set-up ---- */

static char folder[] = "/tmp/lattice-bench-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_folder(void)
{
	static bool made;

	if (made)
		return 0;
	if (mkdtemp(folder) == NULL)
		return -errno;
	made = true;
	(void)atexit(remove_folder); /* not run by the processes that are forked */
	return 0;
}

static int make(struct bench_side *near)
{
	static int count;
	struct talk *t = near->shared;
	int rc = make_folder();

	for (int i = 0; i < 2 && rc == 0; i++) {
		struct lattice_identity id;

		(void)snprintf(t->dir[i], sizeof(t->dir[i]), "%s/%d", folder, count++);
		rc = lattice_state_keygen(t->dir[i], (lattice_node_id)i + 1, &id);
		t->peer[i] = (struct lattice_peer){ .node = (lattice_node_id)i + 1, .proto = proto_of(near) };
		memcpy(t->peer[i].key, id.key, sizeof(id.key));
	}
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = lattice_state_peer_add(t->dir[i], &t->peer[!i]);
	return rc;
}

/* The other's node number, and the pid either receives as. */
static lattice_node_id other(const struct bench_side *side)
{
	return side->far ? 1 : 2;
}

enum { NEAR_PID = 1, FAR_PID = 2 };

static int open_party(struct bench_side *side)
{
	struct talk *t = side->shared;
	struct lattice_node_config cfg = {
		.host = LATTICE_HOST_SELF,
		.port = LATTICE_PORT_ANY,
		.bind_host = "127.0.0.1",
		.state_dir = t->dir[side->far],
		.allow_unlocked_keys = true,
		.no_threads = polled(side),
	};
	struct party *p = calloc(1, sizeof(*p));
	int rc;

	side->own = p;
	if (p == NULL)
		return -ENOMEM;
	rc = lattice_node_open(&p->node, &cfg);
	if (rc == 0)
		rc = lattice_endpoint_open(&p->inbox, p->node, side->far ? FAR_PID : NEAR_PID);
	if (rc == 0 && polled(side))
		rc = lattice_endpoint_tune(p->inbox, &(struct lattice_tuning){ .single = true });
	t->port[side->far] = lattice_node_port(p->node);
	t->process[side->far] = getpid();
	return rc;
}

static int put(struct bench_side *side, const void *bytes, size_t len)
{
	const struct lattice_msg msg = { .type = 1, .data = bytes, .len = len };
	struct party *p = side->own;

	return lattice_channel_send(p->channel, &msg, LATTICE_FOREVER);
}

static int get(struct bench_side *side, void *bytes, size_t room)
{
	struct party *p = side->own;
	struct lattice_msg msg;
	int rc;

	if (!polled(side))
		return lattice_endpoint_recv(p->inbox, &msg, bytes, room, LATTICE_FOREVER);
	while ((rc = lattice_endpoint_recv(p->inbox, &msg, bytes, room, 0)) == -ENOMSG) {
		rc = lattice_node_poll(p->node, 0);
		if (rc < 0)
			break;
	}
	return rc;
}

/* A channel each way, and a message by each: then there is a session, and both are open. */
static int enter(struct bench_side *side)
{
	char at[32], bytes[TRIP_BYTES] = { 0 };
	struct talk *t = side->shared;
	struct party *p;
	int rc = open_party(side);

	if (rc == 0)
		rc = bench_meet(side);
	if (rc < 0)
		return rc;
	p = side->own;
	(void)snprintf(at, sizeof(at), "127.0.0.1:%u", t->port[!side->far]);
	if (!side->far)
		rc = lattice_node_set_remote(p->node, other(side), at, proto_of(side));
	else
		rc = get(side, bytes, sizeof(bytes));
	if (rc == 0)
		rc = lattice_channel_open(&p->channel, p->node, side->far ? FAR_PID : NEAR_PID,
					  side->far ? NEAR_PID : FAR_PID, other(side), 0);
	if (rc == 0)
		rc = put(side, bytes, sizeof(bytes));
	if (rc == 0 && !side->far)
		rc = get(side, bytes, sizeof(bytes));
	return rc;
}

static void leave(struct bench_side *side)
{
	struct party *p = side->own;

	if (p == NULL)
		return;
	lattice_channel_close(p->channel);
	lattice_endpoint_close(p->inbox);
	lattice_node_close(p->node);
	free(p);
	side->own = NULL;
}

/* ---- there and back, one way ---- */

static int trip_near(struct bench_side *side, uint64_t n)
{
	char bytes[TRIP_BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = put(side, bytes, sizeof(bytes));
		if (rc == 0)
			rc = get(side, bytes, sizeof(bytes));
	}
	return rc;
}

static int trip_far(struct bench_side *side, uint64_t n)
{
	char bytes[TRIP_BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = get(side, bytes, sizeof(bytes));
		if (rc == 0)
			rc = put(side, bytes, sizeof(bytes));
	}
	return rc;
}

static int rate_near(struct bench_side *side, uint64_t n)
{
	static char bytes[MOST];
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = put(side, bytes, bytes_of(side));
	return rc;
}

static int rate_far(struct bench_side *side, uint64_t n)
{
	static char bytes[MOST];
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = get(side, bytes, sizeof(bytes));
	return rc;
}

static int call_near(struct bench_side *side, uint64_t n)
{
	char bytes[TRIP_BYTES] = { 1 };
	const struct lattice_msg request = { .type = 1, .data = bytes, .len = sizeof(bytes) };
	struct party *p = side->own;
	struct lattice_msg reply;
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = lattice_channel_call(p->channel, &request, &reply, bytes, sizeof(bytes),
					  LATTICE_FOREVER);
	return rc;
}

static int call_far(struct bench_side *side, uint64_t n)
{
	struct party *p = side->own;
	char bytes[TRIP_BYTES];
	struct lattice_msg msg;
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = lattice_endpoint_recv(p->inbox, &msg, bytes, sizeof(bytes), LATTICE_FOREVER);
		if (rc == 0)
			rc = lattice_endpoint_reply(p->inbox, &msg, &msg);
	}
	return rc;
}

/* Who runs the network himself goes on until what was sent is acknowledged, both ways: nobody else would. */
static int settle(struct bench_side *side)
{
	struct talk *t = side->shared;
	struct party *p = side->own;
	int rc;

	if (!polled(side))
		return 0;
	p->slices++;
	rc = lattice_channel_flush(p->channel, LATTICE_FOREVER);
	atomic_store_explicit(&t->settled[side->far], p->slices, memory_order_release);
	while (rc == 0 &&
	       (int32_t)(atomic_load_explicit(&t->settled[!side->far], memory_order_acquire) - p->slices) < 0)
		rc = lattice_node_poll(p->node, 0);
	return rc;
}

/* ---- handshakes ---- */

static uint64_t cpu_of(pid_t process)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Each with a peer that was forgotten, and so as new; as many as a node answers an address at once. */
static int handshakes(struct bench_side *side, uint64_t *cpu_ns, uint64_t *wall_ns)
{
	struct talk *t = side->shared;
	struct party *p = side->own;
	uint64_t rtt;
	int rc = 0;

	*cpu_ns = *wall_ns = 0;
	for (int i = 0; i < HANDSHAKES && rc == 0; i++) {
		uint64_t before, cpu;
		char at[32];

		(void)snprintf(at, sizeof(at), "127.0.0.1:%u", t->port[1]);
		rc = lattice_node_remove_peer(p->node, 2);
		if (rc == 0)
			rc = lattice_node_add_peer(p->node, &t->peer[1]);
		if (rc == 0)
			rc = lattice_node_set_remote(p->node, 2, at, proto_of(side));
		if (rc < 0)
			return rc;
		before = bench_now_ns();
		cpu = cpu_of(t->process[0]) + cpu_of(t->process[1]);
		rc = lattice_node_connect(p->node, 2, handshake_ns);
		*wall_ns += bench_now_ns() - before;
		if (rc == 0)
			rc = lattice_node_ping(p->node, 2, &rtt,
					       handshake_ns); /* the far side is through, too */
		*cpu_ns += cpu_of(t->process[0]) + cpu_of(t->process[1]) - cpu;
	}
	return rc;
}

static int handshake_near(struct bench_side *side, uint64_t n)
{
	uint64_t cpu_ns, wall_ns;
	int rc = handshakes(side, &cpu_ns, &wall_ns);

	(void)n;
	side->figure = (double)cpu_ns / HANDSHAKES;
	return rc;
}

static int handshake_time_near(struct bench_side *side, uint64_t n)
{
	uint64_t cpu_ns, wall_ns;
	int rc = handshakes(side, &cpu_ns, &wall_ns);

	(void)n;
	side->figure = (double)wall_ns / HANDSHAKES;
	return rc;
}

#define BOTH(place_, how_)                                                                     \
	.with = BENCH_PROCESS, .place = (place_), .arg = (how_), .make = make, .enter = enter, \
	.leave = leave, .shared_bytes = sizeof(struct talk)
#define TRIP(name_, what_, limit_, place_, how_, group_)                                                    \
	{                                                                                                   \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP, .group = (group_), \
		.near = trip_near, .far = trip_far, .settle = settle, BOTH(place_, how_)                    \
	}
#define RATE(name_, what_, limit_, place_, how_, ...)                                                       \
	{                                                                                                   \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_RATE, .near = rate_near, \
		.far = rate_far, .settle = settle, BOTH(place_, how_), __VA_ARGS__                          \
	}

const struct bench_subject remote_udp_polled = TRIP("lattice-udp", "Lattice over UDP, 64 B, both polling",
						    "udp-sealed", BENCH_APART, HOW(LATTICE_UDP, true, 0), 8);
const struct bench_subject remote_tcp_polled = TRIP("lattice-tcp", "Lattice over TCP, 64 B, both polling",
						    "udp-sealed", BENCH_APART, HOW(LATTICE_TCP, true, 0), 8);
const struct bench_subject remote_udp = TRIP("lattice-udp-threads",
					     "Lattice over UDP, 64 B, with its threads, asleep", "udp-asleep",
					     BENCH_FREE, HOW(LATTICE_UDP, false, 0), 0);
const struct bench_subject remote_tcp = TRIP("lattice-tcp-threads",
					     "Lattice over TCP, 64 B, with its threads, asleep", "udp-asleep",
					     BENCH_FREE, HOW(LATTICE_TCP, false, 0), 0);
const struct bench_subject remote_udp_64 = RATE("lattice-udp-64",
						"Lattice over UDP, 64 B one way, both polling", NULL,
						BENCH_APART, HOW(LATTICE_UDP, true, 64), .bytes = 0);
const struct bench_subject remote_tcp_64 = RATE("lattice-tcp-64",
						"Lattice over TCP, 64 B one way, both polling", NULL,
						BENCH_APART, HOW(LATTICE_TCP, true, 64), .bytes = 0);
const struct bench_subject remote_udp_64_threads =
	RATE("lattice-udp-64-threads", "Lattice over UDP, 64 B one way, with its threads", NULL, BENCH_FREE,
	     HOW(LATTICE_UDP, false, 64), .bytes = 0);
const struct bench_subject remote_tcp_64_threads =
	RATE("lattice-tcp-64-threads", "Lattice over TCP, 64 B one way, with its threads", NULL, BENCH_FREE,
	     HOW(LATTICE_TCP, false, 64), .bytes = 0);
const struct bench_subject remote_udp_64k =
	RATE("lattice-udp-64k", "Lattice over UDP, 64 KiB one way, both polling", "seal-1200", BENCH_APART,
	     HOW(LATTICE_UDP, true, MOST), .bytes = MOST);
const struct bench_subject remote_tcp_64k = RATE("lattice-tcp-64k",
						 "Lattice over TCP, 64 KiB one way, both polling", "seal-64k",
						 BENCH_APART, HOW(LATTICE_TCP, true, MOST), .bytes = MOST);
const struct bench_subject remote_udp_64k_threads =
	RATE("lattice-udp-64k-threads", "Lattice over UDP, 64 KiB one way, with its threads", "seal-1200",
	     BENCH_FREE, HOW(LATTICE_UDP, false, MOST), .bytes = MOST);
const struct bench_subject remote_tcp_64k_threads =
	RATE("lattice-tcp-64k-threads", "Lattice over TCP, 64 KiB one way, with its threads", "seal-64k",
	     BENCH_FREE, HOW(LATTICE_TCP, false, MOST), .bytes = MOST);
#define CALL(name_, what_, proto_)                                                             \
	{                                                                                      \
		.name = (name_), .what = (what_), .limit = "udp-asleep", .kind = BENCH_TRIP,   \
		.near = call_near, .far = call_far, BOTH(BENCH_FREE, HOW((proto_), false, 0)), \
	}

const struct bench_subject remote_udp_call =
	CALL("udp-call", "Lattice over UDP, call and reply, 64 B, asleep", LATTICE_UDP);
const struct bench_subject remote_tcp_call =
	CALL("tcp-call", "Lattice over TCP, call and reply, 64 B, asleep", LATTICE_TCP);
const struct bench_subject remote_handshake = { .name = "handshake",
						.what = "Lattice over UDP, a handshake, CPU of both sides",
						.limit = "x-wing",
						.kind = BENCH_FIGURE,
						.unit = "ns",
						.near = handshake_near,
						BOTH(BENCH_FREE, HOW(LATTICE_UDP, false, 0)) };
const struct bench_subject remote_handshake_time = {
	.name = "handshake-time",
	.what = "Lattice over UDP, a handshake, how long it takes",
	.kind = BENCH_FIGURE,
	.unit = "ns",
	.near = handshake_time_near,
	BOTH(BENCH_FREE, HOW(LATTICE_UDP, false, 0))
};
