/* slipway/graph.h: the one form of every model.
 *
 * A graph is a list of nodes in an order that can be executed; a node is a row of the op table with its inputs,
 * attributes and output values. A graph built with SW_EAGER is awake: each value is computed as it is added and
 * can be read at once. Otherwise it sleeps: it only records, and sw_compile (plan.h) makes it fast. The calls and
 * the nodes are the same: the tape is the graph.
 *
 * Errors are sticky. Once a graph has failed, every builder returns NULL, so a program checks once at its end
 * (sw_ok, sw_graph_error). A NULL input to a builder fails the graph. SW_NONE is an absent optional input.
 *
 * A graph and what it gives out (values, nodes) belong to one thread at a time and live until sw_graph_free, but
 * for what a scope rewinds. */
#ifndef SLIPWAY_GRAPH_H
#define SLIPWAY_GRAPH_H

#include "slipway/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_graph sw_graph;
typedef struct sw_node sw_node;
typedef struct sw_value sw_value;
typedef struct sw_op sw_op;
typedef struct sw_state sw_state;
typedef struct sw_scope sw_scope;

/* The absent optional input or output. */
SW_API extern sw_value *const sw_none;
#define SW_NONE sw_none

/* ---- dims that need not be known yet ----
 * A sw_dim >= 0 is a size. Below SW_DIM_UNKNOWN it names an expression over declared symbols, kept in the graph
 * in a normal form, so that equal expressions are equal numbers. */
typedef int64_t sw_dim;
#define SW_DIM_UNKNOWN (INT64_MIN / 2)
static inline bool sw_dim_known(sw_dim dim) { return dim >= 0; }
/* Declares a symbol such as "N", or finds it; `low`..`high` bound it (0, INT64_MAX: any size). */
SW_API sw_dim sw_symbol(sw_graph *g, const char *name);
SW_API sw_dim sw_symbol_bounded(sw_graph *g, const char *name, int64_t low, int64_t high);
/* "N", "2*N + 1", "28". Returns `text`. */
SW_API char *sw_dim_text(const sw_graph *g, sw_dim dim, char *text, size_t size);

typedef enum sw_kind { SW_TENSOR, SW_SEQUENCE, SW_OPTIONAL, SW_MAP } sw_kind;

/* What is known of a value before it is computed. */
typedef struct sw_type {
    sw_kind kind;
    sw_dtype dtype; /* tensors: of the elements; maps: of the keys */
    int rank;       /* tensors; -1: not known */
    sw_dim dims[SW_MAX_RANK];
    const struct sw_type *element; /* sequences, optionals, maps */
} sw_type;
#define SW_TYPE(dtype_, ...)                                                                                           \
    ((sw_type){                                                                                                        \
        .dtype = (dtype_), .rank = (int)(sizeof((sw_dim[]){__VA_ARGS__}) / sizeof(sw_dim)), .dims = {__VA_ARGS__}})
/* "f32[N, 1, 28, 28]", "seq(f32[?])". Returns `text`. */
SW_API char *sw_type_text(const sw_graph *g, const sw_type *type, char *text, size_t size);

/* ---- graphs ---- */
enum {
    SW_EAGER = 1,  /* awake */
    SW_NOGRAD = 2, /* awake, and never differentiated: asking for gradients is an error */
    SW_RETAIN = 4, /* awake, and sw_backward frees nothing on its way */
};
SW_API sw_graph *sw_graph_new(sw_context *ctx, unsigned flags); /* NULL on failure */
SW_API void sw_graph_free(sw_graph *g);
SW_API bool sw_ok(const sw_graph *g); /* g is not NULL and has not failed */
SW_API sw_status sw_graph_status(const sw_graph *g);
SW_API const char *sw_graph_error(const sw_graph *g); /* the first failure: node, shapes, what was expected; "" */
SW_API sw_context *sw_graph_context(const sw_graph *g);
SW_API void sw_graph_set_name(sw_graph *g, const char *name);
SW_API const char *sw_graph_name(const sw_graph *g); /* "" when none */

/* A leaf fed from outside. sw_input takes the type of `tensor`; an awake graph computes with it (it is retained).
 * sw_input_declare names a typed input of a sleeping graph. */
SW_API sw_value *sw_input(sw_graph *g, sw_tensor *tensor);
SW_API sw_value *sw_input_declare(sw_graph *g, const char *name, sw_type type);
/* A constant; `tensor` is retained, its contents must not change afterwards. */
SW_API sw_value *sw_constant(sw_graph *g, sw_tensor *tensor);
SW_API sw_value *sw_scalar(sw_graph *g, sw_dtype dtype, double value);   /* rank 0 */
SW_API sw_value *sw_ints(sw_graph *g, int count, const int64_t *values); /* i64[count], for shapes and axes */
/* Names `value` as the graph's next output. SW_EXISTS when the name is taken. */
SW_API sw_status sw_output(sw_graph *g, const char *name, sw_value *value);

SW_API int sw_graph_input_count(const sw_graph *g);
SW_API sw_value *sw_graph_input(const sw_graph *g, int index);
SW_API int sw_graph_output_count(const sw_graph *g);
SW_API sw_value *sw_graph_output(const sw_graph *g, int index);
SW_API const char *sw_graph_output_name(const sw_graph *g, int index);
SW_API int sw_graph_node_count(const sw_graph *g);
SW_API sw_node *sw_graph_node(const sw_graph *g, int index); /* in an executable order */

