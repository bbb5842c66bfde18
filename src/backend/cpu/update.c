/* update.c: one optimiser step in one pass over a parameter, and Dropout. Outputs may overwrite inputs. */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"
#include "ops/row.h"

enum { GRAIN = 1 << 15 };

struct update {
    const sw_simd *simd;
    const float *p, *g, *m, *v;
    float *p2, *m2, *v2, lr, momentum, decay;
    bool nesterov;
    struct sw_adam_numbers adam;
};

static void sgd_piece(void *user, int64_t begin, int64_t end)
{
    const struct update *u = user;
    u->simd->sgd(u->p + begin, u->g + begin, u->m ? u->m + begin : NULL, u->p2 + begin, u->m2 ? u->m2 + begin : NULL,
                 end - begin, u->lr, u->momentum, u->decay, u->nesterov);
}

static sw_status run_sgd(const sw_call *call)
{
    const sw_view *in = call->inputs;
    struct update u = {.simd = sw_simd_here(),
                       .p = in[0].data,
                       .g = in[1].data,
                       .m = in[2].data,
                       .p2 = call->outputs[0].data,
                       .m2 = call->outputs_count > 1 ? call->outputs[1].data : NULL,
                       .lr = *(const float *)in[3].data,
                       .momentum = (float)sw_attr_float(call->node, "momentum"),
                       .decay = (float)sw_attr_float(call->node, "weight_decay"),
                       .nesterov = sw_attr_int(call->node, "nesterov") != 0};
    sw_cpu_for(call->team, sw_view_count(&in[0]), GRAIN, sgd_piece, &u);
    return SW_OK;
}

static const char *skips_sgd(const sw_site *site)
{
    const char *why = sw_site_skips_unless_plain_f32(site);
    bool buffer_out = site->outputs_count > 1 && site->outputs[1].dtype != SW_DTYPE_NONE;
    return why ? why : sw_site_given(site, 2) != buffer_out ? "a buffer without its next version" : NULL;
}

static void adam_piece(void *user, int64_t begin, int64_t end)
{
    const struct update *u = user;
    u->simd->adam(u->p + begin, u->g + begin, u->m + begin, u->v + begin, u->p2 + begin, u->m2 + begin, u->v2 + begin,
                  end - begin, &u->adam);
}

static sw_status run_adam(const sw_call *call)
{
    const sw_view *in = call->inputs;
    double step = (double)*(const int64_t *)in[5].data, lr = *(const float *)in[4].data;
    double beta1 = sw_attr_float(call->node, "beta1"), beta2 = sw_attr_float(call->node, "beta2");
    double decay = sw_attr_float(call->node, "weight_decay");
    bool decoupled = sw_attr_int(call->node, "decoupled") != 0;
    struct update u = {.simd = sw_simd_here(),
                       .p = in[0].data,
                       .g = in[1].data,
                       .m = in[2].data,
                       .v = in[3].data,
                       .p2 = call->outputs[0].data,
                       .m2 = call->outputs[1].data,
                       .v2 = call->outputs[2].data};
    u.adam = (struct sw_adam_numbers){.lr = (float)lr,
                                      .beta1 = (float)beta1,
                                      .beta2 = (float)beta2,
                                      .rest1 = (float)(1 - beta1),
                                      .rest2 = (float)(1 - beta2),
                                      .epsilon = (float)sw_attr_float(call->node, "epsilon"),
                                      .decay = (float)(decoupled ? lr * decay : decay),
                                      .decoupled = decoupled,
                                      .correction1 = (float)(1 / (1 - pow(beta1, step))),
                                      .correction2 = (float)(1 / (1 - pow(beta2, step)))};
    sw_cpu_for(call->team, sw_view_count(&in[0]), GRAIN, adam_piece, &u);
    return SW_OK;
}

static const char *skips_adam(const sw_site *site)
{
    for (int i = 0; i < 5; i++)
        if (site->inputs[i].dtype != SW_F32)
            return "element type is not f32";
    if (site->inputs_count != 6 || site->inputs[5].dtype != SW_I64 || site->outputs_count != 3)
        return "not the usual slots";
    return sw_site_plain(site) ? NULL : "not contiguous";
}

/* ---- Dropout(x, key u64[2] = {seed, step}, training; ratio, stream) ---- */

struct dropout {
    const sw_simd *simd;
    const float *x;
    float *y, factor;
    int64_t n;
    uint64_t seed;
    uint32_t stream, step, threshold;
};

enum { BLOCK = 64 }; /* elements: a whole number of blocks of random words on every instruction set */

static void dropout_piece(void *user, int64_t begin, int64_t end)
{
    const struct dropout *d = user;
    int64_t first = begin * BLOCK, last = end * BLOCK < d->n ? end * BLOCK : d->n;
    d->simd->dropout(d->x + first, d->y + first, first, last - first, d->seed, d->stream, d->step, d->threshold,
                     d->factor);
}

static sw_status run_dropout(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    double ratio = sw_attr_float(call->node, "ratio");
    int64_t n = sw_view_count(x);
    if (!*(const uint8_t *)call->inputs[2].data || ratio == 0) {
        if (y->data != x->data)
            memcpy(y->data, x->data, sizeof(float) * (size_t)n);
        return SW_OK;
    }
    const uint64_t *key = call->inputs[1].data;
    struct dropout d = {.simd = sw_simd_here(),
                        .x = x->data,
                        .y = y->data,
                        .factor = (float)(1 / (1 - ratio)),
                        .n = n,
                        .seed = key[0],
                        .stream = sw_node_stream(call->node),
                        .step = (uint32_t)key[1],
                        .threshold = (uint32_t)ceil(ratio * 0x1p24)};
    sw_cpu_for(call->team, (n + BLOCK - 1) / BLOCK, GRAIN / BLOCK / 4, dropout_piece, &d);
    return SW_OK;
}

static const char *skips_dropout(const sw_site *site)
{
    if (site->inputs[0].dtype != SW_F32 || site->outputs[0].dtype != SW_F32)
        return "element type is not f32";
    if (site->outputs_count > 1 && site->outputs[1].dtype != SW_DTYPE_NONE)
        return "the mask is asked for";
    return sw_site_plain(site) ? NULL : "not contiguous in the plain layout";
}

static const sw_kernel kernels[] = {
    {.name = "simd", .op = "SgdUpdate", .skips = skips_sgd, .run = run_sgd, .fixed_slices = true},
    {.name = "simd", .op = "AdamUpdate", .skips = skips_adam, .run = run_adam, .fixed_slices = true},
    {.name = "simd", .op = "Dropout", .skips = skips_dropout, .run = run_dropout, .fixed_slices = true},
};
const sw_cpu_family sw_cpu_update = {kernels, sizeof kernels / sizeof kernels[0]};
