/* The counters of sockets are exact: every pattern, every way that messages take, beside what the program counts.
 *
 *   accounting TRANSPORT MESSAGES
 *
 * While two threads play a pattern, a third one asks for the counters all the time, and the sums must hold in each answer. */
#include "accounts.h"

static const char *transport;
static uint64_t planned;
static void *context;

typedef struct
{
    void *socket;
    int type;
    uint64_t seed, limit;
    count_t sent, received;
} side_t;

static atomic_int watches;

static void *watch (void *sockets)
{
    peer_t peers[PEERS_MAX];
    while (atomic_load (&watches))
        for (int i = 0; i < 2; i++) {
            stats_of (((void **) sockets)[i]);
            peers_of (((void **) sockets)[i], peers);
            usleep (100);
        }
    return NULL;
}

static void *play (void *argument)
{
    side_t *side = argument;
    random_t random = seeded (side->seed);
    int asks = side->type == ZMQ_REQ, answers = side->type == ZMQ_REP;
    while (side->sent.messages < side->limit || (asks && side->received.messages < side->limit)) {
        if (answers)
            CHECK (receive_any (side->socket, 0, &side->received) == 0);
        CHECK (send_random (side->socket, &random, NULL, 0, &side->sent) == 0);
        if (asks)
            CHECK (receive_any (side->socket, 0, &side->received) == 0);
    }
    return NULL;
}

static void *receive_rest (void *argument)
{
    side_t *side = argument;
    while (side->received.messages < side->limit)
        CHECK (receive_any (side->socket, 0, &side->received) == 0);
    return NULL;
}

static void *new_pair (int type, int peer_type, void **peer, int is_secured)
{
    endpoint_t endpoint;
    void *socket = new_socket (context, type);
    *peer = new_socket (context, peer_type);
    if (is_secured) {
        char public[41], secret[41];
        CHECK (zmq_curve_keypair (public, secret) == 0);
        set_int (socket, ZMQ_CURVE_SERVER, 1);
        set_text (socket, ZMQ_CURVE_SECRETKEY, secret);
        set_text (*peer, ZMQ_CURVE_SERVERKEY, public);
        set_text (*peer, ZMQ_CURVE_PUBLICKEY, public);
        set_text (*peer, ZMQ_CURVE_SECRETKEY, secret);
    }
    bind_fresh (socket, transport, endpoint);
    connect_and_wait (context, socket, *peer, endpoint);
    return socket;
}

/* Everything that one side sends arrives at the other. REQ, REP and ROUTER put envelopes around it, so that bytes are only compared
 * between the two ends there. */
static void exchange (int type, int peer_type, int is_secured)
{
    char name[64];
    snprintf (name, sizeof name, "%s to %s", type_name (type), type_name (peer_type));
    stage = name;
    side_t from = {.type = type, .seed = 1, .limit = planned}, to = {.type = peer_type, .seed = 2, .limit = planned};
    from.socket = new_pair (type, peer_type, &to.socket, is_secured);
    if (peer_type == ZMQ_SUB)
        subscribe (to.socket, "");
    if (peer_type == ZMQ_XSUB)
        CHECK (zmq_send (to.socket, "\1", 1, 0) == 1);
    if (type == ZMQ_XPUB) {
        set_int (from.socket, ZMQ_XPUB_NODROP, 1);
        CHECK (zmq_recv (from.socket, name, sizeof name, 0) == 1);
    }
    void *sockets[] = {from.socket, to.socket};
    atomic_store (&watches, 1);
    pthread_t watcher = start (watch, sockets), sender = start (play, &from);
    int is_strict = type == ZMQ_REQ;
    pthread_t receiver = start (is_strict ? play : receive_rest, &to);
    join (sender);
    join (receiver);
    atomic_store (&watches, 0);
    join (watcher);
    AWAIT (from.socket, t->queued_out == 0);
    AWAIT (to.socket, t->queued_out == 0);
    traffic_t out = traffic_of (from.socket), in = traffic_of (to.socket);
    EXPECT (from.socket, sent, from.sent.messages);
    EXPECT (from.socket, delivered, from.sent.messages);
    EXPECT (to.socket, arrived, from.sent.messages);
    EXPECT (to.socket, received, to.received.messages);
    EXPECT (to.socket, queued_in, 0);
    if (!is_strict)
        EXPECT (from.socket, sent_bytes, from.sent.bytes);
    if (out.sent_bytes != in.arrived_bytes)
        fail ("as many bytes arrive as are sent");
    if (is_strict) {
        EXPECT (to.socket, sent, to.sent.messages);
        EXPECT (from.socket, received, from.received.messages);
        if (in.sent_bytes != out.arrived_bytes)
            fail ("as many bytes arrive as are answered");
    }
    peer_t peers[PEERS_MAX];
    CHECK (peers_of (from.socket, peers) == 1 && memcmp (&peers[0].messages, &out, sizeof out) == 0);
    CHECK (peers_of (to.socket, peers) == 1 && memcmp (&peers[0].messages, &in, sizeof in) == 0);
    CHECK (strcmp (peers[0].mechanism, is_secured ? "CURVE" : strcmp (transport, "inproc") == 0 ? "" : "NULL") == 0);
    close_socket (from.socket);
    close_socket (to.socket);
}

