/* models.c: publishing versions, moving aliases, removing.
 *
 * A version is published in two steps: every file becomes a blob on disk, then one transaction writes all rows,
 * after it has looked that the blobs are still there (a gc on the same store takes the same write lock). What dies
 * between the steps leaves blobs without rows. */
#include <string.h>

#include "base/clock.h"
#include "store/inside.h"

static sw_status check_ports(const char *what, const sw_model_port *ports, int count)
{
    for (int i = 0; i < count; i++)
        if (!ports[i].name || !*ports[i].name || !ports[i].dtype || !ports[i].shape)
            return sw_fail(SW_INVALID, "store: %s %d of the version needs a name, a dtype and a shape", what, i);
    return SW_OK;
}

static sw_status check_publication(const sw_publication *what)
{
    SW_TRY(sw_store_check_name("model", what->model));
    if (what->alias)
        SW_TRY(sw_store_check_name("alias", what->alias));
    if (what->file_count < 1)
        return sw_fail(SW_INVALID, "store: a version of %s needs at least one file", what->model);
    for (int i = 0; i < what->file_count; i++) {
        SW_TRY(sw_store_check_name("file", what->files[i].name));
        for (int j = 0; j < i; j++)
            if (strcmp(what->files[i].name, what->files[j].name) == 0)
                return sw_fail(SW_INVALID, "store: a version of %s has two files named %s", what->model,
                               what->files[i].name);
        if (!what->files[i].bytes && !what->files[i].path)
            return sw_fail(SW_INVALID, "store: the file %s of %s has neither bytes nor a path", what->files[i].name,
                           what->model);
    }
    SW_TRY(check_ports("input", what->inputs, what->input_count));
    return check_ports("output", what->outputs, what->output_count);
}

static sw_status put_files(sw_store *store, const sw_publication *what, sw_blob *blobs, uint64_t *bytes)
{
    *bytes = 0;
    for (int i = 0; i < what->file_count; i++) {
        const sw_model_file *file = &what->files[i];
        if (file->bytes)
            SW_TRY(sw_blob_put(store, file->bytes, file->size, &blobs[i]));
        else
            SW_TRY(sw_blob_put_file(store, file->path, &blobs[i]));
        *bytes += blobs[i].size;
    }
    return SW_OK;
}

/* ---- Rows of a version ---- */

static sw_status next_number(sw_store *store, const char *model, int64_t now, int64_t *number)
{
    SW_TRY(sw_rows_run(store->rows,
                       "insert into models (name, created_ms, last_version) values ($1, $2, 1)"
                       " on conflict (name) do update set last_version = models.last_version + 1",
                       NULL, NULL, sw_cell_text(model), sw_cell_int(now)));
    return sw_rows_run(store->rows, "select last_version from models where name = $1", sw_row_int, number,
                       sw_cell_text(model));
}

static sw_status add_ports(sw_store *store, const char *model, int64_t number, const char *side,
                           const sw_model_port *ports, int count)
{
    for (int i = 0; i < count; i++)
        SW_TRY(sw_rows_run(store->rows,
                           "insert into version_ports (model, number, side, position, name, dtype, shape)"
                           " values ($1, $2, $3, $4, $5, $6, $7)",
                           NULL, NULL, sw_cell_text(model), sw_cell_int(number), sw_cell_text(side), sw_cell_int(i),
                           sw_cell_text(ports[i].name), sw_cell_text(ports[i].dtype), sw_cell_text(ports[i].shape)));
    return SW_OK;
}

static sw_status add_details(sw_store *store, const sw_publication *what, const sw_blob *blobs, int64_t number)
{
    sw_cell model = sw_cell_text(what->model), at = sw_cell_int(number);
    for (int i = 0; i < what->file_count; i++)
        SW_TRY(sw_rows_run(store->rows,
                           "insert into version_files (model, number, position, name, hash, size)"
                           " values ($1, $2, $3, $4, $5, $6)",
                           NULL, NULL, model, at, sw_cell_int(i), sw_cell_text(what->files[i].name),
                           sw_cell_text(blobs[i].hash), sw_cell_int((int64_t)blobs[i].size)));
    SW_TRY(add_ports(store, what->model, number, "in", what->inputs, what->input_count));
    SW_TRY(add_ports(store, what->model, number, "out", what->outputs, what->output_count));
    for (int i = 0; i < what->class_count; i++)
        SW_TRY(sw_rows_run(store->rows,
                           "insert into version_classes (model, number, position, name) values ($1, $2, $3, $4)", NULL,
                           NULL, model, at, sw_cell_int(i), sw_cell_text(what->classes[i])));
    for (int i = 0; i < what->metric_count; i++)
        SW_TRY(sw_rows_run(store->rows,
                           "insert into version_metrics (model, number, name, value) values ($1, $2, $3, $4)"
                           " on conflict (model, number, name) do update set value = excluded.value",
                           NULL, NULL, model, at, sw_cell_text(what->metrics[i].name),
                           sw_cell_real(what->metrics[i].value)));
    return SW_OK;
}

