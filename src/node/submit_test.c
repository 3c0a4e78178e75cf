/* Submitted work: on whose thread, in what order, how often. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <lattice/lattice.h>

#include "base/test.h"

enum { CHANNELS_MAX = 64 };

struct unit {
	struct field *field;
	struct lattice_channel *ch, *next; /* submitted by the work, when not NULL */
	pthread_t thread;
	uint32_t times;
	int rc, nested;
};

struct field {
	struct lattice_node *node;
	struct lattice_endpoint *ep;
	struct unit unit[CHANNELS_MAX];
	uint32_t count;
	char ran[256];
	size_t ran_count;
};

static int run(void *ctx, struct lattice_channel *ch)
{
	struct unit *u = ctx;

	if (u->ch != ch)
		return -EFAULT;
	u->times++;
	u->thread = pthread_self();
	u->field->ran[u->field->ran_count++ % sizeof(u->field->ran)] = (char)('a' + (u - u->field->unit));
	if (u->next != NULL)
		u->nested = lattice_channel_submit(u->next);
	return u->rc;
}

static void open_field(struct field *f, uint32_t count)
{
	memset(f, 0, sizeof(*f));
	f->count = count;
	CHECK_EQ(lattice_node_open(&f->node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE,
									    .max_msg_bytes = 68 }),
		 0);
	CHECK_EQ(lattice_endpoint_open(&f->ep, f->node, 1000), 0);
	for (uint32_t i = 0; i < count; i++) {
		f->unit[i].field = f;
		CHECK_EQ(lattice_channel_open(&f->unit[i].ch, f->node, (int32_t)i + 1, 1000, 0, 0), 0);
		CHECK_EQ(lattice_channel_set_work(f->unit[i].ch, run, &f->unit[i]), 0);
	}
}

static void close_field(struct field *f)
{
	for (uint32_t i = 0; i < f->count; i++)
		lattice_channel_close(f->unit[i].ch);
	lattice_endpoint_close(f->ep);
	lattice_node_close(f->node);
}

static void depends(struct field *f, uint32_t parent, uint32_t child)
{
	CHECK_EQ(lattice_channel_add_dep(f->unit[parent].ch, f->unit[child].ch), 0);
}

TEST(a_diamond_in_order)
{
	struct lattice_channel *bare;
	struct field f;
	char text[200];

	open_field(&f, 4);
	CHECK_EQ(lattice_channel_open(&bare, f.node, 900, 1000, 0, 0), 0);
	depends(&f, 0, 1);
	depends(&f, 0, 2);
	depends(&f, 1, 3);
	CHECK_EQ(lattice_channel_add_dep(f.unit[2].ch, bare), 0); /* through a channel without work */
	CHECK_EQ(lattice_channel_add_dep(bare, f.unit[3].ch), 0);
	CHECK_EQ(lattice_channel_add_dep(f.unit[3].ch, f.unit[0].ch), -ELOOP);
	(void)lattice_explain(f.unit[3].ch, -ELOOP, text, sizeof(text));
	CHECK(strstr(text, "1->1000@0") != NULL);
	for (uint32_t i = 4; i-- > 0;) {
		CHECK_EQ(f.ran_count, 0);
		CHECK_EQ(lattice_channel_submit(f.unit[i].ch), 0);
		if (i > 0)
			CHECK_EQ(lattice_channel_submit(f.unit[i].ch), -EALREADY);
	}
	(void)lattice_explain(f.unit[1].ch, -EALREADY, text, sizeof(text));
	CHECK(strstr(text, "2->1000@0") != NULL && strstr(text, "submitted already") != NULL);
	CHECK_EQ(f.ran_count, 4);
	CHECK(f.ran[0] == 'a' && f.ran[3] == 'd');
	/* Again. */
	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQ(lattice_channel_submit(f.unit[i].ch), 0);
	CHECK_EQ(f.ran_count, 8);
	CHECK_EQ(lattice_channel_submit(bare), 0);
	CHECK_EQ(lattice_channel_set_work(f.unit[1].ch, NULL, NULL), 0);
	CHECK_EQ(lattice_channel_submit(f.unit[1].ch), 0);
	CHECK_EQ(f.ran_count, 8);
	lattice_channel_close(bare);
	close_field(&f);
}

