/*
 * A node's policy: input = its text.
 *
 * (1) Nothing outside the text is read. What is refused gives no policy, and a sentence that names a line of it and has no byte that a
 *     terminal would obey.
 * (2) An indent, a comment behind a line, and another end of the lines change nothing.
 * (3) Nobody is allowed anything but by a right to send or to listen; a long message wants the right for it; a peer never listens, nor
 *     attaches; who is allowed anything may attach.
 * (4) What is allowed is within itself, and nothing is within everything.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "base/why.h"
#include "cap/policy.h"

static int named(void *ctx, const char *name, uint32_t *id)
{
	(void)ctx;
	if (name[0] < 'a' || name[0] > 'd' || name[1] != '\0')
		return -ENOENT;
	*id = (uint32_t)(name[0] - 'a') + 1;
	return 0;
}

static const struct lat_policy_lookup lookup = { .user = named, .group = named, .peer = named };

static void check_sentence(int rc, const char *text, size_t bytes)
{
	const char *why = lat_why_last(NULL, rc);
	unsigned long line, lines = 1;

	if (rc == -ENOMEM)
		return;
	FUZZ_REQUIRE(rc == -EBADMSG || rc == -ENOBUFS);
	FUZZ_REQUIRE(why != NULL && strncmp(why, "f, line ", 8) == 0);
	line = strtoul(why + 8, NULL, 10);
	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	FUZZ_REQUIRE(line >= 1 && line <= lines);
	for (; *why != '\0'; why++)
		FUZZ_REQUIRE((unsigned char)*why >= 0x20 && *why != 0x7f);
}

static struct lat_policy *parse(const char *text, size_t bytes)
{
	struct lat_policy *p;
	int rc = lat_policy_parse(&p, "f", text, bytes, &lookup);

	FUZZ_REQUIRE((rc == 0) == (p != NULL));
	if (rc < 0)
		check_sentence(rc, text, bytes);
	return p;
}

/* The same lines, dressed otherwise. */
static struct lat_policy *parse_dressed(const char *text, size_t bytes)
{
	static const char mark[] = "\xef\xbb\xbf", tail[] = " # x\r";
	char *out = malloc(bytes * 8 + 16);
	struct lat_policy *p;
	size_t n = 0, from = 0;

	FUZZ_REQUIRE(out != NULL);
	if (bytes >= 3 && memcmp(text, mark, 3) == 0)
		from = 3;
	out[n++] = '\t';
	for (size_t i = from; i < bytes; i++) {
		if (text[i] == '\n') {
			memcpy(out + n, tail, sizeof(tail) - 1);
			n += sizeof(tail) - 1;
		}
		out[n++] = text[i];
		if (text[i] == '\n')
			out[n++] = ' ';
	}
	p = parse(out, n);
	free(out);
	return p;
}

static bool longest_line_fits(const char *text, size_t bytes)
{
	size_t length = 0;

	for (size_t i = 0; i < bytes; i++) {
		length = text[i] == '\n' ? 0 : length + 1;
		if (length > 180)
			return false;
	}
	return true;
}

static void check_grant(const struct lat_policy *p, const struct lat_subject *who,
			const struct lat_policy_grant *g)
{
	static const struct lat_policy_grant all = { .rights = UINT16_MAX, .max_msg = UINT32_MAX };
	struct lat_policy_grant alike = all;

	if (g->rights == 0)
		FUZZ_REQUIRE(g->badge == 0 && g->max_msg == 0 && g->rate == 0);
	else
		FUZZ_REQUIRE((g->rights & (LAT_RIGHT_SEND | LAT_RIGHT_LISTEN)) != 0);
	FUZZ_REQUIRE(((g->rights & LAT_RIGHT_SEND) != 0) == (g->max_msg != 0));
	FUZZ_REQUIRE(g->max_msg <= LAT_POLICY_SMALL || (g->rights & LAT_RIGHT_BULK) != 0);
	FUZZ_REQUIRE(!who->is_peer || (g->rights & LAT_RIGHT_LISTEN) == 0);
	FUZZ_REQUIRE(who->is_peer || g->rights == 0 || lat_policy_may_attach(p, who));
	FUZZ_REQUIRE(lat_policy_within(g, g));
	alike.badge = g->badge;
	FUZZ_REQUIRE(lat_policy_within(g, &alike));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t groups[] = { 2, 3 };
	static const char *const names[] = { NULL, "a", "store" };
	const char *text = (const char *)data;
	struct lat_policy *p = parse(text, size), *other = NULL;
	int32_t pid;

	if (p == NULL)
		return 0;
	if (longest_line_fits(text, size)) {
		other = parse_dressed(text, size);
		FUZZ_REQUIRE(other != NULL);
	}
	for (uint32_t i = 0; i < 12; i++) {
		const struct lat_subject who = { .is_peer = i % 2 == 1,
						 .node = i / 2,
						 .uid = i / 2,
						 .gid = i / 4,
						 .groups = groups,
						 .group_count = i % 3 };

		FUZZ_REQUIRE(!who.is_peer || !lat_policy_may_attach(p, &who));
		FUZZ_REQUIRE(!lat_policy_may_reach(p, &who, 1) ||
			     (!who.is_peer && lat_policy_may_attach(p, &who)));
		for (uint32_t k = 0; k < 9; k++) {
			const struct lat_object what = { .pid = (int32_t)(k / 3) * 7, .name = names[k % 3] };
			struct lat_policy_grant g = lat_policy_judge(p, &who, &what), same;

			check_grant(p, &who, &g);
			if (other == NULL)
				continue;
			same = lat_policy_judge(other, &who, &what);
			FUZZ_REQUIRE(lat_policy_within(&g, &same) && lat_policy_within(&same, &g));
		}
	}
	if (lat_policy_service(p, "store", &pid) && pid != 0)
		FUZZ_REQUIRE(strcmp(lat_policy_service_of(p, pid), "store") == 0);
	lat_policy_free(p);
	lat_policy_free(other);
	return 0;
}
