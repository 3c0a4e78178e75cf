/* lattice recv: messages of a pid to standard output, files to files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lattice/endpoint.h>
#include <lattice/error.h>
#include <lattice/node.h>

#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/losses.h"
#include "cli/options.h"
#include "cli/target.h"
#include "cli/transfer.h"

/* A file of which nothing more comes for this long has broken off, unless --timeout says another time. */
#define STALL_NS (INT64_C(30) * 1000000000)

enum {
	BUFFER_FIRST = 64 * 1024,
	PATH_ROOM = PATH_MAX,
	LOOK_EVERY = 64,
	LAST_MAX = 65536, /* messages that are taken after a signal: more than wait, if senders do not stop */
};

/* The file that is being received; one at a time. */
struct incoming {
	bool active;
	lattice_node_id node;
	int32_t source;
	uint64_t total, done;
	int fd;                                     /* -1: to standard output */
	char path[PATH_ROOM], temporary[PATH_ROOM]; /* empty: to standard output */
	int64_t heard_ns;                           /* when the last of it came */
	struct file_progress progress;
};

struct receiver {
	const struct cli_options *opt;
	struct lattice_endpoint *endpoint;
	struct incoming file;
	uint64_t messages, files;
	struct losses losses;
	bool terminal;
	int signals;
	bool ending;             /* a signal came */
	unsigned unlooked, last; /* messages since signals were looked for, and after one came */
};

/* Neither a terminal's escape codes nor anything else that a sender could move the cursor with. */
static void print_tame(const unsigned char *text, size_t bytes)
{
	while (bytes > 0) {
		uint32_t code = 0;
		size_t length = cli_utf8_char(text, bytes, &code);

		if (length == 0 ||
		    cli_is_control(code)) /* to a terminal without UTF-8 a lone byte may be a control */
			putchar('?');
		else
			(void)fwrite(text, 1, length, stdout);
		length += length == 0;
		text += length;
		bytes -= length;
	}
}

static void show_json(const struct lattice_msg *msg)
{
	printf("{\"source\": %" PRId32 ", \"node\": %" PRIu32 ", \"type\": %" PRId32 ", \"seq\": %" PRIu64
	       ", \"lost\": %" PRIu64 ", ",
	       msg->source, msg->node, msg->type, msg->seq, msg->lost);
	if (cli_is_utf8(msg->data, msg->len)) {
		printf("\"text\": ");
		cli_json_bytes(stdout, msg->data, msg->len);
	} else {
		printf("\"base64\": ");
		cli_json_base64(stdout, msg->data, msg->len);
	}
	putchar('}');
}

/* What a channel that may lose has lost, when it has become more. */
static void tell_lost(struct receiver *r, const struct lattice_msg *msg)
{
	if (losses_note(&r->losses, msg->node, msg->source, msg->lost))
		(void)cli_complain("%" PRIu64 " messages from %" PRId32 "@%" PRIu32 " were lost", msg->lost,
				   msg->source, msg->node);
}

static int show(struct receiver *r, const struct lattice_msg *msg)
{
	tell_lost(r, msg);
	if (r->opt->json) {
		show_json(msg);
	} else if (r->terminal) {
		printf("%" PRId32 "@%" PRIu32, msg->source, msg->node);
		if (msg->type != 0)
			printf(" (type %" PRId32 ")", msg->type);
		printf(": ");
		print_tame(msg->data, msg->len);
	} else {
		(void)fwrite(msg->data, 1, msg->len, stdout);
	}
	putchar('\n');
	r->messages++;
	return CLI_OK;
}

static int write_all(int fd, const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static void file_drop(struct incoming *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->temporary[0] != '\0')
		(void)unlink(f->temporary);
	f->fd = -1;
	f->temporary[0] = '\0';
	f->active = false;
	file_progress_end(&f->progress);
}

static int broke_off(struct incoming *f, const char *why)
{
	file_progress_end(&f->progress);
	(void)cli_complain("the file from %" PRId32 "@%" PRIu32 " broke off after %" PRIu64 " bytes: %s%s",
			   f->source, f->node, f->done, why,
			   f->path[0] != '\0' ? "; nothing of it was kept" : "");
	file_drop(f);
	return CLI_FAILED;
}

/* A file is replaced. A device, a pipe or a link is not: it would be gone, and be a file. */
static int check_output(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
		return CLI_OK;
	return cli_complain("%s is there and is no regular file; without -o a file goes to standard output",
			    path);
}

