/* zmq_socket_monitor: the events of listening, connecting, retrying, shaking hands and ending, with their values and addresses
 * masked where they depend on the run (zmq_socket_monitor(3)). */
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static void *context;

/* Reads an event and prints it; the address is compared with the one that is expected. */
static int show_event (const char *who, void *monitor, const char *endpoint)
{
    uint32_t value;
    char address[ENDPOINT_SIZE];
    int event = next_event (monitor, &value, address);
    printf ("  %s: %s", who, event_name (event));
    if (event & (ZMQ_EVENT_LISTENING | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED))
        printf (", %s", value > 2 && value < 100000 ? "a descriptor" : "no descriptor");
    else if (event == ZMQ_EVENT_CONNECT_RETRIED)
        printf (", %s", value < 100000 ? "an interval" : "no interval");
    else if (event & (ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_BIND_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL))
        printf (", %s", error_name ((int) value));
    else
        printf (", %#x", value);
    printf (", %s\n", !*address ? "no address" : strcmp (address, endpoint) == 0 ? "the endpoint" : "another address");
    fflush (stdout);
    return event;
}

static void stop_monitor (void *socket, void *monitor)
{
    CHECK (zmq_socket_monitor (socket, NULL, 0) == 0);
    show_event ("then", monitor, "");
    close_socket (monitor);
}

static void life (const char *transport)
{
    part ("a connection's life over %s", transport);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    void *server_monitor = open_monitor (context, server, ZMQ_EVENT_ALL), *client_monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    show_event ("server", server_monitor, endpoint);
    connect_to (client, endpoint);
    for (int event = 0; event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED;) {
        event = next_event (client_monitor, NULL, NULL);
        /* Whether the connection was there at once or came later depends on the transport and the moment. */
        if (event != ZMQ_EVENT_CONNECT_DELAYED)
            printf ("  client: %s\n", event_name (event));
    }
    show_event ("server", server_monitor, endpoint);
    show_event ("server", server_monitor, endpoint);
    printf (" the client closes\n");
    close_socket (client);
    show_event ("server", server_monitor, endpoint);
    while (next_event (client_monitor, NULL, NULL) != ZMQ_EVENT_MONITOR_STOPPED)
        ;
    close_socket (client_monitor);
    printf (" the server unbinds\n");
    CHECK (zmq_unbind (server, endpoint) == 0);
    show_event ("server", server_monitor, endpoint);
    stop_monitor (server, server_monitor);
    close_socket (server);
}

static void disconnects (const char *transport)
{
    part ("the server goes, the client tries again, over %s", transport);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_RECONNECT_IVL, 20);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL & ~ZMQ_EVENT_CONNECT_DELAYED);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    connect_to (client, endpoint);
    show_event ("client", monitor, endpoint);
    show_event ("client", monitor, endpoint);
    close_socket (server);
    show_event ("client", monitor, endpoint);
    show_event ("client", monitor, endpoint);
    /* The first attempt may still have met the old listener. */
    server = new_socket (context, ZMQ_DEALER);
    while (zmq_bind (server, endpoint) != 0)
        CHECK (zmq_errno () == EADDRINUSE);
    for (int event = 0; event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED;)
        event = next_event (monitor, NULL, NULL);
    printf (" the client disconnects\n");
    CHECK (zmq_disconnect (client, endpoint) == 0);
    /* The server may know already that nobody is there. */
    zmq_send (server, "is anybody there?", 17, ZMQ_DONTWAIT);
    close_socket (server);
    close_socket (client);
    while (next_event (monitor, NULL, NULL) != ZMQ_EVENT_MONITOR_STOPPED)
        ;
    close_socket (monitor);
}

static void retries (const char *transport)
{
    part ("nobody is there over %s", transport);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    void *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_RECONNECT_IVL, 10);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL & ~ZMQ_EVENT_CONNECT_DELAYED);
    connect_to (client, endpoint);
    for (int i = 0; i < 4; i++)
        show_event ("client", monitor, endpoint);
    close_socket (client);
    while (next_event (monitor, NULL, NULL) != ZMQ_EVENT_MONITOR_STOPPED)
        ;
    close_socket (monitor);
    if (strcmp (transport, "tcp") != 0)
        return;
    part ("RECONNECT_IVL -1: no second attempt");
    client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_RECONNECT_IVL, -1);
    monitor = open_monitor (context, client, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_MONITOR_STOPPED);
    void *server = new_socket (context, ZMQ_DEALER);
    bind_fresh (server, transport, endpoint);
    connect_to (client, endpoint);
    show_event ("client", monitor, endpoint);
    close_socket (server);
    show_event ("client", monitor, endpoint);
    close_socket (client);
    show_event ("client", monitor, "");
    close_socket (monitor);
}

static void bind_fails (void)
{
    part ("a bind that fails");
    void *first = new_socket (context, ZMQ_DEALER), *second = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    bind_fresh (first, "tcp", endpoint);
    void *monitor = open_monitor (context, second, ZMQ_EVENT_ALL);
    SHOW (zmq_bind (second, endpoint));
    uint32_t value;
    while (next_event (monitor, &value, NULL) != ZMQ_EVENT_BIND_FAILED)
        ;
    printf ("  BIND_FAILED, %s\n", error_name ((int) value));
    SHOW (zmq_bind (second, "inproc://something"));
    stop_monitor (second, monitor);
    close_socket (first);
    close_socket (second);
}

