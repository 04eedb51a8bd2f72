/* Endpoints in use: several on a socket, unbind, disconnect, bind again at once, connect before bind, reconnection, IMMEDIATE and
 * LINGER (zmq_bind(3), zmq_connect(3), zmq_unbind(3), zmq_disconnect(3)). */
#include "common.h"

#include <sys/stat.h>

static void *context;

static void several (void)
{
    part ("one socket bound to every transport");
    void *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoints[COUNT (transports)];
    for (int i = 0; i < COUNT (transports); i++) {
        bind_fresh (pull, transports[i], endpoints[i]);
        printf ("  %.9s\n", endpoints[i]);
    }
    for (int i = 0; i < COUNT (transports); i++) {
        void *push = new_socket (context, ZMQ_PUSH);
        connect_to (push, endpoints[i]);
        put (push, transports[i]);
        show_message ("pull", pull, 0);
        close_socket (push);
    }
    part ("one socket connected to every transport");
    void *push = new_socket (context, ZMQ_PUSH), *pulls[COUNT (transports)];
    for (int i = 0; i < COUNT (transports); i++) {
        pulls[i] = new_socket (context, ZMQ_PULL);
        bind_fresh (pulls[i], transports[i], endpoints[i]);
        connect_to (push, endpoints[i]);
    }
    for (int i = 0; i < COUNT (transports); i++)
        put (push, "in turn");
    for (int i = 0; i < COUNT (transports); i++) {
        show_message (transports[i], pulls[i], 0);
        close_socket (pulls[i]);
    }
    close_socket (push);
    close_socket (pull);
    part ("bound and connected");
    void *one = new_socket (context, ZMQ_DEALER), *two = new_socket (context, ZMQ_DEALER), *three = new_socket (context, ZMQ_DEALER);
    bind_fresh (one, "tcp", endpoints[0]);
    bind_fresh (two, "ipc", endpoints[1]);
    connect_to (two, endpoints[0]);
    connect_to (three, endpoints[1]);
    put (three, "up");
    show_message ("two", two, 0);
    put (one, "down");
    show_message ("two", two, 0);
    close_socket (one);
    close_socket (two);
    close_socket (three);
}

/* The last endpoint is told whole on inproc and ipc; of tcp, the host. */
static void last (void)
{
    part ("LAST_ENDPOINT");
    void *socket = new_socket (context, ZMQ_DEALER);
    char text[ENDPOINT_SIZE];
    size_t size = sizeof text;
    SHOW (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, text, &size));
    printf ("  [%s] %zu\n", text, size);
    SHOW (zmq_bind (socket, "inproc://last"));
    last_endpoint (socket, text);
    printf ("  [%s]\n", text);
    SHOW (zmq_bind (socket, "ipc://last.sock"));
    last_endpoint (socket, text);
    printf ("  [%s]\n", text);
    SHOW (zmq_bind (socket, "ipc://*"));
    last_endpoint (socket, text);
    struct stat status;
    printf ("  [%.6s] %s\n", text, stat (text + 6, &status) == 0 && S_ISSOCK (status.st_mode) ? "a socket" : "no socket");
    SHOW (zmq_unbind (socket, text));
    SHOW (zmq_bind (socket, "ipc://@monocoque-last-endpoint"));
    last_endpoint (socket, text);
    printf ("  [%s]\n", text);
    SHOW (zmq_bind (socket, "tcp://127.0.0.1:*"));
    last_endpoint (socket, text);
    printf ("  [%.16s] %s\n", text, atoi (text + 16) > 0 ? "a port" : "no port");
    SHOW (zmq_connect (socket, text));
    SHOW (zmq_connect (socket, "inproc://elsewhere"));
    last_endpoint (socket, text);
    printf ("  [%s]\n", text);
    size = 3;
    SHOW (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, text, &size));
    SHOW (zmq_setsockopt (socket, ZMQ_LAST_ENDPOINT, "x", 1));
    close_socket (socket);
}

