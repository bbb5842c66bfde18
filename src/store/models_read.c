/* models_read.c: what a reference means, and a version as it was at one moment.
 *
 * A version's rows are read in one transaction, so that what is handed out never mixes two states of the store. */
#include <string.h>

#include "store/inside.h"

/* ---- What a reference means ---- */

static sw_status newest(sw_store *store, const char *model, int64_t *number)
{
    *number = 0;
    return sw_rows_run(store->rows, "select number from versions where model = $1 order by number desc limit 1",
                       sw_row_int, number, sw_cell_text(model));
}

static sw_status resolve(sw_store *store, const sw_model_ref *ref, int64_t *number)
{
    int64_t last;
    if (ref->version) {
        *number = 0;
        SW_TRY(sw_rows_run(store->rows, "select number from versions where model = $1 and number = $2", sw_row_int,
                           number, sw_cell_text(ref->model), sw_cell_int(ref->version)));
    } else if (ref->alias[0]) {
        SW_TRY(sw_store_read_alias(store, ref->model, ref->alias, number));
    } else
        SW_TRY(newest(store, ref->model, number));
    if (*number)
        return SW_OK;

    SW_TRY(newest(store, ref->model, &last));
    if (last == 0)
        return sw_fail(SW_NOT_FOUND, "store: there is no model '%s' in %s", ref->model, store->path);
    if (ref->version)
        return sw_fail(SW_NOT_FOUND, "store: there is no version %s:%lld; the newest is %s:%lld", ref->model,
                       (long long)ref->version, ref->model, (long long)last);
    return sw_fail(SW_NOT_FOUND, "store: %s has no alias '%s'; the newest version is %s:%lld", ref->model, ref->alias,
                   ref->model, (long long)last);
}

sw_status sw_model_version_resolve(sw_store *store, const char *text, int64_t *number)
{
    sw_model_ref ref;
    *number = 0;
    SW_TRY(sw_model_ref_parse(text, &ref));
    SW_TRY(sw_store_begin(store, SW_ROWS_READ));
    return sw_store_end(store, resolve(store, &ref, number));
}

/* ---- One version ---- */

struct version {
    struct sw_result result;
    sw_model_version public;
    sw_store *store;
    sw_model_file *files;
    sw_model_port *inputs, *outputs;
    const char **classes, **aliases;
    sw_stored_metric *metrics;
};

static sw_status see_version(void *user, const sw_cell *cells, int count)
{
    struct version *v = user;
    (void)count;
    v->public.created_ms = sw_cell_as_int(&cells[0]);
    v->public.note = sw_result_keep(v->result.arena, &cells[1]);
    v->public.run = sw_result_keep(v->result.arena, &cells[2]);
    return v->public.note && v->public.run ? SW_OK : sw_alloc_status();
}

static sw_status see_file(void *user, const sw_cell *cells, int count)
{
    struct version *v = user;
    sw_arena *arena = v->result.arena;
    (void)count;
    if (!sw_result_add(arena, v->files, v->public.file_count))
        return sw_alloc_status();
    sw_model_file *file = &v->files[v->public.file_count++];
    char path[SW_STORE_PATH_MAX];
    *file = (sw_model_file){.name = sw_result_keep(arena, &cells[0])};
    if (cells[1].kind == SW_CELL_TEXT && cells[1].size == SW_BLOB_HEX - 1)
        memcpy(file->blob.hash, cells[1].text, SW_BLOB_HEX);
    file->blob.size = (uint64_t)sw_cell_as_int(&cells[2]);
    file->size = file->blob.size;
    SW_TRY(sw_blob_file(v->store, file->blob.hash, path));
    file->path = sw_arena_strdup(arena, path);
    return file->name && file->path ? SW_OK : sw_alloc_status();
}

static sw_status see_port(void *user, const sw_cell *cells, int count)
{
    struct version *v = user;
    sw_arena *arena = v->result.arena;
    (void)count;
    bool in = strcmp(sw_cell_as_text(&cells[0]), "in") == 0;
    sw_model_port **ports = in ? &v->inputs : &v->outputs;
    int *used = in ? &v->public.input_count : &v->public.output_count;
    if (!sw_result_add(arena, *ports, *used))
        return sw_alloc_status();
    sw_model_port *port = &(*ports)[(*used)++];
    *port = (sw_model_port){sw_result_keep(arena, &cells[1]), sw_result_keep(arena, &cells[2]),
                            sw_result_keep(arena, &cells[3])};
    return port->name && port->dtype && port->shape ? SW_OK : sw_alloc_status();
}

