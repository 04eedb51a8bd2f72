/* One side of a connection under GSSAPI, for tests/gssapi.sh: prints what its application sees.
 *
 *   peer server|client FILE [NAME=VALUE]...
 *
 * A server writes its endpoint to the file, a client reads it there. The server is a ROUTER that sends back what it gets, the client a
 * DEALER that sends a message of two parts and waits for it; with pattern=pubsub the server is an XPUB that publishes once it has a
 * subscription, and the client a SUB. Options: principal, service, nametype, servicetype, plaintext, domain, enforce, size (of the second
 * part), at (endpoint to bind), zap (the status code of an authentication handler in the server's process).
 *
 * A client ends when it has had its message, or when its monitor tells that the handshake failed, or after `wait` milliseconds without
 * either: that is the only way to show that nothing happens. A server goes on until it is killed. */
#include "../../tests-c/common.h"

enum { WAIT_MS = 20000 };

static const char *value_of (int count, char **arguments, const char *name)
{
    size_t length = strlen (name);
    for (int i = 0; i < count; i++)
        if (strncmp (arguments[i], name, length) == 0 && arguments[i][length] == '=')
            return arguments[i] + length + 1;
    return NULL;
}

static int number_of (int count, char **arguments, const char *name, int otherwise)
{
    const char *value = value_of (count, arguments, name);
    return value ? atoi (value) : otherwise;
}


static void set_if (void *socket, int option, const char *value)
{
    if (value)
        CHECK (zmq_setsockopt (socket, option, value, strlen (value)) == 0);
}

static void configure (void *socket, int is_server, int count, char **arguments)
{
    if (is_server)
        set_int (socket, ZMQ_GSSAPI_SERVER, 1);
    else
        set_if (socket, ZMQ_GSSAPI_SERVICE_PRINCIPAL, value_of (count, arguments, "service"));
    set_if (socket, ZMQ_GSSAPI_PRINCIPAL, value_of (count, arguments, "principal"));
    set_int (socket, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, number_of (count, arguments, "nametype", 0));
    set_int (socket, ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE, number_of (count, arguments, "servicetype", 0));
    set_int (socket, ZMQ_GSSAPI_PLAINTEXT, number_of (count, arguments, "plaintext", 0));
    set_if (socket, ZMQ_ZAP_DOMAIN, value_of (count, arguments, "domain"));
    if (value_of (count, arguments, "enforce"))
        set_int (socket, 93 /* ZMQ_ZAP_ENFORCE_DOMAIN */, 1);
    set_int (socket, ZMQ_LINGER, 0);
}

/* The authentication handler: answers every question with one status code and says what was asked. */
struct handler {
    void *socket;
    const char *status;
};

static void *handle (void *argument)
{
    struct handler *handler = argument;
    for (;;) {
        char frames[8][256];
        int count = 0, size = 0;
        size_t length = sizeof size;
        do {
            int got = zmq_recv (handler->socket, frames[count % 8], 255, 0);
            if (got < 0) {
                zmq_close (handler->socket);
                return NULL;
            }
            frames[count++ % 8][got < 255 ? got : 255] = 0;
            zmq_getsockopt (handler->socket, ZMQ_RCVMORE, &size, &length);
        } while (size);
        printf ("asked: %d frames, domain '%s', mechanism %s, principal %s\n", count, frames[2], frames[5], frames[6]);
        const char *reply[] = {"1.0", frames[1], handler->status, "text", "somebody", ""};
        for (int i = 0; i < COUNT (reply); i++)
            zmq_send (handler->socket, reply[i], strlen (reply[i]), i + 1 < COUNT (reply) ? ZMQ_SNDMORE : 0);
    }
}

/* Prints an event that ends the handshake; whether it was a failure. */
static int tell (void *monitor)
{
    unsigned char first[6];
    char address[256];
    CHECK (zmq_recv (monitor, first, 6, 0) == 6);
    CHECK (zmq_recv (monitor, address, sizeof address, 0) >= 0);
    uint16_t event;
    uint32_t value;
    memcpy (&event, first, 2);
    memcpy (&value, first + 2, 4);
    switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            printf ("succeeded\n");
            return 0;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            printf ("failed\n");
            return 1;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            printf ("failed: protocol error 0x%x\n", value);
            return 1;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            printf ("failed: status code %u\n", value);
            return 1;
        default:
            return 0;
    }
}

