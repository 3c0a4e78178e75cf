/*
 * The state directory for a node that runs on it (the calls for everybody else are in <lattice/state.h>): locked, its
 * identity, number, mesh key and peers in memory.
 *
 * Files are replaced whole, so a reader sees the old or the new one, also after a crash. Writers of peers/ exclude each
 * other by peers.lock; "lock" is the running node's.
 */
#ifndef LAT_NODE_STATE_H
#define LAT_NODE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <lattice/state.h>

#include "base/util.h"

struct lat_state;

/*
 * Takes @dir (NULL: lattice_state_dir()), makes it and an identity in it when there is none, and reads everything.
 *
 * @param node  0: the number kept there, else this machine's, kept from now on. Another: this number; one that is kept must
 *              be the same
 * @param seed  the secret identity, LAT_KEM_SEED bytes in the caller's key arena; wiped on failure
 * @return 0, or, with a sentence for lattice_explain(NULL, ...),
 *   -EBUSY    a node runs on it; the sentence has its pid
 *   -EACCES   no right to a file or directory, or a secret file that others may read
 *   -EBADMSG  a damaged file; the sentence has its name and line
 *   -EINVAL   @node is not the number kept there
 *   -ENOMEM, -ENOSPC, -EROFS, -ENAMETOOLONG, -ENOENT (no place for a directory: no HOME), -EIO, ...
 */
LAT_MUST_CHECK int lat_state_open(struct lat_state **out, const char *dir, lattice_node_id node,
				  uint8_t *seed);
/* Unlocks, wipes, frees. NULL is fine. */
void lat_state_close(struct lat_state *s);

/* Where it is, as it was named. */
const char *lat_state_dir(const struct lat_state *s);
lattice_node_id lat_state_node(const struct lat_state *s);
const uint8_t *lat_state_public_key(const struct lat_state *s); /* LATTICE_PUBLIC_KEY_BYTES */
const uint8_t *lat_state_mesh_key(const struct lat_state *s);   /* 32 bytes, zeros: none, or wiped */
/* Wipes the mesh key and every psk: who needs them has them in a key arena. */
void lat_state_wipe_secrets(struct lat_state *s);

/*
 * What a caller says of a peer: its form, that key and fingerprint fit; the fingerprint is put in. 0, -EINVAL, -EKEYREJECTED
 * with a sentence.
 */
LAT_MUST_CHECK int lat_peer_check(struct lattice_peer *peer);

/* The peers, in order of their numbers. */
size_t lat_state_peer_count(const struct lat_state *s);
const struct lattice_peer *lat_state_peer_at(const struct lat_state *s, size_t i);
/* NULL: not known. Valid until the next lat_state_peer_keep() or forget. */
const struct lattice_peer *lat_state_peer_find(const struct lat_state *s, lattice_node_id node);
/* Adds or replaces one, complete but for its psk, in memory only: no file is touched. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_state_peer_keep(struct lat_state *s, const struct lattice_peer *peer);
/* Wipes one in memory only. One that is not known: nothing. */
void lat_state_peer_forget(struct lat_state *s, lattice_node_id node);

#endif
