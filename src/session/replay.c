/*
 * One bit per counter in a ring of words. The word of the highest counter and the 127 before it are live; a
 * step into a new word clears the words stepped over, so a window of whole words short of one,
 * LAT_WINDOW_USABLE, is always right.
 */
#include "session/replay.h"

#include <errno.h>
#include <string.h>

static_assert(LAT_WINDOW_USABLE == LAT_WINDOW_RING_BITS - 64, "one word is always being recycled");

void lat_replay_init(struct lat_replay *w)
{
	memset(w, 0, sizeof(*w));
}

static uint64_t bit_of(uint64_t counter)
{
	return UINT64_C(1) << (counter % 64);
}

int lat_replay_check(const struct lat_replay *w, uint64_t counter)
{
	if (counter >= LAT_REJECT_AFTER_PACKETS)
		return -EOVERFLOW;
	if (counter >= w->next)
		return 0;
	if (w->next - 1 - counter >= LAT_WINDOW_USABLE)
		return -ESTALE;
	return (w->ring[counter / 64 % LAT_REPLAY_WORDS] & bit_of(counter)) != 0 ? -EALREADY : 0;
}

void lat_replay_mark(struct lat_replay *w, uint64_t counter)
{
	if (counter >= w->next) {
		uint64_t from = w->next == 0 ? 0 : (w->next - 1) / 64 + 1, to = counter / 64;

		/* Words stepped into still hold bits of one ring ago. from <= to + 1. */
		if (to + 1 - from > LAT_REPLAY_WORDS)
			from = to + 1 - LAT_REPLAY_WORDS;
		for (uint64_t i = from; i <= to; i++)
			w->ring[i % LAT_REPLAY_WORDS] = 0;
		w->next = counter + 1;
	}
	w->ring[counter / 64 % LAT_REPLAY_WORDS] |= bit_of(counter);
}
