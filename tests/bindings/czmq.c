// What a program does with CZMQ: every class that stands on libzmq, but for security and beacons. It prints what it sees, the same
// on every library; a socket that waits gives up after a while, and the line then says so.
#include <czmq.h>
#include <signal.h>

#define WAIT_MS 10000
#define SILENCE_MS 100

static void section(const char *name) { printf("# %s\n", name); fflush(stdout); }

static zsock_t *patient(zsock_t *sock) {
    if (!sock) {
        printf("no socket: %s\n", zmq_strerror(zmq_errno()));
        exit(1);
    }
    zsock_set_rcvtimeo(sock, WAIT_MS);
    zsock_set_sndtimeo(sock, WAIT_MS);
    zsock_set_linger(sock, 0);
    return sock;
}

// Prints the frames of the next message: text as it is, anything else as its size and sum.
static void show(const char *who, void *source) {
    zmsg_t *msg = zmsg_recv(source);
    printf("%s:", who);
    if (!msg) printf(" nothing (%s)", zmq_strerror(zmq_errno()));
    for (zframe_t *frame = msg ? zmsg_first(msg) : NULL; frame; frame = zmsg_next(msg)) {
        size_t size = zframe_size(frame), sum = 0, text = size < 60;
        for (size_t at = 0; at < size; at++) {
            sum = sum * 31 + zframe_data(frame)[at];
            text = text && zframe_data(frame)[at] >= 32 && zframe_data(frame)[at] < 127;
        }
        if (text) printf(" [%.*s]", (int)size, (char *)zframe_data(frame));
        else printf(" [%zu bytes, %zx]", size, sum & 0xffffff);
    }
    printf("\n");
    zmsg_destroy(&msg);
}

static void show_str(const char *who, void *source) {
    char *text = zstr_recv(source);
    printf("%s: %s\n", who, text ? text : zmq_strerror(zmq_errno()));
    zstr_free(&text);
}

// Binds to an endpoint of the transport and connects the other to it.
static void join(zsock_t *bound, zsock_t *connected, const char *transport) {
    static int number;
    patient(bound);
    patient(connected);
    int rc;
    if (streq(transport, "tcp")) rc = zsock_bind(bound, "tcp://127.0.0.1:*") > 0 ? 0 : -1;
    else if (streq(transport, "ipc")) rc = zsock_bind(bound, "ipc://*");
    else rc = zsock_bind(bound, "inproc://czmq-%d", ++number);
    char *endpoint = zsock_last_endpoint(bound);
    if (rc == 0) rc = zsock_connect(connected, "%s", endpoint);
    zstr_free(&endpoint);
    if (rc) printf("join over %s: %s\n", transport, zmq_strerror(zmq_errno()));
}

// ---- zsock, zstr, zmsg, zframe ------------------------------------------------------------------

static void reqrep(const char *transport) {
    zsock_t *rep = zsock_new(ZMQ_REP), *req = zsock_new(ZMQ_REQ);
    join(rep, req, transport);
    zstr_send(req, "question");
    show_str("rep", rep);
    // A second request before the reply, and a reply to nothing.
    zsock_t *early = zsock_new(ZMQ_REQ);
    patient(early);
    char *endpoint = zsock_last_endpoint(rep);
    zsock_connect(early, "%s", endpoint);
    zstr_free(&endpoint);
    zstr_send(early, "1");
    int rc = zstr_send(early, "2");
    printf("second request: %d %s\n", rc, rc ? zmq_strerror(zmq_errno()) : "");
    zstr_sendx(rep, "answer", "", "in parts", NULL);
    show("req", req);
    zsock_destroy(&early);
    zsock_destroy(&req);
    zsock_destroy(&rep);
}

static void dealerrouter(const char *transport) {
    zsock_t *router = zsock_new(ZMQ_ROUTER), *dealer = zsock_new(ZMQ_DEALER);
    zsock_set_identity(dealer, "dealer");
    zsock_set_router_mandatory(router, 1);
    join(router, dealer, transport);
    zsock_send(dealer, "ss", "to the", "router");
    zmsg_t *msg = zmsg_recv(router);
    zframe_t *id = zmsg_unwrap(msg);
    char *name = zframe_strdup(id);
    printf("router: %zu frames and bytes %zu from %s\n", zmsg_size(msg), zmsg_content_size(msg), name);
    zstr_free(&name);
    zmsg_wrap(msg, id);
    zmsg_send(&msg, router);
    show("dealer", dealer);
    zmsg_t *lost = zmsg_new();
    zmsg_addstr(lost, "nobody");
    zmsg_addstr(lost, "text");
    int rc = zmsg_send(&lost, router);
    printf("to nobody: %d %s\n", rc, rc ? zmq_strerror(zmq_errno()) : "");
    zmsg_destroy(&lost);
    zsock_destroy(&dealer);
    zsock_destroy(&router);
}

