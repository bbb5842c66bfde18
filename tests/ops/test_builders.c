/* Every builder of slipway/ops.h, called once with its arguments in their order: what comes out is what its line says.
 */
#include "walk.h"

static sw_graph *g;
static sw_value *x, *p, *i, *b; /* f32 [-1, 2; 3, -4], f32 [1, 2; 3, 4], i64 [1, 0; 0, 1], bool [1, 0; 0, 1] */

static int open_graph(void **state)
{
    sw_context *ctx = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .backend = "ref"});
    g = sw_graph_new(ctx, SW_EAGER);
    sw_tensor *t[] = {sw_tensor_from(ctx, SW_F32, SW_DIMS(2, 2), (float[]){-1, 2, 3, -4}),
                      sw_tensor_from(ctx, SW_F32, SW_DIMS(2, 2), (float[]){1, 2, 3, 4}),
                      sw_tensor_from(ctx, SW_I64, SW_DIMS(2, 2), (int64_t[]){1, 0, 0, 1}),
                      sw_tensor_from(ctx, SW_BOOL, SW_DIMS(2, 2), (bool[]){true, false, false, true})};
    x = sw_input(g, t[0]), p = sw_input(g, t[1]), i = sw_input(g, t[2]), b = sw_input(g, t[3]);
    release_all(t, 4);
    *state = ctx;
    return x && p && i && b ? 0 : -1;
}

static int close_graph(void **state)
{
    sw_graph_free(g);
    sw_context_free(*state);
    return 0;
}

/* Row-major contents of `v`, which has these dims. */
static void expect(int line, sw_value *v, sw_dims dims, const double *values)
{
    if (!v || !sw_ok(g))
        fail_msg("line %d: %s", line, sw_graph_error(g));
    sw_tensor *t = sw_value_tensor(v);
    char text[64];
    if (!sw_dims_equal(sw_tensor_dims(t), dims))
        fail_msg("line %d: dims are %s", line, sw_dims_text(sw_tensor_dims(t), text, sizeof text));
    for (int64_t k = 0; values && k < sw_tensor_count(t); k++)
        if (!(fabs(sw_tensor_get(t, k) - values[k]) < 1e-5))
            fail_msg("line %d: element %lld is %g, should be %g", line, (long long)k, sw_tensor_get(t, k), values[k]);
}
#define GIVES(v, ...) expect(__LINE__, (v), SW_DIMS(2, 2), (double[]){__VA_ARGS__})
#define GIVES_AS(v, dims, ...) expect(__LINE__, (v), (dims), (double[]){__VA_ARGS__})

static void test_elementwise(void **state)
{
    (void)state;
    GIVES(sw_add(g, x, p), 0, 4, 6, 0);
    GIVES(sw_sub(g, x, p), -2, 0, 0, -8);
    GIVES(sw_mul(g, x, p), -1, 4, 9, -16);
    GIVES(sw_div(g, x, p), -1, 1, 1, -1);
    GIVES(sw_pow(g, x, p), -1, 4, 27, 256);
    GIVES(sw_min(g, x, p), -1, 2, 3, -4);
    GIVES(sw_max(g, x, p), 1, 2, 3, 4);
    GIVES(sw_mod(g, x, sw_scalar(g, SW_F32, 3)), 2, 2, 0, 2);
    GIVES(sw_add_scalar(g, x, 10), 9, 12, 13, 6);
    GIVES(sw_mul_scalar(g, x, 2), -2, 4, 6, -8);
    GIVES(sw_one_minus(g, x), 2, -1, -2, 5);
    GIVES(sw_neg(g, x), 1, -2, -3, 4);
    GIVES(sw_abs(g, x), 1, 2, 3, 4);
    GIVES(sw_sign(g, x), -1, 1, 1, -1);
    GIVES(sw_exp(g, x), exp(-1), exp(2), exp(3), exp(-4));
    GIVES(sw_log(g, p), 0, log(2), log(3), log(4));
    GIVES(sw_sqrt(g, p), 1, sqrt(2), sqrt(3), 2);
    GIVES(sw_reciprocal(g, p), 1, 0.5, 1 / 3.0, 0.25);
    GIVES(sw_sin(g, x), sin(-1), sin(2), sin(3), sin(-4));
    GIVES(sw_cos(g, x), cos(-1), cos(2), cos(3), cos(-4));
    GIVES(sw_erf(g, x), erf(-1), erf(2), erf(3), erf(-4));
    sw_value *halves = sw_mul_scalar(g, x, 0.5);
    GIVES(sw_floor(g, halves), -1, 1, 1, -2);
    GIVES(sw_ceil(g, halves), 0, 1, 2, -2);
    GIVES(sw_round(g, halves), 0, 1, 2, -2);
    GIVES(sw_clip(g, x, sw_scalar(g, SW_F32, -2), sw_scalar(g, SW_F32, 2)), -1, 2, 2, -2);
    GIVES(sw_clip(g, x, SW_NONE, sw_scalar(g, SW_F32, 0)), -1, 0, 0, -4);
    GIVES(sw_cast(g, x, SW_U8), 0, 2, 3, 0);
    assert_ptr_equal(sw_cast(g, x, SW_F32), x);
}

