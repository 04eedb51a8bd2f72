/* A program, and its peers, go on asking for more while there is no memory: they are refused, and nothing else happens.
 *
 *   starvation refused|limited SIZE
 *
 * "refused": every allocation of the library fails from a moment on (faults.h); "limited": the process has a few MB of address space
 * left (RLIMIT_AS). Then up to SIZE of everything is asked for that a program or a peer can make without end, until it is refused:
 * sockets, subscriptions, messages, connections out and in, timers, filters. In the end the memory is back: the
 * same sockets go on, what was sent over inproc is received, and everything can be made again.
 *
 * Prints what was refused; how much there was before that depends on the machine. */
#include "stress.h"
#include "faults.h"
#include <limits.h>
#include <netinet/in.h>
#include <sys/resource.h>

#define LEFT_BYTES (4l << 20)
#define BODY_BYTES 200
#define WAIT_MS 50
#define PEERS_MAX 100

static long size_max;
static const char *refused[32];
static int refused_count;

/* A call that is repeated until it fails, which must be for want of memory, or of descriptors where it takes some. */
static long repeat (const char *name, int (*call) (long))
{
    long done = 0;
    stage = name;
    while (done < size_max && call (done)) {
        done++;
        progress++;
    }
    if (done < size_max) {
        int error = zmq_errno ();
        if (error != ENOMEM && error != EAGAIN && error != EMFILE)
            fail (name);
        refused[refused_count++] = name;
    }
    return done;
}

static void *context, *subscriber, *pusher, *puller, *server, *client, *dialler, *timers;
static void **sockets;
static long socket_count;
static int descriptors_in[PEERS_MAX], port;
static long descriptor_count;

static int make_socket (long number)
{
    (void) number;
    void *socket = zmq_socket (context, ZMQ_DEALER);
    if (socket)
        sockets[socket_count++] = socket;
    return socket != NULL;
}

static int make_subscription (long number)
{
    char topic[30];
    random_t random = seeded ((uint64_t) number);
    for (size_t i = 0; i < sizeof topic; i++)
        topic[i] = (char) ('a' + below (&random, 26));
    return zmq_setsockopt (subscriber, ZMQ_SUBSCRIBE, topic, sizeof topic) == 0;
}

static int send_number (long number)
{
    long body[BODY_BYTES / sizeof (long)] = {number};
    return zmq_send (pusher, body, sizeof body, ZMQ_DONTWAIT) == BODY_BYTES;
}

static int send_to_connection (long number)
{
    long body[BODY_BYTES / sizeof (long)] = {number};
    return zmq_send (client, body, sizeof body, ZMQ_DONTWAIT) == BODY_BYTES;
}

static int dial (long number)
{
    (void) number;
    return zmq_connect (dialler, "ipc://nobody.sock") == 0;
}

static int bind_name (long number)
{
    char name[64];
    snprintf (name, sizeof name, "inproc://name-%ld", number);
    return zmq_bind (dialler, name) == 0;
}

static int connect_to_name (long number)
{
    char name[64];
    snprintf (name, sizeof name, "inproc://nobody-%ld", number);
    return zmq_connect (dialler, name) == 0;
}

/* A peer that says what a DEALER says first. */
static int come_in (long number)
{
    (void) number;
    static const unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    int peer = socket (AF_INET, SOCK_STREAM, 0);
    if (peer < 0)
        return 0;
    descriptors_in[descriptor_count++] = peer;
    if (connect (peer, (struct sockaddr *) &address, sizeof address) != 0)
        return 0;
    ssize_t sent = send (peer, greeting, sizeof greeting, MSG_NOSIGNAL);
    return sent > 0;
}

static void never (int timer, void *argument)
{
    (void) timer;
    (void) argument;
}

static int make_timer (long number)
{
    return zmq_timers_add (timers, 100000 + (size_t) number, never, NULL) >= 0;
}

static int add_filter (long number)
{
    (void) number;
    return zmq_setsockopt (dialler, ZMQ_TCP_ACCEPT_FILTER, "10.0.0.1", 8) == 0;
}

