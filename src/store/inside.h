/* store/inside.h: what the files of store/ share.
 *
 * A sw_store is a folder with rows (store.db) and blobs (blobs/ab/cdef…), one lock around the rows, and what this
 * process is called, so that other processes can tell whether it still lives. Uses: base/, rows.h. */
#ifndef SW_STORE_INSIDE_H
#define SW_STORE_INSIDE_H

#include <pthread.h>

#include "base/arena.h"
#include "slipway/store.h"
#include "store/process.h"
#include "store/rows.h"

#define SW_STORE_NAME_MAX 128

struct sw_store {
    sw_context *ctx;
    sw_rows *rows;
    pthread_mutex_t lock;
    char *path, *blobs;
    bool read_only;
    struct sw_process self;
};

/* Takes the lock and begins a transaction; the caller then does its work and hands its status to sw_store_end,
 * which commits or rolls back, gives the lock back and returns what became of it all. */
sw_status sw_store_begin(sw_store *store, sw_rows_mode mode);
sw_status sw_store_end(sw_store *store, sw_status status);
/* For every transaction that changes a model, version or alias. */
sw_status sw_store_count_change(sw_store *store);

/* schema.c: brings the rows to this program's schema, or (read_only) checks that they have it. */
sw_status sw_schema_open(sw_rows *rows, bool read_only, const char *path);

/* SW_INVALID unless `name` is a name; `what` is "model", "alias", … for the text. */
sw_status sw_store_check_name(const char *what, const char *name);

/* blobs.c: files named by their hash. */
sw_status sw_blob_file(const sw_store *store, const char *hash, char path[SW_STORE_PATH_MAX]);
/* Inside a transaction that will point at it: SW_NOT_FOUND when a gc took the blob since it was put. */
sw_status sw_blob_still_there(const sw_store *store, const sw_blob *blob);
/* care.c: removes the blob unless a row points at it; for what was just replaced. Takes its own transaction. Failing to
 * remove is no failure: a gc comes by later. */
void sw_blob_drop(sw_store *store, const char *hash);
/* "41.2 MB" */
void sw_bytes_text(uint64_t bytes, char text[24]);
/* True when this thread's failure says that the disk is full. */
bool sw_store_is_full(sw_status status);

/* models.c: the version that an alias points at, 0 when there is no such alias. Inside a transaction. */
sw_status sw_store_read_alias(sw_store *store, const char *model, const char *alias, int64_t *number);

/* runs_read.c: how the run stands now, seen from outside; SW_NOT_FOUND. Inside a transaction. */
sw_status sw_run_state_read(sw_store *store, const char *run, sw_run_state *state);

/* results.c: what a call hands out is one arena. A result's struct begins with a sw_result, is the arena's first
 * allocation, and has a member `public`, which is what the caller sees. */
struct sw_result {
    sw_arena *arena;
};
/* `size` zeroed bytes that begin with a sw_result, or NULL. */
void *sw_result_new(sw_context *ctx, size_t size);
/* The result whose `public` the caller has. */
#define sw_result_of(pointer, type) ((type *)((char *)(uintptr_t)(pointer)-offsetof(type, public)))
#define sw_result_free(pointer, type) sw_arena_free(sw_result_of((pointer), type)->result.arena)
/* A cell's text in the arena; "" for NULL. */
char *sw_result_keep(sw_arena *arena, const sw_cell *cell);
/* Room for one more behind `count` items; row functions append with it. NULL when there is no memory. */
void *sw_result_grow(sw_arena *arena, void *items, int count, size_t size);
#define sw_result_add(arena, items, count) ((items) = sw_result_grow((arena), (items), (count), sizeof *(items)))

#endif
