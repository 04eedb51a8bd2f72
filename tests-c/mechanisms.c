/* Which mechanisms shake hands with which, in which roles (zmq_null(7), zmq_plain(7), zmq_curve(7)), and raw peers of each that send
 * what they should not: events with their codes (zmq_socket_monitor(3)), and what goes over the wire.
 *
 * The peers are plain TCP sockets that speak ZMTP 3.1 (RFC 37) octet by octet. */
#include "security.h"

static void *context;

enum role { SERVER, CLIENT };
static const char *const role_names[] = {"server", "client"};

static void *in_role (void *socket, enum mechanism mechanism, enum role role)
{
    return role == SERVER && mechanism != OPEN ? as_server (socket, mechanism) : as_client (socket, mechanism);
}

static void pairs (void)
{
    for (enum mechanism a = OPEN; (int) a < mechanism_count; a++)
        for (enum mechanism b = OPEN; (int) b < mechanism_count; b++)
            for (int roles = 0; roles < 4; roles++) {
                enum role role_a = roles & 1 ? CLIENT : SERVER, role_b = roles & 2 ? CLIENT : SERVER;
                if ((a == OPEN && role_a == CLIENT) || (b == OPEN && role_b == CLIENT))
                    continue;
                part ("%s %s binds, %s %s connects", mechanism_names[a], role_names[role_a], mechanism_names[b], role_names[role_b]);
                void *handler = open_handler (context, ZMQ_REP);
                struct ends ends = open_ends (context, ZMQ_PULL, ZMQ_PUSH);
                in_role (ends.server, a, role_a);
                in_role (ends.client, b, role_b);
                set_int (ends.client, ZMQ_RECONNECT_IVL, -1);
                join_ends (&ends, "tcp");
                if (a == b && role_a != role_b)
                    ask_and_answer (handler, &accepting);
                if (a == b && (a == OPEN || role_a != role_b)) {
                    both_succeed (&ends);
                    put (ends.client, "text");
                    show_received ("binding side", ends.server);
                } else if (a == b && role_a == SERVER) {
                    show_security_events ("server", ends.server_monitor, ZMQ_EVENT_ACCEPTED);
                    show_security_events ("client", ends.client_monitor, ZMQ_EVENT_CONNECTED);
                    show_security_events ("server", ends.server_monitor, 0);
                } else
                    both_end (&ends);
                close_ends (&ends);
                close_handler (handler);
            }
}

/* Raw peers --------------------------------------------------------------------------------------------------------- */

#define SIGNATURE "\xff\0\0\0\0\0\0\0\1\x7f"
enum { GREETING = 64, STEPS = 4 };

static void raw_greeting (int fd, const char *mechanism, int as_server)
{
    unsigned char greeting[GREETING] = SIGNATURE "\3\1";
    memcpy (greeting + 12, mechanism, strlen (mechanism));
    greeting[32] = (unsigned char) as_server;
    raw_write (fd, greeting, sizeof greeting);
}

static void raw_frame (int fd, unsigned char flags, const char *data, size_t size)
{
    unsigned char head[9] = {flags, (unsigned char) size};
    if (size > 255) {
        head[0] |= 2;
        for (int i = 0; i < 8; i++)
            head[1 + i] = (unsigned char) (size >> (56 - 8 * i));
    }
    raw_write (fd, head, size > 255 ? 9 : 2);
    raw_write (fd, data, size);
}

/* Reads one frame that must come, and prints it: a long one or what is encrypted by its name alone. */
static void show_frame (int fd)
{
    unsigned char head[9], data[1024];
    size_t size;
    CHECK (raw_read (fd, head, 2) == 2);
    size = head[1];
    if (head[0] & 2) {
        CHECK (raw_read (fd, head + 2, 7) == 7);
        size = (size_t) head[7] << 8 | head[8];
    }
    CHECK (size <= sizeof data && raw_read (fd, data, size) == size);
    printf ("  the peer gets %x ", head[0]);
    if (size > 150) {
        print_bytes (data, 1 + (size_t) data[0]);
        printf (" of %zu\n", size);
    } else {
        print_bytes (data, size);
        printf ("\n");
    }
    fflush (stdout);
}

