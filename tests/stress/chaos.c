/* A long random game on the ways that messages take: nothing is lost, doubled, changed, out of order or stuck.
 *
 *   chaos SEED TRANSPORT MESSAGES [gentle]
 *   gentle: clients leave only when what they sent has arrived, so that the reference library can play, too
 *
 * In each scene the clients of a hub send to it (PUSH to PULL, PAIR, DEALER to ROUTER, which answers), or it sends to them (PUSH
 * to PULL, PUB and XPUB to SUB). Tasks play them: one the hub, each other one a group of clients. Tasks wander between threads, one
 * more of these than tasks, so that every call may block. What a message looks like follows from its stream and number, which is
 * what its receiver expects. Senders count in shared memory what they have sent: whoever sees there that something is under way
 * may wait for it without end, and a sender that stays away until it has arrived makes no call meanwhile. */
#include "stress.h"
#include <poll.h>

enum { CLIENTS_MAX = 40, LIVES_MAX = 6, STREAMS_MAX = CLIENTS_MAX * LIVES_MAX * 2, ENDPOINTS_MAX = 8, LANES_MAX = 16, TOPICS = 4 };
enum { PARTS_MAX = 4, HEADER = 8, PART_MAX = 300 * 1024, NUMBERS_MAX = 1 << 16 };
#define HELLO 0xFFFFFFFEu
#define END 0xFFFFFFFFu

/* One direction between a client and the hub, for one life of the client: even ones to the hub, the odd ones its answers. Where the
 * hub sends to all, a topic, or what a PUSH sent since it last disconnected from somebody. */
typedef struct
{
    atomic_long sent, received;
    atomic_int settled; /* All answers are sent. */
    long limit, owed;
    int endpoint, route_size;
    unsigned char route[32];
} stream_t;

typedef struct
{
    void *socket;
    int number, fd, life, is_connected, is_over, topics, greeted;
    atomic_int is_late; /* A subscriber that came in the middle. */
    atomic_long next[LANES_MAX];
    endpoint_t endpoint;
} client_t;

typedef struct task
{
    struct task *next;
    int (*turn) (struct task *);
    random_t random;
    client_t *clients;
    int count, last_thread;
} task_t;

static struct
{
    int hub_type, client_type, clients, lives, lane;
    int answers, hub_blocks, hub_rests, waves, exact, hub_connects, unlimited, has_small_buffers;
    long planned;
} scene;
static uint64_t seed;
static int is_gentle;
static const char *transport;
static void *context;
static unsigned char pattern[PART_MAX + 4096];
static stream_t streams[STREAMS_MAX];
static client_t clients[CLIENTS_MAX], hub;
static atomic_long arrived, loans;
static long answers_owed;
static atomic_int ended_lives[LIVES_MAX], ready_clients, ended_clients;
static atomic_char taken[NUMBERS_MAX];

/* The hub's addresses: new clients use the last; one whose clients are gone is unbound. */
static pthread_mutex_t endpoints_lock = PTHREAD_MUTEX_INITIALIZER;
static int endpoint_count;
static struct
{
    endpoint_t name;
    int is_bound, opened, closed;
    long sent, received;
} endpoints[ENDPOINTS_MAX];

/* Time passes ---------------------------------------------------------------------------------------------------------- */

static void nap (long time_us)
{
    struct timespec time = {0, time_us * 1000};
    nanosleep (&time, NULL);
}

static void dawdle (random_t *random)
{
    switch (below (random, 20)) {
    case 0:
        nap (below (random, 1000));
        break;
    case 1:
        for (volatile int i = below (random, 100000); i > 0; i--)
            ;
        break;
    case 2:
        sched_yield ();
        break;
    case 3: /* So long that a lease lapses. */
        nap (below (random, 50) ? 20 : 35000);
    }
}

static int burst_length (random_t *random)
{
    static const int lengths[] = {1, 1, 2, 5, 17, 40, 200, 1500};
    return lengths[below (random, COUNT (lengths))];
}

/* Messages ------------------------------------------------------------------------------------------------------------- */

typedef struct
{
    int parts;
    size_t sizes[PARTS_MAX], from;
} shape_t;

