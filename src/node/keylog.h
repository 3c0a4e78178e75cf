/*
 * Session keys in a file, to read a capture of one's own traffic: for debugging, and only when it is asked for twice, by
 * LATTICE_KEYLOG in the environment, which names the file, and by a file "allow_keylog" in the state directory.
 *
 *   LWP1 <index, 8 hex digits> <channel number> <ChaCha20-Poly1305 key, 64 hex digits>
 *
 * is the key of the DATA packets whose header has that index and number. Their nonce is 4 zero bytes and the header's counter, their
 * additional data the 16 bytes of the header. scripts/decrypt-packet opens one.
 */
#ifndef LAT_NODE_KEYLOG_H
#define LAT_NODE_KEYLOG_H

#include <stdint.h>

#include "base/util.h"

/*
 * The file's descriptor, for lat_keylog_write() and close(2), with a warning in the log; or -1: not asked for twice, or it cannot be
 * had (made 0600, nobody else's, no link), and then the log says why.
 */
LAT_MUST_CHECK int lat_keylog_open(const char *state_dir);
void lat_keylog_write(int fd, uint32_t idx, uint16_t chan, const uint8_t subkey[32]);

#endif
