/* router library|plain CLIENTS SIZE SECONDS
 * A ROUTER that echoes to many clients over tcp, each with one request in flight. The clients are DEALER sockets of the
 * library under test, all in one thread that serves them in turn, or plain sockets in one process that waits with epoll
 * (then only the ROUTER is measured). Every client checks size and number of every answer; both sides count. */
#include "common.h"
#include "zmtp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_SIZE_MAX 255

struct result {
    uint64_t requests; /* in the measured time */
    uint64_t all_requests;
    double seconds;
};

struct clients {
    size_t count;
    size_t size;
    double seconds;
    char endpoint[ENDPOINT_SIZE];
};

/* Ends the server: a body of one byte. */
static const unsigned char stop_body[] = {0};

/* The DEALER clients: requests go out for all, then each is answered and asks again in turn. */
static struct result drive_sockets (const struct clients *clients)
{
    unsigned char body[BODY_SIZE_MAX] = {0};
    uint64_t number = 0, answered, first_measured = 0;
    double start = 0;
    void *context = new_context ();
    void **sockets = calloc (clients->count, sizeof *sockets);
    CHECK (sockets);
    CHECK (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, (int) clients->count + 16) == 0);
    for (size_t index = 0; index < clients->count; index++) {
        sockets[index] = new_socket (context, ZMQ_DEALER);
        connect_socket (sockets[index], clients->endpoint);
    }
    /* Round 0 asks and round 1 hears the first answers, so that everyone is connected when the time starts. */
    for (uint64_t round = 0; round < 3 || now_s () < start + clients->seconds; round++) {
        if (round == 2) {
            start = now_s ();
            first_measured = number;
        }
        for (size_t index = 0; index < clients->count; index++) {
            if (round > 0) {
                CHECK (zmq_recv (sockets[index], body, sizeof body, 0) == (int) clients->size);
                memcpy (&answered, body, sizeof answered);
                CHECK (answered == number - clients->count);
            }
            memcpy (body, &number, sizeof number);
            CHECK (zmq_send (sockets[index], body, clients->size, 0) == (int) clients->size);
            number++;
        }
    }
    double seconds = now_s () - start;
    for (size_t index = 0; index < clients->count; index++)
        CHECK (zmq_recv (sockets[index], body, sizeof body, 0) == (int) clients->size);
    CHECK (zmq_send (sockets[0], stop_body, sizeof stop_body, 0) == 1);
    for (size_t index = 0; index < clients->count; index++)
        close_socket (sockets[index]);
    end_context (context);
    free (sockets);
    return (struct result){number - first_measured, number, seconds};
}

struct plain {
    int fd;
    uint64_t number;
    size_t held;
    unsigned char buffer[BODY_SIZE_MAX + 2];
};

static void plain_request (struct plain *client, size_t size)
{
    unsigned char frame[BODY_SIZE_MAX + 2] = {0, (unsigned char) size};
    memcpy (frame + 2, &client->number, sizeof client->number);
    CHECK (send (client->fd, frame, size + 2, MSG_NOSIGNAL) == (ssize_t) size + 2);
}

/* Whether the answer is there; checks it. */
static int plain_answer (struct plain *client, size_t size)
{
    struct zmtp_frame frame;
    const unsigned char *at = client->buffer;
    ssize_t got = recv (client->fd, client->buffer + client->held, sizeof client->buffer - client->held, 0);
    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got <= 0)
        fail ("the ROUTER closed a connection");
    client->held += (size_t) got;
    if (!zmtp_next (&at, client->buffer + client->held, &frame))
        return 0;
    CHECK (frame.flags == 0 && frame.size == size && memcmp (frame.body, &client->number, sizeof client->number) == 0);
    CHECK (client->held == size + 2);
    client->held = 0;
    client->number++;
    return 1;
}

