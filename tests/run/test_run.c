/* Plans give what awake graphs give; they prepare once per dims, allocate nothing afterwards, and refuse what does not
 * fit. */
#include "run/networks.h"

#include "base/alloc.h"
#include "graph/engine.h"

static sw_tensor *awake(sw_context *ctx, network net, sw_tensor *x)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER | SW_NOGRAD);
    sw_value *y = net(g, sw_input(g, x));
    assert_non_null(y);
    sw_tensor *t = sw_tensor_retain(sw_value_tensor(y));
    sw_graph_free(g);
    return t;
}

static void check_same(const char *backend, network net, sw_compile_options options, double bound)
{
    sw_context *ctx = context_of(backend, 2);
    sw_graph *g = forward_graph(ctx, net);
    sw_plan *plan = plan_of(g, options);
    sw_graph_free(g);
    const int64_t batches[] = {1, 3, 8, 0, 3};
    for (int i = 0; i < 5; i++) {
        sw_tensor *x = numbers(ctx, input_dims(net, batches[i]), 1), *expected = awake(ctx, net, x);
        sw_tensor *y = run_plan(plan, x, NULL);
        assert_true(difference(y, expected) <= bound);
        sw_tensor_release(x);
        sw_tensor_release(y);
        sw_tensor_release(expected);
    }
    assert_int_equal(sw_plan_preparations(plan), 4);
    sw_plan_free(plan);
    sw_context_free(ctx);
}

static void test_a_plan_gives_what_the_awake_graph_gives(void **state)
{
    (void)state;
    check_same("ref", mlp, (sw_compile_options){0}, 0);
    check_same("ref", cnn, (sw_compile_options){0}, 0);
    check_same("cpu", mlp, (sw_compile_options){0}, 1e-5);
    check_same("cpu", cnn, (sw_compile_options){0}, 1e-5);
    check_same("cpu", cnn, (sw_compile_options){.freeze = true}, 1e-5);
    check_same("cpu", mlp, (sw_compile_options){.freeze = true, .team = 2}, 1e-5);
}

