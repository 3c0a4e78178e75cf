/*
 * The file "capabilities" of a state directory: the issuer's root key, and the journal of its table (cap/table.h). A secret: who has it can
 * make any capability of this node.
 *
 *    0               16     20     24      40        72         512       1024      2048
 *   +---------------+------+------+-------+---------+----------+---------+---------+---------------------
 *   | lattice caps 1| node | zero | id[16]| root[32]| check[16]| mark    | mark    | records of 128 bytes
 *   +---------------+------+------+-------+---------+----------+---------+---------+---------------------
 *   mark: count u64, check[16]: so many records are on the disk
 *
 * A check is the beginning of the hash of what comes before it in its part: it finds damage, and proves nothing. The two marks are written in
 * turn, each after its record is on the disk. So fewer records than the mark says are a file that was cut, and one more is a change that
 * was not told to anybody yet; what was told is there. Not found is an older copy of the whole file.
 *
 * There is no file until the first capability is made. One user at a time: the issuer's lock, and that of the state directory.
 */
#ifndef LAT_NODE_CAPFILE_H
#define LAT_NODE_CAPFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "cap/table.h"

struct lat_capfile;

/* Whose it is. */
struct lat_capfile_owner {
	uint32_t node;
	uint8_t id[LAT_CAP_HOLDER]; /* of its key */
};

/*
 * Opens @path. @root: the key that is kept there, or, when there is no file, the one that will be: in it is a new one. 0, or with a sentence
 *   -EACCES   others than its owner may read or write it; or we may not
 *   -EBADMSG  damaged, cut, or another node's
 *   -EROFS, -EIO, -ENOMEM, -ENAMETOOLONG, -EMFILE, -ENFILE, ...
 */
LAT_MUST_CHECK int lat_capfile_open(struct lat_capfile **out, const char *path,
				    const struct lat_capfile_owner *owner, uint8_t root[LAT_CAP_KEY]);
/* Wipes and frees. NULL is fine. */
void lat_capfile_close(struct lat_capfile *f);

/*
 * Each record to @fn, in order; before anything is kept. 0, or with a sentence -EBADMSG (@fn does not believe one, or some are missing),
 * -EIO, -ENOMEM.
 */
LAT_MUST_CHECK int lat_capfile_replay(struct lat_capfile *f,
				      int (*fn)(void *ctx, const uint8_t record[LAT_CAPTABLE_RECORD]),
				      void *ctx);
/* One more, on the disk with its name. @root: as at open, for when this makes the file. 0, or why not (-ENOSPC, ...): as if it was not said. */
LAT_MUST_CHECK int lat_capfile_keep(struct lat_capfile *f, const uint8_t record[LAT_CAPTABLE_RECORD],
				    const uint8_t root[LAT_CAP_KEY]);

/* How many there are. */
uint64_t lat_capfile_count(const struct lat_capfile *f);
/* Nothing can be kept until others took the place of all: an earlier try of that may have, though it failed. */
bool lat_capfile_lost(const struct lat_capfile *f);
/*
 * Others in place of all of them: each is added, then the file is replaced at once. A failure, of either, leaves the old ones. 0, -ENOMEM,
 * -ENOSPC, ...
 */
LAT_MUST_CHECK int lat_capfile_next_add(struct lat_capfile *f, const uint8_t record[LAT_CAPTABLE_RECORD]);
LAT_MUST_CHECK int lat_capfile_next_put(struct lat_capfile *f, const uint8_t root[LAT_CAP_KEY]);
void lat_capfile_next_drop(struct lat_capfile *f);

#endif
