/* Capabilities as handles and files; the calls that ask nobody. */
#include "node/capability.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lattice/error.h>

#include "base/bytes.h"
#include "base/why.h"
#include "os/arena.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/fork.h"

static_assert((int)LATTICE_CAP_TEXT_MAX >= (int)LAT_CAP_TEXT_MAX, "a line fits");
static_assert((int)LATTICE_CAP_HOLDER_BYTES == (int)LAT_CAP_HOLDER, "holders are alike");
static_assert((int)LATTICE_CAP_CAVEATS_MAX == (int)LAT_CAP_CAVEATS_MAX &&
		      (int)LATTICE_CAP_ANY == (int)LAT_CAP_ANY_PID,
	      "so are caveats and pids");
static_assert((int)LATTICE_RIGHT_SEND == (int)LAT_RIGHT_SEND &&
		      (int)LATTICE_RIGHT_OPEN == (int)LAT_RIGHT_OPEN &&
		      (int)LATTICE_RIGHT_GRANT == (int)LAT_RIGHT_GRANT &&
		      (int)LATTICE_RIGHT_BULK == (int)LAT_RIGHT_BULK &&
		      (int)LATTICE_RIGHT_CALL == (int)LAT_RIGHT_CALL &&
		      (int)LATTICE_RIGHT_GRANT_REPLY == (int)LAT_RIGHT_GRANT_REPLY &&
		      (int)LATTICE_RIGHT_LISTEN == (int)LAT_RIGHT_LISTEN &&
		      (int)LATTICE_RIGHT_RECEIVE == (int)LAT_RIGHT_RECEIVE,
	      "rights are those of the wire");

enum { CAPS_MAX = 65536 };

struct lattice_cap {
	struct lat_cap_right right; /* its key is zeros */
	uint8_t *key;               /* a slot of the arena */
	uint32_t generation;        /* of the process that made it (os/fork.h) */
};

/* The arena of this process's capabilities, there while there are any. */
static struct {
	pthread_mutex_t lock;
	struct lat_arena *arena;
	size_t used;
	uint32_t generation; /* of the process that opened it: a child makes its own */
} keys = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int get_key(uint8_t **out)
{
	int rc = lat_fork_watch();

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&keys.lock);
	if (keys.arena != NULL && keys.generation != lat_fork_generation()) {
		lat_arena_close(keys.arena);
		keys.arena = NULL;
		keys.used = 0;
	}
	if (keys.arena == NULL)
		rc = lat_arena_open(&keys.arena, CAPS_MAX, true);
	if (rc == 0) {
		keys.generation = lat_fork_generation();
		*out = lat_arena_get(keys.arena);
		rc = *out != NULL ? 0 : -ENOMEM;
		keys.used += *out != NULL;
	}
	pthread_mutex_unlock(&keys.lock);
	return rc;
}

static void put_key(uint8_t *key)
{
	pthread_mutex_lock(&keys.lock);
	lat_arena_put(keys.arena, key);
	if (--keys.used == 0) {
		lat_arena_close(keys.arena);
		keys.arena = NULL;
	}
	pthread_mutex_unlock(&keys.lock);
}

int lat_capability_make(struct lattice_cap **out, const struct lat_cap_right *right)
{
	struct lattice_cap *cap = calloc(1, sizeof(*cap));
	int rc;

	*out = NULL;
	if (cap == NULL)
		return -ENOMEM;
	rc = get_key(&cap->key);
	if (rc < 0) {
		free(cap);
		return rc;
	}
	cap->right = *right;
	lat_wipe(cap->right.key, sizeof(cap->right.key));
	memcpy(cap->key, right->key, sizeof(right->key));
	cap->generation = lat_fork_generation();
	*out = cap;
	return 0;
}

int lat_capability_take(const struct lattice_cap *cap, struct lat_cap_right *out)
{
	if (cap->generation != lat_fork_generation())
		return lat_why(
			NULL, -EPERM,
			"this capability is the parent process's: after fork, read it again or pass its text");
	*out = cap->right;
	memcpy(out->key, cap->key, sizeof(out->key));
	return 0;
}

