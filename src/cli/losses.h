/* What of its channels a receiver has told to be lost, so that each loss is told once. */
#ifndef LAT_CLI_LOSSES_H
#define LAT_CLI_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

#include <lattice/types.h>

enum {
	LOSSES_MAX = 64
}; /* channels; of more the one that was heard of first is forgotten, and may be told of again */

struct losses {
	struct {
		lattice_node_id node;
		int32_t source;
		uint64_t lost;
	} of[LOSSES_MAX];
	unsigned count;
};

/* A message of @source at @node says that @lost of its channel are lost. Whether that is news. */
bool losses_note(struct losses *l, lattice_node_id node, int32_t source, uint64_t lost);

#endif
