/* What wire.h promises: what is written is read, and nothing damaged is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/text.h"
#include "formats/wire.h"

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

static sw_status to_text(void *user, const void *bytes, size_t size)
{
    sw_text_addn(user, bytes, size);
    return ((sw_text *)user)->status;
}

/* The examples of protobuf's own encoding page. */
static void test_the_published_encodings(void **state)
{
    (void)state;
    sw_wire_writer *w = sw_wire_writer_new(ctx);
    sw_text out;
    sw_text_init(&out, ctx);
    sw_wire_put_int(w, 1, 150);
    sw_wire_put_text(w, 2, "testing");
    sw_wire_begin(w, 3);
    sw_wire_put_int(w, 1, 150);
    sw_wire_end(w);
    sw_wire_put_packed_ints(w, 6, (int64_t[]){3, 270, 86942}, 3);
    sw_wire_put_int(w, 4, -2);
    assert_int_equal(sw_wire_finish(w, to_text, &out), SW_OK);
    static const uint8_t wanted[] = "\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01\x32\x06\x03\x8e\x02\x9e\xa7\x05"
                                    "\x20\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_int_equal(out.size, sizeof wanted - 1);
    assert_memory_equal(out.data, wanted, out.size);
    sw_text_free(&out);
    sw_wire_writer_free(w);
}

static void test_nested_messages_with_references_are_read_back(void **state)
{
    (void)state;
    enum { BIG = 100000 };
    uint8_t *big = malloc(BIG);
    memset(big, 7, BIG);
    sw_wire_writer *w = sw_wire_writer_new(ctx);
    sw_text out;
    sw_text_init(&out, ctx);
    sw_wire_begin(w, 7);
    sw_wire_put_text(w, 1, "before");
    sw_wire_begin(w, 5);
    sw_wire_put_reference(w, 9, big, BIG);
    sw_wire_put_float(w, 2, 1.5f);
    sw_wire_end(w);
    sw_wire_put_reference(w, 3, big, 0);
    sw_wire_begin(w, 5);
    sw_wire_put_reference(w, 9, big, 3);
    sw_wire_put_double(w, 4, -2.5);
    sw_wire_end(w);
    sw_wire_end(w);
    assert_int_equal(sw_wire_finish(w, to_text, &out), SW_OK);
    assert_int_equal(out.size, sw_wire_size(w));
    sw_wire_writer_free(w);

    sw_wire outer, graph, tensor;
    sw_wire_field field, inner;
    int seen = 0;
    sw_wire_open(&outer, "x", out.data, out.size);
    assert_true(sw_wire_next(&outer, &field));
    assert_int_equal(field.number, 7);
    graph = sw_wire_enter(&outer, &field);
    while (sw_wire_next(&graph, &field)) {
        if (field.number != 5)
            continue;
        tensor = sw_wire_enter(&graph, &field);
        assert_true(sw_wire_next(&tensor, &inner));
        assert_int_equal(inner.number, 9);
        assert_int_equal(inner.size, seen ? 3 : BIG);
        assert_memory_equal(inner.bytes, big, inner.size);
        assert_true(sw_wire_next(&tensor, &inner));
        assert_true(seen ? sw_wire_double(&tensor, &inner) == -2.5 : sw_wire_float(&tensor, &inner) == 1.5f);
        assert_false(sw_wire_next(&tensor, &inner));
        assert_int_equal(sw_wire_status(&tensor), SW_OK);
        seen++;
    }
    assert_int_equal(sw_wire_status(&graph), SW_OK);
    assert_int_equal(seen, 2);
    assert_false(sw_wire_next(&outer, &field));
    sw_text_free(&out);
    free(big);
}

