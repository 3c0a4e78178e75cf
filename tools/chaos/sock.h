/* Sockets, with a sentence for whatever goes wrong. All are non-blocking. */
#ifndef CHAOS_SOCK_H
#define CHAOS_SOCK_H

#include "chaos.h"

/* "127.0.0.1:15000", "[::1]:15000"; no names. */
bool chaos_place_parse(struct chaos_place *out, const char *text);
/* Bound to @place, or connected to it. -1 after it has said why. */
int chaos_sock_udp(const struct chaos_place *place, bool bound);
int chaos_sock_listen(const struct chaos_place *place);
/* Connecting. -1: it cannot even begin. */
int chaos_sock_connect(const struct chaos_place *place);
/* Each write goes out by itself. */
void chaos_sock_eager(int fd);
/* Ends it by a reset. */
void chaos_sock_reset(int fd);
/* Says where it listens: tests wait for that line. */
void chaos_sock_ready(int fd);

#endif
