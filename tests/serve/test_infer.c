/* The reader and writer of inference documents: every datatype, every order of members, every fault with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/context.h"
#include "serve/request.h"
#include "tensor/dtype.h"

static sw_context *ctx;

static int make_context(void **state)
{
    *state = ctx = sw_context_create(NULL);
    return ctx ? 0 : -1;
}

static int free_context(void **state)
{
    int left = sw_context_bytes(*state) != 0;
    sw_context_free(*state);
    return left;
}

/* A model with one input "x" of that type, and an output "y" like it. */
static sw_servable model_of(sw_port ports[2], sw_dtype dtype, sw_dims dims, bool batched)
{
    ports[0] = (sw_port){"x", dtype, dims};
    ports[1] = (sw_port){"y", dtype, dims};
    return (sw_servable){.version = 3,
                         .input_count = 1,
                         .output_count = 1,
                         .inputs = ports,
                         .outputs = ports + 1,
                         .batched = batched,
                         .max_batch = 8};
}

/* Reads `data` into a tensor of that type and writes it out again. */
static void check_round(sw_dtype dtype, const char *datatype, const char *shape, sw_dims dims, const char *data,
                        const char *written)
{
    char body[1024], wanted[1024];
    sw_port ports[2];
    sw_servable model = model_of(ports, dtype, dims, false);
    sw_request r = {.ctx = ctx};
    int size =
        snprintf(body, sizeof body, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"%s\",\"shape\":%s,\"data\":%s}]}",
                 datatype, shape, data);
    sw_status status = sw_infer_read(&r, &model, body, (size_t)size);
    if (status != SW_OK)
        fail_msg("%s: %s", body, sw_error_text());
    sw_tensor *t = sw_tensor_new(ctx, dtype, r.inputs.items[0].dims);
    if (dtype == SW_STRING)
        for (int64_t i = 0; i < sw_tensor_count(t); i++)
            sw_tensor_set_string(t, i,
                                 r.strings.items + ((uint64_t *)(void *)(r.data.items + r.inputs.items[0].at))[i]);
    else if (r.inputs.items[0].bytes)
        memcpy(sw_tensor_data(t), r.data.items + r.inputs.items[0].at, r.inputs.items[0].bytes);
    sw_text text;
    sw_text_init(&text, ctx);
    sw_infer_write(&r, "m", &model, &t, 0, &text);
    snprintf(
        wanted, sizeof wanted,
        "{\"model_name\":\"m\",\"model_version\":\"3\",\"outputs\":[{\"name\":\"y\",\"datatype\":\"%s\",\"shape\":%s,"
        "\"data\":%s}]}",
        datatype, shape, written);
    assert_string_equal(text.data, wanted);
    sw_text_free(&text);
    sw_tensor_release(t);
    sw_request_free(&r);
}

static void test_every_datatype_goes_in_and_out(void **state)
{
    (void)state;
    sw_dims three = {1, {3}};
    check_round(SW_BOOL, "BOOL", "[3]", three, "[true, 0,1]", "[true,false,true]");
    check_round(SW_U8, "UINT8", "[3]", three, "[0,1,255]", "[0,1,255]");
    check_round(SW_U16, "UINT16", "[3]", three, "[0,1,65535]", "[0,1,65535]");
    check_round(SW_U32, "UINT32", "[3]", three, "[0,1,4294967295]", "[0,1,4294967295]");
    check_round(SW_U64, "UINT64", "[3]", three, "[0,1,18446744073709551615]", "[0,1,18446744073709551615]");
    check_round(SW_I8, "INT8", "[3]", three, "[-128,1,127]", "[-128,1,127]");
    check_round(SW_I16, "INT16", "[3]", three, "[-32768,1,32767]", "[-32768,1,32767]");
    check_round(SW_I32, "INT32", "[3]", three, "[-2147483648,1,2147483647]", "[-2147483648,1,2147483647]");
    check_round(SW_I64, "INT64", "[3]", three, "[-9223372036854775808,1,9223372036854775807]",
                "[-9223372036854775808,1,9223372036854775807]");
    check_round(SW_F16, "FP16", "[3]", three, "[0.5,-2,65504]", "[0.5,-2,65504]");
    check_round(SW_BF16, "BF16", "[3]", three, "[0.5,-2,1]", "[0.5,-2,1]");
    check_round(SW_F32, "FP32", "[3]", three, "[0.1,NaN,-Infinity]", "[0.1,NaN,-Infinity]");
    check_round(SW_F64, "FP64", "[3]", three, "[0.1,1e300,-3]", "[0.1,1e+300,-3]");
    check_round(SW_STRING, "BYTES", "[3]", three, "[\"a\\\"b\",\"\\u00e9\\ud83d\\ude00\",\"\"]",
                "[\"a\\\"b\",\"\xC3\xA9\xF0\x9F\x98\x80\",\"\"]");
}

static void test_data_is_flat_or_nested_and_may_be_empty(void **state)
{
    (void)state;
    sw_dims d = {3, {2, 1, 2}}, empty = {2, {0, 3}}, scalar = {0, {0}};
    check_round(SW_I32, "INT32", "[2,1,2]", d, "[1,2,3,4]", "[1,2,3,4]");
    check_round(SW_I32, "INT32", "[2,1,2]", d, "[ [ [1 , 2] ] , [[3,4]]\n]", "[1,2,3,4]");
    check_round(SW_I32, "INT32", "[0,3]", empty, "[]", "[]");
    check_round(SW_I32, "INT32", "[]", scalar, "[7]", "[7]");
}

