/* The contract of ZMQ_FD (zmq_getsockopt(3)): two sockets exchange numbered messages, and whoever waits does so with epoll on
 * the sockets' descriptors alone. Every wait has a watchdog, and none may end by it.
 *
 *   fd_exchange TRANSPORT KIND EXCHANGES SEED      KIND: dealer, router, pair, reqrep
 *
 * The work is done in phases. In a phase both sides make a seeded mix of calls (send, recv, ZMQ_EVENTS, zmq_poll, with and
 * without ZMQ_DONTWAIT) and wait only after ZMQ_EVENTS showed nothing that they want; the sides run in one thread, in two,
 * or each side in two that hand the socket to each other. Between phases nothing is under way, and a side is disconnected,
 * unbound, closed and made anew, with other high-water marks. */
#include "stress.h"

#define WAIT_MS_MAX 10000
/* A level-triggered descriptor that stays readable makes programs spin. */
#define EMPTY_WAKE_UPS_MAX 1000
#define PHASE_MAX 400
#define BODY_MAX 400

enum
{
    CLIENT,
    SERVER,
    SIDES
};

typedef struct
{
    void *socket, *monitor;
    int fd, type, peer_identified;
    long sent, received, goal; /* messages of this phase */
    long numbered_out, numbered_in;
    long empty_wake_ups, waits;
    uint32_t trigger; /* EPOLLET or 0 */
    random_t random;
    /* Whose turn it is, when two threads share the side. */
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    int turn;
} side_t;

static side_t sides[SIDES];
static void *context;
static const char *transport, *kind, *last_change = "the start";
static endpoint_t endpoint;
static random_t chaos;
static long reconnects;

static int events_of (side_t *side)
{
    return int_option (side->socket, ZMQ_EVENTS);
}

/* What the side would do if it could. A router answers only what it has received; REQ and REP take turns. */
static int wanted (const side_t *side)
{
    int in = side->received < side->goal ? ZMQ_POLLIN : 0;
    int out = side->sent < side->goal ? ZMQ_POLLOUT : 0;
    switch (side->type) {
        case ZMQ_REQ:
            return side->sent > side->received ? in : out;
        case ZMQ_REP:
            return side->sent < side->received ? out : in;
        case ZMQ_ROUTER:
            return side->sent < side->received ? in | out : in;
        default:
            return in | out;
    }
}

static int done (const side_t *side)
{
    return side->sent == side->goal && side->received == side->goal;
}

/* Messages ------------------------------------------------------------------------------------------------------------ */

/* A body: its number, how many parts follow, and bytes that depend on both. */
static size_t fill (unsigned char *body, long number, int more)
{
    size_t size = 16 + (size_t) (number * 7 + more) % (BODY_MAX - 16);
    memcpy (body, &number, 8);
    int64_t parts = more;
    memcpy (body + 8, &parts, 8);
    for (size_t i = 16; i < size; i++)
        body[i] = (unsigned char) (number + (long) i * (more + 1));
    return size;
}

/* Sends the next message in one to three parts. 0 when the socket would block before the first. */
static int send_one (side_t *side, int flags)
{
    unsigned char body[BODY_MAX];
    int more = side->numbered_out % 5 == 0 ? 1 + (int) (side->numbered_out % 2) : 0;
    if (side->type == ZMQ_ROUTER && zmq_send (side->socket, "client", 6, flags | ZMQ_SNDMORE) == -1) {
        CHECK (zmq_errno () == EAGAIN);
        return 0;
    }
    for (int first = side->type != ZMQ_ROUTER; more >= 0; more--, first = 0) {
        size_t size = fill (body, side->numbered_out, more);
        if (zmq_send (side->socket, body, size, flags | (more ? ZMQ_SNDMORE : 0)) == -1) {
            CHECK (zmq_errno () == EAGAIN && first);
            return 0;
        }
    }
    side->numbered_out++;
    side->sent++;
    atomic_fetch_add (&progress, 1);
    return 1;
}