static void pubsub(const char *transport) {
    zsock_t *pub = zsock_new(ZMQ_PUB), *sub = zsock_new(ZMQ_SUB);
    zsock_set_subscribe(sub, "a");
    zsock_set_subscribe(sub, "sync");
    join(pub, sub, transport);
    // The subscription has come when one of these comes.
    zpoller_t *poller = zpoller_new(sub, NULL);
    do zstr_send(pub, "sync");
    while (!zpoller_wait(poller, 10) && !zpoller_terminated(poller));
    zstr_send(pub, "b1");
    zstr_sendx(pub, "a1", "body", NULL);
    zstr_send(pub, "end");
    zstr_send(pub, "a2");
    for (int wanted = 2; wanted;) {
        zmsg_t *msg = zmsg_recv(sub);
        if (!msg) { printf("sub: nothing\n"); break; }
        if (!zframe_streq(zmsg_first(msg), "sync")) {
            char *topic = zmsg_popstr(msg);
            printf("sub: %s and %zu frames\n", topic, zmsg_size(msg));
            zstr_free(&topic);
            wanted--;
        }
        zmsg_destroy(&msg);
    }
    zpoller_destroy(&poller);
    zsock_destroy(&sub);
    zsock_destroy(&pub);
}

static void xpubxsub(const char *transport) {
    zsock_t *xpub = zsock_new(ZMQ_XPUB), *xsub = zsock_new(ZMQ_XSUB);
    zsock_set_xpub_verbose(xpub, 1);
    join(xpub, xsub, transport);
    zsock_send(xsub, "b", "\1topic", (size_t)6);
    show("xpub", xpub);
    zstr_send(xpub, "other");
    zstr_send(xpub, "topic one");
    show("xsub", xsub);
    zsock_send(xsub, "b", "\0topic", (size_t)6);
    show("xpub", xpub);
    zsock_destroy(&xsub);
    zsock_destroy(&xpub);
}

static void pushpull(const char *transport) {
    zsock_t *pull = zsock_new(ZMQ_PULL), *push = zsock_new(ZMQ_PUSH);
    join(pull, push, transport);
    char *large = malloc(3000000);
    memset(large, 'x', 3000000);
    zsock_send(push, "bisz", large, (size_t)3000000, -7, "text");
    show("pull", pull);
    free(large);
    // In rounds that are smaller than the high-water marks.
    long sum = 0, ordered = 1;
    for (int round = 0; round < 10; round++) {
        for (int number = 0; number < 500; number++) zstr_sendf(push, "%d", round * 500 + number);
        for (int number = 0; number < 500; number++) {
            char *text = zstr_recv(pull);
            ordered &= text && atoi(text) == round * 500 + number;
            sum += text ? atoi(text) : 0;
            zstr_free(&text);
        }
    }
    printf("pull: sum %ld, ordered %ld\n", sum, ordered);
    zsock_destroy(&push);
    zsock_destroy(&pull);
}

static void pair(const char *transport) {
    zsock_t *one = zsock_new(ZMQ_PAIR), *two = zsock_new(ZMQ_PAIR);
    join(one, two, transport);
    zsock_signal(one, 3);
    printf("signal %d\n", zsock_wait(two));
    // The binary picture, and the text one: an empty string, numbers at their limits, a frame, a pointer.
    zchunk_t *chunk = zchunk_new("chunk", 5);
    zsock_bsend(two, "1248sSc", 255, 65535, 4294967295u, UINT64_MAX, "short", "long string", chunk);
    zchunk_destroy(&chunk);
    uint8_t u1 = 0; uint16_t u2 = 0; uint32_t u4 = 0; uint64_t u8 = 0;
    char *little = NULL, *big = NULL;
    if (zsock_brecv(one, "1248sSc", &u1, &u2, &u4, &u8, &little, &big, &chunk) == 0)
        printf("brecv %u %u %u %" PRIu64 " %s %s %zu\n", u1, u2, u4, u8, little, big, zchunk_size(chunk));
    zchunk_destroy(&chunk);
    zstr_free(&big);
    zframe_t *frame = zframe_new("\0\1\2", 3);
    zsock_send(one, "zsi8fp", "", -2147483647, UINT64_MAX, frame, &frame);
    zframe_destroy(&frame);
    char *text = NULL; int number = 0; void *pointer = NULL;
    if (zsock_recv(two, "zsi8fp", &text, &number, &u8, &frame, &pointer) == 0)
        printf("recv '%s' %d %" PRIu64 " %zu %d\n", text ? text : "null", number, u8, zframe_size(frame), pointer == &frame);
    zstr_free(&text);
    zframe_destroy(&frame);
    printf("events %d %d\n", zsock_events(one), zsock_events(two));
    zsock_destroy(&two);
    zsock_destroy(&one);
}

