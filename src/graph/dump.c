/* dump.c: a graph in words, one line per node, and as a drawing for Graphviz.
 *
 *
 *   %x = Input() : f32[N, 784]
 *   %4 = MatMul(%x, %w) transpose_b=1 : f32[N, 10] ; "dense/MatMul"
 *   output "logits" = %4
 *
 * A value is called by its name where that is a plain word, else by its number. Attributes are shown where they were
 * given, in full: the text also stands for the graph in a plan's identity. What comes from files is quoted and escaped.
 */
#include <ctype.h>

#include "base/text.h"
#include "graph/inside.h"

/* Quotes, backslashes and control characters must not leave the quotes. */
static void add_quoted(sw_text *text, const char *words)
{
    sw_text_add(text, "\"");
    for (const char *at = words; *at; at++) {
        if (*at == '"' || *at == '\\')
            sw_text_addf(text, "\\%c", *at);
        else if ((unsigned char)*at < 0x20 || *at == 0x7f)
            sw_text_addf(text, "\\%03o", (unsigned)(unsigned char)*at);
        else
            sw_text_addn(text, at, 1);
    }
    sw_text_add(text, "\"");
}

static bool is_word(const char *name)
{
    if (!name || !(isalpha((unsigned char)*name) || *name == '_'))
        return false;
    while (isalnum((unsigned char)*name) || *name == '_' || *name == '.' || *name == '/')
        name++;
    return *name == '\0';
}

static void add_value(sw_text *text, const sw_value *value)
{
    if (value == sw_none)
        sw_text_add(text, "-");
    else if (is_word(value->name))
        sw_text_addf(text, "%%%s", value->name);
    else
        sw_text_addf(text, "%%%d", value->id);
}

static void add_item(sw_text *text, const sw_attr *attr, int index)
{
    if (attr->kind == SW_ATTR_INTS)
        sw_text_addf(text, "%lld", (long long)attr->ints[index]);
    else if (attr->kind == SW_ATTR_FLOATS)
        sw_text_addf(text, "%g", attr->floats[index]);
    else
        add_quoted(text, attr->strings[index]);
}

static void add_list(sw_text *text, const sw_attr *attr)
{
    sw_text_add(text, "[");
    for (int i = 0; i < attr->count; i++) {
        sw_text_add(text, i ? ", " : "");
        add_item(text, attr, i);
    }
    sw_text_add(text, "]");
}

static void add_tensor(sw_text *text, const sw_tensor *tensor)
{
    char dims[160];
    sw_text_addf(text, "%s%s", sw_dtype_name(sw_tensor_dtype(tensor)),
                 sw_dims_text(sw_tensor_dims(tensor), dims, sizeof dims));
}

static void add_attr(sw_text *text, const sw_attr *attr)
{
    sw_text_addf(text, " %s=", attr->name);
    switch (attr->kind) {
    case SW_ATTR_INT:
        sw_text_addf(text, "%lld", (long long)attr->i);
        break;
    case SW_ATTR_DTYPE:
        sw_text_add(text, sw_dtype_name((sw_dtype)attr->i));
        break;
    case SW_ATTR_FLOAT:
        sw_text_addf(text, "%g", attr->f);
        break;
    case SW_ATTR_STRING:
        add_quoted(text, attr->s);
        break;
    case SW_ATTR_TENSOR:
        add_tensor(text, attr->tensor);
        break;
    case SW_ATTR_GRAPH:
        sw_text_addf(text, "graph of %d nodes", sw_graph_node_count(attr->graph));
        break;
    default:
        add_list(text, attr);
        break;
    }
}

static void add_attrs(sw_text *text, const sw_node *node)
{
    for (int i = 0; i < sw_attr_rows_count(node->op); i++)
        if (node->attrs[i].given)
            add_attr(text, &node->attrs[i]);
}

static void add_type(sw_text *text, const sw_value *value)
{
    char type[256];
    sw_text_add(text, sw_type_text(value->graph, &value->type, type, sizeof type));
}

/* ---- lines ---- */
static void add_symbols(sw_text *text, const sw_graph *g)
{
    for (size_t i = 0; i < g->dims.symbols.count; i++) {
        const struct symbol *symbol = &g->dims.symbols.items[i];
        sw_text_addf(text, "symbol %s", symbol->name);
        if (symbol->low > 0 || symbol->high < INT64_MAX)
            sw_text_addf(text, " in %lld..", (long long)symbol->low);
        if (symbol->high < INT64_MAX)
            sw_text_addf(text, "%lld", (long long)symbol->high);
        sw_text_add(text, "\n");
    }
}

