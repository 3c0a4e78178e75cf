/*
 * Receivers that wait: looking again while that pays, arming, sleeping, being woken.
 *
 * armed, a word per inbox, works between who pushes a source (or rings otherwise) and a receiver about to sleep, or to return
 * -ENOMSG where somebody watches the descriptor:
 *   [A] armed exchange 0, acq_rel -> [a] armed exchange 1, acq_rel : what was pushed before is seen after
 * Who exchanges a 1 for 0 wakes: counts wake up, on which plain threads sleep, and signals the descriptor if some sleep on that or
 * somebody watches it.
 *   [K] wake add, release -> [k] wake load, acquire : a receiver takes its value before it arms, so it does not sleep
 * So, but for a push still in progress, and while receivers sleep or somebody watches:
 *   armed 1 : nothing is ready, nothing is hot, the descriptor is clear
 *   armed 0 : one that sleeps has been woken and will look, and the descriptor is readable
 * A receiver that leaves while others sleep makes one of the two true again (lat_inbox_pass_on_locked()).
 *
 * A signal is an exchange and then a write, and a receiver may arm again in between: the descriptor is then
 * readable though armed. written counts the writes done, cleared the ones known when the descriptor was last
 * cleared; a receiver that finds nothing clears whenever they differ, so such a late write is seen as ready
 * once and not for ever.
 *
 * Bells are armed, and hot sources cooled; then comes the look at both. Only the hot ones need a barrier, and where nobody polled there
 * are none.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "fastpath/inbox_state.h"
#include "fastpath/wait.h"
#include "os/clock.h"
#include "os/eventfd.h"
#include "os/futex.h"
#include "os/poll.h"

enum {
	LOOKS_PER_CLOCK = 16, /* spinning, between two looks at the clock */
	ASIDE_LOOKS = 1024,   /* for how long a spinning receiver lets another go first */
	ARM_TRIES = 8,        /* while a peer announces what is not there */
	BELLS_SLEPT_ON = LAT_FUTEX_WORDS_MAX - 1,
};

void lat_inbox_wake(struct lat_inbox *inbox, bool all)
{
	uint32_t sleeps;

	atomic_fetch_add_explicit(&inbox->wake, 1, memory_order_release); /* [K] */
	sleeps = atomic_load_explicit(&inbox->sleeps, memory_order_acquire);
	if ((sleeps & LAT_SLEEPS_FLOW) != 0)
		lat_flows_wake(&inbox->flows, all);
	if ((sleeps & LAT_SLEEPS_FUTEX) != 0)
		(void)lat_futex_wake(&inbox->wake, all ? INT_MAX : 1, false);
	if ((sleeps & LAT_SLEEPS_FD) == 0)
		return;
	lat_eventfd_signal(inbox->eventfd);
	atomic_fetch_add_explicit(&inbox->written, 1, memory_order_release);
}

void lat_inbox_disarm(struct lat_inbox *inbox)
{
	if (atomic_exchange_explicit(&inbox->armed, 0, memory_order_acq_rel) == 1) /* [A] */
		lat_inbox_wake(inbox, false);
}

/* --- bells and descriptors ---------------------------------------------------------------------- */

/* The bells ring for the sleepers there are. */
static void arm_bell_locked(struct lat_inbox_bell *b, uint32_t sleeps)
{
	static const struct {
		uint32_t bit;
		enum lat_bell_sleep how;
	} kinds[] = { { LAT_SLEEPS_FUTEX, LAT_BELL_FUTEX }, { LAT_SLEEPS_FD, LAT_BELL_FD } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		uint32_t bit = kinds[i].bit;

		if ((sleeps & bit) != 0 && (b->armed & bit) == 0) {
			b->bell->ops->arm(b->bell, kinds[i].how);
		} else if ((sleeps & bit) == 0 && (b->armed & bit) != 0) {
			b->bell->ops->disarm(b->bell, kinds[i].how);
		}
	}
	b->armed = sleeps;
}

