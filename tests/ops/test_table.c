/* The walk over the op table: what every row must say and keep, whatever it computes. */
#include "walk.h"

/* ---- what a row says ---- */

static void test_every_row_is_documented_and_speaks_of_its_gradient(void **state)
{
    sw_context *ctx = *state;
    for (int i = 0; i < sw_op_count(ctx); i++) {
        const sw_op *op = sw_op_at(ctx, i);
        size_t length = strlen(op->doc);
        if (length < 10 || op->doc[length - 1] != '.')
            fail_msg("%s: a doc line is a sentence: '%s'", op->name, op->doc);
        for (int k = 0; k < SW_MAX_ATTRS && op->attrs[k].name; k++)
            if (op->attrs[k].doc == NULL || op->attrs[k].doc[0] == '\0')
                fail_msg("%s: attribute '%s' has no doc", op->name, op->attrs[k].name);
        if (op->grad.kind == SW_GRAD_FORGOTTEN && !(op->flags & SW_LEAF))
            fail_msg("%s: not a word on its gradient", op->name);
    }
}

static void test_every_row_has_samples_and_a_cost(void **state)
{
    sw_context *ctx = *state;
    for (int i = 0; i < sw_op_count(ctx); i++) {
        const sw_op *op = sw_op_at(ctx, i);
        if (op->flags & (SW_LEAF | SW_STATEFUL))
            continue;
        if (op->samples == NULL || op->samples->count == 0)
            fail_msg("%s: no samples", op->name);
        if (op->cost == NULL && op->reference != NULL)
            fail_msg("%s: no cost", op->name);
    }
}

/* What the walks lean on: each elementwise row is walked with a scalar, with no elements and, where it can,
 * broadcasting. */
static void test_elementwise_rows_have_the_edge_samples(void **state)
{
    sw_context *ctx = *state;
    for (int i = 0; i < sw_op_count(ctx); i++) {
        const sw_op *op = sw_op_at(ctx, i);
        bool alone = op->inputs[1].name == NULL || strcmp(op->name, "ReluGrad") == 0, scalar = false, nothing = false,
             broadcast = alone;
        if (!(op->flags & SW_ELEMENTWISE) || op->flags & SW_LEAF)
            continue;
        for (int k = 0; k < op->samples->count; k++) {
            const sw_sample *sample = &op->samples->items[k];
            for (int n = 0; n < sample->inputs_count; n++) {
                scalar |= sample->dims[n].rank == 0;
                broadcast |= n > 0 && !sw_dims_equal(sample->dims[n], sample->dims[0]);
                for (int d = 0; d < sample->dims[n].rank; d++)
                    nothing |= sample->dims[n].dim[d] == 0;
            }
        }
        if (!scalar || !nothing || !broadcast)
            fail_msg("%s: no sample%s%s%s", op->name, scalar ? "" : " with a scalar",
                     nothing ? "" : " with no elements", broadcast ? "" : " that broadcasts");
    }
}

/* ---- what it gives ---- */

static void same_twice(sw_context *ctx, const struct place *p)
{
    sw_tensor *inputs[SW_MAX_PORTS], *first[SW_MAX_PORTS], *second[SW_MAX_PORTS];
    if (!(p->op->flags & SW_DETERMINISTIC))
        return;
    make_inputs(ctx, p, SW_F32, 1, inputs);
    int count = compute(ctx, p, inputs, first);
    compute(ctx, p, inputs, second);
    for (int i = 0; i < count; i++)
        if (!same_bits(first[i], second[i]))
            fail_msg("%s: output %d differs from run to run", place_text(p), i);
    release_all(first, count);
    release_all(second, count);
    release_all(inputs, p->sample->inputs_count);
}

static void test_same_inputs_give_same_bits(void **state) { each_sample(*state, same_twice); }

/* Inputs that are not contiguous must not matter: the same numbers, written backwards along every axis. */
static sw_tensor *backwards(sw_tensor *tensor)
{
    if (tensor == NULL || sw_tensor_rank(tensor) == 0 || sw_dtype_bits(sw_tensor_dtype(tensor)) < 8)
        return sw_tensor_retain(tensor);
    int axes[SW_MAX_RANK], rank = sw_tensor_rank(tensor);
    for (int i = 0; i < rank; i++)
        axes[i] = rank - 1 - i;
    sw_tensor *turned = sw_tensor_transpose(tensor, axes), *packed = sw_tensor_contiguous(turned);
    sw_tensor *back = sw_tensor_transpose(packed, axes);
    sw_tensor_release(turned);
    sw_tensor_release(packed);
    assert_non_null(back);
    return back;
}

