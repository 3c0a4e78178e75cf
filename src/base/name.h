/* The names that people give: of nodes, and of services. */
#ifndef LAT_BASE_NAME_H
#define LAT_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LAT_SERVICE_MAX = 64,         /* letters of a service's name */
	LAT_SERVICE_PID_MIN = 1 << 30 /* the first of those that lat_service_pid() gives */
};

/* 1 to @max of a-z A-Z 0-9 - _ . and not digits only: what a number cannot be taken for. */
bool lat_name_valid(const char *name, size_t max);

/* Spreads names over a table. */
uint32_t lat_name_hash(const char *name);

/*
 * The pid of a service that was not given another: always the same for a name, so that a right to it outlives the process. Two names
 * may have the same one: @again (0 first) says which other follows.
 */
int32_t lat_service_pid(const char *name, unsigned int again);

#endif
