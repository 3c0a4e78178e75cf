#include "cli/losses.h"

bool losses_note(struct losses *l, lattice_node_id node, int32_t source, uint64_t lost)
{
	unsigned have = l->count < LOSSES_MAX ? l->count : LOSSES_MAX, at = 0;
	bool news;

	while (at < have && (l->of[at].node != node || l->of[at].source != source))
		at++;
	if (at == have) {
		if (lost == 0)
			return false;
		at = l->count++ % LOSSES_MAX;
		l->of[at].node = node;
		l->of[at].source = source;
		l->of[at].lost = 0;
	}
	news = lost != 0 && lost != l->of[at].lost;
	l->of[at].lost = lost; /* less than before: of a channel that was opened again */
	return news;
}
