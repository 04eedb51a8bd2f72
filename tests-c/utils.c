/* Atomic counters, stopwatches, threads, sleep, error texts, version and capabilities: zmq_atomic_counter_*(3),
 * zmq_errno(3), zmq_strerror(3), zmq_version(3), zmq_has(3), zmq_utils.h. */
#include "common.h"

#include <limits.h>

static void counters (void)
{
    part ("atomic counters");
    void *counter = zmq_atomic_counter_new ();
    SHOW (zmq_atomic_counter_value (counter));
    for (int i = 0; i < 3; i++)
        SHOW (zmq_atomic_counter_inc (counter));
    SHOW (zmq_atomic_counter_value (counter));
    for (int i = 0; i < 5; i++)
        SHOW (zmq_atomic_counter_dec (counter));
    printf ("  value %d\n", zmq_atomic_counter_value (counter));
    const int values[] = {2, 1, -5, INT_MAX, INT_MIN};
    for (int i = 0; i < COUNT (values); i++) {
        zmq_atomic_counter_set (counter, values[i]);
        printf ("  set %d:", values[i]);
        printf (" value %d", zmq_atomic_counter_value (counter));
        printf (" inc %d", zmq_atomic_counter_inc (counter));
        printf (" value %d", zmq_atomic_counter_value (counter));
        printf (" dec %d", zmq_atomic_counter_dec (counter));
        printf (" dec %d", zmq_atomic_counter_dec (counter));
        printf (" value %d\n", zmq_atomic_counter_value (counter));
    }
    zmq_atomic_counter_destroy (&counter);
    SHOW (counter == NULL);
    zmq_atomic_counter_destroy (&counter);
    SHOW (counter == NULL);
}

static void count (void *counter)
{
    for (int i = 0; i < 10000; i++)
        zmq_atomic_counter_inc (counter);
}

/* Threads have a name of libzmq's own where it was built with what gives names: printed with the argument "full". */
static int full;

static void describe (void *argument)
{
    char *text = argument;
    FILE *status = fopen ("/proc/thread-self/status", "r");
    CHECK (status);
    char line[256];
    while (fgets (line, sizeof line, status))
        if ((full && strncmp (line, "Name:", 5) == 0) || strncmp (line, "SigBlk:", 7) == 0)
            strcat (text, line);
    fclose (status);
}

static void leave (void *argument)
{
    *(int *) argument = 1;
    pthread_exit (NULL);
}

static void threads (void)
{
    part ("threads");
    void *counter = zmq_atomic_counter_new ();
    void *threads[4];
    for (int i = 0; i < COUNT (threads); i++) {
        threads[i] = zmq_threadstart (count, counter);
        CHECK (threads[i]);
    }
    for (int i = 0; i < COUNT (threads); i++)
        zmq_threadclose (threads[i]);
    SHOW (zmq_atomic_counter_value (counter));
    zmq_atomic_counter_destroy (&counter);

    char text[600] = "";
    zmq_threadclose (zmq_threadstart (describe, text));
    printf ("%s", text);
    int ran = 0;
    zmq_threadclose (zmq_threadstart (leave, &ran));
    SHOW (ran);
}

static void time_passes (void)
{
    part ("stopwatch and sleep");
    void *watch = zmq_stopwatch_start ();
    SHOW (watch != NULL);
    int64_t start = now_ms ();
    zmq_sleep (1);
    unsigned long first = zmq_stopwatch_intermediate (watch);
    SHOW (now_ms () - start >= 1000);
    unsigned long second = zmq_stopwatch_intermediate (watch);
    unsigned long last = zmq_stopwatch_stop (watch);
    unsigned long most = (unsigned long) (now_ms () - start + 2) * 1000;
    SHOW (first >= 1000000);
    SHOW (first <= second && second <= last && last <= most);
    zmq_sleep (0);
}

static void errors (void)
{
    part ("error texts");
    for (int number = -2; number < 140; number++)
        printf ("  %d: %s\n", number, zmq_strerror (number));
    for (int number = ZMQ_HAUSNUMERO - 2; number < ZMQ_HAUSNUMERO + 70; number++)
        printf ("  ZMQ_HAUSNUMERO %+d: %s\n", number - ZMQ_HAUSNUMERO, zmq_strerror (number));
    errno = EXDEV;
    SHOW (zmq_errno () == EXDEV);
    errno = 0;
    SHOW (zmq_errno ());
}

static void facts (void)
{
    part ("version and capabilities");
    int major = -1, minor = -1, patch = -1;
    zmq_version (&major, &minor, &patch);
    SHOW (ZMQ_MAKE_VERSION (major, minor, 0));
    SHOW (patch >= 4);
    const char *names[] = {"ipc", "IPC", "ipc ", "", "tcp", "inproc", "vmci", "draft", "null", "no such thing"};
    for (int i = 0; i < COUNT (names); i++)
        printf ("  has \"%s\": %d\n", names[i], zmq_has (names[i]));
}

int main (int argument_count, char **arguments)
{
    full = argument_count > 1 && strcmp (arguments[1], "full") == 0;
    counters ();
    threads ();
    time_passes ();
    errors ();
    facts ();
    return 0;
}
