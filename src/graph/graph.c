/* graph.c: a graph's life, its first failure, and what flows in and out of it.
 *
 * Everything that a builder can fail at ends in sw_graph_fail: the first text stays with the graph, and from then on
 * every builder returns NULL at once. */
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

#include "graph/inside.h"
#include "tensor/dtype.h"

static sw_value none = {.type = {.kind = SW_OPTIONAL, .rank = -1}};
sw_value *const sw_none = &none;

sw_graph *sw_graph_new(sw_context *ctx, unsigned flags)
{
    if (!ctx || flags & ~(unsigned)(SW_EAGER | SW_NOGRAD | SW_RETAIN)) {
        sw_fail(SW_INVALID, ctx ? "sw_graph_new: unknown flags 0x%x" : "sw_graph_new: no context", flags);
        return NULL;
    }
    sw_graph *g = sw_alloc_zero(ctx, sizeof *g);
    if (!g)
        return NULL;
    g->ctx = ctx;
    g->flags = flags;
    g->training_now = true;
    g->registry = sw_registry_of(ctx);
    g->arena = g->registry ? sw_arena_new(ctx) : NULL;
    if (!g->arena) {
        sw_graph_free(g);
        return NULL;
    }
    return g;
}

void sw_graph_free(sw_graph *g)
{
    if (!g)
        return;
    while (g->scope)
        sw_scope_end(g->scope);
    while (g->last)
        sw_node_drop(g->last);
    for (size_t i = 0; i < g->states.count; i++)
        sw_state_release(g->states.items[i].state);
    sw_state_release(g->key);
    sw_dims_free(g);
    sw_vec_free(g->ctx, &g->states);
    sw_vec_free(g->ctx, &g->inputs);
    sw_vec_free(g->ctx, &g->outputs);
    sw_free(g->ctx, g->node_names.slots);
    sw_free(g->ctx, g->value_names.slots);
    sw_free(g->ctx, g->name);
    sw_arena_free(g->arena);
    sw_free(g->ctx, g);
}

bool sw_ok(const sw_graph *g) { return g && g->error.status == SW_OK; }

sw_status sw_graph_status(const sw_graph *g) { return g ? g->error.status : SW_INVALID; }

const char *sw_graph_error(const sw_graph *g) { return g ? g->error.text : "there is no graph"; }

sw_status sw_graph_fail(sw_graph *g, sw_status status)
{
    if (g->error.status == SW_OK && status != SW_OK)
        g->error = sw_error_take(status);
    return status;
}

sw_context *sw_graph_context(const sw_graph *g) { return g->ctx; }

void sw_graph_set_name(sw_graph *g, const char *name)
{
    if (!sw_ok(g))
        return;
    char *copy = sw_strdup(g->ctx, name ? name : "");
    if (!copy) {
        sw_graph_fail(g, sw_alloc_status());
        return;
    }
    sw_free(g->ctx, g->name);
    g->name = copy;
}

const char *sw_graph_name(const sw_graph *g) { return g->name ? g->name : ""; }

unsigned sw_graph_flags(const sw_graph *g) { return g->flags; }

sw_arena *sw_graph_arena(sw_graph *g) { return g->arena; }

/* ---- leaves ---- */
static sw_value *input_add(sw_graph *g, const sw_type *type, sw_tensor *tensor)
{
    sw_status status = sw_vec_reserve(g->ctx, &g->inputs, 1);
    if (status != SW_OK)
        return sw_graph_null(g, status);
    sw_value *value = sw_leaf_add(g, &sw_op_input, type, tensor);
    if (value)
        g->inputs.items[g->inputs.count++] = value;
    return value;
}

sw_value *sw_input(sw_graph *g, sw_tensor *tensor)
{
    if (!sw_ok(g))
        return NULL;
    if (!tensor)
        return sw_graph_null(
            g, sw_fail(SW_INVALID, "sw_input: no tensor: the call that made it failed (%s)", sw_error_text()));
    sw_type type = sw_type_of(tensor);
    if (sw_graph_awake(g))
        return input_add(g, &type, tensor);
    char name[32];
    snprintf(name, sizeof name, "input_%zu", g->inputs.count);
    return sw_input_declare(g, name, type);
}

sw_value *sw_input_declare(sw_graph *g, const char *name, sw_type type)
{
    if (!sw_ok(g))
        return NULL;
    if (sw_graph_awake(g))
        return sw_graph_null(g, sw_fail(SW_INVALID, "input '%s': an awake graph computes: give it a tensor (sw_input)",
                                        name ? name : ""));
    sw_status status = sw_type_check(g, &type, "input", name ? name : "");
    if (status != SW_OK)
        return sw_graph_null(g, status);
    sw_value *value = input_add(g, &type, NULL);
    if (value && name && *name && sw_value_set_name(value, name) != SW_OK)
        return NULL;
    return value;
}

sw_value *sw_constant(sw_graph *g, sw_tensor *tensor)
{
    if (!sw_ok(g))
        return NULL;
    if (!tensor)
        return sw_graph_null(
            g, sw_fail(SW_INVALID, "sw_constant: no tensor: the call that made it failed (%s)", sw_error_text()));
    sw_type type = sw_type_of(tensor);
    return sw_leaf_add(g, &sw_op_constant, &type, tensor);
}

