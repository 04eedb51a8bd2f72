/* zmq_proxy, zmq_proxy_steerable and zmq_device: what passes, what is captured, and steering (zmq_proxy(3),
 * zmq_proxy_steerable(3)). */
#include "common.h"

static void *context;

struct proxy
{
    void *frontend, *backend, *capture, *control;
    endpoint_t front, back, watch, steer;
    void *captured, *steering;
    int result, error;
    pthread_t thread;
};

static void *run (void *argument)
{
    struct proxy *proxy = argument;
    proxy->result = proxy->control ? zmq_proxy_steerable (proxy->frontend, proxy->backend, proxy->capture, proxy->control)
                                   : zmq_proxy (proxy->frontend, proxy->backend, proxy->capture);
    proxy->error = zmq_errno ();
    close_socket (proxy->frontend);
    close_socket (proxy->backend);
    if (proxy->capture)
        close_socket (proxy->capture);
    if (proxy->control)
        close_socket (proxy->control);
    return NULL;
}

/* A proxy in a thread of its own, with a capture socket (0: none) and steered by a PAIR. */
static void begin (struct proxy *proxy, int frontend, int backend, int capture, const char *transport)
{
    memset (proxy, 0, sizeof *proxy);
    proxy->frontend = new_socket (context, frontend);
    proxy->backend = new_socket (context, backend);
    bind_fresh (proxy->frontend, transport, proxy->front);
    bind_fresh (proxy->backend, transport, proxy->back);
    if (capture) {
        proxy->capture = new_socket (context, capture);
        bind_fresh (proxy->capture, "inproc", proxy->watch);
        proxy->captured = new_socket (context, capture == ZMQ_PUB ? ZMQ_SUB : ZMQ_PULL);
        if (capture == ZMQ_PUB)
            subscribe (proxy->captured, "");
        connect_to (proxy->captured, proxy->watch);
        ready (proxy->capture, ZMQ_POLLOUT);
    }
    proxy->control = new_socket (context, ZMQ_PAIR);
    bind_fresh (proxy->control, "inproc", proxy->steer);
    proxy->steering = new_socket (context, ZMQ_PAIR);
    connect_to (proxy->steering, proxy->steer);
    proxy->thread = start (run, proxy);
}

static void end (struct proxy *proxy)
{
    put (proxy->steering, "TERMINATE");
    join (proxy->thread);
    printf ("  the proxy ended: %d\n", proxy->result);
    close_socket (proxy->steering);
    if (proxy->captured)
        close_socket (proxy->captured);
}

static void requests (const char *transport, int capture)
{
    part ("ROUTER and DEALER over %s, captured by %s", transport, capture ? type_name (capture) : "nobody");
    struct proxy proxy;
    begin (&proxy, ZMQ_ROUTER, ZMQ_DEALER, capture, transport);
    void *req = new_socket (context, ZMQ_REQ), *rep = new_socket (context, ZMQ_REP);
    set_text (req, ZMQ_ROUTING_ID, "client");
    connect_to (rep, proxy.back);
    connect_to (req, proxy.front);
    for (int i = 0; i < 3; i++) {
        put (req, i == 1 ? "a question|of two parts" : "a question");
        show_message ("rep", rep, 0);
        put (rep, i == 1 ? "an answer||of three" : "an answer");
        show_message ("req", req, 0);
        if (capture) {
            show_message ("captured", proxy.captured, 0);
            show_message ("captured", proxy.captured, 0);
        }
    }
    for (int i = 0; i < 1000; i++) {
        put (req, "x");
        CHECK (zmq_recv (rep, NULL, 0, 0) == 1);
        put (rep, "yy");
        CHECK (zmq_recv (req, NULL, 0, 0) == 2);
        for (int k = 0; capture && k < 2; k++)
            do
                CHECK (zmq_recv (proxy.captured, NULL, 0, 0) >= 0);
            while (int_option (proxy.captured, ZMQ_RCVMORE));
    }
    end (&proxy);
    close_socket (req);
    close_socket (rep);
}

