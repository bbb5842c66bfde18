/* onnx_write.c: a graph becomes an ONNX model.
 *
 * Only what the outputs need is written. Rows without an ONNX form but with a decomposition are decomposed first, in a
 * copy; states become initialisers with their present contents; the training input is false. Each row is written by
 * its adapter; what has none is told all at once. Weights are kept by reference until the bytes are sent. */
#include <stdio.h>
#include <string.h>

#include "formats/onnx.h"
#include "formats/onnx_adapt.h"

enum { LEAST_OPSET = 17, MAX_ROUNDS = 8, ALIGNED_FROM = 1024 };

struct initializer {
    const char *name;
    sw_tensor *tensor; /* retained */
};

struct onnx_export {
    sw_context *ctx;
    sw_graph *g;
    sw_arena *arena;
    sw_wire_writer *w;
    const char **names; /* per value id; NULL: not named yet */
    bool *live;         /* per node id */
    sw_strmap *used;    /* every name in the file */
    sw_vec(struct initializer) initializers;
    int temporaries, opset;
    const onnx_adapter *adapter;
};

int onnx_opset_of(const onnx_export *ex) { return ex->opset; }

const onnx_adapter *onnx_writing(const onnx_export *ex) { return ex->adapter; }

/* ---- names ---- */

/* `wanted`, or with a number behind it when it is taken. Failures stay in the writer. */
static const char *claim(onnx_export *ex, const char *wanted)
{
    const char *name = wanted;
    for (int i = 1; sw_strmap_get(ex->used, name); i++) {
        name = sw_arena_format(ex->arena, "%s_%d", wanted, i);
        if (!name)
            break;
    }
    char *copy = name ? sw_arena_strdup(ex->arena, name) : NULL;
    sw_status status = copy ? sw_strmap_set(ex->used, copy, copy) : sw_alloc_status();
    if (status == SW_OK)
        return copy;
    sw_wire_set_status(ex->w, status);
    return "";
}

static void take_leaf(onnx_export *ex, const sw_value *value);

/* A constant or state becomes an initialiser when it is first asked for. */
const char *onnx_name(onnx_export *ex, const sw_value *value)
{
    if (!value || value == SW_NONE)
        return "";
    if (!ex->names[value->id])
        take_leaf(ex, value);
    if (!ex->names[value->id]) {
        char plain[32];
        snprintf(plain, sizeof plain, "v%d", value->id);
        ex->names[value->id] = claim(ex, *sw_value_name(value) ? sw_value_name(value) : plain);
    }
    return ex->names[value->id];
}

const char *onnx_temporary(onnx_export *ex)
{
    char name[32];
    snprintf(name, sizeof name, "t%d", ++ex->temporaries);
    return claim(ex, name);
}

/* Takes the tensor over. */
static const char *add_initializer(onnx_export *ex, const char *wanted, sw_tensor *tensor)
{
    const char *name = claim(ex, wanted);
    struct initializer initializer = {name, tensor};
    if (!tensor || sw_vec_push(ex->ctx, &ex->initializers, initializer) != SW_OK) {
        sw_wire_set_status(ex->w, sw_alloc_status());
        sw_tensor_release(tensor);
    }
    return name;
}

const char *onnx_constant_ints(onnx_export *ex, const int64_t *ints, int count)
{
    char name[32];
    snprintf(name, sizeof name, "c%d", ++ex->temporaries);
    return add_initializer(ex, name, sw_tensor_from(ex->ctx, SW_I64, SW_DIMS(count), ints));
}

const char *onnx_constant_scalar(onnx_export *ex, sw_dtype dtype, double value)
{
    char name[32];
    snprintf(name, sizeof name, "c%d", ++ex->temporaries);
    sw_tensor *tensor = sw_tensor_new(ex->ctx, dtype, SW_SCALAR);
    if (tensor)
        sw_tensor_set(tensor, 0, value);
    return add_initializer(ex, name, tensor);
}

