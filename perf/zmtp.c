#include "zmtp.h"
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING_SIZE 64

static void write_all (int fd, const void *data, size_t size)
{
    ssize_t wrote = send (fd, data, size, MSG_NOSIGNAL);
    if (wrote != (ssize_t) size)
        fail ("%zd of %zu bytes of the handshake written: %s", wrote, size, strerror (errno));
}

static void read_all (int fd, unsigned char *data, size_t size)
{
    ssize_t got = recv (fd, data, size, MSG_WAITALL);
    if (got != (ssize_t) size)
        fail ("%zd of %zu bytes of the handshake read: %s", got, size, strerror (errno));
}

static void exchange_greetings (int fd)
{
    unsigned char greeting[GREETING_SIZE] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    unsigned char theirs[GREETING_SIZE];
    write_all (fd, greeting, sizeof greeting);
    read_all (fd, theirs, sizeof theirs);
    CHECK (theirs[0] == 0xff && theirs[9] == 0x7f && theirs[10] >= 3);
    CHECK (memcmp (theirs + 12, "NULL", 5) == 0);
}

static void exchange_ready (int fd, const char *socket_type)
{
    unsigned char frame[255];
    size_t type_size = strlen (socket_type);
    size_t size = (size_t) snprintf ((char *) frame + 2, sizeof frame - 2, "\5READY\13Socket-Type%c%c%c%c%s", 0, 0, 0,
                                     (int) type_size, socket_type);
    frame[0] = ZMTP_COMMAND;
    frame[1] = (unsigned char) size;
    write_all (fd, frame, size + 2);
    read_all (fd, frame, 2);
    CHECK (frame[0] == ZMTP_COMMAND && frame[1] < sizeof frame);
    size = frame[1];
    read_all (fd, frame, size);
    CHECK (size >= 6 && memcmp (frame, "\5READY", 6) == 0);
}

int zmtp_connect (const char *endpoint, const char *socket_type)
{
    const char *port = strrchr (endpoint, ':');
    struct sockaddr_in address = {.sin_family = AF_INET};
    int yes = 1;
    CHECK (port && strncmp (endpoint, "tcp://", 6) == 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    address.sin_port = htons ((uint16_t) atoi (port + 1));
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
        fail ("plain connection to %s: %s", endpoint, strerror (errno));
    CHECK (setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
    exchange_greetings (fd);
    exchange_ready (fd, socket_type);
    CHECK (fcntl (fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

void zmtp_subscribe_all (int fd)
{
    static const unsigned char subscribe[] = "\4\12\11SUBSCRIBE";
    write_all (fd, subscribe, sizeof subscribe - 1);
}

int zmtp_next (const unsigned char **at, const unsigned char *end, struct zmtp_frame *frame)
{
    const unsigned char *from = *at;
    size_t have = (size_t) (end - from), header = 2, size = 0;
    if (have < header)
        return 0;
    frame->flags = from[0];
    if (from[0] & ZMTP_LONG) {
        header = 9;
        if (have < header)
            return 0;
        for (size_t byte = 1; byte < header; byte++)
            size = size << 8 | from[byte];
    } else {
        size = from[1];
    }
    if (have - header < size)
        return 0;
    frame->body = from + header;
    frame->size = size;
    *at = from + header + size;
    return 1;
}
