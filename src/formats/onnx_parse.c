/* onnx_parse.c: onnx.proto's field numbers, and nothing else of ONNX.
 *
 * Each message is walked twice: once to count its repeated fields, so that each becomes one array of the right size,
 * and once to fill them. Unknown fields are passed over, as protobuf wants. */
#include <string.h>

#include "formats/onnx_proto.h"

/* How often each field below 32 stands in the message. */
struct counts {
    int of[32];
};

static struct counts count_fields(sw_wire wire)
{
    struct counts counts = {0};
    sw_wire_field field;
    while (sw_wire_next(&wire, &field))
        if (field.number < 32)
            counts.of[field.number]++;
    return counts; /* damage is met again, and told, by the walk that reads */
}

static const char *text(sw_arena *arena, sw_wire *wire, const sw_wire_field *field)
{
    const uint8_t *bytes;
    size_t size;
    if (!sw_wire_bytes(wire, field, &bytes, &size))
        return "";
    char *copy = sw_arena_strndup(arena, (const char *)bytes, size);
    if (!copy) {
        wire->status = sw_alloc_status();
        return "";
    }
    return copy;
}

/* An array of `count` in the arena; on failure the reader stops. Never NULL for count 0. */
static void *array(sw_arena *arena, sw_wire *wire, int count, size_t size)
{
    void *items = sw_arena_array(arena, count > 0 ? (size_t)count : 1, size);
    if (!items)
        wire->status = sw_alloc_status();
    return items;
}

/* An inner message was read: its failure is the outer reader's. */
static void join(sw_wire *wire, sw_status status)
{
    if (status != SW_OK && wire->status == SW_OK)
        wire->status = status;
}

/* ---- tensors ---- */

static sw_status parse_entry(sw_arena *arena, sw_wire wire, onnx_entry *entry)
{
    sw_wire_field field;
    *entry = (onnx_entry){"", ""};
    while (sw_wire_next(&wire, &field)) {
        if (field.number == 1)
            entry->key = text(arena, &wire, &field);
        else if (field.number == 2)
            entry->value = text(arena, &wire, &field);
    }
    return sw_wire_status(&wire);
}

static bool parse_decimal(const char *digits, int64_t *value)
{
    *value = 0;
    for (const char *at = digits; *at; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, *at - '0', value))
            return false;
    return *digits != '\0';
}

static void parse_external(sw_arena *arena, sw_wire *wire, const sw_wire_field *field, onnx_tensor *tensor)
{
    onnx_entry entry;
    sw_status status = parse_entry(arena, sw_wire_enter(wire, field), &entry);
    join(wire, status);
    if (status != SW_OK)
        return;
    if (strcmp(entry.key, "location") == 0)
        tensor->location = entry.value;
    else if (strcmp(entry.key, "offset") == 0 && !parse_decimal(entry.value, &tensor->offset))
        sw_wire_fail(wire, "an external tensor's offset is '%s'", entry.value);
    else if (strcmp(entry.key, "length") == 0 && !parse_decimal(entry.value, &tensor->length))
        sw_wire_fail(wire, "an external tensor's length is '%s'", entry.value);
}

static void parse_dims(sw_wire *wire, const sw_wire_field *field, onnx_tensor *tensor)
{
    uint64_t bits;
    for (size_t position = 0; sw_wire_repeated(wire, field, SW_WIRE_VARINT, &position, &bits);) {
        if (tensor->dims.rank == SW_MAX_RANK) {
            sw_wire_fail(wire, "a tensor has more than %d dims", SW_MAX_RANK);
            return;
        }
        tensor->dims.dim[tensor->dims.rank++] = (int64_t)bits;
    }
}

