/* The calls about refusals, and where they are written. */
#include <errno.h>
#include <string.h>

#include <lattice/node.h>

#include "base/why.h"
#include "cap/policy.h"
#include "node/audit.h"
#include "node/node.h"

static_assert((int)LATTICE_AUDIT_LINE_MAX >= (int)LAT_AUDIT_LINE, "a line fits");

int lat_node_audit_to(struct lattice_node *node, const struct lat_policy_audit *said)
{
	const char *path = node->audit_file;
	bool json = node->audit_json;

	if (path == NULL && said != NULL && said->path[0] != '\0') {
		path = said->path;
		json = said->json;
	}
	return lat_audit_log_to(node->audit, path, json);
}

int lattice_node_audit(struct lattice_node *node, uint64_t *after, bool json, char *buf, size_t bytes)
{
	struct lat_audit_record r;
	char line[LAT_AUDIT_LINE];
	size_t length;
	int rc;

	lat_why_forget();
	if (node == NULL || after == NULL || buf == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	if (rc < 0)
		return rc;
	if (!lat_audit_read(node->audit, *after, &r))
		return -ENOENT;
	length = json ? lat_audit_json(&r, line) : lat_audit_text(&r, line);
	if (length >= bytes)
		return -ENOBUFS;
	memcpy(buf, line, length + 1);
	*after = r.number;
	return (int)length;
}

int lattice_node_audit_fd(struct lattice_node *node)
{
	int rc;

	lat_why_forget();
	if (node == NULL)
		return -EINVAL;
	rc = lat_node_check(node, node);
	return rc < 0 ? rc : lat_audit_fd(node->audit);
}
