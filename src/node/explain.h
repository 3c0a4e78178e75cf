/*
 * Why the last call failed, as a sentence: kept per thread, so that it costs no lock, works for calls that made no handle,
 * and is never about somebody else's error.
 */
#ifndef LAT_NODE_EXPLAIN_H
#define LAT_NODE_EXPLAIN_H

/*
 * Remembers a sentence (what failed, where, why, what to do; without a final period) for lattice_explain(@handle, @rc) on this
 * thread, and returns @rc. @handle NULL: the call made none.
 */
int lat_why(const void *handle, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* At the start of a call that may fail without a sentence of its own: an older one must not stand for it. */
void lat_why_forget(void);

#endif
