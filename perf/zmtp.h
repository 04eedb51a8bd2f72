/* The least of ZMTP 3.1 (RFC 37, NULL mechanism) that a plain socket needs to be a peer of the library under test, so
 * that a benchmark measures one side only. */
#ifndef PERF_ZMTP_H
#define PERF_ZMTP_H

#include <stddef.h>
#include <stdint.h>

enum {
    ZMTP_MORE = 1,
    ZMTP_LONG = 2,
    ZMTP_COMMAND = 4,
};

struct zmtp_frame {
    unsigned flags;
    const unsigned char *body;
    size_t size;
};

/* Connects to `tcp://127.0.0.1:PORT`, shakes hands as a socket of this type, waits for the peer's READY and returns a
 * non-blocking descriptor. */
int zmtp_connect (const char *endpoint, const char *socket_type);

/* Subscribes to everything; for a descriptor that zmtp_connect returned, which has nothing unsent. */
void zmtp_subscribe_all (int fd);

/* Takes one frame from the front of [*at, end); 0 when it is not there completely. */
int zmtp_next (const unsigned char **at, const unsigned char *end, struct zmtp_frame *frame);

#endif
