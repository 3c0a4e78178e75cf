/*
 * The tables of struct lat_tcp, and what follows when one of them changes: a connection that ends is told to the node it was
 * kept for, and one is opened again. The caller holds the lock of struct lat_tcp.
 */
#ifndef LAT_NET_KEPT_H
#define LAT_NET_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcp.h"

/* now + ns, saturating. */
static inline uint64_t lat_tcp_after(uint64_t now, uint64_t ns)
{
	return ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
}

/* lat_tcp_turn() has something to do at @when. */
void lat_tcp_due_locked(struct lat_tcp *t, uint64_t when);

/* NULL: there is none, or no more. */
struct lat_conn *lat_tcp_conn_find_locked(struct lat_tcp *t, uint32_t id);
/* Enters a new connection and watches it. NULL: no memory; @fd is closed. */
struct lat_conn *lat_tcp_conn_add_locked(struct lat_tcp *t, int fd, const struct lat_path *peer,
					 bool outgoing);
/*
 * Ends it, out of every table but that of its node. The I/O thread may be inside with it: it is freed at the end of a
 * turn. Twice is fine.
 */
void lat_tcp_conn_kill_locked(struct lat_tcp *t, struct lat_conn *c);
/* Ends it, and whoever it was kept for hears why. Twice is fine. */
void lat_tcp_conn_fail_locked(struct lat_tcp *t, struct lat_conn *c, int err);

/* NULL: there is none. */
struct lat_kept *lat_kept_find_locked(struct lat_tcp *t, uint32_t node);
/* The entry of @node, made if there is none. 0, -ENOBUFS (LAT_DRIVER_KEPT_MAX) or -ENOMEM. */
LAT_MUST_CHECK int lat_kept_get_locked(struct lat_tcp *t, uint32_t node, struct lat_kept **out);
/* Something of @k is to be told. */
void lat_kept_note_locked(struct lat_tcp *t, struct lat_kept *k);
/* That its connection came up is to be told. */
void lat_kept_note_up_locked(struct lat_tcp *t, struct lat_kept *k);
/* The node has no connection now: that is to be told, and where an address is known one is opened in time. */
void lat_kept_lost_locked(struct lat_tcp *t, struct lat_kept *k, uint64_t now, int err);
/* Opens one to k->to. That it could not even begin is told like any other loss. */
void lat_kept_dial_locked(struct lat_tcp *t, struct lat_kept *k, uint64_t now);

#endif
