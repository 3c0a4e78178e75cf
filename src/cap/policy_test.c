/* What a policy allows to whom, and the sentence for each mistake. */
#include "cap/policy.h"

#include <errno.h>
#include <stdio.h>

#include "base/test.h"
#include "base/why.h"

enum {
	ALICE = 1001,
	BOB = 1002,
	OPS = 50,
	EDGE = 8,
	SEND = LAT_RIGHT_OPEN | LAT_RIGHT_SEND,
	CALL = SEND | LAT_RIGHT_CALL | LAT_RIGHT_GRANT_REPLY,
	LISTEN = LAT_RIGHT_LISTEN | LAT_RIGHT_RECEIVE,
};

static int find(const char *name, const char *known, uint32_t id, uint32_t *out)
{
	if (strcmp(name, known) != 0)
		return -ENOENT;
	*out = id;
	return 0;
}

static int user(void *ctx, const char *name, uint32_t *uid)
{
	(void)ctx;
	return find(name, "alice", ALICE, uid) < 0 ? find(name, "bob", BOB, uid) : 0;
}

static int group(void *ctx, const char *name, uint32_t *gid)
{
	(void)ctx;
	return find(name, "ops", OPS, gid);
}

static int peer(void *ctx, const char *name, uint32_t *node)
{
	(void)ctx;
	return find(name, "edge-8", EDGE, node);
}

static const struct lat_policy_lookup lookup = { .user = user, .group = group, .peer = peer };

static int parse(struct lat_policy **out, const char *text)
{
	return lat_policy_parse(out, "the policy", text, strlen(text), &lookup);
}

#define HUNDRED \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

