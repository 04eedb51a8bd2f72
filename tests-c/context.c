/* Contexts: creation, termination, shutdown, and ETERM in every blocked call (zmq_ctx_term(3), zmq_ctx_shutdown(3)). */
#include "common.h"

static void life (void)
{
    part ("new and term");
    void *context = SHOW_POINTER (zmq_ctx_new ());
    SHOW (zmq_ctx_term (context));
    context = SHOW_POINTER (zmq_init (1));
    SHOW (zmq_term (context));
    context = SHOW_POINTER (zmq_init (0));
    SHOW (zmq_ctx_destroy (context));
    SHOW_POINTER (zmq_init (-1));
    SHOW (zmq_ctx_term (NULL));
    SHOW (zmq_ctx_shutdown (NULL));
    SHOW (zmq_ctx_destroy (NULL));
    SHOW (zmq_term (NULL));
    SHOW_POINTER (zmq_socket (NULL, ZMQ_PAIR));
    context = zmq_ctx_new ();
    SHOW_POINTER (zmq_socket (context, -1));
    SHOW_POINTER (zmq_socket (context, 99));
    SHOW (zmq_ctx_term (context));

    part ("a hundred contexts with sockets");
    for (int i = 0; i < 100; i++) {
        context = new_context ();
        void *one = new_socket (context, ZMQ_PAIR), *two = new_socket (context, ZMQ_PAIR);
        endpoint_t endpoint;
        bind_fresh (one, transports[i % 3], endpoint);
        connect_to (two, endpoint);
        put (two, "x");
        CHECK (zmq_recv (one, NULL, 0, 0) == 1);
        close_socket (one);
        close_socket (two);
        end_context (context);
    }
    part ("inproc names belong to their context");
    void *first = new_context (), *second = new_context ();
    void *one = new_socket (first, ZMQ_PAIR), *two = new_socket (second, ZMQ_PAIR), *three = new_socket (first, ZMQ_PAIR);
    SHOW (zmq_bind (one, "inproc://name"));
    SHOW (zmq_bind (three, "inproc://name"));
    SHOW (zmq_bind (two, "inproc://name"));
    close_socket (one);
    close_socket (two);
    close_socket (three);
    end_context (first);
    end_context (second);

    part ("MAX_SOCKETS");
    context = new_context ();
    SHOW (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 3));
    void *sockets[4];
    for (int i = 0; i < 4; i++)
        sockets[i] = SHOW_POINTER (zmq_socket (context, ZMQ_PAIR));
    SHOW (zmq_close (sockets[0]));
    do
        sockets[0] = zmq_socket (context, ZMQ_PAIR);
    while (!sockets[0] && zmq_errno () == EMFILE);
    SHOW_POINTER (sockets[0]);
    SHOW (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 10));
    SHOW_POINTER (zmq_socket (context, ZMQ_PAIR));
    for (int i = 0; i < 3; i++)
        zmq_close (sockets[i]);
    end_context (context);

    part ("no I/O threads");
    context = new_context ();
    SHOW (zmq_ctx_set (context, ZMQ_IO_THREADS, 0));
    one = new_socket (context, ZMQ_PAIR);
    two = new_socket (context, ZMQ_PAIR);
    SHOW (zmq_bind (one, "inproc://name"));
    SHOW (zmq_connect (two, "inproc://name"));
    put (two, "hello");
    show_message ("one", one, 0);
    SHOW (zmq_bind (one, "tcp://127.0.0.1:*"));
    SHOW (zmq_connect (two, "tcp://127.0.0.1:5"));
    SHOW (zmq_bind (one, "ipc://name.sock"));
    close_socket (one);
    close_socket (two);
    end_context (context);
}

