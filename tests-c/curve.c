/* CURVE (zmq_curve(7), RFC 26): keys of every form, right and wrong, messages of all socket types, what can be seen of them on the
 * wire, and a man in the middle who changes, repeats, drops and adds frames.
 *
 * All of it needs a libzmq with CURVE: the argument "full". */
#include "exchanges.h"

static void *context;

/* Keys ---------------------------------------------------------------------------------------------------------------- */

static void set_keys (void *client, const char *server_public, const char *public, const char *secret)
{
    set_int (client, ZMQ_RECONNECT_IVL, -1);
    if (server_public)
        set_text (client, ZMQ_CURVE_SERVERKEY, server_public);
    if (public)
        set_text (client, ZMQ_CURVE_PUBLICKEY, public);
    if (secret)
        set_text (client, ZMQ_CURVE_SECRETKEY, secret);
}

static void keys (const char *what, const char *transport, const char *server_secret, const char *server_public, const char *public, const char *secret, int fits)
{
    part ("%s over %s", what, transport);
    struct ends ends = open_ends (context, ZMQ_PULL, ZMQ_PUSH);
    set_int (ends.server, ZMQ_CURVE_SERVER, 1);
    if (server_secret)
        set_text (ends.server, ZMQ_CURVE_SECRETKEY, server_secret);
    set_keys (ends.client, server_public, public, secret);
    join_ends (&ends, transport);
    if (!fits) {
        zmq_send (ends.client, "lost", 4, ZMQ_DONTWAIT);
        both_end (&ends);
        show_no_message ("server", ends.server);
    } else {
        both_succeed (&ends);
        put (ends.client, "text");
        show_message ("server", ends.server, 0);
    }
    close_ends (&ends);
}

static void all_keys (const char *transport)
{
    char public[41], secret[41], server_public[41], server_secret[41], again[41];
    CHECK (zmq_curve_keypair (public, secret) == 0 && zmq_curve_keypair (server_public, server_secret) == 0);
    keys ("the manual's", transport, SERVER_SECRET, SERVER_PUBLIC, CLIENT_PUBLIC, CLIENT_SECRET, 1);
    keys ("new ones", transport, server_secret, server_public, public, secret, 1);
    CHECK (zmq_curve_public (again, secret) == 0);
    keys ("one found again", transport, server_secret, server_public, again, secret, 1);
    keys ("the server's for both", transport, SERVER_SECRET, SERVER_PUBLIC, SERVER_PUBLIC, SERVER_SECRET, 1);
    keys ("another server's", transport, SERVER_SECRET, server_public, CLIENT_PUBLIC, CLIENT_SECRET, 0);
    keys ("another server", transport, server_secret, SERVER_PUBLIC, CLIENT_PUBLIC, CLIENT_SECRET, 0);
    keys ("a public key of somebody else", transport, SERVER_SECRET, SERVER_PUBLIC, public, CLIENT_SECRET, 0);
    keys ("a secret key of somebody else", transport, SERVER_SECRET, SERVER_PUBLIC, CLIENT_PUBLIC, secret, 0);
    keys ("no public key", transport, SERVER_SECRET, SERVER_PUBLIC, NULL, CLIENT_SECRET, 0);
    keys ("no secret key", transport, SERVER_SECRET, SERVER_PUBLIC, CLIENT_PUBLIC, NULL, 0);
    keys ("no secret key of the server", transport, NULL, SERVER_PUBLIC, CLIENT_PUBLIC, CLIENT_SECRET, 0);
}

static void binary_keys (void)
{
    part ("keys of 32 octets");
    struct ends ends = open_ends (context, ZMQ_PULL, ZMQ_PUSH);
    uint8_t server_public[32], server_secret[32], public[32], secret[32];
    CHECK (zmq_z85_decode (server_public, SERVER_PUBLIC) && zmq_z85_decode (server_secret, SERVER_SECRET));
    CHECK (zmq_z85_decode (public, CLIENT_PUBLIC) && zmq_z85_decode (secret, CLIENT_SECRET));
    set_int (ends.server, ZMQ_CURVE_SERVER, 1);
    CHECK (zmq_setsockopt (ends.server, ZMQ_CURVE_SECRETKEY, server_secret, 32) == 0);
    CHECK (zmq_setsockopt (ends.client, ZMQ_CURVE_SERVERKEY, server_public, 32) == 0);
    CHECK (zmq_setsockopt (ends.client, ZMQ_CURVE_PUBLICKEY, public, 32) == 0);
    CHECK (zmq_setsockopt (ends.client, ZMQ_CURVE_SECRETKEY, secret, 32) == 0);
    join_ends (&ends, "tcp");
    both_succeed (&ends);
    put (ends.client, "text");
    show_message ("server", ends.server, 0);
    close_ends (&ends);
}

