/* Sockets with many peers, whose connections a library may watch and read together: blocking and other receives, high-water marks,
 * polls, peers that come and go, reconnection, closing (zmq_recv(3), zmq_poll(3), zmq_getsockopt(3) for ZMQ_FD and ZMQ_EVENTS,
 * zmq_socket(3) for fair queueing). Per-peer order and counts are checked; what is printed does not depend on time. */
#include "common.h"
#include <poll.h>

static void *context;
#define PEERS 12
/* What a caller stays away, in milliseconds: longer than anybody would keep a connection for it. */
#define AWAY_MS 60

struct head
{
    int peer;
    int index;
};

/* Does nothing for a while, in no call on the sockets of the test. */
static void stay_away (void)
{
    void *idle = new_socket (context, ZMQ_PULL);
    zmq_pollitem_t item = {idle, 0, ZMQ_POLLIN, 0};
    CHECK (zmq_poll (&item, 1, AWAY_MS) == 0);
    close_socket (idle);
}

static void put_head (void *socket, int peer, int index, int flags)
{
    struct head head = {peer, index};
    CHECK (zmq_send (socket, &head, sizeof head, flags) == sizeof head);
}

/* Takes the next part, which must be its peer's next one. 0: there is none. */
static int take_next (void *socket, int flags, int *next)
{
    struct head head;
    int size = zmq_recv (socket, &head, sizeof head, flags);
    if (size == -1) {
        CHECK (flags == ZMQ_DONTWAIT && zmq_errno () == EAGAIN);
        return 0;
    }
    CHECK (size == sizeof head && head.peer >= 0 && head.peer < PEERS && head.index == next[head.peer]);
    next[head.peer]++;
    return 1;
}

static void take_many (void *socket, int count, int *next)
{
    for (int i = 0; i < count; i++)
        CHECK (take_next (socket, 0, next));
}

/* A bound socket and its peers, each of which has exchanged a message with it in a blocking call: the crowd is formed. */
static void *gather (int type, int peer_type, const char *transport, void **peers, int count, endpoint_t endpoint)
{
    void *socket = new_socket (context, type);
    bind_fresh (socket, transport, endpoint);
    for (int i = 0; i < count; i++) {
        peers[i] = new_socket (context, peer_type);
        connect_to (peers[i], endpoint);
        put (peers[i], "here");
    }
    for (int i = 0; i < count; i++)
        CHECK (zmq_recv (socket, NULL, 0, 0) == 4);
    return socket;
}

static void scatter (void *socket, void **peers, int count)
{
    for (int i = 0; i < count; i++)
        close_socket (peers[i]);
    close_socket (socket);
}

/* Echoes ---------------------------------------------------------------------------------------------------------------- */

static void *serve (void *router)
{
    for (;;) {
        char id[256], body[64];
        int id_size = zmq_recv (router, id, sizeof id, 0);
        CHECK (id_size > 0 && int_option (router, ZMQ_RCVMORE));
        int size = zmq_recv (router, body, sizeof body, 0);
        CHECK (size >= 0 && size <= (int) sizeof body && !int_option (router, ZMQ_RCVMORE));
        if (size == 3 && memcmp (body, "end", 3) == 0)
            return NULL;
        CHECK (zmq_send (router, id, (size_t) id_size, ZMQ_SNDMORE) == id_size);
        CHECK (zmq_send (router, body, (size_t) size, 0) == size);
    }
}

/* Some rounds of all dealers together, then some of each alone. */
static void ask (void **dealers, int rounds)
{
    int next[PEERS] = {0}, answered = 0;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < PEERS; i++)
            put_head (dealers[i], i, round, 0);
        for (int i = 0; i < PEERS; i++, answered++)
            CHECK (take_next (dealers[i], 0, next));
    }
    for (int i = 0; i < PEERS; i++)
        for (int round = 0; round < rounds / 4; round++, answered++) {
            put_head (dealers[i], i, rounds + round, 0);
            CHECK (take_next (dealers[i], 0, next));
        }
    printf ("  %d answers\n", answered);
}