static void test_activations(void **state)
{
    (void)state;
    GIVES(sw_tanh(g, x), tanh(-1), tanh(2), tanh(3), tanh(-4));
    GIVES(sw_sigmoid(g, x), 0.2689414, 0.8807971, 0.9525741, 0.0179862);
    GIVES(sw_relu(g, x), 0, 2, 3, 0);
    GIVES(sw_leaky_relu(g, x, 0.5), -0.5, 2, 3, -2);
    GIVES(sw_elu(g, x, 2), 2 * expm1(-1), 2, 3, 2 * expm1(-4));
    GIVES(sw_gelu(g, x, false), -0.1586553, 1.9544997, 2.9959502, -0.0001267);
    GIVES(sw_gelu(g, x, true), -0.1588080, 1.9545977, 2.9963627, -0.0000703);
    GIVES(sw_silu(g, x), -0.2689414, 1.7615942, 2.8577224, -0.0719448);
    GIVES(sw_softplus(g, x), 0.3132617, 2.1269280, 3.0485873, 0.0181499);
    GIVES(sw_hard_sigmoid(g, x, 0.2, 0.5), 0.3, 0.9, 1, 0);
    GIVES(sw_hard_swish(g, x), -1 / 3.0, 5 / 3.0, 3, 0);
}

static void test_questions(void **state)
{
    (void)state;
    sw_value *two = sw_scalar(g, SW_F32, 2);
    GIVES(sw_equal(g, x, two), 0, 1, 0, 0);
    GIVES(sw_less(g, x, two), 1, 0, 0, 1);
    GIVES(sw_less_equal(g, x, two), 1, 1, 0, 1);
    GIVES(sw_greater(g, x, two), 0, 0, 1, 0);
    GIVES(sw_greater_equal(g, x, two), 0, 1, 1, 0);
    sw_value *positive = sw_greater(g, x, sw_scalar(g, SW_F32, 0)); /* 0 1 1 0 */
    GIVES(sw_and(g, b, sw_not(g, positive)), 1, 0, 0, 1);
    GIVES(sw_or(g, b, positive), 1, 1, 1, 1);
    GIVES(sw_xor(g, b, b), 0, 0, 0, 0);
    GIVES(sw_where(g, b, x, p), -1, 2, 3, -4);
    GIVES(sw_where(g, b, p, two), 1, 2, 2, 4);
}

static void test_products(void **state)
{
    (void)state;
    GIVES(sw_matmul(g, x, p), 5, 6, -9, -10);
    GIVES(sw_matmul_t(g, x, true, p, false), 8, 10, -10, -12);
    GIVES(sw_matmul_t(g, x, false, p, true), 3, 5, -5, -7);
    GIVES(sw_gemm(g, x, false, p, true, sw_scalar(g, SW_F32, 1), 2, 3), 9, 13, -7, -11);
    GIVES(sw_gemm(g, x, true, p, true, SW_NONE, 1, 1), 5, 9, -6, -10);
}

static void test_windows(void **state)
{
    (void)state;
    sw_value *plane = sw_reshape(g, p, SW_DIMS(1, 1, 2, 2)), *kernel = sw_reshape(g, x, SW_DIMS(1, 1, 2, 2));
    sw_value *bias = sw_reshape(g, sw_scalar(g, SW_F32, 100), SW_DIMS(1));
    GIVES_AS(sw_conv(g, plane, kernel, bias, &(sw_window){.axes = 2}), SW_DIMS(1, 1, 1, 1),
             96); /* -1 + 4 + 9 - 16 + 100 */
    sw_window padded = {
        .axes = 2, .kernel = {2, 2}, .pads_begin = {1, 0}, .strides = {2, 1}, .count_include_pad = true};
    GIVES_AS(sw_max_pool(g, plane, &padded), SW_DIMS(1, 1, 1, 1), 2);
    GIVES_AS(sw_average_pool(g, plane, &padded), SW_DIMS(1, 1, 1, 1), 0.75);
    padded.count_include_pad = false;
    GIVES_AS(sw_average_pool(g, plane, &padded), SW_DIMS(1, 1, 1, 1), 1.5);
    GIVES_AS(sw_global_average_pool(g, plane), SW_DIMS(1, 1, 1, 1), 2.5);
    GIVES_AS(sw_global_max_pool(g, plane), SW_DIMS(1, 1, 1, 1), 4);
}

