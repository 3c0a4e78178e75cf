/* Head, marks, records. */
#include "node/capfile.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/why.h"
#include "crypto/hash.h"
#include "os/datafile.h"
#include "os/dir.h"
#include "os/file.h"

enum {
	AT_NODE = 16,
	AT_ID = 24,
	AT_ROOT = AT_ID + LAT_CAP_HOLDER,
	AT_CHECK = AT_ROOT + LAT_CAP_KEY,
	CHECK = 16,
	AT_MARKS = 512, /* each in a sector of its own */
	MARK_STEP = 512,
	MARK = 8 + CHECK,
	HEAD = 2048,
	RECORD = LAT_CAPTABLE_RECORD,
	READ_RECORDS = 256, /* at a time */
};

static const char magic[AT_NODE] = "lattice caps 1\n";

struct lat_capfile {
	int fd; /* -1: there is no file yet */
	char path[PATH_MAX];
	struct lat_capfile_owner owner;
	uint64_t count;
	bool lost;     /* another may have its name, which the table does not go on from */
	uint8_t *next; /* a head, then the records that are to take the place of all */
	size_t next_count, next_room;
};

static int damaged(const struct lat_capfile *f, const char *what)
{
	return lat_why(
		NULL, -EBADMSG,
		"%s %s: put a copy back, or remove it: then no capability that this node has given out is good any more",
		f->path, what);
}

/* ---- forms ---- */

static void check_of(uint8_t out[CHECK], const uint8_t *bytes, size_t count)
{
	const struct lat_bytes part = { bytes, count };

	lat_blake2b(out, CHECK, NULL, 0, &part, 1);
}

static void put_mark(uint8_t out[MARK], uint64_t count)
{
	lat_put_le64(out, count);
	check_of(out + 8, out, 8);
}

/* Whether there is one, that says more than *count. */
static bool get_mark(const uint8_t mark[MARK], uint64_t *count)
{
	uint8_t check[CHECK];

	check_of(check, mark, 8);
	if (memcmp(check, mark + 8, CHECK) != 0)
		return false;
	if (lat_get_le64(mark) > *count)
		*count = lat_get_le64(mark);
	return true;
}

static uint64_t mark_at(uint64_t count)
{
	return AT_MARKS + (count & 1) * MARK_STEP;
}

static void encode_head(uint8_t out[HEAD], const struct lat_capfile *f, uint64_t count,
			const uint8_t root[LAT_CAP_KEY])
{
	memset(out, 0, HEAD);
	memcpy(out, magic, sizeof(magic));
	lat_put_le32(out + AT_NODE, f->owner.node);
	memcpy(out + AT_ID, f->owner.id, sizeof(f->owner.id));
	memcpy(out + AT_ROOT, root, LAT_CAP_KEY);
	check_of(out + AT_CHECK, out, AT_CHECK);
	put_mark(out + mark_at(count), count);
}

static int decode_head(struct lat_capfile *f, const uint8_t head[HEAD], uint8_t root[LAT_CAP_KEY])
{
	static const uint8_t zero[4];
	uint8_t check[CHECK];
	bool marked;

	check_of(check, head, AT_CHECK);
	if (memcmp(head, magic, sizeof(magic)) != 0 || memcmp(check, head + AT_CHECK, CHECK) != 0 ||
	    memcmp(head + AT_NODE + 4, zero, sizeof(zero)) != 0)
		return damaged(f, "is damaged");
	if (lat_get_le32(head + AT_NODE) != f->owner.node ||
	    memcmp(head + AT_ID, f->owner.id, sizeof(f->owner.id)) != 0)
		return lat_why(
			NULL, -EBADMSG,
			"%s belongs to node %u and its key, not to this one: remove it, or put this node's back",
			f->path, lat_get_le32(head + AT_NODE));
	marked = get_mark(head + AT_MARKS, &f->count);
	marked = get_mark(head + AT_MARKS + MARK_STEP, &f->count) || marked;
	if (!marked)
		return damaged(f, "is damaged");
	memcpy(root, head + AT_ROOT, LAT_CAP_KEY);
	return 0;
}

/* ---- reading ---- */

static int open_there(struct lat_capfile *f, int mode, uint8_t root[LAT_CAP_KEY])
{
	uint8_t head[HEAD];
	int64_t got;
	int rc;

	if ((mode & 077) != 0)
		return lat_why(
			NULL, -EACCES,
			"%s holds the key of all capabilities and others may use it (mode %03o): if nobody did, 'chmod "
			"600 %s'; else remove it, and no capability that this node has given out is good any more",
			f->path, (unsigned)mode, f->path);
	rc = lat_datafile_open(&f->fd, f->path);
	if (rc == -EINVAL)
		return damaged(f, "is not a file");
	got = rc == 0 ? lat_datafile_read(f->fd, 0, head, sizeof(head)) : rc;
	if (got < 0)
		return lat_why(NULL, (int)got, "%s cannot be opened to read and write: %s", f->path,
			       strerror((int)-got));
	rc = got == HEAD ? decode_head(f, head, root) : damaged(f, "is cut");
	lat_wipe(head, sizeof(head));
	return rc;
}

