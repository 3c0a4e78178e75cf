/*
 * One at a time: src/fastpath/turn.h, with `single`, on processors that delay stores (see wake.pml for how). The owner enters by two
 * plain accesses; another holds the lock, says that it wants a turn, and waits until the owner is not inside.
 *
 *   NO_BARRIER   without lat_membarrier(): has to be wrong
 */
#define OWNER 0
#define OTHER 1
#define TURNS 3

#define INSIDE 0
#define WANTED 1

byte mem[2];
chan buffer[2] = [3] of { byte, byte };
bool lock;
byte in_turn;

#define STORE(word, value) buffer[me]!word, value
#define FLUSHED            empty(buffer[me])
#ifdef NO_BARRIER
#define MEMBARRIER skip
#else
#define MEMBARRIER FLUSHED; empty(buffer[OWNER])
#endif

proctype drain_buffer(byte me)
{
	byte word, value;

end:	do
	:: atomic { buffer[me]?word, value -> mem[word] = value }
	od
}

inline use()
{
	in_turn++;
	assert(in_turn == 1);
	in_turn--
}

proctype owner(byte me)
{
	byte n;

	do
	:: n < TURNS ->
		n++;
		do
		::
			STORE(INSIDE, 1);
			if
			:: !mem[WANTED] -> break
			:: mem[WANTED]
			fi;
			STORE(INSIDE, 0);
			atomic { FLUSHED && !lock -> lock = true }
			atomic { FLUSHED -> lock = false }
		od;
		use();
		STORE(INSIDE, 0)
	:: else -> break
	od
}

proctype other(byte me)
{
	byte n;

	do
	:: n < TURNS ->
		n++;
		atomic { FLUSHED && !lock -> lock = true }
		STORE(WANTED, 1);
		MEMBARRIER;
		!mem[INSIDE];
		use();
		STORE(WANTED, 0);
		atomic { FLUSHED -> lock = false }
	:: else -> break
	od
}

init
{
	atomic {
		run drain_buffer(OWNER);
		run drain_buffer(OTHER);
		run owner(OWNER);
		run other(OTHER)
	}
	timeout;
	assert(!lock && !mem[INSIDE] && !mem[WANTED]) /* both have come to their end */
}
