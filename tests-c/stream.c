/* ZMQ_STREAM, and ZMQ_ROUTER with ZMQ_ROUTER_RAW: TCP data to and from peers that do not speak ZMTP (zmq_socket(3), "Native
 * pattern"; zmq_setsockopt(3)).
 *
 * How a stream of bytes is cut into messages depends on timing, so data is put together before it is printed. Routing ids
 * that the library makes up are printed as the letter of their first appearance. */
#include "raw.h"

static void *context;

struct id
{
    unsigned char data[256];
    size_t size;
};

/* The ids seen so far; a new one is "A", the next "B". */
static struct id known[26];
static int known_count;

static const char *id_name (const struct id *id)
{
    static char name[300];
    if (id->size == 0 || id->data[0] != 0) {
        snprintf (name, sizeof name, "%.*s", (int) id->size, (const char *) id->data);
        return name;
    }
    int i = 0;
    while (i < known_count && (known[i].size != id->size || memcmp (known[i].data, id->data, id->size) != 0))
        i++;
    CHECK (i < COUNT (known));
    if (i == known_count)
        known[known_count++] = *id;
    snprintf (name, sizeof name, "%c", 'A' + i);
    return name;
}

static void forget_ids (void)
{
    known_count = 0;
}

static int arrives (void *socket, int limit_ms)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    int count;
    do
        count = zmq_poll (&item, 1, limit_ms);
    while (count == -1 && zmq_errno () == EINTR);
    return count == 1;
}

/* Receives one message of two parts: the id and data, of which as much is kept as there is room. Returns the data's size. */
static size_t receive (void *socket, struct id *id, void *data, size_t room)
{
    if (!arrives (socket, LIMIT_MS))
        fail ("no message");
    int size = zmq_recv (socket, id->data, sizeof id->data, 0);
    CHECK (size >= 0 && size <= 255);
    id->size = (size_t) size;
    CHECK (int_option (socket, ZMQ_RCVMORE) == 1);
    size = zmq_recv (socket, data, room, 0);
    CHECK (size >= 0 && (size_t) size <= room);
    CHECK (int_option (socket, ZMQ_RCVMORE) == 0);
    return (size_t) size;
}

/* Prints one message. */
static struct id show_one (const char *label, void *socket)
{
    static unsigned char data[65536];
    struct id id;
    size_t size = receive (socket, &id, data, sizeof data);
    printf ("  %s %s: \"", label, id_name (&id));
    print_bytes (data, size);
    printf ("\"\n");
    fflush (stdout);
    return id;
}

/* Prints that no message comes. */
static void show_none (const char *label, void *socket)
{
    printf ("  %s %s\n", label, arrives (socket, QUIET_MS) ? "has a message" : "has no message");
    fflush (stdout);
}

/* Puts so many bytes together, all from one peer, and prints them. */
static void show_data (const char *label, void *socket, const struct id *from, size_t total)
{
    unsigned char *data = malloc (total + 65536);
    size_t size = 0;
    CHECK (data);
    while (size < total) {
        struct id id;
        size_t count = receive (socket, &id, data + size, 65536);
        CHECK (count > 0);
        CHECK (id.size == from->size && memcmp (id.data, from->data, id.size) == 0);
        size += count;
    }
    printf ("  %s %s: \"", label, id_name (from));
    print_bytes (data, size);
    printf ("\"\n");
    fflush (stdout);
    free (data);
}

static int send_id (void *socket, const struct id *id, int flags)
{
    return zmq_send (socket, id->data, id->size, flags);
}

/* Sends to a peer; the result is that of the first part that failed, or the last. */
static int send_to (void *socket, const struct id *id, const char *text)
{
    if (send_id (socket, id, ZMQ_SNDMORE) == -1)
        return -1;
    return zmq_send (socket, text, strlen (text), 0);
}

/* Waits until the library does not know the peer any more. It forgets it only when the application asks for messages after
 * the last of the connection: until then sending may find no room. */