TEST(failures)
{
	struct field f;
	char text[200];

	open_field(&f, 3);
	depends(&f, 0, 1);
	depends(&f, 1, 2);
	f.unit[0].rc = -ENODATA;
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), 0);
	CHECK_EQ(lattice_channel_submit(f.unit[1].ch), 0);
	CHECK_EQ(lattice_channel_set_work(f.unit[1].ch, NULL, NULL), -EALREADY);
	CHECK_EQ(lattice_channel_submit(f.unit[0].ch), -ENODATA);
	(void)lattice_explain(f.unit[0].ch, -ENODATA, text, sizeof(text));
	CHECK(strstr(text, "its work failed") != NULL);
	CHECK_EQ(f.ran_count, 1);
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), -ENODATA); /* not run */
	(void)lattice_explain(f.unit[2].ch, -ENODATA, text, sizeof(text));
	CHECK(strstr(text, "depends on failed") != NULL);
	f.unit[0].rc = 0;
	CHECK_EQ(lattice_channel_submit(f.unit[0].ch), 0);
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), -ENODATA); /* its parent's still stands */
	CHECK_EQ(lattice_channel_submit(f.unit[1].ch), 0);
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), 0);
	CHECK_EQ(f.ran_count, 4);
	CHECK_MEM(f.ran, "aabc", 4);

	/* A parent that goes away fails what waits for it. */
	CHECK_EQ(lattice_channel_submit(f.unit[0].ch), 0);
	lattice_node_close(f.node);
	CHECK_EQ(lattice_channel_submit(f.unit[0].ch), -ESHUTDOWN);
	CHECK_EQ(lattice_channel_set_work(f.unit[0].ch, NULL, NULL), -ESHUTDOWN);
	f.node = NULL;
	close_field(&f);
}

TEST(a_parent_that_is_closed)
{
	struct field f;

	open_field(&f, 3);
	depends(&f, 0, 1);
	depends(&f, 1, 2);
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), 0);
	CHECK_EQ(lattice_channel_submit(f.unit[1].ch), 0);
	lattice_channel_close(f.unit[0].ch);
	f.unit[0].ch = NULL;
	CHECK_EQ(f.ran_count, 0);
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), -ESHUTDOWN);
	CHECK_EQ(lattice_channel_submit(f.unit[1].ch), 0); /* depends on nothing any more */
	CHECK_EQ(lattice_channel_submit(f.unit[2].ch), 0);
	CHECK_EQ(f.ran_count, 2);
	close_field(&f);
}

/* Work that submits itself again, many times: were it run inside of itself, the stack would end. */
struct again {
	struct lattice_channel *ch[2];
	uint32_t left;
	int rc;
};

static int submit_other(void *ctx, struct lattice_channel *ch)
{
	struct again *a = ctx;

	if (a->left-- > 1 && a->rc == 0)
		a->rc = lattice_channel_submit(a->ch[ch == a->ch[0]]);
	return 0;
}

TEST(work_that_submits_does_not_nest)
{
	struct again a = { .left = 300000 };
	struct field f;

	open_field(&f, 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(lattice_channel_open(&a.ch[i], f.node, i + 1, 1000, 0, 0), 0);
		CHECK_EQ(lattice_channel_set_work(a.ch[i], submit_other, &a), 0);
	}
	CHECK_EQ(lattice_channel_submit(a.ch[0]), 0);
	CHECK_EQ(a.left, 0);
	CHECK_EQ(a.rc, 0);
	for (int i = 0; i < 2; i++)
		lattice_channel_close(a.ch[i]);
	close_field(&f);
}

