/* lattice-bench-zeromq: PAIR sockets of ZeroMQ, as they come, and REQ and REP for calls. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "lib/main.h"
#include "others/socket.h"

/* One context a process: inproc joins sockets of one. */
static void *context;

static int fail(void)
{
	return zmq_errno() > 0 ? -zmq_errno() : -EIO;
}

static void *open_socket(int type)
{
	const int linger = 0;
	void *socket;

	if (context == NULL)
		context = zmq_ctx_new();
	socket = context != NULL ? zmq_socket(context, type) : NULL;
	if (socket != NULL)
		(void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	return socket;
}

enum { KEY_TEXT = 41 };

static int serve_curve(void *socket, char public_key[KEY_TEXT])
{
	char secret[KEY_TEXT];
	const int on = 1;

	if (zmq_curve_keypair(public_key, secret) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on)) < 0)
		return -1;
	return zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, KEY_TEXT);
}

static int call_curve(void *socket, const char *server)
{
	char public_key[KEY_TEXT], secret[KEY_TEXT];

	if (zmq_curve_keypair(public_key, secret) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, KEY_TEXT) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, KEY_TEXT) < 0)
		return -1;
	return zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, KEY_TEXT);
}

static int listen_at(void **socket, enum other_way way, bool call, unsigned int id,
		     char url[static OTHER_URL])
{
	char key[KEY_TEXT] = "";
	size_t room = OTHER_URL;
	int rc = 0;

	*socket = open_socket(call ? ZMQ_REQ : ZMQ_PAIR);
	if (*socket == NULL)
		return fail();
	if (way == OTHER_TCP || way == OTHER_SEALED)
		(void)snprintf(url, OTHER_URL, "tcp://127.0.0.1:*");
	else
		(void)snprintf(url, OTHER_URL, way == OTHER_IPC ? "ipc://@lattice-bench-%u" : "inproc://%u",
			       id);
	if (way == OTHER_SEALED)
		rc = serve_curve(*socket, key);
	if (rc < 0 || zmq_bind(*socket, url) < 0 ||
	    zmq_getsockopt(*socket, ZMQ_LAST_ENDPOINT, url, &room) < 0)
		return fail();
	/* The connecting side learns the key as it learns the port. */
	if (way == OTHER_SEALED)
		(void)snprintf(url + strlen(url), OTHER_URL - strlen(url), "|%s", key);
	return 0;
}

static int connect_to(void **socket, bool call, const char *url)
{
	const char *key = strchr(url, '|');
	char place[OTHER_URL];

	(void)snprintf(place, sizeof(place), "%.*s", (int)strcspn(url, "|"), url);
	*socket = open_socket(call ? ZMQ_REP : ZMQ_PAIR);
	if (*socket == NULL || (key != NULL && call_curve(*socket, key + 1) < 0))
		return fail();
	return zmq_connect(*socket, place) < 0 ? fail() : 0;
}

static int send_to(void *socket, const void *data, size_t len)
{
	return zmq_send(socket, data, len, 0) == (int)len ? 0 : fail();
}

static int recv_from(void *socket, void *data, size_t room)
{
	return zmq_recv(socket, data, room, 0) == (int)room ? 0 : fail();
}

static void close_socket(void *socket)
{
	(void)zmq_close(socket);
}

const struct other_library other_library = { listen_at, connect_to, send_to, recv_from, close_socket };

int main(int argc, char **argv)
{
	static const struct bench_subject inproc = OTHER_TRIP("zeromq-inproc", "ZeroMQ inproc, 48 B",
							      BENCH_THREAD, OTHER_INPROC);
	static const struct bench_subject ipc = OTHER_TRIP("zeromq-ipc", "ZeroMQ ipc, 48 B", BENCH_PROCESS,
							   OTHER_IPC);
	static const struct bench_subject tcp = OTHER_TRIP("zeromq-tcp", "ZeroMQ tcp, 48 B", BENCH_PROCESS,
							   OTHER_TCP);
	static const struct bench_subject rate = OTHER_RATE("zeromq-ipc-64", "ZeroMQ ipc, 64 B one way",
							    BENCH_PROCESS, OTHER_IPC, 64);
	static const struct bench_subject curve = OTHER_TRIP("zeromq-curve", "ZeroMQ CURVE, 48 B",
							     BENCH_PROCESS, OTHER_SEALED);
	static const struct bench_subject tcp_64 = OTHER_RATE("zeromq-tcp-64", "ZeroMQ tcp, 64 B one way",
							      BENCH_PROCESS, OTHER_TCP, 64);
	static const struct bench_subject tcp_64k = OTHER_RATE("zeromq-tcp-64k", "ZeroMQ tcp, 64 KiB one way",
							       BENCH_PROCESS, OTHER_TCP, 64 << 10);
	static const struct bench_subject curve_64 =
		OTHER_RATE("zeromq-curve-64", "ZeroMQ CURVE, 64 B one way", BENCH_PROCESS, OTHER_SEALED, 64);
	static const struct bench_subject curve_64k = OTHER_RATE("zeromq-curve-64k",
								 "ZeroMQ CURVE, 64 KiB one way",
								 BENCH_PROCESS, OTHER_SEALED, 64 << 10);
	static const struct bench_subject call = OTHER_TRIP("zeromq-ipc-call", "ZeroMQ REQ and REP, ipc",
							    BENCH_PROCESS, OTHER_IPC | OTHER_CALL);
	static const struct bench_subject tcp_call = OTHER_TRIP("zeromq-tcp-call", "ZeroMQ REQ and REP, tcp",
								BENCH_PROCESS, OTHER_TCP | OTHER_CALL);
	static const struct bench_subject curve_call = OTHER_TRIP("zeromq-curve-call",
								  "ZeroMQ REQ and REP, CURVE", BENCH_PROCESS,
								  OTHER_SEALED | OTHER_CALL);
	static const struct bench_subject *const subjects[] = { &inproc,    &ipc,    &tcp,      &rate,
								&curve,     &tcp_64, &tcp_64k,  &curve_64,
								&curve_64k, &call,   &tcp_call, &curve_call,
								NULL };
	static const struct bench_plan plan = { .title = "ZeroMQ on one machine", .subjects = subjects };

	return bench_main(&plan, argc, argv);
}
