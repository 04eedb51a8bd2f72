/* Options of the security mechanisms in zmq_setsockopt(3) and zmq_getsockopt(3): which values and lengths they take and give, which
 * mechanism the socket has after each, and the key tools zmq_curve_keypair(3) and zmq_curve_public(3).
 *
 * Keys and tools need CURVE: they come with the argument "full". So do the options that some builds of libzmq lack. */
#include "security.h"

#ifndef ZMQ_SOCKS_USERNAME
#define ZMQ_SOCKS_USERNAME 99
#define ZMQ_SOCKS_PASSWORD 100
#endif

static void *context;
static void *fresh;

struct option
{
    int number;
    const char *name;
};
#define OPTION(name) {name, #name}

static void new_one (void)
{
    if (fresh)
        close_socket (fresh);
    fresh = new_socket (context, ZMQ_DEALER);
}

/* Starts anew: closed sockets count against a context's limit until they are gone. */
static void new_row (void)
{
    close_socket (fresh);
    fresh = NULL;
    end_context (context);
    context = new_context ();
}

static void set (const struct option *option, const char *what, const void *value, size_t size)
{
    int rc = zmq_setsockopt (fresh, option->number, value, size), error = zmq_errno ();
    printf ("  %s := %s (%zu): %s, mechanism %d\n", option->name, what, size, rc == 0 ? "0" : error_name (error), int_option (fresh, ZMQ_MECHANISM));
}

/* Reads with that much room, and prints what was written of it and what was not. */
static void get (const struct option *option, size_t room)
{
    unsigned char data[600];
    memset (data, 0x5a, sizeof data);
    size_t size = room;
    int rc = zmq_getsockopt (fresh, option->number, data, &size);
    size_t written = sizeof data;
    while (written > 0 && data[written - 1] == 0x5a)
        written--;
    printf ("  %s in %zu: %s, size %zu, ", option->name, room, rc == 0 ? "0" : error_name (zmq_errno ()), size);
    if (rc != 0)
        printf ("%s\n", written ? "something written" : "nothing written");
    else {
        print_bytes (data, size);
        printf ("%s\n", written > size ? ", more written" : "");
    }
}

static void texts (const struct option *option)
{
    static const size_t rooms[] = {0, 1, 3, 4, 255, 256, 257, 600};
    char text[1001];
    memset (text, 'a', sizeof text);
    part ("%s", option->name);
    new_one ();
    for (int i = 0; i < COUNT (rooms); i++)
        get (option, rooms[i]);
    set (option, "abc", "abc", 3);
    for (int i = 0; i < COUNT (rooms); i++)
        get (option, rooms[i]);
    set (option, "a nul b", "a\0b", 3);
    get (option, 256);
    set (option, "abc nul", "abc", 4);
    get (option, 256);
    static const size_t lengths[] = {1, 254, 255, 256, 257, 1000};
    for (int i = 0; i < COUNT (lengths); i++) {
        set (option, "aaa", text, lengths[i]);
        get (option, 256);
        get (option, 257);
    }
    set (option, "abc", "abc", 3);
    set (option, "nothing", "", 0);
    get (option, 256);
    set (option, "abc", "abc", 3);
    set (option, "NULL", NULL, 0);
    get (option, 256);
}

static void numbers (const struct option *option)
{
    static const int values[] = {1, 0, 2, 3, -1, 1};
    part ("%s", option->name);
    new_one ();
    for (size_t room = 3; room <= 8; room++)
        get (option, room);
    for (int i = 0; i < COUNT (values); i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", values[i]);
        set (option, text, &values[i], sizeof values[i]);
        get (option, sizeof (int));
    }
    set (option, "short", &values[0], 3);
    set (option, "long", &(int64_t){1}, 8);
    set (option, "NULL", NULL, 0);
}

/* The last that was set decides, and clears what the others had decided. */
static void orders (int full)
{
    static const int one = 1, zero = 0;
    static const char key[32] = "01234567890123456789012345678901";
    static const struct
    {
        struct option option;
        const char *what;
        const void *value;
        size_t size;
    } steps[] = {{OPTION (ZMQ_PLAIN_SERVER), "1", &one, 4},
                 {OPTION (ZMQ_PLAIN_SERVER), "0", &zero, 4},
                 {OPTION (ZMQ_PLAIN_USERNAME), "u", "u", 1},
                 {OPTION (ZMQ_PLAIN_PASSWORD), "p", "p", 1},
                 {OPTION (ZMQ_PLAIN_USERNAME), "NULL", NULL, 0},
                 {OPTION (ZMQ_PLAIN_PASSWORD), "NULL", NULL, 0},
                 {OPTION (ZMQ_ZAP_DOMAIN), "d", "d", 1},
                 {OPTION (ZMQ_CURVE_SERVER), "1", &one, 4},
                 {OPTION (ZMQ_CURVE_SERVER), "0", &zero, 4},
                 {OPTION (ZMQ_CURVE_SERVERKEY), "key", key, 32},
                 {OPTION (ZMQ_CURVE_PUBLICKEY), "key", key, 32},
                 {OPTION (ZMQ_CURVE_SECRETKEY), "key", key, 32}};
    static const struct option servers[] = {OPTION (ZMQ_PLAIN_SERVER), OPTION (ZMQ_CURVE_SERVER)};
    int count = full ? COUNT (steps) : 7;
    part ("pairs");
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            new_one ();
            set (&steps[i].option, steps[i].what, steps[i].value, steps[i].size);
            set (&steps[j].option, steps[j].what, steps[j].value, steps[j].size);
            for (int k = 0; k < 1 + full; k++)
                printf ("    %s %d\n", servers[k].name, int_option (fresh, servers[k].number));
        }
    part ("three");
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            for (int k = 0; k < count; k++) {
                new_one ();
                int order[] = {i, j, k};
                for (int n = 0; n < 3; n++)
                    CHECK (zmq_setsockopt (fresh, steps[order[n]].option.number, steps[order[n]].value, steps[order[n]].size) == 0);
                printf (" %d%d%d", int_option (fresh, ZMQ_MECHANISM), int_option (fresh, ZMQ_PLAIN_SERVER), full ? int_option (fresh, ZMQ_CURVE_SERVER) : 0);
                if (k + 1 == count) {
                    printf ("\n");
                    new_row ();
                }
            }
    new_one ();
}