/* Receives a message and checks it. 0 when there is none. */
static int receive_one (side_t *side, int flags)
{
    unsigned char body[BODY_MAX], expected[BODY_MAX];
    if (side->type == ZMQ_ROUTER) {
        int size = zmq_recv (side->socket, body, sizeof body, flags);
        if (size == -1 && zmq_errno () == EAGAIN)
            return 0;
        CHECK (size == 6 && memcmp (body, "client", 6) == 0 && int_option (side->socket, ZMQ_RCVMORE));
    }
    int more = side->numbered_in % 5 == 0 ? 1 + (int) (side->numbered_in % 2) : 0;
    for (int first = side->type != ZMQ_ROUTER; more >= 0; more--, first = 0) {
        int size = zmq_recv (side->socket, body, sizeof body, flags);
        if (size == -1 && first && zmq_errno () == EAGAIN)
            return 0;
        CHECK (size >= 16);
        size_t length = fill (expected, side->numbered_in, more);
        if ((size_t) size != length || memcmp (body, expected, length) != 0) {
            long number;
            memcpy (&number, body, 8);
            printf ("FAILED: the %s got message %ld instead of %ld (%d bytes, %d parts to follow) after %s\n",
                    side == &sides[CLIENT] ? "client" : "server", number, side->numbered_in, size, more, last_change);
            fflush (stdout);
            _exit (3);
        }
        CHECK (int_option (side->socket, ZMQ_RCVMORE) == (more > 0));
    }
    side->numbered_in++;
    side->received++;
    atomic_fetch_add (&progress, 1);
    return 1;
}

/* The mix of calls ------------------------------------------------------------------------------------------------------ */

static void act (side_t *side)
{
    random_t *random = &side->random;
    int want = wanted (side);
    switch (below (random, 8)) {
        case 0:
        case 1:
            for (unsigned burst = 1 + below (random, 20); burst && wanted (side) & ZMQ_POLLOUT; burst--)
                if (!send_one (side, ZMQ_DONTWAIT))
                    break;
            break;
        case 2:
        case 3:
            for (unsigned burst = 1 + below (random, 20); burst && wanted (side) & ZMQ_POLLIN; burst--)
                if (!receive_one (side, ZMQ_DONTWAIT))
                    break;
            break;
        case 4:
            events_of (side);
            break;
        case 5:
            /* What ZMQ_EVENTS promises is there without waiting. */
            if (events_of (side) & want & ZMQ_POLLIN)
                CHECK (receive_one (side, 0));
            break;
        case 6:
            if (events_of (side) & want & ZMQ_POLLOUT)
                CHECK (send_one (side, 0));
            break;
        default:
            if (ready (side->socket, ZMQ_POLLIN) && want & ZMQ_POLLIN)
                CHECK (receive_one (side, ZMQ_DONTWAIT));
    }
}

static int poller_of (side_t *side)
{
    int poller = epoll_create1 (EPOLL_CLOEXEC);
    CHECK (poller >= 0);
    struct epoll_event event = {.events = EPOLLIN | side->trigger, .data.ptr = side};
    CHECK (epoll_ctl (poller, EPOLL_CTL_ADD, side->fd, &event) == 0);
    return poller;
}

/* Waits for one of the sides in the poller. */
static void sleep_on (int poller)
{
    struct epoll_event event;
    int count = epoll_wait (poller, &event, 1, WAIT_MS_MAX);
    if (count == 0) {
        for (int i = 0; i < SIDES; i++)
            printf ("  side %d: sent %ld, received %ld of %ld; wants %d, ZMQ_EVENTS now %d\n", i, sides[i].sent, sides[i].received,
                    sides[i].goal, wanted (&sides[i]), events_of (&sides[i]));
        printf ("  before: %s\n", last_change);
        stuck ("a wait on ZMQ_FD ended by its watchdog");
    }
    CHECK (count == 1);
    side_t *side = event.data.ptr;
    side->waits++;
    atomic_fetch_add (&progress, 1);
    /* In half of the cases the first call after a wake-up is ZMQ_EVENTS, in the others any. */
    if (below (&side->random, 2))
        side->empty_wake_ups = events_of (side) & wanted (side) ? 0 : side->empty_wake_ups + 1;
    if (side->empty_wake_ups > EMPTY_WAKE_UPS_MAX)
        stuck ("the descriptor wakes again and again for nothing");
}

/* 1 when the side may wait: it did everything that it could, and ZMQ_EVENTS, the last call, says so. */
static int may_sleep (side_t *side)
{
    return !done (side) && (events_of (side) & wanted (side)) == 0;
}

/* Ways to run a phase ---------------------------------------------------------------------------------------------------- */

static void in_one_thread (void)
{
    int poller = poller_of (&sides[CLIENT]);
    struct epoll_event event = {.events = EPOLLIN | sides[SERVER].trigger, .data.ptr = &sides[SERVER]};
    CHECK (epoll_ctl (poller, EPOLL_CTL_ADD, sides[SERVER].fd, &event) == 0);
    while (!done (&sides[CLIENT]) || !done (&sides[SERVER])) {
        for (int i = 0; i < SIDES; i++)
            if (!done (&sides[i]))
                act (&sides[i]);
        int idle = 0;
        for (int i = 0; i < SIDES; i++)
            idle += done (&sides[i]) || may_sleep (&sides[i]);
        if (idle == SIDES && (!done (&sides[CLIENT]) || !done (&sides[SERVER])))
            sleep_on (poller);
    }
    close (poller);
}