/* Every operation on a socket whose context was shut down. */
static void after_shutdown (void)
{
    part ("after a shutdown");
    void *context = new_context ();
    void *socket = new_socket (context, ZMQ_DEALER), *peer = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    bind_fresh (socket, "tcp", endpoint);
    connect_to (peer, endpoint);
    SHOW (zmq_ctx_shutdown (context));
    int value = 0;
    size_t size = sizeof value;
    zmq_msg_t message;
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    zmq_msg_init (&message);
    SHOW (zmq_recv (socket, NULL, 0, 0));
    SHOW (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_msg_recv (&message, socket, 0));
    SHOW (zmq_send (socket, "x", 1, 0));
    SHOW (zmq_send (socket, "x", 1, ZMQ_DONTWAIT));
    SHOW (zmq_send_const (socket, "x", 1, 0));
    SHOW (zmq_msg_send (&message, socket, 0));
    SHOW (zmq_bind (socket, "tcp://127.0.0.1:*"));
    SHOW (zmq_connect (socket, endpoint));
    SHOW (zmq_unbind (socket, endpoint));
    SHOW (zmq_disconnect (peer, endpoint));
    SHOW (zmq_setsockopt (socket, ZMQ_LINGER, &value, sizeof value));
    SHOW (zmq_getsockopt (socket, ZMQ_LINGER, &value, &size));
    SHOW (zmq_getsockopt (socket, ZMQ_EVENTS, &value, &size));
    SHOW (zmq_poll (&item, 1, 0));
    SHOW (zmq_poll (&item, 1, -1));
    SHOW (zmq_socket_monitor (socket, "inproc://monitor", ZMQ_EVENT_ALL));
    SHOW (zmq_proxy (socket, peer, NULL));
    SHOW_POINTER (zmq_socket (context, ZMQ_PAIR));
    SHOW (zmq_ctx_shutdown (context));
    SHOW (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 5));
    SHOW (zmq_ctx_get (context, ZMQ_MAX_SOCKETS));
    zmq_msg_close (&message);
    SHOW (zmq_close (socket));
    SHOW (zmq_close (peer));
    SHOW (zmq_ctx_term (context));
}

enum call { RECV, MSG_RECV, SEND, POLL, PROXY, MONITOR, CALLS };
static const char *const call_names[] = {"recv", "msg_recv", "send", "poll", "proxy", "monitor recv"};

struct blocked
{
    void *context;
    enum call call;
    const char *transport;
    void *ready; /* told just before the call blocks */
    int result;
    int error;
};

static void *block (void *argument)
{
    struct blocked *this = argument;
    void *first = new_socket (this->context, ZMQ_DEALER), *second = new_socket (this->context, ZMQ_DEALER), *third = NULL;
    endpoint_t endpoint;
    zmq_msg_t message;
    zmq_pollitem_t item = {first, 0, ZMQ_POLLIN, 0};
    zmq_msg_init (&message);
    if (this->call == SEND) {
        bind_fresh (first, this->transport, endpoint);
    } else {
        bind_fresh (first, this->transport, endpoint);
        connect_to (second, endpoint);
    }
    if (this->call == MONITOR)
        third = open_monitor (this->context, first, ZMQ_EVENT_DISCONNECTED);
    put (this->ready, "ready");
    close_socket (this->ready);
    switch (this->call) {
        case RECV:
            this->result = zmq_recv (first, NULL, 0, 0);
            break;
        case MSG_RECV:
            this->result = zmq_msg_recv (&message, first, 0);
            break;
        case SEND:
            this->result = zmq_send (first, "x", 1, 0);
            break;
        case POLL:
            this->result = zmq_poll (&item, 1, -1);
            break;
        case PROXY:
            this->result = zmq_proxy (first, second, NULL);
            break;
        default:
            this->result = zmq_recv (third, NULL, 0, 0);
    }
    this->error = zmq_errno ();
    zmq_msg_close (&message);
    if (third)
        close_socket (third);
    close_socket (first);
    close_socket (second);
    return NULL;
}

