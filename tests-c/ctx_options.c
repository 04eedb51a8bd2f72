/* Sets and reads every context option number from -1 to 130 with values at and past each limit, and prints the answers;
 * then what the options change in the sockets that follow; with the argument "full" also in the I/O threads, which libzmq names and
 * schedules only where it was built asking the system for that. Run on two libraries, the output must be equal. */
#include "common.h"
#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>

static const int values[] = {INT_MIN, -2, -1, 0, 1, 2, 3, 4, 99, 100, 1022, 1023, 1024, 65534, 65535, 65536, INT_MAX};

static void print_setting(void *context, int option, int value)
{
    errno = 0;
    int result = zmq_ctx_set(context, option, value);
    if (result != 0) {
        printf(" %d:%d,E%d", value, result, errno);
        return;
    }
    printf(" %d:ok", value);
    errno = 0;
    int reading = zmq_ctx_get(context, option);
    printf("=%d", reading);
    if (errno)
        printf(",E%d", errno);
}

static void walk_numbers(void)
{
    for (int option = -1; option <= 130; option++) {
        void *context = zmq_ctx_new();
        errno = 0;
        printf("%d default %d", option, zmq_ctx_get(context, option));
        printf(" E%d", errno);
        zmq_ctx_term(context);
        for (size_t at = 0; at < sizeof values / sizeof *values; at++) {
            context = zmq_ctx_new();
            print_setting(context, option, values[at]);
            zmq_ctx_term(context);
        }
        printf("\n");
    }
}

/* What is refused leaves the value before it. */
static void check_refused(void)
{
    void *context = zmq_ctx_new();
    printf("refused:");
    print_setting(context, ZMQ_MAX_SOCKETS, 7);
    print_setting(context, ZMQ_MAX_SOCKETS, 0);
    print_setting(context, ZMQ_IO_THREADS, 3);
    print_setting(context, ZMQ_IO_THREADS, -1);
    print_setting(context, ZMQ_THREAD_AFFINITY_CPU_ADD, 0);
    print_setting(context, ZMQ_THREAD_AFFINITY_CPU_ADD, 0);
    print_setting(context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 1);
    print_setting(context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0);
    print_setting(context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0);
    printf(" %d %d\n", zmq_ctx_get(context, ZMQ_MAX_SOCKETS), zmq_ctx_get(context, ZMQ_IO_THREADS));
    zmq_ctx_term(context);
}

static void print_socket_options(void *context, int type)
{
    int ipv6 = 7, linger = 7;
    size_t length = sizeof(int);
    void *socket = zmq_socket(context, type);
    if (!socket) {
        printf(" no socket: %s\n", zmq_strerror(errno));
        return;
    }
    zmq_getsockopt(socket, ZMQ_IPV6, &ipv6, &length);
    zmq_getsockopt(socket, ZMQ_LINGER, &linger, &length);
    printf(" type %d: IPV6 %d, LINGER %d\n", type, ipv6, linger);
    zmq_close(socket);
}

static void check_inheritance(void)
{
    void *context = zmq_ctx_new();
    print_socket_options(context, ZMQ_DEALER);
    zmq_ctx_set(context, ZMQ_IPV6, 1);
    zmq_ctx_set(context, ZMQ_BLOCKY, 0);
    print_socket_options(context, ZMQ_DEALER);
    print_socket_options(context, ZMQ_SUB);
    printf("after a socket:");
    print_setting(context, ZMQ_IO_THREADS, 2);
    print_setting(context, ZMQ_MAX_SOCKETS, 2);
    print_setting(context, ZMQ_BLOCKY, 1);
    print_setting(context, ZMQ_THREAD_NAME_PREFIX, 5);
    printf("\n");
    print_socket_options(context, ZMQ_DEALER);
    zmq_ctx_term(context);
}

/* A limit of two sockets: the third is refused, and allowed again once another is gone. */
static void check_limit(void)
{
    void *context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 2);
    void *first = zmq_socket(context, ZMQ_PAIR), *second = zmq_socket(context, ZMQ_PAIR);
    errno = 0;
    void *third = zmq_socket(context, ZMQ_PAIR);
    printf("limit of 2: %d %d %d %s\n", first != NULL, second != NULL, third != NULL, zmq_strerror(errno));
    zmq_close(first);
    zmq_close(second);
    zmq_ctx_term(context);
}

static void check_no_context(void)
{
    errno = 0;
    int result = zmq_ctx_set(NULL, ZMQ_IO_THREADS, 1);
    printf("NULL: %d E%d", result, errno);
    errno = 0;
    result = zmq_ctx_get(NULL, ZMQ_IO_THREADS);
    printf(" %d E%d\n", result, errno);
}

