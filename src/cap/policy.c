/*
 * The grammar, line by line; '#' and ';' begin comments, and an indent means nothing.
 *
 *   [node]                       the whole node
 *   attach = WHO, ...            may attach, though no line names them: to use a capability
 *   reach = WHO, ...             may send to other nodes
 *   audit = PATH | stderr | none where refusals are written
 *   audit_format = text | json
 *   allow = WHO, ...: ITEM, ...  for every pid and service
 *
 *   [service NAME]
 *   pid = N                      where it always is; else wherever somebody registers it
 *   allow = WHO, ...: ITEM, ...
 *
 *   [peer NAME]                  by name or number
 *   reach = WHO, ...             may send to it
 *   allow = OBJECT, ...: ITEM, ...
 *
 *   WHO     user NAME | uid N | group NAME | gid N | anyone | peer NAME | peers
 *   OBJECT  the name of a [service] | pid N | any
 *   ITEM    send | call | bulk | grant | listen | rate N/s | size N[K|M] | badge N
 *
 * inih takes lines apart; sections are seen to here, because it cuts their names and says nothing of empty ones.
 */
#include "cap/policy.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/why.h"

enum {
	SHOWN = 60, /* of what is wrong, in sentences */
	LINE_ROOM = LAT_POLICY_LINE,
};

enum who_kind { WHO_USER, WHO_GROUP, WHO_ANYONE, WHO_PEER, WHO_PEERS };

struct who {
	enum who_kind kind;
	uint32_t id;
};

enum object_kind { OBJECT_ANY, OBJECT_PID, OBJECT_SERVICE };

struct object {
	enum object_kind kind;
	int32_t pid;
	uint32_t service; /* which, while parsing by name */
};

enum rule_kind { RULE_ALLOW, RULE_ATTACH, RULE_REACH };

struct rule {
	enum rule_kind kind;
	struct who who;
	struct object what;
	uint32_t node; /* RULE_REACH: 0 all */
	struct lat_policy_grant grant;
};

struct service {
	char name[LAT_POLICY_NAME_MAX + 1];
	int32_t pid;
	int line; /* of its section; 0: it was only spoken of, in line */
	int used;
};

struct lat_policy {
	struct rule *rules;
	size_t rule_count, rule_room;
	struct service *services;
	size_t service_count, service_room;
	struct lat_policy_audit audit;
};

enum section { SECTION_NONE, SECTION_NODE, SECTION_SERVICE, SECTION_PEER };

struct peer_section {
	uint32_t node;
	int line;
};

struct parser {
	struct lat_policy *policy;
	const struct lat_policy_lookup *lookup;
	const char *file, *text;
	size_t bytes, at;
	int line, rc;

	enum section section;
	size_t service; /* of SECTION_SERVICE */
	uint32_t node;  /* of SECTION_PEER */
	int node_line, pid_line, audit_line, format_line;
	struct peer_section *peers;
	size_t peer_count, peer_room;
};

/* The first mistake is the one that is told. */
#define wrong(p, ...) wrong_at(p, -EBADMSG, (p)->line, __VA_ARGS__)

