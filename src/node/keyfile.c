/* Reading and writing keys as text. */
#include "node/keyfile.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lattice/error.h>

#include "base/name.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "net/resolve.h"
#include "node/explain.h"
#include "node/proquint.h"

enum {
	KEY_LINE = 64, /* characters of base64 in a line: inih reads lines of less than 200 */
	KEY_TEXT = LAT_BASE64_LEN(LATTICE_PUBLIC_KEY_BYTES),
	SECRET_TEXT = LAT_BASE64_LEN(32), /* a seed, a psk, the mesh key */
	FINGERPRINT_TEXT = 2 * LATTICE_FINGERPRINT_BYTES,
	WORDS_OF =
		16, /* bytes of a fingerprint that are spoken: finding a key that shares them is 2^128 tries */
};

static const char *const proto_names[] = {
	[LATTICE_UDP] = "udp", [LATTICE_TCP] = "tcp", [LATTICE_TCP_TRANSIENT] = "tcp-transient"
};

bool lat_proto_valid(enum lattice_proto proto)
{
	return proto >= LATTICE_UDP && proto <= LATTICE_TCP_TRANSIENT;
}

void lat_key_fingerprint(uint8_t out[LATTICE_FINGERPRINT_BYTES], const uint8_t key[LATTICE_PUBLIC_KEY_BYTES])
{
	static const char label[] = "lwp1 node key";

	lat_blake2b(out, LATTICE_FINGERPRINT_BYTES, NULL, 0,
		    (const struct lat_bytes[]){ { label, sizeof(label) - 1 },
						{ key, LATTICE_PUBLIC_KEY_BYTES } },
		    2);
}

const char *lat_fingerprint_hex(const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES],
				char out[static LAT_FINGERPRINT_HEX])
{
	for (size_t i = 0; i < LATTICE_FINGERPRINT_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", fingerprint[i]);
	return out;
}

int lattice_fingerprint_words(const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES], char *buf, size_t bytes)
{
	char words[LAT_PROQUINT_ROOM(WORDS_OF)];

	static_assert(sizeof(words) <= LATTICE_WORDS_MAX, "the words fit");
	lat_proquint_encode(words, fingerprint, WORDS_OF);
	return snprintf(buf, bytes, "%s", words);
}

static bool any(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return true;
	return false;
}

bool lat_peer_has_key(const struct lattice_peer *peer)
{
	return any(peer->key, sizeof(peer->key));
}

int lat_key_rejected(lattice_node_id node, const uint8_t *known, const uint8_t *is, const char *fix)
{
	char hex[2][LAT_FINGERPRINT_HEX];

	return lat_why(NULL, -EKEYREJECTED,
		       "node %u is known by the fingerprint %s, and this key's is %s: it is another key. %s",
		       node, lat_fingerprint_hex(known, hex[0]), lat_fingerprint_hex(is, hex[1]), fix);
}

int lat_peer_complete(struct lattice_peer *peer)
{
	bool said = any(peer->fingerprint, sizeof(peer->fingerprint));
	uint8_t is[LATTICE_FINGERPRINT_BYTES];

	if (!lat_peer_has_key(peer)) {
		if (!said)
			return lat_why(NULL, -EINVAL, "node %u: neither its key nor its fingerprint is given",
				       peer->node);
		return 0;
	}
	lat_key_fingerprint(is, peer->key);
	if (said && memcmp(is, peer->fingerprint, sizeof(is)) != 0)
		return lat_key_rejected(peer->node, peer->fingerprint, is,
					"Ask for the output of 'lattice id --key' there once more");
	memcpy(peer->fingerprint, is, sizeof(is));
	return 0;
}

bool lat_peer_name_valid(const char *name)
{
	return name[0] == '\0' || lat_name_valid(name, LATTICE_NAME_MAX);
}

