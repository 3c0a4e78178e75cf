/*
 * A node's policy: who may do what here, as text in wg.conf's style (policy.c has the grammar, lattice(1) an example). It only ever
 * allows: what no line allows is refused, and what several lines allow to one subject is added up.
 *
 * Pure: names of users, groups and peers are looked up by the caller's functions while it is parsed. A policy does not change; any
 * number of threads may ask it.
 */
#ifndef LAT_CAP_POLICY_H
#define LAT_CAP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "base/util.h"
#include "cap/chain.h"

enum {
	LAT_POLICY_NAME_MAX = LAT_SERVICE_MAX,
	LAT_POLICY_BYTES_MAX = 262144,
	LAT_POLICY_RULES_MAX = 16384, /* a line makes one for each of its subjects and objects */
	LAT_POLICY_SERVICES_MAX = 1024,
	LAT_POLICY_LINE = 256,    /* letters of a line, its end included */
	LAT_POLICY_SMALL = 65536, /* longest message of who has no LAT_RIGHT_BULK */
};

struct lat_policy;

/* 0, or -ENOENT: there is none of that name. */
struct lat_policy_lookup {
	int (*user)(void *ctx, const char *name, uint32_t *uid);
	int (*group)(void *ctx, const char *name, uint32_t *gid);
	int (*peer)(void *ctx, const char *name, uint32_t *node);
	void *ctx;
};

/*
 * @file: its name, for sentences. 0, or with a sentence that names file, line, and what would be right (base/why.h)
 *   -EBADMSG  a line that says nothing, or what cannot be
 *   -ENOBUFS  more rules or services than there may be
 *   -ENOMEM
 */
LAT_MUST_CHECK int lat_policy_parse(struct lat_policy **out, const char *file, const char *text, size_t bytes,
				    const struct lat_policy_lookup *lookup);
/* NULL is fine. */
void lat_policy_free(struct lat_policy *p);

/* Who wants something. */
struct lat_subject {
	bool is_peer;
	uint32_t node;          /* a peer's */
	uint32_t uid, gid;      /* a process's */
	const uint32_t *groups; /* and its other groups; may be NULL when there are none */
	size_t group_count;
};

/* What something is wanted of. */
struct lat_object {
	int32_t pid;      /* 0: not known, it is asked for by name */
	const char *name; /* that the pid is registered under; NULL: none */
};

/* What is allowed: added up, so the widest of each limit. */
struct lat_policy_grant {
	uint16_t rights; /* of enum lat_right; 0: nothing, and the rest is 0 */
	uint32_t badge;  /* of the first line that has one */
	uint32_t max_msg;
	uint32_t rate; /* messages a second; 0: no limit */
};

struct lat_policy_grant lat_policy_judge(const struct lat_policy *p, const struct lat_subject *who,
					 const struct lat_object *what);
/* Whether @a allows nothing that @b does not. */
bool lat_policy_within(const struct lat_policy_grant *a, const struct lat_policy_grant *b);

/* Whether a process may attach at all: some line names it, or [node] attach. */
bool lat_policy_may_attach(const struct lat_policy *p, const struct lat_subject *who);
/* Whether a process may send to @node, by way of this node. */
bool lat_policy_may_reach(const struct lat_policy *p, const struct lat_subject *who, uint32_t node);

/* Whether there is a section for the service, and the pid that it says (0: none). */
bool lat_policy_service(const struct lat_policy *p, const char *name, int32_t *pid);
/* The service that has this pid by the policy or, if that says none, by its name; or NULL. */
const char *lat_policy_service_of(const struct lat_policy *p, int32_t pid);

/* Where refusals are written: a path, "stderr", "none"; "": it does not say. */
struct lat_policy_audit {
	char path[LAT_POLICY_LINE];
	bool json;
};
const struct lat_policy_audit *lat_policy_audit(const struct lat_policy *p);

struct lat_policy_size {
	size_t rules, services;
};
struct lat_policy_size lat_policy_size(const struct lat_policy *p);

#endif
