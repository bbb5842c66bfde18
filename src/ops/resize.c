/* resize.c: pictures [N, C, H, W] made smaller or larger, and the gradient of that.
 *
 * Both axes are resampled one after the other, and along an axis each output is a weighted sum of neighbours. The
 * weights of an axis are a small table: for output o with centre (o + 1/2) * in / out - 1/2 (half-pixel, as ONNX),
 * "nearest" takes one neighbour, "linear" two, and with antialias the triangle is stretched by in / out when shrinking,
 * cut at the border and brought to sum 1 (as Pillow and PyTorch do). The gradient is the same table read the other way.
 */
#include "ops/row.h"
#include "ops/sample.h"

struct axis {
    int64_t in, out, width; /* width: entries per output */
    int64_t *first;         /* [out] */
    double *weights;        /* [out, width] */
};

static double triangle(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static void nearest_weights(struct axis *a, int64_t o, double centre)
{
    double place = ceil(centre - 0.5); /* halves go down */
    a->first[o] = place < 0 ? 0 : place > (double)(a->in - 1) ? a->in - 1 : (int64_t)place;
    a->weights[o * a->width] = 1;
}

/* Neighbours outside are the edge. */
static void linear_weights(struct axis *a, int64_t o, double centre)
{
    double low = floor(centre), part = centre - low;
    int64_t left = (int64_t)low, first = left < 0 ? 0 : left;
    a->first[o] = first > a->in - 1 ? a->in - 1 : first;
    for (int k = 0; k < 2; k++) {
        int64_t at = left + k < 0 ? 0 : left + k > a->in - 1 ? a->in - 1 : left + k;
        a->weights[o * a->width + (at - a->first[o])] += k ? part : 1 - part;
    }
}

static void stretched_weights(struct axis *a, int64_t o, double centre, double scale)
{
    int64_t first = (int64_t)ceil(centre - scale), last = (int64_t)floor(centre + scale);
    double sum = 0;
    first = first < 0 ? 0 : first;
    last = last > a->in - 1 ? a->in - 1 : last;
    a->first[o] = first;
    for (int64_t i = first; i <= last; i++)
        sum += a->weights[o * a->width + (i - first)] = triangle(((double)i - centre) / scale);
    for (int64_t i = first; i <= last; i++)
        a->weights[o * a->width + (i - first)] /= sum;
}

static sw_status axis_of(const sw_call *call, sw_arena *desk, int64_t in, int64_t out, struct axis *a)
{
    bool nearest = sw_attr_string(call->node, "mode")[0] == 'n',
         stretch = !nearest && sw_attr_int(call->node, "antialias");
    double ratio = out ? (double)in / (double)out : 1, scale = stretch && ratio > 1 ? ratio : 1;
    *a = (struct axis){.in = in, .out = out, .width = nearest ? 1 : (int64_t)ceil(2 * scale) + 2};
    a->first = sw_arena_array(desk, (size_t)(out + 1), sizeof(int64_t));
    a->weights = sw_arena_array(desk, (size_t)(out + 1), (size_t)a->width * sizeof(double));
    if (a->first == NULL || a->weights == NULL)
        return sw_alloc_status();
    for (int64_t o = 0; o < out; o++) {
        double centre = ((double)o + 0.5) * ratio - 0.5;
        if (nearest)
            nearest_weights(a, o, centre);
        else if (scale > 1)
            stretched_weights(a, o, centre, scale);
        else
            linear_weights(a, o, centre);
    }
    return SW_OK;
}

/* One line of an axis: to[out] from from[in], elements `step` apart; backward adds from[out]'s shares to to[in]. */
static void resample(const struct axis *a, const double *from, int64_t from_step, double *to, int64_t to_step,
                     bool backward)
{
    for (int64_t o = 0; o < a->out; o++)
        for (int64_t k = 0; k < a->width && a->first[o] + k < a->in; k++) {
            double weight = a->weights[o * a->width + k];
            int64_t i = a->first[o] + k;
            if (backward)
                to[i * to_step] += weight * from[o * from_step];
            else
                to[o * to_step] += weight * from[i * from_step];
        }
}

/* All planes, rows first; `from` and `to` packed. */
static void resample_planes(const struct axis *rows, const struct axis *columns, int64_t planes, double *from,
                            double *middle, double *to, bool backward)
{
    int64_t h = backward ? rows->out : rows->in, w = backward ? columns->out : columns->in;
    int64_t h2 = backward ? rows->in : rows->out, w2 = backward ? columns->in : columns->out;
    for (int64_t p = 0; p < planes; p++, from += h * w, to += h2 * w2) {
        memset(middle, 0, sizeof(double) * (size_t)(h * w2));
        for (int64_t y = 0; y < h; y++)
            resample(columns, from + y * w, 1, middle + y * w2, 1, backward);
        for (int64_t x = 0; x < w2; x++)
            resample(rows, middle + x, w2, to + x, w2, backward);
    }
}

static sw_status resize(const sw_call *call, sw_arena *desk, const sw_view *x, const sw_view *y, bool backward)
{
    const sw_view *from = backward ? y : x, *to = &call->outputs[0];
    struct axis rows, columns;
    if (sw_view_count(to) == 0 || (sw_view_count(from) == 0 && !backward))
        return SW_OK;
    SW_TRY(axis_of(call, desk, x->dims[2], y->dims[2], &rows));
    SW_TRY(axis_of(call, desk, x->dims[3], y->dims[3], &columns));
    double *values = sw_desk_load(desk, from), *result = sw_desk_array(desk, sw_view_count(to));
    double *middle = sw_desk_array(desk, from->dims[2] * to->dims[3]);
    if (values == NULL || result == NULL || middle == NULL)
        return sw_alloc_status();
    resample_planes(&rows, &columns, x->dims[0] * x->dims[1], values, middle, result, backward);
    for (int64_t i = 0; !sw_dtype_is_float(to->dtype) && i < sw_view_count(to); i++)
        result[i] = nearbyint(result[i]);
    sw_view_store(to, result);
    return SW_OK;
}

static sw_status resize_body(const sw_call *call, sw_arena *desk)
{
    return resize(call, desk, &call->inputs[0], &call->outputs[0], false);
}
static sw_status resize_reference(const sw_call *call) { return sw_on_desk(call, resize_body); }
static sw_status resize_grad_body(const sw_call *call, sw_arena *desk)
{
    return resize(call, desk, &call->outputs[0], &call->inputs[0], true);
}
static sw_status resize_grad_reference(const sw_call *call) { return sw_on_desk(call, resize_grad_body); }

/* ---- inference ---- */
static sw_status resize_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 0);
    const sw_dim *sizes;
    int count;
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_rank(infer, 0, 4, 4));
    SW_TRY(sw_infer_rank(infer, 1, 1, 1));
    sw_dim dims[4] = {x->dims[0], x->dims[1], SW_DIM_UNKNOWN, SW_DIM_UNKNOWN};
    if (sw_infer_contents_of(infer, 1, &sizes, &count)) {
        if (count != 2)
            return sw_infer_fail(infer, "%d sizes, needs 2: height and width", count);
        for (int i = 0; i < 2; i++) {
            if (sizes[i] <= 0 && sizes[i] > SW_DIM_UNKNOWN)
                return sw_infer_fail(infer, "size %d is %lld", i, (long long)sizes[i]);
            if (x->dims[2 + i] == 0)
                return sw_infer_fail(infer, "axis %d has no pixels to resize", 2 + i);
            dims[2 + i] = sizes[i];
        }
    }
    sw_infer_dims(infer, 0, 4, dims);
    return SW_OK;
}

