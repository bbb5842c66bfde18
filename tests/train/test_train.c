/* Whole runs: they learn, they resume to the same bits from anywhere, they refuse what would not be the same run. */
#include <math.h>

#include "train/support.h"

#define BOX_RECIPE "name: box\n" BOX_DATA BOX_MODEL BOX_TRAIN

static const sw_run_list *run_of(box *b, const char *id)
{
    const sw_run_list *list;
    assert_int_equal(sw_run_list_read(b->store, id, &list), SW_OK);
    assert_int_equal(list->count, 1);
    return list;
}

static void test_learns_and_registers(void **state)
{
    box *b = *state;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    o.register_as = "boxes";
    o.alias = "production";
    sw_train_result r = box_train(b, &o);
    assert_true(r.test_accuracy > 0.9); /* the bright quarter is plain to see; chance is 0.25 */
    assert_int_equal(r.steps, 4 * 10);
    assert_int_equal(r.version, 1);
    const sw_run_list *list = run_of(b, r.run);
    assert_int_equal(list->runs[0].state, SW_RUN_FINISHED);
    assert_string_equal(list->runs[0].recipe, BOX_RECIPE);
    assert_int_equal(list->runs[0].checkpoint_count, 2);
    sw_run_list_free(list);
    const sw_model_version *v;
    assert_int_equal(sw_model_version_open(b->store, "boxes@production", true, &v), SW_OK);
    assert_string_equal(v->run, r.run);
    assert_int_equal(v->class_count, 4);
    assert_string_equal(v->classes[3], "se");
    assert_string_equal(v->inputs[0].name, "image");
    assert_string_equal(v->inputs[0].dtype, "u8");
    assert_string_equal(v->inputs[0].shape, "[N, 8, 8, 1]");
    assert_string_equal(v->outputs[0].shape, "[N, 4]");
    sw_model_version_free(v);
}

/* What was registered answers as the run did: preprocessing and weights went with it. */
static void test_registered_model_evaluates_the_same(void **state)
{
    box *b = *state;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    o.register_as = "boxes";
    sw_train_result r = box_train(b, &o);
    sw_dataset *data = sw_dataset_open(b->place->ctx, b->recipe, NULL);
    sw_eval_result e;
    sw_eval_options eo = {.size = sizeof eo,
                          .model = "boxes:1",
                          .store = b->store,
                          .data = data,
                          .split = SW_SPLIT_TEST,
                          .batch = 17,
                          .threads = 1};
    if (sw_evaluate(b->place->ctx, &eo, &e) != SW_OK)
        fail_msg("%s", sw_error_text());
    assert_int_equal(e.samples, 100);
    assert_true(e.accuracy == r.test_accuracy);
    assert_true(fabs(e.loss - r.test_loss) < 1e-5);
    int64_t sum = 0, diagonal = 0;
    for (int i = 0; i < 16; i++)
        sum += e.confusion[i], diagonal += i % 5 == 0 ? e.confusion[i] : 0;
    assert_int_equal(sum, 100);
    assert_int_equal(diagonal, e.correct);
    sw_eval_free(b->place->ctx, &e);
    sw_dataset_close(data);
}

static void test_same_identity_same_bits(void **state)
{
    box *b = *state;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    sw_train_result first = box_train(b, &o), second = box_train(b, &o);
    assert_string_equal(first.weights, second.weights);
    assert_string_equal(first.last, second.last);
    assert_string_not_equal(first.run, second.run);
    const char *const seed[] = {"seed=8"};
    o.sets = seed;
    o.set_count = 1;
    sw_train_result third = box_train(b, &o);
    assert_string_not_equal(first.last, third.last);
}

/* The plain reference bodies and the fast kernels learn the same: after 40 steps the losses differ by rounding only. */
static void test_backends_agree_on_a_whole_run(void **state)
{
    box *b = *state;
    sw_train_result r[2];
    box_recipe(b, BOX_RECIPE);
    for (int i = 0; i < 2; i++) {
        sw_context *ctx = sw_context_new(
            &(sw_context_options){.size = sizeof(sw_context_options), .threads = 1, .backend = i == 0 ? "ref" : "cpu"});
        sw_train_options o = box_options(b);
        assert_non_null(ctx);
        if (sw_train(ctx, &o, &r[i]) != SW_OK)
            fail_msg("%s", sw_error_text());
        sw_context_free(ctx);
    }
    assert_true(fabs(r[0].test_loss - r[1].test_loss) < 1e-3 * (1 + r[0].test_loss));
    assert_true(fabs(r[0].validation_loss - r[1].validation_loss) < 1e-3 * (1 + r[0].validation_loss));
    assert_true(fabs(r[0].test_accuracy - r[1].test_accuracy) <= 0.01); /* one picture of a hundred */
}

