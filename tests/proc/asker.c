/*
 * asker: a process that holds capabilities, and does with them what it is told: a line of standard input at a time, each answered with a
 * line: the result, what else there is to say, and after " : " the library's sentence if it failed. CAP is a capability's text, "-" none.
 *
 *   open attach|self NUMBER [PORT POLICY]
 *   hear PID [NAME]                            a thread receives there, and answers calls
 *   heard                                      -> 0 TYPE:COUNT...   what the threads have received
 *   listen PID                                 an endpoint, closed at once
 *   grant DST RIGHTS bearer|uid:N|HEX [USES EXPIRES BYTES RATE]     -> 0 CAP
 *   derive CAP RIGHTS bearer|uid:N|HEX [USES EXPIRES BYTES RATE]    -> 0 CAP
 *   narrow CAP RIGHTS [BYTES RATE EXPIRES]     -> 0 CAP
 *   revoke CAP | forget uid:N|HEX              by its life; all of a holder's
 *   join SLOT SRC DST NODE CAP | part SLOT
 *   send SLOT TYPE BYTES | call SLOT TYPE      until it has arrived, or is refused
 *   flood SLOT TYPE COUNT MS                   without waiting, until one is refused; and waits so long for the receiver    -> RC SENT
 *   wear SLOT TYPE SECONDS                     sends for as long as it may, at most until that second since 1970
 *   find NAME NODE                             -> 0 PID
 *   reload | stat NAME | quit
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lattice/lattice.h>

enum {
	SLOTS = 4096,
	EARS = 64,
	TYPES = 1 << 17,
	LINE_ROOM = 2048,
	MESSAGE_MAX = 1 << 18,
	WORDS = 12,
	STATS = 512
};

#define PATIENCE (INT64_C(120) * 1000000000)

static struct lattice_node *node;
static struct lattice_channel *channels[SLOTS];
static struct lattice_endpoint *ears[EARS];
static size_t ear_count;
static unsigned char message[MESSAGE_MAX];

static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned heard[TYPES];

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

static int32_t pid_of(const char *text)
{
	return (int32_t)strtol(text, NULL, 10);
}

static uint64_t number(const char *text)
{
	return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static void do_open(char **arg)
{
	struct lattice_node_config cfg = { .node_id = (lattice_node_id)number(arg[2]),
					   .port = LATTICE_PORT_ANY,
					   .bind_host = "127.0.0.1",
					   .allow_unlocked_keys = true };

	if (arg[3] != NULL) {
		cfg.port = (int)number(arg[3]);
		cfg.policy_file = arg[4];
	}
	cfg.host = strcmp(arg[1], "self") == 0 ? LATTICE_HOST_SELF : LATTICE_HOST_ATTACH;
	answer(lattice_node_open(&node, &cfg), NULL, "-");
}

/* Until the endpoint is closed. */
static void *hear(void *arg)
{
	struct lattice_endpoint *ep = arg;
	unsigned char *buf = malloc(MESSAGE_MAX);
	struct lattice_msg msg;

	(void)pthread_detach(pthread_self());
	while (buf != NULL && lattice_endpoint_recv(ep, &msg, buf, MESSAGE_MAX, LATTICE_FOREVER) == 0) {
		const struct lattice_msg reply = { .type = msg.type, .data = "yes", .len = 3 };

		if (msg.call != 0 && lattice_endpoint_reply(ep, &msg, &reply) < 0)
			break;
		pthread_mutex_lock(&heard_lock);
		if (msg.type >= 0 && msg.type < TYPES)
			heard[msg.type]++;
		pthread_mutex_unlock(&heard_lock);
	}
	free(buf);
	return NULL;
}

static void do_hear(char **arg)
{
	pthread_t thread;
	int rc = ear_count == EARS ? -ENOBUFS
		 : arg[2] != NULL ? lattice_endpoint_open_name(&ears[ear_count], node, arg[2], pid_of(arg[1]))
				  : lattice_endpoint_open(&ears[ear_count], node, pid_of(arg[1]));

	if (rc == 0)
		rc = -pthread_create(&thread, NULL, hear, ears[ear_count]);
	if (rc == 0)
		ear_count++;
	answer(rc, node, "-");
}

static void do_heard(char **arg)
{
	(void)arg;
	printf("0");
	pthread_mutex_lock(&heard_lock);
	for (int i = 0; i < TYPES; i++)
		if (heard[i] != 0)
			printf(" %d:%u", i, heard[i]);
	pthread_mutex_unlock(&heard_lock);
	putchar('\n');
	(void)fflush(stdout);
}

static void do_listen(char **arg)
{
	struct lattice_endpoint *ep;
	int rc = lattice_endpoint_open(&ep, node, pid_of(arg[1]));

	answer(rc, NULL, "-");
	lattice_endpoint_close(ep);
}

