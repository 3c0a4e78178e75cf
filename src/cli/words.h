/* Public keys as people see them: files, fingerprints as hexadecimal and as words. */
#ifndef LAT_CLI_WORDS_H
#define LAT_CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <lattice/state.h>

enum {
	KEY_FILE_MAX = 16 * 1024, /* a key's text with whatever comments were written around it */
	FINGERPRINT_TEXT = 2 * LATTICE_FINGERPRINT_BYTES + 1,
};

/* A fingerprint both ways. */
struct cli_fingerprint {
	char hex[FINGERPRINT_TEXT], words[LATTICE_WORDS_MAX];
};
void cli_fingerprint(struct cli_fingerprint *out, const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES]);
/* 64 hexadecimal digits, of either case. false leaves *out. */
bool cli_fingerprint_parse(const char *text, uint8_t out[LATTICE_FINGERPRINT_BYTES]);

/* Reads all of @path ("-": standard input), at most @max bytes. The length, or -1 after it has said why. */
ssize_t cli_read_file(const char *path, char *buf, size_t max);
/* Reads a node's public key, as "lattice id --key" prints it. CLI_OK, or an exit status after it has said why. */
int cli_read_key(const char *path, struct lattice_identity *out);

#endif
