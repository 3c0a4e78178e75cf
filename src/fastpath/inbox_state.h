/* An inbox's inside, for the files that share it: inbox.c (its sources, taking) and park.c (receivers that wait). */
#ifndef LAT_FASTPATH_INBOX_STATE_H
#define LAT_FASTPATH_INBOX_STATE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastpath/inbox.h"
#include "fastpath/spin.h"
#include "fastpath/turn.h"

/* Which sleepers there are to wake. */
enum { LAT_SLEEPS_FUTEX = 1, LAT_SLEEPS_FD = 2 };

struct lat_inbox_bell {
	struct lat_bell *bell;
	const _Atomic(uint32_t) *word;
	uint32_t seen;    /* value of *word up to which it was drained */
	uint32_t sources; /* that name it */
	uint32_t armed;   /* LAT_SLEEPS_: for whom it rings */
};

struct lat_inbox {
	/* Written by whoever announces or wakes. */
	alignas(LAT_CACHELINE) _Atomic(struct lat_inbox_source *) stack;
	_Atomic(uint32_t) armed;   /* 1: who pushes wakes */
	_Atomic(uint32_t) wake;    /* counts wake-ups; slept on */
	_Atomic(uint32_t) sleeps;  /* LAT_SLEEPS_: written in a turn, before armed */
	_Atomic(uint32_t) written; /* to the eventfd, times */

	/* All from here on in a turn. What a receive writes has lines of its own. */
	alignas(LAT_CACHELINE) struct lat_turn turn;
	struct lat_inbox_source
		*next;       /* a ring of those that may have messages; whose turn it is. NULL: none */
	uint32_t listed;     /* in it */
	uint32_t hot;        /* of those, the hot ones */
	uint32_t idle_looks; /* at hot ones that had nothing, while others had; since the last cooling */
	uint32_t bells_count;
	struct lat_inbox_bell *bells;
	struct lat_inbox_stats stats;
	uint32_t sleepers;    /* receivers asleep, or woken and not yet back */
	uint32_t fd_sleepers; /* those on the descriptor */
	struct lat_spin spin;
	enum lat_wait_policy wait;
	uint32_t peer_cpu; /* where the last message was sent from */
	bool polls;        /* the last receiver that waited spun: so will the next */
	bool closed;
	bool bells_armed; /* some that need a barrier, since the last one */
	bool watched; /* somebody has asked for the descriptor: it must be true though no receiver sleeps */

	uint32_t refs; /* owner, receivers asleep, sources not yet ended or detached */
	struct lat_inbox_source *all;
	uint32_t left; /* sources that have ended and are not drained */
	uint64_t born; /* sources so far */
	uint32_t bells_max;
	int eventfd, epoll; /* -1 until somebody needs them; epoll: the eventfd and the bells' descriptors */
	uint32_t cleared;   /* value of written when the eventfd was last cleared */
};

/* Sources that were detached in a turn and are told about it after. */
struct lat_gone_list {
	struct lat_inbox_source *first, **end;
};

/* What a receiver wants. */
struct lat_inbox_take {
	void *buf;
	size_t cap;
	struct lat_inbox_hold *hold; /* instead of buf */
	bool shared;
	struct lat_inbox_info *info;
	struct lat_gone_list *gone;
};

/*
 * One message of the source whose turn it is: 0, -EMSGSIZE, -ENOMSG (no source has any). @poll: the receiver will look again at once,
 * so what is found empty is made hot instead of being left.
 */
int lat_inbox_take_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, bool poll);

/* Whether there is a message. What is found empty and cold leaves the list. */
bool lat_inbox_look_locked(struct lat_inbox *inbox);

/* Takes in what was announced. true: there was something. */
bool lat_inbox_drain_locked(struct lat_inbox *inbox);

/* The same of other processes: something has rung since the bells were last looked at. */
bool lat_inbox_bells_locked(struct lat_inbox *inbox);

/*
 * A receiver that found nothing: as lat_inbox_recv(). Leaves the turn while it sleeps; *held: it has taken a reference to the
 * inbox meanwhile, for its caller to give up.
 */
int lat_inbox_park_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, uint64_t deadline_ns,
			  bool *held);

/* Somebody stays asleep while this thread leaves: what it leaves behind is theirs. */
void lat_inbox_pass_on_locked(struct lat_inbox *inbox);

void lat_inbox_heat_locked(struct lat_inbox *inbox, struct lat_inbox_source *src);

/*
 * Makes hot sources cold, all (of those that had nothing lately: @idle_only) with one barrier, which serves bells that were armed
 * before as well: @bells. Those that had something after all are listed again.
 */
void lat_inbox_cool_locked(struct lat_inbox *inbox, bool idle_only, bool bells);

/* Something is ready: if it is armed, wakes. Any thread. */
void lat_inbox_disarm(struct lat_inbox *inbox);

/* Wakes one of those that sleep, or all, and makes the descriptor readable, whatever is armed. Any thread. */
void lat_inbox_wake(struct lat_inbox *inbox, bool all);

void lat_inbox_close_fd(struct lat_inbox *inbox);

/* A source names @bell, or does so no more. 0, -ENOMEM. */
int lat_inbox_bell_get_locked(struct lat_inbox *inbox, struct lat_bell *bell);
void lat_inbox_bell_put_locked(struct lat_inbox *inbox, struct lat_bell *bell);

/* The list. A source has its turn after all that are in it; one that is behind another comes when that is gone. */
void lat_inbox_list_locked(struct lat_inbox *inbox, struct lat_inbox_source *src);
void lat_inbox_unlist_locked(struct lat_inbox *inbox, struct lat_inbox_source *src);

void lat_inbox_tell_gone(struct lat_gone_list *gone);

#endif
