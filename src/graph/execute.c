/* execute.c: computing one node now.
 *
 * An awake graph hands each new node to its context's executor. Without one, and as the truth that executors are
 * compared with, a row's reference body computes it; a row that is only a decomposition is computed by taking it apart
 * in a small awake graph of its own. */
#include <string.h>

#include "graph/inside.h"

enum { FEW = 16 }; /* ports that need no memory of their own */

/* ---- by reference body ---- */
struct placing {
    sw_context *ctx;
    const sw_node *node;
    sw_tensor **outputs;
};

static sw_status place_tensor(struct placing *placing, sw_view *view, int index, sw_dims dims)
{
    if (index < 0 || index >= placing->node->outputs_count || placing->outputs[index])
        return sw_fail(SW_INTERNAL, "row '%s' placed output %d, which is none or placed already",
                       placing->node->op->name, index);
    sw_tensor *tensor = sw_tensor_new(placing->ctx, placing->node->outputs[index]->type.dtype, dims);
    if (!tensor)
        return sw_alloc_status();
    placing->outputs[index] = tensor;
    *view = sw_view_of(tensor);
    return SW_OK;
}

static sw_status place(sw_call *call, int index, sw_dims dims)
{
    return place_tensor(call->owner, &call->outputs[index], index, dims);
}

/* Storage for every output whose dims are known; only rows that say so may leave the others to their body. */
static sw_status place_known(struct placing *placing, sw_view *views)
{
    const sw_node *node = placing->node;
    for (int i = 0; i < node->outputs_count; i++) {
        const sw_type *type = &node->outputs[i]->type;
        sw_dims dims = {.rank = type->rank};
        bool known = type->kind == SW_TENSOR && type->rank >= 0;
        for (int k = 0; known && k < type->rank; k++) {
            known = sw_dim_known(type->dims[k]);
            dims.dim[k] = type->dims[k];
        }
        views[i] = (sw_view){.dtype = type->dtype};
        if (known && !(node->op->flags & SW_DATA_SHAPED))
            SW_TRY(place_tensor(placing, &views[i], i, dims));
        else if (!(node->op->flags & SW_DATA_SHAPED))
            return sw_fail(type->kind == SW_TENSOR ? SW_SHAPE : SW_UNSUPPORTED,
                           "%s '%s': output %d cannot be computed %s", node->op->name, sw_node_name(node), i,
                           type->kind == SW_TENSOR ? "before its dims are known" : "one by one: it is no tensor");
    }
    return SW_OK;
}

static sw_status run_reference(struct placing *placing, sw_tensor *const *inputs, sw_view *views)
{
    const sw_node *node = placing->node;
    sw_view *in = views, *out = views + node->inputs_count;
    for (int i = 0; i < node->inputs_count; i++)
        in[i] = sw_view_of(inputs[i]);
    SW_TRY(place_known(placing, out));
    sw_call call = {.ctx = placing->ctx,
                    .node = node,
                    .inputs_count = node->inputs_count,
                    .outputs_count = node->outputs_count,
                    .inputs = in,
                    .outputs = out,
                    .place = place,
                    .owner = placing};
    SW_TRY(node->op->reference(&call));
    for (int i = 0; i < node->outputs_count; i++)
        if (!placing->outputs[i])
            return sw_fail(SW_INTERNAL, "row '%s' did not place output %d", node->op->name, i);
    return SW_OK;
}

static sw_status by_reference(sw_context *ctx, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs)
{
    struct placing placing = {ctx, node, outputs};
    int ports = node->inputs_count + node->outputs_count;
    sw_view few[FEW], *views = ports <= FEW ? few : sw_alloc_array(ctx, (size_t)ports, sizeof *views);
    if (!views)
        return sw_alloc_status();
    sw_status status = run_reference(&placing, inputs, views);
    if (views != few)
        sw_free(ctx, views);
    return status;
}

/* ---- by decomposition ---- */
/* A node like `node` in the small graph, its inputs as constants there. It is not linked: a decomposition only looks at
 * its attributes and inputs. */
