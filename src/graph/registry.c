/* registry.c: which rows a context knows.
 *
 * Rows are constant structs that outlive the context; the registry keeps pointers, in a map by name and in a list
 * sorted by name. Rows are registered before a context is shared between threads; afterwards it is only read. A row is
 * checked when it comes in, so that the rest of the room may trust its form. */
#include <string.h>

#include "graph/inside.h"

struct registry {
    sw_strmap *by_name;
    sw_vec(const sw_op *) sorted;
};

static const char registry_key;

static void registry_release(sw_context *ctx, void *value)
{
    struct registry *registry = value;
    sw_strmap_free(registry->by_name);
    sw_vec_free(ctx, &registry->sorted);
    sw_free(ctx, registry);
}

static sw_status insert(sw_context *ctx, struct registry *registry, const sw_op *op)
{
    SW_TRY(sw_vec_reserve(ctx, &registry->sorted, 1));
    SW_TRY(sw_strmap_set(registry->by_name, op->name, (void *)op));
    size_t at = registry->sorted.count++;
    for (; at > 0 && strcmp(registry->sorted.items[at - 1]->name, op->name) > 0; at--)
        registry->sorted.items[at] = registry->sorted.items[at - 1];
    registry->sorted.items[at] = op;
    return SW_OK;
}

/* A registry with the rows of this room. */
static struct registry *registry_new(sw_context *ctx)
{
    static const sw_op *const own[] = {&sw_op_input, &sw_op_constant, &sw_op_read, &sw_op_assign};
    struct registry *registry = sw_alloc_zero(ctx, sizeof *registry);
    sw_status status = registry && (registry->by_name = sw_strmap_new(ctx)) ? SW_OK : sw_alloc_status();
    for (size_t i = 0; status == SW_OK && i < sizeof own / sizeof *own; i++)
        status = insert(ctx, registry, own[i]);
    if (status == SW_OK || !registry)
        return registry;
    registry_release(ctx, registry);
    return NULL;
}

struct registry *sw_registry_of(sw_context *ctx)
{
    struct registry *registry = sw_context_attached(ctx, &registry_key);
    if (registry)
        return registry;
    registry = registry_new(ctx);
    if (!registry || sw_context_attach(ctx, &registry_key, registry, registry_release) == SW_OK)
        return registry;
    registry_release(ctx, registry);
    return sw_context_attached(ctx, &registry_key);
}

int sw_ports_count(const sw_port *ports)
{
    int count = 0;
    while (count < SW_MAX_PORTS && ports[count].name)
        count++;
    return count;
}

int sw_attr_rows_count(const sw_op *op)
{
    int count = 0;
    while (count < SW_MAX_ATTRS && op->attrs[count].name)
        count++;
    return count;
}

/* ---- the form of a row ---- */
static sw_status check_ports(const sw_op *op, const sw_port *ports, const char *side, bool optional_last)
{
    int count = sw_ports_count(ports);
    bool optional = false;
    for (int i = 0; i < count; i++) {
        const sw_port *port = &ports[i];
        bool same = false;
        for (int k = 0; port->same_as && k < sw_ports_count(op->inputs); k++)
            same |= strcmp(op->inputs[k].name, port->same_as) == 0 && (ports != op->inputs || k < i);
        if (port->same_as && !same)
            return sw_fail(SW_INVALID, "row '%s': %s '%s' is to be the same as '%s', which is no input before it",
                           op->name, side, port->name, port->same_as);
        if (!port->same_as && !port->dtypes && port->kind == SW_TENSOR)
            return sw_fail(SW_INVALID, "row '%s': %s '%s' allows no element type", op->name, side, port->name);
        if (port->flags & SW_PORT_VARIADIC && i + 1 < count)
            return sw_fail(SW_INVALID, "row '%s': %s '%s' is variadic and not the last", op->name, side, port->name);
        if (optional_last && optional && !(port->flags & (SW_PORT_OPTIONAL | SW_PORT_VARIADIC)))
            return sw_fail(SW_INVALID, "row '%s': %s '%s' is required behind an optional one", op->name, side,
                           port->name);
        optional |= (port->flags & SW_PORT_OPTIONAL) != 0;
    }
    return SW_OK;
}

