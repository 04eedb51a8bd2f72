/* Peers that speak ZMTP 1.0 (RFC 13), 2.0 (RFC 15) and 3.0 (RFC 23) octet by octet: what the library sends at each step of the
 * greeting, and the frames in both directions. The peers are plain TCP sockets that connect or listen. */
#include "raw.h"

static void *context;

enum direction { BINDS, CONNECTS };
static const char *const directions[] = {"the library binds", "the library connects"};

/* The codes of the socket types in the greeting of ZMTP 2.0 are those of zmq.h. */
#define SIGNATURE "\xff\0\0\0\0\0\0\0\1\x7f"

/* The socket that is used while octets of its peer are waited for: the reference library does part of a socket's work only in
 * the calls of its application. */
static void *driven;

/* Waits until there is something to read, up to that time. */
static int readable (int fd, int limit_ms)
{
    int64_t limit = now_ms () + limit_ms;
    while (!raw_readable (fd, 1)) {
        if (now_ms () >= limit)
            return 0;
        CHECK (int_option (driven, ZMQ_EVENTS) >= 0);
    }
    return 1;
}

/* Prints so many octets that come, and any that come after them. */
static void show_octets (const char *label, int fd, size_t size)
{
    static unsigned char data[300000];
    size_t got = 0;
    int ended = 0;
    CHECK (size < sizeof data);
    while (!ended && readable (fd, got < size ? LIMIT_MS : QUIET_MS)) {
        ssize_t count = recv (fd, data + got, (got < size ? size : sizeof data) - got, 0);
        ended = count <= 0;
        got += count > 0 ? (size_t) count : 0;
    }
    printf ("  %s", label);
    for (size_t i = 0; i < got && i < (got > 80 ? 12 : 80); i++)
        printf (" %02x", data[i]);
    if (got > 80) {
        unsigned long sum = 0;
        for (size_t i = 12; i < got; i++)
            sum = sum * 31 + data[i];
        printf (" and %zu more, sum %lu", got - 12, sum);
    }
    printf ("%s%s\n", got ? "" : " nothing", ended ? ", then closed" : got < size ? " more" : "");
    fflush (stdout);
}

/* A socket of the library and its raw peer. */
struct pair
{
    void *socket, *monitor;
    endpoint_t endpoint;
    int fd, listener;
};

static void accept_again (struct pair *pair)
{
    pair->fd = pair->listener == -1 ? raw_connect (pair->endpoint) : raw_accept (pair->listener);
}

static struct pair open_socket (int type, const char *own_id)
{
    struct pair pair = {.socket = new_socket (context, type), .fd = -1, .listener = -1};
    if (*own_id)
        set_text (pair.socket, ZMQ_ROUTING_ID, own_id);
    set_int (pair.socket, ZMQ_RCVTIMEO, LIMIT_MS);
    set_int (pair.socket, ZMQ_SNDTIMEO, LIMIT_MS);
    set_int (pair.socket, ZMQ_RECONNECT_IVL, 10);
    driven = pair.socket;
    return pair;
}

static void attach (struct pair *pair, enum direction direction)
{
    pair->monitor = open_monitor (context, pair->socket, ZMQ_EVENT_ALL);
    if (direction == BINDS)
        bind_fresh (pair->socket, "tcp", pair->endpoint);
    else {
        pair->listener = raw_listen (pair->endpoint);
        connect_to (pair->socket, pair->endpoint);
    }
    accept_again (pair);
}

static struct pair open_pair (int type, enum direction direction, const char *own_id)
{
    struct pair pair = open_socket (type, own_id);
    attach (&pair, direction);
    return pair;
}

static void close_pair (struct pair *pair)
{
    if (pair->fd != -1)
        close (pair->fd);
    if (pair->listener != -1)
        close (pair->listener);
    close_monitor (pair->socket, pair->monitor);
    close_socket (pair->socket);
}

/* Whether the library is expected to end the connection, for which it has time, or not, which is looked at for a short while. */
enum expectation { STAYS = 0, ENDS = 1, GETS = 2 };

/* Prints whether the connection is open, reading all that comes. */
static void show_state (struct pair *pair, enum expectation expectation)
{
    unsigned char data[4096];
    ssize_t count = 1;
    while (count > 0 && readable (pair->fd, expectation & ENDS ? LIMIT_MS : QUIET_MS))
        count = recv (pair->fd, data, sizeof data, 0);
    printf ("  the connection is %s\n", count > 0 ? "open" : "closed");
    fflush (stdout);
}

/* Prints the message that comes. */
static void show_received (struct pair *pair)
{
    show_message ("received", pair->socket, 0);
}