static int wrong_at(struct parser *p, int rc, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int wrong_at(struct parser *p, int rc, int line, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	if (p->rc < 0)
		return p->rc;
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	p->rc = rc;
	return lat_why(NULL, rc, "%s, line %d: %s", p->file, line, what);
}

static int no_memory(struct parser *p)
{
	return wrong_at(p, -ENOMEM, p->line, "out of memory");
}

/* Room for one more in an array. */
static void *grow(void *array, size_t count, size_t *room, size_t bytes)
{
	size_t more = *room != 0 ? *room * 2 : 16;

	if (count < *room)
		return array;
	array = reallocarray(array, more, bytes);
	if (array != NULL)
		*room = more;
	return array;
}

/* ---- words ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the space around it. */
static char *trim(char *text)
{
	size_t n;

	while (is_space(*text))
		text++;
	n = strlen(text);
	while (n > 0 && is_space(text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* Cuts the first of the words between commas off *rest; NULL: there are no more. An empty one is one. */
static char *next_item(char **rest)
{
	char *item = *rest, *comma;

	if (item == NULL)
		return NULL;
	comma = strchr(item, ',');
	*rest = comma != NULL ? comma + 1 : NULL;
	if (comma != NULL)
		*comma = '\0';
	return trim(item);
}

/* What follows @word and a space in @text; NULL: that is not how it begins. */
static char *after(char *text, const char *word)
{
	size_t n = strlen(word);

	return strncmp(text, word, n) == 0 && is_space(text[n]) ? trim(text + n) : NULL;
}

/* A number and nothing else. */
static bool number(const char *text, size_t length, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (length == 0 || length > 10)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (n < min || n > max)
		return false;
	*out = n;
	return true;
}

static bool whole_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	return number(text, strlen(text), min, max, out);
}

/* ---- who ---- */

static int read_id(struct parser *p, const char *text, const char *kind, uint32_t *out)
{
	uint64_t n;

	if (!whole_number(text, 0, UINT32_MAX - 1, &n))
		return wrong(p, "'%s %.*s': a number from 0 to 4294967294 belongs there", kind, SHOWN, text);
	*out = (uint32_t)n;
	return 0;
}

static int find_peer(struct parser *p, const char *name, uint32_t *node)
{
	uint64_t n;

	if (whole_number(name, 1, UINT32_MAX - 1, &n)) {
		*node = (uint32_t)n;
		return 0;
	}
	if (p->lookup->peer(p->lookup->ctx, name, node) == 0)
		return 0;
	return wrong(
		p,
		"no peer is called '%.*s': 'lattice peers list' shows those that there are, 'lattice peers add' "
		"makes one known first",
		SHOWN, name);
}

static int read_who(struct parser *p, char *text, struct who *out)
{
	char *name;

	*out = (struct who){ .kind = WHO_USER };
	if (strcmp(text, "anyone") == 0) {
		out->kind = WHO_ANYONE;
		return 0;
	}
	if (strcmp(text, "peers") == 0) {
		out->kind = WHO_PEERS;
		return 0;
	}
	if ((name = after(text, "uid")) != NULL)
		return read_id(p, name, "uid", &out->id);
	if ((name = after(text, "user")) != NULL) {
		if (p->lookup->user(p->lookup->ctx, name, &out->id) < 0)
			return wrong(p, "there is no user '%.*s' on this machine: 'uid N' takes a number",
				     SHOWN, name);
		return 0;
	}
	out->kind = WHO_GROUP;
	if ((name = after(text, "gid")) != NULL)
		return read_id(p, name, "gid", &out->id);
	if ((name = after(text, "group")) != NULL) {
		if (p->lookup->group(p->lookup->ctx, name, &out->id) < 0)
			return wrong(p, "there is no group '%.*s' on this machine: 'gid N' takes a number",
				     SHOWN, name);
		return 0;
	}
	out->kind = WHO_PEER;
	if ((name = after(text, "peer")) != NULL)
		return find_peer(p, name, &out->id);
	return wrong(
		p,
		"'%.*s' is nobody: 'user NAME', 'uid N', 'group NAME', 'gid N', 'anyone', 'peer NAME' or 'peers', "
		"with commas between",
		SHOWN, text);
}

/* ---- of what ---- */

/* Its index, made known if need be; it may have its section later. */
static int find_service(struct parser *p, const char *name, size_t *out)
{
	struct lat_policy *pol = p->policy;
	struct service *all;

	for (size_t i = 0; i < pol->service_count; i++) {
		if (strcmp(pol->services[i].name, name) == 0) {
			*out = i;
			return 0;
		}
	}
	if (!lat_name_valid(name, LAT_POLICY_NAME_MAX))
		return wrong(
			p,
			"'%.*s' cannot be the name of a service: up to %d letters, digits, '-', '_' and '.', not "
			"only digits",
			SHOWN, name, LAT_POLICY_NAME_MAX);
	if (pol->service_count == LAT_POLICY_SERVICES_MAX)
		return wrong_at(p, -ENOBUFS, p->line, "more than %d services", LAT_POLICY_SERVICES_MAX);
	all = grow(pol->services, pol->service_count, &pol->service_room, sizeof(*all));
	if (all == NULL)
		return no_memory(p);
	pol->services = all;
	all[pol->service_count] = (struct service){ .used = p->line };
	memcpy(all[pol->service_count].name, name, strlen(name) + 1);
	*out = pol->service_count++;
	return 0;
}

static int read_object(struct parser *p, char *text, struct object *out)
{
	char *number_text = after(text, "pid");
	size_t service = 0;
	uint64_t n;
	int rc;

	*out = (struct object){ .kind = OBJECT_ANY };
	if (strcmp(text, "any") == 0)
		return 0;
	if (number_text != NULL) {
		if (!whole_number(number_text, 1, INT32_MAX, &n))
			return wrong(p, "'pid %.*s': a number from 1 to 2147483647 belongs there", SHOWN,
				     number_text);
		*out = (struct object){ .kind = OBJECT_PID, .pid = (int32_t)n };
		return 0;
	}
	if (*text == '\0')
		return wrong(p, "what is it allowed? 'SERVICE: send', 'pid N: send' or 'any: send'");
	rc = find_service(p, text, &service);
	*out = (struct object){ .kind = OBJECT_SERVICE, .service = (uint32_t)service };
	return rc;
}

/* ---- what is allowed ---- */

static const struct {
	const char *name;
	uint16_t rights;
} words[] = {
	{ "send", LAT_RIGHT_OPEN | LAT_RIGHT_SEND },
	{ "call", LAT_RIGHT_OPEN | LAT_RIGHT_SEND | LAT_RIGHT_CALL | LAT_RIGHT_GRANT_REPLY },
	{ "bulk", LAT_RIGHT_BULK },
	{ "grant", LAT_RIGHT_GRANT },
	{ "listen", LAT_RIGHT_LISTEN | LAT_RIGHT_RECEIVE },
};

static int read_size(struct parser *p, const char *text, uint32_t *out)
{
	size_t length = strlen(text);
	uint64_t n, unit = 1;

	if (length > 0 && (text[length - 1] == 'K' || text[length - 1] == 'M'))
		unit = text[--length] == 'K' ? 1024 : 1048576;
	if (!number(text, length, 1, UINT32_MAX / unit, &n))
		return wrong(p, "'size %.*s': bytes, as 4096, 64K or 1M", SHOWN, text);
	*out = (uint32_t)(n * unit);
	return 0;
}

/* Which of the limits a line has said already. */
struct said {
	bool rate, size, badge;
};

static int once(struct parser *p, bool *said, const char *what)
{
	if (*said)
		return wrong(p, "'%s' is said twice in one line", what);
	*said = true;
	return 0;
}

static int read_item(struct parser *p, char *text, struct lat_policy_grant *g, struct said *said)
{
	char *value;
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i].name) == 0) {
			g->rights |= words[i].rights;
			return 0;
		}
	}
	if ((value = after(text, "size")) != NULL)
		return once(p, &said->size, "size") < 0 ? p->rc : read_size(p, value, &g->max_msg);
	if ((value = after(text, "rate")) != NULL) {
		size_t length = strlen(value);

		if (once(p, &said->rate, "rate") < 0)
			return p->rc;
		if (length < 2 || strcmp(value + length - 2, "/s") != 0 ||
		    !number(value, length - 2, 1, UINT32_MAX, &n))
			return wrong(p, "'rate %.*s': messages a second, as 100/s", SHOWN, value);
		g->rate = (uint32_t)n;
		return 0;
	}
	if ((value = after(text, "badge")) != NULL) {
		if (once(p, &said->badge, "badge") < 0)
			return p->rc;
		if (!whole_number(value, 1, UINT32_MAX, &n))
			return wrong(p, "'badge %.*s': a number from 1 to 4294967295 belongs there", SHOWN,
				     value);
		g->badge = (uint32_t)n;
		return 0;
	}
	return wrong(
		p,
		"'%.*s' is no right: send, call, bulk, grant, listen, and rate N/s, size N, badge N, with commas "
		"between",
		SHOWN, text);
}

