/*
 * Logging through a callback of the caller's. Silent until one is set: the library never prints.
 * Never called for a single hostile packet (those are counters), never handed a key.
 */
#ifndef LAT_BASE_LOG_H
#define LAT_BASE_LOG_H

enum lat_log_level { LAT_LOG_ERROR, LAT_LOG_WARN, LAT_LOG_INFO, LAT_LOG_DEBUG };

typedef void (*lat_log_fn)(void *ctx, int level, const char *text);

/* NULL silences. Threads: any; a line being written while this is called may still reach the old callback. */
void lat_log_set(lat_log_fn fn, void *ctx);

/* One line, no newline, cut at 512 bytes. Costs one atomic load when nobody listens. */
void lat_log(enum lat_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
