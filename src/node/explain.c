/* Errors for people: the thread's last sentence (base/why.h), and the general ones. */
#include "node/explain.h"

#include <stdio.h>

#include <lattice/error.h>

#include "base/log.h"
#include "base/util.h"

static const struct {
	int err;
	const char *name, *text;
} errors[] = {
	{ 0, "0", "success" },
	{ ENOMSG, "ENOMSG", "no message is there" },
	{ ETIMEDOUT, "ETIMEDOUT", "the time-out passed" },
	{ EAGAIN, "EAGAIN", "no room now, and the call was not to wait" },
	{ EMSGSIZE, "EMSGSIZE", "the message is over the limit, or the buffer is too small for it" },
	{ EACCES, "EACCES", "there is no right to do this" },
	{ EPERM, "EPERM", "not permitted" },
	{ EKEYREVOKED, "EKEYREVOKED", "the capability was revoked" },
	{ EKEYEXPIRED, "EKEYEXPIRED", "the capability's time, or its uses, are over" },
	{ EKEYREJECTED, "EKEYREJECTED", "the peer's key is not the one that is known for it" },
	{ ENOKEY, "ENOKEY", "no key is known for that node: add it with 'lattice peers add'" },
	{ EBADMSG, "EBADMSG", "not authentic, or damaged" },
	{ EDEADLK, "EDEADLK", "waiting would close a cycle of waits" },
	{ ELOOP, "ELOOP", "the dependency would close a cycle" },
	{ EOWNERDEAD, "EOWNERDEAD", "the receiver is gone" },
	{ EPIPE, "EPIPE", "the receiver was closed" },
	{ EPROTO, "EPROTO", "the peer broke a rule of the protocol" },
	{ EBUSY, "EBUSY", "in use by somebody else" },
	{ ENOBUFS, "ENOBUFS", "a limit is reached" },
	{ EHOSTUNREACH, "EHOSTUNREACH", "the peer does not answer" },
	{ ENETUNREACH, "ENETUNREACH", "there is no way to the peer's network" },
	{ ECONNREFUSED, "ECONNREFUSED", "nobody listens there" },
	{ ECONNRESET, "ECONNRESET", "the peer restarted, or ended the session" },
	{ ESHUTDOWN, "ESHUTDOWN", "closed" },
	{ EINVAL, "EINVAL", "an argument is not valid" },
	{ ENOMEM, "ENOMEM", "out of memory" },
	{ EMFILE, "EMFILE", "the process has too many open files" },
	{ ENFILE, "ENFILE", "the system has too many open files" },
	{ ENOSPC, "ENOSPC", "the disk is full" },
	{ EROFS, "EROFS", "the file system is read-only" },
	{ EIO, "EIO", "the disk failed" },
	{ ENOENT, "ENOENT", "there is no such file or name" },
	{ ENOTDIR, "ENOTDIR", "something on the way there is not a directory" },
	{ EEXIST, "EEXIST", "it exists already" },
	{ EALREADY, "EALREADY", "it was submitted, and has not come to an end" },
	{ ENOTCONN, "ENOTCONN", "not connected, or not open" },
	{ EADDRINUSE, "EADDRINUSE", "the port or pid is taken" },
	{ EAFNOSUPPORT, "EAFNOSUPPORT", "this machine does not have that kind of address" },
	{ EADDRNOTAVAIL, "EADDRNOTAVAIL", "this machine does not have that address" },
	{ EDESTADDRREQ, "EDESTADDRREQ",
	  "no address is known for that node: give one with 'lattice peers add --at'" },
	{ EOPNOTSUPP, "EOPNOTSUPP", "this node has no network: open it with LATTICE_HOST_SELF" },
	{ ENAMETOOLONG, "ENAMETOOLONG", "the path is too long" },
	{ ENOSYS, "ENOSYS", "this system lacks something that is needed" },
};

/* Index in errors[], or -1. */
static int find(int rc)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (errors[i].err == -rc)
			return (int)i;
	return -1;
}

const char *lattice_error_name(int rc)
{
	int i = find(rc > 0 ? 0 : rc);

	return i < 0 ? "E?" : errors[i].name;
}

int lattice_explain(const void *handle, int rc, char *buf, size_t bytes)
{
	const char *why = lat_why_last(handle, rc);
	int i = find(rc > 0 ? 0 : rc);

	if (why != NULL)
		return snprintf(buf, bytes, "%s (%s)", why, lattice_error_name(rc));
	if (i < 0)
		return snprintf(buf, bytes, "error %d", -rc);
	if (rc >= 0)
		return snprintf(buf, bytes, "%s", errors[i].text);
	return snprintf(buf, bytes, "%s (%s)", errors[i].text, errors[i].name);
}

void lattice_log_set(lattice_log_fn fn, void *ctx)
{
	lat_log_set(fn, ctx);
}
