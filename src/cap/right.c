/* A holder's right: narrowing it, and as text. */
#include "cap/right.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/hash.h"

enum {
	VERSION = 1,
	AT_COUNT = 1,
	AT_DESC = 2,
	AT_KEY = AT_DESC + LAT_CAP_DESC,
	AT_CAVEATS = AT_KEY + LAT_CAP_KEY
};
enum { CHECK = 4 };
static_assert(AT_CAVEATS + LAT_CAP_CAVEATS_MAX * LAT_CAP_CAVEAT + CHECK == LAT_CAP_BYTES_MAX, "all of it");
static_assert((int)LAT_CAP_BYTES_MAX <= (int)LAT_BASE64_BYTES_MAX, "base64 decodes that much");

static const char prefix[] = "lattice-cap:";
enum { PREFIX = sizeof(prefix) - 1 };

void lat_cap_right_issue(struct lat_cap_right *out, const uint8_t root[LAT_CAP_KEY],
			 const struct lat_cap_desc *desc)
{
	*out = (struct lat_cap_right){ .caveat_count = 0 };
	lat_cap_desc_encode(out->desc, desc);
	lat_cap_key_root(out->key, root, out->desc);
}

int lat_cap_right_allows(const struct lat_cap_right *r, struct lat_cap_desc *out)
{
	struct lat_caveat caveats[LAT_CAP_CAVEATS_MAX];
	struct lat_cap_desc d;
	int rc = lat_cap_desc_decode(&d, r->desc);

	for (size_t i = 0; rc == 0 && i < r->caveat_count; i++)
		rc = lat_caveat_decode(&caveats[i], r->caveats[i]);
	if (rc == 0)
		rc = lat_cap_narrow(&d, caveats, r->caveat_count);
	if (rc == 0)
		*out = d;
	return rc;
}

int lat_cap_right_narrow(struct lat_cap_right *r, const struct lat_caveat *c)
{
	struct lat_cap_right next = *r;
	struct lat_cap_desc d;
	int rc;

	if (r->caveat_count == LAT_CAP_CAVEATS_MAX)
		return -ENOBUFS;
	lat_caveat_encode(next.caveats[next.caveat_count], c);
	lat_cap_key_next(next.key, next.key, next.caveats[next.caveat_count]);
	next.caveat_count++;
	rc = lat_cap_right_allows(&next, &d);
	if (rc == 0)
		*r = next;
	lat_wipe(&next, sizeof(next));
	return rc;
}

/* ---- caveats ---- */

struct lat_caveat lat_caveat_number(enum lat_caveat_type type, uint64_t value)
{
	static const uint8_t sizes[] = { [LAT_CAVEAT_RIGHTS] = 2,
					 [LAT_CAVEAT_NOT_AFTER] = 8,
					 [LAT_CAVEAT_MAX_MSG] = 4,
					 [LAT_CAVEAT_RATE] = 4,
					 [LAT_CAVEAT_SRC_PID] = 4 };
	struct lat_caveat c = { .type = (uint8_t)type };
	uint8_t le[8];

	LAT_ASSERT((size_t)type < ARRAY_LEN(sizes) && sizes[type] != 0);
	lat_put_le64(le, value);
	c.size = sizes[type];
	memcpy(c.value, le, c.size);
	return c;
}

struct lat_caveat lat_caveat_holder(const uint8_t holder[LAT_CAP_HOLDER])
{
	struct lat_caveat c = { .type = LAT_CAVEAT_HOLDER, .size = LAT_CAP_HOLDER };

	memcpy(c.value, holder, LAT_CAP_HOLDER);
	return c;
}

struct lat_caveat lat_caveat_slot(uint32_t slot, uint32_t gen)
{
	struct lat_caveat c = { .type = LAT_CAVEAT_SLOT, .size = 8 };

	lat_put_le32(c.value, slot);
	lat_put_le32(c.value + 4, gen);
	return c;
}

/* ---- holders and names ---- */

static const char user[] = "lattice uid"; /* with its zero */
enum { USER = sizeof(user) };
static_assert(USER + 4 == LAT_CAP_HOLDER, "the number fills the rest");

void lat_cap_holder_uid(uint8_t holder[LAT_CAP_HOLDER], uint32_t uid)
{
	memcpy(holder, user, USER);
	lat_put_le32(holder + USER, uid);
}

bool lat_cap_holder_is_uid(const uint8_t holder[LAT_CAP_HOLDER], uint32_t *uid)
{
	if (memcmp(holder, user, USER) != 0)
		return false;
	*uid = lat_get_le32(holder + USER);
	return true;
}

static const struct {
	uint32_t right;
	const char *name;
} rights[] = {
	{ LAT_RIGHT_SEND, "send" },     { LAT_RIGHT_OPEN, "open" },
	{ LAT_RIGHT_GRANT, "grant" },   { LAT_RIGHT_BULK, "bulk" },
	{ LAT_RIGHT_CALL, "call" },     { LAT_RIGHT_GRANT_REPLY, "grant-reply" },
	{ LAT_RIGHT_LISTEN, "listen" }, { LAT_RIGHT_RECEIVE, "receive" },
};