static void show_unreachable (void *socket, const struct id *id)
{
    int64_t limit = now_ms () + LIMIT_MS;
    int result;
    do {
        ready (socket, ZMQ_POLLIN);
        result = send_id (socket, id, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        if (result != -1)
            CHECK (zmq_send (socket, "x", 1, 0) == 1);
    } while ((result != -1 || zmq_errno () != EHOSTUNREACH) && now_ms () < limit);
    SHOW (send_id (socket, id, ZMQ_SNDMORE | ZMQ_DONTWAIT));
}

/* Does part of the library's work on the socket, which it leaves to the calls of the application. */
static void drive (void *socket)
{
    CHECK (int_option (socket, ZMQ_EVENTS) >= 0);
}

/* Waits for the end of the connection while the socket is used, and prints what came before. */
static void show_ending_of (const char *label, void *socket, int fd)
{
    int64_t limit = now_ms () + LIMIT_MS;
    static char data[65536];
    size_t size = 0;
    ssize_t count = 1;
    while (count > 0 && now_ms () < limit)
        if (raw_readable (fd, 1)) {
            count = recv (fd, data, sizeof data, 0);
            size += count > 0 ? (size_t) count : 0;
        } else
            drive (socket);
    printf ("  %s %zu more bytes, then %s\n", label, size, count > 0 ? "open" : "closed");
    close (fd);
}

/* Prints whether the option holds the id. */
static void show_option_id (void *socket, const struct id *id)
{
    unsigned char data[256];
    size_t size = sizeof data;
    CHECK (zmq_getsockopt (socket, ZMQ_ROUTING_ID, data, &size) == 0);
    printf ("  ROUTING_ID has %zu bytes, %s\n", size,
            size == id->size && memcmp (data, id->data, size) == 0 ? "the id" : "not the id");
}

/* A STREAM (or another socket), bound to a port of its own. */
static void *bound (int type, int notify, endpoint_t endpoint)
{
    void *socket = new_socket (context, type);
    if (type == ZMQ_STREAM && notify != -1)
        set_int (socket, ZMQ_STREAM_NOTIFY, notify);
    if (type == ZMQ_ROUTER)
        set_int (socket, ZMQ_ROUTER_RAW, 1);
    bind_fresh (socket, "tcp", endpoint);
    return socket;
}

static int set_bytes (void *socket, int option, const void *data, size_t size)
{
    return zmq_setsockopt (socket, option, data, size);
}

static int get_size (void *socket, int option)
{
    unsigned char data[256];
    size_t size = sizeof data;
    return zmq_getsockopt (socket, option, data, &size) == -1 ? -1 : (int) size;
}

/* Options -------------------------------------------------------------------------------------------------------- */

static void options (void)
{
    static const int values[] = {0, 1, 2, -1};
    static char long_id[256];
    memset (long_id, 'x', sizeof long_id);
    part ("options of STREAM");
    void *stream = new_socket (context, ZMQ_STREAM);
    SHOW (int_option (stream, ZMQ_TYPE));
    SHOW (int_option (stream, ZMQ_EVENTS));
    SHOW (int_option (stream, ZMQ_RCVMORE));
    SHOW (get_size (stream, ZMQ_LAST_ENDPOINT));
    SHOW (get_size (stream, ZMQ_ROUTING_ID));
    SHOW (get_size (stream, ZMQ_STREAM_NOTIFY));
    for (int i = 0; i < COUNT (values); i++) {
        printf ("  %d\n", values[i]);
        SHOW (zmq_setsockopt (stream, ZMQ_STREAM_NOTIFY, &values[i], sizeof (int)));
    }
    SHOW (set_bytes (stream, ZMQ_STREAM_NOTIFY, "\1\0\0", 3));
    SHOW (set_bytes (stream, ZMQ_STREAM_NOTIFY, "\1\0\0\0\0\0\0", 8));
    SHOW (set_bytes (stream, ZMQ_STREAM_NOTIFY, NULL, 0));
    SHOW (set_bytes (stream, ZMQ_CONNECT_ROUTING_ID, "", 0));
    SHOW (set_bytes (stream, ZMQ_CONNECT_ROUTING_ID, "a", 1));
    SHOW (set_bytes (stream, ZMQ_CONNECT_ROUTING_ID, long_id, 255));
    SHOW (get_size (stream, ZMQ_CONNECT_ROUTING_ID));
    SHOW (set_bytes (stream, ZMQ_ROUTING_ID, "", 0));
    SHOW (set_bytes (stream, ZMQ_ROUTING_ID, "\0a", 2));
    SHOW (set_bytes (stream, ZMQ_ROUTING_ID, long_id, 256));
    SHOW (set_bytes (stream, ZMQ_ROUTING_ID, long_id, 255));
    SHOW (get_size (stream, ZMQ_ROUTING_ID));
    SHOW (set_bytes (stream, ZMQ_ROUTER_RAW, "\1\0\0", 4));
    SHOW (set_bytes (stream, ZMQ_ROUTER_MANDATORY, "\1\0\0", 4));
    SHOW (set_bytes (stream, ZMQ_ROUTER_HANDOVER, "\1\0\0", 4));
    SHOW (set_bytes (stream, ZMQ_PROBE_ROUTER, "\1\0\0", 4));
    SHOW (set_bytes (stream, ZMQ_SUBSCRIBE, "", 0));
    close_socket (stream);

    part ("options of STREAM on the other types");
    for (int type = ZMQ_PAIR; type <= ZMQ_XSUB; type++) {
        void *socket = new_socket (context, type);
        printf ("  %s\n", type_name (type));
        SHOW (set_bytes (socket, ZMQ_STREAM_NOTIFY, "\1\0\0", 4));
        SHOW (get_size (socket, ZMQ_STREAM_NOTIFY));
        SHOW (set_bytes (socket, ZMQ_CONNECT_ROUTING_ID, "a", 1));
        SHOW (set_bytes (socket, ZMQ_ROUTER_RAW, "\1\0\0", 4));
        SHOW (get_size (socket, ZMQ_ROUTER_RAW));
        close_socket (socket);
    }
}

/* Without peers -------------------------------------------------------------------------------------------------- */

static void no_peers (void)
{
    part ("STREAM without peers");
    endpoint_t endpoint;
    void *stream = new_socket (context, ZMQ_STREAM);
    SHOW (zmq_recv (stream, NULL, 0, ZMQ_DONTWAIT));
    SHOW (zmq_send (stream, "somebody", 8, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    SHOW (zmq_send (stream, "somebody", 8, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "", 0, ZMQ_SNDMORE));
    SHOW (int_option (stream, ZMQ_EVENTS));
    bind_fresh (stream, "tcp", endpoint);
    SHOW (int_option (stream, ZMQ_EVENTS));
    SHOW (zmq_send (stream, "somebody", 8, ZMQ_SNDMORE));
    set_int (stream, ZMQ_RCVTIMEO, 10);
    SHOW (zmq_recv (stream, NULL, 0, 0));
    close_socket (stream);
}

/* A server and its clients --------------------------------------------------------------------------------------- */

static void show_properties (const char *label, zmq_msg_t *message)
{
    static const char *names[] = {"Peer-Address", "Socket-Type", "Routing-Id", "Identity", "User-Id", "__fd", "nothing"};
    printf ("  %s", label);
    for (int i = 0; i < COUNT (names); i++) {
        const char *value = zmq_msg_gets (message, names[i]);
        const char *shown = value ? value : error_name (zmq_errno ());
        if (value && strncmp (value, "127.0.0.1", 9) == 0)
            shown = value[9] == 0 ? "127.0.0.1" : "127.0.0.1 and more";
        else if (value && strcmp (names[i], "__fd") == 0)
            shown = "a number";
        printf ("%s %s=%s", i ? "," : "", names[i], shown);
    }
    printf ("\n");
}

/* Receives a message of two parts and prints the properties of both. */
static void show_message_properties (void *socket)
{
    zmq_msg_t message;
    for (int i = 0; i < 2; i++) {
        CHECK (zmq_msg_init (&message) == 0);
        CHECK (arrives (socket, LIMIT_MS) && zmq_msg_recv (&message, socket, 0) >= 0);
        show_properties (i ? "data:" : "id:", &message);
        printf ("  SRCFD %s\n", zmq_msg_get (&message, ZMQ_SRCFD) > 0 ? "a number" : error_name (zmq_errno ()));
        CHECK (zmq_msg_more (&message) == !i);
        CHECK (zmq_msg_close (&message) == 0);
    }
}

static void one_client (void)
{
    part ("one client");
    forget_ids ();
    endpoint_t endpoint;
    void *stream = bound (ZMQ_STREAM, -1, endpoint);
    int client = raw_connect (endpoint);
    struct id id = show_one ("connected:", stream);
    printf ("  the id has %zu bytes, the first is %d\n", id.size, id.data[0]);
    show_option_id (stream, &id);
    SHOW (int_option (stream, ZMQ_EVENTS));
    show_quiet ("client:", client);
    raw_text (client, "hello");
    wait_for (stream, ZMQ_POLLIN);
    SHOW (int_option (stream, ZMQ_EVENTS));
    show_data ("received:", stream, &id, 5);
    SHOW (send_to (stream, &id, "welcome"));
    show_text ("client:", client, 7);
    for (int i = 0; i < 10; i++) {
        raw_text (client, "0123456789");
        if (i % 3 == 0)
            ready (stream, ZMQ_POLLIN);
    }
    show_data ("received:", stream, &id, 100);
    for (int i = 0; i < 5; i++)
        send_to (stream, &id, "9876543210");
    show_text ("client:", client, 50);
    raw_text (client, "last words");
    close (client);
    show_data ("received:", stream, &id, 10);
    show_one ("disconnected:", stream);
    show_none ("then:", stream);
    show_unreachable (stream, &id);
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    part ("the next client");
    client = raw_connect (endpoint);
    show_one ("connected:", stream);
    raw_reset (client);
    show_one ("reset:", stream);
    part ("a client that closes its half");
    client = raw_connect (endpoint);
    id = show_one ("connected:", stream);
    raw_text (client, "bye");
    CHECK (shutdown (client, SHUT_WR) == 0);
    show_data ("received:", stream, &id, 3);
    show_one ("disconnected:", stream);
    show_unreachable (stream, &id);
    show_ending ("client:", client);
    part ("properties");
    client = raw_connect (endpoint);
    show_message_properties (stream);
    raw_text (client, "x");
    show_message_properties (stream);
    close (client);
    show_message_properties (stream);
    close_socket (stream);
}

static void many_clients (void)
{
    part ("three clients");
    forget_ids ();
    endpoint_t endpoint;
    int clients[3];
    struct id ids[3];
    void *stream = bound (ZMQ_STREAM, -1, endpoint);
    for (int i = 0; i < 3; i++) {
        clients[i] = raw_connect (endpoint);
        ids[i] = show_one ("connected:", stream);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 2; i >= 0; i--) {
            char text[32];
            snprintf (text, sizeof text, "from %d in %d", i, round);
            raw_text (clients[i], text);
            show_data ("received:", stream, &ids[i], strlen (text));
            text[0] = 't', text[1] = 'o', text[2] = ' ', text[3] = ' ';
            SHOW (send_to (stream, &ids[i], text));
        }
    for (int i = 0; i < 3; i++)
        show_text ("client:", clients[i], 22);
    part ("the second leaves, a fourth comes");
    close (clients[1]);
    show_one ("disconnected:", stream);
    clients[1] = raw_connect (endpoint);
    ids[1] = show_one ("connected:", stream);
    for (int i = 0; i < 3; i++) {
        SHOW (send_to (stream, &ids[i], "all"));
        show_text ("client:", clients[i], 3);
    }
    part ("all write at once");
    for (int i = 0; i < 300; i++)
        raw_text (clients[i % 3], i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c");
    int counts[3] = {0};
    for (int total = 0; total < 300;) {
        struct id id;
        char data[512];
        size_t size = receive (stream, &id, data, sizeof data);
        for (int i = 0; i < 3; i++)
            if (id.size == ids[i].size && memcmp (id.data, ids[i].data, id.size) == 0)
                for (size_t k = 0; k < size; k++)
                    counts[i] += data[k] == 'a' + i;
        total += (int) size;
    }
    for (int i = 0; i < 3; i++)
        SHOW (counts[i]);
    close_socket (stream);
    for (int i = 0; i < 3; i++)
        show_ending ("client:", clients[i]);
}

static void large_data (void)
{
    part ("a megabyte");
    forget_ids ();
    enum { SIZE = 1 << 20 };
    endpoint_t endpoint;
    char *data = malloc (SIZE), *answer = malloc (SIZE);
    CHECK (data && answer);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char) (i * 7 + i / 251);
    void *stream = bound (ZMQ_STREAM, -1, endpoint);
    int client = raw_connect (endpoint);
    struct id id = show_one ("connected:", stream);
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, data, SIZE, 0));
    CHECK (raw_read (client, answer, SIZE) == SIZE);
    SHOW (memcmp (data, answer, SIZE));
    for (size_t done = 0; done < SIZE; done += 65536) {
        raw_write (client, data + done, 65536);
        for (size_t got = 0; got < 65536;)
            got += receive (stream, &id, answer + done + got, SIZE - done - got);
    }
    SHOW (memcmp (data, answer, SIZE));
    free (data);
    free (answer);
    close (client);
    show_one ("disconnected:", stream);
    close_socket (stream);
}

static void notifications (void)
{
    part ("notifications off");
    forget_ids ();
    endpoint_t endpoint;
    void *stream = bound (ZMQ_STREAM, 0, endpoint);
    int client = raw_connect (endpoint);
    show_none ("connected:", stream);
    raw_text (client, "hello");
    struct id id = show_one ("received:", stream);
    SHOW (send_to (stream, &id, "welcome"));
    show_text ("client:", client, 7);
    close (client);
    show_unreachable (stream, &id);
    show_none ("disconnected:", stream);
    part ("switched on and off while it is used");
    client = raw_connect (endpoint);
    show_none ("connected when off:", stream);
    set_int (stream, ZMQ_STREAM_NOTIFY, 1);
    close (client);
    show_none ("disconnected when on:", stream);
    client = raw_connect (endpoint);
    show_none ("connected when on:", stream);
    set_int (stream, ZMQ_STREAM_NOTIFY, 0);
    close (client);
    show_none ("disconnected when off:", stream);
    close_socket (stream);
    stream = bound (ZMQ_STREAM, 1, endpoint);
    client = raw_connect (endpoint);
    show_one ("bound when on, connected when on:", stream);
    set_int (stream, ZMQ_STREAM_NOTIFY, 0);
    close (client);
    show_one ("disconnected when off:", stream);
    client = raw_connect (endpoint);
    show_one ("connected when off:", stream);
    close (client);
    show_one ("disconnected when off:", stream);
    close_socket (stream);
}

static void closing (int notify)
{
    part ("an id and an empty message, notifications %s", notify ? "on" : "off");
    forget_ids ();
    endpoint_t endpoint;
    static char large[300000];
    memset (large, 'l', sizeof large);
    void *stream = bound (ZMQ_STREAM, notify, endpoint);
    int client = raw_connect (endpoint);
    if (notify)
        show_one ("connected:", stream);
    raw_text (client, "a");
    struct id id = show_one ("received:", stream);
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, large, sizeof large, 0));
    SHOW (send_to (stream, &id, ""));
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (send_id (stream, &id, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    show_ending_of ("client:", stream, client);
    show_none ("then:", stream);
    part ("an id and an empty message with SNDMORE");
    client = raw_connect (endpoint);
    if (notify)
        show_one ("connected:", stream);
    raw_text (client, "b");
    id = show_one ("received:", stream);
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "", 0, ZMQ_SNDMORE));
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    show_ending_of ("client:", stream, client);
    part ("closed while data of the peer waits to be received");
    client = raw_connect (endpoint);
    if (notify)
        show_one ("connected:", stream);
    raw_text (client, "c");
    id = show_one ("received:", stream);
    raw_text (client, "waiting");
    wait_for (stream, ZMQ_POLLIN);
    SHOW (send_to (stream, &id, ""));
    show_data ("received:", stream, &id, 7);
    show_none ("then:", stream);
    show_ending_of ("client:", stream, client);
    close_socket (stream);
}

