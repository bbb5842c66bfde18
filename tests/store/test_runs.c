/* What store.h promises about runs. */
#include "stores.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static sw_record *begin(struct fixture *f, const char *name)
{
    sw_record *record;
    assert_ok(sw_record_begin(
        f->store, &(sw_record_options){.size = sizeof(sw_record_options), .name = name, .seed = 7}, &record));
    return record;
}

static sw_run_state state_of(struct fixture *f, const char *id, char *why, size_t size)
{
    const sw_run_list *list;
    assert_ok(sw_run_list_read(f->store, id, &list));
    assert_int_equal(list->count, 1);
    sw_run_state state = list->runs[0].state;
    if (why)
        snprintf(why, size, "%s", list->runs[0].why);
    sw_run_list_free(list);
    return state;
}

static void test_a_record_comes_back_whole(void **state)
{
    struct fixture *f = *state;
    sw_run_pair parameters[] = {{"optimizer.lr", "0.001"}, {"batch", "64"}}, tags[] = {{"team", "shoes"}};
    sw_record_options options = {.size = sizeof options,
                                 .name = "fashion",
                                 .recipe = "name: fashion\n",
                                 .data_hash = "d4",
                                 .code_version = "0.1.0",
                                 .identity = "zen4/onednn-2.6/1",
                                 .seed = UINT64_MAX,
                                 .parameters = parameters,
                                 .parameter_count = 2,
                                 .tags = tags,
                                 .tag_count = 1};
    sw_record *record;
    assert_ok(sw_record_begin(f->store, &options, &record));
    assert_string_equal(sw_record_id(record), "fashion-1");
    for (int step = 0; step < 100; step++)
        assert_ok(sw_record_metric(record, "loss", step, 1.0 / (step + 1)));
    assert_ok(sw_record_metric(record, "loss", 99, NAN));
    assert_ok(sw_record_metric(record, "accuracy", 50, 0.5));
    assert_ok(sw_record_log(record, "epoch 1\n"));
    assert_ok(sw_record_tag(record, "stage", "late"));
    assert_ok(sw_record_checkpoint(record, "best", "weights", 7, 50, 0.5));
    assert_int_equal(state_of(f, "fashion-1", NULL, 0), SW_RUN_RUNNING);
    assert_ok(sw_record_log(record, "epoch 2\n"));
    assert_ok(sw_record_end(record, SW_RUN_FINISHED, "done"));

    const sw_run_list *list;
    assert_ok(sw_run_list_read(f->store, "fashion-1", &list));
    const sw_run_info *run = &list->runs[0];
    assert_int_equal(run->state, SW_RUN_FINISHED);
    assert_string_equal(run->why, "done");
    assert_string_equal(run->recipe, "name: fashion\n");
    assert_string_equal(run->data_hash, "d4");
    assert_string_equal(run->code_version, "0.1.0");
    assert_string_equal(run->identity, "zen4/onednn-2.6/1");
    assert_true(run->seed == UINT64_MAX && run->pid == getpid() && run->ended_ms >= run->begun_ms);
    assert_int_equal(run->parameter_count, 2);
    assert_string_equal(run->parameters[0].key, "batch");
    assert_string_equal(run->parameters[1].value, "0.001");
    assert_int_equal(run->tag_count, 2);
    assert_int_equal(run->metric_count, 2);
    assert_true(run->metrics[0].value == 0.5 && isnan(run->metrics[1].value));
    const sw_checkpoint *best = sw_run_checkpoint_named(run, "best");
    assert_non_null(best);
    assert_true(best->step == 50 && best->metric == 0.5 && best->blob.size == 7);
    assert_null(sw_run_checkpoint_named(run, "last"));
    sw_run_list_free(list);

    const sw_run_series_list *series;
    assert_ok(sw_run_series_read(f->store, "fashion-1", NULL, &series));
    assert_int_equal(series->count, 2);
    assert_string_equal(series->series[1].name, "loss");
    assert_int_equal(series->series[1].count, 100);
    assert_true(series->series[1].points[3].step == 3 && series->series[1].points[3].value == 0.25);
    assert_true(isnan(series->series[1].points[99].value));
    sw_run_series_free(series);

    char text[32];
    size_t got;
    assert_ok(sw_run_log_read(f->store, "fashion-1", 0, text, sizeof text, &got));
    assert_int_equal(got, 16);
    assert_memory_equal(text, "epoch 1\nepoch 2\n", 16);
    assert_ok(sw_run_log_read(f->store, "fashion-1", 6, text, 4, &got));
    assert_int_equal(got, 4);
    assert_memory_equal(text, "1\nep", 4);
    assert_ok(sw_run_log_read(f->store, "fashion-1", 16, text, sizeof text, &got));
    assert_int_equal(got, 0);
}

