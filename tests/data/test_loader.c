/* Batches: every sample once an epoch, the same bits however a batch is reached. */
#include "base/hash.h"
#include "data/augment.h"
#include "data/support.h"

static sw_loader_options shuffled(int64_t batch, uint64_t seed)
{
    return (sw_loader_options){
        .size = sizeof(sw_loader_options), .split = SW_SPLIT_TRAIN, .batch = batch, .shuffle = true, .seed = seed};
}

static void take(sw_loader *loader, sw_batch *batch) { assert_int_equal(sw_loader_next(loader, batch, NULL), SW_OK); }

static int sample_of(const sw_batch *batch, int64_t i)
{
    return ((const uint8_t *)sw_tensor_data(batch->x))[i * TINY_HEIGHT * TINY_WIDTH] - 1;
}

/* A number for the bits of the next `batches` batches. */
static uint64_t bits(sw_loader *loader, int64_t batches)
{
    uint64_t hash = 0;
    for (int64_t b = 0; b < batches; b++) {
        sw_batch batch;
        take(loader, &batch);
        hash = sw_fnv1a_more(hash, sw_tensor_data(batch.x), sw_tensor_bytes(batch.x));
        hash = sw_fnv1a_more(hash, sw_tensor_data(batch.y), sw_tensor_bytes(batch.y));
    }
    return hash;
}

static void test_an_epoch_is_every_sample_once(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 103, 1);
    sw_dataset *data = open_tiny(p, "mnist", 3);
    sw_loader_options o = shuffled(8, 1);
    sw_loader *loader = open_loader(data, &o);
    assert_int_equal(sw_loader_batches(loader), 13);
    int first_order[100], same = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[103] = {0}, at = 0;
        for (int64_t b = 0; b < 13; b++) {
            sw_batch batch;
            take(loader, &batch);
            assert_int_equal(batch.epoch, epoch);
            assert_int_equal(batch.index, b);
            assert_int_equal(batch.count, b == 12 ? 4 : 8);
            assert_int_equal(batch.last, b == 12);
            assert_int_equal(sw_tensor_dim(batch.x, 0), batch.count);
            assert_int_equal(sw_tensor_dim(batch.y, 0), batch.count);
            for (int64_t i = 0; i < batch.count; i++, at++) {
                int sample = sample_of(&batch, i);
                assert_int_equal(sw_tensor_get_int(batch.y, i), sample % 10);
                seen[sample]++;
                if (epoch == 0)
                    first_order[at] = sample;
                else
                    same += first_order[at] == sample;
            }
        }
        int total = 0;
        for (int i = 0; i < 103; i++)
            total += seen[i], assert_in_range(seen[i], 0, 1);
        assert_int_equal(total, 100);
    }
    assert_true(same < 30); /* two further epochs of 100: another order each time */
    sw_loader_close(loader);
    sw_dataset_close(data);
}

static void test_drop_last_leaves_out_the_short_batch(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 100, 1);
    sw_dataset *data = open_tiny(p, "mnist", 0);
    sw_loader_options o = shuffled(30, 1);
    o.drop_last = true;
    sw_loader *loader = open_loader(data, &o);
    assert_int_equal(sw_loader_batches(loader), 3);
    for (int i = 0; i < 7; i++) {
        sw_batch batch;
        take(loader, &batch);
        assert_int_equal(batch.count, 30);
        assert_int_equal(batch.epoch, i / 3);
    }
    sw_loader_close(loader);
    sw_dataset_close(data);
}

static void test_without_shuffle_the_order_is_the_file(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 20, 10);
    sw_dataset *data = open_tiny(p, "mnist", 0);
    sw_loader_options o = {.size = sizeof o, .split = SW_SPLIT_TEST, .batch = 4};
    sw_loader *loader = open_loader(data, &o);
    for (int b = 0, at = 20; b < 3; b++) {
        sw_batch batch;
        take(loader, &batch);
        for (int64_t i = 0; i < batch.count; i++)
            assert_int_equal(sample_of(&batch, i), at++);
    }
    sw_loader_close(loader);
    sw_dataset_close(data);
}

/* From any cursor on, with any prefetch: the bits of the run that went there. */
static void test_resuming_is_exact(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 50, 1);
    sw_dataset *data = open_tiny(p, "mnist", 5);
    for (int start = 0; start < 17; start++) {
        sw_loader_options o = shuffled(7, 9);
        o.shift = 1;
        o.flip = true;
        sw_loader *straight = open_loader(data, &o);
        bits(straight, start);
        o.from = sw_loader_cursor(straight);
        o.prefetch = 1 + start % 5;
        sw_loader *resumed = open_loader(data, &o);
        assert_true(bits(resumed, 20) == bits(straight, 20));
        sw_cursor a = sw_loader_cursor(resumed), b = sw_loader_cursor(straight);
        assert_true(a.epoch == b.epoch && a.batch == b.batch);
        sw_loader_close(straight);
        sw_loader_close(resumed);
    }
    sw_dataset_close(data);
}

