/* Checkpoints: they give back what went in, or say why not and change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "slipway/ops.h"
#include "train/checkpoint.h"

static sw_context *ctx;

static sw_graph *graph_with(const char *first, int64_t width, float value)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    const char *const names[] = {first, "b"};
    for (int i = 0; i < 2; i++) {
        sw_state *s = sw_param(ctx, names[i], SW_F32, SW_DIMS(2, width + i), sw_init_constant(value + (float)i));
        assert_non_null(sw_read(g, s));
        sw_state_release(s);
    }
    return g;
}

static double held(const sw_graph *g, int state) { return sw_tensor_get(sw_state_tensor(sw_graph_state(g, state)), 1); }

static sw_progress some_progress(void)
{
    return (sw_progress){.next = {3, 17},
                         .step = 1234,
                         .best_epoch = 2,
                         .stale = 1,
                         .best = 0.5,
                         .loss_sum = 7.25,
                         .correct = 99,
                         .seen = 101};
}

static int begin(void **state)
{
    (void)state;
    ctx = sw_context_new(NULL);
    return ctx != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    sw_context_free(ctx);
    return 0;
}

static void test_gives_back_what_went_in(void **state)
{
    (void)state;
    sw_graph *from = graph_with("a", 3, 5), *to = graph_with("a", 3, 0);
    sw_progress in = some_progress(), out;
    sw_text bytes;
    sw_text_init(&bytes, ctx);
    assert_int_equal(sw_checkpoint_write(from, &in, &bytes), SW_OK);
    assert_int_equal(sw_checkpoint_read("c", bytes.data, bytes.size, to, &out), SW_OK);
    assert_true(held(to, 0) == 5 && held(to, 1) == 6);
    assert_memory_equal(&in, &out, sizeof in);
    sw_text_free(&bytes);
    sw_graph_free(from);
    sw_graph_free(to);
}

static void test_damage_is_found_and_changes_nothing(void **state)
{
    (void)state;
    sw_graph *from = graph_with("a", 3, 5), *to = graph_with("a", 3, 0);
    sw_progress in = some_progress();
    sw_text bytes;
    sw_text_init(&bytes, ctx);
    assert_int_equal(sw_checkpoint_write(from, &in, &bytes), SW_OK);
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 0x10;
        sw_status status = sw_checkpoint_read("c", bytes.data, bytes.size, to, NULL);
        assert_true(status == SW_CORRUPT || status == SW_UNSUPPORTED);
        bytes.data[i] ^= 0x10;
        assert_int_equal(sw_checkpoint_read("c", bytes.data, i, to, NULL), SW_CORRUPT);
    }
    assert_true(held(to, 0) == 0 && held(to, 1) == 1);
    sw_text_free(&bytes);
    sw_graph_free(from);
    sw_graph_free(to);
}

static void test_another_model_is_refused(void **state)
{
    (void)state;
    sw_graph *from = graph_with("a", 3, 5), *wider = graph_with("a", 4, 0), *renamed = graph_with("x", 3, 0);
    sw_progress in = some_progress();
    sw_text bytes;
    sw_text_init(&bytes, ctx);
    assert_int_equal(sw_checkpoint_write(from, &in, &bytes), SW_OK);
    assert_int_equal(sw_checkpoint_read("c", bytes.data, bytes.size, wider, NULL), SW_INVALID);
    assert_non_null(strstr(sw_error_text(), "'a' has another type or other dims"));
    assert_int_equal(sw_checkpoint_read("c", bytes.data, bytes.size, renamed, NULL), SW_INVALID);
    assert_non_null(strstr(sw_error_text(), "a state 'a' that this model has not"));
    assert_true(held(wider, 0) == 0 && held(renamed, 1) == 1);
    sw_text_free(&bytes);
    sw_graph_free(from);
    sw_graph_free(wider);
    sw_graph_free(renamed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gives_back_what_went_in),
        TEST(test_damage_is_found_and_changes_nothing),
        TEST(test_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
