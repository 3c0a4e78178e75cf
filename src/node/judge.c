/* Asking the policy, and reading it. */
#include "node/judge.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lattice/error.h>
#include <lattice/state.h>

#include "base/why.h"
#include "node/state.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/users.h"

struct lat_judge {
	uint32_t owner;
	bool policed;
	pthread_mutex_t lock;
	uint64_t since_s;
	struct lat_policy *policy; /* NULL and policed: nothing is allowed yet */
};

int lat_judge_open(struct lat_judge **out, uint32_t owner, bool policed)
{
	struct lat_judge *j = calloc(1, sizeof(*j));

	*out = j;
	if (j == NULL)
		return -ENOMEM;
	j->owner = owner;
	j->policed = policed;
	pthread_mutex_init(&j->lock, NULL);
	return 0;
}

void lat_judge_close(struct lat_judge *j)
{
	if (j == NULL)
		return;
	lat_policy_free(j->policy);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

void lat_judge_rule(struct lat_judge *j, struct lat_policy *p)
{
	struct lat_policy *was;

	pthread_mutex_lock(&j->lock);
	was = j->policy;
	j->policy = p;
	j->since_s = lat_clock_wall_s();
	pthread_mutex_unlock(&j->lock);
	lat_policy_free(was);
}

void lat_judge_info(struct lat_judge *j, struct lat_policy_size *size, uint64_t *since_s)
{
	pthread_mutex_lock(&j->lock);
	if (j->policy != NULL) {
		*size = lat_policy_size(j->policy);
		*since_s = j->since_s;
	}
	pthread_mutex_unlock(&j->lock);
}

bool lat_judge_is_policed(const struct lat_judge *j)
{
	return j->policed;
}

/* Whether the policy says so. The lock is held. */
static bool allows(const struct lat_policy *p, const struct lat_subject *who, enum lat_judge_act act,
		   const struct lat_object *what)
{
	uint16_t rights = 0;

	if (act == LAT_JUDGE_ATTACH)
		return lat_policy_may_attach(p, who);
	if (act == LAT_JUDGE_REACH)
		return lat_policy_may_reach(p, who, (uint32_t)what->pid);
	if (act == LAT_JUDGE_SPEAK && what->name == NULL && lat_policy_service_of(p, what->pid) == NULL)
		return true; /* it is nobody's */
	rights = lat_policy_judge(p, who, what).rights;
	return (rights & (act == LAT_JUDGE_SEND ? LAT_RIGHT_OPEN : LAT_RIGHT_LISTEN)) != 0;
}

int lat_judge_may(struct lat_judge *j, const struct lat_subject *who, enum lat_judge_act act, int32_t pid,
		  const char *name)
{
	const struct lat_object what = { .pid = pid, .name = name != NULL && name[0] != '\0' ? name : NULL };
	bool may;

	if (!who->is_peer && who->uid == j->owner)
		return 0;
	if (!j->policed)
		return who->is_peer && act == LAT_JUDGE_SEND ? 0 : -EACCES;
	pthread_mutex_lock(&j->lock);
	may = j->policy != NULL && allows(j->policy, who, act, &what);
	pthread_mutex_unlock(&j->lock);
	return may ? 0 : -EACCES;
}

bool lat_judge_bounds(const struct lat_judge *j, const struct lat_subject *who)
{
	return j->policed && (who->is_peer || who->uid != j->owner);
}

int lat_judge_grant(struct lat_judge *j, const struct lat_subject *who, int32_t pid, const char *name,
		    struct lat_policy_grant *out)
{
	static const struct lat_policy_grant all = { .rights = LAT_RIGHT_OPEN | LAT_RIGHT_SEND |
							       LAT_RIGHT_BULK | LAT_RIGHT_CALL |
							       LAT_RIGHT_GRANT_REPLY,
						     .max_msg = UINT32_MAX };
	const struct lat_object what = { .pid = pid, .name = name != NULL && name[0] != '\0' ? name : NULL };
	struct lat_policy_grant grant = { 0 };

	if ((!who->is_peer && who->uid == j->owner) || (who->is_peer && !j->policed)) {
		*out = all;
		return 0;
	}
	pthread_mutex_lock(&j->lock);
	if (j->policy != NULL)
		grant = lat_policy_judge(j->policy, who, &what);
	pthread_mutex_unlock(&j->lock);
	if ((grant.rights & LAT_RIGHT_OPEN) == 0)
		return -EACCES;
	*out = grant;
	return 0;
}

/* ---- reading ---- */

static int find_user(void *ctx, const char *name, uint32_t *uid)
{
	(void)ctx;
	return lat_user_find(name, uid);
}

static int find_group(void *ctx, const char *name, uint32_t *gid)
{
	(void)ctx;
	return lat_group_find(name, gid);
}

static int find_peer(void *ctx, const char *name, uint32_t *node)
{
	const struct lat_state *state = *(const struct lat_state *const *)ctx;

	for (size_t i = 0; state != NULL && i < lat_state_peer_count(state); i++) {
		const struct lattice_peer *peer = lat_state_peer_at(state, i);

		if (strcmp(peer->name, name) == 0) {
			*node = peer->node;
			return 0;
		}
	}
	return -ENOENT;
}

int lat_judge_read(struct lat_policy **out, const char *path, const struct lat_state *state)
{
	const struct lat_policy_lookup lookup = {
		.user = find_user, .group = find_group, .peer = find_peer, .ctx = &state
	};
	ssize_t bytes;
	char *text;
	int rc;

	*out = NULL;
	text = malloc(LAT_POLICY_BYTES_MAX);
	if (text == NULL)
		return -ENOMEM;
	bytes = lat_file_read_of(path, text, LAT_POLICY_BYTES_MAX, geteuid());
	if (bytes == -EPERM)
		rc = lat_why(
			NULL, -EACCES,
			"others may write %s, and so could allow themselves anything: it has to be root's or this "
			"user's, and 'chmod go-w %s'",
			path, path);
	else if (bytes >= 0)
		rc = lat_policy_parse(out, path, text, (size_t)bytes, &lookup);
	else if (bytes == -EFBIG)
		rc = lat_why(NULL, -EFBIG, "%s has more than %d bytes", path, LAT_POLICY_BYTES_MAX);
	else
		rc = lat_why(NULL, (int)bytes, "the policy %s cannot be read: %s", path,
			     lattice_error_name((int)bytes));
	free(text);
	return rc;
}
