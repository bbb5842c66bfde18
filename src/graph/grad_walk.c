/* grad_walk.c: from the gradients of outputs to the gradients of inputs, node by node, backwards.
 *
 * Each node's row turns the gradients of its outputs into gradients of its inputs; what several readers give one value
 * is added up. Only nodes between the values asked for and the seeds are visited. A row without a rule of its own is
 * taken apart and the walk goes through its pieces.
 *
 * A walk that frees gives back contents as it goes: before it starts, what only the way forward needed; then, once a
 * node has been walked, its outputs and their gradients, which nobody further back reads. `holds` counts the places in
 * the table of gradients (and other reasons) that keep a value. */
#include "graph/grad_walk.h"

/* ---- for rules ---- */
bool sw_grad_wants(const sw_graph *g, int input) { return !g->in_rule || input >= 64 || (g->wants >> input & 1) != 0; }

/* ---- the table ---- */
bool sw_grad_is_floating(const sw_value *value)
{
    return value->type.kind == SW_TENSOR && (SW_FLOATING & SW_DT(value->type.dtype)) != 0;
}

static void free_contents(sw_value *value)
{
    if (!value->tensor || value->holds > 0 || value->node->op->flags & SW_LEAF)
        return;
    sw_tensor_release(value->tensor);
    value->tensor = NULL;
    value->freed = true;
}

void sw_grad_hold(sw_value *value, int by)
{
    if (value && value != sw_none)
        value->holds += by;
}

static sw_value *gathered(const struct sw_grad_walk *walk, const sw_value *value)
{
    return value != sw_none && value->id < walk->count ? walk->table[value->id] : NULL;
}

static sw_status check_fits(const sw_node *node, const sw_value *value, const sw_value *gradient)
{
    const sw_type *x = &value->type, *dx = &gradient->type;
    bool fits = dx->kind == SW_TENSOR && dx->dtype == x->dtype && (dx->rank == x->rank || dx->rank < 0 || x->rank < 0);
    for (int i = 0; fits && i < x->rank && dx->rank >= 0; i++)
        fits = x->dims[i] < 0 || dx->dims[i] < 0 || x->dims[i] == dx->dims[i];
    if (fits)
        return SW_OK;
    char has[128], got[128];
    return sw_fail(SW_INTERNAL, "%s '%s': its rule gives a gradient %s for an input %s", node->op->name,
                   sw_node_name(node), sw_type_text(value->graph, dx, got, sizeof got),
                   sw_type_text(value->graph, x, has, sizeof has));
}

/* Adds what one reader gives to what others gave. */
static sw_status gather(struct sw_grad_walk *walk, const sw_node *reader, sw_value *value, sw_value *gradient)
{
    if (!gradient)
        return sw_graph_status(walk->g) != SW_OK
                   ? sw_graph_status(walk->g)
                   : sw_fail(SW_INTERNAL, "the rule of %s gave no gradient and no reason", reader->op->name);
    if (gradient == sw_none || value == sw_none || value->id >= walk->count || !walk->between[value->id])
        return SW_OK;
    SW_TRY(check_fits(reader, value, gradient));
    sw_value **place = &walk->table[value->id];
    if (*place) {
        sw_value *before = *place,
                 *sum = sw_node_add(walk->g, "Add", (sw_value *[]){before, gradient}, 2, NULL, 0, NULL, 0);
        if (!sum)
            return sw_graph_status(walk->g);
        sw_grad_hold(before, -1);
        if (walk->frees)
            free_contents(before);
        gradient = sum;
    }
    *place = gradient;
    sw_grad_hold(gradient, 1);
    return SW_OK;
}

/* ---- one node ---- */
/* Whether a gradient may pass through this port. */
static bool passes(const sw_node *node, int input)
{
    const sw_op *op = node->op;
    int rows = sw_ports_count(op->inputs), row = input < rows ? input : rows - 1;
    return node->inputs[input] != sw_none && sw_grad_is_floating(node->inputs[input]) &&
           !(op->inputs[row].flags & (SW_PORT_NO_GRADIENT | SW_PORT_SHAPE_ONLY));
}

sw_status sw_grad_open(struct sw_grad_walk *walk, sw_graph *g)
{
    walk->g = g;
    walk->count = g->value_ids;
    walk->table = sw_alloc_zero(g->ctx, (size_t)walk->count * sizeof *walk->table);
    walk->between = sw_alloc_zero(g->ctx, (size_t)walk->count);
    return walk->table && walk->between ? SW_OK : sw_alloc_status();
}

