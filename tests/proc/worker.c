/*
 * worker: a process that does what it is told, a line of standard input at a time, and answers each with a line: the result of
 * the call, what else there is to say, and the library's sentence if it failed. What goes wrong with the worker itself is "?".
 *
 *   open auto|self|private|attach [NUMBER]       -> 0 NUMBER
 *   open here PORT                               the same as self, with the network of the state directory's node there
 *   listen PID | deaf PID                        an endpoint
 *   join SLOT SRC DST [NODE] | part SLOT         a channel
 *   send SLOT COUNT BYTES TIMEOUT_MS             numbered messages     -> RC SENT
 *   flush SLOT TIMEOUT_MS                        -> RC SENT RECEIVED
 *   take PID COUNT TIMEOUT_MS                    receives, each source's numbers in order     -> RC TAKEN
 *   drain PID                                    the same, until no other process has a channel here     -> RC TAKEN
 *   say SLOT TEXT | hear PID TIMEOUT_MS          -> RC SOURCE TEXT
 *   badge PID TIMEOUT_MS                         hears                 -> RC BADGE
 *   call SLOT BYTES TIMEOUT_MS                   a request; its reply has to be the same bytes, each one more     -> RC BYTES
 *   serve PID COUNT TIMEOUT_MS                   answers calls like that     -> RC SERVED
 *   keep PID TIMEOUT_MS | reply PID BYTES        takes a call; answers the one that was taken last     -> RC BYTES
 *   task ...                                     call, serve, keep or reply, in a task
 *   short listen PID | short connect SRC DST [NODE] | short send SRC DST TYPE | short recv PID | short down
 *                                                the calls of <lattice/ipc.h>, on the default node     -> RC TYPE SOURCE
 *   stat NAME                                    -> 0 VALUE
 *   host                                         -> 0 PROCESS
 *   receivers                                    -> 0 PID ...
 *   graph                                        -> 0 PROCESSES SILENT
 *   serve_as NAME PID | find NAME NODE MS        -> 0 PID
 *   fds | fork | close | quit
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/lattice.h>
#include <lattice/sched.h>

enum { SLOTS = 1024, SOURCES = 64, LINE_ROOM = 512, MESSAGE_MAX = 1 << 20, STATS = 512 };

struct source { /* what a sender's messages are counted by */
	int32_t pid;
	uint64_t next;
};

struct ear {
	int32_t pid;
	struct lattice_endpoint *ep;
	struct source from[SOURCES];
};

static struct lattice_node *node;
static struct ear ears[SLOTS];
static struct {
	struct lattice_channel *ch;
	uint64_t sent;
} channels[SLOTS];
static unsigned char buffer[MESSAGE_MAX], reply_buffer[MESSAGE_MAX];
static struct lattice_msg kept;

static void answer(int rc, const void *handle, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void answer(int rc, const void *handle, const char *fmt, ...)
{
	char why[LINE_ROOM] = "";
	va_list ap;

	if (rc < 0)
		(void)lattice_explain(handle, rc, why, sizeof(why));
	printf("%s ", lattice_error_name(rc));
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("%s%s\n", rc < 0 ? " : " : "", why);
	(void)fflush(stdout);
}

static struct ear *ear(int32_t pid)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (ears[i].pid == pid)
			return &ears[i];
	return NULL;
}

/* A node's; 0: this one. */
static lattice_node_id number(const char *text)
{
	return text != NULL ? (lattice_node_id)strtoul(text, NULL, 10) : 0;
}

static int64_t ms(const char *text)
{
	int64_t n = strtoll(text, NULL, 10);

	return n < 0 ? LATTICE_FOREVER : n * 1000000;
}

static void do_open(char **arg)
{
	bool here = strcmp(arg[1], "here") == 0;
	struct lattice_node_config cfg = { .node_id = here ? 0 : number(arg[2]),
					   .port = here ? (int)strtol(arg[2], NULL, 10) : LATTICE_PORT_ANY,
					   .bind_host = "127.0.0.1",
					   .allow_unlocked_keys = true };
	int rc;

	cfg.policy_file = arg[2] != NULL && !here ? arg[3] : NULL;
	cfg.host = here || strcmp(arg[1], "self") == 0 ? LATTICE_HOST_SELF
		   : strcmp(arg[1], "private") == 0    ? LATTICE_HOST_PRIVATE
		   : strcmp(arg[1], "attach") == 0     ? LATTICE_HOST_ATTACH
						       : LATTICE_HOST_AUTO;
	rc = lattice_node_open(&node, &cfg);
	answer(rc, NULL, "%u", (unsigned)lattice_node_number(node));
}

