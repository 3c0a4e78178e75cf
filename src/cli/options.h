/* The options of all commands: one row each, for parsing and for the help. */
#ifndef LAT_CLI_OPTIONS_H
#define LAT_CLI_OPTIONS_H

#include "cli/cmd.h"

/* A letter is its own number; the others have only a long name. */
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
	OPT_AT,
	OPT_BIND,
	OPT_FROM,
	OPT_JSON,
	OPT_NAME,
	OPT_NODE,
	OPT_PORT,
	OPT_PSK,
	OPT_TCP,
	OPT_TIMEOUT,
	OPT_TYPE,
	OPT_UDP,
	OPT_UNLOCKED,
};

/*
 * Reads @cmd's options out of argv (which is reordered). argv[0] is skipped. Returns the index of the first argument
 * that is no option, or -1 after it has said what is wrong.
 */
int cli_options_parse(struct cli_options *opt, const struct cli_command *cmd, int argc, char **argv);
/* The options of @cmd, a line each, on stdout. */
void cli_options_print(const struct cli_command *cmd);

/* A whole decimal number in [min, max]. false leaves *out. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* 32 bytes in base64, one line with white space around it allowed. false when it is anything else. */
bool cli_base64_key(const char *text, size_t bytes, uint8_t out[32]);

#endif
