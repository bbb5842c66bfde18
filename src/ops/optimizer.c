/* optimizer.c: one node per parameter that gives its next version: SgdUpdate, AdamUpdate, and the steps over all of
 * them.
 *
 * An update reads the parameter, its gradient and its slots, and yields their next versions; nothing is changed in
 * place until a plan proves that it may. The learning rate is a value, so that a schedule feeds a compiled step. */
#include "ops/row.h"
#include "ops/sample.h"

/* ---- SgdUpdate ---- */
static sw_status sgd_infer(sw_infer *infer)
{
    const sw_type *param = sw_infer_type(infer, 0), *grad = sw_infer_type(infer, 1);
    if (param->rank < 0 || grad->rank < 0)
        return sw_infer_unknown(infer);
    SW_TRY(sw_infer_rank(infer, 1, param->rank, param->rank));
    for (int i = 0; i < param->rank; i++)
        SW_TRY(sw_infer_agree(infer, param->dims[i], grad->dims[i], "dims of parameter and gradient"));
    SW_TRY(sw_infer_scalar(infer, 3));
    if (sw_infer_type(infer, 2) == NULL && sw_attr_float(infer->node, "momentum") != 0)
        return sw_infer_fail(infer, "momentum needs a buffer");
    sw_infer_copy(infer, 0, param);
    sw_infer_copy(infer, 1, param);
    return SW_OK;
}

/* How a view's elements are reached in one common row-major walk of up to four views. */
static bool walk_all(const sw_view *const *views, int count, sw_walk *walk)
{
    const int64_t *strides[SW_WALK_MAX];
    for (int i = 0; i < count; i++)
        strides[i] = views[i]->strides;
    return sw_walk_begin(walk, views[0]->rank, views[0]->dims, count, strides);
}

static double load(const sw_view *view, int64_t at) { return sw_load_f64(view->dtype, view->data, at); }
static void store(const sw_view *view, int64_t at, double v) { sw_store_f64(view->dtype, view->data, at, v); }

static sw_status sgd_reference(const sw_call *call)
{
    const sw_view *p = &call->inputs[0], *g = &call->inputs[1], *buffer = &call->inputs[2];
    const sw_view *next = &call->outputs[0], *next_buffer = &call->outputs[1];
    double lr = sw_call_scalar(call, 3), momentum = sw_attr_float(call->node, "momentum");
    double decay = sw_attr_float(call->node, "weight_decay");
    bool nesterov = sw_attr_int(call->node, "nesterov"), buffered = sw_call_given(call, 2);
    sw_walk w, slots;
    if (!walk_all((const sw_view *[]){p, g, next}, 3, &w))
        return SW_OK;
    if (buffered)
        walk_all((const sw_view *[]){buffer, call->outputs_count > 1 && next_buffer->data ? next_buffer : buffer}, 2,
                 &slots);
    do {
        double d = load(g, w.at[1]) + decay * load(p, w.at[0]);
        if (buffered) {
            double b = momentum * load(buffer, slots.at[0]) + d;
            if (call->outputs_count > 1 && next_buffer->data)
                store(next_buffer, slots.at[1], b);
            d = nesterov ? d + momentum * b : b;
            sw_walk_next(&slots);
        }
        store(next, w.at[2], load(p, w.at[0]) - lr * d);
    } while (sw_walk_next(&w));
    return SW_OK;
}

static sw_cost sgd_cost(const sw_call *call) { return sw_cost_of(call, 6 * sw_cost_elements(&call->inputs[0])); }

static const sw_sample sgd_items[] = {
    {.note = "plain", .inputs_count = 4, .dims = {{2, {3, 5}}, {2, {3, 5}}, {0}, {0}}, .absent = 4},
    {.note = "momentum and decay",
     .inputs_count = 4,
     .dims = {{2, {3, 5}}, {2, {3, 5}}, {2, {3, 5}}, {0}},
     SW_WITH(SW_SET_FLOAT("momentum", 0.9), SW_SET_FLOAT("weight_decay", 0.01))},
    {.note = "nesterov",
     .inputs_count = 4,
     .dims = {{1, {7}}, {1, {7}}, {1, {7}}, {0}},
     SW_WITH(SW_SET_FLOAT("momentum", 0.9), SW_SET_INT("nesterov", 1))},
};
static const sw_op_samples sgd_samples = SW_SAMPLES(sgd_items);

