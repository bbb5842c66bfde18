/* normalize.c: numbers brought to mean 0 and variance 1: BatchNorm over the batch, LayerNorm over the features.
 *
 * Variances are biased (divided by the count) and taken around the mean, in double, in two passes: what is nearly
 * constant stays exact. Both rows give out the mean and 1 / sqrt(variance + epsilon) that they used, and their
 * gradients need nothing else. BatchNorm's running statistics come in as values and go out as values: next = momentum *
 * old
 * + (1 - momentum) * batch. Statistics may be of a wider type than x. */
#include "ops/row.h"
#include "ops/sample.h"

/* ---- BatchNorm ---- */
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

/* ---- LayerNorm ---- */
/* x's dims before the axis, then 1s: those of the saved statistics. */
static sw_status layer_types(sw_infer *infer, const sw_type *x, int scale, int bias, sw_type *saved, int *first)
{
    SW_TRY(sw_infer_axis(infer, sw_attr_int(infer->node, "axis"), x->rank, first));
    int normal = x->rank - *first;
    for (int i = scale; i <= bias; i++) {
        const sw_type *type = sw_infer_type(infer, i);
        SW_TRY(sw_infer_rank(infer, i, normal, normal));
        for (int k = 0; type != NULL && type->rank == normal && k < normal; k++)
            SW_TRY(sw_infer_agree(infer, type->dims[k], x->dims[*first + k],
                                  "dims of x from the axis and of scale or bias"));
    }
    *saved = *x;
    for (int i = *first; i < x->rank; i++)
        saved->dims[i] = 1;
    return SW_OK;
}

static sw_status layer_norm_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    sw_type saved;
    int first;
    SW_TRY(layer_types(infer, x, 1, 2, &saved, &first));
    sw_infer_copy(infer, 0, x);
    sw_infer_copy(infer, 1, &saved);
    sw_infer_copy(infer, 2, &saved);
    return SW_OK;
}

static sw_status layer_norm_grad_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 1);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    sw_type saved;
    int first;
    SW_TRY(layer_types(infer, x, 2, 2, &saved, &first));
    sw_infer_copy(infer, 0, x);
    sw_infer_dims(infer, 1, x->rank - first, x->dims + first);
    sw_infer_dims(infer, 2, x->rank - first, x->dims + first);
    return SW_OK;
}

/* Rows of x: how many, and how many elements each. */
static void layer_rows(const sw_view *x, int64_t axis, int64_t *rows, int64_t *columns)
{
    int first = sw_axis(axis, x->rank);
    *rows = *columns = 1;
    for (int i = 0; i < x->rank; i++)
        *(i < first ? rows : columns) *= x->dims[i];
}

static sw_status layer_norm_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *x = &call->inputs[0], *in = call->inputs;
    int64_t rows, columns;
    layer_rows(x, sw_attr_int(call->node, "axis"), &rows, &columns);
    double epsilon = sw_attr_float(call->node, "epsilon");
    double *v = sw_desk_load(desk, x), *scale = sw_desk_load(desk, &in[1]), *mean = sw_desk_array(desk, rows),
           *rstd = sw_desk_array(desk, rows);
    double *bias = sw_call_given(call, 2) ? sw_desk_load(desk, &in[2]) : sw_desk_array(desk, columns);
    if (!v || !scale || !mean || !rstd || !bias)
        return sw_alloc_status();
    for (int64_t r = 0; r < rows; r++) {
        double *row = v + r * columns, sum = 0, squares = 0;
        for (int64_t i = 0; i < columns; i++)
            sum += row[i];
        mean[r] = sum / (double)columns;
        for (int64_t i = 0; i < columns; i++)
            squares += (row[i] - mean[r]) * (row[i] - mean[r]);
        rstd[r] = 1 / sqrt(squares / (double)columns + epsilon);
        for (int64_t i = 0; i < columns; i++)
            row[i] = scale[i] * (row[i] - mean[r]) * rstd[r] + bias[i];
    }
    sw_view_store(&call->outputs[0], v);
    sw_view_store(&call->outputs[1], mean);
    sw_view_store(&call->outputs[2], rstd);
    return SW_OK;
}
static sw_status layer_norm_reference(const sw_call *call) { return sw_on_desk(call, layer_norm_body); }

/* With x^ = (x - mean) rstd, d = scale dy and means over a row: dx = rstd (d - mean(d) - x^ mean(d x^)). */
static sw_status layer_norm_grad_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *in = call->inputs;
    int64_t rows, columns;
    layer_rows(&in[1], sw_attr_int(call->node, "axis"), &rows, &columns);
    double *dy = sw_desk_load(desk, &in[0]), *x = sw_desk_load(desk, &in[1]), *scale = sw_desk_load(desk, &in[2]);
    double *mean = sw_desk_load(desk, &in[3]), *rstd = sw_desk_load(desk, &in[4]);
    double *dscale = sw_desk_array(desk, columns), *dbias = sw_desk_array(desk, columns);
    if (!dy || !x || !scale || !mean || !rstd || !dscale || !dbias)
        return sw_alloc_status();
    for (int64_t r = 0; r < rows; r++) {
        double *d = dy + r * columns, *unit = x + r * columns, sum = 0, dot = 0;
        for (int64_t i = 0; i < columns; i++) {
            unit[i] = (unit[i] - mean[r]) * rstd[r];
            dscale[i] += d[i] * unit[i];
            dbias[i] += d[i];
            d[i] *= scale[i];
            sum += d[i];
            dot += d[i] * unit[i];
        }
        for (int64_t i = 0; i < columns; i++)
            d[i] = rstd[r] * (d[i] - (sum + unit[i] * dot) / (double)columns);
    }
    sw_view_store(&call->outputs[0], dy);
    sw_view_store(&call->outputs[1], dscale);
    sw_view_store(&call->outputs[2], dbias);
    return SW_OK;
}
static sw_status layer_norm_grad_reference(const sw_call *call) { return sw_on_desk(call, layer_norm_grad_body); }

