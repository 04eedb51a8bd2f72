/* Bursts of small messages to one peer, and what ends or changes them in the middle: nothing of them is lost, and marks hold. */
#include "common.h"

#include <string.h>

static int fill (void *socket, int most)
{
    int count = 0;
    while (count < most && zmq_send (socket, "x", 1, ZMQ_DONTWAIT) == 1)
        count++;
    return count;
}

static int drain (void *socket)
{
    int count = 0;
    while (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT) == 1)
        count++;
    return count;
}

enum ending { CLOSES, UNBINDS, CLOSES_PUBLISHING };

/* The sender binds. Whatever it does after the burst, all of that arrives. */
static void ends (const char *transport, enum ending ending)
{
    static const char *const names[] = {"close", "unbind", "close of a publisher"};
    part ("a burst and a %s, %s", names[ending], transport);
    void *context = new_context (), *other = new_context ();
    int lost = 0;
    for (int round = 0; round < 150; round++) {
        int count = 2 + round * 7 % 60, got = 0;
        endpoint_t endpoint;
        void *sender = new_socket (context, ending == CLOSES_PUBLISHING ? ZMQ_XPUB : ZMQ_PUSH);
        void *receiver = new_socket (other, ending == CLOSES_PUBLISHING ? ZMQ_SUB : ZMQ_PULL);
        set_int (sender, ZMQ_LINGER, -1);
        bind_fresh (sender, transport, endpoint);
        connect_to (receiver, endpoint);
        if (ending == CLOSES_PUBLISHING) {
            subscribe (receiver, "");
            CHECK (zmq_recv (sender, NULL, 0, 0) == 1);
        }
        CHECK (zmq_send (sender, "first", 5, 0) == 5);
        CHECK (zmq_recv (receiver, NULL, 0, 0) == 5);
        for (int i = 0; i < count; i++)
            CHECK (zmq_send (sender, "x", 1, 0) == 1);
        if (ending == UNBINDS)
            CHECK (zmq_unbind (sender, endpoint) == 0);
        else
            close_socket (sender);
        set_int (receiver, ZMQ_RCVTIMEO, 1000);
        while (got < count && zmq_recv (receiver, NULL, 0, 0) == 1)
            got++;
        lost += count - got;
        close_socket (receiver);
        if (ending == UNBINDS)
            close_socket (sender);
    }
    printf ("  %d lost\n", lost);
    end_context (context);
    end_context (other);
}

/* The mark is changed when some messages are on their way. */
static void marks_change (int sent, int before, int after)
{
    void *context = new_context ();
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    set_int (push, ZMQ_SNDHWM, before);
    set_int (pull, ZMQ_RCVHWM, 5);
    bind_fresh (pull, "inproc", endpoint);
    connect_to (push, endpoint);
    int first = fill (push, sent);
    set_int (push, ZMQ_SNDHWM, after);
    int second = fill (push, 1000);
    printf ("  mark %d: %d sent; mark %d: %d more; received %d\n", before, first, after, second, drain (pull));
    close_socket (push);
    close_socket (pull);
    end_context (context);
}

static void *run_proxy (void *sockets)
{
    void **each = sockets;
    CHECK (zmq_proxy (each[0], each[1], each[2]) == -1 && zmq_errno () == ETERM);
    for (int i = 0; i < 3; i++)
        close_socket (each[i]);
    return NULL;
}

