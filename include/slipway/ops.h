/* slipway/ops.h: builders, one or more per row of the op table.
 *
 * Every builder adds nodes to `g` and returns the new value, or NULL once the graph has failed. Elementwise builders
 * broadcast as NumPy does and need equal element types (sw_cast converts). Rows that have no builder of their own
 * are reached with sw_op_apply. Row names follow ONNX where the meaning is the same; `slipway ops` prints them all. */
#ifndef SLIPWAY_OPS_H
#define SLIPWAY_OPS_H

#include "slipway/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise ---- */
SW_API sw_value *sw_add(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_sub(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_mul(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_div(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_pow(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_min(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_max(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_mod(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_add_scalar(sw_graph *g, sw_value *x, double c);
SW_API sw_value *sw_mul_scalar(sw_graph *g, sw_value *x, double c);
SW_API sw_value *sw_one_minus(sw_graph *g, sw_value *x);
SW_API sw_value *sw_neg(sw_graph *g, sw_value *x);
SW_API sw_value *sw_abs(sw_graph *g, sw_value *x);
SW_API sw_value *sw_sign(sw_graph *g, sw_value *x);
SW_API sw_value *sw_exp(sw_graph *g, sw_value *x);
SW_API sw_value *sw_log(sw_graph *g, sw_value *x);
SW_API sw_value *sw_sqrt(sw_graph *g, sw_value *x);
SW_API sw_value *sw_reciprocal(sw_graph *g, sw_value *x);
SW_API sw_value *sw_sin(sw_graph *g, sw_value *x);
SW_API sw_value *sw_cos(sw_graph *g, sw_value *x);
SW_API sw_value *sw_erf(sw_graph *g, sw_value *x);
SW_API sw_value *sw_floor(sw_graph *g, sw_value *x);
SW_API sw_value *sw_ceil(sw_graph *g, sw_value *x);
SW_API sw_value *sw_round(sw_graph *g, sw_value *x); /* half to even */
SW_API sw_value *sw_tanh(sw_graph *g, sw_value *x);
SW_API sw_value *sw_sigmoid(sw_graph *g, sw_value *x);
SW_API sw_value *sw_relu(sw_graph *g, sw_value *x);
SW_API sw_value *sw_leaky_relu(sw_graph *g, sw_value *x, double alpha);
SW_API sw_value *sw_elu(sw_graph *g, sw_value *x, double alpha);
SW_API sw_value *sw_gelu(sw_graph *g, sw_value *x, bool tanh_approximation);
SW_API sw_value *sw_silu(sw_graph *g, sw_value *x);
SW_API sw_value *sw_softplus(sw_graph *g, sw_value *x);
SW_API sw_value *sw_hard_sigmoid(sw_graph *g, sw_value *x, double alpha, double beta);
SW_API sw_value *sw_hard_swish(sw_graph *g, sw_value *x);
/* low and high are scalars of x's type, or SW_NONE. */
SW_API sw_value *sw_clip(sw_graph *g, sw_value *x, sw_value *low, sw_value *high);
SW_API sw_value *sw_cast(sw_graph *g, sw_value *x, sw_dtype to);
SW_API sw_value *sw_equal(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_less(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_less_equal(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_greater(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_greater_equal(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_and(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_or(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_xor(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_not(sw_graph *g, sw_value *x);
SW_API sw_value *sw_where(sw_graph *g, sw_value *condition, sw_value *yes, sw_value *no);

/* ---- products ---- */
/* NumPy's matmul, batch dims broadcast; transpose_* swaps that operand's last two dims first. Row "MatMul". */
SW_API sw_value *sw_matmul(sw_graph *g, sw_value *a, sw_value *b);
SW_API sw_value *sw_matmul_t(sw_graph *g, sw_value *a, bool transpose_a, sw_value *b, bool transpose_b);
/* alpha * op(a) op(b) + beta * c for matrices; c broadcasts or is SW_NONE. Row "Gemm". */
SW_API sw_value *sw_gemm(sw_graph *g, sw_value *a, bool transpose_a, sw_value *b, bool transpose_b, sw_value *c,
                         double alpha, double beta);

/* ---- convolution and pooling: [N, C, spatial…], 1 to 3 spatial axes ---- */
typedef struct sw_window {
    int axes;             /* spatial axes: 1..3 */
    int64_t kernel[3];    /* pooling only */
    int64_t strides[3];   /* 0 means 1 */
    int64_t dilations[3]; /* 0 means 1 */
    int64_t pads_begin[3], pads_end[3];
    int64_t groups;         /* convolution; 0 means 1 */
    bool ceil_mode;         /* pooling: round the output size up */
    bool count_include_pad; /* average pooling */
} sw_window;
/* x [N, C, …], w [M, C / groups, kernel…], b [M] or SW_NONE -> [N, M, …]. Row "Conv". */
SW_API sw_value *sw_conv(sw_graph *g, sw_value *x, sw_value *w, sw_value *b, const sw_window *window);
SW_API sw_value *sw_max_pool(sw_graph *g, sw_value *x, const sw_window *window);     /* Row "MaxPool" */
SW_API sw_value *sw_average_pool(sw_graph *g, sw_value *x, const sw_window *window); /* Row "AveragePool" */
SW_API sw_value *sw_global_average_pool(sw_graph *g, sw_value *x);                   /* keeps the axes as 1 */
SW_API sw_value *sw_global_max_pool(sw_graph *g, sw_value *x);

/* ---- normalisation ---- */
/* y = scale * (x - mean) / sqrt(var + epsilon) + bias over axis 1. While training, mean and (biased) variance are the
 * batch's, and running' = momentum * running + (1 - momentum) * batch goes to the two states; otherwise the states are
 * used. Row "BatchNorm". */
SW_API sw_value *sw_batch_norm(sw_graph *g, sw_value *x, sw_value *scale, sw_value *bias, sw_state *mean,
                               sw_state *variance, double epsilon, double momentum);
/* Over the axes from `axis` to the last; scale and bias have those dims, bias may be SW_NONE. Row "LayerNorm". */
SW_API sw_value *sw_layer_norm(sw_graph *g, sw_value *x, sw_value *scale, sw_value *bias, int axis, double epsilon);
SW_API sw_value *sw_softmax(sw_graph *g, sw_value *x, int axis);
SW_API sw_value *sw_log_softmax(sw_graph *g, sw_value *x, int axis);

/* ---- reductions: count == 0 reduces all axes ---- */
SW_API sw_value *sw_reduce_sum(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims);
SW_API sw_value *sw_reduce_mean(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims);
SW_API sw_value *sw_reduce_max(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims);
SW_API sw_value *sw_reduce_min(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims);
SW_API sw_value *sw_reduce_prod(sw_graph *g, sw_value *x, int count, const int64_t *axes, bool keep_dims);
SW_API sw_value *sw_argmax(sw_graph *g, sw_value *x, int axis, bool keep_dims); /* i64; the first of equals */
SW_API sw_value *sw_argmin(sw_graph *g, sw_value *x, int axis, bool keep_dims);

/* ---- shapes ---- */
SW_API sw_value *sw_reshape(sw_graph *g, sw_value *x, sw_dims dims);       /* one dim may be -1 */
SW_API sw_value *sw_reshape_to(sw_graph *g, sw_value *x, sw_value *shape); /* i64[rank] */
SW_API sw_value *sw_flatten(sw_graph *g, sw_value *x, int axis);           /* to a matrix, split at axis */
SW_API sw_value *sw_squeeze(sw_graph *g, sw_value *x, int count, const int64_t *axes);
SW_API sw_value *sw_unsqueeze(sw_graph *g, sw_value *x, int count, const int64_t *axes);
SW_API sw_value *sw_transpose(sw_graph *g, sw_value *x, int count, const int64_t *permutation); /* 0: reversed */
SW_API sw_value *sw_concat(sw_graph *g, sw_value *const *x, int count, int axis);
SW_API sw_status sw_split(sw_graph *g, sw_value *x, int axis, int count, const int64_t *sizes, sw_value **parts);
SW_API sw_value *sw_slice(sw_graph *g, sw_value *x, int axis, int64_t start, int64_t stop, int64_t step);
SW_API sw_value *sw_gather(sw_graph *g, sw_value *x, sw_value *indices, int axis);
/* x with x[indices along axis] replaced by, or added to (`add`), updates; indices and updates have equal dims. */
SW_API sw_value *sw_scatter(sw_graph *g, sw_value *x, sw_value *indices, sw_value *updates, int axis, bool add);
/* mode "constant", "reflect" or "edge"; before/after: one entry per axis. */
SW_API sw_value *sw_pad(sw_graph *g, sw_value *x, const int64_t *before, const int64_t *after, const char *mode,
                        double value);
SW_API sw_value *sw_expand(sw_graph *g, sw_value *x, sw_value *shape);
SW_API sw_value *sw_shape_of(sw_graph *g, sw_value *x); /* i64[rank] */

/* ---- randomness: at the graph's random key, on a stream fixed now (from the node's position or `stream`) ---- */
SW_API sw_value *sw_dropout(sw_graph *g, sw_value *x, double ratio); /* identity unless training */
SW_API sw_value *sw_random_uniform(sw_graph *g, sw_dtype dtype, sw_dims dims, double low, double high);
SW_API sw_value *sw_random_normal(sw_graph *g, sw_dtype dtype, sw_dims dims, double mean, double deviation);

/* ---- losses: means over the batch, rank 0 ---- */
/* logits [N, C, …], labels i32/i64 [N, …]: -log softmax(logits)[label], with smoothing s the target is
 * (1 - s) one-hot + s / C. Row "SoftmaxCrossEntropy" gives the losses one by one, [N, …]. */
SW_API sw_value *sw_softmax_cross_entropy(sw_graph *g, sw_value *logits, sw_value *labels);
SW_API sw_value *sw_softmax_cross_entropy_smooth(sw_graph *g, sw_value *logits, sw_value *labels, double smoothing);
SW_API sw_value *sw_mse(sw_graph *g, sw_value *prediction, sw_value *target);
SW_API sw_value *sw_binary_cross_entropy(sw_graph *g, sw_value *logits, sw_value *targets); /* from logits */

/* ---- pictures ---- */
/* PNG, JPEG or WebP bytes u8[L] -> u8[H, W, channels]; channels 1 (luma), 3 (RGB) or 4. Dims depend on data. */
SW_API sw_value *sw_decode_image(sw_graph *g, sw_value *bytes, int channels);
/* x [N, C, H, W] -> [N, C, height, width]; mode "nearest", "linear" (half-pixel, no antialias) or "linear_antialias".
 */
SW_API sw_value *sw_resize(sw_graph *g, sw_value *x, int64_t height, int64_t width, const char *mode);
/* (x - mean[c]) / deviation[c] along `axis`, in f32. */
SW_API sw_value *sw_normalize(sw_graph *g, sw_value *x, int axis, int channels, const double *mean,
                              const double *deviation);

/* ---- optimisers: one node per state, and the assignments; after sw_backward ---- */
typedef struct sw_sgd_options {
    size_t size;
    double lr;           /* used when lr_value is NULL */
    sw_value *lr_value;  /* a scalar, so that a schedule feeds a compiled step */
    double momentum;     /* buf' = momentum * buf + g; p' = p - lr * buf' (nesterov: lr * (g + momentum * buf')) */
    double weight_decay; /* added to the gradient: g + weight_decay * p */
    bool nesterov;
} sw_sgd_options;
SW_API sw_status sw_sgd_step(sw_graph *g, sw_sgd_options options);
/* Kingma & Ba 2015, with bias correction; AdamW (Loshchilov & Hutter 2019) when decoupled: p' = p - lr * weight_decay *
 * p
 * - lr * m^ / (sqrt(v^) + epsilon). Slots and the step count are states "<param>.m", "<param>.v", "adam.step". */
typedef struct sw_adam_options {
    size_t size;
    double lr;
    sw_value *lr_value;
    double beta1, beta2, epsilon; /* 0: 0.9, 0.999, 1e-8 */
    double weight_decay;
    bool decoupled;
} sw_adam_options;
SW_API sw_status sw_adam_step(sw_graph *g, sw_adam_options options);

/* ---- initialisers ---- */
SW_API sw_init sw_init_zero(void);
SW_API sw_init sw_init_constant(double value);
/* Dims are [out, in, …] for convolutions and [in, out] for matrices; fan-in and fan-out follow from them. */
SW_API sw_init sw_init_glorot(uint64_t seed); /* uniform, Glorot & Bengio 2010 */
SW_API sw_init sw_init_he(uint64_t seed);     /* normal, He et al. 2015, gain sqrt(2), fan-in */
SW_API sw_init sw_init_normal(uint64_t seed, double deviation);
SW_API sw_init sw_init_uniform(uint64_t seed, double bound);

/* Prints a value as one line to stderr: for programs of users; the library itself never calls it. */
SW_API void sw_print(sw_value *value);

#ifdef __cplusplus
}
#endif
#endif