/* Most are parts of long runs of small ones. */
static shape_t shape_of (int stream, unsigned number)
{
    static const unsigned limits[] = {8, 64, 256, 300, 9000, 20000, 70000, PART_MAX - HEADER};
    random_t run = seeded (seed * 1000003 + (uint64_t) stream * 65537 + number / 50),
             own = seeded (seed * 1000033 + (uint64_t) stream * 1048583 + number);
    shape_t shape = {1, {0}, below (&own, 4000)};
    const int mixed = below (&run, 4) == 0, header = scene.exact ? 0 : HEADER;
    if (number >= HELLO) {
        shape.sizes[0] = HEADER;
        return shape;
    }
    if (mixed && below (&own, 3) == 0)
        shape.parts += below (&own, PARTS_MAX);
    for (int i = 0; i < shape.parts; i++) {
        unsigned limit = mixed ? limits[below (&own, below (&own, 8) ? 4 : 8)] : below (&own, 50) ? 40 : 250;
        shape.sizes[i] = (i ? 0 : header) + 1 + below (&own, limit);
    }
    return shape;
}

static void write_part (unsigned char *to, const shape_t *shape, int part, int stream, unsigned number)
{
    memcpy (to, pattern + shape->from + part, shape->sizes[part]);
    if (part == 0 && !scene.exact) {
        memcpy (to, &stream, 4);
        memcpy (to + 4, &number, 4);
    }
}

static void end_loan (void *data, void *hint UNUSED)
{
    free (data);
    atomic_fetch_sub (&loans, 1);
}

static int send_part (random_t *random, void *socket, const void *data, size_t size, int flags)
{
    zmq_msg_t message;
    const int way = below (random, 8);
    if (way > 1)
        return zmq_send (socket, data, size, flags);
    if (way == 0)
        CHECK (zmq_msg_init_size (&message, size) == 0);
    else {
        void *copy = malloc (size);
        CHECK (copy && zmq_msg_init_data (&message, copy, size, end_loan, NULL) == 0);
        atomic_fetch_add (&loans, 1);
    }
    memcpy (zmq_msg_data (&message), data, size);
    const int sent = zmq_msg_send (&message, socket, flags), error = errno;
    if (sent == -1)
        CHECK (zmq_msg_close (&message) == 0);
    errno = error;
    return sent;
}

/* -1: there is no room (EAGAIN), or the client is gone (EHOSTUNREACH). What was begun can be finished. */
static int send_message (random_t *random, void *socket, int stream, unsigned number, int flags)
{
    static _Thread_local unsigned char body[PART_MAX];
    const shape_t shape = shape_of (stream, number);
    const int is_routed = streams[stream].route_size > 0;
    if (is_routed && zmq_send (socket, streams[stream].route, streams[stream].route_size, flags | ZMQ_SNDMORE) == -1)
        return -1;
    for (int i = 0; i < shape.parts; i++) {
        write_part (body, &shape, i, stream, number);
        if (send_part (random, socket, body, shape.sizes[i], flags | (i + 1 < shape.parts ? ZMQ_SNDMORE : 0)) >= 0)
            continue;
        CHECK (i == 0 && !is_routed);
        return -1;
    }
    if (number < HELLO)
        atomic_fetch_add (&streams[stream].sent, 1);
    return 0;
}

static int receive_part (random_t *random, void *socket, unsigned char *data, int flags, int *more)
{
    int size;
    if (below (random, 2)) {
        size = zmq_recv (socket, data, PART_MAX, flags);
        if (size >= 0)
            *more = int_option (socket, ZMQ_RCVMORE);
    } else {
        zmq_msg_t message;
        CHECK (zmq_msg_init (&message) == 0);
        size = zmq_msg_recv (&message, socket, flags);
        if (size >= 0 && size <= PART_MAX)
            memcpy (data, zmq_msg_data (&message), size);
        *more = zmq_msg_more (&message);
        CHECK (zmq_msg_close (&message) == 0);
    }
    if (size == -1)
        CHECK (zmq_errno () == EAGAIN);
    CHECK (size <= PART_MAX);
    return size;
}

/* The message's stream, -1 if there is no message. A message arrives as a whole. `stream` is asked only where messages do not
 * name it. */
