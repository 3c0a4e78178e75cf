/*
 * Keys as text, for people and for files: INI, in which a long value goes on in indented lines. A text with secrets in it (an
 * identity's seed, a peer's psk) is wiped by whoever holds it.
 *
 *   [node]                       a public key, to be copied          [peer]                  peers/N
 *   node = 7                                                          node = 7
 *   fingerprint = 64 hex digits                                       name = bob
 *   key = base64                                                      endpoint = host:port
 *       base64                                                        transport = udp, tcp or tcp-transient
 *                                                                     psk = base64
 *                                                                     fingerprint, key as on the left;
 *                                                                     the key may be missing
 */
#ifndef LAT_NODE_KEYFILE_H
#define LAT_NODE_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lattice/state.h>

#include "base/util.h"
#include "crypto/kem.h"

enum {
	LAT_PEER_TEXT_MAX = LATTICE_KEY_TEXT_MAX,
	LAT_SEED_TEXT_MAX = 512,
};

/* A public key's fingerprint: BLAKE2b of "lwp1 node key" and the key (PROTOCOL section 1). */
void lat_key_fingerprint(uint8_t out[LATTICE_FINGERPRINT_BYTES], const uint8_t key[LATTICE_PUBLIC_KEY_BYTES]);

/* "0123..." and a final zero. */
enum { LAT_FINGERPRINT_HEX = 2 * LATTICE_FINGERPRINT_BYTES + 1 };
const char *lat_fingerprint_hex(const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES],
				char out[static LAT_FINGERPRINT_HEX]);

/* Whether the key is here, and not its fingerprint alone. */
bool lat_peer_has_key(const struct lattice_peer *peer);
/*
 * Puts the fingerprint in where there is a key. 0, -EINVAL (neither key nor fingerprint), -EKEYREJECTED (both, and they do
 * not fit), with a sentence.
 */
LAT_MUST_CHECK int lat_peer_complete(struct lattice_peer *peer);
/* -EKEYREJECTED: @node was to have the first fingerprint, and its key has the second. */
int lat_key_rejected(lattice_node_id node, const uint8_t *known, const uint8_t *is, const char *fix);

/* Whether @name is empty or made of letters, digits, '-', '_' and '.', and not a number that a node's could be taken for. */
bool lat_peer_name_valid(const char *name);
/* Whether @endpoint is empty, "host:port" or "[v6]:port". */
bool lat_peer_endpoint_valid(const char *endpoint);

/* Whether @proto is of enum lattice_proto. */
bool lat_proto_valid(enum lattice_proto proto);

/* The text of peers/N, with its final zero; the peer is valid and complete. Returns its length. */
size_t lat_peer_format(const struct lattice_peer *peer, char out[static LAT_PEER_TEXT_MAX]);
/*
 * 0, or, with a sentence that names @file and the line, and *out untouched, -EBADMSG or (the key is not the one of the
 * fingerprint) -EKEYREJECTED.
 */
LAT_MUST_CHECK int lat_peer_parse(struct lattice_peer *out, const char *file, const char *text, size_t bytes);

/* The text of the file "identity": the secret seed, and the fingerprint of its public key. */
size_t lat_seed_format(const uint8_t seed[LAT_KEM_SEED], const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES],
		       char out[static LAT_SEED_TEXT_MAX]);
/* 0, or -EBADMSG with a sentence, and nothing written. That the fingerprint fits is for the caller to see. */
LAT_MUST_CHECK int lat_seed_parse(uint8_t seed[LAT_KEM_SEED], uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES],
				  const char *file, const char *text, size_t bytes);

/* A file that is nothing but 32 bytes in base64, or a node's number; white space around it is fine. 0, or -EBADMSG as above. */
LAT_MUST_CHECK int lat_secret_parse(uint8_t out[32], const char *file, const char *text, size_t bytes);
LAT_MUST_CHECK int lat_node_parse(lattice_node_id *out, const char *file, const char *text, size_t bytes);

#endif
