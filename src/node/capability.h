/*
 * A capability in a process (<lattice/cap.h>): what it says, and its key in an arena that the process's capabilities share, so that it is in
 * no dump and no child. Whoever needs it whole takes a copy, and wipes that.
 */
#ifndef LAT_NODE_CAPABILITY_H
#define LAT_NODE_CAPABILITY_H

#include <lattice/cap.h>

#include "base/util.h"
#include "cap/right.h"

/* A new handle for what @right says. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_capability_make(struct lattice_cap **out, const struct lat_cap_right *right);
/* All of it; the caller wipes *out. 0, -EPERM with a sentence in a forked child. */
LAT_MUST_CHECK int lat_capability_take(const struct lattice_cap *cap, struct lat_cap_right *out);

/* Of what a descriptor says, all caveats applied. */
void lat_capability_info(struct lattice_cap_info *out, const struct lat_cap_desc *d);
/* The life that decides (the last SLOT caveat's, else the descriptor's). @r has caveats that are some. */
void lat_capability_life(const struct lat_cap_right *r, uint32_t *slot, uint32_t *gen);

/* "send, call", and so on; "nothing". Returns @buf. */
enum { LAT_RIGHTS_TEXT_MAX = 96 };
const char *lat_rights_text(uint32_t rights, char buf[static LAT_RIGHTS_TEXT_MAX]);

#endif
