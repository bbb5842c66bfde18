/* What slipway/tensor.h promises of handles, views, copies, broadcasting and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>

#include "base/context.h"
#include "tensor/view.h"

static sw_context *ctx;

static int set_up(void **state)
{
    (void)state;
    return (ctx = sw_context_create(NULL)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

/* f32 0, 1, 2, … */
static sw_tensor *counted(sw_dims dims)
{
    sw_tensor *t = sw_tensor_new(ctx, SW_F32, dims);
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        ((float *)sw_tensor_data(t))[i] = (float)i;
    return t;
}

static void assert_elements(const sw_tensor *t, int count, const double *wanted)
{
    assert_int_equal(sw_tensor_count(t), count);
    for (int i = 0; i < count; i++)
        if (sw_tensor_get(t, i) != wanted[i])
            fail_msg("element %d is %g, wanted %g", i, sw_tensor_get(t, i), wanted[i]);
}
#define ASSERT_ELEMENTS(t, ...)                                                                                        \
    assert_elements(t, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})

static void test_a_fresh_tensor_is_aligned_and_contiguous(void **state)
{
    (void)state;
    for (int d = 1; d < SW_DTYPE_COUNT; d++) {
        sw_tensor *t = sw_tensor_zeros(ctx, (sw_dtype)d, SW_DIMS(3, 0, 5)),
                  *u = sw_tensor_zeros(ctx, (sw_dtype)d, SW_DIMS(3, 5));
        assert_int_equal((uintptr_t)sw_tensor_data(u) % 64, 0);
        assert_int_equal(sw_tensor_count(t), 0);
        assert_int_equal(sw_tensor_bytes(t), 0);
        assert_true(sw_tensor_is_contiguous(t) && sw_tensor_is_contiguous(u));
        assert_int_equal(sw_tensor_bytes(u), (15 * sw_dtype_bits((sw_dtype)d) + 7) / 8);
        assert_int_equal(sw_tensor_dim(u, -1), 5);
        assert_true(sw_tensor_get(u, 14) == 0);
        sw_tensor_release(t);
        sw_tensor_release(u);
    }
    sw_tensor *scalar = sw_tensor_from(ctx, SW_F64, SW_SCALAR, &(double){2.5});
    assert_int_equal(sw_tensor_rank(scalar), 0);
    ASSERT_ELEMENTS(scalar, 2.5);
    sw_tensor_release(scalar);
    sw_tensor_release(NULL);
}

static void test_impossible_tensors_are_refused(void **state)
{
    (void)state;
    assert_null(sw_tensor_new(ctx, SW_F32, SW_DIMS(2, -1)));
    assert_non_null(strstr(sw_error_text(), "dim 1 is -1"));
    assert_null(sw_tensor_new(ctx, SW_F32, SW_DIMS(INT64_MAX, 2)));
    assert_null(sw_tensor_new(ctx, SW_F32, SW_DIMS(INT64_MAX / 2)));
    assert_null(sw_tensor_new(ctx, SW_F32, (sw_dims){.rank = SW_MAX_RANK + 1}));
    assert_null(sw_tensor_new(ctx, SW_DTYPE_NONE, SW_DIMS(1)));
    assert_null(sw_tensor_new(ctx, SW_DTYPE_COUNT, SW_DIMS(1)));
    assert_null(sw_tensor_wrap(ctx, SW_F32, SW_DIMS(1), (char *)&(float[]){0, 0} + 1, NULL, NULL));
}

static void test_reshape_shares_or_copies(void **state)
{
    (void)state;
    sw_tensor *t = counted(SW_DIMS(2, 3, 4)), *flat = sw_tensor_reshape(t, SW_DIMS(-1, 4));
    assert_int_equal(sw_tensor_dim(flat, 0), 6);
    assert_ptr_equal(sw_tensor_data(flat), sw_tensor_data(t));
    sw_tensor *turned = sw_tensor_transpose(t, (int[]){2, 0, 1});
    assert_false(sw_tensor_is_contiguous(turned));
    sw_tensor *copy = sw_tensor_reshape(turned, SW_DIMS(24));
    assert_ptr_not_equal(sw_tensor_data(copy), sw_tensor_data(t));
    assert_true(sw_tensor_get(copy, 1) == 4 && sw_tensor_get(copy, 6) == 1);
    assert_null(sw_tensor_reshape(t, SW_DIMS(5, -1)));
    assert_null(sw_tensor_reshape(t, SW_DIMS(-1, -1)));
    assert_null(sw_tensor_reshape(t, SW_DIMS(23)));
    assert_non_null(strstr(sw_error_text(), "[2, 3, 4]"));
    sw_tensor *empty = sw_tensor_new(ctx, SW_F32, SW_DIMS(0, 3));
    assert_null(sw_tensor_reshape(empty, SW_DIMS(0, -1)));
    sw_tensor *other = sw_tensor_reshape(empty, SW_DIMS(7, 0));
    assert_non_null(other);
    sw_tensor *all[] = {t, flat, turned, copy, empty, other};
    for (int i = 0; i < 6; i++)
        sw_tensor_release(all[i]);
}

