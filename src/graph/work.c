/*
 * Each item counts its parents that are not done, and those that have failed. A change of one item is a wave through its
 * children: what it may have changed is put on a list and looked at in turn. An item enters the list once at a time, and a
 * wave only adds to what is done or only takes away, so nothing is found ready that a later step would hold back.
 */
#include "graph/work.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/table.h"

struct lat_work_item {
	uint64_t id;
	UT_hash_handle hh;
	bool has; /* work of its own */
	enum lat_work_state state;
	int rc;           /* DONE */
	uint32_t unready; /* parents that are not DONE */
	uint32_t failed;  /* parents that are DONE and failed */
	uint8_t priority;
	uint64_t ends;                     /* how often it became DONE */
	int last_rc;                       /* the last time */
	uint64_t seen;                     /* the last search that came here */
	struct lat_work_queue *queue;      /* READY: on it; RUNNING: it was */
	struct lat_work_item *prev, *next; /* there */
	struct lat_work_item *wave;        /* next of those to be looked at */
	bool in_wave;
};

struct lat_work {
	struct lat_dag *dag;
	struct lat_work_item *items;
	struct lat_work_item *wave, **wave_end;
	uint64_t searches;
};

static struct lat_work_item *find(const struct lat_work *w, uint64_t id)
{
	struct lat_work_item *it;

	HASH_FIND(hh, w->items, &id, sizeof(id), it);
	return it;
}

/* ---- queues ---- */

static void enqueue(struct lat_work_queue *q, struct lat_work_item *it)
{
	it->state = LAT_WORK_READY;
	it->queue = q;
	q->ready |= UINT32_C(1) << it->priority;
	DL_APPEND(q->first[it->priority], it);
}

static void dequeue(struct lat_work_item *it)
{
	struct lat_work_queue *q = it->queue;

	DL_DELETE(q->first[it->priority], it);
	if (q->first[it->priority] == NULL)
		q->ready &= ~(UINT32_C(1) << it->priority);
}

/* ---- waves ---- */

static void look_at(struct lat_work *w, struct lat_work_item *it)
{
	if (it->in_wave)
		return;
	it->in_wave = true;
	it->wave = NULL;
	*w->wave_end = it;
	w->wave_end = &it->wave;
}

struct change { /* of a parent, to be told to its children */
	struct lat_work *work;
	int unready, failed;
};

static void tell_child(void *ctx, uint64_t child)
{
	const struct change *c = ctx;
	struct lat_work_item *it = find(c->work, child);

	it->unready += (uint32_t)c->unready;
	it->failed += (uint32_t)c->failed;
	look_at(c->work, it);
}

static bool failed(const struct lat_work_item *it)
{
	return it->state == LAT_WORK_DONE && it->rc < 0;
}

static void move(struct lat_work *w, struct lat_work_item *it, enum lat_work_state state, int rc)
{
	struct change c = {
		.work = w,
		.unready = (it->state == LAT_WORK_DONE) - (state == LAT_WORK_DONE),
		.failed = (state == LAT_WORK_DONE && rc < 0) - failed(it),
	};
	bool reason = failed(it) && it->rc != rc;

	if (state == LAT_WORK_DONE) {
		it->ends += it->state != LAT_WORK_DONE;
		it->last_rc = rc;
	}
	it->state = state;
	it->rc = rc;
	if (c.unready != 0 || c.failed != 0 || reason)
		lat_dag_each_child(w->dag, it->id, tell_child, &c);
}

struct reason {
	const struct lat_work *work;
	int rc;
};

static void first_failure(void *ctx, uint64_t parent)
{
	struct reason *r = ctx;
	const struct lat_work_item *it = find(r->work, parent);

	if (r->rc == 0 && failed(it))
		r->rc = it->rc;
}

static int reason_of(const struct lat_work *w, const struct lat_work_item *it)
{
	struct reason r = { .work = w };

	lat_dag_each_parent(w->dag, it->id, first_failure, &r);
	return r.rc;
}