static void keys (const struct option *option)
{
    static const size_t rooms[] = {0, 1, 31, 32, 33, 39, 40, 41, 42, 256};
    part ("%s", option->name);
    new_one ();
    char text[256] = CLIENT_PUBLIC, binary[32];
    for (int i = 0; i < 32; i++)
        binary[i] = (char) (i * 8 + 1);
    for (int i = 0; i < COUNT (rooms); i++)
        get (option, rooms[i]);
    set (option, "Z85", text, 40);
    for (int i = 0; i < COUNT (rooms); i++)
        get (option, rooms[i]);
    set (option, "binary", binary, 32);
    get (option, 32);
    get (option, 41);
    for (int i = 0; i < COUNT (rooms); i++)
        set (option, "of Z85", text, rooms[i]);
    static const struct
    {
        const char *what;
        int place;
        char value;
    } faults[] = {{"a quote", 3, '"'}, {"a space", 39, ' '}, {"beyond ASCII", 0, (char) 0x80}, {"no nul at the end", 40, 'x'}, {"too much", 0, '#'}};
    for (int i = 0; i < COUNT (faults); i++) {
        strcpy (text, CLIENT_PUBLIC);
        if (faults[i].value == '#')
            memset (text, '#', 5);
        else
            text[faults[i].place] = faults[i].value;
        set (option, faults[i].what, text, 40);
        set (option, faults[i].what, text, 41);
        get (option, 41);
    }
    set (option, "NULL", NULL, 0);
    new_one ();
    set (option, "too short", text, 39);
    set (option, "a fault", "#########################################", 40);
    get (option, 32);
}

static void public_of (const char *what, const char *secret)
{
    char text[41] = "untouched";
    int rc = zmq_curve_public (text, secret);
    printf ("  %s: %d %s, %s\n", what, rc, rc == 0 ? "" : error_name (zmq_errno ()), text);
}

static void tools (void)
{
    part ("tools");
    char public[41], secret[41], again[41], other_public[41], other_secret[41];
    SHOW (zmq_curve_keypair (public, secret));
    printf ("  %zu and %zu characters\n", strlen (public), strlen (secret));
    SHOW (zmq_curve_public (again, secret));
    SHOW_VALUE (strcmp (public, again));
    SHOW (zmq_curve_keypair (other_public, other_secret));
    SHOW_VALUE (strcmp (public, other_public) != 0 && strcmp (secret, other_secret) != 0);
    public_of ("the client's", CLIENT_SECRET);
    public_of ("the server's", SERVER_SECRET);
    public_of ("zeroes", "0000000000000000000000000000000000000000");
    public_of ("the largest", "%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0");
    public_of ("one more", "%nSc1%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0");
    public_of ("a quote", "\":)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs");
    public_of ("39 characters", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c");
    public_of ("41 characters", CLIENT_SECRET "0");
    public_of ("none", "");
    static const char *const names[] = {"curve", "CURVE", "plain", "null", "zap", "socks", "sodium", ""};
    for (int i = 0; i < COUNT (names); i++)
        printf ("  has \"%s\": %d\n", names[i], zmq_has (names[i]));
}

int main (int count, char **arguments)
{
    int full = is_full (count, arguments);
    static const struct option text_options[] = {OPTION (ZMQ_PLAIN_USERNAME), OPTION (ZMQ_PLAIN_PASSWORD), OPTION (ZMQ_ZAP_DOMAIN),
                                                 OPTION (ZMQ_SOCKS_PROXY), OPTION (ZMQ_SOCKS_USERNAME), OPTION (ZMQ_SOCKS_PASSWORD)};
    static const struct option number_options[] = {OPTION (ZMQ_PLAIN_SERVER), OPTION (ZMQ_ZAP_ENFORCE_DOMAIN), OPTION (ZMQ_MECHANISM), OPTION (ZMQ_CURVE_SERVER)};
    static const struct option key_options[] = {OPTION (ZMQ_CURVE_PUBLICKEY), OPTION (ZMQ_CURVE_SECRETKEY), OPTION (ZMQ_CURVE_SERVERKEY)};
    context = new_context ();
    for (int i = 0; i < COUNT (text_options); i++)
        texts (&text_options[i]);
    for (int i = 0; i < COUNT (number_options) - !full; i++)
        numbers (&number_options[i]);
    orders (full);
    for (int i = 0; full && i < COUNT (key_options); i++)
        keys (&key_options[i]);
    if (full)
        tools ();
    close_socket (fresh);
    end_context (context);
    return 0;
}
