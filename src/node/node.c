/* Opening and closing a node, and what is said about it. */
#include "node/node.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "graph/channels.h"
#include "graph/dag.h"
#include "net/nodeid.h"
#include "node/endpoint.h"
#include "node/explain.h"
#include "node/network.h"
#include "node/stats.h"
#include "os/clock.h"
#include "wire/limits.h"

struct lattice_node *lat_node_get(struct lattice_node *node)
{
	(void)atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
	return node;
}

void lat_node_put(struct lattice_node *node)
{
	if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1)
		return;
	lat_network_free(node->network);
	lat_channels_close(node->channels);
	lat_dag_close(node->deps);
	pthread_mutex_destroy(&node->lock);
	free(node);
}

int lat_node_check(const struct lattice_node *node, const void *handle)
{
	if (atomic_load_explicit(&node->closed, memory_order_acquire))
		return lat_why(handle, -ESHUTDOWN, "the node was closed");
	return 0;
}

int lat_node_turn(struct lattice_node *node, uint64_t deadline_ns)
{
	return lat_network_turn(node->network, -1, deadline_ns);
}

static int check_config(const struct lattice_node_config *cfg)
{
	if (cfg->host != LATTICE_HOST_AUTO && cfg->host != LATTICE_HOST_SELF)
		return lat_why(NULL, -EINVAL, "host is %d, not of enum lattice_host", (int)cfg->host);
	if (cfg->node_id == UINT32_MAX)
		return lat_why(NULL, -EINVAL, "node number 0xffffffff is reserved");
	if (cfg->port < LATTICE_PORT_ANY || cfg->port > UINT16_MAX)
		return lat_why(NULL, -EINVAL, "port %d is not in 1..65535", cfg->port);
	if (cfg->max_msg_bytes != 0 &&
	    (cfg->max_msg_bytes < LAT_MSG_LIMIT_MIN || cfg->max_msg_bytes > LAT_REASM_PEER_BYTES / 2))
		return lat_why(NULL, -EINVAL, "max_msg_bytes %u is not in %d..%d", cfg->max_msg_bytes,
			       LAT_MSG_LIMIT_MIN, LAT_REASM_PEER_BYTES / 2);
	return 0;
}

int lattice_node_open(struct lattice_node **out, const struct lattice_node_config *cfg)
{
	static const struct lattice_node_config defaults;
	struct lattice_node *node;
	int rc;

	*out = NULL;
	if (cfg == NULL)
		cfg = &defaults;
	rc = check_config(cfg);
	if (rc == 0)
		rc = lat_crypto_init();
	if (rc < 0)
		return rc;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return -ENOMEM;
	pthread_mutex_init(&node->lock, NULL);
	atomic_init(&node->refs, 1);
	node->no_threads = cfg->no_threads;
	node->len_max = (cfg->max_msg_bytes != 0 ? cfg->max_msg_bytes : LAT_MAX_MSG_DEFAULT) -
			LAT_MSG_OVERHEAD;

	rc = lat_channels_open(&node->channels, 0);
	if (rc == 0)
		rc = lat_dag_open(&node->deps, NULL);
	if (rc == 0 && cfg->host == LATTICE_HOST_SELF)
		rc = lat_network_open(&node->network, node, cfg, &node->id);
	else if (rc == 0)
		node->id = cfg->node_id != 0 ? cfg->node_id : lat_nodeid_local();
	if (rc < 0) {
		lat_node_put(node);
		return rc;
	}
	*out = node;
	return 0;
}

void lattice_node_close(struct lattice_node *node)
{
	if (node == NULL)
		return;
	if (node->network != NULL)
		lat_network_shutdown(node->network);
	atomic_store_explicit(&node->closed, true, memory_order_release);
	lat_endpoints_shutdown(node);
	lat_node_put(node);
}

lattice_node_id lattice_node_number(const struct lattice_node *node)
{
	return node != NULL ? node->id : 0;
}

uint16_t lattice_node_port(const struct lattice_node *node)
{
	return node != NULL && node->network != NULL ? lat_network_port(node->network) : 0;
}

int lattice_node_poll(struct lattice_node *node, int64_t timeout_ns)
{
	int rc = lat_node_check(node, node);

	if (rc < 0 || node->network == NULL || !node->no_threads)
		return rc;
	rc = lat_node_turn(node, lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns));
	return rc == -ETIMEDOUT ? 0 : rc;
}

/* -EOPNOTSUPP or -ESHUTDOWN with a sentence, or 0. */
static int check_network(const struct lattice_node *node)
{
	int rc = lat_node_check(node, node);

	if (rc == 0 && node->network == NULL)
		rc = lat_why(node, -EOPNOTSUPP, "this node has no network: open it with LATTICE_HOST_SELF");
	return rc;
}

/* The sentence for a failed talk to @peer. */
static int peer_why(const struct lattice_node *node, lattice_node_id peer, int rc)
{
	switch (rc) {
	case -ENOKEY:
		return lat_why(node, rc,
			       "no key is known for node %u: add its public key with 'lattice peers add'",
			       peer);
	case -EDESTADDRREQ:
		return lat_why(
			node, rc,
			"no address is known for node %u: give one with 'lattice peers add --at HOST:PORT'",
			peer);
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
		return lat_why(
			node, rc,
			"node %u does not answer: is it running at that address, does it know this node's key, is "
			"its key here the one it has, and is the mesh key the same?",
			peer);
	case -ECONNREFUSED:
		return lat_why(node, rc,
			       "node %u: nothing listens at its address: is it running, is the port right?",
			       peer);
	case -EPROTO:
		return lat_why(
			node, rc,
			"node %u broke a rule, or its version or number differ from what is configured",
			peer);
	case -ESHUTDOWN:
		return lat_why(node, rc, "the node was closed");
	default:
		return rc;
	}
}

int lattice_node_set_remote(struct lattice_node *node, lattice_node_id peer, const char *endpoint,
			    enum lattice_proto proto)
{
	int rc = check_network(node);

	if (rc < 0)
		return rc;
	if (proto != LATTICE_UDP && proto != LATTICE_TCP)
		return lat_why(node, -EINVAL, "node %u: protocol %d is neither LATTICE_UDP nor LATTICE_TCP",
			       peer, (int)proto);
	rc = lat_network_set_remote(node->network, peer, endpoint, proto);
	return peer_why(node, peer, rc);
}

int lattice_node_connect(struct lattice_node *node, lattice_node_id peer, int64_t timeout_ns)
{
	int rc = check_network(node);

	return rc < 0 ? rc : peer_why(node, peer, lat_network_connect(node->network, peer, timeout_ns));
}

int lattice_node_ping(struct lattice_node *node, lattice_node_id peer, uint64_t *rtt_ns, int64_t timeout_ns)
{
	int rc = check_network(node);

	return rc < 0 ? rc : peer_why(node, peer, lat_network_ping(node->network, peer, rtt_ns, timeout_ns));
}

int lattice_node_peer(struct lattice_node *node, lattice_node_id peer, struct lattice_peer_stats *out)
{
	int rc = check_network(node);

	return rc < 0 ? rc : peer_why(node, peer, lat_network_peer(node->network, peer, out));
}

size_t lattice_node_stats(struct lattice_node *node, struct lattice_stat *out, size_t max)
{
	struct lat_stats s = { .out = out, .max = max };

	lat_endpoints_stats(node, &s);
	if (node->network != NULL)
		lat_network_stats(node->network, &s);
	return s.count;
}

const char *lattice_version(void)
{
	return LAT_VERSION;
}
