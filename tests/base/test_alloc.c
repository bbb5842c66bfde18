/* What alloc.h and context.h promise: counting, budget, failure on request, hooks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka wants those above first */
#include <cmocka.h>

#include "base/context.h"
#include "base/log.h"

static int make_context(void **state)
{
    *state = sw_context_create(NULL);
    return *state ? 0 : -1;
}

static int free_context(void **state)
{
    sw_context *ctx = *state;
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

static void test_bytes_return_to_zero_and_peak_stays(void **state)
{
    sw_context *ctx = *state;
    void *a = sw_alloc(ctx, 1000), *b = sw_alloc_aligned(ctx, 5000, 4096), *c = sw_alloc(ctx, 0);
    assert_non_null(a);
    assert_non_null(c);
    assert_int_equal((uintptr_t)a % 16, 0);
    assert_int_equal((uintptr_t)b % 4096, 0);
    uint64_t held = sw_context_bytes(ctx);
    assert_true(held >= 6000);
    memset(b, 1, 5000);
    sw_free(ctx, a);
    sw_free(ctx, b);
    sw_free(ctx, c);
    sw_free(ctx, NULL);
    assert_int_equal(sw_context_bytes(ctx), 0);
    assert_int_equal(sw_context_peak_bytes(ctx), held);
    assert_int_equal(sw_alloc_calls(ctx), 3);
}

static void test_realloc_keeps_contents_and_alignment(void **state)
{
    sw_context *ctx = *state;
    unsigned char *p = sw_alloc_aligned(ctx, 100, 64);
    for (int i = 0; i < 100; i++)
        p[i] = (unsigned char)i;
    p = sw_realloc(ctx, p, 100000);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], i);
    p = sw_realloc(ctx, p, 10);
    assert_int_equal(p[9], 9);
    sw_alloc_fail_at(ctx, 1);
    assert_null(sw_realloc(ctx, p, 1000));
    assert_int_equal(p[9], 9);
    sw_free(ctx, p);
}

/* A freed page in the middle is mapped no more: mincore does not know it. The C library alone would give back the first
 * block, and keep the second, which is smaller and has something behind it. */
static void test_large_blocks_go_back_to_the_system(void **state)
{
    sw_context *ctx = *state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 2; i++) {
        size_t bytes = (size_t)(16 - 4 * i) << 20;
        unsigned char there;
        char *block = sw_alloc_aligned(ctx, bytes, 4096);
        void *behind = sw_alloc(ctx, 1 << 17);
        assert_non_null(block);
        assert_non_null(behind);
        assert_int_equal((uintptr_t)block % 4096, 0);
        memset(block, 1, bytes);
        char *middle = (char *)(((uintptr_t)block + bytes / 2) / page * page);
        assert_int_equal(mincore(middle, page, &there), 0);
        sw_free(ctx, block);
        assert_int_equal(mincore(middle, page, &there), -1);
        assert_int_equal(errno, ENOMEM);
        sw_free(ctx, behind);
    }
}

static void test_sizes_that_overflow_are_refused(void **state)
{
    sw_context *ctx = *state;
    assert_null(sw_alloc_array(ctx, SIZE_MAX / 2, 3));
    assert_int_equal(sw_alloc_status(), SW_NO_MEMORY);
    assert_null(sw_alloc(ctx, SIZE_MAX));
    assert_null(sw_alloc(ctx, SIZE_MAX - 16));
    assert_null(sw_alloc(ctx, (size_t)PTRDIFF_MAX));
    assert_string_not_equal(sw_error_text(), "");
}

static void test_the_nth_allocation_fails_once(void **state)
{
    sw_context *ctx = *state;
    sw_alloc_fail_at(ctx, 2);
    void *a = sw_alloc(ctx, 8), *b = sw_alloc(ctx, 8), *c = sw_alloc(ctx, 8);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    assert_true(sw_alloc_failed(ctx));
    assert_int_equal(sw_alloc_status(), SW_NO_MEMORY);
    sw_alloc_fail_at(ctx, 0);
    assert_false(sw_alloc_failed(ctx));
    sw_free(ctx, a);
    sw_free(ctx, c);
}

static void test_budget_refuses_before_it_is_exceeded(void **state)
{
    (void)state;
    sw_context *ctx =
        sw_context_create(&(sw_context_options){.size = sizeof(sw_context_options), .budget_bytes = 10000});
    void *a = sw_alloc(ctx, 6000);
    assert_non_null(a);
    assert_null(sw_alloc(ctx, 6000));
    assert_int_equal(sw_alloc_status(), SW_BUDGET);
    assert_non_null(strstr(sw_error_text(), "10000"));
    assert_int_equal(sw_alloc_book(ctx, 3000), SW_OK);
    assert_int_equal(sw_alloc_book(ctx, 3000), SW_BUDGET);
    assert_true(sw_context_peak_bytes(ctx) <= 10000);
    sw_alloc_unbook(ctx, 3000);
    sw_free(ctx, a);
    assert_int_equal(sw_context_bytes(ctx), 0);
    sw_context_free(ctx);
}