static void test_another_seed_is_another_run(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 50, 1);
    sw_dataset *data = open_tiny(p, "mnist", 0);
    uint64_t seen[3];
    for (uint64_t seed = 0; seed < 3; seed++) {
        sw_loader_options o = shuffled(10, seed % 2);
        sw_loader *loader = open_loader(data, &o);
        seen[seed] = bits(loader, 5);
        sw_loader_close(loader);
    }
    assert_true(seen[0] == seen[2] && seen[0] != seen[1]);
    sw_dataset_close(data);
}

static void test_taking_allocates_nothing(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 50, 1);
    sw_dataset *data = open_tiny(p, "mnist", 0);
    sw_loader_options o = shuffled(7, 1);
    sw_loader *loader = open_loader(data, &o);
    uint64_t before = sw_alloc_calls(p->ctx);
    bits(loader, 100);
    assert_int_equal(sw_alloc_calls(p->ctx), before);
    sw_loader_close(loader);
    sw_dataset_close(data);
}

static void test_moves_are_what_they_say(void **state)
{
    (void)state;
    const uint8_t from[6] = {1, 2, 3, 4, 5, 6}; /* 2 rows of 3 */
    sw_augment a = {.shift = 1, .flip = true, .height = 2, .width = 3, .channels = 1};
    uint8_t to[6];
    sw_augment_apply(&a, (sw_move){.down = 1, .right = 0}, from, to);
    assert_memory_equal(to, ((uint8_t[]){0, 0, 0, 1, 2, 3}), 6);
    sw_augment_apply(&a, (sw_move){.down = 0, .right = -1}, from, to);
    assert_memory_equal(to, ((uint8_t[]){2, 3, 0, 5, 6, 0}), 6);
    sw_augment_apply(&a, (sw_move){.flip = true}, from, to);
    assert_memory_equal(to, ((uint8_t[]){3, 2, 1, 6, 5, 4}), 6);
    sw_augment colour = {.height = 1, .width = 2, .channels = 3, .flip = true};
    sw_augment_apply(&colour, (sw_move){.flip = true}, from, to);
    assert_memory_equal(to, ((uint8_t[]){4, 5, 6, 1, 2, 3}), 6); /* channels stay together */
}

static void test_moves_reach_every_place(void **state)
{
    (void)state;
    sw_augment a = {.shift = 2, .flip = true, .height = 28, .width = 28, .channels = 1};
    int seen[5][5][2] = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        sw_move m = sw_augment_draw(&a, (sw_random_address){.seed = 3}, i);
        assert_in_range(m.down + 2, 0, 4);
        assert_in_range(m.right + 2, 0, 4);
        seen[m.down + 2][m.right + 2][m.flip]++;
    }
    for (int i = 0; i < 50; i++) /* 100 expected in each cell, deviation 10 */
        assert_in_range((&seen[0][0][0])[i], 50, 150);
}

static void test_faults_are_named(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 20, 1);
    sw_dataset *data = open_tiny(p, "mnist", 0);
    sw_loader_options o = shuffled(0, 1);
    assert_null(open_loader(data, &o));
    o.batch = 4;
    o.shift = 3;
    assert_null(open_loader(data, &o));
    assert_text_has(sw_error_text(), "shift must be between 0 and 2");
    o.shift = 0;
    o.from = (sw_cursor){0, 6};
    assert_null(open_loader(data, &o));
    assert_text_has(sw_error_text(), "5 batches");
    o.from = (sw_cursor){0};
    o.split = SW_SPLIT_VALIDATION;
    sw_loader *loader = open_loader(data, &o);
    sw_batch batch;
    assert_int_equal(sw_loader_next(loader, &batch, NULL), SW_NOT_FOUND);
    assert_text_has(sw_error_text(), "the validation split is empty");
    sw_loader_close(loader);
    sw_dataset_close(data);
}

static void test_a_cancelled_taker_returns(void **state)
{
    place *p = *state;
    write_tiny_mnist(p, 20, 1);
    sw_dataset *data = open_tiny(p, "mnist", 0);
    sw_loader_options o = shuffled(4, 1);
    sw_loader *loader = open_loader(data, &o);
    sw_cancel *cancel = sw_cancel_new(p->ctx);
    sw_cancel_request(cancel);
    sw_batch batch;
    assert_int_equal(sw_loader_next(loader, &batch, cancel), SW_CANCELLED);
    sw_cancel_free(cancel);
    sw_loader_close(loader);
    sw_dataset_close(data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_epoch_is_every_sample_once),
        TEST(test_drop_last_leaves_out_the_short_batch),
        TEST(test_without_shuffle_the_order_is_the_file),
        TEST(test_resuming_is_exact),
        TEST(test_another_seed_is_another_run),
        TEST(test_taking_allocates_nothing),
        TEST(test_moves_are_what_they_say),
        TEST(test_moves_reach_every_place),
        TEST(test_faults_are_named),
        TEST(test_a_cancelled_taker_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
