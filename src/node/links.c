/* Links to other members. */
#include "node/links.h"

#include <errno.h>
#include <stdlib.h>

#include "node/attach.h"
#include "node/explain.h"
#include "node/stats.h"
#include "os/fdpass.h"

struct lat_links {
	struct lat_attach *attach;
};

int lat_links_open(struct lat_links **out, struct lat_attach *a, struct lattice_node *node)
{
	(void)node;
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	(*out)->attach = a;
	return 0;
}

void lat_links_shutdown(struct lat_links *ls)
{
	(void)ls;
}

void lat_links_close(struct lat_links *ls)
{
	free(ls);
}

void lat_links_grant(struct lat_links *ls, const struct lat_note *n)
{
	(void)ls;
	(void)n;
}

int lat_links_meet(struct lat_links *ls, const struct lat_note *n, const int *fds, size_t count)
{
	(void)ls;
	(void)n;
	lat_fdpass_close(fds, count);
	return -EOPNOTSUPP;
}

void lat_links_hosted(struct lat_links *ls)
{
	(void)ls;
}

uint64_t lat_links_turn(struct lat_links *ls)
{
	(void)ls;
	return UINT64_MAX;
}

int lat_lane_open(struct lat_lane **out, struct lat_links *ls, int32_t src, int32_t dst, uint32_t len_max)
{
	(void)ls;
	(void)src;
	(void)len_max;
	*out = NULL;
	return lat_why(NULL, -ECONNREFUSED,
		       "nobody receives as pid %d in this process, and there are no channels to others yet",
		       dst);
}

int lat_lane_send(struct lat_lane *lane, int32_t type, const void *data, size_t bytes, uint64_t deadline_ns)
{
	(void)lane;
	(void)type;
	(void)data;
	(void)bytes;
	(void)deadline_ns;
	return -EOPNOTSUPP;
}

int lat_lane_flush(struct lat_lane *lane, uint64_t deadline_ns)
{
	(void)lane;
	(void)deadline_ns;
	return -EOPNOTSUPP;
}

uint64_t lat_lane_sent(struct lat_lane *lane, uint64_t *received)
{
	(void)lane;
	(void)received;
	return 0;
}

void lat_lane_close(struct lat_lane *lane)
{
	(void)lane;
}

void lat_links_stats(struct lat_links *ls, struct lat_stats *s)
{
	(void)ls;
	(void)s;
}
