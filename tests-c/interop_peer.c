/* One of the two peers of tests/interop.rs: sends numbered, checksummed messages, or receives, checks and (where the socket type
 * allows) returns them.
 *
 *   interop_peer send|receive TYPE PEER_TYPE bind|connect ENDPOINT BOARD COUNT [MECHANISM [wrong]]
 *
 * With a mechanism the side that binds is the server, or, where its name ends in "-server-connects", the other. Who has the wrong
 * keys, or the wrong password, waits for its handshake to fail and says so, and so does its peer; neither sends or receives anything.
 *
 * The board is a file of numbers that both peers map and the test reads: what a killed process had reached is known to the one
 * that replaces it. The numbers of one sender arrive in increasing order, each at most once, with at most one gap (the one kill),
 * in whole messages; those of a sender and of the one that replaced it come through two connections, and may be mixed. */
#include "common.h"

#include <fcntl.h>
#include <sys/mman.h>

struct board
{
    _Atomic uint64_t ready;          /* the sender whose HELLO the receiver has had; 0 after a kill */
    _Atomic uint64_t next;           /* the number that the sender sends next */
    _Atomic uint64_t received;       /* the highest number received, plus one */
    _Atomic uint64_t killed;         /* the kill is over: set by the test */
    _Atomic uint64_t done;           /* the receiver has had the end */
    _Atomic uint64_t messages;       /* received and right */
    _Atomic uint64_t gaps;           /* in the numbers received */
    _Atomic uint64_t returned;       /* messages that came back to their sender */
    _Atomic uint64_t senders[2];     /* who sent, at most two */
    _Atomic uint64_t of_senders[2];  /* the last number received of each, plus one */
};

enum { HELLO = 1, DATA, END };

/* The first part begins with this. The topic of publishers is its first byte. */
struct header
{
    char topic;
    uint8_t kind, parts, reserved;
    uint32_t sender;
    uint64_t number, checksum;
    uint64_t returner; /* who sent it back */
};

static struct board *board;
static void *socket_;
static int type, peer_type;
static const char *endpoint;
static int connects;
static uint64_t count;
#define PARTS_MAX 5

static uint64_t mix (uint64_t value)
{
    value ^= value >> 31;
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 29;
}

static int parts_of (uint64_t number)
{
    return 1 + (int) (mix (number + 1) % PARTS_MAX);
}

/* Mostly small, sometimes up to 1 MiB, often nothing. */
static size_t size_of (uint64_t number, int index)
{
    uint64_t random = mix (number * 8 + (uint64_t) index + 100);
    if (random % 7 == 0)
        return 0;
    int bits = random % 53 == 1 ? 20 : (int) ((random >> 8) % 15);
    size_t size = (size_t) (mix (random) % ((1u << bits) + 1));
    return size;
}

static uint64_t checksum (uint64_t sum, const unsigned char *data, size_t size)
{
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy (&word, data, 8);
        sum = (sum ^ word) * 0x100000001b3u;
    }
    for (; size; data++, size--)
        sum = (sum ^ *data) * 0x100000001b3u;
    return sum;
}

static void fill (unsigned char *data, size_t size, uint64_t seed)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = seed += 0x9e3779b97f4a7c15u;
        memcpy (data + at, &word, size - at < 8 ? size - at : 8);
    }
}

/* Sends the frames that stand before the message; -1 where the socket cannot take it now. */
static int send_envelope (int flags)
{
    if (type == ZMQ_ROUTER)
        return zmq_send (socket_, "B", 1, flags | ZMQ_SNDMORE);
    if (type == ZMQ_DEALER && peer_type == ZMQ_REP)
        return zmq_send (socket_, "", 0, flags | ZMQ_SNDMORE);
    return 0;
}

/* Sends a message of this kind and number; 0 where the socket cannot take it now. */
static int send_message (int kind, uint64_t number)
{
    int parts = kind == DATA ? parts_of (number) : 1;
    zmq_msg_t frames[PARTS_MAX];
    struct header header = {'m', (uint8_t) kind, (uint8_t) parts, 0, (uint32_t) getpid (), number, 0, 0};
    for (int i = 0; i < parts; i++) {
        size_t front = i == 0 ? sizeof header : 0, size = kind == DATA ? size_of (number, i) : 0;
        CHECK (zmq_msg_init_size (&frames[i], front + size) == 0);
        unsigned char *body = (unsigned char *) zmq_msg_data (&frames[i]) + front;
        fill (body, size, number * PARTS_MAX + (uint64_t) i);
        header.checksum = checksum (header.checksum + size, body, size);
    }
    memcpy (zmq_msg_data (&frames[0]), &header, sizeof header);
    int enveloped = type == ZMQ_ROUTER || (type == ZMQ_DEALER && peer_type == ZMQ_REP);
    int sent = send_envelope (ZMQ_DONTWAIT) != -1;
    for (int i = 0; i < parts; i++) {
        int flags = (i + 1 < parts ? ZMQ_SNDMORE : 0) | (i == 0 && !enveloped ? ZMQ_DONTWAIT : 0);
        if (sent && zmq_msg_send (&frames[i], socket_, flags) == -1) {
            sent = 0;
            CHECK (i == 0 && !enveloped);
        }
        if (!sent) {
            CHECK (zmq_errno () == EAGAIN || zmq_errno () == EHOSTUNREACH);
            for (int k = i; k < parts; k++)
                CHECK (zmq_msg_close (&frames[k]) == 0);
            return 0;
        }
    }
    return 1;
}

