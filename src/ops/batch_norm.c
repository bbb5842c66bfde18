/* batch_norm.c: each channel brought to mean 0 and variance 1 over the batch.
 *
 * Variances are biased (divided by the count) and taken around the mean, in double, in two passes: what is nearly
 * constant stays exact. The row gives out the mean and 1 / sqrt(variance + epsilon) that it used, and its gradient
 * needs nothing else. Running statistics come in as values and go out as values: next = momentum * old + (1 - momentum)
 * * batch. They may be of a wider type than x. */
#include "ops/row.h"
#include "ops/sample.h"

static sw_status check_channels(const sw_infer *infer, const sw_type *x, int first, int last)
{
    for (int i = first; i <= last; i++) {
        const sw_type *type = sw_infer_type(infer, i);
        SW_TRY(sw_infer_rank(infer, i, 1, 1));
        if (type->rank == 1)
            SW_TRY(sw_infer_agree(infer, type->dims[0], x->dims[1], "channels of x and of the statistics"));
    }
    return SW_OK;
}

static sw_status batch_norm_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    if (x->rank < 2)
        return sw_infer_fail(infer, "x has %d dims, needs at least 2: [N, C, …]", x->rank);
    SW_TRY(check_channels(infer, x, 1, 4));
    SW_TRY(sw_infer_scalar(infer, 5));
    sw_infer_copy(infer, 0, x);
    for (int i = 1; i < 5; i++)
        sw_infer_dims(infer, i, 1, &x->dims[1]);
    return SW_OK;
}

static sw_status batch_norm_grad_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 1);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    if (x->rank < 2)
        return sw_infer_fail(infer, "x has %d dims, needs at least 2: [N, C, …]", x->rank);
    SW_TRY(check_channels(infer, x, 2, 4));
    sw_infer_copy(infer, 0, x);
    sw_infer_dims(infer, 1, 1, &x->dims[1]);
    sw_infer_dims(infer, 2, 1, &x->dims[1]);
    return SW_OK;
}

static double at(const sw_view *view, int64_t i) { return sw_load_f64(view->dtype, view->data, i * view->strides[0]); }
static void put(const sw_view *view, int64_t i, double v)
{
    sw_store_f64(view->dtype, view->data, i * view->strides[0], v);
}

/* A walk over one channel of up to three views of x's dims. */
static bool channel_walk(const sw_view *const *views, int count, int64_t channel, int64_t *bases, sw_walk *w)
{
    const int64_t *strides[3];
    int64_t dims[SW_MAX_RANK];
    for (int i = 0; i < views[0]->rank; i++)
        dims[i] = i == 1 ? 1 : views[0]->dims[i];
    for (int k = 0; k < count; k++) {
        strides[k] = views[k]->strides;
        bases[k] = channel * views[k]->strides[1];
    }
    return sw_walk_begin(w, views[0]->rank, dims, count, strides);
}

/* Mean and biased variance of one channel. */
static void channel_moments(const sw_view *x, int64_t channel, double *mean, double *variance)
{
    int64_t base, count = 0;
    sw_walk w;
    double sum = 0, squares = 0;
    if (channel_walk(&x, 1, channel, &base, &w))
        do {
            sum += sw_load_f64(x->dtype, x->data, base + w.at[0]);
            count++;
        } while (sw_walk_next(&w));
    *mean = count ? sum / (double)count : 0;
    if (channel_walk(&x, 1, channel, &base, &w))
        do {
            double d = sw_load_f64(x->dtype, x->data, base + w.at[0]) - *mean;
            squares += d * d;
        } while (sw_walk_next(&w));
    *variance = count ? squares / (double)count : 0;
}

