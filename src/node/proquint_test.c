/* Proquints: the table of arXiv:0901.4016, the edges, and every word read back. */
#include "node/proquint.h"

#include <string.h>

#include <lattice/state.h>

#include "base/test.h"

/* The addresses that the proposal spells. */
static const struct {
	const char *why;
	uint8_t data[4];
	const char *want;
} rows[] = {
	{ "127.0.0.1", { 127, 0, 0, 1 }, "lusab-babad" },
	{ "63.84.220.193", { 63, 84, 220, 193 }, "gutih-tugad" },
	{ "63.118.7.35", { 63, 118, 7, 35 }, "gutuk-bisog" },
	{ "140.98.193.141", { 140, 98, 193, 141 }, "mudof-sakat" },
	{ "64.255.6.200", { 64, 255, 6, 200 }, "haguz-biram" },
	{ "128.30.52.45", { 128, 30, 52, 45 }, "mabiv-gibot" },
	{ "147.67.119.2", { 147, 67, 119, 2 }, "natag-lisaf" },
	{ "212.58.253.68", { 212, 58, 253, 68 }, "tibup-zujah" },
	{ "216.35.68.215", { 216, 35, 68, 215 }, "tobog-higil" },
	{ "216.68.232.21", { 216, 68, 232, 21 }, "todah-vobij" },
	{ "198.81.129.136", { 198, 81, 129, 136 }, "sinid-makam" },
	{ "12.110.110.204", { 12, 110, 110, 204 }, "budov-kuras" },
	{ "all zero", { 0, 0, 0, 0 }, "babab-babab" },
	{ "all one", { 255, 255, 255, 255 }, "zuzuz-zuzuz" },
};

TEST(words_of_the_proposal)
{
	char text[LAT_PROQUINT_ROOM(4)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		lat_proquint_encode(text, rows[i].data, sizeof(rows[i].data));
		CHECK_EQ_ROW(rows[i].why, strcmp(text, rows[i].want), 0);
	}
}

/* What a listener writes down is the number again: no two numbers share a word. */
static int word_value(const char *word)
{
	static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aiou";
	int value = 0;

	for (int i = 0; i < LAT_PROQUINT; i++) {
		const char *set = i % 2 == 0 ? consonants : vowels, *at = strchr(set, word[i]);

		if (at == NULL || *at == '\0')
			return -1;
		value = value << (i % 2 == 0 ? 4 : 2) | (int)(at - set);
	}
	return value;
}

TEST(every_word_is_one_number)
{
	char text[LAT_PROQUINT_ROOM(2)];
	int wrong = 0;

	for (unsigned n = 0; n < 65536; n++) {
		const uint8_t data[2] = { (uint8_t)(n >> 8), (uint8_t)n };

		lat_proquint_encode(text, data, sizeof(data));
		wrong += strlen(text) != LAT_PROQUINT || word_value(text) != (int)n;
	}
	CHECK_EQ(wrong, 0);
}

TEST(a_fingerprint_is_eight_words)
{
	uint8_t fingerprint[LATTICE_FINGERPRINT_BYTES] = { 127, 0, 0, 1, 63, 84, 220, 193 };
	static const char want[] = "lusab-babad-gutih-tugad-babab-babab-babab-babab";
	char text[LATTICE_WORDS_MAX], small[12];

	CHECK_EQ(lattice_fingerprint_words(fingerprint, text, sizeof(text)), (int)strlen(want));
	CHECK_EQ(strcmp(text, want), 0);
	CHECK_EQ(lattice_fingerprint_words(fingerprint, small, sizeof(small)), (int)strlen(want));
	CHECK_EQ(strcmp(small, "lusab-babad"), 0);
	CHECK_EQ(lattice_fingerprint_words(fingerprint, NULL, 0), (int)strlen(want));
	fingerprint[16] = 1; /* beyond what is spoken */
	(void)lattice_fingerprint_words(fingerprint, text, sizeof(text));
	CHECK_EQ(strcmp(text, want), 0);
	fingerprint[15] = 1;
	(void)lattice_fingerprint_words(fingerprint, text, sizeof(text));
	CHECK(strcmp(text, want) != 0);
}

TEST_MAIN
