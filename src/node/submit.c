/*
 * Work in the order of the dependencies between channels. The graph (graph/work.h) says what is ready; whoever made it so runs it
 * here, one function after the other, under no lock.
 *
 * A function that submits in its turn would nest without end. So a thread that is running some node's work only queues what
 * becomes ready there meanwhile, and the outermost call runs it. Tasks of one thread share its list of running calls: each takes
 * out its own, and what one queues in the other's name is run by that.
 *
 * Who waits for work sleeps in the node's queue and is woken by whatever call may have ended some.
 */
#include <errno.h>

#include "fastpath/wait.h"
#include "graph/work.h"
#include "node/channel.h"
#include "node/explain.h"
#include "node/node.h"
#include "os/clock.h"

struct runner {                    /* on the stack of the call that runs */
	struct lattice_node *node; /* a reference; NULL: an outer call of this thread does it */
	struct lat_work_queue queue;
	uint64_t watched; /* whose result is wanted */
	int result;       /* its work's */
	const void *flow; /* who calls: a task, or NULL: the thread itself */
	struct runner *outer;
};

static _Thread_local struct runner *runners;

static const void *this_flow(void)
{
	void *flow = NULL;

	(void)lat_wait_flow(&flow);
	return flow;
}

/* The queue for what becomes ready. The node's lock is taken. */
static struct lat_work_queue *begin(struct runner *self, struct lattice_node *node)
{
	*self = (struct runner){ 0 };
	pthread_mutex_lock(&node->lock);
	for (struct runner *r = runners; r != NULL; r = r->outer)
		if (r->node == node)
			return &r->queue;
	self->node = lat_node_get(node);
	self->flow = this_flow();
	self->outer = runners;
	runners = self;
	return &self->queue;
}

static void forget(const struct runner *self)
{
	struct runner **at = &runners;

	while (*at != self)
		at = &(*at)->outer;
	*at = self->outer;
}

/* Runs what is on the queue, unless an outer call does. The node's lock is held, and released. */
static void end(struct runner *self, struct lattice_node *node)
{
	uint64_t id;

	lat_waitq_wake(&node->work_ended);
	while (self->node != NULL && lat_work_next(&self->queue, &id)) {
		struct lattice_channel *ch = lat_channels_find(node->channels, id);
		lattice_work_fn fn = ch->work;
		void *ctx = ch->work_ctx;
		int rc;

		pthread_mutex_unlock(&node->lock);
		rc = fn(ctx, ch); /* which may close it */
		pthread_mutex_lock(&node->lock);
		lat_work_done(node->work, id, rc, &self->queue);
		lat_waitq_wake(&node->work_ended);
		if (id == self->watched)
			self->result = rc < 0 ? rc : 0;
	}
	if (self->node != NULL)
		forget(self);
	pthread_mutex_unlock(&node->lock);
	if (self->node != NULL)
		lat_node_put(node);
}

int lattice_channel_set_work(struct lattice_channel *ch, lattice_work_fn fn, void *ctx)
{
	struct lattice_node *node;
	struct lat_work_queue *q;
	struct runner self;
	int rc;

	if (ch == NULL)
		return lat_why(ch, -EINVAL, "no channel");
	node = ch->node;
	rc = lat_node_check(node, ch);
	if (rc < 0)
		return rc;
	q = begin(&self, node);
	rc = lat_work_set(node->work, ch->handle, fn != NULL, q);
	if (rc == 0) {
		ch->work = fn;
		ch->work_ctx = ctx;
	}
	end(&self, node);
	if (rc == -EALREADY)
		return lat_why(ch, rc, "channel %d->%d@%u: its work is submitted, and has not come to an end",
			       ch->key.src, ch->key.dst, ch->key.node);
	return rc;
}

int lattice_channel_submit(struct lattice_channel *ch)
{
	struct lat_channels_key key;
	struct lattice_node *node;
	struct lat_work_queue *q;
	struct runner self;
	int rc;

	if (ch == NULL)
		return lat_why(ch, -EINVAL, "no channel");
	key = ch->key; /* its work may close it */
	node = ch->node;
	rc = lat_node_check(node, ch);
	if (rc < 0)
		return rc;
	q = begin(&self, node);
	self.watched = ch->handle;
	rc = lat_work_submit(node->work, ch->handle, q);
	end(&self, node);
	if (rc == -EALREADY)
		return lat_why(ch, rc,
			       "channel %d->%d@%u: its work is submitted already, and has not come to an end",
			       key.src, key.dst, key.node);
	if (rc < 0)
		return lat_why(ch, rc,
			       "channel %d->%d@%u: its work was not run, because what it depends on failed",
			       key.src, key.dst, key.node);
	if (self.result < 0)
		return lat_why(ch, self.result, "channel %d->%d@%u: its work failed", key.src, key.dst,
			       key.node);
	return 0;
}

int lattice_channel_set_priority(struct lattice_channel *ch, int priority)
{
	struct lattice_node *node;
	int rc;

	if (ch == NULL || priority < 0 || priority > LATTICE_WORK_PRIORITY_MAX)
		return lat_why(ch, -EINVAL, "no channel, or a priority that is not from 0 to %d",
			       LATTICE_WORK_PRIORITY_MAX);
	node = ch->node;
	rc = lat_node_check(node, ch);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&node->lock);
	rc = lat_work_set_priority(node->work, ch->handle, (uint32_t)priority);
	pthread_mutex_unlock(&node->lock);
	return rc;
}