/* The man in the middle --------------------------------------------------------------------------------------------------- */

enum { ROOM = 2048, GREETING = 64 };
struct wire_frame
{
    unsigned char bytes[ROOM];
    size_t head, size; /* the head's and all of it */
};

struct middle
{
    struct ends ends;
    int listener, to_client, to_server;
};

static struct wire_frame read_frame (int fd)
{
    struct wire_frame frame = {.head = 2};
    CHECK (raw_read (fd, frame.bytes, 2) == 2);
    size_t size = frame.bytes[1];
    if (frame.bytes[0] & 2) {
        frame.head = 9;
        CHECK (raw_read (fd, frame.bytes + 2, 7) == 7);
        size = (size_t) frame.bytes[7] << 8 | frame.bytes[8];
    }
    frame.size = frame.head + size;
    CHECK (frame.size <= ROOM);
    CHECK (raw_read (fd, frame.bytes + frame.head, size) == size);
    return frame;
}

static void write_frame (int fd, const struct wire_frame *frame)
{
    raw_write (fd, frame->bytes, frame->size);
}

/* Passes both greetings on octet by octet: each side sends the rest of its own when it has seen some of the other's. */
static void pass_greetings (int client, int server, int quiet)
{
    unsigned char greetings[2][GREETING];
    size_t got[2] = {0, 0};
    int fds[] = {client, server};
    while (got[0] < GREETING || got[1] < GREETING)
        for (int i = 0; i < 2; i++)
            while (got[i] < GREETING && raw_readable (fds[i], 1)) {
                CHECK (recv (fds[i], greetings[i] + got[i], 1, 0) == 1);
                raw_write (fds[1 - i], greetings[i] + got[i], 1);
                got[i]++;
            }
    for (int i = 0; i < 2 && !quiet; i++) {
        printf ("  greeting of the %s ", i ? "server" : "client");
        print_bytes (greetings[i], 33);
        printf ("\n");
    }
}

/* Prints the head of a frame, and what is not encrypted of it. */
static void show_wire (const char *label, const struct wire_frame *frame)
{
    const unsigned char *body = frame->bytes + frame->head;
    size_t name = 1 + (size_t) body[0];
    printf ("  %s: flags %x, %zu octets, ", label, frame->bytes[0], frame->size - frame->head);
    print_bytes (body, name);
    if (strncmp ((const char *) body + 1, "MESSAGE", 7) == 0 || strncmp ((const char *) body + 1, "READY", 5) == 0) {
        printf (", nonce ");
        print_bytes (body + name, 8);
    }
    printf ("\n");
}

/* What is done to the frames of the handshake: the place of an octet to change, from the end. */
struct change
{
    const char *name;
    int frame; /* 0 HELLO, 1 WELCOME, 2 INITIATE, 3 READY */
    size_t from_end;
};

static struct middle open_middle (int server_type, int client_type)
{
    struct middle middle = {.ends = open_ends (context, server_type, client_type)};
    endpoint_t endpoint;
    set_int (middle.ends.server, ZMQ_CURVE_SERVER, 1);
    set_text (middle.ends.server, ZMQ_CURVE_SECRETKEY, SERVER_SECRET);
    as_client (middle.ends.client, CURVE);
    bind_fresh (middle.ends.server, "tcp", middle.ends.endpoint);
    middle.listener = raw_listen (endpoint);
    connect_to (middle.ends.client, endpoint);
    middle.to_client = raw_accept (middle.listener);
    middle.to_server = raw_connect (middle.ends.endpoint);
    return middle;
}

static void close_middle (struct middle *middle)
{
    close (middle->to_client);
    close (middle->to_server);
    close (middle->listener);
    close_ends (&middle->ends);
}

