/* ZMQ_PUB and ZMQ_SUB: prefixes, counted subscriptions, fan-out, what is dropped (zmq_socket(3), zmq_setsockopt(3), RFC 29). */
#include "common.h"

/* Returns when the publisher knows every subscription that the subscriber made so far: they travel in order. */
static void settle (void *pub, void *sub)
{
    static int number;
    char topic[32], end[40], text[40];
    zmq_pollitem_t item = {sub, 0, ZMQ_POLLIN, 0};
    snprintf (topic, sizeof topic, "~settle%d.", number++);
    snprintf (end, sizeof end, "%send", topic);
    subscribe (sub, topic);
    do
        put (pub, topic);
    while (zmq_poll (&item, 1, 10) == 0);
    put (pub, end);
    do
        take (sub, text, sizeof text);
    while (strcmp (text, end) != 0);
    set_text (sub, ZMQ_UNSUBSCRIBE, topic);
}

/* Prints the messages that come before the mark. */
static void show_until (void *sub, const char *mark)
{
    for (;;) {
        zmq_msg_t message;
        zmq_msg_init (&message);
        CHECK (zmq_msg_recv (&message, sub, 0) >= 0);
        if (zmq_msg_size (&message) == strlen (mark) && memcmp (zmq_msg_data (&message), mark, strlen (mark)) == 0) {
            zmq_msg_close (&message);
            return;
        }
        printf ("  [");
        print_bytes (zmq_msg_data (&message), zmq_msg_size (&message));
        while (zmq_msg_more (&message)) {
            CHECK (zmq_msg_recv (&message, sub, 0) >= 0);
            putchar ('|');
            print_bytes (zmq_msg_data (&message), zmq_msg_size (&message));
        }
        printf ("]\n");
        zmq_msg_close (&message);
    }
}

/* Publishes the texts and then an end mark; prints what the subscriber gets up to the mark. */
static void publish_and_show (void *pub, void *sub, const char *const *texts, int count)
{
    static int number;
    char mark[32];
    snprintf (mark, sizeof mark, "~mark%d.", number++);
    subscribe (sub, mark);
    settle (pub, sub);
    for (int i = 0; i < count; i++)
        put (pub, texts[i]);
    put (pub, mark);
    show_until (sub, mark);
    set_text (sub, ZMQ_UNSUBSCRIBE, mark);
}

static const char *const news[] = {"a", "ab", "abc", "b", "ba", "", "A", "a|b", "b|a", "ab|", "|a", "c|c|c"};

static void prefixes (const char *transport)
{
    static const char *const sets[][4] = {{"a"}, {"ab"}, {"abc", "b"}, {""}, {"x"}, {"a", "ab", "abc"}, {"c"}, {"a|b"}};
    void *context = new_context ();
    void *pub = new_socket (context, ZMQ_PUB);
    endpoint_t endpoint;
    bind_fresh (pub, transport, endpoint);
    for (int i = 0; i < COUNT (sets); i++) {
        void *sub = new_socket (context, ZMQ_SUB);
        for (int k = 0; k < 4 && sets[i][k]; k++)
            subscribe (sub, sets[i][k]);
        connect_to (sub, endpoint);
        part ("over %s, subscribed to \"%s\"%s", transport, sets[i][0], sets[i][1] ? " and more" : "");
        publish_and_show (pub, sub, news, COUNT (news));
        close_socket (sub);
    }
    part ("not subscribed over %s", transport);
    void *sub = new_socket (context, ZMQ_SUB);
    connect_to (sub, endpoint);
    publish_and_show (pub, sub, news, COUNT (news));
    close_socket (sub);
    close_socket (pub);
    end_context (context);
}

