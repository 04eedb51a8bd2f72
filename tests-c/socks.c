/* Connections through a SOCKS 5 proxy (zmq_setsockopt(3), ZMQ_SOCKS_PROXY; RFC 1928, RFC 1929): what the proxy is asked, what its
 * answers lead to, with every event, and messages through a proxy that forwards them.
 *
 * The reference library cannot end a socket whose attempt has failed before the next one begins (it aborts). So here the next attempt
 * is always waited for; what can only fail comes last, and stays open when the program ends. A proxy that is silent, or asked for a
 * name of more than 255 bytes, is left to tests/stress/socks.c. */
#include "events.h"

#define SOCKS_USERNAME 99
#define SOCKS_PASSWORD 100
#define RECONNECT_STOP 109
#define GREETING "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define READY "\4\x29\5READY\xbSocket-Type\0\0\0\6ROUTER\x8Identity\0\0\0\0"
#define CONNECTED "\5\0\0\1\x7f\0\0\1\x12\x34"
enum { OFFER = 3, CONNECTED_SIZE = 10 };

static void *context;

/* A socket of ours that is to connect through a proxy which this program plays. */
struct side
{
    endpoint_t proxy; /* as events name it */
    int listener;
    void *socket, *monitor;
};

static struct side new_side (void)
{
    struct side side;
    side.listener = raw_listen (side.proxy);
    side.socket = new_socket (context, ZMQ_DEALER);
    side.monitor = open_monitor (context, side.socket, ZMQ_EVENT_ALL);
    set_int (side.socket, ZMQ_LINGER, 0);
    set_int (side.socket, ZMQ_RECONNECT_IVL, 10);
    set_text (side.socket, ZMQ_SOCKS_PROXY, side.proxy + strlen ("tcp://"));
    return side;
}

static void end_side (struct side *side, int peer)
{
    CHECK (zmq_socket_monitor (side->socket, NULL, 0) == 0);
    wait_for_event (side->monitor, ZMQ_EVENT_MONITOR_STOPPED);
    close_socket (side->monitor);
    close_socket (side->socket);
    show_ending ("closed:", peer);
    close (side->listener);
}

/* Prints so many bytes that the proxy receives. */
static void show_heard (const char *label, int fd, size_t size)
{
    unsigned char data[1024];
    CHECK (size <= sizeof data && raw_read (fd, data, size) == size);
    printf ("  %s \"", label);
    print_bytes (data, size);
    printf ("\"\n");
    fflush (stdout);
}

static void requests (void)
{
    static const char *const addresses[] = {
        "127.0.0.1:80", "127.1:80", "0x7f.1:80", "4294967295:80", "0.0.0.0:80", "[127.0.0.1]:80", "[::1]:80", "::1:80", "[::]:80",
        "[::ffff:1.2.3.4]:80", "[fe80::1%lo]:80", "[fe80::1%nosuch]:80", "[::1%lo]:80", "some.name.invalid:80", "localhost:80", "Name.:80",
        "lo:80", "h*st:80", "127.0.0.1.:80", "[name]:80", "[name%lo]:80", "a:b:80", "[::1:80", ":80", "[]:80", "name:65535", "name:72547",
        "name:080", "name:80abc", "name:99999999999999999999"};
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        for (int i = 0; i < COUNT (addresses); i++) {
            if (ipv6 && i % 4 != 2)
                continue;
            endpoint_t endpoint;
            snprintf (endpoint, sizeof endpoint, "tcp://%s", addresses[i]);
            part ("request for %s%s", endpoint, ipv6 ? " with IPv6" : "");
            struct side side = new_side ();
            set_int (side.socket, ZMQ_IPV6, ipv6);
            connect_to (side.socket, endpoint);
            int peer = raw_accept (side.listener);
            show_heard ("offer", peer, OFFER);
            raw_write (peer, "\5\0", 2);
            unsigned char head[5];
            CHECK (raw_read (peer, head, sizeof head) == sizeof head);
            printf ("  request \"");
            print_bytes (head, sizeof head);
            printf ("\"\n");
            size_t rest = head[3] == 1 ? 3 : head[3] == 4 ? 15 : head[4];
            show_heard ("then", peer, rest + 2);
            show_next ("events", side.monitor, side.proxy);
            end_side (&side, peer);
        }
    part ("request for a name of 225 bytes");
    endpoint_t endpoint;
    snprintf (endpoint, sizeof endpoint, "tcp://n%0224d:80", 7);
    struct side side = new_side ();
    connect_to (side.socket, endpoint);
    int peer = raw_accept (side.listener);
    raw_write (peer, "\5\0", 2);
    show_heard ("all", peer, OFFER + 5 + 225 + 2);
    end_side (&side, peer);
}

