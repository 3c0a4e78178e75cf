/*
 * Capabilities: the right to send to a pid of some node, in the hand of whoever holds it. The node that the pid belongs to, the issuer, makes
 * them (PROTOCOL 6.1). A holder can narrow one without asking anybody and pass that on, and nobody can widen it. It is a secret: who has
 * its bytes, and is the holder that it names, has the right.
 *
 * As text it is one line, "lattice-cap:..." of base64. Lines that are empty or begin with '#' are for people.
 */
#ifndef LATTICE_CAP_H
#define LATTICE_CAP_H

#include <stdbool.h>

#include <lattice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	LATTICE_CAP_TEXT_MAX = 512, /* the line, with its NUL */
	LATTICE_CAP_HOLDER_BYTES = 16,
	LATTICE_CAP_CAVEATS_MAX = 8,
	LATTICE_CAP_ANY = -1 /* as a sender's pid: whichever it is */
};

/* What a capability allows: a set of these. */
enum lattice_right {
	LATTICE_RIGHT_SEND = 1,
	LATTICE_RIGHT_OPEN = 2,  /* a channel; nothing can be sent without one */
	LATTICE_RIGHT_GRANT = 4, /* to have the issuer make others of it (lattice_cap_derive) */
	LATTICE_RIGHT_BULK = 16, /* messages over 64 KiB */
	LATTICE_RIGHT_CALL = 32, /* to wait for replies */
	LATTICE_RIGHT_GRANT_REPLY = 64,
	LATTICE_RIGHT_LISTEN = 128, /* on the issuer's node only, as the next */
	LATTICE_RIGHT_RECEIVE = 256
};

/* Its name ("send", "grant-reply"), and the right of that name; NULL and 0 when there is none. */
LATTICE_API const char *lattice_right_name(enum lattice_right right);
LATTICE_API uint32_t lattice_right_of(const char *name);

/* A capability in this process: its key in locked memory, if the kernel lets it be locked. A child made by fork(2) has not got it. */
struct lattice_cap;

/*
 * Which holder a user of the issuer's machine is. One on another node is the first LATTICE_CAP_HOLDER_BYTES bytes of that node's
 * fingerprint (<lattice/state.h>).
 */
LATTICE_API void lattice_cap_holder_user(uint8_t holder[LATTICE_CAP_HOLDER_BYTES], uint32_t uid);
/* Whether @holder is a user of the issuer's machine, and which. */
LATTICE_API bool lattice_cap_holder_is_user(const uint8_t holder[LATTICE_CAP_HOLDER_BYTES], uint32_t *uid);

/* What a capability says. Its caveats are counted in. */
struct lattice_cap_info {
	lattice_node_id node; /* the issuer */
	int32_t dst;          /* to whom */
	int32_t src;          /* as whom; LATTICE_CAP_ANY */
	uint32_t rights;      /* of enum lattice_right */
	uint64_t id; /* of the issuer's choice, never used twice by it; what was narrowed has it still */
	uint32_t slot, gen;     /* the life that it has at the issuer, and loses when it is revoked */
	uint64_t expires;       /* seconds since 1970; 0: it does not */
	uint32_t max_msg_bytes; /* longest message, its 12 bytes of pids and type included */
	uint32_t rate_per_s;    /* messages; 0: no limit */
	bool bearer;            /* whoever has it; else @holder */
	uint8_t holder[LATTICE_CAP_HOLDER_BYTES];
	uint32_t caveat_count;
	/* What only the issuer knows: 0 in what lattice_cap_info() says. */
	uint32_t badge;                   /* receivers are told */
	uint32_t parent_slot, parent_gen; /* of which it was made; a generation of 0: of none */
	uint64_t uses;                    /* channels that it may still open; UINT64_MAX: no limit */
};

