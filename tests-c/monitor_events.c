/* Every event of a monitor but those of handshakes that fail, with value and address: binds and connects that succeed and that do not,
 * peers that leave, sockets that end, peers that are turned away, and the intervals of retries (zmq_socket_monitor(3)).
 *
 * Interfaces' names are left to endpoints.c. Left out is errno after a failed bind of a monitored socket, which the reference
 * library overwrites when no descriptor was made. */
#include "events.h"

#include <sys/resource.h>
#include <sys/stat.h>

static void *context;

enum { TAKEN = 0, FREE = 1 };

/* The address with %T replaced by a port that is taken, or %F by one that is free. */
static void fill (const char *pattern, const char *ports[2], endpoint_t endpoint)
{
    const char *sign = strchr (pattern, '%');
    if (sign)
        snprintf (endpoint, ENDPOINT_SIZE, "%.*s%s", (int) (sign - pattern), pattern, ports[sign[1] == 'F' ? FREE : TAKEN]);
    else
        snprintf (endpoint, ENDPOINT_SIZE, "%s", pattern);
}

static void good_binds (void)
{
    static const char *const patterns[] = {"tcp://127.0.0.1:*", "tcp://*:*", "tcp://*:0", "tcp://127.0.0.1:0;127.0.0.1:*", "ipc://a.sock",
                                           "ipc://*", "ipc://./a.sock", "inproc://a"};
    part ("binds");
    for (int i = 0; i < COUNT (patterns); i++) {
        printf ("  %s\n", patterns[i]);
        endpoint_t endpoint;
        void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
        CHECK (zmq_bind (socket, patterns[i]) == 0);
        if (strncmp (patterns[i], "inproc", 6) != 0)
            show_next ("bound", monitor, "");
        last_endpoint (socket, endpoint);
        CHECK (zmq_unbind (socket, endpoint) == 0);
        if (strncmp (patterns[i], "inproc", 6) != 0)
            show_next ("unbound", monitor, endpoint);
        stop_and_show ("then", socket, monitor, "");
    }
}

static void bad_binds (void)
{
    static const char *const patterns[] = {"tcp://127.0.0.1:%T", "tcp://nosuch0:5555", "tcp://203.0.113.1:*", "tcp://127.0.0.1",
                                           "tcp://127.0.0.1:port", "ipc://folder", "ipc://nosuch/socket", "ipc://@", "inproc://taken",
                                           "udp://127.0.0.1:5555", "other://address", "ipc://@%T"};
    part ("binds that fail");
    endpoint_t taken, endpoint;
    void *first = new_socket (context, ZMQ_DEALER);
    CHECK (mkdir ("folder", 0700) == 0);
    CHECK (zmq_bind (first, "inproc://taken") == 0);
    bind_fresh (first, "tcp", taken);
    const char *ports[] = {strrchr (taken, ':') + 1, ""};
    fill ("ipc://@%T", ports, endpoint);
    CHECK (zmq_bind (first, endpoint) == 0);
    for (int i = 0; i < COUNT (patterns); i++) {
        printf ("  %s\n", patterns[i]);
        fill (patterns[i], ports, endpoint);
        void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
        CHECK (zmq_bind (socket, endpoint) == -1);
        if (strchr (patterns[i], '@'))
            memset (endpoint, 0, sizeof endpoint);
        CHECK (zmq_socket_monitor (socket, NULL, 0) == 0);
        int event;
        do {
            uint32_t value;
            event = next_event (monitor, &value, endpoint);
            printf ("    %s", event_name (event));
            if (event == ZMQ_EVENT_CLOSED)
                printf (", %s", value > 2 && value < 100000 ? "a descriptor" : "no descriptor");
            else
                printf (", %s", error_name ((int) value));
            char *number = strstr (endpoint, ports[TAKEN]);
            printf (", [%.*s]\n", number ? (int) (number - endpoint) : ENDPOINT_SIZE, endpoint);
        } while (event != ZMQ_EVENT_MONITOR_STOPPED);
        close_socket (monitor);
        close_socket (socket);
    }
    close_socket (first);
    CHECK (rmdir ("folder") == 0);
}

