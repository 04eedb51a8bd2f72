/* ZMQ_DEALER and ZMQ_ROUTER: routing ids, what cannot be routed, HANDOVER, CONNECT_ROUTING_ID, PROBE_ROUTER
 * (zmq_socket(3), zmq_setsockopt(3), RFC 28). */
#include "common.h"

static void generated_ids (const char *transport)
{
    part ("generated routing ids over %s", transport);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    void *dealers[3];
    unsigned char ids[3][256];
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    for (int i = 0; i < 3; i++) {
        dealers[i] = new_socket (context, ZMQ_DEALER);
        connect_to (dealers[i], endpoint);
        put (dealers[i], "hello");
        SHOW (zmq_recv (router, ids[i], sizeof ids[i], 0));
        SHOW (ids[i][0]);
        show_message ("router", router, 0);
        for (int k = 0; k < i; k++)
            CHECK (memcmp (ids[i], ids[k], 5) != 0);
    }
    for (int i = 2; i >= 0; i--) {
        SHOW (zmq_send (router, ids[i], 5, ZMQ_SNDMORE));
        SHOW (send_text (router, "to you|and||you", 0));
        show_message ("dealer", dealers[i], 0);
    }
    for (int i = 0; i < 3; i++)
        close_socket (dealers[i]);
    close_socket (router);
    end_context (context);
}

static void given_ids (const char *transport)
{
    part ("given routing ids over %s", transport);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    void *dealer = new_socket (context, ZMQ_DEALER);
    char long_id[256], id[256];
    memset (long_id, 'L', sizeof long_id);
    SHOW (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "", 0));
    SHOW (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, long_id, 256));
    SHOW (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, long_id, 255));
    size_t size = sizeof id;
    SHOW (zmq_getsockopt (dealer, ZMQ_ROUTING_ID, id, &size));
    SHOW (size);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    connect_to (dealer, endpoint);
    put (dealer, "x");
    show_message ("router", router, 0);
    zmq_send (router, long_id, 255, ZMQ_SNDMORE);
    put (router, "answer");
    show_message ("dealer", dealer, 0);
    void *other = new_socket (context, ZMQ_DEALER);
    SHOW (zmq_setsockopt (other, ZMQ_ROUTING_ID, "b\0c", 3));
    connect_to (other, endpoint);
    put (other, "x|y");
    show_message ("router", router, 0);
    part ("one's own routing id changed after the connect");
    SHOW (zmq_setsockopt (other, ZMQ_ROUTING_ID, "later", 5));
    put (other, "z");
    show_message ("router", router, 0);
    close_socket (other);
    close_socket (dealer);
    close_socket (router);
    end_context (context);
}

