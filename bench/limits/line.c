/*
 * 48 bytes there and 48 back, both sides polling. A line each way: bytes and sequence travel together, and nothing else
 * moves. In the call slot the reply overwrites the request, in one line that both sides write.
 *   [P] seq store, release -> [C] its load, acquire : the bytes
 */
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/clock.h"
#include "limits/limits.h"

enum { BYTES = 48 };

struct line {
	alignas(64) _Atomic(uint32_t) seq;
	unsigned char data[BYTES];
};

struct lines {
	struct line there, back;
	alignas(64) uint32_t near, far; /* the last numbers of each side, kept between slices */
};

static void put(struct line *line, const unsigned char *bytes, uint32_t seq)
{
	memcpy(line->data, bytes, BYTES);
	atomic_store_explicit(&line->seq, seq, memory_order_release); /* [P] */
}

static void get(struct line *line, unsigned char *bytes, uint32_t seq)
{
	while (atomic_load_explicit(&line->seq, memory_order_acquire) != seq) /* [C] */
		bench_pause();
	memcpy(bytes, line->data, BYTES);
}

static int line_near(struct bench_side *side, uint64_t n)
{
	struct lines *l = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	uint32_t turn = l->near;

	for (; n > 0; n--) {
		put(&l->there, bytes, ++turn);
		get(&l->back, bytes, turn);
	}
	l->near = turn;
	return 0;
}

static int line_far(struct bench_side *side, uint64_t n)
{
	struct lines *l = side->shared;
	unsigned char bytes[BYTES];
	uint32_t turn = l->far;

	for (; n > 0; n--) {
		get(&l->there, bytes, ++turn);
		put(&l->back, bytes, turn);
	}
	l->far = turn;
	return 0;
}

static int slot_near(struct bench_side *side, uint64_t n)
{
	struct lines *l = side->shared;
	unsigned char bytes[BYTES] = { 1 };
	uint32_t turn = l->near;

	for (; n > 0; n--) {
		put(&l->there, bytes, ++turn);
		get(&l->there, bytes, ++turn);
	}
	l->near = turn;
	return 0;
}

static int slot_far(struct bench_side *side, uint64_t n)
{
	struct lines *l = side->shared;
	unsigned char bytes[BYTES];
	uint32_t turn = l->far;

	for (; n > 0; n--) {
		get(&l->there, bytes, ++turn);
		put(&l->there, bytes, ++turn);
	}
	l->far = turn;
	return 0;
}

#define LINE(name_, what_, with_, near_, far_, ...)                                                          \
	{                                                                                                    \
		.name = (name_), .what = (what_), .kind = BENCH_TRIP, .with = (with_), .place = BENCH_APART, \
		.group = 32, .shared_bytes = sizeof(struct lines), .near = (near_), .far = (far_),           \
		__VA_ARGS__                                                                                  \
	}

const struct bench_subject limit_line_thread = LINE("line-thread", "48 B, a line each way, two threads",
						    BENCH_THREAD, line_near, line_far, .limit = "line");
const struct bench_subject limit_line = LINE("line", "48 B, a line each way, two processes", BENCH_PROCESS,
					     line_near, line_far);
const struct bench_subject limit_line_streamed = LINE("line-streamed",
						      "the same beside a process that streams", BENCH_PROCESS,
						      line_near, line_far, .limit = "line", .streamed = true);
const struct bench_subject limit_slot_thread = LINE("slot-thread",
						    "48 B, one line for both ways, two threads", BENCH_THREAD,
						    slot_near, slot_far, .limit = "line");
const struct bench_subject limit_slot = LINE("slot", "48 B, one line for both ways, two processes",
					     BENCH_PROCESS, slot_near, slot_far, .limit = "line");
