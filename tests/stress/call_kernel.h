/* A system call of any number, past the C library: for programs that define the C library's own functions for it. */
#ifndef MONOCOQUE_STRESS_CALL_KERNEL_H
#define MONOCOQUE_STRESS_CALL_KERNEL_H

#include <errno.h>
#include <sys/syscall.h>

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

#endif
