/* What is lost, dropped or never comes to a peer is counted: beside peers that are killed, pipes that are closed, and routes that lead
 * nowhere.
 *
 *   losses TRANSPORT
 *
 * `losses TRANSPORT pull|xpub|stalled ENDPOINT COUNT` is a peer: it binds, says its endpoint and how many messages it has read on its stdout, and after
 * so many waits to be killed; or ends at an empty message. */
#include "accounts.h"
#include <sys/prctl.h>

static const char *transport, *program;
static void *context;

static int is_inproc (void)
{
    return strcmp (transport, "inproc") == 0;
}

/* Peers that are killed ------------------------------------------------------------------------------------------------ */

typedef struct
{
    pid_t process;
    FILE *says;
} child_t;

static child_t start_child (const char *role, const char *endpoint, const char *argument)
{
    int ends[2];
    child_t child;
    CHECK (pipe (ends) == 0);
    fflush (stdout);
    child.process = fork ();
    CHECK (child.process >= 0);
    if (child.process == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        dup2 (ends[1], 1);
        execl (program, program, transport, role, endpoint, argument, (char *) NULL);
        _exit (5);
    }
    close (ends[1]);
    child.says = fdopen (ends[0], "r");
    CHECK (child.says);
    return child;
}

static void end_child (child_t *child, int by_force)
{
    int status;
    if (by_force)
        CHECK (kill (child->process, SIGKILL) == 0);
    CHECK (waitpid (child->process, &status, 0) == child->process);
    CHECK (by_force ? WIFSIGNALED (status) : status == 0);
    fclose (child->says);
}

static long number_from (child_t *child)
{
    char line[ENDPOINT_SIZE];
    CHECK (fgets (line, sizeof line, child->says));
    if (line[0] < '0' || line[0] > '9')
        fail (line);
    return atol (line);
}

static void endpoint_from (child_t *child, char *endpoint)
{
    CHECK (fgets (endpoint, ENDPOINT_SIZE, child->says));
    if (strncmp (endpoint, transport, 3) != 0)
        fail (endpoint);
    endpoint[strcspn (endpoint, "\n")] = 0;
}

static int be_receiver (int type, const char *endpoint, long limit)
{
    endpoint_t own;
    void *puller = new_socket (new_context (), type);
    set_int (puller, ZMQ_RCVHWM, 10);
    set_int (puller, ZMQ_RCVBUF, 4096);
    /* With io_uring the kernel frees the port of a process that was killed some time later. */
    while (zmq_bind (puller, endpoint) == -1)
        CHECK (zmq_errno () == EADDRINUSE);
    last_endpoint (puller, own);
    printf ("%s\n", own);
    fflush (stdout);
    long read = 0;
    for (int size = 1; size > 0 && (limit == 0 || read < limit); read += size > 0)
        CHECK ((size = zmq_recv (puller, body, sizeof body, 0)) >= 0);
    printf ("%ld\n", read);
    fflush (stdout);
    while (limit)
        pause ();
    return 0;
}

/* As be_receiver, but it connects, and reads only one. */
static int be_stalled (const char *endpoint)
{
    void *puller = new_socket (new_context (), ZMQ_PULL);
    set_int (puller, ZMQ_RCVHWM, 1);
    set_int (puller, ZMQ_RCVBUF, 4096);
    connect_to (puller, endpoint);
    CHECK (zmq_recv (puller, body, sizeof body, 0) >= 0);
    printf ("1\n");
    fflush (stdout);
    pause ();
    return 0;
}

