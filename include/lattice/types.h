/* The types every part of the interface shares. */
#ifndef LATTICE_TYPES_H
#define LATTICE_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LATTICE_API      __attribute__((visibility("default")))
#define LATTICE_MUST_USE __attribute__((warn_unused_result))

/* A time-out that never ends. Others are nanoseconds of CLOCK_MONOTONIC; 0 does not wait. */
#define LATTICE_FOREVER INT64_C(-1)

/* A node's number in the network. 0 means "this node"; 0xffffffff is never used. A name, not a proof: that is the key. */
typedef uint32_t lattice_node_id;

/* Letters of a service's name: a-z A-Z 0-9 - _ . and not digits only. */
#define LATTICE_SERVICE_MAX 64

/*
 * How a peer is reached. LATTICE_TCP: a connection is kept, and opened again by itself. LATTICE_TCP_TRANSIENT: one is opened when there
 * is something to send, and closed again when for 5 to 10 s nothing went either way and nothing is unsent or unacknowledged.
 * Sessions and channels outlive it. While there is none the peer reaches us only if it knows our address; a connection that
 * it opens stays for as long as it keeps it.
 */
enum lattice_proto { LATTICE_UDP = 1, LATTICE_TCP = 2, LATTICE_TCP_TRANSIENT = 3 };

/* The specification's fixed message: 64 bytes. On the wire it is the type and the 56 payload bytes. */
struct lattice_message {
	int32_t m_source; /* pid of the sender, set on receive */
	int32_t m_type;
	uint8_t m_payload[56];
};

/* A message of any length up to the channel's limit. */
struct lattice_msg {
	int32_t source;       /* set on receive: the sender's pid */
	int32_t type;         /* the sender's; the library gives it no meaning */
	uint32_t badge;       /* set on receive: badge of the capability used; 0 for a grant by identity */
	lattice_node_id node; /* set on receive: the sender's node, 0 for this one */
	uint64_t
		seq; /* set on receive: the message's number on its channel, from 1; 0 for a call that was handed off */
	const void *data; /* len bytes; on receive they lie in the caller's buffer */
	size_t len;
	uint64_t call; /* set on receive: not 0 if the sender waits for lattice_endpoint_reply() */
	/*
	 * Set on receive: how many of its channel's are known to be lost; 0 but on one from another node that may lose
	 * (LATTICE_CHANNEL_LOSSY). What is missing counts when it has been for 2 to 4 s, or 256 later ones have come.
	 */
	uint64_t lost;
};

#ifdef __cplusplus
}
#endif

#endif
