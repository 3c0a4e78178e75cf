/*
 * Where keys lie: what a core image of a running node, of one that was closed, and of a forked child hold. Everything that can be
 * read of this process is searched for every key that two nodes, an identity, a psk, a mesh key and a session have.
 *
 * The keys searched for are kept inverted, so that the list is not what is found.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "node/capability.h"
#include "node/nodes_harness.h"
#include "os/arena.h"
#include "session/machine.h"

enum { NEEDLES = 32, NEEDLE = 16, PIECE = 1 << 16 };

static struct {
	const char *what;
	uint8_t inverted[NEEDLE];
} needles[NEEDLES];
static size_t needle_count;
static uint8_t *piece; /* what was read last; a mapping of its own, which is not searched */

static void look_for(const char *what, const uint8_t *key)
{
	static const uint8_t none[NEEDLE];

	CHECK(needle_count < NEEDLES);
	CHECK_ROW(what, memcmp(key, none, NEEDLE) != 0);
	needles[needle_count].what = what;
	for (size_t i = 0; i < NEEDLE; i++)
		needles[needle_count].inverted[i] = (uint8_t)~key[i];
	needle_count++;
}

static size_t look_in_piece(size_t bytes, const char *mapping)
{
	size_t found = 0;
	uint64_t first[NEEDLES], at;

	for (size_t n = 0; n < needle_count; n++)
		memcpy(&first[n], needles[n].inverted, sizeof(first[n]));
	for (size_t i = 0; i + NEEDLE <= bytes; i++) {
		memcpy(&at, piece + i, sizeof(at));
		for (size_t n = 0; n < needle_count; n++) {
			size_t same = 0;

			while (at == ~first[n] && same < NEEDLE &&
			       (piece[i + same] ^ needles[n].inverted[same]) == 0xff)
				same++;
			if (same == NEEDLE) {
				print_error("%s in %s", needles[n].what, mapping);
				found++;
			}
		}
	}
	return found;
}

/* Whether anything was ever written to these pages, or swapped out: reservations are long. */
static bool is_there(int pagemap, uint64_t from, uint64_t to)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entry;

	for (uint64_t at = from; at < to; at += page)
		if (pread(pagemap, &entry, sizeof(entry), (off_t)(at / page * sizeof(entry))) !=
			    sizeof(entry) ||
		    entry >> 62 != 0)
			return true;
	return false;
}

static size_t look_in(int memory, int pagemap, uint64_t from, uint64_t to, const char *mapping)
{
	size_t found = 0;

	if (from == (uint64_t)(uintptr_t)piece)
		return 0;
	for (uint64_t at = from; at < to; at += PIECE) {
		size_t want = to - at < PIECE + NEEDLE ? (size_t)(to - at) : PIECE + NEEDLE;
		ssize_t got = is_there(pagemap, at, at + want) ? pread(memory, piece, want, (off_t)at) : 0;

		if (got > 0)
			found += look_in_piece((size_t)got, mapping);
	}
	lat_wipe(piece, PIECE + NEEDLE);
	return found;
}

/* How often a key is found. @dumped: only in what a core image has (VmFlags without "dd"). */
static size_t keys_found(bool dumped)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC),
	    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char line[4096], mapping[4096] = "";
	unsigned long from = 0, to = 0;
	size_t found = 0;

	if (piece == NULL)
		piece = mmap(NULL, PIECE + NEEDLE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(maps != NULL && memory >= 0 && pagemap >= 0 && piece != MAP_FAILED);
	while (fgets(line, sizeof(line), maps) != NULL) {
		unsigned long a, b;

		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
			memcpy(mapping, line, sizeof(mapping));
		} else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(mapping, "[v") == NULL &&
			   !(dumped && strstr(line, " dd") != NULL)) {
			found += look_in(memory, pagemap, from, to, mapping);
		}
	}
	fclose(maps);
	close(memory);
	close(pagemap);
	return found;
}

static void write_mesh_key(const struct side *s)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/mesh_key", s->dir);
	file = fopen(path, "we");
	CHECK(file != NULL);
	fputs("bWVzaCBrZXkgb2YgYSB0ZXN0LCB3aG9sZSBsaW5lIDE=\n", file);
	fclose(file);
	CHECK_EQ(chmod(path, 0600), 0);
}

static void introduce_with_psk(const struct side *to, const struct side *peer, int port)
{
	struct lattice_peer p = { .node = peer->id.node, .proto = LATTICE_UDP };

	for (size_t i = 0; i < sizeof(p.psk); i++)
		p.psk[i] = (uint8_t)(0x80 + 5 * i);
	memcpy(p.key, peer->id.key, sizeof(p.key));
	if (port != 0)
		snprintf(p.endpoint, sizeof(p.endpoint), "127.0.0.1:%d", port);
	CHECK_EQ(lattice_state_peer_add(to->dir, &p), 0);
	lat_wipe(&p, sizeof(p));
}