/* ---- capabilities ---- */

static int take_cap(struct lattice_cap **out, const char *text)
{
	*out = NULL;
	return strcmp(text, "-") == 0 ? 0 : lattice_cap_parse(out, text, strlen(text));
}

static void give_cap(int rc, struct lattice_cap *cap)
{
	char text[LATTICE_CAP_TEXT_MAX] = "-";

	if (rc == 0 && lattice_cap_text(cap, text, sizeof(text)) < 0)
		rc = -EPERM;
	answer(rc, node, "%s", text);
	lattice_cap_free(cap);
}

static uint32_t read_rights(char *text)
{
	uint32_t rights = 0;
	char *rest = NULL;

	for (char *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest))
		rights |= lattice_right_of(word);
	return rights;
}

static void read_holder(struct lattice_cap_terms *terms, const char *text)
{
	unsigned byte;

	terms->bearer = strcmp(text, "bearer") == 0;
	if (strncmp(text, "uid:", 4) == 0)
		lattice_cap_holder_user(terms->holder, (uint32_t)number(text + 4));
	else if (!terms->bearer)
		for (size_t i = 0; i < LATTICE_CAP_HOLDER_BYTES && sscanf(text + 2 * i, "%2x", &byte) == 1;
		     i++)
			terms->holder[i] = (uint8_t)byte;
}

static struct lattice_cap_terms read_terms(char **arg)
{
	struct lattice_cap_terms terms = { .rights = read_rights(arg[2]) };

	read_holder(&terms, arg[3]);
	for (size_t i = 4; i < WORDS && arg[i] != NULL; i++) {
		uint64_t n = number(arg[i]);

		terms.uses = i == 4 ? n : terms.uses;
		terms.expires = i == 5 ? n : terms.expires;
		terms.max_msg_bytes = i == 6 ? (uint32_t)n : terms.max_msg_bytes;
		terms.rate_per_s = i == 7 ? (uint32_t)n : terms.rate_per_s;
	}
	return terms;
}

static void do_grant(char **arg)
{
	struct lattice_cap_terms terms = read_terms(arg);
	struct lattice_cap *cap = NULL;
	int rc;

	terms.dst = pid_of(arg[1]);
	rc = lattice_cap_grant(&cap, node, &terms);
	give_cap(rc, cap);
}

static void do_derive(char **arg)
{
	struct lattice_cap_terms terms = read_terms(arg);
	struct lattice_cap *parent, *cap = NULL;
	int rc = take_cap(&parent, arg[1]);

	if (rc == 0)
		rc = lattice_cap_derive(&cap, node, parent, &terms);
	give_cap(rc, cap);
	lattice_cap_free(parent);
}

static void do_narrow(char **arg)
{
	struct lattice_cap_terms terms = { .rights = read_rights(arg[2]) };
	struct lattice_cap *parent, *cap = NULL;
	int rc = take_cap(&parent, arg[1]);

	for (size_t i = 3; i < WORDS && arg[i] != NULL; i++) {
		terms.max_msg_bytes = i == 3 ? (uint32_t)number(arg[i]) : terms.max_msg_bytes;
		terms.rate_per_s = i == 4 ? (uint32_t)number(arg[i]) : terms.rate_per_s;
		terms.expires = i == 5 ? number(arg[i]) : terms.expires;
	}
	if (rc == 0)
		rc = lattice_cap_attenuate(&cap, parent, &terms);
	give_cap(rc, cap);
	lattice_cap_free(parent);
}

static void do_revoke(char **arg)
{
	struct lattice_cap_info info = { 0 };
	struct lattice_cap *cap;
	int rc = take_cap(&cap, arg[1]);

	if (rc == 0)
		rc = lattice_cap_info(cap, &info);
	if (rc == 0)
		rc = lattice_cap_revoke(node, info.slot, info.gen, NULL, PATIENCE);
	lattice_cap_free(cap);
	answer(rc, node, "-");
}

static void do_forget(char **arg)
{
	struct lattice_cap_terms terms = { 0 };

	read_holder(&terms, arg[1]);
	answer(lattice_cap_revoke_holder(node, terms.holder, NULL, PATIENCE), node, "-");
}

/* ---- channels ---- */

static struct lattice_channel **slot(const char *text)
{
	return &channels[number(text) % SLOTS];
}

static void do_join(char **arg)
{
	struct lattice_channel **ch = slot(arg[1]);
	lattice_node_id to = (lattice_node_id)number(arg[4]);
	struct lattice_cap *cap;
	int rc = take_cap(&cap, arg[5]);

	if (rc == 0 && cap != NULL)
		rc = lattice_channel_open_cap(ch, node, pid_of(arg[2]), pid_of(arg[3]), to, 0, cap);
	else if (rc == 0)
		rc = lattice_channel_open(ch, node, pid_of(arg[2]), pid_of(arg[3]), to, 0);
	lattice_cap_free(cap);
	answer(rc, NULL, "-");
}

