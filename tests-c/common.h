/* Shared by the programs of tests-c: checked helpers and deterministic printing.
 *
 * A program prints what the library did, line by line, and is run on two libraries whose output must be equal. So nothing
 * that is printed may depend on timing, ports, paths or addresses: programs wait for events (polls, monitor events, echo
 * round trips), never for time to pass. */
#ifndef MONOCOQUE_TESTS_COMMON_H
#define MONOCOQUE_TESTS_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define UNUSED __attribute__ ((unused))
#define COUNT(array) ((int) (sizeof (array) / sizeof *(array)))

/* Ends the program, with the reason on stdout, so that the comparison shows it. */
static UNUSED void fail (const char *what)
{
    printf ("FAILED: %s (errno %d, %s)\n", what, zmq_errno (), zmq_strerror (zmq_errno ()));
    fflush (stdout);
    _exit (3);
}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail (#condition);                                                                                         \
    } while (0)

static UNUSED const char *error_name (int number)
{
    static const struct
    {
        int number;
        const char *name;
    } names[] = {{0, "0"},
                 {EAGAIN, "EAGAIN"},
                 {EPERM, "EPERM"},
                 {ENOSPC, "ENOSPC"},
                 {EINTR, "EINTR"},
                 {EINVAL, "EINVAL"},
                 {EFAULT, "EFAULT"},
                 {ENOMEM, "ENOMEM"},
                 {ENOENT, "ENOENT"},
                 {ENODEV, "ENODEV"},
                 {EMFILE, "EMFILE"},
                 {EBADF, "EBADF"},
                 {EACCES, "EACCES"},
                 {ENAMETOOLONG, "ENAMETOOLONG"},
                 {ENOTSUP, "ENOTSUP"},
                 {EPROTO, "EPROTO"},
                 {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
                 {ENOBUFS, "ENOBUFS"},
                 {EADDRINUSE, "EADDRINUSE"},
                 {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
                 {ECONNREFUSED, "ECONNREFUSED"},
                 {EINPROGRESS, "EINPROGRESS"},
                 {ENOTSOCK, "ENOTSOCK"},
                 {EMSGSIZE, "EMSGSIZE"},
                 {EHOSTUNREACH, "EHOSTUNREACH"},
                 {ETIMEDOUT, "ETIMEDOUT"},
                 {EPIPE, "EPIPE"},
                 {ECONNRESET, "ECONNRESET"},
                 {EISDIR, "EISDIR"},
                 {ENOTDIR, "ENOTDIR"},
                 {EFSM, "EFSM"},
                 {ENOCOMPATPROTO, "ENOCOMPATPROTO"},
                 {ETERM, "ETERM"},
                 {EMTHREAD, "EMTHREAD"}};
    static _Thread_local char other[32];
    for (int i = 0; i < COUNT (names); i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf (other, sizeof other, "errno %d", number);
    return other;
}

/* SHOW (call): makes the call, prints its source text, its result and, after a failure, the error's name. */
static UNUSED long show_result (const char *text, long result)
{
    int error = zmq_errno ();
    if (result == -1)
        printf ("  %s -> -1 %s\n", text, error_name (error));
    else
        printf ("  %s -> %ld\n", text, result);
    errno = error;
    return result;
}
#define SHOW(call) show_result (#call, (long) (call))

/* SHOW_VALUE (expression): for what may be -1 without being a failure. */
#define SHOW_VALUE(expression) printf ("  %s = %ld\n", #expression, (long) (expression))

/* Prints whether the call gave a pointer, and the error's name where it did not. */
static UNUSED void *show_pointer (const char *text, void *result)
{
    int error = zmq_errno ();
    printf ("  %s -> %s\n", text, result ? "object" : error_name (error));
    return result;
}
#define SHOW_POINTER(call) show_pointer (#call, (call))

/* The headline of a part of a program. */
static UNUSED void part (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    printf ("# ");
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
    fflush (stdout);
}

/* Options ------------------------------------------------------------------------------------------------------ */

static UNUSED void set_int (void *socket, int option, int value)
{
    CHECK (zmq_setsockopt (socket, option, &value, sizeof value) == 0);
}

static UNUSED int int_option (void *socket, int option)
{
    int value = -12345;
    size_t size = sizeof value;
    CHECK (zmq_getsockopt (socket, option, &value, &size) == 0);
    return value;
}

static UNUSED void set_text (void *socket, int option, const char *value)
{
    CHECK (zmq_setsockopt (socket, option, value, strlen (value)) == 0);
}

static UNUSED void subscribe (void *socket, const char *prefix)
{
    set_text (socket, ZMQ_SUBSCRIBE, prefix);
}

static UNUSED const char *type_name (int type)
{
    static const char *names[] = {"PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"};
    return type >= 0 && type < COUNT (names) ? names[type] : "?";
}

/* Contexts, sockets, endpoints ---------------------------------------------------------------------------------- */

static UNUSED void *new_context (void)
{
    void *context = zmq_ctx_new ();
    CHECK (context);
    return context;
}

/* A socket that never keeps its context from terminating. */
static UNUSED void *new_socket (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    CHECK (socket);
    set_int (socket, ZMQ_LINGER, 0);
    return socket;
}

static UNUSED void close_socket (void *socket)
{
    CHECK (zmq_close (socket) == 0);
}

static UNUSED void end_context (void *context)
{
    while (zmq_ctx_term (context) != 0)
        CHECK (zmq_errno () == EINTR);
}

#define ENDPOINT_SIZE 256
typedef char endpoint_t[ENDPOINT_SIZE];
static UNUSED const char *const transports[] = {"inproc", "ipc", "tcp"};

static UNUSED void last_endpoint (void *socket, endpoint_t endpoint)
{
    size_t size = ENDPOINT_SIZE;
    CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
}

/* A name of the transport that no other call returned; a port of its own for tcp is found by binding to "*". */
static UNUSED void fresh_endpoint (const char *transport, endpoint_t endpoint)
{
    static atomic_int counter;
    int number = atomic_fetch_add (&counter, 1);
    if (strcmp (transport, "tcp") == 0)
        snprintf (endpoint, ENDPOINT_SIZE, "tcp://127.0.0.1:*");
    else if (strcmp (transport, "ipc") == 0)
        snprintf (endpoint, ENDPOINT_SIZE, "ipc://s%d.sock", number);
    else
        snprintf (endpoint, ENDPOINT_SIZE, "inproc://s%d", number);
}

/* Binds to a fresh address of the transport and leaves the address for peers in `endpoint`. */
static UNUSED void bind_fresh (void *socket, const char *transport, endpoint_t endpoint)
{
    fresh_endpoint (transport, endpoint);
    CHECK (zmq_bind (socket, endpoint) == 0);
    last_endpoint (socket, endpoint);
}

static UNUSED void connect_to (void *socket, const char *endpoint)
{
    CHECK (zmq_connect (socket, endpoint) == 0);
}

/* Waiting --------------------------------------------------------------------------------------------------------- */

/* Waits until the socket has the events; the harness's watchdog ends a wait that never ends. */
static UNUSED void wait_for (void *socket, short events)
{
    zmq_pollitem_t item = {socket, 0, events, 0};
    int count;
    do
        count = zmq_poll (&item, 1, -1);
    while (count == -1 && zmq_errno () == EINTR);
    CHECK (count == 1);
}

/* Waits for the events while the other socket is used as well: the reference library does part of a socket's work only in
 * the calls of its application. */
static UNUSED void wait_driving (void *socket, short events, void *other)
{
    zmq_pollitem_t item = {socket, 0, events, 0};
    int value, count;
    size_t size = sizeof value;
    while ((count = zmq_poll (&item, 1, 1)) == 0)
        CHECK (zmq_getsockopt (other, ZMQ_EVENTS, &value, &size) == 0);
    CHECK (count == 1);
}

/* 1 if the socket has one of the events now. */
static UNUSED int ready (void *socket, short events)
{
    zmq_pollitem_t item = {socket, 0, events, 0};
    CHECK (zmq_poll (&item, 1, 0) >= 0);
    return item.revents != 0;
}

static UNUSED int64_t now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Messages ---------------------------------------------------------------------------------------------------------- */

/* Sends the text; '|' separates the parts. The result is that of the first part that failed, or the last. */
static UNUSED int send_text (void *socket, const char *text, int flags)
{
    for (;;) {
        const char *end = strchr (text, '|');
        size_t size = end ? (size_t) (end - text) : strlen (text);
        int sent = zmq_send (socket, text, size, flags | (end ? ZMQ_SNDMORE : 0));
        if (sent == -1 || !end)
            return sent;
        text = end + 1;
    }
}

static UNUSED void put (void *socket, const char *text)
{
    if (send_text (socket, text, 0) == -1)
        fail (text);
}

static UNUSED void print_bytes (const unsigned char *data, size_t size)
{
    if (size > 64) {
        unsigned long sum = 0;
        for (size_t i = 0; i < size; i++)
            sum = sum * 31 + data[i];
        printf ("<%zu bytes, sum %lu>", size, sum);
        return;
    }
    for (size_t i = 0; i < size; i++)
        if (data[i] > 32 && data[i] < 127 && data[i] != '\\' && data[i] != '|')
            putchar (data[i]);
        else
            printf ("\\x%02x", data[i]);
}

/* Receives a message and prints its parts as [a|b], or the error's name. Returns the number of parts, or -1. */
static UNUSED int show_message (const char *label, void *socket, int flags)
{
    int parts = 0;
    zmq_msg_t message;
    printf ("  %s ", label);
    do {
        CHECK (zmq_msg_init (&message) == 0);
        if (zmq_msg_recv (&message, socket, flags) == -1) {
            printf ("%s\n", error_name (zmq_errno ()));
            CHECK (zmq_msg_close (&message) == 0);
            return -1;
        }
        printf ("%s", parts++ ? "|" : "[");
        print_bytes (zmq_msg_data (&message), zmq_msg_size (&message));
        flags = zmq_msg_more (&message);
        CHECK (zmq_msg_close (&message) == 0);
    } while (flags);
    printf ("]\n");
    fflush (stdout);
    return parts;
}

/* Receives a one-part message and keeps its text. */
static UNUSED int take (void *socket, char *text, size_t room)
{
    int size = zmq_recv (socket, text, room - 1, 0);
    CHECK (size >= 0 && (size_t) size < room);
    text[size] = 0;
    return size;
}

/* Monitors ------------------------------------------------------------------------------------------------------------ */

static UNUSED const char *event_name (int event)
{
    static const char *names[] = {"CONNECTED", "CONNECT_DELAYED", "CONNECT_RETRIED", "LISTENING", "BIND_FAILED", "ACCEPTED",
                                  "ACCEPT_FAILED", "CLOSED", "CLOSE_FAILED", "DISCONNECTED", "MONITOR_STOPPED",
                                  "HANDSHAKE_FAILED_NO_DETAIL", "HANDSHAKE_SUCCEEDED", "HANDSHAKE_FAILED_PROTOCOL",
                                  "HANDSHAKE_FAILED_AUTH"};
    for (int i = 0; i < COUNT (names); i++)
        if (event == 1 << i)
            return names[i];
    return "?";
}

/* Starts to watch the socket's events; the result is the socket to read them from. */
static UNUSED void *open_monitor (void *context, void *socket, int events)
{
    endpoint_t endpoint;
    fresh_endpoint ("inproc", endpoint);
    CHECK (zmq_socket_monitor (socket, endpoint, events) == 0);
    void *monitor = new_socket (context, ZMQ_PAIR);
    connect_to (monitor, endpoint);
    return monitor;
}

/* Stops to watch the socket, then closes the monitor: in the other order the reference library may wait for ever for somebody to
 * take its next event. */
static UNUSED void close_monitor (void *socket, void *monitor)
{
    CHECK (zmq_socket_monitor (socket, NULL, 0) == 0);
    close_socket (monitor);
}

/* Reads one event; `value` and `address` (ENDPOINT_SIZE) may be NULL. */
static UNUSED int next_event (void *monitor, uint32_t *value, char *address)
{
    unsigned char frame[6];
    endpoint_t text;
    CHECK (zmq_recv (monitor, frame, sizeof frame, 0) == 6);
    CHECK (int_option (monitor, ZMQ_RCVMORE) == 1);
    int size = zmq_recv (monitor, text, sizeof text - 1, 0);
    CHECK (size >= 0 && size < ENDPOINT_SIZE);
    CHECK (int_option (monitor, ZMQ_RCVMORE) == 0);
    text[size] = 0;
    if (address)
        strcpy (address, text);
    uint16_t event;
    uint32_t number;
    memcpy (&event, frame, sizeof event);
    memcpy (&number, frame + 2, sizeof number);
    if (value)
        *value = number;
    return event;
}

static UNUSED void wait_for_event (void *monitor, int event)
{
    while (next_event (monitor, NULL, NULL) != event)
        ;
}

/* Unbinds, and returns when the listener is closed (inproc needs no wait). The reference library closes it only after its
 * connections have ended, for which the socket has to be used. */
static UNUSED void unbind_and_wait (void *context, void *socket, const char *endpoint)
{
    int network = strncmp (endpoint, "inproc", 6) != 0;
    void *monitor = network ? open_monitor (context, socket, ZMQ_EVENT_CLOSED) : NULL;
    CHECK (zmq_unbind (socket, endpoint) == 0);
    if (!network)
        return;
    wait_driving (monitor, ZMQ_POLLIN, socket);
    close_monitor (socket, monitor);
}

/* An address of the transport that can be bound but is not bound now. */
static UNUSED void unbound_endpoint (void *context, const char *transport, endpoint_t endpoint)
{
    void *socket = new_socket (context, ZMQ_DEALER);
    bind_fresh (socket, transport, endpoint);
    unbind_and_wait (context, socket, endpoint);
    close_socket (socket);
}

/* Connects, and returns when both sides have shaken hands and can work (inproc is connected at once). */
static UNUSED void connect_and_wait (void *context, void *server, void *client, const char *endpoint)
{
    if (strncmp (endpoint, "inproc", 6) == 0) {
        connect_to (client, endpoint);
        return;
    }
    void *server_monitor = open_monitor (context, server, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    void *client_monitor = open_monitor (context, client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    connect_to (client, endpoint);
    wait_for_event (server_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    wait_for_event (client_monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    close_monitor (server, server_monitor);
    close_monitor (client, client_monitor);
}

/* Threads ------------------------------------------------------------------------------------------------------------- */

static UNUSED pthread_t start (void *(*body) (void *), void *argument)
{
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, body, argument) == 0);
    return thread;
}

static UNUSED void join (pthread_t thread)
{
    CHECK (pthread_join (thread, NULL) == 0);
}

#endif
