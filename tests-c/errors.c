/* The errors that the manual pages list, function by function, as far as a program can provoke them. What needs a blocked call
 * is in context.c and poll.c; endpoints are in endpoints.c; options in options.c and ctx_options.c. */
#include "common.h"

#include <sys/resource.h>
#include <sys/wait.h>

static void *context;
static endpoint_t endpoint;

/* Makes a context that was shut down, with one socket. */
static void *shut_down (int type, void **socket)
{
    void *ended = new_context ();
    *socket = new_socket (ended, type);
    CHECK (zmq_ctx_shutdown (ended) == 0);
    return ended;
}

static void sending (void)
{
    part ("zmq_send, zmq_send_const, zmq_msg_send, zmq_sendmsg");
    zmq_msg_t message;
    struct
    {
        const char *name;
        int type;
    } cases[] = {{"EAGAIN", ZMQ_PUSH}, {"ENOTSUP", ZMQ_PULL}, {"ENOTSUP", ZMQ_SUB}, {"EFSM", ZMQ_REP}, {"EHOSTUNREACH", ZMQ_ROUTER}, {"ETERM", ZMQ_PUB}, {"ENOTSOCK", -1}};
    for (int i = 0; i < COUNT (cases); i++) {
        void *socket = NULL, *ended = NULL;
        if (strcmp (cases[i].name, "ETERM") == 0)
            ended = shut_down (cases[i].type, &socket);
        else if (cases[i].type >= 0)
            socket = new_socket (context, cases[i].type);
        if (cases[i].type == ZMQ_ROUTER)
            set_int (socket, ZMQ_ROUTER_MANDATORY, 1);
        printf (" %s\n", cases[i].name);
        int flags = ZMQ_DONTWAIT | (cases[i].type == ZMQ_ROUTER ? ZMQ_SNDMORE : 0);
        SHOW (zmq_send (socket, "x", 1, flags));
        SHOW (zmq_send_const (socket, "x", 1, flags));
        zmq_msg_init_size (&message, 1);
        SHOW (zmq_msg_send (&message, socket, flags));
        SHOW (zmq_sendmsg (socket, &message, flags));
        SHOW (zmq_msg_size (&message));
        zmq_msg_close (&message);
        if (socket)
            close_socket (socket);
        if (ended)
            end_context (ended);
    }
    part ("EFSM of a REQ that has sent");
    void *req = new_socket (context, ZMQ_REQ), *rep = new_socket (context, ZMQ_REP);
    bind_fresh (rep, "inproc", endpoint);
    connect_to (req, endpoint);
    SHOW (zmq_recv (req, NULL, 0, 0));
    put (req, "x");
    SHOW (zmq_send (req, "x", 1, 0));
    SHOW (zmq_recv (rep, NULL, 0, 0));
    SHOW (zmq_recv (rep, NULL, 0, 0));
    close_socket (req);
    close_socket (rep);
    part ("EFAULT of an invalid message (the reference library survives only these calls)");
    void *dealer = new_socket (context, ZMQ_DEALER);
    bind_fresh (dealer, "inproc", endpoint);
    memset (&message, 0xff, sizeof message);
    SHOW (zmq_msg_recv (&message, dealer, ZMQ_DONTWAIT));
    SHOW (zmq_recvmsg (dealer, &message, ZMQ_DONTWAIT));
    SHOW (zmq_msg_close (&message));
    close_socket (dealer);
}

static void receiving (void)
{
    part ("zmq_recv, zmq_msg_recv, zmq_recvmsg");
    zmq_msg_t message;
    zmq_msg_init (&message);
    struct
    {
        const char *name;
        int type;
    } cases[] = {{"EAGAIN", ZMQ_PULL}, {"ENOTSUP", ZMQ_PUSH}, {"ENOTSUP", ZMQ_PUB}, {"EFSM", ZMQ_REQ}, {"ETERM", ZMQ_SUB}, {"ENOTSOCK", -1}};
    for (int i = 0; i < COUNT (cases); i++) {
        void *socket = NULL, *ended = NULL;
        if (strcmp (cases[i].name, "ETERM") == 0)
            ended = shut_down (cases[i].type, &socket);
        else if (cases[i].type >= 0)
            socket = new_socket (context, cases[i].type);
        printf (" %s\n", cases[i].name);
        SHOW (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT));
        SHOW (zmq_msg_recv (&message, socket, ZMQ_DONTWAIT));
        SHOW (zmq_recvmsg (socket, &message, ZMQ_DONTWAIT));
        if (socket)
            close_socket (socket);
        if (ended)
            end_context (ended);
    }
    zmq_msg_close (&message);
}

