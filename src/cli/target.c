/* Who is meant, and the node that asks. */
#include "cli/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <lattice/node.h>

#include "cli/options.h"

struct lookup {
	const char *name;
	lattice_node_id node;
	struct lattice_peer found;
	bool any;
};

static int match(void *ctx, const struct lattice_peer *peer)
{
	struct lookup *want = ctx;

	if (want->name != NULL ? strcmp(peer->name, want->name) != 0 : peer->node != want->node)
		return 0;
	want->node = peer->node;
	want->any = true;
	want->found.proto = peer->proto;
	memcpy(want->found.name, peer->name, sizeof(peer->name));
	return 1;
}

static bool is_name(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return n > 0 && n <= LATTICE_NAME_MAX && text[n] == '\0' && strspn(text, "0123456789") != n;
}

int cli_target_parse(struct cli_target *out, const struct cli_options *opt, const char *text, bool node_only)
{
	const char *at = strchr(text, '@');
	const char *node = at != NULL ? at + 1 : node_only ? text : NULL;
	struct cli_target target = { 0 };
	struct lookup want = { 0 };
	uint64_t n;
	int rc;

	if (at != NULL || !node_only) {
		char pid[16];
		size_t length = at != NULL ? (size_t)(at - text) : strlen(text);

		if (length >= sizeof(pid))
			length = sizeof(pid) - 1; /* too long for a number anyway */
		memcpy(pid, text, length);
		pid[length] = '\0';
		if (!cli_number(pid, 1, INT32_MAX, &n))
			return cli_usage("'%s': a target is PID@NODE, a pid from 1 up", text);
		target.pid = (int32_t)n;
	}
	if (node == NULL) {
		(void)snprintf(target.label, sizeof(target.label), "%" PRId32, target.pid);
		*out = target;
		return CLI_OK;
	}
	if (cli_number(node, 1, UINT32_MAX - 1, &n))
		want.node = (lattice_node_id)n;
	else if (is_name(node))
		want.name = node;
	else
		return cli_usage("'%s' is neither a node's number nor a name", node);
	rc = lattice_state_peers(opt->dir, match, &want);
	if (rc < 0)
		return cli_fail(NULL, rc, "the known nodes cannot be read");
	if (!want.any && want.name != NULL)
		return cli_complain("no node is called '%s' here: 'lattice peers list' shows the known ones, "
				    "'lattice peers add' adds one",
				    want.name);
	target.node = want.node;
	(void)snprintf(target.label, sizeof(target.label),
		       at != NULL ? "%.*s@%" PRIu32 "%s%s%s" : "%.*snode %" PRIu32 "%s%s%s",
		       at != NULL ? (int)(at - text) : 0, text, target.node,
		       want.found.name[0] != '\0' ? " (" : "", want.found.name,
		       want.found.name[0] != '\0' ? ")" : "");
	*out = target;
	return CLI_OK;
}

int cli_node_open(struct lattice_node **out, const struct cli_options *opt, int port_default)
{
	const struct lattice_node_config cfg = {
		.host = LATTICE_HOST_SELF,
		.port = opt->port != 0 ? opt->port : port_default,
		.bind_host = opt->bind,
		.state_dir = opt->dir,
		.allow_unlocked_keys = opt->unlocked,
	};
	int rc = lattice_node_open(out, &cfg);

	if (rc < 0)
		return cli_fail(NULL, rc, "this node does not start");
	return CLI_OK;
}

int cli_node_reach(struct lattice_node *node, const struct cli_options *opt, const struct cli_target *peer)
{
	struct lattice_peer_stats now;
	int rc;

	if (opt->at == NULL && opt->proto == 0)
		return CLI_OK;
	/* --at alone keeps the transport that the peer is known with. */
	rc = lattice_node_peer(node, peer->node, &now);
	if (rc == 0)
		rc = lattice_node_set_remote(node, peer->node, opt->at,
					     opt->proto != 0 ? opt->proto : now.proto);
	if (rc < 0)
		return cli_fail(node, rc, "%s", peer->label);
	return CLI_OK;
}
