/* throughput TRANSPORT SIZE SECONDS msg|buffer [curve]
 * PUSH to PULL, one way: two processes over tcp and ipc, two threads over inproc. The receiver binds and measures from
 * its first message to the end; both sides count. CPU includes the library's own threads. With "curve" everything is
 * encrypted, with the keys of zmq_curve(7). */
#include "stream.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct sender {
    void *context;
    char endpoint[ENDPOINT_SIZE];
    struct stream stream;
    struct stream_result result;
    const struct peer *until_received; /* NULL: closing at once is safe */
    int curve;
};

static void set_key (void *socket, int option, const char *key)
{
    CHECK (zmq_setsockopt (socket, option, key, 40) == 0);
}

static void secure_client (void *socket)
{
    set_key (socket, ZMQ_CURVE_SERVERKEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    set_key (socket, ZMQ_CURVE_PUBLICKEY, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
    set_key (socket, ZMQ_CURVE_SECRETKEY, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs");
}

static void secure_server (void *socket)
{
    CHECK (zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &(int){1}, sizeof (int)) == 0);
    set_key (socket, ZMQ_CURVE_SECRETKEY, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6");
}

static void *run_sender (void *argument)
{
    struct sender *sender = argument;
    void *socket = new_socket (sender->context, ZMQ_PUSH);
    if (sender->curve)
        secure_client (socket);
    connect_socket (socket, sender->endpoint);
    sender->result = send_stream (socket, &sender->stream);
    /* libzmq drops what a peer has not read from an ipc connection when that is closed. */
    if (sender->until_received)
        hear (sender->until_received, &(char){0}, 1);
    close_socket (socket);
    return NULL;
}

static void sending_process (const struct peer *parent, struct sender *sender)
{
    report_library ("sender");
    hear (parent, sender->endpoint, ENDPOINT_SIZE);
    double cpu = cpu_s ();
    sender->context = new_context ();
    sender->until_received = parent;
    run_sender (sender);
    end_context (sender->context);
    sender->result.cpu_seconds = cpu_s () - cpu;
    tell (parent, &sender->result, sizeof sender->result);
}

int main (int count, char **arguments)
{
    int curve = count == 6 && strcmp (arguments[5], "curve") == 0;
    if (count != 5 && !curve)
        fail ("usage: %s TRANSPORT SIZE SECONDS msg|buffer [curve]", arguments[0]);
    const char *transport = arguments[1];
    struct sender sender = {.stream = parse_stream (arguments[2], arguments[3], arguments[4]), .curve = curve};
    struct peer child;
    pthread_t thread;
    /* No library call precedes the fork. */
    if (!is_inproc (transport) && fork_peer (&child) == 0) {
        sending_process (&child, &sender);
        return 0;
    }
    report_library ("receiver");
    sender.context = new_context ();
    void *socket = new_socket (sender.context, ZMQ_PULL);
    if (curve)
        secure_server (socket);
    bind_socket (socket, transport, "throughput", sender.endpoint);
    if (is_inproc (transport))
        CHECK (pthread_create (&thread, NULL, run_sender, &sender) == 0);
    else
        tell (&child, sender.endpoint, ENDPOINT_SIZE);
    struct stream_result received = receive_stream (socket, &sender.stream);
    if (is_inproc (transport)) {
        CHECK (pthread_join (thread, NULL) == 0);
    } else {
        tell (&child, "", 1);
        hear (&child, &sender.result, sizeof sender.result);
        join_peer (&child);
    }
    close_bound_socket (socket, sender.endpoint);
    end_context (sender.context);
    if (received.messages != sender.result.messages)
        fail ("%" PRIu64 " sent, %" PRIu64 " received", sender.result.messages, received.messages);
    double messages = (double) received.messages;
    printf ("result messages=%" PRIu64 " per_second=%.0f sender_cpu_ns=%.1f receiver_cpu_ns=%.1f\n", received.messages,
            messages / received.seconds, sender.result.cpu_seconds / messages * 1e9,
            received.cpu_seconds / messages * 1e9);
    return 0;
}
