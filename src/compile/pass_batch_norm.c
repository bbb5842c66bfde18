/* pass_batch_norm.c: a normalisation by fixed statistics disappears into the convolution before it.
 *
 * With s = scale / sqrt(variance + epsilon), per channel of the result:
 *     s * (conv(x, w) + b - mean) + bias = conv(x, w * s) + (b - mean) * s + bias.
 * Computed in double, once. Only where weight and statistics are constants: in frozen plans. */
#include <math.h>

#include "compile/pass.h"

enum { X, SCALE, BIAS, MEAN, VARIANCE, TRAINING, PORTS };

static bool outputs_used(const sw_node *node)
{
    for (int i = 1; i < node->outputs_count; i++)
        if (node->outputs[i] != sw_none && node->outputs[i]->uses)
            return true;
    return false;
}

/* The convolution that can absorb this node, or NULL. */
static sw_node *absorber(const sw_node *node)
{
    if (!sw_node_is(node, "BatchNorm") || outputs_used(node) || !sw_value_is_all(node->inputs[TRAINING], 0))
        return NULL;
    for (int i = SCALE; i <= VARIANCE; i++)
        if (!sw_value_constant(node->inputs[i]))
            return NULL;
    sw_node *conv = node->inputs[X]->node;
    sw_value *b = sw_node_input(conv, 2);
    if (!sw_node_is(conv, "Conv") || conv->outputs[0]->uses != 1 || !sw_value_constant(conv->inputs[1]) ||
        (b != sw_none && !sw_value_constant(b)))
        return NULL;
    return conv;
}

static double at(const sw_node *node, int input, int64_t channel)
{
    return sw_tensor_get(node->inputs[input]->tensor, channel);
}

static sw_status scale_weights(const sw_node *node, const sw_node *conv, sw_tensor *w, sw_tensor *b)
{
    const sw_tensor *plain = conv->inputs[1]->tensor;
    const sw_tensor *old_b = sw_value_constant(sw_node_input(conv, 2));
    double epsilon = sw_attr_float(node, "epsilon");
    int64_t channels = sw_tensor_dim(w, 0), each = channels ? sw_tensor_count(w) / channels : 0;
    for (int64_t c = 0; c < channels; c++) {
        double s = at(node, SCALE, c) / sqrt(at(node, VARIANCE, c) + epsilon);
        for (int64_t i = c * each; i < (c + 1) * each; i++)
            SW_TRY(sw_tensor_set(w, i, sw_tensor_get(plain, i) * s));
        double before = old_b ? sw_tensor_get(old_b, c) : 0;
        SW_TRY(sw_tensor_set(b, c, (before - at(node, MEAN, c)) * s + at(node, BIAS, c)));
    }
    return SW_OK;
}

static sw_status absorb(sw_compiling *c, sw_node *node, sw_node *conv)
{
    const sw_tensor *plain = conv->inputs[1]->tensor;
    sw_tensor *w = sw_tensor_new(c->ctx, sw_tensor_dtype(plain), sw_tensor_dims(plain));
    sw_tensor *b = sw_tensor_new(c->ctx, sw_tensor_dtype(plain), SW_DIMS(sw_tensor_dim(plain, 0)));
    sw_status status = w && b ? scale_weights(node, conv, w, b) : sw_alloc_status();
    sw_value *new_w = status == SW_OK ? sw_pass_constant(c, conv, w) : NULL;
    sw_value *new_b = new_w ? sw_pass_constant(c, conv, b) : NULL;
    sw_tensor_release(w);
    sw_tensor_release(b);
    if (!new_b)
        return status == SW_OK ? sw_graph_status(c->g) : status;
    sw_node_set_input(conv, 1, new_w);
    sw_node_set_input(conv, 2, new_b);
    sw_pass_note(c, "%s takes %s", sw_node_name(conv), sw_node_name(node));
    sw_pass_replace(node, conv->outputs[0]);
    return SW_OK;
}

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        sw_node *conv = absorber(node);
        if (conv)
            SW_TRY(absorb(c, node, conv));
    }
    return SW_OK;
}

const sw_pass sw_pass_batch_norm = {.name = "batch-norm",
                                    .doc = "puts fixed normalisations into convolutions",
                                    .rounds = true,
                                    .serves_only = true,
                                    .run = run};