/* The pipe of a connecting socket outlives its connection: nothing of it is lost but what the kernel had for the peer that died. */
static void reconnect (void)
{
    enum { SIZE = 1000, BEFORE = 2000, AFTER = 300 };
    endpoint_t endpoint;
    peer_t peers[PEERS_MAX];
    stage = "a peer that is killed";
    fresh_endpoint (transport, endpoint);
    child_t first = start_child ("pull", endpoint, "7");
    endpoint_from (&first, endpoint);
    void *pusher = new_socket (context, ZMQ_PUSH), *monitor = open_monitor (context, pusher, ZMQ_EVENT_DISCONNECTED);
    set_int (pusher, ZMQ_SNDBUF, 4096);
    set_int (pusher, ZMQ_SNDHWM, 0);
    set_int (pusher, ZMQ_RECONNECT_IVL, 10);
    connect_to (pusher, endpoint);
    for (int number = 0; number < BEFORE; number++)
        CHECK (zmq_send (pusher, body, SIZE, 0) == SIZE);
    long read = number_from (&first);
    CHECK (read == 7);
    end_child (&first, 1);
    wait_for_event (monitor, ZMQ_EVENT_DISCONNECTED);
    stats_t then = stats_of (pusher);
    CHECK (then.disconnects == 1 && then.peers == 1 && then.messages.delivered >= (uint64_t) read);
    CHECK (then.messages.queued_out + then.messages.delivered == BEFORE && then.messages.queued_out > 0);
    child_t second = start_child ("pull", endpoint, "0");
    endpoint_from (&second, endpoint);
    for (int number = 0; number < AFTER; number++)
        CHECK (zmq_send (pusher, body, SIZE, 0) == SIZE);
    CHECK (zmq_send (pusher, body, 0, 0) == 0);
    long read_then = number_from (&second);
    AWAIT (pusher, t->queued_out == 0);
    end_child (&second, 0);
    EXPECT (pusher, sent, BEFORE + AFTER + 1);
    EXPECT (pusher, delivered, BEFORE + AFTER + 1);
    EXPECT (pusher, lost_out, 0);
    /* All that is missing was delivered to the kernel before the connection ended. */
    CHECK ((uint64_t) read_then == BEFORE + AFTER - then.messages.delivered);
    stats_t stats = stats_of (pusher);
    CHECK (stats.reconnects == 1 && stats.connections == 2);
    CHECK (peers_of (pusher, peers) == 1 && peers[0].connections == 2);
    printf ("%s: killed after it had read %ld of %lu delivered messages, %lu bytes of which its kernel had not confirmed; the next got the "
            "other %ld\n",
            transport, read, then.messages.delivered, then.unconfirmed_bytes, read_then);
    close_monitor (pusher, monitor);
    close_socket (pusher);
}

/* An XSUB keeps what was not given to the connection that is lost, and what was is sent to no other. */
static void publish_upwards (void)
{
    enum { SIZE = 1000, BEFORE = 2000, BETWEEN = 5 };
    endpoint_t endpoint;
    int status;
    stage = "an XPUB that is killed";
    fresh_endpoint (transport, endpoint);
    child_t first = start_child ("xpub", endpoint, "1");
    endpoint_from (&first, endpoint);
    void *xsub = new_socket (context, ZMQ_XSUB), *monitor = open_monitor (context, xsub, ZMQ_EVENT_DISCONNECTED);
    set_int (xsub, ZMQ_SNDBUF, 4096);
    set_int (xsub, ZMQ_SNDHWM, 0);
    set_int (xsub, ZMQ_RECONNECT_IVL, 10);
    connect_to (xsub, endpoint);
    memset (body, 'x', SIZE);
    CHECK (zmq_send (xsub, body, SIZE, 0) == SIZE);
    CHECK (number_from (&first) == 1);
    CHECK (kill (first.process, SIGSTOP) == 0 && waitpid (first.process, &status, WUNTRACED) == first.process);
    for (int number = 0; number < BEFORE; number++)
        CHECK (zmq_send (xsub, body, SIZE, 0) == SIZE);
    EXPECT (xsub, sent, BEFORE + 1);
    end_child (&first, 1);
    wait_for_event (monitor, ZMQ_EVENT_DISCONNECTED);
    AWAIT (xsub, t->lost_out > 0);
    /* A connection is given all that waits when it can take more, seldom everything at once: these were given to none. */
    for (int number = 0; number < BETWEEN; number++)
        CHECK (zmq_send (xsub, body, SIZE, 0) == SIZE);
    traffic_t then = traffic_of (xsub);
    CHECK (then.delivered > 0 && then.queued_out >= BETWEEN);
    child_t second = start_child ("xpub", endpoint, "0");
    endpoint_from (&second, endpoint);
    CHECK (zmq_send (xsub, body, 0, 0) == 0);
    CHECK ((uint64_t) number_from (&second) == then.queued_out);
    AWAIT (xsub, t->queued_out == 0);
    end_child (&second, 0);
    EXPECT (xsub, delivered, then.delivered + then.queued_out + 1);
    EXPECT (xsub, lost_out, then.lost_out);
    close_monitor (xsub, monitor);
    close_socket (xsub);
}

