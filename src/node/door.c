/* Finding the door, taking it, knocking at it. */
#include "node/door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>

#include "base/log.h"
#include "node/explain.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/fork.h"
#include "os/lockfile.h"
#include "os/random.h"

enum { AT_ROOM = 64 };

#define SOCKET_NAME "node.sock"

/* The directory, seen through its descriptor. */
static const char *at_dir(const struct lat_door *d, const char *name, char out[static AT_ROOM])
{
	(void)snprintf(out, AT_ROOM, "/proc/self/fd/%d%s%s", d->dir, *name != '\0' ? "/" : "", name);
	return out;
}

/* "node.sock" gives "node.lock". */
static int name_files(struct lat_door *d, const char *name)
{
	size_t length = strlen(name);
	int stem;

	if (length == 0 || length + sizeof(".lock") > sizeof(d->name))
		return -EINVAL;
	stem = (int)(length > 5 && strcmp(name + length - 5, ".sock") == 0 ? length - 5 : length);
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	(void)snprintf(d->lock_name, sizeof(d->lock_name), "%.*s.lock", stem, name);
	(void)snprintf(d->key_name, sizeof(d->key_name), "%.*s.key", stem, name);
	return 0;
}

static int open_at(struct lat_door *d, const char *dir, const char *name)
{
	int n = snprintf(d->path, sizeof(d->path), "%s/%s", dir, name);
	int rc = n < 0 || (size_t)n >= sizeof(d->path) ? -ENAMETOOLONG : name_files(d, name);

	return rc < 0 ? rc : lat_dir_meet(&d->dir, dir);
}

static int find_named(struct lat_door *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);

	if (length >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, length);
	dir[length] = '\0';
	return open_at(d, slash == NULL ? "." : length == 0 ? "/" : dir, slash == NULL ? path : slash + 1);
}

static int find_usual(struct lat_door *d)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char dir[PATH_MAX];
	int rc = -ENOENT;

	if (runtime != NULL && runtime[0] == '/' &&
	    (size_t)snprintf(dir, sizeof(dir), "%s/lattice", runtime) < sizeof(dir))
		rc = open_at(d, dir, SOCKET_NAME);
	if (rc < 0 && rc != -EPERM && geteuid() == 0)
		rc = open_at(d, "/run/lattice", SOCKET_NAME);
	if (rc < 0 && rc != -EPERM) {
		(void)snprintf(dir, sizeof(dir), "/tmp/lattice-%lu", (unsigned long)geteuid());
		rc = open_at(d, dir, SOCKET_NAME);
	}
	return rc;
}

int lat_door_find(struct lat_door *d)
{
	const char *named = getenv("LATTICE_SOCKET");
	int rc;

	*d = (struct lat_door){ .dir = -1 };
	rc = named != NULL && named[0] != '\0' ? find_named(d, named) : find_usual(d);
	switch (rc) {
	case 0:
		return 0;
	case -EPERM:
	case -ELOOP:
		return lat_why(
			NULL, rc,
			"%s is no place to meet: the directory, or one on the way to it, belongs to another "
			"user, or everybody may replace what is in it",
			d->path);
	case -EINVAL:
		return lat_why(
			NULL, rc,
			"LATTICE_SOCKET is '%s': not the path of a socket with a name of up to %d letters",
			named, (int)(sizeof(d->name) - sizeof(".lock")));
	default:
		return lat_why(NULL, rc, "the directory of %s cannot be used: %s", d->path,
			       lattice_error_name(rc));
	}
}

int lat_door_find_again(struct lat_door *d)
{
	size_t length = (size_t)(strrchr(d->path, '/') - d->path);
	char dir[PATH_MAX];
	int fd, rc;

	memcpy(dir, d->path, length);
	dir[length] = '\0';
	rc = lat_dir_meet(&fd, length == 0 ? "/" : dir);
	if (rc < 0)
		return rc;
	lat_dir_leave(d->dir);
	d->dir = fd;
	return 0;
}

void lat_door_leave(struct lat_door *d)
{
	lat_dir_leave(d->dir);
	d->dir = -1;
}

/*
 * One that others could have read is not believed. Where a new one cannot be kept (a directory of root's, say), the next host will
 * not know this one's tickets, which is all. 0, or -EEXIST: the file is no such key, but somebody's.
 */
static int have_key(const struct lat_door *d, uint8_t key[LAT_CLAIMS_KEY])
{
	char path[AT_ROOM];
	int mode = lat_path_mode(at_dir(d, d->key_name, path)), rc;
	ssize_t got = lat_file_read(path, key, LAT_CLAIMS_KEY);

	if (got == (ssize_t)LAT_CLAIMS_KEY && mode >= 0 && (mode & 077) == 0)
		return 0;
	if (got == -EFBIG || (got > 0 && got != (ssize_t)LAT_CLAIMS_KEY))
		return -EEXIST;
	lat_random(key, LAT_CLAIMS_KEY);
	rc = lat_file_write(path, key, LAT_CLAIMS_KEY, 0600);
	if (rc < 0)
		lat_log(LAT_LOG_WARN, "%s: the tickets' key cannot be kept: %s", d->path,
			lattice_error_name(rc));
	return 0;
}

int lat_door_take(const struct lat_door *d, struct lat_door_held *held, pid_t *holder)
{
	char path[AT_ROOM];
	int rc;

	*held = (struct lat_door_held){ .lock = -1, .sock = LAT_UNIXSOCK_CLOSED };
	rc = lat_unixsock_vacant(at_dir(d, "", path), d->name);
	if (rc == 0)
		rc = lat_lockfile_open(&held->lock, at_dir(d, d->lock_name, path), holder);
	if (rc < 0)
		return rc;
	held->after = lat_path_mode(at_dir(d, d->name, path)) >= 0;
	rc = have_key(d, held->key);
	if (rc == 0)
		rc = lat_fork_close_in_child(held->lock);
	if (rc == 0)
		rc = lat_unixsock_listen_packets(&held->sock, at_dir(d, "", path), d->name);
	if (rc == 0)
		rc = lat_fork_close_in_child(held->sock.fd);
	if (rc < 0)
		lat_door_give(held, false);
	return rc;
}

void lat_door_give(struct lat_door_held *held, bool awaited)
{
	if (awaited)
		held->sock.name[0] =
			'\0'; /* the name stays: whoever takes the door next sees that there was one before */
	lat_fork_forget(held->sock.fd);
	lat_unixsock_close(&held->sock); /* while the lock says that the name is ours */
	lat_fork_forget(held->lock);
	lat_lockfile_close(held->lock);
	held->lock = -1;
	lat_wipe(held->key, sizeof(held->key));
}

int lat_door_knock(const struct lat_door *d, int *fd, struct lat_process *host)
{
	char path[AT_ROOM];
	int sock, rc = lat_unixsock_connect_packets(&sock, at_dir(d, "", path), d->name);

	if (rc < 0)
		return rc;
	rc = lat_process_of_peer(sock, host);
	if (rc == 0 && host->uid != geteuid() && host->uid != 0)
		rc = -EPERM;
	if (rc < 0) {
		lat_unixsock_hang_up(sock);
		return rc;
	}
	*fd = sock;
	return 0;
}
