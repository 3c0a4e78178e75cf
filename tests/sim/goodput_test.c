/*
 * What congestion control makes of a path, in virtual time: how much gets through beside what the formulas say, how two
 * share a bottleneck, how long the queue before it gets. The figures repeat exactly; they are printed.
 */
#include "sim.h"

#include <math.h>

#include "session/machine.h"

enum { MSG_BYTES = 8000, DATA_PER_PACKET = 1340 };

/* Sends as much as there is room for from each of @n nodes to node 0, for @ns; what each delivered meanwhile, in bytes. */
static void pour(struct world *w, struct world_chan **c, const int *from, int n, uint64_t ns, uint64_t *bytes)
{
	uint64_t end = w->now + ns;

	for (int i = 0; i < n; i++) {
		const struct world_chan *in = world_chan_at(w, 0, c[i]);

		bytes[i] = in == NULL ? 0 : in->bytes;
	}
	while (w->now < end) {
		for (int i = 0; i < n; i++)
			while (world_chan_send(w, from[i], c[i], MSG_BYTES) == 0)
				;
		world_run(w, MS);
	}
	for (int i = 0; i < n; i++)
		bytes[i] = world_chan_at(w, 0, c[i])->bytes - bytes[i];
}

static struct world *path(uint64_t seed, uint64_t rtt, const struct lat_cc_ops *cc, int nodes)
{
	const struct world_options o = { .proto = LAT_PROTO_UDP, .cc = cc };
	struct world *w = world_open(nodes, seed, &o);

	w->faults.delay = rtt / 2;
	return w;
}

/* ---- the table: another controller ---- */

static struct lat_cc *fixed_open(size_t packet_bytes)
{
	struct lat_cc *cc = calloc(1, sizeof(*cc));
	extern const struct lat_cc_ops cc_fixed;

	if (cc != NULL)
		*cc = (struct lat_cc){ .ops = &cc_fixed,
				       .packet_bytes = packet_bytes,
				       .window = 32 * packet_bytes };
	return cc;
}

static void fixed_close(struct lat_cc *cc)
{
	free(cc);
}

static void fixed_acked(struct lat_cc *cc, uint64_t now, const struct lat_cc_ack *ack)
{
	(void)cc;
	(void)now;
	(void)ack;
}

static void fixed_lost(struct lat_cc *cc, uint64_t sent_ns, uint64_t newest_ns, bool persistent)
{
	(void)cc;
	(void)sent_ns;
	(void)newest_ns;
	(void)persistent;
}

static void fixed_nothing(struct lat_cc *cc)
{
	(void)cc;
}

extern const struct lat_cc_ops cc_fixed;
const struct lat_cc_ops cc_fixed = {
	.name = "fixed",
	.open = fixed_open,
	.close = fixed_close,
	.acked = fixed_acked,
	.lost = fixed_lost,
	.undo = fixed_nothing,
	.idle = fixed_nothing,
};

/* A window of 32 packets and 20 ms: so much goes in each round trip, whatever is lost, and never more. */
TEST(a_controller_is_a_table)
{
	struct world *w = path(1, 20 * MS, &cc_fixed, 2);
	const int from[1] = { 1 };
	struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
	uint64_t bytes, most = 500 * (uint64_t)32 * LAT_UDP_BASE;

	world_run(w, SEC);
	pour(w, &c, from, 1, 10 * SEC, &bytes);
	print_message("fixed window of 32 packets, 20 ms: %.2f MB/s\n", (double)bytes / 1e7);
	CHECK(bytes <= most);
	CHECK(bytes >= most * 3 / 4);
	world_close(w);
}

/* ---- loss ---- */

/* The larger of what CUBIC and Reno get by their formulas, in bytes a second (RFC 9438, 5.2 and 5.1). */
static double formula(double rtt_s, double loss)
{
	double cubic = 1.054 * pow(rtt_s, 0.75) / pow(loss, 0.75), reno = sqrt(1.5 / loss);

	return (cubic > reno ? cubic : reno) * DATA_PER_PACKET / rtt_s;
}

static const struct {
	const char *why;
	uint64_t rtt;
	uint32_t loss; /* of 1000 */
} losses[] = {
	{ "20 ms, 0.1 %", 20 * LAT_NS_PER_MS, 1 },
	{ "20 ms, 1 %", 20 * LAT_NS_PER_MS, 10 },
	{ "20 ms, 5 %", 20 * LAT_NS_PER_MS, 50 },
	{ "100 ms, 1 %", 100 * LAT_NS_PER_MS, 10 },
};