struct step
{
    const char *data;
    size_t size;
    int frames; /* that come after it */
    unsigned char flags;
};
#define STEP(text, frames) {text, sizeof (text) - 1, frames, 4}
#define AS_MESSAGE(text, frames) {text, sizeof (text) - 1, frames, 0}

struct script
{
    const char *name;
    int last; /* the event to wait for */
    struct step steps[STEPS];
};

#define HELLO "\5HELLO\4user\6secret"
#define WELCOME "\7WELCOME"
#define METADATA(type, length) "\13Socket-Type\0\0\0" length type
#define INITIATE "\10INITIATE" METADATA ("DEALER", "\6")
#define READY "\5READY" METADATA ("ROUTER", "\6")
enum { ENDS = FAILED, WORKS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED };

/* What a server of PLAIN is sent after the greeting. */
static const struct script to_plain_server[] = {
  {"all right", WORKS, {STEP (HELLO, 1), STEP (INITIATE, 1)}},
  {"in frames of messages", WORKS, {AS_MESSAGE (HELLO, 1), AS_MESSAGE (INITIATE, 1)}},
  {"no metadata", WORKS, {STEP (HELLO, 1), STEP ("\10INITIATE", 1)}},
  {"READY first", ENDS, {STEP (READY, 0)}},
  {"INITIATE first", ENDS, {STEP (INITIATE, 0)}},
  {"HELLO twice", ENDS, {STEP (HELLO, 1), STEP (HELLO, 0)}},
  {"HELLO empty", ENDS, {STEP ("\5HELLO", 0)}},
  {"HELLO with a short name", ENDS, {STEP ("\5HELLO\11user", 0)}},
  {"HELLO without a password", ENDS, {STEP ("\5HELLO\4user", 0)}},
  {"HELLO with a short password", ENDS, {STEP ("\5HELLO\4user\11secret", 0)}},
  {"HELLO and more", ENDS, {STEP (HELLO "x", 0)}},
  {"hello", ENDS, {STEP ("\5hello\4user\6secret", 0)}},
  {"an empty command", ENDS, {STEP ("", 0)}},
  {"a message first", ENDS, {AS_MESSAGE ("\5first", 0)}},
  {"a message after HELLO", ENDS, {STEP (HELLO, 1), AS_MESSAGE ("\5early", 0)}},
  {"SUBSCRIBE after HELLO", ENDS, {STEP (HELLO, 1), STEP ("\11SUBSCRIBE", 0)}},
  {"PING after HELLO", ENDS, {STEP (HELLO, 1), STEP ("\4PING\0\0", 0)}},
  {"ERROR first", ENDS, {STEP ("\5ERROR\003400", 0)}},
  {"ERROR after HELLO", ENDS, {STEP (HELLO, 1), STEP ("\5ERROR\003400", 0)}},
  {"INITIATE cut", ENDS, {STEP (HELLO, 1), STEP ("\10INIT", 0)}},
  {"metadata cut", ENDS, {STEP (HELLO, 1), STEP ("\10INITIATE" METADATA ("DEALER", "\11"), 0)}},
  {"an unfit type", ENDS, {STEP (HELLO, 1), STEP ("\10INITIATE" METADATA ("PUB", "\3"), 0)}},
};

/* What a client of PLAIN is sent, after its HELLO. */
static const struct script to_plain_client[] = {
  {"all right", WORKS, {STEP (WELCOME, 1), STEP (READY, 0)}},
  {"in frames of messages", WORKS, {AS_MESSAGE (WELCOME, 1), AS_MESSAGE (READY, 0)}},
  {"no metadata", WORKS, {STEP (WELCOME, 1), STEP ("\5READY", 0)}},
  {"WELCOME and more", ENDS, {STEP (WELCOME "x", 0)}},
  {"WELCOME twice", ENDS, {STEP (WELCOME, 1), STEP (WELCOME, 0)}},
  {"READY first", ENDS, {STEP (READY, 0)}},
  {"HELLO", ENDS, {STEP (HELLO, 0)}},
  {"an unknown command", ENDS, {STEP ("\3FOO", 0)}},
  {"a message after WELCOME", ENDS, {STEP (WELCOME, 1), AS_MESSAGE ("\5early", 0)}},
  {"metadata cut", ENDS, {STEP (WELCOME, 1), STEP ("\5READY" METADATA ("ROUTER", "\11"), 0)}},
  {"an unfit type", ENDS, {STEP (WELCOME, 1), STEP ("\5READY" METADATA ("PUB", "\3"), 0)}},
  {"READY cut", ENDS, {STEP (WELCOME, 1), STEP ("\5REA", 0)}},
};

