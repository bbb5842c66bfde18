/* dim_table.c: where expressions of dims live: each once, under its number.
 *
 * The table only grows: expressions outlive the scopes in which they were met. What is looked up here is in normal form
 * already (dim.c), so equal expressions meet in one entry. Shapes may come from hostile files, so an expression has a
 * weight (its size written out as a tree) and a limit. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "graph/polynomial.h"

/* ---- the table ---- */
static int index_of(sw_dim dim) { return (int)(SW_DIM_UNKNOWN - 1 - dim); }

static sw_dim dim_of(size_t index) { return SW_DIM_UNKNOWN - 1 - (sw_dim)index; }

bool sw_dim_exists(const sw_graph *g, sw_dim dim)
{
    return dim >= 0 || (dim < SW_DIM_UNKNOWN && dim >= dim_of(g->dims.expressions.count) + 1);
}

const struct sw_expression *sw_dim_expression(const sw_graph *g, sw_dim dim)
{
    return dim < SW_DIM_UNKNOWN && sw_dim_exists(g, dim) ? g->dims.expressions.items[index_of(dim)] : NULL;
}

void sw_dims_free(sw_graph *g)
{
    sw_arena_free(g->dims.arena);
    sw_vec_free(g->ctx, &g->dims.symbols);
    sw_vec_free(g->ctx, &g->dims.expressions);
    sw_free(g->ctx, g->dims.slots);
}

static uint64_t hash_of(const struct sw_expression *e)
{
    uint64_t hash = sw_fnv1a(&e->kind, sizeof e->kind);
    hash = sw_fnv1a_more(hash, &e->symbol, sizeof e->symbol);
    hash = sw_fnv1a_more(hash, &e->a, sizeof e->a);
    hash = sw_fnv1a_more(hash, &e->b, sizeof e->b);
    for (int i = 0; i < e->count; i++) {
        hash = sw_fnv1a_more(hash, &e->terms[i].coefficient, sizeof e->terms[i].coefficient);
        hash = sw_fnv1a_more(hash, e->terms[i].atoms, (size_t)e->terms[i].degree * sizeof *e->terms[i].atoms);
    }
    return hash;
}

static bool same_expression(const struct sw_expression *x, const struct sw_expression *y)
{
    if (x->kind != y->kind || x->symbol != y->symbol || x->a != y->a || x->b != y->b || x->count != y->count)
        return false;
    for (int i = 0; i < x->count; i++)
        if (x->terms[i].coefficient != y->terms[i].coefficient || sw_term_compare(&x->terms[i], &y->terms[i]) != 0)
            return false;
    return true;
}

static uint32_t *slot_of(const struct dims *dims, const struct sw_expression *e)
{
    size_t at = e->hash & (dims->slot_count - 1);
    while (dims->slots[at] && !same_expression(dims->expressions.items[dims->slots[at] - 1], e))
        at = (at + 1) & (dims->slot_count - 1);
    return &dims->slots[at];
}

static sw_status reserve(sw_graph *g)
{
    struct dims *dims = &g->dims;
    if (!dims->arena && !(dims->arena = sw_arena_new(g->ctx)))
        return sw_alloc_status();
    SW_TRY(sw_vec_reserve(g->ctx, &dims->expressions, 1));
    if (dims->expressions.count * 2 < dims->slot_count)
        return SW_OK;
    size_t count = dims->slot_count ? dims->slot_count * 2 : 32;
    uint32_t *slots = sw_alloc_zero(g->ctx, count * sizeof *slots);
    if (!slots)
        return sw_alloc_status();
    sw_free(g->ctx, dims->slots);
    dims->slots = slots;
    dims->slot_count = count;
    for (size_t i = 0; i < dims->expressions.count; i++)
        *slot_of(dims, dims->expressions.items[i]) = (uint32_t)i + 1;
    return SW_OK;
}

sw_dim sw_dim_fail(sw_graph *g, sw_status status)
{
    sw_graph_fail(g, status);
    return SW_DIM_UNKNOWN;
}

static uint32_t weight_of(const sw_graph *g, sw_dim dim)
{
    const struct sw_expression *e = sw_dim_expression(g, dim);
    return e ? e->weight : 1;
}

