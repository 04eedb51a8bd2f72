/* What every benchmark needs: time, CPU, which library is mapped, processes and the pipes between them.
 * Every failed check ends the process with status 1 and a line on stderr; nothing is retried or hidden. */
#ifndef PERF_COMMON_H
#define PERF_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <zmq.h>

/* Prints the message and `errno` as the mapped library explains it, and ends the process. */
void fail (const char *format, ...) __attribute__ ((format (printf, 1, 2), noreturn));

/* Fails, naming the expression, unless it holds. */
#define CHECK(condition)                                        \
    do {                                                        \
        if (!(condition))                                       \
            fail ("%s:%d: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* Monotonic time in seconds. */
double now_s (void);

/* CPU time of this process, all threads, user and system, in seconds. */
double cpu_s (void);

/* Resident memory of this process in bytes. */
size_t resident_bytes (void);

/* Prints `mapped process=NAME library=PATH`: the file that really provides zmq_send to this process. */
void report_library (const char *process);

/* Raises the limit of descriptors as far as it goes. */
void raise_descriptor_limit (void);

/* A child process and a pipe in either direction. */
struct peer {
    pid_t pid;
    int from_fd;
    int to_fd;
};

/* Forks. In the child `peer` leads to the parent and the result is 0; the child dies with its parent. */
int fork_peer (struct peer *peer);

/* Sends and receives exactly `size` bytes between the two. */
void tell (const struct peer *peer, const void *data, size_t size);
void hear (const struct peer *peer, void *data, size_t size);

/* Waits for the child to end and fails unless it succeeded. */
void join_peer (const struct peer *peer);

/* Binds to `tcp://127.0.0.1:*`, an ipc path in the working directory, or an inproc name, and writes the endpoint that
 * others connect to. */
#define ENDPOINT_SIZE 256
void bind_socket (void *socket, const char *transport, const char *name, char endpoint[ENDPOINT_SIZE]);

/* Closes a socket that was bound, and removes what an ipc endpoint left in the working directory. */
void close_bound_socket (void *socket, const char *endpoint);

/* Whether the transport connects threads of one context. */
int is_inproc (const char *transport);

/* A new context and socket that fail loudly. */
void *new_context (void);
void *new_socket (void *context, int type);
void connect_socket (void *socket, const char *endpoint);
void close_socket (void *socket);
void end_context (void *context);

#endif