static void echoes (const char *transport)
{
    part ("echoes of %d peers over %s, of which some go and others come", PEERS, transport);
    void *router = new_socket (context, ZMQ_ROUTER), *dealers[PEERS];
    endpoint_t endpoint;
    bind_fresh (router, transport, endpoint);
    pthread_t thread = start (serve, router);
    for (int i = 0; i < PEERS; i++) {
        dealers[i] = new_socket (context, ZMQ_DEALER);
        connect_to (dealers[i], endpoint);
    }
    ask (dealers, 100);
    for (int turn = 0; turn < 4; turn++) {
        for (int i = turn; i < turn + 3; i++)
            close_socket (dealers[i]);
        if (turn == 2)
            stay_away ();
        for (int i = turn; i < turn + 3; i++) {
            dealers[i] = new_socket (context, ZMQ_DEALER);
            connect_to (dealers[i], endpoint);
        }
        ask (dealers, 40);
    }
    put (dealers[0], "end");
    join (thread);
    scatter (router, dealers, PEERS);
}

/* High-water marks ------------------------------------------------------------------------------------------------------ */

struct sender
{
    int number;
    int count;
    int mark;
    const char *endpoint;
};

/* All are there, or everything has arrived. */
static pthread_barrier_t arrived;

/* Sends numbered messages, and closes when everything has arrived. */
static void *send_all (void *argument)
{
    struct sender *sender = argument;
    void *push = new_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_SNDHWM, sender->mark);
    connect_to (push, sender->endpoint);
    for (int i = 0; i < sender->count; i++)
        put_head (push, sender->number, i, 0);
    pthread_barrier_wait (&arrived);
    close_socket (push);
    return NULL;
}

static void marks (const char *transport)
{
    part ("a mark of 2 over %s, the receiver pauses", transport);
    enum { SENDERS = 8, EACH = 200 };
    void *pull = new_socket (context, ZMQ_PULL);
    set_int (pull, ZMQ_RCVHWM, 2);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    CHECK (pthread_barrier_init (&arrived, NULL, SENDERS + 1) == 0);
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){i, EACH, 2, endpoint};
        threads[i] = start (send_all, &senders[i]);
    }
    int next[PEERS] = {0};
    for (int i = 0; i < SENDERS * EACH; i++) {
        if (i % 400 == 100)
            stay_away ();
        CHECK (take_next (pull, 0, next));
    }
    pthread_barrier_wait (&arrived);
    for (int i = 0; i < SENDERS; i++) {
        join (threads[i]);
        printf ("  %d", next[i]);
    }
    printf ("\n");
    CHECK (pthread_barrier_destroy (&arrived) == 0);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    close_socket (pull);
}

/* Bodies ---------------------------------------------------------------------------------------------------------------- */

static const size_t sizes[] = {1, 40 * 1024, 300 * 1024, 32 * 1024 - 1, 65536};
#define LARGEST (300 * 1024)

static unsigned char pattern (int peer, int index, size_t place)
{
    return (unsigned char) (peer * 31 + index * 7 + (int) (place % 251));
}

static void *send_bodies (void *argument)
{
    struct sender *sender = argument;
    void *push = new_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_LINGER, -1);
    connect_to (push, sender->endpoint);
    unsigned char *body = malloc (LARGEST);
    CHECK (body);
    for (int i = 0; i < sender->count; i++) {
        size_t size = sizes[(i + sender->number) % COUNT (sizes)];
        put_head (push, sender->number, i, ZMQ_SNDMORE);
        for (size_t k = 0; k < size; k++)
            body[k] = pattern (sender->number, i, k);
        CHECK (zmq_send (push, body, size, 0) == (int) size);
    }
    free (body);
    close_socket (push);
    return NULL;
}

