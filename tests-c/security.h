/* Shared by the programs of tests-c about security: the two ends of each mechanism, handlers that the program answers for
 * itself (RFC 27), and events with their values.
 *
 * A client never connects again after a failure, so that each of its tries is seen once. What a libzmq without CURVE lacks
 * is left out unless the program has the argument "full". */
#ifndef MONOCOQUE_TESTS_SECURITY_H
#define MONOCOQUE_TESTS_SECURITY_H

#include "raw.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

/* The test keys of zmq_curve(7). */
#define CLIENT_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define CLIENT_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"

enum mechanism { OPEN, PLAIN, CURVE };
static UNUSED const char *const mechanism_names[] = {"NULL", "PLAIN", "CURVE"};
static UNUSED int mechanism_count = CURVE;

/* What the arguments of a program ask for. */
static UNUSED int is_full (int count, char **arguments)
{
    int full = count > 1 && strcmp (arguments[1], "full") == 0;
    if (full)
        mechanism_count = CURVE + 1;
    return full;
}

/* Makes the socket the server of the mechanism; NULL has a domain, so that a handler is asked. */
static UNUSED void *as_server (void *socket, enum mechanism mechanism)
{
    if (mechanism == PLAIN)
        set_int (socket, ZMQ_PLAIN_SERVER, 1);
    if (mechanism == CURVE) {
        set_int (socket, ZMQ_CURVE_SERVER, 1);
        set_text (socket, ZMQ_CURVE_SECRETKEY, SERVER_SECRET);
    }
    set_text (socket, ZMQ_ZAP_DOMAIN, "domain");
    return socket;
}

static UNUSED void *as_client (void *socket, enum mechanism mechanism)
{
    set_int (socket, ZMQ_RECONNECT_IVL, -1);
    if (mechanism == PLAIN) {
        set_text (socket, ZMQ_PLAIN_USERNAME, "user");
        set_text (socket, ZMQ_PLAIN_PASSWORD, "secret");
    }
    if (mechanism == CURVE) {
        set_text (socket, ZMQ_CURVE_SERVERKEY, SERVER_PUBLIC);
        set_text (socket, ZMQ_CURVE_PUBLICKEY, CLIENT_PUBLIC);
        set_text (socket, ZMQ_CURVE_SECRETKEY, CLIENT_SECRET);
    }
    return socket;
}

/* The two ends of a connection and who watches them. */
struct ends
{
    void *server, *client, *server_monitor, *client_monitor;
    endpoint_t endpoint;
};

/* Whether a connection was there at once or came later, and how it is closed, depend on the moment. */
enum { WATCHED = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED
                 | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH };

static UNUSED struct ends open_ends (void *context, int server_type, int client_type)
{
    struct ends ends = {new_socket (context, server_type), new_socket (context, client_type), NULL, NULL, ""};
    ends.server_monitor = open_monitor (context, ends.server, WATCHED);
    ends.client_monitor = open_monitor (context, ends.client, WATCHED);
    return ends;
}

static UNUSED void join_ends (struct ends *ends, const char *transport)
{
    bind_fresh (ends->server, transport, ends->endpoint);
    connect_to (ends->client, ends->endpoint);
}

static UNUSED void close_client (struct ends *ends)
{
    close_monitor (ends->client, ends->client_monitor);
    close_socket (ends->client);
    ends->client = NULL;
}

static UNUSED void close_ends (struct ends *ends)
{
    if (ends->client)
        close_client (ends);
    close_monitor (ends->server, ends->server_monitor);
    close_socket (ends->server);
}

/* Prints the events with their values up to one of the given ones, which is waited for; 0 for those of a short while. A peer that
 * closes with input unread resets the connection, which depends on timing, and the reference library gives what the last
 * system call happened to say for a handshake that takes too long: all count as the end. */
static UNUSED void show_security_events (const char *label, void *monitor, int last)
{
    int event;
    printf ("  %s:", label);
    do {
        zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
        uint32_t value;
        if (zmq_poll (&item, 1, last ? LIMIT_MS : QUIET_MS) != 1) {
            printf (" (nothing more)");
            break;
        }
        event = next_event (monitor, &value, NULL);
        printf (" %s", event_name (event));
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
            printf (" %u", value);
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
            printf (" %#x", value);
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
            printf (" %s", value == EPIPE || value == ECONNRESET || value == EAGAIN ? "ended" : error_name ((int) value));
    } while (!(event & last));
    printf ("\n");
    fflush (stdout);
}

/* Prints both sides' events up to the given one. */
static UNUSED void show_both (struct ends *ends, int last)
{
    show_security_events ("server", ends->server_monitor, last);
    show_security_events ("client", ends->client_monitor, last);
}

