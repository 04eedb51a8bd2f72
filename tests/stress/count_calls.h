/* Part of a program, counts the system calls that move data, of all threads, the libraries' too: the program's definitions come
 * before those of the C library. A tracer would count the same, but makes every call so slow that more of them are needed.
 *
 * What goes through `syscall`, `send` and `recv` is seen; reads and writes of event descriptors are wake-ups, not data.
 * io_uring_enter counts, as each may start and end operations; the operations themselves are not seen. */
#ifndef MONOCOQUE_STRESS_COUNT_CALLS_H
#define MONOCOQUE_STRESS_COUNT_CALLS_H

#include "call_kernel.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>

static atomic_ulong data_calls;

static int moves_data (long number)
{
    switch (number) {
        case SYS_recvfrom:
        case SYS_recvmsg:
        case SYS_sendto:
        case SYS_sendmsg:
        case SYS_readv:
        case SYS_writev:
        case SYS_io_uring_enter:
            return 1;
        default:
            return 0;
    }
}

long syscall (long number, ...)
{
    long values[6];
    va_list rest;
    va_start (rest, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg (rest, long);
    va_end (rest);
    if (moves_data (number))
        atomic_fetch_add (&data_calls, 1);
    return call_kernel (number, values);
}

ssize_t send (int descriptor, const void *data, size_t size, int flags)
{
    return syscall (SYS_sendto, (long) descriptor, (long) data, (long) size, (long) flags, 0L, 0L);
}

ssize_t recv (int descriptor, void *data, size_t size, int flags)
{
    return syscall (SYS_recvfrom, (long) descriptor, (long) data, (long) size, (long) flags, 0L, 0L);
}

#endif
