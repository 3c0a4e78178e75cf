/* lattice send: a text, lines or a file to a pid. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lattice/cap.h>
#include <lattice/channel.h>
#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/capability.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/target.h"
#include "cli/transfer.h"

#define TIMEOUT_DEFAULT_NS (INT64_C(10) * 1000000000)

struct sender {
	uint64_t messages, bytes; /* of the caller's: a file's bytes, not its frames */
	struct lattice_channel *channel;
	const struct cli_target *target;
	int64_t timeout_ns;
};

static int send_one(struct sender *s, int32_t type, const void *data, size_t length)
{
	const struct lattice_msg msg = { .type = type, .data = data, .len = length };
	int rc = lattice_channel_send(s->channel, &msg, s->timeout_ns);

	if (rc < 0)
		return cli_fail(s->channel, rc, "to %s", s->target->label);
	return CLI_OK;
}

static int send_text(struct sender *s, int32_t type, const char *text)
{
	int status = send_one(s, type, text, strlen(text));

	s->messages = status == CLI_OK;
	s->bytes = status == CLI_OK ? strlen(text) : 0;
	return status;
}

static int send_lines(struct sender *s, int32_t type)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int status = CLI_OK;

	while (status == CLI_OK && (length = getline(&line, &room, stdin)) >= 0) {
		if (length > 0 && line[length - 1] == '\n')
			length--;
		status = send_one(s, type, line, (size_t)length);
		s->messages += status == CLI_OK;
		s->bytes += status == CLI_OK ? (uint64_t)length : 0;
	}
	if (status == CLI_OK && ferror(stdin))
		status = cli_complain("standard input cannot be read: %s", strerror(errno));
	free(line);
	return status;
}

/*
 * The receiver need not wait for more; when even this fails it will find out by itself. @reached: the channel has not failed,
 * so it is worth the wait.
 */
static void give_up(struct sender *s, bool reached)
{
	const struct lattice_msg abort = { .type = FILE_ABORT };
	int64_t wait_ns = reached ? s->timeout_ns : 0;

	if (lattice_channel_send(s->channel, &abort, wait_ns) == 0)
		(void)!lattice_channel_flush(s->channel, wait_ns);
}