/* ---- waiting for an end ---- */

/* That of this flow on @node: the work that calls is being run by it. NULL: none. */
static struct runner *runner_of(const struct lattice_node *node)
{
	const void *flow = this_flow();
	struct runner *r = runners;

	while (r != NULL && (r->node != node || r->flow != flow))
		r = r->outer;
	return r;
}

/* -EAGAIN: not yet. */
static int ended_locked(const struct lattice_channel *ch, uint64_t since)
{
	const struct lat_work *work = ch->node->work;
	uint64_t ends = 0;
	int rc = 0;

	if (!lat_work_ends(work, ch->handle, &ends, &rc))
		return -ESHUTDOWN;
	if (ends != since || lat_work_state(work, ch->handle, NULL) == LAT_WORK_DONE)
		return rc;
	return atomic_load_explicit(&ch->node->closed, memory_order_acquire) ? -ESHUTDOWN : -EAGAIN;
}

/* Until it has ended: not *waiting any more, and how. Else why it does not wait. */
static int wait_locked(struct lattice_channel *ch, uint64_t deadline_ns, bool *waiting)
{
	struct lattice_node *node = ch->node;
	struct runner *within = runner_of(node);
	uint64_t since = 0;
	int rc;

	(void)lat_work_ends(node->work, ch->handle, &since, &rc);
	while ((rc = ended_locked(ch, since)) == -EAGAIN) {
		if (within != NULL && lat_work_needs(node->work, ch->handle, &within->queue))
			return -EDEADLK;
		if (deadline_ns == 0)
			return -EAGAIN;
		if (within != NULL)
			within->queue.waits = ch->handle;
		rc = lat_waitq_wait(&node->work_ended, &node->lock, deadline_ns);
		if (within != NULL)
			within->queue.waits = 0;
		if (rc < 0 && ended_locked(ch, since) == -EAGAIN)
			return rc;
	}
	*waiting = false;
	return rc;
}

int lattice_channel_wait_work(struct lattice_channel *ch, int64_t timeout_ns)
{
	struct lattice_node *node;
	bool waiting = true;
	int rc;

	if (ch == NULL)
		return lat_why(ch, -EINVAL, "no channel");
	node = ch->node;
	rc = lat_node_check(node, ch);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&node->lock);
	rc = wait_locked(ch, timeout_ns == 0 ? 0 : lat_clock_until(timeout_ns), &waiting);
	pthread_mutex_unlock(&node->lock);
	if (rc == 0)
		return 0;
	if (rc == -ESHUTDOWN && lat_node_check(node, ch) < 0)
		return rc;
	if (!waiting)
		return lat_why(ch, rc, "channel %d->%d@%u: its work, or what it depends on, failed",
			       ch->key.src, ch->key.dst, ch->key.node);
	if (rc == -EDEADLK)
		return lat_why(
			ch, rc,
			"channel %d->%d@%u: its work cannot end before that which waits for it has ended",
			ch->key.src, ch->key.dst, ch->key.node);
	if (rc == -ETIMEDOUT || rc == -EAGAIN)
		return lat_why(ch, rc, "channel %d->%d@%u: its work has not come to an end", ch->key.src,
			       ch->key.dst, ch->key.node);
	return rc;
}

/* ---- dependencies ---- */

int lattice_channel_remove_dep(struct lattice_channel *parent, struct lattice_channel *child)
{
	struct lattice_node *node;
	struct lat_work_queue *q;
	struct runner self;
	int rc;

	lat_why_forget();
	if (parent == NULL || child == NULL)
		return -EINVAL;
	node = parent->node;
	if (child->node != node)
		return lat_why(parent, -EINVAL, "the channels are of different nodes");
	rc = lat_node_check(node, parent);
	if (rc < 0)
		return rc;
	q = begin(&self, node);
	rc = lat_work_remove_dep(node->work, parent->handle, child->handle, q);
	end(&self, node);
	if (rc == -ENOENT)
		return lat_why(parent, rc, "channel %d->%d@%u does not depend on %d->%d@%u", child->key.src,
			       child->key.dst, child->key.node, parent->key.src, parent->key.dst,
			       parent->key.node);
	return rc;
}

int lattice_channel_add_dep(struct lattice_channel *parent, struct lattice_channel *child)
{
	struct lattice_node *node;
	struct lat_dag_path path;
	struct lat_work_queue *q;
	struct runner self;
	char text[256];
	int rc;

	lat_why_forget();
	if (parent == NULL || child == NULL)
		return -EINVAL;
	node = parent->node;
	if (child->node != node)
		return lat_why(parent, -EINVAL, "the channels are of different nodes");
	if (child == parent)
		return lat_why(parent, -EINVAL, "a channel cannot depend on itself");
	rc = lat_node_check(node, parent);
	if (rc < 0)
		return rc;
	q = begin(&self, node);
	rc = lat_work_add_dep(node->work, parent->handle, child->handle, &path, q);
	end(&self, node);
	if (rc == -EEXIST)
		return 0; /* said before */
	if (rc == -ELOOP) {
		(void)lat_dag_path_format(&path, text, sizeof(text));
		return lat_why(parent, rc, "the dependency would close a cycle with %s", text);
	}
	return rc;
}

void lat_channel_leave_work(struct lattice_channel *ch)
{
	struct lat_work_queue *q;
	struct runner self;

	q = begin(&self, ch->node);
	lat_work_remove(ch->node->work, ch->handle, q);
	end(&self, ch->node);
}