typedef struct stopper {
    sw_cancel *cancel;
    int64_t at; /* steps of this process */
    int64_t seen;
} stopper;

static void stop_at(void *user, const sw_train_progress *p)
{
    stopper *s = user;
    if (p->event == SW_TRAIN_STEP && ++s->seen == s->at)
        sw_cancel_request(s->cancel);
}

/* Stopped after 1, 2, 3, … steps, again and again, until it ends by itself: the undisturbed run's bits. */
static void test_stopped_runs_resume_to_the_same_bits(void **state)
{
    box *b = *state;
    box_recipe(b, BOX_RECIPE);
    sw_train_options plain = box_options(b);
    sw_train_result whole = box_train(b, &plain), r;
    char run[129] = "";
    int stops = 0;
    for (int64_t at = 1;; at += 2) {
        stopper s = {.cancel = sw_cancel_new(b->place->ctx), .at = at};
        sw_train_options o = box_options(b);
        o.cancel = s.cancel;
        o.progress = stop_at;
        o.user = &s;
        if (run[0] != '\0') {
            o.recipe = NULL;
            o.resume = run;
        }
        sw_status status = sw_train(b->place->ctx, &o, &r);
        sw_cancel_free(s.cancel);
        if (status == SW_OK)
            break;
        assert_int_equal(status, SW_CANCELLED);
        assert_true(run[0] == '\0' || strcmp(run, r.run) == 0);
        strcpy(run, r.run);
        const sw_run_list *list = run_of(b, run);
        assert_int_equal(list->runs[0].state, SW_RUN_STOPPED);
        sw_run_list_free(list);
        assert_true(++stops < 20);
    }
    assert_true(stops >= 4);
    assert_string_equal(r.weights, whole.weights);
    assert_string_equal(r.last, whole.last);
    assert_true(r.test_loss == whole.test_loss);
}

/* The series in the store are the same too: nothing is counted twice or left out. */
static void test_resumed_metrics_are_those_of_the_whole_run(void **state)
{
    box *b = *state;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    sw_train_result whole = box_train(b, &o), r;
    stopper s = {.cancel = sw_cancel_new(b->place->ctx), .at = 14};
    o.cancel = s.cancel;
    o.progress = stop_at;
    o.user = &s;
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_CANCELLED);
    char run[129];
    strcpy(run, r.run);
    o = box_options(b);
    o.recipe = NULL;
    o.resume = run;
    r = box_train(b, &o);
    sw_cancel_free(s.cancel);
    const sw_run_series_list *a, *c;
    assert_int_equal(sw_run_series_read(b->store, whole.run, "train_loss", &a), SW_OK);
    assert_int_equal(sw_run_series_read(b->store, r.run, "train_loss", &c), SW_OK);
    assert_int_equal(a->series[0].count, 4);
    assert_int_equal(c->series[0].count, 4);
    for (int i = 0; i < 4; i++)
        assert_true(a->series[0].points[i].value == c->series[0].points[i].value &&
                    a->series[0].points[i].step == c->series[0].points[i].step);
    sw_run_series_free(a);
    sw_run_series_free(c);
}

static char *stopped_run(box *b)
{
    static char run[129];
    sw_train_result r;
    stopper s = {.cancel = sw_cancel_new(b->place->ctx), .at = 5};
    sw_train_options o = box_options(b);
    o.cancel = s.cancel;
    o.progress = stop_at;
    o.user = &s;
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_CANCELLED);
    sw_cancel_free(s.cancel);
    strcpy(run, r.run);
    return run;
}

static void test_other_data_is_refused(void **state)
{
    box *b = *state;
    sw_train_result r;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    o.resume = stopped_run(b);
    o.recipe = NULL;
    write_boxes(b->place, "x", "y", 3, 400);
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_IDENTITY);
    assert_text_has(sw_error_text(), "the training data is not what run box-1 has learned from");
    o.any_identity = true;
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_OK);
}

static void test_other_identity_is_refused(void **state)
{
    box *b = *state;
    sw_train_result r;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    o.resume = stopped_run(b);
    o.recipe = NULL;
    sw_context *ref = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .backend = "ref"});
    assert_non_null(ref);
    assert_int_equal(sw_train(ref, &o, &r), SW_IDENTITY);
    assert_text_has(sw_error_text(), "run box-1 was begun under identity");
    sw_context_free(ref);
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_OK); /* nothing was lost by asking */
}

