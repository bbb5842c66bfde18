/* elementwise.c: element i of the result depends on elements i of the operands: activations, arithmetic with
 * broadcasting, comparisons, choice.
 *
 * The node's views become a spread (kernels.h): runs of which every operand is either a vector or one number, whatever
 * the layout; the table of vector loops does the rest. f32 only: other types are served by the rows' reference bodies.
 */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

static const char *skips_spread(const sw_site *site, int first_float)
{
    const sw_view *views[3];
    sw_spread spread;
    for (int i = 0; i < site->inputs_count; i++) {
        if (i >= first_float && site->inputs[i].dtype != SW_F32)
            return "element type is not f32";
        views[i] = &site->inputs[i];
    }
    return sw_spread_make(&spread, &site->outputs[0], site->inputs_count, views) ? NULL
                                                                                 : "operands lie in different layouts";
}

/* ---- one operand ---- */

struct unary {
    const char *op;
    sw_unary_kind kind;
    bool alpha, beta; /* read from the node's attributes */
};
static const struct unary unaries[] = {
    {"Neg", SW_UNARY_NEG},
    {"Abs", SW_UNARY_ABS},
    {"Sign", SW_UNARY_SIGN},
    {"Sqrt", SW_UNARY_SQRT},
    {"Reciprocal", SW_UNARY_RECIPROCAL},
    {"Floor", SW_UNARY_FLOOR},
    {"Ceil", SW_UNARY_CEIL},
    {"Round", SW_UNARY_ROUND},
    {"Identity", SW_UNARY_NONE},
    {"Relu", SW_UNARY_RELU},
    {"LeakyRelu", SW_UNARY_LEAKY_RELU, true},
    {"HardSigmoid", SW_UNARY_HARD_SIGMOID, true, true},
    {"HardSwish", SW_UNARY_HARD_SWISH},
    {"Exp", SW_UNARY_EXP},
    {"Log", SW_UNARY_LOG},
    {"Tanh", SW_UNARY_TANH},
    {"Sigmoid", SW_UNARY_SIGMOID},
    {"Erf", SW_UNARY_ERF},
    {"Elu", SW_UNARY_ELU, true},
    {"Gelu", SW_UNARY_GELU},
    {"Silu", SW_UNARY_SILU},
    {"Softplus", SW_UNARY_SOFTPLUS},
};

struct unary_work {
    void (*loop)(const float *x, float *y, int64_t n, float alpha, float beta);
    const float *x;
    float *y;
    float alpha, beta;
};

static void unary_body(void *user, const sw_run *run)
{
    const struct unary_work *w = user;
    w->loop(w->x + run->at[0], w->y + run->at[1], run->length, w->alpha, w->beta);
}

static sw_status unary_over(const sw_call *call, sw_unary_kind kind, float alpha, float beta)
{
    const sw_view *x = &call->inputs[0];
    struct unary_work w = {
        .loop = sw_simd_here()->unary[kind], .x = x->data, .y = call->outputs[0].data, .alpha = alpha, .beta = beta};
    sw_spread spread;
    if (!sw_spread_make(&spread, &call->outputs[0], 1, &x))
        return sw_fail(SW_INTERNAL, "%s: views cannot be walked", sw_node_name(call->node));
    sw_spread_walk(&spread, call->team, unary_body, &w);
    return SW_OK;
}

static sw_status run_unary(const sw_call *call)
{
    const char *op = sw_node_op(call->node)->name;
    for (size_t i = 0; i < sizeof unaries / sizeof unaries[0]; i++)
        if (strcmp(unaries[i].op, op) == 0) {
            float alpha = unaries[i].alpha ? (float)sw_attr_float(call->node, "alpha") : 0;
            float beta = unaries[i].beta ? (float)sw_attr_float(call->node, "beta") : 0;
            sw_unary_kind kind = unaries[i].kind;
            if (kind == SW_UNARY_GELU && strcmp(sw_attr_string(call->node, "approximate"), "tanh") == 0)
                kind = SW_UNARY_GELU_TANH;
            return unary_over(call, kind, alpha, beta);
        }
    return sw_fail(SW_INTERNAL, "no unary loop for '%s'", op);
}