void lattice_cap_free(struct lattice_cap *cap)
{
	if (cap == NULL)
		return;
	if (cap->generation == lat_fork_generation())
		put_key(cap->key);
	free(cap);
}

/* ---- what it says ---- */

const char *lattice_right_name(enum lattice_right right)
{
	return lat_right_name(right);
}

uint32_t lattice_right_of(const char *name)
{
	return name != NULL ? lat_right_of(name) : 0;
}

void lattice_cap_holder_user(uint8_t holder[LATTICE_CAP_HOLDER_BYTES], uint32_t uid)
{
	lat_cap_holder_uid(holder, uid);
}

bool lattice_cap_holder_is_user(const uint8_t holder[LATTICE_CAP_HOLDER_BYTES], uint32_t *uid)
{
	return lat_cap_holder_is_uid(holder, uid);
}

const char *lat_rights_text(uint32_t rights, char buf[static LAT_RIGHTS_TEXT_MAX])
{
	size_t length = 0;

	(void)snprintf(buf, LAT_RIGHTS_TEXT_MAX, "nothing");
	for (uint32_t right = 1; right <= LAT_RIGHT_RECEIVE; right <<= 1) {
		const char *name = (rights & right) != 0 ? lat_right_name(right) : NULL;

		if (name != NULL)
			length += (size_t)snprintf(buf + length, LAT_RIGHTS_TEXT_MAX - length, "%s%s",
						   length > 0 ? ", " : "", name);
	}
	return buf;
}

void lat_capability_info(struct lattice_cap_info *out, const struct lat_cap_desc *d)
{
	static const uint8_t nobody[LAT_CAP_HOLDER];

	*out = (struct lattice_cap_info){
		.node = d->node,
		.dst = d->dst_pid,
		.src = d->src_pid,
		.rights = d->rights,
		.id = d->cap_id,
		.slot = d->slot,
		.gen = d->gen,
		.expires = d->not_after,
		.max_msg_bytes = d->max_msg,
		.rate_per_s = d->rate,
		.bearer = memcmp(d->holder, nobody, sizeof(nobody)) == 0,
	};
	memcpy(out->holder, d->holder, sizeof(out->holder));
}

void lat_capability_life(const struct lat_cap_right *r, uint32_t *slot, uint32_t *gen)
{
	for (size_t i = 0; i < r->caveat_count; i++)
		if (r->caveats[i][0] == LAT_CAVEAT_SLOT) {
			*slot = lat_get_le32(r->caveats[i] + 4);
			*gen = lat_get_le32(r->caveats[i] + 8);
		}
}

/* Of what was parsed or made here, so its form is right. */
static void info_of(const struct lat_cap_right *r, struct lattice_cap_info *out)
{
	struct lat_cap_desc d = { 0 };

	if (lat_cap_right_allows(r, &d) < 0)
		return;
	lat_capability_info(out, &d);
	lat_capability_life(r, &out->slot, &out->gen);
	out->caveat_count = r->caveat_count;
}

int lattice_cap_info(const struct lattice_cap *cap, struct lattice_cap_info *out)
{
	if (cap == NULL || out == NULL)
		return -EINVAL;
	info_of(&cap->right, out);
	return 0;
}

/* ---- text and files ---- */

static int parse_why(int rc, const char *where)
{
	switch (rc) {
	case -ENOENT:
		return lat_why(NULL, rc, "%s: there is no capability in it", where);
	case -EEXIST:
		return lat_why(NULL, rc, "%s: there are two capabilities in it: one is wanted", where);
	case -EBADMSG:
		return lat_why(NULL, rc,
			       "%s: not a capability, or one that was cut or mistyped: it is one line, "
			       "\"lattice-cap:\" and what follows, with nothing behind it",
			       where);
	case -EPROTO:
		return lat_why(NULL, rc, "%s: a capability of a version that is not known here", where);
	case -EACCES:
		return lat_why(
			NULL, rc,
			"%s: a capability with a limit of no known kind, or limits that contradict each other: "
			"nobody could use it",
			where);
	default:
		return rc;
	}
}