const char *lat_right_name(uint32_t right)
{
	for (size_t i = 0; i < ARRAY_LEN(rights); i++)
		if (rights[i].right == right)
			return rights[i].name;
	return NULL;
}

uint32_t lat_right_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rights); i++)
		if (strcmp(rights[i].name, name) == 0)
			return rights[i].right;
	return 0;
}

/* ---- text ---- */

static void check_of(uint8_t out[CHECK], const uint8_t *bytes, size_t count)
{
	const struct lat_bytes part = { bytes, count };

	lat_blake2b(out, CHECK, NULL, 0, &part, 1);
}

size_t lat_cap_right_format(const struct lat_cap_right *r, char out[static LAT_CAP_TEXT_MAX])
{
	uint8_t bytes[LAT_CAP_BYTES_MAX];
	size_t caveats = (size_t)r->caveat_count * LAT_CAP_CAVEAT, count = AT_CAVEATS + caveats;

	LAT_ASSERT(r->caveat_count <= LAT_CAP_CAVEATS_MAX);
	bytes[0] = VERSION;
	bytes[AT_COUNT] = r->caveat_count;
	memcpy(bytes + AT_DESC, r->desc, LAT_CAP_DESC);
	memcpy(bytes + AT_KEY, r->key, LAT_CAP_KEY);
	memcpy(bytes + AT_CAVEATS, r->caveats, caveats);
	check_of(bytes + count, bytes, count);
	count += CHECK;
	memcpy(out, prefix, PREFIX);
	lat_base64_encode(out + PREFIX, bytes, count);
	lat_wipe(bytes, sizeof(bytes));
	return PREFIX + LAT_BASE64_LEN(count);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The line that is not for people. 0, -ENOENT, -EEXIST, -EBADMSG (it is something else). */
static int find_line(const char *text, size_t bytes, const char **line, size_t *length)
{
	const char *end = text + bytes;

	*line = NULL;
	for (const char *at = text; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at)), *next;

		if (stop == NULL)
			stop = end;
		next = stop < end ? stop + 1 : end;
		while (at < stop && is_space(*at))
			at++;
		while (at < stop && is_space(stop[-1]))
			stop--;
		if (at < stop && *at != '#') {
			if (*line != NULL)
				return (size_t)(stop - at) >= PREFIX && memcmp(at, prefix, PREFIX) == 0
					       ? -EEXIST
					       : -EBADMSG;
			*line = at;
			*length = (size_t)(stop - at);
		}
		at = next;
	}
	if (*line == NULL)
		return -ENOENT;
	return *length >= PREFIX && memcmp(*line, prefix, PREFIX) == 0 ? 0 : -EBADMSG;
}

/* What @bytes say, which are as many as their number of caveats wants. */
static int read_right(struct lat_cap_right *out, const uint8_t *bytes, size_t count)
{
	struct lat_cap_right r = { .caveat_count = bytes[AT_COUNT] };
	uint8_t check[CHECK];
	struct lat_cap_desc d;
	int rc;

	check_of(check, bytes, count - CHECK);
	if (memcmp(check, bytes + count - CHECK, CHECK) != 0)
		return -EBADMSG;
	if (bytes[0] != VERSION)
		return -EPROTO;
	if (r.caveat_count > LAT_CAP_CAVEATS_MAX ||
	    count != (size_t)AT_CAVEATS + (size_t)r.caveat_count * LAT_CAP_CAVEAT + CHECK)
		return -EBADMSG;
	memcpy(r.desc, bytes + AT_DESC, LAT_CAP_DESC);
	memcpy(r.key, bytes + AT_KEY, LAT_CAP_KEY);
	memcpy(r.caveats, bytes + AT_CAVEATS, (size_t)r.caveat_count * LAT_CAP_CAVEAT);
	rc = lat_cap_right_allows(&r, &d);
	if (rc == 0)
		*out = r;
	lat_wipe(&r, sizeof(r));
	return rc;
}

int lat_cap_right_parse(struct lat_cap_right *out, const char *text, size_t bytes)
{
	uint8_t decoded[LAT_CAP_BYTES_MAX];
	const char *line;
	size_t length, count;
	int rc = find_line(text, bytes, &line, &length);

	if (rc < 0)
		return rc;
	line += PREFIX;
	length -= PREFIX;
	count = length / 4 * 3;
	if (length >= 4 && line[length - 1] == '=')
		count -= line[length - 2] == '=' ? 2 : 1;
	if (length % 4 != 0 || count < AT_CAVEATS + CHECK || count > sizeof(decoded) ||
	    lat_base64_decode(decoded, count, line, length) < 0)
		return -EBADMSG;
	rc = read_right(out, decoded, count);
	lat_wipe(decoded, sizeof(decoded));
	return rc;
}
