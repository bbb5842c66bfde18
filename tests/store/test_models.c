/* What store.h promises about models, versions and aliases. */
#include "stores.h"

#include <math.h>

static void test_references_mean_one_thing_or_are_refused(void **state)
{
    (void)state;
    sw_model_ref ref;
    assert_ok(sw_model_ref_parse("fashion", &ref));
    assert_string_equal(ref.model, "fashion");
    assert_true(ref.version == 0 && ref.alias[0] == '\0');
    assert_ok(sw_model_ref_parse("resnet-50_v1.5:12", &ref));
    assert_string_equal(ref.model, "resnet-50_v1.5");
    assert_int_equal(ref.version, 12);
    assert_ok(sw_model_ref_parse("fashion@production", &ref));
    assert_string_equal(ref.alias, "production");
    assert_ok(sw_model_ref_parse("a:9223372036854775807", &ref));

    static const char *const wrong[] = {
        "",     ":3",  "@x", "a:",  "a:0",  "a:-1", "a:1x",    "a:9223372036854775808", "a@", "a@b@c", "a:1@b",
        "../x", "a/b", ".a", "a b", "a:1 ", "-a",   "\xc3\xa4"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (sw_model_ref_parse(wrong[i], &ref) != SW_INVALID)
            fail_msg("'%s' was taken", wrong[i]);
    char longest[200];
    memset(longest, 'a', sizeof longest);
    longest[128] = '\0';
    assert_ok(sw_model_ref_parse(longest, &ref));
    longest[128] = 'a';
    longest[129] = '\0';
    assert_fails(SW_INVALID, "is no model", sw_model_ref_parse(longest, &ref));
}

static void test_a_version_comes_back_as_it_was_published(void **state)
{
    struct fixture *f = *state;
    sw_record *record;
    assert_ok(
        sw_record_begin(f->store, &(sw_record_options){.size = sizeof(sw_record_options), .name = "fashion"}, &record));
    char note_path[96];
    snprintf(note_path, sizeof note_path, "%s/card.md", f->path);
    FILE *file = fopen(note_path, "w");
    fputs("a card", file);
    fclose(file);
    sw_model_file files[] = {{.name = "model.onnx", .bytes = "\0graph", .size = 6},
                             {.name = "card.md", .path = note_path}};
    sw_model_port in[] = {{"image", "u8", "[N, 28, 28]"}},
                  out[] = {{"probabilities", "f32", "[N, 2]"}, {"label", "i64", "[N]"}};
    const char *classes[] = {"coat", "ankle boot"};
    sw_stored_metric metrics[] = {{"test_accuracy", 0.925}, {"test_loss", NAN}};
    sw_publication what = {.size = sizeof what,
                           .model = "fashion",
                           .files = files,
                           .file_count = 2,
                           .inputs = in,
                           .input_count = 1,
                           .outputs = out,
                           .output_count = 2,
                           .classes = classes,
                           .class_count = 2,
                           .metrics = metrics,
                           .metric_count = 2,
                           .run = sw_record_id(record),
                           .alias = "production",
                           .note = "first"};
    int64_t number;
    assert_ok(sw_model_publish(f->store, &what, &number));
    assert_int_equal(number, 1);
    assert_ok(sw_record_end(record, SW_RUN_FINISHED, NULL));

    const sw_model_version *v;
    assert_ok(sw_model_version_open(f->store, "fashion@production", true, &v));
    assert_string_equal(v->model, "fashion");
    assert_true(v->number == 1 && v->created_ms > 1700000000000);
    assert_string_equal(v->run, "fashion-1");
    assert_string_equal(v->note, "first");
    assert_int_equal(v->file_count, 2);
    assert_string_equal(v->files[0].name, "model.onnx");
    assert_int_equal(v->files[0].size, 6);
    assert_int_equal(sw_model_version_file(v, "card.md")->blob.size, 6);
    assert_null(sw_model_version_file(v, "nothing"));
    assert_true(v->input_count == 1 && v->output_count == 2);
    assert_string_equal(v->inputs[0].name, "image");
    assert_string_equal(v->inputs[0].shape, "[N, 28, 28]");
    assert_string_equal(v->outputs[1].name, "label");
    assert_string_equal(v->outputs[1].dtype, "i64");
    assert_string_equal(v->classes[1], "ankle boot");
    assert_int_equal(v->class_count, 2);
    assert_string_equal(v->metrics[0].name, "test_accuracy");
    assert_true(v->metrics[0].value == 0.925 && isnan(v->metrics[1].value));
    assert_int_equal(v->alias_count, 1);
    assert_string_equal(v->aliases[0], "production");
    sw_model_version_free(v);
}

static void test_numbers_rise_and_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    for (int64_t i = 1; i <= 3; i++) {
        assert_ok(publish_text(f->store, "m", "bytes", NULL, &n));
        assert_int_equal(n, i);
    }
    assert_ok(sw_model_version_remove(f->store, "m", 3));
    assert_ok(sw_model_version_resolve(f->store, "m", &n));
    assert_int_equal(n, 2);
    assert_ok(publish_text(f->store, "m", "bytes", NULL, &n));
    assert_int_equal(n, 4);
    assert_ok(sw_model_remove(f->store, "m"));
    assert_fails(SW_NOT_FOUND, "no model 'm'", sw_model_version_resolve(f->store, "m", &n));
    assert_ok(publish_text(f->store, "m", "bytes", NULL, &n));
    assert_int_equal(n, 5);
}

