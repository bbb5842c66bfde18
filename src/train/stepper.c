/* stepper.c: from a network to a plan that learns.
 *
 * Forward, loss, backward and update are nodes of one graph and run as one plan; what changes from step to step
 * comes in as inputs (the batch and the rate), what survives is state. The random key is state too and counts
 * itself up, so dropout in a resumed run draws what it would have drawn. */
#include "train/stepper.h"

#include <math.h>
#include <string.h>

static sw_status fill_key(sw_tensor *tensor, uint32_t stream, uint64_t seed, double unused)
{
    (void)stream, (void)unused;
    uint64_t *key = sw_tensor_data(tensor);
    key[0] = seed;
    key[1] = 0;
    return SW_OK;
}

/* {seed, step}: where dropout draws. It must be there before the first node that draws. */
static sw_status set_random_key(sw_stepper *s)
{
    sw_init init = {.fill = fill_key, .a = (uint64_t)s->network->recipe->train.seed};
    s->key = sw_state_new(s->ctx, "random", SW_U64, SW_DIMS(2), init, false);
    if (s->key == NULL)
        return sw_alloc_status();
    sw_graph_set_random(s->graph, s->key);
    return SW_OK;
}

/* step + 1 for the next time. */
static sw_status advance_random_key(sw_stepper *s)
{
    sw_tensor *one = sw_tensor_from(s->ctx, SW_U64, SW_DIMS(2), (uint64_t[]){0, 1});
    if (one == NULL)
        return sw_alloc_status();
    sw_status status =
        sw_assign(s->graph, s->key, sw_add(s->graph, sw_read(s->graph, s->key), sw_constant(s->graph, one)));
    sw_tensor_release(one);
    return status;
}

/* What is measured: "plain", the loss as it is reported, and "correct", how many samples were answered rightly (0 for a
 * regression). What is learned from is the plain loss, or with label smoothing another one, "loss". */
static sw_status add_measures(sw_stepper *s, sw_value *y, sw_value *target, sw_value **plain)
{
    sw_graph *g = s->graph;
    sw_value *correct;
    if (s->network->classifies) {
        *plain = sw_softmax_cross_entropy(g, y, target);
        sw_value *hits = sw_equal(g, sw_argmax(g, y, 1, false), target);
        correct = sw_reduce_sum(g, sw_cast(g, hits, SW_F32), 0, NULL, false);
    } else {
        *plain = sw_mse(g, y, target);
        correct = sw_scalar(g, SW_F32, 0);
    }
    SW_TRY(sw_output(g, "plain", *plain));
    return sw_output(g, "correct", correct);
}

static sw_value *declare_target(const sw_network *n, sw_graph *g)
{
    sw_type type = {.kind = SW_TENSOR, .dtype = n->classifies ? SW_I64 : SW_F32, .rank = n->classifies ? 1 : 2};
    type.dims[0] = sw_symbol(g, "N");
    type.dims[1] = n->outputs;
    return sw_input_declare(g, "target", type);
}

static sw_status add_update(sw_stepper *s, sw_value *loss)
{
    const sw_train_settings *t = &s->network->recipe->train;
    sw_graph *g = s->graph;
    sw_value *lr = sw_input_declare(g, "lr", (sw_type){.kind = SW_TENSOR, .dtype = SW_F32});
    SW_TRY(sw_backward(g, loss));
    if (t->optimizer == SW_SGD)
        return sw_sgd_step(g, (sw_sgd_options){.size = sizeof(sw_sgd_options),
                                               .lr_value = lr,
                                               .momentum = t->momentum,
                                               .weight_decay = t->weight_decay,
                                               .nesterov = t->nesterov});
    return sw_adam_step(g, (sw_adam_options){.size = sizeof(sw_adam_options),
                                             .lr_value = lr,
                                             .beta1 = t->beta1,
                                             .beta2 = t->beta2,
                                             .epsilon = t->epsilon,
                                             .weight_decay = t->weight_decay,
                                             .decoupled = t->optimizer == SW_ADAMW});
}

static sw_status compile_with(sw_stepper *s, const char *loss, bool training, int threads, sw_plan **plan)
{
    const char *const outputs[] = {loss, "correct"};
    sw_compile_options options = {
        .size = sizeof options, .training = training, .team = threads, .outputs_count = 2, .outputs = outputs};
    return sw_compile(s->graph, &options, plan);
}

static sw_status compile_both(sw_stepper *s, int threads)
{
    sw_value *y, *plain;
    SW_TRY(set_random_key(s));
    SW_TRY(sw_network_build(s->network, s->graph, &y));
    sw_value *target = declare_target(s->network, s->graph);
    SW_TRY(add_measures(s, y, target, &plain));
    SW_TRY(compile_with(s, "plain", false, threads, &s->eval));
    SW_TRY(advance_random_key(s));
    double smoothing = s->network->recipe->train.label_smoothing;
    if (!s->network->classifies || smoothing == 0) {
        SW_TRY(add_update(s, plain));
        return compile_with(s, "plain", true, threads, &s->step);
    }
    sw_value *loss = sw_softmax_cross_entropy_smooth(s->graph, y, target, smoothing);
    SW_TRY(sw_output(s->graph, "loss", loss));
    SW_TRY(add_update(s, loss));
    return compile_with(s, "loss", true, threads, &s->step);
}