/* What a capability is to allow: a limit that is 0 is none, or stays as it was. */
struct lattice_cap_terms {
	int32_t dst;     /* when one is granted */
	int32_t src;     /* 0: any */
	uint32_t rights; /* of enum lattice_right */
	uint32_t badge;  /* when one is granted or derived, as the next */
	uint64_t uses;
	uint64_t expires; /* seconds since 1970 */
	uint32_t max_msg_bytes;
	uint32_t rate_per_s;
	bool bearer;                              /* whoever has it, and @holder is zeros */
	uint8_t holder[LATTICE_CAP_HOLDER_BYTES]; /* who alone may use it */
};

/**
 * The one capability in @text, @bytes long; no NUL is needed.
 *
 * Threads: any, as for all calls of this page. Sentences: lattice_explain(NULL, ...).
 * @return 0, or with *out NULL
 *   -ENOENT   there is none in it
 *   -EEXIST   there are two
 *   -EBADMSG  cut, mistyped, or with something else beside it
 *   -EPROTO   of a version that is not known here
 *   -EACCES   with a caveat that is none: nobody could use it
 *   -EINVAL, -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_parse(struct lattice_cap **out, const char *text, size_t bytes);

/**
 * The line, a secret. Writes nothing when @bytes are too few; LATTICE_CAP_TEXT_MAX are enough.
 * @return its length without the NUL, or -ENOBUFS, -EINVAL, -EPERM (a child has not got it)
 */
LATTICE_API int lattice_cap_text(const struct lattice_cap *cap, char *buf, size_t bytes);

/**
 * Reads a file of one capability. One that others than its owner may read or write is refused.
 * @return 0, or as lattice_cap_parse(); -ENOENT also when there is no such file; -EACCES also when others may read it, or this
 *   process may not; -EISDIR, -ENOTDIR, -ELOOP, -EIO, -EMFILE, -ENFILE, -ENAMETOOLONG
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_read(struct lattice_cap **out, const char *path);

/**
 * Writes it to a file that only its owner may read (0600), with a comment that says what it allows. A file that is there is replaced.
 * @return 0, -EINVAL, -EPERM (a child has not got it), -ENOENT, -EACCES, -EROFS, -ENOSPC, -EDQUOT, -EIO, -EISDIR, -ENOTDIR, -ENAMETOOLONG,
 *   -EMFILE, -ENFILE
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_write(const struct lattice_cap *cap, const char *path);

/* What it allows. 0, -EINVAL. */
LATTICE_API LATTICE_MUST_USE int lattice_cap_info(const struct lattice_cap *cap,
						  struct lattice_cap_info *out);

/**
 * Makes another that allows less, without asking anybody: @terms but for dst, badge, uses and bearer, each a caveat. It dies with
 * the one that it was made of.
 * @return 0, or with *out NULL
 *   -EACCES   more than there is was asked for: a right, a time, another sender or holder
 *   -ENOBUFS  it would have more than LATTICE_CAP_CAVEATS_MAX caveats
 *   -EINVAL   nothing was asked for, or what cannot be changed
 *   -EPERM    a child has not got it
 *   -ENOMEM
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_attenuate(struct lattice_cap **out,
						       const struct lattice_cap *cap,
						       const struct lattice_cap_terms *terms);

/* ---- the issuer's side ---- */

struct lattice_node;