static void do_part(char **arg)
{
	struct lattice_channel **ch = slot(arg[1]);

	lattice_channel_close(*ch);
	*ch = NULL;
	answer(0, NULL, "-");
}

static int send_one(struct lattice_channel *ch, int32_t type, size_t bytes, int64_t timeout_ns)
{
	return lattice_channel_send(ch, &(struct lattice_msg){ .type = type, .data = message, .len = bytes },
				    timeout_ns);
}

static void do_send(char **arg)
{
	struct lattice_channel *ch = *slot(arg[1]);
	size_t bytes = (size_t)number(arg[3]);
	int rc = bytes > MESSAGE_MAX ? -EINVAL : send_one(ch, pid_of(arg[2]), bytes, PATIENCE);

	if (rc == 0)
		rc = lattice_channel_flush(ch, PATIENCE);
	answer(rc, ch, "-");
}

static void do_call(char **arg)
{
	struct lattice_channel *ch = *slot(arg[1]);
	struct lattice_msg reply = { 0 };
	char buf[16];
	int rc = lattice_channel_call(ch,
				      &(struct lattice_msg){ .type = pid_of(arg[2]), .data = "?", .len = 1 },
				      &reply, buf, sizeof(buf), PATIENCE);

	if (rc == 0 && (reply.len != 3 || memcmp(buf, "yes", 3) != 0))
		rc = -EBADMSG;
	answer(rc, ch, "-");
}

static void do_flood(char **arg)
{
	struct lattice_channel *ch = *slot(arg[1]);
	uint64_t count = number(arg[3]), sent = 0;
	int rc = 0;

	for (; sent < count && rc == 0; sent += rc == 0)
		rc = send_one(ch, pid_of(arg[2]), 8, 0);
	if (rc == 0)
		rc = lattice_channel_flush(ch, (int64_t)number(arg[4]) * 1000000);
	answer(rc, ch, "%" PRIu64, sent);
}

static void do_wear(char **arg)
{
	struct lattice_channel *ch = *slot(arg[1]);
	uint64_t end = number(arg[3]);
	int rc;

	do {
		rc = send_one(ch, pid_of(arg[2]), 8, PATIENCE);
		if (rc == 0)
			rc = lattice_channel_flush(ch, PATIENCE);
	} while (rc == 0 && (uint64_t)time(NULL) < end);
	answer(rc, ch, "-");
}

static void do_find(char **arg)
{
	int32_t pid = 0;
	int rc = lattice_node_resolve(node, arg[1], (lattice_node_id)number(arg[2]), &pid, PATIENCE);

	answer(rc, node, "%" PRId32, pid);
}

static void do_reload(char **arg)
{
	(void)arg;
	answer(lattice_node_reload(node), node, "-");
}

static void do_stat(char **arg)
{
	struct lattice_stat stats[STATS];
	size_t count = lattice_node_stats(node, stats, STATS), i = 0;

	while (i < count && i < STATS && strcmp(stats[i].name, arg[1]) != 0)
		i++;
	answer(i < count && i < STATS ? 0 : -ENOENT, NULL, "%" PRIu64,
	       i < count && i < STATS ? stats[i].value : 0);
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **arg);
} commands[] = {
	{ "open", 2, do_open },     { "hear", 1, do_hear },     { "heard", 0, do_heard },
	{ "listen", 1, do_listen }, { "grant", 3, do_grant },   { "derive", 3, do_derive },
	{ "narrow", 2, do_narrow }, { "revoke", 1, do_revoke }, { "forget", 1, do_forget },
	{ "join", 5, do_join },     { "part", 1, do_part },     { "send", 3, do_send },
	{ "call", 2, do_call },     { "flood", 4, do_flood },   { "wear", 3, do_wear },
	{ "find", 2, do_find },     { "reload", 0, do_reload }, { "stat", 1, do_stat },
};

static void obey(char *line)
{
	char *arg[WORDS + 1] = { NULL }, *rest = NULL;
	size_t count = 0, i = 0;

	for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < WORDS;
	     word = strtok_r(NULL, " \n", &rest))
		arg[count++] = word;
	while (i < sizeof(commands) / sizeof(commands[0]) &&
	       (count == 0 || strcmp(commands[i].name, arg[0]) != 0))
		i++;
	if (i < sizeof(commands) / sizeof(commands[0]) && (int)count > commands[i].args) {
		commands[i].run(arg);
	} else {
		printf("? %s\n", count > 0 ? arg[0] : "");
		(void)fflush(stdout);
	}
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
	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "quit\n") != 0)
		obey(line);
	(void)fflush(stdout);
	_exit(0); /* its threads receive still */
}