static sw_status check_attrs(const sw_op *op)
{
    int count = sw_attr_rows_count(op);
    for (int i = 0; i < count; i++) {
        const sw_attr_row *row = &op->attrs[i];
        if (row->kind <= SW_ATTR_NONE || row->kind > SW_ATTR_STRINGS)
            return sw_fail(SW_INVALID, "row '%s': attribute '%s' has no kind", op->name, row->name);
        if (row->choices && row->kind != SW_ATTR_STRING)
            return sw_fail(SW_INVALID, "row '%s': attribute '%s' has choices and is no string", op->name, row->name);
        for (int k = 0; k < i; k++)
            if (strcmp(row->name, op->attrs[k].name) == 0)
                return sw_fail(SW_INVALID, "row '%s': attribute '%s' stands there twice", op->name, row->name);
    }
    return SW_OK;
}

static sw_status check_row(const sw_op *op)
{
    if (!op || op->struct_size < sizeof *op)
        return sw_fail(SW_INVALID, "a row's struct_size is %zu, needs %zu", op ? op->struct_size : 0, sizeof *op);
    if (!op->name || !*op->name)
        return sw_fail(SW_INVALID, "a row has no name");
    if (!op->doc || !*op->doc)
        return sw_fail(SW_INVALID, "row '%s' has no doc", op->name);
    SW_TRY(check_ports(op, op->inputs, "input", false));
    SW_TRY(check_ports(op, op->outputs, "output", true));
    SW_TRY(check_attrs(op));
    if (op->grad.kind < SW_GRAD_FORGOTTEN || op->grad.kind > SW_BY_DECOMPOSITION)
        return sw_fail(SW_INVALID, "row '%s': its gradient is of no known kind", op->name);
    if (op->grad.kind == SW_GRAD_RULE && !op->grad.rule)
        return sw_fail(SW_INVALID, "row '%s' says it has a gradient rule and has none", op->name);
    if (op->grad.kind == SW_BY_DECOMPOSITION && !op->decompose)
        return sw_fail(SW_INVALID, "row '%s' takes its gradient from a decomposition and has none", op->name);
    if (op->flags & SW_LEAF)
        return SW_OK;
    if (!op->infer)
        return sw_fail(SW_INVALID, "row '%s' has no inference", op->name);
    if (!op->reference && !op->decompose && !(op->flags & SW_STATEFUL))
        return sw_fail(SW_INVALID, "row '%s' has neither a reference body nor a decomposition", op->name);
    return SW_OK;
}

sw_status sw_op_register(sw_context *ctx, const sw_op *op)
{
    SW_TRY(check_row(op));
    struct registry *registry = sw_registry_of(ctx);
    if (!registry)
        return sw_alloc_status();
    if (sw_strmap_get(registry->by_name, op->name))
        return sw_fail(SW_EXISTS, "a row '%s' is registered already", op->name);
    return insert(ctx, registry, op);
}

const sw_op *sw_registry_find(const struct registry *registry, const char *name)
{
    return sw_strmap_get(registry->by_name, name);
}

const sw_op *sw_op_find(sw_context *ctx, const char *name)
{
    struct registry *registry = sw_registry_of(ctx);
    return registry && name ? sw_registry_find(registry, name) : NULL;
}

int sw_op_count(sw_context *ctx)
{
    struct registry *registry = sw_registry_of(ctx);
    return registry ? (int)registry->sorted.count : 0;
}

const sw_op *sw_op_at(sw_context *ctx, int index)
{
    struct registry *registry = sw_registry_of(ctx);
    return registry && index >= 0 && (size_t)index < registry->sorted.count ? registry->sorted.items[index] : NULL;
}
