/* Opening and closing a node, and what is said about it. */
#include "node/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "base/log.h"
#include "crypto/aead.h"
#include "graph/channels.h"
#include "graph/work.h"
#include "net/nodeid.h"
#include "node/attach.h"
#include "node/audit.h"
#include "node/endpoint.h"
#include "node/channel.h"
#include "node/explain.h"
#include "node/grants.h"
#include "node/judge.h"
#include "node/keyfile.h"
#include "node/network.h"
#include "node/packets.h"
#include "node/probe.h"
#include "node/relay.h"
#include "node/standing.h"
#include "node/stats.h"
#include "os/clock.h"
#include "os/fork.h"
#include "os/random.h"
#include "wire/limits.h"
#include "wire/path.h"

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
	lat_attach_free(lat_node_attach(node));
	lat_relays_close(node->relays);
	lat_probes_close(node->probes);
	lat_grants_close(node->grants);
	lat_channels_close(node->channels);
	lat_work_close(node->work);
	pthread_mutex_destroy(&node->lock);
	lat_standing_close(node->standing);
	lat_judge_close(node->judge);
	lat_audit_close(node->audit);
	free(node->policy_file);
	free(node->audit_file);
	free(node);
}

int lat_node_refuse(const struct lattice_node *node, const void *handle)
{
	if (lat_node_foreign(node))
		return lat_why(handle, -EPERM,
			       "the node was opened by this process's parent: after fork, open one here");
	return lat_why(handle, -ESHUTDOWN, "the node was closed");
}