static void test_normalisation(void **state)
{
    (void)state;
    sw_value *ones = sw_reshape(g, sw_ints(g, 2, (int64_t[]){1, 1}), SW_DIMS(2)), *scale = sw_cast(g, ones, SW_F32);
    GIVES(sw_layer_norm(g, x, scale, SW_NONE, -1, 0), -1, 1, 1, -1);
    GIVES(sw_layer_norm(g, x, scale, scale, 1, 0), 0, 2, 2, 0);
    GIVES(sw_softmax(g, x, 1), 0.0474259, 0.9525741, 0.9990889, 0.0009111);
    GIVES(sw_log_softmax(g, x, 0), -4.0181499, -0.0024757, -0.0181499, -6.0024757);
}

static void test_reductions(void **state)
{
    (void)state;
    const int64_t rows[] = {0}, columns[] = {1};
    GIVES_AS(sw_reduce_sum(g, x, 1, rows, false), SW_DIMS(2), 2, -2);
    GIVES_AS(sw_reduce_mean(g, x, 1, columns, true), SW_DIMS(2, 1), 0.5, -0.5);
    GIVES_AS(sw_reduce_max(g, x, 0, NULL, false), SW_SCALAR, 3);
    GIVES_AS(sw_reduce_min(g, x, 0, NULL, true), SW_DIMS(1, 1), -4);
    GIVES_AS(sw_reduce_prod(g, x, 1, rows, false), SW_DIMS(2), -3, -8);
    GIVES_AS(sw_argmax(g, x, 1, false), SW_DIMS(2), 1, 0);
    GIVES_AS(sw_argmin(g, x, 0, true), SW_DIMS(1, 2), 0, 1);
}

static void test_shapes(void **state)
{
    (void)state;
    GIVES_AS(sw_reshape(g, x, SW_DIMS(-1, 4)), SW_DIMS(1, 4), -1, 2, 3, -4);
    GIVES_AS(sw_reshape_to(g, x, sw_ints(g, 1, (int64_t[]){4})), SW_DIMS(4), -1, 2, 3, -4);
    GIVES_AS(sw_flatten(g, x, 0), SW_DIMS(1, 4), -1, 2, 3, -4);
    sw_value *column = sw_unsqueeze(g, x, 1, (int64_t[]){-1});
    GIVES_AS(column, SW_DIMS(2, 2, 1), -1, 2, 3, -4);
    GIVES(sw_squeeze(g, column, 1, (int64_t[]){2}), -1, 2, 3, -4);
    GIVES(sw_transpose(g, x, 0, NULL), -1, 3, 2, -4);
    GIVES_AS(sw_transpose(g, column, 3, (int64_t[]){2, 1, 0}), SW_DIMS(1, 2, 2), -1, 3, 2, -4);
    GIVES_AS(sw_concat(g, (sw_value *[]){x, p}, 2, 1), SW_DIMS(2, 4), -1, 2, 1, 2, 3, -4, 3, 4);
    sw_value *parts[2];
    assert_int_equal(sw_split(g, x, 1, 2, (int64_t[]){1, 1}, parts), SW_OK);
    GIVES_AS(parts[1], SW_DIMS(2, 1), 2, -4);
    assert_int_equal(sw_split(g, x, 0, 2, NULL, parts), SW_OK);
    GIVES_AS(parts[0], SW_DIMS(1, 2), -1, 2);
    GIVES_AS(sw_slice(g, x, 1, 1, 2, 1), SW_DIMS(2, 1), 2, -4);
    GIVES(sw_slice(g, x, 0, -1, INT64_MIN, -1), 3, -4, -1, 2);
    GIVES_AS(sw_gather(g, x, i, 0), SW_DIMS(2, 2, 2), 3, -4, -1, 2, -1, 2, 3, -4);
    GIVES(sw_scatter(g, x, i, p, 1, false), 2, 1, 3, 4);
    GIVES(sw_scatter(g, x, i, p, 1, true), 1, 3, 6, 0);
    GIVES_AS(sw_pad(g, x, (int64_t[]){0, 1}, (int64_t[]){1, 0}, "constant", 9), SW_DIMS(3, 3), 9, -1, 2, 9, 3, -4, 9, 9,
             9);
    GIVES_AS(sw_expand(g, sw_scalar(g, SW_F32, 5), sw_ints(g, 2, (int64_t[]){1, 2})), SW_DIMS(1, 2), 5, 5);
    GIVES_AS(sw_shape_of(g, column), SW_DIMS(3), 2, 2, 1);
}

