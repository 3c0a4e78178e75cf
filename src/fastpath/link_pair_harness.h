/* Both sides of a link in one process, and no thread but the test's, for the tests of it. */
#ifndef LAT_FASTPATH_LINK_PAIR_HARNESS_H
#define LAT_FASTPATH_LINK_PAIR_HARNESS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/test.h"
#include "fastpath/link.h"
#include "fastpath/link_seg.h"
#include "os/memfd.h"
#include "os/poke.h"

static struct lat_link *a, *b; /* a sends, b receives into inbox */
static struct lat_inbox *inbox;
static int broken;

static _Atomic(int) pass_rc = -EAGAIN; /* 0: what a adds is passed to b */

static inline int pass_extend(void *user, const struct lat_link_extent *x, int fd)
{
	int rc = atomic_load_explicit(&pass_rc, memory_order_relaxed), copy;

	(void)user;
	if (rc < 0)
		return rc;
	copy = dup(fd);
	return lat_link_extend(b, x, &copy, 1);
}

static inline void is_broken(void *user, int why)
{
	(void)user;
	broken = why;
}

static const struct lat_link_ops ops = { .extend = pass_extend, .broken = is_broken };

static inline void pair_open(void)
{
	struct lat_link_config cfg = { &ops, NULL, -1 };
	int bell[2], fd_a, fd_b;

	CHECK_EQ(lat_poke_pair(bell), 0);
	cfg.bell_fd = bell[0];
	CHECK_EQ(lat_link_open(&a, &cfg, &fd_a), 0);
	cfg.bell_fd = bell[1];
	CHECK_EQ(lat_link_open(&b, &cfg, &fd_b), 0);
	CHECK_EQ(lat_link_join(a, &fd_b, 1), 0);
	CHECK_EQ(lat_link_join(b, &fd_a, 1), 0);
	CHECK_EQ(lat_inbox_open(&inbox), 0);
}

static inline void pair_close(void)
{
	lat_inbox_close(inbox);
	lat_link_close(a);
	lat_link_close(b);
}

static inline int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

struct receiver {
	struct lat_link_in *in;
	int gone; /* times */
	int why;
	bool close; /* at gone, as one does */
	int admit;
};

static inline void receiver_gone(void *user, int why)
{
	struct receiver *r = user;

	r->gone++;
	r->why = why;
	if (r->close) {
		CHECK(!lat_link_in_close(r->in));
		r->in = NULL;
	}
}

static inline int receiver_admit(void *user)
{
	return ((struct receiver *)user)->admit;
}

static inline int receiver_open(struct receiver *r, uint32_t chan)
{
	const struct lat_link_in_config cfg = {
		.user = r, .from = { .pid = 7 }, .gone = receiver_gone, .admit = receiver_admit
	};

	*r = (struct receiver){ .close = true };
	return lat_link_in_open(&r->in, b, chan, inbox, &cfg);
}

static inline struct lat_link_out *out_opened(void)
{
	const struct lat_link_out_config cfg = { 0 };
	struct lat_link_out *out;

	CHECK_EQ(lat_link_out_open(&out, a, &cfg), 0);
	return out;
}

static inline struct lat_link_out *chan_opened(struct receiver *r)
{
	struct lat_link_out *out = out_opened();

	CHECK_EQ(receiver_open(r, lat_link_out_chan(out)), 0);
	lat_link_out_accept(out);
	return out;
}

static inline int send_int(struct lat_link_out *out, int n)
{
	return lat_sender_send(lat_link_out_sender(out), 1, &n, sizeof(n), 0);
}

static inline int recv_int(struct lat_inbox_info *info)
{
	int n = 0;
	int rc = lat_inbox_recv(inbox, &n, sizeof(n), info, 0);

	return rc < 0 ? rc : n;
}

/* A segment, or an extent, of a peer's. */
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE };

static inline int segment(size_t bytes, int seals, bool begun)
{
	int fd = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int own_fd;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	if (begun) { /* with what a real one begins with */
		struct lat_seg *seg;

		CHECK_EQ(lat_seg_open(&seg, 0, &own_fd), 0);
		CHECK_EQ(pwrite(fd, seg, 4096, 0), 4096);
		lat_seg_close(seg);
		lat_memfd_close(own_fd);
	}
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

#endif
