/*
 * The graph: cycles are refused and named, nothing dangles, and it agrees with a matrix that is searched the
 * plain way.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/test.h"
#include "graph/dag.h"

static struct lat_dag *dag_of(uint32_t vertices)
{
	struct lat_dag *dag;

	CHECK_EQ(lat_dag_open(&dag, NULL), 0);
	for (uint32_t i = 1; i <= vertices; i++) {
		char name[2] = { (char)('a' + (i - 1) % 26), 0 };

		CHECK_EQ(lat_dag_add(dag, i, name), 0);
	}
	return dag;
}

TEST(vertices)
{
	static const char long_name[] = "a name that does not fit into what there is for names";
	struct lat_dag_limits limits = { .vertices_max = 2, .edges_max = 1 };
	struct lat_dag_path path;
	struct lat_dag *dag;

	CHECK_EQ(lat_dag_open(&dag, &limits), 0);
	CHECK_EQ(lat_dag_add(dag, 0, long_name), 0);
	CHECK_EQ(lat_dag_add(dag, 0, "again"), -EEXIST);
	CHECK_EQ(lat_dag_add(dag, UINT64_MAX, NULL), 0);
	CHECK_EQ(lat_dag_add(dag, 5, "one too many"), -ENOBUFS);
	CHECK_EQ(lat_dag_vertices(dag), 2);
	CHECK(lat_dag_has(dag, 0) && lat_dag_has(dag, UINT64_MAX) && !lat_dag_has(dag, 5));
	CHECK_EQ(lat_dag_add_dep(dag, 0, 0, &path), -ELOOP);
	CHECK_EQ(path.count, 1);
	CHECK_EQ(strlen(path.at[0].name), LAT_DAG_NAME - 1);
	CHECK_EQ(lat_dag_remove(dag, 5), -ENOENT);
	CHECK_EQ(lat_dag_remove(dag, 0), 0);
	CHECK_EQ(lat_dag_add(dag, 5, "room again"), 0);
	lat_dag_close(dag);
	lat_dag_close(NULL);
}

/*
 * Steps: "ab" adds a -> b, "-ab" removes it, "~a" removes a vertex (and adds it again, bare). The last one's
 * result is checked.
 */
