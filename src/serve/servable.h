/* serve/servable.h: what the server needs to know of a model, and no more.
 *
 * A servable is one version of a model, ready to run: named and typed ports, whether requests may share a run along
 * axis 0, and a function. The one for production wraps a compiled plan (plan_servable.c); tests and benchmarks bring
 * their own. The room serve/ uses: base, net, tensor, graph, ops, compile, formats, store. */
#ifndef SW_SERVE_SERVABLE_H
#define SW_SERVE_SERVABLE_H

#include "base/status.h"
#include "slipway/tensor.h"

typedef struct sw_port {
    const char *name;
    sw_dtype dtype;
    sw_dims dims; /* -1: any size */
} sw_port;

typedef struct sw_servable sw_servable;
struct sw_servable {
    int64_t version;
    const char *platform; /* "slipway_plan" */
    const char *origin;   /* a line for people: where it came from */
    int input_count, output_count;
    const sw_port *inputs, *outputs;
    bool batched;               /* axis 0 of every input and output is the request's rows; runs may stack them */
    int max_batch;              /* most rows of one run when batched */
    const char *const *classes; /* names of the classes that outputs score; may be none */
    int class_count;

    /* Runs once. Threads: at most `lanes` (as the source was told) at a time. outputs[i] is NULL to have it made,
     * or a tensor of an earlier run with the same input dims, to be written again. */
    sw_status (*run)(sw_servable *self, sw_tensor *const *inputs, sw_tensor **outputs, sw_cancel *cancel);
    void (*free)(sw_servable *self);
};

/* Where versions of one model come from. Called by one thread at a time, not the loop's. */
typedef struct sw_source sw_source;
struct sw_source {
    /* The version that should be served now; cheap, asked several times a second. */
    sw_status (*wanted)(sw_source *self, int64_t *version);
    /* Makes it ready to run on `lanes` threads at once. */
    sw_status (*load)(sw_source *self, int64_t version, int lanes, sw_servable **servable);
    void (*free)(sw_source *self);
};

#endif
