/*
 * How "lattice send -f" and "lattice recv" agree on a file: a convention of theirs over ordinary messages, told apart by
 * the message's type. Integers little-endian. All messages of one file go over one channel, so they arrive in order.
 *
 *   FILE_BEGIN  [ version u8 = 1 | total u64 ]   total: the file's length, 2^64-1 when it is not known yet
 *   FILE_DATA   [ offset u64 | bytes ]           offset: how many bytes came before; 1 byte or more
 *   FILE_END    [ total u64 ]                    the file is whole when this many bytes came
 *   FILE_ABORT  [ ]                              the sender gave up
 *
 * A BEGIN while a file of the same sender is not ended, an offset that is not the sum of what came, or a total that
 * differs: the transfer has broken off, and nothing is kept of it.
 */
#ifndef LAT_CLI_TRANSFER_H
#define LAT_CLI_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FILE_BEGIN = 0x4c460001, /* "LF" */
	FILE_DATA = 0x4c460002,
	FILE_END = 0x4c460003,
	FILE_ABORT = 0x4c460004,

	FILE_VERSION = 1,
	FILE_BEGIN_LEN = 9,
	FILE_DATA_HEAD = 8,
	FILE_END_LEN = 8,
	FILE_CHUNK = 32 * 1024, /* with its head it fits into one packet of a TCP connection */
};

#define FILE_TOTAL_UNKNOWN UINT64_MAX

void file_put_u64(uint8_t *out, uint64_t v);
uint64_t file_get_u64(const uint8_t *in);

/* Progress of a long transfer: one line on standard error, when that is a terminal. */
struct file_progress {
	const char *verb;
	int64_t began_ns, shown_ns;
	bool shown;
};
void file_progress_show(struct file_progress *p, uint64_t done, uint64_t total);
/* Ends the line, so that what is said next begins a new one. */
void file_progress_end(struct file_progress *p);

#endif
