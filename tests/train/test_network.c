/* Networks made from recipes: against PyTorch, and every layer on shapes nobody planned for. */
#include <math.h>

#include "train/support.h"

static sw_arena *arena;
static sw_dataset *data;
static sw_network *network;
static sw_stepper *stepper;

static void build(box *b, const char *text)
{
    const sw_recipe *recipe;
    box_recipe(b, text);
    arena = sw_arena_new(b->place->ctx);
    data = sw_dataset_open(b->place->ctx, b->recipe, NULL);
    if (data == NULL || sw_recipe_file(arena, b->recipe, NULL, 0, &recipe) != SW_OK ||
        sw_network_new(b->place->ctx, recipe, data, &network) != SW_OK || sw_stepper_new(network, 1, &stepper) != SW_OK)
        fail_msg("%s", sw_error_text());
}

static void drop(void)
{
    sw_stepper_free(stepper);
    sw_network_free(network);
    sw_dataset_close(data);
    sw_arena_free(arena);
    stepper = NULL;
    network = NULL;
    data = NULL;
    arena = NULL;
}

/* PyTorch 2.15, float64: the same parameters (sines), data, AdamW and label smoothing; losses of 8 steps. */

static void put(const char *name, double k, double scale, double offset)
{
    sw_state *state = sw_strmap_get(network->states, name);
    assert_non_null(state);
    sw_tensor *t = sw_tensor_contiguous(sw_state_tensor(state)),
              *fresh = sw_tensor_zeros(sw_tensor_context(t), SW_F32, sw_tensor_dims(t));
    for (int64_t i = 0; i < sw_tensor_count(t); i++)
        sw_tensor_set(fresh, i, offset + sin(k * (double)(i + 1)) * scale);
    assert_int_equal(sw_state_set(state, fresh), SW_OK);
    sw_tensor_release(fresh);
    sw_tensor_release(t);
}

static void test_learns_as_pytorch_does(void **state)
{
    box *b = *state;
    uint8_t file[4096], pixels[5 * 256], labels[5] = {0, 2, 1, 1, 2};
    for (int i = 0; i < 5 * 256; i++)
        pixels[i] = (uint8_t)(i * 37 % 256);
    place_write(b->place, "x", file, idx_bytes(file, 8, 3, (uint32_t[]){5, 16, 16}, pixels, sizeof pixels));
    place_write(b->place, "y", file, idx_bytes(file, 8, 1, (uint32_t[]){5}, labels, 5));
    build(b, "name: a\ndata: {idx: {images: x, labels: y}, validation: 0}\nnormalize: false\n"
             "model: [conv 4 3, batchnorm, relu, maxpool 2, conv 6 3 gelu stride=2 pad=1 groups=2, flatten, dense 3]\n"
             "train: {optimizer: adamw, weight_decay: 0.05, label_smoothing: 0.1, batch: 5}\n");
    put("conv1.weight", 1.1, 0.5, 0);
    put("conv1.bias", 0.7, 0.1, 0);
    put("batchnorm1.scale", 0.3, 0.1, 1);
    put("batchnorm1.bias", 0.9, 0.1, 0);
    put("conv2.weight", 1.3, 0.3, 0);
    put("conv2.bias", 0.2, 0.1, 0);
    put("dense1.weight", 1.7, 0.2, 0);
    static const double expected[8] = {1.1521004, 1.0737332, 1.0970331, 1.0938558,
                                       1.0765660, 1.0650122, 1.0660681, 1.0732132};
    sw_loader *loader = open_loader(data, &(sw_loader_options){.size = sizeof(sw_loader_options), .batch = 5});
    for (int i = 0; i < 8; i++) {
        sw_batch batch;
        double loss, correct;
        assert_int_equal(sw_loader_next(loader, &batch, NULL), SW_OK);
        if (sw_stepper_train(stepper, &batch, 0.01, &loss, &correct, NULL) != SW_OK)
            fail_msg("%s", sw_error_text());
        if (fabs(loss - expected[i]) > 2e-4)
            fail_msg("step %d: loss %.7f, PyTorch has %.7f", i, loss, expected[i]);
    }
    sw_loader_close(loader);
    drop();
}

/* Recipes nobody wrote a kernel for: a step and an evaluation must run and give finite numbers. */
static void test_unplanned_recipes_work(void **state)
{
    box *b = *state;
    static const char *const models[] = {
        "[conv 8 3 relu stride=3, conv 12 3 groups=4 dilation=2, silu, globalpool, dense 4]",
        "[conv 6 5x3 pad=same, batchnorm, tanh, avgpool 3 stride=2 pad=1, flatten, layernorm, dense 16 gelu, dropout "
        "0.5, dense 4]",
        "[conv 8 2 stride=1x2, {residual: [conv 8 3, batchnorm, relu, conv 8 3, batchnorm]}, relu, {residual: [conv 16 "
        "3 stride=2, relu]}, globalpool, dense 4]",
        "[conv 6 3 groups=1 bias=false leaky_relu, conv 6 3 groups=6 elu, maxpool 3x2, flatten, dense 4 bias=false]",
        "[flatten, dense 7 sigmoid, dense 4]",
        "[conv 4 8 pad=0 relu, flatten, dense 4]",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char text[1024];
        snprintf(text, sizeof text, "name: a\n" BOX_DATA "model: %s\ntrain: {optimizer: %s, batch: 37}\n", models[i],
                 i % 2 ? "sgd" : "adam");
        build(b, text);
        sw_loader *loader =
            open_loader(data, &(sw_loader_options){.size = sizeof(sw_loader_options), .batch = 37, .from = {0, 8}});
        for (int step = 0; step < 3; step++) { /* batch 8, the short batch 9, and one more */
            sw_batch batch;
            double loss, correct;
            assert_int_equal(sw_loader_next(loader, &batch, NULL), SW_OK);
            if (sw_stepper_train(stepper, &batch, 1e-3, &loss, &correct, NULL) != SW_OK ||
                sw_stepper_eval(stepper, &batch, &loss, &correct, NULL) != SW_OK)
                fail_msg("%s: %s", models[i], sw_error_text());
            assert_true(isfinite(loss) && correct >= 0 && correct <= (double)batch.count);
        }
        sw_loader_close(loader);
        drop();
    }
}

