/* Contexts and sockets that were closed leave nothing behind: no descriptor, no thread, no memory.
 *
 *   leaks CONTEXTS      (ten sockets each)
 *
 * Each context connects sockets over tcp, ipc and inproc, watches one, polls, exchanges messages, leaves some unread and
 * some unsent, and terminates. A quarter of the work is done before anything is measured. */
#include "stress.h"
#include <malloc.h>

/* Both are far below one kilobyte a socket. */
#define HEAP_GROWTH_MAX (128 * 1024)
#define RESIDENT_GROWTH_MAX (1024 * 1024)

typedef struct
{
    int descriptors, threads;
    long heap, resident;
} usage_t;

static long resident_bytes (void)
{
    long pages = 0;
    FILE *stream = fopen ("/proc/self/statm", "r");
    CHECK (stream && fscanf (stream, "%*d %ld", &pages) == 1);
    fclose (stream);
    return pages * sysconf (_SC_PAGESIZE);
}

static usage_t usage (void)
{
    struct mallinfo2 heap = mallinfo2 ();
    usage_t now = {descriptors (), threads (), (long) (heap.uordblks + heap.hblkhd), resident_bytes ()};
    return now;
}

static void exchange (void *from, void *to)
{
    static char large[200000];
    char text[16];
    put (from, "small|parts");
    CHECK (take (to, text, sizeof text) == 5 && take (to, text, sizeof text) == 5);
    CHECK (zmq_send (from, large, sizeof large, 0) == (int) sizeof large);
    CHECK (zmq_recv (to, large, sizeof large, 0) == (int) sizeof large);
}

static void work (int number)
{
    void *context = new_context ();
    /* Five pairs. */
    static const int types[][2] = {{ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_PULL, ZMQ_PUSH}, {ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_SUB, ZMQ_PUB}, {ZMQ_ROUTER, ZMQ_DEALER}};
    void *sockets[COUNT (types)][2], *monitor = NULL;
    for (int i = 0; i < COUNT (types); i++) {
        void *bound = sockets[i][0] = new_socket (context, types[i][0]);
        void *connected = sockets[i][1] = new_socket (context, types[i][1]);
        if (types[i][0] == ZMQ_SUB)
            subscribe (bound, "s");
        if (i == number % COUNT (types))
            monitor = open_monitor (context, bound, ZMQ_EVENT_ALL);
        if (i == (number + 1) % COUNT (types))
            int_option (connected, ZMQ_FD);
        endpoint_t endpoint;
        bind_fresh (bound, transports[(number + i) % COUNT (transports)], endpoint);
        connect_to (connected, endpoint);
        if (types[i][0] == ZMQ_SUB || types[i][0] == ZMQ_ROUTER) {
            put (connected, "s");
            continue;
        }
        exchange (connected, bound);
        if (types[i][0] == ZMQ_DEALER)
            exchange (bound, connected);
        /* Stay unread. */
        for (int k = 0; k < 20; k++)
            put (connected, "left behind");
    }
    CHECK (ready (sockets[4][0], 0) == 0);
    for (int i = 0; i < COUNT (types); i++)
        for (int k = 0; k < 2; k++)
            close_socket (sockets[i][k]);
    close_socket (monitor);
    end_context (context);
    atomic_fetch_add (&progress, 1);
}

int main (int count, char **values)
{
    int contexts = (int) argument_or (count, values, 1, 100);
    /* One arena, so that mallinfo2 sees all of the heap. */
    mallopt (M_ARENA_MAX, 1);
    start_watchdog ();
    for (int i = 0; i < 20 + contexts / 4; i++)
        work (i);
    usage_t before = usage ();
    for (int i = 0; i < contexts; i++)
        work (i);
    int64_t limit = now_ms () + 10000;
    /* A thread that was joined may still be listed for a moment. */
    while (threads () > before.threads && now_ms () < limit)
        sched_yield ();
    usage_t after = usage ();
    printf ("descriptors %d to %d, threads %d to %d, heap %ld to %ld bytes, resident %ld to %ld bytes\n", before.descriptors,
            after.descriptors, before.threads, after.threads, before.heap, after.heap, before.resident, after.resident);
    if (after.descriptors > before.descriptors || after.threads > before.threads || after.heap > before.heap + HEAP_GROWTH_MAX
        || after.resident > before.resident + RESIDENT_GROWTH_MAX) {
        printf ("FAILED: %d contexts with %d sockets left something behind\n", contexts, contexts * 10);
        return 3;
    }
    printf ("ok\n");
    return 0;
}
