/*
 * lattice-chaos: traffic between two places passes through it, and suffers on the way. What befalls a packet is drawn from a
 * seed (base/faults_harness.h); where packets come from and go to is a relay's (udp.c, tcp.c, tun.c). One thread.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/airborne_harness.h"
#include "base/faults_harness.h"

enum {
	CHAOS_WAYS =
		2, /* 0: up, from who calls to where it wants; for tun, from the first namespace to the second */
	CHAOS_BLACKOUTS_MAX = 16,
	CHAOS_PACKET_MAX = 65535,
	CHAOS_AIR_MAX = 64 << 20, /* bytes on their way; what is over that is dropped */
};

/* ---- what is asked for ---- */

struct chaos_span {
	uint64_t at, length; /* ns; at: from the first packet on */
};

struct chaos_place {
	struct sockaddr_storage addr;
	socklen_t bytes;
};

struct chaos_options {
	const struct chaos_relay *relay;
	struct chaos_place listen, to;
	const char *netns[CHAOS_WAYS]; /* NULL: this one */
	const char *address[CHAOS_WAYS];
	const char *device;
	uint64_t seed;
	struct lat_faults faults;
	bool way[CHAOS_WAYS]; /* the faults are in this one */
	uint64_t rate;        /* bytes a second; 0: any */
	size_t queue;         /* bytes before the bottleneck */
	struct chaos_span blackout[CHAOS_BLACKOUTS_MAX];
	size_t blackouts;
	size_t mtu_cut; /* 0: none */
	uint64_t mtu_cut_at;
	uint64_t weather_every, strike_every; /* ns; 0: never */
	size_t split; /* a TCP stream's pieces have 1 to so many bytes; 0: as they come */
	bool json;
};

/* 0: run; else the exit status plus one, all said. */
int chaos_options_parse(struct chaos_options *o, int argc, char **argv);

/* ---- what happened ---- */

struct chaos_counts {
	uint64_t packets, bytes;                  /* that came */
	uint64_t delivered, delivered_bytes;      /* that went on, doubles and all */
	uint64_t lost, burst, black, full, long_; /* that did not */
	uint64_t doubled, late, corrupted, truncated;
	uint64_t refused; /* by the kernel, on the way out */
};

struct chaos;

/* ---- relays ---- */

/* What epoll says something of. The first member of whatever it belongs to. */
struct chaos_source {
	void (*ready)(struct chaos *c, struct chaos_source *s, uint32_t events);
	int fd;
};

struct chaos_packet {
	struct lat_airborne fly;
	struct chaos_packet *next; /* the relay's, once it has it */
	int way;
	void *whose; /* the relay's */
	size_t bytes;
	uint8_t data[];
};

struct chaos_relay {
	const char *name;
	bool stream; /* nothing of it can be lost */
	/* 0, or -1 after it has said why. */
	int (*open)(struct chaos *c);
	/* A packet has arrived. It is the relay's now. */
	void (*deliver)(struct chaos *c, struct chaos_packet *p);
	/* A blackout begins or ends: c->black. NULL: it does not matter. */
	void (*darken)(struct chaos *c);
	/* Another source port, or every connection cut. NULL: there is no such thing. */
	void (*strike)(struct chaos *c);
	void (*close)(struct chaos *c);
};

extern const struct chaos_relay chaos_udp, chaos_tcp, chaos_tun;

struct chaos {
	struct chaos_options o;
	const struct chaos_relay *relay;
	void *state; /* the relay's */
	int epoll;
	uint64_t rng, now, began; /* began: when the first packet came; 0: none has */
	struct lat_faults faults;
	struct lat_pipe pipe[CHAOS_WAYS];
	uint64_t last[CHAOS_WAYS]; /* when something came */
	struct lat_air air;
	size_t air_bytes;
	bool black;
	uint64_t black_until;
	uint64_t weather_at, strike_at; /* UINT64_MAX: never */
	struct chaos_counts counts[CHAOS_WAYS];
	uint64_t clients, strikes, changes;
	uint8_t buf[CHAOS_PACKET_MAX];
};

/* A packet or connection has come: if it is the first, time begins. */
void chaos_begin(struct chaos *c);
/* What the clock says of blackouts and the MTU holds from now on. When it is to be asked again; UINT64_MAX: never. */
uint64_t chaos_schedule(struct chaos *c);
/* A packet comes along @way: c->buf[0..bytes). What is left of it will be delivered. */
void chaos_send(struct chaos *c, int way, void *whose, size_t bytes);
/* A piece of a stream, which arrives at @at and not before. false: no memory. NULL data: its end. */
bool chaos_send_at(struct chaos *c, int way, void *whose, const uint8_t *data, size_t bytes, uint64_t at);
/* Forgets what is on its way for @whose. */
void chaos_drop(struct chaos *c, const void *whose);
void chaos_free(struct chaos *c, struct chaos_packet *p);

/* 0, or -1 after it has said why. */
int chaos_watch(struct chaos *c, struct chaos_source *s, uint32_t events);
void chaos_rewatch(struct chaos *c, struct chaos_source *s, uint32_t events);
/* No longer watched. */
void chaos_ignore(struct chaos *c, struct chaos_source *s);
/* The same, and closed. */
void chaos_unwatch(struct chaos *c, struct chaos_source *s);

/* ---- said ---- */

__attribute__((format(printf, 1, 2))) void chaos_say(const char *fmt, ...);
/* "127.0.0.1:15000" */
const char *chaos_place_text(const struct sockaddr_storage *addr, char out[static 64]);
void chaos_report(const struct chaos *c, FILE *out);

#endif
