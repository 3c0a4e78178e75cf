/*
 * What the owner of a node's state directory asks of the node that runs on it, by DIR/control.sock (statsock.h): one line, and lines as the
 * answer.
 *
 *   status          -> a JSON object
 *   reload          -> {"ok":true,"policy":...,"processes":N,"pids":N,"grants":N}, or {"ok":false,"error":"EBADMSG","why":"..."}
 *   audit N text    -> "M LINE" for each record M after N, as lat_audit_text() has it
 *   audit N json    -> the same, as lat_audit_json()
 *   anything else   -> {"ok":false,...}
 */
#ifndef LAT_NODE_CONTROL_H
#define LAT_NODE_CONTROL_H

#include <stddef.h>

struct lattice_node;

enum { LAT_CONTROL_REQUEST_MAX = 64 }; /* bytes, newline included */

/* Gives each line of the answer, its newline included, to @say. */
void lat_control_answer(struct lattice_node *node, const char *request,
			void (*say)(void *ctx, const char *line, size_t bytes), void *ctx);

#endif
