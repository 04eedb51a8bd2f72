/* One back-off for whatever ends a connection: a peer that accepts and hangs up, or fails the handshake, is not connected to more often
 * than one that is not there (zmq_setsockopt(3), ZMQ_RECONNECT_IVL, ZMQ_RECONNECT_IVL_MAX). A completed handshake begins it anew. */
#include "stress.h"
#include "../../tests-c/raw.h"

enum
{
    FIRST_MS = 10,
    MOST_MS = 400,
    WINDOW_MS = 1500,
    /* Waits of 3/4 of 10, 20, 40, 80, 160, 320, 400, 400 ... fill the window with fewer. */
    CONNECTS_MAX = 12
};

static const char greeting[64] = {'\xff', 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
static const char ready_command[] = "\4\x1c\5READY\x0bSocket-Type\0\0\0\6ROUTER";

static void *client_of (void *context, const char *endpoint, void **monitor)
{
    void *client = new_socket (context, ZMQ_DEALER);
    set_int (client, ZMQ_RECONNECT_IVL, FIRST_MS);
    set_int (client, ZMQ_RECONNECT_IVL_MAX, MOST_MS);
    *monitor = open_monitor (context, client, ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    connect_to (client, endpoint);
    return client;
}

/* The peer says this much and hangs up, for a while. */
static void fail_for_a_while (void *context, const char *what, const void *said, size_t size)
{
    endpoint_t endpoint;
    void *monitor;
    stage = what;
    int listener = raw_listen (endpoint), connects = 0;
    void *client = client_of (context, endpoint, &monitor);
    int64_t end_ms = now_ms () + WINDOW_MS, left_ms;
    while ((left_ms = end_ms - now_ms ()) > 0)
        if (raw_readable (listener, (int) left_ms)) {
            int fd = raw_accept (listener);
            raw_write (fd, said, size);
            close (fd);
            connects++;
        }
    printf ("%s: %d connects in %d ms\n", what, connects, WINDOW_MS);
    CHECK (connects >= 2 && connects <= CONNECTS_MAX);
    close_monitor (client, monitor);
    close_socket (client);
    close (listener);
    atomic_fetch_add (&progress, 1);
}

/* The interval doubles up to its maximum over failures, and is the first again after a handshake. */
static void begin_anew (void *context)
{
    endpoint_t endpoint;
    void *monitor;
    uint32_t value;
    stage = "a completed handshake";
    int listener = raw_listen (endpoint);
    void *client = client_of (context, endpoint, &monitor);
    for (int round = 0; round < 2; round++) {
        uint32_t expected = FIRST_MS;
        for (int i = 0; i < 4; i++, expected *= 2) {
            close (raw_accept (listener));
            CHECK (next_event (monitor, &value, NULL) == ZMQ_EVENT_CONNECT_RETRIED);
            CHECK (value == expected);
        }
        int fd = raw_accept (listener);
        raw_write (fd, greeting, sizeof greeting);
        raw_write (fd, ready_command, sizeof ready_command - 1);
        CHECK (next_event (monitor, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        close (fd);
        CHECK (next_event (monitor, &value, NULL) == ZMQ_EVENT_CONNECT_RETRIED);
        CHECK (value == FIRST_MS);
        /* That was the first of the next round. */
        close (raw_accept (listener));
        CHECK (next_event (monitor, &value, NULL) == ZMQ_EVENT_CONNECT_RETRIED);
        CHECK (value == 2 * FIRST_MS);
        fd = raw_accept (listener);
        raw_write (fd, greeting, sizeof greeting);
        raw_write (fd, ready_command, sizeof ready_command - 1);
        CHECK (next_event (monitor, NULL, NULL) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        CHECK (zmq_disconnect (client, endpoint) == 0);
        close (fd);
        connect_to (client, endpoint);
    }
    close_monitor (client, monitor);
    close_socket (client);
    close (listener);
}

int main (void)
{
    start_watchdog ();
    void *context = new_context ();
    fail_for_a_while (context, "hangs up", "", 0);
    fail_for_a_while (context, "is no peer", "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    fail_for_a_while (context, "hangs up after its greeting", greeting, sizeof greeting);
    begin_anew (context);
    end_context (context);
    return 0;
}
