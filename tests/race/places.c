#include "places.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../soak/relay.h"
#include "base/util.h"
#include "os/clock.h"
#include "os/futex.h"
#include "race.h"

enum {
	LOCAL_FLOWS = 6,
	NODES = 12, /* of senders: one may ask another for some 45 channels a second */
	PER_NODE = 2,
	ISSUER = 1,
	FIRST_SENDER = 10,
	ALL = (1 << RACE_RECEIVERS) - 1
};

static const struct race_place within = { .local = true, .counts = ALL };
/* What goes on from the issuer's process to one that is attached was received when it had arrived there (CAVEATS). */
static const struct race_place across = { .local = false, .counts = 1 | 2 };

static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void make_folder(void)
{
	(void)snprintf(folder, sizeof(folder), "%s/lattice-race-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(folder) == NULL)
		race_fail("no folder");
}

/* Where the processes of @who's node meet. */
static void meet_at(const char *who)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, who);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		race_fail("no folder %s", path);
	(void)strncat(path, "/node.sock", sizeof(path) - strlen(path) - 1);
	(void)setenv("LATTICE_SOCKET", path, 1);
}

static void join_all(struct race_thread *threads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)pthread_join(threads[i].id, NULL);
}

/* ---- children ---- */

static pid_t child(void (*run)(void))
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		race_fail("no process");
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	run();
	_exit(0);
}

/* The first that fails is the end of all. */
static void wait_for(pid_t *children, size_t count)
{
	int status = 0;

	for (size_t left = count; left > 0; left--) {
		pid_t pid = wait(&status);

		for (size_t i = 0; i < count; i++)
			if (children[i] == pid)
				children[i] = 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		for (size_t i = 0; i < count; i++)
			if (children[i] != 0)
				(void)kill(children[i], SIGKILL);
		(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		if (WIFSIGNALED(status))
			race_fail("a process died of signal %d", WTERMSIG(status));
		_exit(1); /* it has said why */
	}
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* One more process is up, or has done. */
static void come(void)
{
	(void)atomic_fetch_add_explicit(&race_board->up, 1, memory_order_release);
	(void)lat_futex_wake(&race_board->up, INT_MAX, true);
}

static void wait_until_up(uint32_t count)
{
	const uint64_t deadline = lat_clock_until(120 * LAT_NS_PER_S);
	uint32_t up;

	while ((up = atomic_load_explicit(&race_board->up, memory_order_acquire)) < count)
		if (lat_futex_wait(&race_board->up, up, deadline, true) == -ETIMEDOUT)
			race_fail("a process does not come up");
}

/* ---- threads ---- */

void race_between_threads(void)
{
	struct race_thread receivers[RACE_RECEIVERS], keepers[LOCAL_FLOWS], senders[LOCAL_FLOWS];
	struct lattice_node *node;

	race_board->flows = LOCAL_FLOWS;
	race_must(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_PRIVATE }),
		  NULL, "opening");
	for (int i = 0; i < RACE_RECEIVERS; i++) {
		receivers[i] = (struct race_thread){ .place = &within };
		race_start_receiver(&receivers[i], node, i);
	}
	for (int i = 0; i < LOCAL_FLOWS; i++) {
		keepers[i] = senders[i] =
			(struct race_thread){ .node = node, .flow = &race_board->flow[i], .place = &within };
		race_start(&keepers[i], race_keep);
		race_start(&senders[i], race_send);
	}
	join_all(senders, LOCAL_FLOWS);
	join_all(keepers, LOCAL_FLOWS);
	atomic_store_explicit(&race_board->quiet, true, memory_order_relaxed);
	join_all(receivers, RACE_RECEIVERS);
	lattice_node_close(node);
}

/* ---- processes ---- */

static struct lattice_node *part_of(enum lattice_host how)
{
	struct lattice_node *node;

	race_must(lattice_node_open(&node, &(struct lattice_node_config){ .host = how }), NULL, "attaching");
	return node;
}

/* Of the flows every second is kept by who hosts, the others by who receives. */
static void keep(struct lattice_node *node, const struct race_place *place, uint32_t first, uint32_t step)
{
	struct race_thread keepers[RACE_FLOWS_MAX];
	size_t count = 0;

	for (uint32_t i = first; i < race_board->flows; i += step) {
		keepers[count] =
			(struct race_thread){ .node = node, .flow = &race_board->flow[i], .place = place };
		race_start(&keepers[count++], race_keep);
	}
	join_all(keepers, count);
}

/* The receivers in @bits, and some of the keepers. */
static void issue(struct lattice_node *node, const struct race_place *place, uint32_t bits, uint32_t first)
{
	struct race_thread receivers[RACE_RECEIVERS];
	size_t count = 0;

	for (int i = 0; i < RACE_RECEIVERS; i++)
		if ((bits >> i & 1) != 0) {
			receivers[count] = (struct race_thread){ .place = place };
			race_start_receiver(&receivers[count++], node, i);
		}
	come();
	wait_until_up(2);
	keep(node, place, first, 2);
	wait_until_up(3); /* the senders have done */
	atomic_store_explicit(&race_board->quiet, true, memory_order_relaxed);
	join_all(receivers, count);
	lattice_node_close(node);
}

static void hosting(void)
{
	issue(part_of(LATTICE_HOST_AUTO), &within, 1, 0);
}