/**
 * Makes a capability to send to a pid of this node: @terms, of which dst and rights must be given, and a holder or bearer. Whether somebody
 * receives as dst does not matter. A longest message of 0 is the node's. With a state directory it outlives the node: it is on the
 * disk when this returns. Without one it is void when the process that hosts ends.
 *
 * Asks who hosts, 5 s at most. Threads: any, as for all calls that follow. Sentences: lattice_explain(@node, ...).
 * @return 0, or with *out NULL
 *   -EACCES     this user may not make capabilities of the node
 *   -EINVAL     no receiver, no rights or one that there is not, neither a holder nor bearer or both
 *   -ENOBUFS    too many live (65536; 4096 that were made of one), or too many are being asked for
 *   -ENOSPC, -EDQUOT, -EROFS, -EFBIG, -EIO   it could not be written to the disk, so it was not made
 *   -EBADMSG    the file that keeps them is damaged
 *   -ETIMEDOUT  who hosts does not answer
 *   -ESHUTDOWN  the node was closed
 *   -EPERM, -EAGAIN, -ENOMEM, -EMFILE, -ENFILE
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_grant(struct lattice_cap **out, struct lattice_node *node,
						   const struct lattice_cap_terms *terms);

/**
 * Has this node make one of @parent, which it has made and which has LATTICE_RIGHT_GRANT: less, for another holder if need be, and to be
 * revoked by itself. It dies with @parent. What @terms leaves out is as in @parent, but for the holder, who must be named, or bearer. Another
 * badge than @parent's only the user whose process hosts may give.
 * @return as lattice_cap_grant(), and
 *   -EACCES      @parent is none of this node's, another holder's, without that right, or allows less; or a badge is not this user's to give
 *   -EKEYREVOKED it was revoked
 *   -EKEYEXPIRED its time is over
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_derive(struct lattice_cap **out, struct lattice_node *node,
						    const struct lattice_cap *parent,
						    const struct lattice_cap_terms *terms);

/* What a revocation did. */
struct lattice_cap_told {
	uint32_t ended;    /* capabilities: it, and those that were made of it */
	uint32_t channels; /* from other nodes, that it has cut */
	uint32_t told;     /* of them, whose senders know */
	uint32_t nodes;    /* where those are */
	uint64_t ns;       /* from the call until the last of them knew */
};

/**
 * Ends a capability of this node by its life (struct lattice_cap_info), and all that were made of it. Once it returns, no message that was
 * sent by one of them is received any more; on the disk, too, if it returns 0.
 *
 * @param told        filled in, whatever is returned; NULL is fine
 * @param timeout_ns  how long to wait until every sender on another node knows; 0: not. One that is out of reach learns it when it is back
 * @return 0, also if some were not told in time; or
 *   -EKEYREVOKED  no such life
 *   -EACCES       this user may not end capabilities of the node
 *   -ENOSPC, -EDQUOT, -EFBIG, -EIO   it has ended, but that could not be written to the disk: should the node's process end before the next
 *                 capability is made or revoked, it lives again
 *   -ENOBUFS, -ETIMEDOUT, -ESHUTDOWN, -EINVAL, -EPERM, -EAGAIN, -ENOMEM, -EMFILE, -ENFILE
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_revoke(struct lattice_node *node, uint32_t slot, uint32_t gen,
						    struct lattice_cap_told *told, int64_t timeout_ns);

/**
 * The same by the capability itself, which this node must have made: its bytes are believed when its key is right only, so nobody can have
 * another one ended by a file of his own making. Who its holder is, and whether its time is over, does not matter.
 * @return as lattice_cap_revoke(); or
 *   -EBADMSG  this node did not make it, or it was changed: nothing has ended
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_revoke_shown(struct lattice_node *node,
							  const struct lattice_cap *cap,
							  struct lattice_cap_told *told, int64_t timeout_ns);

/**
 * The same for all that name @holder, and for channels that it has by being who it is; those it may open again, if the node's policy still
 * allows it.
 * @return 0, also when there was nothing; or as lattice_cap_revoke()
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_revoke_holder(struct lattice_node *node,
							   const uint8_t holder[LATTICE_CAP_HOLDER_BYTES],
							   struct lattice_cap_told *told, int64_t timeout_ns);

/**
 * The first capability of this node's that lives in a slot above @after (-1: the first of all); without its key, which only its holder has.
 * @return 0, or
 *   -ENOENT     there is none
 *   -EACCES     this user may not see them
 *   -ENOBUFS, -ETIMEDOUT, -ESHUTDOWN, -EINVAL, -EPERM, -EAGAIN, -ENOMEM, -EMFILE, -ENFILE
 */
LATTICE_API LATTICE_MUST_USE int lattice_cap_next(struct lattice_node *node, int64_t after,
						  struct lattice_cap_info *out);

/* Wipes it. NULL is fine. What was opened by it stays open. */
LATTICE_API void lattice_cap_free(struct lattice_cap *cap);

#ifdef __cplusplus
}
#endif

#endif
