/* attr.c: attributes, from what a caller wrote to what a node keeps.
 *
 * A node keeps one attribute per attribute row of its op, in the row's order: given ones copied into the arena, the
 * others as the row's default. So bodies find them without looking for absence. */
#include <string.h>

#include "graph/inside.h"

static const char *kind_name(sw_attr_kind kind)
{
    static const char *const names[] = {"nothing", "an integer", "a number",        "a string", "integers",
                                        "numbers", "a tensor",   "an element type", "a graph",  "strings"};
    return kind >= 0 && (size_t)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

/* "none|tanh" has "tanh". */
static bool has_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; *at;) {
        size_t word = strcspn(at, "|");
        if (word == length && memcmp(at, text, word) == 0)
            return true;
        at += word + (at[word] == '|');
    }
    return false;
}

static sw_status copy_list(sw_graph *g, sw_attr *attr, const sw_attr *given, size_t size)
{
    if (given->count < 0 || (given->count > 0 && !given->ints))
        return sw_fail(SW_INVALID, "%d values, needs 0 or more, and where they are", given->count);
    attr->count = given->count;
    attr->ints = sw_arena_copy(g->arena, given->ints, (size_t)given->count * size);
    return attr->ints ? SW_OK : sw_alloc_status();
}

static sw_status copy_strings(sw_graph *g, sw_attr *attr, const sw_attr *given)
{
    SW_TRY(copy_list(g, attr, given, sizeof *given->strings));
    const char **strings = (const char **)attr->strings;
    for (int i = 0; i < attr->count; i++)
        if (!(strings[i] = sw_arena_strdup(g->arena, given->strings[i] ? given->strings[i] : "")))
            return sw_alloc_status();
    return SW_OK;
}

static sw_status copy_value(sw_graph *g, const sw_attr_row *row, sw_attr *attr, const sw_attr *given)
{
    switch (row->kind) {
    case SW_ATTR_INT:
    case SW_ATTR_DTYPE:
        attr->i = given->i;
        if (row->kind == SW_ATTR_DTYPE && (attr->i < SW_DTYPE_NONE || attr->i >= SW_DTYPE_COUNT))
            return sw_fail(SW_INVALID, "%lld is no element type", (long long)attr->i);
        return SW_OK;
    case SW_ATTR_FLOAT:
        attr->f = given->kind == SW_ATTR_INT ? (double)given->i : given->f;
        return SW_OK;
    case SW_ATTR_STRING:
        if (row->choices && !has_choice(row->choices, given->s ? given->s : ""))
            return sw_fail(SW_INVALID, "'%s' is none of %s", given->s ? given->s : "", row->choices);
        attr->s = sw_arena_strdup(g->arena, given->s ? given->s : "");
        return attr->s ? SW_OK : sw_alloc_status();
    case SW_ATTR_INTS:
        return copy_list(g, attr, given, sizeof *given->ints);
    case SW_ATTR_FLOATS:
        return copy_list(g, attr, given, sizeof *given->floats);
    case SW_ATTR_STRINGS:
        return copy_strings(g, attr, given);
    case SW_ATTR_TENSOR:
        if (given->tensor)
            attr->tensor = sw_tensor_retain(given->tensor);
        return given->tensor ? SW_OK : sw_fail(SW_INVALID, "the tensor is NULL");
    case SW_ATTR_GRAPH:
        attr->graph = given->graph ? sw_graph_copy(given->graph, NULL) : NULL;
        return attr->graph ? SW_OK : given->graph ? sw_alloc_status() : sw_fail(SW_INVALID, "the graph is NULL");
    case SW_ATTR_NONE:
        break;
    }
    return sw_fail(SW_INTERNAL, "an attribute without a kind");
}

static bool kind_fits(sw_attr_kind row, sw_attr_kind given)
{
    return row == given || (row == SW_ATTR_FLOAT && given == SW_ATTR_INT) ||
           (row == SW_ATTR_DTYPE && given == SW_ATTR_INT) || (row == SW_ATTR_INT && given == SW_ATTR_DTYPE);
}

