/* statistics.c: mean and standard deviation of the training split, per channel.
 *
 * They become constants of the model's graph, so they must be the same bits on every machine: pictures are
 * summed as integers, which is exact and knows no order; other numbers are summed in double, in the file's order,
 * by one thread. */
#include <math.h>

#include "data/dataset.h"
#include "tensor/dtype.h"

typedef struct sums {
    double *mean, *square; /* running sums, finished in place */
    int64_t channels, per_sample;
} sums;

static void add_pictures(const sw_rows *rows, const sums *s)
{
    const uint8_t *all = sw_tensor_data(rows->part->x);
    for (int64_t c = 0; c < s->channels; c++) {
        uint64_t sum = 0, square = 0;
        for (int64_t i = 0; i < rows->count; i++) {
            const uint8_t *one = all + (int64_t)rows->rows[i] * s->per_sample;
            for (int64_t k = c; k < s->per_sample; k += s->channels) {
                sum += one[k];
                square += (uint32_t)one[k] * one[k];
            }
        }
        s->mean[c] = (double)sum / 255.0;
        s->square[c] = (double)square / (255.0 * 255.0);
    }
}

/* Two passes would be kinder to numbers far from zero; sums in double of float data keep 1e-9 relative up to
 * means of 1e3 deviations, which is beyond what standardising is for. */
static void add_numbers(const sw_rows *rows, const sums *s)
{
    const sw_tensor *x = rows->part->x;
    for (int64_t c = 0; c < s->channels; c++)
        s->mean[c] = s->square[c] = 0;
    for (int64_t i = 0; i < rows->count; i++)
        for (int64_t k = 0; k < s->per_sample; k++) {
            double v = sw_load_f64(sw_tensor_dtype(x), sw_tensor_data(x), (int64_t)rows->rows[i] * s->per_sample + k);
            s->mean[k % s->channels] += v;
            s->square[k % s->channels] += v * v;
        }
}

sw_status sw_dataset_statistics(const sw_dataset *data, double *mean, double *deviation)
{
    sw_rows rows = {.part = &data->parts[SW_PART_TRAIN], .rows = data->train, .count = data->train_count};
    int64_t n = sw_tensor_dim(rows.part->x, 0), count = sw_tensor_count(rows.part->x);
    sums s = {
        .mean = mean, .square = deviation, .channels = sw_dataset_channels(data), .per_sample = n > 0 ? count / n : 0};
    if (rows.count == 0 || s.per_sample == 0)
        return sw_fail(SW_INVALID, "%s: an empty training split has no statistics", data->spec.name);
    if (sw_tensor_dtype(rows.part->x) == SW_U8)
        add_pictures(&rows, &s);
    else
        add_numbers(&rows, &s);
    double each = (double)rows.count * (double)(s.per_sample / s.channels);
    for (int64_t c = 0; c < s.channels; c++) {
        mean[c] /= each;
        double variance = deviation[c] / each - mean[c] * mean[c];
        deviation[c] = variance > 1e-12 ? sqrt(variance) : 1;
        if (!isfinite(mean[c]) || !isfinite(deviation[c]))
            return sw_fail(SW_INVALID, "%s: channel %lld of the training samples is not finite", data->spec.name,
                           (long long)c);
    }
    return SW_OK;
}
