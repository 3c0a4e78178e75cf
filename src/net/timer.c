#include "net/timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int lat_timer_init(struct lat_timer *t)
{
	t->armed = UINT64_MAX;
	t->asked = UINT64_MAX;
	pthread_mutex_init(&t->lock, NULL); /* cannot fail on Linux: it only writes the memory */
	t->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	return t->fd < 0 ? -errno : 0;
}

void lat_timer_fini(struct lat_timer *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	pthread_mutex_destroy(&t->lock);
}

static void arm_locked(struct lat_timer *t, uint64_t when)
{
	struct itimerspec at = { 0 };

	if (when == t->armed)
		return;
	t->armed = when;
	if (when != UINT64_MAX) {
		at.it_value.tv_sec = (time_t)(when / (uint64_t)LAT_NS_PER_S);
		at.it_value.tv_nsec = (long)(when % (uint64_t)LAT_NS_PER_S);
		if (when == 0)
			at.it_value.tv_nsec = 1; /* zero would disarm */
	}
	/* Setting also takes back an expiry that nobody has read: no read(2) is needed. */
	(void)timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void lat_timer_lower(struct lat_timer *t, uint64_t when)
{
	pthread_mutex_lock(&t->lock);
	if (when < t->asked)
		t->asked = when;
	if (when < t->armed)
		arm_locked(t, when);
	pthread_mutex_unlock(&t->lock);
}

void lat_timer_begin(struct lat_timer *t)
{
	pthread_mutex_lock(&t->lock);
	t->asked = UINT64_MAX;
	pthread_mutex_unlock(&t->lock);
}

bool lat_timer_due(struct lat_timer *t, uint64_t now)
{
	bool due;

	pthread_mutex_lock(&t->lock);
	due = t->armed <= now;
	pthread_mutex_unlock(&t->lock);
	return due;
}

void lat_timer_set(struct lat_timer *t, uint64_t when, uint64_t now)
{
	pthread_mutex_lock(&t->lock);
	if (when > t->asked)
		when = t->asked;
	if (when < t->armed || t->armed <= now)
		arm_locked(t, when);
	pthread_mutex_unlock(&t->lock);
}
