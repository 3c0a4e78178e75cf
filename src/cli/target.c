/* Who is meant, and the node that asks. */
#include "cli/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <lattice/node.h>

#include "cli/options.h"
#include "cli/words.h"

struct lookup {
	const char *name, *endpoint; /* one of the two, or else the number */
	lattice_node_id node, also;
	char found[LATTICE_NAME_MAX + 1];
	unsigned count;
};

static int match(void *ctx, const struct lattice_peer *peer)
{
	struct lookup *want = ctx;
	bool is = want->name != NULL       ? strcmp(peer->name, want->name) == 0
		  : want->endpoint != NULL ? strcasecmp(peer->endpoint, want->endpoint) == 0
					   : peer->node == want->node;

	if (!is)
		return 0;
	if (want->count++ > 0) {
		want->also = peer->node;
		return 0;
	}
	want->node = peer->node;
	memcpy(want->found, peer->name, sizeof(want->found));
	return 0;
}

static bool is_name(const char *text, size_t max)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return n > 0 && n <= max && text[n] == '\0' && strspn(text, "0123456789") != n;
}

bool cli_is_service(const char *text)
{
	return is_name(text, LATTICE_SERVICE_MAX);
}

static bool is_endpoint(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (colon == NULL || colon == text || strlen(text) > LATTICE_ENDPOINT_MAX ||
	    !cli_number(colon + 1, 1, 65535, &port))
		return false;
	if (text[0] == '[')
		return colon[-1] == ']' && colon - text > 2;
	return strchr(text, ':') == colon; /* an IPv6 address needs its brackets */
}

static int look_up(struct lookup *want, const struct cli_options *opt)
{
	int rc = lattice_state_peers(opt->dir, match, want);

	if (rc < 0)
		return cli_fail(NULL, rc, "the known nodes cannot be read");
	if (want->count == 0 && want->name != NULL)
		return cli_complain("no node is called '%s' here: 'lattice peers list' shows the known ones, "
				    "'lattice peers add' adds one",
				    want->name);
	return CLI_OK;
}

/* The node whose endpoint that is: the one that --key names, or a peer. */
static int find_endpoint(struct cli_target *t, struct lookup *want, const struct cli_options *opt)
{
	int status;

	if (opt->at != NULL)
		return cli_usage("'%s' says already where it is: --at is too much", want->endpoint);
	memcpy(t->endpoint, want->endpoint, strlen(want->endpoint) + 1);
	if (t->has_key)
		return CLI_OK;
	status = look_up(want, opt);
	if (status != CLI_OK)
		return status;
	if (want->count == 0)
		return cli_complain(
			"no known node is reached at %s, and whose key it must have is not known either: "
			"'lattice peers list' shows the known ones; 'lattice peers add FILE --at %s' adds this "
			"one, --key FILE names its key for this run (FILE: its 'lattice id --key')",
			want->endpoint, want->endpoint);
	if (want->count > 1)
		return cli_complain("node %" PRIu32 " and node %" PRIu32
				    " are both reached at %s: name one, by number",
				    want->node, want->also, want->endpoint);
	return CLI_OK;
}

static int find_node(struct cli_target *t, const struct cli_options *opt, const char *text)
{
	struct lookup want = { 0 };
	int status = CLI_OK;
	uint64_t n;

	if (cli_number(text, 1, UINT32_MAX - 1, &n)) {
		want.node = (lattice_node_id)n;
		if (!t->has_key)
			status = look_up(&want, opt);
	} else if (is_endpoint(text)) {
		want.endpoint = text;
		want.node = t->identity.node;
		status = find_endpoint(t, &want, opt);
	} else if (is_name(text, LATTICE_NAME_MAX)) {
		want.name = text;
		status = look_up(&want, opt);
	} else {
		return cli_usage("'%s' is neither a node's number nor a name, nor HOST:PORT or [IPV6]:PORT",
				 text);
	}
	if (status != CLI_OK)
		return status;
	if (t->has_key && want.node != t->identity.node)
		return cli_complain("%s is the key of node %" PRIu32 ", and '%s' is node %" PRIu32,
				    opt->key_file, t->identity.node, text, want.node);
	t->node = want.node;
	(void)snprintf(t->label, sizeof(t->label), "%" PRIu32 "%s%s%s", t->node,
		       want.found[0] != '\0' ? " (" : "", want.found, want.found[0] != '\0' ? ")" : "");
	return CLI_OK;
}

/* What stands before the '@', or alone: the pid or the service. */
static bool read_receiver(struct cli_target *t, const char *text, size_t length)
{
	char word[LATTICE_SERVICE_MAX + 2];
	uint64_t n;

	if (length >= sizeof(word))
		length = sizeof(word) - 1; /* too long for either */
	memcpy(word, text, length);
	word[length] = '\0';
	if (cli_number(word, 1, INT32_MAX, &n))
		t->pid = (int32_t)n;
	else if (cli_is_service(word))
		memcpy(t->service, word, length + 1);
	else
		return false;
	(void)snprintf(t->label, sizeof(t->label), "%s", word);
	return true;
}

