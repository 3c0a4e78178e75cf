/*
 * A node's state directory: its identity, its number, its peers' public keys.
 *
 *   identity     the secret seed (0600)                 made once, never leaves
 *   node         the node's number
 *   mesh_key     optional: 32 bytes in base64, the same on every node of one deployment (0600)
 *   peers/N      one file per peer, N its node number: name, fingerprint, public key, endpoint, transport
 *   capabilities the key and the journal of the capabilities that the node gave out (0600); no older copy may be put back
 *   allow_keylog optional: LATTICE_KEYLOG may name a file for session keys (lattice(1))
 *   lock         held by the node that runs on it
 *   edit.lock    held while one of the calls below changes something
 *
 * The calls work on files and may be used while a node runs; a running node reads them when it is opened.
 */
#ifndef LATTICE_STATE_H
#define LATTICE_STATE_H

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LATTICE_PUBLIC_KEY_BYTES = 1216, /* X-Wing: ML-KEM-768 and X25519 */
	LATTICE_FINGERPRINT_BYTES = 32,
	LATTICE_PSK_BYTES = 32,
	LATTICE_NAME_MAX = 63,
	LATTICE_ENDPOINT_MAX = 255,
	LATTICE_KEY_TEXT_MAX = 4096, /* a public key as text, with its NUL */
	LATTICE_WORDS_MAX = 48       /* a fingerprint as words, with its NUL */
};

/* Who a node is, to others: safe to publish. */
struct lattice_identity {
	lattice_node_id node;
	uint8_t key[LATTICE_PUBLIC_KEY_BYTES];
	uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES]; /* BLAKE2b of the key (PROTOCOL section 1) */
};

/*
 * Another node, as this one knows it. A key of zeros is one that is not here yet: then the fingerprint says which key it
 * will have to be, and until that is added nobody can talk to the node (-ENOKEY).
 */
struct lattice_peer {
	lattice_node_id node;
	char name[LATTICE_NAME_MAX + 1]; /* letters, digits, '-', '_', '.'; may be empty */
	uint8_t key[LATTICE_PUBLIC_KEY_BYTES];
	uint8_t fingerprint
		[LATTICE_FINGERPRINT_BYTES]; /* always there when read; when given with a key, zeros will do */
	uint8_t psk[LATTICE_PSK_BYTES];      /* zeros: none */
	char endpoint[LATTICE_ENDPOINT_MAX + 1]; /* "host:port", "[v6]:port", or empty: it calls us */
	enum lattice_proto proto;
};

/*
 * The directory used when none is named: $LATTICE_STATE_DIR, else /var/lib/lattice as root, else
 * $XDG_STATE_HOME/lattice, else $HOME/.local/state/lattice. 0, -ENAMETOOLONG, -ENOENT (no HOME).
 */
LATTICE_API LATTICE_MUST_USE int lattice_state_dir(char *buf, size_t bytes);

/*
 * Makes an identity in @dir (NULL: lattice_state_dir()), and the directory when needed (0700). @node 0: derived from this machine.
 * 0, -EEXIST (there is one: it is never overwritten; *out is filled in), -EACCES (also: others may read the secret), -ENOSPC, -EROFS, -EINVAL, -EBADMSG.
 */
LATTICE_API LATTICE_MUST_USE int lattice_state_keygen(const char *dir, lattice_node_id node,
						      struct lattice_identity *out);

/* Reads the public part. 0, -ENOENT (none yet), -EACCES, -EBADMSG (damaged). */
LATTICE_API LATTICE_MUST_USE int lattice_state_identity(const char *dir, struct lattice_identity *out);

/*
 * A public key as text, to copy to another machine: node number, fingerprint, key. format returns the length as snprintf does.
 * parse: 0, -EBADMSG (form, or the fingerprint does not fit the key).
 */
LATTICE_API int lattice_identity_format(const struct lattice_identity *id, char *buf, size_t bytes);
LATTICE_API LATTICE_MUST_USE int lattice_identity_parse(struct lattice_identity *out, const char *text,
							size_t bytes);

/*
 * A fingerprint's first 128 bits as eight pronounceable words of five letters ("lusab-babad-..."), for two people to
 * compare by telephone: proquints, arXiv:0901.4016. Returns the length as snprintf does.
 */
LATTICE_API int lattice_fingerprint_words(const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES], char *buf,
					  size_t bytes);

/*
 * Adds or replaces a peer. One that is there by its fingerprint alone gets its key so; one that has its key keeps it when
 * only the fingerprint is given again.
 * 0, -EINVAL (number, name or endpoint of a wrong form, our own key, neither key nor fingerprint), -EEXIST (the name or
 * key belongs to another number), -EKEYREJECTED (this number is bound to another key, or the key is not the one of the
 * fingerprint given: lattice_explain(NULL, ...) has both), -EBUSY (another writer does not end), -EACCES, -ENOSPC, -EROFS,
 * -EBADMSG (a peer's file that is there is damaged).
 */
LATTICE_API LATTICE_MUST_USE int lattice_state_peer_add(const char *dir, const struct lattice_peer *peer);

/*
 * Forgets a peer, whatever is in its file. A node that is running knows it until it is closed.
 * 0, -ENOENT (not known), -EINVAL (a number that no node has), -EBUSY, -EACCES, -EROFS, -EIO.
 */
LATTICE_API LATTICE_MUST_USE int lattice_state_peer_remove(const char *dir, lattice_node_id node);

/*
 * Reads one peer. 0, -ENOENT (not known), -EKEYREJECTED (its file has a key that is not the one of its fingerprint),
 * -EBADMSG (damaged otherwise), -EACCES (also: it holds a psk and others may read it).
 */
LATTICE_API LATTICE_MUST_USE int lattice_state_peer_get(const char *dir, lattice_node_id node,
							struct lattice_peer *out);

/*
 * Calls @fn for each peer in order of node numbers; a nonzero return of @fn stops and is returned. 0 at the end, -EBADMSG (a damaged
 * file; lattice_explain(NULL, ...) names it and the line), -EKEYREJECTED (a file's key is not the one of its fingerprint), -EACCES.
 */
LATTICE_API LATTICE_MUST_USE int lattice_state_peers(const char *dir,
						     int (*fn)(void *ctx, const struct lattice_peer *peer),
						     void *ctx);

#ifdef __cplusplus
}
#endif

#endif
