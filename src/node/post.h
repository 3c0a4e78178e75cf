/*
 * One end of a connection that carries notes (note.h). Sending never blocks: what the socket does not take waits in a bounded
 * queue until the owner's thread finds it writable (os/watch.h).
 */
#ifndef LAT_NODE_POST_H
#define LAT_NODE_POST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "node/note.h"

enum { LAT_POST_QUEUE_MAX = 4096 }; /* notes that wait */

struct lat_posted;

struct lat_post {
	pthread_mutex_t lock; /* innermost */
	struct lat_posted *first, **last;
	unsigned queued;
	bool refused;  /* a send was -EAGAIN, since it was last said that there is room */
	int fd, watch; /* -1: closed */
	void *tag;     /* what the watch says of it */
};

/* Takes @fd over, and watches it. 0, or as lat_watch_add() with @fd closed. */
LAT_MUST_CHECK int lat_post_open(struct lat_post *p, int fd, int watch, void *tag);
/* What waits is not sent. A closed one is fine; then every send is -EPIPE. */
void lat_post_close(struct lat_post *p);
/* The memory of one that is closed, or was zeroed and never opened. */
void lat_post_fini(struct lat_post *p);

/*
 * Sends @n, whose version is filled in, with copies of @fds. Notes arrive in order. Any thread. 0, -EPIPE (the other side is
 * gone), -EAGAIN (LAT_POST_QUEUE_MAX wait: it does not read), -ENOMEM, -EMFILE, -ENFILE, -ETOOMANYREFS.
 */
LAT_MUST_CHECK int lat_post_send(struct lat_post *p, struct lat_note *n, const int *fds, size_t count);
/* It is writable. true: a send was refused (-EAGAIN), and there is room again. */
bool lat_post_flush(struct lat_post *p);

/*
 * The next note, checked (lat_note_check()), and the caller's @fds with it: *count of LAT_NOTE_FDS. 1; 0 when none is
 * there; -EPIPE (the other side is gone, and everything it said was taken); -EPROTO (it broke a rule: drop it); -EMFILE (its
 * descriptors are lost, because this process has too many: *n is what came, unchecked). The owner's thread only.
 */
LAT_MUST_CHECK int lat_post_recv(struct lat_post *p, enum lat_note_from from, struct lat_note *n,
				 int fds[LAT_NOTE_FDS], size_t *count);

#endif
