/* Many threads: a socket each, sockets handed from thread to thread, contexts used by all (zmq(7), thread safety). */
#include "common.h"

static void *context;
#define THREADS 8
#define MESSAGES 2000

struct worker
{
    int number;
    const char *endpoint;
};

/* Everything has arrived: the senders may close. */
static pthread_barrier_t arrived;

static void *send_numbered (void *argument)
{
    struct worker *worker = argument;
    void *push = new_socket (context, ZMQ_PUSH);
    connect_to (push, worker->endpoint);
    for (int i = 0; i < MESSAGES; i++) {
        int pair[2] = {worker->number, i};
        CHECK (zmq_send (push, pair, sizeof pair, 0) == sizeof pair);
    }
    pthread_barrier_wait (&arrived);
    close_socket (push);
    return NULL;
}

static void fan_in (const char *transport)
{
    part ("%d threads to one over %s", THREADS, transport);
    void *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    int next[THREADS] = {0};
    CHECK (pthread_barrier_init (&arrived, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){i, endpoint};
        threads[i] = start (send_numbered, &workers[i]);
    }
    for (int i = 0; i < THREADS * MESSAGES; i++) {
        int pair[2];
        CHECK (zmq_recv (pull, pair, sizeof pair, 0) == sizeof pair);
        CHECK (pair[0] >= 0 && pair[0] < THREADS && pair[1] == next[pair[0]]++);
    }
    pthread_barrier_wait (&arrived);
    for (int i = 0; i < THREADS; i++)
        join (threads[i]);
    CHECK (pthread_barrier_destroy (&arrived) == 0);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    close_socket (pull);
}

static void *serve (void *argument)
{
    void *rep = new_socket (context, ZMQ_REP);
    connect_to (rep, argument);
    char text[32];
    for (;;) {
        int size = take (rep, text, sizeof text);
        CHECK (zmq_send (rep, text, (size_t) size, 0) == size);
        if (strcmp (text, "end") == 0)
            break;
    }
    /* The answer leaves before the socket does. */
    set_int (rep, ZMQ_LINGER, -1);
    close_socket (rep);
    return NULL;
}

static void *ask (void *argument)
{
    struct worker *worker = argument;
    void *req = new_socket (context, ZMQ_REQ);
    connect_to (req, worker->endpoint);
    char text[32], answer[32];
    for (int i = 0; i < MESSAGES / 4; i++) {
        snprintf (text, sizeof text, "%d.%d", worker->number, i);
        put (req, text);
        take (req, answer, sizeof answer);
        CHECK (strcmp (text, answer) == 0);
    }
    close_socket (req);
    return NULL;
}

/* Clients - ROUTER - (this thread) - DEALER - workers. */
static void broker (const char *transport)
{
    part ("clients, a broker and workers over %s", transport);
    void *router = new_socket (context, ZMQ_ROUTER), *dealer = new_socket (context, ZMQ_DEALER);
    endpoint_t front, back;
    bind_fresh (router, transport, front);
    bind_fresh (dealer, "inproc", back);
    pthread_t clients[THREADS], servers[3];
    struct worker workers[THREADS];
    for (int i = 0; i < COUNT (servers); i++)
        servers[i] = start (serve, back);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){i, front};
        clients[i] = start (ask, &workers[i]);
    }
    int answers = 0;
    zmq_msg_t message;
    zmq_msg_init (&message);
    while (answers < THREADS * (MESSAGES / 4)) {
        zmq_pollitem_t items[] = {{router, 0, ZMQ_POLLIN, 0}, {dealer, 0, ZMQ_POLLIN, 0}};
        CHECK (zmq_poll (items, 2, -1) > 0);
        for (int i = 0; i < 2; i++) {
            if (!items[i].revents)
                continue;
            int more;
            do {
                CHECK (zmq_msg_recv (&message, i ? dealer : router, 0) >= 0);
                more = zmq_msg_more (&message);
                CHECK (zmq_msg_send (&message, i ? router : dealer, more ? ZMQ_SNDMORE : 0) >= 0);
            } while (more);
            answers += i;
        }
    }
    for (int i = 0; i < THREADS; i++)
        join (clients[i]);
    for (int i = 0; i < COUNT (servers); i++)
        put (dealer, "me||end");
    for (int i = 0; i < COUNT (servers); i++)
        show_message ("worker", dealer, 0);
    for (int i = 0; i < COUNT (servers); i++)
        join (servers[i]);
    zmq_msg_close (&message);
    close_socket (router);
    close_socket (dealer);
}

static void *pass_on (void *socket)
{
    char text[16];
    take (socket, text, sizeof text);
    snprintf (text, sizeof text, "%d", atoi (text) + 1);
    put (socket, text);
    return NULL;
}

static void handed_over (const char *transport)
{
    part ("a socket handed from thread to thread over %s", transport);
    void *here = new_socket (context, ZMQ_PAIR), *there = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (here, transport, endpoint);
    connect_to (there, endpoint);
    char text[16] = "0";
    for (int i = 0; i < 200; i++) {
        put (here, text);
        join (start (pass_on, there));
        take (here, text, sizeof text);
    }
    printf ("  %s\n", text);
    close_socket (here);
    close_socket (there);
}

/* The library closes sockets in the background: until then they count. */
static void *pair_socket (void)
{
    void *socket;
    while (!(socket = zmq_socket (context, ZMQ_PAIR)))
        CHECK (zmq_errno () == EMFILE);
    return socket;
}

static void *create_and_close (void *argument)
{
    struct worker *worker = argument;
    for (int i = 0; i < 100; i++) {
        void *one = pair_socket (), *two = pair_socket ();
        char name[64];
        snprintf (name, sizeof name, "inproc://%d.%d", worker->number, i);
        CHECK (zmq_bind (one, name) == 0);
        connect_to (two, name);
        put (one, "x");
        CHECK (zmq_recv (two, NULL, 0, 0) == 1);
        close_socket (one);
        close_socket (two);
    }
    return NULL;
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        fan_in (transports[i]);
        broker (transports[i]);
        handed_over (transports[i]);
    }
    part ("sockets created and closed by many threads at once");
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){i, NULL};
        threads[i] = start (create_and_close, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        join (threads[i]);
    end_context (context);
    return 0;
}
