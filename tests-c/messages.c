/* zmq_msg_*: life, contents, properties, and the free function, which runs exactly once (zmq_msg_init_data(3) and others). */
#include "common.h"

static atomic_int freed;
static int hint;

static void release (void *data, void *given)
{
    CHECK (given == &hint);
    atomic_fetch_add (&freed, 1);
    free (data);
}

/* A message with a body of its own, filled with a pattern. */
static void borrow (zmq_msg_t *message, size_t size)
{
    unsigned char *data = malloc (size ? size : 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char) (i * 7 + size);
    CHECK (zmq_msg_init_data (message, data, size, release, &hint) == 0);
    if (size)
        CHECK (zmq_msg_data (message) == data);
}

static int intact (zmq_msg_t *message, size_t size)
{
    unsigned char *data = zmq_msg_data (message);
    if (zmq_msg_size (message) != size)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (data[i] != (unsigned char) (i * 7 + size))
            return 0;
    return 1;
}

static void lives (void)
{
    zmq_msg_t message;
    part ("an empty message");
    SHOW (zmq_msg_init (&message));
    SHOW (zmq_msg_size (&message));
    SHOW (zmq_msg_more (&message));
    SHOW (zmq_msg_data (&message) != NULL);
    SHOW (zmq_msg_close (&message));
    SHOW (zmq_msg_close (&message));
    part ("sizes");
    static const size_t sizes[] = {0, 1, 29, 30, 32, 33, 34, 64, 1000, 8192, 1000000};
    for (int i = 0; i < COUNT (sizes); i++) {
        CHECK (zmq_msg_init_size (&message, sizes[i]) == 0);
        CHECK (zmq_msg_size (&message) == sizes[i]);
        memset (zmq_msg_data (&message), 'x', sizes[i]);
        CHECK (zmq_msg_close (&message) == 0);
    }
    SHOW (zmq_msg_init_size (&message, SIZE_MAX - 8));
    SHOW (zmq_msg_init_size (&message, SIZE_MAX / 2));
    part ("borrowed bodies");
    for (int i = 0; i < COUNT (sizes); i++) {
        borrow (&message, sizes[i]);
        CHECK (intact (&message, sizes[i]));
        CHECK (zmq_msg_close (&message) == 0);
        CHECK (atomic_load (&freed) == i + 1);
    }
    static char constant[] = "constant";
    SHOW (zmq_msg_init_data (&message, constant, 8, NULL, NULL));
    SHOW (zmq_msg_data (&message) == constant);
    SHOW (zmq_msg_get (&message, ZMQ_SHARED));
    SHOW (zmq_msg_close (&message));
    SHOW (zmq_msg_init_data (&message, NULL, 0, NULL, NULL));
    SHOW (zmq_msg_size (&message));
    SHOW (zmq_msg_close (&message));
    part ("a closed or foreign message");
    memset (&message, 0xee, sizeof message);
    SHOW (zmq_msg_close (&message));
    zmq_msg_t good;
    zmq_msg_init (&good);
    SHOW (zmq_msg_move (&message, &good));
    SHOW (zmq_msg_move (&good, &message));
    SHOW (zmq_msg_copy (&message, &good));
    SHOW (zmq_msg_copy (&good, &message));
    zmq_msg_close (&good);
}

