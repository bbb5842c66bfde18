/* cpu.c: the backend: which kernels stand in which order for each row, which layouts they like, and what identifies
 * this processor.
 *
 * A family of kernels lists itself in kernels.h; this file only puts the lists together, once per context: oneDNN's
 * candidates where they are faster, then ours, then the row's reference body, which serves every row and every type. */
#include "backend/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/gemm.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "base/context.h"
#ifdef SW_HAVE_ONEDNN
#include "backend/cpu/onednn.h"
#endif

enum { CANDIDATES = 7 };

/* Where no output has elements there is nothing to do, and nobody need read weights that may be packed. */
static const char *skips_nothing(const sw_site *site)
{
    if (sw_node_op(site->node)->flags & (SW_DATA_SHAPED | SW_STATEFUL))
        return "its dims depend on data, or it has a state";
    for (int i = 0; i < site->outputs_count; i++)
        if (site->outputs[i].dtype == SW_DTYPE_NONE || sw_view_count(&site->outputs[i]) > 0)
            return "there are elements to compute";
    return NULL;
}

static sw_status run_nothing(const sw_call *call)
{
    (void)call;
    return SW_OK;
}

static const sw_kernel nothing = {
    .name = "nothing", .op = "*", .skips = skips_nothing, .run = run_nothing, .fixed_slices = true};

static const char *skips_reference(const sw_site *site)
{
    for (int i = 0; i < site->inputs_count; i++)
        if (site->inputs[i].layout != SW_LAYOUT_PLAIN)
            return "an input is not in the plain layout";
    for (int i = 0; i < site->outputs_count; i++)
        if (site->outputs[i].layout != SW_LAYOUT_PLAIN)
            return "an output is not in the plain layout";
    if (!sw_site_unpacked(site))
        return "a weight is packed for another kernel";
    return sw_node_op(site->node)->reference ? NULL : "the row has no reference body";
}

static sw_status run_reference(const sw_call *call) { return sw_node_op(call->node)->reference(call); }

static const sw_kernel reference = {
    .name = "reference", .op = "*", .skips = skips_reference, .run = run_reference, .fixed_slices = true};

/* ---- the lists ---- */

struct list {
    const char *op;
    const sw_kernel *items[CANDIDATES + 1];
    int count;
};

struct lists {
    sw_backend backend;
    int count, capacity;
    struct list *items;
};

static const char lists_key;

static void release_lists(sw_context *ctx, void *value)
{
    struct lists *l = value;
    sw_free(ctx, l->items);
    sw_free(ctx, l);
}

static struct list *find_list(const struct lists *l, const char *op)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->items[i].op, op) == 0)
            return &l->items[i];
    return NULL;
}

static sw_status add_kernel(sw_context *ctx, struct lists *l, const sw_kernel *kernel)
{
    struct list *list = find_list(l, kernel->op);
    if (!list) {
        if (l->count == l->capacity) {
            int capacity = l->capacity ? 2 * l->capacity : 64;
            struct list *items = sw_realloc(ctx, l->items, sizeof *items * (size_t)capacity);
            if (!items)
                return sw_alloc_status();
            l->items = items;
            l->capacity = capacity;
        }
        list = &l->items[l->count++];
        *list = (struct list){.op = kernel->op};
    }
    if (list->count >= CANDIDATES - 2)
        return sw_fail(SW_INTERNAL, "more than %d kernels for '%s'", CANDIDATES - 2, kernel->op);
    list->items[list->count++] = kernel;
    return SW_OK;
}

static sw_status add_kernels(sw_context *ctx, struct lists *l, const sw_kernel *kernels, int count)
{
    for (int i = 0; i < count; i++)
        SW_TRY(add_kernel(ctx, l, &kernels[i]));
    return SW_OK;
}

static sw_status add_all(sw_context *ctx, struct lists *l)
{
    const sw_cpu_family *families[] = {&sw_cpu_elementwise, &sw_cpu_reduce,  &sw_cpu_softmax, &sw_cpu_layer_norm,
                                       &sw_cpu_batch_norm,  &sw_cpu_pool,    &sw_cpu_copy,    &sw_cpu_reorder,
                                       &sw_cpu_update,      &sw_cpu_product, &sw_cpu_conv,    &sw_cpu_cast};
    SW_TRY(add_kernels(ctx, l, sw_cpu_small_product.kernels, sw_cpu_small_product.count));
    SW_TRY(add_kernels(ctx, l, sw_cpu_conv_deep.kernels, sw_cpu_conv_deep.count));
#ifdef SW_HAVE_ONEDNN
    SW_TRY(add_kernels(ctx, l, sw_onednn_conv, SW_ONEDNN_CONV));
    SW_TRY(add_kernels(ctx, l, sw_onednn_product, SW_ONEDNN_PRODUCT));
#endif
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        SW_TRY(add_kernels(ctx, l, families[f]->kernels, families[f]->count));
    for (int i = 0; i < l->count; i++) {
        l->items[i].items[l->items[i].count++] = &nothing;
        l->items[i].items[l->items[i].count++] = &reference;
    }
    return SW_OK;
}

