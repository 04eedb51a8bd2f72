/* The program that tests/security attacks: one socket, the events of its monitor, and an authentication handler, all in one thread.
 *
 *   victim bind|connect TYPE MECHANISM ENDPOINT [SETTING=VALUE ...]
 *
 * It prints `endpoint E` where it binds, `event NAME VALUE` for each event, and `message USER ADDRESS SIZES TEXT` for each message. Lines on
 * its standard input tell it what to do: `sync`, which it answers with `synced` when everything that had come by then is printed, and
 * `send TEXT`. It ends with its standard input.
 *
 * Settings: zap (the handler's status code, `silent` for one that takes questions and never answers, `deaf` for one that never looks),
 * handshake_ms, maxmsgsize, bytes, parts, handshakes, topics, topic_bytes (the options MONOCOQUE_MAX_...), domain, password, subscribe, public, secret, server (keys). */
#include "../../tests-c/common.h"

#include <poll.h>

/* The keys of zmq_curve(7). */
#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define CLIENT_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define CLIENT_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

static void *context, *socket_, *monitor, *handler;
static int type, can_receive;
static const char *verdict;

static int type_of (const char *name)
{
    for (int i = ZMQ_PAIR; i <= ZMQ_STREAM; i++)
        if (strcmp (name, type_name (i)) == 0)
            return i;
    fail (name);
    return -1;
}

static void secure (const char *mechanism, int binds)
{
    if (strcmp (mechanism, "PLAIN") == 0 && binds)
        set_int (socket_, ZMQ_PLAIN_SERVER, 1);
    else if (strcmp (mechanism, "PLAIN") == 0) {
        set_text (socket_, ZMQ_PLAIN_USERNAME, "admin");
        set_text (socket_, ZMQ_PLAIN_PASSWORD, "secret");
    } else if (strcmp (mechanism, "CURVE") == 0 && binds) {
        set_int (socket_, ZMQ_CURVE_SERVER, 1);
        set_text (socket_, ZMQ_CURVE_SECRETKEY, SERVER_SECRET);
    } else if (strcmp (mechanism, "CURVE") == 0) {
        set_text (socket_, ZMQ_CURVE_SERVERKEY, SERVER_PUBLIC);
        set_text (socket_, ZMQ_CURVE_PUBLICKEY, CLIENT_PUBLIC);
        set_text (socket_, ZMQ_CURVE_SECRETKEY, CLIENT_SECRET);
    }
}

static void set (char *setting)
{
    char *value = strchr (setting, '=');
    CHECK (value);
    *value++ = 0;
    if (strcmp (setting, "zap") == 0) {
        verdict = value;
        handler = new_socket (context, ZMQ_ROUTER);
        CHECK (zmq_bind (handler, "inproc://zeromq.zap.01") == 0);
    } else if (strcmp (setting, "handshake_ms") == 0)
        set_int (socket_, ZMQ_HANDSHAKE_IVL, atoi (value));
    else if (strcmp (setting, "domain") == 0)
        set_text (socket_, ZMQ_ZAP_DOMAIN, value);
    else if (strcmp (setting, "subscribe") == 0)
        subscribe (socket_, value);
    else if (strcmp (setting, "maxmsgsize") == 0) {
        int64_t size = atoll (value);
        CHECK (zmq_setsockopt (socket_, ZMQ_MAXMSGSIZE, &size, sizeof size) == 0);
    } else if (strcmp (setting, "bytes") == 0 || strcmp (setting, "topic_bytes") == 0) {
        int64_t size = atoll (value);
        int option = strcmp (setting, "bytes") == 0 ? MONOCOQUE_MAX_MESSAGE_BYTES : MONOCOQUE_MAX_SUBSCRIPTION_BYTES;
        CHECK (zmq_setsockopt (socket_, option, &size, sizeof size) == 0);
    } else if (strcmp (setting, "parts") == 0)
        set_int (socket_, MONOCOQUE_MAX_MESSAGE_PARTS, atoi (value));
    else if (strcmp (setting, "handshakes") == 0)
        set_int (socket_, MONOCOQUE_MAX_HANDSHAKES, atoi (value));
    else if (strcmp (setting, "topics") == 0)
        set_int (socket_, MONOCOQUE_MAX_SUBSCRIPTIONS, atoi (value));
    else
        fail (setting);
}

/* Prints what one message says. A publisher's socket gives none. */
static int show_next_message (void)
{
    static char text[64];
    zmq_msg_t part;
    int parts = 0, more = 1;
    while (more) {
        CHECK (zmq_msg_init (&part) == 0);
        if (zmq_msg_recv (&part, socket_, parts ? 0 : ZMQ_DONTWAIT) == -1) {
            CHECK (zmq_errno () == EAGAIN && zmq_msg_close (&part) == 0);
            return 0;
        }
        if (parts++ == 0) {
            const char *user = zmq_msg_gets (&part, "User-Id"), *address = zmq_msg_gets (&part, "Peer-Address");
            printf ("message %s %s ", user ? user : "-", address ? address : "-");
        }
        size_t size = zmq_msg_size (&part), shown = size < sizeof text - 1 ? size : sizeof text - 1;
        memcpy (text, zmq_msg_data (&part), shown);
        for (size_t i = 0; i < shown; i++)
            text[i] = text[i] > 32 && text[i] < 127 ? text[i] : '.';
        text[shown] = 0;
        more = zmq_msg_more (&part);
        printf ("%zu:%s%s", size, text, more ? "|" : "\n");
        CHECK (zmq_msg_close (&part) == 0);
    }
    return 1;
}

