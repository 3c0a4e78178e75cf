/*
 * One TCP connection: its socket, what is cut in either direction, and how far it is trusted. Which connections there
 * are, and for whom, is tcp.h's business.
 *
 * The lock of struct lat_tcp covers everything but `in`, `in_buf` and `taken`, which are the I/O thread's. Only the I/O
 * thread frees a connection, so what it holds stays valid while an operation runs without the lock.
 */
#ifndef LAT_NET_CONN_H
#define LAT_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/outq.h"
#include "base/table.h"
#include "wire/path.h"
#include "wire/stream.h"

struct lat_conn {
	uint32_t id;
	uint32_t node; /* whom it was opened for, or whose it has proved to be; 0 a stranger's */
	int fd;
	bool outgoing;   /* we opened it */
	bool connecting; /* outgoing, not answered yet */
	bool proven;
	bool dead;            /* in no table any more, waits to be freed */
	bool want_room;       /* a send got -EAGAIN */
	bool used;            /* since idle_at was set */
	bool leaving;         /* we ended it, and read on until the peer has */
	bool watching_out;    /* epoll waits for writability */
	bool waiting;         /* what is queued waits for lat_tcp_flush(), not for the kernel */
	bool posted;          /* in struct lat_tcp's list of those */
	struct lat_path peer; /* its address; conn is ours, node is 0 until proven */
	uint64_t since;       /* when it opened */
	uint64_t deadline;    /* to connect, or to prove something; UINT64_MAX none */
	uint64_t idle_at;     /* transient: when to see whether it was used; UINT64_MAX never */
	uint64_t stall_at;    /* when the write is given up; UINT64_MAX nothing is queued */
	struct lat_outq out;
	struct lat_stream in;
	uint8_t *in_buf;
	size_t taken; /* bytes received while it was a stranger's */
	UT_hash_handle hh;
	struct lat_conn *next_dead;
	struct lat_conn *posted_prev, *posted_next;
};

/* Takes over @fd, on success. NULL: no memory, and @fd stays the caller's. */
struct lat_conn *lat_conn_open(int fd, uint32_t id, const struct lat_path *peer, bool outgoing);
/* Closes the socket. NULL is fine. */
void lat_conn_close(struct lat_conn *c);

/*
 * One packet as a frame: to the kernel, behind what is queued, and what it does not take to the queue, which holds at most @max bytes.
 * @may_wait: one that is not long is only queued, so that one lat_conn_flush_locked() serves many. 0, -EAGAIN or -EMSGSIZE with
 * nothing of it sent; any other errno: the connection is broken, possibly in mid-frame, and must be given up.
 */
LAT_MUST_CHECK int lat_conn_send_locked(struct lat_conn *c, const uint8_t *packet, size_t bytes, size_t max,
					bool may_wait);
/* Hands the kernel what is queued. Bytes taken, or the negative errno that broke the connection. */
LAT_MUST_CHECK int lat_conn_flush_locked(struct lat_conn *c);

/* The I/O thread: from a stranger's memory to that of a connection which may send any packet. 0 or -ENOMEM. */
LAT_MUST_CHECK int lat_conn_enlarge(struct lat_conn *c);

#endif
