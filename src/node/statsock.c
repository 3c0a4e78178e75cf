/* One thread, one connection at a time, each for a bounded time. */
#include "node/statsock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/node.h>
#include <lattice/state.h>

#include "node/channel.h"
#include "node/control.h"
#include "node/network.h"
#include "node/node.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/poll.h"
#include "os/thread.h"
#include "os/unixsock.h"

enum { STATS_MAX = 256, LINE_MAX_BYTES = 1024 };

static const int64_t patience_ns = 2 * LAT_NS_PER_S; /* for a caller to take all of it */
static const int64_t pause_ns = LAT_NS_PER_S;        /* when the system has no more files */

struct lat_statsock {
	struct lattice_node *node;
	struct lat_unixsock sock, control;
	int stop; /* an eventfd */
	struct lat_thread thread;
};

struct caller {
	int fd, stop, rc;
	uint64_t deadline_ns;
};

/* After the first failure nothing more is sent. */
static void say(struct caller *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct caller *c, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	if (c->rc < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	LAT_ASSERT(n > 0 && (size_t)n < sizeof(line));
	c->rc = lat_unixsock_send(c->fd, line, (size_t)n, c->stop, c->deadline_ns);
}

static void say_peer(struct caller *c, const struct lat_network_peer *p)
{
	const struct lattice_peer_stats *s = &p->stats;

	say(c,
	    "{\"peer\":%u,\"name\":\"%s\",\"endpoint\":\"%s\",\"transport\":\"%s\",\"key\":%s,\"up\":%s,\"state\":\"%s\""
	    ",\"error\":\"%s\",\"address\":\"%s\",\"packet_max\":%" PRIu32 ",\"rtt_ns\":%" PRIu64
	    ",\"rtt_min_ns\":%" PRIu64 ",\"window_bytes\":%" PRIu64 ",\"flight_bytes\":%" PRIu64,
	    s->node, p->name, p->endpoint, s->proto == LATTICE_UDP ? "udp" : "tcp",
	    p->has_key ? "true" : "false", s->up ? "true" : "false", lattice_peer_state_name(s->state),
	    s->err < 0 ? lattice_error_name(s->err) : "", s->address, s->packet_max, s->rtt_ns, s->rtt_min_ns,
	    s->window_bytes, s->flight_bytes);
	say(c,
	    ",\"handshake_ns\":%" PRIu64 ",\"session_age_ns\":%" PRIu64 ",\"handshakes\":%" PRIu64
	    ",\"rekeys\":%" PRIu64 ",\"messages_in\":%" PRIu64 ",\"messages_out\":%" PRIu64
	    ",\"message_bytes_in\":%" PRIu64 ",\"message_bytes_out\":%" PRIu64 ",\"packets_in\":%" PRIu64
	    ",\"packets_out\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
	    ",\"lost\":%" PRIu64 ",\"late\":%" PRIu64 ",\"resent\":%" PRIu64 ",\"probes\":%" PRIu64,
	    s->handshake_ns, s->session_age_ns, s->handshakes, s->rekeys, s->messages_in, s->messages_out,
	    s->message_bytes_in, s->message_bytes_out, s->packets_in, s->packets_out, s->bytes_in,
	    s->bytes_out, s->lost, s->late, s->resent, s->probes);
	for (int i = 0; i < LATTICE_DROP_COUNT; i++)
		say(c, ",\"dropped_%s\":%" PRIu64, lattice_drop_name((enum lattice_drop)i), s->dropped[i]);
	say(c, "}\n");
}

static void say_handoffs(struct caller *c, struct lattice_node *node)
{
	struct lat_handoff_row *rows;
	size_t count = lat_channels_handoffs(node, &rows);

	for (size_t i = 0; i < count && c->rc == 0; i++) {
		const uint64_t *p = rows[i].stats.refused;

		say(c,
		    "{\"channel\":\"%d->%d\",\"handed\":%" PRIu64 ",\"p1\":%" PRIu64 ",\"p2\":%" PRIu64
		    ",\"p3\":%" PRIu64 ",\"p4\":%" PRIu64 ",\"p5\":%" PRIu64 ",\"p6\":%" PRIu64
		    ",\"p7\":%" PRIu64 ",\"p8\":%" PRIu64 ",\"p9\":%" PRIu64 "}\n",
		    rows[i].src, rows[i].dst, rows[i].stats.handed, p[0], p[1], p[2], p[3], p[4], p[5], p[6],
		    p[7], p[8]);
	}
	free(rows);
}

static void tell(struct lat_statsock *s, int fd)
{
	struct caller c = { .fd = fd,
			    .stop = s->stop,
			    .deadline_ns = lat_clock_deadline(lat_clock_monotonic_ns(), patience_ns) };
	struct lattice_stat stats[STATS_MAX];
	struct lat_network_peer peer;
	size_t count;

	say(&c, "{\"node\":%u,\"port\":%u,\"process\":%d,\"version\":\"%s\"}\n", lattice_node_number(s->node),
	    lattice_node_port(s->node), (int)getpid(), lattice_version());
	for (lattice_node_id after = 0; lat_network_next_peer(s->node->network, after, &peer);
	     after = peer.stats.node)
		say_peer(&c, &peer);
	say_handoffs(&c, s->node);
	count = lattice_node_stats(s->node, stats, STATS_MAX);
	LAT_ASSERT(count <= STATS_MAX);
	for (size_t i = 0; i < count && i < STATS_MAX; i++)
		say(&c, "{\"counter\":\"%s\",\"value\":%" PRIu64 ",\"text\":\"%s\"}\n", stats[i].name,
		    stats[i].value, stats[i].text);
}

/* A line of what is asked, without its end. Whether it came in time. */
static bool hear(const struct caller *c, char request[static LAT_CONTROL_REQUEST_MAX])
{
	size_t length = 0;

	while (length < LAT_CONTROL_REQUEST_MAX) {
		struct pollfd wait[2] = { { .fd = c->stop, .events = POLLIN },
					  { .fd = c->fd, .events = POLLIN } };
		ssize_t n;

		if (lat_poll_until(wait, 2, c->deadline_ns) < 0 || wait[0].revents != 0)
			return false;
		n = recv(c->fd, request + length, 1, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		if (request[length] == '\n') {
			request[length] = '\0';
			return true;
		}
		length++;
	}
	return false;
}

static void say_line(void *ctx, const char *line, size_t bytes)
{
	struct caller *c = ctx;

	if (c->rc == 0)
		c->rc = lat_unixsock_send(c->fd, line, bytes, c->stop, c->deadline_ns);
}

static void obey(struct lat_statsock *s, int fd)
{
	struct caller c = { .fd = fd,
			    .stop = s->stop,
			    .deadline_ns = lat_clock_deadline(lat_clock_monotonic_ns(), patience_ns) };
	char request[LAT_CONTROL_REQUEST_MAX];

	if (!hear(&c, request))
		return;
	c.deadline_ns = lat_clock_deadline(lat_clock_monotonic_ns(), patience_ns);
	lat_control_answer(s->node, request, say_line, &c);
}

/* Who has come to @sock. false: it is time to stop. */
static bool serve(struct lat_statsock *s, struct lat_unixsock *sock,
		  void (*fn)(struct lat_statsock *s, int fd))
{
	int fd = lat_unixsock_accept(sock);

	if (fd >= 0) {
		fn(s, fd);
		lat_unixsock_hang_up(fd);
	}
	return fd >= 0 || fd == -EAGAIN ||
	       lat_eventfd_wait(s->stop, lat_clock_deadline(lat_clock_monotonic_ns(), pause_ns)) != 0;
}

static void run(void *arg)
{
	struct lat_statsock *s = arg;

	for (;;) {
		struct pollfd wait[3] = { { .fd = s->stop, .events = POLLIN },
					  { .fd = s->sock.fd, .events = POLLIN },
					  { .fd = s->control.fd, .events = POLLIN } };
		int rc = lat_poll_until(wait, 3, UINT64_MAX);

		if (wait[0].revents != 0)
			return;
		if (rc < 0)
			continue;
		if (!serve(s, &s->sock, tell) || !serve(s, &s->control, obey))
			return;
	}
}

int lat_statsock_open(struct lat_statsock **out, struct lattice_node *node, const char *dir)
{
	struct lat_statsock *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->node = node;
	s->stop = -1;
	s->sock = s->control = LAT_UNIXSOCK_CLOSED;
	rc = lat_eventfd_open(&s->stop);
	if (rc == 0)
		rc = lat_unixsock_listen(&s->sock, dir, LAT_STATSOCK_NAME);
	if (rc == 0)
		rc = lat_unixsock_listen(&s->control, dir, LAT_STATSOCK_CONTROL);
	if (rc == 0)
		rc = lat_thread_start(&s->thread, "lattice-stats", run, s);
	if (rc < 0) {
		lat_statsock_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void lat_statsock_close(struct lat_statsock *s)
{
	if (s == NULL)
		return;
	if (s->stop >= 0)
		lat_eventfd_signal(s->stop);
	lat_thread_join(&s->thread);
	lat_unixsock_close(&s->sock);
	lat_unixsock_close(&s->control);
	lat_eventfd_close(s->stop);
	free(s);
}
