/*
 * Keys as text: input = what u8 || text. What it is taken for: a node's public key, a peer's file, an identity, a secret, a
 * node's number.
 *
 * (1) Nothing outside the text is read.
 * (2) What is refused leaves the output alone, and the sentence about it names the file.
 * (3) What is read and written again reads the same, and is then written the same.
 * (4) What was read keeps the rules for what is written: number, name, endpoint, transport; a key is the fingerprint's.
 */
#include "fuzz.h"

#include <errno.h>

#include "base/why.h"
#include "crypto/aead.h"
#include "node/keyfile.h"

static const char file[] = "some-file";

static int refused(const void *out, size_t bytes, int rc)
{
	const char *why = lat_why_last(NULL, rc);

	FUZZ_REQUIRE(rc == -EBADMSG || rc == -EKEYREJECTED);
	FUZZ_REQUIRE(fuzz_all(out, 0x5a, bytes));
	FUZZ_REQUIRE(why != NULL &&
		     (strncmp(why, file, strlen(file)) == 0 || strncmp(why, "the key", 7) == 0));
	return 0;
}

static int check_identity(const char *text, size_t bytes)
{
	struct lattice_identity id, again;
	char out[2][LATTICE_KEY_TEXT_MAX];
	uint8_t is[LATTICE_FINGERPRINT_BYTES];
	int rc, n;

	memset(&id, 0x5a, sizeof(id));
	rc = lattice_identity_parse(&id, text, bytes);
	if (rc < 0)
		return refused(&id, sizeof(id), rc);
	lat_key_fingerprint(is, id.key);
	FUZZ_REQUIRE(id.node != 0 && id.node != UINT32_MAX && memcmp(is, id.fingerprint, sizeof(is)) == 0);
	n = lattice_identity_format(&id, out[0], sizeof(out[0]));
	FUZZ_REQUIRE(n > 0 && (size_t)n < sizeof(out[0]) && strlen(out[0]) == (size_t)n);
	FUZZ_REQUIRE(lattice_identity_parse(&again, out[0], (size_t)n) == 0);
	FUZZ_REQUIRE(again.node == id.node && memcmp(again.key, id.key, sizeof(id.key)) == 0);
	FUZZ_REQUIRE(lattice_identity_format(&again, out[1], sizeof(out[1])) == n);
	FUZZ_REQUIRE(memcmp(out[0], out[1], (size_t)n) == 0);
	return 0;
}

static bool same_peer(const struct lattice_peer *a, const struct lattice_peer *b)
{
	return a->node == b->node && a->proto == b->proto && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->endpoint, b->endpoint) == 0 && memcmp(a->key, b->key, sizeof(a->key)) == 0 &&
	       memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0 &&
	       memcmp(a->psk, b->psk, sizeof(a->psk)) == 0;
}

static int check_peer(const char *text, size_t bytes)
{
	struct lattice_peer peer, again;
	char out[2][LAT_PEER_TEXT_MAX];
	size_t n;
	int rc;

	memset(&peer, 0x5a, sizeof(peer));
	rc = lat_peer_parse(&peer, file, text, bytes);
	if (rc < 0)
		return refused(&peer, sizeof(peer), rc);
	again = peer;
	FUZZ_REQUIRE(lat_peer_complete(&again) == 0 && same_peer(&again, &peer));
	FUZZ_REQUIRE(peer.node != 0 && peer.node != UINT32_MAX && lat_proto_valid(peer.proto));
	FUZZ_REQUIRE(lat_peer_name_valid(peer.name) && lat_peer_endpoint_valid(peer.endpoint));
	n = lat_peer_format(&peer, out[0]);
	FUZZ_REQUIRE(n < sizeof(out[0]) && strlen(out[0]) == n);
	FUZZ_REQUIRE(lat_peer_parse(&again, file, out[0], n) == 0);
	FUZZ_REQUIRE(same_peer(&again, &peer));
	FUZZ_REQUIRE(lat_peer_format(&again, out[1]) == n && memcmp(out[0], out[1], n) == 0);
	return 0;
}

static int check_seed(const char *text, size_t bytes)
{
	struct {
		uint8_t seed[LAT_KEM_SEED], fingerprint[LATTICE_FINGERPRINT_BYTES];
	} s, again;
	char out[LAT_SEED_TEXT_MAX];
	size_t n;
	int rc;

	memset(&s, 0x5a, sizeof(s));
	rc = lat_seed_parse(s.seed, s.fingerprint, file, text, bytes);
	if (rc < 0)
		return refused(&s, sizeof(s), rc);
	n = lat_seed_format(s.seed, s.fingerprint, out);
	FUZZ_REQUIRE(n < sizeof(out) && strlen(out) == n);
	FUZZ_REQUIRE(lat_seed_parse(again.seed, again.fingerprint, file, out, n) == 0);
	FUZZ_REQUIRE(memcmp(&again, &s, sizeof(s)) == 0);
	return 0;
}

static int check_secret(const char *text, size_t bytes)
{
	uint8_t secret[32];
	int rc;

	memset(secret, 0x5a, sizeof(secret));
	rc = lat_secret_parse(secret, file, text, bytes);
	return rc < 0 ? refused(secret, sizeof(secret), rc) : 0;
}

static int check_node(const char *text, size_t bytes)
{
	lattice_node_id node;
	int rc;

	memset(&node, 0x5a, sizeof(node));
	rc = lat_node_parse(&node, file, text, bytes);
	if (rc < 0)
		return refused(&node, sizeof(node), rc);
	FUZZ_REQUIRE(node != 0 && node != UINT32_MAX);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const checks[])(const char *text, size_t bytes) = { check_identity, check_peer,
									 check_seed, check_secret,
									 check_node };

	FUZZ_REQUIRE(lat_crypto_init() == 0);
	if (size < 1)
		return 0;
	return checks[data[0] % ARRAY_LEN(checks)]((const char *)data + 1, size - 1);
}
