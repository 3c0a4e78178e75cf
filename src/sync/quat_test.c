/* The arithmetic against plain integers, the group's laws, and the tickets made again. */
#include "sync/quat.h"

#include "base/test.h"

static uint64_t seed;

static uint64_t splitmix64(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t draw(void)
{
	return (uint32_t)(splitmix64() % LAT_QUAT_P);
}

static struct lat_quat draw_quat(void)
{
	struct lat_quat q;

	q.w = draw(); /* one after another: an initialiser's order is not fixed */
	q.x = draw();
	q.y = draw();
	q.z = draw();
	return q;
}

/* a b + sign c d + ..., each product reduced by itself, in signed numbers. */
static uint32_t sum(const int64_t v[4][2], const int sign[4])
{
	const int64_t p = LAT_QUAT_P;
	int64_t total = 0;

	for (int i = 0; i < 4; i++)
		total += sign[i] * (v[i][0] * v[i][1] % p);
	total %= p;
	return (uint32_t)(total < 0 ? total + p : total);
}

static struct lat_quat slow_mul(struct lat_quat a, struct lat_quat b)
{
	return (struct lat_quat){
		sum((const int64_t[4][2]){ { a.w, b.w }, { a.x, b.x }, { a.y, b.y }, { a.z, b.z } },
		    (const int[4]){ 1, -1, -1, -1 }),
		sum((const int64_t[4][2]){ { a.w, b.x }, { a.x, b.w }, { a.y, b.z }, { a.z, b.y } },
		    (const int[4]){ 1, 1, 1, -1 }),
		sum((const int64_t[4][2]){ { a.w, b.y }, { a.x, b.z }, { a.y, b.w }, { a.z, b.x } },
		    (const int[4]){ 1, -1, 1, 1 }),
		sum((const int64_t[4][2]){ { a.w, b.z }, { a.x, b.y }, { a.y, b.x }, { a.z, b.w } },
		    (const int[4]){ 1, 1, -1, 1 }),
	};
}

TEST(products_match_plain_integers)
{
	static const uint32_t edges[] = { 0, 1, 2, LAT_QUAT_P / 2, LAT_QUAT_P - 2, LAT_QUAT_P - 1 };

	for (size_t i = 0; i < 6 * 6 * 6 * 6; i++) { /* every a of edges, b the same turned round */
		struct lat_quat a = { edges[i % 6], edges[i / 6 % 6], edges[i / 36 % 6], edges[i / 216] };
		struct lat_quat b = { a.z, a.w, a.x, a.y };

		CHECK(lat_quat_equal(lat_quat_mul(a, b), slow_mul(a, b)));
		CHECK(lat_quat_equal(lat_quat_mul(a, a), slow_mul(a, a)));
		CHECK_EQ(lat_quat_norm(a), slow_mul(a, lat_quat_conjugate(a)).w);
	}
	seed = 7;
	for (int i = 0; i < 2000; i++) {
		struct lat_quat a = draw_quat(), b = draw_quat();

		CHECK(lat_quat_equal(lat_quat_mul(a, b), slow_mul(a, b)));
	}
}

TEST(i_j_k)
{
	const struct lat_quat i = { 0, 1, 0, 0 }, j = { 0, 0, 1, 0 }, k = { 0, 0, 0, 1 };
	const struct lat_quat minus_one = { LAT_QUAT_P - 1, 0, 0, 0 };

	CHECK(lat_quat_equal(lat_quat_mul(i, j), k));
	CHECK(lat_quat_equal(lat_quat_mul(j, i), lat_quat_conjugate(k)));
	CHECK(lat_quat_equal(lat_quat_mul(i, i), minus_one));
	CHECK(lat_quat_equal(lat_quat_mul(lat_quat_mul(i, j), k), minus_one));
	CHECK(lat_quat_equal(lat_quat_conjugate(LAT_QUAT_IDENTITY), LAT_QUAT_IDENTITY));
}

TEST(equality_looks_at_each_part)
{
	const struct lat_quat a = { 1, 2, 3, 4 };

	CHECK(lat_quat_equal(a, a));
	CHECK(!lat_quat_equal(a, (struct lat_quat){ 0, 2, 3, 4 }));
	CHECK(!lat_quat_equal(a, (struct lat_quat){ 1, 0, 3, 4 }));
	CHECK(!lat_quat_equal(a, (struct lat_quat){ 1, 2, 0, 4 }));
	CHECK(!lat_quat_equal(a, (struct lat_quat){ 1, 2, 3, 0 }));
}

/* n^(p-2), by squaring: Fermat. */
static uint32_t inverse(uint32_t n)
{
	uint64_t result = 1, power = n;

	for (uint32_t e = LAT_QUAT_P - 2; e > 0; e >>= 1) {
		if (e & 1)
			result = result * power % LAT_QUAT_P;
		power = power * power % LAT_QUAT_P;
	}
	return (uint32_t)result;
}

TEST(tickets_are_made_as_said)
{
	seed = 1;
	for (size_t i = 0; i < LAT_QUAT_TICKETS; i++) {
		struct lat_quat q = draw_quat();
		uint32_t scale = inverse(lat_quat_norm(q));
		struct lat_quat u = slow_mul(slow_mul(q, q), (struct lat_quat){ scale, 0, 0, 0 });

		CHECK(lat_quat_equal(lat_quat_tickets[i], u));
	}
}

TEST(tickets_are_what_the_lock_needs)
{
	for (size_t i = 0; i < LAT_QUAT_TICKETS; i++) {
		struct lat_quat a = lat_quat_tickets[i];

		CHECK_EQ(lat_quat_norm(a), 1);
		CHECK(a.w < LAT_QUAT_P && a.x < LAT_QUAT_P && a.y < LAT_QUAT_P && a.z < LAT_QUAT_P);
		CHECK(!lat_quat_equal(a, LAT_QUAT_IDENTITY));
		CHECK(lat_quat_equal(lat_quat_mul(a, lat_quat_conjugate(a)), LAT_QUAT_IDENTITY));
		for (size_t j = 0; j < i; j++) {
			struct lat_quat b = lat_quat_tickets[j];

			CHECK(!lat_quat_equal(a, b));
			CHECK(!lat_quat_equal(lat_quat_mul(a, b), lat_quat_mul(b, a)));
		}
	}
}

TEST(a_long_product_unwinds_to_the_identity)
{
	struct lat_quat q = LAT_QUAT_IDENTITY;

	for (size_t i = 0; i < 10 * LAT_QUAT_TICKETS; i++)
		q = lat_quat_mul(q, lat_quat_tickets[i * 7 % LAT_QUAT_TICKETS]);
	CHECK_EQ(lat_quat_norm(q), 1);
	CHECK(!lat_quat_equal(q, LAT_QUAT_IDENTITY));
	for (size_t i = 10 * LAT_QUAT_TICKETS; i-- > 0;)
		q = lat_quat_mul(q, lat_quat_conjugate(lat_quat_tickets[i * 7 % LAT_QUAT_TICKETS]));
	CHECK(lat_quat_equal(q, LAT_QUAT_IDENTITY));
}

TEST_MAIN
