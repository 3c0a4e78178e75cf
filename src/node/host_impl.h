/* A host's inside, for the files that share it: host.c (its members, its thread), host_channels.c (channels between them) and host_graph.c
 * (a picture of all of it). */
#ifndef LAT_NODE_HOST_IMPL_H
#define LAT_NODE_HOST_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "node/audit.h"
#include "node/claims.h"
#include "node/graphrow.h"
#include "node/host.h"
#include "node/note.h"
#include "node/post.h"
#include "os/thread.h"

struct member;

/* What the watch tells of. */
struct tag {
	enum { TAG_STOP, TAG_DOOR, TAG_NOTES, TAG_PROCESS } what;
	struct member *member;
};

struct member {
	struct lat_post post;
	struct lat_credentials cred;
	struct tag notes, process;
	int pidfd; /* -1: none */
	bool greeted, gone;
	enum { LAT_SHOW_NOT, LAT_SHOW_ASKED, LAT_SHOW_FAILED } show; /* its part of the graph */
	struct member *next, **at;                                   /* all of them */
	struct member *dead;                                         /* next of those to be freed */
	UT_hash_handle hh; /* by number: those that have said HELLO */
};

/* A channel to a pid, old or new, or a question for a service, whose member has not come back from the host before. */
struct waiting {
	struct waiting *next;
	struct member *member;
	struct lat_note note;
};

/* A picture of the graph, which is made for all who have asked by then. */
struct lat_host_graph {
	struct lat_graph_asker {
		uint64_t member;
		uint32_t token;
	} waits[LAT_HOST_ASKERS_MAX], served[LAT_HOST_ASKERS_MAX]; /* for the next one; by this one */
	uint32_t wait_count, served_count;
	uint32_t token;       /* of this one */
	uint32_t to_show;     /* members whose part is missing */
	uint64_t deadline_ns; /* when it is made without; 0: none is being made */
	uint64_t next_ns;     /* when the next one may begin */
	struct lat_graph_rows rows;
};

struct lat_host {
	pthread_mutex_t lock; /* of all but the counters: the thread at work, lat_host_bring() */
	struct lat_door_held door;
	struct lat_claims *claims;
	struct member *all, *greeted, *dead;
	lattice_node_id number;
	uint64_t uplink;
	uint32_t uplink_len_max;
	struct lat_probes *probes;
	struct lat_grants *grants;
	struct lat_standing *standing;
	struct lat_lives *lives;
	struct lat_audit *audit;
	uint32_t strangers, waiting_count;
	struct waiting *waiting;
	struct lat_host_graph graph;
	uint64_t grace_ns;  /* until then pids may be claimed again; 0: over */
	uint64_t resume_ns; /* when to accept again; UINT64_MAX: it does */
	int watch, stop;
	struct tag stop_tag, door_tag;
	struct lat_thread thread;
	_Atomic(uint64_t) members, pids, introduced, refused, broke, lost;
};

static inline void lat_host_count(_Atomic(uint64_t) *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The lock is held by who calls what follows. */

/* Counts and records what @m may not. @in: the note that asked for it; NULL: none. */
void lat_host_refused(struct lat_host *h, const struct member *m, enum lat_audit_act act,
		      const struct lat_note *in, int rc);

/* Of those that have said HELLO; NULL: none. */
struct member *lat_host_member(struct lat_host *h, uint64_t id);
/* The peer broke a rule, or does not read. */
void lat_host_drop(struct lat_host *h, struct member *m, int rc);
/* 0, -EPIPE (it is gone), or it is dropped. */
int lat_host_say(struct lat_host *h, struct member *m, struct lat_note *n);

/* Those that wait for a pid, or a name, to be claimed. true: @in, of @m, waits from now on. */
bool lat_host_wait_for_claim(struct lat_host *h, struct member *m, const struct lat_note *in);
/* Those who waited for what is claimed; NULL: all. */
void lat_host_go_on(struct lat_host *h, const struct lat_note *claim);
void lat_host_forget_waiting(struct lat_host *h, const struct member *m);

/* What members say. */
void lat_host_on_open(struct lat_host *h, struct member *m, const struct lat_note *in);
void lat_host_on_renew(struct lat_host *h, struct member *m, const struct lat_note *in);
void lat_host_on_meet(struct lat_host *h, struct member *m, const struct lat_note *in);
void lat_host_on_resolve(struct lat_host *h, struct member *m, const struct lat_note *in);

/* ---- host_graph.c ---- */

void lat_host_on_graph(struct lat_host *h, struct member *m, const struct lat_note *in);
/* SHOWN, whose descriptors stay the caller's. */
void lat_host_on_shown(struct lat_host *h, struct member *m, const struct lat_note *in, const int *fds,
		       size_t count);
/* It is gone, or could not be heard (@failed): its part will not come. */
void lat_host_graph_without(struct lat_host *h, struct member *m, bool failed);
/* At the end of each turn; and when there has to be one. UINT64_MAX: not for this. */
void lat_host_graph_turn(struct lat_host *h);
uint64_t lat_host_graph_due(const struct lat_host *h);

#endif