/* All that the node knows now. Its lock is held against its own thread. */
static void note_keys(const struct side *s)
{
	struct lat_network *net = s->node->network;
	const struct lat_peer *p;
	const struct lat_session *session;

	pthread_mutex_lock(&net->lock);
	p = net->engine->peer_list;
	session = p->slot[LAT_SLOT_CURRENT];
	look_for("an identity's seed", net->key->seed);
	look_for("a psk", p->psk);
	look_for("the mesh key", net->engine->secret->mesh_key);
	look_for("the key of source addresses", net->engine->secret->source_key);
	look_for("a session's key", session->secret->sess);
	look_for("a key to send", session->secret->tx.aead.subkey);
	look_for("a key to receive", session->secret->rx.aead.subkey);
	pthread_mutex_unlock(&net->lock);
}

static bool sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#else
	return false;
#endif
#else
	return false;
#endif
}

TEST(a_key_is_found_where_one_lies)
{
	static uint8_t key[NEEDLE] = "a key for once", copy[NEEDLE];

	if (sanitized())
		TEST_SKIP("what a sanitizer keeps of memory is not the program's");
	needle_count = 0;
	look_for("a key", key);
	CHECK_EQ(keys_found(true), 1);
	memcpy(copy, key, sizeof(copy));
	CHECK_EQ(keys_found(true), 2);
	lat_wipe(key, sizeof(key));
	lat_wipe(copy, sizeof(copy));
	CHECK_EQ(keys_found(true), 0);
}

TEST(no_key_is_in_a_core_image_or_a_child)
{
	struct side a, b;
	struct lattice_packet packet;
	char buf[16];
	int port, status = -1;
	pid_t child;

	if (sanitized())
		TEST_SKIP("what a sanitizer keeps of memory is not the program's");
	needle_count = 0;
	make_side(&a, 1);
	make_side(&b, 2);
	write_mesh_key(&a);
	write_mesh_key(&b);
	port = free_port();
	introduce_with_psk(&a, &b, port);
	introduce_with_psk(&b, &a, 0);
	open_side(&b, port);
	open_side(&a, 0);
	CHECK_EQ(side_send(&a, 2, "one", 3), 0);
	CHECK_EQ(side_recv(&b, &packet, buf, sizeof(buf)), 0);
	note_keys(&a);
	note_keys(&b);

	/* Who seals or opens at that moment has a key on the stack. */
	pthread_mutex_lock(&a.node->network->lock);
	pthread_mutex_lock(&b.node->network->lock);
	CHECK_ROW("the search finds what is there", keys_found(false) >= needle_count);
	CHECK_EQ_ROW("a core image while it runs", keys_found(true), 0);
	child = fork();
	if (child == 0)
		_exit(keys_found(false) == 0 ? 0 : 1);
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_EQ_ROW("a forked child", status, 0);
	pthread_mutex_unlock(&b.node->network->lock);
	pthread_mutex_unlock(&a.node->network->lock);
	close_side(&a);
	close_side(&b);
	CHECK_EQ_ROW("all memory, after they were closed", keys_found(false), 0);
}

/* The issuer's root key, as its file has it, and that of a capability which a process has. */
static void note_issuers_keys(const char *dir, const struct lattice_cap *cap)
{
	enum { AT_ROOT = 40 };
	struct lat_cap_right right;
	uint8_t root[LAT_CAP_KEY];
	char path[96];
	int file;

	snprintf(path, sizeof(path), "%s/capabilities", dir);
	file = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(pread(file, root, sizeof(root), AT_ROOT), sizeof(root));
	close(file);
	CHECK_EQ(lat_capability_take(cap, &right), 0);
	look_for("the issuer's root key", root);
	look_for("a capability's key", right.key);
	lat_wipe(root, sizeof(root));
	lat_wipe(&right, sizeof(right));
}

TEST(no_capabilitys_key_is_in_a_core_image_or_a_child)
{
	const struct lattice_cap_terms terms = { .dst = 7,
						 .rights = LATTICE_RIGHT_SEND | LATTICE_RIGHT_OPEN |
							   LATTICE_RIGHT_GRANT,
						 .bearer = true };
	const struct lattice_node_config attached = { .host = LATTICE_HOST_ATTACH };
	struct lattice_cap *caps[3];
	struct lattice_node *member;
	int status = -1;
	struct side a;
	pid_t child;

	if (sanitized())
		TEST_SKIP("what a sanitizer keeps of memory is not the program's");
	needle_count = 0;
	make_side(&a, 1);
	open_side(&a, 0);
	CHECK_EQ(lattice_node_open(&member, &attached), 0);
	CHECK_EQ(lattice_cap_grant(&caps[0], a.node, &terms), 0);
	CHECK_EQ(lattice_cap_grant(&caps[1], member, &terms), 0);
	CHECK_EQ(lattice_cap_derive(&caps[2], member, caps[1], &terms), 0);
	for (size_t i = 0; i < ARRAY_LEN(caps); i++)
		note_issuers_keys(a.dir, caps[i]);
	CHECK_ROW("the search finds what is there", keys_found(false) >= needle_count);
	CHECK_EQ_ROW("a core image while it runs", keys_found(true), 0);
	child = fork();
	if (child == 0)
		_exit(keys_found(false) == 0 ? 0 : 1);
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_EQ_ROW("a forked child", status, 0);
	for (size_t i = 0; i < ARRAY_LEN(caps); i++)
		lattice_cap_free(caps[i]);
	lattice_node_close(member);
	close_side(&a);
	CHECK_EQ_ROW("all memory, after they were closed", keys_found(false), 0);
}

TEST_MAIN
