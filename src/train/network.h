/* train/network.h: a recipe's layers as a graph, as often as one is needed.
 *
 * A network owns the named states (parameters, batch-norm statistics); building it again, for serving say, finds the
 * same states under the same names. Names count per kind: conv1.weight, conv1.bias, batchnorm1.mean, dense1.weight.
 * What turns raw samples into numbers (u8 [N, H, W, C] to normalised [N, C, H, W]) is part of the graph, so that
 * training and serving cannot drift apart. Uses: base/, graph/, ops/, data/. */
#ifndef SW_TRAIN_NETWORK_H
#define SW_TRAIN_NETWORK_H

#include "base/vec.h"
#include "slipway/data.h"
#include "slipway/ops.h"
#include "train/recipe.h"

typedef struct sw_network {
    sw_context *ctx;
    const sw_recipe *recipe;
    sw_dtype x_dtype;
    sw_dims x_dims; /* of one sample */
    bool pictures;
    int64_t channels;
    double *mean, *deviation; /* per channel, in the raw samples' unit; NULL: not normalised */
    int64_t outputs;          /* classes, or numbers per target */
    bool classifies;
    sw_strmap *states; /* name -> sw_state *, one reference each */
} sw_network;

/* The facts that the network needs of its data are copied; the recipe must outlive it. */
sw_status sw_network_new(sw_context *ctx, const sw_recipe *recipe, const sw_dataset *data, sw_network **network);
void sw_network_free(sw_network *network); /* NULL is allowed */

/* Declares the input ("image" for pictures, else "x"; its batch dim is the symbol N) and adds preprocessing and layers.
 * *y is [N, outputs]: logits, or predictions. SW_INVALID with its line when a layer does not fit. */
sw_status sw_network_build(sw_network *network, sw_graph *g, sw_value **y);

/* What is served: input -> "probabilities" f32[N, classes], or "prediction". */
sw_status sw_network_serving(sw_network *network, sw_graph **g);

int64_t sw_network_parameters(const sw_network *network); /* trainable numbers */
const char *sw_network_input_name(const sw_network *network);
const char *sw_network_output_name(const sw_network *network);

/* ---- for the layers ---- */
typedef struct sw_builder {
    sw_network *network;
    sw_graph *g;
    sw_strmap *counts; /* how many layers of each kind there are so far */
    char name[64];     /* of the layer being built: "conv3" */
    sw_status failed;  /* a complaint about the recipe, which the graph knows nothing of */
} sw_builder;

/* Builds layers one after another; complaints carry the layer's place. */
sw_value *sw_builder_add(sw_builder *builder, const sw_layer *layers, int count, sw_value *x);
/* The parameter "<name>.<part>", made at first use. */
sw_value *sw_builder_param(sw_builder *builder, const char *part, sw_dims dims, sw_init init);
/* A state that is no parameter. Borrowed. */
sw_state *sw_builder_state(sw_builder *builder, const char *part, sw_dims dims, sw_init init);
/* Fails the build at the layer; returns NULL. */
sw_value *sw_builder_fail(sw_builder *builder, const sw_layer *layer, const char *format, ...) SW_PRINTF(3, 4);
/* Fresh name for one more layer of this kind. */
sw_status sw_builder_name(sw_builder *builder, const char *kind);

#endif
