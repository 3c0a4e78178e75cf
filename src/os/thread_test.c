/* Threads: name, signal mask, what is visible when, and joining twice. */
#include "os/thread.h"

#include <signal.h>

#include "base/test.h"

struct seen {
	int before, after;
	char name[LAT_THREAD_NAME_MAX];
	sigset_t mask;
};

static void look(void *arg)
{
	struct seen *s = arg;

	s->after = s->before + 1;
	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
}

TEST(names_are_cut_to_fit)
{
	static const struct {
		const char *why, *name, *want;
	} rows[] = {
		{ "short", "lat-io-0", "lat-io-0" },
		{ "15 bytes just fit", "123456789012345", "123456789012345" },
		{ "16 are cut", "1234567890123456", "123456789012345" },
		{ "empty", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_thread t = { 0 };
		struct seen s = { .before = (int)i };

		CHECK_EQ_ROW(rows[i].why, lat_thread_start(&t, rows[i].name, look, &s), 0);
		lat_thread_join(&t);
		CHECK_STR_ROW(rows[i].why, s.name, rows[i].want);
		CHECK_EQ_ROW(rows[i].why, s.after, s.before + 1);
		CHECK_ROW(rows[i].why, !t.started);
		lat_thread_join(&t);
	}
}

TEST(signals_go_elsewhere)
{
	static const struct {
		int signal;
		int blocked;
	} rows[] = {
		{ SIGINT, 1 },  { SIGTERM, 1 }, { SIGHUP, 1 }, { SIGALRM, 1 }, { SIGUSR1, 1 }, { SIGPIPE, 1 },
		{ SIGCHLD, 1 }, { SIGSEGV, 0 }, { SIGBUS, 0 }, { SIGFPE, 0 },  { SIGILL, 0 },  { SIGTRAP, 0 },
	};
	struct lat_thread t = { 0 };
	struct seen s = { 0 };
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	CHECK_EQ(lat_thread_start(&t, "mask", look, &s), 0);
	lat_thread_join(&t);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ(sigismember(&s.mask, rows[i].signal), rows[i].blocked);
		CHECK_EQ(sigismember(&after, rows[i].signal), sigismember(&before, rows[i].signal));
	}
}

TEST(never_started_is_joined)
{
	struct lat_thread t = { 0 };

	lat_thread_join(&t);
	lat_thread_detach(&t);
}

struct lonely {
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool over;
};

static void be_lonely(void *arg)
{
	struct lonely *l = arg;

	pthread_mutex_lock(&l->lock);
	l->over = true;
	pthread_cond_signal(&l->told);
	pthread_mutex_unlock(&l->lock);
}

TEST(a_detached_one_runs_to_its_end)
{
	static struct lonely l = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };
	struct lat_thread t = { 0 };

	pthread_mutex_lock(&l.lock);
	CHECK_EQ(lat_thread_start(&t, "lonely", be_lonely, &l), 0);
	lat_thread_detach(&t);
	CHECK(!t.started);
	lat_thread_join(&t); /* nothing to join any more */
	while (!l.over)
		pthread_cond_wait(&l.told, &l.lock);
	pthread_mutex_unlock(&l.lock);
}

TEST_MAIN
