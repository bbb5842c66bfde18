/* base/context.h: the inside of sw_context, for the rooms above.
 *
 * The base room knows neither ops nor backends: a room hangs what it registers on the context under the
 * address of a static variable of its own, with the function that releases it. Uses: alloc.h, log.h. */
#ifndef SW_BASE_CONTEXT_H
#define SW_BASE_CONTEXT_H

#include "base/alloc.h"

/* A bare context: allocator, budget, log; no ops and no backends (sw_context_new in slipway.c adds them). */
sw_context *sw_context_create(const sw_context_options *options);

/* Hangs `value` under `key`; released (newest first) by sw_context_free. SW_EXISTS when the key is taken. */
sw_status sw_context_attach(sw_context *ctx, const void *key, void *value,
                            void (*release)(sw_context *ctx, void *value));
/* What hangs there, or NULL. Lock-free after start-up. */
void *sw_context_attached(const sw_context *ctx, const void *key);

int sw_context_threads(const sw_context *ctx);         /* >= 1 */
const char *sw_context_backend(const sw_context *ctx); /* "cpu" or "ref" */
/* True when `topic` stands in options.trace. */
bool sw_context_traces(const sw_context *ctx, const char *topic);

/* CPUs that affinity and cgroup (cpu.max, v1 quota) allow, rounded up; >= 1. */
int sw_cpu_count(void);

#endif
