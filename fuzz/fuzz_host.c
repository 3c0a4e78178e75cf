/*
 * Who hosts, with members that say anything: input = packets (notes.h) on up to three connections, to a host with its thread behind a
 * real door. One more member is honest: it receives as pid 1, and is who reaches other nodes. The host and that member stay for all
 * inputs; each must leave them as it found them.
 *
 * (1) What the host says is a note of the host's, with the descriptors that go with it. Who has not said HELLO hears a refusal at most.
 * (2) Pid 1 is not given to anybody else, nor may anybody open a channel as pid 1. Nobody but its members is introduced.
 * (3) The honest member is answered whatever others say, and hears only of channels to pid 1 and to other nodes, and of who wants to meet it.
 * (4) When the others have hung up, nothing of them is left: no pid, no member, no descriptor of this process.
 */
#include "notes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/door.h"
#include "node/host.h"
#include "node/lives.h"
#include "node/stats.h"
#include "os/unixsock.h"

enum {
	CONNS = 3,
	PACKETS_MAX = 60,
	HONEST_PID = 1,
	TOKENS = PACKETS_MAX + 2,
	WAIT_MS = 1,
	WAITS_MAX = 60000, /* reached only when something is broken */
	FDS_SEEN = 64
};

static const uint64_t honest_id = UINT64_C(0xb0b1b2b3b4b5b6b7);
static char place[] = "/tmp/lattice-fuzz-XXXXXX";

static struct {
	struct lat_door door;
	struct lat_host *host;
	int honest;
	int conn[CONNS];
	bool greeted[CONNS]; /* it may be: it said something like HELLO */
	int32_t src_of[TOKENS];
	uint64_t holder; /* whom the last answer named */
	uint32_t packets;
	struct lat_lives *lives;
} t;

static void remove_place(void)
{
	char path[sizeof(place) + 16];

	lat_host_close(t.host);
	lat_lives_put(t.lives);
	(void)snprintf(path, sizeof(path), "%s/node.lock", place);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/node.key", place);
	(void)unlink(path);
	(void)rmdir(place);
}

static uint64_t open_fds(void)
{
	uint64_t open = 0;

	for (int fd = 0; fd < FDS_SEEN; fd++)
		open |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
	return open;
}

static int knock(void)
{
	struct lat_process host;
	int fd, rc;

	for (int i = 0; (rc = lat_door_knock(&t.door, &fd, &host)) == -EAGAIN; i++) {
		FUZZ_REQUIRE(i < WAITS_MAX);
		(void)poll(NULL, 0, WAIT_MS);
	}
	FUZZ_REQUIRE(rc == 0);
	return fd;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, WAITS_MAX);
	while (n < 0 && errno == EINTR); /* the fuzzer has an alarm clock */
	return n == 1;
}

/* The next note of the host's. false: it has hung up. */
static bool hear(int fd, struct lat_note *n, size_t *count)
{
	int fds[LAT_NOTE_FDS];
	ssize_t got;

	do {
		FUZZ_REQUIRE(readable(fd));
		*count = LAT_NOTE_FDS;
		got = lat_fdpass_recv(fd, n, sizeof(*n), fds, count);
	} while (got == -EAGAIN);
	if (got <= 0)
		return false;
	FUZZ_REQUIRE(lat_note_check(n, (size_t)got, *count, LAT_NOTE_FROM_HOST) == 0);
	lat_fdpass_close(fds, *count);
	return true;
}

static int say(int fd, struct lat_note n)
{
	n.version = LAT_NOTE_VERSION;
	return lat_fdpass_send(fd, &n, sizeof(n), NULL, 0);
}

/* The answer to the honest member; what comes before it is looked at. */
static struct lat_note honest_asks(struct lat_note n, uint16_t want)
{
	struct lat_note got;
	size_t count;

	FUZZ_REQUIRE(say(t.honest, n) == 0);
	for (;;) {
		FUZZ_REQUIRE(hear(t.honest, &got, &count));
		if (got.kind == want)
			return got;
		FUZZ_REQUIRE(got.kind == LAT_NOTE_GRANT || got.kind == LAT_NOTE_PEER);
		if (got.kind == LAT_NOTE_GRANT)
			FUZZ_REQUIRE((got.dst == HONEST_PID || got.node != 0) && got.src != HONEST_PID &&
				     got.grant != 0 && got.member != honest_id);
	}
}

static void open_host(void)
{
	struct lat_host_config cfg = { .number = 5, .uplink = honest_id, .uplink_len_max = 1000 };
	char path[sizeof(place) + 16];
	struct lat_note got;
	pid_t holder;

	FUZZ_REQUIRE(mkdtemp(place) != NULL);
	(void)snprintf(path, sizeof(path), "%s/node.sock", place);
	FUZZ_REQUIRE(setenv("LATTICE_SOCKET", path, 1) == 0);
	FUZZ_REQUIRE(lat_door_find(&t.door) == 0);
	FUZZ_REQUIRE(lat_lives_make(&t.lives) == 0);
	cfg.lives = t.lives;
	FUZZ_REQUIRE(lat_host_open(&t.host, &t.door, &cfg, &holder) == 0);
	FUZZ_REQUIRE(atexit(remove_place) == 0);
	t.honest = knock();
	got = honest_asks((struct lat_note){ .kind = LAT_NOTE_HELLO, .member = honest_id }, LAT_NOTE_WELCOME);
	FUZZ_REQUIRE(got.rc == 0 && got.node == 5);
	got = honest_asks((struct lat_note){ .kind = LAT_NOTE_CLAIM, .token = 1, .dst = HONEST_PID },
			  LAT_NOTE_CLAIMED);
	FUZZ_REQUIRE(got.rc == 0 && got.dst == HONEST_PID);
}

