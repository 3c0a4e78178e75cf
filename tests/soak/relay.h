/*
 * A TCP relay on the loopback interface that is no friend: a thread that forwards bytes both ways between whoever connects and a
 * node, and now and then resets a connection, after a part of what it was to forward.
 */
#ifndef LAT_SOAK_RELAY_H
#define LAT_SOAK_RELAY_H

#include <stdint.h>

struct soak_relay;

/* 0, or a negative errno. */
int soak_relay_open(struct soak_relay **out, uint64_t seed);
/* Whoever connects to *at is connected to @port. 0, or a negative errno. */
int soak_relay_add(struct soak_relay *r, uint16_t port, uint16_t *at);
/* From now on it forwards and resets nothing. */
void soak_relay_calm(struct soak_relay *r);
/* How many connections it has reset. */
uint64_t soak_relay_resets(const struct soak_relay *r);
/* NULL is fine. */
void soak_relay_close(struct soak_relay *r);

#endif
