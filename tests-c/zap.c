/* Authentication by a handler (RFC 27, ZMQ_ZAP_DOMAIN in zmq_setsockopt(3)): who asks and what, and what follows each answer, good,
 * bad and malformed, for the mechanisms NULL, PLAIN and CURVE; handlers that are missing, close, or answer late. */
#include "security.h"

static void *context;

static struct ends secured (enum mechanism mechanism)
{
    struct ends ends = open_ends (context, ZMQ_DEALER, ZMQ_DEALER);
    as_server (ends.server, mechanism);
    as_client (ends.client, mechanism);
    return ends;
}

static void exchange (struct ends *ends)
{
    put (ends->client, "to the server");
    show_received ("server", ends->server);
    put (ends->server, "to the client");
    show_received ("client", ends->client);
}

static void requests (enum mechanism mechanism, const char *transport, int handler_type)
{
    part ("%s over %s, a %s asked", mechanism_names[mechanism], transport, type_name (handler_type));
    void *handler = open_handler (context, handler_type);
    struct ends ends = secured (mechanism);
    set_text (ends.server, ZMQ_ROUTING_ID, "server id");
    set_text (ends.client, ZMQ_ROUTING_ID, "client id");
    join_ends (&ends, transport);
    ask_and_answer (handler, &accepting);
    both_succeed (&ends);
    exchange (&ends);
    close_ends (&ends);
    close_handler (handler);
}

/* The socket that has a domain asks under NULL, whichever side binds; else the server. */
static void who_asks (void)
{
    for (int who = 1; who <= 3; who++) {
        part ("NULL: the domain is set where it binds %d, where it connects %d", who & 1, who >> 1);
        void *handler = open_handler (context, ZMQ_REP);
        struct ends ends = open_ends (context, ZMQ_DEALER, ZMQ_DEALER);
        if (who & 1)
            set_text (ends.server, ZMQ_ZAP_DOMAIN, "a");
        if (who >> 1)
            set_text (ends.client, ZMQ_ZAP_DOMAIN, who == 3 ? "a" : "b");
        join_ends (&ends, "tcp");
        ask_and_answer (handler, &accepting);
        if (who == 3)
            ask_and_answer (handler, &accepting);
        both_succeed (&ends);
        exchange (&ends);
        close_ends (&ends);
        close_handler (handler);
    }
    for (enum mechanism mechanism = PLAIN; (int) mechanism < mechanism_count; mechanism++) {
        part ("%s: the server connects, the client has a domain", mechanism_names[mechanism]);
        void *handler = open_handler (context, ZMQ_REP);
        struct ends ends = open_ends (context, ZMQ_DEALER, ZMQ_DEALER);
        as_server (ends.client, mechanism);
        as_client (ends.server, mechanism);
        set_text (ends.server, ZMQ_ZAP_DOMAIN, "client");
        join_ends (&ends, "tcp");
        ask_and_answer (handler, &accepting);
        both_succeed (&ends);
        exchange (&ends);
        close_ends (&ends);
        close_handler (handler);
    }
}

/* Without a domain. */
static void no_domain (void)
{
    for (enum mechanism mechanism = OPEN; (int) mechanism < mechanism_count; mechanism++) {
        part ("%s: no domain", mechanism_names[mechanism]);
        void *handler = open_handler (context, ZMQ_REP);
        struct ends ends = open_ends (context, ZMQ_DEALER, ZMQ_DEALER);
        if (mechanism == PLAIN)
            set_int (ends.server, ZMQ_PLAIN_SERVER, 1);
        if (mechanism == CURVE) {
            set_int (ends.server, ZMQ_CURVE_SERVER, 1);
            set_text (ends.server, ZMQ_CURVE_SECRETKEY, SERVER_SECRET);
        }
        as_client (ends.client, mechanism);
        join_ends (&ends, "tcp");
        if (mechanism != OPEN)
            ask_and_answer (handler, &accepting);
        both_succeed (&ends);
        exchange (&ends);
        show_no_message ("the handler", handler);
        close_ends (&ends);
        close_handler (handler);
    }
}

