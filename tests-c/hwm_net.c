/* High-water marks over tcp and ipc, where the kernel's buffers add to them: only what does not depend on their size is printed
 * (zmq_setsockopt(3), ZMQ_SNDHWM and ZMQ_RCVHWM; zmq_tcp(7), HWM). */
#include "common.h"

static void *context;
static const int marks[] = {1, 2, 10, 1000, 0};
#define LIMIT 3000
#define BODY 20000
/* More than any kernel buffers for one connection here. */
#define BUFFERED_MAX (64 << 20)

static char body[BODY];

/* Sends numbered messages until one is refused or there were LIMIT; returns how many. */
static int fill (void *sender, int type, size_t size)
{
    for (int i = 0; i < LIMIT; i++) {
        memcpy (body, &i, sizeof i);
        if (type == ZMQ_ROUTER && zmq_send (sender, "R", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE) == -1)
            return i;
        if (zmq_send (sender, body, size, ZMQ_DONTWAIT) == -1)
            return i;
    }
    return LIMIT;
}

/* Reads numbered messages until nothing came for a while or the last of `sent` did. */
static int drain (void *receiver, int sent, int *last)
{
    int count = 0, number;
    *last = -1;
    set_int (receiver, ZMQ_RCVTIMEO, 1000);
    while (*last != sent - 1 && zmq_recv (receiver, &number, sizeof number, 0) != -1) {
        CHECK (number > *last);
        *last = number;
        count++;
    }
    return count;
}

static void alone (const char *transport)
{
    part ("nobody is there over %s: exactly SNDHWM messages wait", transport);
    static const int types[] = {ZMQ_PUSH, ZMQ_DEALER, ZMQ_PAIR};
    endpoint_t endpoint;
    unbound_endpoint (context, transport, endpoint);
    for (int type = 0; type < COUNT (types); type++)
        for (int i = 0; i < COUNT (marks); i++) {
            void *socket = new_socket (context, types[type]);
            set_int (socket, ZMQ_SNDHWM, marks[i]);
            connect_to (socket, endpoint);
            int sent = fill (socket, types[type], 8);
            printf ("  %s, SNDHWM %d: %d\n", type_name (types[type]), marks[i], sent);
            if (types[type] == ZMQ_PUSH) {
                void *pull = new_socket (context, ZMQ_PULL);
                CHECK (zmq_bind (pull, endpoint) == 0);
                int last;
                int count = drain (pull, sent, &last);
                printf ("    and %s then\n", count == sent ? "all arrive" : "some are lost");
                unbind_and_wait (context, pull, endpoint);
                close_socket (pull);
            }
            close_socket (socket);
        }
}

static void joined (int sender_type, int receiver_type, int mark, int connects, const char *transport, void **sender, void **receiver)
{
    *sender = new_socket (context, sender_type);
    *receiver = new_socket (context, receiver_type);
    set_int (*sender, ZMQ_SNDHWM, mark);
    set_int (*receiver, ZMQ_RCVHWM, mark);
    if (sender_type == ZMQ_ROUTER)
        set_text (*receiver, ZMQ_ROUTING_ID, "R");
    if (receiver_type == ZMQ_SUB)
        subscribe (*receiver, "");
    endpoint_t endpoint;
    void *binder = connects ? *receiver : *sender, *connector = connects ? *sender : *receiver;
    bind_fresh (binder, transport, endpoint);
    connect_and_wait (context, binder, connector, endpoint);
    /* The sender knows its peer: XPUB by its subscription, ROUTER by a message. */
    if (sender_type == ZMQ_XPUB)
        CHECK (zmq_recv (*sender, NULL, 0, 0) == 1);
    else if (sender_type == ZMQ_ROUTER) {
        put (*receiver, "here");
        CHECK (zmq_recv (*sender, NULL, 0, 0) == 1 && zmq_recv (*sender, NULL, 0, 0) == 4);
    } else
        wait_for (*sender, ZMQ_POLLOUT);
}

