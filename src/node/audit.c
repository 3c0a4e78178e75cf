/* The ring, and who may be told of how often: each limit is one time, that at which all it has given would be spent (GCRA). */
#include "node/audit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "node/stats.h"
#include "os/clock.h"
#include "os/eventfd.h"

struct subject {
	struct lat_audit_who who; /* the last that was refused */
	bool used;
	uint64_t spent_ns;
	uint64_t suppressed; /* since its last record */
};

struct lat_audit {
	pthread_mutex_t lock;
	struct lat_audit_record ring[LAT_AUDIT_RING];
	uint64_t last;                                   /* record */
	struct subject subjects[LAT_AUDIT_SUBJECTS + 1]; /* the last one: all for whom there was no room */
	uint64_t spent_ns, suppressed;
	int fd; /* -1: nobody asked for it */
	struct lat_audit_log *log;
};

int lat_audit_open(struct lat_audit **out)
{
	struct lat_audit *a = calloc(1, sizeof(*a));

	*out = a;
	if (a == NULL)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	a->fd = -1;
	a->log = lat_audit_log_make(a);
	if (a->log != NULL)
		return 0;
	lat_audit_close(a);
	*out = NULL;
	return -ENOMEM;
}

void lat_audit_close(struct lat_audit *a)
{
	if (a == NULL)
		return;
	lat_audit_log_end(a->log);
	lat_eventfd_close(a->fd);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* ---- how often ---- */

static bool is_same(const struct lat_audit_who *a, const struct lat_audit_who *b)
{
	return a->is_peer == b->is_peer && (a->is_peer ? a->node == b->node : a->uid == b->uid);
}

/* Its own, a new one in place of one that has nothing to say, or that of all others. */
static struct subject *find(struct lat_audit *a, const struct lat_audit_who *who, uint64_t now)
{
	struct subject *room = &a->subjects[LAT_AUDIT_SUBJECTS];

	for (size_t i = 0; i < LAT_AUDIT_SUBJECTS; i++) {
		struct subject *s = &a->subjects[i];

		if (s->used && is_same(&s->who, who))
			return s;
		if (!s->used || (s->spent_ns <= now && s->suppressed == 0))
			room = s;
	}
	if (room != &a->subjects[LAT_AUDIT_SUBJECTS])
		*room = (struct subject){ .used = true };
	return room;
}

static bool has(uint64_t spent_ns, uint64_t now, uint64_t burst, uint64_t period)
{
	return spent_ns <= now || spent_ns - now <= (burst - 1) * period;
}

static void spend(uint64_t *spent_ns, uint64_t now, uint64_t period)
{
	*spent_ns = (*spent_ns > now ? *spent_ns : now) + period;
}

/* Whether one of @s may be told of. The lock is held. */
static bool take(struct lat_audit *a, struct subject *s, uint64_t now)
{
	if (!has(s->spent_ns, now, LAT_AUDIT_BURST, LAT_AUDIT_PERIOD_NS) ||
	    !has(a->spent_ns, now, LAT_AUDIT_ALL_BURST, LAT_AUDIT_ALL_PERIOD_NS))
		return false;
	spend(&s->spent_ns, now, LAT_AUDIT_PERIOD_NS);
	spend(&a->spent_ns, now, LAT_AUDIT_ALL_PERIOD_NS);
	return true;
}

static void put_locked(struct lat_audit *a, const struct lat_audit_record *r)
{
	struct lat_audit_record *at = &a->ring[++a->last % LAT_AUDIT_RING];

	*at = *r;
	at->number = a->last;
	at->wall_s = lat_clock_wall_s();
	if (a->fd >= 0)
		lat_eventfd_signal(a->fd);
	lat_audit_log_wake(a->log);
}

static void tell_suppressed(struct lat_audit *a, struct subject *s)
{
	const struct lat_audit_record r = {
		.act = LAT_AUDIT_SUPPRESSED, .who = s->who, .suppressed = s->suppressed, .why = ""
	};

	put_locked(a, &r);
	s->suppressed = 0;
}

bool lat_audit_begin(struct lat_audit *a, const struct lat_audit_who *who, uint64_t now_ns)
{
	struct subject *s;
	bool may;

	if (a == NULL)
		return false;
	pthread_mutex_lock(&a->lock);
	s = find(a, who, now_ns);
	if (s->suppressed > 0 && take(a, s, now_ns)) /* what was left out before is told of first */
		tell_suppressed(a, s);
	s->who = *who;
	may = s->suppressed == 0 && take(a, s, now_ns);
	if (!may) {
		s->suppressed++;
		a->suppressed++;
		if (s->suppressed == 1)
			lat_audit_log_wake(a->log); /* it has a time to wait for */
	}
	pthread_mutex_unlock(&a->lock);
	return may;
}

void lat_audit_put(struct lat_audit *a, const struct lat_audit_record *r)
{
	pthread_mutex_lock(&a->lock);
	put_locked(a, r);
	pthread_mutex_unlock(&a->lock);
}

/* When one of @s may be told of. */
static uint64_t next_of(const struct lat_audit *a, const struct subject *s)
{
	const uint64_t own = (LAT_AUDIT_BURST - 1) * (uint64_t)LAT_AUDIT_PERIOD_NS,
		       all = (LAT_AUDIT_ALL_BURST - 1) * (uint64_t)LAT_AUDIT_ALL_PERIOD_NS;
	uint64_t one = s->spent_ns > own ? s->spent_ns - own : 0,
		 other = a->spent_ns > all ? a->spent_ns - all : 0;

	return one > other ? one : other;
}

uint64_t lat_audit_settle(struct lat_audit *a, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i <= LAT_AUDIT_SUBJECTS; i++) {
		struct subject *s = &a->subjects[i];

		if (s->suppressed == 0)
			continue;
		if (take(a, s, now_ns)) {
			tell_suppressed(a, s);
		} else if (next_of(a, s) < next) {
			next = next_of(a, s);
		}
	}
	pthread_mutex_unlock(&a->lock);
	return next;
}

