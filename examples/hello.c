/* One message from pid 1 to pid 7, on this machine. */
#include <stdio.h>
#include <lattice/lattice.h>

int main(void)
{
	struct lattice_node *node = NULL;
	struct lattice_endpoint *inbox = NULL;
	struct lattice_channel *channel = NULL;
	struct lattice_msg msg = { .type = 42, .data = "hello", .len = 5 };
	char buf[64], why[256];
	int rc;

	if ((rc = lattice_node_open(&node, NULL)) < 0 || (rc = lattice_endpoint_open(&inbox, node, 7)) < 0 ||
	    (rc = lattice_channel_open(&channel, node, 1, 7, 0, 0)) < 0 ||
	    (rc = lattice_channel_send(channel, &msg, LATTICE_FOREVER)) < 0 ||
	    (rc = lattice_endpoint_recv(inbox, &msg, buf, sizeof(buf), LATTICE_FOREVER)) < 0) {
		lattice_explain(NULL, rc, why, sizeof(why));
		fprintf(stderr, "%s\n", why);
	} else {
		printf("pid %d says: %.*s\n", msg.source, (int)msg.len, buf);
	}
	lattice_channel_close(channel);
	lattice_endpoint_close(inbox);
	lattice_node_close(node);
	return rc < 0;
}
