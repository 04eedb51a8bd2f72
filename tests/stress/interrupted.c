/* EINTR where the manual has it, and nowhere else: while signals come without end, calls that do not wait never fail with it
 * (zmq_socket(3), zmq_bind(3), zmq_send(3) and zmq_recv(3) with ZMQ_DONTWAIT, zmq_poll(3) without a timeout, zmq_close(3)...). That calls
 * that wait do fail with it is tested by `termination`.
 *
 *   interrupted TRANSPORT ROUNDS */
#include "stress.h"

static atomic_int over;
static atomic_long signals_handled;
static pthread_t target;

static void on_signal (int number UNUSED)
{
    atomic_fetch_add (&signals_handled, 1);
}

static void *send_signals (void *argument)
{
    while (!atomic_load (&over)) {
        long before = atomic_load (&signals_handled);
        CHECK (pthread_kill (target, SIGUSR1) == 0);
        while (atomic_load (&signals_handled) == before && !atomic_load (&over))
            sched_yield ();
    }
    return argument;
}

/* The call came to an end: with success, or EAGAIN where it may. */
#define DONE(call) CHECK ((call) != -1 || zmq_errno () == EAGAIN)
#define WORKS(call) CHECK ((call) != -1)

static void play (const char *transport)
{
    char text[8];
    endpoint_t endpoint, last;
    size_t size = sizeof last;
    void *context = zmq_ctx_new ();
    CHECK (context);
    WORKS (zmq_ctx_set (context, ZMQ_IO_THREADS, 2));
    void *router = zmq_socket (context, ZMQ_ROUTER), *dealer = zmq_socket (context, ZMQ_DEALER);
    CHECK (router && dealer);
    int linger = 0, events;
    WORKS (zmq_setsockopt (router, ZMQ_LINGER, &linger, sizeof linger));
    WORKS (zmq_setsockopt (dealer, ZMQ_LINGER, &linger, sizeof linger));
    fresh_endpoint (transport, endpoint);
    WORKS (zmq_bind (router, endpoint));
    WORKS (zmq_getsockopt (router, ZMQ_LAST_ENDPOINT, last, &size));
    WORKS (zmq_connect (dealer, last));
    for (int i = 0; i < 50; i++) {
        DONE (zmq_send (dealer, "text", 4, ZMQ_DONTWAIT));
        zmq_pollitem_t items[] = {{router, 0, ZMQ_POLLIN, 0}, {dealer, 0, ZMQ_POLLIN, 0}};
        WORKS (zmq_poll (items, 2, 0));
        DONE (zmq_recv (router, text, sizeof text, ZMQ_DONTWAIT));
        size = sizeof events;
        WORKS (zmq_getsockopt (router, ZMQ_EVENTS, &events, &size));
    }
    WORKS (zmq_socket_monitor (router, "inproc://events", ZMQ_EVENT_ALL));
    WORKS (zmq_socket_monitor (router, NULL, 0));
    WORKS (zmq_disconnect (dealer, last));
    WORKS (zmq_unbind (router, last));
    WORKS (zmq_close (dealer));
    WORKS (zmq_close (router));
    WORKS (zmq_ctx_shutdown (context));
    while (zmq_ctx_term (context) == -1)
        CHECK (zmq_errno () == EINTR);
}

int main (int count, char **arguments)
{
    CHECK (count == 3);
    start_watchdog ();
    struct sigaction action = {.sa_handler = on_signal};
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    target = pthread_self ();
    pthread_t sender = start (send_signals, NULL);
    long rounds = argument_or (count, arguments, 2, 1);
    for (long round = 0; round < rounds; round++) {
        play (arguments[1]);
        atomic_fetch_add (&progress, 1);
    }
    atomic_store (&over, 1);
    join (sender);
    printf ("%ld signals in %ld rounds\n", atomic_load (&signals_handled), rounds);
    CHECK (atomic_load (&signals_handled) > rounds);
    return 0;
}
