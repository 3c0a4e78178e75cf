/*
 * Other message libraries, all by one pattern: a pair of sockets, blocking calls, the near side listens and the far one
 * connects. A library fills in the table; each is a program of its own, because it brings libraries that Lattice has in other
 * versions.
 */
#ifndef BENCH_OTHERS_SOCKET_H
#define BENCH_OTHERS_SOCKET_H

#include "lib/subject.h"

/* OTHER_SEALED: over TCP, encrypted and authenticated. */
enum other_way { OTHER_INPROC, OTHER_IPC, OTHER_TCP, OTHER_SEALED, OTHER_WAYS = 16 };

/* Added to a way: what comes is answered, by the library's sockets for that. The near side asks. */
enum { OTHER_CALL = OTHER_WAYS };
enum { OTHER_URL = 128 };

/* 0 or a negative errno. *socket is the side's. */
struct other_library {
	/* Listens, and writes where to @url. @id: a number that no other socket has. */
	int (*listen)(void **socket, enum other_way way, bool call, unsigned int id,
		      char url[static OTHER_URL]);
	int (*connect)(void **socket, bool call, const char *url);
	int (*send)(void *socket, const void *data, size_t len);
	int (*recv)(void *socket, void *data, size_t room);
	void (*close)(void *socket);
};

/* Each program has one. */
extern const struct other_library other_library;

int other_make(struct bench_side *near);
int other_enter(struct bench_side *side);
void other_leave(struct bench_side *side);
int other_trip_near(struct bench_side *side, uint64_t n);
int other_trip_far(struct bench_side *side, uint64_t n);
int other_rate_near(struct bench_side *side, uint64_t n);
int other_rate_far(struct bench_side *side, uint64_t n);

#define OTHER_TRIP(name_, what_, with_, way_)                                                                \
	{                                                                                                    \
		.name = (name_), .what = (what_), .kind = BENCH_TRIP, .with = (with_), .arg = (way_),        \
		.place = BENCH_FREE, .shared_bytes = OTHER_SHARED, .make = other_make, .enter = other_enter, \
		.near = other_trip_near, .far = other_trip_far, .leave = other_leave                         \
	}
#define OTHER_RATE(name_, what_, with_, way_, bytes_)                                                        \
	{                                                                                                    \
		.name = (name_), .what = (what_), .kind = BENCH_RATE, .with = (with_),                       \
		.arg = (way_) | (bytes_) << 8, .bytes = (bytes_) > 1024 ? (bytes_) : 0, .place = BENCH_FREE, \
		.shared_bytes = OTHER_SHARED, .make = other_make, .enter = other_enter,                      \
		.near = other_rate_near, .far = other_rate_far, .leave = other_leave                         \
	}

enum { OTHER_SHARED = OTHER_URL + 64 };

#endif
