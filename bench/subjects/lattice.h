/* Lattice through its public calls. */
#ifndef BENCH_SUBJECTS_LATTICE_H
#define BENCH_SUBJECTS_LATTICE_H

#include <lattice/lattice.h>

#include "lib/subject.h"

extern const struct bench_subject lattice_tasks, lattice_call, lattice_call_by_right;
extern const struct bench_subject lattice_threads_call, lattice_threads_call_free;
extern const struct bench_subject lattice_processes_call, lattice_processes_call_free,
	lattice_processes_call_handoff;
extern const struct bench_subject lattice_threads, lattice_threads_rate48, lattice_threads_rate64;
extern const struct bench_subject lattice_threads_one, lattice_threads_free, lattice_threads_locked;
extern const struct bench_subject lattice_processes, lattice_processes_streamed;
extern const struct bench_subject lattice_processes_rate48, lattice_processes_rate64;
extern const struct bench_subject lattice_processes_one, lattice_processes_free, lattice_processes_handoff;
extern const struct bench_subject lattice_threads_block, lattice_processes_block;
extern const struct bench_subject lattice_threads_second, lattice_threads_last, lattice_threads_idle;
extern const struct bench_subject lattice_processes_second, lattice_processes_last, lattice_processes_idle;

/* Before there are processes: they will all meet at a place of this run's own. 0, or a negative errno. */
int lattice_meeting_place(void);

static inline int lattice_put(struct lattice_channel *channel, const void *bytes, size_t len)
{
	const struct lattice_msg msg = { .type = 1, .data = bytes, .len = len };

	return lattice_channel_send(channel, &msg, LATTICE_FOREVER);
}

/* As the endpoint waits. */
static inline int lattice_await(struct lattice_endpoint *inbox, void *bytes, size_t room)
{
	struct lattice_msg msg;

	return lattice_endpoint_recv(inbox, &msg, bytes, room, LATTICE_FOREVER);
}

#endif