static void test_what_is_not_there_is_said_with_what_is(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    assert_ok(publish_text(f->store, "m", "x", NULL, &n));
    assert_fails(SW_NOT_FOUND, "there is no version m:7; the newest is m:1",
                 sw_model_version_resolve(f->store, "m:7", &n));
    assert_fails(SW_NOT_FOUND, "no alias 'live'; the newest version is m:1",
                 sw_model_version_resolve(f->store, "m@live", &n));
    assert_fails(SW_NOT_FOUND, "there is no model 'q'", sw_model_version_resolve(f->store, "q", &n));
    assert_fails(SW_NOT_FOUND, "no version m:9", sw_alias_set(f->store, "m", "live", 9));
    assert_fails(SW_NOT_FOUND, "no alias m@live", sw_alias_remove(f->store, "m", "live"));
    assert_fails(SW_INVALID, "alias name 'a b'", sw_alias_set(f->store, "m", "a b", 1));
    assert_fails(SW_INVALID, "at least one file",
                 sw_model_publish(f->store, &(sw_publication){.size = sizeof(sw_publication), .model = "m"}, &n));
    const sw_model_list *list;
    assert_fails(SW_NOT_FOUND, "no model 'q'", sw_model_list_read(f->store, "q", &list));
}

static void test_aliases_move_with_a_history_and_a_change(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    uint64_t before, after;
    assert_ok(publish_text(f->store, "m", "one", "live", &n));
    assert_ok(publish_text(f->store, "m", "two", NULL, &n));
    assert_holds(f->store, "m@live", "one");
    assert_ok(sw_store_changes(f->store, &before));
    assert_ok(sw_alias_set(f->store, "m", "live", 2));
    assert_ok(sw_store_changes(f->store, &after));
    assert_true(after != before);
    assert_holds(f->store, "m@live", "two");
    assert_ok(sw_alias_set(f->store, "m", "live", 2)); /* nothing moves: no change, no history */
    assert_ok(sw_store_changes(f->store, &before));
    assert_true(after == before);
    assert_fails(SW_BUSY, "m@live points at version 2", sw_model_version_remove(f->store, "m", 2));
    assert_fails(SW_BUSY, "m@live points at version 2", sw_model_remove(f->store, "m"));
    assert_ok(sw_alias_remove(f->store, "m", "live"));
    assert_ok(sw_model_version_remove(f->store, "m", 2));

    const sw_alias_history *history;
    assert_ok(sw_alias_history_read(f->store, "m", "live", &history));
    assert_int_equal(history->count, 3);
    assert_true(history->moves[0].from == 0 && history->moves[0].to == 1);
    assert_true(history->moves[1].from == 1 && history->moves[1].to == 2);
    assert_true(history->moves[2].from == 2 && history->moves[2].to == 0);
    sw_alias_history_free(history);
}

static void test_lists_are_sorted_and_whole(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    for (int i = 0; i < 5; i++)
        assert_ok(publish_text(f->store, "zebra", "z", NULL, &n));
    assert_ok(publish_text(f->store, "ant", "a", "live", &n));
    assert_ok(sw_alias_set(f->store, "zebra", "old", 2));
    assert_ok(sw_alias_set(f->store, "zebra", "live", 5));
    const sw_model_list *list;
    assert_ok(sw_model_list_read(f->store, NULL, &list));
    assert_int_equal(list->count, 2);
    assert_string_equal(list->models[0].name, "ant");
    assert_int_equal(list->models[0].alias_count, 1);
    assert_int_equal(list->models[1].version_count, 5);
    assert_int_equal(list->models[1].versions[4], 5);
    assert_string_equal(list->models[1].aliases[0].name, "live");
    assert_int_equal(list->models[1].aliases[1].version, 2);
    sw_model_list_free(list);
}

static void test_equal_bytes_are_kept_once(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    for (int i = 0; i < 3; i++)
        assert_ok(publish_text(f->store, "m", "the same weights", NULL, &n));
    assert_int_equal(count_blobs(f), 1);
}

static void test_gc_takes_what_nobody_points_at_and_spares_the_young(void **state)
{
    struct fixture *f = *state;
    int64_t n;
    sw_gc_report report;
    sw_blob stray;
    assert_ok(publish_text(f->store, "m", "kept", NULL, &n));
    assert_ok(publish_text(f->store, "m", "removed", NULL, &n));
    assert_ok(sw_model_version_remove(f->store, "m", 2));
    assert_ok(sw_blob_put(f->store, "nobody's", 8, &stray));
    assert_ok(sw_store_gc(f->store, 60000, false, &report));
    assert_true(report.removed == 0 && report.kept == 3);
    assert_ok(sw_store_gc(f->store, 0, true, &report));
    assert_int_equal(report.removed, 2);
    assert_int_equal(count_blobs(f), 3);
    assert_ok(sw_store_gc(f->store, 0, false, &report));
    assert_true(report.removed == 2 && report.removed_bytes == 15 && report.kept == 1);
    assert_int_equal(count_blobs(f), 1);
    assert_holds(f->store, "m", "kept");
    char path[SW_STORE_PATH_MAX];
    assert_fails(SW_NOT_FOUND, stray.hash + 2, sw_blob_path(f->store, &stray, false, path));
    assert_ok(sw_store_check(f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_mean_one_thing_or_are_refused),
        store_test(test_a_version_comes_back_as_it_was_published),
        store_test(test_numbers_rise_and_are_never_used_again),
        store_test(test_what_is_not_there_is_said_with_what_is),
        store_test(test_aliases_move_with_a_history_and_a_change),
        store_test(test_lists_are_sorted_and_whole),
        store_test(test_equal_bytes_are_kept_once),
        store_test(test_gc_takes_what_nobody_points_at_and_spares_the_young),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
