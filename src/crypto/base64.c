/* Base64 by libsodium, which looks nothing up in tables. */
#include "crypto/base64.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

void lat_base64_encode(char *out, const uint8_t *in, size_t bytes)
{
	(void)sodium_bin2base64(out, LAT_BASE64_LEN(bytes) + 1, in, bytes, sodium_base64_VARIANT_ORIGINAL);
}

int lat_base64_decode(uint8_t *out, size_t bytes, const char *text, size_t length)
{
	uint8_t got[LAT_BASE64_BYTES_MAX];
	const char *end = NULL;
	size_t count = 0;
	int rc = -EBADMSG;

	if (bytes > sizeof(got) || length != LAT_BASE64_LEN(bytes))
		return rc;
	if (sodium_base642bin(got, bytes, text, length, NULL, &count, &end, sodium_base64_VARIANT_ORIGINAL) ==
		    0 &&
	    count == bytes && end == text + length) {
		memcpy(out, got, bytes);
		rc = 0;
	}
	lat_wipe(got, bytes);
	return rc;
}