static void patterns(void) {
    static const char *transports[] = {"tcp", "ipc", "inproc"};
    for (int at = 0; at < 3; at++) {
        section(transports[at]);
        reqrep(transports[at]);
        dealerrouter(transports[at]);
        pubsub(transports[at]);
        xpubxsub(transports[at]);
        pushpull(transports[at]);
        pair(transports[at]);
    }
}

static void messages(void) {
    section("zframe and zmsg");
    zsock_t *pull = zsock_new(ZMQ_PULL), *push = zsock_new(ZMQ_PUSH);
    join(pull, push, "tcp");
    zframe_t *frame = zframe_from("first");
    printf("sent %d %d", zframe_send(&frame, push, ZFRAME_MORE | ZFRAME_REUSE), frame != NULL);
    zframe_reset(frame, "second", 6);
    printf(" %d %d\n", zframe_send(&frame, push, ZFRAME_MORE), frame != NULL);
    frame = zframe_new(NULL, 0);
    zframe_send(&frame, push, 0);
    for (int part = 0; part < 3; part++) {
        frame = zframe_recv(pull);
        char *hex = frame ? zframe_strhex(frame) : NULL;
        printf("part %zu more %d meta %s %s\n", zframe_size(frame), zframe_more(frame), hex, zframe_meta(frame, "Socket-Type"));
        zstr_free(&hex);
        zframe_destroy(&frame);
    }
    zmsg_t *msg = zmsg_new(), *inner = zmsg_new();
    zmsg_addstrf(inner, "inner %d", 1);
    zmsg_pushstr(msg, "head");
    zmsg_addmem(msg, "\0tail", 5);
    zmsg_addmsg(msg, &inner);
    zmsg_t *copy = zmsg_dup(msg);
    printf("equal %d size %zu\n", zmsg_eq(msg, copy), zmsg_size(msg));
    zmsg_sendm(&msg, push);
    zmsg_send(&copy, push);
    msg = zmsg_recv(pull);
    printf("came %zu frames of %zu bytes\n", zmsg_size(msg), zmsg_content_size(msg));
    zmsg_destroy(&msg);
    printf("nowait %s\n", zmsg_recv_nowait(pull) ? "a message" : zmq_strerror(zmq_errno()));
    char *one = NULL, *two = NULL, *three = (char *)1;
    zstr_sendx(push, "1", "2", NULL);
    int count = zstr_recvx(pull, &one, &two, &three, NULL);
    printf("recvx %d %s %s %s\n", count, one, two, three ? three : "null");
    zstr_free(&one);
    zstr_free(&two);
    zstr_sendm(push, "more");
    zstr_send(push, "last");
    one = zstr_recv(pull);
    printf("rcvmore %d", zsock_rcvmore(pull));
    zsock_flush(pull);
    printf(" flushed %d\n", zsock_rcvmore(pull));
    zstr_free(&one);
    zsock_destroy(&push);
    zsock_destroy(&pull);
}

