/* The short calls: each on the default node, while it is open. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lattice/endpoint.h>
#include <lattice/ipc.h>

#include "node/default.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/node.h"
#include "node/routes.h"
#include "os/clock.h"

enum { PAYLOAD = sizeof(((struct lattice_message *)NULL)->m_payload) };

static int check_call(const struct lattice_message *msg, int flags)
{
	if (msg == NULL)
		return lat_why(NULL, -EINVAL, "no message");
	if ((flags & ~LATTICE_NONBLOCK) != 0)
		return lat_why(NULL, -EINVAL, "flags %#x: LATTICE_NONBLOCK is the only one", (unsigned)flags);
	return 0;
}

int lattice_listen(int32_t pid)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_MAKE);

	if (rc < 0)
		return rc;
	rc = lat_routes_listen(d->routes, pid);
	lat_default_put(d);
	return rc;
}

int lattice_connect(int32_t src, int32_t dst, lattice_node_id node)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_MAKE);

	if (rc < 0)
		return rc;
	rc = lat_routes_connect(d->routes, src, dst, node);
	if (rc == -EOPNOTSUPP)
		(void)lat_why(
			NULL, rc,
			"node %u is another node, and the default node has no network: call lattice_net_init() before the "
			"first call of <lattice/ipc.h>",
			node);
	lat_default_put(d);
	return rc;
}

int lattice_send(int32_t src, int32_t dst, const struct lattice_message *msg, int flags)
{
	struct lattice_msg m = { .len = PAYLOAD };
	struct lat_default *d;
	struct lat_way way;
	int rc = check_call(msg, flags);

	if (rc < 0)
		return rc;
	rc = lat_default_get(&d, LAT_DEFAULT_OPEN);
	if (rc < 0)
		return rc;
	m.type = msg->m_type;
	m.data = msg->m_payload;
	rc = lat_routes_get(d->routes, src, dst, &way);
	if (rc == 0) {
		rc = lattice_channel_send(way.ch, &m,
					  (flags & LATTICE_NONBLOCK) != 0 ? 0 : LATTICE_SEND_WAIT_NS);
		(void)lat_why_hand(way.ch, NULL, rc);
		lat_routes_put(d->routes, &way);
	}
	lat_default_put(d);
	return rc;
}

/*
 * The next message is longer than there is room for: it is taken out all the same. -EMSGSIZE: it was; 0: another receiver was quicker,
 * and what is in @buf now came after it; -ENOMSG: nothing did; or as lattice_endpoint_recv().
 */
static int drop_long(struct lattice_endpoint *ep, struct lattice_msg *msg, uint8_t buf[static PAYLOAD])
{
	void *room = NULL;
	int rc;

	do {
		size_t bytes = msg->len;

		free(room);
		room = malloc(bytes);
		if (room == NULL)
			return -ENOMEM;
		rc = lattice_endpoint_recv(ep, msg, room, bytes, 0);
	} while (rc == -EMSGSIZE);
	if (rc == 0 && msg->len <= PAYLOAD)
		memcpy(buf, room, msg->len);
	else if (rc == 0)
		rc = lat_why(
			ep, -EMSGSIZE,
			"a message of pid %d on node %u had %zu bytes and was dropped: these calls carry %d",
			msg->source, msg->node, msg->len, PAYLOAD);
	free(room);
	return rc;
}

static int recv_until(struct lattice_endpoint *ep, struct lattice_msg *msg, uint8_t buf[static PAYLOAD],
		      uint64_t deadline)
{
	uint64_t now;
	int rc;

	do {
		now = lat_clock_monotonic_ns();
		rc = lattice_endpoint_recv(ep, msg, buf, PAYLOAD,
					   now < deadline ? (int64_t)(deadline - now) : 0);
		if (rc == -EMSGSIZE)
			rc = drop_long(ep, msg, buf);
	} while (rc == -ENOMSG && now < deadline);
	return rc == -ENOMSG && deadline != 0 ? -ETIMEDOUT : rc;
}

int lattice_recv(int32_t pid, struct lattice_message *msg, int flags)
{
	uint64_t deadline = 0;
	uint8_t buf[PAYLOAD] = { 0 };
	struct lattice_endpoint *ep;
	struct lat_default *d;
	struct lattice_msg m = { 0 };
	int rc = check_call(msg, flags);

	if (rc < 0)
		return rc;
	rc = lat_default_get(&d, LAT_DEFAULT_OPEN);
	if (rc < 0)
		return rc;
	if ((flags & LATTICE_NONBLOCK) == 0)
		deadline = lat_clock_deadline(lat_clock_monotonic_ns(), LATTICE_RECV_WAIT_NS);
	ep = lat_endpoint_find(d->node, pid);
	if (ep == NULL) {
		rc = lat_why(NULL, -ENOTCONN,
			     "pid %d receives nothing: lattice_listen() or lattice_connect() first", pid);
	} else {
		rc = recv_until(ep, &m, buf, deadline);
		(void)lat_why_hand(ep, NULL, rc);
		lat_endpoint_put(ep);
	}
	if (rc == 0) {
		lat_routes_heard(d->routes, pid, m.source, m.node);
		*msg = (struct lattice_message){ .m_source = m.source, .m_type = m.type };
		memcpy(msg->m_payload, buf, sizeof(buf));
	}
	lat_default_put(d);
	return rc;
}

int lattice_poll_network(void)
{
	struct lat_default *d;
	int rc = lat_default_get(&d, LAT_DEFAULT_OPEN);

	if (rc < 0)
		return rc == -ENOTCONN ? 0 : rc;
	rc = lattice_node_poll(d->node, 0);
	(void)lat_why_hand(d->node, NULL, rc);
	lat_default_put(d);
	return rc;
}

struct lattice_channel *lattice_channel_between(int32_t src, int32_t dst)
{
	struct lattice_channel *ch;
	struct lat_default *d;

	if (lat_default_get(&d, LAT_DEFAULT_OPEN) < 0)
		return NULL;
	ch = lat_routes_joined(d->routes, src, dst);
	lat_default_put(d);
	return ch;
}