static void test_a_checkpoint_takes_the_place_of_the_one_before(void **state)
{
    struct fixture *f = *state;
    sw_record *record = begin(f, "r");
    assert_ok(sw_record_checkpoint(record, "last", "one", 3, 1, NAN));
    assert_ok(sw_record_checkpoint(record, "best", "one", 3, 1, 0.1));
    assert_ok(sw_record_checkpoint(record, "last", "two", 3, 2, NAN));
    assert_int_equal(count_blobs(f), 2); /* "one" is still the best */
    assert_ok(sw_record_checkpoint(record, "last", "three", 5, 3, NAN));
    assert_int_equal(count_blobs(f), 2); /* "two" went */
    assert_ok(sw_record_end(record, SW_RUN_STOPPED, NULL));
    const sw_run_list *list;
    char path[SW_STORE_PATH_MAX];
    assert_ok(sw_run_list_read(f->store, "r-1", &list));
    assert_int_equal(sw_run_checkpoint_named(&list->runs[0], "last")->step, 3);
    assert_ok(sw_blob_path(f->store, &sw_run_checkpoint_named(&list->runs[0], "best")->blob, true, path));
    sw_run_list_free(list);
}

static void test_a_killed_run_is_seen_as_killed_and_can_be_resumed(void **state)
{
    struct fixture *f = *state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sw_store *mine;
        sw_record *record;
        if (sw_store_open(f->ctx, f->path, NULL, &mine) != SW_OK ||
            sw_record_begin(mine, &(sw_record_options){.size = sizeof(sw_record_options), .name = "r"}, &record) !=
                SW_OK ||
            sw_record_checkpoint(record, "last", "state", 5, 10, NAN) != SW_OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(state_of(f, "r-1", NULL, 0), SW_RUN_RUNNING);
    sw_record *record;
    assert_fails(SW_BUSY, "r-1 is running", sw_record_resume(f->store, "r-1", &record));
    assert_fails(SW_BUSY, "r-1 is running", sw_run_remove(f->store, "r-1"));
    kill(child, SIGKILL);
    siginfo_t dead;
    waitid(P_PID, (id_t)child, &dead, WEXITED | WNOWAIT);
    assert_int_equal(state_of(f, "r-1", NULL, 0), SW_RUN_KILLED); /* not yet waited for: a zombie is dead */
    waitpid(child, NULL, 0);
    assert_int_equal(state_of(f, "r-1", NULL, 0), SW_RUN_KILLED);

    assert_ok(sw_record_resume(f->store, "r-1", &record));
    assert_string_equal(sw_record_id(record), "r-1");
    assert_int_equal(state_of(f, "r-1", NULL, 0), SW_RUN_RUNNING);
    assert_ok(sw_record_log(record, "again\n"));
    assert_ok(sw_record_end(record, SW_RUN_FINISHED, NULL));
    assert_fails(SW_INVALID, "is finished", sw_record_resume(f->store, "r-1", &record));
    assert_fails(SW_NOT_FOUND, "no run 'r-2'", sw_record_resume(f->store, "r-2", &record));
}

static void test_ends_are_told_apart(void **state)
{
    struct fixture *f = *state;
    char why[64];
    assert_ok(sw_record_end(begin(f, "r"), SW_RUN_FAILED, "loss is not a number at step 7"));
    assert_ok(sw_record_end(begin(f, "r"), SW_RUN_STOPPED, NULL));
    assert_int_equal(state_of(f, "r-1", why, sizeof why), SW_RUN_FAILED);
    assert_string_equal(why, "loss is not a number at step 7");
    assert_int_equal(state_of(f, "r-2", why, sizeof why), SW_RUN_STOPPED);
    assert_string_equal(why, "");
    assert_fails(SW_INVALID, "cannot end as killed", sw_record_end(begin(f, "r"), SW_RUN_KILLED, NULL));
}

static void test_runs_are_listed_newest_first_with_their_own_details(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 6; i++) {
        sw_record *record = begin(f, i % 2 ? "odd" : "even");
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        assert_ok(sw_record_tag(record, "i", text));
        if (i != 3) /* one without any */
            assert_ok(sw_record_metric(record, "i", i, i));
        assert_ok(sw_record_end(record, SW_RUN_FINISHED, NULL));
        usleep(2000);
    }
    const sw_run_list *list;
    assert_ok(sw_run_list_read(f->store, NULL, &list));
    assert_int_equal(list->count, 6);
    for (int i = 0; i < 6; i++) {
        const sw_run_info *run = &list->runs[5 - i];
        assert_string_equal(run->name, i % 2 ? "odd" : "even");
        assert_int_equal(run->tag_count, 1);
        assert_int_equal(run->tags[0].value[0], '0' + i);
        assert_int_equal(run->metric_count, i != 3);
    }
    sw_run_list_free(list);
    assert_ok(sw_run_list_read(f->store, "odd", &list));
    assert_int_equal(list->count, 3);
    sw_run_list_free(list);
    assert_ok(sw_run_remove(f->store, "odd-2"));
    assert_fails(SW_NOT_FOUND, "no run 'odd-2'", sw_run_list_read(f->store, "odd-2", &list));
    const sw_run_series_list *series;
    assert_fails(SW_NOT_FOUND, "no run 'odd-2'", sw_run_series_read(f->store, "odd-2", NULL, &series));
}

