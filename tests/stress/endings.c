/* How sockets and contexts end: what zmq_ctx_term says when it waits for long, which ZMQ_LINGER counts, and when a port is free again.
 *
 *   endings wait|quiet|linger|unbind
 *
 * zmq_ctx_term(3), zmq_setsockopt(3) (ZMQ_LINGER), zmq_unbind(3), zmq_close(3). */
#include "stress.h"
#include "../../tests-c/raw.h"

#include <poll.h>

static void *end_of (void *context)
{
    int result = zmq_ctx_term (context);
    return (void *) (intptr_t) (result == 0 ? 0 : zmq_errno ());
}

static int outcome_of (pthread_t thread)
{
    void *outcome;
    CHECK (pthread_join (thread, &outcome) == 0);
    return (int) (intptr_t) outcome;
}

static void on_signal (int number UNUSED)
{
}

static void put_many (void *socket, int count)
{
    for (int i = 0; i < count; i++)
        put (socket, "late");
}

static void take_many (void *context, const char *endpoint, int count)
{
    char text[16];
    void *pull = new_socket (context, ZMQ_PULL);
    CHECK (zmq_bind (pull, endpoint) == 0);
    for (int i = 0; i < count; i++)
        CHECK (take (pull, text, sizeof text) == 4);
    close_socket (pull);
}

/* The line on the standard error, which is a pipe here; empty if none comes in that time. */
static void read_line (int fd, int limit_ms, char *line, size_t room)
{
    struct pollfd item = {fd, POLLIN, 0};
    ssize_t size = 0;
    if (poll (&item, 1, limit_ms) == 1)
        size = read (fd, line, room - 1);
    CHECK (size >= 0);
    line[size] = 0;
}

/* The wait is told once, and goes on; a signal ends it with EINTR, and the next call waits on. */
static void wait_long (int quiet)
{
    enum { MESSAGES = 3, TOLD_MS = 20000, QUIET_FOR_MS = 7000 };
    static char line[2000], expected[400];
    endpoint_t nobody;
    int ends[2];
    fresh_endpoint ("ipc", nobody);
    CHECK (pipe (ends) == 0 && dup2 (ends[1], 2) == 2);
    struct sigaction action = {.sa_handler = on_signal};
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    void *context = new_context (), *other = new_context ();
    void *push = zmq_socket (context, ZMQ_PUSH), *open = zmq_socket (context, ZMQ_SUB);
    CHECK (push && open);
    connect_to (push, nobody);
    put_many (push, MESSAGES);
    close_socket (push);
    pthread_t waiting = start (end_of, context);
    read_line (ends[0], quiet ? QUIET_FOR_MS : TOLD_MS, line, sizeof line);
    if (quiet)
        CHECK (!*line);
    else {
        snprintf (expected, sizeof expected, "1 socket not closed (SUB); not sent: %d messages of a PUSH for %s ", MESSAGES, nobody);
        printf ("%s", line);
        CHECK (strstr (line, expected) && strchr (line, '\n') == line + strlen (line) - 1);
    }
    CHECK (pthread_kill (waiting, SIGUSR1) == 0);
    CHECK (outcome_of (waiting) == EINTR);
    waiting = start (end_of, context);
    close_socket (open);
    take_many (other, nobody, MESSAGES);
    CHECK (outcome_of (waiting) == 0);
    /* Nothing was said again. */
    CHECK (close (ends[1]) == 0 && close (2) == 0);
    read_line (ends[0], -1, line, sizeof line);
    CHECK (!*line);
    end_context (other);
}

/* A listener whose queue is full, so that who connects waits; `fillers` are in the queue. */
static int full_listener (endpoint_t endpoint, int fillers[16])
{
    *endpoint = 0;
    int listener = raw_bind (endpoint);
    CHECK (listen (listener, 0) == 0);
    struct sockaddr_in address = raw_address (endpoint);
    for (int i = 0; i < 16; i++) {
        fillers[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK (fillers[i] != -1);
        CHECK (connect (fillers[i], (struct sockaddr *) &address, sizeof address) == 0 || errno == EINPROGRESS);
    }
    return listener;
}

/* ZMQ_LINGER at the time of zmq_close counts, for all pipes, and whatever connections are doing. */
static void linger_late (void)
{
    static const int lingers[][2] = {{-1, 0}, {600000, 0}, {0, -1}, {0, 600000}, {1, -1}};
    endpoint_t busy;
    int fillers[16], listener = full_listener (busy, fillers);
    for (int round = 0; round < COUNT (lingers); round++) {
        int late = lingers[round][1];
        void *context = new_context (), *other = new_context ();
        void *push = zmq_socket (context, ZMQ_PUSH);
        CHECK (push);
        set_int (push, ZMQ_LINGER, lingers[round][0]);
        endpoint_t nobody[3];
        for (int i = 0; i < COUNT (nobody); i++) {
            fresh_endpoint ("ipc", nobody[i]);
            connect_to (push, nobody[i]);
        }
        put_many (push, 2 * COUNT (nobody));
        if (late == 0) {
            /* One more, which is in the middle of connecting. */
            connect_to (push, busy);
            put_many (push, 4);
        }
        set_int (push, ZMQ_LINGER, late);
        close_socket (push);
        pthread_t ending = start (end_of, context);
        if (late != 0)
            for (int i = 0; i < COUNT (nobody); i++)
                take_many (other, nobody[i], 2);
        CHECK (outcome_of (ending) == 0);
        end_context (other);
        atomic_fetch_add (&progress, 1);
    }
    for (int i = 0; i < COUNT (fillers); i++)
        close (fillers[i]);
    close (listener);
}

/* The port of a listener is free when zmq_unbind or zmq_close returns, also with connections that were accepted there. */
static void unbind_often (void)
{
    void *context = new_context ();
    endpoint_t endpoint;
    char text[16];
    void *pull = new_socket (context, ZMQ_PULL);
    bind_fresh (pull, "tcp", endpoint);
    for (int round = 0; round < 200; round++) {
        stage = round % 2 ? "zmq_close" : "zmq_unbind";
        void *push = new_socket (context, ZMQ_PUSH);
        connect_to (push, endpoint);
        put (push, "here");
        CHECK (take (pull, text, sizeof text) == 4);
        if (round % 2) {
            close_socket (pull);
            pull = new_socket (context, ZMQ_PULL);
        } else
            CHECK (zmq_unbind (pull, endpoint) == 0);
        CHECK (zmq_bind (pull, endpoint) == 0);
        close_socket (push);
        atomic_fetch_add (&progress, 1);
    }
    close_socket (pull);
    end_context (context);
}

int main (int count, char **arguments)
{
    CHECK (count == 2);
    start_watchdog ();
    if (strcmp (arguments[1], "linger") == 0)
        linger_late ();
    else if (strcmp (arguments[1], "unbind") == 0)
        unbind_often ();
    else
        wait_long (strcmp (arguments[1], "quiet") == 0);
    return 0;
}