static int read_grant(struct parser *p, char *text, struct lat_policy_grant *g)
{
	struct said said = { 0 };
	char *item;

	*g = (struct lat_policy_grant){ 0 };
	while ((item = next_item(&text)) != NULL)
		if (read_item(p, item, g, &said) < 0)
			return p->rc;
	if ((g->rights & (LAT_RIGHT_SEND | LAT_RIGHT_LISTEN)) == 0)
		return wrong(p, "this line allows nothing by itself: add 'send', 'call' or 'listen'");
	if ((g->rights & LAT_RIGHT_SEND) == 0 && (said.size || said.rate || said.badge))
		return wrong(p, "'rate', 'size' and 'badge' are of those who send: add 'send' or 'call'");
	if (!said.size)
		g->max_msg = (g->rights & LAT_RIGHT_BULK) != 0 ? UINT32_MAX : LAT_POLICY_SMALL;
	else if (g->max_msg > LAT_POLICY_SMALL && (g->rights & LAT_RIGHT_BULK) == 0)
		return wrong(p, "messages over 64K want the right 'bulk', too");
	return 0;
}

/* ---- rules ---- */

static int add_rule(struct parser *p, const struct rule *r)
{
	struct lat_policy *pol = p->policy;
	struct rule *all;

	if (pol->rule_count == LAT_POLICY_RULES_MAX)
		return wrong_at(p, -ENOBUFS, p->line, "more than %d rules", LAT_POLICY_RULES_MAX);
	all = grow(pol->rules, pol->rule_count, &pol->rule_room, sizeof(*all));
	if (all == NULL)
		return no_memory(p);
	pol->rules = all;
	all[pol->rule_count++] = *r;
	return 0;
}