static int show_next_event (void)
{
    zmq_msg_t part;
    struct
    {
        uint16_t event;
        uint32_t value;
    } __attribute__ ((packed)) body;
    CHECK (zmq_msg_init (&part) == 0);
    if (zmq_msg_recv (&part, monitor, ZMQ_DONTWAIT) == -1) {
        CHECK (zmq_msg_close (&part) == 0);
        return 0;
    }
    memcpy (&body, zmq_msg_data (&part), sizeof body);
    CHECK (zmq_msg_recv (&part, monitor, 0) >= 0 && zmq_msg_close (&part) == 0);
    static const struct
    {
        int event;
        const char *name;
    } names[] = {{ZMQ_EVENT_HANDSHAKE_SUCCEEDED, "succeeded"},
                 {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, "failed_protocol"},
                 {ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, "failed_auth"},
                 {ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, "failed"},
                 {(uint16_t) MONOCOQUE_EVENT_LIMIT, "limit"},
                 {ZMQ_EVENT_DISCONNECTED, "disconnected"},
                 {ZMQ_EVENT_ACCEPTED, "accepted"}};
    for (int i = 0; i < COUNT (names); i++)
        if (names[i].event == body.event)
            printf ("event %s %x\n", names[i].name, body.value);
    return 1;
}

/* Takes a question to the handler, and answers it. */
static int answer_next_question (void)
{
    unsigned char id[255];
    int size = zmq_recv (handler, id, sizeof id, ZMQ_DONTWAIT);
    if (size == -1)
        return 0;
    while (int_option (handler, ZMQ_RCVMORE))
        CHECK (zmq_recv (handler, NULL, 0, 0) >= 0);
    if (strcmp (verdict, "silent") == 0)
        return 1;
    const char *frames[] = {"", "1.0", "1", verdict, "", "joe", ""};
    /* Whoever was asked about may have gone. */
    if (zmq_send (handler, id, (size_t) size, ZMQ_SNDMORE) == -1)
        return 1;
    for (int i = 0; i < COUNT (frames); i++)
        if (zmq_send (handler, frames[i], strlen (frames[i]), i + 1 < COUNT (frames) ? ZMQ_SNDMORE : 0) == -1)
            return 1;
    return 1;
}

static void show_all (void)
{
    while (can_receive && show_next_message ())
        ;
    while (show_next_event ())
        ;
    while (handler && strcmp (verdict, "deaf") != 0 && answer_next_question ())
        ;
}

/* One line of the test; 0 at the end. */
static int obey (void)
{
    static char line[256];
    if (!fgets (line, sizeof line, stdin))
        return 0;
    line[strcspn (line, "\n")] = 0;
    if (strcmp (line, "sync") == 0) {
        show_all ();
        puts ("synced");
    } else if (strncmp (line, "send ", 5) == 0)
        puts (zmq_send (socket_, line + 5, strlen (line + 5), ZMQ_DONTWAIT) == -1 ? "unsent" : "sent");
    else
        fail (line);
    return 1;
}

int main (int argument_count, char **arguments)
{
    CHECK (argument_count >= 5);
    setvbuf (stdout, NULL, _IOLBF, 0);
    setvbuf (stdin, NULL, _IONBF, 0);
    int binds = strcmp (arguments[1], "bind") == 0;
    context = new_context ();
    type = type_of (arguments[2]);
    can_receive = type != ZMQ_PUB && type != ZMQ_PUSH;
    socket_ = new_socket (context, type);
    secure (arguments[3], binds);
    for (int i = 5; i < argument_count; i++)
        set (arguments[i]);
    CHECK (zmq_socket_monitor (socket_, "inproc://events", ZMQ_EVENT_ALL | MONOCOQUE_EVENT_LIMIT) == 0);
    monitor = new_socket (context, ZMQ_PAIR);
    connect_to (monitor, "inproc://events");
    set_int (socket_, ZMQ_RECONNECT_IVL, 1);
    if (binds) {
        endpoint_t endpoint;
        CHECK (zmq_bind (socket_, arguments[4]) == 0);
        last_endpoint (socket_, endpoint);
        printf ("endpoint %s\n", endpoint);
    } else
        connect_to (socket_, arguments[4]);
    int hears = handler && strcmp (verdict, "deaf") != 0;
    for (;;) {
        zmq_pollitem_t items[] = {{NULL, 0, ZMQ_POLLIN, 0},
                                  {monitor, 0, ZMQ_POLLIN, 0},
                                  {socket_, 0, (short) (can_receive ? ZMQ_POLLIN : 0), 0},
                                  {handler, 0, ZMQ_POLLIN, 0}};
        CHECK (zmq_poll (items, hears ? 4 : 3, -1) > 0);
        show_all ();
        if (items[0].revents && !obey ())
            break;
    }
    /* How sockets close is tested elsewhere. */
    fflush (stdout);
    _exit (0);
}
