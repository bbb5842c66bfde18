/* The walk over the gradients: every rule against central differences in f64, and what it may look at. */
#include "walk.h"

/* Outputs that a gradient can come from, inputs that one can reach. */
static bool gives(const struct place *p, int output, const sw_tensor *tensor)
{
    return sw_dtype_is_float(sw_tensor_dtype(tensor)) &&
           !(port_at(p->op->outputs, output)->flags & SW_PORT_NO_GRADIENT);
}

static bool takes(const struct place *p, int input, const sw_tensor *tensor)
{
    const sw_port *port = port_at(p->op->inputs, input);
    return tensor && sw_dtype_is_float(sw_tensor_dtype(tensor)) &&
           !(port->flags & (SW_PORT_NO_GRADIENT | SW_PORT_SHAPE_ONLY));
}

/* sum over outputs of r * y, r drawn once */
static double weighted(sw_context *ctx, const struct place *p, sw_tensor *const *inputs, sw_tensor *const *weights)
{
    sw_tensor *outputs[SW_MAX_PORTS];
    int count = compute(ctx, p, inputs, outputs);
    double sum = 0;
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; weights[i] && k < sw_tensor_count(outputs[i]); k++)
            sum += sw_tensor_get(outputs[i], k) * sw_tensor_get(weights[i], k);
    release_all(outputs, count);
    return sum;
}

static double slope(sw_context *ctx, const struct place *p, sw_tensor *const *inputs, sw_tensor *const *weights,
                    double *element)
{
    const double h = 1e-6;
    double at = *element;
    *element = at + h;
    double above = weighted(ctx, p, inputs, weights);
    *element = at - h;
    double below = weighted(ctx, p, inputs, weights);
    *element = at;
    return (above - below) / (2 * h);
}

/* Whether all that can be f64 is: differences in anything less say nothing. */
static bool is_f64(const struct place *p, sw_tensor *const *inputs)
{
    bool any = false;
    for (int i = 0; i < p->sample->inputs_count; i++) {
        if (!takes(p, i, inputs[i]))
            continue;
        if (sw_tensor_dtype(inputs[i]) != SW_F64)
            return false;
        any = true;
    }
    return any;
}

/* Incoming gradients for the outputs that have them, in an awake graph. */
static void draw_weights(sw_context *ctx, sw_graph *g, const struct place *p, int count, sw_value **out,
                         sw_tensor **weights, sw_value **dy)
{
    for (int i = 0; i < count; i++) {
        sw_tensor *y = sw_value_tensor(out[i]);
        dy[i] = SW_NONE;
        weights[i] = NULL;
        if (!gives(p, i, y))
            continue;
        weights[i] = sw_tensor_new(ctx, sw_tensor_dtype(y), sw_tensor_dims(y));
        for (int64_t k = 0; k < sw_tensor_count(y); k++)
            sw_tensor_set(weights[i], k,
                          sw_random_double((sw_random_address){.seed = 9, .stream = (uint32_t)i}, (uint64_t)k) + 0.5);
        dy[i] = sw_input(g, weights[i]);
    }
}

static void compare(sw_context *ctx, const struct place *p, int input, sw_tensor **inputs, sw_tensor **weights,
                    sw_value *gradient)
{
    const char *port = port_at(p->op->inputs, input)->name;
    sw_tensor *x = inputs[input], *dx = gradient == SW_NONE ? NULL : sw_value_tensor(gradient);
    if (dx && !sw_dims_equal(sw_tensor_dims(dx), sw_tensor_dims(x)))
        fail_msg("%s: the gradient of '%s' has other dims than it", place_text(p), port);
    for (int64_t k = 0; k < sw_tensor_count(x); k++) {
        double expected = slope(ctx, p, inputs, weights, (double *)sw_tensor_data(x) + k);
        double got = dx ? sw_tensor_get(dx, k) : 0;
        if (!(fabs(got - expected) <= 2e-6 * (1 + fabs(expected))))
            fail_msg("%s: d/d%s[%lld] is %.9g, differences say %.9g", place_text(p), port, (long long)k, got, expected);
    }
}

static void rule_is_right(sw_context *ctx, const struct place *p)
{
    sw_tensor *inputs[SW_MAX_PORTS], *weights[SW_MAX_PORTS];
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0}, *dy[SW_MAX_PORTS], *dx[SW_MAX_PORTS];
    if (p->op->grad.kind != SW_GRAD_RULE || p->sample->smooth_off)
        return;
    make_inputs(ctx, p, SW_F64, 5, inputs);
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    int count = add_node(g, p, inputs, in, out);
    if (!sw_ok(g))
        fail_msg("%s: %s", place_text(p), sw_graph_error(g));
    draw_weights(ctx, g, p, count, out, weights, dy);
    for (int i = 0; i < SW_MAX_PORTS; i++)
        dx[i] = SW_NONE;
    if (is_f64(p, inputs) && (p->op->grad.rule(g, out[0]->node, dy, dx) != SW_OK || !sw_ok(g)))
        fail_msg("%s: %s", place_text(p), sw_error_text());
    for (int i = 0; i < p->sample->inputs_count && is_f64(p, inputs); i++) {
        if (takes(p, i, inputs[i]))
            compare(ctx, p, i, inputs, weights, dx[i]);
        else if (dx[i] != SW_NONE)
            fail_msg("%s: a gradient for '%s', which takes none", place_text(p), port_at(p->op->inputs, i)->name);
    }
    sw_graph_free(g);
    release_all(weights, count);
    release_all(inputs, p->sample->inputs_count);
}