static void counts (const char *transport)
{
    void *context = new_context ();
    void *pub = new_socket (context, ZMQ_PUB);
    void *sub = new_socket (context, ZMQ_SUB);
    endpoint_t endpoint;
    bind_fresh (pub, transport, endpoint);
    connect_to (sub, endpoint);
    part ("counted subscriptions over %s", transport);
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "b", 1));
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "b", 1));
    publish_and_show (pub, sub, news, COUNT (news));
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "b", 1));
    publish_and_show (pub, sub, news, COUNT (news));
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "b", 1));
    publish_and_show (pub, sub, news, COUNT (news));
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "b", 1));
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "never", 5));
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, NULL, 0));
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "", 0));
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "b", 1));
    publish_and_show (pub, sub, news, COUNT (news));
    part ("a shorter and a longer prefix over %s", transport);
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "ba", 2));
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "b", 1));
    publish_and_show (pub, sub, news, COUNT (news));
    part ("a binary prefix over %s", transport);
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "\0\xff", 2));
    settle (pub, sub);
    CHECK (zmq_send (pub, "\0\xfe", 2, 0) == 2);
    CHECK (zmq_send (pub, "\0\xffyes", 5, 0) == 5);
    show_message ("sub", sub, 0);
    part ("a prefix of 1000 bytes over %s", transport);
    char topic[1002];
    memset (topic, 't', sizeof topic);
    SHOW (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, topic, 1000));
    settle (pub, sub);
    CHECK (zmq_send (pub, topic, 999, 0) == 999);
    CHECK (zmq_send (pub, topic, 1000, 0) == 1000);
    CHECK (zmq_send (pub, topic, 1001, 0) == 1001);
    show_message ("sub", sub, 0);
    show_message ("sub", sub, 0);
    close_socket (sub);
    close_socket (pub);
    end_context (context);
}

static void roles (const char *transport)
{
    part ("the subscriber binds, publishers connect, over %s", transport);
    void *context = new_context ();
    void *sub = new_socket (context, ZMQ_SUB);
    void *first = new_socket (context, ZMQ_PUB);
    void *second = new_socket (context, ZMQ_PUB);
    endpoint_t endpoint;
    bind_fresh (sub, transport, endpoint);
    connect_to (first, endpoint);
    connect_to (second, endpoint);
    publish_and_show (first, sub, news, 2);
    subscribe (sub, "a");
    publish_and_show (first, sub, news, 2);
    publish_and_show (second, sub, news, 3);

    part ("a hundred subscribers over %s", transport);
    void *pub = new_socket (context, ZMQ_PUB), *subs[100];
    bind_fresh (pub, transport, endpoint);
    for (int i = 0; i < COUNT (subs); i++) {
        char topic[8];
        snprintf (topic, sizeof topic, "%d", i % 10);
        subs[i] = new_socket (context, ZMQ_SUB);
        subscribe (subs[i], topic);
        connect_to (subs[i], endpoint);
    }
    for (int i = 0; i < COUNT (subs); i++)
        settle (pub, subs[i]);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d|%d", i % 10, i);
        put (pub, text);
    }
    for (int i = 0; i < COUNT (subs); i++)
        for (int k = i % 10; k < 100; k += 10) {
            char text[16];
            take (subs[i], text, sizeof text);
            CHECK (atoi (text) == i % 10);
            take (subs[i], text, sizeof text);
            CHECK (atoi (text) == k);
        }
    for (int i = 0; i < COUNT (subs); i++) {
        CHECK (zmq_recv (subs[i], NULL, 0, ZMQ_DONTWAIT) == -1);
        close_socket (subs[i]);
    }
    printf ("  each got its own, in order\n");
    close_socket (pub);
    close_socket (sub);
    close_socket (first);
    close_socket (second);
    end_context (context);
}