static int parse(struct lattice_cap **out, const char *where, const char *text, size_t bytes)
{
	struct lat_cap_right right;
	int rc = parse_why(lat_cap_right_parse(&right, text, bytes), where);

	if (rc == 0) {
		rc = lat_capability_make(out, &right);
		lat_wipe(&right, sizeof(right));
	}
	return rc;
}

int lattice_cap_parse(struct lattice_cap **out, const char *text, size_t bytes)
{
	lat_why_forget();
	if (out != NULL)
		*out = NULL;
	return out != NULL && text != NULL ? parse(out, "the text", text, bytes) : -EINVAL;
}

int lattice_cap_text(const struct lattice_cap *cap, char *buf, size_t bytes)
{
	char line[LAT_CAP_TEXT_MAX];
	struct lat_cap_right right;
	size_t length;
	int rc;

	lat_why_forget();
	if (cap == NULL || buf == NULL)
		return -EINVAL;
	rc = lat_capability_take(cap, &right);
	if (rc < 0)
		return rc;
	length = lat_cap_right_format(&right, line);
	if (length < bytes)
		memcpy(buf, line, length + 1);
	lat_wipe(line, sizeof(line));
	lat_wipe(&right, sizeof(right));
	return length < bytes ? (int)length : -ENOBUFS;
}

int lattice_cap_read(struct lattice_cap **out, const char *path)
{
	char text[LAT_CAP_FILE_MAX];
	ssize_t length;
	int mode, rc;

	lat_why_forget();
	if (out != NULL)
		*out = NULL;
	if (out == NULL || path == NULL)
		return -EINVAL;
	mode = lat_path_mode(path);
	if (mode < 0)
		return lat_why(NULL, mode, "%s cannot be read: %s", path, strerror(-mode));
	if ((mode & 077) != 0)
		return lat_why(
			NULL, -EACCES,
			"%s holds a capability, a secret, and others may use the file (mode %03o): if nobody did, 'chmod 600 %s'",
			path, (unsigned)mode, path);
	length = lat_file_read(path, text, sizeof(text));
	if (length == -EFBIG || length == -EINVAL)
		return parse_why(-EBADMSG, path);
	if (length < 0)
		return lat_why(NULL, (int)length, "%s cannot be read: %s", path, strerror((int)-length));
	rc = parse(out, path, text, (size_t)length);
	lat_wipe(text, sizeof(text));
	return rc;
}

/* What it allows, as comments for people. */
static size_t describe(const struct lattice_cap_info *info, char *buf, size_t bytes)
{
	char rights[LAT_RIGHTS_TEXT_MAX], until[48] = "never";
	time_t expires = (time_t)info->expires;
	struct tm tm;

	if (info->expires != 0 && gmtime_r(&expires, &tm) != NULL)
		(void)strftime(until, sizeof(until), "%Y-%m-%d %H:%M:%S UTC", &tm);
	return (size_t)snprintf(
		buf, bytes,
		"# A capability of Lattice: a secret. 'lattice cap show FILE' says what it allows.\n"
		"# to pid %d of node %u: %s\n# expires: %s\n",
		info->dst, info->node, lat_rights_text(info->rights, rights), until);
}

int lattice_cap_write(const struct lattice_cap *cap, const char *path)
{
	char text[512 + LATTICE_CAP_TEXT_MAX];
	struct lattice_cap_info info = { 0 };
	size_t length;
	int rc;

	lat_why_forget();
	if (cap == NULL || path == NULL)
		return -EINVAL;
	info_of(&cap->right, &info);
	length = describe(&info, text, 512);
	rc = lattice_cap_text(cap, text + length, sizeof(text) - length - 1);
	if (rc < 0)
		return rc;
	length += (size_t)rc;
	text[length++] = '\n';
	rc = lat_file_write(path, text, length, 0600);
	lat_wipe(text, sizeof(text));
	return rc < 0 ? lat_why(NULL, rc, "%s cannot be written: %s", path, strerror(-rc)) : 0;
}