static void copies (void)
{
    static const size_t sizes[] = {0, 5, 33, 34, 100000};
    for (int i = 0; i < COUNT (sizes); i++) {
        part ("copy and move, %zu bytes", sizes[i]);
        zmq_msg_t first, second, third;
        atomic_store (&freed, 0);
        borrow (&first, sizes[i]);
        CHECK (zmq_msg_init_size (&second, 10) == 0);
        CHECK (zmq_msg_init (&third) == 0);
        SHOW (zmq_msg_copy (&second, &first));
        SHOW (intact (&first, sizes[i]));
        SHOW (intact (&second, sizes[i]));
        SHOW (zmq_msg_data (&first) == zmq_msg_data (&second));
        SHOW (zmq_msg_get (&first, ZMQ_SHARED));
        SHOW (zmq_msg_get (&second, ZMQ_SHARED));
        SHOW (zmq_msg_move (&third, &first));
        SHOW (zmq_msg_size (&first));
        SHOW (intact (&third, sizes[i]));
        SHOW (zmq_msg_close (&first));
        SHOW (intact (&third, sizes[i]));
        SHOW (atomic_load (&freed));
        SHOW (zmq_msg_close (&second));
        SHOW (intact (&third, sizes[i]));
        SHOW (atomic_load (&freed));
        SHOW (zmq_msg_close (&third));
        SHOW (atomic_load (&freed));
        CHECK (zmq_msg_init_size (&first, sizes[i]) == 0);
        CHECK (zmq_msg_init (&second) == 0);
        SHOW (zmq_msg_get (&first, ZMQ_SHARED));
        SHOW (zmq_msg_copy (&second, &first));
        SHOW (zmq_msg_get (&first, ZMQ_SHARED));
        SHOW (zmq_msg_get (&second, ZMQ_SHARED));
        SHOW (zmq_msg_close (&first));
        SHOW (zmq_msg_close (&second));
        part ("a borrowed body is freed by a move and a copy onto it");
        borrow (&first, sizes[i]);
        borrow (&second, sizes[i]);
        SHOW (zmq_msg_move (&first, &second));
        SHOW (atomic_load (&freed));
        CHECK (zmq_msg_init (&third) == 0);
        SHOW (zmq_msg_copy (&first, &third));
        SHOW (atomic_load (&freed));
        zmq_msg_close (&first);
        zmq_msg_close (&second);
        zmq_msg_close (&third);
    }
}

/* The free function runs once, when everybody is done with the body. */
static void across (const char *transport)
{
    part ("borrowed bodies across %s", transport);
    void *context = new_context ();
    void *sender = new_socket (context, ZMQ_PUSH), *receiver = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (receiver, transport, endpoint);
    connect_to (sender, endpoint);
    static const size_t sizes[] = {0, 1, 33, 34, 255, 256, 8192, 65536, 1000000, 10000000};
    for (int i = 0; i < COUNT (sizes); i++) {
        zmq_msg_t message, answer;
        atomic_store (&freed, 0);
        borrow (&message, sizes[i]);
        CHECK (zmq_msg_send (&message, sender, 0) == (int) sizes[i]);
        CHECK (zmq_msg_size (&message) == 0);
        CHECK (zmq_msg_close (&message) == 0);
        CHECK (zmq_msg_init (&answer) == 0);
        CHECK (zmq_msg_recv (&answer, receiver, 0) == (int) sizes[i]);
        printf ("  %zu bytes: %s\n", sizes[i], intact (&answer, sizes[i]) ? "intact" : "damaged");
        CHECK (zmq_msg_close (&answer) == 0);
        while (atomic_load (&freed) == 0)
            int_option (sender, ZMQ_EVENTS);
    }
    part ("a copy that is kept, across %s", transport);
    zmq_msg_t message, copy, answer;
    atomic_store (&freed, 0);
    borrow (&message, 5000);
    zmq_msg_init (&copy);
    zmq_msg_init (&answer);
    SHOW (zmq_msg_copy (&copy, &message));
    SHOW (zmq_msg_send (&message, sender, 0));
    SHOW (zmq_msg_recv (&answer, receiver, 0));
    SHOW (zmq_msg_close (&answer));
    SHOW (atomic_load (&freed));
    SHOW (intact (&copy, 5000));
    SHOW (zmq_msg_close (&copy));
    while (atomic_load (&freed) == 0)
        int_option (sender, ZMQ_EVENTS);
    SHOW (atomic_load (&freed));
    part ("a constant buffer across %s", transport);
    static const char constant[100] = "constant";
    SHOW (zmq_send_const (sender, constant, sizeof constant, ZMQ_SNDMORE));
    SHOW (zmq_send_const (sender, constant, 0, 0));
    show_message ("receiver", receiver, 0);
    part ("what was never received is freed with its socket, across %s", transport);
    atomic_store (&freed, 0);
    for (int i = 0; i < 10; i++) {
        borrow (&message, 1000);
        CHECK (zmq_msg_send (&message, sender, i % 2 ? 0 : ZMQ_SNDMORE) == 1000);
    }
    close_socket (sender);
    close_socket (receiver);
    end_context (context);
    SHOW (atomic_load (&freed));
}

