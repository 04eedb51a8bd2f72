/* Whatever a program passes as a context, a socket, a poll item or a set of timers is looked up, never trusted: handles that are
 * random, stale, NULL, of the wrong kind or a little beside a live one get ENOTSOCK or EFAULT, and nothing happens.
 *
 *   handles COUNT SEED
 *
 * Undefined for libzmq, which reads the memory that it is given. */
#include "stress.h"
#include <sys/uio.h>

#define KEPT 4096
#define CHURN 64 /* calls between two objects that come and go */

enum
{
    CONTEXT,
    SOCKET,
    TIMERS,
    KINDS
};

static random_t source;
static void *live[KINDS], *peer;
/* Handles of closed objects, the oldest overwritten first. */
static void *stale[KEPT];
static unsigned stale_count;
static zmq_msg_t message;
static char buffer[64] = "text";

static void nothing (int timer UNUSED, void *argument UNUSED) {}

/* Calls: 0 where the handle was taken for good, otherwise the error number. */
static int error_of (long result)
{
    return result == -1 ? zmq_errno () : 0;
}

static int call_context (void *handle, unsigned which)
{
    switch (which) {
        case 0:
            return error_of (zmq_ctx_term (handle));
        case 1:
            return error_of (zmq_ctx_shutdown (handle));
        case 2:
            return error_of (zmq_ctx_set (handle, ZMQ_MAX_SOCKETS, 10));
        case 3:
            return error_of (zmq_ctx_get (handle, ZMQ_IO_THREADS));
        case 4:
            return error_of (zmq_ctx_destroy (handle));
        case 5:
            return error_of (zmq_term (handle));
        default:
            return zmq_socket (handle, ZMQ_PAIR) ? 0 : zmq_errno ();
    }
}
#define CONTEXT_CALLS 7

static int poll_with (void *handle)
{
    zmq_pollitem_t items[] = {{live[SOCKET], 0, ZMQ_POLLIN, 0}, {handle, -1, ZMQ_POLLIN, 0}};
    /* Without a socket the item is a descriptor: not a handle. */
    return handle ? error_of (zmq_poll (items, COUNT (items), 0)) : ENOTSOCK;
}

/* The proxies are given a live socket for what is not under test; a call that accepts the handle would never return. */
static int call_proxy (void *handle, unsigned which)
{
    switch (which) {
        case 0:
            return error_of (zmq_proxy (handle, peer, NULL));
        case 1:
            return error_of (zmq_proxy (peer, handle, NULL));
        case 2: /* a capture or a control may be missing */
            return handle ? error_of (zmq_proxy (peer, peer, handle)) : ENOTSOCK;
        case 3:
            return error_of (zmq_proxy_steerable (handle, peer, NULL, peer));
        case 4:
            return handle ? error_of (zmq_proxy_steerable (peer, peer, NULL, handle)) : ENOTSOCK;
        case 5:
            return error_of (zmq_device (ZMQ_QUEUE, handle, peer));
        default:
            return error_of (zmq_device (ZMQ_FORWARDER, peer, handle));
    }
}
#define PROXY_CALLS 7
#define FIRST_PROXY_CALL 18

static int call_socket (void *handle, unsigned which)
{
    int value = 1;
    size_t size = sizeof value, parts = 1;
    struct iovec part = {buffer, 4};
    switch (which) {
        case 0:
            return error_of (zmq_close (handle));
        case 1:
            return error_of (zmq_setsockopt (handle, ZMQ_LINGER, &value, sizeof value));
        case 2:
            return error_of (zmq_getsockopt (handle, ZMQ_TYPE, &value, &size));
        case 3:
            return error_of (zmq_bind (handle, "inproc://handles"));
        case 4:
            return error_of (zmq_connect (handle, "inproc://handles"));
        case 5:
            return error_of (zmq_unbind (handle, "inproc://handles"));
        case 6:
            return error_of (zmq_disconnect (handle, "inproc://handles"));
        case 7:
            return error_of (zmq_send (handle, buffer, 4, ZMQ_DONTWAIT));
        case 8:
            return error_of (zmq_send_const (handle, buffer, 4, ZMQ_DONTWAIT));
        case 9:
            return error_of (zmq_recv (handle, buffer, sizeof buffer, ZMQ_DONTWAIT));
        case 10:
            return error_of (zmq_msg_send (&message, handle, ZMQ_DONTWAIT));
        case 11:
            return error_of (zmq_msg_recv (&message, handle, ZMQ_DONTWAIT));
        case 12:
            return error_of (zmq_sendmsg (handle, &message, ZMQ_DONTWAIT));
        case 13:
            return error_of (zmq_recvmsg (handle, &message, ZMQ_DONTWAIT));
        case 14:
            return error_of (zmq_sendiov (handle, &part, 1, ZMQ_DONTWAIT));
        case 15:
            return error_of (zmq_recviov (handle, &part, &parts, ZMQ_DONTWAIT));
        case 16:
            return error_of (zmq_socket_monitor (handle, "inproc://handles-monitor", ZMQ_EVENT_ALL));
        case 17:
            return poll_with (handle);
        default:
            return call_proxy (handle, which - FIRST_PROXY_CALL);
    }
}
#define SOCKET_CALLS (FIRST_PROXY_CALL + PROXY_CALLS)

