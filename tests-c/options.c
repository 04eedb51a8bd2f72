/* Walks every option number from 0 to 130 over the twelve socket types, lengths and values, and prints what the library
 * answers: one line for each number and kind of probe, or one for each group of socket types that answer alike.
 *
 * Run on two libraries, the output must be equal. Options whose answer depends on how the library was built (security
 * mechanisms, SOCKS) are left out unless the argument "all" is given; so are numbers of other draft options than a stable libzmq takes. The
 * filters of ipc peers, which libzmq has only when it was built asking the system for them, come with "full" or "all". */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { TYPES = 12, LAST_NUMBER = 130, LINE = 8192 };

static const char *const type_names[TYPES] = {"PAIR", "PUB",  "SUB",  "REQ",  "REP", "DEALER",
                                              "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"};
static const int of_other_builds[] = {ZMQ_PLAIN_SERVER, ZMQ_PLAIN_USERNAME, ZMQ_PLAIN_PASSWORD,
                                      ZMQ_CURVE_SERVER, ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVERKEY,
                                      ZMQ_ZAP_DOMAIN, ZMQ_GSSAPI_SERVER, ZMQ_GSSAPI_PRINCIPAL,
                                      ZMQ_GSSAPI_SERVICE_PRINCIPAL, ZMQ_GSSAPI_PLAINTEXT, ZMQ_SOCKS_PROXY,
                                      ZMQ_GSSAPI_PRINCIPAL_NAMETYPE,
                                      ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE};
/* Drafts that a stable libzmq takes: LOOPBACK_FASTPATH, METADATA, MULTICAST_LOOP, XPUB_MANUAL_LAST_VALUE, ONLY_FIRST_SUBSCRIBE and
 * RECONNECT_STOP. */
static const int drafts[] = {94, 95, 96, 98, 108, 109};
static const int numbers[] = {INT_MIN, -1000, -2, -1, 0, 1, 2, 3, 4, 5, 63, 64, 99, 100, 128, 255, 256,
                              65535, 65536, 6553599, 6553600, INT_MAX};
static const int64_t long_numbers[] = {INT64_MIN, -2, -1, 0, 1, 4, 100, INT64_C(1) << 32, INT64_MAX};
static const size_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 14, 15, 16, 17, 31, 32, 33, 40, 41, 254, 255, 256, 257};
static const char *const texts[] = {"127.0.0.1", "127.0.0.0/8", "::1", "::1/64", "127.0.0.1/33", "/8", "lo", "a b"};

static void *context;
static char lines[TYPES][LINE];
static int current;

static void append(const char *format, long long number)
{
    size_t used = strlen(lines[current]);
    snprintf(lines[current] + used, LINE - used, format, number);
}

/* Prints what was collected: one line when every socket type answered alike, else one for each group. A new context
 * follows, because closed sockets count against its limit until they are gone. */
static void print_groups(const char *kind, int option)
{
    int done[TYPES] = {0};
    for (int first = 0; first < TYPES; first++) {
        if (done[first])
            continue;
        char names[256] = "";
        int count = 0;
        for (int other = first; other < TYPES; other++) {
            if (strcmp(lines[first], lines[other]) != 0)
                continue;
            done[other] = 1;
            count++;
            strcat(strcat(names, count > 1 ? "," : ""), type_names[other]);
        }
        printf("%d %s %s:%s\n", option, kind, count == TYPES ? "all" : names, lines[first]);
    }
    memset(lines, 0, sizeof lines);
    zmq_ctx_term(context);
    context = zmq_ctx_new();
}

static void *open_socket(void)
{
    void *socket = zmq_socket(context, current);
    if (!socket) {
        printf("zmq_socket(%s): %s\n", type_names[current], zmq_strerror(errno));
        exit(1);
    }
    return socket;
}

/* Reads the option into a buffer of the given length and appends the result, a long value as its length and first byte. */
static void append_value(void *socket, int option, size_t length)
{
    unsigned char buffer[600];
    memset(buffer, 0xEE, sizeof buffer);
    size_t returned = length;
    if (zmq_getsockopt(socket, option, buffer, &returned) != 0) {
        append("E%lld", errno);
        return;
    }
    append("%lld[", (long long)returned);
    if (option == ZMQ_FD)
        append("fd", 0);
    else
        for (size_t at = 0; at < returned && at < 16; at++)
            append("%02llx", buffer[at]);
    append("]", 0);
    for (size_t at = length > returned ? length : returned; at < sizeof buffer; at++)
        if (buffer[at] != 0xEE) {
            append("!past the end at %lld!", (long long)at);
            break;
        }
}

