/* keygen, peers add, peers list: who this node is and whom it knows. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "cli/cmd.h"
#include "cli/options.h"

enum {
	KEY_FILE_MAX = 16 * 1024, /* a key's text with whatever comments were written around it */
	FINGERPRINT_TEXT = 2 * LATTICE_FINGERPRINT_BYTES + 1,
};

static const char *dir_for_people(const struct cli_options *opt, char *buf, size_t bytes)
{
	if (opt->dir != NULL)
		return opt->dir;
	return lattice_state_dir(buf, bytes) == 0 ? buf : "the state directory";
}

static void fingerprint_text(char out[FINGERPRINT_TEXT], const uint8_t fp[LATTICE_FINGERPRINT_BYTES])
{
	for (size_t i = 0; i < LATTICE_FINGERPRINT_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", fp[i]);
}

/* Reads all of @path ("-": standard input), at most @max bytes. The length, or -1 after it has said why. */
static ssize_t read_file(const char *path, char *buf, size_t max)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n = -1;

	while (fd >= 0 && got < max) {
		n = read(fd, buf + got, max - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (fd < 0 || n < 0)
		(void)cli_complain("%s: %s", path, strerror(errno));
	if (fd >= 0 && fd != STDIN_FILENO)
		close(fd);
	if (fd < 0 || n < 0)
		return -1;
	if (got == max) {
		(void)cli_complain("%s: too long for what is expected there", path);
		return -1;
	}
	return (ssize_t)got;
}

static int run_keygen(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_identity id;
	char text[LATTICE_KEY_TEXT_MAX], where[4096];
	int rc = lattice_state_keygen(opt->dir, opt->node, &id);

	(void)argc;
	(void)argv;
	if (rc < 0 && rc != -EEXIST)
		return cli_fail(NULL, rc, "no identity was made");
	if (rc == -EEXIST) {
		if (opt->node != 0 && opt->node != id.node)
			return cli_complain("%s is node %" PRIu32
					    " already and was left as it is: for node %" PRIu32
					    " take another directory (-d)",
					    dir_for_people(opt, where, sizeof(where)), id.node, opt->node);
		cli_note("%s has an identity already, this is its public key",
			 dir_for_people(opt, where, sizeof(where)));
	}
	(void)lattice_identity_format(&id, text, sizeof(text));
	fputs(text, stdout);
	return CLI_OK;
}

const struct cli_command cli_keygen = {
	.name = "keygen",
	.args = "",
	.summary = "make this node's identity, print its public key",
	.text = "Makes the identity of the node in the state directory, and the directory when there is none, and prints\n"
		"the public key. Give that text to 'lattice peers add' on the nodes that are to know this one; it is no\n"
		"secret, but must arrive unchanged. Where there is an identity, it is kept and printed again.",
	.options = (const int[]){ OPT_DIR, OPT_NODE, OPT_HELP, 0 },
	.run = run_keygen,
};

static int run_peers_add(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_identity id;
	struct lattice_peer peer = { 0 };
	char text[KEY_FILE_MAX], fingerprint[FINGERPRINT_TEXT];
	ssize_t length;
	int rc;

	(void)argc;
	if (opt->name != NULL && strlen(opt->name) > LATTICE_NAME_MAX)
		return cli_usage("--name is longer than %d letters", LATTICE_NAME_MAX);
	if (opt->at != NULL && strlen(opt->at) > LATTICE_ENDPOINT_MAX)
		return cli_usage("--at is longer than %d letters", LATTICE_ENDPOINT_MAX);
	length = read_file(argv[0], text, sizeof(text));
	if (length < 0)
		return CLI_FAILED;
	rc = lattice_identity_parse(&id, text, (size_t)length);
	if (rc < 0)
		return cli_fail(NULL, rc, "%s is not a node's public key", argv[0]);

	peer.node = id.node;
	peer.proto = opt->proto != 0 ? opt->proto : LATTICE_UDP;
	memcpy(peer.key, id.key, sizeof(peer.key));
	if (opt->name != NULL)
		memcpy(peer.name, opt->name, strlen(opt->name) + 1);
	if (opt->at != NULL)
		memcpy(peer.endpoint, opt->at, strlen(opt->at) + 1);
	if (opt->psk_file != NULL) {
		length = read_file(opt->psk_file, text, sizeof(text));
		if (length < 0)
			return CLI_FAILED;
		if (!cli_base64_key(text, (size_t)length, peer.psk)) {
			explicit_bzero(text, sizeof(text));
			return cli_complain(
				"%s: not 32 bytes in base64; 'head -c 32 /dev/urandom | base64' makes some",
				opt->psk_file);
		}
		explicit_bzero(text, sizeof(text));
	}
	rc = lattice_state_peer_add(opt->dir, &peer);
	explicit_bzero(peer.psk, sizeof(peer.psk));
	if (rc < 0)
		return cli_fail(NULL, rc, "node %" PRIu32 " was not added", peer.node);
	fingerprint_text(fingerprint, id.fingerprint);
	printf("node %" PRIu32 "%s%s%s: %s%s over %s, fingerprint %s\n", peer.node,
	       opt->name != NULL ? " (" : "", peer.name, opt->name != NULL ? ")" : "",
	       opt->at != NULL ? "at " : "it calls us", peer.endpoint,
	       peer.proto == LATTICE_TCP ? "TCP" : "UDP", fingerprint);
	return CLI_OK;
}

const struct cli_command cli_peers_add = {
	.name = "peers add",
	.args = "FILE|-",
	.summary = "let this node know another one",
	.text = "Reads the other node's public key, as its 'lattice keygen' printed it (-: from standard input), and\n"
		"keeps it: the two can talk once each has the other's key. Without --at this node cannot call the\n"
		"other, only be called. The same node again, with the same key, is replaced by what is given now. A node\n"
		"that is running reads its peers when it starts.",
	.options = (const int[]){ OPT_DIR, OPT_NAME, OPT_AT, OPT_UDP, OPT_TCP, OPT_PSK, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_peers_add,
};

struct listing {
	bool json;
	size_t count;
};

static int print_peer(void *ctx, const struct lattice_peer *peer)
{
	static const uint8_t none[LATTICE_PSK_BYTES];
	struct listing *list = ctx;
	const char *proto = peer->proto == LATTICE_TCP ? "tcp" : "udp";
	bool psk = memcmp(peer->psk, none, sizeof(none)) != 0;

	if (list->json)
		printf("%s\n  {\"node\": %" PRIu32
		       ", \"name\": \"%s\", \"endpoint\": \"%s\", \"transport\": \"%s\", \"psk\": %s}",
		       list->count == 0 ? "" : ",", peer->node, peer->name, peer->endpoint, proto,
		       psk ? "true" : "false");
	else
		printf("%-10" PRIu32 " %-16s %-24s %s%s\n", peer->node,
		       peer->name[0] != '\0' ? peer->name : "-",
		       peer->endpoint[0] != '\0' ? peer->endpoint : "(it calls us)", proto,
		       psk ? " psk" : "");
	list->count++;
	return 0;
}

static int run_peers_list(const struct cli_options *opt, int argc, char **argv)
{
	struct listing list = { .json = opt->json };
	int rc;

	(void)argc;
	(void)argv;
	if (opt->json)
		printf("[");
	rc = lattice_state_peers(opt->dir, print_peer, &list);
	if (opt->json)
		printf("%s]\n", list.count > 0 ? "\n" : "");
	if (rc < 0)
		return cli_fail(NULL, rc, "the list ends here");
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