/* ---- narrowing ---- */

static int too_much(const char *what)
{
	return lat_why(NULL, -EACCES, "%s: a capability can be narrowed, never widened", what);
}

/* The caveats that make @have into @terms. How many, or -EACCES with a sentence. */
static int caveats_of(const struct lattice_cap_info *have, const struct lattice_cap_terms *terms,
		      struct lat_caveat out[LAT_CAP_CAVEATS_MAX])
{
	static const uint8_t nobody[LAT_CAP_HOLDER];
	int count = 0;

	if (terms->rights != 0) {
		if ((terms->rights & ~have->rights) != 0)
			return too_much("it has not all of these rights");
		out[count++] = lat_caveat_number(LAT_CAVEAT_RIGHTS, terms->rights);
	}
	if (terms->expires != 0) {
		if (have->expires != 0 && terms->expires > have->expires)
			return too_much("it expires before that");
		out[count++] = lat_caveat_number(LAT_CAVEAT_NOT_AFTER, terms->expires);
	}
	if (terms->max_msg_bytes != 0) {
		if (terms->max_msg_bytes > have->max_msg_bytes)
			return too_much("its longest message is shorter than that");
		out[count++] = lat_caveat_number(LAT_CAVEAT_MAX_MSG, terms->max_msg_bytes);
	}
	if (terms->rate_per_s != 0) {
		if (have->rate_per_s != 0 && terms->rate_per_s > have->rate_per_s)
			return too_much("its rate is less than that");
		out[count++] = lat_caveat_number(LAT_CAVEAT_RATE, terms->rate_per_s);
	}
	if (terms->src != 0 && terms->src != LATTICE_CAP_ANY) {
		if (have->src != LATTICE_CAP_ANY && terms->src != have->src)
			return too_much("it is for another sender's pid");
		out[count++] = lat_caveat_number(LAT_CAVEAT_SRC_PID, (uint32_t)terms->src);
	}
	if (memcmp(terms->holder, nobody, sizeof(nobody)) != 0) {
		if (!have->bearer && memcmp(terms->holder, have->holder, sizeof(nobody)) != 0)
			return too_much(
				"it names another holder (the issuer can derive one for this holder)");
		out[count++] = lat_caveat_holder(terms->holder);
	}
	return count;
}

int lattice_cap_attenuate(struct lattice_cap **out, const struct lattice_cap *cap,
			  const struct lattice_cap_terms *terms)
{
	struct lat_caveat caveats[LAT_CAP_CAVEATS_MAX];
	struct lattice_cap_info have = { 0 };
	struct lat_cap_right right;
	int rc, count;

	lat_why_forget();
	if (out != NULL)
		*out = NULL;
	if (out == NULL || cap == NULL || terms == NULL)
		return -EINVAL;
	if (terms->bearer || terms->dst != 0 || terms->badge != 0 || terms->uses != 0 || terms->src < -1)
		return lat_why(
			NULL, -EINVAL,
			"a receiver, a badge, uses and a bearer are for the issuer to choose, and a sender's pid is 1 or more");
	info_of(&cap->right, &have);
	count = caveats_of(&have, terms, caveats);
	if (count < 0)
		return count;
	if (count == 0)
		return lat_why(NULL, -EINVAL, "nothing was said that it is to allow less");
	rc = lat_capability_take(cap, &right);
	for (int i = 0; i < count && rc == 0; i++)
		rc = lat_cap_right_narrow(&right, &caveats[i]);
	if (rc == -ENOBUFS)
		rc = lat_why(NULL, rc,
			     "it was narrowed too often: no capability has more than %d limits of this kind",
			     LAT_CAP_CAVEATS_MAX);
	if (rc == 0)
		rc = lat_capability_make(out, &right);
	lat_wipe(&right, sizeof(right));
	return rc;
}
