/*
 * Why the last call failed, as a sentence: kept per thread, so that it costs no lock, works for calls that made no handle,
 * and is never about somebody else's error.
 */
#ifndef LAT_NODE_EXPLAIN_H
#define LAT_NODE_EXPLAIN_H

#include <stddef.h>

/*
 * Remembers a sentence (what failed, where, why, what to do; without a final period) for lattice_explain(@handle, @rc) on this
 * thread, and returns @rc. @handle NULL: the call made none.
 */
int lat_why(const void *handle, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Makes the sentence about @from one about @handle, if it is that of @rc, which is returned. */
int lat_why_hand(const void *from, const void *handle, int rc);
/* At the start of a call that may fail without a sentence of its own: an older one must not stand for it. */
void lat_why_forget(void);

/* What to do when a node does not answer; the number of the node follows. */
#define LAT_HINT_SILENT                                                                                                 \
	"Is it running there ('lattice recv' says its port)? Is this node's key known there ('lattice id --key' here, " \
	"'lattice peers add' there)? Is 'lattice id' there what 'lattice peers show %u' says here? Same mesh key and psk?"
#define LAT_HINT_PORT \
	"'lattice recv' there says which port it has; --at HOST:PORT or 'lattice peers add --at' says it here"

#endif