/* A STREAM's message to a connection is one message, and each piece that comes is one. */
static void stream (void)
{
    endpoint_t endpoint;
    void *ends[2];
    char names[2][8];
    count_t pieces = {0};
    uint64_t bytes = 0, sent = 0;
    stage = "STREAM";
    for (int i = 0; i < 2; i++)
        ends[i] = new_socket (context, ZMQ_STREAM);
    bind_fresh (ends[0], transport, endpoint);
    connect_to (ends[1], endpoint);
    for (int i = 0; i < 2; i++) {
        /* The notice that the connection has begun. */
        CHECK (zmq_recv (ends[i], names[i], sizeof names[i], 0) == 5);
        CHECK (zmq_recv (ends[i], body, sizeof body, 0) == 0);
    }
    for (; sent < planned; sent++) {
        CHECK (zmq_send (ends[1], names[1], 5, ZMQ_SNDMORE) == 5);
        CHECK (zmq_send (ends[1], body, 100, 0) == 100);
    }
    while (bytes < 100 * sent) {
        CHECK (zmq_recv (ends[0], names[0], sizeof names[0], 0) == 5);
        int size = zmq_recv (ends[0], body, sizeof body, 0);
        CHECK (size > 0);
        bytes += (uint64_t) size;
        pieces.messages++;
        pieces.bytes += frame_bytes ((size_t) size);
    }
    AWAIT (ends[1], t->queued_out == 0);
    EXPECT (ends[1], delivered, sent);
    EXPECT (ends[1], sent_bytes, sent * frame_bytes (100));
    EXPECT (ends[0], received, pieces.messages + 1);
    EXPECT (ends[0], arrived_bytes, pieces.bytes + frame_bytes (0));
    close_socket (ends[0]);
    close_socket (ends[1]);
}

/* A ROUTER in the middle of many: what it gets from each DEALER and gives back. */
static void route (void)
{
    enum { DEALERS = 7 };
    endpoint_t endpoint;
    void *router = new_socket (context, ZMQ_ROUTER), *dealers[DEALERS];
    count_t sent[DEALERS] = {0}, unused = {0};
    random_t random = seeded (3);
    stage = "ROUTER";
    bind_fresh (router, transport, endpoint);
    for (int i = 0; i < DEALERS; i++) {
        char id[] = {'d', (char) ('0' + i), 0};
        dealers[i] = new_socket (context, ZMQ_DEALER);
        set_text (dealers[i], ZMQ_ROUTING_ID, id);
        connect_to (dealers[i], endpoint);
    }
    uint64_t turns = planned / 4, answered = 0;
    for (uint64_t turn = 0; turn < turns; turn++) {
        int who = (int) below (&random, DEALERS);
        CHECK (send_random (dealers[who], &random, NULL, 0, &sent[who]) == 0);
        char id[8];
        CHECK (zmq_recv (router, id, sizeof id, 0) == 2 && id[1] == '0' + who);
        id[2] = 0;
        while (int_option (router, ZMQ_RCVMORE))
            CHECK (zmq_recv (router, body, 1, 0) >= 0);
        if (turn % 3 == 0) {
            CHECK (send_random (router, &random, id, 0, &unused) == 0);
            CHECK (receive_any (dealers[who], 0, &unused) == 0);
            answered++;
        }
    }
    AWAIT (router, t->queued_out == 0);
    EXPECT (router, received, turns);
    EXPECT (router, delivered, answered);
    peer_t peers[PEERS_MAX];
    CHECK (peers_of (router, peers) == DEALERS);
    for (int i = 0; i < DEALERS; i++) {
        int who = peers[i].routing_id[1] - '0';
        CHECK (peers[i].routing_id_size == 2 && strcmp (peers[i].socket_type, "DEALER") == 0);
        CHECK (peers[i].messages.received == sent[who].messages && peers[i].messages.arrived_bytes == sent[who].bytes);
        CHECK (strcmp (peers[i].endpoint, endpoint) == 0 && peers[i].state == MONOCOQUE_PEER_READY);
    }
    for (int i = 0; i < DEALERS; i++)
        close_socket (dealers[i]);
    close_socket (router);
}