/* What counts as an id and what as data. */
static void frames (void)
{
    part ("frames and their flags");
    forget_ids ();
    endpoint_t endpoint;
    void *stream = bound (ZMQ_STREAM, -1, endpoint);
    int client = raw_connect (endpoint);
    struct id id = show_one ("connected:", stream);
    part ("data with SNDMORE");
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "one,", 4, ZMQ_SNDMORE));
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "two", 3, 0));
    show_text ("client:", client, 7);
    part ("a third part is an id");
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "three", 5, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "four", 4, ZMQ_SNDMORE));
    SHOW (zmq_send (stream, "five", 4, ZMQ_SNDMORE));
    show_text ("client:", client, 5);
    part ("an id without SNDMORE");
    SHOW (send_id (stream, &id, 0));
    SHOW (zmq_send (stream, "dropped", 7, 0));
    SHOW (send_to (stream, &id, "six"));
    show_text ("client:", client, 3);
    SHOW (zmq_send (stream, "nobody", 6, 0));
    SHOW (zmq_send (stream, "dropped", 7, ZMQ_SNDMORE));
    SHOW (send_to (stream, &id, "seven"));
    show_text ("client:", client, 5);
    part ("an unknown id");
    SHOW (zmq_send (stream, "nobody", 6, ZMQ_SNDMORE));
    SHOW (send_to (stream, &id, "eight"));
    show_text ("client:", client, 5);
    part ("receiving between an id and its data");
    raw_text (client, "x");
    wait_for (stream, ZMQ_POLLIN);
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    SHOW (int_option (stream, ZMQ_EVENTS));
    show_one ("received:", stream);
    SHOW (zmq_send (stream, "nine", 4, 0));
    show_text ("client:", client, 4);
    part ("sending between an id and its data");
    raw_text (client, "y");
    wait_for (stream, ZMQ_POLLIN);
    CHECK (zmq_recv (stream, id.data, sizeof id.data, 0) == 5);
    SHOW (send_to (stream, &id, "ten"));
    SHOW (int_option (stream, ZMQ_EVENTS));
    char data[8];
    SHOW (zmq_recv (stream, data, sizeof data, 0));
    SHOW (int_option (stream, ZMQ_RCVMORE));
    show_text ("client:", client, 3);
    part ("the connection ends between an id and its data");
    SHOW (send_id (stream, &id, ZMQ_SNDMORE));
    close (client);
    show_one ("disconnected:", stream);
    show_none ("then:", stream);
    SHOW (zmq_send (stream, "late", 4, 0));
    show_unreachable (stream, &id);
    close_socket (stream);
}

