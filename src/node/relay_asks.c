/*
 * A member's calls to another node, at the process with the network: what is under way there, and which call of the member's channel its
 * reply is for. The member says only in its memory that it has given one up; that is looked at when it calls next, so no more are open
 * there than the channel has places for.
 */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/link_calls.h"
#include "node/network.h"
#include "node/relay_impl.h"
#include "node/remote.h"

struct lat_relay_ask {
	struct lat_outbound_asked asked; /* first */
	struct lat_relay_asks *of;
	uint64_t token;
	struct lat_relay_ask *next, **at;
};

static void forget(struct lat_relay_ask *a)
{
	*a->at = a->next;
	if (a->next != NULL)
		a->next->at = a->at;
	free(a);
}

static void over(struct lat_outbound_asked *asked, int rc, const struct lat_delivery *reply)
{
	struct lat_relay_ask *a = (struct lat_relay_ask *)asked;
	const struct lat_inbox *inbox = a->of->inbox;

	if (reply != NULL)
		(void)!lat_link_reply(inbox, a->token, reply->type, reply->data, (uint32_t)reply->bytes);
	else if (rc != -ESHUTDOWN) /* the end of the member's channel says that */
		lat_link_reply_fail(inbox, a->token, rc);
	forget(a);
}

static void sweep(struct lat_relay_asks *as)
{
	struct lat_relay_ask *a, *next;

	for (a = as->first; a != NULL; a = next) {
		next = a->next;
		if (!lat_link_given_up(a->token))
			continue;
		lat_outbound_ask_give_up(&a->asked);
		forget(a);
	}
}

int lat_relay_ask_pass(struct lat_relay_asks *as, uint64_t token, const struct lat_engine_msg *request)
{
	struct lat_relay_ask *a = calloc(1, sizeof(*a));
	uint64_t now;
	int rc;

	if (a == NULL)
		return -EAGAIN;
	rc = lat_network_begin(as->net, &now);
	if (rc < 0) {
		free(a);
		return rc;
	}
	sweep(as);
	a->asked.over = over;
	a->of = as;
	a->token = token;
	rc = lat_outbound_ask_begin(as->o, now, request, &a->asked);
	if (rc == 0) {
		a->next = as->first;
		a->at = &as->first;
		if (a->next != NULL)
			a->next->at = &a->next;
		as->first = a;
	} else {
		free(a);
	}
	lat_network_end(as->net);
	if (rc == 0 || rc == -EAGAIN || rc == -ESHUTDOWN)
		return rc;
	lat_link_reply_fail(as->inbox, token, rc);
	return 0;
}

void lat_relay_asks_end(struct lat_relay_asks *as)
{
	uint64_t now;
	int rc = lat_network_begin(as->net, &now);

	if (rc < 0)
		pthread_mutex_lock(&as->net->lock);
	while (as->first != NULL) {
		lat_outbound_ask_give_up(&as->first->asked);
		forget(as->first);
	}
	if (rc < 0)
		pthread_mutex_unlock(&as->net->lock);
	else
		lat_network_end(as->net);
}
