/* train_step.c: one network, one batch, step after step; for train_vs_torch.
 *
 *   train_step RECIPE THREADS
 *
 * Says "ready PARAMETERS FLOPS RATE" (FLOPS of one step, by the cost model; RATE: flops per second of a large matrix
 * product here, which is what no network can beat), then for every line with a number N on stdin runs N steps and
 * answers with the nanoseconds they took. Reads no clock and no data inside a step. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "slipway/ops.h"
#include "slipway/plan.h"
#include "train/stepper.h"

typedef struct bench {
    sw_context *ctx;
    sw_arena *arena;
    sw_dataset *data;
    sw_network *network;
    sw_stepper *stepper;
    sw_loader *loader;
    sw_batch batch;
} bench;

static sw_status open_all(bench *b, const char *path, int threads)
{
    const sw_recipe *recipe;
    b->ctx = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .threads = threads});
    b->arena = b->ctx != NULL ? sw_arena_new(b->ctx) : NULL;
    if (b->arena == NULL)
        return SW_NO_MEMORY;
    SW_TRY(sw_recipe_file(b->arena, path, NULL, 0, &recipe));
    b->data = sw_dataset_open(b->ctx, path, NULL);
    if (b->data == NULL)
        return SW_INVALID;
    SW_TRY(sw_network_new(b->ctx, recipe, b->data, &b->network));
    SW_TRY(sw_stepper_new(b->network, threads, &b->stepper));
    sw_loader_options o = {.size = sizeof o, .batch = recipe->train.batch};
    SW_TRY(sw_loader_open(b->data, &o, &b->loader));
    return sw_loader_next(b->loader, &b->batch, NULL);
}

static sw_status steps(bench *b, long count)
{
    double loss, correct;
    for (long i = 0; i < count; i++)
        SW_TRY(sw_stepper_train(b->stepper, &b->batch, 1e-4, &loss, &correct, NULL));
    return SW_OK;
}

static double flops_of(const bench *b)
{
    double flops = 0, bytes;
    sw_dims dims[3];
    int count = sw_plan_input_count(b->stepper->step);
    for (int i = 0; i < count && i < 3; i++) {
        const char *name = sw_plan_input_name(b->stepper->step, i);
        dims[i] = name[0] == 't' ? sw_tensor_dims(b->batch.y) : name[0] == 'l' ? SW_SCALAR : sw_tensor_dims(b->batch.x);
    }
    return sw_plan_cost(b->stepper->step, dims, &flops, &bytes) == SW_OK ? flops : 0;
}

static void close_all(bench *b)
{
    sw_loader_close(b->loader);
    sw_stepper_free(b->stepper);
    sw_network_free(b->network);
    sw_dataset_close(b->data);
    sw_arena_free(b->arena);
    sw_context_free(b->ctx);
}

/* The best of some products of square matrices; 0 on failure. */
static double product_rate(sw_context *ctx, int threads)
{
    enum { SIZE = 1536, TURNS = 12 };
    sw_plan *plan = NULL;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *a = sw_input_declare(g, "a", SW_TYPE(SW_F32, SIZE, SIZE));
    sw_value *b = sw_input_declare(g, "b", SW_TYPE(SW_F32, SIZE, SIZE));
    sw_output(g, "y", sw_matmul(g, a, b));
    sw_compile(g, &(sw_compile_options){.size = sizeof(sw_compile_options), .team = threads}, &plan);
    sw_graph_free(g);
    sw_tensor *x = sw_tensor_zeros(ctx, SW_F32, SW_DIMS(SIZE, SIZE)), *y = NULL, *inputs[] = {x, x};
    double best = 0;
    for (int i = 0; plan != NULL && x != NULL && i < TURNS; i++) {
        uint64_t begun = sw_now_ns();
        if (sw_plan_run(plan, inputs, &y, NULL) != SW_OK)
            break;
        double rate = 2.0 * SIZE * SIZE * SIZE / ((double)(sw_now_ns() - begun) / 1e9);
        best = rate > best ? rate : best;
    }
    sw_tensor_release(x);
    sw_tensor_release(y);
    sw_plan_free(plan);
    return best;
}

int main(int argc, char **argv)
{
    bench b = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: train_step RECIPE THREADS\n");
        return 2;
    }
    sw_status status = open_all(&b, argv[1], atoi(argv[2]));
    if (status == SW_OK) {
        printf("ready %lld %.0f %.0f\n", (long long)sw_network_parameters(b.network), flops_of(&b),
               product_rate(b.ctx, atoi(argv[2])));
        fflush(stdout);
    }
    char line[64];
    while (status == SW_OK && fgets(line, sizeof line, stdin) != NULL) {
        uint64_t begun = sw_now_ns();
        status = steps(&b, strtol(line, NULL, 10));
        printf("%llu\n", (unsigned long long)(sw_now_ns() - begun));
        fflush(stdout);
    }
    if (status != SW_OK)
        fprintf(stderr, "train_step: %s\n", sw_error_text());
    close_all(&b);
    return status == SW_OK ? 0 : 1;
}
