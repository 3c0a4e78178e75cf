/*
 * The lives page (LOCAL 14): a word for each slot of the issuer's table, in a memfd that the process which issues writes and everybody else
 * maps read-only. A right lives while the word of its slot is its generation (fastpath/life.h).
 *
 * It is mapped as long as anything looks at it: each that does has a reference.
 */
#ifndef LAT_NODE_LIVES_H
#define LAT_NODE_LIVES_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/table.h"
#include "fastpath/life.h"

struct lat_lives;

/* A page of our own. 0, -ENOMEM, -EMFILE, -ENFILE. */
LAT_MUST_CHECK int lat_lives_make(struct lat_lives **out);
/* Another process's. @fd stays the caller's. 0, -EPERM, -EPROTO (it is no such page), -ENOMEM. */
LAT_MUST_CHECK int lat_lives_join(struct lat_lives **out, int fd);

struct lat_lives *lat_lives_get(struct lat_lives *l);
/* NULL is fine. */
void lat_lives_put(struct lat_lives *l);

/* Of our own: the LAT_CAPTABLE_MAX words to write, and what is passed to others, which stays the page's. */
_Atomic(uint32_t) *lat_lives_words(struct lat_lives *l);
int lat_lives_fd(const struct lat_lives *l);

/* What to look at, for as long as there is a reference. The generation 0 is no right, and needs no page. */
struct lat_life lat_lives_of(const struct lat_lives *l, struct lat_cap_ref ref);

#endif
