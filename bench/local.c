/* lattice-bench-local: what one machine can do, and Lattice beside it, in one run. */
#include "lib/main.h"
#include "limits/limits.h"
#include "subjects/lattice.h"

/* Those that are compared stand together: the machine drifts. */
static const struct bench_subject *const subjects[] = {
	/* one thread */
	&limit_switch, &lattice_call, &lattice_tasks, &limit_memcpy,
	/* there and back, polling */
	&limit_line, &lattice_processes, &limit_line_thread, &lattice_threads, &lattice_threads_locked,
	&limit_slot, &limit_slot_thread, &lattice_threads_call, &lattice_processes_call, &limit_block,
	&lattice_processes_block, &lattice_threads_block, &lattice_processes_second, &lattice_processes_last,
	&lattice_processes_idle, &lattice_threads_second, &lattice_threads_last, &lattice_threads_idle,
	/* one way */
	&limit_ring48, &lattice_processes_rate48, &lattice_threads_rate48, &limit_ring64,
	&lattice_processes_rate64, &lattice_threads_rate64, &limit_ring64_index,
	/* asleep, on one core */
	&limit_futex_one, &lattice_processes_one, &lattice_processes_handoff, &lattice_threads_one,
	&limit_eventfd_one, &limit_pipe_one, &limit_seqpacket_one,
	/* asleep, placed freely */
	&limit_futex, &lattice_processes_free, &lattice_threads_free, &limit_eventfd, &limit_pipe,
	&limit_seqpacket,
	/* beside a process that streams */
	&limit_line_streamed, &lattice_processes_streamed, NULL
};

/* What other programs measure; they know how. */
#define ELSEWHERE(name_, what_, limit_, kind_)                                       \
	{                                                                            \
		.name = (name_), .what = (what_), .limit = (limit_), .kind = (kind_) \
	}

static const struct bench_subject zeromq[] = {
	ELSEWHERE("zeromq-inproc", "ZeroMQ inproc, 48 B, two threads", "line-thread", BENCH_TRIP),
	ELSEWHERE("zeromq-ipc", "ZeroMQ ipc, 48 B, two processes", "line", BENCH_TRIP),
	ELSEWHERE("zeromq-tcp", "ZeroMQ tcp, 48 B, two processes", "line", BENCH_TRIP),
	ELSEWHERE("zeromq-ipc-64", "ZeroMQ ipc, 64 B one way, two processes", "ring64", BENCH_RATE),
};

static const struct bench_subject nng[] = {
	ELSEWHERE("nng-inproc", "nng inproc, 48 B, two threads", "line-thread", BENCH_TRIP),
	ELSEWHERE("nng-ipc", "nng ipc, 48 B, two processes", "line", BENCH_TRIP),
	ELSEWHERE("nng-tcp", "nng tcp, 48 B, two processes", "line", BENCH_TRIP),
	ELSEWHERE("nng-ipc-64", "nng ipc, 64 B one way, two processes", "ring64", BENCH_RATE),
};

static const struct bench_peer peers[] = {
	{ "lattice-bench-zeromq", "not built: libzmq3-dev was not there", zeromq,
	  sizeof(zeromq) / sizeof(zeromq[0]) },
	{ "lattice-bench-nng", "not built: libnng-dev was not there", nng, sizeof(nng) / sizeof(nng[0]) },
	{ 0 },
};

static const struct bench_goal goals[] = {
	{ .name = "G1",
	  .what = "call and reply, two tasks of one thread, 48 B",
	  .than = "two bare switches",
	  .subject = "call",
	  .limits = { "switch" },
	  .goal = 2 },
	{ .name = "G2",
	  .what = "round trip, two processes polling, 48 B, single",
	  .than = "a line each way",
	  .subject = "process",
	  .limits = { "line" },
	  .goal = 1.15 },
	{ .name = "G3",
	  .what = "one way, two processes polling, 64 B, single",
	  .than = "own ring",
	  .subject = "process-64",
	  .limits = { "ring64" },
	  .goal = 0.8,
	  .at_least = true },
	{ .name = "G4",
	  .what = "round trip, two processes asleep, placed freely",
	  .than = "best of futex, eventfd, pipe",
	  .subject = "process-free",
	  .limits = { "futex", "eventfd", "pipe" },
	  .goal = 1.1 },
	{ .name = "G4h",
	  .what = "the same with hand-off",
	  .than = "best of them on one core",
	  .subject = "process-handoff",
	  .limits = { "futex-1", "eventfd-1", "pipe-1" },
	  .goal = 1.3 },
	{ .name = "G5",
	  .what = "1 MiB loaned and taken, two processes, round trip",
	  .than = "bare descriptors",
	  .subject = "process-block",
	  .limits = { "block" },
	  .goal = 1.5 },
	{ .name = "G10",
	  .what = "round trip by the 10,000th channel, two processes",
	  .than = "by the 2nd",
	  .subject = "process-10000th",
	  .limits = { "process-2nd" },
	  .goal = 1.2 },
	{ .name = "G10m",
	  .what = "memory of an idle channel, kernel's included",
	  .than = "8 KiB",
	  .subject = "process-idle",
	  .fixed = 8192,
	  .goal = 1 },
	{ .name = "G11",
	  .what = "p99.9 of G2 beside a process that streams",
	  .than = "p99.9 of a line each way beside it",
	  .subject = "process-streamed",
	  .limits = { "line-streamed" },
	  .goal = 2,
	  .of = BENCH_OF_P999 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct bench_plan plan = {
		.title = "Lattice on one machine, beside what the machine can do",
		.subjects = subjects,
		.peers = peers,
		.goals = goals,
	};

	return bench_main(&plan, argc, argv);
}