/* Said before anything is received: where it is to lie there is a folder, and one that may be written to. */
static int check_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_ROOM] = ".";

	if (slash != NULL)
		(void)snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path), path);
	if (access(folder, W_OK | X_OK) == 0)
		return CLI_OK;
	return cli_complain("%s cannot be written: %s", path, strerror(errno));
}

/* A temporary file beside the one that it will become, so that rename(2) replaces it at once. */
static int file_create(struct receiver *r, struct incoming *f)
{
	mode_t mask = umask(0);
	int n;

	(void)umask(mask);
	n = r->files == 0 ? snprintf(f->path, sizeof(f->path), "%s", r->opt->output)
			  : snprintf(f->path, sizeof(f->path), "%s.%" PRIu64, r->opt->output, r->files + 1);
	if (n < 0 || (size_t)n >= sizeof(f->path) - sizeof(".XXXXXX"))
		return cli_complain("%s: the path is too long", r->opt->output);
	if (check_output(f->path) != CLI_OK)
		return CLI_FAILED;
	(void)snprintf(f->temporary, sizeof(f->temporary), "%.*s.XXXXXX", n, f->path);
	f->fd = mkostemp(f->temporary, O_CLOEXEC);
	if (f->fd < 0) {
		f->temporary[0] = '\0';
		return cli_complain("%s cannot be written: %s", f->path, strerror(errno));
	}
	(void)fchmod(f->fd, 0666 & ~mask);
	return CLI_OK;
}

static int file_begin(struct receiver *r, const struct lattice_msg *msg)
{
	struct incoming *f = &r->file;
	const uint8_t *data = msg->data;

	if (f->active && f->node == msg->node && f->source == msg->source)
		return broke_off(f, "its sender began another one");
	if (msg->len != FILE_BEGIN_LEN || data[0] != FILE_VERSION) {
		cli_note("a file from %" PRId32 "@%" PRIu32
			 " is sent in a way that is not understood, and ignored",
			 msg->source, msg->node);
		return CLI_OK;
	}
	if (f->active || (r->opt->output == NULL && (r->terminal || r->opt->json))) {
		cli_note("a file from %" PRId32 "@%" PRIu32 " is ignored: %s", msg->source, msg->node,
			 f->active ? "another one is being received" : "-o FILE would keep it");
		return CLI_OK;
	}
	*f = (struct incoming){ .active = true,
				.node = msg->node,
				.source = msg->source,
				.total = file_get_u64(data + 1),
				.fd = -1,
				.heard_ns = cli_now_ns(),
				.progress = { .verb = "received" } };
	return r->opt->output != NULL ? file_create(r, f) : CLI_OK;
}

static int file_data(struct incoming *f, const struct lattice_msg *msg)
{
	const uint8_t *data = msg->data;
	size_t bytes = msg->len - FILE_DATA_HEAD;
	int rc = 0;

	if (msg->len <= FILE_DATA_HEAD || file_get_u64(data) != f->done ||
	    (f->total != FILE_TOTAL_UNKNOWN && bytes > f->total - f->done))
		return broke_off(f, "its parts do not fit together");
	if (f->fd >= 0)
		rc = write_all(f->fd, data + FILE_DATA_HEAD, bytes);
	else
		(void)fwrite(data + FILE_DATA_HEAD, 1, bytes, stdout);
	if (rc < 0)
		return broke_off(f, strerror(-rc));
	f->done += bytes;
	f->heard_ns = cli_now_ns();
	file_progress_show(&f->progress, f->done, f->total);
	return CLI_OK;
}

static int file_end(struct receiver *r, const struct lattice_msg *msg)
{
	struct incoming *f = &r->file;

	if (msg->len != FILE_END_LEN || file_get_u64(msg->data) != f->done ||
	    (f->total != FILE_TOTAL_UNKNOWN && f->total != f->done))
		return broke_off(f, "it is not as long as its sender said");
	if (f->fd >= 0 && (fsync(f->fd) < 0 || rename(f->temporary, f->path) < 0))
		return broke_off(f, strerror(errno));
	f->temporary[0] = '\0';
	r->files++;
	file_progress_end(&f->progress);
	if (f->fd >= 0)
		cli_note("%s: %" PRIu64 " bytes from %" PRId32 "@%" PRIu32, f->path, f->done, f->source,
			 f->node);
	if (f->fd >= 0 && r->opt->json) {
		printf("{\"source\": %" PRId32 ", \"node\": %" PRIu32 ", \"bytes\": %" PRIu64 ", \"file\": ",
		       f->source, f->node, f->done);
		cli_json_text(stdout, f->path);
		printf("}\n");
	}
	file_drop(f);
	return CLI_OK;
}

