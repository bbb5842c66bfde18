/* graph/dim.h: arithmetic on dims that may be symbols.
 *
 * Expressions are hash-consed in the graph in a normal form (sums of integer multiples of products; opaque nodes for
 * division, minimum, maximum, broadcast), so that equal ones have equal numbers: N*4/2 is 2*N. Numbers may be negative
 * (down to SW_DIM_UNKNOWN + 1), as contents of shape tensors are. Any operation with SW_DIM_UNKNOWN gives
 * SW_DIM_UNKNOWN. Overflow, and expressions beyond any use (thousands of terms), fail the graph and give
 * SW_DIM_UNKNOWN. Division by a symbolic dim is exact only where that is not 0. Uses: graph.h. */
#ifndef SW_GRAPH_DIM_H
#define SW_GRAPH_DIM_H

#include "graph/graph.h"

sw_dim sw_dim_add(sw_graph *g, sw_dim a, sw_dim b);
sw_dim sw_dim_sub(sw_graph *g, sw_dim a, sw_dim b);
sw_dim sw_dim_mul(sw_graph *g, sw_dim a, sw_dim b);
sw_dim sw_dim_div(sw_graph *g, sw_dim a, sw_dim b); /* floor */
sw_dim sw_dim_ceil_div(sw_graph *g, sw_dim a, sw_dim b);
sw_dim sw_dim_mod(sw_graph *g, sw_dim a, sw_dim b);
sw_dim sw_dim_min(sw_graph *g, sw_dim a, sw_dim b);
sw_dim sw_dim_max(sw_graph *g, sw_dim a, sw_dim b);
/* A size that only data decides: a fresh symbol, at most `high` (a dim). */
sw_dim sw_dim_fresh(sw_graph *g, sw_dim high);
/* Broadcast of two dims: equal, or one is 1. Two different symbols may still agree at run time, which the result
 * remembers: its evaluation gives the broadcast, or SW_SHAPE. SW_DIM_UNKNOWN and *ok = false when they cannot agree. */
sw_dim sw_dim_broadcast(sw_graph *g, sw_dim a, sw_dim b, bool *ok);
/* Exact where decidable for every value of the symbols. */
bool sw_dim_always_equal(const sw_graph *g, sw_dim a, sw_dim b);

/* ---- evaluation ---- */
/* The least and the greatest value that `dim` can have (INT64_MIN, INT64_MAX: no bound known). */
void sw_dim_range(const sw_graph *g, sw_dim dim, int64_t *low, int64_t *high);
int sw_symbol_count(const sw_graph *g);
const char *sw_symbol_name(const sw_graph *g, int symbol);
/* values[s] of symbol s, -1 where not bound. *result is -1 when a symbol it needs is not bound. */
sw_status sw_dim_eval(const sw_graph *g, sw_dim dim, const int64_t *values, int64_t *result);
/* Binds symbols so that `dims` fits `type`: SW_SHAPE naming `what`, the axis and both numbers when it cannot. Dims that
 * are expressions are checked when all their symbols are bound. */
sw_status sw_type_unify(const sw_graph *g, const sw_type *type, sw_dims dims, const char *what, int64_t *values);

#endif
