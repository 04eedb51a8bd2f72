/* A hundred connected sockets that have nothing to do cost nothing: no processor time, no wake-ups of the library's threads.
 *
 *   idle SECONDS
 *
 * One thread is blocked in zmq_recv and one in zmq_poll meanwhile. Ten seconds may cost 10 ms and 20 context switches. */
#include "stress.h"

#define CLIENTS 50
#define CPU_US_MAX_A_SECOND 1000
#define SWITCHES_MAX_A_SECOND 2

static void *servers[CLIENTS], *clients[CLIENTS];
static atomic_int blocked[2];

static void *blocked_in_recv (void *argument)
{
    char text[8];
    atomic_store (&blocked[0], thread_id ());
    CHECK (zmq_recv (argument, text, sizeof text, 0) == -1 && zmq_errno () == ETERM);
    close_socket (argument);
    return NULL;
}

static void *blocked_in_poll (void *argument)
{
    zmq_pollitem_t item = {argument, 0, ZMQ_POLLIN, 0};
    atomic_store (&blocked[1], thread_id ());
    CHECK (zmq_poll (&item, 1, -1) == -1 && zmq_errno () == ETERM);
    close_socket (argument);
    return NULL;
}

static long processor_us (void)
{
    struct timespec time;
    CHECK (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
    return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

/* Context switches of all threads but this one and the watchdog's. */
static long switches (int watchdog)
{
    long sum = 0;
    DIR *tasks = opendir ("/proc/self/task");
    CHECK (tasks);
    for (struct dirent *entry; (entry = readdir (tasks));) {
        int thread = atoi (entry->d_name);
        if (thread == 0 || thread == thread_id () || thread == watchdog)
            continue;
        char text[4096];
        read_task (thread, "status", text, sizeof text);
        for (const char *line = text; (line = strstr (line, "voluntary_ctxt_switches:")); line++)
            sum += atol (strchr (line, ':') + 1);
    }
    closedir (tasks);
    return sum;
}

/* The number of the only other thread. */
static int other_thread (void)
{
    int other = 0;
    DIR *tasks = opendir ("/proc/self/task");
    CHECK (tasks);
    for (struct dirent *entry; (entry = readdir (tasks));)
        if (atoi (entry->d_name) && atoi (entry->d_name) != thread_id ())
            other = atoi (entry->d_name);
    closedir (tasks);
    return other;
}

/* Until a whole look at the threads sees no context switch: what was under way has come to rest. */
static void settle (int watchdog)
{
    for (;;) {
        long before = switches (watchdog);
        struct timespec moment = {0, 20000000};
        nanosleep (&moment, NULL);
        if (switches (watchdog) == before)
            return;
    }
}

int main (int count, char **values)
{
    long seconds = argument_or (count, values, 1, 10);
    start_watchdog ();
    int watchdog = other_thread ();
    void *context = new_context ();
    for (int i = 0; i < CLIENTS; i++) {
        endpoint_t endpoint;
        servers[i] = new_socket (context, ZMQ_DEALER);
        clients[i] = new_socket (context, ZMQ_DEALER);
        bind_fresh (servers[i], "tcp", endpoint);
        connect_to (clients[i], endpoint);
        char text[8];
        put (clients[i], "hello");
        take (servers[i], text, sizeof text);
        put (servers[i], "hello");
        take (clients[i], text, sizeof text);
    }
    pthread_t receiver = start (blocked_in_recv, clients[0]), poller = start (blocked_in_poll, clients[1]);
    for (int i = 0; i < COUNT (blocked); i++)
        while (!atomic_load (&blocked[i]) || !is_asleep (atomic_load (&blocked[i])))
            sched_yield ();
    stage = "coming to rest";
    settle (watchdog);
    long switches_before = switches (watchdog), processor_before = processor_us ();
    struct timespec rest = {1, 0};
    for (long i = 0; i < seconds; i++) {
        nanosleep (&rest, NULL);
        atomic_fetch_add (&progress, 1);
    }
    /* Includes this thread's own second-long sleeps and the watchdog's. */
    long processor = processor_us () - processor_before;
    long switched = switches (watchdog) - switches_before;
    printf ("%d sockets, %ld s: %ld us of processor time, %ld context switches\n", 2 * CLIENTS, seconds, processor, switched);
    stage = "the end";
    CHECK (zmq_ctx_shutdown (context) == 0);
    join (receiver);
    join (poller);
    for (int i = 0; i < CLIENTS; i++) {
        close_socket (servers[i]);
        if (i > 1)
            close_socket (clients[i]);
    }
    end_context (context);
    if (processor > seconds * CPU_US_MAX_A_SECOND || switched > seconds * SWITCHES_MAX_A_SECOND) {
        printf ("FAILED: not idle\n");
        return 3;
    }
    printf ("ok\n");
    return 0;
}
