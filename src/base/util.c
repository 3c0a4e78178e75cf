/* Wiping and comparing secrets. */
#include "base/util.h"

#include <string.h>

void lat_wipe(void *p, size_t bytes)
{
	if (bytes > 0)
		explicit_bzero(p, bytes);
}

bool lat_equal_ct(const void *a, const void *b, size_t bytes)
{
	/* volatile: the compiler may not leave the loop at the first difference. */
	const volatile unsigned char *x = a;
	const volatile unsigned char *y = b;
	volatile unsigned char differ = 0;

	for (size_t i = 0; i < bytes; i++)
		differ = (unsigned char)(differ | (x[i] ^ y[i]));
	return differ == 0;
}
