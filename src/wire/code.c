/* One table both ways: the index is the code. */
#include "wire/code.h"

#include <errno.h>

#include "base/util.h"

static const int code_errno[LAT_CODE_COUNT] = {
	[LAT_CODE_OK] = 0,
	[LAT_CODE_EPROTO] = -EPROTO,
	[LAT_CODE_EACCES] = -EACCES,
	[LAT_CODE_EPERM] = -EPERM,
	[LAT_CODE_EREVOKED] = -EKEYREVOKED,
	[LAT_CODE_EEXPIRED] = -EKEYEXPIRED,
	[LAT_CODE_ENOBUFS] = -ENOBUFS,
	[LAT_CODE_EBUSY] = -EBUSY,
	[LAT_CODE_EMSGSIZE] = -EMSGSIZE,
	[LAT_CODE_ECONNRESET] = -ECONNRESET,
	[LAT_CODE_ESHUTDOWN] = -ESHUTDOWN,
	[LAT_CODE_EDEADLK] = -EDEADLK,
	[LAT_CODE_ECONNREFUSED] = -ECONNREFUSED,
	[LAT_CODE_EOPNOTSUPP] = -EOPNOTSUPP,
};

int lat_code_to_errno(uint16_t code)
{
	return code < ARRAY_LEN(code_errno) ? code_errno[code] : -EPROTO;
}

uint16_t lat_code_from_errno(int rc)
{
	if (rc == -ENOMEM)
		return LAT_CODE_ENOBUFS;
	for (uint16_t code = 0; code < ARRAY_LEN(code_errno); code++)
		if (code_errno[code] == rc)
			return code;
	return LAT_CODE_ECONNRESET;
}
