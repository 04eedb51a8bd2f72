/* Part of a program, makes calls of the library for the kernel's and the C library's resources fail: the program's definitions
 * come before those of the C library.
 *
 * Only calls that come straight from the library under test are counted and failed, not those of the program or of the C library
 * itself. What io_uring does in the kernel is not reached. */
#ifndef MONOCOQUE_STRESS_FAULTS_H
#define MONOCOQUE_STRESS_FAULTS_H

#include "call_kernel.h"
#include <dlfcn.h>
#include <link.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <zmq.h>

/* Kinds of calls. */
enum
{
    NOTHING,
    DESCRIPTORS,
    THREADS,
    OPTIONS,
    NAMES,
    LISTEN,
    CONNECT,
    ACCEPT,
    WATCH,
    WAIT,
    SEND,
    RECEIVE,
    MEMORY,
    MAPS
};

/* What fails: calls of that kind, from the one with that number on, for as long as it lasts. */
static struct
{
    atomic_int kind;
    long first;
    long last;
    int error;
} fault;
/* Calls of the kind since the fault was set, and how many of those failed. */
static atomic_long fault_calls, fault_failures;

static uintptr_t library_start, library_end;

static int note_object (struct dl_phdr_info *object, size_t size, void *inside)
{
    (void) size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t start = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        uintptr_t end = start + object->dlpi_phdr[i].p_memsz;
        int is_text = object->dlpi_phdr[i].p_type == PT_LOAD && object->dlpi_phdr[i].p_flags & PF_X;
        if (is_text && (uintptr_t) inside >= start && (uintptr_t) inside < end) {
            library_start = start;
            library_end = end;
        }
    }
    return 0;
}

/* Before the first fault. */
static void find_library (void)
{
    dl_iterate_phdr (note_object, dlsym (RTLD_DEFAULT, "zmq_ctx_new"));
}

/* The number of the first call that fails, of the last, and with which error. */
static void set_fault (int kind, long first, long last, int error)
{
    fault.first = first;
    fault.last = last;
    fault.error = error;
    atomic_store (&fault_calls, 0);
    atomic_store (&fault_failures, 0);
    atomic_store (&fault.kind, kind);
}

static void end_fault (void)
{
    atomic_store (&fault.kind, NOTHING);
}

/* 1 if a call of the kind, from there, is to fail; errno is set then. */
static int fails (int kind, void *from)
{
    if (kind == NOTHING || atomic_load (&fault.kind) != kind)
        return 0;
    if ((uintptr_t) from < library_start || (uintptr_t) from >= library_end)
        return 0;
    long number = atomic_fetch_add (&fault_calls, 1) + 1;
    if (number < fault.first || number > fault.last)
        return 0;
    atomic_fetch_add (&fault_failures, 1);
    errno = fault.error;
    return 1;
}

#define FAILS(kind) fails (kind, __builtin_return_address (0))
#define KERNEL(number, ...) call_kernel (number, (const long[6]){__VA_ARGS__})
#define L(value) ((long) (value))