static sw_status see_name(sw_arena *arena, const char ***names, int *used, const sw_cell *cell)
{
    if (!sw_result_add(arena, *names, *used))
        return sw_alloc_status();
    const char *name = (*names)[(*used)++] = sw_result_keep(arena, cell);
    return name ? SW_OK : sw_alloc_status();
}

static sw_status see_class(void *user, const sw_cell *cells, int count)
{
    struct version *v = user;
    (void)count;
    return see_name(v->result.arena, &v->classes, &v->public.class_count, &cells[0]);
}

static sw_status see_alias(void *user, const sw_cell *cells, int count)
{
    struct version *v = user;
    (void)count;
    return see_name(v->result.arena, &v->aliases, &v->public.alias_count, &cells[0]);
}

static sw_status see_metric(void *user, const sw_cell *cells, int count)
{
    struct version *v = user;
    (void)count;
    if (!sw_result_add(v->result.arena, v->metrics, v->public.metric_count))
        return sw_alloc_status();
    sw_stored_metric *metric = &v->metrics[v->public.metric_count++];
    *metric = (sw_stored_metric){sw_result_keep(v->result.arena, &cells[0]), sw_cell_as_real(&cells[1])};
    return metric->name ? SW_OK : sw_alloc_status();
}

static sw_status read_version(sw_store *store, const sw_model_ref *ref, struct version *v)
{
    static const struct {
        const char *sql;
        sw_row_fn on_row;
    } parts[] = {
        {"select v.created_ms, v.note, r.id from versions v left join runs r on r.id = v.run"
         " where v.model = $1 and v.number = $2",
         see_version},
        {"select name, hash, size from version_files where model = $1 and number = $2 order by position", see_file},
        {"select side, name, dtype, shape from version_ports where model = $1 and number = $2 order by side, position",
         see_port},
        {"select name from version_classes where model = $1 and number = $2 order by position", see_class},
        {"select name, value from version_metrics where model = $1 and number = $2 order by name", see_metric},
        {"select name from aliases where model = $1 and number = $2 order by name", see_alias},
    };
    SW_TRY(resolve(store, ref, &v->public.number));
    if (!(v->public.model = sw_arena_strdup(v->result.arena, ref->model)))
        return sw_alloc_status();
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        SW_TRY(sw_rows_run(store->rows, parts[i].sql, parts[i].on_row, v, sw_cell_text(ref->model),
                           sw_cell_int(v->public.number)));
    v->public.files = v->files;
    v->public.inputs = v->inputs;
    v->public.outputs = v->outputs;
    v->public.classes = v->classes;
    v->public.metrics = v->metrics;
    v->public.aliases = v->aliases;
    return SW_OK;
}

static sw_status see_files_there(sw_store *store, const sw_model_version *version, bool verify)
{
    char path[SW_STORE_PATH_MAX];
    for (int i = 0; i < version->file_count; i++) {
        sw_status status = sw_blob_path(store, &version->files[i].blob, verify, path);
        if (status != SW_OK)
            return sw_fail_in(status == SW_NOT_FOUND ? SW_CORRUPT : status, "%s:%lld, file %s", version->model,
                              (long long)version->number, version->files[i].name);
    }
    return SW_OK;
}

sw_status sw_model_version_open(sw_store *store, const char *text, bool verify, const sw_model_version **version)
{
    sw_model_ref ref;
    *version = NULL;
    SW_TRY(sw_model_ref_parse(text, &ref));
    struct version *v = sw_result_new(store->ctx, sizeof *v);
    if (!v)
        return sw_alloc_status();
    v->store = store;
    sw_status status = sw_store_begin(store, SW_ROWS_READ);
    if (status == SW_OK)
        status = sw_store_end(store, read_version(store, &ref, v));
    if (status == SW_OK)
        status = see_files_there(store, &v->public, verify);
    if (status == SW_OK)
        *version = &v->public;
    else
        sw_arena_free(v->result.arena);
    return status;
}

void sw_model_version_free(const sw_model_version *version)
{
    if (version)
        sw_result_free(version, struct version);
}

const sw_model_file *sw_model_version_file(const sw_model_version *version, const char *name)
{
    for (int i = 0; i < version->file_count; i++)
        if (strcmp(version->files[i].name, name) == 0)
            return &version->files[i];
    return NULL;
}
