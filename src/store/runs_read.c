/* runs_read.c: runs as they are seen from outside.
 *
 * What a run's row says last is not always true: a process that was killed could not say so. A run that claims to
 * be running is therefore looked for, and reported as killed when its process is gone. */
#include <string.h>

#include "base/clock.h"
#include "store/inside.h"

const char *sw_run_state_name(sw_run_state state)
{
    static const char *const names[] = {"running", "finished", "failed", "stopped", "killed"};
    return (unsigned)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

static sw_run_state true_state(const sw_store *store, int64_t written, const struct sw_process *process,
                               int64_t beat_ms)
{
    if (written != SW_RUN_RUNNING)
        return written >= 0 && written <= SW_RUN_KILLED ? (sw_run_state)written : SW_RUN_FAILED;
    return sw_process_lives(process, &store->self, sw_wall_ms() - beat_ms) ? SW_RUN_RUNNING : SW_RUN_KILLED;
}

static struct sw_process process_of(const sw_cell *host, const sw_cell *boot, const sw_cell *pid,
                                    const sw_cell *started)
{
    struct sw_process process = {.pid = sw_cell_as_int(pid), .started = sw_cell_as_int(started)};
    strncpy(process.host, sw_cell_as_text(host), sizeof process.host - 1);
    strncpy(process.boot, sw_cell_as_text(boot), sizeof process.boot - 1);
    return process;
}

struct state_reader {
    const sw_store *store;
    sw_run_state state;
    bool found;
};

static sw_status see_state(void *user, const sw_cell *cells, int count)
{
    struct state_reader *reader = user;
    (void)count;
    struct sw_process process = process_of(&cells[2], &cells[3], &cells[4], &cells[5]);
    reader->state = true_state(reader->store, sw_cell_as_int(&cells[0]), &process, sw_cell_as_int(&cells[1]));
    reader->found = true;
    return SW_OK;
}

sw_status sw_run_state_read(sw_store *store, const char *run, sw_run_state *state)
{
    struct state_reader reader = {.store = store};
    SW_TRY(sw_rows_run(store->rows, "select state, beat_ms, host, boot, pid, started from runs where id = $1",
                       see_state, &reader, sw_cell_text(run)));
    *state = reader.state;
    return reader.found ? SW_OK : sw_fail(SW_NOT_FOUND, "store: there is no run '%s' in %s", run, store->path);
}

/* ---- Lists ---- */

struct list {
    struct sw_result result;
    sw_run_list public;
    sw_store *store;
    sw_run_info *runs;
    int at; /* the run that the detail rows have come to; they come in the runs' order */
};

static sw_status see_run(void *user, const sw_cell *cells, int count)
{
    struct list *list = user;
    sw_arena *arena = list->result.arena;
    (void)count;
    if (!sw_result_add(arena, list->runs, list->public.count))
        return sw_alloc_status();
    sw_run_info *run = &list->runs[list->public.count++];
    *run = (sw_run_info){.seed = (uint64_t)sw_cell_as_int(&cells[8]),
                         .begun_ms = sw_cell_as_int(&cells[9]),
                         .ended_ms = sw_cell_as_int(&cells[10]),
                         .beat_ms = sw_cell_as_int(&cells[11]),
                         .pid = sw_cell_as_int(&cells[14])};
    struct sw_process process = process_of(&cells[12], &cells[13], &cells[14], &cells[15]);
    run->state = true_state(list->store, sw_cell_as_int(&cells[2]), &process, run->beat_ms);
    if (run->state == SW_RUN_KILLED)
        run->ended_ms = run->beat_ms;
    const struct {
        const char **to;
        int column;
    } texts[] = {{&run->id, 0},        {&run->name, 1},         {&run->why, 3},      {&run->recipe, 4},
                 {&run->data_hash, 5}, {&run->code_version, 6}, {&run->identity, 7}, {&run->host, 12}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!(*texts[i].to = sw_result_keep(arena, &cells[texts[i].column])))
            return sw_alloc_status();
    return SW_OK;
}

/* The run that a detail row belongs to. */
static sw_run_info *run_of(struct list *list, const sw_cell *id)
{
    while (list->at < list->public.count && strcmp(list->runs[list->at].id, sw_cell_as_text(id)) != 0)
        list->at++;
    return list->at < list->public.count ? &list->runs[list->at] : NULL;
}

static sw_status see_pair(void *user, const sw_cell *cells, int count)
{
    struct list *list = user;
    sw_arena *arena = list->result.arena;
    sw_run_info *run = run_of(list, &cells[0]);
    (void)count;
    if (!run)
        return SW_OK;
    bool tag = strcmp(sw_cell_as_text(&cells[1]), "tag") == 0;
    const sw_run_pair **to = tag ? &run->tags : &run->parameters;
    int *used = tag ? &run->tag_count : &run->parameter_count;
    sw_run_pair *pairs = (sw_run_pair *)(uintptr_t)*to;
    if (!sw_result_add(arena, pairs, *used))
        return sw_alloc_status();
    sw_run_pair *pair = &pairs[(*used)++];
    *pair = (sw_run_pair){sw_result_keep(arena, &cells[2]), sw_result_keep(arena, &cells[3])};
    *to = pairs;
    return pair->key && pair->value ? SW_OK : sw_alloc_status();
}

static sw_status see_last_point(void *user, const sw_cell *cells, int count)
{
    struct list *list = user;
    sw_run_info *run = run_of(list, &cells[0]);
    (void)count;
    if (!run)
        return SW_OK;
    sw_stored_metric *metrics = (sw_stored_metric *)(uintptr_t)run->metrics;
    if (!sw_result_add(list->result.arena, metrics, run->metric_count))
        return sw_alloc_status();
    sw_stored_metric *metric = &metrics[run->metric_count++];
    *metric = (sw_stored_metric){sw_result_keep(list->result.arena, &cells[1]), sw_cell_as_real(&cells[2])};
    run->metrics = metrics;
    return metric->name ? SW_OK : sw_alloc_status();
}

static sw_status see_slot(void *user, const sw_cell *cells, int count)
{
    struct list *list = user;
    sw_run_info *run = run_of(list, &cells[0]);
    (void)count;
    if (!run)
        return SW_OK;
    sw_run_slot *slots = (sw_run_slot *)(uintptr_t)run->checkpoints;
    if (!sw_result_add(list->result.arena, slots, run->checkpoint_count))
        return sw_alloc_status();
    sw_run_slot *slot = &slots[run->checkpoint_count++];
    *slot = (sw_run_slot){.slot = sw_result_keep(list->result.arena, &cells[1]),
                          .checkpoint = {.blob.size = (uint64_t)sw_cell_as_int(&cells[3]),
                                         .step = sw_cell_as_int(&cells[4]),
                                         .metric = sw_cell_as_real(&cells[5]),
                                         .at_ms = sw_cell_as_int(&cells[6])}};
    strncpy(slot->checkpoint.blob.hash, sw_cell_as_text(&cells[2]), SW_BLOB_HEX - 1);
    run->checkpoints = slots;
    return slot->slot ? SW_OK : sw_alloc_status();
}

/* Newest first; every query below brings its rows in this order. */
#define WHICH " where ($1 = 1 or r.id = $2 or r.name = $2)"
#define ORDER " order by r.begun_ms desc, r.name, r.number desc"

static sw_status read_list(sw_store *store, const char *which, struct list *list)
{
    static const struct {
        const char *sql;
        sw_row_fn on_row;
    } parts[] = {
        {"select r.id, r.name, r.state, r.why, r.recipe, r.data_hash, r.code_version, r.identity, r.seed, r.begun_ms,"
         " r.ended_ms, r.beat_ms, r.host, r.boot, r.pid, r.started from runs r" WHICH ORDER,
         see_run},
        {"select r.id, p.kind, p.name, p.value from runs r join run_pairs p on p.run = r.id" WHICH ORDER ", p.name",
         see_pair},
        /* Steps from name to name through the key of run_points instead of reading every point of every run. */
        {"with recursive series (run, name) as ("
         " select r.id, (select min(p.name) from run_points p where p.run = r.id) from runs r" WHICH
         " union all select s.run, (select min(p.name) from run_points p where p.run = s.run and p.name > s.name)"
         " from series s where s.name is not null)"
         " select r.id, s.name, p.value from series s join runs r on r.id = s.run"
         " join run_points p on p.run = s.run and p.name = s.name and p.step ="
         " (select max(q.step) from run_points q where q.run = s.run and q.name = s.name)" ORDER ", s.name",
         see_last_point},
        {"select r.id, s.slot, s.hash, s.size, s.step, s.metric, s.at_ms from runs r join run_slots s on s.run = "
         "r.id" WHICH ORDER ", s.slot",
         see_slot},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        list->at = 0;
        SW_TRY(sw_rows_run(store->rows, parts[i].sql, parts[i].on_row, list, sw_cell_int(which == NULL),
                           sw_cell_text(which ? which : "")));
    }
    list->public.runs = list->runs;
    return which && list->public.count == 0
               ? sw_fail(SW_NOT_FOUND, "store: there is no run '%s' in %s", which, store->path)
               : SW_OK;
}

sw_status sw_run_list_read(sw_store *store, const char *which, const sw_run_list **list)
{
    *list = NULL;
    struct list *made = sw_result_new(store->ctx, sizeof *made);
    if (!made)
        return sw_alloc_status();
    made->store = store;
    sw_status status = sw_store_begin(store, SW_ROWS_READ);
    if (status == SW_OK)
        status = sw_store_end(store, read_list(store, which, made));
    if (status == SW_OK)
        *list = &made->public;
    else
        sw_arena_free(made->result.arena);
    return status;
}

void sw_run_list_free(const sw_run_list *list)
{
    if (list)
        sw_result_free(list, struct list);
}

const sw_checkpoint *sw_run_checkpoint_named(const sw_run_info *run, const char *slot)
{
    for (int i = 0; i < run->checkpoint_count; i++)
        if (strcmp(run->checkpoints[i].slot, slot) == 0)
            return &run->checkpoints[i].checkpoint;
    return NULL;
}
