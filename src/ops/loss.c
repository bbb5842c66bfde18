/* loss.c: losses from logits: SoftmaxCrossEntropy with its gradient, BinaryCrossEntropy, and the mean squared error.
 *
 * A loss takes what the last layer gives, before any softmax or logistic, because only then can it be computed without
 * cancellation or overflow. Rows give one loss per example; the builders take the mean over them. */
#include "ops/row.h"
#include "ops/sample.h"

/* ---- softmax cross-entropy ---- */
/* clang-format off */
#define CROSS_ENTROPY_ATTRS                                                                                            \
    {"label_smoothing", SW_ATTR_FLOAT, .doc = "s: the target is (1 - s) one-hot + s / C"},                             \
        {"ignore_index", SW_ATTR_INT, .i = -100, .doc = "examples with this label have loss 0 and no gradient"}
/* clang-format on */

/* Logits [N, C, rest…] and labels [N, rest…]: checks, and the dims of the losses. */
static sw_status cross_entropy_types(sw_infer *infer, const sw_type *logits, const sw_type *labels)
{
    if (logits->rank < 2)
        return sw_infer_fail(infer, "logits have %d dims, need at least 2: [N, C, …]", logits->rank);
    if (labels->rank != logits->rank - 1)
        return sw_infer_fail(infer, "labels have %d dims, need %d: those of the logits without axis 1", labels->rank,
                             logits->rank - 1);
    for (int i = 0; i < labels->rank; i++)
        SW_TRY(sw_infer_agree(infer, labels->dims[i], logits->dims[i ? i + 1 : 0], "dims of logits and labels"));
    double smoothing = sw_attr_float(infer->node, "label_smoothing");
    if (!(smoothing >= 0 && smoothing <= 1))
        return sw_infer_fail(infer, "label_smoothing is %g, must be from 0 to 1", smoothing);
    return SW_OK;
}