/* ---- messages ---- */

/* Large weights begin at a multiple of 64 in the file, so that whoever maps it can use them in place: the tensor gets a
 * doc_string of spaces that fills the gap. All messages around it are of fixed length here. */
static void align_elements(sw_wire_writer *w, size_t bytes)
{
    static const char spaces[64] = "                                                               ";
    int length = 1;
    for (size_t left = bytes; left >= 0x80; left >>= 7)
        length++;
    uint64_t at = sw_wire_size(w) + 2 + 1 + (uint64_t)length; /* behind an empty doc_string and raw_data's head */
    sw_wire_put_bytes(w, 12, spaces, (64 - at % 64) % 64);
}

/* TensorProto's fields. The elements are referred to: the tensor must be contiguous and live until the bytes are sent.
 */
static void put_tensor_fields(sw_wire_writer *w, const char *name, const sw_tensor *tensor, bool align)
{
    sw_dims dims = sw_tensor_dims(tensor);
    sw_wire_put_packed_ints(w, 1, dims.dim, (size_t)dims.rank);
    sw_wire_put_int(w, 2, onnx_data_type(sw_tensor_dtype(tensor)));
    if (*name)
        sw_wire_put_text(w, 8, name);
    if (sw_tensor_dtype(tensor) == SW_STRING)
        for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
            sw_wire_put_text(w, 6, sw_tensor_get_string(tensor, i));
    if (align && sw_tensor_bytes(tensor) >= ALIGNED_FROM)
        align_elements(w, sw_tensor_bytes(tensor));
    if (sw_tensor_dtype(tensor) != SW_STRING)
        sw_wire_put_reference(w, 9, sw_tensor_data(tensor), sw_tensor_bytes(tensor));
}

void onnx_begin(onnx_export *ex, const char *op, const sw_node *node)
{
    sw_wire_begin(ex->w, 1);
    if (node)
        sw_wire_put_text(ex->w, 3, sw_node_name(node));
    sw_wire_put_text(ex->w, 4, op);
}

void onnx_in(onnx_export *ex, const char *name) { sw_wire_put_text(ex->w, 1, name); }
void onnx_out(onnx_export *ex, const char *name) { sw_wire_put_text(ex->w, 2, name); }

static void begin_attr(onnx_export *ex, const char *name, onnx_attr_type type)
{
    sw_wire_begin(ex->w, 5);
    sw_wire_put_text(ex->w, 1, name);
    sw_wire_put_int(ex->w, 20, type);
}

void onnx_put_int(onnx_export *ex, const char *name, int64_t value)
{
    begin_attr(ex, name, ONNX_INT);
    sw_wire_put_int(ex->w, 3, value);
    sw_wire_end(ex->w);
}

void onnx_put_float(onnx_export *ex, const char *name, double value)
{
    begin_attr(ex, name, ONNX_FLOAT);
    sw_wire_put_float(ex->w, 2, (float)value);
    sw_wire_end(ex->w);
}

void onnx_put_string(onnx_export *ex, const char *name, const char *value)
{
    begin_attr(ex, name, ONNX_STRING);
    sw_wire_put_text(ex->w, 4, value);
    sw_wire_end(ex->w);
}

void onnx_put_ints(onnx_export *ex, const char *name, const int64_t *values, int count)
{
    begin_attr(ex, name, ONNX_INTS);
    for (int i = 0; i < count; i++) /* attributes are not packed in onnx.proto */
        sw_wire_put_int(ex->w, 8, values[i]);
    sw_wire_end(ex->w);
}

void onnx_put_floats(onnx_export *ex, const char *name, const double *values, int count)
{
    begin_attr(ex, name, ONNX_FLOATS);
    for (int i = 0; i < count; i++)
        sw_wire_put_float(ex->w, 7, (float)values[i]);
    sw_wire_end(ex->w);
}

