/* lattice-bench-nng: pair sockets of nng, as they come but for their queues: without any, a sender waits for each message. */
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/main.h"
#include "others/socket.h"

enum { QUEUE = 1024 };

/* nng has numbers of its own for errors; which, matters to nobody here. */
static int of(int rc)
{
	return rc == 0 ? 0 : -EIO;
}

static int open_socket(void **socket)
{
	nng_socket *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	if (nng_pair0_open(s) != 0 || nng_socket_set_int(*s, NNG_OPT_SENDBUF, QUEUE) != 0 ||
	    nng_socket_set_int(*s, NNG_OPT_RECVBUF, QUEUE) != 0) {
		free(s);
		return -EIO;
	}
	*socket = s;
	return 0;
}

static int listen_at(void **socket, enum other_way way, bool call, unsigned int id,
		     char url[static OTHER_URL])
{
	nng_listener listener;
	int rc = open_socket(socket), port = 0;

	(void)call;
	if (rc < 0)
		return rc;
	if (way == OTHER_TCP)
		(void)snprintf(url, OTHER_URL, "tcp://127.0.0.1:0");
	else
		(void)snprintf(url, OTHER_URL,
			       way == OTHER_IPC ? "abstract://lattice-bench-%u" : "inproc://%u", id);
	rc = nng_listen(*(nng_socket *)*socket, url, &listener, 0);
	if (rc == 0 && way == OTHER_TCP) {
		rc = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
		(void)snprintf(url, OTHER_URL, "tcp://127.0.0.1:%d", port);
	}
	return of(rc);
}

static int connect_to(void **socket, bool call, const char *url)
{
	int rc = open_socket(socket);

	(void)call;
	return rc < 0 ? rc : of(nng_dial(*(nng_socket *)*socket, url, NULL, 0));
}

static int send_to(void *socket, const void *data, size_t len)
{
	/* It is not written to, though the prototype does not say so. */
	return of(nng_send(*(nng_socket *)socket, (void *)(uintptr_t)data, len, 0));
}

static int recv_from(void *socket, void *data, size_t room)
{
	size_t len = room;

	return of(nng_recv(*(nng_socket *)socket, data, &len, 0)) < 0 || len != room ? -EIO : 0;
}

static void close_socket(void *socket)
{
	(void)nng_close(*(nng_socket *)socket);
	free(socket);
}

const struct other_library other_library = { listen_at, connect_to, send_to, recv_from, close_socket };

int main(int argc, char **argv)
{
	static const struct bench_subject inproc = OTHER_TRIP("nng-inproc", "nng inproc, 48 B", BENCH_THREAD,
							      OTHER_INPROC);
	static const struct bench_subject ipc = OTHER_TRIP("nng-ipc", "nng ipc, 48 B", BENCH_PROCESS,
							   OTHER_IPC);
	static const struct bench_subject tcp = OTHER_TRIP("nng-tcp", "nng tcp, 48 B", BENCH_PROCESS,
							   OTHER_TCP);
	static const struct bench_subject rate = OTHER_RATE("nng-ipc-64", "nng ipc, 64 B one way",
							    BENCH_PROCESS, OTHER_IPC, 64);
	static const struct bench_subject tcp_64 = OTHER_RATE("nng-tcp-64", "nng tcp, 64 B one way",
							      BENCH_PROCESS, OTHER_TCP, 64);
	static const struct bench_subject tcp_64k = OTHER_RATE("nng-tcp-64k", "nng tcp, 64 KiB one way",
							       BENCH_PROCESS, OTHER_TCP, 64 << 10);
	static const struct bench_subject *const subjects[] = { &inproc, &ipc,     &tcp, &rate,
								&tcp_64, &tcp_64k, NULL };
	static const struct bench_plan plan = { .title = "nng on one machine", .subjects = subjects };

	return bench_main(&plan, argc, argv);
}
