/*
 * A program's own scheduler in place of the library's: coroutines by ucontext(3) over one epoll. Two of them play ping and pong
 * through endpoints with calls that wait; a third ticks on a timer of its own meanwhile. The library waits through the hook's
 * functions, so each coroutine waits alone.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <lattice/lattice.h>
#include <lattice/sched.h>

enum { COROUTINES = 3, STACK = 262144, ROUNDS = 1000 };

struct coroutine {
	ucontext_t context;
	void (*run)(struct coroutine *self);
	bool ended, waits, polls; /* polls: on a descriptor */
	int fd, rc;
	uint64_t deadline_ns;
	atomic_bool woken; /* by any thread */
	struct lattice_endpoint *inbox;
	struct lattice_channel *out;
	unsigned count;
};

static struct {
	ucontext_t context;
	struct coroutine all[COROUTINES], *current;
	int epoll, wake_fd;
} loop;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- the hook ----------------------------------------------------------------------------------- */

static void *current(void *ctx)
{
	(void)ctx;
	return loop.current;
}

static int wait_for(void *ctx, int fd, short events, uint64_t deadline_ns)
{
	struct coroutine *self = loop.current;
	struct epoll_event event = { .events = (uint32_t)events, .data = { .ptr = self } };

	(void)ctx;
	/* A copy of the descriptor, because several may wait for one, and each registers its own. */
	if (fd >= 0 && ((fd = dup(fd)) < 0 || epoll_ctl(loop.epoll, EPOLL_CTL_ADD, fd, &event) < 0)) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	self->fd = fd;
	self->polls = fd >= 0;
	self->deadline_ns = deadline_ns;
	self->waits = true;
	swapcontext(&self->context, &loop.context);
	if (fd >= 0) {
		epoll_ctl(loop.epoll, EPOLL_CTL_DEL, fd, NULL);
		close(fd);
	}
	return self->rc;
}