static sw_status resolve_one(sw_graph *g, const sw_attr_row *row, sw_attr *attr, const sw_attr *given)
{
    *attr = (sw_attr){.name = row->name, .kind = row->kind, .given = given != NULL};
    if (!given && row->required)
        return sw_fail(SW_INVALID, "it is required, %s", kind_name(row->kind));
    if (given && !kind_fits(row->kind, given->kind))
        return sw_fail(SW_INVALID, "is %s, needs %s", kind_name(given->kind), kind_name(row->kind));
    if (given)
        return copy_value(g, row, attr, given);
    if (row->kind == SW_ATTR_INT || row->kind == SW_ATTR_DTYPE)
        attr->i = row->i;
    else if (row->kind == SW_ATTR_FLOAT)
        attr->f = row->f;
    else if (row->kind == SW_ATTR_STRING)
        attr->s = row->s ? row->s : "";
    return SW_OK;
}

static int row_index(const sw_op *op, const char *name)
{
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++)
        if (op->attrs[i].name == name || strcmp(op->attrs[i].name, name) == 0)
            return i;
    return -1;
}

/* "strides, pads, group": what a row knows, for the message about what it does not. */
static void known_names(const sw_op *op, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++) {
        size_t length = strlen(op->attrs[i].name);
        if (used + length + 3 > size)
            return;
        memcpy(text + used, i ? ", " : "", i ? 2 : 0);
        used += i ? 2 : 0;
        memcpy(text + used, op->attrs[i].name, length + 1);
        used += length;
    }
}

sw_status sw_attrs_resolve(sw_graph *g, sw_node *node, const sw_attr *attrs, int count)
{
    const sw_op *op = node->op;
    const sw_attr *given[SW_MAX_ATTRS] = {0};
    for (int i = 0; i < count; i++) {
        const char *name = attrs[i].name ? attrs[i].name : "";
        int at = row_index(op, name);
        if (at < 0) {
            char known[512];
            known_names(op, known, sizeof known);
            return sw_fail(SW_INVALID, "%s '%s': no attribute '%s' (known: %s)", op->name, sw_node_name(node), name,
                           *known ? known : "none");
        }
        if (given[at])
            return sw_fail(SW_INVALID, "%s '%s': attribute '%s' is given twice", op->name, sw_node_name(node), name);
        given[at] = &attrs[i];
    }
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++) {
        sw_status status = resolve_one(g, &op->attrs[i], &node->attrs[i], given[i]);
        if (status != SW_OK)
            return sw_fail_in(status, "%s '%s': attribute '%s'", op->name, sw_node_name(node), op->attrs[i].name);
    }
    return SW_OK;
}

/* ---- reading ---- */
const sw_attr *sw_node_attr(const sw_node *node, const char *name)
{
    int at = row_index(node->op, name);
    return at < 0 ? NULL : &node->attrs[at];
}

int64_t sw_attr_int(const sw_node *node, const char *name)
{
    const sw_attr *attr = sw_node_attr(node, name);
    return attr && (attr->kind == SW_ATTR_INT || attr->kind == SW_ATTR_DTYPE) ? attr->i : 0;
}

double sw_attr_float(const sw_node *node, const char *name)
{
    const sw_attr *attr = sw_node_attr(node, name);
    return attr && attr->kind == SW_ATTR_FLOAT ? attr->f : 0;
}

const char *sw_attr_string(const sw_node *node, const char *name)
{
    const sw_attr *attr = sw_node_attr(node, name);
    return attr && attr->kind == SW_ATTR_STRING ? attr->s : NULL;
}

int sw_attr_ints(const sw_node *node, const char *name, int64_t *ints, int max)
{
    const sw_attr *attr = sw_node_attr(node, name);
    if (!attr || attr->kind != SW_ATTR_INTS)
        return 0;
    for (int i = 0; i < attr->count && i < max; i++)
        ints[i] = attr->ints[i];
    return attr->count;
}
