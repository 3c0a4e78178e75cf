/* keygen, id: who this node is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/words.h"

static const char *dir_for_people(const struct cli_options *opt, char *buf, size_t bytes)
{
	if (opt->dir != NULL)
		return opt->dir;
	return lattice_state_dir(buf, bytes) == 0 ? buf : "the state directory";
}

static void print_json(const struct lattice_identity *id, bool with_key)
{
	struct cli_fingerprint fingerprint;
	char text[LATTICE_KEY_TEXT_MAX];

	cli_fingerprint(&fingerprint, id->fingerprint);
	printf("{\"node\": %" PRIu32 ", \"fingerprint\": \"%s\", \"words\": \"%s\"", id->node,
	       fingerprint.hex, fingerprint.words);
	if (with_key) {
		(void)lattice_identity_format(id, text, sizeof(text));
		printf(", \"text\": ");
		cli_json_text(stdout, text);
	}
	printf("}\n");
}

static void print_key(const struct lattice_identity *id)
{
	char text[LATTICE_KEY_TEXT_MAX];

	(void)lattice_identity_format(id, text, sizeof(text));
	fputs(text, stdout);
}

static int run_keygen(const struct cli_options *opt, int argc, char **argv)
{
	lattice_node_id node = opt->node == CLI_UNSET ? 0 : (lattice_node_id)opt->node;
	struct lattice_identity id;
	char where[4096];
	int rc = lattice_state_keygen(opt->dir, node, &id);

	(void)argc;
	(void)argv;
	if (rc < 0 && rc != -EEXIST)
		return cli_fail(NULL, rc, "no identity was made");
	if (rc == -EEXIST) {
		if (node != 0 && node != id.node)
			return cli_complain("%s is node %" PRIu32
					    " already and was left as it is: for node %" PRIu32
					    " take another directory (-d)",
					    dir_for_people(opt, where, sizeof(where)), id.node, node);
		cli_note("%s has an identity already, this is its public key",
			 dir_for_people(opt, where, sizeof(where)));
	}
	if (opt->json)
		print_json(&id, true);
	else
		print_key(&id);
	return CLI_OK;
}

const struct cli_command cli_keygen = {
	.name = "keygen",
	.args = "",
	.summary = "make this node's identity, print its public key",
	.text = "Makes the identity of the node in the state directory, and the directory when there is none, and prints\n"
		"the public key. Give that text to 'lattice peers add' on the nodes that are to know this one; it is no\n"
		"secret, but must arrive unchanged. Where there is an identity, it is kept and printed again. Without\n"
		"--node the number is derived from the machine.",
	.options = (const int[]){ OPT_DIR, OPT_NODE, OPT_JSON, OPT_HELP, 0 },
	.run = run_keygen,
};

static int run_id(const struct cli_options *opt, int argc, char **argv)
{
	struct cli_fingerprint fingerprint;
	struct lattice_identity id;
	int rc = lattice_state_identity(opt->dir, &id);

	(void)argc;
	(void)argv;
	if (rc < 0)
		return cli_fail(NULL, rc, "who this node is");
	if (opt->json) {
		print_json(&id, opt->print_key);
	} else if (opt->print_key) {
		print_key(&id);
	} else {
		cli_fingerprint(&fingerprint, id.fingerprint);
		printf("node        %" PRIu32 "\nfingerprint %s\nwords       %s\n", id.node, fingerprint.hex,
		       fingerprint.words);
	}
	return CLI_OK;
}

const struct cli_command cli_id = {
	.name = "id",
	.args = "",
	.summary = "say who this node is: number, fingerprint, key",
	.text = "Prints the node's number and the fingerprint of its key, in hexadecimal and as eight words. The words stand\n"
		"for the first half of it and can be read out on the telephone: they must be the ones that 'lattice peers\n"
		"show' prints at the other end. --key prints the public key instead, for 'lattice peers add' elsewhere.",
	.options = (const int[]){ OPT_DIR, OPT_KEY_PRINT, OPT_JSON, OPT_HELP, 0 },
	.run = run_id,
};
