/* cap grant, attenuate, show, list, revoke: who may send to whom. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <lattice/cap.h>
#include <lattice/endpoint.h>
#include <lattice/error.h>
#include <lattice/node.h>
#include <lattice/state.h>

#include "cli/capability.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/target.h"
#include "cli/words.h"

#define WAIT_DEFAULT_NS (INT64_C(10) * 1000000000)

enum { HOLDER_TEXT = 128 };

/* ---- reading what is said ---- */

/* "send,call" */
static int read_rights(const char *text, uint32_t *out)
{
	uint32_t rights = 0;

	while (*text != '\0') {
		size_t length = strcspn(text, ",");
		char name[16];
		uint32_t right;

		(void)snprintf(name, sizeof(name), "%.*s", (int)(length < 16 ? length : 15), text);
		right = lattice_right_of(name);
		if (right == 0)
			return cli_usage("'%.*s' is none of the rights send, open, call, bulk, grant, "
					 "grant-reply, listen, receive",
					 (int)length, text);
		rights |= right;
		text += length;
		if (*text == ',' && *++text == '\0')
			return cli_usage("--rights ends with a comma");
	}
	if ((rights & (LATTICE_RIGHT_SEND | LATTICE_RIGHT_CALL)) != 0)
		rights |= LATTICE_RIGHT_OPEN; /* nothing is sent but on a channel */
	*out = rights;
	return CLI_OK;
}

/* "100/s" or "100" */
static int read_rate(const char *text, uint32_t *out)
{
	size_t length = strlen(text);
	char digits[24];
	uint64_t n;

	if (length > 2 && strcmp(text + length - 2, "/s") == 0)
		length -= 2;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)(length < 24 ? length : 23), text);
	if (!cli_number(digits, 1, UINT32_MAX, &n))
		return cli_usage("--rate cannot be '%s', but messages a second, as 100/s", text);
	*out = (uint32_t)n;
	return CLI_OK;
}

/* "7d", "12h", "30m", "90s" from now on */
static int read_expiry(const char *text, uint64_t *out)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t length = strlen(text);
	char digits[24];
	uint64_t n;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (length < 2 || length > sizeof(digits) || text[length - 1] != units[i].unit)
			continue;
		(void)snprintf(digits, sizeof(digits), "%.*s", (int)(length - 1), text);
		if (!cli_number(digits, 1, UINT32_MAX, &n))
			break;
		*out = (uint64_t)time(NULL) + n * units[i].seconds;
		return CLI_OK;
	}
	return cli_usage(
		"--expires cannot be '%s', but a number of days, hours, minutes or seconds, as 7d, 12h, 30m, 90s",
		text);
}

/* A known node by name or number, "user:NAME" of this machine, or a fingerprint. */
static int read_holder(const struct cli_options *opt, const char *text,
		       uint8_t holder[LATTICE_CAP_HOLDER_BYTES])
{
	uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES];
	const struct passwd *user;
	struct lattice_peer peer;
	lattice_node_id node;
	uint64_t uid;
	int rc, status;

	if (strncmp(text, "user:", 5) == 0) {
		if (!cli_number(text + 5, 0, UINT32_MAX - 1, &uid)) {
			user = getpwnam(text + 5);
			if (user == NULL)
				return cli_complain("there is no user '%s' on this machine", text + 5);
			uid = user->pw_uid;
		}
		lattice_cap_holder_user(holder, (uint32_t)uid);
		return CLI_OK;
	}
	if (cli_fingerprint_parse(text, fingerprint)) {
		memcpy(holder, fingerprint, LATTICE_CAP_HOLDER_BYTES);
		return CLI_OK;
	}
	status = cli_peer_parse(&node, opt, text);
	if (status != CLI_OK)
		return status;
	rc = lattice_state_peer_get(opt->dir, node, &peer);
	if (rc < 0)
		return cli_fail(NULL, rc, "node %" PRIu32, node);
	memcpy(holder, peer.fingerprint, LATTICE_CAP_HOLDER_BYTES);
	explicit_bzero(&peer, sizeof(peer));
	return CLI_OK;
}