static int check_config(const struct lattice_node_config *cfg)
{
	if (cfg->host != LATTICE_HOST_AUTO && cfg->host != LATTICE_HOST_SELF &&
	    cfg->host != LATTICE_HOST_PRIVATE && cfg->host != LATTICE_HOST_ATTACH)
		return lat_why(NULL, -EINVAL, "host is %d, not of enum lattice_host", (int)cfg->host);
	if (cfg->policy_file != NULL && (cfg->host != LATTICE_HOST_SELF || cfg->no_threads))
		return lat_why(NULL, -EINVAL,
			       "a policy is for a node that hosts: LATTICE_HOST_SELF, and not no_threads");
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

/* What every node needs of the process it is in. */
static int check_process(void)
{
	int rc = lat_random_check();

	if (rc < 0)
		return lat_why(NULL, rc,
			       "getrandom(2) is forbidden to this process, and there are no keys without it");
	rc = lat_fork_watch();
	return rc < 0 ? rc : lat_crypto_init();
}

/*
 * Where this machine's processes meet. A node with the network runs without it; one that needs nothing else does not open. Without a
 * thread of its own a node stays alone.
 */
static int open_attach(struct lattice_node *node, const struct lattice_node_config *cfg)
{
	struct lat_attach_config ac = {
		.node = node,
		.number = node->id,
		.number_wanted = cfg->node_id != 0,
		.must_host = cfg->host == LATTICE_HOST_SELF,
		.never_host = cfg->host == LATTICE_HOST_ATTACH,
	};
	struct lat_attach *attach;
	char why[LAT_LOG_LINE_MAX];
	lattice_node_id number;
	int rc;

	if (cfg->host == LATTICE_HOST_PRIVATE || cfg->no_threads)
		return 0;
	rc = node->network != NULL ? lat_relays_open(&node->relays, node) : 0;
	if (rc == 0 && node->network != NULL)
		rc = lat_probes_open(&node->probes, node);
	if (rc == 0)
		rc = lat_attach_open(&attach, &ac, &number);
	if (rc == 0) {
		if (cfg->host != LATTICE_HOST_SELF)
			node->id = number;
		atomic_store_explicit(&node->attach, attach, memory_order_release);
	}
	if (rc == 0 || cfg->host != LATTICE_HOST_SELF)
		return rc;
	(void)lattice_explain(NULL, rc, why, sizeof(why));
	lat_log(LAT_LOG_WARN, "local: no other process of this machine can attach to this node: %s", why);
	atomic_store_explicit(&node->elsewhere, true, memory_order_relaxed);
	return 0;
}

int lat_node_open(struct lattice_node **out, const struct lattice_node_config *cfg,
		  struct lat_packets *packets)
{
	static const struct lattice_node_config defaults;
	struct lattice_node *node;
	int rc;

	lat_why_forget();
	if (out == NULL)
		return -EINVAL;
	*out = NULL;
	if (cfg == NULL)
		cfg = &defaults;
	rc = check_config(cfg);
	if (rc == 0)
		rc = check_process();
	if (rc < 0)
		return rc;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return -ENOMEM;
	pthread_mutex_init(&node->lock, NULL);
	atomic_init(&node->refs, 1);
	node->packets = packets;
	node->generation = lat_fork_generation();
	node->no_threads = cfg->no_threads;
	node->len_max = (cfg->max_msg_bytes != 0 ? cfg->max_msg_bytes : LAT_MAX_MSG_DEFAULT) -
			LAT_MSG_OVERHEAD;

	rc = lat_audit_open(&node->audit);
	if (rc == 0)
		rc = lat_judge_open(&node->judge, (uint32_t)geteuid(), cfg->policy_file != NULL);
	if (rc == 0)
		rc = lat_standing_open(&node->standing, node->judge);
	if (rc == 0 && cfg->policy_file != NULL) {
		node->policy_file = strdup(cfg->policy_file);
		rc = node->policy_file == NULL ? -ENOMEM : 0;
	}
	if (rc == 0 && cfg->audit_file != NULL) {
		node->audit_file = strdup(cfg->audit_file);
		node->audit_json = cfg->audit_json;
		rc = node->audit_file == NULL ? -ENOMEM : lat_node_audit_to(node, NULL);
	}
	if (rc == 0)
		rc = lat_channels_open(&node->channels, 0);
	if (rc == 0)
		rc = lat_work_open(&node->work, NULL);
	if (rc == 0)
		rc = lat_grants_open(&node->grants, node);
	if (rc == 0 && cfg->host == LATTICE_HOST_SELF)
		rc = lat_network_open(&node->network, node, cfg, &node->id);
	else if (rc == 0)
		node->id = cfg->node_id != 0 ? cfg->node_id : lat_nodeid_local();
	if (rc == 0 && node->policy_file != NULL)
		rc = lat_network_rule(node->network);
	if (rc == 0)
		rc = open_attach(node, cfg);
	if (rc < 0) {
		lattice_node_close(node);
		return rc;
	}
	*out = node;
	return 0;
}

int lattice_node_open(struct lattice_node **out, const struct lattice_node_config *cfg)
{
	return lat_node_open(out, cfg, NULL);
}

void lattice_node_close(struct lattice_node *node)
{
	if (node == NULL || lat_node_foreign(node))
		return;
	lat_grants_shutdown(node->grants); /* while the state directory is ours */
	if (node->network != NULL)
		lat_network_shutdown(node->network);
	atomic_store_explicit(&node->closed, true, memory_order_release);
	lat_endpoints_shutdown(node);
	lat_relays_shutdown(node->relays);
	lat_probes_shutdown(node->probes);
	lat_attach_shutdown(lat_node_attach(node));
	pthread_mutex_lock(&node->lock);
	lat_waitq_wake(&node->work_ended);
	pthread_mutex_unlock(&node->lock);
	lat_node_put(node);
}

int lat_node_reload(struct lattice_node *node, struct lat_node_cut *cut)
{
	int rc;

	lat_why_forget();
	if (node == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc < 0)
		return rc;
	if (node->policy_file == NULL && node->audit_file == NULL)
		return lat_why(node, -EOPNOTSUPP,
			       "this node was opened without a policy, and without a file for refusals");
	(void)lat_node_get(node);
	rc = lat_why_hand(NULL, node,
			  node->policy_file != NULL ? lat_network_rule(node->network)
						    : lat_node_audit_to(node, NULL));
	if (rc == 0 && node->policy_file != NULL) {
		cut->grants = lat_standing_review(node->standing, lat_grants_issuer(node->grants));
		if (cut->grants > 0)
			(void)lat_network_revoked(node->network);
		lat_attach_judge(lat_node_attach(node), cut);
	}
	if (rc == -ESHUTDOWN)
		rc = lat_why(node, rc, "the node was closed");
	lat_node_put(node);
	return rc;
}

int lattice_node_reload(struct lattice_node *node)
{
	struct lat_node_cut cut = { 0 };

	return lat_node_reload(node, &cut);
}

/* The two calls about the machine's processes: a reference to the node, which has a host. */
static int place_begin(struct lattice_node *node)
{
	int rc;

	lat_why_forget();
	if (node == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc == 0 && lat_node_attach(node) == NULL)
		rc = lat_why(node, -EOPNOTSUPP, "this node is by itself: no other process can attach to it");
	if (rc == 0)
		(void)lat_node_get(node);
	return rc;
}

int lattice_node_host(struct lattice_node *node, struct lattice_node_host *out)
{
	int rc = out != NULL ? place_begin(node) : -EINVAL;

	if (rc < 0)
		return rc;
	rc = lat_attach_host(lat_node_attach(node), out);
	lat_node_put(node);
	return rc;
}

int lattice_node_receiver(struct lattice_node *node, int32_t after, struct lattice_receiver *out)
{
	int rc = out != NULL ? place_begin(node) : -EINVAL;

	if (rc < 0)
		return rc;
	rc = lat_attach_receiver(lat_node_attach(node), after, out);
	if (rc == -ETIMEDOUT)
		(void)lat_why(node, rc, "the process that hosts does not answer: is it stopped?");
	lat_node_put(node);
	return rc;
}

lattice_node_id lattice_node_number(const struct lattice_node *node)
{
	return node != NULL ? node->id : 0;
}

uint16_t lattice_node_port(const struct lattice_node *node)
{
	if (node == NULL || node->network == NULL ||
	    atomic_load_explicit(&node->closed, memory_order_acquire))
		return 0;
	return lat_network_port(node->network);
}

/* The calls that wait hold a reference: lattice_node_close() in another thread wakes them, and does not wait for them. */

int lattice_node_poll(struct lattice_node *node, int64_t timeout_ns)
{
	int rc = node != NULL ? lat_node_check(node, node) : -EINVAL;

	if (rc < 0 || node->network == NULL || !node->no_threads)
		return rc;
	(void)lat_node_get(node);
	rc = lat_network_turn(node->network, -1,
			      timeout_ns == 0 ? 0 : lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns));
	lat_node_put(node);
	return rc == -ETIMEDOUT ? 0 : rc;
}

