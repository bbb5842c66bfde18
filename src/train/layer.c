/* layer.c: the table of layers, and how each becomes nodes.
 *
 * A row says what a layer takes and how it is built; nothing else in this room knows one layer from another.
 * Pictures travel as [N, C, H, W], features as [N, F]. */
#include "train/layer.h"

#include <stdio.h>

#include "train/network.h"

#define AT(member) offsetof(sw_layer, member)

/* Shapes that a layer can take */

static int rank_of(const sw_value *x) { return sw_value_type(x)->rank; }
static sw_dim dim_of(const sw_value *x, int axis) { return sw_value_type(x)->dims[axis]; }

static sw_value *wrong_input(sw_builder *b, const sw_layer *layer, const sw_value *x, const char *needs)
{
    char type[128];
    return sw_builder_fail(b, layer, "'%s' needs %s, gets %s", layer->kind->name, needs,
                           sw_type_text(b->g, sw_value_type(x), type, sizeof type));
}

static sw_value *activate(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    return x != NULL && layer->activation != NULL ? layer->activation->build(b->g, x) : x;
}

/* Convolution and pooling */

static void set_pads(const sw_layer *layer, const int64_t kernel[2], sw_window *w)
{
    for (int i = 0; i < 2; i++) {
        int64_t dilation = layer->dilation[i] > 0 ? layer->dilation[i] : 1;
        int64_t all = layer->pad[i] == SW_PAD_SAME ? dilation * (kernel[i] - 1) : 2 * layer->pad[i];
        w->pads_begin[i] = all / 2;
        w->pads_end[i] = all - all / 2;
    }
}

static sw_value *build_conv(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    if (rank_of(x) != 4)
        return wrong_input(b, layer, x, "pictures [N, C, H, W]");
    int64_t channels = dim_of(x, 1), groups = layer->groups;
    if (channels % groups != 0 || layer->units % groups != 0)
        return sw_builder_fail(b, layer, "%lld groups must divide %lld channels and %lld filters", (long long)groups,
                               (long long)channels, (long long)layer->units);
    sw_window w = {.axes = 2, .groups = groups};
    for (int i = 0; i < 2; i++) {
        w.strides[i] = layer->stride[i];
        w.dilations[i] = layer->dilation[i];
    }
    set_pads(layer, layer->kernel, &w);
    sw_init he = sw_init_he((uint64_t)b->network->recipe->train.seed);
    sw_value *weight =
        sw_builder_param(b, "weight", SW_DIMS(layer->units, channels / groups, layer->kernel[0], layer->kernel[1]), he);
    sw_value *bias = layer->bias ? sw_builder_param(b, "bias", SW_DIMS(layer->units), sw_init_zero()) : SW_NONE;
    return activate(b, layer, sw_conv(b->g, x, weight, bias, &w));
}

static bool pool_window(const sw_layer *layer, sw_window *w)
{
    *w = (sw_window){.axes = 2};
    for (int i = 0; i < 2; i++) {
        w->kernel[i] = layer->kernel[i];
        w->strides[i] = layer->stride[i] > 0 ? layer->stride[i] : layer->kernel[i];
    }
    set_pads(layer, layer->kernel, w);
    return w->pads_begin[0] < w->kernel[0] && w->pads_begin[1] < w->kernel[1];
}

static sw_value *build_pool(sw_builder *b, const sw_layer *layer, sw_value *x,
                            sw_value *(*pool)(sw_graph *, sw_value *, const sw_window *))
{
    sw_window w;
    if (rank_of(x) != 4)
        return wrong_input(b, layer, x, "pictures [N, C, H, W]");
    if (!pool_window(layer, &w))
        return sw_builder_fail(b, layer, "'%s' pads by its whole kernel: windows would hold padding only",
                               layer->kind->name);
    return pool(b->g, x, &w);
}

static sw_value *build_maxpool(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    return build_pool(b, layer, x, sw_max_pool);
}
static sw_value *build_avgpool(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    return build_pool(b, layer, x, sw_average_pool);
}

static sw_value *build_globalpool(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    return rank_of(x) != 4 ? wrong_input(b, layer, x, "pictures [N, C, H, W]")
                           : sw_flatten(b->g, sw_global_average_pool(b->g, x), 1);
}

/* Features */

static sw_value *build_flatten(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    (void)layer;
    return rank_of(x) == 2 ? x : sw_flatten(b->g, x, 1);
}

static sw_value *build_dense(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    if (rank_of(x) != 2 || !sw_dim_known(dim_of(x, 1)))
        return wrong_input(b, layer, x, "features [N, F] ('flatten' makes them of pictures)");
    uint64_t seed = (uint64_t)b->network->recipe->train.seed;
    sw_init init = layer->activation != NULL ? sw_init_he(seed) : sw_init_glorot(seed);
    sw_value *weight = sw_builder_param(b, "weight", SW_DIMS(dim_of(x, 1), layer->units), init);
    sw_value *bias = layer->bias ? sw_builder_param(b, "bias", SW_DIMS(layer->units), sw_init_zero()) : SW_NONE;
    return activate(b, layer, sw_gemm(b->g, x, false, weight, false, bias, 1, 1));
}

