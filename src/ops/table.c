/* table.c: every row of the op table, family by family.
 *
 * A row stands in its family's file and is named here once; whatever reads the table (inference, gradients,
 * documentation, the walk of the tests) goes through the context's registry. */
#include "ops/table.h"

extern const sw_op sw_op_relu, sw_op_relu_grad, sw_op_tanh, sw_op_sigmoid, sw_op_leaky_relu, sw_op_elu, sw_op_gelu,
    sw_op_silu, sw_op_softplus, sw_op_hard_sigmoid, sw_op_hard_swish;
extern const sw_op sw_op_arg_max, sw_op_arg_min;
extern const sw_op sw_op_add, sw_op_sub, sw_op_mul, sw_op_div, sw_op_pow, sw_op_min, sw_op_max, sw_op_mod, sw_op_sum_to;
extern const sw_op sw_op_transpose, sw_op_expand, sw_op_tile;
extern const sw_op sw_op_batch_norm, sw_op_batch_norm_grad;
extern const sw_op sw_op_equal, sw_op_less, sw_op_less_equal, sw_op_greater, sw_op_greater_equal, sw_op_and, sw_op_or,
    sw_op_xor, sw_op_not, sw_op_is_nan, sw_op_where;
extern const sw_op sw_op_conv, sw_op_conv_grad_data, sw_op_conv_grad_weight;
extern const sw_op sw_op_identity, sw_op_clip, sw_op_cast;
extern const sw_op sw_op_fused_conv, sw_op_fused_matmul, sw_op_reorder;
extern const sw_op sw_op_gather, sw_op_gather_grad, sw_op_gather_elements, sw_op_scatter_elements;
extern const sw_op sw_op_decode_image;
extern const sw_op sw_op_concat, sw_op_split, sw_op_pad, sw_op_pad_grad;
extern const sw_op sw_op_layer_norm, sw_op_layer_norm_grad;
extern const sw_op sw_op_softmax_cross_entropy, sw_op_softmax_cross_entropy_grad, sw_op_binary_cross_entropy;
extern const sw_op sw_op_matmul, sw_op_gemm;
extern const sw_op sw_op_sgd_update, sw_op_adam_update;
extern const sw_op sw_op_max_pool, sw_op_max_pool_grad, sw_op_average_pool, sw_op_average_pool_grad;
extern const sw_op sw_op_dropout, sw_op_random_uniform, sw_op_random_normal;
extern const sw_op sw_op_reduce_sum, sw_op_reduce_mean, sw_op_reduce_max, sw_op_reduce_min, sw_op_reduce_prod,
    sw_op_reduce_prod_grad;
extern const sw_op sw_op_resize, sw_op_resize_grad;
extern const sw_op sw_op_reshape, sw_op_squeeze, sw_op_unsqueeze, sw_op_flatten, sw_op_shape, sw_op_constant_of_shape;
extern const sw_op sw_op_slice, sw_op_slice_grad;
extern const sw_op sw_op_softmax, sw_op_log_softmax;
extern const sw_op sw_op_neg, sw_op_abs, sw_op_sign, sw_op_exp, sw_op_log, sw_op_sqrt, sw_op_reciprocal, sw_op_sin,
    sw_op_cos, sw_op_erf, sw_op_floor, sw_op_ceil, sw_op_round;

static const sw_op *const rows[] = {
    /* activation.c */
    &sw_op_relu,
    &sw_op_relu_grad,
    &sw_op_tanh,
    &sw_op_sigmoid,
    &sw_op_leaky_relu,
    &sw_op_elu,
    &sw_op_gelu,
    &sw_op_silu,
    &sw_op_softplus,
    &sw_op_hard_sigmoid,
    &sw_op_hard_swish,
    /* arg.c */
    &sw_op_arg_max,
    &sw_op_arg_min,
    /* arithmetic.c */
    &sw_op_add,
    &sw_op_sub,
    &sw_op_mul,
    &sw_op_div,
    &sw_op_pow,
    &sw_op_min,
    &sw_op_max,
    &sw_op_mod,
    &sw_op_sum_to,
    /* arrange.c */
    &sw_op_transpose,
    &sw_op_expand,
    &sw_op_tile,
    /* batch_norm.c */
    &sw_op_batch_norm,
    &sw_op_batch_norm_grad,
    /* compare.c */
    &sw_op_equal,
    &sw_op_less,
    &sw_op_less_equal,
    &sw_op_greater,
    &sw_op_greater_equal,
    &sw_op_and,
    &sw_op_or,
    &sw_op_xor,
    &sw_op_not,
    &sw_op_is_nan,
    &sw_op_where,
    /* conv.c */
    &sw_op_conv,
    &sw_op_conv_grad_data,
    &sw_op_conv_grad_weight,
    /* convert.c */
    &sw_op_identity,
    &sw_op_clip,
    &sw_op_cast,
    /* fused.c */
    &sw_op_fused_conv,
    &sw_op_fused_matmul,
    &sw_op_reorder,
    /* gather.c */
    &sw_op_gather,
    &sw_op_gather_grad,
    &sw_op_gather_elements,
    &sw_op_scatter_elements,
    /* image.c */
    &sw_op_decode_image,
    /* join.c */
    &sw_op_concat,
    &sw_op_split,
    &sw_op_pad,
    &sw_op_pad_grad,
    /* layer_norm.c */
    &sw_op_layer_norm,
    &sw_op_layer_norm_grad,
    /* loss.c */
    &sw_op_softmax_cross_entropy,
    &sw_op_softmax_cross_entropy_grad,
    &sw_op_binary_cross_entropy,
    /* matmul.c */
    &sw_op_matmul,
    &sw_op_gemm,
    /* optimizer.c */
    &sw_op_sgd_update,
    &sw_op_adam_update,
    /* pool.c */
    &sw_op_max_pool,
    &sw_op_max_pool_grad,
    &sw_op_average_pool,
    &sw_op_average_pool_grad,
    /* random.c */
    &sw_op_dropout,
    &sw_op_random_uniform,
    &sw_op_random_normal,
    /* reduce.c */
    &sw_op_reduce_sum,
    &sw_op_reduce_mean,
    &sw_op_reduce_max,
    &sw_op_reduce_min,
    &sw_op_reduce_prod,
    &sw_op_reduce_prod_grad,
    /* resize.c */
    &sw_op_resize,
    &sw_op_resize_grad,
    /* shape.c */
    &sw_op_reshape,
    &sw_op_squeeze,
    &sw_op_unsqueeze,
    &sw_op_flatten,
    &sw_op_shape,
    &sw_op_constant_of_shape,
    /* slice.c */
    &sw_op_slice,
    &sw_op_slice_grad,
    /* softmax.c */
    &sw_op_softmax,
    &sw_op_log_softmax,
    /* unary.c */
    &sw_op_neg,
    &sw_op_abs,
    &sw_op_sign,
    &sw_op_exp,
    &sw_op_log,
    &sw_op_sqrt,
    &sw_op_reciprocal,
    &sw_op_sin,
    &sw_op_cos,
    &sw_op_erf,
    &sw_op_floor,
    &sw_op_ceil,
    &sw_op_round,
};

sw_status sw_ops_register(sw_context *ctx)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        SW_TRY(sw_op_register(ctx, rows[i]));
    return SW_OK;
}