/* PATH COUNT: connections that say nothing. */
static void do_crowd(char **arg)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	long made = 0;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", arg[1]);
	for (long i = strtol(arg[2], NULL, 10); i > 0; i--) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		made += fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
	}
	answer(0, NULL, "%ld", made);
}

static void do_reload(char **arg)
{
	(void)arg;
	answer(lattice_node_reload(node), node, "0");
}

static void do_listen(char **arg)
{
	struct ear *e = ear(0);
	int32_t pid = (int32_t)strtol(arg[1], NULL, 10);
	int rc = lattice_endpoint_open(&e->ep, node, pid);

	if (rc == 0) {
		memset(e->from, 0, sizeof(e->from));
		e->pid = pid;
	}
	answer(rc, NULL, "%d", (int)pid);
}

static void do_serve_as(char **arg)
{
	struct ear *e = ear(0);
	int rc = lattice_endpoint_open_name(&e->ep, node, arg[1], (int32_t)strtol(arg[2], NULL, 10));

	if (rc == 0) {
		memset(e->from, 0, sizeof(e->from));
		e->pid = lattice_endpoint_pid(e->ep);
	}
	answer(rc, NULL, "%d", (int)e->pid);
}

static void do_find(char **arg)
{
	int32_t pid = 0;
	int rc = lattice_node_resolve(node, arg[1], number(arg[2]), &pid, ms(arg[3]));

	answer(rc, node, "%d", (int)pid);
}

static void do_join(char **arg)
{
	size_t slot = strtoul(arg[1], NULL, 10) % SLOTS;
	int rc = lattice_channel_open(&channels[slot].ch, node, (int32_t)strtol(arg[2], NULL, 10),
				      (int32_t)strtol(arg[3], NULL, 10), number(arg[4]), 0);

	channels[slot].sent = 0;
	answer(rc, NULL, "%zu", slot);
}

static void do_send(char **arg)
{
	size_t slot = strtoul(arg[1], NULL, 10) % SLOTS, bytes = strtoul(arg[3], NULL, 10);
	uint64_t count = strtoull(arg[2], NULL, 10), done = 0;
	int64_t timeout = ms(arg[4]);
	int rc = bytes < sizeof(uint64_t) || bytes > sizeof(buffer) ? -EINVAL : 0;

	for (; rc == 0 && done < count; done += rc == 0) {
		uint64_t number = channels[slot].sent + 1;

		memcpy(buffer, &number, sizeof(number));
		memset(buffer + sizeof(number), (int)(number & 0xff), bytes - sizeof(number));
		rc = lattice_channel_send(channels[slot].ch,
					  &(struct lattice_msg){ .type = 1, .data = buffer, .len = bytes },
					  timeout);
		channels[slot].sent += rc == 0;
	}
	answer(rc, channels[slot].ch, "%" PRIu64, done);
}

/* Each sender counts its messages from 1; their bytes repeat the number's last byte. */
static bool in_order(struct ear *e, const struct lattice_msg *msg)
{
	struct source *s = e->from;
	uint64_t number;

	while (s < e->from + SOURCES && s->pid != 0 && s->pid != msg->source)
		s++;
	if (s == e->from + SOURCES || msg->len < sizeof(number))
		return false;
	s->pid = msg->source;
	memcpy(&number, msg->data, sizeof(number));
	for (size_t i = sizeof(number); i < msg->len; i++)
		if (buffer[i] != (unsigned char)number)
			return false;
	if (number == 1) /* a channel that was opened again */
		s->next = 0;
	return number == ++s->next;
}

static void do_take(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	uint64_t count = strtoull(arg[2], NULL, 10), done = 0;
	int64_t timeout = ms(arg[3]);
	struct lattice_msg msg;
	int rc = e == NULL ? -EINVAL : 0;

	while (rc == 0 && done < count) {
		rc = lattice_endpoint_recv(e->ep, &msg, buffer, sizeof(buffer), timeout);
		if (rc == 0 && !in_order(e, &msg))
			rc = -EILSEQ;
		done += rc == 0;
	}
	answer(rc, e != NULL ? e->ep : NULL, "%" PRIu64, done);
}

static uint64_t counter(const char *name)
{
	struct lattice_stat stats[STATS];
	size_t count = lattice_node_stats(node, stats, STATS);

	for (size_t i = 0; i < count && i < STATS; i++)
		if (strcmp(stats[i].name, name) == 0)
			return stats[i].value;
	return UINT64_MAX;
}