static sw_value *build_dropout(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    return sw_dropout(b->g, x, layer->rate);
}

static sw_value *build_batchnorm(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    if (rank_of(x) < 2)
        return wrong_input(b, layer, x, "at least [N, C]");
    sw_dims channels = SW_DIMS(dim_of(x, 1));
    sw_value *scale = sw_builder_param(b, "scale", channels, sw_init_constant(1));
    sw_value *bias = sw_builder_param(b, "bias", channels, sw_init_zero());
    sw_state *mean = sw_builder_state(b, "mean", channels, sw_init_zero());
    sw_state *variance = sw_builder_state(b, "variance", channels, sw_init_constant(1));
    return mean != NULL && variance != NULL
               ? sw_batch_norm(b->g, x, scale, bias, mean, variance, layer->epsilon, layer->momentum)
               : NULL;
}

static sw_value *build_layernorm(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    sw_dims dims = {.rank = rank_of(x) - 1};
    for (int i = 0; i < dims.rank; i++)
        dims.dim[i] = dim_of(x, i + 1);
    sw_value *scale = sw_builder_param(b, "scale", dims, sw_init_constant(1));
    sw_value *bias = sw_builder_param(b, "bias", dims, sw_init_zero());
    return sw_layer_norm(b->g, x, scale, bias, 1, layer->epsilon);
}

/* Residual blocks: x + f(x). Where f changes the shape, x goes through a 1x1 convolution with the stride that fits and
 * a batch norm (He et al., "Deep residual learning for image recognition", 2015, option B). */

static bool same_shape(const sw_value *a, const sw_value *b)
{
    const sw_type *s = sw_value_type(a), *t = sw_value_type(b);
    bool same = s->rank == t->rank;
    for (int i = 1; same && i < s->rank; i++)
        same = s->dims[i] == t->dims[i];
    return same;
}

static sw_value *project(sw_builder *b, const sw_layer *layer, sw_value *x, const sw_value *like)
{
    sw_layer steps[2] = {{.at = layer->at, .units = dim_of(like, 1), .kernel = {1, 1}, .groups = 1},
                         {.at = layer->at, .epsilon = 1e-5, .momentum = 0.9}};
    for (int i = 0; i < 2; i++) {
        int64_t from = dim_of(x, i + 2), to = dim_of(like, i + 2), stride = to > 0 ? (from + to - 1) / to : 1;
        steps[0].stride[i] = stride;
        if ((from - 1) / stride + 1 != to)
            return sw_builder_fail(b, layer,
                                   "the block takes %lld rows or columns to %lld; no stride of its shortcut does that",
                                   (long long)from, (long long)to);
    }
    for (int i = 0; i < sw_layer_kind_count; i++) {
        steps[0].kind = sw_layer_kinds[i]->build == build_conv ? sw_layer_kinds[i] : steps[0].kind;
        steps[1].kind = sw_layer_kinds[i]->build == build_batchnorm ? sw_layer_kinds[i] : steps[1].kind;
    }
    return sw_builder_add(b, steps, 2, x);
}

static sw_value *build_residual(sw_builder *b, const sw_layer *layer, sw_value *x)
{
    sw_value *y = sw_builder_add(b, layer->children, layer->child_count, x);
    if (y == NULL)
        return NULL;
    if (!same_shape(x, y)) {
        if (rank_of(x) != 4 || rank_of(y) != 4)
            return sw_builder_fail(b, layer, "the block must keep the shape of its input, or be of convolutions");
        x = project(b, layer, x, y);
    }
    return x != NULL ? sw_add(b->g, x, y) : NULL;
}

/* Activations */

static sw_value *gelu(sw_graph *g, sw_value *x) { return sw_gelu(g, x, false); }
static sw_value *leaky(sw_graph *g, sw_value *x) { return sw_leaky_relu(g, x, 0.01); }
static sw_value *elu(sw_graph *g, sw_value *x) { return sw_elu(g, x, 1); }

const sw_activation sw_activations[] = {
    {"relu", sw_relu}, {"gelu", gelu},        {"silu", sw_silu}, {"sigmoid", sw_sigmoid},
    {"tanh", sw_tanh}, {"leaky_relu", leaky}, {"elu", elu},
};
const int sw_activation_count = sizeof sw_activations / sizeof *sw_activations;

static sw_value *build_activation(sw_builder *b, const sw_layer *layer, sw_value *x) { return activate(b, layer, x); }

#define ACTIVATION(name_, index)                                                                                       \
    static const sw_layer_kind kind_##name_ = {.name = #name_,                                                         \
                                               .doc = "The activation of that name.",                                  \
                                               .defaults = {.activation = &sw_activations[index]},                     \
                                               .build = build_activation}
ACTIVATION(relu, 0);
ACTIVATION(gelu, 1);
ACTIVATION(silu, 2);
ACTIVATION(sigmoid, 3);
ACTIVATION(tanh, 4);
ACTIVATION(leaky_relu, 5);
ACTIVATION(elu, 6);

/* The table */

