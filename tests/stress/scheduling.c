/* Threads that may not be scheduled as asked: the options can be set by everybody, the first socket answers EPERM, and once the
 * options ask for nothing that needs a privilege the same context gives sockets.
 *
 *   scheduling
 *
 * Each case in a process of its own without privileges. Prints a line for each: what was asked for, and what the first socket was. */
#include "stress.h"
#include <grp.h>
#include <sched.h>
#include <sys/resource.h>

#define NOBODY 65534

static const struct
{
    const char *name;
    int policy, priority, cpu;
} cases[] = {{"SCHED_FIFO", SCHED_FIFO, 10, -1},      {"SCHED_RR", SCHED_RR, 1, -1},         {"SCHED_FIFO without a priority", SCHED_FIFO, -1, -1},
             {"SCHED_OTHER", SCHED_OTHER, -1, -1},    {"SCHED_BATCH", SCHED_BATCH, -1, -1},  {"SCHED_IDLE", SCHED_IDLE, -1, -1},
             {"SCHED_OTHER with a priority", SCHED_OTHER, 5, -1}, {"a priority alone", -1, 5, -1},       {"no such policy", 77, -1, -1},
             {"a CPU", -1, -1, 0},                    {"no such CPU", -1, -1, 1000}};

static void try_case (int number)
{
    struct rlimit none = {0, 0};
    CHECK (setrlimit (RLIMIT_RTPRIO, &none) == 0 && setrlimit (RLIMIT_NICE, &none) == 0);
    if (geteuid () == 0)
        CHECK (setgroups (0, NULL) == 0 && setgid (NOBODY) == 0 && setuid (NOBODY) == 0);
    void *context = new_context ();
    int policy = cases[number].policy, priority = cases[number].priority, cpu = cases[number].cpu;
    if (policy >= 0)
        CHECK (zmq_ctx_set (context, ZMQ_THREAD_SCHED_POLICY, policy) == 0);
    if (priority >= 0)
        CHECK (zmq_ctx_set (context, ZMQ_THREAD_PRIORITY, priority) == 0);
    if (cpu >= 0)
        CHECK (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, cpu) == 0);
    void *socket = zmq_socket (context, ZMQ_PAIR);
    printf ("%s: %s\n", cases[number].name, socket ? "a socket" : error_name (zmq_errno ()));
    fflush (stdout);
    if (socket) {
        close_socket (socket);
    } else {
        CHECK (zmq_ctx_set (context, ZMQ_THREAD_SCHED_POLICY, SCHED_OTHER) == 0);
        CHECK (zmq_ctx_set (context, ZMQ_THREAD_PRIORITY, 0) == 0);
        if (cpu >= 0)
            CHECK (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, cpu) == 0);
        close_socket (new_socket (context, ZMQ_PAIR));
    }
    end_context (context);
    _exit (0);
}

int main (void)
{
    for (int number = 0; number < COUNT (cases); number++) {
        fflush (stdout);
        pid_t child = fork ();
        CHECK (child >= 0);
        if (child == 0)
            try_case (number);
        int status;
        CHECK (waitpid (child, &status, 0) == child);
        if (status != 0)
            printf ("%s: the process ended with %s\n", cases[number].name,
                    WIFSIGNALED (status) ? strsignal (WTERMSIG (status)) : "a failed check");
    }
    return 0;
}
