/* Part of a program, counts the allocations of all threads, the libraries' too: the program's definitions come before those
 * of the C library, whose own names (glibc) do the work. */
#ifndef MONOCOQUE_STRESS_COUNT_ALLOCATIONS_H
#define MONOCOQUE_STRESS_COUNT_ALLOCATIONS_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc (size_t);
extern void *__libc_calloc (size_t, size_t);
extern void *__libc_realloc (void *, size_t);
extern void *__libc_memalign (size_t, size_t);

static atomic_ulong allocations;

void *malloc (size_t size)
{
    atomic_fetch_add (&allocations, 1);
    return __libc_malloc (size);
}

void *calloc (size_t count, size_t size)
{
    atomic_fetch_add (&allocations, 1);
    return __libc_calloc (count, size);
}

void *realloc (void *memory, size_t size)
{
    atomic_fetch_add (&allocations, 1);
    return __libc_realloc (memory, size);
}

void *aligned_alloc (size_t alignment, size_t size)
{
    atomic_fetch_add (&allocations, 1);
    return __libc_memalign (alignment, size);
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

#endif
