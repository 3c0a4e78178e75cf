/* Work runs once per submission, after all that it depends on; and it agrees with a model that is evaluated the plain way. */
#include <errno.h>
#include <inttypes.h>

#include "base/test.h"
#include "graph/work.h"

static struct lat_work *open_work(uint32_t items)
{
	struct lat_work *w;

	CHECK_EQ(lat_work_open(&w, NULL), 0);
	for (uint32_t i = 1; i <= items; i++)
		CHECK_EQ(lat_work_add(w, i, "w"), 0);
	return w;
}

/*
 * Steps, each a letter and items a, b, c...: "+ab" b depends on a, "-ab" not any more; "p7a" a has priority 7; "wa" a has work, "na" it has none; "sa" a is submitted; "r" runs
 * the next one of the queue to a good end, "fa" is that it fails; "xa" a is removed. What ran is told in order, failures in capitals;
 * the last letter's result is checked.
 */
TEST(steps)
{
	static const struct {
		const char *why, *steps;
		int want;
		const char *ran;
	} rows[] = {
		{ "work that depends on nothing runs at once", "wa sa r", 0, "a" },
		{ "nothing runs that was not submitted", "wa r", 0, "" },
		{ "once per submission", "wa sa r r sa r r", 0, "aa" },
		{ "a child waits for its parent's submission", "wa wb +ab sb r", 0, "" },
		{ "and for its end", "wa wb +ab sb sa r r", 0, "ab" },
		{ "whatever order they come in", "wa wb +ab sa r sb r", 0, "ab" },
		{ "twice while it is pending", "wa wb +ab sb sb", -EALREADY, "" },
		{ "twice while it is ready", "wa sa sa", -EALREADY, "" },
		{ "a chain, submitted from its end", "wa wb wc wd +ab +bc +cd sd sc sb sa r r r r", 0,
		  "abcd" },
		{ "a diamond", "wa wb wc wd +ab +ac +bd +cd sd sc sb sa r r r r r", 0, "acbd" },
		{ "a failure goes down, and nothing of it runs", "wa wb wc +ab +bc sc sb sa f r r", 0, "A" },
		{ "who comes later hears of it", "wa wb +ab sa f sb", -EIO, "A" },
		{ "also from the parent's child", "wa wb wc +ab +bc sa f sc sb", -EIO, "A" },
		{ "one parent's failure is enough", "wa wb wc +ac +bc sc sa f", 0, "A" },
		{ "what failed may be tried again", "wa wb +ab sa f sb sa r sb r", 0, "Aab" },
		{ "submitted again, its children wait again", "wa wb +ab sa r sa sb r r", 0, "aab" },
		{ "a parent without work is no obstacle", "wb +ab sb r", 0, "b" },
		{ "but what is behind it is", "wa wc +ab +bc sc r", 0, "" },
		{ "until it is done", "wa wc +ab +bc sc sa r r", 0, "ac" },
		{ "and its failure comes through", "wa wc +ab +bc sc sa f r", 0, "A" },
		{ "what has no work may be submitted", "+ab sb", 0, "" },
		{ "and says what is behind it", "wa +ab sa f sb", -EIO, "A" },
		{ "work for a parent that had none holds back", "wb +ab wa sb r", 0, "" },
		{ "work that is taken away does not", "wa wb +ab sb na r", 0, "b" },
		{ "not while it is pending", "wa wb +ab sb nb", -EALREADY, "" },
		{ "a new parent holds back what is pending", "wa wb wc +ac sc +bc sa r r", 0, "a" },
		{ "not what is ready", "wa wb sb +ab r", 0, "b" },
		{ "a failed one fails it", "wa wb wc +ac sc sb f +bc sa r r", 0, "Ba" },
		{ "who depends on what is removed fails", "wa wb +ab sb xa r sa", -ENOENT, "" },
		{ "and is free of it afterwards", "wa wb +ab sb xa sb r", 0, "b" },
		{ "not when that was done", "wa wb wc +ac +bc sc sa r xa sb r r", 0, "abc" },
		{ "a failure goes when it is removed", "wa wb +ab sa f xa sb r", 0, "Ab" },
		{ "what is ready may be removed", "wa sa xa r", 0, "" },
		{ "priorities, of what is ready at once",
		  "wa wb wc wd +ab +ac +ad p1b p7d sb sc sd sa r r r r", 0, "adcb" },
		{ "a priority does not come before a dependency", "wa wb +ab p7b p0a sb sa r r", 0, "ab" },
		{ "one that is ready gets another", "wa wb wc sa sb sc p4c p2a r r r", 0, "cba" },
		{ "behind the others of it", "wa wb wc p4a p4b sa sb sc p4c r r r", 0, "abc" },
		{ "the last parent that goes lets it run", "wa wb +ab sb -ab r", 0, "b" },
		{ "not one of two", "wa wb wc +ac +bc sc -ac r", 0, "" },
		{ "one that is done does not matter", "wa wb wc +ac +bc sc sa r -ac r sb r r", 0, "abc" },
		{ "what has failed stays so", "wa wb +ab sb sa f -ab r", 0, "A" },
		{ "until it is submitted again", "wa wb +ab sb sa f -ab sb r", 0, "Ab" },
		{ "a middle without work is free of a failure", "wa wc +ab +bc sa f -ab sc r", 0, "Ac" },
		{ "a middle without work lets its child run", "wa wc +ab +bc sc -ab r", 0, "c" },
		{ "submitted again in order", "wa wb wc +ab +bc sc sb sa r r r sa sb sc r r r", 0, "abcabc" },
		{ "a middle without work", "wa wc +ab +bc sc xb r sa r", 0, "a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_work *w = open_work(5);
		struct lat_work_queue q = { 0 };
		char ran[32];
		size_t count = 0;
		int rc = 0;

		for (const char *s = rows[i].steps; *s != '\0'; s++) {
			uint64_t a = s[1] >= 'a' ? (uint64_t)(s[1] - 'a' + 1) : 0, id;

			switch (*s) {
			case '+':
				CHECK_EQ_ROW(rows[i].why,
					     lat_work_add_dep(w, a, (uint64_t)(s[2] - 'a' + 1), NULL, &q), 0);
				s += 2;
				break;
			case '-':
				CHECK_EQ_ROW(rows[i].why,
					     lat_work_remove_dep(w, a, (uint64_t)(s[2] - 'a' + 1), &q), 0);
				s += 2;
				break;
			case 'p':
				CHECK_EQ_ROW(rows[i].why,
					     lat_work_set_priority(w, (uint64_t)(s[2] - 'a' + 1),
								   (uint32_t)(s[1] - '0')),
					     0);
				s += 2;
				break;
			case 'w':
			case 'n':
				rc = lat_work_set(w, a, *s == 'w', &q);
				s++;
				break;
			case 's':
				rc = lat_work_submit(w, a, &q);
				s++;
				break;
			case 'x':
				lat_work_remove(w, a, &q);
				s++;
				break;
			case 'r':
			case 'f':
				if (!lat_work_next(&q, &id))
					break;
				CHECK_EQ_ROW(rows[i].why, lat_work_state(w, id, NULL), LAT_WORK_RUNNING);
				CHECK_EQ_ROW(rows[i].why, lat_work_submit(w, id, &q), -EALREADY);
				lat_work_done(w, id, *s == 'r' ? 0 : -EIO, &q);
				ran[count++] = (char)((*s == 'r' ? 'a' : 'A') + (char)id - 1);
				break;
			default:
				break;
			}
		}
		ran[count] = '\0';
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		CHECK_STR_ROW(rows[i].why, ran, rows[i].ran);
		lat_work_close(w);
	}
}

TEST(unknown_items)
{
	struct lat_work *w = open_work(1);
	struct lat_work_queue q = { 0 };
	uint64_t id;

	CHECK_EQ(lat_work_add(w, 1, "again"), -EEXIST);
	CHECK_EQ(lat_work_set(w, 2, true, &q), -ENOENT);
	CHECK_EQ(lat_work_submit(w, 2, &q), -ENOENT);
	CHECK_EQ(lat_work_add_dep(w, 1, 2, NULL, &q), -ENOENT);
	CHECK_EQ(lat_work_add_dep(w, 1, 1, NULL, &q), -ELOOP);
	lat_work_remove(w, 2, &q);
	lat_work_done(w, 2, 0, &q);
	lat_work_done(w, 1, -EIO, &q); /* not running */
	CHECK_EQ(lat_work_submit(w, 1, &q), 0);
	CHECK_EQ(lat_work_state(w, 2, NULL), LAT_WORK_IDLE);
	CHECK(!lat_work_next(&q, &id));
	lat_work_close(w);
	lat_work_close(NULL);
}

/* As many in a row as there may be: a wave that recursed would need a stack as deep. */
TEST(a_long_chain)
{
	enum { LENGTH = LAT_DAG_VERTICES_DEFAULT };
	struct lat_work *w = open_work(LENGTH);
	struct lat_work_queue q = { 0 };
	uint64_t id, ran = 0;
	int rc = 0;

	CHECK_EQ(lat_work_set(w, 1, true, &q), 0);
	CHECK_EQ(lat_work_set(w, LENGTH, true, &q), 0);
	for (uint64_t i = 1; i < LENGTH; i++)
		CHECK_EQ(lat_work_add_dep(w, i, i + 1, NULL, &q), 0);
	CHECK_EQ(lat_work_submit(w, LENGTH, &q), 0);
	CHECK(!lat_work_next(&q, &id));
	CHECK_EQ(lat_work_submit(w, 1, &q), 0);
	while (lat_work_next(&q, &id)) {
		ran++;
		lat_work_done(w, id, 0, &q);
	}
	CHECK_EQ(ran, 2);
	CHECK_EQ(lat_work_submit(w, LENGTH, &q), 0);
	CHECK(lat_work_next(&q, &id));
	lat_work_done(w, id, 0, &q);
	CHECK_EQ(lat_work_submit(w, 1, &q), 0);
	CHECK(lat_work_next(&q, &id));
	lat_work_done(w, id, -EIO, &q);
	CHECK_EQ(lat_work_state(w, LENGTH - 1, &rc), LAT_WORK_DONE);
	CHECK_EQ(rc, -EIO);
	CHECK_EQ(lat_work_submit(w, LENGTH, &q), -EIO);
	lat_work_close(w);
}

TEST(what_cannot_end_before)
{
	struct lat_work_queue q[2] = { 0 };
	struct lat_work *w = open_work(6);
	uint64_t id, ends;
	int rc;

	/* 1 runs on q[0], 2 on q[1]; 3 depends on 1, 4 on 3 and has no work; 5 depends on nothing; 6 on 5, not submitted. */
	for (uint64_t i = 1; i <= 6; i++)
		if (i != 4)
			CHECK_EQ(lat_work_set(w, i, true, &q[0]), 0);
	CHECK_EQ(lat_work_add_dep(w, 1, 3, NULL, &q[0]), 0);
	CHECK_EQ(lat_work_add_dep(w, 3, 4, NULL, &q[0]), 0);
	CHECK_EQ(lat_work_add_dep(w, 5, 6, NULL, &q[0]), 0);
	CHECK_EQ(lat_work_submit(w, 3, &q[0]), 0);
	CHECK_EQ(lat_work_submit(w, 1, &q[0]), 0);
	CHECK_EQ(lat_work_submit(w, 2, &q[1]), 0);
	CHECK(lat_work_next(&q[0], &id) && lat_work_next(&q[1], &id));
	CHECK(lat_work_needs(w, 1, &q[0]));
	CHECK(lat_work_needs(w, 3, &q[0]));
	CHECK(lat_work_needs(w, 4, &q[0]));
	CHECK(!lat_work_needs(w, 2, &q[0]));
	CHECK(!lat_work_needs(w, 6, &q[0]));
	CHECK(!lat_work_needs(w, 77, &q[0]));
	CHECK(!lat_work_needs(w, 4, &q[1]));
	q[0].waits = 2; /* so whoever waits for 1 waits for 2 */
	CHECK(lat_work_needs(w, 4, &q[1]));
	CHECK(!lat_work_needs(w, 6, &q[1]));
	q[1].waits = 1; /* a ring that holds neither end is walked once */
	CHECK(!lat_work_needs(w, 4, &(struct lat_work_queue){ 0 }));
	q[0].waits = q[1].waits = 0;
	CHECK_EQ(lat_work_submit(w, 5, &q[1]), 0); /* ready, on the queue of 2 */
	CHECK(lat_work_needs(w, 6, &q[1]));
	CHECK(lat_work_ends(w, 1, &ends, &rc) && ends == 0);
	lat_work_done(w, 1, -EIO, &q[0]);
	CHECK(lat_work_ends(w, 1, &ends, &rc) && ends == 1 && rc == -EIO);
	CHECK(lat_work_ends(w, 4, &ends, &rc) && ends == 1 && rc == -EIO);
	CHECK(!lat_work_ends(w, 77, &ends, &rc));
	CHECK(!lat_work_needs(w, 4, &q[0]));
	lat_work_close(w);
}

/* --- against a model ---------------------------------------------------------------------------- */

enum { MODEL = 12, THREADS = 3, OPERATIONS = 200000 };

struct model {
	bool there[MODEL], has[MODEL];
	enum lat_work_state state[MODEL];
	int rc[MODEL];
	uint32_t parents[MODEL]; /* bit per item */
	uint32_t on[MODEL];      /* READY: whose queue */
	uint32_t priority[MODEL];
};

static bool model_reaches(const struct model *m, uint32_t from, uint32_t to)
{
	uint32_t seen = 1u << to;

	for (uint32_t round = 0; round < MODEL; round++)
		for (uint32_t v = 0; v < MODEL; v++)
			if (seen >> v & 1)
				seen |= m->parents[v];
	return seen >> from & 1;
}

/* One item, from its parents' states. Whether it changed. */
static bool model_look(struct model *m, uint32_t v, uint32_t thread, const struct lat_work *w)
{
	bool all = true, any = false, told = false;
	int rc = 0;

	if (!m->there[v] || (m->has[v] && m->state[v] != LAT_WORK_PENDING))
		return false;
	(void)lat_work_state(w, v + 1, &rc);
	for (uint32_t p = 0; p < MODEL; p++) {
		if (!(m->parents[v] >> p & 1))
			continue;
		all = all && m->state[p] == LAT_WORK_DONE;
		if (m->state[p] == LAT_WORK_DONE && m->rc[p] < 0) {
			any = true;
			told = told || m->rc[p] == rc;
		}
	}
	if (any) {
		/* Which of several failures is told, is open: theirs, where it may be. */
		int want = rc;
		bool same;

		if (!told)
			for (uint32_t p = 0; p < MODEL; p++)
				if ((m->parents[v] >> p & 1) && m->state[p] == LAT_WORK_DONE && m->rc[p] < 0)
					want = m->rc[p];
		same = m->state[v] == LAT_WORK_DONE && m->rc[v] == want;
		m->state[v] = LAT_WORK_DONE;
		m->rc[v] = want;
		return !same;
	}
	if (all && m->has[v]) {
		m->state[v] = LAT_WORK_READY;
		m->on[v] = thread;
		return true;
	}
	if (!m->has[v] && (m->state[v] != (all ? LAT_WORK_DONE : LAT_WORK_IDLE) || m->rc[v] != 0)) {
		m->state[v] = all ? LAT_WORK_DONE : LAT_WORK_IDLE;
		m->rc[v] = 0;
		return true;
	}
	return false;
}

static void model_settle(struct model *m, uint32_t thread, const struct lat_work *w)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (uint32_t v = 0; v < MODEL; v++)
			changed = model_look(m, v, thread, w) || changed;
	}
}

