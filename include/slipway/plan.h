/* slipway/plan.h: a graph made ready to run, again and again.
 *
 * sw_compile copies the graph, runs its passes, chooses kernels, packs weights and places every buffer of a run in
 * one arena. A plan is parametric in the graph's symbolic dims: offsets and peak are formulas; kernels specialised to
 * concrete dims ("an instance") are prepared at first use and kept, a few of them. After that a run allocates
 * nothing of ours. States read and assigned by the graph are bound: a training step is one plan. */
#ifndef SLIPWAY_PLAN_H
#define SLIPWAY_PLAN_H

#include "slipway/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_plan sw_plan;

typedef struct sw_compile_options {
    size_t size;         /* sizeof(sw_compile_options) */
    bool training;       /* folds sw_training(g) */
    bool freeze;         /* states become constants and are packed: for serving; assignments are an error */
    int team;            /* threads per run; 0: 1 */
    int lanes;           /* runs at once; 0: 1. lanes * team must not exceed the context's threads */
    int instances;       /* how many sets of dims are kept prepared; 0: 8 */
    bool no_fusion;      /* for comparison: passes that change rounding are left out */
    const char *backend; /* NULL: the context's */
    int outputs_count;   /* 0: all outputs of the graph; else only those named, in this order */
    const char *const *outputs;
} sw_compile_options;

/* `options` may be NULL. The graph may be freed afterwards; its states are retained. Errors: those of the graph;
 * SW_UNSUPPORTED naming every node without a kernel; SW_BUDGET. Released with sw_plan_free. */
SW_API sw_status sw_compile(sw_graph *g, const sw_compile_options *options, sw_plan **plan);
SW_API void sw_plan_free(sw_plan *plan); /* NULL is allowed; no run may be in progress */

SW_API int sw_plan_input_count(const sw_plan *plan);
SW_API const char *sw_plan_input_name(const sw_plan *plan, int index);
SW_API const sw_type *sw_plan_input_type(const sw_plan *plan, int index); /* symbolic dims are < 0 */
SW_API int sw_plan_output_count(const sw_plan *plan);
SW_API const char *sw_plan_output_name(const sw_plan *plan, int index);
SW_API const sw_type *sw_plan_output_type(const sw_plan *plan, int index);
/* The text of a type's dims in terms of the plan's symbols: "f32[N, 10]". */
SW_API char *sw_plan_type_text(const sw_plan *plan, const sw_type *type, char *text, size_t size);
/* True when input `input`'s axis 0 and every output's axis 0 are one and the same symbol: rows may be batched. */
SW_API bool sw_plan_is_batched(const sw_plan *plan);

/* Prepares an instance for these input dims, as a first run would. Thread-safe. */
SW_API sw_status sw_plan_prepare(sw_plan *plan, const sw_dims *inputs);
/* Bytes of the run arena for these input dims, scratch included (per lane); and of everything that the plan holds
 * besides (weights packed or plain, tables, what libraries hold). What buffers need follows from the dims; kernels are
 * prepared when they were not, for they say how much scratch they want. The arena itself is not allocated: a run, or
 * sw_plan_prepare, that will not fit is refused (SW_BUDGET, naming both numbers) before it begins. */
SW_API sw_status sw_plan_arena_bytes(sw_plan *plan, const sw_dims *inputs, uint64_t *bytes);
SW_API uint64_t sw_plan_held_bytes(const sw_plan *plan);
SW_API sw_status sw_plan_cost(sw_plan *plan, const sw_dims *inputs, double *flops, double *bytes);

/* Runs `plan` once on `inputs` and writes `outputs`.
 *
 * inputs[i]   tensor of the i-th input's dtype, contiguous; its dims must unify with the declared symbolic dims
 * outputs[i]  caller-owned, contiguous, of the right dtype and dims; or NULL to have it allocated, then released with
 *             sw_tensor_release
 * cancel      may be NULL; looked at between steps
 *
 * Returns SW_OK; SW_SHAPE when dims do not unify (text names input, dim, both values); SW_BUDGET when the run's
 * peak, known before it starts, exceeds the context's bytes; SW_CANCELLED, SW_DEADLINE. On any error outputs are
 * undefined and states are unchanged.
 * Threads: one plan may be run by many threads at once; each takes a lane and waits when all are taken. A plan that
 * assigns state is run by one thread at a time. */
SW_API sw_status sw_plan_run(sw_plan *plan, sw_tensor *const *inputs, sw_tensor **outputs, sw_cancel *cancel);

/* The passes with what each did, then the steps: kernel, dims, offsets. Released with sw_text_release. */
SW_API char *sw_plan_explain(sw_plan *plan);
/* 64 hex digits: SHA-256 over graph, options, kernels chosen, team size, processor class, library versions. */
SW_API void sw_plan_identity(const sw_plan *plan, char hex[65]);

/* How many instances were prepared since sw_compile: the count of compilations. */
SW_API uint64_t sw_plan_preparations(const sw_plan *plan);

/* A timeline of runs in Trace Event JSON (chrome://tracing, Perfetto): begin before the runs, write after. Steps add up
 * to the wall time of their run. One trace at a time per plan. */
SW_API sw_status sw_plan_trace_begin(sw_plan *plan);
SW_API sw_status sw_plan_trace_write(sw_plan *plan, const char *path);

#ifdef __cplusplus
}
#endif
#endif
