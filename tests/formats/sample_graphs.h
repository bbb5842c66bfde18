/* formats/sample_graphs.h: graphs that together use most rows with an ONNX form, for round trips and for other
 * programs. */
#ifndef TESTS_FORMATS_SAMPLE_GRAPHS_H
#define TESTS_FORMATS_SAMPLE_GRAPHS_H

#include "base/random.h"
#include "slipway/ops.h"

static inline sw_tensor *random_tensor(sw_context *ctx, sw_dtype dtype, sw_dims dims, uint32_t stream)
{
    sw_tensor *t = sw_tensor_new(ctx, dtype, dims);
    sw_random_address at = {5, stream, 0};
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        sw_tensor_set(t, i,
                      sw_dtype_is_float(dtype) ? sw_random_double(at, (uint64_t)i) * 4 - 2
                                               : (double)sw_random_below(at, (uint64_t)i, 200));
    return t;
}

static inline sw_state *param(sw_context *ctx, const char *name, sw_dims dims)
{
    return sw_param(ctx, name, SW_F32, dims, sw_init_uniform(7, 0.5));
}

/* u8 pictures to probabilities: what a recipe trains. */
static inline sw_graph *picture_net(sw_context *ctx)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_graph_set_name(g, "tiny");
    sw_value *x = sw_input_declare(g, "image", SW_TYPE(SW_U8, sw_symbol(g, "N"), 12, 12, 1));
    x = sw_reshape(g, sw_cast(g, x, SW_F32), SW_DIMS(-1, 1, 12, 12));
    x = sw_mul_scalar(g, x, 1 / 255.0);
    sw_window conv = {.axes = 2, .pads_begin = {1, 1}, .pads_end = {1, 1}};
    x = sw_relu(g, sw_conv(g, x, sw_read(g, param(ctx, "conv1.weight", SW_DIMS(4, 1, 3, 3))),
                           sw_read(g, param(ctx, "conv1.bias", SW_DIMS(4))), &conv));
    sw_window pool = {.axes = 2, .kernel = {2, 2}, .strides = {2, 2}};
    x = sw_max_pool(g, x, &pool);
    sw_window grouped = {
        .axes = 2, .strides = {2, 1}, .dilations = {1, 2}, .pads_begin = {1, 2}, .pads_end = {0, 1}, .groups = 2};
    x = sw_gelu(g, sw_conv(g, x, sw_read(g, param(ctx, "conv2.weight", SW_DIMS(6, 2, 3, 2))), SW_NONE, &grouped),
                false);
    sw_window average = {.axes = 2, .kernel = {2, 2}, .pads_begin = {1, 0}, .count_include_pad = true};
    x = sw_dropout(g, sw_average_pool(g, x, &average), 0.3);
    x = sw_flatten(g, x, 1);
    int64_t features = sw_ok(g) ? sw_value_type(x)->dims[1] : 1;
    x = sw_gemm(g, x, false, sw_read(g, param(ctx, "dense.weight", SW_DIMS(features, 10))), false,
                sw_read(g, param(ctx, "dense.bias", SW_DIMS(10))), 1, 1);
    sw_output(g, "probabilities", sw_softmax(g, x, 1));
    return g;
}

