/* conv.c: convolution over one to three spatial axes, with strides, padding, dilation and groups, and both its
 * gradients.
 *
 * The three rows are one sum seen from three sides: y[n,m,o] += x[n,c,i] * w[m,c,k] over all pairs (o, k) whose input
 * position i = o * stride - begin + k * dilation exists. One loop visits them, a row of the output at a time; what it
 * adds to what is the only difference. Each is linear in both operands, so they are each other's gradients as well. */
#include "ops/product.h"
#include "ops/sample.h"

enum side { FORWARD, DATA, WEIGHT };

/* ---- inference ---- */
/* The geometry of a node whose x, w and y have these types; checks all that is known. */
static sw_status conv_types(sw_infer *infer, const sw_type *x, const sw_type *w, sw_type *y)
{
    if (x->rank < 3 || x->rank > 5)
        return sw_infer_fail(infer, "x has %d dims, needs 3 to 5: [N, C, spatial…]", x->rank);
    if (w->rank != x->rank)
        return sw_infer_fail(infer, "weight has %d dims, needs %d", w->rank, x->rank);
    int axes = x->rank - 2;
    sw_geometry g;
    SW_TRY(sw_geometry_read(infer->node, axes, &g));
    int64_t groups = sw_attr_int(infer->node, "groups");
    if (groups < 1)
        return sw_infer_fail(infer, "groups is %lld, must be at least 1", (long long)groups);
    sw_dim channels = sw_dim_mul(infer->g, w->dims[1], groups);
    SW_TRY(sw_infer_agree(infer, x->dims[1], channels, "channels of x and groups * channels of the weight"));
    if (sw_dim_known(w->dims[0]) && w->dims[0] % groups != 0)
        return sw_infer_fail(infer, "%lld output channels do not divide into %lld groups", (long long)w->dims[0],
                             (long long)groups);
    y->rank = x->rank;
    y->dims[0] = x->dims[0];
    y->dims[1] = w->dims[0];
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        sw_dim out = sw_geometry_out(infer->g, x->dims[2 + i], w->dims[2 + i], g.stride[k], g.dilation[k], g.begin[k],
                                     g.end[k], false);
        if (sw_dim_known(x->dims[2 + i]) && sw_dim_known(w->dims[2 + i]) && (out <= 0 || w->dims[2 + i] < 1))
            return sw_infer_fail(infer, "a kernel of %lld does not fit into axis %d of %lld with its padding",
                                 (long long)w->dims[2 + i], 2 + i, (long long)x->dims[2 + i]);
        y->dims[2 + i] = out;
    }
    return SW_OK;
}

sw_status sw_conv_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0), *w = sw_infer_type(infer, 1), *b = sw_infer_type(infer, 2);
    if (x->rank < 0 || w->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(conv_types(infer, x, w, &infer->outputs[0]));
    SW_TRY(sw_infer_rank(infer, 2, 1, 1));
    return b == NULL || b->rank < 0 ? SW_OK : sw_infer_agree(infer, b->dims[0], w->dims[0], "bias and output channels");
}

/* dy must be what the forward row would give for x and w. */
static sw_status conv_grad_infer(sw_infer *infer, const sw_type *x, const sw_type *w, const sw_type *result)
{
    const sw_type *dy = sw_infer_type(infer, 0);
    if (x->rank < 0 || w->rank < 0 || dy->rank < 0)
        return sw_infer_unknown(infer);
    sw_type y;
    SW_TRY(conv_types(infer, x, w, &y));
    SW_TRY(sw_infer_rank(infer, 0, y.rank, y.rank));
    for (int i = 0; i < y.rank; i++)
        SW_TRY(sw_infer_agree(infer, dy->dims[i], y.dims[i], "dims of dy and of the convolution"));
    sw_infer_copy(infer, 0, result);
    return SW_OK;
}

static sw_status conv_grad_data_infer(sw_infer *infer)
{
    return conv_grad_infer(infer, sw_infer_type(infer, 2), sw_infer_type(infer, 1), sw_infer_type(infer, 2));
}

