/* value.c: values and their types, in words and in numbers. */
#include <stdio.h>
#include <string.h>

#include "graph/inside.h"

enum { DEEPEST_TYPE = 8 };

const char *sw_kind_name(sw_kind kind)
{
    static const char *const names[] = {"tensor", "sequence", "optional", "map"};
    return kind >= SW_TENSOR && kind <= SW_MAP ? names[kind] : "unknown";
}

sw_type sw_type_of(const sw_tensor *tensor)
{
    sw_type type = {.kind = SW_TENSOR, .dtype = sw_tensor_dtype(tensor), .rank = sw_tensor_rank(tensor)};
    for (int i = 0; i < type.rank; i++)
        type.dims[i] = sw_tensor_dim(tensor, i);
    return type;
}

static sw_status check_tensor(const sw_graph *g, const sw_type *type, const char *what, const char *name)
{
    if (type->dtype <= SW_DTYPE_NONE || type->dtype >= SW_DTYPE_COUNT)
        return sw_fail(SW_INVALID, "%s '%s': no element type", what, name);
    if (type->rank < -1 || type->rank > SW_MAX_RANK)
        return sw_fail(SW_INVALID, "%s '%s': rank %d, can be at most %d", what, name, type->rank, SW_MAX_RANK);
    for (int i = 0; i < type->rank; i++)
        if (type->dims[i] < 0 && type->dims[i] != SW_DIM_UNKNOWN && !sw_dim_exists(g, type->dims[i]))
            return sw_fail(SW_INVALID, "%s '%s': dim %d is %lld, which is neither a size nor a dim of this graph", what,
                           name, i, (long long)type->dims[i]);
    return SW_OK;
}

sw_status sw_type_check(const sw_graph *g, const sw_type *type, const char *what, const char *name)
{
    for (int depth = 0; depth < DEEPEST_TYPE; depth++) {
        if (type->kind == SW_TENSOR)
            return check_tensor(g, type, what, name);
        if (type->kind > SW_MAP || !type->element)
            return sw_fail(SW_INVALID, "%s '%s': a %s of nothing", what, name, sw_kind_name(type->kind));
        if (type->kind == SW_MAP && type->dtype != SW_STRING && !sw_dtype_is_integer(type->dtype))
            return sw_fail(SW_INVALID, "%s '%s': a map's keys are integers or strings, not %s", what, name,
                           sw_dtype_name(type->dtype));
        type = type->element;
    }
    return sw_fail(SW_INVALID, "%s '%s': a type nested more than %d deep", what, name, DEEPEST_TYPE);
}

/* ---- text ---- */
struct line {
    char *text;
    size_t size, used;
};

static void SW_PRINTF(2, 3) say(struct line *line, const char *format, ...)
{
    if (line->used + 1 >= line->size)
        return;
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(line->text + line->used, line->size - line->used, format, args);
    va_end(args);
    if (wrote > 0)
        line->used += (size_t)wrote < line->size - line->used ? (size_t)wrote : line->size - line->used - 1;
}

static void say_type(const sw_graph *g, const sw_type *type, struct line *line, int depth)
{
    if (type->kind != SW_TENSOR) {
        static const char *const heads[] = {"", "seq(", "optional(", "map("};
        say(line, "%s", type->kind <= SW_MAP ? heads[type->kind] : "?(");
        if (type->kind == SW_MAP)
            say(line, "%s, ", sw_dtype_name(type->dtype));
        if (type->element && depth < DEEPEST_TYPE)
            say_type(g, type->element, line, depth + 1);
        say(line, ")");
        return;
    }
    say(line, "%s[", sw_dtype_name(type->dtype));
    if (type->rank < 0)
        say(line, "?");
    for (int i = 0; i < type->rank; i++) {
        char dim[160];
        say(line, "%s%s", i ? ", " : "", sw_dim_text(g, type->dims[i], dim, sizeof dim));
    }
    say(line, "]");
}

char *sw_type_text(const sw_graph *g, const sw_type *type, char *text, size_t size)
{
    struct line line = {text, size, 0};
    if (size)
        text[0] = '\0';
    say_type(g, type, &line, 0);
    return text;
}