/* One of most rows that have an ONNX form. */
static inline sw_graph *many_rows(sw_context *ctx)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "batch"), 3, 4));
    sw_tensor *numbers = random_tensor(ctx, SW_F32, SW_DIMS(3, 4), 9);
    sw_value *c = sw_constant(g, numbers);
    sw_tensor_release(numbers);
    sw_value *y = sw_add(g, x, c);
    sw_value *parts[2], *joined[3];
    y = sw_sub(g, sw_mul(g, y, y), sw_div(g, c, sw_scalar(g, SW_F32, 3)));
    y = sw_max(g, sw_min(g, y, sw_scalar(g, SW_F32, 2)), sw_scalar(g, SW_F32, -1.5));
    y = sw_silu(g, sw_leaky_relu(g, sw_elu(g, y, 0.5), 0.2));
    y = sw_tanh(g, sw_sigmoid(g, sw_softplus(g, sw_hard_swish(g, sw_gelu(g, y, true)))));
    y = sw_hard_sigmoid(g, sw_neg(g, sw_abs(g, y)), 0.25, 0.4);
    y = sw_clip(g, sw_exp(g, sw_sin(g, sw_cos(g, y))), sw_scalar(g, SW_F32, 0.1), SW_NONE);
    y = sw_sqrt(g, sw_log(g, sw_add_scalar(g, y, 2)));
    y = sw_where(g, sw_greater(g, y, c), y, sw_reciprocal(g, sw_add_scalar(g, y, 1)));
    sw_split(g, y, 1, 2, (int64_t[]){1, 2}, parts);
    joined[0] = parts[1];
    joined[1] = sw_slice(g, y, 1, 2, INT64_MIN, -2);
    joined[2] = parts[0];
    y = sw_concat(g, joined, 3, 1);
    y = sw_transpose(g, y, 3, (int64_t[]){0, 2, 1});
    y = sw_matmul_t(g, y, false, y, true);
    y = sw_unsqueeze(g, y, 1, (int64_t[]){1});
    y = sw_pad(g, y, (int64_t[]){0, 0, 1, 0}, (int64_t[]){0, 1, 0, 2}, "constant", 0.5);
    y = sw_reduce_mean(g, y, 2, (int64_t[]){1, -1}, false);
    sw_output(g, "sum", sw_reduce_sum(g, y, 1, (int64_t[]){1}, true));
    sw_output(g, "best", sw_argmax(g, y, 1, false));
    sw_output(g, "log", sw_log_softmax(g, y, -1));
    sw_output(g, "again", y);
    sw_output(g, "as_it_came", x);
    sw_output(g, "constant", c);
    sw_output(g, "shape", sw_shape_of(g, y));
    sw_output(g, "taken", sw_gather(g, y, sw_ints(g, 2, (int64_t[]){3, 0}), 1));
    return g;
}

/* Pictures resized and normalised, batch and layer norms. `antialias` needs a newer opset. */
static inline sw_graph *normed_net(sw_context *ctx, bool antialias)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_U8, sw_symbol(g, "N"), 9, 7, 3));
    x = sw_transpose(g, sw_cast(g, x, SW_F32), 4, (int64_t[]){0, 3, 1, 2});
    x = sw_resize(g, x, 6, 5, antialias ? "linear_antialias" : "linear");
    x = sw_normalize(g, x, 1, 3, (double[]){120, 110, 100}, (double[]){60, 50, 40});
    sw_state *mean = sw_state_new(ctx, "bn.mean", SW_F32, SW_DIMS(3), sw_init_uniform(1, 0.5), false);
    sw_state *variance = sw_state_new(ctx, "bn.variance", SW_F32, SW_DIMS(3), sw_init_constant(0.7), false);
    x = sw_batch_norm(g, x, sw_read(g, param(ctx, "bn.scale", SW_DIMS(3))),
                      sw_read(g, param(ctx, "bn.bias", SW_DIMS(3))), mean, variance, 1e-3, 0.9);
    x = sw_layer_norm(g, x, sw_read(g, param(ctx, "ln.scale", SW_DIMS(6, 5))),
                      sw_read(g, param(ctx, "ln.bias", SW_DIMS(6, 5))), 2, 1e-5);
    sw_output(g, "large", sw_resize(g, x, 11, 13, "nearest"));
    sw_output(g, "y", sw_flatten(g, sw_global_average_pool(g, x), 1));
    sw_output(g, "top", sw_global_max_pool(g, x));
    return g;
}

/* A file's bytes to numbers. */
static inline sw_graph *decoder_graph(sw_context *ctx)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *pixels = sw_decode_image(g, sw_input_declare(g, "bytes", SW_TYPE(SW_U8, sw_symbol(g, "L"))), 3);
    pixels = sw_unsqueeze(g, sw_transpose(g, sw_cast(g, pixels, SW_F32), 3, (int64_t[]){2, 0, 1}), 1, (int64_t[]){0});
    sw_output(g, "x", sw_resize(g, pixels, 8, 8, "linear_antialias"));
    return g;
}

#endif
