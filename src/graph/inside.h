/* graph/inside.h: what a graph is made of; for the files of graph/ only.
 *
 * Nodes, values, names and attributes live in one arena, so that a scope gives everything back by rewinding it; dims
 * live in an arena of their own, because expressions outlive scopes. What points out of the arena (tensors, states) is
 * counted, and released one by one when nodes go. Uses: graph.h, engine.h, base/vec.h. */
#ifndef SW_GRAPH_INSIDE_H
#define SW_GRAPH_INSIDE_H

#include "base/context.h"
#include "base/vec.h"
#include "graph/dim.h"
#include "graph/engine.h"
#include "graph/graph.h"

/* Names of one kind, unique: chains of entries in the graph's arena, newest first, so that a scope takes back its own.
 */
struct name {
    struct name *chain, *older;
    const char *text;
    void *owner; /* the node or value; NULL: removed */
    uint64_t hash;
};
struct names {
    struct name **slots;
    size_t slot_count, count;
    struct name *newest;
};
void *sw_names_find(const struct names *names, const char *text);
sw_status sw_names_add(sw_graph *g, struct names *names, const char *text, void *owner); /* `text` must stay */
void sw_names_remove(struct names *names, const char *text);
void sw_names_rewind(struct names *names, struct name *newest);

/* A state as one graph uses it. */
struct held {
    sw_state *state;
    sw_value *current; /* the version a read gives: the last assigned, or what the Read node gave; NULL: not read yet */
    uint64_t version;  /* of the state's contents when `current` was read */
    sw_value *gradient;
};

struct output {
    const char *name;
    sw_value *value;
};

struct symbol {
    const char *name;
    int64_t low, high;
};

struct sw_expression;
struct dims {
    sw_arena *arena; /* NULL until the first symbol */
    sw_vec(struct symbol) symbols;
    sw_vec(struct sw_expression *) expressions;
    uint32_t *slots; /* index + 1 of an expression; 0: empty */
    size_t slot_count;
    int fresh;
};

struct sw_scope {
    sw_graph *graph;
    sw_scope *outer;
    sw_arena_mark arena;
    sw_node *last; /* the last node that is not in the scope */
    int node_ids, value_ids;
    size_t inputs, outputs;
    struct name *node_names, *value_names;
    uint32_t streams;
};

struct sw_graph {
    sw_context *ctx;
    struct registry *registry;
    unsigned flags;
    sw_arena *arena;
    char *name;
    sw_error error;
    sw_node *first, *last, *before; /* new nodes go before `before`; NULL: to the end */
    int nodes, node_ids, value_ids;
    sw_vec(sw_value *) inputs;
    sw_vec(struct output) outputs;
    sw_vec(struct held) states;
    struct names node_names, value_names;
    struct dims dims;
    sw_scope *scope; /* the innermost */
    sw_value *training, *random_key;
    bool training_now;
    sw_state *key;
    uint32_t streams; /* random nodes so far: the next stream */
    uint64_t wants;   /* inputs whose gradient the rule under way should give */
    bool in_rule;
};

static inline bool sw_graph_awake(const sw_graph *g) { return (g->flags & (SW_EAGER | SW_NOGRAD)) != 0; }

/* The text of the thread, but for a graph that failed before: then its first failure stays. Returns NULL, so that a
 * builder may `return sw_graph_null(g, status)`. */
static inline void *sw_graph_null(sw_graph *g, sw_status status)
{
    sw_graph_fail(g, status);
    return NULL;
}

/* ---- registry.c ---- */
struct registry *sw_registry_of(sw_context *ctx); /* made at first use; NULL without memory */
const sw_op *sw_registry_find(const struct registry *registry, const char *name);
int sw_ports_count(const sw_port *ports);
int sw_attr_rows_count(const sw_op *op);

/* ---- node.c ---- */
/* A node in the arena with room for its ports; not linked yet. NULL without memory. */
sw_node *sw_node_make(sw_graph *g, const sw_op *op, int inputs_count, int outputs_count);
void sw_node_link(sw_graph *g, sw_node *node);
void sw_node_unlink(sw_node *node);
/* A leaf with one output of this type, linked. `tensor` may be NULL; it is retained. */
sw_value *sw_leaf_add(sw_graph *g, const sw_op *op, const sw_type *type, sw_tensor *tensor);
/* Gives back what the node and its values hold outside the arena. */
void sw_node_release(sw_node *node);
/* A type of known dims. */
sw_type sw_type_of(const sw_tensor *tensor);
sw_status sw_value_check(sw_graph *g, const sw_value *value, const char *what);

/* ---- value.c ---- */
const char *sw_kind_name(sw_kind kind);
/* Whether this is a type at all, in this graph; "what 'name'" begins the text. */
sw_status sw_type_check(const sw_graph *g, const sw_type *type, const char *what, const char *name);

/* ---- attr.c ---- */
sw_status sw_attrs_resolve(sw_graph *g, sw_node *node, const sw_attr *attrs, int count);

/* ---- infer.c ---- */
sw_status sw_node_check_inputs(const sw_node *node);
sw_status sw_node_infer(sw_graph *g, sw_node *node);
/* What inference says, without writing it down: one type per output. */
sw_status sw_node_infer_types(sw_graph *g, const sw_node *node, sw_type *types);
/* "(x f32[2, 3], w f32[3])" behind "Op 'name'": the head of every message about a node. */
void sw_node_text(const sw_node *node, char *text, size_t size);

/* ---- scope.c ---- */
/* Takes the node out of the order and gives back what it holds; a kept leaf is memory of its own and goes, too. */
void sw_node_drop(sw_node *node);

/* ---- execute.c ---- */
sw_status sw_node_execute(sw_node *node);

/* ---- state.c ---- */
struct held *sw_held_find(const sw_graph *g, const sw_state *state);
uint64_t sw_state_version(const sw_state *state);
/* Makes `value`'s tensor the contents: shares it where nobody else can write it, else copies. */
sw_status sw_state_adopt(sw_state *state, sw_value *value);

/* ---- dim.c ---- */
bool sw_dim_exists(const sw_graph *g, sw_dim dim); /* a size, or an expression of this graph */
void sw_dims_free(sw_graph *g);
sw_status sw_dims_copy(sw_graph *to, const sw_graph *from); /* the same expressions under the same numbers */

#endif
