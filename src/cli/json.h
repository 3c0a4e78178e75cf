/* What --json prints: strings that any bytes become. */
#ifndef LAT_CLI_JSON_H
#define LAT_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The length of the character that @data begins with, 1 byte or more, and *out its number. 0: it is not UTF-8. */
size_t cli_utf8_char(const void *data, size_t bytes, uint32_t *out);
/* Whether @bytes of @data are text in UTF-8. */
bool cli_is_utf8(const void *data, size_t bytes);
/* A character that a terminal may obey instead of showing it. */
bool cli_is_control(uint32_t code);

/* A string, with its quotes and without control characters. Bytes that are not UTF-8 become '?'. */
void cli_json_bytes(FILE *to, const void *data, size_t bytes);
void cli_json_text(FILE *to, const char *text);
/* The same bytes in base64, with quotes. */
void cli_json_base64(FILE *to, const void *data, size_t bytes);

/*
 * The value of @name in an object of one line without nesting and without escapes, as stats.sock sends it: copied to @out
 * without quotes. false: not there, or too long.
 */
bool cli_json_field(const char *line, const char *name, char *out, size_t room);

#endif