static sw_status conv_grad_weight_infer(sw_infer *infer)
{
    return conv_grad_infer(infer, sw_infer_type(infer, 1), sw_infer_type(infer, 2), sw_infer_type(infer, 2));
}

/* ---- the sum ---- */
static sw_status conv_geometry(const sw_call *call, const sw_view *x, const sw_view *w, const sw_view *y,
                               sw_geometry *g)
{
    int axes = x->rank - 2;
    SW_TRY(sw_geometry_read(call->node, axes, g));
    g->groups = sw_attr_int(call->node, "groups");
    g->batch = x->dims[0], g->channels = x->dims[1], g->outputs = w->dims[0];
    for (int i = 0; i < axes; i++) {
        int k = 3 - axes + i;
        g->in[k] = x->dims[2 + i], g->kernel[k] = w->dims[2 + i], g->out[k] = y->dims[2 + i];
    }
    return SW_OK;
}

/* The outputs o of an axis whose input o * stride + shift exists: from *first to before *end. */
static void reach(int64_t out, int64_t in, int64_t stride, int64_t shift, int64_t *first, int64_t *end)
{
    *first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *end = in - shift <= 0 ? 0 : (in - shift + stride - 1) / stride;
    if (*end > out)
        *end = out;
}

/* One kernel element over one plane: adds, row by row, on the side asked for. Returns the weight's gradient. */
static double conv_plane(const sw_geometry *g, const int64_t k[3], enum side side, double *x, double weight, double *y)
{
    int64_t first[3], end[3], shift[3];
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        shift[i] = k[i] * g->dilation[i] - g->begin[i];
        reach(g->out[i], g->in[i], g->stride[i], shift[i], &first[i], &end[i]);
    }
    for (int64_t d = first[0]; d < end[0]; d++)
        for (int64_t h = first[1]; h < end[1]; h++) {
            double *yr = y + (d * g->out[1] + h) * g->out[2];
            double *xr =
                x + ((d * g->stride[0] + shift[0]) * g->in[1] + h * g->stride[1] + shift[1]) * g->in[2] + shift[2];
            int64_t step = g->stride[2];
            if (side == FORWARD)
                for (int64_t o = first[2]; o < end[2]; o++)
                    yr[o] += weight * xr[o * step];
            else if (side == DATA)
                for (int64_t o = first[2]; o < end[2]; o++)
                    xr[o * step] += weight * yr[o];
            else
                for (int64_t o = first[2]; o < end[2]; o++)
                    sum += yr[o] * xr[o * step];
        }
    return sum;
}

/* x [N, C, in], w [M, C / groups, kernel], y [N, M, out], packed: adds to y, x or w. */
static void conv_sum(const sw_geometry *g, enum side side, double *x, double *w, double *y)
{
    int64_t in = g->in[0] * g->in[1] * g->in[2], out = g->out[0] * g->out[1] * g->out[2];
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    int64_t group_in = g->channels / g->groups, group_out = g->outputs / g->groups;
    for (int64_t n = 0; n < g->batch; n++)
        for (int64_t m = 0; m < g->outputs; m++)
            for (int64_t c = 0; c < group_in; c++) {
                double *plane = x + (n * g->channels + m / group_out * group_in + c) * in;
                double *weights = w + (m * group_in + c) * taps;
                for (int64_t t = 0; t < taps; t++) {
                    int64_t k[3];
                    sw_index_of(3, g->kernel, t, k);
                    double sum = conv_plane(g, k, side, plane, weights[t], y + (n * g->outputs + m) * out);
                    if (side == WEIGHT)
                        weights[t] += sum;
                }
            }
}

sw_status sw_conv_compute(const sw_call *call, sw_arena *desk, double **values)
{
    const sw_view *x = &call->inputs[0], *w = &call->inputs[1], *y = &call->outputs[0];
    sw_geometry g;
    SW_TRY(conv_geometry(call, x, w, y, &g));
    double *xv = sw_desk_load(desk, x), *wv = sw_desk_load(desk, w), *yv = sw_desk_array(desk, sw_view_count(y));
    if (xv == NULL || wv == NULL || yv == NULL)
        return sw_alloc_status();
    int64_t out = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; sw_call_given(call, 2) && i < g.batch * g.outputs; i++)
        for (int64_t o = 0; o < out; o++)
            yv[i * out + o] =
                sw_load_f64(call->inputs[2].dtype, call->inputs[2].data, i % g.outputs * call->inputs[2].strides[0]);
    conv_sum(&g, FORWARD, xv, wv, yv);
    *values = yv;
    return SW_OK;
}

