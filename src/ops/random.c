/* random.c: randomness with an address: Dropout, RandomUniform, RandomNormal.
 *
 * What is drawn is a function of (seed, stream, step, element). Seed and step come in as the key, u64[2]; the stream is
 * fixed when the node is built, or given as an attribute; the element is the row-major index. So the backward pass of
 * a dropout draws its mask again instead of keeping it, and recomputation replays. */
#include "base/random.h"
#include "ops/row.h"
#include "ops/sample.h"

/* clang-format off */
#define STREAM_ATTR {"stream", SW_ATTR_INT, .i = -1, .doc = "where to draw; -1: the stream fixed when the node was built"}
/* clang-format on */

static sw_random_address address_of(const sw_call *call, int key)
{
    const sw_view *view = &call->inputs[key];
    return (sw_random_address){
        .seed = sw_load_u64(SW_U64, view->data, 0),
        .stream = sw_node_stream(call->node),
        .step = (uint32_t)sw_load_u64(SW_U64, view->data, view->strides[0]),
    };
}

static sw_status check_key(const sw_infer *infer, int index)
{
    const sw_type *key = sw_infer_type(infer, index);
    SW_TRY(sw_infer_rank(infer, index, 1, 1));
    return key->rank < 0 ? SW_OK : sw_infer_agree(infer, key->dims[0], 2, "the key's size and 2");
}

/* ---- Dropout ---- */
static sw_status dropout_infer(sw_infer *infer)
{
    double ratio = sw_attr_float(infer->node, "ratio");
    if (!(ratio >= 0 && ratio < 1))
        return sw_infer_fail(infer, "ratio is %g, must be at least 0 and below 1", ratio);
    SW_TRY(check_key(infer, 1));
    SW_TRY(sw_infer_scalar(infer, 2));
    sw_infer_copy(infer, 0, sw_infer_type(infer, 0));
    return SW_OK;
}

static sw_status dropout_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    double ratio = sw_attr_float(call->node, "ratio");
    if (!*(const bool *)call->inputs[2].data || ratio == 0)
        return sw_reference_copy(call);
    sw_random_address at = address_of(call, 1);
    const int64_t *strides[] = {x->strides, y->strides};
    sw_walk w;
    uint64_t element = 0;
    if (sw_walk_begin(&w, x->rank, x->dims, 2, strides))
        do {
            bool keep = sw_random_float(at, element++) >= (float)ratio;
            sw_store_f64(y->dtype, y->data, w.at[1], keep ? sw_load_f64(x->dtype, x->data, w.at[0]) / (1 - ratio) : 0);
        } while (sw_walk_next(&w));
    return SW_OK;
}

static sw_cost dropout_cost(const sw_call *call) { return sw_cost_of(call, 20 * sw_cost_elements(&call->outputs[0])); }

/* The same mask again: drawn at the same address. */
static sw_status dropout_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    dx[0] = sw_row_add(g, "Dropout", SW_VALUES(dy[0], sw_node_input(n, 1), sw_node_input(n, 2)),
                       SW_ATTRS(SW_ATTR_F("ratio", sw_attr_float(n, "ratio")), SW_ATTR_I("stream", sw_node_stream(n))));
    return sw_graph_status(g);
}

#define KEY SW_I64S(42, 7)
#define YES SW_I64S(1)
#define NO SW_I64S(0)
static const sw_sample dropout_items[] = {
    {.note = "half",
     .inputs_count = 3,
     .dims = {{2, {5, 7}}, {1, {2}}, {0}},
     .ints = {NULL, KEY, YES},
     SW_WITH(SW_SET_FLOAT("ratio", 0.5), SW_SET_INT("stream", 3))},
    {.note = "not training",
     .inputs_count = 3,
     .dims = {{2, {5, 7}}, {1, {2}}, {0}},
     .ints = {NULL, KEY, NO},
     SW_WITH(SW_SET_FLOAT("ratio", 0.5))},
    {.note = "nothing", .inputs_count = 3, .dims = {{2, {0, 7}}, {1, {2}}, {0}}, .ints = {NULL, KEY, YES}},
};
static const sw_op_samples dropout_samples = SW_SAMPLES(dropout_items);