int lat_capfile_open(struct lat_capfile **out, const char *path, const struct lat_capfile_owner *owner,
		     uint8_t root[LAT_CAP_KEY])
{
	struct lat_capfile *f;
	int mode, rc = 0;

	*out = NULL;
	if (strlen(path) >= sizeof(f->path))
		return lat_why(NULL, -ENAMETOOLONG, "the path of the capabilities' file is too long");
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->fd = -1;
	f->owner = *owner;
	memcpy(f->path, path, strlen(path) + 1);
	mode = lat_path_mode(path);
	if (mode >= 0)
		rc = open_there(f, mode, root);
	else if (mode != -ENOENT)
		rc = lat_why(NULL, mode, "%s cannot be read: %s", path, strerror(-mode));
	if (rc < 0) {
		lat_capfile_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

void lat_capfile_close(struct lat_capfile *f)
{
	if (f == NULL)
		return;
	lat_capfile_next_drop(f);
	lat_datafile_close(f->fd);
	free(f);
}

/* Record for record, until one is not whole, or @fn does not believe it. How many it did. */
static int64_t read_all(const struct lat_capfile *f, uint8_t *room,
			int (*fn)(void *ctx, const uint8_t record[RECORD]), void *ctx)
{
	uint64_t count = 0;

	for (;;) {
		int64_t got = lat_datafile_read(f->fd, HEAD + count * RECORD, room,
						(size_t)READ_RECORDS * RECORD);

		if (got < 0)
			return got;
		for (int64_t at = 0; at + RECORD <= got; at += RECORD, count++)
			if (fn(ctx, room + at) < 0)
				return (int64_t)count;
		if (got < (int64_t)READ_RECORDS * RECORD)
			return (int64_t)count;
	}
}

int lat_capfile_replay(struct lat_capfile *f, int (*fn)(void *ctx, const uint8_t record[RECORD]), void *ctx)
{
	uint8_t *room;
	int64_t count;

	if (f->fd < 0)
		return 0;
	room = malloc((size_t)READ_RECORDS * RECORD);
	if (room == NULL)
		return -ENOMEM;
	count = read_all(f, room, fn, ctx);
	free(room);
	if (count < 0)
		return lat_why(NULL, (int)count, "%s cannot be read: %s", f->path, strerror((int)-count));
	if ((uint64_t)count < f->count)
		return damaged(f, "is cut, or damaged");
	f->count = (uint64_t)
		count; /* what follows is a change that did not come to an end, and is written over */
	return 0;
}

/* ---- writing ---- */

uint64_t lat_capfile_count(const struct lat_capfile *f)
{
	return f->count;
}

bool lat_capfile_lost(const struct lat_capfile *f)
{
	return f->lost;
}

int lat_capfile_keep(struct lat_capfile *f, const uint8_t record[RECORD], const uint8_t root[LAT_CAP_KEY])
{
	uint8_t mark[MARK];
	int rc;

	if (f->fd < 0) {
		rc = lat_capfile_next_add(f, record);
		if (rc == 0)
			rc = lat_capfile_next_put(f, root);
		lat_capfile_next_drop(f);
		return rc;
	}
	if (f->lost)
		return -EIO;
	put_mark(mark, f->count + 1);
	rc = lat_datafile_write(f->fd, HEAD + f->count * RECORD, record, RECORD);
	if (rc == 0)
		rc = lat_datafile_write(f->fd, mark_at(f->count + 1), mark, sizeof(mark));
	if (rc == 0)
		f->count++;
	return rc;
}

int lat_capfile_next_add(struct lat_capfile *f, const uint8_t record[RECORD])
{
	if (f->next_count == f->next_room) {
		size_t room = f->next_room * 2 + 16;
		uint8_t *more = realloc(f->next, HEAD + room * RECORD);

		if (more == NULL)
			return -ENOMEM;
		f->next = more;
		f->next_room = room;
	}
	memcpy(f->next + HEAD + f->next_count++ * RECORD, record, RECORD);
	return 0;
}

int lat_capfile_next_put(struct lat_capfile *f, const uint8_t root[LAT_CAP_KEY])
{
	int rc, fd = -1;

	LAT_ASSERT(f->next != NULL);
	encode_head(f->next, f, f->next_count, root);
	rc = lat_file_write(f->path, f->next, HEAD + f->next_count * RECORD, 0600);
	lat_wipe(f->next, HEAD);
	if (rc == 0)
		rc = lat_datafile_open(&fd, f->path);
	if (rc < 0) {
		f->lost = f->fd >= 0 && !lat_datafile_has_name(f->fd, f->path);
		return rc;
	}
	lat_datafile_close(f->fd);
	f->lost = false;
	f->fd = fd;
	f->count = f->next_count;
	return 0;
}

void lat_capfile_next_drop(struct lat_capfile *f)
{
	free(f->next);
	f->next = NULL;
	f->next_count = f->next_room = 0;
}