static sw_status conv_body(const sw_call *call, sw_arena *desk)
{
    double *values;
    SW_TRY(sw_conv_compute(call, desk, &values));
    sw_view_store(&call->outputs[0], values);
    return SW_OK;
}
static sw_status conv_reference(const sw_call *call) { return sw_on_desk(call, conv_body); }

static sw_status conv_grad_data_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *dy = &call->inputs[0], *w = &call->inputs[1], *dx = &call->outputs[0];
    sw_geometry g;
    SW_TRY(conv_geometry(call, dx, w, dy, &g));
    double *yv = sw_desk_load(desk, dy), *wv = sw_desk_load(desk, w), *xv = sw_desk_array(desk, sw_view_count(dx));
    if (xv == NULL || wv == NULL || yv == NULL)
        return sw_alloc_status();
    conv_sum(&g, DATA, xv, wv, yv);
    sw_view_store(dx, xv);
    return SW_OK;
}
static sw_status conv_grad_data_reference(const sw_call *call) { return sw_on_desk(call, conv_grad_data_body); }

static sw_status conv_grad_weight_body(const sw_call *call, sw_arena *desk)
{
    const sw_view *dy = &call->inputs[0], *x = &call->inputs[1], *dw = &call->outputs[0];
    sw_geometry g;
    SW_TRY(conv_geometry(call, x, dw, dy, &g));
    double *yv = sw_desk_load(desk, dy), *xv = sw_desk_load(desk, x), *wv = sw_desk_array(desk, sw_view_count(dw));
    if (xv == NULL || wv == NULL || yv == NULL)
        return sw_alloc_status();
    conv_sum(&g, WEIGHT, xv, wv, yv);
    sw_view_store(dw, wv);
    return SW_OK;
}
static sw_status conv_grad_weight_reference(const sw_call *call) { return sw_on_desk(call, conv_grad_weight_body); }

/* 2 * |w| per channel of the output * positions: the same from each side. */
static sw_cost conv_cost_of(const sw_call *call, const sw_view *w, const sw_view *y)
{
    double taps = w->dims[0] ? sw_cost_elements(w) / (double)w->dims[0] : 0;
    return sw_cost_of(call, 2 * taps * sw_cost_elements(y));
}
sw_cost sw_conv_cost(const sw_call *call) { return conv_cost_of(call, &call->inputs[1], &call->outputs[0]); }
static sw_cost conv_grad_data_cost(const sw_call *call)
{
    return conv_cost_of(call, &call->inputs[1], &call->inputs[0]);
}
static sw_cost conv_grad_weight_cost(const sw_call *call)
{
    return conv_cost_of(call, &call->outputs[0], &call->inputs[0]);
}

/* ---- gradients ---- */
static sw_value *with_attrs_of(sw_graph *g, const sw_node *n, const char *op, sw_value *a, sw_value *b, sw_value *c)
{
    sw_attr attrs[SW_MAX_ATTRS];
    int count = sw_node_attrs(n, attrs);
    return c ? sw_row_add(g, op, SW_VALUES(a, b, c), count, attrs) : sw_row_add(g, op, SW_VALUES(a, b), count, attrs);
}

static sw_status conv_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *x = sw_node_input(n, 0), *w = sw_node_input(n, 1), *b = sw_node_input(n, 2);
    if (sw_grad_wants(g, 0))
        dx[0] = with_attrs_of(g, n, "ConvGradData", dy[0], w, x);
    if (sw_grad_wants(g, 1))
        dx[1] = with_attrs_of(g, n, "ConvGradWeight", dy[0], x, w);
    if (b != SW_NONE && sw_grad_wants(g, 2)) {
        int64_t axes[] = {0, 2, 3, 4};
        dx[2] = sw_reduce_sum(g, dy[0], sw_value_rank(dy[0]) - 1, axes, false);
    }
    return sw_graph_status(g);
}

