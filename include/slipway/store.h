/* slipway/store.h: where runs, models and versions are kept.
 *
 * A store is rows and blobs. Blobs are files named by the SHA-256 of their bytes: immutable, written once,
 * shared by everything that has the same bytes. Rows (SQLite in the same folder) point at them. Publishing is
 * one transaction: blobs first, then rows, so that whatever happens in between (kill -9, a full disk) leaves at
 * most a blob that nobody points at, which sw_store_gc finds.
 *
 * Many processes may use a store at once, writers too; a sw_store may be used by many threads. All texts handed
 * in are copied. Everything that a call hands out is one piece of memory with its own free function, and stays as
 * it was when it was read.
 *
 * Statuses that every call may give: SW_IO (disk; "no space left"; a read-only store), SW_BUSY (another process
 * held the rows for longer than busy_ms), SW_CORRUPT (rows or blobs are not what they must be), SW_NO_MEMORY.
 * Nothing was changed by a call that fails. Names of models, aliases, runs and files: 1 to 128 of A-Z a-z 0-9
 * . _ -, beginning with a letter or a digit. Times: milliseconds since 1970, UTC. */
#ifndef SLIPWAY_STORE_H
#define SLIPWAY_STORE_H

#include "slipway/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_store sw_store;

typedef struct sw_store_options {
    size_t size;    /* sizeof(sw_store_options) */
    bool read_only; /* never writes: for a store on a read-only volume; SW_NOT_FOUND when there is none */
    int busy_ms;    /* how long to wait for another writer; 0: 10,000 */
} sw_store_options;

/* Opens the store in the folder `path`, made when missing (not when read_only); brings an older schema up to date.
 * SW_UNSUPPORTED when a newer Slipway made it. `options` may be NULL. Closed after everything begun in it ended. */
SW_API sw_status sw_store_open(sw_context *ctx, const char *path, const sw_store_options *options, sw_store **store);
SW_API void sw_store_close(sw_store *store); /* NULL is allowed */
SW_API const char *sw_store_path(const sw_store *store);

/* A number that changes whenever a model, a version or an alias does, by whatever process. Cheap enough to ask ten
 * times a second (one row); metrics and logs of runs do not move it. */
SW_API sw_status sw_store_changes(sw_store *store, uint64_t *counter);

/* ---- Blobs ---- */

#define SW_BLOB_HEX 65 /* 64 digits and a NUL */
#define SW_STORE_PATH_MAX 4096

typedef struct sw_blob {
    char hash[SW_BLOB_HEX]; /* SHA-256 of the bytes; "" means no blob */
    uint64_t size;          /* bytes */
} sw_blob;

/* Keeps bytes, or a copy of a file's, on disk (flushed) before it returns. Until a row points at it, the blob is
 * only safe from sw_store_gc for the gc's grace period. */
SW_API sw_status sw_blob_put(sw_store *store, const void *bytes, size_t size, sw_blob *blob);
SW_API sw_status sw_blob_put_file(sw_store *store, const char *path, sw_blob *blob);

/* The local file that holds the blob, to be mapped; never to be written. Its size is checked always, its hash when
 * `verify`: SW_CORRUPT names the file. SW_NOT_FOUND when the blob is not there. */
SW_API sw_status sw_blob_path(sw_store *store, const sw_blob *blob, bool verify, char path[SW_STORE_PATH_MAX]);

/* ---- Models and versions ---- */

/* "name" (the newest version), "name:3" or "name@alias". */
typedef struct sw_model_ref {
    char model[129];
    char alias[129]; /* "" when none was given */
    int64_t version; /* 0 when none was given */
} sw_model_ref;

/* SW_INVALID with what is wrong with it. */
SW_API sw_status sw_model_ref_parse(const char *text, sw_model_ref *ref);

/* An input or output of a model. */
typedef struct sw_model_port {
    const char *name;
    const char *dtype; /* "f32", "u8", … */
    const char *shape; /* "[N, 28, 28]": symbolic dims by name */
} sw_model_port;

typedef struct sw_stored_metric {
    const char *name;
    double value;
} sw_stored_metric;

/* A named file of a version ("model.onnx"): bytes, or when bytes is NULL the file at `path`. In a sw_model_version that
 * was read: blob and `path` (local) are set, bytes is NULL. */
typedef struct sw_model_file {
    const char *name;
    const void *bytes;
    size_t size;
    const char *path;
    sw_blob blob;
} sw_model_file;

/* What makes a version. Preprocessing is part of the model's graph and has no place of its own here. */
typedef struct sw_publication {
    size_t size; /* sizeof(sw_publication) */
    const char *model;
    const sw_model_file *files;
    int file_count; /* >= 1 */
    const sw_model_port *inputs, *outputs;
    int input_count, output_count;
    const char *const *classes; /* names of the output's classes, in order; may be none */
    int class_count;
    const sw_stored_metric *metrics; /* "test_accuracy", … */
    int metric_count;
    const char *run;   /* id of the run that made it, for its lineage; NULL: none */
    const char *alias; /* moved to the new version in the same transaction; NULL: none */
    const char *note;  /* free text; NULL: none */
} sw_publication;

