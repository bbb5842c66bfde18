/* pass_algebra.c: rows that give what they were given.
 *
 * x + 0, x * 1, a cast to the type that x has, a transposition of a transposition, a reshape of a reshape. Only
 * where the result keeps x's type: 0 + x broadcasts x to more rows when the zero has more. */
#include "compile/pass.h"

static sw_value *same_as(sw_compiling *c, const sw_node *node, int input)
{
    sw_value *x = sw_node_input(node, input);
    return x != sw_none && sw_types_equal(c->g, &x->type, &node->outputs[0]->type) ? x : NULL;
}

static sw_value *neutral(sw_compiling *c, const sw_node *node)
{
    static const struct {
        const char *op;
        double number;
        bool either;
    } rules[] = {{"Add", 0, true}, {"Sub", 0, false}, {"Mul", 1, true}, {"Div", 1, false}, {"Pow", 1, false}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!sw_node_is(node, rules[i].op))
            continue;
        if (sw_value_is_all(node->inputs[1], rules[i].number))
            return same_as(c, node, 0);
        if (rules[i].either && sw_value_is_all(node->inputs[0], rules[i].number))
            return same_as(c, node, 1);
    }
    return NULL;
}

static sw_value *undone(const sw_node *node)
{
    if (!sw_node_is(node, "Neg") && !sw_node_is(node, "Not"))
        return NULL;
    const sw_node *before = node->inputs[0]->node;
    return before->op == node->op ? sw_node_input(before, 0) : NULL;
}

/* The permutation of a Transpose: the attribute, or the axes reversed. False when the rank is not known. */
static bool permutation(const sw_node *node, int64_t *axes, int *rank)
{
    *rank = node->outputs[0]->type.rank;
    if (*rank < 0)
        return false;
    if (sw_attr_ints(node, "permutation", axes, SW_MAX_RANK) == 0)
        for (int i = 0; i < *rank; i++)
            axes[i] = *rank - 1 - i;
    for (int i = 0; i < *rank; i++)
        axes[i] += axes[i] < 0 ? *rank : 0;
    return true;
}

static sw_value *transposed(sw_compiling *c, sw_node *node)
{
    int64_t axes[SW_MAX_RANK], first[SW_MAX_RANK];
    int rank, first_rank;
    if (!sw_node_is(node, "Transpose") || !permutation(node, axes, &rank))
        return NULL;
    sw_node *before = node->inputs[0]->node;
    sw_value *x = node->inputs[0];
    bool twice = sw_node_is(before, "Transpose") && permutation(before, first, &first_rank);
    if (twice) {
        x = before->inputs[0];
        for (int i = 0; i < rank; i++)
            axes[i] = first[axes[i]];
    }
    bool still = true;
    for (int i = 0; i < rank; i++)
        still &= axes[i] == i;
    if (still)
        return x;
    const sw_attr attr = SW_ATTR_IS("permutation", rank, axes);
    return twice ? sw_pass_node(c, node, "Transpose", &x, 1, &attr, 1) : NULL;
}

/* A view, or a chain of views, that ends with the type that it began with. */
static sw_value *viewed(sw_compiling *c, sw_node *node)
{
    if (!(node->op->flags & SW_VIEW_OF_FIRST) || node->outputs_count != 1)
        return NULL;
    sw_value *source = node->inputs[0];
    while (source != sw_none && (source->node->op->flags & SW_VIEW_OF_FIRST) && source->node->inputs_count > 0)
        source = source->node->inputs[0];
    if (sw_types_equal(c->g, &source->type, &node->outputs[0]->type))
        return source;
    return NULL; /* a chain of views costs nothing: none of them is a step */
}

static sw_value *same_type(sw_compiling *c, const sw_node *node)
{
    return sw_node_is(node, "Cast") || sw_node_is(node, "Identity") ? same_as(c, node, 0) : NULL;
}

/* Where with a constant condition. */
static sw_value *decided(sw_compiling *c, const sw_node *node)
{
    if (!sw_node_is(node, "Where"))
        return NULL;
    if (sw_value_is_all(node->inputs[0], 1))
        return same_as(c, node, 1);
    return sw_value_is_all(node->inputs[0], 0) ? same_as(c, node, 2) : NULL;
}

static sw_value *simpler(sw_compiling *c, sw_node *node)
{
    sw_value *value = neutral(c, node);
    value = value ? value : undone(node);
    value = value ? value : same_type(c, node);
    value = value ? value : decided(c, node);
    value = value ? value : transposed(c, node);
    return value ? value : viewed(c, node);
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        if ((node->op->flags & SW_LEAF) || node->outputs_count < 1 || node->outputs[0] == sw_none ||
            node->inputs_count < 1 || node->inputs[0] == sw_none)
            continue;
        sw_value *value = simpler(c, node);
        SW_TRY(sw_graph_status(c->g));
        if (!value || value == node->outputs[0])
            continue;
        sw_pass_note(c, "%s (%s) is %s", sw_node_name(node), node->op->name, sw_node_name(value->node));
        sw_pass_replace(node, value);
    }
    return SW_OK;
}

const sw_pass sw_pass_algebra = {.name = "algebra", .doc = "removes rows that change nothing", .run = run};