static int send_file_body(struct sender *s, int fd, const char *path, uint64_t total)
{
	struct file_progress progress = { .verb = "sent" };
	uint8_t begin[FILE_BEGIN_LEN] = { FILE_VERSION }, end[FILE_END_LEN];
	uint8_t *chunk = malloc(FILE_DATA_HEAD + FILE_CHUNK);
	uint64_t done = 0;
	ssize_t n = 0;
	bool reached;
	int status;

	if (chunk == NULL)
		return cli_complain("out of memory");
	file_put_u64(begin + 1, total);
	status = send_one(s, FILE_BEGIN, begin, sizeof(begin));
	while (status == CLI_OK) {
		n = read(fd, chunk + FILE_DATA_HEAD, FILE_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		file_put_u64(chunk, done);
		status = send_one(s, FILE_DATA, chunk, FILE_DATA_HEAD + (size_t)n);
		done += (uint64_t)n;
		s->bytes = done;
		file_progress_show(&progress, done, total);
	}
	file_progress_end(&progress);
	reached = status == CLI_OK;
	if (status == CLI_OK && n < 0)
		status = cli_complain("%s: %s; the transfer was given up", path, strerror(errno));
	else if (status == CLI_OK && total != FILE_TOTAL_UNKNOWN && done != total)
		status = cli_complain("%s changed while it was sent; the transfer was given up", path);
	else if (status == CLI_OK) {
		file_put_u64(end, done);
		status = send_one(s, FILE_END, end, sizeof(end));
		free(chunk);
		return status;
	}
	free(chunk);
	give_up(s, reached);
	return status;
}

/* Until all of it is acknowledged. A slow way to there is none that is broken: the wait begins anew when something was. */
static int flush_all(struct sender *s)
{
	uint64_t before, received = 0;
	int rc;

	(void)lattice_channel_sent(s->channel, &received);
	do {
		before = received;
		rc = lattice_channel_flush(s->channel, s->timeout_ns);
		(void)lattice_channel_sent(s->channel, &received);
	} while (rc == -ETIMEDOUT && received > before);
	return rc;
}

static int send_file(struct sender *s, int fd, const char *path)
{
	struct stat st;
	uint64_t total = FILE_TOTAL_UNKNOWN;

	/* The kernel's own files have a length of 0, and something in them. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && fd != STDIN_FILENO)
		total = (uint64_t)st.st_size;
	return send_file_body(s, fd, path, total);
}

/* What holds a capability need not be told which pid a service is: the right says it. */
static void by_capability(struct cli_target *t, const struct lattice_cap *cap)
{
	struct lattice_cap_info info = { 0 };

	if (lattice_cap_info(cap, &info) == 0 && t->service[0] != '\0')
		t->pid = info.dst;
}

static int open_channel(struct sender *s, struct lattice_node *node, const struct lattice_cap *cap,
			int32_t from)
{
	const struct cli_target *t = s->target;

	if (cap == NULL)
		return lattice_channel_open(&s->channel, node, from, t->pid, t->node, 0);
	return lattice_channel_open_cap(&s->channel, node, from, t->pid, t->node, 0, cap);
}

/* Standard input is one thing only. */
static bool reads_twice(const struct cli_options *opt, bool lines)
{
	return opt->capability != NULL && strcmp(opt->capability, "-") == 0 &&
	       (lines || (opt->file != NULL && strcmp(opt->file, "-") == 0));
}

static int run_send(const struct cli_options *opt, int argc, char **argv)
{
	struct cli_target target;
	struct sender s = { .target = &target,
			    .timeout_ns = opt->timeout_ns == CLI_UNSET ? TIMEOUT_DEFAULT_NS
								       : opt->timeout_ns };
	struct lattice_node *node = NULL;
	struct lattice_cap *cap = NULL;
	bool lines = argc == 2;
	int32_t type = opt->type == CLI_UNSET ? 0 : (int32_t)opt->type;
	int32_t from = opt->from == CLI_UNSET ? 1 : (int32_t)opt->from;
	int status, rc, fd = -1;

	if (lines && strcmp(argv[1], "-") != 0)
		return cli_usage("'%s' is too much: a text is given by -m", argv[1]);
	if ((opt->text != NULL) + (opt->file != NULL) + lines != 1)
		return cli_usage("one of -m TEXT, -f FILE and - says what to send");
	if (reads_twice(opt, lines))
		return cli_usage("standard input cannot be both the capability and what is sent");
	if (type >= FILE_BEGIN && type <= FILE_ABORT)
		return cli_usage("--type %" PRId32 " is how files are sent", type);
	status = cli_target_parse(&target, opt, argv[0], false);
	if (status != CLI_OK)
		return status;
	if (opt->file != NULL && strcmp(opt->file, "-") == 0) {
		fd = STDIN_FILENO;
	} else if (opt->file != NULL) {
		fd = open(opt->file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return cli_complain("%s: %s", opt->file, strerror(errno));
	}

	if (opt->capability != NULL)
		status = cli_capability_read(opt->capability, &cap);
	if (status == CLI_OK)
		status = target.node == 0 ? cli_node_meet(&node) : cli_node_send(&node, opt);
	if (status == CLI_OK && target.node != 0 && target.node != lattice_node_number(node))
		status = cli_node_reach(node, opt, &target);
	if (status == CLI_OK && cap != NULL)
		by_capability(&target, cap);
	else if (status == CLI_OK)
		status = cli_target_find(&target, node, s.timeout_ns);
	if (status != CLI_OK)
		goto out;
	rc = open_channel(&s, node, cap, from);
	if (rc == -EACCES && cap == NULL &&
	    opt->from == CLI_UNSET) /* somebody receives as that pid, and nobody asked for it */
		rc = lattice_channel_open(&s.channel, node, (int32_t)getpid(), target.pid, target.node, 0);
	if (rc < 0) {
		status = cli_fail(NULL, rc, "to %s", target.label);
		goto out;
	}
	if (opt->text != NULL)
		status = send_text(&s, type, opt->text);
	else if (lines)
		status = send_lines(&s, type);
	else
		status = send_file(&s, fd, opt->file);
	if (status == CLI_OK) {
		rc = flush_all(&s);
		if (rc < 0)
			status = cli_fail(s.channel, rc, "to %s: it is not known that all of it arrived",
					  target.label);
	}
	if (status == CLI_OK && opt->json)
		printf("{\"node\": %" PRIu32 ", \"pid\": %" PRId32 ", \"%s\": %" PRIu64
		       ", \"bytes\": %" PRIu64 "}\n",
		       target.node != 0 ? target.node : lattice_node_number(node), target.pid,
		       opt->file != NULL ? "files" : "messages", opt->file != NULL ? 1 : s.messages, s.bytes);
	cli_stats_print(opt, node);
out:
	if (fd >= 0 && fd != STDIN_FILENO)
		close(fd);
	lattice_channel_close(s.channel);
	lattice_node_close(node);
	lattice_cap_free(cap);
	return status;
}

const struct cli_command cli_send = {
	.name = "send",
	.args = "TARGET -m TEXT | -f FILE | -",
	.summary = "send a text, lines or a file",
	.text = "TARGET is PID@NODE: the receiver's pid, or the name of its service ('lattice recv NAME'), and its node by\n"
		"number, by name, or by HOST:PORT, which is looked\n"
		"for among the known nodes' addresses; with --key FILE the node need not be known. A lone PID or service is one of this\n"
		"machine's node, in whatever process of this user. With - each line of standard input is a message.\n"
		"Ends when the other node has acknowledged everything. The port is one that the kernel chooses, unless\n"
		"--port says which. The longest wait is 10 s, for the session, for each message and, at the end, for each\n"
		"acknowledgement; --timeout says otherwise. With --cap it goes by that capability\n"
		"(-: from standard input). A file's progress is shown on a terminal.",
	.options = (const int[]){ OPT_TEXT, OPT_FILE, OPT_CAPABILITY, OPT_FROM, OPT_TYPE, OPT_TIMEOUT,
				  OPT_JSON, OPT_STATS, OPT_DIR, OPT_AT, OPT_UDP, OPT_TCP, OPT_KEY_FILE,
				  OPT_PORT, OPT_BIND, OPT_UNLOCKED, OPT_VERBOSE, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 2,
	.run = run_send,
};
