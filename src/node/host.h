/*
 * Hosting: who has the door answers the members that come to it. It knows who receives as which pid, decides who may, and
 * introduces members to each other; what they then send does not pass through it. One thread.
 */
#ifndef LAT_NODE_HOST_H
#define LAT_NODE_HOST_H

#include <stdbool.h>

#include <lattice/types.h>

#include "base/util.h"
#include "cap/table.h"
#include "node/door.h"

enum {
	LAT_HOST_MEMBERS_MAX = 4096,
	LAT_HOST_STRANGERS_MAX = 64, /* connected, and have not said HELLO */
	LAT_HOST_USER_MAX = 512,     /* members of a user who is not the host's own */
	LAT_HOST_WAITING_MAX = 1024, /* channels to pids that are not claimed yet */
	LAT_HOST_ASKERS_MAX = 64,    /* who wait for a picture of the graph */
};

/* How long after it took over a host waits for a pid to be claimed again before it says that nobody has it. */
#define LAT_HOST_GRACE_NS (1 * LAT_NS_PER_S)

/* How long a picture of the graph waits for members that do not tell their part, and the pause between two. */
#define LAT_HOST_SHOW_NS       (LAT_NS_PER_S / 2)
#define LAT_HOST_SHOW_PAUSE_NS (20 * LAT_NS_PER_MS)

struct lat_audit;
struct lat_grants;
struct lat_host;
struct lat_judge;
struct lat_lives;
struct lat_node_cut;
struct lat_probes;
struct lat_standing;
struct lat_stats;

struct lat_host_config {
	lattice_node_id number;    /* the node's */
	bool again;                /* after another, whose members will come */
	uint64_t uplink;           /* the member that reaches other nodes (relay.h); 0: none does */
	uint32_t uplink_len_max;   /* longest message that it takes to them */
	struct lat_judge *judge;   /* who may what; the caller's */
	struct lat_probes *probes; /* answers what is asked of other nodes; NULL: nobody does */
	struct lat_grants *
		grants; /* answers what is asked of capabilities, and says what they allow; NULL: there are none */
	struct lat_standing *standing; /* gives lives to what the policy allows; NULL: nothing ends with it */
	struct lat_lives *lives;       /* the page of all lives, of our own, which all members get */
	struct lat_audit *audit;       /* where refusals are recorded; NULL: nowhere */
};

/*
 * Takes the door and starts to host. 0, or as lat_door_take(), or -EAGAIN (no thread to be had), -ENOMEM,
 * -EMFILE, -ENFILE.
 */
LAT_MUST_CHECK int lat_host_open(struct lat_host **out, const struct lat_door *door,
				 const struct lat_host_config *cfg, pid_t *holder);
/* Members find that it is gone, and look for another. NULL is fine. */
void lat_host_close(struct lat_host *h);

/*
 * A channel comes from another node to a pid of some member's: that one is told of it as it would be of one from the uplink. Any
 * thread. @n: src, origin and dst, and number, life, badge and rate of what admitted it; then also member and grant. 0, -ECONNREFUSED
 * (nobody receives as dst).
 */
LAT_MUST_CHECK int lat_host_bring(struct lat_host *h, struct lat_note *n);

/*
 * Another node asks which pid a service is. Any thread. 0, -ENOENT (there is none), -EBUSY (perhaps it has not come back from the
 * host before).
 */
LAT_MUST_CHECK int lat_host_named(struct lat_host *h, const char *name, int32_t *pid);
/* Which service @pid is; "": none. Any thread. */
void lat_host_name_of(struct lat_host *h, int32_t pid, char name[LAT_SERVICE_MAX + 1]);
/* The policy has changed: members who may not be here any more are dismissed, and pids that they may not have are taken. Any thread. */
void lat_host_judge(struct lat_host *h, struct lat_node_cut *cut);

/* Tells @member, if it is one still. Any thread. */
void lat_host_tell(struct lat_host *h, uint64_t member, struct lat_note *n);

/* A life has ended: all members are told, who end what was opened by it. Any thread. */
void lat_host_revoked(struct lat_host *h, struct lat_cap_ref life);

void lat_host_stats(struct lat_host *h, struct lat_stats *s);

#endif
