/* dump.c: a graph as text, for people: a line per node, or Graphviz.
 *
 *   input  %x = Input f32[N, 784]
 *          %y f32[N, 10] = MatMul(%x, %w) transpose_b=1     "dense/MatMul"
 *   output logits = %y
 *
 * A value is called by its name, else by its number. Attributes are shown where they were given. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "graph/inside.h"

enum { FEW_INTS = 8 };

static void add_value(sw_text *text, const sw_value *value)
{
    if (value == sw_none)
        sw_text_add(text, "-");
    else if (value->name)
        sw_text_addf(text, "%%%s", value->name);
    else
        sw_text_addf(text, "%%%d", value->id);
}

static void add_type(sw_text *text, const sw_value *value)
{
    char type[256];
    sw_text_add(text, sw_type_text(value->graph, &value->type, type, sizeof type));
}

static void add_list(sw_text *text, const sw_attr *attr)
{
    sw_text_add(text, "[");
    for (int i = 0; i < attr->count && i < FEW_INTS; i++) {
        sw_text_add(text, i ? ", " : "");
        if (attr->kind == SW_ATTR_INTS)
            sw_text_addf(text, "%lld", (long long)attr->ints[i]);
        else if (attr->kind == SW_ATTR_FLOATS)
            sw_text_addf(text, "%g", attr->floats[i]);
        else
            sw_text_addf(text, "%s", attr->strings[i]);
    }
    sw_text_add(text, attr->count > FEW_INTS ? ", …]" : "]");
}

static void add_attr(sw_text *text, const sw_attr *attr)
{
    sw_text_addf(text, " %s=", attr->name);
    switch (attr->kind) {
    case SW_ATTR_INT:
        sw_text_addf(text, "%lld", (long long)attr->i);
        break;
    case SW_ATTR_FLOAT:
        sw_text_addf(text, "%g", attr->f);
        break;
    case SW_ATTR_STRING:
        sw_text_addf(text, "%s", attr->s ? attr->s : "");
        break;
    case SW_ATTR_DTYPE:
        sw_text_addf(text, "%s", sw_dtype_name((sw_dtype)attr->i));
        break;
    case SW_ATTR_INTS:
    case SW_ATTR_FLOATS:
    case SW_ATTR_STRINGS:
        add_list(text, attr);
        break;
    case SW_ATTR_TENSOR:
        sw_text_add(text, "(tensor)");
        break;
    case SW_ATTR_GRAPH:
        sw_text_add(text, "(graph)");
        break;
    case SW_ATTR_NONE:
        break;
    }
}

static void add_attrs(sw_text *text, const sw_node *node)
{
    for (int i = 0; i < SW_MAX_ATTRS && node->op->attrs[i].name; i++)
        if (node->attrs[i].given)
            add_attr(text, &node->attrs[i]);
    if (node->state)
        sw_text_addf(text, " '%s'", sw_state_name(node->state));
}

static void add_contents(sw_text *text, sw_value *value)
{
    char contents[160];
    if (value->node->op != &sw_op_constant || !value->tensor || sw_tensor_count(value->tensor) > FEW_INTS)
        return;
    const char *equals = strstr(sw_value_text(value, contents, sizeof contents), " = ");
    sw_text_add(text, equals ? equals : "");
}

static void add_line(sw_text *text, const sw_node *node)
{
    sw_text_add(text, node->op == &sw_op_input ? "input  " : "       ");
    for (int i = 0; i < node->outputs_count; i++) {
        sw_text_add(text, i ? ", " : "");
        add_value(text, node->outputs[i]);
        sw_text_add(text, " ");
        add_type(text, node->outputs[i]);
    }
    sw_text_addf(text, "%s%s", node->outputs_count ? " = " : "", node->op->name);
    for (int i = 0; i < node->inputs_count; i++) {
        sw_text_add(text, i ? ", " : "(");
        add_value(text, node->inputs[i]);
    }
    sw_text_add(text, node->inputs_count ? ")" : "");
    add_attrs(text, node);
    if (node->outputs_count)
        add_contents(text, node->outputs[0]);
    if (node->name)
        sw_text_addf(text, "  \"%s\"", node->name);
    sw_text_add(text, "\n");
}

char *sw_graph_dump(const sw_graph *g)
{
    sw_text text;
    if (!g) {
        sw_fail(SW_INVALID, "there is no graph");
        return NULL;
    }
    sw_text_init(&text, g->ctx);
    sw_text_addf(&text, "graph '%s'  %d nodes\n", g->name ? g->name : "", g->nodes);
    for (const sw_node *node = g->first; node; node = node->next)
        add_line(&text, node);
    for (size_t i = 0; i < g->outputs.count; i++) {
        sw_text_addf(&text, "output %s = ", g->outputs.items[i].name);
        add_value(&text, g->outputs.items[i].value);
        sw_text_add(&text, "\n");
    }
    return sw_text_take(&text);
}

/* ---- Graphviz ---- */
static void add_quoted(sw_text *text, const char *s)
{
    sw_text_add(text, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            sw_text_add(text, "\\");
        sw_text_addn(text, s, 1);
    }
    sw_text_add(text, "\"");
}

static void add_dot_node(sw_text *text, const sw_node *node)
{
    char label[256];
    const char *what = node->state ? sw_state_name(node->state) : node->name ? node->name : "";
    if (node->outputs_count && node->op->flags & SW_LEAF && node->outputs[0]->name)
        what = node->outputs[0]->name;
    snprintf(label, sizeof label, "%s%s%s", node->op->name, *what ? ": " : "", what);
    sw_text_addf(text, "  n%d [label=", node->id);
    add_quoted(text, label);
    sw_text_add(text, node->op->flags & SW_LEAF ? ", shape=ellipse];\n" : "];\n");
    for (int i = 0; i < node->inputs_count; i++) {
        char type[256];
        const sw_value *value = node->inputs[i];
        if (value == sw_none)
            continue;
        sw_text_addf(text, "  n%d -> n%d [label=", value->node->id, node->id);
        add_quoted(text, sw_type_text(node->graph, &value->type, type, sizeof type));
        sw_text_add(text, "];\n");
    }
}

char *sw_graph_dot(const sw_graph *g)
{
    sw_text text;
    if (!g) {
        sw_fail(SW_INVALID, "there is no graph");
        return NULL;
    }
    sw_text_init(&text, g->ctx);
    sw_text_add(&text, "digraph ");
    add_quoted(&text, g->name ? g->name : "graph");
    sw_text_add(&text,
                " {\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=9];\n");
    for (const sw_node *node = g->first; node; node = node->next)
        add_dot_node(&text, node);
    for (size_t i = 0; i < g->outputs.count; i++) {
        sw_text_addf(&text, "  o%zu [label=", i);
        add_quoted(&text, g->outputs.items[i].name);
        sw_text_addf(&text, ", shape=ellipse];\n  n%d -> o%zu;\n", g->outputs.items[i].value->node->id, i);
    }
    sw_text_add(&text, "}\n");
    return sw_text_take(&text);
}

void sw_text_release(sw_context *ctx, char *text) { sw_free(ctx, text); }
