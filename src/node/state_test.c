/* The state directory: what it keeps, what it refuses, and what a damaged or full disk does to it. */
#include "node/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lattice/error.h>

#include "base/test.h"
#include "crypto/kem.h"
#include "node/keyfile.h"
#include "os/random.h"

static char root[] = "/tmp/lattice-state-XXXXXX";
static int made;

/* A directory's name that was not used before; nothing is there yet. */
static const char *fresh(char out[static 128])
{
	if (made == 0)
		CHECK(mkdtemp(root) != NULL);
	(void)snprintf(out, 128, "%s/%d", root, ++made);
	return out;
}

static void file_put(const char *dir, const char *name, const char *text, size_t bytes, mode_t mode)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK_ROW(path, fd >= 0);
	CHECK_EQ_ROW(path, write(fd, text, bytes), (ssize_t)bytes);
	CHECK_EQ_ROW(path, fchmod(fd, mode), 0);
	close(fd);
}

static size_t file_get(const char *dir, const char *name, char out[static 8192])
{
	char path[256];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	CHECK_ROW(path, fd >= 0);
	n = read(fd, out, 8191);
	CHECK_ROW(path, n >= 0);
	out[n] = '\0';
	close(fd);
	return (size_t)n;
}

static unsigned mode_of(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s%s%s", dir, *name != '\0' ? "/" : "", name);
	CHECK_EQ_ROW(path, stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* That the sentence of the last error has @part in it. */
static void check_says(const char *why, int rc, const char *part)
{
	char text[1024];

	(void)lattice_explain(NULL, rc, text, sizeof(text));
	if (strstr(text, part) == NULL)
		print_error("it says: %s\nwithout: %s\n", text, part);
	CHECK_ROW(why, strstr(text, part) != NULL);
}

static void peer_make(struct lattice_peer *peer, lattice_node_id node, const char *name)
{
	uint8_t seed[LAT_KEM_SEED];

	memset(peer, 0, sizeof(*peer));
	peer->node = node;
	peer->proto = LATTICE_UDP;
	(void)snprintf(peer->name, sizeof(peer->name), "%s", name);
	lat_random(seed, sizeof(seed));
	CHECK_EQ(lat_kem_keypair(peer->key, seed), 0);
	lat_key_fingerprint(peer->fingerprint, peer->key);
}

static void identity_make(struct lattice_identity *id, lattice_node_id node)
{
	struct lattice_peer peer;

	peer_make(&peer, node, "");
	id->node = node;
	memcpy(id->key, peer.key, sizeof(id->key));
	lat_key_fingerprint(id->fingerprint, id->key);
}

/* ---- identity ---- */

TEST(an_identity_is_made_once)
{
	struct lattice_identity first, again, read;
	char dir[128], path[160];

	(void)snprintf(path, sizeof(path), "%s/deep/er", fresh(dir));
	CHECK_EQ(lattice_state_identity(path, &read), -ENOENT);
	check_says("no identity", -ENOENT, "keygen");
	CHECK_EQ(lattice_state_keygen(path, 7, &first), 0);
	CHECK_EQ(first.node, 7);
	CHECK_EQ(mode_of(path, ""), 0700);
	CHECK_EQ(mode_of(path, "identity"), 0600);

	CHECK_EQ(lattice_state_keygen(path, 8, &again), -EEXIST);
	check_says("kept", -EEXIST, "node 7");
	CHECK_MEM(&again, &first, sizeof(first));
	CHECK_EQ(lattice_state_identity(path, &read), 0);
	CHECK_MEM(&read, &first, sizeof(first));
	CHECK_EQ(lattice_state_keygen(path, UINT32_MAX, &again), -EINVAL);
	CHECK_EQ(lattice_state_keygen("", 1, &again), -EINVAL);
}

TEST(two_identities_differ_and_a_number_is_derived)
{
	struct lattice_identity a, b;
	char dir[128];

	CHECK_EQ(lattice_state_keygen(fresh(dir), 0, &a), 0);
	CHECK_EQ(lattice_state_keygen(fresh(dir), 0, &b), 0);
	CHECK_EQ(a.node, b.node); /* this machine's */
	CHECK(a.node != 0 && a.node != UINT32_MAX);
	CHECK(memcmp(a.key, b.key, sizeof(a.key)) != 0);
	CHECK(memcmp(a.fingerprint, b.fingerprint, sizeof(a.fingerprint)) != 0);
}

static const struct {
	const char *why, *lattice, *xdg, *home;
	const char *want, *want_root;
	int rc, rc_root;
} dirs[] = {
	{ "named", "/a", "/b", "/c", "/a", "/a", 0, 0 },
	{ "XDG", NULL, "/b", "/c", "/b/lattice", "/var/lib/lattice", 0, 0 },
	{ "empty is as good as none", "", "", "/c", "/c/.local/state/lattice", "/var/lib/lattice", 0, 0 },
	{ "nothing at all", NULL, NULL, NULL, NULL, "/var/lib/lattice", -ENOENT, 0 },
};

static void set(const char *name, const char *value)
{
	if (value != NULL)
		CHECK_EQ(setenv(name, value, 1), 0);
	else
		CHECK_EQ(unsetenv(name), 0);
}

TEST(the_directory_that_is_used)
{
	char buf[64];

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		const char *want = geteuid() == 0 ? dirs[i].want_root : dirs[i].want;

		set("LATTICE_STATE_DIR", dirs[i].lattice);
		set("XDG_STATE_HOME", dirs[i].xdg);
		set("HOME", dirs[i].home);
		CHECK_EQ_ROW(dirs[i].why, lattice_state_dir(buf, sizeof(buf)),
			     geteuid() == 0 ? dirs[i].rc_root : dirs[i].rc);
		if (want != NULL)
			CHECK_STR_ROW(dirs[i].why, buf, want);
	}
	set("LATTICE_STATE_DIR", "/abc");
	CHECK_EQ(lattice_state_dir(buf, 4), -ENAMETOOLONG);
	CHECK_EQ(lattice_state_dir(buf, 5), 0);
	set("LATTICE_STATE_DIR", NULL);
}

/* ---- a key as text ---- */

TEST(a_key_as_text_and_back)
{
	struct lattice_identity id, back;
	char text[LATTICE_KEY_TEXT_MAX], small[10];
	int length;

	identity_make(&id, UINT32_MAX - 1);
	length = lattice_identity_format(&id, text, sizeof(text));
	CHECK(length > 0 && (size_t)length < sizeof(text));
	CHECK_EQ(strlen(text), length);
	CHECK_EQ(lattice_identity_format(&id, small, sizeof(small)), length);
	CHECK_EQ(strlen(small), sizeof(small) - 1);
	CHECK_EQ(lattice_identity_format(&id, NULL, 0), length);
	CHECK_EQ(lattice_identity_parse(&back, text, (size_t)length), 0);
	CHECK_MEM(&back, &id, sizeof(id));
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
		CHECK(end - line < 100);
}

/* One change to a good text: the first @find becomes @put. find NULL: the text becomes @put. */
static const struct {
	const char *why, *find, *put, *says;
	int want;
} edits[] = {
	{ "unchanged", "\n", "\n", NULL, 0 },
	{ "the number may be changed", "node = 7", "node = 8", NULL, 0 },
	{ "comments and empty lines are fine", "[node]", "; by mail\n\n# checked\n[node]\n", NULL, 0 },
	{ "lines that end as on other systems", "node = 7\n", "node = 7\r\n", NULL, 0 },
	{ "nothing", NULL, "", "'node'", -EBADMSG },
	{ "something else", NULL, "-----BEGIN KEY-----\n", "line 1", -EBADMSG },
	{ "no number", "node = 7\n", "", "'node'", -EBADMSG },
	{ "no fingerprint", "fingerprint", "# fingerprint", "'fingerprint'", -EBADMSG },
	{ "no key", "key =", "#", NULL, -EBADMSG },
	{ "the number 0", "node = 7", "node = 0", "line 3: node", -EBADMSG },
	{ "the number nobody has", "node = 7", "node = 4294967295", "line 3: node", -EBADMSG },
	{ "a number over 32 bits", "node = 7", "node = 4294967303", "line 3: node", -EBADMSG },
	{ "a negative number", "node = 7", "node = -7", "line 3: node", -EBADMSG },
	{ "a number with more behind it", "node = 7", "node = 7x", "line 3: node", -EBADMSG },
	{ "no value", "node = 7", "node =", "line 3: node", -EBADMSG },
	{ "a value that is too long", "node = 7", "node = 00000000000000000007", "line 3", -EBADMSG },
	{ "twice", "node = 7", "node = 7\nnode = 7", "line 4: the name is there twice", -EBADMSG },
	{ "a number in two lines", "node = 7", "node = 7\n 7", "line 4: this value has one line only",
	  -EBADMSG },
	{ "an unknown name", "node = 7", "node = 7\ncolour = red", "line 4: a name that is not known",
	  -EBADMSG },
	{ "another section", "[node]", "[peer]", "a section that does not belong", -EBADMSG },
	{ "a second section", "node = 7\n", "node = 7\n[more]\nx = 1\n", "line 5: a section", -EBADMSG },
	{ "a section without an end", "[node]", "[node", "line", -EBADMSG },
	{ "a line that is nothing", "node = 7", "node = 7\nnode", "line 4: neither", -EBADMSG },
	{ "another fingerprint", "fingerprint = ", "fingerprint = 0", "line 4", -EBADMSG },
	{ "a fingerprint that is no hexadecimal", "fingerprint = ", "fingerprint = x", "line 4", -EBADMSG },
	{ "a key with one character more", "key = ", "key = A", "the value is too long", -EBADMSG },
	{ "a line that is too long", "key = ",
	  "key = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	  "line 5: the line is too long", -EBADMSG },
};

/* @text with one edit made. Returns its length. */
static size_t edit(const char *text, const char *find, const char *put, char out[static 8192])
{
	const char *at = find != NULL ? strstr(text, find) : text;

	CHECK_ROW(find, at != NULL);
	return (size_t)snprintf(out, 8192, "%.*s%s%s", (int)(at - text), text, put,
				find != NULL ? at + strlen(find) : "");
}

TEST(a_key_that_was_changed_on_the_way)
{
	struct lattice_identity id, back;
	char text[LATTICE_KEY_TEXT_MAX], changed[8192];

	identity_make(&id, 7);
	(void)lattice_identity_format(&id, text, sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		size_t length = edit(text, edits[i].find, edits[i].put, changed);
		int rc;

		memset(&back, 0xa5, sizeof(back));
		rc = lattice_identity_parse(&back, changed, length);
		CHECK_EQ_ROW(edits[i].why, rc, edits[i].want);
		if (edits[i].says != NULL)
			check_says(edits[i].why, rc, edits[i].says);
		if (rc < 0)
			CHECK_EQ_ROW(edits[i].why, back.node, 0xa5a5a5a5);
	}
}

TEST(no_single_character_of_a_key_can_change)
{
	struct lattice_identity id, back;
	char text[LATTICE_KEY_TEXT_MAX];
	size_t length, from, tried = 0;

	identity_make(&id, 7);
	length = (size_t)lattice_identity_format(&id, text, sizeof(text));
	from = (size_t)(strstr(text, "fingerprint = ") + strlen("fingerprint = ") - text);
	for (size_t i = from; i < length; i++) {
		char was = text[i];

		if (was == ' ' || was == '\n' || was == '=' || strchr("key", was) != NULL)
			continue;
		text[i] = was == 'a' ? 'b' : 'a';
		CHECK_EQ(lattice_identity_parse(&back, text, length), -EBADMSG);
		text[i] = '\0';
		CHECK_EQ(lattice_identity_parse(&back, text, length), -EBADMSG);
		text[i] = was;
		tried++;
	}
	CHECK(tried > 1500);
	for (size_t cut = 0; cut < length - 1; cut += 7) /* nor can it be cut short */
		CHECK_EQ(lattice_identity_parse(&back, text, cut), -EBADMSG);
}

/* ---- peers ---- */

static const struct {
	const char *why, *name, *endpoint;
	lattice_node_id node;
	int proto, want;
} forms[] = {
	{ "all there is", "bob", "127.0.0.1:15001", 7, LATTICE_UDP, 0 },
	{ "TCP", "bob", "127.0.0.1:15001", 7, LATTICE_TCP, 0 },
	{ "no name, no address", "", "", 7, LATTICE_UDP, 0 },
	{ "every kind of letter", "aZ0-_.", "", 7, LATTICE_UDP, 0 },
	{ "the longest name", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", 7,
	  LATTICE_UDP, 0 },
	{ "a name with a number", "7a", "", 7, LATTICE_UDP, 0 },
	{ "a name that is a number", "77", "", 7, LATTICE_UDP, -EINVAL },
	{ "a space", "a b", "", 7, LATTICE_UDP, -EINVAL },
	{ "a slash", "../x", "", 7, LATTICE_UDP, -EINVAL },
	{ "another line", "a\nnode = 8", "", 7, LATTICE_UDP, -EINVAL },
	{ "beyond ASCII", "b\xc3\xb6", "", 7, LATTICE_UDP, -EINVAL },
	{ "a host name", "", "host.example-1.org:1", 7, LATTICE_UDP, 0 },
	{ "the last port", "", "h:65535", 7, LATTICE_UDP, 0 },
	{ "IPv6", "", "[::1]:15000", 7, LATTICE_UDP, 0 },
	{ "IPv6 of an interface", "", "[fe80::1%eth0]:15000", 7, LATTICE_UDP, 0 },
	{ "port 0", "", "h:0", 7, LATTICE_UDP, -EINVAL },
	{ "a port over 16 bits", "", "h:65536", 7, LATTICE_UDP, -EINVAL },
	{ "no port", "", "h", 7, LATTICE_UDP, -EINVAL },
	{ "an empty port", "", "h:", 7, LATTICE_UDP, -EINVAL },
	{ "no host", "", ":15000", 7, LATTICE_UDP, -EINVAL },
	{ "a port with more behind it", "", "h:1x", 7, LATTICE_UDP, -EINVAL },
	{ "IPv6 without brackets", "", "::1:15000", 7, LATTICE_UDP, -EINVAL },
	{ "half the brackets", "", "[::1:15000", 7, LATTICE_UDP, -EINVAL },
	{ "a comment", "", "h;x:1", 7, LATTICE_UDP, -EINVAL },
	{ "a second line", "", "h\n:1", 7, LATTICE_UDP, -EINVAL },
	{ "a space before the port", "", "h: 1", 7, LATTICE_UDP, -EINVAL },
	{ "no transport", "", "", 7, 0, -EINVAL },
	{ "a transient connection", "", "", 7, LATTICE_TCP_TRANSIENT, 0 },
	{ "an unknown transport", "", "", 7, 4, -EINVAL },
	{ "the smallest number", "", "", 1, LATTICE_UDP, 0 },
	{ "the largest number", "", "", UINT32_MAX - 1, LATTICE_UDP, 0 },
	{ "no number", "", "", 0, LATTICE_UDP, -EINVAL },
	{ "the number nobody has", "", "", UINT32_MAX, LATTICE_UDP, -EINVAL },
};

static int keep_peer(void *ctx, const struct lattice_peer *peer)
{
	*(struct lattice_peer *)ctx = *peer;
	return 1;
}

TEST(what_a_peer_may_be_called_and_where_it_may_be)
{
	struct lattice_peer peer, back;
	char dir[128];

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		const char *why = forms[i].why;

		peer_make(&peer, forms[i].node, forms[i].name);
		peer.proto = (enum lattice_proto)forms[i].proto;
		(void)snprintf(peer.endpoint, sizeof(peer.endpoint), "%s", forms[i].endpoint);
		if (i % 2 == 0)
			lat_random(peer.psk, sizeof(peer.psk));
		CHECK_EQ_ROW(why, lattice_state_peer_add(fresh(dir), &peer), forms[i].want);
		memset(&back, 0, sizeof(back));
		CHECK_EQ_ROW(why, lattice_state_peers(dir, keep_peer, &back), forms[i].want == 0);
		if (forms[i].want == 0)
			CHECK_MEM_ROW(why, &back, &peer, sizeof(peer));
	}
	peer_make(&peer, 7, "");
	memset(peer.name, 'a', sizeof(peer.name)); /* without an end */
	CHECK_EQ(lattice_state_peer_add(fresh(dir), &peer), -EINVAL);
	peer_make(&peer, 7, "");
	memset(peer.endpoint, 'a', sizeof(peer.endpoint));
	CHECK_EQ(lattice_state_peer_add(dir, &peer), -EINVAL);
	peer_make(&peer, 7, "");
	memset(peer.key, 0xff, LAT_KEM_PK_M); /* coefficients that are not reduced */
	memset(peer.fingerprint, 0, sizeof(peer.fingerprint));
	CHECK_EQ(lattice_state_peer_add(dir, &peer), -EINVAL);
	check_says("no key", -EINVAL, "not a valid X-Wing public key");
}

static int number_of(void *ctx, const struct lattice_peer *peer)
{
	char *list = ctx;
	size_t at = strlen(list);

	(void)snprintf(list + at, 128 - at, "%u:%s ", peer->node, peer->name);
	return 0;
}

TEST(a_number_a_name_and_a_key_belong_together)
{
	struct lattice_identity own;
	struct lattice_peer bob, eve, carol;
	char dir[128], list[128] = "", hex[LAT_FINGERPRINT_HEX];

	CHECK_EQ(lattice_state_keygen(fresh(dir), 1, &own), 0);
	CHECK_EQ(lattice_state_peers(dir, number_of, list), 0);
	CHECK_STR(list, "");
	peer_make(&bob, 12, "bob");
	peer_make(&carol, 3, "carol");
	CHECK_EQ(lattice_state_peer_add(dir, &bob), 0);
	CHECK_EQ(lattice_state_peer_add(dir, &carol), 0);
	CHECK_EQ(mode_of(dir, "peers"), 0700);
	CHECK_EQ(mode_of(dir, "peers/12"), 0600);

	peer_make(&eve, 12, "bob");
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EKEYREJECTED);
	check_says("another key", -EKEYREJECTED, "'lattice peers remove 12' first");
	(void)lat_fingerprint_hex(eve.fingerprint, hex);
	check_says("its fingerprint", -EKEYREJECTED, hex);
	(void)lat_fingerprint_hex(bob.fingerprint, hex);
	check_says("the known fingerprint", -EKEYREJECTED, hex);
	eve = bob;
	eve.node = 13;
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EEXIST);
	check_says("another number", -EEXIST, "key of node 12");
	peer_make(&eve, 13, "bob");
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EEXIST);
	check_says("a name twice", -EEXIST, "node 12 is called 'bob' already");
	peer_make(&eve, 1, "eve");
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EINVAL);
	check_says("our number", -EINVAL, "own number");
	eve.node = 13;
	memcpy(eve.key, own.key, sizeof(eve.key));
	memset(eve.fingerprint, 0, sizeof(eve.fingerprint));
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EINVAL);
	check_says("our key", -EINVAL, "own key");

	(void)snprintf(bob.name, sizeof(bob.name), "robert"); /* the same node with the same key: replaced */
	CHECK_EQ(lattice_state_peer_add(dir, &bob), 0);
	CHECK_EQ(lattice_state_peers(dir, number_of, list), 0);
	CHECK_STR(list, "3:carol 12:robert ");
}

