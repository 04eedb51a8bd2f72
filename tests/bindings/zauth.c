// CZMQ's authentication handler, zauth, with PLAIN and CURVE: who is let in, who is not, and what the server knows of whom
// (zauth(3), zcert(3)).
#include <czmq.h>

static zactor_t *auth;

static void section(const char *name) { printf("# %s\n", name); fflush(stdout); }

static void tell(const char *command, const char *first, const char *second) {
    zstr_sendx(auth, command, first, second, NULL);
    zsock_wait(auth);
}

// Whether what the client, with this public key, sends arrives. Who is kept out is waited for by its monitor.
static void try(const char *who, zsock_t *server, zsock_t *client, const char *key, bool expected) {
    zactor_t *monitor = zactor_new(zmonitor, client);
    zstr_sendx(monitor, "LISTEN", "HANDSHAKE_SUCCEEDED", "HANDSHAKE_FAILED_AUTH", "DISCONNECTED", NULL);
    zstr_send(monitor, "START");
    zsock_wait(monitor);
    int port = zsock_bind(server, "tcp://127.0.0.1:*");
    zsock_connect(client, "tcp://127.0.0.1:%d", port);
    zmsg_t *event = zmsg_recv(monitor);
    char *name = zmsg_popstr(event);
    printf("%s: %s", who, name);
    if (expected) {
        zstr_send(client, "hello");
        zframe_t *frame = zframe_recv(server);
        const char *user = frame ? zframe_meta(frame, "User-Id") : NULL;
        const char *group = frame ? zframe_meta(frame, "X-group") : NULL;
        if (key && user && strcmp(user, key) == 0) user = "its public key";
        printf(", the server got \"%.*s\" of \"%s\", group \"%s\"", frame ? (int) zframe_size(frame) : 0,
               frame ? (char *) zframe_data(frame) : "", user ? user : "nobody", group ? group : "none");
        zframe_destroy(&frame);
    }
    printf("\n");
    fflush(stdout);
    free(name);
    zmsg_destroy(&event);
    zactor_destroy(&monitor);
    zsock_destroy(&client);
    zsock_unbind(server, "tcp://127.0.0.1:%d", port);
}

static void plain(void) {
    section("PLAIN");
    FILE *passwords = fopen("zauth-passwords", "w");
    fprintf(passwords, "admin=Password\n");
    fclose(passwords);
    tell("PLAIN", "zauth-passwords", NULL);
    const char *passes[][2] = {{"admin", "Password"}, {"admin", "Bogus"}, {"nobody", "Password"}};
    for (int one = 0; one < 3; one++) {
        zsock_t *server = zsock_new(ZMQ_PULL), *client = zsock_new(ZMQ_PUSH);
        zsock_set_plain_server(server, 1);
        zsock_set_plain_username(client, passes[one][0]);
        zsock_set_plain_password(client, passes[one][1]);
        try(passes[one][one == 1], server, client, NULL, one == 0);
        zsock_destroy(&server);
    }
    remove("zauth-passwords");
}

static void curve(void) {
    section("CURVE");
    zcert_t *server_cert = zcert_new(), *known = zcert_new(), *unknown = zcert_new();
    zcert_set_meta(known, "name", "%s", "a known client");
    zsys_dir_create("zauth-certificates");
    zcert_save_public(known, "zauth-certificates/known.txt");
    for (int any = 0; any < 2; any++) {
        tell("CURVE", any ? CURVE_ALLOW_ANY : "zauth-certificates", NULL);
        zcert_t *certs[] = {known, unknown};
        for (int one = 0; one < 2; one++) {
            zsock_t *server = zsock_new(ZMQ_PULL), *client = zsock_new(ZMQ_PUSH);
            zcert_apply(server_cert, server);
            zsock_set_curve_server(server, 1);
            zcert_apply(certs[one], client);
            zsock_set_curve_serverkey(client, zcert_public_txt(server_cert));
            char who[64];
            snprintf(who, sizeof who, "a client that is %s, %s", one ? "unknown" : "known", any ? "any is allowed" : "by certificate");
            try(who, server, client, zcert_public_txt(certs[one]), any || one == 0);
            zsock_destroy(&server);
        }
    }
    zsys_file_delete("zauth-certificates/known.txt");
    zsys_dir_delete("zauth-certificates");
    zcert_destroy(&server_cert);
    zcert_destroy(&known);
    zcert_destroy(&unknown);
}

static void addresses(void) {
    section("addresses");
    tell("DENY", "127.0.0.1", NULL);
    zsock_t *server = zsock_new(ZMQ_PULL), *client = zsock_new(ZMQ_PUSH);
    zsock_set_zap_domain(server, "global");
    try("a client whose address is denied", server, client, NULL, false);
    zsock_destroy(&server);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    zsys_set_linger(0);
    auth = zactor_new(zauth, NULL);
    section("NULL");
    zsock_t *server = zsock_new(ZMQ_PULL), *client = zsock_new(ZMQ_PUSH);
    zsock_set_zap_domain(server, "global");
    try("a client", server, client, NULL, true);
    zsock_destroy(&server);
    plain();
    curve();
    addresses();
    zactor_destroy(&auth);
    section("end");
    zsys_shutdown();
    return 0;
}