static void bodies (const char *transport)
{
    part ("bodies of all sizes over %s", transport);
    enum { SENDERS = 8, EACH = 15 };
    void *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){i, EACH, 0, endpoint};
        threads[i] = start (send_bodies, &senders[i]);
    }
    int next[PEERS] = {0};
    size_t total = 0;
    for (int i = 0; i < SENDERS * EACH; i++) {
        struct head head;
        CHECK (zmq_recv (pull, &head, sizeof head, 0) == sizeof head && int_option (pull, ZMQ_RCVMORE));
        CHECK (head.peer >= 0 && head.peer < SENDERS && head.index == next[head.peer]++);
        zmq_msg_t message;
        CHECK (zmq_msg_init (&message) == 0);
        int size = zmq_msg_recv (&message, pull, 0);
        CHECK (size == (int) sizes[(head.index + head.peer) % COUNT (sizes)] && !zmq_msg_more (&message));
        const unsigned char *data = zmq_msg_data (&message);
        for (int k = 0; k < size; k++)
            CHECK (data[k] == pattern (head.peer, head.index, (size_t) k));
        total += (size_t) size;
        CHECK (zmq_msg_close (&message) == 0);
    }
    for (int i = 0; i < SENDERS; i++)
        join (threads[i]);
    printf ("  %zu bytes\n", total);
    close_socket (pull);
}

/* Polls and descriptors --------------------------------------------------------------------------------------------------- */

static void polls (const char *transport)
{
    part ("polled with another socket and a descriptor over %s", transport);
    void *peers[PEERS], *pair = new_socket (context, ZMQ_PAIR), *other = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint, pair_endpoint;
    void *pull = gather (ZMQ_PULL, ZMQ_PUSH, transport, peers, PEERS, endpoint);
    bind_fresh (pair, transport, pair_endpoint);
    connect_to (other, pair_endpoint);
    int ends[2], next[PEERS] = {0}, seen[3] = {0};
    CHECK (pipe (ends) == 0);
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {pair, 0, ZMQ_POLLIN, 0}, {NULL, ends[0], ZMQ_POLLIN, 0}};
    char byte = 'x';
    for (int i = 0; i < 300; i++) {
        int which = i % 7 == 3 ? 1 : i % 7 == 6 ? 2 : 0;
        if (which == 0)
            put_head (peers[i % PEERS], i % PEERS, next[i % PEERS], 0);
        else if (which == 1)
            put (other, "pair");
        else
            CHECK (write (ends[1], &byte, 1) == 1);
        CHECK (zmq_poll (items, 3, i % 50 == 49 ? 5000 : -1) == 1);
        for (int k = 0; k < 3; k++)
            CHECK (items[k].revents == (k == which ? ZMQ_POLLIN : 0));
        seen[which]++;
        if (which == 0)
            CHECK (take_next (pull, ZMQ_DONTWAIT, next));
        else if (which == 1)
            CHECK (zmq_recv (pair, NULL, 0, ZMQ_DONTWAIT) == 4);
        else
            CHECK (read (ends[0], &byte, 1) == 1);
        if (i % 100 == 50)
            CHECK (zmq_poll (items, 3, AWAY_MS) == 0);
    }
    printf ("  one at a time: %d, %d, %d\n", seen[0], seen[1], seen[2]);
    int left[3] = {PEERS * 20, 20, 20};
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < PEERS; k++)
            put_head (peers[k], k, next[k] + i, 0);
        put (other, "pair");
        CHECK (write (ends[1], &byte, 1) == 1);
    }
    while (left[0] + left[1] + left[2] > 0) {
        CHECK (zmq_poll (items, 3, -1) > 0);
        if (items[0].revents)
            left[0] -= take_next (pull, ZMQ_DONTWAIT, next);
        if (items[1].revents)
            left[1] -= zmq_recv (pair, NULL, 0, ZMQ_DONTWAIT) == 4;
        if (items[2].revents)
            left[2] -= read (ends[0], &byte, 1) == 1;
    }
    printf ("  all at once: %d, %d, %d left\n", left[0], left[1], left[2]);
    close (ends[0]);
    close (ends[1]);
    close_socket (pair);
    close_socket (other);
    scatter (pull, peers, PEERS);
}

