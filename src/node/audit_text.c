/* A record as a line of text, and as a JSON object in a line. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <lattice/error.h>

#include "node/audit.h"

struct line {
	char *out;
	size_t length; /* never more than LAT_AUDIT_LINE - 2: the newline's place, and the zero's */
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *l, const char *fmt, ...)
{
	size_t room = LAT_AUDIT_LINE - 1 - l->length;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->out + l->length, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* What somebody else chose. */
static void add_name(struct line *l, const char *name, const char *escape)
{
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '\'')
			add(l, "%s%02x", escape, c);
		else
			add(l, "%c", c);
	}
}

static size_t end(struct line *l)
{
	l->out[l->length++] = '\n';
	l->out[l->length] = '\0';
	return l->length;
}

static void add_time(struct line *l, uint64_t wall_s)
{
	time_t at = (time_t)wall_s;
	struct tm tm;
	char text[32];

	if (gmtime_r(&at, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
	add(l, "%s", text);
}

static void add_id(struct line *l, const struct lat_audit_who *who)
{
	for (size_t i = 0; i < sizeof(who->id); i++)
		add(l, "%02x", who->id[i]);
}

const char *lat_audit_act_name(enum lat_audit_act act)
{
	static const char *const names[LAT_AUDIT_ACTS] = {
		[LAT_AUDIT_ATTACH] = "attach", [LAT_AUDIT_LISTEN] = "listen",
		[LAT_AUDIT_OPEN] = "open",     [LAT_AUDIT_RESOLVE] = "resolve",
		[LAT_AUDIT_REACH] = "reach",   [LAT_AUDIT_ISSUE] = "issue",
		[LAT_AUDIT_GRAPH] = "graph",   [LAT_AUDIT_SEND] = "send",
		[LAT_AUDIT_STAY] = "stay",     [LAT_AUDIT_SUPPRESSED] = "suppressed"
	};

	return names[act];
}

static void add_who(struct line *l, const struct lat_audit_who *who)
{
	if (!who->is_peer) {
		add(l, "uid %" PRIu32 " gid %" PRIu32 " process %" PRId32, who->uid, who->gid, who->process);
		return;
	}
	add(l, "peer %" PRIu32, who->node);
	if (who->name[0] != '\0') {
		add(l, " (");
		add_name(l, who->name, "\\x");
		add(l, ")");
	}
	if (who->has_id) {
		add(l, " fingerprint ");
		add_id(l, who);
		add(l, "...");
	}
}

size_t lat_audit_text(const struct lat_audit_record *r, char out[static LAT_AUDIT_LINE])
{
	struct line l = { .out = out };

	add_time(&l, r->wall_s);
	if (r->act == LAT_AUDIT_SUPPRESSED) {
		add(&l, " ... %" PRIu64 " more suppressed: ", r->suppressed);
		add_who(&l, &r->who);
		return end(&l);
	}
	add(&l, " refused %s: ", lat_audit_act_name(r->act));
	add_who(&l, &r->who);
	if (r->src != 0)
		add(&l, ", from pid %" PRId32, r->src);
	if (r->dst != 0)
		add(&l, "%s pid %" PRId32,
		    r->act == LAT_AUDIT_LISTEN ? ", as"
		    : r->src != 0              ? " to"
					       : ", to",
		    r->dst);
	if (r->service[0] != '\0') {
		add(&l, ", service ");
		add_name(&l, r->service, "\\x");
	}
	if (r->node != 0)
		add(&l, ", on node %" PRIu32, r->node);
	if (r->cap.gen != 0)
		add(&l, ", by capability %" PRIu32 ".%" PRIu32, r->cap.slot, r->cap.gen);
	add(&l, ": %s: %s", lattice_error_name(r->rc), r->why);
	return end(&l);
}

size_t lat_audit_json(const struct lat_audit_record *r, char out[static LAT_AUDIT_LINE])
{
	struct line l = { .out = out };

	add(&l, "{\"time\":\"");
	add_time(&l, r->wall_s);
	add(&l, "\",\"record\":%" PRIu64 ",\"act\":\"%s\"", r->number, lat_audit_act_name(r->act));
	if (r->who.is_peer) {
		add(&l, ",\"peer\":%" PRIu32 ",\"name\":\"", r->who.node);
		add_name(&l, r->who.name, "\\u00");
		add(&l, "\"");
		if (r->who.has_id) {
			add(&l, ",\"fingerprint\":\"");
			add_id(&l, &r->who);
			add(&l, "\"");
		}
	} else {
		add(&l, ",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32 ",\"process\":%" PRId32, r->who.uid,
		    r->who.gid, r->who.process);
	}
	if (r->act == LAT_AUDIT_SUPPRESSED) {
		add(&l, ",\"suppressed\":%" PRIu64 "}", r->suppressed);
		return end(&l);
	}
	add(&l, ",\"from\":%" PRId32 ",\"to\":%" PRId32 ",\"node\":%" PRIu32 ",\"service\":\"", r->src,
	    r->dst, r->node);
	add_name(&l, r->service, "\\u00");
	add(&l, "\"");
	if (r->cap.gen != 0)
		add(&l, ",\"capability\":\"%" PRIu32 ".%" PRIu32 "\"", r->cap.slot, r->cap.gen);
	add(&l, ",\"error\":\"%s\",\"why\":\"%s\"}", lattice_error_name(r->rc), r->why);
	return end(&l);
}
