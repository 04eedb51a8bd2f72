/* Calls that a program should not make: each gets an errno, and nothing else is harmed.
 *
 *   misuse messages | arguments | closed | raced ROUNDS | timers | threads | interrupted | terminated
 *
 * Undefined for libzmq, which crashes or aborts at many of them. */
#include "stress.h"
#include <limits.h>
#include <signal.h>
#include <sys/uio.h>

static void *context;

/* The call fails with that error number. */
static void refused (const char *what, int is_failure, int error)
{
    if (is_failure && zmq_errno () == error)
        return;
    printf ("FAILED: %s: %s, %s instead of %s\n", what, is_failure ? "refused" : "accepted", error_name (zmq_errno ()), error_name (error));
    exit (3);
}
#define REFUSED(call, error) (errno = 0, refused (#call, (long) (call) == -1, error))
#define REFUSED_WITH(failure, call, error) (errno = 0, refused (#call, (call) == (failure), error))

/* Messages ------------------------------------------------------------------------------------------------------------- */

/* Every function refuses what is no message, and leaves it as it is. */
static void refuse_message (zmq_msg_t *message, void *socket)
{
    zmq_msg_t before = *message, good;
    CHECK (zmq_msg_init_size (&good, 3) == 0);
    REFUSED (zmq_msg_close (message), EFAULT);
    REFUSED (zmq_msg_send (message, socket, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_msg_recv (message, socket, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_sendmsg (socket, message, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_recvmsg (socket, message, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_msg_move (message, &good), EFAULT);
    REFUSED (zmq_msg_move (&good, message), EFAULT);
    REFUSED (zmq_msg_copy (message, &good), EFAULT);
    REFUSED (zmq_msg_copy (&good, message), EFAULT);
    REFUSED_WITH (NULL, zmq_msg_data (message), EFAULT);
    REFUSED_WITH (0, zmq_msg_size (message), EFAULT);
    CHECK (memcmp (&before, message, sizeof before) == 0);
    CHECK (zmq_msg_size (&good) == 3 && zmq_msg_close (&good) == 0);
}

/* Of a closed message some properties can still be asked for; of what never was one nothing. */
static void refuse_properties (zmq_msg_t *message)
{
    REFUSED_WITH (0, zmq_msg_more (message), EFAULT);
    REFUSED (zmq_msg_get (message, ZMQ_MORE), EFAULT);
    REFUSED_WITH (NULL, zmq_msg_gets (message, "Socket-Type"), EFAULT);
}

static void free_body (void *data UNUSED, void *hint)
{
    ++*(int *) hint;
}

static void misuse_messages (void)
{
    static char body[100];
    random_t source = seeded (1);
    zmq_msg_t message, copy;
    int freed = 0;
    void *socket = new_socket (context, ZMQ_PAIR);
    static const unsigned char fills[] = {0, 0xff, 0x55, 0xa1, 0xb2, 0xc3};
    for (int i = 0; i < COUNT (fills); i++) {
        memset (&message, fills[i], sizeof message);
        refuse_message (&message, socket);
        refuse_properties (&message);
    }
    for (int i = 0; i < 1000; i++) {
        for (size_t place = 0; place < sizeof message; place++)
            ((unsigned char *) &message)[place] = (unsigned char) next_random (&source);
        refuse_message (&message, socket);
        refuse_properties (&message);
    }
    static const size_t sizes[] = {0, 10, 48, 49, 1000, 100000};
    for (int i = 0; i < COUNT (sizes); i++) {
        CHECK (zmq_msg_init_size (&message, sizes[i]) == 0 && zmq_msg_close (&message) == 0);
        refuse_message (&message, socket);
        CHECK (zmq_msg_more (&message) == 0);
    }
    /* The body is freed once, however often the message is closed. */
    CHECK (zmq_msg_init_data (&message, body, sizeof body, free_body, &freed) == 0);
    CHECK (zmq_msg_init (&copy) == 0 && zmq_msg_copy (&copy, &message) == 0 && zmq_msg_move (&copy, &copy) == 0);
    CHECK (zmq_msg_close (&message) == 0);
    refuse_message (&message, socket);
    CHECK (freed == 0 && zmq_msg_close (&copy) == 0 && freed == 1);
    refuse_message (&copy, socket);
    CHECK (freed == 1);
    /* What was not made counts as closed. */
    REFUSED (zmq_msg_init_size (&message, SIZE_MAX), ENOMEM);
    refuse_message (&message, socket);
    REFUSED (zmq_msg_init_size (&message, SIZE_MAX / 2 - 4096), ENOMEM);
    refuse_message (&message, socket);
    REFUSED (zmq_msg_init_data (&message, NULL, 8, free_body, &freed), EFAULT);
    refuse_message (&message, socket);
    REFUSED (zmq_msg_init_data (&message, body, SIZE_MAX, free_body, &freed), ENOMEM);
    refuse_message (&message, socket);
    REFUSED (zmq_msg_init (NULL), EFAULT);
    REFUSED (zmq_msg_init_size (NULL, 8), EFAULT);
    REFUSED (zmq_msg_init_data (NULL, body, 8, free_body, &freed), EFAULT);
    REFUSED (zmq_msg_close (NULL), EFAULT);
    REFUSED (zmq_msg_send (NULL, socket, 0), EFAULT);
    REFUSED (zmq_msg_recv (NULL, socket, 0), EFAULT);
    CHECK (zmq_msg_init (&message) == 0);
    REFUSED (zmq_msg_copy (&message, NULL), EFAULT);
    REFUSED (zmq_msg_move (NULL, &message), EFAULT);
    REFUSED (zmq_msg_set (&message, ZMQ_MORE, 1), EINVAL);
    REFUSED (zmq_msg_get (&message, -1), EINVAL);
    REFUSED_WITH (NULL, zmq_msg_gets (&message, NULL), EINVAL);
    CHECK (zmq_msg_close (&message) == 0 && freed == 1);
    close_socket (socket);
}

/* Arguments ------------------------------------------------------------------------------------------------------------- */

/* Up to the size of the value, and beyond what any program has: what lies between may be true. */
static const size_t lengths[] = {0,  1,   2,   3,   4,    5,     7,       8,          9,           16,           31,       32,
                                 33, 40,  41,  64,  255,  256,   257,     4096,       65536,       (size_t) INT_MAX + 1,
                                 UINT_MAX, (size_t) UINT_MAX + 1, SSIZE_MAX, (size_t) SSIZE_MAX + 1, SIZE_MAX};

static void misuse_options (int type)
{
    static char value[1 << 17];
    void *socket = new_socket (context, type);
    for (int option = -2; option < 200; option++) {
        REFUSED (zmq_setsockopt (socket, option, NULL, 4), EFAULT);
        REFUSED (zmq_getsockopt (socket, option, NULL, NULL), EFAULT);
        REFUSED (zmq_getsockopt (socket, option, value, NULL), EFAULT);
        for (int i = 0; i < COUNT (lengths); i++) {
            size_t length = lengths[i];
            memset (value, i % 2 ? 0xff : 0, sizeof value);
            int set = zmq_setsockopt (socket, option, value, length);
            CHECK (set == 0 || zmq_errno () == EINVAL || zmq_errno () == ENOTSUP || zmq_errno () == EAGAIN);
            CHECK (set == -1 || length <= sizeof value);
            int got = zmq_getsockopt (socket, option, value, &length);
            CHECK (got == -1 ? zmq_errno () == EINVAL || zmq_errno () == ENOTSUP : length <= sizeof value);
            atomic_fetch_add (&progress, 1);
        }
    }
    set_int (socket, ZMQ_LINGER, 0);
    close_socket (socket);
}

static void misuse_endpoints (void *socket)
{
    static char long_name[1 << 16];
    static const char *const names[] = {"",          "tcp",         "tcp:",     "tcp:/",    "tcp://",          "tcp://:",         "tcp://*",
                                        "://",       "nonsense://", "tcp://*:65536", "tcp://[::1",  "tcp://127.0.0.1:", "ipc://",
                                        "inproc://", "ipc",         "\xff\xfe",  "tcp://;:1", "tcp://nowhere.invalid:x"};
    memset (long_name, 'x', sizeof long_name - 1);
    static const char *const prefixes[] = {"", "tcp://", "ipc:///", "inproc://"};
    for (int i = 0; i < COUNT (names); i++) {
        CHECK (zmq_bind (socket, names[i]) == -1);
        CHECK (zmq_unbind (socket, names[i]) == -1);
        CHECK (zmq_disconnect (socket, names[i]) == -1);
    }
    for (int i = 0; i < COUNT (prefixes); i++) {
        memcpy (long_name, prefixes[i], strlen (prefixes[i]));
        /* An inproc name may have any length. */
        CHECK ((zmq_bind (socket, long_name) == -1) == (i != COUNT (prefixes) - 1));
        CHECK ((zmq_unbind (socket, long_name) == -1) == (i != COUNT (prefixes) - 1));
    }
    REFUSED (zmq_bind (socket, NULL), EINVAL);
    REFUSED (zmq_connect (socket, NULL), EINVAL);
    REFUSED (zmq_unbind (socket, NULL), EINVAL);
    REFUSED (zmq_disconnect (socket, NULL), EINVAL);
    REFUSED (zmq_socket_monitor (socket, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL), EPROTONOSUPPORT);
}

static void misuse_transfers (void *socket)
{
    char text[8] = "text";
    struct iovec part = {text, 4}, missing = {NULL, 4};
    size_t none = 0, one = 1;
    REFUSED (zmq_send (socket, NULL, 4, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_send_const (socket, NULL, 4, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_recv (socket, NULL, 4, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_send (socket, text, SIZE_MAX, ZMQ_DONTWAIT), ENOMEM);
    REFUSED (zmq_send_const (socket, text, SIZE_MAX, ZMQ_DONTWAIT), ENOMEM);
    REFUSED (zmq_send (socket, text, (size_t) SSIZE_MAX + 1, ZMQ_DONTWAIT), ENOMEM);
    REFUSED (zmq_sendiov (socket, NULL, 1, ZMQ_DONTWAIT), EINVAL);
    REFUSED (zmq_sendiov (socket, &part, 0, ZMQ_DONTWAIT), EINVAL);
    REFUSED (zmq_sendiov (socket, &missing, 1, ZMQ_DONTWAIT), EFAULT);
    REFUSED (zmq_recviov (socket, NULL, &one, ZMQ_DONTWAIT), EINVAL);
    REFUSED (zmq_recviov (socket, &part, NULL, ZMQ_DONTWAIT), EINVAL);
    REFUSED (zmq_recviov (socket, &part, &none, ZMQ_DONTWAIT), EINVAL);
    /* A length beyond the memory does no harm while what comes is shorter. */
    void *peer = new_socket (context, ZMQ_PAIR);
    CHECK (zmq_bind (socket, "inproc://transfers") == 0 && zmq_connect (peer, "inproc://transfers") == 0);
    put (peer, "come");
    CHECK (zmq_recv (socket, text, SIZE_MAX, 0) == 4 && memcmp (text, "come", 4) == 0);
    close_socket (peer);
}

static void misuse_arguments (void)
{
    for (int type = ZMQ_PAIR; type <= ZMQ_STREAM; type++)
        misuse_options (type);
    static const int types[] = {-1, INT_MIN, INT_MAX, ZMQ_STREAM + 1, 1000};
    for (int i = 0; i < COUNT (types); i++)
        REFUSED_WITH (NULL, zmq_socket (context, types[i]), EINVAL);
    void *socket = new_socket (context, ZMQ_PAIR);
    misuse_endpoints (socket);
    misuse_transfers (socket);
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0}, bad = {NULL, -1, ZMQ_POLLIN, 0};
    REFUSED (zmq_poll (NULL, 1, 0), EFAULT);
    REFUSED (zmq_poll (&item, -1, 0), EINVAL);
    CHECK (zmq_poll (&item, 1, 0) == 0);
    CHECK (zmq_poll (&bad, 1, 0) <= 1);
    for (int option = -2; option < 100; option++) {
        static const int values[] = {-1, INT_MIN, INT_MAX};
        for (int i = 0; i < COUNT (values); i++)
            CHECK (zmq_ctx_set (context, option, values[i]) == 0 || zmq_errno () == EINVAL || zmq_errno () == ENOTSUP);
        CHECK (zmq_ctx_get (context, option) != -1 || zmq_errno () == EINVAL || zmq_errno () == ENOTSUP);
    }
    char key[41], z85[] = "0123456789";
    uint8_t bytes[32] = {0};
    REFUSED_WITH (NULL, zmq_z85_encode (key, bytes, 3), EINVAL);
    REFUSED_WITH (NULL, zmq_z85_encode (key, bytes, SIZE_MAX - 3), EINVAL);
    REFUSED_WITH (NULL, zmq_z85_decode (bytes, "abc"), EINVAL);
    z85[3] = '\x7f';
    REFUSED_WITH (NULL, zmq_z85_decode (bytes, z85), EINVAL);
    close_socket (socket);
}

/* What is closed ----------------------------------------------------------------------------------------------------------- */

static void *run_proxy (void *sides)
{
    void **sockets = sides;
    CHECK (zmq_proxy_steerable (sockets[0], sockets[1], NULL, sockets[2]) == 0);
    return sides;
}

static void misuse_closed (void)
{
    void *closed = new_socket (context, ZMQ_DEALER), *open = new_socket (context, ZMQ_DEALER);
    void *other = new_socket (context, ZMQ_DEALER);
    close_socket (closed);
    zmq_pollitem_t items[] = {{open, 0, ZMQ_POLLIN, 0}, {closed, 0, ZMQ_POLLIN, 0}, {other, 0, ZMQ_POLLIN, 0}};
    REFUSED (zmq_poll (items, 3, 0), ENOTSOCK);
    REFUSED (zmq_poll (items, 3, -1), ENOTSOCK);
    REFUSED (zmq_poll (items + 1, 1, -1), ENOTSOCK);
    REFUSED (zmq_proxy (open, closed, NULL), ENOTSOCK);
    REFUSED (zmq_proxy (closed, open, NULL), ENOTSOCK);
    REFUSED (zmq_proxy (closed, closed, NULL), ENOTSOCK);
    REFUSED (zmq_proxy (open, other, closed), ENOTSOCK);
    REFUSED (zmq_proxy (open, open, closed), ENOTSOCK);
    REFUSED (zmq_proxy_steerable (open, other, NULL, closed), ENOTSOCK);
    REFUSED (zmq_proxy_steerable (open, other, closed, closed), ENOTSOCK);
    REFUSED (zmq_proxy (NULL, open, NULL), EFAULT);
    REFUSED (zmq_proxy (open, NULL, NULL), EFAULT);
    REFUSED (zmq_proxy (NULL, NULL, NULL), EFAULT);
    endpoint_t endpoint;
    void *source = new_socket (context, ZMQ_DEALER);
    bind_fresh (open, "inproc", endpoint);
    connect_to (source, endpoint);
    /* The same socket on both sides answers its peer. */
    char text[8];
    void *control = new_socket (context, ZMQ_PAIR), *steering = new_socket (context, ZMQ_PAIR);
    CHECK (zmq_bind (control, "inproc://control") == 0 && zmq_connect (steering, "inproc://control") == 0);
    void *sides[] = {open, open, control};
    pthread_t proxy = start (run_proxy, sides);
    put (source, "echo");
    CHECK (take (source, text, sizeof text) == 4);
    put (steering, "TERMINATE");
    join (proxy);
    close_socket (source);
    close_socket (control);
    close_socket (steering);
    close_socket (other);
    close_socket (open);
}

static void use_closed_context (void *handle)
{
    REFUSED (zmq_ctx_term (handle), EFAULT);
    REFUSED (zmq_term (handle), EFAULT);
    REFUSED (zmq_ctx_destroy (handle), EFAULT);
    REFUSED (zmq_ctx_shutdown (handle), EFAULT);
    REFUSED (zmq_ctx_set (handle, ZMQ_IO_THREADS, 2), EFAULT);
    REFUSED (zmq_ctx_get (handle, ZMQ_IO_THREADS), EFAULT);
    REFUSED_WITH (NULL, zmq_socket (handle, ZMQ_PAIR), EFAULT);
}

static void misuse_terminated (void)
{
    char text[8];
    int value = 0;
    size_t size = sizeof value;
    void *own = new_context (), *socket = new_socket (own, ZMQ_PAIR);
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    CHECK (zmq_ctx_shutdown (own) == 0);
    CHECK (zmq_ctx_shutdown (own) == 0);
    REFUSED (zmq_send (socket, "x", 1, 0), ETERM);
    REFUSED (zmq_recv (socket, text, sizeof text, 0), ETERM);
    REFUSED (zmq_poll (&item, 1, -1), ETERM);
    REFUSED (zmq_bind (socket, "inproc://x"), ETERM);
    REFUSED (zmq_connect (socket, "inproc://x"), ETERM);
    REFUSED (zmq_getsockopt (socket, ZMQ_EVENTS, &value, &size), ETERM);
    REFUSED (zmq_proxy (socket, socket, NULL), ETERM);
    REFUSED_WITH (NULL, zmq_socket (own, ZMQ_PAIR), ETERM);
    close_socket (socket);
    REFUSED (zmq_close (socket), ENOTSOCK);
    CHECK (zmq_ctx_shutdown (own) == 0);
    end_context (own);
    use_closed_context (own);
    /* Its place may be another's by now, which is not touched. */
    void *next = new_context ();
    use_closed_context (own);
    end_context (next);
}

/* zmq_ctx_term(3): EINTR, and the call can be made again. */

static atomic_int terminating_thread, has_ended;
static atomic_long handled;

static void on_signal (int number UNUSED)
{
    atomic_fetch_add (&handled, 1);
}

static void *terminate_in_vain (void *own)
{
    atomic_store (&terminating_thread, thread_id ());
    REFUSED (zmq_ctx_term (own), EINTR);
    atomic_store (&has_ended, 1);
    return own;
}

static void misuse_interrupted (void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    char text[8];
    void *own = new_context (), *socket = new_socket (own, ZMQ_PAIR);
    pthread_t thread = start (terminate_in_vain, own);
    int number;
    while ((number = atomic_load (&terminating_thread)) == 0)
        sched_yield ();
    /* A signal that comes before the call sleeps is handled and gone: then another one ends it. */
    while (!atomic_load (&has_ended)) {
        if (!is_asleep (number))
            continue;
        long before = atomic_load (&handled);
        CHECK (pthread_kill (thread, SIGUSR1) == 0);
        while (atomic_load (&handled) == before && !atomic_load (&has_ended))
            sched_yield ();
    }
    join (thread);
    /* The context ends all the same. */
    REFUSED (zmq_recv (socket, text, sizeof text, 0), ETERM);
    REFUSED_WITH (NULL, zmq_socket (own, ZMQ_PAIR), ETERM);
    close_socket (socket);
    end_context (own);
    REFUSED (zmq_ctx_term (own), EFAULT);
}

/* Races --------------------------------------------------------------------------------------------------------------------- */

#define RACERS 4

static void *victim;
static pthread_barrier_t line;
static int (*race_call) (void *);
static atomic_int accepted, refused_count;
static int race_error;

static void *racer (void *argument)
{
    pthread_barrier_wait (&line);
    int result = race_call (victim);
    if (result == 0)
        atomic_fetch_add (&accepted, 1);
    else if (zmq_errno () == race_error)
        atomic_fetch_add (&refused_count, 1);
    else
        fail ("a race");
    return argument;
}

/* Several threads make the call at once: one of them is the first. */
static void race (int (*call) (void *), void *object, int error)
{
    pthread_t threads[RACERS];
    race_call = call;
    victim = object;
    race_error = error;
    atomic_store (&accepted, 0);
    atomic_store (&refused_count, 0);
    CHECK (pthread_barrier_init (&line, NULL, RACERS) == 0);
    for (int i = 0; i < RACERS; i++)
        threads[i] = start (racer, NULL);
    for (int i = 0; i < RACERS; i++)
        join (threads[i]);
    CHECK (pthread_barrier_destroy (&line) == 0);
    if (atomic_load (&accepted) != 1 || atomic_load (&refused_count) != RACERS - 1) {
        printf ("FAILED: %d accepted, %d refused\n", atomic_load (&accepted), atomic_load (&refused_count));
        exit (3);
    }
    atomic_fetch_add (&progress, 1);
}

static int destroy_timers (void *timers)
{
    return zmq_timers_destroy (&timers);
}

static void *receive_until_closed (void *socket)
{
    char text[8];
    while (zmq_recv (socket, text, sizeof text, 0) >= 0)
        ;
    CHECK (zmq_errno () == ENOTSOCK);
    return NULL;
}

static void misuse_raced (long rounds)
{
    static const char *const over[] = {"inproc", "tcp", "ipc"};
    for (long i = 0; i < rounds; i++) {
        endpoint_t endpoint;
        void *socket = new_socket (context, ZMQ_PULL), *push = new_socket (context, ZMQ_PUSH);
        bind_fresh (socket, over[i % 3], endpoint);
        connect_to (push, endpoint);
        put (push, "message");
        stage = "sockets";
        pthread_t receiver = start (receive_until_closed, socket);
        race (zmq_close, socket, ENOTSOCK);
        join (receiver);
        set_int (push, ZMQ_LINGER, 0);
        close_socket (push);
        stage = "contexts";
        void *own = new_context ();
        close_socket (new_socket (own, ZMQ_PAIR));
        race (zmq_ctx_term, own, EFAULT);
        stage = "timers";
        race (destroy_timers, zmq_timers_new (), EFAULT);
    }
}

/* Timers and threads ----------------------------------------------------------------------------------------------------- */

static void nothing (int timer UNUSED, void *argument UNUSED) {}

static void misuse_timers (void)
{
    void *timers = zmq_timers_new (), *stale = timers, *none = NULL;
    REFUSED (zmq_timers_add (timers, 10, NULL, NULL), EFAULT);
    int timer = zmq_timers_add (timers, SIZE_MAX, nothing, NULL);
    CHECK (timer >= 0 && zmq_timers_timeout (timers) >= -1 && zmq_timers_execute (timers) == 0);
    REFUSED (zmq_timers_cancel (timers, timer + 1), EINVAL);
    REFUSED (zmq_timers_cancel (timers, INT_MIN), EINVAL);
    REFUSED (zmq_timers_set_interval (timers, timer + 1, 10), EINVAL);
    REFUSED (zmq_timers_reset (timers, -1), EINVAL);
    CHECK (zmq_timers_cancel (timers, timer) == 0);
    REFUSED (zmq_timers_cancel (timers, timer), EINVAL);
    CHECK (zmq_timers_destroy (&timers) == 0 && timers == NULL);
    REFUSED (zmq_timers_destroy (&timers), EFAULT);
    REFUSED (zmq_timers_destroy (NULL), EFAULT);
    REFUSED (zmq_timers_destroy (&stale), EFAULT);
    REFUSED (zmq_timers_execute (stale), EFAULT);
    REFUSED (zmq_timers_timeout (none), EFAULT);
    REFUSED (zmq_timers_add (stale, 10, nothing, NULL), EFAULT);
    for (int i = 0; i < 3; i++)
        zmq_atomic_counter_destroy (&none);
    zmq_atomic_counter_destroy (NULL);
    CHECK (zmq_atomic_counter_inc (NULL) == 0 && zmq_atomic_counter_value (NULL) == 0);
    CHECK (zmq_stopwatch_stop (NULL) == 0 && zmq_stopwatch_intermediate (NULL) == 0);
}

static void count_up (void *counter)
{
    atomic_fetch_add ((atomic_int *) counter, 1);
}

static void close_thread (void *thread, int error)
{
    errno = 0;
    zmq_threadclose (thread);
    CHECK (zmq_errno () == error);
}

static void misuse_threads (void)
{
    atomic_int counter = 0;
    REFUSED_WITH (NULL, zmq_threadstart (NULL, NULL), EFAULT);
    close_thread (NULL, EFAULT);
    void *thread = zmq_threadstart (count_up, &counter);
    CHECK (thread);
    close_thread (thread, 0);
    CHECK (atomic_load (&counter) == 1);
    close_thread (thread, EFAULT);
    void *next = zmq_threadstart (count_up, &counter);
    close_thread (thread, EFAULT);
    close_thread ((char *) next + 1, EFAULT);
    close_thread (&counter, EFAULT);
    close_thread (context, EFAULT);
    close_thread (next, 0);
    CHECK (atomic_load (&counter) == 2);
}

int main (int count, char **values)
{
    const char *what = count > 1 ? values[1] : "";
    start_watchdog ();
    context = new_context ();
    if (strcmp (what, "messages") == 0)
        misuse_messages ();
    else if (strcmp (what, "arguments") == 0)
        misuse_arguments ();
    else if (strcmp (what, "closed") == 0)
        misuse_closed ();
    else if (strcmp (what, "raced") == 0)
        misuse_raced (argument_or (count, values, 2, 100));
    else if (strcmp (what, "timers") == 0)
        misuse_timers ();
    else if (strcmp (what, "threads") == 0)
        misuse_threads ();
    else if (strcmp (what, "interrupted") == 0)
        misuse_interrupted ();
    else if (strcmp (what, "terminated") == 0)
        misuse_terminated ();
    else
        fail ("no such misuse");
    end_context (context);
    printf ("ok\n");
    return 0;
}
