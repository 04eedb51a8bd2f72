/* Timer sets: zmq_timers(3). What needs a quick machine is repeated until it was quick. */
#include "common.h"

#define CALLS_MAX 64

typedef struct
{
    void *timers;
    int calls[CALLS_MAX];
    int count;
    int other; /* the timer that a handler works on */
    int result;
} scene_t;

static void sleep_ms (int64_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep (&time, NULL);
}

static void note (int id, void *argument)
{
    scene_t *scene = argument;
    if (scene->count < CALLS_MAX)
        scene->calls[scene->count++] = id;
}

static void begin (scene_t *scene)
{
    memset (scene, 0, sizeof *scene);
    scene->timers = zmq_timers_new ();
    CHECK (scene->timers);
}

static void end (scene_t *scene)
{
    CHECK (zmq_timers_destroy (&scene->timers) == 0);
    CHECK (!scene->timers);
}

static int add (scene_t *scene, size_t interval, zmq_timer_fn handler)
{
    return zmq_timers_add (scene->timers, interval, handler, scene);
}

static void show_calls (const scene_t *scene, const char *label)
{
    printf ("  %s:", label);
    for (int i = 0; i < scene->count; i++)
        printf (" %d", scene->calls[i]);
    printf ("\n");
}

static void wrong_arguments (void)
{
    part ("wrong arguments");
    void *none = NULL;
    static void *foreign[512];
    void *wrong[] = {NULL, foreign};
    for (int i = 0; i < COUNT (wrong); i++) {
        SHOW (zmq_timers_add (wrong[i], 1, note, NULL));
        SHOW (zmq_timers_cancel (wrong[i], 1));
        SHOW (zmq_timers_set_interval (wrong[i], 1, 1));
        SHOW (zmq_timers_reset (wrong[i], 1));
        SHOW (zmq_timers_timeout (wrong[i]));
        SHOW (zmq_timers_execute (wrong[i]));
    }
    SHOW (zmq_timers_destroy (&none));
    scene_t scene;
    begin (&scene);
    SHOW (zmq_timers_add (scene.timers, 1, NULL, NULL));
    SHOW (add (&scene, 100000, note));
    end (&scene);
}

static void ids (void)
{
    part ("ids");
    scene_t scene;
    begin (&scene);
    void *timers = scene.timers;
    SHOW (zmq_timers_timeout (timers));
    SHOW (zmq_timers_execute (timers));
    for (int i = 0; i < 3; i++)
        SHOW (add (&scene, 100000, note));
    int unknown[] = {0, -1, 4, 77};
    for (int i = 0; i < COUNT (unknown); i++) {
        SHOW (zmq_timers_cancel (timers, unknown[i]));
        SHOW (zmq_timers_reset (timers, unknown[i]));
        SHOW (zmq_timers_set_interval (timers, unknown[i], 1));
    }
    SHOW (zmq_timers_cancel (timers, 2));
    SHOW (zmq_timers_cancel (timers, 2));
    SHOW (add (&scene, 100000, note));
    SHOW (zmq_timers_execute (timers));
    SHOW (zmq_timers_cancel (timers, 1));
    SHOW (zmq_timers_cancel (timers, 3));
    SHOW (zmq_timers_cancel (timers, 4));
    SHOW (zmq_timers_timeout (timers));
    SHOW (zmq_timers_cancel (timers, 4));
    SHOW (zmq_timers_reset (timers, 4));
    SHOW (zmq_timers_set_interval (timers, 1, 1));
    SHOW (add (&scene, 100000, note));
    show_calls (&scene, "calls");
    end (&scene);
}

static void cancelled_ones_stay_known (void)
{
    part ("a cancelled timer is known until it was at the front");
    scene_t scene;
    begin (&scene);
    void *timers = scene.timers;
    SHOW (add (&scene, 300000, note));
    SHOW (add (&scene, 100000, note));
    SHOW (zmq_timers_cancel (timers, 1));
    SHOW (zmq_timers_timeout (timers) > 90000);
    SHOW (zmq_timers_reset (timers, 1));
    SHOW (zmq_timers_cancel (timers, 1));
    SHOW (zmq_timers_set_interval (timers, 1, 1));
    SHOW (zmq_timers_timeout (timers) > 90000);
    SHOW (zmq_timers_reset (timers, 1));
    SHOW (zmq_timers_set_interval (timers, 1, 1));
    end (&scene);
}