/* Whom to wake, from now on. */
static void set_sleeps_locked(struct lat_inbox *inbox)
{
	uint32_t sleeps = 0;

	if (inbox->sleepers > inbox->fd_sleepers)
		sleeps |= LAT_SLEEPS_FUTEX;
	if (inbox->fd_sleepers > 0 || inbox->watched)
		sleeps |= LAT_SLEEPS_FD;
	if (inbox->has_flows)
		sleeps |= LAT_SLEEPS_FLOW;
	atomic_store_explicit(&inbox->sleeps, sleeps, memory_order_release);
	for (uint32_t i = 0; i < inbox->bells_count; i++)
		arm_bell_locked(&inbox->bells[i], sleeps);
}

static struct lat_inbox_bell *find_bell_locked(struct lat_inbox *inbox, const struct lat_bell *bell)
{
	for (uint32_t i = 0; i < inbox->bells_count; i++)
		if (inbox->bells[i].bell == bell)
			return &inbox->bells[i];
	return NULL;
}

int lat_inbox_bell_get_locked(struct lat_inbox *inbox, struct lat_bell *bell)
{
	struct lat_inbox_bell *b = find_bell_locked(inbox, bell);
	int rc;

	if (b != NULL) {
		b->sources++;
		return 0;
	}
	if (inbox->bells_count == inbox->bells_max) {
		uint32_t max = inbox->bells_max == 0 ? 4 : 2 * inbox->bells_max;

		b = realloc(inbox->bells, max * sizeof(*b));
		if (b == NULL)
			return -ENOMEM;
		inbox->bells = b;
		inbox->bells_max = max;
	}
	rc = inbox->epoll >= 0 ? lat_poll_set_add(inbox->epoll, bell->ops->fd(bell)) : 0;
	if (rc < 0)
		return rc;
	lat_flows_set_bells(&inbox->flows, true);
	b = &inbox->bells[inbox->bells_count++];
	*b = (struct lat_inbox_bell){ .bell = bell, .word = bell->ops->word(bell), .sources = 1 };
	b->seen = atomic_load_explicit(b->word, memory_order_acquire) - 1; /* to be looked at once */
	arm_bell_locked(b, atomic_load_explicit(&inbox->sleeps, memory_order_relaxed));
	lat_inbox_wake(inbox, true); /* who sleeps does not sleep on this one */
	return 0;
}

void lat_inbox_bell_put_locked(struct lat_inbox *inbox, struct lat_bell *bell)
{
	struct lat_inbox_bell *b = find_bell_locked(inbox, bell);

	if (b == NULL || --b->sources > 0)
		return;
	arm_bell_locked(b, 0);
	if (inbox->epoll >= 0)
		lat_poll_set_remove(inbox->epoll, bell->ops->fd(bell));
	*b = inbox->bells[--inbox->bells_count];
	if (inbox->bells_count == 0)
		lat_flows_set_bells(&inbox->flows, false);
}

/* 0, -EMFILE, -ENFILE, -ENOMEM. */
static int make_fd_locked(struct lat_inbox *inbox)
{
	int rc;

	if (inbox->epoll >= 0)
		return 0;
	rc = lat_eventfd_open(&inbox->eventfd);
	if (rc < 0)
		return rc;
	rc = lat_poll_set_open(&inbox->epoll);
	if (rc == 0)
		rc = lat_poll_set_add(inbox->epoll, inbox->eventfd);
	for (uint32_t i = 0; rc == 0 && i < inbox->bells_count; i++) {
		struct lat_bell *bell = inbox->bells[i].bell;

		rc = lat_poll_set_add(inbox->epoll, bell->ops->fd(bell));
	}
	if (rc < 0)
		lat_inbox_close_fd(inbox);
	return rc;
}

void lat_inbox_close_fd(struct lat_inbox *inbox)
{
	lat_poll_set_close(inbox->epoll);
	lat_eventfd_close(inbox->eventfd);
	inbox->epoll = inbox->eventfd = -1;
}