static void endpoints(void) {
    section("endpoints");
    zsock_t *pull = patient(zsock_new(ZMQ_PULL)), *push = patient(zsock_new(ZMQ_PUSH));
    int port = zsock_bind(pull, "tcp://127.0.0.1:!");
    printf("ephemeral %d", port > 0);
    int ranged = zsock_bind(pull, "tcp://127.0.0.1:*[41000-59999]");
    printf(" ranged %d of %s\n", ranged >= 41000 && ranged <= 59999, zsock_type_str(pull));
    zsock_t *second = patient(zsock_new(ZMQ_PULL));
    int rc = zsock_bind(second, "tcp://127.0.0.1:%d", port);
    printf("taken %d %s\n", rc, zmq_strerror(zmq_errno()));
    rc = zsock_bind(second, "nonsense://x");
    printf("nonsense %d %s\n", rc, zmq_strerror(zmq_errno()));
    rc = zsock_connect(push, "tcp://127.0.0.1");
    printf("no port %d %s\n", rc, rc ? zmq_strerror(zmq_errno()) : "");
    printf("unbind %d", zsock_unbind(pull, "tcp://127.0.0.1:%d", port));
    rc = zsock_unbind(pull, "tcp://127.0.0.1:%d", port);
    printf(" again %d %s\n", rc, rc ? zmq_strerror(zmq_errno()) : "");
    // The port is free again, and a socket that waited for it comes through.
    zsock_connect(push, "tcp://127.0.0.1:%d", port);
    while (zsock_bind(second, "tcp://127.0.0.1:%d", port) < 0 && !zsys_interrupted) zclock_sleep(10);
    zstr_send(push, "after the move");
    show_str("second", second);
    printf("disconnect %d", zsock_disconnect(push, "tcp://127.0.0.1:%d", port));
    rc = zsock_disconnect(push, "tcp://127.0.0.1:%d", port);
    printf(" again %d %s\n", rc, rc ? zmq_strerror(zmq_errno()) : "");
    zsock_t *many = patient(zsock_new(ZMQ_PULL));
    rc = zsock_attach(many, "@inproc://czmq-a,@inproc://czmq-b,>inproc://czmq-later", false);
    zsock_t *a = zsock_new_push(">inproc://czmq-a"), *b = zsock_new_push("inproc://czmq-b"), *later = zsock_new_push("@inproc://czmq-later");
    zstr_send(a, "a");
    show_str("many", many);
    zstr_send(b, "b");
    show_str("many", many);
    zstr_send(later, "later");
    show_str("many", many);
    printf("attach %d, a bad one %d\n", rc, zsock_attach(many, "inproc://czmq-a,bad", true));
    zsock_t *sockets[] = {pull, push, second, many, a, b, later};
    for (int at = 0; at < 7; at++) zsock_destroy(&sockets[at]);
    zsock_t *none = zsock_new_rep("@nonsense://x");
    printf("constructor %s\n", none ? "a socket" : "null");
}

// ---- options ------------------------------------------------------------------------------------

