/* Data sets: splits, classes, hashes, statistics, and what is said when something is missing or wrong. */
#include <math.h>

#include "data/dataset.h"
#include "data/known.h"
#include "data/support.h"

static int64_t count(sw_dataset *data, sw_data_split split)
{
    int64_t n = -1;
    assert_int_equal(sw_dataset_count(data, split, &n), SW_OK);
    return n;
}

/* Which picture of write_tiny this is. */
static int which(const sw_tensor *x) { return ((const uint8_t *)sw_tensor_data(x))[0] - 1; }

static void test_splits_share_nothing_and_lose_nothing(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 120, 20);
    sw_dataset *data = open_tiny(p, "mnist", 30);
    assert_non_null(data);
    assert_int_equal(count(data, SW_SPLIT_TRAIN), 90);
    assert_int_equal(count(data, SW_SPLIT_VALIDATION), 30);
    assert_int_equal(count(data, SW_SPLIT_TEST), 20);
    int seen[140] = {0};
    for (int s = 0; s < SW_SPLIT_COUNT; s++)
        for (int64_t i = 0; i < count(data, (sw_data_split)s); i++) {
            sw_tensor *x, *y;
            assert_int_equal(sw_dataset_sample(data, (sw_data_split)s, i, &x, &y), SW_OK);
            assert_int_equal(sw_tensor_get_int(y, 0), which(x) % 10);
            seen[which(x)]++;
            sw_tensor_release(x);
            sw_tensor_release(y);
        }
    for (int i = 0; i < 140; i++)
        assert_int_equal(seen[i], 1);
    sw_dataset_close(data);
}

/* The held-out pictures are a property of the set, not of a run: these are the first ones on any machine. */
static void test_validation_split_is_fixed(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 100, 1);
    int held[2][5];
    for (int round = 0; round < 2; round++) {
        sw_dataset *data = open_tiny(p, "mnist", 5);
        for (int i = 0; i < 5; i++) {
            sw_tensor *x;
            assert_int_equal(sw_dataset_sample(data, SW_SPLIT_VALIDATION, i, &x, NULL), SW_OK);
            held[round][i] = which(x);
            sw_tensor_release(x);
        }
        sw_dataset_close(data);
    }
    assert_memory_equal(held[0], held[1], sizeof held[0]);
    for (int i = 1; i < 5; i++)
        assert_true(held[0][i] > held[0][i - 1]);
}

static void test_pictures_and_labels_are_typed(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 24, 3);
    sw_dataset *data = open_tiny(p, "fashion-mnist:test", -1);
    assert_non_null(data);
    assert_int_equal(sw_dataset_split(data), SW_SPLIT_TEST);
    assert_int_equal(count(data, SW_SPLIT_VALIDATION), 2);
    assert_true(sw_dataset_is_pictures(data));
    assert_true(sw_dims_equal(sw_dataset_x_dims(data), SW_DIMS(4, 3, 1)));
    assert_int_equal(sw_dataset_y_dtype(data), SW_I64);
    assert_int_equal(sw_dataset_y_dims(data).rank, 0);
    assert_int_equal(sw_dataset_classes(data), 10);
    assert_string_equal(sw_dataset_class_name(data, 9), "Ankle boot");
    assert_string_equal(sw_dataset_class_name(data, 12), "12");
    sw_dataset_close(data);
}

/* The test part is not read before somebody asks: it may even be broken until then. */
static void test_test_part_is_read_late(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 24, 3);
    place_write(p, "t10k-images-idx3-ubyte", "broken", 6);
    sw_dataset *data = open_tiny(p, "mnist", 2);
    assert_non_null(data);
    int64_t n;
    assert_int_equal(sw_dataset_count(data, SW_SPLIT_TEST, &n), SW_CORRUPT);
    assert_text_has(sw_error_text(), "t10k-images-idx3-ubyte: not an IDX file");
    assert_null(sw_dataset_hash(data, SW_SPLIT_TEST));
    write_tiny_mnist(p, 24, 3);
    assert_int_equal(count(data, SW_SPLIT_TEST), 3);
    sw_dataset_close(data);
}

