/*
 * Records to a file: one thread, started with the first place to write to. It alone waits for the disk, or for who does not read
 * standard error; what the ring has lost by then is counted, and said.
 *
 * The lock is of where they go, and held while one is written: who sets another place waits for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/why.h"
#include "node/audit.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/thread.h"

struct lat_audit_log {
	struct lat_audit *audit;
	pthread_mutex_t lock;
	int fd;    /* -1: nowhere */
	bool file; /* it is one of ours to close, and has an end */
	bool json, full;
	uint64_t bytes;   /* of the file */
	uint64_t written; /* the last record that was */
	_Atomic(uint64_t) unwritten;
	_Atomic(int) wake; /* -1 until the thread is there, then set once */
	atomic_bool stop;
	struct lat_thread thread;
};

struct lat_audit_log *lat_audit_log_make(struct lat_audit *a)
{
	struct lat_audit_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->audit = a;
	log->fd = -1;
	atomic_init(&log->wake, -1);
	pthread_mutex_init(&log->lock, NULL);
	return log;
}

static int wake_fd(const struct lat_audit_log *log)
{
	return atomic_load_explicit(&log->wake, memory_order_acquire);
}

void lat_audit_log_wake(struct lat_audit_log *log)
{
	if (wake_fd(log) >= 0)
		lat_eventfd_signal(wake_fd(log));
}

uint64_t lat_audit_log_unwritten(struct lat_audit_log *log)
{
	return atomic_load_explicit(&log->unwritten, memory_order_relaxed);
}

static void lose(struct lat_audit_log *log, uint64_t count)
{
	(void)atomic_fetch_add_explicit(&log->unwritten, count, memory_order_relaxed);
}

/* A line whole, or not: what a full disk cuts off is ended, so that the next one is a line. */
static bool write_line(struct lat_audit_log *log, const char *line, size_t length)
{
	struct pollfd room = { .fd = log->fd, .events = POLLOUT };
	ssize_t n;

	if (!log->file && poll(&room, 1, 0) != 1) /* who has it open does not read: nobody waits for that */
		return false;
	do
		n = write(log->fd, line, length);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		log->bytes += (uint64_t)n;
	if (n > 0 && (size_t)n < length)
		n = write(log->fd, "\n", 1) == 1 ? 0 : -1;
	return n == (ssize_t)length;
}

/* Whether the file was full now for the first time. The lock is held. */
static bool write_one(struct lat_audit_log *log, const struct lat_audit_record *r)
{
	bool was_full = log->full;
	char line[LAT_AUDIT_LINE];
	size_t length;

	if (r->number > log->written + 1)
		lose(log, r->number - log->written - 1);
	log->written = r->number;
	length = log->json ? lat_audit_json(r, line) : lat_audit_text(r, line);
	if (log->file && log->bytes + length > LAT_AUDIT_FILE_BYTES) {
		log->full = true;
		lose(log, 1);
	} else if (!write_line(log, line, length)) {
		lose(log, 1);
	}
	return log->full && !was_full;
}

static void write_some(struct lat_audit_log *log)
{
	struct lat_audit_record r;
	bool more = true;

	while (more) {
		bool full = false;

		pthread_mutex_lock(&log->lock);
		more = log->fd >= 0 && lat_audit_next(log->audit, log->written, &r);
		if (more)
			full = write_one(log, &r);
		pthread_mutex_unlock(&log->lock);
		if (full)
			lat_log(LAT_LOG_ERROR,
				"the audit file is full (%d MiB): no more is written until it is moved away and the node is "
				"told so by SIGHUP",
				(int)(LAT_AUDIT_FILE_BYTES >> 20));
	}
}

static void run(void *arg)
{
	struct lat_audit_log *log = arg;
	bool stop;

	do {
		uint64_t next;

		stop = atomic_load_explicit(&log->stop, memory_order_acquire);
		lat_eventfd_clear(wake_fd(log));
		next = lat_audit_settle(log->audit, lat_clock_monotonic_ns());
		write_some(log);
		if (!stop)
			(void)!lat_eventfd_wait(wake_fd(log), next);
	} while (!stop);
}

void lat_audit_log_end(struct lat_audit_log *log)
{
	if (log == NULL)
		return;
	atomic_store_explicit(&log->stop, true, memory_order_release);
	lat_audit_log_wake(log);
	lat_thread_join(&log->thread);
	if (log->file)
		close(log->fd);
	lat_eventfd_close(wake_fd(log));
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* ---- where to ---- */

static int open_file(const char *path, int *fd, uint64_t *bytes)
{
	struct stat st;
	int rc = 0;

	*fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		   0600);
	if (*fd < 0 && errno == ELOOP)
		return lat_why(NULL, -ELOOP, "the audit file %s is a symbolic link, which is not followed",
			       path);
	if (*fd < 0)
		return lat_why(NULL, -errno, "the audit file %s cannot be opened: %s", path, strerror(errno));
	if (fstat(*fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = lat_why(NULL, -EINVAL, "%s is not a regular file: refusals cannot be added to it", path);
	else if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		rc = lat_why(
			NULL, -EACCES,
			"the audit file %s belongs to another user, or others may write it: 'chmod 600 %s'",
			path, path);
	if (rc == 0)
		*bytes = (uint64_t)st.st_size;
	else
		close(*fd);
	return rc;
}

/* The lock is held. */
static int start_locked(struct lat_audit_log *log)
{
	int rc = 0, fd;

	if (wake_fd(log) < 0) {
		rc = lat_eventfd_open(&fd);
		if (rc == 0)
			atomic_store_explicit(&log->wake, fd, memory_order_release);
	}
	if (rc == 0 && !log->thread.started)
		rc = lat_thread_start(&log->thread, "lattice-audit", run, log);
	return rc;
}

int lat_audit_log_set(struct lat_audit_log *log, const char *path, bool json)
{
	bool nowhere = path == NULL || strcmp(path, "none") == 0,
	     file = !nowhere && strcmp(path, "stderr") != 0;
	int fd = nowhere ? -1 : STDERR_FILENO, rc = 0, old = -1;
	uint64_t bytes = 0;

	if (file)
		rc = open_file(path, &fd, &bytes);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&log->lock);
	rc = nowhere ? 0 : start_locked(log);
	if (rc == 0) {
		old = log->file ? log->fd : -1;
		log->fd = fd;
		log->file = file;
		log->json = json;
		log->bytes = bytes;
		log->full = false;
	}
	pthread_mutex_unlock(&log->lock);
	if (rc < 0)
		old = file ? fd : -1;
	if (old >= 0)
		close(old);
	lat_audit_log_wake(log);
	return rc;
}
