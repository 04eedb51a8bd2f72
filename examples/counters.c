/* What became of every message of a publisher one of whose two subscribers does not read:
 *
 *   cc examples/counters.c $(pkg-config --cflags --libs monocoque) -o counters && ./counters
 *
 * docs/observability.md says what each counter means. */
#include <monocoque.h>
#include <stdlib.h>

enum { PUBLISHED = 100000, PEERS = 8 };

static const char *const states[] = {"waiting", "connecting", "handshaking", "ready", "closing", "given up"};

static void check (int succeeded)
{
    if (!succeeded) {
        fprintf (stderr, "%s\n", zmq_strerror (zmq_errno ()));
        exit (1);
    }
}

static void *subscriber_of (void *context, const char *endpoint)
{
    void *subscriber = zmq_socket (context, ZMQ_SUB);
    check (subscriber && zmq_setsockopt (subscriber, ZMQ_SUBSCRIBE, "", 0) == 0 && zmq_connect (subscriber, endpoint) == 0);
    return subscriber;
}

static void print_counters (void *socket)
{
    monocoque_socket_stats_t stats = {.size = sizeof stats};
    monocoque_peer_t peers[PEERS];
    size_t count = PEERS;
    check (monocoque_socket_stats (socket, &stats) == 0);
    check (monocoque_socket_peers (socket, peers, sizeof *peers, &count) == 0);
    for (size_t i = 0; i < count && i < PEERS; i++) {
        const monocoque_traffic_t *of = &peers[i].messages;
        printf ("%s at %s through %s, %s: %llu = %llu delivered + %llu queued + %llu dropped\n", peers[i].socket_type, peers[i].address,
                peers[i].endpoint, states[peers[i].state], (unsigned long long) of->sent, (unsigned long long) of->delivered,
                (unsigned long long) of->queued_out, (unsigned long long) of->dropped_full);
    }
    const monocoque_traffic_t *all = &stats.messages;
    printf ("all: %llu = %llu delivered + %llu queued + %llu dropped + %llu lost\n", (unsigned long long) all->sent,
            (unsigned long long) all->delivered, (unsigned long long) all->queued_out, (unsigned long long) all->dropped_full,
            (unsigned long long) all->lost_out);
}

int main (void)
{
    char endpoint[256], message[64] = {0};
    size_t size = sizeof endpoint;
    void *context = zmq_ctx_new (), *publisher = zmq_socket (context, ZMQ_XPUB);
    check (publisher && zmq_bind (publisher, "tcp://127.0.0.1:*") == 0);
    check (zmq_getsockopt (publisher, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    void *reads = subscriber_of (context, endpoint), *stalled = subscriber_of (context, endpoint);
    monocoque_socket_stats_t stats = {.size = sizeof stats};
    check (zmq_recv (publisher, message, sizeof message, 0) == 1);
    /* The second subscription to the same topic tells the application nothing: both have come when both are sent to. */
    for (unsigned long long before = 0; stats.messages.sent - before < 2;) {
        before = stats.messages.sent;
        check (zmq_send (publisher, message, sizeof message, 0) == sizeof message);
        check (monocoque_socket_stats (publisher, &stats) == 0);
    }
    for (int number = 0; number < PUBLISHED; number++) {
        check (zmq_send (publisher, message, sizeof message, 0) == sizeof message);
        while (zmq_recv (reads, message, sizeof message, ZMQ_DONTWAIT) >= 0)
            ;
    }
    print_counters (publisher);
    zmq_close (stalled);
    zmq_close (reads);
    zmq_close (publisher);
    return zmq_ctx_term (context);
}