static int receive_message (random_t *random, void *socket, int stream, int flags, unsigned *number)
{
    static _Thread_local unsigned char body[PART_MAX], expected[PART_MAX], route[32];
    int more, size, route_size = 0;
    if (socket == hub.socket && scene.hub_type == ZMQ_ROUTER) {
        if ((route_size = receive_part (random, socket, body, flags, &more)) == -1)
            return -1;
        CHECK (route_size > 0 && route_size <= (int) sizeof route && more);
        memcpy (route, body, route_size);
        flags = ZMQ_DONTWAIT;
    }
    if ((size = receive_part (random, socket, body, flags, &more)) == -1) {
        CHECK (route_size == 0);
        return -1;
    }
    if (scene.exact)
        *number = (unsigned) atomic_load (&streams[stream].received);
    else {
        CHECK (size >= HEADER);
        memcpy (&stream, body, 4);
        memcpy (number, body + 4, 4);
        CHECK (stream >= 0 && stream < STREAMS_MAX);
    }
    const shape_t shape = shape_of (stream, *number);
    for (int i = 0;; i++) {
        CHECK ((size_t) size == shape.sizes[i] && more == (i + 1 < shape.parts));
        write_part (expected, &shape, i, stream, *number);
        CHECK (memcmp (body, expected, size) == 0);
        if (!more)
            break;
        CHECK ((size = receive_part (random, socket, body, ZMQ_DONTWAIT, &more)) >= 0);
    }
    if (route_size > 0) {
        streams[stream + 1].route_size = route_size;
        memcpy (streams[stream + 1].route, route, route_size);
    }
    atomic_fetch_add (&progress, 1);
    return stream;
}

/* Sockets -------------------------------------------------------------------------------------------------------------- */

static void open_client (random_t *random, client_t *client, int type)
{
    static const int marks[] = {0, 1, 2, 10, 100, 1000};
    client->socket = new_socket (context, type);
    set_int (client->socket, ZMQ_LINGER, type == ZMQ_SUB ? 0 : -1);
    /* A SUB would send no more subscriptions than its mark. */
    set_int (client->socket, ZMQ_SNDHWM, scene.unlimited || type == ZMQ_SUB ? 0 : marks[below (random, COUNT (marks))]);
    const int takes_all = scene.unlimited || (scene.hub_rests && client == &hub);
    set_int (client->socket, ZMQ_RCVHWM, takes_all ? 0 : marks[below (random, COUNT (marks))]);
    if (scene.has_small_buffers) {
        set_int (client->socket, ZMQ_SNDBUF, 8192);
        set_int (client->socket, ZMQ_RCVBUF, 8192);
    }
    client->fd = below (random, 4) ? -1 : int_option (client->socket, ZMQ_FD);
    if (type == ZMQ_ROUTER)
        set_int (client->socket, ZMQ_ROUTER_MANDATORY, 1);
    if ((type == ZMQ_PUB || type == ZMQ_XPUB) && !scene.unlimited)
        set_int (client->socket, ZMQ_XPUB_NODROP, 1);
    if (type == ZMQ_SUB)
        for (unsigned char topic = 0; topic < TOPICS; topic++)
            if (client->topics >> topic & 1)
                CHECK (zmq_setsockopt (client->socket, ZMQ_SUBSCRIBE, &topic, client->topics == (1 << TOPICS) - 1 ? 0 : 1) == 0);
}

/* Waits in one of the ways until there is a message, if one is under way. Returns the flags to receive it with. */
static int await (random_t *random, client_t *client, int is_under_way)
{
    zmq_pollitem_t item = {client->socket, 0, ZMQ_POLLIN, 0};
    struct pollfd descriptor = {client->fd, POLLIN, 0};
    switch (below (random, 4)) {
    case 0:
        return is_under_way ? 0 : ZMQ_DONTWAIT;
    case 1:
        CHECK (zmq_poll (&item, 1, is_under_way ? -1 : (long) below (random, 3)) == is_under_way || !is_under_way);
        break;
    case 2:
        while (client->fd != -1 && is_under_way && !(int_option (client->socket, ZMQ_EVENTS) & ZMQ_POLLIN))
            CHECK (poll (&descriptor, 1, -1) == 1);
    }
    return ZMQ_DONTWAIT;
}

