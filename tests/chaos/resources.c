/* Rows 1, 2, 3 and 23: descriptors, privileges, addresses and sockets that there are not. */
#include "chaos.h"
#include <sched.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Row 1 ------------------------------------------------------------------------------------------------------------------ */

static rlim_t set_descriptor_limit (rlim_t soft)
{
    struct rlimit limit;
    CHECK (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = soft;
    CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
    return before;
}

enum { DESCRIPTORS = 96 };

/* Leaves so many descriptors; the result is the limit that was. */
static rlim_t leave_descriptors (long left)
{
    int taken[DESCRIPTORS], count = 0;
    rlim_t before = set_descriptor_limit (DESCRIPTORS);
    while ((taken[count] = open ("/dev/null", O_RDONLY | O_CLOEXEC)) != -1)
        count++;
    CHECK (errno == EMFILE && count >= left);
    while (left--)
        close (taken[--count]);
    return before;
}

/* With so many descriptors left whatever fails does so with an errno, and once there are more everything works. */
static int with_descriptors_left (long left)
{
    rlim_t before = leave_descriptors (left);
    endpoint_t endpoint = "";
    void *context = zmq_ctx_new ();
    void *in = context ? zmq_socket (context, ZMQ_PULL) : NULL, *out = context ? zmq_socket (context, ZMQ_PUSH) : NULL;
    if (in && zmq_bind (in, "tcp://127.0.0.1:*") == 0)
        last_endpoint (in, endpoint);
    if (out && *endpoint)
        zmq_connect (out, endpoint);
    set_descriptor_limit (before);
    if (in)
        close_socket (in);
    if (out) {
        set_int (out, ZMQ_LINGER, 0);
        close_socket (out);
    }
    if (context)
        end_context (context);
    return exchange ();
}

static int without_privilege (long policy)
{
    CHECK (setuid (65534) == 0 || geteuid () != 0);
    void *context = new_context ();
    if (zmq_ctx_set (context, ZMQ_THREAD_SCHED_POLICY, (int) policy) != 0)
        return 1;
    void *socket = zmq_socket (context, ZMQ_PULL);
    int refused = !socket && zmq_errno () == EPERM;
    if (socket)
        close_socket (socket);
    end_context (context);
    return refused || socket ? 0 : 2;
}

static int row_1 (void)
{
    endings_t all = {0};
    for (long left = 0; left <= 16; left++)
        count_ending (&all, apart (with_descriptors_left, left, 20));
    int met = show_endings ("0 to 16 descriptors left", &all), code = apart (without_privilege, SCHED_FIFO, 20);
    answer ("a scheduling policy without privilege: %s", ending (code));
    return met && code == 0;
}

/* Row 2 ------------------------------------------------------------------------------------------------------------------- */

/* Addresses that give each an errno of its own; the last is that of a socket that works. */
enum { REFUSED, FORBIDDEN, A_FILE, A_FOLDER, DATAGRAMS, NO_HOST, ADDRESSES };

static void bad_endpoint (long which, endpoint_t endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "datagrams"};
    int fd = -1;
    strcpy (endpoint, "ipc://missing/socket");
    if (which == FORBIDDEN) {
        CHECK (mkdir ("forbidden", 0700) == 0 && chmod (".", 0755) == 0);
        strcpy (endpoint, "ipc://forbidden/socket");
    } else if (which == A_FILE) {
        fd = open ("file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
        strcpy (endpoint, "ipc://file");
    } else if (which == A_FOLDER)
        strcpy (endpoint, "ipc://.");
    else if (which == DATAGRAMS) {
        fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
        strcpy (endpoint, "ipc://datagrams");
    } else if (which == NO_HOST)
        strcpy (endpoint, "tcp://255.255.255.255:9");
}

/* Connecting to it fails again and again, is told, and keeps nobody from working. */
static int beside_bad_address (long which)
{
    endpoint_t endpoint;
    bad_endpoint (which, endpoint);
    if (which == FORBIDDEN && geteuid () == 0)
        CHECK (setuid (65534) == 0);
    void *context = new_context (), *socket = new_socket (context, ZMQ_PUSH), *in = new_socket (context, ZMQ_PULL);
    set_int (socket, ZMQ_RECONNECT_IVL, 10);
    void *monitor = open_monitor (context, socket, ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED);
    if (zmq_connect (socket, endpoint) == 0)
        for (int i = 0; i < 3; i++) {
            if (!ready_within (monitor, ZMQ_POLLIN, LIMIT_MS))
                return 1;
            next_event (monitor, NULL, NULL);
        }
    bind_fresh (in, "tcp", endpoint);
    connect_to (socket, endpoint);
    for (int sent = 0; sent < 4 && !ready (in, ZMQ_POLLIN); sent++)
        if (zmq_send (socket, "x", 1, 0) != 1 || (sent == 3 && !ready_within (in, ZMQ_POLLIN, LIMIT_MS)))
            return 2;
    close_monitor (socket, monitor);
    close_socket (socket);
    close_socket (in);
    end_context (context);
    return 0;
}

static int row_2 (void)
{
    endings_t all = {0};
    for (long which = 0; which < ADDRESSES; which++)
        count_ending (&all, apart (beside_bad_address, which, 30));
    return show_endings ("sockets that also connect to an address with an errno of its own", &all);
}

/* Row 3 --------------------------------------------------------------------------------------------------------------------- */

static long cpu_us (void)
{
    struct rusage usage;
    CHECK (getrusage (RUSAGE_SELF, &usage) == 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static int row_3 (void)
{
    endpoint_t endpoint;
    /* What the kernel does for an io_uring has the limit of the time when it was asked to. */
    rlim_t before = set_descriptor_limit (DESCRIPTORS);
    void *context = new_context (), *in = new_socket (context, ZMQ_PULL);
    bind_fresh (in, "tcp", endpoint);
    void *monitor = open_monitor (context, in, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED);
    int peers[6], told = 0, accepted = 0, first = raw_connect (endpoint);
    /* What it takes to start has been given back when the first peer is served. */
    CHECK (raw_handshake (first, "PUSH"));
    for (int i = 0; i < COUNT (peers); i++)
        peers[i] = raw_socket ();
    leave_descriptors (0);
    struct sockaddr_in address = raw_address (endpoint);
    for (int i = 0; i < COUNT (peers); i++)
        CHECK (connect (peers[i], (struct sockaddr *) &address, sizeof address) == 0);
    while (!told && ready_within (monitor, ZMQ_POLLIN, LIMIT_MS))
        told = next_event (monitor, NULL, NULL) == ZMQ_EVENT_ACCEPT_FAILED;
    /* A monitor that is not read would hold libzmq up. */
    close_monitor (in, monitor);
    long used_us = cpu_us ();
    let_pass (200);
    used_us = cpu_us () - used_us;
    set_descriptor_limit (before);
    int64_t freed = now_ms ();
    for (int i = 0; i < COUNT (peers); i++)
        accepted += raw_readable (peers[i], LIMIT_MS);
    long resumed_ms = (long) (now_ms () - freed);
    answer ("at the limit %s, %.1f ms of CPU in 200 ms; %d of %d greeted %ld ms after it was lifted", told ? "ACCEPT_FAILED" : "no event",
            (double) used_us / 1000, accepted, COUNT (peers), resumed_ms);
    return told && used_us < 10000 && accepted == COUNT (peers) && resumed_ms < 2000;
}

/* Row 23 --------------------------------------------------------------------------------------------------------------------- */

static int open_all (void *context, void **sockets, int count)
{
    int opened = 0;
    while (opened < count && (sockets[opened] = zmq_socket (context, ZMQ_PULL)))
        opened++;
    return opened;
}

static int row_23 (void)
{
    static void *sockets[1100];
    struct rlimit limit;
    CHECK (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    set_descriptor_limit (limit.rlim_max);
    void *context = new_context ();
    int reported = zmq_ctx_get (context, ZMQ_MAX_SOCKETS), opened = open_all (context, sockets, COUNT (sockets));
    int error = zmq_errno ();
    for (int i = 0; i < opened; i++)
        close_socket (sockets[i]);
    end_context (context);
    context = new_context ();
    CHECK (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, COUNT (sockets)) == 0);
    int raised = open_all (context, sockets, COUNT (sockets));
    for (int i = 0; i < raised; i++)
        close_socket (sockets[i]);
    CHECK (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 100) == 0);
    char body[200] = {0};
    void *in = new_socket (context, ZMQ_PULL), *out = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (in, "tcp", endpoint);
    connect_to (out, endpoint);
    int sent = zmq_send (out, body, sizeof body, 0);
    const char *limited = sent == -1 ? error_name (zmq_errno ()) : ready_within (in, ZMQ_POLLIN, 300) ? "it arrives" : "it does not arrive";
    answer ("socket %d of %d gives %s, %d of %d with a higher limit; a message of 200 bytes with MAX_MSGSZ 100: %s", opened + 1, reported,
            error_name (error), raised, COUNT (sockets), limited);
    close_socket (in);
    close_socket (out);
    end_context (context);
    return reported == 1023 && opened == reported && error == EMFILE && raised == COUNT (sockets) && strcmp (limited, "it arrives") != 0;
}

int main (int count, char **values)
{
    static const row_t rows[] = {{1, row_1}, {2, row_2}, {3, row_3}, {23, row_23}};
    return play_row (rows, COUNT (rows), count, values);
}
