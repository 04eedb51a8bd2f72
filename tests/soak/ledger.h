/* What the parties of the soak keep in files that outlive them: how many messages each stream has sent, and which of them a group of
 * receivers has seen; and the messages themselves, whose content follows from stream, number and part.
 *
 * A stream is what one life of one sender sends, in order. Several receivers may share its messages: they are one group, with one
 * file of marks. */
#ifndef MONOCOQUE_SOAK_LEDGER_H
#define MONOCOQUE_SOAK_LEDGER_H

#include "../stress/stress.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { STREAMS_MAX = 512, PARTS_MAX = 3, ROUTE_MAX = 2, CHAINS_MAX = 16, BODY_MIN = 176, BODY_SPREAD = 1200, BODY_LARGE = 100 * 1024, LARGE_EVERY = 400 };

typedef struct
{
    uint32_t stream, number;
    uint16_t part, parts;
    uint32_t size;
    uint64_t sum;
} header_t;

static const char *folder;
static uint64_t messages_max;
static _Atomic uint64_t *sent, *rounds_of_party;
static atomic_uchar *marks;
static _Atomic uint64_t *chains_of_group;
static const volatile uint8_t *phase;

/* Maps a file of the folder, made as long as it must be. */
static void *map_file (const char *name, size_t size)
{
    char path[512];
    snprintf (path, sizeof path, "%s/%s", folder, name);
    int file = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK (file >= 0 && ftruncate (file, (off_t) size) == 0);
    void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK (memory != MAP_FAILED);
    close (file);
    return memory;
}

static void open_ledger (const char *name, const char *group)
{
    char file[128];
    phase = map_file ("phase", 1);
    sent = map_file ("sent", STREAMS_MAX * sizeof *sent);
    snprintf (file, sizeof file, "rounds-%s", name);
    rounds_of_party = map_file (file, sizeof *rounds_of_party);
    if (strcmp (group, "-") == 0)
        return;
    snprintf (file, sizeof file, "marks-%s", group);
    marks = map_file (file, STREAMS_MAX * messages_max);
    snprintf (file, sizeof file, "chains-%s", group);
    chains_of_group = map_file (file, STREAMS_MAX * sizeof *chains_of_group);
}

static void fault (const char *what, const header_t *header)
{
    printf ("fault: %s: stream %u, message %u, part %u of %u\n", what, header->stream, header->number, header->part, header->parts);
    fflush (stdout);
    _exit (3);
}

static uint64_t mixed (uint64_t value)
{
    value = (value ^ (value >> 31)) * 0x9E3779B97F4A7C15u;
    return value ^ (value >> 29);
}

static uint64_t sum_of (const header_t *header, const unsigned char *body)
{
    uint64_t sum = mixed (((uint64_t) header->stream << 32 | header->number) + header->part * 7919u + header->parts), word;
    uint32_t place = 0;
    for (; place + sizeof word <= header->size; place += sizeof word) {
        memcpy (&word, body + place, sizeof word);
        sum = mixed (sum ^ word);
    }
    for (; place < header->size; place++)
        sum = mixed (sum ^ body[place]);
    return sum;
}

static uint32_t body_size (uint32_t stream, uint32_t number, int part)
{
    if (number % LARGE_EVERY == LARGE_EVERY - 1)
        return BODY_LARGE;
    return BODY_MIN + (uint32_t) (mixed (stream * 31u + number * 17u + (uint32_t) part) % BODY_SPREAD);
}

static void make_part (zmq_msg_t *message, uint32_t stream, uint32_t number, int part, int parts)
{
    header_t header = {stream, number, (uint16_t) part, (uint16_t) parts, body_size (stream, number, part), 0};
    CHECK (zmq_msg_init_size (message, sizeof header + header.size) == 0);
    unsigned char *data = zmq_msg_data (message), *body = data + sizeof header;
    uint64_t word = mixed (stream + (uint64_t) number * 3 + (uint64_t) part);
    for (uint32_t place = 0; place < header.size; place++) {
        body[place] = (unsigned char) word;
        word = place % 8 == 7 ? word * 0x2545F4914F6CDD1Du + 1 : word >> 8 | word << 56;
    }
    header.sum = sum_of (&header, body);
    memcpy (data, &header, sizeof header);
}