/* Polls the group's sockets for messages, and `full` for room; hands each that has some to `take` until it is empty. */
static void poll_group (task_t *task, client_t *full, long timeout, int (*take) (task_t *, client_t *, int flags))
{
    zmq_pollitem_t items[CLIENTS_MAX];
    client_t *polled[CLIENTS_MAX];
    int count = 0;
    for (int i = 0; i < task->count; i++)
        if (task->clients[i].socket) {
            const short events = ZMQ_POLLIN | (&task->clients[i] == full ? ZMQ_POLLOUT : 0);
            polled[count] = &task->clients[i];
            items[count] = (zmq_pollitem_t){task->clients[i].socket, 0, events, 0};
            count++;
        }
    CHECK (zmq_poll (items, count, timeout) >= (timeout == -1));
    for (int i = 0; i < count; i++)
        for (int left = items[i].revents & ZMQ_POLLIN ? burst_length (&task->random) : 0; left > 0; left--)
            if (!polled[i]->socket || !take (task, polled[i], ZMQ_DONTWAIT))
                break;
}

/* Clients send to the hub ------------------------------------------------------------------------------------------------ */

static int stream_of (const client_t *client)
{
    return (client->number * LIVES_MAX + client->life) * 2;
}

static void begin_life (task_t *task, client_t *client)
{
    if (!client->socket)
        open_client (&task->random, client, scene.client_type);
    pthread_mutex_lock (&endpoints_lock);
    const int endpoint = streams[stream_of (client)].endpoint = endpoint_count - 1;
    endpoints[endpoint].opened++;
    pthread_mutex_unlock (&endpoints_lock);
    connect_to (client->socket, endpoints[endpoint].name);
    client->is_connected = 1;
}

/* By a close or a disconnect, in the middle of what is under way. */
static void end_life (task_t *task, client_t *client)
{
    stream_t *stream = &streams[stream_of (client)];
    client->is_over = client->life + 1 == scene.lives;
    if (client->is_over || below (&task->random, 2)) {
        close_socket (client->socket);
        client->socket = NULL;
    } else
        CHECK (zmq_disconnect (client->socket, endpoints[stream->endpoint].name) == 0);
    pthread_mutex_lock (&endpoints_lock);
    endpoints[stream->endpoint].closed++;
    endpoints[stream->endpoint].sent += stream->limit;
    pthread_mutex_unlock (&endpoints_lock);
    client->is_connected = 0;
    atomic_fetch_add (&ended_lives[client->life++], 1);
}

static int take_answer (task_t *task, client_t *client, int flags)
{
    unsigned number;
    int stream = receive_message (&task->random, client->socket, stream_of (client) + 1, flags, &number);
    if (stream == -1)
        return 0;
    CHECK (stream % 2 == 1 && stream <= stream_of (client) + 1 && stream > client->number * LIVES_MAX * 2);
    CHECK (atomic_fetch_add (&streams[stream].received, 1) == (long) number);
    return 1;
}

/* Whether a client that has sent everything may go. Answers that it does not wait for are lost; to TCP an answer to somebody who is
 * gone is a reason to drop what he sent. */
static int may_leave (const client_t *client, stream_t *stream, stream_t *answers)
{
    if (scene.answers && (scene.hub_blocks || scene.hub_type == ZMQ_PAIR || client->number % 2))
        return answers->settled && answers->received == answers->sent;
    return stream->received == stream->sent || !(is_gentle || (scene.answers && strcmp (transport, "tcp") == 0));
}

static int client_turn (task_t *task)
{
    random_t *random = &task->random;
    int is_full = 0, left = 0;
    for (int i = 0; i < task->count; i++)
        left += !task->clients[i].is_over;
    if (left == 0)
        return 1;
    client_t *client = &task->clients[below (random, task->count)];
    if (client->is_over)
        return 0;
    if (!client->is_connected) {
        if (scene.waves && client->life > 0 && atomic_load (&ended_lives[client->life - 1]) < scene.clients)
            nap (20);
        else
            begin_life (task, client);
    }
    stream_t *stream = &streams[stream_of (client)], *answers = stream + 1;
    if (client->is_connected)
        for (int burst = burst_length (random); burst > 0 && !is_full && stream->sent < stream->limit; burst--) {
            const int flags = scene.answers || below (random, 2) ? ZMQ_DONTWAIT : 0;
            if (send_message (random, client->socket, stream_of (client), (unsigned) stream->sent, flags) == 0)
                continue;
            CHECK (zmq_errno () == EAGAIN && flags);
            if (scene.answers)
                is_full = 1;
            else
                wait_for (client->socket, ZMQ_POLLOUT);
        }
    if (scene.answers) {
        if (task->count == 1 && !is_full && client->is_connected && answers->sent > answers->received)
            take_answer (task, client, await (random, client, 1));
        poll_group (task, is_full ? client : NULL, is_full ? -1 : (long) below (random, 2), take_answer);
    }
    if (!scene.hub_blocks && !scene.hub_rests && below (random, 8) == 0)
        while (stream->received < stream->sent)
            nap (20);
    if (client->is_connected && stream->sent == stream->limit && may_leave (client, stream, stream + 1))
        end_life (task, client);
    return 0;
}