static void ways (const char *transport)
{
    part ("blocking, not blocking, by the descriptor over %s", transport);
    enum { EACH = 30 };
    void *peers[PEERS];
    endpoint_t endpoint;
    void *pull = gather (ZMQ_PULL, ZMQ_PUSH, transport, peers, PEERS, endpoint);
    int next[PEERS] = {0}, sent = 0, received = 0;
    for (int phase = 0; phase < 5; phase++) {
        for (int i = 0; i < EACH; i++, sent += PEERS)
            for (int k = 0; k < PEERS; k++)
                put_head (peers[k], k, phase * EACH + i, 0);
        switch (phase) {
            case 0:
                take_many (pull, PEERS * EACH, next);
                received += PEERS * EACH;
                break;
            case 1:
            case 3:
                while (received < sent)
                    received += take_next (pull, ZMQ_DONTWAIT, next);
                break;
            case 2:
                while (received < sent) {
                    wait_for (pull, ZMQ_POLLIN);
                    received += take_next (pull, ZMQ_DONTWAIT, next);
                }
                stay_away ();
                break;
            default:
                while (received < sent) {
                    struct pollfd item = {int_option (pull, ZMQ_FD), POLLIN, 0};
                    while (!(int_option (pull, ZMQ_EVENTS) & ZMQ_POLLIN))
                        CHECK (poll (&item, 1, -1) == 1);
                    while (take_next (pull, ZMQ_DONTWAIT, next))
                        received++;
                }
        }
        printf ("  %d of %d\n", received, sent);
    }
    /* Blocking again, while the descriptor is there. */
    for (int k = 0; k < PEERS; k++)
        put_head (peers[k], k, next[k], 0);
    take_many (pull, PEERS, next);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    scatter (pull, peers, PEERS);
}

/* Sockets that connect ------------------------------------------------------------------------------------------------------ */

#define BINDERS 8

