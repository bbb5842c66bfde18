/* Plans whose shapes only data decides: decoding, resizing and a network in one plan. */
#include "run/networks.h"

#include "base/alloc.h"
#include "ops/pictures.h"

/* bytes u8[L] -> the picture f32[1, 3, 12, 12] in [0, 1] -> a convolution's answer. */
static sw_value *answer(sw_graph *g, sw_value *bytes)
{
    const int64_t planes[] = {2, 0, 1}, batch[] = {0};
    const sw_window window = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    sw_value *x = sw_cast(g, sw_transpose(g, sw_decode_image(g, bytes, 3), 3, planes), SW_F32);
    x = sw_resize(g, sw_mul_scalar(g, sw_unsqueeze(g, x, 1, batch), 1.0 / 255), 12, 12, "linear");
    sw_value *h = sw_relu(g, sw_conv(g, x, parameter(g, "w", SW_DIMS(16, 3, 3, 3), sw_init_he(1)), SW_NONE, &window));
    return sw_flatten(g, sw_global_average_pool(g, h), 1);
}

static sw_tensor *bytes_of(sw_context *ctx, const void *bytes, size_t size)
{
    sw_tensor *t = sw_tensor_from(ctx, SW_U8, SW_DIMS((int64_t)size), bytes);
    assert_non_null(t);
    return t;
}

static sw_plan *picture_plan(sw_context *ctx, bool freeze)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *bytes = sw_input_declare(g, "picture", SW_TYPE(SW_U8, sw_symbol(g, "L")));
    sw_value *y = answer(g, bytes);
    sw_output(g, "y", y);
    if (!sw_ok(g))
        print_error("%s\n", sw_graph_error(g));
    assert_true(sw_ok(g));
    sw_plan *plan = plan_of(g, (sw_compile_options){.freeze = freeze});
    sw_graph_free(g);
    return plan;
}

static void test_pictures_of_any_size_go_through_one_plan(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_plan *plan = picture_plan(ctx, true);
    const struct {
        const unsigned char *bytes;
        size_t size;
    } pictures[] = {{rgb_png, sizeof rgb_png},
                    {base_jpg, sizeof base_jpg},
                    {lossless_webp, sizeof lossless_webp},
                    {rgb_png, sizeof rgb_png}};
    for (int i = 0; i < 4; i++) {
        sw_tensor *bytes = bytes_of(ctx, pictures[i].bytes, pictures[i].size), *y = run_plan(plan, bytes, NULL);
        sw_graph *awake = sw_graph_new(ctx, SW_EAGER | SW_NOGRAD);
        sw_value *expected = answer(awake, sw_input(awake, bytes));
        if (!sw_ok(awake))
            print_error("%s\n", sw_graph_error(awake));
        assert_non_null(expected);
        assert_true(difference(y, sw_value_tensor(expected)) < 1e-5);
        sw_graph_free(awake);
        sw_tensor_release(y);
        sw_tensor_release(bytes);
    }
    sw_plan_free(plan);
    sw_context_free(ctx);
}

static void test_the_same_picture_again_prepares_nothing(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_plan *plan = picture_plan(ctx, true);
    sw_tensor *bytes = bytes_of(ctx, rgb_png, sizeof rgb_png);
    sw_tensor_release(run_plan(plan, bytes, NULL));
    uint64_t prepared = sw_plan_preparations(plan);
    for (int i = 0; i < 10; i++)
        sw_tensor_release(run_plan(plan, bytes, NULL));
    assert_int_equal(sw_plan_preparations(plan), prepared);
    sw_tensor_release(bytes);
    sw_plan_free(plan);
    sw_context_free(ctx);
}

static void test_bytes_that_are_no_picture_fail_the_run_only(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_plan *plan = picture_plan(ctx, false);
    sw_tensor *junk = bytes_of(ctx, "not a picture at all", 20), *good = bytes_of(ctx, rgb_png, sizeof rgb_png);
    sw_tensor *outputs[] = {NULL};
    assert_int_not_equal(sw_plan_run(plan, (sw_tensor *[]){junk}, outputs, NULL), SW_OK);
    assert_null(outputs[0]);
    sw_tensor_release(run_plan(plan, good, NULL));
    sw_tensor_release(junk);
    sw_tensor_release(good);
    sw_plan_free(plan);
    sw_context_free(ctx);
}

static void test_every_failing_allocation_is_an_answer(void **state)
{
    (void)state;
    sw_context *ctx = context_of("cpu", 1);
    sw_tensor *bytes = bytes_of(ctx, rgb_png, sizeof rgb_png);
    sw_plan *first = picture_plan(ctx, true); /* what a context makes at first use is made now */
    sw_tensor_release(run_plan(first, bytes, NULL));
    sw_plan_free(first);
    uint64_t held = sw_context_bytes(ctx);
    for (uint64_t n = 1;; n++) {
        sw_plan *plan = picture_plan(ctx, true);
        sw_tensor *outputs[] = {NULL};
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_plan_run(plan, (sw_tensor *[]){bytes}, outputs, NULL);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_true(status == SW_OK || failed);
        sw_tensor_release(outputs[0]);
        sw_plan_free(plan);
        assert_int_equal(sw_context_bytes(ctx), held);
        if (!failed)
            break;
    }
    sw_tensor_release(bytes);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_of_any_size_go_through_one_plan),
        cmocka_unit_test(test_the_same_picture_again_prepares_nothing),
        cmocka_unit_test(test_bytes_that_are_no_picture_fail_the_run_only),
        cmocka_unit_test(test_every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