static sw_status resize_grad_infer(sw_infer *infer)
{
    const sw_type *x = sw_infer_type(infer, 1);
    if (x->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_rank(infer, 0, 4, 4));
    SW_TRY(sw_infer_rank(infer, 1, 4, 4));
    sw_infer_copy(infer, 0, x);
    return SW_OK;
}

static sw_cost resize_cost(const sw_call *call)
{
    return sw_cost_of(call, 8 * (sw_cost_elements(&call->inputs[0]) + sw_cost_elements(&call->outputs[0])));
}

static sw_status resize_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_attr attrs[SW_MAX_ATTRS];
    int count = sw_node_attrs(n, attrs);
    dx[0] = sw_row_add(g, "ResizeGrad", SW_VALUES(dy[0], sw_node_input(n, 0)), count, attrs);
    return sw_graph_status(g);
}

static sw_status resize_grad_grad(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx)
{
    sw_attr attrs[SW_MAX_ATTRS];
    int count = sw_node_attrs(n, attrs);
    sw_value *sizes = sw_slice(g, sw_shape_of(g, sw_node_input(n, 0)), 0, 2, 4, 1);
    dx[0] = sw_row_add(g, "Resize", SW_VALUES(dy[0], sizes), count, attrs);
    return sw_graph_status(g);
}

