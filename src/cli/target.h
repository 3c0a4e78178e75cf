/* Targets, "PID@NODE", and the node that a command opens for itself. */
#ifndef LAT_CLI_TARGET_H
#define LAT_CLI_TARGET_H

#include "cli/cmd.h"

#include <lattice/state.h>

struct cli_target {
	int32_t pid;                       /* 0: none given */
	lattice_node_id node;              /* 0: this node */
	char label[LATTICE_NAME_MAX + 32]; /* for people: "7@2 (bob)" */
};

/*
 * Reads "PID@NODE", "PID@NAME" or "PID" (of this node); with @node_only "NODE" and "NAME" as well, and then a lone number is a
 * node. Names come from the state directory's peers. CLI_OK, or an exit status after it has said why.
 */
int cli_target_parse(struct cli_target *out, const struct cli_options *opt, const char *text, bool node_only);

/* Opens a node with the network. @port_default as in struct lattice_node_config. CLI_OK, or an exit status after it has said why. */
int cli_node_open(struct lattice_node **out, const struct cli_options *opt, int port_default);

/* Applies --at, --udp and --tcp to @peer for this run. */
int cli_node_reach(struct lattice_node *node, const struct cli_options *opt, const struct cli_target *peer);

#endif
