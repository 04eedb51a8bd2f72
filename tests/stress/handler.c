/* A signal handler that calls the library, while the thread that it interrupts is in a call or between calls (not allowed by
 * zmq(7), which has no function for handlers).
 *
 *   handler WHAT TRANSPORT SIGNALS
 *   WHAT: same (the socket that the thread sends through), other (sockets that the thread does not use), waiting (other, and the handler
 *   waits for a moment)
 *
 * A handler that interrupts the C library's allocator does nothing: it may not allocate.
 *
 * Every call returns, with its result or an error number, and what the thread itself sends and receives is neither lost nor
 * doubled nor out of order. */
#include "stress.h"
#include "in_allocator.h"
#include <signal.h>

static void *sending, *receiving, *other, *other_peer;
static int uses_same, waits;
static long signals;
static pthread_t interrupted;
static atomic_long handled;
static long accepted, refused[2];

/* A result, or one of the error numbers that the calls may give. */
static void note (long result)
{
    if (result >= 0)
        accepted++;
    else if (zmq_errno () == EAGAIN)
        refused[0]++;
    else if (uses_same && zmq_errno () == ENOTSOCK)
        refused[1]++;
    else
        fail ("a call in the handler");
}

static void on_signal (int number UNUSED)
{
    int saved = errno, value;
    size_t size = sizeof value;
    char text[32];
    zmq_msg_t message;
    if (in_allocator) {
        atomic_fetch_add (&handled, 1);
        return;
    }
    void *socket = uses_same ? sending : other;
    note (zmq_send (socket, "", 0, ZMQ_DONTWAIT));
    note (zmq_recv (socket, text, sizeof text, ZMQ_DONTWAIT));
    note (zmq_getsockopt (socket, ZMQ_EVENTS, &value, &size));
    if (waits) {
        zmq_pollitem_t items[] = {{NULL, STDIN_FILENO, ZMQ_POLLERR, 0}, {other, 0, ZMQ_POLLIN, 0}};
        note (zmq_poll (items, 1, 0));
        note (zmq_poll (items, COUNT (items), 1));
        note (zmq_recv (other, text, sizeof text, 0));
    }
    CHECK (zmq_msg_init (&message) == 0 && zmq_msg_close (&message) == 0);
    CHECK (zmq_close (text) == -1 && zmq_errno () == ENOTSOCK);
    atomic_fetch_add (&handled, 1);
    errno = saved;
}

static void *signaller (void *argument)
{
    random_t source = seeded (1);
    for (long i = 0; i < signals; i++) {
        /* The thread gets on between two signals, by a little more or less. */
        long before = atomic_load (&progress);
        while (atomic_load (&progress) == before)
            sched_yield ();
        for (volatile unsigned spin = below (&source, 400); spin > 0; spin--)
            ;
        CHECK (pthread_kill (interrupted, SIGUSR1) == 0);
        while (atomic_load (&handled) <= i)
            sched_yield ();
    }
    return argument;
}

int main (int count, char **values)
{
    uses_same = count > 1 && strcmp (values[1], "same") == 0;
    waits = count > 1 && strcmp (values[1], "waiting") == 0;
    const char *transport = count > 2 ? values[2] : "tcp";
    signals = argument_or (count, values, 3, 200);
    endpoint_t endpoint;
    struct sigaction action = {.sa_handler = on_signal};
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    start_watchdog ();
    void *context = new_context ();
    sending = new_socket (context, ZMQ_DEALER);
    receiving = new_socket (context, ZMQ_DEALER);
    other = new_socket (context, ZMQ_DEALER);
    other_peer = new_socket (context, ZMQ_DEALER);
    bind_fresh (receiving, transport, endpoint);
    connect_to (sending, endpoint);
    bind_fresh (other_peer, transport, endpoint);
    connect_to (other, endpoint);
    set_int (other, ZMQ_RCVTIMEO, 1);
    interrupted = pthread_self ();
    pthread_t thread = start (signaller, NULL);
    long expected = 0;
    for (long sent = 0; atomic_load (&handled) < signals; sent++) {
        while (zmq_send (sending, &sent, sizeof sent, 0) == -1)
            CHECK (zmq_errno () == EINTR);
        while (expected <= sent) {
            long number = -1;
            int size = zmq_recv (receiving, &number, sizeof number, 0);
            if (size == -1)
                CHECK (zmq_errno () == EINTR);
            /* Those of the handler are empty. */
            else if (size > 0) {
                CHECK (size == sizeof number && number == expected);
                expected++;
            }
        }
        atomic_fetch_add (&progress, 1);
    }
    join (thread);
    void *sockets[] = {sending, receiving, other, other_peer};
    for (int i = 0; i < COUNT (sockets); i++) {
        set_int (sockets[i], ZMQ_LINGER, 0);
        close_socket (sockets[i]);
    }
    end_context (context);
    printf ("ok: %ld calls accepted, %ld EAGAIN, %ld refused\n", accepted, refused[0], refused[1]);
    return 0;
}
