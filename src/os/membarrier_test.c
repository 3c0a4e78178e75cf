/*
 * The barrier holds for the pair of plain accesses that it is for: of two threads that each store and then load, never do
 * both miss the other's store. Without the barrier this test fails within some thousand rounds on x86-64.
 */
#include "os/membarrier.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

enum { ROUNDS = 20000 };

/* First, so that nothing has registered yet: in a process whose kernel does not know the call. */
TEST(refused)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(filter), .filter = filter };
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
			_exit(77);
		_exit(lat_membarrier_works(LAT_MEMBARRIER_PROCESS) ||
		      lat_membarrier_works(LAT_MEMBARRIER_MACHINE));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		TEST_SKIP("seccomp");
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static struct {
	alignas(64) _Atomic(uint32_t) frequent;
	alignas(64) _Atomic(uint32_t) rare;
	alignas(64) _Atomic(uint32_t) round, done;
	uint32_t seen; /* by the frequent side */
} pair;

/* Spins until @word is @want; yields, for machines with one processor. */
static void await(const _Atomic(uint32_t) *word, uint32_t want)
{
	for (uint32_t spins = 0; atomic_load_explicit(word, memory_order_acquire) != want; spins++)
		if (spins % 1024 == 1023)
			(void)sched_yield();
}

static void *frequent_side(void *arg)
{
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		await(&pair.round, n);
		atomic_store_explicit(&pair.frequent, n, memory_order_relaxed);
		lat_membarrier_light();
		pair.seen = atomic_load_explicit(&pair.rare, memory_order_relaxed);
		atomic_store_explicit(&pair.done, n, memory_order_release);
	}
	return arg;
}

TEST(one_of_two_sees_the_other)
{
	static const enum lat_membarrier_reach reaches[] = { LAT_MEMBARRIER_PROCESS, LAT_MEMBARRIER_MACHINE };

	for (size_t i = 0; i < ARRAY_LEN(reaches); i++) {
		pthread_t thread;
		uint32_t missed = 0;

		if (!lat_membarrier_works(reaches[i]))
			TEST_SKIP("membarrier");
		atomic_store_explicit(&pair.round, 0, memory_order_relaxed);
		atomic_store_explicit(&pair.rare, 0, memory_order_relaxed);
		atomic_store_explicit(&pair.frequent, 0, memory_order_relaxed);
		atomic_store_explicit(&pair.done, 0, memory_order_relaxed);
		CHECK_EQ(pthread_create(&thread, NULL, frequent_side, NULL), 0);
		for (uint32_t n = 1; n <= ROUNDS; n++) {
			uint32_t seen;

			atomic_store_explicit(&pair.round, n, memory_order_release);
			atomic_store_explicit(&pair.rare, n, memory_order_relaxed);
			lat_membarrier(reaches[i]);
			seen = atomic_load_explicit(&pair.frequent, memory_order_relaxed);
			await(&pair.done, n);
			missed += seen != n && pair.seen != n;
		}
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(missed, 0);
	}
}

TEST_MAIN