/* Receives a message with its envelope, and checks it. */
struct received
{
    zmq_msg_t frames[PARTS_MAX + 2];
    int envelope, parts;
    struct header header;
};

static void receive (struct received *message)
{
    message->envelope = type == ZMQ_ROUTER ? (peer_type == ZMQ_REQ ? 2 : 1) : type == ZMQ_DEALER && peer_type == ZMQ_REP ? 1 : 0;
    int frames = 0;
    do {
        CHECK (frames < COUNT (message->frames));
        CHECK (zmq_msg_init (&message->frames[frames]) == 0);
        CHECK (zmq_msg_recv (&message->frames[frames], socket_, 0) >= 0);
    } while (zmq_msg_more (&message->frames[frames++]));
    message->parts = frames - message->envelope;
    CHECK (message->parts > 0);
    zmq_msg_t *first = &message->frames[message->envelope];
    CHECK (zmq_msg_size (first) >= sizeof message->header);
    memcpy (&message->header, zmq_msg_data (first), sizeof message->header);
    struct header *header = &message->header;
    CHECK (header->topic == 'm' && header->parts == message->parts);
    CHECK (header->kind != DATA || message->parts == parts_of (header->number));
    uint64_t sum = 0;
    for (int i = 0; i < message->parts; i++) {
        zmq_msg_t *frame = &message->frames[message->envelope + i];
        size_t front = i == 0 ? sizeof *header : 0, size = zmq_msg_size (frame) - front;
        CHECK (size == (header->kind == DATA ? size_of (header->number, i) : 0));
        sum = checksum (sum + size, (unsigned char *) zmq_msg_data (frame) + front, size);
    }
    CHECK (sum == header->checksum);
}

static void release (struct received *message)
{
    for (int i = 0; i < message->envelope + message->parts; i++)
        CHECK (zmq_msg_close (&message->frames[i]) == 0);
}

/* What each of at most two receivers returned is in order as well. */
static void note_returned (const struct header *header)
{
    static uint64_t returners[2], next[2];
    int which = returners[0] == 0 || returners[0] == header->returner ? 0 : 1;
    CHECK (returners[which] == 0 || returners[which] == header->returner);
    CHECK (header->number >= next[which]);
    returners[which] = header->returner;
    next[which] = header->number + 1;
    atomic_fetch_add (&board->returned, 1);
}

/* Takes what came back, until the time is over. */
static void take_returned (long timeout)
{
    zmq_pollitem_t item = {socket_, 0, ZMQ_POLLIN, 0};
    while (type != ZMQ_PUSH && type != ZMQ_PUB && zmq_poll (&item, 1, timeout) == 1) {
        if (type == ZMQ_XPUB) {
            CHECK (zmq_recv (socket_, NULL, 0, 0) == 2);
            continue;
        }
        struct received message;
        receive (&message);
        if (message.header.kind == DATA && message.header.sender == (uint32_t) getpid ())
            note_returned (&message.header);
        release (&message);
        timeout = 0;
        if (type == ZMQ_REQ)
            return;
    }
}

static void pause_shortly (void)
{
    if (type == ZMQ_PUSH || type == ZMQ_PUB)
        usleep (500);
    else
        take_returned (1);
}

/* A PAIR may have been refused, because the one before it had not been noticed to be gone; it does not try again by itself. */
static void reconnect_pair (int64_t *since)
{
    if (type != ZMQ_PAIR || !connects || now_ms () - *since < 500)
        return;
    CHECK (zmq_disconnect (socket_, endpoint) == 0);
    connect_to (socket_, endpoint);
    *since = now_ms ();
}

