/*
 * oracle udp|tcp SECONDS SEED: two nodes that send to each other, by way of whatever lies between, and know what must arrive. Says the
 * port of the one that is called, and reads the one to call instead.
 *
 * A message follows from the seed, its channel and its number: how long it is and every byte. On a reliable channel each comes
 * once, in order and whole, and in the end all have come; on a lossy one none comes twice. None comes by another channel.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/faults_harness.h"

enum {
	RELIABLE = 3, /* channels each way, */
	LOSSY = 1,
	EACH = RELIABLE + LOSSY,
	CHANNELS = 2 * EACH,
	MESSAGE_MAX = 60000,
	LIMIT = 64
		<< 10, /* and so what a channel holds, which has to arrive when all have stopped, is twice that */
	SEEN_MAX = 1 << 22, /* numbers of a lossy channel */
	PID_TO = 100,
	PID_FROM = 200,
};

#define PATIENCE_NS (300 * INT64_C(1000000000)) /* for what must come; longer means never */

struct channel {
	int index;
	bool lossy;
	struct lattice_endpoint *in;
	struct lattice_channel *out;
	_Atomic(uint64_t) sent, got; /* numbers go from 1 up */
	uint8_t *seen;               /* lossy: a bit for each number */
	pthread_t sender, receiver;
};

static struct lattice_node *nodes[2];
static struct channel channels[CHANNELS];
static uint64_t seed;
static atomic_bool stop, finished;
static atomic_uint violations;
static char root[64];

static void violation(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (atomic_fetch_add_explicit(&violations, 1, memory_order_relaxed) > 20)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "oracle: seed %" PRIu64 ": VIOLATION: %s\n", seed, text);
}

static int failed(int rc, const char *what)
{
	char why[512];

	(void)lattice_explain(NULL, rc, why, sizeof(why));
	fprintf(stderr, "oracle: %s: %s\n", what, why);
	return 1;
}

static bool pause_ms(unsigned int ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * LAT_NS_PER_MS };

	(void)nanosleep(&t, NULL);
	return true;
}

/* ---- messages ---- */

static uint64_t begin(const struct channel *c, uint64_t number)
{
	uint64_t rng = seed * UINT64_C(1000003) + (uint64_t)c->index;

	return lat_faults_random(&rng) + number * UINT64_C(0xd1342543de82ef95);
}

static size_t message(const struct channel *c, uint64_t number, uint8_t *out)
{
	uint64_t rng = begin(c, number), kind = lat_faults_random(&rng) % 64;
	size_t bytes = (size_t)(lat_faults_random(&rng) % (kind == 0 ? MESSAGE_MAX : kind < 8 ? 5000 : 200));

	for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
		uint64_t word = lat_faults_random(&rng);

		memcpy(out + at, &word, bytes - at < sizeof(word) ? bytes - at : sizeof(word));
	}
	return bytes;
}

static void check(struct channel *c, const struct lattice_msg *m, uint64_t number, uint8_t *want)
{
	size_t bytes = message(c, number, want);

	if (m->source != PID_FROM + c->index)
		violation("channel %d: a message of pid %" PRId32, c->index, m->source);
	else if (m->len != bytes || memcmp(m->data, want, bytes) != 0)
		violation("channel %d: message %" PRIu64 " is another: %zu bytes for %zu", c->index, number,
			  m->len, bytes);
}

/* The number of a lossy one is its type: those that are lost do not count in m->seq. */
static void check_lossy(struct channel *c, const struct lattice_msg *m, uint8_t *want)
{
	uint64_t number = (uint64_t)(uint32_t)m->type;

	if (number == 0 || number >= SEEN_MAX ||
	    number > atomic_load_explicit(&c->sent, memory_order_acquire)) {
		violation("channel %d: message %" PRIu64 " was never sent", c->index, number);
		return;
	}
	if ((c->seen[number / 8] & 1U << number % 8) != 0)
		violation("channel %d: message %" PRIu64 " came twice", c->index, number);
	c->seen[number / 8] |= (uint8_t)(1U << number % 8);
	check(c, m, number, want);
}

