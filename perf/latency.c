/* latency TRANSPORT SIZE SECONDS GAP_MS
 * REQ to REP and back, half of each round trip: two processes over tcp and ipc, two threads over inproc. With a gap the
 * client sleeps so long before each request. Both sides check size and number of every message. */
#include "common.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES_MAX 4000000

struct server {
    void *context;
    const char *transport;
    char endpoint[ENDPOINT_SIZE];
    uint64_t served;
    void *socket;
    size_t size;
};

static void bind_server (struct server *server)
{
    server->socket = new_socket (server->context, ZMQ_REP);
    bind_socket (server->socket, server->transport, "latency", server->endpoint);
}

/* Echoes until an empty request. */
static void *serve (void *argument)
{
    struct server *server = argument;
    zmq_msg_t message;
    CHECK (zmq_msg_init (&message) == 0);
    for (;;) {
        uint64_t number;
        int size = zmq_msg_recv (&message, server->socket, 0);
        CHECK (size >= 0);
        if (size == 0)
            break;
        CHECK ((size_t) size == server->size);
        memcpy (&number, zmq_msg_data (&message), sizeof number);
        CHECK (number == server->served);
        server->served++;
        CHECK (zmq_msg_send (&message, server->socket, 0) == size);
    }
    CHECK (zmq_msg_close (&message) == 0);
    close_bound_socket (server->socket, server->endpoint);
    return NULL;
}

static void serving_process (const struct peer *parent, struct server *server)
{
    report_library ("server");
    server->context = new_context ();
    bind_server (server);
    tell (parent, server->endpoint, ENDPOINT_SIZE);
    serve (server);
    end_context (server->context);
    tell (parent, &server->served, sizeof server->served);
}

static void round_trip (void *socket, unsigned char *body, size_t size, uint64_t number)
{
    uint64_t answered;
    memcpy (body, &number, sizeof number);
    CHECK (zmq_send (socket, body, size, 0) == (int) size);
    memset (body, 0, sizeof number);
    CHECK (zmq_recv (socket, body, size, 0) == (int) size);
    memcpy (&answered, body, sizeof answered);
    CHECK (answered == number);
}

static int by_value (const void *left, const void *right)
{
    float a = *(const float *) left, b = *(const float *) right;
    return (a > b) - (a < b);
}

static uint64_t measure (void *socket, size_t size, double seconds, long gap_ms)
{
    const struct timespec gap = {gap_ms / 1000, gap_ms % 1000 * 1000000};
    const uint64_t warm_up = gap_ms ? 10 : 500;
    unsigned char *body = calloc (1, size);
    float *samples = malloc (SAMPLES_MAX * sizeof *samples);
    size_t count = 0;
    uint64_t number = 0;
    double sum = 0;
    CHECK (body && samples);
    while (number < warm_up)
        round_trip (socket, body, size, number++);
    double cpu = cpu_s (), begin = now_s ();
    while (count < SAMPLES_MAX && now_s () < begin + seconds) {
        if (gap_ms)
            nanosleep (&gap, NULL);
        double start = now_s ();
        round_trip (socket, body, size, number++);
        double one_way_us = (now_s () - start) * 1e6 / 2;
        samples[count++] = (float) one_way_us;
        sum += one_way_us;
    }
    cpu = cpu_s () - cpu;
    qsort (samples, count, sizeof *samples, by_value);
    printf ("result round_trips=%zu mean_us=%.3f p50_us=%.3f p99_us=%.3f client_cpu_us=%.3f\n", count,
            sum / (double) count, samples[count / 2], samples[count * 99 / 100], cpu / (double) count * 1e6);
    CHECK (zmq_send (socket, "", 0, 0) == 0);
    free (samples);
    free (body);
    return number;
}

int main (int count, char **arguments)
{
    if (count != 5)
        fail ("usage: %s TRANSPORT SIZE SECONDS GAP_MS", arguments[0]);
    struct server server = {.transport = arguments[1], .size = strtoul (arguments[2], NULL, 10)};
    struct peer child;
    pthread_t thread;
    CHECK (server.size >= sizeof (uint64_t));
    if (!is_inproc (server.transport) && fork_peer (&child) == 0) {
        serving_process (&child, &server);
        return 0;
    }
    report_library ("client");
    server.context = new_context ();
    if (is_inproc (server.transport)) {
        bind_server (&server);
        CHECK (pthread_create (&thread, NULL, serve, &server) == 0);
    } else {
        hear (&child, server.endpoint, ENDPOINT_SIZE);
    }
    void *socket = new_socket (server.context, ZMQ_REQ);
    connect_socket (socket, server.endpoint);
    uint64_t asked = measure (socket, server.size, strtod (arguments[3], NULL), strtol (arguments[4], NULL, 10));
    close_socket (socket);
    if (is_inproc (server.transport))
        CHECK (pthread_join (thread, NULL) == 0);
    end_context (server.context);
    if (!is_inproc (server.transport)) {
        hear (&child, &server.served, sizeof server.served);
        join_peer (&child);
    }
    if (server.served != asked)
        fail ("%" PRIu64 " asked, %" PRIu64 " served", asked, server.served);
    return 0;
}
