/* Shared by the stress programs: the helpers of tests-c, a watchdog, seeded randomness, and looks at the process itself. */
#ifndef MONOCOQUE_STRESS_H
#define MONOCOQUE_STRESS_H

#include "../../tests-c/common.h"
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The watchdog ---------------------------------------------------------------------------------------------------- */

#define WATCHDOG_SECONDS 30
static UNUSED atomic_long progress;
static UNUSED const char *_Atomic stage = "the start";

/* With MONOCOQUE_STRESS_PAUSE set the process stays, so that a debugger can look at what hangs. */
static UNUSED void stuck (const char *what)
{
    printf ("WATCHDOG: %s (in %s)\n", what, stage);
    fflush (stdout);
    while (getenv ("MONOCOQUE_STRESS_PAUSE"))
        pause ();
    _exit (4);
}

static UNUSED void *watchdog_body (void *argument)
{
    long last = -1;
    for (int still = 0;; still++) {
        long now = atomic_load (&progress);
        if (now != last)
            still = 0;
        last = now;
        if (still >= WATCHDOG_SECONDS)
            stuck ("no progress");
        struct timespec second = {1, 0};
        nanosleep (&second, argument);
    }
    return NULL;
}

/* Ends the program when `progress` has not changed for WATCHDOG_SECONDS. The thread takes no signals. */
static UNUSED void start_watchdog (void)
{
    sigset_t all, old;
    pthread_t thread;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &old);
    CHECK (pthread_create (&thread, NULL, watchdog_body, NULL) == 0);
    CHECK (pthread_detach (thread) == 0);
    pthread_sigmask (SIG_SETMASK, &old, NULL);
}

/* Memory ---------------------------------------------------------------------------------------------------------- */

/* What of the process is resident and its own. */
static UNUSED long memory_kib (void)
{
    FILE *file = fopen ("/proc/self/status", "r");
    char line[256];
    long memory = 0;
    CHECK (file);
    while (fgets (line, sizeof line, file))
        if (sscanf (line, "RssAnon: %ld", &memory) == 1)
            break;
    fclose (file);
    return memory;
}

/* Randomness: xorshift64*, one state a thread ------------------------------------------------------------------------ */

typedef struct
{
    uint64_t state;
} random_t;

static UNUSED random_t seeded (uint64_t seed)
{
    random_t random = {seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du};
    return random;
}

static UNUSED uint64_t next_random (random_t *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545F4914F6CDD1Du;
}

static UNUSED unsigned below (random_t *random, unsigned limit)
{
    return (unsigned) ((next_random (random) >> 33) % limit);
}

/* The process ---------------------------------------------------------------------------------------------------------- */

static UNUSED int count_entries (const char *folder)
{
    DIR *entries = opendir (folder);
    CHECK (entries);
    int count = 0;
    while (readdir (entries))
        count++;
    closedir (entries);
    return count - 2;
}

/* Open descriptors, but for the one that counts them. */
static UNUSED int descriptors (void)
{
    return count_entries ("/proc/self/fd") - 1;
}

static UNUSED int threads (void)
{
    return count_entries ("/proc/self/task");
}

/* The text of /proc/self/task/<thread>/<file>; empty when the thread is gone. */
static UNUSED void read_task (int thread, const char *file, char *text, size_t room)
{
    char path[64];
    snprintf (path, sizeof path, "/proc/self/task/%d/%s", thread, file);
    FILE *stream = fopen (path, "r");
    size_t size = stream ? fread (text, 1, room - 1, stream) : 0;
    text[size] = 0;
    if (stream)
        fclose (stream);
}

/* 1 if the thread sleeps in the kernel. */
static UNUSED int is_asleep (int thread)
{
    char text[512];
    read_task (thread, "stat", text, sizeof text);
    const char *state = strrchr (text, ')');
    return state && state[1] == ' ' && state[2] == 'S';
}

static UNUSED int thread_id (void)
{
    return (int) syscall (SYS_gettid);
}

static UNUSED long argument_or (int count, char **values, int index, long fallback)
{
    return index < count ? atol (values[index]) : fallback;
}

#endif
