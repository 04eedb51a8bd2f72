/* ZMQ_CONFLATE: one slot that holds the last message (zmq_setsockopt(3)). */
#include "common.h"

static void *context;

static void receiver (int sender_type, int receiver_type, const char *transport)
{
    part ("%s to a conflating %s over %s", type_name (sender_type), type_name (receiver_type), transport);
    void *sender = new_socket (context, sender_type), *other = new_socket (context, receiver_type);
    endpoint_t endpoint;
    set_int (other, ZMQ_CONFLATE, 1);
    SHOW (int_option (other, ZMQ_CONFLATE));
    if (receiver_type == ZMQ_SUB)
        subscribe (other, "");
    bind_fresh (sender, transport, endpoint);
    connect_and_wait (context, sender, other, endpoint);
    /* The first message proves that the sender has its peer. */
    zmq_pollitem_t item = {other, 0, ZMQ_POLLIN, 0};
    do
        send_text (sender, "first", ZMQ_DONTWAIT);
    while (zmq_poll (&item, 1, 10) == 0);
    char text[16];
    for (int i = 0; i < 100; i++) {
        snprintf (text, sizeof text, "%d", i);
        put (sender, text);
    }
    put (sender, "last");
    int last = -1;
    do {
        take (other, text, sizeof text);
        int number = strcmp (text, "last") == 0 ? 100 : strcmp (text, "first") == 0 ? -1 : atoi (text);
        CHECK (number >= last);
        last = number;
    } while (last != 100);
    SHOW (zmq_recv (other, NULL, 0, ZMQ_DONTWAIT));
    close_socket (sender);
    close_socket (other);
}

/* Nothing is connected yet, so that all is decided in the sender's slot. */
static void sender (int type, int peer_type, const char *transport)
{
    part ("a conflating %s to %s over %s", type_name (type), type_name (peer_type), transport);
    void *socket = new_socket (context, type), *peer = new_socket (context, peer_type);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    set_int (socket, ZMQ_CONFLATE, 1);
    connect_to (socket, endpoint);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        SHOW_VALUE (send_text (socket, text, ZMQ_DONTWAIT) > 0);
        i += i > 3 ? 30 : 0;
    }
    put (socket, "last");
    CHECK (zmq_bind (peer, endpoint) == 0);
    char text[16];
    do
        take (peer, text, sizeof text);
    while (strcmp (text, "last") != 0);
    SHOW (zmq_recv (peer, NULL, 0, ZMQ_DONTWAIT));
    close_socket (socket);
    close_socket (peer);
}

static void inproc (void)
{
    part ("over inproc the slot is exact");
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    set_int (push, ZMQ_CONFLATE, 1);
    set_int (pull, ZMQ_CONFLATE, 1);
    bind_fresh (pull, "inproc", endpoint);
    connect_to (push, endpoint);
    SHOW (ready (push, ZMQ_POLLOUT));
    SHOW (ready (pull, ZMQ_POLLIN));
    for (int round = 0; round < 3; round++) {
        put (push, "a");
        put (push, "b");
        put (push, "c");
        SHOW (ready (pull, ZMQ_POLLIN));
        show_message ("pull", pull, 0);
        SHOW (ready (pull, ZMQ_POLLIN));
        show_message ("pull", pull, ZMQ_DONTWAIT);
    }
    close_socket (push);
    close_socket (pull);
    part ("the option");
    int one = 1, two = 2;
    for (int type = ZMQ_PAIR; type <= ZMQ_XSUB; type++) {
        void *socket = new_socket (context, type);
        printf ("  %s %d", type_name (type), int_option (socket, ZMQ_CONFLATE));
        int rc = zmq_setsockopt (socket, ZMQ_CONFLATE, &one, sizeof one);
        printf (" %d %s %d", rc, rc ? error_name (zmq_errno ()) : "", int_option (socket, ZMQ_CONFLATE));
        rc = zmq_setsockopt (socket, ZMQ_CONFLATE, &two, sizeof two);
        printf (" %d %s\n", rc, rc ? error_name (zmq_errno ()) : "");
        close_socket (socket);
    }
}

int main (void)
{
    context = new_context ();
    inproc ();
    static const char *const network[] = {"ipc", "tcp"};
    for (int i = 0; i < COUNT (network); i++) {
        receiver (ZMQ_PUSH, ZMQ_PULL, network[i]);
        receiver (ZMQ_PUB, ZMQ_SUB, network[i]);
        receiver (ZMQ_DEALER, ZMQ_DEALER, network[i]);
        sender (ZMQ_PUSH, ZMQ_PULL, network[i]);
        sender (ZMQ_DEALER, ZMQ_DEALER, network[i]);
    }
    end_context (context);
    return 0;
}
