/* run/team.h: the threads of one lane.
 *
 * A team is OpenMP's, because oneDNN's intra-op threads are: our own kernels and the library's share the same
 * threads, which sleep between. Threads of a team belong to the thread that runs the plan; each member, the caller
 * included while it runs, is pinned to a processor of its own, because an idle team that shares one wakes in
 * milliseconds instead of microseconds. Without OpenMP every team has one member.
 *
 * A lane's team is used by one thread at a time. Uses: graph/engine.h. */
#ifndef SW_RUN_TEAM_H
#define SW_RUN_TEAM_H

#include <sched.h>

#include "graph/engine.h"

typedef struct sw_lane_team {
    sw_team team;      /* first: kernels see only this */
    bool pinned;       /* false when there are fewer processors than members */
    int *cpus;         /* team.size processors */
    cpu_set_t callers; /* what the caller might use before it entered */
    uint64_t id;       /* tells teams apart, for threads that change lanes */
} sw_lane_team;

/* Member k of lane l gets the (l * size + k)-th processor of this process. `cpus` is filled with `size` entries. */
void sw_lane_team_init(sw_lane_team *team, int size, int lane, int lanes, int *cpus);
/* Makes the calling thread the team's first member. SW_UNSUPPORTED when fewer members arrive than were asked for.
 * Every enter is followed by a leave on the same thread. */
sw_status sw_lane_team_enter(sw_lane_team *team);
void sw_lane_team_leave(sw_lane_team *team);

/* How many threads a library may use for what this thread asks of it from now on. Returns how many it might before. */
int sw_team_use_threads(int threads);
/* Teams larger than this cannot be had: INT_MAX, or 1 without OpenMP. */
int sw_team_most(void);

#endif