/* An operation that takes a socket and an endpoint. */
typedef int operation_t (void *, const char *);

static void endpoint_errors (const char *name, operation_t *operation)
{
    part ("%s", name);
    void *socket = new_socket (context, ZMQ_DEALER);
    SHOW (operation (NULL, "tcp://127.0.0.1:5555"));
    SHOW (operation (socket, "nonsense"));
    SHOW (operation (socket, "tcp://"));
    SHOW (operation (socket, "tcp://127.0.0.1"));
    SHOW (operation (socket, "tcp://127.0.0.1:port"));
    SHOW (operation (socket, "other://127.0.0.1:5555"));
    SHOW (operation (socket, "udp://127.0.0.1:5555"));
    SHOW (operation (socket, "inproc://not in use"));
    SHOW (operation (socket, "ipc:///no/such/folder/socket"));
    char path[300] = "ipc://";
    memset (path + 6, 'p', 200);
    SHOW (operation (socket, path));
    close_socket (socket);
    void *ended = shut_down (ZMQ_DEALER, &socket);
    SHOW (operation (socket, "tcp://127.0.0.1:5555"));
    close_socket (socket);
    end_context (ended);
    ended = new_context ();
    CHECK (zmq_ctx_set (ended, ZMQ_IO_THREADS, 0) == 0);
    socket = new_socket (ended, ZMQ_DEALER);
    SHOW (operation (socket, "tcp://127.0.0.1:5555"));
    SHOW (operation (socket, "ipc://unserved.sock"));
    close_socket (socket);
    end_context (ended);
}

static void binding (void)
{
    part ("zmq_bind: addresses");
    void *first = new_socket (context, ZMQ_DEALER), *second = new_socket (context, ZMQ_DEALER);
    bind_fresh (first, "tcp", endpoint);
    SHOW (zmq_bind (second, endpoint));
    SHOW (zmq_bind (first, endpoint));
    SHOW (zmq_bind (second, "tcp://192.0.2.1:5555"));
    SHOW (zmq_bind (second, "tcp://nosuchinterface:5555"));
    SHOW (zmq_bind (first, "inproc://taken"));
    SHOW (zmq_bind (second, "inproc://taken"));
    SHOW (zmq_unbind (second, "inproc://taken"));
    SHOW (zmq_unbind (first, "inproc://taken"));
    SHOW (zmq_bind (second, "inproc://taken"));
    close_socket (first);
    close_socket (second);
}

static void sockets (void)
{
    part ("zmq_socket, zmq_close");
    SHOW_POINTER (zmq_socket (context, 12345));
    SHOW_POINTER (zmq_socket (NULL, ZMQ_PAIR));
    SHOW (zmq_close (NULL));
    void *socket, *ended = shut_down (ZMQ_PAIR, &socket);
    SHOW_POINTER (zmq_socket (ended, ZMQ_PAIR));
    SHOW (zmq_close (socket));
    end_context (ended);

    part ("zmq_setsockopt, zmq_getsockopt");
    int value = 1;
    size_t size = sizeof value;
    socket = new_socket (context, ZMQ_PAIR);
    SHOW (zmq_setsockopt (NULL, ZMQ_LINGER, &value, sizeof value));
    SHOW (zmq_getsockopt (NULL, ZMQ_LINGER, &value, &size));
    SHOW (zmq_setsockopt (socket, 12345, &value, sizeof value));
    SHOW (zmq_getsockopt (socket, 12345, &value, &size));
    SHOW (zmq_setsockopt (socket, ZMQ_LINGER, &value, 2));
    size = 2;
    SHOW (zmq_getsockopt (socket, ZMQ_LINGER, &value, &size));
    value = -5;
    SHOW (zmq_setsockopt (socket, ZMQ_LINGER, &value, sizeof value));
    close_socket (socket);
    ended = shut_down (ZMQ_PAIR, &socket);
    size = sizeof value;
    value = 0;
    SHOW (zmq_recv (socket, NULL, 0, 0));
    SHOW (zmq_setsockopt (socket, ZMQ_LINGER, &value, sizeof value));
    SHOW (zmq_getsockopt (socket, ZMQ_LINGER, &value, &size));
    close_socket (socket);
    end_context (ended);
}