/* Connecting ------------------------------------------------------------------------------------------------------ */

static void connecting (void)
{
    part ("STREAM connects");
    forget_ids ();
    endpoint_t endpoint, last;
    int listener = raw_listen (endpoint);
    void *stream = new_socket (context, ZMQ_STREAM);
    connect_to (stream, endpoint);
    last_endpoint (stream, last);
    SHOW (strcmp (endpoint, last));
    SHOW (get_size (stream, ZMQ_ROUTING_ID));
    int server = raw_accept (listener);
    struct id id = show_one ("connected:", stream);
    printf ("  the id has %zu bytes, the first is %d\n", id.size, id.data[0]);
    show_option_id (stream, &id);
    show_quiet ("server:", server);
    SHOW (send_to (stream, &id, "request"));
    show_text ("server:", server, 7);
    raw_text (server, "reply");
    show_data ("received:", stream, &id, 5);
    part ("a second connection");
    connect_to (stream, endpoint);
    int second = raw_accept (listener);
    struct id second_id = show_one ("connected:", stream);
    show_option_id (stream, &second_id);
    SHOW (send_to (stream, &second_id, "to the second"));
    SHOW (send_to (stream, &id, "to the first"));
    show_text ("first:", server, 12);
    show_text ("second:", second, 13);
    part ("disconnect");
    SHOW (zmq_disconnect (stream, endpoint));
    show_ending_of ("server:", stream, server);
    show_ending_of ("second:", stream, second);
    show_unreachable (stream, &id);
    show_unreachable (stream, &second_id);
    show_none ("then:", stream);
    SHOW (zmq_disconnect (stream, endpoint));
    show_none ("then:", stream);
    close_socket (stream);
    close (listener);
}

