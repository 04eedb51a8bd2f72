/* The counters of sockets beside what a program counts itself: shared by the programs that compare the two. */
#ifndef MONOCOQUE_ACCOUNTS_H
#define MONOCOQUE_ACCOUNTS_H

#include "stress.h"
#include <dlfcn.h>

typedef monocoque_socket_stats_t stats_t;
typedef monocoque_traffic_t traffic_t;
typedef monocoque_peer_t peer_t;

static int (*socket_stats) (void *socket, stats_t *stats);
static int (*socket_peers) (void *socket, peer_t *peers, size_t peer_size, size_t *count);
static int (*process_counter) (const char *name, uint64_t *value);

static UNUSED void find_calls (void)
{
    void *found[] = {dlsym (RTLD_DEFAULT, "monocoque_socket_stats"), dlsym (RTLD_DEFAULT, "monocoque_socket_peers"),
                     dlsym (RTLD_DEFAULT, "monocoque_counter")};
    CHECK (found[0] && found[1] && found[2]);
    memcpy (&socket_stats, &found[0], sizeof found[0]);
    memcpy (&socket_peers, &found[1], sizeof found[1]);
    memcpy (&process_counter, &found[2], sizeof found[2]);
}

static UNUSED void show_traffic (const traffic_t *t)
{
    printf ("  sent %lu (%lu bytes): delivered %lu, queued %lu, full %lu, unroutable %lu, replaced %lu, lost %lu\n", t->sent,
            t->sent_bytes, t->delivered, t->queued_out, t->dropped_full, t->dropped_unroutable, t->dropped_replaced, t->lost_out);
    printf ("  arrived %lu (%lu bytes): received %lu, queued %lu, discarded %lu, replaced %lu, lost %lu\n", t->arrived,
            t->arrived_bytes, t->received, t->queued_in, t->discarded, t->replaced_in, t->lost_in);
}

/* The two sums that hold at any moment. */
static UNUSED void check_sums (const char *what, const traffic_t *t)
{
    uint64_t out = t->delivered + t->queued_out + t->dropped_full + t->dropped_unroutable + t->dropped_replaced + t->lost_out;
    uint64_t in = t->received + t->queued_in + t->discarded + t->replaced_in + t->lost_in;
    if (t->sent == out && t->arrived == in)
        return;
    printf ("FAILED: %s: the sums do not hold\n", what);
    show_traffic (t);
    exit (3);
}

static UNUSED stats_t stats_of (void *socket)
{
    stats_t stats;
    memset (&stats, 0xaa, sizeof stats);
    stats.size = sizeof stats;
    CHECK (socket_stats (socket, &stats) == 0 && stats.size == sizeof stats);
    check_sums ("a socket", &stats.messages);
    return stats;
}

static UNUSED traffic_t traffic_of (void *socket)
{
    return stats_of (socket).messages;
}

/* Compares a counter, and ends the program with all of them where it differs. */
#define EXPECT(socket, name, value)                                                                                            \
    do {                                                                                                                       \
        traffic_t now = traffic_of (socket);                                                                                   \
        if (now.name != (uint64_t) (value)) {                                                                                  \
            printf ("FAILED: line %d (%s): %s is not %lu\n", __LINE__, stage, #name, (unsigned long) (value));                 \
            show_traffic (&now);                                                                                               \
            exit (3);                                                                                                          \
        }                                                                                                                      \
    } while (0)

/* Until the background threads have come so far; the watchdog ends a wait that never ends. */
#define AWAIT(socket, condition)                                                                                               \
    do {                                                                                                                       \
        stats_t stats = stats_of (socket);                                                                                     \
        traffic_t *t = &stats.messages;                                                                                        \
        (void) t;                                                                                                              \
        if (condition)                                                                                                         \
            break;                                                                                                             \
        usleep (200);                                                                                                          \
    } while (1)

enum { PEERS_MAX = 32 };

/* The peers of a socket; each one's sums hold. */
static UNUSED size_t peers_of (void *socket, peer_t *peers)
{
    size_t count = PEERS_MAX;
    CHECK (socket_peers (socket, peers, sizeof *peers, &count) == 0 && count <= PEERS_MAX);
    for (size_t i = 0; i < count; i++)
        check_sums ("a peer", &peers[i].messages);
    return count;
}

/* The bytes of a part as a frame. */
static UNUSED uint64_t frame_bytes (size_t body)
{
    return body + (body > 255 ? 9 : 2);
}

/* What a program counts itself. */
typedef struct
{
    uint64_t messages, bytes;
} count_t;

static char body[64 * 1024];

/* Sends a message of one to three parts, mostly small ones; -1 if there is no room. `lead` (may be NULL) goes first. */
static UNUSED int send_random (void *socket, random_t *random, const char *lead, int flags, count_t *count)
{
    static const int sizes[] = {0, 1, 64, 64, 64, 64, 255, 256, 1000, 20000, 40000};
    int parts = below (random, 4) ? 1 : 1 + (int) below (random, 3);
    uint64_t bytes = 0;
    if (lead) {
        if (zmq_send (socket, lead, strlen (lead), flags | ZMQ_SNDMORE) == -1)
            return -1;
        bytes += frame_bytes (strlen (lead));
    }
    for (int part = 0; part < parts; part++) {
        /* Streams of small ones go the short ways. */
        int size = sizes[below (random, below (random, 8) ? 7 : (unsigned) COUNT (sizes))];
        if (zmq_send (socket, body, (size_t) size, flags | (part + 1 < parts ? ZMQ_SNDMORE : 0)) == -1)
            return -1;
        bytes += frame_bytes ((size_t) size);
    }
    count->messages++;
    count->bytes += bytes;
    return 0;
}

/* Receives a message; -1 if there is none. */
static UNUSED int receive_any (void *socket, int flags, count_t *count)
{
    char small[64];
    uint64_t bytes = 0;
    int more = 1;
    while (more) {
        int size = zmq_recv (socket, small, sizeof small, flags);
        if (size == -1)
            return -1;
        bytes += frame_bytes ((size_t) size);
        more = int_option (socket, ZMQ_RCVMORE);
    }
    count->messages++;
    count->bytes += bytes;
    atomic_fetch_add (&progress, 1);
    return 0;
}

#endif
