/* What endpoints do over time: the address that a connection comes from, endpoints that are used several times, inproc in either order,
 * paths and abstract names, and names in zmq_bind. ZMQ_LAST_ENDPOINT after each (zmq_bind(3), zmq_connect(3), zmq_unbind(3),
 * zmq_disconnect(3), zmq_tcp(7), zmq_ipc(7), zmq_inproc(7)). */
#include "events.h"

static void *context;

static const char *outcome (int result)
{
    return result == 0 ? "ok" : error_name (zmq_errno ());
}

/* Compares ZMQ_LAST_ENDPOINT with the text that it should be. */
static void show_last (void *socket, const char *expected)
{
    endpoint_t last;
    last_endpoint (socket, last);
    printf ("  last endpoint %s\n", strcmp (last, expected) == 0 ? "as expected" : last);
}

/* The address with every %P replaced by the port of `endpoint`, and %S by the other port. */
static void with_ports (const char *pattern, const char *endpoint, const char *source, endpoint_t text)
{
    size_t used = 0;
    for (; *pattern; pattern++) {
        const char *port = strrchr (pattern[1] == 'S' ? source : endpoint, ':') + 1;
        used += (size_t) snprintf (text + used, ENDPOINT_SIZE - used, *pattern == '%' ? "%s" : "%.1s", *pattern == '%' ? port : pattern);
        pattern += *pattern == '%';
    }
}

static void sources (int ipv6)
{
    static const char *const patterns[] = {"tcp://127.0.0.2:0;127.0.0.1:%P", "tcp://127.0.0.3:*;127.0.0.1:%P", "tcp://127.0.0.4:%S;127.0.0.1:%P",
                                           "tcp://127.0.0.5:0;localhost:%P", "tcp://localhost:%P", "tcp://LOCALHOST:%P", "tcp://127.1:%P",
                                           "tcp://0.0.0.0:%P", "tcp://127.0.0.1:0%P", "tcp://[127.0.0.1]:%P"};
    part ("where connections come from, %s ZMQ_IPV6", ipv6 ? "with" : "without");
    for (int i = 0; i < COUNT (patterns); i++) {
        endpoint_t listens, source = "", endpoint;
        int listener = raw_listen (listens);
        close (raw_bind (source));
        with_ports (patterns[i], listens, source, endpoint);
        void *socket = new_socket (context, ZMQ_DEALER);
        set_int (socket, ZMQ_IPV6, ipv6);
        CHECK (zmq_connect (socket, endpoint) == 0);
        if (!raw_readable (listener, LIMIT_MS))
            fail ("nobody connected");
        struct sockaddr_in address;
        socklen_t size = sizeof address;
        int peer = accept (listener, (struct sockaddr *) &address, &size);
        int is_source = strstr (patterns[i], "%S") && ntohs (address.sin_port) == atoi (strrchr (source, ':') + 1);
        printf ("  %s: from %s%s", patterns[i], inet_ntoa (address.sin_addr), is_source ? " and the port" : "");
        show_last (socket, endpoint);
        close (listener);
        close (peer);
        close_socket (socket);
    }
}

/* Several connects to one endpoint end together, and so do several binds to one path. */
static void several (const char *transport, int type)
{
    endpoint_t endpoint, other;
    printf ("  %s over %s\n", type_name (type), transport);
    unbound_endpoint (context, transport, endpoint);
    void *socket = new_socket (context, type);
    for (int i = 0; i < 3; i++)
        printf ("    connect %s", outcome (zmq_connect (socket, endpoint)));
    for (int i = 0; i < 2; i++)
        printf (", disconnect %s", outcome (zmq_disconnect (socket, endpoint)));
    printf (", again %s", outcome (zmq_connect (socket, endpoint)));
    printf (" %s", outcome (zmq_disconnect (socket, endpoint)));
    show_last (socket, endpoint);
    close_socket (socket);
    socket = new_socket (context, type);
    bind_fresh (socket, transport, endpoint);
    printf ("    bound, bind %s", outcome (zmq_bind (socket, endpoint)));
    for (int i = 0; i < 2; i++)
        printf (", unbind %s", outcome (zmq_unbind (socket, endpoint)));
    printf (", disconnect %s", outcome (zmq_disconnect (socket, endpoint)));
    show_last (socket, endpoint);
    bind_fresh (socket, transport, endpoint);
    bind_fresh (socket, transport, other);
    printf ("    two, the first unbound %s", outcome (zmq_unbind (socket, endpoint)));
    printf (", the second %s", outcome (zmq_unbind (socket, other)));
    show_last (socket, other);
    printf ("    a bind that fails %s", outcome (zmq_bind (socket, "tcp://203.0.113.1:*")));
    printf (", a connect that fails %s", outcome (zmq_connect (socket, "tcp://127.0.0.1")));
    show_last (socket, other);
    close_socket (socket);
}

