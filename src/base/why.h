/*
 * Why the last call failed, as a sentence: kept per thread, so that it costs no lock, works for calls that made no handle,
 * and is never about somebody else's error.
 */
#ifndef LAT_BASE_WHY_H
#define LAT_BASE_WHY_H

/*
 * Remembers a sentence (what failed, where, why, what to do; without a final period) for lattice_explain(@handle, @rc) on this
 * thread, and returns @rc. @handle NULL: the call made none.
 */
int lat_why(const void *handle, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Makes the sentence about @from one about @handle, if it is that of @rc, which is returned. */
int lat_why_hand(const void *from, const void *handle, int rc);
/* At the start of a call that may fail without a sentence of its own: an older one must not stand for it. */
void lat_why_forget(void);
/* The sentence about @handle, if the last one is that and of @rc; else NULL. */
const char *lat_why_last(const void *handle, int rc);

#endif