sw_status sw_store_read_alias(sw_store *store, const char *model, const char *alias, int64_t *number)
{
    *number = 0;
    return sw_rows_run(store->rows, "select number from aliases where model = $1 and name = $2", sw_row_int, number,
                       sw_cell_text(model), sw_cell_text(alias));
}

/* Writes the alias (to > 0) or takes it away (to == 0), and its history; nothing when it is so already. */
static sw_status move_alias(sw_store *store, const char *model, const char *alias, int64_t to)
{
    int64_t from, moves = 0;
    sw_cell m = sw_cell_text(model), a = sw_cell_text(alias);
    SW_TRY(sw_store_read_alias(store, model, alias, &from));
    if (from == to)
        return SW_OK;
    if (to)
        SW_TRY(sw_rows_run(store->rows,
                           "insert into aliases (model, name, number) values ($1, $2, $3)"
                           " on conflict (model, name) do update set number = excluded.number",
                           NULL, NULL, m, a, sw_cell_int(to)));
    else
        SW_TRY(sw_rows_run(store->rows, "delete from aliases where model = $1 and name = $2", NULL, NULL, m, a));
    SW_TRY(sw_rows_run(store->rows, "select count(*) from alias_moves where model = $1 and name = $2", sw_row_int,
                       &moves, m, a));
    SW_TRY(sw_rows_run(store->rows,
                       "insert into alias_moves (model, name, position, at_ms, from_number, to_number)"
                       " values ($1, $2, $3, $4, $5, $6)",
                       NULL, NULL, m, a, sw_cell_int(moves), sw_cell_int(sw_wall_ms()), sw_cell_int(from),
                       sw_cell_int(to)));
    return sw_store_count_change(store);
}

static sw_status write_version(sw_store *store, const sw_publication *what, const sw_blob *blobs, int64_t *number)
{
    int64_t now = sw_wall_ms();
    for (int i = 0; i < what->file_count; i++)
        SW_TRY(sw_blob_still_there(store, &blobs[i]));
    SW_TRY(next_number(store, what->model, now, number));
    SW_TRY(sw_rows_run(store->rows,
                       "insert into versions (model, number, created_ms, run, note) values ($1, $2, $3, $4, $5)", NULL,
                       NULL, sw_cell_text(what->model), sw_cell_int(*number), sw_cell_int(now), sw_cell_text(what->run),
                       sw_cell_text(what->note)));
    SW_TRY(add_details(store, what, blobs, *number));
    SW_TRY(sw_store_count_change(store));
    return what->alias ? move_alias(store, what->model, what->alias, *number) : SW_OK;
}

/* The number a new version would get now, for a message. */
static int64_t likely_number(sw_store *store, const char *model)
{
    int64_t last = 0;
    if (sw_store_begin(store, SW_ROWS_READ) == SW_OK)
        sw_store_end(store, sw_rows_run(store->rows, "select last_version from models where name = $1", sw_row_int,
                                        &last, sw_cell_text(model)));
    return last + 1;
}

static sw_status say_unpublished(sw_store *store, sw_status status, const sw_publication *what, uint64_t bytes)
{
    char size[24];
    for (int i = 0; i < what->file_count && bytes == 0; i++)
        bytes += what->files[i].size;
    sw_bytes_text(bytes, size);
    bool full = sw_store_is_full(status);
    sw_error reason = sw_error_take(status);
    long long number = likely_number(store, what->model);
    if (full)
        return sw_fail(SW_IO, "store: no space left while writing version %s:%lld (%s); nothing was published",
                       what->model, number, size);
    sw_error_raise(&reason);
    return sw_fail_in(status, "version %s:%lld (%s) was not published", what->model, number, size);
}

static sw_status commit_version(sw_store *store, const sw_publication *what, sw_blob *blobs, bool put, uint64_t *bytes,
                                int64_t *version)
{
    SW_TRY(sw_store_begin(store, SW_ROWS_DURABLE));
    sw_status status = put ? put_files(store, what, blobs, bytes) : SW_OK;
    return sw_store_end(store, status == SW_OK ? write_version(store, what, blobs, version) : status);
}

/* Files first, so that nobody waits while they are written. When a gc took an old blob between our look at it and the
 * rows, they are put once more with the write lock held, where no gc can come between. */