/* A publisher goes on while one subscriber reads and another does not. In the end each has read what it was counted for. */
static void stall (int type)
{
    endpoint_t endpoint;
    peer_t peers[PEERS_MAX];
    void *publisher = new_socket (context, type), *subscribers[2];
    count_t got[2] = {0}, sent = {0};
    random_t random = seeded (4);
    stage = "a stalled subscriber";
    set_int (publisher, ZMQ_SNDHWM, 50);
    bind_fresh (publisher, transport, endpoint);
    for (int i = 0; i < 2; i++) {
        char topic[1];
        subscribers[i] = new_socket (context, ZMQ_SUB);
        set_int (subscribers[i], ZMQ_RCVHWM, 50);
        set_int (subscribers[i], ZMQ_RCVBUF, 4096);
        subscribe (subscribers[i], "");
        connect_to (subscribers[i], endpoint);
        if (type == ZMQ_XPUB && i == 0)
            CHECK (zmq_recv (publisher, topic, 1, 0) == 1);
    }
    /* Both are there once each has got something. */
    while (got[0].messages == 0 || got[1].messages == 0) {
        CHECK (send_random (publisher, &random, NULL, 0, &sent) == 0);
        for (int i = 0; i < 2; i++)
            while (receive_any (subscribers[i], ZMQ_DONTWAIT, &got[i]) == 0)
                ;
    }
    traffic_t begun = traffic_of (publisher);
    sent = (count_t){0};
    /* How much the kernel takes for the one that does not read is its affair. */
    while (sent.messages < planned || traffic_of (publisher).dropped_full < planned / 2) {
        CHECK (send_random (publisher, &random, NULL, 0, &sent) == 0);
        if (below (&random, 3) == 0)
            while (receive_any (subscribers[0], ZMQ_DONTWAIT, &got[0]) == 0)
                ;
        /* Not too often: whoever asks has what is held back written. */
        if (below (&random, 100) == 0) {
            CHECK (peers_of (publisher, peers) == 2);
            EXPECT (publisher, sent, begun.sent + 2 * sent.messages);
        }
    }
    EXPECT (publisher, sent, begun.sent + 2 * sent.messages);
    CHECK (traffic_of (publisher).dropped_full > 0 && traffic_of (publisher).lost_out == 0);
    uint64_t waiting = traffic_of (publisher).queued_out, dropped = traffic_of (publisher).dropped_full;
    printf ("%s %s: sent %lu = %lu delivered + %lu queued + %lu dropped\n", transport, type_name (type),
            traffic_of (publisher).sent, traffic_of (publisher).delivered, waiting, dropped);
    CHECK (strcmp (transport, "inproc") == 0 || waiting > 0);
    do {
        for (int i = 0; i < 2; i++)
            while (receive_any (subscribers[i], ZMQ_DONTWAIT, &got[i]) == 0)
                ;
    } while (traffic_of (publisher).delivered > got[0].messages + got[1].messages || traffic_of (publisher).queued_out > 0);
    EXPECT (publisher, dropped_full, dropped);
    EXPECT (publisher, delivered, got[0].messages + got[1].messages);
    for (int i = 0; i < 2; i++) {
        EXPECT (subscribers[i], received, got[i].messages);
        EXPECT (subscribers[i], arrived_bytes, got[i].bytes);
        close_socket (subscribers[i]);
    }
    AWAIT (publisher, stats.peers == 0);
    EXPECT (publisher, delivered, got[0].messages + got[1].messages);
    close_socket (publisher);
}