/*
 * Between these two lies a call on the node's network, which the node outlives though it is closed meanwhile. -EOPNOTSUPP,
 * -ESHUTDOWN, -EPERM or -EINVAL with a sentence, or 0.
 */
static int call_begin(struct lattice_node *node)
{
	int rc;

	lat_why_forget();
	if (node == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc == 0 && node->network == NULL)
		rc = lat_why(node, -EOPNOTSUPP, "this node has no network: open it with LATTICE_HOST_SELF");
	if (rc == 0)
		(void)lat_node_get(node);
	return rc;
}

/* The same for what a node without one may ask of who hosts. */
static int probe_begin(struct lattice_node *node)
{
	int rc;

	lat_why_forget();
	if (node == NULL)
		return -EINVAL;
	if (node->network != NULL || lat_node_attach(node) == NULL)
		return call_begin(node);
	rc = lat_node_check(node, node);
	if (rc == 0)
		(void)lat_node_get(node);
	return rc;
}

int lat_peer_why(const struct lattice_node *node, const void *handle, lattice_node_id peer, int rc)
{
	char where[LAT_PATH_TEXT + 8] = "";

	if (node->network != NULL && (rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -ECONNREFUSED))
		(void)lat_network_where(node->network, peer, where, sizeof(where));
	switch (rc) {
	case -ENOKEY:
		if (node->network == NULL)
			return lat_why(handle, rc, LAT_HINT_UNKNOWN, peer);
		return lat_network_key_why(node->network, handle, peer);
	case -EOPNOTSUPP:
		return lat_why(handle, rc, "node %u: " LAT_HINT_NO_NETWORK, peer);
	case -ENOBUFS:
		return lat_why(handle, rc, "node %u: too many questions about other nodes are under way",
			       peer);
	case -EDESTADDRREQ:
		return lat_why(
			handle, rc,
			"no address is known for node %u: give one with 'lattice peers add --at HOST:PORT'",
			peer);
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
		return lat_why(handle, rc, "node %u does not answer%s. " LAT_HINT_SILENT, peer, where, peer);
	case -ENETUNREACH:
		return lat_why(handle, rc, "node %u: this machine has no way to its network", peer);
	case -ECONNREFUSED:
		return lat_why(
			handle, rc,
			"node %u: nothing listens%s. Is it running there, and is that its port? " LAT_HINT_PORT,
			peer, where);
	case -EPROTO:
		return lat_why(
			handle, rc,
			"node %u broke a rule, or its version or number differ from what is configured",
			peer);
	case -ESHUTDOWN:
		return lat_why(handle, rc, "the node was closed");
	default:
		return rc;
	}
}

static int call_end(struct lattice_node *node, lattice_node_id peer, int rc)
{
	rc = lat_peer_why(node, node, peer, rc);
	lat_node_put(node);
	return rc;
}

int lattice_node_set_remote(struct lattice_node *node, lattice_node_id peer, const char *endpoint,
			    enum lattice_proto proto)
{
	int rc = call_begin(node);

