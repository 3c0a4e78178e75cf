/*
 * A picture of the node's graph: each member is asked for its part of it, and who asked gets all parts together. One picture at a time, for
 * all who have asked before it was begun; one that does not tell its part in time is named.
 *
 * A member can lie about itself only: what it says of channels and waits of others' pids is left out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/host_impl.h"
#include "os/clock.h"
#include "os/memfd.h"

static void answer(struct lat_host *h, const struct lat_graph_asker *who, int rc, int fd, uint64_t bytes)
{
	struct lat_note out = { .kind = LAT_NOTE_GRAPHED, .token = who->token, .rc = rc };
	struct member *m = lat_host_member(h, who->member);

	if (m == NULL)
		return;
	out.number = rc == 0 ? bytes : 0;
	rc = lat_post_send(&m->post, &out, &fd, out.rc == 0 && fd >= 0 ? 1 : 0);
	if (rc < 0 && rc != -EPIPE)
		lat_host_drop(h, m, rc);
}

/* To the node's own user and to root: who could look into the processes themselves. */
void lat_host_on_graph(struct lat_host *h, struct member *m, const struct lat_note *in)
{
	const struct lat_graph_asker who = { m->cred.member, in->token };
	struct lat_host_graph *g = &h->graph;

	if (m->cred.process.uid != geteuid() && m->cred.process.uid != 0) {
		lat_host_refused(h, m, LAT_AUDIT_GRAPH, NULL, -EACCES);
		answer(h, &who, -EACCES, -1, 0);
	} else if (g->wait_count == LAT_HOST_ASKERS_MAX) {
		answer(h, &who, -ENOBUFS, -1, 0);
	} else {
		g->waits[g->wait_count++] = who;
	}
}

void lat_host_graph_without(struct lat_host *h, struct member *m, bool failed)
{
	if (m->show == LAT_SHOW_ASKED)
		h->graph.to_show--;
	m->show = failed && m->show != LAT_SHOW_NOT ? LAT_SHOW_FAILED : LAT_SHOW_NOT;
}

struct part {
	struct lat_host *h;
	const struct member *m;
};

/* Whether @m may speak of @pid as its own. */
static bool may_say(const struct part *p, int32_t pid)
{
	uint64_t holder = lat_claims_holder(p->h->claims, pid);

	return holder == 0 || holder == p->m->cred.member;
}

static int take_row(void *ctx, const struct lat_graph_row *row)
{
	struct lat_graph_row own = *row;
	const struct part *p = ctx;

	if (!lat_graph_row_is_members(row))
		return -EPROTO;
	if (row->kind == LAT_GRAPH_CHANNEL && row->node[0] != 0 && p->m->cred.member != p->h->uplink)
		return 0;
	if (row->kind != LAT_GRAPH_RING && row->node[0] == 0 && !may_say(p, row->pid[0]))
		return 0;
	own.process = (int32_t)p->m->cred.process.pid;
	return lat_graph_rows_add(&p->h->graph.rows, &own, LAT_GRAPH_ROWS_MAX);
}

void lat_host_on_shown(struct lat_host *h, struct member *m, const struct lat_note *in, const int *fds,
		       size_t count)
{
	struct part part = { h, m };
	int rc = in->rc;

	if (m->show != LAT_SHOW_ASKED || in->token != h->graph.token)
		return; /* it comes too late */
	if (rc == 0 && count == 1)
		rc = lat_graph_rows_unpack(fds[0], in->number, LAT_GRAPH_MEMBER_ROWS, take_row, &part);
	if (rc == -EPROTO || rc == -EPERM)
		lat_host_drop(h, m, -EPROTO);
	else
		lat_host_graph_without(h, m, rc < 0);
}

static void begin(struct lat_host *h, uint64_t now)
{
	struct lat_host_graph *g = &h->graph;
	struct member *next;

	memcpy(g->served, g->waits, sizeof(g->served));
	g->served_count = g->wait_count;
	g->wait_count = 0;
	if (++g->token == 0)
		g->token = 1;
	g->deadline_ns = lat_clock_deadline(now, LAT_HOST_SHOW_NS);
	g->to_show = 0;
	for (struct member *m = h->all; m != NULL; m = next) {
		next = m->next; /* who does not read is dropped */
		if (!m->greeted)
			continue;
		m->show = LAT_SHOW_ASKED;
		g->to_show++;
		(void)lat_host_say(h, m, &(struct lat_note){ .kind = LAT_NOTE_SHOW, .token = g->token });
	}
}

/* What the host knows itself: the members, and who receives. */
static int add_own(struct lat_host *h)
{
	struct lat_graph_rows *rows = &h->graph.rows;
	uint64_t holder;
	int rc = 0;

	for (struct member *m = h->all; m != NULL && rc == 0; m = m->next)
		if (m->greeted)
			rc = lat_graph_rows_add(rows,
						&(struct lat_graph_row){
							.kind = LAT_GRAPH_PROCESS,
							.process = (int32_t)m->cred.process.pid,
							.uid = (uint32_t)m->cred.process.uid,
							.gid = (uint32_t)m->cred.process.gid,
							.silent = m->show != LAT_SHOW_NOT },
						LAT_GRAPH_ROWS_MAX);
	for (int32_t pid = 0; rc == 0 && (pid = lat_claims_next(h->claims, pid, &holder)) != 0;) {
		const struct member *m = lat_host_member(h, holder);
		struct lat_graph_row row = { .kind = LAT_GRAPH_PID, .pid = { pid } };

		if (m == NULL)
			continue;
		row.process = (int32_t)m->cred.process.pid;
		(void)snprintf(row.name, sizeof(row.name), "%s", lat_claims_name(h->claims, pid));
		rc = lat_graph_rows_add(rows, &row, LAT_GRAPH_ROWS_MAX);
	}
	if (rc == 0 && rows->cut)
		rc = lat_graph_rows_add(rows, &(struct lat_graph_row){ .kind = LAT_GRAPH_CUT },
					LAT_GRAPH_ROWS_MAX + 1);
	return rc;
}

static void finish(struct lat_host *h, uint64_t now)
{
	struct lat_host_graph *g = &h->graph;
	uint64_t bytes = 0;
	int fd = -1, rc = add_own(h);

	for (struct member *m = h->all; m != NULL; m = m->next)
		m->show = LAT_SHOW_NOT;
	if (rc == 0)
		rc = lat_graph_rows_pack(&g->rows, &fd, &bytes);
	for (uint32_t i = 0; i < g->served_count; i++)
		answer(h, &g->served[i], rc, fd, bytes);
	lat_memfd_close(fd);
	lat_graph_rows_free(&g->rows);
	g->served_count = 0;
	g->deadline_ns = 0;
	g->next_ns = lat_clock_deadline(now, LAT_HOST_SHOW_PAUSE_NS);
}

void lat_host_graph_turn(struct lat_host *h)
{
	struct lat_host_graph *g = &h->graph;
	uint64_t now;

	if (g->wait_count == 0 && g->deadline_ns == 0)
		return;
	now = lat_clock_monotonic_ns();
	if (g->deadline_ns != 0 && (g->to_show == 0 || now >= g->deadline_ns))
		finish(h, now);
	if (g->deadline_ns == 0 && g->wait_count > 0 && now >= g->next_ns)
		begin(h, now);
}

uint64_t lat_host_graph_due(const struct lat_host *h)
{
	const struct lat_host_graph *g = &h->graph;

	return g->deadline_ns != 0 ? g->deadline_ns : g->wait_count > 0 ? g->next_ns : UINT64_MAX;
}
