/*
 * Three tables of pairs of pids, all hashed under a random key: joined pairs; who was heard from, by node; and for each pair of pids
 * the newest of those. The second is also in a list, the one heard from last at its end: who has to go is found at its beginning.
 * An answer's channel is opened when it is first sent on. One that is being sent on is not forgotten.
 */
#include "node/routes.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

#include <lattice/endpoint.h>
#include <lattice/ipc.h>

#include "graph/channels.h"
#include "node/channel.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/node.h"

struct joined {
	lattice_node_id node;
	struct lattice_channel *ch;
	uint64_t handle;
	struct joined *next;
};

struct lat_answer {
	struct lat_channels_key key; /* the pid that heard, whom, and where that is */
	uint64_t handle;
	struct lattice_channel *ch; /* NULL: not answered yet, or joined meanwhile */
	uint32_t refs;              /* sends that are at it */
	struct pair *pair;
	struct lat_answer *prev, *next;
};

struct pair { /* of pids */
	uint64_t handle;
	uint32_t count; /* nodes */
	struct lat_answer *newest;
};

struct listener {
	struct lattice_endpoint *ep;
	struct listener *next;
};

struct lat_routes {
	pthread_mutex_t lock;
	struct lattice_node *node;
	struct lat_channels *joined, *answers, *pairs;
	struct joined *all_joined;
	struct lat_answer *heard; /* longest ago first */
	uint32_t heard_count;
	struct listener *listeners;
};

static struct lat_channels_key pair_key(int32_t src, int32_t dst)
{
	return (struct lat_channels_key){ .src = src, .dst = dst };
}

/* ---- answers: the lock is held ---- */

static void forget_answer(struct lat_routes *r, struct lat_answer *a)
{
	struct pair *pair = a->pair;

	(void)lat_channels_remove(r->answers, a->handle);
	DL_DELETE(r->heard, a);
	r->heard_count--;
	/* The newest of a pair is the last of it to go. */
	if (--pair->count == 0) {
		(void)lat_channels_remove(r->pairs, pair->handle);
		free(pair);
	}
	lattice_channel_close(a->ch);
	free(a);
}

/* Makes room for one more. False: all are being sent on. */
static bool make_room(struct lat_routes *r)
{
	struct lat_answer *a = r->heard;

	if (r->heard_count < LAT_ANSWERS_KEPT)
		return true;
	while (a != NULL && (a->refs > 0 || (a->pair->newest == a && a->pair->count > 1)))
		a = a->next;
	if (a != NULL)
		forget_answer(r, a);
	return a != NULL;
}

static struct pair *pair_of(struct lat_routes *r, int32_t src, int32_t dst)
{
	struct lat_channels_key key = pair_key(src, dst);
	struct pair *pair = lat_channels_find_key(r->pairs, &key);

	if (pair != NULL)
		return pair;
	pair = calloc(1, sizeof(*pair));
	if (pair != NULL && lat_channels_insert(r->pairs, &key, pair, &pair->handle) < 0) {
		free(pair);
		return NULL;
	}
	return pair;
}

static struct lat_answer *new_answer(struct lat_routes *r, const struct lat_channels_key *key)
{
	struct lat_answer *a;
	struct pair *pair;

	if (!make_room(r))
		return NULL;
	pair = pair_of(r, key->src, key->dst);
	if (pair == NULL)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a == NULL || lat_channels_insert(r->answers, key, a, &a->handle) < 0) {
		free(a);
		if (pair->count == 0) {
			(void)lat_channels_remove(r->pairs, pair->handle);
			free(pair);
		}
		return NULL;
	}
	a->key = *key;
	a->pair = pair;
	pair->count++;
	DL_APPEND(r->heard, a);
	r->heard_count++;
	return a;
}

void lat_routes_heard(struct lat_routes *r, int32_t pid, int32_t source, lattice_node_id node)
{
	struct lat_channels_key key = { .src = pid, .dst = source, .node = node };
	struct lat_answer *a;

	if (source < 1)
		return; /* nobody can be answered there */
	pthread_mutex_lock(&r->lock);
	a = lat_channels_find_key(r->answers, &key);
	if (a == NULL) {
		a = new_answer(r, &key);
	} else if (a->next != NULL) {
		DL_DELETE(r->heard, a);
		DL_APPEND(r->heard, a);
	}
	if (a != NULL)
		a->pair->newest = a;
	pthread_mutex_unlock(&r->lock);
}

/* Where the last message from a pid @source came from. */
static int find_any(const struct lat_routes *r, int32_t source, lattice_node_id *out)
{
	const struct lat_answer *last = NULL, *a;

	DL_FOREACH(r->heard, a)
		if (a->key.dst == source)
			last = a;
	if (last == NULL)
		return lat_why(NULL, -EDESTADDRREQ, "no message from a pid %d has come, from whatever node",
			       source);
	*out = last->key.node;
	return 0;
}

/* ---- joining: the lock is held ---- */

static int open_listener(struct lat_routes *r, int32_t pid)
{
	struct listener *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return -ENOMEM;
	rc = lattice_endpoint_open(&l->ep, r->node, pid);
	if (rc < 0) {
		free(l);
		return rc == -EADDRINUSE ? 0 : rc;
	}
	l->next = r->listeners;
	r->listeners = l;
	return 0;
}

static struct joined *find_joined(const struct lat_routes *r, int32_t src, int32_t dst)
{
	struct lat_channels_key key = pair_key(src, dst);

	return lat_channels_find_key(r->joined, &key);
}