static void strip_key(struct lattice_peer *peer)
{
	memset(peer->key, 0, sizeof(peer->key));
}

TEST(a_fingerprint_first_and_its_key_later)
{
	static const uint8_t none[LATTICE_PUBLIC_KEY_BYTES];
	struct lattice_peer bob, pin, eve, back;
	char dir[128], hex[LAT_FINGERPRINT_HEX];

	peer_make(&bob, 12, "bob");
	pin = bob;
	strip_key(&pin);
	CHECK_EQ(lattice_state_peer_get(fresh(dir), 12, &back), -ENOENT);
	CHECK_EQ(lattice_state_peer_add(dir, &pin), 0);
	CHECK_EQ(lattice_state_peer_get(dir, 12, &back), 0);
	CHECK_MEM(&back, &pin, sizeof(pin));
	CHECK_MEM(back.key, none, sizeof(none));

	/* Another key than the one of that fingerprint, and the fingerprint for another number. */
	peer_make(&eve, 12, "bob");
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EKEYREJECTED);
	check_says("the pinned one", -EKEYREJECTED, lat_fingerprint_hex(pin.fingerprint, hex));
	check_says("the wrong one", -EKEYREJECTED, lat_fingerprint_hex(eve.fingerprint, hex));
	eve = bob;
	eve.node = 13;
	eve.name[0] = '\0';
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EEXIST);
	check_says("one key, one number", -EEXIST, "key of node 12");

	CHECK_EQ(lattice_state_peer_add(dir, &bob), 0);
	CHECK_EQ(lattice_state_peer_get(dir, 12, &back), 0);
	CHECK_MEM(&back, &bob, sizeof(bob));
	/* The fingerprint once more, with another name: the key stays. */
	(void)snprintf(pin.name, sizeof(pin.name), "robert");
	CHECK_EQ(lattice_state_peer_add(dir, &pin), 0);
	CHECK_EQ(lattice_state_peer_get(dir, 12, &back), 0);
	CHECK_STR(back.name, "robert");
	CHECK_MEM(back.key, bob.key, sizeof(bob.key));

	/* Given together they have to fit. */
	peer_make(&eve, 14, "eve");
	eve.fingerprint[31] ^= 1;
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EKEYREJECTED);
	check_says("they do not fit", -EKEYREJECTED, "lattice id --key");
	memset(eve.fingerprint, 0, sizeof(eve.fingerprint));
	strip_key(&eve);
	CHECK_EQ(lattice_state_peer_add(dir, &eve), -EINVAL);
	check_says("neither", -EINVAL, "neither its key nor its fingerprint");
	CHECK_EQ(lattice_state_peer_get(dir, 14, &back), -ENOENT);
}