const sw_op sw_op_sgd_update = {
    SW_ROW,
    .name = "SgdUpdate",
    .doc = "One step of gradient descent: d = grad + weight_decay * param; buffer' = momentum * buffer + d; param' = "
           "param - lr * buffer' "
           "(nesterov: lr * (d + momentum * buffer'); without a buffer: lr * d).",
    .inputs = {{"param", SW_FLOATING},
               {"grad", SW_SAME_AS("param")},
               {"buffer", SW_FLOATING, .flags = SW_PORT_OPTIONAL},
               {"lr", SW_FLOATING}},
    .outputs = {{"next_param", SW_SAME_AS("param")}, {"next_buffer", SW_SAME_AS("buffer"), .flags = SW_PORT_OPTIONAL}},
    .attrs = {{"momentum", SW_ATTR_FLOAT, .doc = "how much of the last step is kept"},
              {"weight_decay", SW_ATTR_FLOAT, .doc = "added to the gradient, times the parameter"},
              {"nesterov", SW_ATTR_INT, .doc = "1: look ahead along the momentum"}},
    .infer = sgd_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = sgd_cost,
    .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = sgd_reference,
    .samples = &sgd_samples,
};

/* ---- AdamUpdate ---- */
static sw_status adam_infer(sw_infer *infer)
{
    const sw_type *param = sw_infer_type(infer, 0);
    for (int k = 1; k < 4; k++) {
        const sw_type *other = sw_infer_type(infer, k);
        if (param->rank < 0 || other->rank < 0)
            return sw_infer_unknown(infer);
        SW_TRY(sw_infer_rank(infer, k, param->rank, param->rank));
        for (int i = 0; i < param->rank; i++)
            SW_TRY(sw_infer_agree(infer, param->dims[i], other->dims[i], "dims of parameter, gradient and slots"));
    }
    SW_TRY(sw_infer_scalar(infer, 4));
    SW_TRY(sw_infer_scalar(infer, 5));
    for (int k = 0; k < 3; k++)
        sw_infer_copy(infer, k, param);
    return SW_OK;
}

struct adam {
    double lr, beta1, beta2, epsilon, decay, correction1, correction2;
    bool decoupled;
};

static double adam_step(const struct adam *a, double p, double g, double *m, double *v)
{
    if (a->decoupled)
        p -= a->lr * a->decay * p;
    else
        g += a->decay * p;
    *m = a->beta1 * *m + (1 - a->beta1) * g;
    *v = a->beta2 * *v + (1 - a->beta2) * g * g;
    return p - a->lr * (*m / a->correction1) / (sqrt(*v / a->correction2) + a->epsilon);
}

static sw_status adam_reference(const sw_call *call)
{
    const sw_view *in = call->inputs, *out = call->outputs;
    double step = sw_call_scalar(call, 5);
    struct adam a = {.lr = sw_call_scalar(call, 4),
                     .beta1 = sw_attr_float(call->node, "beta1"),
                     .beta2 = sw_attr_float(call->node, "beta2"),
                     .epsilon = sw_attr_float(call->node, "epsilon"),
                     .decay = sw_attr_float(call->node, "weight_decay"),
                     .decoupled = sw_attr_int(call->node, "decoupled")};
    a.correction1 = 1 - pow(a.beta1, step), a.correction2 = 1 - pow(a.beta2, step);
    sw_walk w, next;
    if (!walk_all((const sw_view *[]){&in[0], &in[1], &in[2], &in[3]}, 4, &w) ||
        !walk_all((const sw_view *[]){&out[0], &out[1], &out[2]}, 3, &next))
        return SW_OK;
    do {
        double m = load(&in[2], w.at[2]), v = load(&in[3], w.at[3]);
        double p = adam_step(&a, load(&in[0], w.at[0]), load(&in[1], w.at[1]), &m, &v);
        store(&out[0], next.at[0], p);
        store(&out[1], next.at[1], m);
        store(&out[2], next.at[2], v);
    } while (sw_walk_next(&w) && sw_walk_next(&next));
    return SW_OK;
}

