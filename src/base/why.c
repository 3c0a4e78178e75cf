#include "base/why.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { WHY_MAX = 768 };

static _Thread_local struct {
	const void *handle;
	int rc;
	char text[WHY_MAX];
} last;

int lat_why(const void *handle, int rc, const char *fmt, ...)
{
	va_list ap;

	last.handle = handle;
	last.rc = rc;
	va_start(ap, fmt);
	(void)vsnprintf(last.text, sizeof(last.text), fmt, ap);
	va_end(ap);
	return rc;
}

int lat_why_hand(const void *from, const void *handle, int rc)
{
	if (rc < 0 && last.rc == rc && last.handle == from)
		last.handle = handle;
	return rc;
}

void lat_why_forget(void)
{
	last.rc = 0;
}

const char *lat_why_last(const void *handle, int rc)
{
	return rc < 0 && last.rc == rc && last.handle == handle ? last.text : NULL;
}
