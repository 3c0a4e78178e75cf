/* Users and groups of this machine by their names. May read files, or ask whatever the machine's name service asks. */
#ifndef LAT_OS_USERS_H
#define LAT_OS_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* 0, -ENOENT: there is none of that name, or it could not be found out. Any thread. */
LAT_MUST_CHECK int lat_user_find(const char *name, uint32_t *uid);
LAT_MUST_CHECK int lat_group_find(const char *name, uint32_t *gid);
/* The user's name, or its number when it has none. Returns @buf. */
enum { LAT_USER_NAME_MAX = 64 };
const char *lat_user_name(uint32_t uid, char buf[static LAT_USER_NAME_MAX]);

#endif
