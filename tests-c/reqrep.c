/* ZMQ_REQ and ZMQ_REP: the lock-step, envelopes, CORRELATE and RELAXED (zmq_socket(3), zmq_setsockopt(3), RFC 28). */
#include "common.h"

static void lock_step (const char *transport)
{
    part ("the lock-step over %s", transport);
    void *context = new_context ();
    void *rep = new_socket (context, ZMQ_REP);
    void *req = new_socket (context, ZMQ_REQ);
    endpoint_t endpoint;
    bind_fresh (rep, transport, endpoint);
    SHOW (zmq_send (req, "x", 1, ZMQ_DONTWAIT));
    SHOW (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    connect_to (req, endpoint);
    SHOW (zmq_send (rep, "x", 1, 0));
    SHOW (zmq_recv (rep, NULL, 0, ZMQ_DONTWAIT));
    SHOW (send_text (req, "question|of two", 0));
    SHOW (zmq_send (req, "x", 1, 0));
    SHOW (ready (req, ZMQ_POLLOUT));
    show_message ("rep", rep, 0);
    SHOW (zmq_recv (rep, NULL, 0, 0));
    SHOW (ready (rep, ZMQ_POLLIN));
    SHOW (ready (rep, ZMQ_POLLOUT));
    SHOW (send_text (rep, "answer||of three", 0));
    SHOW (zmq_send (rep, "x", 1, 0));
    show_message ("req", req, 0);
    SHOW (zmq_recv (req, NULL, 0, 0));

    part ("a message half sent or half received keeps the state over %s", transport);
    SHOW (zmq_send (req, "half", 4, ZMQ_SNDMORE));
    SHOW (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_send (req, "rest", 4, 0));
    wait_for (rep, ZMQ_POLLIN);
    SHOW (zmq_recv (rep, NULL, 0, 0));
    SHOW (int_option (rep, ZMQ_RCVMORE));
    SHOW (zmq_send (rep, "x", 1, 0));
    SHOW (zmq_recv (rep, NULL, 0, 0));
    SHOW (int_option (rep, ZMQ_RCVMORE));
    SHOW (zmq_send (rep, "half", 4, ZMQ_SNDMORE));
    SHOW (zmq_recv (rep, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_send (rep, "", 0, 0));
    show_message ("req", req, 0);
    close_socket (req);
    close_socket (rep);
    end_context (context);
}

/* What REQ and REP put on the wire, as ROUTER and DEALER see it. */
static void envelopes (const char *transport)
{
    part ("envelopes over %s", transport);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    void *req = new_socket (context, ZMQ_REQ);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    set_text (req, ZMQ_ROUTING_ID, "R");
    connect_to (req, endpoint);
    put (req, "a|b");
    show_message ("router", router, 0);
    if (strcmp (transport, "inproc") == 0) {
        part ("replies without the empty delimiter are dropped");
        put (router, "R|no delimiter");
        put (router, "R|x||late delimiter");
        put (router, "R|");
    }
    put (router, "R||the answer|");
    show_message ("req", req, 0);
    SHOW (zmq_recv (req, NULL, 0, 0));
    if (strcmp (transport, "inproc") == 0)
        put (router, "R||an answer nobody asked for");
    put (req, "next");
    show_message ("router", router, 0);
    put (router, "R||the next answer");
    show_message ("req", req, 0);
    close_socket (req);
    close_socket (router);

    void *rep = new_socket (context, ZMQ_REP);
    void *dealer = new_socket (context, ZMQ_DEALER);
    bind_fresh (rep, transport, endpoint);
    connect_to (dealer, endpoint);
    part ("requests without an empty delimiter are dropped");
    put (dealer, "no delimiter");
    put (dealer, "two|parts");
    put (dealer, "|plain");
    show_message ("rep", rep, 0);
    put (rep, "answer");
    show_message ("dealer", dealer, 0);
    put (dealer, "hop1|hop2||body|more body");
    show_message ("rep", rep, 0);
    put (rep, "answer|2");
    show_message ("dealer", dealer, 0);
    put (dealer, "||");
    show_message ("rep", rep, 0);
    put (rep, "");
    show_message ("dealer", dealer, 0);
    close_socket (rep);
    close_socket (dealer);
    end_context (context);
}

/* On a connection, a reply without the empty delimiter ends it. */
static void malformed_reply (const char *transport)
{
    part ("a malformed reply over %s", transport);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    void *req = new_socket (context, ZMQ_REQ);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    set_text (req, ZMQ_ROUTING_ID, "R");
    connect_to (req, endpoint);
    put (req, "question");
    show_message ("router", router, 0);
    void *monitor = open_monitor (context, req, ZMQ_EVENT_DISCONNECTED);
    put (router, "R|no delimiter");
    printf ("  %s\n", event_name (next_event (monitor, NULL, NULL)));
    SHOW (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    close_monitor (req, monitor);
    close_socket (req);
    close_socket (router);
    end_context (context);
}

static void correlate (const char *transport)
{
    part ("correlated and relaxed over %s", transport);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    void *req = new_socket (context, ZMQ_REQ);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    set_text (req, ZMQ_ROUTING_ID, "R");
    set_int (req, ZMQ_REQ_CORRELATE, 1);
    set_int (req, ZMQ_REQ_RELAXED, 1);
    connect_to (req, endpoint);
    unsigned char ids[2][4];
    for (int i = 0; i < 2; i++) {
        char text[16];
        snprintf (text, sizeof text, "request %d", i);
        SHOW (send_text (req, text, 0));
        take (router, text, sizeof text);
        CHECK (zmq_recv (router, ids[i], 4, 0) == 4);
        CHECK (zmq_recv (router, NULL, 0, 0) == 0);
        show_message ("router", router, 0);
    }
    uint32_t first, second;
    memcpy (&first, ids[0], 4);
    memcpy (&second, ids[1], 4);
    SHOW (second - first);
    /* The answer to the request that was given up is dropped, and so is one with a wrong id. */
    zmq_send (router, "R", 1, ZMQ_SNDMORE);
    zmq_send (router, ids[0], 4, ZMQ_SNDMORE);
    put (router, "|to the first");
    put (router, "R|xxxx||wrong id");
    if (strcmp (transport, "inproc") == 0)
        put (router, "R||no id");
    zmq_send (router, "R", 1, ZMQ_SNDMORE);
    zmq_send (router, ids[1], 4, ZMQ_SNDMORE);
    put (router, "|to the second");
    show_message ("req", req, 0);
    SHOW (zmq_recv (req, NULL, 0, 0));
    close_socket (req);
    close_socket (router);

    part ("relaxed alone over %s", transport);
    void *rep = new_socket (context, ZMQ_REP);
    req = new_socket (context, ZMQ_REQ);
    set_int (req, ZMQ_REQ_RELAXED, 1);
    bind_fresh (rep, transport, endpoint);
    connect_to (req, endpoint);
    SHOW (send_text (req, "given up", 0));
    show_message ("rep", rep, 0);
    SHOW (send_text (req, "sent again", 0));
    SHOW (send_text (rep, "late answer", 0));
    wait_for (rep, ZMQ_POLLIN);
    show_message ("rep", rep, 0);
    SHOW (send_text (rep, "answer", 0));
    show_message ("req", req, 0);
    SHOW (zmq_recv (req, NULL, 0, 0));
    close_socket (req);
    close_socket (rep);
    end_context (context);
}

static void many_peers (const char *transport)
{
    part ("one REQ, three REPs over %s", transport);
    void *context = new_context ();
    void *req = new_socket (context, ZMQ_REQ);
    void *rep[3];
    endpoint_t endpoint;
    for (int i = 0; i < 3; i++) {
        rep[i] = new_socket (context, ZMQ_REP);
        bind_fresh (rep[i], transport, endpoint);
        connect_to (req, endpoint);
    }
    for (int i = 0; i < 6; i++) {
        put (req, "to whom");
        wait_for (rep[i % 3], ZMQ_POLLIN);
        show_message (i % 3 == 0 ? "first" : i % 3 == 1 ? "second" : "third", rep[i % 3], 0);
        put (rep[i % 3], "it was me");
        show_message ("req", req, 0);
    }
    close_socket (req);
    for (int i = 0; i < 3; i++)
        close_socket (rep[i]);

    part ("one REP, three REQs over %s", transport);
    void *server = new_socket (context, ZMQ_REP);
    void *clients[3];
    bind_fresh (server, transport, endpoint);
    for (int i = 0; i < 3; i++) {
        clients[i] = new_socket (context, ZMQ_REQ);
        connect_to (clients[i], endpoint);
    }
    for (int round = 0; round < 100; round++) {
        char text[16], answer[16];
        for (int i = 0; i < 3; i++) {
            snprintf (text, sizeof text, "%d", i);
            put (clients[i], text);
        }
        for (int i = 0; i < 3; i++) {
            take (server, text, sizeof text);
            put (server, text);
        }
        for (int i = 0; i < 3; i++) {
            take (clients[i], answer, sizeof answer);
            CHECK (atoi (answer) == i);
        }
    }
    printf ("  every answer went to who asked\n");
    part ("an answer to a peer that has gone is dropped over %s", transport);
    put (clients[0], "leaving");
    show_message ("server", server, 0);
    close_socket (clients[0]);
    SHOW (send_text (server, "too late", 0));
    put (clients[1], "still here");
    show_message ("server", server, 0);
    put (server, "fine");
    show_message ("client", clients[1], 0);
    close_socket (clients[1]);
    close_socket (clients[2]);
    close_socket (server);
    end_context (context);
}

int main (void)
{
    for (int i = 0; i < COUNT (transports); i++)
        lock_step (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        envelopes (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        correlate (transports[i]);
    malformed_reply ("ipc");
    malformed_reply ("tcp");
    for (int i = 0; i < COUNT (transports); i++)
        many_peers (transports[i]);
    return 0;
}