/* The pipe of an accepted connection dies with it. */
static void accepted (void)
{
    endpoint_t endpoint;
    peer_t peers[PEERS_MAX];
    stage = "an accepted peer that is killed";
    void *pusher = new_socket (context, ZMQ_PUSH);
    set_int (pusher, ZMQ_SNDBUF, 4096);
    set_int (pusher, ZMQ_SNDHWM, 500);
    bind_fresh (pusher, transport, endpoint);
    child_t peer = start_child ("stalled", endpoint, "0");
    uint64_t sent = 1;
    CHECK (zmq_send (pusher, body, 1000, 0) == 1000);
    CHECK (number_from (&peer) == 1);
    while (traffic_of (pusher).queued_out < 500)
        sent += zmq_send (pusher, body, 1000, ZMQ_DONTWAIT) == 1000;
    CHECK (peers_of (pusher, peers) == 1);
    /* The background may still be giving the kernel some. */
    uint64_t before, after, delivered = traffic_of (pusher).delivered;
    CHECK (process_counter ("messages_lost", &before) == 0);
    end_child (&peer, 1);
    AWAIT (pusher, stats.peers == 0);
    CHECK (process_counter ("messages_lost", &after) == 0);
    EXPECT (pusher, sent, sent);
    EXPECT (pusher, queued_out, 0);
    traffic_t then = traffic_of (pusher);
    CHECK (then.delivered >= delivered && then.lost_out > 0 && then.lost_out <= 500);
    CHECK (after - before == then.lost_out && stats_of (pusher).disconnects == 1 && peers_of (pusher, peers) == 0);
    /* The kernel takes no more only while it has something that is not confirmed. */
    uint64_t unconfirmed = stats_of (pusher).unconfirmed_bytes;
    CHECK (strcmp (transport, "tcp") == 0 ? unconfirmed > 0 && unconfirmed <= then.delivered * frame_bytes (1000) + 1000 : unconfirmed == 0);
    close_socket (pusher);
}

/* Pipes that are closed -------------------------------------------------------------------------------------------------- */

static void close_pipes (void)
{
    endpoint_t endpoint;
    uint64_t before, after;
    stage = "pipes that are closed";
    unbound_endpoint (context, transport, endpoint);
    void *pusher = new_socket (context, ZMQ_PUSH), *puller = new_socket (context, ZMQ_PULL);
    connect_to (pusher, endpoint);
    for (int number = 0; number < 40; number++)
        put (pusher, number % 2 ? "one" : "two|parts");
    EXPECT (pusher, queued_out, 40);
    CHECK (zmq_disconnect (pusher, endpoint) == 0);
    if (!is_inproc ()) {
        /* Without linger what waits is lost. */
        AWAIT (pusher, t->lost_out == 40 && stats.peers == 0);
        CHECK (process_counter ("messages_lost", &before) == 0);
        connect_to (pusher, endpoint);
        for (int number = 0; number < 30; number++)
            put (pusher, "one");
        close_socket (pusher);
        do
            CHECK (process_counter ("messages_lost", &after) == 0);
        while (after != before + 30);
        pusher = new_socket (context, ZMQ_PUSH);
    }
    /* With linger it waits for whoever binds, also when the pipe is no more. */
    set_int (pusher, ZMQ_LINGER, -1);
    traffic_t begun = traffic_of (pusher);
    if (!is_inproc ()) {
        connect_to (pusher, endpoint);
        for (int number = 0; number < 20; number++)
            put (pusher, "one");
        CHECK (zmq_disconnect (pusher, endpoint) == 0);
        CHECK (stats_of (pusher).peers == 0);
        EXPECT (pusher, queued_out, 20);
        begun.sent += 20;
    } else
        EXPECT (pusher, queued_out, 40);
    CHECK (zmq_bind (puller, endpoint) == 0);
    AWAIT (puller, t->queued_in == (uint64_t) (is_inproc () ? 40 : 20));
    count_t got = {0};
    CHECK (receive_any (puller, 0, &got) == 0);
    AWAIT (pusher, t->queued_out == 0);
    EXPECT (pusher, sent, begun.sent);
    EXPECT (pusher, delivered, is_inproc () ? 40 : 20);
    close_socket (pusher);
    close_socket (puller);
    /* What was not received when its pipe is closed is lost on this side. */
    void *sender = new_socket (context, ZMQ_PUSH), *receiver = new_socket (context, ZMQ_PULL);
    bind_fresh (sender, transport, endpoint);
    connect_to (receiver, endpoint);
    for (int number = 0; number < 25; number++)
        put (sender, "one");
    CHECK (receive_any (receiver, 0, &got) == 0);
    EXPECT (sender, sent, 25);
    AWAIT (receiver, t->arrived == 25);
    EXPECT (receiver, queued_in, 24);
    CHECK (zmq_disconnect (receiver, endpoint) == 0);
    EXPECT (receiver, lost_in, 24);
    EXPECT (receiver, received, 1);
    EXPECT (receiver, queued_in, 0);
    close_socket (sender);
    close_socket (receiver);
}

