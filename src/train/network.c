/* network.c: building a recipe's layers into a graph, finding states by name. */
#include "train/network.h"

#include <stdio.h>
#include <string.h>

/* The facts of the data */

static sw_status take_statistics(sw_network *n, const sw_dataset *data)
{
    if (!n->recipe->normalize)
        return SW_OK;
    n->mean = sw_alloc_array(n->ctx, (size_t)n->channels, sizeof *n->mean);
    n->deviation = sw_alloc_array(n->ctx, (size_t)n->channels, sizeof *n->deviation);
    if (n->mean == NULL || n->deviation == NULL)
        return sw_alloc_status();
    SW_TRY(sw_dataset_statistics(data, n->mean, n->deviation));
    for (int64_t c = 0; n->x_dtype == SW_U8 && c < n->channels; c++) {
        n->mean[c] *= 255; /* statistics are of values / 255, the graph sees values */
        n->deviation[c] *= n->deviation[c] == 1 ? 1 : 255;
    }
    return SW_OK;
}

static sw_status take_facts(sw_network *n, const sw_dataset *data)
{
    n->x_dtype = sw_dataset_x_dtype(data);
    n->x_dims = sw_dataset_x_dims(data);
    n->pictures = sw_dataset_is_pictures(data);
    n->channels = sw_dataset_channels(data);
    n->classifies = sw_dataset_classes(data) > 0;
    n->outputs = sw_dataset_classes(data);
    if (!n->classifies) {
        sw_dims y = sw_dataset_y_dims(data);
        if (y.rank > 1 || !sw_dtype_is_float(sw_dataset_y_dtype(data)))
            return sw_fail(SW_UNSUPPORTED, "%s: targets must be labels (integers [N]) or floats [N] or [N, K]",
                           sw_dataset_name(data));
        n->outputs = y.rank == 1 ? y.dim[0] : 1;
    }
    n->states = sw_strmap_new(n->ctx);
    return n->states != NULL ? take_statistics(n, data) : sw_alloc_status();
}

sw_status sw_network_new(sw_context *ctx, const sw_recipe *recipe, const sw_dataset *data, sw_network **network)
{
    sw_network *n = sw_alloc_zero(ctx, sizeof *n);
    if (n == NULL)
        return sw_alloc_status();
    n->ctx = ctx;
    n->recipe = recipe;
    sw_status status = take_facts(n, data);
    if (status == SW_OK)
        *network = n;
    else
        sw_network_free(n);
    return status;
}

void sw_network_free(sw_network *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; n->states != NULL && i < sw_strmap_count(n->states); i++)
        sw_state_release(sw_strmap_at(n->states, i, NULL));
    sw_strmap_free(n->states);
    sw_free(n->ctx, n->mean);
    sw_free(n->ctx, n->deviation);
    sw_free(n->ctx, n);
}

const char *sw_network_input_name(const sw_network *n) { return n->pictures ? "image" : "x"; }
const char *sw_network_output_name(const sw_network *n) { return n->classifies ? "probabilities" : "prediction"; }

int64_t sw_network_parameters(const sw_network *n)
{
    int64_t count = 0;
    for (size_t i = 0; i < sw_strmap_count(n->states); i++) {
        const sw_state *state = sw_strmap_at(n->states, i, NULL);
        count += sw_state_trainable(state) ? sw_tensor_count(sw_state_tensor(state)) : 0;
    }
    return count;
}

/* What layers ask of their builder */

static sw_value *fail(sw_builder *b, sw_status status)
{
    if (b->failed == SW_OK)
        b->failed = status;
    return NULL;
}

sw_value *sw_builder_fail(sw_builder *b, const sw_layer *layer, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(b, sw_doc_fail(layer->at, "%s", text));
}

sw_status sw_builder_name(sw_builder *b, const char *kind)
{
    intptr_t count = (intptr_t)sw_strmap_get(b->counts, kind) + 1;
    snprintf(b->name, sizeof b->name, "%s%d", kind, (int)count);
    return sw_strmap_set(b->counts, kind, (void *)count);
}

static sw_state *find_state(sw_builder *b, const char *part, sw_dims dims, sw_init init, bool trainable)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", b->name, part);
    sw_state *state = sw_strmap_get(b->network->states, name);
    if (state != NULL)
        return state;
    state = sw_state_new(b->network->ctx, name, SW_F32, dims, init, trainable);
    if (state == NULL) {
        fail(b, sw_alloc_status());
    } else if (sw_strmap_set(b->network->states, name, state) != SW_OK) {
        sw_state_release(state);
        fail(b, sw_alloc_status());
        state = NULL;
    }
    return state;
}