/* ---- values ---- */
SW_API const sw_type *sw_value_type(const sw_value *value);
SW_API const char *sw_value_name(const sw_value *value); /* "" when none */
SW_API sw_status sw_value_set_name(sw_value *value, const char *name);
/* The contents: of a constant, or of any value of an awake graph. Borrowed; NULL when there are none (the text says
 * why). */
SW_API sw_tensor *sw_value_tensor(sw_value *value);
/* Writes "name f32[2, 3] = [[…]]" as a line of text, at most `size` bytes, long tensors shortened. For debugging
 * and for sw_print. Returns `text`. */
SW_API char *sw_value_text(sw_value *value, char *text, size_t size);

/* ---- scopes of an awake graph ---- */
/* Everything recorded and computed since sw_scope_begin is given back by sw_scope_end, except what sw_keep promoted.
 * Scopes nest. A million steps in a scope run at flat memory. */
SW_API sw_scope *sw_scope_begin(sw_graph *g);
SW_API void sw_scope_end(sw_scope *scope); /* NULL is allowed */
/* Makes `value`'s contents survive the innermost scope, as a leaf without history. Returns the survivor. */
SW_API sw_value *sw_keep(sw_value *value);

/* ---- named state: what survives a step ---- */
/* An initialiser: fills `tensor` (contiguous). See sw_init_* in ops.h. `stream` follows from the state's name, so that
 * what is drawn does not depend on the order in which states are made. */
typedef struct sw_init {
    sw_status (*fill)(sw_tensor *tensor, uint32_t stream, uint64_t a, double b);
    uint64_t a; /* a seed, usually */
    double b;   /* a gain or a value, usually */
} sw_init;

/* A state named `name`, filled by `init` (zeros when init.fill is NULL). A parameter is a trainable state. Random
 * initialisers draw at the address (init.a, stream of the name). The caller owns one reference; what is left over goes
 * with the context. Names need only be unique within a graph. */
SW_API sw_state *sw_state_new(sw_context *ctx, const char *name, sw_dtype dtype, sw_dims dims, sw_init init,
                              bool trainable);
SW_API sw_state *sw_param(sw_context *ctx, const char *name, sw_dtype dtype, sw_dims dims, sw_init init);
SW_API sw_state *sw_state_retain(sw_state *state);
SW_API void sw_state_release(sw_state *state); /* NULL is allowed */
SW_API const char *sw_state_name(const sw_state *state);
SW_API bool sw_state_trainable(const sw_state *state);
/* The current contents, borrowed: valid until the next version is assigned. */
SW_API sw_tensor *sw_state_tensor(const sw_state *state);
/* Replaces the contents by a copy of `tensor`: same dtype and dims. */
SW_API sw_status sw_state_set(sw_state *state, const sw_tensor *tensor);

/* The current version of `state` as a value; the graph retains the state. Reads of one state in one graph before an
 * assignment give the same value; after sw_assign they give the value assigned (in an awake graph: as a fresh leaf). */
SW_API sw_value *sw_read(sw_graph *g, sw_state *state);
/* Makes `value` the next version: at once in an awake graph, at the end of the run in a plan (where the last assignment
 * of a state is the one that counts). */
SW_API sw_status sw_assign(sw_graph *g, sw_state *state, sw_value *value);
SW_API int sw_graph_state_count(const sw_graph *g); /* states read or assigned, each once, in order of first use */
SW_API sw_state *sw_graph_state(const sw_graph *g, int index);

/* ---- phase and randomness ---- */
/* A bool scalar: true while training. In a sleeping graph it is an input that sw_compile folds
 * (sw_compile_options.training); an awake graph computes with sw_graph_set_training (true at first). */
SW_API sw_value *sw_training(sw_graph *g);
SW_API void sw_graph_set_training(sw_graph *g, bool training);
/* u64[2] = {seed, step}: where random nodes draw. It reads the state given here; without one, {0, 0}. */
SW_API void sw_graph_set_random(sw_graph *g, sw_state *key);
SW_API sw_value *sw_random_key(sw_graph *g);

/* ---- gradients ---- */
/* Appends the backward pass: gradients[i] = d(sum of y)/d(wrt[i]), SW_NONE where y does not depend on it. `y` is
 * floating; `dy` is its incoming gradient or SW_NONE for ones. */
SW_API sw_status sw_grad(sw_graph *g, sw_value *y, sw_value *dy, sw_value *const *wrt, int count, sw_value **gradients);
/* sw_grad for every trainable state that `loss` depends on. The gradients stay with the graph, for sw_gradient_of and
 * the optimisers, until the next sw_backward. An awake graph frees values between states and loss on the way, but for
 * the loss, graph outputs and values with a name of their own; sw_grad, and a graph with SW_RETAIN, free nothing. */
SW_API sw_status sw_backward(sw_graph *g, sw_value *loss);
SW_API sw_value *sw_gradient_of(sw_graph *g, const sw_state *state); /* after sw_backward; SW_NONE when independent */

/* ---- looking at it ---- */
/* Checks every invariant: order, types, arities, attributes, state. SW_INTERNAL or SW_INVALID with a text. */
SW_API sw_status sw_graph_verify(const sw_graph *g);
/* One line per node, or Graphviz. Fresh text, released with sw_text_release. NULL on failure. */
SW_API char *sw_graph_dump(const sw_graph *g);
SW_API char *sw_graph_dot(const sw_graph *g);
SW_API void sw_text_release(sw_context *ctx, char *text);

#ifdef __cplusplus
}
#endif
#endif