TEST(edges)
{
	static const struct {
		const char *why, *steps;
		int want;
		const char *path;
	} rows[] = {
		{ "a first edge", "ab", 0, NULL },
		{ "the same again", "ab ab", -EEXIST, NULL },
		{ "to itself", "aa", -ELOOP, "a(1)" },
		{ "back", "ab ba", -ELOOP, "a(1) -> b(2)" },
		{ "around three", "ab bc ca", -ELOOP, "a(1) -> b(2) -> c(3)" },
		{ "a diamond is fine", "ab ac bd cd", 0, NULL },
		{ "back over a diamond, the shortest way", "ab ac bd cd ad da", -ELOOP, "a(1) -> d(4)" },
		{ "a removed edge is no way", "ab bc -ab ca", 0, NULL },
		{ "of two ways one is left", "ab bc ac -ac ca", -ELOOP, "a(1) -> b(2) -> c(3)" },
		{ "a removed vertex is no way", "ab bc ~b ca", 0, NULL },
		{ "removing what is not", "ab -ba", -ENOENT, NULL },
		{ "removing it twice", "ab -ab -ab", -ENOENT, NULL },
		{ "an unknown child", "az", -ENOENT, NULL },
		{ "an unknown parent", "za", -ENOENT, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lat_dag *dag = dag_of(5);
		struct lat_dag_path path = { 0 };
		char text[200];
		int rc = 0;

		for (const char *s = rows[i].steps; *s != 0; s++) {
			if (*s == ' ')
				continue;
			CHECK_EQ_ROW(rows[i].why, rc, 0); /* of every step but the last */
			if (*s == '~') {
				rc = lat_dag_remove(dag, (uint64_t)(s[1] - 'a' + 1));
				CHECK_EQ(lat_dag_add(dag, (uint64_t)(s[1] - 'a' + 1), "new"), 0);
				s++;
				continue;
			}
			if (*s == '-') {
				rc = lat_dag_remove_dep(dag, (uint64_t)(s[1] - 'a' + 1),
							(uint64_t)(s[2] - 'a' + 1));
				s += 2;
				continue;
			}
			rc = lat_dag_add_dep(dag, (uint64_t)(s[0] - 'a' + 1), (uint64_t)(s[1] - 'a' + 1),
					     &path);
			s++;
		}
		CHECK_EQ_ROW(rows[i].why, rc, rows[i].want);
		if (rows[i].path != NULL) {
			CHECK_EQ_ROW(rows[i].why, lat_dag_path_format(&path, text, sizeof(text)),
				     strlen(rows[i].path));
			CHECK_STR_ROW(rows[i].why, text, rows[i].path);
		}
		lat_dag_close(dag);
	}
}

TEST(limits)
{
	struct lat_dag_limits limits = { .vertices_max = 3, .edges_max = 2 };
	struct lat_dag *dag;

	CHECK_EQ(lat_dag_open(&dag, &limits), 0);
	for (uint64_t i = 1; i <= 3; i++)
		CHECK_EQ(lat_dag_add(dag, i, "v"), 0);
	CHECK_EQ(lat_dag_add_dep(dag, 1, 2, NULL), 0);
	CHECK_EQ(lat_dag_add_dep(dag, 2, 3, NULL), 0);
	CHECK_EQ(lat_dag_add_dep(dag, 1, 3, NULL), -ENOBUFS);
	CHECK_EQ(lat_dag_add_dep(dag, 3, 1, NULL), -ELOOP); /* the better reason */
	CHECK_EQ(lat_dag_edges(dag), 2);
	CHECK_EQ(lat_dag_remove(dag, 2), 0);
	CHECK_EQ(lat_dag_edges(dag), 0);
	CHECK_EQ(lat_dag_parent_count(dag, 3), 0);
	CHECK_EQ(lat_dag_add_dep(dag, 1, 3, NULL), 0);
	CHECK_EQ(lat_dag_parent_count(dag, 3), 1);
	lat_dag_close(dag);
}

static void sum_id(void *ctx, uint64_t id)
{
	*(uint64_t *)ctx += id;
}

/* A chain as long as the graph may be: a search that recursed would need a stack as long. */
TEST(a_long_chain)
{
	struct lat_dag_path path;
	struct lat_dag *dag;
	char text[400], small[10];
	uint64_t sum = 0;
	int len;

	CHECK_EQ(lat_dag_open(&dag, NULL), 0);
	for (uint64_t i = 1; i <= LAT_DAG_VERTICES_DEFAULT; i++)
		CHECK_EQ(lat_dag_add(dag, i, "v"), 0);
	for (uint64_t i = LAT_DAG_VERTICES_DEFAULT; i > 1; i--)
		CHECK_EQ(lat_dag_add_dep(dag, i, i - 1, NULL), 0);
	lat_dag_each_child(dag, 7, sum_id, &sum);
	CHECK_EQ(sum, 6);
	lat_dag_each_parent(dag, 7, sum_id, &sum);
	CHECK_EQ(sum, 6 + 8);
	CHECK_EQ(lat_dag_add_dep(dag, 1, LAT_DAG_VERTICES_DEFAULT, &path), -ELOOP);
	CHECK_EQ(path.total, LAT_DAG_VERTICES_DEFAULT);
	CHECK_EQ(path.count, LAT_DAG_PATH_MAX);
	CHECK_EQ(path.at[0].id, LAT_DAG_VERTICES_DEFAULT);
	CHECK_EQ(path.at[1].id, LAT_DAG_PATH_MAX - 1);
	CHECK_EQ(path.at[LAT_DAG_PATH_MAX - 1].id, 1);
	len = lat_dag_path_format(&path, text, sizeof(text));
	CHECK(strncmp(text, "v(65536) -> ... -> v(15) -> v(14) -> ", 37) == 0);
	CHECK_EQ(len, strlen(text));
	CHECK_EQ(lat_dag_path_format(&path, small, sizeof(small)), len);
	CHECK_STR(small, "v(65536) ");
	CHECK_EQ(lat_dag_path_format(&path, NULL, 0), len);
	lat_dag_close(dag);
}

/* --- against a model ---------------------------------------------------------------------------- */

enum { MODEL = 40, OPERATIONS = 100000 };

struct model {
	bool there[MODEL];
	uint64_t children[MODEL]; /* bit per vertex */
};

static bool model_reaches(const struct model *m, uint32_t from, uint32_t to)
{
	uint64_t seen = UINT64_C(1) << from, edge = seen;

	while (edge != 0) {
		uint64_t next = 0;

		for (uint32_t v = 0; v < MODEL; v++)
			if (edge >> v & 1)
				next |= m->children[v];
		edge = next & ~seen;
		seen |= next;
	}
	return seen >> to & 1;
}

static void check_path(const struct model *m, const struct lat_dag_path *path, uint32_t from, uint32_t to)
{
	CHECK(path->count >= 1 && path->at[0].id == from && path->at[path->count - 1].id == to);
	for (uint32_t i = 1; i < path->count; i++) {
		if (i == 1 && path->total > path->count)
			continue;
		CHECK(m->children[path->at[i - 1].id] >> path->at[i].id & 1);
	}
}

TEST(agrees_with_a_model)
{
	uint64_t seed = 0x243f6a8885a308d3u;
	struct lat_dag_path path;
	struct model m = { 0 };
	struct lat_dag *dag;
	uint32_t edges = 0, loops = 0;

	print_message("seed %016" PRIx64 "\n", seed);
	CHECK_EQ(lat_dag_open(&dag, NULL), 0);
	for (uint32_t op = 0; op < OPERATIONS; op++) {
		uint32_t a, b, what;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		a = (uint32_t)(seed >> 8) % MODEL;
		b = (uint32_t)(seed >> 24) % MODEL;
		what = (uint32_t)(seed >> 40) % 100;
		if (what < 4) {
			CHECK_EQ(lat_dag_add(dag, a, "m"), m.there[a] ? -EEXIST : 0);
			m.there[a] = true;
		} else if (what < 5) {
			CHECK_EQ(lat_dag_remove(dag, a), m.there[a] ? 0 : -ENOENT);
			m.there[a] = false;
			m.children[a] = 0;
			for (uint32_t v = 0; v < MODEL; v++)
				m.children[v] &= ~(UINT64_C(1) << a);
		} else if (what < 40) {
			CHECK_EQ(lat_dag_remove_dep(dag, a, b), m.children[a] >> b & 1 ? 0 : -ENOENT);
			m.children[a] &= ~(UINT64_C(1) << b);
		} else {
			int want = 0;

			if (!m.there[a] || !m.there[b])
				want = -ENOENT;
			else if (m.children[a] >> b & 1)
				want = -EEXIST;
			else if (model_reaches(&m, b, a))
				want = -ELOOP;
			CHECK_EQ(lat_dag_add_dep(dag, a, b, &path), want);
			if (want == 0)
				m.children[a] |= UINT64_C(1) << b;
			if (want == -ELOOP) {
				loops++;
				check_path(&m, &path, b, a);
			}
		}
		if (op % 1000 == 0) {
			edges = 0;
			for (uint32_t v = 0; v < MODEL; v++)
				edges += (uint32_t)__builtin_popcountll(m.children[v]);
			CHECK_EQ(lat_dag_edges(dag), edges);
			for (uint32_t v = 0; v < MODEL; v++)
				for (uint32_t w = 0; w < MODEL; w++)
					CHECK_EQ(lat_dag_has_dep(dag, v, w), m.children[v] >> w & 1);
		}
	}
	CHECK(loops > 1000 && edges > 10);
	lat_dag_close(dag);
}

TEST_MAIN
