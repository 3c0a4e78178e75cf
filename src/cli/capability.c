#include "cli/capability.h"

#include <string.h>

#include <lattice/cap.h>

#include "cli/cmd.h"
#include "cli/words.h"

enum { CAP_FILE_MAX = 4096 };

int cli_capability_read(const char *path, struct lattice_cap **out)
{
	char text[CAP_FILE_MAX];
	ssize_t length;
	int rc;

	if (strcmp(path, "-") == 0) {
		length = cli_read_file(path, text, sizeof(text));
		if (length < 0)
			return CLI_FAILED;
		rc = lattice_cap_parse(out, text, (size_t)length);
		explicit_bzero(text, sizeof(text));
	} else {
		rc = lattice_cap_read(out, path);
	}
	return rc < 0 ? cli_fail(NULL, rc, "no capability") : CLI_OK;
}
