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

void lat_chan_detach(struct lat_chan *c)
{
	struct lat_peer *p = c->peer;
	struct lat_idmap *reqs = c->inbound ? &p->reqs_in : &p->reqs_out;
	struct lat_numtab *nums = c->inbound ? &p->nums_in : &p->nums_out;

	lat_chan_unwant(c, c->want);
	if (lat_idmap_get(reqs, c->req) == c)
		lat_idmap_del(reqs, c->req);
	if (c->num == 0)
		return;
	if (lat_numtab_get(nums, c->num) == c)
		lat_numtab_del(nums, c->num);
	if (c->inbound)
		lat_channum_put(&p->numbers, p->engine->now, c->num);
	c->num = 0;
}

/* A channel of what this peer is now, or was later, may have waited for one of its. */
static void touch_same_node(struct lat_peer *p)
{
	struct lat_peer *other = lat_peer_find(p->engine, p->node);

	if (other != NULL)
		lat_peer_touch(other);
	DL_FOREACH(p->engine->leaving, other)
		if (other->node == p->node)
			lat_peer_touch(other);
}

void lat_chan_bury(struct lat_chan *c)
{
	struct lat_peer *p = c->peer;

	if (c->buried)
		return;
	lat_chan_reverse_end(c);
	lat_chan_detach(c);
	lat_idmap_del(&p->engine->handles, c->handle);
	if (c->inbound) {
		((struct lat_chan_in *)c)->state = LAT_IN_DONE;
		p->in_count--;
		p->after_count -= ((struct lat_chan_in *)c)->after != 0;
		if (p->leaving)
			touch_same_node(p);
	} else {
		struct lat_chan_out *co = (struct lat_chan_out *)c;

		co->state = LAT_OUT_DONE;
		p->out_count--;
		if (co->rev_num != 0 && c->pair == NULL)
			lat_channum_put(&p->numbers, p->engine->now, co->rev_num);
		lat_chan_out_update(co);
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
