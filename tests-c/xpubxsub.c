/* ZMQ_XPUB and ZMQ_XSUB: what travels upstream, VERBOSE, VERBOSER, MANUAL, WELCOME_MSG (zmq_socket(3), zmq_setsockopt(3), RFC 29). */
#include "common.h"

static void *context;

/* A subscription message as XSUB sends it. */
static void send_bytes (void *socket, const char *bytes, size_t size)
{
    CHECK (zmq_send (socket, bytes, size, 0) == (int) size);
}
#define SEND_BYTES(socket, literal) send_bytes (socket, literal, sizeof literal - 1)

/* Prints what reached the XPUB up to a user message that marks the end. */
static void show_upstream (void *xpub, void *xsub)
{
    SEND_BYTES (xsub, "end");
    for (;;) {
        char bytes[64];
        int size = zmq_recv (xpub, bytes, sizeof bytes, 0);
        CHECK (size >= 0);
        if (size == 3 && memcmp (bytes, "end", 3) == 0)
            return;
        printf ("  xpub (");
        print_bytes ((unsigned char *) bytes, (size_t) size);
        printf (")%s\n", int_option (xpub, ZMQ_RCVMORE) ? " more" : "");
    }
}

static void subscriptions (const char *transport, int option)
{
    part ("subscriptions over %s, %s", transport,
          option == ZMQ_XPUB_VERBOSE ? "VERBOSE" : option == ZMQ_XPUB_VERBOSER ? "VERBOSER" : "not verbose");
    void *xpub = new_socket (context, ZMQ_XPUB);
    if (option)
        set_int (xpub, option, 1);
    void *first = new_socket (context, ZMQ_XSUB);
    void *second = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    bind_fresh (xpub, transport, endpoint);
    connect_to (first, endpoint);
    connect_to (second, endpoint);
    SEND_BYTES (first, "\1a");
    show_upstream (xpub, first);
    printf ("  the same from the same peer\n");
    SEND_BYTES (first, "\1a");
    show_upstream (xpub, first);
    printf ("  the same from another peer\n");
    SEND_BYTES (second, "\1a");
    show_upstream (xpub, second);
    printf ("  the first of two peers cancels\n");
    SEND_BYTES (first, "\0a");
    show_upstream (xpub, first);
    printf ("  again\n");
    SEND_BYTES (first, "\0a");
    show_upstream (xpub, first);
    printf ("  the second of two peers cancels\n");
    SEND_BYTES (second, "\0a");
    show_upstream (xpub, second);
    printf ("  what was never subscribed is cancelled\n");
    SEND_BYTES (second, "\0never");
    show_upstream (xpub, second);
    printf ("  everything, and nothing\n");
    SEND_BYTES (first, "\1");
    SEND_BYTES (first, "\1");
    SEND_BYTES (first, "\0");
    show_upstream (xpub, first);
    SEND_BYTES (first, "\0");
    show_upstream (xpub, first);
    close_socket (first);
    close_socket (second);
    close_socket (xpub);
}

static void user_messages (const char *transport)
{
    part ("user messages upstream over %s", transport);
    void *xpub = new_socket (context, ZMQ_XPUB);
    void *xsub = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    bind_fresh (xpub, transport, endpoint);
    connect_to (xsub, endpoint);
    SEND_BYTES (xsub, "hello");
    SEND_BYTES (xsub, "\2two");
    SEND_BYTES (xsub, "");
    show_upstream (xpub, xsub);
    printf ("  several parts\n");
    put (xsub, "one|two|three");
    show_upstream (xpub, xsub);
    printf ("  parts that look like subscriptions\n");
    CHECK (zmq_send (xsub, "\1x", 2, ZMQ_SNDMORE) == 2);
    CHECK (zmq_send (xsub, "\1y", 2, 0) == 2);
    CHECK (zmq_send (xsub, "user", 4, ZMQ_SNDMORE) == 4);
    CHECK (zmq_send (xsub, "\1z", 2, 0) == 2);
    show_upstream (xpub, xsub);
    SEND_BYTES (xsub, "\1end of news");
    show_message ("xpub", xpub, 0);
    static const char *const topics[] = {"x", "y", "z", "user", "end of news"};
    for (int i = 0; i < COUNT (topics); i++)
        put (xpub, topics[i]);
    char text[32];
    do {
        take (xsub, text, sizeof text);
        printf ("  xsub %s\n", text);
    } while (strcmp (text, "end of news") != 0);
    close_socket (xsub);
    close_socket (xpub);
}

