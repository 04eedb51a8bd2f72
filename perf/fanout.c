/* fanout SUBSCRIBERS SIZE SECONDS
 * PUB with ZMQ_XPUB_NODROP to many subscribers over tcp. The subscribers are plain sockets in one process that waits
 * with epoll, so only the publisher is measured. Each checks size and number of every message it gets. */
#include "common.h"
#include "zmtp.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define BODY_SIZE_MAX 4096

/* Bodies are numbered from 0; these two numbers stand for the messages before and after the numbered ones. */
#define PROBE UINT64_MAX
#define END (UINT64_MAX - 1)

struct subscriber {
    int fd;
    int probed;
    int ended;
    uint64_t received;
    size_t held; /* bytes of an incomplete frame */
    unsigned char rest[BODY_SIZE_MAX + 9];
};

struct counts {
    uint64_t fewest;
    uint64_t most;
    double seconds;
};

struct audience {
    struct subscriber *subscribers;
    size_t count;
    size_t size;
    size_t probed;
    size_t ended;
    double start;
};

static void take_frame (struct audience *audience, struct subscriber *subscriber, const struct zmtp_frame *frame)
{
    uint64_t number;
    CHECK (frame->flags == 0 && frame->size == audience->size);
    memcpy (&number, frame->body, sizeof number);
    if (number == PROBE) {
        audience->probed += !subscriber->probed;
        subscriber->probed = 1;
    } else if (number == END) {
        CHECK (!subscriber->ended);
        subscriber->ended = 1;
        audience->ended++;
    } else {
        if (number != subscriber->received)
            fail ("message %" PRIu64 " is number %" PRIu64, subscriber->received, number);
        subscriber->received++;
        if (audience->start == 0)
            audience->start = now_s ();
    }
}

static void read_some (struct audience *audience, struct subscriber *subscriber)
{
    static unsigned char buffer[READ_SIZE];
    struct zmtp_frame frame;
    memcpy (buffer, subscriber->rest, subscriber->held);
    ssize_t got = recv (subscriber->fd, buffer + subscriber->held, sizeof buffer - subscriber->held, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail ("the publisher closed a connection");
    const unsigned char *at = buffer, *end = buffer + subscriber->held + got;
    while (zmtp_next (&at, end, &frame))
        take_frame (audience, subscriber, &frame);
    subscriber->held = (size_t) (end - at);
    CHECK (subscriber->held < sizeof subscriber->rest);
    memcpy (subscriber->rest, at, subscriber->held);
}

static void listening_process (const struct peer *parent, struct audience *audience)
{
    char endpoint[ENDPOINT_SIZE];
    struct epoll_event events[64];
    int told = 0, epoll = epoll_create1 (0);
    CHECK (epoll >= 0);
    hear (parent, endpoint, ENDPOINT_SIZE);
    audience->subscribers = calloc (audience->count, sizeof *audience->subscribers);
    CHECK (audience->subscribers);
    for (size_t index = 0; index < audience->count; index++) {
        struct subscriber *subscriber = &audience->subscribers[index];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = subscriber};
        subscriber->fd = zmtp_connect (endpoint, "SUB");
        zmtp_subscribe_all (subscriber->fd);
        CHECK (epoll_ctl (epoll, EPOLL_CTL_ADD, subscriber->fd, &event) == 0);
    }
    while (audience->ended < audience->count) {
        int ready = epoll_wait (epoll, events, 64, -1);
        for (int index = 0; index < ready; index++)
            read_some (audience, events[index].data.ptr);
        if (!told && audience->probed == audience->count) {
            told = 1;
            tell (parent, "", 1);
        }
    }
    struct counts counts = {UINT64_MAX, 0, now_s () - audience->start};
    for (size_t index = 0; index < audience->count; index++) {
        uint64_t received = audience->subscribers[index].received;
        counts.fewest = received < counts.fewest ? received : counts.fewest;
        counts.most = received > counts.most ? received : counts.most;
    }
    tell (parent, &counts, sizeof counts);
}

static void publish (void *socket, size_t size, uint64_t number)
{
    zmq_msg_t message;
    CHECK (zmq_msg_init_size (&message, size) == 0);
    memcpy (zmq_msg_data (&message), &number, sizeof number);
    CHECK (zmq_msg_send (&message, socket, 0) == (int) size);
}

/* Publishes until every subscriber was seen to get something. */
static void probe (void *socket, size_t size, const struct peer *child)
{
    struct pollfd told = {child->from_fd, POLLIN, 0};
    char byte;
    while (poll (&told, 1, 1) == 0)
        publish (socket, size, PROBE);
    hear (child, &byte, 1);
}

int main (int count, char **arguments)
{
    if (count != 4)
        fail ("usage: %s SUBSCRIBERS SIZE SECONDS", arguments[0]);
    struct audience audience = {.count = strtoul (arguments[1], NULL, 10), .size = strtoul (arguments[2], NULL, 10)};
    double seconds = strtod (arguments[3], NULL);
    struct peer child;
    struct counts counts;
    int yes = 1;
    uint64_t number = 0;
    char endpoint[ENDPOINT_SIZE];
    CHECK (audience.count > 0 && audience.size >= sizeof number && audience.size <= BODY_SIZE_MAX);
    raise_descriptor_limit ();
    if (fork_peer (&child) == 0) {
        listening_process (&child, &audience);
        return 0;
    }
    report_library ("publisher");
    void *context = new_context ();
    void *socket = new_socket (context, ZMQ_PUB);
    CHECK (zmq_setsockopt (socket, ZMQ_XPUB_NODROP, &yes, sizeof yes) == 0);
    bind_socket (socket, "tcp", "fanout", endpoint);
    tell (&child, endpoint, ENDPOINT_SIZE);
    probe (socket, audience.size, &child);
    double cpu = cpu_s (), end = now_s () + seconds;
    /* Looking at the clock about every hundred microseconds. */
    const uint64_t every = audience.count >= 32 ? 1 : 32 / audience.count;
    while (number % every != 0 || now_s () < end)
        publish (socket, audience.size, number++);
    publish (socket, audience.size, END);
    hear (&child, &counts, sizeof counts);
    cpu = cpu_s () - cpu;
    join_peer (&child);
    close_socket (socket);
    end_context (context);
    if (counts.fewest != number || counts.most != number)
        fail ("%" PRIu64 " published, %" PRIu64 " to %" PRIu64 " received", number, counts.fewest, counts.most);
    double deliveries = (double) number * (double) audience.count;
    printf ("result messages=%" PRIu64 " deliveries_per_second=%.0f publisher_cpu_ns=%.1f\n", number,
            deliveries / counts.seconds, cpu / deliveries * 1e9);
    return 0;
}
