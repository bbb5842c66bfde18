/* classify.c: learning to tell garments apart, one step at a time.
 *
 * The graph is awake (SW_EAGER): every value is real the moment its line has run, so it can be printed, or looked at in
 * a debugger. What a step records lives in a scope and is given back at its end; nothing is freed by hand inside the
 * loop, and nothing is checked there either: a graph keeps its first error, and the program asks once.
 *
 *   cc classify.c $(pkg-config --cflags --libs slipway) -o classify && ./classify
 *
 * The data set is Debian's package dataset-fashion-mnist; another name may be given, and a number of steps. */
#include <slipway/slipway.h>

#include <stdio.h>
#include <stdlib.h>

/* Pictures u8 [N, 28, 28, 1] -> scores [N, classes]. */
static sw_value *scores(sw_graph *g, sw_tensor *pictures, sw_state *w, sw_state *b)
{
    sw_value *x = sw_mul_scalar(g, sw_cast(g, sw_input(g, pictures), SW_F32), 1.0 / 255);
    x = sw_flatten(g, x, 1);
    return sw_add(g, sw_matmul(g, x, sw_read(g, w)), sw_read(g, b));
}

static void train(sw_graph *g, sw_loader *loader, int steps, sw_state *w, sw_state *b)
{
    sw_batch batch;
    for (int step = 0; step < steps && sw_loader_next(loader, &batch, NULL) == SW_OK; step++) {
        sw_scope *scope = sw_scope_begin(g);
        sw_value *loss = sw_softmax_cross_entropy(g, scores(g, batch.x, w, b), sw_input(g, batch.y));
        sw_backward(g, loss);
        sw_sgd_step(g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr = 0.1});
        if (step % 100 == 0)
            sw_print(loss); /* a number, now */
        sw_scope_end(scope);
    }
}

/* The part of the loader's split that is named rightly. */
static double accuracy(sw_graph *g, sw_loader *loader, sw_state *w, sw_state *b)
{
    sw_batch batch;
    double right = 0, all = 0;
    do {
        if (sw_loader_next(loader, &batch, NULL) != SW_OK)
            return 0;
        sw_scope *scope = sw_scope_begin(g);
        sw_value *best = sw_argmax(g, scores(g, batch.x, w, b), 1, false);
        sw_value *hits = sw_cast(g, sw_equal(g, best, sw_input(g, batch.y)), SW_F32);
        sw_tensor *sum = sw_value_tensor(sw_reduce_sum(g, hits, 0, NULL, false));
        right += sum ? sw_tensor_get(sum, 0) : 0;
        all += (double)batch.count;
        sw_scope_end(scope);
    } while (!batch.last);
    return right / all;
}

static sw_loader *open_loader(sw_dataset *data, sw_data_split split, bool shuffle)
{
    sw_loader *loader = NULL;
    sw_loader_open(data,
                   &(sw_loader_options){
                       .size = sizeof(sw_loader_options), .split = split, .batch = 128, .shuffle = shuffle, .seed = 1},
                   &loader);
    return loader;
}

int main(int argc, char **argv)
{
    sw_context *ctx = sw_context_new(NULL); /* NULL: defaults */
    sw_dataset *data = ctx ? sw_dataset_open(ctx, argc > 1 ? argv[1] : "fashion-mnist", NULL) : NULL;
    sw_loader *training = data ? open_loader(data, SW_SPLIT_TRAIN, true) : NULL;
    sw_loader *test = training ? open_loader(data, SW_SPLIT_TEST, false) : NULL;
    if (!test) {
        fprintf(stderr, "classify: %s\n", sw_error_text());
        return 1;
    }
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_state *w = sw_param(ctx, "w", SW_F32, SW_DIMS(784, 10), sw_init_glorot(1));
    sw_state *b = sw_param(ctx, "b", SW_F32, SW_DIMS(10), sw_init_zero());

    train(g, training, argc > 2 ? atoi(argv[2]) : 1000, w, b);
    printf("test accuracy: %.4f\n", accuracy(g, test, w, b));

    bool ok = sw_ok(g);
    if (!ok)
        fprintf(stderr, "classify: %s\n", sw_graph_error(g));
    sw_graph_free(g);
    sw_loader_close(test);
    sw_loader_close(training);
    sw_dataset_close(data);
    sw_context_free(ctx); /* w and b go with it */
    return ok ? 0 : 1;
}
