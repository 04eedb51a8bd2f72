/* Request and reply, publish and subscribe in the corners: envelopes through several proxies, REQ with each mixture of RELAXED
 * and CORRELATE, a reply to who has gone, XPUB under MANUAL, what a forwarder passes on, NODROP, and user messages upstream
 * (zmq_socket(3), zmq_setsockopt(3), RFC 28 and 29). */
#include "common.h"

static void *context;

static void pass_on (void *from, void *to)
{
    int more;
    do {
        char bytes[64];
        int size = zmq_recv (from, bytes, sizeof bytes, 0);
        CHECK (size >= 0 && size <= (int) sizeof bytes);
        more = int_option (from, ZMQ_RCVMORE);
        CHECK (zmq_send (to, bytes, size, more ? ZMQ_SNDMORE : 0) == size);
    } while (more);
}

/* Each proxy adds a part to the envelope, and takes it off again. */
static void through_proxies (const char *transport, int count)
{
    static const char *const requests[] = {"question", "", "a||b|"}, *const replies[] = {"answer", "", "||"};
    part ("a REQ and a REP with %d proxies between them over %s", count, transport);
    void *front[3], *back[3];
    endpoint_t fronts[3], endpoint;
    for (int i = 0; i < count; i++) {
        front[i] = new_socket (context, ZMQ_ROUTER);
        back[i] = new_socket (context, ZMQ_DEALER);
        bind_fresh (front[i], transport, fronts[i]);
    }
    void *rep = new_socket (context, ZMQ_REP), *req = new_socket (context, ZMQ_REQ);
    bind_fresh (rep, transport, endpoint);
    for (int i = 0; i < count; i++)
        connect_to (back[i], i + 1 < count ? fronts[i + 1] : endpoint);
    connect_to (req, fronts[0]);
    for (int k = 0; k < COUNT (requests); k++) {
        put (req, requests[k]);
        for (int i = 0; i < count; i++)
            pass_on (front[i], back[i]);
        show_message ("rep", rep, 0);
        put (rep, replies[k]);
        for (int i = count - 1; i >= 0; i--)
            pass_on (back[i], front[i]);
        show_message ("req", req, 0);
    }
    for (int i = 0; i < count; i++) {
        close_socket (front[i]);
        close_socket (back[i]);
    }
    close_socket (rep);
    close_socket (req);
}

/* Receives a request, prints the sizes of its parts, and keeps its request id, which stands behind the routing id. */
static void take_request (void *router, char *id)
{
    int more, place = 0;
    printf ("  router");
    do {
        char bytes[16];
        int size = zmq_recv (router, bytes, sizeof bytes, 0);
        CHECK (size >= 0);
        if (place++ == 1)
            memcpy (id, bytes, 4);
        more = int_option (router, ZMQ_RCVMORE);
        printf (" %d", size);
    } while (more);
    printf ("\n");
}

static void reply (void *router, const char *id, const char *text)
{
    CHECK (zmq_send (router, "R", 1, ZMQ_SNDMORE) == 1);
    if (id)
        CHECK (zmq_send (router, id, 4, ZMQ_SNDMORE) == 4);
    put (router, text);
}

