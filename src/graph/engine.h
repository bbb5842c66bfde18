/* graph/engine.h: how something is executed: backends, kernels, teams.
 *
 * A backend is an ordered list of kernel candidates per op. For each node the compiler walks the list: a candidate
 * says why it does not apply, or prepares itself for the concrete dims (makes library primitives, asks for scratch
 * and for packed weights). The `ref` backend's one candidate per row is the row's reference body. The awake graph
 * executes through the same candidates, prepared once per signature and kept in a small cache. Uses: op.h. */
#ifndef SW_GRAPH_ENGINE_H
#define SW_GRAPH_ENGINE_H

#include "graph/op.h"

/* A node about to be executed with concrete dims. */
typedef struct sw_site {
    sw_context *ctx;
    const sw_node *node;
    int inputs_count, outputs_count;
    const sw_view *inputs;                 /* dims, strides, layout; data only where it is constant */
    const sw_view *outputs;                /* dims, layout; no data */
    const struct sw_packed *const *packed; /* per input: the form the plan already keeps it in; NULL entries: plain */
    int threads;                           /* team size the call will have */
} sw_site;

/* A constant input in a kernel's own form. One form per weight: it is made at the first preparation, given to later
 * ones as site->packed[i], and the plain form is released. */
typedef struct sw_packed {
    const char *kernel; /* who made it */
    void *form;         /* the kernel's description of the form; released with release_form */
    void (*release_form)(sw_context *ctx, void *form);
    size_t bytes;
    void *data; /* filled by the plan: `bytes` bytes, 64-aligned */
} sw_packed;

typedef struct sw_prepared {
    void *state;          /* becomes sw_call.prepared; released by kernel->release */
    size_t scratch_bytes; /* per call */
    size_t library_bytes; /* what a library holds for this state, for the books */
    /* Inputs that should be packed: packs[i].form != NULL asks for it; `pack` then fills them. */
    sw_packed packs[SW_MAX_PORTS];
} sw_prepared;

typedef struct sw_kernel {
    const char *name; /* "onednn", "avx512", "plain": unique per op */
    const char *op;
    /* NULL when it applies; else why not, static text, printed by SLIPWAY_TRACE=kernels. */
    const char *(*skips)(const sw_site *site);
    sw_status (*prepare)(const sw_site *site, sw_prepared *prepared); /* NULL: nothing to prepare */
    sw_status (*pack)(const sw_site *site, const sw_prepared *prepared, int input, const sw_view *plain, void *packed);
    sw_status (*run)(const sw_call *call); /* thread-safe for different scratch: `prepared` is only read */
    void (*release)(sw_context *ctx, void *state);
    bool fixed_slices; /* same bits for any team size */
} sw_kernel;

typedef struct sw_backend {
    const char *name; /* "ref", "cpu" */
    /* The candidates for `op`, fastest first, NULL-terminated; NULL when there are none. */
    const sw_kernel *const *(*candidates)(const struct sw_backend *backend, const char *op);
    /* The form in which this node's kernel would like its activations [N, C, …], given plain ones; PLAIN when it does
     * not care. `takes` says whether it can work on that form (elementwise rows usually can). */
    sw_layout (*prefers)(const sw_site *site);
    bool (*takes)(const sw_site *site, sw_layout layout);
    /* Whether the compiler may make this fused row with these attributes ("FusedConv" with "gelu"). */
    bool (*fuses)(sw_context *ctx, const char *op, const char *activation);
    /* Processor class, instruction set, library versions: part of a plan's identity. */
    void (*identity)(sw_context *ctx, char *text, size_t size);
    void *user;
} sw_backend;

sw_status sw_backend_register(sw_context *ctx, const sw_backend *backend);
const sw_backend *sw_backend_find(sw_context *ctx, const char *name); /* NULL when unknown */

/* The first candidate that applies and prepares: *kernel and *prepared are filled. Says each skip to the log when the
 * context traces "kernels". SW_UNSUPPORTED when none does, naming each candidate and why not. */
sw_status sw_kernel_choose(const sw_backend *backend, const sw_site *site, const sw_kernel **kernel,
                           sw_prepared *prepared);

/* A team: the threads that one call may use. size 1 runs inline. The body is called with part 0..parts-1, each exactly
 * once, by any member; returns when all are done. Parts are cut by size, never by team size, where results depend
 * on the cut. */
struct sw_team {
    int size;
    void (*run)(sw_team *team, int parts, void (*body)(void *user, int part), void *user);
};
/* Runs inline when team is NULL, of size 1, or parts is 1. */
void sw_team_run(sw_team *team, int parts, void (*body)(void *user, int part), void *user);
static inline int sw_team_size(const sw_team *team) { return team ? team->size : 1; }

/* How an awake graph computes one node: the composition root attaches an executor (run/ has it). */
typedef struct sw_executor {
    /* Inputs and outputs in the node's order; absent inputs NULL. Fills outputs[i] with fresh tensors (reference 1). */
    sw_status (*execute)(struct sw_executor *executor, const sw_node *node, sw_tensor *const *inputs,
                         sw_tensor **outputs);
    void (*release)(sw_context *ctx, struct sw_executor *executor);
} sw_executor;
sw_status sw_executor_attach(sw_context *ctx, sw_executor *executor);
sw_executor *sw_executor_of(sw_context *ctx); /* NULL: nodes are computed by their reference bodies */

/* Computes one node by its row's reference body: what the ref backend and a context without executor do. */
sw_status sw_reference_execute(sw_context *ctx, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs);

#endif