static void *receive(void *arg)
{
	struct channel *c = arg;
	uint8_t *buf = malloc(MESSAGE_MAX), *want = malloc(MESSAGE_MAX + sizeof(uint64_t));
	int rc = 0;

	while (buf != NULL && want != NULL && !atomic_load_explicit(&finished, memory_order_acquire)) {
		struct lattice_msg m;
		uint64_t number = atomic_load_explicit(&c->got, memory_order_relaxed) + 1;

		rc = lattice_endpoint_recv(c->in, &m, buf, MESSAGE_MAX, 50 * LAT_NS_PER_MS);
		if (rc == -ETIMEDOUT)
			continue;
		if (rc < 0) {
			violation("channel %d: receiving ended with %d", c->index, rc);
			break;
		}
		if (c->lossy)
			check_lossy(c, &m, want);
		else if (m.seq != number || (uint32_t)m.type != (uint32_t)number)
			violation("channel %d: number %" PRIu64 " (it says %" PRIu32 ") instead of %" PRIu64,
				  c->index, m.seq, (uint32_t)m.type, number);
		else
			check(c, &m, number, want);
		atomic_store_explicit(&c->got, number, memory_order_release);
	}
	free(buf);
	free(want);
	return NULL;
}

/* The other node has been out of reach for 20 s; what the channel holds it keeps for 90 s, and is told first if it does not. */
static bool later(int rc)
{
	return rc == -EHOSTUNREACH && pause_ms(100);
}

static void *send_all(void *arg)
{
	struct channel *c = arg;
	uint8_t *buf = malloc(MESSAGE_MAX + sizeof(uint64_t));
	uint64_t number = 0;
	int rc = 0;

	while (buf != NULL && !atomic_load_explicit(&stop, memory_order_acquire) && number < SEEN_MAX - 1) {
		struct lattice_msg m = { .type = (int32_t)(number + 1), .data = buf };

		m.len = message(c, number + 1, buf);
		/* Before it can arrive, and taken back when it was not accepted. */
		atomic_store_explicit(&c->sent, number + 1, memory_order_release);
		do {
			rc = lattice_channel_send(c->out, &m, PATIENCE_NS);
		} while (later(rc));
		if (rc < 0) {
			atomic_store_explicit(&c->sent, number, memory_order_release);
			break;
		}
		number++;
		if (c->lossy && number % 16 == 0) /* or it would be one long queue that drops */
			(void)!lattice_channel_flush(c->out, 5 * LAT_NS_PER_MS);
	}
	do {
		rc = rc == 0 || later(rc) ? lattice_channel_flush(c->out, PATIENCE_NS) : rc;
	} while (later(rc));
	if (rc < 0 && !c->lossy)
		violation("channel %d: after message %" PRIu64 " it ended: %s", c->index, number,
			  lattice_error_name(rc));
	free(buf);
	return NULL;
}

/* ---- set-up ---- */

static int open_node(int i, struct lattice_identity *id)
{
	char dir[96];
	struct lattice_node_config cfg = { .host = LATTICE_HOST_SELF,
					   .port = LATTICE_PORT_ANY,
					   .bind_host = "127.0.0.1",
					   .state_dir = dir,
					   .max_msg_bytes = LIMIT,
					   .allow_unlocked_keys = true };
	int rc;

	(void)snprintf(dir, sizeof(dir), "%s/%d", root, i);
	rc = lattice_state_keygen(dir, (lattice_node_id)i + 1, id);
	return rc < 0 ? rc : lattice_node_open(&nodes[i], &cfg);
}

static int know(int who, const struct lattice_identity *whom, const char *endpoint, enum lattice_proto proto)
{
	struct lattice_peer p = { .node = whom->node, .proto = proto };

	memcpy(p.key, whom->key, sizeof(p.key));
	(void)snprintf(p.endpoint, sizeof(p.endpoint), "%s", endpoint);
	return lattice_node_add_peer(nodes[who], &p);
}

