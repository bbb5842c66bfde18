/* train_step.c: one network, one batch, step after step; for train_vs_torch.
 *
 *   train_step RECIPE THREADS
 *
 * Says "ready PARAMETERS FLOPS" (of one step, by the cost model), then for every line with a number N on stdin runs N
 * steps and answers with the nanoseconds they took. Reads no clock and no data inside a step. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
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

int main(int argc, char **argv)
{
    bench b = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: train_step RECIPE THREADS\n");
        return 2;
    }
    sw_status status = open_all(&b, argv[1], atoi(argv[2]));
    if (status == SW_OK) {
        printf("ready %lld %.0f\n", (long long)sw_network_parameters(b.network), flops_of(&b));
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