static int call_timers (void *handle, unsigned which)
{
    void *copy = handle;
    switch (which) {
        case 0:
            return error_of (zmq_timers_destroy (&copy));
        case 1:
            return error_of (zmq_timers_add (handle, 1000, nothing, NULL));
        case 2:
            return error_of (zmq_timers_cancel (handle, 1));
        case 3:
            return error_of (zmq_timers_set_interval (handle, 1, 1000));
        case 4:
            return error_of (zmq_timers_reset (handle, 1));
        case 5:
            return error_of (zmq_timers_timeout (handle));
        default:
            return error_of (zmq_timers_execute (handle));
    }
}
#define TIMERS_CALLS 7

static int call (int kind, void *handle, unsigned *which)
{
    static const unsigned calls[KINDS] = {CONTEXT_CALLS, SOCKET_CALLS, TIMERS_CALLS};
    *which = below (&source, calls[kind]);
    return kind == CONTEXT ? call_context (handle, *which) : kind == SOCKET ? call_socket (handle, *which) : call_timers (handle, *which);
}

/* A value that is no live handle of that kind. */
static void *bad_handle (int kind)
{
    uintptr_t value;
    switch (below (&source, 9)) {
        case 0:
            return NULL;
        case 1:
            value = next_random (&source);
            break;
        case 2: /* any address that a user program can have */
            value = next_random (&source) >> 17;
            break;
        case 3:
            value = below (&source, 1 << 16);
            break;
        case 4: /* of another kind */
            value = (uintptr_t) live[((unsigned) kind + 1 + below (&source, KINDS - 1)) % KINDS];
            break;
        case 5: /* a little beside a live one */
            value = (uintptr_t) live[kind] + below (&source, 129) - 64;
            break;
        case 6: /* another page or object near it */
            value = (uintptr_t) live[below (&source, KINDS)] + (below (&source, 8193) - 4096) * (uintptr_t) 16;
            break;
        case 7: { /* memory of the program */
            void *const memory[] = {&source, &message, buffer, (void *) nothing, &value, stdout, environ};
            value = (uintptr_t) memory[below (&source, COUNT (memory))];
            break;
        }
        default:
            value = (uintptr_t) stale[below (&source, stale_count ? stale_count : 1)];
    }
    void *handle = (void *) value;
    /* A value that was closed, or that chance made, may be in use again. */
    return handle == live[kind] || (kind == SOCKET && handle == peer) ? NULL : handle;
}

static void *create (int kind)
{
    void *handle = kind == CONTEXT ? zmq_ctx_new () : kind == SOCKET ? zmq_socket (live[CONTEXT], ZMQ_PAIR) : zmq_timers_new ();
    CHECK (handle);
    return handle;
}

static void destroy (int kind, void *handle)
{
    CHECK ((kind == CONTEXT ? zmq_ctx_term (handle) : kind == SOCKET ? zmq_close (handle) : zmq_timers_destroy (&handle)) == 0);
}

/* Makes an object and closes one: the new one, or the live timers, so that stale handles share their places with live ones. */
static void churn (void)
{
    static unsigned next;
    int kind = (int) below (&source, KINDS);
    void *handle = create (kind);
    if (kind == TIMERS && below (&source, 2)) {
        void *older = live[TIMERS];
        live[TIMERS] = handle;
        handle = older;
    }
    destroy (kind, handle);
    stale[next++ % KEPT] = handle;
    stale_count = next < KEPT ? next : KEPT;
}

int main (int count, char **values)
{
    long calls = argument_or (count, values, 1, 200000);
    source = seeded ((uint64_t) argument_or (count, values, 2, 1));
    start_watchdog ();
    CHECK (zmq_msg_init_size (&message, 8) == 0);
    live[CONTEXT] = new_context ();
    live[TIMERS] = zmq_timers_new ();
    live[SOCKET] = new_socket (live[CONTEXT], ZMQ_PAIR);
    peer = new_socket (live[CONTEXT], ZMQ_PAIR);
    CHECK (zmq_bind (live[SOCKET], "inproc://pair") == 0 && zmq_connect (peer, "inproc://pair") == 0);
    long counts[2] = {0, 0};
    for (long i = 0; i < calls; i++) {
        if (i % CHURN == 0)
            churn ();
        unsigned which;
        int kind = (int) below (&source, KINDS);
        void *handle = bad_handle (kind);
        int error = call (kind, handle, &which);
        /* A proxy without a socket is EFAULT (zmq_proxy(3)). */
        if (error != (kind == SOCKET ? ENOTSOCK : EFAULT) && !(kind == SOCKET && which >= FIRST_PROXY_CALL && error == EFAULT)) {
            printf ("FAILED: %s call %u with %p: %s\n", kind == CONTEXT ? "context" : kind == SOCKET ? "socket" : "timers", which, handle,
                    error_name (error));
            return 3;
        }
        counts[error == EFAULT]++;
        atomic_fetch_add (&progress, 1);
    }
    /* What is alive was not touched. */
    put (live[SOCKET], "alive");
    char text[16];
    CHECK (take (peer, text, sizeof text) == 5 && zmq_timers_timeout (live[TIMERS]) == -1 && zmq_msg_size (&message) == 8);
    close_socket (peer);
    close_socket (live[SOCKET]);
    CHECK (zmq_timers_destroy (&live[TIMERS]) == 0);
    end_context (live[CONTEXT]);
    printf ("ok: %ld calls, %ld ENOTSOCK, %ld EFAULT\n", calls, counts[0], counts[1]);
    return 0;
}
