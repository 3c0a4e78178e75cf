/*
 * Everything at once, from a seed: engines, channels both ways, and at random moments loss, bursts, blackouts, narrow and
 * far links, cut connections, long silences, slow receivers, jumping clocks, crashes. The oracle watches that each
 * reliable channel gets every message once, in order, whole, or ends and says up to which it did; and that no lossy one
 * gets any twice. Of calls it watches that each is taken at most once, answered once or over with an error. A seed that fails replays: FIRST and SEEDS of "make sim".
 */
#include <signal.h>
#include <unistd.h>

#include "sim.h"

enum {
	ACTS = 50,
	USUAL_SEEDS = 40,
	HANG_S = 300, /* of real time for one seed: it goes round and round */
};

static volatile sig_atomic_t now_seed;

/* The engine crashed or hangs: tell in which seed, and die of it. */
static void on_signal(int number)
{
	char text[] = "again: make sim SEEDS=1 FIRST=          \n";
	size_t at = sizeof(text) - 3;

	for (unsigned left = (unsigned)now_seed; left > 0; left /= 10)
		text[at--] = (char)('0' + left % 10);
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	signal(number, SIG_DFL);
	raise(number);
}

static void storm(uint64_t seed)
{
	struct sim s;

	now_seed = (sig_atomic_t)seed;
	alarm(HANG_S);
	sim_open(&s, seed);
	for (s.acts = 0; s.acts < ACTS; s.acts++) {
		sim_act(&s);
		sim_send(&s);
		sim_call(&s);
		sim_answer(&s);
		world_run(s.w, world_random(s.w) % (100 * MS));
		sim_check(&s);
	}
	s.act = "the end";
	sim_calm(&s);
	for (int i = 0; i < s.w->nodes; i++)
		if (s.down[i])
			sim_boot(&s, i);
	sim_room(&s, UINT64_MAX);
	/* Who gave up before the calm tries again after LAT_HS_BACKOFF_CAP_NS, and then has to send it all. */
	world_run(s.w, LAT_HS_BACKOFF_CAP_NS + 30 * SEC);
	sim_check(&s);
	sim_calls_end(&s);
	sim_check_end(&s);
	sim_close(&s);
	alarm(0);
}

static uint64_t number(const char *name, uint64_t usual)
{
	const char *env = getenv(name);

	return env == NULL ? usual : strtoull(env, NULL, 10);
}

TEST(storms)
{
	static const int deadly[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM };
	uint64_t first = number("LATTICE_SIM_FIRST", 1), seeds = number("LATTICE_SIM_SEEDS", USUAL_SEEDS);

	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		signal(deadly[i], on_signal);
	for (uint64_t i = 0; i < seeds; i++)
		storm(first + i);
}

TEST_MAIN
