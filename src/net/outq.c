#include "net/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OUTQ_FIRST_BYTES = 4096 }; /* which an empty one keeps */

void lat_outq_fini(struct lat_outq *q)
{
	free(q->buf);
	*q = (struct lat_outq){ 0 };
}

size_t lat_outq_peek(const struct lat_outq *q, struct iovec out[static 2])
{
	size_t first = q->cap - q->head < q->used ? q->cap - q->head : q->used;

	if (q->used == 0)
		return 0;
	out[0] = (struct iovec){ .iov_base = q->buf + q->head, .iov_len = first };
	if (first == q->used)
		return 1;
	out[1] = (struct iovec){ .iov_base = q->buf, .iov_len = q->used - first };
	return 2;
}

static int grow(struct lat_outq *q, size_t need, size_t max)
{
	size_t cap = q->cap == 0 ? OUTQ_FIRST_BYTES : q->cap;
	struct iovec held[2];
	size_t count, at = 0;
	uint8_t *buf;

	while (cap < need)
		cap *= 2;
	if (cap > max)
		cap = max; /* need <= max */
	buf = malloc(cap);
	if (buf == NULL)
		return -ENOMEM;
	count = lat_outq_peek(q, held);
	for (size_t i = 0; i < count; i++) {
		memcpy(buf + at, held[i].iov_base, held[i].iov_len);
		at += held[i].iov_len;
	}
	free(q->buf);
	q->buf = buf;
	q->cap = cap;
	q->head = 0;
	return 0;
}

int lat_outq_put(struct lat_outq *q, const struct iovec *pieces, size_t count, size_t max)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	if (q->used > max || bytes > max - q->used)
		return -EAGAIN;
	if (bytes > q->cap - q->used) {
		int rc = grow(q, q->used + bytes, max);

		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < count; i++) {
		const uint8_t *from = pieces[i].iov_base;
		size_t left = pieces[i].iov_len;

		while (left > 0) {
			size_t tail = q->head + q->used < q->cap ? q->head + q->used
								 : q->head + q->used - q->cap;
			size_t run = tail < q->head ? q->head - tail : q->cap - tail;

			if (run > left)
				run = left;
			memcpy(q->buf + tail, from, run);
			from += run;
			left -= run;
			q->used += run;
		}
	}
	return 0;
}

void lat_outq_drop(struct lat_outq *q, size_t bytes)
{
	q->used -= bytes;
	if (q->used == 0 && q->cap > OUTQ_FIRST_BYTES) {
		lat_outq_fini(q);
		return;
	}
	q->head += bytes;
	if (q->head >= q->cap)
		q->head -= q->cap;
}