static const char *skips_unary(const sw_site *site)
{
    return site->outputs[0].dtype != SW_F32 ? "element type is not f32" : skips_spread(site, 0);
}

static sw_status run_clip(const sw_call *call)
{
    const float *low = call->inputs_count > 1 ? call->inputs[1].data : NULL;
    const float *high = call->inputs_count > 2 ? call->inputs[2].data : NULL;
    return unary_over(call, SW_UNARY_CLIP, low ? *low : -INFINITY, high ? *high : INFINITY);
}

static const char *skips_clip(const sw_site *site)
{
    const sw_view *x = &site->inputs[0];
    sw_spread spread;
    if (!sw_site_all(site, SW_F32))
        return "element type is not f32";
    return sw_spread_make(&spread, &site->outputs[0], 1, &x) ? NULL : "operands lie in different layouts";
}

/* ---- two operands ---- */

struct binary_work {
    void (*const *loops)(const float *a, const float *b, float *y, int64_t n);
    void (*const *relations)(const float *a, const float *b, uint8_t *y, int64_t n);
    const float *a, *b;
    void *y;
    sw_operands operands;
};

static void binary_body(void *user, const sw_run *run)
{
    const struct binary_work *w = user;
    const float *a = w->a + run->at[0], *b = w->b + run->at[1];
    if (w->loops)
        w->loops[w->operands](a, b, (float *)w->y + run->at[2], run->length);
    else
        w->relations[w->operands](a, b, (uint8_t *)w->y + run->at[2], run->length);
}

static sw_status binary_over(const sw_call *call, struct binary_work *w)
{
    const sw_view *views[] = {&call->inputs[0], &call->inputs[1]};
    sw_spread spread;
    if (!sw_spread_make(&spread, &call->outputs[0], 2, views))
        return sw_fail(SW_INTERNAL, "%s: views cannot be walked", sw_node_name(call->node));
    int last = spread.rank - 1;
    w->operands = spread.dims[last] == 1         ? SW_VECTOR_VECTOR
                  : spread.strides[0][last] == 0 ? SW_SCALAR_VECTOR
                  : spread.strides[1][last] == 0 ? SW_VECTOR_SCALAR
                                                 : SW_VECTOR_VECTOR;
    w->a = call->inputs[0].data;
    w->b = call->inputs[1].data;
    w->y = call->outputs[0].data;
    sw_spread_walk(&spread, call->team, binary_body, w);
    return SW_OK;
}

static sw_status run_binary(const sw_call *call)
{
    static const char *const names[SW_BINARY_COUNT] = {"Add", "Sub", "Mul", "Div", "Min", "Max"};
    const char *op = sw_node_op(call->node)->name;
    for (int i = 0; i < SW_BINARY_COUNT; i++)
        if (strcmp(names[i], op) == 0)
            return binary_over(call, &(struct binary_work){.loops = sw_simd_here()->binary[i]});
    return sw_fail(SW_INTERNAL, "no binary loop for '%s'", op);
}

static sw_status run_relation(const sw_call *call)
{
    static const char *const names[SW_RELATION_COUNT] = {"Equal", "Less", "LessEqual", "Greater", "GreaterEqual"};
    const char *op = sw_node_op(call->node)->name;
    for (int i = 0; i < SW_RELATION_COUNT; i++)
        if (strcmp(names[i], op) == 0)
            return binary_over(call, &(struct binary_work){.relations = sw_simd_here()->relation[i]});
    return sw_fail(SW_INTERNAL, "no relation loop for '%s'", op);
}

static const char *skips_binary(const sw_site *site) { return skips_spread(site, 0); }