/* Passes the greetings and the handshake on, up to and with the frame that is changed. */
static void pass_handshake (struct middle *middle, const struct change *change)
{
    static const char *const names[] = {"HELLO", "WELCOME", "INITIATE", "READY"};
    pass_greetings (middle->to_client, middle->to_server, change != NULL);
    for (int i = 0; i < COUNT (names) && (!change || i <= change->frame); i++) {
        struct wire_frame frame = read_frame (i % 2 ? middle->to_server : middle->to_client);
        if (!change)
            show_wire (names[i], &frame);
        else if (i == change->frame)
            frame.bytes[frame.size - change->from_end] ^= 1;
        write_frame (i % 2 ? middle->to_client : middle->to_server, &frame);
    }
}

static int contains (const struct wire_frame *frame, const char *text)
{
    return memmem (frame->bytes, frame->size, text, strlen (text)) != NULL;
}

/* What can be seen of messages and subscriptions. */
static void seen (void)
{
    part ("on the wire");
    struct middle middle = open_middle (ZMQ_XPUB, ZMQ_SUB);
    subscribe (middle.ends.client, "a topic");
    pass_handshake (&middle, NULL);
    both_succeed (&middle.ends);
    struct wire_frame frame = read_frame (middle.to_client), other;
    show_wire ("subscription", &frame);
    SHOW_VALUE (contains (&frame, "topic") || contains (&frame, "SUBSCRIBE"));
    write_frame (middle.to_server, &frame);
    show_message ("publisher", middle.ends.server, 0);
    put (middle.ends.server, "a topic|the message");
    put (middle.ends.server, "a topic|the message");
    for (int i = 0; i < 4; i++) {
        other = frame;
        frame = read_frame (middle.to_server);
        show_wire ("message", &frame);
        SHOW_VALUE (contains (&frame, "topic") || contains (&frame, "message"));
        if (i == 3)
            SHOW_VALUE (memcmp (frame.bytes + 18, other.bytes + 18, 16) == 0);
        write_frame (middle.to_client, &frame);
    }
    show_message ("subscriber", middle.ends.client, 0);
    show_message ("subscriber", middle.ends.client, 0);
    char text[300];
    memset (text, 'a', sizeof text);
    memcpy (text, "a topic", 7);
    for (int size = 222; size <= 223; size++) {
        CHECK (zmq_send (middle.ends.server, text, (size_t) size, 0) == size);
        frame = read_frame (middle.to_server);
        show_wire ("message", &frame);
    }
    close_middle (&middle);
}

static void changed_handshakes (void)
{
    static const struct change changes[] = {{"HELLO, its box", 0, 1},        {"HELLO, its key", 0, 120},     {"HELLO, its nonce", 0, 81},
                                            {"HELLO, its version", 0, 193},  {"WELCOME, its box", 1, 1},     {"WELCOME, its nonce", 1, 145},
                                            {"WELCOME, its name", 1, 161},   {"INITIATE, its box", 2, 1},    {"INITIATE, its nonce", 2, 16 + 128 + 20 + 1},
                                            {"READY, its box", 3, 1},        {"READY, its name", 3, 16 + 20 + 8 + 1}};
    for (int i = 0; i < COUNT (changes); i++) {
        part ("changed: %s", changes[i].name);
        struct middle middle = open_middle (ZMQ_PULL, ZMQ_PUSH);
        pass_handshake (&middle, &changes[i]);
        show_security_events ("who reads it", changes[i].frame % 2 ? middle.ends.client_monitor : middle.ends.server_monitor, FAILED);
        close_middle (&middle);
    }
}

enum trick { REPEATED, CHANGED_BOX, CHANGED_NONCE, CHANGED_NAME, SWAPPED, DROPPED, CUT, SHORT, PING_ADDED, ERROR_ADDED, TEXT_ADDED };
static const char *const trick_names[] = {"repeated", "its box changed", "its nonce changed", "its name changed", "two swapped", "one dropped", "cut by one octet",
                                          "cut to its name", "a PING in clear", "an ERROR in clear", "text in clear"};