static sw_node *mirror(sw_graph *small, const sw_node *node, sw_tensor *const *inputs)
{
    sw_node *copy = sw_node_make(small, node->op, node->inputs_count, node->outputs_count);
    if (!copy)
        return sw_graph_null(small, sw_alloc_status());
    copy->attrs = node->attrs;
    copy->stream = node->stream;
    for (int i = 0; i < node->outputs_count; i++)
        copy->outputs[i]->type = node->outputs[i]->type;
    for (int i = 0; i < node->inputs_count; i++) {
        copy->inputs[i] = inputs[i] ? sw_constant(small, inputs[i]) : sw_none;
        if (!copy->inputs[i])
            return NULL;
    }
    return copy;
}

static sw_status take_apart(sw_graph *small, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs)
{
    sw_value *values[SW_MAX_PORTS] = {0};
    sw_node *copy = mirror(small, node, inputs);
    if (!copy)
        return sw_graph_status(small);
    sw_status status = sw_graph_fail(small, node->op->decompose(small, copy, values));
    if (sw_graph_status(small) != SW_OK) {
        sw_error_raise(&small->error);
        return sw_fail_in(status != SW_OK ? status : sw_graph_status(small), "%s '%s'", node->op->name,
                          sw_node_name(node));
    }
    for (int i = 0; i < node->outputs_count; i++) {
        sw_tensor *tensor = values[i] && values[i] != sw_none ? values[i]->tensor : NULL;
        if (!tensor)
            return sw_fail(SW_INTERNAL, "row '%s': its decomposition gives no output %d", node->op->name, i);
        outputs[i] = sw_tensor_retain(tensor);
    }
    return SW_OK;
}

static sw_status by_decomposition(sw_context *ctx, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs)
{
    sw_graph *small = sw_graph_new(ctx, SW_EAGER);
    if (!small)
        return sw_alloc_status();
    small->training_now = node->graph->training_now;
    sw_status status = take_apart(small, node, inputs, outputs);
    sw_graph_free(small);
    return status;
}

static void release_outputs(const sw_node *node, sw_tensor **outputs)
{
    for (int i = 0; i < node->outputs_count; i++) {
        sw_tensor_release(outputs[i]);
        outputs[i] = NULL;
    }
}

sw_status sw_reference_execute(sw_context *ctx, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs)
{
    sw_status status;
    for (int i = 0; i < node->outputs_count; i++)
        outputs[i] = NULL;
    if (node->op->reference)
        status = by_reference(ctx, node, inputs, outputs);
    else if (node->op->decompose)
        status = by_decomposition(ctx, node, inputs, outputs);
    else
        status = sw_fail(SW_UNSUPPORTED, "%s '%s' has no body", node->op->name, sw_node_name(node));
    if (status != SW_OK)
        release_outputs(node, outputs);
    return status;
}

/* ---- in an awake graph ---- */
/* Rows that only look at the same elements otherwise share the storage of their input. */
static bool is_view(const sw_node *node, sw_tensor *const *inputs)
{
    const sw_type *type = &node->outputs[0]->type;
    if (!(node->op->flags & SW_VIEW_OF_FIRST) || node->outputs_count != 1 || !inputs[0] || type->rank < 0 ||
        type->dtype != sw_tensor_dtype(inputs[0]) || !sw_tensor_is_contiguous(inputs[0]))
        return false;
    for (int i = 0; i < type->rank; i++)
        if (!sw_dim_known(type->dims[i]))
            return false;
    return true;
}

static sw_status view(const sw_node *node, sw_tensor *input, sw_tensor **output)
{
    const sw_type *type = &node->outputs[0]->type;
    sw_dims dims = {.rank = type->rank};
    memcpy(dims.dim, type->dims, sizeof(int64_t) * (size_t)type->rank);
    *output = sw_tensor_reshape(input, dims);
    return *output ? SW_OK : sw_alloc_status();
}