static void credentials (void)
{
    static const char longest[256] = "\1";
    static const struct
    {
        const char *username, *password;
        size_t username_size, password_size;
        char method;
    } cases[] = {{"me", "secret", 2, 6, 2},   {"me", NULL, 2, 0, 2},      {NULL, "secret", 0, 6, 0}, {"", "secret", 0, 6, 0},
                 {"a\0b", "\0p\0", 3, 3, 2},  {"me", "", 2, 0, 2},        {"me", "secret", 2, 6, 0}, {NULL, NULL, 0, 0, 2},
                 {NULL, "secret", 0, 6, 2},   {longest, longest, 255, 255, 2}};
    for (int i = 0; i < COUNT (cases); i++) {
        part ("name of %zu bytes, password of %zu, method %d", cases[i].username_size, cases[i].password_size, cases[i].method);
        struct side side = new_side ();
        if (cases[i].username)
            SHOW (zmq_setsockopt (side.socket, SOCKS_USERNAME, cases[i].username, cases[i].username_size));
        if (cases[i].password)
            SHOW (zmq_setsockopt (side.socket, SOCKS_PASSWORD, cases[i].password, cases[i].password_size));
        connect_to (side.socket, "tcp://127.0.0.1:80");
        int peer = raw_accept (side.listener);
        show_heard ("offer", peer, OFFER);
        char answer[2] = {5, cases[i].method};
        raw_write (peer, answer, sizeof answer);
        if (cases[i].method == 2) {
            show_heard ("credentials", peer, 3 + cases[i].username_size + (cases[i].username ? cases[i].password_size : 0));
            raw_write (peer, "\1\0", 2);
        }
        show_heard ("request", peer, CONNECTED_SIZE);
        show_quiet ("the proxy's side is", peer);
        end_side (&side, peer);
    }
}

/* What the proxy says to each message that it hears, until the attempt has failed. */
struct script
{
    const char *name;
    size_t sizes[3];
    const char *answers[3];
    int has_username;
};
#define SAYS(text) sizeof (text) - 1
#define OPENING(name, first) {name, {SAYS (first)}, {first}, 0}
#define REPLY(name, reply) {name, {SAYS ("\5\0"), SAYS (reply)}, {"\5\0", reply}, 0}
#define ADMISSION(name, answer) {name, {SAYS ("\5\2"), SAYS (answer)}, {"\5\2", answer}, 1}

