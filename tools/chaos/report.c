/* What happened, for people and for programs. */
#include <inttypes.h>

#include "chaos.h"

#define COUNT(field_, name_, text_)                                     \
	{                                                               \
		offsetof(struct chaos_counts, field_), (name_), (text_) \
	}

static const struct {
	size_t offset;
	const char *name, *text;
} fields[] = {
	COUNT(packets, "packets", "came"),
	COUNT(bytes, "bytes", "bytes that came"),
	COUNT(delivered, "delivered", "went on"),
	COUNT(delivered_bytes, "delivered_bytes", "bytes that went on"),
	COUNT(lost, "lost", "lost alone"),
	COUNT(burst, "burst", "lost in bursts"),
	COUNT(black, "black", "lost in blackouts"),
	COUNT(full, "full", "found the queue full"),
	COUNT(long_, "too_long", "were too long"),
	COUNT(doubled, "doubled", "were doubled"),
	COUNT(late, "late", "were held back"),
	COUNT(corrupted, "corrupted", "had a bit turned"),
	COUNT(truncated, "truncated", "were cut off"),
	COUNT(refused, "refused", "the kernel did not send"),
};

static uint64_t value(const struct chaos *c, int way, size_t field)
{
	return *(const uint64_t *)((const char *)&c->counts[way] + fields[field].offset);
}

void chaos_report(const struct chaos *c, FILE *out)
{
	double seconds = c->began == 0 ? 0 : (double)(c->now - c->began) / 1e9;

	if (c->o.json) {
		fprintf(out,
			"{\"mode\": \"%s\", \"seed\": %" PRIu64 ", \"seconds\": %.3f, \"clients\": %" PRIu64
			", \"strikes\": %" PRIu64 ", \"weather\": %" PRIu64,
			c->relay->name, c->o.seed, seconds, c->clients, c->strikes, c->changes);
		for (int way = 0; way < CHAOS_WAYS; way++) {
			fprintf(out, ", \"%s\": {", way == 0 ? "up" : "down");
			for (size_t i = 0; i < ARRAY_LEN(fields); i++)
				fprintf(out, "%s\"%s\": %" PRIu64, i == 0 ? "" : ", ", fields[i].name,
					value(c, way, i));
			fputc('}', out);
		}
		fputs("}\n", out);
		return;
	}
	fprintf(out,
		"seed %" PRIu64 ", %.1f s, %" PRIu64 " clients, %" PRIu64
		" times rebound or cut, weather changed %" PRIu64 " times\n%-28s%14s%14s\n",
		c->o.seed, seconds, c->clients, c->strikes, c->changes, "", "up", "down");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (value(c, 0, i) + value(c, 1, i) > 0)
			fprintf(out, "%-28s%14" PRIu64 "%14" PRIu64 "\n", fields[i].text, value(c, 0, i),
				value(c, 1, i));
}