static void wake(void *ctx, void *flow)
{
	struct coroutine *c = flow;
	uint64_t one = 1;

	(void)ctx;
	atomic_store_explicit(&c->woken, true, memory_order_release);
	(void)!write(loop.wake_fd, &one, sizeof(one));
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void end_wait(struct coroutine *c, int rc)
{
	if (c->waits) {
		c->waits = false;
		c->rc = rc;
	}
}

static void end_waits(void)
{
	uint64_t now = now_ns();

	for (int i = 0; i < COROUTINES; i++) {
		struct coroutine *c = &loop.all[i];

		if (c->waits && atomic_exchange_explicit(&c->woken, false, memory_order_acquire))
			end_wait(c, 0);
		else if (c->waits && c->deadline_ns <= now)
			end_wait(c, -ETIMEDOUT);
	}
}

/* Milliseconds until something may be over; -1: nobody knows. */
static int patience(void)
{
	uint64_t nearest = UINT64_MAX, now = now_ns();

	for (int i = 0; i < COROUTINES; i++) {
		const struct coroutine *c = &loop.all[i];

		if (!c->ended && !c->waits)
			return 0;
		if (c->waits && c->deadline_ns < nearest)
			nearest = c->deadline_ns;
	}
	if (nearest == UINT64_MAX)
		return -1;
	return nearest <= now ? 0 : (int)((nearest - now) / 1000000 + 1);
}

static void look(void)
{
	struct epoll_event events[8];
	int n = epoll_wait(loop.epoll, events, 8, patience());

	for (int i = 0; i < n; i++) {
		struct coroutine *c = events[i].data.ptr;
		uint64_t count;

		if (c == NULL)
			(void)!read(loop.wake_fd, &count, sizeof(count));
		else
			end_wait(c, 0);
	}
	end_waits();
}

static void begin(void)
{
	loop.current->run(loop.current);
	loop.current->ended = true;
	setcontext(&loop.context);
}

static void run_all(void)
{
	for (int left = COROUTINES; left > 0;) {
		left = 0;
		for (int i = 0; i < COROUTINES; i++) {
			struct coroutine *c = &loop.all[i];

			if (!c->ended && !c->waits) {
				loop.current = c;
				swapcontext(&loop.context, &c->context);
				loop.current = NULL;
			}
			left += !c->ended;
		}
		if (left > 0)
			look();
	}
}

/* --- what they do ------------------------------------------------------------------------------- */

static int failed(const void *handle, int rc, const char *what)
{
	char why[512];

	lattice_explain(handle, rc, why, sizeof(why));
	fprintf(stderr, "coroutines: %s: %s\n", what, why);
	return rc;
}

/* Sends what it receives back; the first one serves. */
static void play(struct coroutine *self)
{
	struct lattice_msg msg = { .type = 1 };
	int rc = 0;

	if (self == &loop.all[0])
		rc = lattice_channel_send(self->out, &msg, LATTICE_FOREVER);
	while (rc == 0 && self->count < ROUNDS) {
		rc = lattice_endpoint_recv(self->inbox, &msg, NULL, 0, LATTICE_FOREVER);
		self->count += rc == 0;
		if (rc == 0 && (self->count < ROUNDS || self != &loop.all[0]))
			rc = lattice_channel_send(self->out, &msg, LATTICE_FOREVER);
	}
	if (rc < 0)
		failed(NULL, rc, "play");
}

/* Waits in its own endpoint, where nothing comes: a timer. */
static void tick(struct coroutine *self)
{
	struct lattice_msg msg;

	while (self->count < 3 && lattice_endpoint_recv(self->inbox, &msg, NULL, 0, 1000000) == -ETIMEDOUT)
		self->count++;
}

static int set_up(struct lattice_node *node)
{
	struct epoll_event event = { .events = EPOLLIN };
	int rc = 0;

	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop.epoll < 0 || loop.wake_fd < 0 ||
	    epoll_ctl(loop.epoll, EPOLL_CTL_ADD, loop.wake_fd, &event) < 0)
		return -errno;
	for (int i = 0; rc == 0 && i < COROUTINES; i++)
		rc = lattice_endpoint_open(&loop.all[i].inbox, node, i + 1);
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = lattice_channel_open(&loop.all[i].out, node, i + 1, 2 - i, 0, 0);
	for (int i = 0; rc == 0 && i < COROUTINES; i++) {
		struct coroutine *c = &loop.all[i];

		c->run = i < 2 ? play : tick;
		getcontext(&c->context);
		c->context.uc_stack.ss_sp = malloc(STACK);
		c->context.uc_stack.ss_size = STACK;
		if (c->context.uc_stack.ss_sp == NULL)
			rc = -ENOMEM;
		makecontext(&c->context, begin, 0);
	}
	return rc;
}

static void tear_down(struct lattice_node *node)
{
	for (int i = 0; i < COROUTINES; i++)
		lattice_channel_close(loop.all[i].out);
	for (int i = 0; i < COROUTINES; i++) {
		lattice_endpoint_close(loop.all[i].inbox);
		free(loop.all[i].context.uc_stack.ss_sp);
	}
	lattice_node_close(node);
	close(loop.wake_fd);
	close(loop.epoll);
}

int main(void)
{
	const struct lattice_sched_hook hook = { .current = current, .wait = wait_for, .wake = wake };
	struct lattice_node_config cfg = { .host = LATTICE_HOST_PRIVATE };
	struct lattice_node *node;
	int rc = lattice_node_open(&node, &cfg);

	if (rc == 0)
		rc = set_up(node);
	if (rc == 0)
		rc = lattice_sched_hook_set(&hook);
	if (rc < 0)
		return failed(NULL, rc, "set-up") < 0;
	run_all();
	(void)lattice_sched_hook_set(NULL);
	printf("ping %u, pong %u, ticks %u\n", loop.all[0].count, loop.all[1].count, loop.all[2].count);
	rc = loop.all[0].count == ROUNDS && loop.all[1].count == ROUNDS && loop.all[2].count == 3 ? 0 : 1;
	tear_down(node);
	return rc;
}