static void request_modes (const char *transport, int relaxed, int correlate)
{
    part ("RELAXED %d and CORRELATE %d over %s", relaxed, correlate, transport);
    void *router = new_socket (context, ZMQ_ROUTER), *req = new_socket (context, ZMQ_REQ);
    endpoint_t endpoint;
    char first[4], second[4];
    set_text (req, ZMQ_ROUTING_ID, "R");
    set_int (req, ZMQ_REQ_RELAXED, relaxed);
    set_int (req, ZMQ_REQ_CORRELATE, correlate);
    bind_fresh (router, transport, endpoint);
    connect_to (req, endpoint);
    put (req, "one|two");
    take_request (router, first);
    SHOW (ready (req, ZMQ_POLLOUT));
    SHOW (send_text (req, "again", ZMQ_DONTWAIT));
    if (relaxed)
        take_request (router, second);
    if (relaxed && correlate)
        reply (router, first, "|to what was given up");
    reply (router, correlate ? relaxed ? second : first : NULL, "|reply|of two");
    show_message ("req", req, 0);
    SHOW (ready (req, ZMQ_POLLIN));
    SHOW (ready (req, ZMQ_POLLOUT));
    SHOW (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    close_socket (router);
    close_socket (req);
}

static void reply_to_nobody (const char *transport)
{
    part ("who asked goes while the request is read, over %s", transport);
    void *rep = new_socket (context, ZMQ_REP), *gone = new_socket (context, ZMQ_DEALER), *req = new_socket (context, ZMQ_REQ);
    endpoint_t endpoint;
    bind_fresh (rep, transport, endpoint);
    connect_to (gone, endpoint);
    connect_to (req, endpoint);
    put (gone, "hop|hop||question|of two");
    SHOW (zmq_recv (rep, NULL, 0, 0));
    close_socket (gone);
    put (req, "next");
    show_message ("the rest", rep, 0);
    SHOW (ready (rep, ZMQ_POLLIN));
    SHOW (ready (rep, ZMQ_POLLOUT));
    SHOW (send_text (rep, "answer||of three|", 0));
    show_message ("rep", rep, 0);
    put (rep, "fine");
    show_message ("req", req, 0);
    close_socket (rep);
    close_socket (req);
}

static void send_bytes (void *socket, const char *bytes, size_t size, int flags)
{
    CHECK (zmq_send (socket, bytes, size, flags) == (int) size);
}
#define SEND_BYTES(socket, literal, flags) send_bytes (socket, literal, sizeof literal - 1, flags)

/* Prints what reached the XPUB up to a user message that marks the end. */
static void show_upstream (void *xpub, void *xsub)
{
    static char bytes[4096];
    SEND_BYTES (xsub, "end", 0);
    for (;;) {
        int size = zmq_recv (xpub, bytes, sizeof bytes, 0);
        CHECK (size >= 0);
        if (size == 3 && memcmp (bytes, "end", 3) == 0)
            return;
        printf ("  xpub (");
        print_bytes ((unsigned char *) bytes, (size_t) size);
        printf (")%s\n", int_option (xpub, ZMQ_RCVMORE) ? " more" : "");
    }
}

static void upstream (const char *transport)
{
    part ("empty, long and several parts upstream over %s", transport);
    void *xpub = new_socket (context, ZMQ_XPUB), *xsub = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    bind_fresh (xpub, transport, endpoint);
    connect_and_wait (context, xpub, xsub, endpoint);
    SEND_BYTES (xsub, "", 0);
    SEND_BYTES (xsub, "\2", 0);
    SEND_BYTES (xsub, "", ZMQ_SNDMORE);
    SEND_BYTES (xsub, "", ZMQ_SNDMORE);
    SEND_BYTES (xsub, "x", 0);
    SEND_BYTES (xsub, "\0x", ZMQ_SNDMORE);
    SEND_BYTES (xsub, "user", 0);
    SEND_BYTES (xsub, "\1x", ZMQ_SNDMORE);
    SEND_BYTES (xsub, "", ZMQ_SNDMORE);
    SEND_BYTES (xsub, "\0x", 0);
    show_upstream (xpub, xsub);
    static char topic[2001];
    memset (topic, 'L', sizeof topic);
    for (int i = 0; i < 3; i++) {
        topic[0] = i == 0;
        send_bytes (xsub, topic, sizeof topic, 0);
    }
    show_upstream (xpub, xsub);
    close_socket (xsub);
    close_socket (xpub);
}

/* Publishes on all topics and prints what each of the two gets, up to "~", which both want. */
static void publish (void *xpub, void *first, void *second)
{
    static const char *const topics[] = {"A", "B", "AB", "", "C", "~"};
    void *subscribers[] = {first, second};
    for (int i = 0; i < COUNT (topics); i++)
        put (xpub, topics[i]);
    for (int i = 0; i < COUNT (subscribers); i++) {
        char text[8];
        printf ("  %s gets:", i ? "second" : "first");
        do {
            take (subscribers[i], text, sizeof text);
            printf (" (%s)", text);
        } while (text[0] != '~');
        printf ("\n");
    }
}

static void manual_changes (void *xpub, void *first, void *second)
{
    SEND_BYTES (second, "\1A", 0);
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "A", 1));
    SEND_BYTES (second, "\1A", 0);
    show_upstream (xpub, second);
    printf ("  a user message does not say whose subscriptions are meant\n");
    SEND_BYTES (first, "user", 0);
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "C", 1));
    publish (xpub, first, second);
    SEND_BYTES (first, "\0B", 0);
    show_upstream (xpub, first);
    for (int i = 0; i < 3; i++) {
        SHOW (zmq_setsockopt (xpub, ZMQ_UNSUBSCRIBE, "B", 1));
        publish (xpub, first, second);
    }
    SEND_BYTES (second, "\0never", 0);
    show_upstream (xpub, second);
    SEND_BYTES (second, "\1", 0);
    show_upstream (xpub, second);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "", 0));
    publish (xpub, first, second);
}

