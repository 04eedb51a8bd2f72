/* When options count and what they do, where no other program shows it (zmq_setsockopt(3)): filters, ZMQ_AFFINITY, ZMQ_USE_FD,
 * ZMQ_MAXMSGSIZE, ZMQ_CONNECT_TIMEOUT, ZMQ_RECONNECT_IVL and _MAX, ZMQ_IMMEDIATE, the high-water marks of a connected socket, and that
 * settings which count for later endpoints leave earlier ones alone. With the argument "full" also the filters of ipc peers, which
 * libzmq has only where it was built asking the system for them. */
#include "common.h"
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static void *context;

/* Prints the events up to one of `last`. */
static void show_events (const char *label, void *monitor, int last)
{
    int event;
    printf ("  %s:", label);
    do {
        event = next_event (monitor, NULL, NULL);
        printf (" %s", event_name (event));
    } while (!(event & last));
    printf ("\n");
    fflush (stdout);
}

/* Whether a client that connects now is let in. It is told by its own monitor: a filtered connection is closed by the peer before its
 * handshake. */
static void knock (const char *label, const char *endpoint)
{
    void *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_IPV6, strchr (endpoint, '[') != NULL);
    set_int (client, ZMQ_RECONNECT_IVL, -1);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED);
    connect_to (client, endpoint);
    show_events (label, monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED);
    close_monitor (client, monitor);
    close_socket (client);
}

static void accept_filters (void)
{
    static const char *const lists[][4] = {{"127.0.0.1"},
                                           {"127.0.0.1/32"},
                                           {"127.0.0.0/8"},
                                           {"10.0.0.0/8"},
                                           {"127.0.0.2/31"},
                                           {"10.0.0.0/8", "127.0.0.1"},
                                           {"0.0.0.0/0"},
                                           {"10.0.0.1/0"}};
    for (int i = 0; i < COUNT (lists); i++) {
        part ("ZMQ_TCP_ACCEPT_FILTER %s %s", lists[i][0], lists[i][1] ? lists[i][1] : "");
        void *server = new_socket (context, ZMQ_DEALER);
        endpoint_t endpoint;
        for (int k = 0; k < 4 && lists[i][k]; k++)
            set_text (server, ZMQ_TCP_ACCEPT_FILTER, lists[i][k]);
        bind_fresh (server, "tcp", endpoint);
        knock ("one", endpoint);
        CHECK (zmq_setsockopt (server, ZMQ_TCP_ACCEPT_FILTER, NULL, 0) == 0);
        knock ("cleared after the bind", endpoint);
        bind_fresh (server, "tcp", endpoint);
        knock ("a later bind", endpoint);
        set_text (server, ZMQ_TCP_ACCEPT_FILTER, "10.0.0.0/8");
        knock ("set after the bind", endpoint);
        close_socket (server);
    }
    part ("ZMQ_TCP_ACCEPT_FILTER and IPv6");
    static const char *const filters[] = {"::1", "::1/128", "::/0", "fe80::/10", "::2/127"};
    for (int i = 0; i < COUNT (filters); i++) {
        void *server = new_socket (context, ZMQ_DEALER);
        endpoint_t endpoint;
        set_int (server, ZMQ_IPV6, 1);
        set_text (server, ZMQ_TCP_ACCEPT_FILTER, filters[i]);
        CHECK (zmq_bind (server, "tcp://[::1]:*") == 0);
        last_endpoint (server, endpoint);
        knock (filters[i], endpoint);
        close_socket (server);
    }
}

/* Filters of ipc: one that is of the program itself, and one that is not; each kind alone and together. */
static void ipc_filters (void)
{
    part ("ZMQ_IPC_FILTER_*");
    int own[] = {getpid (), getuid (), getgid ()};
    static const int options[] = {ZMQ_IPC_FILTER_PID, ZMQ_IPC_FILTER_UID, ZMQ_IPC_FILTER_GID};
    static const char *const names[] = {"process", "user", "group"};
    for (int i = 0; i < 3; i++)
        for (int mode = 0; mode < 4; mode++) {
            void *server = new_socket (context, ZMQ_DEALER);
            endpoint_t endpoint;
            set_int (server, options[i], own[i] + (mode != 0) * 100000);
            if (mode == 2)
                set_int (server, options[i], own[i]);
            if (mode == 3)
                set_int (server, options[(i + 1) % 3], own[(i + 1) % 3]);
            bind_fresh (server, "ipc", endpoint);
            static const char *const modes[] = {"the own", "another", "another and the own", "another, and the own of another kind"};
            printf ("  %s, %s\n", names[i], modes[mode]);
            knock ("one", endpoint);
            CHECK (zmq_setsockopt (server, options[i], NULL, 0) == 0);
            knock ("cleared after the bind", endpoint);
            bind_fresh (server, "ipc", endpoint);
            knock ("a later bind", endpoint);
            close_socket (server);
        }
}

