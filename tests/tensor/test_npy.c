/* What the .npy and .npz readers and writers promise. The corpus files of tests/fuzz were written by NumPy 2. */
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
#include "base/zip.h"
#include "slipway/tensor.h"

static sw_context *ctx;
static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/slipway-npy-XXXXXX");
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

static char *corpus(const char *name)
{
    static char full[4096];
    snprintf(full, sizeof full, "%s/tests/fuzz/corpus/%s", getenv("SLIPWAY_SOURCE") ? getenv("SLIPWAY_SOURCE") : "..",
             name);
    return full;
}

static sw_tensor *numpys(const char *name)
{
    sw_tensor *t = NULL;
    if (sw_npy_read(ctx, corpus(name), &t) != SW_OK)
        fail_msg("%s", sw_error_text());
    return t;
}

static void assert_is(const char *name, sw_dtype dtype, sw_dims dims, const double *wanted)
{
    sw_tensor *t = numpys(name);
    assert_int_equal(sw_tensor_dtype(t), dtype);
    assert_true(sw_dims_equal(sw_tensor_dims(t), dims));
    assert_true(sw_tensor_is_contiguous(t));
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        assert_true(sw_tensor_get(t, i) == wanted[i]);
    sw_tensor_release(t);
}

static void test_what_numpy_wrote_is_read(void **state)
{
    (void)state;
    double counting[24];
    for (int i = 0; i < 24; i++)
        counting[i] = i;
    assert_is("npy/f4.npy", SW_F32, SW_DIMS(2, 3),
              (double[]){0, (double)(1 / 3.f), (double)(2 / 3.f), 1, (double)(4 / 3.f), (double)(5 / 3.f)});
    assert_is("npy/f8_big.npy", SW_F64, SW_DIMS(4), counting);
    assert_is("npy/i2_fortran.npy", SW_I16, SW_DIMS(2, 3, 4), counting);
    assert_is("npy/u8_empty.npy", SW_U8, SW_DIMS(0, 3), counting);
    assert_is("npy/bool_v2.npy", SW_BOOL, SW_DIMS(3), (double[]){1, 0, 1});
    assert_is("npy/scalar.npy", SW_I64, SW_SCALAR, (double[]){7});
    assert_is("npy/half.npy", SW_F16, SW_DIMS(3), (double[]){1, 65504, 0x1p-24});
    sw_tensor *text = numpys("npy/text_v3.npy"), *bytes = numpys("npy/bytes.npy"), *big = numpys("npy/text_big.npy");
    assert_string_equal(sw_tensor_get_string(text, 1), "Stiefel");
    assert_string_equal(sw_tensor_get_string(text, 2), "\xe9\x9d\xb4");
    assert_string_equal(sw_tensor_get_string(text, 3), "\xf0\x9f\x98\x80");
    assert_string_equal(sw_tensor_get_string(bytes, 0), "ab");
    assert_string_equal(sw_tensor_get_string(big, 0), "a\xc3\xa9");
    sw_tensor_release(text);
    sw_tensor_release(bytes);
    sw_tensor_release(big);
}

static void test_every_dtype_goes_out_and_comes_back(void **state)
{
    (void)state;
    for (int d = 1; d < SW_DTYPE_COUNT; d++) {
        sw_tensor *t = sw_tensor_zeros(ctx, (sw_dtype)d, SW_DIMS(3, 2)), *turned = sw_tensor_transpose(t, NULL), *back;
        for (int64_t i = 0; i < 6; i++)
            if (d == SW_STRING)
                sw_tensor_set_string(t, i, ((const char *[]){"a", "", "\xc3\xa9\xc3\xa9\xc3\xa9", "xyz", "", "b"})[i]);
            else
                sw_tensor_set(t, i, (double)i - (sw_dtype_is_signed((sw_dtype)d) ? 3 : 0));
        assert_int_equal(sw_npy_write(turned, path), SW_OK);
        assert_int_equal(sw_npy_read(ctx, path, &back), SW_OK);
        assert_true(sw_dims_equal(sw_tensor_dims(back), SW_DIMS(2, 3)));
        for (int64_t i = 0; i < 6; i++) {
            assert_true(sw_tensor_get(back, i) == sw_tensor_get(turned, i));
            assert_string_equal(sw_tensor_get_string(back, i), sw_tensor_get_string(turned, i));
        }
        sw_tensor_release(t);
        sw_tensor_release(turned);
        sw_tensor_release(back);
    }
}

