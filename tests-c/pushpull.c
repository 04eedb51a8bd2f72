/* ZMQ_PUSH and ZMQ_PULL: round-robin out, fair queueing in, blocking without a peer (zmq_socket(3), RFC 30). */
#include "common.h"

#define PEERS 3

static void load_balance (const char *transport)
{
    part ("a push socket deals in turn over %s", transport);
    void *context = new_context ();
    void *push = new_socket (context, ZMQ_PUSH);
    void *pull[PEERS];
    endpoint_t endpoint;
    for (int i = 0; i < PEERS; i++) {
        pull[i] = new_socket (context, ZMQ_PULL);
        bind_fresh (pull[i], transport, endpoint);
        connect_to (push, endpoint);
    }
    /* A connecting socket has its pipes at once: the order is that of the connects. */
    for (int i = 0; i < 3 * PEERS; i++) {
        char text[32];
        snprintf (text, sizeof text, "message|%d", i);
        put (push, text);
    }
    for (int i = 0; i < PEERS; i++)
        for (int k = 0; k < 3; k++)
            show_message (i == 0 ? "first" : i == 1 ? "second" : "third", pull[i], 0);
    for (int i = 0; i < PEERS; i++)
        close_socket (pull[i]);
    close_socket (push);
    end_context (context);
}

static void bound_push (const char *transport)
{
    part ("a bound push socket over %s", transport);
    void *context = new_context ();
    void *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (push, transport, endpoint);
    SHOW (send_text (push, "nobody", ZMQ_DONTWAIT));
    SHOW (ready (push, ZMQ_POLLOUT));
    void *pull[PEERS];
    for (int i = 0; i < PEERS; i++) {
        pull[i] = new_socket (context, ZMQ_PULL);
        connect_and_wait (context, push, pull[i], endpoint);
    }
    /* Every peer is there after it has had one message. */
    int seen[PEERS] = {0}, missing = PEERS;
    while (missing) {
        put (push, "ping");
        wait_for (push, ZMQ_POLLOUT);
        for (int i = 0; i < PEERS; i++)
            while (ready (pull[i], ZMQ_POLLIN)) {
                char text[8];
                take (pull[i], text, sizeof text);
                missing -= !seen[i];
                seen[i] = 1;
            }
    }
    /* Now 30 messages end on three peers, ten each. */
    for (int i = 0; i < 30; i++)
        put (push, "work");
    for (int i = 0; i < PEERS; i++)
        for (int k = 0; k < 10;) {
            char text[8];
            take (pull[i], text, sizeof text);
            k += strcmp (text, "work") == 0;
        }
    printf ("  ten each\n");
    for (int i = 0; i < PEERS; i++)
        close_socket (pull[i]);
    close_socket (push);
    end_context (context);
}

static void fair_queue (const char *transport)
{
    part ("a pull socket takes in turn over %s", transport);
    void *context = new_context ();
    void *pull = new_socket (context, ZMQ_PULL);
    void *push[PEERS];
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    for (int i = 0; i < PEERS; i++) {
        push[i] = new_socket (context, ZMQ_PUSH);
        connect_and_wait (context, pull, push[i], endpoint);
        for (int k = 0; k < 4; k++) {
            char text[32];
            snprintf (text, sizeof text, "%c%d|end", 'a' + i, k);
            put (push[i], text);
        }
    }
    /* Wholly deterministic on inproc; elsewhere only the order of each peer is. */
    int next[PEERS] = {0};
    for (int i = 0; i < 4 * PEERS; i++) {
        if (strcmp (transport, "inproc") == 0) {
            show_message ("pull", pull, 0);
            continue;
        }
        char text[16], end[16];
        take (pull, text, sizeof text);
        CHECK (int_option (pull, ZMQ_RCVMORE) == 1);
        take (pull, end, sizeof end);
        CHECK (strcmp (end, "end") == 0 && text[1] - '0' == next[text[0] - 'a']++);
    }
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    for (int i = 0; i < PEERS; i++)
        close_socket (push[i]);
    close_socket (pull);
    end_context (context);
}

static void *send_later (void *socket)
{
    SHOW (send_text (socket, "was blocked", 0));
    return NULL;
}

static void blocks (void)
{
    part ("a push socket blocks without a peer and goes on when one comes");
    void *context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        void *push = new_socket (context, ZMQ_PUSH);
        void *pull = new_socket (context, ZMQ_PULL);
        endpoint_t endpoint;
        bind_fresh (push, transports[i], endpoint);
        set_int (push, ZMQ_SNDTIMEO, 20);
        SHOW (send_text (push, "x", 0));
        set_int (push, ZMQ_SNDTIMEO, -1);
        pthread_t thread = start (send_later, push);
        connect_to (pull, endpoint);
        join (thread);
        show_message ("pull", pull, 0);
        close_socket (push);
        close_socket (pull);
    }

    part ("a pull socket blocks until a message comes");
    void *push = new_socket (context, ZMQ_PUSH);
    void *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (pull, "tcp", endpoint);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    set_int (pull, ZMQ_RCVTIMEO, 20);
    SHOW (zmq_recv (pull, NULL, 0, 0));
    set_int (pull, ZMQ_RCVTIMEO, -1);
    connect_to (push, endpoint);
    pthread_t thread = start (send_later, push);
    join (thread);
    show_message ("pull", pull, 0);

    part ("the wrong direction");
    SHOW (zmq_recv (push, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_send (pull, "x", 1, ZMQ_DONTWAIT));
    SHOW (ready (push, ZMQ_POLLIN));
    SHOW (ready (pull, ZMQ_POLLOUT));
    close_socket (push);
    close_socket (pull);
    end_context (context);
}

/* A peer that has gone drops out of the rotation: from then on the other gets every message. */
static void peer_leaves (const char *transport)
{
    part ("a peer leaves over %s", transport);
    void *context = new_context ();
    void *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (push, transport, endpoint);
    void *stays = new_socket (context, ZMQ_PULL);
    void *leaves = new_socket (context, ZMQ_PULL);
    connect_and_wait (context, push, stays, endpoint);
    connect_and_wait (context, push, leaves, endpoint);
    close_socket (leaves);
    set_int (stays, ZMQ_RCVTIMEO, 10);
    int in_a_row = 0, last = -1;
    for (int i = 0; in_a_row < 10; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        put (push, text);
        while (zmq_recv (stays, text, sizeof text, 0) != -1) {
            in_a_row = atoi (text) == last + 1 ? in_a_row + 1 : 0;
            last = atoi (text);
            if (last == i)
                break;
        }
    }
    printf ("  the other gets everything\n");
    close_socket (stays);
    close_socket (push);
    end_context (context);
}

int main (void)
{
    for (int i = 0; i < COUNT (transports); i++)
        load_balance (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        bound_push (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        fair_queue (transports[i]);
    blocks ();
    for (int i = 0; i < COUNT (transports); i++)
        peer_leaves (transports[i]);
    return 0;
}
