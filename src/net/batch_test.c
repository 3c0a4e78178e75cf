/* What goes together, and that all of it arrives as it was, cut by the kernel or one by one. */
#include "net/batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/test.h"
#include "net/sock.h"

static const struct lat_path here = {
	.proto = LAT_PROTO_UDP, .family = 4, .addr = { 127, 0, 0, 1 }, .port = 9
};

static const struct {
	const char *why;
	size_t held[3], next; /* lengths; 0: none */
	bool elsewhere, want;
} rows[] = {
	{ "the first", { 0 }, 1200, false, true },
	{ "the first, as long as can be", { 0 }, LAT_BATCH_BYTES, false, true },
	{ "as long as the one before", { 1200 }, 1200, false, true },
	{ "a shorter one ends it", { 1200 }, 1199, false, true },
	{ "a longer one", { 1200 }, 1201, false, false },
	{ "behind a shorter one", { 1200, 1000 }, 1000, false, false },
	{ "to another place", { 1200 }, 1200, true, false },
	{ "more than a datagram holds in all", { 40000 }, 25508, false, false },
	{ "as much as a datagram holds in all", { 40000 }, 25507, false, true },
};

TEST(what_fits)
{
	static const uint8_t packet[LAT_BATCH_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_path to = here;
		struct lat_batch b;

		CHECK_EQ(lat_batch_init(&b), 0);
		for (size_t k = 0; k < ARRAY_LEN(rows[i].held) && rows[i].held[k] > 0; k++)
			lat_batch_put(&b, &here, packet, rows[i].held[k]);
		to.port = rows[i].elsewhere ? 10 : 9;
		CHECK_EQ_ROW(rows[i].why, lat_batch_fits(&b, &to, rows[i].next), rows[i].want);
		lat_batch_fini(&b);
	}
}

TEST(no_more_than_a_kernel_cuts)
{
	const uint8_t packet[8] = { 0 };
	struct lat_batch b;

	CHECK_EQ(lat_batch_init(&b), 0);
	for (size_t i = 0; i < LAT_BATCH_MAX; i++) {
		CHECK(lat_batch_fits(&b, &here, sizeof(packet)));
		lat_batch_put(&b, &here, packet, sizeof(packet));
	}
	CHECK(!lat_batch_fits(&b, &here, sizeof(packet)));
	lat_batch_fini(&b);
}

static int open_receiver(struct lat_path *to)
{
	const struct timeval patience = { .tv_sec = 20 };
	struct lat_path any = here;
	int fd;

	any.port = 0;
	fd = lat_sock_bind(&any);
	CHECK(fd >= 0);
	*to = here;
	to->port = lat_sock_port(fd);
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	CHECK_EQ(setsockopt(fd, IPPROTO_UDP, 104 /* UDP_GRO */, &(int){ 0 }, sizeof(int)), 0);
	return fd;
}

static const struct {
	const char *why;
	bool refuse; /* the kernel cuts nothing for a socket without checksums */
	size_t count, bytes, last;
	bool gso;
} ways[] = {
	{ "one", false, 1, 1200, 1200, true },
	{ "many, cut by the kernel", false, 20, 1200, 1200, true },
	{ "many, the last shorter", false, 20, 1200, 7, true },
	{ "one, where nothing is cut", true, 1, 1200, 1200, true },
	{ "many, where nothing is cut", true, 20, 1200, 7, false },
};

TEST(arrives)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), in;
		uint8_t packet[1200], got[2048];
		struct lat_path to;
		struct lat_batch b;
		bool gso = true;
		size_t sent;

		in = open_receiver(&to);
		CHECK(out >= 0);
		if (ways[i].refuse)
			CHECK_EQ(setsockopt(out, SOL_SOCKET, SO_NO_CHECK, &(int){ 1 }, sizeof(int)), 0);
		CHECK_EQ(lat_batch_init(&b), 0);
		for (size_t k = 0; k < ways[i].count; k++) {
			memset(packet, (int)k + 1, sizeof(packet));
			lat_batch_put(&b, &to, packet, k + 1 < ways[i].count ? ways[i].bytes : ways[i].last);
		}
		CHECK_EQ_ROW(ways[i].why, lat_batch_send(&b, out, &gso, &sent), 0);
		CHECK_EQ_ROW(ways[i].why, sent, ways[i].count);
		CHECK_EQ_ROW(ways[i].why, gso, ways[i].gso);
		CHECK_EQ_ROW(ways[i].why, b.count, 0);
		for (size_t k = 0; k < ways[i].count; k++) {
			size_t want = k + 1 < ways[i].count ? ways[i].bytes : ways[i].last;

			CHECK_EQ_ROW(ways[i].why, recv(in, got, sizeof(got), 0), (ssize_t)want);
			CHECK_EQ_ROW(ways[i].why, got[0], (int)k + 1);
			CHECK_EQ_ROW(ways[i].why, got[want - 1], (int)k + 1);
		}
		lat_batch_fini(&b);
		close(in);
		close(out);
	}
}

TEST(nothing_to_send)
{
	struct lat_batch b;
	bool gso = true;
	size_t sent = 1;

	CHECK_EQ(lat_batch_init(&b), 0);
	CHECK_EQ(lat_batch_send(&b, -1, &gso, &sent), 0);
	CHECK_EQ(sent, 0);
	lat_batch_fini(&b);
}

TEST_MAIN
