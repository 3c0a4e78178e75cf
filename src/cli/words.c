/* Reading keys, and writing what two people compare. */
#include "cli/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"

void cli_fingerprint(struct cli_fingerprint *out, const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES])
{
	for (size_t i = 0; i < LATTICE_FINGERPRINT_BYTES; i++)
		(void)snprintf(out->hex + 2 * i, 3, "%02x", fingerprint[i]);
	(void)lattice_fingerprint_words(fingerprint, out->words, sizeof(out->words));
}

bool cli_fingerprint_parse(const char *text, uint8_t out[LATTICE_FINGERPRINT_BYTES])
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	uint8_t read[LATTICE_FINGERPRINT_BYTES] = { 0 };

	if (strlen(text) != FINGERPRINT_TEXT - 1)
		return false;
	for (size_t i = 0; text[i] != '\0'; i++) {
		const char *at = strchr(digits, text[i]);

		if (at == NULL)
			return false;
		read[i / 2] = (uint8_t)(read[i / 2] << 4 | (at - digits) % 16);
	}
	memcpy(out, read, sizeof(read));
	return true;
}

ssize_t cli_read_file(const char *path, char *buf, size_t max)
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

int cli_read_key(const char *path, struct lattice_identity *out)
{
	char text[KEY_FILE_MAX];
	ssize_t length = cli_read_file(path, text, sizeof(text));
	int rc;

	if (length < 0)
		return CLI_FAILED;
	rc = lattice_identity_parse(out, text, (size_t)length);
	if (rc < 0)
		return cli_fail(NULL, rc, "%s is not a node's public key, as 'lattice id --key' prints it",
				path);
	return CLI_OK;
}