TEST(every_mistake_is_told_with_its_line_and_the_way_out)
{
	static const struct {
		const char *why, *text, *want;
	} rows[] = {
		{ "no section yet", "allow = uid 1: send\n",
		  "line 1: this belongs below a '[node]', '[service NAME]' or '[peer NAME]'" },
		{ "an unknown section", "# text\n\n[machine]\n",
		  "line 3: there is no section [machine], but [node], [service NAME] and [peer NAME]" },
		{ "a section without its name", "[service]\n",
		  "line 1: there is no section [service], but [node], [service NAME] and [peer NAME]" },
		{ "an empty section", "[]\n",
		  "line 1: there is no section [], but [node], [service NAME] and [peer NAME]" },
		{ "no bracket", "[node\n", "line 1: '[node' has no ']' at its end" },
		{ "something behind the bracket", "[node] x\n", "line 1: '[node] x' has no ']' at its end" },
		{ "just a bracket", "[", "line 1: '[' has no ']' at its end" },
		{ "the node twice", "[node]\n[node]\n", "line 2: [node] begins in line 1 already" },
		{ "a service twice", "[service a]\n[service b]\n[service a]\n",
		  "line 3: [service a] begins in line 1 already: one section for each" },
		{ "a peer twice, by name and number", "[peer edge-8]\n\n[peer 8]\n",
		  "line 3: the [peer] of node 8 begins in line 1 already: one section for each" },
		{ "a peer that there is not", "[peer edge-9]\n",
		  "line 1: no peer is called 'edge-9': 'lattice peers list' shows those that there are, "
		  "'lattice peers add' makes one known first" },
		{ "a service with a space in its name", "[service a b]\n",
		  "line 1: 'a b' cannot be the name of a service: up to 64 letters, digits, '-', '_' and '.', not only "
		  "digits" },
		{ "a service that looks like a pid", "[service 7]\n",
		  "line 1: '7' cannot be the name of a service: up to 64 letters, digits, '-', '_' and '.', not only "
		  "digits" },
		{ "neither", "[node]\nsend\n", "line 2: neither '[section]' nor 'name = value'" },
		{ "a word that there is not", "[node]\ndeny = uid 1: send\n",
		  "line 2: 'deny' does not belong here: [node] takes 'allow', 'attach', 'reach', 'audit' and 'audit_format'" },
		{ "a word of another section", "[node]\npid = 7\n",
		  "line 2: 'pid' does not belong here: [node] takes 'allow', 'attach', 'reach', 'audit' and 'audit_format'" },
		{ "the same, of a service", "[service a]\nreach = anyone\n",
		  "line 2: 'reach' does not belong here: a [service] takes 'pid' and 'allow'" },
		{ "the same, of a peer", "[peer 8]\nattach = anyone\n",
		  "line 2: 'attach' does not belong here: a [peer] takes 'allow' and 'reach'" },
		{ "capitals", "[node]\nAllow = uid 1: send\n",
		  "line 2: 'Allow' does not belong here: [node] takes 'allow', 'attach', 'reach', 'audit' and 'audit_format'" },
		{ "an audit file that is none", "[node]\naudit = here\n",
		  "line 2: 'audit = here': a path that begins with '/', 'stderr' or 'none' belongs there" },
		{ "two audit files", "[node]\naudit = /a\naudit = stderr\n",
		  "line 3: 'audit' is said in line 2 already" },
		{ "a format that there is not", "[node]\naudit_format = xml\n",
		  "line 2: 'audit_format = xml': 'text' or 'json' belongs there" },
		{ "two formats", "[node]\naudit_format = json\naudit_format = json\n",
		  "line 3: 'audit_format' is said in line 2 already" },
		{ "an audit file of a service", "[service a]\naudit = /a\n",
		  "line 2: 'audit' does not belong here: a [service] takes 'pid' and 'allow'" },
		{ "no colon", "[service a]\nallow = user alice send\n",
		  "line 2: 'allow = user NAME: send' is the form of it" },
		{ "no colon, of a peer", "[peer 8]\nallow = a send\n",
		  "line 2: 'allow = SERVICE: send' is the form of it" },
		{ "nothing at all", "[node]\nallow =\n",
		  "line 2: 'allow = user NAME: send' is the form of it" },
		{ "nobody", "[node]\nallow = : send\n",
		  "line 2: '' is nobody: 'user NAME', 'uid N', 'group NAME', 'gid N', 'anyone', 'peer NAME' or 'peers', "
		  "with commas between" },
		{ "a name without its kind", "[node]\nallow = alice: send\n",
		  "line 2: 'alice' is nobody: 'user NAME', 'uid N', 'group NAME', 'gid N', 'anyone', 'peer NAME' or "
		  "'peers', with commas between" },
		{ "a comma too many", "[node]\nallow = user alice,: send\n",
		  "line 2: '' is nobody: 'user NAME', 'uid N', 'group NAME', 'gid N', 'anyone', 'peer NAME' or 'peers', "
		  "with commas between" },
		{ "a user that there is not", "[node]\nallow = user eve: send\n",
		  "line 2: there is no user 'eve' on this machine: 'uid N' takes a number" },
		{ "a group that there is not", "[node]\nallow = group eve: send\n",
		  "line 2: there is no group 'eve' on this machine: 'gid N' takes a number" },
		{ "a uid that is none", "[node]\nallow = uid -1: send\n",
		  "line 2: 'uid -1': a number from 0 to 4294967294 belongs there" },
		{ "the uid of nobody at all", "[node]\nallow = uid 4294967295: send\n",
		  "line 2: 'uid 4294967295': a number from 0 to 4294967294 belongs there" },
		{ "a gid that is none", "[node]\nallow = gid x: send\n",
		  "line 2: 'gid x': a number from 0 to 4294967294 belongs there" },
		{ "a number that is too long", "[node]\nallow = uid 00000000001: send\n",
		  "line 2: 'uid 00000000001': a number from 0 to 4294967294 belongs there" },
		{ "a peer attaches", "[node]\nattach = peer 8\n",
		  "line 2: 'peer 8' is no process of this machine" },
		{ "peers reach", "[node]\nreach = user alice, peers\n",
		  "line 2: 'peers' is no process of this machine" },
		{ "a peer listens", "[service a]\nallow = peer 8: listen\n",
		  "line 2: a peer cannot listen here: give 'listen' to a user or a group" },
		{ "all peers listen", "[node]\nallow = user alice, peers: listen, send\n",
		  "line 2: a peer cannot listen here: give 'listen' to a user or a group" },
		{ "a peer listens, in its section", "[peer 8]\nallow = a: listen\n",
		  "line 2: a peer cannot listen here: give 'listen' to a user or a group" },
		{ "no right", "[node]\nallow = user alice:\n",
		  "line 2: '' is no right: send, call, bulk, grant, listen, and rate N/s, size N, badge N, with commas "
		  "between" },
		{ "a right that there is not", "[node]\nallow = user alice: send, write\n",
		  "line 2: 'write' is no right: send, call, bulk, grant, listen, and rate N/s, size N, badge N, with "
		  "commas between" },
		{ "no comma", "[node]\nallow = user alice: send call\n",
		  "line 2: 'send call' is no right: send, call, bulk, grant, listen, and rate N/s, size N, badge N, "
		  "with commas between" },
		{ "a right that is none alone", "[node]\nallow = user alice: bulk, grant\n",
		  "line 2: this line allows nothing by itself: add 'send', 'call' or 'listen'" },
		{ "only a limit", "[node]\nallow = user alice: rate 1/s\n",
		  "line 2: this line allows nothing by itself: add 'send', 'call' or 'listen'" },
		{ "a limit for who listens", "[node]\nallow = user alice: listen, rate 1/s\n",
		  "line 2: 'rate', 'size' and 'badge' are of those who send: add 'send' or 'call'" },
		{ "a rate without its unit", "[node]\nallow = user alice: send, rate 100\n",
		  "line 2: 'rate 100': messages a second, as 100/s" },
		{ "a rate of nothing", "[node]\nallow = user alice: send, rate 0/s\n",
		  "line 2: 'rate 0/s': messages a second, as 100/s" },
		{ "a rate over all", "[node]\nallow = user alice: send, rate 4294967296/s\n",
		  "line 2: 'rate 4294967296/s': messages a second, as 100/s" },
		{ "two rates", "[node]\nallow = user alice: send, rate 1/s, rate 2/s\n",
		  "line 2: 'rate' is said twice in one line" },
		{ "two sizes", "[node]\nallow = user alice: send, size 1, size 1\n",
		  "line 2: 'size' is said twice in one line" },
		{ "two badges", "[node]\nallow = user alice: send, badge 1, badge 2\n",
		  "line 2: 'badge' is said twice in one line" },
		{ "a size that is none", "[node]\nallow = user alice: send, size 1G\n",
		  "line 2: 'size 1G': bytes, as 4096, 64K or 1M" },
		{ "a size of nothing", "[node]\nallow = user alice: send, size 0K\n",
		  "line 2: 'size 0K': bytes, as 4096, 64K or 1M" },
		{ "a size that does not fit", "[node]\nallow = user alice: send, bulk, size 4096M\n",
		  "line 2: 'size 4096M': bytes, as 4096, 64K or 1M" },
		{ "a size for bulk", "[node]\nallow = user alice: send, size 65537\n",
		  "line 2: messages over 64K want the right 'bulk', too" },
		{ "a badge of none", "[node]\nallow = user alice: send, badge 0\n",
		  "line 2: 'badge 0': a number from 1 to 4294967295 belongs there" },
		{ "a pid of none", "[service a]\npid = 0\n",
		  "line 2: 'pid = 0': a number from 1 to 2147483647 belongs there" },
		{ "a pid over all", "[service a]\npid = 2147483648\n",
		  "line 2: 'pid = 2147483648': a number from 1 to 2147483647 belongs there" },
		{ "a pid twice", "[service a]\npid = 1\npid = 2\n",
		  "line 3: this service has its pid in line 2 already" },
		{ "a pid of two", "[service a]\npid = 1\n[service b]\npid = 1\n",
		  "line 4: pid 1 is that of [service a]: one service has one pid" },
		{ "a service without a section", "[peer 8]\nallow = a: send\nallow = b: send\n[service a]\n",
		  "line 3: there is no [service b] in this file: add one, if only the line" },
		{ "an object that is none", "[peer 8]\nallow = a b: send\n",
		  "line 2: 'a b' cannot be the name of a service: up to 64 letters, digits, '-', '_' and '.', not only "
		  "digits" },
		{ "no object", "[peer 8]\nallow = : send\n",
		  "line 2: what is it allowed? 'SERVICE: send', 'pid N: send' or 'any: send'" },
		{ "a pid as an object that is none", "[peer 8]\nallow = pid x: send\n",
		  "line 2: 'pid x': a number from 1 to 2147483647 belongs there" },
		{ "a control character", "[node]\n\033[2J\n", "line 2: the byte 0x1b is no text" },
		{ "a long line", "[node]\n# " HUNDRED HUNDRED "\n",
		  "line 2: 202 letters, and a line has 198 at most: 'allow' may have several lines" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_policy *p = (struct lat_policy *)&rows;
		const char *said;

		CHECK_EQ_ROW(rows[i].why, parse(&p, rows[i].text), -EBADMSG);
		CHECK(p == NULL);
		said = lat_why_last(NULL, -EBADMSG);
		CHECK(said != NULL);
		CHECK(strncmp(said, "the policy, ", 12) == 0);
		CHECK_STR_ROW(rows[i].why, said + 12, rows[i].want);
	}
}

TEST(a_zero_byte_is_no_text)
{
	struct lat_policy *p;

	CHECK_EQ(lat_policy_parse(&p, "the policy", "[node]\0\n", 8, &lookup), -EBADMSG);
}

static const char sample[] = "\xef\xbb\xbf# who may what\r\n"
			     "[node]\r\n"
			     "attach = gid 77 ; to use what they were given\r\n"
			     "reach = user alice\n"
			     "\tallow = group ops: call, bulk\n"
			     "\n"
			     "[service store]\n"
			     "   pid = 7\n"
			     "   allow = user alice: listen\n"
			     "   allow = user bob, peers: send, rate 10/s, size 1K, badge 3  # not much\n"
			     "[service log]\n"
			     "allow = anyone: send, badge 9\n"
			     "[peer edge-8]\n"
			     "reach = uid 1002\n"
			     "allow = store, pid 40: call, rate 100/s\n"
			     "[peer 9]\n"
			     "allow = any: send";

TEST(what_is_allowed)
{
	static const uint32_t others[] = { 20, OPS };
	static const struct lat_subject alice = { .uid = ALICE, .gid = 1 }, bob = { .uid = BOB, .gid = 1 },
					eve = { .uid = 1003, .gid = 77 },
					ops = { .uid = 1004, .gid = 2, .groups = others, .group_count = 2 },
					edge = { .is_peer = true, .node = EDGE, .uid = ALICE },
					own_group = { .uid = 5, .gid = OPS },
					both = { .uid = BOB, .gid = OPS },
					nine = { .is_peer = true, .node = 9 },
					ten = { .is_peer = true, .node = 10, .uid = BOB, .gid = OPS };
	static const struct {
		const char *why;
		const struct lat_subject *who;
		struct lat_object what;
		struct lat_policy_grant want;
	} rows[] = {
		{ "who may listen", &alice, { .pid = 7 }, { .rights = LISTEN } },
		{ "nothing else is theirs", &alice, { .pid = 8 }, { 0 } },
		{ "by its name, before anybody listens", &alice, { .name = "store" }, { .rights = LISTEN } },
		{ "what its line says",
		  &bob,
		  { .pid = 7 },
		  { .rights = SEND, .badge = 3, .max_msg = 1024, .rate = 10 } },
		{ "the same, where the name is registered as well",
		  &bob,
		  { .pid = 7, .name = "store" },
		  { .rights = SEND, .badge = 3, .max_msg = 1024, .rate = 10 } },
		{ "a name that is registered elsewhere is not the service",
		  &bob,
		  { .pid = 8, .name = "store" },
		  { 0 } },
		{ "a group, everywhere",
		  &ops,
		  { .pid = 123 },
		  { .rights = CALL | LAT_RIGHT_BULK, .max_msg = UINT32_MAX } },
		{ "a group, by its own gid",
		  &own_group,
		  { .pid = 7 },
		  { .rights = CALL | LAT_RIGHT_BULK, .max_msg = UINT32_MAX } },
		{ "two lines are added up",
		  &both,
		  { .pid = 7 },
		  { .rights = CALL | LAT_RIGHT_BULK, .badge = 3, .max_msg = UINT32_MAX } },
		{ "a service without a pid, where it is registered",
		  &eve,
		  { .pid = 500, .name = "log" },
		  { .rights = SEND, .badge = 9, .max_msg = LAT_POLICY_SMALL } },
		{ "the same, where its name has it, before it is registered",
		  &eve,
		  { .pid = 0, .name = NULL },
		  { .rights = SEND, .badge = 9, .max_msg = LAT_POLICY_SMALL } },
		{ "the name of one service at the pid of another", &eve, { .pid = 7, .name = "log" }, { 0 } },
		{ "who may attach may nothing by that", &eve, { .pid = 7 }, { 0 } },
		{ "a peer: by the service's line and its own",
		  &edge,
		  { .pid = 7 },
		  { .rights = CALL, .badge = 3, .max_msg = LAT_POLICY_SMALL, .rate = 100 } },
		{ "a peer: a pid",
		  &edge,
		  { .pid = 40 },
		  { .rights = CALL, .max_msg = LAT_POLICY_SMALL, .rate = 100 } },
		{ "a peer is no user of that number", &edge, { .pid = 41 }, { 0 } },
		{ "anyone is no peer", &edge, { .pid = 500, .name = "log" }, { 0 } },
		{ "a peer: all", &nine, { .pid = 500 }, { .rights = SEND, .max_msg = LAT_POLICY_SMALL } },
		{ "a peer: all, and of two limits the wider",
		  &nine,
		  { .pid = 7 },
		  { .rights = SEND, .badge = 3, .max_msg = LAT_POLICY_SMALL } },
		{ "a peer without a section",
		  &ten,
		  { .pid = 7 },
		  { .rights = SEND, .badge = 3, .max_msg = 1024, .rate = 10 } },
		{ "a peer without a section: not elsewhere", &ten, { .pid = 40 }, { 0 } },
	};
	struct lat_policy *p;
	int32_t pid = -1;

	CHECK_EQ(parse(&p, sample), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_object what = rows[i].what;
		struct lat_policy_grant g;

		if (what.pid == 0 && what.name == NULL)
			what.pid = lat_service_pid("log", 0);
		g = lat_policy_judge(p, rows[i].who, &what);

		CHECK_EQ_ROW(rows[i].why, g.rights, rows[i].want.rights);
		CHECK_EQ_ROW(rows[i].why, g.badge, rows[i].want.badge);
		CHECK_EQ_ROW(rows[i].why, g.max_msg, rows[i].want.max_msg);
		CHECK_EQ_ROW(rows[i].why, g.rate, rows[i].want.rate);
	}
	CHECK(lat_policy_may_attach(p, &eve));
	CHECK(!lat_policy_may_attach(p, &ten));
	CHECK(lat_policy_may_reach(p, &alice, 9) && lat_policy_may_reach(p, &alice, EDGE));
	CHECK(lat_policy_may_reach(p, &bob, EDGE) && !lat_policy_may_reach(p, &bob, 9));
	CHECK(!lat_policy_may_reach(p, &eve, EDGE) && !lat_policy_may_reach(p, &edge, EDGE));
	CHECK(lat_policy_service(p, "store", &pid));
	CHECK_EQ(pid, 7);
	CHECK(lat_policy_service(p, "log", &pid));
	CHECK_EQ(pid, 0);
	CHECK(!lat_policy_service(p, "stor", &pid));
	CHECK_STR(lat_policy_service_of(p, 7), "store");
	CHECK_STR(lat_policy_service_of(p, lat_service_pid("log", 0)), "log");
	CHECK(lat_policy_service_of(p, lat_service_pid("store", 0)) == NULL);
	CHECK(lat_policy_service_of(p, 8) == NULL && lat_policy_service_of(p, 0) == NULL);
	lat_policy_free(p);
}

TEST(an_empty_policy_allows_nothing)
{
	static const char *const rows[] = { "", "\n", "# nothing\n", "[node]",
					    "[node]\n[service a]\n[peer 8]\n" };
	static const struct lat_subject root = { .uid = 0 }, edge = { .is_peer = true, .node = EDGE };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_policy *p;

		CHECK_EQ_ROW(rows[i], parse(&p, rows[i]), 0);
		CHECK(!lat_policy_may_attach(p, &root) && !lat_policy_may_reach(p, &root, EDGE));
		CHECK_EQ(lat_policy_judge(p, &root, &(struct lat_object){ .pid = 7, .name = "a" }).rights, 0);
		CHECK_EQ(lat_policy_judge(p, &edge, &(struct lat_object){ .pid = 7, .name = "a" }).rights, 0);
		lat_policy_free(p);
	}
	lat_policy_free(NULL);
}