/* Reads the option with the length that it takes: that of an int, of a 64-bit integer, or a large one. */
static void append_reading(void *socket, int option)
{
    static const size_t sizes[] = {4, 8};
    unsigned char buffer[8];
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        size_t length = sizes[at];
        if (zmq_getsockopt(socket, option, buffer, &length) == 0) {
            append_value(socket, option, sizes[at]);
            return;
        }
    }
    append_value(socket, option, 512);
}

static void probe(int option, const void *value, size_t length)
{
    void *socket = open_socket();
    errno = 0;
    if (zmq_setsockopt(socket, option, value, length) != 0) {
        append("E%lld", errno);
    } else {
        append("ok=", 0);
        append_reading(socket, option);
    }
    zmq_close(socket);
}

static void probe_reading(int option)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 32, 40, 41, 255, 256, 512};
    for (current = 0; current < TYPES; current++) {
        void *socket = open_socket();
        for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
            append(" %lld:", (long long)sizes[at]);
            append_value(socket, option, sizes[at]);
        }
        zmq_close(socket);
    }
    print_groups("read", option);
}

static void probe_numbers(int option)
{
    for (current = 0; current < TYPES; current++)
        for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
            append(" %lld:", numbers[at]);
            probe(option, &numbers[at], sizeof(int));
        }
    print_groups("int", option);
    for (current = 0; current < TYPES; current++)
        for (size_t at = 0; at < sizeof long_numbers / sizeof *long_numbers; at++) {
            append(" %lld:", (long long)long_numbers[at]);
            probe(option, &long_numbers[at], sizeof(int64_t));
        }
    print_groups("int64", option);
}

static void probe_bytes(int option, int fill)
{
    char buffer[300];
    memset(buffer, fill, sizeof buffer);
    for (current = 0; current < TYPES; current++) {
        append(" NULL:", 0);
        probe(option, NULL, 0);
        append(" 0:", 0);
        probe(option, buffer, 0);
        for (size_t at = 0; at < sizeof lengths / sizeof *lengths; at++) {
            append(" %lld:", (long long)lengths[at]);
            probe(option, buffer, lengths[at]);
        }
    }
    print_groups(fill ? "bytes" : "zeros", option);
}

static void probe_texts(int option)
{
    for (current = 0; current < TYPES; current++)
        for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
            append(" text %lld:", (long long)at);
            probe(option, texts[at], strlen(texts[at]));
            append(" with NUL:", 0);
            probe(option, texts[at], strlen(texts[at]) + 1);
            append(" with more:", 0);
            probe(option, "lo\0lo", 5);
        }
    print_groups("texts", option);
}

static int is_left_out(int option, int full)
{
    if (!full && option >= ZMQ_IPC_FILTER_PID && option <= ZMQ_IPC_FILTER_GID)
        return 1;
    for (size_t at = 0; at < sizeof of_other_builds / sizeof *of_other_builds; at++)
        if (option == of_other_builds[at])
            return 1;
    for (size_t at = 0; at < sizeof drafts / sizeof *drafts; at++)
        if (option == drafts[at])
            return 0;
    return option > ZMQ_BINDTODEVICE;
}

static void set_and_print(void *socket, int option, const void *value, size_t length, const char *what)
{
    errno = 0;
    int result = zmq_setsockopt(socket, option, value, length);
    printf("%d = %s: %d, errno %d\n", option, what, result, result ? errno : 0);
}

static void set_number(void *socket, int option, int value)
{
    char what[16];
    snprintf(what, sizeof what, "%d", value);
    set_and_print(socket, option, &value, sizeof value, what);
}

static void set_text(void *socket, int option, const char *text)
{
    set_and_print(socket, option, text, strlen(text), text);
}

/* Reads the option with every length up to the given one, which shows where a buffer becomes too short. */
static void read_and_print(void *socket, int option, size_t longest)
{
    for (size_t length = longest > 16 ? 0 : longest; length <= longest; length++)
        append_value(socket, option, length);
    printf("%d reads%s\n", option, lines[current]);
    *lines[current] = 0;
}