static void again (const char *transport)
{
    part ("unbind, and bind again at once, over %s", transport);
    endpoint_t endpoint;
    void *push = new_socket (context, ZMQ_PUSH);
    for (int i = 0; i < 5; i++) {
        void *pull = new_socket (context, ZMQ_PULL);
        if (i == 0)
            bind_fresh (pull, transport, endpoint);
        else
            CHECK (zmq_bind (pull, endpoint) == 0);
        if (strcmp (transport, "ipc") != 0) {
            void *second = new_socket (context, ZMQ_PULL);
            SHOW (zmq_bind (second, endpoint));
            close_socket (second);
        }
        void *client = new_socket (context, ZMQ_PUSH);
        connect_to (client, endpoint);
        put (client, "x");
        CHECK (zmq_recv (pull, NULL, 0, 0) == 1);
        close_socket (client);
        unbind_and_wait (context, pull, endpoint);
        SHOW (zmq_unbind (pull, endpoint));
        SHOW (zmq_disconnect (pull, endpoint));
        close_socket (pull);
    }
    close_socket (push);
}

static void unbound (const char *transport)
{
    part ("what an unbind ends, over %s", transport);
    void *pull = new_socket (context, ZMQ_PULL), *push = new_socket (context, ZMQ_PUSH);
    endpoint_t first, second;
    bind_fresh (pull, transport, first);
    bind_fresh (pull, transport, second);
    connect_and_wait (context, pull, push, second);
    put (push, "before");
    show_message ("pull", pull, 0);
    unbind_and_wait (context, pull, first);
    put (push, "the other endpoint goes on");
    show_message ("pull", pull, 0);
    close_socket (push);
    close_socket (pull);
}

