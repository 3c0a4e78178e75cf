#include "lib/place.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static cpu_set_t all; /* those that this process was started with */
static int chosen[2];

static bool may(int core)
{
	return core >= 0 && core < CPU_SETSIZE && CPU_ISSET((size_t)core, &all);
}

/* The first line of a file, without its end; false when it cannot be read. */
static bool line_of(const char *path, char *out, int room)
{
	FILE *from = fopen(path, "r");
	bool fine = from != NULL && fgets(out, room, from) != NULL;

	if (from != NULL)
		(void)fclose(from);
	if (fine)
		out[strcspn(out, "\n")] = '\0';
	return fine;
}

/* Whether two numbers are threads of one core. */
static bool siblings(int a, int b)
{
	char path[96], left[64], right[64];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a);
	if (!line_of(path, left, sizeof(left)))
		return false;
	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", b);
	return line_of(path, right, sizeof(right)) && strcmp(left, right) == 0;
}

static int choose(void)
{
	int first = -1;

	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!may(i))
			continue;
		if (first < 0) {
			first = i;
			chosen[0] = chosen[1] = i;
		} else if (chosen[1] == first) {
			chosen[1] = i;
		}
		if (i != first && !siblings(first, i)) {
			chosen[1] = i;
			return 0;
		}
	}
	return 0;
}

int bench_place_init(const char *list)
{
	char *end;
	long a, b;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return -errno;
	if (list == NULL)
		return choose();
	a = strtol(list, &end, 10);
	if (end == list || *end != ',')
		return -EINVAL;
	list = end + 1;
	b = strtol(list, &end, 10);
	if (end == list || *end != '\0' || a < 0 || b < 0 || a >= CPU_SETSIZE || b >= CPU_SETSIZE || a == b ||
	    !may((int)a) || !may((int)b))
		return -EINVAL;
	chosen[0] = (int)a;
	chosen[1] = (int)b;
	return 0;
}

int bench_place_count(void)
{
	return CPU_COUNT(&all);
}

int bench_place_core(bool far)
{
	return chosen[far];
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

void bench_place_move(enum bench_place place, bool far)
{
	if (place == BENCH_FREE)
		(void)sched_setaffinity(0, sizeof(all), &all);
	else
		pin(chosen[place == BENCH_APART && far]);
}

void bench_place_nth(int i)
{
	int left = i % CPU_COUNT(&all), core = 0;

	while (!may(core) || left-- > 0)
		core++;
	pin(core);
}

static void describe_model(char *out, size_t room)
{
	FILE *from = fopen("/proc/cpuinfo", "r");
	char line[256];

	(void)snprintf(out, room, "unknown processor");
	while (from != NULL && fgets(line, sizeof(line), from) != NULL) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(out, room, "%s", colon + 2);
		break;
	}
	if (from != NULL)
		(void)fclose(from);
}

static void describe_caches(char *out, size_t room)
{
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < 8 && at < room; i++) {
		char path[96], level[16], type[32], size[32];

		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
		if (!line_of(path, level, sizeof(level)))
			return;
		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
		if (!line_of(path, type, sizeof(type)) || strcmp(type, "Instruction") == 0)
			continue;
		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
		if (line_of(path, size, sizeof(size)))
			at += (size_t)snprintf(out + at, room - at, " L%s %s", level, size);
	}
}

static bool virtual_machine(void)
{
	FILE *from = fopen("/proc/cpuinfo", "r");
	char line[8192];
	bool found = false;

	while (from != NULL && !found && fgets(line, sizeof(line), from) != NULL)
		found = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL;
	if (from != NULL)
		(void)fclose(from);
	return found;
}

void bench_place_describe(char *out, size_t room)
{
	char model[128], caches[96];
	struct utsname name;
	int major = 0, minor = 0;

	describe_model(model, sizeof(model));
	describe_caches(caches, sizeof(caches));
	if (uname(&name) < 0)
		memset(&name, 0, sizeof(name));
	if (sscanf(name.release, "%d.%d", &major, &minor) < 2)
		major = minor = 0;
	(void)snprintf(out, room, "%d core%s, %s%s%s, %s %d.%d %s%s", bench_place_count(),
		       bench_place_count() == 1 ? "" : "s", model, caches[0] != '\0' ? "," : "", caches,
		       name.sysname, major, minor, name.machine,
		       virtual_machine() ? ", in a virtual machine" : "");
}
