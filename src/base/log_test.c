/* Logging: silence, cutting, cleaning, and that fn and ctx change together. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/test.h"

struct got {
	int calls, level;
	char text[LAT_LOG_LINE_MAX + 1];
};

static void keep(void *ctx, int level, const char *text)
{
	struct got *g = ctx;

	g->calls++;
	g->level = level;
	strncpy(g->text, text, sizeof(g->text) - 1);
	errno = ENOENT;
}

static void silence_from_inside(void *ctx, int level, const char *text)
{
	(void)level;
	(void)text;
	++*(int *)ctx;
	lat_log_set(NULL, NULL);
}

TEST(silent_until_set_and_after)
{
	struct got g = { 0 };

	lat_log(LAT_LOG_ERROR, "nobody listens");
	lat_log_set(keep, &g);
	errno = EAGAIN;
	lat_log(LAT_LOG_WARN, "peer %d is %s", 7, "gone");
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(g.calls, 1);
	CHECK_EQ(g.level, LAT_LOG_WARN);
	CHECK_STR(g.text, "peer 7 is gone");
	lat_log_set(NULL, NULL);
	lat_log(LAT_LOG_ERROR, "nobody listens");
	CHECK_EQ(g.calls, 1);
}

TEST(lines_are_cut_at_the_limit)
{
	static const struct {
		const char *why;
		int length;
		size_t want;
	} rows[] = {
		{ "empty", 0, 0 },
		{ "just fits", LAT_LOG_LINE_MAX - 1, LAT_LOG_LINE_MAX - 1 },
		{ "one too long", LAT_LOG_LINE_MAX, LAT_LOG_LINE_MAX - 1 },
		{ "far too long", 5000, LAT_LOG_LINE_MAX - 1 },
	};
	struct got g = { 0 };

	lat_log_set(keep, &g);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memset(&g, 0, sizeof(g));
		lat_log(LAT_LOG_DEBUG, "%*s", rows[i].length, "");
		CHECK_EQ_ROW(rows[i].why, strlen(g.text), rows[i].want);
	}
	lat_log_set(NULL, NULL);
}

TEST(a_name_cannot_forge_a_line)
{
	struct got g = { 0 };

	lat_log_set(keep, &g);
	lat_log(LAT_LOG_INFO, "name %s", "a\nb\x1b[2J\x7f\xc3\xa9");
	CHECK_STR(g.text, "name a?b?[2J?\xc3\xa9");
	lat_log_set(NULL, NULL);
}

TEST(the_callback_may_change_the_callback)
{
	int calls = 0;

	lat_log_set(silence_from_inside, &calls);
	lat_log(LAT_LOG_INFO, "once");
	lat_log(LAT_LOG_INFO, "twice");
	CHECK_EQ(calls, 1);
}

/* Two callbacks, each with a ctx of its own: one called with the other's ctx is a torn pair. */
static int ctx_a, ctx_b;
static _Atomic(int) torn;
static _Atomic(bool) stop;

static void only_a(void *ctx, int level, const char *text)
{
	(void)level;
	(void)text;
	if (ctx != &ctx_a)
		atomic_fetch_add_explicit(&torn, 1, memory_order_relaxed);
}

static void only_b(void *ctx, int level, const char *text)
{
	(void)level;
	(void)text;
	if (ctx != &ctx_b)
		atomic_fetch_add_explicit(&torn, 1, memory_order_relaxed);
}

static void *swap_for_ever(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		lat_log_set(only_a, &ctx_a);
		lat_log_set(only_b, &ctx_b);
	}
	return arg;
}

TEST(the_pair_is_never_torn)
{
	pthread_t thread;

	lat_log_set(only_a, &ctx_a);
	CHECK_EQ(pthread_create(&thread, NULL, swap_for_ever, NULL), 0);
	for (int i = 0; i < 20000; i++)
		lat_log(LAT_LOG_DEBUG, "x");
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	lat_log_set(NULL, NULL);
	CHECK_EQ(atomic_load_explicit(&torn, memory_order_relaxed), 0);
}

TEST_MAIN