bool lat_peer_endpoint_valid(const char *endpoint)
{
	/* What stands in a file must be read back the same: no white space, no comment, no second line. */
	static const char may[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]%";
	char host[LAT_HOST_TEXT];
	uint16_t port;

	if (endpoint[0] == '\0')
		return true;
	return strlen(endpoint) <= LATTICE_ENDPOINT_MAX && endpoint[strspn(endpoint, may)] == '\0' &&
	       lat_endpoint_parse(endpoint, host, &port) == 0;
}

/* ---- writing ---- */

struct text {
	char *at;
	size_t length, room;
};

/* Never beyond the room, which fits the longest there is. */
static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at + t->length, t->room - t->length, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->length += (size_t)n < t->room - t->length ? (size_t)n : t->room - t->length - 1;
}

static void put_fingerprint(struct text *t, const uint8_t *fingerprint)
{
	put(t, "fingerprint = ");
	for (size_t i = 0; i < LATTICE_FINGERPRINT_BYTES; i++)
		put(t, "%02x", fingerprint[i]);
	put(t, "\n");
}

static void put_key(struct text *t, const uint8_t *key)
{
	char base64[KEY_TEXT + 1];

	lat_base64_encode(base64, key, LATTICE_PUBLIC_KEY_BYTES);
	for (size_t i = 0; i < KEY_TEXT; i += KEY_LINE)
		put(t, "%s%.*s", i == 0 ? "key = " : "\n    ", KEY_LINE, base64 + i);
	put(t, "\n");
}

int lattice_identity_format(const struct lattice_identity *id, char *buf, size_t bytes)
{
	uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES];
	char all[LATTICE_KEY_TEXT_MAX];
	struct text t = { .at = all, .room = sizeof(all) };

	put(&t,
	    "# The public key of a Lattice node: for 'lattice peers add' on the nodes that are to know it.\n[node]\nnode = %u\n",
	    id->node);
	lat_key_fingerprint(fingerprint, id->key);
	put_fingerprint(&t, fingerprint);
	put_key(&t, id->key);
	return snprintf(buf, bytes, "%s", all);
}

size_t lat_peer_format(const struct lattice_peer *peer, char out[static LAT_PEER_TEXT_MAX])
{
	static const uint8_t none[LATTICE_PSK_BYTES];
	struct text t = { .at = out, .room = LAT_PEER_TEXT_MAX };

	put(&t, "[peer]\nnode = %u\n", peer->node);
	if (peer->name[0] != '\0')
		put(&t, "name = %s\n", peer->name);
	if (peer->endpoint[0] != '\0')
		put(&t, "endpoint = %s\n", peer->endpoint);
	put(&t, "transport = %s\n", proto_names[peer->proto]);
	if (!lat_equal_ct(peer->psk, none, sizeof(none))) {
		char base64[SECRET_TEXT + 1];

		lat_base64_encode(base64, peer->psk, sizeof(peer->psk));
		put(&t, "psk = %s\n", base64);
		lat_wipe(base64, sizeof(base64));
	}
	put_fingerprint(&t, peer->fingerprint);
	if (lat_peer_has_key(peer))
		put_key(&t, peer->key);
	return t.length;
}

size_t lat_seed_format(const uint8_t seed[LAT_KEM_SEED], const uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES],
		       char out[static LAT_SEED_TEXT_MAX])
{
	struct text t = { .at = out, .room = LAT_SEED_TEXT_MAX };
	char base64[SECRET_TEXT + 1];

	lat_base64_encode(base64, seed, LAT_KEM_SEED);
	put(&t,
	    "# The secret identity of a Lattice node. Whoever reads this file can be that node.\n[identity]\nseed = %s\n",
	    base64);
	put_fingerprint(&t, fingerprint);
	lat_wipe(base64, sizeof(base64));
	return t.length;
}

/* ---- reading ---- */

/* One value that a section may have. Continued lines are joined without anything between them. */
struct field {
	const char *name;
	char *value;
	size_t room;      /* with the final zero */
	bool must, lines; /* has to be there; may go on in further lines */
	int line;         /* where it began; 0: it is not there */
};

struct parser {
	const char *section;
	struct field *fields;
	size_t count;

	const char *text;
	size_t bytes, at;
	int line;
	bool indented;