/* Ways that lead nowhere --------------------------------------------------------------------------------------------------- */

static void unroutable (void)
{
    endpoint_t endpoint;
    peer_t peers[PEERS_MAX];
    stage = "ways that lead nowhere";
    void *router = new_socket (context, ZMQ_ROUTER), *dealer = new_socket (context, ZMQ_DEALER);
    set_int (router, ZMQ_SNDHWM, 10);
    set_int (router, ZMQ_SNDBUF, 4096);
    set_int (dealer, ZMQ_RCVHWM, 10);
    set_int (dealer, ZMQ_RCVBUF, 4096);
    set_text (dealer, ZMQ_ROUTING_ID, "known");
    bind_fresh (router, transport, endpoint);
    connect_to (dealer, endpoint);
    put (dealer, "hello");
    count_t got = {0};
    CHECK (receive_any (router, 0, &got) == 0);
    for (int number = 0; number < 9; number++)
        put (router, number % 2 ? "unknown|x|y" : "unknown|x");
    EXPECT (router, dropped_unroutable, 9);
    memset (body, 'x', 1000);
    uint64_t sent = 0;
    for (; traffic_of (router).dropped_full < 30; sent++) {
        CHECK (zmq_send (router, "known", 5, ZMQ_SNDMORE) == 5);
        CHECK (zmq_send (router, body, 1000, 0) == 1000);
        atomic_fetch_add (&progress, 1);
    }
    CHECK (peers_of (router, peers) == 1 && peers[0].messages.sent == sent && peers[0].messages.dropped_full == 30);
    EXPECT (router, sent, sent + 9);
    got.messages = 0;
    while (got.messages < sent - 30)
        CHECK (receive_any (dealer, 0, &got) == 0);
    AWAIT (router, t->delivered == sent - 30);
    EXPECT (dealer, received, sent - 30);
    close_socket (dealer);
    AWAIT (router, stats.peers == 0);
    EXPECT (router, sent, sent + 9);
    close_socket (router);
    /* The one who asked has gone. */
    void *rep = new_socket (context, ZMQ_REP), *req = new_socket (context, ZMQ_REQ);
    bind_fresh (rep, transport, endpoint);
    connect_to (req, endpoint);
    put (req, "question");
    CHECK (receive_any (rep, 0, &got) == 0);
    close_socket (req);
    AWAIT (rep, stats.peers == 0);
    put (rep, "answer|in two");
    EXPECT (rep, dropped_unroutable, 1);
    EXPECT (rep, sent, 1);
    close_socket (rep);
}

