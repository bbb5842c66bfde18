/* onnx_read.c: ONNX structs become a graph.
 *
 * First every node is looked up, so that all that is not supported is told at once. Then values are made in the order
 * of the nodes: initialisers are constants, each node goes through its adapter. A model's own functions are inlined:
 * their nodes run in a scope of names of their own, their attribute references are bound to the caller's. */
#include <stdio.h>
#include <string.h>

#include "formats/onnx_adapt.h"
#include "formats/onnx_inside.h"
#include "formats/onnx_tensor.h"
#include "graph/dim.h"
#include "graph/engine.h"

enum { MAX_INLINING = 32, MAX_INLINED_NODES = 1000000 };

/* Where names of values live: the graph, or one call of a function. */
struct scope {
    struct scope *outer;
    sw_strmap *values; /* name -> sw_value * */
    const onnx_function *function;
    const onnx_node *call; /* whose attributes the function's nodes refer to */
};

struct onnx_import {
    sw_context *ctx;
    const char *name;
    const char *folder;
    sw_mapping *mapping;
    sw_graph *g;
    const onnx_model *model;
    const onnx_adapter *adapter;
    struct scope *scope;
    sw_strmap *node_names; /* those taken: ONNX does not keep them unique */
    int depth, inlined;
    bool told; /* the message of the failure names its node already */
};

sw_graph *onnx_graph_of(onnx_import *im) { return im->g; }
sw_mapping *onnx_mapping_of(onnx_import *im) { return im->mapping; }
const char *onnx_folder_of(onnx_import *im) { return im->folder; }
const onnx_adapter *onnx_current(onnx_import *im) { return im->adapter; }

/* ---- versions and functions ---- */

static int64_t version_in(const onnx_opset *opsets, int count, const char *domain)
{
    for (int i = 0; i < count; i++)
        if (strcmp(opsets[i].domain, domain) == 0)
            return opsets[i].version;
    return 0;
}

/* A function's own imports win over the model's. */
static int64_t version_of(onnx_import *im, const onnx_function *function, const char *domain)
{
    int64_t version = function ? version_in(function->opsets, function->opset_count, domain) : 0;
    return version ? version : version_in(im->model->opsets, im->model->opset_count, domain);
}

static const onnx_function *find_function(onnx_import *im, const onnx_node *node)
{
    for (int i = 0; i < im->model->function_count; i++) {
        const onnx_function *function = &im->model->functions[i];
        if (strcmp(function->name, node->op) == 0 && strcmp(function->domain, node->domain) == 0)
            return function;
    }
    return NULL;
}

static const onnx_adapter *find_adapter(onnx_import *im, const onnx_function *function, const onnx_node *node)
{
    return onnx_adapter_for_op(node->domain, node->op, version_of(im, function, node->domain));
}

/* ---- what is not supported ---- */

struct missing {
    const onnx_node *node; /* the first */
    int64_t version;
    int count;
};

struct missing_list {
    sw_vec(struct missing) items;
};

static sw_status note_missing(onnx_import *im, struct missing_list *list, const onnx_node *node, int64_t version)
{
    for (size_t i = 0; i < list->items.count; i++) {
        struct missing *known = &list->items.items[i];
        if (strcmp(known->node->op, node->op) == 0 && strcmp(known->node->domain, node->domain) == 0) {
            known->count++;
            return SW_OK;
        }
    }
    return sw_vec_push(im->ctx, &list->items, ((struct missing){node, version, 1}));
}

static sw_status look_up(onnx_import *im, struct missing_list *list, const onnx_function *function,
                         const onnx_node *nodes, int count)
{
    for (int i = 0; i < count; i++)
        if (!find_function(im, &nodes[i]) && !find_adapter(im, function, &nodes[i]))
            SW_TRY(note_missing(im, list, &nodes[i], version_of(im, function, nodes[i].domain)));
    return SW_OK;
}

/* A node without a name is told by what it makes. */
static const char *name_of_node(const onnx_node *node)
{
    return *node->name ? node->name : node->output_count ? node->outputs[0] : "";
}