/* What a client of NULL is sent: the reasons of an ERROR. */
static const struct script to_open_client[] = {
  {"300", ENDS, {STEP ("\5ERROR\003300", 0)}},     {"400", ENDS, {STEP ("\5ERROR\003400", 0)}},
  {"500", ENDS, {STEP ("\5ERROR\003500", 0)}},     {"200", ENDS, {STEP ("\5ERROR\003200", 0)}},
  {"600", ENDS, {STEP ("\5ERROR\003600", 0)}},     {"abc", ENDS, {STEP ("\5ERROR\003abc", 0)}},
  {"none", ENDS, {STEP ("\5ERROR\0", 0)}},         {"long", ENDS, {STEP ("\5ERROR\00512345", 0)}},
  {"no length", ENDS, {STEP ("\5ERROR", 0)}},      {"cut", ENDS, {STEP ("\5ERROR\11400", 0)}},
  {"and more", ENDS, {STEP ("\5ERROR\003400x", 0)}},
};

#define SIXTEEN "xxxxxxxxxxxxxxxx"
#define LONG SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN
static const struct script to_curve_server[] = {
  {"an empty command", ENDS, {STEP ("", 0)}},
  {"a message", ENDS, {AS_MESSAGE ("hi there", 0)}},
  {"HELLO too short", ENDS, {STEP ("\5HELLO\1\0", 0)}},
  {"HELLO one short", ENDS, {STEP ("\5HELLO\1\0" LONG "", 0)}},
  {"HELLO of another version", ENDS, {STEP ("\5HELLO\2\0" LONG, 0)}},
  {"HELLO of a later version", ENDS, {STEP ("\5HELLO\1\1" LONG, 0)}},
  {"HELLO that does not open", ENDS, {STEP ("\5HELLO\1\0" LONG, 0)}},
  {"HELLO too long", ENDS, {STEP ("\5HELLO\1\0" LONG LONG LONG, 0)}},
  {"HELLO of PLAIN", ENDS, {STEP (HELLO, 0)}},
  {"INITIATE first", ENDS, {STEP ("\10INITIATE" LONG LONG, 0)}},
  {"INITIATE of NULL's metadata", ENDS, {STEP (INITIATE, 0)}},
  {"READY first", ENDS, {STEP (READY, 0)}},
  {"MESSAGE first", ENDS, {STEP ("\7MESSAGE" LONG, 0)}},
  {"ERROR first", ENDS, {STEP ("\5ERROR\003400", 0)}},
  {"an unknown command", ENDS, {STEP ("\5HELLX\1\0" LONG, 0)}},
};
static const struct script to_curve_client[] = {
  {"WELCOME that does not open", ENDS, {STEP ("\7WELCOME" "1234567812345678" SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN, 0)}},
  {"MESSAGE first", ENDS, {STEP ("\7MESSAGE" LONG, 0)}},
  {"HELLO", ENDS, {STEP ("\5HELLO\1\0" LONG, 0)}},
  {"an unknown command", ENDS, {STEP ("\7WELCOMF" LONG, 0)}},
  {"ERROR 400", ENDS, {STEP ("\5ERROR\003400", 0)}},
  {"ERROR 300", ENDS, {STEP ("\5ERROR\003300", 0)}},
  {"ERROR of another reason", ENDS, {STEP ("\5ERROR\003abc", 0)}},
  {"ERROR cut", ENDS, {STEP ("\5ERROR\11400", 0)}},
};

static int pending (const struct step *step)
{
    return step->data != NULL;
}