/* Makes the next version of a model (and the model, when it is the first): all of it or nothing. Numbers begin at 1,
 * rise by one and are never used again. */
SW_API sw_status sw_model_publish(sw_store *store, const sw_publication *what, int64_t *version);

typedef struct sw_model_version {
    const char *model;
    int64_t number;
    int64_t created_ms;
    const char *run;  /* "" when none, or when the run was removed */
    const char *note; /* "" when none */
    const sw_model_file *files;
    int file_count;
    const sw_model_port *inputs, *outputs;
    int input_count, output_count;
    const char *const *classes;
    int class_count;
    const sw_stored_metric *metrics;
    int metric_count;
    const char *const *aliases; /* those that point here now */
    int alias_count;
} sw_model_version;

/* Finds what `ref` means now and reads the version whole. `verify`: hashes of its files are checked too.
 * SW_NOT_FOUND says what there is instead. */
SW_API sw_status sw_model_version_open(sw_store *store, const char *ref, bool verify, const sw_model_version **version);
SW_API void sw_model_version_free(const sw_model_version *version); /* NULL is allowed */
/* The file of that name, or NULL. */
SW_API const sw_model_file *sw_model_version_file(const sw_model_version *version, const char *name);
/* What `ref` means now, without reading it: a number from 1. One indexed look-up. */
SW_API sw_status sw_model_version_resolve(sw_store *store, const char *ref, int64_t *number);

typedef struct sw_model_alias {
    const char *name;
    int64_t version;
} sw_model_alias;

typedef struct sw_model_info {
    const char *name;
    int64_t created_ms;
    const int64_t *versions; /* rising */
    int version_count;
    const sw_model_alias *aliases; /* by name */
    int alias_count;
} sw_model_info;

typedef struct sw_model_list {
    const sw_model_info *models; /* by name */
    int count;
} sw_model_list;

/* All models, or the one named (SW_NOT_FOUND). */
SW_API sw_status sw_model_list_read(sw_store *store, const char *model, const sw_model_list **list);
SW_API void sw_model_list_free(const sw_model_list *list);

/* Points an alias at a version, in one step: a reader sees the old one or the new one. */
SW_API sw_status sw_alias_set(sw_store *store, const char *model, const char *alias, int64_t version);
SW_API sw_status sw_alias_remove(sw_store *store, const char *model, const char *alias);

typedef struct sw_alias_move {
    int64_t at_ms;
    int64_t from, to; /* versions; 0: the alias was not there, or was taken away */
} sw_alias_move;

typedef struct sw_alias_history {
    const sw_alias_move *moves; /* oldest first */
    int count;
} sw_alias_history;

SW_API sw_status sw_alias_history_read(sw_store *store, const char *model, const char *alias,
                                       const sw_alias_history **history);
SW_API void sw_alias_history_free(const sw_alias_history *history);

/* Removes a version, or a whole model. SW_BUSY while an alias points at the version (names it). The bytes go with
 * the next sw_store_gc. */
SW_API sw_status sw_model_version_remove(sw_store *store, const char *model, int64_t version);
SW_API sw_status sw_model_remove(sw_store *store, const char *model);

/* ---- Runs ---- */

typedef enum sw_run_state {
    SW_RUN_RUNNING,
    SW_RUN_FINISHED,
    SW_RUN_FAILED,
    SW_RUN_STOPPED, /* ended early on request; resumable */
    SW_RUN_KILLED   /* its process is gone without having said so; resumable */
} sw_run_state;

SW_API const char *sw_run_state_name(sw_run_state state); /* "running", … */

typedef struct sw_run_pair {
    const char *key, *value;
} sw_run_pair;

typedef struct sw_record_options {
    size_t size;              /* sizeof(sw_record_options) */
    const char *name;         /* of the recipe; the run's id is "name-N" */
    const char *recipe;       /* its text, after --set; NULL: none */
    const char *data_hash;    /* of the data it learns from */
    const char *code_version; /* what made it */
    const char *identity;     /* processor, libraries, team size: same identity, same bits */
    uint64_t seed;
    const sw_run_pair *parameters; /* hyper-parameters, flat: "optimizer.lr" -> "0.001" */
    int parameter_count;
    const sw_run_pair *tags;
    int tag_count;
} sw_record_options;

/* The open record of a run of this process. May be used by many threads. */
typedef struct sw_record sw_record;

/* Begins a run. From here on it is seen as running while this process lives, and as killed when it died unheard. */
SW_API sw_status sw_record_begin(sw_store *store, const sw_record_options *options, sw_record **record);
/* Goes on with a run that was stopped, failed or killed. SW_BUSY when it runs elsewhere, SW_INVALID when it is
 * finished. */
