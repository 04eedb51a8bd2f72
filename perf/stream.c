#include "stream.h"

#include <stdlib.h>
#include <string.h>

struct stream parse_stream (const char *size, const char *seconds, const char *calls)
{
    struct stream stream = {strtoul (size, NULL, 10), strtod (seconds, NULL), CALLS_MSG};
    if (strcmp (calls, "buffer") == 0)
        stream.calls = CALLS_BUFFER;
    else
        CHECK (strcmp (calls, "msg") == 0);
    CHECK (stream.size == 1 || stream.size >= 8);
    CHECK (stream.seconds > 0);
    return stream;
}

/* The number at the front, and its complement at the end of bodies that have room for both, show order and that a
 * body arrived whole. A body of one byte carries the number modulo 256. */
static void write_body (unsigned char *body, size_t size, uint64_t number)
{
    uint64_t complement = ~number;
    if (size == 1) {
        body[0] = (unsigned char) number;
        return;
    }
    memcpy (body, &number, sizeof number);
    if (size >= 2 * sizeof number)
        memcpy (body + size - sizeof complement, &complement, sizeof complement);
}

static void check_body (const unsigned char *body, size_t size, const struct stream *stream, uint64_t number)
{
    uint64_t front = number, back = ~number;
    if (size != stream->size)
        fail ("message %llu has %zu bytes", (unsigned long long) number, size);
    if (size == 1) {
        if (body[0] != (unsigned char) number)
            fail ("message %llu has byte %u", (unsigned long long) number, body[0]);
        return;
    }
    memcpy (&front, body, sizeof front);
    if (size >= 2 * sizeof back)
        memcpy (&back, body + size - sizeof back, sizeof back);
    if (front != number || back != ~number)
        fail ("message %llu is number %llu, %llu", (unsigned long long) number, (unsigned long long) front,
              (unsigned long long) ~back);
}

struct stream_result send_stream (void *socket, const struct stream *stream)
{
    /* Looking at the clock about every hundred microseconds. */
    const uint64_t mask = stream->size > 4096 ? 7 : 255;
    unsigned char *buffer = calloc (1, stream->size);
    uint64_t number = 0;
    CHECK (buffer);
    double cpu = cpu_s (), start = now_s (), end = start + stream->seconds;
    while ((number & mask) != 0 || now_s () < end) {
        if (stream->calls == CALLS_MSG) {
            zmq_msg_t message;
            CHECK (zmq_msg_init_size (&message, stream->size) == 0);
            write_body (zmq_msg_data (&message), stream->size, number);
            CHECK (zmq_msg_send (&message, socket, 0) == (int) stream->size);
        } else {
            write_body (buffer, stream->size, number);
            CHECK (zmq_send (socket, buffer, stream->size, 0) == (int) stream->size);
        }
        number++;
    }
    CHECK (zmq_send (socket, "", 0, 0) == 0);
    free (buffer);
    return (struct stream_result){number, now_s () - start, cpu_s () - cpu};
}

struct stream_result receive_stream (void *socket, const struct stream *stream)
{
    unsigned char *buffer = malloc (stream->size);
    zmq_msg_t message;
    uint64_t number = 0;
    double start = 0, cpu = 0;
    CHECK (buffer && zmq_msg_init (&message) == 0);
    for (;;) {
        const unsigned char *body = buffer;
        int size;
        if (stream->calls == CALLS_MSG) {
            size = zmq_msg_recv (&message, socket, 0);
            body = zmq_msg_data (&message);
        } else {
            size = zmq_recv (socket, buffer, stream->size, 0);
        }
        if (size <= 0) {
            CHECK (size == 0);
            break;
        }
        if (number == 0) {
            start = now_s ();
            cpu = cpu_s ();
        }
        check_body (body, (size_t) size, stream, number);
        number++;
    }
    struct stream_result result = {number, now_s () - start, cpu_s () - cpu};
    CHECK (zmq_msg_close (&message) == 0);
    free (buffer);
    return result;
}
