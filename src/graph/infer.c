/* infer.c: what is known of a node's outputs before they are computed.
 *
 * The ports say which element types may come in and which go out; the row's own inference adds dims, and the contents
 * of small integer tensors that are shapes of others. What it returns is checked here, so a faulty row is found at its
 * first node. */
#include <stdio.h>
#include <string.h>

#include "graph/inside.h"

static const sw_port *port_of(const sw_port *ports, int index)
{
    int last = 0;
    while (last < index && last + 1 < SW_MAX_PORTS && ports[last + 1].name)
        last++;
    return &ports[last];
}

static int input_index(const sw_op *op, const char *name)
{
    int i = 0;
    while (i < SW_MAX_PORTS && op->inputs[i].name && strcmp(op->inputs[i].name, name) != 0)
        i++;
    return i;
}

void sw_node_text(const sw_node *node, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < node->inputs_count; i++) {
        char type[192];
        const sw_value *value = node->inputs[i];
        if (!value || value == sw_none)
            continue;
        sw_type_text(node->graph, &value->type, type, sizeof type);
        int wrote =
            snprintf(text + used, size - used, "%s%s %s", used ? ", " : "(", port_of(node->op->inputs, i)->name, type);
        if (wrote < 0 || used + (size_t)wrote + 2 > size)
            return;
        used += (size_t)wrote;
    }
    if (used)
        snprintf(text + used, size - used, ")");
}

sw_status sw_infer_fail(const sw_infer *infer, const char *format, ...)
{
    char ports[640], text[SW_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sw_node_text(infer->node, ports, sizeof ports);
    return sw_fail(SW_SHAPE, "%s '%s'%s%s: %s", infer->node->op->name, sw_node_name(infer->node), *ports ? " " : "",
                   ports, text);
}

/* "f32 or f64 or …" */
static void classes_text(sw_dtypes classes, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int dtype = 1; dtype < SW_DTYPE_COUNT && used < size; dtype++)
        if (classes & SW_DT(dtype))
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? " or " : "", sw_dtype_name((sw_dtype)dtype));
}

static sw_status check_input(const sw_node *node, int index)
{
    const sw_op *op = node->op;
    const sw_port *port = port_of(op->inputs, index);
    const sw_value *value = node->inputs[index];
    if (value == sw_none) {
        if (port->flags & (SW_PORT_OPTIONAL | SW_PORT_VARIADIC))
            return SW_OK;
        return sw_fail(SW_INVALID, "%s '%s': input '%s' is missing", op->name, sw_node_name(node), port->name);
    }
    if (value->type.kind != port->kind)
        return sw_fail(SW_SHAPE, "%s '%s': input '%s' is a %s, needs a %s", op->name, sw_node_name(node), port->name,
                       sw_kind_name(value->type.kind), sw_kind_name(port->kind));
    sw_dtype dtype = value->type.dtype, same = SW_DTYPE_NONE;
    const char *same_name = port->same_as;
    if (port->dtypes && !(port->dtypes & SW_DT(dtype))) {
        char classes[256];
        classes_text(port->dtypes, classes, sizeof classes);
        return sw_fail(SW_SHAPE, "%s '%s': input '%s' is %s, needs %s", op->name, sw_node_name(node), port->name,
                       sw_dtype_name(dtype), classes);
    }
    int first = port->same_as ? input_index(op, port->same_as) : (int)(port - op->inputs);
    if (!port->same_as && port->flags & SW_PORT_HETEROGENEOUS)
        return SW_OK;
    if (first < index && node->inputs[first] != sw_none) {
        same = node->inputs[first]->type.dtype;
        same_name = port_of(op->inputs, first)->name;
    }
    if (same != SW_DTYPE_NONE && same != dtype)
        return sw_fail(SW_SHAPE, "%s '%s': input '%s' is %s, needs %s as '%s' is", op->name, sw_node_name(node),
                       port->name, sw_dtype_name(dtype), sw_dtype_name(same), same_name);
    return SW_OK;
}

sw_status sw_node_check_inputs(const sw_node *node)
{
    for (int i = 0; i < node->inputs_count; i++)
        SW_TRY(check_input(node, i));
    return SW_OK;
}

