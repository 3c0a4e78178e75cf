/* A look at the calls that wait, while they come and go. */
#include "fastpath/call_fast.h"
#include "fastpath/inbox_state.h"

size_t lat_calls_open(const struct lat_inbox *inbox, uintptr_t *out, size_t max)
{
	const struct lat_calls *c = atomic_load_explicit(&inbox->calls, memory_order_acquire);
	uint32_t made = c != NULL ? atomic_load_explicit(&c->made, memory_order_acquire) : 0;
	size_t count = 0;

	for (uint32_t i = 0; i < made && count < max; i++) {
		const struct lat_call_slot *s = &atomic_load_explicit(
			&c->chunks[i / LAT_CALL_CHUNK], memory_order_acquire)[i % LAT_CALL_CHUNK];

		if ((atomic_load_explicit(&s->state, memory_order_acquire) & LAT_CALL_PHASE) ==
		    LAT_CALL_ASKED)
			out[count++] = (uintptr_t)atomic_load_explicit(&s->ch, memory_order_relaxed);
	}
	return count;
}
