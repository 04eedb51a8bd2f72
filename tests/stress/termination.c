/* Blocked calls end when their context terminates, shuts down, their socket is closed, or a signal is handled.
 *
 *   termination OPERATION ACTION TRANSPORT ROUNDS
 *   OPERATION: send, recv, poll, proxy, monitor    ACTION: term, shutdown, close, signal, restart (a handler with SA_RESTART)
 *
 * A thread of its own blocks in the operation; the main thread acts when that thread has announced its call and sleeps in the
 * kernel. The errors are those of zmq_ctx_term(3), zmq_ctx_shutdown(3) and zmq_send(3): ETERM, ENOTSOCK and EINTR. Closing a
 * socket that another thread is blocked in is defined for this library only. */
#include "stress.h"

/* A signal that comes before the call sleeps is handled and gone; so it is sent again, this many times at most a round. */
#define SIGNALS_MAX 1000

enum
{
    SOCKETS_MAX = 6
};

static const char *operation, *action, *transport;
static void *context, *sockets[SOCKETS_MAX], *target;
static int socket_count;
static atomic_int blocked_thread, finished, outcome_errno;
static long signals_sent;
static atomic_long signals_handled;

static int acting (const char *name)
{
    return strcmp (action, name) == 0;
}

static int signalling (void)
{
    return acting ("signal") || acting ("restart");
}

static void on_signal (int number UNUSED)
{
    atomic_fetch_add (&signals_handled, 1);
}

static void *add_socket (int type)
{
    CHECK (socket_count < SOCKETS_MAX);
    void *socket = sockets[socket_count++] = new_socket (context, type);
    set_int (socket, ZMQ_SNDHWM, 1);
    set_int (socket, ZMQ_RCVHWM, 1);
    return socket;
}

/* A bound and a connected socket, in that order. */
static void add_pair (int bound, int connected, void **first, void **second)
{
    endpoint_t endpoint;
    *first = add_socket (bound);
    *second = add_socket (connected);
    bind_fresh (*first, transport, endpoint);
    connect_to (*second, endpoint);
}

static void set_up (void)
{
    void *peer;
    socket_count = 0;
    if (strcmp (operation, "send") == 0)
        add_pair (ZMQ_PULL, ZMQ_PUSH, &peer, &target);
    else if (strcmp (operation, "monitor") == 0) {
        add_pair (ZMQ_PULL, ZMQ_PUSH, &peer, &target);
        target = sockets[socket_count++] = open_monitor (context, peer, ZMQ_EVENT_BIND_FAILED);
    } else if (strcmp (operation, "proxy") == 0) {
        void *other;
        add_pair (ZMQ_ROUTER, ZMQ_DEALER, &target, &peer);
        add_pair (ZMQ_DEALER, ZMQ_ROUTER, &other, &peer);
        sockets[SOCKETS_MAX - 1] = other;
    } else
        add_pair (ZMQ_PULL, ZMQ_PUSH, &target, &peer);
}

static int blocking_call (void)
{
    static char body[65536];
    if (strcmp (operation, "send") == 0) {
        /* The receiver never reads: after its queue and the kernel's, the call blocks. */
        while (zmq_send (target, body, sizeof body, 0) >= 0)
            atomic_fetch_add (&progress, 1);
        return -1;
    }
    if (strcmp (operation, "poll") == 0) {
        zmq_pollitem_t items[] = {{target, 0, ZMQ_POLLIN, 0}, {NULL, 0, ZMQ_POLLERR, 0}};
        return zmq_poll (items, COUNT (items), -1);
    }
    if (strcmp (operation, "proxy") == 0)
        return zmq_proxy (target, sockets[SOCKETS_MAX - 1], NULL);
    return zmq_recv (target, body, sizeof body, 0);
}

static void close_all (void)
{
    for (int i = 0; i < socket_count; i++)
        if (!(acting ("close") && sockets[i] == target))
            close_socket (sockets[i]);
}

static void *blocked_body (void *argument)
{
    atomic_store (&blocked_thread, thread_id ());
    int result = blocking_call ();
    atomic_store (&outcome_errno, result == -1 ? zmq_errno () : 0);
    atomic_store (&finished, 1);
    /* zmq_ctx_term waits for the sockets. */
    if (acting ("term"))
        close_all ();
    return argument;
}

static void wait_until_blocked (void)
{
    int thread;
    while ((thread = atomic_load (&blocked_thread)) == 0)
        sched_yield ();
    while (!is_asleep (thread) && !atomic_load (&finished))
        sched_yield ();
}

static void act (pthread_t thread)
{
    wait_until_blocked ();
    if (acting ("term"))
        end_context (context);
    else if (acting ("shutdown"))
        CHECK (zmq_ctx_shutdown (context) == 0);
    else if (acting ("close"))
        close_socket (target);
    else
        for (int i = 0; !atomic_load (&finished); i++) {
            long handled = atomic_load (&signals_handled);
            if (i == SIGNALS_MAX)
                stuck ("signals do not end the call");
            CHECK (pthread_kill (thread, SIGUSR1) == 0);
            signals_sent++;
            /* A thread that has ended meanwhile handles none. */
            while (atomic_load (&signals_handled) == handled && !atomic_load (&finished))
                sched_yield ();
            wait_until_blocked ();
        }
}

static int is_expected (int number)
{
    if (signalling ())
        return number == EINTR;
    if (acting ("close"))
        return number == ENOTSOCK || number == ETERM;
    return number == ETERM;
}

static void play_round (void)
{
    atomic_store (&blocked_thread, 0);
    atomic_store (&finished, 0);
    stage = "set up";
    context = new_context ();
    set_up ();
    stage = "the blocking call";
    pthread_t thread = start (blocked_body, NULL);
    act (thread);
    stage = "the return of the blocked thread";
    join (thread);
    int number = atomic_load (&outcome_errno);
    if (!is_expected (number)) {
        printf ("FAILED: %s ended by %s over %s: %s\n", operation, action, transport, error_name (number));
        exit (3);
    }
    stage = "closing";
    if (!acting ("term")) {
        close_all ();
        end_context (context);
    }
    atomic_fetch_add (&progress, 1);
}

int main (int count, char **values)
{
    operation = count > 1 ? values[1] : "recv";
    action = count > 2 ? values[2] : "term";
    transport = count > 3 ? values[3] : "tcp";
    long rounds = argument_or (count, values, 4, 20);
    struct sigaction handler = {.sa_handler = on_signal, .sa_flags = acting ("restart") ? SA_RESTART : 0};
    CHECK (sigaction (SIGUSR1, &handler, NULL) == 0);
    start_watchdog ();
    for (long i = 0; i < rounds; i++)
        play_round ();
    /* Nearly every signal finds the call asleep and ends it; a send may sleep often before it has filled the kernel's queue. */
    if (signalling () && strcmp (operation, "send") != 0 && signals_sent > 2 * rounds + 10) {
        printf ("FAILED: %ld signals were needed for %ld rounds\n", signals_sent, rounds);
        return 3;
    }
    printf ("ok: %ld rounds\n", rounds);
    return 0;
}
