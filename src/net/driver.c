/*
 * Threads. The I/O thread runs turns; a turn holds `turning`, which is how lat_driver_turn() keeps a second one out.
 * Senders hold `gate` for reading, lat_driver_shutdown() takes it for writing before any descriptor is closed, so none
 * is used after that; `down` is looked at before the gate, so a stream of senders cannot keep the shutdown waiting.
 *   [D] down store, release -> [d] down load, acquire: who sees it begins nothing new
 */
#include "net/driver.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/io.h"
#include "net/sock.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "os/clock.h"
#include "os/thread.h"

enum {
	EVENTS_PER_TURN = 64,
	QUICK_TURNS = 32, /* of these one asks for everything */
	PORT_TRIES = 32,  /* of the kernel's choice, until one is free on all sockets */
};

struct lat_driver {
	struct lat_io io;
	struct lat_udp udp;
	struct lat_tcp tcp;
	uint16_t port;
	bool threaded;      /* the I/O thread was started */
	unsigned int quick; /* turns of who polls */
	struct lat_thread thread;
	pthread_mutex_t turning;
	pthread_rwlock_t gate;
	pthread_mutex_t life; /* one shutdown at a time */
	bool over;            /* under life: the shutdown is done */
	_Atomic bool down;
};

/* ---- turns ---- */

static void dispatch(struct lat_driver *d, const struct epoll_event *ev)
{
	uint32_t number = (uint32_t)ev->data.u64;

	switch ((enum lat_io_kind)(ev->data.u64 >> 32)) {
	case LAT_IO_TIMER:
		break; /* woke us; lat_timer_set() takes it back */
	case LAT_IO_UDP:
		lat_udp_event(&d->udp, number, ev->events);
		break;
	case LAT_IO_LISTEN:
		lat_tcp_listen_event(&d->tcp, number);
		break;
	case LAT_IO_CONN:
		lat_tcp_conn_event(&d->tcp, number, ev->events);
		break;
	}
}

static void turn_end(struct lat_driver *d)
{
	uint64_t next = lat_tcp_turn(&d->tcp), tick_next = d->io.ops->tick(d->io.ctx);

	lat_timer_set(&d->io.timer, tick_next < next ? tick_next : next, lat_clock_boottime_ns());
}

static void turn(struct lat_driver *d, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int count = epoll_wait(d->io.epoll, events, EVENTS_PER_TURN, timeout_ms);

	lat_timer_begin(&d->io.timer);
	for (int i = 0; i < count; i++)
		dispatch(d, &events[i]);
	turn_end(d);
}

/*
 * For who polls: datagrams are read without asking first. The rest is asked for when a timer is due, when there are connections, and
 * every few times in any case.
 */
static void turn_quick(struct lat_driver *d)
{
	bool some;

	if (d->quick++ % QUICK_TURNS == 0 || lat_timer_due(&d->io.timer, lat_clock_boottime_ns()) ||
	    lat_tcp_busy(&d->tcp)) {
		turn(d, 0);
		return;
	}
	some = lat_udp_look(&d->udp);
	if (!some)
		return;
	lat_timer_begin(&d->io.timer);
	turn_end(d);
}

static bool is_down(const struct lat_driver *d)
{
	return atomic_load_explicit(&d->down, memory_order_acquire); /* [d] */
}

static void io_thread(void *arg)
{
	struct lat_driver *d = arg;

	while (!is_down(d)) {
		pthread_mutex_lock(&d->turning);
		turn(d, -1);
		pthread_mutex_unlock(&d->turning);
	}
}

int lat_driver_turn(struct lat_driver *d, int64_t timeout_ns)
{
	int64_t ms = timeout_ns / LAT_NS_PER_MS + (timeout_ns % LAT_NS_PER_MS != 0);
	int rc = 0;

	if (d->threaded)
		return -EBUSY;
	if (pthread_mutex_trylock(&d->turning) != 0)
		return -EBUSY;
	if (is_down(d))
		rc = -ESHUTDOWN;
	else if (timeout_ns == 0)
		turn_quick(d);
	else
		turn(d, timeout_ns < 0 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms);
	pthread_mutex_unlock(&d->turning);
	return rc;
}