static sw_status parse_tensor(sw_arena *arena, sw_wire wire, onnx_tensor *tensor)
{
    sw_wire_field field;
    *tensor = (onnx_tensor){.name = "", .location = "", .length = -1, .message = wire};
    while (sw_wire_next(&wire, &field)) {
        switch (field.number) {
        case 1:
            parse_dims(&wire, &field, tensor);
            break;
        case 2:
            tensor->data_type = sw_wire_int(&wire, &field);
            break;
        case 8:
            tensor->name = text(arena, &wire, &field);
            break;
        case 9:
            sw_wire_bytes(&wire, &field, &tensor->raw, &tensor->raw_size);
            break;
        case 13:
            parse_external(arena, &wire, &field, tensor);
            break;
        case 14:
            tensor->external = sw_wire_int(&wire, &field) == 1;
            break;
        default:
            break;
        }
    }
    return sw_wire_status(&wire);
}

/* ---- attributes and nodes ---- */

static sw_status parse_graph(sw_arena *arena, sw_wire wire, onnx_graph *graph);

static void parse_floats(sw_wire *wire, const sw_wire_field *field, double *floats, int *count, int room)
{
    uint64_t bits;
    for (size_t position = 0; *count < room && sw_wire_repeated(wire, field, SW_WIRE_FIXED32, &position, &bits);)
        floats[(*count)++] = (double)sw_wire_bits_float(bits);
}

static void parse_ints(sw_wire *wire, const sw_wire_field *field, int64_t *ints, int *count, int room)
{
    uint64_t bits;
    for (size_t position = 0; *count < room && sw_wire_repeated(wire, field, SW_WIRE_VARINT, &position, &bits);)
        ints[(*count)++] = (int64_t)bits;
}

/* Numbers in all fields `number` of the message, packed or not. */
static int count_numbers(sw_wire wire, uint32_t number, sw_wire_type type)
{
    size_t count = 0;
    sw_wire_field field;
    while (sw_wire_next(&wire, &field))
        if (field.number == number)
            count += sw_wire_repeated_count(&wire, &field, type);
    return count < INT32_MAX ? (int)count : INT32_MAX;
}

static void parse_attr_tensor(sw_arena *arena, sw_wire *wire, const sw_wire_field *field, onnx_attr *attr)
{
    onnx_tensor *tensor = array(arena, wire, 1, sizeof *tensor);
    if (tensor)
        join(wire, parse_tensor(arena, sw_wire_enter(wire, field), tensor));
    attr->t = tensor;
}

static void parse_attr_graph(sw_arena *arena, sw_wire *wire, const sw_wire_field *field, onnx_attr *attr)
{
    onnx_graph *graph = array(arena, wire, 1, sizeof *graph);
    if (graph)
        join(wire, parse_graph(arena, sw_wire_enter(wire, field), graph));
    attr->g = graph;
}

struct lists {
    double *floats;
    int64_t *ints;
    const char **strings;
    int float_count, int_count, string_count, float_room, int_room, string_room;
};

static void parse_attr_field(sw_arena *arena, sw_wire *wire, const sw_wire_field *field, onnx_attr *attr,
                             struct lists *lists)
{
    switch (field->number) {
    case 1:
        attr->name = text(arena, wire, field);
        break;
    case 2:
        attr->f = (double)sw_wire_float(wire, field);
        break;
    case 3:
        attr->i = sw_wire_int(wire, field);
        break;
    case 4:
        attr->s = text(arena, wire, field);
        break;
    case 5:
        parse_attr_tensor(arena, wire, field, attr);
        break;
    case 6:
        parse_attr_graph(arena, wire, field, attr);
        break;
    case 7:
        parse_floats(wire, field, lists->floats, &lists->float_count, lists->float_room);
        break;
    case 8:
        parse_ints(wire, field, lists->ints, &lists->int_count, lists->int_room);
        break;
    case 9:
        if (lists->string_count < lists->string_room)
            lists->strings[lists->string_count++] = text(arena, wire, field);
        break;
    case 20:
        attr->type = sw_wire_int(wire, field);
        break;
    case 21:
        attr->reference = text(arena, wire, field);
        break;
    default:
        break;
    }
}

