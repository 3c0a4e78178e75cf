/*
 * Audit records: each decision that refuses, with who, what, by which capability, and why. They are kept in a bounded ring for the node's
 * owner to read, and written to a file or to standard error by a thread of their own (audit_log.c), so that no disk slows the node.
 *
 * A subject (a user of this machine, a peer) gets BURST records, then one each PERIOD; all together the same with their own. What is left
 * out is counted, and the count is a record, too. So is nobody's to fill the disk, or to hide one refusal behind many but his own.
 *
 * Two steps, because what a record says costs more than to know that there will be none: lat_audit_begin(), and if that is true
 * lat_audit_put().
 *
 * Threads: any. Its locks are innermost; nothing is called under them.
 */
#ifndef LAT_NODE_AUDIT_H
#define LAT_NODE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "base/util.h"
#include "cap/chain.h"
#include "cap/table.h"

enum {
	LAT_AUDIT_RING = 256,     /* records that are kept for readers */
	LAT_AUDIT_SUBJECTS = 256, /* told apart; more share one */
	LAT_AUDIT_BURST = 16,
	LAT_AUDIT_ALL_BURST = 128,
	LAT_AUDIT_NAME = 64,
	LAT_AUDIT_LINE = 2048, /* of a record as text or JSON, its newline and final zero included */
};
#define LAT_AUDIT_PERIOD_NS     (4 * LAT_NS_PER_S)
#define LAT_AUDIT_ALL_PERIOD_NS (LAT_NS_PER_S / 2)
/* A file this long gets no more until it has been moved away, and the node told so. */
#define LAT_AUDIT_FILE_BYTES (UINT64_C(64) << 20)

enum lat_audit_act {
	LAT_AUDIT_ATTACH,
	LAT_AUDIT_LISTEN,  /* as a pid, or a service */
	LAT_AUDIT_OPEN,    /* a channel */
	LAT_AUDIT_RESOLVE, /* learn which pid a service is */
	LAT_AUDIT_REACH,   /* ask about another node */
	LAT_AUDIT_ISSUE,   /* make, see or end capabilities */
	LAT_AUDIT_GRAPH,   /* see the node's graph */
	LAT_AUDIT_SEND,    /* a message, on a channel that is open */
	LAT_AUDIT_STAY, /* what was allowed, and is not by the policy that was read again; or broke a rule */
	LAT_AUDIT_SUPPRESSED,
	LAT_AUDIT_ACTS
};

/* Who: a process of this machine, or a peer. */
struct lat_audit_who {
	bool is_peer, has_id;
	uint32_t uid, gid;
	int32_t process;
	uint32_t node;
	uint8_t id[LAT_CAP_HOLDER];    /* the beginning of a peer's fingerprint, if has_id */
	char name[LAT_AUDIT_NAME + 1]; /* a peer's, "": not known */
};

struct lat_audit_record {
	uint64_t number;     /* from 1 on: chosen by lat_audit_put() */
	uint64_t wall_s;     /* the same */
	uint64_t suppressed; /* of LAT_AUDIT_SUPPRESSED: how many */
	struct lat_audit_who who;
	enum lat_audit_act act;
	int32_t src, dst; /* pids; 0: of no matter */
	uint32_t node;    /* of dst; 0: this one */
	int32_t rc;
	char service[LAT_SERVICE_MAX + 1]; /* "": none */
	struct lat_cap_ref cap;            /* as its bytes say; {0, 0}: none was shown */
	const char *why;                   /* a sentence that lives for ever */
};

struct lat_audit;

/* 0, -ENOMEM. */
LAT_MUST_CHECK int lat_audit_open(struct lat_audit **out);
/* Writes what waits, ends the thread. NULL is fine. */
void lat_audit_close(struct lat_audit *a);

/* Whether a refusal of @who's is to be told; else it was counted. @now_ns: CLOCK_MONOTONIC. NULL is fine: nothing is told. */
bool lat_audit_begin(struct lat_audit *a, const struct lat_audit_who *who, uint64_t now_ns);
void lat_audit_put(struct lat_audit *a, const struct lat_audit_record *r);
/* What was left out of those who may be told of again becomes records. The earliest time at which there may be one; UINT64_MAX: none. */
uint64_t lat_audit_settle(struct lat_audit *a, uint64_t now_ns);

/* The first record after @after that is still kept. false: none. */
bool lat_audit_next(struct lat_audit *a, uint64_t after, struct lat_audit_record *out);
/* The same for the owner's reader: what waits to be told of is first, and where there is none lat_audit_fd() is not readable any more. */
bool lat_audit_read(struct lat_audit *a, uint64_t after, struct lat_audit_record *out);
/* Readable from a record on until lat_audit_read() finds no more; one reader. Made when first asked for: -EMFILE, -ENFILE, -ENOMEM. */
LAT_MUST_CHECK int lat_audit_fd(struct lat_audit *a);

struct lat_stats;
void lat_audit_stats(struct lat_audit *a, struct lat_stats *s);
struct lat_audit_counts {
	uint64_t records, suppressed, unwritten;
};
struct lat_audit_counts lat_audit_count(struct lat_audit *a);

/*
 * Where records go from now on: NULL or "none" nowhere, "stderr", or a file, opened anew even if it is the same (it was moved away). The
 * file is this user's, made with mode 0600, and only ever added to. 0, or with a sentence, and what was goes on: -EACCES (another's, or others may
 * write it), -ELOOP (a symbolic link), -EINVAL (not a regular file), -ENOENT, -EISDIR, -EROFS, -ENOSPC, -EMFILE, -ENFILE, -EAGAIN, -ENOMEM.
 */
LAT_MUST_CHECK int lat_audit_log_to(struct lat_audit *a, const char *path, bool json);

/* ---- audit_text.c ---- */

/* "open", ... */
const char *lat_audit_act_name(enum lat_audit_act act);
/*
 * A line with its newline, and a zero; its length. What others chose (names) can neither end it nor be obeyed by a terminal: of it only
 * letters, digits and punctuation of ASCII stay, the rest is \xNN, in JSON \u00NN.
 */
size_t lat_audit_text(const struct lat_audit_record *r, char out[static LAT_AUDIT_LINE]);
size_t lat_audit_json(const struct lat_audit_record *r, char out[static LAT_AUDIT_LINE]);

/* ---- audit_log.c: for audit.c ---- */

struct lat_audit_log;
struct lat_audit_log *lat_audit_log_make(struct lat_audit *a);
void lat_audit_log_end(struct lat_audit_log *log);
/* There is something to write. */
void lat_audit_log_wake(struct lat_audit_log *log);
uint64_t lat_audit_log_unwritten(struct lat_audit_log *log);
int lat_audit_log_set(struct lat_audit_log *log, const char *path, bool json) LAT_MUST_CHECK;

#endif
