/* What a monitor says of peers that break the protocol: a plain TCP peer sends the bytes, to a socket that has accepted it and to one
 * that has connected to it, before and after the handshake (zmq_socket_monitor(3), RFC 23).
 *
 * Left out is what docs/compatibility.md lists as different: an ERROR command, which the reference library survives, and flags and
 * properties against the RFC that it does not look at. */
#include "events.h"

static void *context;

enum
{
    GREETING_SIZE = 64,
    READY_SIZE = 43
};
#define GREETING_AS(major, minor, mechanism, server) "\xff\0\0\0\0\0\0\0\1\x7f" major minor mechanism \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" server "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define GREETING GREETING_AS ("\3", "\0", "NULL", "\0")
#define READY "\4\x29\5READY\xbSocket-Type\0\0\0\6DEALER\x8Identity\0\0\0\0"

/* A socket that takes messages of up to 1000 bytes, in a connection with a plain peer; it does not try again. */
typedef struct
{
    void *socket, *monitor;
    endpoint_t endpoint;
    int listener, peer;
} side_t;

static void begin (side_t *side, int connecting, int handshake_ms)
{
    int64_t largest = 1000;
    side->socket = new_socket (context, ZMQ_DEALER);
    set_int (side->socket, ZMQ_HANDSHAKE_IVL, handshake_ms);
    set_int (side->socket, ZMQ_RECONNECT_IVL, -1);
    CHECK (zmq_setsockopt (side->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0);
    side->monitor = open_monitor (context, side->socket, ZMQ_EVENT_ALL & ~(ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_LISTENING));
    side->listener = -1;
    if (connecting) {
        side->listener = raw_listen (side->endpoint);
        connect_to (side->socket, side->endpoint);
        side->peer = raw_accept (side->listener);
    } else {
        bind_fresh (side->socket, "tcp", side->endpoint);
        side->peer = raw_connect (side->endpoint);
    }
    printf ("   %s\n", connecting ? "connecting" : "accepting");
}

static void finish (side_t *side)
{
    close (side->peer);
    if (side->listener != -1)
        close (side->listener);
    stop_and_show ("then", side->socket, side->monitor, side->endpoint);
}

/* The peer sends the bytes, and leaves if it is to; the connection ends. */
static void ends (const char *what, const char *bytes, size_t size, int leaves)
{
    printf ("  %s\n", what);
    for (int connecting = 0; connecting < 2; connecting++) {
        side_t side;
        begin (&side, connecting, 0);
        raw_write (side.peer, bytes, size);
        if (leaves)
            CHECK (shutdown (side.peer, SHUT_WR) == 0);
        show_up_to ("monitor", side.monitor, side.endpoint, ZMQ_EVENT_DISCONNECTED);
        finish (&side);
    }
}
#define ENDS(what, bytes) ends (what, bytes, sizeof (bytes) - 1, 0)
#define LEAVES(what, bytes) ends (what, bytes, sizeof (bytes) - 1, 1)

/* The peer shakes hands, waits for the socket to have done so too, and then sends the rest. */
static void after (const char *what, const char *bytes, size_t size, int leaves)
{
    printf ("  %s\n", what);
    for (int connecting = 0; connecting < 2; connecting++) {
        side_t side;
        char answer[GREETING_SIZE + READY_SIZE];
        begin (&side, connecting, 0);
        raw_write (side.peer, GREETING READY, sizeof (GREETING READY) - 1);
        CHECK (raw_read (side.peer, answer, sizeof answer) == sizeof answer);
        show_up_to ("monitor", side.monitor, side.endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        raw_write (side.peer, bytes, size);
        if (leaves)
            CHECK (shutdown (side.peer, SHUT_WR) == 0);
        show_up_to ("monitor", side.monitor, side.endpoint, ZMQ_EVENT_DISCONNECTED);
        finish (&side);
    }
}
#define AFTER(what, bytes) after (what, bytes, sizeof (bytes) - 1, 0)
#define AFTER_LEAVES(what, bytes) after (what, bytes, sizeof (bytes) - 1, 1)

/* The peer shakes hands well. */
static void succeeds (const char *what, const char *bytes, size_t size)
{
    printf ("  %s\n", what);
    for (int connecting = 0; connecting < 2; connecting++) {
        side_t side;
        begin (&side, connecting, 0);
        raw_write (side.peer, bytes, size);
        show_up_to ("monitor", side.monitor, side.endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        CHECK (shutdown (side.peer, SHUT_WR) == 0);
        show_up_to ("monitor", side.monitor, side.endpoint, ZMQ_EVENT_DISCONNECTED);
        finish (&side);
    }
}
#define SUCCEEDS(what, bytes) succeeds (what, bytes, sizeof (bytes) - 1)

static void too_slow (const char *what, const char *bytes, size_t size)
{
    printf ("  %s, and nothing more\n", what);
    for (int connecting = 0; connecting < 2; connecting++) {
        side_t side;
        begin (&side, connecting, 30);
        raw_write (side.peer, bytes, size);
        show_up_to ("monitor", side.monitor, side.endpoint, ZMQ_EVENT_DISCONNECTED);
        finish (&side);
    }
}
#define TOO_SLOW(what, bytes) too_slow (what, bytes, sizeof (bytes) - 1)

static void greetings (void)
{
    part ("greetings");
    LEAVES ("nothing", "");
    LEAVES ("the first octet", "\xff");
    LEAVES ("a signature", "\xff\0\0\0\0\0\0\0\1\x7f");
    LEAVES ("a signature and the version", "\xff\0\0\0\0\0\0\0\1\x7f\3");
    LEAVES ("half a greeting", "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL");
    LEAVES ("a greeting", GREETING);
    ENDS ("a first octet that begins no greeting", "\0");
    ENDS ("a mechanism that nobody knows", GREETING_AS ("\3", "\0", "ABCD", "\0"));
    ENDS ("a mechanism in small letters", GREETING_AS ("\3", "\0", "null", "\0"));
    SUCCEEDS ("version 3.1", GREETING_AS ("\3", "\1", "NULL", "\0") READY);
    SUCCEEDS ("version 3.9", GREETING_AS ("\3", "\x9", "NULL", "\0") READY);
    SUCCEEDS ("version 4.0", GREETING_AS ("\4", "\0", "NULL", "\0") READY);
    SUCCEEDS ("as a server", GREETING_AS ("\3", "\0", "NULL", "\1") READY);
    TOO_SLOW ("nothing", "");
    TOO_SLOW ("half a greeting", "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL");
    TOO_SLOW ("a greeting", GREETING);
}

static void commands (void)
{
    part ("instead of READY");
    ENDS ("PING", GREETING "\4\7\4PING\0\0");
    ENDS ("SUBSCRIBE", GREETING "\4\x0a\x9SUBSCRIBE");
    ENDS ("HELLO", GREETING "\4\x0d\5HELLO\3abc\3abc");
    ENDS ("a command without a name", GREETING "\4\0");
    ENDS ("a command with an empty name", GREETING "\4\1\0");
    ENDS ("a name that is cut short", GREETING "\4\3\x9" "AB");
    ENDS ("READY in small letters", GREETING "\4\6\5ready");
    ENDS ("a longer name than READY", GREETING "\4\7\6READYX");
    ENDS ("a message", GREETING "\0\1x");
    ENDS ("a part of a message", GREETING "\1\1x");
    ENDS ("a long message", GREETING "\2\0\0\0\0\0\0\0\1x");
    ENDS ("a command above ZMQ_MAXMSGSIZE", GREETING "\6\0\0\0\0\0\0\4\0");
    ENDS ("a message above ZMQ_MAXMSGSIZE", GREETING "\2\0\0\0\0\0\0\4\0");
    ENDS ("a length above 2^63", GREETING "\6\xff\xff\xff\xff\xff\xff\xff\xff");
    LEAVES ("half of READY", GREETING "\4\x1c\5REA");
    ENDS ("ERROR without a reason", GREETING "\4\6\5ERROR");
    ENDS ("ERROR with a reason that is cut short", GREETING "\4\x8\5ERROR\x9" "a");
    part ("READY");
    SUCCEEDS ("in a long frame", GREETING "\6\0\0\0\0\0\0\0\x1c\5READY\xbSocket-Type\0\0\0\6DEALER");
    SUCCEEDS ("without properties", GREETING "\4\6\5READY");
    SUCCEEDS ("with the name in small letters", GREETING "\4\x1c\5READY\xbsocket-type\0\0\0\6DEALER");
    SUCCEEDS ("with two socket types", GREETING "\4\x32\5READY\xbSocket-Type\0\0\0\6DEALER\xbSocket-Type\0\0\0\6ROUTER");
    ENDS ("with a type in small letters", GREETING "\4\x1c\5READY\xbSocket-Type\0\0\0\6" "dealer");
    ENDS ("with a type that does not fit", GREETING "\4\x19\5READY\xbSocket-Type\0\0\0\3PUB");
    ENDS ("with a value's length cut short", GREETING "\4\xd\5READY\3abc\0\0\0");
    ENDS ("with one byte too many", GREETING "\4\x1d\5READY\xbSocket-Type\0\0\0\6DEALERx");
    ENDS ("with a negative length", GREETING "\4\x1c\5READY\xbSocket-Type\xff\xff\xff\xff" "DEALER");
}

static void afterwards (void)
{
    part ("after the handshake");
    AFTER ("a message above ZMQ_MAXMSGSIZE", "\2\0\0\0\0\0\0\4\0");
    AFTER ("a length above 2^63", "\2\xff\xff\xff\xff\xff\xff\xff\xff");
    AFTER_LEAVES ("READY once more, which nobody minds", READY);
    AFTER_LEAVES ("an unknown command, which nobody minds", "\4\4\3FOO");
    AFTER_LEAVES ("ERROR, which nobody minds", "\4\x0a\5ERROR\3" "400");
    AFTER_LEAVES ("half a message", "\0\5ab");
}

int main (void)
{
    context = new_context ();
    greetings ();
    commands ();
    afterwards ();
    end_context (context);
    return 0;
}