static void test_randomness(void **state)
{
    (void)state;
    expect(__LINE__, sw_dropout(g, x, 0), SW_DIMS(2, 2), (double[]){-1, 2, 3, -4});
    sw_value *u = sw_random_uniform(g, SW_F64, SW_DIMS(1000), 2, 3),
             *n = sw_random_normal(g, SW_F32, SW_DIMS(1000), 5, 0.1);
    expect(__LINE__, u, SW_DIMS(1000), NULL);
    expect(__LINE__, n, SW_DIMS(1000), NULL);
    double least = 9, most = 0, sum = 0;
    for (int64_t k = 0; k < 1000; k++) {
        double v = sw_tensor_get(sw_value_tensor(u), k);
        least = fmin(least, v), most = fmax(most, v);
        sum += sw_tensor_get(sw_value_tensor(n), k);
    }
    assert_true(least >= 2 && least < 2.02 && most < 3 && most > 2.98);
    assert_true(fabs(sum / 1000 - 5) < 0.02);
}

static void test_losses(void **state)
{
    (void)state;
    sw_value *labels = sw_ints(g, 2, (int64_t[]){1, 1});
    GIVES_AS(sw_softmax_cross_entropy(g, x, labels), SW_SCALAR, (0.0485874 + 7.0009115) / 2);
    /* one-hot in part, evenly in part: 0.8 * 0.0485874 + 0.1 * (3.0485874 + 0.0485874), and so on */
    GIVES_AS(sw_softmax_cross_entropy_smooth(g, x, labels, 0.2), SW_SCALAR,
             (0.9 * 0.0485874 + 0.1 * 3.0485874 + 0.9 * 7.0009115 + 0.1 * 0.0009115) / 2);
    GIVES_AS(sw_mse(g, x, p), SW_SCALAR, (4 + 64) / 4.0);
    GIVES_AS(sw_binary_cross_entropy(g, x, sw_cast(g, b, SW_F32)), SW_SCALAR,
             (1.3132617 + 2.1269280 + 3.0485874 + 4.0181499) / 4);
}

/* Bodies work on rows in pieces; a row of many pieces, with a rest, gives what its elements do. */
static void test_long_rows(void **state)
{
    sw_context *ctx = *state;
    sw_tensor *t = sw_tensor_new(ctx, SW_I32, SW_DIMS(3, 613));
    for (int64_t k = 0; k < 3 * 613; k++)
        sw_tensor_set(t, k, (double)(k - 900));
    sw_value *numbers = sw_input(g, t), *row = sw_slice(g, numbers, 0, 1, 2, 1), *wide = sw_cast(g, numbers, SW_F64);
    sw_value *sum = sw_add(g, numbers, row), *slopes = sw_relu(g, wide),
             *turned = sw_neg(g, sw_transpose(g, wide, 0, NULL));
    sw_value *mean = sw_reduce_mean(g, wide, 0, NULL, false);
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    for (int64_t r = 0; r < 3; r++)
        for (int64_t k = 0; k < 613; k++) {
            int64_t v = r * 613 + k - 900;
            assert_int_equal(sw_tensor_get_int(sw_value_tensor(sum), r * 613 + k), v + 613 + k - 900);
            assert_true(sw_tensor_get(sw_value_tensor(slopes), r * 613 + k) == (v > 0 ? (double)v : 0));
            assert_true(sw_tensor_get(sw_value_tensor(turned), k * 3 + r) == (double)-v);
        }
    assert_true(sw_tensor_get(sw_value_tensor(mean), 0) == 19); /* (0 + 1838) / 2 - 900 */
    sw_tensor_release(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_graph, close_graph)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_elementwise), TEST(test_activations),   TEST(test_questions),  TEST(test_products),
        TEST(test_windows),     TEST(test_normalisation), TEST(test_reductions), TEST(test_shapes),
        TEST(test_randomness),  TEST(test_losses),        TEST(test_long_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