/* ZMQ_AFFINITY asks for threads by their bits; where none of those exists, there is EMTHREAD. */
static void affinity (void)
{
    part ("ZMQ_AFFINITY");
    static const uint64_t masks[] = {0, 1, 2, 3, 4, 8, 0xFFFFFFFFFFFFFFFFull, 1ull << 63, 6};
    static const int threads[] = {1, 2, 0};
    for (int i = 0; i < COUNT (threads); i++) {
        void *own = new_context ();
        CHECK (zmq_ctx_set (own, ZMQ_IO_THREADS, threads[i]) == 0);
        printf (" %d threads\n", threads[i]);
        for (int k = 0; k < COUNT (masks); k++) {
            void *socket = new_socket (own, ZMQ_DEALER), *peer = new_socket (own, ZMQ_DEALER);
            CHECK (zmq_setsockopt (socket, ZMQ_AFFINITY, &masks[k], sizeof masks[k]) == 0);
            printf (" %llx\n", (unsigned long long) masks[k]);
            endpoint_t endpoint = "", fresh;
            SHOW (zmq_bind (socket, "tcp://127.0.0.1:*"));
            fresh_endpoint ("ipc", fresh);
            if (SHOW (zmq_bind (socket, fresh)) == 0)
                last_endpoint (socket, endpoint);
            fresh_endpoint ("inproc", fresh);
            SHOW (zmq_bind (socket, fresh));
            SHOW (zmq_connect (socket, "tcp://127.0.0.1:9"));
            SHOW (zmq_connect (socket, "ipc://absent"));
            if (*endpoint) {
                connect_to (peer, endpoint);
                put (peer, "x");
                show_message ("received", socket, 0);
            }
            close_socket (peer);
            close_socket (socket);
        }
        end_context (own);
    }
}

