/* Sets and reads every context option number from -1 to 130 with values at and past each limit, and prints the answers;
 * then what the options change in the sockets that follow. Run on two libraries, the output must be equal. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

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

int main(void)
{
    walk_numbers();
    check_refused();
    check_inheritance();
    check_limit();
    check_no_context();
    return 0;
}