static void failed_send (void)
{
    part ("a failed send leaves the message as it was");
    void *context = new_context ();
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    zmq_msg_t message;
    atomic_store (&freed, 0);
    borrow (&message, 5000);
    SHOW (zmq_msg_send (&message, push, ZMQ_DONTWAIT));
    SHOW (zmq_msg_send (&message, pull, 0));
    SHOW (zmq_msg_send (&message, NULL, 0));
    SHOW (intact (&message, 5000));
    SHOW (atomic_load (&freed));
    SHOW (zmq_msg_close (&message));
    SHOW (atomic_load (&freed));
    SHOW (zmq_msg_init (&message));
    SHOW (zmq_msg_recv (&message, pull, ZMQ_DONTWAIT));
    SHOW (zmq_msg_recv (&message, push, ZMQ_DONTWAIT));
    SHOW (zmq_msg_close (&message));
    close_socket (push);
    close_socket (pull);
    end_context (context);
}

static void properties (const char *transport)
{
    part ("properties over %s", transport);
    void *context = new_context ();
    void *dealer = new_socket (context, ZMQ_DEALER), *rep = new_socket (context, ZMQ_ROUTER);
    endpoint_t endpoint;
    set_text (dealer, ZMQ_ROUTING_ID, "me");
    bind_fresh (rep, transport, endpoint);
    connect_to (dealer, endpoint);
    put (dealer, "one|two");
    zmq_msg_t message;
    zmq_msg_init (&message);
    for (int i = 0; i < 3; i++) {
        SHOW (zmq_msg_recv (&message, rep, 0));
        SHOW (zmq_msg_more (&message));
        SHOW (zmq_msg_get (&message, ZMQ_MORE));
        SHOW (zmq_msg_get (&message, ZMQ_SHARED));
        SHOW (zmq_msg_get (&message, ZMQ_SRCFD) >= 0);
        static const char *const names[] = {"Socket-Type", "Identity", "Routing-Id", "Peer-Address", "User-Id", "Resource", "X-None", "__fd"};
        for (int k = 0; k < COUNT (names); k++) {
            const char *value = zmq_msg_gets (&message, names[k]);
            int error = zmq_errno ();
            int number = strcmp (names[k], "__fd") == 0;
            /* What follows the colon in the address of an ipc peer depends on how libzmq was built. */
            int length = value ? (int) strcspn (value, ":") : 0;
            printf ("    %s: %.*s\n", names[k], number ? 8 : value ? length : 20,
                    !value ? error_name (error) : number ? "a number" : value);
        }
    }
    SHOW (zmq_msg_get (&message, 1000));
    SHOW (zmq_msg_set (&message, ZMQ_MORE, 1));
    SHOW (zmq_msg_set (&message, 1000, 0));
    zmq_msg_close (&message);
    close_socket (dealer);
    close_socket (rep);
    end_context (context);
}

static void ask (void *data, void *receiver)
{
    int type;
    size_t size = sizeof type;
    CHECK (zmq_getsockopt (receiver, ZMQ_TYPE, &type, &size) == 0 && type == ZMQ_PULL);
    release (data, &hint);
}

/* What a message held is given back when it receives, and the free function may use the very socket. */
static void receives_again (void)
{
    part ("a message with a free function receives");
    void *context = new_context ();
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (pull, "inproc", endpoint);
    connect_to (push, endpoint);
    put (push, "text");
    zmq_msg_t message;
    int before = atomic_load (&freed);
    SHOW (zmq_msg_init_data (&message, malloc (100), 100, ask, pull));
    SHOW (zmq_msg_recv (&message, pull, 0));
    SHOW (atomic_load (&freed) - before);
    SHOW (zmq_msg_close (&message));
    close_socket (push);
    close_socket (pull);
    end_context (context);
}

int main (void)
{
    lives ();
    copies ();
    for (int i = 0; i < COUNT (transports); i++)
        across (transports[i]);
    failed_send ();
    for (int i = 0; i < COUNT (transports); i++)
        properties (transports[i]);
    receives_again ();
    return 0;
}