static void send_all (void)
{
    int waits = type == ZMQ_PUB || type == ZMQ_XPUB || type == ZMQ_PAIR;
    int64_t since = now_ms ();
    while (!atomic_load (&board->done)) {
        uint64_t number = atomic_load (&board->next);
        /* Publishers and pairs wait for their peer to be there; the last fifth waits for the kill. */
        if (waits && atomic_load (&board->ready) != (uint64_t) getpid ()) {
            reconnect_pair (&since);
            send_message (HELLO, 0);
            pause_shortly ();
            continue;
        }
        since = now_ms ();
        if (number >= count / 5 * 4 && !atomic_load (&board->killed)) {
            pause_shortly ();
            continue;
        }
        /* First the number, then the message: who is killed between the two leaves a gap and no duplicate. */
        int kind = number < count ? DATA : END;
        if (kind == DATA)
            atomic_store (&board->next, number + 1);
        if (!send_message (kind, number)) {
            if (kind == DATA)
                atomic_store (&board->next, number);
            pause_shortly ();
        } else if (type == ZMQ_REQ)
            take_returned (1000);
        else if (kind == DATA)
            take_returned (0);
        else
            pause_shortly ();
    }
}

/* The numbers of each sender increase; what is missing between two of them is a gap. */
static void note (const struct header *header)
{
    int which = atomic_load (&board->senders[0]) == header->sender ? 0 : 1;
    if (atomic_load (&board->senders[0]) == 0)
        which = 0;
    uint64_t known = atomic_load (&board->senders[which]), expected = atomic_load (&board->of_senders[which]);
    CHECK (known == 0 || known == header->sender);
    CHECK (header->number >= expected);
    if (known == 0 && which == 1)
        CHECK (header->number >= atomic_load (&board->of_senders[0]));
    else if (header->number > expected)
        atomic_fetch_add (&board->gaps, 1);
    atomic_store (&board->senders[which], header->sender);
    atomic_store (&board->of_senders[which], header->number + 1);
    if (header->number >= atomic_load (&board->received))
        atomic_store (&board->received, header->number + 1);
    atomic_fetch_add (&board->messages, 1);
}

static void send_back (struct received *message)
{
    int frames = message->envelope + message->parts;
    message->header.returner = (uint64_t) getpid ();
    memcpy (zmq_msg_data (&message->frames[message->envelope]), &message->header, sizeof message->header);
    for (int i = 0; i < frames; i++)
        if (zmq_msg_send (&message->frames[i], socket_, i + 1 < frames ? ZMQ_SNDMORE : 0) == -1) {
            /* Whoever sent it may have been killed. */
            CHECK (i == 0 && (zmq_errno () == EAGAIN || zmq_errno () == EHOSTUNREACH));
            return;
        }
}

static void receive_all (void)
{
    int returns = type != ZMQ_PULL && type != ZMQ_SUB && type != ZMQ_XSUB;
    int64_t since = now_ms ();
    zmq_pollitem_t item = {socket_, 0, ZMQ_POLLIN, 0};
    while (zmq_poll (&item, 1, 100) == 0)
        reconnect_pair (&since);
    while (!atomic_load (&board->done)) {
        struct received message;
        receive (&message);
        int kind = message.header.kind;
        if (kind == DATA)
            note (&message.header);
        else if (kind == HELLO)
            atomic_store (&board->ready, message.header.sender);
        if (returns)
            send_back (&message);
        release (&message);
        if (kind == END)
            atomic_store (&board->done, 1);
    }
}

static int type_of (const char *name)
{
    for (int i = ZMQ_PAIR; i <= ZMQ_XSUB; i++)
        if (strcmp (name, type_name (i)) == 0)
            return i;
    fail (name);
    return -1;
}