static struct result drive_plain (const struct clients *clients)
{
    struct epoll_event events[256];
    struct plain *all = calloc (clients->count, sizeof *all);
    uint64_t answered = 0;
    int epoll = epoll_create1 (0);
    CHECK (all && epoll >= 0);
    for (size_t index = 0; index < clients->count; index++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[index]};
        all[index].fd = zmtp_connect (clients->endpoint, "DEALER");
        CHECK (epoll_ctl (epoll, EPOLL_CTL_ADD, all[index].fd, &event) == 0);
    }
    double start = now_s ();
    for (size_t index = 0; index < clients->count; index++)
        plain_request (&all[index], clients->size);
    size_t in_flight = clients->count;
    double end = start + clients->seconds;
    while (in_flight > 0) {
        int ready = epoll_wait (epoll, events, 256, -1);
        int late = now_s () >= end;
        for (int index = 0; index < ready; index++) {
            struct plain *client = events[index].data.ptr;
            if (!plain_answer (client, clients->size))
                continue;
            answered++;
            if (late)
                in_flight--;
            else
                plain_request (client, clients->size);
        }
    }
    double seconds = now_s () - start;
    const unsigned char stop[] = {0, sizeof stop_body, stop_body[0]};
    CHECK (send (all[0].fd, stop, sizeof stop, MSG_NOSIGNAL) == sizeof stop);
    free (all);
    return (struct result){answered, answered, seconds};
}

static uint64_t serve (void *socket)
{
    zmq_msg_t routing_id, body;
    uint64_t served = 0;
    CHECK (zmq_msg_init (&routing_id) == 0 && zmq_msg_init (&body) == 0);
    for (;;) {
        CHECK (zmq_msg_recv (&routing_id, socket, 0) > 0 && zmq_msg_more (&routing_id));
        int size = zmq_msg_recv (&body, socket, 0);
        CHECK (size > 0 && !zmq_msg_more (&body));
        if (size == sizeof stop_body)
            break;
        CHECK (zmq_msg_send (&routing_id, socket, ZMQ_SNDMORE) >= 0);
        CHECK (zmq_msg_send (&body, socket, 0) == size);
        served++;
    }
    CHECK (zmq_msg_close (&routing_id) == 0 && zmq_msg_close (&body) == 0);
    return served;
}

int main (int count, char **arguments)
{
    if (count != 5)
        fail ("usage: %s library|plain CLIENTS SIZE SECONDS", arguments[0]);
    int plain = strcmp (arguments[1], "plain") == 0;
    struct clients clients = {strtoul (arguments[2], NULL, 10), strtoul (arguments[3], NULL, 10),
                              strtod (arguments[4], NULL), {0}};
    struct result result;
    struct peer child;
    CHECK (clients.count > 0 && clients.size >= sizeof (uint64_t) && clients.size <= BODY_SIZE_MAX);
    raise_descriptor_limit ();
    if (fork_peer (&child) == 0) {
        report_library (plain ? "plain-clients" : "clients");
        hear (&child, clients.endpoint, ENDPOINT_SIZE);
        result = plain ? drive_plain (&clients) : drive_sockets (&clients);
        tell (&child, &result, sizeof result);
        return 0;
    }
    report_library ("router");
    void *context = new_context ();
    void *socket = new_socket (context, ZMQ_ROUTER);
    bind_socket (socket, "tcp", "router", clients.endpoint);
    tell (&child, clients.endpoint, ENDPOINT_SIZE);
    double cpu = cpu_s ();
    uint64_t served = serve (socket);
    cpu = cpu_s () - cpu;
    hear (&child, &result, sizeof result);
    join_peer (&child);
    close_socket (socket);
    end_context (context);
    if (served != result.all_requests)
        fail ("%" PRIu64 " asked, %" PRIu64 " served", result.all_requests, served);
    printf ("result requests=%" PRIu64 " requests_per_second=%.0f router_cpu_ns=%.0f\n", result.requests,
            (double) result.requests / result.seconds, cpu / (double) served * 1e9);
    return 0;
}
