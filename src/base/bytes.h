/*
 * Byte order. Everything that leaves the process is little-endian and is read and written one byte at a
 * time, so alignment, host order and strict aliasing never matter (PROTOCOL section 0).
 */
#ifndef LAT_BASE_BYTES_H
#define LAT_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline void lat_put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void lat_put_le32(uint8_t *p, uint32_t v)
{
	lat_put_le16(p, (uint16_t)v);
	lat_put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void lat_put_le64(uint8_t *p, uint64_t v)
{
	lat_put_le32(p, (uint32_t)v);
	lat_put_le32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t lat_get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | (uint32_t)p[1] << 8);
}

static inline uint32_t lat_get_le32(const uint8_t *p)
{
	return lat_get_le16(p) | (uint32_t)lat_get_le16(p + 2) << 16;
}

static inline uint64_t lat_get_le64(const uint8_t *p)
{
	return lat_get_le32(p) | (uint64_t)lat_get_le32(p + 4) << 32;
}

#endif
