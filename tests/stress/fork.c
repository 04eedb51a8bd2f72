/* A process that forks while its sockets work (zmq(7) is silent; a child of this library's process has none of its objects).
 *
 *   fork CHILDREN [only-parent]
 *
 * In the child every inherited handle is ENOTSOCK or EFAULT, closing and terminating them is safe, a context of its own works
 * and reaches the parent, and neither exit nor _exit disturbs the parent, which meanwhile loses nothing. With only-parent the
 * children leave at once: that much libzmq does as well. */
#include "stress.h"

#define BODY 200
#define MESSAGES 200

static void *context, *push_side, *pull_side, *reply_side, *timers;
static atomic_int stopping;
static atomic_long sent;
static endpoint_t reply_endpoint;
/* Sockets that this program was started with. */
static int foreign_sockets;

static void nothing (int timer UNUSED, void *argument UNUSED) {}

/* Numbered messages, as fast as they go, until told to stop; the last one is -1. */
static void *pusher (void *argument)
{
    char body[BODY] = {0};
    long number = 0;
    for (; !atomic_load (&stopping); number++) {
        memcpy (body, &number, sizeof number);
        CHECK (zmq_send (push_side, body, BODY, 0) == BODY);
    }
    atomic_store (&sent, number);
    number = -1;
    memcpy (body, &number, sizeof number);
    CHECK (zmq_send (push_side, body, BODY, 0) == BODY);
    return argument;
}

static void *puller (void *argument)
{
    char body[BODY];
    for (long expected = 0;; expected++) {
        CHECK (zmq_recv (pull_side, body, BODY, 0) == BODY);
        long number;
        memcpy (&number, body, sizeof number);
        if (number == -1) {
            CHECK (expected == atomic_load (&sent));
            return argument;
        }
        if (number != expected) {
            printf ("FAILED: message %ld came instead of %ld\n", number, expected);
            exit (3);
        }
        atomic_fetch_add (&progress, 1);
    }
}

/* Answers children; an empty request ends it. */
static void *replier (void *argument)
{
    char text[16];
    while (take (reply_side, text, sizeof text) > 0)
        put (reply_side, text);
    put (reply_side, "end");
    return argument;
}

/* In the child --------------------------------------------------------------------------------------------------------- */

static void refused (const char *what, long result, int error)
{
    if (result == -1 && zmq_errno () == error)
        return;
    printf ("FAILED: in the child, %s: %ld, %s\n", what, result, error_name (zmq_errno ()));
    fflush (stdout);
    _exit (3);
}
#define REFUSED(call, error) refused (#call, (long) (call), error)

static void use_what_was_inherited (void)
{
    char text[16];
    int value = 0;
    size_t size = sizeof value;
    zmq_pollitem_t item = {pull_side, 0, ZMQ_POLLIN, 0};
    REFUSED (zmq_send (push_side, "x", 1, 0), ENOTSOCK);
    REFUSED (zmq_recv (pull_side, text, sizeof text, 0), ENOTSOCK);
    REFUSED (zmq_getsockopt (reply_side, ZMQ_EVENTS, &value, &size), ENOTSOCK);
    REFUSED (zmq_setsockopt (reply_side, ZMQ_LINGER, &value, sizeof value), ENOTSOCK);
    REFUSED (zmq_bind (reply_side, "inproc://child"), ENOTSOCK);
    REFUSED (zmq_poll (&item, 1, -1), ENOTSOCK);
    REFUSED (zmq_proxy (pull_side, push_side, NULL), ENOTSOCK);
    REFUSED (zmq_timers_add (timers, 1000, nothing, NULL), EFAULT);
    REFUSED (zmq_ctx_set (context, ZMQ_IO_THREADS, 2), EFAULT);
    REFUSED (zmq_ctx_shutdown (context), EFAULT);
    CHECK (zmq_socket (context, ZMQ_PAIR) == NULL && zmq_errno () == EFAULT);
    REFUSED (zmq_close (push_side), ENOTSOCK);
    REFUSED (zmq_close (pull_side), ENOTSOCK);
    REFUSED (zmq_ctx_term (context), EFAULT);
}