static void receiving(void)
{
	issue(part_of(LATTICE_HOST_ATTACH), &within, 2 | 4, 1);
}

static void send_all(struct race_thread *senders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		race_start(&senders[i], race_send);
	join_all(senders, count);
	come();
}

static void sending(void)
{
	struct race_thread senders[LOCAL_FLOWS];
	struct lattice_node *node = part_of(LATTICE_HOST_ATTACH);

	for (int i = 0; i < LOCAL_FLOWS; i++)
		senders[i] =
			(struct race_thread){ .node = node, .flow = &race_board->flow[i], .place = &within };
	send_all(senders, LOCAL_FLOWS);
	lattice_node_close(node);
}

void race_between_processes(void)
{
	pid_t pids[3];

	race_board->flows = LOCAL_FLOWS;
	make_folder();
	meet_at("node");
	pids[0] = child(hosting);
	wait_until_up(1);
	pids[1] = child(receiving);
	wait_until_up(2);
	pids[2] = child(sending);
	wait_for(pids, ARRAY_LEN(pids));
}

/* ---- two nodes ---- */

static bool over_tcp;

static void dir_of(char *buf, size_t bytes, lattice_node_id node)
{
	(void)snprintf(buf, bytes, "%s/state-%u", folder, (unsigned)node);
}

static struct lattice_node *networked(lattice_node_id number)
{
	struct lattice_node *node;
	char dir[128];

	dir_of(dir, sizeof(dir), number);
	race_must(lattice_node_open(&node, &(struct lattice_node_config){ .host = LATTICE_HOST_SELF,
									  .state_dir = dir,
									  .port = LATTICE_PORT_ANY,
									  .bind_host = "127.0.0.1",
									  .allow_unlocked_keys = true }),
		  NULL, "opening a node");
	return node;
}

/* Keys for all, known to each other. */
static void make_states(void)
{
	struct lattice_identity issuer, sender;
	char dir[128], at[128];

	dir_of(at, sizeof(at), ISSUER);
	race_must(lattice_state_keygen(at, ISSUER, &issuer), NULL, "keygen");
	for (lattice_node_id n = FIRST_SENDER; n < FIRST_SENDER + NODES; n++) {
		struct lattice_peer peer = { .node = ISSUER, .proto = over_tcp ? LATTICE_TCP : LATTICE_UDP };

		dir_of(dir, sizeof(dir), n);
		race_must(lattice_state_keygen(dir, n, &sender), NULL, "keygen");
		memcpy(peer.key, issuer.key, sizeof(peer.key));
		race_must(lattice_state_peer_add(dir, &peer), NULL, "adding a peer");
		peer.node = n;
		memcpy(peer.key, sender.key, sizeof(peer.key));
		race_must(lattice_state_peer_add(at, &peer), NULL, "adding a peer");
	}
}

static void issuing(void)
{
	struct lattice_node *node = networked(ISSUER);

	atomic_store_explicit(&race_board->port, lattice_node_port(node), memory_order_release);
	issue(node, &across, 1 | 2, 0);
}

static void attached(void)
{
	issue(part_of(LATTICE_HOST_ATTACH), &across, 4, 1);
}

static void sending_from_afar(void)
{
	struct race_thread senders[NODES * PER_NODE];
	struct lattice_node *nodes[NODES];
	struct soak_relay *relay = NULL;
	uint16_t port = (uint16_t)atomic_load_explicit(&race_board->port, memory_order_acquire);
	char at[32];

	meet_at("senders");
	if (over_tcp) {
		race_must(soak_relay_open(&relay, race_board->seed), NULL, "relay");
		race_must(soak_relay_add(relay, port, &port), NULL, "relay");
	}
	(void)snprintf(at, sizeof(at), "127.0.0.1:%u", port);
	for (uint32_t n = 0; n < NODES; n++) {
		nodes[n] = networked(FIRST_SENDER + n);
		race_must(lattice_node_set_remote(nodes[n], ISSUER, at, over_tcp ? LATTICE_TCP : LATTICE_UDP),
			  nodes[n], "the issuer's address");
	}
	for (size_t i = 0; i < ARRAY_LEN(senders); i++)
		senders[i] = (struct race_thread){ .node = nodes[i / PER_NODE],
						   .flow = &race_board->flow[i],
						   .place = &across,
						   .to = ISSUER };
	send_all(senders, ARRAY_LEN(senders));
	if (relay != NULL)
		atomic_store_explicit(&race_board->cuts, soak_relay_resets(relay), memory_order_relaxed);
	for (uint32_t n = 0; n < NODES; n++)
		lattice_node_close(nodes[n]);
	soak_relay_close(relay);
}

static void race_between_nodes(bool tcp)
{
	pid_t pids[3];

	over_tcp = tcp;
	race_board->flows = NODES * PER_NODE;
	make_folder();
	make_states();
	meet_at("node");
	pids[0] = child(issuing);
	wait_until_up(1);
	pids[1] = child(attached);
	wait_until_up(2);
	pids[2] = child(sending_from_afar);
	wait_for(pids, ARRAY_LEN(pids));
}

void race_over_udp(void)
{
	race_between_nodes(false);
}

void race_over_tcp(void)
{
	race_between_nodes(true);
}