/* Nobody is there, or the source address cannot be had: two attempts, then the endpoint is given up. */
static void bad_connects (void)
{
    static const char *const patterns[] = {"tcp://127.0.0.1:%F", "tcp://localhost:%F", "tcp://127.0.0.2:0;127.0.0.1:%F",
                                           "tcp://203.0.113.1:0;127.0.0.1:%F", "tcp://nosuch0:0;127.0.0.1:%F", "tcp://127.0.0.1:x;127.0.0.1:%F",
                                           "tcp://127.0.0.1:65536", "tcp://nosuch0.invalid:%F", "tcp://[::1]:%F", "ipc://nobody.sock",
                                           "ipc://@nobody-%F", "ipc://nosuch/socket"};
    part ("connects to nobody");
    endpoint_t unbound = "", endpoint;
    int held = raw_bind (unbound);
    const char *ports[] = {"", strrchr (unbound, ':') + 1};
    for (int i = 0; i < COUNT (patterns); i++) {
        printf ("  %s\n", patterns[i]);
        fill (patterns[i], ports, endpoint);
        void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
        set_int (socket, ZMQ_RECONNECT_IVL, 200);
        connect_to (socket, endpoint);
        show_up_to ("first", monitor, endpoint, ZMQ_EVENT_CONNECT_RETRIED);
        show_up_to ("second", monitor, endpoint, ZMQ_EVENT_CONNECT_RETRIED);
        CHECK (zmq_disconnect (socket, endpoint) == 0);
        stop_and_show ("then", socket, monitor, endpoint);
    }
    close (held);
}

enum { DISCONNECT, CLOSE_CLIENT, UNBIND, CLOSE_SERVER, WAYS };

