/* What the tests of the cpu backend share: every candidate for a node is run on the same numbers, in several layouts
 * and with teams of different sizes, and compared with the row's reference body. Outputs and scratch are poisoned
 * first. */
#ifndef TEST_BACKEND_CANDIDATES_H
#define TEST_BACKEND_CANDIDATES_H

#include "../ops/walk.h"
#include "backend/cpu/isa.h"
#include "base/alloc.h"

/* A node to be computed: inputs are plain tensors, NULL where absent; constant[i] says that the plan would know it. */
struct question {
    const char *op;
    sw_tensor *inputs[SW_MAX_PORTS];
    int inputs_count, outputs_count;
    const sw_attr *attrs;
    int attrs_count;
    bool constant[SW_MAX_PORTS];
    double tolerance; /* relative to the element, and a twentieth of it to the largest; 0: 2e-5 */
    const char *note;
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int64_t block_of(sw_layout layout)
{
    return layout == SW_LAYOUT_BLOCKED16 ? 16 : layout == SW_LAYOUT_BLOCKED8 ? 8 : 1;
}

/* Where element `k` of the plain form lies in `layout`. */
static int64_t place_in(sw_layout layout, const sw_view *v, int64_t k)
{
    int64_t spatial = 1, channels = v->rank > 1 ? v->dims[1] : 1, block = block_of(layout);
    for (int i = 2; i < v->rank; i++)
        spatial *= v->dims[i];
    int64_t n = k / (channels * spatial), c = k / spatial % channels, s = k % spatial;
    if (layout == SW_LAYOUT_CHANNELS_LAST)
        return (n * spatial + s) * channels + c;
    if (block > 1)
        return ((n * (channels / block) + c / block) * spatial + s) * block + c % block;
    return k;
}

static void convert(const sw_view *v, sw_layout layout, const void *plain, void *laid, bool back)
{
    size_t bytes = sw_dtype_bytes(v->dtype);
    for (int64_t k = 0; k < sw_view_count(v); k++) {
        int64_t at = place_in(layout, v, k);
        if (back)
            memcpy((char *)plain + (size_t)k * bytes, (char *)laid + (size_t)at * bytes, bytes);
        else
            memcpy((char *)laid + (size_t)at * bytes, (const char *)plain + (size_t)k * bytes, bytes);
    }
}

static bool is_weight(const sw_port *port) { return strcmp(port->name, "w") == 0 || strcmp(port->name, "dw") == 0; }

/* Whether a port may take the layout: activations of rank 3 and more whose channels fill blocks. */
static void dress(sw_view *v, const sw_port *port, sw_layout layout)
{
    if (v->rank < 3 || is_weight(port) || v->dims[1] % block_of(layout) != 0)
        return;
    v->layout = layout;
    if (layout == SW_LAYOUT_CHANNELS_LAST) {
        int64_t size = v->dims[1];
        v->strides[1] = 1;
        for (int i = v->rank - 1; i >= 2; i--) {
            v->strides[i] = size;
            size *= v->dims[i];
        }
        v->strides[0] = size;
    }
}

/* A team that runs its parts last to first, on one thread. */
static void run_backwards(sw_team *team, int parts, void (*body)(void *user, int part), void *user)
{
    (void)team;
    for (int part = parts - 1; part >= 0; part--)
        body(user, part);
}

static void compare(const struct question *q, const char *kernel, sw_layout layout, int output,
                    const sw_tensor *expected, const void *got)
{
    double largest = 0, tolerance = q->tolerance > 0 ? q->tolerance : 2e-5;
    int64_t count = sw_tensor_count(expected);
    sw_dtype dtype = sw_tensor_dtype(expected);
    for (int64_t i = 0; i < count; i++) {
        double e = sw_tensor_get(expected, i);
        largest = isfinite(e) && fabs(e) > largest ? fabs(e) : largest;
    }
    for (int64_t i = 0; i < count; i++) {
        double e = sw_tensor_get(expected, i), g = sw_load_f64(dtype, got, i);
        bool equal = sw_dtype_is_float(dtype) ? fabs(e - g) <= tolerance * (fabs(e) + largest / 20) + 1e-7 : e == g;
        if (!(equal || e == g || (isnan(e) && isnan(g))))
            fail_msg("%s by '%s' (%s), layout %d, output %d, element %lld: %.9g, the reference says %.9g", q->op,
                     kernel, q->note ? q->note : "", (int)layout, output, (long long)i, g, e);
    }
}

struct answer {
    sw_view views[SW_MAX_PORTS];
    void *memory[SW_MAX_PORTS];
};

static void free_answer(sw_context *ctx, struct answer *a)
{
    for (int i = 0; i < SW_MAX_PORTS; i++)
        sw_free(ctx, a->memory[i]);
}

/* The bytes of each output are compared between teams. */
static void one_run(sw_context *ctx, const struct question *q, const sw_kernel *kernel, const sw_site *site,
                    sw_layout layout, sw_tensor *const *expected, int team_size, struct answer *first)
{
    sw_prepared prepared = {0};
    sw_status status = kernel->prepare ? kernel->prepare(site, &prepared) : SW_OK;
    if (status == SW_UNSUPPORTED)
        return;
    if (status != SW_OK)
        fail_msg("%s by '%s': %s", q->op, kernel->name, sw_error_text());
    sw_view in[SW_MAX_PORTS], out[SW_MAX_PORTS];
    struct answer laid = {0}, got = {0};
    for (int i = 0; i < q->inputs_count; i++) {
        in[i] = site->inputs[i];
        if (!q->inputs[i])
            continue;
        if (prepared.packs[i].form) {
            laid.memory[i] = sw_alloc_aligned(ctx, prepared.packs[i].bytes, 64);
            assert_int_equal(kernel->pack(site, &prepared, i, &in[i], laid.memory[i]), SW_OK);
            in[i].layout = SW_LAYOUT_PACKED;
        } else {
            laid.memory[i] = sw_alloc_aligned(ctx, sw_view_bytes(&in[i]) + 64, 64);
            convert(&in[i], in[i].layout, sw_tensor_data(q->inputs[i]), laid.memory[i], false);
        }
        in[i].data = laid.memory[i];
    }
    for (int i = 0; i < q->outputs_count; i++) {
        out[i] = site->outputs[i];
        out[i].data = got.memory[i] = sw_alloc_aligned(ctx, sw_view_bytes(&out[i]) + 64, 64);
        memset(out[i].data, 0xff, sw_view_bytes(&out[i]) + 64);
    }
    void *scratch = sw_alloc_aligned(ctx, prepared.scratch_bytes + 64, 64);
    memset(scratch, 0xff, prepared.scratch_bytes + 64);
    sw_team team = {.size = team_size, .run = run_backwards};
    sw_call call = {.ctx = ctx,
                    .node = site->node,
                    .inputs_count = q->inputs_count,
                    .outputs_count = q->outputs_count,
                    .inputs = in,
                    .outputs = out,
                    .scratch = scratch,
                    .prepared = prepared.state,
                    .team = &team};
    if (kernel->run(&call) != SW_OK)
        fail_msg("%s by '%s': %s", q->op, kernel->name, sw_error_text());
    for (int i = 0; i < q->outputs_count; i++) {
        void *plain = sw_alloc_zero(ctx, sw_view_bytes(&out[i]) + 8);
        for (size_t k = 0; k < 64; k++)
            assert_int_equal(((unsigned char *)out[i].data)[sw_view_bytes(&out[i]) + k],
                             0xff); /* nothing beyond the end */
        convert(&out[i], out[i].layout, plain, out[i].data, true);
        compare(q, kernel->name, layout, i, expected[i], plain);
        sw_free(ctx, plain);
        if (kernel->fixed_slices && first->memory[i])
            assert_memory_equal(first->memory[i], got.memory[i], sw_view_bytes(&out[i]));
        if (!first->memory[i]) {
            first->memory[i] = got.memory[i];
            got.memory[i] = NULL;
        }
    }
    if (kernel->release)
        kernel->release(ctx, prepared.state);
    for (int i = 0; i < SW_MAX_PORTS; i++)
        if (prepared.packs[i].form)
            prepared.packs[i].release_form(ctx, prepared.packs[i].form);
    sw_free(ctx, scratch);
    free_answer(ctx, &laid);
    free_answer(ctx, &got);
}

/* Every candidate but the reference, in `layout`. How many ran. */
static int ask_in(sw_context *ctx, const struct question *q, sw_node *node, sw_tensor *const *expected,
                  sw_layout layout)
{
    const sw_backend *cpu = sw_backend_find(ctx, "cpu");
    const sw_kernel *const *k = cpu->candidates(cpu, q->op);
    sw_view in[SW_MAX_PORTS], out[SW_MAX_PORTS];
    int ran = 0;
    for (; *k; k++) {
        if (strcmp((*k)->name, "reference") == 0)
            continue;
        struct answer first = {0};
        for (int team = 1; team <= 3; team += 2) {
            for (int i = 0; i < q->inputs_count; i++) {
                in[i] = sw_view_of(q->inputs[i]);
                if (q->inputs[i])
                    dress(&in[i], port_at(sw_node_op(node)->inputs, i), layout);
                if (!q->constant[i])
                    in[i].data = NULL;
            }
            for (int i = 0; i < q->outputs_count; i++) {
                out[i] = sw_view_of(expected[i]);
                sw_view_pack_strides(&out[i]);
                dress(&out[i], port_at(sw_node_op(node)->outputs, i), layout);
                out[i].data = NULL;
            }
            sw_site site = {.ctx = ctx,
                            .node = node,
                            .inputs_count = q->inputs_count,
                            .outputs_count = q->outputs_count,
                            .inputs = in,
                            .outputs = out,
                            .threads = (*k)->fixed_slices ? team : 1};
            if ((*k)->skips && (*k)->skips(&site))
                continue;
            one_run(ctx, q, *k, &site, layout, expected, team, &first);
            ran++;
        }
        free_answer(ctx, &first);
    }
    return ran;
}

/* In every layout; how many candidates ran. */
static int ask_any(sw_context *ctx, const struct question *q)
{
    int ran = 0;
    static const sw_layout layouts[] = {SW_LAYOUT_PLAIN, SW_LAYOUT_CHANNELS_LAST, SW_LAYOUT_BLOCKED8,
                                        SW_LAYOUT_BLOCKED16};
    sw_graph *awake = sw_graph_new(ctx, SW_EAGER);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
    const sw_op *op = sw_op_find(ctx, q->op);
    assert_non_null(op);
    for (int i = 0; i < q->inputs_count; i++)
        in[i] = !q->inputs[i]                                         ? SW_NONE
                : port_at(op->inputs, i)->flags & SW_PORT_SHAPE_VALUE ? sw_constant(awake, q->inputs[i])
                                                                      : sw_input(awake, q->inputs[i]);
    sw_node_add(awake, q->op, in, q->inputs_count, q->attrs, q->attrs_count, out, q->outputs_count);
    if (!sw_ok(awake))
        fail_msg("%s (%s): %s", q->op, q->note ? q->note : "", sw_graph_error(awake));
    sw_node *node = sw_graph_node(awake, sw_graph_node_count(awake) - 1);
    assert_string_equal(sw_node_op(node)->name, q->op);
    sw_tensor *expected[SW_MAX_PORTS];
    assert_int_equal(sw_reference_execute(ctx, node, q->inputs, expected), SW_OK);
    struct question whole = *q; /* with the absent inputs at its end */
    whole.inputs_count = sw_node_input_count(node);
    for (size_t i = 0; i < COUNT(layouts); i++)
        ran += ask_in(ctx, &whole, node, expected, layouts[i]);
    release_all(expected, q->outputs_count);
    sw_graph_free(awake);
    return ran;
}

/* At least one candidate must take it. */
static void ask(sw_context *ctx, const struct question *q)
{
    if (ask_any(ctx, q) == 0)
        fail_msg("%s (%s): no candidate but the reference takes it", q->op, q->note ? q->note : "");
}

/* A tensor of random numbers in low..high. */
static sw_tensor *numbers(sw_context *ctx, uint32_t stream, double low, double high, sw_dims dims)
{
    sw_tensor *t = sw_tensor_new(ctx, SW_F32, dims);
    assert_non_null(t);
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        ((float *)sw_tensor_data(t))[i] =
            (float)(low +
                    (high - low) * sw_random_double((sw_random_address){.seed = 17, .stream = stream}, (uint64_t)i));
    return t;
}

static void release_inputs(struct question *q) { release_all(q->inputs, q->inputs_count); }

#endif