void onnx_put_tensor(onnx_export *ex, const char *name, sw_tensor *value)
{
    begin_attr(ex, name, ONNX_TENSOR);
    sw_wire_begin(ex->w, 5);
    put_tensor_fields(ex->w, "", value, false);
    sw_wire_end(ex->w);
    sw_wire_end(ex->w);
}

sw_status onnx_end(onnx_export *ex)
{
    sw_wire_end(ex->w);
    return sw_wire_writer_status(ex->w);
}

void onnx_put_ports(onnx_export *ex, const sw_node *node)
{
    int inputs = sw_node_input_count(node);
    while (inputs > 0 && sw_node_input(node, inputs - 1) == SW_NONE)
        inputs--;
    for (int i = 0; i < inputs; i++)
        onnx_in(ex, onnx_name(ex, sw_node_input(node, i)));
    for (int i = 0; i < sw_node_output_count(node); i++)
        onnx_out(ex, onnx_name(ex, sw_node_output(node, i)));
}

static void put_attr(onnx_export *ex, const char *name, const sw_attr *attr)
{
    switch (attr->kind) {
    case SW_ATTR_INT:
        onnx_put_int(ex, name, attr->i);
        break;
    case SW_ATTR_DTYPE:
        onnx_put_int(ex, name, onnx_data_type((sw_dtype)attr->i));
        break;
    case SW_ATTR_FLOAT:
        onnx_put_float(ex, name, attr->f);
        break;
    case SW_ATTR_STRING:
        onnx_put_string(ex, name, attr->s);
        break;
    case SW_ATTR_INTS:
        onnx_put_ints(ex, name, attr->ints, attr->count);
        break;
    case SW_ATTR_FLOATS:
        onnx_put_floats(ex, name, attr->floats, attr->count);
        break;
    default:
        break;
    }
}

void onnx_put_attrs(onnx_export *ex, const sw_node *node, const onnx_adapter *adapter)
{
    for (int k = 0; k < ONNX_MAX_ATTRS && adapter->attrs[k].onnx; k++) {
        const sw_attr *attr = adapter->attrs[k].row ? sw_node_attr(node, adapter->attrs[k].row) : NULL;
        if (attr)
            put_attr(ex, adapter->attrs[k].onnx, attr);
    }
}

sw_status onnx_write_row(onnx_export *ex, const sw_node *node, const char *op)
{
    onnx_begin(ex, op, node);
    onnx_put_ports(ex, node);
    onnx_put_attrs(ex, node, ex->adapter);
    return onnx_end(ex);
}

/* ---- which nodes ---- */

static bool is_leaf(const sw_node *node)
{
    return node->op == &sw_op_input || node->op == &sw_op_constant || node->op == &sw_op_read;
}

static sw_node *last_node(sw_graph *g)
{
    sw_node *last = NULL;
    for (sw_node *node = sw_graph_first(g); node; node = node->next)
        last = node;
    return last;
}

/* Backwards from the outputs. */
static void mark_live(sw_graph *g, bool *live)
{
    for (int i = 0; i < sw_graph_output_count(g); i++)
        live[sw_graph_output(g, i)->node->id] = true;
    for (sw_node *node = last_node(g); node; node = node->previous)
        for (int i = 0; live[node->id] && i < node->inputs_count; i++)
            if (node->inputs[i] != SW_NONE)
                live[node->inputs[i]->node->id] = true;
}

static bool *live_nodes(sw_arena *arena, sw_graph *g)
{
    bool *live = sw_arena_array(arena, (size_t)sw_graph_node_ids(g), sizeof *live);
    if (live)
        mark_live(g, live);
    return live;
}

static sw_status decompose_node(sw_graph *g, sw_node *node)
{
    sw_value *outputs[ONNX_MAX_PORTS] = {NULL};
    sw_node *place = sw_graph_insert_before(g, node);
    sw_status status = node->op->decompose(g, node, outputs);
    sw_graph_insert_before(g, place);
    SW_TRY(status);
    for (int i = 0; i < node->outputs_count && i < ONNX_MAX_PORTS; i++)
        if (outputs[i] && outputs[i] != SW_NONE)
            sw_value_replace(node->outputs[i], outputs[i]);
    return sw_graph_status(g);
}