static void disconnected (const char *transport)
{
    part ("disconnect over %s", transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull[2];
    endpoint_t endpoints[2];
    for (int i = 0; i < 2; i++) {
        pull[i] = new_socket (context, ZMQ_PULL);
        bind_fresh (pull[i], transport, endpoints[i]);
        connect_and_wait (context, pull[i], push, endpoints[i]);
    }
    put (push, "first");
    put (push, "second");
    show_message ("first", pull[0], 0);
    show_message ("second", pull[1], 0);
    SHOW (zmq_disconnect (push, endpoints[0]));
    SHOW (zmq_disconnect (push, endpoints[0]));
    put (push, "to the second");
    put (push, "and this one too");
    show_message ("second", pull[1], 0);
    show_message ("second", pull[1], 0);
    SHOW (zmq_recv (pull[0], NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_disconnect (push, endpoints[1]));
    SHOW (send_text (push, "nobody", ZMQ_DONTWAIT));
    SHOW (zmq_connect (push, endpoints[0]));
    put (push, "connected again");
    show_message ("first", pull[0], 0);
    close_socket (push);
    close_socket (pull[0]);
    close_socket (pull[1]);
    part ("what was queued before a disconnect is still sent over %s", transport);
    push = zmq_socket (context, ZMQ_PUSH);
    void *receiver = new_socket (context, ZMQ_PULL);
    bind_fresh (receiver, transport, endpoints[0]);
    connect_and_wait (context, receiver, push, endpoints[0]);
    for (int i = 0; i < 500; i++)
        CHECK (zmq_send (push, &i, sizeof i, 0) == sizeof i);
    SHOW (zmq_disconnect (push, endpoints[0]));
    for (int i = 0, number; i < 500; i++)
        CHECK (zmq_recv (receiver, &number, sizeof number, 0) == sizeof number && number == i);
    close_socket (push);
    close_socket (receiver);
}

static void early (const char *transport)
{
    part ("connect before bind over %s", transport);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    void *clients[5];
    for (int i = 0; i < COUNT (clients); i++) {
        clients[i] = new_socket (context, ZMQ_REQ);
        set_int (clients[i], ZMQ_RECONNECT_IVL, 5);
        connect_to (clients[i], endpoint);
        put (clients[i], "question");
    }
    void *server = new_socket (context, ZMQ_REP);
    CHECK (zmq_bind (server, endpoint) == 0);
    for (int i = 0; i < COUNT (clients); i++) {
        show_message ("server", server, 0);
        put (server, "answer");
    }
    for (int i = 0; i < COUNT (clients); i++) {
        show_message ("client", clients[i], 0);
        close_socket (clients[i]);
    }
    close_socket (server);
}

/* The connecting side keeps what it has for the next connection. */
static void reconnects (const char *transport)
{
    part ("reconnection over %s", transport);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    void *push = new_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_RECONNECT_IVL, 5);
    void *monitor = open_monitor (context, push, ZMQ_EVENT_DISCONNECTED);
    connect_to (push, endpoint);
    for (int i = 0; i < 3; i++) {
        void *pull = new_socket (context, ZMQ_PULL);
        CHECK (zmq_bind (pull, endpoint) == 0);
        put (push, "now|there");
        show_message ("pull", pull, 0);
        unbind_and_wait (context, pull, endpoint);
        close_socket (pull);
        wait_for_event (monitor, ZMQ_EVENT_DISCONNECTED);
        put (push, "kept for the next");
        pull = new_socket (context, ZMQ_PULL);
        CHECK (zmq_bind (pull, endpoint) == 0);
        show_message ("pull", pull, 0);
        unbind_and_wait (context, pull, endpoint);
        close_socket (pull);
        wait_for_event (monitor, ZMQ_EVENT_DISCONNECTED);
    }
    close_monitor (push, monitor);
    close_socket (push);
}

static void immediate (const char *transport)
{
    part ("IMMEDIATE over %s", transport);
    endpoint_t endpoint, there;
    unbound_endpoint (context, transport, endpoint);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    set_int (push, ZMQ_IMMEDIATE, 1);
    set_int (push, ZMQ_RECONNECT_IVL, 5);
    connect_to (push, endpoint);
    SHOW (ready (push, ZMQ_POLLOUT));
    SHOW (send_text (push, "x", ZMQ_DONTWAIT));
    bind_fresh (pull, transport, there);
    connect_to (push, there);
    for (int i = 0; i < 4; i++)
        put (push, "only to who is there");
    for (int i = 0; i < 4; i++)
        show_message ("pull", pull, 0);
    close_socket (push);
    close_socket (pull);
    part ("without IMMEDIATE half of it waits over %s", transport);
    push = new_socket (context, ZMQ_PUSH);
    pull = new_socket (context, ZMQ_PULL);
    connect_to (push, endpoint);
    bind_fresh (pull, transport, there);
    connect_to (push, there);
    for (int i = 0; i < 4; i++)
        put (push, i % 2 ? "to who is there" : "to nobody");
    show_message ("pull", pull, 0);
    show_message ("pull", pull, 0);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    void *late = new_socket (context, ZMQ_PULL);
    CHECK (zmq_bind (late, endpoint) == 0);
    show_message ("late", late, 0);
    show_message ("late", late, 0);
    close_socket (push);
    close_socket (pull);
    close_socket (late);
}

/* Several connections to one endpoint: types that allow it have as many pipes. */
static void repeated (const char *transport)
{
    part ("connected twice to the same endpoint over %s", transport);
    static const int types[][2] = {{ZMQ_PUSH, ZMQ_PULL}, {ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_REQ, ZMQ_ROUTER}, {ZMQ_PUB, ZMQ_XSUB}, {ZMQ_SUB, ZMQ_XPUB}};
    for (int i = 0; i < COUNT (types); i++) {
        void *socket = new_socket (context, types[i][0]), *peer = new_socket (context, types[i][1]);
        endpoint_t endpoint;
        bind_fresh (peer, transport, endpoint);
        printf (" %s\n", type_name (types[i][0]));
        SHOW (zmq_connect (socket, endpoint));
        SHOW (zmq_connect (socket, endpoint));
        SHOW (zmq_disconnect (socket, endpoint));
        SHOW (zmq_disconnect (socket, endpoint));
        SHOW (zmq_disconnect (socket, endpoint));
        close_socket (socket);
        close_socket (peer);
    }
}

int main (void)
{
    context = new_context ();
    several ();
    last ();
    for (int i = 0; i < COUNT (transports); i++) {
        again (transports[i]);
        unbound (transports[i]);
        disconnected (transports[i]);
        early (transports[i]);
        repeated (transports[i]);
    }
    for (int i = 1; i < COUNT (transports); i++) {
        reconnects (transports[i]);
        immediate (transports[i]);
    }
    end_context (context);
    return 0;
}
