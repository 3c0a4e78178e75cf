/* Sentences for errors (base/why.h), and pieces of them that several files use. */
#ifndef LAT_NODE_EXPLAIN_H
#define LAT_NODE_EXPLAIN_H

#include "base/why.h"

/* What to do when a node does not answer; the number of the node follows. */
#define LAT_HINT_SILENT                                                                                                 \
	"Is it running there ('lattice recv' says its port)? Is this node's key known there ('lattice id --key' here, " \
	"'lattice peers add' there)? Is 'lattice id' there what 'lattice peers show %u' says here? Same mesh key and psk?"
/* Of a node that the process which runs this machine's node does not know; its number follows. */
#define LAT_HINT_UNKNOWN                                                                                                \
	"node %u is not known to the process that runs this machine's node: 'lattice peers add' makes it known to the " \
	"next one that starts"
#define LAT_HINT_NO_NETWORK                                                                                               \
	"the process that hosts this machine's node has no network: end it, and start 'lattice node run' first, or open " \
	"the node with LATTICE_HOST_SELF"
#define LAT_HINT_PORT \
	"'lattice recv' there says which port it has; --at HOST:PORT or 'lattice peers add --at' says it here"

#endif
