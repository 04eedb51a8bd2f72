/* The library's own counters (monocoque_counter) say that what costs time is rare beside the messages.
 *
 *   counters
 *
 * One thread plays both sides, so nothing depends on who runs when; bounds leave room for a machine that interrupts it. */
#include "stress.h"
#include <dlfcn.h>

#define MESSAGES 10000
#define ROUNDS 200

enum
{
    FLUSHES,
    WRITES,
    READS,
    SLEEPS,
    WAKES,
    BACKGROUND_WAKES,
    BACKGROUND_WAITS,
    ALARMS,
    NAMES
};

static const char *const names[NAMES] = {"flushes",          "writes",           "reads", "sleeps", "wakes",
                                         "background_wakes", "background_waits", "alarms"};

static int (*counter) (const char *name, uint64_t *value);
static uint64_t before[NAMES], counted[NAMES];
static const char *doing;

static void begin (const char *what)
{
    doing = what;
    for (int i = 0; i < NAMES; i++)
        CHECK (counter (names[i], &before[i]) == 0);
}

static void end (void)
{
    printf ("%s:", doing);
    for (int i = 0; i < NAMES; i++) {
        CHECK (counter (names[i], &counted[i]) == 0);
        counted[i] -= before[i];
        printf (" %s %lu", names[i], (unsigned long) counted[i]);
    }
    printf ("\n");
}

static void expect (int name, uint64_t least, uint64_t most)
{
    if (counted[name] >= least && counted[name] <= most)
        return;
    printf ("FAILED: %s: %lu %s, not %lu to %lu\n", doing, (unsigned long) counted[name], names[name],
            (unsigned long) least, (unsigned long) most);
    exit (3);
}

static void *new_marked (void *context, int type, int mark)
{
    void *socket = new_socket (context, type);
    set_int (socket, ZMQ_SNDHWM, mark);
    set_int (socket, ZMQ_RCVHWM, mark);
    return socket;
}

static void send_number (void *socket, int number)
{
    char body[64] = {0};
    memcpy (body, &number, sizeof number);
    CHECK (zmq_send (socket, body, sizeof body, 0) == sizeof body);
}

static void receive_number (void *socket, int number)
{
    char body[64];
    CHECK (zmq_recv (socket, body, sizeof body, 0) == sizeof body);
    CHECK (memcmp (body, &number, sizeof number) == 0);
}

/* So long is a connection idle that none of what follows belongs to a burst. */
static void pass_us (long time_us)
{
    struct timespec now, begun;
    CHECK (clock_gettime (CLOCK_MONOTONIC, &begun) == 0);
    do
        CHECK (clock_gettime (CLOCK_MONOTONIC, &now) == 0);
    while ((now.tv_sec - begun.tv_sec) * 1000000L + (now.tv_nsec - begun.tv_nsec) / 1000 < time_us);
}

static void *receive_all (void *socket)
{
    for (int number = 0; number < MESSAGES; number++)
        receive_number (socket, number);
    return NULL;
}

static void between (const char *transport, int mark)
{
    endpoint_t endpoint;
    void *context = new_context (), *puller = new_marked (context, ZMQ_PULL, mark),
         *pusher = new_marked (context, ZMQ_PUSH, mark);
    const int local = strcmp (transport, "inproc") == 0;
    bind_fresh (puller, transport, endpoint);
    connect_to (pusher, endpoint);
    send_number (pusher, 0);
    receive_number (puller, 0);
    printf ("# %s, high-water mark %d\n", transport, mark);

    /* A message into an idle connection leaves at once, written by its caller, also where it fills the pipe: nobody is woken
     * for it, no alarm is set. */
    begin ("one after the other");
    for (int round = 0; round < ROUNDS; round++) {
        pass_us (20);
        send_number (pusher, round);
        receive_number (puller, round);
    }
    end ();
    expect (WRITES, local ? 0 : ROUNDS, local ? 0 : ROUNDS + ROUNDS / 10);
    expect (FLUSHES, local ? 0 : ROUNDS - ROUNDS / 10, local ? 0 : ROUNDS + ROUNDS / 10);
    expect (ALARMS, 0, local ? 0 : ROUNDS / 10);
    /* A background thread that reads is told of the room in a full pipe. */
    expect (BACKGROUND_WAKES, 0, local ? 0 : mark ? ROUNDS : ROUNDS / 10);
    expect (WAKES, 0, local ? 0 : ROUNDS / 10);

    if (mark != 0)
        goto done;

    /* What a thread left unsent goes out when it waits, here for another socket, and not by the alarm. */
    begin ("three at once");
    for (int round = 0; round < ROUNDS; round++) {
        pass_us (20);
        for (int number = 0; number < 3; number++)
            send_number (pusher, number);
        for (int number = 0; number < 3; number++)
            receive_number (puller, number);
    }
    end ();
    expect (FLUSHES, local ? 0 : ROUNDS + ROUNDS / 2, local ? 0 : 3 * ROUNDS);
    expect (SLEEPS, 0, local ? 0 : ROUNDS / 2);

    /* A burst is collected. */
    begin ("burst sent");
    for (int number = 0; number < MESSAGES; number++)
        send_number (pusher, number);
    end ();
    expect (WRITES, local ? 0 : 1, local ? 0 : MESSAGES / 20);
    expect (FLUSHES, local ? 0 : 1, local ? 0 : MESSAGES / 20);
    expect (ALARMS, local ? 0 : 1, local ? 0 : MESSAGES / 20);
    expect (WAKES, 0, local ? 0 : MESSAGES / 20);
    expect (BACKGROUND_WAKES, 0, local ? 0 : MESSAGES / 20);

    begin ("burst received");
    receive_all (puller);
    end ();
    expect (READS, 0, local ? 0 : MESSAGES / 20);
    expect (SLEEPS, 0, local ? 0 : MESSAGES / 20);
    expect (WAKES, 0, local ? 0 : MESSAGES / 20);

    /* What a burst leaves behind arrives although its sender makes no further call. */
    begin ("tail");
    pthread_t thread = start (receive_all, puller);
    for (int number = 0; number < MESSAGES; number++)
        send_number (pusher, number);
    join (thread);
    end ();
    expect (ALARMS, local ? 0 : 1, local ? 0 : MESSAGES / 10);
    expect (FLUSHES, local ? 0 : 1, local ? 0 : MESSAGES / 10);

done:
    close_socket (pusher);
    close_socket (puller);
    end_context (context);
    atomic_fetch_add (&progress, 1);
}

int main (void)
{
    void *found = dlsym (RTLD_DEFAULT, "monocoque_counter");
    uint64_t value;
    CHECK (found);
    memcpy (&counter, &found, sizeof found);
    CHECK (counter ("writes", NULL) == -1 && zmq_errno () == EFAULT);
    CHECK (counter (NULL, &value) == -1 && zmq_errno () == EFAULT);
    CHECK (counter ("messages", &value) == -1 && zmq_errno () == EINVAL);
    start_watchdog ();
    for (int mark = 0; mark <= 2; mark++) {
        between ("tcp", mark);
        between ("ipc", mark);
        between ("inproc", mark);
    }
    printf ("ok\n");
    return 0;
}
