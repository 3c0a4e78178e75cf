/* membarrier(2), the expedited commands: they interrupt the processors that run such threads, and no others. */
#include "os/membarrier.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	int enter, barrier;
} commands[] = {
	[LAT_MEMBARRIER_PROCESS] = { MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
				     MEMBARRIER_CMD_PRIVATE_EXPEDITED },
	[LAT_MEMBARRIER_MACHINE] = { MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
				     MEMBARRIER_CMD_GLOBAL_EXPEDITED },
};

static bool works[2];

static void enter(void)
{
	for (int i = LAT_MEMBARRIER_PROCESS; i <= LAT_MEMBARRIER_MACHINE; i++)
		works[i] = syscall(SYS_membarrier, commands[i].enter, 0, 0) == 0;
}

bool lat_membarrier_works(enum lat_membarrier_reach reach)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, enter);
	return works[reach];
}

void lat_membarrier(enum lat_membarrier_reach reach)
{
	(void)syscall(SYS_membarrier, commands[reach].barrier, 0, 0);
}