static void *side_alone (void *argument)
{
    side_t *side = argument;
    int poller = poller_of (side);
    while (!done (side)) {
        act (side);
        if (may_sleep (side))
            sleep_on (poller);
    }
    close (poller);
    return NULL;
}

/* Two threads hand the socket to each other under a lock: whoever has the turn works a while, and waits itself. */
static void *side_in_turn (void *argument)
{
    side_t *side = argument;
    int poller = poller_of (side);
    pthread_mutex_lock (&side->mutex);
    int me = side->turn++;
    if (me == 0)
        while (side->turn == 1)
            pthread_cond_wait (&side->turned, &side->mutex);
    side->turn = 0;
    pthread_cond_broadcast (&side->turned);
    while (!done (side)) {
        while (side->turn != me && !done (side))
            pthread_cond_wait (&side->turned, &side->mutex);
        for (unsigned steps = 1 + below (&side->random, 6); steps && !done (side); steps--) {
            act (side);
            if (may_sleep (side))
                sleep_on (poller);
        }
        side->turn = !me;
        pthread_cond_broadcast (&side->turned);
    }
    pthread_mutex_unlock (&side->mutex);
    close (poller);
    return NULL;
}

static void run_phase (void)
{
    for (int i = 0; i < SIDES; i++) {
        sides[i].turn = 0;
        sides[i].trigger = below (&chaos, 2) ? EPOLLET : 0;
    }
    switch (below (&chaos, 3)) {
        case 0:
            in_one_thread ();
            break;
        case 1: {
            pthread_t server = start (side_alone, &sides[SERVER]);
            side_alone (&sides[CLIENT]);
            join (server);
            break;
        }
        default: {
            pthread_t workers[2 * SIDES];
            for (int i = 0; i < 2 * SIDES; i++)
                workers[i] = start (side_in_turn, &sides[i % SIDES]);
            for (int i = 0; i < 2 * SIDES; i++)
                join (workers[i]);
        }
    }
}

/* Sockets that come and go ------------------------------------------------------------------------------------------------- */

static int is_inproc (void)
{
    return strcmp (transport, "inproc") == 0;
}

static void open_side (side_t *side)
{
    static const int marks[] = {1, 2, 10, 1000, 0};
    side->socket = new_socket (context, side->type);
    set_int (side->socket, ZMQ_SNDHWM, side->type == ZMQ_ROUTER ? 0 : marks[below (&chaos, COUNT (marks))]);
    set_int (side->socket, ZMQ_RCVHWM, marks[below (&chaos, COUNT (marks))]);
    set_int (side->socket, ZMQ_RECONNECT_IVL, 1 + (int) below (&chaos, 5));
    if (side->type == ZMQ_ROUTER) {
        set_int (side->socket, ZMQ_ROUTER_MANDATORY, 1);
        set_int (side->socket, ZMQ_ROUTER_HANDOVER, 1);
    }
    if (strcmp (kind, "router") == 0 && side->type == ZMQ_DEALER)
        set_text (side->socket, ZMQ_ROUTING_ID, "client");
    side->fd = int_option (side->socket, ZMQ_FD);
    side->monitor = is_inproc () ? NULL : open_monitor (context, side->socket, ZMQ_EVENT_DISCONNECTED);
}

static void close_side (side_t *side)
{
    close_socket (side->socket);
    if (side->monitor)
        close_socket (side->monitor);
}

