/* What loop.h promises: timers in order, posts from other threads, nothing after unwatch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/context.h"
#include "net/loop.h"

static int make_context(void **state)
{
    *state = sw_context_create(NULL);
    return *state ? 0 : -1;
}

static int free_context(void **state)
{
    sw_context *ctx = *state;
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

static sw_loop *the_loop;
static int order[64], fired;
struct numbered {
    sw_timer timer;
    int number;
};

static void note(sw_timer *timer)
{
    struct numbered *n = (struct numbered *)timer;
    order[fired++] = n->number;
    if (n->number == 49)
        sw_loop_stop(the_loop);
}

static void test_timers_fire_in_order_of_time(void **state)
{
    the_loop = sw_loop_new(*state);
    static struct numbered timers[50];
    uint64_t now = sw_now_ns();
    fired = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(sw_loop_timer_add(the_loop, &timers[i].timer, note), SW_OK);
        timers[i].number = i;
    }
    for (int i = 0; i < 50; i++) {
        int k = i * 37 % 50; /* set in a scrambled order, some of them moved afterwards */
        sw_loop_timer_set(the_loop, &timers[k].timer, now + 50000000);
        sw_loop_timer_set(the_loop, &timers[k].timer, now + 100000ull * (uint64_t)k);
    }
    for (int i = 1; i < 49; i += 2)
        sw_loop_timer_clear(the_loop, &timers[i].timer);
    uint64_t calls = sw_alloc_calls(*state);
    assert_int_equal(sw_loop_run(the_loop), SW_OK);
    assert_int_equal(sw_alloc_calls(*state), calls);
    assert_int_equal(fired, 26);
    for (int i = 0; i < 25; i++)
        assert_int_equal(order[i], 2 * i);
    for (int i = 0; i < 50; i++)
        sw_loop_timer_remove(the_loop, &timers[i].timer);
    sw_loop_free(the_loop);
}

enum { POSTERS = 4, POSTS_EACH = 2000 };
struct numbered_post {
    sw_post post;
    int who, number;
};
static struct numbered_post posts[POSTERS][POSTS_EACH];
static int seen[POSTERS], total;

static void count_post(sw_post *post)
{
    struct numbered_post *p = (struct numbered_post *)post;
    assert_int_equal(p->number, seen[p->who]); /* in the order of its thread, and once */
    seen[p->who]++;
    if (++total == POSTERS * POSTS_EACH)
        sw_loop_stop(the_loop);
}

static void *post_many(void *argument)
{
    struct numbered_post *mine = argument;
    for (int i = 0; i < POSTS_EACH; i++)
        sw_loop_post(the_loop, &mine[i].post);
    return NULL;
}

static void test_posts_of_many_threads_all_run_in_each_threads_order(void **state)
{
    the_loop = sw_loop_new(*state);
    pthread_t threads[POSTERS];
    for (int t = 0; t < POSTERS; t++) {
        for (int i = 0; i < POSTS_EACH; i++)
            posts[t][i] = (struct numbered_post){.post = {.run = count_post}, .who = t, .number = i};
        pthread_create(&threads[t], NULL, post_many, posts[t]);
    }
    assert_int_equal(sw_loop_run(the_loop), SW_OK);
    for (int t = 0; t < POSTERS; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(seen[t], POSTS_EACH);
    }
    sw_loop_free(the_loop);
}

struct pair {
    sw_watch watch;
    struct pair *other;
    int calls;
};

static void read_and_forget_the_other(sw_watch *watch, uint32_t events)
{
    (void)events;
    struct pair *p = (struct pair *)watch;
    p->calls++;
    sw_loop_unwatch(the_loop, &p->other->watch);
    sw_loop_unwatch(the_loop, &p->watch);
    sw_loop_stop(the_loop);
}

static void test_an_unwatched_descriptor_is_silent_even_if_its_event_was_fetched(void **state)
{
    the_loop = sw_loop_new(*state);
    int a[2], b[2];
    assert_int_equal(pipe(a) | pipe(b), 0);
    struct pair one = {{a[0], read_and_forget_the_other}, NULL, 0}, two = {{b[0], read_and_forget_the_other}, &one, 0};
    one.other = &two;
    sw_loop_watch(the_loop, &one.watch, EPOLLIN);
    sw_loop_watch(the_loop, &two.watch, EPOLLIN);
    assert_int_equal(write(a[1], "x", 1) + write(b[1], "x", 1), 2); /* both are ready in one turn */
    assert_int_equal(sw_loop_run(the_loop), SW_OK);
    assert_int_equal(one.calls + two.calls, 1);
    for (int i = 0; i < 2; i++)
        close(a[i]), close(b[i]);
    sw_loop_free(the_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timers_fire_in_order_of_time, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_posts_of_many_threads_all_run_in_each_threads_order, make_context,
                                        free_context),
        cmocka_unit_test_setup_teardown(test_an_unwatched_descriptor_is_silent_even_if_its_event_was_fetched,
                                        make_context, free_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