static void order (void)
{
    part ("the earliest first, equals in the order in which they got their time");
    scene_t scene;
    for (;;) {
        begin (&scene);
        int64_t start = now_ms ();
        add (&scene, 300, note);
        add (&scene, 200, note);
        add (&scene, 200, note);
        add (&scene, 100, note);
        int quick = now_ms () - start < 50;
        sleep_ms (360);
        CHECK (zmq_timers_execute (scene.timers) == 0);
        if (quick)
            break;
        end (&scene);
    }
    show_calls (&scene, "execute");
    CHECK (zmq_timers_execute (scene.timers) == 0);
    show_calls (&scene, "execute at once again");
    end (&scene);

    begin (&scene);
    add (&scene, 20, note);
    add (&scene, 20, note);
    CHECK (zmq_timers_reset (scene.timers, 1) == 0);
    sleep_ms (50);
    CHECK (zmq_timers_execute (scene.timers) == 0);
    show_calls (&scene, "after a reset of the first");
    sleep_ms (50);
    CHECK (zmq_timers_execute (scene.timers) == 0);
    show_calls (&scene, "once more");
    end (&scene);
}

static void lateness (void)
{
    part ("a late timer runs once, and next its interval later");
    scene_t scene;
    begin (&scene);
    add (&scene, 30, note);
    sleep_ms (200);
    SHOW (zmq_timers_timeout (scene.timers));
    CHECK (zmq_timers_execute (scene.timers) == 0);
    show_calls (&scene, "execute");
    SHOW (zmq_timers_timeout (scene.timers) <= 30);
    for (long left; (left = zmq_timers_timeout (scene.timers)) > 0;)
        sleep_ms (left);
    CHECK (zmq_timers_execute (scene.timers) == 0);
    show_calls (&scene, "when the time-out has passed");
    end (&scene);
}

static void restarts (void)
{
    part ("reset and set_interval count from now");
    scene_t scene;
    begin (&scene);
    add (&scene, 100000, note);
    sleep_ms (50);
    SHOW (zmq_timers_timeout (scene.timers) <= 99950);
    SHOW (zmq_timers_reset (scene.timers, 1));
    SHOW (zmq_timers_timeout (scene.timers) > 99950);
    SHOW (zmq_timers_set_interval (scene.timers, 1, 200000));
    SHOW (zmq_timers_timeout (scene.timers) > 199950);
    SHOW (zmq_timers_set_interval (scene.timers, 1, 0));
    SHOW (zmq_timers_timeout (scene.timers));
    SHOW (zmq_timers_set_interval (scene.timers, 1, 20));
    sleep_ms (30);
    CHECK (zmq_timers_execute (scene.timers) == 0);
    show_calls (&scene, "execute");
    SHOW (zmq_timers_timeout (scene.timers) <= 20);
    SHOW (zmq_timers_set_interval (scene.timers, 1, 4294967296));
    SHOW (zmq_timers_timeout (scene.timers) > 4294960000);
    end (&scene);
}

static void cancel_other (int id, void *argument)
{
    scene_t *scene = argument;
    note (id, scene);
    scene->result = zmq_timers_cancel (scene->timers, scene->other);
}

static void add_one (int id, void *argument)
{
    scene_t *scene = argument;
    note (id, scene);
    if (scene->count == 1)
        scene->result = add (scene, 100000, note);
}

/* A first timer with the handler and a second that only takes note, both due; executed twice. No handler here restarts
 * a timer: with libzmq that corrupts the heap. */
static void with_handler (const char *name, zmq_timer_fn handler, int other)
{
    scene_t scene;
    begin (&scene);
    add (&scene, 20, handler);
    add (&scene, 20, note);
    scene.other = other;
    for (int i = 0; i < 2; i++) {
        sleep_ms (50);
        CHECK (zmq_timers_execute (scene.timers) == 0);
        show_calls (&scene, name);
        printf ("  its result: %d\n", scene.result);
        fflush (stdout);
    }
    SHOW (zmq_timers_timeout (scene.timers) >= 0);
    end (&scene);
}

int main (void)
{
    wrong_arguments ();
    ids ();
    cancelled_ones_stay_known ();
    order ();
    lateness ();
    restarts ();
    part ("handlers may use their set");
    with_handler ("cancels itself", cancel_other, 1);
    with_handler ("cancels the next", cancel_other, 2);
    with_handler ("cancels an unknown one", cancel_other, 9);
    with_handler ("adds one", add_one, 0);
    return 0;
}