static void test_a_fixed_length_says_where_the_next_byte_stands(void **state)
{
    (void)state;
    sw_wire_writer *w = sw_wire_writer_new(ctx);
    sw_text out;
    sw_text_init(&out, ctx);
    sw_wire_begin_fixed(w, 7);
    sw_wire_put_reference(w, 1, "abcdef", 6);
    sw_wire_begin_fixed(w, 5);
    sw_wire_put_text(w, 1, "x");
    uint64_t at = sw_wire_size(w);
    sw_wire_put_bytes(w, 2, "HERE", 4);
    sw_wire_end(w);
    sw_wire_end(w);
    assert_int_equal(sw_wire_finish(w, to_text, &out), SW_OK);
    assert_memory_equal(out.data + at + 2, "HERE", 4);
    sw_wire wire, inner;
    sw_wire_field field;
    sw_wire_open(&wire, "x", out.data, out.size);
    assert_true(sw_wire_next(&wire, &field));
    inner = sw_wire_enter(&wire, &field);
    assert_true(sw_wire_next(&inner, &field) && sw_wire_next(&inner, &field));
    inner = sw_wire_enter(&inner, &field);
    assert_true(sw_wire_next(&inner, &field) && sw_wire_next(&inner, &field));
    assert_int_equal(field.size, 4);
    assert_false(sw_wire_next(&inner, &field));
    assert_int_equal(sw_wire_status(&inner), SW_OK);
    sw_text_free(&out);
    sw_wire_writer_free(w);
}

static void test_damage_is_noticed_and_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x08", 1},                                              /* a varint that is not there */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},     /* 65 bits */
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}, /* eleven bytes */
        {"\x12\x05"
         "abc",
         5},                                                  /* a length beyond the end */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* 2^64 - 1 bytes */
        {"\x0d\x01\x02\x03", 4},                              /* three of four bytes */
        {"\x09\x01\x02\x03\x04\x05\x06\x07", 8},              /* seven of eight */
        {"\x0b\x0c", 2},                                      /* a group */
        {"\x0f", 1},                                          /* wire type 7 */
        {"\x00\x01", 2},                                      /* field 0 */
        {"\xf8\xff\xff\xff\xff\xff\x01\x01", 8},              /* a field number of 40 bits */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sw_wire wire;
        sw_wire_field field;
        sw_wire_open(&wire, "bad.onnx", bad[i].bytes, bad[i].size);
        assert_false(sw_wire_next(&wire, &field));
        assert_int_equal(sw_wire_status(&wire), SW_CORRUPT);
        assert_non_null(strstr(sw_error_text(), "bad.onnx: byte "));
        assert_false(sw_wire_next(&wire, &field));
    }
}

static void test_a_field_of_another_type_is_damage(void **state)
{
    (void)state;
    sw_wire wire;
    sw_wire_field field;
    const uint8_t *bytes;
    size_t size;
    sw_wire_open(&wire, "x", "\x08\x01\x08\x01", 4);
    assert_true(sw_wire_next(&wire, &field));
    assert_false(sw_wire_bytes(&wire, &field, &bytes, &size));
    assert_int_equal(sw_wire_status(&wire), SW_CORRUPT);
    assert_false(sw_wire_next(&wire, &field));
    sw_wire_open(&wire, "x", "\x08\x01", 2);
    sw_wire_next(&wire, &field);
    sw_wire inner = sw_wire_enter(&wire, &field);
    assert_false(sw_wire_next(&inner, &field));
    assert_int_equal(sw_wire_status(&inner), SW_CORRUPT);
    assert_int_equal(sw_wire_status(&wire), SW_OK);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    uint8_t bytes[300];
    size_t at = sizeof bytes;
    for (int i = 0; i < 100; i++) { /* from the inside out: field 1, the length so far */
        uint8_t length = (uint8_t)(sizeof bytes - at);
        if (length >= 0x80)
            break;
        bytes[--at] = length;
        bytes[--at] = 0x0a;
    }
    sw_wire wire;
    sw_wire_field field;
    sw_wire_open(&wire, "x", bytes + at, sizeof bytes - at);
    for (int depth = 0; sw_wire_next(&wire, &field); depth++) {
        wire = sw_wire_enter(&wire, &field);
        assert_true(depth < SW_WIRE_MAX_DEPTH + 1);
    }
    wire.depth = SW_WIRE_MAX_DEPTH;
    wire.status = SW_OK;
    sw_wire inner = sw_wire_enter(&wire, &(sw_wire_field){1, SW_WIRE_BYTES, 0, bytes, 4});
    assert_int_equal(sw_wire_status(&inner), SW_CORRUPT);
}