static sw_status tell_missing(onnx_import *im, const struct missing_list *list)
{
    char text[SW_ERROR_TEXT_MAX] = "";
    size_t used = 0;
    for (size_t i = 0; i < list->items.count && used < sizeof text; i++) {
        const struct missing *m = &list->items.items[i];
        int wrote =
            snprintf(text + used, sizeof text - used, "%snode '%s' (%s%s%s-%lld)", i ? "; " : "", name_of_node(m->node),
                     m->node->domain, *m->node->domain ? "." : "", m->node->op, (long long)m->version);
        used += wrote > 0 ? (size_t)wrote : 0;
        if (m->count > 1 && used < sizeof text) {
            wrote = snprintf(text + used, sizeof text - used, " and %d more", m->count - 1);
            used += wrote > 0 ? (size_t)wrote : 0;
        }
    }
    return sw_fail(SW_UNSUPPORTED, "%s: %zu op%s not supported: %s", im->name, list->items.count,
                   list->items.count == 1 ? " is" : "s are", text);
}

static sw_status check_support(onnx_import *im)
{
    struct missing_list list = {0};
    const onnx_graph *graph = &im->model->graph;
    sw_status status = look_up(im, &list, NULL, graph->nodes, graph->node_count);
    for (int i = 0; i < im->model->function_count && status == SW_OK; i++) {
        const onnx_function *function = &im->model->functions[i];
        status = look_up(im, &list, function, function->nodes, function->node_count);
    }
    if (status == SW_OK && list.items.count)
        status = tell_missing(im, &list);
    sw_vec_free(im->ctx, &list.items);
    return status;
}

/* ---- attributes ---- */

static const onnx_attr *attr_in(const onnx_attr *attrs, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(attrs[i].name, name) == 0)
            return &attrs[i];
    return NULL;
}

/* Follows references outwards, from a function's node to the node that called it. */
static const onnx_attr *resolve(const struct scope *scope, const onnx_attr *attr)
{
    while (attr && *attr->reference) {
        if (!scope || !scope->call)
            return NULL;
        const onnx_attr *given = attr_in(scope->call->attrs, scope->call->attr_count, attr->reference);
        attr = given ? given : attr_in(scope->function->defaults, scope->function->default_count, attr->reference);
        scope = scope->outer;
    }
    return attr;
}

const onnx_attr *onnx_find_attr(onnx_import *im, const onnx_node *node, const char *name)
{
    return resolve(im->scope, attr_in(node->attrs, node->attr_count, name));
}

int64_t onnx_int(onnx_import *im, const onnx_node *node, const char *name, int64_t otherwise)
{
    const onnx_attr *attr = onnx_find_attr(im, node, name);
    return attr && attr->type == ONNX_INT ? attr->i : otherwise;
}

double onnx_float(onnx_import *im, const onnx_node *node, const char *name, double otherwise)
{
    const onnx_attr *attr = onnx_find_attr(im, node, name);
    return attr && attr->type == ONNX_FLOAT ? attr->f : otherwise;
}

const char *onnx_string(onnx_import *im, const onnx_node *node, const char *name, const char *otherwise)
{
    const onnx_attr *attr = onnx_find_attr(im, node, name);
    return attr && attr->type == ONNX_STRING ? attr->s : otherwise;
}

sw_status onnx_fail(onnx_import *im, const onnx_node *node, sw_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_vfail(status, format, args);
    va_end(args);
    im->told = true;
    return sw_fail_in(status, "node '%s' (%s-%d)", name_of_node(node), node->op, im->adapter ? im->adapter->since : 0);
}

sw_status onnx_ints(onnx_import *im, const onnx_node *node, const char *name, int64_t *ints, int max, int *count)
{
    const onnx_attr *attr = onnx_find_attr(im, node, name);
    *count = -1;
    if (!attr)
        return SW_OK;
    if (attr->type != ONNX_INTS || attr->count > max)
        return onnx_fail(im, node, SW_INVALID, "attribute '%s' needs at most %d integers", name, max);
    memcpy(ints, attr->ints, (size_t)attr->count * sizeof *ints);
    *count = attr->count;
    return SW_OK;
}

sw_status onnx_input_ints(onnx_import *im, const onnx_node *node, sw_value *input, const char *what, int64_t *ints,
                          int max, int *count)
{
    const sw_dim *dims;
    *count = -1;
    if (input == SW_NONE)
        return SW_OK;
    if (!sw_value_contents(im->g, input, &dims, count))
        return onnx_fail(im, node, SW_UNSUPPORTED, "its %s must be known before the model runs", what);
    if (*count > max)
        return onnx_fail(im, node, SW_INVALID, "its %s has %d numbers, at most %d are possible", what, *count, max);
    for (int i = 0; i < *count; i++) {
        if (dims[i] <= SW_DIM_UNKNOWN)
            return onnx_fail(im, node, SW_UNSUPPORTED, "its %s must be numbers", what);
        ints[i] = dims[i];
    }
    return SW_OK;
}

