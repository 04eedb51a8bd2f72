/* What a program's calls answer when the system runs out of something, at every place where it can.
 *
 *   exhaustion KIND MODE ERROR STRIDE
 *
 * One scenario (a context; sockets over tcp, ipc and inproc that bind, connect, exchange messages, are polled, watched by a monitor
 * and passed on by a proxy; the end of all of it) is played again and again, each time in a process of its own, with another call of
 * the library refused: the first of the KIND, the second, and so on in steps of STRIDE until none is left (faults.h), or, with KIND
 * "left", at each step in turn with 0 to 16 descriptors left. MODE: "once" refuses one call, "from" all that follow until the
 * resource is back, "end" those of closing and terminating as well, which must then be tried again only.
 *
 * While something is refused each call succeeds or names the reason, and nothing waits for ever, or tries again without a pause. Once the resource is back the same
 * sockets do all they should, and in the end no descriptor and no thread is left. One line is printed, and one for each
 * process that ended otherwise. */
#include "stress.h"
#include "faults.h"
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CHILD_SECONDS_MAX 30
#define WAIT_MS 20
#define LOOKUP_MS_MAX 10000
#define LARGE 300000
#define LEFT_MAX 16
#define CROWD 6
/* So few descriptors that it takes no time to use them up. */
#define DESCRIPTORS_LIMIT 128
/* A call that is refused is not made again at once. */
#define REFUSED_MAX 10000
/* Places that are shown one by one. */
#define SHOWN_MAX 8

static const struct
{
    const char *name;
    int kind;
} kinds[] = {{"descriptors", DESCRIPTORS},
             {"threads", THREADS},
             {"options", OPTIONS},
             {"names", NAMES},
             {"listen", LISTEN},
             {"connect", CONNECT},
             {"accept", ACCEPT},
             {"watch", WATCH},
             {"wait", WAIT},
             {"send", SEND},
             {"receive", RECEIVE},
             {"memory", MEMORY},
             {"maps", MAPS},
             {"left", NOTHING}};

static const struct
{
    const char *name;
    int number;
} errors[] = {{"EMFILE", EMFILE},   {"ENFILE", ENFILE},     {"ENOMEM", ENOMEM},         {"ENOBUFS", ENOBUFS}, {"EAGAIN", EAGAIN},
              {"EACCES", EACCES},   {"EPERM", EPERM},       {"EBADF", EBADF},           {"ENOSPC", ENOSPC},   {"EINVAL", EINVAL},
              {"EROFS", EROFS},     {"EIO", EIO},           {"EHOSTDOWN", EHOSTDOWN},   {"EINTR", EINTR},     {"ENETDOWN", ENETDOWN},
              {"EPROTO", EPROTO},   {"ETIMEDOUT", ETIMEDOUT}, {"ECONNRESET", ECONNRESET}, {"EPIPE", EPIPE},
              {"ECONNABORTED", ECONNABORTED}, {"EADDRINUSE", EADDRINUSE}, {"ENETUNREACH", ENETUNREACH}, {"EMSGSIZE", EMSGSIZE},
              {"EADDRNOTAVAIL", EADDRNOTAVAIL}, {"ECONNREFUSED", ECONNREFUSED}};

/* What a process that plays the scenario tells the one that started it. */
static struct report
{
    char text[200];
    const char *step;
    long calls;
    long failures;
    int refused;
    int was_set;
} *report;

static struct
{
    int is_left, fails_at_the_end, step, left, error;
} plan;

static void wrong (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (report->text, sizeof report->text, format, arguments);
    va_end (arguments);
    _exit (1);
}

/* Descriptors used up ------------------------------------------------------------------------------------------------------ */

static int fillers[DESCRIPTORS_LIMIT], filler_count;

static void use_up_descriptors (int left)
{
    int filler;
    while ((filler = (int) KERNEL (SYS_dup, 2)) >= 0)
        fillers[filler_count++] = filler;
    while (left-- > 0 && filler_count > 0)
        close (fillers[--filler_count]);
    report->was_set = 1;
}

static void resource_is_back (void)
{
    if (!plan.is_left) {
        report->calls = atomic_load (&fault_calls);
        report->failures = atomic_load (&fault_failures);
        report->was_set |= report->failures > 0;
    }
    end_fault ();
    while (filler_count > 0)
        close (fillers[--filler_count]);
}

