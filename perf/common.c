#include "common.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void fail (const char *format, ...)
{
    int error = zmq_errno ();
    va_list arguments;
    va_start (arguments, format);
    fprintf (stderr, "failed: ");
    vfprintf (stderr, format, arguments);
    fprintf (stderr, " (last error: %s)\n", zmq_strerror (error));
    va_end (arguments);
    exit (1);
}

double now_s (void)
{
    struct timespec time;
    clock_gettime (CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

double cpu_s (void)
{
    struct rusage usage;
    CHECK (getrusage (RUSAGE_SELF, &usage) == 0);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

size_t resident_bytes (void)
{
    unsigned long total_pages, resident_pages;
    FILE *file = fopen ("/proc/self/statm", "r");
    CHECK (file);
    CHECK (fscanf (file, "%lu %lu", &total_pages, &resident_pages) == 2);
    fclose (file);
    return resident_pages * (size_t) sysconf (_SC_PAGESIZE);
}

void report_library (const char *process)
{
    Dl_info info;
    char path[PATH_MAX];
    /* POSIX has a function pointer fit into an object pointer; ISO C does not. */
    union {
        int (*function) (void *, const void *, size_t, int);
        void *address;
    } provider = {zmq_send};
    CHECK (dladdr (provider.address, &info) != 0);
    CHECK (realpath (info.dli_fname, path));
    printf ("mapped process=%s library=%s\n", process, path);
    fflush (stdout);
}

void raise_descriptor_limit (void)
{
    struct rlimit limit;
    CHECK (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
}

int fork_peer (struct peer *peer)
{
    int down[2], up[2];
    pid_t parent = getpid ();
    CHECK (pipe (down) == 0 && pipe (up) == 0);
    peer->pid = fork ();
    CHECK (peer->pid >= 0);
    int child = peer->pid == 0;
    if (child) {
        CHECK (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0);
        if (getppid () != parent)
            exit (1);
    }
    peer->from_fd = child ? down[0] : up[0];
    peer->to_fd = child ? up[1] : down[1];
    close (child ? down[1] : down[0]);
    close (child ? up[0] : up[1]);
    return !child;
}

void tell (const struct peer *peer, const void *data, size_t size)
{
    CHECK (write (peer->to_fd, data, size) == (ssize_t) size);
}

void hear (const struct peer *peer, void *data, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = read (peer->from_fd, (char *) data + have, size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            fail ("the other process ended early");
        have += (size_t) got;
    }
}

void join_peer (const struct peer *peer)
{
    int status;
    CHECK (waitpid (peer->pid, &status, 0) == peer->pid);
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        fail ("the other process failed");
}

int is_inproc (const char *transport)
{
    return strcmp (transport, "inproc") == 0;
}

static void endpoint_to_bind (char endpoint[ENDPOINT_SIZE], const char *transport, const char *name)
{
    if (is_inproc (transport))
        snprintf (endpoint, ENDPOINT_SIZE, "inproc://%s", name);
    else if (strcmp (transport, "ipc") == 0)
        snprintf (endpoint, ENDPOINT_SIZE, "ipc://perf-%s-%ld", name, (long) getpid ());
    else if (strcmp (transport, "tcp") == 0)
        snprintf (endpoint, ENDPOINT_SIZE, "tcp://127.0.0.1:*");
    else
        fail ("unknown transport %s", transport);
}

void bind_socket (void *socket, const char *transport, const char *name, char endpoint[ENDPOINT_SIZE])
{
    size_t size = ENDPOINT_SIZE;
    endpoint_to_bind (endpoint, transport, name);
    if (zmq_bind (socket, endpoint) != 0)
        fail ("bind to %s", endpoint);
    CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
}

void *new_context (void)
{
    void *context = zmq_ctx_new ();
    CHECK (context);
    return context;
}

void *new_socket (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    CHECK (socket);
    return socket;
}

void connect_socket (void *socket, const char *endpoint)
{
    if (zmq_connect (socket, endpoint) != 0)
        fail ("connect to %s", endpoint);
}

void close_socket (void *socket)
{
    CHECK (zmq_close (socket) == 0);
}

void close_bound_socket (void *socket, const char *endpoint)
{
    close_socket (socket);
    /* Only some versions of libzmq remove the path themselves. */
    if (strncmp (endpoint, "ipc://", 6) == 0)
        unlink (endpoint + 6);
}

void end_context (void *context)
{
    CHECK (zmq_ctx_term (context) == 0);
}