/* Our own header is byte for byte the one that NumPy 2 writes for this array. */
static void test_our_bytes_are_numpys_bytes(void **state)
{
    (void)state;
    char *ours, *theirs;
    size_t our_size, their_size;
    sw_tensor *t = numpys("npy/f4.npy");
    assert_int_equal(sw_npy_write(t, path), SW_OK);
    sw_tensor_release(t);
    assert_int_equal(sw_file_read(ctx, path, 4096, &ours, &our_size), SW_OK);
    assert_int_equal(sw_file_read(ctx, corpus("npy/f4.npy"), 4096, &theirs, &their_size), SW_OK);
    assert_int_equal(our_size, their_size);
    assert_memory_equal(ours, theirs, our_size);
    sw_free(ctx, ours);
    sw_free(ctx, theirs);
}

static sw_status read_header(const char *header, size_t data)
{
    uint8_t file[1024] = "\x93NUMPY\1\0";
    size_t length = strlen(header);
    file[8] = (uint8_t)length;
    file[9] = (uint8_t)(length >> 8);
    memcpy(file + 10, header, length);
    sw_tensor *t;
    sw_status status = sw_npy_read_bytes(ctx, "x.npy", file, 10 + length + data, &t);
    if (status == SW_OK)
        sw_tensor_release(t);
    return status;
}

static void test_headers_are_read_as_python_would_and_no_further(void **state)
{
    (void)state;
    assert_int_equal(read_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8), SW_OK);
    assert_int_equal(read_header("{\"shape\":(2,1),\"fortran_order\":True,\"descr\":'<f4'}", 8), SW_OK);
    assert_int_equal(read_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", 8), SW_OK);
    static const struct {
        const char *header;
        size_t data;
        sw_status status;
    } bad[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 8, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 0, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1)}", 4, SW_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False}", 8, SW_CORRUPT},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 8, SW_CORRUPT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, SW_CORRUPT},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8, SW_UNSUPPORTED},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, SW_UNSUPPORTED},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", 8, SW_UNSUPPORTED},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, SW_UNSUPPORTED},
        {"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,)}", 0, SW_CORRUPT},
        {"{'descr': '<U99999999999', 'fortran_order': False, 'shape': (0,)}", 0, SW_CORRUPT},
        {"", 0, SW_CORRUPT},
        {"{", 0, SW_CORRUPT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sw_error_clear();
        sw_status status = read_header(bad[i].header, bad[i].data);
        if (status != bad[i].status)
            fail_msg("%s: %s, wanted %s", bad[i].header, sw_status_name(status), sw_status_name(bad[i].status));
        assert_non_null(strstr(sw_error_text(), "x.npy"));
    }
    uint8_t file[4096] = "\x93NUMPY\4\0";
    sw_tensor *t;
    assert_int_equal(sw_npy_read_bytes(ctx, "x", file, sizeof file, &t), SW_UNSUPPORTED);
    assert_int_equal(sw_npy_read_bytes(ctx, "x", "abc", 3, &t), SW_CORRUPT);
    memcpy(file, "\x93NUMPY\2\0\xFF\xFF\xFF\x7F", 12);
    assert_int_equal(sw_npy_read_bytes(ctx, "x", file, sizeof file, &t), SW_CORRUPT);
}

/* Every shorter file is refused, and none is read beyond its end (AddressSanitizer looks). */
static void test_no_cut_file_is_accepted(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    assert_int_equal(sw_file_read(ctx, corpus("npy/f4.npy"), 4096, &bytes, &size), SW_OK);
    for (size_t cut = 0; cut < size; cut++) {
        sw_tensor *t;
        uint8_t *copy = malloc(cut ? cut : 1);
        memcpy(copy, bytes, cut);
        assert_int_not_equal(sw_npy_read_bytes(ctx, "cut", copy, cut, &t), SW_OK);
        free(copy);
    }
    sw_free(ctx, bytes);
}

static void test_archives_by_numpy_are_read(void **state)
{
    (void)state;
    sw_npz_entry *entries;
    int count;
    assert_int_equal(sw_npz_read(ctx, corpus("npz/stored.npz"), &entries, &count), SW_OK);
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].name, "a");
    assert_int_equal(sw_tensor_dtype(entries[0].tensor), SW_I64);
    assert_true(sw_tensor_get(entries[1].tensor, 3) == 1);
    sw_npz_free(ctx, entries, count);
    assert_int_equal(sw_npz_read(ctx, corpus("npz/packed.npz"), &entries, &count), SW_OK);
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].name, "zeros");
    assert_int_equal(sw_tensor_count(entries[0].tensor), 400);
    assert_string_equal(sw_tensor_get_string(entries[1].tensor, 1), "yy");
    sw_npz_free(ctx, entries, count);
    assert_int_equal(sw_npz_read(ctx, corpus("npy/f4.npy"), &entries, &count), SW_CORRUPT);
}