sw_status onnx_done(onnx_import *im)
{
    return sw_ok(im->g) ? SW_OK : sw_fail(sw_graph_status(im->g), "%s", sw_graph_error(im->g));
}

/* ---- the straight way ---- */

static sw_status convert_attr(onnx_import *im, const onnx_node *node, const onnx_rename *rename, const onnx_attr *from,
                              sw_attr *to)
{
    static const struct {
        sw_attr_kind kind;
        onnx_attr_type type;
    } pairs[] = {{SW_ATTR_INT, ONNX_INT},        {SW_ATTR_DTYPE, ONNX_INT}, {SW_ATTR_FLOAT, ONNX_FLOAT},
                 {SW_ATTR_STRING, ONNX_STRING},  {SW_ATTR_INTS, ONNX_INTS}, {SW_ATTR_FLOATS, ONNX_FLOATS},
                 {SW_ATTR_STRINGS, ONNX_STRINGS}};
    bool fits = false;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        fits |= pairs[i].kind == rename->kind && (int64_t)pairs[i].type == from->type;
    if (!fits)
        return onnx_fail(im, node, SW_INVALID, "attribute '%s' has the wrong type", from->name);
    *to = (sw_attr){.name = rename->row, .kind = rename->kind, .given = true, .count = from->count};
    switch (rename->kind) {
    case SW_ATTR_INT:
        to->i = from->i;
        break;
    case SW_ATTR_DTYPE:
        to->i = onnx_dtype(from->i);
        if (to->i == SW_DTYPE_NONE)
            return onnx_fail(im, node, SW_UNSUPPORTED, "elements of type %s", onnx_data_type_name(from->i));
        break;
    case SW_ATTR_FLOAT:
        to->f = from->f;
        break;
    case SW_ATTR_STRING:
        to->s = from->s;
        break;
    case SW_ATTR_INTS:
        to->ints = from->ints;
        break;
    case SW_ATTR_FLOATS:
        to->floats = from->floats;
        break;
    default:
        to->strings = from->strings;
    }
    return SW_OK;
}

static sw_attr default_attr(const onnx_rename *rename)
{
    sw_attr attr = {.name = rename->row, .kind = rename->kind, .given = true};
    if (rename->kind == SW_ATTR_FLOAT)
        attr.f = rename->f;
    else if (rename->kind == SW_ATTR_STRING)
        attr.s = rename->s;
    else
        attr.i = rename->i;
    return attr;
}

static sw_status check_attrs_known(onnx_import *im, const onnx_node *node, const onnx_adapter *adapter)
{
    for (int i = 0; i < node->attr_count; i++) {
        bool known = false;
        for (int k = 0; k < ONNX_MAX_ATTRS && adapter->attrs[k].onnx; k++)
            known |= strcmp(node->attrs[i].name, adapter->attrs[k].onnx) == 0;
        if (!known)
            return onnx_fail(im, node, SW_UNSUPPORTED, "attribute '%s' is not known", node->attrs[i].name);
    }
    return SW_OK;
}

sw_status onnx_read_row(onnx_import *im, const onnx_node *node, const onnx_adapter *adapter, sw_value *const *inputs,
                        int inputs_count, const sw_attr *extra, int extra_count, sw_value **outputs)
{
    sw_attr attrs[ONNX_MAX_ATTRS * 2];
    int count = 0;
    for (int k = 0; k < ONNX_MAX_ATTRS && adapter->attrs[k].onnx; k++) {
        const onnx_rename *rename = &adapter->attrs[k];
        const onnx_attr *given = onnx_find_attr(im, node, rename->onnx);
        if (given && rename->row)
            SW_TRY(convert_attr(im, node, rename, given, &attrs[count++]));
        else if (rename->differs)
            attrs[count++] = default_attr(rename);
    }
    for (int i = 0; i < extra_count && count < ONNX_MAX_ATTRS * 2; i++)
        attrs[count++] = extra[i];
    sw_node_add(im->g, adapter->row, inputs, inputs_count, attrs, count, outputs, node->output_count);
    return onnx_done(im);
}

/* ---- values ---- */

static sw_value *find_value(onnx_import *im, const char *name) { return sw_strmap_get(im->scope->values, name); }