static void blocked_calls (int shutdown, const char *transport)
{
    part ("%s ends blocked calls over %s", shutdown ? "ctx_shutdown" : "ctx_term", transport);
    for (int call = 0; call < CALLS; call++) {
        struct blocked blocked = {new_context (), (enum call) call, transport, NULL, 0, 0};
        void *control = new_context ();
        void *waiting = new_socket (control, ZMQ_PAIR);
        blocked.ready = new_socket (control, ZMQ_PAIR);
        CHECK (zmq_bind (waiting, "inproc://ready") == 0);
        connect_to (blocked.ready, "inproc://ready");
        pthread_t thread = start (block, &blocked);
        CHECK (zmq_recv (waiting, NULL, 0, 0) == 5);
        if (shutdown) {
            CHECK (zmq_ctx_shutdown (blocked.context) == 0);
            join (thread);
        }
        CHECK (zmq_ctx_term (blocked.context) == 0);
        if (!shutdown)
            join (thread);
        printf ("  %s: %d %s\n", call_names[call], blocked.result, error_name (blocked.error));
        close_socket (waiting);
        end_context (control);
    }
}

static atomic_int closed;
static void *close_later (void *socket)
{
    int rc = zmq_recv (socket, NULL, 0, 0);
    CHECK (rc == -1 && zmq_errno () == ETERM);
    atomic_store (&closed, 1);
    close_socket (socket);
    return NULL;
}

static void waits (void)
{
    part ("ctx_term waits until every socket is closed");
    void *context = new_context ();
    pthread_t thread = start (close_later, new_socket (context, ZMQ_PULL));
    SHOW (zmq_ctx_term (context));
    SHOW (atomic_load (&closed));
    join (thread);

    part ("ctx_term sends what is queued, within LINGER");
    for (int i = 1; i < COUNT (transports); i++) {
        void *receiving = new_context ();
        void *pull = new_socket (receiving, ZMQ_PULL);
        endpoint_t endpoint;
        set_int (pull, ZMQ_RCVHWM, 0);
        bind_fresh (pull, transports[i], endpoint);
        context = new_context ();
        void *push = zmq_socket (context, ZMQ_PUSH);
        set_int (push, ZMQ_SNDHWM, 0);
        connect_to (push, endpoint);
        for (int k = 0; k < 20000; k++)
            CHECK (zmq_send (push, &k, sizeof k, 0) == sizeof k);
        close_socket (push);
        SHOW (zmq_ctx_term (context));
        for (int k = 0, number; k < 20000; k++)
            CHECK (zmq_recv (pull, &number, sizeof number, 0) == sizeof number && number == k);
        SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
        close_socket (pull);
        end_context (receiving);
    }
    part ("LINGER limits the wait");
    static const int lingers[] = {0, 50};
    for (int i = 0; i < COUNT (lingers); i++) {
        endpoint_t endpoint;
        context = new_context ();
        unbound_endpoint (context, "tcp", endpoint);
        void *push = zmq_socket (context, ZMQ_PUSH);
        SHOW_VALUE (int_option (push, ZMQ_LINGER));
        set_int (push, ZMQ_LINGER, lingers[i]);
        connect_to (push, endpoint);
        put (push, "nobody is there");
        int64_t began = now_ms ();
        close_socket (push);
        SHOW (zmq_ctx_term (context));
        SHOW (now_ms () - began >= lingers[i]);
    }
    part ("BLOCKY off makes LINGER 0");
    context = new_context ();
    SHOW (zmq_ctx_get (context, ZMQ_BLOCKY));
    SHOW (zmq_ctx_set (context, ZMQ_BLOCKY, 0));
    SHOW (zmq_ctx_get (context, ZMQ_BLOCKY));
    void *push = zmq_socket (context, ZMQ_PUSH);
    SHOW_VALUE (int_option (push, ZMQ_LINGER));
    connect_to (push, "tcp://127.0.0.1:9");
    put (push, "lost");
    close_socket (push);
    SHOW (zmq_ctx_term (context));
}

int main (void)
{
    life ();
    after_shutdown ();
    for (int i = 0; i < COUNT (transports); i++)
        for (int shutdown = 0; shutdown < 2; shutdown++)
            blocked_calls (shutdown, transports[i]);
    waits ();
    return 0;
}