static void test_finished_and_unknown_runs_do_not_resume(void **state)
{
    box *b = *state;
    sw_train_result r;
    box_recipe(b, BOX_RECIPE);
    sw_train_options o = box_options(b);
    r = box_train(b, &o);
    char run[129];
    strcpy(run, r.run);
    o.recipe = NULL;
    o.resume = run;
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_INVALID);
    o.resume = "box-99";
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_NOT_FOUND);
    o.recipe = b->recipe;
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_INVALID);
    assert_text_has(sw_error_text(), "goes on with its own recipe");
}

static void test_nan_stops_the_run(void **state)
{
    box *b = *state;
    sw_train_result r;
    box_recipe(b, "name: box\n" BOX_DATA
                  "model: [flatten, dense 16, dense 4]\ntrain: {optimizer: sgd, lr: 100, momentum: 0.99, batch: 37}\n");
    sw_train_options o = box_options(b);
    assert_int_equal(sw_train(b->place->ctx, &o, &r), SW_INVALID);
    assert_text_has(sw_error_text(), "the loss became");
    assert_text_has(sw_error_text(), "step ");
    const sw_run_list *list = run_of(b, r.run);
    assert_int_equal(list->runs[0].state, SW_RUN_FAILED);
    assert_text_has(list->runs[0].why, "the loss became");
    sw_run_list_free(list);
}

static void test_patience_ends_early(void **state)
{
    box *b = *state;
    box_recipe(b, "name: box\n" BOX_DATA
                  "model: [flatten, dense 4]\ntrain: {optimizer: sgd, lr: 0, batch: 37, epochs: 50, patience: 2}\n");
    sw_train_options o = box_options(b);
    sw_train_result r = box_train(b, &o); /* a rate of 0 never gets better than the first epoch */
    assert_int_equal(r.steps, 3 * 10);
}

static void test_overrides_are_kept_with_the_run(void **state)
{
    box *b = *state;
    box_recipe(b, BOX_RECIPE);
    const char *const sets[] = {"optimizer.lr=0.02", "epochs=1"};
    sw_train_options o = box_options(b);
    o.sets = sets;
    o.set_count = 2;
    sw_train_result r = box_train(b, &o);
    assert_int_equal(r.steps, 10);
    const sw_run_list *list = run_of(b, r.run);
    assert_text_has(list->runs[0].recipe, "0.02");
    bool found = false;
    for (int i = 0; i < list->runs[0].parameter_count; i++)
        found |= strcmp(list->runs[0].parameters[i].key, "optimizer.lr") == 0 &&
                 strcmp(list->runs[0].parameters[i].value, "0.02") == 0;
    assert_true(found);
    sw_run_list_free(list);
}

/* Every allocation of a short run may fail: a status with a text, nothing else. In strides: a run makes thousands. */
static void test_no_memory_is_an_answer(void **state)
{
    box *b = *state;
    box_recipe(b, "name: box\n" BOX_DATA
                  "model: [conv 2 3 relu, maxpool 4, flatten, dense 4]\ntrain: {batch: 180, epochs: 1}\n");
    sw_train_options o = box_options(b);
    o.register_as = "boxes";
    for (uint64_t nth = 1, stride = 1;; nth += stride, stride = nth / 16 + 1) {
        sw_train_result r;
        sw_alloc_fail_at(b->place->ctx, nth);
        sw_status status = sw_train(b->place->ctx, &o, &r);
        bool hit = sw_alloc_failed(b->place->ctx);
        sw_alloc_fail_at(b->place->ctx, 0);
        if (!hit) {
            assert_int_equal(status, SW_OK);
            assert_true(nth > 100);
            break;
        }
        if (status == SW_OK)
            continue; /* a cache was left out */
        if (status != SW_NO_MEMORY)
            fail_msg("allocation %llu: %s: %s", (unsigned long long)nth, sw_status_name(status), sw_error_text());
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_make, box_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_learns_and_registers),
        TEST(test_registered_model_evaluates_the_same),
        TEST(test_same_identity_same_bits),
        TEST(test_backends_agree_on_a_whole_run),
        TEST(test_stopped_runs_resume_to_the_same_bits),
        TEST(test_resumed_metrics_are_those_of_the_whole_run),
        TEST(test_other_data_is_refused),
        TEST(test_other_identity_is_refused),
        TEST(test_finished_and_unknown_runs_do_not_resume),
        TEST(test_nan_stops_the_run),
        TEST(test_patience_ends_early),
        TEST(test_overrides_are_kept_with_the_run),
        TEST(test_no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