int cli_target_parse(struct cli_target *out, const struct cli_options *opt, const char *text, bool node_only)
{
	const char *at = strchr(text, '@');
	const char *node = at != NULL ? at + 1 : node_only ? text : NULL;
	struct cli_target target = { 0 };
	char receiver[LATTICE_SERVICE_MAX + 1], label[sizeof(target.label)];
	int status;

	if ((at != NULL || !node_only) &&
	    !read_receiver(&target, text, at != NULL ? (size_t)(at - text) : strlen(text)))
		return cli_usage(
			"'%s': a target is PID@NODE or SERVICE@NODE, a pid from 1 up, a service's name of at "
			"most %d letters, digits, '-', '_', '.'",
			text, LATTICE_SERVICE_MAX);
	(void)snprintf(receiver, sizeof(receiver), "%.*s", LATTICE_SERVICE_MAX, target.label);
	if (opt->key_file != NULL) {
		if (node == NULL)
			return cli_usage("--key is another node's, and '%s' is a pid of this one", text);
		status = cli_read_key(opt->key_file, &target.identity);
		if (status != CLI_OK)
			return status;
		target.has_key = true;
	}
	if (node == NULL) {
		*out = target;
		return CLI_OK;
	}
	status = find_node(&target, opt, node);
	if (status != CLI_OK)
		return status;
	memcpy(label, target.label, sizeof(label));
	(void)snprintf(target.label, sizeof(target.label), "%s%s%.*s", at != NULL ? receiver : "node",
		       at != NULL ? "@" : " ", (int)(sizeof(label) - sizeof(receiver) - 1), label);
	*out = target;
	return CLI_OK;
}

int cli_target_find(struct cli_target *t, struct lattice_node *node, int64_t timeout_ns)
{
	int rc, status;

	if (t->service[0] == '\0')
		return CLI_OK;
	rc = lattice_node_resolve(node, t->service, t->node, &t->pid, timeout_ns);
	if (rc == 0)
		return CLI_OK;
	status = cli_fail(node, rc, "to %s", t->label);
	return rc == -ENOENT ? CLI_UNREACHABLE : status; /* as for a pid that nobody receives as */
}

int cli_peer_parse(lattice_node_id *out, const struct cli_options *opt, const char *text)
{
	struct lookup want = { .name = text };
	uint64_t n;
	int status;

	if (cli_number(text, 1, UINT32_MAX - 1, &n)) {
		*out = (lattice_node_id)n;
		return CLI_OK;
	}
	if (!is_name(text, LATTICE_NAME_MAX))
		return cli_usage("'%s' is neither a node's number nor a name", text);
	status = look_up(&want, opt);
	if (status == CLI_OK)
		*out = want.node;
	return status;
}

static int open_network(struct lattice_node **out, const struct cli_options *opt, int port_default)
{
	const struct lattice_node_config cfg = {
		.host = LATTICE_HOST_SELF,
		.port = opt->port == CLI_UNSET ? port_default
			: opt->port == 0       ? LATTICE_PORT_ANY
					       : (int)opt->port,
		.bind_host = opt->bind,
		.state_dir = opt->dir,
		.allow_unlocked_keys = opt->unlocked,
		.policy_file = opt->policy,
		.audit_file = opt->audit,
		.audit_json = opt->audit_format != NULL && strcmp(opt->audit_format, "json") == 0,
	};
	return lattice_node_open(out, &cfg);
}

int cli_node_open(struct lattice_node **out, const struct cli_options *opt, int port_default)
{
	int rc = open_network(out, opt, port_default);

	if (rc < 0)
		return cli_fail(NULL, rc, "this node does not start");
	return CLI_OK;
}

int cli_node_meet(struct lattice_node **out)
{
	int rc = lattice_node_open(out, NULL);

	if (rc < 0)
		return cli_fail(NULL, rc, "this machine's node cannot be reached");
	return CLI_OK;
}

/*
 * The node of the state directory, as part of the process that runs it; where there is no such node yet, the one that this machine's
 * processes share. 0, -ENXIO (another node runs there, number *other), or an error of the library's.
 */
static int join(struct lattice_node **out, const struct cli_options *opt, lattice_node_id *other)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	struct lattice_identity id;
	int found = lattice_state_identity(opt->dir, &id), rc = found;

	if (found == 0 || found == -ENOENT)
		rc = lattice_node_open(out, &cfg);
	if (rc < 0 || found < 0)
		return rc;
	*other = lattice_node_number(*out);
	if (*other == id.node)
		return 0;
	lattice_node_close(*out);
	*out = NULL;
	return -ENXIO;
}

static bool may_join(struct lattice_node **out, const struct cli_options *opt)
{
	lattice_node_id other;

	return join(out, opt, &other) == 0;
}

