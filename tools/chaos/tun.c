/*
 * Two machines, which are network namespaces, and between them a line that is this process: a TUN device in each. What the kernel
 * sends by one comes out at the other, so its TCP suffers what our packets do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "chaos.h"

enum {
	MTU = 1500,
	QUEUE = 10000,
	READS_PER_TURN = 64,
};

struct tun {
	struct chaos_source end[CHAOS_WAYS];
};

static void tun_ready(struct chaos *c, struct chaos_source *s, uint32_t events)
{
	struct tun *t = c->state;

	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = read(s->fd, c->buf, sizeof(c->buf));

		if (n <= 0)
			return;
		if (c->buf[0] >> 4 ==
		    6) /* the kernel speaks IPv6 by itself; we have no address of that kind */
			continue;
		chaos_send(c, s == &t->end[1], s, (size_t)n);
	}
}

/* 0 or a negative errno. @name is this process's network namespace from now on. */
static int enter(const char *name)
{
	char path[256];
	int fd, rc;

	if (name == NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') == NULL ? "/run/netns/" : "", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int address(int fd, struct ifreq *r, unsigned long request, const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	(void)inet_pton(AF_INET, text, &v4.sin_addr);
	memcpy(&r->ifr_addr, &v4, sizeof(v4));
	return ioctl(fd, request, r);
}

/* The device of this namespace gets its address and is up. */
static int configure(const char *device, const char *text)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;

	if (fd < 0)
		return -errno;
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	r.ifr_mtu = MTU;
	if (ioctl(fd, SIOCSIFMTU, &r) < 0)
		goto out;
	r.ifr_qlen = QUEUE;
	if (ioctl(fd, SIOCSIFTXQLEN, &r) < 0)
		goto out;
	if (address(fd, &r, SIOCSIFADDR, text) < 0 || address(fd, &r, SIOCSIFNETMASK, "255.255.255.0") < 0)
		goto out;
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	rc = ioctl(fd, SIOCSIFFLAGS, &r);
out:
	rc = rc < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int end_open(struct chaos *c, int side)
{
	struct tun *t = c->state;
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	const char *where = c->o.netns[side] != NULL ? c->o.netns[side] : "this one";
	int rc = enter(c->o.netns[side]);

	if (rc < 0) {
		chaos_say("network namespace %s: %s%s", where, strerror(-rc),
			  rc == -EPERM ? " (that takes root)" : "");
		return -1;
	}
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", c->o.device);
	t->end[side] = (struct chaos_source){ .ready = tun_ready,
					      .fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC) };
	if (t->end[side].fd < 0) {
		chaos_say("/dev/net/tun: %s", strerror(errno));
		return -1;
	}
	if (ioctl(t->end[side].fd, TUNSETIFF, &r) < 0) {
		chaos_say("a TUN device %s in network namespace %s: %s", c->o.device, where, strerror(errno));
		return -1;
	}
	rc = configure(c->o.device, c->o.address[side]);
	if (rc < 0) {
		chaos_say("address %s of %s in network namespace %s: %s", c->o.address[side], c->o.device,
			  where, strerror(-rc));
		return -1;
	}
	return chaos_watch(c, &t->end[side], EPOLLIN);
}

static int tun_open(struct chaos *c)
{
	struct tun *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		chaos_say("out of memory");
		return -1;
	}
	c->state = t;
	t->end[0].fd = t->end[1].fd = -1;
	for (int side = CHAOS_WAYS;
	     side-- > 0;) /* the second may be in our own namespace, which the first leaves */
		if (end_open(c, side) < 0)
			return -1;
	chaos_say("joins %s and %s", c->o.address[0], c->o.address[1]);
	return 0;
}

static void tun_deliver(struct chaos *c, struct chaos_packet *p)
{
	struct tun *t = c->state;

	if (p->bytes > 0 && write(t->end[!p->way].fd, p->data, p->bytes) == (ssize_t)p->bytes) {
		c->counts[p->way].delivered++;
		c->counts[p->way].delivered_bytes += p->bytes;
	} else {
		c->counts[p->way].refused++;
	}
	chaos_free(c, p);
}

static void tun_close(struct chaos *c)
{
	struct tun *t = c->state;

	if (t == NULL)
		return;
	for (int side = 0; side < CHAOS_WAYS; side++)
		chaos_unwatch(c, &t->end[side]);
	free(t);
	c->state = NULL;
}

const struct chaos_relay chaos_tun = {
	.name = "tun",
	.open = tun_open,
	.deliver = tun_deliver,
	.close = tun_close,
};
