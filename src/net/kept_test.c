/* When a connection that was lost is opened again. */
#include "net/kept.h"

#include <errno.h>
#include <stdlib.h>

#include "base/test.h"
#include "wire/limits.h"

#define MS ((uint64_t)LAT_NS_PER_MS)

static const struct {
	const char *why;
	bool transient, unknown; /* unknown: no address is known */
	uint64_t good_ms;        /* since when the one was good that is lost at 1000 ms; 0: it was not */
	uint64_t wait_ms;        /* that was planned next */
	uint64_t want_ms;        /* when it is opened again; 0: never */
	uint64_t want_wait_ms;
} rows[] = {
	{ "it was good for long: at once", false, false, 1, 100, 1000, 100 },
	{ "it was good for as long as the first wait: at once", false, false, 900, 100, 1000, 100 },
	{ "it was good for a little less: what is left of the wait", false, false, 901, 100, 1001, 100 },
	{ "it ended as soon as it was good: the whole wait, and no more the next time", false, false, 1000,
	  100, 1100, 100 },
	{ "nothing was proved: the wait, and twice the next time", false, false, 0, 100, 1100, 200 },
	{ "the wait has an end", false, false, 0, 5000, 6000, 5000 },
	{ "a transient one waits", true, false, 1, 100, 1100, 200 },
	{ "nobody knows where to", false, true, 1, 100, 0, 100 },
};

TEST(reopening)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_io io = { .epoll = -1 };
		struct lat_tcp t = { .io = &io, .due = UINT64_MAX };
		struct lat_kept *k;

		CHECK_EQ(lat_timer_init(&io.timer), 0);
		CHECK_EQ(lat_kept_get_locked(&t, 7, &k), 0);
		k->to.proto = rows[i].unknown ? 0 : LAT_PROTO_TCP;
		k->to.transient = rows[i].transient;
		k->good_ns = rows[i].good_ms * MS;
		k->backoff_ns = rows[i].wait_ms * MS;
		lat_kept_lost_locked(&t, k, 1000 * MS, -ECONNRESET);
		CHECK_EQ_ROW(rows[i].why, k->reopen_at,
			     rows[i].want_ms == 0 ? UINT64_MAX : rows[i].want_ms * MS);
		CHECK_EQ_ROW(rows[i].why, k->backoff_ns, rows[i].want_wait_ms * MS);
		if (rows[i].want_ms != 0)
			CHECK_EQ_ROW(rows[i].why, k->good_ns,
				     0); /* or the next, which was not, would be too */
		HASH_CLEAR(hh, t.kept);
		free(k);
		lat_timer_fini(&io.timer);
	}
}

TEST_MAIN