/* Numbers that stand for nothing: they are refused by every type, to set and to read. */
static void check_unknown_numbers(void)
{
    static const int unknown[] = {INT_MIN, -1000, -2, -1, 0, 1, 2, 3, 10, 20, 26, 29, 30, 67, 70, 82, 83, 125, 130, 131, 200, 1000, INT_MAX};
    char buffer[512] = "1234567";
    static const size_t sizes[] = {0, 4, 8, 32};
    for (size_t at = 0; at < sizeof unknown / sizeof *unknown; at++)
        for (current = 0; current < TYPES; current++) {
            void *socket = open_socket();
            for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
                size_t length = sizeof buffer;
                errno = 0;
                if (zmq_setsockopt(socket, unknown[at], buffer, sizes[size]) == 0 || errno != EINVAL)
                    printf("%d set on %s: errno %d\n", unknown[at], type_names[current], errno);
                if (zmq_getsockopt(socket, unknown[at], buffer, &length) == 0 || errno != EINVAL)
                    printf("%d read on %s: errno %d\n", unknown[at], type_names[current], errno);
            }
            zmq_close(socket);
        }
    zmq_ctx_term(context);
    context = zmq_ctx_new();
}

/* Every option keeps what is set on a socket that has endpoints: it reads back, whether or not it counts for those. */
static void check_after_endpoints(void)
{
    static const int ints[][2] = {{ZMQ_SNDBUF, 5000}, {ZMQ_RCVBUF, 6000}, {ZMQ_LINGER, 7}, {ZMQ_RECONNECT_IVL, 8}, {ZMQ_BACKLOG, 9},
                                  {ZMQ_RECONNECT_IVL_MAX, 10}, {ZMQ_SNDHWM, 11}, {ZMQ_RCVHWM, 12}, {ZMQ_RCVTIMEO, 13},
                                  {ZMQ_SNDTIMEO, 14}, {ZMQ_TCP_KEEPALIVE, 1}, {ZMQ_TCP_KEEPALIVE_CNT, 15},
                                  {ZMQ_TCP_KEEPALIVE_IDLE, 16}, {ZMQ_TCP_KEEPALIVE_INTVL, 17}, {ZMQ_IMMEDIATE, 1}, {ZMQ_IPV6, 1},
                                  {ZMQ_CONFLATE, 1}, {ZMQ_TOS, 18}, {ZMQ_HANDSHAKE_IVL, 19}, {ZMQ_INVERT_MATCHING, 1},
                                  {ZMQ_HEARTBEAT_IVL, 20}, {ZMQ_HEARTBEAT_TTL, 2100}, {ZMQ_HEARTBEAT_TIMEOUT, 22},
                                  {ZMQ_CONNECT_TIMEOUT, 23}, {ZMQ_TCP_MAXRT, 24}, {ZMQ_MULTICAST_HOPS, 25}, {ZMQ_RATE, 26},
                                  {ZMQ_RECOVERY_IVL, 27}, {ZMQ_MULTICAST_MAXTPDU, 28}, {ZMQ_USE_FD, 1000}};
    for (current = 0; current < TYPES; current++) {
        void *socket = open_socket();
        printf("%s with endpoints:", type_names[current]);
        if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0 || zmq_bind(socket, "inproc://endpoints") != 0)
            printf(" errno %d", errno);
        for (size_t at = 0; at < sizeof ints / sizeof *ints; at++) {
            int value = -77;
            size_t length = sizeof value;
            if (zmq_setsockopt(socket, ints[at][0], &ints[at][1], sizeof(int)) != 0)
                printf(" %d: errno %d", ints[at][0], errno);
            zmq_getsockopt(socket, ints[at][0], &value, &length);
            printf(" %d=%d", ints[at][0], value);
        }
        printf("\n");
        zmq_close(socket);
        zmq_ctx_term(context);
        context = zmq_ctx_new();
    }
}