static void look(struct lat_work *w, struct lat_work_item *it, struct lat_work_queue *q)
{
	if (it->has && it->state != LAT_WORK_PENDING)
		return;
	if (it->failed > 0) {
		move(w, it, LAT_WORK_DONE, reason_of(w, it));
	} else if (it->unready > 0) {
		if (!it->has)
			move(w, it, LAT_WORK_IDLE, 0);
	} else if (!it->has) {
		move(w, it, LAT_WORK_DONE, 0);
	} else {
		enqueue(q, it);
	}
}

/* There is one. */
static struct lat_work_item *wave_take(struct lat_work *w)
{
	struct lat_work_item *it = w->wave;

	w->wave = it->wave;
	if (w->wave == NULL)
		w->wave_end = &w->wave;
	it->in_wave = false;
	return it;
}

static void settle(struct lat_work *w, struct lat_work_queue *q)
{
	while (w->wave != NULL) {
		look(w, wave_take(w), q);
	}
}

/* ---- life ---- */

int lat_work_open(struct lat_work **out, const struct lat_dag_limits *limits)
{
	struct lat_work *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	w->wave_end = &w->wave;
	if (lat_dag_open(&w->dag, limits) < 0) {
		free(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void lat_work_close(struct lat_work *w)
{
	struct lat_work_item *it;

	if (w == NULL)
		return;
	it = w->items;
	HASH_CLEAR(hh, w->items); /* the items stay, and stay in a row */
	while (it != NULL) {
		struct lat_work_item *next = it->hh.next;

		free(it);
		it = next;
	}
	lat_dag_close(w->dag);
	free(w);
}

int lat_work_add(struct lat_work *w, uint64_t id, const char *name)
{
	struct lat_work_item *it;
	int rc = lat_dag_add(w->dag, id, name);

	if (rc < 0)
		return rc;
	it = calloc(1, sizeof(*it));
	if (it == NULL)
		goto fail;
	it->id = id;
	it->state = LAT_WORK_DONE; /* nothing to do, and nothing to wait for */
	it->priority = LAT_WORK_PRIORITY_DEFAULT;
	HASH_ADD(hh, w->items, id, sizeof(it->id), it);
	if (it->hh.tbl != NULL)
		return 0;
	free(it);
fail:
	(void)lat_dag_remove(w->dag, id);
	return -ENOMEM;
}

void lat_work_remove(struct lat_work *w, uint64_t id, struct lat_work_queue *q)
{
	struct lat_work_item *it = find(w, id);

	if (it == NULL)
		return;
	if (it->state == LAT_WORK_READY)
		dequeue(it);
	if (it->state != LAT_WORK_DONE)
		move(w, it, LAT_WORK_DONE, -ESHUTDOWN);
	settle(w, q);
	move(w, it, LAT_WORK_DONE, 0); /* so its edges count for nothing */
	settle(w, q);
	HASH_DEL(w->items, it);
	(void)lat_dag_remove(w->dag, id);
	free(it);
}

int lat_work_add_dep(struct lat_work *w, uint64_t parent, uint64_t child, struct lat_dag_path *path,
		     struct lat_work_queue *q)
{
	struct lat_work_item *p = find(w, parent), *c = find(w, child);
	int rc = lat_dag_add_dep(w->dag, parent, child, path);

	if (rc < 0)
		return rc;
	c->unready += p->state != LAT_WORK_DONE;
	c->failed += failed(p);
	look_at(w, c);
	settle(w, q);
	return 0;
}

int lat_work_remove_dep(struct lat_work *w, uint64_t parent, uint64_t child, struct lat_work_queue *q)
{
	struct lat_work_item *p = find(w, parent), *c = find(w, child);
	int rc = lat_dag_remove_dep(w->dag, parent, child);

	if (rc < 0)
		return rc;
	c->unready -= p->state != LAT_WORK_DONE;
	c->failed -= failed(p);
	look_at(w, c);
	settle(w, q);
	return 0;
}

/* ---- submitting and running ---- */

static bool busy(const struct lat_work_item *it)
{
	return it->has && it->state != LAT_WORK_IDLE && it->state != LAT_WORK_DONE;
}

int lat_work_set(struct lat_work *w, uint64_t id, bool has, struct lat_work_queue *q)
{
	struct lat_work_item *it = find(w, id);

	if (it == NULL)
		return -ENOENT;
	if (busy(it))
		return -EALREADY;
	if (it->has == has)
		return 0;
	it->has = has;
	if (has)
		move(w, it, LAT_WORK_IDLE, 0);
	else
		look_at(w, it);
	settle(w, q);
	return 0;
}

int lat_work_submit(struct lat_work *w, uint64_t id, struct lat_work_queue *q)
{
	struct lat_work_item *it = find(w, id);

	if (it == NULL)
		return -ENOENT;
	if (busy(it))
		return -EALREADY;
	if (it->has) {
		move(w, it, LAT_WORK_PENDING, 0);
		look_at(w, it);
		settle(w, q);
	}
	return it->state == LAT_WORK_DONE ? it->rc : 0;
}

int lat_work_set_priority(struct lat_work *w, uint64_t id, uint32_t priority)
{
	struct lat_work_item *it = find(w, id);

	if (it == NULL)
		return -ENOENT;
	if (it->priority == priority)
		return 0;
	if (it->state == LAT_WORK_READY) {
		dequeue(it);
		it->priority = (uint8_t)priority;
		enqueue(it->queue, it);
	}
	it->priority = (uint8_t)priority;
	return 0;
}

bool lat_work_next(struct lat_work_queue *q, uint64_t *id)
{
	struct lat_work_item *it;

	if (q->ready == 0)
		return false;
	it = q->first[31 - __builtin_clz(q->ready)];
	dequeue(it);
	it->state = LAT_WORK_RUNNING;
	*id = it->id;
	return true;
}

void lat_work_done(struct lat_work *w, uint64_t id, int rc, struct lat_work_queue *q)
{
	struct lat_work_item *it = find(w, id);

	if (it == NULL || it->state != LAT_WORK_RUNNING)
		return;
	move(w, it, LAT_WORK_DONE, rc < 0 ? rc : 0);
	settle(w, q);
}

enum lat_work_state lat_work_state(const struct lat_work *w, uint64_t id, int *rc)
{
	const struct lat_work_item *it = find(w, id);

	if (it == NULL)
		return LAT_WORK_IDLE;
	if (rc != NULL && it->state == LAT_WORK_DONE)
		*rc = it->rc;
	return it->state;
}

bool lat_work_ends(const struct lat_work *w, uint64_t id, uint64_t *ends, int *rc)
{
	const struct lat_work_item *it = find(w, id);

	if (it == NULL)
		return false;
	*ends = it->ends;
	*rc = it->last_rc;
	return true;
}

/* ---- who waits for whom ---- */

static void look_for(struct lat_work *w, struct lat_work_item *it)
{
	if (it == NULL || it->seen == w->searches || it->state == LAT_WORK_DONE)
		return;
	it->seen = w->searches;
	look_at(w, it);
}

static void look_for_parent(void *ctx, uint64_t parent)
{
	struct lat_work *w = ctx;

	look_for(w, find(w, parent));
}

/* The list of waves serves: none is under way. */
bool lat_work_needs(struct lat_work *w, uint64_t id, const struct lat_work_queue *q)
{
	bool found = false;

	w->searches++;
	look_for(w, find(w, id));
	while (w->wave != NULL) {
		struct lat_work_item *it = wave_take(w);

		if (found)
			continue;
		if (it->state != LAT_WORK_READY && it->state != LAT_WORK_RUNNING)
			lat_dag_each_parent(w->dag, it->id, look_for_parent, w);
		else if (it->queue == q)
			found = true;
		else
			look_for(w, find(w, it->queue->waits));
	}
	return found;
}

/* ---- to be shown ---- */

const char *lat_work_state_name(enum lat_work_state state)
{
	static const char *const names[] = { "idle", "pending", "ready", "running", "done" };

	return (size_t)state < ARRAY_LEN(names) ? names[state] : "?";
}

uint32_t lat_work_priority(const struct lat_work *w, uint64_t id)
{
	const struct lat_work_item *it = find(w, id);

	return it == NULL ? LAT_WORK_PRIORITY_DEFAULT : it->priority;
}

const struct lat_dag *lat_work_dag(const struct lat_work *w)
{
	return w->dag;
}