const sw_op sw_op_dropout = {
    SW_ROW,
    .name = "Dropout",
    .doc = "While training, each element is 0 with probability `ratio`, else x / (1 - ratio); otherwise x itself. The "
           "mask is drawn at the "
           "address (key[0], stream, key[1], element), so it need not be kept.",
    .inputs = {{"x", SW_FLOATING}, {"key", SW_DT(SW_U64)}, {"training", SW_DT(SW_BOOL)}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {{"ratio", SW_ATTR_FLOAT, .f = 0.5, .doc = "probability of 0"}, STREAM_ATTR},
    .infer = dropout_infer,
    .grad = {SW_GRAD_RULE, dropout_grad, SW_KEEP_INPUT(1) | SW_KEEP_INPUT(2)},
    .cost = dropout_cost,
    .flags = SW_RANDOM | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = dropout_reference,
    .samples = &dropout_samples,
};

/* ---- fresh numbers ---- */
static sw_status random_infer(sw_infer *infer)
{
    int64_t dims[SW_MAX_RANK];
    int rank = sw_attr_ints(infer->node, "dims", dims, SW_MAX_RANK);
    sw_dtype dtype = (sw_dtype)sw_attr_int(infer->node, "dtype");
    SW_TRY(check_key(infer, 0));
    if (dtype < 0 || dtype >= SW_DTYPE_COUNT || !(SW_FLOATING & SW_DT(dtype)))
        return sw_infer_fail(infer, "element type %s is not floating", sw_dtype_name(dtype));
    if (rank > SW_MAX_RANK)
        return sw_infer_fail(infer, "%d dims, at most %d are possible", rank, SW_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            return sw_infer_fail(infer, "dim %d is %lld", i, (long long)dims[i]);
    infer->outputs[0].dtype = dtype;
    sw_infer_dims(infer, 0, rank, dims);
    return SW_OK;
}

static sw_status draw(const sw_call *call, double (*number)(sw_random_address at, uint64_t element), double scale,
                      double shift)
{
    const sw_view *y = &call->outputs[0];
    sw_random_address at = address_of(call, 0);
    const int64_t *strides[] = {y->strides};
    sw_walk w;
    uint64_t element = 0;
    if (sw_walk_begin(&w, y->rank, y->dims, 1, strides))
        do
            sw_store_f64(y->dtype, y->data, w.at[0], number(at, element++) * scale + shift);
        while (sw_walk_next(&w));
    return SW_OK;
}

static sw_status random_uniform_reference(const sw_call *call)
{
    double low = sw_attr_float(call->node, "low"), high = sw_attr_float(call->node, "high");
    return draw(call, sw_random_double, high - low, low);
}
static sw_status random_normal_reference(const sw_call *call)
{
    return draw(call, sw_random_gauss, sw_attr_float(call->node, "deviation"), sw_attr_float(call->node, "mean"));
}

static const sw_sample random_items[] = {
    {.note = "matrix",
     .inputs_count = 1,
     .dims = {{1, {2}}},
     .ints = {KEY},
     SW_WITH(SW_SET_INTS("dims", 5, 7), SW_SET_INT("stream", 3))},
    {.note = "a scalar", .inputs_count = 1, .dims = {{1, {2}}}, .ints = {KEY}},
};
static const sw_op_samples random_samples = SW_SAMPLES(random_items);

#define RANDOM_ROW                                                                                                     \
    .inputs = {{"key", SW_DT(SW_U64)}}, .outputs = {{"y", SW_FLOATING}}, .infer = random_infer,                        \
    .grad = {SW_NOT_DIFFERENTIABLE}, .cost = dropout_cost, .flags = SW_RANDOM | SW_DETERMINISTIC,                      \
    .samples = &random_samples
/* clang-format off */
#define RANDOM_ATTRS                                                                                                   \
    {"dims", SW_ATTR_INTS, .doc = "dims of the result"},                                                               \
        {"dtype", SW_ATTR_DTYPE, .i = SW_F32, .doc = "its element type"}, STREAM_ATTR
/* clang-format on */

const sw_op sw_op_random_uniform = {
    SW_ROW,
    .name = "RandomUniform",
    .doc = "Numbers evenly spread from `low` to below `high`, drawn at the address (key[0], stream, key[1], element).",
    .attrs = {RANDOM_ATTRS,
              {"low", SW_ATTR_FLOAT, .doc = "the least"},
              {"high", SW_ATTR_FLOAT, .f = 1, .doc = "the bound"}},
    RANDOM_ROW,
    .reference = random_uniform_reference,
};
const sw_op sw_op_random_normal = {
    SW_ROW,
    .name = "RandomNormal",
    .doc = "Numbers of a normal distribution, drawn at the address (key[0], stream, key[1], element).",
    .attrs = {RANDOM_ATTRS,
              {"mean", SW_ATTR_FLOAT, .doc = "the middle"},
              {"deviation", SW_ATTR_FLOAT, .f = 1, .doc = "the standard deviation"}},
    RANDOM_ROW,
    .reference = random_normal_reference,
};

/* ---- builders ---- */
sw_value *sw_dropout(sw_graph *g, sw_value *x, double ratio)
{
    return sw_row_add(g, "Dropout", SW_VALUES(x, sw_random_key(g), sw_training(g)),
                      SW_ATTRS(SW_ATTR_F("ratio", ratio)));
}
sw_value *sw_random_uniform(sw_graph *g, sw_dtype dtype, sw_dims dims, double low, double high)
{
    return sw_row_add(g, "RandomUniform", SW_VALUES(sw_random_key(g)),
                      SW_ATTRS(SW_ATTR_IS("dims", dims.rank, dims.dim), SW_ATTR_D("dtype", dtype),
                               SW_ATTR_F("low", low), SW_ATTR_F("high", high)));
}
sw_value *sw_random_normal(sw_graph *g, sw_dtype dtype, sw_dims dims, double mean, double deviation)
{
    return sw_row_add(g, "RandomNormal", SW_VALUES(sw_random_key(g)),
                      SW_ATTRS(SW_ATTR_IS("dims", dims.rank, dims.dim), SW_ATTR_D("dtype", dtype),
                               SW_ATTR_F("mean", mean), SW_ATTR_F("deviation", deviation)));
}
