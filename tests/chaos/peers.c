/* Rows 5, 8, 9, 10, 25 and 26: what peers do, plain sockets that speak ZMTP 3 (RFC 37) as far as they like. */
#include "chaos.h"
#include <linux/sockios.h>

/* Row 5 ------------------------------------------------------------------------------------------------------------------- */

enum { MIB = 1 << 20, LIMIT_MIB = 64, ENDLESS_MIB_MAX = 512, DECLARING_PEERS = 64 };

/* Memory that peers take which declare a frame of 1 GiB and send a little of it. */
static long declared_kib (const char *endpoint)
{
    static const unsigned char header[] = {2, 0, 0, 0, 0, 0x40, 0, 0, 0, 'x'};
    int peers[DECLARING_PEERS];
    long before = memory_kib ();
    for (int i = 0; i < DECLARING_PEERS; i++) {
        peers[i] = raw_connect (endpoint);
        CHECK (raw_handshake (peers[i], "PUSH"));
        raw_write (peers[i], header, sizeof header);
    }
    let_pass (200);
    long used = memory_kib () - before;
    for (int i = 0; i < DECLARING_PEERS; i++)
        close (peers[i]);
    return used;
}

/* Sends parts of a message that never ends, until the connection is ended or so much has been sent. */
static int endless_mib (const char *endpoint, long *used_kib)
{
    static unsigned char frame[9 + 65536] = {3, 0, 0, 0, 0, 0, 1, 0, 0};
    struct timeval limit = {2, 0};
    int peer = raw_connect (endpoint);
    size_t sent = 0;
    long before = memory_kib ();
    CHECK (raw_handshake (peer, "PUSH") && setsockopt (peer, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    *used_kib = 0;
    while (sent < (size_t) ENDLESS_MIB_MAX * MIB) {
        size_t place = 0;
        ssize_t count;
        while (place < sizeof frame && (count = send (peer, frame + place, sizeof frame - place, MSG_NOSIGNAL)) > 0)
            place += (size_t) count;
        if (place < sizeof frame)
            break;
        sent += place;
        long used = memory_kib () - before;
        *used_kib = used > *used_kib ? used : *used_kib;
    }
    close (peer);
    return (int) (sent / MIB);
}

static int row_5 (void)
{
    endpoint_t endpoint;
    long used_kib;
    void *context = new_context (), *in = new_socket (context, ZMQ_PULL);
    set_int (in, ZMQ_RCVHWM, 1);
    /* The default is meant for machines, not for a test. */
    int64_t limit = LIMIT_MIB * MIB;
    int is_bounded = zmq_setsockopt (in, MONOCOQUE_MAX_MESSAGE_BYTES, &limit, sizeof limit) == 0;
    bind_fresh (in, "tcp", endpoint);
    long declared = declared_kib (endpoint);
    int taken = endless_mib (endpoint, &used_kib);
    answer ("%d peers that declare 1 GiB each take %ld KiB in all", DECLARING_PEERS, declared);
    if (is_bounded)
        answer ("the parts of a message may have %d MiB together", LIMIT_MIB);
    answer ("of a message that never ends %s%d MiB are taken, with %ld MiB of memory", taken < ENDLESS_MIB_MAX ? "" : "at least ", taken,
            used_kib / 1024);
    close_socket (in);
    end_context (context);
    return declared < 64 * 1024 && is_bounded && used_kib < 2 * LIMIT_MIB * 1024;
}

/* Row 8 ------------------------------------------------------------------------------------------------------------------------ */

/* Connections in 1.5 s to a peer that accepts and closes, or fails the handshake. */
static int connects (int answers)
{
    endpoint_t endpoint;
    int listener = raw_listen (endpoint), count = 0;
    void *context = new_context (), *out = new_socket (context, ZMQ_PUSH);
    set_int (out, ZMQ_RECONNECT_IVL, 10);
    set_int (out, ZMQ_RECONNECT_IVL_MAX, 400);
    connect_to (out, endpoint);
    int64_t end = now_ms () + 1500;
    for (int64_t left; (left = end - now_ms ()) > 0;)
        if (raw_readable (listener, (int) left)) {
            int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
            CHECK (fd >= 0);
            if (answers)
                raw_text (fd, "HTTP/1.0 400 Bad Request\r\n\r\n");
            close (fd);
            count++;
        }
    close (listener);
    close_socket (out);
    end_context (context);
    return count;
}

static int row_8 (void)
{
    int closed = connects (0), refused = connects (1);
    answer ("in 1.5 s %d connects to a peer that closes, %d to one that fails the handshake", closed, refused);
    return closed <= 12 && refused <= 12;
}

/* Row 9 --------------------------------------------------------------------------------------------------------------------------- */

enum { NUMBERED = 20000, NUMBERED_SIZE = 64, FRAME_SIZE = NUMBERED_SIZE + 2, READ_BEFORE = 3000 };
static unsigned char arrived[NUMBERED];

/* Reads numbered frames until so many are read, the connection ends or nothing comes. */
static int read_frames (int fd, int count)
{
    unsigned char frame[512];
    int got = 0;
    while (got < count && raw_readable (fd, 2000) && raw_read (fd, frame, 2) == 2 && raw_read (fd, frame + 2, frame[1]) == frame[1]) {
        uint32_t number;
        if (frame[0] & 4)
            continue;
        memcpy (&number, frame + 2, sizeof number);
        CHECK (number < NUMBERED);
        arrived[number]++;
        got++;
        if (number == NUMBERED - 1)
            break;
    }
    return got;
}

/* What the kernel has of the connection that leads to this port, unsent or not confirmed. */
static long queued_bytes (int port)
{
    long total = 0;
    for (int fd = 3, queued; fd < 64; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        if (getpeername (fd, (struct sockaddr *) &peer, &size) == 0 && peer.sin_family == AF_INET && ntohs (peer.sin_port) == port
            && ioctl (fd, SIOCOUTQ, &queued) == 0)
            total += queued;
    }
    return total;
}

static int row_9 (void)
{
    endpoint_t endpoint;
    unsigned char bytes[512], body[NUMBERED_SIZE] = {0};
    int listener = raw_listen (endpoint), buffer = 32 * 1024, unread = 0, lost = 0, doubled = 0;
    CHECK (setsockopt (listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) == 0);
    void *context = new_context (), *out = new_socket (context, ZMQ_PUSH);
    set_int (out, ZMQ_SNDHWM, 0);
    set_int (out, ZMQ_SNDBUF, buffer);
    set_int (out, ZMQ_RECONNECT_IVL, 10);
    connect_to (out, endpoint);
    for (uint32_t number = 0; number < NUMBERED; number++) {
        memcpy (body, &number, sizeof number);
        CHECK (zmq_send (out, body, sizeof body, 0) == sizeof body);
    }
    int fd = raw_accept (listener);
    raw_greeting (fd, "NULL");
    raw_ready (fd, "PULL");
    CHECK (raw_read (fd, bytes, GREETING_SIZE) == GREETING_SIZE);
    CHECK (read_frames (fd, READ_BEFORE) == READ_BEFORE);
    long queued = -1, before;
    do {
        before = queued;
        let_pass (50);
        CHECK (ioctl (fd, FIONREAD, &unread) == 0);
        queued = queued_bytes (atoi (strrchr (endpoint, ':') + 1)) + unread;
    } while (queued != before);
    raw_reset (fd);
    fd = raw_accept (listener);
    raw_greeting (fd, "NULL");
    raw_ready (fd, "PULL");
    CHECK (raw_read (fd, bytes, GREETING_SIZE) == GREETING_SIZE);
    read_frames (fd, NUMBERED);
    for (int i = 0; i < NUMBERED; i++) {
        lost += arrived[i] == 0;
        doubled += arrived[i] > 1;
    }
    long held = queued / FRAME_SIZE;
    answer ("of %d messages %d are lost with a connection that is reset, %d come twice; the kernel held %ld whole ones", NUMBERED, lost, doubled,
            held);
    close (fd);
    close_socket (out);
    end_context (context);
    return lost <= held + 1 && doubled == 0;
}

/* Row 10 ------------------------------------------------------------------------------------------------------------------------- */

static int row_10 (void)
{
    endpoint_t endpoint;
    void *context = new_context (), *server = new_socket (context, ZMQ_ROUTER), *clients[2];
    void *heard = open_monitor (context, server, ZMQ_EVENT_ALL), *told = NULL;
    char text[16];
    bind_fresh (server, "tcp", endpoint);
    for (int i = 0; i < 2; i++) {
        clients[i] = new_socket (context, ZMQ_DEALER);
        set_text (clients[i], ZMQ_ROUTING_ID, "taken");
        set_int (clients[i], ZMQ_RECONNECT_IVL, 5000);
        if (i)
            told = open_monitor (context, clients[i], ZMQ_EVENT_DISCONNECTED);
        connect_to (clients[i], endpoint);
        put (clients[i], i ? "second" : "first");
        if (i == 0)
            while (take (server, text, sizeof text) != 5 || strcmp (text, "first") != 0)
                ;
    }
    int second = ready_within (told, ZMQ_POLLIN, 3000), server_too = 0;
    const char *event = "nothing";
    while (!server_too && ready_within (heard, ZMQ_POLLIN, 300)) {
        int number = next_event (heard, NULL, NULL);
        server_too = number == ZMQ_EVENT_DISCONNECTED || number >= ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
        event = server_too ? event_name (number) : event;
    }
    int routed = 0;
    while (ready_within (server, ZMQ_POLLIN, 0))
        routed |= take (server, text, sizeof text) == 6;
    put (clients[0], "still");
    int still = ready_within (server, ZMQ_POLLIN, LIMIT_MS);
    answer ("the second client %s, %s; the server's event is %s; the first goes on %s", second ? "is disconnected" : "stays connected",
            routed ? "its message arrives" : "its message does not arrive", event, still ? "working" : "in vain");
    close_monitor (clients[1], told);
    close_monitor (server, heard);
    for (int i = 0; i < 2; i++)
        close_socket (clients[i]);
    close_socket (server);
    end_context (context);
    return second && !routed && server_too && still;
}

/* Row 25 -------------------------------------------------------------------------------------------------------------------------- */

#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static void *make_server (void *context, int type, endpoint_t endpoint, int secure)
{
    void *server = new_socket (context, type);
    if (secure) {
        set_int (server, ZMQ_CURVE_SERVER, 1);
        set_text (server, ZMQ_CURVE_SECRETKEY, SERVER_SECRET);
    }
    bind_fresh (server, "tcp", endpoint);
    return server;
}

/* An honest client's message arrives, and nothing before it. */
static int serves (void *context, void *server, const char *endpoint, int secure)
{
    char text[16], public[41], secret[41];
    void *client = new_socket (context, ZMQ_PUSH);
    if (secure) {
        CHECK (zmq_curve_keypair (public, secret) == 0);
        set_text (client, ZMQ_CURVE_SERVERKEY, SERVER_PUBLIC);
        set_text (client, ZMQ_CURVE_PUBLICKEY, public);
        set_text (client, ZMQ_CURVE_SECRETKEY, secret);
    }
    connect_to (client, endpoint);
    put (client, "honest");
    set_int (server, ZMQ_RCVTIMEO, LIMIT_MS);
    int size = zmq_recv (server, text, sizeof text, 0);
    close_socket (client);
    return size == 6 && memcmp (text, "honest", 6) == 0;
}

static void close_all (void *context, void *server)
{
    close_socket (server);
    end_context (context);
}

/* 2019-6250: a size that overflows where it is added to. */
static int overflowing_size (void)
{
    static const unsigned char frame[] = {2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'};
    endpoint_t endpoint;
    void *context = new_context (), *server = make_server (context, ZMQ_PULL, endpoint, 0);
    int peer = raw_connect (endpoint);
    CHECK (raw_handshake (peer, "PUSH"));
    raw_write (peer, frame, sizeof frame);
    int met = raw_ends (peer, LIMIT_MS) && serves (context, server, endpoint, 0);
    close_all (context, server);
    return met;
}

/* 2014-7202, 2014-9721: a weaker mechanism, an older version. */
static int downgrade (int old)
{
    static const unsigned char second[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 8, 0, 0, 0, 6, 'a', 't', 't', 'a', 'c', 'k'};
    static const unsigned char frame[] = {0, 6, 'a', 't', 't', 'a', 'c', 'k'};
    static const char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PUSH";
    endpoint_t endpoint;
    void *context = new_context (), *server = make_server (context, ZMQ_PULL, endpoint, 1);
    int peer = raw_connect (endpoint);
    if (old)
        raw_write (peer, second, sizeof second);
    else {
        raw_greeting (peer, "NULL");
        raw_offer (peer, ready, sizeof ready - 1);
        raw_offer (peer, frame, sizeof frame);
    }
    int met = raw_ends (peer, LIMIT_MS) && serves (context, server, endpoint, 1);
    close (peer);
    close_all (context, server);
    return met;
}

static int older_version (void)
{
    return downgrade (1);
}

static int weaker_mechanism (void)
{
    return downgrade (0);
}

/* 2020-15166: connections that say nothing. */
static int silent_connections (void)
{
    endpoint_t endpoint;
    int peers[100];
    void *context = new_context (), *server = make_server (context, ZMQ_PULL, endpoint, 1);
    for (int i = 0; i < COUNT (peers); i++)
        peers[i] = raw_connect (endpoint);
    int met = serves (context, server, endpoint, 1);
    for (int i = 0; i < COUNT (peers); i++)
        close (peers[i]);
    close_all (context, server);
    return met;
}

/* 2021-20236: topics so long that recursion over them ends the stack, taken back. */
static int long_topics (void)
{
    enum { TOPIC = 1 << 20 };
    unsigned char *frame = calloc (1, 10 + TOPIC);
    endpoint_t endpoint;
    void *context = new_context (), *server = make_server (context, ZMQ_XPUB, endpoint, 0);
    int peer = raw_connect (endpoint), notices = 0;
    CHECK (frame && raw_handshake (peer, "SUB"));
    for (int subscribes = 1; subscribes >= 0; subscribes--) {
        unsigned char header[10] = {2, 0, 0, 0, 0, 0, 0x10, 0, 1, (unsigned char) subscribes};
        memcpy (frame, header, sizeof header);
        raw_write (peer, frame, 10 + TOPIC);
        zmq_msg_t notice;
        CHECK (zmq_msg_init (&notice) == 0);
        set_int (server, ZMQ_RCVTIMEO, LIMIT_MS);
        notices += zmq_msg_recv (&notice, server, 0) == TOPIC + 1;
        CHECK (zmq_msg_close (&notice) == 0);
    }
    close (peer);
    free (frame);
    close_all (context, server);
    return notices == 2;
}

static int attack (long which)
{
    static int (*const attacks[]) (void) = {overflowing_size, weaker_mechanism, older_version, silent_connections, long_topics};
    return attacks[which]() ? 0 : 1;
}

static int row_25 (void)
{
    static const char *const names[] = {"2019-6250", "2014-7202", "2014-9721", "2020-15166", "2021-20236"};
    int met = 1;
    for (int i = 0; i < COUNT (names); i++) {
        int code = apart (attack, i, 30);
        answer ("%s %s", names[i], code == 0 ? "withstood" : ending (code));
        met &= code == 0;
    }
    return met;
}

/* Row 26 --------------------------------------------------------------------------------------------------------------------------- */

/* A process of its own, which may not come to its end on a library that loses what it sends. */
static pid_t send_and_leave (const char *endpoint)
{
    pid_t child = fork ();
    CHECK (child >= 0);
    if (child)
        return child;
    CHECK (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0);
    void *context = new_context (), *out = zmq_socket (context, ZMQ_PUSH);
    char body[64] = {0};
    connect_to (out, endpoint);
    for (int i = 0; i < 1000; i++)
        CHECK (zmq_send (out, body, sizeof body, 0) == sizeof body);
    close_socket (out);
    end_context (context);
    _exit (0);
}

static int row_26 (void)
{
    static const char endpoint[] = "ipc://late";
    char body[64];
    int got = 0;
    pid_t child = send_and_leave (endpoint);
    void *context = new_context (), *in = new_socket (context, ZMQ_PULL);
    set_int (in, ZMQ_RCVHWM, 100);
    CHECK (zmq_bind (in, endpoint) == 0);
    wait_for (in, ZMQ_POLLIN);
    let_pass (300);
    for (; ready_within (in, ZMQ_POLLIN, 1000); got++)
        CHECK (zmq_recv (in, body, sizeof body, 0) == sizeof body);
    answer ("%d of 1000 messages arrive over ipc, their sender gone, the reader late", got);
    kill (child, SIGKILL);
    CHECK (waitpid (child, NULL, 0) == child);
    close_socket (in);
    end_context (context);
    return got == 1000;
}

int main (int count, char **values)
{
    static const row_t rows[] = {{5, row_5}, {8, row_8}, {9, row_9}, {10, row_10}, {25, row_25}, {26, row_26}};
    return play_row (rows, COUNT (rows), count, values);
}
