/* Heartbeats (ZMQ_HEARTBEAT_IVL, ZMQ_HEARTBEAT_TIMEOUT, ZMQ_HEARTBEAT_TTL in zmq_setsockopt(3); PING and PONG in RFC 37), with raw peers of
 * ZMTP 3.1 and between sockets. */
#include "raw.h"

static void *context;

/* A socket of the library that a raw PUSH is connected to. */
struct meeting
{
    void *socket, *monitor;
    int fd;
};

static void greet (int fd, int minor)
{
    unsigned char greeting[64] = {0xff, [9] = 0x7f, 3, (unsigned char) minor, 'N', 'U', 'L', 'L'}, data[256];
    static const char ready[] = "\4\x1a\5READY\x0bSocket-Type\0\0\0\4PUSH";
    raw_write (fd, greeting, sizeof greeting);
    CHECK (raw_read (fd, data, 64) == 64);
    raw_write (fd, ready, sizeof ready - 1);
    CHECK (raw_read (fd, data, 2) == 2 && raw_read (fd, data + 2, data[1]) == data[1]);
}

static struct meeting meet (int minor, int interval, int timeout, int ttl)
{
    struct meeting it;
    endpoint_t endpoint;
    it.socket = new_socket (context, ZMQ_PULL);
    it.monitor = open_monitor (context, it.socket, ZMQ_EVENT_ALL);
    set_int (it.socket, ZMQ_HEARTBEAT_IVL, interval);
    if (timeout >= 0)
        set_int (it.socket, ZMQ_HEARTBEAT_TIMEOUT, timeout);
    set_int (it.socket, ZMQ_HEARTBEAT_TTL, ttl);
    bind_fresh (it.socket, "tcp", endpoint);
    it.fd = raw_connect (endpoint);
    greet (it.fd, minor);
    return it;
}

static void part_ways (struct meeting *it)
{
    close_monitor (it->socket, it->monitor);
    close_socket (it->socket);
    close (it->fd);
}

/* Takes one command of the library; its size, 0 at the end of the connection. */
static size_t take_command (int fd, unsigned char *body)
{
    unsigned char header[2];
    if (raw_read (fd, header, 2) != 2)
        return 0;
    CHECK (header[0] == 4 && raw_read (fd, body, header[1]) == header[1]);
    return header[1];
}

static void show_command (const char *label, int fd)
{
    unsigned char body[256];
    size_t size = take_command (fd, body);
    printf ("  %s \"", label);
    print_bytes (body, size);
    printf ("\"\n");
}

static void silent (int minor)
{
    part ("a silent peer of ZMTP 3.%d", minor);
    struct meeting it = meet (minor, 100, -1, 1000);
    show_command ("sent:", it.fd);
    unsigned char body[256];
    while (take_command (it.fd, body))
        ;
    show_events ("events:", it.monitor, ZMQ_EVENT_DISCONNECTED);
    part_ways (&it);
}

/* A peer that answers, or sends something else, stays. */
static void lively (int answers)
{
    part (answers ? "a peer that answers" : "a peer that sends messages instead");
    struct meeting it = meet (1, 50, 700, 0);
    for (int i = 0; i < 30; i++) {
        unsigned char body[256];
        CHECK (take_command (it.fd, body) == 7 && memcmp (body, "\4PING\0\0", 7) == 0);
        if (answers)
            raw_write (it.fd, "\4\5\4PONG", 7);
        else {
            raw_write (it.fd, "\0\1x", 3);
            CHECK (zmq_recv (it.socket, body, 1, 0) == 1);
        }
    }
    raw_write (it.fd, "\0\4done", 6);
    show_message ("received", it.socket, 0);
    part_ways (&it);
}

/* While the program waits in a call it reads the connection itself. */
static void *receive_one (void *socket)
{
    char data[16];
    CHECK (zmq_recv (socket, data, sizeof data, 0) == 4 && memcmp (data, "done", 4) == 0);
    return NULL;
}

