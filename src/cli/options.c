/* Reading options, and the text forms that the command accepts. */
#include "cli/options.h"

#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/node.h>

enum { OPTIONS_MAX = 32 };

static const struct row {
	int id;
	const char *name, *arg, *help;
} rows[] = {
	{ OPT_DIR, "dir", "DIR", "the state directory (else $LATTICE_STATE_DIR, else the user's own)" },
	{ OPT_NODE, "node", "N", "this node's number; else it is derived from the machine" },
	{ OPT_NAME, "name", "NAME", "a name for the node, to be used instead of its number" },
	{ OPT_AT, "at", "HOST:PORT", "where the other node is reached" },
	{ OPT_UDP, "udp", NULL, "over UDP" },
	{ OPT_TCP, "tcp", NULL, "over TCP" },
	{ OPT_PSK, "psk", "FILE", "32 secret bytes in base64 that only these two nodes share" },
	{ OPT_TEXT, "message", "TEXT", "send this text" },
	{ OPT_FILE, "file", "FILE", "send this file (-: standard input, as one file)" },
	{ OPT_FROM, "from", "PID", "the sender's pid (1)" },
	{ OPT_TYPE, "type", "N", "the message's type (0)" },
	{ OPT_COUNT, "count", "N", "end after N messages; with -o after N files (1)" },
	{ OPT_OUTPUT, "output", "FILE",
	  "write the file that is received here; the next ones to FILE.2, FILE.3, ..." },
	{ OPT_COUNT_PINGS, "count", "N", "how many pings (10)" },
	{ OPT_INTERVAL, "interval", "SECONDS", "from one ping to the next (0.1); 0: at once" },
	{ OPT_TIMEOUT, "timeout", "SECONDS", "the longest wait" },
	{ OPT_PORT, "port", "P", "this node's UDP and TCP port; 0: the kernel chooses" },
	{ OPT_BIND, "bind", "ADDRESS", "this node's address (all)" },
	{ OPT_JSON, "json", NULL, "the result as JSON" },
	{ OPT_UNLOCKED, "allow-unlocked-keys", NULL,
	  "go on when the kernel refuses to lock the keys' memory" },
	{ OPT_VERBOSE, "verbose", NULL, "say more, on standard error" },
	{ OPT_HELP, "help", NULL, "this text" },
};

static const struct row *row_of(int id)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].id == id)
			return &rows[i];
	return NULL;
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
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(s) || s < 0 || s > 1e6)
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
	uint8_t key[33];
	size_t count = 0;

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
				return false;
			group = group << 6 | (uint32_t)digit;
		}
		key[count++] = (uint8_t)(group >> 16);
		key[count++] = (uint8_t)(group >> 8);
		key[count++] = (uint8_t)group;
	}
	if (key[32] != 0) /* bits that no byte needs: not what an encoder wrote */
		return false;
	memcpy(out, key, 32);
	explicit_bzero(key, sizeof(key));
	return true;
}

/* One option. 0, or -1 with a complaint. */
static int take(struct cli_options *opt, int id, const char *arg)
{
	uint64_t n = 0;
	bool fine = true;

	switch (id) {
	case OPT_DIR:
		opt->dir = arg;
		fine = *arg != '\0';
		break;
	case OPT_NODE:
		fine = cli_number(arg, 1, UINT32_MAX - 1, &n);
		opt->node = (lattice_node_id)n;
		break;
	case OPT_NAME:
		opt->name = arg;
		break;
	case OPT_AT:
		opt->at = arg;
		fine = *arg != '\0';
		break;
	case OPT_UDP:
	case OPT_TCP:
		if (opt->proto != 0 && opt->proto != (id == OPT_UDP ? LATTICE_UDP : LATTICE_TCP)) {
			(void)cli_usage("either --udp or --tcp, not both");
			return -1;
		}
		opt->proto = id == OPT_UDP ? LATTICE_UDP : LATTICE_TCP;
		break;
	case OPT_PSK:
		opt->psk_file = arg;
		break;
	case OPT_TEXT:
		opt->text = arg;
		break;
	case OPT_FILE:
		opt->file = arg;
		fine = *arg != '\0';
		break;
	case OPT_OUTPUT:
		opt->output = arg;
		fine = *arg != '\0';
		break;
	case OPT_FROM:
		fine = cli_number(arg, 1, INT32_MAX, &n);
		opt->from = (int32_t)n;
		break;
	case OPT_TYPE:
		fine = cli_number(arg, 0, INT32_MAX, &n);
		opt->type = (int32_t)n;
		break;
	case OPT_COUNT:
	case OPT_COUNT_PINGS:
		fine = cli_number(arg, 1, id == OPT_COUNT ? UINT32_MAX : 1000000, &opt->count);
		break;
	case OPT_INTERVAL:
		fine = seconds(arg, &opt->interval_ns);
		opt->interval_set = true;
		break;
	case OPT_TIMEOUT:
		fine = seconds(arg, &opt->timeout_ns);
		break;
	case OPT_PORT:
		fine = cli_number(arg, 0, 65535, &n);
		opt->port = n == 0 ? LATTICE_PORT_ANY : (int)n;
		break;
	case OPT_BIND:
		opt->bind = arg;
		break;
	case OPT_JSON:
		opt->json = true;
		break;
	case OPT_UNLOCKED:
		opt->unlocked = true;
		break;
	case OPT_VERBOSE:
		opt->verbose = true;
		break;
	case OPT_HELP:
		opt->help = true;
		break;
	default:
		fine = false;
		break;
	}
	if (!fine) {
		(void)cli_usage("--%s cannot be '%s'", row_of(id)->name, arg);
		return -1;
	}
	return 0;
}

int cli_options_parse(struct cli_options *opt, const struct cli_command *cmd, int argc, char **argv)
{
	struct option longs[OPTIONS_MAX + 1] = { 0 };
	char shorts[2 * OPTIONS_MAX + 2] = ":"; /* ':': tells a missing argument from an unknown option */
	size_t count = 0, at = 1;
	int id;

	for (const int *o = cmd->options; *o != 0 && count < OPTIONS_MAX; o++, count++) {
		const struct row *row = row_of(*o);

		longs[count] = (struct option){ .name = row->name,
						.has_arg = row->arg != NULL ? required_argument : no_argument,
						.val = row->id };
		if (*o < OPT_LONG) {
			shorts[at++] = (char)*o;
			if (row->arg != NULL)
				shorts[at++] = ':';
		}
	}
	*opt = (struct cli_options){ .timeout_ns = CLI_TIMEOUT_UNSET };
	opterr = 0;
	optind = 1;
	while ((id = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (id == ':') {
			(void)cli_usage("%s needs a value", argv[optind - 1]);
			return -1;
		}
		if (id == '?') {
			if (optopt != 0 && optopt < OPT_LONG)
				(void)cli_usage("there is no option -%c", optopt);
			else
				(void)cli_usage("%s is not understood", argv[optind - 1]);
			return -1;
		}
		if (take(opt, id, optarg) < 0)
			return -1;
	}
	return optind;
}

void cli_options_print(const struct cli_command *cmd)
{
	for (const int *o = cmd->options; *o != 0; o++) {
		const struct row *row = row_of(*o);
		char left[64];

		(void)snprintf(left, sizeof(left), "%s--%s%s%s",
			       *o < OPT_LONG ? (const char[]){ '-', (char)*o, ',', ' ', '\0' } : "    ",
			       row->name, row->arg != NULL ? " " : "", row->arg != NULL ? row->arg : "");
		printf("  %-27s %s\n", left, row->help);
	}
}