TEST(a_key_that_is_not_the_one_of_its_fingerprint)
{
	char dir[128], text[8192], text2[8192], hex[LAT_FINGERPRINT_HEX], other[LAT_FINGERPRINT_HEX];
	struct lattice_peer peer, eve;
	uint8_t seed[LAT_KEM_SEED];
	struct lat_state *state;
	size_t length;

	peer_make(&peer, 2, "two");
	peer_make(&eve, 2, "two");
	CHECK_EQ(lattice_state_peer_add(fresh(dir), &peer), 0);
	(void)file_get(dir, "peers/2", text);
	length = edit(text, lat_fingerprint_hex(peer.fingerprint, hex),
		      lat_fingerprint_hex(eve.fingerprint, other), text2);
	file_put(dir, "peers/2", text2, length, 0600);
	CHECK_EQ(lattice_state_peer_get(dir, 2, &peer), -EKEYREJECTED);
	check_says("said", -EKEYREJECTED, other);
	check_says("is", -EKEYREJECTED, hex);
	check_says("where", -EKEYREJECTED, "/peers/2, line 5");
	CHECK_EQ(lattice_state_peers(dir, keep_peer, &peer), -EKEYREJECTED);
	CHECK_EQ(lat_state_open(&state, dir, 5, seed), -EKEYREJECTED);
	CHECK_EQ(lattice_state_peer_remove(dir, 2), 0);
	CHECK_EQ(lat_state_open(&state, dir, 5, seed), 0);
	lat_state_close(state);
}

