/* A store in trouble: full disk, read-only, damaged, too new, no memory. Each is one clear line, and nothing is lost.
 */
#include "stores.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"

/* ---- Full disk ---- */

/* A small disk of this process's own; false where that is not allowed. */
static bool mount_small_disk(const char *path, const char *size)
{
    char options[32];
    snprintf(options, sizeof options, "size=%s", size);
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, sw_error_text());                               \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

/* In a process of its own: 0, 1 (a promise broken), 77 (no small disk to be had). */
static int on_a_full_disk(const char *path)
{
    char disk[96];
    int64_t n;
    sw_store *store;
    sw_record *record;
    snprintf(disk, sizeof disk, "%s/disk", path);
    mkdir(disk, 0700);
    if (!mount_small_disk(disk, "1m"))
        return 77;
    sw_context *ctx = sw_context_create(NULL);
    REQUIRE(ctx && sw_store_open(ctx, disk, NULL, &store) == SW_OK);
    REQUIRE(publish_text(store, "fashion", "one", "live", &n) == SW_OK);
    REQUIRE(sw_record_begin(store, &(sw_record_options){.size = sizeof(sw_record_options), .name = "r"}, &record) ==
            SW_OK);
    REQUIRE(sw_record_checkpoint(record, "last", "state", 5, 1, NAN) == SW_OK);

    static char big[41200000];
    sw_model_file file = {.name = "model.onnx", .bytes = big, .size = sizeof big};
    sw_publication what = {.size = sizeof what, .model = "fashion", .files = &file, .file_count = 1, .alias = "live"};
    REQUIRE(sw_model_publish(store, &what, &n) == SW_IO && n == 0);
    REQUIRE(strcmp(sw_error_text(),
                   "store: no space left while writing version fashion:2 (41.2 MB); nothing was published") == 0);
    REQUIRE(sw_record_checkpoint(record, "last", big, sizeof big, 2, NAN) == SW_IO);
    REQUIRE(strcmp(sw_error_text(), "store: no space left while writing checkpoint 'last' of run r-1 (41.2 MB); "
                                    "the one before is kept") == 0);
    /* Until the very last byte is taken, by blobs and by rows. */
    sw_status status = SW_OK;
    for (int i = 0; status == SW_OK && i < 10000; i++) {
        char text[2000];
        memset(text, 'x', sizeof text);
        snprintf(text, sizeof text, "%d", i);
        text[strlen(text)] = ' ';
        text[sizeof text - 1] = '\0';
        status = publish_text(store, "small", text, NULL, &n);
    }
    REQUIRE(status == SW_IO && strstr(sw_error_text(), "no space left while writing version small:"));
    status = SW_OK;
    for (int i = 0; status == SW_OK && i < 100000; i++) {
        char line[4000];
        memset(line, 'l', sizeof line - 1);
        line[sizeof line - 1] = '\0';
        status = sw_record_log(record, line);
        if (status == SW_OK)
            status = sw_record_flush(record);
    }
    REQUIRE(status == SW_IO && strstr(sw_error_text(), "no space left"));
    /* What was there before is there still, and the run's record was not torn. */
    REQUIRE(sw_store_check(store) == SW_OK);
    REQUIRE(sw_model_version_resolve(store, "fashion@live", &n) == SW_OK && n == 1);
    sw_record_free(record);
    sw_store_close(store);
    REQUIRE(sw_store_open(ctx, disk, NULL, &store) == SW_OK || strstr(sw_error_text(), "no space left"));
    sw_store_close(store);
    sw_context_free(ctx);
    return 0;
}

