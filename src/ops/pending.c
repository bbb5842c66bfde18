/* pending.c: what graph/ has declared and not landed yet, as weak definitions that yield to its own. Goes with them. */
#include "graph/op.h"

__attribute__((weak)) bool sw_grad_wants(const sw_graph *g, int input)
{
    (void)g, (void)input;
    return true;
}

__attribute__((weak)) sw_value *sw_gradient_of(sw_graph *g, const sw_state *state)
{
    (void)g, (void)state;
    return SW_NONE;
}
