/* simd_table.h: one instruction set's table. The including file defines SW_SIMD_TABLE and SW_SIMD_NAME. */
#include "backend/cpu/simd.h"
#include "backend/cpu/simd_elementwise.h"
#include "backend/cpu/simd_reduce.h"
#include "backend/cpu/simd_rows.h"
#include "backend/cpu/simd_pool.h"
#include "backend/cpu/simd_update.h"
#include "backend/cpu/simd_gemm.h"

#define THREE(name)                                                                                                    \
    {                                                                                                                  \
        name##_vv, name##_vs, name##_sv                                                                                \
    }

const sw_simd SW_SIMD_TABLE = {
    .name = SW_SIMD_NAME,
    .width = V,
    .unary = {[SW_UNARY_NEG] = unary_neg, [SW_UNARY_ABS] = unary_abs, [SW_UNARY_SIGN] = unary_sign,
              [SW_UNARY_SQRT] = unary_sqrt, [SW_UNARY_RECIPROCAL] = unary_reciprocal, [SW_UNARY_FLOOR] = unary_floor,
              [SW_UNARY_CEIL] = unary_ceil, [SW_UNARY_ROUND] = unary_round, [SW_UNARY_NONE] = unary_none,
              [SW_UNARY_RELU] = unary_relu, [SW_UNARY_LEAKY_RELU] = unary_leaky_relu, [SW_UNARY_CLIP] = unary_clip,
              [SW_UNARY_HARD_SIGMOID] = unary_hard_sigmoid, [SW_UNARY_HARD_SWISH] = unary_hard_swish,
              [SW_UNARY_EXP] = unary_exp, [SW_UNARY_LOG] = unary_log, [SW_UNARY_TANH] = unary_tanh,
              [SW_UNARY_SIGMOID] = unary_sigmoid, [SW_UNARY_ERF] = unary_erf, [SW_UNARY_ELU] = unary_elu,
              [SW_UNARY_GELU] = unary_gelu, [SW_UNARY_GELU_TANH] = unary_gelu_tanh, [SW_UNARY_SILU] = unary_silu,
              [SW_UNARY_SOFTPLUS] = unary_softplus},
    .binary = {[SW_BINARY_ADD] = THREE(binary_add), [SW_BINARY_SUB] = THREE(binary_sub), [SW_BINARY_MUL] = THREE(binary_mul),
               [SW_BINARY_DIV] = THREE(binary_div), [SW_BINARY_MIN] = THREE(binary_min), [SW_BINARY_MAX] = THREE(binary_max)},
    .relation = {[SW_RELATION_EQUAL] = THREE(relation_equal), [SW_RELATION_LESS] = THREE(relation_less),
                 [SW_RELATION_LESS_EQUAL] = THREE(relation_less_equal), [SW_RELATION_GREATER] = THREE(relation_greater),
                 [SW_RELATION_GREATER_EQUAL] = THREE(relation_greater_equal)},
    .where = select_where,
    .axpy = axpy,
    .madd = madd,
    .relu_grad = relu_grad,
    .sum = sum,
    .max = max_of,
    .min = min_of,
    .prod = prod,
    .dot = dot,
    .moments = moments,
    .square_deviation = square_deviation,
    .dot_centered = dot_centered,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .log_sum_exp = log_sum_exp,
    .exp_scaled = exp_scaled,
    .normalize = normalize,
    .affine = affine,
    .affine2 = affine2,
    .column_sums = column_sums,
    .column_squares = column_squares,
    .column_dots = column_dots,
    .pool_max = pool_max,
    .pool_sum = pool_sum,
    .pool_max_grad = pool_max_grad,
    .pool_sum_grad = pool_sum_grad,
    .transpose4 = transpose4,
    .sgd = sgd,
    .adam = adam,
    .dropout = dropout,
    .gemm_rows = TILE_ROWS,
    .gemm_columns = TILE_COLUMNS,
    .gemm_tile = gemm_tile,
    .gemm_tile_narrow = gemm_tile_narrow,
    .axpy4 = axpy4,
};