/* A socket of the library and its raw peer, greeted. */
struct raw
{
    void *socket, *monitor;
    int fd;
};

static struct raw open_raw (enum mechanism mechanism, enum role role, int type)
{
    struct raw raw = {.socket = new_socket (context, type)};
    endpoint_t endpoint;
    in_role (raw.socket, mechanism, role);
    raw.monitor = open_monitor (context, raw.socket, WATCHED);
    if (role == SERVER) {
        bind_fresh (raw.socket, "tcp", endpoint);
        raw.fd = raw_connect (endpoint);
    } else {
        int listener = raw_listen (endpoint);
        connect_to (raw.socket, endpoint);
        raw.fd = raw_accept (listener);
        close (listener);
    }
    return raw;
}

static void greet (struct raw *raw, enum mechanism mechanism, enum role role)
{
    unsigned char greeting[GREETING];
    raw_greeting (raw->fd, mechanism_names[mechanism], role == CLIENT);
    CHECK (raw_read (raw->fd, greeting, sizeof greeting) == sizeof greeting);
    printf ("  greeted: ");
    print_bytes (greeting + 10, 23);
    printf ("\n");
}

static void close_raw (struct raw *raw)
{
    close (raw->fd);
    close_monitor (raw->socket, raw->monitor);
    close_socket (raw->socket);
}

static void play (const struct script *script, enum mechanism mechanism, enum role role)
{
    part ("%s %s: %s", mechanism_names[mechanism], role_names[role], script->name);
    void *handler = mechanism == PLAIN ? open_handler (context, ZMQ_REP) : NULL;
    struct raw raw = open_raw (mechanism, role, role == SERVER ? ZMQ_ROUTER : ZMQ_DEALER);
    greet (&raw, mechanism, role);
    if (role == CLIENT)
        show_frame (raw.fd);
    for (int i = 0; i < STEPS && pending (&script->steps[i]); i++) {
        const struct step *step = &script->steps[i];
        raw_frame (raw.fd, step->flags, step->data, step->size);
        if (handler && role == SERVER && i == 0 && step->frames)
            accept_next (handler);
        for (int j = 0; j < step->frames; j++)
            show_frame (raw.fd);
    }
    show_security_events ("events", raw.monitor, script->last);
    if (script->last == WORKS) {
        raw_frame (raw.fd, 0, "text", 4);
        show_received ("the library", raw.socket);
    } else
        show_no_message ("the library", raw.socket);
    close_raw (&raw);
    if (handler)
        close_handler (handler);
}

#define PLAY(scripts, mechanism, role)                                                                                 \
    for (int i = 0; i < COUNT (scripts); i++)                                                                          \
    play (&scripts[i], mechanism, role)

