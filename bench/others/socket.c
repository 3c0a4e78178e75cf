#include "others/socket.h"

#include <unistd.h>

enum { TRIP_BYTES = 48, RATE_BYTES_MAX = 64 << 10 };

struct shared {
	unsigned int id;
	char url[OTHER_URL];
};

int other_make(struct bench_side *near)
{
	static unsigned int count;
	struct shared *s = near->shared;

	s->id = (unsigned int)getpid() * 16 + count++;
	return 0;
}

int other_enter(struct bench_side *side)
{
	enum other_way way = (enum other_way)(side->subject->arg % OTHER_WAYS);
	bool call = (side->subject->arg & OTHER_CALL) != 0;
	struct shared *s = side->shared;
	int rc = 0;

	if (!side->far)
		rc = other_library.listen(&side->own, way, call, s->id, s->url);
	if (rc == 0)
		rc = bench_meet(side);
	if (rc == 0 && side->far)
		rc = other_library.connect(&side->own, call, s->url);
	return rc == 0 ? bench_meet(side) : rc;
}

void other_leave(struct bench_side *side)
{
	if (side->own != NULL)
		other_library.close(side->own);
	side->own = NULL;
}

int other_trip_near(struct bench_side *side, uint64_t n)
{
	unsigned char bytes[TRIP_BYTES] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = other_library.send(side->own, bytes, sizeof(bytes));
		if (rc == 0)
			rc = other_library.recv(side->own, bytes, sizeof(bytes));
	}
	return rc;
}

int other_trip_far(struct bench_side *side, uint64_t n)
{
	unsigned char bytes[TRIP_BYTES];
	int rc = 0;

	for (; n > 0 && rc == 0; n--) {
		rc = other_library.recv(side->own, bytes, sizeof(bytes));
		if (rc == 0)
			rc = other_library.send(side->own, bytes, sizeof(bytes));
	}
	return rc;
}

int other_rate_near(struct bench_side *side, uint64_t n)
{
	static unsigned char bytes[RATE_BYTES_MAX] = { 1 };
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = other_library.send(side->own, bytes, side->subject->arg >> 8);
	return rc;
}

int other_rate_far(struct bench_side *side, uint64_t n)
{
	static unsigned char bytes[RATE_BYTES_MAX];
	int rc = 0;

	for (; n > 0 && rc == 0; n--)
		rc = other_library.recv(side->own, bytes, side->subject->arg >> 8);
	return rc;
}
