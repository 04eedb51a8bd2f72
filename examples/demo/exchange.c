/* A plain ZeroMQ program. `exchange server` binds a REP and a PULL socket; `exchange client REP-ENDPOINT PULL-ENDPOINT` asks
 * questions, sends a stream of numbered messages and asks how many arrived. Each says which file its ZeroMQ is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { QUESTIONS = 3, STREAM = 100000, PATIENCE_MS = 20000 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf ("failed: %s: %s\n", #condition, zmq_strerror (zmq_errno ()));                                      \
            exit (1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void *context;

static void *open_socket (int type)
{
    int patience = PATIENCE_MS;
    void *socket = zmq_socket (context, type);
    CHECK (socket != NULL);
    CHECK (zmq_setsockopt (socket, ZMQ_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK (zmq_setsockopt (socket, ZMQ_SNDTIMEO, &patience, sizeof patience) == 0);
    return socket;
}

static void bind_anywhere (void *socket)
{
    char endpoint[128];
    size_t size = sizeof endpoint;
    CHECK (zmq_bind (socket, "tcp://127.0.0.1:*") == 0);
    CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    printf ("bound %s\n", endpoint);
}

/* Receives one text of less than 64 bytes. */
static void receive (void *socket, char text[64])
{
    int size = zmq_recv (socket, text, 63, 0);
    CHECK (size >= 0 && size < 64);
    text[size] = 0;
}

static void say_who_serves (void)
{
    Dl_info provider;
    char path[PATH_MAX];
    int major, minor, patch;
    CHECK (dladdr ((void *) (uintptr_t) zmq_send, &provider) != 0 && realpath (provider.dli_fname, path) != NULL);
    zmq_version (&major, &minor, &patch);
    printf ("maps %s\n", path);
    printf ("process %d, zmq_version %d.%d.%d\n", (int) getpid (), major, minor, patch);
}

static void serve (void)
{
    void *answers = open_socket (ZMQ_REP), *stream = open_socket (ZMQ_PULL);
    char text[64], answer[80];
    uint32_t number = 0;
    bind_anywhere (answers);
    bind_anywhere (stream);
    fflush (stdout);
    for (int turn = 0; turn < QUESTIONS; turn++) {
        receive (answers, text);
        printf ("received \"%s\"\n", text);
        snprintf (answer, sizeof answer, "%s: yes", text);
        CHECK (zmq_send (answers, answer, strlen (answer), 0) == (int) strlen (answer));
    }
    for (uint32_t expected = 0; expected < STREAM; expected++)
        CHECK (zmq_recv (stream, &number, sizeof number, 0) == sizeof number && number == expected);
    printf ("received a stream of %d messages in order\n", STREAM);
    receive (answers, text);
    snprintf (answer, sizeof answer, "%u messages", number + 1);
    CHECK (zmq_send (answers, answer, strlen (answer), 0) == (int) strlen (answer));
    CHECK (zmq_close (answers) == 0 && zmq_close (stream) == 0);
}

static void ask (const char *questions_endpoint, const char *stream_endpoint)
{
    void *questions = open_socket (ZMQ_REQ), *stream = open_socket (ZMQ_PUSH);
    char text[64];
    CHECK (zmq_connect (questions, questions_endpoint) == 0 && zmq_connect (stream, stream_endpoint) == 0);
    for (int turn = 1; turn <= QUESTIONS; turn++) {
        int size = snprintf (text, sizeof text, "question %d", turn);
        CHECK (zmq_send (questions, text, size, 0) == size);
        receive (questions, text);
        printf ("received \"%s\"\n", text);
    }
    for (uint32_t number = 0; number < STREAM; number++)
        CHECK (zmq_send (stream, &number, sizeof number, 0) == sizeof number);
    CHECK (zmq_send (questions, "how many?", 9, 0) == 9);
    receive (questions, text);
    printf ("sent a stream of %d messages; the server says \"%s\"\n", STREAM, text);
    CHECK (zmq_close (questions) == 0 && zmq_close (stream) == 0);
}

int main (int argc, char **argv)
{
    context = zmq_ctx_new ();
    CHECK (context != NULL);
    say_who_serves ();
    if (argc == 2 && strcmp (argv[1], "server") == 0)
        serve ();
    else if (argc == 4 && strcmp (argv[1], "client") == 0)
        ask (argv[2], argv[3]);
    else
        return 2;
    CHECK (zmq_ctx_term (context) == 0);
    return 0;
}