static void naming (void)
{
    part ("CONNECT_ROUTING_ID");
    forget_ids ();
    endpoint_t endpoint;
    int listener = raw_listen (endpoint);
    void *stream = new_socket (context, ZMQ_STREAM);
    set_text (stream, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (stream, endpoint);
    SHOW (send_text (stream, "server|sent at once", 0));
    int server = raw_accept (listener);
    show_text ("server:", server, 12);
    show_one ("connected:", stream);
    raw_text (server, "reply");
    show_one ("received:", stream);
    part ("for the next connect only");
    connect_to (stream, endpoint);
    int second = raw_accept (listener);
    struct id id = show_one ("connected:", stream);
    SHOW (send_to (stream, &id, "hello"));
    show_text ("second:", second, 5);
    part ("closing what was connected");
    SHOW (send_text (stream, "server|", 0));
    SHOW (zmq_send (stream, "server", 6, ZMQ_SNDMORE));
    show_ending_of ("server:", stream, server);
    show_none ("then:", stream);
    printf ("  %s\n", raw_readable (listener, 500) ? "connects again" : "does not connect again");
    SHOW (send_to (stream, &id, "still there"));
    show_text ("second:", second, 11);
    part ("the id can be used again");
    set_text (stream, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (stream, endpoint);
    server = raw_accept (listener);
    show_one ("connected:", stream);
    SHOW (send_text (stream, "server|once more", 0));
    show_text ("server:", server, 9);
    close (second);
    close (server);
    close_socket (stream);

    part ("CONNECT_ROUTING_ID is not used by bind, and ROUTING_ID is not sent");
    stream = new_socket (context, ZMQ_STREAM);
    set_text (stream, ZMQ_ROUTING_ID, "own");
    SHOW (get_size (stream, ZMQ_ROUTING_ID));
    connect_to (stream, endpoint);
    server = raw_accept (listener);
    id = show_one ("connected:", stream);
    show_quiet ("server:", server);
    show_option_id (stream, &id);
    close (server);
    close_socket (stream);
    close (listener);
}

static void reconnecting (void)
{
    part ("nobody listens at first");
    forget_ids ();
    endpoint_t endpoint = "";
    int listener = raw_bind (endpoint), next_listener = raw_bind (endpoint);
    void *stream = new_socket (context, ZMQ_STREAM);
    void *monitor = open_monitor (context, stream, ZMQ_EVENT_CONNECT_RETRIED);
    set_int (stream, ZMQ_RECONNECT_IVL, 10);
    set_text (stream, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (stream, endpoint);
    SHOW (send_text (stream, "server|waits,", 0));
    wait_for_event (monitor, ZMQ_EVENT_CONNECT_RETRIED);
    show_none ("then:", stream);
    SHOW (send_text (stream, "server|waits too", 0));
    CHECK (listen (listener, 16) == 0);
    int server = raw_accept (listener);
    show_one ("connected:", stream);
    show_text ("server:", server, 15);
    part ("the server ends the connection");
    raw_text (server, "last words");
    close (server);
    struct id id = {"server", 6};
    show_data ("received:", stream, &id, 10);
    show_one ("disconnected:", stream);
    server = raw_accept (listener);
    show_one ("connected:", stream);
    SHOW (send_text (stream, "server|hello", 0));
    show_text ("server:", server, 5);
    part ("the server goes away and comes back");
    close (listener);
    raw_reset (server);
    show_one ("disconnected:", stream);
    wait_for_event (monitor, ZMQ_EVENT_CONNECT_RETRIED);
    wait_for_event (monitor, ZMQ_EVENT_CONNECT_RETRIED);
    SHOW (send_text (stream, "server|sent in between", 0));
    show_none ("then:", stream);
    CHECK (listen (next_listener, 16) == 0);
    server = raw_accept (next_listener);
    show_one ("connected:", stream);
    show_text ("server:", server, 15);
    raw_text (server, "welcome");
    show_data ("received:", stream, &id, 7);
    close_monitor (stream, monitor);
    close_socket (stream);
    close (server);
    close (next_listener);
}

static void reconnection_options (void)
{
    part ("a made-up id stays the same");
    forget_ids ();
    endpoint_t endpoint;
    int listener = raw_listen (endpoint);
    void *stream = new_socket (context, ZMQ_STREAM);
    set_int (stream, ZMQ_RECONNECT_IVL, 10);
    connect_to (stream, endpoint);
    int server = raw_accept (listener);
    show_one ("connected:", stream);
    close (server);
    struct id id = show_one ("disconnected:", stream);
    server = raw_accept (listener);
    show_one ("connected:", stream);
    SHOW (send_to (stream, &id, "hello"));
    show_text ("server:", server, 5);
    close_socket (stream);
    close (server);

    part ("no reconnection");
    stream = new_socket (context, ZMQ_STREAM);
    set_int (stream, ZMQ_RECONNECT_IVL, -1);
    connect_to (stream, endpoint);
    server = raw_accept (listener);
    id = show_one ("connected:", stream);
    close (server);
    /* Whether the notification gets through is not the same each time. */
    printf ("  %s\n", raw_readable (listener, 300) ? "connects again" : "does not connect again");
    show_unreachable (stream, &id);
    close_socket (stream);

    part ("IMMEDIATE");
    close (listener);
    *endpoint = 0;
    listener = raw_bind (endpoint);
    stream = new_socket (context, ZMQ_STREAM);
    set_int (stream, ZMQ_IMMEDIATE, 1);
    set_int (stream, ZMQ_RECONNECT_IVL, 10);
    set_text (stream, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (stream, endpoint);
    SHOW (get_size (stream, ZMQ_ROUTING_ID));
    SHOW (zmq_send (stream, "server", 6, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    CHECK (listen (listener, 16) == 0);
    server = raw_accept (listener);
    show_one ("connected:", stream);
    SHOW (zmq_send (stream, "server", 6, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    close (server);
    close_socket (stream);
    close (listener);
}

/* STREAM to STREAM, and to peers that speak ZMTP ------------------------------------------------------------------ */

static void stream_to_stream (const char *transport)
{
    part ("STREAM to STREAM over %s", transport);
    forget_ids ();
    endpoint_t endpoint;
    void *server = new_socket (context, ZMQ_STREAM), *client = new_socket (context, ZMQ_STREAM);
    bind_fresh (server, transport, endpoint);
    set_text (client, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (client, endpoint);
    show_one ("client:", client);
    struct id id = show_one ("server:", server);
    SHOW (send_text (client, "server|hello", 0));
    show_data ("server:", server, &id, 5);
    SHOW (send_to (server, &id, "welcome"));
    struct id name = {"server", 6};
    show_data ("client:", client, &name, 7);
    part ("the server ends the connection");
    SHOW (send_to (server, &id, ""));
    wait_driving (client, ZMQ_POLLIN, server);
    show_one ("client:", client);
    show_one ("client, again:", client);
    id = show_one ("server:", server);
    SHOW (send_to (server, &id, "again"));
    show_data ("client:", client, &name, 5);
    part ("the client ends the connection");
    SHOW (send_text (client, "server|", 0));
    wait_driving (server, ZMQ_POLLIN, client);
    show_one ("server:", server);
    show_none ("client:", client);
    show_none ("server:", server);
    close_socket (client);
    close_socket (server);
}

static void stream_to_stream_inproc (void)
{
    part ("STREAM to STREAM over inproc");
    forget_ids ();
    endpoint_t endpoint;
    void *server = new_socket (context, ZMQ_STREAM), *client = new_socket (context, ZMQ_STREAM);
    bind_fresh (server, "inproc", endpoint);
    set_text (client, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (client, endpoint);
    show_none ("client:", client);
    show_none ("server:", server);
    SHOW (send_text (client, "server|hello", 0));
    struct id id = show_one ("server:", server);
    SHOW (send_to (server, &id, "welcome"));
    show_one ("client:", client);
    close_socket (client);
    close_socket (server);
}

static void zmtp_peer (void)
{
    part ("a DEALER connects to a STREAM");
    forget_ids ();
    endpoint_t endpoint;
    unsigned char data[64];
    struct id id;
    void *stream = bound (ZMQ_STREAM, -1, endpoint);
    void *dealer = new_socket (context, ZMQ_DEALER);
    connect_to (dealer, endpoint);
    show_one ("connected:", stream);
    size_t size = 0;
    while (size < 10)
        size += receive (stream, &id, data + size, sizeof data - size);
    printf ("  received %s: \"", id_name (&id));
    print_bytes (data, size);
    printf ("\"\n");
    show_none ("then:", stream);
    close_socket (dealer);
    show_one ("disconnected:", stream);
    close_socket (stream);
}

/* Transports -------------------------------------------------------------------------------------------------------- */

static void addresses (void)
{
    part ("transports and addresses");
    endpoint_t endpoint;
    void *stream = new_socket (context, ZMQ_STREAM);
    SHOW (zmq_bind (stream, "ipc://stream.sock"));
    SHOW (zmq_unbind (stream, "ipc://stream.sock"));
    SHOW (zmq_bind (stream, "inproc://stream"));
    SHOW (zmq_connect (stream, "inproc://nobody"));
    SHOW (zmq_bind (stream, "udp://127.0.0.1:5555"));
    SHOW (zmq_connect (stream, "udp://127.0.0.1:5555"));
    SHOW (zmq_bind (stream, "other://127.0.0.1:5555"));
    SHOW (zmq_bind (stream, "127.0.0.1:5555"));
    SHOW (zmq_bind (stream, "tcp://127.0.0.1"));
    SHOW (zmq_connect (stream, "tcp://127.0.0.1:0"));
    SHOW (zmq_connect (stream, "tcp://127.0.0.1:*"));
    SHOW (zmq_bind (stream, "tcp://127.0.0.1:*"));
    last_endpoint (stream, endpoint);
    SHOW (strncmp (endpoint, "tcp://127.0.0.1:", 16));
    void *other = new_socket (context, ZMQ_STREAM);
    SHOW (zmq_bind (other, endpoint));
    SHOW (zmq_disconnect (stream, endpoint));
    SHOW (zmq_unbind (stream, "tcp://127.0.0.1:1"));
    SHOW (zmq_unbind (stream, endpoint));
    SHOW (zmq_unbind (stream, endpoint));
    close_socket (other);
    close_socket (stream);
}

static void unbinding (void)
{
    part ("unbind");
    forget_ids ();
    endpoint_t endpoint;
    void *stream = bound (ZMQ_STREAM, -1, endpoint);
    int client = raw_connect (endpoint);
    struct id id = show_one ("connected:", stream);
    SHOW (send_to (stream, &id, "before"));
    /* Read first: the reference library may or may not send on what it has when the connection ends. */
    show_text ("client:", client, 6);
    SHOW (zmq_unbind (stream, endpoint));
    show_ending_of ("client:", stream, client);
    show_none ("then:", stream);
    show_unreachable (stream, &id);
    close_socket (stream);

    part ("close with LINGER");
    stream = bound (ZMQ_STREAM, -1, endpoint);
    set_int (stream, ZMQ_LINGER, -1);
    client = raw_connect (endpoint);
    id = show_one ("connected:", stream);
    SHOW (send_to (stream, &id, "the last words"));
    close_socket (stream);
    show_ending ("client:", client);
}

/* Monitors ------------------------------------------------------------------------------------------------------------ */

static void monitors (int type)
{
    part ("monitors of %s", type_name (type));
    forget_ids ();
    endpoint_t endpoint;
    struct id id;
    void *server = new_socket (context, type);
    if (type == ZMQ_ROUTER)
        set_int (server, ZMQ_ROUTER_RAW, 1);
    void *monitor = open_monitor (context, server, ZMQ_EVENT_ALL);
    bind_fresh (server, "tcp", endpoint);
    show_events ("bind:", monitor, ZMQ_EVENT_LISTENING);
    int client = raw_connect (endpoint);
    show_events ("a client connects:", monitor, ZMQ_EVENT_ACCEPTED);
    show_one ("connected:", server);
    close (client);
    show_events ("the client closes:", monitor, ZMQ_EVENT_DISCONNECTED);
    show_one ("disconnected:", server);
    client = raw_connect (endpoint);
    show_events ("a client connects:", monitor, ZMQ_EVENT_ACCEPTED);
    show_one ("connected:", server);
    raw_reset (client);
    show_events ("the client resets:", monitor, ZMQ_EVENT_DISCONNECTED);
    show_one ("disconnected:", server);
    client = raw_connect (endpoint);
    show_events ("a client connects:", monitor, ZMQ_EVENT_ACCEPTED);
    id = show_one ("connected:", server);
    CHECK (send_to (server, &id, "") == 0);
    show_ending_of ("client:", server, client);
    show_none ("closed by the server, the monitor:", monitor);
    client = raw_connect (endpoint);
    show_events ("a client connects:", monitor, ZMQ_EVENT_ACCEPTED);
    show_one ("connected:", server);
    SHOW (zmq_unbind (server, endpoint));
    show_ending_of ("client:", server, client);
    show_events ("unbind:", monitor, ZMQ_EVENT_CLOSED);
    CHECK (zmq_socket_monitor (server, NULL, 0) == 0);
    show_events ("the end:", monitor, ZMQ_EVENT_MONITOR_STOPPED);
    close_socket (monitor);
    close_socket (server);

    part ("monitors of a %s that connects", type_name (type));
    int listener = raw_listen (endpoint);
    void *stream = new_socket (context, type);
    if (type == ZMQ_ROUTER)
        set_int (stream, ZMQ_ROUTER_RAW, 1);
    set_int (stream, ZMQ_RECONNECT_IVL, 10);
    set_text (stream, ZMQ_CONNECT_ROUTING_ID, "server");
    monitor = open_monitor (context, stream, ZMQ_EVENT_ALL);
    connect_to (stream, endpoint);
    int peer = raw_accept (listener);
    show_events ("connect:", monitor, ZMQ_EVENT_CONNECTED);
    close (peer);
    show_events ("the server closes:", monitor, ZMQ_EVENT_CONNECTED);
    peer = raw_accept (listener);
    SHOW (zmq_disconnect (stream, endpoint));
    show_ending_of ("disconnect:", stream, peer);
    show_none ("then:", monitor);
    close_monitor (stream, monitor);
    close_socket (stream);
    close (listener);
}

/* High-water marks and limits ---------------------------------------------------------------------------------------- */

/* What took nothing for so long is full. */
enum { FULL_MS = 600 };

/* A peer that does not read: sending fails at last, and all that was sent arrives when it reads. */
static void back_pressure (int type)
{
    part ("a peer that does not read, %s", type_name (type));
    forget_ids ();
    enum { SIZE = 100000, MOST = 2000 };
    static char data[SIZE];
    endpoint_t endpoint;
    void *stream = new_socket (context, type);
    if (type == ZMQ_ROUTER)
        set_int (stream, ZMQ_ROUTER_RAW, 1);
    set_int (stream, ZMQ_SNDHWM, 2);
    set_int (stream, ZMQ_SNDBUF, 65536);
    bind_fresh (stream, "tcp", endpoint);
    int clients[2] = {raw_connect (endpoint), -1};
    raw_text (clients[0], "a");
    show_one ("connected:", stream);
    struct id ids[2] = {show_one ("received:", stream)};
    clients[1] = raw_connect (endpoint);
    raw_text (clients[1], "b");
    show_one ("connected:", stream);
    ids[1] = show_one ("received:", stream);
    if (type == ZMQ_ROUTER) {
        int on = 1;
        SHOW (zmq_setsockopt (stream, ZMQ_ROUTER_MANDATORY, &on, sizeof on));
    }
    size_t sent = 0;
    int error = 0;
    for (int64_t full = now_ms (); now_ms () - full < FULL_MS && sent < MOST;) {
        if (send_id (stream, &ids[0], ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1) {
            error = zmq_errno ();
            poll (NULL, 0, 1);
            continue;
        }
        CHECK (zmq_send (stream, data, SIZE, ZMQ_DONTWAIT) == SIZE);
        sent++;
        full = now_ms ();
    }
    printf ("  full: %s, %s\n", sent < MOST ? "yes" : "no", error_name (error));
    SHOW (int_option (stream, ZMQ_EVENTS));
    set_int (stream, ZMQ_SNDTIMEO, 20);
    SHOW (send_id (stream, &ids[0], ZMQ_SNDMORE));
    SHOW (send_to (stream, &ids[1], "the other has room"));
    show_text ("the other:", clients[1], 18);
    char *all = malloc (sent * SIZE);
    CHECK (all);
    SHOW (raw_read (clients[0], all, sent * SIZE) == sent * SIZE);
    free (all);
    set_int (stream, ZMQ_SNDTIMEO, LIMIT_MS);
    SHOW (send_to (stream, &ids[0], "room again"));
    show_text ("the first:", clients[0], 10);
    close (clients[0]);
    close (clients[1]);
    close_socket (stream);
}

/* The application does not receive: the peer's data waits, and nothing is lost. */
static void slow_receiver (void)
{
    part ("an application that does not receive");
    forget_ids ();
    enum { MOST = 64 << 20, SIZE = 10000 };
    static char data[SIZE];
    endpoint_t endpoint;
    void *stream = new_socket (context, ZMQ_STREAM);
    set_int (stream, ZMQ_RCVHWM, 2);
    set_int (stream, ZMQ_RCVBUF, 65536);
    bind_fresh (stream, "tcp", endpoint);
    int client = raw_connect (endpoint);
    struct id id = show_one ("connected:", stream);
    size_t sent = 0, got = 0;
    for (int64_t full = now_ms (); now_ms () - full < FULL_MS && sent < MOST;) {
        ssize_t count = send (client, data, SIZE, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count == -1) {
            poll (NULL, 0, 1);
            continue;
        }
        sent += (size_t) count;
        full = now_ms ();
    }
    printf ("  full: %s\n", sent < MOST ? "yes" : "no");
    /* A notification of the end would find no room, and is lost: the client stays. */
    while (got < sent) {
        static char chunk[65536];
        got += receive (stream, &id, chunk, sizeof chunk);
    }
    SHOW (got == sent);
    show_none ("then:", stream);
    raw_text (client, "room again");
    show_data ("received:", stream, &id, 10);
    close (client);
    show_one ("disconnected:", stream);
    close_socket (stream);

    part ("MAXMSGSIZE");
    stream = new_socket (context, ZMQ_STREAM);
    int64_t most = 3;
    SHOW (zmq_setsockopt (stream, ZMQ_MAXMSGSIZE, &most, sizeof most));
    bind_fresh (stream, "tcp", endpoint);
    client = raw_connect (endpoint);
    id = show_one ("connected:", stream);
    raw_text (client, "more than three");
    show_data ("received:", stream, &id, 15);
    SHOW (send_to (stream, &id, "more than three"));
    show_text ("client:", client, 15);
    close (client);
    close_socket (stream);

    part ("heartbeats and handshake limits do nothing");
    stream = new_socket (context, ZMQ_STREAM);
    set_int (stream, ZMQ_HEARTBEAT_IVL, 10);
    set_int (stream, ZMQ_HEARTBEAT_TIMEOUT, 20);
    set_int (stream, ZMQ_HANDSHAKE_IVL, 20);
    bind_fresh (stream, "tcp", endpoint);
    client = raw_connect (endpoint);
    show_one ("connected:", stream);
    show_quiet ("client:", client);
    show_quiet ("client:", client);
    close (client);
    close_socket (stream);
}

/* ROUTER_RAW ------------------------------------------------------------------------------------------------------------ */

static void raw_router (int mandatory)
{
    part ("ROUTER_RAW%s", mandatory ? " and ROUTER_MANDATORY" : "");
    forget_ids ();
    endpoint_t endpoint;
    void *router = bound (ZMQ_ROUTER, -1, endpoint);
    set_int (router, ZMQ_ROUTER_MANDATORY, mandatory);
    SHOW (int_option (router, ZMQ_EVENTS));
    int client = raw_connect (endpoint);
    show_one ("connected:", router);
    raw_text (client, "hello");
    struct id id = show_one ("received:", router);
    printf ("  the id has %zu bytes, the first is %d\n", id.size, id.data[0]);
    SHOW (get_size (router, ZMQ_ROUTING_ID));
    raw_text (client, "x");
    show_message_properties (router);
    SHOW (send_to (router, &id, "welcome"));
    show_text ("client:", client, 7);
    part ("frames");
    SHOW (send_id (router, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (router, "one,", 4, ZMQ_SNDMORE));
    SHOW (send_id (router, &id, ZMQ_SNDMORE));
    SHOW (zmq_send (router, "two", 3, 0));
    show_text ("client:", client, 7);
    SHOW (send_id (router, &id, 0));
    SHOW (zmq_send (router, "dropped", 7, 0));
    SHOW (send_to (router, &id, "three"));
    show_text ("client:", client, 5);
    SHOW (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    if (!mandatory)
        SHOW (zmq_send (router, "dropped", 7, ZMQ_SNDMORE));
    SHOW (send_to (router, &id, "four"));
    show_text ("client:", client, 4);
    part ("a second client");
    int second = raw_connect (endpoint);
    show_one ("connected:", router);
    raw_text (second, "hi");
    struct id second_id = show_one ("received:", router);
    SHOW (send_to (router, &second_id, "to the second"));
    SHOW (send_to (router, &id, "to the first"));
    show_text ("first:", client, 12);
    show_text ("second:", second, 13);
    part ("the first client leaves");
    raw_text (client, "last words");
    close (client);
    show_data ("received:", router, &id, 10);
    show_one ("disconnected:", router);
    show_none ("then:", router);
    SHOW (send_to (router, &id, "late"));
    part ("an id and an empty message");
    SHOW (send_to (router, &second_id, "before"));
    SHOW (send_to (router, &second_id, ""));
    SHOW (send_to (router, &second_id, "after"));
    show_ending_of ("second:", router, second);
    show_none ("then:", router);
    close_socket (router);
}

static void raw_router_connects (int mandatory)
{
    part ("a ROUTER_RAW%s connects", mandatory ? " with ROUTER_MANDATORY" : "");
    forget_ids ();
    endpoint_t endpoint;
    int listener = raw_listen (endpoint);
    void *router = new_socket (context, ZMQ_ROUTER);
    set_int (router, ZMQ_ROUTER_RAW, 1);
    set_int (router, ZMQ_ROUTER_MANDATORY, mandatory);
    set_int (router, ZMQ_RECONNECT_IVL, 10);
    set_text (router, ZMQ_CONNECT_ROUTING_ID, "server");
    connect_to (router, endpoint);
    SHOW (send_text (router, "server|at once", 0));
    int server = raw_accept (listener);
    show_text ("server:", server, 7);
    show_one ("connected:", router);
    raw_text (server, "reply");
    show_one ("received:", router);
    close (server);
    show_one ("disconnected:", router);
    server = raw_accept (listener);
    show_one ("connected again:", router);
    SHOW (send_text (router, "server|again", 0));
    show_text ("server:", server, 5);
    raw_text (server, "reply");
    show_one ("received:", router);
    close (server);
    close_socket (router);
    close (listener);
}

/* ZMQ_LINGER does not cut short what was sent to a connection before it is ended, while the socket lives. */
static void ended_with_data_on_its_way (void)
{
    enum { SIZE = 20 << 20 };
    part ("ended with data on its way, ZMQ_LINGER 0");
    endpoint_t endpoint;
    void *stream = new_socket (context, ZMQ_STREAM);
    set_int (stream, ZMQ_LINGER, 0);
    bind_fresh (stream, "tcp", endpoint);
    int client = raw_connect (endpoint);
    char id[256];
    int size = zmq_recv (stream, id, sizeof id, 0);
    CHECK (size == 5 && zmq_recv (stream, NULL, 0, 0) == 0);
    char *data = calloc (1, SIZE);
    CHECK (data && zmq_send (stream, id, 5, ZMQ_SNDMORE) == 5 && zmq_send (stream, data, SIZE, 0) == SIZE);
    CHECK (zmq_send (stream, id, 5, ZMQ_SNDMORE) == 5 && zmq_send (stream, "", 0, 0) == 0);
    printf ("  the client reads %s\n", raw_read (client, data, SIZE) == SIZE ? "all of it" : "less");
    free (data);
    close (client);
    close_socket (stream);
}

int main (void)
{
    signal (SIGPIPE, SIG_IGN);
    setvbuf (stdout, NULL, _IOLBF, 0);
    context = new_context ();
    options ();
    no_peers ();
    ended_with_data_on_its_way ();
    one_client ();
    many_clients ();
    large_data ();
    notifications ();
    closing (1);
    closing (0);
    frames ();
    connecting ();
    naming ();
    reconnecting ();
    reconnection_options ();
    stream_to_stream ("tcp");
    stream_to_stream ("ipc");
    stream_to_stream_inproc ();
    zmtp_peer ();
    addresses ();
    unbinding ();
    monitors (ZMQ_STREAM);
    monitors (ZMQ_ROUTER);
    back_pressure (ZMQ_STREAM);
    back_pressure (ZMQ_ROUTER);
    slow_receiver ();
    for (int mandatory = 0; mandatory < 2; mandatory++) {
        raw_router (mandatory);
        raw_router_connects (mandatory);
    }
    end_context (context);
    return 0;
}