static void manual (const char *transport, int option)
{
    part ("MANUAL over %s, %s", transport,
          option == ZMQ_XPUB_VERBOSE ? "VERBOSE" : option == ZMQ_XPUB_VERBOSER ? "VERBOSER" : "not verbose");
    void *xpub = new_socket (context, ZMQ_XPUB), *first = new_socket (context, ZMQ_XSUB), *second = new_socket (context, ZMQ_XSUB);
    endpoint_t endpoint;
    set_int (xpub, ZMQ_XPUB_MANUAL, 1);
    if (option)
        set_int (xpub, option, 1);
    bind_fresh (xpub, transport, endpoint);
    connect_to (first, endpoint);
    connect_to (second, endpoint);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "nobody", 6));
    SHOW (zmq_setsockopt (xpub, ZMQ_UNSUBSCRIBE, "nobody", 6));
    SEND_BYTES (first, "\1A", 0);
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "B", 1));
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "B", 1));
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "~", 1));
    SEND_BYTES (second, "\1~", 0);
    show_message ("xpub", xpub, 0);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "~", 1));
    publish (xpub, first, second);
    manual_changes (xpub, first, second);
    set_int (xpub, ZMQ_XPUB_MANUAL, 0);
    SEND_BYTES (first, "\1C", 0);
    show_upstream (xpub, first);
    publish (xpub, first, second);
    SHOW (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "C", 1));
    close_socket (first);
    close_socket (second);
    close_socket (xpub);
}

/* Passes on what the forwarder's XPUB hears, if it hears anything: the mark of a second message tells. */
static void pass_on_notice (void *xpub, void *xsub, void *pub)
{
    zmq_pollitem_t item = {xpub, 0, ZMQ_POLLIN, 0};
    if (zmq_poll (&item, 1, 200) == 1)
        pass_on (xpub, xsub);
    else
        printf ("  the forwarder hears nothing\n");
    show_upstream (pub, xsub);
}

static void forwarder (const char *transport, int option)
{
    part ("a forwarder over %s, %s", transport,
          option == ZMQ_XPUB_VERBOSE ? "VERBOSE" : option == ZMQ_XPUB_VERBOSER ? "VERBOSER" : "not verbose");
    void *pub = new_socket (context, ZMQ_XPUB), *xsub = new_socket (context, ZMQ_XSUB), *xpub = new_socket (context, ZMQ_XPUB);
    void *subscribers[2];
    endpoint_t endpoint, forwarded;
    if (option) {
        set_int (xpub, option, 1);
        set_int (pub, option, 1);
    }
    bind_fresh (pub, transport, endpoint);
    connect_to (xsub, endpoint);
    bind_fresh (xpub, transport, forwarded);
    for (int i = 0; i < COUNT (subscribers); i++) {
        subscribers[i] = new_socket (context, ZMQ_SUB);
        connect_to (subscribers[i], forwarded);
        subscribe (subscribers[i], "topic");
        pass_on_notice (xpub, xsub, pub);
    }
    for (int i = 0; i < COUNT (subscribers); i++) {
        close_socket (subscribers[i]);
        pass_on_notice (xpub, xsub, pub);
    }
    close_socket (xsub);
    close_socket (xpub);
    close_socket (pub);
}

/* A full subscriber keeps the others from being sent what it wants too, and nothing else. */
static void nodrop (const char *transport)
{
    part ("NODROP over %s", transport);
    void *xpub = new_socket (context, ZMQ_XPUB), *slow = new_socket (context, ZMQ_SUB), *other = new_socket (context, ZMQ_SUB);
    endpoint_t endpoint;
    static char body[100000] = "s";
    set_int (xpub, ZMQ_XPUB_NODROP, 1);
    set_int (xpub, ZMQ_SNDHWM, 2);
    set_int (slow, ZMQ_RCVHWM, 2);
    bind_fresh (xpub, transport, endpoint);
    subscribe (slow, "s");
    connect_to (slow, endpoint);
    show_message ("xpub", xpub, 0);
    subscribe (other, "o");
    connect_to (other, endpoint);
    show_message ("xpub", xpub, 0);
    int sent = 0;
    while (zmq_send (xpub, body, sizeof body, ZMQ_DONTWAIT) != -1)
        sent++;
    printf ("  %s\n", error_name (zmq_errno ()));
    SHOW (ready (xpub, ZMQ_POLLOUT));
    SHOW (send_text (xpub, "o|passes by", ZMQ_DONTWAIT));
    show_message ("other", other, 0);
    SHOW (send_text (xpub, "nobody wants it", ZMQ_DONTWAIT));
    for (; sent > 0; sent--)
        CHECK (zmq_recv (slow, NULL, 0, 0) == sizeof body);
    put (xpub, "s|room again");
    show_message ("slow", slow, 0);
    close_socket (slow);
    close_socket (other);
    close_socket (xpub);
}

int main (void)
{
    static const int verbosity[] = {0, ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER};
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        for (int count = 1; count <= 3; count++)
            through_proxies (transports[i], count);
        for (int mode = 0; mode < 4; mode++)
            request_modes (transports[i], mode & 1, mode >> 1);
        reply_to_nobody (transports[i]);
        upstream (transports[i]);
        for (int k = 0; k < COUNT (verbosity); k++) {
            manual (transports[i], verbosity[k]);
            forwarder (transports[i], verbosity[k]);
        }
        nodrop (transports[i]);
    }
    end_context (context);
    return 0;
}
