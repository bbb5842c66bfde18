/* pass_layout.c: in which order activations lie in memory.
 *
 * Convolutions work on [N, C, spatial…] with channels in blocks; from plain memory they would reorder their input and
 * output at every run. So each row is asked in the graph's order: one that prefers a layout gets it, one that can
 * work on what it is given takes that (elementwise rows pass it on), every other row gets plain memory. A Reorder
 * stands where neighbours differ, once per value and layout; going back gives the value before. Weights, graph inputs
 * and outputs, and states stay plain.
 *
 * Ports named "w" and "dw" are weights; ports of rank 3 and more of all other names carry activations, but for the
 * broadcast operands of elementwise rows. Preferences are asked for a batch of 8 where the batch is a symbol. */
#include "compile/pass.h"
#include "graph/dim.h"

enum { PROBE = 8 };

struct laying {
    sw_compiling *c;
    int64_t *symbols;     /* a probing value of each */
    sw_value **twin;      /* per value id: the same contents before its Reorder, NULL */
    sw_value **reordered; /* per value id: its Reorder, NULL; one other layout is enough in practice */
    int capacity;
};

static sw_layout layout_of(const struct laying *l, const sw_value *value)
{
    return value->id < l->c->layouts_count ? l->c->layouts[value->id] : SW_LAYOUT_PLAIN;
}

/* The tables grow with the Reorders that are made: at most two for each value. */
static sw_status make_tables(struct laying *l)
{
    sw_context *ctx = l->c->ctx;
    l->capacity = 4 * sw_graph_value_ids(l->c->g) + 64;
    int symbols = sw_symbol_count(l->c->g);
    l->c->layouts = sw_alloc_zero(ctx, (size_t)l->capacity * sizeof *l->c->layouts);
    l->twin = sw_alloc_zero(ctx, (size_t)l->capacity * sizeof *l->twin);
    l->reordered = sw_alloc_zero(ctx, (size_t)l->capacity * sizeof *l->reordered);
    l->symbols = sw_alloc_array(ctx, (size_t)symbols + 1, sizeof *l->symbols);
    if (!l->c->layouts || !l->twin || !l->reordered || !l->symbols)
        return sw_alloc_status();
    l->c->layouts_count = l->capacity;
    for (int i = 0; i < symbols; i++) {
        sw_dim symbol = sw_symbol(l->c->g, sw_symbol_name(l->c->g, i));
        int64_t low, high;
        sw_dim_range(l->c->g, symbol, &low, &high);
        l->symbols[i] = low > PROBE ? low : high < PROBE ? high : PROBE;
    }
    return SW_OK;
}

static bool probe_view(const struct laying *l, const sw_value *value, sw_view *view)
{
    *view = (sw_view){0};
    if (value == sw_none)
        return true;
    if (value->type.kind != SW_TENSOR || value->type.rank < 0)
        return false;
    *view = (sw_view){.dtype = value->type.dtype, .rank = value->type.rank};
    for (int i = 0; i < view->rank; i++)
        if (value->type.dims[i] == SW_DIM_UNKNOWN ||
            sw_dim_eval(l->c->g, value->type.dims[i], l->symbols, &view->dims[i]) != SW_OK || view->dims[i] < 0)
            return false;
    sw_view_pack_strides(view);
    if (value->tensor)
        view->data = sw_tensor_data(value->tensor);
    return true;
}

static bool carries(const sw_node *node, bool output, int index)
{
    const sw_value *value = output ? node->outputs[index] : node->inputs[index];
    const sw_port *port = sw_port_at(output ? node->op->outputs : node->op->inputs, index);
    if (value == sw_none || value->type.rank < 3 || !port->name || strcmp(port->name, "w") == 0 ||
        strcmp(port->name, "dw") == 0)
        return false;
    return output || !(node->op->flags & SW_ELEMENTWISE) ||
           sw_types_equal(node->graph, &value->type, &node->outputs[0]->type) ||
           (value->type.dtype != node->outputs[0]->type.dtype && value->type.rank == node->outputs[0]->type.rank);
}

static bool divides(const sw_view *view, sw_layout layout)
{
    int64_t block = layout == SW_LAYOUT_BLOCKED16 ? 16 : layout == SW_LAYOUT_BLOCKED8 ? 8 : 1;
    return view->dims[1] % block == 0;
}

/* The site of a row, and the layout of each of its ports. */
struct outfit {
    sw_view inputs[SW_MAX_PORTS], outputs[SW_MAX_PORTS];
};

/* Ports that carry activations get the layout, but for those whose channels are no multiple of the block. False when
 * none can have it. */
static bool dress(const sw_node *node, struct outfit *o, sw_layout layout)
{
    bool any = false;
    for (int i = 0; i < node->inputs_count; i++)
        if (carries(node, false, i) && divides(&o->inputs[i], layout)) {
            o->inputs[i].layout = layout;
            any = true;
        }
    for (int i = 0; i < node->outputs_count; i++)
        if (carries(node, true, i) && divides(&o->outputs[i], layout)) {
            o->outputs[i].layout = layout;
            any = true;
        }
    return any;
}

static void undress(struct outfit *o)
{
    for (int i = 0; i < SW_MAX_PORTS; i++)
        o->inputs[i].layout = o->outputs[i].layout = SW_LAYOUT_PLAIN;
}

/* The layout that most of the row's activations come in already. */
static sw_layout layout_given(const struct laying *l, const sw_node *node)
{
    sw_layout given = SW_LAYOUT_PLAIN;
    for (int i = 0; i < node->inputs_count && given == SW_LAYOUT_PLAIN; i++)
        if (carries(node, false, i))
            given = layout_of(l, node->inputs[i]);
    return given;
}

