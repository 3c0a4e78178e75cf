/*
 * Two pids of one process: a thread receives as pid 7 what the main thread sends from pid 1. With an argument that is the
 * message; without, one of its own.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <lattice/lattice.h>

#define WAIT_NS INT64_C(5000000000)

static int failed(const void *handle, int rc, const char *what)
{
	char why[512];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "local: %s: %s\n", what, why);
	return 1;
}

/* The receiver: one message, then it is done. */
static void *receive(void *arg)
{
	struct lattice_endpoint *inbox = arg;
	struct lattice_msg msg;
	static char buf[4096];
	int rc = lattice_endpoint_recv(inbox, &msg, buf, sizeof(buf), WAIT_NS);

	if (rc < 0) {
		failed(inbox, rc, "pid 7");
		return NULL;
	}
	printf("pid 7 received message %llu of pid %d, type %d, %zu bytes: %.*s\n",
	       (unsigned long long)msg.seq, msg.source, msg.type, msg.len, (int)msg.len, buf);
	return inbox; /* anything but NULL: it came */
}

int main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "over a local channel";
	const struct lattice_msg msg = { .type = 1, .data = text, .len = strlen(text) };
	struct lattice_node *node;
	struct lattice_endpoint *inbox = NULL;
	struct lattice_channel *channel = NULL;
	pthread_t receiver = 0;
	void *came = NULL;
	int rc;

	rc = lattice_node_open(&node, NULL);
	if (rc < 0)
		return failed(NULL, rc, "node");
	rc = lattice_endpoint_open(&inbox, node, 7);
	if (rc == 0)
		rc = lattice_channel_open(&channel, node, 1, 7, 0, 0);
	if (rc == 0)
		rc = -pthread_create(&receiver, NULL, receive, inbox);
	if (rc < 0) {
		failed(node, rc, "set-up");
	} else {
		rc = lattice_channel_send(channel, &msg, WAIT_NS);
		if (rc < 0)
			failed(channel, rc, "pid 1");
		pthread_join(receiver, &came);
	}
	lattice_channel_close(channel);
	lattice_endpoint_close(inbox);
	lattice_node_close(node);
	return came == NULL;
}
