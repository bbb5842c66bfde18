/* Placing buffers: no two that are alive together overlap, and the peak is never below what must be alive at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "compile/program.h"

enum { MOST = 200 };

static size_t most_alive(const sw_placing *items, int count)
{
    size_t most = 0;
    for (int step = 0; step < MOST; step++) {
        size_t alive = 0;
        for (int i = 0; i < count; i++)
            if (items[i].first <= step && step <= items[i].last)
                alive += sw_align_up(items[i].bytes, SW_TENSOR_ALIGNMENT);
        most = alive > most ? alive : most;
    }
    return most;
}

static void assert_apart(const sw_placing *items, int count, size_t total)
{
    for (int i = 0; i < count; i++) {
        const sw_placing *a = &items[i];
        assert_int_equal(a->offset % SW_TENSOR_ALIGNMENT, 0);
        assert_true(a->offset + a->bytes <= total);
        for (int k = 0; k < i; k++) {
            const sw_placing *b = &items[k];
            bool together = a->first <= b->last && b->first <= a->last;
            bool overlap = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
            assert_false(together && overlap);
        }
    }
}

static void test_buffers_alive_together_never_overlap(void **state)
{
    (void)state;
    sw_placing items[MOST];
    int order[MOST];
    for (uint32_t round = 0; round < 200; round++) {
        sw_random_address at = {.seed = 7, .stream = round};
        int count = (int)sw_random_below(at, 0, MOST);
        for (int i = 0; i < count; i++) {
            int first = (int)sw_random_below(at, (uint64_t)i * 3 + 1, MOST - 20);
            items[i] = (sw_placing){.bytes = sw_random_below(at, (uint64_t)i * 3 + 2, 5000),
                                    .first = first,
                                    .last = first + (int)sw_random_below(at, (uint64_t)i * 3 + 3, 20)};
        }
        size_t total;
        assert_int_equal(sw_place(items, count, order, &total), SW_OK);
        assert_apart(items, count, total);
        assert_true(total >= most_alive(items, count) || count == 0);
    }
}

static void test_a_chain_needs_two_buffers(void **state)
{
    (void)state;
    sw_placing items[50];
    int order[50];
    for (int i = 0; i < 50; i++)
        items[i] = (sw_placing){.bytes = 1024, .first = i, .last = i + 1};
    size_t total;
    assert_int_equal(sw_place(items, 50, order, &total), SW_OK);
    assert_int_equal(total, 2048);
}

static void test_nothing_to_place_needs_nothing(void **state)
{
    (void)state;
    sw_placing items[2] = {{.bytes = 0, .first = 0, .last = 3}, {.bytes = 0, .first = 1, .last = 2}};
    int order[2];
    size_t total = 1;
    assert_int_equal(sw_place(items, 0, order, &total), SW_OK);
    assert_int_equal(total, 0);
    assert_int_equal(sw_place(items, 2, order, &total), SW_OK);
    assert_int_equal(total, 0);
}

static void test_what_cannot_be_addressed_is_refused(void **state)
{
    (void)state;
    sw_placing items[2] = {{.bytes = SIZE_MAX / 2 + 1, .first = 0, .last = 3}, {.bytes = 64, .first = 1, .last = 2}};
    int order[2];
    size_t total;
    assert_int_equal(sw_place(items, 2, order, &total), SW_BUDGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers_alive_together_never_overlap),
        cmocka_unit_test(test_a_chain_needs_two_buffers),
        cmocka_unit_test(test_nothing_to_place_needs_nothing),
        cmocka_unit_test(test_what_cannot_be_addressed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
