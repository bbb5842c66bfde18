/* fused.c: rows that the compiler makes after differentiation: FusedConv, FusedMatMul, Reorder.
 *
 * A fused row is a product, a bias, a residual and an activation in one, rounded once: that saves passing the result
 * through memory. What it means is the composition of the rows it came from, and that is its reference body. Reorder
 * copies between the memory forms of activations and changes nothing else. Nobody differentiates these. */
#include "ops/activation.h"
#include "ops/product.h"
#include "ops/sample.h"

/* clang-format off */
#define ACTIVATION_ATTRS                                                                                               \
    {"activation", SW_ATTR_STRING, .s = "none", .choices = SW_ACTIVATIONS, .doc = "applied to the sum"},               \
        {"alpha", SW_ATTR_FLOAT, .doc = "the activation's alpha; clip: the lower bound"},                              \
        {"beta", SW_ATTR_FLOAT, .doc = "the activation's beta; clip: the upper bound"}
/* clang-format on */

/* ---- what both share ---- */
static sw_status check_residual(sw_infer *infer, int index)
{
    const sw_type *residual = sw_infer_type(infer, index), *y = &infer->outputs[0];
    if (residual == NULL || residual->rank < 0 || y->rank < 0)
        return SW_OK;
    SW_TRY(sw_infer_rank(infer, index, y->rank, y->rank));
    for (int i = 0; i < y->rank; i++)
        SW_TRY(sw_infer_agree(infer, residual->dims[i], y->dims[i], "dims of the residual and of the result"));
    return SW_OK;
}

/* Adds the residual, applies the activation and rounds. */
static sw_status finish(const sw_call *call, sw_arena *desk, double *values, int residual)
{
    const sw_view *y = &call->outputs[0];
    sw_activation f = sw_activation_find(sw_attr_string(call->node, "activation"));
    double alpha = sw_attr_float(call->node, "alpha"), beta = sw_attr_float(call->node, "beta");
    double *more = sw_call_given(call, residual) ? sw_desk_load(desk, &call->inputs[residual]) : NULL;
    if (sw_call_given(call, residual) && more == NULL)
        return sw_alloc_status();
    if (f == NULL)
        return sw_fail(SW_INTERNAL, "%s '%s': no such activation", sw_node_op(call->node)->name,
                       sw_node_name(call->node));
    for (int64_t i = 0, count = sw_view_count(y); i < count; i++)
        values[i] = f(values[i] + (more ? more[i] : 0), alpha, beta);
    sw_view_store(y, values);
    return SW_OK;
}

/* ---- FusedConv ---- */
static sw_status fused_conv_infer(sw_infer *infer)
{
    SW_TRY(sw_conv_infer(infer));
    return check_residual(infer, 3);
}

static sw_status fused_conv_body(const sw_call *call, sw_arena *desk)
{
    double *values;
    SW_TRY(sw_conv_compute(call, desk, &values));
    return finish(call, desk, values, 3);
}
static sw_status fused_conv_reference(const sw_call *call) { return sw_on_desk(call, fused_conv_body); }

/* clang-format off */
#define CONV_X {4, {2, 3, 5, 6}}
#define CONV_W {4, {4, 3, 3, 3}}
/* clang-format on */
static const sw_sample fused_conv_items[] = {
    {.note = "bias and relu",
     .inputs_count = 3,
     .dims = {CONV_X, CONV_W, {1, {4}}},
     SW_WITH(SW_SET_TEXT("activation", "relu"), SW_SET_INTS("pads", 1, 1, 1, 1))},
    {.note = "residual, no bias",
     .inputs_count = 4,
     .dims = {CONV_X, CONV_W, {0}, {4, {2, 4, 3, 4}}},
     .absent = 4,
     SW_WITH(SW_SET_TEXT("activation", "relu"))},
    {.note = "all, silu",
     .inputs_count = 4,
     .dims = {CONV_X, CONV_W, {1, {4}}, {4, {2, 4, 3, 4}}},
     SW_WITH(SW_SET_TEXT("activation", "silu"))},
    {.note = "clip to 0..6, groups",
     .inputs_count = 3,
     .dims = {{4, {2, 4, 7, 8}}, {4, {6, 2, 3, 2}}, {1, {6}}},
     SW_WITH(SW_SET_TEXT("activation", "clip"), SW_SET_FLOAT("alpha", 0), SW_SET_FLOAT("beta", 6),
             SW_SET_INT("groups", 2), SW_SET_INTS("strides", 2, 3))},
    {.note = "gelu", .inputs_count = 2, .dims = {CONV_X, CONV_W}, SW_WITH(SW_SET_TEXT("activation", "gelu"))},
    {.note = "leaky relu",
     .inputs_count = 2,
     .dims = {CONV_X, CONV_W},
     SW_WITH(SW_SET_TEXT("activation", "leaky_relu"), SW_SET_FLOAT("alpha", 0.1))},
};
static const sw_op_samples fused_conv_samples = SW_SAMPLES(fused_conv_items);

