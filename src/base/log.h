/*
 * Logging through a callback of the caller's. Silent until one is set: the library never prints.
 * Never called for a single hostile packet (those are counters), never handed a key.
 */
#ifndef LAT_BASE_LOG_H
#define LAT_BASE_LOG_H

enum lat_log_level { LAT_LOG_ERROR, LAT_LOG_WARN, LAT_LOG_INFO, LAT_LOG_DEBUG };

/*
 * @text is one line without its newline, valid until the callback returns. Called on whichever thread has something to
 * say, on several at once, with no lock held: it may call back into the library, lat_log_set included.
 */
typedef void (*lat_log_fn)(void *ctx, int level, const char *text);

/*
 * Sets the callback and its @ctx as one pair: no line is ever handed to one callback with the other's ctx. NULL
 * silences. Threads: any; a line being written while this is called may still reach the old callback, so the old ctx
 * must stay valid until every thread that might log has been joined or has logged again.
 */
void lat_log_set(lat_log_fn fn, void *ctx);

enum { LAT_LOG_LINE_MAX = 512 }; /* bytes of a line, its terminating zero included; longer ones are cut */

/*
 * One line, no newline. Control bytes, which a peer may have put into a name, become '?'. errno is kept. Costs one
 * atomic load when nobody listens. Threads: any; not for signal handlers.
 */
void lat_log(enum lat_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
