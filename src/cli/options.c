/* Reading options, and the text forms that the command accepts. */
#include "cli/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/node.h>

enum { OPTIONS_MAX = 32 };

#define FLAG(id_, name_, field, help_)                                            \
	{                                                                         \
		.id = (id_), .name = (name_), .help = (help_), .kind = KIND_FLAG, \
		.offset = offsetof(struct cli_options, field)                     \
	}
#define TAKES(kind_, id_, name_, arg_, field, help_)                                           \
	{                                                                                      \
		.id = (id_), .name = (name_), .arg = (arg_), .help = (help_), .kind = (kind_), \
		.offset = offsetof(struct cli_options, field)                                  \
	}
#define NUMBER(id_, name_, arg_, field, min_, max_, help_)                                         \
	{                                                                                          \
		.id = (id_), .name = (name_), .arg = (arg_), .help = (help_), .kind = KIND_NUMBER, \
		.offset = offsetof(struct cli_options, field), .min = (min_), .max = (max_)        \
	}

static const struct cli_row rows[] = {
	TAKES(KIND_FOLDER, OPT_DIR, "dir", "DIR", dir,
	      "the state directory (else $LATTICE_STATE_DIR, else the user's own)"),
	NUMBER(OPT_NODE, "node", "N", node, 1, UINT32_MAX - 1, "the node's number"),
	TAKES(KIND_NAME, OPT_NAME, "name", "NAME", name,
	      "a name for the node, to be used instead of its number"),
	TAKES(KIND_NAME, OPT_AT, "at", "HOST:PORT", at, "where the other node is reached"),
	FLAG(OPT_UDP, "udp", udp, "over UDP"),
	FLAG(OPT_TCP, "tcp", tcp, "over TCP"),
	FLAG(OPT_TRANSIENT, "tcp-transient", transient,
	     "over TCP, by connections that are closed when they are idle"),
	TAKES(KIND_NAME, OPT_FINGERPRINT, "fingerprint", "HEX", fingerprint,
	      "the fingerprint that the node's key must have"),
	TAKES(KIND_FILE, OPT_PSK, "psk", "FILE", psk,
	      "32 secret bytes in base64 that only these two nodes share"),
	TAKES(KIND_FILE, OPT_KEY_FILE, "key", "FILE", key_file,
	      "the other node's public key, for this run (its 'lattice id --key')"),
	FLAG(OPT_KEY_PRINT, "key", print_key, "the public key, for 'lattice peers add' elsewhere"),
	TAKES(KIND_TEXT, OPT_TEXT, "message", "TEXT", text, "send this text"),
	TAKES(KIND_FILE, OPT_FILE, "file", "FILE", file, "send this file (-: standard input, as one file)"),
	NUMBER(OPT_FROM, "from", "PID", from, 1, INT32_MAX,
	       "the sender's pid (1, or the process's if that is taken)"),
	NUMBER(OPT_TYPE, "type", "N", type, 0, INT32_MAX, "the message's type (0)"),
	NUMBER(OPT_COUNT, "count", "N", count, 1, UINT32_MAX,
	       "end after N messages; with -o after N files (1)"),
	TAKES(KIND_FILE, OPT_OUTPUT, "output", "FILE", output,
	      "write the file that is received here; the next ones to FILE.2, FILE.3, ..."),
	NUMBER(OPT_COUNT_PINGS, "count", "N", count, 1, 1000000, "how many pings (10)"),
	TAKES(KIND_SECONDS, OPT_INTERVAL, "interval", "SECONDS", interval_ns,
	      "from one ping to the next (0.1); 0: at once"),
	TAKES(KIND_SECONDS, OPT_INTERVAL_LOOKS, "interval", "SECONDS", interval_ns,
	      "with --live: from one look to the next (1)"),
	TAKES(KIND_SECONDS, OPT_TIMEOUT, "timeout", "SECONDS", timeout_ns, "the longest wait"),
	NUMBER(OPT_PORT, "port", "P", port, 0, 65535, "this node's UDP and TCP port; 0: the kernel chooses"),
	TAKES(KIND_NAME, OPT_BIND, "bind", "ADDRESS", bind, "this node's address (all)"),
	NUMBER(OPT_ROUNDS, "rounds", "N", rounds, 1, 1000, "how often each subject has its turn (9)"),
	NUMBER(OPT_SLICE, "slice", "MS", slice_ms, 1, 10000, "how long a turn is, in milliseconds (20)"),
	NUMBER(OPT_WARM_UP, "warm-up", "MS", warm_up_ms, 0, 10000,
	       "what comes before it and does not count (4)"),
	TAKES(KIND_NAME, OPT_CORES, "cores", "A,B", cores,
	      "the two cores to use (the first two that are not one's threads)"),
	TAKES(KIND_NAME, OPT_ONLY, "only", "NAMES", only,
	      "these subjects, or what these goals need, with commas between"),
	TAKES(KIND_FILE, OPT_PLOT, "plot", "FILE", plot, "the goals as a picture (SVG)"),
	TAKES(KIND_NAME, OPT_TO, "to", "HOLDER", to,
	      "who alone may use it: a known node, user:NAME of this machine, or a fingerprint"),
	FLAG(OPT_BEARER, "bearer", bearer, "whoever has it may use it"),
	TAKES(KIND_NAME, OPT_RIGHTS, "rights", "LIST", rights,
	      "what it allows, with commas between: send, call (both bring open), bulk, grant, ..."),
	NUMBER(OPT_BADGE, "badge", "N", badge, 1, UINT32_MAX,
	       "what receivers are told of it; its holder has no say in it"),
	NUMBER(OPT_AS, "as", "PID", as, 1, INT32_MAX, "the only pid that may send by it"),
	TAKES(KIND_NAME, OPT_RATE, "rate", "N/s", rate, "at most so many messages a second, as 100/s"),
	NUMBER(OPT_MAX_BYTES, "max-bytes", "N", max_bytes, 12, UINT32_MAX,
	       "the longest message, with its 12 bytes of pids and type"),
	TAKES(KIND_NAME, OPT_EXPIRES, "expires", "TIME", expires, "for so long: 7d, 12h, 30m, 90s"),
	NUMBER(OPT_USES, "uses", "N", uses, 1, INT64_MAX, "for so many channels"),
	TAKES(KIND_FILE, OPT_CAPABILITY, "cap", "FILE", capability,
	      "the capability to send by ('lattice cap grant')"),
	TAKES(KIND_FILE, OPT_CAP_OUTPUT, "output", "FILE", cap_output,
	      "write it to this file, which only its owner may read"),
	TAKES(KIND_NAME, OPT_PEER, "peer", "HOLDER", peer, "all that name this holder (as --to)"),
	FLAG(OPT_WAIT, "wait", wait, "until every sender on another node knows, --timeout at most (10)"),
	FLAG(OPT_FOLLOW, "follow", follow, "go on as more come, until it is interrupted"),
	FLAG(OPT_DOT, "dot", dot, "as text for graphviz"),
	FLAG(OPT_SVG, "svg", svg, "as a picture (SVG), which graphviz draws"),
	FLAG(OPT_LIVE, "live", live, "again and again, until it is interrupted"),
	FLAG(OPT_FORCE, "force", force, "even if there is such a file: it is replaced"),
	FLAG(OPT_LIST, "list", list, "what would be measured, measuring nothing"),
	TAKES(KIND_FILE, OPT_POLICY, "config", "FILE", policy,
	      "who may do what on this node, by user, group and peer"),
	TAKES(KIND_FILE, OPT_AUDIT, "audit", "FILE", audit,
	      "where what is refused is written: a file, stderr, or none (where the policy says)"),
	TAKES(KIND_NAME, OPT_AUDIT_FORMAT, "audit-format", "FORMAT", audit_format, "text, or json"),
	FLAG(OPT_STATS, "stats", stats, "at the end the node's counters, on standard error"),
	FLAG(OPT_JSON, "json", json, "the result as JSON, an object per line"),
	FLAG(OPT_UNLOCKED, "allow-unlocked-keys", unlocked,
	     "go on when the kernel refuses to lock the keys' memory"),
	FLAG(OPT_VERBOSE, "verbose", verbose, "say more"),
	FLAG(OPT_HELP, "help", help, "this text"),
};