static void inproc_order (void)
{
    part ("inproc: connect before bind");
    void *first = new_socket (context, ZMQ_PAIR), *second = new_socket (context, ZMQ_PAIR);
    SHOW (zmq_connect (first, "inproc://later"));
    show_last (first, "inproc://later");
    put (first, "one");
    SHOW (zmq_bind (second, "inproc://later"));
    show_last (second, "inproc://later");
    show_message ("second", second, 0);
    SHOW (zmq_disconnect (first, "inproc://later"));
    SHOW (zmq_disconnect (first, "inproc://later"));
    show_last (first, "inproc://later");
    SHOW (zmq_send (first, "x", 1, ZMQ_DONTWAIT));
    SHOW (int_option (second, ZMQ_EVENTS));
    SHOW (zmq_connect (first, "inproc://later"));
    put (first, "two");
    show_message ("second", second, 0);
    SHOW (zmq_unbind (second, "inproc://later"));
    SHOW (zmq_unbind (second, "inproc://later"));
    SHOW (zmq_send (first, "x", 1, ZMQ_DONTWAIT));
    close_socket (first);
    close_socket (second);
    part ("inproc: disconnected before the bind, what was sent still waits");
    for (int linger = -1; linger < 1; linger++) {
        first = new_socket (context, ZMQ_PUSH);
        second = new_socket (context, ZMQ_PULL);
        set_int (first, ZMQ_LINGER, linger);
        SHOW (zmq_connect (first, "inproc://waits"));
        put (first, "before");
        SHOW (zmq_disconnect (first, "inproc://waits"));
        SHOW (zmq_send (first, "x", 1, ZMQ_DONTWAIT));
        SHOW (zmq_bind (second, "inproc://waits"));
        show_message ("second", second, 0);
        SHOW (zmq_unbind (second, "inproc://waits"));
        close_socket (first);
        close_socket (second);
    }
    part ("inproc: one name, two contexts");
    void *other = new_context ();
    first = new_socket (context, ZMQ_PAIR);
    second = new_socket (other, ZMQ_PAIR);
    SHOW (zmq_bind (first, "inproc://mine"));
    SHOW (zmq_bind (first, "inproc://mine"));
    SHOW (zmq_bind (second, "inproc://mine"));
    close_socket (first);
    close_socket (second);
    end_context (other);
}

static void paths (void)
{
    part ("ipc: abstract names, wildcards, spellings");
    endpoint_t name, endpoint;
    snprintf (name, sizeof name, "ipc://@endpoint-life-%d", (int) getpid ());
    void *server = new_socket (context, ZMQ_PULL), *other = new_socket (context, ZMQ_PULL), *client = new_socket (context, ZMQ_PUSH);
    SHOW (zmq_bind (server, name));
    show_last (server, name);
    SHOW (zmq_bind (other, name));
    show_last (other, "");
    connect_to (client, name);
    put (client, "abstract");
    show_message ("server", server, 0);
    SHOW (zmq_disconnect (client, name));
    SHOW (zmq_unbind (server, name));
    show_last (server, name);
    SHOW (zmq_bind (server, "ipc://*"));
    last_endpoint (server, endpoint);
    SHOW (access (endpoint + strlen ("ipc://"), F_OK));
    connect_to (client, endpoint);
    put (client, "wildcard");
    show_message ("server", server, 0);
    SHOW (zmq_unbind (server, "ipc://*"));
    SHOW (zmq_unbind (server, endpoint));
    SHOW (zmq_unbind (server, endpoint));
    show_last (server, endpoint);
    SHOW (zmq_bind (server, "ipc://./spelled.sock"));
    show_last (server, "ipc://./spelled.sock");
    SHOW (zmq_unbind (server, "ipc://spelled.sock"));
    SHOW (zmq_bind (other, "ipc://spelled.sock"));
    SHOW (zmq_unbind (server, "ipc://./spelled.sock"));
    SHOW (access ("spelled.sock", F_OK));
    close_socket (client);
    close_socket (server);
    close_socket (other);
}

