/* cli/explain.h: a model's plan in words, and a timeline of some of its runs; for inspect. Uses: cli.h. */
#ifndef SW_CLI_EXPLAIN_H
#define SW_CLI_EXPLAIN_H

#include "cli/cli.h"
#include "slipway/plan.h"

/* Prints passes, steps, kernels and places for these input dims. The exit code. */
int cli_explain(cli *c, sw_graph *g, const sw_dims *inputs);
/* Runs the plan on zeros, a few times, and writes Trace Event JSON to `path`. The exit code. */
int cli_trace(cli *c, sw_graph *g, const sw_dims *inputs, const char *path);

#endif