static void pipeline (const char *transport)
{
    part ("PULL and PUSH over %s", transport);
    struct proxy proxy;
    begin (&proxy, ZMQ_PULL, ZMQ_PUSH, ZMQ_PUSH, transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    connect_to (pull, proxy.back);
    connect_to (push, proxy.front);
    for (int i = 0; i < 500; i++)
        CHECK (zmq_send (push, &i, sizeof i, ZMQ_SNDMORE) == sizeof i && zmq_send (push, "part", 4, 0) == 4);
    for (int i = 0; i < 500; i++) {
        int number;
        CHECK (zmq_recv (pull, &number, sizeof number, 0) == sizeof number && number == i && zmq_recv (pull, NULL, 0, 0) == 4);
        CHECK (zmq_recv (proxy.captured, &number, sizeof number, 0) == sizeof number && number == i);
        CHECK (zmq_recv (proxy.captured, NULL, 0, 0) == 4);
    }
    end (&proxy);
    close_socket (push);
    close_socket (pull);
}

static void forwarder (const char *transport)
{
    part ("XSUB and XPUB over %s", transport);
    struct proxy proxy;
    begin (&proxy, ZMQ_XSUB, ZMQ_XPUB, 0, transport);
    void *xpub = new_socket (context, ZMQ_XPUB), *sub = new_socket (context, ZMQ_SUB);
    connect_to (xpub, proxy.front);
    connect_to (sub, proxy.back);
    subscribe (sub, "topic");
    show_message ("xpub", xpub, 0);
    put (xpub, "nothing");
    put (xpub, "topic|news");
    show_message ("sub", sub, 0);
    subscribe (sub, "other");
    show_message ("xpub", xpub, 0);
    set_text (sub, ZMQ_UNSUBSCRIBE, "topic");
    show_message ("xpub", xpub, 0);
    put (xpub, "topic|news");
    put (xpub, "other|news");
    show_message ("sub", sub, 0);
    end (&proxy);
    close_socket (xpub);
    close_socket (sub);
}

static void one_socket (void)
{
    part ("one socket as both ends");
    struct proxy proxy = {0};
    void *dealer = new_socket (context, ZMQ_DEALER), *peer = new_socket (context, ZMQ_DEALER);
    void *control = new_socket (context, ZMQ_PAIR), *steering = new_socket (context, ZMQ_PAIR);
    bind_fresh (dealer, "inproc", proxy.front);
    connect_to (peer, proxy.front);
    bind_fresh (control, "inproc", proxy.steer);
    connect_to (steering, proxy.steer);
    put (peer, "comes|back");
    put (peer, "and this");
    put (steering, "TERMINATE");
    int rc = zmq_proxy_steerable (dealer, dealer, NULL, control);
    printf ("  %d\n", rc);
    SHOW (zmq_proxy (NULL, dealer, NULL));
    SHOW (zmq_proxy (dealer, NULL, NULL));
    SHOW (zmq_proxy (NULL, NULL, NULL));
    SHOW (zmq_proxy_steerable (NULL, dealer, NULL, NULL));
    close_socket (dealer);
    close_socket (peer);
    close_socket (control);
    close_socket (steering);
}

/* Asks for the counters, eight numbers of 64 bits, and prints them: messages are whole ones, as in libzmq 4.3.4 (4.3.5 counts
 * their parts). Only 4.3.5 answers other commands, with an empty message. */
static void statistics (struct proxy *proxy, const char *when)
{
    put (proxy->steering, "STATISTICS");
    printf ("  %s:", when);
    uint64_t number;
    int size;
    while ((size = zmq_recv (proxy->steering, &number, sizeof number, 0)) == 0)
        ;
    for (int i = 0; i < 8; i++) {
        CHECK (size == sizeof number);
        CHECK (int_option (proxy->steering, ZMQ_RCVMORE) == (i < 7));
        printf (" %llu", (unsigned long long) number);
        if (i < 7)
            size = zmq_recv (proxy->steering, &number, sizeof number, 0);
    }
    printf ("\n");
}

static void steered (const char *transport)
{
    part ("steered over %s", transport);
    struct proxy proxy;
    begin (&proxy, ZMQ_PULL, ZMQ_PUSH, 0, transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    connect_to (pull, proxy.back);
    connect_to (push, proxy.front);
    put (push, "one");
    put (push, "two|parts");
    show_message ("pull", pull, 0);
    show_message ("pull", pull, 0);
    statistics (&proxy, "statistics");
    put (proxy.steering, "PAUSE");
    statistics (&proxy, "paused");
    put (push, "while it is paused");
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    put (proxy.steering, "RESUME");
    show_message ("pull", pull, 0);
    statistics (&proxy, "resumed");
    end (&proxy);
    close_socket (push);
    close_socket (pull);
}

enum { MIXED = 20000, LARGEST = 900 };

/* The part of a message of the mixture: its size, and whether the message goes on; the same numbers give the same part. */
static int mixed_part (int message, int part, unsigned char *body, int *more)
{
    unsigned seed = message * 2654435761u + part * 40503u;
    seed ^= seed >> 13;
    int size = seed % 16 == 0 ? seed % LARGEST : seed % 97 == 1 ? 255 + seed % 2 : seed % 80;
    for (int i = 0; i < size; i++)
        body[i] = (unsigned char) (seed + i);
    *more = part < (int) (seed % 29 == 0) + (int) (seed % 31 == 0);
    return size;
}

static void *send_mixed (void *push)
{
    unsigned char body[LARGEST];
    for (int message = 0, more; message < MIXED; message++) {
        int part = 0;
        do {
            int size = mixed_part (message, part++, body, &more);
            CHECK (zmq_send (push, body, size, more ? ZMQ_SNDMORE : 0) == size);
        } while (more);
        if (message % 5000 == 4999)
            CHECK (zmq_poll (NULL, 0, 2) == 0);
    }
    return NULL;
}

static void take_mixed (void *socket, int message)
{
    unsigned char body[LARGEST], received[LARGEST];
    int part = 0, more;
    do {
        int size = mixed_part (message, part++, body, &more);
        CHECK (zmq_recv (socket, received, sizeof received, 0) == size && memcmp (received, body, size) == 0);
        CHECK (int_option (socket, ZMQ_RCVMORE) == more);
    } while (more);
}

/* Short and long messages of one part and several, in streams, past marks that are reached all the time. */
static void mixed (const char *transport, int mark)
{
    part ("messages of all sizes over %s, marks of %d", transport, mark);
    struct proxy proxy;
    begin (&proxy, ZMQ_PULL, ZMQ_PUSH, ZMQ_PUSH, transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    set_int (push, ZMQ_SNDHWM, mark);
    set_int (pull, ZMQ_RCVHWM, mark);
    connect_to (pull, proxy.back);
    connect_to (push, proxy.front);
    pthread_t sender = start (send_mixed, push);
    for (int message = 0; message < MIXED; message++) {
        take_mixed (pull, message);
        take_mixed (proxy.captured, message);
    }
    join (sender);
    statistics (&proxy, "statistics");
    end (&proxy);
    close_socket (push);
    close_socket (pull);
}

static void *run_device (void *argument)
{
    struct proxy *proxy = argument;
    proxy->result = zmq_device (ZMQ_QUEUE, proxy->frontend, proxy->backend);
    proxy->error = zmq_errno ();
    close_socket (proxy->frontend);
    close_socket (proxy->backend);
    return NULL;
}

/* A proxy that is not steered ends with its context. */
static void terminated (int device)
{
    part ("%s ends with its context", device ? "zmq_device" : "zmq_proxy");
    void *ending = new_context (), *mine = context;
    context = ending;
    struct proxy proxy = {0};
    proxy.frontend = new_socket (context, ZMQ_ROUTER);
    proxy.backend = new_socket (context, ZMQ_DEALER);
    bind_fresh (proxy.frontend, "tcp", proxy.front);
    bind_fresh (proxy.backend, "tcp", proxy.back);
    proxy.thread = start (device ? run_device : run, &proxy);
    context = mine;
    void *req = new_socket (context, ZMQ_REQ), *rep = new_socket (context, ZMQ_REP);
    connect_to (req, proxy.front);
    connect_to (rep, proxy.back);
    put (req, "question");
    show_message ("rep", rep, 0);
    put (rep, "answer");
    show_message ("req", req, 0);
    close_socket (req);
    close_socket (rep);
    CHECK (zmq_ctx_term (ending) == 0);
    join (proxy.thread);
    printf ("  %d %s\n", proxy.result, error_name (proxy.error));
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        requests (transports[i], 0);
        requests (transports[i], ZMQ_PUSH);
        pipeline (transports[i]);
        forwarder (transports[i]);
        steered (transports[i]);
        mixed (transports[i], 1000);
        mixed (transports[i], 3);
    }
    requests ("tcp", ZMQ_PUB);
    one_socket ();
    terminated (0);
    terminated (1);
    end_context (context);
    return 0;
}