/* Prints that no message comes. */
static void show_none (struct pair *pair)
{
    set_int (pair->socket, ZMQ_RCVTIMEO, QUIET_MS);
    show_message ("received", pair->socket, 0);
    set_int (pair->socket, ZMQ_RCVTIMEO, LIMIT_MS);
}

/* The greetings ------------------------------------------------------------------------------------------------------- */

static void put_octets (int fd, const void *data, size_t size)
{
    raw_write (fd, data, size);
}
#define PUT(fd, text) put_octets (fd, text, sizeof text - 1)

static void frame_1 (int fd, const void *data, size_t size, int more)
{
    unsigned char header[10] = {0xff};
    if (size + 1 < 255) {
        header[0] = (unsigned char) (size + 1);
        header[1] = (unsigned char) more;
        raw_write (fd, header, 2);
    } else {
        for (int i = 0; i < 8; i++)
            header[1 + i] = (unsigned char) ((uint64_t) (size + 1) >> (56 - 8 * i));
        header[9] = (unsigned char) more;
        raw_write (fd, header, 10);
    }
    raw_write (fd, data, size);
}

static void frame_2 (int fd, const void *data, size_t size, int more)
{
    unsigned char header[9] = {(unsigned char) more};
    if (size < 256) {
        header[1] = (unsigned char) size;
        raw_write (fd, header, 2);
    } else {
        header[0] |= 2;
        for (int i = 0; i < 8; i++)
            header[1 + i] = (unsigned char) ((uint64_t) size >> (56 - 8 * i));
        raw_write (fd, header, 9);
    }
    raw_write (fd, data, size);
}

static void frame (int version, int fd, const void *data, size_t size, int more)
{
    (version == 1 ? frame_1 : frame_2) (fd, data, size, more);
}

/* Sends the text as a message; '|' separates the parts. */
static void frames (int version, int fd, const char *text)
{
    for (;;) {
        const char *end = strchr (text, '|');
        frame (version, fd, text, end ? (size_t) (end - text) : strlen (text), end != NULL);
        if (!end)
            return;
        text = end + 1;
    }
}

/* The whole greeting of an old peer; the library's is read. `own` is the size of the library's routing id. */
static void greet (int version, struct pair *pair, int type, const char *id, size_t own)
{
    unsigned char data[300], start[12] = SIGNATURE "\1";
    if (version == 1) {
        frame_1 (pair->fd, id, strlen (id), 0);
        CHECK (raw_read (pair->fd, data, 10 + own) == 10 + own);
    } else {
        start[11] = (unsigned char) type;
        raw_write (pair->fd, start, sizeof start);
        frame_2 (pair->fd, id, strlen (id), 0);
        CHECK (raw_read (pair->fd, data, 14 + own) == 14 + own);
    }
}

