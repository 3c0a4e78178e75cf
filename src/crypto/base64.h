/*
 * Base64 with padding (RFC 4648 section 4), in constant time for one length: keys, secret ones too, are written so.
 * Pure; any number of threads.
 */
#ifndef LAT_CRYPTO_BASE64_H
#define LAT_CRYPTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* Characters for @bytes_ bytes, without a final zero. */
#define LAT_BASE64_LEN(bytes_) (((bytes_) + 2) / 3 * 4)

enum { LAT_BASE64_BYTES_MAX = 2048 }; /* the longest that is decoded */

/* Writes LAT_BASE64_LEN(@bytes) characters and a zero. */
void lat_base64_encode(char *out, const uint8_t *in, size_t bytes);
/*
 * Exactly @bytes bytes from exactly LAT_BASE64_LEN(@bytes) characters. 0, or -EBADMSG with @out untouched: another length, a
 * character that is none of the 64, or not the one way to write these bytes.
 */
LAT_MUST_CHECK int lat_base64_decode(uint8_t *out, size_t bytes, const char *text, size_t length);

#endif
