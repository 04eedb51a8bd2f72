/* One party of the soak: a process with a socket, or two and a proxy between them, that sends, receives or answers until it is told to
 * end, killed, or stopped.
 *
 *   party KIND NAME FOLDER GROUP STREAM MESSAGES bind|connect MECHANISM RATE ENDPOINT...
 *
 * KIND: push, pull, pub, sub, dealer, router, req, rep, pair, proxy, inproc. What it binds to is left in FOLDER/endpoint-NAME, a line an
 * endpoint. FOLDER/phase says what is to be done: 0 send, 1 pause, 2 end. The ledger (ledger.h) has what was sent and seen. */
#include "ledger.h"
#include <sys/prctl.h>

enum { RUN, PAUSE, END };
enum { REPLY_MS_MAX = 1000, TURN_MS_MAX = 20, TURN_MESSAGES_MAX = 200, BURST_MAX = 64, BURST_LONG = 500 };

static void *context;
static const char *kind, *name, *mechanism;
static int binds, sends, answers;
static uint32_t stream;
static int64_t rate;

static int is (const char *text)
{
    return strcmp (kind, text) == 0;
}

static int socket_type (void)
{
    static const char *const kinds[] = {"pair", "pub", "sub", "req", "rep", "dealer", "router", "pull", "push"};
    for (int i = 0; i < COUNT (kinds); i++)
        if (is (kinds[i]))
            return i;
    fail ("no such kind");
    return -1;
}

/* Sockets ------------------------------------------------------------------------------------------------------------- */