/* What the descriptors are, from the first that was not there before. */
static void show_descriptors (int from)
{
    for (int number = from; number < DESCRIPTORS_LIMIT; number++) {
        char path[64], target[128];
        snprintf (path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t size = readlink (path, target, sizeof target - 1);
        if (size > 0)
            printf ("  descriptor %d: %.*s\n", number, (int) size, target);
    }
    fflush (stdout);
}

/* The scenario: each step answers 1 (done), 0 (what it needs is not there), or -1 with errno --------------------------------- */

typedef struct
{
    const char *bound_to;
    int server_type, client_type;
    void *server, *client;
    int is_bound, is_connected;
    endpoint_t endpoint;
    unsigned sequence;
} pair_t;

static pair_t pairs[] = {{"tcp://127.0.0.1:*", ZMQ_DEALER, ZMQ_DEALER, 0, 0, 0, 0, "", 0},
                         {"ipc://exhaustion.sock", ZMQ_PUB, ZMQ_SUB, 0, 0, 0, 0, "", 0},
                         {"inproc://exhaustion", ZMQ_PAIR, ZMQ_PAIR, 0, 0, 0, 0, "", 0},
                         {"tcp://127.0.0.1:*", ZMQ_XPUB, ZMQ_SUB, 0, 0, 0, 0, "", 0},
                         {"ipc://crowd.sock", ZMQ_DEALER, ZMQ_DEALER, 0, 0, 0, 0, "", 0}};
static void *context, *monitor, *proxy_ends[3];
static int is_monitored;
static unsigned char large[2][LARGE];

static int open_end (void **socket, int type)
{
    if (*socket || !context)
        return *socket != NULL;
    if (!(*socket = zmq_socket (context, type)))
        return -1;
    int wait = WAIT_MS, retry = 10, none = 0;
    if (zmq_setsockopt (*socket, ZMQ_SNDTIMEO, &wait, sizeof wait) || zmq_setsockopt (*socket, ZMQ_RCVTIMEO, &wait, sizeof wait)
        || zmq_setsockopt (*socket, ZMQ_LINGER, &none, sizeof none)
        || zmq_setsockopt (*socket, ZMQ_RECONNECT_IVL, &retry, sizeof retry)
        || (type == ZMQ_SUB && zmq_setsockopt (*socket, ZMQ_SUBSCRIBE, "", 0))) {
        int error = errno;
        CHECK (zmq_close (*socket) == 0);
        *socket = NULL;
        errno = error;
        return -1;
    }
    return 1;
}

static int make_context (int unused)
{
    (void) unused;
    if (!context)
        context = zmq_ctx_new ();
    return context ? 1 : -1;
}

static int open_server (int place)
{
    return open_end (&pairs[place].server, pairs[place].server_type);
}

static int open_client (int place)
{
    return open_end (&pairs[place].client, pairs[place].client_type);
}

static int bind_server (int place)
{
    pair_t *pair = &pairs[place];
    if (!pair->server)
        return 0;
    if (!pair->is_bound && zmq_bind (pair->server, pair->bound_to) != 0)
        return -1;
    pair->is_bound = 1;
    size_t size = sizeof pair->endpoint;
    return zmq_getsockopt (pair->server, ZMQ_LAST_ENDPOINT, pair->endpoint, &size) == 0 ? 1 : -1;
}

static int connect_client (int place)
{
    pair_t *pair = &pairs[place];
    if (!pair->client || !pair->is_bound)
        return 0;
    if (zmq_connect (pair->client, pair->endpoint) != 0)
        return -1;
    pair->is_connected = 1;
    return 1;
}

/* To a name that must be looked up. */
static int connect_by_name (int place)
{
    pair_t *pair = &pairs[place];
    if (!pair->client || !pair->is_bound)
        return 0;
    endpoint_t name;
    snprintf (name, sizeof name, "tcp://localhost%s", strrchr (pair->endpoint, ':'));
    if (zmq_connect (pair->client, name) != 0)
        return -1;
    pair->is_connected = 1;
    return 1;
}

/* More connections than a caller reads one by one. */
static int connect_often (int place)
{
    for (int i = 0; i < CROWD; i++) {
        int connected = connect_client (place);
        if (connected != 1) {
            pairs[place].is_connected = 0;
            return connected;
        }
    }
    return 1;
}

/* Receives until the number comes. */
static int receive_number (void *socket, unsigned wanted)
{
    unsigned number = 0;
    for (;;) {
        int size = zmq_recv (socket, &number, sizeof number, 0);
        if (size == -1)
            return -1;
        if (size == sizeof number && number == wanted)
            return 1;
    }
}

/* Whose client was closed, to be opened again. */
static int closed_place = -1;

static int close_and_open_again (int place);

/* A number there, and back where the sockets can: what an earlier attempt left is passed over. */
static int exchange (int place)
{
    pair_t *pair = &pairs[place];
    if (!pair->is_connected) {
        int opened = closed_place == place ? close_and_open_again (place) : 0;
        if (opened != 1)
            return opened;
    }
    unsigned number = ++pair->sequence;
    int publishes = pair->server_type == ZMQ_PUB || pair->server_type == ZMQ_XPUB;
    void *from = publishes ? pair->server : pair->client, *to = publishes ? pair->client : pair->server;
    if (zmq_send (from, &number, sizeof number, 0) == -1 || receive_number (to, number) == -1)
        return -1;
    if (publishes)
        return 1;
    return zmq_send (to, &number, sizeof number, 0) == -1 ? -1 : receive_number (from, number);
}

static int exchange_large (int place)
{
    pair_t *pair = &pairs[place];
    if (!pair->is_connected)
        return 0;
    memset (large[0], (int) ++pair->sequence, LARGE);
    if (zmq_send (pair->client, large[0], LARGE, 0) == -1)
        return -1;
    zmq_msg_t message;
    do {
        CHECK (zmq_msg_init (&message) == 0);
        if (zmq_msg_recv (&message, pair->server, 0) == -1) {
            int error = errno;
            CHECK (zmq_msg_close (&message) == 0);
            errno = error;
            return -1;
        }
        memset (large[1], 0, LARGE);
        if (zmq_msg_size (&message) == LARGE)
            memcpy (large[1], zmq_msg_data (&message), LARGE);
        CHECK (zmq_msg_close (&message) == 0);
    } while (memcmp (large[0], large[1], LARGE) != 0);
    return 1;
}

static int watch_server (int unused)
{
    (void) unused;
    if (!pairs[0].server || is_monitored)
        return is_monitored;
    if (zmq_socket_monitor (pairs[0].server, "inproc://events", ZMQ_EVENT_ALL) != 0)
        return -1;
    is_monitored = 1;
    return 1;
}

static int open_monitor_end (int unused)
{
    (void) unused;
    if (!is_monitored)
        return 0;
    if (monitor)
        return 1;
    int opened = open_end (&monitor, ZMQ_PAIR);
    if (opened == 1 && zmq_connect (monitor, "inproc://events") != 0) {
        int error = errno;
        CHECK (zmq_close (monitor) == 0);
        monitor = NULL;
        errno = error;
        return -1;
    }
    return opened;
}

/* More sockets than a caller reads connections of. */
static int poll_all (int unused)
{
    (void) unused;
    zmq_pollitem_t items[2 * COUNT (pairs)];
    int count = 0;
    for (int i = 0; i < COUNT (pairs); i++) {
        if (pairs[i].server)
            items[count++] = (zmq_pollitem_t){pairs[i].server, 0, ZMQ_POLLIN | ZMQ_POLLERR, 0};
        if (pairs[i].client)
            items[count++] = (zmq_pollitem_t){pairs[i].client, 0, ZMQ_POLLIN, 0};
    }
    return count < COUNT (items) ? 0 : zmq_poll (items, count, 1) >= 0 ? 1 : -1;
}

static int descriptor_of_client (int place)
{
    if (!pairs[place].client)
        return 0;
    int descriptor, events;
    size_t size = sizeof descriptor;
    if (zmq_getsockopt (pairs[place].client, ZMQ_FD, &descriptor, &size) != 0)
        return -1;
    size = sizeof events;
    return zmq_getsockopt (pairs[place].client, ZMQ_EVENTS, &events, &size) == 0 ? 1 : -1;
}

static void *wait_in_vain (void *result)
{
    unsigned number;
    while (zmq_recv (pairs[2].server, &number, sizeof number, 0) >= 0)
        ;
    *(int *) result = zmq_errno ();
    return NULL;
}

/* A thread that has not waited before. */
static int wait_in_a_thread (int unused)
{
    (void) unused;
    if (!pairs[2].server)
        return 0;
    int error = 0;
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, wait_in_vain, &error) == 0);
    CHECK (pthread_join (thread, NULL) == 0);
    errno = error;
    return error == EAGAIN ? 1 : -1;
}

