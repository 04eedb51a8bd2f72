/* One socket, used by many threads at once (undefined for libzmq).
 *
 *   shared TRANSPORT MESSAGES
 *
 * THREADS threads send and receive through one DEALER, as many answer through another. A message is one part, or several that
 * one call sends (zmq_sendiov, zmq_recviov); each comes back whole, once, to whichever thread asks first. Meanwhile other
 * threads poll the sockets and ask for their options. */
#include "stress.h"
#include <sys/uio.h>

#define THREADS 8
#define PARTS 3

/* What every part of a message begins with. */
typedef struct
{
    int thread, number, part, parts;
} header_t;

static void *front, *back;
static long messages;
static atomic_long returned;
static atomic_uchar *seen;
static atomic_int looking = 1;

static size_t size_of (const header_t *header)
{
    return sizeof *header + (unsigned) (header->number * 31 + header->part * 977) % 3000;
}

static char byte_of (const header_t *header)
{
    return (char) (header->thread * 7 + header->number + header->part + 1);
}

static void fill (char *body, const header_t *header)
{
    memcpy (body, header, sizeof *header);
    memset (body + sizeof *header, byte_of (header), size_of (header) - sizeof *header);
}

static void torn (const char *what, const header_t *header)
{
    printf ("FAILED: %s: thread %d, message %d, part %d of %d\n", what, header->thread, header->number, header->part, header->parts);
    exit (3);
}

/* A part is whole, and the one that comes next. */
static void check_part (const char *body, size_t size, const header_t *expected)
{
    header_t header;
    CHECK (size >= sizeof header);
    memcpy (&header, body, sizeof header);
    if (expected && memcmp (&header, expected, sizeof header) != 0)
        torn ("a part of another message", &header);
    if (size != size_of (&header))
        torn ("a part of another size", &header);
    for (size_t place = sizeof header; place < size; place++)
        if (body[place] != byte_of (&header))
            torn ("a part with the bytes of another", &header);
}

/* Returns 0 when nothing came within the socket's ZMQ_RCVTIMEO, and otherwise the number of parts. */
static int receive_parts (void *socket, struct iovec *vectors)
{
    size_t count = PARTS + 1;
    int result = zmq_recviov (socket, vectors, &count, 0);
    if (result == -1) {
        CHECK (zmq_errno () == EAGAIN);
        return 0;
    }
    CHECK ((size_t) result == count && count <= PARTS);
    header_t expected;
    memcpy (&expected, vectors[0].iov_base, sizeof expected);
    for (int i = 0; i < result; i++) {
        expected.part = i;
        check_part (vectors[i].iov_base, vectors[i].iov_len, &expected);
    }
    if (result != expected.parts)
        torn ("parts are missing", &expected);
    return result;
}

static void free_parts (struct iovec *vectors, int count)
{
    for (int i = 0; i < count; i++)
        free (vectors[i].iov_base);
}

static void *answer (void *argument)
{
    struct iovec vectors[PARTS + 1];
    while (atomic_load (&returned) < messages * THREADS) {
        int count = receive_parts (back, vectors);
        if (count) {
            CHECK (zmq_sendiov (back, vectors, (size_t) count, ZMQ_SNDMORE) >= 0);
            free_parts (vectors, count);
        }
    }
    return argument;
}

static void take_back (void)
{
    struct iovec vectors[PARTS + 1];
    int count = receive_parts (front, vectors);
    if (count == 0)
        return;
    header_t header;
    memcpy (&header, vectors[0].iov_base, sizeof header);
    if (atomic_fetch_add (&seen[header.thread * messages + header.number], 1))
        torn ("came twice", &header);
    atomic_fetch_add (&returned, 1);
    atomic_fetch_add (&progress, 1);
    free_parts (vectors, count);
}

static void *ask (void *argument)
{
    static char bodies[THREADS][PARTS][4096];
    int thread = (int) (intptr_t) argument;
    for (int number = 0; number < messages; number++) {
        int parts = number % 4 == 0 ? PARTS : 1;
        struct iovec vectors[PARTS];
        for (int part = 0; part < parts; part++) {
            header_t header = {thread, number, part, parts};
            fill (bodies[thread][part], &header);
            vectors[part] = (struct iovec){bodies[thread][part], size_of (&header)};
        }
        if (parts > 1)
            CHECK (zmq_sendiov (front, vectors, (size_t) parts, ZMQ_SNDMORE) >= 0);
        else
            CHECK (zmq_send (front, vectors[0].iov_base, vectors[0].iov_len, 0) == (int) vectors[0].iov_len);
        if (number % 8 == 7)
            take_back ();
    }
    while (atomic_load (&returned) < messages * THREADS)
        take_back ();
    return argument;
}

static void *look (void *argument)
{
    while (atomic_load (&looking)) {
        zmq_pollitem_t items[] = {{front, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0}, {back, 0, ZMQ_POLLIN, 0}};
        CHECK (zmq_poll (items, COUNT (items), 1) >= 0);
        CHECK (int_option (front, ZMQ_TYPE) == ZMQ_DEALER);
        CHECK ((int_option (back, ZMQ_EVENTS) & ~(ZMQ_POLLIN | ZMQ_POLLOUT)) == 0);
    }
    return argument;
}

int main (int count, char **values)
{
    const char *transport = count > 1 ? values[1] : "tcp";
    messages = argument_or (count, values, 2, 1000);
    seen = calloc ((size_t) messages * THREADS, sizeof *seen);
    CHECK (seen);
    endpoint_t endpoint;
    pthread_t askers[THREADS], answerers[THREADS], watcher;
    start_watchdog ();
    void *context = new_context ();
    front = new_socket (context, ZMQ_DEALER);
    back = new_socket (context, ZMQ_DEALER);
    set_int (front, ZMQ_RCVTIMEO, 20);
    set_int (back, ZMQ_RCVTIMEO, 20);
    /* What is under way must not fill both directions: nobody would receive. */
    set_int (front, ZMQ_SNDHWM, 0);
    set_int (back, ZMQ_SNDHWM, 0);
    bind_fresh (back, transport, endpoint);
    connect_to (front, endpoint);
    watcher = start (look, NULL);
    for (int i = 0; i < THREADS; i++) {
        askers[i] = start (ask, (void *) (intptr_t) i);
        answerers[i] = start (answer, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        join (askers[i]);
        join (answerers[i]);
    }
    atomic_store (&looking, 0);
    join (watcher);
    for (long i = 0; i < messages * THREADS; i++)
        CHECK (seen[i] == 1);
    close_socket (front);
    close_socket (back);
    end_context (context);
    printf ("ok: %ld messages\n", atomic_load (&returned));
    return 0;
}
