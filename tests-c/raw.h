/* Plain TCP peers for the programs of tests-c: sockets of the system that stand at the other end of a connection.
 *
 * Whatever is expected is waited for up to a generous limit; that nothing more comes is looked at for a short while only.
 * So a slow machine changes nothing of what is printed. */
#ifndef MONOCOQUE_TESTS_RAW_H
#define MONOCOQUE_TESTS_RAW_H

#include "common.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

/* How long to wait for what must come, and for what must not. */
enum
{
    LIMIT_MS = 10000,
    QUIET_MS = 40
};

static UNUSED struct sockaddr_in raw_address (const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    if (endpoint)
        address.sin_port = htons ((uint16_t) atoi (strrchr (endpoint, ':') + 1));
    return address;
}

static UNUSED int raw_socket (void)
{
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    CHECK (fd != -1);
    CHECK (setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    return fd;
}

static UNUSED int raw_connect (const char *endpoint)
{
    struct sockaddr_in address = raw_address (endpoint);
    int fd = raw_socket ();
    CHECK (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
    return fd;
}

/* Binds to a port of its own, or also to the one of the endpoint if that is not empty. Nobody listens there yet, so that who
 * connects is refused; several descriptors can hold the same port as long as none listens. */
static UNUSED int raw_bind (endpoint_t endpoint)
{
    struct sockaddr_in address = raw_address (*endpoint ? endpoint : NULL);
    socklen_t size = sizeof address;
    int fd = raw_socket ();
    CHECK (bind (fd, (struct sockaddr *) &address, size) == 0);
    CHECK (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    snprintf (endpoint, ENDPOINT_SIZE, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    return fd;
}

/* Listens on a port of its own, which is left in `endpoint`. */
static UNUSED int raw_listen (endpoint_t endpoint)
{
    *endpoint = 0;
    int fd = raw_bind (endpoint);
    CHECK (listen (fd, 16) == 0);
    return fd;
}

/* 1 if the descriptor can be read (or accepts) within that time. */
static UNUSED int raw_readable (int fd, int limit_ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    int count;
    do
        count = poll (&item, 1, limit_ms);
    while (count == -1 && errno == EINTR);
    return count == 1;
}

static UNUSED int raw_accept (int listener)
{
    if (!raw_readable (listener, LIMIT_MS))
        fail ("nobody connected");
    int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
    CHECK (fd != -1);
    CHECK (setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    return fd;
}

static UNUSED void raw_write (int fd, const void *data, size_t size)
{
    const char *bytes = data;
    while (size) {
        ssize_t sent = send (fd, bytes, size, MSG_NOSIGNAL);
        if (sent == -1)
            fail ("send");
        bytes += sent;
        size -= (size_t) sent;
    }
}

static UNUSED void raw_text (int fd, const char *text)
{
    raw_write (fd, text, strlen (text));
}

/* Reads so many bytes, fewer only at the end of the connection or when nothing comes for a long time. */
static UNUSED size_t raw_read (int fd, void *data, size_t size)
{
    size_t got = 0;
    while (got < size && raw_readable (fd, LIMIT_MS)) {
        ssize_t count = recv (fd, (char *) data + got, size - got, 0);
        if (count <= 0)
            break;
        got += (size_t) count;
    }
    return got;
}

/* Prints the text of so many bytes that the peer receives, and what comes beyond them where nothing should. */
static UNUSED void show_text (const char *label, int fd, size_t size)
{
    unsigned char data[4096];
    CHECK (size < sizeof data);
    size = raw_read (fd, data, size);
    if (raw_readable (fd, QUIET_MS)) {
        ssize_t more = recv (fd, data + size, sizeof data - size, 0);
        size += more > 0 ? (size_t) more : 0;
    }
    printf ("  %s \"", label);
    print_bytes (data, size);
    printf ("\"\n");
    fflush (stdout);
}

/* Reads to the end of the connection and prints how much came and how it ended. A connection that the other side closes
 * with input unread is reset, which depends on timing: both count as closed. */
static UNUSED void show_ending (const char *label, int fd)
{
    static char data[65536];
    size_t size = 0;
    ssize_t count = 1;
    while (raw_readable (fd, LIMIT_MS) && (count = recv (fd, data, sizeof data, 0)) > 0)
        size += (size_t) count;
    printf ("  %s %zu more bytes, then %s\n", label, size, count > 0 ? "open" : "closed");
    fflush (stdout);
    close (fd);
}

/* Prints whether the connection is open with nothing to read. */
static UNUSED void show_quiet (const char *label, int fd)
{
    char byte;
    int readable = raw_readable (fd, QUIET_MS);
    ssize_t count = readable ? recv (fd, &byte, 1, MSG_PEEK) : 0;
    printf ("  %s %s\n", label, !readable ? "open and quiet" : count > 0 ? "has data" : "closed");
    fflush (stdout);
}

/* Ends the connection with a reset. */
static UNUSED void raw_reset (int fd)
{
    struct linger linger = {1, 0};
    CHECK (setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close (fd);
}

/* Prints the events that a monitor saw, in order, up to the given one, which is waited for. */
static UNUSED void show_events (const char *label, void *monitor, int last)
{
    int event;
    printf ("  %s", label);
    do {
        zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
        if (zmq_poll (&item, 1, LIMIT_MS) != 1) {
            printf (" (nothing more)");
            break;
        }
        printf (" %s", event_name (event = next_event (monitor, NULL, NULL)));
    } while (event != last);
    printf ("\n");
    fflush (stdout);
}

#endif
