/*
 * The TCP side of a driver: the listeners, the connections there are, for which node one is kept, when one is opened
 * again, and how much a stranger may cost (PROTOCOL section 7, TCP_UNAUTH and TCP_REOPEN).
 *
 * Any thread sends, proves and forgets, under one lock. That lock is never held while an operation runs: what happened
 * to a node's connection is noted at the node and told by the I/O thread at the end of its turn.
 */
#ifndef LAT_NET_TCP_H
#define LAT_NET_TCP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/conn.h"
#include "net/io.h"
#include "net/sock.h"

/* A node that a connection is kept for. */
struct lat_kept {
	uint32_t node;
	struct lat_path to;    /* where to open one; proto 0: only the peer can */
	struct lat_conn *conn; /* connecting or open; NULL none */
	uint64_t reopen_at;    /* UINT64_MAX: not planned */
	uint64_t backoff_ns;   /* how long the next wait is */
	uint64_t good_ns; /* since when the one was there that has proved to be the node's; 0: none has */
	/* Not told yet. Told in this order; a down forgets an up before it. */
	bool noted, down, up, room, idle;
	int down_err;
	struct lat_kept *prev, *next; /* of the noted */
	UT_hash_handle hh;
};

struct lat_tcp {
	struct lat_io *io;
	pthread_mutex_t lock;
	bool down;
	int listener[LAT_SOCK_FAMILIES]; /* -1: none */
	struct lat_path local;           /* family 0: connections may leave from any address */
	size_t queue_bytes;
	uint64_t unauth_ns, idle_ns, stall_ns;
	struct lat_conn *conns; /* by number */
	struct lat_kept *kept;  /* by node */
	struct lat_kept *noted;
	struct lat_conn *posted; /* those with something that waits for lat_tcp_flush() */
	struct lat_conn *dead;
	unsigned int strangers; /* accepted and not proven */
	uint64_t accept_at;     /* listeners rest until then; UINT64_MAX: they do not rest */
	uint64_t due;           /* nothing has to be done before */
	uint8_t *buf;           /* LAT_IO_BUF; the I/O thread's */
};

/* Takes what it needs of @cfg. 0 or -ENOMEM; fini is allowed from here on. */
LAT_MUST_CHECK int lat_tcp_init(struct lat_tcp *t, struct lat_io *io, const struct lat_driver_config *cfg);
/* After the last call of any thread. */
void lat_tcp_fini(struct lat_tcp *t);

/* Watches a listener of lat_sock_bind() that becomes ours, also on failure. 0, -ENOMEM, -ENOSPC. */
LAT_MUST_CHECK int lat_tcp_adopt(struct lat_tcp *t, int family, int fd);
/* Closes every socket, after one last try to write what is queued. Later sends get -ESHUTDOWN. No I/O thread runs any more. */
void lat_tcp_shutdown(struct lat_tcp *t);

/* As their namesakes in driver.h. Any thread. */
LAT_MUST_CHECK int lat_tcp_send(struct lat_tcp *t, const struct lat_path *to, const uint8_t *packet,
				size_t bytes);
LAT_MUST_CHECK int lat_tcp_post(struct lat_tcp *t, const struct lat_path *to, const uint8_t *packet,
				size_t bytes);
void lat_tcp_flush(struct lat_tcp *t);
void lat_tcp_prove(struct lat_tcp *t, uint32_t conn, uint32_t node, bool prefer);
bool lat_tcp_outgoing(struct lat_tcp *t, uint32_t conn);
void lat_tcp_renew(struct lat_tcp *t, uint32_t node);
void lat_tcp_rest(struct lat_tcp *t, uint32_t node);
void lat_tcp_forget(struct lat_tcp *t, uint32_t node);

/* The I/O thread: what epoll says. They call the packet operation. */
void lat_tcp_listen_event(struct lat_tcp *t, uint32_t family);
void lat_tcp_conn_event(struct lat_tcp *t, uint32_t conn, uint32_t events);
/* Whether there is a connection, or something to be told. The I/O thread. */
bool lat_tcp_busy(struct lat_tcp *t);
/* The I/O thread, once a turn: runs what is due, tells what is noted, frees what is dead. When to be called again. */
uint64_t lat_tcp_turn(struct lat_tcp *t);

#endif
