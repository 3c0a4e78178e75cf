/*
 * What flood_test.py puts into its namespaces; each ends after SECONDS and prints one line.
 *
 *   flood serve STATE PORT SECONDS             a node; "messages N rss BYTES" of what pid 7 received, and how the memory grew
 *   flood offer STATE PORT RATE SECONDS        sends messages of 1000 bytes to pid 7 of node 1; RATE 0: as fast as it takes them
 *   flood sink PORT SECONDS                    a bare UDP socket; "messages N" of those that begin with 'o'
 *   flood blast ADDRESS PORT RATE SECONDS      offers that to it
 *   flood hellos KIND ADDRESS PORT RATE SECONDS STATE_R STATE_I
 *                                              hellos from 10.88.0.0/16: KIND bogus (wrong mac1), or known (right mac1, the id of
 *                                              the node of STATE_I); "sent N"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lattice/lattice.h>

#include "base/util.h"
#include "crypto/aead.h"
#include "os/clock.h"
#include "os/random.h"
#include "session/handshake.h"
#include "wire/limits.h"

enum {
	MESSAGE = 1000,
	BATCH = 32,
	VARIANTS = 1024, /* different hellos */
	HEADERS = sizeof(struct iphdr) + sizeof(struct udphdr),
};

static int fail(const char *what, int rc)
{
	char why[512];

	(void)lattice_explain(NULL, rc, why, sizeof(why));
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(-rc), why);
	return 1;
}

static uint64_t end_of(const char *seconds)
{
	return lat_clock_monotonic_ns() + (uint64_t)(strtod(seconds, NULL) * 1e9);
}

static long resident(void)
{
	long pages = 0, all;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file != NULL && fscanf(file, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static int open_node(struct lattice_node **node, const char *state, const char *port)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_SELF,
						 .port = (int)strtol(port, NULL, 10) == 0
								 ? LATTICE_PORT_ANY
								 : (int)strtol(port, NULL, 10),
						 .state_dir = state,
						 .allow_unlocked_keys = true };

	return lattice_node_open(node, &cfg);
}

static int serve(char **arg)
{
	struct lattice_endpoint *inbox;
	struct lattice_node *node;
	struct lattice_msg msg;
	char buf[MESSAGE];
	unsigned long count = 0;
	long before = 0, most = 0;
	int rc = open_node(&node, arg[0], arg[1]);
	uint64_t end = end_of(arg[2]);

	if (rc < 0 || (rc = lattice_endpoint_open(&inbox, node, 7)) < 0)
		return fail("serve", rc);
	printf("ready\n");
	fflush(stdout);
	while (lat_clock_monotonic_ns() < end) {
		rc = lattice_endpoint_recv(inbox, &msg, buf, sizeof(buf), 100 * LAT_NS_PER_MS);
		if (rc == 0)
			count++;
		else if (rc != -ETIMEDOUT)
			return fail("recv", rc);
		if (count % 1024 == 0 || rc != 0) { /* memory: from when the first thousand has come */
			long now = resident();

			before = before == 0 && count > 0 ? now : before;
			most = now > most ? now : most;
		}
	}
	printf("messages %lu rss %ld\n", count, most - before);
	lattice_endpoint_close(inbox);
	lattice_node_close(node);
	return 0;
}

/* Waits until @n of @rate a second are due, in steps of a millisecond; false: the time is over. */
static bool pace(uint64_t start, uint64_t end, double rate, unsigned long n)
{
	for (;;) {
		uint64_t now = lat_clock_monotonic_ns();

		if (now >= end)
			return false;
		if (rate <= 0 || (double)(now - start) * rate / 1e9 >= (double)n)
			return true;
		(void)poll(NULL, 0, 1);
	}
}

static int offer(char **arg)
{
	struct lattice_channel *channel;
	struct lattice_node *node;
	char data[MESSAGE] = "o";
	struct lattice_msg msg = { .data = data, .len = sizeof(data) };
	unsigned long count = 0;
	int rc = open_node(&node, arg[0], arg[1]);
	uint64_t start, end;

	if (rc < 0 || (rc = lattice_channel_open(&channel, node, 5, 7, 1, 0)) < 0 ||
	    (rc = lattice_channel_send(channel, &msg, 20 * LAT_NS_PER_S)) < 0)
		return fail("offer", rc);
	start = lat_clock_monotonic_ns();
	end = end_of(arg[3]);
	while (pace(start, end, strtod(arg[2], NULL), count)) {
		rc = lattice_channel_send(channel, &msg, 100 * LAT_NS_PER_MS);
		if (rc == 0)
			count++;
		else if (rc != -ETIMEDOUT)
			return fail("send", rc);
	}
	printf("offered %lu\n", count);
	lattice_channel_close(channel);
	lattice_node_close(node);
	return 0;
}

static int udp(void)
{
	const int room = 2 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_usec = 100000 },
				 sizeof(struct timeval));
	}
	return fd;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)(int)strtol(port, NULL, 10)) };

	(void)inet_pton(AF_INET, host, &at.sin_addr);
	return at;
}