/* "WHO, ...": @r for each of them. */
static int for_each_who(struct parser *p, char *text, struct rule r)
{
	char *item;

	while ((item = next_item(&text)) != NULL) {
		if (read_who(p, item, &r.who) < 0)
			return p->rc;
		if (r.who.kind >= WHO_PEER && r.kind != RULE_ALLOW)
			return wrong(p, "'%.*s' is no process of this machine", SHOWN, item);
		if (r.who.kind >= WHO_PEER && (r.grant.rights & LAT_RIGHT_LISTEN) != 0)
			return wrong(p, "a peer cannot listen here: give 'listen' to a user or a group");
		if (add_rule(p, &r) < 0)
			return p->rc;
	}
	return 0;
}

static int for_each_object(struct parser *p, char *text, struct rule r)
{
	char *item;

	r.who = (struct who){ .kind = WHO_PEER, .id = p->node };
	if ((r.grant.rights & LAT_RIGHT_LISTEN) != 0)
		return wrong(p, "a peer cannot listen here: give 'listen' to a user or a group");
	while ((item = next_item(&text)) != NULL)
		if (read_object(p, item, &r.what) < 0 || add_rule(p, &r) < 0)
			return p->rc;
	return 0;
}

static int on_allow(struct parser *p, char *value)
{
	struct rule r = { .kind = RULE_ALLOW };
	char *colon = strchr(value, ':');

	if (colon == NULL)
		return wrong(p, p->section == SECTION_PEER ? "'allow = SERVICE: send' is the form of it"
							   : "'allow = user NAME: send' is the form of it");
	*colon = '\0';
	if (read_grant(p, colon + 1, &r.grant) < 0)
		return p->rc;
	if (p->section == SECTION_PEER)
		return for_each_object(p, value, r);
	if (p->section == SECTION_SERVICE)
		r.what = (struct object){ .kind = OBJECT_SERVICE, .service = (uint32_t)p->service };
	return for_each_who(p, value, r);
}

static int on_pid(struct parser *p, const char *value)
{
	struct lat_policy *pol = p->policy;
	uint64_t n;

	if (p->pid_line != 0)
		return wrong(p, "this service has its pid in line %d already", p->pid_line);
	if (!whole_number(value, 1, INT32_MAX, &n))
		return wrong(p, "'pid = %.*s': a number from 1 to 2147483647 belongs there", SHOWN, value);
	for (size_t i = 0; i < pol->service_count; i++)
		if (pol->services[i].pid == (int32_t)n)
			return wrong(p, "pid %d is that of [service %s]: one service has one pid", (int)n,
				     pol->services[i].name);
	pol->services[p->service].pid = (int32_t)n;
	p->pid_line = p->line;
	return 0;
}

static int on_attach(struct parser *p, char *value)
{
	return for_each_who(p, value, (struct rule){ .kind = RULE_ATTACH });
}

static int on_reach(struct parser *p, char *value)
{
	return for_each_who(p, value,
			    (struct rule){ .kind = RULE_REACH,
					   .node = p->section == SECTION_PEER ? p->node : 0 });
}

