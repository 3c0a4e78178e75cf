#include "node/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>

#include "base/util.h"
#include "node/audit.h"
#include "node/judge.h"
#include "node/network.h"
#include "node/node.h"

enum { LINE_ROOM = 4096, STATS_MAX = 256 };

struct answer {
	void (*say)(void *ctx, const char *line, size_t bytes);
	void *ctx;
	char line[LINE_ROOM];
	size_t length;
};

static void add(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct answer *a, const char *fmt, ...)
{
	size_t room = sizeof(a->line) - a->length;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->line + a->length, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		a->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* A string with its quotes: no byte of it ends the line, or is obeyed by a terminal. */
static void add_string(struct answer *a, const char *text)
{
	add(a, "\"");
	for (; *text != '\0' && a->length + 16 < sizeof(a->line); text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			add(a, "\\u%04x", c);
		else
			add(a, "%c", c);
	}
	add(a, "\"");
}

static void end(struct answer *a)
{
	add(a, "}\n");
	a->say(a->ctx, a->line, a->length);
	a->length = 0;
}

static void fail(struct answer *a, int rc, const char *why)
{
	add(a, "{\"ok\":false,\"error\":\"%s\",\"why\":", lattice_error_name(rc));
	add_string(a, why);
	end(a);
}

/* The counters of the node that its owner asks for first. */
static void add_counters(struct answer *a, struct lattice_node *node)
{
	static const struct {
		const char *counter, *name;
	} shown[] = {
		{ "host.members", "processes" },
		{ "host.pids", "pids" },
		{ "host.refused", "refused" },
		{ "recv.channels", "channels" },
		{ "audit.records", "audit_records" },
		{ "audit.suppressed", "audit_suppressed" },
		{ "audit.unwritten", "audit_unwritten" },
		{ "cap.live", "capabilities" },
		{ "cap.made", "capabilities_made" },
		{ "cap.ended", "capabilities_ended" },
	};
	struct lattice_stat stats[STATS_MAX];
	size_t count = lattice_node_stats(node, stats, STATS_MAX);

	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		for (size_t k = 0; k < count && k < STATS_MAX; k++)
			if (strcmp(stats[k].name, shown[i].counter) == 0)
				add(a, ",\"%s\":%" PRIu64, shown[i].name, stats[k].value);
}

static void add_peers(struct answer *a, struct lat_network *net)
{
	struct lat_network_peer peer;
	uint32_t known = 0, up = 0;

	for (lattice_node_id after = 0; lat_network_next_peer(net, after, &peer); after = peer.stats.node) {
		known++;
		up += peer.stats.up;
	}
	add(a, ",\"peers\":%" PRIu32 ",\"peers_up\":%" PRIu32, known, up);
}

static void status(struct answer *a, struct lattice_node *node)
{
	struct lat_policy_size size = { 0 };
	uint64_t loaded = 0;

	add(a, "{\"node\":%" PRIu32 ",\"port\":%u,\"process\":%d,\"policy\":", lattice_node_number(node),
	    (unsigned)lattice_node_port(node), (int)getpid());
	if (node->policy_file != NULL)
		add_string(a, node->policy_file);
	else
		add(a, "null");
	lat_judge_info(node->judge, &size, &loaded);
	if (node->policy_file != NULL)
		add(a, ",\"policy_read\":%" PRIu64 ",\"rules\":%zu,\"services\":%zu", loaded, size.rules,
		    size.services);
	add_counters(a, node);
	add_peers(a, node->network);
	end(a);
}

static void reload(struct answer *a, struct lattice_node *node)
{
	struct lat_node_cut cut = { 0 };
	char why[LINE_ROOM / 4];
	int rc = lat_node_reload(node, &cut);

	if (rc < 0) {
		(void)lattice_explain(node, rc, why, sizeof(why));
		fail(a, rc, why);
		return;
	}
	add(a, "{\"ok\":true,\"policy\":");
	if (node->policy_file != NULL)
		add_string(a, node->policy_file);
	else
		add(a, "null");
	add(a, ",\"processes\":%" PRIu32 ",\"pids\":%" PRIu32 ",\"grants\":%" PRIu32, cut.processes, cut.pids,
	    cut.grants);
	end(a);
}

static void audit(struct answer *a, struct lattice_node *node, uint64_t after, bool json)
{
	struct lat_audit_record r;
	char line[LAT_AUDIT_LINE];

	while (lat_audit_next(node->audit, after, &r)) {
		(void)(json ? lat_audit_json(&r, line) : lat_audit_text(&r, line));
		after = r.number;
		add(a, "%" PRIu64 " %s", r.number, line);
		a->say(a->ctx, a->line, a->length);
		a->length = 0;
	}
}

/* "audit N text", or json. */
static bool asks_audit(const char *request, uint64_t *after, bool *json)
{
	static const char word[] = "audit ";
	const char *number = request + sizeof(word) - 1;
	char *end;

	if (strncmp(request, word, sizeof(word) - 1) != 0 || *number < '0' || *number > '9')
		return false;
	errno = 0;
	*after = strtoull(number, &end, 10);
	*json = strcmp(end, " json") == 0;
	return errno == 0 && (*json || strcmp(end, " text") == 0);
}

void lat_control_answer(struct lattice_node *node, const char *request,
			void (*say)(void *ctx, const char *line, size_t bytes), void *ctx)
{
	struct answer a = { .say = say, .ctx = ctx };
	uint64_t after;
	bool json;

	if (strcmp(request, "status") == 0)
		status(&a, node);
	else if (strcmp(request, "reload") == 0)
		reload(&a, node);
	else if (asks_audit(request, &after, &json))
		audit(&a, node, after, json);
	else
		fail(&a, -EINVAL, "that is nothing to ask: status, reload, audit N text, audit N json");
}