static sw_status batch_norm_reference(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *in = call->inputs, *y = &call->outputs[0], *out = call->outputs;
    bool training = *(const bool *)in[5].data, empty = sw_view_count(x) == 0;
    double epsilon = sw_attr_float(call->node, "epsilon"), momentum = sw_attr_float(call->node, "momentum");
    for (int64_t c = 0; c < x->dims[1]; c++) {
        double old_mean = at(&in[3], c), old_variance = at(&in[4], c), mean = old_mean, variance = old_variance;
        if (training && !empty)
            channel_moments(x, c, &mean, &variance);
        double rstd = 1 / sqrt(variance + epsilon), scale = at(&in[1], c), bias = at(&in[2], c);
        put(&out[1], c, training && !empty ? momentum * old_mean + (1 - momentum) * mean : old_mean);
        put(&out[2], c, training && !empty ? momentum * old_variance + (1 - momentum) * variance : old_variance);
        put(&out[3], c, mean);
        put(&out[4], c, rstd);
        int64_t bases[2];
        sw_walk w;
        if (channel_walk((const sw_view *[]){x, y}, 2, c, bases, &w))
            do
                sw_store_f64(y->dtype, y->data, bases[1] + w.at[1],
                             scale * (sw_load_f64(x->dtype, x->data, bases[0] + w.at[0]) - mean) * rstd + bias);
            while (sw_walk_next(&w));
    }
    return SW_OK;
}

/* With x^ = (x - mean) rstd and means over the batch: dx = scale rstd (dy - mean(dy) - x^ mean(dy x^)); where the
 * running statistics were used they are constants: dx = scale rstd dy. */
static sw_status batch_norm_grad_reference(const sw_call *call)
{
    const sw_view *dy = &call->inputs[0], *x = &call->inputs[1], *in = call->inputs, *dx = &call->outputs[0];
    bool training = *(const bool *)in[5].data;
    for (int64_t c = 0; c < x->dims[1]; c++) {
        double scale = at(&in[2], c), mean = at(&in[3], c), rstd = at(&in[4], c), sum = 0, dot = 0;
        int64_t bases[3], count = 0;
        const sw_view *views[] = {dy, x, dx};
        sw_walk w;
        if (channel_walk(views, 2, c, bases, &w))
            do {
                double d = sw_load_f64(dy->dtype, dy->data, bases[0] + w.at[0]);
                sum += d;
                dot += d * (sw_load_f64(x->dtype, x->data, bases[1] + w.at[1]) - mean) * rstd;
                count++;
            } while (sw_walk_next(&w));
        put(&call->outputs[1], c, dot);
        put(&call->outputs[2], c, sum);
        if (channel_walk(views, 3, c, bases, &w))
            do {
                double d = sw_load_f64(dy->dtype, dy->data, bases[0] + w.at[0]);
                double unit = (sw_load_f64(x->dtype, x->data, bases[1] + w.at[1]) - mean) * rstd;
                if (training)
                    d -= (sum + unit * dot) / (double)count;
                sw_store_f64(dx->dtype, dx->data, bases[2] + w.at[2], scale * rstd * d);
            } while (sw_walk_next(&w));
    }
    return SW_OK;
}

static sw_cost norm_cost(const sw_call *call) { return sw_cost_of(call, 7 * sw_cost_elements(&call->outputs[0])); }
static sw_cost norm_grad_cost(const sw_call *call)
{
    return sw_cost_of(call, 11 * sw_cost_elements(&call->outputs[0]));
}

static sw_status batch_norm_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *inputs[] = {dy[0],
                          sw_node_input(n, 0),
                          sw_node_input(n, 1),
                          sw_node_output(n, 3),
                          sw_node_output(n, 4),
                          sw_node_input(n, 5)};
    sw_node_add(g, "BatchNormGrad", inputs, 6, NULL, 0, dx, 3);
    return sw_graph_status(g);
}

#define YES SW_I64S(1)
#define NO SW_I64S(0)
/* clang-format off */
#define C3 {1, {3}}
/* clang-format on */
#define BATCH_NORM(...) .inputs_count = 6, .dims = {__VA_ARGS__, C3, C3, C3, C3, {0}}, .low = 0.2, .high = 2
static const sw_sample batch_norm_items[] = {
    {.note = "training", BATCH_NORM({4, {4, 3, 2, 3}}), .ints = {[5] = YES}},
    {.note = "not training", BATCH_NORM({4, {4, 3, 2, 3}}), .ints = {[5] = NO}},
    {.note = "rows", BATCH_NORM({2, {5, 3}}), .ints = {[5] = YES}, SW_WITH(SW_SET_FLOAT("momentum", 0.5))},
    {.note = "nothing", BATCH_NORM({4, {0, 3, 2, 3}}), .ints = {[5] = YES}},
};
static const sw_op_samples batch_norm_samples = SW_SAMPLES(batch_norm_items);
static const sw_sample batch_norm_grad_items[] = {
    {.note = "training",
     .inputs_count = 6,
     .dims = {{4, {4, 3, 2, 3}}, {4, {4, 3, 2, 3}}, C3, C3, C3, {0}},
     .low = 0.2,
     .high = 2,
     .ints = {[5] = YES}},
    {.note = "not training",
     .inputs_count = 6,
     .dims = {{2, {4, 3}}, {2, {4, 3}}, C3, C3, C3, {0}},
     .low = 0.2,
     .high = 2,
     .ints = {[5] = NO}},
};
static const sw_op_samples batch_norm_grad_samples = SW_SAMPLES(batch_norm_grad_items);

