/* Says which driver the library has: before it has been used, while a context works, after that, and in a forked child.
 *
 *   driver
 *
 * One word a line, so that the test compares the whole. What was tried and refused must leave no descriptor. */
#include "../stress/stress.h"
#include <dlfcn.h>

static const char *driver (void)
{
    const char *(*function) (void);
    void *found = dlsym (RTLD_DEFAULT, "monocoque_driver");
    CHECK (found);
    memcpy (&function, &found, sizeof found);
    const char *name = function ();
    if (!name)
        return zmq_strerror (zmq_errno ());
    /* zmq_has says the same. */
    CHECK (zmq_has ("io_uring") == (strcmp (name, "io_uring") == 0));
    return name;
}

int main (void)
{
    int before = descriptors ();
    printf ("%s\n", driver ());
    CHECK (descriptors () == before);
    void *context = new_context (), *pull = zmq_socket (context, ZMQ_PULL);
    if (!pull) {
        printf ("no socket: %s\n", zmq_strerror (zmq_errno ()));
        end_context (context);
        return 0;
    }
    void *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    char text[16];
    bind_fresh (pull, "tcp", endpoint);
    connect_to (push, endpoint);
    put (push, "message");
    CHECK (take (pull, text, sizeof text) == 7);
    printf ("%s\n", driver ());
    close_socket (push);
    close_socket (pull);
    end_context (context);
    printf ("%s\n", driver ());
    fflush (stdout);
    pid_t child = fork ();
    CHECK (child != -1);
    if (child == 0) {
        printf ("%s\n", driver ());
        return 0;
    }
    int status;
    CHECK (waitpid (child, &status, 0) == child && status == 0);
    return 0;
}