SW_API sw_status sw_record_resume(sw_store *store, const char *run, sw_record **record);
/* The run's id; valid while the record is open. */
SW_API const char *sw_record_id(const sw_record *record);

/* One point of a metric's series; a second one at the same step replaces the first. Gathered and written at the
 * latest a second later with the next call, at every checkpoint, flush and end. */
SW_API sw_status sw_record_metric(sw_record *record, const char *name, int64_t step, double value);
/* Appends to the run's log; gathered and written the same way. */
SW_API sw_status sw_record_log(sw_record *record, const char *text);
SW_API sw_status sw_record_tag(sw_record *record, const char *key, const char *value);
SW_API sw_status sw_record_flush(sw_record *record);

typedef struct sw_checkpoint {
    sw_blob blob;
    int64_t step;
    double metric; /* what made it the best; NaN when it has none */
    int64_t at_ms;
} sw_checkpoint;

/* Keeps the run's checkpoint `slot` ("best", "last"), in place of the one before it: on disk, flushed, and pointed
 * at when it returns. The text of a failure says that the one before is still there. */
SW_API sw_status sw_record_checkpoint(sw_record *record, const char *slot, const void *bytes, size_t size, int64_t step,
                                      double metric);

/* Ends the run (SW_RUN_FINISHED, FAILED or STOPPED; `why` is one line or NULL) and frees the record, also when it
 * fails. A record that is only freed leaves a run that is seen as killed once the process is gone. */
SW_API sw_status sw_record_end(sw_record *record, sw_run_state state, const char *why);
SW_API void sw_record_free(sw_record *record); /* NULL is allowed */

typedef struct sw_run_slot {
    const char *slot;
    sw_checkpoint checkpoint;
} sw_run_slot;

typedef struct sw_run_info {
    const char *id, *name;
    sw_run_state state;
    const char *why; /* of its end; "" when none */
    const char *recipe, *data_hash, *code_version, *identity;
    uint64_t seed;
    int64_t begun_ms, ended_ms; /* ended_ms: 0 while running; a killed run's last sign of life */
    int64_t beat_ms;            /* last sign of life */
    const char *host;
    int64_t pid;
    const sw_run_pair *parameters, *tags; /* by key */
    int parameter_count, tag_count;
    const sw_stored_metric *metrics; /* the last point of each series, by name */
    int metric_count;
    const sw_run_slot *checkpoints;
    int checkpoint_count;
} sw_run_info;

typedef struct sw_run_list {
    const sw_run_info *runs; /* newest first */
    int count;
} sw_run_list;

/* All runs, or those of one name, or the one with that id; SW_NOT_FOUND when `which` is given and fits none. */
SW_API sw_status sw_run_list_read(sw_store *store, const char *which, const sw_run_list **list);
SW_API void sw_run_list_free(const sw_run_list *list);
/* The checkpoint in that slot, or NULL. */
SW_API const sw_checkpoint *sw_run_checkpoint_named(const sw_run_info *run, const char *slot);

typedef struct sw_run_point {
    int64_t step;
    double value;
    int64_t at_ms;
} sw_run_point;

typedef struct sw_run_series {
    const char *name;
    const sw_run_point *points; /* by step */
    int count;
} sw_run_series;

typedef struct sw_run_series_list {
    const sw_run_series *series; /* by name */
    int count;
} sw_run_series_list;

/* The series of a run: all of them, or the one named. */
SW_API sw_status sw_run_series_read(sw_store *store, const char *run, const char *name,
                                    const sw_run_series_list **list);
SW_API void sw_run_series_free(const sw_run_series_list *list);

/* Up to `capacity` bytes of the run's log from byte `offset` on; *got is 0 at its end. */
SW_API sw_status sw_run_log_read(sw_store *store, const char *run, uint64_t offset, char *text, size_t capacity,
                                 size_t *got);

/* Removes a run with its series, log and checkpoints; SW_BUSY while it runs. Versions that it made stay. */
SW_API sw_status sw_run_remove(sw_store *store, const char *run);

/* ---- Care ---- */

typedef struct sw_gc_report {
    uint64_t kept, removed; /* blobs */
    uint64_t removed_bytes;
} sw_gc_report;

/* Removes blobs that nothing points at and that were not touched for `grace_ms` milliseconds, and halves of blobs that
 * a crash left (at the earliest after ten minutes); `dry_run` only counts. Safe beside running writers. */
SW_API sw_status sw_store_gc(sw_store *store, int64_t grace_ms, bool dry_run, sw_gc_report *report);

/* Reads every blob and checks its hash, and the rows' own consistency; SW_CORRUPT names the first fault. */
SW_API sw_status sw_store_check(sw_store *store);

#ifdef __cplusplus
}
#endif
#endif
