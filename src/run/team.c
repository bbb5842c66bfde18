/* team.c: OpenMP threads as a team, pinned, counted.
 *
 * libgomp keeps a pool of threads per thread that opens parallel regions, so the members of a lane's team are those
 * of whoever runs in it. They are pinned when that thread first enters a lane, in a parallel region of their own,
 * which also counts who came: a limit in the environment can make a team smaller than asked, and a plan that
 * silently ran on fewer threads would not be the plan that its identity names. */
#include "run/team.h"

#include <limits.h>
#include <stdatomic.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static _Thread_local uint64_t entered; /* id of the team that this thread's members are pinned for */

#ifdef _OPENMP

int sw_team_most(void) { return INT_MAX; }

int sw_team_use_threads(int threads)
{
    int before = omp_get_max_threads();
    if (before != threads)
        omp_set_num_threads(threads);
    return before;
}

static void run_parts(sw_team *team, int parts, void (*body)(void *user, int part), void *user)
{
    if (omp_in_parallel()) {
        for (int i = 0; i < parts; i++)
            body(user, i);
        return;
    }
#pragma omp parallel for num_threads(team->size) schedule(dynamic, 1)
    for (int i = 0; i < parts; i++)
        body(user, i);
}

static bool inside_region(void) { return omp_in_parallel(); }

static int gather(const sw_lane_team *team)
{
    int arrived = 0;
#pragma omp parallel num_threads(team->team.size) reduction(+ : arrived)
    {
        int member = omp_get_thread_num();
        arrived += 1;
        if (team->pinned && member > 0) {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(team->cpus[member], &set);
            sched_setaffinity(0, sizeof set, &set);
        }
    }
    return arrived;
}

#else

int sw_team_most(void) { return 1; }

int sw_team_use_threads(int threads) { return threads; }

static void run_parts(sw_team *team, int parts, void (*body)(void *user, int part), void *user)
{
    (void)team;
    for (int i = 0; i < parts; i++)
        body(user, i);
}

static bool inside_region(void) { return false; }

static int gather(const sw_lane_team *team)
{
    (void)team;
    return 1;
}

#endif

void sw_lane_team_init(sw_lane_team *team, int size, int lane, int lanes, int *cpus)
{
    static _Atomic uint64_t ids;
    *team = (sw_lane_team){.team = {.size = size, .run = run_parts}, .cpus = cpus, .id = ++ids};
    cpu_set_t allowed;
    if (size < 2 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < size * lanes)
        return;
    int seen = 0, taken = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && taken < size; cpu++)
        if (CPU_ISSET(cpu, &allowed) && seen++ >= lane * size)
            cpus[taken++] = cpu;
    team->pinned = taken == size;
}

sw_status sw_lane_team_enter(sw_lane_team *team)
{
    if (team->team.size < 2)
        return SW_OK;
    if (inside_region())
        return sw_fail(SW_INVALID,
                       "a plan with a team of %d is run from inside a parallel region of OpenMP: its threads "
                       "would wait for each other",
                       team->team.size);
    if (team->pinned) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(team->cpus[0], &set);
        if (sched_getaffinity(0, sizeof team->callers, &team->callers) != 0)
            CPU_ZERO(&team->callers);
        else
            sched_setaffinity(0, sizeof set, &set);
    }
    if (entered == team->id)
        return SW_OK;
    int arrived = gather(team);
    if (arrived != team->team.size) {
        sw_lane_team_leave(team);
        return sw_fail(SW_UNSUPPORTED, "a team of %d threads was asked for and %d came (a limit of OpenMP's?)",
                       team->team.size, arrived);
    }
    entered = team->id;
    return SW_OK;
}

void sw_lane_team_leave(sw_lane_team *team)
{
    if (team->team.size > 1 && team->pinned && CPU_COUNT(&team->callers) > 0)
        sched_setaffinity(0, sizeof team->callers, &team->callers);
}