TEST(work_of_another_node_runs_at_once)
{
	struct field f, g;

	open_field(&f, 2);
	open_field(&g, 1);
	f.unit[0].next = g.unit[0].ch;
	g.unit[0].next = f.unit[1].ch; /* this one's turn comes when that of f has returned */
	g.unit[0].rc = -ENODATA;
	CHECK_EQ(lattice_channel_submit(f.unit[0].ch), 0);
	CHECK_EQ(f.unit[0].nested, -ENODATA);
	CHECK_EQ(g.unit[0].nested, 0);
	CHECK_EQ(f.unit[1].times, 1);
	close_field(&f);
	close_field(&g);
}

static void *submit_it(void *arg)
{
	struct unit *u = arg;

	u->nested = lattice_channel_submit(u->ch);
	return NULL;
}

TEST(it_runs_on_the_thread_that_made_it_ready)
{
	pthread_t thread;
	struct field f;

	open_field(&f, 2);
	depends(&f, 0, 1);
	CHECK_EQ(lattice_channel_submit(f.unit[1].ch), 0);
	CHECK_EQ(pthread_create(&thread, NULL, submit_it, &f.unit[0]), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(f.unit[0].nested, 0);
	CHECK_EQ(f.unit[1].times, 1);
	CHECK(pthread_equal(f.unit[1].thread, f.unit[0].thread));
	CHECK(!pthread_equal(f.unit[1].thread, pthread_self()));
	close_field(&f);
}

/* ---- many threads ---- */

enum { LAYERS = 5, WIDTH = 8, THREADS = 8, ROUNDS = 20 };

struct grid_unit {
	struct grid *grid;
	uint32_t layer;
	_Atomic(uint32_t) runs;
};

struct grid {
	struct field f;
	struct grid_unit at[LAYERS * WIDTH];
	_Atomic(uint32_t) wrong, next;
};

/* Everything in the layer above has run. */
static int run_in_grid(void *ctx, struct lattice_channel *ch)
{
	struct grid_unit *u = ctx;

	(void)ch;
	for (uint32_t i = 0; u->layer > 0 && i < WIDTH; i++) {
		struct grid_unit *above = &u->grid->at[(u->layer - 1) * WIDTH + i];

		if (atomic_load_explicit(&above->runs, memory_order_relaxed) != 1)
			(void)atomic_fetch_add_explicit(&u->grid->wrong, 1, memory_order_relaxed);
	}
	(void)atomic_fetch_add_explicit(&u->runs, 1, memory_order_relaxed);
	return 0;
}

/* The lowest layer first, so that most have to wait. */
static void *submit_share(void *arg)
{
	struct grid *g = arg;
	uint32_t i;

	while ((i = atomic_fetch_add_explicit(&g->next, 1, memory_order_relaxed)) < LAYERS * WIDTH)
		if (lattice_channel_submit(g->f.unit[LAYERS * WIDTH - 1 - i].ch) != 0)
			(void)atomic_fetch_add_explicit(&g->wrong, 1, memory_order_relaxed);
	return NULL;
}

TEST(many_threads_submit)
{
	static struct grid g;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		pthread_t thread[THREADS];

		memset(&g, 0, sizeof(g));
		open_field(&g.f, LAYERS * WIDTH);
		for (uint32_t i = 0; i < LAYERS * WIDTH; i++) {
			g.at[i].grid = &g;
			g.at[i].layer = i / WIDTH;
			CHECK_EQ(lattice_channel_set_work(g.f.unit[i].ch, run_in_grid, &g.at[i]), 0);
			for (uint32_t k = 0; i >= WIDTH && k < WIDTH; k++)
				depends(&g.f, (i / WIDTH - 1) * WIDTH + k, i);
		}
		for (int i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_create(&thread[i], NULL, submit_share, &g), 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		CHECK_EQ(atomic_load_explicit(&g.wrong, memory_order_relaxed), 0);
		for (uint32_t i = 0; i < LAYERS * WIDTH; i++)
			CHECK_EQ(atomic_load_explicit(&g.at[i].runs, memory_order_relaxed), 1);
		close_field(&g.f);
	}
}

TEST_MAIN
