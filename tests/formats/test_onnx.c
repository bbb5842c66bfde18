/* What model.h promises of ONNX: what goes out comes back and computes the same; what is not supported, damaged or too
 * much is told in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "formats/onnx.h"
#include "formats/run_graph.h"
#include "formats/sample_graphs.h"
#include "formats/wire.h"
#include "graph/op.h"

static sw_context *ctx;
static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/slipway-onnx-XXXXXX");
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && (ctx = sw_context_new(NULL)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    sw_context_free(ctx);
    return 0;
}

static sw_artifact *there_and_back(sw_graph *g, const sw_artifact_info *info)
{
    sw_artifact *a = NULL;
    if (sw_artifact_write(g, info, path) != SW_OK || sw_artifact_open(ctx, path, &a) != SW_OK)
        fail_msg("%s", sw_error_text());
    return a;
}

static void assert_graphs_agree(sw_graph *a, sw_graph *b, sw_tensor *x, double tolerance)
{
    sw_tensor *left[16], *right[16];
    int count = sw_graph_output_count(a);
    assert_int_equal(sw_graph_output_count(b), count);
    if (run_graph(a, &x, left) != SW_OK || run_graph(b, &x, right) != SW_OK)
        fail_msg("%s", sw_error_text());
    for (int i = 0; i < count; i++) {
        assert_string_equal(sw_graph_output_name(a, i), sw_graph_output_name(b, i));
        assert_true(sw_dims_equal(sw_tensor_dims(left[i]), sw_tensor_dims(right[i])));
        assert_int_equal(sw_tensor_dtype(left[i]), sw_tensor_dtype(right[i]));
        for (int64_t k = 0; k < sw_tensor_count(left[i]); k++)
            if (!(fabs(sw_tensor_get(left[i], k) - sw_tensor_get(right[i], k)) <= tolerance))
                fail_msg("%s[%d]: %g and %g", sw_graph_output_name(a, i), (int)k, sw_tensor_get(left[i], k),
                         sw_tensor_get(right[i], k));
        sw_tensor_release(left[i]);
        sw_tensor_release(right[i]);
    }
}

static void test_a_trained_net_comes_back_and_computes_the_same(void **state)
{
    (void)state;
    static const char *const classes[] = {"T-shirt/top", "Stiefel \"groß\"", "靴"};
    sw_graph *g = picture_net(ctx);
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    sw_artifact_info info = {.size = sizeof info,
                             .classes = classes,
                             .class_count = 3,
                             .keys = (const char *[]){"run"},
                             .values = (const char *[]){"r-17"},
                             .metadata_count = 1};
    sw_artifact *a = there_and_back(g, &info);
    sw_graph *back = sw_artifact_graph(a);
    assert_string_equal(sw_graph_name(back), "tiny");
    assert_int_equal(sw_graph_input_count(back), 1);
    assert_string_equal(sw_value_name(sw_graph_input(back, 0)), "image");
    char text[64];
    assert_string_equal(sw_type_text(back, sw_value_type(sw_graph_input(back, 0)), text, sizeof text),
                        "u8[N, 12, 12, 1]");
    assert_string_equal(sw_type_text(back, sw_value_type(sw_graph_output(back, 0)), text, sizeof text), "f32[N, 10]");
    assert_int_equal(sw_artifact_class_count(a), 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(sw_artifact_class(a, i), classes[i]);
    assert_string_equal(sw_artifact_class(a, 3), "");
    assert_string_equal(sw_artifact_metadata(a, "run"), "r-17");
    assert_null(sw_artifact_metadata(a, "slipway.classes"));
    assert_int_equal(sw_artifact_metadata_count(a), 1);
    assert_non_null(strstr(sw_artifact_producer(a), "slipway "));
    assert_string_equal(sw_artifact_format(a), "onnx");
    for (int64_t n = 1; n <= 3; n += 2) {
        sw_tensor *x = random_tensor(ctx, SW_U8, SW_DIMS(n, 12, 12, 1), 3);
        assert_graphs_agree(g, back, x, 1e-6);
        sw_tensor_release(x);
    }
    sw_graph *taken = sw_artifact_take_graph(a);
    assert_null(sw_artifact_graph(a));
    sw_artifact_close(a);
    assert_int_equal(sw_graph_verify(taken), SW_OK);
    sw_graph_free(taken);
    sw_graph_free(g);
}

static void test_most_rows_survive_the_way(void **state)
{
    (void)state;
    sw_graph *g = many_rows(ctx);
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    sw_artifact *a = there_and_back(g, NULL);
    sw_tensor *x = random_tensor(ctx, SW_F32, SW_DIMS(2, 3, 4), 1);
    assert_graphs_agree(g, sw_artifact_graph(a), x, 1e-5);
    sw_tensor_release(x);
    sw_artifact_close(a);
    sw_graph_free(g);
}

static void test_pictures_and_norms_survive_the_way(void **state)
{
    (void)state;
    for (int antialias = 0; antialias < 2; antialias++) {
        sw_graph *g = normed_net(ctx, antialias);
        if (!sw_ok(g))
            fail_msg("%s", sw_graph_error(g));
        sw_artifact *a = there_and_back(g, NULL);
        sw_tensor *x = random_tensor(ctx, SW_U8, SW_DIMS(2, 9, 7, 3), 4);
        assert_graphs_agree(g, sw_artifact_graph(a), x, 1e-5);
        sw_tensor_release(x);
        sw_artifact_close(a);
        sw_graph_free(g);
    }
}

static void test_equal_graphs_give_equal_bytes(void **state)
{
    (void)state;
    sw_text one, two;
    sw_graph *g = picture_net(ctx);
    sw_text_init(&one, ctx);
    sw_text_init(&two, ctx);
    assert_int_equal(sw_onnx_write(g, NULL, &one), SW_OK);
    assert_int_equal(sw_onnx_write(g, NULL, &two), SW_OK);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    /* Bytes in memory are read as well as a file, in place or copied. */
    for (int copy = 0; copy < 2; copy++) {
        sw_artifact *a;
        assert_int_equal(sw_artifact_open_bytes(ctx, "bytes", one.data, one.size, copy, &a), SW_OK);
        if (copy)
            memset(one.data, 0xEE, one.size);
        sw_tensor *x = random_tensor(ctx, SW_U8, SW_DIMS(2, 12, 12, 1), 4);
        assert_graphs_agree(g, sw_artifact_graph(a), x, 1e-6);
        sw_tensor_release(x);
        sw_artifact_close(a);
    }
    sw_text_free(&one);
    sw_text_free(&two);
    sw_graph_free(g);
}

