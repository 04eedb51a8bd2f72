/* Rows 4, 7, 11, 12, 13, 21 and 22: what a program may do to its own sockets, and a process to its own library. */
#include "chaos.h"

/* Row 4 ------------------------------------------------------------------------------------------------------------------- */

static int message_after_close (long which)
{
    zmq_msg_t message;
    CHECK (zmq_msg_init_size (&message, 100) == 0 && zmq_msg_close (&message) == 0);
    if (which)
        zmq_msg_data (&message);
    else
        zmq_msg_size (&message);
    return 0;
}

/* A handle whose socket is closed, one that never was, and a context for a socket. */
static int foreign_handle (long which)
{
    void *context = new_context (), *socket = new_socket (context, ZMQ_PULL);
    char text[8];
    static char nothing[512];
    close_socket (socket);
    void *handle = which == 0 ? socket : which == 1 ? context : nothing;
    return zmq_recv (handle, text, sizeof text, ZMQ_DONTWAIT) == -1 && zmq_errno () == ENOTSOCK ? 0 : 1;
}

static void *receiver (void *socket)
{
    char text[8];
    int ended = zmq_recv (socket, text, sizeof text, 0) == -1 && (zmq_errno () == ENOTSOCK || zmq_errno () == ETERM);
    return ended ? NULL : socket;
}

static int close_under_receiver (long argument UNUSED)
{
    void *context = new_context (), *socket = new_socket (context, ZMQ_PULL), *result;
    endpoint_t endpoint;
    bind_fresh (socket, "tcp", endpoint);
    pthread_t thread = start (receiver, socket);
    /* It is in its call once it has gone to sleep; a receiver that spins first is none the worse. */
    let_pass (50);
    close_socket (socket);
    CHECK (pthread_join (thread, &result) == 0);
    end_context (context);
    return result ? 1 : 0;
}

enum { SENDERS = 8, SENT_BY_EACH = 2000 };
static void *shared_socket;

static void *sender (void *argument)
{
    for (int i = 0; i < SENT_BY_EACH; i++) {
        zmq_send (shared_socket, &argument, sizeof argument, ZMQ_SNDMORE);
        zmq_send (shared_socket, &i, sizeof i, 0);
    }
    return NULL;
}

static int shared_by_threads (long argument UNUSED)
{
    void *context = new_context (), *in = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    pthread_t threads[SENDERS];
    shared_socket = new_socket (context, ZMQ_PUSH);
    bind_fresh (in, "tcp", endpoint);
    connect_to (shared_socket, endpoint);
    for (intptr_t i = 0; i < SENDERS; i++)
        threads[i] = start (sender, (void *) i);
    /* Parts of several senders mix; none may be lost or torn. */
    for (int i = 0; i < SENDERS * SENT_BY_EACH * 2; i++) {
        char part[16];
        int size = zmq_recv (in, part, sizeof part, 0);
        if (size != sizeof (void *) && size != sizeof (int))
            return 1;
    }
    for (int i = 0; i < SENDERS; i++)
        join (threads[i]);
    close_socket (in);
    close_socket (shared_socket);
    end_context (context);
    return 0;
}

static int row_4 (void)
{
    endings_t messages = {0}, handles = {0};
    for (long which = 0; which < 2; which++)
        count_ending (&messages, apart (message_after_close, which, 5));
    for (long which = 0; which < 3; which++)
        count_ending (&handles, apart (foreign_handle, which, 5));
    int met = show_endings ("a closed message's size and data", &messages);
    met &= show_endings ("calls with stale and foreign handles", &handles);
    int closed = apart (close_under_receiver, 0, 5), shared = apart (shared_by_threads, 0, 20);
    answer ("zmq_close under a receiver %s", ending (closed));
    answer ("%d threads sending on one socket %s", SENDERS, ending (shared));
    return met && closed == 0 && shared == 0;
}

/* Row 7 ----------------------------------------------------------------------------------------------------------------------- */

static int monitor_unread (long closes)
{
    void *context = new_context (), *socket = new_socket (context, ZMQ_PULL);
    void *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
    set_int (monitor, ZMQ_RCVHWM, 10);
    if (closes)
        close_socket (monitor);
    for (int i = 0; i < 5000; i++) {
        endpoint_t endpoint;
        bind_fresh (socket, "tcp", endpoint);
        CHECK (zmq_unbind (socket, endpoint) == 0);
    }
    if (!closes)
        close_socket (monitor);
    close_socket (socket);
    end_context (context);
    return 0;
}

