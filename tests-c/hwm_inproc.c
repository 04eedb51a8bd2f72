/* High-water marks over inproc, where they are exact: how many messages go in until EAGAIN or a drop, and how many reads make
 * room again (zmq_setsockopt(3), ZMQ_SNDHWM and ZMQ_RCVHWM). */
#include "common.h"

static void *context;
#define LIMIT 2500

/* A pair of sockets with these marks, connected over inproc; `late` connects before the bind. */
static void joined (int sender_type, int sndhwm, int receiver_type, int rcvhwm, int sender_binds, int late, void **sender, void **receiver)
{
    *sender = new_socket (context, sender_type);
    *receiver = new_socket (context, receiver_type);
    set_int (*sender, ZMQ_SNDHWM, sndhwm);
    set_int (*receiver, ZMQ_RCVHWM, rcvhwm);
    if (sender_type == ZMQ_ROUTER)
        set_text (*receiver, ZMQ_ROUTING_ID, "R");
    if (receiver_type == ZMQ_SUB)
        subscribe (*receiver, "");
    if (receiver_type == ZMQ_XSUB)
        CHECK (zmq_send (*receiver, "\1", 1, 0) == 1);
    void *binder = sender_binds ? *sender : *receiver, *connector = sender_binds ? *receiver : *sender;
    endpoint_t endpoint;
    fresh_endpoint ("inproc", endpoint);
    if (late) {
        connect_to (connector, endpoint);
        CHECK (zmq_bind (binder, endpoint) == 0);
    } else {
        CHECK (zmq_bind (binder, endpoint) == 0);
        connect_to (connector, endpoint);
    }
    /* Lets both sides take note of each other. */
    ready (*sender, ZMQ_POLLIN);
    ready (*receiver, ZMQ_POLLIN);
    ready (*sender, ZMQ_POLLIN);
    ready (*receiver, ZMQ_POLLIN);
}

/* One message of `parts` parts; 0, or the error. */
static int try_to_send (void *sender, int type, int parts)
{
    if (type == ZMQ_ROUTER && zmq_send (sender, "R", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE) == -1)
        return zmq_errno ();
    for (int i = 1; i <= parts; i++)
        if (zmq_send (sender, "x", 1, ZMQ_DONTWAIT | (i < parts ? ZMQ_SNDMORE : 0)) == -1)
            return zmq_errno ();
    return 0;
}

static int fill (void *sender, int type, int parts)
{
    int sent = 0;
    while (sent < LIMIT && try_to_send (sender, type, parts) == 0)
        sent++;
    return sent;
}

static int drain (void *receiver, int most)
{
    int count = 0;
    while (count < most && zmq_recv (receiver, NULL, 0, ZMQ_DONTWAIT) != -1) {
        while (int_option (receiver, ZMQ_RCVMORE))
            CHECK (zmq_recv (receiver, NULL, 0, 0) != -1);
        count++;
    }
    return count;
}

static const int marks[] = {1, 2, 3, 10, 100, 1000, 0};

/* For types that block: how many go in, and after how many reads the next one does. */
static void blocking (int sender_type, int receiver_type, int sender_binds, int late, int parts)
{
    part ("%s to %s, %s%s, %d part%s", type_name (sender_type), type_name (receiver_type),
          sender_binds ? "the sender binds" : "the receiver binds", late ? ", after the connect" : "", parts, parts > 1 ? "s" : "");
    for (int s = 0; s < COUNT (marks); s++)
        for (int r = 0; r < COUNT (marks); r++) {
            void *sender, *receiver;
            joined (sender_type, marks[s], receiver_type, marks[r], sender_binds, late, &sender, &receiver);
            if (sender_type == ZMQ_ROUTER)
                set_int (sender, ZMQ_ROUTER_MANDATORY, 1);
            int sent = fill (sender, sender_type, parts);
            printf ("  SNDHWM %d, RCVHWM %d: %d", marks[s], marks[r], sent);
            if (sent == LIMIT) {
                printf (" without end; received %d\n", drain (receiver, LIMIT + 1));
            } else {
                int reads = 0;
                do {
                    CHECK (drain (receiver, 1) == 1);
                    reads++;
                    ready (sender, ZMQ_POLLIN);
                } while (try_to_send (sender, sender_type, parts) != 0);
                int more = 1 + fill (sender, sender_type, parts);
                printf (", %d more after %d reads, left %d\n", more, reads, drain (receiver, LIMIT + 1));
            }
            close_socket (sender);
            close_socket (receiver);
        }
}

/* For types that drop: how many of many arrive, then how many of as many again after all were read. */
static void dropping (int sender_type, int receiver_type, int sender_binds, int late, int parts)
{
    part ("%s to %s drops, %s%s, %d part%s", type_name (sender_type), type_name (receiver_type),
          sender_binds ? "the sender binds" : "the receiver binds", late ? ", after the connect" : "", parts, parts > 1 ? "s" : "");
    for (int s = 0; s < COUNT (marks); s++)
        for (int r = 0; r < COUNT (marks); r++) {
            void *sender, *receiver;
            joined (sender_type, marks[s], receiver_type, marks[r], sender_binds, late, &sender, &receiver);
            CHECK (fill (sender, sender_type, parts) == LIMIT);
            int first = drain (receiver, LIMIT + 1);
            ready (sender, ZMQ_POLLIN);
            CHECK (fill (sender, sender_type, parts) == LIMIT);
            printf ("  SNDHWM %d, RCVHWM %d: %d, then %d\n", marks[s], marks[r], first, drain (receiver, LIMIT + 1));
            close_socket (sender);
            close_socket (receiver);
        }
}