static sw_status read_body(sw_request *r, const char *body)
{
    static sw_port ports[2];
    static sw_servable model;
    model = model_of(ports, SW_I32, (sw_dims){2, {-1, 2}}, true);
    r->ctx = ctx;
    r->outputs.count = r->data.count = 0;
    return sw_infer_read(r, &model, body, strlen(body));
}

static void test_members_come_in_any_order(void **state)
{
    (void)state;
    sw_request r = {0};
    assert_int_equal(read_body(&r, "{\"outputs\":[{\"parameters\":{},\"name\":\"y\"}],\"unknown\":[{\"a\":[[]]}],"
                                   "\"inputs\":[{\"data\":[[1,2],[3,4]],\"parameters\":{\"p\":1},\"shape\":[2,2],"
                                   "\"datatype\":\"INT32\",\"n\\u0061me\":\"x\"}],\"id\":\"7\"}"),
                     SW_OK);
    assert_int_equal(r.rows, 2);
    assert_int_equal(r.outputs.count, 1);
    assert_memory_equal(r.data.items + r.inputs.items[0].at, ((int32_t[]){1, 2, 3, 4}), 16);
    sw_request_free(&r);
}

static void test_faults_say_where_they_are(void **state)
{
    (void)state;
#define INPUT(data) "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"INT32\",\"data\":" data "}]}"
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"", "line 1, column 1: expected '{' (an object), found the end"},
        {"[]", "line 1, column 1: expected '{' (an object), found '['"},
        {"{\"inputs\":1}", "line 1, column 11: expected '[' (a list), found '1'"},
        {"{} x", "line 1, column 4: expected the end, found 'x'"},
        {"{\"a\":tru}", "line 1, column 6: expected a value, found 't'"},
        {"{\"a\" 1}", "line 1, column 6: expected ':' behind a key, found '1'"},
        {"{\"a\":1,}", "line 1, column 8: expected a string, found '}'"},
        {"{\"a\":\"", "line 1, column 7: a string without its closing quote"},
        {"{\"a\":\"\n\"}", "line 1, column 7: a control byte in a string"},
        {"{\"inputs\":[]}", "input 'x' is missing"},
        {"{\"inputs\":[{\"name\":\"x\"}]}", "line 1, column 24: an input without \"datatype\""},
        {"{\"inputs\":[],\"inputs\":[]}", "line 1, column 23: \"inputs\" is given twice"},
        {INPUT("[1,2,3]"), "line 1, column 71: input 'x': shape [2, 2] has 4 elements, the data 3"},
        {INPUT("[1,2,3,4,5]"), "line 1, column 73: input 'x': shape [2, 2] has 4 elements, the data at least 5"},
        {INPUT("[[1,2,3],[4]]"), "line 1, column 72: input 'x': a list of 3 at level 2, the shape says 2"},
        {INPUT("[[1,2],3,4]"), "line 1, column 71: input 'x': elements and lists are mixed"},
        {INPUT("[[[1,2],[3,4]]]"), "line 1, column 67: input 'x': nested deeper than its shape"},
        {INPUT("[1,2,3,\"4\"]"), "line 1, column 71: expected a number, found '\"'"},
        {INPUT("[1,2,3,4.5]"), "line 1, column 71: input 'x': 4.5 is no INT32"},
        {INPUT("[1,2,3,2147483648]"), "line 1, column 71: input 'x': 2147483648 is no INT32"},
        {INPUT("[1,2,3,4"), "line 1, column 72: expected ',' or ']' in the data, found '}'"},
        {"{\"inputs\":[{\"name\":\"x\",\"shape\":[1000000,2],\"datatype\":\"INT32\",\"data\":[1]}]}",
         "line 1, column 70: input 'x': shape [1000000, 2] has 2000000 elements, the data has room for 3"},
        {"{\"inputs\":[{\"name\":\"x\",\"shape\":[4294967296,4294967296],\"datatype\":\"INT32\",\"data\":[1]}]}",
         "input 'x' has shape [4294967296, 4294967296], the model takes [-1, 2] (-1: any size)"},
        {"{\"inputs\":[{\"name\":\"x\",\"shape\":[-1,2],\"datatype\":\"INT32\",\"data\":[1]}]}",
         "line 1, column 35: a dim is a whole number from 0"},
        {"{\"outputs\":[{\"name\":\"z\"}],\"inputs\":[]}",
         "line 1, column 24: the model has no output 'z' (it has 'y')"},
        {"{\"parameters\":{\"timeout\":-5}}", "line 1, column 28: \"timeout\" is a whole number of microseconds"},
    };
    sw_request r = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sw_status status = read_body(&r, cases[i].body);
        assert_true(status == SW_INVALID || status == SW_SHAPE);
        if (strcmp(sw_error_text(), cases[i].text) != 0)
            fail_msg("%s\n  said  %s\n  wants %s", cases[i].body, sw_error_text(), cases[i].text);
    }
    sw_request_free(&r);
}

static void test_nesting_is_limited_without_a_stack(void **state)
{
    (void)state;
    static char body[2000000];
    sw_request r = {0};
    memcpy(body, "{\"a\":", 5);
    memset(body + 5, '[', sizeof body - 6);
    assert_int_equal(read_body(&r, body), SW_INVALID);
    assert_string_equal(sw_error_text(), "line 1, column 106: nested deeper than 100");
    sw_request_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_datatype_goes_in_and_out, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_data_is_flat_or_nested_and_may_be_empty, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_members_come_in_any_order, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_faults_say_where_they_are, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_nesting_is_limited_without_a_stack, make_context, free_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
