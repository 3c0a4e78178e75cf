/*
 * What a holder has: the descriptor, the caveats, and the key that proves both (PROTOCOL 6.1). Whoever has it can narrow it without
 * asking anybody, and pass that on; it is a secret, to be wiped after use.
 *
 * As a line of text, to be passed on by people: "lattice-cap:" and base64 of
 *    0     1           2      66      98                       and at the end
 *   +-----+-----------+------+-------+-------------+ ... +-----------+
 *   | ver | caveats n | desc | key   | n caveats of 24   | check[4]  |
 *   +-----+-----------+------+-------+-------------+ ... +-----------+
 * check is the beginning of the hash of what comes before it: it finds what was cut or mistyped, and proves nothing. Lines that
 * are empty or begin with '#' are for people.
 *
 * Pure functions; any number of threads.
 */
#ifndef LAT_CAP_RIGHT_H
#define LAT_CAP_RIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/chain.h"

struct lat_cap_right {
	uint8_t desc[LAT_CAP_DESC];
	uint8_t caveats[LAT_CAP_CAVEATS_MAX][LAT_CAP_CAVEAT];
	uint8_t caveat_count;
	uint8_t key[LAT_CAP_KEY]; /* k_n */
};

enum {
	LAT_CAP_BYTES_MAX = 2 + LAT_CAP_DESC + LAT_CAP_KEY + LAT_CAP_CAVEATS_MAX * LAT_CAP_CAVEAT + 4,
	LAT_CAP_TEXT_MAX = 12 + (LAT_CAP_BYTES_MAX + 2) / 3 * 4 + 1, /* its final zero included */
	LAT_CAP_FILE_MAX = 4096,
};

/* The issuer's, with no caveat. */
void lat_cap_right_issue(struct lat_cap_right *out, const uint8_t root[LAT_CAP_KEY],
			 const struct lat_cap_desc *desc);
/*
 * Adds a caveat. 0, or with *r untouched -ENOBUFS (it has LAT_CAP_CAVEATS_MAX), -EACCES (a caveat of no known kind, or one that
 * contradicts what is there: nobody could use it).
 */
LAT_MUST_CHECK int lat_cap_right_narrow(struct lat_cap_right *r, const struct lat_caveat *c);
/* What it allows, all caveats applied. 0, -EPROTO (a descriptor of another version), -EACCES (a caveat that is none). */
LAT_MUST_CHECK int lat_cap_right_allows(const struct lat_cap_right *r, struct lat_cap_desc *out);

/* Caveats by their kinds. @value as it is written: 20 bytes at most. */
struct lat_caveat lat_caveat_number(enum lat_caveat_type type, uint64_t value); /* of the size of that kind */
struct lat_caveat lat_caveat_holder(const uint8_t holder[LAT_CAP_HOLDER]);
struct lat_caveat lat_caveat_slot(uint32_t slot, uint32_t gen);

/* The holder that a user of the issuer's machine is: "lattice uid", a zero, its number. No fingerprint begins so, but by chance. */
void lat_cap_holder_uid(uint8_t holder[LAT_CAP_HOLDER], uint32_t uid);
/* Whether it is one, and whose. */
bool lat_cap_holder_is_uid(const uint8_t holder[LAT_CAP_HOLDER], uint32_t *uid);

/* "send", "grant-reply"; NULL: not one right. And back; 0: none has that name. */
const char *lat_right_name(uint32_t right);
uint32_t lat_right_of(const char *name);

/* One line without its end, and a zero. Returns its length. */
size_t lat_cap_right_format(const struct lat_cap_right *r, char out[static LAT_CAP_TEXT_MAX]);
/*
 * The one capability in @text, @bytes long. 0, or with *out untouched
 *   -ENOENT   there is none in it
 *   -EEXIST   there are two
 *   -EBADMSG  cut, mistyped, or with something behind it
 *   -EPROTO   of a version that is not known here
 *   -EACCES   with a caveat that is none
 */
LAT_MUST_CHECK int lat_cap_right_parse(struct lat_cap_right *out, const char *text, size_t bytes);

#endif