int lat_inbox_fd(struct lat_inbox *inbox)
{
	int rc;

	lat_turn_take(&inbox->turn);
	rc = make_fd_locked(inbox);
	if (rc == 0 && !inbox->watched) {
		/* It has not been kept true so far: say "look", and the first look makes it true. */
		inbox->watched = true;
		set_sleeps_locked(inbox);
		atomic_exchange_explicit(&inbox->armed, 0, memory_order_acq_rel);
		lat_inbox_wake(inbox, true);
	}
	if (rc == 0)
		rc = inbox->epoll;
	lat_turn_give(&inbox->turn);
	return rc;
}

/* --- arming ------------------------------------------------------------------------------------- */

/*
 * Arms, and looks once more: as lat_inbox_take_locked(). With -ENOMSG all is cold and clear, and who announces from now on wakes.
 * Or a peer announces without pause what is not there: then it is as if he had woken us.
 */
static int arm_and_look_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take)
{
	uint32_t written = atomic_load_explicit(&inbox->written, memory_order_acquire);
	int rc, tries = 0;

	if (written != inbox->cleared) {
		lat_eventfd_clear(inbox->eventfd);
		inbox->cleared = written;
	}
	do { /* again, if it was another process's source that had been announced, and had nothing more */
		lat_inbox_cool_locked(inbox, false);
		atomic_exchange_explicit(&inbox->armed, 1, memory_order_acq_rel); /* [a] */
		rc = lat_inbox_take_locked(inbox, take, false);
	} while (rc == -ENOMSG && inbox->hot > 0 && ++tries < ARM_TRIES);
	if (rc != -ENOMSG || inbox->hot > 0)
		lat_inbox_disarm(inbox); /* there may be more, and nobody else will say so */
	return rc;
}

void lat_inbox_pass_on_locked(struct lat_inbox *inbox)
{
	if (atomic_load_explicit(&inbox->armed, memory_order_relaxed) == 1 && inbox->hot == 0)
		return;
	lat_inbox_cool_locked(inbox, false);
	atomic_exchange_explicit(&inbox->armed, 1, memory_order_acq_rel); /* [a] */
	if (lat_inbox_look_locked(inbox))
		lat_inbox_disarm(inbox);
}

/* --- waiting ------------------------------------------------------------------------------------ */

/* No turn. 0 (look again), -ETIMEDOUT, or why it cannot. */
static int sleep_on(const struct lat_futex_word *words, size_t count, uint64_t deadline_ns)
{
	int rc;

	do
		rc = lat_futex_wait_any(words, count, deadline_ns);
	while (rc == -EINTR);
	return rc == -EFAULT ? 0 : rc; /* a link that has gone meanwhile */
}

/*
 * Sleeps, unless a last look finds something. As lat_inbox_take_locked(); -ENOMSG: it was woken and there is nothing; or why it
 * cannot sleep any longer.
 */
static int sleep_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, uint64_t deadline_ns,
			bool *held)
{
	bool flow = inbox->bells_count == 0 && take->flow != NULL &&
		    lat_flows_enter_locked(inbox, take->flow);
	bool on_fd = !flow && (lat_wait_hooked() || inbox->bells_count > BELLS_SLEPT_ON);
	struct lat_futex_word words[LAT_FUTEX_WORDS_MAX];
	size_t count = 1;
	int rc = on_fd ? make_fd_locked(inbox) : 0, waited = 0, fd = inbox->epoll;

	if (rc < 0)
		return rc;
	words[0] = (struct lat_futex_word){
		&inbox->wake, atomic_load_explicit(&inbox->wake, memory_order_acquire), false /* [k] */
	};
	inbox->sleepers += !flow;
	inbox->fd_sleepers += on_fd;
	set_sleeps_locked(inbox);
	rc = arm_and_look_locked(inbox, take);
	if (rc == -ENOMSG) {
		for (uint32_t i = 0; !flow && !on_fd && i < inbox->bells_count; i++)
			words[count++] = (struct lat_futex_word){ inbox->bells[i].word, inbox->bells[i].seen,
								  true };
		inbox->stats.sleeps++;
		inbox->refs += !*held;
		*held = true;
		lat_turn_end(&inbox->turn);
		lat_inbox_tell_gone(take->gone);
		if (flow)
			waited = lat_wait_hook->wait(lat_wait_hook->ctx, -1, 0, deadline_ns);
		else
			waited = on_fd ? lat_wait_fd(fd, POLLIN, deadline_ns)
				       : sleep_on(words, count, deadline_ns);
		lat_turn_begin(&inbox->turn);
		if (flow && take->flow->handed)
			return 0;
	}
	if (flow)
		lat_flows_woken(&inbox->flows, take->flow);
	inbox->sleepers -= !flow;
	inbox->fd_sleepers -= on_fd;
	set_sleeps_locked(inbox);
	if (rc != -ENOMSG)
		return rc;
	rc = inbox->closed ? -ESHUTDOWN : lat_inbox_take_locked(inbox, take, inbox->polls);
	return rc == -ENOMSG && waited < 0 ? waited : rc;
}

