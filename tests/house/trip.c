/* Breaks one rule on purpose, so that a sanitized build shows that it would notice. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *touch(void *arg)
{
	for (int i = 0; i < 100000; i++)
		shared++;
	return arg;
}

static int trip_race(void)
{
	pthread_t other;

	if (pthread_create(&other, NULL, touch, NULL) != 0)
		return 1;
	touch(NULL);
	pthread_join(other, NULL);
	return 0;
}

static int trip_bounds(void)
{
	volatile size_t bytes = 16; /* the compiler must not see it coming */
	volatile size_t at = 16;
	volatile char *block = malloc(bytes);
	char last;

	if (block == NULL)
		return 1;
	last = block[at];
	free((void *)block);
	return last == 1;
}

static int trip_overflow(void)
{
	volatile int big = INT_MAX;

	big = big + 1;
	return big == 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "race") == 0)
		return trip_race();
	if (argc == 2 && strcmp(argv[1], "bounds") == 0)
		return trip_bounds();
	if (argc == 2 && strcmp(argv[1], "overflow") == 0)
		return trip_overflow();
	fprintf(stderr, "usage: trip race|bounds|overflow\n");
	return 1;
}
