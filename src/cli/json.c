/* Writing JSON, and reading the little of it that this library writes. */
#include "cli/json.h"

#include <stdint.h>
#include <string.h>

bool cli_is_utf8(const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < bytes;) {
		uint32_t code = p[i], least = 0;
		size_t more = code < 0x80 ? 0 : code >= 0xf0 ? 3 : code >= 0xe0 ? 2 : 1;

		if ((code >= 0x80 && code < 0xc0) || code > 0xf4 || more >= bytes - i)
			return false;
		if (more > 0) {
			static const uint32_t leasts[] = { 0, 0x80, 0x800, 0x10000 };

			least = leasts[more];
			code &= 0x3fU >> more;
		}
		for (size_t k = 1; k <= more; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i + k] & 0x3fU);
		}
		if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		i += more + 1;
	}
	return true;
}

static void put_char(FILE *to, unsigned char c)
{
	if (c == '"' || c == '\\')
		fprintf(to, "\\%c", c);
	else if (c == '\n')
		fputs("\\n", to);
	else if (c < ' ' || c == 0x7f)
		fprintf(to, "\\u%04x", c);
	else
		putc(c, to);
}

void cli_json_bytes(FILE *to, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	putc('"', to);
	for (size_t i = 0; i < bytes; i++)
		put_char(to, p[i]);
	putc('"', to);
}

void cli_json_text(FILE *to, const char *text)
{
	cli_json_bytes(to, text, strlen(text));
}

void cli_json_path(FILE *to, const char *path)
{
	bool text = cli_is_utf8(path, strlen(path));

	putc('"', to);
	for (; *path != '\0'; path++)
		put_char(to, text || (unsigned char)*path < 0x80 ? (unsigned char)*path : '?');
	putc('"', to);
}

void cli_json_base64(FILE *to, const void *data, size_t bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;

	putc('"', to);
	for (size_t i = 0; i < bytes; i += 3) {
		size_t have = bytes - i < 3 ? bytes - i : 3;
		uint32_t group = (uint32_t)p[i] << 16 | (have > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
				 (have > 2 ? p[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			putc(k <= have ? digits[group >> (18 - 6 * k) & 63] : '=', to);
	}
	putc('"', to);
}

bool cli_json_field(const char *line, const char *name, char *out, size_t room)
{
	size_t length = strlen(name), n;

	for (const char *at = line; (at = strchr(at, '"')) != NULL;) {
		bool found = strncmp(at + 1, name, length) == 0 && strncmp(at + 1 + length, "\":", 2) == 0;
		const char *value;

		at = strchr(at + 1, '"'); /* the name's end */
		if (at == NULL || at[1] != ':')
			return false;
		value = at + 2;
		n = *value == '"' ? strcspn(value + 1, "\"") : strcspn(value, ",}");
		value += *value == '"';
		if (found && n < room) {
			memcpy(out, value, n);
			out[n] = '\0';
			return true;
		}
		at = value + n;
		at += *at == '"';
	}
	return false;
}