/* Names of hosts in zmq_bind: looked up since 4.3.5, refused before. */
static void names (void)
{
    static const char *const patterns[] = {"tcp://localhost:*", "tcp://LOCALHOST:0", "tcp://[localhost]:*", "tcp://127.0.0.1:0;localhost:*"};
    static const char *const never[] = {"tcp://nosuch0.invalid:*", "tcp://localhost:0;127.0.0.1:*", "tcp://local host:*"};
    int major, minor, revision;
    zmq_version (&major, &minor, &revision);
    part ("names in zmq_bind");
    for (int i = 0; i < COUNT (patterns); i++) {
        void *socket = new_socket (context, ZMQ_DEALER);
        const char *result = outcome (zmq_bind (socket, patterns[i])), *expected = revision >= 5 ? "ok" : "ENODEV";
        printf ("  %s: %s\n", patterns[i], strcmp (result, expected) == 0 ? "as its version does" : result);
        close_socket (socket);
    }
    for (int i = 0; i < COUNT (never); i++) {
        void *socket = new_socket (context, ZMQ_DEALER);
        printf ("  %s: %s\n", never[i], outcome (zmq_bind (socket, never[i])));
        close_socket (socket);
    }
}

/* Transports that some builds have; where one is not built in, all four calls say so. */
static void other_transports (void)
{
    static const char *const rows[][2] = {{"ws", "ws://127.0.0.1:*"}, {"wss", "wss://127.0.0.1:*"}, {"pgm", "pgm://lo;239.0.0.1:5555"},
                                          {"pgm", "epgm://lo;239.0.0.1:5555"}, {"norm", "norm://127.0.0.1:5555"}, {"vmci", "vmci://*:5555"}};
    static const int types[] = {ZMQ_PUB, ZMQ_DEALER, ZMQ_STREAM};
    part ("other transports");
    for (int i = 0; i < COUNT (rows); i++)
        for (int j = 0; j < COUNT (types); j++) {
            void *socket = new_socket (context, types[j]);
            int known = zmq_has (rows[i][0]), refused = 0;
            /* "ws" is built into some libraries that do not say so. */
            if (!known && strncmp (rows[i][0], "ws", 2) != 0) {
                refused += zmq_bind (socket, rows[i][1]) == -1 && zmq_errno () == EPROTONOSUPPORT;
                refused += zmq_connect (socket, rows[i][1]) == -1 && zmq_errno () == EPROTONOSUPPORT;
                refused += zmq_unbind (socket, rows[i][1]) == -1 && zmq_errno () == EPROTONOSUPPORT;
                refused += zmq_disconnect (socket, rows[i][1]) == -1 && zmq_errno () == EPROTONOSUPPORT;
                known = refused == 4;
            } else
                known = 1;
            printf ("  %s, %s: %s\n", rows[i][1], type_name (types[j]), known ? "built in or refused" : "neither");
            close_socket (socket);
        }
}

int main (void)
{
    static const int types[] = {ZMQ_PAIR, ZMQ_PUB, ZMQ_SUB, ZMQ_REQ, ZMQ_REP, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_PULL, ZMQ_PUSH, ZMQ_XPUB, ZMQ_XSUB};
    /* Some hosts are looked up: without a name server that answers, each should cost little. */
    CHECK (setenv ("RES_OPTIONS", "timeout:1 attempts:1", 1) == 0);
    context = new_context ();
    sources (0);
    sources (1);
    part ("one endpoint several times");
    for (int i = 0; i < COUNT (transports); i++)
        for (int j = 0; j < COUNT (types); j++)
            several (transports[i], types[j]);
    several ("tcp", ZMQ_STREAM);
    inproc_order ();
    paths ();
    names ();
    other_transports ();
    end_context (context);
    return 0;
}