/* The ways in which a connection ends, each seen from both sides. */
static void endings (const char *transport, int type, int way)
{
    static const char *const names[] = {"disconnect", "close of the client", "unbind", "close of the server"};
    printf ("  %s, %s, %s\n", transport, type_name (type), names[way]);
    void *server = new_socket (context, type), *client = new_socket (context, type);
    set_int (client, ZMQ_RECONNECT_IVL, 10000);
    endpoint_t endpoint;
    void *at_server = open_monitor (context, server, ZMQ_EVENT_ALL);
    void *at_client = open_monitor (context, client, ZMQ_EVENT_ALL & ~ZMQ_EVENT_CONNECT_DELAYED);
    bind_fresh (server, transport, endpoint);
    connect_to (client, endpoint);
    int is_raw = type == ZMQ_STREAM;
    show_up_to ("client", at_client, endpoint, is_raw ? ZMQ_EVENT_CONNECTED : ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    show_up_to ("server", at_server, endpoint, is_raw ? ZMQ_EVENT_ACCEPTED : ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    printf ("   now\n");
    if (way == CLOSE_CLIENT) {
        close_socket (client);
        show_up_to ("client", at_client, endpoint, ZMQ_EVENT_MONITOR_STOPPED);
        show_up_to ("server", at_server, endpoint, ZMQ_EVENT_DISCONNECTED);
    } else if (way == CLOSE_SERVER) {
        close_socket (server);
        show_up_to ("server", at_server, endpoint, ZMQ_EVENT_MONITOR_STOPPED);
        show_up_to ("client", at_client, endpoint, ZMQ_EVENT_CONNECT_RETRIED);
    } else if (way == UNBIND) {
        CHECK (zmq_unbind (server, endpoint) == 0);
        show_driving ("server", at_server, endpoint, ZMQ_EVENT_CLOSED, server);
        if (!is_raw)
            show_driving ("client", at_client, endpoint, ZMQ_EVENT_CONNECT_RETRIED, server);
    } else {
        CHECK (zmq_disconnect (client, endpoint) == 0);
        show_driving ("server", at_server, endpoint, ZMQ_EVENT_DISCONNECTED, client);
        show_no_event ("client", at_client, endpoint);
    }
    /* The reference library waits for ever for a reader that leaves before the last event. */
    if (way != CLOSE_CLIENT) {
        close_socket (client);
        wait_for_event (at_client, ZMQ_EVENT_MONITOR_STOPPED);
    }
    if (way != CLOSE_SERVER) {
        close_socket (server);
        wait_for_event (at_server, ZMQ_EVENT_MONITOR_STOPPED);
    }
    close_socket (at_client);
    close_socket (at_server);
}

/* A listener whose backlog is full, so that a connect to it neither succeeds nor fails. */
static void fill_backlog (endpoint_t endpoint, int descriptors[4])
{
    *endpoint = 0;
    descriptors[0] = raw_bind (endpoint);
    CHECK (listen (descriptors[0], 0) == 0);
    for (int i = 1; i < 4; i++) {
        struct sockaddr_in address = raw_address (endpoint);
        descriptors[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int status = connect (descriptors[i], (struct sockaddr *) &address, sizeof address);
        CHECK (status == 0 || errno == EINPROGRESS);
    }
}

static void attempts (void)
{
    part ("attempts that are ended");
    endpoint_t endpoint;
    int descriptors[4];
    fill_backlog (endpoint, descriptors);
    void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    set_int (socket, ZMQ_CONNECT_TIMEOUT, 20);
    set_int (socket, ZMQ_RECONNECT_IVL, 10000);
    connect_to (socket, endpoint);
    show_up_to ("by ZMQ_CONNECT_TIMEOUT", monitor, endpoint, ZMQ_EVENT_CONNECT_RETRIED);
    stop_and_show ("then", socket, monitor, endpoint);
    socket = new_socket (context, ZMQ_DEALER);
    monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    connect_to (socket, endpoint);
    show_next ("by zmq_disconnect", monitor, endpoint);
    CHECK (zmq_disconnect (socket, endpoint) == 0);
    show_driving ("by zmq_disconnect", monitor, endpoint, ZMQ_EVENT_CLOSED, socket);
    stop_and_show ("then", socket, monitor, endpoint);
    for (int i = 0; i < 4; i++)
        close (descriptors[i]);
}

/* A peer that is not let in. */
static void turned_away (void)
{
    part ("peers that are turned away");
    endpoint_t endpoint;
    void *socket = new_socket (context, ZMQ_DEALER);
    set_text (socket, ZMQ_TCP_ACCEPT_FILTER, "203.0.113.1");
    void *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    bind_fresh (socket, "tcp", endpoint);
    int peer = raw_connect (endpoint);
    show_up_to ("by address", monitor, endpoint, ZMQ_EVENT_ACCEPT_FAILED);
    close (peer);
    stop_and_show ("then", socket, monitor, endpoint);
}

/* The descriptors come to an end, and there are some again. */
static void no_descriptors (void)
{
    enum { SPARE = 64 };
    part ("no descriptor is left");
    struct rlimit all, few;
    int peer = raw_socket (), taken[SPARE], count = 0;
    CHECK (getrlimit (RLIMIT_NOFILE, &all) == 0);
    few = all;
    few.rlim_cur = (rlim_t) dup (peer) + SPARE / 2;
    close ((int) few.rlim_cur - SPARE / 2);
    CHECK (setrlimit (RLIMIT_NOFILE, &few) == 0);
    endpoint_t endpoint;
    void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    bind_fresh (socket, "tcp", endpoint);
    /* A first peer is served, so that the background thread opens and closes nothing more. */
    int served = raw_connect (endpoint);
    show_up_to ("monitor", monitor, endpoint, ZMQ_EVENT_ACCEPTED);
    while (count < SPARE && (taken[count] = dup (peer)) != -1)
        count++;
    CHECK (count < SPARE && errno == EMFILE);
    struct sockaddr_in address = raw_address (endpoint);
    CHECK (connect (peer, (struct sockaddr *) &address, sizeof address) == 0);
    uint32_t value;
    CHECK (next_event (monitor, &value, NULL) == ZMQ_EVENT_ACCEPT_FAILED);
    printf ("    ACCEPT_FAILED, %s\n", error_name ((int) value));
    while (count)
        close (taken[--count]);
    wait_for_event (monitor, ZMQ_EVENT_ACCEPTED);
    printf ("    ACCEPTED when there is one again\n");
    CHECK (setrlimit (RLIMIT_NOFILE, &all) == 0);
    close (peer);
    wait_for_event (monitor, ZMQ_EVENT_DISCONNECTED);
    stop_and_show ("then", socket, monitor, endpoint);
    close (served);
}

/* The values of CONNECT_RETRIED. With a maximum they grow and are exact from 4.3.5 on; before, as without one, up to an interval
 * is added. */
static void intervals (void)
{
    static const int rows[][2] = {{20, 0}, {10, 40}, {15, 15}, {20, 25}};
    int major, minor, revision;
    zmq_version (&major, &minor, &revision);
    part ("intervals");
    endpoint_t nobody;
    unbound_endpoint (context, "ipc", nobody);
    for (int i = 0; i < COUNT (rows); i++) {
        int first = rows[i][0], most = rows[i][1], base = first;
        void *socket = new_socket (context, ZMQ_DEALER);
        set_int (socket, ZMQ_RECONNECT_IVL, first);
        set_int (socket, ZMQ_RECONNECT_IVL_MAX, most);
        void *monitor = open_monitor (context, socket, ZMQ_EVENT_CONNECT_RETRIED);
        connect_to (socket, nobody);
        printf ("  %d, at most %d:", first, most);
        for (int attempt = 0; attempt < 5; attempt++) {
            uint32_t value;
            CHECK (next_event (monitor, &value, NULL) == ZMQ_EVENT_CONNECT_RETRIED);
            int exact = most && revision >= 5, above = (int) value - base;
            printf (" %s", exact ? above == 0 ? "right" : "wrong" : above >= 0 && above < first ? "right" : "wrong");
            base = most > first ? base * 2 < most ? base * 2 : most : first;
        }
        printf ("\n");
        CHECK (zmq_disconnect (socket, nobody) == 0);
        close_monitor (socket, monitor);
        close_socket (socket);
    }
}

static void changes (void)
{
    part ("names of monitors");
    void *socket = new_socket (context, ZMQ_DEALER), *other = new_socket (context, ZMQ_DEALER), *pair = new_socket (context, ZMQ_PAIR);
    SHOW (zmq_socket_monitor (socket, "inproc://", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "inproc:name", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "ipc://name.sock", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "udp://127.0.0.1:5555", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "other://name", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "nonsense", -1));
    SHOW (zmq_socket_monitor (socket, NULL, -1));
    SHOW (zmq_socket_monitor (NULL, NULL, -1));
    SHOW (zmq_socket_monitor (socket, "inproc://same", ZMQ_EVENT_LISTENING));
    SHOW (zmq_socket_monitor (socket, "inproc://other", ZMQ_EVENT_ALL + 1));
    SHOW (zmq_socket_monitor (other, "inproc://same", ZMQ_EVENT_LISTENING));
    SHOW (zmq_bind (other, "inproc://same"));
    SHOW (zmq_unbind (socket, "inproc://same"));
    SHOW (zmq_socket_monitor (socket, NULL, ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, NULL, 0));
    SHOW (zmq_bind (other, "inproc://taken"));
    part ("a monitor that cannot be opened ends the one before it");
    endpoint_t endpoint;
    void *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    SHOW (zmq_socket_monitor (socket, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL));
    bind_fresh (socket, "tcp", endpoint);
    show_next ("first", monitor, endpoint);
    SHOW (zmq_socket_monitor (socket, "inproc://taken", ZMQ_EVENT_ALL));
    show_next ("first", monitor, endpoint);
    CHECK (zmq_unbind (socket, endpoint) == 0);
    close_socket (monitor);
    part ("a reader sends to the monitor, which nobody sees");
    CHECK (zmq_socket_monitor (socket, "inproc://again", ZMQ_EVENT_LISTENING) == 0);
    connect_to (pair, "inproc://again");
    SHOW (zmq_send (pair, "x", 1, ZMQ_DONTWAIT));
    bind_fresh (socket, "ipc", endpoint);
    show_next ("monitor", pair, endpoint);
    close_socket (socket);
    close_socket (other);
    show_no_event ("monitor", pair, endpoint);
    close_socket (pair);
}

static void ended_contexts (void)
{
    part ("contexts");
    void *ended = new_context (), *socket = new_socket (ended, ZMQ_DEALER), *monitor = open_monitor (ended, socket, ZMQ_EVENT_ALL);
    CHECK (zmq_ctx_shutdown (ended) == 0);
    SHOW (zmq_socket_monitor (socket, "inproc://x", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, "nonsense", ZMQ_EVENT_ALL));
    SHOW (zmq_socket_monitor (socket, NULL, 0));
    SHOW (zmq_recv (monitor, NULL, 0, 0));
    close_socket (socket);
    close_socket (monitor);
    end_context (ended);
    ended = new_context ();
    CHECK (zmq_ctx_set (ended, ZMQ_MAX_SOCKETS, 1) == 0);
    socket = new_socket (ended, ZMQ_DEALER);
    SHOW (zmq_socket_monitor (socket, "inproc://x", ZMQ_EVENT_ALL));
    close_socket (socket);
    end_context (ended);
}

int main (void)
{
    static const char *const network[] = {"ipc", "tcp"};
    /* Some hosts are looked up: without a name server that answers, each should cost little. */
    CHECK (setenv ("RES_OPTIONS", "timeout:1 attempts:1", 1) == 0);
    context = new_context ();
    /* First, as long as nothing else is being closed in the background. */
    no_descriptors ();
    good_binds ();
    bad_binds ();
    bad_connects ();
    part ("connections that end");
    for (int i = 0; i < COUNT (network); i++)
        for (int way = 0; way < WAYS; way++)
            endings (network[i], ZMQ_DEALER, way);
    for (int way = 0; way < WAYS; way++)
        endings ("tcp", ZMQ_STREAM, way);
    attempts ();
    turned_away ();
    intervals ();
    changes ();
    ended_contexts ();
    end_context (context);
    return 0;
}