/* XPUB with NODROP: EAGAIN once any subscriber is full; nobody loses a message. */
static void nodrop (void)
{
    part ("XPUB with NODROP");
    for (int s = 0; s < COUNT (marks); s++)
        for (int r = 0; r < COUNT (marks); r++) {
            void *xpub, *sub, *second = new_socket (context, ZMQ_SUB);
            endpoint_t endpoint;
            joined (ZMQ_XPUB, marks[s], ZMQ_SUB, marks[r], 1, 0, &xpub, &sub);
            set_int (xpub, ZMQ_XPUB_NODROP, 1);
            last_endpoint (xpub, endpoint);
            set_int (second, ZMQ_RCVHWM, 0);
            subscribe (second, "");
            connect_to (second, endpoint);
            ready (xpub, ZMQ_POLLIN);
            int sent = fill (xpub, ZMQ_XPUB, 1);
            printf ("  SNDHWM %d, RCVHWM %d: %d, %s, POLLOUT %d", marks[s], marks[r], sent,
                    sent == LIMIT ? "without end" : error_name (zmq_errno ()), ready (xpub, ZMQ_POLLOUT));
            printf (", received %d and", drain (sub, LIMIT + 1));
            printf (" %d\n", drain (second, LIMIT + 1));
            close_socket (xpub);
            close_socket (sub);
            close_socket (second);
        }
}

/* With two receivers, one full: PUSH goes on with the other. */
static void two_receivers (void)
{
    part ("one of two receivers is full");
    void *push = new_socket (context, ZMQ_PUSH), *pull[2];
    endpoint_t endpoint;
    set_int (push, ZMQ_SNDHWM, 5);
    for (int i = 0; i < 2; i++) {
        pull[i] = new_socket (context, ZMQ_PULL);
        set_int (pull[i], ZMQ_RCVHWM, 5 + 10 * i);
        bind_fresh (pull[i], "inproc", endpoint);
        connect_to (push, endpoint);
    }
    SHOW (fill (push, ZMQ_PUSH, 1));
    SHOW (ready (push, ZMQ_POLLOUT));
    SHOW (drain (pull[0], 100));
    SHOW (ready (push, ZMQ_POLLOUT));
    SHOW (fill (push, ZMQ_PUSH, 1));
    SHOW (drain (pull[0], 100));
    SHOW (drain (pull[1], 100));
    close_socket (push);
    close_socket (pull[0]);
    close_socket (pull[1]);
}

/* A connect before the bind has only the connector's mark until the bind; later options apply to later pipes or live ones. */
static void before_the_bind (void)
{
    part ("sent before the bind");
    for (int s = 0; s < COUNT (marks); s++)
        for (int r = 0; r < COUNT (marks); r++) {
            void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
            set_int (push, ZMQ_SNDHWM, marks[s]);
            set_int (pull, ZMQ_RCVHWM, marks[r]);
            endpoint_t endpoint;
            fresh_endpoint ("inproc", endpoint);
            connect_to (push, endpoint);
            int before = fill (push, ZMQ_PUSH, 1);
            CHECK (zmq_bind (pull, endpoint) == 0);
            ready (pull, ZMQ_POLLIN);
            ready (push, ZMQ_POLLIN);
            int after = fill (push, ZMQ_PUSH, 1);
            printf ("  SNDHWM %d, RCVHWM %d: %d, after the bind %d, received %d\n", marks[s], marks[r], before, after,
                    drain (pull, 2 * LIMIT + 1));
            close_socket (push);
            close_socket (pull);
        }
    part ("an option changed after the connect");
    void *push, *pull;
    joined (ZMQ_PUSH, 10, ZMQ_PULL, 10, 0, 0, &push, &pull);
    SHOW (fill (push, ZMQ_PUSH, 1));
    set_int (push, ZMQ_SNDHWM, 20);
    SHOW (fill (push, ZMQ_PUSH, 1));
    set_int (pull, ZMQ_RCVHWM, 30);
    ready (pull, ZMQ_POLLIN);
    ready (push, ZMQ_POLLIN);
    SHOW (fill (push, ZMQ_PUSH, 1));
    set_int (push, ZMQ_SNDHWM, 5);
    SHOW (drain (pull, 1000));
    ready (push, ZMQ_POLLIN);
    SHOW (fill (push, ZMQ_PUSH, 1));
    close_socket (push);
    close_socket (pull);
}

int main (void)
{
    context = new_context ();
    for (int late = 0; late < 2; late++)
        for (int sender_binds = 0; sender_binds < 2; sender_binds++) {
            blocking (ZMQ_PUSH, ZMQ_PULL, sender_binds, late, 1);
            dropping (ZMQ_ROUTER, ZMQ_DEALER, sender_binds, late, 1);
        }
    blocking (ZMQ_PUSH, ZMQ_PULL, 0, 0, 3);
    blocking (ZMQ_DEALER, ZMQ_DEALER, 0, 0, 1);
    blocking (ZMQ_PAIR, ZMQ_PAIR, 0, 0, 2);
    blocking (ZMQ_ROUTER, ZMQ_DEALER, 1, 0, 1);
    dropping (ZMQ_PUB, ZMQ_SUB, 1, 0, 1);
    dropping (ZMQ_XPUB, ZMQ_SUB, 1, 0, 2);
    dropping (ZMQ_PUB, ZMQ_SUB, 0, 1, 1);
    dropping (ZMQ_PUB, ZMQ_XSUB, 0, 0, 1);
    nodrop ();
    two_receivers ();
    before_the_bind ();
    end_context (context);
    return 0;
}
