/* The state directory: making it, reading it, changing it one writer at a time. */
#include "node/state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>

#include "crypto/kem.h"
#include "net/nodeid.h"
#include "node/explain.h"
#include "node/keyfile.h"
#include "os/clock.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/lockfile.h"
#include "os/random.h"

enum {
	PATH_ROOM = 4096,
	DIR_ROOM = 4000,      /* the rest is for the longest name in it */
	FILE_MAX = 16 * 1024, /* a file of ours with whatever comments were written into it */
	EDIT_WAIT_MS = 5000,  /* for another writer, which needs some milliseconds */
};

struct lat_state {
	int lock; /* -1: not held */
	char dir[DIR_ROOM];
	struct lattice_identity identity;
	uint8_t mesh_key[32];
	struct lattice_peer *peers;
	size_t peer_count;
};

/* Where a directory is: its files' names are made of it. */
struct place {
	char dir[DIR_ROOM];
};

static int broken(int rc, const char *path, const char *what)
{
	return lat_why(NULL, rc, "%s cannot be %s: %s", path, what, strerror(-rc));
}

/* ---- paths ---- */

int lattice_state_dir(char *buf, size_t bytes)
{
	static const struct {
		const char *variable, *more;
		bool root_only;
	} places[] = {
		{ "LATTICE_STATE_DIR", "", false },
		{ NULL, "/var/lib/lattice", true },
		{ "XDG_STATE_HOME", "/lattice", false },
		{ "HOME", "/.local/state/lattice", false },
	};
	char path[PATH_ROOM];
	int n;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const char *base = places[i].variable != NULL ? getenv(places[i].variable) : "";

		if (base == NULL || (places[i].variable != NULL && base[0] == '\0') ||
		    (places[i].root_only && geteuid() != 0))
			continue;
		n = snprintf(path, sizeof(path), "%s%s", base, places[i].more);
		if (n < 0 || (size_t)n >= sizeof(path) || (size_t)n >= bytes)
			return lat_why(NULL, -ENAMETOOLONG, "the state directory's path is too long");
		memcpy(buf, path, (size_t)n + 1);
		return 0;
	}
	return lat_why(NULL, -ENOENT,
		       "there is no place for a state directory: name one, or set LATTICE_STATE_DIR or HOME");
}

static int find_place(struct place *p, const char *dir)
{
	if (dir == NULL)
		return lattice_state_dir(p->dir, sizeof(p->dir));
	if (dir[0] == '\0')
		return lat_why(NULL, -EINVAL, "the state directory's name is empty");
	if (strlen(dir) >= sizeof(p->dir))
		return lat_why(NULL, -ENAMETOOLONG, "the state directory's path is too long");
	memcpy(p->dir, dir, strlen(dir) + 1);
	return 0;
}

static const char *path_of(const struct place *p, const char *name, char out[static PATH_ROOM])
{
	(void)snprintf(out, PATH_ROOM, "%s/%s", p->dir, name);
	return out;
}

static int make_dir(const char *path)
{
	int rc = lat_file_make_dirs(path);

	return rc < 0 ? broken(rc, path, "made") : 0;
}

/* Excludes other writers. Readers need not: files are replaced whole. */
static int begin_edit(const struct place *p, int *lock)
{
	char path[PATH_ROOM];
	uint64_t deadline = lat_clock_deadline(lat_clock_monotonic_ns(), EDIT_WAIT_MS * LAT_NS_PER_MS);
	int rc = lat_dir_lock(lock, path_of(p, "edit.lock", path), deadline);

	if (rc == -EBUSY)
		return lat_why(NULL, rc,
			       "%s is being changed by another process, which does not come to an end",
			       p->dir);
	return rc < 0 ? broken(rc, path, "locked") : 0;
}

/* ---- single files ---- */

/*
 * The whole file. The length, or -ENOENT without a sentence (that is for the caller to judge), or an error with one: a
 * @secret one is refused (-EACCES) when others than its owner may read it.
 */