TEST(peers_are_removed)
{
	struct lattice_peer a, b, back;
	char dir[128], list[128] = "";

	CHECK_EQ(lattice_state_peer_remove(fresh(dir), 2), -ENOENT);
	CHECK_EQ(access(dir, F_OK), -1); /* nothing was made */
	peer_make(&a, 2, "a");
	peer_make(&b, 3, "b");
	CHECK_EQ(lattice_state_peer_add(dir, &a), 0);
	CHECK_EQ(lattice_state_peer_add(dir, &b), 0);
	CHECK_EQ(lattice_state_peer_remove(dir, 0), -EINVAL);
	CHECK_EQ(lattice_state_peer_remove(dir, UINT32_MAX), -EINVAL);
	CHECK_EQ(lattice_state_peer_remove(dir, 4), -ENOENT);
	check_says("not known", -ENOENT, "peers list");
	file_put(dir, "peers/2", "rubbish", 7, 0600); /* also what cannot be read any more */
	CHECK_EQ(lattice_state_peer_remove(dir, 2), 0);
	CHECK_EQ(lattice_state_peer_remove(dir, 2), -ENOENT);
	CHECK_EQ(lattice_state_peer_get(dir, 2, &back), -ENOENT);
	CHECK_EQ(lattice_state_peers(dir, number_of, list), 0);
	CHECK_STR(list, "3:b ");
	peer_make(&a, 2, "a"); /* with another key: the old one is forgotten */
	CHECK_EQ(lattice_state_peer_add(dir, &a), 0);
}

