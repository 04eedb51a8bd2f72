/* A checked one-way stream of messages for a given time: numbered bodies, then an empty one. */
#ifndef PERF_STREAM_H
#define PERF_STREAM_H

#include "common.h"

enum calls {
    CALLS_MSG, /* zmq_msg_send, zmq_msg_recv: the body is not copied by the caller */
    CALLS_BUFFER, /* zmq_send, zmq_recv: the body is copied from and to the caller's buffer */
};

struct stream {
    size_t size; /* of a body in bytes: 1, or at least 8 */
    double seconds; /* how long to send */
    enum calls calls;
};

struct stream_result {
    uint64_t messages; /* without the empty one at the end */
    double seconds; /* receiver: from the first message to the end */
    double cpu_seconds; /* of the whole process in that time */
};

/* Fails unless the size is one that can be checked. */
struct stream parse_stream (const char *size, const char *seconds, const char *calls);

/* Sends for the given time. The caller adds the CPU time of flushing. */
struct stream_result send_stream (void *socket, const struct stream *stream);

/* Receives until the end; fails unless every body has its size and its number, in order. */
struct stream_result receive_stream (void *socket, const struct stream *stream);

#endif
