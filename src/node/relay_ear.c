/*
 * An ear: hears for the lanes of one link that it may have room again. Whoever waits for that in a call arms the link's bell himself; a
 * relay does not wait, so the thread watches the bell while lanes are full. The drain tells their senders, whose descriptors then
 * become readable.
 */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/bell.h"
#include "fastpath/sender.h"
#include "node/lane.h"
#include "node/links.h"
#include "node/relay_impl.h"
#include "os/watch.h"

struct lat_relay_ear {
	struct lat_relay relay;
	struct lat_pair *pair; /* a reference */
	struct lat_bell *bell;
	uint32_t users; /* the thread's */
	uint32_t full;  /* the network's lock's: lanes */
	struct lat_relay_ear *next;
};

static void turn(struct lat_relay *relay)
{
	const struct lat_relay_ear *ear = (const struct lat_relay_ear *)relay;

	(void)ear->bell->ops->drain(ear->bell);
}

int lat_relay_ear_get(struct lat_relay_ear **out, struct lat_relays *rs, struct lat_lane *lane)
{
	struct lat_relay_ear *ear = rs->ears;
	int rc;

	while (ear != NULL && ear->pair != lane->pair)
		ear = ear->next;
	if (ear == NULL) {
		ear = calloc(1, sizeof(*ear));
		if (ear == NULL)
			return -ENOMEM;
		ear->relay = (struct lat_relay){ .rs = rs, .turn = turn };
		ear->bell = lat_lane_sender(lane)->bell;
		rc = lat_watch_add(rs->watch, ear->bell->ops->fd(ear->bell), false, &ear->relay);
		if (rc < 0) {
			free(ear);
			return rc;
		}
		lat_watch_change(rs->watch, ear->bell->ops->fd(ear->bell), false, false, &ear->relay);
		ear->pair = lat_pair_get(lane->pair);
		ear->next = rs->ears;
		rs->ears = ear;
	}
	ear->users++;
	*out = ear;
	return 0;
}

void lat_relay_ear_put(struct lat_relay_ear *ear)
{
	struct lat_relays *rs;
	struct lat_relay_ear **at;

	if (ear == NULL || --ear->users > 0)
		return;
	rs = ear->relay.rs;
	lat_watch_remove(rs->watch, ear->bell->ops->fd(ear->bell));
	for (at = &rs->ears; *at != ear; at = &(*at)->next)
		;
	*at = ear->next;
	ear->next = rs->deaf;
	rs->deaf = ear;
}

void lat_relay_ears_bury(struct lat_relays *rs)
{
	struct lat_relay_ear *ear;

	while ((ear = rs->deaf) != NULL) {
		rs->deaf = ear->next;
		lat_pair_put(ear->pair);
		free(ear);
	}
}

void lat_relay_ear_full(struct lat_relay_ear *ear, bool is)
{
	if (is ? ear->full++ > 0 : --ear->full > 0)
		return;
	if (is)
		ear->bell->ops->arm(ear->bell, LAT_BELL_FD);
	else
		ear->bell->ops->disarm(ear->bell, LAT_BELL_FD);
	lat_watch_change(ear->relay.rs->watch, ear->bell->ops->fd(ear->bell), is, false, &ear->relay);
}
