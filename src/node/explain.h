/* Sentences for errors (base/why.h), and pieces of them that several files use. */
#ifndef LAT_NODE_EXPLAIN_H
#define LAT_NODE_EXPLAIN_H

#include "base/why.h"

/* What to do when a node does not answer; the number of the node follows. */
#define LAT_HINT_SILENT                                                                                                 \
	"Is it running there ('lattice recv' says its port)? Is this node's key known there ('lattice id --key' here, " \
	"'lattice peers add' there)? Is 'lattice id' there what 'lattice peers show %u' says here? Same mesh key and psk?"
#define LAT_HINT_PORT \
	"'lattice recv' there says which port it has; --at HOST:PORT or 'lattice peers add --at' says it here"

#endif