/* A proxy takes no more than it can pass on, and captures what it passes on. */
static void proxy_waits (void)
{
    part ("a proxy whose sink takes no more");
    void *context = new_context ();
    static const int types[] = {ZMQ_PULL, ZMQ_PUSH, ZMQ_PUSH};
    void *sockets[3], *peers[3];
    for (int i = 0; i < 3; i++) {
        endpoint_t endpoint;
        sockets[i] = new_socket (context, types[i]);
        peers[i] = new_socket (context, i == 0 ? ZMQ_PUSH : ZMQ_PULL);
        int mark = i == 0 ? 500 : i == 1 ? 5 : 0;
        set_int (sockets[i], i == 0 ? ZMQ_RCVHWM : ZMQ_SNDHWM, mark);
        set_int (peers[i], i == 0 ? ZMQ_SNDHWM : ZMQ_RCVHWM, mark);
        bind_fresh (sockets[i], "inproc", endpoint);
        connect_to (peers[i], endpoint);
    }
    SHOW (fill (peers[0], 400));
    pthread_t thread = start (run_proxy, sockets);
    /* Ten find room behind the proxy, and it holds one more. */
    for (int i = 0; i < 11; i++)
        CHECK (zmq_recv (peers[2], NULL, 0, 0) == 1);
    zmq_pollitem_t captured = {peers[2], 0, ZMQ_POLLIN, 0};
    SHOW (zmq_poll (&captured, 1, 100));
    for (int i = 0; i < 400; i++)
        CHECK (zmq_recv (peers[1], NULL, 0, 0) == 1);
    for (int i = 11; i < 400; i++)
        CHECK (zmq_recv (peers[2], NULL, 0, 0) == 1);
    SHOW (zmq_poll (&captured, 1, 0));
    CHECK (zmq_ctx_shutdown (context) == 0);
    join (thread);
    for (int i = 0; i < 3; i++)
        close_socket (peers[i]);
    end_context (context);
}

/* Messages of several parts, of which one is larger than what a proxy takes at once. */
static void proxy_keeps_messages_whole (void)
{
    enum { MESSAGES = 20, SIZE = 700 * 1024 };
    part ("a proxy and large messages of several parts");
    static char body[SIZE], received[SIZE];
    void *context = new_context ();
    void *sockets[3], *peers[3];
    for (int i = 0; i < 3; i++) {
        endpoint_t endpoint;
        sockets[i] = new_socket (context, i == 0 ? ZMQ_PULL : ZMQ_PUSH);
        peers[i] = new_socket (context, i == 0 ? ZMQ_PUSH : ZMQ_PULL);
        bind_fresh (sockets[i], "tcp", endpoint);
        connect_to (peers[i], endpoint);
    }
    pthread_t thread = start (run_proxy, sockets);
    for (int i = 0; i < MESSAGES; i++) {
        memset (body, 'a' + i, SIZE);
        CHECK (zmq_send (peers[0], "head", 4, ZMQ_SNDMORE) == 4);
        CHECK (zmq_send (peers[0], body, SIZE, ZMQ_SNDMORE) == SIZE);
        CHECK (zmq_send (peers[0], "tail", 4, 0) == 4);
    }
    for (int i = 0; i < MESSAGES; i++)
        for (int taker = 1; taker < 3; taker++) {
            memset (body, 'a' + i, SIZE);
            CHECK (zmq_recv (peers[taker], received, SIZE, 0) == 4 && memcmp (received, "head", 4) == 0);
            CHECK (int_option (peers[taker], ZMQ_RCVMORE) == 1);
            CHECK (zmq_recv (peers[taker], received, SIZE, 0) == SIZE && memcmp (received, body, SIZE) == 0);
            CHECK (int_option (peers[taker], ZMQ_RCVMORE) == 1);
            CHECK (zmq_recv (peers[taker], received, SIZE, 0) == 4 && memcmp (received, "tail", 4) == 0);
            CHECK (int_option (peers[taker], ZMQ_RCVMORE) == 0);
        }
    printf ("  whole\n");
    CHECK (zmq_ctx_shutdown (context) == 0);
    join (thread);
    for (int i = 0; i < 3; i++)
        close_socket (peers[i]);
    end_context (context);
}

int main (void)
{
    static const char *const network[] = {"ipc", "tcp"};
    for (int i = 0; i < COUNT (network); i++)
        for (enum ending ending = CLOSES; ending <= CLOSES_PUBLISHING; ending++)
            ends (network[i], ending);
    part ("marks that change in the middle");
    static const int sent[] = {1, 2, 7, 10, 15, 20};
    for (int i = 0; i < COUNT (sent); i++) {
        marks_change (sent[i], 10, 3);
        marks_change (sent[i], 10, 1);
        /* When a sender that is blocked learns of a higher mark is a matter of time. */
        if (sent[i] < 15) {
            marks_change (sent[i], 10, 20);
            marks_change (sent[i], 10, 0);
        }
        marks_change (sent[i], 0, 8);
    }
    proxy_waits ();
    proxy_keeps_messages_whole ();
    return 0;
}
