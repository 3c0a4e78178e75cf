/*
 * ping [NODE [HOST [PORT [udp|tcp [COUNT [OWN_PORT]]]]]]: the calls of <lattice/ipc.h> and <lattice/net.h>, start to end. Sends a message
 * to pid 1 of another node and waits for the answer; pong.c is the other side. Without arguments: node 1 at 127.0.0.1, port
 * 15001, UDP, once, from port 15000. Both nodes must have each other's key (lattice peers add); $LATTICE_STATE_DIR says where this one's are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lattice/lattice.h>

#define TURNS 50 /* of a tenth of a second each: how long an answer may take */

static int failed(const char *what, int rc)
{
	char why[512];

	lattice_explain(NULL, rc, why, sizeof(why));
	fprintf(stderr, "ping: %s: %s\n", what, why);
	return 1;
}

/* What is no number becomes 0, which the calls refuse. */
static int number_of(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

/* Sends one message and waits for the answer that has its number. */
static int ping_once(int number)
{
	struct lattice_message ping = { .m_type = 42 };
	int rc, answer = 0, turns = TURNS;

	memcpy(ping.m_payload, &number, sizeof(number));
	rc = lattice_send(1, 1, &ping, 0);
	if (rc < 0)
		return rc;
	do {
		lattice_poll_network();
		rc = lattice_recv(1, &ping, 0);
		if (rc == 0)
			memcpy(&answer, ping.m_payload, sizeof(answer));
	} while ((rc == -ETIMEDOUT && --turns > 0) ||
		 (rc == 0 && answer != number)); /* each turn waits up to 100 ms */
	if (rc == 0)
		printf("answer %d: type %d from pid %d\n", answer, ping.m_type, ping.m_source);
	(void)fflush(stdout);
	return rc;
}

int main(int argc, char **argv)
{
	const struct timespec between = { .tv_nsec = 50000000 };
	lattice_node_id node = argc > 1 ? (lattice_node_id)number_of(argv[1]) : 1;
	const char *host = argc > 2 ? argv[2] : "127.0.0.1";
	int port = argc > 3 ? number_of(argv[3]) : 15001, own_port = argc > 6 ? number_of(argv[6]) : 15000;
	int count = argc > 5 ? number_of(argv[5]) : 1, answers = 0, rc;
	enum lattice_proto proto = argc > 4 && strcmp(argv[4], "tcp") == 0 ? LATTICE_TCP : LATTICE_UDP;

	rc = lattice_net_init(&(struct lattice_net_config){ .node_id = 0, .port = own_port });
	if (rc < 0)
		return failed("the network cannot be opened", rc);
	if ((rc = lattice_net_add_remote(node, host, port, proto)) < 0 ||
	    (rc = lattice_connect(1, 1, node)) < 0) {
		failed(host, rc);
	} else {
		for (int i = 1; i <= count; i++) {
			if (i > 1)
				(void)nanosleep(&between, NULL);
			rc = ping_once(i);
			if (rc < 0)
				failed("no answer", rc);
			else
				answers++;
		}
	}
	lattice_net_shutdown();
	return answers == 0;
}
