/*
 * pong [PORT]: answers what ping.c sends, until it is interrupted. Listens as pid 1 on port 15001, or PORT. A message is answered
 * by lattice_send() alone: it goes to the node that the message came from.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <lattice/lattice.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static int failed(const char *what, int rc)
{
	char why[512];

	lattice_explain(NULL, rc, why, sizeof(why));
	fprintf(stderr, "pong: %s: %s\n", what, why);
	return 1;
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 15001, rc;
	struct lattice_message msg;

	(void)signal(SIGINT, on_signal);
	(void)signal(SIGTERM, on_signal);
	rc = lattice_net_init(&(struct lattice_net_config){ .port = port });
	if (rc < 0)
		return failed("the network cannot be opened", rc);
	rc = lattice_listen(1);
	if (rc < 0)
		failed("pid 1", rc);
	else
		printf("node %u listens as pid 1, port %d\n", lattice_net_local_node(), port);
	(void)fflush(stdout);
	while (rc >= 0 && !interrupted) {
		rc = lattice_recv(1, &msg, 0); /* waits up to 100 ms */
		if (rc == 0) {
			rc = lattice_send(1, msg.m_source, &msg, 0);
			if (rc < 0)
				failed("an answer is lost", rc);
			rc = 0; /* whoever asked may be gone: the next one is served */
		} else if (rc == -ETIMEDOUT || rc == -EMSGSIZE) {
			rc = 0;
		} else {
			failed("pid 1", rc);
		}
	}
	lattice_net_shutdown();
	return rc < 0;
}