/* ---- reading ---- */

bool lat_audit_next(struct lat_audit *a, uint64_t after, struct lat_audit_record *out)
{
	bool found;

	pthread_mutex_lock(&a->lock);
	if (a->last > LAT_AUDIT_RING && after < a->last - LAT_AUDIT_RING)
		after = a->last - LAT_AUDIT_RING;
	found = after < a->last;
	if (found)
		*out = a->ring[(after + 1) % LAT_AUDIT_RING];
	pthread_mutex_unlock(&a->lock);
	return found;
}

bool lat_audit_read(struct lat_audit *a, uint64_t after, struct lat_audit_record *out)
{
	(void)lat_audit_settle(a, lat_clock_monotonic_ns());
	pthread_mutex_lock(&a->lock);
	if (a->fd >= 0 && after >= a->last)
		lat_eventfd_clear(a->fd);
	pthread_mutex_unlock(&a->lock);
	return lat_audit_next(a, after, out);
}

int lat_audit_fd(struct lat_audit *a)
{
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	if (a->fd < 0)
		rc = lat_eventfd_open(&a->fd);
	if (rc == 0 && a->last > 0)
		lat_eventfd_signal(a->fd);
	rc = rc == 0 ? a->fd : rc;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

struct lat_audit_counts lat_audit_count(struct lat_audit *a)
{
	struct lat_audit_counts c = { .unwritten = lat_audit_log_unwritten(a->log) };

	pthread_mutex_lock(&a->lock);
	c.records = a->last;
	c.suppressed = a->suppressed;
	pthread_mutex_unlock(&a->lock);
	return c;
}

void lat_audit_stats(struct lat_audit *a, struct lat_stats *s)
{
	const struct lat_audit_counts c = lat_audit_count(a);

	lat_stats_put(s, "audit.records", "refusals recorded, one by one or counted", c.records);
	lat_stats_put(s, "audit.suppressed", "refusals that were only counted", c.suppressed);
	lat_stats_put(s, "audit.unwritten", "records that the audit file did not take", c.unwritten);
}

int lat_audit_log_to(struct lat_audit *a, const char *path, bool json)
{
	return lat_audit_log_set(a->log, path, json);
}
