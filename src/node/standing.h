/*
 * Grants by the policy: what somebody is allowed for who it is (PROTOCOL 6.2) has a life of the issuer's, as a capability has, so that a
 * channel ends with it. Who asks again gets the same one. When the policy changes, those lives end that it does not allow any more as they
 * were; the others go on.
 *
 * Threads: any. The judge and the issuer are asked under its lock, but for ending lives.
 */
#ifndef LAT_NODE_STANDING_H
#define LAT_NODE_STANDING_H

#include <stdint.h>

#include "base/util.h"
#include "cap/policy.h"
#include "node/issuer.h"

enum {
	LAT_STANDING_MAX = 16384,
	LAT_STANDING_EACH_MAX = 4096, /* of one user, or one peer */
};

struct lat_judge;
struct lat_standing;

/* @judge outlives it. 0, -ENOMEM. */
LAT_MUST_CHECK int lat_standing_open(struct lat_standing **out, struct lat_judge *judge);
/* Ends no life. NULL is fine. */
void lat_standing_close(struct lat_standing *s);

/*
 * What @who may on a channel to the pid @dst, which is the service @name (NULL: none). @holder: who that is to the issuer. Whom the judge
 * bounds in nothing gets the life {0, 0}. 0, -EACCES, -ENOBUFS (LAT_STANDING_MAX, LAT_STANDING_EACH_MAX, or the issuer has no slot), -ENOMEM.
 */
LAT_MUST_CHECK int lat_standing_admit(struct lat_standing *s, struct lat_issuer *issuer,
				      const struct lat_subject *who, const uint8_t holder[LAT_CAP_HOLDER],
				      int32_t dst, const char *name, struct lat_admission *out);

/* The same for channels to another node, by way of this one. */
LAT_MUST_CHECK int lat_standing_reach(struct lat_standing *s, struct lat_issuer *issuer,
				      const struct lat_subject *who, const uint8_t holder[LAT_CAP_HOLDER],
				      uint32_t node, struct lat_admission *out);

/* After the judge was given another policy. How many lives have ended. */
uint32_t lat_standing_review(struct lat_standing *s, struct lat_issuer *issuer);

#endif
