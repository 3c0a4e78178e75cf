/* Listing and locking directories. */
#include "os/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"

static bool number_of(const char *name, uint32_t *out)
{
	uint64_t n = 0;
	size_t length = strlen(name);

	if (length == 0 || length > 10 || name[0] == '0' || strspn(name, "0123456789") != length)
		return false;
	for (size_t i = 0; i < length; i++)
		n = n * 10 + (uint64_t)(name[i] - '0');
	if (n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int lat_dir_numbers(const char *dir, uint32_t **out, size_t *count)
{
	uint32_t *list = NULL, n;
	size_t have = 0, room = 0;
	struct dirent *entry;
	DIR *d = opendir(dir);
	int rc = 0;

	if (d == NULL)
		return -errno;
	while (errno = 0, (entry = readdir(d)) != NULL) {
		if (!number_of(entry->d_name, &n))
			continue;
		if (have == room) {
			uint32_t *more = reallocarray(list, room * 2 + 16, sizeof(*list));

			if (more == NULL) {
				errno = ENOMEM;
				break;
			}
			list = more;
			room = room * 2 + 16;
		}
		list[have++] = n;
	}
	rc = -errno;
	(void)closedir(d);
	if (rc < 0) {
		free(list);
		return rc;
	}
	if (have > 0)
		qsort(list, have, sizeof(*list), compare);
	*out = list;
	*count = have;
	return 0;
}

int lat_path_mode(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return (int)(st.st_mode & 07777);
}

int lat_dir_lock(int *fd, const char *path, uint64_t deadline_ns)
{
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (lock < 0)
		return -errno;
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		int rc = errno == EWOULDBLOCK ? -EBUSY : -errno;

		if (rc == -EINTR)
			continue;
		if (rc != -EBUSY || lat_clock_monotonic_ns() >= deadline_ns) {
			close(lock);
			return rc;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	*fd = lock;
	return 0;
}

void lat_dir_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Nobody but us and root can put something else in the place of what is in it. */
static int check_owner(int fd, bool link)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) != link)
		return -EAGAIN;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return link ? -ELOOP : -EPERM;
	if (!link && (st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
		return -EPERM;
	return 0;
}

/* One name of the way: @at is closed, *fd is where it leads. */
static int step(int *fd, int at, const char *name, bool make)
{
	int next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc;

	if (next < 0 && errno == ENOENT && make && (mkdirat(at, name, 0700) == 0 || errno == EEXIST))
		next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	rc = next < 0 ? -errno : check_owner(next, false);
	if (rc == -EAGAIN) {
		rc = check_owner(next, true);
		close(next);
		next = rc < 0 ? -1 : openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (rc == 0)
			rc = next < 0 ? -errno : check_owner(next, false);
	}
	close(at);
	if (rc == 0)
		*fd = next;
	else if (next >= 0)
		close(next);
	return rc;
}

int lat_dir_meet(int *fd, const char *path)
{
	char copy[PATH_MAX], *name, *rest = NULL;
	struct stat st;
	int at, rc = 0;

	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, strlen(path) + 1);
	at = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	name = strtok_r(copy, "/", &rest);
	while (name != NULL) {
		char *after = strtok_r(NULL, "/", &rest);

		rc = step(&at, at, name, after == NULL);
		if (rc < 0)
			return rc;
		name = after;
	}
	rc = fstat(at, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (rc < 0) {
		close(at);
		return rc;
	}
	*fd = at;
	return 0;
}

void lat_dir_leave(int fd)
{
	if (fd >= 0)
		close(fd);
}
