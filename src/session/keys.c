#include "session/keys.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "wire/packet.h"

void lat_chan_key_derive(struct lat_chan_key *out, const uint8_t sess[LAT_HASH],
			 const struct lat_chan_key_input *in, uint8_t *key_prefix)
{
	uint8_t okm[LAT_AEAD_KEY + LAT_AEAD_PREFIX], where[11];

	where[0] = in->dir;
	lat_put_le16(where + 1, in->chan);
	lat_put_le32(where + 3, (uint32_t)in->src_pid);
	lat_put_le32(where + 7, (uint32_t)in->dst_pid);
	lat_hkdf_expand(
		okm, sizeof(okm), sess,
		(struct lat_bytes[]){ { "lwp1 chan", 9 }, { where, sizeof(where) }, { in->bind, 32 } }, 3);
	lat_aead_init(&out->aead, okm, okm + LAT_AEAD_KEY);
	if (key_prefix != NULL)
		memcpy(key_prefix, okm, sizeof(okm));
	lat_wipe(okm, sizeof(okm));
}

void lat_grant_key(uint8_t out[32], const uint8_t sess[LAT_HASH])
{
	lat_hkdf_expand(out, 32, sess, &(struct lat_bytes){ "lwp1 grant", 10 }, 1);
}

size_t lat_data_seal(const struct lat_chan_key *key, uint8_t *packet, uint16_t chan, uint32_t idx,
		     uint64_t counter, size_t bytes)
{
	uint8_t *plain = packet + LAT_DATA_HDR;

	lat_data_hdr_encode(packet, &(struct lat_data_hdr){ .chan = chan, .idx = idx, .counter = counter });
	lat_aead_seal(&key->aead, counter, packet, LAT_DATA_HDR, plain, bytes, plain);
	return LAT_DATA_OVERHEAD + bytes;
}

int64_t lat_data_open(const struct lat_chan_key *key, uint8_t *packet, size_t bytes, uint64_t counter)
{
	uint8_t *box = packet + LAT_DATA_HDR;

	if (bytes < LAT_DATA_MIN_LEN ||
	    lat_aead_open(&key->aead, counter, packet, LAT_DATA_HDR, box, bytes - LAT_DATA_HDR, box) != 0)
		return -EBADMSG;
	return (int64_t)(bytes - LAT_DATA_OVERHEAD);
}