static int on_audit(struct parser *p, const char *value)
{
	struct lat_policy_audit *audit = &p->policy->audit;

	if (p->audit_line != 0)
		return wrong(p, "'audit' is said in line %d already", p->audit_line);
	if (value[0] != '/' && strcmp(value, "stderr") != 0 && strcmp(value, "none") != 0)
		return wrong(p,
			     "'audit = %.*s': a path that begins with '/', 'stderr' or 'none' belongs there",
			     SHOWN, value);
	(void)snprintf(audit->path, sizeof(audit->path), "%s", value);
	p->audit_line = p->line;
	return 0;
}

static int on_audit_format(struct parser *p, const char *value)
{
	if (p->format_line != 0)
		return wrong(p, "'audit_format' is said in line %d already", p->format_line);
	p->policy->audit.json = strcmp(value, "json") == 0;
	if (!p->policy->audit.json && strcmp(value, "text") != 0)
		return wrong(p, "'audit_format = %.*s': 'text' or 'json' belongs there", SHOWN, value);
	p->format_line = p->line;
	return 0;
}

static int take_value(void *ctx, const char *section, const char *name, const char *given)
{
	static const char *const takes[] = {
		[SECTION_NODE] = "[node] takes 'allow', 'attach', 'reach', 'audit' and 'audit_format'",
		[SECTION_SERVICE] = "a [service] takes 'pid' and 'allow'",
		[SECTION_PEER] = "a [peer] takes 'allow' and 'reach'"
	};
	struct parser *p = ctx;
	char value[LINE_ROOM];

	(void)section;
	if (p->rc < 0)
		return 0;
	(void)snprintf(value, sizeof(value), "%s", given);
	if (p->section == SECTION_NONE)
		(void)wrong(p, "this belongs below a '[node]', '[service NAME]' or '[peer NAME]'");
	else if (strcmp(name, "allow") == 0)
		(void)on_allow(p, value);
	else if (strcmp(name, "pid") == 0 && p->section == SECTION_SERVICE)
		(void)on_pid(p, value);
	else if (strcmp(name, "audit") == 0 && p->section == SECTION_NODE)
		(void)on_audit(p, value);
	else if (strcmp(name, "audit_format") == 0 && p->section == SECTION_NODE)
		(void)on_audit_format(p, value);
	else if (strcmp(name, "attach") == 0 && p->section == SECTION_NODE)
		(void)on_attach(p, value);
	else if (strcmp(name, "reach") == 0 && p->section != SECTION_SERVICE)
		(void)on_reach(p, value);
	else
		(void)wrong(p, "'%.*s' does not belong here: %s", SHOWN, name, takes[p->section]);
	return p->rc == 0;
}

/* ---- sections ---- */

static int begin_service(struct parser *p, const char *name)
{
	struct service *s;
	size_t at = 0;

	if (find_service(p, name, &at) < 0)
		return p->rc;
	s = &p->policy->services[at];
	if (s->line != 0)
		return wrong(p, "[service %s] begins in line %d already: one section for each", name,
			     s->line);
	s->line = p->line;
	p->section = SECTION_SERVICE;
	p->service = at;
	p->pid_line = 0;
	return 0;
}

static int begin_peer(struct parser *p, const char *name)
{
	struct peer_section *all;

	if (find_peer(p, name, &p->node) < 0)
		return p->rc;
	for (size_t i = 0; i < p->peer_count; i++)
		if (p->peers[i].node == p->node)
			return wrong(p,
				     "the [peer] of node %u begins in line %d already: one section for each",
				     p->node, p->peers[i].line);
	all = grow(p->peers, p->peer_count, &p->peer_room, sizeof(*all));
	if (all == NULL)
		return no_memory(p);
	p->peers = all;
	all[p->peer_count++] = (struct peer_section){ p->node, p->line };
	p->section = SECTION_PEER;
	return 0;
}