static void test_hash_follows_content(void **state)
{
    place *p = *state;
    char before[SW_SHA256_HEX];
    write_tiny_mnist(p, 24, 3);
    sw_dataset *data = open_tiny(p, "mnist", 2);
    strcpy(before, sw_dataset_hash(data, SW_SPLIT_TRAIN));
    assert_string_equal(before, sw_dataset_hash(data, SW_SPLIT_VALIDATION));
    assert_string_not_equal(before, sw_dataset_hash(data, SW_SPLIT_TEST));
    sw_dataset_close(data);
    data = open_tiny(p, "fashion-mnist", 0); /* the name and the split are not content */
    assert_string_equal(before, sw_dataset_hash(data, SW_SPLIT_TRAIN));
    sw_dataset_close(data);
    write_tiny(p, "train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", 1, 24);
    data = open_tiny(p, "mnist", 2);
    assert_string_not_equal(before, sw_dataset_hash(data, SW_SPLIT_TRAIN));
    sw_dataset_close(data);
}

static void test_statistics_are_of_training_only(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 100, 1);
    sw_dataset *data = open_tiny(p, "mnist", 40);
    double sum = 0, square = 0, mean, deviation;
    for (int64_t i = 0; i < 60; i++) {
        sw_tensor *x;
        assert_int_equal(sw_dataset_sample(data, SW_SPLIT_TRAIN, i, &x, NULL), SW_OK);
        double v = (which(x) + 1) / 255.0;
        sum += v;
        square += v * v;
        sw_tensor_release(x);
    }
    assert_int_equal(sw_dataset_channels(data), 1);
    assert_int_equal(sw_dataset_statistics(data, &mean, &deviation), SW_OK);
    assert_true(fabs(mean - sum / 60) < 1e-12);
    assert_true(fabs(deviation - sqrt(square / 60 - sum / 60 * sum / 60)) < 1e-12);
    sw_dataset_close(data);
}

static void write_npy(place *p, const char *name, sw_dtype dtype, sw_dims dims, const void *values)
{
    sw_tensor *t = sw_tensor_from(p->ctx, dtype, dims, values);
    assert_non_null(t);
    assert_int_equal(sw_npy_write(t, place_path(p, name)), SW_OK);
    sw_tensor_release(t);
}

static sw_dataset *open_recipe(place *p, const char *text)
{
    place_write(p, "recipe.yaml", text, strlen(text));
    return sw_dataset_open(p->ctx, p->path, NULL);
}

static void test_npy_pair_from_a_recipe(void **state)
{
    place *p = *state;
    write_npy(p, "x.npy", SW_F32, SW_DIMS(4, 2), (float[]){1, 10, 2, 10, 3, 10, 4, 10});
    write_npy(p, "y.npy", SW_I32, SW_DIMS(4), (int32_t[]){0, 1, 2, 1});
    sw_dataset *data =
        open_recipe(p, "name: a\ndata: {npy: {x: x.npy, y: y.npy}, classes: [red, green, blue], validation: 0}\n");
    assert_non_null(data);
    assert_int_equal(count(data, SW_SPLIT_TRAIN), 4);
    assert_int_equal(count(data, SW_SPLIT_TEST), 0);
    assert_int_equal(sw_dataset_classes(data), 3);
    assert_string_equal(sw_dataset_class_name(data, 2), "blue");
    assert_false(sw_dataset_is_pictures(data));
    double mean[2], deviation[2];
    assert_int_equal(sw_dataset_statistics(data, mean, deviation), SW_OK);
    assert_true(fabs(mean[0] - 2.5) < 1e-12 && fabs(mean[1] - 10) < 1e-12);
    assert_true(fabs(deviation[0] - sqrt(1.25)) < 1e-12);
    assert_true(deviation[1] == 1); /* a column that never varies is left alone */
    sw_dataset_close(data);
}

