/*
 * Which member receives as which pid, as which service, and who may (LOCAL 15): the host's table. No lock, no clock, no socket: the caller has
 * one thread, and says what time it is.
 *
 * A ticket is HMAC(the host's key, user, start time of the process, member, pid, name). The key lies beside the lock, so who hosts next knows
 * the tickets of who hosted before: for CLAIMS_TICKETS_NS after it began, a claim with a ticket wins over one without.
 */
#ifndef LAT_NODE_CLAIMS_H
#define LAT_NODE_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/policy.h"
#include "node/note.h"
#include "os/process.h"

enum { LAT_CLAIMS_MAX = 65536, LAT_CLAIMS_KEY = 32 };
#define LAT_CLAIMS_TICKETS_NS (5 * LAT_NS_PER_S)

struct lat_claims;
struct lat_judge;

/* What there is to judge a member by. */
struct lat_credentials {
	struct lat_process process;
	uint64_t member;
	uint32_t *groups; /* supplementary; NULL: none */
	size_t group_count;
};

struct lat_subject lat_credentials_subject(const struct lat_credentials *who);

enum lat_claims_act {
	LAT_ACT_ATTACH,  /* be a member */
	LAT_ACT_RECEIVE, /* as @pid, under @name */
	LAT_ACT_SEND,    /* as @pid */
	LAT_ACT_ISSUE,   /* make, see and end capabilities of the node */
	LAT_ACT_RESOLVE, /* learn that @name is @pid */
	LAT_ACT_OPEN,    /* a channel to @pid; or learn of it */
	LAT_ACT_REACH,   /* the node that is @pid */
};

/* A member that has, or had, a pid. */
struct lat_claims_holder {
	uint64_t member; /* 0: nobody */
	int32_t pid;
};

/* @key is copied. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_claims_open(struct lat_claims **out, const uint8_t key[LAT_CLAIMS_KEY], uid_t owner,
				   uint64_t now_ns);
/* Who decides what other users may, beyond what this table knows. NULL: they may nothing. */
void lat_claims_set_judge(struct lat_claims *c, struct lat_judge *judge);
/* NULL is fine. */
void lat_claims_close(struct lat_claims *c);

/*
 * Whether the judge allows that (judge.h), and the table: nobody speaks as a pid that another member receives as. 0, -EACCES.
 */
LAT_MUST_CHECK int lat_claims_may(const struct lat_claims *c, const struct lat_credentials *who,
				  enum lat_claims_act act, int32_t pid, const char *name);

/*
 * @who receives as @pid from now on, as the service @name; "": as none. @ticket: in, what it was given by an earlier host for both, all
 * zero if nothing; out, what to give it. losers: who had the pid until now and has lost it; and who had the name, under another
 * pid, and has lost that.
 * 0, -EADDRINUSE (losers[0] is who has the pid), -EEXIST (losers[1] is who has the name), -EACCES, -ENOBUFS (LAT_CLAIMS_MAX), -ENOMEM.
 */
LAT_MUST_CHECK int lat_claims_take(struct lat_claims *c, const struct lat_credentials *who, int32_t pid,
				   const char *name, uint8_t ticket[LAT_NOTE_TICKET], uint64_t now_ns,
				   struct lat_claims_holder losers[2]);
/* One that @member does not have is fine. */
void lat_claims_give(struct lat_claims *c, uint64_t member, int32_t pid);
/* All that @member has. */
void lat_claims_give_all(struct lat_claims *c, uint64_t member);

/* The member that receives as @pid; 0: nobody. */
uint64_t lat_claims_holder(const struct lat_claims *c, int32_t pid);
/* The pid of the service @name; 0: there is none. */
int32_t lat_claims_named(const struct lat_claims *c, const char *name);
/* The service that @pid is; "": none. */
const char *lat_claims_name(const struct lat_claims *c, int32_t pid);
/* The smallest pid above @after that somebody receives as; 0: none. *holder: who. */
int32_t lat_claims_next(struct lat_claims *c, int32_t after, uint64_t *holder);
uint32_t lat_claims_count(const struct lat_claims *c);

#endif