static sw_status layer_norm_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    bool biased = sw_node_input(n, 2) != SW_NONE;
    sw_value *inputs[] = {dy[0], sw_node_input(n, 0), sw_node_input(n, 1), sw_node_output(n, 1), sw_node_output(n, 2)},
             *made[3];
    sw_attr attr = SW_ATTR_I("axis", sw_attr_int(n, "axis"));
    sw_node_add(g, "LayerNormGrad", inputs, 5, &attr, 1, made, 3);
    for (int i = 0; sw_ok(g) && i < (biased ? 3 : 2); i++)
        dx[i] = made[i];
    return sw_graph_status(g);
}

static const sw_sample layer_norm_items[] = {
    {.note = "rows", .inputs_count = 3, .dims = {{2, {3, 5}}, {1, {5}}, {1, {5}}}},
    {.note = "without bias", .inputs_count = 2, .dims = {{3, {2, 3, 5}}, {1, {5}}}},
    {.note = "over two axes",
     .inputs_count = 3,
     .dims = {{3, {2, 3, 4}}, {2, {3, 4}}, {2, {3, 4}}},
     SW_WITH(SW_SET_INT("axis", 1))},
    {.note = "no rows", .inputs_count = 2, .dims = {{2, {0, 5}}, {1, {5}}}},
};
static const sw_op_samples layer_norm_samples = SW_SAMPLES(layer_norm_items);
static const sw_sample layer_norm_grad_items[] = {
    {.note = "rows", .inputs_count = 5, .dims = {{2, {3, 5}}, {2, {3, 5}}, {1, {5}}, {2, {3, 1}}, {2, {3, 1}}}},
    {.note = "over two axes",
     .inputs_count = 5,
     .dims = {{3, {2, 3, 4}}, {3, {2, 3, 4}}, {2, {3, 4}}, {3, {2, 1, 1}}, {3, {2, 1, 1}}},
     SW_WITH(SW_SET_INT("axis", 1))},
};
static const sw_op_samples layer_norm_grad_samples = SW_SAMPLES(layer_norm_grad_items);
/* clang-format off */
#define AXIS_ATTR {"axis", SW_ATTR_INT, .i = -1, .doc = "the first of the axes normalised over"}
/* clang-format on */

const sw_op sw_op_layer_norm = {
    SW_ROW,
    .name = "LayerNorm",
    .doc = "scale * (x - mean) / sqrt(variance + epsilon) + bias, mean and (biased) variance over the axes from `axis` "
           "to the last.",
    .inputs = {{"x", SW_FLOATING}, {"scale", SW_SAME_AS("x")}, {"bias", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL}},
    .outputs = {{"y", SW_SAME_AS("x")},
                {"saved_mean", SW_SAME_AS("x"), .flags = SW_PORT_NO_GRADIENT},
                {"saved_rstd", SW_SAME_AS("x"), .flags = SW_PORT_NO_GRADIENT}},
    .attrs = {AXIS_ATTR, {"epsilon", SW_ATTR_FLOAT, .f = 1e-5, .doc = "added to the variance"}},
    .infer = layer_norm_infer,
    .grad = {SW_GRAD_RULE, layer_norm_grad,
             SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1) | SW_KEEP_OUTPUT(1) | SW_KEEP_OUTPUT(2)},
    .cost = norm_cost,
    .flags = SW_DETERMINISTIC,
    .reference = layer_norm_reference,
    .samples = &layer_norm_samples,
};
const sw_op sw_op_layer_norm_grad = {
    SW_ROW,
    .name = "LayerNormGrad",
    .doc = "The gradients of LayerNorm by x, scale and bias, from the mean and 1 / sqrt(variance + epsilon) that it "
           "used. Second derivatives "
           "stop here.",
    .inputs = {{"dy", SW_FLOATING},
               {"x", SW_SAME_AS("dy")},
               {"scale", SW_SAME_AS("dy")},
               {"saved_mean", SW_SAME_AS("dy")},
               {"saved_rstd", SW_SAME_AS("dy")}},
    .outputs = {{"dx", SW_SAME_AS("dy")}, {"dscale", SW_SAME_AS("dy")}, {"dbias", SW_SAME_AS("dy")}},
    .attrs = {AXIS_ATTR},
    .infer = layer_norm_grad_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = norm_grad_cost,
    .flags = SW_DETERMINISTIC,
    .reference = layer_norm_grad_reference,
    .samples = &layer_norm_grad_samples,
};

/* ---- builders ---- */
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

sw_value *sw_layer_norm(sw_graph *g, sw_value *x, sw_value *scale, sw_value *bias, int axis, double epsilon)
{
    sw_value *inputs[] = {x, scale, bias}, *outputs[3];
    sw_attr attrs[] = {SW_ATTR_I("axis", axis), SW_ATTR_F("epsilon", epsilon)};
    return sw_node_add(g, "LayerNorm", inputs, 3, attrs, 2, outputs, 3);
}
