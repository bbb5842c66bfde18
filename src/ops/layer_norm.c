/* layer_norm.c: each example brought to mean 0 and variance 1 over its last axes.
 *
 * As in batch_norm.c, variances are biased and taken around the mean in double, and the statistics that were used are
 * given out for the gradient. x is seen as rows of the axes that are normalised over. */
#include "ops/row.h"
#include "ops/sample.h"

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

static sw_cost norm_cost(const sw_call *call) { return sw_cost_of(call, 7 * sw_cost_elements(&call->outputs[0])); }
static sw_cost norm_grad_cost(const sw_call *call)
{
    return sw_cost_of(call, 11 * sw_cost_elements(&call->outputs[0]));
}

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

/* ---- builder ---- */
sw_value *sw_layer_norm(sw_graph *g, sw_value *x, sw_value *scale, sw_value *bias, int axis, double epsilon)
{
    sw_value *inputs[] = {x, scale, bias}, *outputs[3];
    sw_attr attrs[] = {SW_ATTR_I("axis", axis), SW_ATTR_F("epsilon", epsilon)};
    return sw_node_add(g, "LayerNorm", inputs, 3, attrs, 2, outputs, 3);
}