static void test_archives_go_out_and_come_back(void **state)
{
    (void)state;
    sw_tensor *a = sw_tensor_from(ctx, SW_F32, SW_DIMS(2, 2), (float[]){1, 2, 3, 4}),
              *b = sw_tensor_zeros(ctx, SW_BF16, SW_DIMS(0));
    sw_npz_entry out[] = {{"weights/a", a}, {"b", b}}, *in;
    int count;
    assert_int_equal(sw_npz_write(ctx, out, 2, path), SW_OK);
    assert_int_equal(sw_npz_read(ctx, path, &in, &count), SW_OK);
    assert_int_equal(count, 2);
    assert_string_equal(in[0].name, "weights/a");
    assert_true(sw_tensor_get(in[0].tensor, 3) == 4);
    assert_int_equal(sw_tensor_count(in[1].tensor), 0);
    sw_npz_free(ctx, in, count);
    /* One changed byte of contents is noticed. */
    char *bytes;
    size_t size;
    assert_int_equal(sw_file_read(ctx, path, 1 << 16, &bytes, &size), SW_OK);
    bytes[30 + strlen("weights/a.npy") + 20 + 128 + 3] ^= 1;
    assert_int_equal(sw_file_write(ctx, path, bytes, size), SW_OK);
    assert_int_equal(sw_npz_read(ctx, path, &in, &count), SW_CORRUPT);
    assert_non_null(strstr(sw_error_text(), "CRC"));
    sw_free(ctx, bytes);
    assert_int_equal(sw_npz_write(ctx, NULL, 0, path), SW_OK);
    assert_int_equal(sw_npz_read(ctx, path, &in, &count), SW_OK);
    assert_int_equal(count, 0);
    sw_npz_free(ctx, in, count);
    sw_tensor_release(a);
    sw_tensor_release(b);
}

/* An archive whose directory names one entry many times, and one that claims a terabyte. */
static void test_bombs_are_refused_before_memory_is_taken(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    sw_zip zip;
    assert_int_equal(sw_file_read(ctx, corpus("npz/packed.npz"), 1 << 16, &bytes, &size), SW_OK);
    uint8_t *end = (uint8_t *)bytes + size - 22;
    uint32_t at = (uint32_t)end[16] | (uint32_t)end[17] << 8;
    uint8_t *central = (uint8_t *)bytes + at;
    assert_memory_equal(central, "PK\1\2", 4);
    uint8_t kept[4];
    memcpy(kept, central + 24, 4);
    memcpy(central + 24, "\0\0\0\x7F", 4);
    assert_int_equal(sw_zip_open(ctx, "bomb", bytes, size, &zip), SW_CORRUPT);
    assert_non_null(strstr(sw_error_text(), "more bytes than it can hold"));
    memcpy(central + 24, kept, 4);
    assert_int_equal(sw_zip_open(ctx, "fine", bytes, size, &zip), SW_OK);
    sw_zip_close(&zip);
    assert_true(sw_context_peak_bytes(ctx) < 1 << 20);
    sw_free(ctx, bytes);
}

static void test_every_failing_allocation_is_an_answer(void **state)
{
    (void)state;
    static const char *const files[] = {"npz/stored.npz", "npz/packed.npz"};
    for (int f = 0; f < 2; f++) {
        for (uint64_t n = 1;; n++) {
            sw_npz_entry *entries = NULL;
            int count = 0;
            sw_alloc_fail_at(ctx, n);
            sw_status status = sw_npz_read(ctx, corpus(files[f]), &entries, &count);
            if (status == SW_OK)
                status = sw_npz_write(ctx, entries, count, path);
            bool failed = sw_alloc_failed(ctx);
            sw_alloc_fail_at(ctx, 0);
            sw_npz_free(ctx, entries, count);
            assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
            assert_int_equal(sw_context_bytes(ctx), 0);
            if (!failed)
                break;
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_numpy_wrote_is_read),
        TEST(test_every_dtype_goes_out_and_comes_back),
        TEST(test_our_bytes_are_numpys_bytes),
        TEST(test_headers_are_read_as_python_would_and_no_further),
        TEST(test_no_cut_file_is_accepted),
        TEST(test_archives_by_numpy_are_read),
        TEST(test_archives_go_out_and_come_back),
        TEST(test_bombs_are_refused_before_memory_is_taken),
        TEST(test_every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
