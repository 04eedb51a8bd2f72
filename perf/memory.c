/* memory PEERS
 * Resident memory that each idle connection costs the binding side: a ROUTER whose peers are plain sockets of another
 * process, connected and ready. A few peers come first, so that what a first connection sets up is not counted. */
#include "common.h"
#include "zmtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PEERS 8

static void connecting_process (const struct peer *parent, size_t peers)
{
    char endpoint[ENDPOINT_SIZE], go;
    hear (parent, endpoint, ENDPOINT_SIZE);
    for (size_t index = 0; index < FIRST_PEERS; index++)
        zmtp_connect (endpoint, "DEALER");
    tell (parent, "", 1);
    hear (parent, &go, 1);
    for (size_t index = 0; index < peers; index++)
        zmtp_connect (endpoint, "DEALER");
    tell (parent, "", 1);
    hear (parent, &go, 1);
}

/* What is resident once it has not changed for a while: the library may still be attaching the last connections. */
static size_t settled_bytes (void *socket)
{
    const struct timespec while_idle = {0, 50 * 1000 * 1000};
    size_t before = 0, unchanged = 0, now = resident_bytes ();
    while (unchanged < 4) {
        zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
        CHECK (zmq_poll (&item, 1, 0) == 0);
        nanosleep (&while_idle, NULL);
        before = now;
        now = resident_bytes ();
        unchanged = now == before ? unchanged + 1 : 0;
    }
    return now;
}

int main (int count, char **arguments)
{
    if (count != 2)
        fail ("usage: %s PEERS", arguments[0]);
    size_t peers = strtoul (arguments[1], NULL, 10);
    char endpoint[ENDPOINT_SIZE], ready;
    struct peer child;
    CHECK (peers > 0);
    raise_descriptor_limit ();
    if (fork_peer (&child) == 0) {
        connecting_process (&child, peers);
        return 0;
    }
    report_library ("router");
    void *context = new_context ();
    void *socket = new_socket (context, ZMQ_ROUTER);
    bind_socket (socket, "tcp", "memory", endpoint);
    tell (&child, endpoint, ENDPOINT_SIZE);
    hear (&child, &ready, 1);
    size_t before = settled_bytes (socket);
    tell (&child, "", 1);
    hear (&child, &ready, 1);
    size_t after = settled_bytes (socket);
    double idle_cpu = cpu_s (), idle_start = now_s ();
    settled_bytes (socket);
    idle_cpu = (cpu_s () - idle_cpu) / (now_s () - idle_start);
    tell (&child, "", 1);
    join_peer (&child);
    close_socket (socket);
    end_context (context);
    printf ("result peers=%zu bytes_per_connection=%.0f idle_cpu_share=%.4f\n", peers,
            after > before ? (double) (after - before) / (double) peers : 0.0, idle_cpu);
    return 0;
}