static void do_drain(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	bool last = false, done = false;
	struct lattice_msg msg;
	uint64_t taken = 0;
	int rc = e == NULL ? -EINVAL : 0;

	while (rc == 0 && !done) {
		rc = lattice_endpoint_recv(e->ep, &msg, buffer, sizeof(buffer), last ? 0 : 1000000);
		if (rc == 0 && !in_order(e, &msg))
			rc = -EILSEQ;
		taken += rc == 0;
		if (rc == -ETIMEDOUT || rc == -ENOMSG) {
			done = last;
			last = counter("links.in") == 0;
			rc = 0;
		}
	}
	answer(rc, e != NULL ? e->ep : NULL, "%" PRIu64, taken);
}

static void do_hear(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	struct lattice_msg msg = { 0 };
	int rc = e == NULL ? -EINVAL : lattice_endpoint_recv(e->ep, &msg, buffer, sizeof(buffer), ms(arg[2]));

	answer(rc, e != NULL ? e->ep : NULL, "%d %.*s", (int)msg.source, rc == 0 ? (int)msg.len : 0,
	       (const char *)buffer);
}

static void do_say(char **arg)
{
	size_t slot = strtoul(arg[1], NULL, 10) % SLOTS;
	int rc = lattice_channel_send(channels[slot].ch,
				      &(struct lattice_msg){ .data = arg[2], .len = strlen(arg[2]) }, 0);

	answer(rc, channels[slot].ch, "%zu", slot);
}

/* As hear, but says with which badge it came. */
static void do_badge(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	struct lattice_msg msg = { 0 };
	int rc = e == NULL ? -EINVAL : lattice_endpoint_recv(e->ep, &msg, buffer, sizeof(buffer), ms(arg[2]));

	answer(rc, e != NULL ? e->ep : NULL, "%u", (unsigned)msg.badge);
}

/* Who receives here, as far as this process may know. */
static void do_graph(char **arg)
{
	struct lattice_graph *g;
	size_t silent = 0;
	int rc = lattice_graph_read(&g, node, LATTICE_FOREVER);

	(void)arg;
	for (size_t i = 0; rc == 0 && i < g->process_count; i++)
		silent += g->processes[i].silent;
	answer(rc, node, "%zu %zu", rc == 0 ? g->process_count : 0, silent);
	lattice_graph_free(g);
}

static void do_receivers(char **arg)
{
	struct lattice_receiver r = { 0 };
	char pids[LINE_ROOM] = "";
	size_t length = 0;
	int rc;

	(void)arg;
	while ((rc = lattice_node_receiver(node, r.pid, &r)) == 0 && length < sizeof(pids))
		length += (size_t)snprintf(pids + length, sizeof(pids) - length, "%d ", (int)r.pid);
	answer(rc == -ENOENT ? 0 : rc, node, "%s", pids);
}

/* CHANNEL LEN BYTE: a loan that is filled with it. */
static void do_lend(char **arg)
{
	struct lattice_channel *ch = channels[strtoul(arg[1], NULL, 10) % SLOTS].ch;
	size_t len = strtoul(arg[2], NULL, 10);
	struct lattice_block block;
	int rc = lattice_channel_loan(ch, len, &block, LATTICE_FOREVER);

	if (rc == 0) {
		memset(block.data, (int)strtol(arg[3], NULL, 10), len);
		rc = lattice_channel_publish(ch, &block, 0, len, LATTICE_FOREVER);
	}
	answer(rc, ch, "%zu", len);
}

/* PID FLAGS: the length and the last byte of a message that is taken, where it lies or not. */
static void do_borrow(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	struct lattice_endpoint *ep = e != NULL ? e->ep : NULL;
	struct lattice_hold hold;
	struct lattice_msg msg;
	int rc = lattice_endpoint_take(ep, &msg, &hold, (uint32_t)strtoul(arg[2], NULL, 10), LATTICE_FOREVER);

	size_t len = rc == 0 ? msg.len : 0;
	unsigned int last = len > 0 ? ((const unsigned char *)msg.data)[len - 1] : 0;

	if (rc == 0)
		lattice_endpoint_release(ep, &hold);
	answer(rc, ep, "%zu %u", len, last);
}