static int in_a_child(int (*work)(const char *path), const char *path)
{
    pid_t child = fork();
    if (child == 0)
        _exit(work(path));
    int how;
    waitpid(child, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

static void test_a_full_disk_publishes_nothing_and_says_so(void **state)
{
    struct fixture *f = *state;
    int code = in_a_child(on_a_full_disk, f->path);
    if (code == 77) {
        print_message("skipped: no right to mount a small disk here\n");
        skip();
    }
    assert_int_equal(code, 0);
}

/* ---- Read-only ---- */

static int as_nobody(const char *path)
{
    sw_store *store;
    const sw_model_version *version;
    int64_t n;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 77;
    sw_context *ctx = sw_context_create(NULL);
    REQUIRE(sw_store_open(ctx, path, NULL, &store) == SW_IO && strstr(sw_error_text(), "not writable"));
    REQUIRE(sw_store_open(ctx, path, &(sw_store_options){.size = sizeof(sw_store_options), .read_only = true},
                          &store) == SW_OK);
    REQUIRE(sw_model_version_open(store, "m@live", true, &version) == SW_OK && version->number == 1);
    sw_model_version_free(version);
    REQUIRE(publish_text(store, "m", "two", NULL, &n) == SW_IO && strstr(sw_error_text(), "read-only"));
    REQUIRE(sw_alias_set(store, "m", "live", 1) == SW_IO);
    sw_store_close(store);
    sw_context_free(ctx);
    return 0;
}

static void test_a_read_only_store_serves_and_refuses_to_write(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    assert_ok(publish_text(f->store, "m", "one", "live", &n));
    sw_store_close(f->store);
    f->store = NULL;
    char command[128];
    snprintf(command, sizeof command, "chmod -R a-w,a+rX %s", f->path);
    assert_int_equal(system(command), 0);
    int code = in_a_child(as_nobody, f->path);
    snprintf(command, sizeof command, "chmod -R u+w %s", f->path);
    assert_int_equal(system(command), 0);
    if (code == 77)
        skip();
    assert_int_equal(code, 0);
}

static void test_a_store_that_is_not_there_is_not_made_by_reading(void **state)
{
    struct fixture *f = *state;
    sw_store *store;
    char path[96];
    snprintf(path, sizeof path, "%s/none", f->path);
    sw_store_options options = {.size = sizeof options, .read_only = true};
    assert_fails(SW_NOT_FOUND, "there is none at", sw_store_open(f->ctx, path, &options, &store));
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/store.db", f->path);
    assert_fails(SW_EXISTS, "is a file, a folder is needed", sw_store_open(f->ctx, path, NULL, &store));
}

/* ---- Damage ---- */

static void overwrite(const char *folder, const char *name, long at, const char *bytes, size_t size)
{
    char path[SW_STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    chmod(path, 0600);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static void reopen(struct fixture *f)
{
    sw_store_close(f->store);
    f->store = NULL;
    assert_ok(sw_store_open(f->ctx, f->path, NULL, &f->store));
}

static void test_a_damaged_database_is_called_so(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    char garbage[4096];
    assert_ok(publish_text(f->store, "m", "one", NULL, &n));
    sw_store_close(f->store);
    f->store = NULL;
    memset(garbage, 'g', sizeof garbage);
    overwrite(f->path, "store.db", 0, garbage, 100);
    sw_store *store;
    assert_fails(SW_CORRUPT, "store.db is damaged", sw_store_open(f->ctx, f->path, NULL, &store));
    sw_store_options options = {.size = sizeof options, .read_only = true};
    assert_fails(SW_CORRUPT, "store.db is damaged", sw_store_open(f->ctx, f->path, &options, &store));
}

/* Page by page: whatever is destroyed, every call answers with a status, and none with a crash. */
static void test_damage_anywhere_is_never_a_crash(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    char garbage[512], copy[96], original[96], command[256];
    for (int i = 0; i < 3; i++)
        assert_ok(publish_text(f->store, "m", "one", "live", &n));
    sw_store_close(f->store);
    f->store = NULL;
    snprintf(original, sizeof original, "%s/store.db", f->path);
    snprintf(copy, sizeof copy, "%s/copy.db", f->path);
    snprintf(command, sizeof command, "cp %s %s", original, copy);
    assert_int_equal(system(command), 0);
    struct stat about;
    stat(copy, &about);
    memset(garbage, 0xa5, sizeof garbage);
    int seen = 0;
    for (long page = 0; page < about.st_size / 4096; page++) {
        snprintf(command, sizeof command, "cp %s %s", copy, original);
        assert_int_equal(system(command), 0);
        overwrite(f->path, "store.db", page * 4096 + (page ? 0 : 100), garbage, sizeof garbage);
        const sw_model_list *list;
        sw_store *store;
        if (sw_store_open(f->ctx, f->path, NULL, &store) != SW_OK) {
            seen++;
            continue;
        }
        if (sw_model_list_read(store, NULL, &list) == SW_OK)
            sw_model_list_free(list);
        sw_model_version_resolve(store, "m@live", &n);
        publish_text(store, "m", "two", "live", &n);
        seen += sw_store_check(store) != SW_OK;
        sw_store_close(store);
    }
    assert_true(seen > about.st_size / 4096 / 2);
}

static void test_damaged_bytes_are_never_handed_out_as_good(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    const sw_model_version *version;
    assert_ok(publish_text(f->store, "m", "the right bytes", NULL, &n));
    assert_ok(sw_model_version_open(f->store, "m", true, &version));
    char path[SW_STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s", version->files[0].path);
    sw_model_version_free(version);

    overwrite("", path, 4, "wrong", 5);
    assert_fails(SW_CORRUPT, "m:1, file model.onnx: store: ", sw_model_version_open(f->store, "m", true, &version));
    assert_fails(SW_CORRUPT, "is damaged: its bytes changed", sw_store_check(f->store));
    /* Publishing the same bytes again mends the file. */
    assert_ok(publish_text(f->store, "m", "the right bytes", NULL, &n));
    assert_holds(f->store, "m:1", "the right bytes");

    assert_int_equal(truncate(path, 3), 0);
    assert_fails(SW_CORRUPT, "3 bytes, must be 15", sw_model_version_open(f->store, "m:1", false, &version));
    assert_int_equal(unlink(path), 0);
    assert_fails(SW_CORRUPT, "m:1, file model.onnx", sw_model_version_open(f->store, "m:1", false, &version));
    assert_fails(SW_CORRUPT, "needs a blob that is gone", sw_store_check(f->store));
}

static void tamper(const struct fixture *f, const char *sql)
{
    sqlite3 *db;
    char path[96];
    snprintf(path, sizeof path, "%s/store.db", f->path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_a_newer_store_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    tamper(f, "update meta set value = 999 where name = 'schema'");
    sw_store *store;
    assert_fails(SW_UNSUPPORTED, "has schema 999, made by a newer Slipway",
                 sw_store_open(f->ctx, f->path, NULL, &store));
    sw_store_options options = {.size = sizeof options, .read_only = true};
    assert_fails(SW_UNSUPPORTED, "made by a newer Slipway", sw_store_open(f->ctx, f->path, &options, &store));
}

/* A row is input too: a hash that is none must not become a path. */
static void test_a_forged_hash_leads_nowhere(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    const sw_model_version *version;
    assert_ok(publish_text(f->store, "m", "x", NULL, &n));
    tamper(f, "update version_files set hash = '../../../../etc/passwd'");
    assert_fails(SW_CORRUPT, "is no blob's hash", sw_model_version_open(f->store, "m", true, &version));
    assert_fails(SW_CORRUPT, "is no blob's hash", sw_store_check(f->store));
    reopen(f);
}

/* Somebody holds the write lock and does not let go. */
static void test_a_held_store_is_busy_and_not_a_hang(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    char path[96];
    int64_t n;
    sw_store *store;
    snprintf(path, sizeof path, "%s/store.db", f->path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "begin immediate", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(
        sw_store_open(f->ctx, f->path, &(sw_store_options){.size = sizeof(sw_store_options), .busy_ms = 20}, &store));
    assert_fails(SW_BUSY, "another process has been writing for 20 ms", publish_text(store, "m", "x", NULL, &n));
    assert_int_equal(sqlite3_exec(db, "rollback", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_ok(publish_text(store, "m", "x", NULL, &n));
    assert_int_equal(n, 1);
    sw_store_close(store);
}

/* ---- No memory ---- */

/* Everything a store does, until the first failure. */
static sw_status do_everything(struct fixture *f)
{
    sw_store *store;
    sw_record *record = NULL;
    const sw_model_version *version = NULL;
    const sw_model_list *models = NULL;
    const sw_run_list *runs = NULL;
    const sw_run_series_list *series = NULL;
    const sw_alias_history *history = NULL;
    int64_t n;
    sw_stored_metric metric = {"accuracy", 0.5};
    sw_run_pair pair = {"lr", "0.1"};
    const char *class = "coat";
    sw_model_port port = {"x", "f32", "[N]"};
    sw_model_file file = {.name = "model.onnx", .bytes = "x", .size = 1};
    SW_TRY(sw_store_open(f->ctx, f->path, NULL, &store));
    sw_status status = sw_record_begin(
        store,
        &(sw_record_options){.size = sizeof(sw_record_options), .name = "r", .parameters = &pair, .parameter_count = 1},
        &record);
    if (status == SW_OK)
        status = sw_record_metric(record, "loss", 1, 2);
    if (status == SW_OK)
        status = sw_record_log(record, "line\n");
    if (status == SW_OK)
        status = sw_record_checkpoint(record, "last", "state", 5, 1, NAN);
    if (status == SW_OK)
        status = sw_model_publish(store,
                                  &(sw_publication){.size = sizeof(sw_publication),
                                                    .model = "m",
                                                    .files = &file,
                                                    .file_count = 1,
                                                    .inputs = &port,
                                                    .input_count = 1,
                                                    .outputs = &port,
                                                    .output_count = 1,
                                                    .classes = &class,
                                                    .class_count = 1,
                                                    .metrics = &metric,
                                                    .metric_count = 1,
                                                    .alias = "live"},
                                  &n);
    if (status == SW_OK)
        status = sw_model_version_open(store, "m@live", true, &version);
    if (status == SW_OK)
        status = sw_model_list_read(store, NULL, &models);
    if (status == SW_OK)
        status = sw_alias_history_read(store, "m", "live", &history);
    if (status == SW_OK)
        status = sw_run_list_read(store, NULL, &runs);
    if (status == SW_OK)
        status = sw_run_series_read(store, sw_record_id(record), NULL, &series);
    if (status == SW_OK)
        status = sw_store_check(store);
    sw_model_version_free(version);
    sw_model_list_free(models);
    sw_run_list_free(runs);
    sw_run_series_free(series);
    sw_alias_history_free(history);
    if (status == SW_OK)
        status = sw_record_end(record, SW_RUN_FINISHED, NULL);
    else
        sw_record_free(record);
    sw_store_close(store);
    return status;
}

static void test_every_failing_allocation_is_an_answer(void **state)
{
    struct fixture *f = *state;
    sw_store_close(f->store);
    f->store = NULL;
    for (uint64_t nth = 1;; nth++) {
        sw_alloc_fail_at(f->ctx, nth);
        sw_status status = do_everything(f);
        bool failed = sw_alloc_failed(f->ctx);
        sw_alloc_fail_at(f->ctx, 0);
        if (!failed) {
            assert_int_equal(status, SW_OK);
            assert_true(nth > 20);
            break;
        }
        /* A failure that does no harm (dropping what a checkpoint replaced) may pass. */
        if (status != SW_OK && status != SW_NO_MEMORY)
            fail_msg("allocation %d: %s: %s", (int)nth, sw_status_name(status), sw_error_text());
        if (status != SW_OK)
            assert_true(sw_error_text()[0] != '\0');
        assert_int_equal(sw_context_bytes(f->ctx), 0);
    }
    assert_ok(sw_store_open(f->ctx, f->path, NULL, &f->store));
    assert_ok(sw_store_check(f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_a_full_disk_publishes_nothing_and_says_so),
        store_test(test_a_read_only_store_serves_and_refuses_to_write),
        store_test(test_a_store_that_is_not_there_is_not_made_by_reading),
        store_test(test_a_damaged_database_is_called_so),
        store_test(test_damage_anywhere_is_never_a_crash),
        store_test(test_damaged_bytes_are_never_handed_out_as_good),
        store_test(test_a_newer_store_is_refused_and_left_alone),
        store_test(test_a_forged_hash_leads_nowhere),
        store_test(test_a_held_store_is_busy_and_not_a_hang),
        store_test(test_every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
