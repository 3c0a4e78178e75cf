/*
 * Who may do what on this node: the one place where that is decided. Without a policy the processes of the node's own user may everything,
 * others nothing, and peers may send to every pid. With one (cap/policy.h) its lines decide; the node's own user may everything even then,
 * because its processes could read the node's memory (LOCAL 1).
 *
 * Threads: any. Its lock is innermost; nothing is called under it.
 */
#ifndef LAT_NODE_JUDGE_H
#define LAT_NODE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/policy.h"

struct lat_judge;
struct lat_state;

/*
 * @owner: the node's user. @policed: until lat_judge_rule() nobody else may anything, peers neither. 0, -ENOMEM.
 */
LAT_MUST_CHECK int lat_judge_open(struct lat_judge **out, uint32_t owner, bool policed);
/* NULL is fine. */
void lat_judge_close(struct lat_judge *j);

/* From now on @p decides, which is the judge's. */
void lat_judge_rule(struct lat_judge *j, struct lat_policy *p);
bool lat_judge_is_policed(const struct lat_judge *j);
/* Of the policy that decides: how long it is, and when it began to, in Unix seconds; untouched if there is none. */
void lat_judge_info(struct lat_judge *j, struct lat_policy_size *size, uint64_t *since_s);

enum lat_judge_act {
	LAT_JUDGE_ATTACH,  /* be a member */
	LAT_JUDGE_RECEIVE, /* as the pid, or name */
	LAT_JUDGE_SPEAK,   /* as the pid, which nobody receives as */
	LAT_JUDGE_SEND,    /* to the pid, or name; or learn of it */
	LAT_JUDGE_REACH,   /* the node that is the pid's number */
};

/* @name: the service that the pid is, "" or NULL for none. 0, -EACCES. */
LAT_MUST_CHECK int lat_judge_may(struct lat_judge *j, const struct lat_subject *who, enum lat_judge_act act,
				 int32_t pid, const char *name);

/*
 * What a channel to the pid may carry. 0, -EACCES: there may be none.
 */
LAT_MUST_CHECK int lat_judge_grant(struct lat_judge *j, const struct lat_subject *who, int32_t pid,
				   const char *name, struct lat_policy_grant *out);

/* Whether the policy says what @who may: there is one, and it is not the node's own user. */
bool lat_judge_bounds(const struct lat_judge *j, const struct lat_subject *who);

/*
 * Reads and parses a policy. Peers' names are those of @state, which may be NULL. 0, or with a sentence as lat_policy_parse(), and
 *   -EACCES  it cannot be read, or others than root and this user may write it
 *   -EFBIG   more than LAT_POLICY_BYTES_MAX
 *   -ENOENT, -EINVAL (no regular file), -EIO, -ELOOP, -EMFILE, -ENFILE
 */
LAT_MUST_CHECK int lat_judge_read(struct lat_policy **out, const char *path, const struct lat_state *state);

#endif