/* Rows that ONNX lacks become the rows that they mean, a few rounds deep. */
static sw_status decompose(sw_arena *arena, sw_graph *g)
{
    bool again = true;
    for (int round = 0; again && round < MAX_ROUNDS; round++) {
        bool *live = live_nodes(arena, g);
        int ids = sw_graph_node_ids(g);
        if (!live)
            return sw_alloc_status();
        again = false;
        for (sw_node *node = sw_graph_first(g); node; node = node->next) {
            if (node->id >= ids || !live[node->id] || is_leaf(node) || !node->op->decompose ||
                onnx_adapter_for_row(node->op->name, LEAST_OPSET))
                continue;
            SW_TRY(decompose_node(g, node));
            again = true;
        }
    }
    return SW_OK;
}

/* The least opset that can say all nodes; old readers are many. */
static int choose_opset(const onnx_export *ex)
{
    int opset = LEAST_OPSET;
    for (sw_node *node = sw_graph_first(ex->g); node; node = node->next) {
        const onnx_adapter *adapter = onnx_adapter_for_row(node->op->name, LEAST_OPSET);
        if (!ex->live[node->id] || is_leaf(node) || !adapter || !adapter->needs)
            continue;
        int needs = adapter->needs(node);
        opset = needs > opset ? needs : opset;
    }
    return opset;
}

/* The IR version that came with an opset: checkers want them together. */
static int ir_version(int opset) { return opset >= 21 ? 10 : opset >= 19 ? 9 : 8; }

static sw_status tell_missing(onnx_export *ex)
{
    char text[SW_ERROR_TEXT_MAX] = "";
    size_t used = 0;
    int count = 0;
    for (sw_node *node = sw_graph_first(ex->g); node; node = node->next) {
        if (!ex->live[node->id] || is_leaf(node) || onnx_adapter_for_row(node->op->name, ex->opset))
            continue;
        int wrote = used < sizeof text ? snprintf(text + used, sizeof text - used, "%s%s '%s'", count ? ", " : "",
                                                  node->op->name, sw_node_name(node))
                                       : 0;
        used += wrote > 0 ? (size_t)wrote : 0;
        count++;
    }
    return count ? sw_fail(SW_UNSUPPORTED, "ONNX: %d node%s no form in opset %d: %s", count,
                           count == 1 ? " has" : "s have", ex->opset, text)
                 : SW_OK;
}

/* ---- the model ---- */

static void put_type(onnx_export *ex, const sw_value *value)
{
    const sw_type *type = sw_value_type(value);
    char text[128];
    sw_wire_begin(ex->w, 2);
    sw_wire_begin(ex->w, 1);
    sw_wire_put_int(ex->w, 1, onnx_data_type(type->dtype));
    if (type->rank >= 0) {
        sw_wire_begin(ex->w, 2);
        for (int i = 0; i < type->rank; i++) {
            sw_wire_begin(ex->w, 1);
            if (sw_dim_known(type->dims[i]))
                sw_wire_put_int(ex->w, 1, type->dims[i]);
            else if (type->dims[i] != SW_DIM_UNKNOWN)
                sw_wire_put_text(ex->w, 2, sw_dim_text(ex->g, type->dims[i], text, sizeof text));
            sw_wire_end(ex->w);
        }
        sw_wire_end(ex->w);
    }
    sw_wire_end(ex->w);
    sw_wire_end(ex->w);
}

static void put_value_info(onnx_export *ex, uint32_t number, const char *name, const sw_value *value)
{
    sw_wire_begin(ex->w, number);
    sw_wire_put_text(ex->w, 1, name);
    put_type(ex, value);
    sw_wire_end(ex->w);
}

