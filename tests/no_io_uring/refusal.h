/* Has the kernel refuse io_uring, wholly or in part, by a seccomp filter or for want of locked memory. */
#ifndef MONOCOQUE_REFUSAL_H
#define MONOCOQUE_REFUSAL_H

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSAL_COUNT(array) (sizeof (array) / sizeof *(array))

/* What a condition refuses: system calls (0: none), the mapping of a ring's entries, locked memory; and how it is refused. */
typedef struct
{
    const char *name;
    int calls[3];
    int mapping, locked_memory, error;
} refusal_t;

static const refusal_t refusals[] = {
    {"eperm", {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}, 0, 0, EPERM},
    {"enosys", {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}, 0, 0, ENOSYS},
    {"setup", {SYS_io_uring_setup}, 0, 0, ENOMEM},
    {"enter", {SYS_io_uring_enter}, 0, 0, EPERM},
    {"register", {SYS_io_uring_register}, 0, 0, EPERM},
    {"mapping", {0}, 1, 0, ENOMEM},
    {"memlock", {0}, 0, 1, 0},
};

static void refusal_failed (const char *what)
{
    perror (what);
    exit (5);
}

static const refusal_t *find_refusal (const char *name)
{
    for (size_t i = 0; i < REFUSAL_COUNT (refusals); i++)
        if (strcmp (refusals[i].name, name) == 0)
            return &refusals[i];
    fprintf (stderr, "no such condition: %s\n", name);
    exit (5);
}

/* For the process and its children, with all threads that it has. */
static void install_filter (const refusal_t *refusal)
{
    struct sock_filter code[24];
    unsigned short length = 0;
#define DATA(field) ((unsigned) offsetof (struct seccomp_data, field))
#define ADD(...) code[length++] = (struct sock_filter) __VA_ARGS__
#define REFUSE BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned) refusal->error)
    ADD (BPF_STMT (BPF_LD | BPF_W | BPF_ABS, DATA (nr)));
    for (size_t i = 0; i < REFUSAL_COUNT (refusal->calls) && refusal->calls[i]; i++) {
        ADD (BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) refusal->calls[i], 0, 1));
        ADD (REFUSE);
    }
    if (refusal->mapping) {
        /* Of a descriptor, from that offset on: the low half of each number does. */
        ADD (BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5));
        ADD (BPF_STMT (BPF_LD | BPF_W | BPF_ABS, DATA (args[4])));
        ADD (BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) -1, 3, 0));
        ADD (BPF_STMT (BPF_LD | BPF_W | BPF_ABS, DATA (args[5])));
        ADD (BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) IORING_OFF_SQES, 0, 1));
        ADD (REFUSE);
    }
    ADD (BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {length, code};
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        refusal_failed ("PR_SET_NO_NEW_PRIVS");
    if (syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        refusal_failed ("seccomp");
}

/* No locked memory for the process, nor for what it executes: root's programs keep the capability that overrides the limit, unless
 * it is taken from the bounding set. */
static void forbid_locked_memory (void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    if (syscall (SYS_capget, &header, sets) != 0)
        refusal_failed ("capget");
    unsigned bit = CAP_TO_MASK (CAP_IPC_LOCK);
    if (sets[0].permitted & bit && prctl (PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) != 0)
        refusal_failed ("PR_CAPBSET_DROP");
    sets[0].effective &= ~bit;
    sets[0].permitted &= ~bit;
    sets[0].inheritable &= ~bit;
    if (syscall (SYS_capset, &header, sets) != 0)
        refusal_failed ("capset");
    struct rlimit none = {0, 0};
    if (setrlimit (RLIMIT_MEMLOCK, &none) != 0)
        refusal_failed ("RLIMIT_MEMLOCK");
}

static void impose (const char *name)
{
    const refusal_t *refusal = find_refusal (name);
    if (refusal->locked_memory)
        forbid_locked_memory ();
    else
        install_filter (refusal);
}

#endif
