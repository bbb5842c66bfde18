/* serve/loaded.h: a version that is loaded, with what running it again and again needs.
 *
 * Counted: the model holds it while it is the current one, every request from the moment it chose it until its answer
 * is written; whoever lets go last frees it. So a swap waits for nobody and nobody is left without a model.
 * Each lane has its own tensors per prepared size, so a run in steady state allocates nothing.
 * Uses: serve/servable.h, serve/request.h. */
#ifndef SW_SERVE_LOADED_H
#define SW_SERVE_LOADED_H

#include <stdatomic.h>

#include "serve/request.h"

/* Batches are rounded up to one of these, so that few sizes need to be prepared and a third is wasted at most. */
enum { SW_SIZES_MAX = 10 };

typedef struct sw_workspace sw_workspace;

struct sw_loaded {
    sw_context *ctx;
    atomic_int references;
    sw_servable *servable; /* owned */
    int lanes;
    int size_count;
    int sizes[SW_SIZES_MAX];
    uint8_t
        better[SW_SIZES_MAX]; /* the size to run instead: itself, or a larger one that warm-up found clearly cheaper */
    atomic_uint_fast64_t run_ns[SW_SIZES_MAX]; /* a moving average of what a run of that size takes */
    atomic_bool fresh_outputs;                 /* the outputs' dims follow from data: made anew by every run */
    sw_workspace *workspaces[];                /* by lane */
};

/* Takes over `servable`, also on failure (then it is freed). One reference. */
sw_status sw_loaded_new(sw_context *ctx, sw_servable *servable, int lanes, sw_loaded **version);
sw_loaded *sw_loaded_retain(sw_loaded *v);
void sw_loaded_release(sw_loaded *v, int references);

/* Runs every prepared size with zeros a few times: the quickest time is the first forecast, and settles which sizes are
 * worth running. That is not revised under traffic, where times are noise. */
sw_status sw_loaded_warm(sw_loaded *v);

/* Whether `b` may run together with `a`, apart from the number of rows. */
bool sw_loaded_agree(const sw_loaded *v, const sw_request *a, const sw_request *b);
/* What a run of so many rows is expected to take. */
uint64_t sw_loaded_forecast(const sw_loaded *v, int64_t rows);

/* Runs `count` requests (several only when they agree) as one; `outputs` is borrowed from lane `lane` until its next
 * run. *ran_rows: with padding. */
sw_status sw_loaded_run(sw_loaded *v, int lane, sw_request *const *requests, int count, sw_cancel *cancel,
                        sw_tensor ***outputs, int64_t *ran_rows);

#endif
