/* One table says which fields each kind has. */
#include "node/note.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum field {
	TOKEN = 1 << 0,
	RC = 1 << 1,     /* 0 or an errno */
	FAILED = 1 << 2, /* an errno */
	SRC = 1 << 3,
	DST = 1 << 4,
	NODE = 1 << 5,
	CHAN = 1 << 6,
	TIER = 1 << 7,
	PROCESS = 1 << 8,
	MEMBER = 1 << 9, /* one, not 0; or, with RC, one if that is 0 */
	GRANT = 1 << 10, /* the same */
	NUMBER = 1 << 11,
	TICKET = 1 << 12,
	ANSWER = 1 << 13, /* without an error it brings what it names */
	ORIGIN = 1 << 14,
	FLAGS = 1 << 15,
	COUNTS = 1 << 16,
	NAME = 1 << 17,  /* or none */
	NAMED = 1 << 18, /* there is one */
	LIFE = 1 << 19,  /* or none; of REVOKED, one */
	RIGHT = 1 << 20, /* or none; of CARRY, one */
};

enum { ERRNO_MAX = 4095 };

static const struct kind {
	uint32_t fields;
	uint8_t from, fds_min, fds_max;
} kinds[LAT_NOTE_KINDS] = {
	[LAT_NOTE_HELLO] = { MEMBER | NODE, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_CLAIM] = { TOKEN | DST | TICKET | NAME, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_CLAIMED] = { TOKEN | RC | DST | TICKET | PROCESS | NAME, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_WELCOME] = { RC | NODE | PROCESS | ANSWER, LAT_NOTE_FROM_HOST, 1, 1 },
	[LAT_NOTE_UNCLAIM] = { DST, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_LOST] = { DST, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_OPEN] = { TOKEN | SRC | DST | NODE | RIGHT, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_OPENED] = { TOKEN | RC | MEMBER | GRANT | NUMBER | ANSWER | LIFE, LAT_NOTE_FROM_HOST, 0,
			      0 },
	[LAT_NOTE_GRANT] = { MEMBER | GRANT | SRC | DST | NODE | ORIGIN | NUMBER | LIFE, LAT_NOTE_FROM_HOST,
			     0, 0 },
	[LAT_NOTE_MEET] = { TOKEN | MEMBER, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_PEER] = { TOKEN | RC | MEMBER | PROCESS | NUMBER | ANSWER, LAT_NOTE_FROM_HOST, 2, 3 },
	[LAT_NOTE_LIST] = { TOKEN | NUMBER, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_LISTED] = { TOKEN | RC | NUMBER | PROCESS | NAME, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_PROBE] = { TOKEN | NODE | FLAGS | NUMBER | NAME, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_PROBED] = { TOKEN | RC | TIER | NUMBER | COUNTS, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_JOIN] = { 0, LAT_NOTE_FROM_PEER, 1, 1 },
	[LAT_NOTE_CHAN_OPEN] = { CHAN | GRANT | SRC | DST | NODE | ORIGIN | FLAGS | NUMBER | RIGHT,
				 LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_CHAN_ACCEPT] = { CHAN, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_CHAN_REFUSE] = { CHAN | FAILED, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_EXTENT] = { CHAN | TIER | NUMBER, LAT_NOTE_FROM_PEER, 0, 1 },
	[LAT_NOTE_CHAN_CLOSE] = { CHAN, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_CHAN_GONE] = { CHAN | RC | NUMBER, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_CHAN_ASK] = { CHAN | NUMBER, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_CHAN_FAR] = { CHAN | RC | NUMBER, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_HOSTED] = { 0, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_BYE] = { FAILED, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_ISSUE] = { TOKEN | CHAN | TIER | FLAGS | NUMBER | TICKET | COUNTS, LAT_NOTE_FROM_MEMBER, 0,
			     0 },
	[LAT_NOTE_ISSUED] = { TOKEN | RC | CHAN | TIER | NUMBER | TICKET | COUNTS, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_RESOLVE] = { TOKEN | NAMED, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_RESOLVED] = { TOKEN | RC | NUMBER, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_REPLIES] = { CHAN | NUMBER, LAT_NOTE_FROM_PEER, 1, 1 },
	[LAT_NOTE_RENEW] = { MEMBER | GRANT | SRC | DST | NODE | RIGHT, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_RENEWED] = { RC | MEMBER | GRANT | SRC | DST | LIFE, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_CARRY] = { CHAN | NUMBER | RIGHT, LAT_NOTE_FROM_PEER, 0, 0 },
	[LAT_NOTE_GRAPH] = { TOKEN, LAT_NOTE_FROM_MEMBER, 0, 0 },
	[LAT_NOTE_SHOW] = { TOKEN, LAT_NOTE_FROM_HOST, 0, 0 },
	[LAT_NOTE_SHOWN] = { TOKEN | RC | NUMBER | ANSWER, LAT_NOTE_FROM_MEMBER, 0, 1 },
	[LAT_NOTE_GRAPHED] = { TOKEN | RC | NUMBER | ANSWER, LAT_NOTE_FROM_HOST, 0, 1 },
	[LAT_NOTE_REVOKED] = { LIFE, LAT_NOTE_FROM_HOST, 0, 0 },
};