/* A channel that answers are sent on becomes the joined one; else a new one. */
static int open_channel(struct lat_routes *r, struct joined *j, int32_t src, int32_t dst)
{
	struct lat_channels_key key = { .src = src, .dst = dst, .node = j->node };
	struct lat_answer *a = lat_channels_find_key(r->answers, &key);
	int rc;

	if (a != NULL && a->ch != NULL) {
		j->ch = a->ch;
		a->ch = NULL;
		return 0;
	}
	rc = lattice_channel_open(&j->ch, r->node, src, dst, j->node, 0);
	if (rc == 0)
		lat_channel_keep(j->ch);
	return rc;
}

static int join(struct lat_routes *r, int32_t src, int32_t dst, lattice_node_id node)
{
	struct lat_channels_key key = pair_key(src, dst);
	struct joined *j = find_joined(r, src, dst);
	int rc;

	if (j != NULL && j->node == node)
		return 0;
	if (j != NULL)
		return lat_why(NULL, -EEXIST, "pid %d is joined to pid %d on node %u already", src, dst,
			       j->node != 0 ? j->node : lattice_node_number(r->node));
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	j->node = node;
	rc = lat_channels_insert(r->joined, &key, j, &j->handle);
	if (rc < 0) {
		free(j);
		return rc;
	}
	rc = open_channel(r, j, src, dst);
	if (rc < 0) {
		(void)lat_channels_remove(r->joined, j->handle);
		free(j);
		return rc;
	}
	j->next = r->all_joined;
	r->all_joined = j;
	return 0;
}

static int check_pids(int32_t a, int32_t b)
{
	if (a < 1 || b < 1)
		return lat_why(NULL, -EINVAL, "pid %d is not 1 or more", a < 1 ? a : b);
	return 0;
}

static int connect_locked(struct lat_routes *r, int32_t src, int32_t dst, lattice_node_id node)
{
	int rc = 0;

	if (node == LATTICE_ANY_NODE)
		rc = find_any(r, dst, &node);
	if (rc < 0)
		return rc;
	if (node == lattice_node_number(r->node))
		node = 0;
	if (node != 0) {
		rc = join(r, src, dst, node);
		return rc < 0 ? rc : open_listener(r, src);
	}
	rc = open_listener(r, src);
	if (rc == 0)
		rc = open_listener(r, dst);
	if (rc == 0)
		rc = join(r, src, dst, 0);
	return rc < 0 ? rc : join(r, dst, src, 0);
}

int lat_routes_connect(struct lat_routes *r, int32_t src, int32_t dst, lattice_node_id node)
{
	int rc = check_pids(src, dst);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	rc = connect_locked(r, src, dst, node);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int lat_routes_listen(struct lat_routes *r, int32_t pid)
{
	int rc = check_pids(pid, pid);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	rc = open_listener(r, pid);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* ---- ways ---- */

struct lattice_channel *lat_routes_joined(struct lat_routes *r, int32_t src, int32_t dst)
{
	const struct joined *j;
	struct lattice_channel *ch;

	pthread_mutex_lock(&r->lock);
	j = find_joined(r, src, dst);
	ch = j != NULL ? j->ch : NULL;
	pthread_mutex_unlock(&r->lock);
	return ch;
}

static int get_locked(struct lat_routes *r, int32_t src, int32_t dst, struct lat_way *out)
{
	struct lat_channels_key key = pair_key(src, dst);
	const struct joined *j = find_joined(r, src, dst);
	const struct pair *pair;
	struct lat_answer *a;
	int rc;

	if (j != NULL) {
		*out = (struct lat_way){ .ch = j->ch };
		return 0;
	}
	pair = lat_channels_find_key(r->pairs, &key);
	if (pair == NULL)
		return lat_why(
			NULL, -ENOTCONN,
			"pid %d is not joined to pid %d, and has received nothing from it: lattice_connect() joins them",
			src, dst);
	a = pair->newest;
	if (a->ch == NULL) {
		rc = lattice_channel_open(&a->ch, r->node, src, dst, a->key.node, 0);
		if (rc < 0)
			return rc;
		lat_channel_keep(a->ch);
	}
	a->refs++;
	*out = (struct lat_way){ .ch = a->ch, .answer = a };
	return 0;
}

int lat_routes_get(struct lat_routes *r, int32_t src, int32_t dst, struct lat_way *out)
{
	int rc = check_pids(src, dst);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	rc = get_locked(r, src, dst, out);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void lat_routes_put(struct lat_routes *r, const struct lat_way *way)
{
	if (way->answer == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	way->answer->refs--;
	pthread_mutex_unlock(&r->lock);
}

/* ---- life ---- */

int lat_routes_open(struct lat_routes **out, struct lattice_node *node)
{
	struct lat_routes *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->node = node;
	rc = lat_channels_open(&r->joined, 0);
	if (rc == 0)
		rc = lat_channels_open(&r->answers, LAT_ANSWERS_KEPT);
	if (rc == 0)
		rc = lat_channels_open(&r->pairs, LAT_ANSWERS_KEPT);
	if (rc < 0) {
		lat_routes_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void lat_routes_close(struct lat_routes *r)
{
	if (r == NULL)
		return;
	while (r->heard != NULL)
		forget_answer(r, r->heard);
	while (r->all_joined != NULL) {
		struct joined *j = r->all_joined;

		r->all_joined = j->next;
		lattice_channel_close(j->ch);
		free(j);
	}
	while (r->listeners != NULL) {
		struct listener *l = r->listeners;

		r->listeners = l->next;
		lattice_endpoint_close(l->ep);
		free(l);
	}
	lat_channels_close(r->joined);
	lat_channels_close(r->answers);
	lat_channels_close(r->pairs);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