/* "[...]", without what is around it. */
static int begin_section(struct parser *p, char *text)
{
	size_t length = strlen(text);
	char *name;

	if (text[length - 1] != ']')
		return wrong(p, "'%.*s' has no ']' at its end", SHOWN, text);
	text[length - 1] = '\0';
	text = trim(text + 1);
	if (strcmp(text, "node") == 0) {
		if (p->node_line != 0)
			return wrong(p, "[node] begins in line %d already", p->node_line);
		p->node_line = p->line;
		p->section = SECTION_NODE;
		return 0;
	}
	if ((name = after(text, "service")) != NULL)
		return begin_service(p, name);
	if ((name = after(text, "peer")) != NULL)
		return begin_peer(p, name);
	return wrong(p, "there is no section [%.*s], but [node], [service NAME] and [peer NAME]", SHOWN,
		     text);
}

/* ---- lines ---- */

/* What begins with '#' or ';' after a space. */
static void cut_comment(char *line)
{
	for (char *at = line; *at != '\0'; at++) {
		if ((*at == '#' || *at == ';') && (at == line || is_space(at[-1]))) {
			*at = '\0';
			return;
		}
	}
}

/* A byte that would not be seen on a screen, or do something there. */
static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && !is_space(c)) || c == 0x7f;
}

/*
 * fgets(3) for inih: one line, whose indent, comment and section it does not get to see. It would take an indent for the line before
 * going on, and cut a line that is too long for it.
 */
static char *read_line(char *str, int room, void *ctx)
{
	static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a file with it */
	struct parser *p = ctx;
	const char *from, *end;
	size_t length, room_max = (size_t)room < LINE_ROOM ? (size_t)room : LINE_ROOM;
	char *line;

	if (p->at == 0 && p->bytes >= sizeof(mark) - 1 && memcmp(p->text, mark, sizeof(mark) - 1) == 0)
		p->at = sizeof(mark) - 1;
	if (p->at >= p->bytes || p->rc < 0)
		return NULL;
	from = p->text + p->at;
	end = memchr(from, '\n', p->bytes - p->at);
	length = end != NULL ? (size_t)(end - from) : p->bytes - p->at;
	p->at += length + (end != NULL);
	p->line++;
	for (size_t i = 0; i < length; i++) {
		if (is_control(from[i])) {
			(void)wrong(p, "the byte 0x%02x is no text", (unsigned char)from[i]);
			return NULL;
		}
	}
	if (length + 2 > room_max) {
		(void)wrong(p, "%zu letters, and a line has %zu at most: 'allow' may have several lines",
			    length, room_max - 2);
		return NULL;
	}
	for (size_t i = 0; i < length; i++)
		str[i] = is_space(from[i]) ? ' ' : from[i];
	str[length] = '\0';
	cut_comment(str);
	line = trim(str);
	length = strlen(line);
	if (*line == '[' && begin_section(p, line) < 0)
		return NULL;
	if (*line == '[')
		length = 0;
	memmove(str, line, length);
	str[length] = '\n';
	str[length + 1] = '\0';
	return str;
}

/* Every service that a peer is allowed has its section, which its rules go by. */
static int check_services(struct parser *p)
{
	const struct lat_policy *pol = p->policy;

	for (size_t i = 0; i < pol->service_count && p->rc == 0; i++)
		if (pol->services[i].line == 0)
			(void)wrong_at(p, -EBADMSG, pol->services[i].used,
				       "there is no [service %s] in this file: add one, if only the line",
				       pol->services[i].name);
	return p->rc;
}

int lat_policy_parse(struct lat_policy **out, const char *file, const char *text, size_t bytes,
		     const struct lat_policy_lookup *lookup)
{
	struct parser p = { .lookup = lookup, .file = file, .text = text, .bytes = bytes };
	int rc;

	*out = NULL;
	p.policy = calloc(1, sizeof(*p.policy));
	if (p.policy == NULL)
		return -ENOMEM;
	rc = ini_parse_stream(read_line, &p, take_value, &p);
	if (rc > 0)
		(void)wrong_at(&p, -EBADMSG, rc, "neither '[section]' nor 'name = value'");
	else if (rc < 0)
		(void)no_memory(&p);
	(void)check_services(&p);
	free(p.peers);
	if (p.rc < 0)
		lat_policy_free(p.policy);
	else
		*out = p.policy;
	return p.rc;
}

void lat_policy_free(struct lat_policy *p)
{
	if (p == NULL)
		return;
	free(p->rules);
	free(p->services);
	free(p);
}

/* ---- asking ---- */