int cli_node_look(struct lattice_node **out, const struct cli_options *opt)
{
	struct lattice_identity id;
	lattice_node_id other = 0;
	int rc = opt->dir != NULL ? lattice_state_identity(opt->dir, &id) : 0;

	if (rc == 0)
		rc = join(out, opt, &other);
	if (rc == -ENXIO)
		return cli_complain("what runs on this machine is node %" PRIu32
				    ", not the node of that directory",
				    other);
	if (rc < 0)
		return cli_fail(NULL, rc, "no node to look at");
	return CLI_OK;
}

int cli_node_send(struct lattice_node **out, const struct cli_options *opt)
{
	bool asked = opt->bind != NULL || opt->port != CLI_UNSET || opt->unlocked || opt->at != NULL ||
		     opt->key_file != NULL || cli_proto(opt) != 0;
	struct lattice_identity id;
	int rc;

	/* One without an identity knows nobody: it need not be made for this. */
	if (!asked && opt->dir == NULL && lattice_state_identity(NULL, &id) == -ENOENT && may_join(out, opt))
		return CLI_OK;
	rc = open_network(out, opt, LATTICE_PORT_ANY);
	if (rc == -EBUSY && !asked && may_join(out, opt))
		return CLI_OK;
	if (rc == -EBUSY)
		rc = open_network(out, opt,
				  LATTICE_PORT_ANY); /* for its sentence, which the other has replaced */
	if (rc < 0)
		return cli_fail(NULL, rc, "this node does not start");
	return CLI_OK;
}

int cli_node_receive(struct lattice_node **out, const struct cli_options *opt)
{
	bool asked = opt->dir != NULL || opt->bind != NULL || opt->port != CLI_UNSET || opt->unlocked;
	struct lattice_identity id;
	int rc;

	if (!asked && lattice_state_identity(NULL, &id) == -ENOENT)
		return cli_node_meet(out);
	rc = open_network(out, opt, LATTICE_PORT_DEFAULT);
	if (rc == -EBUSY && !asked)
		return cli_node_meet(out);
	if (rc < 0)
		return cli_fail(NULL, rc, "this node does not start");
	return CLI_OK;
}

int cli_node_issue(struct lattice_node **out, const struct cli_options *opt)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_SELF,
						 .port = LATTICE_PORT_ANY,
						 .bind_host = "127.0.0.1",
						 .state_dir = opt->dir };
	struct lattice_identity id;
	int rc = lattice_state_identity(opt->dir, &id);

	if (rc == -ENOENT && opt->dir == NULL && may_join(out, opt))
		return CLI_OK;
	if (rc == -ENOENT)
		return cli_complain(
			"no node runs here, and there is no identity to grant by: 'lattice node run' starts one, 'lattice "
			"keygen' makes an identity");
	if (rc == 0)
		rc = lattice_node_open(out, &cfg);
	if (rc == -EBUSY && may_join(out, opt))
		return CLI_OK;
	if (rc == -EBUSY) /* for its sentence, which the other has replaced */
		rc = lattice_node_open(out, &cfg);
	return rc < 0 ? cli_fail(NULL, rc, "this node does not start") : CLI_OK;
}

static int add_key(struct lattice_node *node, const struct cli_options *opt, const struct cli_target *target)
{
	const char *at = opt->at != NULL ? opt->at : target->endpoint;
	struct lattice_peer peer = { .node = target->node,
				     .proto = cli_proto(opt) != 0 ? cli_proto(opt) : LATTICE_UDP };
	int rc;

	if (strlen(at) > LATTICE_ENDPOINT_MAX)
		return cli_usage("--at is longer than %d letters", LATTICE_ENDPOINT_MAX);
	memcpy(peer.key, target->identity.key, sizeof(peer.key));
	memcpy(peer.endpoint, at, strlen(at) + 1);
	rc = lattice_node_add_peer(node, &peer);
	if (rc < 0)
		return cli_fail(node, rc, "%s", target->label);
	return CLI_OK;
}

int cli_node_reach(struct lattice_node *node, const struct cli_options *opt, const struct cli_target *peer)
{
	struct lattice_peer_stats now;
	int rc;

	if (peer->has_key) {
		int status = add_key(node, opt, peer);

		if (status != CLI_OK || opt->at != NULL || peer->endpoint[0] != '\0')
			return status;
	}
	if (opt->at == NULL && cli_proto(opt) == 0)
		return CLI_OK;
	/* --at alone keeps the transport that the peer is known with. */
	rc = lattice_node_peer(node, peer->node, &now);
	if (rc == 0)
		rc = lattice_node_set_remote(node, peer->node, opt->at,
					     cli_proto(opt) != 0 ? cli_proto(opt) : now.proto);
	if (rc < 0)
		return cli_fail(node, rc, "%s", peer->label);
	return CLI_OK;
}