/* Has every I/O thread do something, after which it has its name and is scheduled as asked for. */
static void use_threads(void *context, int threads)
{
    for (int thread = 0; thread < threads; thread++) {
        void *server = new_socket(context, ZMQ_PAIR), *client = new_socket(context, ZMQ_PAIR);
        uint64_t affinity = UINT64_C(1) << thread;
        endpoint_t endpoint;
        char byte;
        CHECK(zmq_setsockopt(server, ZMQ_AFFINITY, &affinity, sizeof affinity) == 0);
        CHECK(zmq_setsockopt(client, ZMQ_AFFINITY, &affinity, sizeof affinity) == 0);
        bind_fresh(server, "tcp", endpoint);
        connect_to(client, endpoint);
        put(client, "x");
        CHECK(zmq_recv(server, &byte, 1, 0) == 1);
        close_socket(server);
        close_socket(client);
    }
}

/* One line for the I/O thread of that number: its name, and how it is scheduled. */
static void show_thread(int number)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    char end[16];
    snprintf(end, sizeof end, "IO/%d", number);
    while ((entry = readdir(tasks))) {
        char path[300], name[64] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        int found = fgets(name, sizeof name, file) != NULL;
        fclose(file);
        name[strcspn(name, "\n")] = 0;
        if (!found || !strstr(name, end))
            continue;
        int thread = atoi(entry->d_name);
        struct sched_param parameters;
        cpu_set_t cpus;
        CHECK(sched_getparam(thread, &parameters) == 0 && sched_getaffinity(thread, sizeof cpus, &cpus) == 0);
        printf("  %s: policy %d, priority %d, nice %d, %d CPUs, the first of them %s\n", name, sched_getscheduler(thread),
               parameters.sched_priority, getpriority(PRIO_PROCESS, thread), CPU_COUNT(&cpus), CPU_ISSET(0, &cpus) ? "too" : "not");
        break;
    }
    closedir(tasks);
}

static void check_threads(const char *headline, const int (*settings)[2])
{
    part("threads: %s", headline);
    void *context = zmq_ctx_new();
    for (; (*settings)[0]; settings++)
        CHECK(zmq_ctx_set(context, (*settings)[0], (*settings)[1]) == 0);
    int threads = zmq_ctx_get(context, ZMQ_IO_THREADS);
    use_threads(context, threads);
    CHECK(zmq_ctx_set(context, ZMQ_THREAD_NAME_PREFIX, 99) == 0);
    for (int thread = 0; thread < threads; thread++)
        show_thread(thread);
    zmq_ctx_term(context);
}

/* Names and CPUs, and what may be asked of the scheduler without a privilege; with it, priorities as well. */
static void check_scheduling(void)
{
    check_threads("as they are", (int[][2]){{0, 0}});
    check_threads("three", (int[][2]){{ZMQ_IO_THREADS, 3}, {0, 0}});
    check_threads("a prefix", (int[][2]){{ZMQ_THREAD_NAME_PREFIX, 7}, {ZMQ_IO_THREADS, 2}, {0, 0}});
    check_threads("the prefix 0", (int[][2]){{ZMQ_THREAD_NAME_PREFIX, 0}, {0, 0}});
    check_threads("a negative prefix", (int[][2]){{ZMQ_THREAD_NAME_PREFIX, -5}, {0, 0}});
    check_threads("the first CPU", (int[][2]){{ZMQ_THREAD_AFFINITY_CPU_ADD, 0}, {0, 0}});
    check_threads("a CPU added and removed",
                  (int[][2]){{ZMQ_THREAD_AFFINITY_CPU_ADD, 0}, {ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0}, {0, 0}});
    struct sched_param realtime = {.sched_priority = 10}, ordinary = {0};
    if (setpriority(PRIO_PROCESS, 0, -20) != 0 || sched_setscheduler(0, SCHED_FIFO, &realtime) != 0)
        return;
    CHECK(sched_setscheduler(0, SCHED_OTHER, &ordinary) == 0 && setpriority(PRIO_PROCESS, 0, 0) == 0);
    check_threads("first in, first out", (int[][2]){{ZMQ_THREAD_SCHED_POLICY, SCHED_FIFO}, {ZMQ_THREAD_PRIORITY, 10}, {0, 0}});
    check_threads("round robin", (int[][2]){{ZMQ_THREAD_SCHED_POLICY, SCHED_RR}, {ZMQ_THREAD_PRIORITY, 99}, {0, 0}});
    check_threads("other with a priority", (int[][2]){{ZMQ_THREAD_SCHED_POLICY, SCHED_OTHER}, {ZMQ_THREAD_PRIORITY, 10}, {0, 0}});
    check_threads("batch with a priority", (int[][2]){{ZMQ_THREAD_SCHED_POLICY, SCHED_BATCH}, {ZMQ_THREAD_PRIORITY, 1}, {0, 0}});
    check_threads("only a priority", (int[][2]){{ZMQ_THREAD_PRIORITY, 5}, {0, 0}});
}

int main(int count, char **arguments)
{
    walk_numbers();
    check_refused();
    check_inheritance();
    check_limit();
    check_no_context();
    if (count > 1 && strcmp(arguments[1], "full") == 0)
        check_scheduling();
    return 0;
}
