/* proxy TRANSPORT SIZE SECONDS
 * PUSH to PULL with zmq_proxy (PULL to PUSH) in the middle: three processes over tcp and ipc, three threads over inproc.
 * The receiver measures from its first message to the end; both ends count. */
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct middle {
    void *context;
    const char *transport;
    void *front;
    void *back;
    char endpoints[2][ENDPOINT_SIZE];
};

static void bind_middle (struct middle *middle)
{
    middle->front = new_socket (middle->context, ZMQ_PULL);
    middle->back = new_socket (middle->context, ZMQ_PUSH);
    bind_socket (middle->front, middle->transport, "front", middle->endpoints[0]);
    bind_socket (middle->back, middle->transport, "back", middle->endpoints[1]);
}

/* Runs until the context is shut down. */
static void *run_middle (void *argument)
{
    struct middle *middle = argument;
    CHECK (zmq_proxy (middle->front, middle->back, NULL) == -1 && zmq_errno () == ETERM);
    close_bound_socket (middle->front, middle->endpoints[0]);
    close_bound_socket (middle->back, middle->endpoints[1]);
    return NULL;
}

static void proxying_process (const struct peer *parent, struct middle *middle)
{
    pthread_t thread;
    char done;
    report_library ("proxy");
    middle->context = new_context ();
    bind_middle (middle);
    tell (parent, middle->endpoints, sizeof middle->endpoints);
    CHECK (pthread_create (&thread, NULL, run_middle, middle) == 0);
    hear (parent, &done, 1);
    CHECK (zmq_ctx_shutdown (middle->context) == 0);
    CHECK (pthread_join (thread, NULL) == 0);
    end_context (middle->context);
}

struct sender {
    void *context;
    const char *endpoint;
    const struct stream *stream;
    struct stream_result result;
    const struct peer *until_received; /* NULL: closing at once is safe */
};

static void *run_sender (void *argument)
{
    struct sender *sender = argument;
    void *socket = new_socket (sender->context, ZMQ_PUSH);
    connect_socket (socket, sender->endpoint);
    sender->result = send_stream (socket, sender->stream);
    /* libzmq drops what a peer has not read from an ipc connection when that is closed. */
    if (sender->until_received)
        hear (sender->until_received, &(char){0}, 1);
    close_socket (socket);
    return NULL;
}

static void sending_process (const struct peer *parent, struct sender *sender)
{
    char endpoint[ENDPOINT_SIZE];
    report_library ("sender");
    hear (parent, endpoint, ENDPOINT_SIZE);
    sender->endpoint = endpoint;
    sender->context = new_context ();
    sender->until_received = parent;
    run_sender (sender);
    end_context (sender->context);
    tell (parent, &sender->result, sizeof sender->result);
}

int main (int count, char **arguments)
{
    if (count != 4)
        fail ("usage: %s TRANSPORT SIZE SECONDS", arguments[0]);
    struct stream stream = parse_stream (arguments[2], arguments[3], "msg");
    struct middle middle = {.transport = arguments[1]};
    struct sender sender = {.stream = &stream};
    struct peer proxy_process, sender_process;
    pthread_t proxy_thread, sender_thread;
    int inproc = is_inproc (middle.transport);
    if (!inproc) {
        if (fork_peer (&proxy_process) == 0) {
            proxying_process (&proxy_process, &middle);
            return 0;
        }
        if (fork_peer (&sender_process) == 0) {
            sending_process (&sender_process, &sender);
            return 0;
        }
    }
    report_library ("receiver");
    void *context = new_context ();
    middle.context = sender.context = context;
    if (inproc) {
        bind_middle (&middle);
        sender.endpoint = middle.endpoints[0];
        CHECK (pthread_create (&proxy_thread, NULL, run_middle, &middle) == 0);
        CHECK (pthread_create (&sender_thread, NULL, run_sender, &sender) == 0);
    } else {
        hear (&proxy_process, middle.endpoints, sizeof middle.endpoints);
        tell (&sender_process, middle.endpoints[0], ENDPOINT_SIZE);
    }
    void *socket = new_socket (context, ZMQ_PULL);
    connect_socket (socket, middle.endpoints[1]);
    struct stream_result received = receive_stream (socket, &stream);
    if (inproc) {
        CHECK (pthread_join (sender_thread, NULL) == 0);
        CHECK (zmq_ctx_shutdown (context) == 0);
        CHECK (pthread_join (proxy_thread, NULL) == 0);
    } else {
        tell (&sender_process, "", 1);
        hear (&sender_process, &sender.result, sizeof sender.result);
        tell (&proxy_process, "", 1);
        join_peer (&sender_process);
        join_peer (&proxy_process);
    }
    close_socket (socket);
    end_context (context);
    if (received.messages != sender.result.messages)
        fail ("%" PRIu64 " sent, %" PRIu64 " received", sender.result.messages, received.messages);
    printf ("result messages=%" PRIu64 " per_second=%.0f\n", received.messages,
            (double) received.messages / received.seconds);
    return 0;
}
