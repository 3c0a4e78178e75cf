/* Services of a node by itself, of two nodes on real sockets, and what is no name. Those of several processes: tests/proc. */
#include "node/pair_harness.h"

#include "base/name.h"

TEST(a_node_by_itself)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	struct lattice_endpoint *store, *other;
	struct lattice_node *node;
	int32_t pid = 0;

	CHECK_EQ(lattice_node_open(&node, &cfg), 0);
	CHECK_EQ(lattice_node_resolve(node, "store", 0, &pid, SECONDS(5)), -ENOENT);
	CHECK_EQ(lattice_endpoint_open_name(&store, node, "store", 0), 0);
	CHECK_EQ(lattice_endpoint_pid(store), lattice_service_pid("store"));
	CHECK_EQ(lattice_node_resolve(node, "store", 0, &pid, SECONDS(5)), 0);
	CHECK_EQ(pid, lattice_service_pid("store"));
	CHECK_EQ(lattice_endpoint_open_name(&other, node, "store", 9), -EEXIST);
	CHECK_EQ(other == NULL, true);
	CHECK_EQ(lattice_node_resolve(node, "store", 2, &pid, SECONDS(5)), -EOPNOTSUPP);
	lattice_endpoint_close(store);
	CHECK_EQ(lattice_node_resolve(node, "store", 0, &pid, SECONDS(5)), -ENOENT);
	CHECK_EQ(lattice_endpoint_open_name(&other, node, "store", 9), 0);
	CHECK_EQ(lattice_node_resolve(node, "store", lattice_node_number(node), &pid, SECONDS(5)), 0);
	CHECK_EQ(pid, 9);
	lattice_endpoint_close(other);
	lattice_node_close(node);
}

/* Something else receives as the pid that the name would have. */
TEST(a_pid_that_is_taken)
{
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	struct lattice_endpoint *taken, *store, *none;
	struct lattice_node *node;

	CHECK_EQ(lattice_node_open(&node, &cfg), 0);
	CHECK_EQ(lattice_endpoint_open(&taken, node, lat_service_pid("store", 0)), 0);
	CHECK_EQ(lattice_endpoint_open_name(&store, node, "store", 0), 0);
	CHECK_EQ(lattice_endpoint_pid(store), lat_service_pid("store", 1));
	CHECK_EQ(lattice_endpoint_open_name(&none, node, "shop", lat_service_pid("store", 0)), -EADDRINUSE);
	lattice_endpoint_close(store);
	lattice_endpoint_close(taken);
	lattice_node_close(node);
}

TEST(what_cannot_be_asked)
{
	static const struct {
		const char *why, *name;
		int64_t timeout_ns;
		int open, resolve;
	} rows[] = {
		{ "no name", NULL, SECONDS(1), -EINVAL, -EINVAL },
		{ "an empty one", "", SECONDS(1), -EINVAL, -EINVAL },
		{ "a number", "42", SECONDS(1), -EINVAL, -EINVAL },
		{ "with the node", "store@two", SECONDS(1), -EINVAL, -EINVAL },
		{ "no time", "store", 0, 0, -EINVAL },
	};
	const struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	struct lattice_endpoint *ep;
	struct lattice_node *node;
	int32_t pid = 0;

	CHECK_EQ(lattice_node_open(&node, &cfg), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_EQ_ROW(rows[i].why, lattice_endpoint_open_name(&ep, node, rows[i].name, 0),
			     rows[i].open);
		CHECK_EQ_ROW(rows[i].why,
			     lattice_node_resolve(node, rows[i].name, 0, &pid, rows[i].timeout_ns),
			     rows[i].resolve);
		CHECK_EQ_ROW(rows[i].why, lattice_service_pid(rows[i].name) > 0, rows[i].open == 0);
		lattice_endpoint_close(ep);
	}
	CHECK_EQ(lattice_endpoint_open_name(&ep, node, "store", -1), -EINVAL);
	CHECK_EQ(lattice_endpoint_open_name(&ep, NULL, "store", 0), -EINVAL);
	CHECK_EQ(lattice_node_resolve(NULL, "store", 0, &pid, SECONDS(1)), -EINVAL);
	CHECK_EQ(lattice_node_resolve(node, "store", 0, NULL, SECONDS(1)), -EINVAL);
	CHECK_EQ(lattice_endpoint_pid(NULL), 0);
	lattice_node_close(node);
}

TEST(of_another_node)
{
	static const enum lattice_proto protos[] = { LATTICE_UDP, LATTICE_TCP };

	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		struct lattice_endpoint *store;
		struct lattice_msg msg = { .type = 42, .data = "hello", .len = 5 };
		struct lattice_channel *ch;
		char buf[16], why[512];
		struct pair p;
		int32_t pid = 0;

		meet(&p, "127.0.0.1", protos[i]);
		CHECK_EQ(lattice_endpoint_open_name(&store, p.b.node, "store", 0), 0);
		CHECK_EQ(lattice_node_resolve(p.a.node, "store", 2, &pid, SECONDS(20)), 0);
		CHECK_EQ(pid, lattice_endpoint_pid(store));
		CHECK_EQ(lattice_channel_open(&ch, p.a.node, 1, pid, 2, 0), 0);
		CHECK_EQ(lattice_channel_send(ch, &msg, SECONDS(20)), 0);
		CHECK_EQ(lattice_endpoint_recv(store, &msg, buf, sizeof(buf), SECONDS(20)), 0);
		CHECK_MEM(buf, "hello", 5);
		CHECK_EQ(lattice_node_resolve(p.a.node, "shop", 2, &pid, SECONDS(20)), -ENOENT);
		(void)lattice_explain(p.a.node, -ENOENT, why, sizeof(why));
		CHECK(strstr(why, "lattice recv shop") != NULL);
		CHECK_EQ(lattice_node_resolve(p.a.node, "store", 9, &pid, SECONDS(20)), -ENOKEY);
		lattice_endpoint_close(store);
		CHECK_EQ(lattice_node_resolve(p.a.node, "store", 2, &pid, SECONDS(20)), -ENOENT);
		lattice_channel_close(ch);
		close_pair(&p);
	}
}

TEST_MAIN
