/* ops/row.h: what the rows of the op table share: inference, walks over elements, costs, gradient helpers.
 *
 * A family file states formulas and leaves the plumbing to these few mechanisms: dims are inferred by rule, reference
 * bodies read every dtype through loads and round once when they store, and gradients are written with the builders.
 * Nothing here knows a backend. Uses: base, tensor, graph. */
#ifndef SW_OPS_ROW_H
#define SW_OPS_ROW_H

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "graph/dim.h"
#include "graph/op.h"
#include "slipway/ops.h"
#include "tensor/dtype.h"

#define SW_ROW .struct_size = sizeof(sw_op)
/* Element types of rows that only move elements. */
#define SW_MOVABLE (SW_ANY & ~SW_DT(SW_STRING))

/* ---- inference (infer.c) ---- */
/* The type of input `index`, NULL when it is absent. */
const sw_type *sw_infer_type(const sw_infer *infer, int index);
/* Every output gets the broadcast dims of all inputs; contents of small integers are not followed. */
sw_status sw_infer_elementwise(sw_infer *infer);
/* Every output gets the dims (and, for integers, the contents) of input 0. */
sw_status sw_infer_like_first(sw_infer *infer);
/* Dims of `output` are those of `type`. */
void sw_infer_copy(sw_infer *infer, int output, const sw_type *type);
void sw_infer_dims(sw_infer *infer, int output, int rank, const sw_dim *dims);
/* Nothing is known of any output's rank. */
sw_status sw_infer_unknown(sw_infer *infer);
/* Fails unless the rank of input `index` is unknown or within low..high. */
sw_status sw_infer_rank(const sw_infer *infer, int index, int low, int high);
/* Fails when a and b can never be equal; `what` names them: "channels of x and w". */
sw_status sw_infer_agree(const sw_infer *infer, sw_dim a, sw_dim b, const char *what);
/* Fails unless input `index`, when given, is a scalar or has one element. */
sw_status sw_infer_scalar(const sw_infer *infer, int index);
/* `axis` counted from the end when negative, brought into 0..rank - 1. */
sw_status sw_infer_axis(const sw_infer *infer, int64_t axis, int rank, int *result);
/* Known contents of input `index`; false when absent or not known. */
bool sw_infer_contents_of(const sw_infer *infer, int index, const sw_dim **contents, int *count);
/* Sets output 0's contents by `f` of the contents of inputs 0 and 1 (one may be a single element), when known. */
void sw_infer_binary_contents(sw_infer *infer, sw_dim (*f)(sw_graph *g, sw_dim a, sw_dim b));

/* ---- attributes at run time (infer.c) ---- */
/* As sw_infer_axis for dims that have passed inference. */
int sw_axis(int64_t axis, int rank);
/* Marks the axes named by the list attribute `name`; an empty list marks all. SW_SHAPE for a bad or doubled one. */
sw_status sw_axes_marked(const sw_node *node, const char *name, int rank, bool *marked);
/* The stream where a random node draws: its attribute "stream", or the one fixed when it was built. */
uint32_t sw_node_stream(const sw_node *node);

/* ---- reference bodies (reference.c) ---- */
typedef enum sw_class { SW_CLASS_FLOAT, SW_CLASS_SIGNED, SW_CLASS_UNSIGNED, SW_CLASS_OPAQUE } sw_class;
sw_class sw_dtype_class(sw_dtype dtype); /* bool counts as unsigned, strings are opaque */

/* A formula of two numbers, once per numeric class; NULL where the row does not allow the class. */
typedef struct sw_binary {
    double (*f)(double a, double b);
    int64_t (*i)(int64_t a, int64_t b);
    uint64_t (*u)(uint64_t a, uint64_t b);
} sw_binary;
sw_status sw_reference_binary(const sw_call *call, const sw_binary *formula);
/* As binary, the answer of each is a bool. */
typedef struct sw_relation {
    bool (*f)(double a, double b);
    bool (*i)(int64_t a, int64_t b);
    bool (*u)(uint64_t a, uint64_t b);
} sw_relation;
sw_status sw_reference_relation(const sw_call *call, const sw_relation *relation);
/* y = f(x) in double; alpha and beta are the node's attributes of these names, 0 where the row has none. */
typedef double (*sw_formula)(double x, double alpha, double beta);
sw_status sw_reference_unary(const sw_call *call, sw_formula f);
/* Copies input 0 to output 0 in row-major order, whatever their dims; any dtype. */
sw_status sw_reference_copy(const sw_call *call);