static int read_text(const char *path, bool secret, char out[static FILE_MAX])
{
	int mode = lat_path_mode(path);
	ssize_t length;

	if (mode < 0)
		return mode == -ENOENT ? mode : broken(mode, path, "read");
	if (secret && (mode & 077) != 0)
		return lat_why(
			NULL, -EACCES,
			"%s holds a secret and others may read it (mode %03o): if nobody did, 'chmod 600 %s'",
			path, (unsigned)mode, path);
	length = lat_file_read(path, out, FILE_MAX);
	if (length == -EFBIG)
		return lat_why(NULL, -EBADMSG, "%s is longer than anything that belongs there", path);
	if (length == -EINVAL)
		return lat_why(NULL, -EBADMSG, "%s is not a file", path);
	if (length < 0 && length != -ENOENT)
		return broken((int)length, path, "read");
	return (int)length;
}

static int write_text(const char *path, const char *text, size_t bytes, unsigned mode)
{
	int rc = lat_file_write(path, text, bytes, mode);

	return rc < 0 ? broken(rc, path, "written") : 0;
}

/* The number kept, or -ENOENT without a sentence. */
static int read_node(const struct place *p, lattice_node_id *out)
{
	char path[PATH_ROOM], text[FILE_MAX];
	int n = read_text(path_of(p, "node", path), false, text);

	return n < 0 ? n : lat_node_parse(out, path, text, (size_t)n);
}

static int write_node(const struct place *p, lattice_node_id node)
{
	char path[PATH_ROOM], text[16];
	int n = snprintf(text, sizeof(text), "%u\n", node);

	return write_text(path_of(p, "node", path), text, (size_t)n, 0644);
}

/* Seed, public key and fingerprint, which all must fit. -ENOENT without a sentence. The number is not touched. */
static int read_identity(const struct place *p, struct lattice_identity *out, uint8_t *seed)
{
	char path[PATH_ROOM], text[FILE_MAX];
	uint8_t said[LATTICE_FINGERPRINT_BYTES];
	int rc = read_text(path_of(p, "identity", path), true, text);

	if (rc < 0)
		return rc;
	rc = lat_seed_parse(seed, said, path, text, (size_t)rc);
	lat_wipe(text, sizeof(text));
	if (rc < 0)
		return rc;
	rc = lat_kem_keypair(out->key, seed);
	lat_key_fingerprint(out->fingerprint, out->key);
	if (rc < 0 || memcmp(said, out->fingerprint, sizeof(said)) != 0) {
		lat_wipe(seed, LAT_KEM_SEED);
		return lat_why(
			NULL, -EBADMSG,
			"%s is damaged: its seed does not give the key of its fingerprint. Put a copy back, or remove it and make "
			"a new identity, which the peers must be told",
			path);
	}
	return 0;
}

/* A new one. Its number first: who finds the identity finds its number. The caller holds the edit lock. */
static int make_identity_locked(const struct place *p, lattice_node_id node, struct lattice_identity *out,
				uint8_t *seed)
{
	char path[PATH_ROOM], text[LAT_SEED_TEXT_MAX];
	size_t length;
	int rc = write_node(p, node);

	if (rc < 0)
		return rc;
	lat_random(seed, LAT_KEM_SEED);
	rc = lat_kem_keypair(out->key, seed);
	if (rc < 0)
		return lat_why(NULL, rc, "no key could be made");
	lat_key_fingerprint(out->fingerprint, out->key);
	out->node = node;
	length = lat_seed_format(seed, out->fingerprint, text);
	rc = write_text(path_of(p, "identity", path), text, length, 0600);
	lat_wipe(text, sizeof(text));
	return rc;
}

/*
 * The identity that is there (1: it is), or a new one (0). @node 0: the number kept, else this machine's. An identity without
 * a number gets one. The caller holds the edit lock.
 */
static int get_identity_locked(const struct place *p, lattice_node_id node, struct lattice_identity *out,
			       uint8_t *seed)
{
	lattice_node_id kept = 0;
	int there = read_identity(p, out, seed), rc = read_node(p, &kept);

	if (there < 0 && there != -ENOENT)
		return there;
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (there == 0 && kept != 0) {
		out->node = kept;
		return 1;
	}
	/* A number without an identity was left by somebody who did not get further: what is asked for now goes first. */
	if (node == 0)
		node = kept != 0 ? kept : lat_nodeid_local();
	if (there == -ENOENT)
		return make_identity_locked(p, node, out, seed);
	out->node = node;
	rc = write_node(p, node);
	return rc < 0 ? rc : 1;
}

