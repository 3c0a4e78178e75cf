/* What --json prints: strings that any bytes become. */
#ifndef LAT_CLI_JSON_H
#define LAT_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether @bytes of @data are text in UTF-8. */
bool cli_is_utf8(const void *data, size_t bytes);
/* A string, with its quotes. @data is UTF-8. */
void cli_json_bytes(FILE *to, const void *data, size_t bytes);
void cli_json_text(FILE *to, const char *text);
/* A path, which may be no text: bytes that are not UTF-8 become '?'. */
void cli_json_path(FILE *to, const char *path);
/* The same bytes in base64, with quotes. */
void cli_json_base64(FILE *to, const void *data, size_t bytes);

/*
 * The value of @name in an object of one line without nesting and without escapes, as stats.sock sends it: copied to @out
 * without quotes. false: not there, or too long.
 */
bool cli_json_field(const char *line, const char *name, char *out, size_t room);

#endif