static void test_transpose_permutes(void **state)
{
    (void)state;
    sw_tensor *t = counted(SW_DIMS(2, 3)), *u = sw_tensor_transpose(t, NULL),
              *v = sw_tensor_transpose(u, (int[]){1, 0});
    ASSERT_ELEMENTS(u, 0, 3, 1, 4, 2, 5);
    assert_true(sw_tensor_is_contiguous(v));
    assert_null(sw_tensor_transpose(t, (int[]){0, 0}));
    assert_null(sw_tensor_transpose(t, (int[]){0, 2}));
    sw_tensor_release(t);
    ASSERT_ELEMENTS(u, 0, 3, 1, 4, 2, 5); /* the storage lives on */
    sw_tensor_release(u);
    sw_tensor_release(v);
}

static void test_slices_follow_python(void **state)
{
    (void)state;
    sw_tensor *t = counted(SW_DIMS(5));
    static const struct {
        int64_t start, stop, step;
        int count;
        double wanted[5];
    } cases[] = {{1, 4, 1, 3, {1, 2, 3}},
                 {0, 5, 2, 3, {0, 2, 4}},
                 {-2, 100, 1, 2, {3, 4}},
                 {-100, 2, 1, 2, {0, 1}},
                 {4, INT64_MIN, -1, 5, {4, 3, 2, 1, 0}},
                 {-1, -4, -2, 2, {4, 2}},
                 {3, 1, 1, 0, {0}},
                 {100, 200, 1, 0, {0}},
                 {100, -100, -3, 2, {4, 1}},
                 {0, INT64_MAX, INT64_MAX, 1, {0}},
                 {1, 3, -1, 0, {0}},
                 {2, INT64_MIN, -INT64_MAX, 1, {2}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sw_tensor *s = sw_tensor_slice(t, 0, cases[i].start, cases[i].stop, cases[i].step);
        assert_non_null(s);
        assert_elements(s, cases[i].count, cases[i].wanted);
        sw_tensor_release(s);
    }
    assert_null(sw_tensor_slice(t, 0, 0, 5, 0));
    assert_null(sw_tensor_slice(t, 1, 0, 5, 1));
    sw_tensor *m = counted(SW_DIMS(3, 4)), *column = sw_tensor_slice(m, -1, 1, 4, 2),
              *rows = sw_tensor_slice(column, 0, 2, INT64_MIN, -2);
    ASSERT_ELEMENTS(rows, 9, 11, 1, 3);
    sw_tensor *plain = sw_tensor_contiguous(rows);
    assert_memory_equal(sw_tensor_data(plain), ((float[]){9, 11, 1, 3}), 16);
    sw_tensor *four = sw_tensor_zeros(ctx, SW_I4, SW_DIMS(4));
    assert_null(sw_tensor_slice(four, 0, 1, 2, 1));
    sw_tensor *all[] = {t, m, column, rows, plain, four};
    for (int i = 0; i < 6; i++)
        sw_tensor_release(all[i]);
}

static void test_broadcasting_is_numpys(void **state)
{
    (void)state;
    static const struct {
        sw_dims a, b, out;
    } good[] = {
        {{0}, {0}, {0}},
        {{1, {3}}, {0}, {1, {3}}},
        {{2, {4, 1}}, {1, {3}}, {2, {4, 3}}},
        {{3, {2, 1, 3}}, {2, {5, 1}}, {3, {2, 5, 3}}},
        {{1, {0}}, {1, {1}}, {1, {0}}},
        {{2, {0, 3}}, {2, {1, 1}}, {2, {0, 3}}},
    };
    sw_dims out;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(sw_dims_broadcast(good[i].a, good[i].b, &out), SW_OK);
        assert_true(sw_dims_equal(out, good[i].out));
        assert_int_equal(sw_dims_broadcast(good[i].b, good[i].a, &out), SW_OK);
        assert_true(sw_dims_equal(out, good[i].out));
    }
    assert_int_equal(sw_dims_broadcast(SW_DIMS(2, 3), SW_DIMS(2), &out), SW_SHAPE);
    assert_string_equal(sw_error_text(), "dims [2, 3] and [2] do not broadcast: 3 != 2");
    assert_int_equal(sw_dims_broadcast(SW_DIMS(0), SW_DIMS(2), &out), SW_SHAPE);

    sw_tensor *t = counted(SW_DIMS(2, 1)), *wide = sw_tensor_broadcast(t, SW_DIMS(2, 2, 3));
    ASSERT_ELEMENTS(wide, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1);
    assert_int_equal(sw_tensor_strides(wide)[0], 0);
    assert_null(sw_tensor_broadcast(wide, SW_DIMS(2, 3)));
    assert_null(sw_tensor_broadcast(t, SW_DIMS(1, 1)));
    sw_tensor_release(t);
    sw_tensor_release(wide);
}