sw_dim sw_dim_intern(sw_graph *g, struct sw_expression e)
{
    uint32_t weight = 1 + weight_of(g, e.a) + weight_of(g, e.b);
    for (int i = 0; i < e.count; i++)
        for (int k = 0; k < e.terms[i].degree; k++)
            weight += weight_of(g, e.terms[i].atoms[k]);
    if (weight > SW_DIM_HEAVIEST)
        return sw_dim_fail(g, sw_fail(SW_UNSUPPORTED, "an expression of dims has more than %d parts", SW_DIM_HEAVIEST));
    e.weight = weight;
    e.hash = hash_of(&e);
    sw_status status = reserve(g);
    if (status != SW_OK)
        return sw_dim_fail(g, status);
    uint32_t *slot = slot_of(&g->dims, &e);
    if (*slot)
        return dim_of(*slot - 1);
    struct sw_expression *kept = sw_arena_copy(g->dims.arena, &e, sizeof e);
    if (!kept || (e.count && !(kept->terms = sw_arena_copy(g->dims.arena, e.terms, (size_t)e.count * sizeof *e.terms))))
        return sw_dim_fail(g, sw_alloc_status());
    g->dims.expressions.items[g->dims.expressions.count++] = kept;
    *slot = (uint32_t)g->dims.expressions.count;
    return dim_of(g->dims.expressions.count - 1);
}

/* ---- symbols ---- */
static sw_dim symbol_add(sw_graph *g, const char *name, int64_t low, int64_t high)
{
    if (!g->dims.arena && !(g->dims.arena = sw_arena_new(g->ctx)))
        return sw_dim_fail(g, sw_alloc_status());
    char *copy = sw_arena_strdup(g->dims.arena, name);
    struct symbol symbol = {copy, low, high};
    sw_status status = copy ? sw_vec_push(g->ctx, &g->dims.symbols, symbol) : sw_alloc_status();
    if (status != SW_OK)
        return sw_dim_fail(g, status);
    int number = (int)g->dims.symbols.count - 1;
    sw_dim dim = sw_dim_intern(g, (struct sw_expression){.kind = SW_EXPRESSION_SYMBOL, .symbol = number});
    if (dim == SW_DIM_UNKNOWN)
        g->dims.symbols.count--;
    return dim;
}

sw_dim sw_symbol_bounded(sw_graph *g, const char *name, int64_t low, int64_t high)
{
    if (!sw_ok(g))
        return SW_DIM_UNKNOWN;
    if (!name || !*name || low < 0 || high < low)
        return sw_dim_fail(g, sw_fail(SW_INVALID, "symbol '%s': bounds %lld..%lld, needs a name and 0 <= low <= high",
                                      name ? name : "", (long long)low, (long long)high));
    if (low == high)
        return low;
    for (size_t i = 0; i < g->dims.symbols.count; i++) {
        struct symbol *symbol = &g->dims.symbols.items[i];
        if (strcmp(symbol->name, name) != 0)
            continue;
        int64_t both_low = low > symbol->low ? low : symbol->low, both_high = high < symbol->high ? high : symbol->high;
        if (both_low > both_high)
            return sw_dim_fail(g, sw_fail(SW_INVALID, "symbol '%s': declared as %lld..%lld before, now as %lld..%lld",
                                          name, (long long)symbol->low, (long long)symbol->high, (long long)low,
                                          (long long)high));
        symbol->low = both_low;
        symbol->high = both_high;
        return sw_dim_intern(g, (struct sw_expression){.kind = SW_EXPRESSION_SYMBOL, .symbol = (int)i});
    }
    return symbol_add(g, name, low, high);
}

sw_dim sw_symbol(sw_graph *g, const char *name) { return sw_symbol_bounded(g, name, 0, INT64_MAX); }

sw_dim sw_dim_fresh(sw_graph *g, sw_dim high)
{
    if (!sw_ok(g))
        return SW_DIM_UNKNOWN;
    int64_t low, most;
    char name[24];
    sw_dim_range(g, high, &low, &most);
    snprintf(name, sizeof name, "?%d", ++g->dims.fresh);
    return symbol_add(g, name, 0, most < 0 ? 0 : most);
}

int sw_symbol_count(const sw_graph *g) { return (int)g->dims.symbols.count; }

const char *sw_symbol_name(const sw_graph *g, int symbol)
{
    return symbol >= 0 && (size_t)symbol < g->dims.symbols.count ? g->dims.symbols.items[symbol].name : NULL;
}

/* Expressions are copied in their order, so every one finds the same number again. */
sw_status sw_dims_copy(sw_graph *to, const sw_graph *from)
{
    for (size_t i = 0; i < from->dims.symbols.count; i++) {
        const struct symbol *symbol = &from->dims.symbols.items[i];
        if (!to->dims.arena && !(to->dims.arena = sw_arena_new(to->ctx)))
            return sw_alloc_status();
        struct symbol copy = {sw_arena_strdup(to->dims.arena, symbol->name), symbol->low, symbol->high};
        SW_TRY(copy.name ? sw_vec_push(to->ctx, &to->dims.symbols, copy) : sw_alloc_status());
    }
    for (size_t i = 0; i < from->dims.expressions.count; i++)
        if (sw_dim_intern(to, *from->dims.expressions.items[i]) == SW_DIM_UNKNOWN)
            return sw_graph_status(to);
    to->dims.fresh = from->dims.fresh;
    return SW_OK;
}
