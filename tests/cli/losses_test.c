#include "cli/losses.h"

#include "base/test.h"

TEST(a_loss_is_told_once)
{
	static const struct {
		const char *why;
		lattice_node_id node;
		int32_t source;
		uint64_t lost;
		bool news;
	} rows[] = {
		{ "nothing is lost", 1, 7, 0, false },
		{ "the first", 1, 7, 3, true },
		{ "the same again", 1, 7, 3, false },
		{ "another sender's", 2, 7, 5, true },
		{ "the first sender's, told before the other's", 1, 7, 3, false },
		{ "the other's, too", 2, 7, 5, false },
		{ "another pid's of the first node", 1, 8, 3, true },
		{ "more", 1, 7, 4, true },
		{ "another sender of whom nothing is lost", 3, 7, 0, false },
		{ "a channel that was opened again", 1, 7, 0, false },
		{ "which loses as much as the one before", 1, 7, 4, true },
	};
	struct losses l = { .count = 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_EQ_ROW(rows[i].why, losses_note(&l, rows[i].node, rows[i].source, rows[i].lost),
			     rows[i].news);
}

TEST(of_many_channels_the_last_are_known)
{
	struct losses l = { .count = 0 };

	for (int32_t pid = 1; pid <= LOSSES_MAX + 1; pid++)
		CHECK(losses_note(&l, 1, pid, 9));
	for (int32_t pid = 2; pid <= LOSSES_MAX + 1; pid++)
		CHECK(!losses_note(&l, 1, pid, 9));
	CHECK(losses_note(&l, 1, 1, 9)); /* this one made way */
}

TEST_MAIN
