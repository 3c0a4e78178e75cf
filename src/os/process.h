/* Other processes: who is at the other end of a socket, and whether it is still alive (LOCAL 11). */
#ifndef LAT_OS_PROCESS_H
#define LAT_OS_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/util.h"

/* Who is at the other end of a Unix socket, as the kernel noted at connect(2), listen(2) or socketpair(2). */
struct lat_process {
	pid_t pid; /* 0: in a pid namespace that we do not see */
	uid_t uid; /* effective */
	gid_t gid;
	uint64_t
		started; /* clock ticks since boot: tells a pid from an earlier one of the same number. 0: not known */
};

/* 0, -ENOTSOCK, -EBADF, -EINVAL. */
LAT_MUST_CHECK int lat_process_of_peer(int sock, struct lat_process *out);

/*
 * The supplementary groups of that process, as the kernel noted them then; *out is the caller's to free, NULL when there are none. 0,
 * -ENOTSOCK, -EBADF, -ENOMEM.
 */
LAT_MUST_CHECK int lat_process_groups_of_peer(int sock, uint32_t **out, size_t *count);

/* This process. */
void lat_process_self(struct lat_process *out);

/*
 * A descriptor that becomes readable when the process at the other end of @sock ends, however that happens; close-on-exec. 0
 * (it may have ended already), or -ESRCH (it has ended, or we do not see it), -EMFILE, -ENFILE, -ENOMEM, -ENOSYS.
 */
LAT_MUST_CHECK int lat_process_watch_peer(int *pidfd, int sock);
/* Closes it. -1 is fine. */
void lat_process_forget(int pidfd);

#endif