static void do_flush(char **arg)
{
	size_t slot = strtoul(arg[1], NULL, 10) % SLOTS;
	int rc = lattice_channel_flush(channels[slot].ch, ms(arg[2]));
	uint64_t received = 0, sent;
	char why[LINE_ROOM] = "";

	if (rc < 0)
		(void)lattice_explain(channels[slot].ch, rc, why, sizeof(why));
	sent = lattice_channel_sent(channels[slot].ch, &received);
	printf("%s %" PRIu64 " %" PRIu64 " : %s\n", lattice_error_name(rc), sent, received, why);
	(void)fflush(stdout);
}

static void do_part(char **arg)
{
	size_t slot = strtoul(arg[1], NULL, 10) % SLOTS;

	lattice_channel_close(channels[slot].ch);
	channels[slot].ch = NULL;
	answer(0, NULL, "%zu", slot);
}

static void do_deaf(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));

	if (e != NULL) {
		lattice_endpoint_close(e->ep);
		*e = (struct ear){ 0 };
	}
	answer(0, NULL, "%s", arg[1]);
}

static void do_stat(char **arg)
{
	uint64_t value = counter(arg[1]);

	if (value == UINT64_MAX)
		answer(-ENOENT, NULL, "0");
	else
		answer(0, NULL, "%" PRIu64, value);
}

static void do_short(char **arg)
{
	int32_t a = arg[2] != NULL ? (int32_t)strtol(arg[2], NULL, 10) : 0;
	int32_t b = arg[2] != NULL && arg[3] != NULL ? (int32_t)strtol(arg[3], NULL, 10) : 0;
	struct lattice_message m = { 0 };
	int rc = 0;

	if (strcmp(arg[1], "listen") == 0) {
		rc = lattice_listen(a);
	} else if (strcmp(arg[1], "connect") == 0) {
		rc = lattice_connect(a, b, number(arg[4]));
	} else if (strcmp(arg[1], "send") == 0) {
		m.m_type = arg[4] != NULL ? (int32_t)strtol(arg[4], NULL, 10) : 0;
		rc = lattice_send(a, b, &m, 0);
	} else if (strcmp(arg[1], "recv") == 0) {
		do
			rc = lattice_recv(a, &m, 0);
		while (rc == -ETIMEDOUT);
	} else {
		lattice_net_shutdown();
	}
	answer(rc, NULL, "%d %d", (int)m.m_type, (int)m.m_source);
}

static void do_host(char **arg)
{
	struct lattice_node_host host = { 0 };
	int rc = lattice_node_host(node, &host);

	(void)arg;
	answer(rc, node, "%d", (int)host.process);
}

static void do_close(char **arg)
{
	(void)arg;
	for (size_t i = 0; i < SLOTS; i++) {
		lattice_channel_close(channels[i].ch);
		channels[i].ch = NULL;
		lattice_endpoint_close(ears[i].ep);
		ears[i] = (struct ear){ 0 };
	}
	lattice_node_close(node);
	node = NULL;
	answer(0, NULL, "closed");
}

/* How many descriptors this process has. */
static void do_fds(char **arg)
{
	DIR *d = opendir("/proc/self/fd");
	int count = -3; /* ".", "..", and that of the list itself */

	(void)arg;
	while (d != NULL && readdir(d) != NULL)
		count++;
	if (d != NULL)
		(void)closedir(d);
	answer(0, NULL, "%d", count);
}

/* A child that stays, and does nothing. */
static void do_fork(char **arg)
{
	pid_t child = fork();

	(void)arg;
	if (child == 0) {
		struct lattice_endpoint *ep;
		int rc = lattice_endpoint_open(&ep, node, 4711);

		answer(0, NULL, "%ld %s", (long)getpid(), lattice_error_name(rc));
		for (;;)
			(void)pause();
	}
}

static void do_call(char **arg)
{
	size_t slot = strtoul(arg[1], NULL, 10) % SLOTS, bytes = strtoul(arg[2], NULL, 10) % MESSAGE_MAX;
	struct lattice_msg reply = { 0 };
	int rc;

	for (size_t i = 0; i < bytes; i++)
		buffer[i] = (unsigned char)(i * 7 + bytes);
	rc = lattice_channel_call(channels[slot].ch,
				  &(struct lattice_msg){ .type = 5, .data = buffer, .len = bytes }, &reply,
				  reply_buffer, sizeof(reply_buffer), ms(arg[3]));
	for (size_t i = 0; i < bytes && rc == 0; i++)
		if (reply_buffer[i] != (unsigned char)(buffer[i] + 1))
			rc = -EBADMSG;
	if (rc == 0 && (reply.len != bytes || reply.type != 6))
		rc = -EBADMSG;
	answer(rc, channels[slot].ch, "%zu", reply.len);
}