TEST(what_is_within_what)
{
	static const struct {
		const char *why;
		struct lat_policy_grant a, b;
		bool want;
	} rows[] = {
		{ "the same", { SEND, 1, 10, 5 }, { SEND, 1, 10, 5 }, true },
		{ "fewer rights", { SEND, 1, 10, 5 }, { CALL, 1, 10, 5 }, true },
		{ "more rights", { CALL, 1, 10, 5 }, { SEND, 1, 10, 5 }, false },
		{ "another badge", { SEND, 1, 10, 5 }, { SEND, 2, 10, 5 }, false },
		{ "longer", { SEND, 1, 11, 5 }, { SEND, 1, 10, 5 }, false },
		{ "faster", { SEND, 1, 10, 6 }, { SEND, 1, 10, 5 }, false },
		{ "no limit, where there is one", { SEND, 1, 10, 0 }, { SEND, 1, 10, 5 }, false },
		{ "a limit, where there is none", { SEND, 1, 10, 5 }, { SEND, 1, 10, 0 }, true },
		{ "nothing within nothing", { 0 }, { 0 }, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, lat_policy_within(&rows[i].a, &rows[i].b), rows[i].want);
}

TEST(there_are_bounds)
{
	enum { LINE = 64, LINES = LAT_POLICY_RULES_MAX / 4 };
	size_t room = (size_t)LINES * LINE + 256, at;
	char *text = malloc(room);
	struct lat_policy *p;

	CHECK(text != NULL);
	at = (size_t)snprintf(text, room, "[node]\n");
	for (int i = 0; i < LINES; i++)
		at += (size_t)snprintf(text + at, room - at, "allow = uid 1, uid 2, uid 3, uid 4: send\n");
	CHECK_EQ(parse(&p, text), 0);
	CHECK_EQ(lat_policy_size(p).rules, LAT_POLICY_RULES_MAX);
	lat_policy_free(p);
	at += (size_t)snprintf(text + at, room - at, "allow = uid 5: send\n");
	CHECK_EQ(parse(&p, text), -ENOBUFS);
	at = 0;
	for (int i = 0; i <= LAT_POLICY_SERVICES_MAX; i++)
		at += (size_t)snprintf(text + at, room - at, "[service s%d]\n", i);
	CHECK_EQ(parse(&p, text), -ENOBUFS);
	free(text);
}

TEST_MAIN