#define OPTION(name, value) \
    do { \
        int before = zsock_##name(sock); \
        zsock_set_##name(sock, value); \
        printf(#name " %d, %d\n", before, zsock_##name(sock)); \
    } while (0)

#define TEXT(name) \
    do { \
        char *text = zsock_##name(sock); \
        printf(#name " '%s'\n", text ? text : "null"); \
        zstr_free(&text); \
    } while (0)

static void options(void) {
    section("options");
    zsock_t *sock = zsock_new(ZMQ_DEALER);
    OPTION(heartbeat_ivl, 2000);
    OPTION(heartbeat_ttl, 4000);
    OPTION(heartbeat_timeout, 3000);
    OPTION(use_fd, -1);
    OPTION(connect_timeout, 200);
    OPTION(tcp_maxrt, 300);
    OPTION(multicast_maxtpdu, 1400);
    OPTION(tos, 16);
    OPTION(handshake_ivl, 500);
    OPTION(ipv6, 1);
    OPTION(immediate, 1);
    OPTION(sndhwm, 11);
    OPTION(rcvhwm, 12);
    OPTION(maxmsgsize, 100000);
    OPTION(multicast_hops, 3);
    OPTION(tcp_keepalive, 1);
    OPTION(tcp_keepalive_idle, 60);
    OPTION(tcp_keepalive_cnt, 5);
    OPTION(tcp_keepalive_intvl, 7);
    OPTION(ipv4only, 1);
    OPTION(affinity, 1);
    OPTION(rate, 500);
    OPTION(recovery_ivl, 900);
    OPTION(rcvtimeo, 20);
    OPTION(sndtimeo, 30);
    OPTION(sndbuf, 20000);
    OPTION(rcvbuf, 30000);
    OPTION(linger, 40);
    OPTION(reconnect_ivl, 50);
    OPTION(reconnect_ivl_max, 5000);
    OPTION(backlog, 7);
    zsock_set_unbounded(sock);
    printf("unbounded %d %d\n", zsock_sndhwm(sock), zsock_rcvhwm(sock));
    TEXT(identity);
    zsock_set_identity(sock, "somebody");
    TEXT(identity);
    TEXT(last_endpoint);
    TEXT(socks_proxy);
    TEXT(bindtodevice);
    TEXT(plain_username);
    TEXT(zap_domain);
    zsock_set_probe_router(sock, 1);
    zsock_set_conflate(sock, 1);
    printf("type %d mechanism %d rcvmore %d events %d fd %d thread_safe %d\n", zsock_type(sock), zsock_mechanism(sock),
           zsock_rcvmore(sock), zsock_events(sock), zsock_fd(sock) >= 0, zsock_thread_safe(sock));
    zsock_destroy(&sock);
    sock = zsock_new(ZMQ_XPUB);
    zsock_set_xpub_verbose(sock, 1);
    zsock_set_xpub_verboser(sock, 1);
    zsock_set_xpub_nodrop(sock, 1);
    zsock_set_xpub_manual(sock, 1);
    zsock_set_xpub_welcome_msg(sock, "welcome");
    OPTION(invert_matching, 1);
    zsock_destroy(&sock);
    sock = zsock_new(ZMQ_ROUTER);
    zsock_set_router_handover(sock, 1);
    zsock_set_router_mandatory(sock, 1);
    zsock_set_connect_rid(sock, "peer");
    zsock_set_tcp_accept_filter(sock, "127.0.0.0/8");
    zsock_destroy(&sock);
    sock = zsock_new(ZMQ_REQ);
    zsock_set_req_relaxed(sock, 1);
    zsock_set_req_correlate(sock, 1);
    zsock_destroy(&sock);
    printf("has ipc %d nonsense %d\n", zmq_has("ipc"), zmq_has("nonsense"));
}

// The options at work: a welcome message, a named connection, a probe, one kept message, manual subscriptions, a limit of size.
static void options_at_work(void) {
    section("options at work");
    zsock_t *xpub = zsock_new(ZMQ_XPUB), *sub = zsock_new(ZMQ_SUB);
    zsock_set_xpub_welcome_msg(xpub, "welcome");
    zsock_set_xpub_manual(xpub, 1);
    zsock_set_subscribe(sub, "welcome");
    join(xpub, sub, "tcp");
    // libzmq greets the subscriber in a call on the publisher's socket.
    show("xpub", xpub);
    show_str("sub", sub);
    zstr_send(xpub, "welcome, but not chosen");
    zsock_set_subscribe(sub, "chosen");
    show("xpub", xpub);
    zmq_setsockopt(zsock_resolve(xpub), ZMQ_SUBSCRIBE, "chosen", 6);
    zstr_send(xpub, "chosen");
    show_str("sub", sub);
    zsock_destroy(&sub);
    zsock_destroy(&xpub);

    zsock_t *router = zsock_new(ZMQ_ROUTER), *dealer = zsock_new(ZMQ_DEALER);
    zsock_set_connect_rid(router, "chosen");
    join(dealer, router, "tcp");
    zstr_sendx(router, "chosen", "by name", NULL);
    show("dealer", dealer);
    zsock_destroy(&router);
    zsock_destroy(&dealer);

    router = zsock_new(ZMQ_ROUTER), dealer = zsock_new(ZMQ_DEALER);
    zsock_set_probe_router(dealer, 1);
    zsock_set_identity(dealer, "prober");
    join(router, dealer, "tcp");
    show("probe", router);
    zsock_destroy(&router);
    zsock_destroy(&dealer);

    zsock_t *pull = zsock_new(ZMQ_PULL), *push = zsock_new(ZMQ_PUSH);
    zsock_set_maxmsgsize(pull, 1000);
    join(pull, push, "tcp");
    // What follows on the connection that ends is lost with it.
    zstr_sendf(push, "%2000d", 0);
    zpoller_t *poller = zpoller_new(pull, NULL);
    do zstr_sendf(push, "%900d", 0);
    while (!zpoller_wait(poller, 10) && !zpoller_terminated(poller));
    zpoller_destroy(&poller);
    zmsg_t *msg = zmsg_recv(pull);
    printf("maxmsgsize: %zu\n", msg ? zmsg_content_size(msg) : 0);
    zmsg_destroy(&msg);
    zsock_destroy(&pull);
    zsock_destroy(&push);

    zsock_t *req = zsock_new(ZMQ_REQ), *rep = zsock_new(ZMQ_REP);
    zsock_set_req_relaxed(req, 1);
    zsock_set_req_correlate(req, 1);
    join(rep, req, "tcp");
    printf("relaxed %d %d\n", zstr_send(req, "one"), zstr_send(req, "two"));
    for (int number = 0; number < 2; number++) {
        char *text = zstr_recv(rep);
        zstr_sendf(rep, "re: %s", text);
        zstr_free(&text);
    }
    show_str("req", req);
    zsock_destroy(&req);
    zsock_destroy(&rep);
    push = patient(zsock_new(ZMQ_PUSH));
    zsock_set_sndtimeo(push, 20);
    int rc = zstr_send(push, "nobody there");
    printf("sndtimeo %d %s\n", rc, zmq_strerror(zmq_errno()));
    zsock_destroy(&push);
}

// ---- actors, pollers, loops -----------------------------------------------------------------------

static void counter(zsock_t *pipe, void *args) {
    int count = *(int *)args;
    zsock_signal(pipe, 0);
    for (;;) {
        zmsg_t *msg = zmsg_recv(pipe);
        if (!msg) break;
        char *command = zmsg_popstr(msg);
        bool end = streq(command, "$TERM");
        if (streq(command, "ADD")) {
            char *number = zmsg_popstr(msg);
            count += atoi(number);
            zstr_free(&number);
        } else if (streq(command, "GET")) zstr_sendf(pipe, "%d", count);
        else if (streq(command, "SIGNAL")) zsock_signal(pipe, 5);
        zstr_free(&command);
        zmsg_destroy(&msg);
        if (end) break;
    }
}

static void actors(void) {
    section("zactor");
    zactor_t *actors[40];
    int starts[40];
    for (int at = 0; at < 40; at++) {
        starts[at] = at;
        actors[at] = zactor_new(counter, &starts[at]);
    }
    for (int step = 0; step < 25; step++)
        for (int at = 0; at < 40; at++) zstr_sendx(actors[at], "ADD", "2", NULL);
    long sum = 0;
    for (int at = 0; at < 40; at++) zstr_send(actors[at], "GET");
    for (int at = 0; at < 40; at++) {
        char *text = zstr_recv(actors[at]);
        sum += atoi(text);
        zstr_free(&text);
    }
    printf("sum %ld is %d %d\n", sum, zactor_is(actors[0]), zactor_is(&sum));
    zstr_send(actors[7], "SIGNAL");
    printf("signal %d\n", zsock_wait(actors[7]));
    for (int at = 0; at < 40; at++) zactor_destroy(&actors[at]);
    zsock_t *backend = NULL, *frontend = zsys_create_pipe(&backend);
    zstr_send(frontend, "through the pipe");
    show_str("backend", backend);
    zsock_destroy(&frontend);
    zsock_destroy(&backend);
}

static void pollers(void) {
    section("zpoller");
    zsock_t *one = zsock_new(ZMQ_PULL), *two = zsock_new(ZMQ_PULL), *to_one = zsock_new(ZMQ_PUSH), *to_two = zsock_new(ZMQ_PUSH);
    join(one, to_one, "tcp");
    join(two, to_two, "inproc");
    zpoller_t *poller = zpoller_new(one, two, NULL);
    printf("empty %d expired %d terminated %d\n", zpoller_wait(poller, 10) == NULL, zpoller_expired(poller), zpoller_terminated(poller));
    zstr_send(to_one, "1");
    printf("one %d\n", zpoller_wait(poller, WAIT_MS) == one);
    show_str("one", one);
    zstr_send(to_two, "2");
    printf("two %d\n", zpoller_wait(poller, WAIT_MS) == two);
    zpoller_remove(poller, two);
    printf("removed %d\n", zpoller_wait(poller, 0) == NULL);
    zpoller_add(poller, two);
    printf("again %d\n", zpoller_wait(poller, 0) == two);
    show_str("two", two);
    // A descriptor beside the sockets.
    int fds[2];
    if (pipe(fds) || write(fds[1], "x", 1) != 1) printf("no pipe\n");
    zpoller_add(poller, &fds[0]);
    printf("descriptor %d\n", zpoller_wait(poller, WAIT_MS) == &fds[0]);
    zpoller_destroy(&poller);
    zsock_t *sockets[] = {one, two, to_one, to_two};
    for (int at = 0; at < 4; at++) zsock_destroy(&sockets[at]);
    close(fds[0]);
    close(fds[1]);
}

struct work { zsock_t *push; int sent, received, ticks, cancelled, fd_events, ticket; char order[8]; };

static int on_timer(zloop_t *loop, int id, void *arg) {
    struct work *work = arg;
    zstr_sendf(work->push, "%d", work->sent++);
    return 0;
}
static int on_tick(zloop_t *loop, int id, void *arg) { return ((struct work *)arg)->ticks++, 0; }
static int on_cancelled(zloop_t *loop, int id, void *arg) { return ((struct work *)arg)->cancelled++, 0; }
static int on_ticket(zloop_t *loop, int id, void *arg) { return ((struct work *)arg)->ticket++, 0; }
static int on_first(zloop_t *loop, int id, void *arg) { return strcat(((struct work *)arg)->order, "a"), 0; }
static int on_second(zloop_t *loop, int id, void *arg) { return strcat(((struct work *)arg)->order, "b"), 0; }
static int on_fd(zloop_t *loop, zmq_pollitem_t *item, void *arg) {
    char byte;
    ((struct work *)arg)->fd_events += read(item->fd, &byte, 1) == 1;
    zloop_poller_end(loop, item);
    return 0;
}
static int on_reader(zloop_t *loop, zsock_t *reader, void *arg) {
    struct work *work = arg;
    char *text = zstr_recv(reader);
    work->received += text && atoi(text) == work->received;
    zstr_free(&text);
    return work->received == 10 && work->ticks == 3 && work->ticket == 1 ? -1 : 0;
}

static void loops(void) {
    section("zloop");
    zsock_t *pull = zsock_new(ZMQ_PULL), *push = zsock_new(ZMQ_PUSH);
    join(pull, push, "tcp");
    struct work work = {.push = push};
    int fds[2];
    if (pipe(fds) || write(fds[1], "x", 1) != 1) printf("no pipe\n");
    zmq_pollitem_t item = {.fd = fds[0], .events = ZMQ_POLLIN};
    zloop_t *loop = zloop_new();
    zloop_reader(loop, pull, on_reader, &work);
    zloop_poller(loop, &item, on_fd, &work);
    zloop_set_ticket_delay(loop, 5);
    zloop_ticket(loop, on_ticket, &work);
    zloop_timer(loop, 20, 10, on_timer, &work);
    zloop_timer(loop, 1, 3, on_tick, &work);
    zloop_timer(loop, 2, 1, on_first, &work);
    zloop_timer(loop, 8, 1, on_second, &work);
    int cancelled = zloop_timer(loop, 5, 0, on_cancelled, &work);
    zloop_timer_end(loop, cancelled);
    int rc = zloop_start(loop);
    printf("start %d sent %d received %d ticks %d cancelled %d descriptor %d ticket %d order %s\n", rc, work.sent, work.received,
           work.ticks, work.cancelled, work.fd_events, work.ticket, work.order);
    zloop_destroy(&loop);
    zsock_destroy(&push);
    zsock_destroy(&pull);
    close(fds[0]);
    close(fds[1]);
}

// ---- zproxy, zmonitor, zgossip ---------------------------------------------------------------------

static void command(zactor_t *actor, const char *name, const char *first, const char *second) {
    zstr_sendx(actor, name, first, second, NULL);
    printf("%s %d\n", name, zsock_wait(actor));
}

static void proxies(void) {
    section("zproxy");
    zactor_t *proxy = zactor_new(zproxy, NULL);
    zsock_t *capture = patient(zsock_new_pull("@inproc://czmq-capture"));
    command(proxy, "FRONTEND", "PULL", "inproc://czmq-frontend");
    command(proxy, "BACKEND", "PUSH", "inproc://czmq-backend");
    zsock_t *push = patient(zsock_new_push(">inproc://czmq-frontend")), *pull = patient(zsock_new_pull(">inproc://czmq-backend"));
    zstr_sendx(push, "one", "two", NULL);
    show("pull", pull);
    command(proxy, "CAPTURE", "inproc://czmq-capture", NULL);
    zstr_send(push, "captured");
    show("pull", pull);
    show("capture", capture);
    command(proxy, "PAUSE", NULL, NULL);
    zstr_send(push, "while paused");
    zpoller_t *poller = zpoller_new(pull, capture, NULL);
    printf("silent %d\n", zpoller_wait(poller, SILENCE_MS) == NULL && zpoller_expired(poller));
    command(proxy, "RESUME", NULL, NULL);
    show("pull", pull);
    show("capture", capture);
    zpoller_destroy(&poller);
    zactor_destroy(&proxy);
    zsock_destroy(&push);
    zsock_destroy(&pull);
    zsock_destroy(&capture);

    proxy = zactor_new(zproxy, NULL);
    command(proxy, "FRONTEND", "ROUTER", "ipc://@/czmq-requests");
    command(proxy, "BACKEND", "DEALER", "ipc://@/czmq-replies");
    zsock_t *req = patient(zsock_new_req(">ipc://@/czmq-requests")), *rep = patient(zsock_new_rep(">ipc://@/czmq-replies"));
    zstr_send(req, "through a router and a dealer");
    show_str("rep", rep);
    zstr_send(rep, "and back");
    show_str("req", req);
    zactor_destroy(&proxy);
    zsock_destroy(&req);
    zsock_destroy(&rep);

    proxy = zactor_new(zproxy, NULL);
    command(proxy, "FRONTEND", "XSUB", "inproc://czmq-publishers");
    command(proxy, "BACKEND", "XPUB", "inproc://czmq-subscribers");
    zsock_t *publisher = patient(zsock_new_xpub(">inproc://czmq-publishers"));
    zsock_t *sub = patient(zsock_new_sub(">inproc://czmq-subscribers", "topic"));
    show("publisher", publisher);
    zstr_send(publisher, "other");
    zstr_send(publisher, "topic");
    show("sub", sub);
    zactor_destroy(&proxy);
    zsock_destroy(&publisher);
    zsock_destroy(&sub);
}

// Prints the names of the events until the last one.
static void show_events(const char *who, zactor_t *monitor, const char *last) {
    zpoller_t *poller = zpoller_new(monitor, NULL);
    for (bool more = true; more;) {
        if (!zpoller_wait(poller, WAIT_MS)) {
            printf("%s: no event\n", who);
            break;
        }
        zmsg_t *msg = zmsg_recv(monitor);
        char *name = zmsg_popstr(msg), *value = zmsg_popstr(msg), *address = zmsg_popstr(msg);
        printf("%s: %s %.6s\n", who, name, address ? address : "-");
        more = !streq(name, last);
        zstr_free(&name);
        zstr_free(&value);
        zstr_free(&address);
        zmsg_destroy(&msg);
    }
    zpoller_destroy(&poller);
}

static zactor_t *watch(zsock_t *sock) {
    zactor_t *monitor = zactor_new(zmonitor, sock);
    zstr_sendx(monitor, "LISTEN", "ALL", NULL);
    zstr_send(monitor, "START");
    printf("monitor %d\n", zsock_wait(monitor));
    return monitor;
}

static void monitors(void) {
    section("zmonitor");
    zsock_t *server = patient(zsock_new(ZMQ_DEALER)), *client = patient(zsock_new(ZMQ_DEALER));
    zsock_set_reconnect_ivl(client, -1);
    zactor_t *of_server = watch(server), *of_client = watch(client);
    int port = zsock_bind(server, "tcp://127.0.0.1:*");
    show_events("server", of_server, "LISTENING");
    zsock_connect(client, "tcp://127.0.0.1:%d", port);
    show_events("server", of_server, "HANDSHAKE_SUCCEEDED");
    show_events("client", of_client, "HANDSHAKE_SUCCEEDED");
    zstr_send(client, "hello");
    show_str("server", server);
    zsock_t *other = patient(zsock_new(ZMQ_DEALER));
    zactor_t *of_other = watch(other);
    printf("taken %d\n", zsock_bind(other, "tcp://127.0.0.1:%d", port));
    show_events("other", of_other, "BIND_FAILED");
    zactor_destroy(&of_client);
    zsock_destroy(&client);
    show_events("server", of_server, "DISCONNECTED");
    zsock_unbind(server, "tcp://127.0.0.1:%d", port);
    show_events("server", of_server, "CLOSED");
    zactor_destroy(&of_server);
    zactor_destroy(&of_other);
    zsock_destroy(&server);
    zsock_destroy(&other);
}

static void gossip(void) {
    section("zgossip");
    zactor_t *base = zactor_new(zgossip, "base"), *leaf = zactor_new(zgossip, "leaf");
    zstr_sendx(base, "BIND", "inproc://czmq-gossip", NULL);
    zstr_sendx(leaf, "CONNECT", "inproc://czmq-gossip", NULL);
    zstr_sendx(leaf, "PUBLISH", "key", "value", NULL);
    show("base", base);
    zstr_sendx(base, "PUBLISH", "service", "tcp://here", NULL);
    for (int known = 0; known < 2; known++) show("leaf", leaf);
    zactor_destroy(&leaf);
    zactor_destroy(&base);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    zsys_set_linger(0);
    patterns();
    messages();
    endpoints();
    options();
    options_at_work();
    actors();
    pollers();
    loops();
    proxies();
    monitors();
    gossip();
    section("end");
    zsys_shutdown();
    return 0;
}