static bool is_in_group(const struct lat_subject *who, uint32_t gid)
{
	if (who->gid == gid)
		return true;
	for (size_t i = 0; i < who->group_count; i++)
		if (who->groups[i] == gid)
			return true;
	return false;
}

static bool is_who(const struct who *w, const struct lat_subject *who)
{
	switch (w->kind) {
	case WHO_USER:
		return !who->is_peer && who->uid == w->id;
	case WHO_GROUP:
		return !who->is_peer && is_in_group(who, w->id);
	case WHO_ANYONE:
		return !who->is_peer;
	case WHO_PEER:
		return who->is_peer && who->node == w->id;
	default:
		return who->is_peer;
	}
}

/* The service that has this pid: by its section, or else by its name. NULL: none. */
static const struct service *owner(const struct lat_policy *p, int32_t pid)
{
	const struct service *named = NULL;

	for (size_t i = 0; i < p->service_count && pid != 0; i++) {
		const struct service *s = &p->services[i];

		if (s->pid == pid)
			return s;
		if (s->pid == 0 && named == NULL && lat_service_pid(s->name, 0) == pid)
			named = s;
	}
	return named;
}

/* A pid that a service has for itself is that service, whatever somebody registered there. */
static bool is_what(const struct lat_policy *p, const struct object *o, const struct lat_object *what)
{
	const struct service *s, *has;

	if (o->kind == OBJECT_ANY)
		return true;
	if (o->kind == OBJECT_PID)
		return what->pid == o->pid;
	s = &p->services[o->service];
	has = owner(p, what->pid);
	if (has != NULL && (has->pid != 0 || what->name == NULL))
		return has == s;
	return what->name != NULL && strcmp(what->name, s->name) == 0 && (s->pid == 0 || what->pid == 0);
}

struct lat_policy_grant lat_policy_judge(const struct lat_policy *p, const struct lat_subject *who,
					 const struct lat_object *what)
{
	struct lat_policy_grant sum = { 0 };
	bool unlimited = false;

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];

		if (r->kind != RULE_ALLOW || !is_who(&r->who, who) || !is_what(p, &r->what, what))
			continue;
		sum.rights |= r->grant.rights;
		if ((r->grant.rights & LAT_RIGHT_SEND) == 0)
			continue; /* the rest is about what is sent */
		if (sum.badge == 0)
			sum.badge = r->grant.badge;
		if (r->grant.max_msg > sum.max_msg)
			sum.max_msg = r->grant.max_msg;
		if (r->grant.rate > sum.rate)
			sum.rate = r->grant.rate;
		unlimited = unlimited || r->grant.rate == 0;
	}
	if (unlimited)
		sum.rate = 0;
	return sum;
}

bool lat_policy_within(const struct lat_policy_grant *a, const struct lat_policy_grant *b)
{
	return (a->rights & ~b->rights) == 0 && a->badge == b->badge && a->max_msg <= b->max_msg &&
	       (b->rate == 0 || (a->rate != 0 && a->rate <= b->rate));
}

bool lat_policy_may_attach(const struct lat_policy *p, const struct lat_subject *who)
{
	for (size_t i = 0; i < p->rule_count && !who->is_peer; i++)
		if (is_who(&p->rules[i].who, who))
			return true;
	return false;
}

bool lat_policy_may_reach(const struct lat_policy *p, const struct lat_subject *who, uint32_t node)
{
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];

		if (r->kind == RULE_REACH && (r->node == 0 || r->node == node) && is_who(&r->who, who))
			return true;
	}
	return false;
}

bool lat_policy_service(const struct lat_policy *p, const char *name, int32_t *pid)
{
	for (size_t i = 0; i < p->service_count; i++) {
		if (strcmp(p->services[i].name, name) == 0) {
			*pid = p->services[i].pid;
			return true;
		}
	}
	return false;
}

const char *lat_policy_service_of(const struct lat_policy *p, int32_t pid)
{
	const struct service *s = owner(p, pid);

	return s != NULL ? s->name : NULL;
}

const struct lat_policy_audit *lat_policy_audit(const struct lat_policy *p)
{
	return &p->audit;
}

struct lat_policy_size lat_policy_size(const struct lat_policy *p)
{
	return (struct lat_policy_size){ p->rule_count, p->service_count };
}
