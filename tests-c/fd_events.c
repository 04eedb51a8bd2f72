/* ZMQ_FD and ZMQ_EVENTS: an edge-triggered descriptor, whose signal says only that ZMQ_EVENTS may have changed
 * (zmq_getsockopt(3)). The rule that is tested: who reads ZMQ_EVENTS after every signal and after every send and recv, and waits
 * on the descriptor only when it shows nothing to do, never waits in vain. */
#include "common.h"

#include <poll.h>
#include <sys/epoll.h>

static void *context;

static int events (void *socket)
{
    return int_option (socket, ZMQ_EVENTS);
}

/* Waits on the descriptor until ZMQ_EVENTS has the event. */
static void await (void *socket, int wanted)
{
    while (!(events (socket) & wanted)) {
        struct pollfd item = {int_option (socket, ZMQ_FD), POLLIN, 0};
        CHECK (poll (&item, 1, -1) == 1 && item.revents == POLLIN);
    }
}

static void basics (const char *transport)
{
    part ("ZMQ_EVENTS over %s", transport);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    SHOW (events (server));
    bind_fresh (server, transport, endpoint);
    SHOW (events (server));
    connect_to (client, endpoint);
    SHOW (events (client));
    await (server, ZMQ_POLLOUT);
    SHOW (events (server));
    int fd = int_option (server, ZMQ_FD);
    SHOW (fd >= 0);
    SHOW (fd == int_option (server, ZMQ_FD));
    SHOW (fd != int_option (client, ZMQ_FD));
    put (client, "one");
    await (server, ZMQ_POLLIN);
    SHOW (events (server));
    put (client, "two");
    SHOW (zmq_recv (server, NULL, 0, 0));
    await (server, ZMQ_POLLIN);
    SHOW (zmq_recv (server, NULL, 0, ZMQ_DONTWAIT));
    SHOW (events (server));
    SHOW (zmq_recv (server, NULL, 0, ZMQ_DONTWAIT));
    part ("nothing to do, nothing signalled, over %s", transport);
    struct pollfd item = {fd, POLLIN, 0};
    SHOW (events (server));
    SHOW (poll (&item, 1, 0));
    int value = 0;
    size_t size = 3;
    SHOW (zmq_getsockopt (server, ZMQ_FD, &value, &size));
    size = 3;
    SHOW (zmq_getsockopt (server, ZMQ_EVENTS, &value, &size));
    SHOW (zmq_setsockopt (server, ZMQ_EVENTS, &value, sizeof value));
    SHOW (zmq_setsockopt (server, ZMQ_FD, &value, sizeof value));
    close_socket (server);
    close_socket (client);
}

/* Other calls between the waits: any of them may have taken the signal, so ZMQ_EVENTS is read before each wait. */
static void *echo (void *socket)
{
    char text[32];
    unsigned int seed = 7;
    for (;;) {
        int size = -1;
        if (rand_r (&seed) % 3 == 0)
            events (socket);
        if (rand_r (&seed) % 3 == 0)
            size = zmq_recv (socket, text, sizeof text, ZMQ_DONTWAIT);
        if (size == -1) {
            await (socket, ZMQ_POLLIN);
            size = zmq_recv (socket, text, sizeof text, ZMQ_DONTWAIT);
        }
        CHECK (size >= 0);
        if (size == 3 && memcmp (text, "end", 3) == 0)
            return NULL;
        await (socket, ZMQ_POLLOUT);
        CHECK (zmq_send (socket, text, (size_t) size, ZMQ_DONTWAIT) == size);
    }
}

static void exchanges (const char *transport)
{
    part ("exchanges by the descriptor alone over %s", transport);
    void *server = new_socket (context, ZMQ_PAIR), *client = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    connect_to (client, endpoint);
    pthread_t thread = start (echo, server);
    int queue = epoll_create1 (0);
    struct epoll_event event = {EPOLLIN, {0}};
    CHECK (epoll_ctl (queue, EPOLL_CTL_ADD, int_option (client, ZMQ_FD), &event) == 0);
    unsigned int seed = 11;
    for (int i = 0; i < 5000; i++) {
        char text[32], answer[32];
        int size = snprintf (text, sizeof text, "%d", i);
        while (!(events (client) & ZMQ_POLLOUT))
            CHECK (epoll_wait (queue, &event, 1, -1) == 1);
        CHECK (zmq_send (client, text, (size_t) size, ZMQ_DONTWAIT) == size);
        while (!(events (client) & ZMQ_POLLIN)) {
            CHECK (epoll_wait (queue, &event, 1, -1) == 1);
            if (rand_r (&seed) % 4 == 0)
                ready (client, ZMQ_POLLIN);
        }
        CHECK (zmq_recv (client, answer, sizeof answer, ZMQ_DONTWAIT) == size && memcmp (text, answer, (size_t) size) == 0);
    }
    printf ("  all answered\n");
    put (client, "end");
    join (thread);
    close (queue);
    close_socket (client);
    close_socket (server);
}

static void *burst (void *socket)
{
    for (int i = 0; i < 10000; i++)
        put (socket, "burst");
    return NULL;
}

/* Everything is read after one signal; a later message signals again. */
static void bursts (const char *transport)
{
    part ("bursts over %s", transport);
    void *pull = new_socket (context, ZMQ_PULL), *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    connect_to (push, endpoint);
    pthread_t thread = start (burst, push);
    int received = 0;
    while (received < 10000) {
        await (pull, ZMQ_POLLIN);
        while (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT) == 5)
            received++;
    }
    join (thread);
    printf ("  %d, and POLLOUT comes back:", received);
    close_socket (push);
    close_socket (pull);
    pull = new_socket (context, ZMQ_PULL);
    push = new_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_SNDHWM, 10);
    set_int (pull, ZMQ_RCVHWM, 10);
    bind_fresh (pull, transport, endpoint);
    connect_to (push, endpoint);
    thread = start (burst, push);
    received = 0;
    while (received < 10000) {
        await (pull, ZMQ_POLLIN);
        CHECK (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT) == 5);
        received++;
    }
    join (thread);
    printf (" %d\n", received);
    close_socket (push);
    close_socket (pull);
}

/* A peer that comes and goes is signalled as well. */
static void peers (const char *transport)
{
    part ("peers come and go over %s", transport);
    void *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (push, transport, endpoint);
    for (int i = 0; i < 3; i++) {
        SHOW (events (push));
        void *pull = new_socket (context, ZMQ_PULL);
        connect_to (pull, endpoint);
        await (push, ZMQ_POLLOUT);
        SHOW (events (push));
        close_socket (pull);
        while (events (push) & ZMQ_POLLOUT) {
            struct pollfd item = {int_option (push, ZMQ_FD), POLLIN, 0};
            CHECK (poll (&item, 1, 100) >= 0);
        }
    }
    close_socket (push);
}

static void *wait_for_end (void *socket)
{
    int value;
    size_t size = sizeof value;
    struct pollfd item = {int_option (socket, ZMQ_FD), POLLIN, 0};
    while (zmq_getsockopt (socket, ZMQ_EVENTS, &value, &size) == 0)
        CHECK (poll (&item, 1, -1) == 1);
    printf ("  %s\n", error_name (zmq_errno ()));
    close_socket (socket);
    return NULL;
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        basics (transports[i]);
        exchanges (transports[i]);
        bursts (transports[i]);
        peers (transports[i]);
    }
    part ("termination signals the descriptor");
    pthread_t thread = start (wait_for_end, new_socket (context, ZMQ_PULL));
    end_context (context);
    join (thread);
    return 0;
}