static void move_hub (void)
{
    pthread_mutex_lock (&endpoints_lock);
    if (endpoint_count < ENDPOINTS_MAX) {
        bind_fresh (hub.socket, transport, endpoints[endpoint_count].name);
        endpoints[endpoint_count++].is_bound = 1;
    }
    for (int i = 0; i < endpoint_count - 1; i++)
        if (endpoints[i].is_bound && endpoints[i].opened == endpoints[i].closed && endpoints[i].sent == endpoints[i].received) {
            CHECK (zmq_unbind (hub.socket, endpoints[i].name) == 0);
            endpoints[i].is_bound = 0;
        }
    pthread_mutex_unlock (&endpoints_lock);
}

/* Sends the answers that a stream is owed, as far as there is room. */
static void answer (task_t *task, int number)
{
    stream_t *stream = &streams[number], *answers = stream + 1;
    while (answers->owed > 0) {
        const int flags = scene.hub_blocks ? 0 : ZMQ_DONTWAIT;
        if (send_message (&task->random, hub.socket, number + 1, (unsigned) answers->sent, flags) == 0)
            answers->owed--, answers_owed--;
        else if (zmq_errno () == EAGAIN && !scene.hub_blocks)
            return;
        else {
            CHECK (zmq_errno () == EHOSTUNREACH && scene.hub_type == ZMQ_ROUTER);
            answers_owed -= answers->owed;
            answers->owed = 0;
        }
    }
    if (stream->received == stream->limit)
        answers->settled = 1;
}

static int take_from_client (task_t *task, int flags)
{
    unsigned number;
    int stream = receive_message (&task->random, hub.socket, 0, flags, &number);
    if (stream == -1)
        return 0;
    CHECK (stream % 2 == 0);
    CHECK (atomic_fetch_add (&streams[stream].received, 1) == (long) number);
    pthread_mutex_lock (&endpoints_lock);
    endpoints[streams[stream].endpoint].received++;
    pthread_mutex_unlock (&endpoints_lock);
    atomic_fetch_add (&arrived, 1);
    if (scene.answers) {
        const long more = below (&task->random, 3);
        streams[stream + 1].owed += more;
        answers_owed += more;
        answer (task, stream);
    }
    return 1;
}

static long all_sent (void)
{
    long sum = 0;
    for (int i = 0; i < STREAMS_MAX; i++)
        sum += streams[i].sent;
    return sum;
}

static int hub_turn (task_t *task)
{
    random_t *random = &task->random;
    for (int i = 0; i < STREAMS_MAX && answers_owed > 0; i += 2)
        if (streams[i + 1].owed > 0)
            answer (task, i);
    const int is_early = is_gentle && ended_lives[scene.lives - 1] < scene.clients;
    if (arrived == scene.planned && answers_owed == 0 && !is_early) {
        close_socket (hub.socket);
        return 1;
    }
    if (scene.hub_type != ZMQ_PAIR && below (random, 30) == 0)
        move_hub ();
    /* Its clients can send everything without it, as its queues have no limit. */
    if (scene.hub_rests && below (random, 10) == 0)
        while (all_sent () < scene.planned)
            nap (20);
    /* Who only sends may not hear of room, or that somebody is gone. */
    zmq_pollitem_t item = {hub.socket, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0};
    if (answers_owed > 0 && (arrived == scene.planned || below (random, 2)))
        CHECK (zmq_poll (&item, 1, below (random, 3)) >= 0 && !(arrived == scene.planned && (item.revents & ZMQ_POLLIN)));
    for (int left = burst_length (random); left > 0 && arrived < scene.planned; left--)
        if (!take_from_client (task, below (random, 3) ? ZMQ_DONTWAIT : await (random, &hub, answers_owed == 0)))
            break;
    return 0;
}

