/* IDX files: what they hold, and what they must not be able to do. */
#include "data/idx.h"

#include "base/random.h"
#include "data/support.h"

static sw_status parse(place *p, const uint8_t *bytes, size_t size, sw_tensor **t)
{
    *t = NULL;
    return sw_idx_parse(p->ctx, "a.idx", bytes, size, t);
}

static void test_reads_bytes(void **state)
{
    place *p = *state;
    uint8_t file[64], data[6] = {1, 2, 3, 250, 251, 252};
    size_t n = idx_bytes(file, 8, 2, (uint32_t[]){2, 3}, data, 6);
    sw_tensor *t;
    assert_int_equal(parse(p, file, n, &t), SW_OK);
    assert_int_equal(sw_tensor_dtype(t), SW_U8);
    assert_true(sw_dims_equal(sw_tensor_dims(t), SW_DIMS(2, 3)));
    assert_memory_equal(sw_tensor_data(t), data, 6);
    sw_tensor_release(t);
}

static void test_wider_elements_are_big_endian(void **state)
{
    place *p = *state;
    uint8_t file[64];
    sw_tensor *t;
    size_t n = idx_bytes(file, 0x0c, 1, (uint32_t[]){2}, (uint8_t[]){0, 0, 1, 2, 0xff, 0xff, 0xff, 0xfe}, 8);
    assert_int_equal(parse(p, file, n, &t), SW_OK);
    assert_int_equal(sw_tensor_get_int(t, 0), 258);
    assert_int_equal(sw_tensor_get_int(t, 1), -2);
    sw_tensor_release(t);
    n = idx_bytes(file, 0x0d, 1, (uint32_t[]){1}, (uint8_t[]){0x3f, 0xc0, 0, 0}, 4);
    assert_int_equal(parse(p, file, n, &t), SW_OK);
    assert_true(sw_tensor_get(t, 0) == 1.5);
    sw_tensor_release(t);
}

static void test_gzipped_is_the_same(void **state)
{
    place *p = *state;
    uint8_t data[5000], file[6000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i >> 3);
    size_t n = idx_bytes(file, 8, 3, (uint32_t[]){50, 10, 10}, data, sizeof data);
    place_write_gz(p, "a.gz", file, n);
    sw_tensor *t;
    assert_int_equal(sw_idx_read(p->ctx, p->path, &t), SW_OK);
    assert_true(sw_dims_equal(sw_tensor_dims(t), SW_DIMS(50, 10, 10)));
    assert_memory_equal(sw_tensor_data(t), data, sizeof data);
    sw_tensor_release(t);
}

/* gzip -c a >x; gzip -c b >>x is one file to gzip, and to us. */
static void test_gzip_members_are_joined(void **state)
{
    place *p = *state;
    uint8_t file[64], data[4] = {9, 8, 7, 6};
    size_t n = idx_bytes(file, 8, 1, (uint32_t[]){4}, data, 4);
    gzFile f = gzopen(place_path(p, "two.gz"), "wb");
    gzwrite(f, file, 5);
    gzclose(f);
    f = gzopen(p->path, "ab");
    gzwrite(f, file + 5, (unsigned)n - 5);
    gzclose(f);
    sw_tensor *t;
    assert_int_equal(sw_idx_read(p->ctx, p->path, &t), SW_OK);
    assert_memory_equal(sw_tensor_data(t), data, 4);
    sw_tensor_release(t);
}

static void test_no_elements_are_no_error(void **state)
{
    place *p = *state;
    uint8_t file[64];
    size_t n = idx_bytes(file, 8, 3, (uint32_t[]){0, 28, 28}, NULL, 0);
    sw_tensor *t;
    assert_int_equal(parse(p, file, n, &t), SW_OK);
    assert_int_equal(sw_tensor_count(t), 0);
    sw_tensor_release(t);
}

static void test_every_truncation_is_refused(void **state)
{
    place *p = *state;
    uint8_t file[64], data[6] = {1, 2, 3, 4, 5, 6};
    size_t n = idx_bytes(file, 8, 2, (uint32_t[]){2, 3}, data, 6);
    for (size_t size = 0; size < n; size++) {
        sw_tensor *t;
        assert_int_equal(parse(p, file, size, &t), SW_CORRUPT);
        assert_text_has(sw_error_text(), "a.idx: truncated");
        assert_null(t);
    }
    sw_tensor *t;
    file[n] = 7;
    assert_int_equal(parse(p, file, n + 1, &t), SW_CORRUPT);
    assert_text_has(sw_error_text(), "too long");
}