/* A value that was set stays when a later one is refused, and some options show in others. */
static void check_sequences(void)
{
    current = ZMQ_ROUTER;
    void *socket = open_socket();
    set_number(socket, ZMQ_LINGER, 5);
    set_number(socket, ZMQ_LINGER, -2);
    read_and_print(socket, ZMQ_LINGER, 4);
    set_number(socket, ZMQ_IPV6, 1);
    read_and_print(socket, ZMQ_IPV4ONLY, 4);
    set_number(socket, ZMQ_IPV4ONLY, 1);
    read_and_print(socket, ZMQ_IPV6, 4);
    set_number(socket, ZMQ_HEARTBEAT_IVL, 1000);
    read_and_print(socket, ZMQ_HEARTBEAT_TIMEOUT, 4);
    set_number(socket, ZMQ_RECONNECT_IVL_MAX, 1);
    read_and_print(socket, ZMQ_RECONNECT_IVL, 4);
    set_number(socket, ZMQ_CONFLATE, 1);
    read_and_print(socket, ZMQ_SNDHWM, 4);
    set_text(socket, ZMQ_ROUTING_ID, "hello");
    set_text(socket, ZMQ_ROUTING_ID, "");
    read_and_print(socket, ZMQ_ROUTING_ID, 20);
    set_text(socket, ZMQ_BINDTODEVICE, "lo");
    read_and_print(socket, ZMQ_BINDTODEVICE, 20);
    set_and_print(socket, ZMQ_BINDTODEVICE, NULL, 0, "NULL");
    read_and_print(socket, ZMQ_BINDTODEVICE, 20);
    printf("bind: %d\n", zmq_bind(socket, "inproc://sequences"));
    read_and_print(socket, ZMQ_LAST_ENDPOINT, 20);
    zmq_close(socket);
}

/* Networks that ZMQ_TCP_ACCEPT_FILTER takes, without and with IPv6, which decides what an address may be. Left out is what
 * docs/compatibility.md lists as different: shortened addresses, zones, and lengths with something around the number. */
static void check_accept_filters(void)
{
    static const char *const filters[] = {
        "127.0.0.1", "127.0.0.1/32", "127.0.0.1/0", "127.0.0.1/08", "127.0.0.1/+8", "127.0.0.1/", "127.0.0.1/-1",
        "127.0.0.1/x", "127.0.0.1/0x8", "127.0.0.1/8/8", "127.0.0.1/129", "127.0.0.1/4294967297", "127.0.0.1:80",
        "127.0.0.1:80/8", " 127.0.0.1", "127.0.0.300", "*", "", "/", "::", "::1", "[::1]", "::1/0", "::1/128", "::1/129",
        "[::1]/64", "::ffff:127.0.0.1"};
    current = ZMQ_ROUTER;
    for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
        void *socket = open_socket();
        set_number(socket, ZMQ_IPV6, ipv6);
        for (size_t at = 0; at < sizeof filters / sizeof *filters; at++)
            set_text(socket, ZMQ_TCP_ACCEPT_FILTER, filters[at]);
        set_and_print(socket, ZMQ_TCP_ACCEPT_FILTER, NULL, 0, "NULL");
        zmq_close(socket);
    }
}

/* An XPUB, and as it turns out a PUB, takes subscriptions from its owner under ZMQ_XPUB_MANUAL alone. */
static void check_manual_subscriptions(void)
{
    static const int types[] = {ZMQ_PUB, ZMQ_XPUB};
    for (size_t at = 0; at < 2; at++) {
        current = types[at];
        printf("%s\n", type_names[current]);
        void *socket = open_socket();
        set_text(socket, ZMQ_SUBSCRIBE, "a");
        set_number(socket, ZMQ_XPUB_MANUAL, 1);
        set_text(socket, ZMQ_SUBSCRIBE, "a");
        set_text(socket, ZMQ_UNSUBSCRIBE, "a");
        set_text(socket, ZMQ_SUBSCRIBE, "");
        set_number(socket, ZMQ_XPUB_MANUAL, 0);
        set_text(socket, ZMQ_UNSUBSCRIBE, "");
        zmq_close(socket);
    }
}

int main(int count, char **arguments)
{
    int all = count > 1 && strcmp(arguments[1], "all") == 0;
    int full = count > 1 && strcmp(arguments[1], "full") == 0;
    context = zmq_ctx_new();
    for (int option = 0; option <= LAST_NUMBER; option++) {
        if (!all && is_left_out(option, full))
            continue;
        probe_reading(option);
        probe_numbers(option);
        probe_bytes(option, 'a');
        probe_bytes(option, 0);
        probe_texts(option);
        fflush(stdout);
    }
    check_unknown_numbers();
    check_after_endpoints();
    check_sequences();
    check_accept_filters();
    check_manual_subscriptions();
    zmq_ctx_term(context);
    return 0;
}