const sw_op sw_op_batch_norm = {
    SW_ROW,
    .name = "BatchNorm",
    .doc = "scale * (x - mean) / sqrt(variance + epsilon) + bias for each channel of x [N, C, …]. While training, mean "
           "and (biased) variance are "
           "the batch's and next = momentum * running + (1 - momentum) * batch; otherwise the running ones are used "
           "and kept.",
    .inputs = {{"x", SW_FLOATING},
               {"scale", SW_FLOATING},
               {"bias", SW_SAME_AS("scale")},
               {"mean", SW_FLOATING, .flags = SW_PORT_NO_GRADIENT},
               {"variance", SW_SAME_AS("mean"), .flags = SW_PORT_NO_GRADIENT},
               {"training", SW_DT(SW_BOOL)}},
    .outputs = {{"y", SW_SAME_AS("x")},
                {"next_mean", SW_SAME_AS("mean"), .flags = SW_PORT_NO_GRADIENT},
                {"next_variance", SW_SAME_AS("mean"), .flags = SW_PORT_NO_GRADIENT},
                {"saved_mean", SW_SAME_AS("mean"), .flags = SW_PORT_NO_GRADIENT},
                {"saved_rstd", SW_SAME_AS("mean"), .flags = SW_PORT_NO_GRADIENT}},
    .attrs = {{"epsilon", SW_ATTR_FLOAT, .f = 1e-5, .doc = "added to the variance"},
              {"momentum", SW_ATTR_FLOAT, .f = 0.9, .doc = "how much of the running statistics is kept"}},
    .infer = batch_norm_infer,
    .grad = {SW_GRAD_RULE, batch_norm_grad,
             SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_INPUT(5) | SW_KEEP_OUTPUT(3) | SW_KEEP_OUTPUT(4)},
    .cost = norm_cost,
    .flags = SW_DETERMINISTIC,
    .reference = batch_norm_reference,
    .samples = &batch_norm_samples,
};
const sw_op sw_op_batch_norm_grad = {
    SW_ROW,
    .name = "BatchNormGrad",
    .doc = "The gradients of BatchNorm by x, scale and bias, from the mean and 1 / sqrt(variance + epsilon) that it "
           "used. Second derivatives "
           "stop here.",
    .inputs = {{"dy", SW_FLOATING},
               {"x", SW_SAME_AS("dy")},
               {"scale", SW_FLOATING},
               {"saved_mean", SW_FLOATING},
               {"saved_rstd", SW_SAME_AS("saved_mean")},
               {"training", SW_DT(SW_BOOL)}},
    .outputs = {{"dx", SW_SAME_AS("dy")}, {"dscale", SW_SAME_AS("scale")}, {"dbias", SW_SAME_AS("scale")}},
    .infer = batch_norm_grad_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = norm_grad_cost,
    .flags = SW_DETERMINISTIC,
    .reference = batch_norm_grad_reference,
    .samples = &batch_norm_grad_samples,
};

/* ---- builder ---- */
sw_value *sw_batch_norm(sw_graph *g, sw_value *x, sw_value *scale, sw_value *bias, sw_state *mean, sw_state *variance,
                        double epsilon, double momentum)
{
    sw_value *inputs[] = {x, scale, bias, sw_read(g, mean), sw_read(g, variance), sw_training(g)}, *outputs[5];
    sw_attr attrs[] = {SW_ATTR_F("epsilon", epsilon), SW_ATTR_F("momentum", momentum)};
    sw_value *y = sw_node_add(g, "BatchNorm", inputs, 6, attrs, 2, outputs, 5);
    if (!sw_ok(g) || sw_assign(g, mean, outputs[1]) != SW_OK || sw_assign(g, variance, outputs[2]) != SW_OK)
        return NULL;
    return y;
}
