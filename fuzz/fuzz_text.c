/*
 * Short texts that people and files say: input = what u8 || bytes. Base64, spoken words, host:port, addresses, names.
 *
 * (1) Nothing outside the input is read. What is refused leaves the output alone.
 * (2) Base64: bytes become text and the same bytes again. A text that is taken is the only one of its bytes.
 * (3) Words: taken apart by the letter they are the bytes that they were made of.
 * (4) host:port: the parts, put together, are the text, but for zeros in front of the port. No part is empty.
 * (5) An address as text is that address, read by inet_pton(3); it fits, whole, what it is said to fit, and is cut elsewhere.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/base64.h"
#include "net/resolve.h"
#include "net/sock.h"
#include "node/keyfile.h"
#include "node/proquint.h"
#include "wire/path.h"

enum { WORDS_BYTES_MAX = 64, TEXT_MAX = 400 };

static void check_base64_text(const char *text, size_t length)
{
	size_t bytes = length / 4 * 3;
	uint8_t *out = malloc(bytes + 1);
	char *again = malloc(LAT_BASE64_LEN(bytes) + 1);

	FUZZ_REQUIRE(out != NULL && again != NULL);
	for (size_t pad = 0; pad <= 2 && pad <= bytes; pad++) {
		memset(out, 0x5a, bytes + 1);
		if (lat_base64_decode(out, bytes - pad, text, length) < 0) {
			FUZZ_REQUIRE(fuzz_all(out, 0x5a, bytes + 1));
			continue;
		}
		lat_base64_encode(again, out, bytes - pad);
		FUZZ_REQUIRE(strlen(again) == length && memcmp(again, text, length) == 0);
		FUZZ_REQUIRE(fuzz_all(out + bytes - pad, 0x5a, pad + 1));
	}
	free(out);
	free(again);
}

static void check_base64_bytes(const uint8_t *data, size_t bytes)
{
	char *text;
	uint8_t *again;

	if (bytes > LAT_BASE64_BYTES_MAX)
		bytes = LAT_BASE64_BYTES_MAX;
	text = malloc(LAT_BASE64_LEN(bytes) + 1);
	again = malloc(bytes + 1);
	FUZZ_REQUIRE(text != NULL && again != NULL);
	lat_base64_encode(text, data, bytes);
	FUZZ_REQUIRE(strlen(text) == LAT_BASE64_LEN(bytes));
	FUZZ_REQUIRE(lat_base64_decode(again, bytes, text, strlen(text)) == 0);
	FUZZ_REQUIRE(bytes == 0 || memcmp(again, data, bytes) == 0);
	free(text);
	free(again);
}

static unsigned letter(const char *among, char c)
{
	const char *at = c != '\0' ? strchr(among, c) : NULL;

	FUZZ_REQUIRE(at != NULL);
	return (unsigned)(at - among);
}

static void check_words(const uint8_t *data, size_t bytes)
{
	static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aiou";
	char words[LAT_PROQUINT_ROOM(WORDS_BYTES_MAX)];

	bytes = (bytes < WORDS_BYTES_MAX ? bytes : WORDS_BYTES_MAX) / 2 * 2;
	if (bytes == 0)
		return;
	lat_proquint_encode(words, data, bytes);
	FUZZ_REQUIRE(strlen(words) + 1 == LAT_PROQUINT_ROOM(bytes));
	for (size_t i = 0; i < bytes; i += 2) {
		const char *w = words + i / 2 * (LAT_PROQUINT + 1);
		unsigned is = letter(consonants, w[0]) << 12 | letter(vowels, w[1]) << 10 |
			      letter(consonants, w[2]) << 6 | letter(vowels, w[3]) << 4 |
			      letter(consonants, w[4]);

		FUZZ_REQUIRE(is == ((unsigned)data[i] << 8 | data[i + 1]));
		FUZZ_REQUIRE(w[LAT_PROQUINT] == (i + 2 < bytes ? '-' : '\0'));
	}
}

/* A literal address only: for a name somebody else would be asked. */
static void check_resolve(const char *host, uint16_t port)
{
	uint8_t addr[16];
	int family = inet_pton(AF_INET, host, addr) == 1 ? 4 : inet_pton(AF_INET6, host, addr) == 1 ? 6 : 0;
	struct lat_path path;

	if (family == 0)
		return;
	FUZZ_REQUIRE(lat_sock_literal(&path, host, port, LAT_PROTO_UDP) == 0 && path.port == port);
	FUZZ_REQUIRE(lat_resolve(host, port, LAT_PROTO_UDP, &path, 1) == 1);
	FUZZ_REQUIRE(path.proto == LAT_PROTO_UDP && path.port == port && path.node == 0);
	lat_path_unmap(&path);
	FUZZ_REQUIRE(path.family == family || (family == 6 && path.family == 4));
	FUZZ_REQUIRE(path.family != family || memcmp(path.addr, addr, family == 4 ? 4 : 16) == 0);
}

