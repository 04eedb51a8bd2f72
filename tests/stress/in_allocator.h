/* Part of a program, tells whether the calling thread is in the C library's allocator, also on behalf of a library: a signal handler that
 * interrupts that may not allocate (signal-safety(7)). The program's definitions come before those of the C library, whose own
 * names (glibc) do the work. */
#ifndef MONOCOQUE_STRESS_IN_ALLOCATOR_H
#define MONOCOQUE_STRESS_IN_ALLOCATOR_H

#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc (size_t);
extern void *__libc_calloc (size_t, size_t);
extern void *__libc_realloc (void *, size_t);
extern void *__libc_memalign (size_t, size_t);
extern void __libc_free (void *);

static __thread volatile int in_allocator;

#define IN_ALLOCATOR(call)                                                                                                     \
    in_allocator++;                                                                                                            \
    void *result = call;                                                                                                       \
    in_allocator--;                                                                                                            \
    return result

void *malloc (size_t size)
{
    IN_ALLOCATOR (__libc_malloc (size));
}

void *calloc (size_t count, size_t size)
{
    IN_ALLOCATOR (__libc_calloc (count, size));
}

void *realloc (void *memory, size_t size)
{
    IN_ALLOCATOR (__libc_realloc (memory, size));
}

void *aligned_alloc (size_t alignment, size_t size)
{
    IN_ALLOCATOR (__libc_memalign (alignment, size));
}

void *memalign (size_t alignment, size_t size)
{
    return aligned_alloc (alignment, size);
}

int posix_memalign (void **memory, size_t alignment, size_t size)
{
    void *result = aligned_alloc (alignment, size);
    if (!result)
        return ENOMEM;
    *memory = result;
    return 0;
}

void free (void *memory)
{
    in_allocator++;
    __libc_free (memory);
    in_allocator--;
}

#endif