/* The keys of zmq_curve(7), and others. */
static void secure (const char *mechanism, int serves, int is_wrong)
{
    const char *server = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", *client = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    int is_plain = strncmp (mechanism, "PLAIN", strlen ("PLAIN")) == 0;
    if (is_plain && serves)
        set_int (socket_, ZMQ_PLAIN_SERVER, 1);
    else if (is_plain) {
        set_text (socket_, ZMQ_PLAIN_USERNAME, "admin");
        set_text (socket_, ZMQ_PLAIN_PASSWORD, is_wrong ? "guess" : "secret");
    } else if (serves) {
        set_int (socket_, ZMQ_CURVE_SERVER, 1);
        set_text (socket_, ZMQ_CURVE_SECRETKEY, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6");
    } else {
        set_text (socket_, ZMQ_CURVE_SERVERKEY, is_wrong ? client : server);
        set_text (socket_, ZMQ_CURVE_PUBLICKEY, client);
        set_text (socket_, ZMQ_CURVE_SECRETKEY, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs");
    }
}

/* Answers questions about peers for ever: the name and the password, or the key, of `secure`. */
static void *authenticate (void *handler)
{
    for (;;) {
        char frames[8][256];
        int count = 0, size, more = 1;
        for (; more; count++) {
            CHECK (count < COUNT (frames) && (size = zmq_recv (handler, frames[count], 255, 0)) >= 0);
            frames[count][size] = 0;
            more = int_option (handler, ZMQ_RCVMORE);
        }
        int is_plain = strcmp (frames[5], "PLAIN") == 0;
        int is_right = !is_plain || (strcmp (frames[6], "admin") == 0 && strcmp (frames[7], "secret") == 0);
        CHECK (count == (is_plain ? 8 : 7));
        const char *answer[] = {"1.0", frames[1], is_right ? "200" : "400", "", "joe", ""};
        for (int i = 0; i < COUNT (answer); i++)
            CHECK (zmq_send (handler, answer[i], strlen (answer[i]), i + 1 < COUNT (answer) ? ZMQ_SNDMORE : 0) >= 0);
    }
    return NULL;
}

static void start_handler (void *context)
{
    pthread_t thread;
    void *handler = new_socket (context, ZMQ_REP);
    CHECK (zmq_bind (handler, "inproc://zeromq.zap.01") == 0);
    CHECK (pthread_create (&thread, NULL, authenticate, handler) == 0);
}

/* Waits until a handshake of the socket fails; that one succeeds is a fault. */
static void wait_for_failure (void *monitor)
{
    for (;;) {
        uint16_t event;
        zmq_msg_t part;
        CHECK (zmq_msg_init (&part) == 0 && zmq_msg_recv (&part, monitor, 0) >= 0);
        memcpy (&event, zmq_msg_data (&part), sizeof event);
        CHECK (zmq_msg_recv (&part, monitor, 0) >= 0 && zmq_msg_close (&part) == 0);
        CHECK (event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        if (event & (ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL))
            return;
    }
}

int main (int argument_count, char **arguments)
{
    CHECK (argument_count >= 8 && argument_count <= 10);
    const char *mechanism = argument_count > 8 ? arguments[8] : NULL;
    int is_wrong = argument_count > 9;
    int sends = strcmp (arguments[1], "send") == 0;
    type = type_of (arguments[2]);
    peer_type = type_of (arguments[3]);
    count = (uint64_t) atoi (arguments[7]);
    int file = open (arguments[6], O_RDWR);
    CHECK (file >= 0);
    board = mmap (NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK (board != MAP_FAILED);

    void *context = new_context ();
    socket_ = new_socket (context, type);
    set_int (socket_, ZMQ_SNDHWM, 100);
    set_int (socket_, ZMQ_RCVHWM, 100);
    set_int (socket_, ZMQ_RECONNECT_IVL, 10);
    set_int (socket_, ZMQ_SNDTIMEO, sends ? -1 : 1000);
    if (type == ZMQ_ROUTER || type == ZMQ_DEALER || type == ZMQ_REQ)
        set_text (socket_, ZMQ_ROUTING_ID, sends ? "A" : "B");
    if (type == ZMQ_ROUTER) {
        set_int (socket_, ZMQ_ROUTER_MANDATORY, 1);
        set_int (socket_, ZMQ_ROUTER_HANDOVER, 1);
    }
    if (type == ZMQ_REQ)
        set_int (socket_, ZMQ_REQ_RELAXED, 1);
    if (type == ZMQ_PUB || type == ZMQ_XPUB)
        set_int (socket_, ZMQ_XPUB_NODROP, 1);
    if (type == ZMQ_SUB)
        subscribe (socket_, "m");
    if (type == ZMQ_XSUB)
        CHECK (zmq_send (socket_, "\1m", 2, 0) == 2);
    endpoint = arguments[5];
    connects = strcmp (arguments[4], "connect") == 0;
    void *monitor = NULL;
    if (mechanism) {
        int server_connects = strstr (mechanism, "-server-connects") != NULL;
        secure (mechanism, connects == server_connects, is_wrong);
        start_handler (context);
    }
    if (is_wrong) {
        CHECK (zmq_socket_monitor (socket_, "inproc://events", ZMQ_EVENT_ALL) == 0);
        monitor = new_socket (context, ZMQ_PAIR);
        connect_to (monitor, "inproc://events");
    }
    if (connects)
        connect_to (socket_, endpoint);
    else
        CHECK (zmq_bind (socket_, endpoint) == 0);
    if (is_wrong)
        wait_for_failure (monitor);
    else if (sends)
        send_all ();
    else
        receive_all ();
    /* How sockets close is tested elsewhere; libzmq 4.3.4 may abort when its peer has just gone. */
    fflush (stdout);
    _exit (0);
}
