/* Long-term secret keys are nowhere in a process that has closed the sockets they were given to: neither in freed memory nor in what the
 * library keeps for later, and not as text either (docs/security.md).
 *
 *   secrets
 *
 * The program itself holds them changed by a mask, and looks for them in every writable mapping: while the sockets are open it has to find
 * them, and after the end of the context it must not. Prints what is found. */
#include "../stress/stress.h"
#include <fcntl.h>

#define MASK 0xa5
#define SECRETS 4

/* Server and client, as octets and as text; masked. */
static struct
{
    uint8_t octets[40];
    size_t size;
} secrets[SECRETS];

static void remember (int at, const void *octets, size_t size)
{
    memcpy (secrets[at].octets, octets, size);
    secrets[at].size = size;
    for (size_t i = 0; i < size; i++)
        secrets[at].octets[i] ^= MASK;
}

static int is_at (const uint8_t *memory, int which)
{
    size_t matching = 0;
    while (matching < secrets[which].size && (memory[matching] ^ MASK) == secrets[which].octets[matching])
        matching++;
    return matching == secrets[which].size;
}

/* How many copies of the secrets there are in writable memory. */
static int copies (void)
{
    FILE *maps = fopen ("/proc/self/maps", "r");
    CHECK (maps);
    int memory = open ("/proc/self/mem", O_RDONLY), found = 0;
    CHECK (memory >= 0);
    unsigned long from, to;
    char rights[5];
    static uint8_t block[1 << 16];
    while (fscanf (maps, "%lx-%lx %4s%*[^\n]", &from, &to, rights) == 3)
        while (rights[1] == 'w' && from < to) {
            /* Blocks overlap by what one secret may have in the next. */
            ssize_t size = pread (memory, block, sizeof block, (off_t) from);
            if (size <= 40)
                break;
            for (ssize_t i = 0; i + 40 <= size; i++)
                for (int which = 0; which < SECRETS; which++)
                    found += is_at (block + i, which);
            from += (unsigned long) (size - 39);
        }
    /* What was read is no copy that the library has. */
    memset (block, 0, sizeof block);
    CHECK (fclose (maps) == 0 && close (memory) == 0);
    return found;
}

/* A new pair of keys; the secret one is given to the socket, as octets or as text, and forgotten. */
static void give_keys (void *socket, int number, char public[41])
{
    char text[41];
    uint8_t octets[32];
    CHECK (zmq_curve_keypair (public, text) == 0 && zmq_z85_decode (octets, text) == octets);
    remember (2 * number, octets, sizeof octets);
    remember (2 * number + 1, text, 40);
    if (number == 0)
        CHECK (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, octets, sizeof octets) == 0);
    else
        CHECK (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, text, sizeof text) == 0);
    explicit_bzero (text, sizeof text);
    explicit_bzero (octets, sizeof octets);
}

/* Gives the keys to two sockets, which exchange a message under them; the answer is how many copies there are while they do. */
static int play (void)
{
    char public[41], other[41];
    endpoint_t endpoint;
    void *context = new_context (), *server = new_socket (context, ZMQ_PULL), *client = new_socket (context, ZMQ_PUSH);
    give_keys (server, 0, public);
    set_int (server, ZMQ_CURVE_SERVER, 1);
    give_keys (client, 1, other);
    set_text (client, ZMQ_CURVE_PUBLICKEY, other);
    set_text (client, ZMQ_CURVE_SERVERKEY, public);
    bind_fresh (server, "tcp", endpoint);
    connect_to (client, endpoint);
    put (client, "over CURVE");
    char text[16];
    CHECK (take (server, text, sizeof text) == 10);
    int found = copies ();
    CHECK (zmq_close (client) == 0 && zmq_close (server) == 0 && zmq_ctx_term (context) == 0);
    return found;
}

int main (void)
{
    start_watchdog ();
    int before = play (), after = copies ();
    printf ("copies while the sockets are open: %d, after their end: %d\n", before, after);
    CHECK (before > 0 && after == 0);
    return 0;
}
