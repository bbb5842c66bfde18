/* run/executor.h: how awake graphs compute: through the same kernels as plans, one node at a time. Uses:
 * graph/engine.h. */
#ifndef SW_RUN_EXECUTOR_H
#define SW_RUN_EXECUTOR_H

#include "graph/engine.h"

/* Attaches an executor over the context's backend; the composition root calls it. */
sw_status sw_executor_install(sw_context *ctx);

#endif
