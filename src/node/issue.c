/* Requests and answers, to notes and back. */
#include "node/issue.h"

#include <errno.h>
#include <string.h>

enum {
	AT_WANT = 0,
	AT_PARENT = AT_WANT + LAT_CAP_DESC,
	AT_CAVEATS = AT_PARENT + LAT_CAP_DESC,
	AT_END = AT_CAVEATS + LAT_CAP_CAVEATS_MAX * LAT_CAP_CAVEAT,
	AT_RIGHT = 0,
	WORD_TOLD = 33,
	WORD_PARENT = WORD_TOLD + 5,
};
static_assert((int)AT_END <= (int)LAT_NOTE_COUNTS * 8, "a note holds a request");
static_assert((int)WORD_PARENT < (int)LAT_NOTE_COUNTS && (int)LAT_CAP_DESC <= (int)WORD_TOLD * 8,
	      "and an answer");
static_assert((int)LAT_NOTE_TICKET == (int)LAT_CAP_KEY, "a key has a ticket's place");

void lat_issue_put_request(struct lat_note *n, const struct lat_issue_request *q)
{
	uint8_t *bytes = (uint8_t *)n->counts;

	*n = (struct lat_note){ .kind = LAT_NOTE_ISSUE, .flags = (uint32_t)q->what, .tier = q->badge };
	n->number = q->what == LAT_ISSUE_GRANT || q->what == LAT_ISSUE_DERIVE ? q->uses : q->number;
	lat_cap_desc_encode(bytes + AT_WANT, &q->want);
	if (q->what != LAT_ISSUE_DERIVE && q->what != LAT_ISSUE_REVOKE_SHOWN)
		return;
	n->chan = q->parent.caveat_count;
	memcpy(n->ticket, q->parent.key, sizeof(n->ticket));
	memcpy(bytes + AT_PARENT, q->parent.desc, sizeof(q->parent.desc));
	memcpy(bytes + AT_CAVEATS, q->parent.caveats, sizeof(q->parent.caveats));
}

int lat_issue_get_request(struct lat_issue_request *q, const struct lat_note *n)
{
	const uint8_t *bytes = (const uint8_t *)n->counts;

	*q = (struct lat_issue_request){ .what = (enum lat_note_issue)n->flags,
					 .badge = n->tier,
					 .uses = n->number,
					 .number = n->number };
	if (n->flags >= LAT_ISSUES || n->chan > LAT_CAP_CAVEATS_MAX ||
	    lat_cap_desc_decode(&q->want, bytes + AT_WANT) < 0)
		return -EINVAL;
	q->parent.caveat_count = (uint8_t)n->chan;
	memcpy(q->parent.key, n->ticket, sizeof(q->parent.key));
	memcpy(q->parent.desc, bytes + AT_PARENT, sizeof(q->parent.desc));
	memcpy(q->parent.caveats, bytes + AT_CAVEATS, sizeof(q->parent.caveats));
	return 0;
}

void lat_issue_put_answer(struct lat_note *n, const struct lat_issue_answer *a, int rc)
{
	static const uint8_t none[LAT_CAP_DESC];
	uint8_t *bytes = (uint8_t *)n->counts;

	*n = (struct lat_note){ .kind = LAT_NOTE_ISSUED, .rc = rc, .tier = a->entry.badge };
	n->number = a->revocation != 0 ? a->revocation : a->entry.uses;
	memcpy(n->ticket, a->right.key, sizeof(n->ticket));
	if (memcmp(a->right.desc, none, sizeof(none)) != 0)
		memcpy(bytes + AT_RIGHT, a->right.desc, sizeof(a->right.desc));
	else
		lat_cap_desc_encode(bytes + AT_RIGHT, &a->entry.desc);
	n->counts[WORD_TOLD] = a->told.ended;
	n->counts[WORD_TOLD + 1] = a->told.channels;
	n->counts[WORD_TOLD + 2] = a->told.told;
	n->counts[WORD_TOLD + 3] = a->told.nodes;
	n->counts[WORD_TOLD + 4] = a->told.ns;
	n->counts[WORD_PARENT] = (uint64_t)a->entry.parent.slot << 32 | a->entry.parent.gen;
}

int lat_issue_get_answer(struct lat_issue_answer *a, const struct lat_note *n)
{
	const uint8_t *bytes = (const uint8_t *)n->counts;

	*a = (struct lat_issue_answer){
		.revocation = n->number,
		.told = { .ended = (uint32_t)n->counts[WORD_TOLD],
			  .channels = (uint32_t)n->counts[WORD_TOLD + 1],
			  .told = (uint32_t)n->counts[WORD_TOLD + 2],
			  .nodes = (uint32_t)n->counts[WORD_TOLD + 3],
			  .ns = n->counts[WORD_TOLD + 4] },
		.entry = { .badge = n->tier,
			   .uses = n->number,
			   .parent = { (uint32_t)(n->counts[WORD_PARENT] >> 32),
				       (uint32_t)n->counts[WORD_PARENT] } },
	};
	memcpy(a->right.desc, bytes + AT_RIGHT, sizeof(a->right.desc));
	memcpy(a->right.key, n->ticket, sizeof(a->right.key));
	return lat_cap_desc_decode(&a->entry.desc, a->right.desc);
}