int lattice_state_keygen(const char *dir, lattice_node_id node, struct lattice_identity *out)
{
	struct lattice_identity id = { 0 };
	uint8_t seed[LAT_KEM_SEED];
	struct place p;
	int rc, lock = -1;

	if (node == UINT32_MAX)
		return lat_why(NULL, -EINVAL, "a node's number is one from 1 to 4294967294");
	rc = find_place(&p, dir);
	if (rc == 0)
		rc = make_dir(p.dir);
	if (rc == 0)
		rc = begin_edit(&p, &lock);
	if (rc == 0)
		rc = get_identity_locked(&p, node, &id, seed);
	lat_dir_unlock(lock);
	lat_wipe(seed, sizeof(seed));
	if (rc < 0)
		return rc;
	*out = id;
	if (rc == 1)
		return lat_why(NULL, -EEXIST, "%s has an identity, that of node %u, and it was left as it is",
			       p.dir, id.node);
	return 0;
}

/* -ENOENT without a sentence. */
static int public_identity(const struct place *p, struct lattice_identity *out)
{
	struct lattice_identity id;
	uint8_t seed[LAT_KEM_SEED];
	int rc = read_identity(p, &id, seed);

	lat_wipe(seed, sizeof(seed));
	if (rc < 0)
		return rc;
	rc = read_node(p, &id.node);
	if (rc == -ENOENT)
		return lat_why(NULL, -EBADMSG,
			       "%s/node is missing: write the node's number into it, or run 'lattice keygen'",
			       p->dir);
	if (rc == 0)
		*out = id;
	return rc;
}

int lattice_state_identity(const char *dir, struct lattice_identity *out)
{
	struct place p;
	int rc = find_place(&p, dir);

	if (rc < 0)
		return rc;
	rc = public_identity(&p, out);
	if (rc == -ENOENT)
		return lat_why(NULL, rc, "%s has no identity: 'lattice keygen' makes one", p.dir);
	return rc;
}

/* ---- peers ---- */

static void free_peers(struct lattice_peer *peers, size_t count)
{
	lat_wipe(peers, count * sizeof(*peers));
	free(peers);
}

static int read_peer(const struct place *p, lattice_node_id node, struct lattice_peer *out)
{
	static const uint8_t none[LATTICE_PSK_BYTES];
	char path[PATH_ROOM], name[32], text[FILE_MAX];
	int rc;

	(void)snprintf(name, sizeof(name), "peers/%u", node);
	rc = read_text(path_of(p, name, path), false, text);
	if (rc < 0)
		return rc;
	rc = lat_peer_parse(out, path, text, (size_t)rc);
	lat_wipe(text, sizeof(text));
	if (rc < 0)
		return rc;
	if (out->node != node)
		rc = lat_why(NULL, -EBADMSG,
			     "%s says that it is node %u: a peer's file is called as its number", path,
			     out->node);
	else if (memcmp(out->psk, none, sizeof(none)) != 0 && (lat_path_mode(path) & 077) != 0)
		rc = lat_why(NULL, -EACCES,
			     "%s holds a psk and others may read it: if nobody did, 'chmod 600 %s'", path,
			     path);
	if (rc < 0)
		lat_wipe(out, sizeof(*out));
	return rc;
}

/* All peers, in order; *out is for free_peers(). */
static int read_peers(const struct place *p, struct lattice_peer **out, size_t *out_count)
{
	struct lattice_peer *peers = NULL;
	uint32_t *numbers = NULL;
	size_t count = 0, have = 0;
	char path[PATH_ROOM];
	int rc = lat_dir_numbers(path_of(p, "peers", path), &numbers, &count);

	if (rc < 0 && rc != -ENOENT)
		return broken(rc, path, "read");
	if (count > 0) {
		peers = calloc(count, sizeof(*peers));
		if (peers == NULL) {
			free(numbers);
			return lat_why(NULL, -ENOMEM, "%s: no memory for %zu peers", path, count);
		}
	}
	rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = read_peer(p, numbers[i], &peers[have]);
		if (rc == 0)
			have++;
		else if (rc == -ENOENT) /* removed meanwhile */
			rc = 0;
	}
	for (size_t i = 1; i < have && rc == 0; i++)
		for (size_t k = 0; k < i && rc == 0; k++) {
			const struct lattice_peer *a = &peers[k], *b = &peers[i];

			if (memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0)
				rc = lat_why(NULL, -EBADMSG, "%s/%u and %s/%u have the same key: remove one",
					     path, a->node, path, b->node);
			else if (a->name[0] != '\0' && strcmp(a->name, b->name) == 0)
				rc = lat_why(NULL, -EBADMSG, "%s/%u and %s/%u have the same name: change one",
					     path, a->node, path, b->node);
		}
	free(numbers);
	if (rc < 0) {
		free_peers(peers, count);
		return rc;
	}
	*out = peers;
	*out_count = have;
	return 0;
}