/* The elements of a small constant say more than its type. */
static void add_constant(sw_text *text, sw_value *value)
{
    char contents[160];
    if (value->tensor && sw_tensor_count(value->tensor) <= 8)
        sw_text_addf(text, " ; %s", sw_value_text(value, contents, sizeof contents));
}

static void add_node(sw_text *text, const sw_node *node)
{
    for (int i = 0; i < node->outputs_count; i++) {
        sw_text_add(text, i ? ", " : "");
        add_value(text, node->outputs[i]);
    }
    sw_text_addf(text, "%s%s(", node->outputs_count ? " = " : "", node->op->name);
    for (int i = 0; i < node->inputs_count; i++) {
        sw_text_add(text, i ? ", " : "");
        add_value(text, node->inputs[i]);
    }
    sw_text_add(text, ")");
    add_attrs(text, node);
    if (node->state) {
        sw_text_add(text, " state ");
        add_quoted(text, sw_state_name(node->state));
    }
    for (int i = 0; i < node->outputs_count; i++) {
        sw_text_add(text, i ? ", " : " : ");
        add_type(text, node->outputs[i]);
        if (node->outputs[i]->name && !is_word(node->outputs[i]->name)) {
            sw_text_add(text, " ");
            add_quoted(text, node->outputs[i]->name);
        }
    }
    if (node->named) { /* asking for a name must not change the text, which identities are made of */
        sw_text_add(text, " ; ");
        add_quoted(text, node->name);
    }
    if (node->op == &sw_op_constant)
        add_constant(text, node->outputs[0]);
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
    sw_text_add(&text, "graph ");
    add_quoted(&text, sw_graph_name(g));
    sw_text_addf(&text, " of %d nodes\n", g->nodes);
    if (!sw_ok(g))
        sw_text_addf(&text, "failed: %s\n", sw_graph_error(g));
    add_symbols(&text, g);
    for (const sw_node *node = g->first; node; node = node->next)
        add_node(&text, node);
    for (size_t i = 0; i < g->outputs.count; i++) {
        sw_text_add(&text, "output ");
        add_quoted(&text, g->outputs.items[i].name);
        sw_text_add(&text, " = ");
        add_value(&text, g->outputs.items[i].value);
        sw_text_add(&text, "\n");
    }
    return sw_text_take(&text);
}

/* ---- a drawing ---- */
/* The label is escaped as one: rows, attributes and types have quotes of their own. */
static void dot_node(sw_text *text, const sw_node *node)
{
    sw_text label;
    sw_text_init(&label, text->ctx);
    sw_text_add(&label, node->op->name);
    add_attrs(&label, node);
    if (node->state)
        sw_text_addf(&label, " %s", sw_state_name(node->state));
    if (node->op->flags & SW_LEAF && node->outputs_count && node->outputs[0]->name)
        sw_text_addf(&label, " %s", node->outputs[0]->name);
    char *words = sw_text_take(&label);
    if (!words) {
        text->status = sw_alloc_status();
        return;
    }
    sw_text_addf(text, "  n%d [shape=%s, label=", node->id, node->op->flags & SW_LEAF ? "ellipse" : "box");
    add_quoted(text, words);
    sw_text_add(text, "];\n");
    sw_free(text->ctx, words);
}

static void dot_edges(sw_text *text, const sw_node *node)
{
    for (int i = 0; i < node->inputs_count; i++) {
        char type[256];
        const sw_value *value = node->inputs[i];
        if (value == sw_none)
            continue;
        sw_text_addf(text, "  n%d -> n%d [label=", value->node->id, node->id);
        add_quoted(text, sw_type_text(value->graph, &value->type, type, sizeof type));
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
    add_quoted(&text, sw_graph_name(g));
    sw_text_add(&text, " {\n");
    for (const sw_node *node = g->first; node; node = node->next) {
        dot_node(&text, node);
        dot_edges(&text, node);
    }
    for (size_t i = 0; i < g->outputs.count; i++) {
        sw_text_addf(&text, "  o%zu [shape=ellipse, label=", i);
        add_quoted(&text, g->outputs.items[i].name);
        sw_text_addf(&text, "];\n  n%d -> o%zu;\n", g->outputs.items[i].value->node->id, i);
    }
    sw_text_add(&text, "}\n");
    return sw_text_take(&text);
}

void sw_text_release(sw_context *ctx, char *text) { sw_free(ctx, text); }
