/* An inbox's inside, for the files that share it: inbox.c (its sources, taking) and park.c (receivers that wait). */
#ifndef LAT_FASTPATH_INBOX_STATE_H
#define LAT_FASTPATH_INBOX_STATE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastpath/call.h"
#include "fastpath/flows.h"
#include "fastpath/inbox.h"
#include "fastpath/spin.h"
#include "fastpath/turn.h"

enum {
	LAT_BELL_EVERY = 64, /* takes, between two looks at the bells while there are messages */
	LAT_INBOX_FEW = 8,   /* channels that a poll looks at before all else */
};

/* Which sleepers there are to wake. */
enum { LAT_SLEEPS_FUTEX = 1, LAT_SLEEPS_FD = 2, LAT_SLEEPS_FLOW = 4 };

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

	/* Read by all, seldom written. */
	alignas(LAT_CACHELINE) _Atomic(struct lat_calls *) calls; /* NULL: there was none */
	_Atomic(bool) callers_spin; /* its policy is to: so do threads that wait for a reply */
	_Atomic(uint64_t) server;   /* the one flow that receives, as lat_waits_id(); 0: nobody has */
	int32_t pid; /* what those who receive here are called; 0: nothing. Set before anybody does */
	void (*keep)(void *owner);
	void (*drop)(void *owner);
	void *owner;

	alignas(LAT_CACHELINE) struct lat_flows flows;

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
	bool has_flows; /* has had flows that wait in it */
	bool watched;   /* somebody has asked for the descriptor: it must be true though no receiver sleeps */

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
	struct lat_carry **carry; /* what goes with it, the caller's; NULL: it is not asked for, and left */
	struct lat_gone_list *gone;
	struct lat_flow_wait *flow; /* of a flow that waits; NULL: a thread */
};

#define LAT_SERVERS_MANY UINT64_MAX

/* lat_inbox_recv() and the like, @take->gone not set. */
int lat_inbox_receive(struct lat_inbox *inbox, struct lat_inbox_take *take, uint64_t deadline_ns);

/* The same for a flow, which has waited already if it could: what that came to. */
int lat_flows_receive(struct lat_inbox *inbox, struct lat_inbox_take *take, struct lat_flow_wait *w,
		      int waited, uint64_t deadline_ns);

/* The calling flow, which receives here, is not the one that is known to. */
void lat_inbox_serve(struct lat_inbox *inbox);

/* The flow is about to wait: it can be woken and handed messages from now on. In the inbox's turn. false: not at home here. */
bool lat_flows_enter_locked(struct lat_inbox *inbox, struct lat_flow_wait *w);
/* It waits no more, and was not handed a message. It stays inside until the call's end. */
void lat_flows_woken(struct lat_flows *f, struct lat_flow_wait *w);

/* No flow waits any more. true: what is kept for them is to be let go, by lat_flows_left(). */
bool lat_flows_close(struct lat_flows *f);
void lat_flows_left(struct lat_inbox *inbox);
/* What other processes send is announced by bells, on which a flow can only sleep by a descriptor. */
void lat_flows_set_bells(struct lat_flows *f, bool bells);

/* The next message of @src, of @len bytes, is received without having been published. In the inbox's turn. */
void lat_inbox_handed_locked(struct lat_inbox *inbox, struct lat_inbox_source *src, uint32_t len);

/* Gives up a reference that is not the last of the owner's. No turn. */
void lat_inbox_put(struct lat_inbox *inbox);

/*
 * One message of the source whose turn it is: 0, -EMSGSIZE, -ENOMSG (no source has any). @poll: the receiver will look again at once,
 * so what is found empty is made hot instead of being left.
 */
int lat_inbox_take_locked(struct lat_inbox *inbox, const struct lat_inbox_take *take, bool poll);

/*
 * Surely there was nothing a moment ago: all there is to look at is a few hot sources. false: look. For who looks again at once.
 */
bool lat_inbox_idle_locked(struct lat_inbox *inbox);

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

/* Makes hot sources cold, all (of those that had nothing lately: @idle_only) with one barrier. Those that had something after all are listed again. */
void lat_inbox_cool_locked(struct lat_inbox *inbox, bool idle_only);

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
