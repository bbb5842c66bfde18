/* compile/program.h: a graph made into flat lists, before any thread runs it.
 *
 * A program is what sw_compile makes of a graph: the steps in the order in which they run, the buffers that their
 * values live in, and segments. A segment is a stretch of steps whose dims are known when it begins; a graph has one
 * unless the contents of a tensor decide a shape (a decoded picture), which begins another.
 *
 * An instance (instance.h) is a segment for concrete dims: kernels prepared, offsets known.
 *
 * How states stay unchanged when a run fails: steps stand in two parts. The first may fail or be cancelled, and
 * writes no state. The second, the commit, is never interrupted; it holds only elementwise rows over memory that is
 * already placed, which have no way to fail, and copies. An elementwise row that makes the next version of a state
 * writes it in place when every reader of the old version stands before it; all other new versions are copied.
 *
 * Knows nothing of lanes, teams and time. Uses: pass.h, graph/, base/. */
#ifndef SW_COMPILE_PROGRAM_H
#define SW_COMPILE_PROGRAM_H

#include <pthread.h>

#include "base/arena.h"
#include "base/text.h"
#include "graph/engine.h"
#include "graph/graph.h"
#include "slipway/plan.h"

/* Whose memory a buffer is. */
typedef enum sw_home {
    SW_HOME_NONE,
    SW_HOME_ARENA,    /* of its segment; offset in the instance */
    SW_HOME_INPUT,    /* the caller's */
    SW_HOME_OUTPUT,   /* the caller's */
    SW_HOME_STATE,    /* the state's tensor */
    SW_HOME_CONSTANT, /* a constant's tensor */
    SW_HOME_GROWN,    /* a data-shaped row's output: sized while running */
} sw_home;

typedef struct sw_buffer {
    sw_home home;
    int index;             /* input, output or state */
    const sw_value *value; /* one that lives in it: all have equal bytes */
    int segment;           /* ARENA, GROWN: where it is made */
    int first, last;       /* steps that touch it */
    bool exported;         /* read by a later segment: kept to the end of the run */
} sw_buffer;

typedef enum sw_step_kind { SW_STEP_NODE, SW_STEP_COPY } sw_step_kind;
typedef enum sw_copy_kind {
    SW_COPY_OUTPUT, /* a value to the caller's output `index` */
    SW_COPY_STAGE,  /* an old version aside, for assignment `index`, before anything overwrites it */
    SW_COPY_STATE,  /* a value, or what was put aside, to the state of assignment `index` */
} sw_copy_kind;

typedef struct sw_step {
    sw_step_kind kind;
    sw_node *node;     /* NODE */
    sw_copy_kind copy; /* COPY */
    int index;
    sw_value *value; /* COPY: what */
    int from, to;    /* COPY: buffers */
    bool commit;     /* in the part that is never interrupted */
    bool data_shaped;
} sw_step;

struct sw_instance;

typedef struct sw_segment {
    int first, end;    /* steps first..end-1 */
    int symbols_count; /* that its dims depend on: its instances' key */
    int *symbols;
    struct sw_instance *instances; /* newest use first */
    int instances_count;
} sw_segment;

/* A constant in a kernel's own form, for all instances. */
typedef struct sw_packed_weight {
    sw_packed pack;  /* kernel NULL: none */
    const sw_op *op; /* of the row that packed it: names of kernels are unique per row only */
    bool released;   /* the plain form is gone */
} sw_packed_weight;

typedef struct sw_assignment {
    int state; /* index into states */
    sw_value *value;
    bool in_place; /* the maker writes over the old version */
    bool staged;   /* the value is an old version itself: put aside first */
} sw_assignment;

typedef struct sw_program {
    sw_context *ctx;
    sw_arena *arena; /* owns every list here */
    sw_graph *graph; /* the program's own copy, after the passes */
    const sw_backend *backend, *last_resort;
    sw_compile_options options; /* with defaults filled in */
    char *name;

    int inputs_count, outputs_count, states_count;
    sw_value **inputs, **outputs;
    const char **output_names;
    sw_state **states; /* of the program's graph */

    int steps_count, commit_first; /* commit_first: the first step of the commit; steps_count when there is none */
    sw_step *steps;
    int buffers_count;
    sw_buffer *buffers;
    int values_count;
    int *buffer_of;     /* per value id: -1 where it has none */
    sw_value **roots;   /* per value id: the value whose storage a view shares; itself otherwise */
    sw_layout *layouts; /* per value id */
    int segments_count;
    sw_segment *segments;
    int symbols_count;
    int assignments_count;
    sw_assignment *assignments;
    sw_packed_weight *packed; /* per value id */

    pthread_mutex_t lock;      /* instances' lists */
    pthread_mutex_t preparing; /* one preparation at a time; guards packed */
    _Atomic uint64_t preparations, held_bytes;
    uint64_t clock; /* of uses, for the least recent; under lock */

    int (*use_threads)(int threads); /* run/ sets it: how many threads libraries may use on this thread */

    char *passes_text; /* what each pass did, for sw_plan_explain */
    char identity[65];
} sw_program;

/* Copies `g`, runs the passes and makes the lists. *program is NULL on failure. Not thread-safe for one graph. */
sw_status sw_program_build(sw_graph *g, const sw_compile_options *options, sw_program **program);
void sw_program_free(sw_program *program); /* NULL is allowed; nothing of it may be in use */

/* Binds the symbols of the inputs: `symbols` has symbols_count entries. SW_SHAPE names the input and the axis. */
sw_status sw_program_bind(const sw_program *program, const sw_dims *inputs, int64_t *symbols);
/* Concrete dims of a value; SW_INTERNAL when a symbol it needs is not bound. */
sw_status sw_program_dims(const sw_program *program, const sw_value *value, const int64_t *symbols, sw_dims *dims);
/* The plain view of a value for these symbols; data is that of a constant, else NULL. */
sw_status sw_program_view(const sw_program *program, const sw_value *value, const int64_t *symbols, sw_view *view);

/* ---- parts of the building, one file each ---- */
/* schedule.c: steps, assignments, the commit. */
sw_status sw_program_schedule(sw_program *program);
/* buffers.c: which values share memory, and whose. */
sw_status sw_program_buffers(sw_program *program);
/* segments.c: stretches with dims known at their beginning. */
sw_status sw_program_segments(sw_program *program);
/* identity.c */
sw_status sw_program_identity(sw_program *program, const char *graph_text);

/* Offsets for buffers that are alive together, by size, the largest first at the lowest place that is free.
 * 64-byte aligned. *total is the peak. O(count^2). `order` is scratch for count ints. */
typedef struct sw_placing {
    size_t bytes;
    int first, last; /* inclusive */
    size_t offset;   /* the answer */
} sw_placing;
sw_status sw_place(sw_placing *items, int count, int *order, size_t *total);

#endif