/* ---- damage ---- */

static const struct {
	const char *why, *file, *find, *put, *says;
	mode_t mode;
	int want;
} damage[] = {
	{ "nothing is wrong", "node", "7", "7", NULL, 0644, 0 },
	{ "an empty number", "node", NULL, "", "/node, line 1", 0644, -EBADMSG },
	{ "a number that is none", "node", NULL, "seven\n", "/node, line 1", 0644, -EBADMSG },
	{ "the number 0", "node", NULL, "0\n", "/node, line 1", 0644, -EBADMSG },
	{ "two numbers", "node", NULL, "7 8\n", "/node, line 1", 0644, -EBADMSG },
	{ "an empty identity", "identity", NULL, "", "/identity, line 0", 0600, -EBADMSG },
	{ "another seed", "identity", "seed = ", "seed = A", "/identity, line 3", 0600, -EBADMSG },
	{ "a fingerprint of another seed", "identity", "fingerprint = ", "fingerprint = \n#",
	  "/identity, line 4", 0600, -EBADMSG },
	{ "an identity of zeros", "identity", NULL,
	  "[identity]\nseed = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	  "fingerprint = 0000000000000000000000000000000000000000000000000000000000000000\n",
	  "damaged: its seed does not give", 0600, -EBADMSG },
	{ "others may read the identity", "identity", "seed", "seed", "mode 640", 0640, -EACCES },
	{ "everybody may", "identity", "seed", "seed", "chmod 600", 0604, -EACCES },
	{ "a mesh key", "mesh_key", NULL, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n", NULL, 0600, 0 },
	{ "half a mesh key", "mesh_key", NULL, "AAAAAAAAAAAAAAAAAAAAAAA=\n", "/mesh_key, line 1", 0600,
	  -EBADMSG },
	{ "an empty mesh key", "mesh_key", NULL, "", "/mesh_key, line 1", 0600, -EBADMSG },
	{ "others may read the mesh key", "mesh_key", NULL, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n",
	  "mode 644", 0644, -EACCES },
	{ "a peer", "peers/9", "x", "x", NULL, 0600, 0 },
	{ "an empty peer", "peers/9", NULL, "", "/peers/9, line 0", 0600, -EBADMSG },
	{ "another peer's number", "peers/9", "node = 9", "node = 8", "a peer's file is called as its number",
	  0600, -EBADMSG },
	{ "no transport", "peers/9", "transport", "#", "'transport'", 0600, -EBADMSG },
	{ "an unknown transport", "peers/9", "udp", "tls", "/peers/9, line 5: transport", 0600, -EBADMSG },
	{ "a name that may not be", "peers/9", "name = x", "name = x y", "/peers/9, line 3: name", 0600,
	  -EBADMSG },
	{ "an address that is none", "peers/9", "h:1", "h", "/peers/9, line 4: endpoint", 0600, -EBADMSG },
	{ "a psk that is none", "peers/9", "psk = ", "psk = A", "/peers/9, line 6", 0600, -EBADMSG },
	{ "others may read the psk", "peers/9", "x", "x", "holds a psk", 0644, -EACCES },
	{ "without a psk they may", "peers/9", "psk = ", "#", NULL, 0644, 0 },
	{ "a key that is changed", "peers/9", "key = ", "key = A", "/peers/9, line 33: the value is too long",
	  0600, -EBADMSG },
};

TEST(damaged_files_are_named_and_nothing_is_overwritten)
{
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		const char *why = damage[i].why;
		char dir[128], was[8192], is[8192], after[8192];
		uint8_t seed[LAT_KEM_SEED], zeros[LAT_KEM_SEED] = { 0 };
		struct lattice_identity id;
		struct lattice_peer peer;
		struct lat_state *state;
		size_t length;
		int rc;

		CHECK_EQ_ROW(why, lattice_state_keygen(fresh(dir), 7, &id), 0);
		peer_make(&peer, 9, "x");
		(void)snprintf(peer.endpoint, sizeof(peer.endpoint), "h:1");
		lat_random(peer.psk, sizeof(peer.psk));
		CHECK_EQ_ROW(why, lattice_state_peer_add(dir, &peer), 0);
		if (damage[i].find != NULL)
			(void)file_get(dir, damage[i].file, was);
		length = edit(damage[i].find != NULL ? was : "", damage[i].find, damage[i].put, is);
		file_put(dir, damage[i].file, is, length, damage[i].mode);

		rc = lat_state_open(&state, dir, 0, seed);
		CHECK_EQ_ROW(why, rc, damage[i].want);
		if (damage[i].says != NULL)
			check_says(why, rc, damage[i].says);
		if (rc < 0) {
			CHECK_ROW(why, state == NULL);
			CHECK_MEM_ROW(why, seed, zeros, sizeof(zeros));
		}
		lat_state_close(state);
		CHECK_EQ_ROW(why, file_get(dir, damage[i].file, after), length);
		CHECK_STR_ROW(why, after, is);
		/* What cannot be read is not a reason to make a new identity, either. */
		if (strcmp(damage[i].file, "identity") == 0) {
			CHECK_EQ_ROW(why, lattice_state_keygen(dir, 7, &id),
				     damage[i].want != 0 ? damage[i].want : -EEXIST);
			(void)file_get(dir, "identity", after);
			CHECK_STR_ROW(why, after, is);
		}
	}
}

