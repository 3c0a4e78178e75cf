/*
 * A node's window: DIR/stats.sock. Whoever owns the state directory may connect; he is told about the node, its peers and
 * its counters, and the connection is closed. Nothing is read from it. Beside it DIR/control.sock, where he asks and orders (control.h).
 *
 * JSON, an object per line: one of the node, one per peer, one per channel within the process (hand-offs), one per counter. Texts have no character that JSON would escape.
 *
 *   {"node":2,"port":15000,"process":4711,"version":"0.1.0"}
 *   {"peer":1,"name":"one","endpoint":"h:15000","transport":"udp","key":true,"up":true,"rtt_ns":..., ...}
 *   {"channel":"1->7","handed":12,"p1":0, ... "p9":3}
 *   {"counter":"net.tcp.accepted","value":0,"text":"..."}
 */
#ifndef LAT_NODE_STATSOCK_H
#define LAT_NODE_STATSOCK_H

#include "base/util.h"

struct lat_statsock;
struct lattice_node;

#define LAT_STATSOCK_NAME    "stats.sock"
#define LAT_STATSOCK_CONTROL "control.sock"

/*
 * Opens it in @dir and starts its thread. The node outlives it. 0, or an errno of the system calls: the node can do without.
 */
LAT_MUST_CHECK int lat_statsock_open(struct lat_statsock **out, struct lattice_node *node, const char *dir);
/* Ends the thread, whatever a caller does, and removes the name. No lock is held. NULL is fine. */
void lat_statsock_close(struct lat_statsock *s);

#endif
