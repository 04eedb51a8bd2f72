/* Application metadata (ZMQ_METADATA in zmq_setsockopt(3), a draft option that a stable libzmq takes): what may be set, and what a peer
 * reads of it with zmq_msg_gets(3). */
#include "common.h"

#ifndef ZMQ_METADATA
#define ZMQ_METADATA 95
#endif

static void *context;

static void set_metadata (void *socket, const char *text)
{
    int rc = zmq_setsockopt (socket, ZMQ_METADATA, text, strlen (text));
    printf ("  \"%s\": %s\n", text, rc == 0 ? "0" : error_name (zmq_errno ()));
}

static void settings (void)
{
    part ("settings");
    static const char *const texts[] = {"X-a:1", "X-a:1:2", "X-a", "X-a:", ":1", "", "X-:1", "x-a:1", "a:1", "Socket-Type:PULL", "Identity:me"};
    char data[600] = "X-", got[64];
    void *socket = new_socket (context, ZMQ_PUSH);
    for (int i = 0; i < COUNT (texts); i++)
        set_metadata (socket, texts[i]);
    for (int length = 253; length <= 254; length++) {
        memset (data + 2, 'n', (size_t) length);
        memcpy (data + 2 + length, ":1", 3);
        printf ("  a name of %d: %d\n", length + 2, zmq_setsockopt (socket, ZMQ_METADATA, data, strlen (data)));
    }
    size_t size = sizeof got;
    SHOW (zmq_getsockopt (socket, ZMQ_METADATA, got, &size));
    close_socket (socket);
}

static void show_properties (const char *who, zmq_msg_t *message)
{
    static const char *const names[] = {"X-a", "x-a", "X-b", "X-r", "X-late", "Socket-Type", "Identity", "Routing-Id", "User-Id"};
    for (int i = 0; i < COUNT (names); i++) {
        const char *value = zmq_msg_gets (message, names[i]);
        printf ("  %s %s: %s\n", who, names[i], value ? value : error_name (zmq_errno ()));
    }
}

static void exchanged (const char *transport)
{
    part ("exchanged over %s", transport);
    endpoint_t endpoint;
    void *a = new_socket (context, ZMQ_DEALER), *b = new_socket (context, ZMQ_DEALER);
    CHECK (zmq_setsockopt (a, ZMQ_METADATA, "X-a:1", 5) == 0);
    CHECK (zmq_setsockopt (a, ZMQ_METADATA, "X-b:two:three", 13) == 0);
    CHECK (zmq_setsockopt (a, ZMQ_METADATA, "X-a:again", 9) == 0);
    CHECK (zmq_setsockopt (b, ZMQ_METADATA, "X-r:r", 5) == 0);
    bind_fresh (b, transport, endpoint);
    connect_to (a, endpoint);
    CHECK (zmq_setsockopt (a, ZMQ_METADATA, "X-late:1", 8) == 0);
    zmq_msg_t message;
    CHECK (zmq_msg_init (&message) == 0);
    put (a, "to b");
    CHECK (zmq_msg_recv (&message, b, 0) == 4);
    show_properties ("b reads", &message);
    put (b, "to a");
    CHECK (zmq_msg_recv (&message, a, 0) == 4);
    show_properties ("a reads", &message);
    CHECK (zmq_msg_close (&message) == 0);
    close_socket (a);
    close_socket (b);
}

int main (void)
{
    context = new_context ();
    settings ();
    for (int i = 0; i < COUNT (transports); i++)
        exchanged (transports[i]);
    end_context (context);
    return 0;
}
