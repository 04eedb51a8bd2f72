/* Shared by the programs of the table of faults: each row is a function that does to the library what the row says, prints what it
 * answered, and returns whether the answer is what is asked for. Nothing is judged by the name of the library.
 *
 *   program ROW
 *
 * What may end a process, or hang, is done in a child (`apart`), so that the row can tell. */
#ifndef MONOCOQUE_CHAOS_H
#define MONOCOQUE_CHAOS_H

#include "../../tests-c/raw.h"
#include "../stress/stress.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define GREETING_SIZE 64

typedef struct
{
    int number;
    int (*play) (void);
} row_t;

/* One line of the answer; several are joined. */
static UNUSED void answer (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    printf ("answer ");
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
    fflush (stdout);
}

/* How a child ended: its exit code, or minus the signal that ended it; ENDED_LATE where it had to be killed. */
#define ENDED_LATE (-SIGALRM)

static UNUSED int apart (int (*body) (long), long argument, int seconds_max)
{
    int status;
    fflush (NULL);
    pid_t child = fork ();
    CHECK (child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        CHECK (setrlimit (RLIMIT_CORE, &none) == 0 && prctl (PR_SET_PDEATHSIG, SIGKILL) == 0);
        int nowhere = open ("/dev/null", O_WRONLY | O_CLOEXEC);
        CHECK (nowhere >= 0 && dup2 (nowhere, STDERR_FILENO) >= 0);
        close (nowhere);
        alarm ((unsigned) seconds_max);
        _exit (body (argument));
    }
    while (waitpid (child, &status, 0) == -1)
        CHECK (errno == EINTR);
    return WIFSIGNALED (status) ? -WTERMSIG (status) : WEXITSTATUS (status);
}

static UNUSED const char *ending (int code)
{
    static char text[64];
    if (code == ENDED_LATE)
        return "hangs";
    if (code < 0)
        snprintf (text, sizeof text, "dies of SIG%s", sigabbrev_np (-code));
    else
        snprintf (text, sizeof text, code ? "fails (%d)" : "works", code);
    return text;
}

/* Endings of several children, counted. */
typedef struct
{
    int works, dies, hangs, fails;
} endings_t;

static UNUSED void count_ending (endings_t *all, int code)
{
    *(code == 0 ? &all->works : code == ENDED_LATE ? &all->hangs : code < 0 ? &all->dies : &all->fails) += 1;
}

static UNUSED int show_endings (const char *what, const endings_t *all)
{
    int count = all->works + all->dies + all->hangs + all->fails;
    answer ("%s: %d of %d work, %d die, %d hang, %d fail", what, all->works, count, all->dies, all->hangs, all->fails);
    return all->works == count;
}

static UNUSED int64_t now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Lets so much time pass, for what happens by itself meanwhile. */
static UNUSED void let_pass (long time_ms)
{
    struct timespec time = {time_ms / 1000, time_ms % 1000 * 1000000};
    nanosleep (&time, NULL);
}

/* 1 if the socket has the events within that time. */
static UNUSED int ready_within (void *socket, short events, long time_ms)
{
    zmq_pollitem_t item = {socket, 0, events, 0};
    return zmq_poll (&item, 1, time_ms) == 1;
}

/* A context of its own passes a message over tcp; 0 if it does. */
static UNUSED int exchange (void)
{
    void *context = zmq_ctx_new (), *in = context ? zmq_socket (context, ZMQ_PULL) : NULL, *out = in ? zmq_socket (context, ZMQ_PUSH) : NULL;
    endpoint_t endpoint;
    char text[8];
    if (!out || zmq_bind (in, "tcp://127.0.0.1:*") != 0)
        return 1;
    last_endpoint (in, endpoint);
    set_int (out, ZMQ_LINGER, 0);
    if (zmq_connect (out, endpoint) != 0 || zmq_send (out, "hello", 5, 0) != 5 || !ready_within (in, ZMQ_POLLIN, LIMIT_MS))
        return 2;
    int got = zmq_recv (in, text, sizeof text, 0);
    close_socket (out);
    close_socket (in);
    end_context (context);
    return got == 5 ? 0 : 3;
}

/* Plain peers --------------------------------------------------------------------------------------------------------- */

static UNUSED void raw_greeting (int fd, const char *mechanism)
{
    unsigned char greeting[GREETING_SIZE] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1};
    memcpy (greeting + 12, mechanism, strlen (mechanism));
    raw_write (fd, greeting, sizeof greeting);
}

static UNUSED void raw_ready (int fd, const char *type)
{
    unsigned char ready[64] = "\4\0\5READY\13Socket-Type\0\0\0";
    size_t length = strlen (type);
    ready[1] = (unsigned char) (22 + length);
    ready[23] = (unsigned char) length;
    memcpy (ready + 24, type, length);
    raw_write (fd, ready, 24 + length);
}

/* Both sides' greeting and READY. 0 where the other side ended the connection. */
static UNUSED int raw_handshake (int fd, const char *type)
{
    unsigned char bytes[512];
    raw_greeting (fd, "NULL");
    raw_ready (fd, type);
    return raw_read (fd, bytes, GREETING_SIZE) == GREETING_SIZE && raw_read (fd, bytes, 2) == 2 && raw_read (fd, bytes + 2, bytes[1]) == bytes[1];
}

/* Writes what the other side takes; it may have ended the connection. */
static UNUSED void raw_offer (int fd, const void *data, size_t size)
{
    send (fd, data, size, MSG_NOSIGNAL);
}

/* Whether the other side ends the connection within that time. */
static UNUSED int raw_ends (int fd, int limit_ms)
{
    char bytes[4096];
    int64_t end = now_ms () + limit_ms;
    while (now_ms () < end)
        if (raw_readable (fd, (int) (end - now_ms ())) && recv (fd, bytes, sizeof bytes, 0) <= 0)
            return 1;
    return 0;
}

/* Rows ------------------------------------------------------------------------------------------------------------------ */

static UNUSED int play_row (const row_t *rows, int count, int arguments, char **values)
{
    /* Far beyond what any row needs, and far below what would harm the machine. */
    struct rlimit memory = {(rlim_t) 8 << 30, (rlim_t) 8 << 30};
    CHECK (arguments == 2 && setrlimit (RLIMIT_AS, &memory) == 0);
    for (int i = 0; i < count; i++)
        if (rows[i].number == atoi (values[1]))
            return rows[i].play () ? 0 : 1;
    fail ("no such row");
    return 2;
}

#endif
