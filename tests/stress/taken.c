/* A second peer with a routing id that is taken: both sides hear that it is disconnected, the first is not disturbed, and when that has
 * gone the second has the routing id (zmq_setsockopt(3), ZMQ_ROUTER_HANDOVER; zmq_socket_monitor(3)).
 *
 *   taken TRANSPORT */
#include "stress.h"

static void *peer_of (void *context, const char *endpoint, int interval, void **monitor)
{
    void *dealer = new_socket (context, ZMQ_DEALER);
    CHECK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "same", 4) == 0);
    set_int (dealer, ZMQ_RECONNECT_IVL, interval);
    *monitor = open_monitor (context, dealer, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    connect_to (dealer, endpoint);
    return dealer;
}

static void expect (void *socket, const char *expected)
{
    char text[32];
    CHECK (take (socket, text, sizeof text) == (int) strlen (expected) && strcmp (text, expected) == 0);
}

int main (int count, char **arguments)
{
    CHECK (count == 2);
    start_watchdog ();
    void *context = new_context (), *at_first, *at_second;
    endpoint_t endpoint;
    void *router = new_socket (context, ZMQ_ROUTER);
    bind_fresh (router, arguments[1], endpoint);
    void *at_router = open_monitor (context, router, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    void *first = peer_of (context, endpoint, 20, &at_first);
    put (first, "one");
    expect (router, "same");
    expect (router, "one");
    stage = "the first peer is there";
    CHECK (next_event (at_router, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    void *second = peer_of (context, endpoint, 20, &at_second);
    for (int i = 0; i < 2; i++) {
        stage = "the second one is refused";
        CHECK (next_event (at_second, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        CHECK (next_event (at_second, NULL, NULL) == ZMQ_EVENT_DISCONNECTED);
        CHECK (next_event (at_router, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        CHECK (next_event (at_router, NULL, NULL) == ZMQ_EVENT_DISCONNECTED);
        CHECK (zmq_send (router, "same", 4, ZMQ_SNDMORE) == 4 && zmq_send (router, "back", 4, 0) == 4);
        expect (first, "back");
    }
    CHECK (next_event (at_first, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && !ready (at_first, ZMQ_POLLIN));
    stage = "the second takes the place of the first";
    close_monitor (first, at_first);
    close_socket (first);
    do {
        CHECK (zmq_send (router, "same", 4, ZMQ_SNDMORE) == 4 && zmq_send (router, "back", 4, 0) == 4);
        atomic_fetch_add (&progress, 1);
    } while (!ready (second, ZMQ_POLLIN));
    expect (second, "back");
    put (second, "two");
    expect (router, "same");
    expect (router, "two");
    close_monitor (second, at_second);
    close_monitor (router, at_router);
    close_socket (second);
    close_socket (router);
    end_context (context);
    return 0;
}
