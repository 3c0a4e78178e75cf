/* Writing JSON, and reading the little of it that this library writes. */
#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

size_t cli_utf8_char(const void *data, size_t bytes, uint32_t *out)
{
	static const uint32_t leasts[] = { 0, 0x80, 0x800, 0x10000 };
	const uint8_t *p = data;
	uint32_t code = p[0];
	size_t more = code < 0x80 ? 0 : code >= 0xf0 ? 3 : code >= 0xe0 ? 2 : 1;

	if ((code >= 0x80 && code < 0xc0) || code > 0xf4 || more >= bytes)
		return 0;
	if (more > 0)
		code &= 0x3fU >> more;
	for (size_t k = 1; k <= more; k++) {
		if ((p[k] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[k] & 0x3fU);
	}
	if (code < leasts[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*out = code;
	return more + 1;
}

bool cli_is_utf8(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint32_t code;
	size_t length;

	for (size_t i = 0; i < bytes; i += length) {
		length = cli_utf8_char(p + i, bytes - i, &code);
		if (length == 0)
			return false;
	}
	return true;
}

bool cli_is_control(uint32_t code)
{
	return code < ' ' || (code >= 0x7f && code < 0xa0);
}

static void put_char(FILE *to, const unsigned char *bytes, size_t length, uint32_t code)
{
	if (code == '"' || code == '\\')
		fprintf(to, "\\%c", (char)code);
	else if (code == '\n')
		fputs("\\n", to);
	else if (cli_is_control(code)) /* JSON allows some of them, a terminal obeys them */
		fprintf(to, "\\u%04" PRIx32, code);
	else
		(void)fwrite(bytes, 1, length, to);
}

/* What is not UTF-8 becomes '?', a byte at a time. */
void cli_json_bytes(FILE *to, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	putc('"', to);
	while (bytes > 0) {
		uint32_t code = '?';
		size_t length = cli_utf8_char(p, bytes, &code);

		put_char(to, length > 0 ? p : (const unsigned char *)"?", length > 0 ? length : 1, code);
		length += length == 0;
		p += length;
		bytes -= length;
	}
	putc('"', to);
}

void cli_json_text(FILE *to, const char *text)
{
	cli_json_bytes(to, text, strlen(text));
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
