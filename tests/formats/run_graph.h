/* formats/run_graph.h: runs a sleeping graph by the reference bodies, for comparing graphs with each other and with
 * other programs. Outputs are fresh; NULL and a message on failure. */
#ifndef TESTS_FORMATS_RUN_GRAPH_H
#define TESTS_FORMATS_RUN_GRAPH_H

#include "slipway/plan.h"

static inline sw_status run_graph(sw_graph *g, sw_tensor *const *inputs, sw_tensor **outputs)
{
    sw_plan *plan = NULL;
    sw_compile_options options = {.size = sizeof options, .backend = "ref"};
    for (int i = 0; i < sw_graph_output_count(g); i++)
        outputs[i] = NULL;
    sw_status status = sw_compile(g, &options, &plan);
    if (status == SW_OK)
        status = sw_plan_run(plan, inputs, outputs, NULL);
    sw_plan_free(plan);
    return status;
}

#endif
