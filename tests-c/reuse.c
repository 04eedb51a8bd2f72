/* Messages whose memory is used again, and sockets that change in the middle of a stream of short messages: what the library keeps from
 * one call for the next must not show. */
#include "common.h"

static void *context;

static void two (int first, int second, const char *transport, void *sockets[2])
{
    endpoint_t endpoint;
    sockets[0] = new_socket (context, first);
    sockets[1] = new_socket (context, second);
    if (second == ZMQ_SUB)
        subscribe (sockets[1], "");
    bind_fresh (sockets[0], transport, endpoint);
    connect_to (sockets[1], endpoint);
}

static void close_two (void *sockets[2])
{
    close_socket (sockets[0]);
    close_socket (sockets[1]);
}

static void make (zmq_msg_t *message, int byte, size_t size)
{
    CHECK (zmq_msg_init_size (message, size) == 0);
    memset (zmq_msg_data (message), byte, size);
}

static int holds (zmq_msg_t *message, int byte, size_t size)
{
    if (zmq_msg_size (message) != size)
        return 0;
    const unsigned char *data = zmq_msg_data (message);
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte)
            return 0;
    return 1;
}

static void send_short (void *socket, int count)
{
    for (int i = 0; i < count; i++)
        CHECK (zmq_send (socket, "0123456789", 10, 0) == 10);
}

static void receive_short (void *socket, int count)
{
    char data[16];
    for (int i = 0; i < count; i++)
        CHECK (zmq_recv (socket, data, sizeof data, 0) == 10);
}

/* A copy keeps its bytes when the message that it was made of is sent, or received into. */
static void copies (void)
{
    enum { COUNT_COPIES = 40, SIZE = 100 };
    part ("copies");
    void *sockets[2];
    two (ZMQ_PUSH, ZMQ_PULL, "inproc", sockets);
    send_short (sockets[0], 4);
    for (int i = 0; i < COUNT_COPIES; i++) {
        zmq_msg_t message, copy, others[3];
        make (&message, i, SIZE);
        CHECK (zmq_msg_init (&copy) == 0 && zmq_msg_copy (&copy, &message) == 0);
        CHECK (zmq_msg_send (&message, sockets[0], 0) == SIZE);
        for (int k = 0; k < COUNT (others); k++)
            make (&others[k], 0xee, SIZE);
        CHECK (holds (&copy, i, SIZE));
        for (int k = 0; k < COUNT (others); k++)
            CHECK (zmq_msg_close (&others[k]) == 0);
        CHECK (zmq_msg_close (&copy) == 0);
    }
    receive_short (sockets[1], 4);
    zmq_msg_t message, copy;
    CHECK (zmq_msg_init (&message) == 0 && zmq_msg_recv (&message, sockets[1], 0) == SIZE);
    for (int i = 1; i < COUNT_COPIES; i++) {
        CHECK (zmq_msg_init (&copy) == 0 && zmq_msg_copy (&copy, &message) == 0);
        CHECK (zmq_msg_recv (&message, sockets[1], 0) == SIZE);
        CHECK (holds (&copy, i - 1, SIZE) && holds (&message, i, SIZE));
        CHECK (zmq_msg_close (&copy) == 0);
    }
    CHECK (zmq_msg_close (&message) == 0);
    close_two (sockets);
}

/* A message that is received into has what belongs to the new one, and a sent one has nothing. */
static void properties (void)
{
    part ("properties of messages that are received into");
    void *near[2], *far[2], *parts[2];
    two (ZMQ_PUSH, ZMQ_PULL, "inproc", near);
    two (ZMQ_PUSH, ZMQ_PULL, "tcp", far);
    two (ZMQ_PUSH, ZMQ_PULL, "inproc", parts);
    zmq_msg_t message;
    CHECK (zmq_msg_init (&message) == 0);
    send_short (near[0], 30);
    receive_short (near[1], 2);
    put (far[0], "two|parts");
    CHECK (zmq_msg_recv (&message, far[1], 0) == 3);
    printf ("  over tcp: %s, more %d\n", zmq_msg_gets (&message, "Peer-Address"), zmq_msg_more (&message));
    CHECK (zmq_msg_recv (&message, near[1], 0) == 10);
    printf ("  then over inproc: %d, more %d\n", zmq_msg_gets (&message, "Peer-Address") != NULL, zmq_msg_more (&message));
    put (parts[0], "two|parts");
    CHECK (zmq_msg_recv (&message, parts[1], 0) == 3 && zmq_msg_more (&message));
    CHECK (zmq_msg_recv (&message, near[1], 0) == 10);
    printf ("  after a part: more %d\n", zmq_msg_more (&message));
    CHECK (zmq_recv (far[1], NULL, 0, 0) == 5);
    for (int i = 0; i < 30; i++) {
        put (far[0], "on");
        CHECK (zmq_msg_recv (&message, far[1], 0) == 2 && zmq_msg_send (&message, near[0], 0) == 2);
        CHECK (zmq_msg_gets (&message, "Peer-Address") == NULL && zmq_msg_size (&message) == 0);
    }
    CHECK (zmq_msg_close (&message) == 0);
    close_two (near);
    close_two (far);
    close_two (parts);
}