#define ARG_KERNEL                                                                                                     \
    {                                                                                                                  \
        "kernel", SW_ARG_PAIR, AT(kernel), true, 1, 1024                                                               \
    }
#define ARG_STRIDE                                                                                                     \
    {                                                                                                                  \
        "stride", SW_ARG_PAIR, AT(stride), false, 1, 1024                                                              \
    }
#define ARG_PAD                                                                                                        \
    {                                                                                                                  \
        "pad", SW_ARG_PAD, AT(pad), false, 0, 1024                                                                     \
    }
#define ARG_ACTIVATION_NAME                                                                                            \
    {                                                                                                                  \
        "activation", SW_ARG_ACTIVATION, AT(activation), false, 0, 0                                                   \
    }
#define ARG_BIAS                                                                                                       \
    {                                                                                                                  \
        "bias", SW_ARG_BOOL, AT(bias), false, 0, 0                                                                     \
    }
#define ARG_EPSILON                                                                                                    \
    {                                                                                                                  \
        "epsilon", SW_ARG_NUMBER, AT(epsilon), false, 1e-12, 1                                                         \
    }

static const sw_layer_kind kind_conv = {
    .name = "conv",
    .doc = "Convolution of pictures with `filters` kernels; pad is 'same' unless told.",
    .args = (const sw_layer_arg[]){{"filters", SW_ARG_INT, AT(units), true, 1, 65536},
                                   ARG_KERNEL,
                                   ARG_ACTIVATION_NAME,
                                   ARG_STRIDE,
                                   ARG_PAD,
                                   {"dilation", SW_ARG_PAIR, AT(dilation), false, 1, 1024},
                                   {"groups", SW_ARG_INT, AT(groups), false, 1, 65536},
                                   ARG_BIAS,
                                   {0}},
    .defaults = {.stride = {1, 1}, .dilation = {1, 1}, .pad = {SW_PAD_SAME, SW_PAD_SAME}, .groups = 1, .bias = true},
    .build = build_conv};
static const sw_layer_kind kind_maxpool = {
    .name = "maxpool",
    .doc = "The largest value of each window; the stride is the kernel unless told.",
    .args = (const sw_layer_arg[]){ARG_KERNEL, ARG_STRIDE, ARG_PAD, {0}},
    .build = build_maxpool};
static const sw_layer_kind kind_avgpool = {.name = "avgpool",
                                           .doc = "The mean of each window, padding not counted.",
                                           .args = (const sw_layer_arg[]){ARG_KERNEL, ARG_STRIDE, ARG_PAD, {0}},
                                           .build = build_avgpool};
static const sw_layer_kind kind_globalpool = {
    .name = "globalpool", .doc = "The mean of each channel: pictures to features.", .build = build_globalpool};
static const sw_layer_kind kind_flatten = {.name = "flatten", .doc = "Pictures to features.", .build = build_flatten};
static const sw_layer_kind kind_dense = {
    .name = "dense",
    .doc = "Every output from every feature.",
    .args =
        (const sw_layer_arg[]){{"units", SW_ARG_INT, AT(units), true, 1, 1 << 20}, ARG_ACTIVATION_NAME, ARG_BIAS, {0}},
    .defaults = {.bias = true},
    .build = build_dense};
static const sw_layer_kind kind_dropout = {
    .name = "dropout",
    .doc = "While training, a share `rate` of the values is zero and the others are scaled up.",
    .args = (const sw_layer_arg[]){{"rate", SW_ARG_NUMBER, AT(rate), true, 0, 0.99}, {0}},
    .build = build_dropout};
static const sw_layer_kind kind_batchnorm = {
    .name = "batchnorm",
    .doc = "Each channel to mean 0 and deviation 1 over the batch, then scaled and shifted.",
    .args = (const sw_layer_arg[]){{"momentum", SW_ARG_NUMBER, AT(momentum), false, 0, 1}, ARG_EPSILON, {0}},
    .defaults = {.epsilon = 1e-5, .momentum = 0.9},
    .build = build_batchnorm};
static const sw_layer_kind kind_layernorm = {.name = "layernorm",
                                             .doc = "Each sample to mean 0 and deviation 1, then scaled and shifted.",
                                             .args = (const sw_layer_arg[]){ARG_EPSILON, {0}},
                                             .defaults = {.epsilon = 1e-5},
                                             .build = build_layernorm};
const sw_layer_kind sw_layer_residual = {.name = "residual",
                                         .doc = "x + the layers in its list; a 1x1 convolution where shapes differ.",
                                         .build = build_residual};

const sw_layer_kind *const sw_layer_kinds[] = {
    &kind_conv,    &kind_maxpool,   &kind_avgpool,   &kind_globalpool,   &kind_flatten, &kind_dense,
    &kind_dropout, &kind_batchnorm, &kind_layernorm, &sw_layer_residual, &kind_relu,    &kind_gelu,
    &kind_silu,    &kind_sigmoid,   &kind_tanh,      &kind_leaky_relu,   &kind_elu,
};
const int sw_layer_kind_count = sizeof sw_layer_kinds / sizeof *sw_layer_kinds;
