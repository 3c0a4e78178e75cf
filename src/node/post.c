/* Sending notes without blocking. */
#include "node/post.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/fdpass.h"
#include "os/unixsock.h"
#include "os/watch.h"

struct lat_posted {
	struct lat_posted *next;
	struct lat_note note;
	int fds[LAT_NOTE_FDS];
	size_t count;
};

int lat_post_open(struct lat_post *p, int fd, int watch, void *tag)
{
	int rc = lat_watch_add(watch, fd, false, tag);

	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	p->last = &p->first;
	p->watch = watch;
	p->tag = tag;
	p->fd = rc == 0 ? fd : -1;
	if (rc < 0)
		lat_unixsock_hang_up(fd);
	return rc;
}

static void drop(struct lat_posted *one)
{
	lat_fdpass_close(one->fds, one->count);
	lat_wipe(&one->note, sizeof(one->note)); /* it may bring a capability */
	free(one);
}

static struct lat_posted *pop(struct lat_post *p)
{
	struct lat_posted *one = p->first;

	p->first = one->next;
	if (p->first == NULL)
		p->last = &p->first;
	p->queued--;
	return one;
}

void lat_post_close(struct lat_post *p)
{
	if (p->last == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->fd >= 0) {
		lat_watch_remove(p->watch, p->fd);
		lat_unixsock_hang_up(p->fd);
		p->fd = -1;
	}
	while (p->first != NULL)
		drop(pop(p));
	pthread_mutex_unlock(&p->lock);
}

void lat_post_fini(struct lat_post *p)
{
	lat_post_close(p);
	if (p->last != NULL)
		pthread_mutex_destroy(&p->lock);
	p->last = NULL;
}

/* To the end of the queue, with copies of its descriptors. */
static int queue(struct lat_post *p, const struct lat_note *n, const int *fds, size_t count)
{
	struct lat_posted *one;
	int rc;

	if (p->queued == LAT_POST_QUEUE_MAX) {
		p->refused = true;
		return -EAGAIN;
	}
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		return -ENOMEM;
	rc = lat_fdpass_copy(one->fds, fds, count);
	if (rc < 0) {
		free(one);
		return rc;
	}
	one->count = count;
	one->note = *n;
	*p->last = one;
	p->last = &one->next;
	if (p->queued++ == 0)
		lat_watch_change(p->watch, p->fd, true, true, p->tag);
	return 0;
}

int lat_post_send(struct lat_post *p, struct lat_note *n, const int *fds, size_t count)
{
	int rc = -EAGAIN;

	n->version = LAT_NOTE_VERSION;
	if (p->last == NULL)
		return -EPIPE;
	pthread_mutex_lock(&p->lock);
	if (p->fd < 0)
		rc = -EPIPE;
	else if (p->first == NULL)
		rc = lat_fdpass_send(p->fd, n, sizeof(*n), fds, count);
	if (rc == -EAGAIN)
		rc = queue(p, n, fds, count);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

bool lat_post_flush(struct lat_post *p)
{
	bool again;

	pthread_mutex_lock(&p->lock);
	while (p->fd >= 0 && p->first != NULL) {
		struct lat_posted *one = p->first;
		int rc = lat_fdpass_send(p->fd, &one->note, sizeof(one->note), one->fds, one->count);

		if (rc == -EAGAIN || rc == -ETOOMANYREFS)
			break;
		drop(pop(p)); /* a socket that is broken is seen by its reader */
	}
	if (p->fd >= 0 && p->first == NULL)
		lat_watch_change(p->watch, p->fd, true, false, p->tag);
	again = p->refused && p->first == NULL;
	p->refused = p->refused && !again;
	pthread_mutex_unlock(&p->lock);
	return again;
}

int lat_post_recv(struct lat_post *p, enum lat_note_from from, struct lat_note *n, int fds[LAT_NOTE_FDS],
		  size_t *count)
{
	ssize_t got;

	*count = LAT_NOTE_FDS;
	got = lat_fdpass_recv(p->fd, n, sizeof(*n), fds, count);
	if (got < 0 || got == 0) {
		*count = 0;
		return got == -EAGAIN ? 0 : got == -EPROTO || got == -EMFILE ? (int)got : -EPIPE;
	}
	if (lat_note_check(n, (size_t)got, *count, from) < 0) {
		lat_fdpass_close(fds, *count);
		*count = 0;
		return -EPROTO;
	}
	return 1;
}
