/*
 * store [NAME]: a service that keeps words for others, until it is ended. Who may ask it is the node's to decide ('policy'
 * beside this file says it): the program takes whatever gets through. ask.c is the other side, on this machine or on another.
 *
 *   type 1  "KEY VALUE"  keep that; as a call, answered
 *   type 2  "KEY"        a call: answered with the value, or by type 0 when there is none
 */
#include <stdio.h>
#include <string.h>

#include <lattice/lattice.h>

enum {
	WORDS = 256,
	WORD_ROOM = 64,
	PUT = 1,
	GET = 2,
	MESSAGE_MAX = 1 << 20 /* as long as there may be one */
};

static struct {
	char key[WORD_ROOM], value[WORD_ROOM];
} kept[WORDS];
static int count;
static char text[MESSAGE_MAX + 1];

static int failed(const void *handle, int rc, const char *what)
{
	char why[1024];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "store: %s: %s\n", what, why);
	return 1;
}

/* Its place, or the next free one; -1: all are taken. */
static int place_of(const char *key)
{
	for (int i = 0; i < count; i++)
		if (strcmp(kept[i].key, key) == 0)
			return i;
	return count < WORDS ? count : -1;
}

/* What to answer to what was sent, which may be anything. */
static struct lattice_msg work(int32_t type)
{
	static const struct lattice_msg no = { .data = "", .len = 0 };
	char *value = strchr(text, ' ');
	int at;

	if (type == PUT && value != NULL)
		*value++ = '\0';
	at = strlen(text) < WORD_ROOM ? place_of(text) : -1;
	if (at < 0 || (type == GET && at == count))
		return no;
	if (type == PUT && value != NULL && strlen(value) < WORD_ROOM) {
		(void)snprintf(kept[at].key, WORD_ROOM, "%s", text);
		(void)snprintf(kept[at].value, WORD_ROOM, "%s", value);
		count += at == count;
	} else if (type != GET) {
		return no;
	}
	return (struct lattice_msg){ .type = type, .data = kept[at].value, .len = strlen(kept[at].value) };
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "store";
	struct lattice_endpoint *door = NULL;
	struct lattice_node *node = NULL;
	struct lattice_msg msg, answer;
	int rc;

	if ((rc = lattice_node_open(&node, NULL)) < 0 ||
	    (rc = lattice_endpoint_open_name(&door, node, name, 0)) < 0)
		return failed(NULL, rc, name);
	printf("node %u has the service '%s', pid %d\n", lattice_node_number(node), name,
	       lattice_endpoint_pid(door));
	(void)fflush(stdout);
	for (;;) {
		rc = lattice_endpoint_recv(door, &msg, text, MESSAGE_MAX, LATTICE_FOREVER);
		if (rc < 0)
			break;
		text[msg.len] = '\0';
		printf("pid %d of node %u, badge %u: type %d: %s\n", msg.source, msg.node, msg.badge,
		       msg.type, text);
		(void)fflush(stdout);
		answer = work(msg.type);
		if (msg.call != 0) /* who has gone meanwhile needs none */
			(void)!lattice_endpoint_reply(door, &msg, &answer);
	}
	failed(door, rc, name);
	lattice_endpoint_close(door);
	lattice_node_close(node);
	return 1;
}