static void waiting (void)
{
    part ("a program that waits for a message meanwhile");
    struct meeting it = meet (1, 50, 700, 0);
    pthread_t thread = start (receive_one, it.socket);
    for (int i = 0; i < 30; i++) {
        unsigned char body[256];
        CHECK (take_command (it.fd, body) == 7);
        raw_write (it.fd, "\4\5\4PONG", 7);
    }
    raw_write (it.fd, "\0\4done", 6);
    join (thread);
    part_ways (&it);
}

/* The peer's own PING: its context comes back, and the time that it gives holds. */
static void from_the_peer (int goes_on)
{
    part (goes_on ? "a PING with a time to live, and messages after it" : "a PING with a time to live, and silence");
    struct meeting it = meet (1, 0, -1, 0);
    raw_write (it.fd, "\4\x0b\4PING\0\5\1\2\0x", 13);
    show_command ("answer:", it.fd);
    if (goes_on) {
        for (int i = 0; i < 90; i++) {
            char data[2];
            raw_write (it.fd, "\0\1x", 3);
            CHECK (zmq_recv (it.socket, data, 1, 0) == 1);
            CHECK (zmq_poll (NULL, 0, 10) == 0);
        }
        raw_write (it.fd, "\4\7\4PING\0\0", 9);
        show_command ("answer:", it.fd);
    } else {
        show_ending ("the peer:", dup (it.fd));
        show_events ("events:", it.monitor, ZMQ_EVENT_DISCONNECTED);
    }
    part_ways (&it);
}

/* Sockets of the library answer each other; the side that is connected comes again when its peer was silent. */
static void between_sockets (const char *transport)
{
    part ("between sockets over %s", transport);
    endpoint_t endpoint;
    void *a = new_socket (context, ZMQ_DEALER), *b = new_socket (context, ZMQ_DEALER);
    void *sockets[] = {a, b};
    for (int i = 0; i < 2; i++) {
        set_int (sockets[i], ZMQ_HEARTBEAT_IVL, 20);
        set_int (sockets[i], ZMQ_HEARTBEAT_TIMEOUT, 2000);
        set_int (sockets[i], ZMQ_HEARTBEAT_TTL, 2000);
    }
    void *monitor = open_monitor (context, a, ZMQ_EVENT_DISCONNECTED);
    bind_fresh (a, transport, endpoint);
    connect_to (b, endpoint);
    for (int i = 0; i < 200; i++) {
        put (i % 2 ? a : b, "x");
        CHECK (zmq_recv (i % 2 ? b : a, NULL, 0, 0) == 1);
        if (i % 20 == 0)
            CHECK (zmq_poll (NULL, 0, 50) == 0);
    }
    zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
    SHOW (zmq_poll (&item, 1, 0));
    close_monitor (a, monitor);
    close_socket (a);
    close_socket (b);
}

static void comes_again (void)
{
    part ("a socket whose peer falls silent connects again");
    endpoint_t endpoint = "";
    int listener = raw_listen (endpoint);
    void *pull = new_socket (context, ZMQ_PULL);
    void *monitor = open_monitor (context, pull, ZMQ_EVENT_ALL);
    set_int (pull, ZMQ_HEARTBEAT_IVL, 50);
    set_int (pull, ZMQ_RECONNECT_IVL, 10);
    connect_to (pull, endpoint);
    int first = raw_accept (listener);
    greet (first, 1);
    show_events ("events:", monitor, ZMQ_EVENT_CONNECT_RETRIED);
    int second = raw_accept (listener);
    greet (second, 1);
    raw_write (second, "\0\5hello", 7);
    show_message ("received", pull, 0);
    close_monitor (pull, monitor);
    close_socket (pull);
    close (first);
    close (second);
    close (listener);
}

int main (void)
{
    context = new_context ();
    silent (1);
    silent (0);
    lively (1);
    lively (0);
    waiting ();
    from_the_peer (0);
    from_the_peer (1);
    between_sockets ("tcp");
    between_sockets ("ipc");
    comes_again ();
    end_context (context);
    return 0;
}