static void subscriptions (void)
{
    part ("subscriptions that change in a stream");
    void *sockets[2];
    char data[4];
    two (ZMQ_PUB, ZMQ_SUB, "inproc", sockets);
    for (int i = 0; i < 40; i++)
        put (sockets[0], i % 2 ? "b" : "a");
    for (int i = 0; i < 4; i++) {
        CHECK (zmq_recv (sockets[1], data, sizeof data, 0) == 1);
        if (i == 1)
            subscribe (sockets[1], "b");
    }
    set_text (sockets[1], ZMQ_UNSUBSCRIBE, "");
    int count = 0;
    while (zmq_recv (sockets[1], data, sizeof data, ZMQ_DONTWAIT) == 1) {
        CHECK (data[0] == 'b');
        count++;
    }
    printf ("  %d of those that are still wanted\n", count);
    close_two (sockets);
    two (ZMQ_PUB, ZMQ_SUB, "inproc", sockets);
    for (int i = 0; i < 40; i++)
        put (sockets[0], "a");
    for (int i = 0; i < 4; i++)
        CHECK (zmq_recv (sockets[1], data, sizeof data, 0) == 1);
    set_int (sockets[1], ZMQ_INVERT_MATCHING, 1);
    SHOW (zmq_recv (sockets[1], data, sizeof data, ZMQ_DONTWAIT));
    close_two (sockets);
}

/* The end of the context in the middle of a stream. */
static void shut_down (void)
{
    part ("zmq_ctx_shutdown in a stream");
    void *mine = context, *sockets[2];
    context = new_context ();
    two (ZMQ_PUSH, ZMQ_PULL, "inproc", sockets);
    send_short (sockets[0], 40);
    receive_short (sockets[1], 10);
    CHECK (zmq_ctx_shutdown (context) == 0);
    /* libzmq looks for the end now and then. */
    while (zmq_send (sockets[0], "x", 1, ZMQ_DONTWAIT) == 1 || zmq_errno () == EAGAIN)
        ;
    printf ("  sending: %s\n", error_name (zmq_errno ()));
    while (zmq_recv (sockets[1], NULL, 0, ZMQ_DONTWAIT) != -1 || zmq_errno () == EAGAIN)
        ;
    printf ("  receiving: %s\n", error_name (zmq_errno ()));
    close_two (sockets);
    end_context (context);
    context = mine;
}

/* ZMQ_FD that is fetched in a stream is an edge of what comes after. */
static void descriptor (void)
{
    part ("ZMQ_FD fetched in a stream");
    void *sockets[2];
    two (ZMQ_PUSH, ZMQ_PULL, "inproc", sockets);
    send_short (sockets[0], 40);
    receive_short (sockets[1], 10);
    int fd;
    size_t size = sizeof fd;
    CHECK (zmq_getsockopt (sockets[1], ZMQ_FD, &fd, &size) == 0);
    receive_short (sockets[1], 30);
    SHOW (int_option (sockets[1], ZMQ_EVENTS));
    send_short (sockets[0], 1);
    zmq_pollitem_t item = {NULL, fd, ZMQ_POLLIN, 0};
    SHOW (zmq_poll (&item, 1, 5000));
    SHOW (int_option (sockets[1], ZMQ_EVENTS));
    receive_short (sockets[1], 1);
    close_two (sockets);
}

static void *echo (void *socket)
{
    char data[16];
    int size;
    while ((size = zmq_recv (socket, data, sizeof data, 0)) == 3)
        CHECK (zmq_send (socket, data, 3, 0) == 3);
    CHECK (size == 4);
    return NULL;
}

/* A peer that has answered has room: a send that does not wait finds it, after a receive or a poll that waited for the answer. */
static void room (int mark, int polls)
{
    enum { MESSAGES = 2000 };
    part ("a mark of %d, answers are waited for by %s", mark, polls ? "zmq_poll" : "zmq_recv");
    void *sockets[2];
    endpoint_t endpoint;
    for (int i = 0; i < 2; i++) {
        sockets[i] = new_socket (context, ZMQ_DEALER);
        set_int (sockets[i], ZMQ_SNDHWM, mark);
        set_int (sockets[i], ZMQ_RCVHWM, mark);
    }
    bind_fresh (sockets[0], "tcp", endpoint);
    connect_to (sockets[1], endpoint);
    pthread_t thread = start (echo, sockets[1]);
    char data[16];
    int refused = 0;
    for (int i = 0; i < MESSAGES; i++) {
        if (zmq_send (sockets[0], "abc", 3, i ? ZMQ_DONTWAIT : 0) == -1) {
            CHECK (zmq_errno () == EAGAIN);
            refused++;
            CHECK (zmq_send (sockets[0], "abc", 3, 0) == 3);
        }
        if (polls)
            CHECK (ready (sockets[0], ZMQ_POLLIN) || (wait_for (sockets[0], ZMQ_POLLIN), 1));
        CHECK (zmq_recv (sockets[0], data, sizeof data, polls ? ZMQ_DONTWAIT : 0) == 3);
    }
    /* Acknowledgements may come a moment after the answer. */
    printf ("  %s\n", refused < MESSAGES / 4 ? "hardly ever refused" : "refused");
    put (sockets[0], "stop");
    join (thread);
    close_two (sockets);
}

int main (void)
{
    context = new_context ();
    copies ();
    properties ();
    subscriptions ();
    shut_down ();
    descriptor ();
    for (int mark = 1; mark <= 2; mark++)
        for (int polls = 0; polls < 2; polls++)
            room (mark, polls);
    end_context (context);
    return 0;
}