static void strides_do_not_matter(sw_context *ctx, const struct place *p)
{
    sw_tensor *inputs[SW_MAX_PORTS], *odd[SW_MAX_PORTS], *expected[SW_MAX_PORTS], *got[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F32, 1, inputs);
    for (int i = 0; i < p->sample->inputs_count; i++)
        odd[i] = inputs[i] ? backwards(inputs[i]) : NULL;
    int count = compute(ctx, p, inputs, expected);
    compute(ctx, p, odd, got);
    for (int i = 0; i < count; i++)
        if (!same_bits(expected[i], got[i]))
            fail_msg("%s: output %d depends on strides", place_text(p), i);
    release_all(expected, count);
    release_all(got, count);
    release_all(odd, p->sample->inputs_count);
    release_all(inputs, p->sample->inputs_count);
}

static void test_strides_do_not_matter(void **state) { each_sample(*state, strides_do_not_matter); }

/* A row that says so may write output 0 over input 0: plans do that with any body, the reference too. */
static void overwriting_is_safe(sw_context *ctx, const struct place *p)
{
    sw_tensor *inputs[SW_MAX_PORTS], *expected[SW_MAX_PORTS];
    if (!(p->op->flags & SW_IN_PLACE_FIRST))
        return;
    make_inputs(ctx, p, SW_F32, 1, inputs);
    int count = compute(ctx, p, inputs, expected);
    bool fits = sw_dims_equal(sw_tensor_dims(inputs[0]), sw_tensor_dims(expected[0])) &&
                sw_tensor_dtype(inputs[0]) == sw_tensor_dtype(expected[0]);
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
    add_node(g, p, inputs, in, out);
    sw_view views[2 * SW_MAX_PORTS], *outputs = views + p->sample->inputs_count;
    for (int i = 0; i < p->sample->inputs_count; i++)
        views[i] = sw_view_of(inputs[i]);
    for (int i = 0; i < count; i++)
        outputs[i] = sw_view_of(sw_value_tensor(out[i]));
    outputs[0].data = views[0].data;
    sw_call call = {.ctx = ctx,
                    .node = out[0]->node,
                    .inputs = views,
                    .inputs_count = p->sample->inputs_count,
                    .outputs = outputs,
                    .outputs_count = count};
    if (fits && (p->op->reference(&call) != SW_OK || !same_bits(inputs[0], expected[0])))
        fail_msg("%s: another result when written over its first input", place_text(p));
    sw_graph_free(g);
    release_all(expected, count);
    release_all(inputs, p->sample->inputs_count);
}

static void test_rows_that_may_overwrite_their_input_give_the_same(void **state)
{
    each_sample(*state, overwriting_is_safe);
}

/* ---- every element type ---- */

/* Computes with `dtype` at the deciding port `port` and with the widest type of its class, from equal numbers. */
static void one_dtype(sw_context *ctx, const struct place *p, int port, sw_dtype dtype)
{
    sw_dtype wide = sw_dtype_is_float(dtype) ? SW_F64 : sw_dtype_is_signed(dtype) || dtype == SW_BOOL ? SW_I64 : SW_U64;
    if (dtype == SW_BOOL || dtype == SW_STRING || !(p->op->inputs[port].dtypes & SW_DT(wide)))
        return;
    sw_tensor *narrow[SW_MAX_PORTS], *broad[SW_MAX_PORTS], *got[SW_MAX_PORTS], *expected[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F32, 1, narrow);
    for (int i = 0; i < p->sample->inputs_count; i++) {
        broad[i] = narrow[i] ? sw_tensor_retain(narrow[i]) : NULL;
        if (narrow[i] == NULL || deciding_port(p->op, i) != port)
            continue;
        sw_tensor *fresh = sw_tensor_new(ctx, dtype, p->sample->dims[i]);
        fill(p, i, fresh, 1);
        sw_tensor_release(narrow[i]);
        sw_tensor_release(broad[i]);
        narrow[i] = fresh;
        broad[i] = sw_tensor_cast(fresh, wide);
    }
    int count = compute(ctx, p, narrow, got);
    compute(ctx, p, broad, expected);
    for (int i = 0; i < count; i++) {
        sw_tensor *rounded = sw_tensor_cast(expected[i], sw_tensor_dtype(got[i]));
        if (!same_bits(rounded, got[i]))
            fail_msg("%s: output %d with %s at '%s' is not the wide result, rounded", place_text(p), i,
                     sw_dtype_name(dtype), p->op->inputs[port].name);
        sw_tensor_release(rounded);
    }
    release_all(got, count);
    release_all(expected, count);
    release_all(narrow, p->sample->inputs_count);
    release_all(broad, p->sample->inputs_count);
}