static void statuses (enum mechanism mechanism)
{
    static const struct reply replies[] = {
      REPLY ("200", "200"), REPLY ("300", "300"), REPLY ("400", "400"), REPLY ("500", "500"), REPLY ("100", "100"), REPLY ("201", "201"),
      REPLY ("600", "600"), REPLY ("20", "20"),   REPLY ("2000", "2000"), REPLY ("none", ""), REPLY ("abc", "abc")};
    for (int i = 0; i < COUNT (replies); i++) {
        part ("%s: status %s", mechanism_names[mechanism], replies[i].name);
        void *handler = open_handler (context, ZMQ_REP);
        struct ends ends = secured (mechanism);
        join_ends (&ends, "tcp");
        ask_and_answer (handler, &replies[i]);
        if (i == 0)
            both_succeed (&ends);
        else if (i == 1) {
            show_security_events ("server", ends.server_monitor, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
            show_security_events ("client", ends.client_monitor, ZMQ_EVENT_CONNECTED);
        } else if (i <= 3)
            both_end (&ends);
        else
            show_failure (&ends, mechanism);
        if (i > 0) {
            zmq_send (ends.client, "lost", 4, ZMQ_DONTWAIT);
            show_no_message ("server", ends.server);
        }
        close_ends (&ends);
        close_handler (handler);
    }
}

static void malformed (enum mechanism mechanism)
{
    static const struct reply replies[] = {
      {"another version", 6, {FRAME ("1.1"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}},
      {"no version", 6, {FRAME (""), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}},
      {"another request", 6, {FRAME ("1.0"), FRAME ("another"), FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}},
      {"no request", 6, {FRAME ("1.0"), FRAME (""), FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}},
      {"five frames", 5, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME ("")}},
      {"seven frames", 7, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME (""), FRAME ("")}},
      {"one frame", 1, {FRAME ("1.0")}},
      {"an empty frame", 1, {FRAME ("")}},
      {"metadata cut in the value", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("\5Hello\0\0\0\6World")}},
      {"metadata cut in the length", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("\5Hello\0\0\0")}},
      {"metadata cut in the name", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("\5Hell")}},
      {"metadata of one byte", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("\5")}},
      {"metadata cut, refused", 6, {FRAME ("1.0"), SAME, FRAME ("400"), FRAME (""), FRAME (""), FRAME ("\5Hell")}}};
    for (int i = 0; i < COUNT (replies); i++) {
        part ("%s: %s", mechanism_names[mechanism], replies[i].name);
        void *handler = open_handler (context, i % 2 ? ZMQ_ROUTER : ZMQ_REP);
        struct ends ends = secured (mechanism);
        join_ends (&ends, "tcp");
        ask_and_answer (handler, &replies[i]);
        show_failure (&ends, mechanism);
        close_ends (&ends);
        close_handler (handler);
    }
}

/* What a ROUTER may put before the frames of its reply, besides one delimiter. */
static void envelopes (void)
{
    static const struct reply wrong[] = {REPLY ("no delimiter", "200"),
                                         {"a delimiter alone", 1, {FRAME ("")}},
                                         {"two delimiters", 8, {FRAME (""), FRAME (""), FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}},
                                         {"a delimiter with text", 7, {FRAME ("x"), FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}}};
    for (int i = 0; i < COUNT (wrong); i++) {
        part ("PLAIN: %s", wrong[i].name);
        void *handler = open_handler (context, ZMQ_ROUTER);
        struct ends ends = secured (PLAIN);
        join_ends (&ends, "tcp");
        struct request request = take_request (handler, 1);
        CHECK (zmq_send (handler, request.peer, request.peer_size, ZMQ_SNDMORE) >= 0);
        for (int j = 0; j < wrong[i].count; j++) {
            const struct frame *frame = &wrong[i].frames[j];
            const char *data = frame->data ? frame->data : (char *) request.id;
            CHECK (zmq_send (handler, data, frame->data ? frame->size : request.id_size, j + 1 < wrong[i].count ? ZMQ_SNDMORE : 0) >= 0);
        }
        both_end (&ends);
        close_ends (&ends);
        close_handler (handler);
    }
}

/* Properties of the reply beside those of the peer. */
static void metadata (enum mechanism mechanism)
{
    static const struct reply replies[] = {
      {"no user, no metadata", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME (""), FRAME ("")}},
      {"a name twice", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME ("joe"), FRAME ("\5Hello\0\0\0\1a\5Hello\0\0\0\1b")}},
      {"names of the peer's", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME ("joe"), FRAME ("\10Identity\0\0\0\3zap\13Socket-Type\0\0\0\6DEALER")}},
      {"other case", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME ("joe"), FRAME ("\5hello\0\0\0\1a")}},
      {"names of the library's", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME ("joe"), FRAME ("\7User-Id\0\0\0\3jim\14Peer-Address\0\0\0\1x")}},
      {"no value", 6, {FRAME ("1.0"), SAME, FRAME ("200"), FRAME (""), FRAME ("joe"), FRAME ("\5Hello\0\0\0\0")}}};
    for (int i = 0; i < COUNT (replies); i++) {
        part ("%s, metadata: %s", mechanism_names[mechanism], replies[i].name);
        void *handler = open_handler (context, ZMQ_REP);
        struct ends ends = secured (mechanism);
        set_text (ends.client, ZMQ_ROUTING_ID, "client id");
        join_ends (&ends, "tcp");
        ask_and_answer (handler, &replies[i]);
        both_succeed (&ends);
        exchange (&ends);
        close_ends (&ends);
        close_handler (handler);
    }
}

/* Without a handler: PLAIN insists on one. What a domain that is enforced does to the others without a handler is left out: the
 * reference library neither ends those connections nor always its own work on them. */