/* A raw peer: connects, sends the bytes, and stays or ends its stream. */
static void raw_peer (const char *what, const char *bytes, size_t size, int leave)
{
    printf (" %s\n", what);
    void *server = new_socket (context, ZMQ_DEALER);
    void *monitor = open_monitor (context, server, ZMQ_EVENT_ALL & ~ZMQ_EVENT_LISTENING);
    endpoint_t endpoint;
    bind_fresh (server, "tcp", endpoint);
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons ((uint16_t) atoi (strrchr (endpoint, ':') + 1));
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    CHECK (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
    CHECK (send (fd, bytes, size, MSG_NOSIGNAL) == (ssize_t) size);
    if (leave)
        shutdown (fd, SHUT_WR);
    int event;
    do
        event = show_event ("server", monitor, endpoint);
    while (event == ZMQ_EVENT_ACCEPTED);
    close (fd);
    /* The next peer is served. */
    void *client = new_socket (context, ZMQ_DEALER);
    connect_to (client, endpoint);
    put (client, "still there?");
    show_message ("server", server, 0);
    close_socket (client);
    close_monitor (server, monitor);
    close_socket (server);
}

#define GREETING(minor, mechanism) "\xff\0\0\0\0\0\0\0\1\x7f\3" minor mechanism "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0" \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define RAW(what, bytes, leave) raw_peer (what, bytes, sizeof (bytes) - 1, leave)

static void handshakes (void)
{
    part ("handshakes that fail");
    RAW ("leaves after the greeting", GREETING ("\0", "NULL"), 1);
    RAW ("another mechanism", GREETING ("\0", "ABCD"), 0);
    RAW ("a message before READY", GREETING ("\0", "NULL") "\0\1x", 0);
    RAW ("an unknown command", GREETING ("\0", "NULL") "\4\6\5HELLO", 0);
    RAW ("an empty command", GREETING ("\0", "NULL") "\4\0", 0);
    RAW ("READY without properties", GREETING ("\0", "NULL") "\4\6\5READY", 0);
    RAW ("READY of a socket type that does not fit", GREETING ("\0", "NULL") "\4\x19\5READY\xbSocket-Type\0\0\0\3PUB", 0);
    RAW ("READY of a socket type that does not exist", GREETING ("\0", "NULL") "\4\x19\5READY\xbSocket-Type\0\0\0\3XXX", 0);
    RAW ("READY with a property that is cut short", GREETING ("\0", "NULL") "\4\x19\5READY\xbSocket-Type\0\0\0\xffPUB", 0);
    RAW ("an ERROR with a status code", GREETING ("\0", "NULL") "\4\x0a\5ERROR\3" "400", 0);
}

static void mismatch (const char *transport)
{
    part ("socket types that do not fit, over %s", transport);
    void *server = new_socket (context, ZMQ_REP), *client = new_socket (context, ZMQ_PUSH);
    static const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
    void *server_monitor = open_monitor (context, server, events), *client_monitor = open_monitor (context, client, events);
    endpoint_t endpoint;
    bind_fresh (server, transport, endpoint);
    connect_to (client, endpoint);
    show_event ("server", server_monitor, endpoint);
    show_event ("client", client_monitor, endpoint);
    close_monitor (server, server_monitor);
    close_monitor (client, client_monitor);
    close_socket (server);
    close_socket (client);
}

static void arguments (void)
{
    part ("arguments");
    void *socket = new_socket (context, ZMQ_DEALER);
    SHOW (zmq_socket_monitor (NULL, "inproc://m", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "nonsense", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, NULL, 0));
    SHOW (zmq_socket_monitor (socket, "inproc://m", 0));
    part ("a second monitor replaces the first");
    void *other = new_socket (context, ZMQ_DEALER);
    void *first = open_monitor (context, socket, ZMQ_EVENT_ALL), *second = open_monitor (context, socket, ZMQ_EVENT_ALL);
    show_event ("first", first, "");
    CHECK (zmq_bind (socket, "tcp://127.0.0.1:*") == 0);
    printf ("  second: %s\n", event_name (next_event (second, NULL, NULL)));
    SHOW (zmq_recv (first, NULL, 0, ZMQ_DONTWAIT));
    stop_monitor (socket, second);
    close_socket (first);
    SHOW (zmq_bind (other, "inproc://taken"));
    SHOW (zmq_socket_monitor (socket, "inproc://taken", ZMQ_EVENT_ALL));
    part ("only the events that were asked for");
    endpoint_t endpoint;
    void *monitor = open_monitor (context, other, ZMQ_EVENT_LISTENING | ZMQ_EVENT_CLOSED);
    bind_fresh (other, "tcp", endpoint);
    connect_to (socket, endpoint);
    put (socket, "hello");
    show_message ("other", other, 0);
    CHECK (zmq_unbind (other, endpoint) == 0);
    show_event ("monitor", monitor, endpoint);
    show_event ("monitor", monitor, endpoint);
    close_monitor (other, monitor);
    close_socket (socket);
    close_socket (other);
    part ("the monitor ends with its socket");
    socket = new_socket (context, ZMQ_DEALER);
    monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    bind_fresh (socket, "tcp", endpoint);
    show_event ("monitor", monitor, endpoint);
    close_socket (socket);
    show_event ("monitor", monitor, endpoint);
    show_event ("monitor", monitor, endpoint);
    close_socket (monitor);
}

int main (void)
{
    context = new_context ();
    static const char *const network[] = {"ipc", "tcp"};
    for (int i = 0; i < COUNT (network); i++) {
        life (network[i]);
        disconnects (network[i]);
        retries (network[i]);
        mismatch (network[i]);
    }
    bind_fails ();
    handshakes ();
    arguments ();
    end_context (context);
    return 0;
}
