/* softmax.c: Softmax, LogSoftmax and the cross-entropy on logits with its gradient, for rows that lie in one run. */
#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

enum { GRAIN = 1 << 13 }; /* elements that pay for waking a team: an exponential each */

struct rows {
    const sw_simd *simd;
    int64_t n;
    const float *x;
    float *y;
    void (*row)(const float *x, float *y, int64_t n);
};

static void each_row(void *user, int64_t begin, int64_t end)
{
    const struct rows *r = user;
    for (int64_t i = begin; i < end; i++)
        r->row(r->x + i * r->n, r->y + i * r->n, r->n);
}

static int64_t axis_of(const sw_node *node, int rank)
{
    int64_t axis = sw_attr_int(node, "axis");
    return axis < 0 ? axis + rank : axis;
}

static const char *skips_softmax(const sw_site *site)
{
    const char *why = sw_site_skips_unless_plain_f32(site);
    const sw_view *x = &site->inputs[0];
    if (why)
        return why;
    if (x->rank == 0 || sw_view_count(x) == 0)
        return "no axis, or no elements";
    int64_t inner = 1;
    for (int64_t i = axis_of(site->node, x->rank) + 1; i < x->rank; i++)
        inner *= x->dims[i];
    return inner == 1 ? NULL : "the axis is not the last";
}

static sw_status run_softmax(const sw_call *call)
{
    const sw_simd *simd = sw_simd_here();
    const sw_view *x = &call->inputs[0];
    bool log = strcmp(sw_node_op(call->node)->name, "LogSoftmax") == 0;
    struct rows r = {.simd = simd,
                     .n = x->dims[axis_of(call->node, x->rank)],
                     .x = x->data,
                     .y = call->outputs[0].data,
                     .row = log ? simd->log_softmax : simd->softmax};
    sw_cpu_for(call->team, sw_view_count(x) / r.n, GRAIN / r.n + 1, each_row, &r);
    return SW_OK;
}

/* ---- cross-entropy: logits [N, C], labels [N] ---- */

struct entropy {
    const sw_simd *simd;
    int64_t classes, ignored;
    float smoothing;
    const float *logits, *dloss;
    const sw_view *labels;
    float *out;
    bool failed;
};

static int64_t label_at(const struct entropy *e, int64_t i)
{
    return e->labels->dtype == SW_I64 ? ((const int64_t *)e->labels->data)[i] : ((const int32_t *)e->labels->data)[i];
}

static void losses(void *user, int64_t begin, int64_t end)
{
    struct entropy *e = user;
    int64_t c = e->classes;
    for (int64_t i = begin; i < end; i++) {
        const float *x = e->logits + i * c;
        int64_t label = label_at(e, i);
        if (label == e->ignored || label < 0 || label >= c) {
            e->failed |= label != e->ignored;
            e->out[i] = 0;
            continue;
        }
        float shift, log_sum = e->simd->log_sum_exp(x, c, &shift);
        e->out[i] = log_sum + (1 - e->smoothing) * (shift - x[label]);
        if (e->smoothing != 0)
            e->out[i] += e->smoothing * (shift - e->simd->sum(x, c) / (float)c);
    }
}

/* softmax(x) - target, times the loss's own gradient */
static void slopes(void *user, int64_t begin, int64_t end)
{
    struct entropy *e = user;
    int64_t c = e->classes;
    for (int64_t i = begin; i < end; i++) {
        const float *x = e->logits + i * c;
        float *dx = e->out + i * c, d = e->dloss[i];
        int64_t label = label_at(e, i);
        if (label == e->ignored || label < 0 || label >= c) {
            e->failed |= label != e->ignored;
            memset(dx, 0, sizeof *dx * (size_t)c);
            continue;
        }
        e->simd->softmax(x, dx, c);
        if (e->smoothing != 0) {
            float share = e->smoothing / (float)c;
            e->simd->binary[SW_BINARY_SUB][SW_VECTOR_SCALAR](dx, &share, dx, c);
        }
        dx[label] -= 1 - e->smoothing;
        e->simd->binary[SW_BINARY_MUL][SW_VECTOR_SCALAR](dx, &d, dx, c);
    }
}

static const char *skips_entropy(const sw_site *site, int logits)
{
    const sw_view *x = &site->inputs[logits], *labels = &site->inputs[logits + 1];
    if (x->dtype != SW_F32 || site->outputs[0].dtype != SW_F32)
        return "element type is not f32";
    if (labels->dtype != SW_I32 && labels->dtype != SW_I64)
        return "labels are not i32 or i64";
    if (x->rank != 2 || x->dims[1] == 0)
        return "logits are not a matrix";
    return sw_site_plain(site) ? NULL : "not contiguous";
}

static const char *skips_loss(const sw_site *site) { return skips_entropy(site, 0); }

static const char *skips_loss_grad(const sw_site *site) { return skips_entropy(site, 1); }

static sw_status run_entropy(const sw_call *call, int logits)
{
    const sw_view *x = &call->inputs[logits];
    struct entropy e = {.simd = sw_simd_here(),
                        .classes = x->dims[1],
                        .ignored = sw_attr_int(call->node, "ignore_index"),
                        .smoothing = (float)sw_attr_float(call->node, "label_smoothing"),
                        .logits = x->data,
                        .dloss = logits ? call->inputs[0].data : NULL,
                        .labels = &call->inputs[logits + 1],
                        .out = call->outputs[0].data};
    sw_cpu_for(call->team, x->dims[0], GRAIN / e.classes + 1, logits ? slopes : losses, &e);
    if (e.failed)
        return sw_fail(SW_INVALID, "%s '%s': a label lies outside 0..%lld", sw_node_op(call->node)->name,
                       sw_node_name(call->node), (long long)e.classes - 1);
    return SW_OK;
}

static sw_status run_loss(const sw_call *call) { return run_entropy(call, 0); }

static sw_status run_loss_grad(const sw_call *call) { return run_entropy(call, 1); }

static const sw_kernel kernels[] = {
    {.name = "simd", .op = "Softmax", .skips = skips_softmax, .run = run_softmax, .fixed_slices = true},
    {.name = "simd", .op = "LogSoftmax", .skips = skips_softmax, .run = run_softmax, .fixed_slices = true},
    {.name = "simd", .op = "SoftmaxCrossEntropy", .skips = skips_loss, .run = run_loss, .fixed_slices = true},
    {.name = "simd",
     .op = "SoftmaxCrossEntropyGrad",
     .skips = skips_loss_grad,
     .run = run_loss_grad,
     .fixed_slices = true},
};
const sw_cpu_family sw_cpu_softmax = {kernels, sizeof kernels / sizeof kernels[0]};