TEST(files_that_are_too_long_or_no_files)
{
	char dir[128], path[160];
	static char many[20000];
	struct lattice_identity id;
	struct lat_state *state;
	uint8_t seed[LAT_KEM_SEED];

	CHECK_EQ(lattice_state_keygen(fresh(dir), 7, &id), 0);
	memset(many, '\n', sizeof(many));
	file_put(dir, "node", many, sizeof(many), 0644);
	CHECK_EQ(lat_state_open(&state, dir, 0, seed), -EBADMSG);
	check_says("long", -EBADMSG, "longer than anything");

	CHECK_EQ(lattice_state_keygen(fresh(dir), 7, &id), 0);
	(void)snprintf(path, sizeof(path), "%s/mesh_key", dir);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(lat_state_open(&state, dir, 0, seed), -EBADMSG);
	check_says("a directory", -EBADMSG, "is not a file");

	fresh(dir);
	CHECK_EQ(mkdir(dir, 0700), 0);
	file_put(dir, "peers", "x", 1, 0600);
	CHECK_EQ(lat_state_open(&state, dir, 0, seed), -ENOTDIR);
	check_says("peers is a file", -ENOTDIR, "/peers cannot be read");
	(void)snprintf(path, sizeof(path), "%s/peers/below", dir);
	CHECK_EQ(lattice_state_keygen(path, 0, &id), -ENOTDIR);
}

TEST(two_peers_by_one_name_in_files_that_somebody_wrote)
{
	char dir[128], text[8192], text2[8192];
	struct lattice_peer peer;
	size_t length;

	peer_make(&peer, 2, "two");
	CHECK_EQ(lattice_state_peer_add(fresh(dir), &peer), 0);
	(void)file_get(dir, "peers/2", text);
	length = edit(text, "node = 2", "node = 3", text2);
	file_put(dir, "peers/3", text2, length, 0600);
	CHECK_EQ(lattice_state_peers(dir, keep_peer, &peer), -EBADMSG);
	check_says("a key twice", -EBADMSG, "the same key");
	peer_make(&peer, 3, "two");
	length = lat_peer_format(&peer, text2);
	file_put(dir, "peers/3", text2, length, 0600);
	CHECK_EQ(lattice_state_peers(dir, keep_peer, &peer), -EBADMSG);
	check_says("a name twice", -EBADMSG, "the same name");
}

/* ---- a running node's ---- */