static void before_the_bind (const char *transport)
{
    part ("connected before the bind, over %s", transport);
    void *context = new_context ();
    void *sub = new_socket (context, ZMQ_SUB);
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    set_int (sub, ZMQ_RECONNECT_IVL, 10);
    subscribe (sub, "a");
    connect_to (sub, endpoint);
    subscribe (sub, "b");
    void *pub = new_socket (context, ZMQ_PUB);
    CHECK (zmq_bind (pub, endpoint) == 0);
    publish_and_show (pub, sub, news, COUNT (news));
    close_socket (pub);
    close_socket (sub);

    pub = new_socket (context, ZMQ_PUB);
    sub = new_socket (context, ZMQ_SUB);
    unbound_endpoint (context, transport, endpoint);
    set_int (pub, ZMQ_RECONNECT_IVL, 10);
    connect_to (pub, endpoint);
    subscribe (sub, "c");
    CHECK (zmq_bind (sub, endpoint) == 0);
    publish_and_show (pub, sub, news, COUNT (news));
    close_socket (pub);
    close_socket (sub);
    end_context (context);
}

static void without_peer (void)
{
    part ("without a peer, and in the wrong direction");
    void *context = new_context ();
    void *pub = new_socket (context, ZMQ_PUB);
    void *sub = new_socket (context, ZMQ_SUB);
    SHOW (send_text (pub, "nobody|listens", 0));
    SHOW (ready (pub, ZMQ_POLLOUT | ZMQ_POLLIN));
    SHOW (zmq_recv (pub, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_recv (pub, NULL, 0, 0));
    SHOW (zmq_send (sub, "x", 1, 0));
    SHOW (ready (sub, ZMQ_POLLOUT | ZMQ_POLLIN));
    SHOW (zmq_recv (sub, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_setsockopt (pub, ZMQ_SUBSCRIBE, "x", 1));
    SHOW (zmq_setsockopt (pub, ZMQ_UNSUBSCRIBE, "x", 1));
    close_socket (sub);

    part ("who comes late missed what was sent before");
    endpoint_t endpoint;
    bind_fresh (pub, "inproc", endpoint);
    put (pub, "early");
    sub = new_socket (context, ZMQ_SUB);
    subscribe (sub, "");
    connect_to (sub, endpoint);
    wait_for (pub, ZMQ_POLLOUT);
    put (pub, "late");
    show_message ("sub", sub, 0);
    SHOW (zmq_recv (sub, NULL, 0, ZMQ_DONTWAIT));
    part ("unsubscribing filters what is on its way");
    put (pub, "queued");
    SHOW (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "", 0));
    SHOW (zmq_recv (sub, NULL, 0, ZMQ_DONTWAIT));
    close_socket (sub);
    close_socket (pub);
    end_context (context);
}

static void inverted (const char *transport)
{
    part ("INVERT_MATCHING over %s", transport);
    void *context = new_context ();
    void *pub = new_socket (context, ZMQ_PUB);
    void *sub = new_socket (context, ZMQ_SUB);
    set_int (pub, ZMQ_INVERT_MATCHING, 1);
    set_int (sub, ZMQ_INVERT_MATCHING, 1);
    endpoint_t endpoint;
    bind_fresh (pub, transport, endpoint);
    subscribe (sub, "a");
    connect_to (sub, endpoint);
    zmq_pollitem_t item = {sub, 0, ZMQ_POLLIN, 0};
    do
        put (pub, "settle");
    while (zmq_poll (&item, 1, 10) == 0);
    put (pub, "settled");
    char text[32];
    do
        take (sub, text, sizeof text);
    while (strcmp (text, "settled") != 0);
    for (int i = 0; i < COUNT (news); i++)
        put (pub, news[i]);
    put (pub, "end");
    show_until (sub, "end");
    close_socket (sub);
    close_socket (pub);
    end_context (context);
}

int main (void)
{
    for (int i = 0; i < COUNT (transports); i++)
        prefixes (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        counts (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        roles (transports[i]);
    for (int i = 0; i < COUNT (transports); i++)
        before_the_bind (transports[i]);
    without_peer ();
    inverted ("inproc");
    inverted ("tcp");
    return 0;
}