/* Lets somebody else have a turn, who has shown that he wants one. */
static void stand_aside(struct lat_turn *turn)
{
	lat_turn_end(turn);
	for (uint32_t i = 0; i < ASIDE_LOOKS; i++)
		lat_cpu_relax();
	lat_turn_begin(turn);
}

/* Looks again and again, until @until_ns. */
static int spin_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, uint64_t until_ns)
{
	for (uint32_t looks = 1;; looks++) {
		int rc;

		lat_cpu_relax();
		rc = lat_inbox_idle_locked(inbox) ? -ENOMSG : lat_inbox_take_locked(inbox, take, true);
		if (rc != -ENOMSG)
			return rc;
		if (lat_turn_wanted(&inbox->turn))
			stand_aside(&inbox->turn);
		if (inbox->closed)
			return -ESHUTDOWN;
		if (looks % LOOKS_PER_CLOCK == 0 && lat_clock_monotonic_ns() >= until_ns)
			return -ENOMSG;
	}
}

/* Where the policy says so. */
static int spin_if_it_pays_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take,
				  uint64_t deadline_ns)
{
	uint64_t until = lat_clock_monotonic_ns() + LAT_SPIN_NS;
	int rc;

	inbox->polls = false;
	if (inbox->wait != LAT_WAIT_AUTO || lat_wait_hooked() || inbox->sleepers > 0 ||
	    !lat_spin_pays(&inbox->spin, inbox->peer_cpu))
		return -ENOMSG;
	inbox->polls = true;
	rc = spin_locked(inbox, take, until < deadline_ns ? until : deadline_ns);
	lat_spin_ended(&inbox->spin, rc == -ENOMSG);
	return rc;
}

/*
 * To the sender's processor, where waking it and sleeping is one switch. When each side moves to the other's, the lower number
 * decides.
 */
static void move_to_sender(const struct lat_inbox *inbox)
{
	static _Thread_local bool moved;
	uint32_t cpu = lat_cpu_now();

	if (inbox->peer_cpu == LAT_CPU_UNKNOWN || inbox->peer_cpu == cpu || (moved && inbox->peer_cpu > cpu))
		return;
	moved = lat_cpu_bind(inbox->peer_cpu) == 0 || moved;
}

int lat_inbox_park_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, uint64_t deadline_ns,
			  bool *held)
{
	int rc;

	if (deadline_ns == 0)
		return inbox->watched ? arm_and_look_locked(inbox, take) : -ENOMSG;
	if (inbox->wait == LAT_WAIT_SPIN && !lat_wait_hooked()) {
		inbox->polls = true;
		rc = spin_locked(inbox, take, deadline_ns);
		return rc == -ENOMSG ? -ETIMEDOUT : rc;
	}
	do {
		rc = spin_if_it_pays_locked(inbox, take, deadline_ns);
		if (rc == -ENOMSG && inbox->wait == LAT_WAIT_HANDOFF)
			move_to_sender(inbox);
		if (rc == -ENOMSG)
			rc = sleep_locked(inbox, take, deadline_ns, held);
	} while (rc == -ENOMSG && lat_clock_monotonic_ns() < deadline_ns);
	return rc == -ENOMSG ? -ETIMEDOUT : rc; /* also when it is woken again and again, for nothing */
}