	if (rc < 0)
		return rc;
	if (!lat_proto_valid(proto))
		rc = lat_why(node, -EINVAL, "node %u: protocol %d is not of enum lattice_proto", peer,
			     (int)proto);
	else
		rc = lat_network_set_remote(node->network, peer, endpoint, proto);
	return call_end(node, peer, rc);
}

int lattice_node_add_peer(struct lattice_node *node, const struct lattice_peer *peer)
{
	int rc = peer != NULL ? call_begin(node) : -EINVAL;

	if (rc < 0)
		return rc;
	rc = lat_network_add_peer(node->network, peer);
	if (rc == -ESHUTDOWN)
		rc = lat_why(node, rc, "the node was closed");
	else
		rc = lat_why_hand(NULL, node, rc); /* the sentence is about the node that was asked */
	lat_node_put(node);
	return rc;
}

int lattice_node_remove_peer(struct lattice_node *node, lattice_node_id peer)
{
	int rc = call_begin(node);

	if (rc < 0)
		return rc;
	rc = lat_network_remove_peer(node->network, peer);
	if (rc == -ENOKEY)
		rc = lat_why(node, rc, "node %u is no peer of this node: there is nothing to remove", peer);
	if (rc == -ESHUTDOWN)
		rc = lat_why(node, rc, "the node was closed");
	lat_node_put(node);
	return rc;
}

static uint64_t until(int64_t timeout_ns)
{
	return lat_clock_deadline(lat_clock_monotonic_ns(), timeout_ns);
}

int lattice_node_connect(struct lattice_node *node, lattice_node_id peer, int64_t timeout_ns)
{
	int rc = probe_begin(node);

	if (rc < 0)
		return rc;
	rc = node->network != NULL ? lat_network_connect(node->network, peer, timeout_ns)
				   : lat_probe(lat_node_attach(node), peer, LAT_PROBE_CONNECT, NULL, NULL,
					       until(timeout_ns));
	return call_end(node, peer, rc);
}

int lattice_node_round_trip(struct lattice_node *node, lattice_node_id peer, struct lattice_round_trip *out,
			    int64_t timeout_ns)
{
	int rc = out != NULL ? probe_begin(node) : -EINVAL;

	if (rc < 0)
		return rc;
	rc = node->network != NULL
		     ? lat_network_ping(node->network, peer, out, timeout_ns)
		     : lat_probe(lat_node_attach(node), peer, LAT_PROBE_PING, out, NULL, until(timeout_ns));
	return call_end(node, peer, rc);
}

int lattice_node_ping(struct lattice_node *node, lattice_node_id peer, uint64_t *rtt_ns, int64_t timeout_ns)
{
	struct lattice_round_trip trip;
	int rc = rtt_ns != NULL ? lattice_node_round_trip(node, peer, &trip, timeout_ns) : -EINVAL;

	if (rc == 0)
		*rtt_ns = trip.rtt_ns;
	return rc;
}

int lattice_node_peer(struct lattice_node *node, lattice_node_id peer, struct lattice_peer_stats *out)
{
	int rc = out != NULL ? probe_begin(node) : -EINVAL;

	if (rc < 0)
		return rc;
	rc = node->network != NULL
		     ? lat_network_peer(node->network, peer, out)
		     : lat_probe(lat_node_attach(node), peer, LAT_PROBE_STATS, NULL, out, until(0));
	return call_end(node, peer, rc);
}

size_t lattice_node_stats(struct lattice_node *node, struct lattice_stat *out, size_t max)
{
	struct lat_stats s = { .out = out, .max = out != NULL ? max : 0 };

	if (node == NULL || lat_node_foreign(node))
		return 0;
	(void)lat_node_get(node);
	lat_endpoints_stats(node, &s);
	lat_channels_tier_stats(node, &s);
	lat_channels_handoff_stats(node, &s);
	if (node->packets != NULL)
		lat_packets_stats(node->packets, &s);
	if (node->network != NULL)
		lat_network_stats(node->network, &s);
	if (lat_node_attach(node) !=
	    NULL) { /* the relays were there before; both come after the thread of statsock.h */
		lat_attach_stats(lat_node_attach(node), &s);
		if (node->relays != NULL)
			lat_relays_stats(node->relays, &s);
	}
	lat_grants_stats(node->grants, &s);
	lat_audit_stats(node->audit, &s);
	lat_stats_put(&s, "local.elsewhere",
		      "1: other processes cannot attach to this node, another one hosts",
		      atomic_load_explicit(&node->elsewhere, memory_order_relaxed));
	lat_node_put(node);
	return s.count;
}

const char *lattice_version(void)
{
	return LAT_VERSION;
}
