/* pthread_create(3) with the signal mask and the name set before the thread's first instruction of ours. */
#include "os/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void *run(void *arg)
{
	struct lat_thread *t = arg;

	(void)pthread_setname_np(pthread_self(), t->name);
	t->fn(t->arg);
	return NULL;
}

int lat_thread_start(struct lat_thread *t, const char *name, void (*fn)(void *arg), void *arg)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigset_t blocked, was;
	int rc;

	memset(t, 0, sizeof(*t));
	(void)snprintf(t->name, sizeof(t->name), "%s", name);
	t->fn = fn;
	t->arg = arg;
	/* The mask is inherited: set here, no signal can find the thread before it has blocked them itself. */
	sigfillset(&blocked);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(&blocked, faults[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &was);
	rc = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (rc != 0) {
		memset(t, 0, sizeof(*t));
		return -EAGAIN;
	}
	t->started = true;
	return 0;
}

void lat_thread_join(struct lat_thread *t)
{
	if (!t->started)
		return;
	(void)pthread_join(t->id, NULL);
	memset(t, 0, sizeof(*t));
}

void lat_thread_detach(struct lat_thread *t)
{
	if (t->started)
		(void)pthread_detach(t->id);
	t->started = false;
}
