/* A table by pid. */
#include "node/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/table.h"
#include "crypto/hash.h"

static_assert((int)LAT_NOTE_TICKET == (int)LAT_HASH && (int)LAT_CLAIMS_KEY == (int)LAT_HASH,
	      "a ticket is an HMAC");

struct claim {
	int32_t pid;
	bool ticketed;
	uint64_t member;
	UT_hash_handle hh;
};

struct lat_claims {
	struct claim *by_pid; /* if sorted, also in that order */
	bool sorted;
	uint64_t began_ns;
	uid_t owner;
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

static void drop(struct lat_claims *c, struct claim *claim)
{
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

int lat_claims_may(const struct lat_claims *c, const struct lat_credentials *who, enum lat_claims_act act,
		   int32_t pid)
{
	const struct claim *claim;

	if (who->process.uid != c->owner)
		return -EACCES;
	if (act != LAT_ACT_SEND)
		return 0;
	claim = find(c, pid);
	return claim != NULL && claim->member != who->member ? -EACCES : 0;
}

static void make_ticket(const struct lat_claims *c, const struct lat_credentials *who, int32_t pid,
			uint8_t out[LAT_NOTE_TICKET])
{
	static const char label[] = "lattice ticket 1";
	uint8_t rest[24];
	const struct lat_bytes parts[] = { { label, sizeof(label) }, { rest, sizeof(rest) } };

	lat_put_le32(rest, (uint32_t)who->process.uid);
	lat_put_le64(rest + 4, who->process.started);
	lat_put_le64(rest + 12, who->member);
	lat_put_le32(rest + 20, (uint32_t)pid);
	lat_hmac(out, c->key, parts, ARRAY_LEN(parts));
}

int lat_claims_take(struct lat_claims *c, const struct lat_credentials *who, int32_t pid,
		    uint8_t ticket[LAT_NOTE_TICKET], uint64_t now_ns, uint64_t *loser)
{
	int rc = lat_claims_may(c, who, LAT_ACT_RECEIVE, pid);
	struct claim *claim = find(c, pid);
	uint8_t right[LAT_NOTE_TICKET];
	bool ticketed;

	*loser = 0;
	if (rc < 0)
		return rc;
	make_ticket(c, who, pid, right);
	ticketed = now_ns - c->began_ns < (uint64_t)LAT_CLAIMS_TICKETS_NS &&
		   lat_equal_ct(right, ticket, sizeof(right));
	if (claim != NULL && claim->member != who->member) {
		*loser = claim->member;
		if (!ticketed || claim->ticketed)
			return -EADDRINUSE;
	} else if (claim == NULL) {
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