static void unroutable (const char *transport)
{
    part ("what cannot be routed over %s", transport);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    void *dealer = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    SHOW (ready (router, ZMQ_POLLOUT));
    SHOW (send_text (router, "nobody|lost", 0));
    SHOW (send_text (router, "alone", 0));
    SHOW (send_text (router, "", 0));
    SHOW (send_text (router, "|x", 0));
    set_text (dealer, ZMQ_ROUTING_ID, "D");
    connect_to (dealer, endpoint);
    put (dealer, "here");
    show_message ("router", router, 0);
    SHOW (send_text (router, "nobody|lost|", 0));
    SHOW (send_text (router, "D|found", 0));
    show_message ("dealer", dealer, 0);

    part ("with MANDATORY over %s", transport);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    SHOW (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    SHOW (zmq_send (router, "nobody", 6, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    SHOW (send_text (router, "D|first|second", 0));
    show_message ("dealer", dealer, 0);
    SHOW (zmq_send (router, "", 0, ZMQ_SNDMORE));
    zmq_msg_t message;
    zmq_msg_init_size (&message, 5);
    memcpy (zmq_msg_data (&message), "nobod", 5);
    SHOW (zmq_msg_send (&message, router, ZMQ_SNDMORE));
    SHOW (zmq_msg_size (&message));
    zmq_msg_close (&message);
    SHOW (send_text (router, "D", 0));
    SHOW (send_text (router, "D|last", 0));
    show_message ("dealer", dealer, 0);
    SHOW (ready (router, ZMQ_POLLOUT));
    close_socket (dealer);
    do
        CHECK (zmq_recv (router, NULL, 0, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    while (send_text (router, "D|x", ZMQ_DONTWAIT) == 1 || zmq_errno () == EAGAIN);
    printf ("  after the peer has gone: %s\n", error_name (zmq_errno ()));
    close_socket (router);
    end_context (context);
}

static void same_id (const char *transport, int handover)
{
    part ("two peers with one routing id over %s, HANDOVER %d", transport, handover);
    void *context = new_context ();
    void *router = new_socket (context, ZMQ_ROUTER);
    set_int (router, ZMQ_ROUTER_HANDOVER, handover);
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    void *first = new_socket (context, ZMQ_DEALER);
    void *second = new_socket (context, ZMQ_DEALER);
    set_text (first, ZMQ_ROUTING_ID, "same");
    set_text (second, ZMQ_ROUTING_ID, "same");
    connect_and_wait (context, router, first, endpoint);
    put (first, "first");
    show_message ("router", router, 0);
    connect_and_wait (context, router, second, endpoint);
    put (second, "second");
    if (handover) {
        show_message ("router", router, 0);
        SHOW (send_text (router, "same|to the owner", 0));
        show_message ("second", second, 0);
        SHOW (ready (first, ZMQ_POLLIN));
    } else {
        put (first, "first again");
        show_message ("router", router, 0);
        SHOW (send_text (router, "same|to the owner", 0));
        show_message ("first", first, 0);
        SHOW (ready (second, ZMQ_POLLIN));
        SHOW (ready (router, ZMQ_POLLIN));
    }
    close_socket (first);
    close_socket (second);
    close_socket (router);
    end_context (context);
}

static void connect_routing_id (const char *transport)
{
    part ("CONNECT_ROUTING_ID over %s", transport);
    void *context = new_context ();
    void *server = new_socket (context, ZMQ_ROUTER);
    void *client = new_socket (context, ZMQ_ROUTER);
    endpoint_t endpoint, second;
    set_text (server, ZMQ_ROUTING_ID, "server's own");
    bind_fresh (server, transport, endpoint);
    set_text (client, ZMQ_ROUTING_ID, "client");
    set_int (client, ZMQ_ROUTER_MANDATORY, 1);
    SHOW (zmq_setsockopt (client, ZMQ_CONNECT_ROUTING_ID, "", 0));
    SHOW (zmq_setsockopt (client, ZMQ_CONNECT_ROUTING_ID, "srv", 3));
    SHOW (zmq_connect (client, endpoint));
    SHOW (send_text (client, "srv|at once", 0));
    show_message ("server", server, 0);
    SHOW (send_text (server, "client|back", 0));
    show_message ("client", client, 0);
    SHOW (zmq_send (client, "server's own", 12, ZMQ_SNDMORE));
    /* It applied to one connect only. */
    void *dealer = new_socket (context, ZMQ_DEALER);
    set_text (dealer, ZMQ_ROUTING_ID, "dealer");
    bind_fresh (dealer, transport, second);
    connect_to (client, second);
    put (dealer, "hello");
    show_message ("client", client, 0);
    SHOW (send_text (client, "dealer|answer", 0));
    show_message ("dealer", dealer, 0);
    SHOW (zmq_setsockopt (dealer, ZMQ_CONNECT_ROUTING_ID, "x", 1));
    close_socket (dealer);
    close_socket (client);
    close_socket (server);
    end_context (context);
}

static void probe (const char *transport)
{
    part ("PROBE_ROUTER over %s", transport);
    void *context = new_context ();
    void *server = new_socket (context, ZMQ_ROUTER);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    const int types[] = {ZMQ_DEALER, ZMQ_REQ, ZMQ_ROUTER};
    for (int i = 0; i < COUNT (types); i++) {
        void *client = new_socket (context, types[i]);
        set_text (client, ZMQ_ROUTING_ID, type_name (types[i]));
        set_int (client, ZMQ_PROBE_ROUTER, 1);
        connect_to (client, endpoint);
        show_message ("server", server, 0);
        if (types[i] == ZMQ_DEALER) {
            SHOW (send_text (server, "DEALER|hello", 0));
            show_message ("client", client, 0);
        } else if (types[i] == ZMQ_REQ) {
            put (client, "request");
            show_message ("server", server, 0);
            SHOW (send_text (server, "REQ||reply", 0));
            show_message ("client", client, 0);
        }
        close_socket (client);
    }
    void *pair = new_socket (context, ZMQ_PAIR);
    int one = 1;
    SHOW (zmq_setsockopt (pair, ZMQ_PROBE_ROUTER, &one, sizeof one));
    close_socket (pair);
    close_socket (server);
    end_context (context);
}

/* DEALER deals in turn and queues fairly, like PUSH and PULL, in both directions. */
static void dealers (const char *transport)
{
    part ("dealer to dealers over %s", transport);
    void *context = new_context ();
    void *dealer = new_socket (context, ZMQ_DEALER);
    SHOW (send_text (dealer, "nobody", ZMQ_DONTWAIT));
    void *peers[3];
    endpoint_t endpoint;
    for (int i = 0; i < 3; i++) {
        peers[i] = new_socket (context, ZMQ_DEALER);
        bind_fresh (peers[i], transport, endpoint);
        connect_to (dealer, endpoint);
    }
    for (int i = 0; i < 6; i++) {
        char text[32];
        snprintf (text, sizeof text, "%d|part", i);
        put (dealer, text);
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            show_message ("peer", peers[i], 0);
    for (int i = 0; i < 3; i++) {
        put (peers[i], i == 0 ? "a" : i == 1 ? "b" : "c");
        show_message ("dealer", dealer, 0);
    }
    for (int i = 0; i < 3; i++)
        close_socket (peers[i]);
    close_socket (dealer);
    end_context (context);
}

int main (void)
{
    for (int i = 0; i < COUNT (transports); i++) {
        generated_ids (transports[i]);
        given_ids (transports[i]);
        unroutable (transports[i]);
        same_id (transports[i], 0);
        same_id (transports[i], 1);
        connect_routing_id (transports[i]);
        probe (transports[i]);
        dealers (transports[i]);
    }
    return 0;
}