static int take(struct receiver *r, const struct lattice_msg *msg)
{
	struct incoming *f = &r->file;
	bool ours = f->active && f->node == msg->node && f->source == msg->source;

	switch (msg->type) {
	case FILE_BEGIN:
		return file_begin(r, msg);
	case FILE_DATA:
		return ours ? file_data(f, msg) : CLI_OK; /* of one that is ignored */
	case FILE_END:
		return ours ? file_end(r, msg) : CLI_OK;
	case FILE_ABORT:
		return ours ? broke_off(f, "its sender gave up") : CLI_OK;
	default:
		return show(r, msg);
	}
}

static bool enough(const struct receiver *r)
{
	if (r->opt->output != NULL)
		return r->files >= (r->opt->count != CLI_UNSET ? (uint64_t)r->opt->count : 1);
	return r->opt->count != CLI_UNSET && r->messages + r->files >= (uint64_t)r->opt->count;
}

/* Waits for a message. 0 there may be one, 1 a signal came, -ETIMEDOUT; and other errors of poll(2). */
static int wait_readable(const struct receiver *r, int64_t deadline)
{
	struct pollfd fds[2] = { { .fd = lattice_endpoint_fd(r->endpoint), .events = POLLIN },
				 { .fd = r->signals, .events = POLLIN } };
	struct timespec left = { 0 };
	int64_t ns = deadline == INT64_MAX ? 0 : deadline - cli_now_ns();
	int n;

	if (ns > 0)
		left = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	n = ppoll(fds, 2, deadline == INT64_MAX ? NULL : &left, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents != 0)
		return 1;
	return n == 0 ? -ETIMEDOUT : 0;
}

/*
 * The next message. After a signal, what has arrived is still taken, because its senders were told that it has; then 1. Else 0,
 * -ENOMSG (standard output is broken), -ETIMEDOUT, and other errors.
 */
static int next(struct receiver *r, struct lattice_msg *msg, uint8_t *buf, size_t room, int64_t deadline)
{
	for (;;) {
		int rc;

		if (!r->ending &&
		    ++r->unlooked >= LOOK_EVERY) { /* messages that never pause must not hide a signal */
			r->unlooked = 0;
			r->ending = wait_readable(r, 0) == 1;
		}
		if (r->ending && r->last++ >= LAST_MAX)
			return 1;
		rc = lattice_endpoint_recv(r->endpoint, msg, buf, room, 0);
		if (rc != -ENOMSG)
			return rc;
		if (r->ending)
			return 1;
		if (cli_flush() < 0)
			return rc;
		rc = wait_readable(r, deadline);
		if (rc < 0)
			return rc;
		r->ending = rc == 1;
	}
}

/* Until when the next message is waited for. What others send meanwhile does not keep a file from breaking off. */
static int64_t next_deadline(const struct receiver *r)
{
	bool said = r->opt->timeout_ns != CLI_UNSET;

	if (r->file.active)
		return r->file.heard_ns + (said ? r->opt->timeout_ns : STALL_NS);
	return said ? cli_now_ns() + r->opt->timeout_ns : INT64_MAX;
}

/* Receives until it is enough, a signal comes, or something fails. */
static int receive(struct receiver *r)
{
	const struct cli_options *opt = r->opt;
	size_t room = BUFFER_FIRST;
	uint8_t *buf = malloc(room);
	int status = CLI_OK;

	while (buf != NULL && status == CLI_OK && !enough(r)) {
		struct lattice_msg msg;
		int rc = next(r, &msg, buf, room, next_deadline(r));

		if (rc == -EMSGSIZE) {
			free(buf);
			room = msg.len;
			buf = malloc(room);
		} else if (rc == 1) {
			if (r->file.active)
				status = broke_off(&r->file, "interrupted here");
			else if (opt->count != CLI_UNSET || opt->output != NULL)
				status = cli_complain("interrupted after %" PRIu64 " messages and %" PRIu64
						      " files",
						      r->messages, r->files);
			break;
		} else if (rc == -ETIMEDOUT && r->file.active) {
			status = broke_off(&r->file, "nothing more came in time");
		} else if (rc == -ETIMEDOUT) {
			(void)cli_complain("nothing came within %g s", (double)opt->timeout_ns / 1e9);
			status = CLI_UNREACHABLE;
		} else if (rc == -ENOMSG) {
			break; /* standard output is broken: main() says so */
		} else if (rc < 0) {
			status = cli_fail(r->endpoint, rc, "pid cannot be received from");
		} else {
			status = take(r, &msg);
		}
	}
	if (buf == NULL)
		status = cli_complain("no memory for a message of %zu bytes", room);
	free(buf);
	return status;
}