static void failures (void)
{
    static const struct script scripts[] = {
        OPENING ("leaves at once", ""), OPENING ("leaves in its first answer", "\5"), OPENING ("takes no method", "\5\xff"),
        OPENING ("takes method 1", "\5\1"), OPENING ("takes method 128", "\5\x80"), OPENING ("speaks version 4", "\4\0"),
        OPENING ("speaks version 0", "\0\0"), OPENING ("speaks HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n"),
        REPLY ("leaves before its reply", ""), REPLY ("leaves in its reply", "\5\0\0\1\x7f\0\0\1\x12"),
        REPLY ("leaves in a long reply", "\5\0\0\3\xff"), REPLY ("replies 1", "\5\1\0\1\0\0\0\0\0\0"),
        REPLY ("replies 2", "\5\2\0\1\0\0\0\0\0\0"), REPLY ("replies 3", "\5\3\0\1\0\0\0\0\0\0"),
        REPLY ("replies 4", "\5\4\0\1\0\0\0\0\0\0"), REPLY ("replies 5", "\5\5\0\1\0\0\0\0\0\0"),
        REPLY ("replies 6", "\5\6\0\1\0\0\0\0\0\0"), REPLY ("replies 7", "\5\7\0\1\0\0\0\0\0\0"),
        REPLY ("replies 8", "\5\x8\0\1\0\0\0\0\0\0"), REPLY ("replies 9", "\5\x9\0\1\0\0\0\0\0\0"),
        REPLY ("replies 255", "\5\xff\0\1\0\0\0\0\0\0"), REPLY ("replies 5 with a name", "\5\5\0\3\4name\0\0"),
        REPLY ("replies in version 4", "\4\0\0\1\0\0\0\0\0\0"), REPLY ("replies with a reserved octet", "\5\0\1\1\0\0\0\0\0\0"),
        REPLY ("replies with address type 0", "\5\0\0\0\0\0\0\0\0\0"), REPLY ("replies with address type 2", "\5\0\0\2\0\0\0\0\0\0"),
        ADMISSION ("leaves when it hears the password", ""), ADMISSION ("leaves in that answer", "\1"),
        ADMISSION ("admits nobody", "\1\1"), ADMISSION ("admits nobody with 255", "\1\xff"),
        ADMISSION ("admits in version 5", "\5\0"), ADMISSION ("admits in version 0", "\0\0")};
    for (int i = 0; i < COUNT (scripts); i++) {
        const struct script *script = &scripts[i];
        part ("a proxy that %s", script->name);
        struct side side = new_side ();
        if (script->has_username)
            set_text (side.socket, SOCKS_USERNAME, "me");
        connect_to (side.socket, "tcp://127.0.0.1:80");
        int peer = raw_accept (side.listener);
        unsigned char heard[16];
        size_t expected = OFFER;
        for (int step = 0; script->answers[step]; step++) {
            CHECK (raw_read (peer, heard, expected) == expected);
            raw_write (peer, script->answers[step], script->sizes[step]);
            expected = script->has_username ? 5 : CONNECTED_SIZE;
        }
        if (strncmp (script->name, "leaves", 6) == 0)
            CHECK (shutdown (peer, SHUT_WR) == 0);
        show_up_to ("events", side.monitor, side.proxy, ZMQ_EVENT_CONNECT_RETRIED);
        show_next ("again", side.monitor, side.proxy);
        int next = raw_accept (side.listener);
        show_heard ("offer", next, OFFER);
        show_ending ("before:", peer);
        end_side (&side, next);
    }
}

