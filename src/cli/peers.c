/* peers add, list, show, remove: whom this node knows. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/target.h"
#include "cli/words.h"

static bool any(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return true;
	return false;
}

static const char *transport(const struct lattice_peer *peer)
{
	static const char *const names[] = {
		[LATTICE_UDP] = "udp", [LATTICE_TCP] = "tcp", [LATTICE_TCP_TRANSIENT] = "tcp-transient"
	};

	return names[peer->proto];
}

static void print_json(const struct lattice_peer *peer)
{
	struct cli_fingerprint fingerprint;

	cli_fingerprint(&fingerprint, peer->fingerprint);
	/* Name and endpoint have no character that JSON would escape. */
	printf("{\"node\": %" PRIu32
	       ", \"name\": \"%s\", \"endpoint\": \"%s\", \"transport\": \"%s\", \"psk\": %s, "
	       "\"key\": %s, \"fingerprint\": \"%s\", \"words\": \"%s\"}\n",
	       peer->node, peer->name, peer->endpoint, transport(peer),
	       any(peer->psk, sizeof(peer->psk)) ? "true" : "false",
	       any(peer->key, sizeof(peer->key)) ? "true" : "false", fingerprint.hex, fingerprint.words);
}

static void print_one(const struct lattice_peer *peer)
{
	struct cli_fingerprint fingerprint;

	cli_fingerprint(&fingerprint, peer->fingerprint);
	printf("node        %" PRIu32 "%s%s%s\n", peer->node, peer->name[0] != '\0' ? " (" : "", peer->name,
	       peer->name[0] != '\0' ? ")" : "");
	printf("reached     %s%s over %s\n", peer->endpoint[0] != '\0' ? "at " : "it calls us",
	       peer->endpoint,
	       peer->proto == LATTICE_UDP   ? "UDP"
	       : peer->proto == LATTICE_TCP ? "TCP"
					    : "TCP, without a connection that stays");
	printf("psk         %s\n", any(peer->psk, sizeof(peer->psk)) ? "yes" : "no");
	printf("key         %s\n",
	       any(peer->key, sizeof(peer->key))
		       ? "here"
		       : "missing: run 'lattice id --key' there and 'lattice peers add' here");
	printf("fingerprint %s\nwords       %s\n", fingerprint.hex, fingerprint.words);
}

/* ---- add ---- */

static int read_psk(const char *path, struct lattice_peer *peer)
{
	char text[KEY_FILE_MAX];
	ssize_t length = cli_read_file(path, text, sizeof(text));
	bool fine = length >= 0 && cli_base64_key(text, (size_t)length, peer->psk);

	explicit_bzero(text, sizeof(text));
	if (length >= 0 && !fine)
		(void)cli_complain(
			"%s: not 32 bytes in base64; 'head -c 32 /dev/urandom | base64' makes some", path);
	return fine ? CLI_OK : CLI_FAILED;
}

/* The number, key and fingerprint, from FILE or from the options. */
static int read_who(struct lattice_peer *peer, const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_identity id;
	int status;

	if (opt->fingerprint != NULL && !cli_fingerprint_parse(opt->fingerprint, peer->fingerprint))
		return cli_usage("--fingerprint is not 64 hexadecimal digits, as 'lattice id' prints them");
	if (argc == 0) {
		if (opt->fingerprint == NULL || opt->node == CLI_UNSET)
			return cli_usage("either FILE, or --node and --fingerprint");
		peer->node = (lattice_node_id)opt->node;
		return CLI_OK;
	}
	status = cli_read_key(argv[0], &id);
	if (status != CLI_OK)
		return status;
	if (opt->node != CLI_UNSET && opt->node != (int64_t)id.node)
		return cli_complain("%s is the key of node %" PRIu32 ", not of node %" PRId64, argv[0],
				    id.node, opt->node);
	peer->node = id.node;
	memcpy(peer->key, id.key, sizeof(peer->key));
	return CLI_OK;
}

static int run_peers_add(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_peer peer = { 0 }, known = { 0 };
	int status, rc;

	if (opt->name != NULL && strlen(opt->name) > LATTICE_NAME_MAX)
		return cli_usage("--name is longer than %d letters", LATTICE_NAME_MAX);
	if (opt->at != NULL && strlen(opt->at) > LATTICE_ENDPOINT_MAX)
		return cli_usage("--at is longer than %d letters", LATTICE_ENDPOINT_MAX);
	status = read_who(&peer, opt, argc, argv);
	if (status != CLI_OK)
		return status;
	/* A key that completes a fingerprint leaves what was said of the node as it is. */
	rc = lattice_state_peer_get(opt->dir, peer.node, &known);
	if (rc == 0 && argc > 0 && !any(known.key, sizeof(known.key))) {
		memcpy(peer.name, known.name, sizeof(peer.name));
		memcpy(peer.endpoint, known.endpoint, sizeof(peer.endpoint));
		memcpy(peer.psk, known.psk, sizeof(peer.psk));
		peer.proto = known.proto;
	}
	explicit_bzero(&known, sizeof(known));
	if (cli_proto(opt) != 0 || peer.proto == 0)
		peer.proto = cli_proto(opt) != 0 ? cli_proto(opt) : LATTICE_UDP;
	if (opt->name != NULL)
		memcpy(peer.name, opt->name, strlen(opt->name) + 1);
	if (opt->at != NULL)
		memcpy(peer.endpoint, opt->at, strlen(opt->at) + 1);
	if (opt->psk != NULL)
		status = read_psk(opt->psk, &peer);
	if (status != CLI_OK)
		goto out;
	rc = lattice_state_peer_add(opt->dir, &peer);
	if (rc == 0)
		rc = lattice_state_peer_get(opt->dir, peer.node, &peer);
	if (rc < 0)
		status = cli_fail(NULL, rc, "node %" PRIu32 " was not added", peer.node);
	else if (opt->json)
		print_json(&peer);
	else
		print_one(&peer);
out:
	explicit_bzero(&peer, sizeof(peer));
	return status;
}