static void greeting_1 (enum direction direction, const char *own, const char *id, int long_form)
{
    part ("ZMTP 1.0, %s, own id \"%s\", id of the peer \"%s\"%s", directions[direction], own, id, long_form ? ", long form" : "");
    struct pair pair = open_pair (ZMQ_DEALER, direction, own);
    unsigned char length = (unsigned char) (strlen (id) + 1);
    show_octets ("before anything:", pair.fd, 10);
    if (long_form) {
        PUT (pair.fd, "\xff");
        show_octets ("after the first octet:", pair.fd, 0);
        PUT (pair.fd, "\0\0\0\0\0\0\0");
        put_octets (pair.fd, &length, 1);
        show_octets ("after the length:", pair.fd, 0);
    } else {
        put_octets (pair.fd, &length, 1);
        show_octets ("after the length:", pair.fd, strlen (own));
    }
    PUT (pair.fd, "\0");
    show_octets ("after the flags:", pair.fd, long_form ? strlen (own) : 0);
    raw_text (pair.fd, id);
    show_octets ("after the id:", pair.fd, 0);
    put (pair.socket, "hello|world");
    show_octets ("a message:", pair.fd, 14);
    frames (1, pair.fd, "answer||parts");
    show_received (&pair);
    close (pair.fd);
    pair.fd = -1;
    show_events ("events:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
    close_pair (&pair);
}

static void greeting_2 (enum direction direction, const char *own, const char *id, int revision)
{
    part ("ZMTP 2.0 (revision %d), %s, own id \"%s\", id of the peer \"%s\"", revision, directions[direction], own, id);
    struct pair pair = open_pair (ZMQ_DEALER, direction, own);
    unsigned char byte = (unsigned char) revision;
    show_octets ("before anything:", pair.fd, 10);
    PUT (pair.fd, "\xff\0\0\0\0\0\0\0\1");
    show_octets ("after 9 octets:", pair.fd, 0);
    PUT (pair.fd, "\x7f");
    show_octets ("after the signature:", pair.fd, 1);
    put_octets (pair.fd, &byte, 1);
    show_octets ("after the revision:", pair.fd, 1);
    PUT (pair.fd, "\5");
    show_octets ("after the socket type:", pair.fd, 2 + strlen (own));
    frame (revision == 0 ? 1 : 2, pair.fd, id, strlen (id), 0);
    show_octets ("after the id:", pair.fd, 0);
    put (pair.socket, "hello|world");
    show_octets ("a message:", pair.fd, 14);
    frames (revision == 0 ? 1 : 2, pair.fd, "answer||parts");
    show_received (&pair);
    close (pair.fd);
    pair.fd = -1;
    show_events ("events:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
    close_pair (&pair);
}

static void greeting_3 (enum direction direction, const char *own, int major, int minor)
{
    part ("ZMTP %d.%d, %s, own id \"%s\"", major, minor, directions[direction], own);
    struct pair pair = open_pair (ZMQ_DEALER, direction, own);
    unsigned char rest[54] = {(unsigned char) major, (unsigned char) minor, 'N', 'U', 'L', 'L'};
    show_octets ("before anything:", pair.fd, 10);
    PUT (pair.fd, SIGNATURE);
    show_octets ("after the signature:", pair.fd, 1);
    put_octets (pair.fd, rest, 1);
    show_octets ("after the major version:", pair.fd, 53);
    put_octets (pair.fd, rest + 1, 1);
    show_octets ("after the minor version:", pair.fd, 0);
    put_octets (pair.fd, rest + 2, sizeof rest - 2);
    show_octets ("after the greeting:", pair.fd, 0);
    PUT (pair.fd, "\4\x1c\5READY\x0bSocket-Type\0\0\0\6ROUTER");
    show_octets ("after READY:", pair.fd, 0);
    put (pair.socket, "hello|world");
    show_octets ("a message:", pair.fd, 14);
    frames (2, pair.fd, "answer||parts");
    show_received (&pair);
    close (pair.fd);
    pair.fd = -1;
    show_events ("events:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
    close_pair (&pair);
}

/* A message that was sent before the connection is there does not wait for the peer's id. */
static void sizes (int version, enum direction direction)
{
    static const size_t all[] = {0, 1, 252, 253, 254, 255, 256, 257, 8191, 8192, 8193, 200000};
    static unsigned char data[200000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char) (i * 31 + i / 256);
    part ("sizes, ZMTP %d.0, %s, PUSH", version, directions[direction]);
    struct pair pair = open_pair (ZMQ_PUSH, direction, "");
    greet (version, &pair, ZMQ_PULL, "", 0);
    for (int i = 0; i < COUNT (all); i++) {
        size_t header = version == 1 ? (all[i] + 1 < 255 ? 2 : 10) : (all[i] < 256 ? 2 : 9);
        printf ("  %zu octets\n", all[i]);
        CHECK (zmq_send (pair.socket, data, all[i], 0) == (int) all[i]);
        show_octets ("sent:", pair.fd, header + all[i]);
    }
    put (pair.socket, "a||b|");
    show_octets ("parts:", pair.fd, 10);
    close_pair (&pair);
    part ("sizes, ZMTP %d.0, %s, PULL", version, directions[direction]);
    pair = open_pair (ZMQ_PULL, direction, "");
    greet (version, &pair, ZMQ_PUSH, "", 0);
    for (int i = 0; i < COUNT (all); i++) {
        frame (version, pair.fd, data, all[i], 0);
        show_received (&pair);
    }
    frames (version, pair.fd, "a||b|");
    show_received (&pair);
    if (version == 1)
        PUT (pair.fd, "\xff\0\0\0\0\0\0\0\2\0x");
    else
        PUT (pair.fd, "\2\0\0\0\0\0\0\0\1x");
    show_received (&pair);
    part ("octet by octet");
    const char *text = version == 1 ? "\3\1ab\2\0c" : "\1\2ab\0\1c";
    for (int i = 0; i < 7; i++) {
        put_octets (pair.fd, text + i, 1);
        CHECK (!ready (pair.socket, ZMQ_POLLIN) || i == 6);
    }
    show_received (&pair);
    show_octets ("sent back:", pair.fd, 0);
    close_pair (&pair);
}

static void show_properties (int version, int type, int peer, const char *id)
{
    static const char *names[] = {"Socket-Type", "Routing-Id", "Identity", "User-Id", "Peer-Address", "__fd"};
    part ("properties, ZMTP %d.0, %s, id of the peer \"%s\"", version, type_name (type), id);
    struct pair pair = open_pair (type, BINDS, "");
    zmq_msg_t message;
    greet (version, &pair, peer, id, 0);
    frames (version, pair.fd, "x|y");
    int more = 1;
    while (more) {
        CHECK (zmq_msg_init (&message) == 0);
        CHECK (zmq_msg_recv (&message, pair.socket, 0) >= 0);
        printf (" ");
        for (int i = 0; i < COUNT (names); i++) {
            const char *value = zmq_msg_gets (&message, names[i]);
            printf (" %s=%s", names[i], !value ? error_name (zmq_errno ()) : i == 5 ? "a number" : *value ? value : "(empty)");
        }
        printf (" SRCFD %s\n", zmq_msg_get (&message, ZMQ_SRCFD) > 0 ? "a number" : error_name (zmq_errno ()));
        more = zmq_msg_more (&message);
        CHECK (zmq_msg_close (&message) == 0);
    }
    close_pair (&pair);
}

static void routers (int version, enum direction direction)
{
    part ("ROUTER, ZMTP %d.0, %s", version, directions[direction]);
    struct pair pair = open_socket (ZMQ_ROUTER, "");
    set_int (pair.socket, ZMQ_ROUTER_MANDATORY, 1);
    attach (&pair, direction);
    greet (version, &pair, ZMQ_DEALER, "old", 0);
    frames (version, pair.fd, "hello|world");
    show_received (&pair);
    SHOW (send_text (pair.socket, "old|answer||", 0));
    show_octets ("sent:", pair.fd, 12);
    SHOW (send_text (pair.socket, "new|answer", 0));
    if (direction == BINDS) {
        part ("a peer without an id");
        int last = pair.fd;
        accept_again (&pair);
        greet (version, &pair, ZMQ_DEALER, "", 0);
        frames (version, pair.fd, "anonymous");
        unsigned char id[256];
        int size = zmq_recv (pair.socket, id, sizeof id, 0);
        printf ("  the id has %d bytes, the first is %d\n", size, size > 0 ? id[0] : -1);
        show_received (&pair);
        CHECK (zmq_send (pair.socket, id, (size_t) size, ZMQ_SNDMORE) == size);
        put (pair.socket, "to you");
        show_octets ("sent:", pair.fd, 8);
        close (last);
    }
    close_pair (&pair);
    if (direction == BINDS)
        return;
    part ("PROBE_ROUTER, ZMTP %d.0", version);
    pair = open_socket (ZMQ_DEALER, "");
    set_int (pair.socket, ZMQ_PROBE_ROUTER, 1);
    attach (&pair, direction);
    greet (version, &pair, ZMQ_ROUTER, "", 0);
    show_octets ("sent:", pair.fd, 2);
    close_pair (&pair);
    part ("CONNECT_ROUTING_ID, ZMTP %d.0", version);
    pair = open_socket (ZMQ_ROUTER, "");
    set_text (pair.socket, ZMQ_CONNECT_ROUTING_ID, "named");
    attach (&pair, direction);
    put (pair.socket, "named|hello");
    greet (version, &pair, ZMQ_ROUTER, "other", 0);
    show_octets ("sent:", pair.fd, 7);
    frames (version, pair.fd, "answer");
    show_received (&pair);
    close_pair (&pair);
}

static void requests (int version, enum direction direction)
{
    part ("REP, ZMTP %d.0, %s", version, directions[direction]);
    struct pair pair = open_pair (ZMQ_REP, direction, "");
    greet (version, &pair, ZMQ_REQ, "", 0);
    frames (version, pair.fd, "|question|2");
    show_received (&pair);
    put (pair.socket, "answer");
    show_octets ("sent:", pair.fd, 10);
    frames (version, pair.fd, "hop|hop||question");
    show_received (&pair);
    put (pair.socket, "answer");
    show_octets ("sent:", pair.fd, 20);
    frames (version, pair.fd, "no delimiter");
    frames (version, pair.fd, "|next");
    show_received (&pair);
    close_pair (&pair);
    part ("REQ, ZMTP %d.0, %s", version, directions[direction]);
    pair = open_pair (ZMQ_REQ, direction, "req");
    greet (version, &pair, ZMQ_REP, "", 3);
    put (pair.socket, "question");
    show_octets ("sent:", pair.fd, 12);
    frames (version, pair.fd, "|answer|2");
    show_received (&pair);
    put (pair.socket, "question");
    show_octets ("sent:", pair.fd, 12);
    frames (version, pair.fd, "no delimiter");
    show_state (&pair, ENDS);
    close_pair (&pair);
}

static void subscribers (int version, enum direction direction, int type)
{
    part ("%s, ZMTP %d.0, %s", type_name (type), version, directions[direction]);
    struct pair pair = open_pair (type, direction, "");
    if (type == ZMQ_SUB)
        subscribe (pair.socket, "early");
    else
        SHOW (zmq_send (pair.socket, "\1early", 6, 0));
    greet (version, &pair, ZMQ_PUB, "", 0);
    show_octets ("after the greeting:", pair.fd, 8);
    if (type == ZMQ_SUB) {
        subscribe (pair.socket, "topic");
        show_octets ("subscribed:", pair.fd, 8);
        subscribe (pair.socket, "topic");
        show_octets ("again:", pair.fd, 0);
        subscribe (pair.socket, "");
        show_octets ("everything:", pair.fd, 3);
        set_text (pair.socket, ZMQ_UNSUBSCRIBE, "");
        show_octets ("not everything:", pair.fd, 3);
        set_text (pair.socket, ZMQ_UNSUBSCRIBE, "topic");
        show_octets ("once less:", pair.fd, 0);
        set_text (pair.socket, ZMQ_UNSUBSCRIBE, "topic");
        show_octets ("unsubscribed:", pair.fd, 8);
    } else {
        SHOW (zmq_send (pair.socket, "\1topic", 6, 0));
        show_octets ("subscribed:", pair.fd, 8);
        SHOW (zmq_send (pair.socket, "\0topic", 6, 0));
        show_octets ("unsubscribed:", pair.fd, 8);
        SHOW (send_text (pair.socket, "other", 0));
        show_octets ("another message:", pair.fd, 7);
        SHOW (send_text (pair.socket, "two|parts", 0));
        show_octets ("two parts:", pair.fd, 12);
    }
    frames (version, pair.fd, "nothing");
    frames (version, pair.fd, "early|news");
    show_received (&pair);
    show_state (&pair, STAYS);
    close_pair (&pair);
}

static void publishers (int version, enum direction direction, int type)
{
    part ("%s, ZMTP %d.0, %s", type_name (type), version, directions[direction]);
    struct pair pair = open_pair (type, direction, "");
    greet (version, &pair, ZMQ_SUB, "", 0);
    show_octets ("after the greeting:", pair.fd, 0);
    if (type == ZMQ_XPUB && version == 1)
        show_received (&pair);
    if (type == ZMQ_XPUB)
        show_none (&pair);
    SHOW (send_text (pair.socket, "before|any subscription", 0));
    show_octets ("sent:", pair.fd, version == 1 ? 26 : 0);
    frame (version, pair.fd, "\1topic", 6, 0);
    frame (version, pair.fd, "\1other", 6, 0);
    frame (version, pair.fd, "\1other", 6, 0);
    frame (version, pair.fd, "\0other", 6, 0);
    frame (version, pair.fd, "\0unknown", 8, 0);
    frame (version, pair.fd, "\1end", 4, 0);
    /* The last subscription is there when its message comes out. */
    if (type == ZMQ_XPUB)
        for (int i = 0; i < 5; i++)
            show_received (&pair);
    else
        while (!raw_readable (pair.fd, 1))
            put (pair.socket, "end");
    unsigned char data[5];
    if (type == ZMQ_PUB)
        do
            CHECK (raw_read (pair.fd, data, 5) == 5);
        while (raw_readable (pair.fd, QUIET_MS));
    put (pair.socket, "nothing");
    put (pair.socket, "topic|news");
    put (pair.socket, "other");
    put (pair.socket, "end");
    show_octets ("sent:", pair.fd, version == 1 ? 34 : 18);
    if (type == ZMQ_XPUB) {
        part ("what is no subscription");
        frames (version, pair.fd, "hello");
        show_received (&pair);
        frames (version, pair.fd, "two|parts");
        show_received (&pair);
        frames (version, pair.fd, "");
        show_received (&pair);
        frame (version, pair.fd, "\1x", 2, 1);
        frame (version, pair.fd, "\1y", 2, 0);
        show_received (&pair);
        show_received (&pair);
        part ("the peer leaves");
        close (pair.fd);
        pair.fd = -1;
        for (int i = version; i < 6 && direction == BINDS; i++)
            show_received (&pair);
        show_none (&pair);
    }
    close_pair (&pair);
}

/* Limits and malformed input ------------------------------------------------------------------------------------------ */

static void limits (int version)
{
    static char data[1000];
    part ("MAXMSGSIZE, ZMTP %d.0", version);
    static const int64_t limits[] = {10, 253, 254, 255, 256, 0};
    for (int i = 0; i < COUNT (limits); i++) {
        int64_t limit = limits[i];
        struct pair pair = open_socket (ZMQ_PULL, "");
        CHECK (zmq_setsockopt (pair.socket, ZMQ_MAXMSGSIZE, &limit, sizeof limit) == 0);
        attach (&pair, BINDS);
        greet (version, &pair, ZMQ_PUSH, "", 0);
        printf ("  %d octets\n", (int) limit);
        frame (version, pair.fd, data, (size_t) limit, 0);
        show_received (&pair);
        frame (version, pair.fd, data, (size_t) limit + 1, 0);
        show_state (&pair, ENDS);
        show_events ("events:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
        close_pair (&pair);
    }
    part ("heartbeats, ZMTP %d.0", version);
    struct pair pair = open_socket (ZMQ_DEALER, "");
    set_int (pair.socket, ZMQ_HEARTBEAT_IVL, 10);
    set_int (pair.socket, ZMQ_HEARTBEAT_TIMEOUT, 20);
    set_int (pair.socket, ZMQ_HEARTBEAT_TTL, 100);
    attach (&pair, BINDS);
    greet (version, &pair, ZMQ_DEALER, "", 0);
    for (int i = 0; i < 4; i++)
        show_octets ("sent:", pair.fd, 0);
    frames (version, pair.fd, "still here");
    show_received (&pair);
    put (pair.socket, "so am I");
    show_octets ("sent:", pair.fd, 9);
    close_pair (&pair);
}

/* The time for the handshake is over before the greeting is complete. */
static void handshake_time (int version)
{
    unsigned char data[10];
    part ("HANDSHAKE_IVL, ZMTP %d.0", version);
    struct pair pair = open_socket (ZMQ_DEALER, "");
    set_int (pair.socket, ZMQ_HANDSHAKE_IVL, 100);
    attach (&pair, BINDS);
    if (version == 1)
        PUT (pair.fd, "\4\0o");
    else
        PUT (pair.fd, SIGNATURE "\1\5\0\3o");
    CHECK (raw_read (pair.fd, data, 10) == 10);
    show_state (&pair, ENDS);
    show_events ("events:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
    close_pair (&pair);
}

/* The library's socket connects, and the peer ends the connection. */
static void reconnecting (int version)
{
    part ("reconnecting, ZMTP %d.0", version);
    struct pair pair = open_pair (ZMQ_SUB, CONNECTS, "");
    subscribe (pair.socket, "topic");
    greet (version, &pair, ZMQ_PUB, "", 0);
    show_octets ("sent:", pair.fd, 8);
    close (pair.fd);
    show_events ("the peer closes:", pair.monitor, ZMQ_EVENT_CONNECT_RETRIED);
    accept_again (&pair);
    greet (version, &pair, ZMQ_PUB, "", 0);
    show_octets ("sent:", pair.fd, 8);
    show_events ("again:", pair.monitor, ZMQ_EVENT_CONNECTED);
    close_pair (&pair);
    pair = open_pair (ZMQ_DEALER, CONNECTS, "");
    greet (version, &pair, ZMQ_DEALER, "", 0);
    put (pair.socket, "first");
    show_octets ("sent:", pair.fd, 7);
    close (pair.fd);
    show_events ("the peer closes:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
    put (pair.socket, "later");
    accept_again (&pair);
    greet (version, &pair, ZMQ_DEALER, "", 0);
    show_octets ("sent:", pair.fd, 7);
    close_pair (&pair);
}

/* Of what was queued before a connection, little is lost with that connection. */
static void backlog (void)
{
    enum { MESSAGES = 900, SIZE = 1000 };
    part ("a backlog and two connections, ZMTP 1.0");
    struct pair pair = open_socket (ZMQ_PUSH, "");
    pair.listener = raw_listen (pair.endpoint);
    pair.monitor = open_monitor (context, pair.socket, ZMQ_EVENT_ALL);
    /* The system holds little of it. */
    int small = 8192;
    set_int (pair.socket, ZMQ_SNDBUF, small);
    CHECK (setsockopt (pair.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    connect_to (pair.socket, pair.endpoint);
    char body[SIZE + 10] = {0};
    for (int i = 0; i < MESSAGES; i++) {
        memcpy (body, &i, sizeof i);
        CHECK (zmq_send (pair.socket, body, SIZE, 0) == SIZE);
    }
    accept_again (&pair);
    PUT (pair.fd, "\1\0");
    CHECK (raw_read (pair.fd, body, 10) == 10 && raw_read (pair.fd, body, SIZE + 10) == SIZE + 10);
    close (pair.fd);
    accept_again (&pair);
    PUT (pair.fd, "\1\0");
    CHECK (raw_read (pair.fd, body, 10) == 10);
    int number = -1, count = 0;
    while (number != MESSAGES - 1) {
        int before = number;
        CHECK (raw_read (pair.fd, body, SIZE + 10) == SIZE + 10);
        memcpy (&number, body + 10, sizeof number);
        CHECK (number > before);
        count++;
    }
    printf ("  the second connection has the last one, and %s\n", count > MESSAGES / 4 ? "many before it" : "few before it");
    close_pair (&pair);
}

/* A message of several parts is lost with its connection, or comes whole. */
static void whole_messages (void)
{
    enum { MESSAGES = 20, SIZE = 100000, LARGE_HEADER = 10 };
    part ("messages of several parts and two connections, ZMTP 1.0");
    struct pair pair = open_socket (ZMQ_PUSH, "");
    pair.listener = raw_listen (pair.endpoint);
    pair.monitor = open_monitor (context, pair.socket, ZMQ_EVENT_ALL);
    int small = 8192;
    set_int (pair.socket, ZMQ_SNDBUF, small);
    CHECK (setsockopt (pair.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    connect_to (pair.socket, pair.endpoint);
    static char body[SIZE + LARGE_HEADER], large[SIZE];
    for (int i = 0; i < MESSAGES; i++) {
        CHECK (zmq_send (pair.socket, "head", 4, ZMQ_SNDMORE) == 4);
        CHECK (zmq_send_const (pair.socket, large, SIZE, ZMQ_SNDMORE) == SIZE);
        CHECK (zmq_send (pair.socket, i == MESSAGES - 1 ? "last" : "tail", 4, 0) == 4);
    }
    accept_again (&pair);
    PUT (pair.fd, "\1\0");
    CHECK (raw_read (pair.fd, body, 10) == 10 && raw_read (pair.fd, body, 20) == 20);
    close (pair.fd);
    accept_again (&pair);
    PUT (pair.fd, "\1\0");
    CHECK (raw_read (pair.fd, body, 10) == 10);
    char tail[6];
    do {
        CHECK (raw_read (pair.fd, body, 6) == 6 && memcmp (body, "\5\1head", 6) == 0);
        CHECK (raw_read (pair.fd, body, SIZE + LARGE_HEADER) == SIZE + LARGE_HEADER);
        CHECK (raw_read (pair.fd, tail, 6) == 6 && memcmp (tail, "\5\0", 2) == 0);
    } while (memcmp (tail + 2, "last", 4) != 0);
    printf ("  whole\n");
    close_pair (&pair);
}

/* A peer says that it is of some type. */
static void mismatch (int type, int peer)
{
    part ("%s, ZMTP 2.0, the peer says that it is of type %d", type_name (type), peer);
    struct pair pair = open_pair (type, BINDS, "");
    greet (2, &pair, peer, "", 0);
    frames (2, pair.fd, "|message");
    show_received (&pair);
    show_state (&pair, STAYS);
    close_pair (&pair);
}

static void malformed (const char *what, enum expectation expectation, int type, const char *data, size_t size)
{
    part ("malformed: %s", what);
    struct pair pair = open_pair (type, BINDS, "");
    put_octets (pair.fd, data, size);
    if (expectation & GETS)
        show_received (&pair);
    show_state (&pair, expectation);
    show_none (&pair);
    close (pair.fd);
    pair.fd = -1;
    show_events ("events:", pair.monitor, ZMQ_EVENT_DISCONNECTED);
    close_pair (&pair);
}
#define MALFORMED(what, expectation, type, data) malformed (what, expectation, type, data, sizeof data - 1)

#define GREETING_2 SIGNATURE "\1\x08\0\0"

static void all_malformed (void)
{
    MALFORMED ("nothing at all", STAYS, ZMQ_PULL, "");
    MALFORMED ("half a signature", STAYS, ZMQ_PULL, "\xff\0\0\0");
    MALFORMED ("HTTP", STAYS, ZMQ_PULL, "GET / HTTP/1.0\r\n\r\n");
    MALFORMED ("the length 0 at first", ENDS, ZMQ_PULL, "\0\0\0\0\0\0\0\0\0\0");
    MALFORMED ("1.0, id with MORE", GETS, ZMQ_ROUTER, "\2\1x\4\0yes");
    MALFORMED ("1.0, id with flags 7e", GETS, ZMQ_ROUTER, "\2\x7ex\4\0yes");
    MALFORMED ("1.0, id that starts with zero", GETS, ZMQ_ROUTER, "\4\0\0ab\4\0yes");
    MALFORMED ("1.0, long form of an id of length 0", ENDS, ZMQ_ROUTER, "\xff\0\0\0\0\0\0\0\0\0");
    MALFORMED ("1.0, long form of a huge id", ENDS, ZMQ_ROUTER, "\xff\x7f\0\0\0\0\0\0\0\0");
    MALFORMED ("1.0, a frame of length 0", ENDS, ZMQ_PULL, "\1\0\0\4\0yes");
    MALFORMED ("1.0, a long frame of length 0", ENDS, ZMQ_PULL, "\1\0\xff\0\0\0\0\0\0\0\0\4\0yes");
    MALFORMED ("1.0, a frame with flags fe", GETS, ZMQ_PULL, "\1\0\4\xfeyes");
    MALFORMED ("1.0, a frame with flags 80 01", GETS, ZMQ_PULL, "\1\0\4\x81yes\4\0too");
    MALFORMED ("1.0, a frame of 2^64 - 1 octets", ENDS, ZMQ_PULL, "\1\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0yes");
    MALFORMED ("signature with a length of 0", GETS, ZMQ_PULL, "\xff\0\0\0\0\0\0\0\0\x7f\1\x08\0\0\0\3yes");
    MALFORMED ("signature with any length", GETS, ZMQ_PULL, "\xff\1\2\3\4\5\6\7\x08\x7f\1\x08\0\0\0\3yes");
    MALFORMED ("signature that ends with 01", GETS, ZMQ_PULL, "\xff\0\0\0\0\0\0\0\1\1\1\x08\0\0\0\3yes");
    MALFORMED ("2.0, id with MORE", GETS, ZMQ_ROUTER, SIGNATURE "\1\5\1\1x\0\3yes");
    MALFORMED ("2.0, id in a long frame", GETS, ZMQ_ROUTER, SIGNATURE "\1\5\2\0\0\0\0\0\0\0\1x\0\3yes");
    MALFORMED ("2.0, id that starts with zero", GETS, ZMQ_ROUTER, SIGNATURE "\1\5\0\2\0x\0\3yes");
    MALFORMED ("2.0, a frame of 2^64 - 1 octets", ENDS, ZMQ_PULL, GREETING_2 "\2\xff\xff\xff\xff\xff\xff\xff\xffyes");
}

int main (void)
{
    signal (SIGPIPE, SIG_IGN);
    context = new_context ();
    for (enum direction direction = BINDS; direction <= CONNECTS; direction++)
        for (int own = 0; own < 2; own++) {
            const char *own_id = own ? "own id" : "";
            greeting_1 (direction, own_id, "", 0);
            greeting_1 (direction, own_id, "old peer", 0);
            greeting_1 (direction, own_id, "old peer", 1);
            greeting_2 (direction, own_id, "", 1);
            greeting_2 (direction, own_id, "old peer", 1);
            greeting_2 (direction, own_id, "old peer", 0);
            greeting_3 (direction, own_id, 2, 0);
            greeting_3 (direction, own_id, 3, 0);
            greeting_3 (direction, own_id, 3, 1);
            greeting_3 (direction, own_id, 4, 0);
        }
    for (int version = 1; version <= 2; version++) {
        for (enum direction direction = BINDS; direction <= CONNECTS; direction++) {
            sizes (version, direction);
            routers (version, direction);
            requests (version, direction);
            subscribers (version, direction, ZMQ_SUB);
            subscribers (version, direction, ZMQ_XSUB);
            publishers (version, direction, ZMQ_PUB);
            publishers (version, direction, ZMQ_XPUB);
        }
        show_properties (version, ZMQ_PULL, ZMQ_PUSH, "");
        show_properties (version, ZMQ_PULL, ZMQ_PUSH, "old");
        show_properties (version, ZMQ_ROUTER, ZMQ_DEALER, "");
        show_properties (version, ZMQ_ROUTER, ZMQ_DEALER, "old");
        limits (version);
        handshake_time (version);
        reconnecting (version);
    }
    mismatch (ZMQ_PULL, ZMQ_PUB);
    mismatch (ZMQ_PULL, ZMQ_PULL);
    mismatch (ZMQ_PULL, 200);
    mismatch (ZMQ_REP, ZMQ_PULL);
    mismatch (ZMQ_DEALER, ZMQ_SUB);
    all_malformed ();
    backlog ();
    whole_messages ();
    end_context (context);
    return 0;
}
