/* What model.h promises of safetensors and JSON parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"
#include "slipway/model.h"

static sw_context *ctx;
static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/slipway-param-XXXXXX");
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && (ctx = sw_context_create(NULL)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

/* One of each dtype that both forms know, with values that must not change. */
static int make_all(sw_named_tensor *tensors, bool strings)
{
    static const double values[] = {0, 1, 2, 0.1, -3, 100};
    static char names[SW_DTYPE_COUNT][16];
    int count = 0;
    for (int d = 1; d < SW_DTYPE_COUNT; d++) {
        bool has_form =
            strings || (sw_dtype_bits((sw_dtype)d) != 4 && d != SW_STRING && d != SW_F8E4M3FNUZ && d != SW_F8E5M2FNUZ);
        if (!has_form)
            continue;
        sw_tensor *t = sw_tensor_zeros(ctx, (sw_dtype)d, SW_DIMS(2, 3));
        for (int i = 0; i < 6; i++)
            if (d == SW_STRING)
                sw_tensor_set_string(t, i, i % 2 ? "a \"b\"\n" : "");
            else
                sw_tensor_set(t, i, values[i]);
        snprintf(names[d], sizeof names[d], "t.%s", sw_dtype_name((sw_dtype)d));
        tensors[count++] = (sw_named_tensor){names[d], t};
    }
    return count;
}

static const sw_tensor *find(const sw_named_tensor *tensors, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return tensors[i].tensor;
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void assert_same(const sw_named_tensor *a, int a_count, const sw_named_tensor *b, int b_count)
{
    assert_int_equal(a_count, b_count);
    for (int i = 0; i < a_count; i++) {
        const sw_tensor *other = find(b, b_count, a[i].name);
        assert_int_equal(sw_tensor_dtype(other), sw_tensor_dtype(a[i].tensor));
        assert_true(sw_dims_equal(sw_tensor_dims(other), sw_tensor_dims(a[i].tensor)));
        for (int64_t k = 0; k < sw_tensor_count(other); k++) {
            if (sw_tensor_get(other, k) != sw_tensor_get(a[i].tensor, k))
                fail_msg("%s[%d]: %g, wanted %g", a[i].name, (int)k, sw_tensor_get(other, k),
                         sw_tensor_get(a[i].tensor, k));
            assert_string_equal(sw_tensor_get_string(other, k), sw_tensor_get_string(a[i].tensor, k));
        }
    }
}

static void release_all(sw_named_tensor *tensors, int count)
{
    for (int i = 0; i < count; i++)
        sw_tensor_release(tensors[i].tensor);
}

static void test_safetensors_round_trip_in_place(void **state)
{
    (void)state;
    sw_named_tensor out[SW_DTYPE_COUNT], *in;
    int count, n = make_all(out, false);
    assert_int_equal(sw_safetensors_write(ctx, out, n, (const char *[]){"format"}, (const char *[]){"pt"}, 1, path),
                     SW_OK);
    uint64_t before = sw_context_bytes(ctx);
    assert_int_equal(sw_safetensors_read(ctx, path, &in, &count), SW_OK);
    assert_same(out, n, in, count);
    /* Handles only: the elements stayed in the file. */
    assert_true(sw_context_bytes(ctx) - before < (uint64_t)count * 600);
    sw_npz_free(ctx, in, count);
    release_all(out, n);
}

static void test_json_round_trip(void **state)
{
    (void)state;
    sw_named_tensor out[SW_DTYPE_COUNT], *in;
    int count, n = make_all(out, true);
    for (int i = 0; i < n; i++) /* what JSON has no numbers for */
        if (sw_dtype_is_float(sw_tensor_dtype(out[i].tensor)) && sw_dtype_bits(sw_tensor_dtype(out[i].tensor)) >= 16)
            sw_tensor_set(out[i].tensor, 5, -(double)INFINITY);
    ((uint64_t *)sw_tensor_data((sw_tensor *)find(out, n, "t.u64")))[0] = UINT64_MAX;
    assert_int_equal(sw_json_parameters_write(ctx, out, n, path), SW_OK);
    assert_int_equal(sw_json_parameters_read(ctx, path, &in, &count), SW_OK);
    assert_same(out, n, in, count);
    assert_true(((uint64_t *)sw_tensor_data(find(in, count, "t.u64")))[0] == UINT64_MAX);
    sw_npz_free(ctx, in, count);
    release_all(out, n);
}

static void put(const char *header, size_t data)
{
    uint8_t file[2048] = {0};
    size_t length = strlen(header);
    file[0] = (uint8_t)length;
    file[1] = (uint8_t)(length >> 8);
    memcpy(file + 8, header, length);
    assert_int_equal(sw_file_write(ctx, path, file, 8 + length + data), SW_OK);
}

/* A file by hand in the layout of the format's description. */
static void test_a_published_safetensors_file_is_read(void **state)
{
    (void)state;
    sw_named_tensor *in;
    int count;
    put("{\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[2,10]},\"a\":{\"dtype\":\"I8\",\"shape\":[2],"
        "\"data_offsets\":[0,2]}}   ",
        10);
    assert_int_equal(sw_safetensors_read(ctx, path, &in, &count), SW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(sw_tensor_dim(find(in, count, "b"), 0), 2);
    sw_npz_free(ctx, in, count);
    put("{}", 0);
    assert_int_equal(sw_safetensors_read(ctx, path, &in, &count), SW_OK);
    assert_int_equal(count, 0);
    sw_npz_free(ctx, in, count);
}

static void test_damaged_safetensors_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *says;
    } bad[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "beyond the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "has 9 bytes of tensors"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "do not fit its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "a dim"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "do not fit"},
        {"{\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"I8\",\"shape\":[2],\"data_"
         "offsets\":[1,3]}}",
         3, "overlap"},
        {"{\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "holes"},
        {"{\"a\":{\"dtype\":\"X8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "'X8'"},
        {"{\"a\":{\"dtype\":\"I8\",\"shape\":[2]}}", 2, "data_offsets"},
        {"{\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[2,0]}}", 2, "no range"},
        {"{\"a\":1}", 0, "needs dtype"},
        {"[1]", 0, "no JSON object"},
        {"{\"a\":", 0, "param"},
    };
    sw_named_tensor *in;
    int count;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(bad[i].header, bad[i].data);
        assert_int_not_equal(sw_safetensors_read(ctx, path, &in, &count), SW_OK);
        if (!strstr(sw_error_text(), bad[i].says) || !strstr(sw_error_text(), path))
            fail_msg("%s said '%s'", bad[i].header, sw_error_text());
    }
    assert_int_equal(sw_file_write(ctx, path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), SW_OK);
    assert_int_equal(sw_safetensors_read(ctx, path, &in, &count), SW_CORRUPT);
    assert_int_equal(sw_file_write(ctx, path, "abc", 3), SW_OK);
    assert_int_equal(sw_safetensors_read(ctx, path, &in, &count), SW_CORRUPT);
    sw_named_tensor text = {"words", sw_tensor_zeros(ctx, SW_STRING, SW_DIMS(1))};
    assert_int_equal(sw_safetensors_write(ctx, &text, 1, NULL, NULL, 0, path), SW_UNSUPPORTED);
    assert_non_null(strstr(sw_error_text(), "'words'"));
    sw_tensor_release(text.tensor);
}

