/* Part of a program, counts the system calls that move data, of all threads, the libraries' too: the program's definitions come
 * before those of the C library. A tracer would count the same, but makes every call so slow that more of them are needed.
 *
 * What goes through `syscall`, `send` and `recv` is seen; reads and writes of event descriptors are wake-ups, not data.
 * io_uring_enter counts, as each may start and end operations; the operations themselves are not seen. */
#ifndef MONOCOQUE_STRESS_COUNT_CALLS_H
#define MONOCOQUE_STRESS_COUNT_CALLS_H

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>

static atomic_ulong data_calls;

static long call_kernel (long number, const long *values)
{
    long result;
#if defined __x86_64__
    register long fourth __asm__("r10") = values[3];
    register long fifth __asm__("r8") = values[4];
    register long sixth __asm__("r9") = values[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(values[0]), "S"(values[1]), "d"(values[2]), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
#elif defined __aarch64__
    register long call __asm__("x8") = number;
    register long first __asm__("x0") = values[0];
    register long second __asm__("x1") = values[1];
    register long third __asm__("x2") = values[2];
    register long fourth __asm__("x3") = values[3];
    register long fifth __asm__("x4") = values[4];
    register long sixth __asm__("x5") = values[5];
    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory");
    result = first;
#else
#error "how this processor calls the kernel is not written here"
#endif
    if (result < 0 && result > -4096) {
        errno = (int) -result;
        return -1;
    }
    return result;
}

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