static void say_ready(struct lattice_node *node, const char *service, int32_t pid)
{
	char as[LATTICE_SERVICE_MAX + 32], from[48] = "from this machine's processes";

	if (service != NULL)
		(void)snprintf(as, sizeof(as), "'%s', pid %" PRId32, service, pid);
	else
		(void)snprintf(as, sizeof(as), "pid %" PRId32, pid);
	if (lattice_node_port(node) != 0)
		(void)snprintf(from, sizeof(from), "port %u", (unsigned)lattice_node_port(node));
	cli_note("node %" PRIu32 " receives as %s, %s", lattice_node_number(node), as, from);
}

static int run_recv(const struct cli_options *opt, int argc, char **argv)
{
	struct receiver r = {
		.opt = opt, .terminal = isatty(STDOUT_FILENO), .signals = -1, .file = { .fd = -1 }
	};
	struct lattice_node *node = NULL;
	uint64_t pid = 0; /* 0: argv[0] is a service's name */
	sigset_t ends;
	int status, rc;

	(void)argc;
	if (!cli_number(argv[0], 1, INT32_MAX, &pid) && !cli_is_service(argv[0]))
		return cli_usage(
			"'%s' is neither a pid, a number from 1 up, nor a service's name of at most %d "
			"letters, digits, '-', '_', '.'",
			argv[0], LATTICE_SERVICE_MAX);
	if (opt->output != NULL &&
	    (check_output(opt->output) != CLI_OK || check_folder(opt->output) != CLI_OK))
		return CLI_FAILED;
	/* Before the node: its threads inherit the mask, so the signals come by the fd alone. */
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	r.signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (r.signals < 0)
		return cli_complain("signals cannot be waited for: %s", strerror(errno));
	status = cli_node_receive(&node, opt);
	if (status != CLI_OK)
		goto out;
	if (pid != 0)
		rc = lattice_endpoint_open(&r.endpoint, node, (int32_t)pid);
	else
		rc = lattice_endpoint_open_name(&r.endpoint, node, argv[0], 0);
	if (rc < 0) {
		status = cli_fail(NULL, rc, "%s %s", pid != 0 ? "pid" : "service", argv[0]);
		goto out;
	}
	say_ready(node, pid != 0 ? NULL : argv[0], lattice_endpoint_pid(r.endpoint));
	status = receive(&r);
	(void)cli_flush();
	cli_stats_print(opt, node);
out:
	file_drop(&r.file);
	lattice_endpoint_close(r.endpoint);
	lattice_node_close(node);
	if (r.signals >= 0)
		close(r.signals);
	return status;
}

const struct cli_command cli_recv = {
	.name = "recv",
	.args = "PID|SERVICE",
	.summary = "receive messages or files",
	.text = "Receives as PID, or as the service of that name, on this machine's node: from the other processes of this user, and, where the state directory has\n"
		"an identity or -d, --port or --bind asks for the network, from other nodes. A message is a line on standard output: on a terminal with its sender,\n"
		"\"PID@NODE: text\", and with control characters and what is not UTF-8 shown as '?'; otherwise its bytes as they\n"
		"are and a newline. A file (of 'lattice send -f') goes to -o FILE, which appears whole or not at all, and may\n"
		"replace a regular file, but neither a device, a pipe nor a link; without -o its bytes go to\n"
		"standard output unless that is a terminal. Ends after -n messages or files, after --timeout without\n"
		"anything (status 3), when a file breaks off (status 1; 30 s without anything are enough), or on SIGINT and\n"
		"SIGTERM: status 0, but 1 when -n or -o asked for more. With --json a message is an object with its sender\n"
		"and \"text\", or \"base64\" when it is not UTF-8. The port is 15000 unless --port says which.",
	.options = (const int[]){ OPT_COUNT, OPT_OUTPUT, OPT_TIMEOUT, OPT_JSON, OPT_STATS, OPT_DIR, OPT_PORT,
				  OPT_BIND, OPT_UNLOCKED, OPT_VERBOSE, OPT_HELP, 0 },
	.args_min = 1,
	.args_max = 1,
	.run = run_recv,
};