/* The reply comes in one piece with what follows it, which belongs to the connection, or in pieces. */
static void successes (void)
{
    static const struct
    {
        const char *name, *bytes;
        size_t size, reply;
    } cases[] = {{"an IPv4 address", CONNECTED GREETING READY, SAYS (CONNECTED GREETING READY), CONNECTED_SIZE},
                 {"an IPv6 address", "\5\0\0\4" "0123456789abcdef" "\x12\x34" GREETING READY,
                  SAYS ("\5\0\0\4" "0123456789abcdef" "\x12\x34" GREETING READY), 22},
                 {"a name", "\5\0\0\3\4name\x12\x34" GREETING READY, SAYS ("\5\0\0\3\4name\x12\x34" GREETING READY), 11},
                 {"an empty name", "\5\0\0\3\0\x12\x34" GREETING READY, SAYS ("\5\0\0\3\0\x12\x34" GREETING READY), 7}};
    for (int i = 0; i < COUNT (cases); i++)
        for (int pieces = 0; pieces < 2; pieces++) {
            part ("a reply with %s, %s", cases[i].name, pieces ? "byte by byte" : "in one piece with what follows");
            struct side side = new_side ();
            connect_to (side.socket, "tcp://127.0.0.1:80");
            int peer = raw_accept (side.listener);
            size_t done = 0;
            unsigned char heard[CONNECTED_SIZE];
            CHECK (raw_read (peer, heard, OFFER) == OFFER);
            raw_write (peer, "\5", 1);
            show_next ("events", side.monitor, side.proxy);
            show_no_event ("early", side.monitor, side.proxy);
            raw_write (peer, "\0", 1);
            CHECK (raw_read (peer, heard, CONNECTED_SIZE) == CONNECTED_SIZE);
            for (; pieces && done < cases[i].reply - 1; done++)
                raw_write (peer, cases[i].bytes + done, 1);
            show_no_event ("early", side.monitor, side.proxy);
            if (pieces) {
                /* The reference library takes what follows for part of a reply that came in pieces. */
                raw_write (peer, cases[i].bytes + done++, 1);
                show_next ("events", side.monitor, side.proxy);
            }
            raw_write (peer, cases[i].bytes + done, cases[i].size - done);
            show_up_to ("events", side.monitor, side.proxy, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            raw_write (peer, "\0\2hi", 4);
            show_message ("received", side.socket, 0);
            CHECK (zmq_disconnect (side.socket, "tcp://127.0.0.1:80") == 0);
            CHECK (zmq_socket_monitor (side.socket, NULL, 0) == 0);
            wait_for_event (side.monitor, ZMQ_EVENT_MONITOR_STOPPED);
            close_socket (side.monitor);
            close_socket (side.socket);
            while (raw_read (peer, heard, 1) == 1)
                ;
            CHECK (close (peer) == 0 && close (side.listener) == 0);
        }
}

/* The proxy of the next parts: a thread that takes one connection after the other, and forwards each to the port that it asks for. */
struct forwarder
{
    int listener;
    atomic_int stops, cuts, ended;
    pthread_t thread;
    endpoint_t endpoint;
};

static int to_port (const unsigned char *port)
{
    endpoint_t endpoint;
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port[0] << 8 | port[1]);
    return raw_connect (endpoint);
}