void sw_grad_close(struct sw_grad_walk *walk)
{
    for (int i = 0; walk->table && i < walk->count; i++)
        sw_grad_hold(walk->table[i], -1);
    sw_free(walk->g->ctx, walk->table);
    sw_free(walk->g->ctx, walk->between);
}

/* Gradients through the pieces of a row that has no rule. */
static sw_status by_decomposition(sw_graph *g, const sw_node *node, sw_value *const *dy, sw_value **dx)
{
    sw_node *before = g->before ? g->before->previous : g->last;
    sw_value *outputs[SW_MAX_PORTS] = {0};
    struct sw_grad_seed seeds[SW_MAX_PORTS];
    int seeds_count = 0;
    SW_TRY(node->op->decompose(g, node, outputs));
    for (int i = 0; i < node->outputs_count; i++)
        if (dy[i] != sw_none && outputs[i] && outputs[i] != sw_none)
            seeds[seeds_count++] = (struct sw_grad_seed){outputs[i], dy[i]};
    struct sw_grad_walk inner = {0};
    sw_status status = sw_grad_open(&inner, g);
    for (int i = 0; status == SW_OK && i < node->inputs_count; i++)
        if (node->inputs[i] != sw_none && sw_grad_wants(g, i))
            inner.between[node->inputs[i]->id] = true;
    uint64_t wants = g->wants;
    sw_node *first = before ? before->next : g->first;
    if (status == SW_OK) /* a decomposition may add no node: what comes in goes out */
        status = sw_grad_walk(&inner, first == g->before ? NULL : first, g->before ? g->before->previous : g->last,
                              seeds, seeds_count);
    g->wants = wants;
    for (int i = 0; status == SW_OK && i < node->inputs_count; i++)
        if (node->inputs[i] != sw_none && inner.table[node->inputs[i]->id])
            dx[i] = inner.table[node->inputs[i]->id];
    /* An input that stands at two ports must get its sum once. */
    for (int i = 0; status == SW_OK && i < node->inputs_count; i++)
        for (int k = 0; k < i; k++)
            if (node->inputs[k] == node->inputs[i])
                dx[i] = sw_none;
    sw_grad_close(&inner);
    return status;
}

static sw_status apply_rule(struct sw_grad_walk *walk, sw_node *node, sw_value *const *dy, sw_value **dx)
{
    sw_graph *g = walk->g;
    const sw_grad_row *row = &node->op->grad;
    bool outer = g->in_rule;
    uint64_t outer_wants = g->wants;
    g->in_rule = true;
    g->wants = 0;
    for (int i = 0; i < node->inputs_count && i < 64; i++)
        if (passes(node, i) && node->inputs[i]->id < walk->count && walk->between[node->inputs[i]->id])
            g->wants |= UINT64_C(1) << i;
    sw_status status;
    if (row->kind == SW_GRAD_RULE)
        status = row->rule(g, node, dy, dx);
    else if (row->kind == SW_BY_DECOMPOSITION && node->op->decompose)
        status = by_decomposition(g, node, dy, dx);
    else
        status = sw_fail(SW_INTERNAL, "row '%s' says nothing about its gradient", node->op->name);
    g->in_rule = outer;
    g->wants = outer_wants;
    if (status == SW_OK)
        status = sw_graph_status(g);
    return status;
}

/* What the rule made on its way and nobody holds. */
static void free_made(sw_node *after)
{
    for (; after; after = after->next)
        for (int i = 0; i < after->outputs_count; i++)
            free_contents(after->outputs[i]);
}

static sw_status walk_node(struct sw_grad_walk *walk, sw_node *node, sw_value **dx)
{
    sw_value *dy[SW_MAX_PORTS];
    sw_node *end = walk->g->last;
    bool any = false;
    for (int i = 0; i < node->outputs_count; i++) {
        sw_value *gradient = gathered(walk, node->outputs[i]);
        dy[i] = gradient ? gradient : sw_none;
        any = any || gradient;
    }
    if (any && node->op->grad.kind != SW_NOT_DIFFERENTIABLE) {
        for (int i = 0; i < node->inputs_count; i++)
            dx[i] = sw_none;
        SW_TRY(apply_rule(walk, node, dy, dx));
        for (int i = 0; i < node->inputs_count; i++)
            if (passes(node, i) || !dx[i])
                SW_TRY(gather(walk, node, node->inputs[i], dx[i]));
    }
    if (!walk->frees)
        return SW_OK;
    free_made(end ? end->next : walk->g->first);
    for (int i = 0; i < node->outputs_count; i++) {
        sw_value *value = node->outputs[i], *gradient = gathered(walk, value);
        if (!walk->between[value->id])
            continue;
        if (gradient) {
            walk->table[value->id] = NULL;
            sw_grad_hold(gradient, -1);
            free_contents(gradient);
        }
        if (!value->name)
            free_contents(value);
    }
    return SW_OK;
}

