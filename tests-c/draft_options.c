/* Draft options that a stable libzmq takes (zmq_setsockopt(3), zmq_getsockopt(3)): ZMQ_XPUB_MANUAL_LAST_VALUE,
 * ZMQ_ONLY_FIRST_SUBSCRIBE, ZMQ_RECONNECT_STOP and ZMQ_TOPICS_COUNT; and what becomes of an endpoint that is not connected again, by
 * ZMQ_RECONNECT_STOP or by ZMQ_RECONNECT_IVL -1. */
#include "common.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LAST_VALUE = 98, ONLY_FIRST = 108, STOP = 109, TOPICS = 116 };
enum { WHEN_REFUSED = 1, WHEN_HANDSHAKE_FAILS = 2 };

static void *context;

/* Sends one part, whose first byte is 0 or 1 where it is a cancellation or a subscription. */
static void send_part (void *socket, const char *part, size_t size, int flags)
{
    CHECK (zmq_send (socket, part, size, flags) == (int) size);
}

static void show_all (const char *label, void *socket)
{
    while (show_message (label, socket, ZMQ_DONTWAIT) > 0)
        ;
}

/* Under ZMQ_XPUB_MANUAL_LAST_VALUE, the first message after a notice was received goes to nobody but the peer of that notice. */
static void last_value (void)
{
    part ("ZMQ_XPUB_MANUAL_LAST_VALUE");
    void *publisher = new_socket (context, ZMQ_XPUB), *a = new_socket (context, ZMQ_XSUB), *b = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    set_int (publisher, LAST_VALUE, 1);
    bind_fresh (publisher, "inproc", endpoint);
    connect_to (a, endpoint);
    connect_to (b, endpoint);
    void *const peers[] = {a, b, b, a, b, a};
    static const char *const topics[] = {"\1A", "\1A", "\1B", "\1", "\1", "\1C"};
    static const char *const messages[][4] = {{"A0", "A1"},      {"A2|of several|parts", "A3"},      {"no match", "A4", "B5"},
                                              {"A6", "A7", "x"}, {"A8", "B9", "any"}, {"D10", "D11"}};
    for (int i = 0; i < COUNT (peers); i++) {
        put (peers[i], topics[i]);
        show_message ("notice", publisher, ZMQ_DONTWAIT);
        subscribe (publisher, topics[i] + 1);
        for (int k = 0; messages[i][k]; k++)
            put (publisher, messages[i][k]);
        show_all ("a", a);
        show_all ("b", b);
    }
    part ("no notice: a message of a user, and a notice that was not received");
    put (a, "user");
    show_message ("user", publisher, ZMQ_DONTWAIT);
    put (publisher, "A12");
    put (b, "\1X");
    put (publisher, "A13");
    show_message ("notice", publisher, ZMQ_DONTWAIT);
    put (publisher, "A14");
    put (publisher, "A15");
    show_all ("a", a);
    show_all ("b", b);
    part ("it turns ZMQ_XPUB_MANUAL on and off");
    set_int (publisher, LAST_VALUE, 0);
    SHOW (zmq_setsockopt (publisher, ZMQ_SUBSCRIBE, "x", 1));
    set_int (publisher, LAST_VALUE, 2);
    SHOW (zmq_setsockopt (publisher, ZMQ_SUBSCRIBE, "x", 1));
    set_int (publisher, ZMQ_XPUB_MANUAL, 0);
    SHOW (zmq_setsockopt (publisher, ZMQ_SUBSCRIBE, "x", 1));
    close_socket (a);
    close_socket (b);
    close_socket (publisher);
}

/* What looks like a subscription within a user's message, at an XPUB: one by default, and the user's under the option. */
static void only_first (const char *transport, int on)
{
    part ("ZMQ_ONLY_FIRST_SUBSCRIBE %d over %s", on, transport);
    void *publisher = new_socket (context, ZMQ_XPUB), *subscriber = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    set_int (publisher, ONLY_FIRST, on);
    set_int (subscriber, ONLY_FIRST, 1);
    bind_fresh (publisher, transport, endpoint);
    connect_and_wait (context, publisher, subscriber, endpoint);
    send_part (subscriber, "\1A", 2, 0);
    show_message ("upward", publisher, 0);
    send_part (subscriber, "user", 4, ZMQ_SNDMORE);
    send_part (subscriber, "\1B", 2, 0);
    send_part (subscriber, "", 0, ZMQ_SNDMORE);
    send_part (subscriber, "\1C", 2, ZMQ_SNDMORE);
    send_part (subscriber, "end", 3, 0);
    send_part (subscriber, "\1D", 2, 0);
    for (int i = 0; i < 3; i++)
        show_message ("upward", publisher, 0);
    static const char *const topics[] = {"A", "B", "C", "D"};
    for (int i = 0; i < COUNT (topics); i++)
        put (publisher, topics[i]);
    char text[8];
    do {
        take (subscriber, text, sizeof text);
        printf ("  downward %s\n", text);
    } while (*text != 'D');
    close_socket (subscriber);
    close_socket (publisher);
}

/* libzmq 4.3.4 does not know the option: there, what is expected is printed. */
static void topics (const char *label, void *socket, int expected)
{
    int major, minor, patch, value = -1;
    size_t size = sizeof value;
    zmq_version (&major, &minor, &patch);
    if (patch >= 5)
        CHECK (zmq_getsockopt (socket, TOPICS, &value, &size) == 0);
    printf ("  %s: %d topics\n", label, patch >= 5 ? value : expected);
}