static void check_endpoint(const char *text)
{
	char host[LAT_HOST_TEXT], again[LAT_HOST_TEXT + 16];
	const char *colon = strrchr(text, ':');
	uint16_t port = 0x5a5a;

	memset(host, 0x5a, sizeof(host));
	if (lat_endpoint_parse(text, host, &port) < 0) {
		FUZZ_REQUIRE(fuzz_all(host, 0x5a, sizeof(host)) && port == 0x5a5a);
		FUZZ_REQUIRE(!lat_peer_endpoint_valid(text) || text[0] == '\0');
		return;
	}
	FUZZ_REQUIRE(host[0] != '\0' && strlen(host) < sizeof(host) && port != 0 && colon != NULL);
	FUZZ_REQUIRE(strtoul(colon + 1, NULL, 10) == port);
	(void)snprintf(again, sizeof(again), text[0] == '[' ? "[%s]:" : "%s:", host);
	FUZZ_REQUIRE(strncmp(again, text, (size_t)(colon + 1 - text)) == 0 &&
		     strlen(again) == (size_t)(colon + 1 - text));
	check_resolve(host, port);
}

static void check_name(const char *text)
{
	if (lat_peer_name_valid(text)) {
		FUZZ_REQUIRE(strlen(text) <= LATTICE_NAME_MAX && strpbrk(text, " \t\r\n=:;#[]\"/") == NULL);
		FUZZ_REQUIRE(text[0] == '\0' || strtoul(text, NULL, 10) == 0 ||
			     text[strspn(text, "0123456789")] != '\0');
	}
}

static void check_path(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	struct lat_path p = { .proto = (uint8_t)(fuzz_take(&in, 1) % 3) }, back;
	char text[LAT_PATH_TEXT], brief[LAT_PATH_TEXT], addr[LAT_PATH_TEXT] = "";
	struct sockaddr_storage storage;
	uint8_t is[16];
	size_t cut;

	p.family = (uint8_t)(fuzz_take(&in, 1) % 3 * 2);
	p.family = p.family == 2 ? 4 : p.family == 4 ? 6 : 0;
	p.port = (uint16_t)fuzz_take(&in, 2);
	p.scope = p.family == 6 ? (uint32_t)fuzz_take(&in, 4) : 0;
	p.conn = (uint32_t)fuzz_take(&in, 1);
	p.node = (uint32_t)fuzz_take(&in, 4);
	(void)fuzz_take_bytes(&in, p.addr, p.family == 4 ? 4 : p.family == 6 ? 16 : 0);
	cut = fuzz_take(&in, 1) % sizeof(text) + 1;
	FUZZ_REQUIRE(strlen(lat_path_format(&p, text, sizeof(text))) < sizeof(text) - 1);
	memset(brief, 0x5a, sizeof(brief));
	FUZZ_REQUIRE(strncmp(lat_path_format(&p, brief, cut), text, cut - 1) == 0);
	FUZZ_REQUIRE(strlen(brief) < cut && fuzz_all(brief + cut, 0x5a, sizeof(brief) - cut));
	FUZZ_REQUIRE(lat_path_equal(&p, &p) && lat_path_same_source(&p, &p) == (p.family != 0));
	if (p.proto == 0 || p.family == 0)
		return;
	if (p.family == 4)
		FUZZ_REQUIRE(sscanf(text, "%*s %[^:]", addr) == 1 && inet_pton(AF_INET, addr, is) == 1);
	else
		FUZZ_REQUIRE(sscanf(text, "%*s [%[^]%]", addr) == 1 && inet_pton(AF_INET6, addr, is) == 1);
	FUZZ_REQUIRE(memcmp(is, p.addr, p.family == 4 ? 4 : 16) == 0);
	/* To the system and back. */
	if (p.proto == LAT_PROTO_UDP && lat_sock_addr_encode(&storage, &p) > 0) {
		FUZZ_REQUIRE(lat_sock_addr_decode(&back, p.proto, &storage) == 0);
		lat_path_unmap(&back);
		lat_path_unmap(&p);
		back.scope = p.scope; /* which is kept where it says something */
		FUZZ_REQUIRE(lat_path_equal(&p, &back));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX];
	size_t length;

	FUZZ_REQUIRE(lat_crypto_init() == 0);
	if (size < 1)
		return 0;
	length = size - 1 < sizeof(text) ? size - 1 : sizeof(text) - 1;
	memcpy(text, data + 1, length);
	text[length] = '\0';
	switch (data[0] % 6) {
	case 0:
		check_base64_text((const char *)data + 1, size - 1);
		break;
	case 1:
		check_base64_bytes(data + 1, size - 1);
		break;
	case 2:
		check_words(data + 1, size - 1);
		break;
	case 3:
		check_endpoint(text);
		break;
	case 4:
		check_name(text);
		break;
	default:
		check_path(data + 1, size - 1);
		break;
	}
	return 0;
}
