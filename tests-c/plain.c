/* PLAIN (zmq_plain(7), RFC 24): names and passwords as the handler gets them, and messages of all socket types. */
#include "exchanges.h"

static void *context;

/* What the client sets; a text that is not there is not set. */
static void credentials (const char *what, const char *name, size_t name_size, const char *password, size_t password_size)
{
    part ("%s", what);
    void *handler = open_handler (context, ZMQ_REP);
    struct ends ends = open_ends (context, ZMQ_PULL, ZMQ_PUSH);
    as_server (ends.server, PLAIN);
    set_int (ends.client, ZMQ_RECONNECT_IVL, -1);
    if (name)
        CHECK (zmq_setsockopt (ends.client, ZMQ_PLAIN_USERNAME, name, name_size) == 0);
    if (password)
        CHECK (zmq_setsockopt (ends.client, ZMQ_PLAIN_PASSWORD, password, password_size) == 0);
    join_ends (&ends, "tcp");
    ask_and_answer (handler, &accepting);
    both_succeed (&ends);
    put (ends.client, "text");
    show_received ("server", ends.server);
    close_ends (&ends);
    close_handler (handler);
}

/* What is set after zmq_connect or zmq_bind holds for the next one only. */
static void later (void)
{
    part ("options set later");
    void *handler = open_handler (context, ZMQ_REP), *server = new_socket (context, ZMQ_PULL);
    endpoint_t open, secured;
    bind_fresh (server, "tcp", open);
    as_server (server, PLAIN);
    bind_fresh (server, "tcp", secured);
    void *one = new_socket (context, ZMQ_PUSH), *other = as_client (new_socket (context, ZMQ_PUSH), PLAIN);
    connect_to (one, open);
    put (one, "in the open");
    show_received ("server", server);
    connect_to (other, secured);
    set_text (other, ZMQ_PLAIN_USERNAME, "later");
    ask_and_answer (handler, &accepting);
    put (other, "secured");
    show_received ("server", server);
    close_socket (one);
    close_socket (other);
    close_socket (server);
    close_handler (handler);
}

int main (void)
{
    static char text[255];
    memset (text, 'a', sizeof text);
    context = new_context ();
    credentials ("a name and a password", "name", 4, "password", 8);
    credentials ("a name alone", "name", 4, NULL, 0);
    credentials ("a password alone", NULL, 0, "password", 8);
    credentials ("octets", "\0\1\377", 3, "\r\n|", 3);
    credentials ("long ones", text, sizeof text, text, sizeof text);
    later ();
    void *handler = open_handler (context, ZMQ_ROUTER);
    for (int i = 1; i < COUNT (transports); i++) {
        struct way way = {context, handler, PLAIN, transports[i]};
        exchange_all (&way);
        limited (&way, 100, 0);
        limited_behind_a_command (&way, 1000);
    }
    close_handler (handler);
    end_context (context);
    return 0;
}
