/* evaluate.c: a model that is there, measured on a split.
 *
 * The model is run as it would be served: its file is imported and compiled with its weights frozen. Answers are
 * compared here, on the host, so that any model with one input and one output of scores will do: "probabilities" of
 * ours, logits of somebody else's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/context.h"
#include "slipway/model.h"
#include "slipway/plan.h"
#include "slipway/train.h"
#include "tensor/dtype.h"

#define STANDARD_BATCH 250

typedef struct evaluation {
    sw_context *ctx;
    const sw_eval_options *options;
    sw_eval_result *result;
    sw_plan *plan;
    double loss_sum;
    bool probabilities; /* else logits */
} evaluation;

/* The plan */

static sw_status compile_file(evaluation *e, const char *path)
{
    sw_artifact *artifact;
    int threads = e->options->threads > 0 ? e->options->threads : sw_context_threads(e->ctx);
    sw_compile_options o = {.size = sizeof o, .freeze = true, .team = threads};
    SW_TRY(sw_artifact_open(e->ctx, path, &artifact));
    sw_status status = sw_compile(sw_artifact_graph(artifact), &o, &e->plan);
    sw_artifact_close(artifact);
    return status;
}

static sw_status compile_stored(evaluation *e)
{
    const sw_model_version *version;
    if (e->options->store == NULL)
        return sw_fail(SW_INVALID, "'%s' is no .onnx file, and there is no store to look in", e->options->model);
    SW_TRY(sw_model_version_open(e->options->store, e->options->model, true, &version));
    const sw_model_file *file = sw_model_version_file(version, "model.onnx");
    e->result->version = version->number;
    sw_status status =
        file != NULL ? compile_file(e, file->path)
                     : sw_fail(SW_UNSUPPORTED, "%s:%lld has no model.onnx", version->model, (long long)version->number);
    sw_model_version_free(version);
    return status;
}

static bool is_file(const char *model)
{
    size_t length = strlen(model);
    return length > 5 && strcmp(model + length - 5, ".onnx") == 0;
}

/* One input that takes the samples, one output with a score per class (or the targets' numbers). */
static sw_status check_fit(const evaluation *e)
{
    const sw_dataset *data = e->options->data;
    if (sw_plan_input_count(e->plan) != 1 || sw_plan_output_count(e->plan) != 1)
        return sw_fail(SW_UNSUPPORTED, "%s has %d inputs and %d outputs, evaluation needs one of each",
                       e->options->model, sw_plan_input_count(e->plan), sw_plan_output_count(e->plan));
    const sw_type *in = sw_plan_input_type(e->plan, 0), *out = sw_plan_output_type(e->plan, 0);
    sw_dims x = sw_dataset_x_dims(data);
    bool fits = in->dtype == sw_dataset_x_dtype(data) && in->rank == x.rank + 1;
    for (int i = 0; fits && i < x.rank; i++)
        fits = in->dims[i + 1] == x.dim[i] || !sw_dim_known(in->dims[i + 1]);
    if (!fits) {
        char wants[128], has[128];
        return sw_fail(SW_SHAPE, "%s takes %s, the samples of %s are %s[N] x %s", e->options->model,
                       sw_plan_type_text(e->plan, in, wants, sizeof wants), sw_dataset_name(data),
                       sw_dtype_name(sw_dataset_x_dtype(data)), sw_dims_text(x, has, sizeof has));
    }
    int classes = sw_dataset_classes(data);
    if (out->rank != 2 || out->dtype != SW_F32 ||
        (classes > 0 && sw_dim_known(out->dims[1]) && out->dims[1] != classes)) {
        char gives[128];
        return sw_fail(SW_SHAPE, "%s gives %s, %s needs f32[N, %d]", e->options->model,
                       sw_plan_type_text(e->plan, out, gives, sizeof gives), sw_dataset_name(data), classes);
    }
    return SW_OK;
}

/* Counting answers */

static bool sums_to_one(const float *scores, int classes)
{
    double sum = 0;
    for (int i = 0; i < classes; i++) {
        if (!(scores[i] >= 0 && scores[i] <= 1))
            return false;
        sum += scores[i];
    }
    return fabs(sum - 1) < 1e-3;
}

/* -log of the label's probability. */
static double cross_entropy(const evaluation *e, const float *scores, int classes, int64_t label)
{
    if (e->probabilities)
        return -log(scores[label] > 1e-30f ? (double)scores[label] : 1e-30);
    double most = scores[0], sum = 0;
    for (int i = 1; i < classes; i++)
        most = scores[i] > most ? scores[i] : most;
    for (int i = 0; i < classes; i++)
        sum += exp(scores[i] - most);
    return log(sum) + most - scores[label];
}

