/* grad.c: the backward pass, appended to the graph as ordinary nodes.
 *
 * Gradients are nodes like any others: they can be differentiated again, optimised and compiled. What is asked for here
 * is checked, walked in grad_walk.c, and remembered with the states. */
#include "graph/grad_walk.h"

static sw_value *ones_like(sw_graph *g, sw_value *y)
{
    sw_value *one = sw_scalar(g, y->type.dtype, 1.0);
    if (!one || y->type.rank == 0)
        return one;
    sw_value *shape = sw_node_add(g, "Shape", &y, 1, NULL, 0, NULL, 0);
    return shape ? sw_node_add(g, "Expand", (sw_value *[]){one, shape}, 2, NULL, 0, NULL, 0) : NULL;
}

static sw_status check_like(const sw_value *y, const sw_value *dy)
{
    bool same = dy->type.kind == y->type.kind && dy->type.dtype == y->type.dtype && dy->type.rank == y->type.rank;
    for (int i = 0; same && i < y->type.rank; i++)
        same = dy->type.dims[i] < 0 || y->type.dims[i] < 0 || dy->type.dims[i] == y->type.dims[i];
    char needs[192], got[192];
    return same ? SW_OK
                : sw_fail(SW_SHAPE, "its incoming gradient is %s, needs %s",
                          sw_type_text(dy->graph, &dy->type, got, sizeof got),
                          sw_type_text(y->graph, &y->type, needs, sizeof needs));
}

static sw_status check_request(sw_graph *g, sw_value *y, sw_value *dy, sw_value *const *wrt, int count)
{
    SW_TRY(sw_value_check(g, y, "the value to be differentiated"));
    if (!sw_grad_is_floating(y))
        return sw_fail(SW_INVALID, "only floating values can be differentiated, this one is %s",
                       sw_dtype_name(y->type.dtype));
    if (dy != sw_none) {
        SW_TRY(sw_value_check(g, dy, "its incoming gradient"));
        SW_TRY(check_like(y, dy));
    }
    for (int i = 0; i < count; i++)
        SW_TRY(sw_value_check(g, wrt[i], "a value to differentiate by"));
    return SW_OK;
}

/* Values that outlive the walk whatever it frees. */
static void hold_kept(sw_graph *g, sw_value *y, sw_value *const *wrt, int count, int by)
{
    sw_grad_hold(y, by);
    for (int i = 0; i < count; i++)
        sw_grad_hold(wrt[i], by);
    for (size_t i = 0; i < g->outputs.count; i++)
        sw_grad_hold(g->outputs.items[i].value, by);
    for (size_t i = 0; i < g->states.count; i++)
        sw_grad_hold(g->states.items[i].current, by);
}

static sw_status differentiate(sw_graph *g, sw_value *y, sw_value *dy, sw_value *const *wrt, int count, bool frees,
                               sw_value **gradients)
{
    if (g->flags & SW_NOGRAD)
        return sw_fail(SW_INVALID, "a graph made with SW_NOGRAD records nothing to differentiate");
    SW_TRY(check_request(g, y, dy, wrt, count));
    struct sw_grad_walk walk = {.frees = frees};
    sw_node *last = g->last;
    sw_status status = sw_grad_open(&walk, g);
    if (status == SW_OK) {
        struct sw_grad_seed seed = {y, dy == sw_none ? ones_like(g, y) : dy};
        for (int i = 0; i < count; i++)
            walk.between[wrt[i]->id] = true;
        hold_kept(g, y, wrt, count, 1);
        status = seed.gradient ? sw_grad_walk(&walk, g->first, last, &seed, 1) : sw_graph_status(g);
        hold_kept(g, y, wrt, count, -1);
    }
    for (int i = 0; i < count; i++)
        gradients[i] = status == SW_OK && walk.table[wrt[i]->id] ? walk.table[wrt[i]->id] : sw_none;
    if (walk.table)
        sw_grad_close(&walk);
    else
        sw_free(g->ctx, walk.between);
    return status;
}

sw_status sw_grad(sw_graph *g, sw_value *y, sw_value *dy, sw_value *const *wrt, int count, sw_value **gradients)
{
    for (int i = 0; i < count; i++)
        gradients[i] = NULL;
    if (!sw_ok(g))
        return sw_graph_status(g);
    sw_status status = differentiate(g, y, dy, wrt, count, false, gradients);
    return status == SW_OK ? SW_OK : sw_graph_fail(g, status);
}

/* The reads of trainable states, in order of first use. */
static int trainable_reads(sw_graph *g, sw_value **reads, struct held **helds)
{
    int count = 0;
    for (size_t i = 0; i < g->states.count; i++) {
        struct held *held = &g->states.items[i];
        held->gradient = NULL;
        if (held->current && sw_state_trainable(held->state) && held->current->node->op == &sw_op_read) {
            helds[count] = held;
            reads[count++] = held->current;
        }
    }
    return count;
}

sw_status sw_backward(sw_graph *g, sw_value *loss)
{
    if (!sw_ok(g))
        return sw_graph_status(g);
    size_t most = g->states.count + 1;
    sw_value **reads = sw_alloc_array(g->ctx, most * 2, sizeof *reads);
    struct held **helds = sw_alloc_array(g->ctx, most, sizeof(struct held *));
    sw_status status = reads && helds ? SW_OK : sw_alloc_status();
    if (status == SW_OK) {
        int count = trainable_reads(g, reads, helds);
        status =
            differentiate(g, loss, sw_none, reads, count, sw_graph_awake(g) && !(g->flags & SW_RETAIN), reads + most);
        for (int i = 0; i < count; i++)
            helds[i]->gradient = status == SW_OK && reads[most + (size_t)i] != sw_none ? reads[most + (size_t)i] : NULL;
    }
    sw_free(g->ctx, reads);
    sw_free(g->ctx, helds);
    return status == SW_OK ? SW_OK : sw_graph_fail(g, status);
}

sw_value *sw_gradient_of(sw_graph *g, const sw_state *state)
{
    if (!sw_ok(g))
        return NULL;
    struct held *held = sw_held_find(g, state);
    return held && held->gradient ? held->gradient : sw_none;
}
