/*
 * ask put SERVICE[@NODE] KEY VALUE, ask get SERVICE KEY: asks a store (store.c), of this node or of the node with that number. To put is
 * to send; to get is to call, which reaches another node where the store's process has the network. With $CAPABILITY, a file, it goes by that right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/cap.h>
#include <lattice/lattice.h>

#define WAIT_NS INT64_C(10000000000)

enum { PUT = 1, GET = 2, TEXT_ROOM = 256 };

static int failed(const void *handle, int rc, const char *what)
{
	char why[1024];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "ask: %s: %s\n", what, why);
	return 1;
}

/* The pid of the service: a capability says it, else the node is asked. */
static int find(int32_t *pid, struct lattice_node *node, const char *service, lattice_node_id at,
		const struct lattice_cap *cap)
{
	struct lattice_cap_info info;
	int rc;

	if (cap == NULL)
		return lattice_node_resolve(node, service, at, pid, WAIT_NS);
	rc = lattice_cap_info(cap, &info);
	if (rc == 0)
		*pid = info.dst;
	return rc;
}

static int open_channel(struct lattice_channel **out, struct lattice_node *node, int32_t pid,
			lattice_node_id at, const struct lattice_cap *cap)
{
	if (cap == NULL)
		return lattice_channel_open(out, node, (int32_t)getpid(), pid, at, 0);
	return lattice_channel_open_cap(out, node, (int32_t)getpid(), pid, at, 0, cap);
}

static int put(struct lattice_channel *channel, const char *key, const char *value)
{
	char text[TEXT_ROOM];
	struct lattice_msg msg = { .type = PUT, .data = text };
	int rc;

	msg.len = (size_t)snprintf(text, sizeof(text), "%s %s", key, value);
	if (msg.len >= sizeof(text))
		return -EMSGSIZE;
	rc = lattice_channel_send(channel, &msg, WAIT_NS);
	return rc < 0 ? rc : lattice_channel_flush(channel, WAIT_NS); /* until it is there */
}

static int get(struct lattice_channel *channel, const char *key)
{
	const struct lattice_msg msg = { .type = GET, .data = key, .len = strlen(key) };
	char text[TEXT_ROOM];
	struct lattice_msg answer;
	int rc = lattice_channel_call(channel, &msg, &answer, text, sizeof(text), WAIT_NS);

	if (rc < 0)
		return rc;
	if (answer.type == 0) {
		fprintf(stderr, "ask: nothing is kept as '%s'\n", key);
		return 1;
	}
	printf("%.*s\n", (int)answer.len, text);
	return 0;
}

int main(int argc, char **argv)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_ATTACH };
	bool puts_it = argc == 5 && strcmp(argv[1], "put") == 0;
	struct lattice_channel *channel = NULL;
	const char *file = getenv("CAPABILITY");
	struct lattice_cap *cap = NULL;
	struct lattice_node *node = NULL;
	lattice_node_id at = 0;
	int32_t pid = 0;
	char *node_at;
	int rc;

	if (!puts_it && (argc != 4 || strcmp(argv[1], "get") != 0)) {
		fprintf(stderr, "usage: ask put SERVICE[@NODE] KEY VALUE, or ask get SERVICE KEY\n");
		return 2;
	}
	node_at = strchr(argv[2], '@');
	if (node_at != NULL) {
		at = (lattice_node_id)strtoul(node_at + 1, NULL, 10);
		*node_at = '\0';
	}
	if ((rc = lattice_node_open(&node, &cfg)) < 0)
		return failed(NULL, rc, "node");
	if (file != NULL && (rc = lattice_cap_read(&cap, file)) < 0)
		rc = failed(NULL, rc, file);
	else if ((rc = find(&pid, node, argv[2], at, cap)) < 0)
		rc = failed(node, rc, argv[2]);
	else if ((rc = open_channel(&channel, node, pid, at, cap)) < 0)
		rc = failed(NULL, rc, argv[2]);
	else if ((rc = puts_it ? put(channel, argv[3], argv[4]) : get(channel, argv[3])) < 0)
		rc = failed(channel, rc, argv[2]);
	lattice_channel_close(channel);
	lattice_cap_free(cap);
	lattice_node_close(node);
	return rc;
}
