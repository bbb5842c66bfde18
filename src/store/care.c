/* care.c: removing what nobody points at, and looking whether everything is whole.
 *
 * Whether a blob is pointed at, and its removal, happen under the write lock that every publisher takes for its rows
 * (and under which it looks that its blobs are there, and writes them again when not). So a blob never vanishes
 * under a row. The grace period only spares writers that work. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/inside.h"

static sw_status count_pointers(sw_store *store, const char *hash, int64_t *pointers)
{
    *pointers = 1;
    return sw_rows_run(store->rows,
                       "select (select count(*) from version_files where hash = $1)"
                       " + (select count(*) from run_slots where hash = $1)",
                       sw_row_int, pointers, sw_cell_text(hash));
}

static sw_status drop(sw_store *store, const char *hash)
{
    int64_t pointers;
    char path[SW_STORE_PATH_MAX];
    SW_TRY(count_pointers(store, hash, &pointers));
    SW_TRY(sw_blob_file(store, hash, path));
    if (pointers == 0)
        unlink(path);
    return SW_OK;
}

void sw_blob_drop(sw_store *store, const char *hash)
{
    if (sw_store_begin(store, SW_ROWS_WRITE) == SW_OK)
        sw_store_end(store, drop(store, hash));
}

/* ---- Walking the blobs ---- */

/* Called for each file under blobs/; `hash` is "" for one that is no blob (a half of one, left by a crash). */
typedef sw_status (*blob_fn)(void *user, const char *path, const char *hash, const struct stat *about);

static sw_status walk_folder(const char *folder, const char *two, blob_fn on_blob, void *user)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOTDIR ? SW_OK : sw_fail_errno(errno, "store: cannot read %s", folder);
    sw_status status = SW_OK;
    for (struct dirent *entry; status == SW_OK && (entry = readdir(dir));) {
        char path[SW_STORE_PATH_MAX + 256], hash[SW_BLOB_HEX] = "";
        struct stat about;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &about) != 0 || !S_ISREG(about.st_mode))
            continue;
        if (strspn(entry->d_name, "0123456789abcdef") == SW_BLOB_HEX - 3 && !entry->d_name[SW_BLOB_HEX - 3])
            snprintf(hash, sizeof hash, "%.2s%.62s", two, entry->d_name);
        status = on_blob(user, path, hash, &about);
    }
    closedir(dir);
    return status;
}

static sw_status walk(sw_store *store, blob_fn on_blob, void *user)
{
    DIR *dir = opendir(store->blobs);
    if (!dir)
        return sw_fail_errno(errno, "store: cannot read %s", store->blobs);
    sw_status status = SW_OK;
    for (struct dirent *entry; status == SW_OK && (entry = readdir(dir));) {
        char folder[SW_STORE_PATH_MAX];
        if (strspn(entry->d_name, "0123456789abcdef") != 2 || entry->d_name[2])
            continue;
        snprintf(folder, sizeof folder, "%s/%.2s", store->blobs, entry->d_name);
        status = walk_folder(folder, entry->d_name, on_blob, user);
    }
    closedir(dir);
    return status;
}

/* ---- Garbage ---- */

struct gc {
    sw_store *store;
    int64_t now_ms, grace_ms;
    bool dry_run;
    sw_gc_report *report;
};

/* A blob that goes too early is written again by its publisher, who looks for it; half a blob that goes while it is
 * being written is a failed write. No write of a piece takes this long. */
#define HALF_GRACE_MS (10 * 60 * 1000)

static bool is_young(const struct gc *gc, const char *hash, const struct stat *about)
{
    int64_t age_ms = gc->now_ms - ((int64_t)about->st_mtim.tv_sec * 1000 + about->st_mtim.tv_nsec / 1000000);
    return age_ms < gc->grace_ms || (!hash[0] && age_ms < HALF_GRACE_MS);
}

/* One file, in a transaction of its own: nobody waits for a long sweep. */
static sw_status judge(struct gc *gc, const char *path, const char *hash)
{
    int64_t pointers = 0;
    struct stat about;
    if (hash[0])
        SW_TRY(count_pointers(gc->store, hash, &pointers));
    /* Looked at again under the lock: a writer may just have touched it. */
    if (pointers > 0 || lstat(path, &about) != 0 || is_young(gc, hash, &about)) {
        gc->report->kept += hash[0] != '\0';
        return SW_OK;
    }
    if (!gc->dry_run && unlink(path) != 0)
        return sw_fail_errno(errno, "store: cannot remove %s", path);
    gc->report->removed++;
    gc->report->removed_bytes += (uint64_t)about.st_size;
    return SW_OK;
}

static sw_status sweep(void *user, const char *path, const char *hash, const struct stat *about)
{
    struct gc *gc = user;
    if (is_young(gc, hash, about)) {
        gc->report->kept += hash[0] != '\0';
        return SW_OK;
    }
    SW_TRY(sw_store_begin(gc->store, gc->dry_run ? SW_ROWS_READ : SW_ROWS_WRITE));
    return sw_store_end(gc->store, judge(gc, path, hash));
}

sw_status sw_store_gc(sw_store *store, int64_t grace_ms, bool dry_run, sw_gc_report *report)
{
    struct gc gc = {.store = store, .now_ms = sw_wall_ms(), .grace_ms = grace_ms, .dry_run = dry_run, .report = report};
    *report = (sw_gc_report){0};
    if (store->read_only && !dry_run)
        return sw_fail(SW_IO, "store: %s was opened read-only", store->path);
    return walk(store, sweep, &gc);
}

/* ---- Check ---- */

static sw_status check_blob(void *user, const char *path, const char *hash, const struct stat *about)
{
    char checked[SW_STORE_PATH_MAX];
    sw_blob blob = {.size = (uint64_t)about->st_size};
    (void)path;
    if (!hash[0])
        return SW_OK;
    memcpy(blob.hash, hash, SW_BLOB_HEX);
    return sw_blob_path(user, &blob, true, checked);
}

static sw_status see_pointer(void *user, const sw_cell *cells, int count)
{
    char path[SW_STORE_PATH_MAX];
    sw_blob blob = {.size = (uint64_t)sw_cell_as_int(&cells[1])};
    (void)count;
    snprintf(blob.hash, sizeof blob.hash, "%s", sw_cell_as_text(&cells[0]));
    sw_status status = sw_blob_path(user, &blob, false, path);
    return status == SW_NOT_FOUND ? sw_fail_in(SW_CORRUPT, "%s needs a blob that is gone", sw_cell_as_text(&cells[2]))
                                  : status;
}

static sw_status check_rows(sw_store *store)
{
    SW_TRY(store->rows->driver->check(store->rows));
    return sw_rows_plain(store->rows,
                         "select hash, size, model || ':' || number from version_files"
                         " union all select hash, size, 'run ' || run from run_slots",
                         see_pointer, store);
}

sw_status sw_store_check(sw_store *store)
{
    SW_TRY(sw_store_begin(store, SW_ROWS_READ));
    SW_TRY(sw_store_end(store, check_rows(store)));
    return walk(store, check_blob, store);
}
