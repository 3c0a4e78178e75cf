/* A word is consonant, vowel, consonant, vowel, consonant: 4, 2, 4, 2 and 4 bits, the highest first. */
#include "node/proquint.h"

#include "base/util.h"

static char *put_word(char *out, unsigned bits)
{
	static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aiou";

	*out++ = consonants[bits >> 12 & 15];
	*out++ = vowels[bits >> 10 & 3];
	*out++ = consonants[bits >> 6 & 15];
	*out++ = vowels[bits >> 4 & 3];
	*out++ = consonants[bits & 15];
	return out;
}

void lat_proquint_encode(char *out, const uint8_t *data, size_t bytes)
{
	LAT_ASSERT(bytes >= 2 && bytes % 2 == 0);
	for (size_t i = 0; i + 1 < bytes; i += 2) {
		if (i > 0)
			*out++ = '-';
		out = put_word(out, (unsigned)data[i] << 8 | data[i + 1]);
	}
	*out = '\0';
}