static int parts_of (uint32_t number)
{
    return 1 + (int) (number % PARTS_MAX);
}

/* Sends the next message of the stream. 0 if there is no room (or no peer) for it now. */
static int send_next (void *socket, uint32_t stream)
{
    uint32_t number = (uint32_t) atomic_load (&sent[stream]);
    int parts = parts_of (number);
    for (int part = 0; part < parts; part++) {
        zmq_msg_t message;
        make_part (&message, stream, number, part, parts);
        while (zmq_msg_send (&message, socket, ZMQ_DONTWAIT | (part + 1 < parts ? ZMQ_SNDMORE : 0)) == -1) {
            CHECK (zmq_errno () == EAGAIN || zmq_errno () == EINTR);
            CHECK (zmq_errno () == EINTR || part == 0);
            if (zmq_errno () == EAGAIN) {
                CHECK (zmq_msg_close (&message) == 0);
                return 0;
            }
        }
    }
    atomic_store (&sent[stream], number + 1);
    return 1;
}

/* Receives all parts of a message, or none. */
static int take_parts (void *socket, zmq_msg_t *parts, int flags)
{
    int count = 0, more = 1;
    while (more) {
        CHECK (count < PARTS_MAX + ROUTE_MAX);
        CHECK (zmq_msg_init (&parts[count]) == 0);
        while (zmq_msg_recv (&parts[count], socket, flags) == -1) {
            CHECK (zmq_errno () == EAGAIN || zmq_errno () == EINTR);
            if (zmq_errno () == EAGAIN) {
                CHECK (count == 0);
                return 0;
            }
        }
        more = zmq_msg_more (&parts[count++]);
        flags = ZMQ_DONTWAIT;
    }
    return count;
}

static void close_parts (zmq_msg_t *parts, int count)
{
    for (int i = 0; i < count; i++)
        CHECK (zmq_msg_close (&parts[i]) == 0);
}

/* What comes over one connection is in order; of a connection that was lost, something may still wait while the next one's is there. So the
 * messages of a stream form as few ascending chains as there are such connections; the ledger tells how many. A chain is the number that
 * may follow. */
static void follow (const header_t *header)
{
    static uint64_t chains[STREAMS_MAX][CHAINS_MAX];
    uint64_t *best = NULL, *all = chains[header->stream], count = 0;
    for (; count < CHAINS_MAX && all[count]; count++)
        if (all[count] <= header->number && (!best || all[count] > *best))
            best = &all[count];
    if (!best && count == CHAINS_MAX)
        fault ("out of order", header);
    if (!best) {
        best = &all[count++];
        if (chains_of_group && atomic_load (&chains_of_group[header->stream]) < count)
            atomic_store (&chains_of_group[header->stream], count);
    }
    *best = (uint64_t) header->number + 1;
}

/* Checks a message that was received whole, and marks it: what was seen before is a fault. */
static header_t check_message (zmq_msg_t *parts, int count)
{
    header_t first = {0}, header;
    for (int part = 0; part < count; part++) {
        size_t size = zmq_msg_size (&parts[part]);
        memset (&header, 0, sizeof header);
        if (size < sizeof header)
            fault ("a short part", &header);
        const unsigned char *data = zmq_msg_data (&parts[part]);
        memcpy (&header, data, sizeof header);
        if (header.size != size - sizeof header || header.sum != sum_of (&header, data + sizeof header))
            fault ("changed", &header);
        if (part == 0)
            first = header;
        if (header.part != part || header.parts != count || header.stream != first.stream || header.number != first.number)
            fault ("parts of several messages", &header);
    }
    if (first.stream >= STREAMS_MAX || first.number >= messages_max)
        fault ("no such message", &first);
    if (marks && atomic_fetch_add (&marks[first.stream * messages_max + first.number], 1))
        fault ("a second time", &first);
    return first;
}

#endif
