/* A store outlives its writers: killed at any instant, and side by side. */
#include "stores.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/random.h"

/* Publishes, moves an alias and writes a run for ever; every text is its version's number, so that a reader can
 * tell whether rows and bytes belong together. The process is killed in the midst of it. */
static void write_for_ever(const struct fixture *f, const char *model, const char *payload, int told)
{
    sw_store *store;
    sw_record *record;
    int64_t n = 0;
    sw_context *ctx = sw_context_create(NULL);
    if (!ctx || sw_store_open(ctx, f->path, NULL, &store) != SW_OK ||
        sw_record_begin(store, &(sw_record_options){.size = sizeof(sw_record_options), .name = model}, &record) !=
            SW_OK)
        _exit(1);
    for (int i = 0;; i++) {
        char text[4096];
        snprintf(text, sizeof text, "%s %d %d", payload, (int)getpid(), i);
        if (publish_text(store, model, text, "live", &n) != SW_OK ||
            sw_record_metric(record, "published", i, (double)n) != SW_OK ||
            sw_record_checkpoint(record, "last", text, strlen(text), i, NAN) != SW_OK)
            _exit(2);
        if (i == 0 && write(told, "x", 1) != 1)
            _exit(3);
    }
}

static void test_a_writer_killed_at_any_instant_leaves_a_whole_store(void **state)
{
    struct fixture *f = *state;
    sw_random_address at = {.seed = 11};
    int64_t last = 0;
    for (int round = 0; round < 40; round++) {
        int told[2];
        char byte;
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        if (child == 0)
            write_for_ever(f, "m", "killed", told[1]);
        /* Every other one is killed from its very beginning on, the rest once they have written something. */
        if (round % 2 == 0)
            assert_int_equal(read(told[0], &byte, 1), 1);
        usleep((useconds_t)(3000 + sw_random_below(at, (uint64_t)round, 25000)));
        kill(child, SIGKILL);
        int how;
        waitpid(child, &how, 0);
        close(told[0]);
        close(told[1]);
        if (!WIFSIGNALED(how))
            fail_msg("the writer ended by itself with %d", WEXITSTATUS(how));

        assert_ok(sw_store_check(f->store));
        int64_t newest = 0, live = 0;
        sw_status status = sw_model_version_resolve(f->store, "m", &newest);
        assert_true(status == SW_OK || (status == SW_NOT_FOUND && last == 0));
        if (status == SW_OK) {
            assert_ok(sw_model_version_resolve(f->store, "m@live", &live));
            assert_int_equal(newest, live); /* version and alias are one transaction */
            assert_true(newest >= last);
            last = newest;
        }
    }
    assert_true(last > 0);
    const sw_model_list *list;
    assert_ok(sw_model_list_read(f->store, "m", &list));
    assert_int_equal(list->models[0].version_count, last); /* no number was lost or used twice */
    sw_model_list_free(list);

    /* What the deaths left is garbage and nothing else. */
    sw_gc_report report;
    assert_ok(sw_store_gc(f->store, 0, false, &report));
    assert_ok(sw_store_check(f->store));
    const sw_run_list *runs;
    assert_ok(sw_run_list_read(f->store, "m", &runs));
    for (int i = 0; i < runs->count; i++)
        assert_int_equal(runs->runs[i].state, SW_RUN_KILLED);
    sw_run_list_free(runs);
}

static pid_t start_publisher(const struct fixture *f, const char *model, int count, const char *same)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    sw_store *store;
    sw_context *ctx = sw_context_create(NULL);
    if (!ctx || sw_store_open(ctx, f->path, NULL, &store) != SW_OK)
        _exit(1);
    for (int i = 0; i < count; i++) {
        int64_t n;
        char text[64];
        snprintf(text, sizeof text, "%d %d", (int)getpid(), i);
        if (publish_text(store, model, same ? same : text, "live", &n) != SW_OK) {
            fprintf(stderr, "publisher: %s\n", sw_error_text());
            _exit(2);
        }
    }
    sw_store_close(store);
    sw_context_free(ctx);
    _exit(0);
}

