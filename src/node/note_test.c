/* What is a note and what is none. */
#include "node/note.h"

#include <errno.h>

#include "base/test.h"

static const struct lat_note open_note = {
	.version = LAT_NOTE_VERSION, .kind = LAT_NOTE_OPEN, .token = 1, .src = 1, .dst = 2
};

TEST(length_version_kind_sender_and_descriptors)
{
	struct {
		const char *why;
		struct lat_note n;
		size_t bytes, fds;
		enum lat_note_from from;
		int want;
	} rows[] = {
		{ "a good one", open_note, sizeof(struct lat_note), 0, LAT_NOTE_FROM_MEMBER, 0 },
		{ "short", open_note, sizeof(struct lat_note) - 1, 0, LAT_NOTE_FROM_MEMBER, -EPROTO },
		{ "empty", open_note, 0, 0, LAT_NOTE_FROM_MEMBER, -EPROTO },
		{ "not for a host to say", open_note, sizeof(struct lat_note), 0, LAT_NOTE_FROM_HOST,
		  -EPROTO },
		{ "not for a peer to say", open_note, sizeof(struct lat_note), 0, LAT_NOTE_FROM_PEER,
		  -EPROTO },
		{ "with a descriptor", open_note, sizeof(struct lat_note), 1, LAT_NOTE_FROM_MEMBER, -EPROTO },
		{ "a peer",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_PEER, .member = 3 },
		  sizeof(struct lat_note),
		  2,
		  LAT_NOTE_FROM_HOST,
		  0 },
		{ "a peer with its process",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_PEER, .member = 3, .process = 9 },
		  sizeof(struct lat_note),
		  3,
		  LAT_NOTE_FROM_HOST,
		  0 },
		{ "a peer without sockets",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_PEER, .member = 3 },
		  sizeof(struct lat_note),
		  1,
		  LAT_NOTE_FROM_HOST,
		  -EPROTO },
		{ "no peer, and why",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_PEER, .token = 4, .rc = -ECONNREFUSED },
		  sizeof(struct lat_note),
		  0,
		  LAT_NOTE_FROM_HOST,
		  0 },
		{ "no peer, and sockets all the same",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_PEER, .token = 4, .rc = -ECONNREFUSED },
		  sizeof(struct lat_note),
		  2,
		  LAT_NOTE_FROM_HOST,
		  -EPROTO },
		{ "a segment",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_JOIN },
		  sizeof(struct lat_note),
		  1,
		  LAT_NOTE_FROM_PEER,
		  0 },
		{ "no segment",
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_JOIN },
		  sizeof(struct lat_note),
		  0,
		  LAT_NOTE_FROM_PEER,
		  -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why,
			     lat_note_check(&rows[i].n, rows[i].bytes, rows[i].fds, rows[i].from),
			     rows[i].want);
}

TEST(fields)
{
	static const struct {
		const char *why;
		enum lat_note_from from;
		int want;
		struct lat_note n;
	} rows[] = {
		{ "another version",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION + 1, .kind = LAT_NOTE_OPEN, .src = 1, .dst = 1 } },
		{ "no kind", LAT_NOTE_FROM_MEMBER, -EPROTO, { .version = LAT_NOTE_VERSION } },
		{ "past the last kind",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_KINDS } },
		{ "no source",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_OPEN, .dst = 1 } },
		{ "a negative pid",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_OPEN, .src = -1, .dst = 1 } },
		{ "pid 0",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_CLAIM, .dst = 0 } },
		{ "a number that is none",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_HELLO } },
		{ "a field that is not its own",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_HELLO, .member = 1, .chan = 1 } },
		{ "a ticket that is not its own",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION,
		    .kind = LAT_NOTE_HELLO,
		    .member = 1,
		    .ticket = { [31] = 1 } } },
		{ "what is spare",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_HELLO, .member = 1, .spare = 1 } },
		{ "a result above 0",
		  LAT_NOTE_FROM_HOST,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_WELCOME, .rc = 1 } },
		{ "a result that is no errno",
		  LAT_NOTE_FROM_HOST,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_WELCOME, .rc = -4096 } },
		{ "refused",
		  LAT_NOTE_FROM_HOST,
		  0,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_WELCOME, .rc = -13, .process = 1 } },
		{ "a result of one that has none",
		  LAT_NOTE_FROM_HOST,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_LOST, .dst = 1, .rc = -1 } },
		{ "granted to nobody",
		  LAT_NOTE_FROM_HOST,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_OPENED, .token = 1, .grant = 1 } },
		{ "granted and refused",
		  LAT_NOTE_FROM_HOST,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION,
		    .kind = LAT_NOTE_OPENED,
		    .token = 1,
		    .rc = -1,
		    .member = 1,
		    .grant = 1 } },
		{ "refused to nobody",
		  LAT_NOTE_FROM_PEER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_CHAN_REFUSE } },
		{ "a channel without a grant",
		  LAT_NOTE_FROM_PEER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_CHAN_OPEN, .src = 1, .dst = 1 } },
		{ "a channel with one",
		  LAT_NOTE_FROM_PEER,
		  0,
		  { .version = LAT_NOTE_VERSION,
		    .kind = LAT_NOTE_CHAN_OPEN,
		    .src = 1,
		    .dst = 1,
		    .grant = 7,
		    .chan = 3 } },
		{ "a channel from another node, by a member's word",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_OPEN, .src = 1, .dst = 1, .origin = 2 } },
		{ "a count that is not its own",
		  LAT_NOTE_FROM_MEMBER,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION,
		    .kind = LAT_NOTE_HELLO,
		    .member = 1,
		    .counts = { [LAT_NOTE_COUNTS - 1] = 1 } } },
		{ "a process below 0",
		  LAT_NOTE_FROM_HOST,
		  -EPROTO,
		  { .version = LAT_NOTE_VERSION, .kind = LAT_NOTE_WELCOME, .process = -1 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_note_check(&rows[i].n, sizeof(rows[i].n), 0, rows[i].from),
			     rows[i].want);
}

TEST_MAIN