static void say_element(struct line *line, const sw_tensor *tensor, int64_t index)
{
    sw_dtype dtype = sw_tensor_dtype(tensor);
    if (dtype == SW_STRING)
        say(line, "\"%s\"", sw_tensor_get_string(tensor, index));
    else if (dtype == SW_BOOL)
        say(line, "%s", sw_tensor_get_int(tensor, index) ? "true" : "false");
    else if (sw_dtype_is_float(dtype))
        say(line, "%.6g", sw_tensor_get(tensor, index));
    else if (sw_dtype_is_signed(dtype))
        say(line, "%lld", (long long)sw_tensor_get_int(tensor, index));
    else
        say(line, "%llu", (unsigned long long)sw_tensor_get_int(tensor, index));
}

enum { EDGE = 3 }; /* elements shown at each end of a long axis */

/* The part of the tensor below `axis`, whose first element is `at` of `below` elements. */
static void say_axis(struct line *line, const sw_tensor *tensor, int axis, int64_t at, int64_t below)
{
    if (axis == sw_tensor_rank(tensor)) {
        say_element(line, tensor, at);
        return;
    }
    int64_t count = sw_tensor_dim(tensor, axis), each = count ? below / count : 0;
    say(line, "[");
    for (int64_t i = 0; i < count && line->used + 1 < line->size; i++) {
        if (count > 2 * EDGE + 1 && i == EDGE) {
            say(line, ", …");
            i = count - EDGE;
        }
        say(line, "%s", i ? ", " : "");
        say_axis(line, tensor, axis + 1, at + i * each, each);
    }
    say(line, "]");
}

char *sw_value_text(sw_value *value, char *text, size_t size)
{
    struct line line = {text, size, 0};
    if (size)
        text[0] = '\0';
    if (!value || value == sw_none) {
        say(&line, "%s", value ? "(absent)" : "(failed)");
        return text;
    }
    if (value->name)
        say(&line, "%s ", value->name);
    say_type(value->graph, &value->type, &line, 0);
    if (!value->tensor) {
        say(&line, "%s", value->freed ? " (freed by sw_backward)" : "");
        return text;
    }
    say(&line, " = ");
    say_axis(&line, value->tensor, 0, 0, sw_tensor_count(value->tensor));
    return text;
}

/* ---- looking at values ---- */
const sw_type *sw_value_type(const sw_value *value) { return value ? &value->type : &sw_none->type; }

const char *sw_value_name(const sw_value *value) { return value && value->name ? value->name : ""; }

sw_status sw_value_set_name(sw_value *value, const char *name)
{
    if (!value || value == sw_none)
        return sw_fail(SW_INVALID, "a name '%s' for no value", name ? name : "");
    sw_graph *g = value->graph;
    if (!sw_ok(g))
        return sw_graph_status(g);
    if (!name || !*name)
        return sw_graph_fail(g, sw_fail(SW_INVALID, "a value's name cannot be empty"));
    if (value->name && strcmp(value->name, name) == 0)
        return SW_OK;
    char *copy = sw_arena_strdup(g->arena, name);
    sw_status status = copy ? sw_names_add(g, &g->value_names, copy, value) : sw_alloc_status();
    if (status != SW_OK)
        return sw_graph_fail(g, sw_fail_in(status, "a value of '%s'", sw_node_name(value->node)));
    if (value->name)
        sw_names_remove(&g->value_names, value->name);
    value->name = copy;
    return SW_OK;
}

sw_tensor *sw_value_tensor(sw_value *value)
{
    if (value && value->tensor)
        return value->tensor;
    if (!value || value == sw_none)
        sw_fail(SW_INVALID, "%s has no contents", value ? "SW_NONE" : "a value that failed");
    else if (value->freed)
        sw_fail(SW_INVALID,
                "the contents of '%s' were freed by sw_backward: name the value, or make the graph with SW_RETAIN",
                sw_node_name(value->node));
    else if (!sw_graph_awake(value->graph))
        sw_fail(SW_INVALID, "'%s' is not computed: the graph sleeps (SW_EAGER wakes it, sw_compile makes a plan)",
                sw_node_name(value->node));
    else
        sw_fail(SW_INVALID, "'%s' has no tensor", sw_node_name(value->node));
    return NULL;
}