static int open_proxy (int unused)
{
    (void) unused;
    static const struct
    {
        int type;
        const char *endpoint;
    } ends[] = {{ZMQ_PULL, "inproc://in"}, {ZMQ_PUSH, "inproc://out"}, {ZMQ_PAIR, "inproc://control"}};
    for (int i = 0; i < COUNT (ends); i++) {
        if (proxy_ends[i])
            continue;
        void *end = NULL;
        int opened = open_end (&end, ends[i].type);
        if (opened != 1)
            return opened;
        if (zmq_bind (end, ends[i].endpoint) != 0) {
            int error = errno;
            CHECK (zmq_close (end) == 0);
            errno = error;
            return -1;
        }
        proxy_ends[i] = end;
    }
    return 1;
}

static void *run_proxy (void *result)
{
    *(int *) result = zmq_proxy_steerable (proxy_ends[0], proxy_ends[1], NULL, proxy_ends[2]) == 0 ? 0 : zmq_errno ();
    return NULL;
}

/* The proxy's thread may have ended already; with the resource refused it may not hear of its end before that is back. */
static int pass_through_proxy (int unused)
{
    (void) unused;
    if (!proxy_ends[2])
        return 0;
    int wait = -1, error = 0;
    CHECK (zmq_setsockopt (proxy_ends[2], ZMQ_RCVTIMEO, &wait, sizeof wait) == 0);
    pthread_t thread;
    CHECK (pthread_create (&thread, NULL, run_proxy, &error) == 0);
    void *steers = NULL;
    int opened = open_end (&steers, ZMQ_PAIR);
    int sent = opened == 1 && zmq_connect (steers, "inproc://control") == 0 && zmq_send (steers, "TERMINATE", 9, 0) == 9;
    if (!sent) {
        resource_is_back ();
        if (steers)
            CHECK (zmq_close (steers) == 0);
        steers = NULL;
        CHECK (open_end (&steers, ZMQ_PAIR) == 1 && zmq_connect (steers, "inproc://control") == 0);
        /* The first end may not have been taken away yet. */
        while (zmq_send (steers, "TERMINATE", 9, 0) != 9)
            CHECK (zmq_errno () == EAGAIN);
    }
    CHECK (pthread_join (thread, NULL) == 0);
    CHECK (zmq_close (steers) == 0);
    errno = error;
    return error == 0 ? 1 : -1;
}