/* A SUB sends the first and the last of its own identical subscriptions. */
static void from_sub (const char *transport)
{
    part ("what a SUB sends over %s", transport);
    void *xpub = new_socket (context, ZMQ_XPUB);
    set_int (xpub, ZMQ_XPUB_VERBOSER, 1);
    void *sub = new_socket (context, ZMQ_SUB);
    endpoint_t endpoint;
    bind_fresh (xpub, transport, endpoint);
    subscribe (sub, "early");
    subscribe (sub, "early");
    connect_to (sub, endpoint);
    show_message ("xpub", xpub, 0);
    subscribe (sub, "a");
    subscribe (sub, "a");
    set_text (sub, ZMQ_UNSUBSCRIBE, "a");
    set_text (sub, ZMQ_UNSUBSCRIBE, "a");
    set_text (sub, ZMQ_UNSUBSCRIBE, "a");
    set_text (sub, ZMQ_UNSUBSCRIBE, "never");
    subscribe (sub, "");
    set_text (sub, ZMQ_UNSUBSCRIBE, "early");
    set_text (sub, ZMQ_UNSUBSCRIBE, "early");
    subscribe (sub, "end");
    char bytes[16];
    do {
        int size = take (xpub, bytes, sizeof bytes);
        printf ("  xpub (");
        print_bytes ((unsigned char *) bytes, (size_t) size);
        printf (")\n");
    } while (strcmp (bytes, "\1end") != 0);
    wait_for (xpub, ZMQ_POLLOUT);
    put (xpub, "x");
    show_message ("sub", sub, 0);

    part ("a peer that leaves is unsubscribed over %s", transport);
    close_socket (sub);
    int sum = 0;
    for (int i = 0; i < 2; i++) {
        int size = take (xpub, bytes, sizeof bytes);
        CHECK (bytes[0] == 0);
        sum += size;
    }
    SHOW (sum);
    close_socket (xpub);
}

static void before_and_after (const char *transport)
{
    part ("subscriptions made before the connect, and sent again to a new publisher, over %s", transport);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    void *xsub = new_socket (context, ZMQ_XSUB);
    set_int (xsub, ZMQ_RECONNECT_IVL, 10);
    SEND_BYTES (xsub, "\1a");
    SEND_BYTES (xsub, "\1b");
    SEND_BYTES (xsub, "\1b");
    SEND_BYTES (xsub, "\1c");
    SEND_BYTES (xsub, "\0c");
    SEND_BYTES (xsub, "lost: there is no peer");
    connect_to (xsub, endpoint);
    SEND_BYTES (xsub, "\1d");
    for (int i = 0; i < (strcmp (transport, "inproc") == 0 ? 1 : 3); i++) {
        void *xpub = new_socket (context, ZMQ_XPUB);
        CHECK (zmq_bind (xpub, endpoint) == 0);
        char seen[256] = "";
        for (int k = 0; k < 3;) {
            char bytes[32];
            wait_driving (xpub, ZMQ_POLLIN, xsub);
            take (xpub, bytes, sizeof bytes);
            CHECK (bytes[0] == 1 && strlen (bytes) == 2 && !strchr (seen, bytes[1]));
            strcat (seen, bytes + 1);
            k++;
        }
        CHECK (strchr (seen, 'a') && strchr (seen, 'b') && strchr (seen, 'd'));
        printf ("  publisher %d has a, b and d\n", i);
        put (xpub, "news");
        put (xpub, "breaking|news");
        show_message ("xsub", xsub, 0);
        unbind_and_wait (context, xpub, endpoint);
        close_socket (xpub);
    }
    close_socket (xsub);
}

static void manual (const char *transport)
{
    part ("MANUAL over %s", transport);
    void *xpub = new_socket (context, ZMQ_XPUB);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "x", 1));
    set_int (xpub, ZMQ_XPUB_MANUAL, 1);
    void *first = new_socket (context, ZMQ_SUB);
    void *second = new_socket (context, ZMQ_SUB);
    endpoint_t endpoint;
    bind_fresh (xpub, transport, endpoint);
    subscribe (first, "A");
    subscribe (first, "B");
    connect_to (first, endpoint);
    char bytes[16];
    for (int i = 0; i < 2; i++) {
        take (xpub, bytes, sizeof bytes);
        if (bytes[1] == 'A')
            SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "B", 1));
    }
    connect_to (second, endpoint);
    subscribe (second, "A");
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "A1", 2));
    put (xpub, "A");
    put (xpub, "A1");
    put (xpub, "B");
    show_message ("first", first, 0);
    show_message ("second", second, 0);
    set_text (first, ZMQ_UNSUBSCRIBE, "B");
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_UNSUBSCRIBE, "B", 1));
    subscribe (first, "C");
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "C", 1));
    put (xpub, "B");
    put (xpub, "C");
    show_message ("first", first, 0);
    SHOW (zmq_recv (first, NULL, 0, ZMQ_DONTWAIT));
    close_socket (first);
    close_socket (second);
    close_socket (xpub);
}