/* To and fro, until either side ends or the program wants the connection cut. */
static void pump (struct forwarder *proxy, int first, int second)
{
    struct pollfd ends[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    static char data[65536];
    while (!atomic_load (&proxy->stops) && !atomic_exchange (&proxy->cuts, 0)) {
        if (poll (ends, 2, 5) == -1)
            continue;
        for (int i = 0; i < 2; i++)
            if (ends[i].revents) {
                ssize_t size = recv (ends[i].fd, data, sizeof data, 0);
                if (size <= 0 || send (ends[!i].fd, data, (size_t) size, MSG_NOSIGNAL) != size)
                    return;
            }
    }
}

static void *forward (void *argument)
{
    struct forwarder *proxy = argument;
    while (!atomic_load (&proxy->stops)) {
        unsigned char request[300];
        if (!raw_readable (proxy->listener, 5))
            continue;
        int client = accept4 (proxy->listener, NULL, NULL, SOCK_CLOEXEC);
        size_t size = 5;
        if (raw_read (client, request, OFFER) == OFFER) {
            raw_write (client, "\5\0", 2);
            if (raw_read (client, request, size) == size) {
                size += request[3] == 1 ? 5 : request[3] == 4 ? 17 : request[4] + 2u;
                CHECK (raw_read (client, request + 5, size - 5) == size - 5);
                int server = to_port (request + size - 2);
                raw_write (client, CONNECTED, CONNECTED_SIZE);
                pump (proxy, client, server);
                close (server);
            }
        }
        close (client);
        atomic_fetch_add (&proxy->ended, 1);
    }
    return NULL;
}

/* Waits until so many connections have ended. A client's side is to end first: the reference library cannot end a socket that has just
 * lost its connection. */
static void wait_for_ends (struct forwarder *proxy, int count)
{
    while (atomic_load (&proxy->ended) < count)
        poll (NULL, 0, 1);
}

static void start_forwarder (struct forwarder *proxy)
{
    memset (proxy, 0, sizeof *proxy);
    proxy->listener = raw_listen (proxy->endpoint);
    proxy->thread = start (forward, proxy);
}

static void stop_forwarder (struct forwarder *proxy)
{
    atomic_store (&proxy->stops, 1);
    join (proxy->thread);
    close (proxy->listener);
}

static const char *proxy_option (const struct forwarder *proxy)
{
    return proxy->endpoint + strlen ("tcp://");
}

/* The endpoint for peers behind the proxy, under a name that only the proxy knows. */
static void behind (const char *endpoint, const char *host, endpoint_t named)
{
    snprintf (named, ENDPOINT_SIZE, "tcp://%s%s", host, strrchr (endpoint, ':'));
}

static void pairs_of_types (void)
{
    static const int types[][2] = {{ZMQ_DEALER, ZMQ_ROUTER}, {ZMQ_REQ, ZMQ_REP},   {ZMQ_PUSH, ZMQ_PULL},
                                   {ZMQ_XPUB, ZMQ_SUB},      {ZMQ_SUB, ZMQ_XPUB}, {ZMQ_PAIR, ZMQ_PAIR}};
    static const char *const hosts[] = {"some.name.invalid", "127.0.0.1", "[::1]"};
    for (int i = 0; i < COUNT (types); i++)
        for (int host = 0; host < COUNT (hosts); host++) {
            part ("%s to %s through a proxy, as %s", type_name (types[i][0]), type_name (types[i][1]), hosts[host]);
            struct forwarder proxy;
            start_forwarder (&proxy);
            endpoint_t bound, named;
            void *client = new_socket (context, types[i][0]), *server = new_socket (context, types[i][1]);
            void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
            int first_sends = types[i][0] != ZMQ_SUB;
            void *sender = first_sends ? client : server, *receiver = first_sends ? server : client;
            if (types[i][0] == ZMQ_SUB || types[i][1] == ZMQ_SUB)
                CHECK (zmq_setsockopt (receiver, ZMQ_SUBSCRIBE, "", 0) == 0);
            set_text (client, ZMQ_SOCKS_PROXY, proxy_option (&proxy));
            bind_fresh (server, "tcp", bound);
            behind (bound, hosts[host], named);
            connect_to (client, named);
            last_endpoint (client, bound);
            printf ("  last endpoint is %s\n", strcmp (bound, named) == 0 ? "the peer's" : bound);
            show_up_to ("client", monitor, proxy.endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            if (types[i][0] == ZMQ_SUB || types[i][1] == ZMQ_SUB) {
                wait_driving (sender, ZMQ_POLLIN, receiver);
                show_message ("subscription", sender, 0);
            }
            put (sender, "first|second");
            zmq_msg_t message;
            CHECK (zmq_msg_init (&message) == 0 && zmq_msg_recv (&message, receiver, 0) >= 0);
            printf ("  from %s\n", zmq_msg_gets (&message, "Peer-Address"));
            while (zmq_msg_more (&message))
                CHECK (zmq_msg_recv (&message, receiver, 0) >= 0);
            printf ("  last part \"%.*s\"\n", (int) zmq_msg_size (&message), (char *) zmq_msg_data (&message));
            CHECK (zmq_msg_close (&message) == 0);
            SHOW (zmq_disconnect (client, named));
            CHECK (zmq_socket_monitor (client, NULL, 0) == 0);
            wait_for_event (monitor, ZMQ_EVENT_MONITOR_STOPPED);
            close_socket (monitor);
            close_socket (client);
            wait_for_ends (&proxy, 1);
            close_socket (server);
            stop_forwarder (&proxy);
        }
}

/* The proxy ends a connection: the next one goes through it as well, and messages sent meanwhile arrive. */
static void reconnection (void)
{
    part ("a proxy that cuts a connection");
    struct forwarder proxy;
    start_forwarder (&proxy);
    endpoint_t bound, named;
    void *client = new_socket (context, ZMQ_DEALER), *server = new_socket (context, ZMQ_DEALER);
    void *monitor = open_monitor (context, client, ZMQ_EVENT_ALL);
    set_text (client, ZMQ_SOCKS_PROXY, proxy_option (&proxy));
    bind_fresh (server, "tcp", bound);
    behind (bound, "peer.invalid", named);
    connect_to (client, named);
    put (client, "before");
    show_message ("received", server, 0);
    for (int round = 0; round < 2; round++) {
        atomic_store (&proxy.cuts, 1);
        show_up_to ("client", monitor, proxy.endpoint, ZMQ_EVENT_CONNECT_RETRIED);
        put (client, "meanwhile");
        show_message ("received", server, 0);
        show_up_to ("client", monitor, proxy.endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    }
    CHECK (zmq_socket_monitor (client, NULL, 0) == 0);
    wait_for_event (monitor, ZMQ_EVENT_MONITOR_STOPPED);
    close_socket (monitor);
    close_socket (client);
    wait_for_ends (&proxy, 3);
    close_socket (server);
    stop_forwarder (&proxy);
}

/* Which endpoints go through the proxy: those of tcp that are connected while the option is set. */
static void scope (void)
{
    part ("binds, ipc, inproc, and endpoints that are connected before and after");
    struct forwarder proxy;
    start_forwarder (&proxy);
    endpoint_t endpoint;
    for (int i = 0; i < COUNT (transports); i++) {
        void *server = new_socket (context, ZMQ_PAIR), *client = new_socket (context, ZMQ_PAIR);
        set_text (server, ZMQ_SOCKS_PROXY, "no proxy");
        if (strcmp (transports[i], "tcp") != 0)
            set_text (client, ZMQ_SOCKS_PROXY, "no proxy");
        bind_fresh (server, transports[i], endpoint);
        connect_to (client, endpoint);
        set_text (client, ZMQ_SOCKS_PROXY, "another");
        put (client, transports[i]);
        show_message ("received", server, 0);
        close_socket (client);
        close_socket (server);
    }
    void *server = new_socket (context, ZMQ_ROUTER);
    bind_fresh (server, "tcp", endpoint);
    for (int clears = 0; clears < 2; clears++) {
        void *client = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        set_text (client, ZMQ_SOCKS_PROXY, proxy_option (&proxy));
        if (clears)
            CHECK (zmq_setsockopt (client, ZMQ_SOCKS_PROXY, NULL, 0) == 0);
        connect_to (client, endpoint);
        show_next (clears ? "cleared" : "set", monitor, clears ? endpoint : proxy.endpoint);
        close_monitor (client, monitor);
        close_socket (client);
    }
    wait_for_ends (&proxy, 1);
    close_socket (server);
    stop_forwarder (&proxy);
}

/* How the proxy may be named, and from where it sees us come. */
static void names_of_proxies (void)
{
    static const char *const forms[] = {"127.0.0.1:%s", "[127.0.0.1]:%s", "127.1:%s", "localhost:%s", "127.0.0.1:%sabc", "127.0.0.1:%s ",
                                        "127.0.0.2:0;127.0.0.1:%s"};
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        for (int i = 0; i < COUNT (forms); i++) {
            if (ipv6 && strchr (forms[i], ';'))
                continue;
            part ("the proxy as \"%s\"%s", forms[i], ipv6 ? " with IPv6" : "");
            struct side side = new_side ();
            endpoint_t text, endpoint;
            snprintf (text, sizeof text, forms[i], strrchr (side.proxy, ':') + 1);
            snprintf (endpoint, sizeof endpoint, "tcp://%.200s", text);
            CHECK (zmq_setsockopt (side.socket, ZMQ_SOCKS_PROXY, text, strlen (text)) == 0);
            set_int (side.socket, ZMQ_IPV6, ipv6);
            connect_to (side.socket, "tcp://127.0.0.1:80");
            int peer = raw_accept (side.listener);
            struct sockaddr_in address;
            socklen_t size = sizeof address;
            CHECK (getpeername (peer, (struct sockaddr *) &address, &size) == 0);
            printf ("  from %s\n", inet_ntoa (address.sin_addr));
            show_heard ("offer", peer, OFFER);
            if (!ipv6 || !strstr (text, "localhost"))
                show_next ("events", side.monitor, endpoint);
            end_side (&side, peer);
        }
    static const char *const others[] = {"x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:*", "127.0.0.1:port", "127.0.0.1:65536", "*:80", ":80",
                                         "lo:80", "tcp://127.0.0.1:80", "[::1]:80", "nosuch name:80", "a@127.0.0.1:80", " 127.0.0.1:80"};
    for (int i = 0; i < COUNT (others); i++) {
        part ("the proxy as \"%s\"", others[i]);
        void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
        set_int (socket, ZMQ_RECONNECT_IVL, 10);
        set_text (socket, ZMQ_SOCKS_PROXY, others[i]);
        SHOW (zmq_connect (socket, "tcp://127.0.0.1:80"));
        show_next ("first", monitor, "");
        show_next ("second", monitor, "");
        SHOW (zmq_disconnect (socket, "tcp://127.0.0.1:80"));
        CHECK (zmq_socket_monitor (socket, NULL, 0) == 0);
        wait_for_event (monitor, ZMQ_EVENT_MONITOR_STOPPED);
        close_socket (monitor);
        close_socket (socket);
    }
}

/* Nobody is at the proxy's address, or it cannot be asked for that port: attempts that can only fail, for as long as the program runs. */
static void hopeless (void)
{
    static const char *const addresses[] = {"127.0.0.1:80", "name:0", "name:00", "name:65536"};
    endpoint_t unbound = "";
    int held = raw_bind (unbound);
    for (int i = 0; i < COUNT (addresses); i++)
        for (int reconnects = 0; reconnects < 2; reconnects++) {
            part ("%s with %s, %s", addresses[i], i ? "a proxy" : "nobody as the proxy", reconnects ? "again and again" : "once");
            endpoint_t endpoint, proxy;
            void *socket = new_socket (context, ZMQ_DEALER), *monitor = open_monitor (context, socket, ZMQ_EVENT_ALL);
            int listener = i ? raw_listen (proxy) : -1;
            if (!i)
                strcpy (proxy, unbound);
            set_text (socket, ZMQ_SOCKS_PROXY, proxy + strlen ("tcp://"));
            set_int (socket, ZMQ_RECONNECT_IVL, reconnects ? 10 : -1);
            set_int (socket, RECONNECT_STOP, 1);
            snprintf (endpoint, sizeof endpoint, "tcp://%s", addresses[i]);
            connect_to (socket, endpoint);
            for (int attempt = 0; attempt <= reconnects; attempt++) {
                if (i)
                    raw_write (raw_accept (listener), "\5\0", 2);
                show_up_to (attempt ? "second" : "first", monitor, proxy, ZMQ_EVENT_CLOSED);
            }
            if (reconnects)
                show_next ("then", monitor, proxy);
            else
                show_no_event ("second", monitor, proxy);
        }
    close (held);
}

int main (void)
{
    context = new_context ();
    requests ();
    credentials ();
    failures ();
    successes ();
    pairs_of_types ();
    reconnection ();
    scope ();
    names_of_proxies ();
    hopeless ();
    fflush (stdout);
    _exit (0);
}
