/* runs_detail.c: a run's series and log, and its removal. */
#include <string.h>

#include "store/inside.h"

struct series_list {
    struct sw_result result;
    sw_run_series_list public;
    sw_run_series *series;
};

/* Rows come by name and step: a new name begins the next series. */
static sw_status see_point(void *user, const sw_cell *cells, int count)
{
    struct series_list *list = user;
    sw_arena *arena = list->result.arena;
    (void)count;
    sw_run_series *series = list->public.count ? &list->series[list->public.count - 1] : NULL;
    if (!series || strcmp(series->name, sw_cell_as_text(&cells[0])) != 0) {
        if (!sw_result_add(arena, list->series, list->public.count))
            return sw_alloc_status();
        series = &list->series[list->public.count++];
        *series = (sw_run_series){.name = sw_result_keep(arena, &cells[0])};
        if (!series->name)
            return sw_alloc_status();
    }
    sw_run_point *points = (sw_run_point *)(uintptr_t)series->points;
    if (!sw_result_add(arena, points, series->count))
        return sw_alloc_status();
    points[series->count++] =
        (sw_run_point){sw_cell_as_int(&cells[1]), sw_cell_as_real(&cells[2]), sw_cell_as_int(&cells[3])};
    series->points = points;
    return SW_OK;
}

static sw_status read_series(sw_store *store, const char *run, const char *name, struct series_list *list)
{
    sw_run_state state;
    SW_TRY(sw_run_state_read(store, run, &state));
    SW_TRY(sw_rows_run(store->rows,
                       "select name, step, value, at_ms from run_points where run = $1 and ($2 = 1 or name = $3)"
                       " order by name, step",
                       see_point, list, sw_cell_text(run), sw_cell_int(name == NULL), sw_cell_text(name ? name : "")));
    list->public.series = list->series;
    return SW_OK;
}

sw_status sw_run_series_read(sw_store *store, const char *run, const char *name, const sw_run_series_list **list)
{
    *list = NULL;
    struct series_list *made = sw_result_new(store->ctx, sizeof *made);
    if (!made)
        return sw_alloc_status();
    sw_status status = sw_store_begin(store, SW_ROWS_READ);
    if (status == SW_OK)
        status = sw_store_end(store, read_series(store, run, name, made));
    if (status == SW_OK)
        *list = &made->public;
    else
        sw_arena_free(made->result.arena);
    return status;
}

void sw_run_series_free(const sw_run_series_list *list)
{
    if (list)
        sw_result_free(list, struct series_list);
}

/* ---- Log ---- */

struct log_reader {
    uint64_t offset;
    char *text;
    size_t capacity, got;
};

static sw_status see_piece(void *user, const sw_cell *cells, int count)
{
    struct log_reader *reader = user;
    uint64_t position = (uint64_t)sw_cell_as_int(&cells[0]), from = reader->offset + reader->got;
    (void)count;
    if (cells[1].kind != SW_CELL_TEXT || from < position || from - position >= cells[1].size)
        return SW_OK;
    size_t skip = (size_t)(from - position), more = cells[1].size - skip;
    if (more > reader->capacity - reader->got)
        more = reader->capacity - reader->got;
    memcpy(reader->text + reader->got, cells[1].text + skip, more);
    reader->got += more;
    return SW_OK;
}

static sw_status read_log(sw_store *store, const char *run, struct log_reader *reader)
{
    sw_run_state state;
    SW_TRY(sw_run_state_read(store, run, &state));
    return sw_rows_run(store->rows,
                       "select position, text from run_log where run = $1 and position + size > $2 and position < $3"
                       " order by position",
                       see_piece, reader, sw_cell_text(run), sw_cell_int((int64_t)reader->offset),
                       sw_cell_int((int64_t)(reader->offset + reader->capacity)));
}

sw_status sw_run_log_read(sw_store *store, const char *run, uint64_t offset, char *text, size_t capacity, size_t *got)
{
    struct log_reader reader = {.offset = offset, .text = text, .capacity = capacity};
    *got = 0;
    if (offset > INT64_MAX / 2 || capacity > INT64_MAX / 2)
        return sw_fail(SW_INVALID, "store: a log has no byte %llu", (unsigned long long)offset);
    SW_TRY(sw_store_begin(store, SW_ROWS_READ));
    SW_TRY(sw_store_end(store, read_log(store, run, &reader)));
    *got = reader.got;
    return SW_OK;
}

/* ---- Removal ---- */

static sw_status remove_run(sw_store *store, const char *run)
{
    sw_run_state state;
    SW_TRY(sw_run_state_read(store, run, &state));
    if (state == SW_RUN_RUNNING)
        return sw_fail(SW_BUSY, "store: run %s is running; stop it first", run);
    return sw_rows_run(store->rows, "delete from runs where id = $1", NULL, NULL, sw_cell_text(run));
}

sw_status sw_run_remove(sw_store *store, const char *run)
{
    SW_TRY(sw_store_begin(store, SW_ROWS_DURABLE));
    return sw_store_end(store, remove_run(store, run));
}