static sw_cost adam_cost(const sw_call *call) { return sw_cost_of(call, 16 * sw_cost_elements(&call->inputs[0])); }

#define ADAM_DIMS                                                                                                      \
    .inputs_count = 6, .dims = {{2, {3, 5}}, {2, {3, 5}}, {2, {3, 5}}, {2, {3, 5}}, {0}, {0}}, .low = 0.01, .high = 1, \
    .ints = {[5] = SW_I64S(3)}
static const sw_sample adam_items[] = {
    {.note = "plain", ADAM_DIMS},
    {.note = "decay in the gradient", ADAM_DIMS, SW_WITH(SW_SET_FLOAT("weight_decay", 0.1))},
    {.note = "decoupled decay",
     ADAM_DIMS,
     SW_WITH(SW_SET_FLOAT("weight_decay", 0.1), SW_SET_INT("decoupled", 1), SW_SET_FLOAT("beta1", 0.8),
             SW_SET_FLOAT("epsilon", 1e-3))},
};
static const sw_op_samples adam_samples = SW_SAMPLES(adam_items);

const sw_op sw_op_adam_update = {
    SW_ROW,
    .name = "AdamUpdate",
    .doc = "One step of Adam (Kingma & Ba 2015): m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g^2; param' "
           "= param - lr * m^ / "
           "(sqrt(v^) + epsilon) with m^ = m' / (1 - beta1^step), v^ = v' / (1 - beta2^step). Weight decay is added to "
           "g, or when "
           "decoupled (Loshchilov & Hutter 2019) taken off as lr * weight_decay * param.",
    .inputs = {{"param", SW_FLOATING},
               {"grad", SW_SAME_AS("param")},
               {"m", SW_FLOATING},
               {"v", SW_SAME_AS("m")},
               {"lr", SW_FLOATING},
               {"step", SW_DT(SW_I64)}},
    .outputs = {{"next_param", SW_SAME_AS("param")}, {"next_m", SW_SAME_AS("m")}, {"next_v", SW_SAME_AS("m")}},
    .attrs = {{"beta1", SW_ATTR_FLOAT, .f = 0.9, .doc = "memory of the mean gradient"},
              {"beta2", SW_ATTR_FLOAT, .f = 0.999, .doc = "memory of the mean squared gradient"},
              {"epsilon", SW_ATTR_FLOAT, .f = 1e-8, .doc = "keeps the division finite"},
              {"weight_decay", SW_ATTR_FLOAT, .doc = "pulls parameters toward 0"},
              {"decoupled", SW_ATTR_INT, .doc = "1: AdamW"}},
    .infer = adam_infer,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .cost = adam_cost,
    .flags = SW_DETERMINISTIC | SW_IN_PLACE_FIRST,
    .reference = adam_reference,
    .samples = &adam_samples,
};

/* ---- steps over every parameter with a gradient ---- */
/* The current version of the state "<param><suffix>", made of zeros at its first use; *state is it, kept by the graph.
 */
static sw_value *slot(sw_graph *g, const char *param, const char *suffix, sw_dtype dtype, sw_dims dims,
                      sw_state **state)
{
    sw_context *ctx = sw_graph_context(g);
    char *name = sw_format(ctx, "%s%s", param, suffix);
    *state = name ? sw_graph_state_named(g, name) : NULL;
    bool fresh = name && *state == NULL;
    if (fresh)
        *state = sw_state_new(ctx, name, dtype, dims, sw_init_zero(), false);
    sw_free(ctx, name);
    if (*state == NULL) {
        sw_graph_fail(g, sw_alloc_status());
        return NULL;
    }
    sw_value *value = sw_read(g, *state); /* the graph keeps a reference of its own */
    if (fresh)
        sw_state_release(*state);
    return value;
}

static sw_value *rate(sw_graph *g, sw_value *lr_value, double lr)
{
    return lr_value != NULL ? lr_value : sw_scalar(g, SW_F32, lr);
}

/* Calls `update` for each trainable state that the last sw_backward reached; slots made on the way are not trainable.
 */
