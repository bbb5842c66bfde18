/* train/layer.h: one step of a recipe's `model:`, read but not yet built.
 *
 * A layer is written short, "conv 32 3 relu stride=2", or as a map, {conv: {filters: 32, kernel: 3, stride: 2}}; a
 * residual block holds layers: {residual: [conv 64 3, batchnorm, relu, conv 64 3, batchnorm]}. One table says for
 * each kind what it takes; reading, help and building follow it. Uses: base/. */
#ifndef SW_TRAIN_LAYER_H
#define SW_TRAIN_LAYER_H

#include "base/doc.h"
#include "slipway/ops.h"

#define SW_PAD_SAME (-1) /* pads so that stride 1 keeps the size: dilation * (kernel - 1), the odd one behind */

typedef struct sw_activation {
    const char *name;
    sw_value *(*build)(sw_graph *g, sw_value *x);
} sw_activation;

typedef struct sw_layer_kind sw_layer_kind;

typedef struct sw_layer {
    const sw_layer_kind *kind;
    const sw_doc *at;                                  /* for messages */
    int64_t units;                                     /* filters of a convolution, outputs of a dense layer */
    int64_t kernel[2], stride[2], dilation[2], pad[2]; /* rows, columns; stride 0: the kernel (pooling) or 1 */
    int64_t groups;
    bool bias;
    const sw_activation *activation; /* NULL: none */
    double rate, epsilon, momentum;
    const struct sw_layer *children; /* of a residual block */
    int child_count;
} sw_layer;

/* Reads a list of layers. Residual blocks nest at most 4 deep; a model has at most 1,000 layers. */
sw_status sw_layers_read(sw_arena *arena, const sw_doc *list, const sw_layer **layers, int *count);

struct sw_builder;
struct sw_layer_arg;
struct sw_layer_kind {
    const char *name;
    const char *doc;
    const struct sw_layer_arg *args; /* in the order of the short form; ends with a NULL name */
    sw_layer defaults;
    /* Adds the layer to the graph; NULL once that has failed. */
    sw_value *(*build)(struct sw_builder *builder, const sw_layer *layer, sw_value *x);
};

typedef enum sw_arg_type {
    SW_ARG_INT,
    SW_ARG_PAIR,
    SW_ARG_PAD,
    SW_ARG_NUMBER,
    SW_ARG_BOOL,
    SW_ARG_ACTIVATION
} sw_arg_type;

typedef struct sw_layer_arg {
    const char *name;
    sw_arg_type type;
    size_t offset; /* into sw_layer */
    bool required;
    double low, high;
} sw_layer_arg;

/* The table, activations included as layers of their own. */
extern const sw_layer_kind *const sw_layer_kinds[];
extern const int sw_layer_kind_count;
extern const sw_activation sw_activations[];
extern const int sw_activation_count;
extern const sw_layer_kind sw_layer_residual; /* the kind that holds a list */

#endif
