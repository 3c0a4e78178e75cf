/* lattice-bench-net: two nodes over the loopback, beside what UDP and the cryptography alone can do, in one run. */
#include "lib/main.h"
#include "limits/net.h"
#include "subjects/remote.h"

/* Those that are compared stand together: the machine drifts. */
static const struct bench_subject *const subjects[] = {
	/* there and back, polling */
	&limit_udp, &limit_udp_sealed, &remote_udp_polled, &remote_tcp_polled,
	/* asleep, placed freely */
	&limit_udp_asleep, &remote_udp, &remote_tcp,
	/* one way */
	&limit_udp_stream, &remote_udp_64, &remote_tcp_64, &remote_udp_64_threads, &remote_tcp_64_threads,
	&limit_seal_udp, &remote_udp_64k, &remote_udp_64k_threads, &limit_seal_tcp, &remote_tcp_64k,
	&remote_tcp_64k_threads,
	/* handshakes */
	&limit_handshake, &remote_handshake, &remote_handshake_time, NULL
};

/* What other programs measure; they know how. */
#define ELSEWHERE(name_, what_, limit_, kind_, ...)                                               \
	{                                                                                         \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = (kind_), __VA_ARGS__ \
	}

static const struct bench_subject zeromq[] = {
	ELSEWHERE("zeromq-tcp", "ZeroMQ tcp, 48 B, plain, asleep", "udp-asleep", BENCH_TRIP, .bytes = 0),
	ELSEWHERE("zeromq-curve", "ZeroMQ tcp, 48 B, CURVE, asleep", "udp-asleep", BENCH_TRIP, .bytes = 0),
	ELSEWHERE("zeromq-tcp-64", "ZeroMQ tcp, 64 B one way, plain", NULL, BENCH_RATE, .bytes = 0),
	ELSEWHERE("zeromq-curve-64", "ZeroMQ tcp, 64 B one way, CURVE", NULL, BENCH_RATE, .bytes = 0),
	ELSEWHERE("zeromq-tcp-64k", "ZeroMQ tcp, 64 KiB one way, plain", NULL, BENCH_RATE, .bytes = 64 << 10),
	ELSEWHERE("zeromq-curve-64k", "ZeroMQ tcp, 64 KiB one way, CURVE", NULL, BENCH_RATE,
		  .bytes = 64 << 10),
};

static const struct bench_subject nng[] = {
	ELSEWHERE("nng-tcp", "nng tcp, 48 B, plain, asleep", "udp-asleep", BENCH_TRIP, .bytes = 0),
	ELSEWHERE("nng-tcp-64", "nng tcp, 64 B one way, plain", NULL, BENCH_RATE, .bytes = 0),
	ELSEWHERE("nng-tcp-64k", "nng tcp, 64 KiB one way, plain", NULL, BENCH_RATE, .bytes = 64 << 10),
};

static const struct bench_subject tls[] = {
	ELSEWHERE("tls", "TLS 1.3 ChaCha20 over TCP, 48 B, asleep", "udp-asleep", BENCH_TRIP, .bytes = 0),
	ELSEWHERE("tls-64", "TLS 1.3 ChaCha20 over TCP, 64 B one way", NULL, BENCH_RATE, .bytes = 0),
	ELSEWHERE("tls-64k", "TLS 1.3 ChaCha20 over TCP, 64 KiB one way", NULL, BENCH_RATE,
		  .bytes = 64 << 10),
};

static const struct bench_peer peers[] = {
	{ "lattice-bench-zeromq", "not built: libzmq3-dev was not there", zeromq,
	  sizeof(zeromq) / sizeof(zeromq[0]) },
	{ "lattice-bench-nng", "not built: libnng-dev was not there", nng, sizeof(nng) / sizeof(nng[0]) },
	{ "lattice-bench-tls", "not built: libssl-dev was not there", tls, sizeof(tls) / sizeof(tls[0]) },
	{ 0 },
};

static const struct bench_goal goals[] = {
	{ .name = "G6",
	  .what = "round trip over UDP, both polling, 64 B",
	  .than = "UDP sealed, both polling",
	  .subject = "lattice-udp",
	  .limits = { "udp-sealed" },
	  .goal = 1.2 },
	{ .name = "G7",
	  .what = "one way over TCP, 64 B",
	  .than = "ZeroMQ tcp, plain",
	  .subject = "lattice-tcp-64",
	  .limits = { "zeromq-tcp-64" },
	  .goal = 1.5,
	  .at_least = true },
	{ .name = "G7c",
	  .what = "the same",
	  .than = "ZeroMQ tcp, CURVE",
	  .subject = "lattice-tcp-64",
	  .limits = { "zeromq-curve-64" },
	  .goal = 3,
	  .at_least = true },
	{ .name = "G7u",
	  .what = "one way over UDP, 64 B",
	  .than = "ZeroMQ tcp, plain",
	  .subject = "lattice-udp-64",
	  .limits = { "zeromq-tcp-64" },
	  .goal = 1.5,
	  .at_least = true },
	{ .name = "G8",
	  .what = "one way over UDP, 64 KiB",
	  .than = "sealing alone, 1200 B a packet",
	  .subject = "lattice-udp-64k",
	  .limits = { "seal-1200" },
	  .goal = 0.7,
	  .at_least = true },
	{ .name = "G8t",
	  .what = "one way over TCP, 64 KiB",
	  .than = "sealing alone, in one packet",
	  .subject = "lattice-tcp-64k",
	  .limits = { "seal-64k" },
	  .goal = 0.7,
	  .at_least = true },
	{ .name = "G8s",
	  .what = "one way over TCP, 64 KiB",
	  .than = "TLS 1.3 ChaCha20 over TCP",
	  .subject = "lattice-tcp-64k",
	  .limits = { "tls-64k" },
	  .goal = 1,
	  .at_least = true },
	{ .name = "G9",
	  .what = "a handshake, CPU of both sides",
	  .than = "its X-Wing",
	  .subject = "handshake",
	  .limits = { "x-wing" },
	  .goal = 1.2 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct bench_plan plan = {
		.title = "Lattice between two nodes, beside what the loopback and the cryptography can do",
		.subjects = subjects,
		.peers = peers,
		.goals = goals,
	};

	return bench_main(&plan, argc, argv);
}