static sw_status each_parameter(sw_graph *g, void *options,
                                sw_status (*update)(sw_graph *g, void *options, sw_state *param, sw_value *grad))
{
    int updated = 0;
    for (int i = 0; sw_ok(g) && i < sw_graph_state_count(g); i++) {
        sw_state *state = sw_graph_state(g, i);
        sw_value *grad = sw_state_trainable(state) ? sw_gradient_of(g, state) : SW_NONE;
        if (grad == NULL || grad == SW_NONE)
            continue;
        SW_TRY(update(g, options, state, grad));
        updated++;
    }
    if (sw_ok(g) && updated == 0)
        return sw_graph_fail(g, sw_fail(SW_INVALID, "no parameter has a gradient: call sw_backward first"));
    return sw_graph_status(g);
}

static sw_status sgd_update(sw_graph *g, void *user, sw_state *param, sw_value *grad)
{
    const sw_sgd_options *o = user;
    sw_dims dims = sw_tensor_dims(sw_state_tensor(param));
    sw_dtype dtype = sw_tensor_dtype(sw_state_tensor(param));
    sw_state *buffer_state = NULL;
    sw_value *buffer =
        o->momentum != 0 ? slot(g, sw_state_name(param), ".momentum", dtype, dims, &buffer_state) : SW_NONE;
    sw_value *inputs[] = {sw_read(g, param), grad, buffer, o->lr_value}, *outputs[2] = {SW_NONE, SW_NONE};
    sw_attr attrs[] = {SW_ATTR_F("momentum", o->momentum), SW_ATTR_F("weight_decay", o->weight_decay),
                       SW_ATTR_I("nesterov", o->nesterov)};
    sw_node_add(g, "SgdUpdate", inputs, 4, attrs, 3, outputs, buffer_state ? 2 : 1);
    SW_TRY(sw_graph_status(g));
    SW_TRY(sw_assign(g, param, outputs[0]));
    return buffer_state ? sw_assign(g, buffer_state, outputs[1]) : SW_OK;
}

sw_status sw_sgd_step(sw_graph *g, sw_sgd_options options)
{
    options.lr_value = rate(g, options.lr_value, options.lr);
    return each_parameter(g, &options, sgd_update);
}

/* Adam's options with the step that all parameters share. */
struct adam_run {
    sw_adam_options o;
    sw_value *step;
};

static sw_status adam_update(sw_graph *g, void *user, sw_state *param, sw_value *grad)
{
    const struct adam_run *run = user;
    const char *name = sw_state_name(param);
    sw_dims dims = sw_tensor_dims(sw_state_tensor(param));
    sw_dtype dtype = sw_tensor_dtype(sw_state_tensor(param));
    sw_state *m_state, *v_state;
    sw_value *m = slot(g, name, ".m", dtype, dims, &m_state), *v = slot(g, name, ".v", dtype, dims, &v_state);
    sw_value *inputs[] = {sw_read(g, param), grad, m, v, run->o.lr_value, run->step}, *outputs[3];
    sw_attr attrs[] = {SW_ATTR_F("beta1", run->o.beta1), SW_ATTR_F("beta2", run->o.beta2),
                       SW_ATTR_F("epsilon", run->o.epsilon), SW_ATTR_F("weight_decay", run->o.weight_decay),
                       SW_ATTR_I("decoupled", run->o.decoupled)};
    sw_node_add(g, "AdamUpdate", inputs, 6, attrs, 5, outputs, 3);
    SW_TRY(sw_graph_status(g));
    SW_TRY(sw_assign(g, param, outputs[0]));
    SW_TRY(sw_assign(g, m_state, outputs[1]));
    return sw_assign(g, v_state, outputs[2]);
}

sw_status sw_adam_step(sw_graph *g, sw_adam_options options)
{
    options.beta1 = options.beta1 != 0 ? options.beta1 : 0.9;
    options.beta2 = options.beta2 != 0 ? options.beta2 : 0.999;
    options.epsilon = options.epsilon != 0 ? options.epsilon : 1e-8;
    options.lr_value = rate(g, options.lr_value, options.lr);
    struct adam_run run = {.o = options};
    sw_state *step_state = NULL;
    sw_value *before = slot(g, "adam", ".step", SW_I64, SW_SCALAR, &step_state);
    run.step = sw_add_scalar(g, before, 1);
    SW_TRY(sw_graph_status(g));
    SW_TRY(sw_assign(g, step_state, run.step));
    return each_parameter(g, &run, adam_update);
}