/* The reader does not read: the sender is stopped, having sent at least its mark and at most what two marks and the kernel hold. */
static void stopped (int sender_type, int receiver_type, int connects, const char *transport)
{
    part ("%s to a %s that does not read over %s, the sender %s", type_name (sender_type), type_name (receiver_type), transport,
          connects ? "connects" : "binds");
    for (int i = 0; i < COUNT (marks); i++) {
        void *sender, *receiver;
        joined (sender_type, receiver_type, marks[i], connects, transport, &sender, &receiver);
        if (sender_type == ZMQ_XPUB)
            set_int (sender, ZMQ_XPUB_NODROP, 1);
        if (sender_type == ZMQ_ROUTER)
            set_int (sender, ZMQ_ROUTER_MANDATORY, 1);
        int sent = fill (sender, sender_type, BODY);
        const char *error = sent < LIMIT ? error_name (zmq_errno ()) : "no error";
        int bound = 2 * marks[i] + BUFFERED_MAX / BODY;
        printf ("  HWM %d: %s, %s", marks[i], sent >= (marks[i] ? marks[i] : LIMIT) ? "at least the mark" : "below the mark",
                marks[i] == 0 ? error : sent <= bound ? "at most the bound" : "beyond the bound");
        int last, count = drain (receiver, sent, &last);
        printf (", %s\n", count == sent ? "all arrive" : "some are lost");
        close_socket (sender);
        close_socket (receiver);
    }
}

/* The lossy ones go on: what arrives is in order and begins with the first; after that, new messages pass again. */
static void lossy (int sender_type, int receiver_type, const char *transport)
{
    part ("%s to a %s that does not read drops over %s", type_name (sender_type), type_name (receiver_type), transport);
    for (int i = 0; i < COUNT (marks); i++) {
        void *sender, *receiver;
        joined (sender_type, receiver_type, marks[i], 0, transport, &sender, &receiver);
        int sent = fill (sender, sender_type, BODY);
        int number, last = -1, count = 0, final = LIMIT;
        set_int (receiver, ZMQ_RCVTIMEO, 10);
        while (last != final) {
            if (zmq_recv (receiver, &number, sizeof number, 0) == -1) {
                /* Nothing now: one more message tells when all that was kept has been read. */
                memcpy (body, &final, sizeof final);
                if (sender_type == ZMQ_ROUTER)
                    CHECK (zmq_send (sender, "R", 1, ZMQ_SNDMORE) == 1);
                CHECK (zmq_send (sender, body, 8, 0) == 8);
                continue;
            }
            CHECK (count > 0 ? number > last : number == 0);
            last = number;
            count++;
        }
        printf ("  HWM %d: %s, %s, and new ones pass again\n", marks[i], sent == LIMIT ? "never refused" : "refused",
                count > (marks[i] ? marks[i] : LIMIT) ? "at least the mark arrive" : "fewer than the mark arrive");
        close_socket (sender);
        close_socket (receiver);
    }
}

int main (void)
{
    context = new_context ();
    static const char *const network[] = {"ipc", "tcp"};
    for (int i = 0; i < COUNT (network); i++) {
        alone (network[i]);
        for (int connects = 0; connects < 2; connects++) {
            stopped (ZMQ_PUSH, ZMQ_PULL, connects, network[i]);
            stopped (ZMQ_DEALER, ZMQ_DEALER, connects, network[i]);
        }
        stopped (ZMQ_ROUTER, ZMQ_DEALER, 0, network[i]);
        stopped (ZMQ_XPUB, ZMQ_SUB, 0, network[i]);
        lossy (ZMQ_ROUTER, ZMQ_DEALER, network[i]);
        lossy (ZMQ_XPUB, ZMQ_SUB, network[i]);
    }
    end_context (context);
    return 0;
}