static sw_status cross_entropy_infer(sw_infer *infer)
{
    const sw_type *logits = sw_infer_type(infer, 0), *labels = sw_infer_type(infer, 1);
    if (logits->rank < 0 || labels->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(cross_entropy_types(infer, logits, labels));
    sw_dim dims[SW_MAX_RANK] = {logits->dims[0]};
    for (int i = 2; i < logits->rank; i++)
        dims[i - 1] = logits->dims[i];
    sw_infer_dims(infer, 0, labels->rank, dims);
    return SW_OK;
}

static sw_status cross_entropy_grad_infer(sw_infer *infer)
{
    const sw_type *logits = sw_infer_type(infer, 1), *labels = sw_infer_type(infer, 2);
    if (logits->rank < 0 || labels->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(cross_entropy_types(infer, logits, labels));
    sw_infer_copy(infer, 0, logits);
    return SW_OK;
}

/* One example: C logits `step` apart. */
struct example {
    const sw_view *logits;
    int64_t at, step, classes, label;
    double largest, log_sum; /* log of the sum of exp(logit - largest) */
};

static double logit(const struct example *e, int64_t c)
{
    return sw_load_f64(e->logits->dtype, e->logits->data, e->at + c * e->step);
}

static void example_sums(struct example *e)
{
    double sum = 0;
    e->largest = -INFINITY;
    for (int64_t c = 0; c < e->classes; c++) {
        double v = logit(e, c);
        e->largest = v > e->largest || isnan(v) ? v : e->largest;
    }
    for (int64_t c = 0; c < e->classes; c++)
        sum += exp(logit(e, c) - e->largest);
    e->log_sum = log(sum);
}

/* -sum over c of target[c] * log softmax[c] */
static double example_loss(const struct example *e, double smoothing)
{
    double base = e->largest + e->log_sum, loss = (1 - smoothing) * (base - logit(e, e->label));
    for (int64_t c = 0; smoothing > 0 && c < e->classes; c++)
        loss += smoothing / (double)e->classes * (base - logit(e, c));
    return loss;
}

/* Calls `visit` for each example; SW_INVALID for a label that is no class. */
static sw_status each_example(const sw_call *call, const sw_view *logits, const sw_view *labels,
                              void (*visit)(const sw_call *call, struct example *e, const int64_t *index, bool ignored))
{
    int64_t index[SW_MAX_RANK] = {0}, place[SW_MAX_RANK] = {0}, ignore = sw_attr_int(call->node, "ignore_index");
    if (sw_view_count(labels) == 0)
        return SW_OK;
    do {
        place[0] = index[0];
        for (int i = 1; i < labels->rank; i++)
            place[i + 1] = index[i];
        struct example e = {.logits = logits,
                            .at = sw_view_at(logits, place),
                            .step = logits->strides[1],
                            .classes = logits->dims[1],
                            .label = sw_load_i64(labels->dtype, labels->data, sw_view_at(labels, index))};
        bool ignored = e.label == ignore;
        if (!ignored && (e.label < 0 || e.label >= e.classes))
            return sw_fail(SW_INVALID, "%s '%s': label %lld is none of %lld classes", sw_node_op(call->node)->name,
                           sw_node_name(call->node), (long long)e.label, (long long)e.classes);
        visit(call, &e, index, ignored);
    } while (sw_index_next(labels->rank, labels->dims, index));
    return SW_OK;
}

static void write_loss(const sw_call *call, struct example *e, const int64_t *index, bool ignored)
{
    const sw_view *y = &call->outputs[0];
    if (!ignored)
        example_sums(e);
    double loss = ignored ? 0 : example_loss(e, sw_attr_float(call->node, "label_smoothing"));
    sw_store_f64(y->dtype, y->data, sw_view_at(y, index), loss);
}

/* dloss * (softmax - target) */
static void write_slopes(const sw_call *call, struct example *e, const int64_t *index, bool ignored)
{
    const sw_view *dloss = &call->inputs[0], *dx = &call->outputs[0];
    double smoothing = sw_attr_float(call->node, "label_smoothing");
    double d = sw_load_f64(dloss->dtype, dloss->data, sw_view_at(dloss, index));
    int64_t place[SW_MAX_RANK] = {index[0]};
    for (int i = 2; i < dx->rank; i++)
        place[i] = index[i - 1];
    if (!ignored)
        example_sums(e);
    for (int64_t c = 0; c < e->classes; c++) {
        place[1] = c;
        double slope = 0;
        if (!ignored) {
            double target = smoothing / (double)e->classes + (c == e->label ? 1 - smoothing : 0);
            slope = d * (exp(logit(e, c) - e->largest - e->log_sum) - target);
        }
        sw_store_f64(dx->dtype, dx->data, sw_view_at(dx, place), slope);
    }
}

static sw_status cross_entropy_reference(const sw_call *call)
{
    return each_example(call, &call->inputs[0], &call->inputs[1], write_loss);
}
static sw_status cross_entropy_grad_reference(const sw_call *call)
{
    return each_example(call, &call->inputs[1], &call->inputs[2], write_slopes);
}

static sw_cost cross_entropy_cost(const sw_call *call)
{
    return sw_cost_of(call, 14 * sw_cost_elements(&call->inputs[0]));
}
static sw_cost cross_entropy_grad_cost(const sw_call *call)
{
    return sw_cost_of(call, 16 * sw_cost_elements(&call->inputs[1]));
}

static sw_status cross_entropy_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_attr attrs[SW_MAX_ATTRS];
    int count = sw_node_attrs(n, attrs);
    dx[0] = sw_row_add(g, "SoftmaxCrossEntropyGrad", SW_VALUES(dy[0], sw_node_input(n, 0), sw_node_input(n, 1)), count,
                       attrs);
    return sw_graph_status(g);
}

#define SMOOTH SW_SET_FLOAT("label_smoothing", 0.1)
#define IGNORE SW_SET_INT("ignore_index", 2)
static const sw_sample cross_entropy_items[] = {
    {.note = "rows", .inputs_count = 2, .dims = {{2, {4, 5}}, {1, {4}}}, .integer_max = {0, 5}},
    {.note = "smoothed", .inputs_count = 2, .dims = {{2, {4, 5}}, {1, {4}}}, .integer_max = {0, 5}, SW_WITH(SMOOTH)},
    {.note = "pixels, one class ignored",
     .inputs_count = 2,
     .dims = {{4, {2, 3, 2, 2}}, {3, {2, 2, 2}}},
     .integer_max = {0, 3},
     SW_WITH(IGNORE)},
    {.note = "i32 labels",
     .inputs_count = 2,
     .dims = {{2, {4, 5}}, {1, {4}}},
     .integer_max = {0, 5},
     .dtype = {SW_DTYPE_NONE, SW_I32}},
    {.note = "large numbers",
     .inputs_count = 2,
     .dims = {{2, {3, 4}}, {1, {3}}},
     .integer_max = {0, 4},
     .low = 700,
     .high = 710},
    {.note = "no examples", .inputs_count = 2, .dims = {{2, {0, 5}}, {1, {0}}}},
};
static const sw_op_samples cross_entropy_samples = SW_SAMPLES(cross_entropy_items);
static const sw_sample cross_entropy_grad_items[] = {
    {.note = "rows", .inputs_count = 3, .dims = {{1, {4}}, {2, {4, 5}}, {1, {4}}}, .integer_max = {0, 0, 5}},
    {.note = "smoothed",
     .inputs_count = 3,
     .dims = {{1, {4}}, {2, {4, 5}}, {1, {4}}},
     .integer_max = {0, 0, 5},
     SW_WITH(SMOOTH)},
    {.note = "pixels, one class ignored",
     .inputs_count = 3,
     .dims = {{3, {2, 2, 2}}, {4, {2, 3, 2, 2}}, {3, {2, 2, 2}}},
     .integer_max = {0, 0, 3},
     SW_WITH(IGNORE)},
};
static const sw_op_samples cross_entropy_grad_samples = SW_SAMPLES(cross_entropy_grad_items);

const sw_op sw_op_softmax_cross_entropy = {
    SW_ROW,
    .name = "SoftmaxCrossEntropy",
    .doc = "-log softmax(logits)[label] for each example: logits [N, C, …], labels [N, …], losses [N, …].",
    .inputs = {{"logits", SW_FLOATING}, {"labels", SW_INDEX}},
    .outputs = {{"loss", SW_SAME_AS("logits")}},
    .attrs = {CROSS_ENTROPY_ATTRS},
    .infer = cross_entropy_infer,
    .grad = {SW_GRAD_RULE, cross_entropy_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = cross_entropy_cost,
    .flags = SW_DETERMINISTIC,
    .reference = cross_entropy_reference,
    .samples = &cross_entropy_samples,
};
const sw_op sw_op_softmax_cross_entropy_grad = {
    SW_ROW,
    .name = "SoftmaxCrossEntropyGrad",
    .doc = "The gradient of SoftmaxCrossEntropy by its logits: dloss * (softmax(logits) - target). Second derivatives "
           "stop here.",
    .inputs = {{"dloss", SW_FLOATING}, {"logits", SW_SAME_AS("dloss")}, {"labels", SW_INDEX}},
    .outputs = {{"dlogits", SW_SAME_AS("dloss")}},
    .attrs = {CROSS_ENTROPY_ATTRS},
    .infer = cross_entropy_grad_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = cross_entropy_grad_cost,
    .flags = SW_DETERMINISTIC,
    .reference = cross_entropy_grad_reference,
    .samples = &cross_entropy_grad_samples,
};

/* ---- binary cross-entropy: max(x, 0) - x t + log(1 + exp(-|x|)) ---- */
static double binary_cross_entropy(double x, double t) { return fmax(x, 0) - x * t + log1p(exp(-fabs(x))); }
static sw_status binary_cross_entropy_reference(const sw_call *call)
{
    static const sw_binary formula = {.f = binary_cross_entropy};
    return sw_reference_binary(call, &formula);
}
static sw_cost binary_cross_entropy_cost(const sw_call *call)
{
    return sw_cost_of(call, 24 * sw_cost_elements(&call->outputs[0]));
}

/* by the logit: sigmoid(x) - t; by the target: -x */
static sw_status binary_cross_entropy_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *t = sw_node_input(n, 1);
    if (sw_grad_wants(g, 0))
        dx[0] = sw_sum_to(g, sw_mul(g, dy[0], sw_sub(g, sw_sigmoid(g, x), t)), x);
    if (sw_grad_wants(g, 1))
        dx[1] = sw_sum_to(g, sw_neg(g, sw_mul(g, dy[0], x)), t);
    return sw_graph_status(g);
}

static const sw_sample binary_cross_entropy_items[] = {
    {.note = "scalars", .inputs_count = 2, .dims = {{0}, {0}}},
    {.note = "nothing", .inputs_count = 2, .dims = {{2, {0, 3}}, {2, {0, 3}}}},
    {.note = "rows", .inputs_count = 2, .dims = {{2, {4, 3}}, {2, {4, 3}}}, .low = 0.1, .high = 0.9},
    {.note = "one target for all", .inputs_count = 2, .dims = {{2, {4, 3}}, {1, {1}}}},
};
static const sw_op_samples binary_cross_entropy_samples = SW_SAMPLES(binary_cross_entropy_items);

const sw_op sw_op_binary_cross_entropy = {
    SW_ROW,
    .name = "BinaryCrossEntropy",
    .doc = "-t log(s) - (1 - t) log(1 - s) with s = sigmoid(logit), elementwise, computed without overflow.",
    .inputs = {{"logits", SW_FLOATING}, {"targets", SW_SAME_AS("logits")}},
    .outputs = {{"loss", SW_SAME_AS("logits")}},
    .infer = sw_infer_elementwise,
    .grad = {SW_GRAD_RULE, binary_cross_entropy_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = binary_cross_entropy_cost,
    .flags = SW_ELEMENTWISE | SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = binary_cross_entropy_reference,
    .samples = &binary_cross_entropy_samples,
};

/* ---- builders: means over the batch ---- */
sw_value *sw_softmax_cross_entropy_smooth(sw_graph *g, sw_value *logits, sw_value *labels, double smoothing)
{
    sw_value *losses = sw_row_add(g, "SoftmaxCrossEntropy", SW_VALUES(logits, labels),
                                  SW_ATTRS(SW_ATTR_F("label_smoothing", smoothing)));
    return sw_reduce_mean(g, losses, 0, NULL, false);
}
sw_value *sw_softmax_cross_entropy(sw_graph *g, sw_value *logits, sw_value *labels)
{
    return sw_softmax_cross_entropy_smooth(g, logits, labels, 0);
}
sw_value *sw_binary_cross_entropy(sw_graph *g, sw_value *logits, sw_value *targets)
{
    return sw_reduce_mean(g, sw_binary_of(g, "BinaryCrossEntropy", logits, targets), 0, NULL, false);
}
sw_value *sw_mse(sw_graph *g, sw_value *prediction, sw_value *target)
{
    sw_value *difference = sw_sub(g, prediction, target);
    return sw_reduce_mean(g, sw_mul(g, difference, difference), 0, NULL, false);
}