struct counting {
    long blocks, bytes;
    bool refuse;
};

static void *counting_allocate(void *user, size_t bytes, size_t alignment)
{
    struct counting *count = user;
    void *memory = NULL;
    if (count->refuse || posix_memalign(&memory, alignment, bytes) != 0)
        return NULL;
    count->blocks++;
    count->bytes += (long)bytes;
    return memory;
}

static void counting_release(void *user, void *memory, size_t bytes)
{
    struct counting *count = user;
    count->blocks--;
    count->bytes -= (long)bytes;
    free(memory);
}

static void test_hooks_see_every_byte(void **state)
{
    (void)state;
    struct counting count = {0};
    sw_allocator hooks = {counting_allocate, counting_release, &count};
    sw_context *ctx = sw_context_create(&(sw_context_options){.size = sizeof(sw_context_options), .allocator = &hooks});
    assert_non_null(ctx);
    char *text = sw_format(ctx, "%d of %s", 7, "nine");
    assert_string_equal(text, "7 of nine");
    count.refuse = true;
    assert_null(sw_strdup(ctx, "x"));
    assert_int_equal(sw_alloc_status(), SW_NO_MEMORY);
    sw_free(ctx, text);
    sw_context_free(ctx);
    assert_int_equal(count.blocks, 0);
    assert_int_equal(count.bytes, 0);
    assert_null(sw_context_create(&(sw_context_options){.size = sizeof(sw_context_options), .allocator = &hooks}));
}

static int released[2], released_count;
static void note_release(sw_context *ctx, void *value)
{
    (void)ctx;
    released[released_count++] = *(int *)value;
}

static void test_attachments_are_released_newest_first(void **state)
{
    (void)state;
    static int first = 1, second = 2;
    static const char key_a, key_b;
    sw_context *ctx = sw_context_create(NULL);
    assert_null(sw_context_attached(ctx, &key_a));
    assert_int_equal(sw_context_attach(ctx, &key_a, &first, note_release), SW_OK);
    assert_int_equal(sw_context_attach(ctx, &key_b, &second, note_release), SW_OK);
    assert_int_equal(sw_context_attach(ctx, &key_a, &second, note_release), SW_EXISTS);
    assert_ptr_equal(sw_context_attached(ctx, &key_a), &first);
    sw_context_free(ctx);
    assert_int_equal(released_count, 2);
    assert_int_equal(released[0], 2);
    assert_int_equal(released[1], 1);
}

static void test_bad_options_are_refused_with_a_text(void **state)
{
    (void)state;
    assert_null(sw_context_create(&(sw_context_options){.size = 0}));
    assert_non_null(strstr(sw_error_text(), "size"));
    assert_null(sw_context_create(&(sw_context_options){.size = sizeof(sw_context_options), .backend = "gpu"}));
    assert_non_null(strstr(sw_error_text(), "gpu"));
    assert_null(sw_context_create(&(sw_context_options){.size = sizeof(sw_context_options), .threads = -1}));
}

static void test_trace_topics_match_whole_words(void **state)
{
    (void)state;
    sw_context *ctx = sw_context_create(
        &(sw_context_options){.size = sizeof(sw_context_options), .trace = "kernels,plan", .threads = 3});
    assert_true(sw_context_traces(ctx, "kernels"));
    assert_true(sw_context_traces(ctx, "plan"));
    assert_false(sw_context_traces(ctx, "kernel"));
    assert_false(sw_context_traces(ctx, ""));
    assert_int_equal(sw_context_threads(ctx), 3);
    assert_string_equal(sw_context_backend(ctx), "cpu");
    assert_true(sw_cpu_count() >= 1);
    sw_context_free(ctx);
}

static char last_line[4096];
static void keep_line(void *user, sw_log_level level, const char *line)
{
    *(int *)user = (int)level;
    strncpy(last_line, line, sizeof last_line - 1);
}

static void test_a_log_line_is_one_line(void **state)
{
    (void)state;
    int level = -1;
    sw_context *ctx = sw_context_create(
        &(sw_context_options){.size = sizeof(sw_context_options), .log = keep_line, .log_user = &level});
    sw_log_warn(ctx, "two\nlines %d", 5);
    assert_string_equal(last_line, "two lines 5");
    assert_int_equal(level, SW_LOG_WARN);
    char *big = calloc(1, 5000);
    memset(big, 'x', 4999);
    sw_log_info(ctx, "%s", big);
    assert_int_equal(strlen(last_line), 2048);
    free(big);
    sw_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_return_to_zero_and_peak_stays, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_realloc_keeps_contents_and_alignment, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_large_blocks_go_back_to_the_system, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_sizes_that_overflow_are_refused, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_the_nth_allocation_fails_once, make_context, free_context),
        cmocka_unit_test(test_budget_refuses_before_it_is_exceeded),
        cmocka_unit_test(test_hooks_see_every_byte),
        cmocka_unit_test(test_attachments_are_released_newest_first),
        cmocka_unit_test(test_bad_options_are_refused_with_a_text),
        cmocka_unit_test(test_trace_topics_match_whole_words),
        cmocka_unit_test(test_a_log_line_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