static sw_status conv_grad_data_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *d = sw_node_input(n, 0), *w = sw_node_input(n, 1);
    if (sw_grad_wants(g, 0))
        dx[0] = with_attrs_of(g, n, "Conv", dy[0], w, NULL);
    if (sw_grad_wants(g, 1))
        dx[1] = with_attrs_of(g, n, "ConvGradWeight", d, dy[0], w);
    return sw_graph_status(g);
}

static sw_status conv_grad_weight_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_value *d = sw_node_input(n, 0), *x = sw_node_input(n, 1);
    if (sw_grad_wants(g, 0))
        dx[0] = with_attrs_of(g, n, "Conv", x, dy[0], NULL);
    if (sw_grad_wants(g, 1))
        dx[1] = with_attrs_of(g, n, "ConvGradData", d, dy[0], x);
    return sw_graph_status(g);
}

/* ---- samples ---- */
#define SAME_3X3 SW_WITH(SW_SET_INTS("pads", 1, 1, 1, 1))
#define WILD                                                                                                           \
    SW_WITH(SW_SET_INTS("pads", 1, 0, 2, 1), SW_SET_INTS("strides", 2, 3), SW_SET_INTS("dilations", 2, 1),             \
            SW_SET_INT("groups", 2))
#define DEPTHWISE SW_WITH(SW_SET_INTS("pads", 1, 1, 1, 1), SW_SET_INT("groups", 3))
#define LINE SW_WITH(SW_SET_INTS("pads", 2, 1), SW_SET_INTS("strides", 2))
#define SOLID SW_WITH(SW_SET_INTS("pads", 1, 0, 1, 0, 1, 0))

/* x, w, y of each kind of convolution, in the order in which a row takes them. */
/* clang-format off */
#define CONV_X {4, {2, 3, 5, 6}}
#define CONV_W {4, {4, 3, 3, 3}}
/* clang-format on */
static const sw_sample conv_items[] = {
    {.note = "plain", .inputs_count = 3, .dims = {CONV_X, CONV_W, {1, {4}}}},
    {.note = "same size", .inputs_count = 2, .dims = {CONV_X, CONV_W}, SAME_3X3},
    {.note = "1x1", .inputs_count = 3, .dims = {CONV_X, {4, {2, 3, 1, 1}}, {1, {2}}}},
    {.note = "strides, dilation, groups, uneven pads",
     .inputs_count = 3,
     .dims = {{4, {2, 4, 7, 8}}, {4, {6, 2, 3, 2}}, {1, {6}}},
     WILD},
    {.note = "depthwise", .inputs_count = 2, .dims = {CONV_X, {4, {6, 1, 3, 3}}}, DEPTHWISE},
    {.note = "one axis", .inputs_count = 3, .dims = {{3, {2, 3, 9}}, {3, {2, 3, 4}}, {1, {2}}}, LINE},
    {.note = "three axes", .inputs_count = 2, .dims = {{5, {1, 2, 3, 4, 3}}, {5, {2, 2, 2, 2, 2}}}, SOLID},
    {.note = "no pictures", .inputs_count = 3, .dims = {{4, {0, 3, 5, 6}}, CONV_W, {1, {4}}}},
};
static const sw_op_samples conv_samples = SW_SAMPLES(conv_items);

static const sw_sample conv_grad_data_items[] = {
    {.note = "plain", .inputs_count = 3, .dims = {{4, {2, 4, 3, 4}}, CONV_W, CONV_X}},
    {.note = "same size", .inputs_count = 3, .dims = {{4, {2, 4, 5, 6}}, CONV_W, CONV_X}, SAME_3X3},
    {.note = "strides, dilation, groups, uneven pads",
     .inputs_count = 3,
     .dims = {{4, {2, 6, 3, 3}}, {4, {6, 2, 3, 2}}, {4, {2, 4, 7, 8}}},
     WILD},
    {.note = "depthwise", .inputs_count = 3, .dims = {{4, {2, 6, 5, 6}}, {4, {6, 1, 3, 3}}, CONV_X}, DEPTHWISE},
    {.note = "one axis", .inputs_count = 3, .dims = {{3, {2, 2, 5}}, {3, {2, 3, 4}}, {3, {2, 3, 9}}}, LINE},
};
static const sw_op_samples conv_grad_data_samples = SW_SAMPLES(conv_grad_data_items);