static bool has_no_elements(const sw_sample *sample)
{
    for (int i = 0; i < sample->inputs_count; i++)
        for (int k = 0; k < sample->dims[i].rank; k++)
            if (sample->dims[i].dim[k] == 0)
                return true;
    return false;
}

static void every_dtype(sw_context *ctx, const struct place *p)
{
    if (has_no_elements(p->sample))
        return;
    for (int port = 0; port < SW_MAX_PORTS && p->op->inputs[port].name; port++) {
        const sw_port *row = &p->op->inputs[port];
        if (row->same_as || row->flags & SW_PORT_SHAPE_VALUE || p->sample->dtype[port] || p->sample->ints[port])
            continue;
        for (int d = 1; d < SW_DTYPE_COUNT; d++)
            if (row->dtypes & SW_DT(d))
                one_dtype(ctx, p, port, (sw_dtype)d);
    }
}

static void test_every_dtype_is_the_wide_result_rounded_once(void **state) { each_sample(*state, every_dtype); }

/* ---- dims that are symbols ---- */

/* The same node in a sleeping graph whose dims are symbols, one per size: its dims must evaluate to the concrete ones.
 */
static void symbols_agree(sw_context *ctx, const struct place *p)
{
    sw_tensor *inputs[SW_MAX_PORTS], *outputs[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F32, 1, inputs);
    int count = compute(ctx, p, inputs, outputs);
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
    for (int i = 0; i < p->sample->inputs_count; i++) {
        if (inputs[i] == NULL) {
            in[i] = SW_NONE;
        } else if (is_shape_value(p, i)) {
            in[i] = sw_constant(g, inputs[i]);
        } else {
            char name[16];
            sw_type type = {.dtype = sw_tensor_dtype(inputs[i]), .rank = sw_tensor_rank(inputs[i])};
            for (int k = 0; k < type.rank; k++) {
                int64_t size = sw_tensor_dim(inputs[i], k);
                snprintf(name, sizeof name, "D%lld", (long long)size);
                type.dims[k] = size <= 1 ? size : sw_symbol(g, name);
            }
            snprintf(name, sizeof name, "in%d", i);
            in[i] = sw_input_declare(g, name, type);
        }
    }
    sw_node_add(g, p->op->name, in, p->sample->inputs_count, p->sample->attrs, p->sample->attrs_count, out, count);
    if (!sw_ok(g))
        fail_msg("%s with symbols: %s", place_text(p), sw_graph_error(g));
    int64_t values[64];
    for (int s = 0; s < sw_symbol_count(g); s++)
        values[s] = atoll(sw_symbol_name(g, s) + 1);
    for (int i = 0; i < count; i++) {
        const sw_type *type = sw_value_type(out[i]);
        assert_int_equal(type->dtype, sw_tensor_dtype(outputs[i]));
        if (type->rank < 0)
            continue;
        assert_int_equal(type->rank, sw_tensor_rank(outputs[i]));
        for (int k = 0; k < type->rank; k++) {
            int64_t size;
            if (type->dims[k] == SW_DIM_UNKNOWN)
                continue;
            if (sw_dim_eval(g, type->dims[k], values, &size) != SW_OK)
                fail_msg("%s: output %d, axis %d: %s", place_text(p), i, k, sw_error_text());
            if (size != sw_tensor_dim(outputs[i], k))
                fail_msg("%s: output %d, axis %d: inferred %lld, is %lld", place_text(p), i, k, (long long)size,
                         (long long)sw_tensor_dim(outputs[i], k));
        }
    }
    sw_graph_free(g);
    release_all(outputs, count);
    release_all(inputs, p->sample->inputs_count);
}