static sw_tensor *weight_of(sw_graph *g, const char *op)
{
    for (int i = 0; i < sw_graph_node_count(g); i++)
        if (strcmp(sw_node_op(sw_graph_node(g, i))->name, op) == 0)
            return sw_value_tensor(sw_node_input(sw_graph_node(g, i), 1));
    return NULL;
}

/* Large weights of our own files are used where they lie. */
static void test_weights_are_read_in_place(void **state)
{
    (void)state;
    sw_artifact *a;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), 300));
    sw_state *w = param(ctx, "w", SW_DIMS(300, 200)), *v = param(ctx, "v", SW_DIMS(200, 7));
    sw_output(g, "y", sw_gemm(g, sw_matmul(g, x, sw_read(g, w)), false, sw_read(g, v), false, SW_NONE, 1, 1));
    assert_int_equal(sw_artifact_write(g, NULL, path), SW_OK);
    uint64_t before = sw_context_bytes(ctx);
    assert_int_equal(sw_artifact_open(ctx, path, &a), SW_OK);
    assert_true(sw_context_bytes(ctx) - before < 40000);
    const char *const ops[] = {"MatMul", "Gemm"};
    sw_state *const states[] = {w, v};
    for (int i = 0; i < 2; i++) {
        sw_tensor *t = weight_of(sw_artifact_graph(a), ops[i]);
        assert_int_equal((uintptr_t)sw_tensor_data(t) % 64, 0);
        assert_memory_equal(sw_tensor_data(t), sw_tensor_data(sw_state_tensor(states[i])), sw_tensor_bytes(t));
    }
    sw_artifact_close(a);
    sw_graph_free(g);
}