static void count_labels(evaluation *e, const sw_batch *batch, const sw_tensor *scores)
{
    sw_eval_result *r = e->result;
    const int64_t *labels = sw_tensor_data(batch->y);
    const float *row = sw_tensor_data(scores);
    if (r->samples == 0)
        e->probabilities = sums_to_one(row, r->classes);
    for (int64_t i = 0; i < batch->count; i++, row += r->classes) {
        int best = 0;
        for (int k = 1; k < r->classes; k++)
            best = row[k] > row[best] ? k : best;
        r->confusion[labels[i] * r->classes + best]++;
        r->correct += best == labels[i];
        e->loss_sum += cross_entropy(e, row, r->classes, labels[i]);
    }
}

static void count_numbers(evaluation *e, const sw_batch *batch, const sw_tensor *prediction)
{
    int64_t count = sw_tensor_count(prediction), each = count / batch->count;
    for (int64_t i = 0; i < count; i++) {
        double d = sw_tensor_get(prediction, i) - sw_load_f64(sw_tensor_dtype(batch->y), sw_tensor_data(batch->y), i);
        e->loss_sum += d * d / (double)each;
    }
}

static sw_status one_batch(evaluation *e, const sw_batch *batch)
{
    sw_tensor *out = NULL;
    SW_TRY(sw_plan_run(e->plan, &batch->x, &out, e->options->cancel));
    sw_status status = SW_OK;
    if (sw_tensor_dim(out, 0) != batch->count ||
        (e->result->classes > 0 && sw_tensor_dim(out, 1) != e->result->classes) ||
        (e->result->classes == 0 && sw_tensor_count(out) != sw_tensor_count(batch->y)))
        status = sw_fail(SW_SHAPE, "%s gave %lld numbers for %lld samples of %s: not what their targets need",
                         e->options->model, (long long)sw_tensor_count(out), (long long)batch->count,
                         sw_dataset_name(e->options->data));
    else if (e->result->classes > 0)
        count_labels(e, batch, out);
    else
        count_numbers(e, batch, out);
    e->result->samples += batch->count;
    sw_tensor_release(out);
    return status;
}

static sw_status all_batches(evaluation *e)
{
    const sw_eval_options *o = e->options;
    sw_loader_options lo = {.size = sizeof lo, .split = o->split, .batch = o->batch > 0 ? o->batch : STANDARD_BATCH};
    sw_loader *loader;
    SW_TRY(sw_loader_open(o->data, &lo, &loader));
    sw_status status = sw_loader_batches(loader) > 0 ? SW_OK
                                                     : sw_fail(SW_NOT_FOUND, "%s has no %s split",
                                                               sw_dataset_name(o->data), sw_data_split_name(o->split));
    for (int64_t i = 0; status == SW_OK && i < sw_loader_batches(loader); i++) {
        sw_batch batch;
        status = sw_loader_next(loader, &batch, o->cancel);
        if (status == SW_OK)
            status = one_batch(e, &batch);
    }
    sw_loader_close(loader);
    return status;
}

static sw_status evaluate(evaluation *e)
{
    sw_eval_result *r = e->result;
    SW_TRY(is_file(e->options->model) ? compile_file(e, e->options->model) : compile_stored(e));
    SW_TRY(check_fit(e));
    r->classes = sw_dataset_classes(e->options->data);
    size_t cells;
    if (!sw_mul_size((size_t)r->classes, (size_t)r->classes * sizeof *r->confusion, &cells))
        return sw_fail(SW_UNSUPPORTED, "too many classes");
    if (r->classes > 0 && (r->confusion = sw_alloc_zero(e->ctx, cells)) == NULL)
        return sw_alloc_status();
    uint64_t begun = sw_now_ns();
    SW_TRY(all_batches(e));
    r->seconds = (double)(sw_now_ns() - begun) * 1e-9;
    r->loss = e->loss_sum / (double)r->samples;
    r->accuracy = r->classes > 0 ? (double)r->correct / (double)r->samples : NAN;
    return SW_OK;
}

sw_status sw_evaluate(sw_context *ctx, const sw_eval_options *options, sw_eval_result *result)
{
    *result = (sw_eval_result){.accuracy = NAN, .loss = NAN};
    evaluation e = {.ctx = ctx, .options = options, .result = result};
    sw_status status = evaluate(&e);
    sw_plan_free(e.plan);
    if (status != SW_OK)
        sw_eval_free(ctx, result);
    return status;
}

void sw_eval_free(sw_context *ctx, sw_eval_result *result)
{
    sw_free(ctx, result->confusion);
    result->confusion = NULL;
}
