/* models_list.c: all models with their versions and aliases, and where an alias has been. */
#include <string.h>

#include "store/inside.h"

struct list {
    struct sw_result result;
    sw_model_list public;
    sw_model_info *models;
    /* Of the model that is being filled. */
    int64_t *versions;
    sw_model_alias *aliases;
};

/* Rows come by model and number: a new name begins the next model. */
static sw_status see_version(void *user, const sw_cell *cells, int count)
{
    struct list *list = user;
    sw_arena *arena = list->result.arena;
    (void)count;
    sw_model_info *last = list->public.count ? &list->models[list->public.count - 1] : NULL;
    if (!last || strcmp(last->name, sw_cell_as_text(&cells[0])) != 0) {
        if (!sw_result_add(arena, list->models, list->public.count))
            return sw_alloc_status();
        last = &list->models[list->public.count++];
        *last = (sw_model_info){.name = sw_result_keep(arena, &cells[0]), .created_ms = sw_cell_as_int(&cells[1])};
        if (!last->name)
            return sw_alloc_status();
    }
    list->versions = (int64_t *)(uintptr_t)last->versions;
    if (!sw_result_add(arena, list->versions, last->version_count))
        return sw_alloc_status();
    list->versions[last->version_count++] = sw_cell_as_int(&cells[2]);
    last->versions = list->versions;
    return SW_OK;
}

static sw_status see_alias(void *user, const sw_cell *cells, int count)
{
    struct list *list = user;
    sw_arena *arena = list->result.arena;
    (void)count;
    sw_model_info *model = NULL;
    for (int i = 0; i < list->public.count && !model; i++)
        if (strcmp(list->models[i].name, sw_cell_as_text(&cells[0])) == 0)
            model = &list->models[i];
    if (!model)
        return SW_OK;
    list->aliases = (sw_model_alias *)(uintptr_t)model->aliases;
    if (!sw_result_add(arena, list->aliases, model->alias_count))
        return sw_alloc_status();
    sw_model_alias *alias = &list->aliases[model->alias_count++];
    *alias = (sw_model_alias){sw_result_keep(arena, &cells[1]), sw_cell_as_int(&cells[2])};
    model->aliases = list->aliases;
    return alias->name ? SW_OK : sw_alloc_status();
}

static sw_status read_list(sw_store *store, const char *model, struct list *list)
{
    sw_cell all = sw_cell_int(model == NULL), name = sw_cell_text(model ? model : "");
    SW_TRY(sw_rows_run(store->rows,
                       "select m.name, m.created_ms, v.number from models m join versions v on v.model = m.name"
                       " where $1 = 1 or m.name = $2 order by m.name, v.number",
                       see_version, list, all, name));
    SW_TRY(sw_rows_run(store->rows,
                       "select model, name, number from aliases where $1 = 1 or model = $2 order by model, name",
                       see_alias, list, all, name));
    list->public.models = list->models;
    return model && list->public.count == 0
               ? sw_fail(SW_NOT_FOUND, "store: there is no model '%s' in %s", model, store->path)
               : SW_OK;
}

sw_status sw_model_list_read(sw_store *store, const char *model, const sw_model_list **list)
{
    *list = NULL;
    struct list *made = sw_result_new(store->ctx, sizeof *made);
    if (!made)
        return sw_alloc_status();
    sw_status status = sw_store_begin(store, SW_ROWS_READ);
    if (status == SW_OK)
        status = sw_store_end(store, read_list(store, model, made));
    if (status == SW_OK)
        *list = &made->public;
    else
        sw_arena_free(made->result.arena);
    return status;
}

void sw_model_list_free(const sw_model_list *list)
{
    if (list)
        sw_result_free(list, struct list);
}

/* ---- History of an alias ---- */

struct history {
    struct sw_result result;
    sw_alias_history public;
    sw_alias_move *moves;
};

static sw_status see_move(void *user, const sw_cell *cells, int count)
{
    struct history *history = user;
    (void)count;
    if (!sw_result_add(history->result.arena, history->moves, history->public.count))
        return sw_alloc_status();
    history->moves[history->public.count++] =
        (sw_alias_move){sw_cell_as_int(&cells[0]), sw_cell_as_int(&cells[1]), sw_cell_as_int(&cells[2])};
    history->public.moves = history->moves;
    return SW_OK;
}

sw_status sw_alias_history_read(sw_store *store, const char *model, const char *alias, const sw_alias_history **history)
{
    *history = NULL;
    struct history *made = sw_result_new(store->ctx, sizeof *made);
    if (!made)
        return sw_alloc_status();
    sw_status status = sw_store_begin(store, SW_ROWS_READ);
    if (status == SW_OK)
        status = sw_store_end(store, sw_rows_run(store->rows,
                                                 "select at_ms, from_number, to_number from alias_moves"
                                                 " where model = $1 and name = $2 order by position",
                                                 see_move, made, sw_cell_text(model), sw_cell_text(alias)));
    if (status == SW_OK)
        *history = &made->public;
    else
        sw_arena_free(made->result.arena);
    return status;
}

void sw_alias_history_free(const sw_alias_history *history)
{
    if (history)
        sw_result_free(history, struct history);
}
