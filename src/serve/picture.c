/* A picture's bytes become the model's picture input.
 *
 * Which input that is, and how its axes lie, is read from its type: one u8 tensor of [N, H, W], [N, H, W, C] or
 * [N, C, H, W] with C of 1, 3 or 4. Decoding is the op room's; a picture of another size than the model takes is
 * resampled with a triangle filter as wide as the reduction (so that shrinking averages), each axis on its own.
 * What the numbers mean from there on (scaling, normalising) is the model's own graph. */
#include <math.h>
#include <string.h>

#include "ops/image.h"
#include "serve/request.h"

typedef struct layout {
    int height_axis, width_axis, channel_axis; /* channel_axis -1: none */
    int channels;
} layout;

static bool is_channels(int64_t dim) { return dim == 1 || dim == 3 || dim == 4; }

static bool read_layout(const sw_servable *model, layout *l)
{
    if (model->input_count != 1 || model->inputs[0].dtype != SW_U8 || !model->batched)
        return false;
    sw_dims d = model->inputs[0].dims;
    if (d.rank == 3)
        *l = (layout){1, 2, -1, 1};
    else if (d.rank == 4 && is_channels(d.dim[3]))
        *l = (layout){1, 2, 3, (int)d.dim[3]};
    else if (d.rank == 4 && is_channels(d.dim[1]))
        *l = (layout){2, 3, 1, (int)d.dim[1]};
    else
        return false;
    return true;
}

/* One axis: `lines` runs of `from` samples become runs of `to`; samples stand `step` apart, runs `line_step`. */
typedef struct axis {
    int64_t from, to, lines;
} axis;

/* Rows of [lines, from, inner] become [lines, to, inner]. */
static void resample(const float *in, float *out, axis a, int64_t inner)
{
    double scale = (double)a.from / (double)a.to, reach = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < a.to; i++) {
        double centre = ((double)i + 0.5) * scale - 0.5;
        int64_t first = (int64_t)ceil(centre - reach), last = (int64_t)floor(centre + reach);
        for (int64_t line = 0; line < a.lines; line++) {
            float *to = out + (line * a.to + i) * inner;
            memset(to, 0, sizeof *to * (size_t)inner);
            double sum = 0;
            for (int64_t k = first; k <= last; k++)
                sum += fmax(0, 1 - fabs((double)k - centre) / reach);
            for (int64_t k = first; k <= last; k++) {
                float weight = (float)(fmax(0, 1 - fabs((double)k - centre) / reach) / sum);
                const float *from = in + (line * a.from + (k < 0 ? 0 : k >= a.from ? a.from - 1 : k)) * inner;
                for (int64_t c = 0; c < inner; c++)
                    to[c] += weight * from[c];
            }
        }
    }
}

/* [from_h, from_w, c] bytes to [to_h, to_w, c] bytes. */
static sw_status resize(sw_context *ctx, const uint8_t *in, axis h, axis w, int64_t c, uint8_t *out)
{
    int64_t most = (h.from > h.to ? h.from : h.to) * (w.from > w.to ? w.from : w.to) * c;
    float *a = sw_alloc_array(ctx, (size_t)most * 2, sizeof *a), *b = a ? a + most : NULL;
    if (!a)
        return sw_alloc_status();
    for (int64_t i = 0; i < h.from * w.from * c; i++)
        a[i] = in[i];
    resample(a, b, (axis){w.from, w.to, h.from}, c);
    resample(b, a, (axis){h.from, h.to, 1}, w.to * c);
    for (int64_t i = 0; i < h.to * w.to * c; i++)
        out[i] = (uint8_t)fminf(255, fmaxf(0, roundf(a[i])));
    sw_free(ctx, a);
    return SW_OK;
}

/* [H, W, C] bytes into the input's own order. */
static void place(const uint8_t *pixels, int64_t height, int64_t width, const layout *l, uint8_t *to)
{
    int64_t count = height * width;
    if (l->channel_axis != 1) {
        memcpy(to, pixels, (size_t)(count * l->channels));
        return;
    }
    for (int c = 0; c < l->channels; c++)
        for (int64_t i = 0; i < count; i++)
            to[c * count + i] = pixels[i * l->channels + c];
}

static sw_status fit(sw_request *r, const sw_servable *model, const layout *l, const sw_tensor *picture)
{
    int64_t height = sw_tensor_dim(picture, 0), width = sw_tensor_dim(picture, 1);
    sw_dims dims = model->inputs[0].dims;
    dims.dim[0] = 1;
    int64_t to_height = dims.dim[l->height_axis] < 0 ? height : dims.dim[l->height_axis];
    int64_t to_width = dims.dim[l->width_axis] < 0 ? width : dims.dim[l->width_axis];
    dims.dim[l->height_axis] = to_height;
    dims.dim[l->width_axis] = to_width;
    void *data;
    r->inputs.items[0] = (sw_request_input){.dims = dims};
    SW_TRY(sw_request_place(r, model, 0, &data));
    if (to_height == height && to_width == width) {
        place(sw_tensor_data(picture), height, width, l, data);
        return SW_OK;
    }
    uint8_t *sized = sw_alloc(r->ctx, r->inputs.items[0].bytes);
    if (!sized)
        return sw_alloc_status();
    sw_status status = resize(r->ctx, sw_tensor_data(picture), (axis){height, to_height, 0}, (axis){width, to_width, 0},
                              l->channels, sized);
    if (status == SW_OK)
        place(sized, to_height, to_width, l, data);
    sw_free(r->ctx, sized);
    return status;
}

sw_status sw_picture_read(sw_request *r, const sw_servable *model, const char *bytes, size_t size)
{
    layout l;
    if (!read_layout(model, &l) || sw_scores_output(model) < 0)
        return sw_fail(SW_INVALID, "this model cannot be asked about a picture: it needs one u8 picture input and an "
                                   "output that scores classes; use /v2/models/…/infer");
    if (size == 0)
        return sw_fail(SW_INVALID, "the body is empty; send a picture (PNG, JPEG or WebP)");
    SW_TRY(sw_vec_reserve(r->ctx, &r->inputs, 1));
    r->inputs.count = 1;
    sw_tensor *picture;
    SW_TRY(sw_image_decode(r->ctx, bytes, size, l.channels, &picture));
    sw_status status = fit(r, model, &l, picture);
    sw_tensor_release(picture);
    return status == SW_OK ? sw_request_complete(r, model) : status;
}
