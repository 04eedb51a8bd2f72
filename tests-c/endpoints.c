/* What zmq_bind, zmq_connect, zmq_unbind and zmq_disconnect answer for well-formed and malformed endpoints, and what
 * ZMQ_LAST_ENDPOINT says afterwards. Manual pages: zmq_bind(3), zmq_connect(3), zmq_unbind(3), zmq_disconnect(3),
 * zmq_tcp(7), zmq_ipc(7), zmq_inproc(7).
 *
 * In the tables %P stands for a free port, %W for the same port plus 65536, %N for it minus 65536, %L for the loopback
 * interface's name and %U for something unique to this process. Left out: host names where libzmq 4.3.4 and 4.3.5
 * differ, and transports that only some builds of libzmq have; without the argument "full" also interfaces' names and the
 * paths for wildcards, which libzmq does otherwise when it was built without asking the system what it has. */
#include "common.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *const endpoints[] = {
    /* No transport, no address, unknown transports. */
    "", "foo", "://", "tcp", "tcp:", "tcp:/", "tcp://", "tcp//127.0.0.1:%P", "tcp:127.0.0.1:%P", "://127.0.0.1:%P",
    "foo://bar", "foo://", "TCP://127.0.0.1:%P", "Tcp://127.0.0.1:%P", " tcp://127.0.0.1:%P", "udp://127.0.0.1:%P",
    "udp://", "socks://127.0.0.1:%P", "vmci://*:%P", "INPROC://a", "IPC://a",
    /* Ports. */
    "tcp:///", "tcp://:", "tcp://*", "tcp://*:", "tcp://*:*", "tcp://*:0", "tcp://*:%P", "tcp://:*", "tcp://:0", "tcp://:%P",
    "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://127.0.0.1:!",
    "tcp://127.0.0.1:%P", "tcp://127.0.0.1:0%P", "tcp://127.0.0.1:+%P", "tcp://127.0.0.1: %P", "tcp://127.0.0.1:%P ",
    "tcp://127.0.0.1:%Pabc", "tcp://127.0.0.1:abc", "tcp://127.0.0.1:%N", "tcp://127.0.0.1:00", "tcp://127.0.0.1:0x1b63",
    "tcp://127.0.0.1:65536", "tcp://127.0.0.1:%W", "tcp://127.0.0.1:%P/",
    /* Hosts. */
    "tcp://127.0.0.1/:%P", "tcp:// 127.0.0.1:%P", "tcp://127.0.0.1 :%P", "tcp://0.0.0.0:%P", "tcp://127.1:%P",
    "tcp://127.0.0.01:%P", "tcp://2130706433:%P", "tcp://0x7f000001:%P", "tcp://%L:%P", "tcp://%L:*",
    "tcp://[%L]:%P", "tcp://nosuch0.invalid:%P", "tcp://a b:%P", "tcp://a@b:%P",
    "tcp://a\xe9:%P", "tcp://a%b:%P",
    /* Brackets and zones. */
    "tcp://[::1]:%P", "tcp://[::1]:*", "tcp://[::1]", "tcp://[::1:%P", "tcp://::1]:%P", "tcp://::1:%P", "tcp://[::1]%P",
    "tcp://[]:%P", "tcp://[*]:%P", "tcp://[::]:%P", "tcp://:::%P", "tcp://[::ffff:127.0.0.1]:%P", "tcp://[127.0.0.1]:%P",
    "tcp://[::1%%L]:%P", "tcp://[::1%0]:%P", "tcp://[::1%]:%P", "tcp://[::1%nosuch]:%P", "tcp://[::1%99]:%P",
    "tcp://127.0.0.1%%L:%P",
    /* Source addresses. */
    "tcp://127.0.0.1:0;127.0.0.1:%P", "tcp://127.0.0.1:*;127.0.0.1:%P", "tcp://*:*;127.0.0.1:%P", "tcp://:0;127.0.0.1:%P",
    "tcp://127.0.0.1;127.0.0.1:%P", "tcp://127.0.0.1:;127.0.0.1:%P", "tcp://%L:0;127.0.0.1:%P",
    "tcp://nosuch0:0;127.0.0.1:%P", "tcp://localhost:0;127.0.0.1:%P", "tcp://127.0.0.1:%W;127.0.0.1:%P",
    "tcp://127.0.0.1:abc;127.0.0.1:%P", "tcp://;127.0.0.1:%P", "tcp://127.0.0.1:0;", "tcp://127.0.0.1:0;127.0.0.1",
    "tcp://127.0.0.1:0;*:%P", "tcp://127.0.0.1:0;127.0.0.1:*", "tcp://127.0.0.1:0;127.0.0.1:%P;127.0.0.1:1",
    "tcp://[::1]:0;[::1]:%P", "tcp://[::1]:0;127.0.0.1:%P", "tcp://127.0.0.1:0;[::1]:%P",
    /* inproc names and ipc paths. */
    "inproc://", "inproc://a", "inproc://*", "inproc:///", "inproc://\xff", "ipc://", "ipc://a.sock", "ipc://*", "ipc://*a",
    "ipc://@", "ipc://@%U", "ipc://@@%U", "ipc:///", "ipc://.", "ipc://nosuch/a.sock", "ipc:///nosuch/a.sock",
    "ipc://blank .sock", "ipc://\xff.sock"};

