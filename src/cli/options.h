/* The options of all commands: one row each, for parsing and for the help. */
#ifndef LAT_CLI_OPTIONS_H
#define LAT_CLI_OPTIONS_H

#include "cli/cmd.h"

/* A letter is its own number; the others have only a long name. Two may share a long name, not in one command. */
enum cli_option {
	OPT_COUNT_PINGS = 'c',
	OPT_DIR = 'd',
	OPT_FILE = 'f',
	OPT_INTERVAL = 'i',
	OPT_TEXT = 'm',
	OPT_COUNT = 'n',
	OPT_OUTPUT = 'o',
	OPT_VERBOSE = 'v',
	OPT_HELP = 'h',
	OPT_LONG = 256,
	OPT_AS,
	OPT_AT,
	OPT_AUDIT,
	OPT_AUDIT_FORMAT,
	OPT_BADGE,
	OPT_BEARER,
	OPT_BIND,
	OPT_CAP_OUTPUT,
	OPT_CAPABILITY,
	OPT_CORES,
	OPT_DOT,
	OPT_EXPIRES,
	OPT_FINGERPRINT,
	OPT_FOLLOW,
	OPT_FORCE,
	OPT_FROM,
	OPT_JSON,
	OPT_KEY_FILE,
	OPT_KEY_PRINT,
	OPT_LIST,
	OPT_LIVE,
	OPT_MAX_BYTES,
	OPT_NAME,
	OPT_NODE,
	OPT_ONLY,
	OPT_PEER,
	OPT_PLOT,
	OPT_PORT,
	OPT_PSK,
	OPT_RATE,
	OPT_RIGHTS,
	OPT_ROUNDS,
	OPT_SLICE,
	OPT_STATS,
	OPT_SVG,
	OPT_TCP,
	OPT_TIMEOUT,
	OPT_TO,
	OPT_TRANSIENT,
	OPT_TYPE,
	OPT_UDP,
	OPT_UNLOCKED,
	OPT_USES,
	OPT_WAIT,
	OPT_WARM_UP,
	OPT_OTHER = 512, /* and a letter that is another option's elsewhere */
	OPT_POLICY = OPT_OTHER + 'c',
	OPT_INTERVAL_LOOKS = OPT_OTHER + 'i',
};

/* The letter of an option; 0: it has none. */
int cli_letter(int id);

/*
 * Reads @cmd's options out of argv (which is reordered). argv[0] is skipped. Returns the index of the first argument
 * that is no option, or -1 after it has said what is wrong.
 */
int cli_options_parse(struct cli_options *opt, const struct cli_command *cmd, int argc, char **argv);

/* What an option takes; what is not of its kind is wrong usage. */
enum cli_kind {
	KIND_FLAG,    /* nothing */
	KIND_TEXT,    /* anything */
	KIND_NAME,    /* anything but nothing */
	KIND_FILE,    /* the same: a path, "-" may be a stream */
	KIND_FOLDER,  /* the same */
	KIND_NUMBER,  /* a decimal number, min to max */
	KIND_SECONDS, /* a decimal fraction, 0 to 10^6 */
};

/* One row of the table of options. */
struct cli_row {
	int id;
	enum cli_kind kind;
	const char *name, *arg, *help; /* arg: NULL for a flag */
	size_t offset;                 /* in struct cli_options */
	uint64_t min, max;
};
const struct cli_row *cli_row(int id);
/* "number", as "lattice help --json" says it. */
const char *cli_kind_name(enum cli_kind kind);

/* The options of @cmd, a line each, on stdout. */
void cli_options_print(const struct cli_command *cmd);

/* A whole decimal number in [min, max]. false leaves *out. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* 32 bytes in base64, one line with white space around it allowed. false when it is anything else. */
bool cli_base64_key(const char *text, size_t bytes, uint8_t out[32]);

#endif
