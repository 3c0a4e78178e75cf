/* What both ends of a file transfer need. */
#include "cli/transfer.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cmd.h"

enum { PROGRESS_EVERY_NS = 100000000 };

void file_put_u64(uint8_t *out, uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

uint64_t file_get_u64(const uint8_t *in)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

void file_progress_show(struct file_progress *p, uint64_t done, uint64_t total)
{
	const double mib = 1024.0 * 1024.0;
	int64_t now = cli_now_ns();
	double seconds;

	if (p->began_ns == 0)
		p->began_ns = now;
	if (now - p->shown_ns < PROGRESS_EVERY_NS || !isatty(STDERR_FILENO))
		return;
	p->shown_ns = now;
	p->shown = true;
	seconds = (double)(now - p->began_ns + 1) / 1e9;
	if (total == FILE_TOTAL_UNKNOWN || total == 0)
		fprintf(stderr, "\r%s %.1f MiB, %.1f MiB/s ", p->verb, (double)done / mib,
			(double)done / mib / seconds);
	else
		fprintf(stderr, "\r%s %.1f of %.1f MiB (%d %%), %.1f MiB/s ", p->verb, (double)done / mib,
			(double)total / mib, (int)(100.0 * (double)done / (double)total),
			(double)done / mib / seconds);
}

void file_progress_end(struct file_progress *p)
{
	if (p->shown)
		fputc('\n', stderr);
	p->shown = false;
}