static void test_a_warm_plan_allocates_nothing(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 2);
    if (!sw_backend_find(ctx, "cpu")) { /* reference bodies work on desks of their own */
        sw_context_free(ctx);
        skip();
    }
    sw_graph *g = training_graph(ctx, cnn, true);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    sw_tensor *x = numbers(ctx, input_dims(cnn, 4), 1), *labels = labels_of(ctx, 4, CLASSES, 1);
    sw_tensor *loss = run_plan(plan, x, labels), *inputs[] = {x, labels}, *outputs[] = {loss};
    uint64_t before = sw_alloc_calls(ctx), bytes = sw_context_bytes(ctx);
    for (int i = 0; i < 1000; i++)
        assert_ok(sw_plan_run(plan, inputs, outputs, NULL));
    assert_int_equal(sw_alloc_calls(ctx), before);
    assert_int_equal(sw_context_bytes(ctx), bytes);
    assert_true(sw_tensor_get(loss, 0) < 0.5); /* it did learn */
    sw_tensor_release(loss);
    sw_tensor_release(x);
    sw_tensor_release(labels);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_instances_are_few_and_the_oldest_goes(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = forward_graph(ctx, mlp);
    sw_plan *plan = plan_of(g, (sw_compile_options){.instances = 2});
    const int64_t batches[] = {1, 2, 1, 3, 1, 2};
    const uint64_t prepared[] = {1, 2, 2, 3, 3, 4}; /* 3 crowds 2 out, not 1 */
    for (int i = 0; i < 6; i++) {
        assert_ok(sw_plan_prepare(plan, &(sw_dims){2, {batches[i], 20}}));
        assert_int_equal(sw_plan_preparations(plan), prepared[i]);
    }
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_wrong_inputs_are_named(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = training_graph(ctx, mlp, false);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    sw_tensor *x = numbers(ctx, SW_DIMS(4, 20), 1), *narrow = numbers(ctx, SW_DIMS(4, 19), 1);
    sw_tensor *labels = labels_of(ctx, 5, CLASSES, 1), *good = labels_of(ctx, 4, CLASSES, 1);
    sw_tensor *wrong = numbers(ctx, SW_DIMS(2), 1), *outputs[] = {NULL};
    assert_int_equal(sw_plan_run(plan, (sw_tensor *[]){x, labels}, outputs, NULL), SW_SHAPE);
    assert_non_null(strstr(sw_error_text(), "labels"));
    assert_int_equal(sw_plan_run(plan, (sw_tensor *[]){narrow, good}, outputs, NULL), SW_SHAPE);
    assert_non_null(strstr(sw_error_text(), "20"));
    assert_int_equal(sw_plan_run(plan, (sw_tensor *[]){x, x}, outputs, NULL), SW_SHAPE);
    assert_non_null(strstr(sw_error_text(), "i64"));
    outputs[0] = wrong;
    assert_int_equal(sw_plan_run(plan, (sw_tensor *[]){x, good}, outputs, NULL), SW_SHAPE);
    assert_non_null(strstr(sw_error_text(), "loss"));
    sw_tensor_release(x);
    sw_tensor_release(narrow);
    sw_tensor_release(labels);
    sw_tensor_release(good);
    sw_tensor_release(wrong);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_what_exceeds_the_budget_is_refused_before_it_begins(void **state)
{
    (void)state;
    const sw_context_options options = {
        .size = sizeof options, .budget_bytes = 4 << 20, .backend = "cpu", .threads = 1};
    sw_context *ctx = sw_context_new(&options);
    sw_graph *g = forward_graph(ctx, cnn);
    sw_plan *plan = plan_of(g, (sw_compile_options){0});
    uint64_t bytes;
    sw_dims dims = input_dims(cnn, 10000);
    assert_ok(sw_plan_arena_bytes(plan, &dims, &bytes));
    assert_true(bytes > options.budget_bytes);
    assert_int_equal(sw_plan_prepare(plan, &dims), SW_BUDGET);
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)bytes);
    assert_non_null(strstr(sw_error_text(), number));
    sw_tensor *x = numbers(ctx, input_dims(cnn, 4), 1), *y = run_plan(plan, x, NULL); /* others still fit */
    sw_tensor_release(x);
    sw_tensor_release(y);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void test_the_arena_is_as_large_as_was_said(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = training_graph(ctx, cnn, false);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    uint64_t said;
    sw_dims dims[] = {input_dims(cnn, 16), SW_DIMS(16)};
    assert_ok(sw_plan_arena_bytes(plan, dims, &said));
    uint64_t before = sw_context_bytes(ctx);
    assert_ok(sw_plan_prepare(plan, dims));
    uint64_t grown = sw_context_bytes(ctx) - before;
    assert_true(grown >= said && grown < said + 65536); /* the frame's lists come on top */
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

/* x f32[N, 512] times a weight of a mebibyte. */
static sw_value *heavy(sw_graph *g, sw_value *x)
{
    return sw_relu(g, sw_matmul(g, x, parameter(g, "w", SW_DIMS(512, 512), sw_init_glorot(1))));
}

static void test_a_packed_weight_is_kept_once_for_all_dims(void **state)
{
    (void)state;
    enum { WEIGHT = 512 * 512 * 4 };
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_output(g, "y", heavy(g, sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), 512))));
    sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = true});
    sw_graph_free(g);
    sw_tensor *y[2];
    for (int64_t n = 1; n <= 64; n *= 4) {
        sw_tensor *x = numbers(ctx, SW_DIMS(n, 512), 1);
        sw_tensor *first = run_plan(plan, x, NULL);
        if (n == 1 || n == 64)
            y[n == 64] = sw_tensor_retain(first);
        sw_tensor_release(x);
        sw_tensor_release(first);
        assert_true(sw_plan_held_bytes(plan) >= WEIGHT);
        assert_true(sw_plan_held_bytes(plan) < WEIGHT * 5 / 4);
    }
    sw_tensor *row = sw_tensor_slice(y[1], 0, 0, 1, 1), *same = sw_tensor_contiguous(row);
    assert_true(difference(same, y[0]) < 1e-5); /* row 0 of either batch holds the same numbers */
    sw_tensor_release(row);
    sw_tensor_release(same);
    sw_tensor_release(y[0]);
    sw_tensor_release(y[1]);
    sw_plan_free(plan);
    sw_context_free(ctx);
}

/* A constant seen with dims that only the inputs decide. */
static sw_value *seen_otherwise(sw_graph *g, sw_value *x)
{
    sw_tensor *table = numbers(sw_graph_context(g), SW_DIMS(512, 512), 5);
    sw_value *constant = sw_constant(g, table);
    sw_tensor_release(table);
    return sw_matmul(g, x, sw_reshape_to(g, constant, sw_shape_of(g, sw_transpose(g, x, 0, NULL))));
}