static void test_casts_keep_what_can_be_kept(void **state)
{
    (void)state;
    static const sw_dtype chain[] = {SW_F64,      SW_F16, SW_I8, SW_U4,   SW_BF16, SW_I64,
                                     SW_F8E4M3FN, SW_U16, SW_I4, SW_BOOL, SW_F32};
    sw_tensor *t = counted(SW_DIMS(2, 4)), *turned = sw_tensor_transpose(t, NULL);
    sw_tensor *now = sw_tensor_retain(turned);
    for (size_t i = 0; i < sizeof chain / sizeof *chain; i++) {
        sw_tensor *next = sw_tensor_cast(now, chain[i]);
        assert_int_equal(sw_tensor_dtype(next), chain[i]);
        sw_tensor_release(now);
        now = next;
        if (chain[i] == SW_I4)
            ASSERT_ELEMENTS(now, 0, 4, 1, 5, 2, 6, 3, 7);
    }
    ASSERT_ELEMENTS(now, 0, 1, 1, 1, 1, 1, 1, 1);
    /* Integers do not pass through double. */
    sw_tensor *big = sw_tensor_from(ctx, SW_I64, SW_DIMS(2), (int64_t[]){INT64_MAX, INT64_MIN + 1});
    sw_tensor *copy = sw_tensor_cast(big, SW_U64);
    assert_true(sw_tensor_get_int(copy, 0) == INT64_MAX && sw_tensor_get_int(copy, 1) == INT64_MIN + 1);
    /* More than a chunk, with strides on both sides. */
    sw_tensor *many = counted(SW_DIMS(3, 700)), *doubles = sw_tensor_new(ctx, SW_F64, SW_DIMS(700, 3)),
              *back = sw_tensor_transpose(doubles, NULL);
    assert_int_equal(sw_tensor_copy(back, many), SW_OK);
    for (int64_t i = 0; i < 2100; i++)
        assert_true(sw_tensor_get(back, i) == (double)i);
    assert_int_equal(sw_tensor_copy(doubles, many), SW_SHAPE);
    sw_tensor *all[] = {t, turned, now, big, copy, many, doubles, back};
    for (int i = 0; i < 8; i++)
        sw_tensor_release(all[i]);
}

static void test_strings_are_owned_by_their_storage(void **state)
{
    (void)state;
    const char *words[] = {"shoe", "", "bag", "coat"};
    sw_tensor *t = sw_tensor_from(ctx, SW_STRING, SW_DIMS(2, 2), words), *turned = sw_tensor_transpose(t, NULL);
    assert_string_equal(sw_tensor_get_string(turned, 1), "bag");
    assert_int_equal(sw_tensor_set_string(turned, 1, "a longer word"), SW_OK);
    assert_string_equal(sw_tensor_get_string(t, 2), "a longer word");
    sw_tensor *copy = sw_tensor_contiguous(turned);
    assert_int_equal(sw_tensor_set_string(copy, 0, ""), SW_OK);
    assert_string_equal(sw_tensor_get_string(t, 0), "shoe");
    assert_null(sw_tensor_cast(t, SW_F32));
    assert_int_equal(sw_tensor_set(t, 0, 1), SW_INVALID);
    assert_int_equal(sw_tensor_set_string(t, 4, "x"), SW_INVALID);
    assert_true(sw_tensor_get(t, 0) == 0);
    sw_tensor_release(t);
    sw_tensor_release(turned);
    sw_tensor_release(copy);
}

static void note(void *user, void *data)
{
    (void)data;
    ++*(int *)user;
}

