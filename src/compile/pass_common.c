/* pass_common.c: what is computed twice is computed once.
 *
 * Two nodes are the same when row, attributes and inputs are; constants when type and bytes are. Random rows never
 * are (each draws on a stream of its own), rows with state never. Nodes are met in order, so that an earlier one
 * always stands for a later one, and inputs were merged before their readers are compared. */
#include "base/hash.h"
#include "compile/pass.h"

enum { SMALL_CONSTANT = 4096 };

struct table {
    sw_node **slots;
    size_t mask;
};

static uint64_t mix(uint64_t hash, const void *bytes, size_t count) { return sw_fnv1a_more(hash, bytes, count); }

static uint64_t hash_attr(uint64_t hash, const sw_attr *a)
{
    switch (a->kind) {
    case SW_ATTR_INT:
    case SW_ATTR_DTYPE:
        return mix(hash, &a->i, sizeof a->i);
    case SW_ATTR_FLOAT:
        return mix(hash, &a->f, sizeof a->f);
    case SW_ATTR_STRING:
        return a->s ? mix(hash, a->s, strlen(a->s)) : hash;
    case SW_ATTR_INTS:
        return mix(hash, a->ints, (size_t)a->count * sizeof *a->ints);
    case SW_ATTR_FLOATS:
        return mix(hash, a->floats, (size_t)a->count * sizeof *a->floats);
    default:
        return hash;
    }
}

static bool attr_equal(const sw_attr *a, const sw_attr *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    switch (a->kind) {
    case SW_ATTR_NONE:
        return true;
    case SW_ATTR_INT:
    case SW_ATTR_DTYPE:
        return a->i == b->i;
    case SW_ATTR_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case SW_ATTR_STRING:
        return a->s == b->s || (a->s && b->s && strcmp(a->s, b->s) == 0);
    case SW_ATTR_INTS:
        return a->count == 0 || memcmp(a->ints, b->ints, (size_t)a->count * sizeof *a->ints) == 0;
    case SW_ATTR_FLOATS:
        return a->count == 0 || memcmp(a->floats, b->floats, (size_t)a->count * sizeof *a->floats) == 0;
    case SW_ATTR_TENSOR:
        return a->tensor == b->tensor;
    default:
        return false;
    }
}

static int attr_count(const sw_node *node)
{
    int count = 0;
    while (count < SW_MAX_ATTRS && node->op->attrs[count].name)
        count++;
    return count;
}

static bool is_small_constant(const sw_node *node)
{
    return sw_node_is(node, "Constant") && node->outputs[0]->tensor &&
           sw_tensor_bytes(node->outputs[0]->tensor) <= SMALL_CONSTANT &&
           sw_tensor_dtype(node->outputs[0]->tensor) != SW_STRING && sw_tensor_is_contiguous(node->outputs[0]->tensor);
}

static bool mergeable(const sw_node *node)
{
    if (is_small_constant(node))
        return true;
    return (node->op->flags & SW_DETERMINISTIC) && !(node->op->flags & (SW_RANDOM | SW_STATEFUL | SW_LEAF)) &&
           !node->state;
}

static uint64_t hash_node(const sw_node *node)
{
    uint64_t hash = sw_fnv1a(&node->op, sizeof node->op);
    if (is_small_constant(node)) {
        const sw_tensor *t = node->outputs[0]->tensor;
        return mix(hash, sw_tensor_data(t), sw_tensor_bytes(t));
    }
    for (int i = 0; i < node->inputs_count; i++)
        hash = mix(hash, &node->inputs[i], sizeof node->inputs[i]);
    for (int i = 0; i < attr_count(node); i++)
        hash = hash_attr(hash, &node->attrs[i]);
    return hash;
}

static bool constants_equal(const sw_tensor *a, const sw_tensor *b)
{
    return sw_tensor_dtype(a) == sw_tensor_dtype(b) && sw_dims_equal(sw_tensor_dims(a), sw_tensor_dims(b)) &&
           memcmp(sw_tensor_data(a), sw_tensor_data(b), sw_tensor_bytes(a)) == 0;
}

/* Whether `a`, the earlier one, can stand for `b`. */
static bool same(const sw_node *a, const sw_node *b)
{
    if (a->op != b->op || a->inputs_count != b->inputs_count || a->outputs_count < b->outputs_count)
        return false;
    if (is_small_constant(a))
        return is_small_constant(b) && constants_equal(a->outputs[0]->tensor, b->outputs[0]->tensor);
    for (int i = 0; i < a->inputs_count; i++)
        if (a->inputs[i] != b->inputs[i])
            return false;
    for (int i = 0; i < b->outputs_count; i++)
        if (b->outputs[i] != sw_none &&
            (a->outputs[i] == sw_none || !sw_types_equal(a->graph, &a->outputs[i]->type, &b->outputs[i]->type)))
            return false;
    for (int i = 0; i < attr_count(a); i++)
        if (!attr_equal(&a->attrs[i], &b->attrs[i]))
            return false;
    return true;
}

/* The node that stands for this one: an earlier equal, or itself, now in the table. */
static sw_node *meet(struct table *t, sw_node *node)
{
    size_t at = (size_t)hash_node(node) & t->mask;
    while (t->slots[at] && !same(t->slots[at], node))
        at = (at + 1) & t->mask;
    if (!t->slots[at])
        t->slots[at] = node;
    return t->slots[at];
}

static void merge(sw_compiling *c, sw_node *node, sw_node *with)
{
    for (int i = 0; i < node->outputs_count; i++)
        if (node->outputs[i] != sw_none)
            sw_value_replace(node->outputs[i], with->outputs[i]);
    sw_pass_note(c, "%s (%s) is %s", sw_node_name(node), node->op->name, sw_node_name(with));
    sw_node_remove(node);
}

static sw_status run(sw_compiling *c)
{
    size_t size = 16;
    while (size < 2 * ((size_t)sw_graph_node_count(c->g) + 1))
        size *= 2;
    struct table t = {sw_alloc_zero(c->ctx, size * sizeof *t.slots), size - 1};
    if (!t.slots)
        return sw_alloc_status();
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        if (!mergeable(node))
            continue;
        sw_node *first = meet(&t, node);
        if (first != node)
            merge(c, node, first);
    }
    sw_free(c->ctx, t.slots);
    return SW_OK;
}

const sw_pass sw_pass_common = {.name = "common", .doc = "computes once what is computed twice", .run = run};
