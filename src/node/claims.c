/* A table by pid, and those of services by name, too. */
#include "node/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/table.h"
#include "crypto/hash.h"
#include "node/judge.h"

static_assert((int)LAT_NOTE_TICKET == (int)LAT_HASH && (int)LAT_CLAIMS_KEY == (int)LAT_HASH,
	      "a ticket is an HMAC");

struct claim {
	int32_t pid;
	bool ticketed;
	uint64_t member;
	char name[LAT_SERVICE_MAX + 1]; /* "": none */
	UT_hash_handle hh, hh_name;
};

struct lat_claims {
	struct claim *by_pid; /* if sorted, also in that order */
	struct claim *by_name;
	bool sorted;
	uint64_t began_ns;
	uid_t owner;
	struct lat_judge *judge; /* NULL: others may nothing */
	uint8_t key[LAT_CLAIMS_KEY];
};

int lat_claims_open(struct lat_claims **out, const uint8_t key[LAT_CLAIMS_KEY], uid_t owner, uint64_t now_ns)
{
	struct lat_claims *c = calloc(1, sizeof(*c));

	*out = c;
	if (c == NULL)
		return -ENOMEM;
	c->began_ns = now_ns;
	c->owner = owner;
	memcpy(c->key, key, sizeof(c->key));
	return 0;
}

static void unname(struct lat_claims *c, struct claim *claim)
{
	if (claim->name[0] != '\0')
		HASH_DELETE(hh_name, c->by_name,
			    claim); /* NOLINT(clang-analyzer-unix.Malloc): its neighbours live */
	claim->name[0] = '\0';
}

static int give_name(struct lat_claims *c, struct claim *claim, const char *name)
{
	size_t length = strlen(name);

	if (strcmp(claim->name, name) == 0)
		return 0;
	unname(c, claim);
	if (length == 0)
		return 0;
	memcpy(claim->name, name, length + 1);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh_name, c->by_name, claim->name, length, lat_name_hash(name), claim);
	if (claim->hh_name.tbl != NULL)
		return 0;
	claim->name[0] = '\0';
	return -ENOMEM;
}

void lat_claims_set_judge(struct lat_claims *c, struct lat_judge *judge)
{
	c->judge = judge;
}

struct lat_subject lat_credentials_subject(const struct lat_credentials *who)
{
	return (struct lat_subject){ .uid = (uint32_t)who->process.uid,
				     .gid = (uint32_t)who->process.gid,
				     .groups = who->groups,
				     .group_count = who->group_count };
}

static void drop(struct lat_claims *c, struct claim *claim)
{
	unname(c, claim);
	HASH_DEL(c->by_pid, claim); /* NOLINT(clang-analyzer-unix.Malloc): its neighbours live */
	free(claim);
}

void lat_claims_close(struct lat_claims *c)
{
	struct claim *claim, *next;

	if (c == NULL)
		return;
	HASH_ITER(hh, c->by_pid, claim, next)
		drop(c, claim);
	lat_wipe(c->key, sizeof(c->key));
	free(c);
}

static struct claim *find(const struct lat_claims *c, int32_t pid)
{
	struct claim *claim;

	HASH_FIND(hh, c->by_pid, &pid, sizeof(pid), claim);
	return claim;
}

static struct claim *find_name(const struct lat_claims *c, const char *name)
{
	struct claim *claim;

	HASH_FIND_BYHASHVALUE(hh_name, c->by_name, name, strlen(name), lat_name_hash(name), claim);
	return claim;
}

int lat_claims_may(const struct lat_claims *c, const struct lat_credentials *who, enum lat_claims_act act,
		   int32_t pid, const char *name)
{
	static const enum lat_judge_act acts[] = {
		[LAT_ACT_ATTACH] = LAT_JUDGE_ATTACH, [LAT_ACT_RECEIVE] = LAT_JUDGE_RECEIVE,
		[LAT_ACT_SEND] = LAT_JUDGE_SPEAK,    [LAT_ACT_OPEN] = LAT_JUDGE_SEND,
		[LAT_ACT_RESOLVE] = LAT_JUDGE_SEND,  [LAT_ACT_REACH] = LAT_JUDGE_REACH
	};
	const struct lat_subject subject = lat_credentials_subject(who);
	const struct claim *claim;

	if (name == NULL || act == LAT_ACT_OPEN || act == LAT_ACT_SEND)
		name = lat_claims_name(c, pid);
	if (who->process.uid != c->owner && (act == LAT_ACT_ISSUE || c->judge == NULL ||
					     lat_judge_may(c->judge, &subject, acts[act], pid, name) < 0))
		return -EACCES;
	if (act != LAT_ACT_SEND)
		return 0;
	claim = find(c, pid);
	return claim != NULL && claim->member != who->member ? -EACCES : 0;
}