static void compare(const struct model *m, const struct lat_work *w)
{
	for (uint32_t v = 0; v < MODEL; v++) {
		int rc = 0;

		CHECK_EQ(lat_work_state(w, v + 1, &rc), m->there[v] ? m->state[v] : LAT_WORK_IDLE);
		if (m->there[v] && m->state[v] == LAT_WORK_DONE)
			CHECK_EQ(rc, m->rc[v]);
	}
}

TEST(agrees_with_a_model)
{
	static const int reasons[] = { 0, 0, 0, -EIO, -ENOSPC, -EPERM };
	uint64_t seed = 0x452821e638d01377u;
	struct lat_work_queue q[THREADS] = { 0 };
	struct model m = { 0 };
	uint32_t ran = 0, failures = 0, removed = 0;
	struct lat_work *w;

	print_message("seed %016" PRIx64 "\n", seed);
	CHECK_EQ(lat_work_open(&w, NULL), 0);
	for (uint32_t op = 0; op < OPERATIONS; op++) {
		uint32_t a, b, t, what;
		uint64_t id;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		a = (uint32_t)(seed >> 8) % MODEL;
		b = (uint32_t)(seed >> 24) % MODEL;
		t = (uint32_t)(seed >> 32) % THREADS;
		what = (uint32_t)(seed >> 40) % 100;
		if (what < 5) {
			CHECK_EQ(lat_work_add(w, a + 1, "m"), m.there[a] ? -EEXIST : 0);
			if (!m.there[a]) {
				m.there[a] = true;
				m.priority[a] = LAT_WORK_PRIORITY_DEFAULT;
				m.has[a] = false;
				m.state[a] = LAT_WORK_DONE;
				m.rc[a] = 0;
				m.parents[a] = 0;
			}
		} else if (what < 6) {
			bool over = m.state[a] == LAT_WORK_DONE;

			lat_work_remove(w, a + 1, &q[t]);
			removed += m.there[a];
			if (m.there[a] && !over) {
				bool had = m.has[a];

				m.has[a] = true; /* only what it is taken for counts */
				m.state[a] = LAT_WORK_DONE;
				m.rc[a] = -ESHUTDOWN;
				model_settle(&m, t, w);
				m.has[a] = had;
			}
			m.there[a] = false;
			for (uint32_t v = 0; v < MODEL; v++)
				m.parents[v] &= ~(1u << a);
			m.parents[a] = 0;
			model_settle(&m, t, w);
		} else if (what < 15) {
			int want = !m.there[a] || !m.there[b] ? -ENOENT
				   : m.parents[b] >> a & 1    ? -EEXIST
				   : model_reaches(&m, b, a)  ? -ELOOP
							      : 0;

			CHECK_EQ(lat_work_add_dep(w, a + 1, b + 1, NULL, &q[t]), want);
			if (want == 0) {
				m.parents[b] |= 1u << a;
				model_settle(&m, t, w);
			}
		} else if (what < 17) {
			bool is = m.there[a] && m.there[b] && (m.parents[b] >> a & 1);

			CHECK_EQ(lat_work_remove_dep(w, a + 1, b + 1, &q[t]), is ? 0 : -ENOENT);
			m.parents[b] &= ~(1u << a);
			model_settle(&m, t, w);
		} else if (what < 18) {
			CHECK_EQ(lat_work_set_priority(w, a + 1, b % LAT_WORK_PRIORITIES),
				 m.there[a] ? 0 : -ENOENT);
			m.priority[a] = b % LAT_WORK_PRIORITIES;
		} else if (what < 22) {
			bool has = b % 4 != 0;
			bool is_busy = m.has[a] && m.state[a] != LAT_WORK_IDLE && m.state[a] != LAT_WORK_DONE;
			int want = !m.there[a] ? -ENOENT : is_busy ? -EALREADY : 0;

			CHECK_EQ(lat_work_set(w, a + 1, has, &q[t]), want);
			if (want == 0 && m.has[a] != has) {
				m.has[a] = has;
				if (has)
					m.state[a] = LAT_WORK_IDLE;
				model_settle(&m, t, w);
			}
		} else if (what < 55) {
			bool is_busy = m.has[a] && m.state[a] != LAT_WORK_IDLE && m.state[a] != LAT_WORK_DONE;
			int got = lat_work_submit(w, a + 1, &q[t]);

			if (!m.there[a] || is_busy) {
				CHECK_EQ(got, m.there[a] ? -EALREADY : -ENOENT);
				continue;
			}
			if (m.has[a]) {
				m.state[a] = LAT_WORK_PENDING;
				m.rc[a] = 0;
				model_settle(&m, t, w);
			}
			CHECK_EQ(got, m.state[a] == LAT_WORK_DONE ? m.rc[a] : 0);
		} else {
			int rc = reasons[b % ARRAY_LEN(reasons)];

			/* One that was taken before ends, or the next is taken. */
			if (what < 75) {
				if (!m.there[a] || m.state[a] != LAT_WORK_RUNNING)
					continue;
				lat_work_done(w, a + 1, rc, &q[t]);
				m.state[a] = LAT_WORK_DONE;
				m.rc[a] = rc;
				model_settle(&m, t, w);
				ran++;
				failures += rc < 0;
			} else {
				bool some = false;

				for (uint32_t v = 0; v < MODEL; v++)
					some = some ||
					       (m.there[v] && m.state[v] == LAT_WORK_READY && m.on[v] == t);
				CHECK_EQ(lat_work_next(&q[t], &id), some);
				if (!some)
					continue;
				CHECK(id >= 1 && id <= MODEL && m.there[id - 1] &&
				      m.state[id - 1] == LAT_WORK_READY && m.on[id - 1] == t);
				for (uint32_t v = 0; v < MODEL; v++)
					CHECK(!m.there[v] || m.state[v] != LAT_WORK_READY || m.on[v] != t ||
					      m.priority[v] <= m.priority[id - 1]);
				m.state[id - 1] = LAT_WORK_RUNNING;
			}
		}
		compare(&m, w);
	}
	CHECK(ran > 1000 && failures > 100 && removed > 100);
	lat_work_close(w);
}

TEST_MAIN