static void no_handler (void)
{
    for (enum mechanism mechanism = OPEN; (int) mechanism < mechanism_count; mechanism++) {
        part ("%s: no handler", mechanism_names[mechanism]);
        struct ends ends = secured (mechanism);
        join_ends (&ends, "tcp");
        if (mechanism == PLAIN)
            both_end (&ends);
        else {
            both_succeed (&ends);
            exchange (&ends);
        }
        close_ends (&ends);
        part ("%s: a domain enforced, a handler", mechanism_names[mechanism]);
        void *handler = open_handler (context, ZMQ_REP);
        ends = secured (mechanism);
        set_int (ends.server, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
        join_ends (&ends, "tcp");
        ask_and_answer (handler, &accepting);
        both_succeed (&ends);
        exchange (&ends);
        close_ends (&ends);
        close_handler (handler);
    }
}

/* A handler that has been asked and closes, unbinds, or does not answer in time. */
static void lost_handlers (enum mechanism mechanism)
{
    static const char *const ways[] = {"closes", "unbinds, then answers", "is too late", "answers when the peer is gone"};
    for (int way = 0; way < COUNT (ways); way++) {
        part ("%s: the handler %s", mechanism_names[mechanism], ways[way]);
        void *handler = open_handler (context, way % 2 ? ZMQ_ROUTER : ZMQ_REP);
        struct ends ends = secured (mechanism);
        set_int (ends.server, ZMQ_HANDSHAKE_IVL, way == 0 || way == 2 ? 200 : 0);
        join_ends (&ends, "tcp");
        struct request request = take_request (handler, 1);
        if (way == 0)
            close_handler (handler);
        if (way == 1) {
            CHECK (zmq_unbind (handler, ZAP_ENDPOINT) == 0);
            answer (handler, &request, &accepting);
            both_succeed (&ends);
            exchange (&ends);
            close_socket (handler);
        }
        if (way == 3)
            close_client (&ends);
        if (way != 1) {
            show_security_events ("server", ends.server_monitor, ZMQ_EVENT_DISCONNECTED);
            show_no_message ("server", ends.server);
        }
        if (way >= 2) {
            answer (handler, &request, &accepting);
            show_security_events ("server", ends.server_monitor, 0);
            close_handler (handler);
        }
        close_ends (&ends);
    }
}

/* Several are asked for at once and answered in the other order; a second answer changes nothing. */
static void several (enum mechanism mechanism)
{
    enum { CLIENTS = 5 };
    part ("%s: several at once", mechanism_names[mechanism]);
    static const struct reply refused = REPLY ("refused", "400");
    void *handler = open_handler (context, ZMQ_ROUTER), *server = as_server (new_socket (context, ZMQ_PULL), mechanism);
    void *clients[CLIENTS], *monitors[CLIENTS];
    struct request asked[CLIENTS];
    endpoint_t endpoint;
    bind_fresh (server, "tcp", endpoint);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = as_client (new_socket (context, ZMQ_PUSH), mechanism);
        monitors[i] = open_monitor (context, clients[i], WATCHED);
        connect_to (clients[i], endpoint);
        asked[i] = take_request (handler, 1);
    }
    for (int i = CLIENTS; i-- > 0;)
        answer (handler, &asked[i], i % 2 ? &refused : &accepting);
    for (int i = CLIENTS; i-- > 0;)
        show_security_events ("client", monitors[i], i % 2 ? ZMQ_EVENT_DISCONNECTED : ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    for (int i = 0; i < CLIENTS; i++)
        answer (handler, &asked[i], i % 2 ? &accepting : &refused);
    for (int i = 0; i < CLIENTS; i += 2) {
        put (clients[i], "accepted");
        show_received ("server", server);
    }
    for (int i = 0; i < CLIENTS; i++) {
        close_monitor (clients[i], monitors[i]);
        close_socket (clients[i]);
    }
    close_socket (server);
    close_handler (handler);
}

/* A handler that comes later is asked for later connections only, and so is its successor. */
static void successors (void)
{
    part ("NULL: handlers come and go");
    struct ends ends = secured (OPEN);
    join_ends (&ends, "tcp");
    both_succeed (&ends);
    for (int i = 0; i < 2; i++) {
        void *handler = open_handler (context, i ? ZMQ_ROUTER : ZMQ_REP), *other = as_client (new_socket (context, ZMQ_DEALER), OPEN);
        connect_to (other, ends.endpoint);
        ask_and_answer (handler, &accepting);
        put (other, "other");
        show_received ("server", ends.server);
        put (ends.client, "first");
        show_received ("server", ends.server);
        close_socket (other);
        close_handler (handler);
        show_security_events ("server", ends.server_monitor, ZMQ_EVENT_DISCONNECTED);
    }
    close_ends (&ends);
}

int main (int count, char **arguments)
{
    is_full (count, arguments);
    context = new_context ();
    for (enum mechanism mechanism = OPEN; (int) mechanism < mechanism_count; mechanism++) {
        for (int router = 0; router <= 1; router++)
            for (int i = 1; i < COUNT (transports); i++)
                requests (mechanism, transports[i], router ? ZMQ_ROUTER : ZMQ_REP);
        statuses (mechanism);
        malformed (mechanism);
        metadata (mechanism);
        lost_handlers (mechanism);
        several (mechanism);
    }
    who_asks ();
    no_domain ();
    envelopes ();
    no_handler ();
    successors ();
    end_context (context);
    return 0;
}