static void make_ticket(const struct lat_claims *c, const struct lat_credentials *who, int32_t pid,
			const char *name, uint8_t out[LAT_NOTE_TICKET])
{
	static const char label[] = "lattice ticket 2";
	uint8_t rest[24];
	const struct lat_bytes parts[] = { { label, sizeof(label) },
					   { rest, sizeof(rest) },
					   { name, strlen(name) } };

	lat_put_le32(rest, (uint32_t)who->process.uid);
	lat_put_le64(rest + 4, who->process.started);
	lat_put_le64(rest + 12, who->member);
	lat_put_le32(rest + 20, (uint32_t)pid);
	lat_hmac(out, c->key, parts, ARRAY_LEN(parts));
}

/* Whether @who may have what @claim has; then, or if not, *loser is who has it. */
static bool may_take(const struct claim *claim, const struct lat_credentials *who, bool ticketed,
		     struct lat_claims_holder *loser)
{
	*loser = (struct lat_claims_holder){ .member = claim->member, .pid = claim->pid };
	return claim->member != who->member && ticketed && !claim->ticketed;
}

/* One for @pid, of nobody yet. */
static int add(struct lat_claims *c, int32_t pid, struct claim **out)
{
	struct claim *claim;

	if (HASH_COUNT(c->by_pid) == LAT_CLAIMS_MAX)
		return -ENOBUFS;
	claim = calloc(1, sizeof(*claim));
	if (claim == NULL)
		return -ENOMEM;
	claim->pid = pid;
	HASH_ADD(hh, c->by_pid, pid, sizeof(claim->pid), claim);
	if (claim->hh.tbl == NULL) {
		free(claim);
		return -ENOMEM;
	}
	c->sorted = false;
	*out = claim;
	return 0;
}

int lat_claims_take(struct lat_claims *c, const struct lat_credentials *who, int32_t pid, const char *name,
		    uint8_t ticket[LAT_NOTE_TICKET], uint64_t now_ns, struct lat_claims_holder losers[2])
{
	struct claim *claim = find(c, pid), *named = name[0] != '\0' ? find_name(c, name) : NULL;
	int rc = lat_claims_may(c, who, LAT_ACT_RECEIVE, pid, name);
	uint8_t right[LAT_NOTE_TICKET];
	bool ticketed;

	memset(losers, 0, 2 * sizeof(*losers));
	if (rc < 0)
		return rc;
	make_ticket(c, who, pid, name, right);
	ticketed = now_ns - c->began_ns < (uint64_t)LAT_CLAIMS_TICKETS_NS &&
		   lat_equal_ct(right, ticket, sizeof(right));
	if (named != NULL && named != claim && !may_take(named, who, ticketed, &losers[1]))
		return -EEXIST;
	if (claim != NULL && claim->member != who->member && !may_take(claim, who, ticketed, &losers[0])) {
		memset(&losers[1], 0, sizeof(losers[1]));
		return -EADDRINUSE;
	}
	if (claim == NULL) {
		rc = add(c, pid, &claim);
		if (rc < 0) {
			memset(losers, 0, 2 * sizeof(*losers));
			return rc;
		}
	}
	if (named != NULL && named != claim)
		drop(c, named);
	rc = give_name(c, claim, name);
	if (rc < 0) {
		drop(c, claim);
		return rc;
	}
	claim->member = who->member;
	claim->ticketed = claim->ticketed || ticketed;
	memcpy(ticket, right, sizeof(right));
	return 0;
}

void lat_claims_give(struct lat_claims *c, uint64_t member, int32_t pid)
{
	struct claim *claim = find(c, pid);

	if (claim != NULL && claim->member == member)
		drop(c, claim);
}

void lat_claims_give_all(struct lat_claims *c, uint64_t member)
{
	struct claim *claim, *next;

	HASH_ITER(hh, c->by_pid, claim, next)
		if (claim->member == member)
			drop(c, claim);
}

uint64_t lat_claims_holder(const struct lat_claims *c, int32_t pid)
{
	const struct claim *claim = find(c, pid);

	return claim != NULL ? claim->member : 0;
}

int32_t lat_claims_named(const struct lat_claims *c, const char *name)
{
	const struct claim *claim = find_name(c, name);

	return claim != NULL ? claim->pid : 0;
}

const char *lat_claims_name(const struct lat_claims *c, int32_t pid)
{
	const struct claim *claim = find(c, pid);

	return claim != NULL ? claim->name : "";
}

static int compare_pids(const struct claim *a, const struct claim *b)
{
	return (a->pid > b->pid) - (a->pid < b->pid);
}

int32_t lat_claims_next(struct lat_claims *c, int32_t after, uint64_t *holder)
{
	const struct claim *next;

	if (!c->sorted)
		HASH_SORT(c->by_pid, compare_pids);
	c->sorted = true;
	next = find(c, after);
	if (next == NULL) /* it begins, or goes on after one that was given back */
		next = c->by_pid;
	while (next != NULL && next->pid <= after)
		next = next->hh.next;
	*holder = next != NULL ? next->member : 0;
	return next != NULL ? next->pid : 0;
}

uint32_t lat_claims_count(const struct lat_claims *c)
{
	return HASH_COUNT(c->by_pid);
}