sw_value *sw_builder_param(sw_builder *b, const char *part, sw_dims dims, sw_init init)
{
    sw_state *state = find_state(b, part, dims, init, true);
    return state != NULL ? sw_read(b->g, state) : NULL;
}

sw_state *sw_builder_state(sw_builder *b, const char *part, sw_dims dims, sw_init init)
{
    return find_state(b, part, dims, init, false);
}

/* The graph has failed at this layer: a misfit is the recipe's fault and gets its line, the rest is not. */
static void blame(sw_builder *b, const sw_layer *layer)
{
    sw_status status = sw_graph_status(b->g);
    if (status == SW_SHAPE || status == SW_INVALID || status == SW_UNSUPPORTED)
        sw_builder_fail(b, layer, "%s", sw_graph_error(b->g));
    else
        fail(b, sw_fail(status, "%s", sw_graph_error(b->g)));
}

sw_value *sw_builder_add(sw_builder *b, const sw_layer *layers, int count, sw_value *x)
{
    for (int i = 0; i < count && x != NULL; i++) {
        const sw_layer *layer = &layers[i];
        sw_status named = sw_builder_name(b, layer->kind->name);
        x = named == SW_OK ? layer->kind->build(b, layer, x) : fail(b, named);
        if (x == NULL && b->failed == SW_OK)
            blame(b, layer);
    }
    return x;
}

/* From raw samples to what the first layer takes */

static sw_value *declare_input(const sw_network *n, sw_graph *g)
{
    sw_type type = {.kind = SW_TENSOR, .dtype = n->x_dtype, .rank = n->x_dims.rank + 1};
    type.dims[0] = sw_symbol(g, "N");
    for (int i = 0; i < n->x_dims.rank; i++)
        type.dims[i + 1] = n->x_dims.dim[i];
    return sw_input_declare(g, sw_network_input_name(n), type);
}

static sw_value *preprocess(const sw_network *n, sw_graph *g, sw_value *x)
{
    int channel_axis = n->x_dims.rank;
    x = sw_cast(g, x, SW_F32);
    if (n->pictures && n->channels == 1) {
        x = sw_reshape(
            g, x,
            SW_DIMS(-1, 1, n->x_dims.dim[0], n->x_dims.dim[1])); /* [N, H, W, 1] and [N, 1, H, W] are the same bytes */
        channel_axis = 1;
    } else if (n->pictures) {
        x = sw_transpose(g, x, 4, (int64_t[]){0, 3, 1, 2});
        channel_axis = 1;
    }
    if (n->mean != NULL)
        return sw_normalize(g, x, channel_axis, (int)n->channels, n->mean, n->deviation);
    return n->x_dtype == SW_U8 ? sw_mul_scalar(g, x, 1.0 / 255.0) : x;
}

static sw_value *check_outputs(sw_builder *b, sw_value *y)
{
    const sw_type *type = sw_value_type(y);
    const sw_layer *last = &b->network->recipe->layers[b->network->recipe->layer_count - 1];
    if (type->rank == 2 && type->dims[1] == b->network->outputs)
        return y;
    char text[128];
    return sw_builder_fail(b, last, "the last layer gives %s, the data needs [N, %lld]",
                           sw_type_text(b->g, type, text, sizeof text), (long long)b->network->outputs);
}

sw_status sw_network_build(sw_network *n, sw_graph *g, sw_value **y)
{
    sw_builder b = {.network = n, .g = g, .counts = sw_strmap_new(n->ctx)};
    if (b.counts == NULL)
        return sw_alloc_status();
    *y = sw_builder_add(&b, n->recipe->layers, n->recipe->layer_count, preprocess(n, g, declare_input(n, g)));
    if (*y != NULL)
        *y = check_outputs(&b, *y);
    sw_strmap_free(b.counts);
    if (*y != NULL)
        return SW_OK;
    return b.failed != SW_OK ? b.failed : sw_fail(sw_graph_status(g), "%s", sw_graph_error(g));
}

static sw_status build_serving(sw_network *n, sw_graph *g)
{
    sw_value *y;
    sw_graph_set_name(g, n->recipe->name);
    SW_TRY(sw_network_build(n, g, &y));
    return sw_output(g, sw_network_output_name(n), n->classifies ? sw_softmax(g, y, 1) : y);
}

sw_status sw_network_serving(sw_network *n, sw_graph **result)
{
    sw_graph *g = sw_graph_new(n->ctx, 0);
    if (g == NULL)
        return sw_alloc_status();
    sw_status status = build_serving(n, g);
    if (status == SW_OK)
        *result = g;
    else
        sw_graph_free(g);
    return status;
}