/* The element type that a port fixes by itself, else SW_DTYPE_NONE for the row to fill. */
static sw_dtype port_dtype(const sw_node *node, const sw_port *port)
{
    if (port->same_as) {
        int at = input_index(node->op, port->same_as);
        return at < node->inputs_count && node->inputs[at] != sw_none ? node->inputs[at]->type.dtype : SW_DTYPE_NONE;
    }
    bool single = port->dtypes && (port->dtypes & (port->dtypes - 1)) == 0;
    return single ? (sw_dtype)__builtin_ctz(port->dtypes) : SW_DTYPE_NONE;
}

/* What came out of the row's inference must be a type that the port allows. */
static sw_status check_output(sw_graph *g, const sw_node *node, int index, const sw_type *type)
{
    const sw_port *port = port_of(node->op->outputs, index);
    if (sw_type_check(g, type, node->op->name, port->name) != SW_OK)
        return sw_fail_in(SW_INTERNAL, "inference");
    if (type->kind != port->kind || (port->dtypes && type->kind == SW_TENSOR && !(port->dtypes & SW_DT(type->dtype)))) {
        char text[192];
        return sw_fail(SW_INTERNAL, "row '%s' inferred %s for output '%s', which its port does not allow",
                       node->op->name, sw_type_text(g, type, text, sizeof text), port->name);
    }
    return SW_OK;
}

static sw_status infer_outputs(sw_infer *infer, sw_graph *g, const sw_node *node)
{
    infer->g = g;
    infer->node = node;
    for (int i = 0; i < node->outputs_count; i++) {
        const sw_port *port = port_of(node->op->outputs, i);
        infer->outputs[i] = (sw_type){.kind = port->kind, .dtype = port_dtype(node, port)};
        infer->contents[i] = NULL;
        infer->contents_count[i] = 0;
    }
    SW_TRY(node->op->infer(infer));
    SW_TRY(sw_graph_status(g)); /* arithmetic on dims fails the graph */
    for (int i = 0; i < node->outputs_count; i++)
        SW_TRY(check_output(g, node, i, &infer->outputs[i]));
    return SW_OK;
}

sw_status sw_node_infer(sw_graph *g, sw_node *node)
{
    sw_infer infer;
    SW_TRY(infer_outputs(&infer, g, node));
    for (int i = 0; i < node->outputs_count; i++) {
        node->outputs[i]->type = infer.outputs[i];
        node->outputs[i]->contents = infer.contents[i];
        node->outputs[i]->contents_count = infer.contents_count[i];
    }
    return SW_OK;
}

sw_status sw_node_infer_types(sw_graph *g, const sw_node *node, sw_type *types)
{
    sw_infer infer;
    SW_TRY(infer_outputs(&infer, g, node));
    memcpy(types, infer.outputs, sizeof *types * (size_t)node->outputs_count);
    return SW_OK;
}

/* ---- contents of shape tensors ---- */
enum { MOST_CONTENTS = 4096 };

bool sw_value_contents(sw_graph *g, const sw_value *value, const sw_dim **dims, int *count)
{
    if (!value || value == sw_none)
        return false;
    if (!value->contents) {
        if (!value->tensor || !sw_dtype_is_integer(value->type.dtype) || sw_tensor_count(value->tensor) > MOST_CONTENTS)
            return false;
        int items = (int)sw_tensor_count(value->tensor);
        sw_dim *known = sw_arena_array(g->arena, (size_t)items, sizeof *known);
        if (!known) {
            sw_graph_fail(g, sw_alloc_status());
            return false;
        }
        for (int i = 0; i < items; i++) {
            int64_t item = sw_tensor_get_int(value->tensor, i);
            known[i] = item > SW_DIM_UNKNOWN ? item : SW_DIM_UNKNOWN + 1; /* "as far back as can be" stays that */
        }
        ((sw_value *)value)->contents = known;
        ((sw_value *)value)->contents_count = items;
    }
    *dims = value->contents;
    *count = value->contents_count;
    return true;
}

void sw_infer_contents(sw_infer *infer, int output, const sw_dim *dims, int count)
{
    if (output < 0 || output >= infer->node->outputs_count || count < 0 || count > MOST_CONTENTS)
        return;
    sw_dim *copy = sw_arena_copy(infer->g->arena, dims, (size_t)count * sizeof *dims);
    if (!copy) {
        sw_graph_fail(infer->g, sw_alloc_status());
        return;
    }
    infer->contents[output] = copy;
    infer->contents_count[output] = count;
}