/* Messages that reach a SUB after it has cancelled the subscription are not delivered, but counted. */
static void filter (void)
{
    endpoint_t endpoint;
    char topic[8];
    stage = "a subscription that is cancelled";
    void *publisher = new_socket (context, ZMQ_XPUB), *subscriber = new_socket (context, ZMQ_SUB);
    count_t got = {0};
    bind_fresh (publisher, transport, endpoint);
    subscribe (subscriber, "a");
    subscribe (subscriber, "b");
    connect_to (subscriber, endpoint);
    for (int number = 0; number < 2; number++)
        CHECK (zmq_recv (publisher, topic, sizeof topic, 0) == 2);
    for (int number = 0; number < 30; number++)
        put (publisher, number % 3 ? "a|x" : "b");
    put (publisher, "c");
    AWAIT (subscriber, t->arrived == 30);
    set_text (subscriber, ZMQ_UNSUBSCRIBE, "a");
    for (int number = 0; number < 10; number++)
        CHECK (receive_any (subscriber, 0, &got) == 0);
    CHECK (receive_any (subscriber, ZMQ_DONTWAIT, &got) == -1);
    EXPECT (subscriber, received, 10);
    EXPECT (subscriber, discarded, 20);
    /* What was for nobody was for no peer. */
    EXPECT (publisher, sent, 30);
    CHECK (stats_of (publisher).messages.arrived == 0);
    close_socket (publisher);
    close_socket (subscriber);
}

/* Events that no monitor reads ------------------------------------------------------------------------------------------------ */

static void overflow_monitor (void)
{
    enum { ATTEMPTS = 12000 };
    endpoint_t endpoint, events;
    stage = "a monitor that nobody reads";
    void *bound = new_socket (context, ZMQ_PULL), *watched = new_socket (context, ZMQ_PULL);
    CHECK (zmq_bind (bound, "tcp://127.0.0.1:*") == 0);
    last_endpoint (bound, endpoint);
    fresh_endpoint ("inproc", events);
    CHECK (zmq_socket_monitor (watched, events, ZMQ_EVENT_BIND_FAILED) == 0);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++)
        CHECK (zmq_bind (watched, endpoint) == -1 && zmq_errno () == EADDRINUSE);
    atomic_fetch_add (&progress, 1);
    uint64_t unheard = stats_of (watched).unheard_events, read = 0;
    CHECK (unheard > 0 && unheard < ATTEMPTS);
    void *monitor = new_socket (context, ZMQ_PAIR);
    connect_to (monitor, events);
    for (; read < ATTEMPTS - unheard; read++)
        CHECK (next_event (monitor, NULL, NULL) == ZMQ_EVENT_BIND_FAILED);
    CHECK (stats_of (watched).unheard_events == unheard && !ready (monitor, ZMQ_POLLIN));
    CHECK (zmq_socket_monitor (watched, NULL, 0) == 0);
    close_socket (monitor);
    CHECK (zmq_socket_monitor (watched, events, ZMQ_EVENT_BIND_FAILED) == 0);
    CHECK (zmq_bind (watched, endpoint) == -1);
    CHECK (zmq_socket_monitor (watched, NULL, 0) == 0);
    CHECK (stats_of (watched).unheard_events == unheard + 1);
    close_socket (watched);
    close_socket (bound);
}

/* The calls themselves ----------------------------------------------------------------------------------------------------------- */

static void *receive_one (void *socket)
{
    count_t got = {0};
    CHECK (receive_any (socket, 0, &got) == 0);
    return NULL;
}