static void conflate (void)
{
    endpoint_t endpoint;
    void *pusher = new_socket (context, ZMQ_PUSH), *puller = new_socket (context, ZMQ_PULL);
    count_t sent = {0}, got = {0};
    random_t random = seeded (5);
    stage = "ZMQ_CONFLATE";
    set_int (pusher, ZMQ_CONFLATE, 1);
    set_int (puller, ZMQ_CONFLATE, 1);
    bind_fresh (puller, transport, endpoint);
    connect_to (pusher, endpoint);
    for (uint64_t number = 0; number < planned; number++) {
        CHECK (zmq_send (pusher, body, below (&random, 300), 0) >= 0);
        sent.messages++;
        if (below (&random, 20) == 0)
            receive_any (puller, ZMQ_DONTWAIT, &got);
    }
    AWAIT (pusher, t->queued_out <= (strcmp (transport, "inproc") == 0));
    traffic_t out = traffic_of (pusher);
    EXPECT (pusher, sent, sent.messages);
    AWAIT (puller, t->arrived == (strcmp (transport, "inproc") == 0 ? out.sent : out.delivered));
    receive_any (puller, ZMQ_DONTWAIT, &got);
    traffic_t in = traffic_of (puller);
    EXPECT (puller, received, got.messages);
    CHECK (in.queued_in == 0 && out.dropped_replaced + in.replaced_in > 0);
    close_socket (pusher);
    close_socket (puller);
}

static void *run_proxy (void *sockets)
{
    void **ends = sockets;
    CHECK (zmq_proxy (ends[0], ends[1], NULL) == -1);
    close_socket (ends[0]);
    close_socket (ends[1]);
    return NULL;
}

/* A proxy moves small messages in runs. It has its context to itself, whose end stops it. */
static void pass_on (void)
{
    endpoint_t front, back;
    void *of_proxy = strcmp (transport, "inproc") == 0 ? context : new_context ();
    void *ends[] = {new_socket (of_proxy, ZMQ_PULL), new_socket (of_proxy, ZMQ_PUSH)};
    void *pusher = new_socket (context, ZMQ_PUSH), *puller = new_socket (context, ZMQ_PULL);
    stage = "a proxy";
    bind_fresh (ends[0], transport, front);
    bind_fresh (ends[1], transport, back);
    connect_to (pusher, front);
    connect_to (puller, back);
    pthread_t proxy = start (run_proxy, ends);
    side_t to = {.socket = puller, .limit = 20 * planned};
    pthread_t receiver = start (receive_rest, &to);
    for (uint64_t number = 0; number < to.limit; number++)
        CHECK (zmq_send (pusher, body, 64, 0) == 64);
    join (receiver);
    AWAIT (ends[1], t->delivered == to.limit);
    EXPECT (pusher, delivered, to.limit);
    EXPECT (ends[0], received, to.limit);
    EXPECT (ends[0], arrived_bytes, to.limit * frame_bytes (64));
    EXPECT (ends[1], sent, to.limit);
    EXPECT (ends[1], sent_bytes, to.limit * frame_bytes (64));
    EXPECT (puller, received, to.limit);
    close_socket (pusher);
    close_socket (puller);
    if (of_proxy == context)
        CHECK (zmq_ctx_shutdown (context) == 0);
    else
        end_context (of_proxy);
    join (proxy);
}

int main (int count, char **values)
{
    CHECK (count == 3);
    transport = values[1];
    planned = (uint64_t) atol (values[2]);
    find_calls ();
    start_watchdog ();
    context = new_context ();
    exchange (ZMQ_PUSH, ZMQ_PULL, 0);
    if (strcmp (transport, "inproc") != 0)
        exchange (ZMQ_PUSH, ZMQ_PULL, 1);
    if (strcmp (transport, "tcp") == 0)
        stream ();
    exchange (ZMQ_PAIR, ZMQ_PAIR, 0);
    exchange (ZMQ_DEALER, ZMQ_DEALER, 0);
    exchange (ZMQ_REQ, ZMQ_REP, 0);
    exchange (ZMQ_XPUB, ZMQ_SUB, 0);
    exchange (ZMQ_XPUB, ZMQ_XSUB, 0);
    route ();
    stall (ZMQ_PUB);
    stall (ZMQ_XPUB);
    conflate ();
    pass_on ();
    end_context (context);
    return 0;
}
