#include "base/name.h"

#include <string.h>

bool lat_name_valid(const char *name, size_t max)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return name[length] == '\0' && length >= 1 && length <= max && strspn(name, "0123456789") != length;
}

/* FNV-1a: that names are spread is all that is asked of it, because who hosts decides who gets a pid. */
uint32_t lat_name_hash(const char *name)
{
	uint32_t hash = UINT32_C(2166136261);

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT32_C(16777619);
	return hash;
}

int32_t lat_service_pid(const char *name, unsigned int again)
{
	uint32_t hash = lat_name_hash(name);

	hash = (hash ^ hash >> 30) + again;
	return (int32_t)(LAT_SERVICE_PID_MIN | (hash & (LAT_SERVICE_PID_MIN - 1)));
}