static int kind_of (long number)
{
    switch (number) {
        case SYS_accept4:
            return ACCEPT;
        case SYS_sendto:
        case SYS_sendmsg:
            return SEND;
        case SYS_recvfrom:
        case SYS_recvmsg:
            return RECEIVE;
        case SYS_epoll_pwait:
        case SYS_epoll_pwait2:
        case SYS_ppoll:
        case SYS_io_uring_enter:
            return WAIT;
        case SYS_io_uring_setup:
            return DESCRIPTORS;
        default:
            return NOTHING;
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
    return FAILS (kind_of (number)) ? -1 : call_kernel (number, values);
}

int socket (int domain, int type, int protocol)
{
    return FAILS (DESCRIPTORS) ? -1 : (int) KERNEL (SYS_socket, domain, type, protocol);
}

int eventfd (unsigned value, int flags)
{
    return FAILS (DESCRIPTORS) ? -1 : (int) KERNEL (SYS_eventfd2, value, flags);
}

int epoll_create1 (int flags)
{
    return FAILS (DESCRIPTORS) ? -1 : (int) KERNEL (SYS_epoll_create1, flags);
}

int timerfd_create (clockid_t clock, int flags)
{
    return FAILS (DESCRIPTORS) ? -1 : (int) KERNEL (SYS_timerfd_create, clock, flags);
}

int accept4 (int listener, struct sockaddr *address, socklen_t *size, int flags)
{
    return FAILS (ACCEPT) ? -1 : (int) KERNEL (SYS_accept4, listener, L (address), L (size), flags);
}

int bind (int descriptor, const struct sockaddr *address, socklen_t size)
{
    return FAILS (NAMES) ? -1 : (int) KERNEL (SYS_bind, descriptor, L (address), size);
}

int getsockname (int descriptor, struct sockaddr *address, socklen_t *size)
{
    return FAILS (NAMES) ? -1 : (int) KERNEL (SYS_getsockname, descriptor, L (address), L (size));
}

int getpeername (int descriptor, struct sockaddr *address, socklen_t *size)
{
    return FAILS (NAMES) ? -1 : (int) KERNEL (SYS_getpeername, descriptor, L (address), L (size));
}

int listen (int descriptor, int backlog)
{
    return FAILS (LISTEN) ? -1 : (int) KERNEL (SYS_listen, descriptor, backlog);
}

int connect (int descriptor, const struct sockaddr *address, socklen_t size)
{
    return FAILS (CONNECT) ? -1 : (int) KERNEL (SYS_connect, descriptor, L (address), size);
}

int setsockopt (int descriptor, int level, int option, const void *value, socklen_t size)
{
    return FAILS (OPTIONS) ? -1 : (int) KERNEL (SYS_setsockopt, descriptor, level, option, L (value), size);
}

int getsockopt (int descriptor, int level, int option, void *value, socklen_t *size)
{
    return FAILS (OPTIONS) ? -1 : (int) KERNEL (SYS_getsockopt, descriptor, level, option, L (value), L (size));
}

int epoll_ctl (int epoll, int operation, int descriptor, struct epoll_event *event)
{
    int adds = operation != EPOLL_CTL_DEL;
    return FAILS (adds ? WATCH : NOTHING) ? -1 : (int) KERNEL (SYS_epoll_ctl, epoll, operation, descriptor, L (event));
}

int epoll_wait (int epoll, struct epoll_event *events, int room, int milliseconds)
{
    return FAILS (WAIT) ? -1 : (int) KERNEL (SYS_epoll_pwait, epoll, L (events), room, milliseconds, 0, 8);
}

ssize_t send (int descriptor, const void *data, size_t size, int flags)
{
    return FAILS (SEND) ? -1 : KERNEL (SYS_sendto, descriptor, L (data), L (size), flags, 0, 0);
}

ssize_t recv (int descriptor, void *data, size_t size, int flags)
{
    return FAILS (RECEIVE) ? -1 : KERNEL (SYS_recvfrom, descriptor, L (data), L (size), flags, 0, 0);
}

void *mmap (void *start, size_t size, int protection, int flags, int descriptor, off_t offset)
{
    if (FAILS (MAPS))
        return MAP_FAILED;
    return (void *) KERNEL (SYS_mmap, L (start), L (size), protection, flags, descriptor, offset);
}

typedef int create_thread_t (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *);

int pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*body) (void *), void *argument)
{
    static create_thread_t *_Atomic real;
    if (FAILS (THREADS))
        return errno;
    if (!real)
        real = (create_thread_t *) dlsym (RTLD_NEXT, "pthread_create");
    return real (thread, attributes, body, argument);
}

/* Memory: the C library's own names do the work. */

extern void *__libc_malloc (size_t);
extern void *__libc_calloc (size_t, size_t);
extern void *__libc_realloc (void *, size_t);
extern void *__libc_memalign (size_t, size_t);

void *malloc (size_t size)
{
    return FAILS (MEMORY) ? NULL : __libc_malloc (size);
}

void *calloc (size_t count, size_t size)
{
    return FAILS (MEMORY) ? NULL : __libc_calloc (count, size);
}

void *realloc (void *memory, size_t size)
{
    return FAILS (MEMORY) ? NULL : __libc_realloc (memory, size);
}

void *aligned_alloc (size_t alignment, size_t size)
{
    return FAILS (MEMORY) ? NULL : __libc_memalign (alignment, size);
}

int posix_memalign (void **memory, size_t alignment, size_t size)
{
    void *result = FAILS (MEMORY) ? NULL : __libc_memalign (alignment, size);
    if (!result)
        return ENOMEM;
    *memory = result;
    return 0;
}

#endif