/* Both operands always have equal dims. */
static sw_status run_relu_grad(const sw_call *call)
{
    void (*loops[])(const float *, const float *, float *, int64_t) = {sw_simd_here()->relu_grad};
    return binary_over(call, &(struct binary_work){.loops = loops});
}

static const char *skips_relu_grad(const sw_site *site)
{
    if (sw_view_count(&site->inputs[0]) != sw_view_count(&site->outputs[0]) ||
        sw_view_count(&site->inputs[1]) != sw_view_count(&site->outputs[0]))
        return "operands are broadcast";
    return skips_spread(site, 0);
}

/* ---- choice ---- */

struct where_work {
    const uint8_t *condition;
    const float *yes, *no;
    float *y;
    int64_t steps[3];
};

static void where_body(void *user, const sw_run *run)
{
    const struct where_work *w = user;
    const uint8_t *c = w->condition + run->at[0];
    const float *yes = w->yes + run->at[1], *no = w->no + run->at[2];
    float *y = w->y + run->at[3];
    if (w->steps[0] == 1) {
        sw_simd_here()->where(c, yes, w->steps[1], no, w->steps[2], y, run->length);
        return;
    }
    const float *from = *c ? yes : no;
    if (w->steps[*c ? 1 : 2] == 1)
        memcpy(y, from, sizeof *y * (size_t)run->length);
    else
        for (int64_t i = 0; i < run->length; i++)
            y[i] = *from;
}

static sw_status run_where(const sw_call *call)
{
    const sw_view *views[] = {&call->inputs[0], &call->inputs[1], &call->inputs[2]};
    struct where_work w = {
        .condition = views[0]->data, .yes = views[1]->data, .no = views[2]->data, .y = call->outputs[0].data};
    sw_spread spread;
    if (!sw_spread_make(&spread, &call->outputs[0], 3, views))
        return sw_fail(SW_INTERNAL, "%s: views cannot be walked", sw_node_name(call->node));
    for (int k = 0; k < 3; k++)
        w.steps[k] = spread.strides[k][spread.rank - 1];
    sw_spread_walk(&spread, call->team, where_body, &w);
    return SW_OK;
}

static const char *skips_where(const sw_site *site) { return skips_spread(site, 1); }

#define KERNEL(op_, skips_, run_)                                                                                      \
    {                                                                                                                  \
        .name = "simd", .op = (op_), .skips = (skips_), .run = (run_), .fixed_slices = true                            \
    }
#define UNARY(op) KERNEL(op, skips_unary, run_unary)
#define BINARY(op) KERNEL(op, skips_binary, run_binary)
#define RELATION(op) KERNEL(op, skips_binary, run_relation)
static const sw_kernel kernels[] = {
    UNARY("Neg"),
    UNARY("Abs"),
    UNARY("Sign"),
    UNARY("Sqrt"),
    UNARY("Reciprocal"),
    UNARY("Floor"),
    UNARY("Ceil"),
    UNARY("Round"),
    UNARY("Identity"),
    UNARY("Relu"),
    UNARY("LeakyRelu"),
    UNARY("HardSigmoid"),
    UNARY("HardSwish"),
    UNARY("Exp"),
    UNARY("Log"),
    UNARY("Tanh"),
    UNARY("Sigmoid"),
    UNARY("Erf"),
    UNARY("Elu"),
    UNARY("Gelu"),
    UNARY("Silu"),
    UNARY("Softplus"),
    KERNEL("Clip", skips_clip, run_clip),
    BINARY("Add"),
    BINARY("Sub"),
    BINARY("Mul"),
    BINARY("Div"),
    BINARY("Min"),
    BINARY("Max"),
    KERNEL("ReluGrad", skips_relu_grad, run_relu_grad),
    RELATION("Equal"),
    RELATION("Less"),
    RELATION("LessEqual"),
    RELATION("Greater"),
    RELATION("GreaterEqual"),
    KERNEL("Where", skips_where, run_where),
};
const sw_cpu_family sw_cpu_elementwise = {kernels, sizeof kernels / sizeof kernels[0]};
