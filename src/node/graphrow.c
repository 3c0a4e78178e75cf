/* Rows in memory of this process, and on their way to another. */
#include "node/graphrow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/memfd.h"

int lat_graph_rows_add(struct lat_graph_rows *r, const struct lat_graph_row *row, size_t max)
{
	if (r->count >= max) {
		r->cut = true;
		return 0;
	}
	if (r->count == r->room) {
		size_t room = r->room != 0 ? r->room * 2 : 64;
		struct lat_graph_row *more = reallocarray(r->rows, room, sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		r->rows = more;
		r->room = room;
	}
	r->rows[r->count++] = *row;
	return 0;
}

void lat_graph_rows_free(struct lat_graph_rows *r)
{
	free(r->rows);
	*r = (struct lat_graph_rows){ 0 };
}

int lat_graph_rows_pack(const struct lat_graph_rows *r, int *fd, uint64_t *bytes)
{
	size_t length = r->count * sizeof(r->rows[0]);
	void *map;
	int rc;

	*fd = -1;
	*bytes = 0;
	if (r->count == 0)
		return 0;
	rc = lat_memfd_create(fd, &map, length, "lattice-graph");
	if (rc < 0)
		return rc;
	rc = lat_memfd_commit(map, length);
	if (rc == 0)
		memcpy(map, r->rows, length);
	lat_memfd_unmap(map, length);
	if (rc < 0) {
		lat_memfd_close(*fd);
		*fd = -1;
		return rc;
	}
	*bytes = length;
	return 0;
}

int lat_graph_rows_unpack(int fd, uint64_t bytes, size_t max,
			  int (*fn)(void *ctx, const struct lat_graph_row *row), void *ctx)
{
	size_t count = (size_t)(bytes / sizeof(struct lat_graph_row));
	const void *map;
	int rc;

	if (bytes % sizeof(struct lat_graph_row) != 0 || bytes > (uint64_t)max * sizeof(struct lat_graph_row))
		return -EPROTO;
	rc = lat_memfd_map_peer(fd, (size_t)bytes, &map);
	if (rc < 0)
		return rc == -EINVAL ? -EPROTO : rc;
	rc = lat_memfd_populate(map, (size_t)bytes);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct lat_graph_row row;

		memcpy(&row, (const struct lat_graph_row *)map + i,
		       sizeof(row)); /* who made it may write on */
		row.name[LAT_NOTE_NAME - 1] = '\0';
		rc = fn(ctx, &row);
	}
	lat_memfd_unmap(map, (size_t)bytes);
	return rc;
}

bool lat_graph_row_is_members(const struct lat_graph_row *row)
{
	static const uint32_t pids[LAT_GRAPH_MEMBER_KINDS] = {
		[LAT_GRAPH_CHANNEL] = 2, [LAT_GRAPH_WAIT] = 2, [LAT_GRAPH_ORDER] = 4
	};
	struct lat_graph_row is = { .kind = row->kind };
	uint32_t count;

	if (row->kind >= LAT_GRAPH_MEMBER_KINDS)
		return false;
	count = row->kind == LAT_GRAPH_RING ? row->count : pids[row->kind];
	if (count < 1 || count > LAT_GRAPH_PIDS)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (row->pid[i] < (row->kind == LAT_GRAPH_RING ? 0 : 1))
			return false;
		is.pid[i] = row->pid[i];
	}
	if (row->kind == LAT_GRAPH_CHANNEL || row->kind == LAT_GRAPH_ORDER)
		memcpy(is.node, row->node, count * sizeof(is.node[0]));
	if (row->kind == LAT_GRAPH_CHANNEL || row->kind == LAT_GRAPH_RING)
		is.count = row->count;
	if (row->kind == LAT_GRAPH_RING) {
		is.total = row->total;
		is.times = row->times;
	}
	return memcmp(&is, row, sizeof(is)) == 0 && (row->kind != LAT_GRAPH_RING || row->total >= row->count);
}