static sw_status set_value(onnx_import *im, const char *name, sw_value *value)
{
    if (find_value(im, name))
        return sw_fail(SW_CORRUPT, "two values are named '%s'", name);
    return sw_strmap_set(im->scope->values, name, value);
}

/* Ports behind the last one given are absent, so that an adapter may look at each that its op has. */
static sw_status gather_inputs(onnx_import *im, const onnx_node *node, sw_value **inputs)
{
    for (int i = node->input_count; i < ONNX_MAX_PORTS; i++)
        inputs[i] = SW_NONE;
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = *node->inputs[i] ? find_value(im, node->inputs[i]) : SW_NONE;
        if (!inputs[i])
            return onnx_fail(im, node, SW_CORRUPT, "its input '%s' is made nowhere before it", node->inputs[i]);
    }
    return SW_OK;
}

static sw_status keep_outputs(onnx_import *im, const onnx_node *node, sw_value **outputs)
{
    for (int i = 0; i < node->output_count; i++) {
        if (!*node->outputs[i])
            continue;
        if (!outputs[i] || outputs[i] == SW_NONE)
            return onnx_fail(im, node, SW_UNSUPPORTED, "its output %d is not made", i);
        SW_TRY(set_value(im, node->outputs[i], outputs[i]));
    }
    return SW_OK;
}

/* The node keeps its name in our graph when it has one that is free. A value that passed through unchanged belongs to
 * another node, which has its own name already. */
static sw_status keep_node_name(onnx_import *im, const onnx_node *node, sw_value *output)
{
    if (!*node->name || !output || output == SW_NONE || im->depth || sw_strmap_get(im->node_names, node->name) ||
        output->node->name || !sw_node_output_count(output->node) || output->node->op == &sw_op_constant)
        return SW_OK;
    SW_TRY(sw_strmap_set(im->node_names, node->name, (void *)node));
    return sw_node_set_name(output->node, node->name);
}

/* ---- small constants ---- */

enum { MOST_INTEGERS = 1024, MOST_FLOATS = 64 };

static bool is_small(const sw_tensor *tensor)
{
    return sw_tensor_count(tensor) <= (sw_dtype_is_float(sw_tensor_dtype(tensor)) ? MOST_FLOATS : MOST_INTEGERS);
}

static bool is_small_constant(const sw_value *value)
{
    return value == SW_NONE || (value->node->op == &sw_op_constant && is_small(value->tensor));
}

/* A hostile model must not make something huge out of small constants: the result's size is looked at beforehand. */
static bool makes_little(const sw_type *type)
{
    int64_t count;
    sw_dims dims = {.rank = type->rank};
    if (type->kind != SW_TENSOR || type->dtype == SW_STRING || type->rank < 0)
        return false;
    for (int i = 0; i < type->rank; i++) {
        if (!sw_dim_known(type->dims[i]))
            return false;
        dims.dim[i] = type->dims[i];
    }
    return sw_dims_count(dims, &count) == SW_OK &&
           count <= (sw_dtype_is_float(type->dtype) ? MOST_FLOATS : MOST_INTEGERS);
}

static bool can_fold(const sw_node *node)
{
    if ((node->op->flags & (SW_LEAF | SW_RANDOM | SW_STATEFUL)) || !node->op->reference ||
        node->outputs_count > ONNX_MAX_PORTS)
        return false;
    for (int i = 0; i < node->inputs_count; i++)
        if (!is_small_constant(node->inputs[i]))
            return false;
    for (int i = 0; i < node->outputs_count; i++)
        if (!makes_little(&node->outputs[i]->type))
            return false;
    return node->inputs_count > 0 && node->inputs_count <= ONNX_MAX_PORTS;
}

/* Exporters compute shapes, axes and pads of constants by nodes. They are computed now, so that inference knows them;
 * the node that is left over has no reader. */
static sw_status fold(onnx_import *im, sw_node *node, sw_value **outputs, int count)
{
    sw_tensor *in[ONNX_MAX_PORTS] = {NULL}, *out[ONNX_MAX_PORTS] = {NULL};
    for (int i = 0; i < node->inputs_count; i++)
        in[i] = node->inputs[i] == SW_NONE ? NULL : node->inputs[i]->tensor;
    sw_status status = sw_reference_execute(im->ctx, node, in, out);
    for (int i = 0; i < node->outputs_count; i++) {
        for (int k = 0; k < count && status == SW_OK && out[i]; k++)
            if (outputs[k] == node->outputs[i])
                outputs[k] = sw_constant(im->g, out[i]);
        sw_tensor_release(out[i]);
    }
    return status == SW_NO_MEMORY || status == SW_BUDGET ? status : onnx_done(im);
}

