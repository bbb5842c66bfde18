/* graph/grad_walk.h: the reverse walk over a stretch of nodes; for grad.c. Uses: inside.h. */
#ifndef SW_GRAPH_GRAD_WALK_H
#define SW_GRAPH_GRAD_WALK_H

#include "graph/inside.h"

/* The gradients gathered so far, by value id; values made later than the table have none. */
struct sw_grad_walk {
    sw_graph *g;
    sw_value **table; /* NULL: none yet */
    bool *between;    /* depends on a value of `wrt`, and a seed depends on it */
    int count;
    bool frees; /* as it goes, what nobody holds */
};

/* A gradient that comes from outside. */
struct sw_grad_seed {
    sw_value *value, *gradient;
};

/* Tables for the values that `g` has now. To be closed whatever it returns. */
sw_status sw_grad_open(struct sw_grad_walk *walk, sw_graph *g);
void sw_grad_close(struct sw_grad_walk *walk);
/* Walks from `last` back to `first` (NULL: no nodes, only seeds). `between` marks what is differentiated by at first,
 * and what stands between that and the seeds afterwards. */
sw_status sw_grad_walk(struct sw_grad_walk *walk, sw_node *first, sw_node *last, const struct sw_grad_seed *seeds,
                       int seeds_count);
/* Adds `by` to the reasons not to free `value`; NULL and SW_NONE are allowed. */
void sw_grad_hold(sw_value *value, int by);
bool sw_grad_is_floating(const sw_value *value);

#endif