static void test_repeated_numbers_packed_or_not(void **state)
{
    (void)state;
    sw_wire wire;
    sw_wire_field field;
    uint64_t bits;
    size_t position = 0;
    sw_wire_open(&wire, "x", "\x32\x06\x03\x8e\x02\x9e\xa7\x05\x30\x05", 10);
    assert_true(sw_wire_next(&wire, &field));
    assert_int_equal(sw_wire_repeated_count(&wire, &field, SW_WIRE_VARINT), 3);
    static const uint64_t wanted[] = {3, 270, 86942};
    for (int i = 0; i < 3; i++) {
        assert_true(sw_wire_repeated(&wire, &field, SW_WIRE_VARINT, &position, &bits));
        assert_int_equal(bits, wanted[i]);
    }
    assert_false(sw_wire_repeated(&wire, &field, SW_WIRE_VARINT, &position, &bits));
    assert_true(sw_wire_next(&wire, &field));
    position = 0;
    assert_int_equal(sw_wire_repeated_count(&wire, &field, SW_WIRE_VARINT), 1);
    assert_true(sw_wire_repeated(&wire, &field, SW_WIRE_VARINT, &position, &bits));
    assert_int_equal(bits, 5);
    assert_false(sw_wire_repeated(&wire, &field, SW_WIRE_VARINT, &position, &bits));
    assert_int_equal(sw_wire_status(&wire), SW_OK);
    sw_wire_open(&wire, "x", "\x32\x03\x01\x02\x03", 5);
    sw_wire_next(&wire, &field);
    assert_int_equal(sw_wire_repeated_count(&wire, &field, SW_WIRE_FIXED32), 0);
    assert_int_equal(sw_wire_status(&wire), SW_CORRUPT);
    sw_wire_open(&wire, "x", "\x32\x02\x01\x82", 4);
    sw_wire_next(&wire, &field);
    assert_int_equal(sw_wire_repeated_count(&wire, &field, SW_WIRE_VARINT), 0);
    assert_int_equal(sw_wire_zigzag(&wire, &(sw_wire_field){.type = SW_WIRE_VARINT, .integer = 3}), -2);
}

static void test_failing_memory_is_kept_until_finish(void **state)
{
    (void)state;
    for (uint64_t n = 2;; n++) {
        sw_text out;
        sw_text_init(&out, ctx);
        sw_wire_writer *w = sw_wire_writer_new(ctx);
        sw_alloc_fail_at(ctx, n - 1);
        for (int i = 0; i < 20; i++) {
            sw_wire_begin(w, 1);
            sw_wire_put_text(w, 2, "some text that fills the buffer");
            sw_wire_put_reference(w, 3, "bytes", 5);
            sw_wire_end(w);
        }
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_int_equal(sw_wire_finish(w, to_text, &out), failed ? SW_NO_MEMORY : SW_OK);
        sw_wire_writer_free(w);
        sw_text_free(&out);
        if (!failed)
            break;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_published_encodings),
        TEST(test_nested_messages_with_references_are_read_back),
        TEST(test_a_fixed_length_says_where_the_next_byte_stands),
        TEST(test_damage_is_noticed_and_told_with_its_place),
        TEST(test_a_field_of_another_type_is_damage),
        TEST(test_depth_is_limited),
        TEST(test_repeated_numbers_packed_or_not),
        TEST(test_failing_memory_is_kept_until_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
