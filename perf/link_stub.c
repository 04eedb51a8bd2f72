/* Stands in for any libzmq while the benchmarks are linked, so that the programs need `libzmq.so.5` by name and belong
 * to neither library. It is never mapped: the runner fails when a program reports any file but the one it was given. */
#define STUB(name)        \
    void name (void);     \
    void name (void)      \
    {                     \
    }

STUB (zmq_bind)
STUB (zmq_close)
STUB (zmq_connect)
STUB (zmq_ctx_new)
STUB (zmq_ctx_set)
STUB (zmq_ctx_shutdown)
STUB (zmq_ctx_term)
STUB (zmq_errno)
STUB (zmq_getsockopt)
STUB (zmq_msg_close)
STUB (zmq_msg_data)
STUB (zmq_msg_init)
STUB (zmq_msg_init_size)
STUB (zmq_msg_more)
STUB (zmq_msg_recv)
STUB (zmq_msg_send)
STUB (zmq_poll)
STUB (zmq_proxy)
STUB (zmq_recv)
STUB (zmq_send)
STUB (zmq_setsockopt)
STUB (zmq_socket)
STUB (zmq_strerror)
