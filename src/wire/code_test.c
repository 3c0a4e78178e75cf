#include <errno.h>

#include "base/test.h"
#include "wire/code.h"

static const struct {
	const char *why;
	uint16_t code;
	int rc;
} rows[] = {
	{ "fine", LAT_CODE_OK, 0 },
	{ "the peer broke a rule", LAT_CODE_EPROTO, -EPROTO },
	{ "no right", LAT_CODE_EACCES, -EACCES },
	{ "wrong token", LAT_CODE_EPERM, -EPERM },
	{ "revoked", LAT_CODE_EREVOKED, -EKEYREVOKED },
	{ "expired", LAT_CODE_EEXPIRED, -EKEYEXPIRED },
	{ "a limit", LAT_CODE_ENOBUFS, -ENOBUFS },
	{ "busy", LAT_CODE_EBUSY, -EBUSY },
	{ "too long", LAT_CODE_EMSGSIZE, -EMSGSIZE },
	{ "the peer lost its state", LAT_CODE_ECONNRESET, -ECONNRESET },
	{ "going down", LAT_CODE_ESHUTDOWN, -ESHUTDOWN },
	{ "rank", LAT_CODE_EDEADLK, -EDEADLK },
	{ "nobody listens", LAT_CODE_ECONNREFUSED, -ECONNREFUSED },
	{ "no calls there", LAT_CODE_EOPNOTSUPP, -EOPNOTSUPP },
};

TEST(both_ways)
{
	CHECK_EQ(ARRAY_LEN(rows), LAT_CODE_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, rows[i].code, i);
		CHECK_EQ_ROW(rows[i].why, lat_code_to_errno(rows[i].code), rows[i].rc);
		CHECK_EQ_ROW(rows[i].why, lat_code_from_errno(rows[i].rc), rows[i].code);
	}
}

TEST(unknown)
{
	CHECK_EQ(lat_code_to_errno(LAT_CODE_COUNT), -EPROTO);
	CHECK_EQ(lat_code_to_errno(UINT16_MAX), -EPROTO);
	CHECK_EQ(lat_code_from_errno(-ENOMEM), LAT_CODE_ENOBUFS);
	CHECK_EQ(lat_code_from_errno(-EIO), LAT_CODE_ECONNRESET);
	CHECK_EQ(lat_code_from_errno(EACCES), LAT_CODE_ECONNRESET);
}

TEST_MAIN