/* The hub sends to its clients --------------------------------------------------------------------------------------------- */

static int is_pub (void)
{
    return scene.client_type == ZMQ_SUB;
}

static int take_spread (task_t *task, client_t *client, int flags)
{
    unsigned number;
    int lane = receive_message (&task->random, client->socket, -1, flags, &number);
    if (lane == -1)
        return 0;
    CHECK (lane < LANES_MAX && (!is_pub () || client->topics >> lane & 1));
    if (number == HELLO) {
        client->greeted |= 1 << lane;
        atomic_fetch_add (&ready_clients, !client->is_connected && client->greeted == client->topics);
        client->is_connected |= client->greeted == client->topics;
    } else if (number == END) {
        for (int i = 0; i < TOPICS && is_pub (); i++)
            CHECK (!(client->topics >> i & 1) || client->next[i] == streams[i].sent
                   || (client->is_late && client->next[i] == -1));
        close_socket (client->socket);
        client->socket = NULL;
        client->is_over = 1;
        atomic_fetch_add (&ended_clients, 1);
    } else {
        if (!is_pub ()) {
            CHECK (number >= client->next[lane] && number < NUMBERS_MAX && atomic_exchange (&taken[number], 1) == 0);
        } else if (client->next[lane] != -1 || !client->is_late)
            CHECK (number == client->next[lane]);
        client->next[lane] = (long) number + 1;
        atomic_fetch_add (&arrived, 1);
    }
    return 1;
}

static void open_sink (task_t *task, client_t *client)
{
    open_client (&task->random, client, scene.client_type);
    if (scene.hub_connects)
        bind_fresh (client->socket, transport, client->endpoint);
    else
        connect_to (client->socket, endpoints[0].name);
}

static int sink_turn (task_t *task)
{
    random_t *random = &task->random;
    int left = 0;
    for (int i = 0; i < task->count; i++) {
        if (!task->clients[i].socket && !task->clients[i].is_over)
            open_sink (task, &task->clients[i]);
        left += !task->clients[i].is_over;
    }
    if (left == 0)
        return 1;
    client_t *client = &task->clients[below (random, task->count)];
    if (is_pub () && client->socket && client->is_connected && client->number > 0 && below (random, 100) == 0) {
        client->is_late = 1;
        for (int i = 0; i < TOPICS; i++)
            client->next[i] = -1;
        close_socket (client->socket);
        open_sink (task, client);
    }
    if (task->count > 1)
        poll_group (task, NULL, below (random, 3) ? -1 : (long) below (random, 3), take_spread);
    else
        for (int burst = burst_length (random); burst > 0 && client->socket; burst--)
            if (!take_spread (task, client, below (random, 3) ? ZMQ_DONTWAIT : await (random, client, 1)))
                break;
    return 0;
}

static int has_arrived (void)
{
    if (!is_pub ())
        return arrived == scene.planned - hub.next[0];
    for (int i = 0; i < scene.clients; i++)
        for (int topic = 0; topic < TOPICS; topic++)
            if (clients[i].topics >> topic & 1 && !clients[i].is_late && clients[i].next[topic] != streams[topic].sent)
                return 0;
    return 1;
}

