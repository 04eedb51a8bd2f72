/* zmq_poll: sockets and descriptors, time-outs, what readiness means, EINTR, ETERM (zmq_poll(3)). */
#include "common.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void *context;

static void show_poll (zmq_pollitem_t *items, int count, long timeout)
{
    int rc = zmq_poll (items, count, timeout);
    printf ("  poll (%d items, %ld) -> %d %s:", count, timeout, rc, rc == -1 ? error_name (zmq_errno ()) : "");
    for (int i = 0; i < count; i++)
        printf (" %d", items[i].revents);
    printf ("\n");
}

static void sockets (const char *transport)
{
    part ("sockets over %s", transport);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER), *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    zmq_pollitem_t items[] = {{server, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 77}, {client, -1, ZMQ_POLLIN, 77}, {push, 5, ZMQ_POLLOUT, 77}};
    show_poll (items, 3, 0);
    bind_fresh (server, transport, endpoint);
    show_poll (items, 3, 10);
    connect_to (client, endpoint);
    put (client, "one");
    put (client, "two");
    while (!(int_option (server, ZMQ_EVENTS) & ZMQ_POLLIN) || !(int_option (server, ZMQ_EVENTS) & ZMQ_POLLOUT))
        wait_for (server, ZMQ_POLLIN);
    items[0].revents = items[1].revents = items[2].revents = 99;
    show_poll (items, 3, 0);
    show_poll (items, 3, -1);
    show_poll (items, 1, 100000);
    items[0].events = ZMQ_POLLIN;
    show_poll (items, 3, -1);
    items[0].events = ZMQ_POLLERR | ZMQ_POLLPRI;
    show_poll (items, 3, 0);
    items[0].events = 0;
    show_poll (items, 3, 0);
    items[0].events = ZMQ_POLLIN;
    SHOW (zmq_recv (server, NULL, 0, 0));
    show_poll (items, 3, -1);
    SHOW (zmq_recv (server, NULL, 0, 0));
    show_poll (items, 3, 0);
    part ("the same socket twice over %s", transport);
    zmq_pollitem_t twice[] = {{client, 0, ZMQ_POLLOUT, 0}, {client, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0}};
    show_poll (twice, 2, -1);
    put (server, "x");
    wait_for (client, ZMQ_POLLIN);
    show_poll (twice, 2, -1);
    close_socket (server);
    close_socket (client);
    close_socket (push);
}