static int read_terms(const struct cli_options *opt, struct lattice_cap_terms *terms)
{
	int status = CLI_OK;

	*terms = (struct lattice_cap_terms){ .src = opt->as == CLI_UNSET ? 0 : (int32_t)opt->as };
	if (opt->badge != CLI_UNSET)
		terms->badge = (uint32_t)opt->badge;
	if (opt->uses != CLI_UNSET)
		terms->uses = (uint64_t)opt->uses;
	if (opt->max_bytes != CLI_UNSET)
		terms->max_msg_bytes = (uint32_t)opt->max_bytes;
	terms->bearer = opt->bearer;
	if (opt->rights != NULL)
		status = read_rights(opt->rights, &terms->rights);
	if (status == CLI_OK && opt->rate != NULL)
		status = read_rate(opt->rate, &terms->rate_per_s);
	if (status == CLI_OK && opt->expires != NULL)
		status = read_expiry(opt->expires, &terms->expires);
	if (status == CLI_OK && opt->to != NULL)
		status = read_holder(opt, opt->to, terms->holder);
	return status;
}

/* Before anything is made: whether it can be written where it is to be. */
static int check_output(const struct cli_options *opt)
{
	struct stat st;

	if (opt->cap_output == NULL || opt->force || lstat(opt->cap_output, &st) < 0)
		return CLI_OK;
	return cli_complain("%s is there already: --force replaces it, and with it what it holds",
			    opt->cap_output);
}

/* To the file that was named, or as a line. */
static int write_cap(const struct cli_options *opt, const struct lattice_cap *cap)
{
	char line[LATTICE_CAP_TEXT_MAX];
	struct lattice_cap_info info;
	int rc = lattice_cap_info(cap, &info);

	if (rc == 0 && opt->cap_output != NULL) {
		rc = lattice_cap_write(cap, opt->cap_output);
		if (rc == 0 && opt->json)
			printf("{\"id\": \"%" PRIu32 ".%" PRIu32 "\", \"file\": true}\n", info.slot,
			       info.gen);
		else if (rc == 0)
			printf("%" PRIu32 ".%" PRIu32 " is in %s\n", info.slot, info.gen, opt->cap_output);
	} else if (rc == 0) {
		rc = lattice_cap_text(cap, line, sizeof(line));
		if (rc >= 0 && opt->json)
			printf("{\"id\": \"%" PRIu32 ".%" PRIu32 "\", \"capability\": \"%s\"}\n", info.slot,
			       info.gen, line);
		else if (rc >= 0)
			printf("%s\n", line);
		explicit_bzero(line, sizeof(line));
	}
	return rc < 0 ? cli_fail(NULL, rc, "the capability cannot be written") : CLI_OK;
}

/* ---- in words ---- */

struct whose {
	const uint8_t *holder;
	char *text;
};

static int match_holder(void *ctx, const struct lattice_peer *peer)
{
	const struct whose *w = ctx;

	if (memcmp(peer->fingerprint, w->holder, LATTICE_CAP_HOLDER_BYTES) != 0)
		return 0;
	(void)snprintf(w->text, HOLDER_TEXT, "node %" PRIu32 "%s%s%s", peer->node,
		       peer->name[0] != '\0' ? " (" : "", peer->name, peer->name[0] != '\0' ? ")" : "");
	return 1;
}

