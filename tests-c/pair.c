/* ZMQ_PAIR: an exclusive pair over every transport (zmq_socket(3), RFC 31). */
#include "common.h"

#include <sched.h>

static void exchange (const char *transport)
{
    part ("exchange over %s", transport);
    void *context = new_context ();
    void *server = new_socket (context, ZMQ_PAIR);
    void *client = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    connect_to (client, endpoint);
    SHOW (send_text (client, "hello", 0));
    show_message ("server", server, 0);
    SHOW (send_text (server, "one|two|three", 0));
    SHOW (send_text (server, "", 0));
    SHOW (send_text (server, "|", 0));
    show_message ("client", client, 0);
    show_message ("client", client, 0);
    show_message ("client", client, 0);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        put (client, text);
        put (server, text);
        CHECK (take (server, text, sizeof text) > 0 && atoi (text) == i);
        CHECK (take (client, text, sizeof text) > 0 && atoi (text) == i);
    }
    SHOW (send_text (client, "|||||", 0));
    show_message ("server", server, 0);
    SHOW (zmq_recv (server, NULL, 0, ZMQ_DONTWAIT));
    close_socket (client);
    close_socket (server);
    end_context (context);
}

static void without_peer (void)
{
    part ("without a peer");
    void *context = new_context ();
    void *pair = new_socket (context, ZMQ_PAIR);
    SHOW (send_text (pair, "x", ZMQ_DONTWAIT));
    set_int (pair, ZMQ_SNDTIMEO, 20);
    SHOW (send_text (pair, "x", 0));
    SHOW (ready (pair, ZMQ_POLLIN));
    SHOW (ready (pair, ZMQ_POLLOUT));
    endpoint_t endpoint;
    bind_fresh (pair, "tcp", endpoint);
    SHOW (ready (pair, ZMQ_POLLOUT));
    SHOW (send_text (pair, "x", 0));
    SHOW (zmq_recv (pair, NULL, 0, ZMQ_DONTWAIT));
    close_socket (pair);

    part ("messages queue on the connecting side before there is a peer");
    for (int i = 0; i < COUNT (transports); i++) {
        void *server = new_socket (context, ZMQ_PAIR);
        void *client = new_socket (context, ZMQ_PAIR);
        unbound_endpoint (context, transports[i], endpoint);
        SHOW (zmq_connect (client, endpoint));
        SHOW (send_text (client, "early|message", 0));
        SHOW (zmq_bind (server, endpoint));
        show_message ("server", server, 0);
        SHOW (send_text (server, "answer", 0));
        show_message ("client", client, 0);
        close_socket (client);
        close_socket (server);
    }
    end_context (context);
}

static void exclusive (const char *transport)
{
    part ("a second peer is refused over %s", transport);
    void *context = new_context ();
    void *server = new_socket (context, ZMQ_PAIR);
    void *first = new_socket (context, ZMQ_PAIR);
    void *second = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    connect_to (first, endpoint);
    put (first, "first");
    show_message ("server", server, 0);
    connect_and_wait (context, server, second, endpoint);
    put (server, "to the first");
    show_message ("first", first, 0);
    put (server, "still to the first");
    show_message ("first", first, 0);
    SHOW (ready (second, ZMQ_POLLIN));
    put (first, "and back");
    show_message ("server", server, 0);
    close_socket (second);
    close_socket (first);
    close_socket (server);
    end_context (context);
}

/* After its peer has gone, a pair takes the next one. Until the library has noticed that the old one has gone, it may refuse
 * new ones: then another tries. */
static void replaced (const char *transport)
{
    part ("the next peer over %s", transport);
    void *context = new_context ();
    void *server = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    for (int taken = 0; taken < 3;) {
        void *client = new_socket (context, ZMQ_PAIR);
        connect_to (client, endpoint);
        put (client, "hello");
        zmq_pollitem_t item = {server, 0, ZMQ_POLLIN, 0};
        CHECK (zmq_poll (&item, 1, taken == 0 ? -1 : 500) >= 0);
        if (item.revents) {
            taken++;
            show_message ("server", server, 0);
            put (server, "answer");
            show_message ("client", client, 0);
        }
        close_socket (client);
        while (ready (server, ZMQ_POLLOUT))
            sched_yield ();
        CHECK (send_text (server, "nobody", ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
        while (ready (server, ZMQ_POLLIN))
            CHECK (zmq_recv (server, NULL, 0, 0) == 5);
    }
    close_socket (server);
    end_context (context);
}

int main (void)
{
    for (int i = 0; i < COUNT (transports); i++)
        exchange (transports[i]);
    without_peer ();
    for (int i = 0; i < COUNT (transports); i++)
        exclusive (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        replaced (transports[i]);
    return 0;
}
