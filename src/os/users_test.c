/* Names of users and groups. */
#include "os/users.h"

#include <errno.h>

#include "base/test.h"

TEST(root_is_everywhere_and_who_is_not_is_not_found)
{
	char name[LAT_USER_NAME_MAX];
	uint32_t id = 77;

	CHECK_EQ(lat_user_find("root", &id), 0);
	CHECK_EQ(id, 0);
	id = 77;
	CHECK_EQ(lat_user_find("no such user", &id), -ENOENT);
	CHECK_EQ(lat_group_find("no such group", &id), -ENOENT);
	CHECK_EQ(id, 77);
	CHECK_EQ(lat_group_find("root", &id), 0);
	CHECK_EQ(id, 0);
	CHECK_STR(lat_user_name(0, name), "root");
	CHECK_STR(lat_user_name(4000000001, name), "uid 4000000001");
}

TEST_MAIN