static int close_and_open_again (int place)
{
    int is_closed = closed_place == place;
    if (!is_closed && (!pairs[place].client || !pairs[place].is_connected))
        return 0;
    if (!is_closed) {
        CHECK (zmq_close (pairs[place].client) == 0);
        pairs[place].client = NULL;
        pairs[place].is_connected = 0;
        closed_place = place;
    }
    return open_client (place) == 1 ? connect_client (place) : -1;
}

static struct
{
    const char *name;
    int (*body) (int);
    int place, is_done;
} steps[] = {{"zmq_ctx_new", make_context, 0, 0},
             {"first zmq_socket", open_server, 0, 0},
             {"zmq_socket_monitor", watch_server, 0, 0},
             {"connect to the monitor", open_monitor_end, 0, 0},
             {"bind tcp", bind_server, 0, 0},
             {"second zmq_socket", open_client, 0, 0},
             {"connect tcp", connect_client, 0, 0},
             {"exchange over tcp", exchange, 0, 0},
             {"large message over tcp", exchange_large, 0, 0},
             {"PUB", open_server, 1, 0},
             {"bind ipc", bind_server, 1, 0},
             {"SUB", open_client, 1, 0},
             {"connect ipc", connect_client, 1, 0},
             {"exchange over ipc", exchange, 1, 0},
             {"PAIR", open_server, 2, 0},
             {"bind inproc", bind_server, 2, 0},
             {"second PAIR", open_client, 2, 0},
             {"connect inproc", connect_client, 2, 0},
             {"exchange over inproc", exchange, 2, 0},
             {"XPUB", open_server, 3, 0},
             {"bind tcp again", bind_server, 3, 0},
             {"second SUB", open_client, 3, 0},
             {"connect tcp by name", connect_by_name, 3, 0},
             {"published over tcp", exchange, 3, 0},
             {"DEALER", open_server, 4, 0},
             {"bind ipc again", bind_server, 4, 0},
             {"second DEALER", open_client, 4, 0},
             {"many connections", connect_often, 4, 0},
             {"exchange over many connections", exchange, 4, 0},
             {"zmq_poll", poll_all, 0, 0},
             {"ZMQ_FD", descriptor_of_client, 0, 0},
             {"exchange with ZMQ_FD", exchange, 0, 0},
             {"zmq_recv in a new thread", wait_in_a_thread, 0, 0},
             {"close and open again", close_and_open_again, 1, 0},
             {"exchange with the new socket", exchange, 1, 0},
             {"sockets for a proxy", open_proxy, 0, 0},
             {"zmq_proxy_steerable", pass_through_proxy, 0, 0}};

