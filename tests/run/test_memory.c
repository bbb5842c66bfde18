/* What a plan says it needs is what the process grows by: planned peak against the high-water mark of the kernel. */
#include "run/networks.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

/* VmHWM, the most that was ever resident, or VmRSS, what is now. */
static double resident_mib(const char *key)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), ": %lf", &kib);
    fclose(file);
    return kib / 1024;
}

/* x f32[N, 784] */
static sw_value *wide(sw_graph *g, sw_value *x)
{
    sw_value *h = x;
    const int64_t sizes[] = {784, 2048, 2048, 10};
    for (int i = 0; i < 3; i++) {
        char names[2][8];
        snprintf(names[0], sizeof names[0], "w%d", i);
        snprintf(names[1], sizeof names[1], "b%d", i);
        h = sw_matmul(g, h, parameter(g, names[0], SW_DIMS(sizes[i], sizes[i + 1]), sw_init_glorot(1)));
        h = sw_relu(g, sw_add(g, h, parameter(g, names[1], SW_DIMS(sizes[i + 1]), sw_init_zero())));
    }
    return h;
}

/* x f32[N, 3, 64, 64] */
static sw_value *deep(sw_graph *g, sw_value *x)
{
    const sw_window same = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}},
                    half = {.axes = 2, .kernel = {2, 2}, .strides = {2, 2}};
    sw_value *h = x;
    int64_t channels = 3;
    for (int i = 0; i < 4; i++) {
        char names[2][8];
        int64_t next = 32 << (i / 2);
        snprintf(names[0], sizeof names[0], "w%d", i);
        snprintf(names[1], sizeof names[1], "b%d", i);
        h = sw_conv(g, h, parameter(g, names[0], SW_DIMS(next, channels, 3, 3), sw_init_he(1)),
                    parameter(g, names[1], SW_DIMS(next), sw_init_zero()), &same);
        h = sw_relu(g, h);
        if (i % 2)
            h = sw_max_pool(g, h, &half);
        channels = next;
    }
    h = sw_flatten(g, sw_global_average_pool(g, h), 1);
    return sw_matmul(g, h, parameter(g, "w", SW_DIMS(channels, 10), sw_init_glorot(2)));
}

struct measure {
    double planned, grown; /* MiB */
};

static sw_plan *compiled(sw_context *ctx, bool pictures, bool training)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_dim n = sw_symbol(g, "N");
    sw_value *x = sw_input_declare(g, "x", pictures ? SW_TYPE(SW_F32, n, 3, 64, 64) : SW_TYPE(SW_F32, n, 784));
    sw_value *labels = training ? sw_input_declare(g, "labels", SW_TYPE(SW_I64, n)) : NULL;
    sw_value *y = pictures ? deep(g, x) : wide(g, x);
    if (training) {
        sw_value *loss = sw_softmax_cross_entropy(g, y, labels);
        sw_backward(g, loss);
        sw_adam_step(g, (sw_adam_options){.size = sizeof(sw_adam_options), .lr = 0.001});
        sw_output(g, "loss", loss);
    } else
        sw_output(g, "y", y);
    if (!sw_ok(g))
        print_error("%s\n", sw_graph_error(g));
    assert_true(sw_ok(g));
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = training, .freeze = !training});
    sw_graph_free(g);
    return plan;
}

/* In a child, so that each measurement begins with a fresh mark. Code and library tables that the first use of a
 * kernel brings in are warmed with a small batch before. */
static struct measure measure(bool pictures, bool training, int64_t batch)
{
    int ends[2];
    struct measure m = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) {
        int status;
        close(ends[1]);
        assert_int_equal(read(ends[0], &m, sizeof m), sizeof m);
        close(ends[0]);
        waitpid(child, &status, 0);
        return m;
    }
    sw_context *ctx = context_of("cpu", 1);
    sw_dims dims = pictures ? SW_DIMS(batch, 3, 64, 64) : SW_DIMS(batch, 784);
    sw_tensor *inputs[] = {numbers(ctx, dims, 1), labels_of(ctx, batch, 10, 1)}, *outputs[] = {NULL};
    sw_plan *small = compiled(ctx, pictures, training);
    dims.dim[0] = 1;
    sw_tensor *one[] = {numbers(ctx, dims, 1), labels_of(ctx, 1, 10, 1)};
    assert_ok(sw_plan_run(small, one, outputs, NULL));
    sw_plan_free(small);
    double before = resident_mib("VmRSS"), states = 0;
    uint64_t bytes = sw_context_bytes(ctx), arena;
    sw_plan *plan = compiled(ctx, pictures, training);
    states = (double)(sw_context_bytes(ctx) - bytes) - (double)sw_plan_held_bytes(plan); /* parameters and slots */
    dims.dim[0] = batch;
    sw_dims both[] = {dims, SW_DIMS(batch)};
    assert_ok(sw_plan_arena_bytes(plan, both, &arena));
    outputs[0] = NULL;
    for (int i = 0; i < 3; i++)
        assert_ok(sw_plan_run(plan, inputs, outputs, NULL));
    m.planned = ((double)arena + (double)sw_plan_held_bytes(plan) + (states > 0 ? states : 0)) / (1 << 20);
    m.grown = resident_mib("VmHWM") - before;
    ssize_t wrote = write(ends[1], &m, sizeof m);
    _exit(wrote == sizeof m ? 0 : 1);
}

static void check(const char *what, bool pictures, bool training, int64_t batch)
{
    struct measure m = measure(pictures, training, batch);
    print_message("%s: planned %.1f MiB, grown %.1f MiB\n", what, m.planned, m.grown);
    assert_true(m.planned > 32); /* else the allowance would hide everything */
    assert_true(fabs(m.planned - m.grown) <= 0.05 * m.planned + 16);
}

static void test_the_planned_peak_is_what_the_process_grows_by(void **state)
{
    (void)state;
#ifdef SW_SANITIZED
    print_message("skipped: a sanitizer's shadow counts as growth\n");
    skip();
#endif
    check("serving an MLP", false, false, 4096);
    check("serving a CNN", true, false, 64);
    check("training an MLP", false, true, 1024);
    check("training a CNN", true, true, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_planned_peak_is_what_the_process_grows_by)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