TEST(goodput_with_losses)
{
	for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
		struct world *w = path(7, losses[i].rtt, NULL, 2);
		const int from[1] = { 1 };
		struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
		double want = formula((double)losses[i].rtt / 1e9, losses[i].loss / 1000.0), got;
		uint64_t bytes;

		world_run(w, SEC);
		w->faults.loss = losses[i].loss;
		pour(w, &c, from, 1, 5 * SEC, &bytes);
		pour(w, &c, from, 1, 30 * SEC, &bytes);
		got = (double)bytes / 30;
		print_message("%s: %.2f MB/s, by formula %.2f; %llu lost, %llu not really, %llu probes\n",
			      losses[i].why, got / 1e6, want / 1e6,
			      (unsigned long long)world_count(w, 1, LAT_COUNT_LOST),
			      (unsigned long long)world_count(w, 1, LAT_COUNT_SPURIOUS),
			      (unsigned long long)world_count(w, 1, LAT_COUNT_PTO));
		CHECK_ROW(losses[i].why, got > 0.7 * want);
		CHECK_ROW(losses[i].why, world_count(w, 1, LAT_COUNT_SPURIOUS) == 0);
		world_close(w);
	}
}

/* ---- a bottleneck ---- */

static void narrow(struct world *w, uint64_t rate, size_t queue_max)
{
	w->pipe[1][0].rate = rate;
	w->pipe[1][0].queue_max = queue_max;
	w->pipe[2][0].through = &w->pipe[1][0];
}

static const struct {
	const char *why;
	uint64_t rtt, rate;
	size_t queue_max;
	double least; /* of the rate, for data */
} bottlenecks[] = {
	{ "1 MB/s, 20 ms, a queue of one round trip", 20 * LAT_NS_PER_MS, 1000000, 20000, 0.80 },
	{ "1 MB/s, 20 ms, a long queue", 20 * LAT_NS_PER_MS, 1000000, 1000000, 0.85 },
	{ "5 MB/s, 50 ms, a queue of half a round trip", 50 * LAT_NS_PER_MS, 5000000, 125000, 0.75 },
};

/* Slow start ends before a long queue is full of it; afterwards a channel's credit is all that can wait there. */
TEST(a_bottleneck_is_used_and_its_queue_bounded)
{
	for (size_t i = 0; i < ARRAY_LEN(bottlenecks); i++) {
		struct world *w = path(3, bottlenecks[i].rtt, NULL, 2);
		const int from[1] = { 1 };
		struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
		uint64_t bytes;
		size_t most = bottlenecks[i].queue_max;

		narrow(w, bottlenecks[i].rate, bottlenecks[i].queue_max);
		world_run(w, SEC);
		pour(w, &c, from, 1, 30 * SEC, &bytes);
		if (most > LAT_CREDIT_WINDOW_BYTES)
			most = LAT_CREDIT_WINDOW_BYTES * 5 / 4; /* headers too */
		print_message(
			"%s: %.2f of it; longest queue %zu bytes, %llu dropped there of %llu sent again\n",
			bottlenecks[i].why, (double)bytes / 30 / (double)bottlenecks[i].rate,
			w->pipe[1][0].queued_max, (unsigned long long)w->pipe[1][0].dropped,
			(unsigned long long)world_count(w, 1, LAT_COUNT_RESENT));
		CHECK_ROW(bottlenecks[i].why,
			  (double)bytes / 30 > bottlenecks[i].least * (double)bottlenecks[i].rate);
		CHECK_ROW(bottlenecks[i].why, w->pipe[1][0].queued_max <= most);
		CHECK_ROW(bottlenecks[i].why,
			  w->pipe[1][0].dropped * 20 < w->pipe[1][0].bytes / LAT_UDP_BASE);
		world_close(w);
	}
}

/* The second comes when the first has all of it; after a while neither has more than twice the other's. */
TEST(two_share_a_bottleneck)
{
	struct world *w = path(5, 20 * MS, NULL, 3);
	const int from[2] = { 1, 2 };
	struct world_chan *c[2] = { world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE) };
	uint64_t bytes[2];
	double a, b;

	narrow(w, 2000000, 60000);
	world_run(w, SEC);
	pour(w, c, from, 1, 10 * SEC, bytes);
	c[1] = world_chan_open(w, 2, 0, 2, LAT_CFLAG_RELIABLE);
	world_run(w, SEC);
	pour(w, c, from, 2, 30 * SEC, bytes);
	pour(w, c, from, 2, 30 * SEC, bytes);
	a = (double)bytes[0] / 3e7;
	b = (double)bytes[1] / 3e7;
	print_message("two at 2 MB/s: %.2f and %.2f MB/s, fairness %.3f\n", a, b,
		      (a + b) * (a + b) / (2 * (a * a + b * b)));
	CHECK(a + b > 1.6);
	CHECK(a < 2 * b && b < 2 * a);
	world_close(w);
}

/* ---- the path's maximum ---- */