static sw_status new_scalar(sw_context *ctx, sw_tensor **scalar)
{
    *scalar = sw_tensor_zeros(ctx, SW_F32, SW_SCALAR);
    return *scalar != NULL ? SW_OK : sw_alloc_status();
}

sw_status sw_stepper_new(sw_network *network, int threads, sw_stepper **stepper)
{
    sw_stepper *s = sw_alloc_zero(network->ctx, sizeof *s);
    if (s == NULL)
        return sw_alloc_status();
    s->ctx = network->ctx;
    s->network = network;
    s->graph = sw_graph_new(s->ctx, 0);
    sw_status status = s->graph != NULL ? SW_OK : sw_alloc_status();
    if (status == SW_OK)
        status = compile_both(s, threads);
    sw_tensor **scalars[] = {&s->lr, &s->loss, &s->correct};
    for (int i = 0; i < 3 && status == SW_OK; i++)
        status = new_scalar(s->ctx, scalars[i]);
    if (status == SW_OK)
        *stepper = s;
    else
        sw_stepper_free(s);
    return status;
}

void sw_stepper_free(sw_stepper *s)
{
    if (s == NULL)
        return;
    sw_plan_free(s->step);
    sw_plan_free(s->eval);
    sw_graph_free(s->graph);
    sw_state_release(s->key);
    sw_tensor_release(s->lr);
    sw_tensor_release(s->loss);
    sw_tensor_release(s->correct);
    sw_free(s->ctx, s);
}

/* Inputs are found by name: passes may have dropped one that nothing reads. */
static sw_status run(sw_stepper *s, sw_plan *plan, const sw_batch *batch, sw_tensor *target, double *loss,
                     double *correct, sw_cancel *cancel)
{
    sw_tensor *inputs[3] = {0}, *outputs[2] = {s->loss, s->correct};
    for (int i = 0; i < sw_plan_input_count(plan) && i < 3; i++) {
        const char *name = sw_plan_input_name(plan, i);
        inputs[i] = strcmp(name, "target") == 0 ? target : strcmp(name, "lr") == 0 ? s->lr : batch->x;
    }
    SW_TRY(sw_plan_run(plan, inputs, outputs, cancel));
    *loss = *(const float *)sw_tensor_data(s->loss);
    *correct = *(const float *)sw_tensor_data(s->correct);
    return SW_OK;
}

/* Targets of a regression come as any float [N] or [N, K]; the graph takes f32 [N, K]. */
static sw_status run_shaped(sw_stepper *s, sw_plan *plan, const sw_batch *batch, double *loss, double *correct,
                            sw_cancel *cancel)
{
    if (s->network->classifies)
        return run(s, plan, batch, batch->y, loss, correct, cancel);
    sw_tensor *matrix = sw_tensor_reshape(batch->y, SW_DIMS(batch->count, s->network->outputs));
    sw_tensor *target = matrix != NULL ? sw_tensor_cast(matrix, SW_F32) : NULL;
    sw_status status = target != NULL ? run(s, plan, batch, target, loss, correct, cancel) : sw_alloc_status();
    sw_tensor_release(target);
    sw_tensor_release(matrix);
    return status;
}

sw_status sw_stepper_train(sw_stepper *s, const sw_batch *batch, double lr, double *loss, double *correct,
                           sw_cancel *cancel)
{
    *(float *)sw_tensor_data(s->lr) = (float)lr;
    return run_shaped(s, s->step, batch, loss, correct, cancel);
}

sw_status sw_stepper_eval(sw_stepper *s, const sw_batch *batch, double *loss, double *correct, sw_cancel *cancel)
{
    return run_shaped(s, s->eval, batch, loss, correct, cancel);
}

static sw_status score_all(sw_stepper *s, sw_loader *loader, sw_score *score, sw_cancel *cancel)
{
    double loss_sum = 0, correct_sum = 0;
    for (int64_t i = 0; i < sw_loader_batches(loader); i++) {
        sw_batch batch;
        double loss, correct;
        SW_TRY(sw_loader_next(loader, &batch, cancel));
        SW_TRY(sw_stepper_eval(s, &batch, &loss, &correct, cancel));
        loss_sum += loss * (double)batch.count;
        correct_sum += correct;
        score->samples += batch.count;
    }
    score->loss = loss_sum / (double)score->samples;
    if (s->network->classifies)
        score->accuracy = correct_sum / (double)score->samples;
    return SW_OK;
}

sw_status sw_stepper_score(sw_stepper *s, sw_dataset *data, sw_data_split split, int64_t batch, sw_score *score,
                           sw_cancel *cancel)
{
    *score = (sw_score){.loss = NAN, .accuracy = NAN};
    sw_loader *loader;
    SW_TRY(sw_loader_open(data, &(sw_loader_options){.size = sizeof(sw_loader_options), .split = split, .batch = batch},
                          &loader));
    sw_status status = sw_loader_batches(loader) > 0 ? score_all(s, loader, score, cancel) : SW_OK;
    sw_loader_close(loader);
    return status;
}