int cli_letter(int id)
{
	return id < OPT_LONG ? id : id >= OPT_OTHER ? id - OPT_OTHER : 0;
}

const struct cli_row *cli_row(int id)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].id == id)
			return &rows[i];
	return NULL;
}

const char *cli_kind_name(enum cli_kind kind)
{
	static const char *const names[] = { "flag", "text", "name", "file", "folder", "number", "seconds" };

	return names[kind];
}

enum lattice_proto cli_proto(const struct cli_options *opt)
{
	return opt->udp ? LATTICE_UDP : opt->tcp ? LATTICE_TCP : opt->transient ? LATTICE_TCP_TRANSIENT : 0;
}

bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	if (n < min || n > max)
		return false;
	*out = n;
	return true;
}

static bool seconds(const char *text, int64_t *out_ns)
{
	char *end;
	double s;

	/* strtod(3) also takes white space, signs, exponents and hexadecimal. */
	if (text[strspn(text, "0123456789.")] != '\0')
		return false;
	s = strtod(text, &end);
	if (end == text || *end != '\0' || s > 1e6)
		return false;
	*out_ns = (int64_t)(s * 1e9);
	return true;
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

bool cli_base64_key(const char *text, size_t bytes, uint8_t out[32])
{
	static const char space[] = " \t\r\n";
	uint8_t key[33] = { 0 };
	size_t count = 0;
	bool fine = false;

	while (bytes > 0 && text[0] != '\0' && strchr(space, text[0]) != NULL) {
		text++;
		bytes--;
	}
	while (bytes > 0 && text[bytes - 1] != '\0' && strchr(space, text[bytes - 1]) != NULL)
		bytes--;
	if (bytes != 44 || text[43] != '=') /* 32 bytes are 43 digits and one '=' */
		return false;
	for (size_t i = 0; i < 44; i += 4) {
		uint32_t group = 0;

		for (size_t k = 0; k < 4; k++) {
			int digit = i + k == 43 ? 0 : base64_digit(text[i + k]);

			if (digit < 0)
				goto out;
			group = group << 6 | (uint32_t)digit;
		}
		key[count++] = (uint8_t)(group >> 16);
		key[count++] = (uint8_t)(group >> 8);
		key[count++] = (uint8_t)group;
	}
	fine = key[32] == 0; /* else bits that no byte needs: not what an encoder wrote */
	if (fine)
		memcpy(out, key, 32);
out:
	explicit_bzero(key, sizeof(key));
	return fine;
}

/* One option. 0, or -1 with a complaint. */
static int take(struct cli_options *opt, const struct cli_row *row, const char *arg)
{
	char *field = (char *)opt + row->offset;
	uint64_t n = 0;
	int64_t value = 0;
	bool fine = true, yes = true;

	switch (row->kind) {
	case KIND_FLAG:
		memcpy(field, &yes, sizeof(yes));
		break;
	case KIND_NAME:
	case KIND_FILE:
	case KIND_FOLDER:
	case KIND_TEXT:
		fine = row->kind == KIND_TEXT || *arg != '\0';
		memcpy(field, &arg, sizeof(arg));
		break;
	case KIND_NUMBER:
		fine = cli_number(arg, row->min, row->max, &n);
		value = (int64_t)n;
		memcpy(field, &value, sizeof(value));
		break;
	case KIND_SECONDS:
		fine = seconds(arg, &value);
		memcpy(field, &value, sizeof(value));
		break;
	}
	if (!fine && row->kind == KIND_NUMBER)
		(void)cli_usage("--%s cannot be '%s', but a number from %" PRIu64 " to %" PRIu64, row->name,
				arg, row->min, row->max);
	else if (!fine && row->kind == KIND_SECONDS)
		(void)cli_usage("--%s cannot be '%s', but seconds, as 1.5", row->name, arg);
	else if (!fine)
		(void)cli_usage("--%s cannot be '%s'", row->name, arg);
	else if (opt->udp + opt->tcp + opt->transient > 1)
		(void)cli_usage(opt->transient ? "one of --udp, --tcp and --tcp-transient"
					       : "either --udp or --tcp, not both");
	else
		return 0;
	return -1;
}

int cli_options_parse(struct cli_options *opt, const struct cli_command *cmd, int argc, char **argv)
{
	struct option longs[OPTIONS_MAX + 1] = { 0 };
	char shorts[2 * OPTIONS_MAX + 2] = ":"; /* ':': tells a missing argument from an unknown option */
	size_t count = 0, at = 1;
	int id;

	for (const int *o = cmd->options; *o != 0 && count < OPTIONS_MAX; o++, count++) {
		const struct cli_row *row = cli_row(*o);

		longs[count] = (struct option){ .name = row->name,
						.has_arg = row->arg != NULL ? required_argument : no_argument,
						.val = row->id };
		if (cli_letter(*o) != 0) {
			shorts[at++] = (char)cli_letter(*o);
			if (row->arg != NULL)
				shorts[at++] = ':';
		}
	}
	*opt = (struct cli_options){ .node = CLI_UNSET,
				     .port = CLI_UNSET,
				     .from = CLI_UNSET,
				     .type = CLI_UNSET,
				     .count = CLI_UNSET,
				     .badge = CLI_UNSET,
				     .as = CLI_UNSET,
				     .max_bytes = CLI_UNSET,
				     .uses = CLI_UNSET,
				     .rounds = CLI_UNSET,
				     .slice_ms = CLI_UNSET,
				     .warm_up_ms = CLI_UNSET,
				     .interval_ns = CLI_UNSET,
				     .timeout_ns = CLI_UNSET };
	opterr = 0;
	optind = 1;
	while ((id = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (id == ':') {
			(void)cli_usage("%s needs a value", argv[optind - 1]);
			return -1;
		}
		if (id == '?') {
			/* A letter that there is was complained of as its long name, with a value. */
			if (optopt != 0 && optopt < OPT_LONG && strchr(shorts, optopt) == NULL)
				(void)cli_usage("there is no option -%c", optopt);
			else
				(void)cli_usage("%s is not understood", argv[optind - 1]);
			return -1;
		}
		for (const int *o = cmd->options; *o != 0; o++)
			if (cli_letter(*o) == id)
				id = *o;
		if (take(opt, cli_row(id), optarg) < 0)
			return -1;
	}
	return optind;
}

void cli_options_print(const struct cli_command *cmd)
{
	for (const int *o = cmd->options; *o != 0; o++) {
		const struct cli_row *row = cli_row(*o);
		char left[64];

		(void)snprintf(left, sizeof(left), "%s--%s%s%s",
			       cli_letter(*o) != 0
				       ? (const char[]){ '-', (char)cli_letter(*o), ',', ' ', '\0' }
				       : "    ",
			       row->name, row->arg != NULL ? " " : "", row->arg != NULL ? row->arg : "");
		printf("  %-27s %s\n", left, row->help);
	}
}