/* Decoding is part of a model; ONNX has it from opset 20 on. */
static void test_decoding_pictures_raises_the_opset(void **state)
{
    (void)state;
    sw_artifact *a;
    sw_text text;
    sw_graph *g = decoder_graph(ctx);
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    sw_text_init(&text, ctx);
    assert_int_equal(sw_onnx_write(g, NULL, &text), SW_OK);
    /* opset_import {version: 20} and ir_version 9, as they are encoded */
    assert_non_null(memmem(text.data, text.size, "\x42\x04\x0a\x00\x10\x14", 6));
    assert_memory_equal(text.data, "\x08\x09", 2);
    assert_int_equal(sw_artifact_open_bytes(ctx, "decoder", text.data, text.size, true, &a), SW_OK);
    sw_graph *back = sw_artifact_graph(a);
    bool found = false;
    for (int i = 0; i < sw_graph_node_count(back); i++)
        found |= strcmp(sw_node_op(sw_graph_node(back, i))->name, "DecodeImage") == 0;
    assert_true(found);
    sw_artifact_close(a);
    sw_text_free(&text);
    sw_graph_free(g);
}

/* A model by hand: nodes as {op, inputs, outputs}. */
struct made {
    const char *op, *domain, *name;
    const char *in[3], *out[2];
};

static void put_port(sw_wire_writer *w, uint32_t field, const char *name)
{
    sw_wire_begin(w, field);
    sw_wire_put_text(w, 1, name);
    sw_wire_begin(w, 2);
    sw_wire_begin(w, 1);
    sw_wire_put_int(w, 1, 1);
    sw_wire_begin(w, 2);
    sw_wire_begin(w, 1);
    sw_wire_put_int(w, 1, 2);
    sw_wire_end(w);
    sw_wire_end(w);
    sw_wire_end(w);
    sw_wire_end(w);
    sw_wire_end(w);
}

static void put_nodes(sw_wire_writer *w, uint32_t field, const struct made *nodes, int count)
{
    for (int i = 0; i < count; i++) {
        sw_wire_begin(w, field);
        for (int k = 0; k < 3 && nodes[i].in[k]; k++)
            sw_wire_put_text(w, 1, nodes[i].in[k]);
        for (int k = 0; k < 2 && nodes[i].out[k]; k++)
            sw_wire_put_text(w, 2, nodes[i].out[k]);
        if (nodes[i].name)
            sw_wire_put_text(w, 3, nodes[i].name);
        sw_wire_put_text(w, 4, nodes[i].op);
        if (nodes[i].domain)
            sw_wire_put_text(w, 7, nodes[i].domain);
        sw_wire_end(w);
    }
}

static sw_status text_sink(void *user, const void *bytes, size_t size)
{
    sw_text_addn(user, bytes, size);
    return SW_OK;
}

static sw_status open_made(const struct made *nodes, int count, const struct made *inner, int inner_count,
                           sw_artifact **a)
{
    sw_wire_writer *w = sw_wire_writer_new(ctx);
    sw_text text;
    sw_text_init(&text, ctx);
    sw_wire_put_int(w, 1, 8);
    sw_wire_begin(w, 7);
    put_nodes(w, 1, nodes, count);
    put_port(w, 11, "x");
    put_port(w, 12, "y");
    sw_wire_end(w);
    sw_wire_begin(w, 8);
    sw_wire_put_int(w, 2, 17);
    sw_wire_end(w);
    if (inner_count) {
        sw_wire_begin(w, 25);
        sw_wire_put_text(w, 1, "Twice");
        sw_wire_put_text(w, 4, "a");
        sw_wire_put_text(w, 5, "b");
        put_nodes(w, 7, inner, inner_count);
        sw_wire_put_text(w, 10, "my");
        sw_wire_end(w);
    }
    sw_wire_finish(w, text_sink, &text);
    sw_wire_writer_free(w);
    sw_status status = sw_artifact_open_bytes(ctx, "made.onnx", text.data, text.size, true, a);
    sw_text_free(&text);
    return status;
}
#define OPEN_MADE(a, ...)                                                                                              \
    open_made((const struct made[]){__VA_ARGS__}, (int)(sizeof((struct made[]){__VA_ARGS__}) / sizeof(struct made)),   \
              NULL, 0, a)