static sw_status publish(sw_store *store, const sw_publication *what, sw_blob *blobs, int64_t *version)
{
    uint64_t bytes = 0;
    sw_status status = put_files(store, what, blobs, &bytes);
    if (status == SW_OK) {
        status = commit_version(store, what, blobs, false, &bytes, version);
        if (status == SW_NOT_FOUND)
            status = commit_version(store, what, blobs, true, &bytes, version);
    }
    return status == SW_OK ? SW_OK : say_unpublished(store, status, what, bytes);
}

sw_status sw_model_publish(sw_store *store, const sw_publication *what, int64_t *version)
{
    *version = 0;
    SW_TRY(check_publication(what));
    sw_blob *blobs = sw_alloc_array(store->ctx, (size_t)what->file_count, sizeof *blobs);
    if (!blobs)
        return sw_alloc_status();
    sw_status status = publish(store, what, blobs, version);
    sw_free(store->ctx, blobs);
    if (status != SW_OK)
        *version = 0;
    return status;
}

/* ---- Aliases and removal ---- */

static sw_status need_version(sw_store *store, const char *model, int64_t version)
{
    int64_t there = 0;
    SW_TRY(sw_rows_run(store->rows, "select count(*) from versions where model = $1 and number = $2", sw_row_int,
                       &there, sw_cell_text(model), sw_cell_int(version)));
    return there ? SW_OK : sw_fail(SW_NOT_FOUND, "store: there is no version %s:%lld", model, (long long)version);
}

static sw_status set_alias(sw_store *store, const char *model, const char *alias, int64_t version)
{
    SW_TRY(need_version(store, model, version));
    return move_alias(store, model, alias, version);
}

sw_status sw_alias_set(sw_store *store, const char *model, const char *alias, int64_t version)
{
    SW_TRY(sw_store_check_name("model", model));
    SW_TRY(sw_store_check_name("alias", alias));
    SW_TRY(sw_store_begin(store, SW_ROWS_DURABLE));
    return sw_store_end(store, set_alias(store, model, alias, version));
}

static sw_status remove_alias(sw_store *store, const char *model, const char *alias)
{
    int64_t number;
    SW_TRY(sw_store_read_alias(store, model, alias, &number));
    if (number == 0)
        return sw_fail(SW_NOT_FOUND, "store: there is no alias %s@%s", model, alias);
    return move_alias(store, model, alias, 0);
}

sw_status sw_alias_remove(sw_store *store, const char *model, const char *alias)
{
    SW_TRY(sw_store_begin(store, SW_ROWS_DURABLE));
    return sw_store_end(store, remove_alias(store, model, alias));
}

static sw_status refuse_alias(void *user, const sw_cell *cells, int count)
{
    const char *model = user;
    (void)count;
    return sw_fail(SW_BUSY, "store: %s@%s points at version %lld; move or remove the alias first", model,
                   sw_cell_as_text(&cells[0]), (long long)sw_cell_as_int(&cells[1]));
}

static sw_status remove_version(sw_store *store, const char *model, int64_t version)
{
    sw_cell m = sw_cell_text(model), v = sw_cell_int(version);
    SW_TRY(need_version(store, model, version));
    SW_TRY(sw_rows_run(store->rows, "select name, number from aliases where model = $1 and number = $2 order by name",
                       refuse_alias, (void *)model, m, v));
    SW_TRY(sw_rows_run(store->rows, "delete from versions where model = $1 and number = $2", NULL, NULL, m, v));
    return sw_store_count_change(store);
}

sw_status sw_model_version_remove(sw_store *store, const char *model, int64_t version)
{
    SW_TRY(sw_store_begin(store, SW_ROWS_DURABLE));
    return sw_store_end(store, remove_version(store, model, version));
}

/* The model's row stays while its number matters: with the row, a later model of the same name would begin at 1
 * again and somebody's "fashion:2" would mean something else. So the row is kept, without versions, and lists leave
 * it out. */
static sw_status remove_model(sw_store *store, const char *model)
{
    int64_t versions = 0;
    sw_cell m = sw_cell_text(model);
    SW_TRY(sw_rows_run(store->rows, "select count(*) from versions where model = $1", sw_row_int, &versions, m));
    if (versions == 0)
        return sw_fail(SW_NOT_FOUND, "store: there is no model %s", model);
    SW_TRY(sw_rows_run(store->rows, "select name, number from aliases where model = $1 order by name", refuse_alias,
                       (void *)model, m));
    SW_TRY(sw_rows_run(store->rows, "delete from versions where model = $1", NULL, NULL, m));
    return sw_store_count_change(store);
}

sw_status sw_model_remove(sw_store *store, const char *model)
{
    SW_TRY(sw_store_begin(store, SW_ROWS_DURABLE));
    return sw_store_end(store, remove_model(store, model));
}
