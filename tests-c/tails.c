/* What was sent arrives though its sender does not come back to the library: bursts of any length, to one peer and to many. */
#include "common.h"

#include <semaphore.h>

#define PEERS_MAX 12
#define ROUNDS 25

struct peer {
    pthread_t thread;
    void *socket;
    sem_t *done;
};

/* Receives up to the last message of each round; the rounds count from 0 and messages within one from 1. */
static void *receive_all (void *argument)
{
    struct peer *peer = argument;
    for (int round = 0; round < ROUNDS; round++) {
        for (int number = 1, last = 0; !last; number++) {
            int message[3];
            CHECK (zmq_recv (peer->socket, message, sizeof message, 0) == sizeof message);
            CHECK (message[0] == round && message[1] == number);
            last = message[2];
        }
        CHECK (sem_post (peer->done) == 0);
    }
    return NULL;
}

static void send_and_stop (const char *transport, int type, int peer_type, int peers)
{
    part ("bursts from type %d to %d of type %d over %s", type, peers, peer_type, transport);
    void *context = new_context ();
    void *sender = new_socket (context, type);
    struct peer all[PEERS_MAX];
    endpoint_t endpoint;
    sem_t done;
    int yes = 1, unlimited = 0;
    CHECK (sem_init (&done, 0, 0) == 0);
    CHECK (zmq_setsockopt (sender, ZMQ_SNDHWM, &unlimited, sizeof unlimited) == 0);
    if (type == ZMQ_XPUB)
        CHECK (zmq_setsockopt (sender, ZMQ_XPUB_VERBOSE, &yes, sizeof yes) == 0);
    bind_fresh (sender, transport, endpoint);
    for (int i = 0; i < peers; i++) {
        all[i].done = &done;
        all[i].socket = new_socket (context, peer_type);
        CHECK (zmq_setsockopt (all[i].socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited) == 0);
        if (peer_type == ZMQ_SUB)
            CHECK (zmq_setsockopt (all[i].socket, ZMQ_SUBSCRIBE, "", 0) == 0);
        connect_to (all[i].socket, endpoint);
    }
    /* Every subscription was heard of; a PUSH waits for its only peer by itself. */
    for (int i = 0; i < peers && type == ZMQ_XPUB; i++) {
        char notice[2];
        CHECK (zmq_recv (sender, notice, sizeof notice, 0) == 1);
    }
    int sent = 0;
    unsigned random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        random = random * 1103515245 + 12345;
        int count = 1 + (int) (random >> 8) % (round % 2 ? 40 : 4000);
        for (int number = 1; number <= count; number++, sent++) {
            int message[3] = {round, number, number == count};
            CHECK (zmq_send (sender, message, sizeof message, 0) == sizeof message);
        }
        if (round == 0)
            for (int i = 0; i < peers; i++)
                CHECK (pthread_create (&all[i].thread, NULL, receive_all, &all[i]) == 0);
        /* The sender's thread calls nothing until everything has arrived. */
        for (int i = 0; i < peers; i++)
            CHECK (sem_wait (&done) == 0);
    }
    for (int i = 0; i < peers; i++)
        CHECK (pthread_join (all[i].thread, NULL) == 0);
    CHECK (sem_destroy (&done) == 0);
    SHOW_VALUE (sent);
    for (int i = 0; i < peers; i++)
        close_socket (all[i].socket);
    close_socket (sender);
    end_context (context);
}

int main (void)
{
    const char *transports[] = {"tcp", "ipc", "inproc"};
    for (int i = 0; i < COUNT (transports); i++) {
        send_and_stop (transports[i], ZMQ_PUSH, ZMQ_PULL, 1);
        send_and_stop (transports[i], ZMQ_XPUB, ZMQ_SUB, 1);
        send_and_stop (transports[i], ZMQ_XPUB, ZMQ_SUB, 3);
        send_and_stop (transports[i], ZMQ_XPUB, ZMQ_SUB, PEERS_MAX);
    }
    return 0;
}
