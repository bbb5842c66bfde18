/* record.c: the record of a run while it runs.
 *
 * Metrics and log lines come by the thousand and are gathered in memory; they go to the rows in one transaction at
 * the latest a second later, and before every checkpoint, so that a checkpoint never knows more than its record.
 * Each such write is also the run's sign of life, and finds out whether the run is still this process's own:
 * when another took it over (after this one was thought dead) it must not write on.
 *
 * Checkpoints follow the order of all blobs: bytes on disk, then the row. The one before is given up last. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/vec.h"
#include "store/inside.h"

#define GATHER_NS 1000000000ull
#define GATHER_POINTS 4096
#define GATHER_LOG 65536
#define METRIC_NAME_MAX 128

struct point {
    const char *name; /* in names */
    int64_t step;
    double value;
    int64_t at_ms;
};

struct sw_record {
    sw_store *store;
    char id[SW_STORE_NAME_MAX + 24];
    pthread_mutex_t lock;
    sw_strmap *names; /* each metric's name once: name -> the key's own copy */
    sw_vec(struct point) points;
    sw_text log;
    int64_t log_position; /* where `log` will stand */
    uint64_t written_ns;
};

/* ---- Beginning and going on ---- */

static sw_record *record_new(sw_store *store)
{
    sw_record *record = sw_alloc_zero(store->ctx, sizeof *record);
    if (!record)
        return NULL;
    record->store = store;
    record->written_ns = sw_now_ns();
    sw_text_init(&record->log, store->ctx);
    pthread_mutex_init(&record->lock, NULL);
    if (!(record->names = sw_strmap_new(store->ctx))) {
        sw_record_free(record);
        return NULL;
    }
    return record;
}

void sw_record_free(sw_record *record)
{
    if (!record)
        return;
    for (size_t i = 0; record->names && i < sw_strmap_count(record->names); i++)
        sw_free(record->store->ctx, sw_strmap_at(record->names, i, &(const char *){NULL}));
    sw_strmap_free(record->names);
    sw_vec_free(record->store->ctx, &record->points);
    sw_text_free(&record->log);
    pthread_mutex_destroy(&record->lock);
    sw_free(record->store->ctx, record);
}

static sw_status add_pairs(sw_record *record, const char *kind, const sw_run_pair *pairs, int count)
{
    for (int i = 0; i < count; i++)
        SW_TRY(sw_rows_run(record->store->rows,
                           "insert into run_pairs (run, kind, name, value) values ($1, $2, $3, $4)"
                           " on conflict (run, kind, name) do update set value = excluded.value",
                           NULL, NULL, sw_cell_text(record->id), sw_cell_text(kind), sw_cell_text(pairs[i].key),
                           sw_cell_text(pairs[i].value ? pairs[i].value : "")));
    return SW_OK;
}

static sw_status begin_rows(sw_record *record, const sw_record_options *o)
{
    sw_rows *rows = record->store->rows;
    const struct sw_process *self = &record->store->self;
    int64_t number = 0, now = sw_wall_ms();
    SW_TRY(sw_rows_run(rows,
                       "insert into run_names (name, last_number) values ($1, 1)"
                       " on conflict (name) do update set last_number = run_names.last_number + 1",
                       NULL, NULL, sw_cell_text(o->name)));
    SW_TRY(sw_rows_run(rows, "select last_number from run_names where name = $1", sw_row_int, &number,
                       sw_cell_text(o->name)));
    snprintf(record->id, sizeof record->id, "%s-%lld", o->name, (long long)number);
    SW_TRY(sw_rows_run(rows,
                       "insert into runs (id, name, number, state, recipe, data_hash, code_version, identity, seed,"
                       " begun_ms, ended_ms, beat_ms, host, boot, pid, started)"
                       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $10, $11, $12, $13, $14)",
                       NULL, NULL, sw_cell_text(record->id), sw_cell_text(o->name), sw_cell_int(number),
                       sw_cell_int(SW_RUN_RUNNING), sw_cell_text(o->recipe), sw_cell_text(o->data_hash),
                       sw_cell_text(o->code_version), sw_cell_text(o->identity), sw_cell_int((int64_t)o->seed),
                       sw_cell_int(now), sw_cell_text(self->host), sw_cell_text(self->boot), sw_cell_int(self->pid),
                       sw_cell_int(self->started)));
    SW_TRY(add_pairs(record, "parameter", o->parameters, o->parameter_count));
    return add_pairs(record, "tag", o->tags, o->tag_count);
}