/* Open descriptors of that kind, as /proc names them. */
static int descriptors_of_kind (const char *kind)
{
    char path[300], target[256];
    int count = 0;
    DIR *entries = opendir ("/proc/self/fd");
    CHECK (entries);
    for (struct dirent *entry; (entry = readdir (entries));) {
        snprintf (path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t size = readlink (path, target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        count += strstr (target, kind) != NULL;
    }
    closedir (entries);
    return count;
}

/* No ring, and no descriptor of the parent's connections, may be open in the child. */
static void look_at_descriptors (void)
{
    int rings = descriptors_of_kind ("io_uring"), connections = descriptors_of_kind ("socket:") - foreign_sockets;
    if (rings || connections) {
        printf ("FAILED: the child inherited %d rings and %d network sockets\n", rings, connections);
        fflush (stdout);
        _exit (3);
    }
}

static void work_in_the_child (void)
{
    char text[16];
    void *own = new_context (), *request = new_socket (own, ZMQ_REQ);
    connect_to (request, reply_endpoint);
    for (int i = 0; i < MESSAGES; i++) {
        put (request, "child");
        CHECK (take (request, text, sizeof text) == 5 && strcmp (text, "child") == 0);
    }
    void *left = new_socket (own, ZMQ_PAIR), *right = new_socket (own, ZMQ_PAIR);
    CHECK (zmq_bind (left, "inproc://child") == 0 && zmq_connect (right, "inproc://child") == 0);
    put (left, "own");
    CHECK (take (right, text, sizeof text) == 3);
    close_socket (left);
    close_socket (right);
    close_socket (request);
    end_context (own);
}

static void in_the_child (int number)
{
    start_watchdog ();
    stage = "the inherited handles";
    use_what_was_inherited ();
    stage = "the descriptors";
    look_at_descriptors ();
    stage = "the child's own context";
    work_in_the_child ();
    use_what_was_inherited ();
    /* With and without the functions that a library may have registered. */
    if (number % 2)
        exit (0);
    _exit (0);
}

int main (int count, char **values)
{
    int children = (int) argument_or (count, values, 1, 20);
    int only_parent = count > 2;
    endpoint_t endpoint;
    setvbuf (stdout, NULL, _IOLBF, 0);
    start_watchdog ();
    foreign_sockets = descriptors_of_kind ("socket:");
    context = new_context ();
    push_side = new_socket (context, ZMQ_PUSH);
    pull_side = new_socket (context, ZMQ_PULL);
    reply_side = new_socket (context, ZMQ_REP);
    void *monitor = open_monitor (context, reply_side, ZMQ_EVENT_DISCONNECTED);
    timers = zmq_timers_new ();
    bind_fresh (pull_side, "tcp", endpoint);
    connect_to (push_side, endpoint);
    bind_fresh (reply_side, "tcp", reply_endpoint);
    pthread_t threads[] = {start (pusher, NULL), start (puller, NULL), start (replier, NULL)};
    stage = "forking";
    while (atomic_load (&progress) == 0)
        sched_yield ();
    int settled = descriptors_of_kind ("socket:");
    for (int i = 0; i < children; i++) {
        /* What the kernel accepts during the fork is nobody's: the last child's connection is gone first. */
        while (descriptors_of_kind ("socket:") > settled)
            sched_yield ();
        pid_t child = fork ();
        CHECK (child != -1);
        if (child == 0) {
            if (only_parent)
                _exit (0);
            in_the_child (i);
        }
        int status;
        while (waitpid (child, &status, 0) == -1)
            CHECK (errno == EINTR);
        if (status != 0) {
            printf ("FAILED: child %d ended with status %x\n", i, (unsigned) status);
            return 3;
        }
        /* The event says that the parent had accepted it. */
        if (!only_parent)
            wait_for_event (monitor, ZMQ_EVENT_DISCONNECTED);
        atomic_fetch_add (&progress, 1);
    }
    stage = "the parent's end";
    void *last = new_socket (context, ZMQ_REQ);
    char text[16];
    connect_to (last, reply_endpoint);
    CHECK (zmq_send (last, "", 0, 0) == 0 && take (last, text, sizeof text) == 3);
    atomic_store (&stopping, 1);
    for (int i = 0; i < COUNT (threads); i++)
        join (threads[i]);
    close_socket (last);
    close_socket (monitor);
    close_socket (push_side);
    close_socket (pull_side);
    close_socket (reply_side);
    CHECK (zmq_timers_destroy (&timers) == 0);
    end_context (context);
    printf ("ok: %d children\n", children);
    return 0;
}