/* `hub.next[0]`: how many messages are still to be sent. */
static int spread_turn (task_t *task)
{
    random_t *random = &task->random;
    unsigned char subscription[2];
    while (scene.hub_type == ZMQ_XPUB && zmq_recv (hub.socket, subscription, 2, ZMQ_DONTWAIT) >= 0)
        ;
    if (hub.next[0] == 0 || (is_pub () && ready_clients < scene.clients)) {
        if (ended_clients == scene.clients) {
            set_int (hub.socket, ZMQ_LINGER, 0);
            close_socket (hub.socket);
            return 1;
        }
        if ((has_arrived () || hub.next[0] > 0)
            && send_message (random, hub.socket, (int) below (random, TOPICS), hub.next[0] ? HELLO : END, ZMQ_DONTWAIT) == -1)
            CHECK (zmq_errno () == EAGAIN);
        nap (100);
        return 0;
    }
    for (int burst = burst_length (random); burst > 0 && hub.next[0] > 0; burst--) {
        const int lane = is_pub () ? (int) below (random, TOPICS) : scene.lane, flags = below (random, 2) ? ZMQ_DONTWAIT : 0;
        const long number = is_pub () ? streams[lane].sent : scene.planned - hub.next[0];
        if (send_message (random, hub.socket, lane, (unsigned) number, flags) == 0)
            hub.next[0]--;
        else {
            CHECK (zmq_errno () == EAGAIN && flags);
            if (!is_pub () && below (random, 2))
                wait_for (hub.socket, ZMQ_POLLOUT);
        }
    }
    if (below (random, 8) == 0)
        while (!has_arrived ())
            nap (20);
    if (scene.hub_connects && scene.lane + 1 < LANES_MAX && below (random, 10) == 0
        && (!is_gentle || has_arrived ())) {
        const client_t *client = &clients[below (random, scene.clients)];
        CHECK (zmq_disconnect (hub.socket, client->endpoint) == 0);
        dawdle (random);
        connect_to (hub.socket, client->endpoint);
        scene.lane++;
    }
    return 0;
}

/* Threads ---------------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t tasks_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tasks_changed = PTHREAD_COND_INITIALIZER;
static task_t *waiting, tasks[CLIENTS_MAX + 1];
static int task_count, tasks_left;

/* Plays whichever task another thread has laid down. */
static void *play (void *argument)
{
    const int thread = (int) (intptr_t) argument;
    task_t **found, *task;
    pthread_mutex_lock (&tasks_lock);
    while (tasks_left > 0) {
        for (found = &waiting; *found && (*found)->last_thread == thread; found = &(*found)->next)
            ;
        if (!(task = *found)) {
            pthread_cond_wait (&tasks_changed, &tasks_lock);
            continue;
        }
        *found = task->next;
        pthread_mutex_unlock (&tasks_lock);
        int is_over;
        while (!(is_over = task->turn (task)) && below (&task->random, 4))
            dawdle (&task->random);
        pthread_mutex_lock (&tasks_lock);
        tasks_left -= is_over;
        if (!is_over) {
            task->last_thread = thread;
            for (found = &waiting; *found; found = &(*found)->next)
                ;
            task->next = NULL;
            *found = task;
        }
        pthread_cond_broadcast (&tasks_changed);
    }
    pthread_mutex_unlock (&tasks_lock);
    return NULL;
}

static void add_task (random_t *random, int (*turn) (task_t *), client_t *first, int count)
{
    task_t *task = &tasks[task_count++];
    *task = (task_t){waiting, turn, seeded (next_random (random)), first, count, -1};
    waiting = task;
}