static int row_7 (void)
{
    int unread = apart (monitor_unread, 0, 10);
    answer ("5000 binds and unbinds with a monitor that nobody reads: %s", ending (unread));
    int closed = apart (monitor_unread, 1, 10);
    answer ("with one whose reader has closed: %s", ending (closed));
    return unread == 0 && closed == 0;
}

/* Row 11 ----------------------------------------------------------------------------------------------------------------------- */

static int row_11 (void)
{
    int ends[2];
    char text[1024] = "";
    CHECK (pipe (ends) == 0);
    pid_t child = fork ();
    CHECK (child >= 0);
    if (child == 0) {
        CHECK (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2 (ends[1], STDERR_FILENO) >= 0);
        void *context = new_context (), *socket = zmq_socket (context, ZMQ_PUSH);
        connect_to (socket, "ipc://nobody");
        CHECK (zmq_send (socket, "x", 1, 0) == 1);
        close_socket (socket);
        zmq_ctx_term (context);
        _exit (0);
    }
    close (ends[1]);
    int told = raw_readable (ends[0], 8000) && read (ends[0], text, sizeof text - 1) > 0;
    CHECK (kill (child, SIGKILL) == 0 && waitpid (child, NULL, 0) == child);
    text[strcspn (text, "\n")] = 0;
    answer ("zmq_ctx_term with a message that nobody takes waits; in 8 s it says %s%s", told ? "on stderr: " : "nothing", text);
    return told && strstr (text, "nobody");
}

/* Row 12 ----------------------------------------------------------------------------------------------------------------------- */

/* Nobody is there, and linger was set after the connect. */
static int late_linger (long linger_ms)
{
    void *context = new_context (), *socket = zmq_socket (context, ZMQ_PUSH);
    endpoint_t endpoint = "";
    int port = raw_bind (endpoint);
    connect_to (socket, endpoint);
    CHECK (zmq_send (socket, "x", 1, 0) == 1);
    set_int (socket, ZMQ_LINGER, (int) linger_ms);
    close_socket (socket);
    end_context (context);
    close (port);
    return 0;
}

/* The peer comes while the closed socket lingers, as long as was set last. */
static int late_peer (long linger_ms)
{
    void *context = new_context (), *socket = zmq_socket (context, ZMQ_PUSH), *other = new_context ();
    endpoint_t endpoint;
    char text[8];
    set_int (socket, ZMQ_LINGER, 0);
    fresh_endpoint ("ipc", endpoint);
    connect_to (socket, endpoint);
    CHECK (zmq_send (socket, "x", 1, 0) == 1);
    set_int (socket, ZMQ_LINGER, (int) linger_ms);
    close_socket (socket);
    void *in = new_socket (other, ZMQ_PULL);
    CHECK (zmq_bind (in, endpoint) == 0);
    set_int (in, ZMQ_RCVTIMEO, 5000);
    int got = zmq_recv (in, text, sizeof text, 0);
    close_socket (in);
    end_context (context);
    end_context (other);
    return got == 1 ? 0 : 1;
}

static int row_12 (void)
{
    int none = apart (late_linger, 0, 10), some = apart (late_linger, 200, 10);
    answer ("LINGER 0 set after the connect %s", ending (none));
    answer ("200 ms %s", ending (some));
    int peer = apart (late_peer, 10000, 20);
    answer ("a peer that comes while the socket lingers %s", peer == 0 ? "gets the message" : ending (peer));
    return none == 0 && some == 0 && peer == 0;
}

/* Row 13 ------------------------------------------------------------------------------------------------------------------------ */

static int row_13 (void)
{
    int refused[2] = {0}, rounds = 200;
    void *context = new_context (), *out = new_socket (context, ZMQ_PUSH);
    for (int i = 0; i < rounds * 2; i++) {
        void *in = new_socket (context, ZMQ_PULL), *next = new_socket (context, ZMQ_PULL);
        endpoint_t endpoint;
        char text[8];
        bind_fresh (in, "tcp", endpoint);
        connect_to (out, endpoint);
        CHECK (zmq_send (out, "x", 1, 0) == 1 && zmq_recv (in, text, sizeof text, 0) == 1);
        CHECK (zmq_disconnect (out, endpoint) == 0);
        if (i % 2)
            close_socket (in);
        else
            CHECK (zmq_unbind (in, endpoint) == 0);
        refused[i % 2] += zmq_bind (next, endpoint) == -1;
        close_socket (next);
        if (i % 2 == 0)
            close_socket (in);
    }
    close_socket (out);
    end_context (context);
    answer ("the next zmq_bind fails %d of %d times after zmq_unbind, %d of %d after zmq_close", refused[0], rounds, refused[1], rounds);
    return refused[0] + refused[1] == 0;
}

