/*
 * The one log callback of the process. The pair (fn, ctx) is read and written under a mutex, so it is
 * never torn; the callback runs outside it. The flag spares the mutex while nobody listens: it may lag
 * behind the pair, which costs a line around the moment of the change and nothing else.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	lat_log_fn fn;
	void *ctx;
} sink; /* under lock */
static _Atomic(bool) listening;

void lat_log_set(lat_log_fn fn, void *ctx)
{
	pthread_mutex_lock(&lock);
	sink.fn = fn;
	sink.ctx = ctx;
	atomic_store_explicit(&listening, fn != NULL, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
}

void lat_log(enum lat_log_level level, const char *fmt, ...)
{
	char text[LAT_LOG_LINE_MAX];
	int saved = errno;
	lat_log_fn fn;
	va_list args;
	void *ctx;

	if (!atomic_load_explicit(&listening, memory_order_relaxed))
		return;
	pthread_mutex_lock(&lock);
	fn = sink.fn;
	ctx = sink.ctx;
	pthread_mutex_unlock(&lock);
	if (fn == NULL)
		return;

	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		text[0] = '\0';
	va_end(args);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	fn(ctx, (int)level, text);
	errno = saved;
}