static void play_trick (struct middle *middle, enum trick trick)
{
    struct wire_frame frame = read_frame (middle->to_client), next = read_frame (middle->to_client);
    static const struct wire_frame ping = {.bytes = "\4\7\4PING\0\0", .head = 2, .size = 9};
    static const struct wire_frame error = {.bytes = "\4\12\5ERROR\003400", .head = 2, .size = 12};
    static const struct wire_frame text = {.bytes = "\0\50hello there, this is not a command at all", .head = 2, .size = 42};
    switch (trick) {
        case REPEATED: {
            write_frame (middle->to_server, &frame);
            show_message ("server", middle->ends.server, 0);
            break;
        }
        case CHANGED_BOX: frame.bytes[frame.size - 1] ^= 1; break;
        case CHANGED_NONCE: frame.bytes[frame.head + 15] ^= 64; break;
        case CHANGED_NAME: frame.bytes[frame.head + 7] ^= 1; break;
        case SWAPPED: {
            write_frame (middle->to_server, &next);
            show_message ("server", middle->ends.server, 0);
            break;
        }
        case DROPPED: frame = next; break;
        case CUT: frame.size--, frame.bytes[1]--; break;
        case SHORT: frame.size = frame.head + 8, frame.bytes[1] = 8; break;
        case PING_ADDED: frame = ping; break;
        case ERROR_ADDED: frame = error; break;
        case TEXT_ADDED: frame = text; break;
    }
    write_frame (middle->to_server, &frame);
}

static void tricks (void)
{
    for (enum trick trick = REPEATED; trick <= TEXT_ADDED; trick++) {
        part ("a message: %s", trick_names[trick]);
        struct middle middle = open_middle (ZMQ_PULL, ZMQ_PUSH);
        struct change none = {"none", COUNT (trick_names), 0};
        pass_handshake (&middle, &none);
        both_succeed (&middle.ends);
        put (middle.ends.client, "one");
        put (middle.ends.client, "two");
        play_trick (&middle, trick);
        if (trick == DROPPED)
            show_message ("server", middle.ends.server, 0);
        else
            show_security_events ("server", middle.ends.server_monitor, FAILED);
        show_no_message ("server", middle.ends.server);
        close_middle (&middle);
    }
}

/* INITIATE of one connection, sent again on another one, is worth nothing there. */
static void replayed (void)
{
    part ("a handshake sent again");
    struct middle middle = open_middle (ZMQ_PULL, ZMQ_PUSH);
    pass_greetings (middle.to_client, middle.to_server, 1);
    int fds[] = {middle.to_server, raw_connect (middle.ends.endpoint)};
    unsigned char greeting[GREETING] = "\xff\0\0\0\0\0\0\0\1\x7f\3\1" "CURVE";
    raw_write (fds[1], greeting, GREETING);
    CHECK (raw_read (fds[1], greeting, GREETING) == GREETING);
    for (int i = 0; i < 2; i++)
        show_security_events ("server", middle.ends.server_monitor, ZMQ_EVENT_ACCEPTED);
    struct wire_frame hello = read_frame (middle.to_client), welcome[2];
    for (int i = 0; i < 2; i++) {
        write_frame (fds[i], &hello);
        welcome[i] = read_frame (fds[i]);
    }
    SHOW_VALUE (memcmp (welcome[0].bytes + welcome[0].head + 8, welcome[1].bytes + welcome[1].head + 8, 16) == 0);
    write_frame (middle.to_client, &welcome[0]);
    struct wire_frame initiate = read_frame (middle.to_client);
    write_frame (fds[1], &initiate);
    show_security_events ("server", middle.ends.server_monitor, FAILED);
    write_frame (fds[0], &initiate);
    struct wire_frame ready = read_frame (fds[0]);
    write_frame (middle.to_client, &ready);
    show_security_events ("client", middle.ends.client_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    put (middle.ends.client, "text");
    struct wire_frame text = read_frame (middle.to_client);
    write_frame (fds[0], &text);
    show_message ("server", middle.ends.server, 0);
    close (fds[1]);
    close_middle (&middle);
}

int main (int count, char **arguments)
{
    if (!is_full (count, arguments))
        return 0;
    context = new_context ();
    for (int i = 1; i < COUNT (transports); i++) {
        struct way way = {context, NULL, CURVE, transports[i]};
        all_keys (transports[i]);
        exchange_all (&way);
        limited (&way, 400, 33);
        limited_behind_a_command (&way, 1000);
    }
    binary_keys ();
    seen ();
    changed_handshakes ();
    tricks ();
    replayed ();
    end_context (context);
    return 0;
}