static void descriptors (void)
{
    part ("descriptors");
    int pair[2], pipes[2];
    CHECK (socketpair (AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK (pipe (pipes) == 0);
    zmq_pollitem_t items[] = {{NULL, pair[0], ZMQ_POLLIN, 9}, {NULL, pair[1], ZMQ_POLLOUT | ZMQ_POLLIN, 9}, {NULL, pipes[0], ZMQ_POLLIN, 9}};
    show_poll (items, 3, 0);
    show_poll (items, 1, 10);
    CHECK (write (pair[1], "x", 1) == 1);
    show_poll (items, 3, -1);
    items[0].events = 0;
    show_poll (items, 3, 0);
    CHECK (close (pipes[1]) == 0);
    show_poll (items, 3, -1);
    part ("descriptors and sockets");
    void *one = new_socket (context, ZMQ_PAIR), *two = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (one, "tcp", endpoint);
    connect_to (two, endpoint);
    zmq_pollitem_t mixed[] = {{one, 0, ZMQ_POLLIN, 0}, {NULL, pair[0], ZMQ_POLLIN, 0}, {NULL, pair[1], ZMQ_POLLIN, 0}};
    show_poll (mixed, 3, -1);
    char byte;
    CHECK (read (pair[0], &byte, 1) == 1);
    show_poll (mixed, 3, 0);
    put (two, "x");
    show_poll (mixed, 3, -1);
    close_socket (one);
    close_socket (two);
    close (pair[0]);
    close (pair[1]);
    close (pipes[0]);
}

/* A closed descriptor, none at all, nothing asked for, and what is no socket. */
static void unusable (void)
{
    part ("descriptors that are closed or none, no events, the same socket often, no socket");
    void *pub = new_socket (context, ZMQ_PUB), *pull = new_socket (context, ZMQ_PULL);
    int pipes[2];
    CHECK (pipe (pipes) == 0);
    int closed = dup (pipes[0]);
    CHECK (closed != -1 && close (closed) == 0);
    zmq_pollitem_t items[] = {{NULL, closed, ZMQ_POLLIN, 5}, {pub, 0, ZMQ_POLLOUT, 5}};
    show_poll (items, 1, 0);
    show_poll (items, 1, -1);
    show_poll (items, 2, -1);
    zmq_pollitem_t none[] = {{NULL, -1, ZMQ_POLLIN, 5}, {NULL, -7, ZMQ_POLLIN | ZMQ_POLLOUT, 5}};
    show_poll (none, 2, 0);
    show_poll (none, 2, 10);
    zmq_pollitem_t silent[] = {{NULL, pipes[1], 0, 5}, {pub, 0, 0, 5}, {NULL, closed, 0, 5}};
    show_poll (silent, 2, 0);
    show_poll (silent, 2, 10);
    show_poll (silent, 3, 10);
    zmq_pollitem_t often[] = {{pub, 0, ZMQ_POLLOUT, 0}, {pub, 0, ZMQ_POLLOUT, 0}, {pub, 0, ZMQ_POLLIN, 0}, {pull, 0, ZMQ_POLLIN, 3}, {pull, 0, ZMQ_POLLIN, 3}};
    show_poll (often, 5, -1);
    show_poll (often + 2, 3, 5);
    static char foreign[4096];
    zmq_pollitem_t wrong[] = {{pub, 0, ZMQ_POLLOUT, 5}, {foreign, 0, ZMQ_POLLIN, 6}};
    show_poll (wrong, 2, 0);
    show_poll (wrong, 2, -1);
    close (pipes[0]);
    zmq_pollitem_t broken = {NULL, pipes[1], ZMQ_POLLERR, 5};
    show_poll (&broken, 1, -1);
    close (pipes[1]);
    close_socket (pub);
    close_socket (pull);
}

static void urgent (void)
{
    part ("urgent data, and a connection that was reset");
    void *pub = new_socket (context, ZMQ_PUB);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket (AF_INET, SOCK_STREAM, 0), client = socket (AF_INET, SOCK_STREAM, 0);
    CHECK (bind (listener, (struct sockaddr *) &address, size) == 0 && listen (listener, 1) == 0);
    CHECK (getsockname (listener, (struct sockaddr *) &address, &size) == 0);
    CHECK (connect (client, (struct sockaddr *) &address, size) == 0);
    int server = accept (listener, NULL, NULL);
    zmq_pollitem_t items[] = {{NULL, server, ZMQ_POLLPRI, 5}, {NULL, server, ZMQ_POLLIN, 5}, {NULL, server, ZMQ_POLLIN | ZMQ_POLLPRI, 5}, {pub, 0, ZMQ_POLLPRI | ZMQ_POLLERR, 9}};
    CHECK (send (client, "!", 1, MSG_OOB) == 1);
    show_poll (items, 4, -1);
    CHECK (send (client, "data", 4, 0) == 4);
    show_poll (items + 1, 1, -1);
    show_poll (items, 4, -1);
    struct linger at_once = {1, 0};
    CHECK (setsockopt (client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 && close (client) == 0);
    zmq_pollitem_t reset[] = {{NULL, server, 0, 5}, {NULL, server, ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLERR, 5}};
    show_poll (reset, 1, -1);
    show_poll (reset, 2, -1);
    close (server);
    close (listener);
    close_socket (pub);
}

static void shut_down (void)
{
    part ("a socket among the items whose context was shut down");
    void *ending = new_context (), *pull = new_socket (ending, ZMQ_PULL), *pub = new_socket (context, ZMQ_PUB);
    CHECK (zmq_ctx_shutdown (ending) == 0);
    zmq_pollitem_t items[] = {{pub, 0, ZMQ_POLLOUT, 7}, {pull, 0, ZMQ_POLLIN, 7}};
    SHOW (zmq_poll (items, 2, 0));
    SHOW (zmq_poll (items, 2, -1));
    SHOW (zmq_poll (items + 1, 1, 10));
    items[1].events = 0;
    SHOW (zmq_poll (items + 1, 1, 0));
    close_socket (pull);
    close_socket (pub);
    end_context (ending);
}

static void arguments (void)
{
    part ("arguments");
    zmq_pollitem_t item = {NULL, -1, ZMQ_POLLIN, 9};
    SHOW (zmq_poll (NULL, 0, 0));
    SHOW (zmq_poll (NULL, 0, 10));
    SHOW (zmq_poll (&item, 0, 10));
    SHOW (zmq_poll (NULL, 1, 0));
    SHOW (zmq_poll (&item, -1, 0));
    part ("time-outs are at least kept");
    void *pull = new_socket (context, ZMQ_PULL);
    zmq_pollitem_t wait = {pull, 0, ZMQ_POLLIN, 0};
    static const int times[] = {0, 1, 20, 60};
    for (int i = 0; i < COUNT (times); i++) {
        int64_t start_ms = now_ms ();
        SHOW (zmq_poll (&wait, 1, times[i]));
        SHOW (now_ms () - start_ms >= times[i]);
        start_ms = now_ms ();
        SHOW (zmq_poll (NULL, 0, times[i]));
        SHOW (now_ms () - start_ms >= times[i]);
    }
    close_socket (pull);
}

static void *send_one (void *socket)
{
    put (socket, "wake up");
    return NULL;
}

static void wakes_up (const char *transport)
{
    part ("a waiting poll is woken over %s", transport);
    void *sender = new_socket (context, ZMQ_PUSH), *receiver = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (receiver, transport, endpoint);
    connect_to (sender, endpoint);
    zmq_pollitem_t item = {receiver, 0, ZMQ_POLLIN, 0};
    for (int i = 0; i < 20; i++) {
        pthread_t thread = start (send_one, sender);
        CHECK (zmq_poll (&item, 1, -1) == 1 && item.revents == ZMQ_POLLIN);
        CHECK (zmq_recv (receiver, NULL, 0, ZMQ_DONTWAIT) == 7);
        join (thread);
    }
    part ("POLLOUT comes back when there is room over %s", transport);
    close_socket (sender);
    close_socket (receiver);
    sender = new_socket (context, ZMQ_PUSH);
    receiver = new_socket (context, ZMQ_PULL);
    set_int (sender, ZMQ_SNDHWM, 2);
    set_int (receiver, ZMQ_RCVHWM, 2);
    bind_fresh (receiver, transport, endpoint);
    connect_to (sender, endpoint);
    static char large[1000000];
    zmq_pollitem_t room = {sender, 0, ZMQ_POLLOUT, 0};
    while (zmq_poll (&room, 1, 200) == 1)
        zmq_send (sender, large, sizeof large, ZMQ_DONTWAIT);
    SHOW (zmq_send (sender, large, sizeof large, ZMQ_DONTWAIT));
    while (zmq_poll (&room, 1, 20) == 0)
        CHECK (zmq_recv (receiver, NULL, 0, 0) == sizeof large);
    SHOW (room.revents);
    SHOW (zmq_send (sender, "x", 1, ZMQ_DONTWAIT));
    close_socket (sender);
    close_socket (receiver);
}

static void on_signal (int number)
{
    (void) number;
}

/* Sends signals until it is told that the call came back. */
static atomic_int interrupted;
static void *interrupt (void *thread)
{
    while (!atomic_load (&interrupted)) {
        pthread_kill (*(pthread_t *) thread, SIGUSR1);
        usleep (1000);
    }
    return NULL;
}

static void interrupts (void)
{
    part ("a signal ends blocked calls");
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    void *pull = new_socket (context, ZMQ_PULL), *push = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (pull, "tcp", endpoint);
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {NULL, 0, 0, 0}};
    pthread_t self = pthread_self (), thread;
    zmq_msg_t message;
    zmq_msg_init (&message);
#define INTERRUPTED(call)                                                                                              \
    atomic_store (&interrupted, 0);                                                                                    \
    thread = start (interrupt, &self);                                                                                 \
    SHOW (call);                                                                                                       \
    atomic_store (&interrupted, 1);                                                                                    \
    join (thread)
    INTERRUPTED (zmq_poll (items, 1, -1));
    INTERRUPTED (zmq_poll (items, 1, 60000));
    INTERRUPTED (zmq_recv (pull, NULL, 0, 0));
    INTERRUPTED (zmq_msg_recv (&message, pull, 0));
    INTERRUPTED (zmq_send (push, "x", 1, 0));
    set_int (pull, ZMQ_RCVTIMEO, 60000);
    INTERRUPTED (zmq_recv (pull, NULL, 0, 0));
    zmq_msg_close (&message);
    close_socket (pull);
    close_socket (push);
}

static void *poll_until_term (void *socket)
{
    zmq_pollitem_t items[] = {{socket, 0, ZMQ_POLLIN, 0}};
    int rc = zmq_poll (items, 1, -1);
    printf ("  the blocked poll: %d %s\n", rc, error_name (zmq_errno ()));
    rc = zmq_poll (items, 1, 0);
    printf ("  a poll afterwards: %d %s\n", rc, error_name (zmq_errno ()));
    close_socket (socket);
    return NULL;
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++)
        sockets (transports[i]);
    descriptors ();
    unusable ();
    urgent ();
    shut_down ();
    arguments ();
    for (int i = 0; i < COUNT (transports); i++)
        wakes_up (transports[i]);
    interrupts ();
    part ("termination");
    void *socket = new_socket (context, ZMQ_PULL);
    pthread_t thread = start (poll_until_term, socket);
    SHOW (zmq_ctx_term (context));
    join (thread);
    return 0;
}
