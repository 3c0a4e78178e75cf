/* getrandom(2). */
#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

int lat_random_check(void)
{
	unsigned char byte;
	ssize_t got;

	do
		got = getrandom(&byte, sizeof(byte), 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : 0;
}

void lat_random(void *buf, size_t bytes)
{
	unsigned char *p = buf;

	while (bytes > 0) {
		ssize_t got = getrandom(p, bytes, 0); /* over 256 bytes a signal may cut it short */

		if (got < 0 && errno != EINTR)
			__builtin_trap();
		if (got > 0) {
			p += got;
			bytes -= (size_t)got;
		}
	}
}