/* An integer value whose contents inference has found, all of them numbers, as a constant: Shape of known dims. */
static sw_status fold_known(onnx_import *im, sw_value **output)
{
    const sw_dim *contents;
    int count;
    const sw_type *type = &(*output)->type;
    if (type->kind != SW_TENSOR || type->dtype != SW_I64 || type->rank != 1 || (*output)->node->op == &sw_op_constant ||
        !sw_value_contents(im->g, *output, &contents, &count) || count > MOST_FLOATS)
        return SW_OK;
    for (int i = 0; i < count; i++)
        if (contents[i] <= SW_DIM_UNKNOWN)
            return SW_OK;
    *output = sw_ints(im->g, count, contents);
    return onnx_done(im);
}

static sw_status fold_outputs(onnx_import *im, sw_value **outputs, int count)
{
    for (int i = 0; i < count; i++) {
        if (!outputs[i] || outputs[i] == SW_NONE)
            continue;
        if (can_fold(outputs[i]->node))
            SW_TRY(fold(im, outputs[i]->node, outputs, count));
        SW_TRY(fold_known(im, &outputs[i]));
    }
    return SW_OK;
}

static sw_status read_nodes(onnx_import *im, const onnx_node *nodes, int count);

static sw_status call_function(onnx_import *im, const onnx_node *node, const onnx_function *function,
                               sw_value *const *inputs, sw_value **outputs)
{
    if (im->depth >= MAX_INLINING || (im->inlined += function->node_count) > MAX_INLINED_NODES)
        return onnx_fail(im, node, SW_INVALID, "functions call each other too often");
    if (node->input_count > function->input_count || node->output_count > function->output_count)
        return onnx_fail(im, node, SW_INVALID, "the function has %d inputs and %d outputs", function->input_count,
                         function->output_count);
    struct scope scope = {.outer = im->scope, .values = sw_strmap_new(im->ctx), .function = function, .call = node};
    if (!scope.values)
        return sw_alloc_status();
    im->scope = &scope;
    im->depth++;
    sw_status status = SW_OK;
    for (int i = 0; i < function->input_count && status == SW_OK; i++)
        status = sw_strmap_set(scope.values, function->inputs[i], i < node->input_count ? inputs[i] : SW_NONE);
    if (status == SW_OK)
        status = read_nodes(im, function->nodes, function->node_count);
    for (int i = 0; i < node->output_count && status == SW_OK; i++)
        outputs[i] = find_value(im, function->outputs[i]);
    im->depth--;
    im->scope = scope.outer;
    sw_strmap_free(scope.values);
    return status;
}

static sw_status read_node(onnx_import *im, const onnx_node *node)
{
    sw_value *inputs[ONNX_MAX_PORTS] = {NULL}, *outputs[ONNX_MAX_PORTS] = {NULL};
    const onnx_function *function = find_function(im, node);
    im->adapter = function ? NULL : find_adapter(im, im->scope->function, node);
    if (node->input_count > ONNX_MAX_PORTS || node->output_count > ONNX_MAX_PORTS)
        return onnx_fail(im, node, SW_UNSUPPORTED, "has %d inputs and %d outputs, at most %d are read",
                         node->input_count, node->output_count, ONNX_MAX_PORTS);
    if (node->output_count < 1)
        return onnx_fail(im, node, SW_CORRUPT, "has no outputs");
    SW_TRY(gather_inputs(im, node, inputs));
    if (function)
        SW_TRY(call_function(im, node, function, inputs, outputs));
    else if (!im->adapter)
        return onnx_fail(im, node, SW_UNSUPPORTED, "is not supported");
    else {
        SW_TRY(check_attrs_known(im, node, im->adapter));
        sw_status status = im->adapter->read
                               ? im->adapter->read(im, node, inputs, outputs)
                               : onnx_read_row(im, node, im->adapter, inputs, node->input_count, NULL, 0, outputs);
        if (status == SW_OK)
            status = onnx_done(im);
        if (status != SW_OK && !im->told)
            return sw_fail_in(status, "node '%s' (%s-%d)", name_of_node(node), node->op, im->adapter->since);
        SW_TRY(status);
        SW_TRY(keep_node_name(im, node, outputs[0]));
        SW_TRY(fold_outputs(im, outputs, node->output_count));
    }
    return keep_outputs(im, node, outputs);
}