/* Models before IR version 2 do not say the type: it is the field that is there. */
static int64_t guess_type(const struct counts *counts)
{
    static const int fields[][2] = {{2, ONNX_FLOAT}, {3, ONNX_INT},    {4, ONNX_STRING}, {5, ONNX_TENSOR},
                                    {6, ONNX_GRAPH}, {7, ONNX_FLOATS}, {8, ONNX_INTS},   {9, ONNX_STRINGS}};
    for (int i = 0; i < 8; i++)
        if (counts->of[fields[i][0]])
            return fields[i][1];
    return 0;
}

static sw_status parse_attr(sw_arena *arena, sw_wire wire, onnx_attr *attr)
{
    sw_wire_field field;
    struct counts counts = count_fields(wire);
    struct lists lists = {.float_room = count_numbers(wire, 7, SW_WIRE_FIXED32),
                          .int_room = count_numbers(wire, 8, SW_WIRE_VARINT),
                          .string_room = counts.of[9]};
    *attr = (onnx_attr){.name = "", .reference = "", .s = ""};
    lists.floats = array(arena, &wire, lists.float_room, sizeof *lists.floats);
    lists.ints = array(arena, &wire, lists.int_room, sizeof *lists.ints);
    lists.strings = array(arena, &wire, lists.string_room, sizeof *lists.strings);
    while (sw_wire_next(&wire, &field))
        parse_attr_field(arena, &wire, &field, attr, &lists);
    if (attr->type == 0)
        attr->type = guess_type(&counts);
    attr->floats = lists.floats;
    attr->ints = lists.ints;
    attr->strings = lists.strings;
    attr->count = attr->type == ONNX_FLOATS    ? lists.float_count
                  : attr->type == ONNX_INTS    ? lists.int_count
                  : attr->type == ONNX_STRINGS ? lists.string_count
                                               : 0;
    return sw_wire_status(&wire);
}

static sw_status parse_node(sw_arena *arena, sw_wire wire, onnx_node *node)
{
    sw_wire_field field;
    struct counts counts = count_fields(wire);
    *node = (onnx_node){.name = "", .op = "", .domain = ""};
    const char **inputs = array(arena, &wire, counts.of[1], sizeof *inputs);
    const char **outputs = array(arena, &wire, counts.of[2], sizeof *outputs);
    onnx_attr *attrs = array(arena, &wire, counts.of[5], sizeof *attrs);
    while (sw_wire_next(&wire, &field)) {
        switch (field.number) {
        case 1:
            inputs[node->input_count++] = text(arena, &wire, &field);
            break;
        case 2:
            outputs[node->output_count++] = text(arena, &wire, &field);
            break;
        case 3:
            node->name = text(arena, &wire, &field);
            break;
        case 4:
            node->op = text(arena, &wire, &field);
            break;
        case 5:
            join(&wire, parse_attr(arena, sw_wire_enter(&wire, &field), &attrs[node->attr_count++]));
            break;
        case 7:
            node->domain = text(arena, &wire, &field);
            if (strcmp(node->domain, "ai.onnx") == 0)
                node->domain = "";
            break;
        default:
            break;
        }
    }
    node->inputs = inputs;
    node->outputs = outputs;
    node->attrs = attrs;
    return sw_wire_status(&wire);
}

/* ---- types of inputs and outputs ---- */

static void parse_dim(sw_arena *arena, sw_wire *wire, const sw_wire_field *outer, onnx_value *value)
{
    sw_wire inner = sw_wire_enter(wire, outer);
    sw_wire_field field;
    if (value->rank == SW_MAX_RANK) {
        sw_wire_fail(wire, "'%s' has more than %d dims", value->name, SW_MAX_RANK);
        return;
    }
    int at = value->rank++;
    value->dims[at].value = -1;
    value->dims[at].param = "";
    while (sw_wire_next(&inner, &field)) {
        if (field.number == 1)
            value->dims[at].value = sw_wire_int(&inner, &field);
        else if (field.number == 2)
            value->dims[at].param = text(arena, &inner, &field);
    }
    join(wire, inner.status);
}