/* Forwards: what depends on the values marked so far. Backwards: of these, what a seed depends on. */
static sw_status mark(struct sw_grad_walk *walk, sw_node *first, sw_node *last, const struct sw_grad_seed *seeds,
                      int seeds_count)
{
    bool *reached = sw_alloc_zero(walk->g->ctx, (size_t)walk->count + 1);
    if (!reached)
        return sw_alloc_status();
    for (sw_node *node = first; node; node = node == last ? NULL : node->next) {
        bool depends = false;
        for (int i = 0; i < node->inputs_count; i++)
            depends = depends || (passes(node, i) && walk->between[node->inputs[i]->id]);
        for (int i = 0; depends && node->op->grad.kind != SW_NOT_DIFFERENTIABLE && i < node->outputs_count; i++)
            walk->between[node->outputs[i]->id] =
                walk->between[node->outputs[i]->id] || sw_grad_is_floating(node->outputs[i]);
    }
    for (int i = 0; i < seeds_count; i++)
        reached[seeds[i].value->id] = true;
    for (sw_node *node = first ? last : NULL; node; node = node == first ? NULL : node->previous) {
        bool reaches = false;
        for (int i = 0; i < node->outputs_count; i++)
            reaches = reaches || reached[node->outputs[i]->id];
        for (int i = 0; reaches && i < node->inputs_count; i++)
            if (node->inputs[i] != sw_none)
                reached[node->inputs[i]->id] = true;
    }
    for (int i = 0; i < walk->count; i++)
        walk->between[i] = walk->between[i] && reached[i];
    sw_free(walk->g->ctx, reached);
    return SW_OK;
}

/* Adds `by` to the holds of what the rules of the nodes in between will read. */
static void hold_for_rules(struct sw_grad_walk *walk, sw_node *first, sw_node *last, int by)
{
    for (sw_node *node = first; node; node = node == last ? NULL : node->next) {
        bool walked = false, all = node->op->grad.kind != SW_GRAD_RULE;
        uint32_t keeps = node->op->grad.keeps;
        for (int i = 0; i < node->outputs_count; i++)
            walked = walked || walk->between[node->outputs[i]->id];
        for (int i = 0; walked && i < node->inputs_count; i++)
            if (all || i >= 16 || keeps & SW_KEEP_INPUT(i))
                sw_grad_hold(node->inputs[i], by);
        for (int i = 0; walked && i < node->outputs_count; i++)
            if (keeps & SW_KEEP_OUTPUT(i))
                sw_grad_hold(node->outputs[i], by);
    }
}

/* Before the walk: what was needed on the way forward only. */
static void free_unread(struct sw_grad_walk *walk, sw_node *first, sw_node *last)
{
    hold_for_rules(walk, first, last, 1);
    for (sw_node *node = first; node; node = node == last ? NULL : node->next)
        for (int i = 0; i < node->outputs_count; i++)
            if (walk->between[node->outputs[i]->id] && !node->outputs[i]->name)
                free_contents(node->outputs[i]);
    hold_for_rules(walk, first, last, -1);
}

/* The rules, from the end. The most inputs of a node bound one array. */
sw_status sw_grad_walk(struct sw_grad_walk *walk, sw_node *first, sw_node *last, const struct sw_grad_seed *seeds,
                       int seeds_count)
{
    int most = 1;
    SW_TRY(mark(walk, first, last, seeds, seeds_count));
    for (sw_node *node = first; node; node = node == last ? NULL : node->next)
        most = node->inputs_count > most ? node->inputs_count : most;
    for (int i = 0; i < seeds_count; i++)
        SW_TRY(gather(walk, seeds[i].value->node, seeds[i].value, seeds[i].gradient));
    sw_value **dx = sw_alloc_array(walk->g->ctx, (size_t)most, sizeof *dx);
    if (!dx)
        return sw_alloc_status();
    sw_status status = SW_OK;
    if (walk->frees)
        free_unread(walk, first, last);
    for (sw_node *node = last, *previous; first && node && status == SW_OK; node = node == first ? NULL : previous) {
        previous = node->previous;
        if (!(node->op->flags & SW_LEAF))
            status = walk_node(walk, node, dx);
    }
    sw_free(walk->g->ctx, dx);
    return status;
}
