/* A listener whose process has no descriptor left for the connections that wait: it says so, does next to nothing, and goes on when
 * there is one.
 *
 *   listener tcp|ipc
 *
 * While nothing can be accepted a connection that was there before works. How often the listener tries is counted: by the events, by the
 * calls of accept where the program sees them (faults.h), and by the waits of background threads where the library counts them.
 * Prints what it found, with the CPU time of that second, which is for reading only. */
#include "stress.h"
#include "faults.h"
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/un.h>

#define DESCRIPTORS_LIMIT 128
#define PEERS 8
#define LOOK_MS 1000
/* A listener tries again within a second, so it may try a few times in one. */
#define TRIES_MAX 20

static void *context, *server, *client, *monitor;
static int fillers[DESCRIPTORS_LIMIT], filler_count;

static void fill (void)
{
    int filler;
    while ((filler = (int) KERNEL (SYS_dup, 2)) >= 0)
        fillers[filler_count++] = filler;
    CHECK (errno == EMFILE);
}

static void connect_peer (int peer, const char *endpoint)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int is_tcp = strncmp (endpoint, "tcp", 3) == 0;
    in.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    in.sin_port = htons ((uint16_t) atoi (strrchr (endpoint, ':') + 1));
    snprintf (un.sun_path, sizeof un.sun_path, "%s", endpoint + strlen ("ipc://"));
    CHECK (connect (peer, is_tcp ? (struct sockaddr *) &in : (struct sockaddr *) &un, is_tcp ? sizeof in : sizeof un) == 0);
}

static void exchange (const char *text)
{
    char answer[32];
    put (client, text);
    take (server, answer, sizeof answer);
    CHECK (strcmp (answer, text) == 0);
    progress++;
}

/* The library's own counters, where it has them. */
static unsigned long background_waits (void)
{
    typedef int counter_t (const char *, uint64_t *);
    counter_t *counter = (counter_t *) dlsym (RTLD_DEFAULT, "monocoque_counter");
    uint64_t value = 0;
    if (counter)
        CHECK (counter ("background_waits", &value) == 0);
    return value;
}

static long cpu_ms (void)
{
    struct rusage usage;
    CHECK (getrusage (RUSAGE_SELF, &usage) == 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* Counts the events of a kind that come within a time. */
static int count_events (int event, int milliseconds)
{
    int count = 0;
    uint32_t value;
    int64_t end = now_ms () + milliseconds;
    for (int64_t now = now_ms (); now < end; now = now_ms ()) {
        zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
        if (zmq_poll (&item, 1, (long) (end - now)) == 1 && next_event (monitor, &value, NULL) == event) {
            CHECK (event != ZMQ_EVENT_ACCEPT_FAILED || value == EMFILE);
            count++;
        }
        progress++;
    }
    return count;
}

static void accept_all (int wanted)
{
    while (wanted > 0) {
        wanted -= next_event (monitor, NULL, NULL) == ZMQ_EVENT_ACCEPTED;
        progress++;
    }
}

int main (int count, char **values)
{
    CHECK (count == 2);
    struct rlimit limit = {DESCRIPTORS_LIMIT, DESCRIPTORS_LIMIT};
    CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
    find_library ();
    start_watchdog ();
    context = new_context ();
    server = new_socket (context, ZMQ_DEALER);
    client = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    bind_fresh (server, values[1], endpoint);
    monitor = open_monitor (context, server, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED);
    connect_to (client, endpoint);
    accept_all (1);
    exchange ("before");
    int peers[PEERS];
    for (int i = 0; i < PEERS; i++)
        CHECK ((peers[i] = socket (strcmp (values[1], "tcp") == 0 ? AF_INET : AF_UNIX, SOCK_STREAM, 0)) >= 0);
    int descriptors_before = descriptors ();

    fill ();
    connect_peer (peers[0], endpoint);
    while (next_event (monitor, NULL, NULL) != ZMQ_EVENT_ACCEPT_FAILED)
        progress++;
    for (int i = 1; i < PEERS; i++)
        connect_peer (peers[i], endpoint);
    stage = "nothing can be accepted";
    set_fault (ACCEPT, LONG_MAX, LONG_MAX, 0);
    unsigned long waits = background_waits ();
    long cpu = cpu_ms ();
    int failures = count_events (ZMQ_EVENT_ACCEPT_FAILED, LOOK_MS);
    cpu = cpu_ms () - cpu;
    waits = background_waits () - waits;
    long calls = atomic_load (&fault_calls);
    end_fault ();
    printf ("in %d ms at the limit: %d ACCEPT_FAILED, %ld calls of accept, %lu waits, %ld ms CPU\n", LOOK_MS, failures, calls, waits, cpu);
    fflush (stdout);
    CHECK (failures > 0 && failures <= TRIES_MAX);
    CHECK (calls <= TRIES_MAX);
    CHECK (waits <= 4 * TRIES_MAX);
    exchange ("meanwhile");

    stage = "one descriptor is free";
    int64_t since = now_ms ();
    close (fillers[--filler_count]);
    accept_all (1);
    printf ("accepted %d ms after a descriptor was free\n", (int) (now_ms () - since));
    stage = "all are free";
    while (filler_count > 0)
        close (fillers[--filler_count]);
    accept_all (PEERS - 1);
    exchange ("after");
    for (int i = 0; i < PEERS; i++)
        close (peers[i]);
    stage = "the connections end";
    while (descriptors () > descriptors_before - PEERS)
        sched_yield ();
    close_monitor (server, monitor);
    close_socket (server);
    close_socket (client);
    end_context (context);
    return 0;
}