/* Playing it ------------------------------------------------------------------------------------------------------------------ */

static int is_sensible (int error)
{
    return error == EAGAIN || error == ENOMEM || error == plan.error || (plan.is_left && error == EMFILE);
}

static void close_end (void *socket)
{
    if (socket && zmq_close (socket) != 0)
        wrong ("zmq_close: %s", error_name (zmq_errno ()));
}

/* Closes everything; a call that is refused is made again with the resource back. */
static void end_all (void)
{
    report->step = "zmq_close";
    void *others[] = {monitor, proxy_ends[0], proxy_ends[1], proxy_ends[2]};
    for (int i = 0; i < COUNT (others); i++)
        close_end (others[i]);
    for (int i = 0; i < COUNT (pairs); i++) {
        close_end (pairs[i].server);
        close_end (pairs[i].client);
    }
    report->step = "zmq_ctx_term";
    if (context && zmq_ctx_term (context) != 0) {
        if (!is_sensible (zmq_errno ()))
            wrong ("zmq_ctx_term: %s", error_name (zmq_errno ()));
        report->refused++;
        resource_is_back ();
        if (zmq_ctx_term (context) != 0)
            wrong ("zmq_ctx_term with the resource back: %s", error_name (zmq_errno ()));
    }
}

/* Each step once, as far as it goes. */
static void play_without (void)
{
    for (int i = 0; i < COUNT (steps); i++) {
        report->step = steps[i].name;
        if (plan.is_left && i == plan.step)
            use_up_descriptors (plan.left);
        int done = steps[i].body (steps[i].place);
        int error = zmq_errno ();
        steps[i].is_done = done == 1;
        if (done == -1) {
            report->refused += error != EAGAIN;
            if (!is_sensible (error))
                wrong ("%s: %s", steps[i].name, error_name (error));
        }
    }
}

/* Everything that is not done yet, until it is. */
static void play_on (void)
{
    for (int i = 0; i < COUNT (steps); i++) {
        report->step = steps[i].name;
        while (!steps[i].is_done) {
            int done = steps[i].body (steps[i].place);
            if (done == 0 || (done == -1 && zmq_errno () != EAGAIN))
                wrong ("%s with the resource back: %s", steps[i].name, done ? error_name (zmq_errno ()) : "not possible");
            steps[i].is_done = done == 1;
        }
        /* What is there goes on. */
        for (int place = 0; i == COUNT (steps) - 1 && place < COUNT (pairs); place++)
            while (exchange (place) != 1)
                if (zmq_errno () != EAGAIN)
                    wrong ("an exchange in the end: %s", error_name (zmq_errno ()));
    }
}