/* As sw_constant; the reference is taken over. NULL tensors are failed allocations. */
static sw_value *constant_of(sw_graph *g, sw_tensor *tensor)
{
    if (!tensor)
        return sw_graph_null(g, sw_alloc_status());
    sw_value *value = sw_constant(g, tensor);
    sw_tensor_release(tensor);
    return value;
}

sw_value *sw_scalar(sw_graph *g, sw_dtype dtype, double value)
{
    if (!sw_ok(g))
        return NULL;
    if (dtype <= SW_DTYPE_NONE || dtype >= SW_DTYPE_COUNT || dtype == SW_STRING)
        return sw_graph_null(g, sw_fail(SW_INVALID, "sw_scalar: %s is no numeric element type", sw_dtype_name(dtype)));
    sw_tensor *tensor = sw_tensor_new(g->ctx, dtype, SW_SCALAR);
    if (tensor)
        sw_store_f64(dtype, sw_tensor_data(tensor), 0, value);
    return constant_of(g, tensor);
}

sw_value *sw_ints(sw_graph *g, int count, const int64_t *values)
{
    if (!sw_ok(g))
        return NULL;
    if (count < 0 || (count > 0 && !values))
        return sw_graph_null(g, sw_fail(SW_INVALID, "sw_ints: %d values, needs 0 or more, and where they are", count));
    return constant_of(g, sw_tensor_from(g->ctx, SW_I64, SW_DIMS(count), values));
}

sw_status sw_output(sw_graph *g, const char *name, sw_value *value)
{
    if (!sw_ok(g))
        return sw_graph_status(g);
    if (!name || !*name)
        return sw_graph_fail(g, sw_fail(SW_INVALID, "an output needs a name"));
    sw_status status = sw_value_check(g, value, "output");
    if (status != SW_OK)
        return sw_graph_fail(g, sw_fail_in(status, "output '%s'", name));
    for (size_t i = 0; i < g->outputs.count; i++)
        if (strcmp(g->outputs.items[i].name, name) == 0)
            return sw_graph_fail(g, sw_fail(SW_EXISTS, "the graph has an output '%s' already", name));
    struct output output = {sw_arena_strdup(g->arena, name), value};
    status = output.name ? sw_vec_push(g->ctx, &g->outputs, output) : sw_alloc_status();
    if (status == SW_OK)
        value->uses++;
    return sw_graph_fail(g, status);
}

sw_status sw_graph_select_outputs(sw_graph *g, int count, const char *const *names)
{
    struct output *chosen = sw_alloc_array(g->ctx, (size_t)count + 1, sizeof *chosen);
    if (!chosen)
        return sw_alloc_status();
    for (int i = 0; i < count; i++) {
        size_t at = 0;
        while (at < g->outputs.count && strcmp(g->outputs.items[at].name, names[i]) != 0)
            at++;
        if (at == g->outputs.count) {
            sw_free(g->ctx, chosen);
            return sw_fail(SW_NOT_FOUND, "the graph has no output '%s'", names[i]);
        }
        chosen[i] = g->outputs.items[at];
    }
    for (size_t i = 0; i < g->outputs.count; i++)
        g->outputs.items[i].value->uses--;
    for (int i = 0; i < count; i++)
        chosen[i].value->uses++;
    sw_free(g->ctx, g->outputs.items);
    g->outputs.items = chosen;
    g->outputs.count = (size_t)count;
    g->outputs.capacity = (size_t)count + 1;
    return SW_OK;
}

static bool is_used(const sw_graph *g, const sw_state *state)
{
    for (const sw_node *node = g->first; node; node = node->next)
        if (node->state == state)
            return true;
    return g->key == state;
}

void sw_graph_forget_states(sw_graph *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->states.count; i++) {
        if (is_used(g, g->states.items[i].state))
            g->states.items[kept++] = g->states.items[i];
        else
            sw_state_release(g->states.items[i].state);
    }
    g->states.count = kept;
}

/* ---- lists ---- */
int sw_graph_input_count(const sw_graph *g) { return (int)g->inputs.count; }

sw_value *sw_graph_input(const sw_graph *g, int index)
{
    return index >= 0 && (size_t)index < g->inputs.count ? g->inputs.items[index] : NULL;
}

int sw_graph_output_count(const sw_graph *g) { return (int)g->outputs.count; }

sw_value *sw_graph_output(const sw_graph *g, int index)
{
    return index >= 0 && (size_t)index < g->outputs.count ? g->outputs.items[index].value : NULL;
}

const char *sw_graph_output_name(const sw_graph *g, int index)
{
    return index >= 0 && (size_t)index < g->outputs.count ? g->outputs.items[index].name : NULL;
}

int sw_graph_node_count(const sw_graph *g) { return g->nodes; }

sw_node *sw_graph_node(const sw_graph *g, int index)
{
    sw_node *node = index >= 0 ? g->first : NULL;
    while (node && index-- > 0)
        node = node->next;
    return node;
}

sw_node *sw_graph_first(const sw_graph *g) { return g->first; }

int sw_graph_node_ids(const sw_graph *g) { return g->node_ids; }

int sw_graph_value_ids(const sw_graph *g) { return g->value_ids; }