/* Begins a walk over the broadcast inputs 0..n-1 and output 0 (which is view n of the walk). */
bool sw_call_walk(const sw_call *call, sw_walk *walk);
/* Copies one element, any dtype but with `to` and `from` of the same. */
void sw_element_copy(const sw_view *to, int64_t to_at, const sw_view *from, int64_t from_at);
/* The element offset of index[] in a view with strides. */
static inline int64_t sw_view_at(const sw_view *view, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < view->rank; i++)
        at += index[i] * view->strides[i];
    return at;
}
/* Steps index[] to the next in row-major order; false after the last. */
bool sw_index_next(int rank, const int64_t *dims, int64_t *index);
/* Row-major index of element k of dims. */
void sw_index_of(int rank, const int64_t *dims, int64_t k, int64_t *index);

/* Whole views as arrays, for bodies that read each element many times. Fresh from `desk`; NULL on failure. */
double *sw_desk_load(sw_arena *desk, const sw_view *view);
int64_t *sw_desk_load_int(sw_arena *desk, const sw_view *view);
double *sw_desk_array(sw_arena *desk, int64_t count); /* zeros */
/* Row-major values into a view, rounded to its dtype. */
void sw_view_store(const sw_view *view, const double *values);
void sw_view_store_int(const sw_view *view, const int64_t *values);
/* Runs `body` with an arena of its own, released afterwards. */
sw_status sw_on_desk(const sw_call *call, sw_status (*body)(const sw_call *call, sw_arena *desk));
/* Small integers (shapes, starts) of a call's input; how many there are, at most `max`. */
int sw_call_ints(const sw_call *call, int input, int64_t *values, int max);
bool sw_call_given(const sw_call *call, int input);
/* Element 0 of a call's input. */
double sw_call_scalar(const sw_call *call, int input);

/* ---- costs (cost.c) ---- */
/* `flops`, and the bytes of all ports. */
sw_cost sw_cost_of(const sw_call *call, double flops);
sw_cost sw_cost_move(const sw_call *call);        /* bytes only */
sw_cost sw_cost_elementwise(const sw_call *call); /* 1 flop per element of output 0 */
sw_cost sw_cost_per_input(const sw_call *call);   /* 1 flop per element of input 0 */
double sw_cost_elements(const sw_view *view);

/* What a unary row needs besides its formula: a reference body and a cost of `flops` per element. */
#define SW_UNARY_BODY(name, flops_)                                                                                    \
    static sw_status name##_reference(const sw_call *call) { return sw_reference_unary(call, name##_at); }             \
    static sw_cost name##_cost(const sw_call *call)                                                                    \
    {                                                                                                                  \
        return sw_cost_of(call, (flops_)*sw_cost_elements(&call->outputs[0]));                                         \
    }

/* ---- gradients and builders (build.c) ---- */
/* `dy` summed over the axes along which `like` was broadcast to it: dims of `like`. */
sw_value *sw_sum_to(sw_graph *g, sw_value *dy, sw_value *like);
/* `x` with the dims of `like`, of as many elements. */
sw_value *sw_reshape_like(sw_graph *g, sw_value *x, sw_value *like);
/* Zeros with the dims and element type of `like`. */
sw_value *sw_zeros_like(sw_graph *g, sw_value *like);
/* A scalar of x's element type. */
sw_value *sw_scalar_like(sw_graph *g, sw_value *x, double c);
sw_value *sw_unary(sw_graph *g, const char *op, sw_value *x);
sw_value *sw_binary_of(sw_graph *g, const char *op, sw_value *a, sw_value *b);
/* One output, with attributes. */
sw_value *sw_row_add(sw_graph *g, const char *op, int inputs_count, sw_value *const *inputs, int attrs_count,
                     const sw_attr *attrs);
#define SW_VALUES(...)                                                                                                 \
    (int)(sizeof((sw_value *[]){__VA_ARGS__}) / sizeof(sw_value *)), (sw_value *[]) { __VA_ARGS__ }
#define SW_ATTRS(...)                                                                                                  \
    (int)(sizeof((sw_attr[]){__VA_ARGS__}) / sizeof(sw_attr)), (sw_attr[]) { __VA_ARGS__ }
#define SW_NO_ATTRS 0, NULL
int sw_value_rank(const sw_value *value); /* -1: not known, or the value is NULL */
sw_dtype sw_value_dtype(const sw_value *value);
/* A node's attributes as given, for another node of a row with the same attributes: how many. */
int sw_node_attrs(const sw_node *node, sw_attr *attrs);

#endif