static void play (void)
{
    alarm (CHILD_SECONDS_MAX);
    int descriptors_before = descriptors (), threads_before = threads ();
    play_without ();
    if (plan.fails_at_the_end) {
        end_all ();
        resource_is_back ();
    } else {
        resource_is_back ();
        play_on ();
        end_all ();
    }
    /* A thread that still looks a name up goes when it has its answer. The waiting thread keeps a descriptor. */
    report->step = "waiting for a lookup";
    for (int64_t end = now_ms () + LOOKUP_MS_MAX; threads () != threads_before && now_ms () < end;)
        poll (NULL, 0, 1);
    if (descriptors () > descriptors_before + 1) {
        show_descriptors (descriptors_before);
        wrong ("%d descriptors are left of %d", descriptors (), descriptors_before);
    }
    if (threads () != threads_before)
        wrong ("%d threads are left of %d", threads (), threads_before);
    _exit (0);
}

/* Every place ------------------------------------------------------------------------------------------------------------------- */

static struct
{
    long clean, refusing, dead, other, failures_max;
} result;

/* Plays the scenario in a process of its own. 0: nothing was refused, because nothing of the kind is left. */
static int play_apart (int kind, long first, long last)
{
    memset (report, 0, sizeof *report);
    report->step = "the start";
    fflush (stdout);
    pid_t child = fork ();
    CHECK (child >= 0);
    if (child == 0) {
        if (!plan.is_left)
            set_fault (kind, first, last, plan.error);
        play ();
    }
    int status;
    CHECK (waitpid (child, &status, 0) == child);
    unlink ("exhaustion.sock");
    unlink ("crowd.sock");
    long *counter = &result.clean;
    char how[300];
    if (WIFSIGNALED (status)) {
        counter = &result.dead;
        snprintf (how, sizeof how, "%s", WTERMSIG (status) == SIGALRM ? "hung" : strsignal (WTERMSIG (status)));
    } else if (WEXITSTATUS (status) != 0) {
        counter = &result.other;
        snprintf (how, sizeof how, "exit %d, %s", WEXITSTATUS (status), report->text);
    } else if (!report->was_set) {
        return 0;
    } else if (report->failures > REFUSED_MAX) {
        counter = &result.other;
        snprintf (how, sizeof how, "%ld calls refused", report->failures);
    }
    ++*counter;
    result.refusing += counter == &result.clean && report->refused > 0;
    if (report->failures > result.failures_max)
        result.failures_max = report->failures;
    if (counter != &result.clean && result.dead + result.other <= SHOWN_MAX) {
        if (plan.is_left)
            printf ("  %d left at %s: %s in %s\n", plan.left, steps[plan.step].name, how, report->step);
        else
            printf ("  place %ld: %s in %s\n", first, how, report->step);
    }
    return 1;
}

int main (int count, char **values)
{
    CHECK (count == 5);
    long stride = atol (values[4]), kind = -1;
    for (int i = 0; i < COUNT (kinds); i++)
        if (strcmp (kinds[i].name, values[1]) == 0)
            kind = kinds[i].kind;
    for (int i = 0; i < COUNT (errors); i++)
        if (strcmp (errors[i].name, values[3]) == 0)
            plan.error = errors[i].number;
    CHECK (kind >= 0 && plan.error && stride > 0);
    plan.is_left = kind == NOTHING;
    plan.fails_at_the_end = strcmp (values[2], "end") == 0;
    int lasts = strcmp (values[2], "once") != 0;
    struct rlimit limit = {DESCRIPTORS_LIMIT, DESCRIPTORS_LIMIT};
    CHECK (setrlimit (RLIMIT_NOFILE, &limit) == 0);
    find_library ();
    report = mmap (NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK (report != MAP_FAILED);
    if (plan.is_left) {
        for (plan.step = 0; plan.step < COUNT (steps); plan.step++)
            for (plan.left = 0; plan.left <= LEFT_MAX; plan.left += (int) stride)
                play_apart (NOTHING, 0, 0);
    } else {
        for (long place = 1; play_apart ((int) kind, place, lasts ? LONG_MAX : place); place += stride)
            ;
    }
    printf ("%s %s %s: %ld places, %ld clean (%ld of them with an error), %ld dead, %ld wrong; at most %ld calls refused\n", values[1],
            values[2], values[3], result.clean + result.dead + result.other, result.clean, result.refusing, result.dead, result.other,
            result.failures_max);
    return result.dead + result.other > 0;
}