/* Of a peer that lat_peer_complete() had. */
static int check_form(const struct lattice_peer *peer)
{
	uint8_t ct[LAT_KEM_CT], ss[LAT_KEM_SS], seed[LAT_KEM_ENC_SEED];
	int rc;

	if (peer->node == 0 || peer->node == UINT32_MAX)
		return lat_why(NULL, -EINVAL, "a node's number is one from 1 to 4294967294");
	if (memchr(peer->name, '\0', sizeof(peer->name)) == NULL || !lat_peer_name_valid(peer->name))
		return lat_why(
			NULL, -EINVAL,
			"a node's name has letters, digits, '-', '_' and '.', at most %d, and is not a number alone",
			LATTICE_NAME_MAX);
	if (memchr(peer->endpoint, '\0', sizeof(peer->endpoint)) == NULL ||
	    !lat_peer_endpoint_valid(peer->endpoint))
		return lat_why(
			NULL, -EINVAL,
			"where a node is reached is host:port or [v6]:port, with a port from 1 to 65535");
	if (!lat_proto_valid(peer->proto))
		return lat_why(NULL, -EINVAL, "a node is reached over UDP or TCP");
	if (!lat_peer_has_key(peer))
		return 0;
	/* The only test of a key's form is to use it. */
	lat_random(seed, sizeof(seed));
	rc = lat_kem_encaps(ct, ss, peer->key, seed);
	lat_wipe(seed, sizeof(seed));
	lat_wipe(ss, sizeof(ss));
	if (rc < 0)
		return lat_why(NULL, -EINVAL, "the key of node %u is not a valid X-Wing public key",
			       peer->node);
	return 0;
}

int lat_peer_check(struct lattice_peer *peer)
{
	int rc = lat_peer_complete(peer);

	return rc == 0 ? check_form(peer) : rc;
}

/* What this node and the peers that are there say to it. A key that is known of @peer is put in. */
static int check_others(const struct place *p, struct lattice_peer *peer)
{
	char fix[256];
	struct lattice_peer *peers = NULL;
	struct lattice_identity own = { 0 };
	size_t count = 0;
	int rc = public_identity(p, &own);

	if (rc == 0 && memcmp(own.fingerprint, peer->fingerprint, sizeof(own.fingerprint)) == 0)
		return lat_why(NULL, -EINVAL, "this is the node's own key: a peer's is wanted");
	if (rc == 0 && own.node == peer->node)
		return lat_why(NULL, -EINVAL, "node %u is this node's own number: two nodes need two numbers",
			       peer->node);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = read_peers(p, &peers, &count);
	for (size_t i = 0; i < count && rc == 0; i++) {
		bool same_key = memcmp(peers[i].fingerprint, peer->fingerprint, sizeof(peer->fingerprint)) ==
				0;

		if (peers[i].node == peer->node && !same_key) {
			(void)snprintf(fix, sizeof(fix),
				       "Compare with 'lattice id' there; if the new one is right, "
				       "'lattice peers remove %u' first",
				       peer->node);
			rc = lat_key_rejected(peer->node, peers[i].fingerprint, peer->fingerprint, fix);
		} else if (peers[i].node == peer->node && !lat_peer_has_key(peer))
			memcpy(peer->key, peers[i].key, sizeof(peer->key));
		else if (peers[i].node != peer->node && same_key)
			rc = lat_why(NULL, -EEXIST, "this is the key of node %u: one key has one number",
				     peers[i].node);
		else if (peers[i].node != peer->node && peer->name[0] != '\0' &&
			 strcmp(peers[i].name, peer->name) == 0)
			rc = lat_why(NULL, -EEXIST, "node %u is called '%s' already", peers[i].node,
				     peer->name);
	}
	free_peers(peers, count);
	return rc;
}

