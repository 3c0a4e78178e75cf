/*
 * Names of services, asked for and answered (PROTOCOL 5): RESOLVE, RESOLVED. A question is no state here: the caller asks again when no
 * answer comes, and an answer that nobody waits for any more is the caller's to drop.
 */
#include "session/machine.h"

#include <errno.h>
#include <string.h>

#include "base/name.h"

int lat_engine_resolve(struct lat_engine *e, uint64_t now, uint32_t node, uint32_t req, const char *name)
{
	uint8_t body[LAT_FRAME_HDR + LAT_BODY_RESOLVE + LAT_MAX_RESOLVE_NAME];
	struct lat_frame_resolve f = { .req = req, .name = (const uint8_t *)name };
	struct lat_peer *p = lat_peer_find(e, node);
	struct lat_writer w = { .buf = body, .cap = sizeof(body) };
	int rc;

	if (!lat_name_valid(name, LAT_MAX_RESOLVE_NAME))
		return -EINVAL;
	if (p == NULL)
		return -ENOKEY;
	e->now = now;
	rc = lat_peer_want_session(p);
	if (rc < 0)
		return rc;
	f.len = (uint8_t)strlen(name);
	rc = lat_frame_resolve_encode(&w, &f);
	if (rc < 0)
		return rc;
	return lat_out_answer(p, LAT_FRAME_RESOLVE, body + LAT_FRAME_HDR, w.len - LAT_FRAME_HDR) ? 0
												 : -EAGAIN;
}

static uint16_t code_of(int rc)
{
	switch (rc) {
	case 0:
		return LAT_CODE_OK;
	case -EBUSY:
		return LAT_CODE_EBUSY;
	default: /* whether there is one is not for who may not open it */
		return LAT_CODE_ECONNREFUSED;
	}
}

int lat_resolve_asked(struct lat_session *s, uint64_t now, const struct lat_frame *f)
{
	struct lat_peer *p = s->peer;
	struct lat_engine *e = p->engine;
	uint8_t body[LAT_FRAME_HDR + LAT_BODY_RESOLVED];
	struct lat_writer w = { .buf = body, .cap = sizeof(body) };
	char name[LAT_MAX_RESOLVE_NAME + 1];
	struct lat_frame_resolved answer;
	struct lat_frame_resolve ask;
	int32_t pid = 0;
	int rc = lat_frame_resolve_decode(&ask, f);

	if (rc < 0)
		return rc;
	/* Half of the room is for what channels have to say. */
	if (p->answer_count >= LAT_ANSWERS_MAX / 2 ||
	    !lat_bucket_take(&p->resolve_rate, now, LAT_RESOLVES_PER_S, LAT_RESOLVES_PER_S))
		return 0;
	memcpy(name, ask.name, ask.len);
	name[ask.len] = '\0';
	rc = strlen(name) == ask.len && lat_name_valid(name, LAT_MAX_RESOLVE_NAME)
		     ? e->ops->resolve(e->ctx, p->node, name, &pid)
		     : -ENOENT;
	answer = (struct lat_frame_resolved){ .req = ask.req, .pid = rc == 0 ? pid : 0, .code = code_of(rc) };
	rc = lat_frame_resolved_encode(&w, &answer);
	if (rc == 0)
		(void)!lat_out_answer(p, LAT_FRAME_RESOLVED, body + LAT_FRAME_HDR, LAT_BODY_RESOLVED);
	return 0;
}

int lat_resolve_answered(struct lat_session *s, const struct lat_frame *f)
{
	struct lat_engine *e = s->peer->engine;
	struct lat_frame_resolved answer;
	int rc = lat_frame_resolved_decode(&answer, f);

	if (rc < 0)
		return rc;
	rc = lat_code_to_errno(answer.code);
	if (rc == -ECONNREFUSED || rc == -EACCES)
		rc = -ENOENT;
	else if ((rc == 0 && answer.pid < 1) || (rc < 0 && rc != -EBUSY))
		rc = -EPROTO;
	e->ops->resolved(e->ctx, s->peer->node, answer.req, rc, rc == 0 ? answer.pid : 0);
	return 0;
}