static sw_status read_json(const char *text, sw_named_tensor **in, int *count)
{
    assert_int_equal(sw_file_write(ctx, path, text, strlen(text)), SW_OK);
    return sw_json_parameters_read(ctx, path, in, count);
}

static void test_nested_lists_are_tensors_too(void **state)
{
    (void)state;
    sw_named_tensor *in;
    int count;
    assert_int_equal(read_json("{\"w\": [[1, 2.5], [3, 4]], \"n\": [1, 2], \"s\": 7, \"e\": []}", &in, &count), SW_OK);
    assert_int_equal(sw_tensor_dtype(in[0].tensor), SW_F32);
    assert_true(sw_tensor_get(in[0].tensor, 1) == 2.5 && sw_tensor_rank(in[0].tensor) == 2);
    assert_int_equal(sw_tensor_dtype(in[1].tensor), SW_I64);
    assert_int_equal(sw_tensor_rank(in[2].tensor), 0);
    assert_int_equal(sw_tensor_count(in[3].tensor), 0);
    sw_npz_free(ctx, in, count);
    static const char *const bad[] = {"{\"w\": [[1], [2, 3]]}",
                                      "{\"w\": [[1], 2]}",
                                      "{\"w\": [null]}",
                                      "{\"w\": [\"x\"]}",
                                      "[1]",
                                      "{\"w\": {\"dtype\": \"f32\", \"shape\": [3], \"data\": [1, 2]}}",
                                      "{\"w\": {\"dtype\": \"i8\", \"shape\": [1], \"data\": [300]}}",
                                      "{\"w\": {\"dtype\": \"i8\", \"shape\": [1], \"data\": [1.5]}}",
                                      "{\"w\": {\"dtype\": \"q8\", \"shape\": [1], \"data\": [1]}}",
                                      "{\"w\": {\"shape\": [1], \"data\": [1]}}",
                                      "{\"w\": {\"dtype\": \"u8\", \"shape\": [1], \"data\": [-1]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_json(bad[i], &in, &count), SW_INVALID);
        assert_non_null(strstr(sw_error_text(), path));
    }
}

static void test_every_failing_allocation_is_an_answer(void **state)
{
    (void)state;
    sw_named_tensor out[SW_DTYPE_COUNT], *in;
    int count, n = make_all(out, false);
    uint64_t held = sw_context_bytes(ctx);
    for (int form = 0; form < 2; form++) {
        for (uint64_t k = 1;; k += 1 + k / 8) {
            in = NULL;
            sw_alloc_fail_at(ctx, k);
            sw_status status = form ? sw_json_parameters_write(ctx, out, n, path)
                                    : sw_safetensors_write(ctx, out, n, NULL, NULL, 0, path);
            if (status == SW_OK)
                status = form ? sw_json_parameters_read(ctx, path, &in, &count)
                              : sw_safetensors_read(ctx, path, &in, &count);
            bool failed = sw_alloc_failed(ctx);
            sw_alloc_fail_at(ctx, 0);
            assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
            if (status == SW_OK)
                sw_npz_free(ctx, in, count);
            assert_int_equal(sw_context_bytes(ctx), held);
            if (!failed)
                break;
        }
    }
    release_all(out, n);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_safetensors_round_trip_in_place),      TEST(test_json_round_trip),
        TEST(test_a_published_safetensors_file_is_read), TEST(test_damaged_safetensors_are_refused),
        TEST(test_nested_lists_are_tensors_too),         TEST(test_every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