/* Waits, on the descriptors of the monitor and of a client that disconnected, for the end of a connection. */
static void wait_until_disconnected (side_t *side, void *client)
{
    void *sockets[] = {side->monitor, client};
    int poller = epoll_create1 (EPOLL_CLOEXEC);
    CHECK (poller >= 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    for (int i = 0; i < COUNT (sockets); i++)
        if (sockets[i])
            CHECK (epoll_ctl (poller, EPOLL_CTL_ADD, int_option (sockets[i], ZMQ_FD), &event) == 0);
    while (!(int_option (side->monitor, ZMQ_EVENTS) & ZMQ_POLLIN)) {
        /* A socket may need a call to let go of its connection. */
        if (client)
            int_option (client, ZMQ_EVENTS);
        if (epoll_wait (poller, &event, 1, WAIT_MS_MAX) == 0)
            stuck ("a wait on a monitor's ZMQ_FD ended by its watchdog");
    }
    CHECK (next_event (side->monitor, NULL, NULL) == ZMQ_EVENT_DISCONNECTED);
    close (poller);
}

/* The last pipe goes some time after its end was seen. That is no event, so it is looked for. */
static void wait_until_alone (side_t *side)
{
    if (side->type == ZMQ_DEALER || side->type == ZMQ_PAIR || side->type == ZMQ_REQ)
        while (events_of (side) & ZMQ_POLLOUT)
            sched_yield ();
}

static void bind_server (void)
{
    while (zmq_bind (sides[SERVER].socket, endpoint) != 0) {
        /* Of an address that was given up a moment ago. */
        CHECK (zmq_errno () == EADDRINUSE);
        sched_yield ();
    }
}

static void bind_server_afresh (void)
{
    bind_fresh (sides[SERVER].socket, transport, endpoint);
}

static void disconnect_client (void)
{
    CHECK (zmq_disconnect (sides[CLIENT].socket, endpoint) == 0);
    if (!is_inproc ())
        wait_until_disconnected (&sides[SERVER], sides[CLIENT].socket);
    wait_until_alone (&sides[SERVER]);
    wait_until_alone (&sides[CLIENT]);
}

static void reconnect (void)
{
    side_t *client = &sides[CLIENT], *server = &sides[SERVER];
    unsigned way = below (&chaos, 6);
    /* A PAIR refuses a second peer while it has the first one's pipe, and inproc does not tell when that is gone. */
    if (way < 4 && is_inproc () && client->type == ZMQ_PAIR)
        way = 4;
    static const char *const names[] = {"the client went and came back", "the server moved", "the client was made anew",
                                        "the server was made anew", "both were made anew", "nothing"};
    last_change = names[way];
    switch (way) {
        case 0:
            disconnect_client ();
            connect_to (client->socket, endpoint);
            break;
        case 1:
            disconnect_client ();
            CHECK (zmq_unbind (server->socket, endpoint) == 0);
            bind_server_afresh ();
            connect_to (client->socket, endpoint);
            break;
        case 2:
            close_side (client);
            if (!is_inproc ())
                wait_until_disconnected (server, NULL);
            wait_until_alone (server);
            open_side (client);
            connect_to (client->socket, endpoint);
            break;
        case 3:
            close_side (server);
            if (is_inproc ())
                wait_until_alone (client);
            else
                wait_until_disconnected (client, NULL);
            open_side (server);
            bind_server ();
            if (is_inproc ())
                connect_to (client->socket, endpoint);
            break;
        case 4:
            close_side (client);
            unbind_and_wait (context, server->socket, endpoint);
            close_side (server);
            open_side (client);
            connect_to (client->socket, endpoint);
            open_side (server);
            bind_server ();
            break;
        default:
            return;
    }
    reconnects++;
}

int main (int count, char **values)
{
    transport = count > 1 ? values[1] : "tcp";
    kind = count > 2 ? values[2] : "dealer";
    long exchanges = argument_or (count, values, 3, 20000);
    chaos = seeded ((uint64_t) argument_or (count, values, 4, 1));
    static const struct
    {
        const char *kind;
        int client, server;
    } kinds[] = {{"dealer", ZMQ_DEALER, ZMQ_DEALER}, {"router", ZMQ_DEALER, ZMQ_ROUTER}, {"pair", ZMQ_PAIR, ZMQ_PAIR}, {"reqrep", ZMQ_REQ, ZMQ_REP}};
    for (int i = 0; i < COUNT (kinds); i++)
        if (strcmp (kind, kinds[i].kind) == 0) {
            sides[CLIENT].type = kinds[i].client;
            sides[SERVER].type = kinds[i].server;
        }
    start_watchdog ();
    context = new_context ();
    for (int i = 0; i < SIDES; i++) {
        pthread_mutex_init (&sides[i].mutex, NULL);
        pthread_cond_init (&sides[i].turned, NULL);
        sides[i].random = seeded (next_random (&chaos));
        open_side (&sides[i]);
    }
    bind_server_afresh ();
    connect_to (sides[CLIENT].socket, endpoint);
    long total = 0, phases = 0;
    while (total < exchanges) {
        long goal = 1 + below (&chaos, PHASE_MAX);
        for (int i = 0; i < SIDES; i++) {
            sides[i].sent = sides[i].received = 0;
            sides[i].goal = goal;
        }
        stage = "a phase";
        run_phase ();
        total += 2 * goal;
        phases++;
        stage = "a reconnection";
        reconnect ();
    }
    stage = "the end";
    for (int i = 0; i < SIDES; i++)
        close_side (&sides[i]);
    end_context (context);
    printf ("ok: %ld exchanges in %ld phases, %ld reconnections, %ld waits\n", total, phases, reconnects, sides[0].waits + sides[1].waits);
    return 0;
}