/* ---- the backend's face ---- */

static const sw_kernel *const *candidates(const sw_backend *backend, const char *op)
{
    static const sw_kernel *const only_reference[] = {&nothing, &reference, NULL};
    const struct list *list = find_list(backend->user, op);
    return list ? list->items : only_reference;
}

static bool is_conv(const char *op)
{
    return strcmp(op, "Conv") == 0 || strcmp(op, "FusedConv") == 0 || strcmp(op, "ConvGradData") == 0 ||
           strcmp(op, "ConvGradWeight") == 0;
}

/* oneDNN's convolutions work on blocks of as many channels as a vector has floats. Where the result's channels fill
 * blocks, the blocked form saves reorders around every one of them. */
static sw_layout prefers(const sw_site *site)
{
#ifdef SW_HAVE_ONEDNN
    if (!is_conv(sw_node_op(site->node)->name))
        return SW_LAYOUT_PLAIN;
    sw_layout layout = sw_isa_here() == SW_ISA_AVX512 ? SW_LAYOUT_BLOCKED16 : SW_LAYOUT_BLOCKED8;
    const sw_view *y =
        strcmp(sw_node_op(site->node)->name, "ConvGradWeight") == 0 ? &site->inputs[0] : &site->outputs[0];
    if (sw_isa_here() == SW_ISA_PLAIN || y->dtype != SW_F32 || y->rank < 3 || y->dims[1] % sw_layout_block(layout) != 0)
        return SW_LAYOUT_PLAIN;
    return layout;
#else
    (void)site;
    return SW_LAYOUT_PLAIN;
#endif
}

static bool takes(const sw_site *site, sw_layout layout)
{
    if (layout == SW_LAYOUT_PLAIN)
        return true;
    const char *op = sw_node_op(site->node)->name;
    if (is_conv(op)) {
#ifdef SW_HAVE_ONEDNN
        return sw_onednn_conv[0].skips(site) == NULL;
#else
        return false;
#endif
    }
    const sw_backend *backend = sw_backend_find(site->ctx, "cpu");
    for (const sw_kernel *const *k = backend ? candidates(backend, op) : NULL; k && *k; k++)
        if (!(*k)->skips || (*k)->skips(site) == NULL)
            return true;
    return false;
}

static bool fuses(sw_context *ctx, const char *op, const char *activation)
{
    (void)ctx;
    sw_unary_kind kind;
    if (strcmp(op, "FusedConv") != 0 && strcmp(op, "FusedMatMul") != 0)
        return false;
    return sw_gemm_activation(activation, &kind); /* our products take whatever oneDNN does not */
}

static void identity(sw_context *ctx, char *text, size_t size)
{
    (void)ctx;
    char onednn[64] = "no onednn";
#ifdef SW_HAVE_ONEDNN
    sw_onednn_identity(onednn, sizeof onednn);
#endif
    snprintf(text, size, "cpu %s; %s", sw_isa_name(sw_isa_here()), onednn);
}

sw_status sw_cpu_register(sw_context *ctx)
{
    struct lists *l = sw_alloc_zero(ctx, sizeof *l);
    if (!l)
        return sw_alloc_status();
    l->backend = (sw_backend){.name = "cpu",
                              .candidates = candidates,
                              .prefers = prefers,
                              .takes = takes,
                              .fuses = fuses,
                              .identity = identity,
                              .user = l};
    sw_status status = add_all(ctx, l);
    if (status == SW_OK)
        status = sw_context_attach(ctx, &lists_key, l, release_lists);
    if (status != SW_OK) {
        release_lists(ctx, l);
        return status;
    }
#ifdef SW_HAVE_ONEDNN
    SW_TRY(sw_onednn_attach(ctx));
#endif
    return sw_backend_register(ctx, &l->backend);
}
