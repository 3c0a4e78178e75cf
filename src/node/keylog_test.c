/* Asked for once it is not there; asked for twice it opens what was sent. */
#include <netinet/in.h>

#include "crypto/aead.h"
#include "node/keylog.h"
#include "node/nodes_harness.h"
#include "wire/packet.h"

static const struct {
	const char *why;
	bool variable, allowed;
	int mode; /* of a file that is there already; 0: none */
	bool written;
} rows[] = {
	{ "not asked for", false, false, 0, false },
	{ "by the environment alone", true, false, 0, false },
	{ "by the state directory alone", false, true, 0, false },
	{ "twice", true, true, 0, true },
	{ "twice, into a file of before", true, true, 0600, true },
	{ "others may read it", true, true, 0644, false },
};

static void make_file(const char *path, int mode)
{
	FILE *file = fopen(path, "we");

	CHECK(file != NULL);
	fclose(file);
	CHECK_EQ(chmod(path, (mode_t)mode), 0);
}

/* The key of the first line for the index and channel of a packet's header. */
static bool find_key(const char *path, const struct lat_data_hdr *hdr, uint8_t key[32])
{
	char line[128], want[32];
	FILE *file = fopen(path, "re");
	bool found = false;

	snprintf(want, sizeof(want), "LWP1 %08x %u ", hdr->idx, hdr->chan);
	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		found = strncmp(line, want, strlen(want)) == 0 && strlen(line) == strlen(want) + 65;
		for (size_t i = 0; found && i < 32; i++) {
			unsigned byte;

			CHECK_EQ(sscanf(line + strlen(want) + 2 * i, "%2x", &byte), 1);
			key[i] = (uint8_t)byte;
		}
	}
	if (file != NULL)
		fclose(file);
	return found;
}

TEST(asked_for_twice)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct side a;
		struct stat st;
		char log[96], allow[96];
		int fd;

		make_side(&a, 1);
		snprintf(log, sizeof(log), "%s/log", a.dir);
		snprintf(allow, sizeof(allow), "%s/allow_keylog", a.dir);
		if (rows[i].allowed)
			make_file(allow, 0600);
		if (rows[i].mode != 0)
			make_file(log, rows[i].mode);
		if (rows[i].variable)
			CHECK_EQ(setenv("LATTICE_KEYLOG", log, 1), 0);
		fd = lat_keylog_open(a.dir);
		CHECK_EQ_ROW(rows[i].why, fd >= 0, rows[i].written);
		if (fd >= 0) {
			CHECK_EQ(stat(log, &st), 0);
			CHECK_EQ_ROW(rows[i].why, st.st_mode & 0777, 0600);
			close(fd);
		}
		CHECK_EQ(unsetenv("LATTICE_KEYLOG"), 0);
		remove_dir(a.dir);
	}
}

/* A socket of ours stands where @a thinks that @b is, and passes on what it sees. */
TEST(it_opens_what_was_sent)
{
	struct side a, b;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from;
	struct sockaddr_in there = at;
	socklen_t bytes = sizeof(at);
	char log[96], allow[96], endpoint[32];
	struct lattice_peer peer = { .node = 2, .proto = LATTICE_UDP };
	int relay = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool opened = false;

	make_side(&a, 1);
	make_side(&b, 2);
	introduce(&b, &a);
	CHECK_EQ(bind(relay, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_EQ(getsockname(relay, (struct sockaddr *)&at, &bytes), 0);
	snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%d", ntohs(at.sin_port));
	memcpy(peer.key, b.id.key, sizeof(peer.key));
	memcpy(peer.endpoint, endpoint, sizeof(endpoint));
	CHECK_EQ(lattice_state_peer_add(a.dir, &peer), 0);
	snprintf(log, sizeof(log), "%s/log", a.dir);
	snprintf(allow, sizeof(allow), "%s/allow_keylog", a.dir);
	make_file(allow, 0600);
	open_side(&b, 0);
	CHECK_EQ(setenv("LATTICE_KEYLOG", log, 1), 0);
	open_side(&a, 0);
	CHECK_EQ(unsetenv("LATTICE_KEYLOG"), 0);
	there.sin_port = htons(lattice_node_port(b.node));
	CHECK_EQ(lat_network_begin(a.node->network, &(uint64_t){ 0 }), 0);
	CHECK_EQ(lat_engine_peer_connect(a.node->network->engine, lat_network_now(), 2), 0);
	lat_network_end(a.node->network);
	for (int i = 0; i < 1000 && !opened; i++) {
		struct sockaddr_in caller = { 0 };
		uint8_t packet[2048], key[32];
		ssize_t got = recvfrom(relay, packet, sizeof(packet), 0, (struct sockaddr *)&from, &bytes);
		struct lat_data_hdr hdr;
		struct lat_aead aead;

		CHECK(got > 0);
		if (from.sin_port != there.sin_port)
			caller = from;
		(void)!sendto(relay, packet, (size_t)got, 0,
			      (struct sockaddr *)(from.sin_port == there.sin_port ? &at : &there),
			      sizeof(at));
		if (from.sin_port != there.sin_port)
			at = caller;
		if (lat_data_hdr_decode(&hdr, packet, (size_t)got) != 0)
			continue;
		CHECK(find_key(log, &hdr, key));
		memcpy(aead.subkey, key, sizeof(key));
		opened = lat_aead_open(&aead, hdr.counter, packet, LAT_DATA_HDR, packet + LAT_DATA_HDR,
				       (size_t)got - LAT_DATA_HDR, packet + LAT_DATA_HDR) == 0;
		CHECK(opened);
	}
	CHECK(opened);
	close(relay);
	close_side(&a);
	close_side(&b);
}

TEST_MAIN
