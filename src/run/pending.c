/* pending.c: what graph/ has declared and not landed yet, as weak definitions that yield to its own. Goes with them. */
#include "base/alloc.h"
#include "graph/graph.h"

__attribute__((weak)) sw_status sw_graph_verify(const sw_graph *g)
{
    (void)g;
    return SW_OK;
}

__attribute__((weak)) char *sw_graph_dump(const sw_graph *g)
{
    return sw_strdup(sw_graph_context(g), sw_graph_name(g));
}

__attribute__((weak)) void sw_text_release(sw_context *ctx, char *text)
{
    sw_free(ctx, text);
}

__attribute__((weak)) sw_status sw_backward(sw_graph *g, sw_value *loss)
{
    (void)loss;
    return sw_graph_fail(g, SW_UNSUPPORTED);
}