/* A leaf that is no input is an initialiser under its value's name, or its state's. */
static void take_leaf(onnx_export *ex, const sw_value *value)
{
    const sw_node *node = value->node;
    sw_tensor *kept = NULL;
    const char *wanted = sw_value_name(value);
    char plain[32];
    if (node->op == &sw_op_read) {
        wanted = sw_state_name(node->state);
        kept = sw_tensor_contiguous(sw_state_tensor(node->state));
    } else if (node->op == &sw_op_constant) {
        kept = sw_tensor_contiguous(value->tensor);
    } else if (value == sw_graph_training_value(ex->g)) {
        wanted = "training";
        kept = sw_tensor_zeros(ex->ctx, SW_BOOL, SW_SCALAR);
    } else {
        return;
    }
    snprintf(plain, sizeof plain, "v%d", value->id);
    ex->names[value->id] = add_initializer(ex, *wanted ? wanted : plain, kept);
}

/* The graph's outputs own their names; a value that is two outputs, or an input, is passed through an Identity. */
static void name_ports(onnx_export *ex)
{
    for (int i = 0; i < sw_graph_input_count(ex->g); i++)
        onnx_name(ex, sw_graph_input(ex->g, i));
    for (int i = 0; i < sw_graph_output_count(ex->g); i++) {
        const char *name = sw_graph_output_name(ex->g, i);
        sw_value *value = sw_graph_output(ex->g, i);
        if (!ex->names[value->id] && !is_leaf(value->node) && !sw_strmap_get(ex->used, name))
            ex->names[value->id] = claim(ex, name);
    }
}

static sw_status write_outputs(onnx_export *ex)
{
    for (int i = 0; i < sw_graph_output_count(ex->g); i++) {
        sw_value *value = sw_graph_output(ex->g, i);
        const char *name = sw_graph_output_name(ex->g, i), *have = onnx_name(ex, value);
        if (strcmp(name, have) != 0) {
            name = claim(ex, name);
            onnx_begin(ex, "Identity", NULL);
            onnx_in(ex, have);
            onnx_out(ex, name);
            SW_TRY(onnx_end(ex));
        }
        put_value_info(ex, 12, name, value);
    }
    return sw_wire_writer_status(ex->w);
}

static sw_status write_nodes(onnx_export *ex)
{
    for (sw_node *node = sw_graph_first(ex->g); node; node = node->next) {
        if (!ex->live[node->id] || is_leaf(node))
            continue;
        ex->adapter = onnx_adapter_for_row(node->op->name, ex->opset);
        SW_TRY(ex->adapter->write ? ex->adapter->write(ex, node) : onnx_write_row(ex, node, ex->adapter->op));
    }
    return sw_wire_writer_status(ex->w);
}

static sw_status write_graph(onnx_export *ex)
{
    sw_wire_begin_fixed(ex->w, 7);
    sw_wire_put_text(ex->w, 2, *sw_graph_name(ex->g) ? sw_graph_name(ex->g) : "graph");
    for (int i = 0; i < sw_graph_input_count(ex->g); i++)
        put_value_info(ex, 11, onnx_name(ex, sw_graph_input(ex->g, i)), sw_graph_input(ex->g, i));
    SW_TRY(write_nodes(ex));
    SW_TRY(write_outputs(ex));
    for (size_t i = 0; i < ex->initializers.count; i++) {
        sw_wire_begin_fixed(ex->w, 5);
        put_tensor_fields(ex->w, ex->initializers.items[i].name, ex->initializers.items[i].tensor, true);
        sw_wire_end(ex->w);
    }
    sw_wire_end(ex->w);
    return sw_wire_writer_status(ex->w);
}

static void put_entry(sw_wire_writer *w, const char *key, const char *value)
{
    sw_wire_begin(w, 14);
    sw_wire_put_text(w, 1, key);
    sw_wire_put_text(w, 2, value);
    sw_wire_end(w);
}

