/* pass_constants.c: what can be computed now is.
 *
 * A deterministic row whose inputs are constants is computed by its reference body. So is an integer value whose
 * contents follow from known dims (the shape of an image, say). A result that would be much larger than what it is
 * made from stays as it is: memory is dearer than an Expand. */
#include "compile/pass.h"

enum { SMALL = 65536 };

static bool foldable(const sw_node *node)
{
    const sw_op *op = node->op;
    if (!(op->flags & SW_DETERMINISTIC) || (op->flags & (SW_RANDOM | SW_STATEFUL | SW_LEAF)) || !op->reference)
        return false;
    size_t bytes = 0, made = 0;
    int given = 0;
    for (int i = 0; i < node->inputs_count; i++) {
        if (node->inputs[i] == sw_none)
            continue;
        if (!sw_value_constant(node->inputs[i]))
            return false;
        bytes += sw_tensor_bytes(node->inputs[i]->tensor);
        given++;
    }
    for (int i = 0; i < node->outputs_count; i++) {
        if (node->outputs[i] == sw_none)
            continue;
        const sw_type *type = &node->outputs[i]->type;
        size_t size = (size_t)sw_dtype_bits(type->dtype) / 8 + 1;
        for (int k = 0; k < type->rank; k++)
            if (!sw_dim_known(type->dims[k]) || !sw_mul_size(size, (size_t)type->dims[k], &size))
                return false;
        if (type->kind != SW_TENSOR || type->rank < 0 || !sw_add_size(made, size, &made))
            return false;
    }
    return given && (made <= SMALL || made <= 2 * bytes);
}

static sw_status fold(sw_compiling *c, sw_node *node)
{
    sw_tensor *inputs[SW_MAX_PORTS] = {NULL}, *outputs[SW_MAX_PORTS] = {NULL};
    if (node->inputs_count > SW_MAX_PORTS || node->outputs_count > SW_MAX_PORTS)
        return SW_OK;
    for (int i = 0; i < node->inputs_count; i++)
        inputs[i] = node->inputs[i] == sw_none ? NULL : node->inputs[i]->tensor;
    SW_TRY(sw_reference_execute(c->ctx, node, inputs, outputs));
    sw_pass_note(c, "%s (%s) is computed now", sw_node_name(node), node->op->name);
    for (int i = 0; i < node->outputs_count; i++) {
        if (node->outputs[i] != sw_none && node->outputs[i]->uses) {
            sw_value *value = sw_pass_constant(c, node, outputs[i]);
            if (value)
                sw_value_replace(node->outputs[i], value);
        }
        sw_tensor_release(outputs[i]);
    }
    if (sw_ok(c->g))
        sw_node_remove(node);
    return sw_graph_status(c->g);
}

/* An i64 value whose contents are plain numbers, known from the shapes of others. */
static sw_status know(sw_compiling *c, sw_node *node)
{
    sw_value *v = node->outputs_count == 1 ? node->outputs[0] : sw_none;
    if (v == sw_none || !v->contents || !v->uses || v->type.dtype != SW_I64 || (node->op->flags & SW_LEAF))
        return SW_OK;
    int64_t count = 1;
    sw_dims dims = {.rank = v->type.rank};
    for (int i = 0; i < v->type.rank; i++) {
        if (!sw_dim_known(v->type.dims[i]))
            return SW_OK;
        count *= dims.dim[i] = v->type.dims[i];
    }
    for (int i = 0; i < v->contents_count; i++)
        if (!sw_dim_known(v->contents[i]))
            return SW_OK;
    if (count != v->contents_count)
        return SW_OK;
    sw_tensor *tensor = sw_tensor_from(c->ctx, SW_I64, dims, v->contents);
    if (!tensor)
        return sw_alloc_status();
    sw_value *value = sw_pass_constant(c, node, tensor);
    sw_tensor_release(tensor);
    if (!value)
        return sw_graph_status(c->g);
    sw_pass_note(c, "%s (%s) follows from shapes", sw_node_name(node), node->op->name);
    sw_pass_replace(node, value);
    return SW_OK;
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        SW_TRY(foldable(node) ? fold(c, node) : know(c, node));
    }
    return SW_OK;
}

const sw_pass sw_pass_constants = {.name = "constants", .doc = "computes what depends on constants only", .run = run};
