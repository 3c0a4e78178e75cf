/*
 * Refusals, as they happen in the rooms of a node, to records (audit.h): who it was, and in a sentence why. A capability that was shown is
 * looked at once more to say what is wrong with it; that never changes what was decided.
 */
#ifndef LAT_NODE_REFUSAL_H
#define LAT_NODE_REFUSAL_H

#include "node/audit.h"
#include "node/claims.h"
#include "node/issuer.h"
#include "node/note.h"

struct lat_network;

/*
 * Why a capability is refused to @holder for a channel from @src to @dst; a sentence that lives for ever. @key: its key as it was shown; NULL: its
 * holder has proved it. @rc: what was decided.
 */
const char *lat_refusal_of_right(struct lat_issuer *iss, const struct lat_issuer_ask *ask, const uint8_t *key,
				 int rc);

/* Of a member. @in: the note that asked, or NULL; @iss: NULL, if none was given out here. @rc: a negative errno. */
void lat_refusal_member(struct lat_audit *a, struct lat_issuer *iss, const struct lat_credentials *who,
			enum lat_audit_act act, const struct lat_note *in, int rc);
/*
 * Of the process at the other end of a link, for what it did: with a message (LAT_AUDIT_SEND: -EMSGSIZE, -EACCES, -EINVAL, -EPROTO) from @src to
 * @dst, on @node if that is not 0; or with the link itself (LAT_AUDIT_STAY).
 */
void lat_refusal_sender(struct lat_audit *a, const struct lat_audit_who *who, enum lat_audit_act act,
			int32_t src, int32_t dst, uint32_t node, int rc);
/* What a member asked of the issuer (enum lat_note_issue). */
void lat_refusal_issue(struct lat_audit *a, uint32_t uid, uint32_t gid, int32_t process, int what, int rc);

struct lat_refusal_peer {
	uint32_t node;
	const uint8_t *id; /* LAT_CAP_HOLDER bytes; NULL: not known here */
	enum lat_audit_act act;
	int32_t src, dst;
	const char *service;              /* NULL: none */
	const struct lat_issuer_ask *ask; /* the capability that it showed; NULL: none */
	bool forged;                      /* without having its key */
	int rc;
};
/* Of a peer. The network's lock is held. */
void lat_refusal_peer(const struct lat_network *net, const struct lat_refusal_peer *r);

#endif
