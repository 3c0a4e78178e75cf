/* A capability as a person has it: in a file, or on standard input. */
#ifndef LAT_CLI_CAPABILITY_H
#define LAT_CLI_CAPABILITY_H

struct lattice_cap;

/* @path "-": standard input, all of it. CLI_OK with a handle that is the caller's, or an exit status after it has said why. */
int cli_capability_read(const char *path, struct lattice_cap **out);

#endif