/* Returns how many messages were sent. */
static long play_scene (random_t *random, long number)
{
    static const int types[][2] = {{ZMQ_PULL, ZMQ_PUSH},     {ZMQ_PULL, ZMQ_PUSH},     {ZMQ_PAIR, ZMQ_PAIR},
                                   {ZMQ_ROUTER, ZMQ_DEALER}, {ZMQ_ROUTER, ZMQ_DEALER}, {ZMQ_PUSH, ZMQ_PULL},
                                   {ZMQ_PUB, ZMQ_SUB},       {ZMQ_XPUB, ZMQ_SUB}};
    const int *type = types[below (random, COUNT (types))], gathers = type[0] != ZMQ_PUSH && type[1] != ZMQ_SUB;
    memset (&scene, 0, sizeof scene);
    memset (streams, 0, sizeof streams);
    memset (clients, 0, sizeof clients);
    memset (&hub, 0, sizeof hub);
    memset (endpoints, 0, sizeof endpoints);
    memset (ended_lives, 0, sizeof ended_lives);
    memset (taken, 0, sizeof taken);
    arrived = ready_clients = ended_clients = endpoint_count = task_count = 0;
    scene.hub_type = type[0];
    scene.client_type = type[1];
    scene.clients = type[0] == ZMQ_PAIR || below (random, 4) == 0 ? 1
                    : below (random, 2)                           ? 2 + (int) below (random, 3)
                                                                  : 5 + (int) below (random, CLIENTS_MAX - 4);
    scene.lives = type[0] == ZMQ_PAIR || below (random, 3) == 0 ? 1 : 2 + (int) below (random, LIVES_MAX - 1);
    scene.answers = type[0] == ZMQ_PAIR || (type[0] == ZMQ_ROUTER && below (random, 3) > 0);
    scene.hub_blocks = scene.answers && below (random, 3) == 0;
    scene.hub_rests = gathers && !scene.answers && !is_gentle && below (random, 3);
    scene.waves = below (random, 2);
    scene.exact = gathers && scene.clients == 1 && scene.lives == 1;
    scene.hub_connects = type[0] == ZMQ_PUSH && below (random, 2);
    scene.unlimited = below (random, 4) == 0;
    scene.has_small_buffers = below (random, 3) < (scene.hub_rests ? 2 : 1);
    const long size = 1 + below (random, below (random, 4) ? 1000 : 8000);
    for (int i = 0; i < scene.clients; i++) {
        clients[i].number = i;
        clients[i].topics = i % 3 ? 1 + (int) below (random, (1 << TOPICS) - 1) : (1 << TOPICS) - 1;
        for (int life = 0; life < scene.lives && gathers; life++) {
            const long limit = 1 + below (random, 1 + 2 * size / (scene.clients * scene.lives));
            scene.planned += streams[(i * LIVES_MAX + life) * 2].limit = limit;
        }
    }
    if (!gathers)
        hub.next[0] = scene.planned = size;
    printf ("# %ld: %s to %s, %d x %d, %ld messages%s%s%s%s%s%s%s%s\n", number, type_name (type[1]), type_name (type[0]), scene.clients,
            scene.lives, scene.planned, scene.answers ? ", answers" : "", scene.hub_blocks ? ", blocks" : "",
            scene.hub_rests ? ", rests" : "",
            scene.waves ? ", waves" : "", scene.exact ? ", exact" : "", scene.hub_connects ? ", hub connects" : "",
            scene.unlimited ? ", unlimited" : "", scene.has_small_buffers ? ", small buffers" : "");
    fflush (stdout);
    context = new_context ();
    CHECK (zmq_ctx_set (context, ZMQ_IO_THREADS, 1 + (int) below (random, 2)) == 0);
    open_client (random, &hub, scene.hub_type);
    if (!scene.hub_connects)
        move_hub ();
    add_task (random, gathers ? hub_turn : spread_turn, &hub, 1);
    for (int i = 0, count; i < scene.clients; i += count) {
        count = below (random, 3) ? 1 + (int) below (random, 10) : 1;
        count = count < scene.clients - i ? count : scene.clients - i;
        add_task (random, gathers ? client_turn : sink_turn, &clients[i], count);
        for (int sink = i; sink < i + count && scene.hub_connects; sink++) {
            open_sink (&tasks[task_count - 1], &clients[sink]);
            connect_to (hub.socket, clients[sink].endpoint);
        }
    }
    tasks_left = task_count;
    pthread_t threads[CLIENTS_MAX + 3];
    const int thread_count = task_count + 1 + (int) below (random, 2);
    for (int i = 0; i < thread_count; i++)
        threads[i] = start (play, (void *) (intptr_t) i);
    for (int i = 0; i < thread_count; i++)
        join (threads[i]);
    CHECK (!gathers || arrived == scene.planned);
    end_context (context);
    CHECK (is_gentle || loans == 0);
    atomic_fetch_add (&progress, 1);
    return scene.planned;
}

int main (int count, char **values)
{
    seed = (uint64_t) argument_or (count, values, 1, 1);
    transport = count > 2 ? values[2] : "tcp";
    const long messages = argument_or (count, values, 3, 10000);
    random_t random = seeded (seed);
    for (int i = 0; i < COUNT (pattern); i++)
        pattern[i] = (unsigned char) next_random (&random);
    is_gentle = count > 4 && strcmp (values[4], "gentle") == 0;
    stage = "the last scene that was begun";
    start_watchdog ();
    long scenes = 0;
    for (long played = 0; played < messages; scenes++)
        played += play_scene (&random, scenes);
    printf ("ok: %ld scenes\n", scenes);
    return 0;
}
