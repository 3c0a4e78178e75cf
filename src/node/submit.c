/*
 * Work in the order of the dependencies between channels. The graph (graph/work.h) says what is ready; whoever made it so runs it
 * here, one function after the other, under no lock.
 *
 * A function that submits in its turn would nest without end. So a thread that is running some node's work only queues what
 * becomes ready there meanwhile, and the outermost call runs it. Tasks of one thread share its list of running calls: each takes
 * out its own, and what one queues in the other's name is run by that.
 */
#include <errno.h>

#include "graph/work.h"
#include "node/channel.h"
#include "node/explain.h"
#include "node/node.h"

struct runner {                    /* on the stack of the call that runs */
	struct lattice_node *node; /* a reference; NULL: an outer call of this thread does it */
	struct lat_work_queue queue;
	uint64_t watched; /* whose result is wanted */
	int result;       /* its work's */
	struct runner *outer;
};

static _Thread_local struct runner *runners;

/* The queue for what becomes ready. The node's lock is taken. */
static struct lat_work_queue *begin(struct runner *self, struct lattice_node *node)
{
	*self = (struct runner){ 0 };
	pthread_mutex_lock(&node->lock);
	for (struct runner *r = runners; r != NULL; r = r->outer)
		if (r->node == node)
			return &r->queue;
	self->node = lat_node_get(node);
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

	while (self->node != NULL && lat_work_next(&self->queue, &id)) {
		struct lattice_channel *ch = lat_channels_find(node->channels, id);
		lattice_work_fn fn = ch->work;
		void *ctx = ch->work_ctx;
		int rc;

		pthread_mutex_unlock(&node->lock);
		rc = fn(ctx, ch); /* which may close it */
		pthread_mutex_lock(&node->lock);
		lat_work_done(node->work, id, rc, &self->queue);
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