/* ZMQ_USE_FD: the listener is the program's own. */
static void used_descriptor (const char *transport)
{
    part ("ZMQ_USE_FD over %s", transport);
    int fd;
    endpoint_t endpoint, given;
    if (strcmp (transport, "tcp") == 0) {
        fd = socket (AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
        CHECK (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
        socklen_t size = sizeof address;
        CHECK (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
        snprintf (given, sizeof given, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    } else {
        unlink ("used.sock");
        fd = socket (AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "used.sock"};
        CHECK (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
        snprintf (given, sizeof given, "ipc://used.sock");
    }
    CHECK (listen (fd, 5) == 0);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    set_int (server, ZMQ_USE_FD, fd);
    CHECK (zmq_bind (server, given) == 0);
    last_endpoint (server, endpoint);
    printf ("  the endpoint is %s\n", strcmp (endpoint, given) == 0 ? "the one given" : endpoint);
    SHOW_VALUE (int_option (server, ZMQ_USE_FD) == fd);
    connect_to (client, endpoint);
    put (client, "hello");
    show_message ("received", server, 0);
    put (server, "hello yourself");
    show_message ("received", client, 0);
    close_socket (client);
    unbind_and_wait (context, server, endpoint);
    char byte;
    printf ("  the descriptor is %s\n", recv (fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EBADF ? "closed" : "open");
    set_int (server, ZMQ_USE_FD, -1);
    bind_fresh (server, transport, endpoint);
    close_socket (server);
}

/* ZMQ_MAXMSGSIZE: a longer message ends the connection of who receives it; over inproc there is no limit. */
static void size_limit (const char *transport, int64_t limit)
{
    part ("ZMQ_MAXMSGSIZE %d over %s", (int) limit, transport);
    void *server = new_socket (context, ZMQ_PULL), *client = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    CHECK (zmq_setsockopt (server, ZMQ_MAXMSGSIZE, &limit, sizeof limit) == 0);
    set_int (client, ZMQ_RECONNECT_IVL, -1);
    bind_fresh (server, transport, endpoint);
    int64_t later = 1;
    CHECK (zmq_setsockopt (server, ZMQ_MAXMSGSIZE, &later, sizeof later) == 0);
    void *monitor = open_monitor (context, server, ZMQ_EVENT_DISCONNECTED);
    connect_to (client, endpoint);
    char body[600] = {0};
    CHECK (zmq_send (client, body, (size_t) limit, ZMQ_SNDMORE) == limit);
    CHECK (zmq_send (client, body, (size_t) limit, 0) == limit);
    show_message ("at the limit", server, 0);
    CHECK (zmq_send (client, body, (size_t) limit + 1, 0) == limit + 1);
    if (strcmp (transport, "inproc") == 0)
        show_message ("one more", server, 0);
    else
        show_events ("one more", monitor, ZMQ_EVENT_DISCONNECTED);
    close_monitor (server, monitor);
    close_socket (client);
    close_socket (server);
}

/* A listener that takes no connection: its queue is full, and the system leaves further ones unanswered. */
static int full_listener (int *waiting, endpoint_t endpoint)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    CHECK (bind (fd, (struct sockaddr *) &address, size) == 0 && listen (fd, 0) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    for (int i = 0; i < 2; i++) {
        waiting[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int rc = connect (waiting[i], (struct sockaddr *) &address, size);
        CHECK (rc == 0 || errno == EINPROGRESS);
    }
    snprintf (endpoint, ENDPOINT_SIZE, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    return fd;
}

static void connect_timeout (void)
{
    part ("ZMQ_CONNECT_TIMEOUT");
    int waiting[2];
    endpoint_t endpoint;
    int fd = full_listener (waiting, endpoint);
    void *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_CONNECT_TIMEOUT, 50);
    set_int (client, ZMQ_RECONNECT_IVL, 10);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
    int64_t began = now_ms ();
    connect_to (client, endpoint);
    show_events ("once", monitor, ZMQ_EVENT_CONNECT_RETRIED);
    printf ("  %s\n", now_ms () - began >= 50 ? "in time" : "too early");
    show_events ("twice", monitor, ZMQ_EVENT_CONNECT_RETRIED);
    set_int (client, ZMQ_CONNECT_TIMEOUT, 0);
    show_events ("unset after the connect", monitor, ZMQ_EVENT_CONNECT_RETRIED);
    close_monitor (client, monitor);
    close_socket (client);
    for (int i = 0; i < 2; i++)
        close (waiting[i]);
    close (fd);
}

/* The values of CONNECT_RETRIED: each is the interval, with up to as much again at random. */
static void reconnect_intervals (int first, int most, int later)
{
    part ("ZMQ_RECONNECT_IVL %d, ZMQ_RECONNECT_IVL_MAX %d", first, most);
    endpoint_t endpoint;
    unbound_endpoint (context, "ipc", endpoint);
    void *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_RECONNECT_IVL, first);
    set_int (client, ZMQ_RECONNECT_IVL_MAX, most);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_CONNECT_RETRIED);
    connect_to (client, endpoint);
    set_int (client, ZMQ_RECONNECT_IVL, later);
    int base = first;
    for (int i = 0; i < 7; i++) {
        uint32_t value;
        CHECK (next_event (monitor, &value, NULL) == ZMQ_EVENT_CONNECT_RETRIED);
        printf ("  %s\n", (int) value >= base && (int) value <= base + first ? "as expected" : "other");
        if ((int) value < base || (int) value > base + first)
            printf ("  %u, base %d\n", value, base);
        if (most > first && base * 2 <= most)
            base *= 2;
        else if (most > first)
            base = most;
    }
    close_monitor (client, monitor);
    close_socket (client);
}

int main (int count, char **arguments)
{
    context = new_context ();
    accept_filters ();
    if (count > 1 && strcmp (arguments[1], "full") == 0)
        ipc_filters ();
    affinity ();
    used_descriptor ("tcp");
    used_descriptor ("ipc");
    for (int i = 0; i < COUNT (transports); i++)
        size_limit (transports[i], 100), size_limit (transports[i], 300);
    connect_timeout ();
    reconnect_intervals (10, 0, 1000);
    reconnect_intervals (4, 30, 1000);
    reconnect_intervals (1, 64, 1000);
    end_context (context);
    return 0;
}
