/* A client under GSSAPI that breaks the rules, for tests/gssapi.sh: it speaks ZMTP by itself over the system's security service, to a
 * server under encryption.
 *
 *   stranger FILE CASE
 *
 * The file has the server's endpoint. It is done when the server has closed the connection, or answered the message that it sends back. */
#include <arpa/inet.h>
#include <gssapi/gssapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf ("FAILED: %s\n", #condition);                                                                       \
            exit (3);                                                                                                  \
        }                                                                                                              \
    } while (0)

enum { MESSAGE = 0, COMMAND = 4, FRAME_MAX = 4096 };

static const char ready[] = "\0\5READY\013Socket-Type\0\0\0\6DEALER\10Identity\0\0\0\0";
static int connection;
static gss_ctx_id_t context;

static void put (const void *bytes, size_t size)
{
    CHECK (send (connection, bytes, size, MSG_NOSIGNAL) == (ssize_t) size);
}

static int take (void *bytes, size_t size)
{
    return recv (connection, bytes, size, MSG_WAITALL) == (ssize_t) size;
}

static void put_frame (unsigned char flags, const void *body, size_t size)
{
    unsigned char header[9] = {flags | 2, 0, 0, 0, 0, 0, 0, (unsigned char) (size >> 8), (unsigned char) size};
    unsigned char small[2] = {flags, (unsigned char) size};
    put (size > 255 ? header : small, size > 255 ? 9 : 2);
    put (body, size);
}

/* A frame's body, or 0 when the connection has ended. */
static size_t take_frame (unsigned char *body)
{
    unsigned char flags, length[8];
    if (!take (&flags, 1) || !take (length, flags & 2 ? 8 : 1))
        return 0;
    size_t size = flags & 2 ? (size_t) length[6] << 8 | length[7] : length[0];
    CHECK (size <= FRAME_MAX && take (body, size));
    return size;
}

static void put_token (unsigned char flags, const char *name, gss_buffer_t token)
{
    unsigned char body[FRAME_MAX];
    size_t start = strlen (name);
    uint32_t length = htonl ((uint32_t) token->length);
    CHECK (start + 4 + token->length <= sizeof body);
    memcpy (body, name, start);
    memcpy (body + start, &length, 4);
    memcpy (body + start + 4, token->value, token->length);
    put_frame (flags, body, start + 4 + token->length);
}

static gss_buffer_desc wrap (int is_sealed, const void *clear, size_t size)
{
    OM_uint32 minor;
    gss_buffer_desc in = {size, (void *) clear}, out;
    CHECK (gss_wrap (&minor, context, is_sealed, GSS_C_QOP_DEFAULT, &in, NULL, &out) == GSS_S_COMPLETE);
    return out;
}

static OM_uint32 step (gss_name_t service, gss_buffer_t in, gss_buffer_t out)
{
    OM_uint32 minor;
    return gss_init_sec_context (&minor, GSS_C_NO_CREDENTIAL, &context, service, GSS_C_NO_OID,
                                 GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG, 0,
                                 GSS_C_NO_CHANNEL_BINDINGS, in, NULL, out, NULL, NULL);
}

static void greet_and_initiate (void)
{
    unsigned char greeting[64] = {0xff, [9] = 0x7f, 3, 1, 'G', 'S', 'S', 'A', 'P', 'I'}, body[FRAME_MAX];
    put (greeting, sizeof greeting);
    CHECK (take (greeting, sizeof greeting));
    OM_uint32 minor;
    gss_name_t service;
    gss_buffer_desc name = {13, "zmq@localhost"}, token;
    CHECK (gss_import_name (&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, &service) == GSS_S_COMPLETE);
    CHECK (step (service, GSS_C_NO_BUFFER, &token) == GSS_S_CONTINUE_NEEDED);
    put_token (COMMAND, "\10INITIATE", &token);
    size_t size = take_frame (body);
    CHECK (size > 13 && memcmp (body, "\10INITIATE", 9) == 0);
    gss_buffer_desc answer = {size - 13, body + 13};
    CHECK (step (service, &answer, &token) == GSS_S_COMPLETE);
}

static int is (const char *name, const char *other)
{
    return strcmp (name, other) == 0;
}

static void shake_hands (const char *name)
{
    unsigned char body[FRAME_MAX];
    greet_and_initiate ();
    if (is (name, "another command"))
        return put_frame (COMMAND, "\5HELLO", 6);
    put_frame (COMMAND, "", 0);
    CHECK (take_frame (body) > 0);
    if (is (name, "READY in clear"))
        return put_frame (COMMAND, ready + 1, sizeof ready - 2);
    gss_buffer_desc token = wrap (!is (name, "READY signed only"), ready, sizeof ready - 1);
    put_token (COMMAND, "\7MESSAGE", &token);
}

static void send_messages (const char *name)
{
    gss_buffer_desc first = wrap (!is (name, "signed only"), "\0first", is (name, "empty") ? 0 : 6);
    gss_buffer_desc second = wrap (1, "\0second", 7);
    if (is (name, "changed"))
        ((unsigned char *) first.value)[first.length - 1] ^= 1;
    if (is (name, "in clear"))
        put_frame (MESSAGE, "\5first message", 14);
    else if (is (name, "one left out"))
        put_token (MESSAGE, "\7MESSAGE", &second);
    else {
        put_token (MESSAGE, "\7MESSAGE", &first);
        if (is (name, "again"))
            put_token (MESSAGE, "\7MESSAGE", &first);
        if (is (name, "all is well"))
            put_token (COMMAND, "\7MESSAGE", &second);
    }
}

int main (int count, char **arguments)
{
    char endpoint[64];
    int port;
    CHECK (count == 3);
    FILE *in = fopen (arguments[1], "r");
    CHECK (in && fscanf (in, "%63s", endpoint) == 1 && sscanf (endpoint, "tcp://127.0.0.1:%d", &port) == 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    connection = socket (AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {10, 0};
    CHECK (setsockopt (connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK (connect (connection, (struct sockaddr *) &address, sizeof address) == 0);
    const char *name = arguments[2];
    shake_hands (name);
    if (strncmp (name, "READY", 5) != 0 && !is (name, "another command"))
        send_messages (name);
    unsigned char body[FRAME_MAX];
    int answers = 0, expected = is (name, "all is well") ? 2 : FRAME_MAX;
    while (answers < expected && take_frame (body) > 0)
        answers++;
    printf (answers == expected ? "answered\n" : "closed\n");
    return 0;
}
