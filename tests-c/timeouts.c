/* DONTWAIT, SNDTIMEO and RCVTIMEO on every socket type that blocks (zmq_send(3), zmq_recv(3), zmq_setsockopt(3)). A call may
 * take longer than its time-out on a busy machine, never less. */
#include "common.h"

static void *context;

static void at_least (const char *what, int result, int64_t began, int64_t timeout)
{
    printf ("  %s -> %d %s, %s\n", what, result, result == -1 ? error_name (zmq_errno ()) : "",
            now_ms () - began >= timeout ? "in time" : "too early");
}

static void without_peer (int type)
{
    part ("%s without a peer", type_name (type));
    void *socket = new_socket (context, type);
    zmq_msg_t message;
    zmq_msg_init (&message);
    SHOW_VALUE (int_option (socket, ZMQ_SNDTIMEO));
    SHOW_VALUE (int_option (socket, ZMQ_RCVTIMEO));
    static const int times[] = {0, 1, 30, 100};
    for (int i = 0; i < COUNT (times); i++) {
        set_int (socket, ZMQ_SNDTIMEO, times[i]);
        set_int (socket, ZMQ_RCVTIMEO, times[i]);
        printf (" %d ms\n", times[i]);
        int64_t began = now_ms ();
        int blocks = type != ZMQ_PUB && type != ZMQ_XPUB && type != ZMQ_ROUTER && type != ZMQ_XSUB && type != ZMQ_REP
                     && type != ZMQ_SUB && type != ZMQ_PULL;
        at_least ("zmq_send", zmq_send (socket, "x", 1, 0), began, blocks ? times[i] : 0);
        began = now_ms ();
        blocks = type != ZMQ_PUB && type != ZMQ_PUSH && type != ZMQ_REQ;
        at_least ("zmq_recv", zmq_recv (socket, NULL, 0, 0), began, blocks ? times[i] : 0);
        began = now_ms ();
        at_least ("zmq_msg_recv", zmq_msg_recv (&message, socket, 0), began, blocks ? times[i] : 0);
    }
    set_int (socket, ZMQ_SNDTIMEO, -1);
    set_int (socket, ZMQ_RCVTIMEO, -1);
    SHOW (zmq_send (socket, "x", 1, ZMQ_DONTWAIT));
    SHOW (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT));
    zmq_msg_close (&message);
    int value = -2;
    SHOW (zmq_setsockopt (socket, ZMQ_SNDTIMEO, &value, sizeof value));
    SHOW (zmq_setsockopt (socket, ZMQ_RCVTIMEO, &value, sizeof value));
    close_socket (socket);
}

/* A full pipe: the send waits for its time, and does not send then. */
static void full (const char *transport)
{
    part ("a full peer over %s", transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    set_int (push, ZMQ_SNDHWM, 1);
    set_int (pull, ZMQ_RCVHWM, 1);
    set_int (push, ZMQ_SNDTIMEO, 100);
    bind_fresh (pull, transport, endpoint);
    connect_to (push, endpoint);
    static unsigned char body[500000];
    int sent = 0;
    for (;;) {
        memcpy (body, &sent, sizeof sent);
        int64_t began = now_ms ();
        int rc = zmq_send (push, body, sizeof body, 0);
        if (rc == -1) {
            at_least ("zmq_send", rc, began, 100);
            break;
        }
        sent++;
    }
    int received = 0, number;
    set_int (pull, ZMQ_RCVTIMEO, 300);
    while (zmq_recv (pull, &number, sizeof number, 0) != -1) {
        CHECK (number == received);
        received++;
    }
    printf ("  %s\n", received == sent ? "all that was sent arrived" : "some were lost");
    SHOW (zmq_send (push, "room", 4, 0));
    SHOW (zmq_recv (pull, NULL, 0, 0));
    close_socket (push);
    close_socket (pull);
}

static void *answer_later (void *socket)
{
    put (socket, "here");
    return NULL;
}

/* A message in time ends the wait. */
static void in_time (const char *transport)
{
    part ("a message in time over %s", transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    connect_to (push, endpoint);
    set_int (pull, ZMQ_RCVTIMEO, 100000);
    for (int i = 0; i < 50; i++) {
        pthread_t thread = start (answer_later, push);
        CHECK (zmq_recv (pull, NULL, 0, 0) == 4);
        join (thread);
    }
    printf ("  received\n");
    close_socket (push);
    close_socket (pull);
}

int main (void)
{
    context = new_context ();
    for (int type = ZMQ_PAIR; type <= ZMQ_XSUB; type++)
        without_peer (type);
    for (int i = 0; i < COUNT (transports); i++)
        full (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        in_time (transports[i]);
    end_context (context);
    return 0;
}