const struct cli_command cli_peers_add = {
	.name = "peers add",
	.args = "FILE|-",
	.summary = "let this node know another one",
	.text = "Reads the other node's public key, as 'lattice id --key' prints it there (-: from standard input), and\n"
		"keeps it: the two can talk once each has the other's key. Prints the fingerprint: compare it, or its\n"
		"words, with what 'lattice id' prints there. Without --at this node cannot call the other, only be called.\n"
		"The same node again, with the same key, is replaced by what is given now. Instead of FILE, --node and\n"
		"--fingerprint say which key the node must have; until that key is added it cannot be talked to. A node\n"
		"that is running reads its peers when it starts.",
	.options = (const int[]){ OPT_DIR, OPT_NAME, OPT_AT, OPT_UDP, OPT_TCP, OPT_TRANSIENT, OPT_PSK,
				  OPT_NODE, OPT_FINGERPRINT, OPT_JSON, OPT_HELP, 0 },
	.args_max = 1,
	.run = run_peers_add,
};

/* ---- list, show, remove ---- */

struct listing {
	bool json;
	size_t count;
};

static int print_peer(void *ctx, const struct lattice_peer *peer)
{
	struct listing *list = ctx;

	list->count++;
	if (list->json)
		print_json(peer);
	else
		printf("%-10" PRIu32 " %-16s %-24s %s%s%s\n", peer->node,
		       peer->name[0] != '\0' ? peer->name : "-",
		       peer->endpoint[0] != '\0' ? peer->endpoint : "(it calls us)", transport(peer),
		       any(peer->psk, sizeof(peer->psk)) ? " psk" : "",
		       any(peer->key, sizeof(peer->key)) ? "" : " (key missing)");
	return 0;
}

static int run_peers_list(const struct cli_options *opt, int argc, char **argv)
{
	struct listing list = { .json = opt->json };
	int rc = lattice_state_peers(opt->dir, print_peer, &list);

	(void)argc;
	(void)argv;
	if (rc < 0)
		return cli_fail(NULL, rc, "the known nodes cannot be read");
	if (list.count == 0 && !opt->json)
		cli_note("no other node is known here: 'lattice peers add' adds one");
	return CLI_OK;
}

const struct cli_command cli_peers_list = {
	.name = "peers list",
	.args = "",
	.summary = "show the nodes that this one knows",
	.text = "One line per node: its number, its name, where it is reached, by which transport.",
	.options = (const int[]){ OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.run = run_peers_list,
};

static int run_peers_show(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_peer peer;
	lattice_node_id node;
	int rc, status = cli_peer_parse(&node, opt, argv[0]);

	(void)argc;
	if (status != CLI_OK)
		return status;
	rc = lattice_state_peer_get(opt->dir, node, &peer);
	if (rc < 0)
		return cli_fail(NULL, rc, "node %" PRIu32, node);
	if (opt->json)
		print_json(&peer);
	else
		print_one(&peer);
	explicit_bzero(&peer, sizeof(peer));
	return CLI_OK;
}

const struct cli_command cli_peers_show = {
	.name = "peers show",
	.args = "NAME|N",
	.summary = "show what is known of one node",
	.text = "Prints the node's number and name, where it is reached, and the fingerprint of its key, in hexadecimal and\n"
		"as words: the node is the right one when 'lattice id' prints the same there.",
	.options = (const int[]){ OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_peers_show,
};

static int run_peers_remove(const struct cli_options *opt, int argc, char **argv)
{
	lattice_node_id node;
	int rc, status = cli_peer_parse(&node, opt, argv[0]);

	(void)argc;
	if (status != CLI_OK)
		return status;
	rc = lattice_state_peer_remove(opt->dir, node);
	if (rc < 0)
		return cli_fail(NULL, rc, "node %" PRIu32 " was not removed", node);
	if (opt->json)
		printf("{\"removed\": %" PRIu32 "}\n", node);
	else
		printf("node %" PRIu32 " is forgotten\n", node);
	return CLI_OK;
}

const struct cli_command cli_peers_remove = {
	.name = "peers remove",
	.args = "NAME|N",
	.summary = "forget a node",
	.text = "Forgets the node and its key: the two cannot talk any more, and another key may be added for its number. A\n"
		"node that is running knows its peers until it ends.",
	.options = (const int[]){ OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_peers_remove,
};