static void assert_says(const char *text)
{
    if (!strstr(sw_error_text(), text))
        fail_msg("said '%s', wanted '%s'", sw_error_text(), text);
}

static void test_all_that_is_not_supported_is_told_at_once(void **state)
{
    (void)state;
    sw_artifact *a;
    assert_int_equal(OPEN_MADE(&a, {"NonMaxSuppression", NULL, "x/y", {"x"}, {"a"}}, {"Relu", NULL, NULL, {"a"}, {"b"}},
                               {"Einsum", NULL, NULL, {"b"}, {"c"}}, {"Einsum", NULL, NULL, {"c"}, {"d"}},
                               {"Foo", "com.x", NULL, {"d"}, {"y"}}),
                     SW_UNSUPPORTED);
    assert_string_equal(sw_error_text(),
                        "made.onnx: 3 ops are not supported: node 'x/y' (NonMaxSuppression-17); node 'c' "
                        "(Einsum-17) and 1 more; node 'y' (com.x.Foo-0)");
}

static void test_a_models_own_functions_are_inlined(void **state)
{
    (void)state;
    sw_artifact *a;
    static const struct made nodes[] = {{"Twice", "my", "call", {"x"}, {"t"}}, {"Twice", "my", NULL, {"t"}, {"y"}}};
    static const struct made inner[] = {{"Add", NULL, NULL, {"a", "a"}, {"b"}}};
    assert_int_equal(open_made(nodes, 2, inner, 1, &a), SW_OK);
    sw_tensor *x = sw_tensor_from(ctx, SW_F32, SW_DIMS(2), (float[]){1, -3}), *y;
    assert_int_equal(run_graph(sw_artifact_graph(a), &x, &y), SW_OK);
    assert_true(sw_tensor_get(y, 0) == 4 && sw_tensor_get(y, 1) == -12);
    sw_tensor_release(x);
    sw_tensor_release(y);
    sw_artifact_close(a);
    /* One that calls itself ends with a text and not with the stack. */
    static const struct made circle[] = {{"Twice", "my", NULL, {"a"}, {"b"}}};
    assert_int_equal(open_made(nodes, 2, circle, 1, &a), SW_INVALID);
    assert_says("functions call each other too often");
}