TEST(a_node_finds_what_was_kept)
{
	static const uint8_t none[32];
	uint8_t seed[LAT_KEM_SEED], again[LAT_KEM_SEED], pk[LAT_KEM_PK], mesh[32] = { [31] = 1 };
	struct lattice_peer peers[3], more;
	struct lat_state *state;
	char dir[128];

	/* The first start makes everything. */
	CHECK_EQ(lat_state_open(&state, fresh(dir), 5, seed), 0);
	CHECK_EQ(lat_state_node(state), 5);
	CHECK_EQ(lat_state_peer_count(state), 0);
	CHECK_MEM(lat_state_mesh_key(state), none, sizeof(none));
	CHECK_EQ(lat_kem_keypair(pk, seed), 0);
	CHECK_MEM(lat_state_public_key(state), pk, sizeof(pk));
	lat_state_close(state);

	peer_make(&peers[0], 30, "c");
	peer_make(&peers[1], 4, "a");
	peer_make(&peers[2], 200, "b");
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		CHECK_EQ(lattice_state_peer_add(dir, &peers[i]), 0);
	file_put(dir, "mesh_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=", 44, 0600);
	file_put(dir, "peers/notes", "hello", 5, 0600); /* is no peer */

	CHECK_EQ(lat_state_open(&state, dir, 0, again), 0);
	CHECK_EQ(lat_state_node(state), 5);
	CHECK_MEM(again, seed, sizeof(seed));
	CHECK_MEM(lat_state_mesh_key(state), mesh, sizeof(mesh));
	CHECK_EQ(lat_state_peer_count(state), 3);
	CHECK_MEM(lat_state_peer_at(state, 0), &peers[1], sizeof(peers[1]));
	CHECK_MEM(lat_state_peer_at(state, 1), &peers[0], sizeof(peers[0]));
	CHECK_MEM(lat_state_peer_at(state, 2), &peers[2], sizeof(peers[2]));

	/* What it is told for this run stands in its place, and in no file. */
	peer_make(&more, 100, "run");
	CHECK_EQ(lat_state_peer_keep(state, &more), 0);
	CHECK_EQ(lat_state_peer_count(state), 4);
	CHECK_MEM(lat_state_peer_at(state, 2), &more, sizeof(more));
	CHECK(lat_state_peer_find(state, 200) == lat_state_peer_at(state, 3));
	CHECK(lat_state_peer_find(state, 5) == NULL);
	(void)snprintf(more.name, sizeof(more.name), "again");
	CHECK_EQ(lat_state_peer_keep(state, &more), 0);
	CHECK_EQ(lat_state_peer_count(state), 4);
	CHECK_STR(lat_state_peer_find(state, 100)->name, "again");
	CHECK_EQ(lattice_state_peer_get(dir, 100, &more), -ENOENT);
	lat_state_close(state);

	/* A number that is asked for must be the one kept. */
	CHECK_EQ(lat_state_open(&state, dir, 6, again), -EINVAL);
	check_says("another number", -EINVAL, "is node 5, not node 6");
	CHECK(state == NULL);
	CHECK_EQ(lat_state_open(&state, dir, 5, again), 0);
	lat_state_close(state);
	CHECK_EQ(lat_state_open(&state, dir, UINT32_MAX, again), -EINVAL);
	lat_state_close(NULL);
}

TEST(a_number_without_identity_and_the_reverse)
{
	char dir[128], path[160];
	uint8_t seed[LAT_KEM_SEED];
	struct lattice_identity id;
	struct lat_state *state;

	fresh(dir);
	CHECK_EQ(mkdir(dir, 0700), 0);
	file_put(dir, "node", "44\n", 3, 0644);
	CHECK_EQ(lat_state_open(&state, dir, 0, seed), 0);
	CHECK_EQ(lat_state_node(state), 44);
	lat_state_close(state);

	(void)snprintf(path, sizeof(path), "%s/node", dir);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(lattice_state_identity(dir, &id), -EBADMSG);
	check_says("no number", -EBADMSG, "/node is missing");
	CHECK_EQ(lat_state_open(&state, dir, 45, seed), 0);
	lat_state_close(state);
	CHECK_EQ(lattice_state_identity(dir, &id), 0);
	CHECK_EQ(id.node, 45);
}

/* In a child: 0 when @run gave @want, and after @says was in the sentence. */
static int in_child(int (*run)(const char *dir), const char *dir)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(run(dir));
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int second_node(const char *dir)
{
	char text[1024], pid[32];
	uint8_t seed[LAT_KEM_SEED];
	struct lat_state *state;
	int rc = lat_state_open(&state, dir, 0, seed);

	if (rc != -EBUSY)
		return 1;
	(void)lattice_explain(NULL, rc, text, sizeof(text));
	(void)snprintf(pid, sizeof(pid), "process %d:", (int)getppid());
	return strstr(text, pid) != NULL ? 0 : 2;
}

static int first_node_dies(const char *dir)
{
	uint8_t seed[LAT_KEM_SEED];
	struct lat_state *state;

	return lat_state_open(&state, dir, 0, seed) == 0 ? 0 : 1; /* and never closes it */
}

TEST(one_node_at_a_time)
{
	uint8_t seed[LAT_KEM_SEED];
	struct lattice_identity id;
	struct lattice_peer peer;
	struct lat_state *state;
	char dir[128];

	CHECK_EQ(lat_state_open(&state, fresh(dir), 7, seed), 0);
	CHECK_EQ(in_child(second_node, dir), 0);
	/* Keys and peers may be looked at and added meanwhile. */
	CHECK_EQ(lattice_state_identity(dir, &id), 0);
	peer_make(&peer, 9, "x");
	CHECK_EQ(lattice_state_peer_add(dir, &peer), 0);
	lat_state_close(state);
	CHECK_EQ(in_child(first_node_dies, dir), 0);
	CHECK_EQ(lat_state_open(&state, dir, 0, seed), 0);
	lat_state_close(state);
}

/* ---- several writers ---- */

enum { WRITERS = 8 };

/* Each in its own process, started together by closing a pipe. Returns how many gave 0. */
static int writers(int (*run)(const char *dir, int who), const char *dir)
{
	int start[2], fine = 0, status;
	pid_t children[WRITERS];

	CHECK_EQ(pipe(start), 0);
	for (int i = 0; i < WRITERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			char byte;

			close(start[1]);
			_exit(read(start[0], &byte, 1) == 0 && run(dir, i) == 0 ? 0 : 1);
		}
		CHECK(children[i] > 0);
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < WRITERS; i++) {
		CHECK_EQ(waitpid(children[i], &status, 0), children[i]);
		fine += status == 0;
	}
	return fine;
}

static int add_own_name(const char *dir, int who)
{
	struct lattice_peer peer;
	char name[16];

	(void)snprintf(name, sizeof(name), "w%d", who);
	peer_make(&peer, (lattice_node_id)who + 1, name);
	return lattice_state_peer_add(dir, &peer);
}

