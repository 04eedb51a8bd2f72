/* Memory that a burst took goes back to the system, also in a process that uses nothing but inproc, where no connection wakes the
 * library's threads.
 *
 *   burst TRANSPORT */
#include "stress.h"

enum { MESSAGES = 50000, SIZE = 1024, LEFT_KIB = 8192 };

int main (int count, char **values)
{
    static char body[SIZE];
    endpoint_t endpoint;
    start_watchdog ();
    void *context = new_context (), *in = new_socket (context, ZMQ_PULL), *out = new_socket (context, ZMQ_PUSH);
    set_int (in, ZMQ_RCVHWM, 0);
    set_int (out, ZMQ_SNDHWM, 0);
    bind_fresh (in, count > 1 ? values[1] : "inproc", endpoint);
    connect_to (out, endpoint);
    CHECK (zmq_send (out, body, SIZE, 0) == SIZE && zmq_recv (in, body, SIZE, 0) == SIZE);
    long before = memory_kib ();
    stage = "the burst";
    for (int i = 0; i < MESSAGES; i++)
        CHECK (zmq_send (out, body, SIZE, 0) == SIZE);
    long peak = memory_kib ();
    for (int i = 0; i < MESSAGES; i++)
        CHECK (zmq_recv (in, body, SIZE, 0) == SIZE);
    CHECK (zmq_recv (in, body, SIZE, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    /* No call follows: the watchdog ends the wait. */
    stage = "giving memory back";
    while (memory_kib () > before + LEFT_KIB)
        sched_yield ();
    printf ("%s\n", peak > before + LEFT_KIB ? "ok" : "FAILED: no burst");
    close_socket (in);
    close_socket (out);
    end_context (context);
    return peak > before + LEFT_KIB ? 0 : 3;
}