static void test_faults_are_named(void **state)
{
    place *p = *state;
    assert_null(open_tiny(p, "mnist", 5));
    assert_text_has(sw_error_text(), "mnist: there is no ");
    assert_text_has(sw_error_text(), "name the folder");
    assert_null(sw_dataset_open(p->ctx, "fashon-mnist", NULL));
    assert_text_has(sw_error_text(), "unknown data set 'fashon-mnist' (did you mean 'fashion-mnist'?)");
    assert_null(open_tiny(p, "mnist:tset", 5));
    assert_text_has(sw_error_text(), "'tset' is no split");

    write_tiny_mnist(p, 24, 3);
    assert_null(open_tiny(p, "mnist", 24));
    assert_text_has(sw_error_text(), "24 samples cannot be held out of 24");
    write_tiny(p, "train-images-idx3-ubyte", "other.gz", 0, 23);
    assert_null(open_tiny(p, "mnist", 2));
    assert_text_has(sw_error_text(), "23 samples");
    assert_text_has(sw_error_text(), "24 targets");

    assert_null(open_recipe(p, "data: {idx: {images: nowhere, labels: nowhere}}\n"));
    assert_text_has(sw_error_text(), "recipe.yaml:1:");
    assert_text_has(sw_error_text(), "there is no file");
    assert_null(open_recipe(p, "data: {set: mnist, idx: {images: a, labels: b}}\n"));
    assert_text_has(sw_error_text(), "exactly one of");
    assert_null(open_recipe(p, "data: {set: mnist, foldr: x}\n"));
    assert_text_has(sw_error_text(), "did you mean 'folder'");
    assert_null(open_recipe(p, "name: nothing\n"));
    assert_text_has(sw_error_text(), "has no 'data'");
}

static void test_bad_labels_are_refused(void **state)
{
    place *p = *state;
    write_npy(p, "x.npy", SW_F32, SW_DIMS(2, 2), (float[]){1, 2, 3, 4});
    write_npy(p, "y.npy", SW_I64, SW_DIMS(2), (int64_t[]){0, -3});
    assert_null(open_recipe(p, "data: {npy: {x: x.npy, y: y.npy}}\n"));
    assert_text_has(sw_error_text(), "label -3 of sample 1");
    write_npy(p, "y.npy", SW_I64, SW_DIMS(2), (int64_t[]){0, 2});
    assert_null(open_recipe(p, "data: {npy: {x: x.npy, y: y.npy}, classes: [a, b]}\n"));
    assert_text_has(sw_error_text(), "not between 0 and 1");
}

static void test_fashion_mnist_is_what_it_is(void **state)
{
    place *p = *state;
    if (!sw_path_exists(sw_known_sets[0].folder)) {
        print_message("skipped: dataset-fashion-mnist is not installed\n");
        skip();
    }
    sw_dataset *data = sw_dataset_open(p->ctx, "fashion-mnist", NULL);
    assert_non_null(data);
    assert_int_equal(count(data, SW_SPLIT_TRAIN), 55000);
    assert_int_equal(count(data, SW_SPLIT_VALIDATION), 5000);
    assert_int_equal(count(data, SW_SPLIT_TEST), 10000);
    double mean, deviation;
    assert_int_equal(sw_dataset_statistics(data, &mean, &deviation), SW_OK);
    assert_true(fabs(mean - 0.2860) < 0.001 && fabs(deviation - 0.3530) < 0.001); /* customary values for all 60,000 */
    sw_dataset_close(data);
}

static void test_no_memory_is_an_answer(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 24, 3);
    for (uint64_t nth = 1;; nth++) {
        sw_alloc_fail_at(p->ctx, nth);
        sw_dataset *data = open_tiny(p, "mnist", 2);
        bool hit = sw_alloc_failed(p->ctx);
        sw_alloc_fail_at(p->ctx, 0);
        assert_true(hit == (data == NULL));
        sw_dataset_close(data);
        if (!hit)
            break;
        assert_string_not_equal(sw_error_text(), "");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_splits_share_nothing_and_lose_nothing),
        TEST(test_validation_split_is_fixed),
        TEST(test_pictures_and_labels_are_typed),
        TEST(test_test_part_is_read_late),
        TEST(test_hash_follows_content),
        TEST(test_statistics_are_of_training_only),
        TEST(test_npy_pair_from_a_recipe),
        TEST(test_faults_are_named),
        TEST(test_bad_labels_are_refused),
        TEST(test_fashion_mnist_is_what_it_is),
        TEST(test_no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