static const struct {
	const char *why;
	size_t path, found;
} maxima[] = {
	{ "a tunnel", 1440, 1432 },
	{ "Ethernet", 1472, 1472 },
	{ "jumbo frames", 8972, 8952 },
	{ "no more than every path carries", 1232, 1232 },
};

/* It is found, and left when the path gets narrower: nobody says so, long packets vanish. Later it is looked for again. */
TEST(the_path_maximum_is_found_and_lost_and_found)
{
	for (size_t i = 0; i < ARRAY_LEN(maxima); i++) {
		struct world *w = path(9, 20 * MS, NULL, 2);
		const int from[1] = { 1 };
		struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
		const struct lat_peer *p;
		uint64_t bytes, start;

		w->faults.mtu = maxima[i].path;
		narrow(w, 5000000, 4000000);
		world_run(w, SEC);
		p = lat_peer_find(w->node[1].engine, 1);
		pour(w, &c, from, 1, 2 * SEC, &bytes);
		CHECK_EQ_ROW(maxima[i].why, p->pmtu.now, maxima[i].found);
		w->faults.mtu = LAT_UDP_BASE;
		start = w->now;
		for (int k = 0; k < 500 && p->pmtu.now > LAT_UDP_BASE; k++)
			pour(w, &c, from, 1, 10 * MS, &bytes);
		CHECK_EQ_ROW(maxima[i].why, p->pmtu.now, LAT_UDP_BASE);
		print_message("%s: found %zu; back to %d after %llu ms\n", maxima[i].why, maxima[i].found,
			      LAT_UDP_BASE, (unsigned long long)((w->now - start) / MS));
		CHECK(w->now - start < 3 * SEC);
		w->faults.mtu = maxima[i].path;
		pour(w, &c, from, 1, 15 * SEC, &bytes);
		CHECK_EQ_ROW(maxima[i].why, p->pmtu.now, maxima[i].found);
		CHECK_EQ(w->node[0].bad, 0);
		world_close(w);
	}
}

/* What overflows a short queue looks like what the path does not carry; the search is not deceived for long. */
static const struct {
	const char *why;
	uint64_t rate;
	size_t queue_max, path, found;
} crowded[] = {
	{ "1 MB/s, a queue of 5 packets", 1000000, 6000, 1472, 1472 },
	{ "1 MB/s, a queue of half a round trip", 1000000, 10000, 1472, 1472 },
	{ "1 MB/s, a queue of one round trip, a tunnel", 1000000, 20000, 1440, 1432 },
	{ "10 MB/s, a queue of a quarter of a round trip, jumbo frames", 10000000, 50000, 8972, 8952 },
};

TEST(the_path_maximum_is_found_behind_a_short_queue)
{
	for (size_t i = 0; i < ARRAY_LEN(crowded); i++)
		for (uint64_t seed = 20; seed < 30; seed++) {
			struct world *w = path(seed, 20 * MS, NULL, 2);
			const int from[1] = { 1 };
			struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
			const struct lat_peer *p;
			uint64_t bytes, start;

			w->faults.mtu = crowded[i].path;
			narrow(w, crowded[i].rate, crowded[i].queue_max);
			world_run(w, SEC);
			p = lat_peer_find(w->node[1].engine, 1);
			start = w->now;
			while (p->pmtu.now < crowded[i].found && w->now - start < 30 * SEC)
				pour(w, &c, from, 1, 100 * MS, &bytes);
			CHECK_EQ_ROW(crowded[i].why, p->pmtu.now, crowded[i].found);
			if (seed == 20)
				print_message("%s: found %zu after %llu ms\n", crowded[i].why,
					      crowded[i].found, (unsigned long long)((w->now - start) / MS));
			world_close(w);
		}
}

/* Somebody on the path says of every other packet that it is too long. Nothing gets shorter than every path carries, or stops. */
TEST(lies_about_the_maximum_cost_little)
{
	struct world *w = path(10, 20 * MS, NULL, 2);
	const int from[1] = { 1 };
	struct world_chan *c = world_chan_open(w, 1, 0, 1, LAT_CFLAG_RELIABLE);
	uint64_t honest, lied;

	narrow(w, 5000000, 4000000);
	world_run(w, SEC);
	w->faults.loss = 20;
	pour(w, &c, from, 1, 10 * SEC, &honest);
	w->faults.loss = 0;
	w->faults.mtu_lies = true; /* of 20 in 1000, which are not sent */
	pour(w, &c, from, 1, 10 * SEC, &lied);
	print_message("2 %% lost: %.2f MB/s; 2 %% refused: %.2f MB/s\n", (double)honest / 1e7,
		      (double)lied / 1e7);
	CHECK(lied > honest / 2);
	CHECK(lat_peer_find(w->node[1].engine, 1)->pmtu.now >= LAT_UDP_BASE);
	world_close(w);
}

TEST_MAIN
