/*
 * No wake is lost: the words of src/fastpath/bell.h, inbox.c, park.c and sender.c, on processors that delay stores.
 *
 * The plain stores of each process pass through a buffer, which is emptied later, in order, at any time; a
 * read-modify-write waits until it is empty; lat_membarrier() waits for its own, and then, for each other process in turn, until
 * that one's was empty once. So a load can overtake earlier stores of its own process, which is all that the plain side of an
 * asymmetric barrier allows itself.
 *
 * When nobody can go on, the state is looked at: nobody may be asleep while there is what he sleeps for.
 *
 *   (nothing)    in one process: announced by ready, pushed and armed; RECEIVERS of them
 *   LINK         between two: announced by the count rung, which with armed is read and written by seq_cst accesses
 *   ROOM         a sender without room, and the receiver that makes some
 *   NO_BARRIER   without lat_membarrier(): has to be wrong
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef ROUNDS
#define ROUNDS (MESSAGES + 2) /* receives that each receiver makes before it goes away for good */
#endif

#define SENDER 0
#define PROCS  (1 + RECEIVERS)

/* Words that are stored plainly. */
#define SLOT   0 /* messages published */
#define RUNG   1
#define WANTED 2
#define HOT    3
#define ARMED  4 /* LINK */
#define HEAD   5 /* messages whose slots were given back */
#define WORDS  6

byte mem[WORDS];
chan buffer[PROCS] = [3] of { byte, byte };

#define STORE(word, value) buffer[me]!word, value
#define FLUSHED            empty(buffer[me])

#ifdef NO_BARRIER
#define MEMBARRIER skip
#else
#define MEMBARRIER                              \
	FLUSHED;                                \
	q = 0;                                  \
	do                                      \
	:: q < PROCS -> empty(buffer[q]) -> q++ \
	:: else -> break                        \
	od
#endif

proctype drain_buffer(byte me)
{
	byte word, value;

end:	do
	:: atomic { buffer[me]?word, value -> mem[word] = value }
	od
}

bool asleep[PROCS];
byte wake;

/* A futex: who sleeps is woken by the call, not by the value; who is about to sleep compares. */
#define SLEEP_IF(same)                             \
	atomic {                                   \
		if                                 \
		:: same -> asleep[me] = true       \
		:: else                            \
		fi                                 \
	}                                          \
	!asleep[me]

inline wake_one()
{
	atomic {
		wake++;
		if
		:: asleep[1] -> asleep[1] = false
#if RECEIVERS > 1
		:: asleep[2] -> asleep[2] = false
#endif
		:: !asleep[1] && !asleep[PROCS - 1]
		fi
	}
}

bool sent;
byte taken;

#ifdef ROOM
#define SLOTS 1

proctype sender(byte me)
{
	byte n, before, q, wanted;

	do
	:: n == MESSAGES -> break
	:: n < MESSAGES && n - mem[HEAD] < SLOTS -> n++; STORE(SLOT, n)
	:: n < MESSAGES && n - mem[HEAD] >= SLOTS ->
		before = wake;
		wanted++;
		STORE(WANTED, wanted);
		MEMBARRIER;
		if
		:: n - mem[HEAD] < SLOTS
		:: else -> SLEEP_IF(wake == before)
		fi
	od;
	sent = true
}

proctype receiver(byte me)
{
	byte told;

	do
	:: taken == MESSAGES -> break
	:: taken < MESSAGES && mem[SLOT] > taken ->
		taken++;
		STORE(HEAD, taken);
		if
		:: mem[WANTED] != told ->
			told = mem[WANTED];
			atomic { FLUSHED -> wake++; asleep[SENDER] = false }
		:: else
		fi
	od
}

#define LOST asleep[SENDER]

#else /* ROOM */

bool ready, pushed, armed, turn;
byte sleepers;

/* In a turn: */
byte hot_word;
bool listed;

#ifdef LINK
byte rung_seen;
#define ANNOUNCED (mem[RUNG] != rung_seen)

inline announce()
{
	atomic { FLUSHED -> mem[RUNG] = mem[RUNG] + 1 }
	if
	:: mem[ARMED] -> atomic { FLUSHED -> wake++; asleep[1] = false }
	:: else
	fi
}

inline arm() { atomic { FLUSHED -> mem[ARMED] = 1 } }
inline accept_announced() { rung_seen = mem[RUNG]; list() }
inline disarm() { atomic { FLUSHED -> mem[ARMED] = 0 } }