/* Runs `work` in a transaction; frees the record when it fails. */
static sw_status open_record(sw_record *record, sw_status status, sw_record **out)
{
    if (status == SW_OK)
        *out = record;
    else
        sw_record_free(record);
    return status;
}

sw_status sw_record_begin(sw_store *store, const sw_record_options *options, sw_record **record)
{
    *record = NULL;
    SW_TRY(sw_store_check_name("run", options->name));
    sw_record *made = record_new(store);
    if (!made)
        return sw_alloc_status();
    sw_status status = sw_store_begin(store, SW_ROWS_DURABLE);
    if (status == SW_OK)
        status = sw_store_end(store, begin_rows(made, options));
    return open_record(made, status, record);
}

static sw_status resume_rows(sw_record *record)
{
    sw_rows *rows = record->store->rows;
    const struct sw_process *self = &record->store->self;
    sw_run_state state;
    SW_TRY(sw_run_state_read(record->store, record->id, &state));
    if (state == SW_RUN_RUNNING)
        return sw_fail(SW_BUSY, "store: run %s is running; it must end before it can be resumed", record->id);
    if (state == SW_RUN_FINISHED)
        return sw_fail(SW_INVALID, "store: run %s is finished; there is nothing to resume", record->id);
    SW_TRY(sw_rows_run(rows, "select coalesce(max(position + size), 0) from run_log where run = $1", sw_row_int,
                       &record->log_position, sw_cell_text(record->id)));
    return sw_rows_run(rows,
                       "update runs set state = $2, why = null, ended_ms = 0, beat_ms = $3, host = $4, boot = $5,"
                       " pid = $6, started = $7 where id = $1",
                       NULL, NULL, sw_cell_text(record->id), sw_cell_int(SW_RUN_RUNNING), sw_cell_int(sw_wall_ms()),
                       sw_cell_text(self->host), sw_cell_text(self->boot), sw_cell_int(self->pid),
                       sw_cell_int(self->started));
}

sw_status sw_record_resume(sw_store *store, const char *run, sw_record **record)
{
    *record = NULL;
    if (strlen(run) >= sizeof((sw_record *)0)->id)
        return sw_fail(SW_NOT_FOUND, "store: there is no run '%.140s'", run);
    sw_record *made = record_new(store);
    if (!made)
        return sw_alloc_status();
    strcpy(made->id, run);
    sw_status status = sw_store_begin(store, SW_ROWS_DURABLE);
    if (status == SW_OK)
        status = sw_store_end(store, resume_rows(made));
    return open_record(made, status, record);
}

const char *sw_record_id(const sw_record *record) { return record->id; }

/* ---- Writing ---- */

/* The sign of life; SW_BUSY when the run is no longer this process's. */
static sw_status beat(sw_record *record)
{
    const struct sw_process *self = &record->store->self;
    int64_t changed = 0;
    SW_TRY(sw_rows_change(record->store->rows, &changed,
                          "update runs set beat_ms = $2 where id = $1 and state = $3 and host = $4 and boot = $5"
                          " and pid = $6 and started = $7",
                          sw_cell_text(record->id), sw_cell_int(sw_wall_ms()), sw_cell_int(SW_RUN_RUNNING),
                          sw_cell_text(self->host), sw_cell_text(self->boot), sw_cell_int(self->pid),
                          sw_cell_int(self->started)));
    return changed ? SW_OK : sw_fail(SW_BUSY, "store: run %s was removed or taken over by another process", record->id);
}