	const char *wrong; /* the first thing, and where */
	int wrong_line;
};

static void set_wrong(struct parser *p, const char *wrong)
{
	if (p->wrong != NULL)
		return;
	p->wrong = wrong;
	p->wrong_line = p->line;
}

/* fgets(3) for inih, which neither counts lines for its handler nor minds a line that it has cut. */
static char *read_line(char *str, int room, void *ctx)
{
	struct parser *p = ctx;
	size_t length = 0;

	if (p->at < p->bytes && p->wrong == NULL) {
		const char *from = p->text + p->at;
		const char *end = memchr(from, '\n', p->bytes - p->at);

		length = end != NULL ? (size_t)(end - from) + 1 : p->bytes - p->at;
		p->line++;
		p->indented = *from == ' ' || *from == '\t';
		if (memchr(from, '\0', length) != NULL)
			set_wrong(p, "a zero byte");
		else if (length >= (size_t)room)
			set_wrong(p, "the line is too long");
	}
	if (length == 0 || p->wrong != NULL) {
		lat_wipe(str, (size_t)room); /* inih's buffer, which has seen secrets */
		return NULL;
	}
	memcpy(str, p->text + p->at, length);
	str[length] = '\0';
	p->at += length;
	return str;
}

static int take_value(void *ctx, const char *section, const char *name, const char *value)
{
	struct parser *p = ctx;
	struct field *f = NULL;
	size_t have, more = strlen(value);

	if (strcmp(section, p->section) != 0) {
		set_wrong(p, "a section that does not belong here");
		return 0;
	}
	for (size_t i = 0; i < p->count && f == NULL; i++)
		if (strcmp(p->fields[i].name, name) == 0)
			f = &p->fields[i];
	if (f == NULL) {
		set_wrong(p, "a name that is not known");
	} else if (p->indented && !f->lines) {
		set_wrong(p, "this value has one line only");
	} else if (!p->indented && f->line != 0) {
		set_wrong(p, "the name is there twice");
	} else {
		have = strlen(f->value);
		if (more >= f->room - have) {
			set_wrong(p, "the value is too long");
			return 0;
		}
		memcpy(f->value + have, value, more + 1);
		if (f->line == 0)
			f->line = p->line;
		return 1;
	}
	return 0;
}

/* Collects the fields of @section, the only one there may be. 0, or -EBADMSG with a sentence. */
static int collect(const char *file, const char *text, size_t bytes, const char *section,
		   struct field *fields, size_t count)
{
	struct parser p = {
		.section = section, .fields = fields, .count = count, .text = text, .bytes = bytes
	};
	int rc = ini_parse_stream(read_line, &p, take_value, &p);

	if (p.wrong != NULL)
		return lat_why(NULL, -EBADMSG, "%s, line %d: %s", file, p.wrong_line, p.wrong);
	if (rc < 0)
		return lat_why(NULL, -ENOMEM, "%s: out of memory", file);
	if (rc > 0)
		return lat_why(NULL, -EBADMSG, "%s, line %d: neither [section] nor name = value", file, rc);
	for (size_t i = 0; i < count; i++)
		if (fields[i].must && fields[i].line == 0)
			return lat_why(NULL, -EBADMSG, "%s, line %d: it ends without '%s'", file, p.line,
				       fields[i].name);
	return 0;
}

static int wrong_value(const char *file, const struct field *f, const char *why)
{
	return lat_why(NULL, -EBADMSG, "%s, line %d: %s %s", file, f->line, f->name, why);
}

static bool node_of(lattice_node_id *out, const char *text, size_t length)
{
	uint64_t n = 0;

	if (length == 0 || length > 10)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (n == 0 || n >= UINT32_MAX)
		return false;
	*out = (lattice_node_id)n;
	return true;
}