static void contexts (void)
{
    part ("contexts");
    SHOW (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1));
    SHOW (zmq_ctx_get (NULL, ZMQ_IO_THREADS));
    SHOW (zmq_ctx_set (context, 12345, 1));
    SHOW (zmq_ctx_get (context, 12345));
    SHOW (zmq_ctx_set (context, ZMQ_IO_THREADS, -1));
    SHOW (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 0));
    SHOW (zmq_ctx_term (NULL));
    SHOW (zmq_ctx_shutdown (NULL));

    part ("messages");
    zmq_msg_t message, other;
    zmq_msg_init (&message);
    memset (&other, 0xff, sizeof other);
    SHOW (zmq_msg_close (&other));
    SHOW (zmq_msg_copy (&message, &other));
    SHOW (zmq_msg_move (&message, &other));
    SHOW (zmq_msg_init_size (&other, SIZE_MAX / 2));
    SHOW (zmq_msg_get (&message, 12345));
    SHOW (zmq_msg_set (&message, 12345, 0));
    SHOW_POINTER ((void *) zmq_msg_gets (&message, "Socket-Type"));
    SHOW_POINTER ((void *) zmq_msg_gets (&message, "X-nothing"));
    zmq_msg_close (&message);

    part ("polling");
    zmq_pollitem_t item = {NULL, 0, 0, 0};
    SHOW (zmq_poll (NULL, 1, 0));
    SHOW (zmq_poll (&item, -1, 0));
}

static void on_signal (int number)
{
    (void) number;
}

static atomic_int interrupted;
static void *interrupt (void *thread)
{
    while (!atomic_load (&interrupted)) {
        pthread_kill (*(pthread_t *) thread, SIGUSR1);
        usleep (1000);
    }
    return NULL;
}

static void interrupted_term (void)
{
    part ("zmq_ctx_term is interrupted, and called again");
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    void *ending = new_context (), *socket = new_socket (ending, ZMQ_PAIR);
    pthread_t self = pthread_self (), thread = start (interrupt, &self);
    SHOW (zmq_ctx_term (ending));
    atomic_store (&interrupted, 1);
    join (thread);
    SHOW (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT));
    close_socket (socket);
    SHOW (zmq_ctx_term (ending));
}

/* In a process of its own, whose limit of descriptors is small. */
static void no_descriptors (void)
{
    part ("no descriptors left");
    fflush (stdout);
    pid_t child = fork ();
    CHECK (child >= 0);
    if (child == 0) {
        struct rlimit limit = {3, 3};
        CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
        SHOW_POINTER (zmq_ctx_new ());
        fflush (stdout);
        _exit (0);
    }
    int status;
    CHECK (waitpid (child, &status, 0) == child);
    SHOW (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

int main (void)
{
    no_descriptors ();
    context = new_context ();
    sending ();
    receiving ();
    endpoint_errors ("zmq_bind", zmq_bind);
    endpoint_errors ("zmq_connect", zmq_connect);
    endpoint_errors ("zmq_unbind", zmq_unbind);
    endpoint_errors ("zmq_disconnect", zmq_disconnect);
    binding ();
    sockets ();
    contexts ();
    interrupted_term ();
    end_context (context);
    return 0;
}
