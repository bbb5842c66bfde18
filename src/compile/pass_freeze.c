/* pass_freeze.c: for serving, states become constants.
 *
 * Their contents are copied: the states may go on changing (a training run, the next version of a model). Kernels can
 * then pack them, and convolutions absorb what follows them. A plan that would assign a state is refused: what served
 * requests must not change what is served. */
#include "compile/pass.h"

static sw_status freeze(sw_compiling *c, sw_node *node)
{
    sw_tensor *now = sw_state_tensor(node->state);
    sw_tensor *kept = sw_tensor_new(c->ctx, sw_tensor_dtype(now), sw_tensor_dims(now));
    if (!kept)
        return sw_alloc_status();
    sw_status status = sw_tensor_copy(kept, now);
    sw_value *value = status == SW_OK ? sw_pass_constant(c, node, kept) : NULL;
    sw_tensor_release(kept);
    if (!value)
        return status == SW_OK ? sw_graph_status(c->g) : status;
    sw_pass_note(c, "state '%s' is a constant", sw_state_name(node->state));
    sw_pass_replace(node, value);
    return SW_OK;
}

static bool assigns_itself(const sw_node *node)
{
    const sw_node *maker = node->inputs[0]->node;
    return sw_node_is(maker, "Read") && maker->state == node->state;
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        if (!sw_node_is(node, "Assign"))
            continue;
        if (!assigns_itself(node))
            return sw_fail(SW_INVALID, "state '%s' is assigned: such a graph cannot be frozen",
                           sw_state_name(node->state));
        sw_node_remove(node);
    }
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        if (sw_node_is(node, "Read"))
            SW_TRY(freeze(c, node));
    }
    return SW_OK;
}

const sw_pass sw_pass_freeze = {
    .name = "freeze", .doc = "makes constants of states, for serving", .serves_only = true, .run = run};
