/* ZMQ_ROUTER in the corners: HANDOVER and what the old peer had sent, MANDATORY with a full pipe, POLLOUT in each mode,
 * PROBE_ROUTER from every type that has it, empty frames everywhere (zmq_socket(3), zmq_setsockopt(3), RFC 28). */
#include "common.h"

static void *context;

static void *named (int type, const char *id)
{
    void *socket = new_socket (context, type);
    set_text (socket, ZMQ_ROUTING_ID, id);
    return socket;
}

/* Waits until a ROUTER with MANDATORY has lost its last peer: then nothing can be sent. */
static void wait_until_alone (void *router)
{
    while (ready (router, ZMQ_POLLOUT))
        CHECK (zmq_recv (router, NULL, 0, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
}

/* What the old peer had sent before the new one came, read by the ROUTER only afterwards. */
static void handover (const char *transport, int taken)
{
    part ("HANDOVER over %s, %d of three messages taken before", transport, taken);
    void *router = new_socket (context, ZMQ_ROUTER);
    set_int (router, ZMQ_ROUTER_HANDOVER, 1);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    void *old = named (ZMQ_DEALER, "same"), *young = named (ZMQ_DEALER, "same");
    connect_and_wait (context, router, old, endpoint);
    put (old, "old 1");
    put (old, "old 2|of two");
    put (old, "old 3");
    wait_for (router, ZMQ_POLLIN);
    for (int i = 0; i < taken; i++)
        show_message ("router", router, 0);
    connect_and_wait (context, router, young, endpoint);
    put (young, "young");
    for (int i = taken; i < 4; i++) {
        zmq_pollitem_t item = {router, 0, ZMQ_POLLIN, 0};
        if (zmq_poll (&item, 1, 300) == 0)
            break;
        show_message ("router", router, 0);
    }
    SHOW (send_text (router, "same|to whom", 0));
    show_message ("young", young, 0);
    SHOW (zmq_recv (old, NULL, 0, ZMQ_DONTWAIT));
    SHOW (ready (old, ZMQ_POLLOUT));
    SHOW (send_text (old, "not heard", ZMQ_DONTWAIT));
    put (young, "heard");
    show_message ("router", router, 0);
    SHOW (ready (router, ZMQ_POLLIN));
    close_socket (young);
    wait_until_alone (router);
    SHOW (send_text (router, "same|nobody has the id", 0));
    close_socket (old);
    close_socket (router);
}

/* A message of the old peer, or to it, is half through when the new one comes. */
static void half_through (const char *transport)
{
    part ("a message of the old peer half read over %s", transport);
    void *router = new_socket (context, ZMQ_ROUTER);
    set_int (router, ZMQ_ROUTER_HANDOVER, 1);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    void *old = named (ZMQ_DEALER, "same"), *young = named (ZMQ_DEALER, "same");
    connect_and_wait (context, router, old, endpoint);
    put (old, "one|two|three");
    SHOW (zmq_recv (router, NULL, 0, 0));
    SHOW (zmq_recv (router, NULL, 0, 0));
    connect_and_wait (context, router, young, endpoint);
    put (young, "young|message");
    show_message ("the rest", router, 0);
    show_message ("router", router, 0);
    close_socket (old);
    close_socket (young);
    close_socket (router);
}

/* The id of a peer that has gone is free again, with and without HANDOVER. */
static void id_again (const char *transport, int hands_over)
{
    part ("an id that was given back over %s, HANDOVER %d", transport, hands_over);
    void *router = new_socket (context, ZMQ_ROUTER);
    set_int (router, ZMQ_ROUTER_HANDOVER, hands_over);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    for (int i = 0; i < 3; i++) {
        void *dealer = named (ZMQ_DEALER, "again");
        connect_to (dealer, endpoint);
        put (dealer, "hello");
        show_message ("router", router, 0);
        SHOW (send_text (router, "again|welcome", 0));
        show_message ("dealer", dealer, 0);
        close_socket (dealer);
        wait_until_alone (router);
        SHOW (send_text (router, "again|nobody has the id", 0));
    }
    close_socket (router);
}

static char large[100000];

static void *send_blocking (void *router)
{
    CHECK (zmq_send (router, "slow", 4, ZMQ_SNDMORE) == 4);
    CHECK (zmq_send (router, "it waited", 9, 0) == 9);
    return NULL;
}

/* EAGAIN from a peer whose queue is full, EHOSTUNREACH from one that is not there, and POLLOUT of all that. */
static void full (const char *transport, int mandatory)
{
    part ("a full queue over %s, MANDATORY %d", transport, mandatory);
    void *router = new_socket (context, ZMQ_ROUTER), *slow = named (ZMQ_DEALER, "slow"), *other = named (ZMQ_DEALER, "other");
    set_int (router, ZMQ_ROUTER_MANDATORY, mandatory);
    set_int (router, ZMQ_SNDHWM, 2);
    set_int (slow, ZMQ_RCVHWM, 2);
    endpoint_t endpoint;
    SHOW (ready (router, ZMQ_POLLOUT));
    bind_fresh (router, transport, endpoint);
    SHOW (ready (router, ZMQ_POLLOUT));
    connect_to (slow, endpoint);
    put (slow, "here");
    show_message ("router", router, 0);
    SHOW (ready (router, ZMQ_POLLOUT));
    int sent = 0;
    if (mandatory) {
        do
            while (zmq_send (router, "slow", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 4) {
                CHECK (zmq_send (router, large, sizeof large, ZMQ_DONTWAIT) == sizeof large);
                sent++;
            }
        while (zmq_poll (&(zmq_pollitem_t){router, 0, ZMQ_POLLOUT, 0}, 1, 200) == 1);
        SHOW (zmq_send (router, "slow", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT));
        SHOW (zmq_send (router, "nobody", 6, ZMQ_SNDMORE | ZMQ_DONTWAIT));
        SHOW (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
        set_int (router, ZMQ_SNDTIMEO, 20);
        SHOW (zmq_send (router, "slow", 4, ZMQ_SNDMORE));
        set_int (router, ZMQ_SNDTIMEO, -1);
        SHOW (ready (router, ZMQ_POLLOUT));
        SHOW (int_option (router, ZMQ_EVENTS) & ZMQ_POLLOUT);
    } else
        for (int i = 0; i < 1000; i++)
            CHECK (zmq_send (router, "slow", 4, ZMQ_SNDMORE) == 4 && zmq_send (router, large, sizeof large, 0) == sizeof large);
    SHOW (ready (router, ZMQ_POLLOUT));
    connect_to (other, endpoint);
    put (other, "here");
    show_message ("router", router, 0);
    printf ("  another peer has room\n");
    SHOW (ready (router, ZMQ_POLLOUT));
    SHOW (send_text (router, "other|passes by", 0));
    show_message ("other", other, 0);
    if (mandatory) {
        pthread_t thread = start (send_blocking, router);
        for (; sent > 0; sent--)
            CHECK (zmq_recv (slow, NULL, 0, 0) == sizeof large);
        show_message ("slow", slow, 0);
        join (thread);
        SHOW (ready (router, ZMQ_POLLOUT));
        SHOW (send_text (router, "slow|room again", 0));
        show_message ("slow", slow, 0);
    } else {
        char byte;
        CHECK (zmq_recv (slow, &byte, 1, 0) == sizeof large);
    }
    close_socket (slow);
    close_socket (other);
    close_socket (router);
}

/* The first thing that a ROUTER hears of a peer with PROBE_ROUTER is an empty message, whatever the peer is. */
static void probes (const char *transport)
{
    static const int types[] = {ZMQ_DEALER, ZMQ_REQ, ZMQ_ROUTER, ZMQ_REP};
    /* A REP and a ROUTER do not pair where there is a handshake. */
    int count = strcmp (transport, "inproc") == 0 ? COUNT (types) : COUNT (types) - 1;
    for (int i = 0; i < count; i++) {
        part ("PROBE_ROUTER of a %s over %s", type_name (types[i]), transport);
        void *router = named (ZMQ_ROUTER, "router"), *client = named (types[i], "client");
        endpoint_t endpoint;
        bind_fresh (router, transport, endpoint);
        SHOW (zmq_setsockopt (client, ZMQ_PROBE_ROUTER, &(int){1}, sizeof (int)));
        connect_to (client, endpoint);
        show_message ("router", router, 0);
        SHOW (ready (router, ZMQ_POLLIN));
        put (router, "client||request");
        if (types[i] == ZMQ_REQ)
            SHOW (zmq_recv (client, NULL, 0, ZMQ_DONTWAIT));
        else
            show_message ("client", client, 0);
        close_socket (client);
        close_socket (router);
    }
}

/* A bound ROUTER that probes, and both sides that do. */
static void probed_by_the_server (const char *transport)
{
    part ("a ROUTER that binds probes over %s", transport);
    void *router = named (ZMQ_ROUTER, "server"), *dealer = named (ZMQ_DEALER, "D"), *client = named (ZMQ_ROUTER, "R");
    set_int (router, ZMQ_PROBE_ROUTER, 1);
    set_int (client, ZMQ_PROBE_ROUTER, 1);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    connect_to (dealer, endpoint);
    wait_driving (dealer, ZMQ_POLLIN, router);
    show_message ("dealer", dealer, 0);
    connect_to (client, endpoint);
    wait_driving (client, ZMQ_POLLIN, router);
    show_message ("client", client, 0);
    show_message ("router", router, 0);
    put (client, "server|knows you");
    show_message ("router", router, 0);
    put (router, "R|and you");
    show_message ("client", client, 0);
    close_socket (dealer);
    close_socket (client);
    close_socket (router);
}

static void empty_frames (const char *transport)
{
    part ("empty frames over %s", transport);
    void *router = new_socket (context, ZMQ_ROUTER), *dealer = named (ZMQ_DEALER, "D");
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    connect_to (dealer, endpoint);
    static const char *const texts[] = {"", "|", "||", "|||x", "x|", "x||", "|x|", "||||||||"};
    for (int i = 0; i < COUNT (texts); i++) {
        char text[32];
        put (dealer, texts[i]);
        show_message ("router", router, 0);
        snprintf (text, sizeof text, "D|%s", texts[i]);
        put (router, text);
        show_message ("dealer", dealer, 0);
    }
    part ("an empty id, an id alone, and what follows, over %s", transport);
    SHOW (send_text (router, "|to nobody|at all", 0));
    SHOW (send_text (router, "D", 0));
    SHOW (send_text (router, "", 0));
    SHOW (send_text (router, "D|after it", 0));
    show_message ("dealer", dealer, 0);
    SHOW (zmq_send (router, NULL, 0, ZMQ_SNDMORE));
    SHOW (zmq_send (router, NULL, 0, ZMQ_SNDMORE));
    SHOW (zmq_send (router, NULL, 0, 0));
    SHOW (send_text (router, "D|", 0));
    show_message ("dealer", dealer, 0);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    SHOW (send_text (router, "|to nobody", 0));
    SHOW (send_text (router, "D|after it", 0));
    show_message ("dealer", dealer, 0);
    SHOW (zmq_recv (dealer, NULL, 0, ZMQ_DONTWAIT));
    close_socket (dealer);
    close_socket (router);
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        for (int taken = 0; taken < 4; taken++)
            handover (transports[i], taken);
        half_through (transports[i]);
        id_again (transports[i], 0);
        id_again (transports[i], 1);
        full (transports[i], 0);
        full (transports[i], 1);
        probes (transports[i]);
        probed_by_the_server (transports[i]);
        empty_frames (transports[i]);
    }
    end_context (context);
    return 0;
}