static UNUSED void both_succeed (struct ends *ends)
{
    show_both (ends, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
}

static UNUSED void both_end (struct ends *ends)
{
    show_both (ends, ZMQ_EVENT_DISCONNECTED);
}

/* How a connection fails. The reference library may leave one that broke the protocol open, deaf, when what broke it came
 * while the socket was busy; so nothing after the first of these is waited for. */
enum { FAILED = ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED };

/* Prints what follows an answer that is no answer. Under NULL the reference library ends the connection or leaves it, as the
 * peer's next command came before the answer or after it. */
static UNUSED void show_failure (struct ends *ends, enum mechanism mechanism)
{
    if (mechanism == OPEN)
        show_security_events ("server", ends->server_monitor, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
    else
        both_end (ends);
}

/* Handlers ------------------------------------------------------------------------------------------------------------ */

struct frame
{
    const char *data;
    size_t size;
};
#define FRAME(text) {text, sizeof (text) - 1}
/* In a reply: the request's own. */
#define SAME {NULL, 0}
#define REPLY_FRAMES 8

struct reply
{
    const char *name;
    int count;
    struct frame frames[REPLY_FRAMES];
};
#define REPLY(name, status) {name, 6, {FRAME ("1.0"), SAME, FRAME (status), FRAME ("text"), FRAME ("joe"), FRAME ("")}}

static UNUSED const struct reply accepting = {"accepted", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME ("OK"), FRAME ("joe"),
                                                              FRAME ("\5Hello\0\0\0\5World\4Name\0\0\0\5Value")}};

static UNUSED void *open_handler (void *context, int type)
{
    void *handler = new_socket (context, type);
    set_int (handler, ZMQ_RCVTIMEO, LIMIT_MS);
    CHECK (zmq_bind (handler, ZAP_ENDPOINT) == 0);
    return handler;
}

/* A request: the routing id of who asks where the handler is a ROUTER, and the request id. */
struct request
{
    unsigned char peer[256], id[256];
    size_t peer_size, id_size;
};

static UNUSED int masked_address (const unsigned char *data, size_t size)
{
    return size >= 9 && memcmp (data, "localhost", 9) == 0;
}

/* Receives a request and prints its frames (not if `quiet`): a ROUTER's routing ids differ, and an ipc peer's address too. */
static UNUSED struct request take_request (void *handler, int quiet)
{
    struct request request = {.peer_size = 0};
    int router = int_option (handler, ZMQ_TYPE) == ZMQ_ROUTER, more = 1;
    unsigned char data[1024];
    if (!quiet)
        printf ("  asked ");
    for (int number = router ? -2 : 0; more; number++) {
        int size = zmq_recv (handler, data, sizeof data, 0);
        CHECK (size >= 0 && size <= 255);
        more = int_option (handler, ZMQ_RCVMORE);
        if (number == -2)
            memcpy (request.peer, data, request.peer_size = (size_t) size);
        if (number == 1)
            memcpy (request.id, data, request.id_size = (size_t) size);
        if (quiet)
            continue;
        printf ("%s", number == (router ? -2 : 0) ? "[" : "|");
        if (number == -2)
            printf ("(%d bytes)", size);
        else if (masked_address (data, (size_t) size))
            printf ("localhost...");
        else
            print_bytes (data, (size_t) size);
    }
    if (!quiet)
        printf ("]\n");
    fflush (stdout);
    return request;
}

static UNUSED void answer (void *handler, const struct request *request, const struct reply *reply)
{
    if (int_option (handler, ZMQ_TYPE) == ZMQ_ROUTER) {
        CHECK (zmq_send (handler, request->peer, request->peer_size, ZMQ_SNDMORE) >= 0);
        CHECK (zmq_send (handler, "", 0, ZMQ_SNDMORE) == 0);
    }
    for (int i = 0; i < reply->count; i++) {
        const struct frame *frame = &reply->frames[i];
        const void *data = frame->data ? (const void *) frame->data : request->id;
        size_t size = frame->data ? frame->size : request->id_size;
        CHECK (zmq_send (handler, data, size, i + 1 < reply->count ? ZMQ_SNDMORE : 0) == (int) size);
    }
}

static UNUSED void ask_and_answer (void *handler, const struct reply *reply)
{
    struct request request = take_request (handler, 0);
    answer (handler, &request, reply);
}

static UNUSED void accept_next (void *handler)
{
    struct request request = take_request (handler, 1);
    answer (handler, &request, &accepting);
}

/* Closes the handler and waits until its name is free. */
static UNUSED void close_handler (void *handler)
{
    CHECK (zmq_unbind (handler, ZAP_ENDPOINT) == 0);
    close_socket (handler);
}

/* Messages ------------------------------------------------------------------------------------------------------------ */

static UNUSED void show_properties (const char *who, zmq_msg_t *message)
{
    static const char *const names[] = {"User-Id", "Hello", "Name", "hello", "Identity", "Socket-Type"};
    printf ("  %s reads", who);
    for (int i = 0; i < COUNT (names); i++) {
        const char *value = zmq_msg_gets (message, names[i]);
        printf (" %s=%s", names[i], value ? value : error_name (zmq_errno ()));
    }
    const char *address = zmq_msg_gets (message, "Peer-Address");
    printf (" Peer-Address %s\n", !address ? "missing" : strcmp (address, "127.0.0.1") == 0 ? address : "other");
}

/* Receives a message's last part and prints what is known of its sender. */
static UNUSED void show_received (const char *who, void *socket)
{
    zmq_msg_t message;
    do {
        CHECK (zmq_msg_init (&message) == 0);
        CHECK (zmq_msg_recv (&message, socket, 0) >= 0);
        if (zmq_msg_more (&message)) {
            CHECK (zmq_msg_close (&message) == 0);
            continue;
        }
        printf ("  %s got ", who);
        print_bytes (zmq_msg_data (&message), zmq_msg_size (&message));
        printf ("\n");
        show_properties (who, &message);
        CHECK (zmq_msg_close (&message) == 0);
        return;
    } while (1);
}

/* Prints whether anything arrives within a short while. */
static UNUSED void show_no_message (const char *who, void *socket)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    CHECK (zmq_poll (&item, 1, QUIET_MS) >= 0);
    printf ("  %s has %s\n", who, item.revents ? "a message" : "no message");
    fflush (stdout);
}

#endif
