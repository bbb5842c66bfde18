/* serve/scheduler.h: bounded queues, batches, lanes.
 *
 * Requests wait in their model's queue; lanes are threads that take what waits. There is no delay to fill a batch:
 * batches form because callers arrive while the lanes are busy. A lane writes the answers itself. A run that is
 * expected to take less than handing it over is run where it is, on the loop's thread, while the lanes are idle.
 * Uses: serve/model.h. */
#ifndef SW_SERVE_SCHEDULER_H
#define SW_SERVE_SCHEDULER_H

#include "serve/model.h"

typedef struct sw_scheduler sw_scheduler;

typedef struct sw_scheduler_options {
    int lanes;
    int max_queue;      /* per model */
    uint64_t inline_ns; /* runs expected to take less go inline; 0: none */
} sw_scheduler_options;

/* Models are added before sw_scheduler_start. */
sw_scheduler *sw_scheduler_new(sw_loop *loop, sw_scheduler_options options);
sw_status sw_scheduler_add(sw_scheduler *s, sw_model *model);
sw_status sw_scheduler_start(sw_scheduler *s);
/* Waits until the lanes have answered what is queued, and ends them. NULL is allowed. */
void sw_scheduler_free(sw_scheduler *s);

/* Loop thread. Takes over a complete request that holds its version: it will be answered, now or later. With `read`
 * set its body is read by a lane first: a large one would keep the loop from everybody else. */
void sw_scheduler_submit(sw_scheduler *s, sw_request *r);
/* Loop thread: the caller of `r` has left. */
void sw_scheduler_left(sw_scheduler *s, sw_request *r);
int sw_scheduler_waiting(sw_scheduler *s, const sw_model *model);
/* How many threads may run one version at once: the lanes, and the loop's. */
int sw_scheduler_runners(const sw_scheduler *s);

#endif
