/*
 * Pages are committed before they are used (the owner's by writing, the peer's by reading), so that a
 * shortage is an error of the call that opens a channel, and no later access faults (LOCAL 3, 5).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fastpath/link_seg.h"
#include "os/memfd.h"

#define SEG_MAGIC (UINT32_C(0x4c530000) | LAT_SEG_VERSION)

static_assert(sizeof(((struct lat_seg *)0)->l1[0]) == LAT_SEG_PAGE, "one page per idle channel");
static_assert(sizeof(struct lat_seg) % LAT_SEG_PAGE == 0, "whole pages");

/* What is there before any channel: up to the log's end. */
static const size_t head_bytes = offsetof(struct lat_seg, tx);

int lat_seg_open(struct lat_seg **out, uint32_t flags, int *fd)
{
	struct lat_seg *seg;
	void *map;
	int rc;

	rc = lat_memfd_create(fd, &map, sizeof(*seg), "lattice-link");
	if (rc < 0)
		return rc;
	seg = map;
	lat_memfd_hide(seg, sizeof(*seg));
	rc = lat_memfd_commit(seg, head_bytes);
	if (rc < 0) {
		lat_seg_close(seg);
		lat_memfd_close(*fd);
		return rc;
	}
	atomic_store_explicit(&seg->flags, flags, memory_order_relaxed);
	atomic_store_explicit(&seg->magic, SEG_MAGIC, memory_order_release);
	*out = seg;
	return 0;
}

int lat_seg_join(const struct lat_seg **out, int fd)
{
	const struct lat_seg *seg;
	const void *map;
	int rc;

	rc = lat_memfd_map_peer(fd, sizeof(*seg), &map);
	if (rc < 0)
		return rc;
	seg = map;
	rc = lat_memfd_populate(seg, head_bytes);
	if (rc == 0 && atomic_load_explicit(&seg->magic, memory_order_acquire) != SEG_MAGIC)
		rc = -EPROTO;
	if (rc < 0) {
		lat_seg_close(seg);
		return rc;
	}
	*out = seg;
	return 0;
}

void lat_seg_close(const struct lat_seg *seg)
{
	lat_memfd_unmap(seg, sizeof(*seg));
}

int lat_seg_ready_out(struct lat_seg *seg, uint32_t chan)
{
	int rc = lat_memfd_commit(seg->l1[chan], sizeof(seg->l1[chan]));

	if (rc == 0)
		rc = lat_memfd_commit(&seg->tx[chan], sizeof(seg->tx[chan]));
	if (rc == 0) {
		memset(seg->l1[chan], 0, sizeof(seg->l1[chan]));
		memset(&seg->tx[chan], 0, sizeof(seg->tx[chan]));
	}
	return rc;
}

int lat_seg_ready_in(struct lat_seg *seg, uint32_t chan)
{
	struct lat_seg_rx *rx = &seg->rx[chan];
	int rc = lat_memfd_commit(rx, sizeof(*rx));

	if (rc == 0)
		memset(rx, 0, sizeof(*rx));
	return rc;
}

int lat_seg_ready_asks(struct lat_seg *seg, uint32_t chan)
{
	struct lat_seg_asked *asked = &seg->asked[chan];
	int rc = lat_memfd_commit(asked, sizeof(*asked));

	if (rc == 0)
		memset(asked, 0, sizeof(*asked));
	return rc;
}

int lat_seg_ready_replies(struct lat_seg *seg, uint32_t chan)
{
	int rc = lat_memfd_commit(seg->replies[chan], sizeof(seg->replies[chan]));

	if (rc == 0)
		memset(seg->replies[chan], 0, sizeof(seg->replies[chan]));
	return rc;
}

int lat_seg_ready_peer_out(const struct lat_seg *peer, uint32_t chan)
{
	int rc = lat_memfd_populate(peer->l1[chan], sizeof(peer->l1[chan]));

	return rc < 0 ? rc : lat_memfd_populate(&peer->tx[chan], sizeof(peer->tx[chan]));
}

int lat_seg_ready_peer_in(const struct lat_seg *peer, uint32_t chan)
{
	return lat_memfd_populate(&peer->rx[chan], sizeof(peer->rx[chan]));
}
