/* A timeline is a document that viewers open, its steps fill their runs, and explaining a plan names what it does. */
#include "run/networks.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/doc.h"

static sw_doc *traced(sw_context *ctx, sw_arena *arena, sw_plan *plan, int runs)
{
    char path[] = "/tmp/slipway-trace-XXXXXX.json";
    int file = mkstemps(path, 5);
    assert_true(file >= 0);
    close(file);
    sw_tensor *x = numbers(ctx, input_dims(cnn, 16), 1), *labels = labels_of(ctx, 16, CLASSES, 1);
    sw_tensor_release(run_plan(plan, x, labels)); /* warm */
    assert_ok(sw_plan_trace_begin(plan));
    for (int i = 0; i < runs; i++)
        sw_tensor_release(run_plan(plan, x, labels));
    assert_ok(sw_plan_trace_write(plan, path));
    sw_doc *doc;
    assert_ok(sw_doc_file(arena, path, &doc));
    unlink(path);
    sw_tensor_release(x);
    sw_tensor_release(labels);
    return doc;
}

static double number(const sw_doc *event, const char *key)
{
    const sw_doc *value = sw_doc_get(event, key);
    assert_non_null(value);
    return value->number;
}

static bool has(const sw_doc *event, const char *key, const char *text)
{
    const sw_doc *value = sw_doc_get(event, key);
    return value && value->string && strcmp(value->string, text) == 0;
}

static void test_steps_add_up_to_their_run(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_arena *arena = sw_arena_new(ctx);
    sw_graph *g = training_graph(ctx, cnn, false);
    sw_plan *plan = plan_of(g, (sw_compile_options){.training = true});
    const sw_doc *events = sw_doc_get(traced(ctx, arena, plan, 5), "traceEvents");
    assert_non_null(events);
    double runs = 0, steps = 0;
    int names = 0, convolutions = 0;
    for (int i = 0; i < events->count; i++) {
        const sw_doc *event = events->items[i];
        names += has(event, "ph", "M");
        if (has(event, "cat", "run"))
            runs += number(event, "dur");
        if (!has(event, "cat", "step"))
            continue;
        steps += number(event, "dur");
        const sw_doc *args = sw_doc_get(event, "args");
        assert_true(number(event, "ts") >= 0);
        assert_non_null(sw_doc_get(args, "kernel"));
        if (strstr(sw_doc_get(args, "op")->string, "Conv")) {
            convolutions++;
            assert_true(number(args, "flops") > 1000);
            assert_true(sw_doc_get(args, "inputs")->count >= 2);
        }
    }
    assert_int_equal(names, 2);
    assert_true(convolutions >= 5 * 5);
    assert_true(steps <= runs * 1.0001);
    assert_true(steps >= 0.95 * runs);
    assert_int_equal(sw_plan_trace_write(plan, "/tmp/never"), SW_INVALID); /* it is over */
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_arena_free(arena);
    sw_context_free(ctx);
}

static void test_explaining_names_passes_steps_and_places(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_graph *g = forward_graph(ctx, cnn);
    sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = true});
    sw_dims dims = input_dims(cnn, 7);
    assert_ok(sw_plan_prepare(plan, &dims));
    char *text = sw_plan_explain(plan);
    assert_non_null(strstr(text, "freeze: state 'c1' is a constant"));
    assert_non_null(strstr(text, "N=7"));
    assert_non_null(strstr(text, "MaxPool"));
    assert_non_null(strstr(text, "f32[7, 16, 12, 12]"));
    sw_text_release(ctx, text);
    sw_plan_free(plan);
    sw_graph_free(g);
    sw_context_free(ctx);
}

static void identity_of(sw_context *ctx, network net, sw_compile_options options, char hex[65])
{
    sw_graph *g = forward_graph(ctx, net);
    sw_plan *plan = plan_of(g, options);
    sw_plan_identity(plan, hex);
    sw_plan_free(plan);
    sw_graph_free(g);
}

static void test_an_identity_tells_what_changes_bits(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 2);
    char a[65], b[65];
    identity_of(ctx, cnn, (sw_compile_options){0}, a);
    identity_of(ctx, cnn, (sw_compile_options){.lanes = 2, .instances = 3}, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 64);
    const sw_compile_options others[] = {{.freeze = true}, {.no_fusion = true}, {.backend = "ref"}};
    for (int i = 0; i < 3; i++) {
        identity_of(ctx, cnn, others[i], b);
        assert_string_not_equal(a, b);
    }
    identity_of(ctx, mlp, (sw_compile_options){0}, b);
    assert_string_not_equal(a, b);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_add_up_to_their_run),
        cmocka_unit_test(test_explaining_names_passes_steps_and_places),
        cmocka_unit_test(test_an_identity_tells_what_changes_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