static const char *holder_text(const struct cli_options *opt, const struct lattice_cap_info *info,
			       char out[HOLDER_TEXT])
{
	struct whose w = { info->holder, out };
	const struct passwd *user;
	uint32_t uid;

	if (info->bearer) {
		(void)snprintf(out, HOLDER_TEXT, "whoever has it");
	} else if (lattice_cap_holder_is_user(info->holder, &uid)) {
		user = getpwuid(uid);
		(void)snprintf(out, HOLDER_TEXT, "user %" PRIu32 "%s%.64s%s", uid, user != NULL ? " (" : "",
			       user != NULL ? user->pw_name : "", user != NULL ? ")" : "");
	} else if (lattice_state_peers(opt->dir, match_holder, &w) != 1) {
		int n = snprintf(out, HOLDER_TEXT, "the node whose fingerprint begins with ");

		for (size_t i = 0; i < LATTICE_CAP_HOLDER_BYTES; i++)
			n += snprintf(out + n, HOLDER_TEXT - (size_t)n, "%02x", info->holder[i]);
	}
	return out;
}

static void print_rights(uint32_t rights, const char *quote)
{
	bool first = true;

	for (uint32_t right = 1; right <= LATTICE_RIGHT_RECEIVE; right <<= 1) {
		const char *name = (rights & right) != 0 ? lattice_right_name(right) : NULL;

		if (name == NULL)
			continue;
		printf("%s%s%s%s", first ? "" : ", ", quote, name, quote);
		first = false;
	}
	if (first && *quote == '\0')
		printf("nothing");
}

static bool is_over(const struct lattice_cap_info *info)
{
	return info->expires != 0 && (uint64_t)time(NULL) > info->expires;
}

