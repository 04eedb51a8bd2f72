/* Shared by the programs of tests-c about one mechanism: messages of all socket types over connections that are secured by it. */
#ifndef MONOCOQUE_TESTS_EXCHANGES_H
#define MONOCOQUE_TESTS_EXCHANGES_H

#include "security.h"

/* Where and how: the handler may be missing where none is needed. */
struct way
{
    void *context, *handler;
    enum mechanism mechanism;
    const char *transport;
};

/* Connects and returns when both sides have shaken hands. */
static UNUSED void secured_connect (const struct way *way, void *server, void *client, const char *endpoint)
{
    void *server_monitor = open_monitor (way->context, server, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    void *client_monitor = open_monitor (way->context, client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    connect_to (client, endpoint);
    if (way->handler)
        accept_next (way->handler);
    wait_for_event (server_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    wait_for_event (client_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    close_monitor (server, server_monitor);
    close_monitor (client, client_monitor);
}

static UNUSED void open_way (const struct way *way, int server_type, int client_type, void **server, void **client, endpoint_t endpoint)
{
    *server = as_server (new_socket (way->context, server_type), way->mechanism);
    *client = as_client (new_socket (way->context, client_type), way->mechanism);
    bind_fresh (*server, way->transport, endpoint);
}

static UNUSED void routed (const struct way *way)
{
    part ("%s over %s: DEALER and ROUTER", mechanism_names[way->mechanism], way->transport);
    void *server, *client;
    endpoint_t endpoint;
    open_way (way, ZMQ_ROUTER, ZMQ_DEALER, &server, &client, endpoint);
    set_text (client, ZMQ_ROUTING_ID, "client");
    set_int (client, ZMQ_PROBE_ROUTER, 1);
    secured_connect (way, server, client, endpoint);
    show_message ("probe", server, 0);
    put (client, "one|two||three|");
    show_message ("server", server, 0);
    put (server, "client|four||five");
    show_message ("client", client, 0);
    put (server, "client|");
    show_message ("client", client, 0);
    SHOW (int_option (server, ZMQ_MECHANISM));
    SHOW (int_option (client, ZMQ_MECHANISM));
    close_socket (client);
    close_socket (server);
}

/* Sizes about the limits of short frames and of what is read at once, there and back. */
static UNUSED void sizes (const struct way *way)
{
    static const size_t all[] = {0, 1, 30, 31, 32, 33, 221, 222, 223, 224, 254, 255, 256, 257, 1000, 8159, 8192, 8225, 65535, 65536, 300000, 3000000};
    part ("%s over %s: sizes", mechanism_names[way->mechanism], way->transport);
    void *server, *client;
    endpoint_t endpoint;
    open_way (way, ZMQ_DEALER, ZMQ_DEALER, &server, &client, endpoint);
    secured_connect (way, server, client, endpoint);
    unsigned char *data = malloc (all[COUNT (all) - 1]);
    CHECK (data);
    for (size_t i = 0; i < all[COUNT (all) - 1]; i++)
        data[i] = (unsigned char) (i * 7 + i / 251);
    for (int i = 0; i < COUNT (all); i++)
        CHECK (zmq_send (client, data + i, all[i] - (all[i] > 100 ? (size_t) i : 0), i % 3 ? 0 : ZMQ_SNDMORE) >= 0);
    CHECK (zmq_send (client, "", 0, 0) == 0);
    for (int i = 0; i < COUNT (all) + 1; i++) {
        zmq_msg_t message;
        CHECK (zmq_msg_init (&message) == 0);
        CHECK (zmq_msg_recv (&message, server, 0) >= 0);
        int more = zmq_msg_more (&message);
        CHECK (zmq_msg_send (&message, server, more ? ZMQ_SNDMORE : 0) >= 0);
    }
    for (int more = 1, count = 0; count < COUNT (all) + 1; count += more) {
        more = show_message ("back", client, 0);
        CHECK (more > 0);
    }
    free (data);
    close_socket (client);
    close_socket (server);
}

static UNUSED void published (const struct way *way)
{
    part ("%s over %s: XPUB and SUB", mechanism_names[way->mechanism], way->transport);
    void *server, *client, *other = as_client (new_socket (way->context, ZMQ_SUB), way->mechanism);
    endpoint_t endpoint;
    open_way (way, ZMQ_XPUB, ZMQ_SUB, &server, &client, endpoint);
    subscribe (client, "a");
    secured_connect (way, server, client, endpoint);
    show_message ("the publisher", server, 0);
    secured_connect (way, server, other, endpoint);
    subscribe (other, "");
    show_message ("the publisher", server, 0);
    put (server, "b1|for the other");
    put (server, "a1|for both");
    show_message ("subscriber", client, 0);
    show_message ("other", other, 0);
    show_message ("other", other, 0);
    CHECK (zmq_setsockopt (client, ZMQ_UNSUBSCRIBE, "a", 1) == 0);
    show_message ("the publisher", server, 0);
    subscribe (client, "c");
    show_message ("the publisher", server, 0);
    put (server, "a2");
    put (server, "c1");
    show_message ("subscriber", client, 0);
    show_message ("other", other, 0);
    show_message ("other", other, 0);
    close_socket (client);
    show_message ("the publisher", server, 0);
    close_socket (other);
    show_message ("the publisher", server, 0);
    close_socket (server);
}

/* The side that subscribes is the server, and binds. */
static UNUSED void collected (const struct way *way)
{
    part ("%s over %s: SUB binds, XPUB connects", mechanism_names[way->mechanism], way->transport);
    void *server, *client;
    endpoint_t endpoint;
    open_way (way, ZMQ_SUB, ZMQ_XPUB, &server, &client, endpoint);
    subscribe (server, "a");
    secured_connect (way, server, client, endpoint);
    wait_driving (client, ZMQ_POLLIN, server);
    show_message ("the publisher", client, 0);
    put (client, "b");
    put (client, "a");
    show_message ("subscriber", server, 0);
    close_socket (client);
    close_socket (server);
}

static UNUSED void pushed (const struct way *way)
{
    enum { MESSAGES = 20000 };
    part ("%s over %s: PUSH and PULL", mechanism_names[way->mechanism], way->transport);
    void *server, *client;
    endpoint_t endpoint;
    open_way (way, ZMQ_PULL, ZMQ_PUSH, &server, &client, endpoint);
    set_int (client, ZMQ_SNDHWM, 0);
    set_int (server, ZMQ_RCVHWM, 0);
    secured_connect (way, server, client, endpoint);
    char text[64], expected[64];
    for (int i = 0; i < MESSAGES; i++) {
        int size = snprintf (text, sizeof text, "message %d", i);
        CHECK (zmq_send (client, text, (size_t) size, 0) == size);
    }
    for (int i = 0; i < MESSAGES; i++) {
        snprintf (expected, sizeof expected, "message %d", i);
        take (server, text, sizeof text);
        CHECK (strcmp (text, expected) == 0);
    }
    printf ("  %s\n", text);
    close_socket (client);
    close_socket (server);
}

static UNUSED void requested (const struct way *way)
{
    part ("%s over %s: REQ and REP", mechanism_names[way->mechanism], way->transport);
    void *server, *client;
    endpoint_t endpoint;
    open_way (way, ZMQ_REP, ZMQ_REQ, &server, &client, endpoint);
    secured_connect (way, server, client, endpoint);
    for (int i = 0; i < 3; i++) {
        put (client, "question|of two parts");
        show_message ("server", server, 0);
        put (server, "answer");
        show_message ("client", client, 0);
    }
    close_socket (client);
    close_socket (server);
}

/* Both sides ask for signs of life; the connection outlives the times that they give each other. */
static UNUSED void alive (const struct way *way)
{
    part ("%s over %s: heartbeats", mechanism_names[way->mechanism], way->transport);
    struct ends ends = open_ends (way->context, ZMQ_DEALER, ZMQ_DEALER);
    void *sides[] = {as_server (ends.server, way->mechanism), as_client (ends.client, way->mechanism)};
    for (int i = 0; i < 2; i++) {
        set_int (sides[i], ZMQ_HEARTBEAT_IVL, 10);
        set_int (sides[i], ZMQ_HEARTBEAT_TIMEOUT, 20000);
        set_int (sides[i], ZMQ_HEARTBEAT_TTL, 20000);
    }
    join_ends (&ends, way->transport);
    if (way->handler)
        accept_next (way->handler);
    both_succeed (&ends);
    for (int i = 0; i < 3; i++) {
        put (ends.client, "text");
        show_message ("server", ends.server, 0);
        show_security_events ("server", ends.server_monitor, 0);
    }
    close_ends (&ends);
}

/* The server goes and another comes in its place: the client shakes hands anew. */
static UNUSED void again (const struct way *way)
{
    part ("%s over %s: again", mechanism_names[way->mechanism], way->transport);
    struct ends ends = open_ends (way->context, ZMQ_PULL, ZMQ_PUSH);
    as_server (ends.server, way->mechanism);
    as_client (ends.client, way->mechanism);
    set_int (ends.client, ZMQ_RECONNECT_IVL, 10);
    join_ends (&ends, way->transport);
    for (int i = 0; i < 3; i++) {
        if (way->handler)
            accept_next (way->handler);
        show_security_events ("client", ends.client_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        put (ends.client, "text");
        show_message ("server", ends.server, 0);
        close_monitor (ends.server, ends.server_monitor);
        close_socket (ends.server);
        if (way->handler)
            wait_driving (ends.client_monitor, ZMQ_POLLIN, way->handler);
        show_security_events ("client", ends.client_monitor, ZMQ_EVENT_DISCONNECTED);
        ends.server = as_server (new_socket (way->context, ZMQ_PULL), way->mechanism);
        ends.server_monitor = open_monitor (way->context, ends.server, WATCHED);
        while (zmq_bind (ends.server, ends.endpoint) != 0)
            CHECK (zmq_errno () == EADDRINUSE);
    }
    if (way->handler)
        accept_next (way->handler);
    show_security_events ("client", ends.client_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    close_ends (&ends);
}

/* ZMQ_MAXMSGSIZE counts what is in the frame, with what the mechanism adds; `limit` is larger than its commands. */
static UNUSED void limited (const struct way *way, int limit, int added)
{
    part ("%s over %s: a limit", mechanism_names[way->mechanism], way->transport);
    struct ends ends = open_ends (way->context, ZMQ_PULL, ZMQ_PUSH);
    as_server (ends.server, way->mechanism);
    as_client (ends.client, way->mechanism);
    CHECK (zmq_setsockopt (ends.server, ZMQ_MAXMSGSIZE, &(int64_t){limit}, 8) == 0);
    join_ends (&ends, way->transport);
    if (way->handler)
        accept_next (way->handler);
    both_succeed (&ends);
    char text[1000] = "";
    for (int over = 0; over <= 1; over++) {
        CHECK (zmq_send (ends.client, text, (size_t) (limit - added + over), 0) >= 0);
        if (!over)
            show_message ("server", ends.server, 0);
    }
    show_security_events ("server", ends.server_monitor, ZMQ_EVENT_DISCONNECTED);
    show_no_message ("server", ends.server);
    close_ends (&ends);
}

/* Topics that are longer than what is read at once. */
static UNUSED void long_topics (const struct way *way)
{
    static const size_t lengths[] = {1000, 8000, 32000, 32700, 32768, 40000, 60000};
    part ("%s over %s: long topics", mechanism_names[way->mechanism], way->transport);
    void *server, *client;
    endpoint_t endpoint;
    open_way (way, ZMQ_XPUB, ZMQ_SUB, &server, &client, endpoint);
    secured_connect (way, server, client, endpoint);
    char *topic = malloc (lengths[COUNT (lengths) - 1]);
    CHECK (topic);
    memset (topic, 't', lengths[COUNT (lengths) - 1]);
    for (int i = 0; i < COUNT (lengths); i++) {
        CHECK (zmq_setsockopt (client, ZMQ_SUBSCRIBE, topic, lengths[i]) == 0);
        SHOW (zmq_recv (server, NULL, 0, 0));
    }
    free (topic);
    close_socket (client);
    close_socket (server);
}

/* ZMQ_MAXMSGSIZE also counts for what comes behind a command. */
static UNUSED void limited_behind_a_command (const struct way *way, int limit)
{
    part ("%s over %s: a limit behind a subscription", mechanism_names[way->mechanism], way->transport);
    struct ends ends = open_ends (way->context, ZMQ_XPUB, ZMQ_XSUB);
    as_server (ends.server, way->mechanism);
    as_client (ends.client, way->mechanism);
    CHECK (zmq_setsockopt (ends.server, ZMQ_MAXMSGSIZE, &(int64_t){limit}, 8) == 0);
    join_ends (&ends, way->transport);
    if (way->handler)
        accept_next (way->handler);
    both_succeed (&ends);
    char *large = calloc (1, 1000000);
    CHECK (large);
    CHECK (zmq_send (ends.client, "\1a", 2, 0) == 2);
    CHECK (zmq_send (ends.client, large, 1000000, 0) == 1000000);
    free (large);
    show_message ("server", ends.server, 0);
    show_security_events ("server", ends.server_monitor, ZMQ_EVENT_DISCONNECTED);
    close_ends (&ends);
}

static UNUSED void exchange_all (const struct way *way)
{
    routed (way);
    sizes (way);
    published (way);
    collected (way);
    pushed (way);
    requested (way);
    alive (way);
    again (way);
    long_topics (way);
}

#endif