static int open_channel(struct channel *c)
{
	int from = c->index / EACH, rc;
	uint32_t flags = c->lossy ? LATTICE_CHANNEL_LOSSY : 0;

	do { /* who was called learns a moment later that there is a session */
		rc = lattice_channel_open(&c->out, nodes[from], PID_FROM + c->index, PID_TO + c->index,
					  (lattice_node_id)(2 - from), flags);
	} while (rc == -EDESTADDRREQ && pause_ms(1));
	return rc;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* Until as many have come as were sent, on every reliable channel. */
static void wait_for_all(void)
{
	for (int i = 0; i < CHANNELS; i++) {
		struct channel *c = &channels[i];

		/* What is acknowledged lies in the endpoint already. */
		for (int patience = 30000; patience > 0 && !c->lossy &&
					   atomic_load_explicit(&c->got, memory_order_acquire) <
						   atomic_load_explicit(&c->sent, memory_order_acquire);
		     patience--)
			(void)pause_ms(2);
		if (!c->lossy && atomic_load_explicit(&c->got, memory_order_acquire) !=
					 atomic_load_explicit(&c->sent, memory_order_acquire))
			violation("channel %d: %" PRIu64 " of %" PRIu64 " messages came", i,
				  atomic_load_explicit(&c->got, memory_order_acquire),
				  atomic_load_explicit(&c->sent, memory_order_acquire));
	}
}

static void report(void)
{
	uint64_t reliable = 0, lossy = 0, lost = 0;
	struct lattice_peer_stats peer = { 0 };

	for (int i = 0; i < CHANNELS; i++) {
		uint64_t got = atomic_load_explicit(&channels[i].got, memory_order_relaxed);

		reliable += channels[i].lossy ? 0 : got;
		lossy += channels[i].lossy ? got : 0;
		lost += atomic_load_explicit(&channels[i].sent, memory_order_relaxed) - got;
	}
	(void)!lattice_node_peer(nodes[0], 2, &peer);
	printf("{\"reliable\": %" PRIu64 ", \"lossy\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"handshakes\": %" PRIu64 ", \"violations\": %u}\n",
	       reliable, lossy, lost, peer.handshakes,
	       atomic_load_explicit(&violations, memory_order_relaxed));
}

static int run(enum lattice_proto proto, unsigned int seconds)
{
	struct lattice_identity id[2];
	char endpoint[64];
	unsigned int port;
	int rc;

	for (int i = 0; i < 2; i++)
		if ((rc = open_node(i, &id[i])) < 0)
			return failed(rc, "a node");
	printf("port %u\n", lattice_node_port(nodes[1]));
	(void)fflush(stdout);
	if (scanf("%u", &port) != 1)
		return 1;
	(void)snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%u", port);
	if ((rc = know(1, &id[0], "", proto)) < 0 || (rc = know(0, &id[1], endpoint, proto)) < 0)
		return failed(rc, "a peer");
	for (int i = 0; i < CHANNELS; i++) {
		struct channel *c = &channels[i];

		*c = (struct channel){ .index = i, .lossy = i % EACH >= RELIABLE };
		c->seen = c->lossy ? calloc(SEEN_MAX / 8, 1) : NULL;
		rc = lattice_endpoint_open(&c->in, nodes[1 - i / EACH], PID_TO + i);
		if (rc < 0 || (c->lossy && c->seen == NULL))
			return failed(rc, "an endpoint");
	}
	do {
		rc = lattice_node_connect(nodes[0], 2, PATIENCE_NS);
	} while (rc == -EHOSTUNREACH); /* the blackout came first */
	for (int i = 0; rc == 0 && i < CHANNELS; i++)
		rc = open_channel(&channels[i]);
	if (rc < 0)
		return failed(rc, "a channel");
	for (int i = 0; i < CHANNELS; i++)
		if (pthread_create(&channels[i].receiver, NULL, receive, &channels[i]) != 0 ||
		    pthread_create(&channels[i].sender, NULL, send_all, &channels[i]) != 0)
			return failed(-EAGAIN, "a thread");
	(void)pause_ms(1000 * seconds);
	atomic_store_explicit(&stop, true, memory_order_release);
	for (int i = 0; i < CHANNELS; i++)
		pthread_join(channels[i].sender, NULL);
	wait_for_all();
	atomic_store_explicit(&finished, true, memory_order_release);
	for (int i = 0; i < CHANNELS; i++)
		pthread_join(channels[i].receiver, NULL);
	report();
	return atomic_load_explicit(&violations, memory_order_relaxed) != 0;
}

int main(int argc, char **argv)
{
	enum lattice_proto proto = argc > 1 && strcmp(argv[1], "tcp") == 0 ? LATTICE_TCP : LATTICE_UDP;
	int status;

	if (argc != 4) {
		fputs("usage: oracle udp|tcp SECONDS SEED\n", stderr);
		return 2;
	}
	seed = strtoull(argv[3], NULL, 10);
	(void)snprintf(root, sizeof(root), "/tmp/lattice-oracle-XXXXXX");
	if (mkdtemp(root) == NULL)
		return 1;
	status = run(proto, (unsigned int)strtoul(argv[2], NULL, 10));
	for (int i = 0; i < CHANNELS; i++) {
		lattice_channel_close(channels[i].out);
		lattice_endpoint_close(channels[i].in);
		free(channels[i].seen);
	}
	lattice_node_close(nodes[0]);
	lattice_node_close(nodes[1]);
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}
