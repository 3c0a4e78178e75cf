/* What channels of both directions share: their handles, their list of wishes, their burial. */
#include "session/machine.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/util.h"

struct lat_chan *lat_chan_find(const struct lat_engine *e, uint32_t handle)
{
	return lat_idmap_get(&e->handles, handle);
}

void lat_chan_want(struct lat_chan *c, uint8_t want)
{
	if (c->buried || want == 0)
		return;
	c->want |= want;
	if (!c->listed) {
		DL_APPEND2(c->peer->todo, c, todo_prev, todo_next);
		c->listed = true;
	}
	lat_peer_touch(c->peer);
}

void lat_chan_unwant(struct lat_chan *c, uint8_t want)
{
	c->want &= (uint8_t)~want;
	if (c->want == 0 && c->listed) {
		DL_DELETE2(c->peer->todo, c, todo_prev, todo_next);
		c->listed = false;
	}
}

void lat_chan_bury(struct lat_chan *c)
{
	struct lat_peer *p = c->peer;

	if (c->buried)
		return;
	lat_chan_unwant(c, c->want);
	lat_idmap_del(&p->engine->handles, c->handle);
	if (c->inbound) {
		struct lat_chan_in *ci = (struct lat_chan_in *)c;

		ci->state = LAT_IN_DONE;
		p->in_count--;
		if (c->num != 0) {
			lat_numtab_del(&p->nums_in, c->num);
			lat_channum_put(&p->numbers, p->engine->now, c->num);
		}
		if (lat_idmap_get(&p->reqs_in, c->req) == c)
			lat_idmap_del(&p->reqs_in, c->req);
	} else {
		struct lat_chan_out *co = (struct lat_chan_out *)c;

		co->state = LAT_OUT_DONE;
		p->out_count--;
		lat_chan_out_update(co);
		if (c->num != 0 && lat_numtab_get(&p->nums_out, c->num) == c)
			lat_numtab_del(&p->nums_out, c->num);
		if (lat_idmap_get(&p->reqs_out, c->req) == c)
			lat_idmap_del(&p->reqs_out, c->req);
	}
	c->buried = true;
	DL_DELETE(p->chans, c);
	DL_APPEND(p->buried, c);
	lat_peer_touch(p);
}

void lat_chan_reap(struct lat_peer *p)
{
	struct lat_chan *c, *tmp;

	DL_FOREACH_SAFE(p->buried, c, tmp) {
		DL_DELETE(p->buried, c);
		if (c->inbound)
			lat_chan_in_free((struct lat_chan_in *)c);
		else
			lat_chan_out_free((struct lat_chan_out *)c);
	}
}