static bool zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* What is named may have that value; what is not is zero. */
static bool number(unsigned fields, unsigned field, bool is_zero)
{
	return (fields & field) != 0 || is_zero;
}

/* A name where there has to be one; its bytes are the same whoever wrote it. */
static bool name(unsigned fields, const char *text)
{
	size_t length = strnlen(text, LAT_NOTE_NAME);

	if (length == 0 || (fields & (NAME | NAMED)) == 0)
		return (fields & NAMED) == 0 && zero((const uint8_t *)text, LAT_NOTE_NAME);
	return length < LAT_NOTE_NAME && lat_name_valid(text, LAT_SERVICE_MAX) &&
	       zero((const uint8_t *)text + length, LAT_NOTE_NAME - length);
}

/* A pid is 1 or more where it is named. */
static bool pid(unsigned fields, unsigned field, int32_t value)
{
	return (fields & field) != 0 ? value >= 1 : value == 0;
}

/* An id is not 0 where it is named; but an answer that failed has none. */
static bool id(unsigned fields, unsigned field, bool failed, uint64_t value)
{
	if ((fields & field) == 0 || ((fields & ANSWER) != 0 && failed))
		return value == 0;
	return value != 0;
}

bool lat_note_has_right(const struct lat_note *n)
{
	return !zero(n->right.desc, sizeof(n->right.desc));
}

static bool life(unsigned fields, const struct lat_note *n)
{
	if ((fields & LIFE) == 0 || n->life.gen == 0)
		return n->life.slot == 0 && n->life.gen == 0 && n->badge == 0 && n->rate == 0 &&
		       n->rights == 0 && n->kind != LAT_NOTE_REVOKED;
	return n->life.slot < LAT_CAPTABLE_MAX;
}

static bool right(unsigned fields, const struct lat_note *n)
{
	if ((fields & RIGHT) == 0 || !lat_note_has_right(n))
		return n->kind != LAT_NOTE_CARRY && zero((const uint8_t *)&n->right, sizeof(n->right));
	return n->right.caveat_count <= LAT_CAP_CAVEATS_MAX;
}

static bool result(unsigned fields, int32_t rc)
{
	if (rc > 0 || rc < -ERRNO_MAX)
		return false;
	return rc == 0 ? (fields & FAILED) == 0 : (fields & (RC | FAILED)) != 0;
}

int lat_note_check(const struct lat_note *n, size_t bytes, size_t fds, enum lat_note_from from)
{
	const struct kind *k;
	bool failed, ok;
	unsigned f;

	if (bytes != sizeof(*n) || n->version != LAT_NOTE_VERSION || n->kind == 0 ||
	    n->kind >= LAT_NOTE_KINDS)
		return -EPROTO;
	k = &kinds[n->kind];
	f = k->fields;
	failed = n->rc != 0;
	if (k->from != from)
		return -EPROTO;
	if ((f & ANSWER) != 0 && failed ? fds != 0 : fds < k->fds_min || fds > k->fds_max)
		return -EPROTO;
	ok = result(f, n->rc) && pid(f, SRC, n->src) && pid(f, DST, n->dst) &&
	     id(f, MEMBER, failed, n->member) && id(f, GRANT, failed, n->grant) &&
	     number(f, TOKEN, n->token == 0) && number(f, NODE, n->node == 0) &&
	     number(f, CHAN, n->chan == 0) && number(f, TIER, n->tier == 0) &&
	     number(f, PROCESS, n->process == 0) && n->process >= 0 && number(f, NUMBER, n->number == 0) &&
	     number(f, TICKET, zero(n->ticket, sizeof(n->ticket))) && number(f, ORIGIN, n->origin == 0) &&
	     number(f, FLAGS, n->flags == 0) && name(f, n->name) &&
	     number(f, COUNTS, zero((const uint8_t *)n->counts, sizeof(n->counts))) && life(f, n) &&
	     right(f, n) && zero(n->spare_bytes, sizeof(n->spare_bytes));
	return ok ? 0 : -EPROTO;
}