static void test_wrapped_memory_is_released_once_by_the_last_view(void **state)
{
    (void)state;
    int released = 0;
    float data[6] = {0, 1, 2, 3, 4, 5};
    sw_tensor *t = sw_tensor_wrap(ctx, SW_F32, SW_DIMS(6), data, note, &released), *s = sw_tensor_slice(t, 0, 2, 4, 1);
    assert_ptr_equal(sw_tensor_data(t), data);
    sw_tensor_release(t);
    assert_int_equal(released, 0);
    ASSERT_ELEMENTS(s, 2, 3);
    sw_tensor_release(s);
    assert_int_equal(released, 1);
    for (uint64_t n = 1; n <= 2; n++) { /* on failure the memory stays with the caller */
        sw_alloc_fail_at(ctx, n);
        assert_null(sw_tensor_wrap(ctx, SW_F32, SW_DIMS(6), data, note, &released));
    }
    assert_int_equal(released, 1);
}

static void test_every_failing_allocation_is_an_answer(void **state)
{
    (void)state;
    const char *words[] = {"a", "b", "c", "d"};
    for (uint64_t n = 1;; n++) {
        sw_alloc_fail_at(ctx, n);
        sw_tensor *t = sw_tensor_from(ctx, SW_STRING, SW_DIMS(2, 2), words);
        sw_tensor *u = t ? sw_tensor_transpose(t, NULL) : NULL, *v = u ? sw_tensor_reshape(u, SW_DIMS(4)) : NULL;
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_int_equal(v == NULL, failed);
        sw_tensor_release(t);
        sw_tensor_release(u);
        sw_tensor_release(v);
        if (!failed)
            break;
        assert_int_equal(sw_context_bytes(ctx), 0);
    }
}

static void *retain_and_release(void *argument)
{
    sw_tensor *t = argument;
    for (int i = 0; i < 20000; i++) {
        sw_tensor *view = sw_tensor_slice(t, 0, 1, 3, 1);
        sw_tensor_release(sw_tensor_retain(view));
        sw_tensor_release(view);
    }
    return NULL;
}

static void test_references_are_counted_across_threads(void **state)
{
    (void)state;
    sw_tensor *t = counted(SW_DIMS(4));
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, retain_and_release, t);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ASSERT_ELEMENTS(t, 0, 1, 2, 3);
    sw_tensor_release(t);
}

static void test_dims_as_text_are_cut_and_not_overrun(void **state)
{
    (void)state;
    char text[64];
    assert_string_equal(sw_dims_text(SW_DIMS(2, 3, 28), text, sizeof text), "[2, 3, 28]");
    assert_string_equal(sw_dims_text(SW_SCALAR, text, sizeof text), "[]");
    assert_string_equal(sw_dims_text(SW_DIMS(2, 3, 28), text, 5), "[2, ");
}

/* The walk visits the same offsets as counting by hand, whatever it merges. */
static void test_a_walk_visits_every_element_in_order(void **state)
{
    (void)state;
    sw_tensor *t = counted(SW_DIMS(2, 3, 1, 4)), *turned = sw_tensor_transpose(t, (int[]){1, 3, 2, 0});
    sw_tensor *cases[] = {t, turned, sw_tensor_slice(turned, 1, 3, INT64_MIN, -2),
                          sw_tensor_broadcast(t, SW_DIMS(2, 2, 3, 5, 4))};
    for (int c = 0; c < 4; c++) {
        sw_view view = sw_view_of(cases[c]);
        sw_walk walk;
        int64_t i = 0;
        assert_true(sw_walk_begin(&walk, view.rank, view.dims, 1, (const int64_t *const[]){view.strides}));
        assert_int_equal(walk.count, sw_tensor_count(cases[c]));
        do
            assert_true(((float *)view.data)[walk.at[0]] == (float)sw_tensor_get(cases[c], i++));
        while (sw_walk_next(&walk));
        assert_int_equal(i, walk.count);
        if (c == 0)
            assert_int_equal(walk.rank, 1);
    }
    sw_walk walk;
    assert_false(sw_walk_begin(&walk, 2, (int64_t[]){3, 0}, 0, NULL));
    assert_true(sw_walk_begin(&walk, 0, NULL, 0, NULL));
    assert_false(sw_walk_next(&walk));
    for (int c = 0; c < 4; c++)
        sw_tensor_release(cases[c]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_fresh_tensor_is_aligned_and_contiguous),
        TEST(test_impossible_tensors_are_refused),
        TEST(test_reshape_shares_or_copies),
        TEST(test_transpose_permutes),
        TEST(test_slices_follow_python),
        TEST(test_broadcasting_is_numpys),
        TEST(test_casts_keep_what_can_be_kept),
        TEST(test_strings_are_owned_by_their_storage),
        TEST(test_wrapped_memory_is_released_once_by_the_last_view),
        TEST(test_every_failing_allocation_is_an_answer),
        TEST(test_references_are_counted_across_threads),
        TEST(test_dims_as_text_are_cut_and_not_overrun),
        TEST(test_a_walk_visits_every_element_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
