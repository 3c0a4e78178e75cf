/* getpwnam_r(3) and its like, with room for whatever they have to say. */
#include "os/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM_MIN = 4096, ROOM_MAX = 1048576 };

/* One question with @room bytes for the answer; ERANGE: more is needed. */
typedef int question(const void *key, char *buf, size_t room, void *out);

static int ask(question *q, const void *key, void *out)
{
	for (size_t room = ROOM_MIN; room <= ROOM_MAX; room *= 4) {
		char *buf = malloc(room);
		int err;

		if (buf == NULL)
			return -ENOENT;
		err = q(key, buf, room, out);
		free(buf);
		if (err != ERANGE)
			return err == 0 ? 0 : -ENOENT;
	}
	return -ENOENT;
}

static int user_of(const void *key, char *buf, size_t room, void *out)
{
	struct passwd pw, *found = NULL;
	int err = getpwnam_r(key, &pw, buf, room, &found);

	if (found != NULL)
		*(uint32_t *)out = pw.pw_uid;
	return err != 0 ? err : found != NULL ? 0 : ENOENT;
}

static int group_of(const void *key, char *buf, size_t room, void *out)
{
	struct group gr, *found = NULL;
	int err = getgrnam_r(key, &gr, buf, room, &found);

	if (found != NULL)
		*(uint32_t *)out = gr.gr_gid;
	return err != 0 ? err : found != NULL ? 0 : ENOENT;
}

static int name_of(const void *key, char *buf, size_t room, void *out)
{
	struct passwd pw, *found = NULL;
	int err = getpwuid_r(*(const uint32_t *)key, &pw, buf, room, &found);

	if (found != NULL)
		(void)snprintf(out, LAT_USER_NAME_MAX, "%s", pw.pw_name);
	return err != 0 ? err : found != NULL ? 0 : ENOENT;
}

int lat_user_find(const char *name, uint32_t *uid)
{
	return ask(user_of, name, uid);
}

int lat_group_find(const char *name, uint32_t *gid)
{
	return ask(group_of, name, gid);
}

const char *lat_user_name(uint32_t uid, char buf[static LAT_USER_NAME_MAX])
{
	if (ask(name_of, &uid, buf) < 0)
		(void)snprintf(buf, LAT_USER_NAME_MAX, "uid %u", uid);
	return buf;
}
