/* passes.c: the order of the passes, and what they share.
 *
 * What makes others possible comes first (constants), what only the last form of the graph decides comes last
 * (layouts). The passes that simplify run in rounds until a round changes nothing: each change makes the graph
 * smaller, so this ends. */
#include <stdarg.h>
#include <stdio.h>

#include "compile/pass.h"
#include "graph/dim.h"

/* Once, then the simplifying ones in rounds, then the rest once. */
static const sw_pass *const first[] = {&sw_pass_training, &sw_pass_freeze, &sw_pass_decompose, NULL};
static const sw_pass *const rounds[] = {&sw_pass_dead, &sw_pass_constants, &sw_pass_algebra, &sw_pass_common, NULL};
static const sw_pass *const last[] = {
    &sw_pass_batch_norm, &sw_pass_bias, &sw_pass_residual, &sw_pass_activation, &sw_pass_dead, &sw_pass_layout, NULL};
enum { MAX_ROUNDS = 16 };

void sw_pass_note(sw_compiling *c, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->changes++;
    sw_text_addf(c->notes, "  %s: %s\n", c->pass, line);
}

static sw_status run_list(sw_compiling *c, const sw_pass *const *list, int *changes)
{
    for (; *list; list++) {
        const sw_pass *pass = *list;
        if ((pass->rounds && c->options->no_fusion) || (pass->serves_only && !c->options->freeze))
            continue;
        if (c->only && strcmp(c->only, pass->name) != 0)
            continue;
        c->pass = pass->name;
        c->changes = 0;
        sw_status status = pass->run(c);
        if (status == SW_OK)
            status = sw_graph_status(c->g);
        if (status == SW_OK)
            status = c->notes->status;
        if (status != SW_OK)
            return sw_fail_in(status, "pass %s", pass->name);
        *changes += c->changes;
    }
    return SW_OK;
}

sw_status sw_passes_run(sw_compiling *c)
{
    int changes = 0;
    SW_TRY(run_list(c, first, &changes));
    for (int i = 0; i < MAX_ROUNDS; i++) {
        changes = 0;
        SW_TRY(run_list(c, rounds, &changes));
        if (!changes)
            break;
    }
    return run_list(c, last, &changes);
}

sw_tensor *sw_value_constant(const sw_value *value)
{
    return value != sw_none && sw_node_is(value->node, "Constant") ? value->tensor : NULL;
}

sw_node *sw_value_only_user(const sw_value *value)
{
    sw_node *user;
    return value->uses == 1 && sw_value_users(value, &user, 1) == 1 ? user : NULL;
}

bool sw_value_is_all(const sw_value *value, double number)
{
    const sw_tensor *tensor = sw_value_constant(value);
    enum { MOST = 4096 }; /* a bias of zeros, not a weight */
    int64_t count = tensor ? sw_tensor_count(tensor) : 0;
    if (count == 0 || count > MOST || sw_tensor_dtype(tensor) == SW_STRING)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (sw_tensor_get(tensor, i) != number)
            return false;
    return true;
}

bool sw_backend_computes(const sw_backend *backend, const sw_op *op)
{
    const sw_kernel *const *candidates = backend->candidates(backend, op->name);
    for (; candidates && *candidates; candidates++)
        if (strcmp((*candidates)->op, op->name) == 0)
            return true;
    return op->reference != NULL;
}

const sw_port *sw_port_at(const sw_port *ports, int index)
{
    int i = 0;
    while (i < index && ports[i].name && !(ports[i].flags & SW_PORT_VARIADIC))
        i++;
    return &ports[i];
}

bool sw_node_reads(const sw_node *node, int index)
{
    return node->inputs[index] != sw_none && !(sw_port_at(node->op->inputs, index)->flags & SW_PORT_SHAPE_ONLY);
}

bool sw_op_updates(const sw_op *op) { return op->outputs[0].name && strncmp(op->outputs[0].name, "next_", 5) == 0; }

bool sw_op_overwrites(const sw_op *op, int output, int input)
{
    if (!(op->flags & SW_IN_PLACE_FIRST))
        return false;
    if (!sw_op_updates(op))
        return output == 0 && input == 0;
    const char *made = sw_port_at(op->outputs, output)->name, *read = sw_port_at(op->inputs, input)->name;
    return made && read && strncmp(made, "next_", 5) == 0 && strcmp(made + 5, read) == 0;
}

bool sw_types_equal(const sw_graph *g, const sw_type *a, const sw_type *b)
{
    if (a->kind != b->kind || a->dtype != b->dtype || a->rank != b->rank || a->rank < 0 || a->kind != SW_TENSOR)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!sw_dim_always_equal(g, a->dims[i], b->dims[i]))
            return false;
    return true;
}

sw_value *sw_pass_constant(sw_compiling *c, sw_node *at, sw_tensor *tensor)
{
    sw_node *before = sw_graph_insert_before(c->g, at);
    sw_value *value = sw_constant(c->g, tensor);
    sw_graph_insert_before(c->g, before);
    return value;
}

sw_value *sw_pass_node(sw_compiling *c, sw_node *at, const char *op, sw_value *const *inputs, int inputs_count,
                       const sw_attr *attrs, int attrs_count)
{
    sw_node *before = sw_graph_insert_before(c->g, at);
    sw_value *value = sw_node_add(c->g, op, inputs, inputs_count, attrs, attrs_count, NULL, 0);
    sw_graph_insert_before(c->g, before);
    return value;
}

void sw_pass_replace(sw_node *node, sw_value *with)
{
    sw_value_replace(node->outputs[0], with);
    for (int i = 0; i < node->outputs_count; i++)
        if (node->outputs[i] != sw_none && node->outputs[i]->uses)
            return;
    sw_node_remove(node);
}