static void parse_tensor_type(sw_arena *arena, sw_wire *wire, const sw_wire_field *outer, onnx_value *value)
{
    sw_wire type = sw_wire_enter(wire, outer);
    sw_wire_field field, dim;
    value->tensor = true;
    while (sw_wire_next(&type, &field)) {
        if (field.number == 1) {
            value->data_type = sw_wire_int(&type, &field);
        } else if (field.number == 2) {
            sw_wire shape = sw_wire_enter(&type, &field);
            value->rank = 0;
            while (sw_wire_next(&shape, &dim))
                if (dim.number == 1)
                    parse_dim(arena, &shape, &dim, value);
            join(&type, shape.status);
        }
    }
    join(wire, type.status);
}

static sw_status parse_value(sw_arena *arena, sw_wire wire, onnx_value *value)
{
    sw_wire_field field, kind;
    *value = (onnx_value){.name = "", .rank = -1};
    while (sw_wire_next(&wire, &field)) {
        if (field.number == 1) {
            value->name = text(arena, &wire, &field);
        } else if (field.number == 2) {
            sw_wire type = sw_wire_enter(&wire, &field);
            while (sw_wire_next(&type, &kind))
                if (kind.number == 1)
                    parse_tensor_type(arena, &type, &kind, value);
            join(&wire, type.status);
        }
    }
    return sw_wire_status(&wire);
}

/* ---- graphs, functions, models ---- */

static sw_status parse_graph(sw_arena *arena, sw_wire wire, onnx_graph *graph)
{
    sw_wire_field field;
    struct counts counts = count_fields(wire);
    *graph = (onnx_graph){.name = "", .sparse_count = counts.of[15]};
    onnx_node *nodes = array(arena, &wire, counts.of[1], sizeof *nodes);
    onnx_tensor *initializers = array(arena, &wire, counts.of[5], sizeof *initializers);
    onnx_value *inputs = array(arena, &wire, counts.of[11], sizeof *inputs);
    onnx_value *outputs = array(arena, &wire, counts.of[12], sizeof *outputs);
    while (sw_wire_next(&wire, &field)) {
        switch (field.number) {
        case 1:
            join(&wire, parse_node(arena, sw_wire_enter(&wire, &field), &nodes[graph->node_count++]));
            break;
        case 2:
            graph->name = text(arena, &wire, &field);
            break;
        case 5:
            join(&wire, parse_tensor(arena, sw_wire_enter(&wire, &field), &initializers[graph->initializer_count++]));
            break;
        case 11:
            join(&wire, parse_value(arena, sw_wire_enter(&wire, &field), &inputs[graph->input_count++]));
            break;
        case 12:
            join(&wire, parse_value(arena, sw_wire_enter(&wire, &field), &outputs[graph->output_count++]));
            break;
        default:
            break;
        }
    }
    graph->nodes = nodes;
    graph->initializers = initializers;
    graph->inputs = inputs;
    graph->outputs = outputs;
    return sw_wire_status(&wire);
}

static sw_status parse_opset(sw_arena *arena, sw_wire wire, onnx_opset *opset)
{
    sw_wire_field field;
    *opset = (onnx_opset){"", 1};
    while (sw_wire_next(&wire, &field)) {
        if (field.number == 1)
            opset->domain = text(arena, &wire, &field);
        else if (field.number == 2)
            opset->version = sw_wire_int(&wire, &field);
    }
    if (strcmp(opset->domain, "ai.onnx") == 0)
        opset->domain = "";
    return sw_wire_status(&wire);
}