int lat_driver_fd(const struct lat_driver *d)
{
	return d->io.epoll;
}

void lat_driver_wake(struct lat_driver *d, uint64_t when)
{
	lat_timer_lower(&d->io.timer, when);
}

/* ---- opening ---- */

/* What is to be bound: every transport in every family wanted, the first of them chooses the port. */
struct plan {
	struct lat_path local[4];
	bool optional[4]; /* a kernel may lack the family */
	size_t count;
};

static int plan_make(struct plan *p, const struct lat_driver_config *cfg)
{
	static const uint8_t protos[] = { LAT_PROTO_UDP, LAT_PROTO_TCP };

	*p = (struct plan){ 0 };
	for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
		for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
			struct lat_path local = { .proto = protos[i], .family = family, .port = cfg->port };

			if (protos[i] == LAT_PROTO_UDP ? cfg->no_udp : cfg->no_tcp)
				continue;
			if (cfg->bind_host != NULL) {
				if (lat_sock_literal(&local, cfg->bind_host, cfg->port, protos[i]) < 0)
					return -EINVAL;
				if (local.family != family)
					continue;
			}
			p->optional[p->count] = cfg->bind_host == NULL;
			p->local[p->count++] = local;
		}
	}
	return p->count == 0 ? -EINVAL : 0;
}