#else
#define ANNOUNCED pushed

inline announce()
{
	atomic { FLUSHED -> was = ready; ready = true }
	if
	:: !was ->
		pushed = true;
		disarm()
	:: else
	fi
}

inline arm() { atomic { FLUSHED -> armed = true } }
inline accept_announced() { pushed = false; list() }
inline disarm()
{
	atomic { FLUSHED -> was = armed; armed = false }
	if
	:: was -> wake_one()
	:: else
	fi
}
#endif

proctype sender(byte me)
{
	byte n, hot;
	bool was;

	do
	:: n < MESSAGES ->
		n++;
		STORE(SLOT, n);
		hot = mem[HOT];
		if
		:: hot & 1
		:: else -> announce()
		fi
	:: else -> break
	od;
	FLUSHED -> sent = true
}

inline change_hot() { atomic { hot_word++; STORE(HOT, hot_word) } }

inline list()
{
	listed = true;
#ifdef LINK
	if
	:: !(hot_word & 1) && sleepers == 0 -> change_hot() /* where the descriptor is watched */
	:: true
	fi
#endif
}

/* What was found empty, and is cold, leaves; one more look decides. */
inline leave()
{
	listed = false;
#ifdef LINK
	if
	:: mem[SLOT] > taken -> list()
	:: else
	fi
#else
	atomic { FLUSHED -> ready = false }
	if
	:: mem[SLOT] > taken ->
		atomic { FLUSHED -> was = ready; ready = true }
		if
		:: !was -> list()
		:: else
		fi
	:: else
	fi
#endif
}

/* found: a message was taken. @poll: what is empty may be made hot. */
inline take(poll)
{
	found = false;
	do
	:: ANNOUNCED -> accept_announced()
	:: else ->
		if
		:: !listed -> break
		:: listed && mem[SLOT] > taken -> taken++; found = true; break
		:: listed && !(mem[SLOT] > taken) ->
			if
			:: hot_word & 1 -> break
			:: !(hot_word & 1) && poll && sleepers == 0 -> change_hot()
			:: !(hot_word & 1) -> leave()
			fi
		fi
	od
}

inline cool()
{
	if
	:: hot_word & 1 ->
		change_hot();
		MEMBARRIER;
		leave()
	:: else
	fi
}

inline arm_and_look()
{
	do
	::
#ifdef LINK
		arm();
		cool();
#else
		cool();
		arm();
#endif
		take(false);
		if
		:: found || !(hot_word & 1) -> break
		:: else
		fi
	od;
	if
	:: found -> disarm()
	:: else
	fi
}

/* Others stay asleep: what is left behind is theirs. */
inline pass_on()
{
	if
	:: sleepers > 0 && (!armed || (hot_word & 1)) ->
		cool();
		arm();
		if
		:: ANNOUNCED -> accept_announced()
		:: else
		fi;
		if
		:: listed && mem[SLOT] > taken -> disarm()
		:: listed && !(mem[SLOT] > taken) ->
			leave();
			if
			:: listed -> disarm()
			:: else
			fi
		:: !listed
		fi
	:: else
	fi
}

inline begin() { atomic { !turn -> turn = true } }
inline finish() { atomic { FLUSHED -> turn = false } }

proctype receiver(byte me)
{
	byte q, before, round;
	bool found, was;

	do
	:: round < ROUNDS ->
		round++;
		begin();
		take(true);
		if
		:: found
		:: !found /* it only polls */
		:: !found ->
			before = wake;
			sleepers++;
			arm_and_look();
			if
			:: !found ->
				finish();
#ifdef LINK
				SLEEP_IF(mem[RUNG] == rung_seen);
#else
				SLEEP_IF(wake == before);
#endif
				begin();
				take(false)
			:: found
			fi;
			sleepers--
		fi;
#ifndef LINK
		pass_on();
#endif
		finish()
	:: true -> break
	od
}

#define LOST (taken < MESSAGES && (asleep[1] || asleep[PROCS - 1]))

#endif /* ROOM */

init
{
	byte i;

	atomic {
		do
		:: i < PROCS -> run drain_buffer(i); i++
		:: else -> break
		od;
		run sender(SENDER);
		i = 1;
		do
		:: i < PROCS -> run receiver(i); i++
		:: else -> break
		od
	}
	timeout;
	assert(!LOST);
#ifndef ROOM
	assert(sent && !turn)
#endif
}
