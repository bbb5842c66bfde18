/* serve/model.h: a name that is served: its current version, its queue, its counts.
 *
 * The loop's thread alone changes `current`; the scheduler's lock guards the queue. Uses: serve/loaded.h,
 * serve/metrics.h. */
#ifndef SW_SERVE_MODEL_H
#define SW_SERVE_MODEL_H

#include "serve/loaded.h"
#include "serve/metrics.h"

typedef struct sw_queue {
    sw_request *first, *last;
    int count;
} sw_queue;

struct sw_model {
    char name[129];
    sw_source *source;  /* owned */
    sw_loaded *current; /* NULL until the first one is ready */
    sw_queue queue;
    sw_model_metrics metrics;

    /* The loader's. */
    int64_t loaded; /* version number of what was handed over last */
    int64_t failed; /* version number that could not be loaded; not tried again until it changes */
    uint64_t retry_at;
};

#endif
