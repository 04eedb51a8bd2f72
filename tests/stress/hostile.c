/* Hostile bytes at a bound socket: every truncation of a recorded conversation and every change of one of its bytes, each on a
 * connection of its own, with a monitor on the socket.
 *
 *   hostile TYPE MASK...     TYPE: router, pull, pub, xpub; a byte is changed by exclusive or with each mask
 *
 * The conversation is that of a ZMTP 3.1 peer (RFC 37): greeting, READY, a hundred frames. Afterwards every connection has
 * ended with its event, a well-behaved peer has worked, and no descriptor is left. What the monitor said of a broken
 * handshake is printed, so that libraries can be compared; of frames it can say the same only: a handshake, and the end. */
#include "stress.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#define GREETING 64
#define FRAMES 100
#define ROOM 16384
/* A read of a peer that should have been answered. */
#define ANSWER_SECONDS_MAX 20

static const struct
{
    const char *name;
    int type;
    const char *peer;
} types[] = {{"router", ZMQ_ROUTER, "DEALER"}, {"pull", ZMQ_PULL, "PUSH"}, {"pub", ZMQ_PUB, "SUB"}, {"xpub", ZMQ_XPUB, "SUB"}};

static void *context, *server, *monitor;
static int type, port;
static unsigned char recorded[ROOM];
static int ready_end, recorded_end;
static long cases;

/* The recorded conversation --------------------------------------------------------------------------------------------- */

static void append (const void *bytes, int size)
{
    CHECK (recorded_end + size <= ROOM);
    memcpy (recorded + recorded_end, bytes, (size_t) size);
    recorded_end += size;
}

/* A frame with the short size, or the long one. */
static void append_frame (int flags, const void *body, int size, int large)
{
    unsigned char header[9] = {(unsigned char) (flags | (large ? 2 : 0)), (unsigned char) size};
    if (large) {
        header[1] = 0;
        header[8] = (unsigned char) size;
    }
    append (header, large ? 9 : 2);
    append (body, size);
}