static sw_status parse_function(sw_arena *arena, sw_wire wire, onnx_function *function)
{
    sw_wire_field field;
    struct counts counts = count_fields(wire);
    *function = (onnx_function){.name = "", .domain = ""};
    const char **inputs = array(arena, &wire, counts.of[4], sizeof *inputs);
    const char **outputs = array(arena, &wire, counts.of[5], sizeof *outputs);
    const char **attrs = array(arena, &wire, counts.of[6], sizeof *attrs);
    onnx_node *nodes = array(arena, &wire, counts.of[7], sizeof *nodes);
    onnx_opset *opsets = array(arena, &wire, counts.of[9], sizeof *opsets);
    onnx_attr *defaults = array(arena, &wire, counts.of[11], sizeof *defaults);
    while (sw_wire_next(&wire, &field)) {
        switch (field.number) {
        case 1:
            function->name = text(arena, &wire, &field);
            break;
        case 4:
            inputs[function->input_count++] = text(arena, &wire, &field);
            break;
        case 5:
            outputs[function->output_count++] = text(arena, &wire, &field);
            break;
        case 6:
            attrs[function->attr_count++] = text(arena, &wire, &field);
            break;
        case 7:
            join(&wire, parse_node(arena, sw_wire_enter(&wire, &field), &nodes[function->node_count++]));
            break;
        case 9:
            join(&wire, parse_opset(arena, sw_wire_enter(&wire, &field), &opsets[function->opset_count++]));
            break;
        case 10:
            function->domain = text(arena, &wire, &field);
            break;
        case 11:
            join(&wire, parse_attr(arena, sw_wire_enter(&wire, &field), &defaults[function->default_count++]));
            break;
        default:
            break;
        }
    }
    function->inputs = inputs;
    function->outputs = outputs;
    function->attrs = attrs;
    function->nodes = nodes;
    function->opsets = opsets;
    function->defaults = defaults;
    return sw_wire_status(&wire);
}

static sw_status parse_model(sw_arena *arena, sw_wire wire, onnx_model *model)
{
    sw_wire_field field;
    struct counts counts = count_fields(wire);
    bool has_graph = false;
    *model = (onnx_model){.producer = "", .producer_version = ""};
    onnx_opset *opsets = array(arena, &wire, counts.of[8], sizeof *opsets);
    onnx_entry *metadata = array(arena, &wire, counts.of[14], sizeof *metadata);
    onnx_function *functions = array(arena, &wire, counts.of[25], sizeof *functions);
    while (sw_wire_next(&wire, &field)) {
        switch (field.number) {
        case 1:
            model->ir_version = sw_wire_int(&wire, &field);
            break;
        case 2:
            model->producer = text(arena, &wire, &field);
            break;
        case 3:
            model->producer_version = text(arena, &wire, &field);
            break;
        case 5:
            model->model_version = sw_wire_int(&wire, &field);
            break;
        case 7:
            has_graph = true;
            join(&wire, parse_graph(arena, sw_wire_enter(&wire, &field), &model->graph));
            break;
        case 8:
            join(&wire, parse_opset(arena, sw_wire_enter(&wire, &field), &opsets[model->opset_count++]));
            break;
        case 14:
            join(&wire, parse_entry(arena, sw_wire_enter(&wire, &field), &metadata[model->metadata_count++]));
            break;
        case 25:
            join(&wire, parse_function(arena, sw_wire_enter(&wire, &field), &functions[model->function_count++]));
            break;
        default:
            break;
        }
    }
    model->opsets = opsets;
    model->metadata = metadata;
    model->functions = functions;
    if (sw_wire_status(&wire) == SW_OK && !has_graph)
        return sw_fail(SW_CORRUPT, "%s: not an ONNX model: it holds no graph", wire.name);
    return sw_wire_status(&wire);
}

sw_status onnx_parse(sw_arena *arena, const char *name, const void *bytes, size_t size, onnx_model *model)
{
    sw_wire wire;
    sw_wire_open(&wire, name, bytes, size);
    return parse_model(arena, wire, model);
}

sw_status onnx_parse_tensor(sw_arena *arena, const char *name, const void *bytes, size_t size, onnx_tensor *tensor)
{
    sw_wire wire;
    sw_wire_open(&wire, name, bytes, size);
    return parse_tensor(arena, wire, tensor);
}
