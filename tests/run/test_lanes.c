/* Many threads may run one plan: each gets its own answer, whatever the others ask; teams are what was asked for. */
#include "run/networks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/team.h"

enum { THREADS = 4, ROUNDS = 40 };

struct caller {
    sw_context *ctx;
    sw_plan *plan;
    sw_tensor *inputs[5], *expected[5];
    pthread_t thread;
    int wrong;
};

static void *call(void *user)
{
    struct caller *c = user;
    for (int i = 0; i < ROUNDS; i++) {
        int which = i % 5;
        sw_tensor *inputs[] = {c->inputs[which]}, *outputs[] = {NULL};
        if (sw_plan_run(c->plan, inputs, outputs, NULL) != SW_OK) {
            c->wrong++;
            continue;
        }
        c->wrong +=
            memcmp(sw_tensor_data(outputs[0]), sw_tensor_data(c->expected[which]), sw_tensor_bytes(outputs[0])) != 0;
        sw_tensor_release(outputs[0]);
    }
    return NULL;
}

static void check_callers(int lanes, int team, int instances)
{
    sw_context *ctx = context_of("cpu", 4);
    sw_graph *g = forward_graph(ctx, cnn);
    sw_plan *plan =
        plan_of(g, (sw_compile_options){.lanes = lanes, .team = team, .instances = instances, .freeze = true});
    struct caller callers[THREADS];
    for (int k = 0; k < THREADS; k++) {
        callers[k] = (struct caller){.ctx = ctx, .plan = plan};
        for (int i = 0; i < 5; i++) {
            callers[k].inputs[i] = numbers(ctx, input_dims(cnn, team > 1 ? 30 + i : i + 1), (uint32_t)(10 * k + i));
            callers[k].expected[i] = run_plan(plan, callers[k].inputs[i], NULL);
        }
    }
    for (int k = 0; k < THREADS; k++)
        assert_int_equal(pthread_create(&callers[k].thread, NULL, call, &callers[k]), 0);
    for (int k = 0; k < THREADS; k++) {
        pthread_join(callers[k].thread, NULL);
        assert_int_equal(callers[k].wrong, 0);
        for (int i = 0; i < 5; i++) {
            sw_tensor_release(callers[k].inputs[i]);
            sw_tensor_release(callers[k].expected[i]);
        }
    }
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_each_caller_gets_its_own_answer(void **state)
{
    (void)state;
    check_callers(1, 1, 8);
    check_callers(3, 1, 8);
    check_callers(2, 1, 2); /* instances come and go under them */
    if (sw_team_most() > 1)
        check_callers(2, 2, 8);
}

struct seen {
    atomic_int parts[64];
    atomic_int members;
};

static void mark(void *user, int part)
{
    struct seen *seen = user;
    atomic_fetch_add(&seen->parts[part], 1);
}

static void test_a_team_does_each_part_once(void **state)
{
    (void)state;
    int cpus[2], size = sw_team_most() > 1 ? 2 : 1;
    sw_lane_team team;
    sw_lane_team_init(&team, size, 0, 1, cpus);
    assert_ok(sw_lane_team_enter(&team));
    for (int parts = 1; parts <= 64; parts *= 2) {
        struct seen seen = {0};
        sw_team_run(&team.team, parts, mark, &seen);
        for (int i = 0; i < 64; i++)
            assert_int_equal(atomic_load(&seen.parts[i]), i < parts);
    }
    sw_lane_team_leave(&team);
}

static void test_the_callers_processors_are_its_own_again(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 2);
    sw_graph *g = forward_graph(ctx, cnn);
    sw_plan *plan = plan_of(g, (sw_compile_options){.team = sw_team_most() > 1 ? 2 : 1});
    sw_tensor *x = numbers(ctx, input_dims(cnn, 40), 1);
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    sw_tensor_release(run_plan(plan, x, NULL));
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    sw_tensor_release(x);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_more_threads_than_allowed_are_refused(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 2);
    sw_graph *g = forward_graph(ctx, mlp);
    sw_plan *plan;
    const sw_compile_options many = {.size = sizeof many, .lanes = 3}, wide = {.size = sizeof wide, .team = 1 << 20};
    assert_int_equal(sw_compile(g, &many, &plan), SW_INVALID);
    assert_null(plan);
    assert_int_not_equal(sw_compile(g, &wide, &plan), SW_OK);
    sw_graph_free(g);
    sw_context_free(ctx);
}

/* Where OpenMP gives fewer threads than were asked for, the plan says so instead of being another plan. */
static void test_a_team_that_does_not_come_is_an_error(void **state)
{
    (void)state;
    if (sw_team_most() == 1)
        skip();
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("OMP_THREAD_LIMIT", "1", 1);
        execl("/proc/self/exe", "test_lanes", "limited", NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int run_limited(void)
{
    sw_context *ctx = context_of("cpu", 2);
    sw_graph *g = forward_graph(ctx, mlp);
    sw_plan *plan;
    const sw_compile_options options = {.size = sizeof options, .team = 2};
    sw_status status = sw_compile(g, &options, &plan);
    bool said = strstr(sw_error_text(), "team of 2") != NULL;
    sw_graph_free(g);
    sw_context_free(ctx);
    return status == SW_UNSUPPORTED && said ? 0 : 1;
}

int main(int count, char **words)
{
    if (count > 1 && strcmp(words[1], "limited") == 0)
        return run_limited();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_caller_gets_its_own_answer),
        cmocka_unit_test(test_a_team_does_each_part_once),
        cmocka_unit_test(test_the_callers_processors_are_its_own_again),
        cmocka_unit_test(test_a_team_that_does_not_come_is_an_error),
        cmocka_unit_test(test_more_threads_than_allowed_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