static void begin (void)
{
    context = new_context ();
    CHECK (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 1 << 20) == 0);
    subscriber = new_socket (context, ZMQ_SUB);
    pusher = new_socket (context, ZMQ_PUSH);
    puller = new_socket (context, ZMQ_PULL);
    server = new_socket (context, ZMQ_DEALER);
    client = new_socket (context, ZMQ_DEALER);
    dialler = new_socket (context, ZMQ_DEALER);
    timers = zmq_timers_new ();
    CHECK (timers);
    set_int (pusher, ZMQ_SNDHWM, 0);
    set_int (puller, ZMQ_RCVHWM, 0);
    set_int (client, ZMQ_SNDHWM, 0);
    set_int (client, ZMQ_RECONNECT_IVL, 10);
    CHECK (zmq_bind (puller, "inproc://messages") == 0);
    connect_to (pusher, "inproc://messages");
    endpoint_t endpoint;
    bind_fresh (server, "tcp", endpoint);
    port = atoi (strrchr (endpoint, ':') + 1);
    connect_to (client, endpoint);
    put (client, "hello");
    wait_for (server, ZMQ_POLLIN);
    CHECK (show_message ("first", server, 0) == 1);
}

static void take_memory (int is_limited)
{
    if (!is_limited) {
        set_fault (MEMORY, 1, LONG_MAX, ENOMEM);
        return;
    }
    long pages = 0;
    FILE *statm = fopen ("/proc/self/statm", "r");
    CHECK (statm && fscanf (statm, "%ld", &pages) == 1);
    fclose (statm);
    rlim_t bytes = (rlim_t) (pages * sysconf (_SC_PAGESIZE) + LEFT_BYTES);
    struct rlimit limit = {bytes, RLIM_INFINITY};
    CHECK (setrlimit (RLIMIT_AS, &limit) == 0);
}

static void give_memory_back (int is_limited)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    end_fault ();
    if (is_limited)
        CHECK (setrlimit (RLIMIT_AS, &limit) == 0);
}

/* Everything that was sent, in order. */
static void receive_all (long count)
{
    stage = "what was sent over inproc";
    for (long number = 0; number < count; number++, progress++) {
        long body[BODY_BYTES / sizeof (long)];
        CHECK (zmq_recv (puller, body, sizeof body, 0) == BODY_BYTES);
        CHECK (body[0] == number);
    }
}

static void all_goes_on (void)
{
    stage = "what was there goes on";
    set_int (server, ZMQ_RCVTIMEO, WAIT_MS);
    char text[BODY_BYTES + 1] = "";
    while (strcmp (text, "again") != 0) {
        /* What was on its way with a connection that was lost is sent once more. */
        if (zmq_send (client, "again", 5, ZMQ_DONTWAIT) == -1)
            CHECK (zmq_errno () == EAGAIN);
        int size;
        while ((size = zmq_recv (server, text, BODY_BYTES, 0)) >= 0 && size != 5)
            progress++;
        text[size > 0 ? size : 0] = 0;
    }
    CHECK (send_number (0));
    receive_all (1);
    CHECK (make_subscription (size_max + 1) && make_timer (0) && add_filter (0) && bind_name (size_max + 1));
    while (socket_count > 0)
        close_socket (sockets[--socket_count]);
    CHECK (make_socket (0));
    close_socket (sockets[--socket_count]);
}

int main (int count, char **values)
{
    CHECK (count == 3);
    int is_limited = strcmp (values[1], "limited") == 0;
    size_max = atol (values[2]);
    find_library ();
    start_watchdog ();
    sockets = calloc ((size_t) size_max, sizeof *sockets);
    CHECK (sockets);
    begin ();
    take_memory (is_limited);
    repeat ("subscriptions", make_subscription);
    long sent = repeat ("messages over inproc", send_number);
    repeat ("messages over tcp", send_to_connection);
    for (long i = 0; i < PEERS_MAX && come_in (i); i++)
        progress++;
    repeat ("connections out", dial);
    repeat ("inproc names", bind_name);
    repeat ("connections to inproc names", connect_to_name);
    repeat ("timers", make_timer);
    repeat ("filters", add_filter);
    repeat ("sockets", make_socket);
    give_memory_back (is_limited);
    receive_all (sent);
    all_goes_on ();
    for (long i = 0; i < descriptor_count; i++)
        close (descriptors_in[i]);
    CHECK (zmq_timers_destroy (&timers) == 0);
    void *all[] = {subscriber, pusher, puller, server, client, dialler};
    for (int i = 0; i < COUNT (all); i++)
        close_socket (all[i]);
    end_context (context);
    for (int i = 0; i < refused_count; i++)
        printf ("refused: %s\n", refused[i]);
    return 0;
}