static void hang_up(int i)
{
	lat_unixsock_hang_up(t.conn[i]);
	t.conn[i] = -1;
	t.greeted[i] = false;
}

static void check_heard(int i, const struct lat_note *n)
{
	if (!t.greeted[i])
		FUZZ_REQUIRE(n->kind == LAT_NOTE_WELCOME && n->rc < 0);
	if (n->kind == LAT_NOTE_CLAIMED)
		FUZZ_REQUIRE(n->dst != HONEST_PID || n->rc == -EADDRINUSE);
	if (n->kind == LAT_NOTE_LOST)
		FUZZ_REQUIRE(n->dst != HONEST_PID);
	if (n->kind == LAT_NOTE_OPENED && n->rc == 0) {
		FUZZ_REQUIRE(n->token >= TOKENS || t.src_of[n->token] != HONEST_PID);
		t.holder = n->member;
	}
	if (n->kind == LAT_NOTE_PROBED)
		FUZZ_REQUIRE(n->rc < 0); /* nobody answers questions here */
}

/* All that the host has said so far, if it can be asked; else what is there. */
static void listen_to(int i)
{
	struct lat_note n;
	size_t count;

	if (t.conn[i] < 0)
		return;
	if (say(t.conn[i], (struct lat_note){ .kind = LAT_NOTE_LIST, .token = TOKENS }) < 0) {
		hang_up(i);
		return;
	}
	for (;;) {
		if (!hear(t.conn[i], &n, &count)) {
			hang_up(i); /* it was dropped: it broke a rule, or it had not said HELLO */
			return;
		}
		check_heard(i, &n);
		if (n.kind == LAT_NOTE_LISTED && n.token == TOKENS)
			return;
	}
}

static void one_packet(struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);
	int i = (int)(how % CONNS), rc;
	struct notes_packet p;

	notes_take(&p, in);
	if (t.conn[i] < 0)
		t.conn[i] = knock();
	if ((how & 0x80) != 0) { /* as it should begin */
		p.note = (struct lat_note){ .version = LAT_NOTE_VERSION,
					    .kind = LAT_NOTE_HELLO,
					    .member = (how >> 2 & 15) + 1 };
		p.size = sizeof(p.note);
		p.fds = 0;
	}
	t.packets++;
	if (p.size == sizeof(p.note)) {
		if (p.note.kind == LAT_NOTE_HELLO)
			t.greeted[i] = true;
		if (p.note.token != 0)
			p.note.token = t.packets;
		t.src_of[t.packets] = p.note.src;
		if (p.note.kind == LAT_NOTE_MEET && (how & 0x40) != 0)
			p.note.member = t.holder;
	}
	rc = notes_send(t.conn[i], &p);
	FUZZ_REQUIRE(rc == 0 || rc == -EPIPE || rc == -EAGAIN);
	if ((how & 0x20) != 0)
		listen_to(i);
	else if (rc < 0)
		hang_up(i);
}

static uint64_t members(void)
{
	struct lattice_stat row[16];
	struct lat_stats s = { .out = row, .max = ARRAY_LEN(row) };

	lat_host_stats(t.host, &s);
	for (size_t i = 0; i < s.count && i < ARRAY_LEN(row); i++)
		if (strcmp(row[i].name, "host.members") == 0)
			return row[i].value;
	return 0;
}

/* They have gone, and it is as before. */
static void check_left(uint64_t fds)
{
	struct lat_note got;

	for (int i = 0; open_fds() != fds || members() != 1; i++) {
		FUZZ_REQUIRE(i < WAITS_MAX);
		(void)poll(NULL, 0, i < 20 ? 0 : WAIT_MS);
	}
	got = honest_asks((struct lat_note){ .kind = LAT_NOTE_LIST, .token = 1 }, LAT_NOTE_LISTED);
	FUZZ_REQUIRE(got.rc == 0 && got.number == HONEST_PID);
	got = honest_asks((struct lat_note){ .kind = LAT_NOTE_LIST, .token = 1, .number = HONEST_PID },
			  LAT_NOTE_LISTED);
	FUZZ_REQUIRE(got.rc == -ENOENT);
	got = honest_asks((struct lat_note){ .kind = LAT_NOTE_OPEN, .token = 1, .src = HONEST_PID, .dst = 2 },
			  LAT_NOTE_OPENED);
	FUZZ_REQUIRE(got.rc == -ECONNREFUSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	uint64_t fds;

	if (t.host == NULL)
		open_host();
	fds = open_fds();
	t.packets = 0;
	t.holder = 0;
	for (int i = 0; i < CONNS; i++)
		t.conn[i] = -1;
	while (t.packets < PACKETS_MAX && fuzz_more(&in))
		one_packet(&in);
	for (int i = 0; i < CONNS; i++) {
		listen_to(i);
		if (t.conn[i] >= 0)
			hang_up(i);
	}
	check_left(fds);
	return 0;
}
