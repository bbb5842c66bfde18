/* lane.c: leases of lanes, and the memory in them. */
#include "run/lane.h"

#include <string.h>
#include <time.h>

static size_t part(size_t *total, size_t count, size_t size)
{
    size_t at = *total;
    *total = sw_align_up(at + count * size, 16);
    return at;
}

static sw_status lane_init(sw_context *ctx, sw_lane *lane, int index, const sw_program *p)
{
    size_t total = 0, segments = (size_t)p->segments_count, buffers = (size_t)p->buffers_count + 1;
    size_t arenas = part(&total, segments, sizeof *lane->arenas);
    size_t arena_bytes = part(&total, segments, sizeof *lane->arena_bytes);
    size_t grown = part(&total, buffers, sizeof *lane->grown);
    size_t grown_bytes = part(&total, buffers, sizeof *lane->grown_bytes);
    size_t where = part(&total, buffers, sizeof *lane->where);
    size_t symbols = part(&total, (size_t)p->symbols_count + 1, sizeof *lane->symbols);
    size_t dims = part(&total, (size_t)p->inputs_count + 1, sizeof *lane->input_dims);
    size_t made = part(&total, (size_t)p->outputs_count + 1, sizeof *lane->made);
    size_t cpus = part(&total, (size_t)p->options.team, sizeof(int));
    char *block = sw_alloc_zero(ctx, total);
    if (!block)
        return sw_alloc_status();
    *lane = (sw_lane){.index = index,
                      .block = block,
                      .arenas = (void *)(block + arenas),
                      .arena_bytes = (void *)(block + arena_bytes),
                      .grown = (void *)(block + grown),
                      .grown_bytes = (void *)(block + grown_bytes),
                      .where = (void *)(block + where),
                      .symbols = (void *)(block + symbols),
                      .input_dims = (void *)(block + dims),
                      .made = (void *)(block + made)};
    sw_lane_team_init(&lane->team, p->options.team, index, p->options.lanes, (void *)(block + cpus));
    return SW_OK;
}

sw_status sw_lanes_init(sw_lanes *lanes, const sw_program *program)
{
    *lanes = (sw_lanes){.ctx = program->ctx};
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->free, NULL);
    /* A plan that assigns state is run by one thread at a time. */
    int count = program->assignments_count ? 1 : program->options.lanes;
    lanes->lanes = sw_alloc_array(program->ctx, (size_t)count, sizeof *lanes->lanes);
    if (!lanes->lanes)
        return sw_alloc_status();
    for (; lanes->count < count; lanes->count++)
        SW_TRY(lane_init(program->ctx, &lanes->lanes[lanes->count], lanes->count, program));
    return SW_OK;
}

void sw_lanes_free(sw_lanes *lanes, const sw_program *program)
{
    for (int i = 0; i < lanes->count; i++) {
        sw_lane *lane = &lanes->lanes[i];
        for (int s = 0; s < program->segments_count; s++)
            sw_free(lanes->ctx, lane->arenas[s]);
        for (int b = 0; b < program->buffers_count; b++)
            sw_free(lanes->ctx, lane->grown[b]);
        sw_free(lanes->ctx, lane->block);
    }
    sw_free(lanes->ctx, lanes->lanes);
    pthread_cond_destroy(&lanes->free);
    pthread_mutex_destroy(&lanes->lock);
}

/* The caller's own of last time, else one that was used before (its memory is there), else any. */
static sw_lane *pick(sw_lanes *lanes)
{
    sw_lane *best = NULL;
    for (int i = 0; i < lanes->count; i++) {
        sw_lane *lane = &lanes->lanes[i];
        if (lane->taken)
            continue;
        if (lane->used && pthread_equal(lane->last, pthread_self()))
            return lane;
        if (!best || (lane->used && !best->used))
            best = lane;
    }
    return best;
}

static void mark_taken(sw_lane *lane)
{
    lane->taken = lane->used = true;
    lane->last = pthread_self();
}

sw_status sw_lane_take(sw_lanes *lanes, const sw_cancel *cancel, sw_lane **lane)
{
    sw_status status = SW_OK;
    pthread_mutex_lock(&lanes->lock);
    while (!(*lane = pick(lanes)) && (status = sw_cancel_check(cancel)) == SW_OK) {
        if (!cancel) {
            pthread_cond_wait(&lanes->free, &lanes->lock);
            continue;
        }
        struct timespec until; /* a token wakes nobody: look at it now and then */
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 2000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&lanes->free, &lanes->lock, &until);
    }
    if (*lane)
        mark_taken(*lane);
    pthread_mutex_unlock(&lanes->lock);
    return *lane ? SW_OK : sw_fail(status, "waiting for a lane: %s", sw_status_name(status));
}

void sw_lane_take_index(sw_lanes *lanes, int index, sw_lane **lane)
{
    pthread_mutex_lock(&lanes->lock);
    *lane = &lanes->lanes[index];
    while ((*lane)->taken)
        pthread_cond_wait(&lanes->free, &lanes->lock);
    (*lane)->taken = true;
    pthread_mutex_unlock(&lanes->lock);
}

void sw_lane_give_back(sw_lanes *lanes, sw_lane *lane)
{
    pthread_mutex_lock(&lanes->lock);
    lane->taken = false;
    pthread_cond_broadcast(&lanes->free);
    pthread_mutex_unlock(&lanes->lock);
}

sw_status sw_lane_reserve(sw_lanes *lanes, sw_lane *lane, const sw_program *program, int segment, size_t bytes)
{
    size_t need = bytes ? bytes : SW_TENSOR_ALIGNMENT;
    if (lane->arena_bytes[segment] >= need)
        return SW_OK;
    sw_free(lanes->ctx, lane->arenas[segment]);
    lane->arena_bytes[segment] = 0;
    lane->arenas[segment] = sw_alloc_aligned(lanes->ctx, need, SW_TENSOR_ALIGNMENT);
    if (!lane->arenas[segment])
        return sw_fail_in(sw_alloc_status(), "plan '%s': a run with these dims needs an arena of %zu bytes",
                          program->name, need);
    lane->arena_bytes[segment] = need;
    return SW_OK;
}
