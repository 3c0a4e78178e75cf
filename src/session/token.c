#include "session/token.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/control.h"

static const uint8_t no_digest[LAT_HASH];

static uint8_t low_cflags(const struct lat_token_key *k)
{
	return (uint8_t)(k->cflags & 0xff);
}

void lat_token_of_msg(uint8_t out[LAT_WIRE_TOKEN], const struct lat_token_key *k, uint64_t seq,
		      const uint8_t *body, uint32_t bytes)
{
	uint8_t digest[LAT_HASH];
	const uint8_t *d = no_digest;

	if ((k->cflags & LAT_CFLAG_TOKEN_FULL) != 0) {
		lat_blake2b(digest, LAT_HASH, NULL, 0, &(struct lat_bytes){ body, bytes }, 1);
		d = digest;
	}
	lat_token_msg(out, k->tk, low_cflags(k), k->rights, seq, bytes, d);
}

void lat_token_of_run(uint8_t out[LAT_WIRE_TOKEN], const struct lat_token_key *k, uint64_t first_seq,
		      const struct lat_bytes *bodies, uint16_t count)
{
	uint8_t digest[LAT_HASH];
	const uint8_t *d = no_digest;
	size_t total = 0;

	for (uint16_t i = 0; i < count; i++)
		total += bodies[i].bytes;
	if ((k->cflags & LAT_CFLAG_TOKEN_FULL) != 0) {
		lat_blake2b(digest, LAT_HASH, NULL, 0, bodies, count);
		d = digest;
	}
	lat_token_run(out, k->tk, low_cflags(k), k->rights, first_seq, count, (uint32_t)total, d);
}

int lat_token_check_msg(const struct lat_token_key *k, uint64_t seq, const uint8_t *body, uint32_t bytes,
			const uint8_t token[LAT_WIRE_TOKEN])
{
	uint8_t want[LAT_WIRE_TOKEN];
	bool same;

	lat_token_of_msg(want, k, seq, body, bytes);
	same = lat_equal_ct(want, token, LAT_WIRE_TOKEN);
	lat_wipe(want, sizeof(want)); /* the right token of a refused message is nobody's business */
	return same ? 0 : -EPERM;
}

int lat_token_check_run(const struct lat_token_key *k, const struct lat_frame_msgs *run)
{
	struct lat_bytes *bodies = NULL;
	uint8_t want[LAT_WIRE_TOKEN];
	const uint8_t *body;
	size_t pos = 0;
	uint16_t bytes;
	bool same;

	if ((k->cflags & LAT_CFLAG_TOKEN_FULL) == 0) {
		lat_token_run(want, k->tk, low_cflags(k), k->rights, run->first_seq, run->count, run->total,
			      no_digest);
	} else {
		bodies = calloc(run->count, sizeof(*bodies));
		if (bodies == NULL)
			return -ENOMEM;
		for (uint16_t i = 0; i < run->count && lat_frame_msgs_next(run, &pos, &body, &bytes) == 1;
		     i++)
			bodies[i] = (struct lat_bytes){ body, bytes };
		lat_token_of_run(want, k, run->first_seq, bodies, run->count);
	}
	same = lat_equal_ct(want, run->token, LAT_WIRE_TOKEN);
	lat_wipe(want, sizeof(want));
	free(bodies);
	return same ? 0 : -EPERM;
}