static const sw_sample conv_grad_weight_items[] = {
    {.note = "plain", .inputs_count = 3, .dims = {{4, {2, 4, 3, 4}}, CONV_X, CONV_W}},
    {.note = "same size", .inputs_count = 3, .dims = {{4, {2, 4, 5, 6}}, CONV_X, CONV_W}, SAME_3X3},
    {.note = "strides, dilation, groups, uneven pads",
     .inputs_count = 3,
     .dims = {{4, {2, 6, 3, 3}}, {4, {2, 4, 7, 8}}, {4, {6, 2, 3, 2}}},
     WILD},
    {.note = "depthwise", .inputs_count = 3, .dims = {{4, {2, 6, 5, 6}}, CONV_X, {4, {6, 1, 3, 3}}}, DEPTHWISE},
    {.note = "one axis", .inputs_count = 3, .dims = {{3, {2, 2, 5}}, {3, {2, 3, 9}}, {3, {2, 3, 4}}}, LINE},
    {.note = "no pictures", .inputs_count = 3, .dims = {{4, {0, 4, 3, 4}}, {4, {0, 3, 5, 6}}, CONV_W}},
};
static const sw_op_samples conv_grad_weight_samples = SW_SAMPLES(conv_grad_weight_items);

/* ---- rows ---- */
const sw_op sw_op_conv = {
    SW_ROW,
    .name = "Conv",
    .doc = "Convolution (cross-correlation) of x [N, C, spatial…] with w [M, C / groups, kernel…], plus b [M]: [N, M, "
           "spatial…], "
           "1 to 3 spatial axes of (size + pads - dilation * (kernel - 1) - 1) / stride + 1, rounded down.",
    .inputs = {{"x", SW_FLOATING}, {"w", SW_SAME_AS("x")}, {"b", SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {SW_CONV_ATTRS},
    .infer = sw_conv_infer,
    .grad = {SW_GRAD_RULE, conv_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = sw_conv_cost,
    .flags = SW_DETERMINISTIC,
    .reference = conv_reference,
    .samples = &conv_samples,
};

const sw_op sw_op_conv_grad_data = {
    SW_ROW,
    .name = "ConvGradData",
    .doc = "The gradient of Conv by its x (a transposed convolution): dims of x, from dy and the weight.",
    .inputs = {{"dy", SW_FLOATING}, {"w", SW_SAME_AS("dy")}, {"x", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {SW_CONV_ATTRS},
    .infer = conv_grad_data_infer,
    .grad = {SW_GRAD_RULE, conv_grad_data_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = conv_grad_data_cost,
    .flags = SW_DETERMINISTIC,
    .reference = conv_grad_data_reference,
    .samples = &conv_grad_data_samples,
};

const sw_op sw_op_conv_grad_weight = {
    SW_ROW,
    .name = "ConvGradWeight",
    .doc = "The gradient of Conv by its weight: dims of w, from dy and x, summed over the batch.",
    .inputs = {{"dy", SW_FLOATING}, {"x", SW_SAME_AS("dy")}, {"w", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"dw", SW_SAME_AS("dy")}},
    .attrs = {SW_CONV_ATTRS},
    .infer = conv_grad_weight_infer,
    .grad = {SW_GRAD_RULE, conv_grad_weight_grad, SW_KEEP_INPUT(0) | SW_KEEP_INPUT(1)},
    .cost = conv_grad_weight_cost,
    .flags = SW_DETERMINISTIC,
    .reference = conv_grad_weight_reference,
    .samples = &conv_grad_weight_samples,
};

sw_value *sw_conv(sw_graph *g, sw_value *x, sw_value *w, sw_value *b, const sw_window *window)
{
    sw_window_attrs attrs;
    sw_window_attrs_of(window, false, &attrs);
    return sw_row_add(g, "Conv", SW_VALUES(x, w, b), attrs.count, attrs.attrs);
}