/* Class names as a JSON list under one key. */
static void put_classes(onnx_export *ex, const sw_artifact_info *info)
{
    sw_text text;
    sw_json_writer json;
    sw_text_init(&text, ex->ctx);
    sw_json_begin(&json, &text, false);
    sw_json_open(&json, NULL, '[');
    for (int i = 0; i < info->class_count; i++)
        sw_json_string(&json, NULL, info->classes[i]);
    sw_json_close(&json, ']');
    if (text.status == SW_OK)
        put_entry(ex->w, ONNX_CLASSES_KEY, text.data);
    sw_wire_set_status(ex->w, text.status);
    sw_text_free(&text);
}

static sw_status write_model(onnx_export *ex, const sw_artifact_info *info)
{
    sw_wire_put_int(ex->w, 1, ir_version(ex->opset));
    sw_wire_put_text(ex->w, 2, "slipway");
    sw_wire_put_text(ex->w, 3, SW_VERSION);
    SW_TRY(write_graph(ex));
    sw_wire_begin(ex->w, 8);
    sw_wire_put_text(ex->w, 1, "");
    sw_wire_put_int(ex->w, 2, ex->opset);
    sw_wire_end(ex->w);
    if (info && info->class_count > 0)
        put_classes(ex, info);
    for (int i = 0; info && i < info->metadata_count; i++)
        put_entry(ex->w, info->keys[i], info->values[i]);
    return sw_wire_writer_status(ex->w);
}

static sw_status to_text(void *user, const void *bytes, size_t size)
{
    sw_text_addn(user, bytes, size);
    return ((sw_text *)user)->status;
}

static sw_status export_graph(onnx_export *ex, const sw_artifact_info *info,
                              sw_status (*sink)(void *, const void *, size_t), void *user)
{
    SW_TRY(decompose(ex->arena, ex->g));
    ex->names = sw_arena_array(ex->arena, (size_t)sw_graph_value_ids(ex->g), sizeof *ex->names);
    ex->live = ex->names ? live_nodes(ex->arena, ex->g) : NULL;
    ex->used = ex->live ? sw_strmap_new(ex->ctx) : NULL;
    ex->w = ex->used ? sw_wire_writer_new(ex->ctx) : NULL;
    if (!ex->w)
        return sw_alloc_status();
    ex->opset = choose_opset(ex);
    SW_TRY(tell_missing(ex));
    name_ports(ex);
    SW_TRY(write_model(ex, info));
    return sw_wire_finish(ex->w, sink, user);
}

sw_status sw_onnx_write_to(sw_graph *g, const sw_artifact_info *info,
                           sw_status (*sink)(void *user, const void *bytes, size_t size), void *user)
{
    if (!sw_ok(g))
        return sw_fail(g ? sw_graph_status(g) : SW_INVALID, "%s", g ? sw_graph_error(g) : "no graph");
    if (sw_graph_output_count(g) == 0)
        return sw_fail(SW_INVALID, "ONNX: the graph has no outputs");
    sw_context *ctx = sw_graph_context(g);
    onnx_export ex = {.ctx = ctx};
    ex.g = sw_graph_copy(g, NULL);
    ex.arena = ex.g ? sw_arena_new(ctx) : NULL;
    sw_status status = ex.arena ? export_graph(&ex, info, sink, user) : sw_alloc_status();
    for (size_t i = 0; i < ex.initializers.count; i++)
        sw_tensor_release(ex.initializers.items[i].tensor);
    sw_vec_free(ctx, &ex.initializers);
    sw_wire_writer_free(ex.w);
    sw_strmap_free(ex.used);
    sw_arena_free(ex.arena);
    sw_graph_free(ex.g);
    return status;
}

sw_status sw_onnx_write(sw_graph *g, const sw_artifact_info *info, sw_text *bytes)
{
    return sw_onnx_write_to(g, info, to_text, bytes);
}