static void test_regression_works(void **state)
{
    box *b = *state;
    sw_context *ctx = b->place->ctx;
    float x[60], y[20];
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 3; k++)
            x[3 * i + k] = (float)((i * 7 + k * 5) % 11);
        y[i] = 2 * x[3 * i] - x[3 * i + 1] + 0.5f;
    }
    sw_tensor *tx = sw_tensor_from(ctx, SW_F32, SW_DIMS(20, 3), x), *ty = sw_tensor_from(ctx, SW_F32, SW_DIMS(20), y);
    assert_int_equal(sw_npy_write(tx, place_path(b->place, "x.npy")), SW_OK);
    assert_int_equal(sw_npy_write(ty, place_path(b->place, "y.npy")), SW_OK);
    sw_tensor_release(tx);
    sw_tensor_release(ty);
    build(b, "name: a\ndata: {npy: {x: x.npy, y: y.npy}, validation: 0}\nmodel: [dense 1]\ntrain: {optimizer: sgd, "
             "batch: 20}\n");
    sw_loader *loader = open_loader(data, &(sw_loader_options){.size = sizeof(sw_loader_options), .batch = 20});
    double loss = 1e9, correct;
    for (int step = 0; step < 200; step++) {
        sw_batch batch;
        assert_int_equal(sw_loader_next(loader, &batch, NULL), SW_OK);
        if (sw_stepper_train(stepper, &batch, 0.02, &loss, &correct, NULL) != SW_OK)
            fail_msg("%s", sw_error_text());
    }
    assert_true(loss < 1e-4); /* the targets are linear in the samples */
    sw_loader_close(loader);
    drop();
}

static void test_misfits_name_their_layer(void **state)
{
    box *b = *state;
    static const char *const cases[][2] = {
        {"[conv 4 3, dense 4]", "recipe.yaml:3:19: 'dense' needs features [N, F]"},
        {"[flatten, conv 4 3]", "recipe.yaml:3:18: 'conv' needs pictures"},
        {"[conv 4 3, flatten, dense 5]", "recipe.yaml:3:28: the last layer gives f32[N, 5], the data needs [N, 4]"},
        {"[conv 5 3 groups=2, globalpool, dense 4]", "recipe.yaml:3:9: 2 groups must divide 1 channels and 5 filters"},
        {"[conv 4 3 stride=3 pad=0, conv 4 9 pad=0, globalpool, dense 4]", "recipe.yaml:3:34: "},
        {"[{residual: [conv 4 3, flatten]}, dense 4]", "recipe.yaml:3:9: the block must keep the shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        const sw_recipe *recipe;
        snprintf(text, sizeof text, "name: a\n" BOX_DATA "model: %s\n", cases[i][0]);
        box_recipe(b, text);
        arena = sw_arena_new(b->place->ctx);
        data = sw_dataset_open(b->place->ctx, b->recipe, NULL);
        assert_int_equal(sw_recipe_file(arena, b->recipe, NULL, 0, &recipe), SW_OK);
        assert_int_equal(sw_network_new(b->place->ctx, recipe, data, &network), SW_OK);
        assert_int_equal(sw_stepper_new(network, 1, &stepper), SW_INVALID);
        assert_text_has(sw_error_text(), cases[i][1]);
        drop();
    }
}

/* The same seed gives the same weights, another seed others; serving finds the states that training made. */
static void test_serving_shares_the_states(void **state)
{
    box *b = *state;
    build(b, "name: a\n" BOX_DATA BOX_MODEL BOX_TRAIN);
    size_t before = sw_strmap_count(network->states);
    sw_graph *serving;
    assert_int_equal(sw_network_serving(network, &serving), SW_OK);
    assert_int_equal(sw_strmap_count(network->states), before);
    assert_int_equal(sw_graph_input_count(serving), 1);
    char type[64];
    sw_value *in = sw_graph_input(serving, 0), *out = sw_graph_output(serving, 0);
    assert_string_equal(sw_value_name(in), "image");
    assert_string_equal(sw_type_text(serving, sw_value_type(in), type, sizeof type), "u8[N, 8, 8, 1]");
    assert_string_equal(sw_graph_output_name(serving, 0), "probabilities");
    assert_string_equal(sw_type_text(serving, sw_value_type(out), type, sizeof type), "f32[N, 4]");
    sw_graph_free(serving);
    assert_int_equal(sw_network_parameters(network), 4 * 9 + 4 + 8 + 4 * 16 * 4 + 4);
    drop();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_make, box_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_learns_as_pytorch_does),   TEST(test_unplanned_recipes_work),    TEST(test_regression_works),
        TEST(test_misfits_name_their_layer), TEST(test_serving_shares_the_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