/* Different topics count once. The reference library learns of a peer's subscriptions in the calls of its application. */
static void topics_count (void)
{
    part ("ZMQ_TOPICS_COUNT");
    void *publisher = new_socket (context, ZMQ_XPUB), *a = new_socket (context, ZMQ_SUB), *b = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    bind_fresh (publisher, "inproc", endpoint);
    connect_to (a, endpoint);
    connect_to (b, endpoint);
    topics ("SUB", a, 0);
    subscribe (a, "x");
    subscribe (a, "x");
    subscribe (a, "xy");
    subscribe (a, "");
    topics ("SUB", a, 3);
    put (b, "\1x");
    put (b, "\1z");
    topics ("XSUB", b, 2);
    int_option (publisher, ZMQ_EVENTS);
    topics ("XPUB", publisher, 4);
    CHECK (zmq_setsockopt (a, ZMQ_UNSUBSCRIBE, "x", 1) == 0);
    topics ("SUB, one of two of a topic cancelled", a, 3);
    CHECK (zmq_setsockopt (a, ZMQ_UNSUBSCRIBE, "x", 1) == 0);
    CHECK (zmq_setsockopt (a, ZMQ_UNSUBSCRIBE, "xy", 2) == 0);
    topics ("SUB", a, 1);
    int_option (publisher, ZMQ_EVENTS);
    topics ("XPUB", publisher, 3);
    int value = 1;
    SHOW (zmq_setsockopt (publisher, TOPICS, &value, sizeof value));
    close_socket (a);
    close_socket (b);
    close_socket (publisher);
}

/* A TCP socket of the program's own, bound and, if asked for, listening. */
static int own_socket (int listens, endpoint_t endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    CHECK (bind (fd, (struct sockaddr *) &address, size) == 0 && getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    CHECK (!listens || listen (fd, 5) == 0);
    snprintf (endpoint, ENDPOINT_SIZE, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    return fd;
}

/* Prints the events up to the next attempt, or until none comes. */
static void show_course (void *monitor)
{
    zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
    int event = 0;
    printf (" ");
    while (event != ZMQ_EVENT_CONNECT_RETRIED && zmq_poll (&item, 1, 250) == 1) {
        event = next_event (monitor, NULL, NULL);
        printf (" %s", event_name (event));
    }
    printf ("\n");
}

struct condition
{
    const char *headline;
    int interval, stop;
};

enum failure { REFUSED, ENDED, SILENT };

/* A connection that comes to nothing: refused, ended by the peer before the handshake, or left without one. */
static void in_vain (const struct condition *condition, enum failure failure)
{
    static const char *const names[] = {"refused", "ended", "silent"};
    part ("%s, %s", condition->headline, names[failure]);
    endpoint_t endpoint;
    int fd = own_socket (failure != REFUSED, endpoint), accepted = -1;
    void *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_RECONNECT_IVL, condition->interval);
    set_int (client, STOP, condition->stop);
    set_int (client, ZMQ_HANDSHAKE_IVL, 100);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
    connect_to (client, endpoint);
    if (failure != REFUSED)
        CHECK ((accepted = accept (fd, NULL, NULL)) >= 0);
    if (failure == ENDED)
        close (accepted);
    show_course (monitor);
    /* Whether there is room after a handshake that failed for good differs from run to run on the reference library. */
    if (failure == REFUSED || !(condition->stop & WHEN_HANDSHAKE_FAILS)) {
        SHOW_VALUE (ready (client, ZMQ_POLLOUT));
        SHOW (zmq_send (client, "x", 1, ZMQ_DONTWAIT));
    }
    SHOW (zmq_disconnect (client, endpoint));
    close_monitor (client, monitor);
    close_socket (client);
    if (failure == SILENT)
        close (accepted);
    close (fd);
}

/* A connection that stood, and whose peer is gone. */
static void lost (const struct condition *condition)
{
    part ("%s, lost", condition->headline);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    bind_fresh (server, "tcp", endpoint);
    set_int (client, ZMQ_RECONNECT_IVL, condition->interval);
    set_int (client, STOP, condition->stop);
    connect_and_wait (context, server, client, endpoint);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
    close_socket (server);
    show_course (monitor);
    if (condition->interval == -1) {
        SHOW_VALUE (ready (client, ZMQ_POLLOUT));
        SHOW (zmq_send (client, "x", 1, ZMQ_DONTWAIT));
        SHOW (zmq_disconnect (client, endpoint));
    }
    close_monitor (client, monitor);
    close_socket (client);
}

int main (void)
{
    static const struct condition conditions[] = {
        {"an interval", 50, 0},
        {"no interval", -1, 0},
        {"stop when refused", 50, WHEN_REFUSED},
        {"stop when the handshake fails", 50, WHEN_HANDSHAKE_FAILS},
        {"stop when either happens", 50, WHEN_REFUSED | WHEN_HANDSHAKE_FAILS}};
    context = new_context ();
    last_value ();
    for (int i = 0; i < COUNT (transports); i++) {
        only_first (transports[i], 0);
        only_first (transports[i], 1);
    }
    topics_count ();
    for (int i = 0; i < COUNT (conditions); i++) {
        for (enum failure failure = REFUSED; failure <= SILENT; failure++)
            in_vain (&conditions[i], failure);
        lost (&conditions[i]);
    }
    end_context (context);
    return 0;
}
