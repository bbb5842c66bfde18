/* ops/activation.h: the activations by name, for the fused rows and for kernels. Uses: graph/. */
#ifndef SW_OPS_ACTIVATION_H
#define SW_OPS_ACTIVATION_H

#include "graph/op.h"

/* What a fused row may apply to its result, as listed in its attribute "activation". */
#define SW_ACTIVATIONS "none|relu|leaky_relu|elu|sigmoid|tanh|gelu|gelu_tanh|silu|softplus|hard_sigmoid|hard_swish|clip"

/* The formula of an activation; alpha and beta as the row of its own has them ("clip": lower and upper bound). NULL for
 * a name that is not in the list; "none" gives x. */
typedef double (*sw_activation)(double x, double alpha, double beta);
sw_activation sw_activation_find(const char *name);
/* The name in the list above for a node of an activation row, with its alpha and beta; NULL when it is none of them. */
const char *sw_activation_of(const sw_node *node, double *alpha, double *beta);

#endif