/* Receives a call into buffer. */
static int take_call(const struct ear *e, int64_t timeout)
{
	int rc = lattice_endpoint_recv(e->ep, &kept, buffer, sizeof(buffer), timeout);

	return rc == 0 && kept.call == 0 ? -EBADMSG : rc;
}

static int answer_call(const struct ear *e, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		reply_buffer[i] = (unsigned char)(buffer[i] + 1);
	return lattice_endpoint_reply(e->ep, &kept,
				      &(struct lattice_msg){
					      .type = kept.type + 1, .data = reply_buffer, .len = bytes });
}

static void do_serve(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	uint64_t count = strtoull(arg[2], NULL, 10), done = 0;
	int rc = e == NULL ? -EINVAL : 0;

	for (; rc == 0 && done < count; done += rc == 0) {
		rc = take_call(e, ms(arg[3]));
		if (rc == 0)
			rc = answer_call(e, kept.len);
	}
	answer(rc, e == NULL ? NULL : e->ep, "%" PRIu64, done);
}

static void do_keep(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	int rc = e == NULL ? -EINVAL : take_call(e, ms(arg[2]));

	answer(rc, e == NULL ? NULL : e->ep, "%zu", kept.len);
}

static void in_task(void *arg);

static void do_task(char **arg)
{
	struct lattice_sched *s;
	int rc = lattice_sched_open(&s);

	if (rc == 0)
		rc = lattice_task_spawn(s, 0, in_task, arg + 1, 0);
	if (rc == 0)
		rc = lattice_sched_run(s);
	if (rc < 0)
		printf("? task: %d\n", rc);
	if (rc == 0)
		(void)lattice_sched_close(s);
}

static void do_reply(char **arg)
{
	struct ear *e = ear((int32_t)strtol(arg[1], NULL, 10));
	size_t bytes = strtoul(arg[2], NULL, 10) % MESSAGE_MAX;
	int rc = e == NULL ? -EINVAL : answer_call(e, bytes);

	answer(rc, e == NULL ? NULL : e->ep, "%zu", bytes);
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **arg);
} commands[] = {
	{ "open", 1, do_open },         { "listen", 1, do_listen }, { "deaf", 1, do_deaf },
	{ "join", 3, do_join },         { "part", 1, do_part },     { "send", 4, do_send },
	{ "take", 3, do_take },         { "say", 2, do_say },       { "hear", 2, do_hear },
	{ "flush", 2, do_flush },       { "stat", 1, do_stat },     { "close", 0, do_close },
	{ "fds", 0, do_fds },           { "fork", 0, do_fork },     { "drain", 1, do_drain },
	{ "host", 0, do_host },         { "short", 1, do_short },   { "lend", 3, do_lend },
	{ "borrow", 2, do_borrow },     { "call", 3, do_call },     { "serve", 3, do_serve },
	{ "serve_as", 2, do_serve_as }, { "find", 3, do_find },     { "keep", 2, do_keep },
	{ "reply", 2, do_reply },       { "task", 3, do_task },     { "reload", 0, do_reload },
	{ "crowd", 2, do_crowd },       { "badge", 2, do_badge },   { "receivers", 0, do_receivers },
	{ "graph", 0, do_graph },
};

static void in_task(void *arg)
{
	char **words = arg;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, words[0]) == 0)
			commands[i].run(words);
}

static void print_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%d: %d %s\n", (int)getpid(), level, text);
}

int main(void)
{
	char line[LINE_ROOM];

	lattice_log_set(print_log, NULL);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *arg[8] = { NULL }, *rest = NULL;
		size_t count = 0, i = 0;

		line[strcspn(line, "\n")] = '\0';
		for (char *word = strtok_r(line, " ", &rest); word != NULL && count < 7;
		     word = strtok_r(NULL, " ", &rest))
			arg[count++] = word;
		if (count > 0 && strcmp(arg[0], "quit") == 0)
			break;
		while (i < sizeof(commands) / sizeof(commands[0]) &&
		       (count == 0 || strcmp(commands[i].name, arg[0]) != 0))
			i++;
		if (i == sizeof(commands) / sizeof(commands[0]) || (int)count <= commands[i].args) {
			printf("? %s\n", line);
			(void)fflush(stdout);
			continue;
		}
		commands[i].run(arg);
	}
	lattice_node_close(node);
	return 0;
}
