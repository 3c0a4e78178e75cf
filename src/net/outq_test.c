#include "net/outq.h"

#include <errno.h>

#include "base/test.h"

/* What comes out is what went in, whatever the ring did in between. */
static void expect_front(const char *why, const struct lat_outq *q, uint8_t first)
{
	struct iovec pieces[2];
	size_t count = lat_outq_peek(q, pieces), total = 0;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *bytes = pieces[i].iov_base;

		for (size_t j = 0; j < pieces[i].iov_len; j++)
			CHECK_EQ_ROW(why, bytes[j], (uint8_t)(first + total + j));
		total += pieces[i].iov_len;
	}
	CHECK_EQ_ROW(why, total, q->used);
}

static const struct {
	const char *why;
	size_t put, max;
	int want;
	size_t drop;
} rows[] = {
	{ "first bytes", 100, 10000, 0, 0 },
	{ "up to the bound", 9900, 10000, 0, 0 },
	{ "one over it", 1, 10000, -EAGAIN, 0 },
	{ "nothing fits always", 0, 10000, 0, 9000 },
	{ "around the end of the ring", 8500, 10000, 0, 1200 },
	{ "and again", 700, 10000, 0, 8900 },
	{ "a lower bound than is held", 1, 10, -EAGAIN, 0 },
	{ "grows while it wraps", 15000, 20000, 0, 15100 },
	{ "empty, one over", 20001, 20000, -EAGAIN, 0 },
	{ "empty, exactly the bound", 20000, 20000, 0, 20000 },
};

TEST(rows)
{
	static uint8_t bytes[32768];
	struct lat_outq q = { 0 };
	uint8_t first = 0, next = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t half = rows[i].put / 2;
		struct iovec pieces[2] = { { bytes, half }, { bytes + half, rows[i].put - half } };

		for (size_t j = 0; j < rows[i].put; j++)
			bytes[j] = (uint8_t)(next + j);
		CHECK_EQ_ROW(rows[i].why, lat_outq_put(&q, pieces, 2, rows[i].max), rows[i].want);
		if (rows[i].want == 0)
			next = (uint8_t)(next + rows[i].put);
		expect_front(rows[i].why, &q, first);
		lat_outq_drop(&q, rows[i].drop);
		first = (uint8_t)(first + rows[i].drop);
		expect_front(rows[i].why, &q, first);
	}
	CHECK_EQ(q.used, 0);
	CHECK(q.buf == NULL); /* an idle connection costs nothing */
	lat_outq_fini(&q);
}

TEST_MAIN
