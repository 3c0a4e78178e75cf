/*
 * Runs a fuzz target over files, without a fuzzer: replay FILE-OR-FOLDER... Each input lies in memory of
 * exactly its size, so that a sanitizer sees a byte too many. Fails when there was nothing to run.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { NAME_MAX_BYTES = 4096, INPUT_MAX_BYTES = 1 << 20 };

static size_t ran;

static int replay_file(const char *name)
{
	static uint8_t input[INPUT_MAX_BYTES];
	FILE *file = fopen(name, "rb");
	uint8_t *exact;
	size_t size;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return -1;
	}
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	exact = malloc(size);
	if (exact == NULL && size > 0)
		return -1;
	if (size > 0)
		memcpy(exact, input, size);
	fprintf(stderr, "%s\n", name); /* the last one named is the one that failed */
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	ran++;
	return 0;
}

static int replay(const char *name)
{
	char inner[NAME_MAX_BYTES];
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int rc = 0;

	if (stat(name, &st) < 0 || !S_ISDIR(st.st_mode))
		return replay_file(name);
	dir = opendir(name);
	if (dir == NULL)
		return replay_file(name);
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", name, entry->d_name) >= (int)sizeof(inner))
			rc = -1;
		else
			rc = replay_file(inner);
	}
	closedir(dir);
	return rc;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			return 1;
	fprintf(stderr, "%zu inputs\n", ran);
	return ran == 0;
}