int lattice_state_peer_add(const char *dir, const struct lattice_peer *peer)
{
	char path[PATH_ROOM], name[32], text[LAT_PEER_TEXT_MAX];
	struct lattice_peer full = *peer;
	struct place p;
	int rc, lock = -1;

	rc = lat_peer_check(&full);
	if (rc == 0)
		rc = find_place(&p, dir);
	if (rc == 0)
		rc = make_dir(path_of(&p, "peers", path));
	if (rc == 0)
		rc = begin_edit(&p, &lock);
	if (rc == 0)
		rc = check_others(&p, &full);
	if (rc == 0) {
		size_t length = lat_peer_format(&full, text);

		(void)snprintf(name, sizeof(name), "peers/%u", peer->node);
		rc = write_text(path_of(&p, name, path), text, length, 0600);
		lat_wipe(text, sizeof(text));
	}
	lat_dir_unlock(lock);
	lat_wipe(&full, sizeof(full));
	return rc;
}

static int not_known(const struct place *p, lattice_node_id node)
{
	return lat_why(NULL, -ENOENT, "%s does not know node %u: 'lattice peers list' shows the known ones",
		       p->dir, node);
}

int lattice_state_peer_remove(const char *dir, lattice_node_id node)
{
	char path[PATH_ROOM], name[32];
	struct place p;
	int rc, lock = -1;

	if (node == 0 || node == UINT32_MAX)
		return lat_why(NULL, -EINVAL, "a node's number is one from 1 to 4294967294");
	rc = find_place(&p, dir);
	if (rc < 0)
		return rc;
	(void)snprintf(name, sizeof(name), "peers/%u", node);
	if (lat_path_mode(path_of(&p, name, path)) ==
	    -ENOENT) /* nothing is made of a directory that is not there */
		return not_known(&p, node);
	rc = begin_edit(&p, &lock);
	if (rc < 0)
		return rc;
	rc = lat_file_remove(path);
	if (rc == -ENOENT)
		rc = not_known(&p, node);
	else if (rc < 0)
		rc = broken(rc, path, "removed");
	lat_dir_unlock(lock);
	return rc;
}

int lattice_state_peer_get(const char *dir, lattice_node_id node, struct lattice_peer *out)
{
	struct lattice_peer peer;
	struct place p;
	int rc = find_place(&p, dir);

	if (rc < 0)
		return rc;
	rc = read_peer(&p, node, &peer);
	if (rc == -ENOENT)
		return not_known(&p, node);
	if (rc == 0)
		*out = peer;
	lat_wipe(&peer, sizeof(peer));
	return rc;
}

int lattice_state_peers(const char *dir, int (*fn)(void *ctx, const struct lattice_peer *peer), void *ctx)
{
	struct lattice_peer *peers = NULL;
	size_t count = 0;
	struct place p;
	int rc = find_place(&p, dir);

	if (rc == 0)
		rc = read_peers(&p, &peers, &count);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = fn(ctx, &peers[i]);
	free_peers(peers, count);
	return rc;
}

/* ---- a running node's ---- */

static int take_lock(struct lat_state *s, const struct place *p)
{
	char path[PATH_ROOM];
	pid_t holder = 0;
	int rc = lat_lockfile_open(&s->lock, path_of(p, "lock", path), &holder);

	if (rc == -EBUSY)
		return lat_why(
			NULL, rc,
			"%s is in use by process %d: one node at a time runs on a state directory; end that one, or take another "
			"directory",
			p->dir, (int)holder);
	return rc < 0 ? broken(rc, path, "locked") : 0;
}

static int open_identity(struct lat_state *s, const struct place *p, lattice_node_id node, uint8_t *seed)
{
	int lock = -1, rc = begin_edit(p, &lock);

	if (rc == 0)
		rc = get_identity_locked(p, node, &s->identity, seed);
	lat_dir_unlock(lock);
	if (rc < 0)
		return rc;
	if (node != 0 && node != s->identity.node)
		return lat_why(
			NULL, -EINVAL,
			"%s is node %u, not node %u: ask for %u or for none, or take another directory. Its peers know it as %u; to "
			"give it another number all the same, change %s/node",
			p->dir, s->identity.node, node, s->identity.node, s->identity.node, p->dir);
	return 0;
}

