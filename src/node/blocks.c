/* Sending without a copy: the public calls that loan a channel's memory. To another node it is copied when it is published. */
#include <errno.h>
#include <stdlib.h>

#include "fastpath/sender_fast.h"
#include "node/channel.h"
#include "node/channel_right.h"
#include "node/explain.h"
#include "node/node.h"
#include "os/clock.h"

static struct lat_sender_loan loan_of(const struct lattice_block *block)
{
	return (struct lat_sender_loan){ .data = block->data,
					 .block = (uint32_t)block->id,
					 .bytes = (uint32_t)block->bytes };
}

static int loan_heap(struct lattice_channel *ch, size_t bytes, struct lattice_block *block)
{
	void *data;

	if (bytes > ch->node->len_max)
		return -EMSGSIZE;
	if (posix_memalign(&data, LAT_BLOCK_UNIT, bytes > 0 ? bytes : 1) != 0)
		return -ENOMEM;
	*block = (struct lattice_block){ .data = data, .bytes = bytes };
	return 0;
}

/* lattice_channel_loan(), whatever it takes. */
static int __attribute__((noinline))
loan_far(struct lattice_channel *ch, size_t bytes, struct lattice_block *block, int64_t timeout_ns)
{
	struct lat_sender_loan loan;
	struct lat_sender *sender;
	int rc;

	if (ch == NULL || block == NULL)
		return lat_why(ch, -EINVAL, "no channel, or no block to fill in");
	rc = lat_node_check(ch->node, ch);
	if (rc < 0)
		return rc;
	sender = lat_channel_sender(ch);
	if (sender != NULL) {
		rc = lat_channel_local_rc(lat_sender_loan(sender, bytes, &loan, lat_clock_until(timeout_ns)));
		if (rc == 0)
			*block =
				(struct lattice_block){ .data = loan.data, .bytes = bytes, .id = loan.block };
	} else {
		rc = loan_heap(ch, bytes, block);
	}
	return rc < 0 && rc != -EAGAIN ? lat_channel_why(ch, rc) : rc;
}

/* The usual case first: as long a block as the one that came back last. */
int lattice_channel_loan(struct lattice_channel *ch, size_t bytes, struct lattice_block *block,
			 int64_t timeout_ns)
{
	struct lat_sender_loan loan;

	if (ch == NULL || block == NULL || ch->sender == NULL || !lat_node_usable(ch->node) ||
	    !lat_sender_loan_near(ch->sender, bytes, &loan))
		return loan_far(ch, bytes, block, timeout_ns);
	*block = (struct lattice_block){ .data = loan.data, .bytes = bytes, .id = loan.block };
	return 0;
}

/* lattice_channel_publish(), whatever it takes. */
static int __attribute__((noinline)) publish_far(struct lattice_channel *ch, struct lattice_block *block,
						 int32_t type, size_t len, int64_t timeout_ns)
{
	struct lat_sender_loan loan;
	struct lat_sender *sender;
	int rc;

	if (ch == NULL || block == NULL || block->data == NULL)
		return lat_why(ch, -EINVAL, "no channel, or no loan");
	rc = lat_node_check(ch->node, ch);
	if (rc < 0)
		return rc;
	if (ch->no_sends)
		return lat_channel_right_refuses(ch, "messages, only calls");
	sender = lat_channel_sender(ch);
	if (sender != NULL) {
		loan = loan_of(block);
		rc = lat_channel_local_rc(
			lat_sender_publish(sender, type, &loan, len, lat_clock_until(timeout_ns)));
	} else if (len > block->bytes) {
		rc = -EMSGSIZE;
	} else {
		rc = lat_channel_send_away(ch, type, block->data, len, lat_clock_until(timeout_ns));
		if (rc == 0)
			free(block->data);
	}
	if (rc == 0)
		*block = (struct lattice_block){ 0 };
	if (rc == -EINVAL)
		return lat_why(ch, rc, "this is no loan of the channel, or it was published or discarded");
	return rc < 0 && rc != -EAGAIN ? lat_channel_why(ch, rc) : rc;
}

LAT_FAST_INLINE bool publish_near(struct lat_sender *s, const struct lattice_block *block, int32_t type,
				  size_t len)
{
	const struct lat_sender_loan loan = loan_of(block);

	return lat_sender_publish_loan_near(s, type, &loan, len);
}

/* The usual case first: there is room for a note of it. */
int lattice_channel_publish(struct lattice_channel *ch, struct lattice_block *block, int32_t type, size_t len,
			    int64_t timeout_ns)
{
	if (ch == NULL || block == NULL || block->data == NULL || ch->sender == NULL ||
	    !lat_node_usable(ch->node) || !publish_near(ch->sender, block, type, len))
		return publish_far(ch, block, type, len, timeout_ns);
	*block = (struct lattice_block){ 0 };
	return 0;
}

void lattice_channel_discard(struct lattice_channel *ch, struct lattice_block *block)
{
	struct lat_sender_loan loan;
	struct lat_sender *sender;

	if (ch == NULL || block == NULL || block->data == NULL || lat_node_foreign(ch->node))
		return;
	loan = loan_of(block);
	sender = lat_channel_sender(ch);
	if (sender != NULL)
		lat_sender_discard(sender, &loan);
	else
		free(block->data);
	*block = (struct lattice_block){ 0 };
}