static void test_symbolic_dims_agree_with_concrete_ones(void **state) { each_sample(*state, symbols_agree); }

/* ---- costs ---- */

static void cost_is_sane(sw_context *ctx, const struct place *p)
{
    if (p->op->cost == NULL || p->op->flags & SW_DATA_SHAPED)
        return;
    sw_tensor *inputs[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F32, 1, inputs);
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
    int count = add_node(g, p, inputs, in, out);
    if (!sw_ok(g))
        fail_msg("%s: %s", place_text(p), sw_graph_error(g));
    sw_view views[2 * SW_MAX_PORTS];
    double bytes = 0;
    for (int i = 0; i < p->sample->inputs_count; i++) {
        views[i] = sw_view_of(inputs[i]);
        views[i].data = NULL;
    }
    sw_view *outputs = views + p->sample->inputs_count;
    for (int i = 0; i < count; i++) {
        outputs[i] = sw_view_of(sw_value_tensor(out[i]));
        outputs[i].data = NULL;
        bytes += (double)sw_view_bytes(&outputs[i]);
    }
    sw_call call = {.ctx = ctx,
                    .node = out[0]->node,
                    .inputs = views,
                    .inputs_count = p->sample->inputs_count,
                    .outputs = outputs,
                    .outputs_count = count};
    sw_cost cost = p->op->cost(&call);
    if (!(cost.flops >= 0 && isfinite(cost.flops) && cost.bytes >= bytes && isfinite(cost.bytes)))
        fail_msg("%s: %g flops, %g bytes, of which %g are written", place_text(p), cost.flops, cost.bytes, bytes);
    if (p->op->flags & SW_ELEMENTWISE && !(p->op->flags & SW_VIEW_OF_FIRST) && bytes > 0 && cost.flops == 0)
        fail_msg("%s: computes %g bytes for nothing", place_text(p), bytes);
    sw_graph_free(g);
    release_all(inputs, p->sample->inputs_count);
}

static void test_costs_are_finite_and_cover_what_is_written(void **state) { each_sample(*state, cost_is_sane); }

/* ---- memory ---- */

/* One node in an awake graph, with the n-th allocation failing, until none fails. */
static void every_allocation_fails_once(sw_context *ctx, const struct place *p)
{
    if (p->index > 0)
        return;
    sw_tensor *inputs[SW_MAX_PORTS];
    make_inputs(ctx, p, SW_F32, 1, inputs);
    uint64_t before = sw_context_bytes(ctx);
    bool failed = true;
    for (uint64_t nth = 1; failed && nth < 500; nth++) {
        sw_alloc_fail_at(ctx, nth);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
        if (g)
            add_node(g, p, inputs, in, out);
        failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        if (failed && g && sw_graph_status(g) != SW_NO_MEMORY)
            fail_msg("%s: allocation %llu failed, the graph says '%s'", place_text(p), (unsigned long long)nth,
                     sw_graph_error(g));
        if (!failed && !sw_ok(g))
            fail_msg("%s: %s", place_text(p), sw_graph_error(g));
        sw_graph_free(g);
        if (sw_context_bytes(ctx) != before)
            fail_msg("%s: allocation %llu failed and %lld bytes were lost", place_text(p), (unsigned long long)nth,
                     (long long)(sw_context_bytes(ctx) - before));
    }
    assert_false(failed);
    release_all(inputs, p->sample->inputs_count);
}

static void test_every_allocation_may_fail(void **state) { each_sample(*state, every_allocation_fails_once); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_row_is_documented_and_speaks_of_its_gradient, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(test_every_row_has_samples_and_a_cost, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_elementwise_rows_have_the_edge_samples, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_same_inputs_give_same_bits, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_strides_do_not_matter, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_rows_that_may_overwrite_their_input_give_the_same, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(test_every_dtype_is_the_wide_result_rounded_once, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_symbolic_dims_agree_with_concrete_ones, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_costs_are_finite_and_cover_what_is_written, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, open_context, close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
