/* What the options that are meant for the system come to (zmq_setsockopt(3), zmq_tcp(7), tcp(7), ip(7)): the program finds the
 * library's descriptors among its own, a listener, the accepted end and the connecting end, and asks the kernel. Options count for
 * endpoints that are bound and connected later; what was there before keeps what it has.
 * With the argument "full" also keep-alive and ZMQ_BINDTODEVICE, which libzmq has only where it was built asking the system
 * for them. */
#include "common.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { DESCRIPTORS = 256 };

static void *context;

/* Reading the kernel ---------------------------------------------------------------------------------------------------------- */

static int number_of (int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt (fd, level, name, &value, &size) == 0 ? value : -errno;
}

static int is_stream (int fd)
{
    return number_of (fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
}

static int is_listener (int fd)
{
    return is_stream (fd) && number_of (fd, SOL_SOCKET, SO_ACCEPTCONN) == 1;
}

/* The port of an internet socket's own end or of its peer, 0 for none. */
static int port_of (int fd, int (*end) (int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (end (fd, (struct sockaddr *) &address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs (((struct sockaddr_in *) &address)->sin_port);
    return address.ss_family == AF_INET6 ? ntohs (((struct sockaddr_in6 *) &address)->sin6_port) : 0;
}

static int port_in (const char *endpoint)
{
    return atoi (strrchr (endpoint, ':') + 1);
}

/* The descriptor that listens at the port; that of the accepted end; that of the connecting end. */
static int find (const char *endpoint, const char *which)
{
    int port = port_in (endpoint);
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
        if (!is_stream (fd))
            continue;
        int own = port_of (fd, getsockname), peer = port_of (fd, getpeername);
        if (is_listener (fd) ? *which == 'l' && own == port
                             : (*which == 'a' && own == port && peer) || (*which == 'c' && peer == port))
            return fd;
    }
    fail (which);
    return -1;
}

static void show (const char *endpoint, const char *which)
{
    int fd = find (endpoint, which);
    char device[32] = "";
    socklen_t size = sizeof device;
    CHECK (getsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size) == 0);
    printf ("  %s: family %d, nodelay %d, reuse %d, tos %d, class %d, only IPv6 %d, device '%s', close on exec %d\n",
            which, number_of (fd, SOL_SOCKET, SO_DOMAIN), number_of (fd, IPPROTO_TCP, TCP_NODELAY),
            number_of (fd, SOL_SOCKET, SO_REUSEADDR), number_of (fd, IPPROTO_IP, IP_TOS),
            number_of (fd, IPPROTO_IPV6, IPV6_TCLASS), number_of (fd, IPPROTO_IPV6, IPV6_V6ONLY), device,
            fcntl (fd, F_GETFD) & FD_CLOEXEC);
    printf ("    keepalive %d, count %d, idle %d, interval %d, user timeout %d, priority %d, linger %d\n",
            number_of (fd, SOL_SOCKET, SO_KEEPALIVE), number_of (fd, IPPROTO_TCP, TCP_KEEPCNT),
            number_of (fd, IPPROTO_TCP, TCP_KEEPIDLE), number_of (fd, IPPROTO_TCP, TCP_KEEPINTVL),
            number_of (fd, IPPROTO_TCP, TCP_USER_TIMEOUT), number_of (fd, SOL_SOCKET, SO_PRIORITY),
            number_of (fd, SOL_SOCKET, SO_LINGER));
}

static void show_buffers (const char *endpoint, const char *which)
{
    int fd = find (endpoint, which);
    printf ("  %s: send buffer %d, receive buffer %d\n", which, number_of (fd, SOL_SOCKET, SO_SNDBUF),
            number_of (fd, SOL_SOCKET, SO_RCVBUF));
}

/* Connections ------------------------------------------------------------------------------------------------------------------ */

struct setting
{
    int option, value;
};

static void set_all (void *socket, const struct setting *settings)
{
    for (; settings->option; settings++)
        set_int (socket, settings->option, settings->value);
}

/* A connection between two sockets, both with the settings; `later` is set when it stands, and when the listener does. */
static void pair_with (const char *headline, const char *address, const struct setting *settings, const struct setting *later)
{
    part ("%s", headline);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    set_all (server, settings);
    set_all (client, settings);
    CHECK (zmq_bind (server, address) == 0);
    last_endpoint (server, endpoint);
    if (later)
        set_all (server, later);
    connect_and_wait (context, server, client, endpoint);
    if (later)
        set_all (client, later);
    put (client, "there");
    show_message ("received", server, 0);
    int buffers = 0;
    for (; settings->option; settings++)
        buffers |= settings->option == ZMQ_SNDBUF || settings->option == ZMQ_RCVBUF;
    static const char *const all[] = {"listener", "accepted", "connecting"};
    for (int i = 0; i < COUNT (all); i++) {
        show (endpoint, all[i]);
        if (buffers)
            show_buffers (endpoint, all[i]);
    }
    close_socket (client);
    close_socket (server);
    end_context (context);
    context = new_context ();
}

#define IPV4 "tcp://127.0.0.1:*"
#define IPV6 "tcp://[::1]:*"

static void pairs (void)
{
    static const struct setting none[] = {{0, 0}};
    static const struct setting service[] = {{ZMQ_TOS, 0x48}, {0, 0}};
    static const struct setting large_service[] = {{ZMQ_TOS, 0x1234}, {0, 0}};
    static const struct setting ipv6[] = {{ZMQ_IPV6, 1}, {0, 0}};
    static const struct setting service6[] = {{ZMQ_IPV6, 1}, {ZMQ_TOS, 0x48}, {0, 0}};
    static const struct setting patience[] = {{ZMQ_TCP_MAXRT, 4321}, {0, 0}};
    static const struct setting buffers[] = {{ZMQ_SNDBUF, 50000}, {ZMQ_RCVBUF, 60000}, {0, 0}};
    static const struct setting no_buffers[] = {{ZMQ_SNDBUF, 0}, {ZMQ_RCVBUF, 0}, {0, 0}};
    pair_with ("nothing set", IPV4, none, NULL);
    pair_with ("type of service", IPV4, service, NULL);
    pair_with ("type of service of more than eight bits", IPV4, large_service, NULL);
    pair_with ("IPv6", IPV6, ipv6, NULL);
    pair_with ("IPv6 and IPv4", "tcp://127.0.0.1:*", ipv6, NULL);
    pair_with ("type of service over IPv6", IPV6, service6, NULL);
    pair_with ("how long to transmit again", IPV4, patience, NULL);
    pair_with ("buffers", IPV4, buffers, NULL);
    pair_with ("the smallest buffers", IPV4, no_buffers, NULL);
}

static void keep_alive (void)
{
    static const struct setting none[] = {{0, 0}};
    static const struct setting alive[] = {{ZMQ_TCP_KEEPALIVE, 1}, {0, 0}};
    static const struct setting alive_how[] = {{ZMQ_TCP_KEEPALIVE, 1},
                                               {ZMQ_TCP_KEEPALIVE_CNT, 7},
                                               {ZMQ_TCP_KEEPALIVE_IDLE, 77},
                                               {ZMQ_TCP_KEEPALIVE_INTVL, 17},
                                               {0, 0}};
    static const struct setting not_alive[] = {{ZMQ_TCP_KEEPALIVE, 0}, {ZMQ_TCP_KEEPALIVE_CNT, 7}, {0, 0}};
    static const struct setting only_how[] = {{ZMQ_TCP_KEEPALIVE_CNT, 7}, {ZMQ_TCP_KEEPALIVE_IDLE, 77}, {0, 0}};
    pair_with ("keep-alive", IPV4, alive, NULL);
    pair_with ("keep-alive with its times", IPV4, alive_how, NULL);
    pair_with ("no keep-alive", IPV4, not_alive, NULL);
    pair_with ("only the times of keep-alive", IPV4, only_how, NULL);
    static const struct setting many[] = {{ZMQ_TOS, 0x48},   {ZMQ_TCP_KEEPALIVE, 1}, {ZMQ_TCP_KEEPALIVE_CNT, 7}, {ZMQ_TCP_MAXRT, 4321},
                                          {ZMQ_SNDBUF, 50000}, {ZMQ_RCVBUF, 60000},    {0, 0}};
    static const struct setting others[] = {{ZMQ_TOS, 0x20},   {ZMQ_TCP_KEEPALIVE, 0}, {ZMQ_TCP_MAXRT, 1},
                                            {ZMQ_SNDBUF, 30000}, {ZMQ_RCVBUF, 30000},    {0, 0}};
    pair_with ("set after the bind and after the connect", IPV4, none, many);
    pair_with ("changed after the bind and after the connect", IPV4, many, others);
}

/* How many connections may wait: TCP_INFO of a listener tells. */
static void backlog (void)
{
    part ("the length of the queue of connections");
    static const int lengths[] = {-1, 0, 1, 7, 100};
    for (int i = 0; i < COUNT (lengths); i++) {
        void *socket = new_socket (context, ZMQ_DEALER);
        endpoint_t endpoint;
        if (lengths[i] >= 0)
            set_int (socket, ZMQ_BACKLOG, lengths[i]);
        bind_fresh (socket, "tcp", endpoint);
        set_int (socket, ZMQ_BACKLOG, 50);
        struct tcp_info info;
        socklen_t size = sizeof info;
        CHECK (getsockopt (find (endpoint, "listener"), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
        printf ("  %d: %u\n", lengths[i], info.tcpi_sacked);
        close_socket (socket);
    }
}

/* ZMQ_BINDTODEVICE names an interface: for the listener, the connecting end, both, and one that there is not. */
static void device (const char *server_device, const char *client_device)
{
    part ("device '%s', connecting from '%s'", server_device, client_device);
    void *server = new_socket (context, ZMQ_DEALER), *client = new_socket (context, ZMQ_DEALER);
    endpoint_t endpoint;
    if (*server_device)
        set_text (server, ZMQ_BINDTODEVICE, server_device);
    if (*client_device)
        set_text (client, ZMQ_BINDTODEVICE, client_device);
    if (SHOW (zmq_bind (server, "tcp://127.0.0.1:*")) == 0) {
        last_endpoint (server, endpoint);
        void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
        SHOW (zmq_connect (client, endpoint));
        int event;
        do {
            event = next_event (monitor, NULL, NULL);
            printf ("  %s\n", event_name (event));
        } while (event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED && event != ZMQ_EVENT_CONNECT_RETRIED);
        show (endpoint, "listener");
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            show (endpoint, "accepted");
            show (endpoint, "connecting");
        }
        close_monitor (client, monitor);
    }
    close_socket (client);
    close_socket (server);
    end_context (context);
    context = new_context ();
}

int main (int count, char **arguments)
{
    context = new_context ();
    pairs ();
    backlog ();
    if (count > 1 && strcmp (arguments[1], "full") == 0) {
        keep_alive ();
        device ("lo", "");
        device ("lo", "lo");
        device ("", "lo");
        device ("", "absent0");
        device ("absent0", "");
    }
    end_context (context);
    return 0;
}
