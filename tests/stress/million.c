/* A million small messages from a PUSH to a PULL over tcp, in two processes.
 *
 *   million MESSAGES
 *   million push MESSAGES PORT, million pull MESSAGES PORT     one side
 *
 * A side prints how many allocations its process made after its first messages, and how many system calls that move data. */
#include "count_allocations.h"
#include "count_calls.h"
#include "stress.h"

#define SIZE 64
#define WARM_UP 20000

static void *context, *sock;

static void push (long messages, int port)
{
    endpoint_t endpoint;
    sock = zmq_socket (context, ZMQ_PUSH);
    CHECK (sock);
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    connect_to (sock, endpoint);
    char body[SIZE] = {0};
    unsigned long before = 0;
    for (long i = 0; i < messages; i++) {
        if (i == WARM_UP)
            before = atomic_load (&allocations);
        memcpy (body, &i, sizeof i);
        CHECK (zmq_send (sock, body, SIZE, 0) == SIZE);
    }
    unsigned long after = atomic_load (&allocations);
    CHECK (zmq_close (sock) == 0);
    end_context (context);
    printf ("push: %ld messages, %lu allocations, %lu data calls\n", messages, after - before, atomic_load (&data_calls));
}

static void pull (long messages, int port)
{
    endpoint_t endpoint;
    sock = new_socket (context, ZMQ_PULL);
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    CHECK (zmq_bind (sock, endpoint) == 0);
    char body[SIZE];
    unsigned long before = 0;
    for (long i = 0; i < messages; i++) {
        if (i == WARM_UP)
            before = atomic_load (&allocations);
        CHECK (zmq_recv (sock, body, SIZE, 0) == SIZE);
        CHECK (memcmp (body, &i, sizeof i) == 0);
    }
    unsigned long after = atomic_load (&allocations);
    close_socket (sock);
    end_context (context);
    printf ("pull: %ld messages, %lu allocations, %lu data calls\n", messages, after - before, atomic_load (&data_calls));
}

static int free_port (void)
{
    endpoint_t endpoint;
    void *other = new_context (), *probe = new_socket (other, ZMQ_PULL);
    bind_fresh (probe, "tcp", endpoint);
    unbind_and_wait (other, probe, endpoint);
    close_socket (probe);
    end_context (other);
    return atoi (strrchr (endpoint, ':') + 1);
}

static pid_t run_side (const char *program, const char *side, const char *messages, int port)
{
    char number[16];
    snprintf (number, sizeof number, "%d", port);
    pid_t child = fork ();
    CHECK (child != -1);
    if (child)
        return child;
    execl (program, program, side, messages, number, (char *) NULL);
    fail (program);
    return -1;
}

int main (int count, char **values)
{
    if (count == 4) {
        context = new_context ();
        (strcmp (values[1], "push") == 0 ? push : pull) (atol (values[2]), atoi (values[3]));
        return 0;
    }
    CHECK (count == 2);
    int port = free_port (), failed = 0, status;
    pid_t sides[2] = {run_side (values[0], "pull", values[1], port), run_side (values[0], "push", values[1], port)};
    for (int i = 0; i < 2; i++) {
        pid_t child = wait (&status);
        CHECK (child != -1);
        if (status != 0 && !failed) {
            failed = 1;
            printf ("FAILED: the %s process ended with status %x\n", child == sides[0] ? "pulling" : "pushing", (unsigned) status);
            kill (sides[child == sides[0]], SIGKILL);
        }
    }
    return failed ? 3 : 0;
}