static void record (const char *peer)
{
    static const unsigned char signature[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    append (signature, sizeof signature);
    recorded_end = GREETING;
    unsigned char body[64] = "\5READY\13Socket-Type\0\0\0";
    int size = 22;
    body[size - 1] = (unsigned char) strlen (peer);
    memcpy (body + size, peer, strlen (peer));
    append_frame (4, body, size + (int) strlen (peer), 0);
    ready_end = recorded_end;
    int subscribes = strcmp (peer, "SUB") == 0;
    for (int i = 0; i < FRAMES; i++) {
        char text[64];
        if (i % 20 == 19)
            append_frame (4, "\4PING\0\144context", 14, 0);
        else if (!subscribes)
            append_frame (i % 5 == 1, "a message body!!", i % 17, i % 7 == 3);
        else if (i % 3 == 2)
            append_frame (0, text, snprintf (text, sizeof text, "%ctopic %d", i % 2, i / 6), i % 7 == 3);
        else
            append_frame (4, text, snprintf (text, sizeof text, i % 2 ? "\6CANCELtopic %d" : "\11SUBSCRIBEtopic %d", i / 6), i % 7 == 3);
    }
}

/* Raw peers --------------------------------------------------------------------------------------------------------------- */

static int dial (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    struct timeval limit = {ANSWER_SECONDS_MAX, 0};
    int peer = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK (peer >= 0 && connect (peer, (struct sockaddr *) &address, sizeof address) == 0);
    int on = 1;
    CHECK (setsockopt (peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK (setsockopt (peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return peer;
}

/* What cannot be sent any more because the server closed is of no interest. */
static void put_bytes (int peer, const unsigned char *bytes, int size)
{
    while (size > 0) {
        ssize_t sent = send (peer, bytes, (size_t) size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        size -= (int) sent;
    }
}

/* Reads exactly that much. 0 when the connection ended before. */
static int take_bytes (int peer, unsigned char *bytes, int size)
{
    while (size > 0) {
        ssize_t got = recv (peer, bytes, (size_t) size, 0);
        if (got == -1 && errno == EAGAIN)
            stuck ("the server neither answered nor closed");
        if (got <= 0)
            return 0;
        bytes += got;
        size -= (int) got;
    }
    return 1;
}

static int take_frame (int peer, unsigned char *body)
{
    unsigned char header[2];
    /* The server's own frames are short ones. */
    return take_bytes (peer, header, 2) && take_bytes (peer, body, header[1]) ? header[1] : -1;
}

/* Takes the greeting and READY, as a peer does before it goes on. */
static int take_handshake (int peer)
{
    unsigned char bytes[256];
    return take_bytes (peer, bytes, GREETING) && take_frame (peer, bytes) > 0;
}

static void hang_up (int peer)
{
    unsigned char rest[4096];
    shutdown (peer, SHUT_WR);
    while (recv (peer, rest, sizeof rest, 0) > 0)
        ;
    close (peer);
}

/* The server ---------------------------------------------------------------------------------------------------------------- */

/* Reads the events of one connection to its end; the handshake's is the result, or 0. */
static int events_of_a_connection (void)
{
    int handshake = 0, event;
    CHECK (next_event (monitor, NULL, NULL) == ZMQ_EVENT_ACCEPTED);
    while ((event = next_event (monitor, NULL, NULL)) != ZMQ_EVENT_DISCONNECTED) {
        CHECK (handshake == 0 && event >= ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
        handshake = event;
    }
    return handshake;
}

static void drain (void)
{
    char bytes[64];
    if (type != ZMQ_PUB)
        while (zmq_recv (server, bytes, sizeof bytes, ZMQ_DONTWAIT) >= 0)
            ;
}

/* Waits for this message, past whatever a broken peer has sent. */
static void expect_message (const char *text, int size)
{
    char bytes[64];
    for (;;) {
        int got = zmq_recv (server, bytes, sizeof bytes, 0);
        CHECK (got >= 0);
        if (got == size && memcmp (bytes, text, (size_t) size) == 0)
            return;
    }
}

/* A well-behaved peer comes, is served and goes. */
static void next_peer_works (void)
{
    static int number;
    unsigned char text[64], answer[256];
    int peer = dial ();
    put_bytes (peer, recorded, GREETING);
    CHECK (take_handshake (peer));
    put_bytes (peer, recorded + GREETING, ready_end - GREETING);
    int size = snprintf ((char *) text + 3, sizeof text - 3, "\1good %d", number++);
    text[0] = 0;
    text[1] = (unsigned char) size;
    text[2] = 0;
    memmove (text + 2, text + 3, (size_t) size);
    put_bytes (peer, text, size + 2);
    if (type == ZMQ_PUB) {
        /* The answer to a PING says that the subscription before it was read. */
        put_bytes (peer, (const unsigned char *) "\4\7\4PING\0\0", 9);
        CHECK (take_frame (peer, answer) == 5 && memcmp (answer, "\4PONG", 5) == 0);
        /* libzmq may take note of it later: it sends again. */
        struct pollfd readable = {peer, POLLIN, 0};
        do
            CHECK (zmq_send (server, text + 3, (size_t) size - 1, 0) == size - 1);
        while (poll (&readable, 1, 1) == 0);
        CHECK (take_frame (peer, answer) == size - 1 && memcmp (answer, text + 3, (size_t) size - 1) == 0);
    } else
        expect_message ((const char *) text + 2, size);
    hang_up (peer);
    CHECK (events_of_a_connection () == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    drain ();
    atomic_fetch_add (&progress, 1);
}

/* The cases ------------------------------------------------------------------------------------------------------------------ */

/* A changed signature or version may leave the server waiting: such a peer does not wait either. */
static int leaves_the_server_waiting (int position)
{
    return position == 0 || (position >= 9 && position <= 11);
}

/* Plays the first `size` bytes; `changed` is the position of a changed byte, or -1. */
static int play (const unsigned char *bytes, int size, int changed)
{
    int peer = dial (), greeting = size < GREETING ? size : GREETING;
    put_bytes (peer, bytes, greeting);
    if (size >= GREETING && !leaves_the_server_waiting (changed == -1 ? GREETING : changed))
        take_handshake (peer);
    put_bytes (peer, bytes + greeting, size - greeting);
    hang_up (peer);
    int handshake = events_of_a_connection ();
    drain ();
    next_peer_works ();
    cases++;
    return handshake;
}

static void show (const char *what, int position, unsigned mask, int handshake)
{
    printf ("%s %d %02x %s\n", what, position, mask, handshake ? event_name (handshake) : "-");
}

static void play_all (int count, char **masks)
{
    for (int size = 0; size <= recorded_end; size++) {
        int handshake = play (recorded, size, -1);
        if (size < ready_end)
            show ("truncated", size, 0, handshake);
        else
            CHECK (handshake == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    }
    for (int i = 0; i < count; i++)
        for (int position = 0; position < recorded_end; position++) {
            unsigned mask = (unsigned) strtoul (masks[i], NULL, 0);
            recorded[position] ^= (unsigned char) mask;
            unsigned char changed[ROOM];
            memcpy (changed, recorded, sizeof changed);
            recorded[position] ^= (unsigned char) mask;
            int handshake = play (changed, recorded_end, position);
            if (position < ready_end)
                show ("changed", position, mask, handshake);
            else
                CHECK (handshake == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        }
}

int main (int count, char **values)
{
    CHECK (count >= 3);
    start_watchdog ();
    for (int i = 0; i < COUNT (types); i++)
        if (strcmp (values[1], types[i].name) == 0) {
            type = types[i].type;
            record (types[i].peer);
        }
    CHECK (recorded_end);
    context = new_context ();
    server = new_socket (context, type);
    endpoint_t endpoint;
    monitor = open_monitor (context, server, ZMQ_EVENT_ALL);
    bind_fresh (server, "tcp", endpoint);
    port = atoi (strrchr (endpoint, ':') + 1);
    wait_for_event (monitor, ZMQ_EVENT_LISTENING);
    next_peer_works ();
    int before = descriptors ();
    play_all (count - 2, values + 2);
    stage = "the descriptors";
    while (descriptors () > before)
        sched_yield ();
    CHECK (zmq_socket_monitor (server, NULL, 0) == 0);
    close_socket (monitor);
    close_socket (server);
    end_context (context);
    printf ("ok: %ld cases\n", cases);
    return 0;
}