static sw_status read_nodes(onnx_import *im, const onnx_node *nodes, int count)
{
    for (int i = 0; i < count; i++)
        SW_TRY(read_node(im, &nodes[i]));
    return SW_OK;
}

/* ---- inputs, weights, outputs ---- */

static sw_status read_initializers(onnx_import *im)
{
    const onnx_graph *graph = &im->model->graph;
    if (graph->sparse_count)
        return sw_fail(SW_UNSUPPORTED, "sparse initialisers are not read");
    for (int i = 0; i < graph->initializer_count; i++) {
        sw_tensor *tensor;
        SW_TRY(onnx_tensor_read(im->mapping, im->folder, &graph->initializers[i], &tensor));
        sw_value *value = sw_constant(im->g, tensor);
        sw_tensor_release(tensor);
        if (!value)
            return onnx_done(im);
        SW_TRY(set_value(im, graph->initializers[i].name, value));
    }
    return SW_OK;
}

static sw_dim read_dim(onnx_import *im, const onnx_value *from, int axis)
{
    char name[128];
    if (from->dims[axis].value >= 0)
        return from->dims[axis].value;
    if (*from->dims[axis].param)
        return sw_symbol(im->g, from->dims[axis].param);
    snprintf(name, sizeof name, "%.100s.%d", from->name, axis); /* unnamed: its own symbol */
    return sw_symbol(im->g, name);
}

static sw_status read_inputs(onnx_import *im)
{
    const onnx_graph *graph = &im->model->graph;
    for (int i = 0; i < graph->input_count; i++) {
        const onnx_value *from = &graph->inputs[i];
        if (find_value(im, from->name)) /* an initialiser; before IR version 4 all of them stand here too */
            continue;
        if (!from->tensor || onnx_dtype(from->data_type) == SW_DTYPE_NONE)
            return sw_fail(SW_UNSUPPORTED, "input '%s' is no tensor of a type that is read (%s)", from->name,
                           onnx_data_type_name(from->data_type));
        sw_type type = {.kind = SW_TENSOR, .dtype = onnx_dtype(from->data_type), .rank = from->rank};
        for (int axis = 0; axis < from->rank; axis++)
            type.dims[axis] = read_dim(im, from, axis);
        sw_value *value = sw_input_declare(im->g, from->name, type);
        if (!value)
            return onnx_done(im);
        SW_TRY(set_value(im, from->name, value));
    }
    return SW_OK;
}

static sw_status read_outputs(onnx_import *im)
{
    const onnx_graph *graph = &im->model->graph;
    for (int i = 0; i < graph->output_count; i++) {
        const char *name = graph->outputs[i].name;
        sw_value *value = find_value(im, name);
        if (!value)
            return sw_fail(SW_CORRUPT, "the output '%s' is made nowhere", name);
        SW_TRY(sw_output(im->g, name, value));
    }
    return graph->output_count ? SW_OK : sw_fail(SW_INVALID, "has no outputs");
}

static sw_status read_graph(onnx_import *im)
{
    if (*im->model->graph.name)
        sw_graph_set_name(im->g, im->model->graph.name);
    SW_TRY(read_initializers(im));
    SW_TRY(read_inputs(im));
    SW_TRY(read_nodes(im, im->model->graph.nodes, im->model->graph.node_count));
    return read_outputs(im);
}

sw_status onnx_read_model(sw_mapping *mapping, const char *name, const char *folder, const onnx_model *model,
                          sw_graph **g)
{
    sw_context *ctx = sw_mapping_context(mapping);
    struct scope scope = {.values = sw_strmap_new(ctx)};
    onnx_import im = {.ctx = ctx, .name = name, .folder = folder, .mapping = mapping, .model = model, .scope = &scope};
    im.node_names = scope.values ? sw_strmap_new(ctx) : NULL;
    im.g = im.node_names ? sw_graph_new(ctx, 0) : NULL;
    sw_status status = im.g ? check_support(&im) : sw_alloc_status();
    if (im.g && status == SW_OK) {
        status = read_graph(&im);
        if (status != SW_OK)
            status = sw_fail_in(status, "%s", name);
    }
    sw_strmap_free(scope.values);
    sw_strmap_free(im.node_names);
    if (status == SW_OK)
        *g = im.g;
    else
        sw_graph_free(im.g);
    return status;
}