static void test_a_constant_may_be_reshaped_by_an_inputs_dims(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), sw_symbol(g, "M")));
    sw_output(g, "y", seen_otherwise(g, x));
    sw_plan *plan = plan_of(g, (sw_compile_options){0});
    sw_tensor *in = numbers(ctx, SW_DIMS(256, 1024), 1), *y = run_plan(plan, in, NULL),
              *expected = awake(ctx, seen_otherwise, in);
    assert_true(difference(y, expected) < 1e-4);
    sw_tensor_release(in);
    sw_tensor_release(y);
    sw_tensor_release(expected);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

/* relu(x w) w with one w: two rows read one weight, each through a kernel of its own. */
static sw_value *tied(sw_graph *g, sw_value *x)
{
    sw_value *w = parameter(g, "w", SW_DIMS(512, 512), sw_init_glorot(1));
    return sw_matmul(g, sw_relu(g, sw_matmul(g, x, w)), w);
}

static void test_rows_that_share_a_weight_agree_on_its_form(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_output(g, "y", tied(g, sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), 512))));
    sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = true});
    const int64_t batches[] = {64, 1, 200};
    for (int i = 0; i < 3; i++) {
        sw_tensor *x = numbers(ctx, SW_DIMS(batches[i], 512), 1), *y = run_plan(plan, x, NULL);
        sw_tensor *expected = awake(ctx, tied, x);
        assert_true(difference(y, expected) < 1e-4);
        sw_tensor_release(x);
        sw_tensor_release(y);
        sw_tensor_release(expected);
    }
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

/* Kernels may differ between dims: whichever came first, the others find the weight in a form that they read. */
static void test_dims_in_any_order_find_their_weights(void **state)
{
    (void)state;
    const int64_t orders[][4] = {{1, 4096, 1, 64}, {4096, 1, 64, 4096}, {64, 4096, 0, 1}};
    for (int o = 0; o < 3; o++) {
        sw_context *ctx = context_of("cpu", 1);
        sw_graph *g = forward_graph(ctx, mlp);
        sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = true});
        for (int i = 0; i < 4; i++) {
            sw_tensor *x = numbers(ctx, input_dims(mlp, orders[o][i]), 1), *y = run_plan(plan, x, NULL);
            sw_tensor *expected = awake(ctx, mlp, x);
            assert_true(difference(y, expected) < 1e-5);
            sw_tensor_release(x);
            sw_tensor_release(y);
            sw_tensor_release(expected);
        }
        sw_plan_free(plan);
        sw_graph_free(g);
        sw_context_free(ctx);
    }
}

static void keep_line(void *user, sw_log_level level, const char *line)
{
    (void)level;
    char *text = user;
    size_t used = strlen(text);
    snprintf(text + used, 65536 - used, "%s\n", line);
}

static void test_the_log_says_why_kernels_were_skipped(void **state)
{
    (void)state;
    static char lines[65536];
    const sw_context_options options = {
        .size = sizeof options, .backend = "cpu", .trace = "kernels", .log = keep_line, .log_user = lines};
    sw_context *ctx = sw_context_new(&options);
    sw_graph *g = forward_graph(ctx, mlp);
    sw_plan *plan = plan_of(g, (sw_compile_options){0});
    sw_dims dims = input_dims(mlp, 3);
    assert_ok(sw_plan_prepare(plan, &dims));
    assert_non_null(strstr(lines, "FusedMatMul"));
    assert_non_null(strstr(lines, "takes it"));
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plan_gives_what_the_awake_graph_gives),
        cmocka_unit_test(test_a_warm_plan_allocates_nothing),
        cmocka_unit_test(test_instances_are_few_and_the_oldest_goes),
        cmocka_unit_test(test_wrong_inputs_are_named),
        cmocka_unit_test(test_what_exceeds_the_budget_is_refused_before_it_begins),
        cmocka_unit_test(test_a_packed_weight_is_kept_once_for_all_dims),
        cmocka_unit_test(test_a_constant_may_be_reshaped_by_an_inputs_dims),
        cmocka_unit_test(test_rows_that_share_a_weight_agree_on_its_form),
        cmocka_unit_test(test_dims_in_any_order_find_their_weights),
        cmocka_unit_test(test_the_log_says_why_kernels_were_skipped),
        cmocka_unit_test(test_the_arena_is_as_large_as_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
