/* Packets of the driver's calls to other nodes, and their reset. All state is guarded by the network's lock. */
#include <errno.h>

#include "net/driver.h"
#include "node/network.h"
#include "node/state.h"
#include "os/clock.h"
#include "wire/code.h"

static const int64_t goodbye_ns = LAT_NS_PER_S; /* how long reset waits for peers to hear it */

struct lat_netsend { /* on the caller's stack */
	uint32_t node;
	int failures, err; /* of connecting to it */
	struct lat_netsend *next;
};

void lat_netsend_failed(struct lat_network *net, uint32_t node, int err)
{
	/* What broke is opened again, and the send waits for that; where there is nobody, it need not. */
	bool hopeless = err == -ECONNREFUSED || err == -EHOSTUNREACH || err == -ENETUNREACH;

	for (struct lat_netsend *s = net->sending; s != NULL; s = s->next)
		if (s->node == node && hopeless) {
			s->failures++;
			s->err = err;
		}
	lat_waitq_wake(&net->room);
}

/* One try. Inside begin and end. 0, -EAGAIN (wait), or what the call is to return. */
static int try_send(struct lat_network *net, lattice_node_id node, const void *data, size_t bytes)
{
	struct lat_peer_info info;
	uint64_t now = lat_network_now();
	int rc = lat_engine_peer_info(net->engine, now, node, &info);

	if (rc == 0 && info.state == LAT_PEER_DOWN)
		rc = info.err < 0 ? info.err : -EHOSTUNREACH;
	if (rc == 0 && info.state == LAT_PEER_IDLE)
		rc = lat_engine_peer_connect(net->engine, now, node);
	if (rc == 0)
		rc = lat_engine_net_send(net->engine, now, node, data, bytes);
	return rc;
}

int lat_network_net_send(struct lat_network *net, lattice_node_id node, const void *data, size_t bytes,
			 uint64_t deadline_ns)
{
	struct lat_netsend self = { .node = node }, **at;
	uint64_t now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	self.next = net->sending;
	net->sending = &self;
	rc = lat_engine_peer_connect(net->engine, now, node); /* one that is down is called once more */
	while (rc == 0) {
		rc = try_send(net, node, data, bytes);
		if (rc != -EAGAIN)
			break;
		rc = lat_network_wait(net, &net->room, deadline_ns);
		/* The first may have been tried before we came, and the peer be there by now. */
		if ((rc == 0 && self.failures > 1) || (rc == -ETIMEDOUT && self.failures > 0))
			rc = self.err;
	}
	for (at = &net->sending; *at != &self; at = &(*at)->next)
		;
	*at = self.next;
	lat_network_end(net);
	return rc;
}

/* Whether some peer has not heard our goodbye yet. */
static bool any_closing(const struct lat_network *net)
{
	for (size_t i = 0; i < lat_state_peer_count(net->state); i++) {
		struct lat_peer_info info;
		uint32_t node = lat_state_peer_at(net->state, i)->node;

		if (lat_engine_peer_info(net->engine, lat_network_now(), node, &info) == 0 && info.closing)
			return true;
	}
	return false;
}

static void forget_connection(struct lat_network *net, uint64_t now, uint32_t node)
{
	struct lat_peer_info info;

	lat_driver_forget(net->driver, node);
	/* A handshake may have begun on it already: it goes on with the next one. */
	if (lat_engine_peer_info(net->engine, now, node, &info) == 0 && info.path.proto == LAT_PROTO_TCP)
		lat_engine_conn_down(net->engine, now, node, 0);
}

int lat_network_reset(struct lat_network *net)
{
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), goodbye_ns), now;
	int rc = lat_network_begin(net, &now);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < lat_state_peer_count(net->state); i++)
		(void)lat_engine_peer_close(net->engine, now, lat_state_peer_at(net->state, i)->node,
					    LAT_CODE_ECONNRESET);
	while (rc == 0 && any_closing(net))
		rc = lat_network_wait(net, &net->room, deadline);
	if (rc != -ESHUTDOWN) {
		rc = 0;
		for (size_t i = 0; i < lat_state_peer_count(net->state); i++)
			forget_connection(net, lat_network_now(), lat_state_peer_at(net->state, i)->node);
	}
	lat_network_end(net);
	return rc;
}
