/*
 * A node's issuer (issuer.h), and what is asked of it: by this process's calls, and, where it hosts, by its members' (ISSUE). One thread does
 * what members ask, because it waits for the disk.
 *
 * The issuer is made when it is first needed; with a network at once, because what an earlier one gave out is good.
 *
 * When a life ends, what was opened by it ends: in this process, in its members', and on the network.
 *
 * A revocation is remembered for some time, with who was told of it: of each life that has ended the network says when the sender on
 * another node knows.
 */
#ifndef LAT_NODE_GRANTS_H
#define LAT_NODE_GRANTS_H

#include <stdint.h>

#include <lattice/cap.h>
#include <lattice/node.h>

#include "base/util.h"
#include "cap/table.h"
#include "node/note.h"

struct lat_grants;
struct lat_issuer;
struct lat_lives;

enum {
	LAT_GRANTS_WAITING_MAX = 256,      /* that members have asked for; others than the owner half of it */
	LAT_GRANTS_MEMBER_MAX = 16,        /* and one of them; of another user all of his together */
	LAT_GRANTS_REVOCATIONS = 64,       /* remembered */
	LAT_GRANTS_REVOCATION_NODES = 1024 /* told apart, of one */
};

/* Who asks: a member of the host's. */
struct lat_grants_asker {
	uint64_t member;
	uint32_t uid, gid;
	int32_t process; /* of the operating system; these two are for records */
	bool owner;      /* it may make and end them, not only show one */
};

/* What ISSUE asks for: its flags. Its other fields: grants.c. */
enum lat_note_issue {
	LAT_ISSUE_GRANT,
	LAT_ISSUE_DERIVE,
	LAT_ISSUE_REVOKE,
	LAT_ISSUE_REVOKE_SHOWN, /* what is shown with its key */
	LAT_ISSUE_REVOKE_HOLDER,
	LAT_ISSUE_TOLD, /* of a revocation */
	LAT_ISSUE_NEXT,
	LAT_ISSUES
};

/* 0, -ENOMEM. */
LAT_MUST_CHECK int lat_grants_open(struct lat_grants **out, struct lattice_node *node);
/* Makes the issuer, if there is none: *out is NULL-able. @path, @id: as of struct lat_issuer_config. 0, or as lat_issuer_open(); -ESHUTDOWN. */
LAT_MUST_CHECK int lat_grants_make(struct lat_grants *g, const char *path, const uint8_t *id,
				   struct lat_issuer **out);
/*
 * The page of the issuer's lives, made if there is none, also before there is an issuer: of @g's, which has it until lat_grants_close(). 0,
 * -ENOMEM, -EMFILE, -ENFILE.
 */
LAT_MUST_CHECK int lat_grants_lives(struct lat_grants *g, struct lat_lives **out);
/* What members ask is not answered any more, and what the issuer keeps is closed. NULL is fine. */
void lat_grants_shutdown(struct lat_grants *g);
/* The memory. NULL is fine. */
void lat_grants_close(struct lat_grants *g);

/* NULL: there is none so far, and so no capability. Any thread. */
struct lat_issuer *lat_grants_issuer(const struct lat_grants *g);

/* ISSUE of a member's: ISSUED is told to it later (lat_attach_tell()), if this is 0; or -ENOBUFS, -EAGAIN, -ENOMEM, -ESHUTDOWN, -EACCES. */
LAT_MUST_CHECK int lat_grants_ask(struct lat_grants *g, const struct lat_grants_asker *who,
				  const struct lat_note *n);

struct lat_stats;
void lat_grants_stats(struct lat_grants *g, struct lat_stats *s);

/* The sender of a channel from @node, which has ended with @life, knows. Any lock may be held. */
void lat_grants_told(struct lat_grants *g, lattice_node_id node, struct lat_cap_ref life);

#endif