static void test_broken_models_name_the_node(void **state)
{
    (void)state;
    sw_artifact *a;
    assert_int_equal(OPEN_MADE(&a, {"Relu", NULL, "act", {"nowhere"}, {"y"}}), SW_CORRUPT);
    assert_says("made.onnx: node 'act' (Relu-6): its input 'nowhere' is made nowhere before it");
    assert_int_equal(OPEN_MADE(&a, {"Relu", NULL, NULL, {"x"}, {"z"}}), SW_CORRUPT);
    assert_says("the output 'y' is made nowhere");
    assert_int_equal(OPEN_MADE(&a, {"Relu", NULL, NULL, {"x"}, {"y"}}, {"Relu", NULL, NULL, {"x"}, {"y"}}), SW_CORRUPT);
    assert_says("two values are named 'y'");
    assert_int_equal(OPEN_MADE(&a, {"MatMul", NULL, "mm", {"x", "x"}, {"t"}}, {"Conv", NULL, "c1", {"t", "x"}, {"y"}}),
                     SW_UNSUPPORTED);
    assert_says("node 'c1' (Conv-1)");
    assert_int_equal(sw_artifact_open_bytes(ctx, "junk.onnx", "hello world", 11, true, &a), SW_UNSUPPORTED);
    assert_says("junk.onnx: is no model of a format that is read (ONNX)");
    assert_int_equal(sw_artifact_open_bytes(ctx, "junk.onnx", "\x08\x07rubbish", 9, true, &a), SW_CORRUPT);
    assert_says("junk.onnx: byte ");
    assert_int_equal(sw_artifact_open_bytes(ctx, "e.onnx", "", 0, true, &a), SW_CORRUPT);
    assert_int_equal(sw_artifact_open_bytes(ctx, "a.npy", "\x93NUMPY\1\0", 8, true, &a), SW_UNSUPPORTED);
    assert_says("an .npy array");
    assert_int_equal(sw_artifact_open(ctx, "/nonexistent/model.onnx", &a), SW_NOT_FOUND);
}

static void test_no_cut_model_is_accepted(void **state)
{
    (void)state;
    sw_text text;
    sw_graph *g = many_rows(ctx);
    sw_text_init(&text, ctx);
    assert_int_equal(sw_onnx_write(g, NULL, &text), SW_OK);
    for (size_t cut = 0; cut < text.size; cut += 1 + cut % 7) {
        sw_artifact *a = NULL;
        uint8_t *copy = malloc(cut ? cut : 1);
        memcpy(copy, text.data, cut);
        sw_status status = sw_artifact_open_bytes(ctx, "cut", copy, cut, true, &a);
        free(copy);
        if (status == SW_OK) /* the graph is whole, what follows it is cut: the opset is missing */
            fail_msg("%zu of %zu bytes were accepted", cut, text.size);
    }
    sw_text_free(&text);
    sw_graph_free(g);
}

static void test_rows_without_a_form_are_told(void **state)
{
    (void)state;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, 4));
    sw_output(g, "y", sw_add(g, x, sw_random_uniform(g, SW_F32, SW_DIMS(4), 0, 1)));
    assert_int_equal(sw_artifact_write(g, NULL, path), SW_UNSUPPORTED);
    assert_says("RandomUniform");
    sw_graph_free(g);
    g = sw_graph_new(ctx, 0);
    assert_int_equal(sw_artifact_write(g, NULL, path), SW_INVALID);
    sw_graph_free(g);
}

static void test_every_failing_allocation_is_an_answer(void **state)
{
    (void)state;
    sw_graph *g = picture_net(ctx);
    uint64_t held = sw_context_bytes(ctx);
    for (uint64_t n = 1;; n += 1 + n / 40) {
        sw_artifact *a = NULL;
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_artifact_write(g, NULL, path);
        if (status == SW_OK)
            status = sw_artifact_open(ctx, path, &a);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        /* A node's name is made when asked for, and does without memory. */
        if (status != SW_OK && !(failed && status == SW_NO_MEMORY))
            fail_msg("allocation %d: %s: %s", (int)n, sw_status_name(status), sw_error_text());
        if (status == SW_OK)
            sw_artifact_close(a);
        assert_int_equal(sw_context_bytes(ctx), held);
        if (!failed)
            break;
    }
    sw_graph_free(g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_trained_net_comes_back_and_computes_the_same),
        TEST(test_most_rows_survive_the_way),
        TEST(test_pictures_and_norms_survive_the_way),
        TEST(test_equal_graphs_give_equal_bytes),
        TEST(test_weights_are_read_in_place),
        TEST(test_decoding_pictures_raises_the_opset),
        TEST(test_all_that_is_not_supported_is_told_at_once),
        TEST(test_a_models_own_functions_are_inlined),
        TEST(test_broken_models_name_the_node),
        TEST(test_no_cut_model_is_accepted),
        TEST(test_rows_without_a_form_are_told),
        TEST(test_every_failing_allocation_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