static void close_all(int fds[4])
{
	for (size_t i = 0; i < 4; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* All of the plan on one port, or nothing. fds[i] is -1 where the kernel lacks the family. 0 or lat_sock_bind()'s errors. */
static int plan_bind(const struct plan *p, int fds[4], uint16_t *port)
{
	uint16_t chosen = 0;
	int rc = -EAFNOSUPPORT;

	for (size_t i = 0; i < p->count; i++) {
		struct lat_path local = p->local[i];
		int fd;

		if (chosen != 0)
			local.port = chosen;
		fd = lat_sock_bind(&local);
		if (fd < 0 && p->optional[i] && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL))
			continue;
		if (fd < 0) {
			rc = fd;
			goto fail;
		}
		fds[i] = fd;
		if (chosen == 0)
			chosen = lat_sock_port(fd);
	}
	if (chosen == 0)
		goto fail;
	*port = chosen;
	return 0;
fail:
	close_all(fds);
	return rc;
}

static int bind_all(struct lat_driver *d, const struct lat_driver_config *cfg)
{
	int fds[4] = { -1, -1, -1, -1 };
	struct plan plan;
	int rc = plan_make(&plan, cfg);

	for (int tries = 0; rc == 0; tries++) {
		rc = plan_bind(&plan, fds, &d->port);
		if (rc != -EADDRINUSE || cfg->port != 0 || tries + 1 == PORT_TRIES)
			break;
		rc = 0; /* free for the first socket, taken for another: let the kernel choose again */
	}
	for (size_t i = 0; rc == 0 && i < plan.count; i++) {
		int fd = fds[i], family = lat_sock_index(&plan.local[i]);

		if (fd < 0)
			continue;
		fds[i] = -1;
		rc = plan.local[i].proto == LAT_PROTO_UDP ? lat_udp_adopt(&d->udp, family, fd)
							  : lat_tcp_adopt(&d->tcp, family, fd);
	}
	close_all(fds);
	return rc;
}

int lat_driver_open(struct lat_driver **out, const struct lat_driver_config *cfg,
		    const struct lat_driver_ops *ops, void *ctx)
{
	struct lat_driver *d;
	int rc;

	*out = NULL;
	if (ops->packet == NULL || ops->conn_up == NULL || ops->conn_down == NULL || ops->writable == NULL ||
	    ops->idle == NULL || ops->tick == NULL)
		return -EINVAL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	d->io.ops = ops;
	d->io.ctx = ctx;
	pthread_mutex_init(&d->turning, NULL);
	pthread_mutex_init(&d->life, NULL);
	pthread_rwlock_init(&d->gate, NULL);
	d->io.epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = d->io.epoll < 0 ? -errno : 0;
	/* All are made in any case: then closing has one form. */
	for (int step = 0; step < 3; step++) {
		int err = step == 0   ? lat_timer_init(&d->io.timer)
			  : step == 1 ? lat_udp_init(&d->udp, &d->io)
				      : lat_tcp_init(&d->tcp, &d->io, cfg);

		if (rc == 0)
			rc = err;
	}
	if (rc < 0)
		goto fail;
	if (cfg->bind_host != NULL && lat_sock_literal(&d->tcp.local, cfg->bind_host, 0, LAT_PROTO_TCP) < 0) {
		rc = -EINVAL;
		goto fail;
	}
	rc = lat_io_watch(&d->io, EPOLL_CTL_ADD, d->io.timer.fd, EPOLLIN, LAT_IO_TIMER, 0);
	if (rc < 0)
		goto fail;
	rc = bind_all(d, cfg);
	if (rc < 0)
		goto fail;
	lat_timer_lower(&d->io.timer, 0); /* the first tick */
	if (!cfg->no_thread) {
		rc = lat_thread_start(&d->thread, "lattice-net", io_thread, d);
		if (rc < 0)
			goto fail;
		d->threaded = true;
	}
	*out = d;
	return 0;
fail:
	lat_driver_close(d);
	return rc;
}

/* ---- closing ---- */

void lat_driver_shutdown(struct lat_driver *d)
{
	pthread_mutex_lock(&d->life);
	if (!d->over) {
		atomic_store_explicit(&d->down, true, memory_order_release); /* [D] */
		lat_timer_lower(&d->io.timer, 0);
		if (d->threaded)
			lat_thread_join(&d->thread);
		pthread_mutex_lock(&d->turning); /* a turn of a caller's ends */
		pthread_rwlock_wrlock(&d->gate); /* senders that were in leave */
		lat_tcp_shutdown(&d->tcp);
		lat_udp_flush(&d->udp);
		lat_udp_fini(&d->udp);
		pthread_rwlock_unlock(&d->gate);
		pthread_mutex_unlock(&d->turning);
		d->over = true;
	}
	pthread_mutex_unlock(&d->life);
}

void lat_driver_close(struct lat_driver *d)
{
	if (d == NULL)
		return;
	lat_driver_shutdown(d);
	lat_tcp_fini(&d->tcp);
	pthread_mutex_destroy(&d->udp.lock);
	lat_timer_fini(&d->io.timer);
	if (d->io.epoll >= 0)
		close(d->io.epoll);
	pthread_rwlock_destroy(&d->gate);
	pthread_mutex_destroy(&d->life);
	pthread_mutex_destroy(&d->turning);
	free(d);
}

/* ---- calls from any thread ---- */

uint16_t lat_driver_port(const struct lat_driver *d)
{
	return d->port;
}

static int hand_over(struct lat_driver *d, const struct lat_path *to, const uint8_t *packet, size_t bytes,
		     bool may_wait)
{
	int rc;

	if (is_down(d))
		return -ESHUTDOWN;
	pthread_rwlock_rdlock(&d->gate);
	if (is_down(d))
		rc = -ESHUTDOWN;
	else if (to->proto == LAT_PROTO_UDP && may_wait)
		rc = lat_udp_post(&d->udp, to, packet, bytes);
	else if (to->proto == LAT_PROTO_UDP)
		rc = lat_udp_send(&d->udp, to, packet, bytes);
	else if (to->proto == LAT_PROTO_TCP && may_wait)
		rc = lat_tcp_post(&d->tcp, to, packet, bytes);
	else if (to->proto == LAT_PROTO_TCP)
		rc = lat_tcp_send(&d->tcp, to, packet, bytes);
	else
		rc = -EINVAL;
	pthread_rwlock_unlock(&d->gate);
	return rc;
}

int lat_driver_send(struct lat_driver *d, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	return hand_over(d, to, packet, bytes, false);
}

int lat_driver_post(struct lat_driver *d, const struct lat_path *to, const uint8_t *packet, size_t bytes)
{
	return hand_over(d, to, packet, bytes, true);
}

void lat_driver_flush(struct lat_driver *d)
{
	pthread_rwlock_rdlock(&d->gate);
	if (!is_down(d)) {
		lat_udp_flush(&d->udp);
		lat_tcp_flush(&d->tcp);
	}
	pthread_rwlock_unlock(&d->gate);
}

void lat_driver_conn_prove(struct lat_driver *d, uint32_t conn, uint32_t node, bool prefer)
{
	lat_tcp_prove(&d->tcp, conn, node, prefer);
}

bool lat_driver_conn_outgoing(struct lat_driver *d, uint32_t conn)
{
	return lat_tcp_outgoing(&d->tcp, conn);
}

void lat_driver_renew(struct lat_driver *d, uint32_t node)
{
	lat_tcp_renew(&d->tcp, node);
}

void lat_driver_rest(struct lat_driver *d, uint32_t node)
{
	lat_tcp_rest(&d->tcp, node);
}

void lat_driver_forget(struct lat_driver *d, uint32_t node)
{
	lat_tcp_forget(&d->tcp, node);
}

/* ---- counters ---- */

uint64_t lat_driver_counter(const struct lat_driver *d, enum lat_driver_counter c)
{
	return atomic_load_explicit(&d->io.counters[c], memory_order_relaxed);
}

static const struct {
	const char *name, *text;
} counters[LAT_NET_COUNTERS] = {
	[LAT_NET_UDP_IN] = { "net.udp_in", "datagrams received" },
	[LAT_NET_UDP_OUT] = { "net.udp_out", "datagrams sent" },
	[LAT_NET_UDP_ERROR] = { "net.udp_error", "datagrams that the kernel refused to send or receive" },
	[LAT_NET_UDP_TRUNCATED] = { "net.udp_truncated", "datagrams dropped, too long" },
	[LAT_NET_UDP_NO_GSO] = { "net.udp_no_gso",
				 "sockets whose datagrams the kernel takes one by one only" },
	[LAT_NET_TCP_IN] = { "net.tcp_in", "packets received over TCP" },
	[LAT_NET_TCP_OUT] = { "net.tcp_out", "packets queued to TCP connections" },
	[LAT_NET_TCP_ACCEPTED] = { "net.tcp_accepted", "TCP connections accepted" },
	[LAT_NET_TCP_CONNECTED] = { "net.tcp_connected", "TCP connections opened" },
	[LAT_NET_TCP_CONNECT_FAILED] = { "net.tcp_connect_failed",
					 "TCP connections that could not be opened" },
	[LAT_NET_TCP_UNAUTH_FULL] = { "net.tcp_unauth_full", "TCP connections refused, too many strangers" },
	[LAT_NET_TCP_UNAUTH_TIME] = { "net.tcp_unauth_time",
				      "TCP connections closed, nothing proved in time" },
	[LAT_NET_TCP_UNAUTH_BYTES] = { "net.tcp_unauth_bytes",
				       "TCP connections closed, too many bytes unproved" },
	[LAT_NET_TCP_FRAMING] = { "net.tcp_framing", "TCP connections closed, bad length or type" },
	[LAT_NET_TCP_STALLED] = { "net.tcp_stalled", "TCP connections closed, no progress" },
	[LAT_NET_TCP_RESTED] = { "net.tcp_rested", "transient TCP connections closed, nothing was due" },
	[LAT_NET_TCP_QUEUE_FULL] = { "net.tcp_queue_full", "sends refused, TCP queue full" },
};

const char *lat_driver_counter_name(enum lat_driver_counter c)
{
	return (unsigned int)c < LAT_NET_COUNTERS ? counters[c].name : NULL;
}

const char *lat_driver_counter_text(enum lat_driver_counter c)
{
	return (unsigned int)c < LAT_NET_COUNTERS ? counters[c].text : NULL;
}