/* The next binder at this address, once the connecting socket knows that the last one is gone. */
static void *bind_again (int type, void *binder, const char *endpoint, void *connector)
{
    void *monitor = open_monitor (context, connector, ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    unbind_and_wait (context, binder, endpoint);
    close_socket (binder);
    wait_driving (monitor, ZMQ_POLLIN, connector);
    CHECK (next_event (monitor, NULL, NULL) == ZMQ_EVENT_DISCONNECTED);
    binder = new_socket (context, type);
    while (zmq_bind (binder, endpoint) != 0)
        CHECK (zmq_errno () == EADDRINUSE);
    wait_driving (monitor, ZMQ_POLLIN, connector);
    CHECK (next_event (monitor, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    close_monitor (connector, monitor);
    return binder;
}

/* A message of every binder arrives; the dealer's binders answer one each. */
static void flow (int type, void *connector, void **binders, int base)
{
    int next[PEERS];
    for (int i = 0; i < BINDERS; i++)
        next[i] = base;
    if (type == ZMQ_DEALER)
        for (int i = 0; i < BINDERS; i++)
            put (connector, "ask");
    for (int i = 0; i < BINDERS; i++) {
        if (type == ZMQ_DEALER)
            CHECK (zmq_recv (binders[i], NULL, 0, 0) == 3);
        for (int k = 0; k < 20; k++)
            put_head (binders[i], i, base + k, 0);
    }
    take_many (connector, BINDERS * 20, next);
    for (int i = 0; i < BINDERS; i++)
        printf ("  %d", next[i] - base);
    printf ("\n");
}

static void connecting (int type, int binder_type, const char *transport)
{
    part ("a %s that connects to %d over %s", type_name (type), BINDERS, transport);
    void *connector = new_socket (context, type), *binders[BINDERS];
    endpoint_t endpoints[BINDERS];
    set_int (connector, ZMQ_RECONNECT_IVL, 10);
    if (type == ZMQ_SUB)
        subscribe (connector, "");
    for (int i = 0; i < BINDERS; i++) {
        binders[i] = new_socket (context, binder_type);
        bind_fresh (binders[i], transport, endpoints[i]);
        connect_and_wait (context, binders[i], connector, endpoints[i]);
        if (type == ZMQ_SUB)
            CHECK (zmq_recv (binders[i], NULL, 0, 0) == 1);
    }
    flow (type, connector, binders, 0);
    for (int turn = 0; turn < 3; turn++) {
        int place = turn * 3;
        place %= BINDERS;
        binders[place] = bind_again (binder_type, binders[place], endpoints[place], connector);
        if (type == ZMQ_SUB)
            CHECK (zmq_recv (binders[place], NULL, 0, 0) == 1);
        flow (type, connector, binders, 100 * turn);
    }
    scatter (connector, binders, BINDERS);
}

/* Ends ------------------------------------------------------------------------------------------------------------------------ */

struct flood
{
    void *context;
    const char *endpoint;
};

static void *flood (void *argument)
{
    struct flood *flood = argument;
    void *push = new_socket (flood->context, ZMQ_PUSH);
    connect_to (push, flood->endpoint);
    pthread_barrier_wait (&arrived);
    char body[500] = {0};
    while (zmq_send (push, body, sizeof body, 0) == sizeof body)
        ;
    CHECK (zmq_errno () == ETERM);
    close_socket (push);
    return NULL;
}

/* `receives`: it goes on receiving until the context is shut down; otherwise it closes before. */
static void ends (const char *transport, int io_threads, int receives)
{
    part ("%s while peers send over %s, %d I/O threads", receives ? "is shut down" : "closes", transport, io_threads);
    for (int turn = 0; turn < 3; turn++) {
        void *own = new_context ();
        CHECK (zmq_ctx_set (own, ZMQ_IO_THREADS, io_threads) == 0);
        void *pull = new_socket (own, ZMQ_PULL);
        endpoint_t endpoint;
        bind_fresh (pull, transport, endpoint);
        struct flood argument = {own, endpoint};
        CHECK (pthread_barrier_init (&arrived, NULL, PEERS + 1) == 0);
        pthread_t threads[PEERS];
        for (int i = 0; i < PEERS; i++)
            threads[i] = start (flood, &argument);
        pthread_barrier_wait (&arrived);
        for (int i = 0; i < 500; i++)
            CHECK (zmq_recv (pull, NULL, 0, 0) == 500);
        if (turn == 1)
            stay_away ();
        if (receives) {
            CHECK (zmq_ctx_shutdown (own) == 0);
            while (zmq_recv (pull, NULL, 0, 0) == 500)
                ;
            CHECK (zmq_errno () == ETERM);
        }
        close_socket (pull);
        end_context (own);
        for (int i = 0; i < PEERS; i++)
            join (threads[i]);
        CHECK (pthread_barrier_destroy (&arrived) == 0);
        printf ("  ended\n");
    }
}

/* From thread to thread ----------------------------------------------------------------------------------------------------- */

struct shift
{
    void *socket;
    int *next;
    int count;
};

static void *take_shift (void *argument)
{
    struct shift *shift = argument;
    take_many (shift->socket, shift->count, shift->next);
    return NULL;
}

static void migrates (const char *transport)
{
    part ("from thread to thread over %s", transport);
    enum { SHIFTS = 10, EACH = 10 };
    void *peers[PEERS];
    endpoint_t endpoint;
    void *pull = gather (ZMQ_PULL, ZMQ_PUSH, transport, peers, PEERS, endpoint);
    int next[PEERS] = {0};
    for (int shift = 0; shift < SHIFTS; shift++) {
        struct shift argument = {pull, next, PEERS * EACH};
        pthread_t thread = start (take_shift, &argument);
        for (int i = 0; i < EACH; i++)
            for (int k = 0; k < PEERS; k++)
                put_head (peers[k], k, shift * EACH + i, 0);
        join (thread);
        for (int k = 0; k < PEERS; k++)
            put_head (peers[k], k, (shift + 1) * EACH, 0);
        take_many (pull, PEERS, next);
        for (int k = 0; k < PEERS; k++)
            CHECK (next[k]-- == (shift + 1) * EACH + 1);
    }
    for (int i = 0; i < PEERS; i++)
        printf ("  %d", next[i]);
    printf ("\n");
    scatter (pull, peers, PEERS);
}

/* Shares ---------------------------------------------------------------------------------------------------------------------- */

#define PARTS 5

static atomic_int enough;

static void *send_parts (void *argument)
{
    struct sender *sender = argument;
    void *push = new_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_SNDHWM, sender->mark);
    set_int (push, ZMQ_SNDTIMEO, 10);
    connect_to (push, sender->endpoint);
    for (int i = 0; !atomic_load (&enough);) {
        struct head head = {sender->number, i * PARTS};
        if (zmq_send (push, &head, sizeof head, ZMQ_SNDMORE) == -1)
            continue;
        for (int k = 1; k < PARTS; k++)
            put_head (push, sender->number, i * PARTS + k, k < PARTS - 1 ? ZMQ_SNDMORE : 0);
        i++;
    }
    close_socket (push);
    return NULL;
}

/* Messages are not mixed, and nobody is passed over: everyone's first hundred come before far more of all. */
static void shares (const char *transport)
{
    part ("messages of %d parts over %s, everyone has a share", PARTS, transport);
    void *pull = new_socket (context, ZMQ_PULL);
    set_int (pull, ZMQ_RCVHWM, 10);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    atomic_store (&enough, 0);
    pthread_t threads[PEERS];
    struct sender senders[PEERS];
    for (int i = 0; i < PEERS; i++) {
        senders[i] = (struct sender){i, 0, 10, endpoint};
        threads[i] = start (send_parts, &senders[i]);
    }
    int next[PEERS] = {0}, served = 0, total = 0;
    for (; served < PEERS; total++) {
        struct head head;
        CHECK (zmq_recv (pull, &head, sizeof head, 0) == sizeof head);
        CHECK (head.index % PARTS == 0 && head.index == next[head.peer]);
        int peer = head.peer;
        for (int k = 1; k < PARTS; k++) {
            CHECK (int_option (pull, ZMQ_RCVMORE) == 1);
            CHECK (zmq_recv (pull, &head, sizeof head, 0) == sizeof head);
            CHECK (head.peer == peer && head.index == next[peer] + k);
        }
        CHECK (int_option (pull, ZMQ_RCVMORE) == 0);
        next[peer] += PARTS;
        served += next[peer] == 100 * PARTS;
    }
    atomic_store (&enough, 1);
    for (int i = 0; i < PEERS; i++)
        join (threads[i]);
    printf ("  %s\n", total < 1000000 ? "so it is" : "somebody waits too long");
    close_socket (pull);
}

/* Long commands and late connections ------------------------------------------------------------------------------------------ */

/* A topic whose SUBSCRIBE is almost as long as a frame of a command may be. */
static void long_topic (const char *transport)
{
    part ("a long topic among many subscribers, %s", transport);
    static char topic[65520];
    void *subscribers[PEERS];
    endpoint_t endpoint;
    void *publisher = new_socket (context, ZMQ_XPUB);
    bind_fresh (publisher, transport, endpoint);
    memset (topic, 't', sizeof topic);
    for (int i = 0; i < PEERS; i++) {
        subscribers[i] = new_socket (context, ZMQ_SUB);
        connect_to (subscribers[i], endpoint);
        char letter = (char) ('a' + i);
        CHECK (zmq_setsockopt (subscribers[i], ZMQ_SUBSCRIBE, &letter, 1) == 0);
        CHECK (zmq_recv (publisher, NULL, 0, 0) == 2);
    }
    CHECK (zmq_setsockopt (subscribers[0], ZMQ_SUBSCRIBE, topic, sizeof topic) == 0);
    SHOW (zmq_recv (publisher, NULL, 0, 0));
    CHECK (zmq_setsockopt (subscribers[0], ZMQ_UNSUBSCRIBE, topic, sizeof topic) == 0);
    SHOW (zmq_recv (publisher, NULL, 0, 0));
    scatter (publisher, subscribers, PEERS);
}

static atomic_int is_over;

static void *end_it (void *own)
{
    end_context (own);
    atomic_store (&is_over, 1);
    return NULL;
}

/* A socket that is closed with much to send, to peers that come, go and come again only then. */
static void outlives (const char *transport)
{
    enum { PLACES = 6, MESSAGES = 24, SIZE = 1 << 20 };
    part ("what was sent outlives its socket, %s", transport);
    static char body[SIZE];
    endpoint_t endpoints[PLACES];
    void *own = new_context (), *peers[PLACES];
    void *dealer = new_socket (own, ZMQ_DEALER);
    set_int (dealer, ZMQ_RECONNECT_IVL, 20);
    set_int (dealer, ZMQ_RCVTIMEO, 10);
    set_int (dealer, ZMQ_LINGER, -1);
    for (int i = 0; i < PLACES; i++) {
        unbound_endpoint (context, transport, endpoints[i]);
        connect_to (dealer, endpoints[i]);
    }
    CHECK (zmq_recv (dealer, NULL, 0, 0) == -1 && zmq_errno () == EAGAIN);
    for (int i = 0; i < PLACES * MESSAGES; i++)
        CHECK (zmq_send (dealer, body, SIZE, 0) == SIZE);
    close_socket (dealer);
    atomic_store (&is_over, 0);
    pthread_t end = start (end_it, own);
    for (int i = 0; i < PLACES; i++) {
        void *passing = new_socket (context, ZMQ_DEALER);
        set_int (passing, ZMQ_RCVHWM, 1);
        CHECK (zmq_bind (passing, endpoints[i]) == 0);
        CHECK (zmq_recv (passing, NULL, 0, 0) == SIZE);
        unbind_and_wait (context, passing, endpoints[i]);
        close_socket (passing);
    }
    zmq_pollitem_t items[PLACES];
    for (int i = 0; i < PLACES; i++) {
        peers[i] = new_socket (context, ZMQ_DEALER);
        while (zmq_bind (peers[i], endpoints[i]) != 0)
            CHECK (zmq_errno () == EADDRINUSE);
        items[i] = (zmq_pollitem_t){peers[i], 0, ZMQ_POLLIN, 0};
    }
    /* How much was lost with those that went is the kernel's affair; the context ends when nothing is left to send. */
    while (!atomic_load (&is_over)) {
        CHECK (zmq_poll (items, PLACES, 10) >= 0);
        for (int i = 0; i < PLACES; i++)
            if (items[i].revents)
                CHECK (zmq_recv (peers[i], NULL, 0, 0) == SIZE);
    }
    join (end);
    printf ("  nothing is left\n");
    for (int i = 0; i < PLACES; i++)
        close_socket (peers[i]);
}

int main (void)
{
    context = new_context ();
    CHECK (zmq_ctx_set (context, ZMQ_IO_THREADS, 2) == 0);
    static const char *const network[] = {"ipc", "tcp"};
    for (int i = 0; i < COUNT (network); i++) {
        echoes (network[i]);
        marks (network[i]);
        bodies (network[i]);
        polls (network[i]);
        ways (network[i]);
        connecting (ZMQ_PULL, ZMQ_PUSH, network[i]);
        connecting (ZMQ_DEALER, ZMQ_DEALER, network[i]);
        connecting (ZMQ_SUB, ZMQ_XPUB, network[i]);
        for (int receives = 0; receives < 2; receives++) {
            ends (network[i], 1, receives);
            ends (network[i], 2, receives);
        }
        migrates (network[i]);
        shares (network[i]);
        long_topic (network[i]);
    }
    /* Over tcp the kernel's buffers decide on a busy machine how much is lost with those that go. */
    outlives ("ipc");
    end_context (context);
    return 0;
}
