/* A million small messages from a PUSH to a PULL over tcp, in two processes: the one that is looked at, and its peer.
 *
 *   million push MESSAGES COMMAND...     looks at the pushing side
 *   million pull MESSAGES COMMAND...     looks at the pulling side
 *   million push-only MESSAGES PORT, million pull-only MESSAGES PORT     one side
 *
 * The peer is a child of this process; the other side is run by COMMAND (count_syscalls, for example), or as it is. A side
 * prints how many allocations its process made after its first messages. */
#include "count_allocations.h"
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
    printf ("push: %ld messages, %lu allocations\n", messages, after - before);
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
    printf ("pull: %ld messages, %lu allocations\n", messages, after - before);
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

static pid_t run_side (const char *program, const char *side, char **command, const char *messages, int port)
{
    char name[16], number[16];
    snprintf (name, sizeof name, "%s-only", side);
    snprintf (number, sizeof number, "%d", port);
    pid_t child = fork ();
    CHECK (child != -1);
    if (child)
        return child;
    char *arguments[32];
    int count = 0;
    while (*command && count < 24)
        arguments[count++] = *command++;
    arguments[count++] = (char *) program;
    arguments[count++] = name;
    arguments[count++] = (char *) messages;
    arguments[count++] = number;
    arguments[count] = NULL;
    execv (arguments[0], arguments);
    fail (arguments[0]);
    return -1;
}

int main (int count, char **values)
{
    CHECK (count >= 3);
    const char *side = values[1];
    long messages = atol (values[2]);
    if (strstr (side, "-only")) {
        CHECK (count == 4);
        context = new_context ();
        (side[3] == 'h' ? push : pull) (messages, atoi (values[3]));
        return 0;
    }
    int port = free_port (), failed = 0, status;
    char *nothing[] = {NULL};
    pid_t other = run_side (values[0], strcmp (side, "push") == 0 ? "pull" : "push", nothing, values[2], port);
    pid_t looked_at = run_side (values[0], side, values + 3, values[2], port);
    for (int i = 0; i < 2; i++) {
        pid_t child = wait (&status);
        CHECK (child != -1);
        if (status != 0 && !failed) {
            failed = 1;
            printf ("FAILED: the %s process ended with status %x\n", child == other ? "other" : "traced", (unsigned) status);
            kill (child == other ? looked_at : other, SIGKILL);
        }
    }
    return failed ? 3 : 0;
}
