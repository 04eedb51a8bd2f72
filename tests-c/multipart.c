/* Messages of several parts: atomic, RCVMORE, truncation by zmq_recv, sendiov and recviov (zmq_send(3), zmq_recv(3)). */
#include "common.h"

#include <sys/uio.h>

static void *context;

static void atomic_delivery (const char *transport)
{
    part ("nothing is delivered before the last part, over %s", transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    void *other = new_socket (context, ZMQ_PUSH);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    connect_and_wait (context, pull, push, endpoint);
    connect_and_wait (context, pull, other, endpoint);
    for (int i = 0; i < 10; i++)
        CHECK (zmq_send (push, "part", 4, ZMQ_SNDMORE) == 4);
    /* What another peer sent after the parts arrives: they would have as well. */
    put (other, "whole");
    show_message ("pull", pull, 0);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    SHOW (ready (pull, ZMQ_POLLIN));
    SHOW (zmq_send (push, "last", 4, 0));
    show_message ("pull", pull, 0);
    part ("messages of several peers are not mixed, over %s", transport);
    for (int i = 0; i < 50; i++) {
        put (push, "1|2|3|4|5");
        put (other, "a|b|c");
    }
    for (int i = 0; i < 100; i++) {
        char text[8], next[8];
        take (pull, text, sizeof text);
        char last = text[0] == '1' ? '5' : 'c';
        while (int_option (pull, ZMQ_RCVMORE)) {
            take (pull, next, sizeof next);
            CHECK (next[0] == text[0] + 1);
            text[0] = next[0];
        }
        CHECK (text[0] == last);
    }
    part ("an unfinished message is dropped with its sender, over %s", transport);
    CHECK (zmq_send (push, "unfinished", 10, ZMQ_SNDMORE) == 10);
    close_socket (push);
    put (other, "whole");
    show_message ("pull", pull, 0);
    SHOW (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    close_socket (other);
    close_socket (pull);
}

static void rotation (void)
{
    part ("a whole message goes to one peer");
    void *push = new_socket (context, ZMQ_PUSH), *pull[2];
    endpoint_t endpoint;
    for (int i = 0; i < 2; i++) {
        pull[i] = new_socket (context, ZMQ_PULL);
        bind_fresh (pull[i], "inproc", endpoint);
        connect_to (push, endpoint);
    }
    put (push, "1|2|3");
    put (push, "4|5");
    put (push, "6|7|8|9");
    show_message ("first", pull[0], 0);
    show_message ("first", pull[0], 0);
    show_message ("second", pull[1], 0);
    close_socket (push);
    close_socket (pull[0]);
    close_socket (pull[1]);
}

static void more (const char *transport)
{
    part ("RCVMORE over %s", transport);
    void *one = new_socket (context, ZMQ_PAIR), *two = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (one, transport, endpoint);
    connect_to (two, endpoint);
    SHOW (int_option (two, ZMQ_RCVMORE));
    put (one, "a||c");
    put (one, "d");
    for (int i = 0; i < 4; i++) {
        char text[8];
        SHOW (take (two, text, sizeof text));
        SHOW (int_option (two, ZMQ_RCVMORE));
        SHOW (int_option (one, ZMQ_RCVMORE));
    }
    int value = 1;
    SHOW (zmq_setsockopt (two, ZMQ_RCVMORE, &value, sizeof value));
    part ("truncation over %s", transport);
    put (one, "a long part|another long part|short");
    char buffer[32] = "...............";
    SHOW (zmq_recv (two, buffer, 6, 0));
    printf ("  %s\n", buffer);
    SHOW (zmq_recv (two, NULL, 0, 0));
    SHOW (zmq_recv (two, buffer, sizeof buffer, 0));
    SHOW (int_option (two, ZMQ_RCVMORE));
    part ("flags that are not known over %s", transport);
    SHOW (zmq_send (one, "x", 1, 4));
    SHOW (zmq_send (one, "x", 1, 1 << 20));
    SHOW (zmq_recv (two, buffer, 8, ZMQ_SNDMORE));
    SHOW (zmq_recv (two, buffer, 8, 1 << 20));
    SHOW (zmq_send (one, NULL, 0, 0));
    SHOW (zmq_recv (two, buffer, 8, 0));
    close_socket (one);
    close_socket (two);
}

static void large (const char *transport)
{
    part ("many and large parts over %s", transport);
    void *push = new_socket (context, ZMQ_PUSH), *pull = new_socket (context, ZMQ_PULL);
    endpoint_t endpoint;
    bind_fresh (pull, transport, endpoint);
    connect_to (push, endpoint);
    static const size_t sizes[] = {0, 1, 254, 255, 256, 257, 8190, 8191, 8192, 8193, 65535, 65536, 1048576, 3};
    for (int i = 0; i < COUNT (sizes); i++) {
        zmq_msg_t message;
        CHECK (zmq_msg_init_size (&message, sizes[i]) == 0);
        unsigned char *data = zmq_msg_data (&message);
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = (unsigned char) (k * 13 + k / 256);
        CHECK (zmq_msg_send (&message, push, i + 1 < COUNT (sizes) ? ZMQ_SNDMORE : 0) == (int) sizes[i]);
    }
    show_message ("pull", pull, 0);
    for (int i = 0; i < 5000; i++)
        CHECK (zmq_send (push, &i, sizeof i, i < 4999 ? ZMQ_SNDMORE : 0) == sizeof i);
    for (int i = 0, number; i < 5000; i++) {
        CHECK (zmq_recv (pull, &number, sizeof number, 0) == sizeof number);
        CHECK (number == i && int_option (pull, ZMQ_RCVMORE) == (i < 4999));
    }
    printf ("  5000 parts\n");
    close_socket (push);
    close_socket (pull);
}

static void vectors (void)
{
    part ("sendiov and recviov");
    void *one = new_socket (context, ZMQ_PAIR), *two = new_socket (context, ZMQ_PAIR);
    endpoint_t endpoint;
    bind_fresh (one, "inproc", endpoint);
    connect_to (two, endpoint);
    char text[] = "onetwo";
    struct iovec out[] = {{text, 3}, {text + 3, 3}, {text, 0}};
    printf ("  without SNDMORE, messages of their own\n");
    SHOW (zmq_sendiov (one, out, 3, 0));
    for (int i = 0; i < 3; i++)
        show_message ("two", two, 0);
    printf ("  with SNDMORE, the parts of one message, which ends with the last\n");
    SHOW (zmq_sendiov (one, out, 3, ZMQ_SNDMORE));
    show_message ("two", two, 0);
    SHOW (zmq_sendiov (one, out, 0, 0));
    SHOW (zmq_sendiov (one, NULL, 1, 0));
    SHOW (zmq_sendiov (NULL, out, 1, 0));
    put (one, "alpha|beta||gamma");
    struct iovec in[8] = {{0}};
    size_t count = 8;
    SHOW (zmq_recviov (two, in, &count, 0));
    SHOW (count);
    for (size_t i = 0; i < count; i++) {
        printf ("  [%.*s]\n", (int) in[i].iov_len, (char *) in[i].iov_base);
        free (in[i].iov_base);
    }
    put (one, "alpha|beta|gamma");
    count = 2;
    SHOW (zmq_recviov (two, in, &count, 0));
    SHOW (count);
    for (size_t i = 0; i < count; i++) {
        printf ("  [%.*s]\n", (int) in[i].iov_len, (char *) in[i].iov_base);
        free (in[i].iov_base);
    }
    count = 8;
    SHOW (zmq_recviov (two, in, &count, 0));
    SHOW (count);
    free (in[0].iov_base);
    count = 8;
    SHOW (zmq_recviov (two, in, &count, ZMQ_DONTWAIT));
    count = 0;
    SHOW (zmq_recviov (two, in, &count, ZMQ_DONTWAIT));
    SHOW (zmq_recviov (NULL, in, &count, 0));
    close_socket (one);
    close_socket (two);
    part ("sendmsg and recvmsg");
    one = new_socket (context, ZMQ_PAIR);
    two = new_socket (context, ZMQ_PAIR);
    bind_fresh (one, "inproc", endpoint);
    connect_to (two, endpoint);
    zmq_msg_t message;
    zmq_msg_init_size (&message, 7);
    memcpy (zmq_msg_data (&message), "message", 7);
    SHOW (zmq_sendmsg (one, &message, 0));
    SHOW (zmq_msg_size (&message));
    SHOW (zmq_recvmsg (two, &message, 0));
    SHOW (zmq_msg_size (&message));
    SHOW (zmq_recvmsg (two, &message, ZMQ_DONTWAIT));
    SHOW (zmq_sendmsg (NULL, &message, 0));
    SHOW (zmq_recvmsg (NULL, &message, 0));
    zmq_msg_close (&message);
    close_socket (one);
    close_socket (two);
}

int main (void)
{
    context = new_context ();
    for (int i = 0; i < COUNT (transports); i++) {
        atomic_delivery (transports[i]);
        more (transports[i]);
        large (transports[i]);
    }
    rotation ();
    vectors ();
    end_context (context);
    return 0;
}