static void test_a_version_outlives_its_run(void **state)
{
    struct fixture *f = *state;
    sw_record *record = begin(f, "r");
    sw_model_file file = {.name = "model.onnx", .bytes = "x", .size = 1};
    int64_t n;
    assert_ok(sw_model_publish(
        f->store,
        &(sw_publication){
            .size = sizeof(sw_publication), .model = "m", .files = &file, .file_count = 1, .run = sw_record_id(record)},
        &n));
    assert_ok(sw_record_end(record, SW_RUN_FINISHED, NULL));
    assert_ok(sw_run_remove(f->store, "r-1"));
    const sw_model_version *v;
    assert_ok(sw_model_version_open(f->store, "m", true, &v));
    assert_string_equal(v->run, "");
    sw_model_version_free(v);
}

struct thread {
    pthread_t id;
    struct fixture *f;
    sw_record *record;
    int number;
    sw_status status;
};

static void *work_in_thread(void *user)
{
    struct thread *t = user;
    char name[16], text[32];
    int64_t n;
    uint64_t changes;
    snprintf(name, sizeof name, "metric-%d", t->number % 2);
    for (int i = 0; i < 50 && t->status == SW_OK; i++) {
        snprintf(text, sizeof text, "%d %d\n", t->number, i);
        t->status = sw_record_metric(t->record, name, i * 4 + t->number, i);
        if (t->status == SW_OK)
            t->status = sw_record_log(t->record, text);
        if (t->status == SW_OK && i % 10 == t->number)
            t->status = sw_record_flush(t->record);
        if (t->status == SW_OK && i % 10 == 5)
            t->status = publish_text(t->f->store, "m", text, "live", &n);
        if (t->status == SW_OK && i % 25 == 7)
            t->status = sw_record_checkpoint(t->record, "last", text, strlen(text), i, NAN);
        if (t->status == SW_OK)
            t->status = sw_store_changes(t->f->store, &changes);
    }
    return NULL;
}

static void test_threads_share_a_store_and_a_record(void **state)
{
    struct fixture *f = *state;
    struct thread threads[4];
    sw_record *record = begin(f, "r");
    for (int i = 0; i < 4; i++) {
        threads[i] = (struct thread){.f = f, .record = record, .number = i};
        pthread_create(&threads[i].id, NULL, work_in_thread, &threads[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i].id, NULL);
        assert_int_equal(threads[i].status, SW_OK);
    }
    assert_ok(sw_record_end(record, SW_RUN_FINISHED, NULL));
    const sw_run_series_list *series;
    assert_ok(sw_run_series_read(f->store, "r-1", NULL, &series));
    assert_int_equal(series->count, 2);
    assert_int_equal(series->series[0].count + series->series[1].count, 200);
    sw_run_series_free(series);
    int64_t n;
    assert_ok(sw_model_version_resolve(f->store, "m@live", &n));
    assert_int_equal(n, 20);
    assert_ok(sw_store_check(f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_a_record_comes_back_whole),
        store_test(test_a_checkpoint_takes_the_place_of_the_one_before),
        store_test(test_a_killed_run_is_seen_as_killed_and_can_be_resumed),
        store_test(test_ends_are_told_apart),
        store_test(test_runs_are_listed_newest_first_with_their_own_details),
        store_test(test_a_version_outlives_its_run),
        store_test(test_threads_share_a_store_and_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