static char loopback_name[IF_NAMESIZE];
static int full;

/* A port that nobody uses now, outside the range from which the system gives out its own. */
static int free_port (void)
{
    static int last;
    if (!last)
        last = getpid () % 10000;
    for (int tries = 0; tries < 10000; tries++) {
        last = (last + 1) % 10000;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) (20000 + last))};
        int probe = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK (probe != -1);
        int status = bind (probe, (struct sockaddr *) &address, sizeof address);
        close (probe);
        if (status == 0)
            return 20000 + last;
    }
    fail ("no free port");
    return 0;
}

static void find_loopback (void)
{
    struct ifaddrs *list;
    CHECK (getifaddrs (&list) == 0);
    for (struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
        if (entry->ifa_flags & IFF_LOOPBACK && !loopback_name[0])
            snprintf (loopback_name, sizeof loopback_name, "%s", entry->ifa_name);
    freeifaddrs (list);
    CHECK (loopback_name[0]);
}

static int ipv6_works (void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int probe = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int works = probe != -1 && bind (probe, (struct sockaddr *) &address, sizeof address) == 0;
    if (probe != -1)
        close (probe);
    return works;
}

static void expand (const char *pattern, endpoint_t endpoint)
{
    int port = free_port ();
    size_t used = 0;
    while (*pattern) {
        char *to = endpoint + used;
        size_t room = ENDPOINT_SIZE - used;
        char kind = pattern[0] == '%' ? pattern[1] : 0;
        int size;
        if (kind == 'P')
            size = snprintf (to, room, "%d", port);
        else if (kind == 'W')
            size = snprintf (to, room, "%d", port + 65536);
        else if (kind == 'N')
            size = snprintf (to, room, "%d", port - 65536);
        else if (kind == 'L')
            size = snprintf (to, room, "%s", loopback_name);
        else if (kind == 'U')
            size = snprintf (to, room, "monocoque-%d", (int) getpid ());
        else {
            size = snprintf (to, room, "%c", *pattern);
            kind = 0;
        }
        used += (size_t) size;
        CHECK (used < ENDPOINT_SIZE);
        pattern += kind ? 2 : 1;
    }
    endpoint[used] = 0;
}

static const char *outcome (int result)
{
    return result == 0 ? "ok" : error_name (zmq_errno ());
}

/* Prints the last endpoint with its port, if it has one, as PORT; "same" where it is the text that was given. */
static void show_last (const char *given, const char *last)
{
    const char *colon = strrchr (last, ':');
    if (!*last)
        printf (" (none)");
    else if (strcmp (given, last) == 0)
        printf (" (same)");
    else if (strncmp (last, "ipc://", 6) == 0)
        printf (" (ipc, %s)", !full ? "a path" : strcmp (last + strlen (last) - 7, "/socket") == 0 ? "temporary" : "other");
    else
        printf (" (%.*s:%s)", (int) (colon - last), last, atoi (colon + 1) > 0 ? "PORT" : colon + 1);
}

static void show_pattern (const char *pattern)
{
    printf ("  ");
    for (; *pattern; pattern++)
        if ((unsigned char) *pattern < 127)
            putchar (*pattern);
        else
            printf ("\\x%02x", (unsigned char) *pattern);
    printf ("\n");
}

typedef int operation_t (void *socket, const char *endpoint);

static void one_side (void *context, int ipv6, const char *name, operation_t *begin, operation_t *end, const char *pattern)
{
    endpoint_t given, last;
    expand (pattern, given);
    void *socket = new_socket (context, ZMQ_DEALER);
    set_int (socket, ZMQ_IPV6, ipv6);
    printf ("    before %s", outcome (end (socket, given)));
    printf (", %s %s", name, outcome (begin (socket, given)));
    last_endpoint (socket, last);
    show_last (given, last);
    printf (", ended %s", outcome (end (socket, given)));
    if (*last)
        printf (", by last endpoint %s", outcome (end (socket, last)));
    printf ("\n");
    close_socket (socket);
}

static void every_endpoint (int ipv6)
{
    void *context = new_context ();
    for (int i = 0; i < COUNT (endpoints); i++) {
        if (!full && strstr (endpoints[i], "%L"))
            continue;
        show_pattern (endpoints[i]);
        one_side (context, ipv6, "bind", zmq_bind, zmq_unbind, endpoints[i]);
        one_side (context, ipv6, "connect", zmq_connect, zmq_disconnect, endpoints[i]);
    }
    end_context (context);
}

/* The longest names that fit, and one byte more. */
static void lengths (void)
{
    static const struct
    {
        const char *start;
        size_t size;
    } rows[] = {{"ipc://", 113}, {"ipc://", 114}, {"ipc://@", 113}, {"ipc://@", 114}, {"inproc://", 255}};
    void *context = new_context ();
    for (int i = 0; i < COUNT (rows); i++) {
        endpoint_t endpoint;
        memset (endpoint, 'a', sizeof endpoint);
        memcpy (endpoint, rows[i].start, strlen (rows[i].start));
        endpoint[rows[i].size] = 0;
        void *bound = new_socket (context, ZMQ_DEALER), *connected = new_socket (context, ZMQ_DEALER);
        printf ("  %s and %zu bytes in all:", rows[i].start, rows[i].size);
        printf (" bind %s", outcome (zmq_bind (bound, endpoint)));
        printf (", connect %s\n", outcome (zmq_connect (connected, endpoint)));
        close_socket (connected);
        close_socket (bound);
    }
    end_context (context);
}

/* Which spellings of an address find the same bound or connected endpoint again. */
static void spellings (void)
{
    static const char *const others[] = {"tcp://127.0.0.1:0%d", "tcp://127.1:%d", "tcp://127.0.0.1:0;127.0.0.1:%d",
                                         "tcp://*:%d", "tcp://0.0.0.0:%d", "tcp://127.0.0.2:%d"};
    void *context = new_context ();
    for (int connected = 0; connected < 2; connected++)
        for (int i = 0; i < COUNT (others); i++) {
            endpoint_t endpoint, other;
            int port = free_port ();
            snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
            snprintf (other, sizeof other, others[i], port);
            void *socket = new_socket (context, ZMQ_DEALER);
            CHECK ((connected ? zmq_connect : zmq_bind) (socket, endpoint) == 0);
            printf ("  %s 127.0.0.1, ended as %s:", connected ? "connect" : "bind", others[i]);
            printf (" %s\n", outcome ((connected ? zmq_disconnect : zmq_unbind) (socket, other)));
            close_socket (socket);
        }
    end_context (context);
}

/* Twice the same endpoint, the wrong way to end one, and ending one twice. */
static void repetitions (const char *transport)
{
    part ("Repetitions over %s", transport);
    void *context = new_context ();
    endpoint_t endpoint;
    void *socket = new_socket (context, ZMQ_DEALER), *other = new_socket (context, ZMQ_DEALER);
    bind_fresh (socket, transport, endpoint);
    SHOW (zmq_bind (socket, endpoint));
    SHOW (zmq_bind (other, endpoint));
    SHOW (zmq_connect (other, endpoint));
    SHOW (zmq_disconnect (other, endpoint));
    SHOW (zmq_disconnect (other, endpoint));
    SHOW (zmq_unbind (socket, endpoint));
    close_socket (other);
    close_socket (socket);
    end_context (context);
}

static const char *kind_of (const char *path)
{
    struct stat status;
    if (lstat (path, &status) != 0)
        return "nothing";
    return S_ISSOCK (status.st_mode) ? "a socket" : S_ISREG (status.st_mode) ? "a file" : "something else";
}

/* Addresses that no interface here has: RFC 5737 and RFC 3849 keep them for documentation. */
static void foreign_addresses (void)
{
    void *context = new_context ();
    void *socket = new_socket (context, ZMQ_DEALER);
    SHOW (zmq_bind (socket, "tcp://203.0.113.1:*"));
    SHOW (zmq_bind (socket, "tcp://[2001:db8::1]:*"));
    if (ipv6_works ()) {
        set_int (socket, ZMQ_IPV6, 1);
        SHOW (zmq_bind (socket, "tcp://[2001:db8::1]:*"));
    }
    close_socket (socket);
    end_context (context);
}

/* What a bind does with a file that is there, and what is left of it. */
static void files (void)
{
    void *context = new_context ();
    FILE *file = fopen ("files.sock", "w");
    CHECK (file && fclose (file) == 0);
    CHECK (symlink ("nowhere", "link.sock") == 0);
    void *socket = new_socket (context, ZMQ_DEALER);
    SHOW (zmq_bind (socket, "ipc://files.sock"));
    SHOW (zmq_bind (socket, "ipc://link.sock"));
    printf ("  bound over a file: %s; over a link: %s\n", kind_of ("files.sock"), kind_of ("link.sock"));
    endpoint_t temporary;
    CHECK (zmq_bind (socket, "ipc://*") == 0);
    last_endpoint (socket, temporary);
    printf ("  a wildcard's path: %s\n", kind_of (temporary + strlen ("ipc://")));
    close_socket (socket);
    end_context (context);
    printf ("  afterwards: %s\n", kind_of ("files.sock"));
    if (full) {
        printf ("  the wildcard's path: %s\n", kind_of (temporary + strlen ("ipc://")));
        *strrchr (temporary, '/') = 0;
        printf ("  the wildcard's directory: %s\n", kind_of (temporary + strlen ("ipc://")));
    }
    unlink ("files.sock");
    unlink ("link.sock");
}

int main (int count, char **arguments)
{
    full = count > 1 && strcmp (arguments[1], "full") == 0;
    char directory[] = "/tmp/endpointsXXXXXX";
    CHECK (mkdtemp (directory) && chdir (directory) == 0);
    /* Some hosts are looked up: without a name server that answers, each should cost little. */
    CHECK (setenv ("RES_OPTIONS", "timeout:1 attempts:1", 1) == 0);
    find_loopback ();
    part ("Endpoints without ZMQ_IPV6");
    every_endpoint (0);
    if (ipv6_works ()) {
        part ("Endpoints with ZMQ_IPV6");
        every_endpoint (1);
    }
    part ("Foreign addresses");
    foreign_addresses ();
    part ("Lengths");
    lengths ();
    part ("Spellings");
    spellings ();
    for (int i = 0; i < COUNT (transports); i++)
        repetitions (transports[i]);
    part ("Files");
    files ();
    CHECK (chdir ("/") == 0);
    endpoint_t command;
    snprintf (command, sizeof command, "rm -rf %s", directory);
    CHECK (system (command) == 0);
    return 0;
}