/* What a peer is sent that the handler refuses: PLAIN's ERROR is not spelt as RFC 24 has it. */
static void refusals (void)
{
    static const char *const statuses[] = {"300", "400", "500"};
    for (enum mechanism mechanism = OPEN; mechanism <= PLAIN; mechanism++)
        for (int i = 0; i < COUNT (statuses); i++) {
            part ("%s server refuses: %s", mechanism_names[mechanism], statuses[i]);
            struct reply reply = REPLY ("", "xxx");
            reply.frames[2].data = statuses[i];
            void *handler = open_handler (context, ZMQ_REP);
            struct raw raw = {.socket = as_server (new_socket (context, ZMQ_ROUTER), mechanism)};
            raw.monitor = open_monitor (context, raw.socket, WATCHED);
            endpoint_t endpoint;
            bind_fresh (raw.socket, "tcp", endpoint);
            raw.fd = raw_connect (endpoint);
            greet (&raw, mechanism, SERVER);
            if (mechanism == PLAIN)
                raw_frame (raw.fd, 4, HELLO, sizeof HELLO - 1);
            ask_and_answer (handler, &reply);
            show_security_events ("events", raw.monitor, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
            if (i > 0)
                show_frame (raw.fd);
            close_raw (&raw);
            close_handler (handler);
        }
}

/* Greetings that offer another mechanism, or an older protocol. */
static void greetings (void)
{
    static const char *const names[] = {"NULL", "PLAIN", "CURVE", "GSSAPI", "", "FOO", "PLAINx", "plain"};
    for (enum mechanism mechanism = OPEN; (int) mechanism < mechanism_count; mechanism++)
        for (enum role role = SERVER; role <= CLIENT; role++) {
            for (int i = 0; i < COUNT (names); i++) {
                if (strcmp (names[i], mechanism_names[mechanism]) == 0)
                    continue;
                part ("%s %s, the peer offers \"%s\"", mechanism_names[mechanism], role_names[role], names[i]);
                struct raw raw = open_raw (mechanism, role, ZMQ_DEALER);
                raw_greeting (raw.fd, names[i], role == CLIENT);
                show_security_events ("events", raw.monitor, ENDS);
                close_raw (&raw);
            }
            static const struct step old[] = {STEP ("\1\0\5\0text", 0), STEP (SIGNATURE "\1\5\0\0\0\4text", 0), STEP (SIGNATURE "\0\5\0\0\0\4text", 0)};
            for (int i = 0; mechanism != OPEN && i < COUNT (old); i++) {
                part ("%s %s, an old peer %d", mechanism_names[mechanism], role_names[role], i);
                struct raw raw = open_raw (mechanism, role, ZMQ_DEALER);
                raw_write (raw.fd, old[i].data, old[i].size);
                show_security_events ("events", raw.monitor, ENDS);
                show_no_message ("the library", raw.socket);
                close_raw (&raw);
            }
        }
}

/* A peer that says nothing is given up after the interval, and holds nobody up until then. */
static void silence (void)
{
    for (enum mechanism mechanism = PLAIN; (int) mechanism < mechanism_count; mechanism++)
        for (int greeted = 0; greeted <= 1; greeted++) {
            part ("%s: silent peers, %s", mechanism_names[mechanism], greeted ? "greeted" : "not greeted");
            enum { SILENT = 10 };
            int silent[SILENT];
            void *handler = open_handler (context, ZMQ_REP);
            struct ends ends = open_ends (context, ZMQ_PULL, ZMQ_PUSH);
            as_server (ends.server, mechanism);
            as_client (ends.client, mechanism);
            bind_fresh (ends.server, "tcp", ends.endpoint);
            for (int i = 0; i < SILENT; i++) {
                silent[i] = raw_connect (ends.endpoint);
                if (greeted)
                    raw_greeting (silent[i], mechanism_names[mechanism], 0);
                show_security_events ("server", ends.server_monitor, ZMQ_EVENT_ACCEPTED);
            }
            connect_to (ends.client, ends.endpoint);
            accept_next (handler);
            both_succeed (&ends);
            put (ends.client, "text");
            show_received ("server", ends.server);
            for (int i = 0; i < SILENT; i++) {
                close (silent[i]);
                show_security_events ("server", ends.server_monitor, ZMQ_EVENT_DISCONNECTED);
            }
            close_ends (&ends);
            ends = open_ends (context, ZMQ_PULL, ZMQ_PUSH);
            as_server (ends.server, mechanism);
            set_int (ends.server, ZMQ_HANDSHAKE_IVL, 100);
            bind_fresh (ends.server, "tcp", ends.endpoint);
            silent[0] = raw_connect (ends.endpoint);
            if (greeted)
                raw_greeting (silent[0], mechanism_names[mechanism], 0);
            show_security_events ("server", ends.server_monitor, ZMQ_EVENT_DISCONNECTED);
            close (silent[0]);
            close_ends (&ends);
            close_handler (handler);
        }
}

int main (int count, char **arguments)
{
    int full = is_full (count, arguments);
    context = new_context ();
    pairs ();
    PLAY (to_plain_server, PLAIN, SERVER);
    PLAY (to_plain_client, PLAIN, CLIENT);
    PLAY (to_open_client, OPEN, CLIENT);
    if (full) {
        PLAY (to_curve_server, CURVE, SERVER);
        PLAY (to_curve_client, CURVE, CLIENT);
    }
    refusals ();
    greetings ();
    silence ();
    end_context (context);
    return 0;
}