/* Row 21 --------------------------------------------------------------------------------------------------------------------------- */

static void *inherited[3];

static int use_inherited (long which)
{
    char text[8];
    if (which == 0)
        return zmq_send (inherited[0], "child", 5, ZMQ_DONTWAIT) == -1 && zmq_errno () == ENOTSOCK ? 0 : 1;
    if (which == 1)
        return zmq_recv (inherited[1], text, sizeof text, ZMQ_DONTWAIT) == -1 && zmq_errno () == ENOTSOCK ? 0 : 1;
    zmq_close (inherited[0]);
    zmq_close (inherited[1]);
    zmq_ctx_term (inherited[2]);
    return 0;
}

static int row_21 (void)
{
    void *context = new_context (), *out = new_socket (context, ZMQ_PUSH), *in = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    int sent = 0, got = 0;
    bind_fresh (in, "tcp", endpoint);
    connect_to (out, endpoint);
    inherited[0] = out, inherited[1] = in, inherited[2] = context;
    int codes[3];
    for (long which = 0; which < 3; which++) {
        for (int i = 0; i < 100; i++)
            CHECK (zmq_send (out, &sent, sizeof sent, 0) == sizeof sent && ++sent);
        codes[which] = apart (use_inherited, which, 5);
    }
    for (int number; got < sent && ready_within (in, ZMQ_POLLIN, 2000); got++)
        if (zmq_recv (in, &number, sizeof number, 0) != sizeof number || number != got)
            break;
    answer ("a child's send: %s", codes[0] == 0 ? "ENOTSOCK" : codes[0] == 1 ? "another answer" : ending (codes[0]));
    answer ("its receive: %s", codes[1] == 0 ? "ENOTSOCK" : codes[1] == 1 ? "another answer" : ending (codes[1]));
    answer ("its close and term: %s; its parent gets %d of %d messages", ending (codes[2]), got, sent);
    return codes[0] == 0 && codes[1] == 0 && codes[2] == 0 && got == sent;
}

/* Row 22 ------------------------------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t handled;

static void handle (int number UNUSED)
{
    handled++;
}

/* Ends with 0 when its receive was interrupted by the handler, and by nothing before. */
static int interrupted (long argument UNUSED)
{
    struct sigaction action = {.sa_handler = handle};
    char text[8];
    void *context = new_context (), *socket = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (socket, "tcp", endpoint);
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    kill (getppid (), SIGUSR2);
    int result = zmq_recv (socket, text, sizeof text, 0);
    return result != -1 || zmq_errno () != EINTR ? 1 : handled ? 0 : 2;
}

static volatile sig_atomic_t child_is_ready;

static void note_ready (int number UNUSED)
{
    child_is_ready = 1;
}

/* Stops the child, lets it go on, sends what it ignores, then what it handles. */
static void *signaller (void *argument UNUSED)
{
    char path[64], text[64] = "";
    while (!child_is_ready)
        let_pass (1);
    snprintf (path, sizeof path, "/proc/self/task/%d/children", getpid ());
    FILE *file = fopen (path, "r");
    CHECK (file && fgets (text, sizeof text, file));
    fclose (file);
    pid_t child = (pid_t) atoi (text);
    static const int signals[] = {SIGSTOP, SIGCONT, SIGWINCH, SIGSTOP, SIGCONT};
    for (int i = 0; i < COUNT (signals); i++) {
        let_pass (50);
        kill (child, signals[i]);
    }
    let_pass (50);
    kill (child, SIGUSR1);
    return NULL;
}

static int row_22 (void)
{
    struct sigaction action = {.sa_handler = note_ready, .sa_flags = SA_RESTART};
    CHECK (sigaction (SIGUSR2, &action, NULL) == 0);
    pthread_t thread = start (signaller, NULL);
    int code = apart (interrupted, 0, 10);
    join (thread);
    answer ("stopped, continued, and a signal that is ignored: %s; a handled one: %s", code == 2 ? "EINTR" : "nothing",
            code == 0 ? "EINTR" : code == 2 ? "not tried" : ending (code));
    return code == 0;
}

int main (int count, char **values)
{
    static const row_t rows[] = {{4, row_4}, {7, row_7}, {11, row_11}, {12, row_12}, {13, row_13}, {21, row_21}, {22, row_22}};
    return play_row (rows, COUNT (rows), count, values);
}
