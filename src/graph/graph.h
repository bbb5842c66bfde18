/* graph/graph.h: the inside of graphs, for passes and planners.
 *
 * Nodes and values live in the graph's arena and are linked in an executable order; a pass may insert, replace and
 * remove. Dims below zero index the graph's table of expressions (dim.h). Uses: op.h, base/arena.h. */
#ifndef SW_GRAPH_GRAPH_H
#define SW_GRAPH_GRAPH_H

#include "base/arena.h"
#include "graph/op.h"

struct sw_value {
    sw_graph *graph;
    sw_node *node; /* who makes it; NULL only for SW_NONE */
    int index;     /* which output of it */
    int id;        /* dense, < graph->value_ids: for side tables of passes */
    sw_type type;
    const char *name;       /* NULL, or given and unique in the graph */
    sw_tensor *tensor;      /* contents of a constant, or of a value of an awake graph; retained */
    const sw_dim *contents; /* known contents of small integer values, as dims */
    int contents_count;
    int uses;     /* inputs of nodes that are this value; outputs of the graph count too */
    int holds;    /* the gradient walk's own count */
    bool freed;   /* the contents were given back by sw_backward */
    bool adopted; /* a state has taken the tensor as its own */
};

struct sw_node {
    const sw_op *op;
    sw_graph *graph;
    int id;           /* dense, < graph->node_ids */
    const char *name; /* NULL until somebody asks: sw_node_name */
    bool named;       /* the name was given, not made from row and number */
    int inputs_count, outputs_count;
    sw_value **inputs; /* sw_none where absent */
    sw_value **outputs;
    sw_attr *attrs;  /* one per attribute row of op, in its order */
    sw_state *state; /* Read, Assign */
    sw_node *previous, *next;
    uint32_t stream;     /* random rows: fixed when built */
    sw_scope *kept_from; /* sw_keep: the scope that is still open and will not take this leaf with it */
    bool kept;           /* sw_keep: memory of its own */
};

/* Rows that the graph itself makes: no bodies. Registered by the graph room. */
extern const sw_op sw_op_input, sw_op_constant, sw_op_read, sw_op_assign;

/* In order. */
sw_node *sw_graph_first(const sw_graph *g);
int sw_graph_node_ids(const sw_graph *g); /* one past the largest id */
int sw_graph_value_ids(const sw_graph *g);
sw_arena *sw_graph_arena(sw_graph *g);
unsigned sw_graph_flags(const sw_graph *g);
sw_status sw_graph_fail(sw_graph *g, sw_status status); /* takes this thread's text; the first wins */

/* ---- editing, for passes (sleeping graphs only) ---- */
/* New nodes of sw_node_add go before `node` (NULL: to the end). Returns the previous place. */
sw_node *sw_graph_insert_before(sw_graph *g, sw_node *node);
/* Every use of `from` (graph outputs too) becomes a use of `to`; types must agree. Names of graph outputs stay. */
void sw_value_replace(sw_value *from, sw_value *to);
/* `node`'s outputs must have no uses. */
void sw_node_remove(sw_node *node);
void sw_node_set_input(sw_node *node, int index, sw_value *value);
/* A deep copy into a sleeping graph of the same context: dims, names, states shared, constants shared. When given,
 * map[v->id] is the copy of value v (array of sw_graph_value_ids entries). NULL on failure. */
sw_graph *sw_graph_copy(sw_graph *g, sw_value **map);
/* The graph's outputs become those named, in this order. SW_NOT_FOUND names one that is missing; nothing is changed
 * then. */
sw_status sw_graph_select_outputs(sw_graph *g, int count, const char *const *names);
/* Releases states that no node reads or assigns any more. */
void sw_graph_forget_states(sw_graph *g);
/* Nodes that use `value`, at most `max`; returns how many there are. O(nodes after it). */
int sw_value_users(const sw_value *value, sw_node **users, int max);
/* Runs inference again over the whole graph, after inputs' types were changed. */
sw_status sw_graph_reinfer(sw_graph *g);
/* The value of sw_training(g), or NULL when nobody asked. It is no input of sw_graph_input's list. */
sw_value *sw_graph_training_value(const sw_graph *g);

/* ---- states, for plans and optimisers ---- */
/* The graph's state of that name, NULL when it has none. */
sw_state *sw_graph_state_named(const sw_graph *g, const char *name);
/* Makes `tensor` (contiguous, of the state's dtype and dims, shared with nobody) the contents; takes the reference on
 * success. */
sw_status sw_state_replace(sw_state *state, sw_tensor *tensor);
/* Tells that the contents were written in place: awake graphs read the state afresh. */
void sw_state_touch(sw_state *state);

#endif