/* Receives a whole message and says what it is, but for a routing id; sends it back if it is asked to. */
static void tell_message (void *socket, int has_routing_id, int is_sent_back)
{
    int more = 1;
    for (int place = 0; more; place++) {
        zmq_msg_t part;
        zmq_msg_init (&part);
        CHECK (zmq_msg_recv (&part, socket, 0) >= 0);
        more = zmq_msg_more (&part);
        const unsigned char *data = zmq_msg_data (&part);
        size_t size = zmq_msg_size (&part);
        unsigned sum = 0;
        for (size_t i = 0; i < size; i++)
            sum = sum * 31 + data[i];
        const char *user = zmq_msg_gets (&part, "User-Id");
        const char *type = zmq_msg_gets (&part, "Socket-Type");
        if (place > 0 || !has_routing_id)
            printf ("part: %zu bytes, sum %u, more %d, user %s, peer %s\n", size, sum, more, user ? user : "-",
                    type ? type : "-");
        if (is_sent_back)
            CHECK (zmq_msg_send (&part, socket, more ? ZMQ_SNDMORE : 0) >= 0);
        zmq_msg_close (&part);
    }
}

static void send_parts (void *socket, const char *first, size_t size)
{
    char *body = malloc (size + 1);
    CHECK (body);
    for (size_t i = 0; i < size; i++)
        body[i] = (char) (i * 7);
    CHECK (zmq_send (socket, first, strlen (first), ZMQ_SNDMORE) >= 0);
    CHECK (zmq_send (socket, body, size, 0) >= 0);
    free (body);
}

static void meet (void *socket, int is_server, const char *file, const char *at)
{
    char endpoint[256] = "";
    if (is_server) {
        size_t length = sizeof endpoint;
        CHECK (zmq_bind (socket, at ? at : "tcp://127.0.0.1:*") == 0);
        CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0);
        FILE *out = fopen (file, "w");
        CHECK (out && fprintf (out, "%s\n", endpoint) > 0 && fclose (out) == 0);
        return;
    }
    FILE *in = fopen (file, "r");
    CHECK (in && fscanf (in, "%255s", endpoint) == 1 && fclose (in) == 0);
    CHECK (zmq_connect (socket, endpoint) == 0);
}

int main (int count, char **arguments)
{
    CHECK (count > 2);
    setvbuf (stdout, NULL, _IOLBF, 0);
    int is_server = strcmp (arguments[1], "server") == 0;
    int wait_ms = number_of (count, arguments, "wait", WAIT_MS), is_pubsub = value_of (count, arguments, "pattern") != NULL;
    size_t size = (size_t) number_of (count, arguments, "size", 5);
    void *context = zmq_ctx_new ();
    struct handler handler = {.status = value_of (count, arguments, "zap")};
    pthread_t thread;
    if (handler.status) {
        handler.socket = zmq_socket (context, ZMQ_REP);
        CHECK (zmq_bind (handler.socket, "inproc://zeromq.zap.01") == 0);
        CHECK (pthread_create (&thread, NULL, handle, &handler) == 0);
    }
    void *socket = zmq_socket (context, is_pubsub ? (is_server ? ZMQ_XPUB : ZMQ_SUB) : is_server ? ZMQ_ROUTER : ZMQ_DEALER);
    configure (socket, is_server, count, arguments);
    CHECK (zmq_socket_monitor (socket, "inproc://monitor", ZMQ_EVENT_ALL) == 0);
    void *monitor = zmq_socket (context, ZMQ_PAIR);
    CHECK (zmq_connect (monitor, "inproc://monitor") == 0);
    if (is_pubsub && !is_server)
        CHECK (zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "hello", 5) == 0);
    meet (socket, is_server, arguments[2], value_of (count, arguments, "at"));
    if (!is_server && !is_pubsub)
        send_parts (socket, "hello", size);
    zmq_pollitem_t items[] = {{monitor, 0, ZMQ_POLLIN, 0}, {socket, 0, ZMQ_POLLIN, 0}};
    for (int is_over = 0; !is_over;) {
        int ready = zmq_poll (items, 2, wait_ms);
        if (ready == 0 && !is_server)
            printf ("nothing comes\n");
        if (items[0].revents)
            is_over = tell (monitor) && !is_server;
        else if (items[1].revents) {
            tell_message (socket, is_server && !is_pubsub, is_server && !is_pubsub);
            if (is_server && is_pubsub)
                send_parts (socket, "hello", size);
            is_over = !is_server;
            wait_ms = WAIT_MS;
        }
        is_over |= ready == 0 && !is_server;
    }
    fflush (stdout);
    /* Threads may wait in the handler, and the peer for what was sent: the process ends as it is. */
    _exit (0);
}