/* Where only the type of an input matters, contents that were freed are no loss: one zero, seen as all of them. */
static sw_tensor *stand_in(const sw_node *node, int input)
{
    const sw_value *value = node->inputs[input];
    const sw_op *op = node->op;
    if (!value->freed || input >= sw_ports_count(op->inputs) || !(op->inputs[input].flags & SW_PORT_SHAPE_ONLY))
        return NULL;
    sw_dims dims = {.rank = value->type.rank};
    memcpy(dims.dim, value->type.dims, sizeof(int64_t) * (size_t)dims.rank);
    sw_tensor *zero = sw_tensor_zeros(node->graph->ctx, value->type.dtype, SW_SCALAR);
    sw_tensor *all = zero ? sw_tensor_broadcast(zero, dims) : NULL;
    sw_tensor_release(zero);
    return all;
}

static void release_stand_ins(const sw_node *node, sw_tensor **inputs)
{
    for (int i = 0; i < node->inputs_count; i++)
        if (node->inputs[i]->freed)
            sw_tensor_release(inputs[i]);
}

static sw_status gather(const sw_node *node, sw_tensor **inputs)
{
    for (int i = 0; i < node->inputs_count; i++)
        inputs[i] = node->inputs[i]->tensor;
    for (int i = 0; i < node->inputs_count; i++) {
        sw_value *value = node->inputs[i];
        if (!inputs[i] && value != sw_none && !(inputs[i] = stand_in(node, i))) {
            sw_value_tensor(value); /* for its text */
            return sw_fail_in(SW_INVALID, "%s '%s': input %d", node->op->name, sw_node_name(node), i);
        }
    }
    return SW_OK;
}

/* What was computed must be what was inferred; where inference did not know, now it does. */
static sw_status accept(sw_node *node, sw_tensor **outputs)
{
    for (int i = 0; i < node->outputs_count; i++) {
        sw_value *value = node->outputs[i];
        int rank = sw_tensor_rank(outputs[i]);
        bool known = value->type.rank >= 0;
        bool same = sw_tensor_dtype(outputs[i]) == value->type.dtype && (!known || rank == value->type.rank);
        for (int k = 0; same && k < value->type.rank; k++) {
            known = known && value->type.dims[k] >= 0;
            same = value->type.dims[k] < 0 || value->type.dims[k] == sw_tensor_dim(outputs[i], k);
        }
        if (same && known)
            continue;
        sw_type now = sw_type_of(outputs[i]);
        if (!same) {
            char inferred[192], computed[192];
            return sw_fail(SW_INTERNAL, "%s '%s': output %d was inferred as %s and computed as %s", node->op->name,
                           sw_node_name(node), i, sw_type_text(node->graph, &value->type, inferred, sizeof inferred),
                           sw_type_text(node->graph, &now, computed, sizeof computed));
        }
        value->type = now;
    }
    for (int i = 0; i < node->outputs_count; i++)
        node->outputs[i]->tensor = outputs[i];
    return SW_OK;
}

static sw_status compute(sw_node *node, sw_tensor *const *inputs)
{
    sw_context *ctx = node->graph->ctx;
    sw_tensor *outputs[SW_MAX_PORTS] = {0};
    sw_executor *executor = sw_executor_of(ctx);
    sw_status status = is_view(node, inputs) ? view(node, inputs[0], outputs)
                       : executor            ? executor->execute(executor, node, inputs, outputs)
                                             : sw_reference_execute(ctx, node, inputs, outputs);
    if (status == SW_OK)
        status = accept(node, outputs);
    if (status != SW_OK)
        release_outputs(node, outputs);
    return status;
}

sw_status sw_node_execute(sw_node *node)
{
    sw_context *ctx = node->graph->ctx;
    sw_tensor *few[FEW], **inputs = few;
    if (node->inputs_count > FEW && !(inputs = sw_alloc_array(ctx, (size_t)node->inputs_count, sizeof *inputs)))
        return sw_alloc_status();
    sw_status status = gather(node, inputs);
    if (status == SW_OK)
        status = compute(node, inputs);
    release_stand_ins(node, inputs);
    if (inputs != few)
        sw_free(ctx, inputs);
    return status;
}