/* ---- rows ---- */
#define ANTIALIAS SW_SET_INT("antialias", 1)
#define SIZES(h, w) .inputs_count = 2, .ints = {NULL, SW_I64S(h, w)}
/* clang-format off */
#define PICTURE {{4, {1, 2, 5, 7}}, {1, {2}}}
/* clang-format on */
static const sw_sample resize_items[] = {
    {.note = "larger", SIZES(8, 9), .dims = PICTURE},
    {.note = "smaller", SIZES(2, 3), .dims = PICTURE},
    {.note = "smaller, antialiased", SIZES(2, 3), .dims = PICTURE, SW_WITH(ANTIALIAS)},
    {.note = "one way each, antialiased", SIZES(9, 2), .dims = PICTURE, SW_WITH(ANTIALIAS)},
    {.note = "nearest", SIZES(3, 14), .dims = PICTURE, SW_WITH(SW_SET_TEXT("mode", "nearest"))},
    {.note = "bytes", SIZES(3, 4), .dims = PICTURE, .dtype = {SW_U8}, .integer_max = {256}},
};
static const sw_op_samples resize_samples = SW_SAMPLES(resize_items);
static const sw_sample resize_grad_items[] = {
    {.note = "larger", .inputs_count = 2, .dims = {{4, {1, 2, 8, 9}}, {4, {1, 2, 5, 7}}}},
    {.note = "smaller, antialiased",
     .inputs_count = 2,
     .dims = {{4, {1, 2, 2, 3}}, {4, {1, 2, 5, 7}}},
     SW_WITH(ANTIALIAS)},
    {.note = "nearest",
     .inputs_count = 2,
     .dims = {{4, {1, 2, 3, 14}}, {4, {1, 2, 5, 7}}},
     SW_WITH(SW_SET_TEXT("mode", "nearest"))},
};
static const sw_op_samples resize_grad_samples = SW_SAMPLES(resize_grad_items);

/* clang-format off */
#define RESIZE_ATTRS                                                                                                   \
    {"mode", SW_ATTR_STRING, .s = "linear", .choices = "nearest|linear", .doc = "neighbours: one, or two an axis"},    \
        {"antialias", SW_ATTR_INT, .doc = "1: linear takes all that a smaller picture's pixel covers"}
/* clang-format on */

const sw_op sw_op_resize = {
    SW_ROW,
    .name = "Resize",
    .doc = "x [N, C, H, W] resampled to the height and width in `sizes`, pixel centres at halves (ONNX's half_pixel); "
           "integers round to even.",
    .inputs = {{"x", SW_NUMERIC}, {"sizes", SW_DT(SW_I64), .flags = SW_PORT_SHAPE_VALUE}},
    .outputs = {{"y", SW_SAME_AS("x")}},
    .attrs = {RESIZE_ATTRS},
    .infer = resize_infer,
    .grad = {SW_GRAD_RULE, resize_grad},
    .cost = resize_cost,
    .flags = SW_DETERMINISTIC,
    .reference = resize_reference,
    .samples = &resize_samples,
};
const sw_op sw_op_resize_grad = {
    SW_ROW,
    .name = "ResizeGrad",
    .doc = "The gradient of Resize: each dy shared among the elements of x that it was taken from, by their weights.",
    .inputs = {{"dy", SW_FLOATING}, {"x", SW_SAME_AS("dy"), .flags = SW_PORT_SHAPE_ONLY}},
    .outputs = {{"dx", SW_SAME_AS("dy")}},
    .attrs = {RESIZE_ATTRS},
    .infer = resize_grad_infer,
    .grad = {SW_GRAD_RULE, resize_grad_grad},
    .cost = resize_cost,
    .flags = SW_DETERMINISTIC,
    .reference = resize_grad_reference,
    .samples = &resize_grad_samples,
};

sw_value *sw_resize(sw_graph *g, sw_value *x, int64_t height, int64_t width, const char *mode)
{
    bool stretch = strcmp(mode, "linear_antialias") == 0;
    return sw_row_add(g, "Resize", SW_VALUES(x, sw_ints(g, 2, (int64_t[]){height, width})),
                      SW_ATTRS(SW_ATTR_S("mode", stretch ? "linear" : mode), SW_ATTR_I("antialias", stretch)));
}