static void test_every_truncation_of_gzip_is_refused(void **state)
{
    place *p = *state;
    uint8_t file[600], data[512];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    size_t n = idx_bytes(file, 8, 1, (uint32_t[]){512}, data, 512);
    place_write_gz(p, "a.gz", file, n);
    char *packed;
    size_t size;
    assert_int_equal(sw_file_read(p->ctx, p->path, 1 << 20, &packed, &size), SW_OK);
    for (size_t cut = 0; cut < size; cut++) {
        sw_tensor *t;
        assert_int_equal(parse(p, (uint8_t *)packed, cut, &t), SW_CORRUPT);
    }
    packed[size - 6] ^= 1; /* the checksum behind the data */
    sw_tensor *t;
    assert_int_equal(parse(p, (uint8_t *)packed, size, &t), SW_CORRUPT);
    assert_text_has(sw_error_text(), "damaged gzip data");
    sw_free(p->ctx, packed);
}

/* A header may claim anything; memory is only taken for what the file could hold. */
static void test_claims_take_no_memory(void **state)
{
    place *p = *state;
    uint8_t file[64];
    uint64_t before = sw_context_peak_bytes(p->ctx);
    sw_tensor *t;
    size_t n = idx_bytes(file, 8, 3, (uint32_t[]){0xffffffff, 0xffffffff, 0xffffffff}, NULL, 0);
    assert_int_equal(parse(p, file, n, &t), SW_CORRUPT);
    n = idx_bytes(file, 8, 3, (uint32_t[]){60000, 1000, 200}, NULL, 0);
    assert_int_equal(parse(p, file, n, &t), SW_CORRUPT);
    place_write_gz(p, "a.gz", file, n);
    assert_int_equal(sw_idx_read(p->ctx, p->path, &t), SW_CORRUPT);
    assert_true(sw_context_peak_bytes(p->ctx) < before + (1 << 17));
}

static void test_strangers_are_refused(void **state)
{
    place *p = *state;
    sw_tensor *t;
    assert_int_equal(parse(p, (const uint8_t *)"\x89PNG\r\n\x1a\n", 8, &t), SW_CORRUPT);
    assert_text_has(sw_error_text(), "not an IDX file");
    assert_int_equal(parse(p, (const uint8_t *)"\0\0\x08\0", 4, &t), SW_CORRUPT);
    assert_int_equal(parse(p, (const uint8_t *)"\0\0\x08\x09", 4, &t), SW_CORRUPT);
    assert_text_has(sw_error_text(), "rank 9");
    assert_int_equal(parse(p, (const uint8_t *)"\0\0\x0a\x01\0\0\0\0", 8, &t), SW_CORRUPT);
    assert_int_equal(sw_idx_read(p->ctx, "/nonexistent/a", &t), SW_NOT_FOUND);
}

static void test_damaged_files_never_crash(void **state)
{
    place *p = *state;
    uint8_t file[600], data[512] = {3};
    size_t n = idx_bytes(file, 8, 2, (uint32_t[]){8, 64}, data, 512);
    place_write_gz(p, "a.gz", file, n);
    char *packed;
    size_t size;
    assert_int_equal(sw_file_read(p->ctx, p->path, 1 << 20, &packed, &size), SW_OK);
    sw_random_address at = {.seed = 1};
    for (uint32_t round = 0; round < 3000; round++, at.step++) {
        uint8_t copy[600];
        bool gz = round % 2;
        size_t length = gz ? size : n;
        memcpy(copy, gz ? (uint8_t *)packed : file, length);
        for (uint64_t hit = 0; hit < 3; hit++)
            copy[sw_random_below(at, 2 * hit, gz ? length : 16)] = (uint8_t)sw_random_u32(at, 2 * hit + 1);
        sw_tensor *t = NULL;
        if (parse(p, copy, length, &t) == SW_OK)
            sw_tensor_release(t);
        else
            assert_string_not_equal(sw_error_text(), "");
    }
    sw_free(p->ctx, packed);
}

static void test_no_memory_is_an_answer(void **state)
{
    place *p = *state;
    uint8_t file[600], data[512] = {3};
    size_t n = idx_bytes(file, 8, 2, (uint32_t[]){8, 64}, data, 512);
    place_write_gz(p, "a.gz", file, n);
    for (uint64_t nth = 1;; nth++) {
        sw_alloc_fail_at(p->ctx, nth);
        sw_tensor *t = NULL;
        sw_status status = sw_idx_read(p->ctx, p->path, &t);
        bool hit = sw_alloc_failed(p->ctx);
        sw_alloc_fail_at(p->ctx, 0);
        if (!hit) {
            assert_int_equal(status, SW_OK);
            sw_tensor_release(t);
            break;
        }
        assert_int_equal(status, SW_NO_MEMORY);
        assert_null(t);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_bytes),
        TEST(test_wider_elements_are_big_endian),
        TEST(test_gzipped_is_the_same),
        TEST(test_gzip_members_are_joined),
        TEST(test_no_elements_are_no_error),
        TEST(test_every_truncation_is_refused),
        TEST(test_every_truncation_of_gzip_is_refused),
        TEST(test_claims_take_no_memory),
        TEST(test_strangers_are_refused),
        TEST(test_damaged_files_never_crash),
        TEST(test_no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
