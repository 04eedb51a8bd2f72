/* Runs a program and prints, by number and name, how many system calls all of its threads made: `strace -c -f` with nothing
 * but a C compiler.
 *
 *   count_syscalls PROGRAM ARGUMENTS...
 *
 * The last lines are sums: "wake-ups N" reads and writes of event descriptors, "data N" all other calls that move data.
 * io_uring_enter counts among the latter, as each may start and end operations; the operations themselves are not seen. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBERS 1024
#define CALL_STOP (SIGTRAP | 0x80)

static const struct
{
    long number;
    const char *name;
    int moves_data;
} names[] = {{SYS_read, "read", 1},
             {SYS_readv, "readv", 1},
             {SYS_recvfrom, "recvfrom", 1},
             {SYS_recvmsg, "recvmsg", 1},
             {SYS_recvmmsg, "recvmmsg", 1},
             {SYS_write, "write", 1},
             {SYS_writev, "writev", 1},
             {SYS_sendto, "sendto", 1},
             {SYS_sendmsg, "sendmsg", 1},
             {SYS_sendmmsg, "sendmmsg", 1},
             {SYS_io_uring_enter, "io_uring_enter", 1},
#ifdef SYS_poll
             {SYS_poll, "poll", 0},
             {SYS_epoll_wait, "epoll_wait", 0},
#endif
             {SYS_ppoll, "ppoll", 0},
             {SYS_epoll_pwait, "epoll_pwait", 0},
             {SYS_epoll_ctl, "epoll_ctl", 0},
             {SYS_futex, "futex", 0},
             {SYS_sched_yield, "sched_yield", 0}};
#define NAMES ((int) (sizeof names / sizeof *names))

static unsigned long counts[NUMBERS], wake_ups;

static int is_event_descriptor (pid_t thread, uint64_t descriptor)
{
    char path[64], target[64] = {0};
    snprintf (path, sizeof path, "/proc/%d/fd/%d", (int) thread, (int) descriptor);
    return readlink (path, target, sizeof target - 1) > 0 && strcmp (target, "anon_inode:[eventfd]") == 0;
}

static void count (pid_t thread)
{
    struct
    {
        uint8_t operation;
        uint8_t pad[3];
        uint32_t architecture;
        uint64_t instruction, stack, number, arguments[6];
    } call;
    /* PTRACE_GET_SYSCALL_INFO: 1 is an entry. */
    if (ptrace (0x420e, thread, (void *) sizeof call, &call) > 0 && call.operation == 1 && call.number < NUMBERS) {
        counts[call.number]++;
        if (call.number == SYS_read || call.number == SYS_write)
            wake_ups += (unsigned long) is_event_descriptor (thread, call.arguments[0]);
    }
}

static void report (void)
{
    unsigned long data = 0;
    for (long number = 0; number < NUMBERS; number++) {
        if (counts[number] == 0)
            continue;
        const char *name = "";
        for (int i = 0; i < NAMES; i++)
            if (names[i].number == number) {
                name = names[i].name;
                data += names[i].moves_data ? counts[number] : 0;
            }
        printf ("%4ld %-16s %lu\n", number, name, counts[number]);
    }
    printf ("wake-ups %lu\ndata %lu\n", wake_ups, data - wake_ups);
}

int main (int argument_count, char **arguments)
{
    if (argument_count < 2)
        return 2;
    pid_t program = fork ();
    if (program == 0) {
        ptrace (PTRACE_TRACEME, 0, NULL, NULL);
        raise (SIGSTOP);
        execv (arguments[1], arguments + 1);
        _exit (127);
    }
    int status, result = 1;
    if (waitpid (program, &status, 0) != program || !WIFSTOPPED (status))
        return 1;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC
                   | PTRACE_O_EXITKILL;
    if (ptrace (PTRACE_SETOPTIONS, program, NULL, (void *) options) != 0) {
        perror ("ptrace");
        return 1;
    }
    ptrace (PTRACE_SYSCALL, program, NULL, NULL);
    for (pid_t thread; (thread = waitpid (-1, &status, __WALL)) > 0;) {
        if (WIFEXITED (status) || WIFSIGNALED (status)) {
            if (thread == program)
                result = WIFEXITED (status) ? WEXITSTATUS (status) : 128;
            continue;
        }
        int number = WSTOPSIG (status), deliver = 0;
        if (number == CALL_STOP)
            count (thread);
        else if (number != SIGTRAP && number != SIGSTOP)
            deliver = number;
        ptrace (PTRACE_SYSCALL, thread, NULL, (void *) (long) deliver);
    }
    report ();
    return result;
}