/* Whoever asks is let in: the server of PLAIN has to have a handler. */
static void *welcome (void *socket)
{
    zmq_msg_t parts[16];
    for (;;) {
        int count = 0;
        do {
            CHECK (count < COUNT (parts) && zmq_msg_init (&parts[count]) == 0);
            if (zmq_msg_recv (&parts[count], socket, 0) == -1) {
                CHECK (zmq_errno () == ETERM);
                CHECK (zmq_msg_close (&parts[count]) == 0);
                close_socket (socket);
                return NULL;
            }
        } while (zmq_msg_more (&parts[count++]));
        zmq_send (socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send (socket, zmq_msg_data (&parts[1]), zmq_msg_size (&parts[1]), ZMQ_SNDMORE);
        put (socket, "200|OK|somebody|");
        close_parts (parts, count);
    }
}

static void secure (void *socket)
{
    static int has_handler;
    if (strcmp (mechanism, "PLAIN") == 0 && binds) {
        if (!has_handler++) {
            void *handler = new_socket (context, ZMQ_REP);
            CHECK (zmq_bind (handler, "inproc://zeromq.zap.01") == 0);
            CHECK (pthread_detach (start (welcome, handler)) == 0);
        }
        set_int (socket, ZMQ_PLAIN_SERVER, 1);
    } else if (strcmp (mechanism, "PLAIN") == 0) {
        set_text (socket, ZMQ_PLAIN_USERNAME, "user");
        set_text (socket, ZMQ_PLAIN_PASSWORD, "secret");
    } else if (strcmp (mechanism, "CURVE") == 0 && binds) {
        set_int (socket, ZMQ_CURVE_SERVER, 1);
        set_text (socket, ZMQ_CURVE_SECRETKEY, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6");
    } else if (strcmp (mechanism, "CURVE") == 0) {
        set_text (socket, ZMQ_CURVE_SERVERKEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
        set_text (socket, ZMQ_CURVE_PUBLICKEY, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
        set_text (socket, ZMQ_CURVE_SECRETKEY, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs");
    }
}

/* A socket of the type. Nothing but the end of a connection makes one drop messages: those that would at their high-water mark have none. */
static void *make (int type)
{
    void *socket = new_socket (context, type);
    int drops = type != ZMQ_PUSH && type != ZMQ_PULL;
    set_int (socket, ZMQ_RECONNECT_IVL, 20);
    set_int (socket, ZMQ_RECONNECT_IVL_MAX, 200);
    set_int (socket, ZMQ_SNDBUF, 64 * 1024);
    set_int (socket, ZMQ_RCVBUF, 64 * 1024);
    set_int (socket, ZMQ_RCVTIMEO, TURN_MS_MAX);
    if (drops) {
        set_int (socket, ZMQ_SNDHWM, 0);
        set_int (socket, ZMQ_RCVHWM, 0);
    }
    if (type == ZMQ_SUB)
        subscribe (socket, "");
    if (type == ZMQ_REQ) {
        set_int (socket, ZMQ_REQ_RELAXED, 1);
        set_int (socket, ZMQ_REQ_CORRELATE, 1);
    }
    if (type == ZMQ_REQ || type == ZMQ_REP) {
        set_int (socket, ZMQ_HEARTBEAT_IVL, 500);
        set_int (socket, ZMQ_HEARTBEAT_TIMEOUT, 2000);
    }
    secure (socket);
    return socket;
}

/* Connects, or binds and says where to. One that takes the place of another that was killed may find its port taken for a moment. */
static void join_network (void *socket, const char *endpoint, FILE *endpoints)
{
    endpoint_t bound;
    if (!binds) {
        connect_to (socket, endpoint);
        return;
    }
    while (zmq_bind (socket, endpoint) == -1) {
        CHECK (zmq_errno () == EADDRINUSE);
        sched_yield ();
    }
    last_endpoint (socket, bound);
    fprintf (endpoints, "%s\n", bound);
}

/* Turns --------------------------------------------------------------------------------------------------------------- */

static int64_t now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void receive_some (void *socket, int flags)
{
    zmq_msg_t parts[PARTS_MAX + ROUTE_MAX];
    for (int i = 0, count; i < TURN_MESSAGES_MAX && (count = take_parts (socket, parts, flags)) > 0; i++, flags = ZMQ_DONTWAIT) {
        int route = is ("router") ? 1 : 0;
        header_t first = check_message (parts + route, count - route);
        follow (&first);
        for (int k = 0; answers && k < count; k++)
            if (zmq_msg_send (&parts[k], socket, ZMQ_DONTWAIT | (k + 1 < count ? ZMQ_SNDMORE : 0)) == -1)
                fault ("an answer was refused", &first);
        close_parts (parts, count);
    }
}

/* Sends in bursts, so many messages a second on the average, and receives what comes. */
static void talk (void *socket)
{
    random_t random = seeded (stream * 1000003u + (uint64_t) getpid ());
    int64_t due_us = now_us ();
    int burst = 0, receives = !is ("push") && !is ("pub");
    while (*phase != END) {
        atomic_fetch_add (rounds_of_party, 1);
        int64_t now = now_us ();
        if (!sends || *phase == PAUSE)
            due_us = now + TURN_MS_MAX * 1000;
        else if (burst == 0 && now >= due_us) {
            burst = 1 + (int) below (&random, below (&random, 20) ? BURST_MAX : BURST_LONG);
            due_us = (due_us < now - 1000000 ? now : due_us) + burst * 1000000 / rate;
        }
        while (burst && *phase == RUN && atomic_load (&sent[stream]) < messages_max && send_next (socket, stream))
            burst--;
        if (receives && burst == 0 && below (&random, 2))
            receive_some (socket, 0);
        zmq_pollitem_t item = {socket, 0, (short) ((receives ? ZMQ_POLLIN : 0) | (burst && *phase == RUN ? ZMQ_POLLOUT : 0)), 0};
        int64_t left_ms = sends && burst == 0 ? (due_us - now_us ()) / 1000 : TURN_MS_MAX;
        CHECK (zmq_poll (&item, 1, left_ms < 0 ? 0 : left_ms < TURN_MS_MAX ? left_ms : TURN_MS_MAX) >= 0 || zmq_errno () == EINTR);
        if (item.revents & ZMQ_POLLIN)
            receive_some (socket, ZMQ_DONTWAIT);
    }
}

/* One request after the other; one that is not answered in time is followed by the next. */
static void ask (void *socket)
{
    zmq_msg_t parts[PARTS_MAX + ROUTE_MAX];
    while (*phase != END) {
        atomic_fetch_add (rounds_of_party, 1);
        zmq_pollitem_t item = {socket, 0, ZMQ_POLLOUT, 0};
        if (*phase == PAUSE || atomic_load (&sent[stream]) >= messages_max) {
            item.events = 0;
            zmq_poll (&item, 1, TURN_MS_MAX);
            continue;
        }
        if (!send_next (socket, stream)) {
            zmq_poll (&item, 1, TURN_MS_MAX);
            continue;
        }
        uint32_t number = (uint32_t) atomic_load (&sent[stream]) - 1;
        item.events = ZMQ_POLLIN;
        zmq_poll (&item, 1, REPLY_MS_MAX);
        int count = take_parts (socket, parts, ZMQ_DONTWAIT);
        if (count == 0)
            continue;
        header_t first = check_message (parts, count);
        if (first.stream != stream || first.number != number)
            fault ("the answer to another request", &first);
        close_parts (parts, count);
        struct timespec pause = {0, 1000000000 / rate};
        nanosleep (&pause, NULL);
    }
}

/* A proxy --------------------------------------------------------------------------------------------------------------- */

static void *pass_on (void *sockets)
{
    void **all = sockets;
    zmq_proxy_steerable (all[0], all[1], NULL, all[2]);
    for (int i = 0; i < 3; i++)
        close_socket (all[i]);
    return NULL;
}

static void pass (char **endpoints, FILE *file)
{
    void *sockets[3] = {make (ZMQ_XSUB), make (ZMQ_XPUB), new_socket (context, ZMQ_PAIR)}, *control = new_socket (context, ZMQ_PAIR);
    for (int i = 0; i < 2; i++)
        join_network (sockets[i], endpoints[i], file);
    fclose (file);
    CHECK (zmq_bind (sockets[2], "inproc://control") == 0);
    connect_to (control, "inproc://control");
    pthread_t thread = start (pass_on, sockets);
    while (*phase != END) {
        atomic_fetch_add (rounds_of_party, 1);
        zmq_pollitem_t nothing = {control, 0, 0, 0};
        zmq_poll (&nothing, 1, TURN_MS_MAX);
    }
    put (control, "TERMINATE");
    join (thread);
    close_socket (control);
}

/* Inside of one process ---------------------------------------------------------------------------------------------------- */

/* Pairs of sockets in threads of their own, made anew again and again. No connection is ever lost: everything arrives. */
static const struct
{
    int sender, receiver;
} couples[] = {{ZMQ_PUSH, ZMQ_PULL}, {ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_DEALER, ZMQ_ROUTER}, {ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_XPUB, ZMQ_SUB}};

static void *inproc_sender (void *argument)
{
    int couple = (int) (intptr_t) argument;
    random_t random = seeded ((uint64_t) couple + 77);
    for (int life = 0; *phase != END; life++) {
        zmq_msg_t parts[PARTS_MAX + ROUTE_MAX];
        endpoint_t endpoint;
        void *sender = make (couples[couple].sender), *receiver = make (couples[couple].receiver);
        snprintf (endpoint, sizeof endpoint, "inproc://%d-%d", couple, life);
        connect_to (life % 2 ? sender : receiver, endpoint);
        CHECK (zmq_bind (life % 2 ? receiver : sender, endpoint) == 0);
        if (couples[couple].sender == ZMQ_XPUB) {
            wait_for (sender, ZMQ_POLLIN);
            CHECK (zmq_recv (sender, &endpoint, sizeof endpoint, 0) == 1);
        }
        int route = couples[couple].receiver == ZMQ_ROUTER;
        for (unsigned left = below (&random, 2000); left && *phase != END;) {
            unsigned burst = 1 + below (&random, left < 300 ? left : 300);
            uint64_t first = atomic_load (&sent[couple]);
            for (unsigned i = 0; i < burst; i++)
                CHECK (send_next (sender, (uint32_t) couple));
            for (unsigned i = 0; i < burst; i++) {
                int count = take_parts (receiver, parts, 0);
                CHECK (count > route);
                header_t header = check_message (parts + route, count - route);
                if (header.number != first + i)
                    fault ("lost before", &header);
                close_parts (parts, count);
            }
            if (atomic_load (&sent[couple]) > messages_max - 1000)
                atomic_store (&sent[couple], 0);
            left -= burst;
            atomic_fetch_add (rounds_of_party, 1);
            struct timespec pause = {0, 1000000 * (long) below (&random, 40)};
            nanosleep (&pause, NULL);
        }
        close_socket (life % 3 ? sender : receiver);
        close_socket (life % 3 ? receiver : sender);
    }
    return NULL;
}

static void talk_inside (void)
{
    pthread_t threads[COUNT (couples)];
    for (int i = 0; i < COUNT (couples); i++)
        threads[i] = start (inproc_sender, (void *) (intptr_t) i);
    for (int i = 0; i < COUNT (couples); i++)
        join (threads[i]);
}

int main (int count, char **values)
{
    CHECK (count >= 10);
    CHECK (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0);
    kind = values[1], name = values[2], folder = values[3], mechanism = values[8];
    stream = (uint32_t) atol (values[5]), messages_max = (uint64_t) atoll (values[6]), rate = atol (values[9]);
    binds = strcmp (values[7], "bind") == 0;
    answers = is ("router") || is ("rep");
    sends = is ("push") || is ("pub") || is ("dealer") || is ("pair");
    CHECK (stream < STREAMS_MAX && rate > 0);
    open_ledger (name, values[4]);
    context = new_context ();
    char path[512];
    snprintf (path, sizeof path, "%s/endpoint-%s", folder, name);
    FILE *endpoints = fopen (path, "w");
    CHECK (endpoints);
    if (is ("inproc")) {
        fclose (endpoints);
        talk_inside ();
    } else if (is ("proxy"))
        pass (values + 10, endpoints);
    else {
        void *socket = make (socket_type ());
        for (int i = 10; i < count; i++)
            join_network (socket, values[i], endpoints);
        fclose (endpoints);
        if (is ("req"))
            ask (socket);
        else
            talk (socket);
        close_socket (socket);
    }
    end_context (context);
    return 0;
}