static int add_one_name(const char *dir, int who)
{
	struct lattice_peer peer;

	peer_make(&peer, (lattice_node_id)who + 1, "same");
	return lattice_state_peer_add(dir, &peer);
}

static int make_identity(const char *dir, int who)
{
	struct lattice_identity id;

	return lattice_state_keygen(dir, (lattice_node_id)who + 1, &id);
}

TEST(writers_at_the_same_time)
{
	struct lattice_identity id;
	char dir[128], list[128] = "";

	CHECK_EQ(writers(add_own_name, fresh(dir)), WRITERS);
	CHECK_EQ(lattice_state_peers(dir, number_of, list), 0);
	CHECK_STR(list, "1:w0 2:w1 3:w2 4:w3 5:w4 6:w5 7:w6 8:w7 ");
	CHECK_EQ(writers(add_one_name, fresh(dir)), 1);
	CHECK_EQ(writers(make_identity, fresh(dir)), 1);
	CHECK_EQ(lattice_state_identity(dir, &id), 0);
}

/* ---- disks ---- */

static int tmpfs(const char *dir, const char *options)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount("none", dir, "tmpfs", 0, options) < 0 ? -errno : 0;
}

enum { NO_MOUNT = 77 };

static int fill(const char *dir)
{
	static const char block[4096];
	char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/filler", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		;
	return fd;
}

/* Each step a number of its own, so that the row that failed is seen. */
static int full_disk(const char *dir)
{
	struct lattice_identity id, after;
	struct lattice_peer peer, again, back = { 0 };
	int fd;

	if (tmpfs(dir, "size=64k,nr_inodes=64") < 0)
		return NO_MOUNT;
	if (lattice_state_keygen(dir, 7, &id) != 0)
		return 1;
	peer_make(&peer, 9, "old");
	if (lattice_state_peer_add(dir, &peer) != 0)
		return 2;
	fd = fill(dir);
	again = peer;
	(void)snprintf(again.name, sizeof(again.name), "new");
	if (lattice_state_peer_add(dir, &again) != -ENOSPC)
		return 3;
	if (lattice_state_peers(dir, keep_peer, &back) != 1 || memcmp(&back, &peer, sizeof(peer)) != 0)
		return 4; /* the old one stands */
	if (lattice_state_identity(dir, &after) != 0 || memcmp(&id, &after, sizeof(id)) != 0)
		return 5;
	if (ftruncate(fd, 0) < 0 || lattice_state_peer_add(dir, &again) != 0)
		return 6;
	if (lattice_state_peers(dir, keep_peer, &back) != 1 || strcmp(back.name, "new") != 0)
		return 7;
	return 0;
}

static int full_from_the_start(const char *dir)
{
	struct lattice_identity id;
	struct lat_state *state;
	uint8_t seed[LAT_KEM_SEED];

	if (tmpfs(dir, "size=64k,nr_inodes=64") < 0)
		return NO_MOUNT;
	(void)fill(dir);
	if (lattice_state_keygen(dir, 7, &id) != -ENOSPC)
		return 1;
	if (lattice_state_identity(dir, &id) != -ENOENT)
		return 2; /* no half one */
	return lat_state_open(&state, dir, 0, seed) == -ENOSPC && state == NULL ? 0 : 3;
}

static int read_only_disk(const char *dir)
{
	struct lattice_identity id;
	struct lattice_peer peer;
	struct lat_state *state;
	uint8_t seed[LAT_KEM_SEED];

	if (tmpfs(dir, NULL) < 0)
		return NO_MOUNT;
	if (lattice_state_keygen(dir, 7, &id) != 0)
		return 1;
	peer_make(&peer, 8, "w");
	if (lattice_state_peer_add(dir, &peer) != 0)
		return 5;
	if (mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return NO_MOUNT;
	if (lattice_state_peer_remove(dir, 8) != -EROFS || lattice_state_peer_get(dir, 8, &peer) != 0)
		return 6;
	peer_make(&peer, 9, "x");
	if (lattice_state_peer_add(dir, &peer) != -EROFS)
		return 2;
	if (lattice_state_identity(dir, &id) != 0 || id.node != 7)
		return 3; /* reading is fine */
	return lat_state_open(&state, dir, 0, seed) == -EROFS ? 0 : 4;
}

static int no_right(const char *dir)
{
	struct lattice_identity id;
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/below", dir);
	if (chmod(dir, 0500) < 0 || (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)))
		return NO_MOUNT;
	if (lattice_state_keygen(path, 7, &id) != -EACCES)
		return 1;
	return lattice_state_identity(path, &id) < 0 ? 0 : 2;
}

static const struct {
	const char *why;
	int (*run)(const char *dir);
} disks[] = {
	{ "a disk that is full after a while", full_disk },
	{ "a disk that is full from the start", full_from_the_start },
	{ "a read-only disk", read_only_disk },
	{ "a directory of somebody else's", no_right },
};

TEST(disks_that_do_not_take_it)
{
	char dir[128];
	bool skipped = false;

	for (size_t i = 0; i < ARRAY_LEN(disks); i++) {
		int status;

		CHECK_EQ(mkdir(fresh(dir), 0700), 0);
		status = in_child(disks[i].run, dir);
		if (status == NO_MOUNT)
			skipped = true;
		else
			CHECK_EQ_ROW(disks[i].why, status, 0);
	}
	if (skipped)
		TEST_SKIP("this user may not mount file systems");
}

/* The last case: removes what the others made. */
TEST(zz_nothing_is_left)
{
	char command[160];
	pid_t child;
	int status;

	(void)snprintf(command, sizeof(command), "%s", root);
	child = fork();
	if (child == 0) {
		(void)execlp("rm", "rm", "-rf", "--", command, (char *)NULL);
		_exit(127);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

TEST_MAIN
