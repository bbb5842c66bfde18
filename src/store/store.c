/* store.c: opening a store, and the frame that every call on it has.
 *
 * One call is one transaction: begin takes the lock and starts it, end commits or rolls back and lets go. Nothing
 * here knows what is stored. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/inside.h"

#define BUSY_MS 10000

static sw_status prepare_folders(sw_store *store)
{
    if (store->read_only)
        return SW_OK;
    sw_status status = sw_make_folders(store->blobs);
    if (status != SW_OK)
        return sw_fail_in(status == SW_NOT_FOUND ? SW_IO : status, "store");
    return access(store->path, W_OK) == 0 ? SW_OK
                                          : sw_fail(SW_IO, "store: the folder %s is not writable here", store->path);
}

static sw_status open_parts(sw_store *store, const char *path, const sw_rows_options *options)
{
    if (!(store->path = sw_strdup(store->ctx, path)))
        return sw_alloc_status();
    SW_TRY(sw_path_join(store->ctx, path, "blobs", &store->blobs));
    if (strlen(store->blobs) + SW_BLOB_HEX + 2 > SW_STORE_PATH_MAX)
        return sw_fail(SW_INVALID, "store: the folder's path has %zu bytes, at most %d", strlen(path),
                       SW_STORE_PATH_MAX - SW_BLOB_HEX - 8);
    SW_TRY(prepare_folders(store));
    SW_TRY(sw_rows_sqlite.open(store->ctx, path, options, &store->rows));
    return sw_schema_open(store->rows, store->read_only, store->path);
}

sw_status sw_store_open(sw_context *ctx, const char *path, const sw_store_options *options, sw_store **store)
{
    *store = NULL;
    if (!path || !*path)
        return sw_fail(SW_INVALID, "store: no folder was named");
    sw_store *made = sw_alloc_zero(ctx, sizeof *made);
    if (!made)
        return sw_alloc_status();
    made->ctx = ctx;
    made->read_only = options && options->read_only;
    sw_process_self(&made->self);
    pthread_mutex_init(&made->lock, NULL);
    sw_status status = open_parts(made, path,
                                  &(sw_rows_options){
                                      .read_only = made->read_only,
                                      .busy_ms = options && options->busy_ms > 0 ? options->busy_ms : BUSY_MS,
                                  });
    if (status == SW_OK)
        *store = made;
    else
        sw_store_close(made);
    return status;
}

void sw_store_close(sw_store *store)
{
    if (!store)
        return;
    if (store->rows)
        store->rows->driver->close(store->rows);
    pthread_mutex_destroy(&store->lock);
    sw_free(store->ctx, store->blobs);
    sw_free(store->ctx, store->path);
    sw_free(store->ctx, store);
}

const char *sw_store_path(const sw_store *store) { return store->path; }

sw_status sw_store_begin(sw_store *store, sw_rows_mode mode)
{
    if (mode != SW_ROWS_READ && store->read_only)
        return sw_fail(SW_IO, "store: %s was opened read-only", store->path);
    pthread_mutex_lock(&store->lock);
    sw_status status = store->rows->driver->begin(store->rows, mode);
    if (status != SW_OK)
        pthread_mutex_unlock(&store->lock);
    return status;
}

sw_status sw_store_end(sw_store *store, sw_status status)
{
    if (status == SW_OK)
        status = store->rows->driver->commit(store->rows);
    if (status != SW_OK)
        store->rows->driver->rollback(store->rows);
    pthread_mutex_unlock(&store->lock);
    return status;
}

sw_status sw_store_count_change(sw_store *store)
{
    return sw_rows_plain(store->rows, "update meta set value = value + 1 where name = 'changes'", NULL, NULL);
}

sw_status sw_store_changes(sw_store *store, uint64_t *counter)
{
    int64_t value = 0;
    pthread_mutex_lock(&store->lock); /* one statement sees one state without a transaction */
    sw_status status = sw_rows_plain(store->rows, "select value from meta where name = 'changes'", sw_row_int, &value);
    pthread_mutex_unlock(&store->lock);
    *counter = (uint64_t)value;
    return status;
}
