/*
 * Being a member: a node's connection to the host of this machine's node (host.h), from whichever process that is, our own too.
 * One thread serves it and the links to other members (links.h). When the host is gone it looks for the next one, or becomes it;
 * what the node receives as stays claimed meanwhile, and channels that are open go on.
 *
 * Lock order: the node's, then links', then this, then a post's.
 */
#ifndef LAT_NODE_ATTACH_H
#define LAT_NODE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include <lattice/types.h>

#include "base/util.h"
#include "node/note.h"
#include "node/waitq.h"

struct lat_attach;
struct lat_links;
struct lat_lives;
struct lat_node_cut;
struct lat_stats;
struct lattice_node;
struct lattice_node_host;
struct lattice_receiver;

/* How long a call waits for the host, and what it does without one. */
#define LAT_ATTACH_PATIENCE_NS (5 * LAT_NS_PER_S)

struct lat_attach_config {
	struct lattice_node *node;
	lattice_node_id
		number; /* when this process hosts; and then the host's must be it if @number_wanted */
	bool number_wanted;
	bool must_host;  /* -EBUSY when somebody else does */
	bool never_host; /* -ECONNREFUSED when nobody does */
};

/*
 * Attaches, hosting if nobody does. *number: the node's. 0, or with a sentence: as lat_door_find() and lat_door_take(), and
 *   -EBUSY      must_host, and somebody else does
 *   -ECONNREFUSED never_host, and nobody does
 *   -EINVAL     the node here has another number
 *   -EACCES     the host does not let this user in
 *   -ETIMEDOUT  who hosts does not answer
 *   -ENOBUFS    there are too many members
 *   -EAGAIN     no thread to be had
 */
LAT_MUST_CHECK int lat_attach_open(struct lat_attach **out, const struct lat_attach_config *cfg,
				   lattice_node_id *number);
/* Ends it: calls return -ESHUTDOWN, links are cut, the thread is gone. No lock is held. NULL is fine. */
void lat_attach_shutdown(struct lat_attach *a);
/* The memory; nobody uses it any more. NULL is fine. */
void lat_attach_free(struct lat_attach *a);

/*
 * The node receives as @pid, as the service @name (""; none), from now on. Waits for the host. 0, or with a sentence -EADDRINUSE (another
 * process does), -EEXIST (the name is that of another pid), -EACCES, -ENOBUFS, -ENOMEM, -ETIMEDOUT, -ESHUTDOWN, -EMFILE, -ENFILE.
 */
LAT_MUST_CHECK int lat_attach_claim(struct lat_attach *a, int32_t pid, const char *name);
/* No longer. One that it does not is fine. Does not wait. */
void lat_attach_unclaim(struct lat_attach *a, int32_t pid);

/*
 * Sends @n to the host and waits for the answer, which replaces it: *n->rc is the host's. 0, or nobody answered: -ETIMEDOUT,
 * -ESHUTDOWN, -EMFILE, -ENFILE, -ENOMEM.
 */
LAT_MUST_CHECK int lat_attach_ask(struct lat_attach *a, struct lat_note *n, uint64_t deadline_ns);

/*
 * The same for OPEN. *lives: the page that the life in the answer is in, a reference (lat_lives_put()); NULL when it needs none.
 */
LAT_MUST_CHECK int lat_attach_ask_open(struct lat_attach *a, struct lat_note *n, struct lat_lives **lives,
				       uint64_t deadline_ns);

/*
 * Asks for the node's graph: *fd and *bytes as lat_graph_rows_unpack() wants them, *fd the caller's; -1: there is nothing. 0, or the host's
 * -EACCES, -ENOBUFS, -ENOMEM, or as lat_attach_ask().
 */
LAT_MUST_CHECK int lat_attach_graph(struct lat_attach *a, int *fd, uint64_t *bytes, uint64_t deadline_ns);

/*
 * The same for who does not wait. begin: asks; @w is woken when the answer is there, or the node closes. end: whether it is, in
 * call->note; then, or with @give_up, it is over.
 */
struct lat_attach_call {
	struct lat_note note; /* what is asked, then the answer */
	struct lat_waitq answered;
	struct lat_lives *lives; /* as of lat_attach_ask_open(), if it is wanted */
	int fd;                  /* as of lat_attach_graph(), if it is wanted */
	bool wants_lives, wants_fd, done;
	struct lat_attach_call *next;
};
void lat_attach_begin(struct lat_attach *a, struct lat_attach_call *call, struct lat_waiter *w);
bool lat_attach_end(struct lat_attach *a, struct lat_attach_call *call, struct lat_waiter *w, bool give_up);
/* As lat_host_bring(); -ECONNREFUSED also when this process does not host. */
LAT_MUST_CHECK int lat_attach_bring(struct lat_attach *a, struct lat_note *n);
/*
 * Which pid the service @name is: the host is asked. 0, or -ENOENT (there is none), -EACCES, or as lat_attach_ask().
 */
LAT_MUST_CHECK int lat_attach_resolve(struct lat_attach *a, const char *name, int32_t *pid,
				      uint64_t deadline_ns);
/* As lat_host_named(); -ENOENT also when this process does not host. */
LAT_MUST_CHECK int lat_attach_named(struct lat_attach *a, const char *name, int32_t *pid);
/* As lat_host_name_of(), if this process hosts. */
void lat_attach_name_of(struct lat_attach *a, int32_t pid, char name[LAT_SERVICE_MAX + 1]);
/* As lat_host_revoked(), if this process hosts. */
void lat_attach_revoked(struct lat_attach *a, struct lat_cap_ref life);
/* As lat_host_tell(), if this process hosts. */
void lat_attach_tell(struct lat_attach *a, uint64_t member, struct lat_note *n);

/* The policy has changed: as lat_host_judge(), if this process hosts. NULL is fine. */
void lat_attach_judge(struct lat_attach *a, struct lat_node_cut *cut);

/* As lattice_node_host() and lattice_node_receiver(). */
LAT_MUST_CHECK int lat_attach_host(struct lat_attach *a, struct lattice_node_host *out);
LAT_MUST_CHECK int lat_attach_receiver(struct lat_attach *a, int32_t after, struct lattice_receiver *out);

/* ---- for links ---- */

/* The page of the host's that this is attached to, a reference; NULL: there was none. */
struct lat_lives *lat_attach_lives(struct lat_attach *a);
/* Sends RENEW, @n but for member and grant, of a channel within this process. */
void lat_attach_renew_own(struct lat_attach *a, struct lat_note *n);
/* Tells the host, if there is one. Any thread. */
void lat_attach_say(struct lat_attach *a, struct lat_note *n);

struct lat_links *lat_attach_links(struct lat_attach *a);

/* What the thread calls when a descriptor that is watched is ready; its address is what lat_watch_add() is given. */
struct lat_attach_tag {
	void (*ready)(void *owner, bool in, bool out);
	void *owner;
};
int lat_attach_watch(const struct lat_attach *a);
/* The thread calls lat_links_turn() soon. Any thread, whatever locks it holds. */
void lat_attach_poke(struct lat_attach *a);
/* When the last host was lost, 0 while there is one. */
uint64_t lat_attach_lost_ns(struct lat_attach *a);

void lat_attach_stats(struct lat_attach *a, struct lat_stats *s);

#endif
