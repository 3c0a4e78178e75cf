/*
 * A capability in a holder's hand: input = what u8 || the text of a file (what even), or
 * count u8 || descriptor[64] || key[32] || caveats[24] each || at u16 || letter u8 (what odd).
 *
 * (1) Nothing outside the text is read. What is refused leaves the output alone.
 * (2) What is taken, written and read again is the same, with lines for people around it, too. A second one is refused.
 * (3) What is written is taken if, and only if, it allows something at all; with one letter changed it is not another one.
 * (4) Narrowing makes another key and allows no more; refused, it changes nothing.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "cap/right.h"
#include "crypto/aead.h"

static bool same(const struct lat_cap_right *a, const struct lat_cap_right *b)
{
	return a->caveat_count == b->caveat_count && memcmp(a->desc, b->desc, sizeof(a->desc)) == 0 &&
	       memcmp(a->key, b->key, sizeof(a->key)) == 0 &&
	       memcmp(a->caveats, b->caveats, (size_t)a->caveat_count * LAT_CAP_CAVEAT) == 0;
}

static int parse(struct lat_cap_right *out, const char *text, size_t bytes)
{
	int rc;

	memset(out, 0x5a, sizeof(*out));
	rc = lat_cap_right_parse(out, text, bytes);
	FUZZ_REQUIRE(rc == 0 || fuzz_all(out, 0x5a, sizeof(*out)));
	FUZZ_REQUIRE(rc == 0 || rc == -ENOENT || rc == -EEXIST || rc == -EBADMSG || rc == -EPROTO ||
		     rc == -EACCES);
	return rc;
}

static void check_narrow(const struct lat_cap_right *r)
{
	struct lat_cap_right next = *r;
	struct lat_cap_desc was, is;
	const struct lat_caveat c = lat_caveat_number(LAT_CAVEAT_RIGHTS, LAT_RIGHT_SEND);

	if (lat_cap_right_allows(r, &was) < 0)
		return;
	if (lat_cap_right_narrow(&next, &c) < 0) {
		FUZZ_REQUIRE(r->caveat_count == LAT_CAP_CAVEATS_MAX && same(r, &next));
		return;
	}
	FUZZ_REQUIRE(lat_cap_right_allows(&next, &is) == 0);
	FUZZ_REQUIRE(is.rights == (was.rights & LAT_RIGHT_SEND));
	FUZZ_REQUIRE(memcmp(next.key, r->key, sizeof(next.key)) != 0);
}

static void check_text(const char *text, size_t bytes)
{
	char line[LAT_CAP_TEXT_MAX], file[2 * LAT_CAP_TEXT_MAX + 32];
	struct lat_cap_right r, again;
	int n;

	if (parse(&r, text, bytes) < 0)
		return;
	FUZZ_REQUIRE(lat_cap_right_format(&r, line) == strlen(line));
	FUZZ_REQUIRE(parse(&again, line, strlen(line)) == 0 && same(&r, &again));
	n = snprintf(file, sizeof(file), "# for people\n\n \t%s\r\n# and so on", line);
	FUZZ_REQUIRE(parse(&again, file, (size_t)n) == 0 && same(&r, &again));
	n = snprintf(file, sizeof(file), "%s\n%s\n", line, line);
	FUZZ_REQUIRE(parse(&again, file, (size_t)n) == -EEXIST);
	check_narrow(&r);
}

static void check_bytes(struct fuzz_input *in)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=: \n#";
	struct lat_cap_right r = { 0 }, again;
	char line[LAT_CAP_TEXT_MAX], was, is;
	struct lat_cap_desc d;
	size_t length, at;
	int rc;

	r.caveat_count = (uint8_t)(fuzz_take(in, 1) % (LAT_CAP_CAVEATS_MAX + 1));
	(void)fuzz_take_bytes(in, r.desc, sizeof(r.desc));
	(void)fuzz_take_bytes(in, r.key, sizeof(r.key));
	(void)fuzz_take_bytes(in, r.caveats, (size_t)r.caveat_count * LAT_CAP_CAVEAT);
	rc = lat_cap_right_allows(&r, &d);
	length = lat_cap_right_format(&r, line);
	FUZZ_REQUIRE(length == strlen(line) && length < sizeof(line));
	FUZZ_REQUIRE(parse(&again, line, length) == rc);
	if (rc < 0)
		return;
	FUZZ_REQUIRE(same(&r, &again));
	check_narrow(&r);
	at = fuzz_take(in, 2) % length;
	is = letters[fuzz_take(in, 1) % (sizeof(letters) - 1)];
	was = line[at];
	line[at] = is;
	/* Space at either end is none of it. */
	if (is != was && parse(&again, line, length) == 0)
		FUZZ_REQUIRE(same(&r, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	char *text;

	FUZZ_REQUIRE(lat_crypto_init() == 0);
	if (fuzz_take(&in, 1) % 2 == 1) {
		check_bytes(&in);
		return 0;
	}
	text = malloc(size); /* so that what is read beyond its end is seen */
	if (text != NULL && size > 0) {
		size_t n = fuzz_take_bytes(&in, text, size);

		check_text(text, n);
	}
	free(text);
	return 0;
}