static const char *expiry_text(const struct lattice_cap_info *info, char out[64])
{
	time_t at = (time_t)info->expires;
	struct tm tm;

	if (info->expires == 0)
		(void)snprintf(out, 64, "never");
	else if (info->expires > INT64_C(253402300799) || gmtime_r(&at, &tm) == NULL)
		(void)snprintf(out, 64, "after the year 9999");
	else
		(void)strftime(out, 64, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return out;
}

static void print_cap_json(const struct cli_options *opt, const struct lattice_cap_info *info, bool issuers)
{
	char holder[HOLDER_TEXT];

	printf("{\"id\": \"%" PRIu32 ".%" PRIu32 "\", \"node\": %" PRIu32 ", \"to\": %" PRId32
	       ", \"from\": %" PRId32 ", \"rights\": [",
	       info->slot, info->gen, info->node, info->dst, info->src);
	print_rights(info->rights, "\"");
	printf("], \"bearer\": %s, \"holder\": \"%s\", \"max_bytes\": %" PRIu32 ", \"rate\": %" PRIu32
	       ", \"expires\": %" PRIu64 ", \"expired\": %s",
	       info->bearer ? "true" : "false", holder_text(opt, info, holder), info->max_msg_bytes,
	       info->rate_per_s, info->expires, is_over(info) ? "true" : "false");
	if (!issuers)
		printf(", \"limits_added\": %" PRIu32, info->caveat_count);
	else
		printf(", \"badge\": %" PRIu32 ", \"parent\": \"%" PRIu32 ".%" PRIu32 "\"", info->badge,
		       info->parent_slot, info->parent_gen);
	if (issuers && info->uses != UINT64_MAX)
		printf(", \"uses\": %" PRIu64, info->uses);
	printf("}\n");
}

static void print_cap(const struct cli_options *opt, const struct lattice_cap_info *info)
{
	char holder[HOLDER_TEXT], expiry[64];

	printf("id       %" PRIu32 ".%" PRIu32 " of node %" PRIu32 "\nto       pid %" PRId32 "\nfrom     ",
	       info->slot, info->gen, info->node, info->dst);
	if (info->src == LATTICE_CAP_ANY)
		printf("any pid");
	else
		printf("pid %" PRId32, info->src);
	printf("\nholder   %s\nallows   ", holder_text(opt, info, holder));
	print_rights(info->rights, "");
	printf("\nlongest  %" PRIu32 " bytes\nrate     ", info->max_msg_bytes);
	if (info->rate_per_s != 0)
		printf("%" PRIu32 " messages a second", info->rate_per_s);
	else
		printf("any");
	printf("\nexpires  %s%s\nlimits   %" PRIu32 " were added since it was granted\n",
	       expiry_text(info, expiry), is_over(info) ? ": it is over" : "", info->caveat_count);
}

/* ---- the commands ---- */

/* The pid that a service has, or will have. */
static int32_t pid_of(struct lattice_node *node, const char *service)
{
	int32_t pid;

	return lattice_node_resolve(node, service, 0, &pid, WAIT_DEFAULT_NS) == 0
		       ? pid
		       : lattice_service_pid(service);
}

static int run_cap_grant(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_node *node = NULL;
	struct lattice_cap_terms terms;
	struct lattice_cap *cap;
	uint64_t pid = 0; /* 0: argv[0] is a service */
	int rc, status;

	(void)argc;
	if (!cli_number(argv[0], 1, INT32_MAX, &pid) && !cli_is_service(argv[0]))
		return cli_usage("'%s' is neither a pid of this node, from 1 up, nor a service of it",
				 argv[0]);
	if (opt->rights == NULL)
		return cli_usage("--rights says what it is to allow: --rights send, say");
	if ((opt->to != NULL) == opt->bearer)
		return cli_usage("either --to, or --bearer for whoever gets hold of it");
	status = check_output(opt);
	if (status == CLI_OK)
		status = read_terms(opt, &terms);
	if (status == CLI_OK)
		status = cli_node_issue(&node, opt);
	if (status != CLI_OK)
		return status;
	terms.dst = pid != 0 ? (int32_t)pid : pid_of(node, argv[0]);
	rc = lattice_cap_grant(&cap, node, &terms);
	if (rc < 0) {
		status = cli_fail(node, rc, "nothing was granted");
	} else {
		status = write_cap(opt, cap);
		lattice_cap_free(cap);
	}
	lattice_node_close(node);
	return status;
}

const struct cli_command cli_cap_grant = {
	.name = "cap grant",
	.args = "PID|SERVICE",
	.summary = "make a capability: the right to send to a pid of this node",
	.text = "Prints a capability, a line of text, or writes it to a file that only its owner may read. It is a secret: who has\n"
		"it, and is the holder that it names, has the right. A running node grants; where none runs, the state directory's.\n"
		"A service that does not run is granted by the pid that it has unless it asks for another.",
	.options = (const int[]){ OPT_TO, OPT_BEARER, OPT_RIGHTS, OPT_BADGE, OPT_AS, OPT_RATE, OPT_MAX_BYTES,
				  OPT_EXPIRES, OPT_USES, OPT_CAP_OUTPUT, OPT_FORCE, OPT_DIR, OPT_JSON,
				  OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_cap_grant,
};

static int run_cap_attenuate(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_cap *cap, *less;
	struct lattice_cap_terms terms;
	int rc, status = check_output(opt);

	(void)argc;
	if (status == CLI_OK)
		status = read_terms(opt, &terms);
	if (status == CLI_OK)
		status = cli_capability_read(argv[0], &cap);
	if (status != CLI_OK)
		return status;
	rc = lattice_cap_attenuate(&less, cap, &terms);
	lattice_cap_free(cap);
	if (rc < 0)
		return cli_fail(NULL, rc, "%s", argv[0]);
	status = write_cap(opt, less);
	lattice_cap_free(less);
	return status;
}

const struct cli_command cli_cap_attenuate = {
	.name = "cap attenuate",
	.args = "FILE",
	.summary = "make one that allows less, to pass on",
	.text = "Reads a capability (-: from standard input) and prints one that allows less. Nobody is asked. Both end together, when\n"
		"the issuer revokes the first.",
	.options = (const int[]){ OPT_TO, OPT_RIGHTS, OPT_AS, OPT_RATE, OPT_MAX_BYTES, OPT_EXPIRES,
				  OPT_CAP_OUTPUT, OPT_FORCE, OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_cap_attenuate,
};

static int run_cap_show(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_cap_info info = { 0 };
	struct lattice_cap *cap;
	int rc, status = cli_capability_read(argv[0], &cap);

	(void)argc;
	if (status != CLI_OK)
		return status;
	rc = lattice_cap_info(cap, &info);
	lattice_cap_free(cap);
	if (rc < 0)
		return cli_fail(NULL, rc, "%s", argv[0]);
	if (opt->json)
		print_cap_json(opt, &info, false);
	else
		print_cap(opt, &info);
	return CLI_OK;
}

const struct cli_command cli_cap_show = {
	.name = "cap show",
	.args = "FILE",
	.summary = "say what a capability allows, and whom",
	.text = "Reads a capability (-: from standard input) and prints what it allows, all that it was narrowed by counted in. Whether\n"
		"it was revoked only its issuer knows.",
	.options = (const int[]){ OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_cap_show,
};

static void print_row(const struct cli_options *opt, const struct lattice_cap_info *info)
{
	char id[24], holder[HOLDER_TEXT], expiry[64];

	(void)snprintf(id, sizeof(id), "%" PRIu32 ".%" PRIu32, info->slot, info->gen);
	printf("%-10s pid %-8" PRId32 " %s: ", id, info->dst, holder_text(opt, info, holder));
	print_rights(info->rights, "");
	if (info->parent_gen != 0)
		printf("; of %" PRIu32 ".%" PRIu32, info->parent_slot, info->parent_gen);
	if (info->badge != 0)
		printf("; badge %" PRIu32, info->badge);
	if (info->uses != UINT64_MAX)
		printf("; %" PRIu64 " uses left", info->uses);
	if (info->expires != 0)
		printf("; %s %s", is_over(info) ? "expired" : "expires", expiry_text(info, expiry));
	putchar('\n');
}

static int run_cap_list(const struct cli_options *opt, int argc, char **argv)
{
	struct lattice_node *node;
	struct lattice_cap_info info;
	int rc, status = cli_node_issue(&node, opt);

	(void)argc;
	(void)argv;
	if (status != CLI_OK)
		return status;
	for (int64_t at = -1; (rc = lattice_cap_next(node, at, &info)) == 0; at = info.slot) {
		if (opt->json)
			print_cap_json(opt, &info, true);
		else
			print_row(opt, &info);
	}
	if (rc != -ENOENT)
		status = cli_fail(node, rc, "the capabilities cannot be listed");
	lattice_node_close(node);
	return status;
}

const struct cli_command cli_cap_list = {
	.name = "cap list",
	.args = "",
	.summary = "list the capabilities that this node gave out, and that live",
	.text = "A line each: its id, the pid that it leads to, its holder, what it allows.",
	.options = (const int[]){ OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.run = run_cap_list,
};

/* "SLOT.GEN" */
static bool read_id(const char *text, uint32_t *slot, uint32_t *gen)
{
	const char *dot = strchr(text, '.');
	char first[16];
	uint64_t a, b;

	if (dot == NULL || (size_t)(dot - text) >= sizeof(first))
		return false;
	(void)snprintf(first, sizeof(first), "%.*s", (int)(dot - text), text);
	if (!cli_number(first, 0, UINT32_MAX, &a) || !cli_number(dot + 1, 1, UINT32_MAX, &b))
		return false;
	*slot = (uint32_t)a;
	*gen = (uint32_t)b;
	return true;
}

/* A capability in a file, which must be of @node. CLI_OK, or an exit status after it has said why. */
static int read_ours(const struct lattice_node *node, const char *path, struct lattice_cap **out)
{
	struct lattice_cap_info info = { 0 };
	int rc, status = cli_capability_read(path, out);

	if (status != CLI_OK)
		return status;
	rc = lattice_cap_info(*out, &info);
	if (rc == 0 && info.node == lattice_node_number(node))
		return CLI_OK;
	lattice_cap_free(*out);
	*out = NULL;
	return rc < 0 ? cli_fail(NULL, rc, "%s", path)
		      : cli_complain("%s is a capability of node %" PRIu32 ", and this is node %" PRIu32
				     ": only its issuer can revoke it",
				     path, info.node, lattice_node_number(node));
}

static void print_told(const struct cli_options *opt, const struct lattice_cap_told *told)
{
	if (opt->json) {
		printf("{\"ended\": %" PRIu32 ", \"channels\": %" PRIu32 ", \"told\": %" PRIu32
		       ", \"nodes\": %" PRIu32 ", \"ns\": %" PRIu64 "}\n",
		       told->ended, told->channels, told->told, told->nodes, told->ns);
		return;
	}
	printf("%" PRIu32 " %s ended", told->ended,
	       told->ended == 1 ? "capability has" : "capabilities have");
	if (told->channels == 0)
		printf("; no channel from another node was open by %s\n", told->ended == 1 ? "it" : "them");
	else
		printf("; of %" PRIu32 " channels from other nodes that were cut, the senders of %" PRIu32
		       " know, on %" PRIu32 " nodes, after %.2f ms\n",
		       told->channels, told->told, told->nodes, (double)told->ns / 1e6);
}

static int run_cap_revoke(const struct cli_options *opt, int argc, char **argv)
{
	int64_t wait = !opt->wait ? 0 : opt->timeout_ns != CLI_UNSET ? opt->timeout_ns : WAIT_DEFAULT_NS;
	uint8_t holder[LATTICE_CAP_HOLDER_BYTES];
	struct lattice_cap_told told = { 0 };
	struct lattice_cap *cap = NULL; /* NULL: by its id, or its holder */
	struct lattice_node *node;
	uint32_t slot = 0, gen = 0;
	int rc, status;

	if ((argc == 1) == (opt->peer != NULL))
		return cli_usage("either ID or FILE, or --peer");
	status = opt->peer != NULL ? read_holder(opt, opt->peer, holder) : CLI_OK;
	if (status == CLI_OK)
		status = cli_node_issue(&node, opt);
	if (status != CLI_OK)
		return status;
	if (opt->peer == NULL && !read_id(argv[0], &slot, &gen))
		status = read_ours(node, argv[0], &cap);
	if (status == CLI_OK) {
		rc = opt->peer != NULL ? lattice_cap_revoke_holder(node, holder, &told, wait)
		     : cap != NULL     ? lattice_cap_revoke_shown(node, cap, &told, wait)
				       : lattice_cap_revoke(node, slot, gen, &told, wait);
		if (rc < 0)
			status = cli_fail(node, rc, "%s",
					  told.ended > 0 ? "revoked, but" : "nothing was revoked");
		if (rc == 0 || told.ended > 0)
			print_told(opt, &told);
		if (rc == 0 && opt->peer != NULL)
			cli_note(
				"what it is allowed without a capability it may open again: take its lines out of the policy "
				"('lattice node reload'); where there is none, 'lattice peers remove', and start the node again");
		if (rc == 0 && opt->wait && told.told < told.channels) {
			(void)cli_complain(
				"not every sender was told in time: one that is out of reach learns it when "
				"it is back");
			status = CLI_UNREACHABLE;
		}
	}
	lattice_cap_free(cap);
	lattice_node_close(node);
	return status;
}

const struct cli_command cli_cap_revoke = {
	.name = "cap revoke",
	.args = "ID|FILE",
	.summary = "end a capability, and all that were made of it",
	.text = "ID is as 'lattice cap list' prints it, FILE has the capability (one whose name looks like an ID: ./FILE), which is\n"
		"not revoked if it is forged. Channels that were opened by it are cut at once: no message of it is received any more. With --wait it waits until every\n"
		"sender on another node was told, and says on how many nodes they are and how long it took. With --peer all that name one\n"
		"holder end, and what it has open; what the policy, or being a known peer, allows it without a capability it may open again.",
	.options = (const int[]){ OPT_PEER, OPT_WAIT, OPT_TIMEOUT, OPT_DIR, OPT_JSON, OPT_HELP, 0 },
	.args_max = 1,
	.run = run_cap_revoke,
};