static void test_every_rule_agrees_with_differences(void **state) { each_sample(*state, rule_is_right); }

/* A rule may read the values that its row keeps; of others only their types. */
static void reads_what_is_kept(sw_context *ctx, const struct place *p)
{
    if (p->op->grad.kind != SW_GRAD_RULE)
        return;
    sw_tensor *inputs[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F32, 5, inputs);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0}, *dy[SW_MAX_PORTS], *dx[SW_MAX_PORTS];
    for (int i = 0; i < p->sample->inputs_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        in[i] = SW_NONE;
        if (inputs[i] && is_shape_value(p, i)) {
            in[i] = sw_constant(g, inputs[i]);
        } else if (inputs[i]) {
            sw_type type = {.dtype = sw_tensor_dtype(inputs[i]), .rank = sw_tensor_rank(inputs[i])};
            for (int k = 0; k < type.rank; k++)
                type.dims[k] = sw_tensor_dim(inputs[i], k);
            in[i] = sw_input_declare(g, name, type);
        }
        dx[i] = SW_NONE;
    }
    int count = sample_outputs(p);
    sw_node_add(g, p->op->name, in, p->sample->inputs_count, p->sample->attrs, p->sample->attrs_count, out, count);
    if (!sw_ok(g))
        fail_msg("%s: %s", place_text(p), sw_graph_error(g));
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "dy%d", i);
        bool none =
            port_at(p->op->outputs, i)->flags & SW_PORT_NO_GRADIENT || !sw_dtype_is_float(sw_value_type(out[i])->dtype);
        dy[i] = none ? SW_NONE : sw_input_declare(g, name, *sw_value_type(out[i]));
    }
    sw_node *node = out[0]->node, *last = NULL;
    for (sw_node *n = sw_graph_first(g); n; n = n->next)
        last = n;
    sw_status status = dy[0] == SW_NONE ? SW_OK : p->op->grad.rule(g, node, dy, dx);
    if (status != SW_OK && status != SW_UNSUPPORTED)
        fail_msg("%s: %s", place_text(p), sw_error_text());
    for (sw_node *n = last->next; n; n = n->next)
        for (int i = 0; i < n->inputs_count; i++) {
            if (port_at(n->op->inputs, i)->flags & SW_PORT_SHAPE_ONLY)
                continue;
            for (int k = 0; k < node->inputs_count; k++)
                if (n->inputs[i] == node->inputs[k] && n->inputs[i] != SW_NONE &&
                    !(p->op->grad.keeps & SW_KEEP_INPUT(k)) && strcmp(n->inputs[i]->node->op->name, "Constant") != 0)
                    fail_msg("%s: the rule reads input '%s' (in %s), which is not kept", place_text(p),
                             port_at(p->op->inputs, k)->name, n->op->name);
            for (int k = 0; k < node->outputs_count; k++)
                if (n->inputs[i] == node->outputs[k] && !(p->op->grad.keeps & SW_KEEP_OUTPUT(k)))
                    fail_msg("%s: the rule reads output %d (in %s), which is not kept", place_text(p), k, n->op->name);
        }
    sw_graph_free(g);
    release_all(inputs, p->sample->inputs_count);
}

static void test_rules_read_only_what_is_kept(void **state) { each_sample(*state, reads_what_is_kept); }