static void misuse (void)
{
    struct
    {
        stats_t stats;
        uint64_t later;
    } larger;
    stage = "wrong arguments";
    endpoint_t endpoint;
    peer_t peers[2];
    size_t count = 0;
    void *puller = new_socket (context, ZMQ_PULL), *pushers[2];
    CHECK (socket_stats (puller, NULL) == -1 && zmq_errno () == EFAULT);
    larger.stats.size = sizeof (stats_t) - 1;
    CHECK (socket_stats (puller, &larger.stats) == -1 && zmq_errno () == EINVAL);
    larger.stats.size = sizeof larger;
    larger.later = 7;
    CHECK (socket_stats (puller, &larger.stats) == 0 && larger.stats.size == sizeof (stats_t) && larger.later == 7);
    CHECK (socket_peers (puller, peers, sizeof *peers, NULL) == -1 && zmq_errno () == EFAULT);
    count = 1;
    CHECK (socket_peers (puller, NULL, sizeof *peers, &count) == -1 && zmq_errno () == EFAULT);
    CHECK (socket_peers (puller, peers, sizeof *peers - 1, &count) == -1 && zmq_errno () == EINVAL);
    CHECK (socket_stats (context, &larger.stats) == -1 && zmq_errno () == ENOTSOCK);
    CHECK (socket_peers (body, peers, sizeof *peers, &count) == -1 && zmq_errno () == ENOTSOCK);
    bind_fresh (puller, transport, endpoint);
    for (int i = 0; i < 2; i++) {
        pushers[i] = new_socket (context, ZMQ_PUSH);
        connect_to (pushers[i], endpoint);
    }
    AWAIT (puller, stats.peers == 2);
    count = 0;
    CHECK (socket_peers (puller, NULL, sizeof *peers, &count) == 0 && count == 2);
    memset (peers, 0x55, sizeof peers);
    count = 1;
    CHECK (socket_peers (puller, peers, sizeof *peers, &count) == 0 && count == 2);
    CHECK (peers[0].size == sizeof *peers && strcmp (peers[0].socket_type, "PUSH") == 0 && peers[1].size != sizeof *peers);
    CHECK (strcmp (peers[0].endpoint, endpoint) == 0 && strcmp (peers[0].mechanism, is_inproc () ? "" : "NULL") == 0);
    CHECK ((strncmp (endpoint, "tcp", 3) != 0) == (strcmp (peers[0].address, "127.0.0.1") != 0));
    /* They may be asked while a thread waits in a call, and when the context ends. */
    pthread_t receiver = start (receive_one, puller);
    for (int number = 0; number < 1000; number++)
        stats_of (puller);
    put (pushers[0], "x");
    join (receiver);
    EXPECT (puller, received, 1);
    void *ending = new_context (), *last = new_socket (ending, ZMQ_PULL);
    CHECK (zmq_ctx_shutdown (ending) == 0);
    stats_of (last);
    close_socket (last);
    CHECK (socket_stats (last, &larger.stats) == -1 && zmq_errno () == ENOTSOCK);
    end_context (ending);
    close_socket (puller);
    close_socket (pushers[0]);
    close_socket (pushers[1]);
}

/* States of a connection that is not there. */
static void states (void)
{
    peer_t peers[PEERS_MAX];
    endpoint_t endpoint;
    stage = "a connection that is not there";
    unbound_endpoint (context, transport, endpoint);
    for (int immediate = 0; immediate < 2; immediate++) {
        void *dealer = new_socket (context, ZMQ_DEALER);
        set_int (dealer, ZMQ_IMMEDIATE, immediate);
        connect_to (dealer, endpoint);
        CHECK (peers_of (dealer, peers) == 1 && stats_of (dealer).peers == 1);
        CHECK (peers[0].state == MONOCOQUE_PEER_WAITING || peers[0].state == MONOCOQUE_PEER_CONNECTING);
        CHECK (strcmp (peers[0].endpoint, endpoint) == 0 && *peers[0].address == 0 && *peers[0].socket_type == 0);
        close_socket (dealer);
    }
}

int main (int count, char **values)
{
    CHECK (count >= 2);
    program = "/proc/self/exe";
    transport = values[1];
    if (count == 5)
        return strcmp (values[2], "stalled") == 0
                 ? be_stalled (values[3])
                 : be_receiver (strcmp (values[2], "pull") == 0 ? ZMQ_PULL : ZMQ_XPUB, values[3], atol (values[4]));
    find_calls ();
    start_watchdog ();
    context = new_context ();
    if (!is_inproc ()) {
        reconnect ();
        publish_upwards ();
        accepted ();
    }
    close_pipes ();
    unroutable ();
    filter ();
    overflow_monitor ();
    misuse ();
    states ();
    end_context (context);
    return 0;
}