static int open_mesh_key(struct lat_state *s, const struct place *p)
{
	char path[PATH_ROOM], text[FILE_MAX];
	int rc = read_text(path_of(p, "mesh_key", path), true, text);

	if (rc == -ENOENT)
		return 0;
	if (rc >= 0)
		rc = lat_secret_parse(s->mesh_key, path, text, (size_t)rc);
	lat_wipe(text, sizeof(text));
	return rc;
}

int lat_state_open(struct lat_state **out, const char *dir, lattice_node_id node, uint8_t *seed)
{
	struct lat_state *s = calloc(1, sizeof(*s));
	struct place p;
	int rc;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->lock = -1;
	if (node == UINT32_MAX) {
		rc = lat_why(NULL, -EINVAL, "a node's number is one from 1 to 4294967294");
		goto fail;
	}
	rc = find_place(&p, dir);
	if (rc == 0)
		rc = make_dir(p.dir);
	if (rc == 0)
		rc = take_lock(s, &p);
	if (rc == 0)
		memcpy(s->dir, p.dir, sizeof(s->dir));
	if (rc == 0)
		rc = open_identity(s, &p, node, seed);
	if (rc == 0)
		rc = open_mesh_key(s, &p);
	if (rc == 0)
		rc = read_peers(&p, &s->peers, &s->peer_count);
	if (rc < 0)
		goto fail;
	*out = s;
	return 0;
fail:
	lat_wipe(seed, LAT_KEM_SEED);
	lat_state_close(s);
	return rc;
}

void lat_state_close(struct lat_state *s)
{
	if (s == NULL)
		return;
	free_peers(s->peers, s->peer_count);
	lat_lockfile_close(s->lock);
	lat_wipe(s, sizeof(*s));
	free(s);
}

const char *lat_state_dir(const struct lat_state *s)
{
	return s->dir;
}

lattice_node_id lat_state_node(const struct lat_state *s)
{
	return s->identity.node;
}

const uint8_t *lat_state_public_key(const struct lat_state *s)
{
	return s->identity.key;
}

const uint8_t *lat_state_mesh_key(const struct lat_state *s)
{
	return s->mesh_key;
}

void lat_state_wipe_secrets(struct lat_state *s)
{
	lat_wipe(s->mesh_key, sizeof(s->mesh_key));
	for (size_t i = 0; i < s->peer_count; i++)
		lat_wipe(s->peers[i].psk, sizeof(s->peers[i].psk));
}

size_t lat_state_peer_count(const struct lat_state *s)
{
	return s->peer_count;
}

const struct lattice_peer *lat_state_peer_at(const struct lat_state *s, size_t i)
{
	return &s->peers[i];
}

static struct lattice_peer *find_peer(const struct lat_state *s, lattice_node_id node)
{
	for (size_t i = 0; i < s->peer_count; i++)
		if (s->peers[i].node == node)
			return &s->peers[i];
	return NULL;
}

const struct lattice_peer *lat_state_peer_find(const struct lat_state *s, lattice_node_id node)
{
	return find_peer(s, node);
}

static void keep(struct lattice_peer *at, const struct lattice_peer *peer)
{
	*at = *peer;
	lat_wipe(at->psk, sizeof(at->psk));
}

int lat_state_peer_keep(struct lat_state *s, const struct lattice_peer *peer)
{
	struct lattice_peer *there = find_peer(s, peer->node), *more;
	size_t at = 0;

	if (there != NULL) {
		keep(there, peer);
		return 0;
	}
	more = calloc(s->peer_count + 1,
		      sizeof(*more)); /* not realloc: the old one may hold psks and is wiped */
	if (more == NULL)
		return -ENOMEM;
	while (at < s->peer_count && s->peers[at].node < peer->node)
		at++;
	if (at > 0)
		memcpy(more, s->peers, at * sizeof(*more));
	keep(&more[at], peer);
	if (at < s->peer_count)
		memcpy(more + at + 1, s->peers + at, (s->peer_count - at) * sizeof(*more));
	free_peers(s->peers, s->peer_count);
	s->peers = more;
	s->peer_count++;
	return 0;
}

void lat_state_peer_forget(struct lat_state *s, lattice_node_id node)
{
	struct lattice_peer *there = find_peer(s, node), *last;

	if (there == NULL)
		return;
	last = s->peers + s->peer_count - 1;
	memmove(there, there + 1, (size_t)(last - there) * sizeof(*there));
	lat_wipe(last, sizeof(*last));
	s->peer_count--;
}