static int sink(char **arg)
{
	static char buf[8][2048];
	struct sockaddr_in at = address("0.0.0.0", arg[0]);
	struct mmsghdr msgs[8];
	struct iovec iov[8];
	unsigned long count = 0;
	uint64_t end = end_of(arg[1]);
	int fd = udp();

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return fail("bind", -errno);
	printf("ready\n");
	fflush(stdout);
	for (int i = 0; i < 8; i++) {
		iov[i] = (struct iovec){ buf[i], sizeof(buf[i]) };
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
	}
	while (lat_clock_monotonic_ns() < end) {
		int got = recvmmsg(fd, msgs, 8, MSG_WAITFORONE, NULL);

		for (int i = 0; i < got; i++)
			count += msgs[i].msg_len == MESSAGE && buf[i][0] == 'o';
	}
	printf("messages %lu\n", count);
	close(fd);
	return 0;
}

static int blast(char **arg)
{
	struct sockaddr_in at = address(arg[0], arg[1]);
	char data[MESSAGE] = "o";
	unsigned long count = 0;
	uint64_t start = lat_clock_monotonic_ns(), end = end_of(arg[3]);
	int fd = udp();

	while (fd >= 0 && pace(start, end, strtod(arg[2], NULL), count))
		count += sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&at, sizeof(at)) ==
			 sizeof(data);
	printf("offered %lu\n", count);
	close(fd);
	return 0;
}

/* ---- hellos ---- */

static uint8_t packets[VARIANTS][HEADERS + LAT_M1_LEN];

static int make_hellos(bool known, const char *state_r, const char *state_i)
{
	static const uint8_t mesh[32];
	struct lattice_identity r, i;
	struct lat_hs_public me, peer;
	int rc = lattice_state_identity(state_r, &r);

	if (rc == 0)
		rc = lattice_state_identity(state_i, &i);
	if (rc < 0)
		return rc;
	lat_hs_public_init(&me, i.key, mesh);
	lat_hs_public_init(&peer, r.key, mesh);
	for (uint32_t n = 0; n < VARIANTS && rc == 0; n++) {
		const struct lat_hs_params p1 = { .ver_max = 1, .ver_min = 1, .node = i.node };
		struct lat_hs_initiator_random rnd;
		struct lat_hs_initiator hs;
		uint8_t e_m[LAT_WIRE_EM];
		uint8_t *m1 = packets[n] + HEADERS;

		lat_random(&rnd, sizeof(rnd));
		rc = lat_hs_m1_make(&hs, m1, e_m, &me, &peer, mesh, &p1, n + 1, &rnd);
		if (!known)
			m1[LAT_M1_MAC1] ^= 1;
	}
	return rc;
}

static void address_it(uint8_t *packet, const struct sockaddr_in *to, uint32_t source)
{
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .tot_len = htons(HEADERS + LAT_M1_LEN),
			    .ttl = 64,
			    .protocol = IPPROTO_UDP,
			    .saddr = htonl(source),
			    .daddr = to->sin_addr.s_addr };
	struct udphdr header = { .source = htons(4000),
				 .dest = to->sin_port,
				 .len = htons(sizeof(header) + LAT_M1_LEN) };

	memcpy(packet, &ip, sizeof(ip));
	memcpy(packet + sizeof(ip), &header, sizeof(header));
}

static int hellos(char **arg)
{
	struct sockaddr_in to = address(arg[1], arg[2]);
	const int room = 4 << 20;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	unsigned long count = 0;
	uint32_t source = 0;
	uint64_t start, end;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int rc = fd < 0 ? -errno : lat_crypto_init();

	if (rc == 0)
		rc = make_hellos(strcmp(arg[0], "known") == 0, arg[5], arg[6]);
	if (rc < 0)
		return fail("hellos", rc);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	printf("ready\n");
	fflush(stdout);
	start = lat_clock_monotonic_ns();
	end = end_of(arg[4]);
	while (pace(start, end, strtod(arg[3], NULL), count)) {
		for (int i = 0; i < BATCH; i++) {
			uint8_t *packet = packets[source % VARIANTS];

			source++;
			address_it(packet, &to, (10U << 24 | 88U << 16) + source * 2654435761U % 65536);
			iov[i] = (struct iovec){ packet, HEADERS + LAT_M1_LEN };
			msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &to,
								 .msg_namelen = sizeof(to),
								 .msg_iov = &iov[i],
								 .msg_iovlen = 1 } };
		}
		rc = sendmmsg(fd, msgs, BATCH, 0);
		count += rc > 0 ? (unsigned long)rc : 0;
	}
	printf("sent %lu\n", count);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		int (*run)(char **arg);
	} roles[] = {
		{ "serve", 3, serve }, { "offer", 4, offer },   { "sink", 2, sink },
		{ "blast", 4, blast }, { "hellos", 7, hellos },
	};

	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (argc >= 2 && strcmp(argv[1], roles[i].name) == 0 && argc == 2 + roles[i].args)
			return roles[i].run(argv + 2);
	fprintf(stderr, "usage: see the head of flood.c\n");
	return 2;
}
