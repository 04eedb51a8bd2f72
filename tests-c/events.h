/* Prints the events of monitors with their values and addresses, masked where they depend on the run. */
#ifndef MONOCOQUE_TESTS_EVENTS_H
#define MONOCOQUE_TESTS_EVENTS_H

#include "raw.h"

enum
{
    DESCRIPTORS = ZMQ_EVENT_LISTENING | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED,
    ERRORS = ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_BIND_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
};

/* The address: "endpoint" where it is the given one, otherwise its text without a port that the system chose. */
static UNUSED void show_address (char *address, const char *endpoint)
{
    char *colon = strrchr (address, ':');
    if (strcmp (address, endpoint) == 0)
        printf (", endpoint\n");
    else if (strncmp (address, "ipc://tmp", 9) == 0)
        printf (", [a temporary path]\n");
    else if (colon && atoi (colon + 1) > 1023)
        printf (", [%.*s:PORT]\n", (int) (colon - address), address);
    else
        printf (", [%s]\n", address);
}

/* Reads one event, prints it and returns it. */
static UNUSED int show_next (const char *who, void *monitor, const char *endpoint)
{
    uint32_t value;
    endpoint_t address;
    int event = next_event (monitor, &value, address);
    printf ("    %s: %s", who, event_name (event));
    if (event & DESCRIPTORS)
        printf (", %s", value > 2 && value < 100000 ? "a descriptor" : "no descriptor");
    else if (event & ERRORS)
        printf (", %s", error_name ((int) value));
    else if (!(event & (ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_ACCEPT_FAILED)))
        printf (", %#x", value);
    show_address (address, endpoint);
    fflush (stdout);
    return event;
}

/* Prints events up to the given one. */
static UNUSED void show_up_to (const char *who, void *monitor, const char *endpoint, int last)
{
    while (show_next (who, monitor, endpoint) != last)
        ;
}

/* The same, while the other socket is used: the reference library does part of its work only then. */
static UNUSED void show_driving (const char *who, void *monitor, const char *endpoint, int last, void *other)
{
    do
        wait_driving (monitor, ZMQ_POLLIN, other);
    while (show_next (who, monitor, endpoint) != last);
}

/* Prints that no event comes, or those that do. */
static UNUSED void show_no_event (const char *who, void *monitor, const char *endpoint)
{
    zmq_pollitem_t item = {monitor, 0, ZMQ_POLLIN, 0};
    while (zmq_poll (&item, 1, QUIET_MS) == 1)
        show_next (who, monitor, endpoint);
}

/* Stops the monitor, prints what is left of its events, and closes both sockets. */
static UNUSED void stop_and_show (const char *who, void *socket, void *monitor, const char *endpoint)
{
    CHECK (zmq_socket_monitor (socket, NULL, 0) == 0);
    show_up_to (who, monitor, endpoint, ZMQ_EVENT_MONITOR_STOPPED);
    close_socket (monitor);
    close_socket (socket);
}

#endif
