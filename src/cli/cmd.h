/* What the commands of "lattice" share: their table row, their options, how they complain. */
#ifndef LAT_CLI_CMD_H
#define LAT_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lattice/types.h>

struct lattice_node;

/* What the command returns to the shell; "lattice help" prints this list. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,      /* also: a transfer that broke off, an interrupted wait for messages */
	CLI_USAGE = 2,       /* nothing was tried */
	CLI_UNREACHABLE = 3, /* nobody answers, nobody listens, or the time is over */
};

#define CLI_UNSET INT64_C(-1)

/* Filled in by cli_options_parse(); pointers are into argv. Not given: NULL, false, CLI_UNSET. */
struct cli_options {
	const char *dir, *bind, *at, *name, *psk, *text, *file, *output, *key_file, *fingerprint;
	const char *cores, *only, *plot, *policy, *audit, *audit_format;
	const char *to, *rights, *rate, *expires, *peer, *cap_output, *capability;
	int64_t node, port, from, type, count, rounds, slice_ms, warm_up_ms;
	int64_t badge, as, max_bytes, uses;
	int64_t interval_ns, timeout_ns;
	bool udp, tcp, transient, json, stats, print_key, verbose, unlocked, list, help;
	bool bearer, wait, follow, force;
	bool dot, svg, live;
};

/* One command. @options: the letters or numbers of enum cli_option that it takes, ending with 0. */
struct cli_command {
	const char *name; /* one word or two */
	const char *args, *summary, *text;
	const int *options;
	int args_min, args_max;                                           /* without the options */
	int (*run)(const struct cli_options *opt, int argc, char **argv); /* returns enum cli_exit */
};

extern const struct cli_command cli_keygen, cli_id, cli_peers_add, cli_peers_list, cli_peers_show,
	cli_peers_remove, cli_send, cli_recv, cli_ping, cli_stats, cli_why, cli_graph, cli_node_run,
	cli_node_status, cli_node_reload, cli_node_audit, cli_bench_local, cli_bench_net, cli_bench_calls,
	cli_completion, cli_cap_grant, cli_cap_attenuate, cli_cap_show, cli_cap_list, cli_cap_revoke;

/* The commands in the order of the help; the last is NULL. Dispatch, help, and completion go by it. */
extern const struct cli_command *const cli_commands[];

/* The command that runs, for messages. */
extern const struct cli_command *cli_current;

/* "lattice send: ..." and how to get help, on stderr. Returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "lattice send: ..." on stderr. Returns CLI_FAILED. */
int cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with the library's sentence about @rc on @handle at the end. Returns the exit status that fits @rc. */
int cli_fail(const void *handle, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "lattice send: ..." on stderr, for what is no failure. */
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* How the command was asked to reach other nodes; 0: not said. */
enum lattice_proto cli_proto(const struct cli_options *opt);

/* The node's counters on standard error, when --stats was given; with --json an object per line. */
void cli_stats_print(const struct cli_options *opt, struct lattice_node *node);

/* Writes out what was printed. -1: some of it could not be; main() says so at the end. */
int cli_flush(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t cli_now_ns(void);

#endif