static sw_status write_gathered(sw_record *record)
{
    sw_rows *rows = record->store->rows;
    SW_TRY(beat(record));
    for (size_t i = 0; i < record->points.count; i++) {
        const struct point *p = &record->points.items[i];
        SW_TRY(
            sw_rows_run(rows,
                        "insert into run_points (run, name, step, value, at_ms) values ($1, $2, $3, $4, $5)"
                        " on conflict (run, name, step) do update set value = excluded.value, at_ms = excluded.at_ms",
                        NULL, NULL, sw_cell_text(record->id), sw_cell_text(p->name), sw_cell_int(p->step),
                        sw_cell_real(p->value), sw_cell_int(p->at_ms)));
    }
    if (record->log.size == 0)
        return SW_OK;
    return sw_rows_run(rows, "insert into run_log (run, position, size, text) values ($1, $2, $3, $4)", NULL, NULL,
                       sw_cell_text(record->id), sw_cell_int(record->log_position),
                       sw_cell_int((int64_t)record->log.size), sw_cell_bytes(record->log.data, record->log.size));
}

static void forget_gathered(sw_record *record)
{
    record->log_position += (int64_t)record->log.size;
    record->points.count = 0;
    record->written_ns = sw_now_ns();
    sw_text_clear(&record->log);
}

/* With the record's lock held. What could not be written stays gathered, for the next attempt. */
static sw_status flush(sw_record *record)
{
    SW_TRY(sw_store_begin(record->store, SW_ROWS_WRITE));
    SW_TRY(sw_store_end(record->store, write_gathered(record)));
    forget_gathered(record);
    return SW_OK;
}

static sw_status flush_when_due(sw_record *record)
{
    if (record->points.count < GATHER_POINTS && record->log.size < GATHER_LOG &&
        sw_now_ns() - record->written_ns < GATHER_NS)
        return SW_OK;
    return flush(record);
}

sw_status sw_record_flush(sw_record *record)
{
    pthread_mutex_lock(&record->lock);
    sw_status status = flush(record);
    pthread_mutex_unlock(&record->lock);
    return status;
}

/* The one copy of a metric's name that lives as long as the record. */
static sw_status intern(sw_record *record, const char *name, const char **kept)
{
    char *known = sw_strmap_get(record->names, name);
    if (!known) {
        if (!*name || strlen(name) > METRIC_NAME_MAX)
            return sw_fail(SW_INVALID, "metric name '%.140s': needs 1 to %d bytes", name, METRIC_NAME_MAX);
        if (!(known = sw_strdup(record->store->ctx, name)))
            return sw_alloc_status();
        sw_status status = sw_strmap_set(record->names, name, known);
        if (status != SW_OK) {
            sw_free(record->store->ctx, known);
            return status;
        }
    }
    *kept = known;
    return SW_OK;
}

static sw_status gather_point(sw_record *record, const char *name, int64_t step, double value)
{
    struct point point = {.step = step, .value = value, .at_ms = sw_wall_ms()};
    SW_TRY(intern(record, name, &point.name));
    SW_TRY(sw_vec_push(record->store->ctx, &record->points, point));
    return flush_when_due(record);
}

sw_status sw_record_metric(sw_record *record, const char *name, int64_t step, double value)
{
    pthread_mutex_lock(&record->lock);
    sw_status status = gather_point(record, name, step, value);
    pthread_mutex_unlock(&record->lock);
    return status;
}

sw_status sw_record_log(sw_record *record, const char *text)
{
    pthread_mutex_lock(&record->lock);
    sw_text_add(&record->log, text);
    sw_status status = record->log.status;
    record->log.status = SW_OK; /* this text is lost and said to be; the next may fit */
    if (status == SW_OK)
        status = flush_when_due(record);
    pthread_mutex_unlock(&record->lock);
    return status;
}

sw_status sw_record_tag(sw_record *record, const char *key, const char *value)
{
    SW_TRY(sw_store_begin(record->store, SW_ROWS_WRITE));
    return sw_store_end(record->store, add_pairs(record, "tag", &(sw_run_pair){key, value}, 1));
}

/* ---- Checkpoints ---- */

static sw_status see_hash(void *user, const sw_cell *cells, int count)
{
    (void)count;
    snprintf(user, SW_BLOB_HEX, "%s", sw_cell_as_text(&cells[0]));
    return SW_OK;
}

