/* Asking the node that runs on a state directory. */
#ifndef LAT_CLI_ASK_H
#define LAT_CLI_ASK_H

#include "cli/cmd.h"

/*
 * Connects to @name in the state directory, sends @request (a line; NULL: nothing is asked), and gives each line that comes to @fn. @quiet: that
 * nobody answers there is not complained of. CLI_OK, or an exit status after it has said why.
 */
int cli_ask(const struct cli_options *opt, const char *name, const char *request, bool quiet,
	    void (*fn)(void *ctx, const struct cli_options *opt, const char *line), void *ctx);

#endif
