/* What arena.h, vec.h, text.h, status.h, hash.h and cancellation promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/vec.h"

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

static void test_every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < SW_STATUS_COUNT; i++)
        assert_string_not_equal(sw_status_name((sw_status)i), "unknown");
    assert_string_equal(sw_status_name(SW_STATUS_COUNT), "unknown");
    assert_string_equal(sw_status_name((sw_status)-1), "unknown");
}

static void test_texts_are_one_line_and_nest(void **state)
{
    (void)state;
    assert_int_equal(sw_fail(SW_SHAPE, "a\nb %d", 4), SW_SHAPE);
    assert_string_equal(sw_error_text(), "a b 4");
    assert_int_equal(sw_fail_in(SW_SHAPE, "x.yaml:%d", 7), SW_SHAPE);
    assert_string_equal(sw_error_text(), "x.yaml:7: a b 4");
    sw_error error = sw_error_take(SW_SHAPE);
    sw_error_clear();
    assert_string_equal(sw_error_text(), "");
    assert_int_equal(sw_error_raise(&error), SW_SHAPE);
    assert_string_equal(sw_error_text(), "x.yaml:7: a b 4");
    assert_int_equal(sw_fail_errno(ENOENT, "%s", "f"), SW_NOT_FOUND);
    assert_non_null(strstr(sw_error_text(), "f: No such file"));
    assert_int_equal(sw_fail_errno(ENOSPC, "writing"), SW_IO);
    assert_string_equal(sw_error_text(), "writing: no space left");
    char big[5000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    sw_fail(SW_IO, "%s", big);
    assert_int_equal(strlen(sw_error_text()), SW_ERROR_TEXT_MAX - 1);
    sw_fail_in(SW_IO, "where");
    assert_int_equal(strlen(sw_error_text()), SW_ERROR_TEXT_MAX - 1);
    sw_fail_in(SW_IO, "%s", big);
    assert_int_equal(strlen(sw_error_text()), SW_ERROR_TEXT_MAX - 1);
}

static void test_an_arena_rewinds_to_a_steady_state(void **state)
{
    (void)state;
    sw_arena *arena = sw_arena_new(ctx);
    char *kept = sw_arena_format(arena, "%s-%d", "kept", 1);
    sw_arena_mark mark = sw_arena_mark_now(arena);
    uint64_t calls = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            unsigned char *p = sw_arena_alloc(arena, (size_t)i * 7);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            for (int j = 0; j < i * 7; j++)
                assert_int_equal(p[j], 0);
            memset(p, 0xAA, (size_t)i * 7);
        }
        assert_non_null(sw_arena_alloc(arena, 3 << 20));
        if (round == 0)
            calls = sw_alloc_calls(ctx);
        sw_arena_rewind(arena, mark);
    }
    assert_int_equal(sw_alloc_calls(ctx), calls);
    assert_string_equal(kept, "kept-1");
    assert_true(sw_arena_bytes(arena) > (3 << 20));
    sw_arena_reset(arena);
    assert_null(sw_arena_array(arena, SIZE_MAX / 2, 4));
    assert_null(sw_arena_alloc(arena, SIZE_MAX));
    assert_non_null(sw_arena_strdup(arena, ""));
    sw_alloc_fail_at(ctx, 1);
    assert_null(sw_arena_alloc(arena, 64 << 20));
    assert_non_null(sw_arena_alloc(arena, 10));
    sw_arena_free(arena);
}

static void test_an_empty_arena_rewinds_to_nothing(void **state)
{
    (void)state;
    sw_arena *arena = sw_arena_new(ctx);
    sw_arena_mark mark = sw_arena_mark_now(arena);
    char *first = sw_arena_strdup(arena, "a");
    sw_arena_alloc(arena, 100000);
    sw_arena_rewind(arena, mark);
    assert_ptr_equal(sw_arena_strdup(arena, "b"), first);
    sw_arena_free(arena);
}

static void test_a_vector_survives_a_failing_growth(void **state)
{
    (void)state;
    sw_vec(int) v = {0};
    for (int i = 0; i < 8; i++)
        assert_int_equal(sw_vec_push(ctx, &v, i), SW_OK);
    sw_alloc_fail_at(ctx, 1);
    assert_int_equal(sw_vec_push(ctx, &v, 8), SW_NO_MEMORY);
    assert_int_equal(v.count, 8);
    for (int i = 8; i < 1000; i++)
        assert_int_equal(sw_vec_push(ctx, &v, i), SW_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.items[i], i);
    assert_int_equal(sw_vec_reserve(ctx, &v, SIZE_MAX / 2), SW_NO_MEMORY);
    assert_int_equal(sw_vec_reserve(ctx, &v, SIZE_MAX), SW_NO_MEMORY);
    assert_int_equal(v.count, 1000);
    sw_vec_free(ctx, &v);
}

static void test_a_map_keeps_order_replaces_and_removes(void **state)
{
    (void)state;
    static int values[500];
    char key[16];
    const char *name;
    sw_strmap *map = sw_strmap_new(ctx);
    assert_null(sw_strmap_get(map, "k0"));
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(sw_strmap_set(map, key, &values[i]), SW_OK);
    }
    assert_int_equal(sw_strmap_set(map, "k3", &values[4]), SW_OK);
    assert_int_equal(sw_strmap_count(map), 500);
    assert_ptr_equal(sw_strmap_get(map, "k3"), &values[4]);
    for (int i = 0; i < 500; i += 2) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ptr_equal(sw_strmap_remove(map, key), &values[i]);
        assert_null(sw_strmap_remove(map, key));
    }
    assert_int_equal(sw_strmap_count(map), 250);
    for (int i = 0; i < 250; i++) {
        snprintf(key, sizeof key, "k%d", 2 * i + 1);
        sw_strmap_at(map, (size_t)i, &name);
        assert_string_equal(name, key);
        assert_non_null(sw_strmap_get(map, key));
    }
    for (uint64_t n = 1; n <= 3; n++) {
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_strmap_set(map, "another", &values[0]);
        if (sw_alloc_failed(ctx)) {
            assert_int_equal(status, SW_NO_MEMORY);
            assert_null(sw_strmap_get(map, "another"));
        }
        sw_alloc_fail_at(ctx, 0);
        sw_strmap_remove(map, "another");
    }
    sw_strmap_free(map);
}

static void test_text_keeps_its_first_error(void **state)
{
    (void)state;
    sw_text text;
    sw_text_init(&text, ctx);
    for (int i = 0; i < 100; i++)
        sw_text_addf(&text, "%d,", i);
    assert_int_equal(text.size, 290);
    assert_int_equal(strlen(text.data), 290);
    sw_text_clear(&text);
    sw_text_add(&text, "again");
    char *taken = sw_text_take(&text);
    assert_string_equal(taken, "again");
    sw_free(ctx, taken);
    sw_alloc_fail_at(ctx, 1);
    sw_text_add(&text, "x");
    sw_text_add(&text, "y");
    assert_int_equal(text.status, SW_NO_MEMORY);
    assert_null(sw_text_take(&text));
    taken = sw_text_take(&text);
    assert_string_equal(taken, "");
    sw_free(ctx, taken);
}

static void test_json_is_well_formed(void **state)
{
    (void)state;
    sw_text text;
    sw_json_writer json;
    sw_text_init(&text, ctx);
    sw_json_begin(&json, &text, false);
    sw_json_open(&json, NULL, '{');
    sw_json_string(&json, "s", "a\"b\\\n\x01\xc3\xa9\xff\xed\xa0\x80");
    sw_json_string(&json, "n", NULL);
    sw_json_open(&json, "list", '[');
    sw_json_int(&json, NULL, INT64_MIN);
    sw_json_bool(&json, NULL, true);
    sw_json_open(&json, NULL, '{');
    sw_json_close(&json, '}');
    sw_json_close(&json, ']');
    sw_json_double(&json, "d", 0.1);
    sw_json_double(&json, "inf", INFINITY);
    sw_json_float(&json, "f", 0.1f);
    sw_json_close(&json, '}');
    assert_string_equal(text.data,
                        "{\"s\":\"a\\\"b\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                        "\"n\":null,\"list\":[-9223372036854775808,true,{}],\"d\":0.1,\"inf\":null,\"f\":0.1}");
    sw_text_clear(&text);
    sw_json_begin(&json, &text, true);
    sw_json_open(&json, NULL, '{');
    sw_json_open(&json, "a", '[');
    sw_json_int(&json, NULL, 1);
    sw_json_int(&json, NULL, 2);
    sw_json_close(&json, ']');
    sw_json_close(&json, '}');
    assert_string_equal(text.data, "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    sw_text_clear(&text);
    sw_json_begin(&json, &text, false);
    for (int i = 0; i < 100; i++)
        sw_json_open(&json, NULL, '[');
    assert_int_equal(text.status, SW_INVALID);
    sw_text_free(&text);
}

static void test_numbers_read_back_equal(void **state)
{
    (void)state;
    static const double cases[] = {
        0, -0.0, 1, 1e300, 5e-324, DBL_MAX, 1.0 / 3, 123456789.123456789, 0x1.fffffffffffffp-1};
    sw_text text;
    sw_json_writer json;
    sw_text_init(&text, ctx);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sw_text_clear(&text);
        sw_json_begin(&json, &text, false);
        sw_json_double(&json, NULL, cases[i]);
        assert_true(strtod(text.data, NULL) == cases[i]);
        sw_text_clear(&text);
        sw_json_begin(&json, &text, false);
        sw_json_float(&json, NULL, (float)fmin(cases[i], FLT_MAX));
        assert_true(strtof(text.data, NULL) == (float)fmin(cases[i], FLT_MAX));
    }
    sw_text_free(&text);
}

/* FIPS 180-2's examples, and the check values of CRC-32 and FNV-1a. */
static void test_hashes_are_the_published_ones(void **state)
{
    (void)state;
    char hex[SW_SHA256_HEX];
    assert_int_equal(sw_sha256_hex("abc", 3, hex), SW_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(sw_sha256_hex(NULL, 0, hex), SW_OK);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sw_sha256 *hash = sw_sha256_new(ctx);
    for (int round = 0; round < 2; round++) {
        sw_sha256_add(hash, "a", 1);
        sw_sha256_add(hash, "bc", 2);
        assert_int_equal(sw_sha256_end(hash, hex), SW_OK);
        assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    sw_sha256_free(hash);
    assert_int_equal(sw_crc32(0, "123456789", 9), 0xCBF43926);
    assert_true(sw_fnv1a("a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(sw_fnv1a_more(sw_fnv1a("a", 1), "b", 1) == sw_fnv1a("ab", 2));
    for (uint64_t n = 1; n <= 2; n++) {
        sw_alloc_fail_at(ctx, n);
        assert_int_equal(sw_sha256_file(ctx, "/proc/self/exe", hex), SW_NO_MEMORY);
    }
    assert_int_equal(sw_sha256_file(ctx, "/proc/self/exe", hex), SW_OK);
    assert_int_equal(sw_sha256_file(ctx, "/nonexistent", hex), SW_NOT_FOUND);
}

static void test_a_token_stops_by_request_and_by_deadline(void **state)
{
    (void)state;
    sw_cancel *cancel = sw_cancel_new(ctx);
    assert_int_equal(sw_cancel_check(NULL), SW_OK);
    assert_int_equal(sw_cancel_check(cancel), SW_OK);
    sw_cancel_set_deadline(cancel, sw_now_ns() + 3600000000000u);
    assert_int_equal(sw_cancel_check(cancel), SW_OK);
    sw_cancel_set_deadline(cancel, 1);
    assert_int_equal(sw_cancel_check(cancel), SW_DEADLINE);
    sw_cancel_set_deadline(cancel, 0);
    assert_int_equal(sw_cancel_check(cancel), SW_OK);
    sw_cancel_request(cancel);
    assert_int_equal(sw_cancel_check(cancel), SW_CANCELLED);
    sw_cancel_free(cancel);
    sw_cancel_free(NULL);
}

static void test_dates(void **state)
{
    (void)state;
    char text[21];
    sw_wall_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    sw_wall_text(1796117400999, text);
    assert_string_equal(text, "2026-12-01T09:30:00Z");
    sw_wall_text(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    sw_wall_text(INT64_MAX, text);
    assert_string_equal(text, "0000-00-00T00:00:00Z");
    assert_true(sw_wall_ms() > 1600000000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_every_status_has_a_name),
        TEST(test_texts_are_one_line_and_nest),
        TEST(test_an_arena_rewinds_to_a_steady_state),
        TEST(test_an_empty_arena_rewinds_to_nothing),
        TEST(test_a_vector_survives_a_failing_growth),
        TEST(test_a_map_keeps_order_replaces_and_removes),
        TEST(test_text_keeps_its_first_error),
        TEST(test_json_is_well_formed),
        TEST(test_numbers_read_back_equal),
        TEST(test_hashes_are_the_published_ones),
        TEST(test_a_token_stops_by_request_and_by_deadline),
        TEST(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
