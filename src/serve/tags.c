/* Names for people: what a picture shows, with the classes' names and scores, best first.
 *
 * Reads the first output that scores classes, [N, C] of floats. Scores called "logits" become probabilities here;
 * anything else is told as the model gave it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/numbers.h"
#include "serve/request.h"
#include "tensor/dtype.h"

enum { TOP_MAX = 100 };

int sw_scores_output(const sw_servable *model)
{
    for (int i = 0; i < model->output_count; i++) {
        const sw_port *port = &model->outputs[i];
        if (sw_dtype_is_float(port->dtype) && port->dims.rank == 2 && (port->dims.dim[1] > 0 || model->class_count > 0))
            return i;
    }
    return -1;
}

typedef struct tag {
    int64_t index;
    double score;
} tag;

/* The `top` largest of a row, in order; ties go to the smaller index. How many there are. */
static int best_of(const sw_tensor *scores, int64_t first, int64_t count, int top, tag *tags)
{
    int kept = 0;
    for (int64_t i = 0; i < count; i++) {
        double score = sw_load_f64(sw_tensor_dtype(scores), sw_tensor_data(scores), first + i);
        if (kept == top && !(score > tags[kept - 1].score))
            continue;
        int at = kept < top ? kept++ : kept - 1;
        for (; at > 0 && (score > tags[at - 1].score || isnan(tags[at - 1].score)); at--)
            tags[at] = tags[at - 1];
        tags[at] = (tag){i, score};
    }
    return kept;
}

/* log(sum(exp(x))) of a row, for probabilities from logits. */
static double log_sum_exp(const sw_tensor *scores, int64_t first, int64_t count, double largest)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += exp(sw_load_f64(sw_tensor_dtype(scores), sw_tensor_data(scores), first + i) - largest);
    return largest + log(sum);
}

static void write_tag(sw_text *text, const sw_servable *model, tag t)
{
    char number[SW_NUMBER_MAX], name[SW_NUMBER_MAX];
    sw_text_add(text, "{\"label\":");
    if (t.index < model->class_count)
        sw_string_write(text, model->classes[t.index], strlen(model->classes[t.index]));
    else
        sw_string_write(text, name, (size_t)sw_number_write_i64(name, t.index));
    sw_text_add(text, ",\"score\":");
    sw_text_addn(text, number, (size_t)sw_number_write_f32(number, (float)t.score));
    sw_text_add(text, "}");
}

void sw_tags_write(const sw_request *r, const char *model_name, const sw_servable *model, sw_tensor *const *outputs,
                   int64_t row, sw_text *text)
{
    tag tags[TOP_MAX];
    int output = sw_scores_output(model);
    const sw_tensor *scores = outputs[output];
    int64_t count = sw_tensor_dim(scores, 1), first = row * count;
    int kept = best_of(scores, first, count, r->top < TOP_MAX ? r->top : TOP_MAX, tags);
    if (kept > 0 && strcmp(model->outputs[output].name, "logits") == 0) {
        double whole = log_sum_exp(scores, first, count, tags[0].score);
        for (int i = 0; i < kept; i++)
            tags[i].score = exp(tags[i].score - whole);
    }
    sw_text_add(text, "{\"model\":");
    sw_string_write(text, model_name, strlen(model_name));
    sw_text_addf(text, ",\"version\":%lld,\"tags\":[", (long long)model->version);
    for (int i = 0; i < kept; i++) {
        if (i)
            sw_text_addn(text, ",", 1);
        write_tag(text, model, tags[i]);
    }
    double ms = (double)(sw_now_ns() - r->arrived) * 1e-6;
    sw_text_addf(text, "],\"ms\":%d.%03d}", (int)ms, (int)(ms * 1000) % 1000);
}
