/* Making notes out of an input: any bytes, or a note of any kind with the fields that its kind may have, and lies in some. */
#ifndef LAT_FUZZ_NOTES_H
#define LAT_FUZZ_NOTES_H

#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "node/note.h"
#include "os/fdpass.h"

enum { NOTES_BYTES_MAX = sizeof(struct lat_note) + 8, NOTES_PIDS = 8 };

struct notes_packet {
	union {
		struct lat_note note;
		uint8_t bytes[NOTES_BYTES_MAX];
	};
	size_t size, fds;
};

/* The lowest descriptor that is free: the same before and after something that kept none. */
static inline int notes_lowest_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	FUZZ_REQUIRE(fd >= 0);
	close(fd);
	return fd;
}

/* A note that the kind could be, mostly. @mask: which of its fields are set. */
static inline void notes_fill(struct lat_note *n, struct fuzz_input *in)
{
	static const char *const names[] = { "", "a", "store", "42" };
	uint32_t mask = (uint32_t)fuzz_take(in, 2);

	*n = (struct lat_note){ .version = LAT_NOTE_VERSION };
	n->kind = (uint16_t)(fuzz_take(in, 1) % (LAT_NOTE_KINDS + 1));
	if ((mask & 1 << 0) != 0)
		n->token = (uint32_t)fuzz_take(in, 1);
	if ((mask & 1 << 1) != 0)
		n->rc = -(int32_t)fuzz_take(in, 2);
	if ((mask & 1 << 2) != 0)
		n->src = (int32_t)(fuzz_take(in, 1) % NOTES_PIDS + 1);
	if ((mask & 1 << 3) != 0)
		n->dst = (int32_t)(fuzz_take(in, 1) % NOTES_PIDS + 1);
	if ((mask & 1 << 4) != 0)
		n->node = (uint32_t)fuzz_take(in, 1);
	if ((mask & 1 << 5) != 0)
		n->chan = (uint32_t)fuzz_take(in, 4);
	if ((mask & 1 << 6) != 0)
		n->member = fuzz_take(in, 1);
	if ((mask & 1 << 7) != 0)
		n->grant = fuzz_take(in, 8);
	if ((mask & 1 << 8) != 0)
		n->number = fuzz_take(in, 8);
	if ((mask & 1 << 9) != 0)
		(void)fuzz_take_bytes(in, n->ticket, sizeof(n->ticket));
	if ((mask & 1 << 10) != 0)
		n->tier = (uint32_t)fuzz_take(in, 1);
	if ((mask & 1 << 11) != 0)
		n->process = (int32_t)fuzz_take(in, 4);
	if ((mask & 1 << 12) != 0)
		n->flags = (uint32_t)fuzz_take(in, 4);
	if ((mask & 1 << 13) != 0)
		n->origin = (uint32_t)fuzz_take(in, 4);
	if ((mask & 1 << 14) != 0)
		n->counts[0] = fuzz_take(in, 8);
	(void)snprintf(n->name, sizeof(n->name), "%s", names[fuzz_take(in, 1) % ARRAY_LEN(names)]);
	if ((mask & 1 << 15) != 0) { /* any byte of it */
		size_t at = fuzz_take(in, 2) % sizeof(*n);

		((uint8_t *)n)[at] ^= (uint8_t)fuzz_take(in, 1);
	}
}

static inline void notes_take(struct notes_packet *p, struct fuzz_input *in)
{
	uint32_t how = (uint32_t)fuzz_take(in, 1);

	p->fds = how >> 4 & 1 ? how >> 5 : 0;
	p->size = sizeof(p->note);
	if ((how & 7) != 7) {
		notes_fill(&p->note, in);
		return;
	}
	memset(p->bytes, 0, sizeof(p->bytes));
	p->size = fuzz_take_bytes(in, p->bytes, fuzz_take(in, 2) % (NOTES_BYTES_MAX + 1));
	if (p->size == 0)
		p->size = 1;
}

/* Sends it, with so many descriptors. What lat_fdpass_send() says. */
static inline int notes_send(int sock, const struct notes_packet *p)
{
	static const int fds[LAT_FDPASS_MAX] = { 0 };

	return lat_fdpass_send(sock, p->bytes, p->size, fds, p->fds);
}

#endif
