/*
 * A hash table of grants, each with its subject whole, so that it can be judged again. Judging and adding are one turn of the lock, and so is a
 * review: what was judged by the policy before is in the list when that is reviewed.
 */
#include "node/standing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "node/judge.h"

/* What tells grants apart, all of its bytes. */
struct key {
	uint32_t is_peer, node, uid, gid;
	int32_t dst;      /* or the node that is reached */
	uint32_t reaches; /* another node */
	uint32_t group_count;
};

enum { BUCKETS = 4096 };

struct standing {
	struct key key;
	uint32_t *groups;
	char name[LAT_SERVICE_MAX + 1];
	struct lat_policy_grant grant;
	struct lat_cap_ref life;
	struct standing *next;
};

struct lat_standing {
	struct lat_judge *judge;
	pthread_mutex_t lock;
	struct standing *buckets[BUCKETS];
	uint32_t count;
};

int lat_standing_open(struct lat_standing **out, struct lat_judge *judge)
{
	struct lat_standing *s = calloc(1, sizeof(*s));

	*out = s;
	if (s == NULL)
		return -ENOMEM;
	s->judge = judge;
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

static void free_one(struct standing *one)
{
	free(one->groups);
	free(one);
}

void lat_standing_close(struct lat_standing *s)
{
	struct standing *one;

	if (s == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while ((one = s->buckets[i]) != NULL) {
			s->buckets[i] = one->next;
			free_one(one);
		}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Where those of one subject and pid are. */
static struct standing **bucket_of(struct lat_standing *s, const struct key *key)
{
	uint32_t h = (uint32_t)key->dst * 0x9e3779b1u ^ (key->node + key->uid) * 0x85ebca6bu;

	return &s->buckets[(h ^ h >> 15) % BUCKETS];
}

static struct key key_of(const struct lat_subject *who, int32_t dst, bool reaches)
{
	struct key key = { .is_peer = who->is_peer, .dst = dst, .reaches = reaches };

	if (who->is_peer) {
		key.node = who->node;
	} else {
		key.uid = who->uid;
		key.gid = who->gid;
		key.group_count = (uint32_t)who->group_count;
	}
	return key;
}

static struct lat_subject subject_of(const struct standing *one)
{
	return (struct lat_subject){ .is_peer = one->key.is_peer != 0,
				     .node = one->key.node,
				     .uid = one->key.uid,
				     .gid = one->key.gid,
				     .groups = one->groups,
				     .group_count = one->key.group_count };
}

static bool same_grant(const struct lat_policy_grant *a, const struct lat_policy_grant *b)
{
	return lat_policy_within(a, b) && lat_policy_within(b, a);
}

/* The lock is held. */
static struct standing *find_locked(struct lat_standing *s, const struct key *key,
				    const struct lat_subject *who, const char *name,
				    const struct lat_policy_grant *grant)
{
	size_t bytes = key->group_count * sizeof(*who->groups);
	struct standing *one = *bucket_of(s, key);

	while (one != NULL && (memcmp(&one->key, key, sizeof(*key)) != 0 ||
			       (bytes > 0 && memcmp(one->groups, who->groups, bytes) != 0) ||
			       strcmp(one->name, name) != 0 || !same_grant(&one->grant, grant)))
		one = one->next;
	return one;
}

/* How many a user, or a peer, has. The lock is held. */
static uint32_t count_locked(const struct lat_standing *s, const struct key *key)
{
	uint32_t n = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct standing *one = s->buckets[i]; one != NULL; one = one->next)
			n += one->key.is_peer == key->is_peer && one->key.node == key->node &&
			     one->key.uid == key->uid;
	return n;
}

/* A new one, without its life. The lock is held. */
static int add_locked(struct lat_standing *s, const struct key *key, const struct lat_subject *who,
		      const char *name, const struct lat_policy_grant *grant, struct standing **out)
{
	size_t bytes = key->group_count * sizeof(*who->groups);
	struct standing *one, **bucket = bucket_of(s, key);

	if (s->count == LAT_STANDING_MAX || count_locked(s, key) >= LAT_STANDING_EACH_MAX)
		return -ENOBUFS;
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		return -ENOMEM;
	one->key = *key;
	one->grant = *grant;
	memcpy(one->name, name, strlen(name) + 1);
	if (bytes > 0) {
		one->groups = malloc(bytes);
		if (one->groups == NULL) {
			free(one);
			return -ENOMEM;
		}
		memcpy(one->groups, who->groups, bytes);
	}
	one->next = *bucket;
	*bucket = one;
	s->count++;
	*out = one;
	return 0;
}

/* Its life, which is a new one if it has none, or has lost it. */
static int live(struct standing *one, struct lat_issuer *issuer, const uint8_t holder[LAT_CAP_HOLDER])
{
	struct lat_cap_desc want = { .rights = (uint16_t)(one->grant.rights & ~(unsigned)LAT_RIGHT_GRANT),
				     .dst_pid = one->key.dst,
				     .src_pid = LAT_CAP_ANY_PID,
				     .max_msg = one->grant.max_msg,
				     .rate = one->grant.rate };

	if (one->life.gen != 0 && lat_issuer_live(issuer, one->life))
		return 0;
	memcpy(want.holder, holder, sizeof(want.holder));
	return lat_issuer_grant_identity(issuer, &want, one->grant.badge, &one->life);
}

/* What the judge says of it. */
static int judged(const struct lat_standing *s, const struct lat_subject *who, const struct key *key,
		  const char *name, struct lat_policy_grant *out)
{
	static const struct lat_policy_grant reach = {
		.rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND | LAT_RIGHT_BULK, .max_msg = UINT32_MAX
	};
	int rc;

	if (key->reaches == 0)
		return lat_judge_grant(s->judge, who, key->dst, name, out);
	rc = lat_judge_may(s->judge, who, LAT_JUDGE_REACH, key->dst, "");
	if (rc == 0)
		*out = reach;
	return rc;
}

static int admit(struct lat_standing *s, struct lat_issuer *issuer, const struct lat_subject *who,
		 const uint8_t holder[LAT_CAP_HOLDER], const struct key *key, const char *name,
		 struct lat_admission *out)
{
	struct lat_policy_grant grant;
	struct lat_cap_ref life = { 0, 0 };
	struct standing *one = NULL;
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = judged(s, who, key, name, &grant);
	if (rc == 0 && issuer != NULL && lat_judge_bounds(s->judge, who)) {
		one = find_locked(s, key, who, name, &grant);
		if (one == NULL)
			rc = add_locked(s, key, who, name, &grant, &one);
		if (rc == 0)
			rc = live(one, issuer, holder);
		if (rc == 0)
			life = one->life;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc < 0)
		return rc;
	*out = (struct lat_admission){ .life = life,
				       .rights = grant.rights,
				       .badge = grant.badge,
				       .src_pid = LAT_CAP_ANY_PID,
				       .max_msg = grant.max_msg,
				       .rate = grant.rate };
	return 0;
}

int lat_standing_admit(struct lat_standing *s, struct lat_issuer *issuer, const struct lat_subject *who,
		       const uint8_t holder[LAT_CAP_HOLDER], int32_t dst, const char *name,
		       struct lat_admission *out)
{
	const struct key key = key_of(who, dst, false);

	return admit(s, issuer, who, holder, &key,
		     name != NULL && strlen(name) <= LAT_SERVICE_MAX ? name : "", out);
}

int lat_standing_reach(struct lat_standing *s, struct lat_issuer *issuer, const struct lat_subject *who,
		       const uint8_t holder[LAT_CAP_HOLDER], uint32_t node, struct lat_admission *out)
{
	const struct key key = key_of(who, (int32_t)node, true);

	return admit(s, issuer, who, holder, &key, "", out);
}

/* Takes out what is not allowed any more; the list of it. The lock is held. */
static struct standing *take_stale_locked(struct lat_standing *s)
{
	struct standing *stale = NULL, **at, *one;

	for (size_t i = 0; i < BUCKETS; i++)
		for (at = &s->buckets[i]; (one = *at) != NULL;) {
			const struct lat_subject who = subject_of(one);
			struct lat_policy_grant now;

			if (judged(s, &who, &one->key, one->name, &now) == 0 &&
			    lat_policy_within(&one->grant, &now)) {
				at = &one->next;
				continue;
			}
			*at = one->next;
			one->next = stale;
			stale = one;
			s->count--;
		}
	return stale;
}

uint32_t lat_standing_review(struct lat_standing *s, struct lat_issuer *issuer)
{
	struct standing *stale, *next;
	uint32_t ended = 0, count;

	pthread_mutex_lock(&s->lock);
	stale = take_stale_locked(s);
	pthread_mutex_unlock(&s->lock);
	for (; stale != NULL; stale = next) {
		next = stale->next;
		if (issuer != NULL && stale->life.gen != 0 &&
		    lat_issuer_revoke(issuer, stale->life, &count) == 0)
			ended += count;
		free_one(stale);
	}
	return ended;
}