static void welcome (const char *transport)
{
    part ("WELCOME_MSG over %s", transport);
    void *xpub = new_socket (context, ZMQ_XPUB);
    SHOW (zmq_setsockopt (xpub, ZMQ_XPUB_WELCOME_MSG, "Welcome!", 8));
    endpoint_t endpoint;
    bind_fresh (xpub, transport, endpoint);
    for (int i = 0; i < 2; i++) {
        void *sub = new_socket (context, ZMQ_SUB);
        subscribe (sub, "W");
        connect_to (sub, endpoint);
        show_message ("xpub", xpub, 0);
        show_message ("sub", sub, 0);
        close_socket (sub);
        show_message ("xpub", xpub, 0);
    }
    SHOW (zmq_setsockopt (xpub, ZMQ_XPUB_WELCOME_MSG, NULL, 0));
    close_socket (xpub);
}

/* Sockets that connect have their queues at once, whether or not there is a peer. */
static void connecting (const char *transport)
{
    part ("the publishers connect, before the subscriber binds, over %s", transport);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    void *first = new_socket (context, ZMQ_XPUB);
    void *second = new_socket (context, ZMQ_XPUB);
    void *xsub = new_socket (context, ZMQ_XSUB);
    set_int (first, ZMQ_RECONNECT_IVL, 10);
    set_int (second, ZMQ_RECONNECT_IVL, 10);
    connect_to (first, endpoint);
    connect_to (second, endpoint);
    SEND_BYTES (xsub, "\1a");
    CHECK (zmq_bind (xsub, endpoint) == 0);
    wait_driving (first, ZMQ_POLLIN, xsub);
    show_message ("first", first, 0);
    wait_driving (second, ZMQ_POLLIN, xsub);
    show_message ("second", second, 0);
    put (first, "a|of the first");
    show_message ("xsub", xsub, 0);
    put (second, "a|of the second");
    show_message ("xsub", xsub, 0);
    put (xsub, "to|both");
    show_message ("first", first, 0);
    show_message ("second", second, 0);
    close_socket (first);
    put (second, "a|of who is left");
    show_message ("xsub", xsub, 0);
    close_socket (second);
    close_socket (xsub);
}

static void in_turn (void)
{
    part ("three publishers send three messages each");
    void *xsub = new_socket (context, ZMQ_XSUB), *xpubs[3];
    endpoint_t endpoint;
    bind_fresh (xsub, "inproc", endpoint);
    SEND_BYTES (xsub, "\1");
    for (int i = 0; i < COUNT (xpubs); i++) {
        xpubs[i] = new_socket (context, ZMQ_XPUB);
        connect_to (xpubs[i], endpoint);
        wait_driving (xpubs[i], ZMQ_POLLIN, xsub);
        show_message ("xpub", xpubs[i], 0);
        for (int k = 0; k < 3; k++) {
            char text[16];
            snprintf (text, sizeof text, "%c%d|end", 'a' + i, k);
            put (xpubs[i], text);
        }
    }
    for (int i = 0; i < 9; i++)
        show_message ("xsub", xsub, 0);
    for (int i = 0; i < COUNT (xpubs); i++)
        close_socket (xpubs[i]);
    close_socket (xsub);
}

static void directions (void)
{
    part ("without a peer");
    void *xpub = new_socket (context, ZMQ_XPUB);
    void *xsub = new_socket (context, ZMQ_XSUB);
    SHOW (send_text (xpub, "nobody|listens", 0));
    SHOW (zmq_recv (xpub, NULL, 0, ZMQ_DONTWAIT));
    SHOW (ready (xpub, ZMQ_POLLOUT));
    SHOW (zmq_send (xsub, "\1x", 2, 0));
    SHOW (zmq_send (xsub, "user", 4, 0));
    SHOW (zmq_recv (xsub, NULL, 0, ZMQ_DONTWAIT));
    SHOW (ready (xsub, ZMQ_POLLOUT));
    int one = 1;
    static const int options[] = {ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER, ZMQ_XPUB_MANUAL, ZMQ_XPUB_NODROP};
    for (int i = 0; i < COUNT (options); i++) {
        SHOW (zmq_setsockopt (xsub, options[i], &one, sizeof one));
        SHOW (zmq_setsockopt (xpub, options[i], &one, 1));
        int value = -1;
        SHOW (zmq_setsockopt (xpub, options[i], &value, sizeof value));
        SHOW (zmq_setsockopt (xpub, options[i], &one, sizeof one));
    }
    SHOW (zmq_setsockopt (xsub, ZMQ_SUBSCRIBE, "x", 1));
    SHOW (zmq_setsockopt (xsub, ZMQ_XPUB_WELCOME_MSG, "x", 1));
    close_socket (xpub);
    close_socket (xsub);
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        subscriptions (transports[i], 0);
        subscriptions (transports[i], ZMQ_XPUB_VERBOSE);
        subscriptions (transports[i], ZMQ_XPUB_VERBOSER);
        user_messages (transports[i]);
        from_sub (transports[i]);
        before_and_after (transports[i]);
        manual (transports[i]);
        welcome (transports[i]);
        connecting (transports[i]);
    }
    in_turn ();
    directions ();
    end_context (context);
    return 0;
}