static sw_status write_slot(sw_record *record, const char *slot, const sw_checkpoint *c, char before[SW_BLOB_HEX])
{
    sw_rows *rows = record->store->rows;
    SW_TRY(sw_blob_still_there(record->store, &c->blob));
    SW_TRY(write_gathered(record));
    SW_TRY(sw_rows_run(rows, "select hash from run_slots where run = $1 and slot = $2", see_hash, before,
                       sw_cell_text(record->id), sw_cell_text(slot)));
    return sw_rows_run(rows,
                       "insert into run_slots (run, slot, hash, size, step, metric, at_ms)"
                       " values ($1, $2, $3, $4, $5, $6, $7) on conflict (run, slot) do update set"
                       " hash = excluded.hash, size = excluded.size, step = excluded.step, metric = excluded.metric,"
                       " at_ms = excluded.at_ms",
                       NULL, NULL, sw_cell_text(record->id), sw_cell_text(slot), sw_cell_text(c->blob.hash),
                       sw_cell_int((int64_t)c->blob.size), sw_cell_int(c->step), sw_cell_real(c->metric),
                       sw_cell_int(c->at_ms));
}

static sw_status commit_slot(sw_record *record, const char *slot, const void *bytes, sw_checkpoint *c, bool put,
                             char before[SW_BLOB_HEX])
{
    SW_TRY(sw_store_begin(record->store, SW_ROWS_DURABLE));
    sw_status status = put ? sw_blob_put(record->store, bytes, c->blob.size, &c->blob) : SW_OK;
    return sw_store_end(record->store, status == SW_OK ? write_slot(record, slot, c, before) : status);
}

static sw_status checkpoint(sw_record *record, const char *slot, const void *bytes, size_t size, sw_checkpoint *c)
{
    char before[SW_BLOB_HEX] = "";
    SW_TRY(sw_blob_put(record->store, bytes, size, &c->blob));
    sw_status status = commit_slot(record, slot, bytes, c, false, before);
    if (status == SW_NOT_FOUND) /* a gc took the blob before its row: as publish() in models.c */
        status = commit_slot(record, slot, bytes, c, true, before);
    SW_TRY(status);
    forget_gathered(record);
    if (before[0] && strcmp(before, c->blob.hash) != 0)
        sw_blob_drop(record->store, before);
    return SW_OK;
}

sw_status sw_record_checkpoint(sw_record *record, const char *slot, const void *bytes, size_t size, int64_t step,
                               double metric)
{
    sw_checkpoint c = {.step = step, .metric = metric, .at_ms = sw_wall_ms()};
    SW_TRY(sw_store_check_name("checkpoint", slot));
    pthread_mutex_lock(&record->lock);
    sw_status status = checkpoint(record, slot, bytes, size, &c);
    pthread_mutex_unlock(&record->lock);
    if (status == SW_OK)
        return SW_OK;
    char text[24];
    sw_bytes_text(size, text);
    if (sw_store_is_full(status))
        return sw_fail(SW_IO,
                       "store: no space left while writing checkpoint '%s' of run %s (%s); the one before is kept",
                       slot, record->id, text);
    return sw_fail_in(status, "checkpoint '%s' of run %s (%s) was not written, the one before is kept", slot,
                      record->id, text);
}

/* ---- End ---- */

static sw_status end_rows(sw_record *record, sw_run_state state, const char *why)
{
    SW_TRY(write_gathered(record));
    return sw_rows_run(record->store->rows, "update runs set state = $2, why = $3, ended_ms = $4 where id = $1", NULL,
                       NULL, sw_cell_text(record->id), sw_cell_int(state), sw_cell_text(why),
                       sw_cell_int(sw_wall_ms()));
}

sw_status sw_record_end(sw_record *record, sw_run_state state, const char *why)
{
    sw_status status = SW_OK;
    if (state != SW_RUN_FINISHED && state != SW_RUN_FAILED && state != SW_RUN_STOPPED)
        status = sw_fail(SW_INVALID, "store: a run cannot end as %s", sw_run_state_name(state));
    if (status == SW_OK)
        status = sw_store_begin(record->store, SW_ROWS_DURABLE);
    if (status == SW_OK)
        status = sw_store_end(record->store, end_rows(record, state, why));
    sw_record_free(record);
    return status;
}