/* Whether a kernel really comes for the dressed site: what it says of itself may be more than its library does. */
static sw_status try_on(const sw_site *site, const sw_backend *backend, bool *fits)
{
    const sw_kernel *kernel;
    sw_prepared prepared = {0};
    sw_status status = sw_kernel_choose(backend, site, &kernel, &prepared);
    *fits = status == SW_OK;
    if (status != SW_OK)
        return status == SW_UNSUPPORTED ? SW_OK : status;
    for (int i = 0; i < SW_MAX_PORTS; i++)
        if (prepared.packs[i].form && prepared.packs[i].release_form)
            prepared.packs[i].release_form(site->ctx, prepared.packs[i].form);
    if (kernel->release && prepared.state)
        kernel->release(site->ctx, prepared.state);
    return SW_OK;
}

/* What the row will work on: fills the layouts of `o`. */
static sw_status decide(const struct laying *l, const sw_node *node, struct outfit *o)
{
    const sw_backend *backend = l->c->backend;
    const sw_packed *packed[SW_MAX_PORTS] = {NULL};
    *o = (struct outfit){0};
    if (!backend->prefers || !backend->takes || node->inputs_count > SW_MAX_PORTS || node->outputs_count > SW_MAX_PORTS)
        return SW_OK;
    for (int i = 0; i < node->inputs_count; i++)
        if (!probe_view(l, node->inputs[i], &o->inputs[i]))
            return SW_OK;
    for (int i = 0; i < node->outputs_count; i++)
        if (!probe_view(l, node->outputs[i], &o->outputs[i]))
            return SW_OK;
    const sw_site site = {.ctx = l->c->ctx,
                          .node = node,
                          .inputs_count = node->inputs_count,
                          .outputs_count = node->outputs_count,
                          .inputs = o->inputs,
                          .outputs = o->outputs,
                          .packed = packed,
                          .threads = l->c->options->team};
    sw_layout layout = backend->prefers(&site);
    if (layout == SW_LAYOUT_PLAIN)
        layout = layout_given(l, node);
    if (layout == SW_LAYOUT_PLAIN)
        return SW_OK;
    bool fits = dress(node, o, layout) && backend->takes(&site, layout);
    if (fits)
        SW_TRY(try_on(&site, backend, &fits));
    if (!fits)
        undress(o);
    return SW_OK;
}

/* `value` in `layout`, made before `at` when it is not there yet. */
static sw_value *in_layout(struct laying *l, sw_node *at, sw_value *value, sw_layout layout)
{
    if (layout_of(l, value) == layout)
        return value;
    sw_value *other = l->twin[value->id];
    if (other && layout_of(l, other) == layout)
        return other;
    other = l->reordered[value->id];
    if (other && layout_of(l, other) == layout)
        return other;
    sw_value *made = sw_pass_node(l->c, at, "Reorder", &value, 1, NULL, 0);
    if (!made || made->id >= l->capacity)
        return NULL;
    l->c->layouts[made->id] = layout;
    l->twin[made->id] = value;
    l->reordered[value->id] = made;
    sw_pass_note(l->c, "%s (%s) is reordered before %s", sw_node_name(value->node), value->node->op->name,
                 at ? sw_node_name(at) : "the end");
    return made;
}

static bool is_output(const sw_graph *g, const sw_value *value)
{
    for (int i = 0; i < sw_graph_output_count(g); i++)
        if (sw_graph_output(g, i) == value)
            return true;
    return false;
}

/* An output of the graph is read plain by everyone; rows that want it as it was made find it through its twin. */
static sw_status plain_output(struct laying *l, sw_node *node, sw_value *value)
{
    sw_value *plain = in_layout(l, node->next, value, SW_LAYOUT_PLAIN);
    if (!plain)
        return sw_graph_status(l->c->g);
    sw_value_replace(value, plain);
    sw_node_set_input(plain->node, 0, value);
    return SW_OK;
}

static sw_status lay(struct laying *l, sw_node *node)
{
    struct outfit o = {0};
    if (sw_node_is(node, "Reorder"))
        return SW_OK;
    if (!(node->op->flags & SW_LEAF) && !sw_node_is(node, "Assign"))
        SW_TRY(decide(l, node, &o));
    for (int i = 0; i < node->inputs_count; i++) {
        if (!sw_node_reads(node, i))
            continue;
        sw_value *fit = in_layout(l, node, node->inputs[i], i < SW_MAX_PORTS ? o.inputs[i].layout : SW_LAYOUT_PLAIN);
        if (!fit)
            return sw_graph_status(l->c->g);
        if (fit != node->inputs[i])
            sw_node_set_input(node, i, fit);
    }
    for (int i = 0; i < node->outputs_count && i < SW_MAX_PORTS; i++) {
        if (node->outputs[i] == sw_none || o.outputs[i].layout == SW_LAYOUT_PLAIN)
            continue;
        l->c->layouts[node->outputs[i]->id] = o.outputs[i].layout;
        if (is_output(l->c->g, node->outputs[i]))
            SW_TRY(plain_output(l, node, node->outputs[i]));
    }
    return SW_OK;
}

static sw_status run(sw_compiling *c)
{
    struct laying l = {.c = c};
    sw_status status = make_tables(&l);
    for (sw_node *node = sw_graph_first(c->g), *next; node && status == SW_OK; node = next) {
        next = node->next;
        status = lay(&l, node);
    }
    sw_free(c->ctx, l.twin);
    sw_free(c->ctx, l.reordered);
    sw_free(c->ctx, l.symbols);
    return status;
}

const sw_pass sw_pass_layout = {.name = "layout", .doc = "chooses how activations lie in memory", .run = run};
