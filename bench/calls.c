/* lattice-bench-calls: a call and its reply, between tasks, threads, processes and nodes, in one run. */
#include "lib/main.h"
#include "limits/limits.h"
#include "limits/net.h"
#include "subjects/lattice.h"
#include "subjects/remote.h"

/* Those that are compared stand together: the machine drifts. */
static const struct bench_subject *const subjects[] = {
	/* one thread */
	&limit_switch, &lattice_call, &lattice_call_by_right,
	/* polling */
	&limit_slot_thread, &lattice_threads_call, &limit_line, &lattice_processes_call,
	/* asleep */
	&limit_futex, &lattice_threads_call_free, &lattice_processes_call_free, &limit_rpc, &limit_futex_one,
	&lattice_processes_call_handoff,
	/* between nodes, asleep */
	&limit_udp_asleep, &remote_udp_call, &remote_tcp_call, NULL
};

/* What other programs measure; they know how. */
#define ELSEWHERE(name_, what_, limit_)                                                             \
	{                                                                                           \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = BENCH_TRIP, .bytes = 0 \
	}

static const struct bench_subject zeromq[] = {
	ELSEWHERE("zeromq-ipc-call", "ZeroMQ REQ and REP, ipc, 48 B, two processes, asleep", "futex"),
	ELSEWHERE("zeromq-tcp-call", "ZeroMQ REQ and REP, tcp, 48 B, plain, asleep", "udp-asleep"),
	ELSEWHERE("zeromq-curve-call", "ZeroMQ REQ and REP, tcp, 48 B, CURVE, asleep", "udp-asleep"),
};

static const struct bench_peer peers[] = {
	{ "lattice-bench-zeromq", "not built: libzmq3-dev was not there", zeromq,
	  sizeof(zeromq) / sizeof(zeromq[0]) },
	{ 0 },
};

static const struct bench_goal goals[] = {
	{ .name = "G1",
	  .what = "call and reply, two tasks of one thread, 48 B",
	  .than = "two bare switches",
	  .subject = "call",
	  .limits = { "switch" },
	  .goal = 2 },
	{ .name = "G1r",
	  .what = "the same by a capability",
	  .than = "two bare switches",
	  .subject = "call-by-right",
	  .limits = { "switch" },
	  .goal = 2 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct bench_plan plan = {
		.title = "Calls, beside what the machine can do and what others do",
		.subjects = subjects,
		.peers = peers,
		.goals = goals,
	};

	return bench_main(&plan, argc, argv);
}