const sw_op sw_op_fused_conv = {
    SW_ROW,
    .name = "FusedConv",
    .doc = "activation(Conv(x, w, b) + residual), rounded once. Made by the compiler.",
    .inputs = {{"x", SW_FLOATING},
               {"w", SW_SAME_AS("x")},
               {"b", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL},
               {"residual", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {SW_CONV_ATTRS, ACTIVATION_ATTRS},
    .infer = fused_conv_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sw_conv_cost,
    .flags = SW_DETERMINISTIC | SW_FUSED_ROW,
    .reference = fused_conv_reference,
    .samples = &fused_conv_samples,
};

/* ---- FusedMatMul ---- */
static sw_status fused_matmul_infer(sw_infer *infer)
{
    SW_TRY(sw_matmul_infer(infer));
    const sw_type *bias = sw_infer_type(infer, 2), *y = &infer->outputs[0];
    SW_TRY(sw_infer_rank(infer, 2, 1, 1));
    if (bias != NULL && bias->rank == 1 && y->rank > 0)
        SW_TRY(sw_infer_agree(infer, bias->dims[0], y->dims[y->rank - 1], "bias and columns of the product"));
    return check_residual(infer, 3);
}

static sw_status fused_matmul_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *y = &call->outputs[0], *bias = &call->inputs[2];
    double *values;
    SW_TRY(sw_matmul_compute(call, desk, &values));
    int64_t count = sw_view_count(y), columns = y->rank ? y->dims[y->rank - 1] : 1;
    for (int64_t i = 0; sw_call_given(call, 2) && i < count; i++)
        values[i] += sw_load_f64(bias->dtype, bias->data, i % columns * bias->strides[0]);
    return finish(call, desk, values, 3);
}
static sw_status fused_matmul_reference(const sw_call *call) { return sw_on_desk(call, fused_matmul_body); }

static const sw_sample fused_matmul_items[] = {
    {.note = "bias and relu",
     .inputs_count = 3,
     .dims = {{2, {3, 5}}, {2, {5, 4}}, {1, {4}}},
     SW_WITH(SW_SET_TEXT("activation", "relu"))},
    {.note = "b transposed, residual",
     .inputs_count = 4,
     .dims = {{2, {3, 5}}, {2, {4, 5}}, {0}, {2, {3, 4}}},
     .absent = 4,
     SW_WITH(SW_SET_INT("transpose_b", 1), SW_SET_TEXT("activation", "tanh"))},
    {.note = "batch, all",
     .inputs_count = 4,
     .dims = {{3, {2, 3, 5}}, {2, {5, 4}}, {1, {4}}, {3, {2, 3, 4}}},
     SW_WITH(SW_SET_TEXT("activation", "gelu_tanh"))},
    {.note = "hard sigmoid",
     .inputs_count = 2,
     .dims = {{2, {3, 5}}, {2, {5, 4}}},
     SW_WITH(SW_SET_TEXT("activation", "hard_sigmoid"), SW_SET_FLOAT("alpha", 0.2), SW_SET_FLOAT("beta", 0.5))},
};
static const sw_op_samples fused_matmul_samples = SW_SAMPLES(fused_matmul_items);

const sw_op sw_op_fused_matmul = {
    SW_ROW,
    .name = "FusedMatMul",
    .doc =
        "activation(MatMul(a, b) + bias + residual), rounded once; bias is along the last axis. Made by the compiler.",
    .inputs = {{"a", SW_FLOATING},
               {"b", SW_SAME_AS("a")},
               {"bias", SW_SAME_AS("a"), .flags = SW_PORT_OPTIONAL},
               {"residual", SW_SAME_AS("a"), .flags = SW_PORT_OPTIONAL}},
    .outputs = {{"y", SW_SAME_AS("a")}},
    .attrs = {SW_TRANSPOSE_ATTRS, ACTIVATION_ATTRS},
    .infer = fused_matmul_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sw_matmul_cost,
    .flags = SW_DETERMINISTIC | SW_FUSED_ROW,
    .reference = fused_matmul_reference,
    .samples = &fused_matmul_samples,
};

/* ---- Reorder ---- */
/* The place of an element of [N, C, spatial…] in its view's memory form. */
static int64_t place_of(const sw_view *view, const int64_t *index)
{
    int64_t block = view->layout == SW_LAYOUT_BLOCKED8 ? 8 : view->layout == SW_LAYOUT_BLOCKED16 ? 16 : 0;
    if (block == 0)
        return sw_view_at(view, index);
    int64_t at = index[0] * (view->dims[1] / block) + index[1] / block;
    for (int i = 2; i < view->rank; i++)
        at = at * view->dims[i] + index[i];
    return at * block + index[1] % block;
}

static sw_status reorder_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    int64_t index[SW_MAX_RANK] = {0};
    if (x->layout == SW_LAYOUT_PACKED || y->layout == SW_LAYOUT_PACKED)
        return sw_fail(SW_UNSUPPORTED, "Reorder '%s': a kernel's own form has no plain reading",
                       sw_node_name(call->node));
    if (sw_view_count(y) == 0)
        return SW_OK;
    do
        sw_element_copy(y, place_of(y, index), x, place_of(x, index));
    while (sw_index_next(y->rank, y->dims, index));
    return SW_OK;
}

static const sw_sample reorder_items[] = {
    {.note = "pictures", .inputs_count = 1, .dims = {{4, {2, 16, 3, 5}}}},
    {.note = "to channels last",
     .inputs_count = 1,
     .dims = {{4, {2, 3, 4, 5}}},
     SW_WITH(SW_SET_TEXT("layout", "channels_last"))},
};
static const sw_op_samples reorder_samples = SW_SAMPLES(reorder_items);

const sw_op sw_op_reorder = {
    SW_ROW,
    .name = "Reorder",
    .doc = "x in another memory form: plain [N, C, …], channels last, or C in blocks of 8 or 16 innermost. Made by the "
           "compiler.",
    .inputs = {{"x", SW_ANY & ~SW_DT(SW_STRING) & ~SW_INT4}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"layout", SW_ATTR_STRING, .s = "plain", .choices = "plain|channels_last|blocked8|blocked16",
               .doc = "the form of the result"}},
    .infer = sw_infer_like_first,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sw_cost_move,
    .flags = SW_DETERMINISTIC | SW_FUSED_ROW,
    .reference = reorder_reference,
    .samples = &reorder_samples,
};
