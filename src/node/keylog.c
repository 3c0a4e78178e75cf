#include "node/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Ours alone: a regular file, of this user, that nobody else may read or write. */
static int check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 ? 0 : -EACCES;
}

/* Did who owns the node say so too? */
static bool allowed(const char *state_dir)
{
	char path[4096 + 16];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/allow_keylog", state_dir);
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

int lat_keylog_open(const char *state_dir)
{
	const char *path = secure_getenv("LATTICE_KEYLOG");
	int fd, rc;

	if (path == NULL || path[0] == '\0')
		return -1;
	if (!allowed(state_dir)) {
		lat_log(LAT_LOG_WARN, "LATTICE_KEYLOG is ignored: there is no %s/allow_keylog", state_dir);
		return -1;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : check(fd);
	if (rc < 0) {
		lat_log(LAT_LOG_WARN, "LATTICE_KEYLOG is ignored: %s: %s", path,
			rc == -EACCES ? "it must be a file of this user's that nobody else may read"
				      : strerror(-rc));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	lat_log(LAT_LOG_WARN, "session keys are written to %s: who reads it reads everything", path);
	return fd;
}

void lat_keylog_write(int fd, uint32_t idx, uint16_t chan, const uint8_t subkey[32])
{
	char line[96];
	int bytes = snprintf(line, sizeof(line), "LWP1 %08x %u ", idx, chan);

	for (int i = 0; i < 32; i++)
		bytes += snprintf(line + bytes, sizeof(line) - (size_t)bytes, "%02x", subkey[i]);
	line[bytes++] = '\n';
	(void)!write(
		fd, line,
		(size_t)bytes); /* what is not written cannot be read later; nothing else depends on it */
	lat_wipe(line, sizeof(line));
}
