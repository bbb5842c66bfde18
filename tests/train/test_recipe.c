/* Recipes: what they mean, and where exactly they are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "train/recipe.h"

static sw_context *ctx;
static sw_arena *arena;

static int begin(void **state)
{
    (void)state;
    ctx = sw_context_create(NULL);
    arena = ctx != NULL ? sw_arena_new(ctx) : NULL;
    return arena != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    sw_arena_free(arena);
    uint64_t left = sw_context_bytes(ctx);
    sw_context_free(ctx);
    return left == 0 ? 0 : -1;
}

static sw_status read_with(const char *text, const char *set, const sw_recipe **recipe)
{
    return sw_recipe_text(arena, "recipe.yaml", NULL, text, strlen(text), &set, set != NULL, recipe);
}

static const sw_recipe *good(const char *text, const char *set)
{
    const sw_recipe *recipe = NULL;
    sw_status status = read_with(text, set, &recipe);
    if (status != SW_OK)
        fail_msg("%s", sw_error_text());
    return recipe;
}

static void bad(const char *text, const char *set, const char *says)
{
    const sw_recipe *recipe = NULL;
    assert_int_equal(read_with(text, set, &recipe), SW_INVALID);
    assert_string_equal(sw_error_text(), says);
}

#define HEAD "name: a\ndata: mnist\nmodel:\n"

static void test_the_design_recipe(void **state)
{
    (void)state;
    const sw_recipe *r = good("name: fashion\n"
                              "data: fashion-mnist              # a known set\n"
                              "model:\n"
                              "  - conv 32 3 relu\n"
                              "  - maxpool 2\n"
                              "  - conv 64 3 relu\n"
                              "  - maxpool 2\n"
                              "  - flatten\n"
                              "  - dense 10\n"
                              "train: {optimizer: adam, lr: 1e-3, batch: 64, epochs: 8, seed: 1}\n"
                              "tune:  {lr: log(1e-4, 1e-2), batch: [32, 64, 128]}\n",
                              NULL);
    assert_string_equal(r->name, "fashion");
    assert_int_equal(r->layer_count, 6);
    const sw_layer *conv = &r->layers[2], *pool = &r->layers[3], *dense = &r->layers[5];
    assert_string_equal(conv->kind->name, "conv");
    assert_int_equal(conv->units, 64);
    assert_int_equal(conv->kernel[0], 3);
    assert_int_equal(conv->pad[1], SW_PAD_SAME);
    assert_string_equal(conv->activation->name, "relu");
    assert_true(conv->bias);
    assert_int_equal(pool->kernel[1], 2);
    assert_int_equal(pool->pad[0], 0);
    assert_int_equal(dense->units, 10);
    assert_null(dense->activation);
    assert_int_equal(r->train.optimizer, SW_ADAM);
    assert_true(r->train.lr == 1e-3);
    assert_int_equal(r->train.batch, 64);
    assert_int_equal(r->train.epochs, 8);
    assert_true(r->normalize);
}

static void test_short_form_and_map_are_the_same(void **state)
{
    (void)state;
    const sw_recipe *r = good(HEAD "- conv 8 3x5 silu stride=2x1 pad=1 dilation=2 groups=4 bias=false\n"
                                   "- conv: {filters: 8, kernel: 3x5, activation: silu, stride: 2x1, pad: 1, dilation: "
                                   "2, groups: 4, bias: false}\n"
                                   "- conv: 8 3x5 silu stride=2x1 pad=1 dilation=2 groups=4 bias=false\n"
                                   "- dropout: {rate: 0.25}\n"
                                   "- dropout 2.5e-1\n"
                                   "- flatten:\n",
                              NULL);
    for (int i = 0; i < 3; i++) {
        const sw_layer *l = &r->layers[i];
        assert_int_equal(l->units, 8);
        assert_int_equal(l->kernel[0], 3);
        assert_int_equal(l->kernel[1], 5);
        assert_int_equal(l->stride[0], 2);
        assert_int_equal(l->stride[1], 1);
        assert_int_equal(l->pad[0], 1);
        assert_int_equal(l->dilation[1], 2);
        assert_int_equal(l->groups, 4);
        assert_false(l->bias);
        assert_string_equal(l->activation->name, "silu");
    }
    assert_true(r->layers[3].rate == 0.25 && r->layers[4].rate == 0.25);
}

static void test_residual_blocks_hold_layers(void **state)
{
    (void)state;
    const sw_recipe *r = good(HEAD "- residual: [conv 8 3, batchnorm, relu, {residual: [conv 8 1]}]\n- relu\n", NULL);
    assert_int_equal(r->layer_count, 2);
    assert_int_equal(r->layers[0].child_count, 4);
    assert_string_equal(r->layers[0].children[1].kind->name, "batchnorm");
    assert_int_equal(r->layers[0].children[3].child_count, 1);
}

static void test_layer_faults_name_their_place(void **state)
{
    (void)state;
    bad("name: a\ndata: mnist\n\n\n\nmodel:\n  - convv 32 3 relu\n", NULL,
        "recipe.yaml:7:5: unknown layer 'convv' (did you mean 'conv'?)");
    bad(HEAD "- conv 32 3 rellu\n", NULL, "recipe.yaml:4:13: unknown activation 'rellu' (did you mean 'relu'?)");
    bad(HEAD "- \"conv 32 3 rellu\"\n", NULL, "recipe.yaml:4:14: unknown activation 'rellu' (did you mean 'relu'?)");
    bad(HEAD "- conv 32\n", NULL, "recipe.yaml:4:3: 'conv' needs 'kernel'");
    bad(HEAD "- conv 0 3\n", NULL, "recipe.yaml:4:8: 'filters' must be a whole number between 1 and 65536, is '0'");
    bad(HEAD "- conv 32 3 strid=2\n", NULL,
        "recipe.yaml:4:13: unknown argument of conv 'strid' (did you mean 'stride'?)");
    bad(HEAD "- conv 32 3 kernel=5\n", NULL, "recipe.yaml:4:13: 'kernel' is given twice");
    bad(HEAD "- conv 32 3x\n", NULL,
        "recipe.yaml:4:11: 'kernel' must be a number such as 3, or 3x5 for rows and columns, is '3x'");
    bad(HEAD "- conv 32 3 pad=full\n", NULL,
        "recipe.yaml:4:13: 'pad' must be same, or a number such as 1 or 1x2, is 'full'");
    bad(HEAD "- conv: {filters: 3, kernl: 3}\n", NULL,
        "recipe.yaml:4:22: unknown argument of conv 'kernl' (did you mean 'kernel'?)");
    bad(HEAD "- dropout 1.5\n", NULL, "recipe.yaml:4:11: 'rate' must be a number between 0 and 0.99, is '1.5'");
    bad(HEAD "- flatten 3\n", NULL, "recipe.yaml:4:11: 'flatten' takes no arguments, not '3'");
    bad(HEAD "- residual\n", NULL, "recipe.yaml:4:3: 'residual' needs a list of layers: {residual: [conv 64 3, …]}");
    bad(HEAD "- 7\n", NULL,
        "recipe.yaml:4:3: a layer is written as 'conv 32 3 relu' or as {conv: {filters: 32, kernel: 3}}");
    bad("name: a\ndata: mnist\nmodel: []\n", NULL, "recipe.yaml:3:8: must be a list of layers");
}

static void test_setting_faults_name_their_place(void **state)
{
    (void)state;
    bad(HEAD "- flatten\ntrain: {optimiser: adam}\n", NULL,
        "recipe.yaml:5:9: unknown key 'optimiser' (did you mean 'optimizer'?)");
    bad(HEAD "- flatten\ntrain: {optimizer: adamm}\n", NULL,
        "recipe.yaml:5:20: unknown optimizer 'adamm' (did you mean 'adam'?)");
    bad(HEAD "- flatten\ntrain: {batch: many}\n", NULL, "recipe.yaml:5:16: 'batch' is many, needs an integer");
    bad(HEAD "- flatten\ntrain: {batch: 0}\n", NULL, "recipe.yaml:5:16: 'batch' is 0, needs 1 to 1048576");
    bad(HEAD "- flatten\ntrain: {momentum: 0.5}\n", NULL,
        "recipe.yaml:5:19: 'momentum' means nothing to the optimizer 'adam'");
    bad(HEAD "- flatten\ntrain: {lr_end: 0.5}\n", NULL,
        "recipe.yaml:5:17: 'lr_end' means nothing to the schedule 'constant'");
    bad("name: a/b\ndata: mnist\nmodel: [flatten]\n", NULL,
        "recipe.yaml:1:7: the name 'a/b' must be 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or "
        "digit");
    bad("data: mnist\nmodel: [flatten]\n", NULL, "recipe.yaml:1:1: the key 'name' is missing");
    bad("- a\n", NULL, "recipe.yaml:1:1: a recipe is a map with 'name', 'data', 'model' and 'train'");
}

static void test_overrides(void **state)
{
    (void)state;
    const char *text = HEAD "- conv 8 3\n- flatten\ntrain: {lr: 0.5}\n";
    assert_true(good(text, "optimizer.lr=0.01")->train.lr == 0.01);
    assert_true(good(text, "lr=0.01")->train.lr == 0.01);
    assert_true(good(text, "train.lr=0.01")->train.lr == 0.01);
    assert_int_equal(good(text, "optimizer=sgd")->train.optimizer, SW_SGD);
    assert_int_equal(good(HEAD "- flatten\n", "epochs=3")->train.epochs, 3);
    assert_int_equal(good(text, "model.0=conv 16 3")->layers[0].units, 16);
    assert_int_equal(good(text, "model=[flatten, dense 3]")->layer_count, 2);
    assert_string_equal(sw_doc_get(good(text, "data={set: mnist, folder: x}")->data, "folder")->string, "x");
    assert_string_equal(good(text, "name=b")->name, "b");
    bad(text, "lr=fast", "--set lr:1:1: 'lr' is fast, needs a number");
    bad(text, "epohs=3", "--set epohs:1:1: unknown key 'epohs' (did you mean 'epochs'?)");
    bad(text, "lr", "--set lr: say key=value, such as optimizer.lr=0.01");
    bad(text, "model.7=flatten", "--set model.7: '7' is no position in a list of 2");
    bad(text, "lr.x=1", "--set lr.x: there is nothing inside '0.5'");
}

/* What a run keeps reads back as the same recipe, overrides included. */
static void test_written_recipe_reads_back(void **state)
{
    (void)state;
    const sw_recipe *r = good(HEAD "- conv 8 3 relu\n- {dropout: {rate: 0.1}}\ntrain: {lr: 1e-3, flip: true}\n",
                              "lr=0.25"),
                    *again;
    sw_text text;
    sw_text_init(&text, ctx);
    sw_recipe_write(r, &text);
    assert_int_equal(sw_recipe_text(arena, "stored", NULL, text.data, text.size, NULL, 0, &again), SW_OK);
    sw_text_free(&text);
    assert_true(again->train.lr == 0.25 && again->train.flip);
    assert_int_equal(again->layers[0].units, 8);
    assert_true(again->layers[1].rate == 0.1);
}

static void test_no_memory_is_an_answer(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 1000; nth++) {
        sw_arena *own = sw_arena_new(ctx);
        const char *text = HEAD "- conv 8 3\n- {residual: [conv 8 3]}\n- flatten\n", *set = "optimizer.lr=0.01";
        const sw_recipe *recipe = NULL;
        sw_alloc_fail_at(ctx, nth);
        sw_status status = sw_recipe_text(own, "r", NULL, text, strlen(text), &set, 1, &recipe);
        bool hit = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        sw_arena_free(own);
        assert_int_equal(status, hit ? SW_NO_MEMORY : SW_OK);
        if (!hit)
            return;
    }
    fail();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_design_recipe),
        TEST(test_short_form_and_map_are_the_same),
        TEST(test_residual_blocks_hold_layers),
        TEST(test_layer_faults_name_their_place),
        TEST(test_setting_faults_name_their_place),
        TEST(test_overrides),
        TEST(test_written_recipe_reads_back),
        TEST(test_no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
