/* Targets, "PID@NODE" or "SERVICE@NODE", and the node that a command opens for itself. */
#ifndef LAT_CLI_TARGET_H
#define LAT_CLI_TARGET_H

#include "cli/cmd.h"

#include <lattice/state.h>

struct cli_target {
	int32_t pid;                             /* 0: none given, or */
	char service[LATTICE_SERVICE_MAX + 1];   /* empty: none given */
	lattice_node_id node;                    /* 0: this node */
	char endpoint[LATTICE_ENDPOINT_MAX + 1]; /* as the target says it; empty: it does not */
	bool has_key;                            /* --key: identity is the node's */
	struct lattice_identity identity;
	char label[LATTICE_SERVICE_MAX + LATTICE_NAME_MAX + LATTICE_ENDPOINT_MAX +
		   32]; /* for people: "7@2 (bob)" */
};

/*
 * Reads "PID@NODE", "PID@NAME", "PID@HOST:PORT" or "PID" (of this node), or a service's name in place of PID; with @node_only also
 * without "PID@", and then what stands alone is a node. Names and endpoints are those of the state directory's peers, or --key says whose endpoint it is.
 * CLI_OK, or an exit status after it has said why.
 */
int cli_target_parse(struct cli_target *out, const struct cli_options *opt, const char *text, bool node_only);

/* Whether it may be a service's name; it may be another node's, too. */
bool cli_is_service(const char *text);

/* Finds the pid of the target's service, if it names one. CLI_OK, or an exit status after it has said why. */
int cli_target_find(struct cli_target *t, struct lattice_node *node, int64_t timeout_ns);

/* "NAME" or "N" of a peer. A number need not be known. */
int cli_peer_parse(lattice_node_id *out, const struct cli_options *opt, const char *text);

/* Opens a node with the network. @port_default as in struct lattice_node_config. CLI_OK, or an exit status after it has said why. */
int cli_node_open(struct lattice_node **out, const struct cli_options *opt, int port_default);

/*
 * Opens a node for messages of this machine: part of the one that runs, or, if there is none, of one that the command hosts. CLI_OK, or
 * an exit status after it has said why.
 */
int cli_node_meet(struct lattice_node **out);
/*
 * Opens a node to reach others from: with the network; or, when a process runs the state directory's node already, or the usual directory
 * has no identity and this machine's processes share a node, as part of that, unless an option asks for another port or way to
 * the peer. As the two above.
 */
int cli_node_send(struct lattice_node **out, const struct cli_options *opt);
/*
 * Opens a node to receive on: with the network, if an option or the state directory's identity asks for it; and part of the one
 * that runs on that directory, if one does and no option asks for another. As the others.
 */
int cli_node_receive(struct lattice_node **out, const struct cli_options *opt);

/*
 * Takes part in the node that runs, to look at it: that of the state directory, or what this machine's processes share. CLI_OK, or an exit
 * status after it has said why.
 */
int cli_node_look(struct lattice_node **out, const struct cli_options *opt);

/*
 * Opens a node whose capabilities are to be made, seen or ended: part of the one that runs on the state directory, or, if none does, that one
 * for the command's time. Without an identity: part of what runs on this machine. CLI_OK, or an exit status after it has said why.
 */
int cli_node_issue(struct lattice_node **out, const struct cli_options *opt);

/* Tells @node where and how @peer is reached for this run, and by --key who it is. */
int cli_node_reach(struct lattice_node *node, const struct cli_options *opt, const struct cli_target *peer);

#endif
