/* run/lane.h: what one run needs that no other run may have: an arena, frames and a team.
 *
 * A lane is leased, not a thread: any thread may run a plan, and waits when all lanes are taken. Who ran in a lane
 * before gets it again when it is free: its team is warm there. Uses: team.h, compile/instance.h. */
#ifndef SW_RUN_LANE_H
#define SW_RUN_LANE_H

#include "compile/instance.h"
#include "run/team.h"

typedef struct sw_lane {
    int index;
    bool taken;
    pthread_t last; /* who ran here last; valid when `used` */
    bool used;
    sw_lane_team team;
    void **arenas; /* per segment */
    size_t *arena_bytes;
    void **grown; /* per buffer: memory of data-shaped outputs, grown as needed */
    size_t *grown_bytes;
    void **where;     /* per buffer: where it lies in this run, but for those inside their own segment */
    int64_t *symbols; /* of this run */
    sw_dims *input_dims;
    sw_tensor **made; /* outputs that this run allocated */
    void *block;      /* owns all lists above */
} sw_lane;

typedef struct sw_lanes {
    sw_context *ctx;
    int count;
    sw_lane *lanes;
    pthread_mutex_t lock;
    pthread_cond_t free;
} sw_lanes;

sw_status sw_lanes_init(sw_lanes *lanes, const sw_program *program);
void sw_lanes_free(sw_lanes *lanes, const sw_program *program);
/* Waits for a free lane; `cancel` (may be NULL) ends the wait. */
sw_status sw_lane_take(sw_lanes *lanes, const sw_cancel *cancel, sw_lane **lane);
/* Waits for this one. */
void sw_lane_take_index(sw_lanes *lanes, int index, sw_lane **lane);
void sw_lane_give_back(sw_lanes *lanes, sw_lane *lane);
/* Makes the segment's arena at least `bytes` large. SW_BUDGET or SW_NO_MEMORY name what was needed. */
sw_status sw_lane_reserve(sw_lanes *lanes, sw_lane *lane, const sw_program *program, int segment, size_t bytes);

/* The views and calls of an instance, pointing into one lane's memory. */
typedef struct sw_frame {
    sw_view *views;
    sw_call *calls;
    const char *base; /* the arena that they point into */
} sw_frame;
/* The lane's frame for the instance, made at its first use and turned to the arena when that moved. */
sw_status sw_frame_get(const sw_program *program, sw_instance *instance, sw_lane *lane, sw_frame **frame);

#endif
