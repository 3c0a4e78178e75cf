/*
 * All orders of loss, duplicates and late arrival of the four handshake packets, of cookies, and of handshakes that cross: an
 * explicit search, to the depth LATTICE_INTERLEAVE_DEPTH, over the engine as it is. In every state that is reached
 *   - no two ends take different keys for one session, nor does either use what the other cannot have (pair_move);
 *   - with a good network, a message gets through each way, and both come to one session (pair_recovers).
 *
 * An engine cannot be copied, but a process can: each move is made in a child of its own. What is known of states lies in memory
 * that all of them share; only one runs at a time.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interleave.h"

enum {
	DEPTH_MAX = 32,
	USUAL_DEPTH = 6,
	STATES_MAX = 1 << 23,
	MOVES_MAX = POOL_MAX + 8,
};

struct known {
	uint64_t name; /* 0: free */
	uint8_t left;  /* to this depth its future is known */
};

static struct shared {
	uint64_t states, ends, late, moves, pool_most, left_out;
	bool failed;
	struct known known[STATES_MAX];
	struct known idle[STATES_MAX];      /* an end and a packet that does nothing there */
	struct known recovered[STATES_MAX]; /* by the two ends alone: what is on its way is lost then */
} * all;

static struct pair pair;
static struct move trail[DEPTH_MAX];

static void report(const char *what, int length)
{
	all->failed = true;
	print_error("%s: %s, after\n", scene_names[pair.scene], what);
	for (int i = 0; i < length; i++)
		pair_print_move(&pair, &trail[i]);
}

/* Its place in the table. */
static struct known *find(struct known *table, uint64_t name)
{
	size_t at = (size_t)(name * UINT64_C(0x9e3779b97f4a7c15) >> 40) % STATES_MAX;

	while (table[at].name != 0 && table[at].name != name)
		at = (at + 1) % STATES_MAX;
	return &table[at];
}

/* True in the child, which ends itself. The parent comes back when it has ended. */
static bool in_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		return true;
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		all->failed = true;
	return false;
}

static void recover(int length)
{
	uint64_t name = pair_ends_name(&pair);
	struct known *k = find(all->recovered, name);
	const char *wrong;
	bool late = false;

	if (k->name != 0)
		return;
	k->name = name;
	all->ends++;
	if (!in_child())
		return;
	wrong = pair_recovers(&pair, &late);
	all->late += late;
	if (wrong != NULL)
		report(wrong, length);
	_exit(0);
}

/* An end and a packet: what the one does with the other depends on nothing else. 0: it is another move. */
static uint64_t idle_name(const struct move *m)
{
	const struct pool_packet *packet = &pair.pool[m->which];
	uint64_t name;

	if (m->kind != MOVE_DELIVER)
		return 0;
	name = pair_side_name(&pair, packet->to) * 31 + packet->name;
	return name == 0 ? 1 : name;
}

static void search(int length, int depth)
{
	uint64_t name = pair_name(&pair);
	struct known *k = find(all->known, name);
	struct move moves[MOVES_MAX];
	bool seen = k->name != 0;
	size_t n;

	if (seen && k->left >= depth - length)
		return;
	if (!seen && ++all->states > STATES_MAX / 2) {
		report("more states than there is room for", length);
		return;
	}
	k->name = name;
	k->left = (uint8_t)(depth - length);
	if (pair.pooled > all->pool_most)
		all->pool_most = pair.pooled;
	all->left_out += pair.left_out;
	if (!seen)
		recover(length);
	if (length == depth)
		return;
	n = pair_moves(&pair, moves, ARRAY_LEN(moves));
	for (size_t i = 0; i < n && !all->failed; i++) {
		uint64_t idle = idle_name(&moves[i]);

		all->moves++;
		if (idle != 0 && find(all->idle, idle)->name != 0)
			continue;
		trail[length] = moves[i];
		if (!in_child())
			continue;
		pair_move(&pair, &moves[i]);
		if (idle != 0 && pair_name(&pair) == name)
			find(all->idle, idle)->name = idle;
		if (pair.wrong != NULL)
			report(pair.wrong, length + 1);
		else
			search(length + 1, depth);
		_exit(0);
	}
}

static int depth_wanted(void)
{
	const char *env = getenv("LATTICE_INTERLEAVE_DEPTH");
	long depth = env == NULL ? USUAL_DEPTH : strtol(env, NULL, 10);

	return depth < 1 ? 1 : depth > DEPTH_MAX ? DEPTH_MAX : (int)depth;
}

static void search_scene(enum scene scene)
{
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   0);
	CHECK(all != MAP_FAILED);
	if (in_child()) {
		pair_open(&pair, scene);
		search(0, depth_wanted());
		_exit(0);
	}
	print_message(
		"%s: depth %d, %llu states (%llu of the two ends, %llu of them one session only when it is renewed), %llu moves, at most %llu packets\n",
		scene_names[scene], depth_wanted(), (unsigned long long)all->states,
		(unsigned long long)all->ends, (unsigned long long)all->late, (unsigned long long)all->moves,
		(unsigned long long)all->pool_most);
	CHECK(!all->failed);
	CHECK_EQ(all->left_out, 0);
	munmap(all, sizeof(*all));
}

TEST(either_calls)
{
	search_scene(SCENE_BOTH);
}

TEST(one_calls)
{
	search_scene(SCENE_ONE);
}

TEST(cookies)
{
	search_scene(SCENE_COOKIE);
}

TEST_MAIN
