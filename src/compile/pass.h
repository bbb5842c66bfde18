/* compile/pass.h: what a pass is.
 *
 * A pass rewrites the compiler's own copy of a graph into one that means the same and costs less. Passes stand in
 * one list (passes.c) and run in its order; each lives in its own file, says in a line what it did to which node
 * (`slipway … --explain`), and knows rows of the op table by name but no kernels: what the backend can do, it asks.
 * Uses: graph/. */
#ifndef SW_COMPILE_PASS_H
#define SW_COMPILE_PASS_H

#include <string.h>

#include "base/text.h"
#include "graph/engine.h"
#include "graph/graph.h"
#include "slipway/plan.h"

typedef struct sw_compiling {
    sw_context *ctx;
    sw_graph *g;
    const sw_compile_options *options; /* with defaults filled in */
    const sw_backend *backend;
    sw_layout *layouts; /* per value id of g; made by the layout pass, the last one; NULL before: all plain */
    int layouts_count;
    const char *only; /* tests: the one pass to run, by name; NULL: all */
    const char *pass; /* the one that runs now */
    sw_text *notes;   /* one line per change */
    int changes;      /* of this pass */
} sw_compiling;

typedef struct sw_pass {
    const char *name, *doc;
    bool rounds;      /* may change the rounding of results: left out by options.no_fusion */
    bool serves_only; /* only for frozen plans */
    sw_status (*run)(sw_compiling *c);
} sw_pass;

sw_status sw_passes_run(sw_compiling *c); /* all of them, in their order (passes.c) */
/* Counts a change and writes its line: "fuse-activation: Conv_3 takes Relu_4". */
void sw_pass_note(sw_compiling *c, const char *format, ...) SW_PRINTF(2, 3);

/* ---- what passes ask ---- */
static inline bool sw_node_is(const sw_node *node, const char *op) { return node && strcmp(node->op->name, op) == 0; }
/* The tensor of a constant value, else NULL. */
sw_tensor *sw_value_constant(const sw_value *value);
/* The value's only reader when it has exactly one use and is no output of the graph, else NULL. */
sw_node *sw_value_only_user(const sw_value *value);
/* True when every element of the constant equals `number`. */
bool sw_value_is_all(const sw_value *value, double number);
/* Whether the row can be computed at all: by a kernel made for it, or by its reference body. */
bool sw_backend_computes(const sw_backend *backend, const sw_op *op);
/* The row's port for input or output `index`: the last one stands for all that follow when it is variadic. */
const sw_port *sw_port_at(const sw_port *ports, int index);
/* Whether the node reads the contents of input `index`: it is given, and not for its dims alone. */
bool sw_node_reads(const sw_node *node, int index);
/* Whether output `output` of the row may be written over input `input`, of equal type. */
bool sw_op_overwrites(const sw_op *op, int output, int input);
/* Rows that give next versions of what they read: each output port "next_x" belongs to an input port "x". */
bool sw_op_updates(const sw_op *op);
bool sw_types_equal(const sw_graph *g, const sw_type *a, const sw_type *b);
/* A new constant placed before `at`. NULL on failure. */
sw_value *sw_pass_constant(sw_compiling *c, sw_node *at, sw_tensor *tensor);
/* A new node before `at`. */
sw_value *sw_pass_node(sw_compiling *c, sw_node *at, const char *op, sw_value *const *inputs, int inputs_count,
                       const sw_attr *attrs, int attrs_count);
/* Output 0 of `node` becomes `with` everywhere, and `node` goes when nothing else of it is used. */
void sw_pass_replace(sw_node *node, sw_value *with);

extern const sw_pass sw_pass_freeze, sw_pass_training, sw_pass_decompose, sw_pass_dead, sw_pass_constants,
    sw_pass_common, sw_pass_algebra, sw_pass_batch_norm, sw_pass_bias, sw_pass_residual, sw_pass_activation,
    sw_pass_layout;

#endif
