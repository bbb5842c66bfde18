/* run/trace.h: when each step of each run began and ended.
 *
 * While a trace is on, the clock is read once at each boundary between steps, so that steps add up to the wall time of
 * their run; events are kept in memory and written as Trace Event JSON. A trace that runs out of memory loses events,
 * never a run. Thread-safe. Uses: compile/instance.h. */
#ifndef SW_RUN_TRACE_H
#define SW_RUN_TRACE_H

#include <stdatomic.h>

#include "compile/instance.h"

typedef struct sw_trace_event {
    char *name; /* "Conv_3"; owned */
    char *args; /* a JSON object; owned; NULL: none */
    const char *category;
    int lane;
    uint64_t begin, end; /* nanoseconds */
} sw_trace_event;

typedef struct sw_trace {
    atomic_bool on;
    pthread_mutex_t lock; /* the list */
    uint64_t origin;
    sw_trace_event *events;
    size_t count, capacity, lost;
} sw_trace;

void sw_trace_init(sw_trace *trace);
void sw_trace_free(sw_context *ctx, sw_trace *trace);
static inline bool sw_trace_is_on(const sw_trace *trace)
{
    return atomic_load_explicit(&trace->on, memory_order_relaxed);
}
/* steps + 1 clock readings, released with sw_free; NULL on failure. */
uint64_t *sw_trace_marks(sw_context *ctx, int steps);
/* Steps of one segment: marks[0] its beginning, marks[1 + i] the end of step i. */
void sw_trace_steps(sw_context *ctx, sw_trace *trace, const sw_instance *instance, const sw_view *views, int lane,
                    const uint64_t *marks);
/* The whole run around them. */
void sw_trace_run(sw_context *ctx, sw_trace *trace, const char *plan, int lane, uint64_t begin, uint64_t end);

#endif
