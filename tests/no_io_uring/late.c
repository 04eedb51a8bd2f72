/* io_uring is refused when it is in use already: the program sets up a filter while its sockets work.
 *
 *   late CONDITION CONNECTIONS
 *
 * Streams over tcp and ipc lose nothing and double nothing, a conversation goes on, new connections and contexts work, an idle
 * library does not spin, and everything closes. Needs this library. */
#include "../stress/stress.h"
#include "refusal.h"
#include <dlfcn.h>

#define BEFORE 2000   /* messages of a stream that are there before the filter */
#define MESSAGES 6000 /* and all of them */
#define CONNECTIONS_MAX 100
#define IDLE_MS 300
#define IDLE_WAITS_MAX 20

typedef struct
{
    void *push;
    int number;
} stream_t;

static void *context, *pull;
static int connections;
static atomic_int imposed;
static atomic_long received;

static void *symbol (const char *name)
{
    void *found = dlsym (RTLD_DEFAULT, name);
    CHECK (found);
    return found;
}

static const char *driver (void)
{
    const char *(*function) (void);
    void *found = symbol ("monocoque_driver");
    memcpy (&function, &found, sizeof found);
    const char *name = function ();
    return name ? name : zmq_strerror (zmq_errno ());
}

static long waits (void)
{
    int (*function) (const char *, uint64_t *);
    void *found = symbol ("monocoque_counter");
    memcpy (&function, &found, sizeof found);
    uint64_t value;
    CHECK (function ("background_waits", &value) == 0);
    return (long) value;
}

/* Sends its numbered messages, the longer ones in two parts. */
static void *sender (void *argument)
{
    stream_t *stream = argument;
    char body[4096] = {0};
    for (int i = 0; i < MESSAGES; i++) {
        while (i == BEFORE && !atomic_load (&imposed))
            sched_yield ();
        int header[2] = {stream->number, i};
        memcpy (body, header, sizeof header);
        int is_long = i % 16 == 0;
        CHECK (zmq_send (stream->push, body, sizeof header, is_long ? ZMQ_SNDMORE : 0) == sizeof header);
        if (is_long)
            CHECK (zmq_send (stream->push, body, sizeof body, 0) == sizeof body);
    }
    return argument;
}

static void *receiver (void *argument)
{
    static int next[CONNECTIONS_MAX];
    char body[4096];
    for (long left = (long) connections * MESSAGES; left > 0; left--) {
        int header[2];
        CHECK (zmq_recv (pull, header, sizeof header, 0) == sizeof header);
        if (header[1] != next[header[0]]++) {
            printf ("FAILED: message %d of stream %d came instead of %d\n", header[1], header[0], next[header[0]] - 1);
            exit (3);
        }
        int more = int_option (pull, ZMQ_RCVMORE);
        CHECK (more == (header[1] % 16 == 0));
        if (more)
            CHECK (zmq_recv (pull, body, sizeof body, 0) == sizeof body && memcmp (body, header, sizeof header) == 0);
        atomic_fetch_add (&received, 1);
        atomic_fetch_add (&progress, 1);
    }
    return argument;
}

/* Requests and replies between two fresh sockets of the context. */
static void converse (void *in, const char *transport)
{
    endpoint_t endpoint;
    char text[16];
    void *reply = new_socket (in, ZMQ_REP), *request = new_socket (in, ZMQ_REQ);
    bind_fresh (reply, transport, endpoint);
    connect_to (request, endpoint);
    for (int i = 0; i < 100; i++) {
        put (request, "question");
        CHECK (take (reply, text, sizeof text) == 8);
        put (reply, "answer");
        CHECK (take (request, text, sizeof text) == 6);
    }
    close_socket (request);
    close_socket (reply);
}

static void stay_idle (void)
{
    long before = waits ();
    CHECK (zmq_poll (NULL, 0, IDLE_MS) == 0);
    long while_idle = waits () - before;
    if (while_idle > IDLE_WAITS_MAX) {
        printf ("FAILED: background threads waited %ld times while there was nothing to do\n", while_idle);
        exit (3);
    }
}

int main (int count, char **values)
{
    static stream_t streams[CONNECTIONS_MAX];
    static pthread_t threads[CONNECTIONS_MAX];
    endpoint_t endpoints[2], kept;
    char text[16];
    CHECK (count == 3);
    connections = atoi (values[2]);
    CHECK (connections > 0 && connections <= CONNECTIONS_MAX);
    start_watchdog ();
    context = new_context ();
    pull = new_socket (context, ZMQ_PULL);
    bind_fresh (pull, "tcp", endpoints[0]);
    bind_fresh (pull, "ipc", endpoints[1]);
    printf ("%s\n", driver ());
    void *left = new_socket (context, ZMQ_PAIR), *right = new_socket (context, ZMQ_PAIR);
    bind_fresh (left, "tcp", kept);
    connect_to (right, kept);
    put (left, "before");
    CHECK (take (right, text, sizeof text) == 6);
    void *monitor = open_monitor (context, right, ZMQ_EVENT_DISCONNECTED);
    for (int i = 0; i < connections; i++) {
        streams[i].number = i;
        streams[i].push = new_socket (context, ZMQ_PUSH);
        connect_to (streams[i].push, endpoints[i % 2]);
        threads[i] = start (sender, &streams[i]);
    }
    stage = "the streams before the filter";
    pthread_t reader = start (receiver, NULL);
    while (atomic_load (&received) < (long) connections * (BEFORE / 2))
        sched_yield ();
    impose (values[1]);
    atomic_store (&imposed, 1);
    stage = "the streams after it";
    for (int i = 0; i < connections; i++)
        join (threads[i]);
    join (reader);
    stage = "what was connected before";
    put (right, "after");
    CHECK (take (left, text, sizeof text) == 5);
    put (left, "back");
    CHECK (take (right, text, sizeof text) == 4);
    CHECK (!ready (monitor, ZMQ_POLLIN));
    stage = "new sockets";
    converse (context, "tcp");
    converse (context, "ipc");
    printf ("%s\n", driver ());
    stay_idle ();
    stage = "the end of the context";
    for (int i = 0; i < connections; i++)
        close_socket (streams[i].push);
    close_socket (monitor);
    close_socket (left);
    close_socket (right);
    close_socket (pull);
    end_context (context);
    stage = "a new context";
    void *fresh = new_context ();
    converse (fresh, "tcp");
    end_context (fresh);
    printf ("%s\n", driver ());
    return 0;
}