static int read_node(lattice_node_id *out, const char *file, const struct field *f)
{
	if (!node_of(out, f->value, strlen(f->value)))
		return wrong_value(file, f, "is not a number from 1 to 4294967294");
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int read_fingerprint(uint8_t *out, const char *file, const struct field *f)
{
	if (strlen(f->value) != FINGERPRINT_TEXT)
		return wrong_value(file, f, "is not 64 hexadecimal digits");
	for (size_t i = 0; i < LATTICE_FINGERPRINT_BYTES; i++) {
		int high = hex_digit(f->value[2 * i]), low = hex_digit(f->value[2 * i + 1]);

		if (high < 0 || low < 0)
			return wrong_value(file, f, "is not 64 hexadecimal digits");
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* The key, and that the fingerprint is its; else @mismatch. */
static int read_key(uint8_t *out, const char *file, const struct field *key, const struct field *fingerprint,
		    int mismatch)
{
	uint8_t said[LATTICE_FINGERPRINT_BYTES], is[LATTICE_FINGERPRINT_BYTES];
	char hex[LAT_FINGERPRINT_HEX];
	int rc;

	if (lat_base64_decode(out, LATTICE_PUBLIC_KEY_BYTES, key->value, strlen(key->value)) < 0)
		return wrong_value(file, key, "is not 1216 bytes in base64");
	rc = read_fingerprint(said, file, fingerprint);
	if (rc < 0)
		return rc;
	lat_key_fingerprint(is, out);
	if (memcmp(said, is, sizeof(said)) != 0)
		return lat_why(
			NULL, mismatch,
			"%s, line %d: fingerprint %s is not that of the key, %s: one of them was changed on the way",
			file, fingerprint->line, fingerprint->value, lat_fingerprint_hex(is, hex));
	return 0;
}

int lattice_identity_parse(struct lattice_identity *out, const char *text, size_t bytes)
{
	static const char file[] = "the key's text";
	char node[16] = "", fingerprint[FINGERPRINT_TEXT + 1] = "", key[KEY_TEXT + 1] = "";
	struct field fields[] = {
		{ .name = "node", .value = node, .room = sizeof(node), .must = true },
		{ .name = "fingerprint", .value = fingerprint, .room = sizeof(fingerprint), .must = true },
		{ .name = "key", .value = key, .room = sizeof(key), .must = true, .lines = true },
	};
	struct lattice_identity id;
	int rc = collect(file, text, bytes, "node", fields, ARRAY_LEN(fields));

	if (rc == 0)
		rc = read_node(&id.node, file, &fields[0]);
	if (rc == 0)
		rc = read_key(id.key, file, &fields[2], &fields[1], -EBADMSG);
	if (rc < 0)
		return rc;
	lat_key_fingerprint(id.fingerprint, id.key);
	*out = id;
	return 0;
}

/* What a peer's file may say beside its key. */
static int read_peer(struct lattice_peer *peer, const char *file, const struct field *name,
		     const struct field *endpoint, const struct field *transport, const struct field *psk)
{
	if (!lat_peer_name_valid(name->value))
		return wrong_value(
			file, name,
			"has other characters than letters, digits, '-', '_', '.', or is a number");
	if (!lat_peer_endpoint_valid(endpoint->value))
		return wrong_value(file, endpoint, "is not host:port or [v6]:port");
	for (peer->proto = LATTICE_UDP; lat_proto_valid(peer->proto); peer->proto++)
		if (strcmp(transport->value, proto_names[peer->proto]) == 0)
			break;
	if (!lat_proto_valid(peer->proto))
		return wrong_value(file, transport, "is not udp, tcp or tcp-transient");
	if (psk->line != 0 &&
	    lat_base64_decode(peer->psk, sizeof(peer->psk), psk->value, strlen(psk->value)) < 0)
		return wrong_value(file, psk, "is not 32 bytes in base64");
	memcpy(peer->name, name->value, strlen(name->value) + 1);
	memcpy(peer->endpoint, endpoint->value, strlen(endpoint->value) + 1);
	return 0;
}

int lat_peer_parse(struct lattice_peer *out, const char *file, const char *text, size_t bytes)
{
	char node[16] = "", name[LATTICE_NAME_MAX + 1] = "", endpoint[LATTICE_ENDPOINT_MAX + 1] = "",
	     transport[16] = "", psk[SECRET_TEXT + 1] = "", fingerprint[FINGERPRINT_TEXT + 1] = "",
	     key[KEY_TEXT + 1] = "";
	enum { NODE, NAME, ENDPOINT, TRANSPORT, PSK, FINGERPRINT, KEY };
	struct field fields[] = {
		[NODE] = { .name = "node", .value = node, .room = sizeof(node), .must = true },
		[NAME] = { .name = "name", .value = name, .room = sizeof(name) },
		[ENDPOINT] = { .name = "endpoint", .value = endpoint, .room = sizeof(endpoint) },
		[TRANSPORT] = { .name = "transport",
				.value = transport,
				.room = sizeof(transport),
				.must = true },
		[PSK] = { .name = "psk", .value = psk, .room = sizeof(psk) },
		[FINGERPRINT] = { .name = "fingerprint",
				  .value = fingerprint,
				  .room = sizeof(fingerprint),
				  .must = true },
		[KEY] = { .name = "key", .value = key, .room = sizeof(key), .lines = true },
	};
	struct lattice_peer peer = { 0 };
	int rc = collect(file, text, bytes, "peer", fields, ARRAY_LEN(fields));

	if (rc == 0)
		rc = read_node(&peer.node, file, &fields[NODE]);
	if (rc == 0)
		rc = read_peer(&peer, file, &fields[NAME], &fields[ENDPOINT], &fields[TRANSPORT],
			       &fields[PSK]);
	if (rc == 0)
		rc = read_fingerprint(peer.fingerprint, file, &fields[FINGERPRINT]);
	if (rc == 0 && fields[KEY].line != 0)
		rc = read_key(peer.key, file, &fields[KEY], &fields[FINGERPRINT], -EKEYREJECTED);
	if (rc == 0)
		*out = peer;
	lat_wipe(&peer, sizeof(peer));
	lat_wipe(psk, sizeof(psk));
	return rc;
}

int lat_seed_parse(uint8_t seed[LAT_KEM_SEED], uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES],
		   const char *file, const char *text, size_t bytes)
{
	char secret[SECRET_TEXT + 1] = "", hex[FINGERPRINT_TEXT + 1] = "";
	struct field fields[] = {
		{ .name = "seed", .value = secret, .room = sizeof(secret), .must = true },
		{ .name = "fingerprint", .value = hex, .room = sizeof(hex), .must = true },
	};
	uint8_t said[LATTICE_FINGERPRINT_BYTES];
	int rc = collect(file, text, bytes, "identity", fields, ARRAY_LEN(fields));

	if (rc == 0)
		rc = read_fingerprint(said, file, &fields[1]);
	if (rc == 0 && lat_base64_decode(seed, LAT_KEM_SEED, secret, strlen(secret)) < 0)
		rc = wrong_value(file, &fields[0], "is not 32 bytes in base64");
	if (rc == 0)
		memcpy(fingerprint, said, sizeof(said));
	lat_wipe(secret, sizeof(secret));
	return rc;
}

/* Leaves the white space around it out. */
static size_t trim(const char **text, size_t bytes)
{
	while (bytes > 0 && isspace((unsigned char)**text)) {
		(*text)++;
		bytes--;
	}
	while (bytes > 0 && isspace((unsigned char)(*text)[bytes - 1]))
		bytes--;
	return bytes;
}

int lat_secret_parse(uint8_t out[32], const char *file, const char *text, size_t bytes)
{
	bytes = trim(&text, bytes);
	if (lat_base64_decode(out, 32, text, bytes) < 0)
		return lat_why(NULL, -EBADMSG, "%s, line 1: it is not 32 bytes in base64", file);
	return 0;
}

int lat_node_parse(lattice_node_id *out, const char *file, const char *text, size_t bytes)
{
	bytes = trim(&text, bytes);
	if (!node_of(out, text, bytes))
		return lat_why(NULL, -EBADMSG, "%s, line 1: it is not a node's number, 1 to 4294967294",
			       file);
	return 0;
}