/* The gradient's dims follow x's when those are symbols: the rule may not lean on numbers. */
static void rule_with_symbols(sw_context *ctx, const struct place *p)
{
    if (p->op->grad.kind != SW_GRAD_RULE || p->sample->smooth_off)
        return;
    sw_tensor *inputs[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F64, 5, inputs);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0}, *dy[SW_MAX_PORTS], *dx[SW_MAX_PORTS];
    for (int i = 0; i < p->sample->inputs_count; i++) {
        char name[24];
        in[i] = dx[i] = SW_NONE;
        if (inputs[i] && is_shape_value(p, i)) {
            in[i] = sw_constant(g, inputs[i]);
        } else if (inputs[i]) {
            sw_type type = {.dtype = sw_tensor_dtype(inputs[i]), .rank = sw_tensor_rank(inputs[i])};
            for (int k = 0; k < type.rank; k++) {
                snprintf(name, sizeof name, "D%lld", (long long)sw_tensor_dim(inputs[i], k));
                type.dims[k] = sw_tensor_dim(inputs[i], k) <= 1 ? sw_tensor_dim(inputs[i], k) : sw_symbol(g, name);
            }
            snprintf(name, sizeof name, "in%d", i);
            in[i] = sw_input_declare(g, name, type);
        }
    }
    int count = sample_outputs(p);
    sw_node_add(g, p->op->name, in, p->sample->inputs_count, p->sample->attrs, p->sample->attrs_count, out, count);
    for (int i = 0; i < count && sw_ok(g); i++) {
        bool none =
            port_at(p->op->outputs, i)->flags & SW_PORT_NO_GRADIENT || !sw_dtype_is_float(sw_value_type(out[i])->dtype);
        dy[i] = none ? SW_NONE : sw_expand(g, sw_scalar(g, sw_value_type(out[i])->dtype, 0), sw_shape_of(g, out[i]));
    }
    if (sw_ok(g) && dy[0] != SW_NONE)
        p->op->grad.rule(g, out[0]->node, dy, dx);
    if (!sw_ok(g))
        fail_msg("%s with symbols: %s", place_text(p), sw_graph_error(g));
    int64_t values[64];
    for (int s = 0; s < sw_symbol_count(g); s++)
        values[s] = atoll(sw_symbol_name(g, s) + 1);
    for (int i = 0; i < p->sample->inputs_count; i++) {
        if (dx[i] == SW_NONE || dx[i] == NULL)
            continue;
        const sw_type *type = sw_value_type(dx[i]);
        for (int k = 0; k < type->rank; k++) {
            int64_t size;
            if (type->dims[k] != SW_DIM_UNKNOWN &&
                (sw_dim_eval(g, type->dims[k], values, &size) != SW_OK || size != sw_tensor_dim(inputs[i], k)))
                fail_msg("%s with symbols: axis %d of the gradient of '%s' is wrong", place_text(p), k,
                         port_at(p->op->inputs, i)->name);
        }
        if (type->rank >= 0)
            assert_int_equal(type->rank, sw_tensor_rank(inputs[i]));
    }
    sw_graph_free(g);
    release_all(inputs, p->sample->inputs_count);
}

static void test_rules_work_on_symbols(void **state) { each_sample(*state, rule_with_symbols); }

/* ---- gradients of gradients ---- */

/* sum of r * d/dx of the mean of tanh(conv(x, w) w2)^2, with everything in f64; `wrt` gets its own gradients when
 * given. */
static double slope_sum(sw_context *ctx, sw_tensor *const *t, sw_tensor **second)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_value *x = sw_input(g, t[0]), *w = sw_input(g, t[1]), *w2 = sw_input(g, t[2]), *r = sw_input(g, t[3]), *first,
             *wrt[] = {x, w, w2}, *got[3];
    sw_window window = {.axes = 2, .strides = {2, 1}, .pads_begin = {1, 0}};
    sw_value *h = sw_sigmoid(g, sw_conv(g, x, w, SW_NONE, &window));
    sw_value *y = sw_tanh(g, sw_matmul(g, sw_flatten(g, h, 1), w2));
    sw_value *loss = sw_reduce_mean(g, sw_mul(g, y, y), 0, NULL, false);
    sw_grad(g, loss, SW_NONE, &x, 1, &first);
    sw_value *sum = sw_reduce_sum(g, sw_mul(g, first, r), 0, NULL, false);
    if (second)
        sw_grad(g, sum, SW_NONE, wrt, 3, got);
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    for (int i = 0; second && i < 3; i++)
        second[i] = sw_tensor_retain(sw_value_tensor(got[i]));
    double result = sw_tensor_get(sw_value_tensor(sum), 0);
    sw_graph_free(g);
    return result;
}

static void test_gradients_can_be_differentiated_again(void **state)
{
    sw_context *ctx = *state;
    sw_dims dims[] = {SW_DIMS(2, 1, 4, 4), SW_DIMS(2, 1, 2, 3), SW_DIMS(8, 3), SW_DIMS(2, 1, 4, 4)};
    sw_tensor *t[4], *second[3];
    for (int i = 0; i < 4; i++) {
        t[i] = sw_tensor_new(ctx, SW_F64, dims[i]);
        for (int64_t k = 0; k < sw_tensor_count(t[i]); k++)
            sw_tensor_set(t[i], k,
                          2 * sw_random_double((sw_random_address){.seed = 3, .stream = (uint32_t)i}, (uint64_t)k) - 1);
    }
    slope_sum(ctx, t, second);
    for (int i = 0; i < 3; i++)
        for (int64_t k = 0; k < sw_tensor_count(t[i]); k++) {
            double *element = (double *)sw_tensor_data(t[i]) + k, at = *element;
            *element = at + 1e-5;
            double above = slope_sum(ctx, t, NULL);
            *element = at - 1e-5;
            double expected = (above - slope_sum(ctx, t, NULL)) / 2e-5, got = sw_tensor_get(second[i], k);
            *element = at;
            if (!(fabs(got - expected) <= 1e-7 * (1 + fabs(expected))))
                fail_msg("input %d, element %lld: %.9g, differences say %.9g", i, (long long)k, got, expected);
        }
    release_all(t, 4);
    release_all(second, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_rule_agrees_with_differences, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_gradients_can_be_differentiated_again, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_rules_read_only_what_is_kept, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_rules_work_on_symbols, open_context, close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
