/* compile/instance.h: a segment for concrete dims.
 *
 * An instance holds what a run needs and no memory of the run: kernels with their prepared state, the views of every
 * step (dims and layouts filled in, no data), where each of them lies, and how large the arena must be. run/ makes
 * frames of it, one per lane, in which the views point at memory.
 *
 * Instances are kept in their segment, a few of them; the least recently used one that nobody runs goes first.
 * Thread-safe: taking and giving back are short and under the program's lock, preparation is under one of its own.
 * Uses: program.h. */
#ifndef SW_COMPILE_INSTANCE_H
#define SW_COMPILE_INSTANCE_H

#include "compile/program.h"

/* Where a view lies: at `offset` in this segment's arena, or (buffer >= 0) wherever the run has that buffer. */
typedef struct sw_slot {
    int view;
    int buffer;
    size_t offset;
} sw_slot;

typedef struct sw_instance_step {
    const sw_step *step;
    const sw_kernel *kernel; /* NULL: a copy */
    sw_prepared prepared;
    size_t scratch_offset;
    int threads; /* 1 where a team would not pay */
    sw_cost cost;
    int inputs, outputs; /* index of the first view of each */
    int inputs_count, outputs_count;
} sw_instance_step;

typedef struct sw_instance {
    struct sw_instance *next;
    int segment;
    int64_t *key;    /* value of each symbol of the segment */
    int running;     /* users now */
    sw_arena *arena; /* owns the lists */
    int steps_count;
    sw_instance_step *steps;
    int views_count;
    sw_view *views;
    int local_count, outside_count;
    sw_slot *local, *outside;
    size_t *exported; /* per buffer: its offset, for those that later segments read; else SIZE_MAX */
    size_t arena_bytes;
    size_t buffer_bytes; /* the part of it that buffers need: a formula of the dims alone */
    size_t library_bytes;
    double flops, bytes;
    /* run/ hangs its frames here: one per lane, made at the lane's first run, each from sw_alloc. */
    void **frames;
    int frames_count;
} sw_instance;

/* The instance for these symbols, prepared now when it is not there; held until it is given back. */
sw_status sw_instance_take(sw_program *program, int segment, const int64_t *symbols, sw_instance **instance);
void sw_instance_give_back(sw_program *program, sw_instance *instance);
/* For sw_program_free. */
void sw_instances_free(sw_program *program, sw_segment *segment);
/* prepare.c */
sw_status sw_instance_prepare(sw_program *program, int segment, const int64_t *symbols, sw_instance **instance);
void sw_instance_free(sw_program *program, sw_instance *instance);
/* packing.c: keeps what `prepared` asks for; gives plain weights back that nobody needs any more. */
sw_status sw_weights_pack(sw_program *program, const sw_site *site, const sw_kernel *kernel, sw_prepared *prepared);
/* False when the plain form of a weight that the node reads is gone and the kernel is not the one that packed it. */
bool sw_weights_allow(const sw_program *program, const sw_node *node, const sw_kernel *kernel);
void sw_weights_release_plain(sw_program *program, const sw_instance *instance);

#endif