static void assert_ended_well(pid_t child)
{
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void test_two_writers_never_share_a_number(void **state)
{
    struct fixture *f = *state;
    pid_t a = start_publisher(f, "m", 40, NULL), b = start_publisher(f, "m", 40, NULL);
    assert_ended_well(a);
    assert_ended_well(b);
    const sw_model_list *list;
    assert_ok(sw_model_list_read(f->store, "m", &list));
    assert_int_equal(list->models[0].version_count, 80);
    assert_int_equal(list->models[0].versions[79], 80);
    sw_model_list_free(list);
    assert_ok(sw_store_check(f->store));
}

/* Both the gc and a removal take a blob away while others publish the very same bytes. */
static void test_gc_never_takes_a_blob_from_under_a_writer(void **state)
{
    struct fixture *f = *state;
    pid_t a = start_publisher(f, "a", 60, "the same bytes"), b = start_publisher(f, "b", 60, "the same bytes");
    int how, alive = 2;
    while (alive) {
        sw_gc_report report;
        const sw_model_list *list;
        assert_ok(sw_model_list_read(f->store, NULL, &list));
        for (int i = 0; i < list->count; i++)
            for (int j = 0; j + 1 < list->models[i].version_count; j++)
                assert_ok(sw_model_version_remove(f->store, list->models[i].name, list->models[i].versions[j]));
        for (int i = 0; i < list->count; i++) {
            sw_alias_remove(f->store, list->models[i].name, "live");
            sw_model_remove(f->store, list->models[i].name); /* refused when it was published anew meanwhile */
        }
        sw_model_list_free(list);
        assert_ok(sw_store_gc(f->store, 0, false, &report));
        assert_ok(sw_store_check(f->store));
        while (alive && waitpid(-1, &how, WNOHANG) > 0) {
            assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
            alive--;
        }
    }
    (void)a, (void)b;
}

/* The first moment of a store is the hardest: folders, file, WAL and schema are all made at once. */
static void test_processes_that_make_a_store_together_all_get_it(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 5; round++) {
        struct fixture fresh = *f;
        snprintf(fresh.path, sizeof fresh.path, "%.40s/fresh-%d", f->path, round);
        pid_t children[4];
        for (int i = 0; i < 4; i++)
            children[i] = start_publisher(&fresh, "m", 2, NULL);
        for (int i = 0; i < 4; i++)
            assert_ended_well(children[i]);
    }
}

static void test_a_reader_sees_the_old_or_the_new_and_is_told_of_the_change(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    uint64_t seen = 0, now;
    assert_ok(publish_text(f->store, "m", "0", "live", &n));
    pid_t writer = start_publisher(f, "m", 50, NULL);
    int how, changes = 0;
    int64_t last = 1;
    bool ended = false;
    for (;;) {
        assert_ok(sw_store_changes(f->store, &now));
        const sw_model_version *version;
        assert_ok(sw_model_version_open(f->store, "m@live", true, &version));
        assert_true(version->number >= last && version->alias_count == 1);
        last = version->number;
        sw_model_version_free(version);
        changes += now != seen;
        seen = now;
        if (ended)
            break;
        ended = waitpid(writer, &how, WNOHANG) > 0; /* then one more look */
    }
    assert_int_equal(how, 0);
    assert_int_equal(last, 51);
    assert_true(changes >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_a_writer_killed_at_any_instant_leaves_a_whole_store),
        store_test(test_two_writers_never_share_a_number),
        store_test(test_gc_never_takes_a_blob_from_under_a_writer),
        store_test(test_processes_that_make_a_store_together_all_get_it),
        store_test(test_a_reader_sees_the_old_or_the_new_and_is_told_of_the_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
