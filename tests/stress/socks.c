/* Proxies that the reference library does not survive, or waits for without an end: one that is silent is given up after
 * ZMQ_CONNECT_TIMEOUT and tried again, a socket may end between two attempts and within one, and a name that no request can hold is
 * not asked for. What comes in one piece with the last octet of a reply that came in pieces belongs to the connection. */
#include "stress.h"
#include "../../tests-c/events.h"

#define GREETING "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define READY "\4\x29\5READY\xbSocket-Type\0\0\0\6ROUTER\x8Identity\0\0\0\0"

static void *context;
static const char *const endpoint = "tcp://peer.invalid:80";

static void *new_client (const char *proxy, void **monitor, int reconnect_ms)
{
    void *socket = new_socket (context, ZMQ_DEALER);
    *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    set_text (socket, ZMQ_SOCKS_PROXY, proxy + strlen ("tcp://"));
    set_int (socket, ZMQ_RECONNECT_IVL, reconnect_ms);
    set_int (socket, ZMQ_LINGER, 0);
    return socket;
}

static void expect (void *monitor, int event)
{
    int seen = next_event (monitor, NULL, NULL);
    if (seen != event) {
        printf ("%s instead of %s\n", event_name (seen), event_name (event));
        fail ("the events");
    }
    atomic_fetch_add (&progress, 1);
}

static void expect_failure (void *monitor)
{
    expect (monitor, ZMQ_EVENT_CONNECT_DELAYED);
    expect (monitor, ZMQ_EVENT_CLOSED);
    expect (monitor, ZMQ_EVENT_CONNECT_RETRIED);
}

/* The proxy takes the connection and says nothing, or not enough. */
static void silence (const char *says)
{
    stage = "silence";
    endpoint_t proxy;
    void *monitor;
    int listener = raw_listen (proxy);
    void *socket = new_client (proxy, &monitor, 1);
    set_int (socket, ZMQ_CONNECT_TIMEOUT, 50);
    connect_to (socket, endpoint);
    for (int attempt = 0; attempt < 3; attempt++) {
        int peer = raw_accept (listener);
        raw_text (peer, says);
        expect_failure (monitor);
        close (peer);
    }
    close_monitor (socket, monitor);
    close_socket (socket);
    close (listener);
}

/* The socket ends, by zmq_disconnect or zmq_close, while it waits to try again or while the proxy is silent. */
static void endings (int within, int disconnects)
{
    stage = "endings";
    endpoint_t proxy;
    void *monitor;
    int listener = raw_listen (proxy);
    void *socket = new_client (proxy, &monitor, 100000);
    connect_to (socket, endpoint);
    int peer = raw_accept (listener);
    char offer[3];
    CHECK (raw_read (peer, offer, sizeof offer) == sizeof offer);
    if (within)
        expect (monitor, ZMQ_EVENT_CONNECT_DELAYED);
    else {
        raw_write (peer, "\5\xff", 2);
        expect_failure (monitor);
    }
    if (disconnects)
        CHECK (zmq_disconnect (socket, endpoint) == 0);
    close_monitor (socket, monitor);
    close_socket (socket);
    CHECK (raw_read (peer, offer, 1) == 0);
    CHECK (close (peer) == 0 && close (listener) == 0);
}

/* What waits to be sent keeps the context for as long as ZMQ_LINGER says, also while the proxy is silent. */
static void lingering (void)
{
    stage = "lingering";
    endpoint_t proxy;
    int listener = raw_listen (proxy);
    void *other = zmq_ctx_new (), *socket = new_socket (other, ZMQ_DEALER);
    set_text (socket, ZMQ_SOCKS_PROXY, proxy + strlen ("tcp://"));
    set_int (socket, ZMQ_LINGER, 50);
    connect_to (socket, endpoint);
    put (socket, "never sent");
    int peer = raw_accept (listener);
    close_socket (socket);
    CHECK (zmq_ctx_term (other) == 0);
    CHECK (close (peer) == 0 && close (listener) == 0);
}

static void long_name (void)
{
    stage = "a long name";
    endpoint_t proxy;
    void *monitor;
    char text[300];
    int listener = raw_listen (proxy);
    void *socket = new_client (proxy, &monitor, 1);
    snprintf (text, sizeof text, "tcp://n%0255d:80", 7);
    connect_to (socket, text);
    expect_failure (monitor);
    expect_failure (monitor);
    close_monitor (socket, monitor);
    close_socket (socket);
    close (listener);
}

/* A source address in the endpoint is where the connection to the proxy comes from. */
static void source (void)
{
    stage = "a source address";
    endpoint_t proxy;
    void *monitor;
    int listener = raw_listen (proxy);
    void *socket = new_client (proxy, &monitor, 1);
    connect_to (socket, "tcp://127.0.0.3:0;peer:80");
    int peer = raw_accept (listener);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    CHECK (getpeername (peer, (struct sockaddr *) &address, &size) == 0);
    CHECK (address.sin_addr.s_addr == inet_addr ("127.0.0.3"));
    raw_write (peer, "\5\0", 2);
    char heard[14];
    CHECK (raw_read (peer, heard, sizeof heard) == sizeof heard);
    CHECK (memcmp (heard, "\5\1\0\5\1\0\3\4peer\0P", sizeof heard) == 0);
    close_monitor (socket, monitor);
    close_socket (socket);
    CHECK (close (peer) == 0 && close (listener) == 0);
}

/* The proxy's bytes are cut in two at every place, and everything that follows is already there. */
static void pieces (void)
{
    static const char bytes[] = "\5\0" "\5\0\0\3\4name\x12\x34" GREETING READY "\0\2hi";
    stage = "pieces";
    for (size_t cut = 1; cut < 2 + 11 + 2; cut++) {
        endpoint_t proxy;
        void *monitor;
        char text[8];
        int listener = raw_listen (proxy);
        void *socket = new_client (proxy, &monitor, 1);
        connect_to (socket, endpoint);
        int peer = raw_accept (listener);
        raw_write (peer, bytes, cut);
        CHECK (!raw_readable (peer, QUIET_MS) || raw_read (peer, text, 3) == 3);
        raw_write (peer, bytes + cut, sizeof bytes - 1 - cut);
        CHECK (take (socket, text, sizeof text) == 2 && strcmp (text, "hi") == 0);
        expect (monitor, ZMQ_EVENT_CONNECT_DELAYED);
        expect (monitor, ZMQ_EVENT_CONNECTED);
        expect (monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        close_monitor (socket, monitor);
        close_socket (socket);
        CHECK (close (peer) == 0 && close (listener) == 0);
    }
}

int main (void)
{
    start_watchdog ();
    context = new_context ();
    silence ("");
    silence ("\5");
    for (int way = 0; way < 4; way++)
        endings (way & 1, way & 2);
    lingering ();
    long_name ();
    source ();
    pieces ();
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
